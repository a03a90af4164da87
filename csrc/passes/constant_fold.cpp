#include "passes/constant_fold.h"

#include <atomic>
#include <memory>

#include "ops/elemwise.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "passes/match.h"

namespace phintys {

namespace {

constexpr int64_t kMaxElements = 1 << 16;
// Fills stay symbolic unless they are tiny: rules see through them, and they cost nothing in
// fusion.
constexpr int64_t kMaxFill = 64;

std::atomic<Evaluator> g_evaluator{nullptr};

class HeapContext final : public PerformContext {
 public:
  void* scratch(size_t bytes) override {
    block_ = Buffer::allocate(bytes ? bytes : 1);
    return block_->data();
  }

 private:
  Ref<Buffer> block_;
};

// Dimensions whose product would overflow are no candidates.
int64_t elements(const Dims& shape) {
  int64_t n = 0;
  return checked_product(shape, &n) ? n : INT64_MAX;
}

struct Plan {
  std::vector<TensorView> inputs;
  std::vector<Layout> layouts;
};

Plan plan_of(const Apply& node) {
  Plan plan;
  for (const Var& v : node.inputs()) plan.inputs.push_back(v->constant().view());
  plan.layouts.resize(static_cast<size_t>(node.nout()));
  node.op().layout(plan.inputs, plan.layouts);
  return plan;
}

std::vector<Array> run_kernel(const Apply& node, const Plan& plan) {
  std::vector<Array> results;
  bool all_alias = true;
  for (int i = 0; i < node.nout(); ++i) {
    const Layout& layout = plan.layouts[static_cast<size_t>(i)];
    const DType dtype = node.output(i)->dtype();
    if (layout.alias < 0) {
      results.push_back(Array::empty(dtype, layout.shape));
      all_alias = false;
    } else {
      const Array& base = node.input(layout.alias)->constant();
      results.emplace_back(base.buffer(), base.data() + layout.offset, dtype, layout.shape,
                           layout.strides);
    }
  }
  if (all_alias) return results;
  std::vector<TensorView> outputs;
  for (const Array& a : results) outputs.push_back(a.view());
  HeapContext context;
  node.op().perform(context, plan.inputs, outputs);
  return results;
}

bool needs_evaluator(const Op& op) { return as_elemwise(op) || dynamic_cast<const Reduce*>(&op); }

bool small_enough(const Apply& node, const Plan& plan) {
  int64_t given = 0;
  for (const TensorView& v : plan.inputs) given += v.size();
  const bool fills = std::strcmp(node.op().name(), Alloc::kName) == 0 ||
                     std::strcmp(node.op().name(), "second") == 0;
  for (const Layout& layout : plan.layouts) {
    const int64_t n = elements(layout.shape);
    if (layout.alias >= 0) continue;
    if (n > kMaxElements && n > given) return false;
    if (fills && n > kMaxFill) return false;
  }
  return true;
}

bool foldable(const Apply& node) {
  if (node.nin() == 0 || node.op().opaque()) return false;
  for (const Var& v : node.inputs()) {
    if (!v->is_constant()) return false;
  }
  for (int i = 0; i < node.nout(); ++i) {
    if (!node.output(i)->type().is_tensor()) return false;
  }
  const std::string_view name = node.op().name();
  return name != "print" && name != "assert" && name != "check_and_raise" &&
         name.substr(0, 6) != "random";
}

}  // namespace

void set_constant_evaluator(Evaluator evaluator) { g_evaluator = evaluator; }
Evaluator constant_evaluator() { return g_evaluator; }

std::vector<Array> evaluate_node(const Apply& node) {
  if (needs_evaluator(node.op())) {
    const Evaluator evaluator = g_evaluator;
    return evaluator ? evaluator(node) : std::vector<Array>();
  }
  return run_kernel(node, plan_of(node));
}

void constant_fold(Graph& graph) {
  for (Apply* node : graph.toposort()) {
    if (!graph.contains(node) || !foldable(*node)) continue;
    std::vector<Array> values;
    try {
      const Plan plan = plan_of(*node);
      if (!small_enough(*node, plan)) continue;
      values = evaluate_node(*node);
    } catch (const Error&) {
      continue;  // the call reports it, with the user's line
    }
    if (values.size() != static_cast<size_t>(node->nout())) continue;
    for (int i = 0; i < node->nout(); ++i) {
      Variable* out = node->output(i);
      if (!graph.contains(out) || graph.clients(out).empty()) continue;
      const Var value = make_constant(std::move(values[static_cast<size_t>(i)]));
      if (value.dtype() != out->dtype() || value.ndim() != out->ndim()) continue;
      value->loc = node->loc;
      graph.replace(out, value);
    }
  }
}

}  // namespace phintys

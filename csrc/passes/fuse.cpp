#include "passes/fuse.h"

#include <algorithm>

#include "graph/print.h"
#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/fused.h"
#include "ops/reduce.h"
#include "passes/match.h"

namespace phintys {

namespace {

constexpr size_t kMaxInputs = 24;
constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxOutputs = 8;

struct Region {
  bool fusible = false;                  // else: one node of another kind
  std::vector<const Apply*> reductions;  // those that close it, over the same axes
  Dims space;                            // 1 where all of it is known to be 1, else -1
  std::vector<Apply*> members;           // elementwise, users before inputs
  std::vector<Variable*> inputs;         // distinct
  std::vector<Variable*> outputs;        // members' outputs that are used outside, users first
};

Dims pattern(const Type& type) {
  Dims dims;
  for (int i = 0; i < type.ndim(); ++i) dims.push_back(type.broadcastable(i) ? 1 : -1);
  return dims;
}

// Registers of the variables of the region being emitted, by Variable::slot.
struct RegisterTable {
  struct Entry {
    uint32_t region = 0;
    int32_t reg = -1;
  };
  std::vector<Entry> entries;
  uint32_t region = 0;

  void start(size_t slots) {
    ++region;
    if (entries.size() < slots) entries.resize(slots);
  }
  void set(const Variable* v, int32_t reg) { entries[v->slot] = {region, reg}; }
  // kUnset: not of this region; kComputed: a member's output that has no step yet.
  int32_t get(const Variable* v) const {
    const Entry& e = entries[v->slot];
    return e.region == region ? e.reg : kUnset;
  }
  static constexpr int32_t kUnset = -1;
  static constexpr int32_t kComputed = -2;
};

// Regions are numbered as they are made, from the graph's outputs towards its inputs, and every
// edge between regions leads from a greater number to a smaller one. That keeps the graph of
// regions free of cycles: a node may join, of the regions that use it, only the one with the
// greatest number.
class Fuser {
 public:
  Fuser(Graph& graph, size_t max_steps) : graph_(graph), max_steps_(max_steps) {}

  void run() {
    const std::vector<Apply*> order = graph_.toposort();
    region_of_.assign(graph_.num_node_slots(), -1);
    for (size_t i = order.size(); i-- > 0;) place(order[i]);
    // From the inputs on, so that locations and names are taken before their nodes are gone.
    for (size_t i = regions_.size(); i-- > 0;) {
      if (regions_[i].fusible) emit(regions_[i]);
    }
  }

 private:
  void place(Apply* node) {
    const Elemwise* e = as_elemwise(node->op());
    const bool reduces = dynamic_cast<const Reduce*>(&node->op()) != nullptr;
    if ((e && join(node)) || (reduces && join_reduction(node))) return;
    Region region;
    if (e) {
      region.fusible = true;
      region.space = pattern(node->output()->type());
      region.members.push_back(node);
      region.outputs.push_back(node->output());
      add_inputs(region, *node);
    } else if (reduces) {
      region.fusible = true;
      region.space = pattern(node->input(0)->type());
      region.reductions.push_back(node);
      region.inputs.push_back(node->input(0));
    }
    region_of_[node->slot] = static_cast<int>(regions_.size());
    regions_.push_back(std::move(region));
  }

  bool join(Apply* node) {
    Variable* out = node->output();
    int best = -1;
    bool shared = false;  // used by the graph's outputs or by several regions
    for (const Client& c : graph_.clients(out)) {
      const int r = c.node ? region_of_[c.node->slot] : -1;
      shared = shared || r < 0 || (best >= 0 && r != best);
      best = std::max(best, r);
    }
    if (best < 0) return false;
    Region& region = regions_[static_cast<size_t>(best)];
    if (!region.fusible || region.members.size() >= max_steps_) return false;
    if (max_steps_ == 1) return false;
    if (shared && (!region.reductions.empty() || region.outputs.size() >= kMaxOutputs))
      return false;
    if (!(pattern(out->type()) == region.space)) return false;
    std::vector<Variable*> fresh;
    for (const Var& v : node->inputs()) {
      if (!has(region.inputs, v.get()) && !has(fresh, v.get())) fresh.push_back(v.get());
    }
    if (region.inputs.size() - 1 + fresh.size() > kMaxInputs) return false;
    std::erase(region.inputs, out);
    region.inputs.insert(region.inputs.end(), fresh.begin(), fresh.end());
    region.members.push_back(node);
    if (shared) region.outputs.push_back(out);
    region_of_[node->slot] = best;
    return true;
  }

  // Joins a reduction over the same axes of something computed from the same variable, as sum(x)
  // and sum(sqr(x)): both then read it once.
  bool join_reduction(Apply* node) {
    if (max_steps_ == 1) return false;
    int newest_user = -1;
    for (const Client& c : graph_.clients(node->output())) {
      if (c.node) newest_user = std::max(newest_user, region_of_[c.node->slot]);
    }
    std::vector<Variable*> sources{node->input(0)};
    if (const Apply* producer = node->input(0)->owner(); producer && as_elemwise(producer->op())) {
      for (const Var& v : producer->inputs()) sources.push_back(v.get());
    }
    for (Variable* source : sources) {
      const auto& users = graph_.clients(source);
      for (size_t i = 0; i < std::min(users.size(), kMaxOutputs); ++i) {
        const int r = users[i].node ? region_of_[users[i].node->slot] : -1;
        if (r <= newest_user || !same_reduction(regions_[static_cast<size_t>(r)], *node)) continue;
        Region& region = regions_[static_cast<size_t>(r)];
        region.reductions.push_back(node);
        if (!computes(region, node->input(0)) && !has(region.inputs, node->input(0))) {
          region.inputs.push_back(node->input(0));
        }
        region_of_[node->slot] = r;
        return true;
      }
    }
    return false;
  }

  static bool same_reduction(const Region& region, const Apply& node) {
    if (region.reductions.empty() || region.reductions.size() >= kMaxOutputs) return false;
    if (region.inputs.size() >= kMaxInputs) return false;
    return op_as<Reduce>(*region.reductions[0]).axes == op_as<Reduce>(node).axes &&
           region.space == pattern(in(node, 0).type());
  }
  static bool computes(const Region& region, const Variable* v) {
    return std::any_of(region.members.begin(), region.members.end(),
                       [&](const Apply* m) { return m->output() == v; });
  }

  static bool has(const std::vector<Variable*>& list, const Variable* v) {
    return std::find(list.begin(), list.end(), v) != list.end();
  }
  static void add_inputs(Region& region, const Apply& node) {
    for (const Var& v : node.inputs()) {
      if (!has(region.inputs, v.get())) region.inputs.push_back(v.get());
    }
  }

  void emit(Region& region);

  Graph& graph_;
  const size_t max_steps_;
  std::vector<Region> regions_;
  std::vector<int> region_of_;  // by Apply::slot
  RegisterTable registers_;
};

// Turns one region into a FusedOp.
class Emitter {
 public:
  Emitter(const Region& region, RegisterTable& registers)
      : region_(region), regs_(registers), op_(make_ref<FusedOp>()) {}

  Ref<Apply> run() {
    op_->ndim = static_cast<int>(region_.space.size());
    // Inputs in order of first use, which the region lists backwards.
    std::vector<Apply*> members(region_.members.rbegin(), region_.members.rend());
    std::vector<Var> inputs;
    // Asked of the members, not of region_.inputs: an input that an earlier region made has been
    // replaced since by the output of that region's fused node.
    // Regions before this one have been emitted: inputs are what no member computes.
    for (Apply* n : members) regs_.set(n->output(), RegisterTable::kComputed);
    auto note = [&](const Var& v) {
      if (regs_.get(v.get()) != RegisterTable::kUnset) return;
      regs_.set(v.get(), static_cast<int32_t>(inputs.size()));
      inputs.push_back(v);
    };
    for (Apply* n : members) {
      for (const Var& v : n->inputs()) note(v);
    }
    for (const Apply* r : region_.reductions) note(r->inputs()[0]);
    op_->n_inputs = static_cast<int>(inputs.size());
    for (const Var& v : inputs) {
      op_->input_dtypes.push_back(v.dtype());
      uint32_t mask = 0;
      for (int i = 0; i < v.ndim(); ++i) mask |= v.type().broadcastable(i) ? 1u << i : 0u;
      op_->broadcast.push_back(mask);
    }
    for (Apply* n : members) step(*n);
    contract_products();
    outputs();
    return Apply::create(op_, std::move(inputs), op_->output_types);
  }

 private:
  int32_t find(const Variable* v) const {
    const int32_t reg = regs_.get(v);
    PHINTYS_CHECK(reg >= 0, "no register for ", to_string(*v));
    return reg;
  }

  void step(const Apply& n) {
    const Elemwise& e = *as_elemwise(n.op());
    FusedStep s;
    s.op = e.index();
    const bool first_differs =
        !e.is_cast() && n.nin() > 1 &&
        (e.info().rule == DTypeRule::select || e.info().rule == DTypeRule::second);
    s.compute = n.input(first_differs ? 1 : 0)->dtype();
    s.result = n.output()->dtype();
    for (int i = 0; i < 3; ++i) s.args[i] = i < n.nin() ? find(n.input(i)) : -1;
    s.loc = n.loc;
    regs_.set(n.output(), op_->n_inputs + static_cast<int32_t>(op_->steps.size()));
    op_->steps.push_back(s);
  }

  void contract_products();
  void outputs();

  const Region& region_;
  RegisterTable& regs_;
  Ref<FusedOp> op_;
};

void Emitter::outputs() {
  for (const Apply* r : region_.reductions) {
    const Reduce& reduce = op_as<Reduce>(*r);
    op_->axes = reduce.axes;
    op_->outputs.push_back({find(r->input(0)), true, reduce.reduce_op(), reduce.dtype});
    op_->output_types.push_back(r->output()->type());
  }
  for (const Variable* v : region_.outputs) {
    op_->outputs.push_back({find(v), false, ReduceOp::sum, v->dtype()});
    op_->output_types.push_back(v->type());
  }
}

// a * b + c in one instruction, where the product has no other use: the product's step becomes
// unused and is taken out.
void Emitter::contract_products() {
  static const int kMul = ops::elementwise_index("mul"), kAdd = ops::elementwise_index("add"),
                   kSub = ops::elementwise_index("sub"),
                   kMulAdd = ops::elementwise_index("mul_add"),
                   kMulSub = ops::elementwise_index("mul_sub"),
                   kNegMulAdd = ops::elementwise_index("neg_mul_add");
  std::vector<FusedStep>& steps = op_->steps;
  const int32_t n_in = op_->n_inputs;
  std::vector<int> uses(steps.size(), 0);
  auto use = [&](int32_t reg, int n) {
    if (reg >= n_in) uses[static_cast<size_t>(reg - n_in)] += n;
  };
  for (const FusedStep& s : steps) {
    for (int32_t a : s.args) use(a, 1);
  }
  for (const Variable* v : region_.outputs) use(find(v), 2);
  for (const Apply* r : region_.reductions) use(find(r->input(0)), 2);
  std::vector<bool> gone(steps.size(), false);
  auto product = [&](int32_t reg, DType d) -> FusedStep* {
    if (reg < n_in) return nullptr;
    const size_t k = static_cast<size_t>(reg - n_in);
    return steps[k].op == kMul && steps[k].compute == d && uses[k] == 1 ? &steps[k] : nullptr;
  };
  for (FusedStep& s : steps) {
    if ((s.op != kAdd && s.op != kSub) || !is_float(s.compute) || s.compute == DType::f16) continue;
    for (int i = 0; i < 2; ++i) {
      FusedStep* m = product(s.args[i], s.compute);
      if (!m) continue;
      const int op = s.op == kAdd ? kMulAdd : i == 0 ? kMulSub : kNegMulAdd;
      if (op < 0 || !ops::supports_dtype(op, s.compute)) continue;
      const int32_t other = s.args[1 - i];
      gone[static_cast<size_t>(m - steps.data())] = true;
      s.op = op;
      s.product_loc = m->loc;
      s.args[0] = m->args[0];
      s.args[1] = m->args[1];
      s.args[2] = other;
      break;
    }
  }
  std::vector<int32_t> moved(steps.size());
  std::vector<FusedStep> kept;
  for (size_t k = 0; k < steps.size(); ++k) {
    moved[k] = n_in + static_cast<int32_t>(kept.size());
    if (gone[k]) continue;
    for (int32_t& a : steps[k].args) {
      if (a >= n_in) a = moved[static_cast<size_t>(a - n_in)];
    }
    kept.push_back(steps[k]);
  }
  steps = std::move(kept);
  std::vector<const Variable*> results(region_.outputs.begin(), region_.outputs.end());
  for (const Apply* r : region_.reductions) results.push_back(r->input(0));
  // Each once: several reductions may have one operand.
  std::sort(results.begin(), results.end(),
            [](const Variable* a, const Variable* b) { return a->id() < b->id(); });
  results.erase(std::unique(results.begin(), results.end()), results.end());
  for (const Variable* v : results) {
    const int32_t reg = find(v);
    if (reg >= n_in) regs_.set(v, moved[static_cast<size_t>(reg - n_in)]);
  }
}

void Fuser::emit(Region& region) {
  const bool reduces = !region.reductions.empty();
  const Apply* last = reduces ? region.reductions.front() : region.members.front();
  LocationScope scope(last->loc);
  std::reverse(region.outputs.begin(), region.outputs.end());
  std::reverse(region.reductions.begin(), region.reductions.end());
  registers_.start(graph_.num_slots());
  const Ref<Apply> fused = Emitter(region, registers_).run();
  for (size_t i = 0; i < region.reductions.size(); ++i) {
    graph_.replace(region.reductions[i]->output(), fused->out(static_cast<int>(i)));
  }
  for (size_t i = 0; i < region.outputs.size(); ++i) {
    graph_.replace(region.outputs[i], fused->out(static_cast<int>(i)));
  }
}

}  // namespace

void fuse(Graph& graph) { Fuser(graph, kMaxSteps).run(); }
void fuse_nothing(Graph& graph) { Fuser(graph, 1).run(); }

}  // namespace phintys

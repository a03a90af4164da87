// Lazy choices: known conditions, and gradients that belong into a branch.

#include "ops/advanced_subtensor.h"
#include "ops/control/ifelse.h"
#include "ops/dot.h"
#include "ops/op_util.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"
#include "passes/canonicalize.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// The node of a choice with one output, else null. Others are taken apart before rules run.
const Apply* choice(const Var& v) {
  const Apply* node = owner_if(v, IfElse::kName);
  return node && node->nout() == 1 ? node : nullptr;
}

// --- conditions ----------------------------------------------------------------------------------

Var known_condition(const Apply& n, const Ctx&) {
  double c;
  if (n.nout() != 1 || !any_value(in(n, 0), &c)) return {};
  return fit(n, in(n, c != 0 ? 1 : 2));
}

Var equal_branches(const Apply& n, const Ctx&) {
  return n.nout() == 1 && same(in(n, 1), in(n, 2)) ? fit(n, in(n, 1)) : Var();
}

// Conditions that are another one, or its opposite.
Var plain_condition(const Apply& n, const Ctx&) {
  if (n.nout() != 1) return {};
  const Var& c = in(n, 0);
  if (const Apply* inverse = owner_if(c, "invert"); inverse && is_bool(c.dtype())) {
    return ifelse(in(*inverse, 0), in(n, 2), in(n, 1));
  }
  for (const char* name : {"neq", "eq"}) {
    const Apply* compared = owner_if(c, name);
    if (!compared) continue;
    for (int i = 0; i < 2; ++i) {
      const Var& x = in(*compared, 1 - i);
      if (!is_value(in(*compared, i), 0) || is_complex(x.dtype())) continue;
      return name[0] == 'n' ? ifelse(x, in(n, 1), in(n, 2)) : ifelse(x, in(n, 2), in(n, 1));
    }
  }
  return {};
}

// ifelse(c, ifelse(c, x, y), z) -> ifelse(c, x, z).
Var nested_choice(const Apply& n, const Ctx&) {
  if (n.nout() != 1) return {};
  for (int i = 1; i < 3; ++i) {
    const Apply* inner = choice(in(n, i));
    if (!inner || !same(in(*inner, 0), in(n, 0))) continue;
    return i == 1 ? ifelse(in(n, 0), in(*inner, 1), in(n, 2))
                  : ifelse(in(n, 0), in(n, 1), in(*inner, 2));
  }
  return {};
}

// --- what follows a choice -----------------------------------------------------------------------

// True iff node n is zero where its input i is.
bool linear(const Apply& n, int i) {
  const std::string_view name = n.op().name();
  const bool floats = is_continuous(in(n, i).dtype()) && is_continuous(out_type(n).dtype());
  if (!floats) return false;
  for (std::string_view product :
       {"mul", Dot::kName, "matmul", "conv", "conv_grad_inputs", "conv_grad_weights"}) {
    if (name == product) return i < 2;
  }
  if (name == "second") return i == 1;
  if (name == Reduce::kName) return op_as<Reduce>(n).reduce_op() == ReduceOp::sum;
  if (name == IncSubtensor::kName || name == AdvancedIncSubtensor1::kName ||
      name == AdvancedIncSubtensor::kName) {
    return i == 1 && is_zero(in(n, 0));
  }
  for (std::string_view first :
       {"true_div", "neg", "cast", "dimshuffle", "reshape", "specify_shape", "alloc", "subtensor",
        "advanced_subtensor1", "advanced_subtensor", "take_along_axis", "diagonal", "real", "conj",
        "fft", "rfft", "irfft"}) {
    if (name == first) return i == 0;
  }
  return false;
}

// Zeros as n would give them with `zeros` for its input i; null if its shape cannot be told.
Var zero_result(const Apply& n, int i, const Var& zeros) {
  std::vector<Var> inputs(n.inputs().begin(), n.inputs().end());
  inputs[static_cast<size_t>(i)] = zeros;
  const Var value = phintys::apply(n.op_ref(), std::move(inputs));
  std::vector<std::vector<Var>> shapes = value->owner()->op().infer_shape(*value->owner());
  if (shapes.size() != 1 || shapes[0].size() != static_cast<size_t>(value.ndim())) return {};
  for (const Var& length : shapes[0]) {
    if (!length) return {};
  }
  const Var zero = constant(0, value.dtype());
  return value.ndim() == 0 ? zero : alloc(zero, std::move(shapes[0]));
}

// f(ifelse(c, x, 0)) -> ifelse(c, f(x), 0) for linear f, so that the gradient of a branch is
// computed if that branch is taken, and is zero if not, whatever it is multiplied with.
Var linear_of_choice(const Apply& n, const Ctx& ctx) {
  if (n.nout() != 1 || !n.output()->type().is_tensor()) return {};
  for (int i = 0; i < n.nin(); ++i) {
    const Apply* s = choice(in(n, i));
    if (!s || ctx.uses(s->output()) != 1 || !linear(n, i)) continue;
    for (int side = 1; side < 3; ++side) {
      if (!is_zero(in(*s, side))) continue;
      const Var zeros = zero_result(n, i, in(*s, side));
      if (!zeros || !zeros.type().same_pattern(out_type(n))) return {};
      std::vector<Var> inputs(n.inputs().begin(), n.inputs().end());
      inputs[static_cast<size_t>(i)] = in(*s, 3 - side);
      const Var r = phintys::apply(n.op_ref(), std::move(inputs));
      if (!r.type().same_pattern(out_type(n))) return {};
      return side == 2 ? ifelse(in(*s, 0), r, zeros) : ifelse(in(*s, 0), zeros, r);
    }
  }
  return {};
}

// ifelse(c, x, y) + ifelse(c, u, v) -> ifelse(c, x + u, y + v).
Var sum_of_choices(const Apply& n, const Ctx& ctx) {
  const Apply *a = choice(in(n, 0)), *b = choice(in(n, 1));
  if (!a || !b || a == b || !same(in(*a, 0), in(*b, 0))) return {};
  if (ctx.uses(a->output()) != 1 || ctx.uses(b->output()) != 1) return {};
  Var sides[2];
  for (int side = 1; side < 3; ++side) {
    sides[side - 1] = phintys::apply(n.op_ref(), {in(*a, side), in(*b, side)});
    if (!sides[side - 1].type().same_pattern(out_type(n))) return {};
  }
  return ifelse(in(*a, 0), sides[0], sides[1]);
}

constexpr Rule kChoices[] = {
    {"ifelse", "ifelse(1, x, y) -> x, ifelse(0, x, y) -> y", known_condition},
    {"ifelse", "ifelse(c, x, x) -> x", equal_branches},
    {"ifelse", "ifelse(~c, x, y) -> ifelse(c, y, x), ifelse(c != 0, x, y) -> ifelse(c, x, y)",
     plain_condition},
    {"ifelse", "ifelse(c, ifelse(c, x, y), z) -> ifelse(c, x, z)", nested_choice},
    {"add", "ifelse(c, x, y) + ifelse(c, u, v) -> ifelse(c, x + u, y + v)", sum_of_choices},
    {"sub", "ifelse(c, x, y) - ifelse(c, u, v) -> ifelse(c, x - u, y - v)", sum_of_choices},
    {"*", "f(ifelse(c, x, 0)) -> ifelse(c, f(x), 0) for linear f", linear_of_choice},
};

}  // namespace

std::span<const Rule> choice_rules() { return kChoices; }

void split_choices(Graph& graph) {
  std::vector<Apply*> found;
  for (size_t slot = 0; slot < graph.num_node_slots(); ++slot) {
    Apply* node = graph.node_at(slot);
    if (node && node->nout() > 1 && std::strcmp(node->op().name(), IfElse::kName) == 0) {
      found.push_back(node);
    }
  }
  std::sort(found.begin(), found.end(), [](Apply* a, Apply* b) { return a->id() < b->id(); });
  for (Apply* node : found) {
    const LocationScope scope(node->loc);
    const auto& op = op_as<IfElse>(*node);
    for (int o = 0; o < node->nout(); ++o) {
      if (!graph.contains(node->output(o)) || graph.clients(node->output(o)).empty()) continue;
      auto single = make_ref<IfElse>();
      single->label = op.label;
      graph.replace(node->output(o),
                    phintys::apply(single, {in(*node, 0), in(*node, op.then_input(o)),
                                            in(*node, op.else_input(o))}));
    }
  }
}

}  // namespace phintys

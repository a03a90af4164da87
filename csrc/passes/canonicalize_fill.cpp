// Fills: second(a, b) is b in the shape that a and b broadcast to; gradients are full of them. They
// are moved outwards, to where another operand has the shape anyway, so that almost none is left.

#include "ops/elemwise.h"
#include "ops/shape_ops.h"
#include "passes/canonicalize.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// If `v` is a fill: what it is filled with, at v's rank.
Var filled_with(const Var& v) {
  const Apply* n = v->owner();
  if (!n) return {};
  if (owner_if(v, "second")) return in(*n, 1);
  if (!owner_if(v, Alloc::kName)) return {};
  // Alloc also stretches what turns out to be 1 long when it runs; elementwise ops do not.
  for (int64_t d : in(*n, 0).type().shape()) {
    if (d == kUnknownDim) return {};
  }
  return pad_left(in(*n, 0), v.ndim());
}

// True iff the operands of `n` other than number `skip`, with `r` in its place, have n's pattern.
bool others_cover(const Apply& n, int skip, const Type& r) {
  const Type& type = out_type(n);
  for (int axis = 0; axis < type.ndim(); ++axis) {
    if (type.broadcastable(axis) || !r.broadcastable(axis)) continue;
    bool found = false;
    for (int i = 0; i < n.nin() && !found; ++i) {
      found = i != skip && !in(n, i).type().broadcastable(axis);
    }
    if (!found) return false;
  }
  return true;
}

Var with_input(const Apply& n, int i, const Var& v) {
  std::vector<Var> inputs(n.inputs().begin(), n.inputs().end());
  inputs[static_cast<size_t>(i)] = v;
  return phintys::apply(n.op_ref(), std::move(inputs));
}

Var absorb(const Apply& n, const Ctx&) {
  if (n.nin() < 2 || !as_elemwise(n.op())) return {};
  for (int i = 0; i < n.nin(); ++i) {
    const Var b = filled_with(in(n, i));
    if (b && others_cover(n, i, b.type())) return with_input(n, i, b);
  }
  return {};
}

// True iff the operands of `n` other than number `skip` are constants; `spread`: with more than one
// element in some dimension.
bool others_constant(const Apply& n, int skip, bool* spread) {
  *spread = false;
  for (int k = 0; k < n.nin(); ++k) {
    if (k == skip) continue;
    if (!in(n, k)->is_constant()) return false;
    for (int64_t d : in(n, k).type().shape()) *spread = *spread || d != 1;
  }
  return true;
}

// f(second(a, b), constants) -> second(a, f(b, constants)), and
// f(alloc(x, n), constants) -> alloc(f(x, constants), n).
Var sink(const Apply& n, const Ctx&) {
  const bool second_op = std::strcmp(n.op().name(), "second") == 0;
  if (second_op || !as_elemwise(n.op())) return {};
  for (int i = 0; i < n.nin(); ++i) {
    if (!in(n, i)->owner()) continue;
    bool spread;
    if (const Apply* fill = owner_if(in(n, i), "second")) {
      if (!covers(in(*fill, 0).type(), out_type(n)) || !others_constant(n, i, &spread)) continue;
      return second(in(*fill, 0), with_input(n, i, in(*fill, 1)));
    }
    const Apply* fill = owner_if(in(n, i), Alloc::kName);
    if (!fill || !others_constant(n, i, &spread) || spread) continue;
    std::vector<Var> dims(fill->inputs().begin() + 1, fill->inputs().end());
    return alloc(with_input(n, i, pad_left(in(*fill, 0), n.output()->ndim())), std::move(dims));
  }
  return {};
}

Var second_needless(const Apply& n, const Ctx&) {
  return covers(in(n, 1).type(), out_type(n)) ? in(n, 1) : Var();
}
// Only the shape of the first operand matters.
Var second_of_fill(const Apply& n, const Ctx&) {
  const Apply* fill = owner_if(in(n, 1), "second");
  return fill && covers(in(n, 0).type(), out_type(n)) ? second(in(n, 0), in(*fill, 1)) : Var();
}
Var second_of_model(const Apply& n, const Ctx&) {
  const Apply* model = owner_if(in(n, 0), "second");
  return model && covers(in(*model, 0).type(), out_type(n)) ? second(in(*model, 0), in(n, 1))
                                                            : Var();
}
Var alloc_needless(const Apply& n, const Ctx&) {
  const Var& x = in(n, 0);
  if (x.ndim() != out_type(n).ndim()) return {};
  for (int i = 0; i < x.ndim(); ++i) {
    const Var& wanted = in(n, i + 1);
    int64_t known;
    if (constant_int_value(wanted.get(), &known) && known == x.type().dim(i)) continue;
    const Apply* length = owner_if(wanted, ShapeI::kName);
    if (!length || in(*length, 0).get() != x.get() || op_as<ShapeI>(*length).axis != i) return {};
  }
  return x;
}

// inc_subtensor(x[i], alloc(y, n)) -> inc_subtensor(x[i], y): stores broadcast by themselves.
Var store_fill(const Apply& n, const Ctx&) {
  const Var b = filled_with(in(n, 1));
  return b ? with_input(n, 1, b) : Var();
}

constexpr Rule kFill[] = {
    {"second", "second(a, b) -> b if b has the shape already", second_needless},
    {"second", "second(a, second(c, b)) -> second(a, b)", second_of_fill},
    {"second", "second(second(a, c), b) -> second(a, b)", second_of_model},
    {"alloc", "alloc(x, shape of x) -> x", alloc_needless},
    {"inc_subtensor", "inc_subtensor(x[i], second(a, y)) -> inc_subtensor(x[i], y)", store_fill},
    {"advanced_inc_subtensor1", "inc_subtensor(x[i], second(a, y)) -> inc_subtensor(x[i], y)",
     store_fill},
    {"advanced_inc_subtensor", "inc_subtensor(x[i], second(a, y)) -> inc_subtensor(x[i], y)",
     store_fill},
    {"*", "f(second(a, b), c) -> f(b, c) if c has the shape", absorb},
    {"*", "f(second(a, b), constants) -> second(a, f(b, constants)), of alloc too", sink},
};

}  // namespace

std::span<const Rule> fill_rules() { return kFill; }

}  // namespace phintys

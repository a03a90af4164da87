#include "passes/match.h"

#include <cmath>

#include "ops/shape_ops.h"

namespace phintys {

bool any_value(const Var& v, double* value) { return uniform_constant(v.get(), value); }

bool is_value(const Variable* v, double value) {
  double c;
  return uniform_constant(v, &c) && c == value;
}

bool same(const Var& a, const Var& b) {
  if (a.get() == b.get()) return true;
  return a->is_constant() && b->is_constant() && same_bits(a->constant(), b->constant());
}

bool alike(const Var& a, const Var& b, int depth) {
  if (same(a, b)) return true;
  const Apply *m = a->owner(), *n = b->owner();
  if (!m || !n || depth == 0 || m->nin() != n->nin() || m->nin() > 2) return false;
  if (a->index() != b->index() || !m->op().equal(n->op())) return false;
  for (int i = 0; i < m->nin(); ++i) {
    if (!alike(in(*m, i), in(*n, i), depth - 1)) return false;
  }
  return true;
}

Var without_padding(const Var& v) {
  Var inner = v;
  while (const Apply* node = owner_if(inner, DimShuffle::kName)) {
    int64_t next = 0;
    for (int64_t axis : op_as<DimShuffle>(*node).order) {
      if (axis >= 0 && axis != next++) return inner;
    }
    if (next != in(*node, 0).ndim()) return inner;
    inner = in(*node, 0);
  }
  return inner;
}

bool covers(const Type& a, const Type& type) {
  if (a.ndim() != type.ndim()) return false;
  for (int i = 0; i < a.ndim(); ++i) {
    if (a.broadcastable(i) && !type.broadcastable(i)) return false;
  }
  return true;
}

Var fit(const Apply& node, Var r) {
  const Type& type = out_type(node);
  if (r.ndim() > type.ndim()) return Var();
  if (r.ndim() < type.ndim()) r = pad_left(r, type.ndim());
  r = cast(r, type.dtype());
  if (covers(r.type(), type)) return r;
  for (const Var& v : node.inputs()) {
    // The filled result broadcasts where both operands do, so it then has exactly the pattern.
    if (v.get() != r.get() && covers(v.type(), type)) return second(v, r);
  }
  return Var();
}

Var fit(const Apply& node, double value) {
  return fit(node, constant(value, out_type(node).dtype()));
}

}  // namespace phintys

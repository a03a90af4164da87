#include "ops/linalg/expressions.h"

#include "ops/linalg/matmul.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"

namespace phintys::linalg {

namespace {

Var arange(const Var& n) {
  auto op = make_ref<ARange>();
  return phintys::apply(op, {constant_int(0), n, constant_int(1)});
}

// row index - column index of the matrices of `x`.
Var below(const Var& x) {
  const Var i = arange(length(x, 2)), j = arange(length(x, 1));
  return dimshuffle(i, {0, -1}) - dimshuffle(j, {-1, 0});
}

}  // namespace

Var swap_last(const Var& x) {
  std::vector<int64_t> order;
  for (int i = 0; i < x.ndim(); ++i) order.push_back(i);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return dimshuffle(x, std::move(order));
}

Var conjugate(const Var& x) { return is_complex(x.dtype()) ? elemwise("conj", {x}) : x; }
Var adjoint(const Var& x) { return swap_last(conjugate(x)); }

Var length(const Var& x, int from_end) { return shape_i(x, x.ndim() - from_end); }

Var lower_part(const Var& x, int64_t k) {
  return switch_(ge(below(x) + constant_int(k), constant_int(0)), x, 0.0);
}
Var upper_part(const Var& x, int64_t k) {
  return switch_(le(below(x) + constant_int(k), constant_int(0)), x, 0.0);
}

Var off_diagonal(const Var& n) {
  const Var i = arange(n);
  return neq(dimshuffle(i, {0, -1}), dimshuffle(i, {-1, 0}));
}

Var identity(const Var& n, DType dtype) {
  const Var i = arange(n);
  return cast(eq(dimshuffle(i, {0, -1}), dimshuffle(i, {-1, 0})), dtype);
}

Var as_row(const Var& v) {
  std::vector<int64_t> order;
  for (int i = 0; i < v.ndim() - 1; ++i) order.push_back(i);
  order.push_back(-1);
  order.push_back(v.ndim() - 1);
  return dimshuffle(v, std::move(order));
}
Var as_column(const Var& v) {
  std::vector<int64_t> order;
  for (int i = 0; i < v.ndim(); ++i) order.push_back(i);
  order.push_back(-1);
  return dimshuffle(v, std::move(order));
}

Var slice_last(const Var& x, int from_end, const Var& begin, const Var& end) {
  std::vector<IndexEntry> entries(static_cast<size_t>(x.ndim()), IndexEntry::slice());
  std::vector<Var> inputs = {x};
  IndexSlot start, stop;
  if (begin) {
    start = IndexSlot::next_input();
    inputs.push_back(begin);
  }
  if (end) {
    stop = IndexSlot::next_input();
    inputs.push_back(end);
  }
  entries[static_cast<size_t>(x.ndim() - from_end)] = IndexEntry::slice(start, stop);
  auto op = make_ref<Subtensor>();
  op->index = encode_index(entries);
  return phintys::apply(op, std::move(inputs));
}

Var matmul(const Var& a, const Var& b) {
  if (a.ndim() <= 2 && b.ndim() <= 2) return dot(a, b);
  const DType dtype = promote(a.dtype(), b.dtype());
  const int ndim = std::max(a.ndim(), b.ndim());
  const Var x = pad_left(cast(a, dtype), ndim), y = pad_left(cast(b, dtype), ndim);
  auto op = make_ref<Matmul>();
  for (int i = 0; i < ndim - 2; ++i) {
    const bool one_x = x.type().broadcastable(i), one_y = y.type().broadcastable(i);
    if (one_x && !one_y) op->stretch_a |= int64_t{1} << i;
    if (one_y && !one_x) op->stretch_b |= int64_t{1} << i;
  }
  return phintys::apply(op, {x, y});
}

}  // namespace phintys::linalg

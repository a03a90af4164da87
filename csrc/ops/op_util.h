// What structural ops share: checks of inputs, layouts, walks over strided memory.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "graph/op.h"

namespace phintys {

// --- checks when a graph is built -------------------------------------------------------------

// Fails with a type error unless there are `n` inputs (at least `n` if `or_more`), all tensors.
void check_inputs(const Op& op, std::span<const Var> inputs, int n, bool or_more = false);
// Fails unless input `i` is a 0-d integer; `what` names it in the message.
void check_int_scalar(const Op& op, const Var& v, const char* what);
// Fails unless `ndim` is a rank that arrays may have.
void check_rank(const Op& op, int64_t ndim);
// What is known of a dimension that two operands share; a contradiction is the user's error.
int64_t merge_known(const Op& op, int64_t a, int64_t b, int axis);

// --- layouts ------------------------------------------------------------------------------------

// Memory of its own.
inline void own_layout(Layout& out, const int64_t* shape, int ndim) {
  out.shape.assign(shape, shape + ndim);
  out.alias = -1;
  out.strides.clear();
  out.offset = 0;
}
// The very elements of input `i`.
inline void same_layout(Layout& out, const TensorView& input, int i = 0) {
  out.shape.assign(input.shape, input.shape + input.ndim);
  out.strides.assign(input.strides, input.strides + input.ndim);
  out.alias = i;
  out.offset = 0;
}

std::string shape_text(const TensorView& v);  // "(2, 3)"
std::string shape_text(const int64_t* shape, int ndim);

// --- strided memory -----------------------------------------------------------------------------

// A view together with the storage of its shape and strides.
struct OwnedView {
  char* data = nullptr;
  DType dtype = DType::f64;
  Dims shape, strides;
  OwnedView() = default;
  explicit OwnedView(const TensorView& v)
      : data(v.data),
        dtype(v.dtype),
        shape(v.shape, v.shape + v.ndim),
        strides(v.strides, v.strides + v.ndim) {}
  TensorView view() const {
    return {data, dtype, static_cast<int>(shape.size()), shape.data(), strides.data()};
  }
};

// f(dst, src) for slices of two views of one shape, on several threads where it pays. Slices depend
// on the shape alone.
void for_slices(const TensorView& dst, const TensorView& src,
                void (*f)(const TensorView& dst, const TensorView& src));
// copy_elements so; `src` may have strides of 0.
inline void copy_parallel(const TensorView& dst, const TensorView& src) {
  for_slices(dst, src, copy_elements);
}

// `src` stretched to `shape`: axes are aligned on the right, those of length 1 repeat. The caller
// has checked that the shapes fit.
OwnedView broadcast_view(const TensorView& src, const int64_t* shape, int ndim);
// True iff `src` can be stretched so.
bool broadcasts_to(const TensorView& src, const int64_t* shape, int ndim);

// Calls f(pointers, n, strides) for every innermost row of arrays of one shape.
template <int N, class F>
void for_each_row(int ndim, const int64_t* shape, const std::array<char*, N>& data,
                  const std::array<const int64_t*, N>& strides, F&& f) {
  std::array<int64_t, N> inner{};
  if (ndim == 0) {
    f(data, int64_t{1}, inner);
    return;
  }
  for (int d = 0; d < ndim; ++d) {
    if (shape[d] == 0) return;
  }
  for (int k = 0; k < N; ++k) inner[k] = strides[k][ndim - 1];
  int64_t index[kMaxRank] = {};
  std::array<char*, N> p = data;
  while (true) {
    f(p, shape[ndim - 1], inner);
    int d = ndim - 2;
    for (; d >= 0; --d) {
      for (int k = 0; k < N; ++k) p[k] += strides[k][d];
      if (++index[d] < shape[d]) break;
      for (int k = 0; k < N; ++k) p[k] -= strides[k][d] * shape[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

// Reads an integer or bool element of any dtype.
inline int64_t load_int(const char* p, DType dtype) {
  const TensorView v{const_cast<char*>(p), dtype, 0, nullptr, nullptr};
  return element_as_int(v);
}

// --- gradients ----------------------------------------------------------------------------------

// The dtype of the gradient with respect to `v`: its own, or floatX if it is discrete.
inline DType grad_dtype(const Variable& v) {
  return is_discrete(v.dtype()) ? graph_config().floatX : v.dtype();
}
// `g` in grad_dtype: of a complex gradient with respect to a real variable the real part counts.
Var as_grad_of(const Var& g, const Var& v);
// Zeros of the shape of `v` in grad_dtype.
Var zero_grad_for(const Var& v);
// True iff `v` is a constant zero, perhaps broadcast.
bool is_zero(const Var& v);

}  // namespace phintys

#include "ops/op_util.h"

#include "graph/print.h"
#include "kernels/parallel.h"
#include "ops/build.h"

namespace phintys {

void check_inputs(const Op& op, std::span<const Var> inputs, int n, bool or_more) {
  const int given = static_cast<int>(inputs.size());
  if (or_more ? given < n : given != n) {
    fail(ErrorKind::type, op.str(), " takes ", or_more ? "at least " : "", n,
         n == 1 ? " input" : " inputs", ", got ", given);
  }
  for (int i = 0; i < given; ++i) {
    const Var& v = inputs[static_cast<size_t>(i)];
    if (!v) fail(ErrorKind::type, op.str(), ": input ", i, " is missing");
    if (!v.type().is_tensor()) {
      fail(ErrorKind::type, op.str(), ": input ", i, " is not a tensor but ", v.type().str());
    }
  }
}

void check_int_scalar(const Op& op, const Var& v, const char* what) {
  if (v.ndim() == 0 && is_int(v.dtype())) return;
  fail(ErrorKind::type, op.str(), ": ", what, " must be an integer scalar, got ", to_string(*v),
       " of type ", v.type().str());
}

void check_rank(const Op& op, int64_t ndim) {
  if (ndim < 0 || ndim > kMaxRank) {
    fail(ErrorKind::value, op.str(), ": arrays have 0 to ", kMaxRank, " dimensions, not ", ndim);
  }
}

int64_t merge_known(const Op& op, int64_t a, int64_t b, int axis) {
  int64_t merged;
  if (!merge_dims(a, b, &merged)) {
    fail(ErrorKind::value, op.str(), ": the operands have lengths ", a, " and ", b, " on axis ",
         axis);
  }
  return merged;
}

std::string shape_text(const int64_t* shape, int ndim) {
  return to_string(Dims(shape, shape + ndim));
}
std::string shape_text(const TensorView& v) { return shape_text(v.shape, v.ndim); }

void for_slices(const TensorView& dst, const TensorView& src,
                void (*f)(const TensorView& dst, const TensorView& src)) {
  constexpr int64_t kBytesPerChunk = 256 * 1024;
  const int64_t bytes = dst.size() * static_cast<int64_t>(item_size(dst.dtype));
  int axis = 0;
  while (axis < dst.ndim && dst.shape[axis] == 1) ++axis;
  if (bytes <= kBytesPerChunk || axis == dst.ndim) {
    f(dst, src);
    return;
  }
  const int64_t length = dst.shape[axis];
  const int64_t grain = std::max<int64_t>(1, kBytesPerChunk / (bytes / length + 1));
  parallel_ranges(length, grain, [&](int64_t begin, int64_t end) {
    Dims shape(dst.shape, dst.shape + dst.ndim);
    shape[static_cast<size_t>(axis)] = end - begin;
    const TensorView to{dst.data + begin * dst.strides[axis], dst.dtype, dst.ndim, shape.data(),
                        dst.strides};
    const TensorView from{src.data + begin * src.strides[axis], src.dtype, src.ndim, shape.data(),
                          src.strides};
    f(to, from);
  });
}

OwnedView broadcast_view(const TensorView& src, const int64_t* shape, int ndim) {
  OwnedView v;
  v.data = src.data;
  v.dtype = src.dtype;
  v.shape.assign(shape, shape + ndim);
  v.strides.resize(static_cast<size_t>(ndim), 0);
  for (int i = 0; i < src.ndim; ++i) {
    const size_t axis = static_cast<size_t>(ndim - src.ndim + i);
    if (src.shape[i] != 1) v.strides[axis] = src.strides[i];
  }
  return v;
}

bool broadcasts_to(const TensorView& src, const int64_t* shape, int ndim) {
  if (src.ndim > ndim) return false;
  for (int i = 0; i < src.ndim; ++i) {
    if (src.shape[i] != 1 && src.shape[i] != shape[ndim - src.ndim + i]) return false;
  }
  return true;
}

Var as_grad_of(const Var& g, const Var& v) {
  const DType dtype = grad_dtype(*v);
  return cast(is_complex(dtype) ? g : real(g), dtype);
}
Var zero_grad_for(const Var& v) { return full_like(0.0, v, grad_dtype(*v)); }

bool is_zero(const Var& v) {
  double value;
  return v && v.type().is_tensor() && uniform_constant(v.get(), &value) && value == 0.0;
}

}  // namespace phintys

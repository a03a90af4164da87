// What layer and batch normalisation share.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/op_util.h"

namespace phintys {

// All operands are of the dtype of the first, float32 or float64.
inline void check_norm_operands(const Op& op, std::span<const Var> inputs) {
  const DType d = inputs[0].dtype();
  for (const Var& v : inputs) {
    if (v.dtype() != d || (d != DType::f32 && d != DType::f64)) {
      fail(ErrorKind::type, op.str(), ": operands must be of one dtype, float32 or float64, got ",
           inputs[0].type().str(), " and ", v.type().str());
    }
  }
}

// Operands that kernels want contiguous: copies, one after another, in one block of scratch memory
// where they are not.
class ContiguousOperands {
 public:
  static size_t bytes_of(const TensorView& v) {
    if (v.contiguous()) return 0;
    const size_t n = static_cast<size_t>(v.size()) * item_size(v.dtype);
    return (n + 63) / 64 * 64;
  }
  static size_t bytes(std::span<const TensorView> views) {
    size_t n = 0;
    for (const TensorView& v : views) n += bytes_of(v);
    return n;
  }
  explicit ContiguousOperands(char* block) : block_(block) {}
  char* operator()(const TensorView& v) {
    const size_t n = bytes_of(v);
    if (n == 0) return v.data;
    char* const copy = block_;
    block_ += n;
    const Dims shape(v.shape, v.shape + v.ndim);
    const Dims strides = contiguous_strides(shape, item_size(v.dtype));
    copy_parallel({copy, v.dtype, v.ndim, v.shape, strides.data()}, v);
    return copy;
  }
  char* rest() const { return block_; }

 private:
  char* block_;
};

// Symbolic forms of what a normalisation over some axes does: z = (x - mean) * inv_std.
class Normalized {
 public:
  // `mean` and `inv_std` have length 1 in the axes.
  Normalized(const Var& x, const Var& mean, const Var& inv_std, std::vector<int64_t> axes)
      : axes_(std::move(axes)), inv_std_(inv_std), z_((x - mean) * inv_std) {
    Var n = constant_int(1);
    for (int64_t a : axes_) n = n * shape_i(x, static_cast<int>(a));
    count_ = cast(n, x.dtype());
  }
  const Var& z() const { return z_; }
  const Var& inv_std() const { return inv_std_; }
  Var mean(const Var& v) const { return sum(v, axes_, true) / count_; }
  // The gradient with respect to x of a cost whose gradient with respect to z is c. Symmetric: also
  // the change of z for a change c of x.
  Var back(const Var& c) const { return inv_std_ * (c - mean(c) - z_ * mean(c * z_)); }
  // The gradient with respect to x of <w, back(c)> as far as x decides z and inv_std.
  Var back_of_back(const Var& w, const Var& c) const {
    const Var through_z = neg(inv_std_ * (w * mean(c * z_) + c * mean(w * z_)));
    return back(through_z) - mean(w * back(c)) * inv_std_ * z_;
  }
  // Of costs that depend on the mean, on inv_std, on the variance.
  Var from_mean(const Var& g) const { return g / count_ + zeros_like(z_); }
  Var from_inv_std(const Var& g) const { return neg(g * sqr(inv_std_) * z_ / count_); }
  Var from_var(const Var& g) const { return 2.0 * g * z_ / (inv_std_ * count_); }

 private:
  std::vector<int64_t> axes_;
  Var inv_std_, z_, count_;
};

// a + b, where either may be missing.
inline Var plus(const Var& a, const Var& b) { return !a ? b : !b ? a : a + b; }

}  // namespace phintys

// Types of variables.
//
// A tensor type is a dtype and a list of dimensions, each known (>= 0) or unknown (kUnknownDim).
// Theano's `broadcastable` is a view of it: true iff the dimension is known to be 1.
#pragma once

#include <string>

#include "array/dtype.h"
#include "base/dims.h"

namespace phintys {

inline constexpr int64_t kUnknownDim = -1;
// More dimensions than this are refused with a clear error.
inline constexpr int kMaxRank = 32;

enum class TypeKind : uint8_t {
  tensor,
  disconnected,  // gradient of something that the cost does not depend on
  null,          // gradient that is mathematically undefined or not implemented
};

class Type {
 public:
  Type() = default;
  static Type tensor(DType dtype, Dims shape);
  static Type tensor(DType dtype, int ndim);  // all dimensions unknown
  static Type scalar(DType dtype) { return tensor(dtype, 0); }
  static Type disconnected();
  static Type null(std::string why);

  TypeKind kind() const { return kind_; }
  bool is_tensor() const { return kind_ == TypeKind::tensor; }
  DType dtype() const { return dtype_; }
  int ndim() const { return static_cast<int>(shape_.size()); }
  const Dims& shape() const { return shape_; }
  int64_t dim(int i) const { return shape_[static_cast<size_t>(i)]; }
  bool broadcastable(int i) const { return dim(i) == 1; }
  const std::string& why() const { return why_; }

  Type with_dtype(DType d) const;
  Type with_shape(Dims shape) const;

  // Same kind, dtype and dimensions.
  bool operator==(const Type& o) const;
  // Same dtype and rank, and broadcastable in the same dimensions: Theano's notion of the same
  // type.
  bool same_pattern(const Type& o) const;
  // "TensorType(float64, matrix)", "TensorType(float32, (True, False))".
  std::string str() const;

 private:
  TypeKind kind_ = TypeKind::tensor;
  DType dtype_ = DType::f64;
  Dims shape_;
  std::string why_;
};

// What is known of a dimension that is both `a` and `b`; fails if they contradict each other.
bool merge_dims(int64_t a, int64_t b, int64_t* out);

}  // namespace phintys

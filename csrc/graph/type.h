// Types of variables.
//
// Values are tensors, or objects of the program around the library, which it only passes on
// (`generic`): to the runtime an object is an int64 scalar that holds its address.
//
// A tensor type is a dtype and a list of dimensions, each known (>= 0) or unknown (kUnknownDim).
// Theano's `broadcastable` is a view of it: true iff the dimension is known to be 1.
//
// A Type is one counted pointer to an immutable description: large graphs have few distinct types,
// and copying one is what passes do most.
#pragma once

#include <string>

#include "array/dtype.h"
#include "base/dims.h"
#include "base/ref.h"

namespace phintys {

inline constexpr int64_t kUnknownDim = -1;
// More dimensions than this are refused with a clear error.
inline constexpr int kMaxRank = 32;

enum class TypeKind : uint8_t {
  tensor,
  disconnected,  // gradient of something that the cost does not depend on
  null,          // gradient that is mathematically undefined or not implemented
  generic,       // an object of the program's, which ops of the program's own know
};

class Type {
 public:
  Type();  // a float64 scalar
  static Type tensor(DType dtype, Dims shape);
  static Type tensor(DType dtype, int ndim);  // all dimensions unknown
  static Type scalar(DType dtype) { return tensor(dtype, 0); }
  static Type disconnected();
  static Type null(std::string why);
  static Type generic();

  TypeKind kind() const { return rep_->kind; }
  bool is_tensor() const { return rep_->kind == TypeKind::tensor; }
  bool is_generic() const { return rep_->kind == TypeKind::generic; }
  bool is_value() const { return is_tensor() || is_generic(); }
  DType dtype() const { return rep_->dtype; }
  int ndim() const { return static_cast<int>(rep_->shape.size()); }
  const Dims& shape() const { return rep_->shape; }
  int64_t dim(int i) const { return rep_->shape[static_cast<size_t>(i)]; }
  bool broadcastable(int i) const { return dim(i) == 1; }
  const std::string& why() const { return rep_->why; }

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
  struct Rep final : RefCounted {
    TypeKind kind = TypeKind::tensor;
    DType dtype = DType::f64;
    Dims shape;
    std::string why;
  };
  explicit Type(Ref<const Rep> rep) : rep_(std::move(rep)) {}
  static Ref<const Rep> tensor_rep(DType dtype, Dims shape);
  // The description of a tensor of few dimensions, each 1 or unknown, made once; null for others.
  static const Rep* common_rep(DType dtype, const Dims& shape);

  Ref<const Rep> rep_;  // never null, but in an object that was moved from
};

// What is known of a dimension that is both `a` and `b`; fails if they contradict each other.
bool merge_dims(int64_t a, int64_t b, int64_t* out);

}  // namespace phintys

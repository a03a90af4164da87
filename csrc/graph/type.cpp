#include "graph/type.h"

#include "base/error.h"

namespace phintys {

Type Type::tensor(DType dtype, Dims shape) {
  if (shape.size() > static_cast<size_t>(kMaxRank)) {
    fail(ErrorKind::value, "a tensor of ", shape.size(), " dimensions; at most ", kMaxRank,
         " are supported");
  }
  for (int64_t d : shape) {
    if (d < kUnknownDim) fail(ErrorKind::value, "negative dimension in shape ", to_string(shape));
  }
  Type t;
  t.dtype_ = dtype;
  t.shape_ = std::move(shape);
  return t;
}

Type Type::tensor(DType dtype, int ndim) {
  if (ndim < 0) fail(ErrorKind::value, "a tensor cannot have ", ndim, " dimensions");
  if (ndim > kMaxRank) {
    fail(ErrorKind::value, "a tensor of ", ndim, " dimensions; at most ", kMaxRank,
         " are supported");
  }
  return tensor(dtype, Dims(static_cast<size_t>(ndim), kUnknownDim));
}

Type Type::disconnected() {
  Type t;
  t.kind_ = TypeKind::disconnected;
  return t;
}

Type Type::null(std::string why) {
  Type t;
  t.kind_ = TypeKind::null;
  t.why_ = std::move(why);
  return t;
}

Type Type::with_dtype(DType d) const {
  Type t = *this;
  t.dtype_ = d;
  return t;
}

Type Type::with_shape(Dims shape) const { return tensor(dtype_, std::move(shape)); }

bool Type::operator==(const Type& o) const {
  if (kind_ != o.kind_) return false;
  if (kind_ != TypeKind::tensor) return why_ == o.why_;
  return dtype_ == o.dtype_ && shape_ == o.shape_;
}

bool Type::same_pattern(const Type& o) const {
  if (kind_ != o.kind_) return false;
  if (kind_ != TypeKind::tensor) return true;
  if (dtype_ != o.dtype_ || ndim() != o.ndim()) return false;
  for (int i = 0; i < ndim(); ++i) {
    if (broadcastable(i) != o.broadcastable(i)) return false;
  }
  return true;
}

namespace {

std::string pattern_text(const Type& type) {
  const int n = type.ndim();
  bool any = false;
  for (int i = 0; i < n; ++i) any = any || type.broadcastable(i);
  if (n == 0) return "scalar";
  if (!any) return n == 1 ? "vector" : n == 2 ? "matrix" : std::to_string(n) + "D";
  if (n == 2 && !type.broadcastable(0)) return "col";
  if (n == 2 && !type.broadcastable(1)) return "row";
  std::string text = "(";
  for (int i = 0; i < n; ++i) {
    if (i) text += ", ";
    text += type.broadcastable(i) ? "True" : "False";
  }
  return text + (n == 1 ? ",)" : ")");
}

}  // namespace

std::string Type::str() const {
  switch (kind_) {
    case TypeKind::disconnected:
      return "DisconnectedType";
    case TypeKind::null:
      return "NullType";
    case TypeKind::tensor:
      break;
  }
  std::string text = "TensorType(";
  text += dtype_name(dtype_);
  return text + ", " + pattern_text(*this) + ")";
}

bool merge_dims(int64_t a, int64_t b, int64_t* out) {
  if (a != kUnknownDim && b != kUnknownDim && a != b) return false;
  *out = a == kUnknownDim ? b : a;
  return true;
}

}  // namespace phintys

#include "graph/type.h"

#include <vector>

#include "base/error.h"

namespace phintys {

Type::Type() : Type(scalar(DType::f64)) {}

Ref<const Type::Rep> Type::tensor_rep(DType dtype, Dims shape) {
  auto rep = make_ref<Rep>();
  rep->dtype = dtype;
  rep->shape = std::move(shape);
  return rep;
}

const Type::Rep* Type::common_rep(DType dtype, const Dims& shape) {
  constexpr size_t kRanks = 5;
  constexpr size_t kPatterns = (size_t{1} << kRanks) - 1;  // of all ranks below kRanks
  const size_t rank = shape.size();
  if (rank >= kRanks) return nullptr;
  size_t mask = 0;
  for (size_t i = 0; i < rank; ++i) {
    if (shape[i] == 1) {
      mask |= size_t{1} << i;
    } else if (shape[i] != kUnknownDim) {
      return nullptr;
    }
  }
  // Never destroyed: variables may outlive the end of main().
  static const auto* table = [] {
    auto* reps = new std::vector<Ref<const Rep>>;
    for (int d = 0; d < kNumDTypes; ++d) {
      for (size_t r = 0; r < kRanks; ++r) {
        for (size_t m = 0; m < size_t{1} << r; ++m) {
          Dims dims(r, kUnknownDim);
          for (size_t i = 0; i < r; ++i) dims[i] = m >> i & 1 ? 1 : kUnknownDim;
          reps->push_back(tensor_rep(static_cast<DType>(d), std::move(dims)));
        }
      }
    }
    return reps;
  }();
  const size_t pattern = (size_t{1} << rank) - 1 + mask;
  return (*table)[static_cast<size_t>(dtype) * kPatterns + pattern].get();
}

// No array is longer: sums of a few known dimensions, and their bytes, cannot overflow.
static constexpr int64_t kMaxDim = int64_t{1} << 48;

Type Type::tensor(DType dtype, Dims shape) {
  if (shape.size() > static_cast<size_t>(kMaxRank)) {
    fail(ErrorKind::value, "a tensor of ", shape.size(), " dimensions; at most ", kMaxRank,
         " are supported");
  }
  for (int64_t d : shape) {
    if (d < kUnknownDim) fail(ErrorKind::value, "negative dimension in shape ", to_string(shape));
    if (d > kMaxDim) fail(ErrorKind::value, "a dimension of ", d, " is too long");
  }
  if (const Rep* common = common_rep(dtype, shape)) return Type(Ref<const Rep>(common));
  return Type(tensor_rep(dtype, std::move(shape)));
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
  auto rep = make_ref<Rep>();
  rep->kind = TypeKind::disconnected;
  return Type(std::move(rep));
}

Type Type::null(std::string why) {
  auto rep = make_ref<Rep>();
  rep->kind = TypeKind::null;
  rep->why = std::move(why);
  return Type(std::move(rep));
}

Type Type::generic() {
  static const auto* rep = [] {  // never destroyed, as those of tensors
    auto* made = new Ref<Rep>(make_ref<Rep>());
    (*made)->kind = TypeKind::generic;
    (*made)->dtype = DType::i64;
    return made;
  }();
  return Type(Ref<const Rep>(rep->get()));
}

Type Type::with_dtype(DType d) const {
  if (d == dtype()) return *this;
  if (is_tensor()) return tensor(d, shape());
  auto rep = make_ref<Rep>(*rep_);
  rep->dtype = d;
  return Type(std::move(rep));
}

Type Type::with_shape(Dims shape) const { return tensor(dtype(), std::move(shape)); }

bool Type::operator==(const Type& o) const {
  if (rep_ == o.rep_) return true;
  if (kind() != o.kind()) return false;
  if (kind() != TypeKind::tensor) return why() == o.why();
  return dtype() == o.dtype() && shape() == o.shape();
}

bool Type::same_pattern(const Type& o) const {
  if (rep_ == o.rep_) return true;
  if (kind() != o.kind()) return false;
  if (kind() != TypeKind::tensor) return true;
  if (dtype() != o.dtype() || ndim() != o.ndim()) return false;
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
  switch (kind()) {
    case TypeKind::disconnected:
      return "DisconnectedType";
    case TypeKind::null:
      return "NullType";
    case TypeKind::generic:
      return "Generic";
    case TypeKind::tensor:
      break;
  }
  std::string text = "TensorType(";
  text += dtype_name(dtype());
  return text + ", " + pattern_text(*this) + ")";
}

bool merge_dims(int64_t a, int64_t b, int64_t* out) {
  if (a != kUnknownDim && b != kUnknownDim && a != b) return false;
  *out = a == kUnknownDim ? b : a;
  return true;
}

}  // namespace phintys

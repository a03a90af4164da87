#include "ops/build.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/argreduce.h"
#include "ops/build_elementwise.h"
#include "ops/dot.h"
#include "ops/elemwise.h"
#include "ops/grad_ops.h"
#include "ops/join.h"
#include "ops/op_util.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"

namespace phintys {

// --- constants ----------------------------------------------------------------------------------

Var constant(double value, DType dtype) { return make_constant(Array::scalar(dtype, value)); }
Var constant_int(int64_t value, DType dtype) {
  return make_constant(Array::scalar_int(dtype, value));
}
Var constant_array(Array value) { return make_constant(std::move(value)); }

namespace {

constexpr int64_t kMaxSearched = 1 << 16;
// Values are looked for behind so many broadcasts and casts.
constexpr int kMaxDepth = 64;

bool all_equal(const TensorView& v) {
  const int64_t n = v.size();
  if (n == 0 || n > kMaxSearched) return false;
  const size_t item = item_size(v.dtype);
  bool same = true;
  for_each_row<1>(v.ndim, v.shape, {v.data}, {v.strides},
                  [&](const auto& p, int64_t count, const auto& step) {
                    for (int64_t i = 0; i < count && same; ++i) {
                      same = std::memcmp(p[0] + i * step[0], v.data, item) == 0;
                    }
                  });
  return same;
}

// The value that `v` repeats: `v` itself or what is behind broadcasts. Null at the end of the
// search. Casts on the way are collected.
const Variable* behind_broadcasts(const Variable* v, SmallVec<DType, 8>* casts) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (v->is_constant()) return v;
    const Apply* node = v->owner();
    if (!node) return nullptr;
    const Op& op = node->op();
    if (const Elemwise* e = as_elemwise(op)) {
      if (e->is_cast()) {
        casts->push_back(e->cast_to());
        v = node->input(0);
      } else if (std::strcmp(e->name(), "second") == 0) {
        v = node->input(1);
      } else {
        return nullptr;
      }
    } else if (dynamic_cast<const DimShuffle*>(&op) || dynamic_cast<const Alloc*>(&op) ||
               dynamic_cast<const SpecifyShape*>(&op)) {
      v = node->input(0);
    } else {
      return nullptr;
    }
  }
  return nullptr;
}

}  // namespace

namespace {

// False for a complex first element with an imaginary part.
bool is_real_element(const TensorView& v) {
  if (!is_complex(v.dtype)) return true;
  const DType part = real_of(v.dtype);
  return element_as_double({v.data + item_size(part), part, 0, nullptr, nullptr}) == 0;
}

}  // namespace

bool uniform_constant(const Variable* v, double* out) {
  SmallVec<DType, 8> casts;
  const Variable* source = behind_broadcasts(v, &casts);
  if (!source) return false;
  const TensorView view = source->constant().view();
  if (!all_equal(view) || !is_real_element(view)) return false;
  double value = element_as_double(view);
  for (auto it = casts.rbegin(); it != casts.rend(); ++it) {
    // A value out of the integer's range has no meaning that a double could carry.
    if (is_int(*it) && !(std::fabs(value) < 9e15)) return false;
    alignas(16) char element[16];
    store_double(element, *it, value);
    value = element_as_double({element, *it, 0, nullptr, nullptr});
  }
  *out = value;
  return true;
}

bool constant_int_value(const Variable* v, int64_t* out) {
  SmallVec<DType, 8> casts;
  const Variable* source = behind_broadcasts(v, &casts);
  if (!source || !is_discrete(source->dtype())) return false;
  const TensorView view = source->constant().view();
  if (!all_equal(view)) return false;
  int64_t value = element_as_int(view);
  for (auto it = casts.rbegin(); it != casts.rend(); ++it) {
    if (!is_discrete(*it)) return false;
    alignas(8) char element[8];
    store_int(element, *it, value);
    value = element_as_int({element, *it, 0, nullptr, nullptr});
  }
  *out = value;
  return true;
}

// --- elementwise --------------------------------------------------------------------------------

namespace {

Var apply_elemwise(Ref<const Elemwise> op, std::vector<Var> inputs) {
  int ndim = 0;
  for (const Var& v : inputs) {
    if (!v) fail(ErrorKind::type, op->str(), ": an operand is missing");
    if (!v.type().is_tensor()) {
      fail(v.type().kind() == TypeKind::null ? ErrorKind::null_type_grad : ErrorKind::type,
           op->str(), ": an operand is no tensor but ", v.type().str());
    }
    ndim = std::max(ndim, v.ndim());
  }
  for (Var& v : inputs) v = pad_left(v, ndim);
  return phintys::apply(std::move(op), std::move(inputs));
}

}  // namespace

namespace {

constexpr const char* kNegativePower = "Integers to negative integer powers are not allowed.";

// An integer has no integer power with a negative exponent: NumPy's error, at build time if the
// exponent is known, else when the function runs.
void check_integer_power(std::vector<Var>& operands) {
  if (operands.size() != 2 || !operands[0] || !operands[1]) return;
  Var& exponent = operands[1];
  if (!exponent.type().is_tensor() || !is_signed_int(exponent.dtype()) ||
      !operands[0].type().is_tensor() ||
      !is_discrete(promote(operands[0].dtype(), exponent.dtype())))
    return;
  double value;
  if (uniform_constant(exponent.get(), &value)) {
    if (value < 0) fail(ErrorKind::value, kNegativePower);
    return;
  }
  std::vector<int64_t> axes;
  for (int i = 0; i < exponent.ndim(); ++i) axes.push_back(i);
  Ref<Assert> check = make_ref<Assert>();
  check->message = kNegativePower;
  check->value_error = true;
  const Var allowed = elemwise("ge", {exponent, constant_int(0, exponent.dtype())});
  exponent = phintys::apply(check, {exponent, reduce("all", allowed, axes)});
}

}  // namespace

Var elemwise(std::string_view name, std::vector<Var> inputs) {
  if (name == "pow") check_integer_power(inputs);
  return apply_elemwise(Elemwise::get(name), std::move(inputs));
}
Var elemwise(int index, std::vector<Var> inputs) {
  static const int pow = Elemwise::get("pow")->index();
  if (index == pow) check_integer_power(inputs);
  return apply_elemwise(Elemwise::get(index), std::move(inputs));
}

Var cast(const Var& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return apply_elemwise(Elemwise::cast(dtype), {x});
}
Var cast_like(const Var& x, const Var& model) { return cast(x, model.dtype()); }

namespace {

// Theano's autocast of a Python float that meets `other`.
Var number(double value, const Var& other) {
  DType dtype = other.dtype();
  if (is_discrete(dtype)) {
    const bool exact = static_cast<double>(static_cast<float>(value)) == value || value != value;
    dtype = exact || graph_config().floatX == DType::f32 ? DType::f32 : DType::f64;
  }
  return constant(value, dtype);
}

}  // namespace

Var real(const Var& x) { return is_complex(x.dtype()) ? elemwise("real", {x}) : x; }
Var imag(const Var& x) { return is_complex(x.dtype()) ? elemwise("imag", {x}) : zeros_like(x); }
Var conj(const Var& x) {
  if (!is_complex(x.dtype())) return x;
  const Apply* n = x->owner();
  const bool undone = n && std::strcmp(n->op().name(), "conj") == 0;
  return undone ? n->inputs()[0] : elemwise("conj", {x});
}
Var complex_of(const Var& re, const Var& im) { return elemwise("complex", {re, im}); }

Var operator+(const Var& a, const Var& b) { return add(a, b); }
Var operator-(const Var& a, const Var& b) { return sub(a, b); }
Var operator*(const Var& a, const Var& b) { return mul(a, b); }
Var operator/(const Var& a, const Var& b) { return true_div(a, b); }
Var operator-(const Var& a) { return neg(a); }
Var operator+(const Var& a, double b) { return add(a, number(b, a)); }
Var operator-(const Var& a, double b) { return sub(a, number(b, a)); }
Var operator*(const Var& a, double b) { return mul(a, number(b, a)); }
Var operator/(const Var& a, double b) { return true_div(a, number(b, a)); }
Var operator+(double a, const Var& b) { return add(number(a, b), b); }
Var operator-(double a, const Var& b) { return sub(number(a, b), b); }
Var operator*(double a, const Var& b) { return mul(number(a, b), b); }
Var operator/(double a, const Var& b) { return true_div(number(a, b), b); }

// --- shapes -------------------------------------------------------------------------------------

Var shape_i(const Var& x, int axis) {
  if (axis < 0 || axis >= x.ndim()) {
    fail(ErrorKind::value, "there is no axis ", axis, " in ", x.type().str());
  }
  if (x.type().dim(axis) >= 0) return constant_int(x.type().dim(axis));
  if (x->is_constant()) return constant_int(x->constant().shape()[static_cast<size_t>(axis)]);
  auto op = make_ref<ShapeI>();
  op->axis = axis;
  return phintys::apply(op, {x});
}

std::vector<Var> shape_list(const Var& x) {
  std::vector<Var> dims;
  for (int i = 0; i < x.ndim(); ++i) dims.push_back(shape_i(x, i));
  return dims;
}

Var make_vector(std::vector<Var> scalars) {
  std::vector<int64_t> values;
  for (Var& v : scalars) {
    v = cast(v, DType::i64);
    int64_t value;
    if (constant_int_value(v.get(), &value)) values.push_back(value);
  }
  if (values.size() == scalars.size()) {
    return constant_array(Array::from_ints(values.data(), static_cast<int64_t>(values.size())));
  }
  return phintys::apply(make_ref<MakeVector>(), std::move(scalars));
}

Var shape(const Var& x) { return make_vector(shape_list(x)); }

Var dimshuffle(const Var& x, std::vector<int64_t> order) {
  bool same = static_cast<int>(order.size()) == x.ndim();
  for (size_t i = 0; same && i < order.size(); ++i) same = order[i] == static_cast<int64_t>(i);
  if (same) return x;
  auto op = make_ref<DimShuffle>();
  op->order = std::move(order);
  return phintys::apply(op, {x});
}

Var transpose(const Var& x) {
  std::vector<int64_t> order;
  for (int i = x.ndim() - 1; i >= 0; --i) order.push_back(i);
  return dimshuffle(x, std::move(order));
}

Var pad_left(const Var& x, int ndim) {
  if (x.ndim() >= ndim) return x;
  std::vector<int64_t> order(static_cast<size_t>(ndim - x.ndim()), -1);
  for (int i = 0; i < x.ndim(); ++i) order.push_back(i);
  return dimshuffle(x, std::move(order));
}

Var reshape(const Var& x, const Var& shape_vector, int ndim) {
  auto op = make_ref<Reshape>();
  op->ndim = ndim;
  op->check_attributes();
  return phintys::apply(op, {x, shape_vector});
}

Var reshape(const Var& x, std::vector<Var> dims) {
  const int ndim = static_cast<int>(dims.size());
  return reshape(x, make_vector(std::move(dims)), ndim);
}

Var alloc(const Var& value, std::vector<Var> dims) {
  if (dims.empty() && value.ndim() == 0) return value;
  dims.insert(dims.begin(), value);
  return phintys::apply(make_ref<Alloc>(), std::move(dims));
}

Var full_like(double value, const Var& x, DType dtype) {
  const Var scalar = constant(value, dtype);
  return x.ndim() == 0 ? scalar : second(x, scalar);
}
Var zeros_like(const Var& x) { return full_like(0.0, x, x.dtype()); }
Var ones_like(const Var& x) { return full_like(1.0, x, x.dtype()); }

Var specify_shape(const Var& x, Dims dims) {
  if (dims == x.type().shape()) return x;
  auto op = make_ref<SpecifyShape>();
  op->dims.assign(dims.begin(), dims.end());
  op->check_attributes();
  return phintys::apply(op, {x});
}

// --- reductions, products, indexing -------------------------------------------------------------

namespace {

// Sorted, distinct, each in [0, ndim); negative ones count from the end.
std::vector<int64_t> normal_axes(std::string_view what, std::vector<int64_t> axes, int ndim) {
  for (int64_t& a : axes) {
    if (a < -ndim || a >= ndim) {
      fail(ErrorKind::value, what, ": axis ", a, " is out of range for an array of ", ndim,
           " dimensions");
    }
    if (a < 0) a += ndim;
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    fail(ErrorKind::value, what, ": an axis appears twice");
  }
  return axes;
}

std::vector<int64_t> every_axis(int ndim) {
  std::vector<int64_t> axes;
  for (int i = 0; i < ndim; ++i) axes.push_back(i);
  return axes;
}

// Theano's rule: short integers accumulate in 64 bits, float16 in float32.
void sum_dtypes(DType in, DType* out, DType* acc) {
  *out = in;
  if (is_bool(in) || is_signed_int(in)) *out = DType::i64;
  if (is_unsigned_int(in)) *out = DType::u64;
  *acc = in == DType::f16 ? DType::f32 : *out;
}

}  // namespace

Var reduce(std::string_view kind, const Var& x, std::vector<int64_t> axes, bool keepdims) {
  const int ndim = x.ndim();
  axes = normal_axes(kind, std::move(axes), ndim);
  auto op = make_ref<Reduce>();
  op->kind = kind;
  op->axes = axes;
  op->check_attributes();
  Var input = x;
  switch (op->reduce_op()) {
    case ReduceOp::sum:
    case ReduceOp::prod:
      sum_dtypes(x.dtype(), &op->dtype, &op->acc_dtype);
      break;
    case ReduceOp::max:
    case ReduceOp::min:
      op->dtype = op->acc_dtype = x.dtype();
      break;
    case ReduceOp::all:
    case ReduceOp::any:
      op->dtype = op->acc_dtype = DType::b8;
      input = is_complex(x.dtype()) ? neq(x, constant(0, x.dtype())) : cast(x, DType::b8);
      break;
  }
  Var result = phintys::apply(op, {input});
  if (!keepdims) return result;
  std::vector<int64_t> order;
  int64_t next = 0;
  for (int i = 0; i < ndim; ++i) {
    order.push_back(std::binary_search(axes.begin(), axes.end(), i) ? -1 : next++);
  }
  return dimshuffle(result, std::move(order));
}

Var sum(const Var& x, std::vector<int64_t> axes, bool keepdims) {
  return reduce("sum", x, std::move(axes), keepdims);
}
Var sum_all(const Var& x) { return x.ndim() == 0 ? x : sum(x, every_axis(x.ndim())); }

Var argmax(const Var& x, std::vector<int64_t> axes) {
  auto op = make_ref<ArgReduce>();
  op->axes = normal_axes("argmax", std::move(axes), x.ndim());
  return phintys::apply(op, {x});
}

Var dot(const Var& a, const Var& b) {
  if (a.ndim() == 0 || b.ndim() == 0) return mul(a, b);
  const DType dtype = promote(a.dtype(), b.dtype());
  return phintys::apply(make_ref<Dot>(), {cast(a, dtype), cast(b, dtype)});
}

Var join(int axis, std::vector<Var> parts) {
  if (parts.empty()) fail(ErrorKind::value, "join: there is nothing to join");
  DType dtype = parts[0].dtype();
  for (const Var& p : parts) dtype = promote(dtype, p.dtype());
  for (Var& p : parts) p = cast(p, dtype);
  const int ndim = parts[0].ndim();
  if (axis < -ndim || axis >= ndim) {
    fail(ErrorKind::value, "join: axis ", axis, " is out of range for arrays of ", ndim,
         " dimensions");
  }
  if (parts.size() == 1) return parts[0];
  auto op = make_ref<Join>();
  op->axis = axis < 0 ? axis + ndim : axis;
  return phintys::apply(op, std::move(parts));
}

Var unbroadcast_to(const Var& g, const Var& like) {
  const int extra = g.ndim() - like.ndim();
  if (extra < 0) return unbroadcast_to(pad_left(g, like.ndim()), like);
  std::vector<int64_t> leading;
  for (int i = 0; i < extra; ++i) leading.push_back(i);
  Var result = leading.empty() ? g : sum(g, std::move(leading));
  std::vector<int64_t> stretched;
  for (int i = 0; i < like.ndim(); ++i) {
    if (like.type().broadcastable(i) && !result.type().broadcastable(i)) stretched.push_back(i);
  }
  return stretched.empty() ? result : sum(result, std::move(stretched), true);
}

}  // namespace phintys

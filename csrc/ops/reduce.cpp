#include "ops/reduce.h"

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

constexpr const char* kKinds[] = {"sum", "prod", "max", "min", "all", "any"};
constexpr const char* kPrinted[] = {"Sum", "Prod", "Max", "Min", "All", "Any"};

// `v`, which lacks the reduced axes, with axes of length 1 in their places.
Var restore_axes(const Var& v, const std::vector<int64_t>& axes, int ndim) {
  std::vector<int64_t> order;
  int64_t next = 0;
  for (int i = 0; i < ndim; ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    order.push_back(reduced ? -1 : next++);
  }
  return dimshuffle(v, std::move(order));
}

// Exact with zeros among the factors: with one zero only its own derivative is not 0, with two
// none is.
Var prod_grad(const Var& x, const Var& out, const Var& g, const std::vector<int64_t>& axes) {
  const Var zero = eq(x, constant(0.0, x.dtype()));
  const Var safe = switch_(zero, 1.0, x);
  const int ndim = x.ndim();
  const Var nonzero = restore_axes(reduce("prod", safe, axes), axes, ndim);
  const Var count = restore_axes(reduce("sum", cast(zero, DType::i64), axes), axes, ndim);
  const Var none = eq(count, constant_int(0));
  const Var single = and_(eq(count, constant_int(1)), zero);
  const Var others = switch_(none, nonzero / safe, switch_(single, nonzero, 0.0));
  return restore_axes(g, axes, ndim) * conj(cast_like(others, out));
}

}  // namespace

void Reduce::check_attributes() const {
  reduce_op();
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= kMaxRank || (i && axes[i] <= axes[i - 1])) {
      fail(ErrorKind::value, kind, ": axes must be distinct, sorted and not negative");
    }
  }
}

ReduceOp Reduce::reduce_op() const {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kind == kKinds[i]) return static_cast<ReduceOp>(i);
  }
  fail(ErrorKind::value, "there is no reduction \"", kind,
       "\"; known are sum, prod, max, min, all, any");
}

const char* Reduce::summary() const {
  switch (reduce_op()) {
    case ReduceOp::sum:
      return "Sum of the elements over axes.";
    case ReduceOp::prod:
      return "Product of the elements over axes.";
    case ReduceOp::max:
      return "Greatest element over axes; NaN wins.";
    case ReduceOp::min:
      return "Least element over axes; NaN wins.";
    case ReduceOp::all:
      return "True where all elements over axes are true.";
    case ReduceOp::any:
      return "True where any element over axes is true.";
  }
  return "";
}

std::string Reduce::str() const {
  std::string text = std::string(kPrinted[static_cast<int>(reduce_op())]) + "{axis=[";
  for (size_t i = 0; i < axes.size(); ++i) text += (i ? ", " : "") + std::to_string(axes[i]);
  text += "]";
  if (kind == "sum" || kind == "prod") text += ", acc_dtype=" + std::string(dtype_name(acc_dtype));
  return text + "}";
}

std::vector<Type> Reduce::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  const Type& t = inputs[0].type();
  for (int64_t axis : axes) {
    if (axis < 0 || axis >= t.ndim()) {
      fail(ErrorKind::value, str(), ": axis ", axis, " is out of range for an array of ", t.ndim(),
           " dimensions");
    }
  }
  const bool logical = kind == "all" || kind == "any";
  if (logical && !(t.dtype() == DType::b8 && dtype == DType::b8)) {
    fail(ErrorKind::type, str(), " takes and gives bool, not ", dtype_name(t.dtype()));
  }
  if ((is_complex(t.dtype()) || is_complex(acc_dtype)) && !is_complex(dtype)) {
    fail(ErrorKind::type, str(), ": a complex input has no ", dtype_name(dtype), " result");
  }
  const bool order = kind == "max" || kind == "min";
  if (order && (is_complex(t.dtype()) || dtype != t.dtype())) {
    fail(ErrorKind::type, str(), ": no ", dtype_name(dtype), " result for input of ",
         dtype_name(t.dtype()));
  }
  Dims shape;
  for (int i = 0; i < t.ndim(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) shape.push_back(t.dim(i));
  }
  return {Type::tensor(dtype, std::move(shape))};
}

std::vector<Var> Reduce::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  if (is_discrete(dtype)) return {zero_grad_for(x)};
  switch (reduce_op()) {
    case ReduceOp::sum:
      return {as_grad_of(second(x, restore_axes(g, axes, x.ndim())), x)};
    case ReduceOp::prod:
      return {as_grad_of(prod_grad(x, args.outputs[0], g, axes), x)};
    case ReduceOp::max:
    case ReduceOp::min: {
      // Every element that ties for the extremum gets the whole gradient, as in Theano.
      const Var hit = eq(x, restore_axes(args.outputs[0], axes, x.ndim()));
      return {as_grad_of(cast_like(hit, g) * restore_axes(g, axes, x.ndim()), x)};
    }
    case ReduceOp::all:
    case ReduceOp::any:
      break;
  }
  return {zero_grad_for(x)};
}

std::vector<std::vector<Var>> Reduce::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  std::vector<Var> dims;
  for (int i = 0; i < x.ndim(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(shape_i(x, i));
  }
  return {dims};
}

void Reduce::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  Dims shape;
  int64_t reduced = 1;
  size_t next = 0;
  for (int i = 0; i < x.ndim; ++i) {
    if (next < axes.size() && axes[next] == i) {
      reduced *= x.shape[i];
      ++next;
    } else {
      shape.push_back(x.shape[i]);
    }
  }
  if (reduced == 0 && !infallible() && product(shape) != 0) {
    fail(ErrorKind::value, "zero-size array to reduction operation ",
         kind == "max" ? "maximum" : "minimum", " which has no identity (input shape ",
         shape_text(x), ")");
  }
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}

}  // namespace phintys

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/op_util.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

// The entries of a shape vector as scalars, whatever it was made from.
std::vector<Var> vector_entries(const Var& vector, int64_t n) {
  if (vector->owner()) {
    if (dynamic_cast<const MakeVector*>(&vector->owner()->op())) {
      const std::span<const Var> inputs = vector->owner()->inputs();
      return {inputs.begin(), inputs.end()};
    }
  }
  std::vector<Var> entries;
  const bool known = vector->is_constant();
  for (int64_t i = 0; i < n; ++i) {
    if (known) {
      entries.push_back(constant_int(element_as_int(vector->constant().view(), i)));
    } else {
      entries.push_back(cast(index_scalar(vector, i), DType::i64));
    }
  }
  return entries;
}

// Static value of entry i of a shape vector: false if only running tells.
bool known_entry(const Variable* vector, int64_t i, int64_t* value) {
  if (vector->is_constant()) {
    *value = element_as_int(vector->constant().view(), i);
    return true;
  }
  if (!vector->owner() || !dynamic_cast<const MakeVector*>(&vector->owner()->op())) return false;
  return constant_int_value(vector->owner()->input(static_cast<int>(i)), value);
}

std::string vector_text(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? " " : "") + std::to_string(dims[i]);
  return text + "]";
}

// NumPy's rule for reshaping without a copy: axes of `x` that are merged or split must be laid out
// as one run. Fills `strides` and returns true if they are.
bool view_strides(const TensorView& x, const Dims& shape, Dims* strides) {
  Dims old_shape, old_strides;
  for (int i = 0; i < x.ndim; ++i) {
    if (x.shape[i] == 1) continue;
    old_shape.push_back(x.shape[i]);
    old_strides.push_back(x.strides[i]);
  }
  strides->assign(shape.size(), static_cast<int64_t>(item_size(x.dtype)));
  size_t oi = 0, oj, ni = 0, nj;
  const size_t on = old_shape.size(), nn = shape.size();
  while (ni < nn && oi < on) {
    int64_t np = shape[ni], op = old_shape[oi];
    oj = oi + 1;
    nj = ni + 1;
    while (np != op) {
      if (np < op) {
        np *= shape[nj++];
      } else {
        op *= old_shape[oj++];
      }
    }
    for (size_t k = oi; k + 1 < oj; ++k) {
      if (old_strides[k] != old_shape[k + 1] * old_strides[k + 1]) return false;
    }
    (*strides)[nj - 1] = old_strides[oj - 1];
    for (size_t k = nj - 1; k > ni; --k) (*strides)[k - 1] = (*strides)[k] * shape[k];
    ni = nj;
    oi = oj;
  }
  // What remains has length 1.
  const int64_t last = ni > 0 ? (*strides)[ni - 1] : static_cast<int64_t>(item_size(x.dtype));
  for (; ni < nn; ++ni) (*strides)[ni] = last;
  return true;
}

// Replaces a -1 and checks the number of elements.
void resolve_shape(const TensorView& x, Dims* shape) {
  const Dims asked = *shape;
  const int64_t size = x.size();
  int64_t known = 1;
  int unknown = -1;
  bool fits = true;
  for (size_t i = 0; i < shape->size(); ++i) {
    const int64_t d = (*shape)[i];
    if (d == -1 && unknown < 0) {
      unknown = static_cast<int>(i);
    } else if (d < 0) {
      fits = false;
    } else {
      fits = fits && !__builtin_mul_overflow(known, d, &known);
    }
  }
  if (fits && unknown >= 0) {
    fits = known > 0 && size % known == 0;
    if (fits) (*shape)[static_cast<size_t>(unknown)] = size / known;
  } else {
    fits = fits && known == size;
  }
  if (!fits) {
    fail(ErrorKind::value, "Cannot reshape input of shape ", shape_text(x), " to shape ",
         vector_text(asked));
  }
}

}  // namespace

bool never_negative(const Variable* v) {
  int64_t value;
  if (constant_int_value(v, &value)) return value >= 0;
  if (is_unsigned_int(v->dtype()) || is_bool(v->dtype())) return true;
  return v->owner() && dynamic_cast<const ShapeI*>(&v->owner()->op());
}

void Reshape::check_attributes() const { check_rank(*this, ndim); }

std::string Reshape::str() const { return "Reshape{" + std::to_string(ndim) + "}"; }

std::vector<Type> Reshape::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& x = inputs[0].type();
  const Type& s = inputs[1].type();
  if (s.ndim() != 1 || !is_int(s.dtype())) {
    fail(ErrorKind::type, str(), ": the new shape must be a vector of integers, got ", s.str());
  }
  if (s.dim(0) >= 0 && s.dim(0) != ndim) {
    fail(ErrorKind::value, str(), ": the new shape has ", s.dim(0), " entries, not ", ndim);
  }
  Dims shape(static_cast<size_t>(ndim), kUnknownDim);
  int64_t known = 1;
  int unknown = 0;
  size_t hole = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t d;
    if (known_entry(inputs[1].get(), static_cast<int64_t>(i), &d) && d >= 0) {
      shape[i] = d;
      if (__builtin_mul_overflow(known, d, &known)) unknown = 2;
    } else {
      ++unknown;
      hole = i;
    }
  }
  // One length left open follows from the number of elements if that is known.
  int64_t size;
  const bool sized = std::find(x.shape().begin(), x.shape().end(), kUnknownDim) == x.shape().end();
  if (unknown == 1 && known > 0 && sized && checked_product(x.shape(), &size) &&
      size % known == 0) {
    shape[hole] = size / known;
  }
  return {x.with_shape(std::move(shape))};
}

std::vector<Var> Reshape::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  if (!args.grads[0]) return {Var(), Var()};
  return {cast(reshape(args.grads[0], shape_list(x)), grad_dtype(*x)), Var()};
}

std::vector<std::vector<Var>> Reshape::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const Type& type = node.output()->type();
  const std::vector<Var> entries = vector_entries(node.inputs()[1], ndim);
  bool open = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    open |= type.dim(static_cast<int>(i)) < 0 && !never_negative(entries[i].get());
  }
  Var rest;  // the length that stands for -1
  if (open) {
    Var size = constant_int(1), others = constant_int(-1);
    for (int i = 0; i < x.ndim(); ++i) size = size * shape_i(x, i);
    for (const Var& e : entries) others = others * cast(e, DType::i64);
    rest = int_div(size, maximum(others, constant_int(1)));
  }
  std::vector<Var> dims;
  for (size_t i = 0; i < entries.size(); ++i) {
    const int64_t d = type.dim(static_cast<int>(i));
    const Var e = cast(entries[i], DType::i64);
    int64_t value;
    if (d >= 0) {
      dims.push_back(constant_int(d));
    } else if (never_negative(entries[i].get())) {
      dims.push_back(e);
    } else if (constant_int_value(e.get(), &value)) {
      dims.push_back(rest);
    } else {
      dims.push_back(switch_(lt(e, constant_int(0)), rest, e));
    }
  }
  return {dims};
}

void Reshape::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& s = inputs[1];
  if (s.shape[0] != ndim) {
    fail(ErrorKind::value, "reshape: the new shape has ", s.shape[0], " entries, not ", ndim);
  }
  Layout& out = outputs[0];
  out.shape.resize(static_cast<size_t>(ndim));
  for (int64_t i = 0; i < ndim; ++i) {
    out.shape[static_cast<size_t>(i)] = load_int(s.data + i * s.strides[0], s.dtype);
  }
  resolve_shape(x, &out.shape);
  out.alias = -1;
  out.offset = 0;
  out.strides.clear();
  if (x.size() == 0) {
    out.strides = contiguous_strides(out.shape, item_size(x.dtype));
    out.alias = 0;
  } else if (view_strides(x, out.shape, &out.strides)) {
    out.alias = 0;
  } else {
    out.strides.clear();
  }
}

void Reshape::perform(PerformContext&, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  Dims shape(x.shape, x.shape + x.ndim);
  const Dims strides = contiguous_strides(shape, item_size(x.dtype));
  copy_parallel({outputs[0].data, x.dtype, x.ndim, shape.data(), strides.data()}, x);
}
bool Reshape::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const Dims shape(x.shape, x.shape + x.ndim);
  const Dims strides = contiguous_strides(shape, item_size(x.dtype));
  return queue_copy(queue, {outputs[0].data, x.dtype, x.ndim, x.shape, strides.data()}, x);
}

}  // namespace phintys

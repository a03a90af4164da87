#include "ops/random/random_util.h"

#include "ops/build.h"

namespace phintys {

void check_state(const Op& op, const Var& state, DType dtype, const char* what) {
  if (state.ndim() != 1 || state.dtype() != dtype) {
    fail(ErrorKind::type, op.name(), ": the state must be ", what, ", got ", state.type().str());
  }
}

Dims known_lengths(const Op& op, std::span<const Var> inputs, size_t first) {
  check_rank(op, static_cast<int64_t>(inputs.size() - first));
  Dims shape;
  for (size_t i = first; i < inputs.size(); ++i) {
    check_int_scalar(op, inputs[i], "a length");
    int64_t length = kUnknownDim;
    if (constant_int_value(inputs[i].get(), &length) && length < 0) {
      fail(ErrorKind::value, op.name(), ": length ", length, " of axis ", i - first,
           " is negative");
    }
    shape.push_back(length);
  }
  return shape;
}

Dims run_lengths(const Op& op, std::span<const TensorView> inputs, size_t first) {
  Dims shape;
  for (size_t i = first; i < inputs.size(); ++i) {
    const int64_t length = load_int(inputs[i].data, inputs[i].dtype);
    if (length < 0) {
      fail(ErrorKind::value, op.name(), ": length ", length, " of axis ", i - first,
           " is negative");
    }
    shape.push_back(length);
  }
  int64_t size;
  if (!checked_product(shape, &size) || size > kMaxDraw) {
    fail(ErrorKind::memory, op.name(), ": an array of shape ", to_string(shape), " is too large");
  }
  return shape;
}

std::vector<Var> symbolic_lengths(const Type& out, std::span<const Var> inputs, size_t first) {
  std::vector<Var> dims;
  for (size_t i = first; i < inputs.size(); ++i) {
    const int64_t d = out.dim(static_cast<int>(i - first));
    dims.push_back(d >= 0 ? constant_int(d) : cast(inputs[i], DType::i64));
  }
  return dims;
}

uint64_t length_bits(size_t first, size_t count) {
  uint64_t bits = 0;
  for (size_t i = first; i < first + count && i < 64; ++i) bits |= uint64_t{1} << i;
  return bits;
}

void check_broadcast(const Op& op, const TensorView& parameter, const Dims& shape,
                     const char* what) {
  if (!broadcasts_to(parameter, shape.data(), static_cast<int>(shape.size()))) {
    fail(ErrorKind::value, op.name(), ": ", what, " of shape ", shape_text(parameter),
         " cannot be broadcast to shape ", to_string(shape));
  }
}

Parameter::Parameter(const TensorView& v, const int64_t* shape, int ndim)
    : view_(broadcast_view(v, shape, ndim)), uniform_(true) {
  for (int d = 0; d < ndim; ++d) {
    if (shape[d] > 1 && view_.strides[static_cast<size_t>(d)] != 0) uniform_ = false;
  }
}

const char* Parameter::at(int64_t index) const {
  const char* p = view_.data;
  for (size_t d = view_.shape.size(); d-- > 0;) {
    const int64_t size = view_.shape[d];
    p += (index % size) * view_.strides[d];
    index /= size;
  }
  return p;
}

template <class T>
void Parameter::read(int64_t begin, int64_t n, T* out) const {
  const auto value = [](const char* p) { return *reinterpret_cast<const T*>(p); };
  if (uniform_) {
    std::fill(out, out + n, value(view_.data));
    return;
  }
  // Whole rows of the last axis.
  const size_t last = view_.shape.size() - 1;
  const int64_t length = view_.shape[last], stride = view_.strides[last];
  for (int64_t done = 0; done < n;) {
    const int64_t column = (begin + done) % length;
    const int64_t count = std::min(length - column, n - done);
    const char* p = at(begin + done);
    for (int64_t i = 0; i < count; ++i) out[done + i] = value(p + i * stride);
    done += count;
  }
}

template void Parameter::read<double>(int64_t, int64_t, double*) const;
template void Parameter::read<int64_t>(int64_t, int64_t, int64_t*) const;

PhiloxState read_philox(const TensorView& state) {
  const auto word = [&](int64_t i) {
    return *reinterpret_cast<const uint64_t*>(state.data + i * state.strides[0]);
  };
  return {word(0), word(1)};
}

void store_next_philox(const PhiloxState& state, const TensorView& out) {
  *reinterpret_cast<uint64_t*>(out.data) = state.key;
  *reinterpret_cast<uint64_t*>(out.data + out.strides[0]) = state.draw + 1;
}

device::RandomStream stream_of(const device::Queue& queue, const TensorView& state,
                               const TensorView& next) {
  return {state.as<uint64_t>(), state.strides[0], next.as<uint64_t>(), queue.failed};
}

bool to_stretched(const TensorView& v, const int64_t* shape, int ndim, device::Tensor* tensor) {
  return device::to_tensor(broadcast_view(v, shape, ndim).view(), tensor);
}

}  // namespace phintys

// What the random ops share: lengths of the result as inputs, parameters that broadcast.
#pragma once

#include <vector>

#include "device/queue.h"
#include "device/random.h"
#include "ops/op_util.h"
#include "ops/random/philox.h"

namespace phintys {

// Fails unless `state` is a vector of `dtype`; `what` names it.
void check_state(const Op& op, const Var& state, DType dtype, const char* what);
// The lengths that the scalars in inputs[first...] give, as far as they are known.
Dims known_lengths(const Op& op, std::span<const Var> inputs, size_t first);
// The same when the graph runs: every length is known, none negative, the product fits.
Dims run_lengths(const Op& op, std::span<const TensorView> inputs, size_t first);
// The scalars as int64, for infer_shape.
std::vector<Var> symbolic_lengths(const Type& out, std::span<const Var> inputs, size_t first);
// Bits of shape_inputs() for inputs [first, first + count).
uint64_t length_bits(size_t first, size_t count);
// Fails unless a parameter can be stretched to `shape`, or at least has no more dimensions.
void check_broadcast(const Op& op, const TensorView& parameter, const Dims& shape,
                     const char* what);

// A parameter stretched to the result's shape; read as double (or int64) in C order.
class Parameter {
 public:
  Parameter(const TensorView& v, const int64_t* shape, int ndim);
  // True iff all elements are one.
  bool uniform() const { return uniform_; }
  template <class T>
  void read(int64_t begin, int64_t n, T* out) const;
  const char* data() const { return view_.data; }
  // The address of element `index` in C order.
  const char* at(int64_t index) const;

 private:
  OwnedView view_;
  bool uniform_;
};

// The number of a draw from `state` goes up by one.
PhiloxState read_philox(const TensorView& state);
void store_next_philox(const PhiloxState& state, const TensorView& out);
// The same on a device.
device::RandomStream stream_of(const device::Queue& queue, const TensorView& state,
                               const TensorView& next);

// A parameter stretched to a result's shape, for kernels. False if it has too many dimensions.
bool to_stretched(const TensorView& v, const int64_t* shape, int ndim, device::Tensor* tensor);

}  // namespace phintys

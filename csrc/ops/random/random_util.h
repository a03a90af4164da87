// What the random ops share: lengths of the result as inputs, parameters that broadcast.
#pragma once

#include <vector>

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

// A uniform integer in [0, range), range 0 standing for 2^64: Lemire, "Fast random integer
// generation in an interval", ACM TOMACS 29 (2019). `bits` are those of the first attempt; further
// attempts are those of element `index`.
struct BoundedInteger {
  uint64_t range;
  uint64_t threshold;
  explicit BoundedInteger(uint64_t r) : range(r), threshold(r ? (0 - r) % r : 0) {}
  uint64_t operator()(uint64_t bits, const PhiloxState& state, uint64_t index) const {
    if (range == 0) return bits;
    __extension__ using u128 = unsigned __int128;
    u128 m = static_cast<u128>(bits) * range;
    for (uint32_t attempt = 0; static_cast<uint64_t>(m) < threshold && attempt < 60000; ++attempt) {
      m = static_cast<u128>(philox_retry(state, index, attempt)) * range;
    }
    return static_cast<uint64_t>(m >> 64);
  }
};

}  // namespace phintys

// Compressed sparse matrices as ops see them: two vectors, of the positions of the stored entries,
// and one of their values.
//
// The *major* dimension is the compressed one: rows of CSR, columns of CSC. The entries of major
// index i are at [indptr[i], indptr[i + 1]) of `indices`, which holds their minor indices, and of
// the values. Entries may come in any order and more than once (they add up) unless an op says
// otherwise. indptr starts at 0, does not fall, and ends at the number of entries. Both vectors are
// int32, or both int64; the length of the minor dimension is an int64 scalar. Ops check all this,
// and that each index is below that length, before they use an index.
#pragma once

#include <array>

#include "graph/op.h"
#include "ops/op_doc.h"
#include "ops/op_util.h"

namespace phintys {

// --- when a graph is built ----------------------------------------------------------------------

// Fails unless inputs `first` and `first + 1` are index vectors of one dtype.
void check_pattern_types(const Op& op, std::span<const Var> inputs, size_t first);
// Fails unless input `i` is a vector of numbers; bool and float16 have no arithmetic here.
void check_values(const Op& op, const Var& values);
// The number of major indices that a vector indptr stands for.
Var major_length(const Var& indptr);
Type vector_of(DType dtype);

// --- when a program runs ------------------------------------------------------------------------

// Length that the vector indptr stands for; fails if it is empty.
int64_t major_length(const Op& op, const TensorView& indptr);
// The value of a scalar that is a length.
int64_t length_value(const Op& op, const TensorView& scalar, const char* what);

// Pointers to the elements of all inputs in C order, copies of those that lie otherwise, and a
// block of scratch memory after them.
class ContiguousInputs {
 public:
  ContiguousInputs(PerformContext& context, std::span<const TensorView> inputs,
                   size_t extra_bytes = 0);
  template <class T>
  T* as(size_t i) const {
    return reinterpret_cast<T*>(data_[i]);
  }
  template <class T>
  T* extra() const {
    return reinterpret_cast<T*>(extra_);
  }

 private:
  std::array<char*, 9> data_;
  char* extra_ = nullptr;
};

template <class I>
struct Pattern {
  const I* indices;
  const I* indptr;
  int64_t major, minor, count;

  // Inputs `first` and `first + 1` of an op.
  static Pattern of(const ContiguousInputs& in, std::span<const TensorView> inputs, size_t first,
                    int64_t minor) {
    return {in.as<I>(first), in.as<I>(first + 1), inputs[first + 1].shape[0] - 1, minor,
            inputs[first].shape[0]};
  }
  // Fails if indptr is not as it must be, or an index out of range.
  void check(const Op& op) const;
  // The parts of that: for kernels that look at the indices of a piece just before they use them.
  void check_indptr(const Op& op) const;
  void check_indices(const Op& op, int64_t begin, int64_t end) const;
  // The number of major indices that make a piece of work, if each entry costs `cost`.
  int64_t grain(int64_t cost = 1) const;
};

extern template struct Pattern<int32_t>;
extern template struct Pattern<int64_t>;

// Calls f.template operator()<I>() with the C++ type of index vectors.
template <class F>
void dispatch_index(DType d, F&& f) {
  if (d == DType::i32) {
    f.template operator()<int32_t>();
  } else {
    f.template operator()<int64_t>();
  }
}

// Calls f.template operator()<T>() with the C++ type of values.
template <class F>
void dispatch_values(DType d, F&& f) {
  dispatch_dtype(d, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool> && !std::is_same_v<T, Half>) {
      f.template operator()<T>();
    }
  });
}

// sum + a * b; integers wrap around.
template <class T>
inline T multiply_add(T a, T b, T sum) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(sum) +
                          static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  } else if constexpr (std::is_floating_point_v<T>) {
    return sum + a * b;
  } else {
    return T(sum.real() + (a.real() * b.real() - a.imag() * b.imag()),
             sum.imag() + (a.real() * b.imag() + a.imag() * b.real()));
  }
}
template <class T>
inline T add_wrapping(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  } else {
    return a + b;
  }
}

// Counts at [1, n] become running totals, [0] is 0. Fails if they exceed what I holds.
template <class I>
void accumulate_counts(const Op& op, I* indptr, int64_t n) {
  int64_t total = 0;
  indptr[0] = 0;
  for (int64_t i = 1; i <= n; ++i) {
    total += static_cast<int64_t>(indptr[i]);
    if (static_cast<int64_t>(static_cast<I>(total)) != total) {
      fail(ErrorKind::overflow, op.str(), ": the result has more entries than int32 can count");
    }
    indptr[i] = static_cast<I>(total);
  }
}

}  // namespace phintys

// What ops on stacks of matrices share: shapes from a signature, pointers to the matrices of a
// stack, and the walk over a stack on several threads.
//
// A signature such as "mn,nk->mk" names the last dimensions of operands and results by letters, as
// NumPy's generalised ufuncs do; "mn->mr" has r = min(m, n). The dimensions before them are the
// stack: those of all operands are equal. Where an op says which of an operand's are known to be 1,
// as a bit mask of axes, those are stretched.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/parallel.h"
#include "ops/op_util.h"

namespace phintys::linalg {

struct Signature {
  std::vector<std::string> in, out;
  static Signature parse(const std::string& text);
};

// Types of the results, with the dtypes given; fails on operands whose types contradict each other
// or stretched axes that are not known to be 1.
std::vector<Type> infer_by(const Op& op, const std::string& signature, std::span<const Var> inputs,
                           const std::vector<DType>& dtypes, std::span<const int64_t> stretch = {});
std::vector<std::vector<Var>> infer_shape_by(const std::string& signature, const Apply& node,
                                             std::span<const int64_t> stretch = {});
// Memory of their own for all results; fails with `kind` on shapes that do not fit.
void layout_by(const Op& op, const std::string& signature, std::span<const TensorView> inputs,
               std::span<Layout> outputs, ErrorKind kind = ErrorKind::linalg,
               std::span<const int64_t> stretch = {});

bool lapack_dtype(DType d);
// Calls f.template operator()<T>() for float, double and their complex types.
template <class F>
void dispatch_lapack(DType d, F&& f) {
  switch (d) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::f64:
      return f.template operator()<double>();
    case DType::c64:
      return f.template operator()<std::complex<float>>();
    case DType::c128:
      return f.template operator()<std::complex<double>>();
    default:
      PHINTYS_CHECK(false, "no LAPACK for ", dtype_name(d));
  }
}

// The matrices (or vectors, scalars) in the last `core` dimensions of an operand, one after another
// in C order of `stack`, the leading dimensions of the result.
class Stack {
 public:
  Stack(const TensorView& v, int core, const TensorView& result, int result_core)
      : v_(v), core_(core), shape_(result.shape), ndim_(result.ndim - result_core) {}
  // Its own leading dimensions.
  Stack(const TensorView& v, int core) : Stack(v, core, v, core) {}
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < ndim_; ++i) n *= shape_[i];
    return n;
  }
  char* at(int64_t index) const {
    char* p = v_.data;
    for (int i = ndim_ - 1; i >= 0 && index; --i) {
      if (v_.shape[i] != 1) p += index % shape_[i] * v_.strides[i];
      index /= shape_[i];
    }
    return p;
  }
  // The bytes from each matrix to the next, if that is the same for all of them.
  bool uniform(int64_t* step) const;
  int64_t rows() const { return v_.shape[v_.ndim - core_]; }
  int64_t cols() const { return v_.shape[v_.ndim - 1]; }
  int64_t row_stride() const { return v_.strides[v_.ndim - core_]; }
  int64_t col_stride() const { return v_.strides[v_.ndim - 1]; }

 private:
  const TensorView& v_;
  int core_;
  const int64_t* shape_;
  int ndim_;
};

// How a stack is cut into chunks: depends on the shape alone.
struct Chunks {
  int64_t total, grain, count;
  // `work`: operations for one matrix.
  static Chunks of(int64_t total, double work, int64_t multiple = 1);
};

// f(begin, end, workspace) for chunks of a stack, on several threads; each chunk has `bytes` of
// workspace, 64-byte aligned.
template <class F>
void for_chunks(PerformContext& context, const Chunks& chunks, size_t bytes, F&& f) {
  bytes = (bytes + 63) / 64 * 64;
  char* block = nullptr;
  if (bytes && chunks.count) {
    block = static_cast<char*>(context.scratch(bytes * static_cast<size_t>(chunks.count)));
  }
  parallel_ranges(chunks.total, chunks.grain, [&](int64_t begin, int64_t end) {
    char* mine = block ? block + static_cast<size_t>(begin / chunks.grain) * bytes : nullptr;
    f(begin, end, mine);
  });
}

// Takes pieces of a workspace one after another.
class Pieces {
 public:
  explicit Pieces(char* base) : base_(base) {}
  template <class T>
  T* take(int64_t count) {
    T* p = reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return p;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

// to[i * to_row + j * to_col] = from[i * from_row + j * from_col]; strides in elements.
template <class T>
void copy_matrix(T* to, int64_t to_row, int64_t to_col, const T* from, int64_t from_row,
                 int64_t from_col, int64_t rows, int64_t cols) {
  constexpr int64_t kBlock = 16;
  if (cols == 0) return;
  if (to_col == 1 && from_col == 1) {
    for (int64_t i = 0; i < rows; ++i) {
      std::copy(from + i * from_row, from + i * from_row + cols, to + i * to_row);
    }
    return;
  }
  for (int64_t i0 = 0; i0 < rows; i0 += kBlock) {
    const int64_t i1 = std::min(rows, i0 + kBlock);
    for (int64_t j0 = 0; j0 < cols; j0 += kBlock) {
      const int64_t j1 = std::min(cols, j0 + kBlock);
      for (int64_t i = i0; i < i1; ++i) {
        for (int64_t j = j0; j < j1; ++j) {
          to[i * to_row + j * to_col] = from[i * from_row + j * from_col];
        }
      }
    }
  }
}

// A matrix of `stack` as a dense column-major one.
template <class T>
void load_columns(T* to, const Stack& stack, int64_t index) {
  const int64_t item = sizeof(T);
  copy_matrix(to, int64_t{1}, stack.rows(), reinterpret_cast<const T*>(stack.at(index)),
              stack.row_stride() / item, stack.col_stride() / item, stack.rows(), stack.cols());
}
// A dense column-major matrix to a contiguous row-major one.
template <class T>
void store_columns(T* to, const T* from, int64_t rows, int64_t cols) {
  copy_matrix(to, cols, int64_t{1}, from, int64_t{1}, rows, rows, cols);
}

[[noreturn]] void fail_linalg(const Op& op, const std::string& what, int64_t index, int64_t count);

}  // namespace phintys::linalg

// Workspaces of decompositions.
#pragma once

#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

#include "kernels/lapack.h"
#include "ops/linalg/signature.h"

namespace phintys::linalg {

// Bytes that Pieces::take uses for arrays of these lengths.
template <class T>
size_t piece_bytes(std::initializer_list<int64_t> counts) {
  size_t bytes = 0;
  for (int64_t n : counts) bytes += (static_cast<size_t>(n) * sizeof(T) + 63) / 64 * 64;
  return bytes;
}

template <class T>
T conj_of(T x) {
  if constexpr (lapack::kComplex<T>) {
    return std::conj(x);
  } else {
    return x;
  }
}

// True iff none of `n` elements is an infinity or a NaN. LAPACK's iterations may never end on
// those.
template <class T>
bool all_finite(const T* a, int64_t n) {
  using R = lapack::Real<T>;
  const R* x = reinterpret_cast<const R*>(a);
  const int64_t parts = n * static_cast<int64_t>(sizeof(T) / sizeof(R));
  bool finite = true;
  for (int64_t i = 0; i < parts; ++i) finite &= std::abs(x[i]) <= std::numeric_limits<R>::max();
  return finite;
}

// Fails unless the matrix at `a` is finite; `what` failed is said first.
template <class T>
void check_finite(const Op& op, const char* what, const T* a, int64_t n, int64_t index,
                  int64_t count) {
  if (all_finite(a, n)) return;
  fail_linalg(op, std::string(what) + ": there are infinities or NaNs", index, count);
}

// A matrix of `stack` as a dense row-major one.
template <class T>
void load_rows(T* to, const Stack& stack, int64_t index) {
  const int64_t item = sizeof(T);
  copy_matrix(to, stack.cols(), int64_t{1}, reinterpret_cast<const T*>(stack.at(index)),
              stack.row_stride() / item, stack.col_stride() / item, stack.rows(), stack.cols());
}

// Sizes for singular values of column-major A[m, n].
template <class T>
struct SvdWork {
  int64_t m, n, k, lwork = 1, lrwork = 1;
  char job;
  SvdWork(int64_t rows, int64_t cols, char what)
      : m(rows), n(cols), k(std::min(rows, cols)), job(what) {
    if (k > 0) lapack::gesdd_work(job, m, n, static_cast<T*>(nullptr), &lwork, &lrwork);
  }
  size_t bytes() const {
    return piece_bytes<T>({lwork}) + piece_bytes<lapack::Real<T>>({lrwork, k}) +
           piece_bytes<blas_int>({8 * k});
  }
};

template <class T>
struct SvdSpace {
  using R = lapack::Real<T>;
  const SvdWork<T>& w;
  T* more;
  R* reals;
  R* s;
  blas_int* ints;
  SvdSpace(Pieces& pieces, const SvdWork<T>& sizes)
      : w(sizes),
        more(pieces.take<T>(sizes.lwork)),
        reals(pieces.take<R>(sizes.lrwork)),
        s(pieces.take<R>(sizes.k)),
        ints(pieces.take<blas_int>(8 * sizes.k)) {}
  // A[m, n] is destroyed; all are column-major. Returns LAPACK's info.
  int64_t run(T* a, T* u, T* vh) const {
    const int64_t ld_vh = w.job == 'A' ? w.n : w.k;
    return lapack::gesdd(w.job, w.m, w.n, a, w.m, s, u, w.m, vh, ld_vh, more, w.lwork, reals, ints);
  }
};

}  // namespace phintys::linalg

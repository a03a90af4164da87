// Workspaces of decompositions.
#pragma once

#include <initializer_list>

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

// A matrix of `stack` as a dense row-major one.
template <class T>
void load_rows(T* to, const Stack& stack, int64_t index) {
  const int64_t item = sizeof(T);
  copy_matrix(to, stack.cols(), int64_t{1}, reinterpret_cast<const T*>(stack.at(index)),
              stack.row_stride() / item, stack.col_stride() / item, stack.rows(), stack.cols());
}

// Sizes for singular values of row-major A[m, n]: LAPACK sees its transpose.
template <class T>
struct SvdWork {
  int64_t m, n, k, lwork = 1, lrwork = 1;
  char job;
  SvdWork(int64_t rows, int64_t cols, char what)
      : m(rows), n(cols), k(std::min(rows, cols)), job(what) {
    if (k > 0) lapack::gesdd_work(job, n, m, static_cast<T*>(nullptr), &lwork, &lrwork);
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
  // Row-major A[m, n] is destroyed; U and V^H are row-major. The transpose A^T = conj(V) s U^T has
  // in its memory what is wanted for A: LAPACK's U is V^H, its V^H is U. Returns its info.
  int64_t run(T* a, T* u, T* vh) const {
    const int64_t n_vh = w.n, ld_u = w.job == 'A' ? w.m : w.k;
    return lapack::gesdd(w.job, w.n, w.m, a, std::max<int64_t>(1, w.n), s, vh,
                         std::max<int64_t>(1, n_vh), u, std::max<int64_t>(1, ld_u), more, w.lwork,
                         reals, ints);
  }
};

}  // namespace phintys::linalg

// Orthogonal decompositions: QR, singular values, eigenvalues, and what is made of them.
#pragma once

#include "ops/linalg/linalg_op.h"

namespace phintys {

// (A[m, n]): Q and R with A = Q @ R; `mode` is "reduced" (Q[m, k], k = min(m, n)), "complete"
// (Q[m, m]), "r" (R alone) or "raw" (LAPACK's reflectors h[n, m] and their factors tau).
class QR final : public OpBase<QR> {
 public:
  static constexpr const char* kName = "qr";
  static constexpr OpDoc doc{"(A: stack of matrices) -> Q, R: stacks of matrices", "float, complex",
                             "numpy.linalg.qr"};
  std::string mode = "reduced";
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("mode", s.mode);
  }
  void check_attributes() const;
  std::string signature() const;
  const char* summary() const override { return "QR factors of matrices."; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A[m, n]): U, s, V^H with A = U @ diag(s) @ V^H, s descending; with `full` U and V are square.
// Without `vectors`: s alone.
class SVD final : public OpBase<SVD> {
 public:
  static constexpr const char* kName = "svd";
  static constexpr OpDoc doc{"(A: stack of matrices) -> U, s, V^H", "float, complex",
                             "numpy.linalg.svd"};
  bool full = true, vectors = true;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("full", s.full);
    field("vectors", s.vectors);
  }
  std::string signature() const;
  const char* summary() const override { return "Singular value decompositions."; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A): eigenvalues, ascending, and eigenvectors of Hermitian matrices, of which only the lower (or
// upper) triangle is read. Without `vectors`: the eigenvalues alone.
class Eigh final : public OpBase<Eigh> {
 public:
  static constexpr const char* kName = "eigh";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> w, V", "float, complex",
                             "numpy.linalg.eigh"};
  bool lower = true, vectors = true;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("lower", s.lower);
    field("vectors", s.vectors);
  }
  std::string signature() const { return vectors ? "nn->n,nn" : "nn->n"; }
  const char* summary() const override { return "Eigenvalues and -vectors of Hermitian matrices."; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A): eigenvalues and right eigenvectors of any square matrices, always complex. Without
// `vectors`: the eigenvalues alone.
class Eig final : public OpBase<Eig> {
 public:
  static constexpr const char* kName = "eig";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> w, V: complex", "float, complex",
                             "numpy.linalg.eig"};
  bool vectors = true;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("vectors", s.vectors);
  }
  std::string signature() const { return vectors ? "nn->n,nn" : "nn->n"; }
  const char* summary() const override { return "Eigenvalues and -vectors of matrices."; }
  PHINTYS_LINALG_OP
};

// (A[m, n], rcond scalar): the Moore-Penrose inverse; singular values up to rcond times the largest
// count as 0. A negative rcond is the precision of the dtype times max(m, n).
class MatrixPinv final : public OpBase<MatrixPinv> {
 public:
  static constexpr const char* kName = "pinv";
  static constexpr OpDoc doc{"(A: stack of matrices, rcond: scalar) -> stack of matrices",
                             "float, complex", "numpy.linalg.pinv"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Moore-Penrose inverses of matrices."; }
  std::string str() const override { return "MatrixPinv"; }
  bool connected(int in, int) const override { return in == 0; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A[m, n], b[m, k], rcond scalar): x of least |A x - b|, the sums of squares of A x - b, the rank
// of A (int64), and the singular values of A.
class Lstsq final : public OpBase<Lstsq> {
 public:
  static constexpr const char* kName = "lstsq";
  static constexpr OpDoc doc{
      "(A: stack of matrices, b: stack of matrices, rcond: scalar) -> x, "
      "sums of squares, ranks, singular values",
      "float, complex", "numpy.linalg.lstsq"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Least squares solutions."; }
  bool connected(int in, int out) const override { return in < 2 && out == 0; }
  PHINTYS_LINALG_OP
};

}  // namespace phintys

// Systems of linear equations, and what their LU factors give: inverses and determinants.
#pragma once

#include "ops/linalg/linalg_op.h"

namespace phintys {

namespace linalg {

// x with op(A) @ x = b for triangular A; op is the adjoint (transpose) if `trans`.
Var solve_triangular(const Var& a, const Var& b, bool lower, bool trans, bool unit_diagonal);
// inverse(A).
Var inverse(const Var& a);

// Fails unless the first `n` inputs have one dtype that LAPACK has.
void check_lapack(const Op& op, std::span<const Var> inputs, int n);

}  // namespace linalg

// (A, b): x with A @ x = b, and the factors of A for SolveFactored, whose form is private to these
// two ops. `positive`: A is Hermitian and positive definite, and only the triangle that `lower`
// says is read.
class Solve final : public OpBase<Solve> {
 public:
  static constexpr const char* kName = "solve";
  static constexpr OpDoc doc{
      "(A: stack of square matrices, b: stack of matrices) -> stack of matrices, factors, pivots",
      "float, complex", "numpy.linalg.solve"};
  bool positive = false, lower = true;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("positive", s.positive);
    field("lower", s.lower);
  }
  const char* summary() const override { return "Solutions of systems of linear equations."; }
  std::string str() const override;
  bool connected(int, int out) const override { return out == 0; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A, factors, pivots, b): x with A @ x = b, or A^H @ x = b if `trans`, from the factors that Solve
// made of A with the same attributes. A itself is not read.
class SolveFactored final : public OpBase<SolveFactored> {
 public:
  static constexpr const char* kName = "solve_factored";
  static constexpr OpDoc doc{
      "(A: stack of square matrices, factors, pivots, b: stack of matrices) -> stack of matrices",
      "float, complex", "numpy.linalg.solve"};
  bool positive = false, lower = true, trans = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("positive", s.positive);
    field("lower", s.lower);
    field("trans", s.trans);
  }
  const char* summary() const override { return "Solutions of systems that are factored already."; }
  bool connected(int in, int) const override { return in == 0 || in == 3; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A, b): x with A @ x = b, or A^H @ x = b if `trans`, for triangular A.
class SolveTriangular final : public OpBase<SolveTriangular> {
 public:
  static constexpr const char* kName = "solve_triangular";
  static constexpr OpDoc doc{
      "(A: stack of triangular matrices, b: stack of matrices) -> stack of matrices",
      "float, complex", "scipy.linalg.solve_triangular"};
  bool lower = true, trans = false, unit_diagonal = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("lower", s.lower);
    field("trans", s.trans);
    field("unit_diagonal", s.unit_diagonal);
  }
  const char* summary() const override { return "Solutions of triangular systems."; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A): its inverse.
class MatrixInverse final : public OpBase<MatrixInverse> {
 public:
  static constexpr const char* kName = "matrix_inverse";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> stack of square matrices",
                             "float, complex", "numpy.linalg.inv"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Inverses of matrices."; }
  std::string str() const override { return "MatrixInverse"; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A): its determinant.
class Det final : public OpBase<Det> {
 public:
  static constexpr const char* kName = "det";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> tensor", "float, complex",
                             "numpy.linalg.det"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Determinants of matrices."; }
  std::string str() const override { return "Det"; }
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A): the sign of its determinant, and the logarithm of the absolute value.
class SLogDet final : public OpBase<SLogDet> {
 public:
  static constexpr const char* kName = "slogdet";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> tensor, tensor", "float, complex",
                             "numpy.linalg.slogdet"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Signs and logarithms of determinants."; }
  std::string str() const override { return "SLogDet"; }
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (A): its LU factors in one matrix, and int32 pivots: row i was exchanged with row pivots[i].
class LuFactor final : public OpBase<LuFactor> {
 public:
  static constexpr const char* kName = "lu_factor";
  static constexpr OpDoc doc{"(A: stack of matrices) -> stack of matrices, pivots",
                             "float, complex", "scipy.linalg.lu_factor"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "LU factors with row exchanges."; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

// (x, int32 pivots): the rows of x exchanged as LuFactor did, or back if `inverse`.
class PermuteRows final : public OpBase<PermuteRows> {
 public:
  static constexpr const char* kName = "permute_rows";
  static constexpr OpDoc doc{"(x: stack of matrices, pivots: int32) -> stack of matrices", "all",
                             "scipy.linalg.lu"};
  bool inverse = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("inverse", s.inverse);
  }
  const char* summary() const override { return "Rows exchanged as in an LU factorisation."; }
  bool connected(int in, int) const override { return in == 0; }
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

}  // namespace phintys

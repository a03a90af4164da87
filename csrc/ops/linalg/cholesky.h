// Cholesky factors.
#pragma once

#include "ops/linalg/linalg_op.h"

namespace phintys {

// (A): L with A = L @ L^H, or U with A = U^H @ U if not `lower`; only that triangle of A is read.
// Not positive definite: LinAlgError, or a factor of NaNs if `nan`.
class Cholesky final : public OpBase<Cholesky> {
 public:
  static constexpr const char* kName = "cholesky";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> stack of square matrices",
                             "float, complex", "numpy.linalg.cholesky"};
  bool lower = true, nan = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("lower", s.lower);
    field("nan", s.nan);
  }
  const char* summary() const override { return "Cholesky factors of positive definite matrices."; }
  std::string str() const override;
  PHINTYS_LINALG_OP
  PHINTYS_LINALG_DEVICE
};

}  // namespace phintys

// The matrix exponential.
#pragma once

#include "ops/linalg/linalg_op.h"

namespace phintys {

// (A): exp(A) as a power series of matrices.
class Expm final : public OpBase<Expm> {
 public:
  static constexpr const char* kName = "expm";
  static constexpr OpDoc doc{"(A: stack of square matrices) -> stack of square matrices",
                             "float, complex", "scipy.linalg.expm"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Exponentials of matrices."; }
  std::string str() const override { return "Expm"; }
  PHINTYS_LINALG_OP
};

}  // namespace phintys

// Reductions over axes: sum, prod, max, min, all, any. Run by the VM.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

enum class ReduceOp : uint8_t { sum, prod, max, min, all, any };  // as vm::ReduceKind

class Reduce final : public OpBase<Reduce> {
 public:
  static constexpr const char* kName = "reduce";
  static constexpr OpDoc doc{.signature = "(x) -> tensor",
                             .dtypes = "all",
                             .reference = "numpy.sum, prod, max, min, all, any"};
  // "sum", "prod", "max", "min", "all", "any".
  std::string kind = "sum";
  std::vector<int64_t> axes;     // sorted, each in [0, ndim)
  DType dtype = DType::f64;      // of the output
  DType acc_dtype = DType::f64;  // of the accumulation
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("kind", s.kind);
    field("axis", s.axes);
    field("dtype", s.dtype);
    field("acc_dtype", s.acc_dtype);
  }
  void check_attributes() const;
  ReduceOp reduce_op() const;
  const char* summary() const override;
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  // max and min of nothing fail.
  bool infallible() const override { return kind != "max" && kind != "min"; }
};

}  // namespace phintys

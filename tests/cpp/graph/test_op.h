// Ops for tests of the graph layer, which lies below the real ones.
#pragma once

#include <string>
#include <vector>

#include "graph/op.h"

namespace phintys::test {

// Any number of inputs of one type; `outputs` outputs of that type.
class TestOp final : public OpBase<TestOp> {
 public:
  static constexpr const char* kName = "test";
  std::string label = "f";
  int64_t n_outputs = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("label", s.label);
    field("n_outputs", s.n_outputs);
  }
  std::string str() const override { return label; }
  std::vector<Type> infer(std::span<const Var> inputs) const override {
    for (const Var& v : inputs) {
      if (v.ndim() != inputs[0].ndim()) fail(ErrorKind::type, label, ": ranks differ");
    }
    return std::vector<Type>(static_cast<size_t>(n_outputs), inputs[0].type());
  }
  void layout(std::span<const TensorView>, std::span<Layout>) const override {}
};

inline Ref<const Op> test_op(const std::string& label, int64_t n_outputs = 1) {
  auto op = make_ref<TestOp>();
  op->label = label;
  op->n_outputs = n_outputs;
  return op;
}

inline Var node(const std::string& label, std::vector<Var> inputs) {
  return apply(test_op(label), std::move(inputs));
}

inline Var matrix(const std::string& name) {
  return make_variable(Type::tensor(DType::f64, 2), name);
}

}  // namespace phintys::test

// Elementwise ops in graphs: one class over the registry of ops/elementwise/.
//
// An Elemwise node has operands of one rank (Elemwise::apply pads the others with a DimShuffle, as
// Theano does) and of any dtypes; the dtypes that the kernel computes in are resolved by the op's
// rule and the casts are made when the graph is lowered. Dimensions broadcast only where they are
// known to be 1; at run time all others must agree.
#pragma once

#include "graph/op.h"
#include "ops/elementwise/info.h"

namespace phintys {

class Elemwise final : public Op {
 public:
  // The op for registry entry `index` (see ops/elementwise/table.h); one instance each.
  static Ref<const Elemwise> get(int index);
  static Ref<const Elemwise> get(std::string_view name);
  // cast: an elementwise op with an attribute.
  static Ref<const Elemwise> cast(DType to);

  int index() const { return index_; }  // registry index; -1: cast
  bool is_cast() const { return index_ < 0; }
  DType cast_to() const { return cast_to_; }
  const ElementwiseInfo& info() const;

  const char* name() const override;
  int version() const override;
  const char* summary() const override;
  void visit(AttrVisitor& visitor) const override;
  bool equal(const Op& other) const override { return this == &other; }
  uint64_t hash() const override;
  std::string str() const override;  // "Elemwise{exp,no_inplace}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override { return true; }

 private:
  Elemwise(int index, DType cast_to) : index_(index), cast_to_(cast_to) {}
  int index_;
  DType cast_to_;
};

// True (and the op) if `v` is the output of elementwise op `Op` (a struct of ops/elementwise/).
const Elemwise* as_elemwise(const Op& op);

}  // namespace phintys

// A fused region: elementwise steps, and optionally reductions of their results, as one node.
//
// Made by the fusion pass just before lowering, executed by the VM (vm/), never saved: a saved
// function holds the graph before fusion and is fused again when it is loaded.
#pragma once

#include "graph/op.h"
#include "ops/elementwise/info.h"
#include "ops/reduce.h"

namespace phintys {

// One instruction on values of one element. Operands name registers: 0 .. n_inputs-1 are the
// node's inputs, n_inputs + k is the result of step k.
struct FusedStep {
  int32_t op;       // registry index, or -1: cast
  DType compute;    // dtype of the (non-condition) operands; for cast: dtype of the operand
  DType result;     // dtype of the result
  int32_t args[3];  // unused: -1
  SourceLoc loc;    // the user's line
  SourceLoc product_loc = {};  // of a product and a sum contracted to one step: the product's line
};

struct FusedOutput {
  int32_t reg;
  // Reduced over FusedOp::axes, or stored.
  bool reduced = false;
  ReduceOp reduce = ReduceOp::sum;
  DType dtype;  // of the stored output; a reduction accumulates in the register's dtype and the
                // result is cast to this
};

class FusedOp final : public Op {
 public:
  int ndim = 0;  // rank of every input and of the iteration space
  int n_inputs = 0;
  std::vector<DType> input_dtypes;
  std::vector<FusedStep> steps;
  std::vector<FusedOutput> outputs;  // all stored, or all reduced
  std::vector<int64_t> axes;         // reduced axes (sorted); empty: none
  // Types of the outputs.
  std::vector<Type> output_types;
  // Inputs that may broadcast: per input a mask of the dimensions known to be 1.
  std::vector<uint32_t> broadcast;

  const char* name() const override { return "fused"; }
  void visit(AttrVisitor&) const override {}
  bool equal(const Op& other) const override { return this == &other; }
  uint64_t hash() const override { return hash_pointer(this); }
  std::string str() const override;  // "Fused{mul,add,Sum}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override;
  bool is_reduction() const { return !outputs.empty() && outputs[0].reduced; }
};

}  // namespace phintys

// The members that every op of linear algebra declares.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

#define PHINTYS_LINALG_OP                                                                    \
  std::vector<Type> infer(std::span<const Var> inputs) const override;                       \
  std::vector<Var> grad(const GradArgs& args) const override;                                \
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;               \
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override; \
  void perform(PerformContext& context, std::span<const TensorView> inputs,                  \
               std::span<const TensorView> outputs) const override;

// The members of those that a device may compute.
#define PHINTYS_LINALG_DEVICE                                            \
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs, \
               std::span<const TensorView> outputs) const override;

// A fused region as devices compute it: few kinds of numbers, and casts between them.
//
// Small integers are computed in int32, uint32 in int64, float16 in float32 and long bodies of
// complex64 in complex128; a cast after each step rounds or wraps as the dtype wants it.
#pragma once

#include <span>
#include <vector>

#include "device/fused.h"
#include "ops/fused.h"

namespace phintys::vm {

// Where an array of a launch lies.
struct DevicePlace {
  enum class In : uint8_t { operand, scratch } in = In::operand;
  int index = 0;      // of the region's inputs or outputs
  size_t offset = 0;  // in the scratch memory
};

struct DeviceInput {
  DType dtype;
  Dims strides;  // bytes, by the region's dimensions; 0 where broadcast
  DevicePlace place;
};

// Its result is value number (inputs + its own number).
struct DeviceStep {
  int op;  // registry index, or -1: cast
  device::FusedKind kind;
  DType from, to;  // of a cast; `to`: dtype of the result
  int args[3] = {-1, -1, -1};
  int arity = 1;
  bool heavy = false, commutative = false;
  float cost = 1;
};

struct DeviceOutput {
  int value;
  DType dtype;  // of the array
  DevicePlace place;
  // Of reductions: what is reduced, and the op that joins two of it.
  DType reduced = DType::f32;
  device::FusedKind kind = device::FusedKind::f32;
  int op = 0;
};

struct DeviceRegion {
  Dims shape;
  std::vector<uint8_t> reduced;  // by dimension
  bool reduction = false;
  std::vector<DeviceInput> inputs;
  std::vector<DeviceStep> steps;
  std::vector<DeviceOutput> outputs;

  DType dtype(int value) const {
    const auto v = static_cast<size_t>(value);
    return v < inputs.size() ? inputs[v].dtype : steps[v - inputs.size()].to;
  }
  bool single(int input) const;  // one value throughout
};

// The dtype whose words hold values of `d`.
DType computed_dtype(DType d);
// Of values that computed_dtype gives.
device::FusedKind device_kind(DType d);

DeviceRegion lower_region(const FusedOp& op, std::span<const TensorView> inputs);
// Long steps on single values alone are taken out of `region`, which then reads their results from
// scratch memory (from *scratch on, which grows), and returned. Without outputs if there are none.
DeviceRegion split_single_steps(DeviceRegion* region, size_t* scratch);
// The first `steps` steps, which leave what the others need in scratch memory; the others, with all
// outputs, remain in `region`.
DeviceRegion split_steps(DeviceRegion* region, size_t steps, size_t* scratch);

}  // namespace phintys::vm

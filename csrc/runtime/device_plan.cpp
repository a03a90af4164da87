#include "runtime/device_plan.h"

namespace phintys::runtime {

namespace {

// Values that the host has anyhow: constants, what shapes tell, and single integers among inputs.
bool host_has(const BufferInfo& buffer) {
  if (buffer.kind == BufferKind::constant || buffer.known) return true;
  return buffer.kind == BufferKind::input && buffer.type.is_tensor() && buffer.type.ndim() == 0 &&
         is_discrete(buffer.type.dtype());
}

bool shape_input(const Instruction& instr, size_t i) {
  const uint64_t mask = instr.op->shape_inputs();
  return instr.dynamic && (i < 64 ? mask >> i & 1 : mask >> 63);
}

bool small_integers(const Program& p, const Instruction& instr) {
  if (instr.at_bind || instr.opaque || !instr.inner.empty()) return false;
  for (int out : instr.outputs) {
    const Type& type = p.buffers[static_cast<size_t>(out)].type;
    if (!type.is_tensor() || type.ndim() > 1 || !is_discrete(type.dtype())) return false;
  }
  return true;
}

}  // namespace

DevicePlan plan_of(const Program& p) {
  DevicePlan plan;
  plan.on_host.assign(p.instructions.size(), 0);
  plan.needed.assign(p.buffers.size(), 0);
  std::vector<uint8_t> available(p.buffers.size(), 0), wanted(p.buffers.size(), 0);
  for (size_t b = 0; b < p.buffers.size(); ++b) available[b] = host_has(p.buffers[b]);
  std::vector<uint8_t> possible(p.instructions.size(), 0);
  for (size_t i = 0; i < p.instructions.size(); ++i) {
    const Instruction& instr = p.instructions[i];
    possible[i] = small_integers(p, instr);
    for (int in : instr.inputs) possible[i] &= available[static_cast<size_t>(in)];
    if (possible[i])
      for (int out : instr.outputs) available[static_cast<size_t>(out)] = 1;
  }
  for (size_t i = p.instructions.size(); i-- > 0;) {
    const Instruction& instr = p.instructions[i];
    bool asked = false;
    for (int out : instr.outputs) asked |= wanted[static_cast<size_t>(out)] != 0;
    plan.on_host[i] = possible[i] && asked;
    for (size_t k = 0; k < instr.inputs.size(); ++k) {
      const size_t in = static_cast<size_t>(instr.inputs[k]);
      const bool for_shape = shape_input(instr, k);
      wanted[in] |= plan.on_host[i] || for_shape;
      plan.needed[in] |= !plan.on_host[i] && !instr.at_bind;
    }
    plan.may_fail |= !instr.at_bind && !plan.on_host[i] && !instr.op->infallible();
  }
  for (int out : p.outputs) plan.needed[static_cast<size_t>(out)] = 1;
  for (const UpdatePlan& update : p.updates) plan.needed[static_cast<size_t>(update.buffer)] = 1;
  return plan;
}

DevicePlan plan_for_device(Program& p) {
  DevicePlan plan = plan_of(p);
  for (UpdatePlan& update : p.updates)
    if (plan.may_fail) update.direct_from = -1;
  return plan;
}

}  // namespace phintys::runtime

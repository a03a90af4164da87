// Device contexts of programs inside ops: their work is queued for a loop to repeat.
#include <algorithm>

#include "base/error.h"
#include "runtime/device_context.h"
#include "runtime/device_queue.h"

namespace phintys::runtime {

const Binding& DeviceContext::enter_body(std::span<const TensorView> inputs,
                                         std::span<char* const> data, Function& function) {
  function_ = &function;
  ++runs_;
  if (n_bindings_ > kMaxAllBindings) trim_bindings();
  std::fill(places_.begin(), places_.end(), Place{});
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t b = static_cast<size_t>(p_.input_buffers[i]);
    leaves_[b] = inputs[i];
    places_[b] = {data[i], inputs[i].data};
  }
  set_constants();
  make_key();
  Binding& binding = find_binding(bindings_, 0, nullptr);
  Prepared& prepared = prepare(binding);
  enter(binding, prepared);
  return binding;
}

std::vector<char*> DeviceContext::body_pointers(const Binding& binding) const {
  std::vector<char*> pointers;
  for (int b : p_.input_buffers) pointers.push_back(places_[static_cast<size_t>(b)].device);
  const Arena& arena = arenas_[static_cast<size_t>(binding.segment)];
  pointers.push_back(arena.memory ? static_cast<char*>(arena.memory->data()) : nullptr);
  pointers.push_back(reinterpret_cast<char*>(binding.id));
  return pointers;
}

// Points the body's outputs, and views of what is in place, at memory.
void DeviceContext::place_body(const Binding& binding, std::span<char* const> outputs) {
  PHINTYS_CHECK(&binding == bindings_[0].get(), "another binding is in force");
  for (int k : binding.direct_outputs)
    places_[static_cast<size_t>(p_.outputs[static_cast<size_t>(k)])] = {
        outputs[static_cast<size_t>(k)], nullptr};
  point(binding);
}

bool DeviceContext::body_programs(const Binding& binding, std::span<char* const> outputs,
                                  std::vector<device::FusedProgram>* programs) {
  Prepared& prepared = prepared_.at(&binding);
  if (binding.direct_outputs.size() != p_.outputs.size()) return false;
  size_t scratch = 0;
  for (size_t i = 0; i < binding.instructions.size(); ++i) {
    if (binding.instructions[i].kind == RunKind::view) continue;
    if (!prepared.fused[i]) return false;
    scratch = std::max(scratch, prepared.fused[i]->scratch_bytes());
  }
  place_body(binding, outputs);
  char* const room = scratch > 0 ? static_cast<char*>(queue_->scratch(scratch)) : nullptr;
  for (size_t i = 0; i < binding.instructions.size(); ++i) {
    if (!prepared.fused[i]) continue;
    const Instruction& instr = *binding.instructions[i].instr;
    std::vector<char*> in, out;
    for (int b : instr.inputs) in.push_back(on_device(binding, b));
    for (int b : instr.outputs) out.push_back(places_[static_cast<size_t>(b)].device);
    if (!prepared.fused[i]->append_programs(in.data(), out.data(), room, programs)) return false;
  }
  return true;
}

bool DeviceContext::queue_body(const Binding& bound, std::span<char* const> outputs) {
  Prepared& prepared = prepared_.at(&bound);
  Binding& binding = *bindings_[0];
  place_body(bound, outputs);
  begin_instructions(prepared);
  for (size_t i = 0; i < binding.instructions.size(); ++i) {
    BoundInstruction& instr = binding.instructions[i];
    if (instr.kind == RunKind::view) continue;
    if (instr.kind == RunKind::inner || prepared.on_host[i] ||
        !enqueue(instr, binding, prepared, i))
      return false;
  }
  for (size_t k = 0; k < p_.outputs.size(); ++k) {
    if (binding.output_plans[k] == OutputPlan::direct) continue;
    on_device(binding, p_.outputs[k]);
    copy_view(outputs[k], device_view(binding, p_.outputs[k]), nullptr);
  }
  return true;
}

}  // namespace phintys::runtime

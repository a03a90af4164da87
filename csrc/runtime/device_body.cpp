// Device contexts of programs inside ops: their work is queued for a loop to repeat.
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

bool DeviceContext::queue_body(const Binding& bound, std::span<char* const> outputs) {
  Prepared& prepared = prepared_.at(&bound);
  Binding& binding = *bindings_[0];
  PHINTYS_CHECK(&binding == &bound, "another binding is in force");
  for (int k : binding.direct_outputs)
    places_[static_cast<size_t>(p_.outputs[static_cast<size_t>(k)])] = {
        outputs[static_cast<size_t>(k)], nullptr};
  point(binding);
  current_ = &prepared;
  next_table_ = 0;
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

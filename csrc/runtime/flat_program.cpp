#include "runtime/flat_program.h"

#include "runtime/flat_copy.h"

namespace phintys::runtime {

Binding::Binding() = default;
Binding::~Binding() = default;

std::unique_ptr<FlatProgram> FlatProgram::make(const Program& program, const Binding& binding,
                                               const std::vector<TensorView>& leaves,
                                               const InnerRunners& runners) {
  std::unique_ptr<FlatProgram> flat(new FlatProgram(program, binding));
  if (!flat->build(leaves, runners)) flat.reset();
  return flat;
}

bool FlatProgram::build(const std::vector<TensorView>& leaves, const InnerRunners& runners) {
  if (body_.segments.size() != 1 || !body_.shared.empty() || body_.calls_back) return false;
  for (const Instruction& instr : body_.instructions)
    if (instr.dynamic) return false;
  if (!place_buffers(leaves) || !collect_calls(runners) || !outputs_fit()) return false;
  for (size_t i = 0; i < body_.input_buffers.size(); ++i) {
    const int buffer = body_.input_buffers[i];
    const size_t bytes = bytes_of(buffer);
    const size_t item = item_of(buffer);
    loads_.push_back({at(buffer), i, bytes, item, bytes == item ? bytes : (bytes + 63) / 64 * 64});
  }
  for (int buffer : body_.outputs) {
    const BufferState& s = binding_.states[static_cast<size_t>(buffer)];
    outputs_.push_back({at(buffer), body_.buffers[static_cast<size_t>(buffer)].type.dtype(),
                        static_cast<int>(s.shape.size()), s.shape.data(), s.strides.data()});
  }
  return finish();
}

void FlatProgram::run(const TensorView* inputs, const RunHooks& hooks) {
  hooks_ = &hooks;
  if (hooks.limits) hooks.limits->before(work_);
  for (const Load& l : loads_) {
    const char* from = inputs[l.input].data;
    if (l.bytes == l.item) {
      copy_item(l.block, from, l.item);
    } else {
      copy_row(l.block, from, l.bytes);
      fill_up(l.block, l.bytes, l.item, l.room);
    }
  }
  run_calls();
}

}  // namespace phintys::runtime

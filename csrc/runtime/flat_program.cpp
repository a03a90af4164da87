#include "runtime/flat_program.h"

#include <algorithm>
#include <cstring>

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
  if (body_.segments.size() != 1 || body_.calls_back) return false;
  for (const Instruction& instr : body_.instructions)
    if (instr.dynamic) return false;
  for (const BufferInfo& info : body_.buffers)
    if (info.type.is_generic()) return false;
  if (!place_buffers(leaves) || !collect_calls(runners) || !outputs_fit()) return false;
  if (calls_.size() == wholes_.size()) return false;  // nothing gained, and inputs copied
  for (int buffer : body_.input_buffers) add_load(buffer);
  for (int buffer : body_.shared_buffers)
    if (buffer >= 0) add_load(buffer);
  for (const UpdatePlan& update : body_.updates)
    if (!add_store(update)) return false;
  for (int buffer : body_.outputs) outputs_.push_back(view_of(buffer));
  return finish();
}

void FlatProgram::add_load(int buffer) {
  const size_t bytes = bytes_of(buffer), item = item_of(buffer);
  const size_t room = bytes == item ? bytes : (bytes + 63) / 64 * 64;
  loads_.push_back({at(buffer), static_cast<size_t>(buffer), bytes, item, room});
}

TensorView FlatProgram::view_of(int buffer) {
  const auto b = static_cast<size_t>(buffer);
  const BufferState& s = binding_.states[b];
  return {at(buffer), body_.buffers[b].type.dtype(), static_cast<int>(s.shape.size()),
          s.shape.data(), s.strides.data()};
}

bool FlatProgram::add_store(const UpdatePlan& update) {
  if (outside(update.buffer) || bytes_of(update.buffer) > kMaxRow) return false;
  const TensorView value = view_of(update.buffer);
  const bool whole = value.ndim == 0 || value.contiguous();
  stores_.push_back({body_.shared[static_cast<size_t>(update.shared)].get(), value,
                     whole ? bytes_of(update.buffer) : 0});
  return true;
}

bool FlatProgram::run(const std::vector<TensorView>& leaves, const RunHooks& hooks) {
  for (const Store& s : stores_) {
    const Array& old = s.storage->value();
    if (old.ndim() != s.value.ndim ||
        !std::equal(old.shape().begin(), old.shape().end(), s.value.shape) ||
        (old.ndim() && !old.view().contiguous()))
      return false;
  }
  hooks_ = &hooks;
  if (hooks.limits) hooks.limits->before(work_);
  for (const Load& l : loads_) {
    const char* from = leaves[l.buffer].data;
    if (l.bytes == l.item) {
      copy_item(l.block, from, l.item);
    } else {
      copy_row(l.block, from, l.bytes);
      fill_up(l.block, l.bytes, l.item, l.room);
    }
  }
  run_calls();
  commit();
  return true;
}

void FlatProgram::commit() const {
  for (const Store& s : stores_) {
    char* to = s.storage->value().data();
    if (s.value.ndim == 0) {
      copy_item(to, s.value.data, s.bytes);
    } else if (s.bytes) {
      std::memcpy(to, s.value.data, s.bytes);
    } else {
      copy_elements(s.storage->value().view(), s.value);
    }
  }
}

}  // namespace phintys::runtime

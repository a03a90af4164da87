// How a device context runs instructions: queued, recorded and replayed, or on the host.
#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/error.h"
#include "device/indexing.h"
#include "runtime/device_context.h"
#include "runtime/device_queue.h"
#include "runtime/failure.h"
#include "runtime/profiler.h"
#include "vm/device_fused.h"

namespace phintys::runtime {

namespace {

constexpr size_t kMaxTakes = 4;        // recordings of one binding, for different pointers
constexpr size_t kWorthRecording = 2;  // instructions

// A table differs from the one that the run before the recording had: the recording is given up.
struct TableChanged {};

}  // namespace

class ContextQueue final : public device::Queue {
 public:
  ContextQueue(DeviceContext& context, device::Device& device, int* failed)
      : Queue(device.table(), device.stream(), device.index(), failed),
        context_(context),
        device_(device) {}

  void* scratch(size_t bytes) override {
    if (context_.scratch_bytes_ < bytes || !context_.scratch_) {
      const int64_t n = static_cast<int64_t>(std::max<size_t>(bytes, 1));
      context_.scratch_ = device_.empty(DType::u8, {n}).buffer();
      context_.scratch_bytes_ = bytes;
    }
    used_.push_back(context_.scratch_);
    return context_.scratch_->data();
  }

  void* upload_constant(const void* bytes, size_t size) override {
    auto& tables = context_.current_->tables;
    const size_t k = context_.next_table_++;
    const std::string_view content(static_cast<const char*>(bytes), size);
    if (k < tables.size() && tables[k].first == content) return keep(tables[k].second);
    if (context_.recording_) throw TableChanged();
    const Dims shape = {static_cast<int64_t>(std::max<size_t>(size, 1))}, strides = {1};
    Ref<Buffer> block = device_.empty(DType::u8, shape).buffer();
    if (size > 0) {
      const Dims length = {static_cast<int64_t>(size)};
      device_.upload_into(block->data(), {const_cast<char*>(content.data()), DType::u8, 1,
                                          length.data(), strides.data()});
    }
    if (k >= tables.size()) tables.resize(k + 1);
    tables[k] = {std::string(content), block};
    return keep(block);
  }

  // What has been used since the last call of this.
  std::vector<Ref<Buffer>> take_used() { return std::exchange(used_, {}); }

 private:
  void* keep(const Ref<Buffer>& block) {
    used_.push_back(block);
    return block->data();
  }

  DeviceContext& context_;
  device::Device& device_;
  std::vector<Ref<Buffer>> used_;
};

void DeviceContext::start_recording() {
  static_cast<ContextQueue&>(*queue_).take_used();
  recording_ = true;
}

std::vector<Ref<Buffer>> DeviceContext::end_recording() {
  recording_ = false;
  return static_cast<ContextQueue&>(*queue_).take_used();
}

std::unique_ptr<device::Queue> make_queue(DeviceContext& context, device::Device& device,
                                          int* failed) {
  return std::make_unique<ContextQueue>(context, device, failed);
}

void DeviceContext::run_segment(Binding& binding, Prepared& prepared) {
  if (limits_ && binding.stoppable > 0) limits_->before(Limits::kInstructionWork);
  const bool watched = function_->options().monitor || function_->options().profile;
  std::vector<char*> pointers;
  if (prepared.recordable && !watched) {
    pointers = pointers_of(binding);
    if (replay(prepared, pointers) ||
        (pointers == prepared.last && record(binding, prepared, pointers))) {
      may_fail_ |= prepared.may_fail;
      return;
    }
  }
  run_plain(binding, prepared);
  may_fail_ |= prepared.may_fail;
  if (prepared.recordable && pointers.empty()) pointers = pointers_of(binding);
  prepared.last = std::move(pointers);
}

// Everything that recorded work of the binding may have been told the address of.
std::vector<char*> DeviceContext::pointers_of(const Binding& binding) const {
  std::vector<char*> pointers;
  for (const BoundInstruction& bound : binding.instructions) {
    for (int in : bound.instr->inputs) pointers.push_back(places_[static_cast<size_t>(in)].device);
    for (int out : bound.instr->outputs)
      pointers.push_back(places_[static_cast<size_t>(out)].device);
  }
  return pointers;
}

bool DeviceContext::replay(Prepared& prepared, const std::vector<char*>& pointers) {
  for (Take& take : prepared.takes) {
    if (take.pointers != pointers) continue;
    take.last_use = runs_;
    device_.check(device_.table().replay(device_.stream(), take.recording));
    return true;
  }
  return false;
}

bool DeviceContext::record(Binding& binding, Prepared& prepared,
                           const std::vector<char*>& pointers) {
  const device::Table& table = device_.table();
  if (!table.begin_recording || table.begin_recording(device_.stream()) != device::kOk) {
    prepared.recordable = false;
    return false;
  }
  Take take;
  take.pointers = pointers;
  start_recording();
  bool whole = true;
  std::exception_ptr error;
  try {
    begin_instructions(prepared);
    for (size_t i = 0; i < binding.instructions.size() && whole; ++i)
      if (binding.instructions[i].kind != RunKind::view)
        whole = enqueue(binding.instructions[i], binding, prepared, i);
  } catch (const TableChanged&) {
    whole = false;
  } catch (...) {
    error = std::current_exception();
  }
  take.memory = end_recording();
  const device::Status status = table.end_recording(device_.stream(), &take.recording);
  if (status != device::kOk || error || !whole) {
    if (take.recording) table.drop_recording(take.recording);
    prepared.recordable = false;  // without: the plain run says what is wrong, if anything
    return false;
  }
  if (prepared.takes.size() >= kMaxTakes) {
    const auto oldest =
        std::min_element(prepared.takes.begin(), prepared.takes.end(),
                         [](const Take& a, const Take& b) { return a.last_use < b.last_use; });
    drop(*oldest);
    prepared.takes.erase(oldest);
  }
  prepared.takes.push_back(std::move(take));
  return replay(prepared, pointers);
}

void DeviceContext::run_plain(Binding& binding, Prepared& prepared) {
  begin_instructions(prepared);
  prepared.queued = 0;
  prepared.recordable = true;
  prepared.may_fail = false;
  for (size_t i = 0; i < binding.instructions.size(); ++i) {
    BoundInstruction& bound = binding.instructions[i];
    if (limits_ && i < binding.stoppable) limits_->before(bound.work);
    if (bound.kind == RunKind::view) {
      // What it shows may have come to the host since the pointers were put in place.
      for (size_t o = 0; o < bound.instr->outputs.size(); ++o) {
        const int alias = bound.outputs_alias[o];
        if (alias < 0) continue;
        Place& view = places_[static_cast<size_t>(bound.instr->outputs[o])];
        const Place& whole = places_[static_cast<size_t>(alias)];
        if (whole.host) view.host = whole.host + (view.device - whole.device);
      }
      continue;
    }
    if (!prepared.on_host[i] && enqueue(bound, binding, prepared, i)) {
      ++prepared.queued;
      prepared.recordable &= bound.kind != RunKind::inner;
      prepared.may_fail |= !bound.instr->op->infallible();
    } else {
      prepared.on_host[i] = 1;
      prepared.recordable = false;
      run_on_host(bound, binding);
    }
    after_instruction(binding, bound);
  }
  static_cast<ContextQueue&>(*queue_).take_used();
  prepared.recordable &= prepared.queued >= kWorthRecording;
}

void DeviceContext::begin_instructions(Prepared& prepared) {
  current_ = &prepared;
  next_table_ = 0;
  std::fill(prepared.done.begin(), prepared.done.end(), uint8_t{0});
}

// A product that may compute the region that follows it, too.
bool DeviceContext::enqueue_with_end(BoundInstruction& bound, const Binding& binding,
                                     Prepared& prepared, const Epilogue& epilogue) {
  const BoundInstruction& region = binding.instructions[epilogue.region];
  const TensorView& out = region.outputs[0];
  device::ProductEnd end{};
  end.rows = out.shape[0];
  end.cols = out.shape[1];
  end.activation = epilogue.activation;
  end.out = places_[static_cast<size_t>(region.instr->outputs[0])].device;
  if (epilogue.bias >= 0) {
    const auto operand = static_cast<size_t>(epilogue.bias);
    TensorView bias = region.inputs[operand];
    bias.data = on_device(binding, region.instr->inputs[operand]);
    end.bias = bias.data;
    std::tie(end.bias_begin, end.bias_end) = extent(bias);
    end.bias_row = bias.shape[0] == 1 ? 0 : bias.strides[0];
    end.bias_col = bias.shape[1] == 1 ? 0 : bias.strides[1];
  }
  struct Offer {
    device::Queue& queue;
    ~Offer() { queue.product_end = nullptr; }
  } const offer{*queue_};
  queue_->product_end = &end;
  const bool queued = bound.instr->op->enqueue(*queue_, bound.inputs, bound.outputs);
  prepared.done[epilogue.region] = queued && end.done;
  return queued;
}

// A loop: the host tells it the number of steps and other integers that it knows.
bool DeviceContext::enqueue_loop(BoundInstruction& bound, const Binding& binding) {
  const Instruction& instr = *bound.instr;
  const Scan* const scan = dynamic_cast<const Scan*>(instr.op);
  if (!scan || recording_) return false;
  std::vector<char*> host(instr.inputs.size(), nullptr);
  for (size_t i = 0; i < instr.inputs.size(); ++i)
    if (i == 0 || p_.buffers[static_cast<size_t>(instr.inputs[i])].known)
      host[i] = on_host(binding, instr.inputs[i]);
  const size_t index = static_cast<size_t>(&instr - p_.instructions.data());
  auto& loop = loops_[index];
  if (!loop) loop = std::make_unique<DeviceLoop>(*scan, *instr.inner[0], device_, failed_flag_);
  return loop->enqueue(bound.inputs, bound.outputs, host, *function_);
}

bool DeviceContext::enqueue(BoundInstruction& bound, const Binding& binding, Prepared& prepared,
                            size_t index) {
  if (prepared.done[index]) return true;
  const Instruction& instr = *bound.instr;
  for (size_t i = 0; i < instr.inputs.size(); ++i) {
    bound.inputs[i].data = on_device(binding, instr.inputs[i]);
    bound.input_ptrs[i] = bound.inputs[i].data;
  }
  for (size_t o = 0; o < instr.outputs.size(); ++o) {
    bound.outputs[o].data = places_[static_cast<size_t>(instr.outputs[o])].device;
    bound.output_ptrs[o] = bound.outputs[o].data;
  }
  if (bound.kind == RunKind::fused)
    return prepared.fused[index]->enqueue(*queue_, bound.input_ptrs.data(),
                                          bound.output_ptrs.data());
  if (bound.kind == RunKind::inner) return enqueue_loop(bound, binding);
  if (prepared.epilogues[index] && !prepared.on_host[prepared.epilogues[index]->region])
    return enqueue_with_end(bound, binding, prepared, *prepared.epilogues[index]);
  return instr.op->enqueue(*queue_, bound.inputs, bound.outputs);
}

// Operands come to the host, results go back to where the binding has them.
void DeviceContext::run_on_host(BoundInstruction& bound, const Binding& binding) {
  const Instruction& instr = *bound.instr;
  const size_t index = static_cast<size_t>(&instr - p_.instructions.data());
  std::vector<TensorView> inputs = bound.inputs, outputs = bound.outputs;
  for (size_t i = 0; i < instr.inputs.size(); ++i)
    inputs[i].data = on_host(binding, instr.inputs[i]);
  std::vector<Array> results;
  for (size_t o = 0; o < instr.outputs.size(); ++o) {
    const TensorView& v = bound.outputs[o];
    if (bound.outputs_alias[o] >= 0) {  // of several outputs, one may be a view
      outputs[o].data = on_host(binding, instr.outputs[o]);
      results.emplace_back();
      continue;
    }
    results.push_back(Array::empty(v.dtype, Dims(v.shape, v.shape + v.ndim)));
    outputs[o].data = results.back().data();
  }
  if (!plan_.on_host[index]) function_->note_host_instruction(*instr.op);
  try {
    call_on_host(instr, bound, inputs, outputs);
  } catch (const Error& e) {
    rethrow_with_node(e, p_, instr, binding.states, inputs);
  }
  for (size_t o = 0; o < instr.outputs.size(); ++o) {
    if (bound.outputs_alias[o] >= 0) continue;
    Place& place = places_[static_cast<size_t>(instr.outputs[o])];
    place.host = outputs[o].data;
    if (!plan_.on_host[index] || plan_.needed[static_cast<size_t>(instr.outputs[o])])
      device_.upload_into(place.device, outputs[o]);
    fetched_.push_back(std::move(results[o]));
  }
}

void DeviceContext::call_on_host(const Instruction& instr, BoundInstruction& bound,
                                 const std::vector<TensorView>& inputs,
                                 const std::vector<TensorView>& outputs) {
  // Others may use the device meanwhile; what runs may be the user's code.
  turn_.unlock();
  struct Again {
    std::unique_lock<std::recursive_mutex>& turn;
    ~Again() { turn.lock(); }
  } const again{turn_};
  if (bound.kind == RunKind::fused) {
    std::vector<char*> in, out;
    for (const TensorView& v : inputs) in.push_back(v.data);
    for (const TensorView& v : outputs) out.push_back(v.data);
    std::vector<char> workspace(bound.fused->workspace_bytes() + 64);
    bound.fused->run(in.data(), out.data(), workspace.data());
  } else if (bound.kind == RunKind::inner) {
    runners_[static_cast<size_t>(&instr - p_.instructions.data())]->run(inputs, outputs,
                                                                        host_hooks());
  } else {
    host_scratch_.reset();
    instr.op->perform(host_scratch_, inputs, outputs);
  }
}

RunHooks DeviceContext::host_hooks() const {
  RunHooks hooks;
  hooks.limits = limits_;
  return hooks;
}

// For modes that look at every result.
void DeviceContext::after_instruction(const Binding& binding, BoundInstruction& bound) {
  const auto& monitor = function_->options().monitor;
  if (!monitor) return;
  std::vector<TensorView> outputs;
  for (int out : bound.instr->outputs) {
    outputs.push_back(device_view(binding, out));
    outputs.back().data = on_host(binding, out);
  }
  turn_.unlock();
  struct Again {
    std::unique_lock<std::recursive_mutex>& turn;
    ~Again() { turn.lock(); }
  } const again{turn_};
  monitor(*bound.instr->node, outputs);
}

// The elements of a view of the device, in C order, to `to`.
void DeviceContext::copy_view(char* to, const TensorView& from, const int* unless) {
  const device::Table& table = device_.table();
  const size_t bytes = static_cast<size_t>(from.size()) * item_size(from.dtype);
  if (bytes == 0 || to == from.data) return;
  if (from.contiguous()) {
    device_.check(table.copy(device_.stream(), to, from.data, bytes, unless));
    return;
  }
  const Dims shape(from.shape, from.shape + from.ndim);
  const Dims strides = contiguous_strides(shape, item_size(from.dtype));
  // Both with the same dimensions: merging them apart would pair other elements.
  device::Tensor source, target;
  const TensorView whole{to, from.dtype, from.ndim, from.shape, strides.data()};
  if (table.indexing && table.indexing->copy && device::to_tensor_plain(from, &source) &&
      device::to_tensor_plain(whole, &target) &&
      queue_->check(table.indexing->copy(device_.stream(), target, source, unless)))
    return;
  PHINTYS_CHECK(!unless, "a strided value is committed without a kernel that copies it");
  const auto [low, high] = extent(from);
  Array bytes_there = Array::empty(DType::u8, {static_cast<int64_t>(high - low)});
  device_.check(
      table.download(device_.stream(), bytes_there.data(), low, static_cast<size_t>(high - low)));
  TensorView host = from;
  host.data = bytes_there.data() + (from.data - low);
  device_.upload_into(to, host);
}

}  // namespace phintys::runtime

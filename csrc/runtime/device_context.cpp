#include "runtime/device_context.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/context.h"
#include "runtime/device_queue.h"
#include "runtime/failure.h"
#include "vm/device_fused.h"

namespace phintys::runtime {

namespace {

constexpr int64_t kSmallInput = 4096;  // bytes; such inputs go to the device together
constexpr size_t kAlignment = 256;     // of an input among them

int64_t bytes_of(const Dims& shape, DType dtype) {
  return product(shape) * static_cast<int64_t>(item_size(dtype));
}

}  // namespace

DeviceContext::DeviceContext(const Program& program, const DevicePlan& plan, device::Device& device,
                             Ref<Buffer> failed)
    : ContextBase(program), plan_(plan), device_(device), failed_flag_(std::move(failed)) {
  const size_t n = p_.buffers.size();
  places_.resize(n);
  constants_.resize(n);
  inputs_.resize(p_.input_buffers.size());
  staging_.resize(p_.input_buffers.size());
  arenas_.resize(p_.segments.size());
  output_arrays_.resize(p_.outputs.size());
  host_outputs_.resize(p_.outputs.size());
  outputs_.resize(p_.outputs.size());
  new_values_.resize(p_.updates.size());
  aside_.resize(p_.updates.size());
  loops_.resize(p_.instructions.size());
  if (!failed_flag_) failed_flag_ = device_.empty(DType::i32, {}).buffer();
  queue_ = make_queue(*this, device_, static_cast<int*>(failed_flag_->data()));
}

DeviceContext::~DeviceContext() {
  for (auto& [binding, prepared] : prepared_)
    for (Take& take : prepared.takes) drop(take);
}

void DeviceContext::drop(Take& take) {
  const std::lock_guard<std::recursive_mutex> lock(device_.mutex());
  device_.table().drop_recording(take.recording);
}

void DeviceContext::leave(const Binding& binding) {
  const auto found = prepared_.find(&binding);
  if (found == prepared_.end()) return;
  for (Take& take : found->second.takes) drop(take);
  prepared_.erase(found);
}

// --- leaves --------------------------------------------------------------------------------------

void DeviceContext::set_input(size_t i, Array array, char* host) {
  const size_t b = static_cast<size_t>(p_.input_buffers[i]);
  inputs_[i] = std::move(array);
  leaves_[b] = inputs_[i].view();
  leaves_[b].data = host;  // what binding may read
  places_[b] = {inputs_[i].data(), host};
}

// Inputs that the host gives go into memory that is the same from call to call, so that recordings
// of it hold.
void DeviceContext::set_inputs(std::span<const Array> inputs) {
  set_small_inputs(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Array& input = inputs[i];
    if (input.device() == &device_) {
      set_input(i, input, nullptr);
    } else if (input.device()) {
      set_input(i, device_.copy_from(input), nullptr);
    } else if (bytes_of(input.shape(), input.dtype()) > kSmallInput) {
      Array& kept = staging_[i];
      const size_t bytes = static_cast<size_t>(bytes_of(input.shape(), input.dtype()));
      if (!kept || kept.buffer()->bytes() < bytes) {
        kept = Array();
        kept = device_.empty(input.dtype(), input.shape());
      }
      device_.upload_into(kept.data(), input.view());
      char* const host = input.view().contiguous() ? input.data() : nullptr;
      set_input(i,
                Array(kept.buffer(), kept.data(), input.dtype(), input.shape(),
                      contiguous_strides(input.shape(), item_size(input.dtype()))),
                host);
    }
  }
}

void DeviceContext::set_small_inputs(std::span<const Array> inputs) {
  size_t bytes = 0;
  auto small = [](const Array& input) {
    return !input.device() && bytes_of(input.shape(), input.dtype()) <= kSmallInput;
  };
  auto room = [](const Array& input) {
    const size_t n = static_cast<size_t>(bytes_of(input.shape(), input.dtype()));
    return std::max<size_t>(n + kAlignment - 1, kAlignment) / kAlignment * kAlignment;
  };
  for (const Array& input : inputs)
    if (small(input)) bytes += room(input);
  if (bytes == 0) return;
  if (!small_ || small_.buffer()->bytes() < bytes) {
    small_ = Array();
    small_ = device_.empty(DType::u8, {static_cast<int64_t>(bytes)});
  }
  small_host_.resize(bytes);
  size_t at = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Array& input = inputs[i];
    if (!small(input)) continue;
    const Dims strides = contiguous_strides(input.shape(), item_size(input.dtype()));
    char* const host = small_host_.data() + at;
    copy_elements({host, input.dtype(), input.ndim(), input.shape().data(), strides.data()},
                  input.view());
    set_input(i, Array(small_.buffer(), small_.data() + at, input.dtype(), input.shape(), strides),
              host);
    at += room(input);
  }
  const Dims shape = {static_cast<int64_t>(bytes)}, strides = {1};
  device_.upload_into(small_.data(),
                      {small_host_.data(), DType::u8, 1, shape.data(), strides.data()});
}

void DeviceContext::set_shared() {
  for (size_t i = 0; i < p_.shared.size(); ++i) {
    if (p_.shared_buffers[i] < 0) continue;
    const size_t b = static_cast<size_t>(p_.shared_buffers[i]);
    leaves_[b] = p_.shared[i]->value().view();
    leaves_[b].data = nullptr;  // binding must not read it
    places_[b] = {p_.shared[i]->value().data(), nullptr};
  }
}

void DeviceContext::set_constants() {
  for (size_t b = 0; b < p_.buffers.size(); ++b)
    if (p_.buffers[b].kind == BufferKind::constant)
      places_[b] = {constants_[b] ? constants_[b].data() : nullptr, leaves_[b].data};
}

// --- a call --------------------------------------------------------------------------------------

void DeviceContext::run(std::span<const Array> inputs, Function& function, Limits* limits) {
  function_ = &function;
  limits_ = limits;
  may_fail_ = false;
  bool refused = false;
  {
    const StorageLocks locks(p_, p_.calls_back, limits, &device_);
    turn_ = std::unique_lock<std::recursive_mutex>(device_.mutex());
    struct Turn {
      std::unique_lock<std::recursive_mutex>& lock;
      ~Turn() { lock = {}; }
    } const turn{turn_};
    ++runs_;
    if (n_bindings_ > kMaxAllBindings) trim_bindings();
    if (plan_.may_fail)
      device_.check(device_.table().clear(device_.stream(), queue_->failed, sizeof(int)));
    std::fill(places_.begin(), places_.end(), Place{});
    set_inputs(inputs);
    set_shared();
    set_constants();
    make_key();
    Binding& last = run_segments(function);
    prepare_updates(last);
    deliver(last);
    commit(last);
    refused = may_fail_ && failed();
  }
  if (refused) compute_on_host(inputs, function);
}

bool DeviceContext::failed() {
  int flag = 0;
  device_.check(device_.table().download(device_.stream(), &flag, queue_->failed, sizeof(flag)));
  return flag != 0;
}

// Something was refused: on the host the same call says what, in the same words as there. Nothing
// was committed.
void DeviceContext::compute_on_host(std::span<const Array> inputs, Function& function) {
  std::vector<Array> arrays;
  std::vector<TensorView> views;
  for (const Array& input : inputs) arrays.push_back(device::to_host(input));
  for (const Array& array : arrays) views.push_back(array.view());
  Context host(p_);
  host.run(views.data(), function, limits_);
  for (size_t k = 0; k < host_outputs_.size(); ++k)
    host_outputs_[k] = host.take_output(static_cast<int>(k));
  host.end_call();
}

Binding& DeviceContext::run_segments(const Function& function) {
  const Binding* parent = nullptr;
  std::vector<std::unique_ptr<Binding>>* list = &bindings_;
  Binding* binding = nullptr;
  for (size_t s = 0; s < p_.segments.size(); ++s) {
    if (s > 0) resolve_dynamic(static_cast<int>(s), *parent);
    if (s == 0 && (list->empty() || (*list)[0]->key != key_)) check_inputs(function);
    binding = &find_binding(*list, static_cast<int>(s), parent);
    Prepared& prepared = prepare(*binding);
    enter(*binding, prepared);
    point(*binding);
    run_segment(*binding, prepared);
    parent = binding;
    list = &binding->children;
  }
  return *binding;
}

// As Context::resolve_dynamic, with the values that shapes depend on fetched.
void DeviceContext::resolve_dynamic(int segment, const Binding& parent) {
  const size_t index = static_cast<size_t>(p_.segments[static_cast<size_t>(segment)]);
  const Instruction& instr = p_.instructions[index];
  const uint64_t mask = instr.op->shape_inputs();
  dynamic_inputs_.clear();
  for (size_t i = 0; i < instr.inputs.size(); ++i) {
    TensorView view = device_view(parent, instr.inputs[i]);
    const bool read = (i < 64 ? mask >> i & 1 : mask >> 63) || instr.opaque || instr.rows.program;
    view.data = read ? on_host(parent, instr.inputs[i]) : nullptr;
    dynamic_inputs_.push_back(view);
  }
  dynamic_.resize(instr.outputs.size());
  for (Layout& l : dynamic_) {
    l.alias = -1;
    l.offset = 0;
  }
  try {
    if (instr.opaque) {
      evaluate_opaque(instr, parent);
    } else if (!instr.inner.empty()) {
      runners_[index]->layout(dynamic_inputs_, dynamic_);
    } else {
      instr.op->layout(dynamic_inputs_, dynamic_);
    }
  } catch (const Error& e) {
    rethrow_with_node(e, p_, instr, parent.states, dynamic_inputs_);
  }
  make_dynamic_key(instr);
}

void DeviceContext::evaluate_opaque(const Instruction& instr, const Binding&) {
  std::vector<Array> arrays(instr.outputs.size());
  const size_t index = static_cast<size_t>(&instr - p_.instructions.data());
  host_scratch_.reset();
  function_->note_host_instruction(*instr.op);
  turn_.unlock();
  if (instr.inner.empty()) {
    instr.op->evaluate(host_scratch_, dynamic_inputs_, arrays);
  } else {
    runners_[index]->evaluate(dynamic_inputs_, arrays, host_hooks());
  }
  turn_.lock();
  for (size_t o = 0; o < arrays.size(); ++o) {
    const int output = static_cast<int>(o);
    check_evaluated(*instr.op, output, instr.node->output(output)->type(), arrays[o]);
    Array array = device_.upload(arrays[o].view());
    dynamic_[o].shape = array.shape();
    dynamic_[o].strides = array.strides();
    places_[static_cast<size_t>(instr.outputs[o])] = {array.data(), nullptr};
    held_.emplace_back(instr.outputs[o], std::move(array));
  }
}

// --- bindings ------------------------------------------------------------------------------------

DeviceContext::Prepared& DeviceContext::prepare(const Binding& binding) {
  const auto [found, fresh] = prepared_.try_emplace(&binding);
  Prepared& prepared = found->second;
  if (!fresh) return prepared;
  prepared.fused.resize(binding.instructions.size());
  prepared.on_host.resize(binding.instructions.size());
  for (size_t i = 0; i < binding.instructions.size(); ++i) {
    const BoundInstruction& bound = binding.instructions[i];
    const size_t index = static_cast<size_t>(bound.instr - p_.instructions.data());
    prepared.on_host[i] = plan_.on_host[index];
    if (bound.kind == RunKind::fused && !prepared.on_host[i]) {
      prepared.fused[i] = vm::DeviceFused::bind(*bound.instr->fused, bound.inputs);
      if (!prepared.fused[i]) prepared.on_host[i] = 1;
    }
  }
  prepared.done.resize(binding.instructions.size());
  prepared.epilogues.resize(binding.instructions.size());
  const FunctionSpec& options = function_->options();
  if (options.monitor || options.profile) return prepared;  // each result is looked at
  for (size_t i = 0; i < binding.instructions.size(); ++i)
    if (!prepared.on_host[i]) prepared.epilogues[i] = find_epilogue(p_, binding, i, leaves_);
  return prepared;
}

void DeviceContext::enter(const Binding& b, Prepared& prepared) {
  Arena& arena = arenas_[static_cast<size_t>(b.segment)];
  if (arena.bytes < b.arena_bytes) {
    arena = {};
    arena.memory = device_.empty(DType::u8, {static_cast<int64_t>(b.arena_bytes)}).buffer();
    arena.bytes = b.arena_bytes;
  }
  char* const base = arena.memory ? static_cast<char*>(arena.memory->data()) : nullptr;
  for (int t : b.arena_temps)
    places_[static_cast<size_t>(t)] = {base + b.states[static_cast<size_t>(t)].arena_offset,
                                       nullptr};
  for (const auto& [buffer, array] : b.known)
    places_[static_cast<size_t>(buffer)] = {nullptr, array.data()};
  for (const auto& [buffer, array] : prepared.known)
    places_[static_cast<size_t>(buffer)].device = array.data();
  if (p_.outputs_elsewhere) return;
  for (int k : b.direct_outputs) {
    const int output = p_.outputs[static_cast<size_t>(k)];
    const size_t root = static_cast<size_t>(b.states[static_cast<size_t>(output)].root);
    Array& array = output_arrays_[static_cast<size_t>(k)];
    array = device_.empty(p_.buffers[root].type.dtype(), b.states[root].shape);
    places_[root] = {array.data(), nullptr};
  }
  if (!b.direct_updates.empty()) enter_direct_updates(b);
}

// As Context::enter_direct_updates: new values go straight into the storage's memory, unless
// something else of the call lies there too (a user may pass what get_value(borrow=True) gave).
void DeviceContext::enter_direct_updates(const Binding& b) {
  for (const auto& [update, buffer] : b.direct_updates) {
    const Array& value =
        p_.shared[static_cast<size_t>(p_.updates[static_cast<size_t>(update)].shared)]->value();
    char* target = value.data();
    if (overlaps_others(value)) {
      Array& aside = aside_[static_cast<size_t>(update)];
      aside = device_.empty(value.dtype(), value.shape());
      target = aside.data();
    }
    places_[static_cast<size_t>(buffer)] = {target, nullptr};
  }
}

bool DeviceContext::overlaps_others(const Array& value) const {
  const auto [low, high] = extent(value.view());
  auto overlaps = [low = low, high = high](const Array& other) {
    const auto [other_low, other_high] = extent(other.view());
    return low < other_high && other_low < high;
  };
  for (const Array& input : inputs_)
    if (overlaps(input)) return true;
  for (const Ref<SharedStorage>& storage : p_.shared)
    if (&storage->value() != &value && overlaps(storage->value())) return true;
  return false;
}

// Views of what is in place.
void DeviceContext::point(const Binding& b) {
  bool dynamic = b.segment > 0;
  for (const BoundInstruction& bound : b.instructions) {
    for (size_t o = 0; o < bound.instr->outputs.size(); ++o) {
      int alias = bound.outputs_alias[o];
      int64_t offset = bound.outputs_offset[o];
      if (dynamic && dynamic_[o].alias >= 0) {
        alias = bound.instr->inputs[static_cast<size_t>(dynamic_[o].alias)];
        offset = dynamic_[o].offset;
      }
      if (alias < 0) continue;
      const Place& whole = places_[static_cast<size_t>(alias)];
      if (!whole.device) on_device(b, alias);
      places_[static_cast<size_t>(bound.instr->outputs[o])] = {
          whole.device + offset, whole.host ? whole.host + offset : nullptr};
    }
    dynamic = false;
  }
}

// --- elements ------------------------------------------------------------------------------------

TensorView DeviceContext::device_view(const Binding& b, int buffer) const {
  const BufferState& s = b.states[static_cast<size_t>(buffer)];
  return {places_[static_cast<size_t>(buffer)].device,
          p_.buffers[static_cast<size_t>(buffer)].type.dtype(), static_cast<int>(s.shape.size()),
          s.shape.data(), s.strides.data()};
}

// A buffer's elements on the device: constants and values known from shapes come on demand, once.
char* DeviceContext::on_device(const Binding& b, int buffer) {
  Place& place = places_[static_cast<size_t>(buffer)];
  if (place.device) return place.device;
  PHINTYS_CHECK(place.host, "a buffer that is nowhere");
  TensorView view = device_view(b, buffer);
  view.data = place.host;
  // Laid out as binding has it: the elements from the lowest on, gaps included.
  const auto [low, high] = extent(view);
  const Dims shape = {std::max<int64_t>(high - low, 1)}, strides = {1};
  Array array = device_.empty(DType::u8, shape);
  if (high > low)
    device_.upload_into(array.data(),
                        {const_cast<char*>(low), DType::u8, 1, shape.data(), strides.data()});
  // With the offset of the first element folded in.
  Array kept(array.buffer(), array.data() + (view.data - low), DType::u8, shape, strides);
  place.device = kept.data();
  if (p_.buffers[static_cast<size_t>(buffer)].kind == BufferKind::constant) {
    constants_[static_cast<size_t>(buffer)] = std::move(kept);
  } else {
    prepared_.at(&b).known.emplace_back(buffer, std::move(kept));
  }
  return place.device;
}

// The same on the host; waits for the device.
char* DeviceContext::on_host(const Binding& b, int buffer) {
  Place& place = places_[static_cast<size_t>(buffer)];
  if (place.host) return place.host;
  const TensorView view = device_view(b, buffer);
  const auto [low, high] = extent(view);
  const Dims shape = {std::max<int64_t>(high - low, 1)};
  Array array = Array::empty(DType::u8, shape);
  if (high > low)
    device_.check(device_.table().download(device_.stream(), array.data(), low,
                                           static_cast<size_t>(high - low)));
  place.host = array.data() + (view.data - low);
  fetched_.push_back(std::move(array));
  return place.host;
}

// --- the end of a call ---------------------------------------------------------------------------

void DeviceContext::deliver(const Binding& last) {
  for (size_t k = 0; k < p_.outputs.size(); ++k) {
    on_device(last, p_.outputs[k]);
    outputs_[k] = device_view(last, p_.outputs[k]);
    if (last.output_plans[k] != OutputPlan::copied) continue;
    // It lies in memory that the updates of this call may change.
    const TensorView from = outputs_[k];
    Array& array = output_arrays_[k];
    array = device_.empty(from.dtype, Dims(from.shape, from.shape + from.ndim));
    copy_view(array.data(), from, nullptr);
    outputs_[k] = array.view();
  }
}

void DeviceContext::prepare_updates(const Binding& last) {
  if (!last.direct_updates.empty()) return;
  for (size_t u = 0; u < p_.updates.size(); ++u) {
    const UpdatePlan& update = p_.updates[u];
    new_values_[u] = Array();
    on_device(last, update.buffer);
    const TensorView v = device_view(last, update.buffer);
    const Array& old = p_.shared[static_cast<size_t>(update.shared)]->value();
    const int root = last.states[static_cast<size_t>(update.buffer)].root;
    const bool shares = p_.buffers[static_cast<size_t>(root)].kind != BufferKind::temp;
    const Dims shape(v.shape, v.shape + v.ndim);
    if (!shares && old.shape() == shape && old.view().contiguous()) continue;
    new_values_[u] = device_.empty(v.dtype, shape);
    copy_view(new_values_[u].data(), v, nullptr);
  }
}

// Copies into storages look at the flag when their turn comes; where a storage gets other memory,
// the host must know first.
void DeviceContext::commit(const Binding& last) {
  for (const auto& [update, buffer] : last.direct_updates) {
    Array& aside = aside_[static_cast<size_t>(update)];
    if (!aside) continue;
    const int shared = p_.updates[static_cast<size_t>(update)].shared;
    copy_view(p_.shared[static_cast<size_t>(shared)]->value().data(), aside.view(), nullptr);
  }
  if (!last.direct_updates.empty()) return;
  const int* const unless = may_fail_ ? queue_->failed : nullptr;
  if (may_fail_) {
    for (size_t u = 0; u < p_.updates.size(); ++u) {
      const Array& old = p_.shared[static_cast<size_t>(p_.updates[u].shared)]->value();
      if (new_values_[u] && new_values_[u].shape() != old.shape() && failed()) return;
    }
  }
  for (size_t u = 0; u < p_.updates.size(); ++u) {
    const UpdatePlan& update = p_.updates[u];
    SharedStorage& storage = *p_.shared[static_cast<size_t>(update.shared)];
    Array& fresh = new_values_[u];
    if (!fresh) {
      copy_view(storage.value().data(), device_view(last, update.buffer), unless);
    } else if (fresh.shape() == storage.value().shape() && storage.value().view().contiguous()) {
      copy_view(storage.value().data(), fresh.view(), unless);
    } else {
      storage.set_value(std::move(fresh));
    }
    fresh = Array();
  }
}

Array DeviceContext::take_output(int i, bool on_host) {
  const size_t k = static_cast<size_t>(i);
  if (host_outputs_[k]) {
    Array array = std::move(host_outputs_[k]);
    return on_host ? array : device_.upload(array.view());
  }
  const TensorView& v = outputs_[k];
  const Dims shape(v.shape, v.shape + v.ndim);
  Array& own = output_arrays_[k];
  Array result;
  if (own && v.contiguous() && own.buffer()->data() <= static_cast<void*>(v.data) &&
      v.data <= static_cast<char*>(own.buffer()->data()) + own.buffer()->bytes()) {
    result =
        Array(own.buffer(), v.data, v.dtype, shape, contiguous_strides(shape, item_size(v.dtype)));
  } else {
    const std::lock_guard<std::recursive_mutex> lock(device_.mutex());
    result = device_.empty(v.dtype, shape);
    copy_view(result.data(), v, nullptr);
  }
  return on_host ? device_.download(result) : result;
}

void DeviceContext::end_call() {
  for (Array& a : output_arrays_) a = Array();
  for (Array& a : host_outputs_) a = Array();
  for (Array& a : new_values_) a = Array();
  for (Array& a : aside_) a = Array();
  for (Array& a : inputs_) a = Array();
  fetched_.clear();
  held_.clear();
  function_ = nullptr;
  limits_ = nullptr;
}

}  // namespace phintys::runtime

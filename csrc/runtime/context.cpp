#include "runtime/context.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/op_util.h"
#include "runtime/failure.h"
#include "runtime/flat_program.h"
#include "runtime/profiler.h"
#include "runtime/residence.h"

namespace phintys::runtime {

namespace {

void lock(StorageMutex& mutex, bool writes, Limits* limits) {
  if (!limits) return writes ? mutex.lock() : mutex.lock_shared();
  constexpr std::chrono::milliseconds kSlice{10};
  if (writes ? mutex.try_lock() : mutex.try_lock_shared()) return;
  while (!(writes ? mutex.try_lock_for(kSlice) : mutex.try_lock_shared_for(kSlice))) limits->look();
}

}  // namespace

StorageLocks::StorageLocks(const Program& program, bool calls_back, Limits* limits,
                           device::Device* where)
    : program_(program) {
  try {
    for (;;) {
      for (const auto& [storage, writes] : program_.locks) {
        lock(storage->mutex(), writes, limits);
        ++locked_;
      }
      if (PHINTYS_LIKELY(all_at(where))) break;
      release();  // moving a value needs its mutex alone
      for (const auto& lock : program_.locks) bring(*lock.first, where);
    }
    if (calls_back) {
      held_ = std::make_unique<std::deque<StorageMutex::Held>>();
      for (const auto& lock : program_.locks) held_->emplace_back(&lock.first->mutex());
    }
  } catch (...) {
    release();
    throw;
  }
}

StorageLocks::StorageLocks(const Program& program, std::try_to_lock_t) : program_(program) {
  for (const auto& [storage, writes] : program_.locks) {
    all_ = writes ? storage->mutex().try_lock() : storage->mutex().try_lock_shared();
    if (!all_) break;
    ++locked_;
  }
  all_ = all_ && all_at(nullptr);
  if (!all_) release();
}

bool StorageLocks::all_at(const device::Device* where) const {
  for (const auto& lock : program_.locks)
    if (PHINTYS_UNLIKELY(!is_at(*lock.first, where))) return false;
  return true;
}

StorageLocks::~StorageLocks() { release(); }

void StorageLocks::release() {
  while (held_ && !held_->empty()) held_->pop_back();
  while (locked_ > 0) {
    const auto& [storage, writes] = program_.locks[--locked_];
    if (writes) {
      storage->mutex().unlock();
    } else {
      storage->mutex().unlock_shared();
    }
  }
}

Context::Context(const Program& program) : ContextBase(program) {
  ptr_.resize(p_.buffers.size(), nullptr);
  arenas_.resize(p_.segments.size());
  output_buffers_.resize(p_.outputs.size());
  outputs_.resize(p_.outputs.size());
  copied_.resize(p_.outputs.size());
  staged_.resize(p_.outputs.size());
  new_values_.resize(p_.updates.size());
  aside_.resize(p_.updates.size());
  for (size_t i = 0; i < p_.buffers.size(); ++i)
    if (p_.buffers[i].kind == BufferKind::constant) ptr_[i] = leaves_[i].data;
}

Context::~Context() = default;

void Context::leave(const Binding& binding) {
  for (Arena& a : arenas_)
    if (a.entered == &binding) a.entered = nullptr;
}

void Context::set_leaves(const TensorView* inputs) {
  for (size_t i = 0; i < p_.input_buffers.size(); ++i) {
    size_t b = static_cast<size_t>(p_.input_buffers[i]);
    leaves_[b] = inputs[i];
    ptr_[b] = inputs[i].data;
  }
  for (size_t i = 0; i < p_.shared.size(); ++i) {
    if (p_.shared_buffers[i] < 0) continue;
    size_t b = static_cast<size_t>(p_.shared_buffers[i]);
    leaves_[b] = p_.shared[i]->value().view();
    ptr_[b] = leaves_[b].data;
  }
}

// Puts a binding's pointers in place: its arena's, those of known values, fresh outputs.
void Context::enter(Binding& b) {
  Arena& arena = arenas_[static_cast<size_t>(b.segment)];
  if (arena.bytes < b.arena_bytes) {
    arena.entered = nullptr;
    arena.bytes = 0;
    arena.memory.reset();
    arena.memory.reset(block_alloc(b.arena_bytes));
    arena.bytes = b.arena_bytes;
  }
  if (arena.entered != &b) {
    char* base = static_cast<char*>(arena.memory.get());
    for (int t : b.arena_temps)
      ptr_[static_cast<size_t>(t)] = base + b.states[static_cast<size_t>(t)].arena_offset;
    for (const auto& [buffer, array] : b.known) ptr_[static_cast<size_t>(buffer)] = array.data();
    arena.entered = &b;
  }
  if (p_.outputs_elsewhere) return;
  for (int k : b.direct_outputs) {
    const int output = p_.outputs[static_cast<size_t>(k)];
    size_t buffer = static_cast<size_t>(b.states[static_cast<size_t>(output)].root);
    int64_t bytes = product(b.states[buffer].shape) *
                    static_cast<int64_t>(item_size(p_.buffers[buffer].type.dtype()));
    output_buffers_[static_cast<size_t>(k)] = Buffer::allocate(static_cast<size_t>(bytes));
    ptr_[buffer] = static_cast<char*>(output_buffers_[static_cast<size_t>(k)]->data());
  }
  if (!b.direct_updates.empty()) enter_direct_updates(b);
}

// What may fail once an update has been written is made ready before: workspaces of the kernels,
// and memory aside for new values whose storage something else of this call lies in too (a user may
// pass get_value(borrow=True), or have lent one array to two variables).
void Context::enter_direct_updates(Binding& b) {
  scratch_.reserve(b.scratch_bytes);
  bool any_exposed = false;
  for (size_t i = 0; i < p_.shared.size(); ++i)
    any_exposed |= p_.shared_buffers[i] >= 0 && exposed(p_.shared[i]->value());
  for (const auto& [update, buffer] : b.direct_updates) {
    size_t shared = static_cast<size_t>(p_.updates[static_cast<size_t>(update)].shared);
    char*& target = ptr_[static_cast<size_t>(buffer)];
    target = p_.shared[shared]->value().data();
    if (!any_exposed || !overlaps_others(p_.shared_buffers[shared])) continue;
    Array& aside = aside_[static_cast<size_t>(update)];
    aside = Array::empty(p_.buffers[static_cast<size_t>(buffer)].type.dtype(),
                         b.states[static_cast<size_t>(buffer)].shape);
    target = aside.data();
  }
}

// False only if nobody but its storage has the memory of `value`.
bool Context::exposed(const Array& value) const {
  return !value.buffer() || value.buffer()->foreign() || value.buffer()->ref_count() > 1;
}

bool Context::overlaps_others(int shared_buffer) const {
  auto [low, high] = extent(leaves_[static_cast<size_t>(shared_buffer)]);
  for (size_t b = 0; b < leaves_.size(); ++b) {
    BufferKind kind = p_.buffers[b].kind;
    if (static_cast<int>(b) == shared_buffer ||
        (kind != BufferKind::input && kind != BufferKind::shared))
      continue;
    auto [other_low, other_high] = extent(leaves_[b]);
    if (low < other_high && other_low < high) return true;
  }
  return false;
}

void Context::run_instruction(BoundInstruction& bound, bool first_dynamic) {
  const Instruction& instr = *bound.instr;
  for (size_t o = 0; o < instr.outputs.size(); ++o) {
    size_t out = static_cast<size_t>(instr.outputs[o]);
    // A view's offset may differ from call to call only if it was computed for this call.
    if (first_dynamic && dynamic_[o].alias >= 0) {
      ptr_[out] = ptr_[static_cast<size_t>(instr.inputs[static_cast<size_t>(dynamic_[o].alias)])] +
                  dynamic_[o].offset;
    } else if (bound.outputs_alias[o] >= 0) {
      ptr_[out] = ptr_[static_cast<size_t>(bound.outputs_alias[o])] + bound.outputs_offset[o];
    }
  }
  if (bound.kind == RunKind::view) return;
  size_t n_in = instr.inputs.size(), n_out = instr.outputs.size();
  if (PHINTYS_UNLIKELY(bound.kind == RunKind::inner)) return run_inner(bound);
  if (bound.kind == RunKind::fused) {
    for (size_t i = 0; i < n_in; ++i)
      bound.input_ptrs[i] = ptr_[static_cast<size_t>(instr.inputs[i])];
    for (size_t o = 0; o < n_out; ++o)
      bound.output_ptrs[o] = ptr_[static_cast<size_t>(instr.outputs[o])];
    char* workspace = nullptr;
    if (bound.workspace >= 0)
      workspace = static_cast<char*>(arenas_[static_cast<size_t>(bound.segment)].memory.get()) +
                  bound.workspace;
    bound.fused->run(bound.input_ptrs.data(), bound.output_ptrs.data(), workspace);
    return;
  }
  for (size_t i = 0; i < n_in; ++i)
    bound.inputs[i].data = ptr_[static_cast<size_t>(instr.inputs[i])];
  for (size_t o = 0; o < n_out; ++o)
    bound.outputs[o].data = ptr_[static_cast<size_t>(instr.outputs[o])];
  scratch_.reset();
  try {
    instr.op->perform(scratch_, bound.inputs, bound.outputs);
  } catch (const Error& e) {
    rethrow_with_node(e, p_, instr, running_->states, bound.inputs);
  }
}

void Context::run_inner(BoundInstruction& bound) {
  const Instruction& instr = *bound.instr;
  for (size_t i = 0; i < instr.inputs.size(); ++i)
    bound.inputs[i].data = ptr_[static_cast<size_t>(instr.inputs[i])];
  for (size_t o = 0; o < instr.outputs.size(); ++o)
    bound.outputs[o].data = ptr_[static_cast<size_t>(instr.outputs[o])];
  const size_t index = static_cast<size_t>(&instr - p_.instructions.data());
  try {
    runners_[index]->run(bound.inputs, bound.outputs, hooks_);
  } catch (const Error& e) {
    rethrow_with_node(e, p_, instr, running_->states, bound.inputs);
  }
}

TensorView Context::buffer_view(const Binding& b, int buffer) const {
  const BufferState& s = b.states[static_cast<size_t>(buffer)];
  return {ptr_[static_cast<size_t>(buffer)], p_.buffers[static_cast<size_t>(buffer)].type.dtype(),
          static_cast<int>(s.shape.size()), s.shape.data(), s.strides.data()};
}

void Context::run_segment(Binding& b) {
  bool dynamic = b.segment > 0;
  Limits* limits = hooks_.limits;
  running_ = &b;
  for (size_t i = 0; i < b.instructions.size(); ++i) {
    BoundInstruction& bound = b.instructions[i];
    if (limits && i < b.stoppable) limits->before(bound.work);
    if (PHINTYS_UNLIKELY(hooks_.watcher != nullptr) && !bound.instr->opaque) watch(b, bound, false);
    {
      const ProfileSpan span(hooks_.profile, bound.instr->number);
      run_instruction(bound, dynamic);
    }
    dynamic = false;
    if (PHINTYS_UNLIKELY(hooks_.profile != nullptr)) note_memory(bound);
    if (PHINTYS_UNLIKELY(hooks_.monitor != nullptr)) {
      std::vector<TensorView> outputs;
      for (int out : bound.instr->outputs) outputs.push_back(buffer_view(b, out));
      (*hooks_.monitor)(*bound.instr->node, outputs);
      if (hooks_.watcher) watch(b, bound, true);
    }
  }
}

// Shows an instruction's operands, and then its results, to the watcher.
void Context::watch(const Binding& b, const BoundInstruction& bound, bool after) const {
  const Instruction& instr = *bound.instr;
  const int index = static_cast<int>(&instr - p_.instructions.data());
  std::vector<TensorView> inputs, outputs;
  for (int in : instr.inputs) inputs.push_back(buffer_view(b, in));
  if (!after) return hooks_.watcher->before(*instr.node, index, inputs);
  for (int out : instr.outputs) outputs.push_back(buffer_view(b, out));
  hooks_.watcher->after(*instr.node, index, inputs, outputs);
}

void Context::note_memory(const BoundInstruction& bound) {
  hooks_.profile->outputs(bound.instr->number, bound.outputs, bound.outputs_alias);
  size_t planned = 0;
  for (const Arena& arena : arenas_) planned += arena.bytes;
  hooks_.profile->planned(p_.owner, planned);
}

// Computes the layouts of the outputs of the instruction that starts `segment`, from the values
// that it depends on; they are the key of the segment's binding.
void Context::resolve_dynamic(int segment, const Binding& parent) {
  int index = p_.segments[static_cast<size_t>(segment)];
  const Instruction& instr = p_.instructions[static_cast<size_t>(index)];
  const ProfileSpan span(hooks_.profile, instr.number, false);
  dynamic_inputs_.clear();
  for (int in : instr.inputs) dynamic_inputs_.push_back(buffer_view(parent, in));
  dynamic_.resize(instr.outputs.size());
  try {
    for (Layout& l : dynamic_) {
      l.alias = -1;
      l.offset = 0;
    }
    if (instr.opaque) {
      evaluate_opaque(instr);
    } else if (!instr.inner.empty()) {
      runners_[static_cast<size_t>(index)]->layout(dynamic_inputs_, dynamic_);
    } else {
      instr.op->layout(dynamic_inputs_, dynamic_);
    }
  } catch (const Error& e) {
    rethrow_with_node(e, p_, instr, parent.states, dynamic_inputs_);
  }
  make_dynamic_key(instr);
}

// Runs the op. An output that lies in an input's memory is laid out as a view of that input, so
// that the memory lives as long as the output and is not overwritten before.
void Context::evaluate_opaque(const Instruction& instr) {
  if (hooks_.limits) hooks_.limits->before(Limits::kWorkPerLook);  // it may take any time
  std::vector<Array> arrays(instr.outputs.size());
  scratch_.reset();
  if (hooks_.watcher) {
    hooks_.watcher->before(*instr.node, static_cast<int>(&instr - p_.instructions.data()),
                           dynamic_inputs_);
  }
  if (instr.inner.empty()) {
    instr.op->evaluate(scratch_, dynamic_inputs_, arrays);
  } else {
    runners_[static_cast<size_t>(&instr - p_.instructions.data())]->evaluate(dynamic_inputs_,
                                                                             arrays, hooks_);
  }
  for (size_t o = 0; o < arrays.size(); ++o) {
    Array& array = arrays[o];
    const int output = static_cast<int>(o);
    check_evaluated(*instr.op, output, instr.node->output(output)->type(), array);
    Layout& layout = dynamic_[o];
    layout.shape = array.shape();
    layout.strides = array.strides();
    auto [low, high] = extent(array.view());
    for (size_t i = 0; i < dynamic_inputs_.size() && layout.alias < 0; ++i) {
      auto [input_low, input_high] = extent(dynamic_inputs_[i]);
      if (low >= input_high || input_low >= high) continue;
      layout.alias = static_cast<int>(i);
      layout.offset = array.data() - dynamic_inputs_[i].data;
    }
    ptr_[static_cast<size_t>(instr.outputs[o])] = array.data();
    held_.emplace_back(instr.outputs[o], std::move(array));
  }
}

void Context::run(const TensorView* inputs, const Function& function, Limits* limits) {
  const auto& monitor = function.options().monitor;
  StorageLocks locks(p_, p_.calls_back || monitor, limits);
  run_locked(inputs, function, limits);
}

bool Context::try_run(const TensorView* inputs, const Function& function) {
  StorageLocks locks(p_, std::try_to_lock);
  if (locks.all()) run_locked(inputs, function, nullptr);
  return locks.all();
}

bool Context::try_quick(const TensorView* inputs, const Function& function) {
  if (bindings_.empty() || function.options().monitor || profiler) return false;
  // At first what costs next to nothing: where shapes vary, many calls are not quick.
  for (size_t i = 0; i < p_.input_buffers.size(); ++i)
    if (inputs[i].size() > FlatProgram::kQuickWork / 16) return false;
  StorageLocks locks(p_, std::try_to_lock);
  if (!locks.all()) return false;
  hooks_ = {};
  set_leaves(inputs);
  make_key();
  const Binding& b = *bindings_[0];
  return b.flat && b.flat->quick() && b.key == key_ && run_flat(function);
}

void Context::run_locked(const TensorView* inputs, const Function& function, Limits* limits) {
  const auto& monitor = function.options().monitor;
  hooks_.monitor = monitor ? &monitor : nullptr;
  hooks_.watcher = function.options().watcher.get();
  hooks_.profile = profiler.get();
  hooks_.limits = limits;
  const ProfileCall span(hooks_.profile);
  if (n_bindings_ > kMaxAllBindings) trim_bindings();
  set_leaves(inputs);
  make_key();
  if (run_flat(function)) return;
  Binding& last = run_segments(&function);
  prepare_updates(last);
  deliver(last);
  commit(last);
}

// The call as one flat list, made once calls with these shapes repeat. False if something must see
// each instruction, or the program is not flat.
bool Context::run_flat(const Function& function) {
  if (hooks_.monitor || hooks_.profile || bindings_.empty()) return false;
  Binding& b = *bindings_[0];
  if (b.key != key_) return false;
  if (PHINTYS_UNLIKELY(b.calls < kCallsBeforeFlat)) {
    if (++b.calls == kCallsBeforeFlat) b.flat = FlatProgram::make(p_, b, leaves_, runners_);
    if (b.flat && b.flat->quick()) function.note_quick();
    return false;
  }
  if (!b.flat || !b.flat->run(leaves_, hooks_)) return false;
  ran_flat_ = true;
  std::copy(b.flat->outputs().begin(), b.flat->outputs().end(), outputs_.begin());
  return true;
}

// Runs one segment after the other; the last one's binding. `function`: to check new shapes of
// inputs against, if any.
Binding& Context::run_segments(const Function* function) {
  const Binding* parent = nullptr;
  std::vector<std::unique_ptr<Binding>>* list = &bindings_;
  Binding* binding = nullptr;
  for (size_t s = 0; s < p_.segments.size(); ++s) {
    if (s > 0) resolve_dynamic(static_cast<int>(s), *parent);
    if (s == 0 && function && (list->empty() || (*list)[0]->key != key_)) check_inputs(*function);
    binding = &find_binding(*list, static_cast<int>(s), parent);
    enter(*binding);
    if (s + 1 == p_.segments.size()) prepare_outputs(*binding);
    run_segment(*binding);
    parent = binding;
    list = &binding->children;
  }
  return *binding;
}

const Binding& Context::enter_body(const TensorView* inputs) {
  set_leaves(inputs);
  make_key();
  body_ = &find_binding(bindings_, 0, nullptr);
  enter(*body_);
  return *body_;
}

void Context::run_body(char* const* outputs, const RunHooks& hooks) {
  Binding& b = *body_;
  hooks_ = hooks;
  for (int k : b.direct_outputs)
    ptr_[static_cast<size_t>(p_.outputs[static_cast<size_t>(k)])] = outputs[k];
  run_segment(b);
  if (b.direct_outputs.size() == p_.outputs.size()) return;
  for (size_t k = 0; k < p_.outputs.size(); ++k)
    if (b.output_plans[k] != OutputPlan::direct) copy_output(b, k, outputs[k]);
}

void Context::copy_output(const Binding& b, size_t k, char* to) const {
  const TensorView from = buffer_view(b, p_.outputs[k]);
  if (from.data == to) return;  // a state that stays as it is
  const Dims strides =
      contiguous_strides(Dims(from.shape, from.shape + from.ndim), item_size(from.dtype));
  copy_elements({to, from.dtype, from.ndim, from.shape, strides.data()}, from);
}

void Context::run_body_segments(BodyPlaces& places, const RunHooks& hooks) {
  hooks_ = hooks;
  held_.clear();
  if (n_bindings_ > kMaxAllBindings) trim_bindings();
  Binding* b = body_;
  for (;;) {
    for (int k : b->direct_outputs)
      ptr_[static_cast<size_t>(p_.outputs[static_cast<size_t>(k)])] = places.place(k, *b);
    run_segment(*b);
    if (b->segment + 1 == static_cast<int>(p_.segments.size())) break;
    b = &next_segment(*b);
  }
  for (size_t k = 0; k < p_.outputs.size(); ++k)
    if (b->output_plans[k] != OutputPlan::direct)
      copy_output(*b, k, places.place(static_cast<int>(k), *b));
}

// Binds the segment after that of `b`, which has run.
Binding& Context::next_segment(Binding& b) {
  resolve_dynamic(b.segment + 1, b);
  Binding& next = find_binding(b.children, b.segment + 1, &b);
  enter(next);
  return next;
}

void Context::run_inside(const TensorView* inputs, const RunHooks& hooks) {
  hooks_ = hooks;
  if (n_bindings_ > kMaxAllBindings) trim_bindings();
  end_call();
  set_leaves(inputs);
  make_key();
  deliver(run_segments(nullptr));
}

// Memory for outputs that are copied; before the last segment runs, because that may write updates.
void Context::prepare_outputs(const Binding& last) {
  for (size_t k = 0; k < p_.outputs.size(); ++k) {
    if (last.output_plans[k] != OutputPlan::copied) continue;
    const Dims& shape = last.states[static_cast<size_t>(p_.outputs[k])].shape;
    DType dtype = p_.buffers[static_cast<size_t>(p_.outputs[k])].type.dtype();
    bool small = product(shape) * static_cast<int64_t>(item_size(dtype)) <= kSmallOutput;
    Array& target = small ? staged_[k] : copied_[k];
    if (!target || target.shape() != shape) target = Array::empty(dtype, shape);
  }
}

// Gives every output memory that nothing else will write to.
void Context::deliver(const Binding& last) {
  for (size_t k = 0; k < p_.outputs.size(); ++k) {
    TensorView v = buffer_view(last, p_.outputs[k]);
    if (last.output_plans[k] == OutputPlan::copied) {
      const Array& target = copied_[k] ? copied_[k] : staged_[k];
      copy_elements(target.view(), v);
      v = target.view();
    }
    outputs_[k] = v;
  }
}

// All that may fail happens here, before any storage is written (except by instructions that cannot
// fail, which the binding let write directly).
void Context::prepare_updates(const Binding& last) {
  if (!last.direct_updates.empty()) return;  // then all of them are
  for (size_t u = 0; u < p_.updates.size(); ++u) {
    const UpdatePlan& update = p_.updates[u];
    new_values_[u] = Array();
    TensorView v = buffer_view(last, update.buffer);
    const Array& old = p_.shared[static_cast<size_t>(update.shared)]->value();
    // Another update may overwrite what this one reads (a swap): such values are copied first.
    int root = last.states[static_cast<size_t>(update.buffer)].root;
    bool shares = p_.buffers[static_cast<size_t>(root)].kind != BufferKind::temp;
    if (shares || old.shape() != Dims(v.shape, v.shape + v.ndim) || !old.view().contiguous())
      new_values_[u] = Array::copy_of(v);
  }
}

void Context::commit(const Binding& last) {
  for (const auto& [update, buffer] : last.direct_updates) {
    Array& aside = aside_[static_cast<size_t>(update)];
    if (!aside) continue;
    int shared = p_.updates[static_cast<size_t>(update)].shared;
    copy_elements(p_.shared[static_cast<size_t>(shared)]->value().view(), aside.view());
    aside = Array();
  }
  if (!last.direct_updates.empty()) return;
  for (size_t u = 0; u < p_.updates.size(); ++u) {
    const UpdatePlan& update = p_.updates[u];
    SharedStorage& storage = *p_.shared[static_cast<size_t>(update.shared)];
    Array& fresh = new_values_[u];
    if (!fresh) {
      copy_elements(storage.value().view(), buffer_view(last, update.buffer));
    } else if (fresh.shape() == storage.value().shape()) {
      copy_elements(storage.value().view(), fresh.view());
    } else {
      storage.set_value(std::move(fresh));
    }
    fresh = Array();
  }
}

namespace {

bool within(const Buffer& buffer, const char* p) {
  const char* const start = static_cast<const char*>(buffer.data());
  return p >= start && p < start + std::max<size_t>(buffer.bytes(), 1);
}

}  // namespace

Array Context::take_output(int i) {
  size_t k = static_cast<size_t>(i);
  const TensorView& v = outputs_[k];
  if (output_buffers_[k] && within(*output_buffers_[k], v.data)) {
    Dims shape(v.shape, v.shape + v.ndim), strides(v.strides, v.strides + v.ndim);
    return Array(std::move(output_buffers_[k]), v.data, v.dtype, shape, strides);
  }
  if (copied_[k] && copied_[k].data() == v.data) return std::move(copied_[k]);
  for (auto& [buffer, array] : held_) {
    const bool ours = array.buffer() && array.buffer()->ref_count() == 1;
    if (buffer == p_.outputs[k] && array.data() == v.data && ours) return std::move(array);
  }
  return Array::copy_of(v);
}

void Context::end_call() {
  if (ran_flat_) {
    ran_flat_ = false;
    return;
  }
  for (auto& b : output_buffers_) b.reset();
  for (auto& a : copied_) a = Array();
  for (auto& a : aside_) a = Array();
  for (auto& a : new_values_) a = Array();
  held_.clear();
}

size_t Context::planned_bytes(const std::vector<TensorView>& inputs, const Function& function) {
  StorageLocks locks(p_, false);
  set_leaves(inputs.data());
  check_inputs(function);
  make_key();
  return find_binding(bindings_, 0, nullptr).arena_bytes;
}

}  // namespace phintys::runtime

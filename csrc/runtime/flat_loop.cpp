#include "runtime/flat_loop.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/flat_copy.h"

namespace phintys::runtime {

namespace {

constexpr int64_t kMaxPast = 8;  // steps that a state may reach back

size_t zu(int64_t i) { return static_cast<size_t>(i); }

bool within(const char* p, const char* block, size_t bytes) {
  return p >= block && p < block + bytes;
}

}  // namespace

std::unique_ptr<FlatLoop> FlatLoop::make(const Scan& scan, const Program& body,
                                         const Binding& binding,
                                         const std::vector<TensorView>& leaves,
                                         const InnerRunners& runners) {
  std::unique_ptr<FlatLoop> loop(new FlatLoop(scan, body, binding));
  if (!loop->build(leaves, runners)) loop.reset();
  return loop;
}

bool FlatLoop::build(const std::vector<TensorView>& leaves, const InnerRunners& runners) {
  for (int c = 0; c < scan_.n_states(); ++c)
    if (scan_.rows_of(c) > kMaxPast) return false;
  for (int k = 0; k < scan_.n_constants(); ++k) may_stay_outside(scan_.inner_constant(k));
  if (!place_states() || !place_buffers(leaves) || !collect_calls(runners)) return false;
  if (!outputs_fit()) return false;
  collect_states();
  if (single_) link_calls();
  return finish();
}

// ----- where things are -----

bool FlatLoop::place_states() {
  for (int c = 0; c < scan_.n_states(); ++c) {
    State s;
    const auto taps = scan_.taps_of(c);
    const int first = body_.input_buffers[zu(scan_.first_tap(c))];
    s.item = item_of(first);
    s.bytes = bytes_of(first);
    if (s.bytes > kMaxRow) return false;
    for (int64_t k = 0; k < scan_.rows_of(c); ++k)
      s.past.push_back(memory_.take(body_.buffers[zu(first)].type.dtype(),
                                    static_cast<int64_t>(s.bytes / s.item)));
    for (size_t k = 0; k < taps.size(); ++k)
      at(body_.input_buffers[zu(scan_.first_tap(c)) + k]) = s.past[zu(-taps[k] - 1)];
    states_.push_back(std::move(s));
  }
  return true;
}

// ----- the end of a step -----

template <class F>
void FlatLoop::each_read(vm::FlatCall& call, F&& f) {
  if (Whole* w = whole_of(call)) {
    for (TensorView& v : w->inputs) f(v.data, -1);
    return;
  }
  const char** operands[3] = {&call.a, &call.b, &call.c};
  for (int j = 0; j < 3; ++j) {
    char* p = const_cast<char*>(*operands[j]);
    f(p, j);
    *operands[j] = p;
  }
}

template <class F>
void FlatLoop::each_write(vm::FlatCall& call, F&& f) {
  Whole* w = whole_of(call);
  if (!w) return f(call.dst);
  for (TensorView& v : w->outputs) f(v.data);
}

bool FlatLoop::is_computed(const char* block, size_t calls) const {
  for (size_t i = 0; i < calls; ++i) {
    if (calls_[i].dst == block) return true;
    const Whole* w = whole_of(calls_[i]);
    for (size_t o = 0; w && o < w->outputs.size(); ++o)
      if (w->bound->outputs_alias[o] < 0 && w->outputs[o].data == block) return true;
  }
  return false;
}

// The shift of states at the end of a step: all new values first, then each into its place.
void FlatLoop::collect_states() {
  const size_t computed = calls_.size();
  auto stands = [&](int buffer) {
    const BufferState& s = binding_.states[zu(buffer)];
    return s.root == buffer && is_computed(at(buffer), computed);
  };
  // What is emitted although no call computed it may be the old value of a state.
  for (size_t k = states_.size(); k < body_.outputs.size(); ++k) {
    const int buffer = body_.outputs[k];
    const Type& type = body_.buffers[zu(buffer)].type;
    const int64_t n = static_cast<int64_t>(bytes_of(buffer) / item_of(buffer));
    emitted_.push_back(stands(buffer) ? nullptr : memory_.take(type.dtype(), n));
  }
  for (size_t c = 0; c < states_.size(); ++c) {
    State& s = states_[c];
    const int buffer = body_.outputs[c];
    s.fresh = at(buffer);
    if (stands(buffer)) continue;
    // Something that another state's shift may change.
    s.fresh = memory_.take(body_.buffers[zu(buffer)].type.dtype(),
                           static_cast<int64_t>(s.bytes / s.item));
  }
  for (size_t c = 0; c < states_.size(); ++c) {
    const int buffer = body_.outputs[c];
    if (states_[c].fresh == at(buffer)) {
      write_over(states_[c]);
    } else {
      append_copy(states_[c].fresh, buffer);
    }
  }
  for (size_t k = 0; k < emitted_.size(); ++k) {
    const int buffer = body_.outputs[states_.size() + k];
    if (!emitted_[k]) {
      emitted_[k] = at(buffer);
    } else {
      append_copy(emitted_[k], buffer);
    }
  }
  for (const State& s : states_) {
    if (s.fresh == s.past[0]) continue;
    const auto item = static_cast<int64_t>(s.item);
    const int64_t n = static_cast<int64_t>(s.bytes) / item;
    for (size_t k = s.past.size(); k-- > 0;)
      calls_.push_back(vm::copy_call(s.past[k], k ? s.past[k - 1] : s.fresh, item, n));
  }
}

// Lets the body compute the new value right where the old one is, if that is not read later.
void FlatLoop::write_over(State& s) {
  if (s.past.size() != 1) return;
  char* const old = s.past[0];
  char* const fresh = s.fresh;
  for (int b : body_.outputs)
    if (within(at(b), old, s.bytes)) return;
  size_t writes = calls_.size();
  bool possible = true;
  for (size_t i = 0; i < calls_.size(); ++i) {
    vm::FlatCall& call = calls_[i];
    bool written = false;
    each_write(call, [&](char* p) { written = written || p == fresh; });
    if (written) writes = std::min(writes, i);
    each_read(call, [&](const char* p, int operand) {
      if (i < writes || !within(p, old, s.bytes)) return;
      const bool same = operand >= 0 && p == old && (call.in_place >> operand & 1);
      possible = possible && i == writes && same;
    });
  }
  if (!possible) return;
  auto moved = [&](char* p) { return within(p, fresh, s.bytes) ? old + (p - fresh) : p; };
  for (size_t i = writes; i < calls_.size(); ++i) {
    each_write(calls_[i], [&](char*& p) { p = moved(p); });
    if (i > writes) each_read(calls_[i], [&](char*& p, int) { p = moved(p); });
  }
  for (char*& p : at_) p = moved(p);
  for (State& other : states_) other.fresh = moved(other.fresh);
}

// Values of floats go from call to call in a register where that can be.
void FlatLoop::link_calls() {
  std::vector<const char*> loaded;
  for (int q = 0; q < scan_.n_sequences; ++q)
    loaded.push_back(at(body_.input_buffers[zu(scan_.row_of_sequence(q))]));
  carries_ = std::any_of(calls_.begin(), calls_.end(),
                         [](const vm::FlatCall& c) { return c.carry != nullptr; });
  if (carries_) carry_start_ = vm::link_calls(&calls_, loaded);
}

// ----- running -----

// Runs at most so many steps; fewer if the condition to stop becomes true.
int64_t FlatLoop::run_steps(int64_t steps) {
  if (carries_) return run_carried(steps);
  const char* condition = scan_.until ? emitted_.back() : nullptr;
  for (int64_t t = 0; t < steps; ++t, ++step_) {
    for (Transfer& l : loads_) {
      if (l.bytes == l.item) {
        copy_item(l.block, l.row, l.item);
      } else {
        copy_row(l.block, l.row, l.bytes);
        fill_up(l.block, l.bytes, l.item, l.room);
      }
      l.row += l.step;
    }
    run_calls();
    for (Transfer& s : stores_) {
      if (s.bytes == s.item) {
        copy_item(s.row, s.block, s.item);
      } else {
        copy_row(s.row, s.block, s.bytes);
      }
      s.row += s.step;
    }
    if (condition && *condition) {
      ++step_;
      return t + 1;
    }
  }
  return steps;
}

// The same where all is single values, some of which stay in a register.
int64_t FlatLoop::run_carried(int64_t steps) {
  const char* condition = scan_.until ? emitted_.back() : nullptr;
  vm::Carry carry{};
  if (carry_start_.address) std::memcpy(&carry, carry_start_.address, carry_start_.bytes);
  const vm::FlatCall& first = calls_[0];
  int64_t t = 0;
  bool stop = false;
  for (; t < steps && !stop; ++t) {
    for (Transfer& l : loads_) {
      copy_item(l.block, l.row, l.item);
      l.row += l.step;
    }
    carry = first.carried(carry, first);
    for (Transfer& s : stores_) {
      copy_item(s.row, s.block, s.item);
      s.row += s.step;
    }
    stop = condition && *condition;
  }
  step_ += t;
  return t;
}

void FlatLoop::patch_constants(std::span<const TensorView> inputs) {
  for (const Patch& p : patches_) {
    const int constant = p.input - scan_.inner_constant(0);
    char* data = inputs[zu(scan_.constant_input(constant))].data + p.offset;
    p.whole->inputs[p.operand].data = data;
    p.whole->in[p.operand] = data;
  }
}

FlatLoop::Transfer FlatLoop::transfer(char* block, char* row, int64_t step, size_t bytes,
                                      size_t item) const {
  return {block, row, step, bytes, item, bytes == item ? bytes : (bytes + 63) / 64 * 64};
}

// What states start from, constants, and where rows lie.
void FlatLoop::start(std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  loads_.clear();
  stores_.clear();
  for (int c = 0; c < scan_.n_states(); ++c) {
    const State& s = states_[zu(c)];
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    const int64_t first = static_cast<int64_t>(s.past.size());
    const auto bytes = static_cast<int64_t>(s.bytes);
    char* rows = outputs[zu(c)].data;
    const TensorView& all = outputs[zu(c)];
    if (s.bytes == s.item) {
      for (int64_t r = 0; r < first; ++r)
        copy_item(rows + r * bytes, initial.data + r * initial.strides[0], s.item);
    } else {
      copy_elements({rows, all.dtype, all.ndim, initial.shape, all.strides}, initial);
    }
    for (int64_t r = 0; r < first; ++r) {
      char* block = s.past[zu(first - 1 - r)];
      const Transfer t = transfer(block, rows + r * bytes, 0, s.bytes, s.item);
      std::memcpy(block, t.row, s.bytes);
      fill_up(block, s.bytes, s.item, t.room);
    }
    // After the shift the new value is the newest of the past ones.
    if (scan_.keeps_all(c))
      stores_.push_back(transfer(s.past[0], rows + first * bytes, bytes, s.bytes, s.item));
  }
  for (int q = 0; q < scan_.n_sequences; ++q) {
    const TensorView& v = inputs[zu(scan_.sequence_input(q))];
    const int buffer = body_.input_buffers[zu(scan_.row_of_sequence(q))];
    loads_.push_back(transfer(at(buffer), v.data, v.strides[0], bytes_of(buffer), item_of(buffer)));
  }
  for (int k = 0; k < scan_.n_constants(); ++k) {
    const int buffer = body_.input_buffers[zu(scan_.inner_constant(k))];
    if (outside(buffer)) continue;
    const size_t bytes = bytes_of(buffer), item = item_of(buffer);
    std::memcpy(at(buffer), inputs[zu(scan_.constant_input(k))].data, bytes);
    if (bytes > item) fill_up(at(buffer), bytes, item, (bytes + 63) / 64 * 64);
  }
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const size_t k = zu(scan_.emitted_output(e));
    const size_t bytes = bytes_of(body_.outputs[k]);
    stores_.push_back(transfer(emitted_[zu(e)], outputs[k].data, static_cast<int64_t>(bytes), bytes,
                               item_of(body_.outputs[k])));
  }
  patch_constants(inputs);
}

int64_t FlatLoop::run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                      int64_t steps, const RunHooks& hooks) {
  hooks_ = &hooks;
  step_ = 0;
  start(inputs, outputs);
  Limits* limits = hooks.limits;
  bool more = true;
  while (more && step_ < steps) {
    int64_t n = steps - step_;
    // Programs inside count their own steps, in between.
    if (limits) n = inner_ ? 1 : std::min(n, limits->steps_at_once(work_));
    if (limits) limits->step(n, work_);
    const int64_t ran = run_steps(n);
    if (limits) limits->give_back(n - ran);
    more = ran == n && !(scan_.until && *emitted_.back());
  }
  for (int c = 0; c < scan_.n_states(); ++c) {
    if (scan_.keeps_all(c)) continue;
    const State& s = states_[zu(c)];
    char* rows = outputs[zu(c)].data;
    for (size_t k = 0; k < s.past.size(); ++k)
      std::memcpy(rows + (s.past.size() - 1 - k) * s.bytes, s.past[k], s.bytes);
  }
  if (scan_.until) std::memcpy(outputs[zu(scan_.steps_output())].data, &step_, sizeof step_);
  return step_;
}

}  // namespace phintys::runtime

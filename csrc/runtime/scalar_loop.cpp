#include "runtime/scalar_loop.h"

#include <algorithm>
#include <cstring>

namespace phintys::runtime {

namespace {

constexpr int64_t kMaxPast = 8;     // steps that a state may reach back
constexpr int64_t kMaxCalls = 256;  // longer bodies gain nothing

inline void copy_item(char* to, const char* from, size_t item) {
  switch (item) {
    case 8:
      std::memcpy(to, from, 8);
      return;
    case 4:
      std::memcpy(to, from, 4);
      return;
    default:
      std::memcpy(to, from, item);
  }
}

size_t zu(int64_t i) { return static_cast<size_t>(i); }

}  // namespace

size_t ScalarLoop::item_of(int buffer) const {
  return item_size(body_.buffers[zu(buffer)].type.dtype());
}

char* ScalarLoop::new_slot() {
  blocks_.push_back(std::make_unique<Slot[]>(1));
  return blocks_.back()[0].bytes;
}

std::unique_ptr<ScalarLoop> ScalarLoop::make(const Scan& scan, const Program& body,
                                             const Binding& binding,
                                             const std::vector<TensorView>& constants) {
  std::unique_ptr<ScalarLoop> loop(new ScalarLoop(scan, body));
  if (!loop->build(binding, constants)) loop.reset();
  return loop;
}

bool ScalarLoop::build(const Binding& binding, const std::vector<TensorView>& constants) {
  for (int c = 0; c < scan_.n_states(); ++c)
    if (scan_.rows_of(c) > kMaxPast) return false;
  if (!place_buffers(binding, constants) || !collect_calls(binding)) return false;
  collect_states();
  return true;
}

// Every buffer that the program computes gets a slot; constants stay where they are.
bool ScalarLoop::place_buffers(const Binding& binding, const std::vector<TensorView>& constants) {
  at_.assign(body_.buffers.size(), nullptr);
  for (size_t b = 0; b < body_.buffers.size(); ++b) {
    const BufferInfo& info = body_.buffers[b];
    const BufferState& state = binding.states[b];
    if (!state.defined || product(state.shape) != 1 || item_size(info.type.dtype()) > 16)
      return false;
    at_[b] = info.kind == BufferKind::constant ? constants[b].data : new_slot();
  }
  for (const auto& [buffer, array] : binding.known) at_[zu(buffer)] = array.data();
  return true;
}

bool ScalarLoop::collect_calls(const Binding& binding) {
  for (const BoundInstruction& bound : binding.instructions) {
    const Instruction& instr = *bound.instr;
    if (bound.kind == RunKind::view) {
      for (size_t o = 0; o < instr.outputs.size(); ++o) {
        if (bound.outputs_offset[o] != 0) return false;
        at_[zu(instr.outputs[o])] = at(bound.outputs_alias[o]);
      }
      continue;
    }
    if (bound.kind != RunKind::fused || !bound.fused->single()) return false;
    std::vector<char*> in, out;
    for (int b : instr.inputs) in.push_back(at(b));
    for (int b : instr.outputs) out.push_back(at(b));
    blocks_.push_back(std::make_unique<Slot[]>(bound.fused->single_bytes() / 16 + 1));
    bound.fused->append_single_calls(in.data(), out.data(), blocks_.back()[0].bytes, &calls_);
    if (calls_.size() > kMaxCalls) return false;
  }
  return true;
}

// The shift of states at the end of a step: all new values first, then each into its place.
void ScalarLoop::collect_states() {
  for (int c = 0; c < scan_.n_states(); ++c) {
    State s;
    const int output = body_.outputs[zu(c)];
    s.item = item_of(output);
    for (int64_t k = 0; k < scan_.rows_of(c); ++k) s.past.push_back(new_slot());
    const auto taps = scan_.taps_of(c);
    for (size_t k = 0; k < taps.size(); ++k) {
      char*& place = s.past[zu(-taps[k] - 1)];
      char* input = at(body_.input_buffers[zu(scan_.first_tap(c)) + k]);
      // Two inputs may be the same tap: the second is copied from the first before each step.
      bool taken = false;
      for (size_t j = 0; j < k; ++j) taken = taken || taps[j] == taps[k];
      if (taken) {
        calls_.insert(calls_.begin(), {vm::copy_kernel(s.item), input, place, nullptr, nullptr});
      } else {
        place = input;
      }
    }
    s.fresh = at(output);
    states_.push_back(std::move(s));
  }
  const size_t computed = calls_.size();
  auto is_computed = [&](const char* slot) {
    return std::any_of(calls_.begin(), calls_.begin() + std::ptrdiff_t(computed),
                       [&](const vm::SingleCall& c) { return c.dst == slot; });
  };
  // What is emitted although no call computed it may be the old value of a state.
  for (size_t k = states_.size(); k < body_.outputs.size(); ++k)
    emitted_.push_back(is_computed(at(body_.outputs[k])) ? nullptr : new_slot());
  for (State& s : states_) {
    if (is_computed(s.fresh)) {
      write_over(s);
      continue;
    }
    char* copy = new_slot();  // something that another state's shift may change
    calls_.push_back({vm::copy_kernel(s.item), copy, s.fresh, nullptr, nullptr});
    s.fresh = copy;
  }
  for (size_t k = 0; k < emitted_.size(); ++k) {
    const int buffer = body_.outputs[states_.size() + k];
    if (!emitted_[k]) {
      emitted_[k] = at(buffer);
    } else {
      calls_.push_back(
          {vm::copy_kernel(item_of(buffer)), emitted_[k], at(buffer), nullptr, nullptr});
    }
  }
  for (const State& s : states_) {
    if (s.fresh == s.past[0]) continue;
    for (size_t k = s.past.size(); k-- > 0;)
      calls_.push_back(
          {vm::copy_kernel(s.item), s.past[k], k ? s.past[k - 1] : s.fresh, nullptr, nullptr});
  }
}

// Lets the body compute the new value right where the old one is, if that is not read later.
void ScalarLoop::write_over(State& s) {
  if (s.past.size() != 1) return;
  char* old = s.past[0];
  char* fresh = s.fresh;
  for (size_t k = 0; k < body_.outputs.size(); ++k)
    if (at(body_.outputs[k]) == old) return;
  size_t writes = calls_.size(), last_read = 0;
  for (size_t i = 0; i < calls_.size(); ++i) {
    const vm::SingleCall& c = calls_[i];
    if (c.dst == fresh) writes = std::min(writes, i);
    if (c.a == old || c.b == old || c.c == old) last_read = i;
  }
  if (last_read > writes) return;
  for (size_t i = writes; i < calls_.size(); ++i) {
    vm::SingleCall& c = calls_[i];
    if (c.dst == fresh) c.dst = old;
    if (i == writes) continue;
    if (c.a == fresh) c.a = old;
    if (c.b == fresh) c.b = old;
    if (c.c == fresh) c.c = old;
  }
  for (char*& p : at_)
    if (p == fresh) p = old;
  for (State& other : states_)
    if (other.fresh == fresh) other.fresh = old;
}

// Runs at most so many steps; fewer if the condition to stop becomes true.
int64_t ScalarLoop::run_steps(int64_t steps) {
  const char* condition = scan_.until ? emitted_.back() : nullptr;
  for (int64_t t = 0; t < steps; ++t) {
    for (Transfer& l : loads_) {
      copy_item(l.slot, l.row, l.item);
      l.row += l.step;
    }
    for (const vm::SingleCall& c : calls_) c.fn(c.dst, c.a, c.b, c.c, 1);
    for (Transfer& s : stores_) {
      copy_item(s.row, s.slot, s.item);
      s.row += s.step;
    }
    if (condition && *condition) return t + 1;
  }
  return steps;
}

int64_t ScalarLoop::run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                        int64_t steps, Limits* limits) {
  loads_.clear();
  stores_.clear();
  for (int c = 0; c < scan_.n_states(); ++c) {
    const State& s = states_[zu(c)];
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    const int64_t first = static_cast<int64_t>(s.past.size());
    char* rows = outputs[zu(c)].data;
    const int64_t item = static_cast<int64_t>(s.item);
    for (int64_t r = 0; r < first; ++r) {
      const char* value = initial.data + r * initial.strides[0];
      copy_item(s.past[zu(first - 1 - r)], value, s.item);
      copy_item(rows + r * item, value, s.item);
    }
    // After the shift the new value is the newest of the past ones.
    if (scan_.keeps_all(c)) stores_.push_back({s.past[0], rows + first * item, item, s.item});
  }
  for (int q = 0; q < scan_.n_sequences; ++q) {
    const TensorView& v = inputs[zu(scan_.sequence_input(q))];
    const int buffer = body_.input_buffers[zu(scan_.row_of_sequence(q))];
    loads_.push_back({at(buffer), v.data, v.strides[0], item_of(buffer)});
  }
  for (int k = 0; k < scan_.n_constants(); ++k) {
    const int buffer = body_.input_buffers[zu(scan_.inner_constant(k))];
    copy_item(at(buffer), inputs[zu(scan_.constant_input(k))].data, item_of(buffer));
  }
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const size_t k = zu(scan_.emitted_output(e));
    const size_t item = item_of(body_.outputs[k]);
    stores_.push_back({emitted_[zu(e)], outputs[k].data, int64_t(item), item});
  }
  int64_t done = 0;
  bool more = true;
  while (more && done < steps) {
    const int64_t n = limits ? std::min(steps - done, limits->steps_at_once()) : steps - done;
    if (limits) limits->step(n);
    const int64_t ran = run_steps(n);
    if (limits) limits->give_back(n - ran);
    done += ran;
    more = ran == n && !(scan_.until && *emitted_.back());
  }
  for (int c = 0; c < scan_.n_states(); ++c) {
    if (scan_.keeps_all(c)) continue;
    const State& s = states_[zu(c)];
    char* rows = outputs[zu(c)].data;
    for (size_t k = 0; k < s.past.size(); ++k)
      copy_item(rows + (s.past.size() - 1 - k) * s.item, s.past[k], s.item);
  }
  if (scan_.until) std::memcpy(outputs[zu(scan_.steps_output())].data, &done, sizeof done);
  return done;
}

}  // namespace phintys::runtime

#include "runtime/loop.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/op_util.h"
#include "runtime/profiler.h"

namespace phintys::runtime {

namespace {

size_t zu(int64_t i) { return static_cast<size_t>(i); }

}  // namespace

LoopRunner::LoopRunner(const Scan& scan, const Program& body) : LoopBase(scan, body) {
  states_.resize(zu(scan.n_states()));
  destinations_.resize(scan.graph->outputs().size());
}

// Shapes that do not fit are found before the first step.
const Binding& LoopRunner::bind_body() {
  try {
    return context_.enter_body(rows_.data());
  } catch (const Error& e) {
    throw Error(e.kind(), std::string(e.what()) + "\nIn every step of " + scan_.str());
  }
}

void LoopRunner::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) {
  const int64_t steps = check_steps(inputs);
  row_views(inputs);
  const Binding& binding = bind_body();
  auto shape_of = [&](size_t output) -> const Dims& {
    return binding.states[zu(body_.outputs[output])].shape;
  };
  for (int c = 0; c < scan_.n_states(); ++c) {
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    const Dims row(initial.shape + 1, initial.shape + initial.ndim);
    if (row != shape_of(zu(c))) fail_state_shape(c, row, shape_of(zu(c)));
    Layout& out = outputs[zu(c)];
    own_layout(out, initial.shape, initial.ndim);
    if (scan_.keeps_all(c)) out.shape[0] = all_rows(c, steps);
  }
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const size_t k = zu(scan_.emitted_output(e));
    Dims shape = shape_of(k);
    shape.insert(shape.begin(), steps);
    own_layout(outputs[k], shape.data(), static_cast<int>(shape.size()));
  }
  if (scan_.until) own_layout(outputs[zu(scan_.steps_output())], nullptr, 0);
}

void LoopRunner::copy_first_rows(int state, const TensorView& initial, const TensorView& trace) {
  Dims shape(initial.shape, initial.shape + initial.ndim);
  copy_elements({trace.data, trace.dtype, trace.ndim, shape.data(), trace.strides}, initial);
  Rows& rows = states_[zu(state)];
  rows.first = first_rows_[zu(state)];
  rows.row_bytes = row_bytes_of(trace);
  rows.size = 0;
  rows.base = trace.data;
  rows.spare = nullptr;
}

void LoopRunner::evaluate(std::span<const TensorView>, std::span<Array>, const RunHooks&) {
  fail(ErrorKind::internal, "a loop whose body has one segment is run, not evaluated");
}

// Where the rows of states lie that are not kept: in the output itself, and one more if a new row
// may not overwrite the oldest.
void LoopRunner::place_states(const Binding& binding, int64_t steps) {
  size_t pair = 0;
  int64_t spare_bytes = 0;
  for (int c = 0; c < scan_.n_states(); ++c) {
    if (scan_.keeps_all(c)) continue;
    Rows& rows = states_[zu(c)];
    // A second tap of the oldest row reads the same memory, which the binding does not know.
    const auto taps = scan_.taps_of(c);
    const bool once = std::count(taps.begin(), taps.end(), -rows.first) == 1;
    rows.size = rows.first + (binding.overwrites[pair++] && once ? 0 : 1);
    if (rows.size > rows.first) spare_bytes += (rows.row_bytes + 63) / 64 * 64;
  }
  if (spare_bytes == 0) return;
  if (!spare_ || spare_.size() < spare_bytes) spare_ = Array::empty(DType::u8, Dims{spare_bytes});
  char* at = spare_.data();
  for (int c = 0; c < scan_.n_states(); ++c) {
    Rows& rows = states_[zu(c)];
    if (scan_.keeps_all(c) || rows.size == rows.first) continue;
    rows.spare = at;
    at += (rows.row_bytes + 63) / 64 * 64;
    // Of one row and a spare one, the last step writes the output's: nothing is copied at the end.
    if (rows.first == 1 && steps % 2 == 1) {
      std::memcpy(rows.spare, rows.base, zu(rows.row_bytes));
      std::swap(rows.base, rows.spare);
    }
  }
}

void LoopRunner::collect_moves(std::span<const TensorView> inputs,
                               std::span<const TensorView> outputs) {
  moves_.clear();
  ring_moves_.clear();
  auto follow = [&](char** slot, int state, int64_t row) {
    const Rows& rows = states_[zu(state)];
    if (rows.size == 0) {
      moves_.push_back({slot, rows.base + row * rows.row_bytes, rows.row_bytes});
    } else if (rows.size == 1) {
      *slot = rows.base;
    } else {
      ring_moves_.push_back({slot, state, row});
    }
  };
  int input = 0;
  for (int c = 0; c < scan_.n_states(); ++c) {
    const int64_t first = states_[zu(c)].first;
    for (int64_t tap : scan_.taps_of(c)) follow(context_.body_input_slot(input++), c, first + tap);
    follow(&destinations_[zu(c)], c, first);
  }
  for (int s = 0; s < scan_.n_sequences; ++s) {
    const TensorView& v = inputs[zu(scan_.sequence_input(s))];
    moves_.push_back({context_.body_input_slot(input++), v.data, v.strides[0]});
  }
  for (int k = 0; k < scan_.n_constants(); ++k)
    context_.set_body_input(input++, inputs[zu(scan_.constant_input(k))].data);
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const TensorView& v = outputs[zu(scan_.emitted_output(e))];
    moves_.push_back({&destinations_[zu(scan_.emitted_output(e))], v.data, row_bytes_of(v)});
  }
  if (scan_.until) destinations_[zu(scan_.steps_output())] = reinterpret_cast<char*>(&condition_);
}

int64_t LoopRunner::run_steps(int64_t steps, const RunHooks& hooks) {
  int64_t t = 0;
  try {
    for (; t < steps; ++t) {
      if (hooks.limits) hooks.limits->step();
      const ProfileStep span(hooks.profile, t);
      for (Move& m : moves_) {
        *m.slot = m.at;
        m.at += m.step;
      }
      for (const RingMove& m : ring_moves_) *m.slot = states_[zu(m.state)].at(m.row + t);
      context_.run_body(destinations_.data(), hooks);
      if (scan_.until && condition_) return t + 1;
    }
  } catch (const Error& e) {
    rethrow_at(e, t);
  }
  return steps;
}

// Puts the last rows of states that are not kept into the output, oldest first.
void LoopRunner::deliver_last_rows(std::span<const TensorView> outputs, int64_t steps) {
  for (int c = 0; c < scan_.n_states(); ++c) {
    const Rows& rows = states_[zu(c)];
    if (scan_.keeps_all(c)) continue;
    char* out = outputs[zu(c)].data;
    const size_t bytes = zu(rows.row_bytes);
    if (rows.first == 1) {
      if (rows.at(steps) != out) std::memcpy(out, rows.at(steps), bytes);
      continue;
    }
    ordered_.resize(zu(rows.first) * bytes);
    for (int64_t r = 0; r < rows.first; ++r)
      std::memcpy(ordered_.data() + zu(r) * bytes, rows.at(steps + r), bytes);
    std::memcpy(out, ordered_.data(), ordered_.size());
  }
}

// False if something must see each instruction, or the body is not flat.
bool LoopRunner::run_flat(const Binding& binding, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs, int64_t steps,
                          const RunHooks& hooks) {
  if (hooks.monitor) return false;
  if (flat_of_ != binding.id) {
    flat_ = FlatLoop::make(scan_, body_, binding, context_.leaves(), context_.runners());
    flat_of_ = binding.id;
  }
  if (!flat_ || (hooks.profile && !flat_->single())) return false;
  try {
    const int64_t done = flat_->run(inputs, outputs, steps, hooks);
    if (hooks.profile) hooks.profile->whole_steps(done);
  } catch (const Error& e) {
    rethrow_at(e, flat_->step());
  }
  return true;
}

void LoopRunner::run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                     const RunHooks& hooks) {
  const int64_t steps = load_int(inputs[0].data, DType::i64);
  if (hooks.limits && !scan_.until) hooks.limits->expect(steps);
  row_views(inputs);
  const Binding& binding = context_.enter_body(rows_.data());
  if (run_flat(binding, inputs, outputs, steps, hooks)) return;
  for (int c = 0; c < scan_.n_states(); ++c)
    copy_first_rows(c, inputs[zu(scan_.state_input(c))], outputs[zu(c)]);
  place_states(binding, steps);
  collect_moves(inputs, outputs);
  const int64_t done = run_steps(steps, hooks);
  deliver_last_rows(outputs, done);
  if (scan_.until) std::memcpy(outputs[zu(scan_.steps_output())].data, &done, sizeof done);
}

}  // namespace phintys::runtime

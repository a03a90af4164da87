#include "runtime/segmented_loop.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/op_util.h"
#include "runtime/profiler.h"

namespace phintys::runtime {

namespace {

size_t zu(int64_t i) { return static_cast<size_t>(i); }

Dims with_rows(int64_t n, const Dims& row) {
  Dims shape(row);
  shape.insert(shape.begin(), n);
  return shape;
}

}  // namespace

SegmentedLoop::SegmentedLoop(const Scan& scan, const Program& body, const RowShapes& shapes)
    : LoopBase(scan, body), shapes_(shapes) {
  targets_.resize(zu(scan.steps_output()));
  rings_.resize(zu(scan.n_states()));
  int overwrite = 0;
  for (int c = 0; c < scan.n_states(); ++c) {
    if (scan.keeps_all(c)) continue;
    rings_[zu(c)].rows.resize(zu(first_rows_[zu(c)]));
    rings_[zu(c)].overwrite = overwrite++;
  }
  if (shapes.program) shapes_context_ = std::make_unique<Context>(*shapes.program);
}

// --- shapes -----------------------------------------------------------------------------------

// The shapes of the rows that are emitted; -1 for lengths that only a step tells.
std::vector<Dims> SegmentedLoop::known_rows(std::span<const TensorView> inputs) {
  if (shapes_context_) shapes_context_->run_inside(inputs.data(), {});
  std::vector<Dims> rows;
  for (const std::vector<int>& outputs : shapes_.outputs) {
    Dims& row = rows.emplace_back();
    for (int k : outputs)
      row.push_back(k < 0 ? -1 : load_int(shapes_context_->output(k).data, DType::i64));
  }
  return rows;
}

void SegmentedLoop::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) {
  const int64_t steps = check_steps(inputs);
  for (int c = 0; c < scan_.n_states(); ++c) {
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    own_layout(outputs[zu(c)], initial.shape, initial.ndim);
    if (scan_.keeps_all(c)) outputs[zu(c)].shape[0] = all_rows(c, steps);
  }
  const std::vector<Dims> rows = known_rows(inputs);
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const Dims shape = with_rows(steps, rows[zu(e)]);
    own_layout(outputs[zu(scan_.emitted_output(e))], shape.data(), static_cast<int>(shape.size()));
  }
  if (scan_.until) own_layout(outputs[zu(scan_.steps_output())], nullptr, 0);
}

// --- running ----------------------------------------------------------------------------------

void SegmentedLoop::run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                        const RunHooks& hooks) {
  steps_ = load_int(inputs[0].data, DType::i64);
  for (size_t k = 0; k < targets_.size(); ++k) set_target(static_cast<int>(k), outputs[k]);
  const int64_t done = run_steps(inputs, steps_, hooks);
  if (scan_.until) std::memcpy(outputs[zu(scan_.steps_output())].data, &done, sizeof done);
}

void SegmentedLoop::evaluate(std::span<const TensorView> inputs, std::span<Array> outputs,
                             const RunHooks& hooks) {
  steps_ = check_steps(inputs);
  arrays_ = outputs;
  for (int c = 0; c < scan_.n_states(); ++c) {
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    Dims shape(initial.shape, initial.shape + initial.ndim);
    if (scan_.keeps_all(c)) shape[0] = all_rows(c, steps_);
    outputs[zu(c)] = Array::empty(initial.dtype, shape);
    set_target(c, outputs[zu(c)].view());
  }
  std::vector<Dims> rows = known_rows(inputs);
  for (int e = 0; e < scan_.n_emitted; ++e) {
    Dims& row = rows[zu(e)];
    // Without a step, nothing tells a length that the ops cannot tell: it is 0.
    if (steps_ == 0)
      for (int64_t& length : row) length = std::max<int64_t>(length, 0);
    if (std::find(row.begin(), row.end(), -1) == row.end()) {
      make_target(scan_.emitted_output(e), row);
    } else {
      targets_[zu(scan_.emitted_output(e))].made = false;
    }
  }
  const int64_t done = run_steps(inputs, steps_, hooks);
  if (!scan_.until) return;
  outputs[zu(scan_.steps_output())] = Array::empty(DType::i64, Dims{});
  std::memcpy(outputs[zu(scan_.steps_output())].data(), &done, sizeof done);
}

void SegmentedLoop::set_target(int output, const TensorView& rows) {
  Target& target = targets_[zu(output)];
  target.row_shape = Dims(rows.shape + 1, rows.shape + rows.ndim);
  target.row_bytes = row_bytes_of(rows);
  target.rows = rows.data;
  target.made = true;
}

void SegmentedLoop::make_target(int output, const Dims& row_shape) {
  const DType dtype = scan_.graph->outputs()[zu(output)].dtype();
  arrays_[zu(output)] = Array::empty(dtype, with_rows(steps_, row_shape));
  set_target(output, arrays_[zu(output)].view());
}

// Puts a state's first rows where the steps read them.
void SegmentedLoop::start_state(int state, const TensorView& initial) {
  Target& target = targets_[zu(state)];
  const Dims strides = contiguous_strides(Dims(initial.shape, initial.shape + initial.ndim),
                                          item_size(initial.dtype));
  copy_elements({target.rows, initial.dtype, initial.ndim, initial.shape, strides.data()}, initial);
  Ring& ring = rings_[zu(state)];
  ring.spare = nullptr;
  for (size_t r = 0; r < ring.rows.size(); ++r)
    ring.rows[r] = target.rows + static_cast<int64_t>(r) * target.row_bytes;
}

void SegmentedLoop::collect_moves(std::span<const TensorView> inputs) {
  moves_.clear();
  ring_moves_.clear();
  int input = 0;
  for (int c = 0; c < scan_.n_states(); ++c) {
    const Target& target = targets_[zu(c)];
    for (int64_t tap : scan_.taps_of(c)) {
      const int64_t row = first_rows_[zu(c)] + tap;
      char** slot = context_.body_input_slot(input++);
      if (scan_.keeps_all(c)) {
        moves_.push_back({slot, target.rows + row * target.row_bytes, target.row_bytes});
      } else {
        ring_moves_.push_back({slot, c, row});
      }
    }
  }
  for (int s = 0; s < scan_.n_sequences; ++s) {
    const TensorView& v = inputs[zu(scan_.sequence_input(s))];
    moves_.push_back({context_.body_input_slot(input++), v.data, v.strides[0]});
  }
}

int64_t SegmentedLoop::run_steps(std::span<const TensorView> inputs, int64_t steps,
                                 const RunHooks& hooks) {
  if (hooks.limits && !scan_.until) hooks.limits->expect(steps);
  for (int c = 0; c < scan_.n_states(); ++c) start_state(c, inputs[zu(scan_.state_input(c))]);
  if (steps == 0) return 0;
  int64_t t = 0;
  bool ended = false;
  try {
    row_views(inputs);
    context_.enter_body(rows_.data());
    collect_moves(inputs);
    for (; t < steps && !ended; ++t) {
      step(t, hooks);
      ended = scan_.until && condition_;
    }
  } catch (const Error& e) {
    context_.end_call();
    rethrow_at(e, t);
  }
  context_.end_call();
  for (int c = 0; c < scan_.n_states(); ++c)
    if (!scan_.keeps_all(c)) deliver_last_rows(c, t);
  return t;
}

void SegmentedLoop::step(int64_t t, const RunHooks& hooks) {
  if (hooks.limits) hooks.limits->step();
  const ProfileStep span(hooks.profile, t);
  for (Move& m : moves_) {
    *m.slot = m.at;
    m.at += m.step;
  }
  for (const RingMove& m : ring_moves_) {
    const std::vector<char*>& rows = rings_[zu(m.state)].rows;
    *m.slot = rows[zu(m.row + t) % rows.size()];
  }
  t_ = t;
  context_.run_body_segments(*this, hooks);
  for (Ring& ring : rings_)
    if (!ring.rows.empty() && ring.to_spare)
      std::swap(ring.rows[zu(t) % ring.rows.size()], ring.spare);
}

// Where this step's value of an output goes.
char* SegmentedLoop::place(int output, const Binding& binding) {
  if (output == scan_.steps_output()) return reinterpret_cast<char*>(&condition_);
  const Dims& shape = binding.states[zu(body_.outputs[zu(output)])].shape;
  if (!targets_[zu(output)].made) make_target(output, shape);
  Target& target = targets_[zu(output)];
  const bool state = output < scan_.n_states();
  if (target.row_shape != shape) {
    if (state) fail_state_shape(output, target.row_shape, shape);
    fail(ErrorKind::value, scan_.str(), ": output ", output, " had rows of shape ",
         to_string(target.row_shape), ", this step's has shape ", to_string(shape));
  }
  if (!state) return target.rows + t_ * target.row_bytes;
  if (scan_.keeps_all(output))
    return target.rows + (first_rows_[zu(output)] + t_) * target.row_bytes;
  Ring& ring = rings_[zu(output)];
  ring.to_spare = !binding.overwrites[zu(ring.overwrite)];
  if (!ring.to_spare) return ring.rows[zu(t_) % ring.rows.size()];
  if (!ring.spare) {
    if (!ring.spare_memory || ring.spare_memory.size() < target.row_bytes)
      ring.spare_memory = Array::empty(DType::u8, Dims{std::max<int64_t>(target.row_bytes, 1)});
    ring.spare = ring.spare_memory.data();
  }
  return ring.spare;
}

// Puts the last rows of a state that is not kept into the output, oldest first.
void SegmentedLoop::deliver_last_rows(int state, int64_t steps) {
  const Ring& ring = rings_[zu(state)];
  const Target& target = targets_[zu(state)];
  const size_t n = ring.rows.size(), bytes = zu(target.row_bytes);
  auto row = [&](size_t r) { return ring.rows[(zu(steps) + r) % n]; };
  if (n == 1) {
    if (row(0) != target.rows) std::memcpy(target.rows, row(0), bytes);
    return;
  }
  ordered_.resize(n * bytes);
  for (size_t r = 0; r < n; ++r) std::memcpy(ordered_.data() + r * bytes, row(r), bytes);
  std::memcpy(target.rows, ordered_.data(), ordered_.size());
}

}  // namespace phintys::runtime

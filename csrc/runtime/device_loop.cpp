#include "runtime/device_loop.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/op_util.h"
#include "runtime/device_context.h"
#include "runtime/loop_base.h"

namespace phintys::runtime {

namespace {

constexpr size_t kMaxTakes = 4;

size_t zu(int64_t i) { return static_cast<size_t>(i); }

bool contiguous_row(const TensorView& rows) {
  return TensorView{rows.data, rows.dtype, rows.ndim - 1, rows.shape + 1, rows.strides + 1}
      .contiguous();
}

}  // namespace

DeviceLoop::DeviceLoop(const Scan& scan, const Program& body, device::Device& device,
                       Ref<Buffer> failed)
    : scan_(scan),
      body_(body),
      plan_(plan_of(body)),
      device_(device),
      possible_(body.segments.size() == 1 && device.table().loops != nullptr &&
                device.table().begin_recording != nullptr) {
  if (possible_) context_ = std::make_unique<DeviceContext>(body, plan_, device, std::move(failed));
  fixed_.resize(scan.graph->inputs().size() + scan.graph->outputs().size());
}

DeviceLoop::~DeviceLoop() {
  for (Take& take : takes_) drop(take);
}

void DeviceLoop::drop(Take& take) {
  const std::lock_guard<std::recursive_mutex> lock(device_.mutex());
  device_.table().drop_recording(take.recording);
}

bool DeviceLoop::may_fail() const { return plan_.may_fail; }

bool DeviceLoop::enqueue(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         std::span<char* const> host, Function& function) {
  if (!possible_) return false;
  ++runs_;
  const int64_t steps = load_int(host[0], DType::i64);
  // The operands of the body, as they are in each step: rows at fixed places.
  std::vector<TensorView> rows;
  std::vector<Dims> strides;
  strides.reserve(scan_.graph->inputs().size());
  std::vector<char*> data, known;
  auto add_row = [&](const TensorView& all) {
    const Dims shape(all.shape + 1, all.shape + all.ndim);
    strides.push_back(contiguous_strides(shape, item_size(all.dtype)));
    rows.push_back({nullptr, all.dtype, all.ndim - 1, all.shape + 1, strides.back().data()});
    data.push_back(fixed_place(data.size(), row_bytes_of(all)));
    known.push_back(nullptr);
  };
  for (int c = 0; c < scan_.n_states(); ++c)
    for (size_t k = 0; k < scan_.taps_of(c).size(); ++k) add_row(inputs[zu(scan_.state_input(c))]);
  for (int s = 0; s < scan_.n_sequences; ++s) add_row(inputs[zu(scan_.sequence_input(s))]);
  for (int k = 0; k < scan_.n_constants(); ++k) {
    const size_t input = zu(scan_.constant_input(k));
    rows.push_back(inputs[input]);
    rows.back().data = host[input];
    data.push_back(inputs[input].data);
    known.push_back(host[input]);
  }
  const Binding& binding = context_->enter_body(rows, data, function);
  if (!collect_rows(inputs, outputs, binding)) return false;
  start(inputs, outputs, steps);
  if (steps > 0 && !run_small(binding, destinations())) {
    std::vector<char*> key = context_->body_pointers(binding);
    key.push_back(table_.data());
    Take* take = find_take(key);
    if (!take) take = record(std::move(key), binding);
    if (!take) return false;
    take->last_use = runs_;
    auto* const state = reinterpret_cast<device::LoopState*>(state_.data());
    device_.check(device_.table().loops->repeat(device_.stream(), take->recording, state, steps,
                                                scan_.until));
  }
  finish(outputs);
  return true;
}

// Memory of the device for one operand or result of the body; the same from call to call unless it
// must grow.
char* DeviceLoop::fixed_place(size_t slot, int64_t bytes) {
  Array& place = fixed_[slot];
  if (!place || place.size() < bytes)
    place = device_.empty(DType::u8, {std::max<int64_t>(bytes, 1)});
  return place.data();
}

// What is moved before and after each step, and when the loop is done.
bool DeviceLoop::collect_rows(std::span<const TensorView> inputs,
                              std::span<const TensorView> outputs, const Binding& binding) {
  loads_.clear();
  stores_.clear();
  last_.clear();
  copies_.clear();
  const size_t n_in = scan_.graph->inputs().size();
  for (size_t k = 0; k < scan_.graph->outputs().size(); ++k) {
    const int buffer = body_.outputs[k];
    const BufferState& s = binding.states[zu(buffer)];
    const int64_t bytes =
        product(s.shape) * static_cast<int64_t>(item_size(body_.buffers[zu(buffer)].type.dtype()));
    fixed_place(n_in + k, bytes);
  }
  auto add = [](std::vector<device::RowMove>& moves, int64_t& most, const device::RowMove& move) {
    if (move.bytes == 0) return;
    moves.push_back(move);
    most = std::max(most, move.bytes);
  };
  most_load_ = most_store_ = most_last_ = 0;
  size_t operand = 0;
  for (int c = 0; c < scan_.n_states(); ++c) {
    const TensorView& trace = outputs[zu(c)];
    const int64_t bytes = row_bytes_of(trace);
    const int64_t first = scan_.rows_of(c);
    const int64_t size = scan_.keeps_all(c) ? 0 : first;
    for (int64_t tap : scan_.taps_of(c))
      add(loads_, most_load_,
          {fixed_[operand++].data(), trace.data, bytes, bytes, first + tap, size});
    add(stores_, most_store_, {fixed_[n_in + zu(c)].data(), trace.data, bytes, bytes, first, size});
  }
  for (int s = 0; s < scan_.n_sequences; ++s) {
    TensorView v = inputs[zu(scan_.sequence_input(s))];
    int64_t stride = v.strides[0];
    if (!contiguous_row(v)) {
      const Dims shape(v.shape, v.shape + v.ndim);
      copies_.push_back(device_.empty(v.dtype, shape));
      context_->copy_view(copies_.back().data(), v, nullptr);
      v.data = copies_.back().data();
      stride = copies_.back().strides()[0];
    }
    add(loads_, most_load_, {fixed_[operand++].data(), v.data, stride, row_bytes_of(v), 0, 0});
  }
  for (int e = 0; e < scan_.n_emitted; ++e) {
    const size_t k = zu(scan_.emitted_output(e));
    const int64_t bytes = row_bytes_of(outputs[k]);
    add(stores_, most_store_, {fixed_[n_in + k].data(), outputs[k].data, bytes, bytes, 0, 0});
  }
  return true;
}

DeviceLoop::Take* DeviceLoop::find_take(const std::vector<char*>& key) {
  for (Take& take : takes_)
    if (take.key == key) return &take;
  return nullptr;
}

// Where the body's outputs go.
std::vector<char*> DeviceLoop::destinations() const {
  std::vector<char*> places;
  for (size_t k = scan_.graph->inputs().size(); k < fixed_.size(); ++k)
    places.push_back(fixed_[k].data());
  return places;
}

// Records the work of one step: rows in, the body, rows out, the next step.
DeviceLoop::Take* DeviceLoop::record(std::vector<char*> key, const Binding& binding) {
  const std::vector<char*> destinations = this->destinations();
  const device::Table& table = device_.table();
  // The first step's body runs once before, so that what must be uploaded once is; nothing of it
  // is kept.
  load_rows();
  if (!context_->queue_body(binding, destinations)) {
    possible_ = false;
    return nullptr;
  }
  device_.check(table.begin_recording(device_.stream()));
  context_->start_recording();
  Take take;
  bool whole = false;
  std::exception_ptr error;
  try {
    load_rows();
    whole = context_->queue_body(binding, destinations);
    if (whole) end_step(destinations);
  } catch (...) {
    error = std::current_exception();
  }
  take.memory = context_->end_recording();
  const device::Status status = table.end_recording(device_.stream(), &take.recording);
  if (status != device::kOk || !whole || error) {
    if (take.recording) table.drop_recording(take.recording);
    possible_ = false;
    return nullptr;
  }
  take.key = std::move(key);
  take.memory.push_back(table_.buffer());
  if (takes_.size() >= kMaxTakes) {
    const auto oldest =
        std::min_element(takes_.begin(), takes_.end(),
                         [](const Take& a, const Take& b) { return a.last_use < b.last_use; });
    drop(*oldest);
    takes_.erase(oldest);
  }
  takes_.push_back(std::move(take));
  return &takes_.back();
}

void DeviceLoop::load_rows() {
  if (loads_.empty()) return;
  device_.check(device_.table().loops->load_rows(
      device_.stream(), reinterpret_cast<const device::RowMove*>(table_.data()),
      static_cast<int>(loads_.size()), most_load_,
      reinterpret_cast<const device::LoopState*>(state_.data())));
}

void DeviceLoop::end_step(const std::vector<char*>& destinations) {
  const device::LoopKernels& kernels = *device_.table().loops;
  auto* const state = reinterpret_cast<device::LoopState*>(state_.data());
  if (!stores_.empty())
    device_.check(kernels.store_rows(
        device_.stream(), reinterpret_cast<const device::RowMove*>(table_.data()) + loads_.size(),
        static_cast<int>(stores_.size()), most_store_, state));
  const bool* const stop =
      scan_.until ? reinterpret_cast<const bool*>(destinations[zu(scan_.steps_output())]) : nullptr;
  device_.check(kernels.advance(device_.stream(), state, stop));
}

void DeviceLoop::upload(void* to, const void* from, size_t bytes) {
  const Dims shape = {static_cast<int64_t>(bytes)}, strides = {1};
  device_.upload_into(to, {static_cast<char*>(const_cast<void*>(from)), DType::u8, 1, shape.data(),
                           strides.data()});
}

// Initial rows of states, the table of moves, the counter.
void DeviceLoop::start(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                       int64_t steps) {
  for (int c = 0; c < scan_.n_states(); ++c)
    context_->copy_view(outputs[zu(c)].data, inputs[zu(scan_.state_input(c))], nullptr);
  if (!state_) state_ = device_.empty(DType::u8, {static_cast<int64_t>(sizeof(device::LoopState))});
  std::vector<device::RowMove> moves = loads_;
  moves.insert(moves.end(), stores_.begin(), stores_.end());
  const int64_t bytes = static_cast<int64_t>(std::max<size_t>(moves.size(), 1) * sizeof(moves[0]));
  if (!table_ || table_.size() < bytes) table_ = device_.empty(DType::u8, {bytes});
  if (!moves.empty()) upload(table_.data(), moves.data(), moves.size() * sizeof(moves[0]));
  const device::LoopState state = {0, steps, steps > 0, 0};
  upload(state_.data(), &state, sizeof state);
}

// Brings the last rows of states that are not kept into order, and delivers the number of steps.
void DeviceLoop::finish(std::span<const TensorView> outputs) {
  const device::Table& table = device_.table();
  int64_t bytes = 0;
  for (int c = 0; c < scan_.n_states(); ++c)
    if (!scan_.keeps_all(c) && scan_.rows_of(c) > 1)
      bytes += scan_.rows_of(c) * row_bytes_of(outputs[zu(c)]);
  if (bytes > 0) {
    // Row r of the result is row step + r of the ring.
    if (!ordered_ || ordered_.size() < bytes) ordered_ = device_.empty(DType::u8, {bytes});
    char* at = ordered_.data();
    for (int c = 0; c < scan_.n_states(); ++c) {
      const int64_t first = scan_.rows_of(c), row = row_bytes_of(outputs[zu(c)]);
      if (scan_.keeps_all(c) || first == 1 || row == 0) continue;
      for (int64_t r = 0; r < first; ++r, at += row) {
        last_.push_back({at, outputs[zu(c)].data, row, row, r, first});
        most_last_ = std::max(most_last_, row);
      }
    }
  }
  if (!last_.empty()) {
    const size_t table_bytes = last_.size() * sizeof(device::RowMove);
    const Array moves = device_.empty(DType::u8, {static_cast<int64_t>(table_bytes)});
    upload(moves.data(), last_.data(), table_bytes);
    device_.check(table.loops->load_rows(
        device_.stream(), reinterpret_cast<const device::RowMove*>(moves.data()),
        static_cast<int>(last_.size()), most_last_,
        reinterpret_cast<const device::LoopState*>(state_.data())));
    char* at = ordered_.data();
    for (int c = 0; c < scan_.n_states(); ++c) {
      const int64_t first = scan_.rows_of(c), row = row_bytes_of(outputs[zu(c)]);
      if (scan_.keeps_all(c) || first == 1 || row == 0) continue;
      device_.check(
          table.copy(device_.stream(), outputs[zu(c)].data, at, zu(first * row), nullptr));
      at += first * row;
    }
  }
  if (scan_.until)
    device_.check(table.copy(device_.stream(), outputs[zu(scan_.steps_output())].data,
                             state_.data(), sizeof(int64_t), nullptr));
}

}  // namespace phintys::runtime

#include "runtime/loop_base.h"

#include <algorithm>

#include "base/error.h"
#include "ops/op_util.h"

namespace phintys::runtime {

namespace {

size_t zu(int64_t i) { return static_cast<size_t>(i); }

}  // namespace

std::vector<std::pair<int, int>> overwritable_states(const Scan& scan) {
  std::vector<std::pair<int, int>> pairs;
  for (int c = 0; c < scan.n_states(); ++c) {
    if (scan.keeps_all(c)) continue;
    const auto taps = scan.taps_of(c);
    const int oldest = static_cast<int>(std::min_element(taps.begin(), taps.end()) - taps.begin());
    pairs.emplace_back(c, scan.first_tap(c) + oldest);
  }
  return pairs;
}

// A view of the rows of `v` from `first` on, without their axis.
TensorView row_of(const TensorView& v, int64_t row) {
  return {v.data + row * v.strides[0], v.dtype, v.ndim - 1, v.shape + 1, v.strides + 1};
}

int64_t row_bytes_of(const TensorView& rows) {
  int64_t bytes = static_cast<int64_t>(item_size(rows.dtype));
  for (int d = 1; d < rows.ndim; ++d) bytes *= rows.shape[d];
  return bytes;
}

LoopBase::LoopBase(const Scan& scan, const Program& body)
    : scan_(scan), body_(body), context_(body) {
  for (int c = 0; c < scan.n_states(); ++c) first_rows_.push_back(scan.rows_of(c));
  rows_.resize(scan.graph->inputs().size());
  row_strides_.resize(zu(scan.n_states()));
}

// The number of steps, once the operands are known to have enough rows.
int64_t LoopBase::check_steps(std::span<const TensorView> inputs) const {
  const int64_t steps = load_int(inputs[0].data, DType::i64);
  if (steps < 0)
    fail(ErrorKind::index, "Scan was asked to run for negative number of step ", steps);
  for (int s = 0; s < scan_.n_sequences; ++s) {
    const int64_t rows = inputs[zu(scan_.sequence_input(s))].shape[0];
    if (rows < steps)
      fail(ErrorKind::value, "Sequence is shorter then the required number of steps : sequence ", s,
           " of ", scan_.str(), " has ", rows, " rows for ", steps, " steps");
  }
  for (int c = 0; c < scan_.n_states(); ++c) {
    const int64_t rows = inputs[zu(scan_.state_input(c))].shape[0];
    if (rows != first_rows_[zu(c)])
      fail(ErrorKind::value, scan_.str(), ": state ", c, " needs ", first_rows_[zu(c)],
           " initial rows, got ", rows);
  }
  return steps;
}

int64_t LoopBase::all_rows(int state, int64_t steps) const {
  const int64_t first = first_rows_[zu(state)];
  if (steps > INT64_MAX - first)
    fail(ErrorKind::memory, scan_.str(), ": the rows of state ", state,
         " do not fit in memory: ", steps, " steps");
  return first + steps;
}

// The body's operands as they are in the first step. States are read where they will be written:
// contiguous rows.
void LoopBase::row_views(std::span<const TensorView> inputs) {
  size_t at = 0;
  for (int c = 0; c < scan_.n_states(); ++c) {
    const TensorView& initial = inputs[zu(scan_.state_input(c))];
    TensorView row = row_of(initial, 0);
    row_strides_[zu(c)] =
        contiguous_strides(Dims(row.shape, row.shape + row.ndim), item_size(row.dtype));
    row.strides = row_strides_[zu(c)].data();
    for (size_t k = 0; k < scan_.taps_of(c).size(); ++k) rows_[at++] = row;
  }
  for (int s = 0; s < scan_.n_sequences; ++s)
    rows_[at++] = row_of(inputs[zu(scan_.sequence_input(s))], 0);
  for (int k = 0; k < scan_.n_constants(); ++k) rows_[at++] = inputs[zu(scan_.constant_input(k))];
}

void LoopBase::fail_state_shape(int state, const Dims& initial, const Dims& fresh) const {
  fail(ErrorKind::value, scan_.str(), ": state ", state, " starts with rows of shape ",
       to_string(initial), ", but a step computed one of shape ", to_string(fresh));
}

void LoopBase::rethrow_at(const Error& e, int64_t step) const {
  throw Error(e.kind(),
              std::string(e.what()) + "\nIn step " + std::to_string(step) + " of " + scan_.str());
}

}  // namespace phintys::runtime

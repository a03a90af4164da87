// What all ways of running a loop have in common.
#pragma once

#include <vector>

#include "ops/control/scan.h"
#include "runtime/context.h"
#include "runtime/inner_runner.h"

namespace phintys::runtime {

// (output, input) of a loop's body: new rows of states of which only the last rows are kept, and
// the oldest row of the same state, which they may take the place of.
std::vector<std::pair<int, int>> overwritable_states(const Scan& scan);

// A view of row number `row` of `v`, without the axis of rows.
TensorView row_of(const TensorView& v, int64_t row);
int64_t row_bytes_of(const TensorView& rows);

class LoopBase : public InnerRunner {
 protected:
  LoopBase(const Scan& scan, const Program& body);
  // The number of steps, once the operands are known to have enough rows.
  int64_t check_steps(std::span<const TensorView> inputs) const;
  // How many rows a state has after so many steps, the initial ones included.
  int64_t all_rows(int state, int64_t steps) const;
  void row_views(std::span<const TensorView> inputs);
  [[noreturn]] void fail_state_shape(int state, const Dims& initial, const Dims& fresh) const;
  [[noreturn]] void rethrow_at(const Error& e, int64_t step) const;

  const Scan& scan_;
  const Program& body_;
  Context context_;
  std::vector<int64_t> first_rows_;  // of each state
  std::vector<TensorView> rows_;     // the body's operands
  std::vector<Dims> row_strides_;    // of states' rows, as they lie in the outputs
};

}  // namespace phintys::runtime

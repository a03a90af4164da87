// What is computed after a loop from the rows that it stores.
#pragma once

#include <vector>

#include "passes/loops/lift.h"
#include "passes/loops/loop.h"

namespace phintys {

// Expressions of rows that a loop reads or stores. Rows that it is to store in future are
// placeholders in them, until Loop::replace() puts the outputs of the new loop there.
class Outside {
 public:
  explicit Outside(Loop* loop);

  Lifter& lifter() { return lifter_; }
  // All rows of a value of the body, from sequences and stored rows: null if that is not cheap.
  Lifted stored(const Var& inside) { return lifter_.lift_cheaply(inside); }
  // Whether the rows of a value of the body could be stored: they have one shape as far as can be
  // told, because no length in what computes it is a value that differs from step to step.
  bool has_steady_shape(const Var& inside) const;
  // As stored(); the loop is made to emit what is missing, which must have a steady shape.
  Lifted rows_of(const Var& inside);
  // A variable for the output of a state that stays, of which the old output becomes another value.
  Var state_output(Loop::State* state);

 private:
  Var placeholder(Type type);

  Loop& loop_;
  Lifter lifter_;
  std::vector<Var> placeholders_;
};

}  // namespace phintys

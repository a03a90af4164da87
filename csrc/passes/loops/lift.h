// What a loop's body computes in each step, computed for all steps at once.
#pragma once

#include <cstdint>
#include <utility>

#include "base/id_map.h"
#include "graph/graph.h"

namespace phintys {

// A value of the body as seen from outside: of all steps, with the time as its first axis, or the
// same in each step.
struct Lifted {
  Var value;
  bool timed = false;
  explicit operator bool() const { return static_cast<bool>(value); }
};

// Op by op, if all operands are known: elementwise ops, reductions, products, views, and whatever
// does not change from step to step. Ops that may fail are not lifted: a loop of no steps would not
// have run them.
class Lifter {
 public:
  explicit Lifter(Var steps) : steps_(std::move(steps)) {}

  // Null: forgets the variable.
  void put(const Variable* inside, Lifted outside) {
    *known_.insert(inside->id(), {}).first = std::move(outside);
  }
  // What is known of a variable: literals are themselves; null if nothing.
  Lifted find(const Variable* inside) const;
  // Lifts what a node computes, which is then known; null if that cannot be done.
  Lifted lift(const Apply& node);
  // Lifts what lies between `v` and what is known, unless it is costly or larger than what it is
  // made of; null if that cannot be done.
  Lifted lift_cheaply(const Var& v);

 private:
  Var steps_;
  IdMap<Lifted> known_;
};

// The type of many rows of `row`.
Type rows_type(const Type& row);
// Elements of a row of this type; unknown lengths are guessed.
int64_t row_elements(const Type& type);
// Neither computes nor copies elements.
bool is_loop_view(const Op& op);
// An elementwise op that takes longer than what memory takes.
bool is_costly_elementwise(const Op& op);
// The rows of a sequence that the loop reads.
Var sequence_rows(const Var& x, const Var& steps);
// If x has the rows of another array, last one first: these, first one first. Else null.
Var forward_rows(const Var& x);
// True only if x (if it is not null) surely has as many rows as there are steps, and there cannot
// be less than none.
bool surely_has_rows(const Var& x, const Var& steps);
// Whether a body's variable of type `inside` may stand for `outside`, or for its rows.
bool stands_for(const Type& inside, const Type& outside, bool rows);

}  // namespace phintys

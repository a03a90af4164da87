// Building a loop of parts, for gradients.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/variable.h"

namespace phintys {

struct LoopSettings;

// The parts of a Scan whose states each have one tap and keep their last rows only.
struct LoopBuilder {
  struct State {
    Var first;    // initial rows, -tap of them
    int64_t tap;  // negative
    Var row;      // the body's input
    Var next;     // the body's output
  };
  std::vector<State> states;
  std::vector<std::pair<Var, Var>> sequences, constants;  // operand, the body's input
  std::vector<Var> emitted;                               // the body's outputs

  bool recompute = false;
  std::shared_ptr<const LoopSettings> settings;

  // Adds a part; returns where it is among the outputs (states come first).
  Var add_state(Var first, int64_t tap);  // `next` is still to be set
  void add_sequence(Var operand, Var row) { sequences.emplace_back(std::move(operand), row); }
  void add_constant(Var operand, Var inner) { constants.emplace_back(std::move(operand), inner); }

  // The outputs: last rows of the states, then the emitted rows.
  std::vector<Var> build(const Var& n_steps, std::string label) const;
};

// The type of the rows of `type`, knowing of lengths at most which are 1.
Type row_pattern(const Type& type);

}  // namespace phintys

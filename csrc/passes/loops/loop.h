// A Scan node taken apart, so that passes can change it and put it together again.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "ops/control/scan.h"

namespace phintys {

// `inside` variables belong to the body: to the InnerGraph of the node, or to what a pass built of
// them. A variable that some node computes may be made a row or a constant of the body: what
// computed it is then cut off.
struct Loop {
  struct State {
    std::vector<int64_t> taps;
    bool keep = true;
    Var initial;
    std::vector<Var> reads;       // inside: one for each tap
    Var fresh;                    // inside
    std::vector<Variable*> rows;  // outputs that it replaces; none if the state is new
  };
  struct Sequence {
    Var rows;
    Var row;  // inside
  };
  struct Constant {
    Var outer;
    Var inside;
  };
  struct Emitted {
    Var value;                      // inside
    std::vector<Variable*> stacks;  // outputs of the node that it stands for; none if it is new
  };

  // `apart`: with a body of its own, which may be joined with that of another node.
  explicit Loop(Apply* node, bool apart = false);

  // The node's number of steps, and whether (inside) this step is the last.
  Var steps, condition;
  Variable* ran = nullptr;  // the output that says how many steps ran
  std::vector<State> states;
  std::vector<Sequence> sequences;
  std::vector<Constant> constants;
  std::vector<Emitted> emitted;

  // Everything the body computes: fresh rows of states, emitted values, the condition.
  std::vector<Var> results() const;
  // Drops what no output in use depends on: emitted values, states, operands.
  void drop_unused(const Graph& graph);
  // One of each where operands, states or emitted values are the same; equal parts of the body
  // become one.
  void unify();
  // One node with these parts.
  Ref<Apply> build() const;
  // Puts a new node in the place of the old one: outputs in use are replaced. The new node.
  Ref<Apply> replace(Graph& graph) const;
  // Where the parts are among the outputs of a node that build() made.
  int rows_output(size_t state) const { return static_cast<int>(state); }
  int stack_output(size_t k) const { return static_cast<int>(states.size() + k); }

  Apply* node;
  const Scan& scan;

 private:
  std::vector<Var> operands() const;
  void set_body(const InnerGraph& body);
  bool unify_operands();
  void unify_states();

  Ref<const InnerGraph> body_;  // keeps what is inside alive
};

// The Scan that a node applies, or null.
inline const Scan* as_scan(const Apply* node) {
  return node ? dynamic_cast<const Scan*>(&node->op()) : nullptr;
}

}  // namespace phintys

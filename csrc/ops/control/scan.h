// Loops.
//
// A Scan runs a graph once a step. All forms of recurrence that users write become one: a state is
// an array with one row a step, of which the body reads earlier rows (its taps) and writes the next
// one; a sequence is an array of which each step reads the next row; what a step emits becomes a
// row of an output. Several taps of a sequence are several sequences, that is, views of one array
// that start at different rows; walking backwards is a view with step -1. The gradient of a Scan is
// another one (scan_grad.cpp), so that every order of derivative exists.
#pragma once

#include <memory>
#include <mutex>

#include "graph/inner_graph.h"
#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// How the user wants a loop to be compiled and measured.
struct LoopSettings {
  // The passes that the body goes through, and whether it is fused; an empty name: as the graph
  // around it.
  std::string pipeline;
  std::vector<std::string> excluded;
  bool fuse = true;
  // Name of the profile to collect; empty: none.
  std::string profile;

  bool own_passes() const { return !pipeline.empty(); }
  bool operator==(const LoopSettings&) const = default;
};

// Inputs of the node: number of steps (int64 scalar); for each state its first rows; the sequences;
// the constants (Theano: non-sequences). Inputs of the body: for each state the row at each of its
// taps; the sequences' current rows; the constants. Outputs of the body: each state's new row; what
// it emits; the condition to stop after this step (if `until`). Outputs of the node: for each state
// its rows, the first ones included (or only the last ones, if not kept); for each emitted value
// its rows; the number of steps that ran (if `until`; rows after them have no meaning).
class Scan final : public OpBase<Scan> {
 public:
  static constexpr const char* kName = "scan";
  static constexpr OpDoc doc{
      .signature = "(n_steps, states..., sequences..., constants...) -> rows...",
      .dtypes = "all",
      .reference = "the same loop in Python"};

  Ref<const InnerGraph> graph;
  // For each state: how many taps, then those, each negative: -1 is the row of the step before.
  std::vector<int64_t> taps;
  // For each state: 1 if all rows are kept, 0 if only the last -min(taps).
  std::vector<int64_t> keep;
  int64_t n_sequences = 0;
  int64_t n_emitted = 0;
  bool until = false;
  int64_t truncate = -1;   // the gradient goes back at most this many steps; -1: all
  bool recompute = false;  // the gradient stores states only, and computes other values again
  std::string label;       // the user's name for the loop

  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("graph", s.graph);
    field("taps", s.taps);
    field("keep", s.keep);
    field("n_sequences", s.n_sequences);
    field("n_emitted", s.n_emitted);
    field("until", s.until);
    field("truncate", s.truncate);
    field("recompute", s.recompute);
    field("label", s.label);
  }
  void check_attributes() const;

  const char* summary() const override { return "Runs a graph once for each step of a loop."; }
  bool equal(const Op& other) const override;
  uint64_t hash() const override;
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 1; }
  // The runtime lays out and runs loops itself (runtime/loop.h).
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  std::span<const Ref<const InnerGraph>> inner() const override { return {&graph, 1}; }
  Ref<const Op> with_inner(std::vector<Ref<const InnerGraph>> graphs) const override;

  int n_states() const { return static_cast<int>(keep.size()); }
  // Taps of a state, as given.
  std::span<const int64_t> taps_of(int state) const;
  // How many rows back the oldest tap of a state reaches: its number of initial rows.
  int64_t rows_of(int state) const;
  bool keeps_all(int state) const { return keep[static_cast<size_t>(state)] != 0; }
  int n_taps() const { return static_cast<int>(taps.size() - keep.size()); }
  int n_constants() const {
    return static_cast<int>(graph->inputs().size()) - n_taps() - static_cast<int>(n_sequences);
  }
  // Where things are among the inputs of the node,
  int state_input(int state) const { return 1 + state; }
  int sequence_input(int sequence) const { return 1 + n_states() + sequence; }
  int constant_input(int constant) const { return sequence_input(0) + int(n_sequences) + constant; }
  // among the inputs of the body,
  int first_tap(int state) const;
  int row_of_sequence(int sequence) const { return n_taps() + sequence; }
  int inner_constant(int constant) const { return n_taps() + int(n_sequences) + constant; }
  // and among the outputs of either.
  int emitted_output(int emitted) const { return n_states() + emitted; }
  int steps_output() const { return n_states() + static_cast<int>(n_emitted); }

  // The op that this one computes all outputs of, in the same places, besides further ones; set on
  // loops that save intermediate values for a gradient, so that one of the two runs. No attribute:
  // it says nothing about what the op computes.
  Ref<const Op> extends;
  // Null: nothing was asked for. No attribute either, so in no file; gradients and loops that
  // passes make of this one have the same.
  std::shared_ptr<const LoopSettings> settings;
  bool same_settings(const Scan& other) const;
  Ref<const Scan> with_settings(LoopSettings settings) const;
  bool has_own_passes() const { return settings && settings->own_passes(); }

 private:
  // Which outputs of the node depend on which of its inputs, differentiably; made when first asked.
  mutable std::once_flag reach_once_;
  mutable std::vector<bool> reach_;  // [input * n_outputs + output]
  void find_reach() const;
  // Parts of infer_shape (scan_shape.cpp).
  std::vector<Var> emitted_shape(const Apply& node, int output) const;
  Var lifted(const Apply& node, const Var& inner) const;
};

// Which input of a node is input `input` of graph number `graph` inside its op; -1 if none is.
int outer_input(const Apply& node, int graph, int input);

// Whether `length`, which Scan::infer_shape gave for the node, is more than the question again.
bool tells_length(const Apply& node, const Var& length);

}  // namespace phintys

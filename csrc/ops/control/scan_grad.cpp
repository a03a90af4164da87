// The gradient of a loop is a loop.
//
// It walks the steps backwards. In step t, the slope of what the step emitted and of each state's
// new row goes through the body's gradient, which gives the slopes of what the step read. Of these,
// the slope of a state's row at tap -j belongs to a row that was new j steps earlier; so it is a
// state of the backward loop with the tap -j: the backward step that needs it reads it where it
// is. Slopes of the sequences' rows are emitted, those of the constants are added up in states.
//
// What the backward loop reads of the forward loop's values are sequences: the rows of states, and
// other values that the forward loop is extended to emit (residuals.h chooses them).

#include <algorithm>

#include "base/id_map.h"
#include "graph/print.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/control/ifelse.h"
#include "ops/control/loop_builder.h"
#include "ops/control/residuals.h"
#include "ops/control/row_views.h"
#include "ops/control/scan.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

size_t at(int i) { return static_cast<size_t>(i); }

// Which inputs of a graph an output depends on, differentiably, not through discrete values.
std::vector<bool> reached_inputs(const InnerGraph& graph, const Var& output) {
  IdMap<bool> reached;
  auto reach = [&](const Variable* v) { reached.insert(v->id(), true); };
  reach(output.get());
  for (size_t k = graph.nodes().size(); k-- > 0;) {
    const Apply& node = *graph.nodes()[k];
    for (int o = 0; o < node.nout(); ++o) {
      if (!reached.contains(node.output(o)->id()) || is_discrete(node.output(o)->dtype())) continue;
      for (int i = 0; i < node.nin(); ++i)
        if (node.op().connected(i, o)) reach(node.input(i));
    }
  }
  std::vector<bool> result;
  for (const Var& v : graph.inputs()) result.push_back(reached.contains(v->id()));
  return result;
}

class LoopGradient {
 public:
  LoopGradient(const Scan& op, const GradArgs& args)
      : op_(op), args_(args), n_states_(op.n_states()), result_(args.inputs.size()) {}

  std::vector<Var> run() {
    read_grads();
    body_ = args_.tools.stabilized(*op_.graph);
    choose_live();
    differentiate();
    if (needs_loop()) {
      make_joint();
      extend_forward();
      build_backward();
    }
    finish();
    return std::move(result_);
  }

 private:
  int n_rows() const { return n_states_ + static_cast<int>(op_.n_emitted); }
  bool is_state(int output) const { return output < n_states_; }
  bool wanted(int input) const { return args_.wants(at(input)); }
  // The node's input behind an input of the body.
  int outer_input(int inner) const {
    for (int c = 0; c < n_states_; ++c)
      if (inner < op_.first_tap(c) + static_cast<int>(op_.taps_of(c).size()))
        return op_.state_input(c);
    return op_.sequence_input(0) + inner - op_.n_taps();
  }

  // --- what takes part ---------------------------------------------------------------------------

  void read_grads() {
    for (int o = 0; o < n_rows(); ++o) {
      const Var& g = args_.grads[at(o)];
      const bool flows = g && !is_discrete(args_.outputs[at(o)].dtype()) && !is_zero(g);
      const Var start = flows && is_state(o) ? slope_at_start(o, g) : Var();
      grads_.push_back(flows && !start ? g : Var());
      starts_.push_back(start);
    }
  }
  bool given(int output) const { return grads_[at(output)] || starts_[at(output)]; }

  // The slopes of a state's last rows, last one first, if no other rows have one; else null.
  Var slope_at_start(int state, const Var& g) const {
    if (!op_.keeps_all(state)) return reversed_rows(g, 0, 0);
    const Var last =
        last_row_of_slope(g, op_.until ? args_.outputs[at(op_.steps_output())] : Var());
    if (!last) return Var();
    const int64_t n = op_.rows_of(state);
    const Var& rows = args_.inputs[at(op_.state_input(state))];
    if (n == 1) return pad_left(last, rows.ndim());
    return inc_subtensor(zero_rows(rows, n), last, {IndexEntry::integer(IndexSlot::of(0))}, {},
                         true);
  }
  // n rows of zeros like those of a state.
  static Var zero_rows(const Var& rows, int64_t n) {
    std::vector<Var> dims = shape_list(rows);
    dims[0] = constant_int(n);
    return alloc(constant(0.0, rows.dtype()), dims);
  }

  // Outputs of the body whose slopes can be nonzero and matter for what is wanted.
  void choose_live() {
    std::vector<std::vector<bool>> reach;
    for (int o = 0; o < n_rows(); ++o)
      reach.push_back(is_discrete(body_->outputs()[at(o)].dtype())
                          ? std::vector<bool>(body_->inputs().size())
                          : reached_inputs(*body_, body_->outputs()[at(o)]));
    std::vector<bool> sloped, useful;
    for (int o = 0; o < n_rows(); ++o) {
      bool use = false;
      for (size_t i = 0; i < body_->inputs().size(); ++i)
        use = use || (reach[at(o)][i] && wanted(outer_input(static_cast<int>(i))));
      sloped.push_back(given(o));
      useful.push_back(use || (is_state(o) && wanted(op_.state_input(o))));
    }
    auto reads = [&](int o, int state) {
      if (is_discrete(body_->outputs()[at(state)].dtype())) return false;
      const int first = op_.first_tap(state);
      for (size_t k = 0; k < op_.taps_of(state).size(); ++k)
        if (reach[at(o)][at(first) + k]) return true;
      return false;
    };
    for (bool grew = true; grew;) {
      grew = false;
      for (int o = 0; o < n_rows(); ++o) {
        for (int c = 0; c < n_states_; ++c) {
          if (!reads(o, c)) continue;
          if (sloped[at(o)] && !sloped[at(c)]) grew = sloped[at(c)] = true;
          if (useful[at(c)] && !useful[at(o)]) grew = useful[at(o)] = true;
        }
      }
    }
    for (int o = 0; o < n_rows(); ++o) live_.push_back(sloped[at(o)] && useful[at(o)]);
  }

  // --- the gradient of one step ------------------------------------------------------------------

  // terms_[i]: the slope of the body's input i, as an expression of the body's variables and of
  // slopes_, or null.
  void differentiate() {
    for (bool settled = false; !settled;) {
      slopes_.assign(at(n_rows()), Var());
      std::vector<Var> outputs, given, wrt;
      for (int o = 0; o < n_rows(); ++o) {
        if (!live_[at(o)]) continue;
        slopes_[at(o)] = make_variable(row_pattern(args_.outputs[at(o)].type()));
        outputs.push_back(body_->outputs()[at(o)]);
        given.push_back(slopes_[at(o)]);
      }
      std::vector<size_t> places;
      for (size_t i = 0; i < body_->inputs().size(); ++i) {
        if (!takes_part(static_cast<int>(i))) continue;
        wrt.push_back(body_->inputs()[i]);
        places.push_back(i);
      }
      terms_.assign(body_->inputs().size(), Var());
      if (outputs.empty() || wrt.empty()) return;
      std::vector<Var> found = args_.tools.backward(outputs, given, wrt);
      for (size_t k = 0; k < found.size(); ++k)
        if (found[k] && !(found[k].type().is_tensor() && is_zero(found[k])))
          terms_[places[k]] = std::move(found[k]);
      settled = !drop_undefined() && !drop_dead();
    }
  }

  // True iff the slope of the body's input is asked for, or flows on to what is.
  bool takes_part(int inner) const {
    if (inner >= op_.n_taps())
      return wanted(outer_input(inner)) && !result_[at(outer_input(inner))];
    const int c = outer_input(inner) - op_.state_input(0);
    return live_[at(c)];
  }

  // What has no gradient, and all that it is added to.
  bool drop_undefined() {
    bool dropped = false;
    for (size_t i = 0; i < terms_.size(); ++i) {
      if (!terms_[i] || terms_[i].type().is_tensor()) continue;
      const int outer = outer_input(static_cast<int>(i));
      const std::string why = "In the loop: " + terms_[i].type().why();
      auto undefine = [&](int input) {
        if (result_[at(input)]) return;
        result_[at(input)] = undefined_grad(op_, input, to_string(*args_.inputs[at(input)]), why);
      };
      terms_[i] = Var();
      undefine(outer);
      if (outer >= op_.sequence_input(0)) continue;
      const int c = outer - op_.state_input(0);
      for (int input = 1; input < static_cast<int>(args_.inputs.size()); ++input)
        if (op_.connected(input, c)) undefine(input);
      dropped = dropped || live_[at(c)];
      live_[at(c)] = false;
    }
    return dropped;
  }

  // States that were thought to get slopes, and do not.
  bool drop_dead() {
    bool dropped = false;
    for (int c = 0; c < n_states_; ++c) {
      if (!live_[at(c)] || given(c)) continue;
      bool fed = false;
      for (size_t k = 0; k < op_.taps_of(c).size(); ++k)
        fed = fed || terms_[at(op_.first_tap(c)) + k];
      if (fed) continue;
      live_[at(c)] = false;
      dropped = true;
    }
    return dropped;
  }

  // False iff the gradients of initial rows are rows of what is given, and all others are zero.
  bool needs_loop() const {
    for (int c = 0; c < n_states_; ++c)
      if (starts_[at(c)] && live_[at(c)]) return true;
    for (const Var& term : terms_)
      if (term) return true;
    return false;
  }

  // --- what the forward loop stores --------------------------------------------------------------

  // One graph of the body and its gradient, simplified as a whole.
  void make_joint() {
    std::vector<Var> inputs = body_->inputs(), outputs = body_->outputs();
    for (const Var& slope : slopes_)
      if (slope) inputs.push_back(slope);
    for (const Var& term : terms_)
      if (term) outputs.push_back(term);
    joint_ = args_.tools.stabilized(*InnerGraph::make(inputs, outputs));
    size_t next = body_->inputs().size();
    for (Var& slope : slopes_)
      if (slope) slope = joint_->inputs()[next++];
    next = body_->outputs().size();
    for (Var& term : terms_)
      if (term) term = joint_->outputs()[next++];
    forward_inputs_.assign(joint_->inputs().begin(),
                           joint_->inputs().begin() + std::ptrdiff_t(body_->inputs().size()));
    forward_outputs_.assign(joint_->outputs().begin(),
                            joint_->outputs().begin() + std::ptrdiff_t(body_->outputs().size()));
  }

  // Where the rows of a value lie: in output `output` of the forward loop (for a state, `first`
  // rows after its beginning), or in the sequence `output`.
  struct Place {
    int output = -1;
    int64_t first = 0;
    bool sequence = false;
  };

  // Where the rows of states, sequences and emitted values are; `all_states`: also of states of
  // which only the last rows are kept.
  IdMap<Place> known_places(bool all_states) const {
    IdMap<Place> places;
    for (int s = 0; s < op_.n_sequences; ++s)
      places.insert(forward_inputs_[at(op_.row_of_sequence(s))]->id(), {s, 0, true});
    for (int c = 0; c < n_states_; ++c) {
      if (!all_states && !op_.keeps_all(c)) continue;
      const int64_t first = op_.rows_of(c);
      for (size_t k = 0; k < op_.taps_of(c).size(); ++k)
        places.insert(forward_inputs_[at(op_.first_tap(c)) + k]->id(),
                      {c, first + op_.taps_of(c)[k], false});
      places.insert(forward_outputs_[at(c)]->id(), {c, first, false});
    }
    for (int e = op_.emitted_output(0); e < n_rows(); ++e)
      places.insert(forward_outputs_[at(e)]->id(), {e, 0, false});
    return places;
  }

  // Finds the values that the backward loop reads, and the loop that stores them.
  void extend_forward() {
    IdMap<bool> stored;
    const IdMap<Place> kept = known_places(false);
    for (const std::vector<Var>* list : {&forward_inputs_, &forward_outputs_})
      for (const Var& v : *list)
        if (kept.contains(v->id())) stored.insert(v->id(), true);
    residuals_ = residuals_of({*joint_, forward_inputs_.size(), at(op_.n_constants()),
                               forward_outputs_.size(), stored, op_.recompute});
    places_ = known_places(true);
    std::vector<int64_t> keep = op_.keep;
    std::vector<Var> outputs(forward_outputs_.begin(), forward_outputs_.begin() + n_rows());
    for (const Var& v : residuals_.rows) {
      const Place* place = places_.find(v->id());
      if (!place) {
        places_.insert(v->id(), {static_cast<int>(outputs.size()), 0, false});
        outputs.push_back(v);
      } else if (!place->sequence && is_state(place->output)) {
        keep[at(place->output)] = 1;
      }
    }
    forward_ = &op_;
    forward_rows_.assign(args_.outputs.begin(), args_.outputs.end());
    if (keep == op_.keep && outputs.size() == at(n_rows())) return;
    const int64_t added = static_cast<int64_t>(outputs.size()) - n_rows();
    if (op_.until) outputs.push_back(forward_outputs_.back());
    auto extended = make_ref<Scan>();
    extended->graph = InnerGraph::make(forward_inputs_, outputs);
    extended->taps = op_.taps;
    extended->keep = std::move(keep);
    extended->n_sequences = op_.n_sequences;
    extended->n_emitted = op_.n_emitted + added;
    extended->until = op_.until;
    extended->truncate = op_.truncate;
    extended->recompute = op_.recompute;
    extended->label = op_.label;
    extended->settings = op_.settings;
    extended->extends = args_.node.op_ref();
    forward_ = extended.get();
    forward_rows_ = apply_multi(extended, {args_.inputs.begin(), args_.inputs.end()});
  }

  // --- the backward loop -------------------------------------------------------------------------

  // Rows first, first + 1, ... of the forward loop, last one first.
  Var backwards(const Place& place) const {
    if (place.sequence)
      return reversed_rows(args_.inputs[at(op_.sequence_input(place.output))], 0, steps_);
    const Var& rows = forward_rows_[at(place.output)];
    const int64_t extra = is_state(place.output) ? op_.rows_of(place.output) : 0;
    return op_.until ? reversed_rows(rows, place.first, steps_)
                     : reversed_rows(rows, place.first, place.first - extra);
  }

  void build_backward() {
    steps_ = op_.until ? forward_rows_[at(forward_->steps_output())] : args_.inputs[0];
    runs_ = steps_;
    if (op_.truncate >= 0) {
      runs_ = minimum(constant_int(op_.truncate), steps_);
      skipped_ = steps_ - runs_;
    }
    states_of_tap_.assign(at(op_.n_taps()), -1);
    for (int o = 0; o < n_rows(); ++o)
      if (slopes_[at(o)]) slope_of(o);
    for (size_t i = at(op_.n_taps()); i < terms_.size(); ++i) add_term(static_cast<int>(i));
    for (const Var& v : residuals_.rows) loop_.add_sequence(backwards(*places_.find(v->id())), v);
    VarMap outer;
    for (int k = 0; k < op_.n_constants(); ++k)
      outer[forward_inputs_[at(op_.inner_constant(k))].get()] =
          args_.inputs[at(op_.constant_input(k))];
    add_models(&outer);
    const std::vector<Var> values = clone_graph(residuals_.invariant, outer);
    for (size_t k = 0; k < values.size(); ++k)
      loop_.add_constant(values[k], residuals_.invariant[k]);
    for (const Var& v : residuals_.models)
      loop_.add_constant(index_scalar(args_.inputs[at(state_of_tap(v))], 0), v);
    complete_body();
    const std::string label = op_.label.empty() ? "" : "grad_of_" + op_.label;
    loop_.recompute = op_.recompute;
    loop_.settings = op_.settings;
    outputs_ = loop_.build(runs_, label);
    if (hides_lengths(*joint_))
      shapes_ = outputs_[0]->owner()->op().infer_shape(*outputs_[0]->owner());
  }

  // False only if lengths follow from those of the body's inputs in every op.
  static bool hides_lengths(const InnerGraph& graph) {
    for (const Apply* node : graph.nodes()) {
      const Op& op = node->op();
      if (op.opaque() || !op.inner().empty() || dynamic_cast<const IfElse*>(&op)) return true;
      for (int i = 0; i < node->nin(); ++i)
        if ((op.shape_inputs() >> std::min(i, 63) & 1) && !node->input(i)->is_constant())
          return true;
    }
    return false;
  }

  // Invariant values may look at the shapes of rows: what stands for these outside.
  void add_models(VarMap* outer) const {
    for (const Var& v : graph_inputs(residuals_.invariant)) {
      const auto found = std::find(forward_inputs_.begin(), forward_inputs_.end(), v);
      const int i = static_cast<int>(found - forward_inputs_.begin());
      if (i >= op_.inner_constant(0)) continue;
      std::vector<Var> dims = shape_list(args_.inputs[at(outer_input(i))]);
      dims.erase(dims.begin());
      (*outer)[v.get()] = alloc(constant(0.0, v.dtype()), dims);
    }
  }

  // The node's input for the state that an input of the joint graph is a tap of.
  int state_of_tap(const Var& v) const {
    const auto found = std::find(forward_inputs_.begin(), forward_inputs_.end(), v);
    return outer_input(static_cast<int>(found - forward_inputs_.begin()));
  }

  // Says what the slope of an output of the body is in each backward step.
  void slope_of(int o) {
    const Var& g = grads_[at(o)];
    Var sum;
    auto add = [&](const Var& v) { sum = sum ? sum + v : v; };
    if (g) {
      const Var row = make_variable(row_pattern(g.type()));
      const int64_t first = is_state(o) ? op_.rows_of(o) : 0;
      loop_.add_sequence(op_.until ? reversed_rows(g, first, steps_) : reversed_rows(g, first, 0),
                         row);
      add(row);
    }
    if (is_state(o)) {
      const std::span<const int64_t> taps = op_.taps_of(o);
      for (size_t k = 0; k < taps.size(); ++k) {
        const size_t i = at(op_.first_tap(o)) + k;
        const Var start = taps[k] == -op_.rows_of(o) ? starts_[at(o)] : Var();
        if (terms_[i] || start) add(add_tap(o, i, taps[k], start));
      }
    }
    slope_values_[slopes_[at(o)].get()] = sum;
  }

  Var add_tap(int state, size_t inner, int64_t tap, const Var& start) {
    const Var first = start ? start : zero_rows(args_.inputs[at(op_.state_input(state))], -tap);
    const Type type = row_pattern(args_.outputs[at(state)].type());
    states_of_tap_[inner] = static_cast<int>(loop_.states.size());
    loop_.states.push_back({first, tap, make_variable(type), terms_[inner]});
    return loop_.states.back().row;
  }

  void add_term(int inner) {
    if (!terms_[at(inner)]) return;
    if (inner < op_.inner_constant(0)) {
      loop_.emitted.push_back(terms_[at(inner)]);
      return;
    }
    const Var& x = args_.inputs[at(outer_input(inner))];
    std::vector<Var> dims = shape_list(x);
    dims.insert(dims.begin(), constant_int(1));
    const Var row = loop_.add_state(alloc(constant(0.0, grad_dtype(*x)), dims), -1);
    loop_.states.back().next = row + terms_[at(inner)];
  }

  // The slopes in the body's expressions become what they are.
  void complete_body() {
    std::vector<Var> values;
    for (const LoopBuilder::State& s : loop_.states)
      values.push_back(s.next ? s.next : zeros_like(s.row));
    values.insert(values.end(), loop_.emitted.begin(), loop_.emitted.end());
    VarMap map = slope_values_;
    // What the loop reads is not to be computed again.
    for (const auto* list : {&residuals_.rows, &residuals_.invariant, &residuals_.models})
      for (const Var& v : *list) map.emplace(v.get(), v);
    values = clone_graph(values, map);
    for (size_t k = 0; k < values.size(); ++k)
      (k < loop_.states.size() ? loop_.states[k].next : loop_.emitted[k - loop_.states.size()]) =
          values[k];
  }

  // --- the result --------------------------------------------------------------------------------

  void finish() {
    for (int c = 0; c < n_states_; ++c)
      if (open(op_.state_input(c))) result_[at(op_.state_input(c))] = initial_gradient(c);
    size_t state = 0, row = loop_.states.size();
    for (int t : states_of_tap_) state += t >= 0;
    for (int i = op_.n_taps(); i < static_cast<int>(terms_.size()); ++i) {
      if (!terms_[at(i)]) continue;
      const int outer = outer_input(i);
      result_[at(outer)] = i < op_.inner_constant(0) ? sequence_gradient(outer, outputs_[row++])
                                                     : index_scalar(outputs_[state++], 0);
    }
    for (int i = 1; i < static_cast<int>(args_.inputs.size()); ++i) {
      if (!open(i)) continue;
      for (int o = 0; o < n_rows() && !result_[at(i)]; ++o)
        if (args_.grads[at(o)] && op_.connected(i, o))
          result_[at(i)] = zero_grad_for(args_.inputs[at(i)]);
    }
  }
  bool open(int input) const { return wanted(input) && !result_[at(input)]; }

  Var initial_gradient(int c) {
    const int64_t n = op_.rows_of(c);
    const Var& rows = args_.inputs[at(op_.state_input(c))];
    Var sum = grads_[at(c)] ? slice_axis(grads_[at(c)], 0, Var(), constant_int(n)) : Var();
    for (size_t k = 0; k < op_.taps_of(c).size() && !states_of_tap_.empty(); ++k) {
      const int state = states_of_tap_[at(op_.first_tap(c)) + k];
      if (state < 0) continue;
      // The last rows, earliest step first: from row n - |tap| on, if all steps were walked.
      const int64_t tap = op_.taps_of(c)[k];
      const Var part = reversed_rows(outputs_[at(state)], 0, 0);
      if (!skipped_ && tap == -n) {
        sum = sum ? sum + part : part;
        continue;
      }
      if (!sum) sum = zero_grad_for(rows);
      Var start = constant_int(n + tap);
      if (skipped_) start = minimum(skipped_ + start, constant_int(n));
      sum = inc_subtensor(sum, slice_axis(part, 0, Var(), constant_int(n) - start),
                          {IndexEntry::slice(IndexSlot::next_input())}, {start});
    }
    return sum;
  }

  // Slopes of the rows of x, with the lengths of these. Where no op of the body tells that, a loop
  // of no steps emits rows of other lengths.
  Var told(const Var& emitted, const Var& x) const {
    if (shapes_.empty()) return emitted;
    const std::vector<Var>& shape = shapes_[at(emitted->index())];
    const bool all = std::all_of(shape.begin(), shape.end(), [&](const Var& length) {
      return tells_length(*emitted->owner(), length);
    });
    if (all) return emitted;
    std::vector<Var> dims = shape_list(x);
    dims[0] = runs_;
    return reshape(emitted, dims);
  }

  // Rows that the loop did not use have slope zero.
  Var sequence_gradient(int outer, const Var& emitted) const {
    const Var& x = args_.inputs[at(outer)];
    const Var rows = reversed_rows(told(emitted, x), 0, 0);
    if (!skipped_ && !op_.until && has_rows(x, steps_)) return rows;
    const IndexEntry part = IndexEntry::slice(IndexSlot::next_input(), IndexSlot::next_input());
    const Var start = skipped_ ? skipped_ : constant_int(0);
    return inc_subtensor(zero_grad_for(x), rows, {part}, {start, steps_}, true);
  }

  const Scan& op_;
  const GradArgs& args_;
  const int n_states_;
  std::vector<Var> result_;
  // Of the node's outputs: slopes of all rows, or of the last ones only; null where nothing flows.
  std::vector<Var> grads_, starts_;
  Ref<const InnerGraph> body_;
  std::vector<bool> live_;  // by output of the body
  std::vector<Var> slopes_, terms_;
  Ref<const InnerGraph> joint_;
  std::vector<Var> forward_inputs_, forward_outputs_;  // of the joint graph
  Residuals residuals_;
  IdMap<Place> places_;
  const Scan* forward_ = nullptr;
  std::vector<Var> forward_rows_;  // outputs of the forward loop
  Var steps_, runs_, skipped_;     // of the forward loop; of the backward loop; null if none
  LoopBuilder loop_;
  std::vector<int> states_of_tap_;  // by input of the body; -1: none
  VarMap slope_values_;
  std::vector<Var> outputs_;              // of the backward loop
  std::vector<std::vector<Var>> shapes_;  // of these; empty if the body surely tells all lengths
};

}  // namespace

std::vector<Var> Scan::grad(const GradArgs& args) const { return LoopGradient(*this, args).run(); }

}  // namespace phintys

#include "autodiff/backward.h"

#include <atomic>

#include "base/id_map.h"
#include "graph/inner_graph.h"
#include "graph/op.h"
#include "graph/print.h"
#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys::autodiff {

namespace {

std::atomic<Stabilizer> g_stabilizer{nullptr};

// What gradient rules of ops with a graph inside use.
class Tools final : public GradTools {
 public:
  std::vector<Var> backward(std::span<const Var> outputs, std::span<const Var> slopes,
                            std::span<const Var> wrt) const override {
    std::vector<Seed> seeds;
    for (size_t i = 0; i < outputs.size(); ++i) seeds.push_back({outputs[i], slopes[i], false});
    std::vector<Var> grads;
    for (Slope& s : autodiff::backward(seeds, wrt, {})) {
      grads.push_back(std::move(s.value));
      if (s.kind == SlopeKind::zero) grads.back() = zero_grad_for(wrt[grads.size() - 1]);
    }
    return grads;
  }
  Ref<const InnerGraph> stabilized(const InnerGraph& graph) const override {
    const Stabilizer f = g_stabilizer.load(std::memory_order_acquire);
    return f ? f(graph) : Ref<const InnerGraph>(&graph);
  }
};

class Sweep {
 public:
  Sweep(std::span<const Seed> seeds, std::span<const Var> wrt, std::span<const Var> constants) {
    std::vector<Var> roots;
    for (const Seed& s : seeds) roots.push_back(s.variable);
    order_ = toposort(roots, constants);
    number_variables(seeds, wrt, constants);
    mark_dependents();
    // Fixed seeds first: they shut out whatever else would be added to the same variable.
    for (const Seed& s : seeds) {
      if (!s.fixed) continue;
      plant(s);
      state_of(s.variable).fixed = true;
    }
    for (const Seed& s : seeds) {
      if (!s.fixed) plant(s);
    }
  }

  void run() {
    for (size_t n = order_.size(); n-- > 0;) visit(*order_[n], first_[n]);
  }

  Slope slope(const Var& v) {
    const State& state = state_of(v);
    return state.constant ? Slope{} : state.slope;
  }

 private:
  struct State {
    Slope slope;
    bool constant = false;  // gradients do not pass
    bool depends = false;   // on a variable of wrt, differentiably
    bool fixed = false;
  };

  // Gives every variable a number, so that the sweep itself looks nothing up: numbers_ holds, from
  // first_[n] on, those of the inputs and then of the outputs of node n.
  void number_variables(std::span<const Seed> seeds, std::span<const Var> wrt,
                        std::span<const Var> constants) {
    index_.reserve(order_.size() + order_.size() / 2 + 16);
    for (const Seed& s : seeds) number(s.variable.get());
    for (const Var& v : wrt) states_[number(v.get())].depends = true;
    for (const Var& v : constants) states_[number(v.get())].constant = true;
    for (const Apply* node : order_) {
      first_.push_back(numbers_.size());
      for (int i = 0; i < node->nin(); ++i) numbers_.push_back(number(node->input(i)));
      for (int o = 0; o < node->nout(); ++o) numbers_.push_back(number(node->output(o)));
    }
  }

  uint32_t number(const Variable* v) {
    const auto [at, fresh] = index_.insert(v->id(), static_cast<uint32_t>(states_.size()));
    if (fresh) states_.emplace_back();
    return *at;
  }

  State& state_of(const Var& v) { return states_[*index_.find(v->id())]; }

  // From the leaves up: which variables have one of wrt behind them.
  void mark_dependents() {
    for (size_t n = 0; n < order_.size(); ++n) {
      const Apply& node = *order_[n];
      const uint32_t* in = &numbers_[first_[n]];
      const uint32_t* out = in + node.nin();
      for (int i = 0; i < node.nin(); ++i) {
        if (!depends(in[i])) continue;
        for (int o = 0; o < node.nout(); ++o) {
          State& state = states_[out[o]];
          if (!state.depends && node.op().connected(i, o)) state.depends = true;
        }
      }
    }
  }

  bool depends(uint32_t k) const { return states_[k].depends && !states_[k].constant; }

  void plant(const Seed& seed) {
    const Var& v = seed.variable;
    State& state = state_of(v);
    if (!v.type().is_tensor()) fail(ErrorKind::type, "grad: ", to_string(*v), " is no tensor");
    if (!seed.slope || is_zero(seed.slope)) return add(state, {SlopeKind::zero, Var()});
    if (seed.slope.type().is_tensor() && seed.slope.ndim() != v.ndim()) {
      fail(ErrorKind::value, "the gradient given for ", to_string(*v), " has ", seed.slope.ndim(),
           " dimensions, the variable has ", v.ndim());
    }
    add(state, classify(seed.slope, v));
  }

  // What a gradient that an op or the user gave for `v` is, made to fit v's type.
  static Slope classify(const Var& g, const Var& v) {
    if (!g || g.type().kind() == TypeKind::disconnected) return {};
    if (g.type().kind() == TypeKind::null) return {SlopeKind::undefined, g};
    if (is_zero(g)) return {SlopeKind::zero, Var()};
    return {SlopeKind::value, conform(g, v)};
  }

  // The dtype of a gradient, and the lengths of 1 that v's type knows.
  static Var conform(const Var& g, const Var& v) {
    Var result = as_grad_of(g, v);
    Dims dims = result.type().shape();
    for (int i = 0; i < v.ndim(); ++i) {
      if (v.type().broadcastable(i)) dims[static_cast<size_t>(i)] = 1;
    }
    return specify_shape(result, dims);
  }

  static void add(State& state, Slope term) {
    if (state.fixed || term.kind == SlopeKind::none) return;
    Slope& sum = state.slope;
    if (sum.kind == SlopeKind::undefined || term.kind == SlopeKind::zero) {
      if (sum.kind == SlopeKind::none) sum = std::move(term);
      return;
    }
    if (sum.kind == SlopeKind::value && term.kind == SlopeKind::value) {
      sum.value = sum.value + term.value;
    } else {
      sum = std::move(term);
    }
  }

  void visit(const Apply& node, size_t first) {
    const size_t n_in = static_cast<size_t>(node.nin()), n_out = static_cast<size_t>(node.nout());
    bool wanted = false;
    for (size_t i = 0; i < n_in; ++i) wanted = wanted || depends(numbers_[first + i]);
    if (!wanted) return;
    std::vector<Slope> slopes;
    bool reached = false, all_zero = true;
    const Var* undefined = nullptr;
    for (size_t o = 0; o < n_out; ++o) {
      const State& state = states_[numbers_[first + n_in + o]];
      slopes.push_back(state.constant ? Slope{} : state.slope);
      Slope& s = slopes.back();
      if (s.kind == SlopeKind::value && is_discrete(node.output(static_cast<int>(o))->dtype())) {
        s = {SlopeKind::zero, Var()};  // nothing flows through a discrete value
      }
      reached = reached || s.kind != SlopeKind::none;
      all_zero = all_zero && s.kind <= SlopeKind::zero;
    }
    if (!reached) return;
    for (const Slope& s : slopes) {
      if (s.kind == SlopeKind::undefined) undefined = &s.value;
    }
    const LocationScope scope(node.loc);
    std::vector<Slope> terms(n_in);
    if (undefined) {
      terms.assign(n_in, {SlopeKind::undefined, *undefined});
    } else if (all_zero) {
      terms.assign(n_in, {SlopeKind::zero, Var()});
    } else {
      terms = call_op(node, first, slopes);
    }
    for (size_t i = 0; i < n_in; ++i) {
      const uint32_t k = numbers_[first + i];
      if (depends(k) && touches(node, static_cast<int>(i), slopes)) {
        add(states_[k], std::move(terms[i]));
      }
    }
  }

  // True iff input `i` is connected to an output that has a gradient.
  static bool touches(const Apply& node, int i, const std::vector<Slope>& slopes) {
    for (int o = 0; o < node.nout(); ++o) {
      if (slopes[static_cast<size_t>(o)].kind != SlopeKind::none && node.op().connected(i, o)) {
        return true;
      }
    }
    return false;
  }

  std::vector<Slope> call_op(const Apply& node, size_t first,
                             const std::vector<Slope>& slopes) const {
    std::vector<Var> outputs, grads;
    for (int o = 0; o < node.nout(); ++o) {
      outputs.push_back(node.out(o));
      const Slope& s = slopes[static_cast<size_t>(o)];
      grads.push_back(s.kind == SlopeKind::zero ? zero_grad_for(outputs.back()) : s.value);
    }
    const size_t n_in = static_cast<size_t>(node.nin());
    std::vector<uint8_t> wanted(n_in);
    for (size_t i = 0; i < n_in; ++i) wanted[i] = depends(numbers_[first + i]);
    const std::vector<Var> given =
        node.op().grad({node, node.inputs(), outputs, grads, Tools(), wanted});
    if (given.size() != n_in) {
      fail(ErrorKind::value, node.op().str(), ".grad returned ", given.size(), " terms for ", n_in,
           " inputs");
    }
    std::vector<Slope> terms(n_in);
    for (size_t i = 0; i < n_in; ++i) {
      const Var& input = node.inputs()[i];
      if (!depends(numbers_[first + i])) continue;
      if (given[i] && given[i].type().is_tensor() && given[i].ndim() != input.ndim()) {
        fail(ErrorKind::value, node.op().str(), ".grad returned a term with ", given[i].ndim(),
             " dimensions for input ", i, ", which has ", input.ndim());
      }
      terms[i] = classify(given[i], input);
    }
    return terms;
  }

  std::vector<Apply*> order_;
  std::vector<size_t> first_;
  std::vector<uint32_t> numbers_;
  std::vector<State> states_;  // by number
  IdMap<uint32_t> index_;      // by Variable::id
};

}  // namespace

void set_stabilizer(Stabilizer f) { g_stabilizer.store(f, std::memory_order_release); }

std::vector<Slope> backward(std::span<const Seed> seeds, std::span<const Var> wrt,
                            std::span<const Var> constants) {
  Sweep sweep(seeds, wrt, constants);
  sweep.run();
  std::vector<Slope> result;
  for (const Var& w : wrt) result.push_back(sweep.slope(w));
  return result;
}

}  // namespace phintys::autodiff

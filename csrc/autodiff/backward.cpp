#include "autodiff/backward.h"

#include <unordered_map>
#include <unordered_set>

#include "graph/op.h"
#include "graph/print.h"
#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys::autodiff {

namespace {

class Sweep {
 public:
  Sweep(std::span<const Seed> seeds, std::span<const Var> wrt, std::span<const Var> constants) {
    for (const Var& v : constants) constants_.insert(v.get());
    std::vector<Var> roots;
    for (const Seed& s : seeds) roots.push_back(s.variable);
    order_ = toposort(roots, constants);
    mark_dependents(wrt);
    // Fixed seeds first: they shut out whatever else would be added to the same variable.
    for (const Seed& s : seeds) {
      if (!s.fixed) continue;
      plant(s);
      states_[s.variable.get()].fixed = true;
    }
    for (const Seed& s : seeds) {
      if (!s.fixed) plant(s);
    }
  }

  void run() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) visit(**it);
  }

  Slope slope(const Var& v) {
    if (constants_.contains(v.get())) return {};
    const auto at = states_.find(v.get());
    return at == states_.end() ? Slope{} : at->second.slope;
  }

 private:
  struct State {
    Slope slope;
    bool depends = false;  // on a variable of wrt, differentiably
    bool fixed = false;
  };

  // From the leaves up: which variables have one of wrt behind them.
  void mark_dependents(std::span<const Var> wrt) {
    for (const Var& v : wrt) states_[v.get()].depends = true;
    for (const Apply* node : order_) {
      for (int o = 0; o < node->nout(); ++o) {
        if (constants_.contains(node->output(o))) continue;
        for (int i = 0; i < node->nin(); ++i) {
          if (!depends(node->input(i)) || !node->op().connected(i, o)) continue;
          states_[node->output(o)].depends = true;
          break;
        }
      }
    }
  }

  bool depends(const Variable* v) const {
    if (constants_.contains(v)) return false;
    const auto at = states_.find(v);
    return at != states_.end() && at->second.depends;
  }

  void plant(const Seed& seed) {
    const Var& v = seed.variable;
    if (!v.type().is_tensor()) fail(ErrorKind::type, "grad: ", to_string(*v), " is no tensor");
    if (!seed.slope || is_zero(seed.slope)) return add(v, {SlopeKind::zero, Var()});
    if (seed.slope.type().is_tensor() && seed.slope.ndim() != v.ndim()) {
      fail(ErrorKind::value, "the gradient given for ", to_string(*v), " has ",
           seed.slope.ndim(), " dimensions, the variable has ", v.ndim());
    }
    add(v, classify(seed.slope, v));
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
    Var result = cast(g, grad_dtype(*v));
    Dims dims = result.type().shape();
    for (int i = 0; i < v.ndim(); ++i) {
      if (v.type().broadcastable(i)) dims[static_cast<size_t>(i)] = 1;
    }
    return specify_shape(result, dims);
  }

  void add(const Var& v, Slope term) {
    State& state = states_[v.get()];
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

  void visit(const Apply& node) {
    const size_t n_in = static_cast<size_t>(node.nin());
    bool wanted = false;
    for (int i = 0; i < node.nin(); ++i) wanted = wanted || depends(node.input(i));
    if (!wanted) return;
    std::vector<Slope> slopes;
    bool reached = false, all_zero = true;
    const Var* undefined = nullptr;
    for (int o = 0; o < node.nout(); ++o) {
      slopes.push_back(slope(node.out(o)));
      Slope& s = slopes.back();
      if (s.kind == SlopeKind::value && is_discrete(node.output(o)->dtype())) {
        s = {SlopeKind::zero, Var()};  // nothing flows through a discrete value
      }
      reached = reached || s.kind != SlopeKind::none;
      all_zero = all_zero && s.kind <= SlopeKind::zero;
    }
    if (!reached) return;
    for (const Slope& s : slopes) {
      if (s.kind == SlopeKind::undefined) undefined = &s.value;
    }
    std::vector<Slope> terms(n_in);
    if (undefined || all_zero) {
      const Slope same = undefined ? Slope{SlopeKind::undefined, *undefined}
                                   : Slope{SlopeKind::zero, Var()};
      terms.assign(n_in, same);
    } else {
      const LocationScope scope(node.loc);
      terms = call_op(node, slopes);
    }
    for (int i = 0; i < node.nin(); ++i) {
      if (!depends(node.input(i)) || !touches(node, i, slopes)) continue;
      const LocationScope scope(node.loc);
      add(node.inputs()[static_cast<size_t>(i)], std::move(terms[static_cast<size_t>(i)]));
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

  std::vector<Slope> call_op(const Apply& node, const std::vector<Slope>& slopes) const {
    std::vector<Var> outputs, grads;
    for (int o = 0; o < node.nout(); ++o) {
      outputs.push_back(node.out(o));
      const Slope& s = slopes[static_cast<size_t>(o)];
      grads.push_back(s.kind == SlopeKind::zero ? zero_grad_for(outputs.back()) : s.value);
    }
    const std::vector<Var> given = node.op().grad({node, node.inputs(), outputs, grads});
    const size_t n_in = static_cast<size_t>(node.nin());
    if (given.size() != n_in) {
      fail(ErrorKind::value, node.op().str(), ".grad returned ", given.size(), " terms for ", n_in,
           " inputs");
    }
    std::vector<Slope> terms(n_in);
    for (size_t i = 0; i < n_in; ++i) {
      const Var& input = node.inputs()[i];
      if (!depends(input.get())) continue;
      if (given[i] && given[i].type().is_tensor() && given[i].ndim() != input.ndim()) {
        fail(ErrorKind::value, node.op().str(), ".grad returned a term with ", given[i].ndim(),
             " dimensions for input ", i, ", which has ", input.ndim());
      }
      terms[i] = classify(given[i], input);
    }
    return terms;
  }

  std::vector<Apply*> order_;
  std::unordered_map<const Variable*, State> states_;  // looked up, never walked
  std::unordered_set<const Variable*> constants_;
};

}  // namespace

std::vector<Slope> backward(std::span<const Seed> seeds, std::span<const Var> wrt,
                            std::span<const Var> constants) {
  Sweep sweep(seeds, wrt, constants);
  sweep.run();
  std::vector<Slope> result;
  for (const Var& w : wrt) result.push_back(sweep.slope(w));
  return result;
}

}  // namespace phintys::autodiff

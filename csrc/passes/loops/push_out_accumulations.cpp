#include <algorithm>
#include <numeric>

#include "base/id_map.h"
#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/dot.h"
#include "ops/elemwise.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"
#include "passes/loops/loop_passes.h"
#include "passes/loops/outside.h"
#include "passes/match.h"

namespace phintys {

namespace {

// Rows that are stored for a product may be this much larger than what is added up.
constexpr int64_t kMostRows = 64;

// Of a state that only adds up terms, and of which only the last row is asked for, sums over all
// steps outside the loop: products of matrices as one product, others where what is added is stored
// anyway.
class PushOut {
 public:
  PushOut(Graph* graph, Apply* node) : graph_(*graph), loop_(node), outside_(&loop_) {}

  void run() {
    find_sums();
    if (sums_.empty()) return;
    // Products first: they may store what other terms can then use.
    for (const bool products : {true, false}) {
      for (Sum& sum : sums_) {
        for (Term& t : sum.terms)
          if (!t.total) t.total = total(t.value, sum.elements, products);
      }
    }
    std::vector<bool> gone(loop_.states.size(), false);
    bool any = false;
    for (const Sum& sum : sums_) any |= settle(sum, &gone);
    if (!any) return;
    std::vector<Loop::State> kept;
    for (size_t c = 0; c < loop_.states.size(); ++c)
      if (!gone[c]) kept.push_back(std::move(loop_.states[c]));
    loop_.states = std::move(kept);
    loop_.drop_unused(graph_);
    if (!loop_.states.empty() || !loop_.emitted.empty()) loop_.replace(graph_);
  }

 private:
  struct Term {
    Var value;
    bool minus = false;
    Var total;  // over all steps, outside; null: stays in the loop
  };
  struct Sum {
    size_t state;
    int64_t elements;
    std::vector<Term> terms;
  };

  // --- states that add up --------------------------------------------------------------------

  void find_sums() {
    const std::vector<Var> results = loop_.results();
    IdMap<int> uses;
    auto use = [&](const Var& v) { ++*uses.insert(v->id(), 0).first; };
    for (const Var& v : results) use(v);
    for (const Apply* node : toposort(results))
      for (const Var& v : node->inputs()) use(v);
    auto once = [&](const Var& v) {
      const int* n = uses.find(v->id());
      return n && *n == 1;
    };
    for (size_t c = 0; c < loop_.states.size(); ++c) {
      const Loop::State& s = loop_.states[c];
      if (s.keep || s.taps.size() != 1 || s.taps[0] != -1 || s.rows.empty()) continue;
      if (is_discrete(s.fresh.dtype()) || !once(s.reads[0])) continue;
      Sum sum{c, row_elements(s.fresh.type()), {}};
      if (take_apart(s, once, &sum.terms)) sums_.push_back(std::move(sum));
    }
  }

  // The terms that are added to the state.
  template <class Once>
  static bool take_apart(const Loop::State& s, const Once& once, std::vector<Term>* terms) {
    bool found = false;
    std::vector<Term> todo{{s.fresh, false, {}}};
    while (!todo.empty()) {
      const Term t = todo.back();
      todo.pop_back();
      if (t.value == s.reads[0]) {
        if (t.minus) return false;
        found = true;
        continue;
      }
      const Apply* add = owner_if(t.value, "add");
      const Apply* sub = add ? nullptr : owner_if(t.value, "sub");
      const Apply* node = add ? add : sub;
      if (!node || !once(t.value) || t.value.dtype() != s.fresh.dtype()) {
        terms->push_back(t);
        continue;
      }
      for (size_t i = node->inputs().size(); i-- > 0;)
        todo.push_back({node->inputs()[i], sub && i == 1 ? !t.minus : t.minus, {}});
    }
    return found && std::all_of(terms->begin(), terms->end(),
                                [&](const Term& t) { return t.value.dtype() == s.fresh.dtype(); });
  }

  // --- sums over all steps -------------------------------------------------------------------

  static Var sum_steps(const Var& rows, std::vector<int64_t> axes = {}) {
    for (int64_t& a : axes) ++a;
    axes.insert(axes.begin(), 0);
    return sum(rows, std::move(axes));
  }

  // The sum of `v` over all steps; null if that does not pay.
  Var total(const Var& v, int64_t elements, bool products) {
    const Apply* node = v->owner();
    if (node && owner_if(v, Dot::kName)) return products ? total_of_dot(*node, elements) : Var();
    if (node && owner_if(v, DimShuffle::kName)) {
      const Var inner = total(node->inputs()[0], elements, products);
      return inner ? dimshuffle(inner, op_as<DimShuffle>(*node).order) : Var();
    }
    if (node && owner_if(v, "neg")) {
      const Var inner = total(node->inputs()[0], elements, products);
      return inner ? -inner : Var();
    }
    if (node && owner_if(v, "mul")) {
      if (const Var scaled = total_of_scaled(*node, elements, products)) return scaled;
      if (products) return total_of_outer(*node, elements);
    }
    if (products) return {};
    if (const Lifted rows = outside_.stored(v)) return rows.timed ? sum_steps(rows.value) : Var();
    if (!node || !owner_if(v, Reduce::kName)) return {};
    const Reduce& op = op_as<Reduce>(*node);
    if (op.kind != "sum" || op.dtype != node->input(0)->dtype()) return {};
    const Lifted rows = outside_.stored(node->inputs()[0]);
    return rows && rows.timed ? sum_steps(rows.value, op.axes) : Var();
  }

  // sum_t s * v[t] is s * sum_t v[t].
  Var total_of_scaled(const Apply& node, int64_t elements, bool products) {
    Var factor, rest;
    for (const Var& v : node.inputs()) {
      const Lifted known = outside_.stored(v);
      const bool scalar = row_elements(v.type()) == 1;
      if (known && !known.timed && scalar) {
        factor = factor ? factor * known.value : known.value;
      } else if (rest) {
        return {};
      } else {
        rest = v;
      }
    }
    const Var inner = factor && rest ? total(rest, elements, products) : Var();
    return inner ? factor * inner : Var();
  }

  // All rows of a factor, as long as they are not too many.
  Var factor(const Var& v, int64_t elements) {
    const Lifted known = outside_.stored(v);
    if (known) return known.timed ? known.value : Var();
    bool lengths = true;
    for (int64_t d : v.type().shape()) lengths = lengths && d >= 0;
    if (lengths && row_elements(v.type()) / kMostRows > elements) return {};
    if (!outside_.has_steady_shape(v)) return {};
    const Lifted rows = outside_.rows_of(v);
    return rows.timed ? rows.value : Var();
  }

  // sum_t a[t] @ b[t] is one product, of the time and the axis that is summed as one.
  Var total_of_dot(const Apply& node, int64_t elements) {
    const Var &x = node.inputs()[0], &y = node.inputs()[1];
    const bool x_same = same_in_each_step(x), y_same = same_in_each_step(y);
    if (x_same || y_same) {
      const Var rest = total(x_same ? y : x, elements, false);
      if (!rest) return {};
      return x_same ? dot(outside_.lifter().find(x.get()).value, rest)
                    : dot(rest, outside_.lifter().find(y.get()).value);
    }
    Var a = factor(x, elements), b = a ? factor(y, elements) : Var();
    if (!a || !b) return {};
    turn_forward(&a, &b);
    return dot(last_with_time(a), first_with_time(b));
  }
  bool same_in_each_step(const Var& v) {
    const Lifted known = outside_.stored(v);
    return known && !known.timed;
  }
  // The order of the steps does not matter, and rows in reverse order are copied for a product. If
  // one factor goes backwards, the other is turned: it often is one of several products.
  static void turn_forward(Var* a, Var* b) {
    const Var x = forward_rows(*a), y = forward_rows(*b);
    if (!x && !y) return;
    auto turned = [](const Var& v) {
      return subtensor(v, {IndexEntry::slice({}, {}, IndexSlot::of(-1))});
    };
    *a = x ? x : turned(*a);
    *b = y ? y : turned(*b);
  }
  // (t, k) -> (t * k), (t, k, n) -> (t * k, n).
  Var first_with_time(const Var& b) {
    std::vector<Var> dims{loop_.steps * shape_i(b, 1)};
    if (b.ndim() == 3) dims.push_back(shape_i(b, 2));
    return reshape(b, std::move(dims));
  }
  // (t, k) -> (t * k), (t, m, k) -> (m, t * k): a view where (t, k, m) lie one after the other.
  Var last_with_time(const Var& a) {
    if (a.ndim() == 2) return first_with_time(a);
    return transpose(first_with_time(dimshuffle(a, {0, 2, 1})));
  }

  // sum_t of u[t] * v[t], one a column and the other a row, is a product of matrices.
  Var total_of_outer(const Apply& node, int64_t elements) {
    if (node.output()->ndim() != 2) return {};
    Var column, row;
    auto join = [](Var* product, const Var& v) { *product = *product ? *product * v : v; };
    for (const Var& v : node.inputs()) {
      const Type& type = v.type();
      if (!type.broadcastable(0) && !type.broadcastable(1)) return {};
      join(type.broadcastable(0) ? &row : &column, v);
    }
    if (!column || !row || row.dtype() != column.dtype()) return {};
    if (row.type().broadcastable(1)) return {};
    Var u = factor(vector_of(column, 0), elements);
    Var v = u ? factor(vector_of(row, 1), elements) : Var();
    if (!v) return {};
    turn_forward(&u, &v);
    return dot(transpose(u), v);
  }
  // The vector behind a matrix of one row or column.
  static Var vector_of(const Var& matrix, int64_t axis) {
    const Apply* node = owner_if(matrix, DimShuffle::kName);
    if (node && node->input(0)->ndim() == 1) return node->inputs()[0];
    return dimshuffle(matrix, {axis});
  }

  // --- putting together ----------------------------------------------------------------------

  // Takes the terms that have totals out of the loop. True if there are any.
  bool settle(const Sum& sum, std::vector<bool>* gone) {
    Loop::State& s = loop_.states[sum.state];
    Var inside, outside;
    auto join = [](Var* total, const Var& v, bool minus) {
      *total = !*total ? (minus ? -v : v) : minus ? *total - v : *total + v;
    };
    for (const Term& t : sum.terms)
      t.total ? join(&outside, t.total, t.minus) : join(&inside, t.value, t.minus);
    if (!outside) return false;
    const std::vector<Variable*> old = s.rows;
    outside = pad_left(outside, s.initial.ndim());
    if (inside) {
      s.fresh = s.reads[0] + inside;
      outside = outside_.state_output(&s) + outside;
    } else {
      outside = s.initial + outside;
      (*gone)[sum.state] = true;
    }
    for (Variable* v : old)
      if (graph_.contains(v)) graph_.replace(v, outside);
    return true;
  }

  Graph& graph_;
  Loop loop_;
  Outside outside_;
  std::vector<Sum> sums_;
};

}  // namespace

void push_out_accumulations(Graph& graph) {
  for (Apply* node : graph.toposort())
    if (as_scan(node) && graph.contains(node) && !as_scan(node)->until) PushOut(&graph, node).run();
}

}  // namespace phintys

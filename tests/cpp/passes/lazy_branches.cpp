#include "passes/lazy_branches.h"

#include "graph/inner_graph.h"
#include "ops/control/branch.h"
#include "ops/control/ifelse.h"
#include "pass_test.h"
#include "passes/canonicalize.h"

using namespace phintys;
using namespace phintys::test;

namespace {

// "branch[exp(x) | neg(x)](c, x)": the two sides, and what they are given.
std::string branches(const Variable* v) {
  const Apply* n = v->owner();
  const auto* branch = n ? dynamic_cast<const Branch*>(&n->op()) : nullptr;
  if (!branch) return text(v);
  std::string s = "branch[";
  for (size_t side = 0; side < 2; ++side) {
    const InnerGraph& graph = *branch->graphs[side];
    s += (side ? " | " : "") + branches(graph.outputs()[static_cast<size_t>(v->index())].get());
  }
  s += "](";
  for (int i = 0; i < n->nin(); ++i) s += (i ? ", " : "") + branches(n->input(i));
  return s + ")";
}

std::string lazy(const std::vector<Var>& outputs) {
  Graph graph(leaves(outputs), outputs);
  lazy_branches(graph);
  graph.verify();
  std::string s;
  for (const Var& v : graph.outputs()) s += (s.empty() ? "" : "; ") + branches(v.get());
  return s;
}

}  // namespace

TEST_CASE("lazy_branches: what a side alone needs moves into it") {
  Var c = scalar("c", DType::b8), x = vector("x"), y = vector("y");
  CHECK(lazy({ifelse(c, exp(x), neg(y))}) == "branch[exp(x) | neg(y)](c, x, y)");
  CHECK(lazy({ifelse(c, exp(sin(x)), x)}) == "branch[exp(sin(x)) | x](c, x)");
}

TEST_CASE("lazy_branches: what both sides or others need stays outside") {
  Var c = scalar("c", DType::b8), x = vector("x"), y = vector("y");
  const Var shared = exp(x);
  CHECK(lazy({ifelse(c, sin(shared), cos(shared))}) == "branch[sin() | cos()](c, exp(x))");
  const Var both = exp(x);
  const std::string s = lazy({ifelse(c, both, y), both});
  CHECK(s == "if{}(c, exp(x), y); exp(x)");
  CHECK(lazy({ifelse(c, x, y)}) == "if{}(c, x, y)");
}

TEST_CASE("lazy_branches: the condition is computed before") {
  Var x = vector("x");
  const Var total = sum(x, {0});
  const Var c = gt(total, constant(0, DType::f64));
  Graph graph(leaves({ifelse(c, total * 2.0, total)}),
              std::vector<Var>{ifelse(c, total * 2.0, total)});
  lazy_branches(graph);
  graph.verify();
  const Apply* n = graph.outputs()[0]->owner();
  REQUIRE(dynamic_cast<const Branch*>(&n->op()));
  CHECK(text(n->input(0)).substr(0, 3) == "gt(");
  CHECK(n->nin() == 2);  // the condition and the sum
}

TEST_CASE("lazy_branches: choices by one condition become one") {
  Var c = scalar("c", DType::b8), x = vector("x");
  const Var shared = exp(x);
  const std::vector<Var> out{ifelse(c, sin(shared), x), ifelse(c, cos(shared), x)};
  Graph graph(leaves(out), out);
  lazy_branches(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 1);
  CHECK(graph.outputs()[0]->owner()->nout() == 2);
}

TEST_CASE("lazy_branches: choices by one condition that depend on each other") {
  Var c = scalar("c", DType::b8), x = vector("x");
  const Var first = ifelse(c, exp(x), x);
  const std::string inside = lazy({ifelse(c, sin(first), x)});
  CHECK(inside.starts_with("branch[sin(branch"));
  const std::vector<Var> out{ifelse(c, sin(first), x), cos(first)};
  Graph graph(leaves(out), out);
  lazy_branches(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 3);  // two branches and the cosine
}

TEST_CASE("lazy_branches: two pairs of choices that would wait for each other") {
  Var c = scalar("c", DType::b8), d = scalar("d", DType::b8), x = vector("x");
  const Var a1 = ifelse(c, exp(x), x), b2 = ifelse(d, sin(x), x);
  const Var b1 = ifelse(d, exp(a1), x), a2 = ifelse(c, sin(b2), x);
  const std::vector<Var> out{a1, a2, b1, b2};
  Graph graph(leaves(out), out);
  lazy_branches(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 3);
}

TEST_CASE("lazy_branches: unused outputs are dropped with what they need") {
  Var c = scalar("c", DType::b8), x = vector("x"), y = vector("y");
  const std::vector<Var> thens{exp(x), sin(x)}, elses{x, cos(y)};
  const std::vector<Var> both = ifelse(c, thens, elses);
  const std::vector<Var> out{both[0]};
  Graph graph(std::vector<Var>{c, x, y}, out);
  lazy_branches(graph);
  graph.verify();
  CHECK(branches(graph.outputs()[0].get()) == "branch[exp(x) | x](c, x)");
}

TEST_CASE("lazy_branches: a long chain of choices, and deep ones inside one another") {
  Var x = vector("x"), z = x;
  for (int k = 0; k < 1000; ++k) {
    Var c = scalar("c" + std::to_string(k), DType::b8);
    z = ifelse(c, exp(z), sin(z));
  }
  Graph graph(leaves({z}), std::vector<Var>{z});
  lazy_branches(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 1000);  // what both sides need stays outside
  z = x;
  for (int k = 0; k < 1000; ++k) {
    Var c = scalar("c" + std::to_string(k), DType::b8);
    z = ifelse(c, exp(z), x);
  }
  Graph nested(leaves({z}), std::vector<Var>{z});
  lazy_branches(nested);
  nested.verify();
  CHECK(nested.num_nodes() == 10);  // no deeper than a hundred
}

TEST_CASE("canonicalize: choices") {
  Var c = scalar("c", DType::b8), n = scalar("n", DType::i64), x = vector("x"), y = vector("y");
  CHECK(after({ifelse(constant(1, DType::b8), x, y)}, phintys::canonicalize) == "x");
  CHECK(after({ifelse(constant(0, DType::i8), x, y)}, phintys::canonicalize) == "y");
  CHECK(after({ifelse(c, x, x)}, phintys::canonicalize) == "x");
  CHECK(after({ifelse(invert(c), x, y)}, phintys::canonicalize) == "if{}(c, y, x)");
  CHECK(after({ifelse(neq(n, constant(0, DType::i64)), x, y)}, phintys::canonicalize) ==
        "if{}(n, x, y)");
  CHECK(after({ifelse(eq(n, constant(0, DType::i64)), x, y)}, phintys::canonicalize) ==
        "if{}(n, y, x)");
  CHECK(after({ifelse(c, ifelse(c, x, y), y)}, phintys::canonicalize) == "if{}(c, x, y)");
  CHECK(after({ifelse(c, x, ifelse(c, x, y))}, phintys::canonicalize) == "if{}(c, x, y)");
  CHECK(after({ifelse(c, x, y) + ifelse(c, y, x)}, phintys::canonicalize) ==
        "if{}(c, add(x, y), add(y, x))");
  const std::vector<Var> two =
      ifelse(constant(1, DType::b8), std::vector<Var>{x, y}, std::vector<Var>{y, x});
  CHECK(after({two[0], two[1]}, phintys::canonicalize) == "x; y");
}

TEST_CASE("canonicalize: the gradient of a branch is computed inside it") {
  Var c = scalar("c", DType::b8), x = vector("x"), y = vector("y");
  const std::string s = after({ifelse(c, x, zeros_like(x)) * y}, phintys::canonicalize);
  CHECK(s.starts_with("if{}(c, mul(x, y), "));
  CHECK(after({sum(neg(ifelse(c, zeros_like(x), x)), {0})}, phintys::canonicalize)
            .starts_with("if{}(c, "));
  // Not where the choice itself is asked for.
  const Var z = ifelse(c, x, zeros_like(x));
  CHECK(after({z * y, z}, phintys::canonicalize).starts_with("mul(if{}(c, x, "));
}

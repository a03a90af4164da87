#include "passes/fuse.h"

#include "ops/fused.h"
#include "pass_test.h"
#include "passes/lower_casts.h"

using namespace phintys;
using namespace phintys::test;

namespace {

const FusedOp& fused(const Variable* v) { return dynamic_cast<const FusedOp&>(v->owner()->op()); }

}  // namespace

TEST_CASE("fuse: a chain is one region, products and sums contract") {
  Var x = matrix("x"), y = matrix("y");
  CHECK(after({exp(x * y + x)}, lower_casts, fuse) == "Fused{mul_add,exp}(x, y)");
  CHECK(after({x - y * y}, lower_casts, fuse) == "Fused{neg_mul_add}(y, x)");
}

TEST_CASE("fuse: a value that others use is stored by the region") {
  Var x = matrix("x"), y = matrix("y");
  Var a = exp(x);
  const std::vector<Var> out{a * y, dot(a, y)};
  Graph graph(leaves(out), out);
  lower_casts(graph);
  fuse(graph);
  graph.verify();
  CHECK(graph.num_nodes() <= 3);
}

TEST_CASE("fuse: a region never depends on itself through other nodes") {
  Var x = matrix("x");
  Var a = exp(x);
  const std::vector<Var> out{a + dot(a, a)};
  Graph graph(leaves(out), out);
  lower_casts(graph);
  fuse(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 3);
}

TEST_CASE("fuse: broadcast values are not recomputed") {
  Var x = matrix("x"), v = vector("v");
  CHECK(after({x + pad_left(exp(v), 2)}, fuse) == "Fused{add}(x, ds{x,0}(Fused{exp}(v)))");
}

TEST_CASE("fuse: reductions take the producers that they alone use") {
  Var x = matrix("x");
  const std::vector<Var> out{sum(sqr(x) * 2.0, {1})};
  Graph graph(leaves(out), out);
  fuse(graph);
  graph.verify();
  const FusedOp& op = fused(graph.outputs()[0].get());
  CHECK(op.is_reduction());
  CHECK(op.axes == std::vector<int64_t>{1});
  CHECK(op.steps.size() == 2);
  CHECK(op.ndim == 2);
}

TEST_CASE("fuse: reductions over the same axes share what they read") {
  Var x = matrix("x");
  const std::vector<Var> out{sum(x, {1}), sum(sqr(x), {1}), sum(x, {0})};
  Graph graph(leaves(out), out);
  fuse(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 2);
  const FusedOp& op = fused(graph.outputs()[0].get());
  CHECK(op.outputs.size() == 2);
  CHECK(op.n_inputs == 1);
  CHECK(op.steps.size() == 1);
}

TEST_CASE("fuse: a reduction that another one depends on keeps its own region") {
  Var x = vector("x");
  const std::vector<Var> out{sum_all(sqr(x - pad_left(sum_all(x), 1)))};
  Graph graph(leaves(out), out);
  fuse(graph);
  graph.verify();
  CHECK(graph.num_nodes() == 3);
}

TEST_CASE("fuse: steps keep the user's lines") {
  const uint32_t file = intern_file("model.py");
  Var x = matrix("x"), a, b;
  {
    LocationScope scope({file, 3});
    a = exp(x);
  }
  {
    LocationScope scope({file, 4});
    b = sqr(a);
  }
  Graph graph(std::vector<Var>{x}, std::vector<Var>{b});
  fuse(graph);
  const FusedOp& op = fused(graph.outputs()[0].get());
  REQUIRE(op.steps.size() == 2);
  CHECK(op.steps[0].loc.line == 3);
  CHECK(op.steps[1].loc.line == 4);
  CHECK(graph.outputs()[0]->owner()->loc.line == 4);
}

TEST_CASE("fuse_nothing: one node, one region") {
  Var x = matrix("x");
  CHECK(after({sqr(exp(x))}, fuse_nothing) == "Fused{sqr}(Fused{exp}(x))");
}

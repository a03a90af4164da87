#include "passes/blas.h"

#include "ops/dot.h"
#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

namespace {

const Gemm& gemm_of(const Graph& graph) {
  return dynamic_cast<const Gemm&>(graph.outputs()[0]->owner()->op());
}

}  // namespace

TEST_CASE("blas: a gradient step is one gemm") {
  Var w = matrix("w"), x = matrix("x"), g = matrix("g");
  const std::vector<Var> out{w - dot(transpose(x), g) * 0.1};
  Graph graph(leaves(out), out);
  blas(graph);
  graph.verify();
  REQUIRE(graph.num_nodes() == 1);
  CHECK(gemm_of(graph).alpha == -0.1);
  CHECK(gemm_of(graph).beta == 1);
  CHECK(gemm_of(graph).trans_a);
  CHECK(!gemm_of(graph).trans_b);
}

TEST_CASE("blas: an addend that dies is taken over, others are not") {
  Var c = matrix("c"), a = matrix("a"), b = matrix("b"), v = vector("v");
  CHECK(after({exp(exp(c) + dot(a, b))}, blas) ==
        "exp(gemm{alpha=1, beta=1, trans_a=False, trans_b=False}(exp(c), a, b))");
  CHECK(after({exp(c + dot(a, b))}, blas) == "exp(add(c, dot(a, b)))");
  CHECK(after({dot(a, b) + pad_left(v, 2)}, blas) == "add(dot(a, b), ds{x,0}(v))");
  CHECK(after({dot(v, a) * 2.0 - exp(vector("y"))}, blas) ==
        "gemv{alpha=2, beta=-1, trans_a=True}(exp(y), a, v)");
}

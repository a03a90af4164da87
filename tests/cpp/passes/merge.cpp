#include "passes/merge.h"

#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

TEST_CASE("merge: equal nodes and constants become one") {
  Var x = matrix("x"), y = matrix("y");
  const std::vector<Var> out{exp(x + y) * 2.0, exp(x + y) * 2.0, exp(y + x)};
  Graph graph(leaves(out), out);
  CHECK(graph.num_nodes() > 7);
  merge(graph);
  graph.verify();
  CHECK(graph.outputs()[0].get() == graph.outputs()[1].get());
  CHECK(graph.outputs()[0].get() != graph.outputs()[2].get());
}

TEST_CASE("merge: constants differ by dtype, shape and bits") {
  Var x = make_variable(Type::scalar(DType::f64), "x");
  const std::vector<Var> out{x + constant(0.0, DType::f64), x + constant(-0.0, DType::f64),
                             x + constant(0.0, DType::f32), x + constant(0.0, DType::f64)};
  Graph graph(leaves(out), out);
  merge(graph);
  CHECK(graph.num_nodes() == 3);
}

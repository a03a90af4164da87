#include "passes/shape_lift.h"

#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

TEST_CASE("shape_lift: lengths of computed values come from inputs") {
  Var x = matrix("x"), y = matrix("y");
  CHECK(after({shape_i(exp(x) * 2.0, 1)}, shape_lift) == "Shape_i{1}(x)");
  CHECK(after({shape_i(dot(x, y), 1)}, shape_lift) == "Shape_i{1}(y)");
  CHECK(after({shape_i(transpose(exp(x)), 0)}, shape_lift) == "Shape_i{1}(x)");
  CHECK(after({shape_i(join(0, {exp(x), sqr(y)}), 0)}, shape_lift) ==
        "add(Shape_i{0}(x), Shape_i{0}(y))");
}

TEST_CASE("shape_lift: fills take their shape from the earliest ancestor") {
  Var x = matrix("x"), s = scalar("s");
  CHECK(after({second(exp(sqr(x) + 1.0), pad_left(s, 2))}, shape_lift) == "second(x, ds{x,x}(s))");
}

TEST_CASE("shape_lift: long chains with many questions take linear time") {
  Var x = matrix("x"), y = x;
  std::vector<Var> out;
  for (int i = 0; i < 20000; ++i) {
    y = exp(y);
    out.push_back(shape_i(y, i % 2));
  }
  Graph graph(leaves(out), out);
  shape_lift(graph);
  CHECK(graph.num_nodes() <= 20000);
  graph.verify();
  CHECK(text(graph.outputs().back().get()) == "Shape_i{1}(x)");
}

#include "graph/frontier.h"

#include <doctest/doctest.h>

#include "test_op.h"

using namespace phintys;
using namespace phintys::test;

namespace {

std::vector<Var> found(std::vector<Var> outputs, std::vector<Var> inputs,
                       std::vector<Var> blockers = {}) {
  return frontier(outputs, inputs, blockers);
}
using Vars = std::vector<Var>;

}  // namespace

TEST_CASE("expressions of the outside enter whole, in order of first use") {
  Var x = matrix("x"), w = matrix("w"), v = matrix("v");
  Var outer = node("outer", {w, v}), other = node("other", {outer});
  Var body = node("body", {node("a", {x, outer}), other, w, outer});
  CHECK(found({body}, {x}) == Vars{outer, other, w});
  CHECK(found({x}, {x}) == Vars{});
  // An output that depends on nothing inside is taken as it is.
  CHECK(found({body, other, v}, {x}) == Vars{outer, other, w, v});
}

TEST_CASE("inputs that something computes cut the graph") {
  Var w = matrix("w");
  Var x = node("computed", {w});
  Var body = node("body", {x, w});
  CHECK(found({body}, {x}) == Vars{w});
}

TEST_CASE("blockers are outside even if they depend on inputs") {
  Var x = matrix("x");
  Var blocked = node("blocked", {x});
  Var body = node("body", {node("a", {blocked}), x});
  CHECK(found({body}, {x}) == Vars{});
  // What is computed of a blocker alone is outside with it.
  Var a = node("a", {blocked});
  CHECK(found({node("body", {a, x})}, {x}, {blocked}) == Vars{a});
}

TEST_CASE("small constants stay inside") {
  Var x = matrix("x");
  Var small = make_constant(Array::zeros(DType::f64, Dims{2, 2}));
  Var large = make_constant(Array::zeros(DType::f64, Dims{100, 10}));
  CHECK(found({node("body", {x, small, large})}, {x}) == Vars{large});
}

TEST_CASE("depth is no limit") {
  Var x = matrix("x"), outside = matrix("w");
  for (int i = 0; i < 100000; ++i) outside = node("o", {outside});
  Var inside = node("body", {x, outside});
  for (int i = 0; i < 100000; ++i) inside = node("i", {inside});
  CHECK(found({inside}, {x}) == Vars{outside});
}

#include "graph/traverse.h"

#include <doctest/doctest.h>

#include "test_op.h"

using namespace phintys;
using namespace phintys::test;

namespace {

std::string labels(const std::vector<Apply*>& nodes) {
  std::string text;
  for (const Apply* n : nodes) text += n->op().str();
  return text;
}

}  // namespace

TEST_CASE("toposort: inputs before users, depth first, blockers stop it") {
  Var x = matrix("x");
  Var a = node("a", {x}), b = node("b", {x, a}), c = node("c", {b, a});
  const std::vector<Var> out{c};
  CHECK(labels(toposort(out)) == "abc");
  CHECK(labels(toposort(out, std::vector<Var>{b})) == "ac");
  CHECK(labels(toposort(out, std::vector<Var>{a, b})) == "c");
}

TEST_CASE("graph_inputs in order of first visit") {
  Var x = matrix("x"), y = matrix("y");
  const std::vector<Var> leaves = graph_inputs(std::vector<Var>{node("f", {y, node("g", {x, y})})});
  REQUIRE(leaves.size() == 2);
  CHECK(leaves[0].get() == y.get());
  CHECK(leaves[1].get() == x.get());
}

TEST_CASE("clone_graph maps, shares leaves and can infer types anew") {
  Var x = matrix("x"), y = matrix("y");
  Var f = node("f", {x, y});
  f->name = "sum";
  VarMap map;
  map.emplace(x.get(), make_variable(Type::tensor(DType::f32, 2), "z"));
  const std::vector<Var> same = clone_graph(std::vector<Var>{f}, map);
  CHECK(same[0]->name == "sum");
  CHECK(same[0].dtype() == DType::f64);
  CHECK(same[0]->owner()->input(1) == y.get());
  map.erase(f.get());
  CHECK(clone_graph(std::vector<Var>{f}, map, true)[0].dtype() == DType::f32);
}

TEST_CASE("adopt takes over references and keeps the unit together") {
  Var x = matrix("x");
  Var out = make_variable(Type::tensor(DType::f64, 2), "out");
  Var other = make_variable(Type::tensor(DType::f64, 2));
  {
    Ref<Apply> a = Apply::adopt(test_op("f", 2), {x}, {out.get(), other.get()});
    CHECK(a->ref_count() == 3);
  }
  CHECK(out->owner()->ref_count() == 2);
  CHECK(other->index() == 1);
  CHECK_THROWS_AS(Apply::adopt(test_op("g"), {x}, {out.get()}), Error);
  other.reset();
  CHECK(out->owner()->output(1)->owner() == out->owner());
}

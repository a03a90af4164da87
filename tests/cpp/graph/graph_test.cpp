#include "graph/graph.h"

#include <doctest/doctest.h>

#include "test_op.h"

using namespace phintys;
using namespace phintys::test;

namespace {

std::string error_text(ErrorKind kind, const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "";
}

Graph make_graph(std::vector<Var> inputs, std::vector<Var> outputs) {
  return Graph(inputs, outputs);
}

}  // namespace

TEST_CASE("a graph is a clone with fresh inputs") {
  Var x = matrix("x"), y = matrix("y");
  Var z = node("g", {node("f", {x, y}), y});
  Graph graph = make_graph({x, y}, {z});
  CHECK(graph.str() ==
        "inputs x: TensorType(float64, matrix), y: TensorType(float64, matrix)\n"
        "%0 = f(x, y): TensorType(float64, matrix)\n"
        "%1 = g(%0, y): TensorType(float64, matrix)\n"
        "outputs %1\n");
  CHECK(graph.inputs()[0].get() != x.get());
  CHECK(!graph.contains(x.get()));
  CHECK(graph.clients(graph.inputs()[1].get()).size() == 2);
  CHECK(graph.num_nodes() == 2);
  graph.verify();
}

TEST_CASE("a missing input is named") {
  Var x = matrix("x"), y = matrix("y");
  Var z = node("f", {x, y});
  const std::string text = error_text(ErrorKind::missing_input, [&] { make_graph({x}, {z}); });
  CHECK(text.find("Input 1 of the graph") != std::string::npos);
  CHECK(text.find("f(x: TensorType(float64, matrix), y:") != std::string::npos);
  CHECK(!error_text(ErrorKind::missing_input, [&] { make_graph({x}, {y}); }).empty());
}

TEST_CASE("replace moves clients and drops what is not used") {
  Var x = matrix("x");
  Var a = node("a", {x}), b = node("b", {a}), c = node("c", {b, b});
  Graph graph = make_graph({x}, {c, b});
  Var old = graph.outputs()[1];
  graph.replace(old.get(), node("n", {graph.inputs()[0]}));
  CHECK(graph.str().find("%0 = n(x)") != std::string::npos);
  CHECK(graph.num_nodes() == 2);
  CHECK(graph.changes() == 1);
  CHECK(graph.clients(graph.outputs()[1].get()).size() == 3);
  graph.verify();

  SUBCASE("by something built on the replaced variable") {
    Var n = graph.outputs()[1];
    graph.replace(n.get(), node("m", {n, n}));
    CHECK(graph.num_nodes() == 3);
    CHECK(graph.clients(n.get()).size() == 2);
    graph.verify();
  }
  SUBCASE("by an input") {
    graph.replace(graph.outputs()[0].get(), graph.inputs()[0]);
    graph.verify();
    CHECK(graph.num_nodes() == 1);
  }
  SUBCASE("types must agree") {
    Var v = make_constant(Array::scalar(DType::f64, 1));
    CHECK(!error_text(ErrorKind::internal, [&] { graph.replace(old.get(), v); }).empty());
  }
}

TEST_CASE("several outputs live and die together") {
  Var x = matrix("x");
  std::vector<Var> pair = apply_multi(test_op("split", 2), {x});
  Graph graph = make_graph({x}, {node("f", {pair[1]}), node("g", {pair[0]})});
  CHECK(graph.num_nodes() == 3);
  graph.replace(graph.outputs()[0].get(), graph.inputs()[0]);
  CHECK(graph.num_nodes() == 2);
  graph.verify();
  graph.replace(graph.outputs()[1].get(), graph.inputs()[0]);
  CHECK(graph.num_nodes() == 0);
  graph.verify();
}

TEST_CASE("shared variables and constants are leaves") {
  Var s = make_shared_variable(Type::scalar(DType::f64),
                               make_ref<SharedStorage>(Array::scalar(DType::f64, 1)), "s");
  Var c = make_constant(Array::scalar(DType::f64, 2.5));
  Graph graph = make_graph({}, {node("f", {s, c, s})});
  REQUIRE(graph.shared().size() == 1);
  CHECK(graph.original_shared()[0].get() == s.get());
  CHECK(graph.shared()[0]->storage().get() == s->storage().get());
  CHECK(graph.str().find("%0 = f(s, TensorConstant{2.5}, s)") != std::string::npos);
}

TEST_CASE("long chains: built, cloned, rewritten, printed and freed without recursion") {
  Var x = matrix("x");
  Var y = x;
  for (int i = 0; i < 100000; ++i) y = node("f", {y});
  Graph graph = make_graph({x}, {y});
  CHECK(graph.num_nodes() == 100000);
  CHECK(graph.toposort().size() == 100000);
  CHECK(ancestors(std::vector<Var>{y}).size() == 100001);
  graph.verify();
  graph.replace(graph.outputs()[0].get(), graph.inputs()[0]);
  CHECK(graph.num_nodes() == 0);
  graph.release_dropped();
}

TEST_CASE("many clients of one variable are replaced and dropped in linear time") {
  Var x = matrix("x");
  Var a = node("a", {x});
  std::vector<Var> users;
  for (int i = 0; i < 100000; ++i) users.push_back(node("u" + std::to_string(i % 7), {a}));
  Graph graph = make_graph({x}, users);
  for (const Var& v : std::vector<Var>(graph.outputs())) {
    graph.replace(v.get(), graph.inputs()[0]);
  }
  CHECK(graph.num_nodes() == 0);
  graph.verify();
}

TEST_CASE("a copy of a graph is the same graph with nodes of its own") {
  Var x = matrix("x");
  Var c = make_constant(Array::zeros(DType::f64, {1, 1}), "zero");
  Var a = node("a", {x, x}), b = node("b", {a, c});
  b->name = "result";
  Graph graph = make_graph({x}, {b, a, x});
  const Graph copy(graph);
  CHECK(copy.str() == graph.str());
  CHECK(copy.outputs()[0]->name == "result");
  CHECK(!copy.contains(graph.outputs()[0].get()));
  CHECK(copy.outputs()[2].get() == copy.inputs()[0].get());
  CHECK(copy.clients(copy.inputs()[0].get()).size() == 3);
  copy.verify();
  graph.verify();
}

TEST_CASE("a graph may stop at a computed variable") {
  Var x = matrix("x");
  Var a = node("a", {x}), b = node("b", {a, a});
  Graph graph = make_graph({a}, {b, a});
  CHECK(graph.num_nodes() == 1);
  CHECK(graph.outputs()[1].get() == graph.inputs()[0].get());
  graph.verify();
}

TEST_CASE("the order is remembered until a node is replaced") {
  Var x = matrix("x");
  Var a = node("a", {x}), b = node("b", {a});
  Graph graph = make_graph({x}, {b});
  graph.remember_order();
  CHECK(graph.toposort() == graph.toposort());
  graph.replace(graph.outputs()[0]->owner()->input(0), node("n", {graph.inputs()[0]}));
  graph.release_dropped();
  const std::vector<Apply*> order = graph.toposort();
  REQUIRE(order.size() == 2);
  CHECK(order[0]->op().str() == "n");
  CHECK(order[1] == graph.outputs()[0]->owner());
  graph.remember_order();
  CHECK(graph.toposort() == order);
}

TEST_CASE("a pass is settled until the graph changes") {
  Var x = matrix("x");
  Graph graph = make_graph({x}, {node("a", {x})});
  const int pass = 0;
  CHECK(!graph.is_settled(&pass));
  graph.set_settled(&pass);
  CHECK(graph.is_settled(&pass));
  CHECK(Graph(graph).is_settled(&pass));
  graph.replace(graph.outputs()[0].get(), node("b", {graph.inputs()[0]}));
  CHECK(!graph.is_settled(&pass));
  CHECK(!Graph(graph).is_settled(&pass));
}

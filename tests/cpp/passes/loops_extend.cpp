#include "passes/loops_extend.h"

#include "autodiff/grad.h"
#include "ops/control/scan.h"
#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

namespace {

// h <- exp(h * w) + h, of which all rows are kept or the last one.
Var loop(const Var& n, const Var& start, const Var& w, bool keep) {
  const Var h = vector("h"), weights = vector("weights");
  auto op = make_ref<Scan>();
  op->graph = InnerGraph::make(std::vector{h, weights}, std::vector{exp(h * weights) * h});
  op->taps = {1, -1};
  op->keep = {keep};
  op->check_attributes();
  return apply(op, {n, start, w});
}

std::vector<const Scan*> loops(const Graph& graph) {
  std::vector<const Scan*> found;
  for (const Apply* node : graph.toposort())
    if (const Scan* scan = dynamic_cast<const Scan*>(&node->op())) found.push_back(scan);
  return found;
}

}  // namespace

TEST_CASE("loops_extend: a loop that stores more takes the place of the first") {
  const Var n = scalar("n", DType::i64), start = matrix("start"), w = vector("w");
  for (bool keep : {true, false}) {
    const Var rows = loop(n, start, w, keep);
    const Var cost = sum_all(rows);
    const std::vector<Var> out{cost, grad(cost, std::vector{w}).grads[0]};
    Graph graph(leaves(out), out);
    REQUIRE(loops(graph).size() == 3);
    const Scan* extended = loops(graph)[1]->extends ? loops(graph)[1] : loops(graph)[0];
    CHECK(extended->extends.get() == &rows->owner()->op());
    CHECK(extended->keeps_all(0));
    loops_extend(graph);
    graph.verify();
    CHECK(loops(graph).size() == 2);
    CHECK((text(graph.outputs()[0].get()).find("Subtensor") != std::string::npos) == !keep);
  }
}

TEST_CASE("loops_extend: loops of other inputs stay") {
  const Var n = scalar("n", DType::i64), start = matrix("start"), w = vector("w");
  const Var rows = loop(n, start, w, true), cost = sum_all(rows);
  const Var g = grad(cost, std::vector{w}).grads[0];
  const Var other = apply(rows->owner()->op_ref(), {n, start * 2.0, w});
  const std::vector<Var> out{sum_all(other), g};
  Graph graph(leaves(out), out);
  const std::string before = text(graph.outputs()[0].get());
  REQUIRE(loops(graph).size() == 4);
  loops_extend(graph);
  CHECK(loops(graph).size() == 3);
  CHECK(text(graph.outputs()[0].get()) == before);
}

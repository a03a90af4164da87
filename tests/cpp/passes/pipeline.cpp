#include <chrono>

#include "autodiff/grad.h"
#include "ops/advanced_subtensor.h"
#include "ops/nnet/softmax.h"
#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

TEST_CASE("pipelines are known by name") {
  CHECK(pipeline("none").empty());
  CHECK(pipeline("fast_compile").size() < pipeline("fast_run").size());
  CHECK_THROWS_AS(pipeline("fastest"), Error);
  for (const Pass& p : pipeline("fast_run")) CHECK(is_pass_name(p.name));
  CHECK(!is_pass_name("unknown"));
}

TEST_CASE("run_pass skips, reports and calls back") {
  Var x = scalar("x");
  Graph graph(std::vector<Var>{x}, std::vector<Var>{x + 0.0});
  std::vector<PassReport> reports;
  std::vector<std::string> dumped;
  PassOptions options;
  options.on_change = [&](const char* name, const Graph&) { dumped.push_back(name); };
  options.excluded = {"constant_fold", "stabilize"};
  for (const Pass& p : pipeline("fast_run")) run_pass(p, graph, options, &reports);
  CHECK(text(graph) == "x");
  CHECK(dumped == std::vector<std::string>{"canonicalize"});
  for (const PassReport& r : reports) CHECK(r.name != "stabilize");
}

TEST_CASE("the gradient of log-softmax cross entropy has no quotient") {
  Var w = matrix("w"), y = vector("y", DType::i64), n = vector("n", DType::i64);
  Var p = apply(make_ref<Softmax>(), {w});
  SUBCASE("log of all") {
    Var cost = -sum_all(advanced_subtensor(log(p), {n, y}));
    const std::vector<Var> wrt{w};
    const std::string s = after_pipeline(grad(cost, wrt).grads, "fast_run");
    CHECK_MESSAGE(s.find("true_div") == std::string::npos, s);
  }
  SUBCASE("log of the chosen") {
    Var cost = -sum_all(log(advanced_subtensor(p, {n, y})));
    const std::vector<Var> wrt{w};
    const std::string s = after_pipeline(grad(cost, wrt).grads, "fast_run");
    CHECK_MESSAGE(s.find("true_div") == std::string::npos, s);
  }
}

TEST_CASE("the gradient of the binary cross entropy of a sigmoid has no quotient") {
  Var x = vector("x"), t = vector("t");
  Var p = sigmoid(x);
  Var cost = -sum_all(t * log(p) + (1.0 - t) * log(1.0 - p));
  const std::vector<Var> wrt{x};
  const std::string s = after_pipeline(grad(cost, wrt).grads, "fast_run");
  CHECK_MESSAGE(s.find("true_div") == std::string::npos, s);
}

TEST_CASE("a chain of 100,000 nodes with its gradient compiles in linear time") {
  Var x = vector("x");
  Var y = x;
  for (int i = 0; i < 50000; ++i) y = i % 2 ? tanh(y) : y * 1.5;
  Var cost = sum_all(y);
  const std::vector<Var> wrt{x};
  const std::vector<Var> out{cost, grad(cost, wrt).grads[0]};
  Graph graph(leaves(out), out);
  const size_t nodes = graph.num_nodes();
  CHECK(nodes > 100000);
  std::vector<PassReport> reports;
  for (const Pass& p : pipeline("fast_run")) run_pass(p, graph, {}, &reports);
  for (const Pass& p : lowering_pipeline(true)) run_pass(p, graph, {}, &reports);
  graph.verify();
  for (const PassReport& r : reports) {
    INFO(r.name << ": " << r.seconds / static_cast<double>(nodes) * 1e6 << " us a node, "
                << r.nodes_after << " nodes");
    // A bound that a quadratic pass misses by far, and that a busy or instrumented machine keeps.
    CHECK(r.seconds / static_cast<double>(nodes) < 50e-6);
  }
}

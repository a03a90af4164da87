// Random expressions with their gradients: every pass must leave the values as they are.

#include <random>

#include "autodiff/grad.h"
#include "interpreter.h"

using namespace phintys;
using namespace phintys::test;

namespace {

// Arguments stay in a range where all forms agree to many digits.
Var random_expression(std::mt19937& rng, const std::vector<Var>& inputs, int size) {
  std::vector<Var> pool = inputs;
  auto pick = [&] { return pool[rng() % pool.size()]; };
  for (int i = 0; i < size; ++i) {
    Var a = pick(), b = pick();
    const int n = std::max(a.ndim(), b.ndim());
    a = pad_left(a, n);
    b = pad_left(b, n);
    switch (rng() % 22) {
      case 0:
        pool.push_back(a + b);
        break;
      case 1:
        pool.push_back(a - b);
        break;
      case 2:
        pool.push_back(tanh(a) * b);
        break;
      case 3:
        pool.push_back(a / (sqr(b) + 1.0));
        break;
      case 4:
        pool.push_back(-a);
        break;
      case 5:
        pool.push_back(exp(tanh(a)));
        break;
      case 6:
        pool.push_back(log(1.0 + exp(tanh(a))));
        break;
      case 7:
        pool.push_back(sigmoid(a));
        break;
      case 8:
        pool.push_back(1.0 - sigmoid(a));
        break;
      case 9:
        pool.push_back(log(sigmoid(tanh(a))));
        break;
      case 10:
        pool.push_back(a * 2.0);
        break;
      case 11:
        pool.push_back(a * 1.0 + 0.0);
        break;
      case 12:
        pool.push_back(1.0 / (1.0 + exp(-tanh(a))));
        break;
      case 13:
        pool.push_back(sqrt(sqr(a) + 1.0));
        break;
      case 14:
        pool.push_back(pow(tanh(a), constant(3, DType::f64)));
        break;
      case 15:
        pool.push_back(second(a, b) - tanh(a));
        break;
      case 16:
        pool.push_back(a.ndim() == 2 ? sum(tanh(a), {1}, true) : sum_all(a));
        break;
      case 17:
        pool.push_back(a.ndim() == 2 ? sum(b * 0.5, {0}) : tanh(b));
        break;
      case 18:
        pool.push_back(log(sum_all(exp(tanh(a)))));
        break;
      case 19:
        pool.push_back(a.ndim() == 2 ? dimshuffle(dimshuffle(a, {1, 0}), {1, 0}) : -b);
        break;
      case 20:
        pool.push_back(tanh(a) * tanh(a));
        break;
      case 21:
        pool.push_back((a / 4.0) * (exp(tanh(b)) - 1.0));
        break;
    }
  }
  return pool.back();
}

Value random_value(std::mt19937& rng, Dims shape) {
  Value v{shape, {}};
  std::uniform_real_distribution<double> range(-1.5, 1.5);
  for (int64_t i = 0; i < product(shape); ++i) v.data.push_back(range(rng));
  return v;
}

bool close(const Value& a, const Value& b) {
  if (!(a.shape == b.shape)) return false;
  for (size_t i = 0; i < a.data.size(); ++i) {
    const double x = a.data[i], y = b.data[i];
    if (!(std::fabs(x - y) <= 1e-9 * (1 + std::fabs(x) + std::fabs(y))) && !(x != x && y != y)) {
      return false;
    }
  }
  return true;
}

void check_seed(unsigned seed) {
  std::mt19937 rng(seed);
  const std::vector<Var> inputs{matrix("x"), vector("v"), scalar("s"), matrix("y")};
  const std::vector<Value> values{random_value(rng, {2, 3}), random_value(rng, {3}),
                                  random_value(rng, {}), random_value(rng, {2, 3})};
  const Var y = random_expression(rng, inputs, 4 + static_cast<int>(rng() % 24));
  const Var cost = y.ndim() ? sum_all(y) : y;
  GradOptions options;
  options.disconnected_inputs = Missing::ignore;
  std::vector<Var> outputs = grad(cost, inputs, options).grads;
  outputs.push_back(y);
  Graph graph(inputs, outputs);
  const std::vector<Value> want = Interpreter().run(graph, values);
  auto run_all = [&](std::span<const Pass> passes) {
    for (const Pass& pass : passes) {
      const std::string before = graph.str();
      run_pass(pass, graph, {.excluded = {}, .on_change = {}, .verify = true}, nullptr);
      const std::vector<Value> got = Interpreter().run(graph, values);
      for (size_t i = 0; i < want.size(); ++i) {
        if (close(got[i], want[i])) continue;
        FAIL("seed " << seed << ", output " << i << ", pass " << pass.name << " on\n"
                     << before << "made\n"
                     << graph.str());
      }
    }
  };
  run_all(pipeline(seed % 5 ? "fast_run" : "fast_compile"));
  run_all(lowering_pipeline(seed % 4 != 0));
}

}  // namespace

TEST_CASE("fuzz: passes keep the values of random expressions and gradients") {
  for (unsigned seed = 1; seed <= 300; ++seed) check_seed(seed);
}

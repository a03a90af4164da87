#include "passes/stabilize.h"

#include "ops/advanced_subtensor.h"
#include "ops/nnet/softmax.h"
#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

namespace {

std::string stable(const Var& v) { return after({v}, stabilize); }
Var softmax(const Var& x) { return apply(make_ref<Softmax>(), {x}); }

}  // namespace

TEST_CASE("stabilize: logarithms and exponentials") {
  Var x = scalar("x");
  CHECK(stable(log(1.0 + x)) == "log1p(x)");
  CHECK(stable(log(1.0 - x)) == "log1p(neg(x))");
  CHECK(stable(exp(x) - 1.0) == "expm1(x)");
  CHECK(stable(1.0 - exp(x)) == "neg(expm1(x))");
  CHECK(stable(log(1.0 + exp(x))) == "softplus(x)");
  CHECK(stable(log(sigmoid(x))) == "neg(softplus(neg(x)))");
  CHECK(stable(log(1.0 - sigmoid(x))) == "neg(softplus(x))");
  CHECK(stable(1.0 - sigmoid(x)) == "sigmoid(neg(x))");
  CHECK(stable(1.0 / (1.0 + exp(-x))) == "sigmoid(x)");
  // Literals have small dtypes of their own.
  const Var one = constant(1, DType::i8);
  CHECK(stable(log(one / (one + exp(-x)))) == "neg(softplus(neg(x)))");
  CHECK(stable(sigmoid(x) * exp(-x)) == "sigmoid(neg(x))");
  CHECK(stable(exp(x) / (1.0 + exp(x))).find("true_div") == std::string::npos);
  CHECK(stable(sqrt(sqr(x))) == "abs_(x)");
  CHECK(stable(log(erfc(x))) ==
        "switch(gt(x, 0.0), sub(log(erfcx(x)), sqr(x)), log1p(neg(erf(x))))");
}

TEST_CASE("stabilize: softmax and logsumexp") {
  Var x = matrix("x");
  CHECK(stable(log(softmax(x))) == "LogSoftmax(x)");
  Var e = exp(x);
  CHECK(stable(e / sum(e, {1}, true)) == "Softmax(x)");
  CHECK(stable(log(sum(exp(x), {1}))) ==
        "add(log(Sum{axis=[1], acc_dtype=float64}(exp(sub(x, ds{0,x}(switch(isinf(Max{axis=[1]}(x))"
        ", ds{x}(0.0), Max{axis=[1]}(x))))))), switch(isinf(Max{axis=[1]}(x)), ds{x}(0.0), "
        "Max{axis=[1]}(x)))");
  CHECK(stable(log(sum(exp(x), {0}, true))).find("Max{axis=[0]}") != std::string::npos);
}

TEST_CASE("stabilize: chosen elements of a softmax") {
  Var x = matrix("x"), i = vector("i", DType::i64), j = vector("j", DType::i64);
  const std::string s = stable(log(advanced_subtensor(softmax(x), {i, j})));
  CHECK(s.find("(LogSoftmax(x), i, j)") != std::string::npos);
  CHECK(s.find("log(") == std::string::npos);
}

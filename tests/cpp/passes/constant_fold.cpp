#include "passes/constant_fold.h"

#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

namespace {

// Knows add on scalars.
std::vector<Array> add_only(const Apply& node) {
  if (std::string(node.op().name()) != "add") return {};
  return {Array::scalar(node.output()->dtype(),
                        element_as_double(node.input(0)->constant().view()) +
                            element_as_double(node.input(1)->constant().view()))};
}

}  // namespace

TEST_CASE("constant_fold: structural ops by their own kernels") {
  const Var c = constant(3.0, DType::f64);
  CHECK(after({dimshuffle(c, {-1, -1}) + matrix("x")}, constant_fold) == "add((1, 1) of 3.0, x)");
  CHECK(after({make_vector({constant_int(1), constant_int(2)})}, constant_fold) == "[1 2]");
}

TEST_CASE("constant_fold: large fills stay symbolic") {
  const Var big = alloc(constant(0.0, DType::f64), {constant_int(1000000)});
  CHECK(after({big}, constant_fold) == "Alloc(0.0, 1000000)");
}

TEST_CASE("constant_fold: elementwise ops through the evaluator") {
  const Evaluator before = constant_evaluator();
  const Var sum = constant(1, DType::f64) + constant(2, DType::f64);
  set_constant_evaluator(nullptr);
  CHECK(after({sum}, constant_fold) == "add(1.0, 2.0)");
  set_constant_evaluator(add_only);
  CHECK(after({sum + sum}, constant_fold) == "6.0");
  CHECK(after({sum * sum}, constant_fold) == "mul(3.0, 3.0)");
  set_constant_evaluator(before);
}

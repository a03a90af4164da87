#include "passes/specialize.h"

#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

TEST_CASE("specialize: powers, squares, exact quotients") {
  Var x = scalar("x");
  auto special = [](const Var& v) { return after({v}, specialize); };
  CHECK(special(pow(x, constant(3, DType::f64))) == "mul(x, sqr(x))");
  CHECK(special(pow(x, constant(4, DType::f64))) == "sqr(sqr(x))");
  CHECK(special(pow(x, constant(-3, DType::f64))) == "inv(mul(x, sqr(x)))");
  CHECK(special(pow(x, constant(2.5, DType::f64))) == "pow(x, 2.5)");
  CHECK(special(x * x) == "sqr(x)");
  CHECK(special(x / 4.0) == "mul(x, 0.25)");
  CHECK(special(x / 3.0) == "true_div(x, 3.0)");
}

TEST_CASE("specialize: the square of a complex number's size needs no root") {
  Var z = scalar("z", DType::c128);
  CHECK(after({sqr(abs_(z))}, specialize) == "add(sqr(real(z)), sqr(imag(z)))");
  CHECK(after({sqr(z)}, specialize) == "sqr(z)");
  Var size = abs_(z);
  CHECK(after({sqr(size), size}, specialize) == "sqr(abs_(z)); abs_(z)");
}

TEST_CASE("specialize: a transposed product is a product of transposed views") {
  Var a = matrix("a"), b = matrix("b");
  CHECK(after({transpose(dot(a, transpose(b)))}, specialize) == "dot(b, ds{1,0}(a))");
}

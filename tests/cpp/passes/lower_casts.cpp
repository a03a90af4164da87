#include "passes/lower_casts.h"

#include "pass_test.h"

using namespace phintys;
using namespace phintys::test;

TEST_CASE("lower_casts: operands get the dtype that is computed in") {
  Var i = scalar("i", DType::i32), x = scalar("x", DType::f32), c = scalar("c", DType::i8);
  CHECK(after({i + x}, lower_casts) == "add(cast_float64(i), cast_float64(x))");
  CHECK(after({exp(i)}, lower_casts) == "exp(cast_float64(i))");
  CHECK(after({switch_(c, x, i)}, lower_casts) ==
        "switch(cast_bool(c), cast_float64(x), cast_float64(i))");
  CHECK(after({x + x}, lower_casts) == "add(x, x)");
}

TEST_CASE("lower_casts: reductions accumulate in acc_dtype") {
  CHECK(after({sum_all(vector("v", DType::i8))}, lower_casts) ==
        "Sum{axis=[0], acc_dtype=int64}(cast_int64(v))");
}

// Ops that move, make and look at shapes.
#include <doctest/doctest.h>

#include "autodiff/grad.h"
#include "evaluate.h"
#include "ops/build.h"
#include "ops/grad_ops.h"
#include "ops/shape_ops.h"

using namespace phintys;
using namespace phintys::testing;
using Numbers = std::vector<double>;

namespace {

Array ramp(Dims shape) {
  std::vector<double> v;
  for (int64_t i = 0; i < product(shape); ++i) v.push_back(static_cast<double>(i));
  return f64_array(shape, v);
}

std::string error_of(ErrorKind kind, const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "no error";
}

Var int_scalar(const char* name) { return make_variable(Type::scalar(DType::i64), name); }

}  // namespace

TEST_CASE("dimshuffle") {
  const Var x = make_variable(Type::tensor(DType::f64, Dims{-1, 1, -1}), "x");
  const Given given = {{x, ramp({2, 1, 3})}};
  const Var z = dimshuffle(x, {2, -1, 0});
  CHECK(z.type().str() == Type::tensor(DType::f64, Dims{-1, 1, -1}).str());
  CHECK(evaluate(z, given).shape() == Dims{3, 1, 2});
  CHECK(numbers(evaluate(z, given)) == Numbers{0, 3, 1, 4, 2, 5});
  CHECK(z->owner()->op().str() == "InplaceDimShuffle{2,x,0}");
  CHECK(gradient_error(z, x, given) < 1e-6);
  CHECK(error_of(ErrorKind::value, [&] {
          dimshuffle(x, {0, 1});
        }).find("You cannot drop a non-broadcastable dimension.") == 0);
  CHECK_THROWS_AS(dimshuffle(x, {0, 0, 1, 2}), Error);
  CHECK_THROWS_AS(dimshuffle(x, {0, 1, 2, 3}), Error);
}

TEST_CASE("reshape views what it can") {
  const Var x = f64_variable(2, "x");
  const Given given = {{x, ramp({4, 6})}};
  auto to = [](const Var& v, std::vector<int64_t> dims) {
    return reshape(v,
                   constant_array(Array::from_ints(dims.data(), static_cast<int64_t>(dims.size()))),
                   static_cast<int>(dims.size()));
  };
  const Array same = evaluate(to(x, {2, 2, -1}), given);
  CHECK(same.shape() == Dims{2, 2, 6});
  CHECK(same.buffer() == given[0].second.buffer());
  const Array copied = evaluate(to(transpose(x), {24}), given);
  CHECK(copied.buffer() != given[0].second.buffer());
  CHECK(numbers(copied)[1] == 6);
  const Array split = evaluate(to(transpose(x), {2, 3, 1, 4}), given);
  CHECK(split.buffer() == given[0].second.buffer());
  CHECK(numbers(split) == numbers(copied));
  CHECK(gradient_error(to(transpose(x), {8, 3}), x, given) < 1e-6);
  CHECK(to(x, {1, -1}).type().broadcastable(0));
  const Given one = {{x, ramp({1, 1})}};
  CHECK(error_of(ErrorKind::value, [&] { evaluate(to(x, {2, 2}), one); }) ==
        "Cannot reshape input of shape (1, 1) to shape [2 2]");
  CHECK_THROWS_AS(evaluate(to(x, {-1, -1}), given), Error);
  CHECK_THROWS_AS(evaluate(to(x, {0, -1}), given), Error);
  const Given none = {{x, ramp({0, 3})}};
  CHECK(evaluate(to(x, {3, 0, 5}), none).shape() == Dims{3, 0, 5});
}

TEST_CASE("the shape of a reshape without its value") {
  const Var x = f64_variable(2, "x"), n = int_scalar("n");
  const Var z = reshape(x, {n, shape_i(x, 1)});
  const std::vector<Var> dims = z->owner()->op().infer_shape(*z->owner())[0];
  for (int64_t k : {4, -1}) {
    const Given given = {{x, ramp({4, 6})}, {n, Array::scalar_int(DType::i64, k)}};
    CHECK(element_as_int(evaluate(dims[0], given).view()) == 4);
    CHECK(element_as_int(evaluate(dims[1], given).view()) == 6);
  }
}

TEST_CASE("shapes fold what types know") {
  const Var x = make_variable(Type::tensor(DType::f32, Dims{3, -1}));
  CHECK(shape_i(x, 0)->is_constant());
  CHECK(std::string(shape_i(x, 1)->owner()->op().name()) == "shape_i");
  CHECK(make_vector({constant_int(2), constant_int(3)})->is_constant());
  CHECK_THROWS_AS(shape_i(x, 2), Error);
}

TEST_CASE("alloc") {
  const Var v = f64_variable(1, "v"), n = int_scalar("n");
  const Var z = alloc(v, {n, constant_int(2)});
  CHECK(z.type().dim(1) == 2);
  const Given given = {{v, f64_array({2}, {5, 7})}, {n, Array::scalar_int(DType::i64, 2)}};
  CHECK(numbers(evaluate(z, given)) == Numbers{5, 7, 5, 7});
  CHECK(gradient_error(z, v, given) < 1e-6);
  const Given negative = {{v, f64_array({2}, {5, 7})}, {n, Array::scalar_int(DType::i64, -2)}};
  CHECK(error_of(ErrorKind::value, [&] { evaluate(z, negative); }).find("negative") !=
        std::string::npos);
  const Given huge = {{v, f64_array({2}, {5, 7})}, {n, Array::scalar_int(DType::i64, INT64_MAX)}};
  CHECK(error_of(ErrorKind::memory, [&] { evaluate(z, huge); }).find("too large") !=
        std::string::npos);
}

TEST_CASE("arange") {
  const Var a = int_scalar("a"), b = int_scalar("b"), s = int_scalar("s");
  const Var z = phintys::apply(make_ref<ARange>(), {a, b, s});
  const Var length = z->owner()->op().infer_shape(*z->owner())[0][0];
  for (int64_t i = -3; i <= 3; ++i) {
    for (int64_t j = -4; j <= 4; ++j) {
      for (int64_t k : {-3, -1, 1, 2}) {
        const Given given = {{a, Array::scalar_int(DType::i64, i)},
                             {b, Array::scalar_int(DType::i64, j)},
                             {s, Array::scalar_int(DType::i64, k)}};
        Numbers expected;
        for (int64_t v = i; k > 0 ? v < j : v > j; v += k)
          expected.push_back(static_cast<double>(v));
        CHECK(numbers(evaluate(z, given)) == expected);
        CHECK(element_as_int(evaluate(length, given).view()) ==
              static_cast<int64_t>(expected.size()));
      }
    }
  }
  auto real = make_ref<ARange>();
  real->dtype = DType::f64;
  const Var start = f64_variable(0), stop = f64_variable(0), step = f64_variable(0);
  const Var r = phintys::apply(real, {start, stop, step});
  const Given given = {
      {start, f64_array({}, {0.5})}, {stop, f64_array({}, {2.1})}, {step, f64_array({}, {0.5})}};
  CHECK(numbers(evaluate(r, given)) == Numbers{0.5, 1.0, 1.5, 2.0});
  CHECK(gradient_error(r, start, given) < 1e-6);
  CHECK(gradient_error(r, step, given) < 1e-6);
}

TEST_CASE("declared shapes are checked when running") {
  const Var x = f64_variable(2, "x");
  const Var z = specify_shape(x, Dims{1, -1});
  CHECK(z.type().broadcastable(0));
  const Given good = {{x, ramp({1, 3})}}, bad = {{x, ramp({2, 3})}};
  CHECK(evaluate(z, good).shape() == Dims{1, 3});
  CHECK(error_of(ErrorKind::assertion, [&] { evaluate(z, bad); }).find("(2, 3)") !=
        std::string::npos);
  CHECK_THROWS_AS(specify_shape(z, Dims{2, -1}), Error);
}

TEST_CASE("assert") {
  const Var x = f64_variable(1, "x"), c = make_variable(Type::tensor(DType::b8, 0), "c");
  auto op = make_ref<Assert>();
  op->message = "x is wrong";
  const Var z = phintys::apply(op, {x, c});
  Given given = {{x, ramp({2})}, {c, Array::scalar_int(DType::b8, 1)}};
  CHECK(numbers(evaluate(z, given)) == Numbers{0, 1});
  given[1].second = Array::scalar_int(DType::b8, 0);
  CHECK(error_of(ErrorKind::assertion, [&] { evaluate(z, given); }) == "x is wrong");
  op->value_error = true;
  CHECK(error_of(ErrorKind::value, [&] { evaluate(z, given); }) == "x is wrong");
}

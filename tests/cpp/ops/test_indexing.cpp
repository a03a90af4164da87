// Basic and advanced indexing: index arithmetic, shapes, values, gradients.
#include <doctest/doctest.h>

#include "autodiff/grad.h"
#include "evaluate.h"
#include "ops/advanced_subtensor.h"
#include "ops/build.h"
#include "ops/join.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"

using namespace phintys;
using namespace phintys::testing;
using Numbers = std::vector<double>;

namespace {

SliceRange slice(const char* start, const char* stop, const char* step, int64_t n) {
  int64_t v[3];
  const int64_t* p[3] = {};
  const char* text[3] = {start, stop, step};
  for (int i = 0; i < 3; ++i) {
    if (!*text[i]) continue;
    v[i] = std::stoll(text[i]);
    p[i] = &v[i];
  }
  return resolve_slice(p[0], p[1], p[2], n);
}

Array ramp(Dims shape) {
  std::vector<double> v;
  for (int64_t i = 0; i < product(shape); ++i) v.push_back(static_cast<double>(i));
  return f64_array(shape, v);
}

IndexEntry at(int64_t i) { return IndexEntry::integer(IndexSlot::of(i)); }
IndexEntry from_to(int64_t a, int64_t b) {
  return IndexEntry::slice(IndexSlot::of(a), IndexSlot::of(b));
}
const IndexEntry kReversed = IndexEntry::slice({}, {}, IndexSlot::of(-1));

std::string error_of(ErrorKind kind, const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("slices follow Python") {
  auto is = [](SliceRange r, int64_t start, int64_t step, int64_t length) {
    return r.start == start && r.step == step && r.length == length;
  };
  CHECK(is(slice("", "", "", 5), 0, 1, 5));
  CHECK(is(slice("1", "-1", "", 5), 1, 1, 3));
  CHECK(is(slice("", "", "-1", 5), 4, -1, 5));
  CHECK(is(slice("-100", "100", "2", 5), 0, 2, 3));
  CHECK(slice("3", "1", "", 5).length == 0);
  CHECK(is(slice("3", "1", "-1", 5), 3, -1, 2));
  CHECK(is(slice("100", "", "-2", 5), 4, -2, 3));
  CHECK(slice("", "", "", 0).length == 0);
  CHECK(slice("", "", "-1", 0).length == 0);
  CHECK(slice("0", "", "9223372036854775807", 5).length == 1);
  CHECK(slice("", "", "-9223372036854775808", 5).length == 1);
  CHECK_THROWS_AS(slice("", "", "0", 5), Error);
}

TEST_CASE("subtensor is a view") {
  const Var x = f64_variable(2, "x");
  const Given given = {{x, ramp({3, 4})}};
  CHECK(numbers(evaluate(subtensor(x, {at(1)}), given)) == Numbers{4, 5, 6, 7});
  CHECK(numbers(evaluate(subtensor(x, {at(-1), at(-4)}), given)) == Numbers{8});
  CHECK(numbers(evaluate(subtensor(x, {IndexEntry{}, kReversed}), given)) ==
        Numbers{3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8});
  const Array part = evaluate(subtensor(x, {from_to(1, 3), from_to(2, 100)}), given);
  CHECK(part.shape() == Dims{2, 2});
  CHECK(numbers(part) == Numbers{6, 7, 10, 11});
  CHECK(part.buffer() == given[0].second.buffer());
  CHECK(evaluate(subtensor(x, {from_to(2, 1)}), given).shape() == Dims{0, 4});
  CHECK(error_of(ErrorKind::index, [&] { evaluate(subtensor(x, {at(3)}), given); }) ==
        "index 3 is out of bounds for axis 0 with size 3");
  CHECK_THROWS_AS(subtensor(x, {at(0), at(0), at(0)}), Error);
}

TEST_CASE("symbolic bounds, and the shape without the value") {
  const Var x = f64_variable(1, "x");
  const Var a = make_variable(Type::scalar(DType::i64), "a");
  const Var b = make_variable(Type::scalar(DType::i64), "b");
  for (int64_t step : {1, 2, 3, -1, -2}) {
    const Var part = subtensor(
        x,
        {IndexEntry::slice(IndexSlot::next_input(), IndexSlot::next_input(), IndexSlot::of(step))},
        {a, b});
    const Var length = part->owner()->op().infer_shape(*part->owner())[0][0];
    for (int64_t n : {0, 1, 5}) {
      for (int64_t i = -7; i <= 7; ++i) {
        for (int64_t j = -7; j <= 7; ++j) {
          const Given given = {{x, ramp({n})},
                               {a, Array::scalar_int(DType::i64, i)},
                               {b, Array::scalar_int(DType::i64, j)}};
          const int64_t expected = resolve_slice(&i, &j, &step, n).length;
          CHECK(evaluate(part, given).size() == expected);
          CHECK(element_as_int(evaluate(length, given).view()) == expected);
        }
      }
    }
  }
}

TEST_CASE("constant bounds, and the shape without the value") {
  const Var x = f64_variable(1, "x");
  for (int64_t step : {1, 2, -1, -3}) {
    for (int64_t i = -4; i <= 4; ++i) {
      for (int64_t j = -4; j <= 4; ++j) {
        const Var part = subtensor(
            x, {IndexEntry::slice(IndexSlot::of(i), IndexSlot::of(j), IndexSlot::of(step))});
        const Var length = part->owner()->op().infer_shape(*part->owner())[0][0];
        for (int64_t n : {0, 1, 3, 5}) {
          const Given given = {{x, ramp({n})}};
          CHECK(element_as_int(evaluate(length, given).view()) == evaluate(part, given).size());
        }
      }
    }
  }
}

TEST_CASE("inc and set of a part") {
  const Var x = f64_variable(2, "x"), y = f64_variable(1, "y");
  const Given given = {{x, ramp({2, 3})}, {y, f64_array({2}, {10, 20})}};
  const std::vector<IndexEntry> index = {IndexEntry{}, IndexEntry::slice({}, {}, IndexSlot::of(2))};
  const Var inc = inc_subtensor(x, y, index), set = inc_subtensor(x, y, index, {}, true);
  CHECK(numbers(evaluate(inc, given)) == Numbers{10, 1, 22, 13, 4, 25});
  CHECK(numbers(evaluate(set, given)) == Numbers{10, 1, 20, 10, 4, 20});
  for (const Var& v : {x, y}) {
    CHECK(gradient_error(inc, v, given) < 1e-6);
    CHECK(gradient_error(set, v, given) < 1e-6);
  }
  CHECK(gradient_error(subtensor(x, index), x, given) < 1e-6);
  CHECK(gradient_error(subtensor(x, {at(-1), kReversed}), x, given) < 1e-6);
  const Given wrong = {{x, ramp({2, 3})}, {y, ramp({4})}};
  CHECK(error_of(ErrorKind::value, [&] { evaluate(inc, wrong); }).find("(4,)") !=
        std::string::npos);
}

TEST_CASE("rows chosen by a vector") {
  const Var x = f64_variable(2, "x"), y = f64_variable(2, "y");
  const Var i = make_variable(Type::tensor(DType::i64, 1), "i");
  const Given given = {{x, ramp({3, 2})}, {i, i64_array({4}, {0, -1, 0, 1})}, {y, ramp({4, 2})}};
  const Var rows = advanced_subtensor(x, {i});
  CHECK(std::string(rows->owner()->op().name()) == "advanced_subtensor1");
  CHECK(numbers(evaluate(rows, given)) == Numbers{0, 1, 4, 5, 0, 1, 2, 3});
  const Var inc = advanced_inc_subtensor(x, y, {i});
  CHECK(numbers(evaluate(inc, given)) == Numbers{4, 7, 8, 10, 6, 8});
  const Var set = advanced_inc_subtensor(x, y, {i}, 0, true);
  CHECK(numbers(evaluate(set, given)) == Numbers{4, 5, 6, 7, 2, 3});
  CHECK(gradient_error(rows, x, given) < 1e-6);
  CHECK(gradient_error(inc, y, given) < 1e-6);
  CHECK(gradient_error(set, x, given) < 1e-6);
  const Given wrong = {{x, ramp({3, 2})}, {i, i64_array({1}, {3})}};
  CHECK(error_of(ErrorKind::index, [&] { evaluate(rows, wrong); }) ==
        "index 3 is out of bounds for axis 0 with size 3");
}

TEST_CASE("every dtype is stored and accumulated") {
  const Var x = f64_variable(1, "x"), y = f64_variable(1, "y");
  const Var i = make_variable(Type::tensor(DType::i64, 1), "i");
  const Given given = {
      {x, ramp({3})}, {y, f64_array({3}, {1, 2, 3})}, {i, i64_array({3}, {1, -1, 1})}};
  for (int d = 1; d < kNumDTypes; ++d) {
    const DType dtype = static_cast<DType>(d);
    const Var at = is_int(dtype) && is_signed_int(dtype) ? cast(i, dtype) : i;
    const Var a = cast(x, dtype), b = cast(y, dtype);
    CHECK(numbers(evaluate(advanced_subtensor(a, {at}), given)) == Numbers{1, 2, 1});
    CHECK(numbers(evaluate(advanced_inc_subtensor(a, b, {at}), given)) == Numbers{0, 5, 4});
    CHECK(numbers(evaluate(advanced_inc_subtensor(a, b, {at}, 0, true), given)) ==
          Numbers{0, 3, 2});
    CHECK(numbers(evaluate(inc_subtensor(a, b, {kReversed}), given)) == Numbers{3, 3, 3});
  }
}

TEST_CASE("elements chosen by several arrays") {
  const Var x = f64_variable(3, "x");
  const Var i = make_variable(Type::tensor(DType::i64, 1), "i");
  const Var j = make_variable(Type::tensor(DType::i64, Dims{-1, 1}), "j");
  const Given given = {
      {x, ramp({2, 3, 4})}, {i, i64_array({3}, {0, -1, 2})}, {j, i64_array({2, 1}, {3, 1})}};
  const Var z = advanced_subtensor(x, {i, j}, 1);
  const Array value = evaluate(z, given);
  CHECK(value.shape() == Dims{2, 2, 3});
  CHECK(numbers(value) == Numbers{3, 11, 11, 1, 9, 9, 15, 23, 23, 13, 21, 21});
  CHECK(gradient_error(z, x, given) < 1e-6);
  // The loss of a classifier: one column of each row.
  const Var p = f64_variable(2, "p");
  const Given rows = {{p, ramp({3, 4})}, {i, i64_array({3}, {1, 0, 3})}};
  auto arange = make_ref<ARange>();
  const Var n = phintys::apply(arange, {constant_int(0), shape_i(p, 0), constant_int(1)});
  const Var chosen = advanced_subtensor(p, {n, i});
  CHECK(numbers(evaluate(chosen, rows)) == Numbers{1, 4, 11});
  CHECK(gradient_error(chosen, p, rows) < 1e-6);
  const std::vector<Var> dims = z->owner()->op().infer_shape(*z->owner())[0];
  for (int k = 0; k < 3; ++k) {
    CHECK(element_as_int(evaluate(dims[static_cast<size_t>(k)], given).view()) ==
          value.shape()[static_cast<size_t>(k)]);
  }
}

TEST_CASE("join") {
  const Var a = f64_variable(2, "a"), b = f64_variable(2, "b");
  const Given given = {{a, ramp({2, 1})}, {b, ramp({2, 2})}};
  const Var z = join(1, {a, b});
  CHECK(numbers(evaluate(z, given)) == Numbers{0, 0, 1, 1, 2, 3});
  CHECK(gradient_error(z, a, given) < 1e-6);
  CHECK(gradient_error(z, b, given) < 1e-6);
  CHECK(error_of(ErrorKind::value, [&] { evaluate(join(0, {a, b}), given); }).find("(2, 1)") !=
        std::string::npos);
  const Var row = make_variable(Type::tensor(DType::f64, Dims{1, -1}));
  CHECK(join(1, {row, a}).type().broadcastable(0));
  CHECK_FALSE(join(0, {row, a}).type().broadcastable(0));
}

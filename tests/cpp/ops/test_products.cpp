// Matrix products, reductions, positions of extrema, softmax: values, strides, gradients.
#include <doctest/doctest.h>

#include <cmath>

#include "autodiff/grad.h"
#include "evaluate.h"
#include "ops/argreduce.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/dot.h"
#include "ops/nnet/softmax.h"
#include "ops/subtensor.h"

using namespace phintys;
using namespace phintys::testing;
using Numbers = std::vector<double>;

namespace {

Array wave(Dims shape, double phase) {
  std::vector<double> v;
  for (int64_t i = 0; i < product(shape); ++i) {
    v.push_back(std::sin(phase + 1.7 * static_cast<double>(i)));
  }
  return f64_array(shape, v);
}

double distance(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - b[i]));
  return worst;
}

Numbers product_of(const Array& a, const Array& b) {
  const int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  const Numbers x = numbers(a), y = numbers(b);
  Numbers z(static_cast<size_t>(m * n), 0.0);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t l = 0; l < k; ++l) {
        z[static_cast<size_t>(i * n + j)] +=
            x[static_cast<size_t>(i * k + l)] * y[static_cast<size_t>(l * n + j)];
      }
    }
  }
  return z;
}

const IndexEntry kEvery2 = IndexEntry::slice({}, {}, IndexSlot::of(2));
const IndexEntry kReversed = IndexEntry::slice({}, {}, IndexSlot::of(-1));

}  // namespace

TEST_CASE("dot of matrices with any strides") {
  const Var a = f64_variable(2, "a"), b = f64_variable(2, "b");
  for (int64_t m : {0, 1, 2, 5}) {
    for (int64_t k : {0, 1, 3, 6}) {
      for (int64_t n : {0, 1, 4}) {
        const Given plain = {{a, wave({m, k}, 0)}, {b, wave({k, n}, 1)}};
        CHECK(distance(numbers(evaluate(dot(a, b), plain)),
                       product_of(plain[0].second, plain[1].second)) < 1e-12);
        // Views of larger arrays: transposed, strided, reversed.
        const Given wide = {{a, wave({k, 2 * m}, 0)}, {b, wave({2 * k, 2 * n}, 1)}};
        const Var va = transpose(subtensor(a, {IndexEntry{}, kEvery2}));
        const Var vb = subtensor(subtensor(b, {kEvery2, kEvery2}), {kReversed});
        CHECK(distance(numbers(evaluate(dot(va, vb), wide)),
                       product_of(evaluate(va, wide), evaluate(vb, wide))) < 1e-12);
        const Given turned = {{a, wave({k, m}, 0)}, {b, wave({n, k}, 1)}};
        CHECK(distance(numbers(evaluate(dot(transpose(a), transpose(b)), turned)),
                       product_of(evaluate(transpose(a), turned), evaluate(transpose(b), turned))) <
              1e-12);
      }
    }
  }
}

TEST_CASE("dot of every dtype") {
  const Var a = f64_variable(2, "a"), b = f64_variable(2, "b"), u = f64_variable(1, "u");
  const Given given = {{a, f64_array({2, 3}, {1, 2, 3, 4, 5, 6})},
                       {b, f64_array({3, 2}, {1, 0, 2, 1, 0, 3})},
                       {u, f64_array({3}, {1, 2, 3})}};
  for (int d = 0; d < kNumDTypes; ++d) {
    const DType dtype = static_cast<DType>(d);
    const Var x = cast(a, dtype), y = cast(b, dtype), v = cast(u, dtype);
    CHECK(dot(x, y).dtype() == dtype);
    const bool logical = dtype == DType::b8;
    CHECK(numbers(evaluate(dot(x, y), given)) ==
          (logical ? Numbers{1, 1, 1, 1} : Numbers{5, 11, 14, 23}));
    CHECK(numbers(evaluate(dot(transpose(y), v), given)) ==
          (logical ? Numbers{1, 1} : Numbers{5, 11}));
    CHECK(numbers(evaluate(dot(v, v), given)) == (logical ? Numbers{1} : Numbers{14}));
  }
}

TEST_CASE("gradients of dot") {
  const Var a = f64_variable(2), b = f64_variable(2), u = f64_variable(1), v = f64_variable(1);
  const Given given = {
      {a, wave({3, 4}, 0)}, {b, wave({4, 3}, 1)}, {u, wave({3}, 2)}, {v, wave({4}, 3)}};
  const Var cases[] = {dot(a, b), dot(a, v), dot(u, a), dot(u, u), dot(b, u)};
  for (const Var& z : cases) {
    for (const auto& [x, value] : given) {
      const Var roots[] = {z};
      const std::vector<Var> leaves = graph_inputs(roots);
      if (std::find(leaves.begin(), leaves.end(), x) == leaves.end()) continue;
      CHECK(gradient_error(z, x, given) < 1e-6);
    }
  }
}

TEST_CASE("dot of integers wraps, mismatches are named") {
  const Var a = make_variable(Type::tensor(DType::i64, 2)),
            b = make_variable(Type::tensor(DType::i64, 1));
  const Given given = {{a, i64_array({2, 2}, {1, 2, 3, INT64_MAX})}, {b, i64_array({2}, {1, 2})}};
  const Array z = evaluate(dot(a, b), given);
  CHECK(element_as_int(z.view(), 0) == 5);
  CHECK(element_as_int(z.view(), 1) == 1);
  const Given wrong = {{a, i64_array({2, 2}, {1, 2, 3, 4})}, {b, i64_array({3}, {1, 2, 3})}};
  try {
    evaluate(dot(a, b), wrong);
    CHECK(false);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::value);
    CHECK(std::string(e.what()) == "shapes (2, 2) and (3,) not aligned: 2 (dim 1) != 3 (dim 0)");
  }
}

TEST_CASE("gemm and gemv") {
  const Var c = f64_variable(2), a = f64_variable(2), b = f64_variable(2);
  const Var y = f64_variable(1), x = f64_variable(1);
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      for (double beta : {0.0, 1.0, -0.5}) {
        auto op = make_ref<Gemm>();
        op->alpha = 2;
        op->beta = beta;
        op->trans_a = ta;
        op->trans_b = tb;
        const Given given = {{c, wave({2, 3}, 0)},
                             {a, wave(ta ? Dims{4, 2} : Dims{2, 4}, 1)},
                             {b, wave(tb ? Dims{3, 4} : Dims{4, 3}, 2)},
                             {y, wave({2}, 3)},
                             {x, wave({4}, 4)}};
        const Var z = phintys::apply(op, {c, a, b});
        const Var ab = dot(ta ? transpose(a) : a, tb ? transpose(b) : b);
        CHECK(distance(numbers(evaluate(z, given)), numbers(evaluate(c * beta + ab * 2.0, given))) <
              1e-12);
        for (const Var& v : {c, a, b}) CHECK(gradient_error(z, v, given) < 1e-6);
        auto mv = make_ref<Gemv>();
        mv->alpha = 3;
        mv->beta = beta;
        mv->trans_a = ta;
        const Var w = phintys::apply(mv, {y, a, x});
        const Var ax = dot(ta ? transpose(a) : a, x);
        CHECK(distance(numbers(evaluate(w, given)), numbers(evaluate(y * beta + ax * 3.0, given))) <
              1e-12);
        for (const Var& v : {y, a, x}) CHECK(gradient_error(w, v, given) < 1e-6);
      }
    }
  }
}

TEST_CASE("reductions") {
  const Var x = f64_variable(3, "x");
  const Given given = {{x, wave({2, 3, 4}, 0.4)}};
  for (const char* kind : {"sum", "prod", "max", "min"}) {
    for (const std::vector<int64_t>& axes :
         {std::vector<int64_t>{0}, {-1}, {0, 2}, {0, 1, 2}, {}}) {
      CHECK(gradient_error(reduce(kind, x, axes), x, given) < 1e-5);
      CHECK(gradient_error(reduce(kind, x, axes, true), x, given) < 1e-5);
    }
  }
  CHECK(reduce("sum", cast(x, DType::i8), {0}).dtype() == DType::i64);
  CHECK(reduce("prod", cast(x, DType::u8), {0}).dtype() == DType::u64);
  CHECK(reduce("any", x, {0}).dtype() == DType::b8);
  CHECK(reduce("max", x, {1}, true).type().broadcastable(1));
  CHECK_THROWS_AS(reduce("max", x, {3}), Error);
  CHECK_THROWS_AS(reduce("median", x, {0}), Error);
  const Given empty = {{x, f64_array({2, 0, 4}, {})}};
  CHECK_THROWS_AS(evaluate(reduce("max", x, {1}), empty), Error);
  CHECK(evaluate(reduce("max", x, {0}), empty).shape() == Dims{0, 4});
}

TEST_CASE("the gradient of prod is exact with zeros") {
  const Var x = f64_variable(1, "x");
  const Var wrt[] = {x};
  const Var g = grad(reduce("prod", x, {0}), wrt).grads[0];
  CHECK(numbers(evaluate(g, {{x, f64_array({3}, {0, 2, 3})}})) == Numbers{6, 0, 0});
  CHECK(numbers(evaluate(g, {{x, f64_array({3}, {0, 0, 3})}})) == Numbers{0, 0, 0});
  CHECK(numbers(evaluate(g, {{x, f64_array({3}, {4, 2, 3})}})) == Numbers{6, 12, 8});
}

TEST_CASE("argmax") {
  const Var x = f64_variable(2, "x");
  const Given given = {{x, f64_array({2, 3}, {1, 5, 5, NAN, 9, 2})}};
  CHECK(numbers(evaluate(argmax(x, {1}), given)) == Numbers{1, 0});
  CHECK(numbers(evaluate(argmax(x, {0, 1}), given)) == Numbers{3});
  CHECK(numbers(evaluate(argmax(transpose(x), {0}), given)) == Numbers{1, 0});
  CHECK(numbers(evaluate(argmax(x, {0}), given)) == Numbers{1, 1, 0});
  CHECK(argmax(x, {1}).dtype() == DType::i64);
  const Given empty = {{x, f64_array({2, 0}, {})}};
  CHECK_THROWS_AS(evaluate(argmax(x, {1}), empty), Error);
}

TEST_CASE("softmax") {
  const Var x = f64_variable(2, "x");
  const Given given = {{x, wave({3, 5}, 0)}};
  const Var p = phintys::apply(make_ref<Softmax>(), {x});
  const Var l = phintys::apply(make_ref<LogSoftmax>(), {x});
  CHECK(gradient_error(p, x, given) < 1e-6);
  CHECK(gradient_error(l, x, given) < 1e-6);
  CHECK(distance(numbers(evaluate(log(p), given)), numbers(evaluate(l, given))) < 1e-12);
  const Var turned = phintys::apply(make_ref<Softmax>(), {transpose(x)});
  CHECK(distance(numbers(evaluate(sum(turned, {1}), given)), Numbers(5, 1.0)) < 1e-12);
  const Given large = {{x, f64_array({1, 2}, {1000, 0})}};
  CHECK(numbers(evaluate(l, large)) == Numbers{0, -1000});
  CHECK_THROWS_AS(phintys::apply(make_ref<Softmax>(), {constant(1, DType::f64)}), Error);
}

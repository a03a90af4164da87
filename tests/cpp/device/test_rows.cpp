// Softmax, norms, extrema: the emulated device against the host.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ops/argreduce.h"
#include "ops/nnet/norm.h"
#include "ops/nnet/softmax.h"
#include "ops/nnet/softmax_grad.h"
#include "run_both.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void check(const Op& op, const std::vector<Array>& inputs, double most, bool in_place = false) {
  const Compared c = run_both(op, inputs, in_place);
  CHECK(c.enqueued);
  CHECK_FALSE(c.refused);
  CHECK_FALSE(c.host_failed);
  CHECK(c.same_twice);
  CHECK(c.error <= most);
}
void check_exact(const Op& op, const std::vector<Array>& inputs) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK(c.same_twice);
  CHECK(c.same_bits);
}

double tolerance(DType dtype) {
  return dtype == DType::f16 ? 1e-3 : dtype == DType::f32 ? 4e-6 : 1e-14;
}

}  // namespace

TEST_CASE("softmax on a device") {
  for (const DType dtype : {DType::f16, DType::f32, DType::f64}) {
    for (const int64_t cols : {1, 3, 4, 10, 31, 64, 129, 200, 1000, 1030, 2049}) {
      CAPTURE(cols);
      const Array x = array_of(dtype, {3, cols}, noise(1, 8));
      check(Softmax(), {x}, tolerance(dtype));
      check(LogSoftmax(), {x}, 4 * tolerance(dtype));
      check(Softmax(), {x}, tolerance(dtype), true);
    }
    check(Softmax(), {array_of(dtype, {0, 4}, noise(1))}, 0);
    check(Softmax(), {array_of(dtype, {4, 0}, noise(1))}, 0);
    for (const Lay lay : {Lay::reversed, Lay::spread, Lay::transposed}) {
      check(Softmax(), {array_of(dtype, {2, 5, 36}, noise(2, 3), lay)}, tolerance(dtype));
    }
    check(LogSoftmax(), {shifted_array(dtype, {5, 64}, noise(3, 3), 1)}, 4 * tolerance(dtype));
  }
}

TEST_CASE("softmax of rows that no block holds") {
  for (const int64_t cols : {16385, 16400}) {
    const Array x = array_of(DType::f32, {2, cols}, [=](int64_t i) {
      if (i < 9) return -kInf;
      return noise(4, 20)(i) + (i == cols + 77 ? 30 : 0);
    });
    check(Softmax(), {x}, 4e-6);
    check(LogSoftmax(), {x}, 2e-5);
  }
  check(Softmax(), {array_of(DType::f16, {1, 16392}, noise(4, 5))}, 1e-3);
  const Array nan = array_of(DType::f32, {1, 17000}, [](int64_t i) { return i == 9 ? kNaN : 1; });
  check(Softmax(), {nan}, 0);
  const Array low = array_of(DType::f32, {1, 17000}, [](int64_t) { return -kInf; });
  check(Softmax(), {low}, 0);
  const Array top = array_of(DType::f32, {1, 17000}, [](int64_t i) { return i == 9 ? kInf : 1; });
  check(Softmax(), {top}, 0);
}

TEST_CASE("softmax of odd numbers") {
  const Array x = array_of(DType::f64, {6, 5}, [](int64_t i) {
    const int64_t row = i / 5, col = i % 5;
    if (row == 0) return col == 2 ? kNaN : 1.0;
    if (row == 1) return -kInf;
    if (row == 2) return col == 4 ? kInf : 0.5;
    if (row == 3) return col == 0 ? kNaN : -kInf;
    if (row == 4) return col == 1 ? -kInf : 700.0 + static_cast<double>(col);
    return 1e308 * static_cast<double>(col - 2);
  });
  check(Softmax(), {x}, 1e-14);
  check(LogSoftmax(), {x}, 1e-14);
}

TEST_CASE("gradients of softmax on a device") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const bool log : {false, true}) {
      SoftmaxGrad op;
      op.log = log;
      for (const int64_t cols : {1, 7, 32, 130, 513, 2100}) {
        const Array g = array_of(dtype, {3, cols}, noise(1)),
                    z = array_of(dtype, {3, cols}, noise(2));
        check(op, {g, z}, 100 * tolerance(dtype));
        check(op, {g, z}, 100 * tolerance(dtype), true);
      }
      check(op,
            {array_of(dtype, {3, 40}, noise(1), Lay::reversed),
             array_of(dtype, {3, 40}, noise(2), Lay::transposed)},
            100 * tolerance(dtype));
      CrossentropySoftmaxGrad ce;
      ce.log = log;
      const Array z = array_of(dtype, {5, 4}, noise(3));
      const Array y = array_of(DType::i8, {3}, [](int64_t i) { return i == 1 ? -1.0 : 2.0; });
      check(ce, {array_of(dtype, {3}, noise(4)), z, y}, tolerance(dtype));
      check(ce, {array_of(dtype, {1}, noise(4)), z, y}, tolerance(dtype), true);
      check(ce,
            {array_of(dtype, {3}, noise(4), Lay::reversed),
             array_of(dtype, {5, 4}, noise(3), Lay::spread),
             array_of(DType::u64, {3}, noise(1, 0), Lay::spread)},
            tolerance(dtype));
      for (const int64_t cols : {4, 0}) {
        const Compared c =
            run_both(ce, {array_of(dtype, {3}, noise(4)), array_of(dtype, {5, cols}, noise(3)),
                          array_of(DType::i64, {3}, [](int64_t i) { return i == 2 ? -5.0 : 3; })});
        CHECK(c.enqueued);
        CHECK(c.host_failed);
        CHECK(c.refused);
      }
    }
  }
  SoftmaxGrad op;
  check(op, {array_of(DType::f32, {1, 8200}, noise(1)), array_of(DType::f32, {1, 8200}, noise(2))},
        1e-4);
}

TEST_CASE("layer normalisation on a device") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    LayerNorm op;
    for (const int64_t cols : {1, 6, 64, 100, 1028, 1500}) {
      CAPTURE(cols);
      const Array x = array_of(dtype, {3, cols}, [](int64_t i) { return 5 + noise(1)(i); });
      const Array gamma = array_of(dtype, {cols}, noise(2)),
                  beta = array_of(dtype, {cols}, noise(3));
      check(op, {x}, 30 * tolerance(dtype));
      check(op, {x, gamma, beta}, 30 * tolerance(dtype));
      const Array gy = array_of(dtype, {3, cols}, noise(4));
      const Array mean = array_of(dtype, {3}, noise(5)), inv = array_of(dtype, {3}, noise(6));
      check(LayerNormGrad(), {x, gy, mean, inv}, 50 * tolerance(dtype));
      check(LayerNormGrad(), {x, gy, mean, inv, gamma}, 50 * tolerance(dtype));
    }
    const Array x = array_of(dtype, {150, 2, 5}, noise(1), Lay::transposed);
    const Array gy = array_of(dtype, {150, 2, 5}, noise(2), Lay::spread);
    const Array mean = array_of(dtype, {150, 2}, noise(3)),
                inv = array_of(dtype, {150, 2}, noise(4));
    const Array gamma = array_of(dtype, {5}, noise(5), Lay::reversed);
    check(op, {x, gamma, gamma}, 30 * tolerance(dtype));
    check(LayerNormGrad(), {x, gy, mean, inv, gamma}, 200 * tolerance(dtype));
    const Array none = array_of(dtype, {0, 5}, noise(1)), no_rows = array_of(dtype, {0}, noise(1));
    check(op, {none, gamma, gamma}, 0);
    check(LayerNormGrad(), {none, none, no_rows, no_rows, gamma}, 0);
    check(op, {array_of(dtype, {2, 0}, noise(1))}, 0);
  }
  const Array x = array_of(DType::f32, {1, 16388}, noise(1)),
              g = array_of(DType::f32, {16388}, noise(2));
  check(LayerNorm(), {x, g, g}, 1e-4);
  const Array one = array_of(DType::f32, {1}, noise(3));
  check(LayerNormGrad(), {x, x, one, one, g}, 1e-4);
}

TEST_CASE("batch normalisation on a device") {
  struct Shape {
    Dims x;
    int64_t lead, kept;
  };
  const Shape shapes[] = {{{5, 3, 4, 2}, 1, 1}, {{6, 3, 3, 3}, 1, 1}, {{200, 7}, 1, 1},
                          {{130, 40}, 1, 1},    {{4, 3, 5}, 1, 2},    {{3, 4}, 0, 1},
                          {{20, 2, 900}, 1, 1}, {{1, 2, 1}, 1, 1}};
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& s : shapes) {
      Dims p(s.x.begin() + s.lead, s.x.begin() + s.lead + s.kept);
      for (const Lay lay : {Lay::contiguous, Lay::transposed}) {
        BatchNorm op;
        op.lead = s.lead;
        op.kept = s.kept;
        const Array x = array_of(dtype, s.x, [](int64_t i) { return 3 + noise(1)(i); }, lay);
        const Array a = array_of(dtype, p, noise(2)), b = array_of(dtype, p, noise(3));
        const Array c = array_of(dtype, p, noise(4));
        check(op, {x, a, b}, 50 * tolerance(dtype));
        BatchNormGrad grad;
        grad.lead = s.lead;
        grad.kept = s.kept;
        check(grad, {x, array_of(dtype, s.x, noise(5), lay), a, b, c}, 300 * tolerance(dtype));
        ScaleChannels scale;
        scale.lead = s.lead;
        scale.kept = s.kept;
        check(scale, {x, a, b, c}, tolerance(dtype));
      }
    }
    const Array p = array_of(dtype, {3}, noise(1));
    check(BatchNorm(), {array_of(dtype, {0, 3, 2}, noise(1)), p, p}, 0);
    check(BatchNormGrad(),
          {array_of(dtype, {0, 3}, noise(1)), array_of(dtype, {0, 3}, noise(1)), p, p, p}, 0);
    check(BatchNorm(), {shifted_array(dtype, {9, 3, 4}, noise(1), 1), p, p}, 50 * tolerance(dtype));
  }
}

TEST_CASE("positions of extrema on a device") {
  const DType dtypes[] = {DType::b8,  DType::i8,  DType::i16, DType::i32, DType::i64, DType::u8,
                          DType::u16, DType::u32, DType::u64, DType::f16, DType::f32, DType::f64};
  for (const DType dtype : dtypes) {
    for (const bool is_max : {true, false}) {
      ArgReduce op;
      op.is_max = is_max;
      const auto run = [&](const Dims& shape, std::vector<int64_t> axes) {
        op.axes = std::move(axes);
        for (const Lay lay : {Lay::contiguous, Lay::reversed, Lay::transposed}) {
          check_exact(op, {array_of(dtype, shape, noise(7, 6, true), lay)});
        }
      };
      run({3, 5, 7}, {1});
      run({3, 5, 7}, {2});
      run({3, 5, 7}, {0, 2});
      run({3, 5, 7}, {0, 1, 2});
      run({40, 50}, {0});
      run({1}, {0});
    }
  }
  ArgReduce op;
  check_exact(op, {array_of(DType::f64, {}, noise(1))});
  op.axes = {0};
  check_exact(op, {array_of(DType::f64, {4, 0}, noise(1))});
  for (const bool is_max : {true, false}) {
    op.is_max = is_max;
    check_exact(op, {array_of(DType::f32, {40000}, noise(3, 1000, true))});
    check_exact(op, {array_of(DType::f64, {700, 33}, noise(3, 50, true))});
    for (const DType dtype : {DType::f16, DType::f32, DType::f64}) {
      check_exact(op,
                  {array_of(dtype, {9}, [](int64_t i) { return i == 3 || i == 6 ? kNaN : 1; })});
      check_exact(op, {array_of(dtype, {9}, [](int64_t i) { return i % 2 ? 0.0 : -0.0; })});
      check_exact(op, {array_of(dtype, {9}, [](int64_t i) { return i > 4 ? kInf : -kInf; })});
    }
  }
}

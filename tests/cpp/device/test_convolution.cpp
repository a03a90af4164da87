// Convolution, pooling and their gradients: the emulated device against the host.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include "device/settings.h"
#include "ops/conv/conv.h"
#include "ops/pool/pool.h"
#include "run_both.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double tolerance(DType dtype) { return dtype == DType::f32 ? 2e-5 : 1e-12; }

void check(const Op& op, const std::vector<Array>& inputs, double most) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK_FALSE(c.refused);
  CHECK_FALSE(c.host_failed);
  CHECK(c.same_twice);
  CHECK(c.error <= most);
}

Array integers(const std::vector<int64_t>& values, DType dtype = DType::i64) {
  return array_of(dtype, {static_cast<int64_t>(values.size())},
                  [values](int64_t i) { return values[static_cast<size_t>(i)]; });
}

// --- convolution --------------------------------------------------------------------------------

bool whole = false;  // operands are small integers

struct Problem {
  int64_t batch, channels, filters;  // of all groups
  std::vector<int64_t> in, kernel, stride, dilation, pad;
  int64_t groups = 1;
  bool flip = false;
};

template <class Conv_>
void set(Conv_& op, const Problem& p) {
  op.stride = p.stride;
  op.dilation = p.dilation;
  op.pad = p.pad;
  op.groups = p.groups;
  op.flip = p.flip;
}

// The op and both gradients, or some of them.
void check_all(const Problem& p, DType dtype, Lay lay = Lay::contiguous,
               std::string_view parts = "forward, inputs, filters") {
  const auto wanted = [&](const char* part) { return parts.find(part) != std::string_view::npos; };
  Conv forward;
  set(forward, p);
  Dims x = {p.batch, p.channels}, w = {p.filters, p.channels / p.groups}, y = {p.batch, p.filters};
  double terms = 1;
  for (size_t i = 0; i < p.in.size(); ++i) {
    x.push_back(p.in[i]);
    w.push_back(p.kernel[i]);
    y.push_back(forward.out_length(static_cast<int>(i), p.in[i], p.kernel[i]));
    REQUIRE(y.back() >= 0);
    terms *= static_cast<double>(std::max<int64_t>(1, y.back()));
  }
  // A sum may be much smaller than its terms.
  const double most = tolerance(dtype) * std::sqrt(terms * static_cast<double>(p.batch) + 64);
  const double scale = whole ? 4 : 1;
  const Array xs = array_of(dtype, x, noise(1, scale, whole), lay),
              ws = array_of(dtype, w, noise(2, scale, whole), lay),
              ys = array_of(dtype, y, noise(3, scale, whole), lay);
  if (wanted("forward")) check(forward, {xs, ws}, most);
  ConvGradInputs inputs;
  set(inputs, p);
  if (wanted("inputs")) check(inputs, {ws, ys, integers(p.in)}, most);
  ConvGradWeights filters;
  set(filters, p);
  if (wanted("filters")) check(filters, {xs, ys, integers(p.kernel)}, most);
}

// --- pooling ------------------------------------------------------------------------------------

struct Windows {
  Dims x;
  std::vector<int64_t> window, stride, pad;
  bool ignore_border = true;
};

template <class P>
void set(P& op, const Windows& p, const char* mode) {
  op.mode = mode;
  op.ndim = static_cast<int64_t>(p.window.size());
  op.ignore_border = p.ignore_border;
}

Dims pooled_shape(const Windows& p, const Pool& op, const std::vector<Array>& inputs) {
  std::vector<TensorView> views;
  for (const Array& a : inputs) views.push_back(a.view());
  Layout layout;
  op.layout(views, std::span(&layout, 1));
  return Dims(layout.shape.begin(), layout.shape.begin() + static_cast<long>(p.x.size()));
}

// Maxima with both gradients, then averages and sums with theirs.
void check_all(const Windows& p, DType dtype, Lay lay = Lay::contiguous) {
  // Few different values: ties in a window.
  const Array x = array_of(dtype, p.x, noise(1, 3, true), lay), v = array_of(dtype, p.x, noise(5));
  const Array ws = integers(p.window), stride = integers(p.stride, DType::i32),
              pad = integers(p.pad, DType::i8);
  for (const char* mode : {"max", "sum", "average_inc_pad", "average_exc_pad"}) {
    CAPTURE(mode);
    Pool pool;
    set(pool, p, mode);
    check(pool, {x, ws, stride, pad}, tolerance(dtype));
    const Dims out = pooled_shape(p, pool, {x, ws, stride, pad});
    const Array g = array_of(dtype, out, noise(3), lay);
    if (std::string_view(mode) != "max") {
      AveragePoolGrad grad;
      set(grad, p, mode);
      std::vector<int64_t> lengths(p.x.end() - static_cast<long>(p.window.size()), p.x.end());
      check(grad, {integers(lengths), g, ws, stride, pad}, tolerance(dtype));
      continue;
    }
    const Array z = array_of(dtype, out, noise(4, 3, true), lay);
    MaxPoolGrad grad;
    set(grad, p, mode);
    check(grad, {x, z, g, ws, stride, pad}, tolerance(dtype));
    MaxPoolGradGrad chosen;
    set(chosen, p, mode);
    check(chosen, {x, z, v, ws, stride, pad}, tolerance(dtype));
  }
}

}  // namespace

TEST_CASE("convolutions on a device") {
  const Problem problems[] = {
      {2, 3, 5, {9, 8}, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {2, 3, 5, {9, 8}, {3, 2}, {1, 1}, {1, 1}, {2, 1, 1, 0}, 1, true},
      {2, 3, 5, {11, 12}, {3, 5}, {2, 3}, {1, 1}, {1, 1, 2, 2}},
      {1, 4, 6, {17, 16}, {3, 4}, {2, 3}, {2, 2}, {2, 2, 1, 3}, 1, true},
      {2, 2, 3, {5, 6, 7}, {2, 3, 3}, {2, 1, 1}, {1, 1, 2}, {1, 0, 0, 0, 2, 2}, 1, true},
      {3, 2, 40, {50}, {7}, {4}, {1}, {3, 3}},
      {2, 36, 48, {7, 6}, {3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, 3, true},
      {2, 20, 33, {4, 4}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {2, 20, 33, {9, 8}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {2, 34, 32, {72}, {1}, {1}, {1}, {0, 0}, 2, true},
      {1, 3, 10, {13, 12}, {2, 1}, {4, 3}, {1, 1}, {0, 0, 0, 0}},  // taps that no input meets
      {1, 1, 1, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {1, 2, 3, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {4, 4, 4, 4}},  // points over zeros alone
  };
  for (const Problem& p : problems) {
    CAPTURE(&p - problems);
    for (const DType dtype : {DType::f32, DType::f64}) check_all(p, dtype);
    for (const Lay lay : {Lay::reversed, Lay::spread, Lay::transposed}) {
      check_all(p, DType::f32, lay);
    }
  }
}

TEST_CASE("convolutions with few channels in a group on a device") {
  const Problem problems[] = {
      {2, 6, 6, {7, 8}, {3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, 6, true},
      {2, 10, 15, {9, 8}, {5, 4}, {2, 1}, {1, 2}, {2, 2, 3, 3}, 5},
      {2, 12, 14, {9, 8}, {5, 4}, {2, 1}, {1, 2}, {2, 2, 3, 3}, 2},
      {2, 4, 4, {5, 4, 6}, {2, 2, 2}, {2, 1, 1}, {1, 2, 1}, {1, 1, 0, 0, 0, 1}, 4, true},
      {3, 4, 8, {40}, {11}, {3}, {2}, {7, 9}, 4},
  };
  for (const Problem& p : problems) {
    CAPTURE(&p - problems);
    for (const DType dtype : {DType::f32, DType::f64}) check_all(p, dtype);
    check_all(p, DType::f32, Lay::transposed);
  }
}

// For the kernels with the largest blocks.
const Problem kLarge = {1, 1, 66, {136, 128}, {5, 15}, {1, 1}, {1, 1}, {2, 2, 7, 7}};

// Each kernel, and sums that several blocks share.
TEST_CASE("large convolutions on a device") {
  check_all({1, 64, 40, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, DType::f32);
  check_all({1, 64, 40, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, DType::f64);
  check_all(kLarge, DType::f32, Lay::contiguous, "forward, filters");
  check_all({2, 8, 72, {34, 34}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, DType::f32);
  check_all({2, 3, 3, {96, 96}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, DType::f32);
  check_all({8, 2, 2, {34, 34}, {3, 5}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2}, DType::f32);
}

TEST_CASE("convolutions of many kinds on a device") {
  std::mt19937 random(7);
  auto some = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  for (int i = 0; i < 60; ++i) {
    Problem p;
    p.batch = some(1, 3);
    p.groups = some(0, 2) > 0 ? 1 : some(1, 3);
    p.channels = p.groups * some(1, 6);
    p.filters = p.groups * some(1, 9);
    p.flip = some(0, 1) == 1;
    const int64_t n = some(1, 3);
    for (int64_t a = 0; a < n; ++a) {
      p.kernel.push_back(some(1, 4));
      p.dilation.push_back(some(1, 3));
      p.stride.push_back(some(1, 4));
      p.pad.push_back(some(0, 4));
      p.pad.push_back(some(0, 4));
      const int64_t least = (p.kernel.back() - 1) * p.dilation.back() + 1;
      p.in.push_back(std::max<int64_t>(1, least) + some(0, 5));
    }
    CAPTURE(i);
    check_all(p, DType::f32);
  }
}

TEST_CASE("convolutions on tensor cores of a device") {
  // Operands that TF32 has exactly.
  device::settings().f32_products = device::F32Products::tf32;
  whole = true;
  check_all({2, 3, 5, {9, 8}, {3, 2}, {1, 1}, {1, 1}, {2, 1, 1, 0}, 1, true}, DType::f32);
  check_all({2, 36, 48, {7, 6}, {3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, 3, true}, DType::f32);
  check_all({1, 64, 40, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, DType::f32);
  check_all(kLarge, DType::f32, Lay::contiguous, "forward, filters");
  check_all({2, 8, 72, {34, 34}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, DType::f32);
  whole = false;
  device::settings().f32_products = device::F32Products::full;
}

TEST_CASE("convolutions without elements on a device") {
  check_all({0, 3, 5, {9, 8}, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}}, DType::f32);
  check_all({2, 0, 5, {9, 8}, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}}, DType::f32);
  check_all({2, 3, 0, {9, 8}, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}}, DType::f32);
  check_all({2, 3, 4, {2, 8}, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}}, DType::f32);
}

TEST_CASE("pooling on a device") {
  const Windows windows[] = {
      {{2, 3, 8, 8}, {2, 2}, {2, 2}, {0, 0}},
      {{2, 3, 9, 7}, {3, 2}, {2, 1}, {1, 0}},
      {{2, 3, 9, 7}, {3, 2}, {2, 3}, {0, 0}, false},
      {{2, 3, 9, 7}, {2, 2}, {3, 4}, {0, 0}, false},
      {{2, 2, 5, 6, 7}, {2, 3, 3}, {2, 1, 2}, {1, 2, 0}},
      {{11}, {4}, {3}, {2}},
      {{2, 1, 2, 1, 2, 6}, {3}, {2}, {0}, false},
      {{3, 1, 4, 4}, {4, 4}, {1, 1}, {3, 3}},
      {{2, 3, 4, 5}, {9, 9}, {9, 9}, {8, 8}},
      {{2, 2, 12, 10}, {12, 10}, {12, 10}, {0, 0}},  // wide: a warp each
      {{2, 2, 30, 21}, {14, 9}, {15, 12}, {2, 1}},
      {{2, 3, 70}, {70}, {70}, {0}},
      {{2, 2, 6, 8, 8}, {5, 8, 7}, {6, 8, 8}, {0, 0, 0}},
      {{0, 3, 4, 4}, {2, 2}, {2, 2}, {0, 0}},
      {{2, 3, 1, 4}, {2, 2}, {2, 2}, {0, 0}},
  };
  for (const Windows& p : windows) {
    CAPTURE(&p - windows);
    for (const DType dtype : {DType::f32, DType::f64}) check_all(p, dtype);
    for (const Lay lay : {Lay::reversed, Lay::spread, Lay::transposed}) {
      check_all(p, DType::f32, lay);
    }
  }
}

TEST_CASE("pooling of integers on a device") {
  for (const DType dtype : {DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16,
                            DType::u32, DType::u64}) {
    // Sums leave the range of the shortest ones.
    const bool sign = dtype < DType::u8;
    const Array x = array_of(dtype, {2, 9, 8}, [sign](int64_t i) {
      return static_cast<double>(i * 37 % 127) - (sign ? 63 : 0);
    });
    for (const char* mode : {"max", "sum"}) {
      Pool pool;
      pool.mode = mode;
      check(pool, {x, integers({3, 4}), integers({2, 1}), integers({1, 2})}, 0);
    }
  }
}

TEST_CASE("NaN and infinities in windows on a device") {
  for (const int64_t length : {9, 60}) {
    const Array x = array_of(DType::f32, {3, length, length}, [=](int64_t i) {
      if (i == 7 || i == length * length + 3) return kNaN;
      return i == 2 ? kInf : i < 2 * length * length ? 1. : -kInf;
    });
    for (const char* mode : {"max", "average_exc_pad"}) {
      Pool pool;
      pool.mode = mode;
      const int64_t window = length > 9 ? 30 : 3;
      check(pool, {x, integers({window, window}), integers({window, window}), integers({0, 0})},
            1e-6);
    }
  }
}

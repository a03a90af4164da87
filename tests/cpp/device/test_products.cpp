// Kernels of products on the emulated device, called through the table, against plain loops. Most
// operands hold small whole numbers, of which every kernel gives the exact result: an index that is
// wrong shows.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "array/array.h"
#include "array/dtype.h"
#include "device/products.h"

using namespace phintys;
using device::Activation;
using device::F32Products;
using device::Product;
using device::ProductMatrix;

namespace {

using Number = std::complex<double>;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void* plugin() {
  static void* const library = dlopen(PHINTYS_EMULATED_PLUGIN, RTLD_NOW);
  REQUIRE_MESSAGE(library, dlerror());
  return library;
}

const device::Table& table() {
  static const device::Table* const found = [] {
    const auto get = reinterpret_cast<device::GetTable>(dlsym(plugin(), device::kGetTable));
    REQUIRE_MESSAGE((get != nullptr), "no table");
    return get(device::kTableVersion);
  }();
  REQUIRE_MESSAGE(found != nullptr, "no table");
  return *found;
}

device::Stream* stream() {
  static device::Stream* const opened = [] {
    device::Stream* s = nullptr;
    REQUIRE(table().open_stream(0, &s) == device::kOk);
    return s;
  }();
  return opened;
}

// Whether products may go to what the emulation has for a vendor's library.
void use_library(bool use) {
  const auto set = reinterpret_cast<void (*)(int)>(dlsym(plugin(), "phintys_emulated_library"));
  REQUIRE_MESSAGE((set != nullptr), "no emulated library");
  set(use);
}

enum class Lay { rows, columns, spread, reversed, shifted, repeated };

// A stack of matrices in memory of its own, with room around it.
struct Stack {
  DType dtype;
  int64_t rows, cols, count, item;
  std::vector<char> block;
  ProductMatrix matrix{};

  Stack(DType dtype_, int64_t count_, int64_t rows_, int64_t cols_, Lay lay = Lay::rows)
      : dtype(dtype_), rows(rows_), cols(cols_), count(count_) {
    item = static_cast<int64_t>(item_size(dtype));
    const int64_t wide = lay == Lay::spread ? 2 : 1;
    const int64_t size = rows * cols * wide * item;
    block.assign(static_cast<size_t>(size * count + 512), 0x7f);
    char* at = block.data();
    at += (256 - reinterpret_cast<uintptr_t>(at) % 256) % 256;
    if (lay == Lay::shifted) at += item;
    matrix = {at, cols * wide * item, wide * item, {size}};
    if (lay == Lay::columns) {
      matrix.row = item;
      matrix.col = rows * item;
    } else if (lay == Lay::reversed && rows && cols) {
      matrix.data += (rows - 1) * matrix.row + (cols - 1) * matrix.col;
      matrix.row = -matrix.row;
      matrix.col = -matrix.col;
    } else if (lay == Lay::repeated) {
      matrix.row = 0;
    }
  }
  char* at(int64_t b, int64_t i, int64_t j) const {
    return matrix.data + b * matrix.batch[0] + i * matrix.row + j * matrix.col;
  }
  void put(int64_t b, int64_t i, int64_t j, Number v) {
    char* p = at(b, i, j);
    if (dtype == DType::c64) {
      *reinterpret_cast<std::complex<float>*>(p) = std::complex<float>(v);
    } else if (dtype == DType::c128) {
      *reinterpret_cast<Number*>(p) = v;
    } else {
      store_double(p, dtype, v.real());
    }
  }
  Number get(int64_t b, int64_t i, int64_t j) const {
    char* p = at(b, i, j);
    if (dtype == DType::c64) return Number(*reinterpret_cast<std::complex<float>*>(p));
    if (dtype == DType::c128) return *reinterpret_cast<Number*>(p);
    return element_as_double({p, dtype, 0, nullptr, nullptr});
  }
  // Whole numbers from -3 to 3 (bool, unsigned: from 0); complex ones in both parts.
  void fill(int seed) {
    const bool negative = !is_bool(dtype) && !is_unsigned(dtype);
    uint64_t state = static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15u + 1;
    const auto next = [&] {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const auto v = static_cast<double>(state >> 33 & 3);
      return is_bool(dtype) ? static_cast<double>(v == 0)
                            : (negative && (state >> 40 & 1) ? -v : v);
    };
    for (int64_t b = 0; b < count; ++b)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
          const double re = next();
          put(b, i, j, {re, is_complex(dtype) ? next() : 0});
        }
  }
  bool is_unsigned(DType d) const {
    return d == DType::u8 || d == DType::u16 || d == DType::u32 || d == DType::u64;
  }
};

struct Case {
  DType dtype = DType::f32;
  int64_t m = 1, n = 1, k = 1, count = 1;
  Lay a = Lay::rows, b = Lay::rows, c = Lay::rows;
  double alpha = 1, beta = 0;
  bool factors_there = false, in_place = false, bias = false, library = false;
  Activation activation = Activation::none;
  F32Products precision = F32Products::full;
};

device::Status run(const Product& p) {
  const device::ProductKernels& kernels = *table().products;
  Product shapes = p;
  shapes.a.data = shapes.b.data = shapes.c0.data = shapes.c.data = nullptr;
  const size_t bytes = kernels.scratch_bytes(stream(), shapes);
  std::vector<char> scratch(bytes + 256, 0x55);
  char* at = scratch.data();
  at += (256 - reinterpret_cast<uintptr_t>(at) % 256) % 256;
  const device::Status status = kernels.multiply(stream(), p, at);
  for (const char* end = at + bytes; end < scratch.data() + scratch.size(); ++end)
    REQUIRE(*end == 0x55);
  REQUIRE(table().synchronize(stream()) == device::kOk);
  return status;
}

double act(double v, Activation activation) {
  switch (activation) {
    case Activation::max0:
      return v < 0 ? 0 : v;
    case Activation::tanh:
      return std::tanh(v);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-v));
    default:
      return v;
  }
}

// The operands of a case, and what they give.
struct Operands {
  Case w;
  Stack a, b, c0, c, bias, factors;
  explicit Operands(const Case& w_)
      : w(w_),
        a(w.dtype, w.count, w.m, w.k, w.a),
        b(w.dtype, w.count, w.k, w.n, w.b),
        c0(w.dtype, w.count, w.m, w.n, w.c),
        c(w.dtype, w.count, w.m, w.n, w.c),
        bias(w.dtype, 1, 1, w.n),
        factors(w.dtype, 1, 1, 2) {
    a.fill(1);
    b.fill(2);
    c0.fill(3);
    bias.fill(4);
    factors.put(0, 0, 0, w.alpha);
    factors.put(0, 0, 1, w.beta);
  }
  Product product() const {
    Product p{};
    p.dtype = w.dtype;
    p.precision = w.precision;
    p.own_kernels = !w.library;
    p.batch_ndim = w.count == 1 ? 0 : 1;
    p.batch_shape[0] = w.count;
    p.m = w.m;
    p.n = w.n;
    p.k = w.k;
    p.a = a.matrix;
    p.b = b.matrix;
    p.c0 = c0.matrix;
    p.c = w.in_place ? c0.matrix : c.matrix;
    p.alpha = w.alpha;
    p.beta = w.beta;
    if (w.factors_there) {
      p.alpha_at = factors.at(0, 0, 0);
      p.beta_at = factors.at(0, 0, 1);
      p.alpha = p.beta = 77;
    }
    if (w.bias) {
      p.bias = bias.matrix.data;
      p.bias_col = bias.item;
    }
    p.activation = w.activation;
    return p;
  }
  Number expected(int64_t batch, int64_t i, int64_t j) const {
    Number sum = 0;
    for (int64_t k = 0; k < w.k; ++k) sum += a.get(batch, i, k) * b.get(batch, k, j);
    Number v = w.alpha == 0 ? 0 : w.alpha * sum;
    if (w.beta != 0) v += w.beta * c0.get(batch, i, j);
    if (w.bias) v += bias.get(0, 0, j);
    if (w.activation != Activation::none) v = act(v.real(), w.activation);
    // As it is stored.
    Stack one(w.dtype, 1, 1, 1);
    if (is_bool(w.dtype)) return v != 0. ? 1. : 0.;
    one.put(0, 0, 0, v);
    return one.get(0, 0, 0);
  }
};

void check(const Case& w, double most = 0) {
  Operands o(w);
  std::vector<Number> expected;
  for (int64_t b = 0; b < w.count; ++b)
    for (int64_t i = 0; i < w.m; ++i)
      for (int64_t j = 0; j < w.n; ++j) expected.push_back(o.expected(b, i, j));
  const Product p = o.product();
  REQUIRE(run(p) == device::kOk);
  const Stack& out = w.in_place ? o.c0 : o.c;
  size_t at = 0;
  double worst = 0;
  for (int64_t b = 0; b < w.count; ++b)
    for (int64_t i = 0; i < w.m; ++i)
      for (int64_t j = 0; j < w.n; ++j) {
        const Number want = expected[at++], got = out.get(b, i, j);
        const double error = std::abs(got - want) / std::max(1., std::abs(want));
        if (!(error <= most)) {
          CAPTURE(b);
          CAPTURE(i);
          CAPTURE(j);
          CAPTURE(got.real());
          CAPTURE(want.real());
          REQUIRE(error <= most);
        }
        worst = std::max(worst, error);
      }
  // What lies around the result is as it was.
  if (!w.in_place && w.m * w.n > 0) {
    const char* first = o.c.block.data();
    const char* begin = o.c.matrix.data;
    if (w.c == Lay::rows) {
      for (const char* q = first; q < begin; ++q) REQUIRE(*q == 0x7f);
      for (const char* q = begin + w.count * w.m * w.n * o.c.item; q < first + o.c.block.size();
           ++q)
        REQUIRE(*q == 0x7f);
    }
  }
}

Case sized(DType dtype, int64_t m, int64_t n, int64_t k) {
  Case w;
  w.dtype = dtype;
  w.m = m;
  w.n = n;
  w.k = k;
  return w;
}

}  // namespace

TEST_CASE("products of all dtypes on a device") {
  for (int d = 0; d < kNumDTypes; ++d) {
    const DType dtype = static_cast<DType>(d);
    CAPTURE(dtype_name(dtype));
    for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{
             {1, 1, 1}, {3, 5, 2}, {7, 9, 17}, {33, 35, 5}, {65, 66, 40}}) {
      Case w = sized(dtype, m, n, k);
      check(w);
      if (is_bool(dtype)) continue;
      w.alpha = 2;
      w.beta = 3;
      check(w);
      w.in_place = true;
      w.factors_there = true;
      check(w);
    }
  }
}

TEST_CASE("operands of products on a device lie anywhere") {
  const Lay lays[] = {Lay::rows,     Lay::columns, Lay::spread,
                      Lay::reversed, Lay::shifted, Lay::repeated};
  for (const DType dtype :
       {DType::f16, DType::f32, DType::f64, DType::c64, DType::c128, DType::i16, DType::i64}) {
    CAPTURE(dtype_name(dtype));
    for (const Lay a : lays)
      for (const Lay b : lays) {
        CAPTURE(static_cast<int>(a));
        CAPTURE(static_cast<int>(b));
        Case w = sized(dtype, 36, 40, 20);
        w.a = a;
        w.b = b;
        check(w);
      }
    for (const Lay c : {Lay::columns, Lay::spread, Lay::reversed}) {
      Case w = sized(dtype, 37, 41, 9);
      w.c = c;
      w.beta = 1;
      check(w);
    }
  }
}

TEST_CASE("tiles of products on a device end anywhere") {
  for (const int64_t m : {31, 32, 33, 127, 129})
    for (const int64_t n : {33, 64, 130})
      for (const int64_t k : {15, 16, 18, 33}) {
        Case w = sized(DType::f32, m, n, k);
        check(w);
        w.b = Lay::columns;
        check(w);
      }
  // So many blocks that tiles of 128 x 128 are taken.
  Case w = sized(DType::f32, 140, 150, 19);
  w.count = 40;
  check(w);
  w.a = Lay::columns;
  w.c = Lay::columns;
  check(w);
}

TEST_CASE("products on tensor cores") {
  const std::pair<DType, F32Products> modes[] = {{DType::f32, F32Products::tf32},
                                                 {DType::f32, F32Products::bf16},
                                                 {DType::f16, F32Products::full},
                                                 {DType::f64, F32Products::full}};
  for (const auto& [dtype, precision] : modes) {
    CAPTURE(dtype_name(dtype));
    CAPTURE(static_cast<int>(precision));
    for (const int64_t count : {1, 3})  // small tiles, big tiles
      for (const Lay a : {Lay::rows, Lay::columns, Lay::shifted})
        for (const Lay b : {Lay::rows, Lay::columns, Lay::spread}) {
          CAPTURE(static_cast<int>(a));
          CAPTURE(static_cast<int>(b));
          for (const auto& [m, n, k] :
               std::vector<std::array<int64_t, 3>>{{64, 72, 64}, {70, 67, 13}, {40, 132, 70}}) {
            if (count > 1 && m == 64) continue;
            CAPTURE(m);
            Case w = sized(dtype, m, n, k);
            w.count = count;
            w.precision = precision;
            w.a = a;
            w.b = b;
            check(w);
          }
        }
    Case w = sized(dtype, 200, 300, 50);
    w.precision = precision;
    w.count = 3;
    w.alpha = -1;
    w.beta = 2;
    w.in_place = true;
    check(w);
  }
}

TEST_CASE("sums of products on a device are cut") {
  for (const DType dtype : {DType::b8, DType::i8, DType::u64, DType::f16, DType::f32, DType::f64,
                            DType::c64, DType::c128}) {
    CAPTURE(dtype_name(dtype));
    for (const auto& [m, n] :
         std::vector<std::array<int64_t, 2>>{{40, 50}, {1, 1}, {1, 5}, {9, 1}, {20, 36}}) {
      Case w = sized(dtype, m, n, m == 1 || n == 1 ? 5003 : 403);
      check(w, dtype == DType::f16 ? 1e-3 : 0);
      if (is_bool(dtype)) continue;
      w.beta = 1;
      w.count = 2;
      w.a = Lay::columns;
      check(w, dtype == DType::f16 ? 1e-3 : 0);
    }
  }
}

TEST_CASE("products of matrices and vectors on a device") {
  for (const DType dtype : {DType::i32, DType::f16, DType::f32, DType::f64, DType::c64}) {
    CAPTURE(dtype_name(dtype));
    for (const Lay lay : {Lay::rows, Lay::columns, Lay::shifted, Lay::spread, Lay::reversed})
      for (const int64_t k : {5, 64, 131}) {
        CAPTURE(static_cast<int>(lay));
        Case w = sized(dtype, 37, 1, k);
        w.a = lay;
        check(w);
        w = sized(dtype, 1, 37, k);
        w.b = lay;
        w.beta = 1;
        w.count = 3;
        check(w);
      }
    for (const int64_t k : {1, 3}) {  // outer products
      Case w = sized(dtype, 35, 140, k);
      w.alpha = -2;
      w.beta = 1;
      w.in_place = true;
      check(w);
      w.c = Lay::columns;
      check(w);
    }
  }
}

TEST_CASE("empty products on a device") {
  for (const DType dtype : {DType::f32, DType::f64, DType::i32, DType::c128}) {
    check(sized(dtype, 0, 5, 5));
    check(sized(dtype, 5, 0, 5));
    check(sized(dtype, 5, 6, 0));
    check(sized(dtype, 1, 1, 0));
    Case w = sized(dtype, 50, 60, 0);
    w.beta = 2;
    check(w);
    w.count = 0;
    check(w);
  }
}

TEST_CASE("factors of 0 leave operands out on a device") {
  for (const DType dtype : {DType::f16, DType::f32, DType::f64, DType::c64})
    for (const bool there : {false, true})
      for (const int64_t k : {2, 30, 400}) {
        CAPTURE(dtype_name(dtype));
        Case w = sized(dtype, 34, 35, k);
        w.factors_there = there;
        Operands o(w);
        for (int64_t i = 0; i < w.m; ++i)
          for (int64_t j = 0; j < w.n; ++j) o.c0.put(0, i, j, kNaN);
        REQUIRE(run(o.product()) == device::kOk);
        CHECK(o.c.get(0, 33, 34) == o.expected(0, 33, 34));
        CHECK_FALSE(std::isnan(o.c.get(0, 3, 4).real()));
        // Nor do a and b count if their factor is 0; else NaN comes through.
        o.a.put(0, 3, 1, kNaN);
        REQUIRE(run(o.product()) == device::kOk);
        CHECK(std::isnan(o.c.get(0, 3, 4).real()));
        CHECK_FALSE(std::isnan(o.c.get(0, 2, 4).real()));
        o.c0.fill(5);
        o.w.alpha = 0;
        o.w.beta = 1;
        o.factors.put(0, 0, 0, 0);
        o.factors.put(0, 0, 1, 1);
        REQUIRE(run(o.product()) == device::kOk);
        CHECK(o.c.get(0, 3, 4) == o.c0.get(0, 3, 4));
      }
}

TEST_CASE("NaN and infinity come through rounded operands") {
  for (const F32Products precision : {F32Products::tf32, F32Products::bf16})
    for (const int64_t count : {1, 3}) {
      Case w = sized(DType::f32, 70, 70, 16);
      w.precision = precision;
      w.count = count;
      Operands o(w);
      o.a.put(0, 1, 2, kNaN);
      uint32_t bits = 0xffffffffu;
      std::memcpy(o.a.at(0, 2, 2), &bits, 4);
      bits = 0x7fffffffu;
      std::memcpy(o.a.at(0, 3, 3), &bits, 4);
      o.a.put(0, 4, 3, std::numeric_limits<double>::infinity());
      for (int64_t j = 0; j < 70; ++j) {
        o.b.put(0, 2, j, 1);
        o.b.put(0, 3, j, 1);
      }
      REQUIRE(run(o.product()) == device::kOk);
      for (int64_t j = 0; j < 70; ++j) {
        for (int64_t i = 1; i < 4; ++i) REQUIRE(std::isnan(o.c.get(0, i, j).real()));
        REQUIRE(std::isinf(o.c.get(0, 4, j).real()));
        REQUIRE(std::isfinite(o.c.get(0, 5, j).real()));
      }
    }
}

TEST_CASE("precision of products on a device") {
  const std::tuple<DType, F32Products, double> modes[] = {{DType::f32, F32Products::full, 2e-6},
                                                          {DType::f32, F32Products::tf32, 2e-3},
                                                          {DType::f32, F32Products::bf16, 1.6e-2},
                                                          {DType::f64, F32Products::full, 1e-14}};
  for (const auto& [dtype, precision, most] : modes) {
    Case w = sized(dtype, 130, 140, 50);
    w.precision = precision;
    w.count = 12;
    Operands o(w);
    double scale = 0.37;
    for (int64_t b = 0; b < w.count; ++b)
      for (int64_t i = 0; i < w.m; ++i)
        for (int64_t k = 0; k < w.k; ++k)
          o.a.put(b, i, k, scale = std::fmod(scale * 1.7 + 0.31, 1));
    for (int64_t b = 0; b < w.count; ++b)
      for (int64_t k = 0; k < w.k; ++k)
        for (int64_t j = 0; j < w.n; ++j)
          o.b.put(b, k, j, scale = std::fmod(scale * 1.3 + 0.17, 1));
    REQUIRE(run(o.product()) == device::kOk);
    double worst = 0;
    for (int64_t i = 0; i < w.m; ++i)
      for (int64_t j = 0; j < w.n; j += 7) {
        double sum = 0;
        for (int64_t k = 0; k < w.k; ++k)
          sum += o.a.get(11, i, k).real() * o.b.get(11, k, j).real();
        worst = std::max(worst, std::fabs(o.c.get(11, i, j).real() - sum) / sum);
      }
    CHECK(worst < most);
    // The mode that was asked for, not a better one.
    if (precision == F32Products::tf32) CHECK(worst > 1e-6);
    if (precision == F32Products::bf16) CHECK(worst > 2e-4);
  }
}

TEST_CASE("epilogues of products on a device") {
  for (const DType dtype : {DType::f16, DType::f32, DType::f64}) {
    const double most = dtype == DType::f16 ? 1e-3 : 4e-7;
    for (const Activation activation :
         {Activation::none, Activation::max0, Activation::tanh, Activation::sigmoid})
      for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{
               {3, 40, 3}, {40, 50, 9}, {1, 40, 9}, {40, 1, 9}, {40, 36, 400}}) {
        Case w = sized(dtype, m, n, k);
        w.bias = true;
        w.activation = activation;
        w.alpha = 0.125;
        check(w, most);
        w.beta = 1;
        w.in_place = true;
        check(w, most);
        if (dtype == DType::f16) continue;
        w.library = true;
        check(w, most);
      }
  }
}

TEST_CASE("integers of products on a device wrap, bool does not") {
  Case w = sized(DType::i8, 33, 34, 100);
  Operands o(w);
  for (int64_t k = 0; k < w.k; ++k) {
    for (int64_t i = 0; i < w.m; ++i) o.a.put(0, i, k, 100);
    for (int64_t j = 0; j < w.n; ++j) o.b.put(0, k, j, 7);
  }
  REQUIRE(run(o.product()) == device::kOk);
  CHECK(o.c.get(0, 5, 6).real() == static_cast<int8_t>(70000));
  w = sized(DType::b8, 33, 34, 256);
  Operands truths(w);
  for (int64_t k = 0; k < w.k; ++k) {
    for (int64_t i = 0; i < w.m; ++i) *truths.a.at(0, i, k) = 1;
    for (int64_t j = 0; j < w.n; ++j) *truths.b.at(0, k, j) = 1;
  }
  REQUIRE(run(truths.product()) == device::kOk);
  CHECK(*truths.c.at(0, 32, 33) == 1);
}

TEST_CASE("stacks of several dimensions and repeated matrices on a device") {
  Case w = sized(DType::f32, 33, 34, 20);
  w.count = 6;
  Operands o(w);
  Product p = o.product();
  // 2 x 3 matrices a, 3 matrices b that are repeated, c in other order.
  p.batch_ndim = 2;
  p.batch_shape[0] = 2;
  p.batch_shape[1] = 3;
  p.a.batch[0] = 3 * o.a.matrix.batch[0];
  p.a.batch[1] = o.a.matrix.batch[0];
  p.b.batch[0] = 0;
  p.b.batch[1] = o.b.matrix.batch[0];
  p.c.batch[0] = o.c.matrix.batch[0];
  p.c.batch[1] = 2 * o.c.matrix.batch[0];
  REQUIRE(run(p) == device::kOk);
  for (int64_t x = 0; x < 2; ++x)
    for (int64_t y = 0; y < 3; ++y)
      for (int64_t i = 0; i < w.m; ++i)
        for (int64_t j = 0; j < w.n; ++j) {
          Number sum = 0;
          for (int64_t k = 0; k < w.k; ++k) sum += o.a.get(3 * x + y, i, k) * o.b.get(y, k, j);
          REQUIRE(o.c.get(x + 2 * y, i, j) == sum);
        }
}

TEST_CASE("what products on a device cannot be is refused") {
  Operands o(sized(DType::f32, 8, 8, 8));
  Product p = o.product();
  p.a.col = 6;  // not a multiple of the element
  CHECK(run(p) == device::kUnsupported);
}

TEST_CASE("products go to a library that is there") {
  const device::ProductKernels& kernels = *table().products;
  use_library(true);
  CHECK(std::string(kernels.library()) == "an emulated library");
  for (const DType dtype : {DType::f16, DType::f32, DType::f64, DType::c64, DType::c128})
    for (const Lay a : {Lay::rows, Lay::columns, Lay::reversed})
      for (const Lay b : {Lay::rows, Lay::columns})
        for (const Lay c : {Lay::rows, Lay::columns})
          for (const bool in_place : {false, true}) {
            CAPTURE(dtype_name(dtype));
            Case w = sized(dtype, 18, 20, 7);
            w.library = true;
            w.a = a;
            w.b = b;
            w.c = c;
            w.beta = 2;
            w.alpha = 3;
            w.count = 2;
            w.in_place = in_place;
            check(w);
            w.count = 1;
            w.factors_there = true;
            check(w);
          }
  use_library(false);
  CHECK(std::string(kernels.library()).find("own kernels") == 0);
}

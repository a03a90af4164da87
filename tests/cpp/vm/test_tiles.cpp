// Every tile kernel of every instruction set that this processor has, against naive loops.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "array/dtype.h"
#include "base/error.h"
#include "ops/elementwise/table.h"
#include "reference.h"
#include "vm/tiles_isa.h"

using namespace phintys;
using namespace phintys::vm;
using namespace phintys::testing;

namespace {

using Row = std::vector<unsigned char>;

constexpr int kN = 1024;
// Rows start off any vector boundary.
constexpr int kOffset = 1;

template <class T>
T get(const Row& row, int64_t i) {
  T v;
  std::memcpy(&v, row.data() + i * sizeof(T), sizeof(T));
  return v;
}
template <class T>
void set(Row& row, int64_t i, T v) {
  std::memcpy(row.data() + i * sizeof(T), &v, sizeof(T));
}

template <class T>
Row make_row(int seed) {
  std::mt19937_64 random(static_cast<uint64_t>(seed) * 7919 + sizeof(T));
  Row row((kN + kOffset) * sizeof(T));
  for (int i = 0; i < kN + kOffset; ++i) {
    if constexpr (std::is_same_v<T, bool>) {
      set<T>(row, i, random() & 1);
    } else if constexpr (std::is_integral_v<T>) {
      const T edges[] = {
          0, 1, T(-1), 2, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), 7, T(-7)};
      const uint64_t r = random();
      const T small = static_cast<T>(static_cast<int64_t>(r >> 8 & 31) - 16);
      set<T>(row, i, r % 8 == 0 ? edges[r >> 8 & 7] : r % 8 < 4 ? small : static_cast<T>(random()));
    } else {
      using F = std::conditional_t<std::is_same_v<T, Half>, float, T>;
      using L = std::numeric_limits<F>;
      const F edges[] = {0,
                         F(-0.0),
                         1,
                         -1,
                         L::infinity(),
                         -L::infinity(),
                         L::quiet_NaN(),
                         F(0.5),
                         F(-0.5),
                         F(1.5),
                         F(2.5),
                         F(-2.5),
                         L::denorm_min(),
                         L::min(),
                         L::max(),
                         L::lowest(),
                         F(0.49999997),
                         F(1e10),
                         F(3e9),
                         F(-3e9),
                         F(1e19),
                         F(2e19),
                         F(300),
                         F(-300),
                         F(8388609),
                         F(4503599627370497.0),
                         F(10),
                         F(-10),
                         L::epsilon(),
                         F(65520),
                         F(6e-8),
                         F(2.0)};
      const uint64_t r = random();
      F v = std::uniform_real_distribution<F>(-5, 5)(random);
      if (r % 8 == 0) v = edges[r >> 8 & 31];
      if (r % 8 == 1) v = std::ldexp(v, static_cast<int>(r >> 8 & 127) - 64);
      if (r % 8 == 2) v = std::nearbyint(v);
      if constexpr (std::is_same_v<T, Half>) {
        set<T>(row, i, float_to_half(v));
      } else {
        set<T>(row, i, v);
      }
    }
  }
  return row;
}

Row make_row(DType d, int seed) {
  Row row;
  dispatch_dtype(d, [&]<class T>() {
    if constexpr (std::is_same_v<T, std::complex<float>> ||
                  std::is_same_v<T, std::complex<double>>) {
      const Row a = make_row<typename T::value_type>(seed);
      const Row b = make_row<typename T::value_type>(seed + 100);
      row.resize((kN + kOffset) * sizeof(T));
      for (int i = 0; i < kN + kOffset; ++i) {
        set<T>(row, i, T(get<typename T::value_type>(a, i), get<typename T::value_type>(b, i)));
      }
    } else {
      row = make_row<T>(seed);
    }
  });
  return row;
}

double as_double(const Row& row, DType d, int64_t i) {
  double r = 0;
  dispatch_dtype(d, [&]<class T>() {
    if constexpr (std::is_same_v<T, Half>) {
      r = half_to_float(get<T>(row, i));
    } else if constexpr (std::is_arithmetic_v<T>) {
      r = static_cast<double>(get<T>(row, i));
    }
  });
  return r;
}

// Whether `got` is an acceptable result for reference `want` in floating type d; `scale` is the
// magnitude at which a fused operation's intermediate rounding happens.
bool close_enough(double got, FloatReference want, DType d, double scale) {
  if (std::isnan(want.value)) return std::isnan(got);
  const int digits = d == DType::f64 ? 53 : d == DType::f32 ? 24 : 11;
  double rounded = want.value;
  if (d == DType::f32) rounded = static_cast<float>(rounded);
  if (d == DType::f16) rounded = half_to_float(float_to_half(static_cast<float>(rounded)));
  if (got == rounded) {
    // Signed zeros count for exact ops.
    return want.ulps != 0 || got != 0 || std::signbit(got) == std::signbit(rounded);
  }
  if (std::isinf(got) != std::isinf(rounded)) {
    const double most = d == DType::f64 ? 1.7e308 : d == DType::f32 ? 3.4e38 : 65000;
    return want.ulps != 0 && (std::isinf(got) ? std::fabs(rounded) : std::fabs(got)) > most;
  }
  if (want.ulps == 0) return false;
  const double ulps = want.ulps < 0 ? 2 : want.ulps;
  const double least = d == DType::f64 ? 0x1p-1074 : d == DType::f32 ? 0x1p-149 : 0x1p-24;
  const double magnitude = std::fmax(std::fabs(rounded), want.ulps < 0 ? scale : 0);
  return std::fabs(got - rounded) <= std::fmax(ulps * std::ldexp(magnitude, 1 - digits), 2 * least);
}

std::vector<Isa> isas() {
  std::vector<Isa> r;
  for (int i = 0; i < kNumIsas; ++i) {
    if (kernel_tables(static_cast<Isa>(i)) != nullptr) r.push_back(static_cast<Isa>(i));
  }
  return r;
}

DType result_dtype(const ElementwiseInfo& info, DType compute) {
  switch (info.rule) {
    case DTypeRule::compare:
    case DTypeRule::predicate:
      return DType::b8;
    case DTypeRule::to_int64:
      return DType::i64;
    default:
      return compute;
  }
}

// One op with one compute dtype: its rows, and its result on them.
struct Case {
  const ElementwiseInfo& info;
  const TileKernels& k;
  DType d;
  DType result = result_dtype(info, d);
  DType operand[3];
  Row in[3];
  Row out;
  std::string label;

  Case(Isa isa, int op, DType dtype)
      : info(ops::elementwise_info(op)),
        k(kernel_tables(isa)->elementwise[op][static_cast<int>(dtype)]),
        d(dtype),
        label(std::string(isa_name(isa)) + " " + info.name + " " + std::string(dtype_name(d))) {
    for (int j = 0; j < 3; ++j) {
      operand[j] = ops::operand_dtype(op, j, {d, d});
      in[j] = make_row(operand[j], j + 1);
    }
    out.resize(kN * item_size(result));
    run(k.tile[0], out.data(), kOffset, kN);
  }

  const unsigned char* at(int j, int64_t i) const {
    return in[j].data() + i * item_size(operand[j]);
  }
  void run(TileFn f, void* to, int64_t from, int64_t n) const {
    f(to, at(0, from), at(1, from), at(2, from), n);
  }
};

// The same bits; all NaN count as one, since the compiler may swap the operands of a sum, and the
// processor keeps the first one's sign and payload.
bool same_values(DType d, const unsigned char* a, const unsigned char* b, int64_t n) {
  bool same = true;
  dispatch_dtype(d, [&]<class T>() {
    for (int64_t i = 0; i < n; ++i) {
      T x;
      T y;
      std::memcpy(&x, a + i * sizeof(T), sizeof(T));
      std::memcpy(&y, b + i * sizeof(T), sizeof(T));
      bool nan = false;
      if constexpr (std::is_same_v<T, Half>) {
        nan = std::isnan(half_to_float(x)) && std::isnan(half_to_float(y));
      } else if constexpr (std::is_floating_point_v<T>) {
        nan = std::isnan(x) && std::isnan(y);
      }
      same = same && (nan || std::memcmp(&x, &y, sizeof(T)) == 0);
    }
  });
  return same;
}

bool same_bytes(const Row& a, size_t a_at, const Row& b, size_t b_at, size_t n) {
  return std::memcmp(a.data() + a_at, b.data() + b_at, n) == 0;
}

// Values, against the reference.
int count_wrong(const Case& c, std::string* first) {
  int wrong = 0;
  for (int i = 0; i < kN; ++i) {
    const int64_t j = i + kOffset;
    bool ok = true;
    if (is_float(c.d)) {
      const double x = as_double(c.in[0], c.operand[0], j);
      const double y = as_double(c.in[1], c.operand[1], j);
      const double z = as_double(c.in[2], c.operand[2], j);
      const FloatReference want =
          c.d == DType::f64 ? float_reference<double>(c.info.name, x, y, z)
                            : float_reference<float>(c.info.name, static_cast<float>(x),
                                                     static_cast<float>(y), static_cast<float>(z));
      if (want.ulps == -2) continue;
      const double got = as_double(c.out, c.result, i);
      ok = close_enough(got, want, is_float(c.result) ? c.d : DType::f64, std::fabs(x * y));
      if (!ok && wrong == 0) {
        char text[200];
        std::snprintf(text, sizeof text, " x=%.17g y=%.17g z=%.17g got %.17g want %.17g", x, y, z,
                      got, want.value);
        *first = text;
      }
    } else {
      dispatch_dtype(c.d, [&]<class T>() {
        if constexpr (std::is_integral_v<T>) {
          const T x =
              c.operand[0] == c.d ? get<T>(c.in[0], j) : static_cast<T>(get<bool>(c.in[0], j));
          const T y = get<T>(c.in[1], j);
          const T z = get<T>(c.in[2], j);
          T want{};
          bool known;
          if constexpr (std::is_same_v<T, bool>) {
            known = bool_reference(c.info.name, x, y, z, &want);
          } else {
            known = int_reference<T>(c.info.name, x, y, z, &want);
          }
          REQUIRE(known);
          const T got = c.result == c.d ? get<T>(c.out, i) : static_cast<T>(get<bool>(c.out, i));
          ok = got == want;
          if (!ok && wrong == 0) {
            *first = " x=" + std::to_string(x) + " y=" + std::to_string(y) +
                     " z=" + std::to_string(z) + " got " + std::to_string(got) + " want " +
                     std::to_string(want);
          }
        }
      });
    }
    wrong += !ok;
    if (c.result == DType::b8 && c.out[i] > 1) ++wrong;
  }
  return wrong;
}

template <class F>
void for_each_case(F f) {
  for (const Isa isa : isas()) {
    for (int op = 0; op < ops::elementwise_count(); ++op) {
      for (int d = 0; d < kNumDTypes; ++d) {
        const auto dtype = static_cast<DType>(d);
        // Complex values are tested in Python, against NumPy.
        if (is_complex(dtype) || ops::elementwise_info(op).rule == DTypeRule::make_complex)
          continue;
        if (ops::supports_dtype(op, dtype)) f(Case(isa, op, dtype));
      }
    }
  }
}

}  // namespace

TEST_CASE("kernels exist exactly for the declared dtypes") {
  for (const Isa isa : isas()) {
    for (int op = 0; op < ops::elementwise_count(); ++op) {
      for (int d = 0; d < kNumDTypes; ++d) {
        const TileKernels& k = kernel_tables(isa)->elementwise[op][d];
        INFO(isa_name(isa), " ", ops::elementwise_info(op).name, " ", d);
        CHECK((k.tile[0] != nullptr) == ops::supports_dtype(op, static_cast<DType>(d)));
        CHECK((k.scalar != nullptr) == (k.tile[0] != nullptr));
      }
    }
  }
}

TEST_CASE("values agree with naive loops") {
  for_each_case([](const Case& c) {
    std::string first;
    const int wrong = count_wrong(c, &first);
    INFO(c.label, first);
    CHECK(wrong == 0);
  });
}

TEST_CASE("bits depend on neither length nor position, and nothing is written past the end") {
  for_each_case([](const Case& c) {
    const size_t size = item_size(c.result);
    bool prefix = true;
    bool past = true;
    for (int n = 0; n <= 70; ++n) {
      Row out((n + 4) * size, 0xA5);
      c.run(c.k.tile[0], out.data(), kOffset + n, n);
      prefix = prefix && same_values(c.result, out.data(), &c.out[n * size], n);
      for (size_t i = n * size; i < out.size(); ++i) past = past && out[i] == 0xA5;
    }
    INFO(c.label);
    CHECK(prefix);
    CHECK(past);
    bool one = true;
    for (int i = 0; i < kN; ++i) {
      Row out(size);
      c.run(c.k.scalar, out.data(), kOffset + i, 123);
      one = one && same_values(c.result, out.data(), &c.out[i * size], 1);
    }
    CHECK(one);
  });
}

TEST_CASE("in place") {
  for_each_case([](const Case& c) {
    for (int j = 0; j < c.info.arity; ++j) {
      if (item_size(c.operand[j]) != item_size(c.result)) continue;
      Row row = c.in[j];
      unsigned char* const p = row.data() + kOffset * item_size(c.result);
      const void* operands[3] = {c.at(0, kOffset), c.at(1, kOffset), c.at(2, kOffset)};
      operands[j] = p;
      c.k.tile[0](p, operands[0], operands[1], operands[2], kN);
      INFO(c.label, " operand ", j);
      CHECK(same_values(c.result, p, c.out.data(), kN));
    }
  });
}

TEST_CASE("scalar operands give the bits of filled rows") {
  for_each_case([](const Case& c) {
    const size_t size = item_size(c.result);
    for (int mask = 1; mask < 8; ++mask) {
      if (c.k.tile[mask] == nullptr) {
        const bool expected = !c.info.heavy && c.info.arity > 1 && mask < (1 << c.info.arity) - 1;
        INFO(c.label, " mask ", mask);
        CHECK_FALSE(expected);
        continue;
      }
      for (const int at : {3, 40, 77, 500}) {
        Row filled[3];
        const void* rows[3];
        const void* mixed[3];
        for (int j = 0; j < 3; ++j) {
          const size_t s = item_size(c.operand[j]);
          filled[j] = c.in[j];
          rows[j] = mixed[j] = filled[j].data();
          if ((mask >> j) & 1) {
            for (int i = 0; i < kN; ++i) std::memcpy(filled[j].data() + i * s, c.at(j, at), s);
            mixed[j] = c.at(j, at);
          }
        }
        for (const int n : {1, 5, 16, 63, 64, 65, 129, kN}) {
          Row want(n * size);
          Row got(n * size);
          c.k.tile[0](want.data(), rows[0], rows[1], rows[2], n);
          c.k.tile[mask](got.data(), mixed[0], mixed[1], mixed[2], n);
          INFO(c.label, " mask ", mask, " n ", n);
          CHECK(same_values(c.result, want.data(), got.data(), n));
        }
      }
    }
  });
}

// ---- Casts --------------------------------------------------------------------------------------

namespace {

// NumPy's conversion, from the documentation in tiles_convert.h.
template <class To>
To cast_reference(double x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_same_v<To, uint64_t>) {
    if (x >= 0x1p63) return x < 0x1p64 ? static_cast<uint64_t>(x) : 0;
    return static_cast<uint64_t>(x >= -0x1p63 ? static_cast<int64_t>(x) : INT64_MIN);
  } else if constexpr (std::is_same_v<To, int64_t> || std::is_same_v<To, uint32_t>) {
    return static_cast<To>(x >= -0x1p63 && x < 0x1p63 ? static_cast<int64_t>(x) : INT64_MIN);
  } else {
    return static_cast<To>(x > -0x1p31 - 1 && x < 0x1p31 ? static_cast<int32_t>(x) : INT32_MIN);
  }
}

template <class From, class To>
To convert_reference(From x) {
  if constexpr (std::is_same_v<From, Half>) {
    return convert_reference<float, To>(half_to_float(x));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return cast_reference<To>(x);
  } else if constexpr (std::is_same_v<To, Half>) {
    if constexpr (std::is_same_v<From, double>) {
      // Round to a multiple of the half's last place directly.
      if (std::isnan(x) || std::isinf(x)) return float_to_half(static_cast<float>(x));
      const int e = std::max(std::ilogb(x == 0 ? 1.0 : x), -14) - 10;
      const double r = std::ldexp(std::nearbyint(std::ldexp(x, -e)), e);
      return float_to_half(static_cast<float>(std::fabs(r) > 1e6 ? std::copysign(1e6, x) : r));
    } else {
      return float_to_half(static_cast<float>(x));
    }
  } else {
    return static_cast<To>(x);
  }
}

template <class T>
constexpr bool kComplex =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;

template <class T>
bool same_value(T a, T b) {
  if constexpr (std::is_same_v<T, Half>) {
    return a.bits == b.bits || (std::isnan(half_to_float(a)) && std::isnan(half_to_float(b)));
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
  } else {
    return a == b;
  }
}

}  // namespace

TEST_CASE("casts") {
  for (const Isa isa : isas()) {
    for (int f = 0; f < kNumDTypes; ++f) {
      for (int t = 0; t < kNumDTypes; ++t) {
        const auto from = static_cast<DType>(f);
        const auto to = static_cast<DType>(t);
        const TileKernels& k = kernel_tables(isa)->cast[f][t];
        INFO(isa_name(isa), " ", std::string(dtype_name(from)), " to ",
             std::string(dtype_name(to)));
        const bool expected = !is_complex(from) || is_complex(to);
        CHECK((k.tile[0] != nullptr) == expected);
        if (!expected) continue;
        const Row in = make_row(from, 9);
        const size_t size = item_size(to);
        Row out((kN + 1) * size, 0xA5);
        k.tile[0](out.data(), in.data(), nullptr, nullptr, kN);
        CHECK(out[kN * size] == 0xA5);
        int wrong = 0;
        dispatch_dtype(from, [&]<class From>() {
          dispatch_dtype(to, [&]<class To>() {
            for (int i = 0; i < kN; ++i) {
              const From x = get<From>(in, i);
              if constexpr (kComplex<From> && kComplex<To>) {
                using R = typename To::value_type;
                wrong += !(same_value<R>(get<To>(out, i).real(), static_cast<R>(x.real())) &&
                           same_value<R>(get<To>(out, i).imag(), static_cast<R>(x.imag())));
              } else if constexpr (kComplex<To>) {
                using R = typename To::value_type;
                wrong += !(same_value<R>(get<To>(out, i).real(), convert_reference<From, R>(x)) &&
                           get<To>(out, i).imag() == 0);
              } else if constexpr (!kComplex<From>) {
                if constexpr (std::is_same_v<From, To>) {
                  wrong += std::memcmp(&in[i * size], &out[i * size], size) != 0;
                } else {
                  wrong += !same_value<To>(get<To>(out, i), convert_reference<From, To>(x));
                }
              }
            }
          });
        });
        CHECK(wrong == 0);
        bool same = true;
        for (int n = 0; n <= 70; ++n) {
          Row part((n + 1) * size, 0xA5);
          k.tile[0](part.data(), in.data() + n * item_size(from), nullptr, nullptr, n);
          same = same && same_bytes(part, 0, out, n * size, n * size) && part[n * size] == 0xA5;
          k.scalar(part.data(), in.data() + n * item_size(from), nullptr, nullptr, 9);
          same = same && same_bytes(part, 0, out, n * size, size);
        }
        CHECK(same);
      }
    }
  }
}

TEST_CASE("float16 conversions cover all values") {
  for (uint32_t h = 0; h < 65536; ++h) {
    const Half half{static_cast<uint16_t>(h)};
    const float f = half_to_float(half);
    if (!std::isnan(f)) CHECK(float_to_half(f).bits == h);
  }
  CHECK(float_to_half(65519.996f).bits == 0x7bff);
  CHECK(float_to_half(65520.f).bits == 0x7c00);
  CHECK(float_to_half(0x1p-25f).bits == 0);
  CHECK(float_to_half(0x1.000002p-25f).bits == 1);
  CHECK(float_to_half(1.00048828125f).bits == 0x3c00);  // a tie goes to even
}

// ---- Reductions ---------------------------------------------------------------------------------

namespace {

template <class T>
void check_reduction(Isa isa, ReduceKind kind, DType d) {
  const ReduceKernels& k = kernel_tables(isa)->reduce[static_cast<int>(kind)][static_cast<int>(d)];
  REQUIRE((k.fold != nullptr));
  std::mt19937 random(5);
  std::vector<T> row(20001);
  for (T& v : row) {
    if constexpr (std::is_same_v<T, bool>) continue;
    if constexpr (std::is_floating_point_v<T>) {
      v = std::uniform_real_distribution<T>(T(0.5), T(1.5))(random);
    } else {
      v = static_cast<T>(random());
    }
  }
  for (const int n :
       {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 127, 128, 1000, 2048, 5000, 20001}) {
    T got;
    k.fold(&got, row.data(), n);
    if constexpr (std::is_floating_point_v<T>) {
      long double want = kind == ReduceKind::sum ? 0 : kind == ReduceKind::prod ? 1 : row[0];
      for (int i = 0; i < n; ++i) {
        const long double v = row[i];
        switch (kind) {
          case ReduceKind::sum:
            want += v;
            break;
          case ReduceKind::prod:
            want *= v;
            break;
          case ReduceKind::max:
            want = std::max(want, v);
            break;
          default:
            want = std::min(want, v);
        }
      }
      const double tolerance = kind == ReduceKind::sum    ? 16
                               : kind == ReduceKind::prod ? 4.0 * n
                                                          : 0;
      INFO(isa_name(isa), " ", static_cast<int>(kind), " n ", n, " got ", got, " want ",
           static_cast<double>(want));
      if (want > std::numeric_limits<T>::min() || want == 0) {
        CHECK(std::fabs(static_cast<double>(got - want)) <=
              static_cast<double>(want) * tolerance * std::numeric_limits<T>::epsilon());
      }
    } else {
      T want = row[0];
      for (int i = 1; i < n; ++i) {
        const T v = row[i];
        want = kind == ReduceKind::sum
                   ? static_cast<T>(static_cast<uint64_t>(want) + static_cast<uint64_t>(v))
               : kind == ReduceKind::prod
                   ? static_cast<T>(static_cast<uint64_t>(want) * static_cast<uint64_t>(v))
               : kind == ReduceKind::max ? std::max(want, v)
                                         : std::min(want, v);
      }
      CHECK(got == want);
    }
  }
  for (int len = 1; len <= 40; ++len) {
    const int n_rows = 67;
    std::vector<T> got(n_rows);
    k.fold_rows(got.data(), row.data(), n_rows, len);
    bool same = true;
    for (int r = 0; r < n_rows; ++r) {
      T want;
      k.fold(&want, row.data() + r * len, len);
      same = same && std::memcmp(&want, &got[r], sizeof(T)) == 0;
    }
    INFO(isa_name(isa), " ", static_cast<int>(kind), " len ", len);
    CHECK(same);
  }
}

}  // namespace

TEST_CASE("reductions") {
  for (const Isa isa : isas()) {
    for (const ReduceKind kind :
         {ReduceKind::sum, ReduceKind::prod, ReduceKind::max, ReduceKind::min}) {
      check_reduction<float>(isa, kind, DType::f32);
      check_reduction<double>(isa, kind, DType::f64);
      check_reduction<int8_t>(isa, kind, DType::i8);
      check_reduction<int16_t>(isa, kind, DType::i16);
      check_reduction<int32_t>(isa, kind, DType::i32);
      check_reduction<int64_t>(isa, kind, DType::i64);
      check_reduction<uint8_t>(isa, kind, DType::u8);
      check_reduction<uint16_t>(isa, kind, DType::u16);
      check_reduction<uint32_t>(isa, kind, DType::u32);
      check_reduction<uint64_t>(isa, kind, DType::u64);
    }
    const auto& tables = *kernel_tables(isa);
    const auto fold = [&](ReduceKind kind, DType d) {
      return tables.reduce[static_cast<int>(kind)][static_cast<int>(d)].fold;
    };
    // NaN anywhere shows in the maximum and minimum; -0 alone stays -0 in a sum.
    for (int at = 0; at < 200; ++at) {
      std::vector<float> row(200, 1.f);
      row[at] = NAN;
      float r;
      fold(ReduceKind::max, DType::f32)(&r, row.data(), 200);
      CHECK(std::isnan(r));
      fold(ReduceKind::min, DType::f32)(&r, row.data(), 200);
      CHECK(std::isnan(r));
    }
    const double zeros[3] = {-0.0, -0.0, -0.0};
    double sum;
    fold(ReduceKind::sum, DType::f64)(&sum, zeros, 3);
    CHECK(std::signbit(sum));
    std::vector<Half> halves(3000, float_to_half(1.f));
    Half h;
    fold(ReduceKind::sum, DType::f16)(&h, halves.data(), 3000);
    CHECK(half_to_float(h) == 3000.f);
    for (int n = 1; n < 100; ++n) {
      std::vector<uint8_t> bools(n, 1);
      uint8_t r;
      fold(ReduceKind::all, DType::b8)(&r, bools.data(), n);
      CHECK(r == 1);
      bools[n / 2] = 0;
      fold(ReduceKind::all, DType::b8)(&r, bools.data(), n);
      CHECK(r == 0);
      fold(ReduceKind::any, DType::b8)(&r, bools.data(), n);
      CHECK(r == (n > 1));
    }
  }
  float one = 0;
  CHECK(reduce_identity(ReduceKind::prod, DType::f32, &one));
  CHECK(one == 1.f);
  CHECK_FALSE(reduce_identity(ReduceKind::max, DType::f32, &one));
}

TEST_CASE("the choice of instruction set") {
  CHECK_THROWS_AS(cap_isa("sse9"), Error);
  cap_isa("auto");
  (void)elementwise_kernels(0, DType::f32);
  CHECK(kernel_tables(current_isa()) != nullptr);
  CHECK(&elementwise_kernels(0, DType::f32) ==
        &kernel_tables(current_isa())->elementwise[0][static_cast<int>(DType::f32)]);
  // Too late to change it, but naming the one in use is no error.
  cap_isa(isa_name(current_isa()));
  for (const Isa isa : isas()) {
    if (isa < current_isa()) CHECK_THROWS_AS(cap_isa(isa_name(isa)), Error);
  }
}

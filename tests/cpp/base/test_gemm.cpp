// The kernels of kernels/gemm.h for each instruction set of this processor, against plain loops.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/gemm.h"
#include "memory_end.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

// A matrix of `rows` by `columns`, with NaN between the rows if `step` is longer.
template <class T>
struct Stored {
  std::int64_t rows, columns, step;
  AtTheEnd<T> memory;
  Stored(std::mt19937& random, std::int64_t r, std::int64_t c, std::int64_t pad)
      : rows(r), columns(c), step(c + pad), memory((r - 1) * step + c) {
    std::uniform_real_distribution<double> number(-1, 1);
    for (std::int64_t i = 0; i < (rows - 1) * step + columns; ++i) {
      memory.data()[i] =
          i % step < columns ? static_cast<T>(number(random)) : std::numeric_limits<T>::quiet_NaN();
    }
  }
  T& at(std::int64_t i, std::int64_t j) { return memory.data()[i * step + j]; }
};

void* scratch(std::int64_t bytes) {
  static std::vector<char> memory;
  memory.resize(static_cast<std::size_t>(bytes + 64));
  return memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64);
}
void* no_memory(std::int64_t) { return nullptr; }

template <class T>
struct Case {
  bool ta, tb;
  std::int64_t m, n, k, pad;
  T alpha, beta;
};

template <class T>
GemmWork<T> work_of(const Case<T>& c, Stored<T>& a, Stored<T>& b, T* out, std::int64_t step) {
  GemmWork<T> w{};
  w.a = a.memory.data(), w.a_row = c.ta ? 1 : a.step, w.a_col = c.ta ? a.step : 1;
  w.b = b.memory.data(), w.b_row = c.tb ? 1 : b.step, w.b_col = c.tb ? b.step : 1;
  w.c = out, w.c_row = step;
  w.m = c.m, w.n = c.n, w.k = c.k, w.alpha = c.alpha, w.beta = c.beta;
  return w;
}

template <class T, class F>
void check(F run, std::mt19937& random, const Case<T>& c) {
  CAPTURE(c.ta);
  CAPTURE(c.tb);
  CAPTURE(c.m);
  CAPTURE(c.n);
  CAPTURE(c.k);
  CAPTURE(c.beta);
  Stored<T> a(random, c.ta ? c.k : c.m, c.ta ? c.m : c.k, c.pad);
  Stored<T> b(random, c.tb ? c.n : c.k, c.tb ? c.k : c.n, c.pad);
  Stored<T> out(random, c.m, c.n, c.pad);
  std::vector<double> expected;
  for (std::int64_t i = 0; i < c.m; ++i) {
    for (std::int64_t j = 0; j < c.n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < c.k; ++l) {
        sum += static_cast<double>(c.ta ? a.at(l, i) : a.at(i, l)) *
               static_cast<double>(c.tb ? b.at(j, l) : b.at(l, j));
      }
      sum *= static_cast<double>(c.alpha);
      if (c.beta != T(0)) sum += static_cast<double>(c.beta) * static_cast<double>(out.at(i, j));
      // With beta == 0, what is there must not be read.
      if (c.beta == T(0)) out.at(i, j) = std::numeric_limits<T>::quiet_NaN();
      expected.push_back(sum);
    }
  }
  const GemmWork<T> work = work_of(c, a, b, out.memory.data(), out.step);
  REQUIRE(run(work, scratch));
  const double tolerance =
      static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(c.k + 4) * 2;
  int wrong = 0;
  for (std::int64_t i = 0; i < c.m; ++i) {
    for (std::int64_t j = 0; j < c.n; ++j) {
      const double got = static_cast<double>(out.at(i, j));
      wrong += !(std::abs(got - expected[static_cast<std::size_t>(i * c.n + j)]) <= tolerance);
    }
    for (std::int64_t j = c.n; j < out.step && i + 1 < c.m; ++j)
      wrong += !std::isnan(static_cast<double>(out.at(i, j)));
  }
  CHECK(wrong == 0);
}

template <class T, class F>
void check_many(F run) {
  std::mt19937 random(7);
  const auto upto = [&](int top) {
    return 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(top));
  };
  for (int i = 0; i < 600; ++i) {
    const bool ta = random() % 2 != 0, tb = random() % 2 != 0;
    const T alpha = random() % 2 != 0 ? T(1) : T(-0.75);
    const T beta = static_cast<T>(static_cast<int>(random() % 3)) / 2;
    check<T>(run, random, {ta, tb, upto(30), upto(70), upto(40), upto(4) - 1, alpha, beta});
  }
  // Several blocks of each kind, rows that share places of a cache, packed operands.
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      check<T>(run, random, {ta, tb, 131, 517, 530, 0, T(1), T(1)});
      check<T>(run, random, {ta, tb, 254, 258, 1030, 2, T(1), T(0)});
      check<T>(run, random, {ta, tb, 512, 70, 512, 0, T(2), T(1)});
      check<T>(run, random, {ta, tb, 20, 2300, 70, 1, T(1), T(0.5)});
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("products by our own kernels against loops", T, float, double) {
#if defined(__x86_64__)
  check_many<T>(baseline::packed_gemm<T>);
  if (has_isa(Isa::avx2)) check_many<T>(avx2::packed_gemm<T>);
  if (has_isa(Isa::avx512)) check_many<T>(avx512::packed_gemm<T>);
#else
  check_many<T>(PHINTYS_ISA_CALL(packed_gemm<T>));
#endif
}

namespace {

// A product as a whole, and cut into pieces of `rows` by `columns`.
template <class T, class F>
void check_pieces(F run, std::mt19937& random, const Case<T>& c, std::int64_t rows,
                  std::int64_t columns) {
  CAPTURE(c.ta);
  CAPTURE(c.tb);
  CAPTURE(c.m);
  CAPTURE(c.n);
  CAPTURE(c.k);
  Stored<T> a(random, c.ta ? c.k : c.m, c.ta ? c.m : c.k, c.pad);
  Stored<T> b(random, c.tb ? c.n : c.k, c.tb ? c.k : c.n, c.pad);
  std::vector<T> whole(static_cast<std::size_t>(c.m * c.n), T(0.25)), cut = whole;
  const GemmWork<T> work = work_of(c, a, b, whole.data(), c.n);
  REQUIRE(run(work, scratch));
  for (std::int64_t i = 0; i < c.m; i += rows) {
    for (std::int64_t j = 0; j < c.n; j += columns) {
      GemmWork<T> part = work;
      part.m = std::min(rows, c.m - i);
      part.n = std::min(columns, c.n - j);
      part.a += i * part.a_row;
      part.b += j * part.b_col;
      part.c = cut.data() + i * c.n + j;
      REQUIRE(run(part, scratch));
    }
  }
  CHECK(std::memcmp(whole.data(), cut.data(), whole.size() * sizeof(T)) == 0);
}

template <class T, class F>
void check_many_pieces(F run) {
  std::mt19937 random(9);
  const auto upto = [&](int top) {
    return 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(top));
  };
  for (int i = 0; i < 150; ++i) {
    const bool ta = random() % 2 != 0, tb = random() % 2 != 0;
    const std::int64_t most = i % 10 == 0 ? 700 : 60;
    const Case<T> c{ta,
                    tb,
                    upto(100),
                    upto(150),
                    upto(static_cast<int>(most)),
                    upto(3) - 1,
                    T(0.75),
                    static_cast<T>(static_cast<int>(random() % 3)) / 2};
    check_pieces<T>(run, random, c, upto(40), upto(90));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("a product in pieces has the same bits", T, float, double) {
#if defined(__x86_64__)
  check_many_pieces<T>(baseline::packed_gemm<T>);
  if (has_isa(Isa::avx2)) check_many_pieces<T>(avx2::packed_gemm<T>);
  if (has_isa(Isa::avx512)) check_many_pieces<T>(avx512::packed_gemm<T>);
#else
  check_many_pieces<T>(PHINTYS_ISA_CALL(packed_gemm<T>));
#endif
}

TEST_CASE("without memory to pack in, nothing is done") {
  std::vector<float> a(40 * 40, 1), b(40 * 40, 1), c(40 * 40, 7);
  const GemmWork<float> work{a.data(), 40, 1, b.data(), 1, 40, c.data(), 40, 40, 40, 40, 1.f, 0.f};
  CHECK(!PHINTYS_ISA_CALL(packed_gemm<float>)(work, no_memory));
  CHECK(c == std::vector<float>(40 * 40, 7));
}

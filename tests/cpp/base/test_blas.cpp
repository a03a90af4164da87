#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "kernels/blas.h"
#include "kernels/parallel.h"

using namespace phintys;

namespace {

template <class T>
std::vector<T> numbers(std::int64_t n, unsigned seed) {
  std::vector<T> v(static_cast<std::size_t>(n));
  std::uint32_t state = seed * 2654435761u + 1;
  for (T& x : v) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<T>(static_cast<double>(state >> 8) / (1 << 23) - 1.0);
  }
  return v;
}

template <class T>
void check_gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, T beta,
                std::int64_t pad) {
  CAPTURE(ta);
  CAPTURE(tb);
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(beta);
  const std::int64_t lda = (ta ? m : k) + pad;
  const std::int64_t ldb = (tb ? k : n) + pad;
  const std::int64_t ldc = n + pad;
  const auto a = numbers<T>((ta ? k : m) * lda + 1, 1);
  const auto b = numbers<T>((tb ? n : k) * ldb + 1, 2);
  auto c = numbers<T>(m * ldc + 1, 3);
  if (beta == T(0)) {
    for (T& x : c) x = std::numeric_limits<T>::quiet_NaN();
  }
  const auto before = c;
  REQUIRE(gemm(ta, tb, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, c.data(), ldc));
  const double tolerance =
      static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(k + 4) * 2;
  int wrong = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < ldc; ++j) {
      const auto at = static_cast<std::size_t>(i * ldc + j);
      if (j >= n) {
        // Nothing outside the matrix is touched.
        wrong += std::memcmp(&c[at], &before[at], sizeof(T)) != 0;
        continue;
      }
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        sum += static_cast<double>(a[static_cast<std::size_t>(ta ? l * lda + i : i * lda + l)]) *
               static_cast<double>(b[static_cast<std::size_t>(tb ? j * ldb + l : l * ldb + j)]);
      }
      double expected = static_cast<double>(alpha) * sum;
      if (beta != T(0)) expected += static_cast<double>(beta) * static_cast<double>(before[at]);
      wrong += !(std::abs(static_cast<double>(c[at]) - expected) <= tolerance);
    }
  }
  CHECK(wrong == 0);
}

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

}  // namespace

TEST_CASE_TEMPLATE("gemm against loops", T, float, double) {
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      for (std::int64_t m : {1, 2, 5, 33}) {
        for (std::int64_t n : {1, 3, 16, 40}) {
          for (std::int64_t k : {0, 1, 4, 17, 70}) {
            check_gemm<T>(ta, tb, m, n, k, T(1), T(0), 0);
            check_gemm<T>(ta, tb, m, n, k, T(-0.5), T(2), 3);
            check_gemm<T>(ta, tb, m, n, k, T(0), T(0.5), 1);
            check_gemm<T>(ta, tb, m, n, k, T(2), T(1), 0);
          }
        }
      }
      check_gemm<T>(ta, tb, 200, 190, 310, T(1), T(0), 0);
      check_gemm<T>(ta, tb, 1030, 20, 500, T(1), T(1), 2);
      check_gemm<T>(ta, tb, 3, 2000, 2000, T(1), T(0), 0);
    }
  }
}

TEST_CASE_TEMPLATE("gemm: empty results, odd strides, values not to be read", T, float, double) {
  T x = T(3);
  CHECK(gemm(false, false, 0, 5, 5, T(1), &x, 5, &x, 5, T(0), &x, 5));
  CHECK(gemm(false, false, 5, 0, 5, T(1), &x, 5, &x, 1, T(0), &x, 1));
  CHECK(x == T(3));
  // Row strides that are too short cannot be expressed.
  std::vector<T> a(100, T(1)), c(100, T(7));
  CHECK_FALSE(gemm(false, false, 4, 4, 4, T(1), a.data(), 2, a.data(), 4, T(0), c.data(), 4));
  CHECK_FALSE(gemm(false, false, 4, 4, 4, T(1), a.data(), 4, a.data(), 0, T(0), c.data(), 4));
  CHECK_FALSE(gemm(false, false, 4, 4, 4, T(1), a.data(), 4, a.data(), 4, T(0), c.data(), 3));
  CHECK(c[0] == T(7));
  // ... but those of a single row do not matter.
  CHECK(gemm(false, false, 1, 4, 4, T(1), a.data(), 0, a.data(), 4, T(0), c.data(), -7));
  CHECK(c[0] == T(4));
  // k == 0: a and b may be null.
  c.assign(100, std::numeric_limits<T>::quiet_NaN());
  const T* none = nullptr;
  CHECK(gemm(false, false, 4, 4, 0, T(1), none, 0, none, 4, T(0), c.data(), 4));
  CHECK(c[15] == T(0));
  CHECK(std::isnan(c[16]));
  // NaN and infinity in the operands do reach the result.
  a.assign(100, T(0));
  a[0] = std::numeric_limits<T>::infinity();
  CHECK(gemm(false, false, 4, 4, 4, T(1), a.data(), 4, a.data(), 4, T(0), c.data(), 4));
  CHECK(std::isnan(c[1]));
  CHECK(c[5] == T(0));
}

TEST_CASE_TEMPLATE("the same bits for any number of threads", T, float, double) {
  const std::int64_t n = 517;
  const auto a = numbers<T>(n * n, 1);
  const auto b = numbers<T>(n * n, 2);
  std::vector<T> first, y_first;
  T dot_first = T(0);
  for (int threads : {1, 2, 3, 5}) {
    Threads t(threads);
    std::vector<T> c(static_cast<std::size_t>(n * n));
    gemm(false, true, n, n, n, T(1), a.data(), n, b.data(), n, T(0), c.data(), n);
    std::vector<T> y(static_cast<std::size_t>(n));
    gemv(true, n, n, T(1), a.data(), n, b.data(), 1, T(0), y.data(), 1);
    const T d = dot(n * n, a.data(), 1, b.data(), 1);
    if (threads == 1) {
      first = c;
      y_first = y;
      dot_first = d;
    }
    CHECK(std::memcmp(c.data(), first.data(), c.size() * sizeof(T)) == 0);
    CHECK(std::memcmp(y.data(), y_first.data(), y.size() * sizeof(T)) == 0);
    CHECK(d == dot_first);
  }
}

TEST_CASE_TEMPLATE("gemv, ger, dot, axpy against loops", T, float, double) {
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::int64_t m : {1, 2, 7, 64, 700}) {
    for (std::int64_t n : {1, 3, 50, 900}) {
      for (std::int64_t incx : {1, 2, -1, -3}) {
        for (std::int64_t incy : {1, -2}) {
          for (bool trans : {false, true}) {
            for (T beta : {T(0), T(1), T(-2)}) {
              const std::int64_t nx = trans ? m : n;
              const std::int64_t ny = trans ? n : m;
              const auto a = numbers<T>(m * (n + 1), 1);
              const auto xs = numbers<T>(nx * 3, 2);
              auto ys = numbers<T>(ny * 2, 3);
              if (beta == T(0)) ys.assign(ys.size(), std::numeric_limits<T>::quiet_NaN());
              const auto old = ys;
              const T* x = incx < 0 ? xs.data() - (nx - 1) * incx : xs.data();
              const std::int64_t y0 = incy < 0 ? -(ny - 1) * incy : 0;
              REQUIRE(
                  gemv(trans, m, n, T(2), a.data(), n + 1, x, incx, beta, ys.data() + y0, incy));
              int wrong = 0;
              for (std::int64_t i = 0; i < ny; ++i) {
                double sum = 0;
                for (std::int64_t j = 0; j < nx; ++j) {
                  const std::int64_t at = trans ? j * (n + 1) + i : i * (n + 1) + j;
                  sum += static_cast<double>(a[static_cast<std::size_t>(at)]) *
                         static_cast<double>(x[j * incx]);
                }
                const auto yi = static_cast<std::size_t>(y0 + i * incy);
                double expected = 2 * sum;
                if (beta != T(0))
                  expected += static_cast<double>(beta) * static_cast<double>(old[yi]);
                wrong += !(std::abs(static_cast<double>(ys[yi]) - expected) <=
                           eps * static_cast<double>(nx + 4) * 4);
              }
              REQUIRE(wrong == 0);
            }
          }
        }
        const auto xs = numbers<T>(m * 3, 4);
        const auto y = numbers<T>(n, 5);
        auto a = numbers<T>(m * (n + 2), 6);
        const auto old = a;
        const T* x = incx < 0 ? xs.data() - (m - 1) * incx : xs.data();
        REQUIRE(ger(m, n, T(3), x, incx, y.data(), 1, a.data(), n + 2));
        int wrong = 0;
        for (std::int64_t i = 0; i < m; ++i) {
          for (std::int64_t j = 0; j < n + 2; ++j) {
            const auto at = static_cast<std::size_t>(i * (n + 2) + j);
            double expected = static_cast<double>(old[at]);
            if (j < n) {
              expected += 3.0 * static_cast<double>(x[i * incx]) *
                          static_cast<double>(y[static_cast<std::size_t>(j)]);
            }
            wrong += !(std::abs(static_cast<double>(a[at]) - expected) <= 8 * eps);
          }
        }
        REQUIRE(wrong == 0);
      }
    }
  }
  const T three = T(3);
  const auto v = numbers<T>(1000, 7);
  double sum = 0;
  for (T t : v) sum += static_cast<double>(t);
  CHECK(std::abs(static_cast<double>(dot(1000, &three, 0, v.data(), 1)) - 3 * sum) < 4000 * eps);
  CHECK(dot(0, &three, 1, &three, 1) == T(0));
  T y[4] = {T(1), T(2), T(3), T(4)};
  axpy(2, T(10), &three, 0, y + 3, -2);
  CHECK(y[3] == T(34));
  CHECK(y[1] == T(32));
  CHECK(y[2] == T(3));
  const T* none = nullptr;
  CHECK(gemv(false, 2, 0, T(1), none, 0, none, 1, T(0), y, 1));
  CHECK(y[0] == T(0));
  CHECK_FALSE(gemv(false, 2, 2, T(1), y, 2, y, 0, T(0), y, 1));
}

TEST_CASE("a child forked during products can multiply") {
  std::atomic<bool> stop{false};
  // Allocates nothing, so that only the products are put to the test.
  const std::int64_t n = 130;
  const auto a = numbers<float>(n * n, 1);
  std::vector<float> c1(static_cast<std::size_t>(n * n)), c2(c1);
  const auto work = [&](std::vector<float>& c) {
    gemm(false, false, n, n, n, 1.0f, a.data(), n, a.data(), n, 0.0f, c.data(), n);
  };
  std::thread busy([&] {
    while (!stop) work(c1);
  });
  for (int i = 0; i < 200; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(20);
      work(c2);
      _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    REQUIRE(status == 0);
  }
  stop = true;
  busy.join();
}

TEST_CASE("the library names itself") { CHECK(std::string(blas_config()).size() > 3); }

// Linear algebra: the emulated device against the host.
#include <doctest/doctest.h>

#include <cmath>

#include "ops/linalg/cholesky.h"
#include "ops/linalg/decompose.h"
#include "ops/linalg/solve.h"
#include "run_both.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

const DType kTypes[] = {DType::f32, DType::f64, DType::c64, DType::c128};
const Lay kLays[] = {Lay::contiguous, Lay::reversed, Lay::transposed};

double tolerance(DType d) { return d == DType::f32 || d == DType::c64 ? 3e-3 : 1e-11; }

Array some(DType dtype, const Dims& shape, int seed = 1, Lay lay = Lay::contiguous) {
  if (is_complex(dtype)) return complex_array(dtype, shape, noise(seed), noise(seed + 7), lay);
  return array_of(dtype, shape, noise(seed), lay);
}
// Matrices with a dominant diagonal, Hermitian if asked for.
Array dominant(DType dtype, const Dims& shape, int seed, bool hermitian, Lay lay) {
  const int64_t n = shape.back();
  const Values v = noise(seed), w = noise(seed + 7);
  const auto place = [=](int64_t e, bool* below) {
    const int64_t i = e / n % n, j = e % n;
    *below = j < i;
    if (!hermitian || j <= i) return e;
    return e - i * n - j + j * n + i;
  };
  const Values re = [=](int64_t e) {
    bool below;
    const int64_t at = place(e, &below);
    return e / n % n == e % n ? static_cast<double>(n) + 1 + v(e) : v(at);
  };
  const Values im = [=](int64_t e) {
    bool below;
    const int64_t at = place(e, &below);
    if (!hermitian) return w(at);
    return e / n % n == e % n ? 0.0 : below ? w(at) : -w(at);
  };
  if (is_complex(dtype)) return complex_array(dtype, shape, re, im, lay);
  return array_of(dtype, shape, re, lay);
}

void check_close(const Op& op, const std::vector<Array>& inputs, double scale = 1) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK(!c.refused);
  CHECK(!c.host_failed);
  CHECK(c.same_twice);
  CHECK(c.error <= scale * tolerance(inputs[0].dtype()));
}

void check_refused(const Op& op, const std::vector<Array>& inputs) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK(c.refused);
  CHECK(c.host_failed);
}

// A stack of square matrices with a singular (or not positive definite) one: all zeros.
Array with_zero_matrix(DType dtype, int64_t n) {
  Array a = dominant(dtype, {3, n, n}, 3, true, Lay::contiguous);
  const size_t bytes = static_cast<size_t>(n * n) * item_size(dtype);
  std::fill(a.data() + bytes, a.data() + 2 * bytes, '\0');
  return a;
}

}  // namespace

TEST_CASE("Cholesky factors") {
  for (const DType dtype : kTypes) {
    for (const bool lower : {true, false}) {
      auto op = make_ref<Cholesky>();
      op->lower = lower;
      for (const int64_t n : {0, 1, 2, 5, 32, 33, 70}) {
        CAPTURE(n);
        check_close(*op, {dominant(dtype, {n, n}, 1, true, Lay::contiguous)});
        if (n > 40) continue;
        for (const Lay lay : kLays) check_close(*op, {dominant(dtype, {2, 3, n, n}, 2, true, lay)});
      }
      check_close(*op, {dominant(dtype, {0, 3, 3}, 1, true, Lay::contiguous)});
      for (const int64_t n : {3, 40}) {
        op->nan = false;
        check_refused(*op, {with_zero_matrix(dtype, n)});
        op->nan = true;
        const Compared c = run_both(*op, {with_zero_matrix(dtype, n)});
        CHECK(!c.refused);
        CHECK(c.error <= tolerance(dtype));
      }
    }
  }
}

TEST_CASE("systems, and factors that are used again") {
  for (const DType dtype : kTypes) {
    for (const bool positive : {false, true}) {
      for (const bool lower : {true, false}) {
        if (!positive && !lower) continue;
        auto op = make_ref<Solve>();
        op->positive = positive;
        op->lower = lower;
        for (const Dims& stack : {Dims{}, Dims{5}}) {
          for (const int64_t n : {1, 3, 20, 33, 66}) {
            if (n > 20 && (stack.size() > 0 || positive)) continue;
            CAPTURE(n);
            const auto with = [&](int64_t rows, int64_t cols) {
              Dims shape = stack;
              shape.push_back(rows);
              shape.push_back(cols);
              return shape;
            };
            const Lay lay = kLays[n % 3];
            const Array a = dominant(dtype, with(n, n), 5, positive, lay);
            const Array b = some(dtype, with(n, 4), 6, lay);
            // The factors and pivots are compared as well: SolveFactored takes the host's. (Large
            // ones may hold anything in the other triangle.)
            check_close(*op, {a, b});
            check_close(*op, {a, some(dtype, with(n, 0), 6)});
          }
        }
        check_refused(*op, {with_zero_matrix(dtype, 4), some(dtype, {3, 4, 2})});
      }
    }
  }
}

TEST_CASE("systems that are factored") {
  for (const DType dtype : kTypes) {
    for (const bool positive : {false, true}) {
      for (const bool trans : {false, true}) {
        auto op = make_ref<SolveFactored>();
        op->positive = positive;
        op->trans = trans;
        for (const Lay lay : {Lay::contiguous, Lay::spread}) {
          for (const int64_t n : {3, 20, 40}) {
            // Any matrix with a large diagonal is a factor; each row is exchanged with a later one.
            const Array factors = dominant(dtype, {2, n, n}, 3, false, lay);
            const Array pivots = array_of(
                DType::i32, {2, n},
                [=](int64_t i) { return static_cast<double>(i % n + (n - 1 - i % n) / 2); }, lay);
            check_close(*op, {factors, factors, pivots, some(dtype, {2, n, 5}, 4, lay)});
          }
        }
        if (positive) continue;
        const Array bad = array_of(DType::i32, {3}, [](int64_t i) { return i == 1 ? 7.0 : 0.0; });
        const Array a = dominant(dtype, {3, 3}, 3, false, Lay::contiguous);
        check_refused(*op, {a, a, bad, some(dtype, {3, 2})});
      }
    }
  }
}

TEST_CASE("triangular systems") {
  for (const DType dtype : kTypes) {
    for (int kind = 0; kind < 8; ++kind) {
      auto op = make_ref<SolveTriangular>();
      op->lower = kind & 1;
      op->trans = kind & 2;
      op->unit_diagonal = kind & 4;
      CAPTURE(kind);
      for (const Lay lay : kLays) {
        for (const int64_t n : {1, 5, 32, 50}) {
          Array a = dominant(dtype, {2, n, n}, 3, false, lay);
          // A unit diagonal in front of large elements would make the solutions explode.
          if (op->unit_diagonal) a = some(dtype, {2, n, n}, 3, lay);
          if (op->unit_diagonal && n > 5) continue;
          check_close(*op, {a, some(dtype, {2, n, 70}, 4, lay)});
        }
      }
      check_close(*op, {dominant(dtype, {0, 0}, 3, false, Lay::contiguous), some(dtype, {0, 3})});
      if (!op->unit_diagonal) {
        check_refused(*op, {with_zero_matrix(dtype, 3), some(dtype, {3, 3, 2})});
      }
    }
  }
}

TEST_CASE("inverses and determinants") {
  for (const DType dtype : kTypes) {
    for (const Lay lay : kLays) {
      for (const int64_t n : {0, 1, 7, 33}) {
        if (n > 7 && lay != Lay::transposed) continue;
        const Array a = dominant(dtype, {3, n, n}, 4, false, lay);
        check_close(MatrixInverse(), {a});
        check_close(SLogDet(), {a});
        if (n < 10) check_close(Det(), {a});
      }
    }
    check_refused(MatrixInverse(), {with_zero_matrix(dtype, 4)});
    check_close(Det(), {with_zero_matrix(dtype, 4)});
    check_close(SLogDet(), {with_zero_matrix(dtype, 4)});
  }
}

TEST_CASE("LU factors and exchanged rows") {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1}, {5, 3}, {3, 5}, {40, 7}, {7, 40}, {65, 65}};
  for (const DType dtype : kTypes) {
    for (const auto& [m, n] : shapes) {
      CAPTURE(m);
      CAPTURE(n);
      for (const Lay lay : kLays) check_close(LuFactor(), {some(dtype, {2, m, n}, 5, lay)}, 10);
    }
    check_close(LuFactor(), {with_zero_matrix(dtype, 4)});
  }
  for (const DType dtype : {DType::b8, DType::i16, DType::f32, DType::c128}) {
    for (const bool inverse : {false, true}) {
      auto op = make_ref<PermuteRows>();
      op->inverse = inverse;
      const Array pivots = array_of(DType::i32, {2, 4}, [](int64_t i) {
        return std::vector<double>{3, 1, 4, 5, 0, 4, 2, 3}[static_cast<size_t>(i)];
      });
      for (const Lay lay : kLays) {
        for (const int64_t n : {1, 3, 4}) {
          const Compared c = run_both(*op, {some(dtype, {2, 6, n}, 5, lay), pivots});
          CHECK(c.enqueued);
          CHECK(!c.refused);
          CHECK(c.same_bits);
        }
      }
      check_refused(*op, {some(dtype, {2, 5, 3}), pivots});
    }
  }
}

TEST_CASE("QR factors") {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},  {5, 3},   {3, 5}, {40, 33},
                                                {3, 40}, {33, 65}, {4, 0}, {0, 4}};
  for (const DType dtype : kTypes) {
    for (const char* mode : {"reduced", "complete", "r", "raw"}) {
      auto op = make_ref<QR>();
      op->mode = mode;
      CAPTURE(mode);
      for (const auto& [m, n] : shapes) {
        CAPTURE(m);
        CAPTURE(n);
        // The emulation takes long for large ones.
        const bool large = m * n > 1000;
        if (large && (op->mode != "complete" || dtype == DType::f32 || dtype == DType::c64)) {
          continue;
        }
        check_close(*op, {some(dtype, {large ? 1 : 2, m, n}, 5, kLays[(m + n) % 3])}, 10);
      }
    }
  }
}

TEST_CASE("singular values, eigenvalues and pseudo-inverses") {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1}, {5, 3}, {3, 5}, {12, 7}, {10, 10}, {4, 0}};
  for (const DType dtype : kTypes) {
    for (const auto& [m, n] : shapes) {
      CAPTURE(m);
      CAPTURE(n);
      const Array a = some(dtype, {2, m, n}, 5, kLays[(m + n) % 3]);
      auto values = make_ref<SVD>();
      values->vectors = false;
      check_close(*values, {a});
      const Array rcond = array_of(DType::f64, {}, [](int64_t) { return -1.0; });
      check_close(MatrixPinv(), {a, rcond}, 100);
      if (m != n) continue;
      for (const bool lower : {true, false}) {
        auto eigen = make_ref<Eigh>();
        eigen->vectors = false;
        eigen->lower = lower;
        check_close(*eigen, {dominant(dtype, {2, n, n}, 6, true, kLays[n % 3])});
        check_close(*eigen, {some(dtype, {2, n, n}, 6)});
      }
    }
    auto values = make_ref<SVD>();
    values->vectors = false;
    check_refused(*values, {array_of(DType::f64, {3, 3}, [](int64_t) { return INFINITY; })});
  }
}

// Sorting, running sums, counting, searching: the emulated device against the host.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ops/sort/count.h"
#include "ops/sort/cumulate.h"
#include "ops/sort/search.h"
#include "ops/sort/sort.h"
#include "ops/sort/topk.h"
#include "run_both.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const DType kReal[] = {DType::b8,  DType::i8,  DType::i16, DType::i32, DType::i64, DType::u8,
                       DType::u16, DType::u32, DType::u64, DType::f16, DType::f32, DType::f64};
const DType kComplex[] = {DType::c64, DType::c128};

void check(const Op& op, const std::vector<Array>& inputs) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK_FALSE(c.refused);
  CHECK_FALSE(c.host_failed);
  CHECK(c.same_twice);
  CHECK(c.same_bits);
}
void check_close(const Op& op, const std::vector<Array>& inputs, double most) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK_FALSE(c.refused);
  CHECK(c.same_twice);
  CHECK(c.error <= most);
}
void check_refused(const Op& op, const std::vector<Array>& inputs) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK(c.host_failed);
  CHECK(c.refused);
}

// Few values, so that many are equal; NaN, infinities and zeros of both signs among them.
Values odd(int seed) {
  return [=](int64_t i) {
    const double v = noise(seed, 5, true)(i);
    if (v == 3) return kNaN;
    if (v == 4) return -kNaN;
    if (v == -5) return -kInf;
    if (v == 2) return kInf;
    if (v == 0) return i % 2 ? 0.0 : -0.0;
    return v;
  };
}
Values values_for(DType dtype, int seed) {
  if (is_float(dtype) || is_complex(dtype)) return odd(seed);
  if (is_bool(dtype)) return [=](int64_t i) { return noise(seed)(i) > 0 ? 1.0 : 0.0; };
  const bool is_signed = is_signed_int(dtype);
  return [=](int64_t i) { return noise(seed, 20, true)(i) + (is_signed ? 0 : 20); };
}
Array any_array(DType dtype, const Dims& shape, int seed, Lay lay = Lay::contiguous) {
  if (is_complex(dtype)) return complex_array(dtype, shape, odd(seed), odd(seed + 1), lay);
  return array_of(dtype, shape, values_for(dtype, seed), lay);
}

void check_sorts(const Array& x, int64_t axis) {
  Sort sort;
  sort.axis = axis;
  check(sort, {x});
  ArgSort argsort;
  argsort.axis = axis;
  check(argsort, {x});
}

void check_topk(const Array& x, int64_t axis, int64_t k, DType index = DType::i64) {
  TopK op;
  op.axis = axis;
  op.idx_dtype = index;
  for (const bool sorted : {true, false}) {
    op.sorted = sorted;
    check(op, {x, Array::scalar_int(DType::i64, k)});
    check(op, {x, Array::scalar_int(DType::i16, -k)});
  }
}

}  // namespace

TEST_CASE("sorting short rows on a device") {
  for (const DType dtype : kReal) {
    CAPTURE(dtype);
    check_sorts(any_array(dtype, {37}, 1), 0);
    check_sorts(any_array(dtype, {6, 9, 5}, 2, Lay::reversed), 1);
    check_sorts(any_array(dtype, {70, 12}, 3, Lay::transposed), 1);
    check_sorts(any_array(dtype, {2, 600}, 4), 1);
    check_topk(any_array(dtype, {4, 30, 3}, 5, Lay::spread), 1, 7, DType::i16);
    check_topk(any_array(dtype, {4, 3}, 6), 1, 3);
  }
  check_sorts(any_array(DType::c64, {6, 50}, 7), 1);
  check_sorts(any_array(DType::c64, {20, 6}, 8), 0);
  check_sorts(any_array(DType::f32, {0}, 1), 0);
  check_sorts(any_array(DType::f32, {3, 0}, 1), 1);
  check_sorts(any_array(DType::f32, {0, 3}, 1), 1);
  check_sorts(any_array(DType::f32, {3, 1}, 1), 1);
  check_sorts(any_array(DType::f32, {2048}, 1), 0);
}

TEST_CASE("sorting long rows on a device") {
  for (const DType dtype : kReal) {
    CAPTURE(dtype);
    check_sorts(any_array(dtype, {2500}, 1), 0);
    check_topk(any_array(dtype, {2500}, 2), 0, 60);
    check_topk(any_array(dtype, {2500}, 2), 0, 2400);
  }
  for (const DType dtype : {DType::i8, DType::f32, DType::f64, DType::c64, DType::c128}) {
    check_sorts(any_array(dtype, {3, 2050}, 3, Lay::reversed), 1);
    check_sorts(any_array(dtype, {2050, 3}, 4), 0);
  }
  check_sorts(any_array(DType::c128, {4, 30}, 5), 1);
  check_sorts(any_array(DType::c128, {30}, 6, Lay::reversed), 0);
  check_topk(any_array(DType::f32, {3, 2100}, 7, Lay::spread), 1, 9, DType::u8);
  check_topk(any_array(DType::f64, {2100, 2}, 8), 0, 2100);
  for (const int64_t k : {1, 2, 1000, 2048, 2099}) {
    check_topk(array_of(DType::f32, {2, 2100}, noise(9)), 1, k);
    check_topk(array_of(DType::i64, {2100, 2}, noise(9, 4e18)), 0, k);
  }
}

TEST_CASE("orders of rows, and their groups, on a device") {
  for (const DType dtype : kReal) {
    const Array x = any_array(dtype, {60, 3}, 1, Lay::transposed);
    check(LexSortRows(), {x});
    check(UniqueGroups(), {any_array(dtype, {50, 1}, 2)});
    const Array order =
        array_of(DType::i64, {60}, [](int64_t i) { return double((7 * i) % 60); }, Lay::reversed);
    check(UniqueGroups(), {x, order});
  }
  for (const DType dtype : kComplex) {
    check(LexSortRows(), {any_array(dtype, {60, 2}, 1)});
    check(UniqueGroups(), {any_array(dtype, {300, 1}, 2)});
  }
  check(LexSortRows(), {any_array(DType::f32, {5, 0}, 1)});
  check(LexSortRows(), {any_array(DType::f32, {0, 5}, 1)});
  check(UniqueGroups(), {any_array(DType::f32, {0, 1}, 1)});
  check(UniqueGroups(), {array_of(DType::i32, {5000, 1}, [](int64_t i) { return double(i / 3); })});
  check_refused(UniqueGroups(),
                {any_array(DType::f32, {3, 1}, 1),
                 array_of(DType::i64, {3}, [](int64_t i) { return double(2 * i); })});

  const auto groups = [](int64_t n, int64_t by) {
    return array_of(DType::i64, {n}, [=](int64_t i) { return double(i / by); });
  };
  check(UniqueFirsts(), {groups(40, 3), Array::scalar_int(DType::i64, 14)});
  check(UniqueFirsts(), {groups(0, 3), Array::scalar_int(DType::i64, 0)});
  check_refused(UniqueFirsts(), {groups(40, 3), Array::scalar_int(DType::i64, 15)});
}

TEST_CASE("running sums on a device") {
  const DType dtypes[] = {DType::i8,  DType::i16, DType::i32, DType::i64, DType::u8,  DType::u16,
                          DType::u32, DType::u64, DType::f32, DType::f64, DType::c64, DType::c128};
  for (const DType dtype : dtypes) {
    for (const char* kind : {"sum", "prod", "max", "min"}) {
      if (is_complex(dtype) && kind[0] == 'm') continue;
      CAPTURE(kind);
      Cumulate op;
      op.kind = kind;
      for (const bool reverse : {false, true}) {
        op.reverse = reverse;
        const bool exact = kind[0] == 'm' || !(is_float(dtype) || is_complex(dtype));
        const auto run = [&](const Dims& shape, int64_t axis, Lay lay = Lay::contiguous) {
          op.axis = axis;
          Array x;
          if (is_complex(dtype)) {
            x = complex_array(dtype, shape, noise(1), noise(2), lay);
          } else if (exact) {
            x = array_of(dtype, shape, values_for(dtype, 3), lay);
          } else {
            x = array_of(dtype, shape, noise(4), lay);
          }
          if (exact) return check(op, {x});
          check_close(op, {x}, dtype == DType::f64 || dtype == DType::c128 ? 1e-12 : 1e-3);
        };
        run({50}, 0);
        run({3, 40}, 1, Lay::reversed);
        run({5, 7, 3}, 1, Lay::transposed);
      }
    }
  }
  for (const DType dtype : {DType::i32, DType::u64, DType::f32, DType::f64, DType::c64}) {
    for (const char* kind : {"sum", "max"}) {
      if (is_complex(dtype) && kind[0] == 'm') continue;
      Cumulate op;
      op.kind = kind;
      for (const bool reverse : {false, true}) {
        op.reverse = reverse;
        for (const int64_t n : {256, 257, 2048, 2049, 6000}) {
          op.axis = 1;
          check_close(op, {any_array(dtype, {2, n}, 1)}, 1e-12);
          if (is_complex(dtype) || is_float(dtype)) {
            const double most = dtype == DType::f64 ? 1e-12 : 1e-4;
            const auto one = [&](int64_t i) { return noise(9, 1, true)(i) + 0.25 * noise(1)(i); };
            const Array x = is_complex(dtype) ? complex_array(dtype, {2, n}, one, noise(1))
                                              : array_of(dtype, {2, n}, one);
            check_close(op, {x}, most);
          }
        }
        op.axis = 0;
        check_close(op, {any_array(dtype, {1030, 3}, 1)}, 1e-12);
      }
    }
  }
  Cumulate op;
  op.axis = 1;
  // More pieces than a warp has lanes, and pieces of several tiles.
  for (const int64_t n : {70000, 90000}) {
    check(op, {array_of(DType::i32, {1, n}, noise(1, 9, true))});
    check_close(op, {array_of(DType::f64, {1, n}, noise(1))}, 1e-10);
  }
  op.axis = 0;
  check(op, {array_of(DType::i32, {12000, 2}, noise(1, 9, true))});
  op.axis = 1;
  check(op, {array_of(DType::i32, {3, 0}, noise(1))});
  check(op, {array_of(DType::i32, {0, 3}, noise(1))});
}

TEST_CASE("searching on a device") {
  const DType dtypes[] = {DType::i8,  DType::i16, DType::i32, DType::i64, DType::u8,
                          DType::u16, DType::u32, DType::u64, DType::f32, DType::f64};
  for (const DType dtype : dtypes) {
    for (const bool right : {false, true}) {
      SearchSorted op;
      op.right = right;
      const Array a = array_of(
          dtype, {40},
          [&](int64_t i) {
            if (is_float(dtype) && i >= 37) return kNaN;
            return double(i / 3) - (is_float(dtype) ? 3 : 0);
          },
          Lay::spread);
      check(op, {a, any_array(dtype, {6, 7}, 1, Lay::transposed)});
      check(op, {a, any_array(dtype, {}, 1)});
      check(op, {a, any_array(dtype, {0}, 1)});
      check(op, {array_of(dtype, {0}, noise(1)), any_array(dtype, {5}, 1)});
    }
  }
}

TEST_CASE("counting on a device") {
  const DType ints[] = {DType::b8, DType::i8,  DType::i16, DType::i32, DType::i64,
                        DType::u8, DType::u16, DType::u32, DType::u64};
  const Array size = Array::scalar_int(DType::i64, 41);
  for (const DType dtype : ints) {
    const auto small = [&](int64_t i) {
      return is_bool(dtype) ? double(i % 3 == 0) : noise(1, 20, true)(i) + 20;
    };
    const Array x = array_of(dtype, {700}, small, Lay::reversed);
    check(BinCountSize(), {x, Array::scalar_int(DType::i32, 0)});
    check(BinCountSize(), {x, Array::scalar_int(DType::i64, 100)});
    check(BinCount(), {x, size});
    for (const DType w : {DType::i8, DType::i16, DType::u32, DType::i64, DType::u64}) {
      check(BinCount(), {x, size, array_of(w, {700}, noise(2, 100, true))});
    }
    for (const DType w : {DType::f16, DType::f32, DType::f64}) {
      check_close(BinCount(), {x, size, array_of(w, {700}, noise(2), Lay::spread)}, 1e-6);
    }
  }
  const Array none = array_of(DType::i32, {0}, noise(1));
  const Array zero = Array::scalar_int(DType::i64, 0);
  check(BinCountSize(), {none, zero});
  check(BinCount(), {none, size});
  check(BinCount(), {none, zero});
  check(BinCount(), {none, size, array_of(DType::f32, {0}, noise(1))});
  check(BinCount(), {none, size, array_of(DType::i16, {0}, noise(1))});
  const Array negative = array_of(DType::i32, {3}, [](int64_t i) { return double(1 - i); });
  check_refused(BinCountSize(), {negative, zero});
  check_refused(BinCountSize(), {none, Array::scalar_int(DType::i64, -1)});
  check_refused(BinCount(), {negative, size});
  check_refused(BinCount(), {negative, zero});
  check_refused(BinCount(), {negative, size, array_of(DType::f64, {3}, noise(1))});
  const Array huge = array_of(DType::u64, {2}, [](int64_t) { return 1.8e19; });
  check_refused(BinCountSize(), {huge, zero});
  check_refused(BinCount(), {huge, size});
  check_refused(BinCount(), {array_of(DType::i32, {2}, [](int64_t) { return 41.0; }), size});
}

// Ops that move elements: the emulated device against the host, bit by bit.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <random>

#include "ops/advanced_subtensor.h"
#include "ops/control/check.h"
#include "ops/grad_ops.h"
#include "ops/indexing/along_axis.h"
#include "ops/indexing/choose.h"
#include "ops/indexing/diagonal.h"
#include "ops/indexing/eye.h"
#include "ops/indexing/mask.h"
#include "ops/join.h"
#include "ops/pool/neighbours.h"
#include "ops/shape_ops.h"
#include "ops/sparse/product.h"
#include "ops/subtensor.h"
#include "run_both.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

const std::vector<DType> kAllDTypes = {
#define X(e, t, n) DType::e,
    PHINTYS_DTYPES(X)
#undef X
};
const std::vector<Lay> kLays = {Lay::contiguous, Lay::reversed, Lay::spread, Lay::transposed};

Array some(DType dtype, const Dims& shape, int seed = 1, Lay lay = Lay::contiguous) {
  if (is_complex(dtype)) return complex_array(dtype, shape, noise(seed), noise(seed + 7), lay);
  if (is_discrete(dtype)) return array_of(dtype, shape, noise(seed, 50, true), lay);
  return array_of(dtype, shape, noise(seed), lay);
}
// Indices in [-n, n) or [0, n).
Array numbers(const Dims& shape, int64_t n, int seed = 3, DType dtype = DType::i64,
              Lay lay = Lay::contiguous) {
  const Values v = noise(seed, static_cast<double>(n), true);
  return array_of(
      dtype, shape,
      [=](int64_t i) {
        const double k = std::min(v(i), static_cast<double>(n - 1));
        return is_unsigned_int(dtype) && k < 0 ? k + static_cast<double>(n) : k;
      },
      lay);
}
Array ints(std::vector<int64_t> values) {
  return Array::from_ints(values.data(), static_cast<int64_t>(values.size()));
}
Array scalar(int64_t v, DType dtype = DType::i64) { return Array::scalar_int(dtype, v); }
Array mask_of(const Dims& shape, int seed, double share = 0.5, Lay lay = Lay::contiguous) {
  const Values v = noise(seed);
  return array_of(DType::b8, shape, [=](int64_t i) { return v(i) < 2 * share - 1; }, lay);
}
int64_t trues(const Array& mask) {
  int64_t n = 0;
  for (int64_t i = 0; i < mask.size(); ++i) n += element_as_int(mask.view(), i) != 0;
  return n;
}

// The same bits, every time; refused where the host throws.
void check_same(const Op& op, const std::vector<Array>& inputs, bool in_place = false) {
  CAPTURE(op.str());
  for (const Array& a : inputs) {
    CAPTURE(to_string(a.shape()));
  }
  const Compared c = run_both(op, inputs, in_place);
  CHECK(c.enqueued);
  CHECK(c.refused == c.host_failed);
  CHECK(c.same_twice);
  CHECK(c.same_bits);
}
void check_near(const Op& op, const std::vector<Array>& inputs, double error) {
  CAPTURE(op.str());
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK(c.refused == c.host_failed);
  CHECK(c.same_twice);
  CHECK(c.error <= error);
}
void check_refused(const Op& op, const std::vector<Array>& inputs) {
  CAPTURE(op.str());
  const Compared c = run_both(op, inputs);
  CHECK(c.host_failed);
  CHECK((c.refused || !c.enqueued));
}

template <class T, class F>
Ref<T> made(F&& set) {
  auto op = make_ref<T>();
  set(*op);
  return op;
}
template <class T>
Ref<T> on_axis(int64_t axis) {
  return made<T>([&](T& op) { op.axis = axis; });
}
template <class T>
Ref<T> on_axis(int64_t axis, bool set) {
  return made<T>([&](T& op) {
    op.axis = axis;
    op.set = set;
  });
}

// Kernels count to this many elements for as long as it lives: larger work is cut.
struct Limit {
  explicit Limit(int64_t elements) { set(elements); }
  ~Limit() { set(int64_t{1} << 30); }
  static void set(int64_t elements) {
    // The plug-in has been opened by run_both.
    void* library = dlopen("libphintys_emulated.so", RTLD_NOW | RTLD_NOLOAD);
    if (!library) library = dlopen(loaded_path().c_str(), RTLD_NOW | RTLD_NOLOAD);
    REQUIRE(library);
    auto f = reinterpret_cast<void (*)(int64_t)>(dlsym(library, "phintys_set_launch_limit"));
    REQUIRE(bool(f));
    f(elements);
    dlclose(library);
  }
  static std::string loaded_path() {
    std::string found;
    FILE* maps = fopen("/proc/self/maps", "r");
    char line[4096];
    while (maps && fgets(line, sizeof line, maps)) {
      const char* at = strstr(line, "/");
      if (at && strstr(at, "libphintys_emulated.so")) found.assign(at, strcspn(at, "\n"));
    }
    if (maps) fclose(maps);
    return found;
  }
};

// An array whose axes lie in memory in a given order, some of them backwards.
Array permuted(DType dtype, const Dims& shape, const std::vector<int>& order, unsigned backwards) {
  Array block = Array::empty(dtype, Dims{product(shape)});
  const Array values = some(dtype, Dims{product(shape)}, 5);
  Dims strides(shape.size(), 0);
  int64_t step = static_cast<int64_t>(item_size(dtype));
  for (size_t i = order.size(); i-- > 0;) {
    strides[static_cast<size_t>(order[i])] = step;
    step *= shape[static_cast<size_t>(order[i])];
  }
  copy_elements(block.view(), values.view());
  char* data = block.data();
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!(backwards >> d & 1)) continue;
    data += (shape[d] - 1) * strides[d];
    strides[d] = -strides[d];
  }
  return Array(block.buffer(), data, dtype, shape, strides);
}

}  // namespace

TEST_CASE("device copies of every dtype and layout") {
  const auto op = make_ref<DeepCopy>();
  for (const DType dtype : kAllDTypes) {
    CAPTURE(dtype_name(dtype));
    for (const Lay lay : kLays) {
      check_same(*op, {some(dtype, {5, 37}, 1, lay)});
      check_same(*op, {some(dtype, {3, 1, 7, 2}, 1, lay)});
    }
    check_same(*op, {some(dtype, {}, 1)});
    check_same(*op, {some(dtype, {0, 4}, 1)});
    check_same(*op, {some(dtype, {70, 45}, 1, Lay::transposed)});
  }
  // Vectors and their ends, at any address.
  for (const int64_t n : {1, 3, 16, 1027, 2050}) {
    for (const int64_t offset : {0, 1, 2, 3, 4}) {
      check_same(*op, {shifted_array(DType::f32, {n}, noise(2), offset)});
      check_same(*op, {shifted_array(DType::i8, {n}, noise(2, 100, true), offset)});
    }
  }
}

TEST_CASE("device copies of permuted arrays") {
  const auto op = make_ref<DeepCopy>();
  std::vector<int> order = {0, 1, 2, 3};
  do {
    for (const unsigned backwards : {0u, 5u, 10u}) {
      CAPTURE(order);
      CAPTURE(backwards);
      check_same(*op, {permuted(DType::f32, {3, 9, 2, 11}, order, backwards)});
    }
    check_same(*op, {permuted(DType::i16, {1, 33, 4, 40}, order, 0)});
  } while (std::next_permutation(order.begin(), order.end()));
  check_same(*op, {permuted(DType::f64, {2, 1, 3, 2, 1, 2, 2, 3}, {7, 3, 5, 1, 0, 2, 4, 6}, 37)});
  const Limit limit(100);
  check_same(*op, {permuted(DType::f32, {3, 50, 40}, {0, 2, 1}, 0)});
  check_same(*op, {permuted(DType::f32, {3, 50, 40}, {2, 1, 0}, 2)});
  check_same(*op, {some(DType::f32, {1027}, 4)});
}

TEST_CASE("device joins, reshapes, fills") {
  for (const DType dtype : kAllDTypes) {
    check_same(*on_axis<Join>(1), {some(dtype, {3, 4}, 1), some(dtype, {3, 1}, 2, Lay::reversed),
                                   some(dtype, {3, 0}, 2), some(dtype, {3, 6}, 3, Lay::spread)});
    check_same(*on_axis<Join>(0), {some(dtype, {5}, 1), some(dtype, {9}, 2)});
    for (const Dims& shape : {Dims{}, Dims{1}, Dims{64}, Dims{3, 1}, Dims{3, 64}}) {
      check_same(*make_ref<Alloc>(),
                 {some(dtype, shape, 1), scalar(2), scalar(3, DType::i32), scalar(64, DType::u8)});
    }
    check_same(*make_ref<Alloc>(), {some(dtype, {}, 1), scalar(1003)});
    check_same(*make_ref<Alloc>(), {some(dtype, {}, 1), scalar(0), scalar(4)});
    check_same(*made<MakeVector>([&](auto& op) { op.dtype = dtype; }),
               std::vector<Array>(40, some(dtype, {}, 4)));
    for (const int64_t k : {-9, -3, 0, 2, 9}) {
      check_same(*made<Eye>([&](auto& op) { op.dtype = dtype; }),
                 {scalar(5), scalar(7), scalar(k, DType::i8)});
    }
  }
  const auto flat = made<Reshape>([](auto& op) { op.ndim = 2; });
  for (const Lay lay : {Lay::spread, Lay::transposed}) {
    check_same(*flat, {some(DType::f32, {6, 10}, 1, lay), ints({4, 15})});
  }
  check_same(*on_axis<ShapeI>(1), {some(DType::f32, {6, 10}, 1)});
  for (const DType dtype :
       {DType::i8, DType::i32, DType::i64, DType::u16, DType::f16, DType::f32, DType::f64}) {
    const auto op = made<ARange>([&](auto& arange) { arange.dtype = dtype; });
    check_same(*op, {scalar(3), scalar(300), scalar(2, DType::i8)});
    check_same(*op, {scalar(40), scalar(-300), scalar(-7)});
    if (is_discrete(dtype)) continue;
    check_same(*op, {Array::scalar(DType::f32, 0.1), Array::scalar(DType::f64, 9),
                     Array::scalar(DType::f64, 0.01)});
  }
}

TEST_CASE("device slices that are replaced or increased") {
  using E = IndexEntry;
  using S = IndexSlot;
  const auto op = [](std::vector<E> entries, bool set) {
    return made<IncSubtensor>([&](auto& o) {
      o.index = encode_index(entries);
      o.set = set;
    });
  };
  for (const bool set : {false, true}) {
    for (const DType dtype : kAllDTypes) {
      for (const Lay lay : kLays) {
        check_same(*op({E::slice(S::of(1), S::of(-1), S::of(2)), E::slice({}, {}, S::of(-1))}, set),
                   {some(dtype, {9, 33}, 1, lay), some(dtype, {4, 33}, 2, lay)});
      }
      check_same(*op({E::integer(S::of(-2)), E::slice(S::of(3))}, set),
                 {some(dtype, {4, 16, 8}, 1), some(dtype, {8}, 2)}, true);
      // Numbers that only the device knows.
      check_same(
          *op({E::integer(S::next_input()), E::slice(S::next_input(), S::next_input())}, set),
          {some(dtype, {4, 16, 8}, 1), some(dtype, {5, 1}, 2), scalar(-1, DType::i32), scalar(3),
           scalar(8, DType::u8)});
    }
    const Array x = some(DType::f32, {6, 40}, 1);
    const auto dynamic = op({E::slice(S::next_input(), {}, S::next_input()),
                             E::slice(S::of(2), S::next_input(), S::of(3))},
                            set);
    for (const int64_t start : {-9, -2, 0, 5, 9}) {
      for (const int64_t step : {-2, -1, 1, 3}) {
        for (const int64_t stop : {-50, 0, 11, 99}) {
          check_same(*dynamic,
                     {x, some(DType::f32, {}, 3), scalar(start), scalar(step), scalar(stop)});
        }
      }
    }
    check_same(*dynamic, {x, some(DType::f32, {3, 3}, 3), scalar(3), scalar(1), scalar(11)});
    check_refused(*dynamic, {x, some(DType::f32, {3, 4}, 3), scalar(3), scalar(1), scalar(11)});
    check_refused(*dynamic, {x, some(DType::f32, {3, 3}, 3), scalar(3), scalar(0), scalar(11)});
    check_refused(*op({E::integer(S::next_input())}, set), {x, some(DType::f32, {40}), scalar(6)});
  }
}

TEST_CASE("device gathers") {
  for (const DType dtype : kAllDTypes) {
    for (const Lay lay : kLays) {
      check_same(*make_ref<AdvancedSubtensor1>(),
                 {some(dtype, {9, 33}, 1, lay), numbers({20}, 9, 3, DType::i64, lay)});
    }
    check_same(*make_ref<AdvancedSubtensor1>(), {some(dtype, {9, 32}, 1), numbers({21}, 9)});
    check_same(*make_ref<AdvancedSubtensor1>(), {some(dtype, {50}, 1), numbers({300}, 50)});
  }
  for (const DType dtype : kAllDTypes) {
    if (!is_int(dtype)) continue;
    check_same(*on_axis<AdvancedSubtensor>(1),
               {some(DType::f32, {3, 7, 5, 4}, 1), numbers({2, 1, 3}, 7, 2, dtype),
                numbers({4, 1}, 5, 3, dtype, Lay::reversed)});
  }
  const auto op = on_axis<AdvancedSubtensor>(0);
  const Array x = some(DType::f64, {4, 5, 6}, 1);
  check_same(*op, {x, scalar(2), numbers({7}, 5), numbers({3, 1}, 6)});
  check_same(*op, {x, scalar(-4)});
  check_same(*op, {x, numbers({0}, 4)});
  check_same(*op, {some(DType::f64, {4, 0}, 1), numbers({3}, 4)});
  check_refused(*op, {some(DType::f64, {4, 0}, 1), ints({0, 4})});
  check_refused(*op, {x, ints({0, 4, 1})});
  check_refused(*op, {x, ints({0, 1}), ints({-6, 1})});
  const Limit limit(50);
  check_same(*op, {x, numbers({3, 7}, 4), numbers({7}, 5)});
}

namespace {

// Scatters in every way: few and many positions, with and without repetitions.
void check_scatter(DType dtype, bool set) {
  CAPTURE(dtype_name(dtype));
  const auto op1 = made<AdvancedIncSubtensor1>([&](auto& op) { op.set = set; });
  for (const int64_t n : {1, 7, 40, 600}) {
    check_same(*op1, {some(dtype, {12, 16}, 1), some(dtype, {n, 16}, 2), numbers({n}, 12)});
    check_same(*op1, {some(dtype, {12}, 1), some(dtype, {n}, 2), numbers({n}, 12)}, true);
  }
  check_same(*op1, {some(dtype, {500, 3}, 1, Lay::spread), some(dtype, {3}, 2),
                    numbers({300}, 500, 4, DType::i32)});
  check_same(*op1, {some(dtype, {50, 3}, 1), some(dtype, {}, 2), numbers({100}, 50)});
  check_same(*on_axis<AdvancedIncSubtensor>(1, set),
             {some(dtype, {3, 5, 4, 2}, 1), some(dtype, {3, 6, 10, 2}, 2, Lay::reversed),
              numbers({6, 1}, 5), numbers({10}, 4)});
  check_same(*on_axis<AdvancedIncSubtensor>(1, set),
             {some(dtype, {7, 5}, 1), some(dtype, {7, 40}, 2), numbers({40}, 5)});
}

}  // namespace

TEST_CASE("device scatters, in the order of a loop") {
  for (const bool set : {false, true}) {
    for (const DType dtype : kAllDTypes) check_scatter(dtype, set);
    const auto op = made<AdvancedIncSubtensor1>([&](auto& o) { o.set = set; });
    const Array x = some(DType::f32, {4, 3}, 1), y = some(DType::f32, {30, 3}, 2);
    std::vector<int64_t> bad(30, 1);
    bad[17] = 4;
    check_refused(*op, {x, y, ints(bad)});
    check_refused(*op, {x, some(DType::f32, {2, 3}, 2), ints({1, -5})});
    check_refused(*op, {some(DType::f32, {4, 0}, 1), some(DType::f32, {2, 0}, 2), ints({1, 4})});
    check_same(*op, {x, some(DType::f32, {0, 3}, 2), numbers({0}, 4)});
    // All of one element, and more than one block sorts at once.
    check_same(*op, {some(DType::f32, {4}, 1), some(DType::f32, {3000}, 2),
                     array_of(DType::i64, {3000}, [](int64_t) { return 2; })});
    check_same(*op,
               {some(DType::f64, {70000}, 1), some(DType::f64, {5000}, 2), numbers({5000}, 70000)});
    check_same(
        *op, {some(DType::f16, {300, 2}, 1), some(DType::f16, {2500, 2}, 2), numbers({2500}, 300)});
    const Limit limit(70);
    check_same(*op, {x, y, numbers({30}, 4)});
    check_same(*on_axis<AdvancedIncSubtensor>(1, set),
               {some(DType::f32, {7, 5}, 1), some(DType::f32, {7, 40}, 2), numbers({40}, 5)});
  }
}

TEST_CASE("device elements along an axis") {
  for (const DType dtype : kAllDTypes) {
    for (const int64_t axis : {0, 1, 2}) {
      Dims shape = {4, 5, 6};
      shape[static_cast<size_t>(axis)] = 9;
      const int64_t n = Dims{4, 5, 6}[static_cast<size_t>(axis)];
      check_same(*on_axis<TakeAlongAxis>(axis), {some(dtype, {4, 5, 6}, 1), numbers(shape, n)});
      for (const bool set : {false, true}) {
        check_same(*on_axis<PutAlongAxis>(axis, set),
                   {some(dtype, {4, 5, 6}, 1), some(dtype, shape, 2), numbers(shape, n)});
      }
    }
  }
  check_same(*on_axis<TakeAlongAxis>(1),
             {some(DType::f32, {4, 5, 1}, 1, Lay::reversed), numbers({1, 3, 6}, 5, 2, DType::i16)});
  for (const bool set : {false, true}) {
    const auto op = on_axis<PutAlongAxis>(1, set);
    for (const int64_t n : {1, 3, 100}) {
      check_same(*op, {some(DType::f32, {4, 50}, 1), some(DType::f32, {1}, 2), numbers({4, n}, 50)},
                 true);
    }
    check_same(*op, {some(DType::i8, {16400, 9}, 1), some(DType::i8, {16400, 70}, 2),
                     numbers({16400, 70}, 9, 2, DType::i8)});
    // Positions of different lines that name one element.
    check_same(*op, {some(DType::f32, {1, 5, 3}, 1), some(DType::f32, {7, 4, 3}, 2),
                     numbers({7, 4, 3}, 5)});
    check_same(*op, {some(DType::c64, {1, 5, 3}, 1), some(DType::c64, {7, 40, 3}, 2),
                     numbers({7, 40, 3}, 5)});
    check_same(*op, {some(DType::f32, {4, 5}, 1), some(DType::f32, {4, 0}, 2), numbers({4, 0}, 5)});
    check_refused(*op, {some(DType::f32, {1, 5}, 1), some(DType::f32, {}, 2),
                        array_of(DType::i64, {1, 1}, [](int64_t) { return 5; })});
  }
}

TEST_CASE("device masks") {
  for (const Lay lay : kLays) {
    for (const Dims& shape : {Dims{5000}, Dims{7, 40}, Dims{3, 5, 2}, Dims{0, 4}, Dims{9000, 1}}) {
      for (const double share : {0.0, 0.3, 1.0}) {
        const Array mask = mask_of(shape, 1, share, lay);
        check_same(*make_ref<CountNonzero>(), {mask});
        check_same(*make_ref<Nonzero>(), {mask, scalar(trues(mask))});
      }
    }
  }
  check_same(*make_ref<CountNonzero>(), {mask_of({}, 1, 1.0)});
  const Array wrong = mask_of({7, 40}, 1);
  check_refused(*make_ref<Nonzero>(), {wrong, scalar(trues(wrong) - 1)});
  for (const DType dtype : kAllDTypes) {
    for (const Lay lay : kLays) {
      const Array x = some(dtype, {4, 6, 5, 3}, 1, lay), mask = mask_of({6, 5}, 2, 0.4, lay);
      const Array count = scalar(trues(mask));
      const int64_t n = trues(mask);
      check_same(*on_axis<MaskSubtensor>(1), {x, mask, count});
      for (const bool set : {false, true}) {
        const auto op = on_axis<MaskIncSubtensor>(1, set);
        check_same(*op, {x, some(dtype, {4, n, 3}, 2, lay), mask, count});
        check_same(*op, {x, some(dtype, {n, 1}, 2), mask, count}, true);
        check_same(*op, {x, some(dtype, {}, 2), mask, count});
        check_same(*op, {x, some(dtype, {4, 1, 3}, 2), mask, count});
      }
    }
    const Array mask = mask_of({5000}, 2);
    check_same(*on_axis<MaskSubtensor>(0), {some(dtype, {5000}, 1), mask, scalar(trues(mask))});
  }
  const Array x = some(DType::f32, {4, 6}, 1), none = mask_of({4}, 1, 0.0);
  check_same(*on_axis<MaskSubtensor>(0), {x, none, scalar(0)});
  check_refused(*on_axis<MaskSubtensor>(0), {x, none, scalar(2)});
  check_same(*on_axis<MaskIncSubtensor>(0, true), {x, some(DType::f32, {0, 6}), none, scalar(0)});
}

TEST_CASE("device choices, repeats, diagonals, conditions") {
  for (const DType dtype : kAllDTypes) {
    for (const std::string mode : {"raise", "wrap", "clip"}) {
      const auto op = made<Choose>([&](auto& o) { o.mode = mode; });
      const auto which = array_of(DType::i32, {4, 1, 30}, [&](int64_t i) {
        return mode == "raise" ? static_cast<double>(i % 3) : static_cast<double>(i % 17) - 8;
      });
      check_same(*op, {which, some(dtype, {4, 5, 30}, 1, Lay::reversed), some(dtype, {1, 1, 30}, 2),
                       some(dtype, {4, 1, 1}, 3, Lay::spread)});
    }
    for (const int64_t offset : {-2, 0, 1, 9}) {
      const auto op = made<SetDiagonal>([&](auto& o) {
        o.offset = offset;
        o.axis1 = 2;
        o.axis2 = 0;
      });
      check_same(*op, {some(dtype, {6, 3, 5}, 1, Lay::transposed), some(dtype, {3, 1}, 2)});
    }
    check_same(*make_ref<Assert>(), {some(dtype, {3}, 1), some(dtype, {4, 5}, 20)});
    check_same(*make_ref<Assert>(), {some(dtype, {3}, 1), array_of(dtype, {40}, [](int64_t i) {
                                       return i == 33 ? 0.0 : 1.0;
                                     })});
  }
  check_refused(*make_ref<Choose>(),
                {ints({0, 2, 1}), some(DType::f32, {3}), some(DType::f32, {3})});
  const auto counts = [](int64_t i) { return static_cast<double>(i * 7 % 5); };
  for (const Lay lay : {Lay::contiguous, Lay::reversed}) {
    for (const DType dtype : {DType::i64, DType::u8, DType::b8}) {
      const Array c = array_of(dtype, {700}, counts, lay);
      int64_t total = 0;
      for (int64_t i = 0; i < 700; ++i) total += element_as_int(c.view(), i);
      check_same(*make_ref<RepeatIndices>(), {c, scalar(total)});
      check_refused(*make_ref<RepeatIndices>(), {c, scalar(total + 1)});
    }
  }
  check_same(*make_ref<RepeatIndices>(), {ints({}), scalar(0)});
  check_refused(*make_ref<RepeatIndices>(), {ints({3, -1}), scalar(2)});
}

TEST_CASE("device sums over stretched dimensions") {
  for (const DType dtype : kAllDTypes) {
    const double error = dtype == DType::f16                          ? 0.1
                         : dtype == DType::f32 || dtype == DType::c64 ? 1e-4
                                                                      : 1e-12;
    for (const Lay lay : kLays) {
      for (const Dims& model : {Dims{1, 1, 1}, Dims{6, 1, 9}, Dims{1, 40, 1}, Dims{1, 1, 9}}) {
        check_near(*make_ref<SumToLike>(),
                   {some(dtype, {6, 40, 9}, 1, lay), some(DType::f32, model, 1)}, error);
      }
    }
    check_near(*make_ref<SumToLike>(), {some(dtype, {0, 3}), some(dtype, {1, 3})}, 0);
    check_near(*make_ref<SumToLike>(), {some(dtype, {5000, 3}), some(dtype, {1, 1})}, error);
    check_near(*make_ref<SumToLike>(), {some(dtype, {5000, 3}), some(dtype, {1, 3})}, error);
  }
}

TEST_CASE("device patches of images") {
  for (const std::string mode : {"valid", "ignore_borders", "wrap_centered", "half", "full"}) {
    CAPTURE(mode);
    const auto cut = made<Images2Neibs>([&](auto& op) { op.mode = mode; });
    const auto join = made<Neibs2Images>([&](auto& op) { op.mode = mode; });
    const Array shape = ints({3, 5}), step = ints({2, 1});
    // 2 x 3 images of 9 x 11
    const int64_t down = mode == "half" || mode == "wrap_centered" ? 5 : mode == "full" ? 6 : 4;
    const int64_t across = mode == "half" || mode == "wrap_centered" ? 11 : mode == "full" ? 15 : 7;
    for (const DType dtype : kAllDTypes) {
      check_same(*cut, {some(dtype, {2, 3, 9, 11}, 1, Lay::reversed), shape, step});
      if (dtype == DType::f16 || is_bool(dtype)) continue;
      check_same(*join, {ints({2, 3, 9, 11}), some(dtype, {6 * down * across, 15}, 2, Lay::spread),
                         shape, step});
    }
  }
}

TEST_CASE("device products of sparse matrices") {
  // 6 rows of length 8; equal indices in row 2, none in row 4.
  const std::vector<int64_t> at = {1, 7, 0, 3, 3, 3, 2, 5, 6, 7, 0};
  const std::vector<int64_t> starts = {0, 2, 3, 7, 10, 10, 11};
  const auto list = [](const std::vector<int64_t>& v, DType dtype) {
    return array_of(dtype, {static_cast<int64_t>(v.size())},
                    [=](int64_t i) { return static_cast<double>(v[static_cast<size_t>(i)]); });
  };
  for (const DType dtype : kAllDTypes) {
    if (is_bool(dtype) || dtype == DType::f16) continue;
    for (const DType index : {DType::i32, DType::i64}) {
      const Array indices = list(at, index), indptr = list(starts, index);
      const Array values = some(dtype, {11}, 1, Lay::reversed);
      const auto product = [](bool transposed) {
        return made<SparseDot>([&](auto& op) { op.transposed = transposed; });
      };
      for (const int64_t columns : {1, 3, 40}) {
        for (const Lay lay : {Lay::contiguous, Lay::transposed}) {
          const Array left = some(dtype, {6, columns}, 2, lay),
                      right = some(dtype, {8, columns}, 3, lay);
          check_near(*product(false), {values, indices, indptr, scalar(8), right}, 1e-5);
          check_near(*product(true), {values, indices, indptr, scalar(8), left}, 1e-5);
          check_near(*make_ref<SparseSampledDot>(), {indices, indptr, scalar(8), left, right},
                     1e-5);
        }
      }
      check_near(*product(false), {values, indices, indptr, scalar(8), some(dtype, {8})}, 1e-5);
      check_refused(*product(false), {values, indices, indptr, scalar(7), some(dtype, {7})});
      check_refused(*product(false), {values, indices, indptr, scalar(7), some(dtype, {8})});
      check_refused(*product(true), {values, indices, indptr, scalar(7), some(dtype, {6})});
      check_same(*make_ref<SparseToDense>(), {values, indices, indptr, scalar(8)});
      check_same(*make_ref<SparseGather>(), {some(dtype, {6, 8}, 4, Lay::spread), indices, indptr});
    }
  }
  const Array bad = list({0, 2, 3, 2, 10, 10, 11}, DType::i32);
  check_refused(*make_ref<SparseToDense>(),
                {some(DType::f32, {11}), list(at, DType::i32), bad, scalar(8)});
}

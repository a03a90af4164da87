// Random ops: the emulated device gives the host's numbers and next states, bit for bit.
#include <doctest/doctest.h>

#include <cmath>

#include "ops/random/mrg.h"
#include "ops/random/philox_draw.h"
#include "ops/random/philox_rows.h"
#include "run_both.h"

using namespace phintys;
using namespace phintys::testing;

namespace {

Array scalar(int64_t v) { return Array::scalar_int(DType::i64, v); }

Array state_of(uint64_t key, uint64_t draw, bool apart = false) {
  // Every other word of a longer vector, if asked for.
  const Array block = Array::zeros(DType::u64, Dims{4});
  auto* words = reinterpret_cast<uint64_t*>(block.data());
  words[0] = key;
  words[apart ? 2 : 1] = draw;
  return Array(block.buffer(), block.data(), DType::u64, Dims{2}, Dims{apart ? 16 : 8});
}

// Values that follow each other again and again.
Array cycle(DType dtype, const Dims& shape, std::vector<double> values, Lay lay = Lay::contiguous) {
  return array_of(
      dtype, shape, [=](int64_t i) { return values[static_cast<size_t>(i) % values.size()]; }, lay);
}

void check_same(const Op& op, const std::vector<Array>& inputs) {
  for (const bool in_place : {false, true}) {
    if (in_place && op.inplace_input() != 0) continue;
    CAPTURE(in_place);
    const Compared c = run_both(op, inputs, in_place);
    CHECK(c.enqueued);
    CHECK(!c.refused);
    CHECK(!c.host_failed);
    CHECK(c.same_twice);
    CHECK(c.same_bits);
  }
}

void check_refused(const Op& op, const std::vector<Array>& inputs) {
  const Compared c = run_both(op, inputs);
  CHECK(c.enqueued);
  CHECK(c.refused);
  CHECK(c.host_failed);
}

Ref<PhiloxDraw> draw(const char* kind, DType dtype) {
  auto op = make_ref<PhiloxDraw>();
  op->kind = kind;
  op->dtype = dtype;
  return op;
}
Ref<PhiloxRows> rows(const char* kind) {
  auto op = make_ref<PhiloxRows>();
  op->kind = kind;
  return op;
}

}  // namespace

TEST_CASE("draws without parameters") {
  const std::pair<const char*, DType> kinds[] = {
      {"bits", DType::u32},        {"bits", DType::u64},       {"uniform", DType::f32},
      {"uniform", DType::f64},     {"normal", DType::f32},     {"normal", DType::f64},
      {"exponential", DType::f32}, {"exponential", DType::f64}};
  for (const auto& [kind, dtype] : kinds) {
    CAPTURE(kind);
    const auto op = draw(kind, dtype);
    for (const int64_t n : {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1025}) {
      CAPTURE(n);
      check_same(*op, {state_of(12345678901234567u, static_cast<uint64_t>(n) << 33), scalar(n)});
    }
    check_same(*op, {state_of(1, 2)});
    check_same(*op, {state_of(~uint64_t{0}, ~uint64_t{0}, true), scalar(3), scalar(5), scalar(7)});
  }
}

TEST_CASE("draws with parameters") {
  const std::vector<double> shapes{0.1, 0.5, 0, 1, 2.5, 100, 1e301, 1e-8};
  const std::vector<double> means{0, 0.3, 5, 9.99, 10, 30, 1e5, 1e12};
  const std::vector<double> trials{0, 1, 10, 100, 1000, 1e6, 7};
  const std::vector<double> chances{0, 0.1, 0.5, 0.9, 1};
  const std::vector<double> lower{-1, 0, 2, -8, 5, -3, 1}, upper{1, 0.1, 9, -7, 6, -2.9, 1};
  const std::vector<double> low{-5, 0, 3, -9e15}, high{5, 1, 1000003, 9e15};
  struct Case {
    const char* kind;
    DType dtype, parameter;
    std::vector<double> a, b;
  };
  const Case cases[] = {{"gamma", DType::f64, DType::f64, shapes, {}},
                        {"gamma", DType::f32, DType::f64, shapes, {}},
                        {"log_gamma", DType::f64, DType::f64, shapes, {}},
                        {"poisson", DType::i64, DType::f64, means, {}},
                        {"binomial", DType::i64, DType::f64, trials, chances},
                        {"truncated_normal", DType::f64, DType::f64, lower, upper},
                        {"truncated_normal", DType::f32, DType::f64, lower, upper},
                        {"integers", DType::i64, DType::i64, low, high}};
  for (const Case& c : cases) {
    CAPTURE(c.kind);
    const auto op = draw(c.kind, c.dtype);
    const bool two = !c.b.empty();
    for (const Lay lay : {Lay::contiguous, Lay::reversed, Lay::transposed}) {
      std::vector<Array> inputs{state_of(99, 5), cycle(c.parameter, {13, 21}, c.a, lay)};
      if (two) inputs.push_back(cycle(c.parameter, {13, 21}, c.b, lay));
      inputs.insert(inputs.end(), {scalar(13), scalar(21)});
      check_same(*op, inputs);
    }
    // Broadcast: a row, and one for all.
    std::vector<Array> inputs{state_of(7, 8), cycle(c.parameter, {1, 9}, c.a)};
    if (two) inputs.push_back(cycle(c.parameter, {}, {c.b[1]}));
    inputs.insert(inputs.end(), {scalar(4), scalar(3), scalar(9)});
    if (c.parameter == DType::f64 && std::string(c.kind) != "truncated_normal") {
      check_same(*op, inputs);
    }
    inputs = {state_of(7, 8), cycle(c.parameter, {0}, {1})};
    if (two) inputs.push_back(cycle(c.parameter, {}, {1}));
    inputs.push_back(scalar(0));
    check_same(*op, inputs);
  }
  check_refused(*draw("poisson", DType::i64),
                {state_of(1, 1), cycle(DType::f64, {3}, {1, -1, 1}), scalar(3)});
  check_refused(*draw("integers", DType::i64), {state_of(1, 1), cycle(DType::i64, {}, {3}),
                                                cycle(DType::i64, {}, {3}), scalar(3)});
}

TEST_CASE("categorical numbers") {
  const auto op = rows("categorical");
  for (const int64_t k : {1, 2, 5, 63, 64, 1500}) {
    CAPTURE(k);
    const Values p = noise(static_cast<int>(k));
    const Values some = [=](int64_t i) { return p(i) < -0.5 && k > 2 ? 0.0 : p(i) + 1.01; };
    check_same(*op, {state_of(4, 5), array_of(DType::f64, {k}, some), scalar(77)});
    check_same(*op, {state_of(4, 5), array_of(DType::f64, {11, k}, some), scalar(11)});
    check_same(*op, {state_of(4, 5), array_of(DType::f64, {3, 1, k}, some, Lay::transposed),
                     scalar(2), scalar(3), scalar(4)});
  }
  check_same(*op, {state_of(4, 5), array_of(DType::f64, {0, 3}, noise(1)), scalar(0)});
  for (const int64_t k : {3, 100}) {
    check_refused(*op, {state_of(4, 5), cycle(DType::f64, {k}, {0.5, -0.5, 1}), scalar(9)});
    check_refused(*op, {state_of(4, 5), cycle(DType::f64, {9, k}, {0}), scalar(9)});
    check_refused(*op, {state_of(4, 5), cycle(DType::f64, {9, k}, {1, NAN}), scalar(9)});
  }
}

TEST_CASE("multinomial counts") {
  const auto op = rows("multinomial");
  for (const int64_t k : {1, 2, 5, 20}) {
    const Values p = noise(static_cast<int>(k));
    const Array weights = array_of(
        DType::f64, {70, k}, [=](int64_t i) { return p(i) < -0.5 && k > 2 ? 0.0 : p(i) + 1.01; });
    check_same(*op,
               {state_of(4, 5), cycle(DType::i64, {70}, {0, 1, 10, 1000}), weights, scalar(70)});
    check_same(*op, {state_of(4, 5), scalar(50), cycle(DType::f64, {k}, {0.25, 1, 2}), scalar(3),
                     scalar(5)});
  }
  check_refused(*op, {state_of(4, 5), scalar(-1), cycle(DType::f64, {3}, {1}), scalar(2)});
}

TEST_CASE("permutations") {
  const auto op = rows("permutation");
  for (const int64_t n : {0, 1, 2, 3, 17, 64, 1000}) {
    CAPTURE(n);
    for (const int64_t m : {n, n / 2, std::min<int64_t>(n, 3)}) {
      check_same(*op, {state_of(5, 6), scalar(n), scalar(m)});
      check_same(*op, {state_of(5, 6), scalar(n), scalar(m), scalar(3)});
    }
  }
  check_same(*op, {state_of(5, 6), scalar(int64_t{1} << 20), scalar(100), scalar(2)});
}

TEST_CASE("samples without replacement") {
  const auto op = rows("sample");
  for (const int64_t k : {1, 2, 5, 33, 1000, 3000}) {
    CAPTURE(k);
    const Array p = cycle(DType::f64, {k}, {0.5, 1, 0.001, 3, 0, 2}, Lay::reversed);
    const int64_t most = k - (k + 1) / 6 - 1;
    for (const int64_t m : {int64_t{0}, int64_t{1}, std::max<int64_t>(1, most)}) {
      check_same(*op, {state_of(5, 6), p, scalar(m)});
    }
    check_same(*op, {state_of(5, 6), p, scalar(1), scalar(2), scalar(2)});
  }
  check_refused(*op, {state_of(5, 6), cycle(DType::f64, {3}, {1, 0, 0}), scalar(2)});
}

TEST_CASE("MRG31k3p") {
  const auto words = [](int64_t i) { return static_cast<double>((i * 7919 + 12345) % 2147462579); };
  for (const DType dtype : {DType::f16, DType::f32, DType::f64}) {
    auto op = make_ref<MrgUniform>();
    op->dtype = dtype;
    for (const int64_t streams : {1, 5, 64, 100}) {
      for (const int64_t n : {0, 1, 4, 63, 100, 1000}) {
        CAPTURE(streams);
        CAPTURE(n);
        check_same(*op, {array_of(DType::i32, {streams, 6}, words), scalar(n)});
      }
    }
    check_same(*op, {array_of(DType::i32, {3, 6}, words), scalar(2), scalar(7)});
  }
}

TEST_CASE("choices by uniform numbers") {
  const Values u = noise(3);
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Lay lay : {Lay::contiguous, Lay::transposed}) {
      for (const bool replace : {true, false}) {
        auto op = make_ref<ChooseFromUniform>();
        op->replace = replace;
        const Array p = cycle(dtype, {6, 5}, {0.1, 0.3, 0.2, 0.15, 0.25}, lay);
        for (const int64_t n : {0, 1, 4}) {
          const Array numbers =
              array_of(dtype, {6 * n}, [=](int64_t i) { return (u(i) + 1) / 2; }, Lay::reversed);
          check_same(*op, {p, numbers, scalar(n)});
        }
      }
    }
  }
}

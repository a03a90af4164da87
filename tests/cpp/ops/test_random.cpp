// Generators and the ops that draw from them.
#include <doctest/doctest.h>

#include "array/array.h"
#include "ops/build.h"
#include "ops/random/mrg.h"
#include "ops/random/mt19937.h"
#include "ops/random/mt_draw.h"
#include "ops/random/philox.h"
#include "ops/random/philox_draw.h"
#include "ops/random/philox_rows.h"

using namespace phintys;

TEST_CASE("philox: the vectors published with Random123") {
  const auto is = [](const PhiloxBlock& b, uint32_t x, uint32_t y, uint32_t z, uint32_t w) {
    return b.word[0] == x && b.word[1] == y && b.word[2] == z && b.word[3] == w;
  };
  CHECK(is(philox({{0, 0, 0, 0}}, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const uint32_t ones = 0xffffffff;
  CHECK(is(philox({{ones, ones, ones, ones}}, ones, ones), 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
           0x6d5451fd));
  CHECK(is(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
           0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST_CASE("philox: attempts of an element differ, and from its neighbours'") {
  const PhiloxState s{123, 4};
  CHECK(philox_retry(s, 5, 0) != philox_retry(s, 5, 1));
  CHECK(philox_retry(s, 5, 0) != philox_retry(s, 6, 0));
  CHECK(philox_retry(s, 5, 0) != philox_retry({123, 5}, 5, 0));
}

TEST_CASE("mersenne twister: the first numbers of seed 5489") {
  // Matsumoto's reference: init_genrand(5489) gives 3499211612, and 4123659995 as the 10000th.
  std::vector<uint32_t> state(kMtState, 0);
  state[0] = 5489;
  for (uint32_t i = 1; i < kMtWords; ++i) {
    state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  }
  state[kMtWords] = kMtWords;
  RandomState rng(state.data());
  CHECK(rng.next32() == 3499211612u);
  for (int i = 0; i < 9998; ++i) rng.next32();
  CHECK(rng.next32() == 4123659995u);
}

TEST_CASE("random ops refuse what a file could hold") {
  PhiloxDraw draw;
  draw.kind = "abnormal";
  CHECK_THROWS_AS(draw.check_attributes(), Error);
  draw.kind = "poisson";
  draw.dtype = DType::f32;
  CHECK_THROWS_AS(draw.check_attributes(), Error);
  PhiloxRows rows;
  rows.kind = "columns";
  CHECK_THROWS_AS(rows.check_attributes(), Error);
  MtDraw mt;
  mt.kind = "";
  CHECK_THROWS_AS(mt.check_attributes(), Error);
  MrgUniform mrg;
  mrg.dtype = DType::i64;
  CHECK_THROWS_AS(mrg.check_attributes(), Error);
  // Wrong states and parameters.
  const Var state = make_variable(Type::tensor(DType::u64, Dims{-1}), "state");
  const Var other = make_variable(Type::tensor(DType::f64, Dims{-1}), "other");
  const auto normal = make_ref<PhiloxDraw>();
  CHECK_THROWS_AS(apply_multi(normal, {other}), Error);
  CHECK_THROWS_AS(apply_multi(normal, {state, other}), Error);
  const auto gamma = make_ref<PhiloxDraw>();
  gamma->kind = "gamma";
  CHECK_THROWS_AS(apply_multi(gamma, {state}), Error);
  CHECK_THROWS_AS(apply_multi(gamma, {state, other}), Error);  // a vector for a 0-d result
  CHECK_NOTHROW(apply_multi(gamma, {state, other, constant_int(3)}));
}

// Elementwise ops as declared: lookup, dtype rules, and gradients against finite differences.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>

#include "array/dtype.h"
#include "ops/elementwise/registry.h"
#include "ops/elementwise/table.h"
#include "vm/tiles.h"

using namespace phintys;
using phintys::ops::elementwise_index;

TEST_CASE("ops are found by name") {
  for (int op = 0; op < ops::elementwise_count(); ++op) {
    CHECK(elementwise_index(ops::elementwise_info(op).name) == op);
  }
  CHECK(elementwise_index("add") == ops::index_of<ops::Add>);
  CHECK(elementwise_index("") == -1);
  CHECK(elementwise_index("adds") == -1);
  CHECK(ops::dispatch_op(ops::index_of<ops::Erf>, []<class Op>() { return Op::info.arity; }) == 1);
  CHECK(ops::dispatch_op(ops::index_of<ops::Switch>, []<class Op>() { return Op::info.arity; }) ==
        3);
}

TEST_CASE("dtype promotion is NumPy's") {
  CHECK(promote(DType::i8, DType::f32) == DType::f32);
  CHECK(promote(DType::i16, DType::f32) == DType::f32);
  CHECK(promote(DType::i32, DType::f32) == DType::f64);
  CHECK(promote(DType::i64, DType::f16) == DType::f64);
  CHECK(promote(DType::i8, DType::f16) == DType::f16);
  CHECK(promote(DType::u16, DType::f16) == DType::f32);
  CHECK(promote(DType::u8, DType::i8) == DType::i16);
  CHECK(promote(DType::u32, DType::i32) == DType::i64);
  CHECK(promote(DType::u64, DType::i64) == DType::f64);
  CHECK(promote(DType::u8, DType::i64) == DType::i64);
  CHECK(promote(DType::i32, DType::c64) == DType::c128);
  CHECK(promote(DType::f64, DType::c64) == DType::c128);
  CHECK(promote(DType::i16, DType::c64) == DType::c64);
  CHECK(promote(DType::b8, DType::i8) == DType::i8);
  CHECK(promote(DType::b8, DType::b8) == DType::b8);
  for (int a = 0; a < kNumDTypes; ++a) {
    for (int b = 0; b < kNumDTypes; ++b) {
      const auto x = static_cast<DType>(a);
      const auto y = static_cast<DType>(b);
      CHECK(promote(x, y) == promote(y, x));
    }
    DType parsed;
    CHECK(parse_dtype(dtype_name(static_cast<DType>(a)), &parsed));
    CHECK(parsed == static_cast<DType>(a));
  }
  DType none;
  CHECK_FALSE(parse_dtype("float", &none));
}

TEST_CASE("dtype rules") {
  std::string why;
  const auto resolve = [&](const char* name, std::initializer_list<DType> in, DType floatX,
                           ops::ResolvedDTypes* out) {
    return ops::resolve_dtypes(elementwise_index(name), {in.begin(), in.size()}, floatX, out, &why);
  };
  ops::ResolvedDTypes r{};
  REQUIRE(resolve("add", {DType::i32, DType::f32}, DType::f32, &r));
  CHECK(r.result == DType::f64);
  REQUIRE(resolve("true_div", {DType::i8, DType::i8}, DType::f32, &r));
  CHECK(r.compute == DType::f32);
  REQUIRE(resolve("true_div", {DType::i64, DType::f16}, DType::f32, &r));
  CHECK(r.compute == DType::f64);
  REQUIRE(resolve("exp", {DType::i8}, DType::f64, &r));
  CHECK(r.result == DType::f32);
  REQUIRE(resolve("exp", {DType::i32}, DType::f32, &r));
  CHECK(r.result == DType::f64);
  REQUIRE(resolve("lt", {DType::u8, DType::i8}, DType::f32, &r));
  CHECK(r.compute == DType::i16);
  CHECK(r.result == DType::b8);
  REQUIRE(resolve("switch", {DType::f64, DType::i8, DType::f32}, DType::f32, &r));
  CHECK(r.result == DType::f32);
  CHECK(ops::operand_dtype(elementwise_index("switch"), 0, r) == DType::b8);
  CHECK(ops::operand_dtype(elementwise_index("switch"), 2, r) == DType::f32);
  REQUIRE(resolve("second", {DType::c64, DType::i8}, DType::f32, &r));
  CHECK(r.result == DType::i8);
  REQUIRE(resolve("iround", {DType::f32}, DType::f32, &r));
  CHECK(r.compute == DType::f32);
  CHECK(r.result == DType::i64);
  REQUIRE(resolve("add", {DType::b8, DType::b8}, DType::f32, &r));
  CHECK(r.result == DType::b8);
  CHECK_FALSE(resolve("sub", {DType::b8, DType::b8}, DType::f32, &r));
  CHECK(why.find("bool output not supported") != std::string::npos);
  CHECK_FALSE(resolve("floor", {DType::i32}, DType::f32, &r));
  CHECK(why.find("only float type are supported") != std::string::npos);
  CHECK_FALSE(resolve("and_", {DType::i32, DType::f32}, DType::f32, &r));
  CHECK_FALSE(resolve("add", {DType::i32}, DType::f32, &r));
  CHECK_FALSE(resolve("erf", {DType::c64}, DType::f32, &r));
  CHECK_FALSE(resolve("lt", {DType::c64, DType::f32}, DType::f32, &r));
  CHECK(why.find("complex numbers have no order") != std::string::npos);
  CHECK_FALSE(resolve("real", {DType::f64}, DType::f32, &r));
  CHECK_FALSE(resolve("complex", {DType::f64, DType::c64}, DType::f32, &r));
  REQUIRE(resolve("complex", {DType::f16, DType::i8}, DType::f64, &r));
  CHECK(r.compute == DType::f32);
  CHECK(r.result == DType::c64);
  REQUIRE(resolve("complex", {DType::f32, DType::i32}, DType::f32, &r));
  CHECK(r.result == DType::c128);
  REQUIRE(resolve("abs_", {DType::c64}, DType::f64, &r));
  CHECK(r.compute == DType::c64);
  CHECK(r.result == DType::f32);
  // Whatever resolves has a kernel.
  for (int op = 0; op < ops::elementwise_count(); ++op) {
    for (int d = 0; d < kNumDTypes; ++d) {
      const auto dtype = static_cast<DType>(d);
      const DType in[3] = {dtype, dtype, dtype};
      const size_t arity = static_cast<size_t>(ops::elementwise_info(op).arity);
      if (!ops::resolve_dtypes(op, {in, arity}, DType::f32, &r, nullptr)) continue;
      CHECK((vm::elementwise_kernels(op, r.compute).tile[0] != nullptr));
    }
  }
}

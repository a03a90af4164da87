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

namespace gradient_numbers {

// A number on which gradients are written: each op is one call of its scalar kernel.
struct Num {
  double v;
};

double call(const char* name, double a, double b = 0, double c = 0) {
  const int op = elementwise_index(name);
  REQUIRE(op >= 0);
  const ElementwiseInfo& info = ops::elementwise_info(op);
  const bool condition = a != 0;
  double value = 0;
  uint8_t truth = 0;
  const bool to_bool = info.rule == DTypeRule::compare || info.rule == DTypeRule::predicate;
  const void* first = info.rule == DTypeRule::select ? static_cast<const void*>(&condition) : &a;
  vm::elementwise_kernels(op, DType::f64)
      .scalar(to_bool ? static_cast<void*>(&truth) : &value, first, &b, &c, 1);
  return to_bool ? truth : value;
}

Num operator+(Num a, Num b) { return {a.v + b.v}; }
Num operator-(Num a, Num b) { return {a.v - b.v}; }
Num operator*(Num a, Num b) { return {a.v * b.v}; }
Num operator/(Num a, Num b) { return {a.v / b.v}; }
Num operator+(Num a, double b) { return {a.v + b}; }
Num operator-(Num a, double b) { return {a.v - b}; }
Num operator*(Num a, double b) { return {a.v * b}; }
Num operator/(Num a, double b) { return {a.v / b}; }
Num operator+(double a, Num b) { return {a + b.v}; }
Num operator-(double a, Num b) { return {a - b.v}; }
Num operator*(double a, Num b) { return {a * b.v}; }
Num operator/(double a, Num b) { return {a / b.v}; }
Num operator-(Num a) { return {-a.v}; }

#define UNARY(name) \
  Num name(Num a) { return {call(#name, a.v)}; }
#define BINARY(name) \
  Num name(Num a, Num b) { return {call(#name, a.v, b.v)}; }
UNARY(sgn)
UNARY(sqr)
UNARY(sqrt)
UNARY(exp)
UNARY(log)
UNARY(sin)
UNARY(cos)
UNARY(sinh)
UNARY(cosh)
UNARY(sigmoid)
BINARY(pow)
BINARY(int_div)
BINARY(eq)
BINARY(lt)
BINARY(le)
BINARY(gt)
BINARY(ge)
#undef UNARY
#undef BINARY
Num and_(Num a, Num b) { return {static_cast<double>(a.v != 0 && b.v != 0)}; }
Num switch_(Num c, Num a, Num b) { return {call("switch", c.v, a.v, b.v)}; }
Num zeros_like(Num) { return {0}; }
Num cast_like(Num a, Num) { return a; }

}  // namespace gradient_numbers

namespace {

using gradient_numbers::call;
using gradient_numbers::Num;

// Complex gradients are tested in Python: Num is a real number.
template <class Op>
constexpr bool kReal = Op::info.domain != Domain::none && Op::info.rule != DTypeRule::make_complex;

template <class Op>
void gradient_of(const double (&in)[3], double z, double gz, double* out) {
  if constexpr (Op::info.zero_grad || !kReal<Op>) {
    for (int i = 0; i < Op::info.arity; ++i) out[i] = 0;
  } else {
    Grads<Num, Op::info.arity> g;
    if constexpr (Op::info.arity == 1) {
      g = Op::grad(Num{in[0]}, Num{z}, Num{gz});
    } else if constexpr (Op::info.arity == 2) {
      g = Op::grad(Num{in[0]}, Num{in[1]}, Num{z}, Num{gz});
    } else {
      g = Op::grad(Num{in[0]}, Num{in[1]}, Num{in[2]}, Num{z}, Num{gz});
    }
    for (int i = 0; i < Op::info.arity; ++i) out[i] = g.wrt[i].v;
  }
}

}  // namespace

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

TEST_CASE("gradients agree with finite differences") {
  std::mt19937 random(11);
  ops::for_each_op([&]<class Op>() {
    const ElementwiseInfo& info = Op::info;
    if (info.domain == Domain::discrete || !kReal<Op>) return;
    if (info.rule == DTypeRule::compare || info.rule == DTypeRule::predicate) return;
    if (info.rule == DTypeRule::to_int64) return;
    std::uniform_real_distribution<double> draw(info.test_low, info.test_high);
    for (int trial = 0; trial < 50; ++trial) {
      double in[3] = {draw(random), draw(random), draw(random)};
      if (info.rule == DTypeRule::select) in[0] = trial % 2;
      if (std::string(info.name) == "clip") in[2] = in[1] + 1;
      const double z = call(info.name, in[0], in[1], in[2]);
      double g[3];
      gradient_of<Op>(in, z, 0.7, g);
      for (int i = info.rule == DTypeRule::select ? 1 : 0; i < info.arity; ++i) {
        const double h = 1e-6;
        double up[3] = {in[0], in[1], in[2]};
        double down[3] = {in[0], in[1], in[2]};
        up[i] += h;
        down[i] -= h;
        const double step =
            call(info.name, up[0], up[1], up[2]) - call(info.name, down[0], down[1], down[2]);
        // A jump or a kink between the two points says nothing about the derivative.
        const double left = z - call(info.name, down[0], down[1], down[2]);
        if (std::fabs(step - 2 * left) > 1e-7 * (1 + std::fabs(z))) continue;
        const double want = 0.7 * step / (2 * h);
        INFO(info.name, " operand ", i, " at ", in[0], ", ", in[1], ", ", in[2], " got ", g[i],
             " want ", want);
        CHECK(std::fabs(g[i] - want) <= 1e-4 * (1 + std::fabs(want)));
      }
    }
  });
}

TEST_CASE("gradient conventions") {
  double g[3];
  gradient_of<ops::Maximum>({2, 2, 0}, 2, 1, g);
  CHECK(g[0] == 1);
  CHECK(g[1] == 0);
  gradient_of<ops::Minimum>({2, 2, 0}, 2, 1, g);
  CHECK(g[0] == 1);
  CHECK(g[1] == 0);
  gradient_of<ops::Maximum>({NAN, 2, 0}, NAN, 1, g);
  CHECK(g[0] + g[1] == 1);
  gradient_of<ops::Abs>({0, 0, 0}, 0, 1, g);
  CHECK(g[0] == 0);
  gradient_of<ops::Sqrt>({0, 0, 0}, 0, 1, g);
  CHECK(std::isinf(g[0]));
  gradient_of<ops::Pow>({0, 2, 0}, 0, 1, g);
  CHECK(g[1] == 0);
  gradient_of<ops::Clip>({1, 1, 2}, 1, 1, g);
  CHECK(g[0] == 1);
  CHECK(g[1] == 0);
  gradient_of<ops::Switch>({1, 5, 6}, 5, 1, g);
  CHECK(g[1] == 1);
  CHECK(g[2] == 0);
}

// Reverse and forward mode: Theano's rules, and the size of the graphs they make.
#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "autodiff/grad.h"
#include "evaluate.h"
#include "graph/inner_graph.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/elementwise/registry.h"
#include "ops/elemwise.h"
#include "ops/grad_ops.h"
#include "ops/op_util.h"
#include "ops/registry.h"

using namespace phintys;
using namespace phintys::testing;
using Numbers = std::vector<double>;

namespace {

Var grad1(const Var& cost, const Var& x, const GradOptions& options = {}) {
  const Var wrt[] = {x};
  return grad(cost, wrt, options).grads[0];
}

size_t nodes(const Var& v) {
  const Var roots[] = {v};
  return toposort(roots).size();
}

ErrorKind kind_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.kind();
  }
  return ErrorKind::internal;
}

template <class D>
Var view(const Var& x) {
  return phintys::apply(make_ref<D>(), {x});
}

}  // namespace

TEST_CASE("every elementwise gradient agrees with differences") {
  for (int index = 0; index < ops::kNumElementwise; ++index) {
    const Ref<const Elemwise> op = Elemwise::get(index);
    const ElementwiseInfo& info = op->info();
    if (info.zero_grad || info.domain == Domain::discrete) continue;
    if (info.domain == Domain::none || info.rule == DTypeRule::make_complex) continue;
    CAPTURE(std::string(info.name));
    const double low = info.test_low, span = info.test_high - info.test_low;
    Given given;
    std::vector<Var> inputs;
    for (int k = 0; k < info.arity; ++k) {
      std::vector<double> v;
      for (int i = 0; i < 6; ++i) {
        // clip's bounds must be in order.
        const double at = std::fmod(0.137 + 0.31 * i + 0.23 * k, 1);
        const bool bound = std::string(info.name) == "clip" && k > 0;
        v.push_back(low + span * (bound ? (at + k) / 3 : at));
      }
      inputs.push_back(f64_variable(1));
      given.emplace_back(inputs.back(), f64_array({6}, v));
    }
    const Var z = elemwise(index, inputs);
    if (z.dtype() != DType::f64) continue;
    const std::vector<double> values = numbers(evaluate(z, given));
    bool finite = true;
    for (double v : values) finite = finite && std::isfinite(v) && std::fabs(v) < 1e6;
    if (!finite) continue;
    for (const Var& x : inputs) {
      double error = 0;
      try {
        error = gradient_error(z, x, given);
      } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::null_type_grad);  // the order of a Bessel function
      }
      double scale = 1;
      for (double v : values) scale = std::max(scale, std::fabs(v));
      CHECK(error < 1e-4 * scale);
    }
  }
}

TEST_CASE("gradients of broadcast operands are summed") {
  const Var m = f64_variable(2), v = f64_variable(1), s = f64_variable(0);
  const Given given = {{m, f64_array({2, 3}, {1, 2, 3, 4, 5, 6})},
                       {v, f64_array({3}, {0.5, -1, 2})},
                       {s, f64_array({}, {1.5})}};
  const Var z = sin(m * v) * s + v;
  for (const Var& x : {m, v, s}) CHECK(gradient_error(z, x, given) < 1e-6);
}

TEST_CASE("a variable that is used twice, and an intermediate one") {
  const Var x = f64_variable(0, "x");
  const Var y = x * x;
  const Given given = {{x, f64_array({}, {3})}};
  CHECK(numbers(evaluate(grad1(y * y, x), given))[0] == doctest::Approx(108));
  CHECK(numbers(evaluate(grad1(y * y, y), given))[0] == doctest::Approx(18));
}

TEST_CASE("a long chain takes linear time and no stack") {
  const Var x = f64_variable(0, "x");
  Var y = x;
  for (int i = 0; i < 100000; ++i) y = sin(y);
  const Var g = grad1(y, x);
  CHECK(nodes(g) < 400000);
}

TEST_CASE("costs, integers and what is disconnected") {
  const Var x = f64_variable(1, "x"), s = f64_variable(0, "s");
  const Var i = make_variable(Type::scalar(DType::i64), "i");
  CHECK(kind_of([&] { grad1(x, x); }) == ErrorKind::type);
  CHECK(kind_of([&] { grad1(s, x); }) == ErrorKind::disconnected_input);
  GradOptions ignore;
  ignore.disconnected_inputs = Missing::ignore;
  CHECK(is_zero(grad1(s, x, ignore)));
  ignore.return_disconnected = ReturnDisconnected::none;
  CHECK_FALSE(grad1(s, x, ignore));
  ignore.return_disconnected = ReturnDisconnected::disconnected;
  CHECK(grad1(s, x, ignore).type().kind() == TypeKind::disconnected);
  // An integer has a gradient of floatX; through an integer value it is zero but connected.
  const Var g = grad1(cast(i, DType::f64) * 2.0, i);
  CHECK(g.dtype() == DType::f64);
  CHECK(numbers(evaluate(g))[0] == 2);
  CHECK(is_zero(grad1(sum_all(cast(x, DType::i64)), x)));
  CHECK(is_zero(grad1(cast(cast(s, DType::i64), DType::f64) * 3.0, s)));
  CHECK(kind_of([&] { grad1(cast(shape_i(x, 0), DType::f64), x); }) ==
        ErrorKind::disconnected_input);
  // The same type of result for a float32 operand of a float64 cost.
  const Var f = make_variable(Type::scalar(DType::f32));
  CHECK(grad1(f * s, f).dtype() == DType::f32);
}

TEST_CASE("zero gradients build nothing") {
  const Var x = f64_variable(1, "x");
  Var y = floor(x);
  for (int i = 0; i < 100; ++i) y = sin(y) * y;
  const Var g = grad1(sum_all(y), x);
  CHECK(is_zero(g));
  CHECK(nodes(g) < 5);
  // A comparison among the operands adds no term.
  const Var z = sum_all(switch_(gt(x, constant(0, DType::f64)), x, 0.0));
  CHECK(nodes(grad1(z, x)) < 14);
}

TEST_CASE("consider_constant, known_grads, names") {
  const Var x = f64_variable(0, "x");
  const Var y = x * x;
  y->name = "y";
  Var cost = y * x;
  cost->name = "c";
  const Given given = {{x, f64_array({}, {3})}};
  GradOptions constant_y;
  constant_y.consider_constant = {y};
  CHECK(numbers(evaluate(grad1(cost, x, constant_y), given))[0] == 9);
  GradOptions known;
  known.known_grads = {{y, constant(5, DType::f64)}};
  CHECK(numbers(evaluate(grad1(Var(), x, known), given))[0] == 30);
  CHECK(grad1(cost, x)->name == "(dc/dx)");
  CHECK(kind_of([&] { grad1(Var(), x); }) == ErrorKind::assertion);
}

TEST_CASE("ops that change gradients") {
  const Var x = f64_variable(1, "x");
  const Given given = {{x, f64_array({3}, {-2, 0.1, 5})}};
  CHECK(kind_of([&] { grad1(sum_all(view<DisconnectedGrad>(x)), x); }) ==
        ErrorKind::disconnected_input);
  CHECK(is_zero(grad1(sum_all(view<ZeroGrad>(x)), x)));
  CHECK(is_zero(grad1(sum_all(view<ConsiderConstant>(x)), x)));
  CHECK(numbers(evaluate(grad1(sum_all(sqr(view<GradClip>(x))), x), given)) == Numbers{-1, 0.2, 1});
  auto scale = make_ref<GradScale>();
  scale->factor = 10;
  CHECK(numbers(evaluate(grad1(sum_all(phintys::apply(scale, {x})), x), given)) ==
        Numbers{10, 10, 10});
}

TEST_CASE("second derivatives") {
  const Var x = f64_variable(1, "x");
  const Given given = {{x, f64_array({3}, {0.3, 0.9, 1.4})}};
  const Var g = grad1(sum_all(exp(sin(x)) * sqr(x)), x);
  CHECK(gradient_error(g, x, given) < 1e-5);
}

TEST_CASE("Rop is the Jacobian times a vector") {
  const Var w = f64_variable(2, "w"), x = f64_variable(1, "x"), v = f64_variable(1, "v");
  const Var f = tanh(dot(w, x)) * sum_all(x);
  const Var fs[] = {f}, wrt[] = {x}, points[] = {v};
  const Var product = Rop(fs, wrt, points)[0];
  const Array at = f64_array({3}, {0.1, -0.2, 0.7}), step = f64_array({3}, {1, -2, 0.5});
  const Array weights = f64_array({2, 3}, {1, 2, -1, 0.5, 0.25, 3});
  const Numbers value = numbers(evaluate(product, {{w, weights}, {x, at}, {v, step}}));
  Numbers sides[2];
  for (int s = 0; s < 2; ++s) {
    Numbers moved = numbers(at);
    for (size_t i = 0; i < 3; ++i) moved[i] += (s ? 1e-6 : -1e-6) * numbers(step)[i];
    sides[s] = numbers(evaluate(f, {{w, weights}, {x, f64_array({3}, moved)}}));
  }
  for (size_t i = 0; i < 2; ++i) {
    CHECK(value[i] == doctest::Approx((sides[1][i] - sides[0][i]) / 2e-6).epsilon(1e-6));
  }
  const Var wrong[] = {w};
  CHECK_THROWS_AS(Rop(fs, wrt, wrong), Error);
}

TEST_CASE("gradient nodes carry the line of the node they come from") {
  const Var x = f64_variable(0, "x");
  Var y;
  const SourceLoc loc{intern_file("model.py"), 12};
  {
    LocationScope scope(loc);
    y = sin(x);
  }
  const Var g = grad1(sqr(y), x);
  CHECK(g->owner()->loc.line == 12);
}

TEST_CASE("ops are made from their names") {
  // The attributes of one op, handed to the making of another.
  class Attributes final : public AttrVisitor, public AttrReader {
   public:
    void value(const char* n, bool v) override { ints_[n] = {v}; }
    void value(const char* n, int64_t v) override { ints_[n] = {v}; }
    void value(const char* n, double v) override { floats_[n] = v; }
    void value(const char* n, const std::string& v) override { texts_[n] = v; }
    void value(const char* n, const std::vector<int64_t>& v) override { ints_[n] = v; }
    void value(const char* n, DType v) override { ints_[n] = {static_cast<int64_t>(v)}; }
    void value(const char* n, const Ref<const InnerGraph>& v) override { graphs_[n] = v; }
    void read(const char* n, bool* v) override { *v = ints_.at(n).at(0) != 0; }
    void read(const char* n, int64_t* v) override { *v = ints_.at(n).at(0); }
    void read(const char* n, double* v) override { *v = floats_.at(n); }
    void read(const char* n, std::string* v) override { *v = texts_.at(n); }
    void read(const char* n, std::vector<int64_t>* v) override { *v = ints_.at(n); }
    void read(const char* n, DType* v) override { *v = static_cast<DType>(ints_.at(n).at(0)); }
    void read(const char* n, Ref<const InnerGraph>* v) override { *v = graphs_.at(n); }

   private:
    std::map<std::string, std::vector<int64_t>> ints_;
    std::map<std::string, double> floats_;
    std::map<std::string, std::string> texts_;
    std::map<std::string, Ref<const InnerGraph>> graphs_;
  } reader;
  for (const OpEntry& e : structural_ops()) {
    CAPTURE(std::string(e.name));
    const Ref<const Op> model = e.make_default();
    CHECK(std::string(model->name()) == e.name);
    CHECK(std::string(model->summary()) != "");
    model->visit(reader);
    Ref<const Op> made;
    try {
      made = make_op(e.name, 1, reader);
    } catch (const Error& error) {
      // Some ops have no default that makes sense: they say so.
      CHECK(error.kind() != ErrorKind::internal);
    }
    if (made) CHECK(model->equal(*made));
  }
  reader.value("dtype", DType::f32);
  CHECK(make_op("exp", 1, reader) == Elemwise::get("exp"));
  CHECK(make_op("cast", 1, reader) == Elemwise::cast(DType::f32));
  CHECK(kind_of([&] { make_op("no_such_op", 1, reader); }) == ErrorKind::key);
  CHECK(kind_of([&] { make_op("dot", 99, reader); }) == ErrorKind::value);
}

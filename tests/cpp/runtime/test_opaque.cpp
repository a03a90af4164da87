// Ops whose output shapes only running tells: values, memory, types, state, failures.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "array/shared_storage.h"
#include "base/error.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "runtime/function.h"

using namespace phintys;
using runtime::Call;
using runtime::Function;
using runtime::FunctionSpec;

namespace {

std::atomic<int> g_evaluated{0};

enum class Result : uint8_t {
  fresh,
  view,
  backwards,
  wrong_dtype,
  wrong_rank,
  none,
  throws,
  twice
};

// The positive elements of a vector, from the first to the last of them.
class Positive final : public OpBase<Positive> {
 public:
  static constexpr const char* kName = "test_positive";
  Result result = Result::fresh;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("result", static_cast<int64_t>(s.result));
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override {
    std::vector<Type> types{inputs[0].type()};
    if (result == Result::twice) types.push_back(inputs[0].type());
    return types;
  }
  bool opaque() const override { return true; }
  void layout(std::span<const TensorView>, std::span<Layout>) const override {
    fail(ErrorKind::internal, "layout() of an opaque op");
  }
  void evaluate(PerformContext&, std::span<const TensorView> inputs,
                std::span<Array> outputs) const override {
    ++g_evaluated;
    const TensorView& x = inputs[0];
    const int64_t step = x.strides[0], n = x.shape[0];
    int64_t first = 0, last = n;
    while (first < n && element_as_double(x, first) <= 0) ++first;
    while (last > first && element_as_double(x, last - 1) <= 0) --last;
    Array own = Array::empty(DType::f64, {last - first});
    for (int64_t i = first; i < last; ++i)
      own.view().as<double>()[i - first] = element_as_double(x, i);
    switch (result) {
      case Result::fresh:
        outputs[0] = own;
        break;
      case Result::view:
        outputs[0] = Array({}, x.data + first * step, x.dtype, {last - first}, {step});
        break;
      case Result::backwards:
        outputs[0] =
            Array(own.buffer(), own.data() + (last - first - 1) * 8, x.dtype, {last - first}, {-8});
        break;
      case Result::twice:
        outputs[0] = outputs[1] = own;
        break;
      case Result::wrong_dtype:
        outputs[0] = Array::empty(DType::f32, {2});
        break;
      case Result::wrong_rank:
        outputs[0] = Array::empty(DType::f64, {2, 2});
        break;
      case Result::throws:
        fail(ErrorKind::value, "no positive mood");
      case Result::none:
        break;
    }
  }
};

std::vector<Var> positive(const Var& x, Result result = Result::fresh) {
  auto op = make_ref<Positive>();
  op->result = result;
  return apply_multi(op, {x});
}

Array vector_of(std::initializer_list<double> values) {
  Array a = Array::empty(DType::f64, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), a.view().as<double>());
  return a;
}

std::vector<double> values(const Array& a) {
  std::vector<double> out;
  for (int64_t i = 0; i < a.size(); ++i) out.push_back(element_as_double(a.view(), i));
  return out;
}

std::vector<Array> call(Function& f, const std::vector<Array>& arguments) {
  std::vector<TensorView> views;
  for (const Array& a : arguments) views.push_back(a.view());
  Call c(f);
  c.run(views.data());
  std::vector<Array> out;
  for (size_t i = 0; i < f.outputs().size(); ++i) out.push_back(c.take_output(static_cast<int>(i)));
  return out;
}

Var vector_variable() { return make_variable(Type::tensor(DType::f64, 1), "x"); }

using Values = std::vector<double>;

}  // namespace

TEST_CASE("opaque ops: values among fused ones, of shapes that change from call to call") {
  for (Result result : {Result::fresh, Result::view}) {
    for (bool reuse : {true, false}) {
      Var x = vector_variable();
      Var p = positive(x + x, result)[0];
      FunctionSpec spec;
      spec.reuse_memory = reuse;
      spec.inputs = {x};
      spec.outputs = {p, p * p + p, sum(p, {0}), p};
      Ref<Function> f = Function::compile(spec);
      for (int i = 0; i < 3; ++i) {
        std::vector<Array> r = call(*f, {vector_of({-1, 1, 2, -3})});
        CHECK(values(r[0]) == Values{2, 4});
        CHECK(values(r[1]) == Values{6, 20});
        CHECK(values(r[2]) == Values{6});
        CHECK(values(r[3]) == Values{2, 4});
        CHECK(r[0].data() != r[3].data());
        r = call(*f, {vector_of({-1, -1})});
        CHECK(values(r[0]).empty());
        CHECK(values(r[2]) == Values{0});
        r = call(*f, {vector_of({3})});
        CHECK(values(r[1]) == Values{42});
      }
    }
  }
}

TEST_CASE("opaque ops: a value that is read backwards") {
  Var x = vector_variable();
  Var p = positive(x, Result::backwards)[0];
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {p, p + p};
  Ref<Function> f = Function::compile(spec);
  const std::vector<Array> r = call(*f, {vector_of({-1, 1, 2, 3})});
  CHECK(values(r[0]) == Values{3, 2, 1});
  CHECK(values(r[1]) == Values{6, 4, 2});
}

TEST_CASE("opaque ops: the caller gets the op's array, or a copy if others have its memory") {
  Var x = vector_variable();
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = positive(x, Result::twice);
  Ref<Function> f = Function::compile(spec);
  std::vector<Array> r = call(*f, {vector_of({1, 2})});
  CHECK(r[0].data() != r[1].data());
  CHECK(values(r[0]) == Values{1, 2});
  CHECK(values(r[1]) == Values{1, 2});
  // One in the memory of an argument.
  spec.outputs = positive(x, Result::view);
  f = Function::compile(spec);
  Array argument = vector_of({1, 2});
  r = call(*f, {argument});
  argument.view().as<double>()[0] = 7;
  CHECK(values(r[0]) == Values{1, 2});
}

TEST_CASE("opaque ops: a view keeps its source's memory from being used again") {
  Var x = vector_variable();
  Var y = x * x;
  Var p = positive(y, Result::view)[0];
  Var z = exp(p + p);  // would fit in y's memory
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {z * z, p + z};
  Ref<Function> f = Function::compile(spec);
  for (int i = 0; i < 2; ++i) {
    const std::vector<Array> r = call(*f, {vector_of({0, 0, 0, 1})});
    CHECK(values(r[1])[0] == doctest::Approx(1 + std::exp(2.0)));
  }
}

TEST_CASE("opaque ops: new values of shared variables") {
  for (Result result : {Result::fresh, Result::view}) {
    Var s = make_shared_variable(Type::tensor(DType::f64, 1),
                                 make_ref<SharedStorage>(vector_of({-1, 2, 3}), "s"), "s");
    Var p = positive(s, result)[0];
    FunctionSpec spec;
    spec.outputs = {p};
    spec.updates = {{s, p}};
    Ref<Function> f = Function::compile(spec);
    std::vector<Array> r = call(*f, {});
    CHECK(values(r[0]) == Values{2, 3});
    CHECK(values(s->storage()->value()) == Values{2, 3});
    call(*f, {});
    CHECK(values(s->storage()->value()) == Values{2, 3});
    r[0].view().as<double>()[0] = 9;
    CHECK(values(s->storage()->value()) == Values{2, 3});
  }
}

TEST_CASE("opaque ops: a failure leaves every shared variable as it was") {
  Var s = make_shared_variable(Type::tensor(DType::f64, 1),
                               make_ref<SharedStorage>(vector_of({1, 2}), "s"), "s");
  FunctionSpec spec;
  spec.outputs = {sum(positive(s, Result::throws)[0], {0})};
  spec.updates = {{s, s + s}};
  Ref<Function> f = Function::compile(spec);
  CHECK_THROWS_WITH(call(*f, {}), doctest::Contains("no positive mood"));
  CHECK(values(s->storage()->value()) == Values{1, 2});
}

TEST_CASE("opaque ops: results that are not of the promised type are refused") {
  for (Result result : {Result::wrong_dtype, Result::wrong_rank, Result::none}) {
    Var x = vector_variable();
    FunctionSpec spec;
    spec.inputs = {x};
    spec.outputs = positive(x, result);
    Ref<Function> f = Function::compile(spec);
    try {
      call(*f, {vector_of({1, 2})});
      FAIL("accepted");
    } catch (const Error& e) {
      const std::string text = e.what();
      CHECK(text.find("test_positive") != std::string::npos);
      CHECK(text.find("output 0") != std::string::npos);
      CHECK(text.find("Apply node that caused the error") != std::string::npos);
    }
  }
}

TEST_CASE("opaque ops: run once for equal uses, never while compiling, planned without running") {
  g_evaluated = 0;
  Var x = vector_variable();
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {positive(x)[0] + positive(make_constant(vector_of({1, 2})))[0],
                  positive(x)[0] * x};
  spec.profile = true;
  Ref<Function> f = Function::compile(spec);
  CHECK(g_evaluated == 0);
  const Dims shape{2};
  f->planned_bytes(std::span(&shape, 1));
  CHECK(g_evaluated == 0);
  call(*f, {vector_of({1, 2})});
  CHECK(g_evaluated == 2);
  uint64_t profiled = 0;
  for (const runtime::InstructionProfile& p : f->profile().instructions)
    if (p.op.find("test_positive") == 0) profiled += p.calls;
  CHECK(profiled == 2);
}

TEST_CASE("opaque ops: calls at once") {
  Var x = vector_variable();
  Var p = positive(x + x)[0];
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {p, p * p};
  Ref<Function> f = Function::compile(spec);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const double a = t, b = i % 3 ? 1 : -1;
        const std::vector<Array> r = call(*f, {vector_of({a, b})});
        const Values expected = b > 0 ? Values{2 * a, 2} : Values{2 * a};
        if (values(r[0]) != expected || values(r[1])[0] != 4 * a * a) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

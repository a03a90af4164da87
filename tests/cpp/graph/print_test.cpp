#include "graph/print.h"

#include <doctest/doctest.h>

#include "test_op.h"

using namespace phintys;
using namespace phintys::test;

TEST_CASE("debugprint has Theano's format") {
  Var x = matrix("x"), y = matrix("y");
  Var a = node("a", {x, y});
  a->name = "named";
  Var b = node("b", {a, node("c", {a, x})});
  CHECK(debugprint(std::vector<Var>{b}) ==
        "b [id A] ''   \n"
        " |a [id B] 'named'   \n"
        " | |x [id C]\n"
        " | |y [id D]\n"
        " |c [id E] ''   \n"
        "   |a [id B] 'named'   \n"
        "   |x [id C]\n");
  DebugPrintOptions options;
  options.depth = 2;
  options.ids = "int";
  options.print_type = true;
  CHECK(debugprint(std::vector<Var>{a}, options) ==
        "a [id 0] <TensorType(float64, matrix)> 'named'   \n"
        " |x [id 1] <TensorType(float64, matrix)>\n"
        " |y [id 2] <TensorType(float64, matrix)>\n");
  options = {};
  options.stop_on_name = true;
  options.ids = "";
  CHECK(debugprint(std::vector<Var>{a}, options) == "a  'named'   \n");
}

TEST_CASE("one-line forms") {
  CHECK(to_string(*make_variable(Type::tensor(DType::f32, Dims{1, kUnknownDim}))) ==
        "<TensorType(float32, row)>");
  CHECK(to_string(*node("f", {matrix("x")})) == "f.0");
  auto constant = [](Array a) { return to_string(*make_constant(std::move(a))); };
  CHECK(constant(Array::scalar(DType::f64, 1)) == "TensorConstant{1.0}");
  CHECK(constant(Array::scalar(DType::f32, 0.1)) == "TensorConstant{0.1}");
  CHECK(constant(Array::scalar(DType::f64, 1e-9)) == "TensorConstant{1e-09}");
  CHECK(constant(Array::scalar_int(DType::i8, -3)) == "TensorConstant{-3}");
  CHECK(constant(Array::zeros(DType::f64, Dims{1, 1})) == "TensorConstant{(1, 1) of 0.0}");
  const int64_t values[] = {1, 2, 30};
  CHECK(constant(Array::from_ints(values, 3)) == "TensorConstant{[ 1  2 30]}");
}

TEST_CASE("types as text") {
  CHECK(Type::scalar(DType::f64).str() == "TensorType(float64, scalar)");
  CHECK(Type::tensor(DType::f64, 3).str() == "TensorType(float64, 3D)");
  CHECK(Type::tensor(DType::f32, Dims{1}).str() == "TensorType(float32, (True,))");
  CHECK(Type::tensor(DType::f32, Dims{4, 1}).str() == "TensorType(float32, col)");
  CHECK(Type::tensor(DType::f32, Dims{1, -1, 1}).str() ==
        "TensorType(float32, (True, False, True))");
  CHECK_THROWS_AS(Type::tensor(DType::f64, 40), Error);
}

TEST_CASE("describe names inputs, types and the user's line") {
  const SourceLoc loc{intern_file("file.py"), 12};
  LocationScope scope(loc);
  Var v = node("f", {matrix("x"), make_variable(Type::tensor(DType::f64, 2))});
  CHECK(v->owner()->describe() ==
        "f(x: TensorType(float64, matrix), <TensorType(float64, matrix)>), built at file.py:12");
  CHECK(intern_file("file.py") == loc.file);
  CHECK(to_string(SourceLoc{}) == "");
}

TEST_CASE("attributes identify an op") {
  CHECK(test_op("f")->equal(*test_op("f")));
  CHECK(!test_op("f")->equal(*test_op("g")));
  CHECK(test_op("f")->hash() == test_op("f")->hash());
  CHECK(attributes_text(*test_op("f", 2)) == "{label=f, n_outputs=2}");
}

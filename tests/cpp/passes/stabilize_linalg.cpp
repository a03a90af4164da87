#include "ops/linalg/expressions.h"
#include "ops/linalg/solve.h"
#include "pass_test.h"
#include "passes/stabilize.h"

using namespace phintys;
using namespace phintys::test;

namespace {

std::string stable(const Var& v) { return after({v}, stabilize); }
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("stabilize: a product with an inverse is a solution") {
  Var a = matrix("a"), b = matrix("b"), v = vector("v");
  for (const Var& product : {dot(linalg::inverse(a), b), dot(b, linalg::inverse(a)),
                             dot(linalg::inverse(a), v), dot(v, linalg::inverse(a))}) {
    const std::string text = stable(product);
    CHECK(has(text, "Solve"));
    CHECK(!has(text, "MatrixInverse"));
  }
  const Var kept = linalg::inverse(a);
  CHECK(!has(after({dot(kept, b), kept}, stabilize), "Solve"));
}

TEST_CASE("stabilize: the logarithm of a determinant does not overflow") {
  Var a = matrix("a");
  const Var det = apply(make_ref<Det>(), {a});
  CHECK(has(stable(log(det)), "SLogDet"));
  CHECK(has(stable(log(abs_(det))), "SLogDet"));
  CHECK(!has(stable(det), "SLogDet"));
}

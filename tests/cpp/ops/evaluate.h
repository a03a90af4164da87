// Computes graphs straight from the ops' definitions, one node at a time: what ops are tested with
// before there is a program. Slow, and only for values of float64, int64 and bool (other dtypes are
// computed in one of those).
#pragma once

#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "graph/op.h"
#include "graph/traverse.h"

namespace phintys::testing {

using Given = std::vector<std::pair<Var, Array>>;

Array evaluate(const Var& output, const Given& given = {});
std::vector<double> numbers(const Array& a);
Array f64_array(Dims shape, std::vector<double> values);
Array i64_array(Dims shape, std::vector<int64_t> values);

inline Var f64_variable(int ndim, const char* name = "") {
  return make_variable(Type::tensor(DType::f64, ndim), name);
}

// Compares d sum(f * weights) / d x with central differences at `point`.
double gradient_error(const Var& f, const Var& x, const Given& given);

}  // namespace phintys::testing

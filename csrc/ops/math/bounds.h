// The maximum error of each math function, in units of the last place. The accuracy tests read it.
#pragma once

namespace phintys::math {

struct Bound {
  const char* name;
  int arity;
  double ulp_f32;
  double ulp_f64;
};

static constexpr Bound kBounds[] = {
    {"exp", 1, 1.5, 1.5},      {"exp2", 1, 1.5, 1.5}, {"expm1", 1, 2, 2},
    {"log", 1, 1, 1},          {"log2", 1, 1, 1},     {"log10", 1, 2, 2},
    {"log1p", 1, 1.5, 1.5},    {"sin", 1, 2, 2},      {"cos", 1, 2, 2},
    {"tan", 1, 2, 2},          {"asin", 1, 2, 2},     {"acos", 1, 2, 2},
    {"atan", 1, 2, 2},         {"atan2", 2, 2, 2},    {"sinh", 1, 2, 2},
    {"cosh", 1, 2, 2},         {"tanh", 1, 2, 2},     {"asinh", 1, 2, 2},
    {"acosh", 1, 2, 2},        {"atanh", 1, 2, 2},    {"pow", 2, 1, 2},
    {"erf", 1, 2, 2},          {"erfc", 1, 3, 2.5},   {"erfcx", 1, 3, 3},
    {"erfinv", 1, 1, 5},       {"erfcinv", 1, 1, 5},  {"sigmoid", 1, 2.5, 2.5},
    {"softplus", 1, 2.1, 2.1},
};

// Of complex functions, in float64: the error of either part in its own last place, and the
// distance from the true value in that of its size. Functions that are not here have errors that
// grow with their arguments: exp2 about |z|, pow |w log z|, over those of exp. The real parts of
// logarithms are at their worst where |z| (|1 + z|) is within some units of 1, of expm1 where e^x
// cos y is near 1.
struct ComplexBound {
  const char* name;
  double part;  // 0: no bound
  double size;
};

static constexpr ComplexBound kComplexBounds[] = {
    {"exp", 3, 2.5},    {"expm1", 0, 3.5}, {"log", 10, 2},  {"log2", 10, 3}, {"log10", 10, 3},
    {"log1p", 10, 2.5}, {"sqrt", 2.5, 2},  {"sinh", 4, 3},  {"cosh", 4, 3},  {"tanh", 6, 5},
    {"sin", 4, 3},      {"cos", 4, 3},     {"tan", 6, 5},   {"asin", 4, 3},  {"acos", 4, 3},
    {"atan", 4, 3},     {"asinh", 4, 3},   {"acosh", 4, 3}, {"atanh", 4, 3}, {"sign", 2.5, 1.5},
    {"inverse", 3, 3},
};

}  // namespace phintys::math

// The maximum error of each math function, in units of the last place. The accuracy test reads it.
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

}  // namespace phintys::math

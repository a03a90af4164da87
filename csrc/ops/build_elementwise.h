// Free functions for the elementwise ops whose names are used in gradients and passes:
// exp(x), maximum(x, y), switch_(c, a, b), ... each a call of elemwise(name, ...).
#pragma once

#include "ops/build.h"

namespace phintys {

#define PHINTYS_UNARY(name) \
  inline Var name(const Var& x) { return elemwise(#name, {x}); }
#define PHINTYS_BINARY(name) \
  inline Var name(const Var& x, const Var& y) { return elemwise(#name, {x, y}); }

PHINTYS_UNARY(neg)
PHINTYS_UNARY(abs_)
PHINTYS_UNARY(sgn)
PHINTYS_UNARY(sqr)
PHINTYS_UNARY(sqrt)
PHINTYS_UNARY(inv)
PHINTYS_UNARY(exp)
PHINTYS_UNARY(exp2)
PHINTYS_UNARY(expm1)
PHINTYS_UNARY(log)
PHINTYS_UNARY(log2)
PHINTYS_UNARY(log10)
PHINTYS_UNARY(log1p)
PHINTYS_UNARY(sin)
PHINTYS_UNARY(cos)
PHINTYS_UNARY(tan)
PHINTYS_UNARY(sinh)
PHINTYS_UNARY(cosh)
PHINTYS_UNARY(tanh)
PHINTYS_UNARY(erf)
PHINTYS_UNARY(erfc)
PHINTYS_UNARY(erfcx)
PHINTYS_UNARY(erfinv)
PHINTYS_UNARY(erfcinv)
PHINTYS_UNARY(sigmoid)
PHINTYS_UNARY(softplus)
PHINTYS_UNARY(isnan)
PHINTYS_UNARY(isinf)
PHINTYS_UNARY(invert)
PHINTYS_UNARY(floor)
PHINTYS_UNARY(xlogx)
PHINTYS_UNARY(psi)
PHINTYS_UNARY(tri_gamma)
PHINTYS_UNARY(i0)
PHINTYS_UNARY(i1)
PHINTYS_UNARY(i0e)
PHINTYS_UNARY(i1e)
PHINTYS_UNARY(j0)
PHINTYS_UNARY(j1)
PHINTYS_BINARY(add)
PHINTYS_BINARY(sub)
PHINTYS_BINARY(mul)
PHINTYS_BINARY(true_div)
PHINTYS_BINARY(int_div)
PHINTYS_BINARY(mod)
PHINTYS_BINARY(pow)
PHINTYS_BINARY(maximum)
PHINTYS_BINARY(minimum)
PHINTYS_BINARY(eq)
PHINTYS_BINARY(neq)
PHINTYS_BINARY(lt)
PHINTYS_BINARY(le)
PHINTYS_BINARY(gt)
PHINTYS_BINARY(ge)
PHINTYS_BINARY(and_)
PHINTYS_BINARY(or_)
PHINTYS_BINARY(logaddexp)
PHINTYS_BINARY(second)
PHINTYS_BINARY(polygamma)
PHINTYS_BINARY(gammainc_grad)
PHINTYS_BINARY(gammainc_density)
PHINTYS_BINARY(jv)
PHINTYS_BINARY(iv)
PHINTYS_BINARY(ive)
PHINTYS_BINARY(kv)
PHINTYS_BINARY(kve)
#undef PHINTYS_UNARY
#undef PHINTYS_BINARY
inline Var switch_(const Var& c, const Var& a, const Var& b) {
  return elemwise("switch", {c, a, b});
}
inline Var switch_(const Var& c, const Var& a, double b) {
  return elemwise("switch", {c, a, constant(b, a.dtype())});
}
inline Var switch_(const Var& c, double a, const Var& b) {
  return elemwise("switch", {c, constant(a, b.dtype()), b});
}

inline Var polygamma(double n, const Var& x) { return polygamma(constant(n, x.dtype()), x); }
inline Var betainc_grad(const Var& a, const Var& b, const Var& x) {
  return elemwise("betainc_grad", {a, b, x});
}
inline Var betainc_density(const Var& a, const Var& b, const Var& x) {
  return elemwise("betainc_density", {a, b, x});
}
// What gradients of Bessel functions of order 1 need: y(x) / x, 1/2 at 0.
inline Var over_order_one(const Var& x, const Var& y) {
  return switch_(eq(x, zeros_like(x)), 0.5, y / x);
}
// The missing derivative by a parameter: that of op `name` by its operand `parameter`.
Var order_gradient(const char* name, const Var& parameter);

}  // namespace phintys

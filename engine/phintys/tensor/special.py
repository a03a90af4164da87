"""Special functions that are expressions of others, and all of them under one roof.

The elementwise ones (``gammaln``, ``betainc``, ``jv``, ...) are ops of the registry; what is
defined here is written with them. Names are those of Theano, SciPy and ``pytensor.tensor.special``.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.scalar.dtypes import complex_dtypes, discrete_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import function_named

beta = function_named("beta")
betainc = function_named("betainc")
betaincinv = function_named("betaincinv")
betaln = function_named("betaln")
digamma = function_named("psi")
erf = function_named("erf")
erfc = function_named("erfc")
erfcinv = function_named("erfcinv")
erfcx = function_named("erfcx")
erfinv = function_named("erfinv")
expit = function_named("sigmoid")
gamma = function_named("gamma")
gammainc = function_named("gammainc")
gammaincc = function_named("gammaincc")
gammainccinv = function_named("gammainccinv")
gammaincinv = function_named("gammaincinv")
gammaln = function_named("gammaln")
i0 = function_named("i0")
i0e = function_named("i0e")
i1 = function_named("i1")
i1e = function_named("i1e")
iv = function_named("iv")
ive = function_named("ive")
j0 = function_named("j0")
j1 = function_named("j1")
jv = function_named("jv")
kv = function_named("kv")
kve = function_named("kve")
log1mexp = function_named("log1mexp")
log_ndtr = function_named("log_ndtr")
logaddexp = function_named("logaddexp")
logit = function_named("logit")
ndtr = function_named("ndtr")
ndtri = function_named("ndtri")
ndtri_exp = function_named("ndtri_exp")
owens_t = function_named("owens_t")
polygamma = function_named("polygamma")
psi = function_named("psi")
sinc = function_named("sinc")
tri_gamma = function_named("tri_gamma")
xlog1py = function_named("xlog1py")
xlogy = function_named("xlogy")


def chi2sf(x: Any, k: Any) -> Any:
    """The probability that a chi-squared variable of `k` degrees of freedom exceeds `x`.

    ``gammaincc(k / 2, x / 2)``; accurate for large `x` too.
    """
    return gammaincc(_half(k), _half(x))


def gammau(k: Any, x: Any) -> Any:
    """The upper incomplete gamma function: the integral of ``t**(k-1) exp(-t)`` from `x` on."""
    return gammaincc(k, x) * gamma(k)


def gammal(k: Any, x: Any) -> Any:
    """The lower incomplete gamma function: the integral of ``t**(k-1) exp(-t)`` from 0 to `x`."""
    return gammainc(k, x) * gamma(k)


def factorial(n: Any) -> Any:
    """``gamma(n + 1)``, the product 1 * 2 * ... * n for integers `n` >= 0."""
    return gamma(as_tensor_variable(n) + 1)


def poch(z: Any, m: Any) -> Any:
    """Pochhammer's symbol, the rising factorial ``gamma(z + m) / gamma(z)``."""
    z = as_tensor_variable(z)
    return gamma(z + m) / gamma(z)


def k0(x: Any) -> Any:
    """The modified Bessel function of the second kind of order 0."""
    return _of_order(kv, 0.0, x)


def k1(x: Any) -> Any:
    """The modified Bessel function of the second kind of order 1."""
    return _of_order(kv, 1.0, x)


def isposinf(x: Any) -> Any:
    """True where `x` is positive infinity."""
    return _is_infinity(x, positive=True)


def isneginf(x: Any) -> Any:
    """True where `x` is negative infinity."""
    return _is_infinity(x, positive=False)


def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """`x` with `nan` for NaN and numbers for infinities: by default the dtype's extremes."""
    import numpy as np

    x = as_tensor_variable(x)
    if x.dtype in discrete_dtypes:
        return x
    limits = np.finfo(x.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    e = _core.elemwise

    def constant(value: float) -> Any:
        return as_tensor_variable(np.asarray(value, x.dtype))

    x = e("switch", e("isnan", x), constant(nan), x)
    x = e("switch", isposinf(x), constant(high), x)
    return e("switch", isneginf(x), constant(low), x)


def _half(x: Any) -> Any:
    x = as_tensor_variable(x)
    if x.dtype in discrete_dtypes:
        return x / 2.0
    return x * 0.5


def _of_order(function: Any, order: float, x: Any) -> Any:
    import numpy as np

    x = as_tensor_variable(x)
    dtype = x.dtype if x.dtype not in discrete_dtypes else "float64"
    return function(as_tensor_variable(np.asarray(order, dtype)), x)


def _is_infinity(x: Any, positive: bool) -> Any:
    import numpy as np

    x = as_tensor_variable(x)
    if x.dtype in complex_dtypes:
        raise TypeError(f"isposinf, isneginf: complex numbers have no order, got {x.type}")
    if x.dtype in discrete_dtypes:
        return _core.elemwise("isinf", x)  # never
    bound = np.asarray(np.inf if positive else -np.inf, x.dtype)
    return _core.elemwise("eq", x, as_tensor_variable(bound))


def softmax(x: Any, axis: int | None = None) -> Any:
    """``exp(x) / sum(exp(x))`` along `axis` (None: over all elements), without overflow."""
    from phintys.tensor.reduction import max as maximum
    from phintys.tensor.reduction import sum as total

    x = as_tensor_variable(x)
    powers = _core.elemwise("exp", x - maximum(x, axis=axis, keepdims=True))
    return powers / total(powers, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int | None = None) -> Any:
    """The logarithm of :func:`softmax`, accurate where that is tiny."""
    from phintys.tensor.reduction import max as maximum
    from phintys.tensor.reduction import sum as total

    x = as_tensor_variable(x)
    moved = x - maximum(x, axis=axis, keepdims=True)
    powers = _core.elemwise("exp", moved)
    return moved - _core.elemwise("log", total(powers, axis=axis, keepdims=True))


__all__ = [
    "beta",
    "betainc",
    "betaincinv",
    "betaln",
    "chi2sf",
    "factorial",
    "gammal",
    "gammau",
    "isneginf",
    "isposinf",
    "k0",
    "k1",
    "nan_to_num",
    "poch",
]

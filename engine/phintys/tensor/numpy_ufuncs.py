"""Ufuncs of NumPy that are expressions of other functions, under NumPy's names.

Operands are promoted as everywhere; results have NumPy's values, those for infinities and NaN
included, and all have gradients wherever their parts do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.scalar.dtypes import discrete_dtypes, integer_dtypes, upcast, upgrade_to_float
from phintys.tensor.conversion import as_tensor_variable

__all__ = [
    "cbrt",
    "copysign",
    "degrees",
    "fabs",
    "float_power",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "ldexp",
    "left_shift",
    "logaddexp2",
    "modf",
    "positive",
    "radians",
    "remainder",
    "right_shift",
    "signbit",
]

_e = _core.elemwise


def _number(value: Any, dtype: str) -> Any:
    return _core.constant(np.asarray(value, dtype), None)


def _floating(*operands: Any) -> list[Any]:
    """The operands in the floating dtype that they are promoted to; TypeError for complex ones."""
    given = [as_tensor_variable(x) for x in operands]
    dtype = upgrade_to_float(upcast(*[x.dtype for x in given]))
    if dtype.startswith("complex"):
        raise PhintysTypeError(f"complex operands are not supported, got {dtype}")
    return [_core.cast(x, dtype) for x in given]


def _integers(*operands: Any) -> list[Any]:
    given = [as_tensor_variable(x) for x in operands]
    dtype = upcast(*[x.dtype for x in given])
    if dtype not in integer_dtypes:
        raise PhintysTypeError(f"integers are needed, got {[x.dtype for x in given]}")
    return [_core.cast(x, dtype) for x in given]


def positive(x: Any) -> Any:
    """`x` itself: ``+x``."""
    return as_tensor_variable(x)


def fabs(x: Any) -> Any:
    """The absolute value as a floating number."""
    return _e("abs_", *_floating(x))


def degrees(x: Any) -> Any:
    """The angle `x`, given in radians, in degrees."""
    return _e("rad2deg", x)


def radians(x: Any) -> Any:
    """The angle `x`, given in degrees, in radians."""
    return _e("deg2rad", x)


def remainder(x: Any, y: Any) -> Any:
    """The remainder of ``x // y``: it has the sign of `y`."""
    return _e("mod", x, y)


def fmod(x: Any, y: Any) -> Any:
    """The remainder of the division rounded towards zero, as C's: it has the sign of `x`."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    rest = _e("mod", _e("abs_", x), _e("abs_", y))
    zero = _number(0, x.dtype)
    return _e("switch", _e("lt", x, zero), _e("neg", rest), rest) if _is_signed(x) else rest


def _is_signed(x: Any) -> bool:
    return not (x.dtype.startswith("uint") or x.dtype == "bool")


def signbit(x: Any) -> Any:
    """True where `x` is negative; -0.0 is negative too. The sign of NaN counts as positive."""
    x = as_tensor_variable(x)
    zero = _number(0, x.dtype)
    if x.dtype in discrete_dtypes:
        return _e("lt", x, zero)
    # Only division tells -0.0 from 0.0.
    minus_zero = _e(
        "and_", _e("eq", x, zero), _e("lt", _e("true_div", _number(1, x.dtype), x), zero)
    )
    return _e("or_", _e("lt", x, zero), minus_zero)


def copysign(x: Any, y: Any) -> Any:
    """The absolute value of `x` with the sign of `y`."""
    x, y = _floating(x, y)
    size = _e("abs_", x)
    return _e("switch", signbit(y), _e("neg", size), size)


def _number_if_any(x: Any, y: Any, name: str) -> Any:
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    both = _e(name, x, y)
    if x.dtype in discrete_dtypes and y.dtype in discrete_dtypes:
        return both
    return _e("switch", _e("isnan", x), y, _e("switch", _e("isnan", y), x, both))


def fmax(x: Any, y: Any) -> Any:
    """The greater of both; the other one where one is NaN."""
    return _number_if_any(x, y, "maximum")


def fmin(x: Any, y: Any) -> Any:
    """The lesser of both; the other one where one is NaN."""
    return _number_if_any(x, y, "minimum")


def heaviside(x: Any, h: Any) -> Any:
    """0 where `x` is negative, 1 where it is positive, `h` where it is 0."""
    x, h = _floating(x, h)
    zero, one = _number(0, x.dtype), _number(1, x.dtype)
    step = _e("switch", _e("lt", x, zero), zero, _e("switch", _e("gt", x, zero), one, h))
    return _e("switch", _e("isnan", x), x, step)


def hypot(x: Any, y: Any) -> Any:
    """The square root of ``x**2 + y**2``, without overflow on the way."""
    x, y = (_e("abs_", v) for v in _floating(x, y))
    large, small = _e("maximum", x, y), _e("minimum", x, y)
    one, infinity = _number(1, large.dtype), _number(np.inf, large.dtype)
    # Where both are 0 or infinite the ratio says nothing.
    degenerate = _e("or_", _e("eq", large, _number(0, large.dtype)), _e("isinf", large))
    ratio = _e("true_div", small, _e("switch", degenerate, one, large))
    length = _e("mul", large, _e("sqrt", _e("add", one, _e("sqr", ratio))))
    infinite = _e("or_", _e("isinf", x), _e("isinf", y))
    return _e("switch", infinite, infinity, _e("switch", degenerate, large, length))


def logaddexp2(x: Any, y: Any) -> Any:
    """``log2(2**x + 2**y)``, without overflow on the way."""
    x, y = _floating(x, y)
    large = _e("maximum", x, y)
    gap = _e("neg", _e("abs_", _e("sub", x, y)))
    tail = _e("mul", _e("log1p", _e("exp2", gap)), _number(1 / math.log(2), large.dtype))
    # Equal infinities have no difference.
    same = _e("switch", _e("eq", x, y), _number(1, large.dtype), tail)
    return _e("add", large, same)


def cbrt(x: Any) -> Any:
    """The cube root, also of negative numbers."""
    (x,) = _floating(x)
    if x.dtype == "float16":
        return _core.cast(cbrt(_core.cast(x, "float32")), "float16")
    size = _e("abs_", x)
    third = _number(1 / 3, x.dtype)
    root = _e("pow", size, third)
    # One step of Newton's method; not where it would divide by 0 or take infinity from itself.
    plain = _e("or_", _e("eq", size, _number(0, x.dtype)), _e("isinf", size))
    safe = _e("switch", plain, _number(1, x.dtype), root)
    error = _e("sub", _e("true_div", size, _e("sqr", safe)), safe)
    exact = _e("switch", plain, root, _e("add", safe, _e("mul", error, third)))
    return _e("switch", _e("lt", x, _number(0, x.dtype)), _e("neg", exact), exact)


def float_power(x: Any, y: Any) -> Any:
    """``x ** y`` in float64, or complex128 for complex operands."""
    given = [as_tensor_variable(v) for v in (x, y)]
    wide = upcast(*[v.dtype for v in given], "float64")
    return _e("pow", *[_core.cast(v, wide) for v in given])


def ldexp(x: Any, n: Any) -> Any:
    """``x * 2**n`` for integers `n`, in the dtype of `x`."""
    (x,) = _floating(x)
    n = as_tensor_variable(n)
    if n.dtype not in discrete_dtypes:
        raise PhintysTypeError(f"ldexp: the exponent must be an integer, got {n.type}")
    # In two steps: the power of two alone may overflow where the product does not.
    half = _e("int_div", n, _number(2, n.dtype))
    first = _e("exp2", _core.cast(half, x.dtype))
    second = _e("exp2", _core.cast(_e("sub", n, half), x.dtype))
    return _e("mul", _e("mul", x, first), second)


def modf(x: Any) -> tuple[Any, Any]:
    """The fractional and the integral part of `x`, both with its sign."""
    (x,) = _floating(x)
    whole = _e("trunc", x)
    part = _e("switch", _e("isinf", x), _number(0, x.dtype), _e("sub", x, whole))
    return copysign(part, x), whole


def left_shift(x: Any, n: Any) -> Any:
    """The bits of the integers `x` moved up by `n`; 0 for `n` not less than the number of bits."""
    x, n = _integers(x, n)
    bits = _number(np.dtype(x.dtype).itemsize * 8, x.dtype)
    outside = _e("or_", _e("lt", n, _number(0, n.dtype)), _e("ge", n, bits))
    count = _e("switch", outside, _number(0, n.dtype), n)
    moved = _e("mul", x, _e("pow", _number(2, x.dtype), count))
    return _e("switch", outside, _number(0, x.dtype), moved)


def right_shift(x: Any, n: Any) -> Any:
    """The bits of the integers `x` moved down by `n`; the sign fills in."""
    x, n = _integers(x, n)
    bits = np.dtype(x.dtype).itemsize * 8
    last = _number(bits - (2 if _is_signed(x) else 1), x.dtype)
    negative = _e("lt", n, _number(0, n.dtype))
    far = _e("or_", negative, _e("gt", n, last))
    count = _e("switch", far, _number(0, n.dtype), n)
    moved = _e("int_div", x, _e("pow", _number(2, x.dtype), count))
    zero = _number(0, x.dtype)
    filled = _e("switch", _e("lt", x, zero), _number(-1, x.dtype), zero) if _is_signed(x) else zero
    return _e("switch", far, filled, moved)

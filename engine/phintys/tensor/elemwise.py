"""Elementwise functions, one per op of the C++ registry.

The functions are made from ``_core.elementwise_ops()``: their names, arities and documentation
are those that the op's definition declares. This module adds aliases, and functions that are
expressions of others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import DTYPES, complex_dtypes, discrete_dtypes
from phintys.scalar.ops import Elemwise
from phintys.tensor.conversion import as_tensor_variable

# Other names of registry ops: Theano's, NumPy's and PyTensor's.
ALIASES = {
    "abs": "abs_",
    "absolute": "abs_",
    "square": "sqr",
    "power": "pow",
    "floor_div": "int_div",
    "floor_divide": "int_div",
    "divide": "true_div",
    "subtract": "sub",
    "multiply": "mul",
    "negative": "neg",
    "sign": "sgn",
    "reciprocal": "inv",
    "expit": "sigmoid",
    "log1pexp": "softplus",
    "largest": "maximum",
    "smallest": "minimum",
    "bitwise_and": "and_",
    "bitwise_or": "or_",
    "bitwise_xor": "xor",
    "bitwise_not": "invert",
    "logical_not": "invert",
    "fill": "second",
    "tensor_copy": "identity",
    "equal": "eq",
    "not_equal": "neq",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "isnan_": "isnan",
    "isinf_": "isinf",
    "arctan_2": "arctan2",
    "digamma": "psi",
    "trigamma": "tri_gamma",
    "lgamma": "gammaln",
    "jn": "jv",
    "kn": "kv",
}

_ARGUMENTS = {1: "x", 2: "x, y", 3: "x, y, z"}
_NAMED_ARGUMENTS = {
    "switch": "cond, ift, iff",
    "clip": "x, min, max",
    "second": "shape_of, value",
    "polygamma": "n, x",
    "beta": "a, b",
    "betaln": "a, b",
    "betainc": "a, b, x",
    "betaincinv": "a, b, p",
    "gammainc": "k, x",
    "gammaincc": "k, x",
    "gammaincinv": "k, p",
    "gammainccinv": "k, q",
    "jv": "nu, x",
    "iv": "nu, x",
    "ive": "nu, x",
    "kv": "nu, x",
    "kve": "nu, x",
    "owens_t": "h, a",
}
_RULES = {
    "upcast": "The dtype is the promotion of the operands' dtypes.",
    "upcast_real": "The dtype is the promotion of the operands' dtypes, or that of its real part.",
    "upcast_nobool": "The dtype is the promotion of the operands' dtypes, which must not be bool.",
    "to_float": "The dtype is floating: integers become float32 (8, 16 bits) or float64.",
    "float_only": "The operand must be floating.",
    "discrete_only": "The operands must be integers or bool.",
    "true_div": "The dtype is the operands' promotion, or floatX if that is an integer.",
    "compare": "The dtype is bool.",
    "predicate": "The dtype is bool.",
    "select": "The dtype is the promotion of the last two operands' dtypes.",
    "second": "The dtype is that of the second operand.",
    "to_int64": "The dtype is int64.",
    "make_complex": "The operands must be real. The dtype is complex64, or complex128 if a part is "
    "float64 or an integer of 32 bits or more.",
}


def _make_function(info: dict[str, Any]) -> Callable[..., Any]:
    name, arity = info["name"], info["arity"]
    apply = _core.elemwise  # makes variables of other operands itself
    if arity == 1:

        def unary(x: Any) -> Any:
            return apply(name, x)

        function: Callable[..., Any] = unary
        arguments = "x"
    elif arity == 2 and info.get("associative"):

        def chained(x: Any, y: Any, *more: Any) -> Any:
            result = apply(name, x, y)
            for other in more:
                result = apply(name, result, other)
            return result

        function, arguments = chained, "x, y, ..."
    elif arity == 2:

        def binary(x: Any, y: Any) -> Any:
            return apply(name, x, y)

        function, arguments = binary, _NAMED_ARGUMENTS.get(name, _ARGUMENTS[2])
    else:

        def ternary(x: Any, y: Any, z: Any) -> Any:
            return apply(name, x, y, z)

        function, arguments = ternary, _NAMED_ARGUMENTS.get(name, _ARGUMENTS[3])
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    numpy = info.get("numpy")
    function.__doc__ = (
        f"{name}({arguments})\n\n{info.get('summary', '')}\n\n"
        f"Operands broadcast in dimensions that are known to have length 1. "
        f"{_RULES.get(str(info.get('rule')), '')}\n"
        + (f"\nNumPy's counterpart: ``{numpy}``.\n" if numpy else "")
    )
    function.op_name = name  # type: ignore[attr-defined]
    return function


# The registry as Python sees it, by name.
OPS: dict[str, dict[str, Any]] = {
    info["name"]: info for info in _core.elementwise_ops() if not info.get("internal")
}


if TYPE_CHECKING:
    from typing import Protocol

    class _Generated(Protocol):
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __getattr__(name: str) -> _Generated: ...  # the generated functions


_generated = {name: _make_function(info) for name, info in OPS.items()}
_generated.update({alias: _generated[name] for alias, name in ALIASES.items() if name in OPS})
# Inside this module nothing may hide Python's own functions.
_hidden = {"abs", "pow", "round", "divmod", "complex"}
globals().update({name: f for name, f in _generated.items() if name not in _hidden})


def function_named(name: str) -> Callable[..., Any]:
    """The elementwise function of that name or alias."""
    return _generated[name]


# --- casts ----------------------------------------------------------------------------------


def cast(x: Any, dtype: Any) -> Any:
    """The elements of `x` as `dtype` (``'floatX'`` is allowed).

    Casting to bool gives ``x != 0``. A complex variable cannot be cast to a real dtype: TypeError.
    """
    name = config.floatX if isinstance(dtype, str) and dtype == "floatX" else dtype
    if not isinstance(name, str):
        import numpy as np

        name = np.dtype(name).name
    if name not in DTYPES:
        raise PhintysTypeError(f"cast: unknown dtype {dtype!r}. Known are {', '.join(DTYPES)}")
    x = as_tensor_variable(x)
    if x.dtype == name:
        return x
    if x.dtype in complex_dtypes and name not in complex_dtypes:
        raise PhintysTypeError(
            "Casting from complex to real is ambiguous: consider real(), imag(), angle() or abs()"
        )
    return _core.cast(x, name)


# --- functions that are expressions of others -------------------------------------------------


def round(a: Any, mode: str | int | None = None) -> Any:
    """The elements rounded: `mode` is half_to_even (the default) or half_away_from_zero.

    An integer is the number of decimals, as ``numpy.round`` has it. TypeError for integers that
    are not rounded to decimals, ValueError for other modes.
    """
    if isinstance(mode, int):
        from phintys.tensor.numpy_protocol import round_decimals

        return round_decimals(a, mode)
    if mode in (None, "half_to_even"):
        return _generated["round_half_to_even"](a)
    if mode == "half_away_from_zero":
        return _generated["round_half_away_from_zero"](a)
    raise PhintysValueError(
        f"round mode {mode!r} is not implemented; known are half_to_even and half_away_from_zero"
    )


def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """``(x // y, x % y)``."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    return _core.elemwise("int_div", x, y), _core.elemwise("mod", x, y)


def mod_check(x: Any, y: Any) -> Any:
    """``x % y``; TypeError for complex operands, which have no remainder."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if x.dtype in complex_dtypes or y.dtype in complex_dtypes:
        raise PhintysTypeError("There is no mod operator (%) for complex numbers")
    return _core.elemwise("mod", x, y)


def div_proxy(x: Any, y: Any) -> Any:
    """``x / y``; of integers what ``config.int_division`` says: ``x // y``, by default.

    PhintysTypeError for integers if it is ``'raise'``.
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if x.dtype not in discrete_dtypes or y.dtype not in discrete_dtypes:
        return _core.elemwise("true_div", x, y)
    if config.int_division == "raise":
        raise PhintysTypeError(
            "With config.int_division set to 'raise', dividing two integers with '/' is forbidden; "
            "use T.int_div (//) or T.true_div instead"
        )
    return _core.elemwise("int_div" if config.int_division == "int" else "true_div", x, y)


def ceil_intdiv(a: Any, b: Any) -> Any:
    """``a / b`` of integers rounded up."""
    quotient = _core.elemwise("int_div", as_tensor_variable(a), as_tensor_variable(b))
    rest = _core.elemwise("mod", as_tensor_variable(a), as_tensor_variable(b))
    return quotient + cast(_core.elemwise("neq", rest, as_tensor_variable(0)), quotient.dtype)


def real(x: Any) -> Any:
    """The real part of `x`, of dtype float32 for complex64 and float64 for complex128.

    A real `x` is returned as it is.
    """
    x = as_tensor_variable(x)
    return _core.elemwise("real", x) if x.dtype in complex_dtypes else x


def imag(x: Any) -> Any:
    """The imaginary part of `x`, of the dtype of its real part; zeros for a real `x`."""
    x = as_tensor_variable(x)
    if x.dtype in complex_dtypes:
        return _core.elemwise("imag", x)
    return _core.elemwise("second", x, _core.cast(as_tensor_variable(0), x.dtype))


def conj(x: Any) -> Any:
    """The complex conjugate of `x`; a real `x` is returned as it is."""
    x = as_tensor_variable(x)
    return _core.elemwise("conj", x) if x.dtype in complex_dtypes else x


def angle(x: Any) -> Any:
    """The angle of `x` in the complex plane, from -pi to pi, and 0 for 0.

    The dtype is that of the real part; of a real `x` it is floating, as for exp, and the angle is
    0 or pi.
    """
    x = as_tensor_variable(x)
    if x.dtype in complex_dtypes:
        return _core.elemwise("angle", x)
    return _core.elemwise("arctan2", imag(x), x)


conjugate = conj
_generated.update(real=real, imag=imag, conj=conj, angle=angle)


def logical_and(x: Any, y: Any) -> Any:
    """True where both are nonzero."""
    return _core.elemwise("and_", _truth(x), _truth(y))


def logical_or(x: Any, y: Any) -> Any:
    """True where either is nonzero."""
    return _core.elemwise("or_", _truth(x), _truth(y))


def logical_xor(x: Any, y: Any) -> Any:
    """True where just one is nonzero."""
    return _core.elemwise("xor", _truth(x), _truth(y))


def _truth(x: Any) -> Any:
    x = as_tensor_variable(x)
    if x.dtype in complex_dtypes:
        return _core.elemwise("neq", x, as_tensor_variable(0))
    return x if x.dtype == "bool" else _core.cast(x, "bool")


def isfinite(x: Any) -> Any:
    """True where `x` is neither NaN nor infinite."""
    x = as_tensor_variable(x)
    bad = _core.elemwise("or_", _core.elemwise("isnan", x), _core.elemwise("isinf", x))
    return _core.elemwise("invert", bad)


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """True where ``|a - b| <= atol + rtol * |b|``; equal infinities are close."""
    e, a, b = _core.elemwise, as_tensor_variable(a), as_tensor_variable(b)
    if a.dtype == "bool":
        a = _core.cast(a, "int8")
    if b.dtype == "bool":
        b = _core.cast(b, "int8")
    distance = e("abs_", e("sub", a, b))
    limit = e("add", as_tensor_variable(atol), as_tensor_variable(rtol) * e("abs_", b))
    close = e("le", distance, limit)
    if a.dtype not in discrete_dtypes or b.dtype not in discrete_dtypes:
        infinite = e("or_", e("isinf", a), e("isinf", b))
        # An infinite limit would make everything close.
        close = e("or_", e("and_", close, e("invert", infinite)), e("eq", a, b))
        if equal_nan:
            close = e("or_", close, e("and_", e("isnan", a), e("isnan", b)))
    return close


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """True iff all elements are close, see :func:`isclose`."""
    from phintys.tensor.reduction import all as all_true

    return all_true(isclose(a, b, rtol, atol, equal_nan))


def identity_like(x: Any) -> Any:
    """A square identity matrix of the shape and dtype of the matrix `x`."""
    from phintys.tensor.creation import eye

    x = as_tensor_variable(x)
    return eye(_core.shape_i(x, 0), _core.shape_i(x, 1), k=0, dtype=x.dtype)


__all__ = [
    "div_proxy",
    "mod_check",
    *(name for name in _generated),
    "ALIASES",
    "Elemwise",
    "allclose",
    "angle",
    "cast",
    "ceil_intdiv",
    "conj",
    "conjugate",
    "divmod",
    "identity_like",
    "imag",
    "isclose",
    "isfinite",
    "logical_and",
    "logical_or",
    "logical_xor",
    "real",
    "round",
]
globals().update({name: f for name, f in _generated.items() if name in {"abs", "pow", "complex"}})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Theano's classes of reductions live here too.
        from phintys.tensor import reduction_classes

        if name == "MulWithoutZeros":
            from phintys.scalar.expressions import MulWithoutZeros

            return MulWithoutZeros
        if name in reduction_classes.__all__:
            return getattr(reduction_classes, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Reductions: sums, extrema, means over axes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import (
    DTYPES,
    asarray,
    complex_dtypes,
    continuous_dtypes,
    discrete_dtypes,
    int_dtypes,
    uint_dtypes,
)
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.shape import normalize_axis

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "check_and_normalize_axes",
    "logsumexp",
    "makeKeepDims",
    "max",
    "max_and_argmax",
    "mean",
    "min",
    "norm",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]


def _axes(axis: Any, ndim: int, what: str) -> list[int]:
    """Sorted axes in ``[0, ndim)`` from None, an integer, or a list of integers."""
    if axis is None:
        return list(range(ndim))
    if isinstance(axis, np.ndarray) and axis.ndim == 1:
        axis = axis.tolist()
    entries = axis if isinstance(axis, (list, tuple)) else [axis]
    axes = sorted(normalize_axis(a, ndim, what) for a in entries)
    for a, b in itertools.pairwise(axes):
        if a == b:
            raise PhintysValueError(f"{what}: axis {a} is named twice in {axis}")
    return axes


def check_and_normalize_axes(x: Any, axis: Any) -> list[int]:
    """The axes that `axis` names, sorted, in ``[0, x.ndim)``; an empty list for None."""
    return [] if axis is None else _axes(axis, as_tensor_variable(x).ndim, "axis")


def _dtype_name(dtype: Any, what: str) -> str:
    name = asarray(0, dtype).dtype.name
    if name not in DTYPES:
        raise PhintysTypeError(f"{what}: unknown dtype {dtype!r}")
    return str(name)


def _sum_dtype(dtype: str) -> str:
    if dtype == "bool" or dtype in int_dtypes:
        return "int64"
    return "uint64" if dtype in uint_dtypes else dtype


def _reduce_arithmetic(
    kind: str, x: Any, axis: Any, dtype: Any, keepdims: bool, acc_dtype: Any
) -> Any:
    x = as_tensor_variable(x)
    axes = _axes(axis, x.ndim, kind)
    out = _sum_dtype(x.dtype) if dtype is None else _dtype_name(dtype, kind)
    if dtype is not None and out not in complex_dtypes and x.dtype in complex_dtypes:
        raise PhintysTypeError(f"{kind}: complex elements cannot be reduced to {out}")
    if out in discrete_dtypes and x.dtype in continuous_dtypes:
        raise PhintysTypeError(
            f"{kind}: elements of dtype {x.dtype} cannot be reduced to {out} without loss; "
            "cast them first"
        )
    if acc_dtype is not None:
        acc = _dtype_name(acc_dtype, kind)
        if acc in discrete_dtypes and x.dtype in continuous_dtypes:
            raise PhintysTypeError(
                f"{kind}: elements of dtype {x.dtype} cannot be accumulated in {acc}"
            )
    else:
        acc = "float32" if out == "float16" else out
    return _core.reduce(kind, x, axes, out, acc, keepdims)


def sum(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> Any:
    """Sum of the elements over `axis`.

    Parameters
    ----------
    input
        A tensor.
    axis
        An axis, a list of axes, or None for all.
    dtype
        Of the result: by default int64 for signed integers and bool, uint64 for unsigned ones,
        else that of `input`.
    keepdims
        Keep the axes with length 1, so that the result broadcasts against `input`.
    acc_dtype
        Of the accumulation: by default that of the result, float32 for float16.

    Raises
    ------
    ValueError
        An axis is out of range or named twice.
    TypeError
        `dtype` would lose the fractions of floating elements.
    """
    return _reduce_arithmetic("sum", input, axis, dtype, keepdims, acc_dtype)


def prod(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
    no_zeros_in_input: bool = False,
) -> Any:
    """Product of the elements over `axis`; parameters as for :func:`sum`."""
    return _reduce_arithmetic("prod", input, axis, dtype, keepdims, acc_dtype)


def _count(x: Any, axes: list[int]) -> Any:
    count = None
    for axis in axes:
        length = _core.shape_i(x, axis)
        count = length if count is None else count * length
    return as_tensor_variable(np.array(1, "int64")) if count is None else count


def mean(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    op: bool = False,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> Any:
    """Mean of the elements over `axis`: float64 for integers, else of the dtype of `input`.

    Parameters as for :func:`sum`; `dtype` is that of the sum and the result.
    """
    x = as_tensor_variable(input)
    axes = _axes(axis, x.ndim, "mean")
    if dtype is None:
        out = "float64" if x.dtype in discrete_dtypes else x.dtype
    else:
        out = _dtype_name(dtype, "mean")
        out = "float64" if out in discrete_dtypes else out
    # The mean of float16 values is taken in float32.
    total_dtype = "float32" if out == "float16" else out
    total = _reduce_arithmetic("sum", x, axes, total_dtype, keepdims, acc_dtype)
    single = total_dtype in ("float32", "complex64")
    count = _core.cast(_count(x, axes), "float32" if single else "float64")
    result = _core.elemwise("true_div", total, count)
    return result if result.dtype == out else _core.cast(result, out)


def _square_of_size(x: Any) -> Any:
    return _core.elemwise("sqr", _core.elemwise("abs_", x) if x.dtype in complex_dtypes else x)


def var(
    input: Any,
    axis: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    corrected: bool = False,
) -> Any:
    """Variance over `axis`: the mean of squared differences from the mean.

    Of complex elements, the squares are those of the absolute values, and the result is real. With
    `ddof`, the sum is divided by the number of elements minus `ddof`; with `corrected`, the
    square of the mean of the differences, a rounding error, is subtracted.
    """
    if isinstance(ddof, bool):
        raise PhintysValueError(
            "Parameter keepdims is now at index 3: (input, axis=None, ddof=0, keepdims=False, "
            "corrected=False)"
        )
    x = as_tensor_variable(input)
    axes = _axes(axis, x.ndim, "var")
    centered = x - mean(x, axes, keepdims=True)
    squares = _square_of_size(centered)
    if ddof == 0:
        result = mean(squares, axes, keepdims=keepdims)
    else:
        total = sum(squares, axes, keepdims=keepdims)
        count = _core.cast(_count(x, axes) - ddof, total.dtype)
        result = _core.elemwise("true_div", total, count)
    if corrected:
        if ddof == 0:
            error = _square_of_size(mean(centered, axes, keepdims=keepdims))
        else:
            rest = sum(centered, axes, keepdims=keepdims)
            error = _square_of_size(rest)
            error = error / _core.cast(_count(x, axes), error.dtype)
            error = error / _core.cast(_count(x, axes) - ddof, error.dtype)
        result = result - error
    return result


def std(
    input: Any,
    axis: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    corrected: bool = False,
) -> Any:
    """Standard deviation over `axis`: the square root of :func:`var`."""
    if isinstance(ddof, bool):
        raise PhintysValueError(
            "Parameter keepdims is now at index 3: (input, axis=None, ddof=0, keepdims=False, "
            "corrected=False)"
        )
    return _core.elemwise("sqrt", var(input, axis, ddof, keepdims, corrected))


def _extremum(kind: str, x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor_variable(x)
    return _core.reduce(kind, x, _axes(axis, x.ndim, kind), x.dtype, x.dtype, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Greatest element over `axis`; NaN wins; ValueError at run time if there are no elements."""
    return _extremum("max", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Least element over `axis`; NaN wins; ValueError at run time if there are no elements."""
    return _extremum("min", x, axis, keepdims)


def _keep(reduced: Any, x: Any, axes: list[int]) -> Any:
    rest = iter(range(reduced.ndim))
    return _core.dimshuffle(reduced, [-1 if i in axes else next(rest) for i in range(x.ndim)])


def makeKeepDims(x: Any, y: Any, axis: Any) -> Any:
    """`y`, a reduction of `x` over `axis`, with these axes put back with length 1."""
    x = as_tensor_variable(x)
    return _keep(as_tensor_variable(y), x, _axes(axis, x.ndim, "makeKeepDims"))


def _arg_extremum(is_max: bool, x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor_variable(x)
    axes = _axes(axis, x.ndim, "argmax" if is_max else "argmin")
    result = _core.apply("argreduce", [x], is_max=is_max, axis=axes)
    return _keep(result, x, axes) if keepdims else result


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int64) of the greatest element over `axis`, the first of equals.

    Over several axes, or all (None), it counts elements of these axes in C order.
    """
    return _arg_extremum(True, x, axis, keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int64) of the least element over `axis`, the first of equals; see :func:`argmax`."""
    return _arg_extremum(False, x, axis, keepdims)


def max_and_argmax(a: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """``(max(a, axis), argmax(a, axis))``."""
    return max(a, axis, keepdims), argmax(a, axis, keepdims)


def _truth_reduction(kind: str, x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor_variable(x)
    if x.dtype in complex_dtypes:
        x = _core.elemwise("neq", x, as_tensor_variable(0))
    elif x.dtype != "bool":
        x = _core.cast(x, "bool")
    return _core.reduce(kind, x, _axes(axis, x.ndim, kind), "bool", "bool", keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements over `axis` are nonzero (bool)."""
    return _truth_reduction("all", x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element over `axis` is nonzero (bool)."""
    return _truth_reduction("any", x, axis, keepdims)


def ptp(a: Any, axis: Any = None) -> Any:
    """Greatest minus least element over `axis`."""
    return max(a, axis) - min(a, axis)


def norm(x: Any, ord: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of order `ord` over `axis`: 0 counts nonzero elements, inf and -inf are extrema."""
    x = as_tensor_variable(x)
    magnitude = _core.elemwise("abs_", x)
    if ord == 0:
        return sum(_core.elemwise("neq", x, as_tensor_variable(0)), axis, keepdims=keepdims)
    if ord == float("inf"):
        return max(magnitude, axis, keepdims)
    if ord == float("-inf"):
        return min(magnitude, axis, keepdims)
    if ord == 1:
        return sum(magnitude, axis, keepdims=keepdims)
    if ord == 2:
        return _core.elemwise("sqrt", sum(_square_of_size(x), axis, keepdims=keepdims))
    return sum(magnitude**ord, axis, keepdims=keepdims) ** (1.0 / ord)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x), axis))`` without overflow."""
    x = as_tensor_variable(x)
    top = max(x, axis, keepdims=True)
    safe = _core.elemwise("switch", _core.elemwise("isinf", top), as_tensor_variable(0), top)
    total = sum(_core.elemwise("exp", x - safe), axis, keepdims=True)
    result = _core.elemwise("log", total) + safe
    if keepdims:
        return result
    axes = _axes(axis, x.ndim, "logsumexp")
    return _core.dimshuffle(result, [i for i in range(x.ndim) if i not in axes])

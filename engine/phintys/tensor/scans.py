"""Running sums, products and extrema along an axis."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.scalar.dtypes import (
    asarray,
    complex_dtypes,
    continuous_dtypes,
    discrete_dtypes,
    int_dtypes,
    uint_dtypes,
)
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.shape import flatten, normalize_axis

__all__ = ["CumOp", "cummax", "cummin", "cumprod", "cumsum"]


def _scan(kind: str, x: Any, axis: Any) -> Any:
    name = f"cum{kind}"
    if axis is None:
        x, axis = flatten(x), 0
    axis = normalize_axis(axis, x.ndim, name)
    dtype = x.dtype
    # Running values of float16 are kept in float32 and rounded once.
    wide = {"float16": "float32", "bool": "int8"}.get(dtype, dtype)
    result = _core.apply("cumulate", [_core.cast(x, wide)], kind=kind, axis=axis, reverse=False)
    return _core.cast(result, dtype)


def _arithmetic(kind: str, x: Any, axis: Any, dtype: Any) -> Any:
    x = as_tensor_variable(x)
    if dtype is not None:
        out = asarray(0, dtype).dtype.name
        if out in discrete_dtypes and x.dtype in continuous_dtypes:
            raise PhintysTypeError(
                f"cum{kind}: elements of dtype {x.dtype} cannot become {out} without loss; "
                "cast them first"
            )
        if out not in complex_dtypes and x.dtype in complex_dtypes:
            raise PhintysTypeError(f"cum{kind}: complex elements cannot become {out}")
    elif x.dtype == "bool" or x.dtype in int_dtypes:
        out = "int64"
    else:
        out = "uint64" if x.dtype in uint_dtypes else x.dtype
    return _scan(kind, _core.cast(x, out), axis)


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums along `axis`, or of the flattened `x` if it is None.

    The dtype is by default int64 for signed integers and bool, uint64 for unsigned ones, else that
    of `x`.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> cumsum(x).eval({x: [1.0, 2.0, 3.0]}).tolist()
    [1.0, 3.0, 6.0]
    """
    return _arithmetic("sum", x, axis, dtype)


def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products along `axis`; dtype as for :func:`cumsum`.

    The gradient is exact at zeros.
    """
    return _arithmetic("prod", x, axis, dtype)


def cummax(x: Any, axis: Any = None) -> Any:
    """Running maxima along `axis`; a NaN stays. The gradient goes to the last of equal elements."""
    return _scan("max", as_tensor_variable(x), axis)


def cummin(x: Any, axis: Any = None) -> Any:
    """Running minima along `axis`; see :func:`cummax`."""
    return _scan("min", as_tensor_variable(x), axis)


class CumOp:
    """``CumOp(axis, mode)(x)``: :func:`cumsum` (mode "add") or :func:`cumprod` ("mul")."""

    def __init__(self, axis: int | None = None, mode: str = "add") -> None:
        if mode not in ("add", "mul"):
            raise PhintysTypeError(f'CumOp: Unknown mode "{mode}"')
        self.axis, self.mode = axis, mode

    def __call__(self, x: Any) -> Any:
        return (cumsum if self.mode == "add" else cumprod)(x, self.axis)

"""Diagonals: taking them, making matrices of them, filling them."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import NotScalarConstantError, PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import upcast
from phintys.tensor.conversion import as_tensor_variable, get_scalar_constant_value
from phintys.tensor.shape import as_length, normalize_axis

__all__ = [
    "AllocDiag",
    "ExtractDiag",
    "alloc_diag",
    "diag",
    "diagonal",
    "extract_diag",
    "fill_diagonal",
    "fill_diagonal_offset",
]


def _offset(value: Any, what: str) -> int:
    try:
        return int(get_scalar_constant_value(as_tensor_variable(value)))
    except NotScalarConstantError:
        raise PhintysTypeError(f"{what}: the offset must be a constant, got {value}") from None


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal `offset` of the matrices in dimensions `axis1` and `axis2`, put last.

    A view: no element is copied.
    """
    a = as_tensor_variable(a)
    if a.ndim < 2:
        raise PhintysValueError(f"diagonal: at least two dimensions are needed, got {a.type}")
    first = normalize_axis(axis1, a.ndim, "diagonal")
    second = normalize_axis(axis2, a.ndim, "diagonal")
    if first == second:
        raise PhintysValueError("diagonal: axis1 and axis2 must differ")
    return _core.apply(
        "diagonal", [a], offset=_offset(offset, "diagonal"), axis1=first, axis2=second
    )


def alloc_diag(diag: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Matrices, in dimensions `axis1` and `axis2` of the result, with `diag` on a diagonal.

    The last dimension of `diag` becomes the diagonal `offset`; all else is zero.
    """
    from phintys.tensor.creation import alloc

    diag = as_tensor_variable(diag)
    if not diag.ndim:
        raise PhintysValueError("diag: at least one dimension is needed, got a scalar")
    k = _offset(offset, "diag")
    first = normalize_axis(axis1, diag.ndim + 1, "diag")
    second = normalize_axis(axis2, diag.ndim + 1, "diag")
    if first == second:
        raise PhintysValueError("diag: axis1 and axis2 must differ")
    n = _core.shape_i(diag, diag.ndim - 1) + as_length(abs(k), "diag")
    lengths = [_core.shape_i(diag, i) for i in range(diag.ndim - 1)]
    for place in sorted((first, second)):
        lengths.insert(place, n)
    zeros = alloc(_core.cast(as_tensor_variable(0), diag.dtype), *lengths)
    return _core.apply("set_diagonal", [zeros, diag], offset=k, axis1=first, axis2=second)


def extract_diag(x: Any) -> Any:
    """The main diagonal of a matrix."""
    return diagonal(x)


def diag(v: Any, k: int = 0) -> Any:
    """The diagonal `k` of a matrix, or a matrix with the vector `v` on diagonal `k`."""
    v = as_tensor_variable(v)
    if v.ndim == 1:
        return alloc_diag(v, k)
    if v.ndim >= 2:
        return diagonal(v, k)
    raise PhintysValueError(f"Input must has v.ndim >= 1, got {v} of {v.type}")


def _value_for(a: Any, val: Any, what: str) -> Any:
    val = as_tensor_variable(val)
    if val.ndim:
        raise PhintysTypeError(f"{what}: second parameter must be a scalar, got {val.type}")
    if upcast(a.dtype, val.dtype) != a.dtype:
        raise PhintysTypeError(
            f"{what}: type of second parameter must be the same as the first's: "
            f"{val.dtype} does not fit {a.dtype}"
        )
    return _core.cast(val, a.dtype)


def fill_diagonal(a: Any, val: Any) -> Any:
    """`a` with the scalar `val` on its main diagonal.

    A matrix may have any shape (a tall one is not filled again below the square); with more
    dimensions all lengths must be equal, which is checked when the function runs.
    """
    a = as_tensor_variable(a)
    if a.ndim < 2:
        raise PhintysTypeError(
            f"fill_diagonal: first parameter must have at least two dimensions, got {a.type}"
        )
    val = _value_for(a, val, "fill_diagonal")
    if a.ndim == 2:
        return _core.apply("set_diagonal", [a, val], offset=0, axis1=0, axis2=1)
    from phintys.raise_op import check
    from phintys.tensor.creation import arange
    from phintys.tensor.subtensor import set_subtensor

    n = _core.shape_i(a, 0)
    equal = [_core.elemwise("eq", n, _core.shape_i(a, i)) for i in range(1, a.ndim)]
    n = check(n, equal, "All dimensions of input must be of equal length", value_error=True)
    index = arange(n)
    return set_subtensor(a[(index,) * a.ndim], val)


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> Any:
    """The matrix `a` with the scalar `val` on diagonal `offset`, an integer or variable."""
    from phintys.tensor.creation import arange
    from phintys.tensor.subtensor import set_subtensor

    a = as_tensor_variable(a)
    if a.ndim != 2:
        raise PhintysTypeError(
            f"fill_diagonal_offset: first parameter must have exactly two dimensions, got {a.type}"
        )
    val = _value_for(a, val, "fill_diagonal_offset")
    try:
        k = int(get_scalar_constant_value(as_tensor_variable(offset)))
        return _core.apply("set_diagonal", [a, val], offset=k, axis1=0, axis2=1)
    except NotScalarConstantError:
        pass
    e, zero = _core.elemwise, as_length(0, "fill_diagonal_offset")
    shift = as_length(offset, "fill_diagonal_offset")
    down, right = e("maximum", -shift, zero), e("maximum", shift, zero)
    length = e("minimum", _core.shape_i(a, 0) - down, _core.shape_i(a, 1) - right)
    index = arange(e("maximum", length, zero))
    return set_subtensor(a[index + down, index + right], val)


class ExtractDiag:
    """``ExtractDiag(offset=0, axis1=0, axis2=1)(x)``: :func:`diagonal` as an object."""

    def __init__(self, offset: int = 0, axis1: int = 0, axis2: int = 1, view: bool = False) -> None:
        self.offset, self.axis1, self.axis2, self.view = offset, axis1, axis2, view

    def __call__(self, x: Any) -> Any:
        return diagonal(x, self.offset, self.axis1, self.axis2)


class AllocDiag:
    """``AllocDiag(offset=0, axis1=0, axis2=1)(x)``: :func:`alloc_diag` as an object."""

    def __init__(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> None:
        self.offset, self.axis1, self.axis2 = offset, axis1, axis2

    def __call__(self, diag: Any) -> Any:
        return alloc_diag(diag, self.offset, self.axis1, self.axis2)

"""Sorting and partial sorting along an axis, under the names of ``theano.tensor.sort``."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import NotScalarConstantError, PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable, get_scalar_constant_value
from phintys.tensor.shape import flatten, normalize_axis

__all__ = [
    "ArgSortOp",
    "SortOp",
    "TopKOp",
    "argpartition",
    "argsort",
    "argtopk",
    "partition",
    "sort",
    "topk",
    "topk_and_argtopk",
]

_KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def _operand(a: Any, axis: Any, what: str) -> tuple[Any, int]:
    """`a` and an axis in ``[0, a.ndim)``; None flattens `a`."""
    a = as_tensor_variable(a)
    if isinstance(axis, _core.Variable):
        try:
            axis = int(get_scalar_constant_value(axis))
        except NotScalarConstantError:
            raise PhintysTypeError(f"{what}: the axis must be a constant, got {axis}") from None
    if axis is None:
        return flatten(a), 0
    return a, normalize_axis(axis, a.ndim, what)


def _check_kind(kind: Any, order: Any, what: str) -> None:
    if kind is not None and kind not in _KINDS:
        raise PhintysValueError(f"{what}: kind must be one of {_KINDS}, got {kind!r}")
    if order is not None:
        raise PhintysValueError(f"{what}: order is for structured arrays, which tensors are not")


def sort(a: Any, axis: Any = -1, kind: str | None = "quicksort", order: Any = None) -> Any:
    """The elements of `a` in increasing order along `axis`; along the flattened `a` if None.

    NaN comes last. Complex numbers are ordered by real part, then imaginary part. Every `kind`
    ("quicksort", "mergesort", "heapsort", "stable") takes the same algorithm. The gradient goes to
    where each element came from.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> sort(x).eval({x: [3.0, 1.0, 2.0]}).tolist()
    [1.0, 2.0, 3.0]
    """
    _check_kind(kind, order, "sort")
    a, axis = _operand(a, axis, "sort")
    return _core.apply("sort", [a], axis=axis)


def argsort(a: Any, axis: Any = -1, kind: str | None = "quicksort", order: Any = None) -> Any:
    """The indices (int64) that sort `a` along `axis`; into the flattened `a` if None.

    Equal elements keep their order whatever `kind` is asked for.
    """
    _check_kind(kind, order, "argsort")
    a, axis = _operand(a, axis, "argsort")
    return _core.apply("argsort", [a], axis=axis)


def partition(a: Any, kth: Any, axis: Any = -1) -> Any:
    """`a` with element `kth` along `axis` in its sorted place, lesser ones before, others after.

    The result is fully sorted, which is one of the orders that NumPy's function may give.
    """
    return sort(a, axis)


def argpartition(a: Any, kth: Any, axis: Any = -1) -> Any:
    """The indices of :func:`partition`; see there."""
    return argsort(a, axis)


def _topk(
    x: Any, kth: Any, axis: Any, sorted: bool, idx_dtype: Any, values: bool, indices: bool
) -> Any:
    x, axis = _operand(x, axis, "topk")
    k = as_tensor_variable(kth)
    if k.ndim or k.dtype not in integer_dtypes:
        raise PhintysTypeError(f"topk: k must be an integer scalar, got {k} of {k.type}")
    dtype = np.dtype(idx_dtype).name
    if dtype not in integer_dtypes:
        raise PhintysTypeError(f'"idx_dtype" parameter must be an integer dtype, got "{idx_dtype}"')
    return _core.apply(
        "topk", [x, k], axis=axis, sorted=bool(sorted), return_values=values,
        return_indices=indices, idx_dtype=dtype,
    )  # fmt: skip


def topk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: Any = "int64") -> Any:
    """The `kth` greatest elements along `axis`, or the ``-kth`` least if `kth` is negative.

    Parameters
    ----------
    x
        A tensor of real numbers; NaN counts as the greatest.
    kth
        An integer scalar, not 0, number or variable.
    axis
        An axis, or None for the flattened `x`.
    sorted
        The best first; else in the order in which they lie in `x`.
    idx_dtype
        Of indices, which this function does not return.

    Raises
    ------
    ValueError
        `kth` is 0, or (when the function runs) greater than the length of `axis`.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> topk(x, 2).eval({x: [3.0, 1.0, 2.0]}).tolist()
    [3.0, 2.0]
    """
    return _topk(x, kth, axis, sorted, idx_dtype, True, False)


def argtopk(x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: Any = "int64") -> Any:
    """The indices (`idx_dtype`) of what :func:`topk` returns; of equal elements the first."""
    return _topk(x, kth, axis, sorted, idx_dtype, False, True)


def topk_and_argtopk(
    x: Any, kth: Any, axis: Any = -1, sorted: bool = True, idx_dtype: Any = "int64"
) -> list[Any]:
    """``[topk(...), argtopk(...)]`` in one step."""
    return list(_topk(x, kth, axis, sorted, idx_dtype, True, True))


class SortOp:
    """``SortOp(kind)(a, axis)``: :func:`sort`."""

    def __init__(self, kind: str | None = "quicksort", order: Any = None) -> None:
        _check_kind(kind, order, "sort")
        self.kind, self.order = kind, order

    def __call__(self, a: Any, axis: Any = -1) -> Any:
        return sort(a, axis, self.kind, self.order)


class ArgSortOp(SortOp):
    """``ArgSortOp(kind)(a, axis)``: :func:`argsort`."""

    def __call__(self, a: Any, axis: Any = -1) -> Any:
        return argsort(a, axis, self.kind, self.order)


class TopKOp:
    """``TopKOp(...)(x, kth)``: values and indices, or one of them, of :func:`topk`."""

    def __init__(
        self,
        axis: int = -1,
        sorted: bool = True,
        idx_dtype: Any = "int64",
        return_values: bool = True,
        return_indices: bool = True,
    ) -> None:
        if not (return_values or return_indices):
            raise PhintysValueError(
                "Neither return_values nor return_indices is True, this isn't allowed"
            )
        self.axis, self.sorted, self.idx_dtype = axis, sorted, idx_dtype
        self.return_values, self.return_indices = return_values, return_indices

    def __call__(self, x: Any, kth: Any) -> Any:
        return _topk(
            x, kth, self.axis, self.sorted, self.idx_dtype, self.return_values, self.return_indices
        )

"""Choosing elements: take, choose, compress, where, and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import NotScalarConstantError, PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import discrete_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable, get_scalar_constant_value
from phintys.tensor.shape import as_length, normalize_axis, shape_padleft
from phintys.tensor.subtensor import (
    as_index_variable,
    as_mask,
    flatnonzero,
    getitem,
    nonzero,
)

__all__ = [
    "argwhere",
    "choose",
    "compress",
    "extract",
    "inverse_permutation",
    "nonzero_values",
    "permute_row_elements",
    "put_along_axis",
    "select",
    "take",
    "take_along_axis",
    "where",
]

_FULL = slice(None)
_MODES = ("raise", "clip", "wrap")


def _in_range(index: Any, length: Any, mode: str, what: str) -> Any:
    """`index` brought into ``[0, length)`` as `mode` says."""
    if mode not in _MODES:
        raise PhintysValueError(f"{what}: mode {mode!r} is not one of 'raise', 'clip', 'wrap'")
    if mode == "raise":
        return index
    index = _core.cast(index, "int64")
    zero = as_length(0, what)
    if mode == "clip":
        return _core.elemwise("clip", index, zero, length - 1)
    return _core.elemwise("mod", index, length)


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """The elements of `a` at `indices` along `axis`, by default of the flattened `a`.

    `mode` says what happens to indices out of range: ``'raise'`` an IndexError, ``'clip'`` the
    nearest element, ``'wrap'`` they count around.
    """
    a = as_tensor_variable(a)
    index = as_index_variable(indices)
    if axis is None:
        a, axis = a.flatten(), 0
    axis = normalize_axis(axis, a.ndim, "take")
    index = _in_range(index, _core.shape_i(a, axis), mode, "take")
    try:
        where: Any = int(get_scalar_constant_value(index)) if index.ndim == 0 else index
    except NotScalarConstantError:
        where = index
    return getitem(a, (_FULL,) * axis + (where,))


def _aligned(a: Any, index: Any, axis: int | None, what: str) -> tuple[Any, Any, int]:
    a = as_tensor_variable(a)
    index = as_index_variable(index)
    if axis is None:
        if index.ndim != 1:
            raise PhintysValueError(f"{what}: indices must be a vector if axis is None")
        a, axis = a.flatten(), 0
    if index.ndim != a.ndim:
        raise PhintysValueError(
            f"{what}: the indices must have as many dimensions as the array: "
            f"{index.ndim} instead of {a.ndim}"
        )
    return a, index, normalize_axis(axis, a.ndim, what)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """``out[..., i, ...] = arr[..., indices[..., i, ...], ...]`` along `axis`.

    `indices` has the rank of `arr`; the other dimensions broadcast. With ``axis=None``, `arr` is
    flattened. IndexError when the function runs for indices out of range.
    """
    arr, index, axis = _aligned(arr, indices, axis, "take_along_axis")
    return _core.apply("take_along_axis", [arr, index], axis=axis)


def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: int | None = -1, accumulate: bool = False
) -> Any:
    """`arr` with `values` stored where :func:`take_along_axis` would take elements.

    `values` broadcasts to those. With `accumulate` they are added; indices that repeat add up.
    With ``axis=None``, `arr` is taken as flat, and the result has its shape.
    """
    whole = as_tensor_variable(arr)
    flat, index, place = _aligned(whole, indices, axis, "put_along_axis")
    values = _core.cast(as_tensor_variable(values), whole.dtype)
    result = _core.apply(
        "put_along_axis", [flat, values, index], axis=place, set_instead_of_inc=not accumulate
    )
    return result if axis is not None else result.reshape(whole.shape, ndim=whole.ndim)


def nonzero_values(a: Any) -> Any:
    """The elements of `a` that are not zero, in C order, as a vector."""
    a = as_tensor_variable(a)
    if not a.ndim:
        raise PhintysValueError("Nonzero only supports non-scalar arrays.")
    return getitem(a, as_mask(a))


def argwhere(a: Any) -> Any:
    """The indices of the elements of `a` that are not zero: one row for each."""
    return _core.dimshuffle(nonzero(a, return_matrix=True), [1, 0])


def where(cond: Any, *choices: Any) -> Any:
    """`ift` where `cond` is true, else `iff`: ``where(cond, ift, iff)``.

    ``where(cond)`` is ``nonzero(cond)``.
    """
    if not choices:
        return nonzero(cond)
    if len(choices) != 2:
        raise PhintysTypeError("where: either both or neither of ift and iff must be given")
    return _core.elemwise("switch", cond, *choices)


def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """The slices of `x` along `axis` for which the vector `condition` is true.

    By default of the flattened `x`. `condition` may be shorter than `x`.
    """
    condition = as_tensor_variable(condition)
    if condition.ndim != 1:
        raise PhintysValueError(f"compress: the condition must be a vector, got {condition.type}")
    return take(x, flatnonzero(condition), axis)


def extract(condition: Any, arr: Any) -> Any:
    """The elements of the flattened `arr` for which the flattened `condition` is true."""
    return compress(as_tensor_variable(condition).flatten(), arr)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Elements of the first of the choices whose condition is true, else `default`."""
    if len(condlist) != len(choicelist) or not condlist:
        raise PhintysValueError("select: as many conditions as choices are needed, at least one")
    result = as_tensor_variable(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        condition = as_tensor_variable(condition)
        if condition.dtype != "bool":
            raise PhintysTypeError(f"select: conditions must be bool, got {condition.type}")
        result = _core.elemwise("switch", condition, choice, result)
    return result


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """For each element of the integer tensor `a` the element of the choice that it numbers.

    `choices` is a list of tensors, or a tensor whose first dimension numbers them; all broadcast
    with `a`. `mode` is for numbers out of range: ``'raise'`` a ValueError, ``'clip'`` the nearest,
    ``'wrap'`` they count around.
    """
    if out is not None:
        raise PhintysValueError("choose: out is not supported")
    if mode not in _MODES:
        raise PhintysValueError(f"choose: mode {mode!r} is not one of 'raise', 'clip', 'wrap'")
    a = as_tensor_variable(a)
    if a.dtype not in discrete_dtypes:
        raise PhintysTypeError(f"choose first argument must have an [u]int* dtype. Got {a.dtype}.")
    if not isinstance(choices, (list, tuple)):
        choices = as_tensor_variable(choices)
        if not choices.ndim:
            raise PhintysValueError("choose: the choices must have at least one dimension")
        count = choices.static_shape[0]
        if count is None:
            return _choose_slices(a, choices, mode)
        choices = [choices[i] for i in range(count)]
    if not choices:
        raise PhintysValueError("choose: at least one choice is needed")
    parts = [as_tensor_variable(c) for c in choices]
    dtype = upcast(*[c.dtype for c in parts])
    rank = max(v.ndim for v in (a, *parts))
    padded = [shape_padleft(v, rank - v.ndim) if v.ndim < rank else v for v in (a, *parts)]
    operands = [padded[0], *(_core.cast(v, dtype) for v in padded[1:])]
    return _core.apply("choose", operands, mode=mode)


def _choose_slices(a: Any, choices: Any, mode: str) -> Any:
    """choose() from a tensor of which only running tells how many choices it has."""
    rank = max(a.ndim, choices.ndim - 1)
    which = _in_range(a, _core.shape_i(choices, 0), mode, "choose")
    if a.ndim < rank:
        which = shape_padleft(which, rank - a.ndim)
    missing = rank - (choices.ndim - 1)
    order = [0] + [-1] * missing + list(range(1, choices.ndim))
    choices = _core.dimshuffle(choices, order)
    if mode == "raise":
        which = _checked(which, _core.shape_i(choices, 0))
    # The choices' number as an axis of `which`: one element is taken along it.
    picked = _core.apply(
        "take_along_axis",
        [choices, _core.dimshuffle(_core.cast(which, "int64"), [-1, *range(rank)])],
        axis=0,
    )
    return picked[0]


def _checked(which: Any, count: Any) -> Any:
    from phintys.raise_op import check
    from phintys.tensor.reduction import all as all_true

    inside = _core.elemwise(
        "and_",
        _core.elemwise("ge", which, as_tensor_variable(0)),
        _core.elemwise("lt", which, count),
    )
    return check(which, [all_true(inside)], "invalid entry in choice array", value_error=True)


def permute_row_elements(x: Any, y: Any, inverse: int = 0) -> Any:
    """The elements of each row (last dimension) of `x` in the order that the rows of `y` give.

    With `inverse`, the opposite: element i goes to position ``y[i]``. Leading dimensions broadcast.
    """
    x, y = as_tensor_variable(x), as_index_variable(y)
    rank = max(x.ndim, y.ndim)
    x = shape_padleft(x, rank - x.ndim) if x.ndim < rank else x
    y = shape_padleft(y, rank - y.ndim) if y.ndim < rank else y
    if not inverse:
        return take_along_axis(x, y, -1)
    return take_along_axis(x, _inverse(y), -1)


def _inverse(y: Any) -> Any:
    """The permutations that undo those in the rows of `y`."""
    from phintys.tensor.creation import arange, zeros_like

    places = _core.cast(arange(_core.shape_i(y, y.ndim - 1)), y.dtype)
    return put_along_axis(zeros_like(y), y, places, -1)


def inverse_permutation(perm: Any) -> Any:
    """The permutations that undo the integer vector `perm`, or each row of a matrix."""
    return _inverse(as_index_variable(perm))

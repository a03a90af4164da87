"""Elements in another order or repeated: flips, rotations, broadcasts, joined dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.shape import (
    addbroadcast,
    as_length,
    as_lengths,
    moveaxis,
    normalize_axis,
    shape_list,
    shape_padleft,
    shape_padright,
)

__all__ = [
    "atleast_Nd",
    "broadcast_arrays",
    "broadcast_shape",
    "broadcast_to",
    "flip",
    "fliplr",
    "flipud",
    "join_dims",
    "pack",
    "rollaxis",
    "rot90",
    "specify_broadcastable",
    "split_dims",
    "unpack",
]

_REVERSED = slice(None, None, -1)


def _axes(axis: Any, ndim: int, what: str) -> list[int]:
    if axis is None:
        return list(range(ndim))
    given = axis if isinstance(axis, (list, tuple)) else [axis]
    axes = [normalize_axis(a, ndim, what) for a in given]
    if len(set(axes)) != len(axes):
        raise PhintysValueError(f"{what}: a dimension is named twice: {axis}")
    return axes


def flip(x: Any, axis: Any = None) -> Any:
    """`x` with the order of elements reversed along `axis`, by default along all dimensions."""
    x = as_tensor_variable(x)
    axes = _axes(axis, x.ndim, "flip")
    if not axes:
        return x
    return x[tuple(_REVERSED if i in axes else slice(None) for i in range(x.ndim))]


def flipud(x: Any) -> Any:
    """`x` with its first dimension reversed."""
    return flip(x, 0)


def fliplr(x: Any) -> Any:
    """`x` with its second dimension reversed."""
    return flip(x, 1)


def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """`x` turned `k` times by 90 degrees, from the first of the two `axes` towards the second."""
    x = as_tensor_variable(x)
    first, second = _axes(list(axes), x.ndim, "rot90")
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, (first, second))
    if turns == 1:
        return _core.dimshuffle(flip(x, second), order)
    return flip(_core.dimshuffle(x, order), second)


def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """`x` with dimension `axis` moved to before dimension `start`."""
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.ndim, "rollaxis")
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        raise PhintysValueError(f"rollaxis: start {start} is out of range for {x.ndim} dimensions")
    return moveaxis(x, axis, start - 1 if start > axis else start)


def atleast_Nd(*arys: Any, n: int = 1, left: bool = True) -> Any:
    """The tensors with at least `n` dimensions: new ones on the left, or on the right."""

    def one(x: Any) -> Any:
        x = as_tensor_variable(x)
        if x.ndim >= n:
            return x
        return (shape_padleft if left else shape_padright)(x, n - x.ndim)

    results = [one(x) for x in arys]
    return results[0] if len(results) == 1 else results


def broadcast_to(x: Any, shape: Any) -> Any:
    """`x` stretched to `shape`, a list of lengths (numbers or variables).

    ValueError when the function runs if a dimension is neither of that length nor of length 1.
    """
    x = as_tensor_variable(x)
    lengths = as_lengths(shape, "broadcast_to")
    if len(lengths) < x.ndim:
        raise PhintysValueError(
            f"broadcast_to: {len(lengths)} lengths for a tensor of {x.ndim} dimensions"
        )
    return _core.alloc(x, lengths) if lengths else x


def broadcast_shape(*arrays: Any, arrays_are_shapes: bool = False) -> tuple[Any, ...]:
    """The lengths, int64 scalars, that tensors (or shapes) have when broadcast together.

    Dimensions stretch if they are known to have length 1. Lengths that must be equal are not
    compared.
    """
    e = _core.elemwise
    shapes: list[list[tuple[Any, int | None]]] = []
    for a in arrays:
        if arrays_are_shapes:
            lengths = as_lengths(a, "broadcast_shape")
            known = [int(n.constant_data) if n.is_constant else None for n in lengths]
        else:
            v = as_tensor_variable(a)
            lengths, known = shape_list(v), list(v.static_shape)
        shapes.append(list(zip(lengths, known, strict=True)))
    rank = max((len(s) for s in shapes), default=0)
    result = []
    for i in range(rank):
        length: Any = as_length(1, "broadcast_shape")
        found: int | None = 1
        for s in shapes:
            at = i - (rank - len(s))
            if at < 0 or s[at][1] == 1:
                continue
            n, k = s[at]
            if found == 1:
                length, found = n, k
            elif k is not None and found is not None and k != found:
                raise PhintysValueError(f"broadcast_shape: lengths {found} and {k} do not fit")
            elif found is None and k is not None:
                length, found = n, k
            elif found is None:
                length = e("switch", e("eq", length, as_length(1, "shape")), n, length)
        result.append(length)
    return tuple(result)


def broadcast_arrays(*args: Any) -> list[Any]:
    """The tensors stretched to a common shape."""
    variables = [as_tensor_variable(a) for a in args]
    lengths = broadcast_shape(*variables)
    return [broadcast_to(v, list(lengths)) for v in variables]


def specify_broadcastable(x: Any, *axes: int) -> Any:
    """`x`, declared to have length 1 in the dimensions `axes`; checked when the function runs."""
    return addbroadcast(x, *axes)


def join_dims(x: Any, start_axis: int = 0, n_axes: int | None = None) -> Any:
    """`x` with `n_axes` dimensions from `start_axis` on (by default all those) made one."""
    x = as_tensor_variable(x)
    start = start_axis + x.ndim if start_axis < 0 else start_axis
    count = x.ndim - start if n_axes is None else n_axes
    if start < 0 or count < 0 or start + count > x.ndim:
        raise PhintysValueError(
            f"join_dims: {count} dimensions from {start} on are out of range for {x.ndim}"
        )
    lengths = shape_list(x)
    one = as_length(1, "join_dims")
    for n in lengths[start : start + count]:
        one = n if one.is_constant and int(one.constant_data) == 1 else one * n
    vector = _core.make_vector([*lengths[:start], one, *lengths[start + count :]])
    return _core.reshape(x, vector, x.ndim - count + 1)


def split_dims(x: Any, shape: Any, axis: int = 0) -> Any:
    """`x` with dimension `axis` made into dimensions of the lengths `shape`; one may be -1."""
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.ndim, "split_dims")
    parts = as_lengths(shape, "split_dims")
    lengths = shape_list(x)
    vector = [*lengths[:axis], *parts, *lengths[axis + 1 :]]
    if not vector:
        return _core.reshape(x, _core.constant(np.zeros(0, "int64"), None), 0)
    return _core.reshape(x, _core.make_vector(vector), len(vector))


def _kept(axes: Any) -> tuple[int, int]:
    """How many dimensions on the left and on the right pack() keeps."""
    if axes is None:
        return 0, 0
    given = [axes] if isinstance(axes, int) else list(axes)
    left = [a for a in given if a >= 0]
    right = [a for a in given if a < 0]
    if sorted(left) != list(range(len(left))) or sorted(right) != list(range(-len(right), 0)):
        raise PhintysTypeError(f"pack: the kept dimensions must be outermost ones, got {axes}")
    return len(left), len(right)


def pack(*tensors: Any, axes: Any = None) -> tuple[Any, list[Any]]:
    """Tensors flattened and joined into one, and the shapes that :func:`unpack` needs.

    `axes` are the outer dimensions that stay, common to all: counted from 0 on the left, from -1
    on the right. All others become one, along which the tensors are joined.
    """
    from phintys.tensor.join import join

    left, right = _kept(axes)
    flat, shapes = [], []
    for t in tensors:
        v = as_tensor_variable(t)
        middle = v.ndim - left - right
        if middle < 0:
            raise PhintysValueError(f"pack: {v} has fewer than {left + right} dimensions")
        shapes.append(shape_list(v)[left : v.ndim - right])
        flat.append(join_dims(v, left, middle))
    return join(left, *flat), shapes


def unpack(packed: Any, axes: Any = None, packed_shapes: Any = None) -> list[Any]:
    """The tensors that :func:`pack` joined."""
    from phintys.tensor.join import split

    left, _ = _kept(axes)
    packed = as_tensor_variable(packed)
    sizes = []
    for lengths in packed_shapes:
        size = as_length(1, "unpack")
        for n in as_lengths(lengths, "unpack"):
            size = size * n
        sizes.append(size)
    parts = split(packed, sizes, len(sizes), left)
    return [split_dims(p, n, left) for p, n in zip(parts, packed_shapes, strict=True)]

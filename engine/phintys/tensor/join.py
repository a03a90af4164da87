"""Putting tensors together and taking them apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import upcast
from phintys.tensor.conversion import as_tensor_variable, get_scalar_constant_value
from phintys.tensor.shape import as_length, atleast_1d, atleast_2d, expand_dims, normalize_axis

__all__ = [
    "array_split",
    "column_stack",
    "concatenate",
    "dstack",
    "horizontal_stack",
    "hstack",
    "join",
    "join_",
    "split",
    "stack",
    "stacklists",
    "vertical_stack",
    "vstack",
]


def join(axis: Any, *tensors_list: Any) -> Any:
    """The tensors one after another along `axis`, which is a constant integer.

    All need the same rank; the dtype is their promotion. The joined dimension never broadcasts;
    another one does if it does in any operand.

    Raises TypeError for scalars or different ranks, ValueError at run time for lengths that differ.
    """
    tensors = [as_tensor_variable(t) for t in tensors_list]
    if not tensors:
        raise PhintysValueError("Cannot join an empty list of tensors")
    ndim = tensors[0].ndim
    if any(t.ndim != ndim for t in tensors):
        shown = ", ".join(f"{t} ({t.ndim}-d)" for t in tensors)
        raise PhintysTypeError(
            f"Join() can only join tensors with the same number of dimensions: {shown}"
        )
    if not ndim:
        raise PhintysTypeError("Join cannot handle arguments of dimension 0. Use stack")
    axis = normalize_axis(get_scalar_constant_value(axis), ndim, "join")
    dtype = upcast(*[t.dtype for t in tensors])
    return _core.join(axis, [_core.cast(t, dtype) for t in tensors])


join_ = join


def concatenate(tensor_list: Any, axis: Any = 0) -> Any:
    """The tensors of a list one after another along `axis`, flattened if it is None.

    See :func:`join`.
    """
    if not isinstance(tensor_list, (tuple, list)):
        raise PhintysTypeError(
            "The 'tensors' argument must be either a tuple or a list, make sure you did not forget "
            "() or [] around arguments of concatenate.",
            tensor_list,
        )
    if axis is None:
        return join(0, *[as_tensor_variable(t).flatten() for t in tensor_list])
    return join(axis, *tensor_list)


def stack(*tensors: Any, **kwargs: Any) -> Any:
    """The tensors along a new dimension `axis`: ``stack([a, b], axis=0)``.

    Theano's older form ``stack(a, b)`` is accepted too.
    """
    axis = kwargs.pop("axis", 0)
    given = kwargs.pop("tensors", None)
    if kwargs:
        raise PhintysTypeError(f"stack() got unexpected keyword arguments {sorted(kwargs)}")
    if given is not None:
        tensors = (given, *tensors)
    if not tensors:
        raise PhintysTypeError("stack: no tensors given")
    parts: Any = tensors
    if isinstance(tensors[0], (list, tuple)):
        if len(tensors) > 2:
            raise PhintysTypeError("stack: a list of tensors may only be followed by the axis")
        parts = tensors[0]
        axis = tensors[1] if len(tensors) == 2 else axis
    if not len(parts):
        raise PhintysValueError("Cannot stack an empty list of tensors")
    variables = [as_tensor_variable(t) for t in parts]
    ndim = variables[0].ndim
    if any(v.ndim != ndim for v in variables):
        shown = ", ".join(f"{v} ({v.ndim}-d)" for v in variables)
        raise PhintysTypeError(f"stack: the tensors must have the same rank: {shown}")
    axis = normalize_axis(axis, ndim + 1, "stack")
    dtype = upcast(*[v.dtype for v in variables])
    variables = [_core.cast(v, dtype) for v in variables]
    if not ndim:
        return _core.apply("make_vector", variables, dtype=dtype)
    return _core.join(axis, [expand_dims(v, axis) for v in variables])


def stacklists(arg: Any) -> Any:
    """A tensor from (nested) lists of tensors of one shape."""
    if isinstance(arg, (list, tuple)):
        return stack([stacklists(item) for item in arg])
    return as_tensor_variable(arg)


def vertical_stack(*args: Any) -> Any:
    """Matrices one below another."""
    if len(args) < 2 or any(as_tensor_variable(a).ndim != 2 for a in args):
        raise PhintysTypeError("vertical_stack needs at least two matrices")
    return concatenate(list(args), axis=0)


def horizontal_stack(*args: Any) -> Any:
    """Matrices side by side."""
    if len(args) < 2 or any(as_tensor_variable(a).ndim != 2 for a in args):
        raise PhintysTypeError("horizontal_stack needs at least two matrices")
    return concatenate(list(args), axis=1)


def vstack(tup: Any) -> Any:
    """Tensors one below another, as ``numpy.vstack``: vectors are rows."""
    return concatenate([atleast_2d(t) for t in tup], axis=0)


def hstack(tup: Any) -> Any:
    """Tensors side by side, as ``numpy.hstack``: vectors are joined to a vector."""
    parts = [atleast_1d(t) for t in tup]
    return concatenate(parts, axis=0 if parts and parts[0].ndim == 1 else 1)


def dstack(tup: Any) -> Any:
    """Tensors joined along the third dimension, as ``numpy.dstack``."""
    parts = []
    for t in tup:
        t = atleast_2d(t)
        parts.append(expand_dims(t, 2) if t.ndim == 2 else t)
    return concatenate(parts, axis=2)


def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix; matrices are joined side by side."""
    parts = []
    for t in tup:
        t = atleast_1d(t)
        parts.append(expand_dims(t, 1) if t.ndim == 1 else t)
    return concatenate(parts, axis=1)


def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """`ary` in pieces along `axis`: as many as a number says, or cut at the indices of a list.

    The lengths of pieces of a number differ by at most one, the longer ones come first.
    """
    from phintys.tensor.subtensor import slice_at_axis

    ary = as_tensor_variable(ary)
    axis = normalize_axis(axis, ary.ndim, "array_split")
    if isinstance(indices_or_sections, (int, np.integer)):
        count = int(indices_or_sections)
        if count < 1:
            raise PhintysValueError("array_split: number sections must be larger than 0.")
        length = _core.shape_i(ary, axis)
        short = _core.elemwise("int_div", length, as_length(count, "array_split"))
        longer = _core.elemwise("mod", length, as_length(count, "array_split"))
        cuts = []
        for i in range(1, count):
            cut = as_length(i, "array_split")
            cuts.append(short * cut + _core.elemwise("minimum", longer, cut))
    else:
        cuts = list(indices_or_sections)
    starts, stops = [None, *cuts], [*cuts, None]
    return [slice_at_axis(ary, slice(a, b), axis) for a, b in zip(starts, stops, strict=True)]


def split(x: Any, splits_size: Any, n_splits: int | None = None, axis: Any = 0) -> list[Any]:
    """`x` in pieces of the given sizes along `axis`: the opposite of :func:`join`.

    `splits_size` is a list of lengths (numbers or variables), or a vector of `n_splits` elements.
    ValueError at run time if one is negative or if they do not add up to the length of `x`.
    """
    from phintys.tensor.subtensor import slice_at_axis

    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.ndim, "split")
    if isinstance(splits_size, (list, tuple, np.ndarray)):
        sizes = [as_length(s, "split") for s in splits_size]
    else:
        vector = as_tensor_variable(splits_size)
        count = vector.static_shape[0] if n_splits is None else n_splits
        if count is None:
            raise PhintysValueError("split: n_splits is needed, as the number of sizes is unknown")
        sizes = [as_length(vector[i], "split") for i in range(count)]
    if n_splits is not None and n_splits != len(sizes):
        raise PhintysValueError(f"split: {len(sizes)} sizes for n_splits={n_splits}")
    pieces, start = [], _checked_start(x, sizes, axis)
    for size in sizes:
        stop = start + size
        pieces.append(slice_at_axis(x, slice(start, stop), axis))
        start = stop
    return pieces


def _checked_start(x: Any, sizes: list[Any], axis: int) -> Any:
    """Zero, after a check of the sizes; all slices start from it."""
    from phintys.raise_op import check

    total = as_length(0, "split")
    for size in sizes:
        total = total + size
    conditions = [_core.elemwise("ge", size, as_tensor_variable(0)) for size in sizes]
    conditions.append(_core.elemwise("eq", total, _core.shape_i(x, axis)))
    message = f"split: the sizes must add up to the length of axis {axis}, and none be negative"
    return check(as_length(0, "split"), conditions, message, value_error=True)

"""Shapes: asking for them and changing them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import NotScalarConstantError, PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import (
    as_tensor_variable,
    get_scalar_constant_value,
    op_name,
)

__all__ = [
    "addbroadcast",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "dimshuffle",
    "expand_dims",
    "flatten",
    "is_flat",
    "matrix_transpose",
    "moveaxis",
    "patternbroadcast",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "shape",
    "shape_padaxis",
    "shape_padleft",
    "shape_padright",
    "size",
    "specify_shape",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
    "unbroadcast",
]


def normalize_axis(axis: Any, ndim: int, what: str) -> int:
    """`axis` in ``[0, ndim)``, counted from the end if negative; ValueError if out of range."""
    if isinstance(axis, _core.Variable):
        axis = get_scalar_constant_value(axis)
    if isinstance(axis, np.ndarray) and axis.ndim == 0:
        axis = axis.item()
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise PhintysTypeError(f"{what}: an axis must be an integer, got {axis!r}")
    axis = int(axis)
    if not -ndim <= axis < ndim:
        raise PhintysValueError(
            f"{what}: axis {axis} is out of range for a tensor of {ndim} dimensions"
        )
    return axis % ndim


def as_length(value: Any, what: str) -> Any:
    """`value` as an int64 scalar variable."""
    var = as_tensor_variable(value)
    if var.ndim or var.dtype not in integer_dtypes:
        raise PhintysTypeError(
            f"{what}: a length must be an integer scalar, got {value} {var.type}"
        )
    return _core.cast(var, "int64")


def as_lengths(shape: Any, what: str) -> list[Any]:
    """A shape (a list of numbers and variables, or a vector of known length) as scalars."""
    is_variable = isinstance(shape, _core.Variable)
    if is_variable and shape.ndim == 1:
        length = shape.static_shape[0]
        if length is None:
            raise PhintysValueError(
                f"{what}: the length of the shape vector {shape} must be known. "
                "Use a list of scalars"
            )
        made = op_name(shape) == "make_vector"
        return [
            as_length(n, what)
            for n in (shape.owner.inputs if made else map(shape.__getitem__, range(length)))
        ]
    if isinstance(shape, np.ndarray) and shape.ndim == 1:
        shape = shape.tolist()
    if not isinstance(shape, (list, tuple)):
        shape = [shape]
    return [as_length(n, what) for n in shape]


def shape(x: Any) -> Any:
    """The shape of `x`: an int64 vector of ``x.ndim`` elements."""
    x = as_tensor_variable(x)
    if not x.ndim:
        return _core.constant(np.zeros(0, "int64"), None)
    return _core.make_vector([_core.shape_i(x, i) for i in range(x.ndim)])


def size(x: Any) -> Any:
    """The number of elements of `x`: an int64 scalar."""
    x = as_tensor_variable(x)
    result = as_length(1, "size")
    for i in range(x.ndim):
        result = result * _core.shape_i(x, i) if i else _core.shape_i(x, 0)
    return result


def dimshuffle(x: Any, pattern: Sequence[Any]) -> Any:
    """Reorders dimensions by `pattern`: indices of dimensions of `x`, or ``'x'`` for a new one.

    Raises ValueError if a dimension appears twice, does not exist, or is left out though it is not
    known to have length 1.
    """
    x = as_tensor_variable(x)
    order = []
    for entry in pattern:
        if isinstance(entry, str):
            if entry != "x":
                raise PhintysValueError(
                    f"dimshuffle: pattern entry {entry!r} is neither 'x' nor an index"
                )
            order.append(-1)
        else:
            order.append(normalize_axis(entry, x.ndim, "dimshuffle"))
    return _core.dimshuffle(x, order)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The dimensions in the order `axes`, reversed by default."""
    x = as_tensor_variable(x)
    if axes is None:
        axes = range(x.ndim - 1, -1, -1)
    if len(axes) != x.ndim:
        raise PhintysValueError(f"transpose: axes {tuple(axes)} do not match {x.ndim} dimensions")
    return dimshuffle(x, axes)


def matrix_transpose(x: Any) -> Any:
    """`x` with its last two dimensions swapped."""
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """`x` with two dimensions swapped."""
    x = as_tensor_variable(x)
    a = normalize_axis(axis1, x.ndim, "swapaxes")
    b = normalize_axis(axis2, x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return _core.dimshuffle(x, order)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """`x` with dimensions `source` moved to the positions `destination`."""
    x = as_tensor_variable(x)
    sources = source if isinstance(source, (list, tuple)) else [source]
    targets = destination if isinstance(destination, (list, tuple)) else [destination]
    sources = [normalize_axis(a, x.ndim, "moveaxis") for a in sources]
    targets = [normalize_axis(a, x.ndim, "moveaxis") for a in targets]
    if len(sources) != len(targets) or len(set(sources)) != len(sources):
        raise PhintysValueError("moveaxis: source and destination must name as many dimensions")
    order = [i for i in range(x.ndim) if i not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return _core.dimshuffle(x, order)


def _static_shape_vector(newshape: Any) -> tuple[Any, int]:
    """A shape as an int64 vector variable, and its length."""
    if isinstance(newshape, _core.Variable) and newshape.ndim == 1:
        if newshape.dtype not in integer_dtypes:
            raise PhintysTypeError(f"reshape: the shape must be of integers, got {newshape.type}")
        length = newshape.static_shape[0]
        if length is None:
            raise PhintysValueError(
                "The length of the provided shape cannot be automatically determined, so Phintys "
                "is not able to know what the number of dimensions of the reshaped variable will "
                "be. You can provide the 'ndim' keyword argument to 'reshape' to avoid this."
            )
        return newshape, length
    scalars = newshape if isinstance(newshape, (list, tuple, np.ndarray)) else [newshape]
    if all(isinstance(n, (int, np.integer)) for n in scalars):
        return _core.constant(np.array([int(n) for n in scalars], "int64"), None), len(scalars)
    lengths = [as_length(n, "reshape") for n in scalars]
    return _core.make_vector(lengths), len(lengths)


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Any:
    """The elements of `x`, in C order, in another shape.

    Parameters
    ----------
    x
        A tensor.
    newshape
        Lengths, numbers or variables, of which one may be -1; or an integer vector.
    ndim
        The rank of the result; needed if `newshape` is a vector of unknown length.

    Raises
    ------
    ValueError
        The rank cannot be known, or (when the function runs) the number of elements differs.
    """
    x = as_tensor_variable(x)
    if ndim is not None and isinstance(newshape, _core.Variable) and newshape.ndim == 1:
        known = newshape.static_shape[0]
        if known is None:
            return _core.reshape(x, newshape, int(ndim))
    vector, length = _static_shape_vector(newshape)
    if ndim is not None and int(ndim) != length:
        raise PhintysValueError(
            f"reshape: the shape has {length} elements, but ndim={ndim} was asked for"
        )
    return _core.reshape(x, vector, length)


def flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> Any:
    """The first ``ndim - 1`` dimensions of `x` and one for all the others."""
    ndim = outdim if ndim is None else ndim
    ndim = 1 if ndim is None else ndim
    x = as_tensor_variable(x)
    if ndim < 1 or (ndim > x.ndim and ndim > 1):
        raise PhintysValueError(f"ndim {ndim} out of bound [1, {x.ndim + 1})")
    if ndim == x.ndim:
        return x
    lengths = [_core.shape_i(x, i) for i in range(ndim - 1)]
    vector = _core.make_vector([*lengths, as_length(-1, "flatten")])
    return _core.reshape(x, vector, ndim)


def ravel(x: Any) -> Any:
    """The elements of `x` as a vector."""
    return flatten(x)


def is_flat(var: Any, ndim: int | None = None, outdim: int | None = None) -> bool:
    """True iff `var` has `ndim` dimensions, by default 1; `outdim` is its older name."""
    wanted = ndim if ndim is not None else outdim
    return bool(as_tensor_variable(var).ndim == (1 if wanted is None else wanted))


def shape_padleft(t: Any, n_ones: int = 1) -> Any:
    """`t` with `n_ones` new dimensions of length 1 on the left."""
    t = as_tensor_variable(t)
    return _core.dimshuffle(t, [-1] * n_ones + list(range(t.ndim)))


def shape_padright(t: Any, n_ones: int = 1) -> Any:
    """`t` with `n_ones` new dimensions of length 1 on the right."""
    t = as_tensor_variable(t)
    return _core.dimshuffle(t, list(range(t.ndim)) + [-1] * n_ones)


def shape_padaxis(t: Any, axis: int) -> Any:
    """`t` with a new dimension of length 1 at `axis`."""
    t = as_tensor_variable(t)
    axis = normalize_axis(axis, t.ndim + 1, "shape_padaxis")
    order = list(range(t.ndim))
    order.insert(axis, -1)
    return _core.dimshuffle(t, order)


def expand_dims(x: Any, axis: Any) -> Any:
    """`x` with new dimensions of length 1 at the positions `axis` of the result."""
    x = as_tensor_variable(x)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    ndim = x.ndim + len(axes)
    places = {normalize_axis(a, ndim, "expand_dims") for a in axes}
    rest = iter(range(x.ndim))
    return _core.dimshuffle(x, [-1 if i in places else next(rest) for i in range(ndim)])


def _atleast(x: Any, ndim: int) -> Any:
    x = as_tensor_variable(x)
    return x if x.ndim >= ndim else shape_padleft(x, ndim - x.ndim)


def atleast_1d(x: Any) -> Any:
    """`x` with at least 1 dimension."""
    return _atleast(x, 1)


def atleast_2d(x: Any) -> Any:
    """`x` with at least 2 dimensions, new ones on the left."""
    return _atleast(x, 2)


def atleast_3d(x: Any) -> Any:
    """`x` with at least 3 dimensions, new ones on the left."""
    return _atleast(x, 3)


def squeeze(x: Any, axis: Any = None) -> Any:
    """`x` without the dimensions `axis`, by default without all known to have length 1."""
    x = as_tensor_variable(x)
    if axis is None:
        drop = {i for i in range(x.ndim) if x.broadcastable[i]}
    else:
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        drop = {normalize_axis(a, x.ndim, "squeeze") for a in axes}
        unknown = [i for i in sorted(drop) if not x.broadcastable[i]]
        if unknown:
            x = addbroadcast(x, *unknown)
    return _core.dimshuffle(x, [i for i in range(x.ndim) if i not in drop])


def specify_shape(x: Any, shape: Any) -> Any:
    """`x`, whose shape is declared, which is checked when the function runs: AssertionError.

    `shape` is a list with a length (a number, an integer scalar variable) or None, for which
    nothing is declared, for each dimension; or an integer vector of known length. Only numbers
    become part of the type.
    """
    from phintys.raise_op import check

    x = as_tensor_variable(x)
    entries = shape if isinstance(shape, (list, tuple)) else [shape]
    if isinstance(shape, (_core.Variable, np.ndarray)) and shape.ndim == 1:
        entries = as_lengths(shape, "specify_shape")
    if len(entries) != x.ndim:
        raise PhintysValueError(f"specify_shape: {len(entries)} lengths for {x.ndim} dimensions")
    dims, conditions = [], []
    for axis, (known, entry) in enumerate(zip(x.static_shape, entries, strict=True)):
        dims.append(-1 if known is None else known)
        if entry is None:
            continue
        length = as_length(entry, "specify_shape")
        try:
            dims[-1] = int(get_scalar_constant_value(length))
        except NotScalarConstantError:
            conditions.append(_core.elemwise("eq", _core.shape_i(x, axis), length))
    x = _core.apply("specify_shape", [x], dims=dims, rebroadcast=False)
    return check(x, conditions, "SpecifyShape: got another shape") if conditions else x


def _rebroadcast(x: Any, changes: dict[int, bool]) -> Any:
    x = as_tensor_variable(x)
    if builtins.all(x.broadcastable[i] == flag for i, flag in changes.items()):
        return x
    dims = [-1 if n is None else n for n in x.static_shape]
    for axis, flag in changes.items():
        if flag:
            dims[axis] = 1
        elif dims[axis] == 1:
            dims[axis] = -1
    return _core.apply("specify_shape", [x], dims=dims, rebroadcast=True)


def addbroadcast(x: Any, *axes: int) -> Any:
    """`x`, declared to have length 1 in the dimensions `axes`; checked when the function runs."""
    x = as_tensor_variable(x)
    return _rebroadcast(x, {normalize_axis(a, x.ndim, "addbroadcast"): True for a in axes})


def unbroadcast(x: Any, *axes: int) -> Any:
    """`x`, with what is known of the lengths of the dimensions `axes` forgotten."""
    x = as_tensor_variable(x)
    return _rebroadcast(x, {normalize_axis(a, x.ndim, "unbroadcast"): False for a in axes})


def patternbroadcast(x: Any, broadcastable: Sequence[Any]) -> Any:
    """`x` with the given broadcastable flags; those declared are checked when the function runs."""
    x = as_tensor_variable(x)
    if len(broadcastable) != x.ndim:
        raise PhintysValueError(
            f"patternbroadcast: {len(broadcastable)} flags for {x.ndim} dimensions"
        )
    return _rebroadcast(x, {i: bool(flag) for i, flag in enumerate(broadcastable)})


def tile(x: Any, reps: Any, ndim: int | None = None) -> Any:
    """`x` repeated `reps` times (an integer, variable, or list of them) in each dimension."""
    x = as_tensor_variable(x)
    if ndim is not None and isinstance(reps, _core.Variable) and reps.ndim == 1:
        reps = [reps[i] for i in range(ndim)] if reps.static_shape[0] is None else reps
    if not isinstance(reps, (list, tuple)):
        reps = as_lengths(reps, "tile")
    counts = [as_length(r, "tile") for r in reps]
    rank = max(len(counts), x.ndim, ndim or 0)
    if ndim is not None and ndim < max(len(counts), x.ndim):
        raise PhintysValueError(f"tile: ndim={ndim} is less than the rank {rank} of the result")
    counts = [as_length(1, "tile")] * (rank - len(counts)) + counts
    x = shape_padleft(x, rank - x.ndim) if rank > x.ndim else x
    lengths = [_core.shape_i(x, i) for i in range(rank)]
    spread, target = [], []
    for i in range(rank):
        spread += [-1, i]
        target += [counts[i], lengths[i]]
    wide = _core.alloc(_core.dimshuffle(x, spread), target)
    sizes = [count * length for count, length in zip(counts, lengths, strict=True)]
    return _core.reshape(wide, _core.make_vector(sizes), rank) if rank else x


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element of `x` `repeats` times along `axis`, by default along the flattened `x`.

    `repeats` is an integer scalar, or a vector with a count for each element along `axis`.
    """
    x = as_tensor_variable(x)
    if axis is None:
        x, axis = flatten(x), 0
    axis = normalize_axis(axis, x.ndim, "repeat")
    count = as_tensor_variable(repeats)
    if count.dtype not in integer_dtypes:
        raise PhintysTypeError(f"repeat: repeats must be integers, got {count.type}")
    if count.ndim == 1 and count.broadcastable[0]:
        count = _core.dimshuffle(count, [])
    if count.ndim:
        return _repeat_each(x, count, axis)
    count = as_length(count, "repeat")
    lengths = [_core.shape_i(x, i) for i in range(x.ndim)]
    spread = [*range(axis + 1), -1, *range(axis + 1, x.ndim)]
    target = [*lengths[: axis + 1], count, *lengths[axis + 1 :]]
    wide = _core.alloc(_core.dimshuffle(x, spread), target)
    lengths[axis] = lengths[axis] * count
    return _core.reshape(wide, _core.make_vector(lengths), x.ndim)


def _repeat_each(x: Any, counts: Any, axis: int) -> Any:
    from phintys.raise_op import check
    from phintys.tensor.indexing import take

    if counts.ndim != 1:
        raise PhintysTypeError(
            f"repeat: repeats must be an integer scalar or vector, got {counts} of {counts.type}"
        )
    if counts.is_constant:
        if (counts.data < 0).any():
            raise PhintysValueError("repeat: repeats may not contain negative values")
        index: Any = np.repeat(np.arange(counts.data.size), counts.data)
    else:
        total = _core.cast(counts, "int64").sum()
        index = _core.apply("repeat_indices", [counts, total])
    known, length = x.static_shape[axis], counts.static_shape[0]
    if known is not None and length is not None and known != length:
        raise PhintysValueError(f"repeat: {length} repeats for a dimension of length {known}")
    if known is None or length is None:
        fits = _core.elemwise("eq", _core.shape_i(x, axis), _core.shape_i(counts, 0))
        message = f"repeat: there must be as many repeats as elements along axis {axis}"
        index = check(index, [fits], message, value_error=True)
    return take(x, index, axis)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """`x` with its elements moved by `shift` along `axis`; those that leave re-enter.

    Tuples shift along several dimensions. By default the flattened `x` is shifted.
    """
    from phintys.tensor.join import join
    from phintys.tensor.subtensor import slice_at_axis

    x = as_tensor_variable(x)
    if axis is None:
        flat = flatten(x)
        return reshape(roll(flat, shift, 0), shape_list(x)) if x.ndim != 1 else roll(flat, shift, 0)
    if isinstance(axis, (list, tuple)):
        shifts = list(shift) if isinstance(shift, (list, tuple)) else [shift] * len(axis)
        if len(shifts) != len(axis):
            raise PhintysValueError(f"roll: {len(shifts)} shifts for {len(axis)} dimensions")
        for by, one in zip(shifts, axis, strict=True):
            x = roll(x, by, one)
        return x
    axis = normalize_axis(axis, x.ndim, "roll")
    length = _core.shape_i(x, axis)
    # An empty dimension has nothing to move; 1 avoids a division by zero.
    positive = _core.elemwise("maximum", length, as_length(1, "roll"))
    start = _core.elemwise("mod", -as_length(shift, "roll"), positive)
    return join(
        axis, slice_at_axis(x, slice(start, None), axis), slice_at_axis(x, slice(None, start), axis)
    )


def shape_list(x: Any) -> list[Any]:
    """The shape of `x` as a list of int64 scalars."""
    return [_core.shape_i(x, i) for i in range(x.ndim)]

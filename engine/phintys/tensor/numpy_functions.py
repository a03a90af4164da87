"""Functions of NumPy that are expressions of other functions, under NumPy's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysIndexError, PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.counting import searchsorted
from phintys.tensor.creation import arange, ones_like, zeros_like
from phintys.tensor.diagonal import diag
from phintys.tensor.elemwise import cast, imag
from phintys.tensor.elemwise import round as round_elements
from phintys.tensor.join import concatenate
from phintys.tensor.reduction import all as all_of
from phintys.tensor.scans import cumprod, cumsum
from phintys.tensor.shape import atleast_1d, expand_dims, moveaxis, normalize_axis, transpose
from phintys.tensor.subtensor import getitem, set_subtensor, slice_at_axis

__all__ = [
    "append",
    "array_equal",
    "astype",
    "block",
    "concat",
    "convolve",
    "correlate",
    "cumulative_prod",
    "cumulative_sum",
    "delete",
    "diag_indices_from",
    "diagflat",
    "ediff1d",
    "fix",
    "insert",
    "interp",
    "iscomplex",
    "isin",
    "isreal",
    "nancumprod",
    "nancumsum",
    "permute_dims",
    "polyval",
    "trapezoid",
    "unstack",
    "unwrap",
    "vander",
]


def _floating(x: Any) -> Any:
    x = as_tensor_variable(x)
    return cast(x, "float64") if x.dtype == "bool" or "int" in str(x.dtype) else x


# --- dtypes and tests ---------------------------------------------------------------------------


def astype(x: Any, dtype: Any) -> Any:
    """The elements of `x` as `dtype`."""
    return cast(x, dtype)


def fix(x: Any) -> Any:
    """`x` rounded towards zero; integers as they are."""
    x = as_tensor_variable(x)
    return x if x.dtype == "bool" or "int" in str(x.dtype) else _core.elemwise("trunc", x)


def isreal(x: Any) -> Any:
    """True where the imaginary part of `x` is 0."""
    return _core.elemwise("eq", imag(as_tensor_variable(x)), 0)


def iscomplex(x: Any) -> Any:
    """True where the imaginary part of `x` is not 0."""
    return _core.elemwise("neq", imag(as_tensor_variable(x)), 0)


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether both have the same shape and elements: a scalar of dtype bool.

    Ranks that differ are False; lengths that differ are an error when the function runs.
    """
    a, b = as_tensor_variable(a1), as_tensor_variable(a2)
    if a.ndim != b.ndim:
        return as_tensor_variable(np.asarray(False))
    same = _core.elemwise("eq", a, b)
    if equal_nan:
        both = _core.elemwise("and_", _core.elemwise("isnan", a), _core.elemwise("isnan", b))
        same = _core.elemwise("or_", same, both)
    return all_of(same)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False
) -> Any:
    """True where an element of `element` is one of `test_elements`; the shape is `element`'s.

    `assume_unique` is NumPy's and has no effect.
    """
    x, values = as_tensor_variable(element), as_tensor_variable(test_elements).flatten()
    ordered = values.sort()
    place = searchsorted(ordered, x.flatten())
    # One more element behind the last: every place exists then.
    padded = concatenate([ordered, np.zeros(1, ordered.dtype)])
    inside = _core.elemwise("lt", place, ordered.shape[0])
    found = _core.elemwise("and_", _core.elemwise("eq", padded[place], x.flatten()), inside)
    found = found.reshape(x.shape, ndim=x.ndim)
    return ~found if invert else found


# --- joins and parts ----------------------------------------------------------------------------


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """`values` behind `arr` along `axis`; both flattened if it is None."""
    return concatenate([as_tensor_variable(v) for v in (arr, values)], axis)


def concat(arrays: Any, axis: int | None = 0) -> Any:
    """The tensors one after another along `axis`; flattened if it is None."""
    return concatenate(arrays, axis)


def permute_dims(a: Any, axes: Sequence[int] | None = None) -> Any:
    """The dimensions of `a` in the order `axes`, reversed by default."""
    return transpose(a, axes)


def block(arrays: Any) -> Any:
    """A tensor of nested lists of blocks: the innermost lists are joined along the last dimension.

    ValueError if lists and tensors are mixed at one depth.
    """
    depth, level = 0, arrays
    while isinstance(level, list):
        if not level:
            raise PhintysValueError("block: a list is empty")
        depth, level = depth + 1, level[0]
    leaves: list[Any] = []
    _collect(arrays, depth, leaves)
    ndim = max([depth, *[leaf.ndim for leaf in leaves]])
    return _joined_blocks(arrays, depth, ndim)


def _collect(part: Any, depth: int, leaves: list[Any]) -> None:
    if isinstance(part, list) != (depth > 0):
        raise PhintysValueError("block: lists are nested to different depths")
    if depth == 0:
        leaves.append(as_tensor_variable(part))
        return
    for item in part:
        _collect(item, depth - 1, leaves)


def _joined_blocks(part: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        return as_tensor_variable(part, ndim=ndim)
    return concatenate([_joined_blocks(item, depth - 1, ndim) for item in part], -depth)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The parts of `x` along `axis`, whose length must be known when the graph is built."""
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.ndim, "unstack")
    length = x.static_shape[axis]
    if length is None:
        raise PhintysValueError(f"unstack: the length of dimension {axis} of {x} is not known")
    first = moveaxis(x, axis, 0)
    return tuple(first[i] for i in range(length))


def _places(obj: Any, what: str) -> Any:
    if isinstance(obj, (int, np.integer, slice)):
        return obj
    places = np.asarray(obj)
    if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
        raise PhintysTypeError(f"{what}: the places are an integer, a slice or a list of integers")
    return places.astype("int64")


def _flat_or_axis(arr: Any, axis: int | None, what: str) -> tuple[Any, int]:
    x = as_tensor_variable(arr)
    if axis is None:
        return x.flatten(), 0
    return x, normalize_axis(axis, x.ndim, what)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """`arr` without the places `obj` along `axis`, flattened if that is None.

    `obj` is an integer, a slice or a list of integers, negative ones from the end. IndexError when
    the function runs for places that do not exist.
    """
    x, axis = _flat_or_axis(arr, axis, "delete")
    places = _places(obj, "delete")
    if isinstance(places, (int, np.integer)):
        places = np.asarray([places], "int64")
    keep = ones_like(arange(x.shape[axis]), dtype="bool")
    keep = set_subtensor(keep[places], as_tensor_variable(np.asarray(False)))
    index = (slice(None),) * axis + (keep.nonzero()[0],)
    return getitem(x, index)


def insert(arr: Any, obj: int, values: Any, axis: int | None = None) -> Any:
    """`arr` with `values` in front of place `obj`, an integer, along `axis`; flattened if None."""
    if not isinstance(obj, (int, np.integer)):
        raise PhintysTypeError(f"insert: the place is an integer, got {obj!r}")
    x, axis = _flat_or_axis(arr, axis, "insert")
    v = _core.cast(as_tensor_variable(values), x.dtype)
    if v.ndim > x.ndim:
        raise PhintysIndexError(f"insert: {v.ndim} dimensions of values for {x.ndim} of the array")
    before, after = (slice_at_axis(x, s, axis) for s in (slice(None, obj), slice(obj, None)))
    if v.ndim < x.ndim or x.ndim > 1:
        # NumPy's rule: the values' first dimension is the one that is joined.
        v = moveaxis(v, 0, axis) if v.ndim == x.ndim else expand_dims(v, axis if v.ndim else 0)
        v = zeros_like(slice_at_axis(x, slice(0, 1), axis)) + v
    return concatenate([before, v, after], axis)


def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix whose `k`-th diagonal holds the elements of `v`."""
    return diag(as_tensor_variable(v).flatten(), k)


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """The indices of the main diagonal of `arr`, one int64 vector for each dimension."""
    x = as_tensor_variable(arr)
    if x.ndim < 2:
        raise PhintysValueError("input array must be at least 2-d")
    return (arange(x.shape[0]),) * x.ndim


# --- running results, differences, integrals --------------------------------------------------


def _cumulative(function: Any, x: Any, axis: Any, dtype: Any, initial: float | None) -> Any:
    x = as_tensor_variable(x)
    if axis is None:
        if x.ndim > 1:
            raise PhintysValueError("For arrays which have more than one dimension axis is needed")
        axis = 0
    result = function(atleast_1d(x), axis, dtype)
    if initial is None:
        return result
    first = slice_at_axis(atleast_1d(x), slice(0, 1), axis)
    start = zeros_like(first, dtype=result.dtype) + np.asarray(initial, result.dtype)
    return concatenate([start, result], axis)


def cumulative_sum(
    x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Running sums along `axis`, which may be left out for vectors; from 0 if asked for."""
    return _cumulative(cumsum, x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """Running products along `axis`, which may be left out for vectors; from 1 if asked for."""
    return _cumulative(cumprod, x, axis, dtype, 1 if include_initial else None)


def _without_nan(a: Any, instead: float) -> Any:
    a = as_tensor_variable(a)
    if a.dtype == "bool" or "int" in a.dtype:
        return a
    return _core.elemwise("switch", _core.elemwise("isnan", a), np.asarray(instead, a.dtype), a)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sums where NaN counts as 0."""
    return cumsum(_without_nan(a, 0), axis, dtype)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running products where NaN counts as 1."""
    return cumprod(_without_nan(a, 1), axis, dtype)


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened `ary`, between `to_begin` and `to_end`."""
    flat = as_tensor_variable(ary).flatten()
    parts = [flat[1:] - flat[:-1]]
    if to_begin is not None:
        parts.insert(0, _core.cast(as_tensor_variable(to_begin).flatten(), flat.dtype))
    if to_end is not None:
        parts.append(_core.cast(as_tensor_variable(to_end).flatten(), flat.dtype))
    return concatenate(parts) if len(parts) > 1 else parts[0]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of `y` along `axis` by the trapezoidal rule, at points `x` or spaced by `dx`."""
    y = as_tensor_variable(y)
    axis = normalize_axis(axis, y.ndim, "trapezoid")
    left, right = (slice_at_axis(y, s, axis) for s in (slice(None, -1), slice(1, None)))
    steps: Any = dx
    if x is not None:
        points = as_tensor_variable(x)
        if points.ndim == 1:
            steps = points[1:] - points[:-1]
            steps = _core.dimshuffle(steps, [0 if i == axis else -1 for i in range(y.ndim)])
        else:
            along = normalize_axis(axis, points.ndim, "trapezoid")
            steps = slice_at_axis(points, slice(1, None), along) - slice_at_axis(
                points, slice(None, -1), along
            )
    return (steps * (left + right) / np.float32(2)).sum(axis=axis)


def unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Any:
    """`p` with jumps along `axis` larger than `discont` changed by multiples of `period`.

    `discont` is half a period by default, and at least that.
    """
    p = _floating(p)
    axis = normalize_axis(axis, p.ndim, "unwrap")
    half = period / 2
    step = slice_at_axis(p, slice(1, None), axis) - slice_at_axis(p, slice(None, -1), axis)

    def const(value: float) -> Any:
        return np.asarray(value, p.dtype)

    wrapped = (step + const(half)) % const(period) - const(half)
    edge = _core.elemwise("and_", _core.elemwise("eq", wrapped, const(-half)), step > const(0))
    wrapped = _core.elemwise("switch", edge, const(half), wrapped)
    limit = half if discont is None else discont
    small = _core.elemwise("lt", _core.elemwise("abs_", step), const(limit))
    change = _core.elemwise("switch", small, const(0), wrapped - step)
    first = slice_at_axis(p, slice(None, 1), axis)
    rest = slice_at_axis(p, slice(1, None), axis) + cumsum(change, axis)
    return concatenate([first, rest], axis)


# --- signals and polynomials ----------------------------------------------------------------------


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The convolution of two vectors: ``'full'``, ``'same'`` or ``'valid'`` part of it.

    ``'same'`` needs vectors of known length or `a` at least as long as `v`. ValueError for other
    modes or ranks.
    """
    a, v = as_tensor_variable(a), as_tensor_variable(v)
    if a.ndim != 1 or v.ndim != 1:
        raise PhintysValueError(f"convolve takes vectors, got {a.type} and {v.type}")
    if mode not in ("full", "same", "valid"):
        raise PhintysValueError(f"convolve: mode is 'full', 'same' or 'valid', not {mode!r}")
    dtype = (a[:1] * v[:1]).dtype
    wide = dtype if dtype.startswith("float") else "float64"
    if dtype.startswith("complex"):
        raise PhintysTypeError("convolve does not support complex vectors")
    from phintys.tensor.signal.conv import conv2d

    image, kernel = (_core.dimshuffle(_core.cast(x, wide), [-1, 0]) for x in (a, v))
    full = conv2d(image, kernel, border_mode="full")[0]
    n, m = a.shape[0], v.shape[0]
    shorter = _core.elemwise("minimum", n, m)
    if mode == "valid":
        full = full[shorter - 1 : _core.elemwise("maximum", n, m)]
    elif mode == "same":
        start = (shorter - 1) // 2
        full = full[start : start + _core.elemwise("maximum", n, m)]
    if wide == dtype:
        return full
    return _core.cast(round_elements(full), dtype)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The cross-correlation of two vectors; modes as in :func:`convolve`."""
    return convolve(a, as_tensor_variable(v)[::-1], mode)


def polyval(p: Any, x: Any) -> Any:
    """The polynomial with coefficients `p`, the highest power first, at `x`.

    The number of coefficients must be known when the graph is built, unless `p` is a constant.
    """
    p, x = as_tensor_variable(p), as_tensor_variable(x)
    length = p.static_shape[0] if p.ndim == 1 else None
    if length is None:
        raise PhintysValueError(f"polyval: the number of coefficients of {p} is not known")
    result = zeros_like(x)
    for k in range(length):
        result = result * x + p[k]
    return result


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of powers of a vector: ``x**(N-1), ..., 1`` as columns, or in rising order."""
    x = as_tensor_variable(x)
    if x.ndim != 1:
        raise PhintysValueError("x must be a one-dimensional array or sequence.")
    count: Any = x.shape[0] if N is None else N
    powers = arange(count)
    if not increasing:
        powers = powers[::-1]
    wide = _core.cast(x, "int64") if "int" in str(x.dtype) or x.dtype == "bool" else x
    exponents = powers if wide.dtype == "int64" else _core.cast(powers, wide.dtype)
    return _core.dimshuffle(wide, [0, -1]) ** _core.dimshuffle(exponents, [-1, 0])


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Linear interpolation at `x` of the points (`xp`, `fp`), where `xp` rises.

    Beyond the ends it is `left` and `right`, by default the first and the last of `fp`. The result
    has the shape of `x` and is floating. Gradients are those of the straight lines. `period` is not
    supported: TypeError.
    """
    if period is not None:
        raise PhintysTypeError("interp: period is not supported")
    x, xp, fp = _floating(x), _floating(xp), _floating(fp)
    if xp.ndim != 1 or fp.ndim != 1:
        raise PhintysValueError("Data points must be 1-D sequences")
    last = xp.shape[0] - 1
    flat = x.flatten()
    upper = _core.elemwise("clip", searchsorted(xp, flat, side="right"), 1, last)
    lower = upper - 1
    x0, y0 = xp[lower], fp[lower]
    width = xp[upper] - x0
    width = _core.elemwise("switch", _core.elemwise("eq", width, 0), ones_like(width), width)
    result = y0 + (fp[upper] - y0) / width * (flat - x0)
    low = fp[0] if left is None else _core.cast(as_tensor_variable(left), fp.dtype)
    high = fp[-1] if right is None else _core.cast(as_tensor_variable(right), fp.dtype)
    result = _core.elemwise("switch", _core.elemwise("lt", flat, xp[0]), low, result)
    result = _core.elemwise("switch", _core.elemwise("gt", flat, xp[-1]), high, result)
    result = _core.elemwise("switch", _core.elemwise("eq", flat, xp[-1]), fp[-1], result)
    return result.reshape(x.shape, ndim=x.ndim)

"""Padding: NumPy's ``pad``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import phintys as _phintys
from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import discrete_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import cast
from phintys.tensor.shape import as_length, shape_list

__all__ = ["pad"]

_e = _core.elemwise


def _pairs(value: Any, ndim: int, what: str) -> list[tuple[Any, Any]]:
    """NumPy's forms of a (before, after) pair for each dimension."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return [(value, value)] * ndim
    rows = list(value)
    if len(rows) == 1 and not isinstance(rows[0], (list, tuple, np.ndarray)):
        return [(rows[0], rows[0])] * ndim
    if len(rows) == 2 and not any(isinstance(r, (list, tuple, np.ndarray)) for r in rows):
        return [(rows[0], rows[1])] * ndim
    if len(rows) == 1:
        rows = rows * ndim
    if len(rows) != ndim:
        raise PhintysValueError(f"pad: {what} has {len(rows)} entries for {ndim} dimensions")
    pairs = []
    for row in rows:
        row = list(row) if isinstance(row, (list, tuple, np.ndarray)) else [row]
        if len(row) not in (1, 2):
            raise PhintysValueError(f"pad: each entry of {what} must be (before, after)")
        pairs.append((row[0], row[-1]))
    return pairs


def _length(value: Any) -> Any:
    if isinstance(value, (int, np.integer)) and value < 0:
        raise PhintysValueError("index can't contain negative values")
    return as_length(value, "pad")


def _nothing(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and value == 0


def _at(x: Any, axis: int, where: slice) -> Any:
    from phintys.tensor.subtensor import slice_at_axis

    return slice_at_axis(x, where, axis)


def _between(x: Any, axis: int, parts: list[Any]) -> Any:
    from phintys.tensor.join import join

    given = [p for p in parts if p is not None]
    return join(axis, *given) if len(given) > 1 else given[0]


def _block(value: Any, x: Any, axis: int, length: Any) -> Any:
    """`value`, which broadcasts to `x`, `length` times along `axis`."""
    lengths = shape_list(x)
    lengths[axis] = length
    return _core.alloc(_core.cast(value, x.dtype), lengths)


def _pad_constant(x: Any, widths: list[tuple[Any, Any]], constant_values: Any = 0) -> Any:
    from phintys.tensor.subtensor import getitem, set_subtensor

    values = _pairs(constant_values, x.ndim, "constant_values")
    flat = [v for pair in values for v in pair]
    if all(v is flat[0] or (np.isscalar(v) and v == flat[0]) for v in flat):
        lengths, inside = [], []
        for n, (before, after) in zip(shape_list(x), widths, strict=True):
            start = _length(before)
            lengths.append(start + n + _length(after))
            inside.append(slice(start, start + n))
        whole = _core.alloc(_core.cast(as_tensor_variable(flat[0]), x.dtype), lengths)
        return set_subtensor(getitem(whole, tuple(inside)), x)
    for axis, (pair, value) in enumerate(zip(widths, values, strict=True)):
        sides = [
            None if _nothing(n) else _block(as_tensor_variable(v), x, axis, _length(n))
            for n, v in zip(pair, value, strict=True)
        ]
        x = _between(x, axis, [sides[0], x, sides[1]])
    return x


def _positions(before: Any, n: Any, after: Any) -> Any:
    from phintys.tensor.creation import arange

    return arange(-_length(before), n + _length(after))


def _rows(x: Any, axis: int, index: Any) -> Any:
    from phintys.tensor.indexing import take

    return take(x, index, axis)


def _as_factor(v: Any, x: Any, axis: int) -> Any:
    order = [-1] * x.ndim
    order[axis] = 0
    return _core.cast(_core.dimshuffle(v, order), x.dtype)


def _pad_edge(x: Any, axis: int, before: Any, after: Any) -> Any:
    n = _core.shape_i(x, axis)
    index = _e("clip", _positions(before, n, after), as_length(0, "pad"), n - 1)
    return _rows(x, axis, index)


def _pad_wrap(x: Any, axis: int, before: Any, after: Any) -> Any:
    n = _core.shape_i(x, axis)
    return _rows(x, axis, _e("mod", _positions(before, n, after), _e("maximum", n, _one())))


def _one() -> Any:
    return as_length(1, "pad")


def _mirrored(
    x: Any, axis: int, before: Any, after: Any, reflect_type: str, edge_twice: bool
) -> Any:
    """Reflection at the edges, of which one period is up and one down.

    An odd reflection turns the values about those of the edges: from one pair of periods to the
    next they grow by twice the difference of the edges.
    """
    if reflect_type not in ("even", "odd"):
        raise PhintysValueError(f"pad: unsupported reflect_type {reflect_type!r}")
    n = _core.shape_i(x, axis)
    span = n if edge_twice else _e("maximum", n - 1, _one())
    place = _positions(before, n, after)
    within = _e("mod", place, span * 2)
    last = n - 1
    down = span * 2 - 1 - within if edge_twice else span * 2 - within
    rising = _e("le", within, last)
    index = _e("clip", _e("switch", rising, within, down), as_length(0, "pad"), last)
    rows = _rows(x, axis, index)
    if reflect_type == "even":
        return rows
    first_edge, last_edge = _at(x, axis, slice(0, 1)), _at(x, axis, slice(-1, None))
    first_edge, last_edge = _fixed(first_edge, axis), _fixed(last_edge, axis)
    order = [-1] * x.ndim
    order[axis] = 0
    turned = _e("switch", _core.dimshuffle(rising, order), rows, last_edge * 2 - rows)
    rounds = _as_factor(_e("int_div", place, span * 2), x, axis)
    return _core.cast(turned + rounds * 2 * (last_edge - first_edge), x.dtype)


def _fixed(x: Any, axis: int) -> Any:
    from phintys.tensor.shape import addbroadcast

    return addbroadcast(x, axis)


def _pad_ramp(x: Any, axis: int, before: Any, after: Any, ends: tuple[Any, Any]) -> Any:
    from phintys.tensor.creation import arange

    discrete = x.dtype in discrete_dtypes
    work = "float64" if discrete else x.dtype

    def ramp(width: Any, end: Any, edge: Any, leftwards: bool) -> Any:
        if _nothing(width):
            return None
        n = _length(width)
        step = arange(n)
        step = step if leftwards else n - 1 - step
        order = [-1] * x.ndim
        order[axis] = 0
        end = _core.cast(as_tensor_variable(end), work)
        rise = (_core.cast(edge, work) - end) / _core.cast(n, work)
        values = _core.cast(_core.dimshuffle(step, order), work) * rise + end
        return cast(_e("floor", values), x.dtype) if discrete else values

    first = _fixed(_at(x, axis, slice(0, 1)), axis)
    last = _fixed(_at(x, axis, slice(-1, None)), axis)
    return _between(x, axis, [ramp(before, ends[0], first, True), x,
                              ramp(after, ends[1], last, False)])  # fmt: skip


def _pad_stat(
    x: Any, axis: int, before: Any, after: Any, stat: str, lengths: tuple[Any, Any]
) -> Any:
    def side(width: Any, length: Any, front: bool) -> Any:
        if _nothing(width):
            return None
        part = x
        if length is not None:
            n = _core.shape_i(x, axis)
            count = _e("minimum", as_length(length, "pad"), n)
            part = _at(x, axis, slice(None, count) if front else slice(n - count, None))
        value = getattr(_phintys.tensor, stat)(part, axis=axis, keepdims=True)
        if x.dtype in discrete_dtypes and value.dtype not in discrete_dtypes:
            value = _e("round_half_to_even", value)
        return _block(value, x, axis, _length(width))

    return _between(x, axis, [side(before, lengths[0], True), x, side(after, lengths[1], False)])


_STATISTICS = {"maximum": "max", "minimum": "min", "mean": "mean", "median": "median"}
_ALLOWED = {
    "constant": {"constant_values"},
    "empty": set(),
    "edge": set(),
    "wrap": set(),
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    "linear_ramp": {"end_values"},
    **{name: {"stat_length"} for name in _STATISTICS},
}


def pad(x: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """`x` with elements added before and after in each dimension, as ``numpy.pad``.

    Parameters
    ----------
    x
        A tensor.
    pad_width
        A number or variable for all sides, a pair (before, after) for all dimensions, or a list of
        a pair for each.
    mode
        ``'constant'`` (with `constant_values`), ``'edge'``, ``'reflect'`` and ``'symmetric'``
        (with ``reflect_type='even'`` or ``'odd'``), ``'wrap'``, ``'linear_ramp'`` (with
        `end_values`), ``'maximum'``, ``'minimum'``, ``'mean'``, ``'median'`` (with `stat_length`),
        ``'empty'`` (zeros).
    kwargs
        The option of the mode.

    Raises
    ------
    ValueError
        Unknown mode, option that the mode does not have, or a negative width.
    """
    x = as_tensor_variable(x)
    if mode not in _ALLOWED:
        raise PhintysValueError(f"pad: mode {mode!r} is not one of {', '.join(sorted(_ALLOWED))}")
    unknown = set(kwargs) - _ALLOWED[mode]
    if unknown:
        raise PhintysValueError(f"unsupported keyword arguments for mode {mode!r}: {unknown}")
    if isinstance(pad_width, float) or getattr(pad_width, "dtype", "int64") not in (
        *discrete_dtypes,
        *map(np.dtype, discrete_dtypes),
    ):
        raise PhintysTypeError("pad: `pad_width` must be of integral type.")
    if isinstance(pad_width, _core.Variable) and pad_width.ndim:
        rank = pad_width.ndim
        pad_width = [
            [pad_width[i, 0], pad_width[i, 1]] if rank == 2 else pad_width[i]
            for i in range(x.ndim if rank == 2 else 2)
        ]
    widths = _pairs(pad_width, x.ndim, "pad_width")
    if not x.ndim:
        return x
    if mode in ("constant", "empty"):
        return _pad_constant(x, widths, **kwargs)
    step: Callable[[Any, int, Any, Any], Any]
    if mode in ("reflect", "symmetric"):
        kind, twice = kwargs.get("reflect_type", "even"), mode == "symmetric"

        def step(v: Any, axis: int, before: Any, after: Any) -> Any:
            return _mirrored(v, axis, before, after, kind, twice)
    elif mode == "linear_ramp":
        ends = _pairs(kwargs.get("end_values", 0), x.ndim, "end_values")

        def step(v: Any, axis: int, before: Any, after: Any) -> Any:
            return _pad_ramp(v, axis, before, after, ends[axis])
    elif mode in _STATISTICS:
        stat_length = _pairs(kwargs.get("stat_length"), x.ndim, "stat_length")

        def step(v: Any, axis: int, before: Any, after: Any) -> Any:
            return _pad_stat(v, axis, before, after, _STATISTICS[mode], stat_length[axis])
    else:
        step = _pad_edge if mode == "edge" else _pad_wrap
    for axis, (before, after) in enumerate(widths):
        if not (_nothing(before) and _nothing(after)):
            x = step(x, axis, before, after)
    return x

"""New tensors: filled with a value, ranges, identity matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import discrete_dtypes, integer_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable, constant
from phintys.tensor.elemwise import cast, function_named
from phintys.tensor.shape import as_length, as_lengths, normalize_axis

__all__ = [
    "alloc",
    "arange",
    "diag",
    "diagonal",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "mgrid",
    "ogrid",
    "ones",
    "ones_like",
    "tri",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]


def alloc(value: Any, *shape: Any) -> Any:
    """A tensor of the given shape, filled with `value`, which broadcasts to it.

    A length known when the graph is built is part of the type, so ``alloc(0., n, 1)`` broadcasts
    in its second dimension.
    """
    if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
        shape = tuple(shape[0])
    value = as_tensor_variable(value)
    lengths = as_lengths(shape, "alloc")
    if value.ndim > len(lengths):
        raise PhintysTypeError(
            f"The Alloc value to use has more dimensions than the specified dimensions: "
            f"{value.ndim} > {len(lengths)}"
        )
    return _core.alloc(value, lengths) if lengths else value


def _filled(value: Any, shape: Any, dtype: Any) -> Any:
    dtype = config.floatX if dtype is None else dtype
    return alloc(cast(constant(value), dtype), *as_lengths(shape, "shape"))


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros of the given shape (numbers or variables), floatX by default."""
    return _filled(0, shape, dtype)


def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones of the given shape (numbers or variables), floatX by default."""
    return _filled(1, shape, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor of the given shape filled with `fill_value`."""
    value = as_tensor_variable(fill_value)
    value = value if dtype is None else cast(value, dtype)
    return alloc(value, *as_lengths(shape, "full"))


empty = zeros


def _filled_like(value: Any, model: Any, dtype: Any) -> Any:
    model = as_tensor_variable(model)
    element = cast(as_tensor_variable(value), model.dtype if dtype is None else dtype)
    return function_named("second")(model, element)


def zeros_like(model: Any, dtype: Any = None, opt: bool = False) -> Any:
    """Zeros of the shape of `model`, by default of its dtype."""
    return _filled_like(0, model, dtype)


def ones_like(model: Any, dtype: Any = None, opt: bool = False) -> Any:
    """Ones of the shape of `model`, by default of its dtype."""
    return _filled_like(1, model, dtype)


def full_like(model: Any, fill_value: Any, dtype: Any = None) -> Any:
    """`fill_value` in the shape of `model`, by default of its dtype."""
    return _filled_like(fill_value, model, dtype)


empty_like = zeros_like


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Evenly spaced values ``start, start + step, ...`` below `stop`.

    ``arange(n)`` starts at 0. By default int64 for integer operands, else the promotion of their
    dtypes (Python floats count as floatX).
    """
    if stop is None:
        start, stop = 0, start
    operands = [as_tensor_variable(v) for v in (start, stop, step)]
    for v in operands:
        if v.ndim:
            raise PhintysTypeError(f"arange: operands must be scalars, got {v} of {v.type}")
    if dtype is None:
        dtype = upcast(*[v.dtype for v in operands])
        if dtype in integer_dtypes or dtype == "bool":
            dtype = "uint64" if dtype == "uint64" else "int64"
        elif config.cast_policy == "custom":
            dtype = _arange_float(dtype, (start, stop, step), operands)
    return _core.apply("arange", [_core.cast(v, dtype) for v in operands], dtype=str(dtype))


def _arange_float(dtype: str, given: Any, operands: Any) -> str:
    """Float literals are as precise as floatX, whatever their own value needs."""
    names = [
        config.floatX if isinstance(g, float) and not hasattr(g, "dtype") else v.dtype
        for g, v in zip(given, operands, strict=True)
    ]
    literal = [isinstance(g, (int, float)) for g in given]
    wide = [
        n if not (lit and n in discrete_dtypes) else "int8"
        for n, lit in zip(names, literal, strict=True)
    ]
    return upcast(*wide)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    """`num` evenly spaced values from `start` to `stop`, of dtype floatX."""
    start, stop = cast(start, "floatX"), cast(stop, "floatX")
    steps = num - 1 if endpoint else num
    if num < 0:
        raise PhintysValueError(f"linspace: num must not be negative, got {num}")
    index = cast(arange(num), "floatX")
    return start + index * ((stop - start) / cast(constant(max_int(steps, 1)), "floatX"))


def max_int(a: int, b: int) -> int:
    """The greater of two Python integers."""
    return a if a > b else b


def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """An (n, m) matrix with ones on diagonal `k`, floatX by default."""
    rows = as_length(n, "eye")
    cols = rows if m is None else as_length(m, "eye")
    offset = as_length(k, "eye")
    i = _core.dimshuffle(arange(rows), [0, -1])
    j = _core.dimshuffle(arange(cols), [-1, 0])
    return cast(_core.elemwise("eq", i + offset, j), config.floatX if dtype is None else dtype)


def identity(n: Any, dtype: Any = None) -> Any:
    """The identity matrix of n rows."""
    return eye(n, dtype=dtype)


def tri(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """An (n, m) matrix with ones at and below diagonal `k`, floatX by default."""
    rows = as_length(n, "tri")
    cols = rows if m is None else as_length(m, "tri")
    i = _core.dimshuffle(arange(rows), [0, -1])
    j = _core.dimshuffle(arange(cols), [-1, 0])
    below = _core.elemwise("ge", i + as_length(k, "tri"), j)
    return cast(below, config.floatX if dtype is None else dtype)


def _matrix(x: Any, what: str) -> Any:
    x = as_tensor_variable(x)
    if x.ndim != 2:
        raise PhintysValueError(f"{what}: a matrix is needed, got {x} of {x.type}")
    return x


def tril(m: Any, k: Any = 0) -> Any:
    """The matrix `m` with zeros above diagonal `k`."""
    m = _matrix(m, "tril")
    mask = tri(_core.shape_i(m, 0), _core.shape_i(m, 1), k, "bool")
    return _core.elemwise("switch", mask, m, cast(constant(0), m.dtype))


def triu(m: Any, k: Any = 0) -> Any:
    """The matrix `m` with zeros below diagonal `k`."""
    m = _matrix(m, "triu")
    mask = tri(_core.shape_i(m, 0), _core.shape_i(m, 1), as_length(k, "triu") - 1, "bool")
    return _core.elemwise("switch", mask, cast(constant(0), m.dtype), m)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal `offset` of the matrices in dimensions `axis1` and `axis2`, put last."""
    from phintys.tensor.subtensor import getitem, slice_at_axis

    a = as_tensor_variable(a)
    first = normalize_axis(axis1, a.ndim, "diagonal")
    second = normalize_axis(axis2, a.ndim, "diagonal")
    if first == second:
        raise PhintysValueError("diagonal: axis1 and axis2 must differ")
    others = [i for i in range(a.ndim) if i not in (first, second)]
    x = _core.dimshuffle(a, [first, second, *others])
    if offset > 0:
        x = slice_at_axis(x, slice(offset, None), 1)
    elif offset < 0:
        x = slice_at_axis(x, slice(-offset, None), 0)
    length = _core.elemwise("minimum", _core.shape_i(x, 0), _core.shape_i(x, 1))
    index = arange(length)
    picked = getitem(x, (index, index))
    return _core.dimshuffle(picked, [*range(1, picked.ndim), 0])


def diag(v: Any, k: int = 0) -> Any:
    """The diagonal `k` of a matrix, or a matrix with the vector `v` on diagonal `k`."""
    from phintys.tensor.join import join

    v = as_tensor_variable(v)
    if v.ndim >= 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise PhintysValueError(f"Input must has v.ndim >= 1, got {v} of {v.type}")
    if k:
        pad = zeros([abs(k)], v.dtype)
        v = join(0, pad, v) if k > 0 else join(0, v, pad)
    n = _core.shape_i(v, 0)
    mask = eye(n, n, k, "bool")
    row = _core.dimshuffle(v, [-1, 0])
    return _core.elemwise("switch", mask, row, cast(constant(0), v.dtype))


class _Grid:
    """``mgrid`` and ``ogrid``: indexing with slices gives coordinates."""

    def __init__(self, sparse: bool) -> None:
        self._sparse = sparse

    def __getitem__(self, index: Any) -> Any:
        slices = index if isinstance(index, tuple) else (index,)
        ranges = []
        for s in slices:
            if isinstance(s.step, complex):
                raise PhintysTypeError(
                    "grids: a complex step, a number of points, is not supported"
                )
            ranges.append(arange(s.start or 0, s.stop, s.step or 1))
        if len(ranges) == 1 and not isinstance(index, tuple):
            return ranges[0]
        n = len(ranges)
        grids = [
            _core.dimshuffle(r, [0 if j == i else -1 for j in range(n)])
            for i, r in enumerate(ranges)
        ]
        if self._sparse:
            return grids
        from phintys.tensor.join import stack

        lengths = [_core.shape_i(r, 0) for r in ranges]
        return stack([_core.alloc(g, lengths) for g in grids])


mgrid = _Grid(sparse=False)
ogrid = _Grid(sparse=True)

# Named constants of NumPy.
e, pi, inf, nan, euler_gamma = np.e, np.pi, np.inf, np.nan, np.euler_gamma

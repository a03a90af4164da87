"""New tensors: filled with a value, ranges, identity matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import discrete_dtypes, integer_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable, constant
from phintys.tensor.diagonal import diag, diagonal  # noqa: F401
from phintys.tensor.elemwise import cast, function_named
from phintys.tensor.shape import as_length, as_lengths, normalize_axis

__all__ = [
    "alloc",
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "indices",
    "linspace",
    "logspace",
    "meshgrid",
    "mgrid",
    "ogrid",
    "ones",
    "ones_like",
    "tri",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
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


def _linspace_dtype(start: Any, stop: Any, dtype: Any) -> str:
    if dtype is not None:
        return str(np.dtype(config.floatX if dtype == "floatX" else dtype).name)
    wide = [
        v.dtype
        for v in (start, stop)
        if isinstance(v, (_core.Variable, np.ndarray, np.generic))
        and v.dtype not in discrete_dtypes
    ]
    return upcast(config.floatX, *[str(d) for d in wide])


def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced values from `start` to `stop` along a new dimension `axis`.

    `start` and `stop` may be tensors, `num` a variable. The last value is exactly `stop`, or with
    ``endpoint=False`` left out. By default of dtype floatX, or wider if an operand is. With
    `retstep`, the step is given as well.
    """
    out_dtype = _linspace_dtype(start, stop, dtype)
    work = out_dtype if out_dtype not in discrete_dtypes else "float64"
    first, last = cast(start, work), cast(stop, work)
    if isinstance(num, (int, np.integer)) and num < 0:
        raise PhintysValueError(f"linspace: num must not be negative, got {num}")
    count = as_length(num, "linspace")
    one = as_length(1, "linspace")
    steps = _core.elemwise("maximum", count - one if endpoint else count, one)
    step = (last - first) / cast(steps, work)
    ndim = max_int(first.ndim, last.ndim)
    whole = _core.dimshuffle(arange(count), [0] + [-1] * ndim)
    values = first + cast(whole, work) * step
    if endpoint:
        at_end = _core.elemwise("eq", whole, steps)
        values = _core.elemwise("switch", at_end, last, values)
    if out_dtype in discrete_dtypes:
        values = cast(_core.elemwise("floor", values), out_dtype)
    place = normalize_axis(axis, ndim + 1, "linspace")
    if place:
        values = _core.dimshuffle(values, [*range(1, place + 1), 0, *range(place + 1, ndim + 1)])
    return (values, step) if retstep else values


def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``base ** linspace(start, stop, num)``."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    values = _core.elemwise("pow", cast(base, exponents.dtype), exponents)
    return values if dtype is None else cast(values, dtype)


def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` values from `start` to `stop` whose quotients are equal; both have one sign."""
    work = _linspace_dtype(start, stop, None)
    first, last = cast(start, work), cast(stop, work)
    e = _core.elemwise
    sign = e("sgn", first)
    logs = linspace(e("log", sign * first), e("log", sign * last), num, endpoint, axis=axis)
    place = normalize_axis(axis, logs.ndim, "geomspace")
    rank = logs.ndim - 1

    def along(v: Any) -> Any:
        # An operand beside the values: a dimension of length 1 at `axis`.
        order = [-1] * (rank - v.ndim) + list(range(v.ndim))
        order.insert(place, -1)
        return _core.dimshuffle(v, order)

    values = along(sign) * e("exp", logs)
    # The ends exactly as they were given.
    count = as_length(num, "geomspace")
    shape = [-1] * place + [0] + [-1] * (rank - place)
    index = _core.dimshuffle(arange(count), shape)
    values = e("switch", e("eq", index, as_length(0, "geomspace")), along(first), values)
    if endpoint:
        values = e("switch", e("eq", index, count - 1) & (count > 1), along(last), values)
    return values if dtype is None else cast(values, dtype)


def max_int(a: int, b: int) -> int:
    """The greater of two Python integers."""
    return a if a > b else b


def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """An (n, m) matrix with ones on diagonal `k`, floatX by default.

    The gradient with respect to `n`, `m` and `k` is undefined.
    """
    # Without casts, so that errors name the variables.
    rows, offset = as_tensor_variable(n), as_tensor_variable(k)
    cols = rows if m is None else as_tensor_variable(m)
    for v in (rows, cols, offset):
        if v.ndim or v.dtype not in integer_dtypes:
            raise PhintysTypeError(f"eye: a length must be an integer scalar, got {v} {v.type}")
    name = config.floatX if dtype is None or dtype == "floatX" else np.dtype(dtype).name
    return _core.apply("eye", [rows, cols, offset], dtype=str(name))


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


def _triangle(m: Any, k: Any, what: str) -> tuple[Any, Any]:
    m = as_tensor_variable(m)
    if m.ndim < 2:
        raise PhintysValueError(f"{what}: at least two dimensions are needed, got {m.type}")
    return m, tri(_core.shape_i(m, m.ndim - 2), _core.shape_i(m, m.ndim - 1), k, "bool")


def tril(m: Any, k: Any = 0) -> Any:
    """`m` with zeros above diagonal `k` of its last two dimensions."""
    m, mask = _triangle(m, k, "tril")
    return _core.elemwise("switch", mask, m, _core.cast(constant(0), m.dtype))


def triu(m: Any, k: Any = 0) -> Any:
    """`m` with zeros below diagonal `k` of its last two dimensions."""
    m, mask = _triangle(m, as_length(k, "triu") - 1, "triu")
    return _core.elemwise("switch", mask, _core.cast(constant(0), m.dtype), m)


def tril_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    """The indices (rows, columns) of an (n, m) matrix at and below diagonal `k`."""
    from phintys.tensor.subtensor import nonzero

    return nonzero(tri(n, m, k, "bool"))


def triu_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    """The indices (rows, columns) of an (n, m) matrix at and above diagonal `k`."""
    from phintys.tensor.subtensor import nonzero

    below = tri(n, m, as_length(k, "triu_indices") - 1, "bool")
    return nonzero(_core.elemwise("invert", below))


def tril_indices_from(a: Any, k: Any = 0) -> Any:
    """The indices of the matrix `a` at and below diagonal `k`."""
    a = as_tensor_variable(a)
    if a.ndim != 2:
        raise PhintysValueError("The input array must be two dimensional.")
    return tril_indices(_core.shape_i(a, 0), k, _core.shape_i(a, 1))


def triu_indices_from(a: Any, k: Any = 0) -> Any:
    """The indices of the matrix `a` at and above diagonal `k`."""
    a = as_tensor_variable(a)
    if a.ndim != 2:
        raise PhintysValueError("The input array must be two dimensional.")
    return triu_indices(_core.shape_i(a, 0), k, _core.shape_i(a, 1))


def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> list[Any]:
    """Coordinates of the points of a grid: a tensor for each of the vectors `xi`.

    With ``indexing='ij'`` dimension i is that of vector i; with ``'xy'`` the first two are swapped.
    With `sparse`, each has length 1 in the dimensions of the others.
    """
    if indexing not in ("xy", "ij"):
        raise PhintysValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    vectors = [as_tensor_variable(x).flatten() for x in xi]
    n = len(vectors)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[0], order[1] = 1, 0
    grids = [
        _core.dimshuffle(v, [0 if place == i else -1 for place in range(n)])
        for i, v in zip(order, vectors, strict=True)
    ]
    if sparse or n < 2:
        return grids
    lengths = [_core.shape_i(vectors[order.index(i)], 0) for i in range(n)]
    return [_core.alloc(g, lengths) for g in grids]


def indices(dimensions: Any, dtype: Any = "int64", sparse: bool = False) -> Any:
    """The indices of an array of shape `dimensions`, stacked; a tuple of them if `sparse`."""
    from phintys.tensor.join import stack

    lengths = as_lengths(dimensions, "indices")
    grids = meshgrid(*[arange(n) for n in lengths], indexing="ij", sparse=sparse)
    grids = [cast(g, dtype) for g in grids]
    if sparse:
        return tuple(grids)
    return stack(grids) if grids else zeros([0], dtype)


class _Grid:
    """``mgrid`` and ``ogrid``: indexing with slices gives coordinates."""

    def __init__(self, sparse: bool) -> None:
        self._sparse = sparse

    def __getitem__(self, index: Any) -> Any:
        slices = index if isinstance(index, tuple) else (index,)
        ranges = []
        for s in slices:
            if isinstance(s.step, complex):
                # NumPy's way to say how many points there are, the stop included.
                ranges.append(linspace(s.start or 0, s.stop, int(abs(s.step))))
                continue
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

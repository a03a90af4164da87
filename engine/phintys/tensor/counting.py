"""Searching, counting, distinct elements, and numbers of places in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.raise_op import check
from phintys.scalar.dtypes import (
    complex_dtypes,
    continuous_dtypes,
    discrete_dtypes,
    integer_dtypes,
    upcast,
)
from phintys.tensor import reduction
from phintys.tensor.conversion import as_tensor_variable, get_vector_length
from phintys.tensor.creation import arange, zeros
from phintys.tensor.indexing import take
from phintys.tensor.join import concatenate
from phintys.tensor.shape import dimshuffle, flatten, normalize_axis, reshape, shape_list
from phintys.tensor.subtensor import set_subtensor

__all__ = [
    "Unique",
    "bartlett",
    "bincount",
    "digitize",
    "histogram",
    "histogram_bin_edges",
    "ravel_multi_index",
    "searchsorted",
    "unique",
    "unravel_index",
]


def _constant(value: Any, dtype: str) -> Any:
    return _core.constant(np.asarray(value, dtype), None)


def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where the elements of `v` would be inserted into the sorted vector `x` (int64).

    Parameters
    ----------
    x
        A vector in increasing order, or put in order by `sorter`.
    v
        Values of any rank.
    side
        "left": before equal elements; "right": after them.
    sorter
        An integer vector: indices that sort `x`.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> searchsorted(x, [2.0, 9.0]).eval({x: [1.0, 2.0, 3.0]}).tolist()
    [1, 3]
    """
    if side not in ("left", "right"):
        raise PhintysValueError(f"'{side}' is an invalid value for keyword 'side'")
    x, v = as_tensor_variable(x), as_tensor_variable(v)
    if x.ndim != 1:
        raise PhintysTypeError(f"searchsorted: x must be a vector, got {x} of {x.type}")
    if sorter is not None:
        sorter = as_tensor_variable(sorter)
        if sorter.ndim != 1 or sorter.dtype not in integer_dtypes:
            raise PhintysTypeError("sorter must be an integer vector", sorter.type)
        x = take(x, sorter)
    dtype = upcast(x.dtype, v.dtype)
    if dtype in complex_dtypes:
        raise PhintysTypeError(f"searchsorted: complex numbers ({dtype}) are not supported")
    dtype = {"bool": "uint8", "float16": "float32"}.get(dtype, dtype)
    operands = [_core.cast(x, dtype), _core.cast(v, dtype)]
    return _core.apply("searchsorted", operands, right=side == "right")


def bincount(
    x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False
) -> Any:
    """How often each number from 0 to the greatest is in the vector `x`.

    Parameters
    ----------
    x
        A vector of integers, none negative.
    weights
        A vector as long as `x`: what each element adds, instead of 1. The gradient is defined.
    minlength
        An integer scalar: the least length of the result.
    assert_nonneg
        Theano's wish for a check that is always made here.

    Returns
    -------
    An int64 vector, or one of the dtype of `weights`.

    Raises
    ------
    ValueError
        When the function runs: `x` has a negative number, or another length than `weights`.
    """
    x = as_tensor_variable(x)
    if x.ndim != 1:
        raise PhintysTypeError("Inputs must be of dimension 1.")
    if x.dtype not in discrete_dtypes:
        raise PhintysTypeError(f"bincount: the numbers must be integers, got {x.type}")
    least = as_tensor_variable(0 if minlength is None else minlength)
    if least.ndim or least.dtype not in integer_dtypes:
        raise PhintysTypeError(f"bincount: minlength must be an integer scalar, got {least.type}")
    size = _core.apply("bincount_size", [x, least])
    return _counts(x, size, weights)


def _counts(x: Any, size: Any, weights: Any) -> Any:
    if weights is None:
        return _core.apply("bincount", [x, size])
    weights = as_tensor_variable(weights)
    if weights.dtype == "bool":
        weights = _core.cast(weights, "int64")
    return _core.apply("bincount", [x, size, weights])


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number (int64) of the bin of `bins`, edges in order, that each element of `x` is in.

    Bin ``i`` is ``bins[i-1] <= x < bins[i]``, or with the equality on the other side if `right`;
    for decreasing edges the comparisons are reversed. Edges not in order are a ValueError when the
    function runs.
    """
    x, bins = as_tensor_variable(x), as_tensor_variable(bins)
    if bins.ndim != 1:
        raise PhintysValueError(f"digitize: bins must be a vector, got {bins} of {bins.type}")
    before, after = bins[:-1], bins[1:]
    rising = reduction.all(_core.elemwise("le", before, after))
    falling = reduction.all(_core.elemwise("ge", before, after))
    message = "bins must be monotonically increasing or decreasing"
    bins = check(bins, [_core.elemwise("or_", rising, falling)], message, value_error=True)
    forward = _core.elemwise("switch", rising, bins, bins[::-1])
    places = searchsorted(forward, x, "left" if right else "right")
    return _core.elemwise("switch", rising, places, _core.shape_i(bins, 0) - places)


def _static_int(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool)


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None) -> Any:
    """The edges of the bins of :func:`histogram`: a float vector, or `bins` if that is a vector.

    `bins` is a number of bins (number or variable) of equal width over `range`, by default from
    the least to the greatest element of `a`.
    """
    a = as_tensor_variable(a)
    if not _static_int(bins):
        edges = as_tensor_variable(bins)
        if edges.ndim == 1:
            rising = reduction.all(_core.elemwise("le", edges[:-1], edges[1:]))
            return check(edges, [rising], "histogram: bins must increase", value_error=True)
        if edges.ndim or edges.dtype not in integer_dtypes:
            raise PhintysTypeError(f"histogram: bins must be a number or edges, got {edges.type}")
    elif bins < 1:
        raise PhintysValueError("histogram: `bins` must be positive, when an integer")
    dtype = a.dtype if a.dtype in ("float32", "float64") else "float64"
    number = as_tensor_variable(bins)
    if range is None:
        # Of nothing: from 0 to 1.
        flat = _core.cast(flatten(a), dtype)
        none = _core.elemwise("eq", _core.shape_i(flat, 0), _constant(0, "int64"))
        infinity = _constant([np.inf], dtype)
        low = reduction.min(concatenate([flat, infinity]))
        high = reduction.max(concatenate([flat, -infinity]))
        low = _core.elemwise("switch", none, _constant(0, dtype), low)
        high = _core.elemwise("switch", none, _constant(1, dtype), high)
    else:
        low, high = (_core.cast(as_tensor_variable(end), dtype) for end in range)
    same = _core.elemwise("eq", low, high)
    half = _constant(0.5, dtype)
    low, high = (
        _core.elemwise("switch", same, low - half, low),
        _core.elemwise("switch", same, high + half, high),
    )
    finite = _core.elemwise("le", abs(high - low), _constant(np.finfo(dtype).max, dtype))
    ordered = _core.elemwise("le", low, high)
    message = "histogram: the range must be finite, and not end before it begins"
    low = check(low, [_core.elemwise("and_", finite, ordered)], message, value_error=True)
    number = _core.cast(number, "int64")
    steps = _core.cast(arange(number + _constant(1, "int64")), dtype)
    edges = low + steps * ((high - low) / _core.cast(number, dtype))
    return set_subtensor(edges[-1], high)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool = False, weights: Any = None
) -> tuple[Any, Any]:
    """How many elements of `a` are in each bin, and the edges of the bins.

    Parameters
    ----------
    a
        A tensor of real numbers; its shape does not matter.
    bins
        A number of bins (number or integer variable), or a vector of increasing edges. Every bin
        is half open but the last, which has both its edges.
    range
        ``(low, high)`` of the bins; by default the least and the greatest element.
    density
        Divide by the total and the widths, so that the integral is 1.
    weights
        Of the shape of `a`: what each element counts.

    Returns
    -------
    ``(counts, edges)``: int64, or the dtype of `weights`, or float64 with `density`.
    """
    a = as_tensor_variable(a)
    if a.dtype in complex_dtypes:
        raise PhintysTypeError(f"histogram: complex numbers ({a.type}) have no order")
    edges = histogram_bin_edges(a, bins, range)
    flat = flatten(a)
    n_edges = _core.shape_i(edges, 0)
    places = searchsorted(edges, flat, "right")
    # What lies on the last edge belongs to the last bin.
    last = _core.elemwise("eq", flat, edges[-1])
    places = places - _core.cast(last, "int64")
    if weights is not None:
        weights = flatten(as_tensor_variable(weights))
    counts = _counts(places, n_edges + _constant(1, "int64"), weights)[1:n_edges]
    if density:
        wide = _core.cast(counts, "float64")
        widths = _core.cast(edges[1:] - edges[:-1], "float64")
        counts = wide / widths / reduction.sum(wide)
    return counts, edges


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """The distinct elements of `ar` in increasing order; with `axis`, the distinct slices along it.

    Parameters
    ----------
    ar
        A tensor, flattened unless there is an `axis`.
    return_index
        Also the index (int64) of the first of each.
    return_inverse
        Also, for every element, the index of its equal in the result.
    return_counts
        Also how often each occurs.
    axis
        Along which slices are compared, in lexicographic order.

    Returns
    -------
    The elements, or a list with them and what was asked for, in this order. NaN equals NaN.
    """
    x = as_tensor_variable(ar)
    if axis is None and not (return_index or return_inverse):
        # Who came from where does not matter: values are sorted faster than indices.
        ordered = _core.apply("sort", [flatten(x)], axis=0)
        groups, count = _core.apply("unique_groups", [dimshuffle(ordered, [0, "x"])])
        values = take(ordered, _core.apply("unique_firsts", [groups, count]))
        return [values, _counts(groups, count, None)] if return_counts else values
    if axis is None:
        rows = dimshuffle(flatten(x), [0, "x"])
        order = _core.apply("argsort", [flatten(x)], axis=0)
        source, along = flatten(x), 0
    else:
        along = normalize_axis(axis, x.ndim, "unique")
        first = dimshuffle(x, [along, *[i for i in range(x.ndim) if i != along]])
        rows = flatten(first, 2) if x.ndim > 1 else dimshuffle(first, [0, "x"])
        order = _core.apply("lexsort_rows", [rows])
        source = x
    groups, count = _core.apply("unique_groups", [rows, order])
    firsts = _core.apply("unique_firsts", [groups, count])
    index = take(order, firsts)
    outputs = [take(source, index, axis=along)]
    if return_index:
        outputs.append(index)
    if return_inverse:
        inverse = set_subtensor(zeros([_core.shape_i(order, 0)], dtype="int64")[order], groups)
        if axis is None and x.ndim != 1:
            inverse = reshape(inverse, shape_list(x), ndim=x.ndim)
        outputs.append(inverse)
    if return_counts:
        outputs.append(_counts(groups, count, None))
    return outputs if len(outputs) > 1 else outputs[0]


class Unique:
    """``Unique(return_index, return_inverse, return_counts)(x)``: :func:`unique` of `x`."""

    def __init__(
        self, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False
    ) -> None:
        self.return_index = return_index
        self.return_inverse = return_inverse
        self.return_counts = return_counts

    def __call__(self, x: Any) -> Any:
        x = as_tensor_variable(x)
        result = unique(x, self.return_index, False, self.return_counts)
        if not self.return_inverse:
            return result
        # Theano's inverse is a vector whatever the rank of x.
        full = unique(x, self.return_index, True, self.return_counts)
        at = 1 + self.return_index
        return [*full[:at], flatten(full[at]), *full[at + 1 :]]


def _index_operand(x: Any, what: str) -> Any:
    x = as_tensor_variable(x)
    if x.dtype in continuous_dtypes or x.dtype == "bool":
        raise PhintysTypeError(f"'{x.dtype}' object cannot be interpreted as an index ({what})")
    return _core.cast(x, "int64")


def _lengths(dims: Any, ndim: int | None, what: str) -> list[Any]:
    if isinstance(dims, (list, tuple)):
        return [_index_operand(d, what) for d in dims]
    dims = _index_operand(dims, what)
    if dims.ndim == 0:
        return [dims]
    if dims.ndim != 1:
        raise PhintysTypeError("dims must be a 1D array")
    length = get_vector_length(dims) if ndim is None else ndim
    return [dims[i] for i in range(length)]


def _strides(lengths: Sequence[Any], order: str, what: str) -> list[Any]:
    """What a step along each dimension counts, and the number of all elements."""
    if order not in ("C", "F"):
        raise PhintysValueError(f"{what}: order must be 'C' or 'F', got {order!r}")
    strides: list[Any] = []
    total = _constant(1, "int64")
    for length in reversed(lengths) if order == "C" else lengths:
        strides.append(total)
        total = total * length
    return [*(strides[::-1] if order == "C" else strides), total]


def unravel_index(indices: Any, dims: Any, order: str = "C", ndim: int | None = None) -> Any:
    """Flat indices of an array of shape `dims` as a tuple with an index for each dimension.

    `dims` is a list of lengths, or a vector (with `ndim` if its length is not known). An index out
    of range is a ValueError when the function runs.
    """
    indices = _index_operand(indices, "unravel_index")
    lengths = _lengths(dims, ndim, "unravel_index")
    *strides, total = _strides(lengths, order, "unravel_index")
    zero = _constant(0, "int64")
    inside = _core.elemwise(
        "and_", _core.elemwise("ge", indices, zero), _core.elemwise("lt", indices, total)
    )
    message = "unravel_index: an index is out of bounds for the shape"
    indices = check(indices, [reduction.all(inside)], message, value_error=True)
    return tuple(
        _core.elemwise("mod", _core.elemwise("int_div", indices, stride), length)
        for stride, length in zip(strides, lengths, strict=True)
    )


def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    """Flat indices from one index for each dimension of an array of shape `dims`.

    `mode` says what happens out of range: "raise" is a ValueError when the function runs, "wrap"
    and "clip" correct the index.
    """
    if mode not in ("raise", "wrap", "clip"):
        raise PhintysValueError(f"ravel_multi_index: unknown mode {mode!r}")
    parts = [_index_operand(i, "ravel_multi_index") for i in multi_index]
    lengths = _lengths(dims, len(parts), "ravel_multi_index")
    if len(lengths) != len(parts):
        raise PhintysValueError(
            f"ravel_multi_index: {len(parts)} indices for {len(lengths)} dimensions"
        )
    *strides, _ = _strides(lengths, order, "ravel_multi_index")
    zero, one = _constant(0, "int64"), _constant(1, "int64")
    result = zero
    for part, length, stride in zip(parts, lengths, strides, strict=True):
        if mode == "wrap":
            part = _core.elemwise("mod", part, length)
        elif mode == "clip":
            part = _core.elemwise("maximum", _core.elemwise("minimum", part, length - one), zero)
        else:
            inside = _core.elemwise(
                "and_", _core.elemwise("ge", part, zero), _core.elemwise("lt", part, length)
            )
            message = "ravel_multi_index: invalid entry in coordinates array"
            part = check(part, [reduction.all(inside)], message, value_error=True)
        result = result + part * stride
    return result


def bartlett(M: Any) -> Any:
    """The Bartlett window: a triangle of `M` points from 0 over 1 to 0 (float64)."""
    M = as_tensor_variable(M)
    if M.ndim != 0:
        raise PhintysTypeError("Bartlett only works on scalar input")
    if M.dtype not in integer_dtypes:
        raise PhintysTypeError("Bartlett only works on integer input")
    M = _core.cast(M, "int64")
    one = _constant(1, "int64")
    last = _core.cast(_core.elemwise("maximum", M - one, one), "float64")
    up = _core.cast(arange(M), "float64") * 2.0 / last
    window = _core.elemwise("minimum", up, 2.0 - up)
    return _core.elemwise("switch", _core.elemwise("eq", M, one), _constant(1, "float64"), window)

"""Order statistics, averages, covariances, and reductions that skip NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.raise_op import check
from phintys.scalar.dtypes import complex_dtypes, discrete_dtypes
from phintys.tensor import reduction
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange
from phintys.tensor.elemwise import conj
from phintys.tensor.indexing import take
from phintys.tensor.join import concatenate
from phintys.tensor.shape import dimshuffle, flatten, transpose
from phintys.tensor.sort import sort

__all__ = [
    "average",
    "corrcoef",
    "count_nonzero",
    "cov",
    "median",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "percentile",
    "quantile",
]


def _number(value: float, like: Any) -> Any:
    return _core.constant(np.asarray(value, like.dtype), None)


def count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements over `axis` are not 0 (int64)."""
    a = as_tensor_variable(a)
    hits = a if a.dtype == "bool" else _core.elemwise("neq", a, _number(0, a))
    return reduction.sum(hits, axis=axis, keepdims=keepdims)


# --- order statistics ------------------------------------------------------------------------


def _real_floats(a: Any, what: str) -> Any:
    a = as_tensor_variable(a)
    if a.dtype in complex_dtypes:
        raise PhintysTypeError(f"{what}: complex numbers ({a.type}) have no order")
    return _core.cast(a, "float64") if a.dtype in discrete_dtypes else a


def _sorted_last(a: Any, axis: Any, what: str) -> tuple[Any, list[int]]:
    """`a` with the axes moved to the end as one and sorted along it; and these axes."""
    axes = reduction._axes(axis, a.ndim, what)
    kept = [i for i in range(a.ndim) if i not in axes]
    moved = dimshuffle(a, [*kept, *axes])
    moved = flatten(moved, len(kept) + 1) if len(axes) != 1 else moved
    return sort(moved, axis=-1), axes


def _restore(result: Any, ndim: int, axes: list[int], extra: int, keepdims: bool) -> Any:
    """`result`, whose last `extra` axes are those of q, with these in front."""
    kept = list(range(result.ndim - extra))
    front = list(range(result.ndim - extra, result.ndim))
    if keepdims:
        rest = iter(kept)
        kept = [-1 if i in axes else next(rest) for i in range(ndim)]
    return _core.dimshuffle(result, [*front, *kept])


def _spoiled(rows: Any, result: Any) -> Any:
    """NaN where a row ends with NaN, where sorting puts it; all other results."""
    last = take(rows, -1, axis=rows.ndim - 1)
    last = _core.dimshuffle(last, [*range(last.ndim), *[-1] * (result.ndim - last.ndim)])
    nan = _core.elemwise("isnan", last)
    return _core.elemwise("switch", nan, _number(np.nan, result), result)


def median(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The median over `axis`, all by default: the mean of the two middle elements; NaN wins.

    The result is float64 for integers, else of the dtype of `a`.
    """
    a = _real_floats(a, "median")
    rows, axes = _sorted_last(a, axis, "median")
    n = _core.shape_i(rows, rows.ndim - 1)
    low = take(rows, (n - 1) // 2, axis=rows.ndim - 1)
    high = take(rows, n // 2, axis=rows.ndim - 1)
    same = _core.elemwise("eq", low, high)
    middle = _core.elemwise("switch", same, low, (low + high) * _number(0.5, low))
    return _restore(_spoiled(rows, middle), a.ndim, axes, 0, keepdims)


# Methods that interpolate at n q + alpha + q (1 - alpha - beta) - 1, of Hyndman and Fan (1996).
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_DISCRETE = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "lower", "higher", "midpoint",
    "nearest",
)  # fmt: skip


def _place(q: Any, n: Any, method: str) -> tuple[Any, Any]:
    """The index below the quantile and the weight of the one above, as float64; not yet limited."""
    floor = _core.elemwise("floor", q)
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        at = (n - 1.0) * q if method == "linear" else n * q + (alpha + q * (1 - alpha - beta)) - 1.0
        floor = _core.elemwise("floor", at)
        return floor, at - floor
    zero = _core.elemwise("mul", q, 0.0)
    if method in ("lower", "higher", "nearest", "midpoint"):
        at = (n - 1.0) * q
        floor, ceil = _core.elemwise("floor", at), _core.elemwise("ceil", at)
        if method == "midpoint":
            return floor, _core.elemwise("switch", _core.elemwise("eq", floor, at), zero, 0.5)
        nearest = _core.elemwise("round_half_to_even", at)
        return {"lower": floor, "higher": ceil, "nearest": nearest}[method], zero
    at = n * q - 1.0
    if method == "closest_observation":
        at = at - 0.5
    floor = _core.elemwise("floor", at)
    whole = _core.elemwise("eq", at, floor)
    if method == "averaged_inverted_cdf":
        return floor, _core.elemwise("switch", whole, zero + 0.5, 1.0)
    if method == "closest_observation":
        odd = _core.elemwise("eq", _core.elemwise("mod", floor, zero + 2.0), 1.0)
        whole = _core.elemwise("and_", whole, odd)
    return _core.elemwise("switch", whole, floor, floor + 1.0), zero


def _check_method(method: str, what: str) -> None:
    if method not in _CONTINUOUS and method not in _DISCRETE:
        raise PhintysValueError(
            f"{what}: unknown method {method!r}; known are {[*_CONTINUOUS, *_DISCRETE]}"
        )


def _between(low: Any, high: Any, weight: Any) -> Any:
    """From `low` at weight 0 to `high` at weight 1, exact at both ends."""
    gap = high - low
    near_low = low + gap * weight
    near_high = high - gap * (_number(1, weight) - weight)
    upper = _core.elemwise("ge", weight, _number(0.5, weight))
    result = _core.elemwise("switch", upper, near_high, near_low)
    # Infinities: nothing of what has no weight, and no difference of equals.
    at_low = _core.elemwise("eq", weight, _number(0, weight))
    exact = _core.elemwise("or_", at_low, _core.elemwise("eq", low, high))
    return _core.elemwise("switch", exact, low, result)


def _checked_q(q: Any, top: float, what: str) -> Any:
    q = _core.cast(as_tensor_variable(q), "float64")
    if q.ndim > 1:
        raise PhintysValueError(f"{what}: q must be a scalar or a vector, got {q.type}")
    inside = _core.elemwise("and_", _core.elemwise("ge", q, 0.0), _core.elemwise("le", q, top))
    message = f"{what}: q must be in the range [0, {top:g}]"
    q = check(q, [reduction.all(inside)], message, value_error=True)
    return q if top == 1 else q / top


def _limited(index: Any, n: Any) -> Any:
    zero = _core.elemwise("mul", index, 0.0)
    index = _core.elemwise("maximum", _core.elemwise("minimum", index, n - 1.0), zero)
    return _core.cast(index, "int64")


def _quantile(a: Any, q: Any, axis: Any, method: str, keepdims: bool, what: str) -> Any:
    _check_method(method, what)
    a = _real_floats(a, what)
    rows, axes = _sorted_last(a, axis, what)
    along = rows.ndim - 1
    n = _core.cast(_core.shape_i(rows, along), "float64")
    below, weight = _place(q, n, method)
    low = take(rows, _limited(below, n), axis=along)
    high = take(rows, _limited(below + 1.0, n), axis=along)
    outside = _core.elemwise("lt", below, 0.0)
    weight = _core.elemwise("switch", outside, weight * 0.0, weight)
    result = _between(low, high, _core.cast(weight, a.dtype))
    return _restore(_spoiled(rows, result), a.ndim, axes, q.ndim, keepdims)


def quantile(
    a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """The quantiles `q` (in [0, 1], a scalar or a vector) over `axis`, all by default; NaN wins.

    Parameters
    ----------
    a
        A tensor of real numbers.
    q
        Number, list or variable; the axis of a vector comes first in the result.
    axis
        An axis, a list of axes, or None for all.
    method
        One of NumPy's thirteen, after Hyndman and Fan (1996): "linear", "median_unbiased",
        "inverted_cdf", "lower", "higher", "nearest", ...
    keepdims
        Keep the axes with length 1.

    Raises
    ------
    ValueError
        The method is unknown, or (when the function runs) `q` is outside [0, 1].
    """
    return _quantile(a, _checked_q(q, 1, "quantile"), axis, method, keepdims, "quantile")


def percentile(
    a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """The percentiles `q`, in [0, 100]; else as :func:`quantile`."""
    return _quantile(a, _checked_q(q, 100, "percentile"), axis, method, keepdims, "percentile")


# --- skipping NaN ----------------------------------------------------------------------------


def _nan_mask(a: Any) -> Any:
    return None if a.dtype in discrete_dtypes else _core.elemwise("isnan", a)


def _filled(a: Any, value: float) -> Any:
    nan = _nan_mask(a)
    return a if nan is None else _core.elemwise("switch", nan, _number(value, a), a)


def _valid(a: Any, axis: Any, keepdims: bool) -> Any:
    """How many elements are not NaN (int64)."""
    valid = _core.elemwise("eq", a, a)
    return reduction.sum(valid, axis=axis, keepdims=keepdims)


def nansum(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Sum over `axis` with NaN as 0."""
    a = as_tensor_variable(a)
    return reduction.sum(_filled(a, 0), axis=axis, dtype=dtype, keepdims=keepdims)


def nanprod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Product over `axis` with NaN as 1."""
    a = as_tensor_variable(a)
    return reduction.prod(_filled(a, 1), axis=axis, dtype=dtype, keepdims=keepdims)


def nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Mean over `axis` of the elements that are not NaN; NaN where there are none."""
    a = as_tensor_variable(a)
    if a.dtype in discrete_dtypes:
        return reduction.mean(a, axis=axis, dtype=dtype, keepdims=keepdims)
    out = a.dtype if dtype is None else np.dtype(dtype).name
    wide = "float32" if out == "float16" else out
    total = nansum(a, axis, wide, keepdims)
    count = _core.cast(_valid(a, axis, keepdims), wide)
    return _core.cast(total / count, out)


def nanvar(a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Variance over `axis` of the elements that are not NaN; see :func:`var` for `ddof`."""
    a = as_tensor_variable(a)
    if a.dtype in discrete_dtypes:
        return reduction.var(a, axis=axis, ddof=ddof, keepdims=keepdims)
    centered = a - nanmean(a, axis, keepdims=True)
    total = nansum(_core.elemwise("sqr", centered), axis, keepdims=keepdims)
    free = _valid(a, axis, keepdims) - ddof
    some = _core.elemwise("gt", free, _number(0, free))
    result = total / _core.cast(free, total.dtype)
    return _core.elemwise("switch", some, result, _number(np.nan, result))


def nanstd(a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Standard deviation over `axis` of the elements that are not NaN."""
    return _core.elemwise("sqrt", nanvar(a, axis, ddof, keepdims))


def _nan_extremum(of: Callable[..., Any], worst: float, a: Any, axis: Any, keepdims: bool) -> Any:
    a = as_tensor_variable(a)
    if a.dtype in discrete_dtypes:
        return of(a, axis=axis, keepdims=keepdims)
    best = of(_filled(a, worst), axis=axis, keepdims=keepdims)
    some = reduction.any(_core.elemwise("eq", a, a), axis=axis, keepdims=keepdims)
    return _core.elemwise("switch", some, best, _number(np.nan, best))


def nanmax(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Greatest element over `axis` that is not NaN; NaN where there is none."""
    return _nan_extremum(reduction.max, -np.inf, a, axis, keepdims)


def nanmin(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Least element over `axis` that is not NaN; NaN where there is none."""
    return _nan_extremum(reduction.min, np.inf, a, axis, keepdims)


def nanargmax(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int64) of the greatest element that is not NaN; 0 where all are."""
    return reduction.argmax(_filled(as_tensor_variable(a), -np.inf), axis, keepdims)


def nanargmin(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int64) of the least element that is not NaN; 0 where all are."""
    return reduction.argmin(_filled(as_tensor_variable(a), np.inf), axis, keepdims)


def _nan_quantile(a: Any, q: Any, axis: Any, keepdims: bool, what: str) -> Any:
    """Linear interpolation among the first elements of each sorted row, those before NaN."""
    a = _real_floats(a, what)
    rows, axes = _sorted_last(a, axis, what)
    count = _core.cast(_valid(rows, rows.ndim - 1, True), "float64")
    places = _core.cast(arange(_core.shape_i(rows, rows.ndim - 1)), "float64")

    def at(index: Any) -> Any:
        # Every row has its own index: the element is picked by comparing places.
        here = _core.elemwise("eq", places, index)
        chosen = _core.elemwise("switch", here, rows, _number(0, rows))
        return reduction.sum(chosen, axis=rows.ndim - 1, dtype=a.dtype)

    def one(q: Any) -> Any:
        place = (count - 1.0) * q
        below = _core.elemwise("floor", place)
        above = _core.elemwise("minimum", below + 1.0, count - 1.0)
        weight = _core.dimshuffle(place - below, list(range(rows.ndim - 1)))
        result = _between(at(below), at(above), _core.cast(weight, a.dtype))
        none = _core.elemwise("eq", _core.dimshuffle(count, list(range(rows.ndim - 1))), 0.0)
        return _core.elemwise("switch", none, _number(np.nan, result), result)

    if q.ndim == 0:
        return _restore(one(q), a.ndim, axes, 0, keepdims)
    length = q.static_shape[0]
    if length is None:
        raise PhintysValueError(f"{what}: the number of quantiles must be known, got {q.type}")
    results = [_restore(one(q[i]), a.ndim, axes, 0, keepdims) for i in range(length)]
    return concatenate([_core.dimshuffle(r, [-1, *range(r.ndim)]) for r in results])


def nanmedian(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The median over `axis` of the elements that are not NaN; NaN where there are none."""
    half = as_tensor_variable(np.asarray(0.5))
    return _nan_quantile(a, half, axis, keepdims, "nanmedian")


def nanquantile(a: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The quantiles `q` (linear) over `axis` of the elements that are not NaN."""
    q = as_tensor_variable(q)
    checked = _checked_q(q, 1, "nanquantile")
    return _nan_quantile(a, checked, axis, keepdims, "nanquantile")


def nanpercentile(a: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The percentiles `q` (linear) over `axis` of the elements that are not NaN."""
    q = as_tensor_variable(q)
    checked = _checked_q(q, 100, "nanpercentile")
    return _nan_quantile(a, checked, axis, keepdims, "nanpercentile")


# --- averages and covariances ----------------------------------------------------------------


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """Mean over `axis`, each element counted with its weight.

    `weights` has the shape of `a`, or is a vector along the one `axis`. With `returned`, a pair of
    the average and the sum of the weights.
    """
    a = as_tensor_variable(a)
    axes = reduction._axes(axis, a.ndim, "average")
    if weights is None:
        result = reduction.mean(a, axis=axis, keepdims=keepdims)
        count = reduction.sum(
            _core.cast(_core.elemwise("second", a, _core.constant(np.ones((), "int8"), None)),
                       result.dtype), axis=axis, keepdims=keepdims,
        )  # fmt: skip
        return (result, count) if returned else result
    weights = as_tensor_variable(weights)
    if weights.ndim != a.ndim:
        if weights.ndim != 1 or len(axes) != 1:
            raise PhintysTypeError(
                "average: weights must have the shape of a, or be a vector along one axis"
            )
        weights = _core.dimshuffle(weights, [0 if i == axes[0] else -1 for i in range(a.ndim)])
    if a.dtype in discrete_dtypes and weights.dtype in discrete_dtypes:
        weights = _core.cast(weights, "float64")
    weights = _core.elemwise("second", a, weights)
    total = reduction.sum(weights, axis=axis, keepdims=keepdims)
    result = reduction.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (result, total) if returned else result


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Any:
    """The covariance matrix of variables.

    Parameters
    ----------
    m
        A vector or matrix; each row is a variable, each column an observation.
    y
        More variables, in the same form.
    rowvar
        False: variables are the columns.
    bias
        Divide by the number of observations instead of that less one.
    ddof
        Divide by the number of observations less `ddof`; it overrides `bias`.
    fweights
        How often each observation counts: a vector of integers.
    aweights
        The importance of each observation: a vector.
    """
    if ddof is not None and ddof != int(ddof):
        raise PhintysValueError("ddof must be integer")
    x = _observations(m, rowvar)
    if y is not None:
        x = concatenate([x, _observations(y, rowvar)], axis=0)
    x = _core.cast(x, "float64") if x.dtype in discrete_dtypes else x
    ddof = (0 if bias else 1) if ddof is None else int(ddof)
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            given = as_tensor_variable(given)
            if given.ndim != 1:
                raise PhintysTypeError("cov: weights must be vectors")
            weights = given if weights is None else weights * given
    if weights is None:
        count = _core.cast(_core.shape_i(x, 1), "float64")
        free = count - float(ddof)
        centered = x - reduction.mean(x, axis=1, keepdims=True)
        scaled = centered
    else:
        weights = _core.cast(weights, x.dtype)
        total = reduction.sum(weights)
        centered = x - reduction.sum(x * weights, axis=1, keepdims=True) / total
        scaled = centered * weights
        if aweights is None:
            free = total - float(ddof)
        else:
            important = weights * _core.cast(as_tensor_variable(aweights), x.dtype)
            free = total - float(ddof) * reduction.sum(important) / total
    free = _core.elemwise("maximum", free, _number(0, free))
    result = _core.dot(centered, transpose(conj(scaled)))
    result = result / _core.cast(free, _real_dtype(x.dtype))
    single = result.broadcastable[0] and result.broadcastable[1]
    return _core.dimshuffle(result, []) if single else result


def _real_dtype(dtype: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def _observations(m: Any, rowvar: bool) -> Any:
    m = as_tensor_variable(m)
    if m.ndim > 2:
        raise PhintysValueError("m has more than 2 dimensions")
    if m.ndim < 2:
        return _core.dimshuffle(m, [*[-1] * (2 - m.ndim), *range(m.ndim)])
    return m if rowvar or m.broadcastable[0] else transpose(m)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The correlation coefficients of variables; see :func:`cov`."""
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    from phintys.tensor.creation import diagonal

    deviations = _core.elemwise("sqrt", diagonal(c))
    ratio = c / _core.dimshuffle(deviations, [0, -1]) / _core.dimshuffle(deviations, [-1, 0])
    one = _number(1, ratio)
    return _core.elemwise("maximum", _core.elemwise("minimum", ratio, one), -one)

"""Normalisation by means and variances, under the names of ``theano.tensor.nnet.bn``."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import float_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import cast, function_named
from phintys.tensor.reduction import prod
from phintys.tensor.shape import normalize_axis, patternbroadcast, reshape

__all__ = [
    "batch_normalization",
    "batch_normalization_test",
    "batch_normalization_train",
    "layer_norm",
]

sqrt = function_named("sqrt")


def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Any:
    """``(inputs - mean) * (gamma / std) + beta``, elementwise."""
    if mode not in ("low_mem", "high_mem"):
        raise PhintysValueError(f'mode must be either "low_mem", "high_mem", got {mode!r}')
    return (as_tensor_variable(inputs) - mean) * (as_tensor_variable(gamma) / std) + beta


def _axes(axes: Any, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes that are normalised over, and the others."""
    if isinstance(axes, str) and axes == "per-activation":
        axes = (0,)
    elif isinstance(axes, str) and axes == "spatial":
        axes = (0, *range(2, ndim))
    elif isinstance(axes, (tuple, list, np.ndarray)):
        axes = tuple(sorted(int(a) for a in axes))
    else:
        raise PhintysValueError(f"invalid axes: {axes}")
    if len(axes) == 0:
        raise PhintysValueError("there should be at least one normalization axis")
    if min(axes) < 0 or max(axes) >= ndim:
        raise PhintysValueError(f"axes should be less than ndim (<{ndim}), but {axes} given")
    return axes, tuple(i for i in range(ndim) if i not in axes)


def _check_epsilon(epsilon: Any) -> float:
    # Rounded first: float32(1e-5) is less than 1e-5.
    rounded = np.dtype(config.floatX).type(epsilon)
    if rounded < 1e-5:
        raise PhintysValueError(f"epsilon must be at least 1e-5, got {rounded}")
    return float(rounded)


def _check_parameters(gamma: Any, beta: Any, ndim: int, kept: int) -> int:
    """The rank of the parameters: that of the inputs, or one axis for each that is kept."""
    rank = ndim if gamma.ndim == ndim else kept
    if gamma.ndim != rank or beta.ndim != rank:
        raise PhintysValueError(
            "gamma and beta dimensionality must match the number of non-normalized axes, or have "
            f"the same number of dimensions as the inputs; got {gamma.ndim} and {beta.ndim} "
            f"instead of {rank}"
        )
    return rank


def _check_ranks(tensors: dict[str, Any], rank: int) -> None:
    for name, v in tensors.items():
        if v.ndim != rank:
            raise PhintysValueError(
                f"{name} must be of the same dimensionality as gamma and beta; got {v.ndim} "
                f"instead of {rank}"
            )


def batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: Any = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Any, ...]:
    """Batch normalisation with the statistics of the batch (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    inputs
        Mini-batch of any rank.
    gamma, beta
        Scale and shift. Their dimensions are those of `inputs` that are not normalised over; or
        they have the rank of `inputs`, with length 1 in the others.
    axes
        ``"per-activation"``: over the first axis. ``"spatial"``: over all but the second. Or a
        sequence of axes.
    epsilon
        Added to the variance; at least 1e-5.
    running_average_factor
        Weight of the batch in the new running averages.
    running_mean, running_var
        Previous running averages, like `gamma`; both or neither.

    Returns
    -------
    out, mean, invstd
        The normalised inputs, and the mean and inverse standard deviation of the batch.
    new_running_mean, new_running_var
        ``old * (1 - factor) + batch * factor``, if running averages were given; the variance of the
        batch is multiplied by ``m / (m - 1)`` for m values, which makes it unbiased.

    ValueError for axes, ranks or an epsilon that do not fit.
    """
    inputs, gamma, beta = (as_tensor_variable(v) for v in (inputs, gamma, beta))
    ndim = inputs.ndim
    axes, kept = _axes(axes, ndim)
    rank = _check_parameters(gamma, beta, ndim, len(kept))
    if (running_mean is None) != (running_var is None):
        raise PhintysValueError(
            "running_mean and running_var must either both be given or both be None"
        )
    running = []
    if running_mean is not None:
        running = [as_tensor_variable(running_mean), as_tensor_variable(running_var)]
        _check_ranks(dict(zip(("running_mean", "running_var"), running, strict=True)), rank)
    epsilon = _check_epsilon(epsilon)

    narrow = kept if rank == ndim and rank != len(kept) else None
    gamma, beta = (_narrow(v, axes, narrow) for v in (gamma, beta))
    out, mean, invstd, var = _normalize(inputs, gamma, beta, axes, kept, epsilon)
    results = [mean, invstd]
    if running:
        factor = as_tensor_variable(running_average_factor)
        lengths = [cast(_core.shape_i(inputs, a), mean.dtype) for a in axes]
        m = prod(as_tensor_variable(lengths)) if len(lengths) > 1 else lengths[0]
        batch = (mean, m / (m - 1) * var)
        for old, new in zip(running, batch, strict=True):
            old = _narrow(old, axes, narrow)
            results.append(old * (1.0 - factor) + new * factor)
    if narrow is not None:
        results = [_widen(v, ndim, kept) for v in results]
    for i, old in enumerate(running):
        if results[2 + i].broadcastable != old.broadcastable:
            results[2 + i] = patternbroadcast(results[2 + i], old.broadcastable)
    return (out, *results)


def _narrow(v: Any, axes: Any, kept: Any) -> Any:
    """`v` without the axes that are normalised over, if it has them (`kept` is not None)."""
    if kept is None:
        return v
    pattern = [b or i in axes for i, b in enumerate(v.broadcastable)]
    return _core.dimshuffle(patternbroadcast(v, pattern), list(kept))


def _widen(v: Any, ndim: int, kept: Any) -> Any:
    return _core.dimshuffle(v, [kept.index(i) if i in kept else -1 for i in range(ndim)])


def _normalize(x: Any, gamma: Any, beta: Any, axes: Any, kept: Any, eps: float) -> tuple[Any, ...]:
    """Output, mean, inverse deviation and variance; parameters have the axes `kept` alone."""
    dtype = upcast(x.dtype, gamma.dtype, beta.dtype)
    if dtype not in float_dtypes:
        dtype = config.floatX
    compute = "float32" if dtype == "float16" else dtype
    x = _core.cast(x, compute)
    parameters = [_stretch(_core.cast(v, compute), x, kept) for v in (gamma, beta)]
    order = None
    if kept and kept != tuple(range(kept[0], kept[-1] + 1)):
        order = [*axes, *kept]
        x = _core.dimshuffle(x, order)
    lead = len(axes) if order else (kept[0] if kept else x.ndim)
    op = {"lead": lead, "kept": len(kept), "eps": eps}
    outputs = list(_core.apply("batch_norm", [x, *parameters], **op))
    if order:
        outputs[0] = _core.dimshuffle(outputs[0], [order.index(i) for i in range(len(order))])
    return tuple(_core.cast(v, dtype) for v in outputs)


def _stretch(v: Any, x: Any, kept: Any) -> Any:
    """`v` with the lengths of `x` where it broadcasts."""
    if not any(b and not x.broadcastable[a] for b, a in zip(v.broadcastable, kept, strict=True)):
        return v
    return _core.alloc(v, [_core.shape_i(x, a) for a in kept])


def batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
) -> Any:
    """Batch normalisation with given statistics: ``(x - mean) * gamma / sqrt(var + eps) + beta``.

    Parameters are those of :func:`batch_normalization_train`; `mean` and `var` are like `gamma`.
    """
    inputs, *parameters = (as_tensor_variable(v) for v in (inputs, gamma, beta, mean, var))
    ndim = inputs.ndim
    axes, kept = _axes(axes, ndim)
    rank = _check_parameters(parameters[0], parameters[1], ndim, len(kept))
    if parameters[2].ndim != rank or parameters[3].ndim != rank:
        raise PhintysValueError(
            "mean and var must be of the same dimensionality as gamma and beta; "
            f"got {parameters[2].ndim} and {parameters[3].ndim} instead of {rank}"
        )
    eps = _core.cast(
        as_tensor_variable(_check_epsilon(epsilon)), upcast(inputs.dtype, parameters[3].dtype)
    )
    narrow = kept if rank == ndim and rank != len(kept) else None
    gamma, beta, mean, var = (_narrow(v, axes, narrow) for v in parameters)
    scale = gamma / sqrt(var + eps)
    dtype = upcast(inputs.dtype, scale.dtype, beta.dtype, mean.dtype)
    adjacent = not kept or kept == tuple(range(kept[0], kept[-1] + 1))
    if not adjacent or dtype not in ("float32", "float64"):
        wide = [_widen(v, ndim, kept) for v in (mean, scale, beta)]
        return (inputs - wide[0]) * wide[1] + wide[2]
    x = _core.cast(inputs, dtype)
    operands = [_stretch(_core.cast(v, dtype), x, kept) for v in (mean, scale, beta)]
    lead = kept[0] if kept else ndim
    return _core.apply("scale_channels", [x, *operands], lead=lead, kept=len(kept))


def layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-5
) -> Any:
    """Layer normalisation (Ba, Kiros and Hinton, 2016): over the last axes of each example.

    Parameters
    ----------
    x
        A floating tensor.
    gamma, beta
        Scale and shift of the shape of the normalised axes, or None for 1 and 0.
    axis
        An axis or several: the last ones of `x`.
    epsilon
        Added to the variance.

    Raises
    ------
    ValueError
        The axes are not the last ones, or `gamma` or `beta` do not have their rank.
    """
    x = as_tensor_variable(x)
    if x.dtype not in float_dtypes:
        raise PhintysTypeError(f"layer_norm: x must be floating, got {x.type}")
    axes = sorted(
        normalize_axis(a, x.ndim, "layer_norm")
        for a in (axis if isinstance(axis, (tuple, list)) else [axis])
    )
    count = len(axes)
    if not axes or axes != list(range(x.ndim - count, x.ndim)):
        raise PhintysValueError(f"layer_norm: the axes must be the last ones, got {axis}")
    dtype = x.dtype
    x = _core.cast(x, "float32") if dtype == "float16" else x
    rows = x
    if count > 1:
        shape = [_core.shape_i(x, i) for i in range(x.ndim - count)]
        rows = reshape(x, [*shape, -1], ndim=x.ndim - count + 1)
    operands = [rows]
    if gamma is not None or beta is not None:
        for v, fill in ((gamma, 1), (beta, 0)):
            v = as_tensor_variable(fill if v is None else v)
            if v.ndim not in (0, count):
                raise PhintysValueError(
                    f"layer_norm: gamma and beta must have {count} dimensions, got {v.type}"
                )
            v = _core.cast(v, x.dtype)
            lengths = [_core.shape_i(x, a) for a in axes]
            if v.ndim == 0 or any(v.broadcastable):
                v = _core.alloc(v, lengths)
            operands.append(v.flatten() if v.ndim > 1 else v)
    y = _core.apply("layer_norm", operands, eps=float(epsilon))[0]
    if count > 1:
        y = reshape(y, [_core.shape_i(x, i) for i in range(x.ndim)], ndim=x.ndim)
    return _core.cast(y, dtype)

"""Neural network functions: softmax, activations, losses."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import float_dtypes, integer_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange
from phintys.tensor.elemwise import function_named
from phintys.tensor.reduction import sum
from phintys.tensor.subtensor import getitem

__all__ = [
    "batch_normalization",
    "binary_crossentropy",
    "categorical_crossentropy",
    "confusion_matrix",
    "crossentropy_categorical_1hot",
    "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_argmax_1hot_with_bias",
    "elu",
    "hard_sigmoid",
    "log_softmax",
    "logsoftmax",
    "relu",
    "selu",
    "sigmoid",
    "sigmoid_binary_crossentropy",
    "softmax",
    "softmax_graph",
    "softmax_with_bias",
    "softplus",
    "softsign",
    "ultra_fast_sigmoid",
]

clip, exp, expm1 = function_named("clip"), function_named("exp"), function_named("expm1")
log, switch = function_named("log"), function_named("switch")
sigmoid, softplus = function_named("sigmoid"), function_named("softplus")


def _rows(c: Any, what: str) -> Any:
    c = as_tensor_variable(c)
    if c.ndim not in (1, 2) or c.dtype not in float_dtypes:
        raise PhintysValueError(f"{what}: x must be 1-d or 2-d tensor of floats. Got {c.type}")
    return _core.dimshuffle(c, [-1, 0]) if c.ndim == 1 else c


def softmax(c: Any) -> Any:
    """``exp(c) / sum(exp(c))`` over each row of a floating matrix; a vector counts as one row.

    The result is a matrix; it does not overflow. ValueError for other ranks and dtypes.
    """
    return _core.apply("softmax", [_rows(c, "softmax")])


def logsoftmax(c: Any) -> Any:
    """``log(softmax(c))``, accurate where the softmax underflows."""
    return _core.apply("log_softmax", [_rows(c, "logsoftmax")])


log_softmax = logsoftmax


def softmax_graph(c: Any) -> Any:
    """The softmax of the rows of `c` as an expression of elementwise ops and sums."""
    c = _rows(c, "softmax_graph")
    e = exp(c - c.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_with_bias(x: Any, b: Any) -> Any:
    """``softmax(x + b)`` with a bias for each column."""
    return softmax(as_tensor_variable(x) + b)


def relu(x: Any, alpha: Any = 0) -> Any:
    """``max(x, 0)``, or with `alpha` ``alpha * x`` for negative x; the derivative at 0 is the mean.

    `alpha` is a number or a tensor that broadcasts against `x`.
    """
    x = as_tensor_variable(x)
    magnitude = _core.elemwise("abs_", x)
    if isinstance(alpha, (int, float)) and alpha == 0:
        return 0.5 * (x + magnitude)
    alpha = as_tensor_variable(alpha)
    f1 = 0.5 * (1 + alpha)
    f2 = 0.5 * (1 - alpha)
    return f1 * x + f2 * magnitude


def elu(x: Any, alpha: Any = 1) -> Any:
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""
    x = as_tensor_variable(x)
    return switch(x > 0, x, alpha * expm1(x))


def selu(x: Any) -> Any:
    """The scaled :func:`elu` of self-normalising networks."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    x = as_tensor_variable(x)
    return x / (1.0 + _core.elemwise("abs_", x))


def hard_sigmoid(x: Any) -> Any:
    """The piecewise linear approximation ``clip(0.2 * x + 0.5, 0, 1)`` of the sigmoid."""
    x = as_tensor_variable(x)
    kind = "float32" if x.dtype in ("float16", "float32") else "float64"
    slope = _core.cast(as_tensor_variable(0.2), kind)
    shift = _core.cast(as_tensor_variable(0.5), kind)
    return clip(x * slope + shift, 0, 1)


def ultra_fast_sigmoid(x: Any) -> Any:
    """The sigmoid: the exact one is fast enough."""
    return sigmoid(x)


def binary_crossentropy(output: Any, target: Any) -> Any:
    """``-(target * log(output) + (1 - target) * log(1 - output))``, elementwise.

    `output` holds probabilities. Applied to a sigmoid it is computed from the sigmoid's argument
    without loss.
    """
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))


def sigmoid_binary_crossentropy(output: Any, target: Any) -> Any:
    """:func:`binary_crossentropy` of ``sigmoid(output)``, elementwise."""
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return target * softplus(-output) + (1.0 - target) * softplus(output)


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Any:
    """``-log(coding_dist[i, true_one_of_n[i]])`` for each row i.

    `coding_dist` is a matrix whose rows are distributions, `true_one_of_n` an integer vector.
    """
    dist, target = as_tensor_variable(coding_dist), as_tensor_variable(true_one_of_n)
    if dist.ndim != 2:
        raise PhintysTypeError("matrix required for argument: coding_dist", str(dist.type))
    if target.ndim != 1 or target.dtype not in integer_dtypes:
        raise PhintysTypeError(
            "integer vector required for argument: true_one_of_n", str(target.type)
        )
    return -log(getitem(dist, (arange(_core.shape_i(target, 0)), target)))


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Any:
    """The cross-entropy of each row of `coding_dist` with a true distribution.

    Parameters
    ----------
    coding_dist
        A tensor whose last dimension holds distributions.
    true_dist
        A tensor of the same rank, or an integer vector of class indices (`coding_dist` is then a
        matrix).

    Raises
    ------
    TypeError
        The rank of `true_dist` does not fit.
    """
    dist, target = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if target.ndim == dist.ndim:
        return -sum(target * log(dist), axis=dist.ndim - 1)
    if target.ndim == dist.ndim - 1 and target.dtype in integer_dtypes:
        return crossentropy_categorical_1hot(dist, target)
    raise PhintysTypeError(
        f"rank mismatch between coding and true distributions: {dist.type} and {target.type}"
    )


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> Any:
    """(cross-entropy, softmax) of the rows of `x` with class indices `y_idx`."""
    probabilities = softmax(x)
    return crossentropy_categorical_1hot(probabilities, y_idx), probabilities


def crossentropy_softmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> Any:
    """:func:`crossentropy_softmax_1hot` of ``x + b``."""
    return crossentropy_softmax_1hot(as_tensor_variable(x) + b, y_idx)


def crossentropy_softmax_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> Any:
    """(cross-entropy, softmax, index of the greatest) of the rows of ``x + b``."""
    total = as_tensor_variable(x) + b
    loss, probabilities = crossentropy_softmax_1hot(total, y_idx)
    return loss, probabilities, total.argmax(axis=-1)


def confusion_matrix(actual: Any, pred: Any) -> Any:
    """Counts of pairs of classes for constant integer vectors, and the classes in order."""
    import numpy as np

    a, p = as_tensor_variable(actual), as_tensor_variable(pred)
    if a.ndim != 1 or p.ndim != 1:
        raise PhintysValueError("confusion_matrix: vectors are needed")
    if not a.is_constant or not p.is_constant:
        raise PhintysTypeError("confusion_matrix: the classes must be constant to be counted")
    order = np.unique(np.concatenate([a.data, p.data]))
    row = _core.constant(order[None, :], None)
    hot_a = _core.cast(_core.elemwise("eq", _core.dimshuffle(a, [0, -1]), row), "int64")
    hot_p = _core.cast(_core.elemwise("eq", _core.dimshuffle(p, [0, -1]), row), "int64")
    return [_core.dot(hot_a.T, hot_p), _core.constant(order, None)]


def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Any:
    """``(inputs - mean) * (gamma / std) + beta``."""
    if mode not in ("low_mem", "high_mem"):
        raise PhintysValueError(f'mode must be either "low_mem", "high_mem", got {mode!r}')
    return (as_tensor_variable(inputs) - mean) * (as_tensor_variable(gamma) / std) + beta

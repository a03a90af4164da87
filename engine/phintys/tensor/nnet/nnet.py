"""Softmax and losses, under the names of ``theano.tensor.nnet.nnet``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import float_dtypes, integer_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange, zeros_like
from phintys.tensor.elemwise import function_named
from phintys.tensor.join import concatenate
from phintys.tensor.linalg_basic import dot, tensordot
from phintys.tensor.nnet.activations import (
    elu,
    hard_sigmoid,
    relu,
    scalar_sigmoid,
    scalar_softplus,
    selu,
    sigmoid,
    sigmoid_inplace,
    softplus,
    softsign,
    ultra_fast_sigmoid,
)
from phintys.tensor.nnet.blocksparse import sparse_block_dot
from phintys.tensor.reduction import max_and_argmax, sum
from phintys.tensor.shape import normalize_axis
from phintys.tensor.subtensor import getitem, inc_subtensor, set_subtensor

__all__ = [
    "CrossentropyCategorical1Hot",
    "CrossentropyCategorical1HotGrad",
    "CrossentropySoftmax1HotWithBiasDx",
    "CrossentropySoftmaxArgmax1HotWithBias",
    "LogSoftmax",
    "Prepend_scalar_constant_to_each_row",
    "Prepend_scalar_to_each_row",
    "Softmax",
    "SoftmaxGrad",
    "SoftmaxWithBias",
    "binary_crossentropy",
    "categorical_crossentropy",
    "confusion_matrix",
    "crossentropy_categorical_1hot",
    "crossentropy_categorical_1hot_grad",
    "crossentropy_softmax_1hot",
    "crossentropy_softmax_1hot_with_bias",
    "crossentropy_softmax_1hot_with_bias_dx",
    "crossentropy_softmax_argmax_1hot_with_bias",
    "crossentropy_softmax_max_and_argmax_1hot",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias",
    "elu",
    "h_softmax",
    "hard_sigmoid",
    "log_softmax",
    "logsoftmax",
    "prepend_0_to_each_row",
    "prepend_1_to_each_row",
    "prepend_scalar_to_each_row",
    "relu",
    "scalar_sigmoid",
    "scalar_softplus",
    "selu",
    "sigmoid",
    "sigmoid_binary_crossentropy",
    "sigmoid_inplace",
    "softmax",
    "softmax_grad",
    "softmax_graph",
    "softmax_op",
    "softmax_with_bias",
    "softplus",
    "softsign",
    "ultra_fast_sigmoid",
]

log = function_named("log")


def _rows(c: Any, what: str) -> Any:
    c = as_tensor_variable(c)
    if c.ndim not in (1, 2) or c.dtype not in float_dtypes:
        raise PhintysValueError(f"{what}: x must be 1-d or 2-d tensor of floats. Got {c.type}")
    return _core.dimshuffle(c, [-1, 0]) if c.ndim == 1 else c


def _over_axis(name: str, c: Any, axis: Any) -> Any:
    """The op `name` of the last axis, over another one."""
    c = as_tensor_variable(c)
    if c.dtype not in float_dtypes or c.ndim == 0:
        raise PhintysValueError(
            f"{name}: x must be a tensor of floats with one dimension or more. Got {c.type}"
        )
    axis = normalize_axis(axis, c.ndim, name)
    if axis == c.ndim - 1:
        return _core.apply(name, [c])
    order = [i for i in range(c.ndim) if i != axis] + [axis]
    back = [order.index(i) for i in range(c.ndim)]
    return _core.dimshuffle(_core.apply(name, [_core.dimshuffle(c, order)]), back)


def softmax(c: Any, axis: int | None = None) -> Any:
    """``exp(c) / sum(exp(c))``, without overflow.

    Without `axis`, over each row of a floating matrix; a vector counts as one row, and the result
    is a matrix; ValueError for other ranks. With `axis`, over that axis of a floating tensor of
    any rank.
    """
    if axis is not None:
        return _over_axis("softmax", c, axis)
    return _core.apply("softmax", [_rows(c, "softmax")])


def logsoftmax(c: Any, axis: int | None = None) -> Any:
    """``log(softmax(c, axis))``, accurate where the softmax underflows."""
    if axis is not None:
        return _over_axis("log_softmax", c, axis)
    return _core.apply("log_softmax", [_rows(c, "logsoftmax")])


log_softmax = logsoftmax


def softmax_graph(c: Any) -> Any:
    """:func:`softmax`."""
    return softmax(c)


def softmax_grad(dy: Any, sm: Any) -> Any:
    """The gradient with respect to c of ``sm = softmax(c)``: ``(dy - sum(dy * sm)) * sm``."""
    dy, sm = as_tensor_variable(dy), as_tensor_variable(sm)
    return (dy - sum(dy * sm, axis=-1, keepdims=True)) * sm


def softmax_with_bias(x: Any, b: Any) -> Any:
    """``softmax(x + b)`` with a bias for each column."""
    return softmax(as_tensor_variable(x) + b)


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


def crossentropy_softmax_max_and_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> Any:
    """[cross-entropy, softmax, greatest probability, its index] of the rows of ``x + b``."""
    loss, probabilities = crossentropy_softmax_1hot_with_bias(x, b, y_idx)
    return [loss, probabilities, *max_and_argmax(probabilities, axis=-1)]


def crossentropy_softmax_max_and_argmax_1hot(x: Any, y_idx: Any) -> Any:
    """:func:`crossentropy_softmax_max_and_argmax_1hot_with_bias` without a bias."""
    loss, probabilities = crossentropy_softmax_1hot(x, y_idx)
    return [loss, probabilities, *max_and_argmax(probabilities, axis=-1)]


def crossentropy_softmax_1hot_with_bias_dx(dy: Any, sm: Any, y_idx: Any) -> Any:
    """The gradient of :func:`crossentropy_softmax_1hot` with respect to its argument.

    `dy` is the gradient with respect to the losses (a vector or a scalar), `sm` the softmax.
    """
    dy, sm, y_idx = as_tensor_variable(dy), as_tensor_variable(sm), as_tensor_variable(y_idx)
    rows = arange(_core.shape_i(y_idx, 0))
    hit = inc_subtensor(getitem(sm, (rows, y_idx)), _core.cast(as_tensor_variable(-1), sm.dtype))
    return hit * (_core.dimshuffle(dy, [0, -1]) if dy.ndim == 1 else dy)


def crossentropy_categorical_1hot_grad(g_y: Any, coding_dist: Any, true_one_of_n: Any) -> Any:
    """The gradient of :func:`crossentropy_categorical_1hot` with respect to `coding_dist`."""
    g, dist = as_tensor_variable(g_y), as_tensor_variable(coding_dist)
    target = as_tensor_variable(true_one_of_n)
    where = (arange(_core.shape_i(target, 0)), target)
    return inc_subtensor(getitem(zeros_like(dist), where), -g / getitem(dist, where))


def prepend_scalar_to_each_row(val: Any, mat: Any) -> Any:
    """The matrix `mat` with a first column of the scalar `val`."""
    val, mat = as_tensor_variable(val), as_tensor_variable(mat)
    if val.ndim != 0:
        raise PhintysTypeError(f"prepend_scalar_to_each_row: a scalar is needed, got {val.type}")
    if mat.ndim != 2:
        raise PhintysTypeError(f"prepend_scalar_to_each_row: a matrix is needed, got {mat.type}")
    column = _core.alloc(_core.cast(val, mat.dtype), [_core.shape_i(mat, 0), as_tensor_variable(1)])
    return concatenate([column, mat], axis=1)


def prepend_0_to_each_row(mat: Any) -> Any:
    """The matrix `mat` with a first column of zeros."""
    return prepend_scalar_to_each_row(0, mat)


def prepend_1_to_each_row(mat: Any) -> Any:
    """The matrix `mat` with a first column of ones."""
    return prepend_scalar_to_each_row(1, mat)


def h_softmax(
    x: Any,
    batch_size: Any,
    n_outputs: Any,
    n_classes: Any,
    n_outputs_per_class: Any,
    W1: Any,
    b1: Any,
    W2: Any,
    b2: Any,
    target: Any = None,
) -> Any:
    """Softmax in two levels: over classes, then over the outputs of a class.

    Parameters
    ----------
    x
        [batch, features].
    batch_size, n_outputs
        Lengths of the result.
    n_classes, n_outputs_per_class
        Together at least `n_outputs`; about its square root each is fastest.
    W1, b1
        [features, classes] and [classes].
    W2, b2
        [classes, features, outputs of a class] and [classes, outputs of a class].
    target
        An integer vector: an output for each example.

    Returns
    -------
    tensor
        Without `target`, the matrix [batch, n_outputs] of all probabilities. With it, the vector of
        the targets' probabilities, for which one class of each example is computed.
    """
    x, W2, b2 = as_tensor_variable(x), as_tensor_variable(W2), as_tensor_variable(b2)
    classes = softmax(dot(x, W1) + b1)
    if target is None:
        activations = tensordot(x, W2, (1, 1)) + b2
        outputs = softmax(activations.reshape((-1, n_outputs_per_class)))
        outputs = outputs.reshape((batch_size, n_classes, -1))
        outputs = _core.dimshuffle(classes, [0, 1, -1]) * outputs
        return getitem(outputs.reshape((batch_size, -1)), (slice(None), slice(None, n_outputs)))
    target = as_tensor_variable(target).flatten()
    chosen, inside = target // n_outputs_per_class, target % n_outputs_per_class
    first = zeros_like(_core.dimshuffle(chosen, [0, -1]))
    activations = sparse_block_dot(
        _core.dimshuffle(W2, [-1, 0, 1, 2]),
        _core.dimshuffle(x, [0, -1, 1]),
        first,
        b2,
        _core.dimshuffle(chosen, [0, -1]),
    )
    outputs = softmax(_core.dimshuffle(activations, [0, 2]))
    rows = arange(_core.shape_i(target, 0))
    return getitem(classes, (rows, chosen)) * getitem(outputs, (rows, inside))


def confusion_matrix(actual: Any, pred: Any) -> Any:
    """[counts, classes]: how often actual class i was predicted as class j.

    `actual` and `pred` are vectors of one length; rows and columns are their classes in increasing
    order, which are the second result.
    """
    a, p = as_tensor_variable(actual), as_tensor_variable(pred)
    if a.ndim != 1:
        raise PhintysValueError("actual must be 1-d tensor variable")
    if p.ndim != 1:
        raise PhintysValueError("pred must be 1-d tensor variable")
    order = _classes(concatenate([a, p]))
    row = _core.dimshuffle(order, [-1, 0])
    hits = [
        _core.cast(_core.elemwise("eq", _core.dimshuffle(v, [0, -1]), row), "int64") for v in (a, p)
    ]
    return [dot(hits[0].T, hits[1]), order]


def _classes(values: Any) -> Any:
    """The distinct elements of a vector, in increasing order."""
    column, row = _core.dimshuffle(values, [0, -1]), _core.dimshuffle(values, [-1, 0])
    positions = arange(_core.shape_i(values, 0))
    before = _core.dimshuffle(positions, [-1, 0]) < _core.dimshuffle(positions, [0, -1])
    first = _core.elemwise("eq", (_core.elemwise("eq", column, row) * before).sum(axis=1), 0)
    # An element's place is the number of distinct ones that are less.
    places = ((row < column) * _core.dimshuffle(first, [-1, 0])).sum(axis=1)
    result = zeros_like(getitem(values, slice(None, first.sum())))
    return set_subtensor(getitem(result, places), values)


class Softmax:
    """:func:`softmax` as the class of Theano."""

    def __call__(self, c: Any) -> Any:
        """The softmax of the rows."""
        return softmax(c)


class LogSoftmax:
    """:func:`logsoftmax` as the class of Theano."""

    def __call__(self, c: Any) -> Any:
        """The logarithm of the softmax of the rows."""
        return logsoftmax(c)


class SoftmaxWithBias:
    """:func:`softmax_with_bias` as the class of Theano."""

    def __call__(self, x: Any, b: Any) -> Any:
        """The softmax of the rows of ``x + b``."""
        return softmax_with_bias(x, b)


class SoftmaxGrad:
    """:func:`softmax_grad` as the class of Theano."""

    def __call__(self, dy: Any, sm: Any) -> Any:
        """The gradient with respect to the softmax's argument."""
        return softmax_grad(dy, sm)


class CrossentropyCategorical1Hot:
    """:func:`crossentropy_categorical_1hot` as the class of Theano."""

    def __call__(self, coding_dist: Any, true_one_of_n: Any) -> Any:
        """The losses."""
        return crossentropy_categorical_1hot(coding_dist, true_one_of_n)


class CrossentropyCategorical1HotGrad:
    """:func:`crossentropy_categorical_1hot_grad` as the class of Theano."""

    def __call__(self, g_y: Any, coding_dist: Any, true_one_of_n: Any) -> Any:
        """The gradient with respect to the distributions."""
        return crossentropy_categorical_1hot_grad(g_y, coding_dist, true_one_of_n)


class CrossentropySoftmaxArgmax1HotWithBias:
    """:func:`crossentropy_softmax_argmax_1hot_with_bias` as the class of Theano."""

    def __call__(self, x: Any, b: Any, y_idx: Any) -> Any:
        """(losses, softmax, indices of the greatest)."""
        return crossentropy_softmax_argmax_1hot_with_bias(x, b, y_idx)


class CrossentropySoftmax1HotWithBiasDx:
    """:func:`crossentropy_softmax_1hot_with_bias_dx` as the class of Theano."""

    def __call__(self, dy: Any, sm: Any, y_idx: Any) -> Any:
        """The gradient with respect to the softmax's argument."""
        return crossentropy_softmax_1hot_with_bias_dx(dy, sm, y_idx)


class Prepend_scalar_to_each_row:
    """:func:`prepend_scalar_to_each_row` as the class of Theano."""

    def __call__(self, val: Any, mat: Any) -> Any:
        """`mat` with a first column of `val`."""
        return prepend_scalar_to_each_row(val, mat)


class Prepend_scalar_constant_to_each_row:
    """:func:`prepend_scalar_to_each_row` with a number given at once."""

    def __init__(self, val: Any = 0) -> None:
        self.val = val

    def __call__(self, mat: Any) -> Any:
        """`mat` with a first column of the number."""
        return prepend_scalar_to_each_row(self.val, mat)


softmax_op = Softmax()

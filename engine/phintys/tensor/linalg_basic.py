"""Products of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.shape import normalize_axis, shape_list

__all__ = ["batched_dot", "dot", "matmul", "outer", "tensordot"]


def dot(l: Any, r: Any) -> Any:
    """The dot product, as ``numpy.dot``: of vectors, matrices, and tensors of higher rank.

    With a scalar operand it is a product; for ranks above 2 the last dimension of `l` is summed
    against the last but one of `r`.
    """
    if hasattr(r, "__rdot__") and not isinstance(r, _core.Variable):
        return r.__rdot__(l)
    left, right = as_tensor_variable(l), as_tensor_variable(r)
    if left.ndim == 0 or right.ndim == 0:
        return left * right
    if left.ndim > 2 or right.ndim > 2:
        return tensordot(left, right, [[left.ndim - 1], [max(0, right.ndim - 2)]])
    return _core.dot(left, right)


def matmul(l: Any, r: Any) -> Any:
    """``l @ r`` for operands of rank 1 and 2, or one of higher rank and a vector or matrix."""
    left, right = as_tensor_variable(l), as_tensor_variable(r)
    if left.ndim == 0 or right.ndim == 0:
        raise PhintysValueError("matmul: operands must not be scalars, use * instead")
    if right.ndim <= 2:
        return dot(left, right)
    raise PhintysTypeError(
        f"matmul: stacks of matrices on the right are not supported, got {right.type}"
    )


def outer(x: Any, y: Any) -> Any:
    """The outer product of `x` and `y`, which are flattened if they are no vectors."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    x = x if x.ndim == 1 else x.flatten()
    y = y if y.ndim == 1 else y.flatten()
    return _core.dot(_core.dimshuffle(x, [0, -1]), _core.dimshuffle(y, [-1, 0]))


def _product(lengths: Sequence[Any]) -> Any:
    result = as_tensor_variable(1)
    for i, n in enumerate(lengths):
        result = result * n if i else n
    return _core.cast(result, "int64")


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over dimensions of `a` and `b`, as ``numpy.tensordot``.

    `axes` is a number n (the last n of `a` against the first n of `b`) or two lists of dimensions.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if isinstance(axes, int):
        if axes < 0 or axes > min(a.ndim, b.ndim):
            raise PhintysValueError(
                f"tensordot: axes={axes} is out of range for ranks {a.ndim} and {b.ndim}"
            )
        a_axes = list(range(a.ndim - axes, a.ndim))
        b_axes = list(range(axes))
    else:
        if len(axes) != 2:
            raise PhintysValueError("tensordot: axes must be an integer or two lists")
        first, second = ([x] if isinstance(x, int) else list(x) for x in axes)
        a_axes = [normalize_axis(i, a.ndim, "tensordot") for i in first]
        b_axes = [normalize_axis(i, b.ndim, "tensordot") for i in second]
        if len(a_axes) != len(b_axes):
            raise PhintysValueError("tensordot: axes must name as many dimensions of both operands")
    a_free = [i for i in range(a.ndim) if i not in a_axes]
    b_free = [i for i in range(b.ndim) if i not in b_axes]
    a_shape, b_shape = shape_list(a), shape_list(b)
    out_shape = [a_shape[i] for i in a_free] + [b_shape[i] for i in b_free]
    left = _as_matrix(a, a_free, a_axes, a_shape)
    right = _as_matrix(b, b_axes, b_free, b_shape)
    result = _core.dot(left, right)
    return (
        _core.reshape(result, _core.make_vector(out_shape), len(out_shape))
        if out_shape
        else (_core.dimshuffle(_only_element(result), []))
    )


def _only_element(matrix: Any) -> Any:
    from phintys.tensor.shape import addbroadcast

    return addbroadcast(matrix, 0, 1)


def _as_matrix(x: Any, rows: list[int], cols: list[int], shape: list[Any]) -> Any:
    x = _core.dimshuffle(x, rows + cols)
    lengths = [_product([shape[i] for i in rows]), _product([shape[i] for i in cols])]
    return _core.reshape(x, _core.make_vector(lengths), 2)


def batched_dot(a: Any, b: Any) -> Any:
    """For each i, ``dot(a[i], b[i])``: the first dimension of the operands is the batch."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.ndim not in (1, 2, 3) or b.ndim not in (1, 2, 3):
        raise PhintysValueError(
            f"batched_dot: operands must have 1 to 3 dimensions, got {a.type} and {b.type}"
        )
    if a.ndim == 1:
        return _core.dimshuffle(a, [0] + [-1] * (b.ndim - 1)) * b
    if b.ndim == 1:
        return a * _core.dimshuffle(b, [0] + [-1] * (a.ndim - 1))
    left = a if a.ndim == 3 else _core.dimshuffle(a, [0, -1, 1])
    right = b if b.ndim == 3 else _core.dimshuffle(b, [0, 1, -1])
    product = _core.dimshuffle(left, [0, 1, 2, -1]) * _core.dimshuffle(right, [0, -1, 1, 2])
    result = product.sum(axis=2)
    keep = [0, *([1] if a.ndim == 3 else []), *([2] if b.ndim == 3 else [])]
    return result if len(keep) == 3 else _core.dimshuffle(result, keep)

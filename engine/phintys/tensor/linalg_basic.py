"""Products of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.scalar.dtypes import upcast
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.shape import normalize_axis, shape_list

__all__ = [
    "batched_dot",
    "batched_tensordot",
    "cross",
    "dot",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]


def dot(l: Any, r: Any) -> Any:
    """The dot product, as ``numpy.dot``: of vectors, matrices, and tensors of higher rank.

    With a scalar operand it is a product; for ranks above 2 the last dimension of `l` is summed
    against the last but one of `r`.
    """
    if hasattr(r, "__rdot__") and not isinstance(r, _core.Variable):
        return r.__rdot__(l)
    if hasattr(l, "__dot__") and not isinstance(l, _core.Variable):
        return l.__dot__(r)
    left, right = as_tensor_variable(l), as_tensor_variable(r)
    if left.ndim == 0 or right.ndim == 0:
        return left * right
    if left.ndim > 2 or right.ndim > 2:
        return tensordot(left, right, [[left.ndim - 1], [max(0, right.ndim - 2)]])
    dtype = upcast(left.dtype, right.dtype)
    return _core.dot(_core.cast(left, dtype), _core.cast(right, dtype))


def matmul(l: Any, r: Any) -> Any:
    """``l @ r``: the product of matrices in the last two dimensions, as ``numpy.matmul``.

    Dimensions before them are stacks, stretched where one is missing or known to be 1. A vector on
    the left is a row, on the right a column, and that dimension is dropped from the result.
    """
    left, right = as_tensor_variable(l), as_tensor_variable(r)
    if left.ndim == 0 or right.ndim == 0:
        raise PhintysValueError("matmul: operands must not be scalars, use * instead")
    if right.ndim <= 2:
        return dot(left, right)
    if left.ndim > 1:
        return _core.matmul(left, right)
    product = _core.matmul(_core.dimshuffle(left, [-1, 0]), right)
    kept = [*range(product.ndim - 2), product.ndim - 1]
    return _core.dimshuffle(_known_one(product, product.ndim - 2), kept)


def _known_one(x: Any, axis: int) -> Any:
    """`x` with dimension `axis`, which is 1, known to be 1."""
    if x.broadcastable[axis]:
        return x
    from phintys.tensor.shape import addbroadcast

    return addbroadcast(x, axis)


def outer(x: Any, y: Any) -> Any:
    """The outer product of `x` and `y`, which are flattened if they are no vectors."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    x = x if x.ndim == 1 else x.flatten()
    y = y if y.ndim == 1 else y.flatten()
    return _core.dot(_core.dimshuffle(x, [0, -1]), _core.dimshuffle(y, [-1, 0]))


def inner(a: Any, b: Any) -> Any:
    """Sums of products over the last dimensions of both, as ``numpy.inner``."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return tensordot(a, b, [[a.ndim - 1], [b.ndim - 1]])


def _conjugate(x: Any) -> Any:
    return _core.elemwise("conj", x) if x.dtype.startswith("complex") else x


def vdot(a: Any, b: Any) -> Any:
    """The dot product of the flattened operands, the first conjugated, as ``numpy.vdot``."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    return dot(_conjugate(a).flatten(), b.flatten())


def _column(x: Any) -> Any:
    return _core.dimshuffle(x, [*range(x.ndim), -1])


def _row(x: Any) -> Any:
    return _core.dimshuffle(x, [*range(x.ndim - 1), -1, x.ndim - 1])


def vecdot(x1: Any, x2: Any) -> Any:
    """Dot products of the vectors in the last dimensions, the first conjugated."""
    return (_conjugate(as_tensor_variable(x1)) * as_tensor_variable(x2)).sum(axis=-1)


def matvec(x1: Any, x2: Any) -> Any:
    """Products of the matrices of `x1` and the vectors in the last dimension of `x2`."""
    product = matmul(x1, _column(as_tensor_variable(x2)))
    kept = list(range(product.ndim - 1))
    return _core.dimshuffle(_known_one(product, product.ndim - 1), kept)


def vecmat(x1: Any, x2: Any) -> Any:
    """Products of the conjugated vectors in the last dimension of `x1` and the matrices of `x2`."""
    product = matmul(_row(_conjugate(as_tensor_variable(x1))), x2)
    kept = [*range(product.ndim - 2), product.ndim - 1]
    return _core.dimshuffle(_known_one(product, product.ndim - 2), kept)


def _product(lengths: Sequence[Any]) -> Any:
    result = as_tensor_variable(1)
    for i, n in enumerate(lengths):
        result = result * n if i else n
    return _core.cast(result, "int64")


def _axes_of(axes: Any, a_ndim: int, b_ndim: int, batch: int) -> tuple[list[int], list[int]]:
    """The dimensions of both operands that tensordot sums over; the first `batch` are not."""
    what = "batched_tensordot" if batch else "tensordot"
    if isinstance(axes, int):
        if axes < 0 or axes > min(a_ndim, b_ndim) - batch:
            raise PhintysValueError(
                f"{what}: axes={axes} is out of range for ranks {a_ndim} and {b_ndim}"
            )
        return list(range(a_ndim - axes, a_ndim)), list(range(batch, batch + axes))
    if len(axes) != 2:
        raise PhintysValueError(f"{what}: axes must be an integer or two lists")
    first, second = ([x] if isinstance(x, int) else list(x) for x in axes)
    a_axes = [normalize_axis(i, a_ndim, what) for i in first]
    b_axes = [normalize_axis(i, b_ndim, what) for i in second]
    if len(a_axes) != len(b_axes):
        raise PhintysValueError(f"{what}: axes must name as many dimensions of both operands")
    if len(set(a_axes)) != len(a_axes) or len(set(b_axes)) != len(b_axes):
        raise PhintysValueError(f"{what}: axes must not name a dimension twice")
    if any(i < batch for i in a_axes + b_axes):
        raise PhintysValueError(f"{what}: axes must not name the dimension of the batch")
    return a_axes, b_axes


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over dimensions of `a` and `b`, as ``numpy.tensordot``.

    `axes` is a number n (the last n of `a` against the first n of `b`) or two lists of dimensions.
    """
    return _tensordot(as_tensor_variable(a), as_tensor_variable(b), axes, 0)


def batched_tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """For each i, ``tensordot(x[i], y[i], axes)``, where lists of axes count the batch as 0."""
    return _tensordot(as_tensor_variable(x), as_tensor_variable(y), axes, 1)


def _tensordot(a: Any, b: Any, axes: Any, batch: int) -> Any:
    if min(a.ndim, b.ndim) < batch:
        raise PhintysValueError("batched_tensordot: operands must have a dimension for the batch")
    a_axes, b_axes = _axes_of(axes, a.ndim, b.ndim, batch)
    a_free = [i for i in range(batch, a.ndim) if i not in a_axes]
    b_free = [i for i in range(batch, b.ndim) if i not in b_axes]
    return contract(a, b, list(range(batch)), list(range(batch)), a_free, b_free, a_axes, b_axes)


def contract(
    a: Any,
    b: Any,
    a_batch: list[int],
    b_batch: list[int],
    a_free: list[int],
    b_free: list[int],
    a_summed: list[int],
    b_summed: list[int],
) -> Any:
    """The sum of products over `a_summed` and `b_summed`: dimensions batch, a_free, b_free.

    Done as one product of (stacks of) matrices.
    """
    a_shape, b_shape = shape_list(a), shape_list(b)
    batch = [b_shape[j] if a.broadcastable[i] else a_shape[i] for i, j in zip(a_batch, b_batch)]  # noqa: B905
    left = _as_matrices(a, a_batch, a_free, a_summed, a_shape)
    right = _as_matrices(b, b_batch, b_summed, b_free, b_shape)
    product = _core.matmul(left, right)
    shape = batch + [a_shape[i] for i in a_free] + [b_shape[i] for i in b_free]
    if len(a_free) == 1 and len(b_free) == 1:
        return product
    n = len(batch)
    for axis, free in ((n, a_free), (n + 1, b_free)):
        if not free:
            product = _known_one(product, axis)
    if len(a_free) <= 1 and len(b_free) <= 1:
        kept = [*range(n), *([n] if a_free else []), *([n + 1] if b_free else [])]
        return _core.dimshuffle(product, kept)
    result = _core.reshape(product, _core.make_vector(shape), len(shape))
    ones = [a.broadcastable[i] for i in a_free] + [b.broadcastable[i] for i in b_free]
    for k, one in enumerate(ones):
        result = _known_one(result, n + k) if one else result
    return result


def _as_matrices(
    x: Any, batch: list[int], rows: list[int], cols: list[int], shape: list[Any]
) -> Any:
    """`x` with dimensions batch, all of `rows` as one, all of `cols` as one."""
    order = [*batch, *(rows or [-1]), *(cols or [-1])]
    x = _core.dimshuffle(x, order)
    if len(rows) <= 1 and len(cols) <= 1:
        return x
    lengths = [shape[i] for i in batch]
    lengths += [_product([shape[i] for i in rows]), _product([shape[i] for i in cols])]
    result = _core.reshape(x, _core.make_vector(lengths), len(lengths))
    for k in range(len(batch)):
        result = _known_one(result, k) if x.broadcastable[k] else result
    return result


def batched_dot(a: Any, b: Any) -> Any:
    """For each i, ``dot(a[i], b[i])``: the first dimension of the operands is the batch."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.ndim == 0 or b.ndim == 0:
        raise PhintysValueError(
            f"batched_dot: operands must have 1 or more dimensions, got {a.type} and {b.type}"
        )
    if a.ndim == 1:
        return _core.dimshuffle(a, [0] + [-1] * (b.ndim - 1)) * b
    if b.ndim == 1:
        return a * _core.dimshuffle(b, [0] + [-1] * (a.ndim - 1))
    return batched_tensordot(a, b, [[a.ndim - 1], [max(1, b.ndim - 2)]])


def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: copies of `b` scaled by the elements of `a`, as ``numpy.kron``."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    n = max(a.ndim, b.ndim)
    a = _core.dimshuffle(a, [-1] * (n - a.ndim) + list(range(a.ndim)))
    b = _core.dimshuffle(b, [-1] * (n - b.ndim) + list(range(b.ndim)))
    if n == 0:
        return a * b
    left = _core.dimshuffle(a, [k for i in range(n) for k in (i, -1)])
    right = _core.dimshuffle(b, [k for i in range(n) for k in (-1, i)])
    shape = [_product(pair) for pair in zip(shape_list(a), shape_list(b), strict=True)]
    return _core.reshape(left * right, _core.make_vector(shape), n)


def cross(a: Any, b: Any, axis: int = -1) -> Any:
    """The cross product of vectors of length 3 (or 2: the third component of it) along `axis`."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    a = _core.dimshuffle(a, _moved_last(a.ndim, axis))
    b = _core.dimshuffle(b, _moved_last(b.ndim, axis))
    for v in (a, b):
        length = v.type.static_shape[-1]
        if length is not None and length not in (2, 3):
            raise PhintysValueError(f"cross: vectors must have length 2 or 3, got {length}")
    flat = [v.type.static_shape[-1] == 2 for v in (a, b)]
    if all(flat):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    zero = as_tensor_variable(0)
    x = [a[..., 0], a[..., 1], zero if flat[0] else a[..., 2]]
    y = [b[..., 0], b[..., 1], zero if flat[1] else b[..., 2]]
    parts = [x[(i + 1) % 3] * y[(i + 2) % 3] - x[(i + 2) % 3] * y[(i + 1) % 3] for i in range(3)]
    n = parts[0].ndim + 1
    from phintys.tensor.join import join

    rows = join(n - 1, *[_column(p) for p in parts])
    place = normalize_axis(axis, n, "cross")
    order = list(range(n - 1))
    order.insert(place, n - 1)
    return _core.dimshuffle(rows, order)


def _moved_last(ndim: int, axis: int) -> list[int]:
    last = normalize_axis(axis, ndim, "cross")
    return [*(i for i in range(ndim) if i != last), last]

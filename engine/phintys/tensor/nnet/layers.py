"""Layers without parameters of their own: dropout, embeddings, normalisation across channels."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange
from phintys.tensor.elemwise import cast
from phintys.tensor.indexing import take
from phintys.tensor.signal.pool import Pool

__all__ = ["dropout", "embedding", "local_response_norm", "one_hot"]


def dropout(x: Any, rate: Any, rng: Any, deterministic: bool = False) -> Any:
    """`x` with elements set to 0 at random, and the others divided by ``1 - rate``.

    Parameters
    ----------
    x
        A floating tensor.
    rate
        The probability of an element to be dropped, a number or a scalar.
    rng
        A random stream: an object with ``binomial(size, n, p, dtype)`` or ``bernoulli(p, size)``.
    deterministic
        True: `x` itself, as it is wanted outside of training.
    """
    x = as_tensor_variable(x)
    if deterministic or (isinstance(rate, (int, float)) and rate == 0):
        return x
    if isinstance(rate, (int, float)) and not 0 <= rate < 1:
        raise PhintysValueError(f"dropout: the rate must be in [0, 1), got {rate}")
    keep = 1 - rate
    if hasattr(rng, "binomial"):
        mask = rng.binomial(size=x.shape, n=1, p=keep, dtype=x.dtype)
    elif hasattr(rng, "bernoulli"):
        mask = rng.bernoulli(keep, size=x.shape)
    else:
        raise PhintysTypeError(f"dropout: {rng!r} has neither binomial nor bernoulli")
    return x * _core.cast(mask, x.dtype) / _core.cast(as_tensor_variable(keep), x.dtype)


def embedding(indices: Any, weights: Any) -> Any:
    """The rows of the matrix `weights` that integer `indices` of any rank choose.

    The gradient adds up over equal indices. IndexError when called with one out of range.
    """
    indices, weights = as_tensor_variable(indices), as_tensor_variable(weights)
    if indices.dtype not in integer_dtypes:
        raise PhintysTypeError(f"embedding: indices must be integers, got {indices.type}")
    return take(weights, indices, axis=0)


def one_hot(indices: Any, classes: Any, dtype: Any = None) -> Any:
    """A tensor with one more axis, of length `classes`, that has a 1 where `indices` point.

    Rows of indices out of range are 0. The dtype is floatX by default.
    """
    y = as_tensor_variable(indices)
    if y.dtype not in integer_dtypes:
        raise PhintysTypeError(f"one_hot: indices must be integers, got {y.type}")
    column = _core.dimshuffle(y, [*range(y.ndim), -1])
    row = _core.dimshuffle(arange(classes), [-1] * y.ndim + [0])
    return cast(_core.elemwise("eq", column, row), config.floatX if dtype is None else dtype)


def local_response_norm(
    x: Any, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> Any:
    """``x / (k + alpha * s) ** beta``, s being the sum of squares over `n` neighbouring channels.

    `x` is [batch, channels, ...]; `n` is odd (Krizhevsky, Sutskever and Hinton, 2012).
    """
    x = as_tensor_variable(x)
    if n < 1 or n % 2 == 0:
        raise PhintysValueError(f"local_response_norm: n must be odd, got {n}")
    if x.ndim < 2:
        raise PhintysValueError(f"local_response_norm: two dimensions or more are needed: {x.type}")
    rank = x.ndim
    squares = x * x
    if rank == 2:
        squares = Pool(True, "sum", 1)(squares, (n,), (1,), (n // 2,))
    else:
        # Channels, and all that follows as two axes.
        lengths = [_core.shape_i(x, i) for i in range(rank)]
        flat = squares.reshape((lengths[0], lengths[1], 1, -1), ndim=4)
        sums = Pool(True, "sum", 3)(flat, (n, 1, 1), (1, 1, 1), (n // 2, 0, 0))
        squares = sums.reshape(lengths, ndim=rank)
    number = [_core.cast(as_tensor_variable(float(v)), x.dtype) for v in (k, alpha, beta)]
    return x * (number[0] + number[1] * squares) ** -number[2]

"""Linear algebra that is an expression of other ops."""

from __future__ import annotations

from typing import Any

from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import diag, diagonal
from phintys.tensor.linalg_basic import dot
from phintys.tensor.reduction import norm

__all__ = ["alloc_diag", "diag", "extract_diag", "matrix_dot", "matrix_power", "norm", "trace"]


def trace(x: Any) -> Any:
    """The sum of the diagonal of a matrix."""
    x = as_tensor_variable(x)
    if x.ndim != 2:
        raise PhintysTypeError(f"trace: a matrix is needed, got {x} of {x.type}")
    return diagonal(x).sum()


def extract_diag(x: Any) -> Any:
    """The diagonal of a matrix."""
    x = as_tensor_variable(x)
    if x.ndim != 2:
        raise PhintysTypeError(f"extract_diag: a matrix is needed, got {x} of {x.type}")
    return diagonal(x)


def alloc_diag(x: Any) -> Any:
    """A matrix with the vector `x` on its diagonal."""
    x = as_tensor_variable(x)
    if x.ndim != 1:
        raise PhintysTypeError(f"alloc_diag: a vector is needed, got {x} of {x.type}")
    return diag(x)


def matrix_dot(*args: Any) -> Any:
    """The product of several matrices, from left to right."""
    if not args:
        raise PhintysValueError("matrix_dot: no matrices given")
    result = as_tensor_variable(args[0])
    for other in args[1:]:
        result = dot(result, other)
    return result


def matrix_power(m: Any, n: int) -> Any:
    """The product of `n` copies of the square matrix `m`."""
    m = as_tensor_variable(m)
    if n < 1:
        raise PhintysValueError(f"matrix_power: the power must be at least 1, got {n}")
    result = None
    while n:
        if n & 1:
            result = m if result is None else dot(result, m)
        n >>= 1
        m = dot(m, m) if n else m
    return result

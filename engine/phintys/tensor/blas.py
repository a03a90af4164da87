"""The operations of BLAS by their names in ``theano.tensor.blas``.

Functions need none of them: products are joined with what is added to them when a function is
compiled.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.linalg_basic import batched_dot, batched_tensordot

__all__ = [
    "batched_dot",
    "batched_tensordot",
    "gemm_inplace",
    "gemm_no_inplace",
    "gemv_inplace",
    "gemv_no_inplace",
    "ger",
    "ger_destructive",
]


def gemm_no_inplace(z: Any, a: Any, x: Any, y: Any, b: Any) -> Any:
    """``b * z + a * dot(x, y)`` of matrices."""
    return as_tensor_variable(b) * z + as_tensor_variable(a) * _core.dot(
        as_tensor_variable(x), as_tensor_variable(y)
    )


gemm_inplace = gemm_no_inplace


def gemv_no_inplace(y: Any, alpha: Any, a: Any, x: Any, beta: Any) -> Any:
    """``beta * y + alpha * dot(a, x)`` of vectors `y` and `x` and a matrix `a`."""
    return gemm_no_inplace(y, alpha, a, x, beta)


gemv_inplace = gemv_no_inplace


def ger(a: Any, alpha: Any, x: Any, y: Any) -> Any:
    """``a + alpha * outer(x, y)``."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    columns = _core.dimshuffle(x, [0, -1]) * _core.dimshuffle(y, [-1, 0])
    return as_tensor_variable(a) + as_tensor_variable(alpha) * columns


ger_destructive = ger

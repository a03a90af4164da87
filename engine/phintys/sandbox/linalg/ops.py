"""Hints about matrices, and the names that ``theano.sandbox.linalg.ops`` re-exports.

A hint is a promise that is kept with the variable: ``psd(x)`` returns `x` itself, and functions
that ask (:func:`is_psd`) see it.
"""

from __future__ import annotations

from typing import Any

from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.linalg_basic import dot, kron
from phintys.tensor.nlinalg import (
    AllocDiag,
    Det,
    Eig,
    Eigh,
    ExtractDiag,
    MatrixInverse,
    MatrixPinv,
    QRFull,
    QRIncomplete,
    alloc_diag,
    det,
    diag,
    eig,
    eigh,
    extract_diag,
    matrix_dot,
    matrix_inverse,
    matrix_power,
    pinv,
    qr,
    svd,
    trace,
)
from phintys.tensor.slinalg import Cholesky, CholeskyGrad, Solve, cholesky, solve

__all__ = [
    "AllocDiag",
    "Cholesky",
    "CholeskyGrad",
    "Det",
    "Eig",
    "Eigh",
    "ExtractDiag",
    "Hint",
    "MatrixInverse",
    "MatrixPinv",
    "QRFull",
    "QRIncomplete",
    "Solve",
    "alloc_diag",
    "cholesky",
    "det",
    "diag",
    "eig",
    "eigh",
    "extract_diag",
    "hints",
    "is_positive",
    "is_psd",
    "is_symmetric",
    "kron",
    "matrix_dot",
    "matrix_inverse",
    "matrix_power",
    "orthogonal",
    "pinv",
    "positive",
    "psd",
    "qr",
    "solve",
    "spectral_radius_bound",
    "svd",
    "symmetric",
    "trace",
]


class Hint:
    """``Hint(psd=True)(x)`` is `x` with the hint ``psd``."""

    def __init__(self, **hints: Any) -> None:
        self.hints = hints

    def __call__(self, x: Any) -> Any:
        x = as_tensor_variable(x)
        known = dict(getattr(x.tag, "linalg_hints", {}))
        known.update(self.hints)
        x.tag.linalg_hints = known
        return x


def psd(v: Any) -> Any:
    """`v`, known to be symmetric and positive semi-definite."""
    return Hint(psd=True, symmetric=True)(v)


def positive(v: Any) -> Any:
    """`v`, known to have no negative element."""
    return Hint(positive=True)(v)


def symmetric(v: Any) -> Any:
    """`v`, known to be symmetric."""
    return Hint(symmetric=True)(v)


def orthogonal(v: Any) -> Any:
    """`v`, known to be orthogonal."""
    return Hint(orthogonal=True)(v)


def hints(variable: Any) -> dict[str, Any]:
    """What is known of `variable`."""
    return dict(getattr(variable.tag, "linalg_hints", {}))


def is_psd(v: Any) -> Any:
    """True if `v` is known to be positive semi-definite, else False."""
    return hints(v).get("psd", False)


def is_symmetric(v: Any) -> Any:
    """True if `v` is known to be symmetric, else False."""
    return hints(v).get("symmetric", False)


def is_positive(v: Any) -> Any:
    """True if `v` is known to have no negative element, or is the power of an even number."""
    if hints(v).get("positive", False):
        return True
    owner = getattr(v, "owner", None)
    if owner is None:
        return False
    name = str(owner.op)
    return any(f"{{{op}" in name for op in ("sqr", "exp", "abs_"))


def spectral_radius_bound(X: Any, log2_exponent: int) -> Any:
    """An upper bound of the spectral radius of a symmetric matrix with a diagonal of no negatives.

    From the trace of ``X`` to the power ``2 ** log2_exponent`` (V. Kozyakin, 2009): the greater the
    exponent, the tighter, and the more work.
    """
    X = as_tensor_variable(X)
    if X.ndim != 2:
        raise PhintysTypeError("spectral_radius_bound requires a matrix argument", X)
    if not isinstance(log2_exponent, int):
        raise PhintysTypeError("spectral_radius_bound requires an integer exponent", log2_exponent)
    if log2_exponent <= 0:
        raise PhintysValueError("spectral_radius_bound requires a strictly positive exponent")
    power = X
    for _ in range(log2_exponent):
        power = dot(power, power)
    return trace(power) ** (2.0 ** (-log2_exponent))

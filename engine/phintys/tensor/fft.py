"""Fourier transforms as Theano has them: complex numbers are pairs of reals in a last axis.

:mod:`phintys.fft` has transforms with NumPy's names on complex tensors.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys import fft as _fft
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.join import stack

__all__ = ["irfft", "rfft"]


def _norm(norm: Any) -> Any:
    if norm not in (None, "ortho", "no_norm"):
        raise PhintysValueError(
            f"Invalid value {norm} for norm, must be None, 'ortho' or 'no_norm'"
        )
    return norm


def rfft(inp: Any, norm: str | None = None) -> Any:
    """The transforms of m real inputs along all axes but the first.

    `inp` has shape (m, ..., n), the result (m, ..., n/2 + 1, 2). `norm` None scales the inverse
    only, ``"ortho"`` both, ``"no_norm"`` none.
    """
    inp = as_tensor_variable(inp)
    if inp.ndim < 2:
        raise PhintysTypeError(f"rfft: shape (m, ..., n) is needed, got {inp.type}")
    z = _fft.rfftn(inp, axes=range(1, inp.ndim), norm=_norm(norm))
    return stack([_core.elemwise("real", z), _core.elemwise("imag", z)], axis=-1)


def irfft(inp: Any, norm: str | None = None, is_odd: bool = False) -> Any:
    """The inverse of :func:`rfft`: shape (m, ..., n/2 + 1, 2) to (m, ..., n).

    `is_odd` says whether n is odd, which the input does not show.
    """
    inp = as_tensor_variable(inp)
    if inp.ndim < 3:
        raise PhintysTypeError(f"irfft: shape (m, ..., n/2 + 1, 2) is needed, got {inp.type}")
    if is_odd not in (True, False):
        raise PhintysValueError(f"Invalid value {is_odd} for is_odd, must be True or False")
    z = _core.elemwise("complex", inp[..., 0], inp[..., 1])
    for axis in range(1, z.ndim - 1):
        z = _fft.ifft(z, axis=axis, norm=_norm(norm))
    n = z.shape[-1] * 2 - (1 if is_odd else 2)
    return _fft.irfft(z, n=n, norm=_norm(norm))

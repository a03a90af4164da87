"""Convolution of vectors and matrices in the manner of ``scipy.signal``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import upcast, upgrade_to_float
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.numpy_functions import convolve
from phintys.tensor.pad import pad
from phintys.tensor.signal.conv import conv2d

__all__ = ["convolve1d", "convolve2d"]

_PADDING = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}


def convolve1d(in1: Any, in2: Any, mode: str = "full") -> Any:
    """The convolution of two vectors: ``'full'``, ``'same'`` or ``'valid'`` part of it.

    ValueError for other modes or ranks; see :func:`phintys.tensor.convolve`.
    """
    return convolve(in1, in2, mode)


def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Any:
    """The convolution of two matrices, as ``scipy.signal.convolve2d``.

    Parameters
    ----------
    in1, in2
        Matrices; integers are computed as floating numbers, which the result then has.
    mode
        ``'full'`` is all of it, ``'same'`` the centre of the shape of `in1`, ``'valid'`` what does
        not depend on the boundary (`in1` must be at least as large as `in2` then).
    boundary
        What surrounds `in1`: ``'fill'`` with `fillvalue`, ``'wrap'`` for periodic, ``'symm'`` for
        mirrored matrices.

    Raises
    ------
    ValueError
        Unknown `mode` or `boundary`.
    TypeError
        Operands that are no real matrices.
    """
    x, kernel = as_tensor_variable(in1), as_tensor_variable(in2)
    if x.ndim != 2 or kernel.ndim != 2:
        raise PhintysTypeError(f"convolve2d takes matrices, got {x.type} and {kernel.type}")
    if mode not in ("full", "same", "valid"):
        raise PhintysValueError(f"convolve2d: mode is 'full', 'same' or 'valid', not {mode!r}")
    if boundary not in _PADDING:
        raise PhintysValueError(
            f"convolve2d: boundary is one of {list(_PADDING)}, not {boundary!r}"
        )
    dtype = upgrade_to_float(upcast(x.dtype, kernel.dtype))
    if dtype.startswith("complex"):
        raise PhintysTypeError("convolve2d does not support complex matrices")
    x, kernel = _core.cast(x, dtype), _core.cast(kernel, dtype)
    rows, columns = kernel.shape[0], kernel.shape[1]
    if mode == "valid":
        return conv2d(x, kernel)
    if boundary == "fill" and fillvalue == 0:
        full = conv2d(x, kernel, border_mode="full")
    else:
        widths = [(rows - 1, rows - 1), (columns - 1, columns - 1)]
        options = {"constant_values": fillvalue} if boundary == "fill" else {}
        full = conv2d(pad(x, widths, mode=_PADDING[boundary], **options), kernel)
    if mode == "full":
        return full
    top, left = (rows - 1) // 2, (columns - 1) // 2
    return full[top : top + x.shape[0], left : left + x.shape[1]]

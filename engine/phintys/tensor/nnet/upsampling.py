"""Enlarging images by bilinear interpolation."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import float_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.join import concatenate
from phintys.tensor.shape import reshape

__all__ = [
    "bilinear_kernel_1D",
    "bilinear_kernel_2D",
    "bilinear_upsampling",
    "frac_bilinear_upsampling",
]


def bilinear_kernel_1D(ratio: Any, normalize: bool = True) -> Any:
    """The triangle ``1, 2, ..., ratio, ..., 2, 1`` of dtype floatX, divided by `ratio` if asked.

    `ratio` is a number or an integer scalar.
    """
    from phintys.tensor.creation import arange

    half = arange(1, ratio + 1, dtype=config.floatX)
    kernel = concatenate([half, half[-2::-1]])
    if normalize:
        kernel = kernel / _core.cast(as_tensor_variable(ratio), config.floatX)
    return kernel


def bilinear_kernel_2D(ratio: Any, normalize: bool = True) -> Any:
    """The outer product of :func:`bilinear_kernel_1D` with itself."""
    kernel = bilinear_kernel_1D(ratio, normalize)
    return kernel.dimshuffle(0, "x") * kernel.dimshuffle("x", 0)


def _with_edges(x: Any) -> Any:
    """The images with their first and last rows and columns doubled."""
    x = concatenate((x[:, :, :1, :], x, x[:, :, -1:, :]), axis=2)
    return concatenate((x[:, :, :, :1], x, x[:, :, :, -1:]), axis=3)


def _triangle(ratio: int, dtype: str) -> Any:
    values = np.concatenate([np.arange(1, ratio + 1), np.arange(ratio - 1, 0, -1)]) / ratio
    return values.astype(dtype)


def _spread(x: Any, axis: int, ratio: int, length: Any) -> Any:
    """Interpolates an axis of images with doubled edges to `length` points."""
    from phintys.tensor.nnet.abstract_conv import AbstractConv2d_gradInputs

    pad = 2 * ratio - (ratio - 1) // 2 - 1
    shape = [_core.shape_i(x, 2), _core.shape_i(x, 3)]
    shape[axis - 2] = length
    kernel = _triangle(ratio, x.dtype if x.dtype in float_dtypes else config.floatX)
    rows = axis == 2
    op = AbstractConv2d_gradInputs(
        border_mode=(pad, 0) if rows else (0, pad), subsample=(ratio, 1) if rows else (1, ratio)
    )
    return op(kernel.reshape((1, 1, -1, 1) if rows else (1, 1, 1, -1)), x, shape)


def _upsample(input: Any, ratios: tuple[int, int]) -> Any:
    input = as_tensor_variable(input)
    if input.ndim != 4:
        raise PhintysTypeError(f"upsampling takes images of rank 4, got {input.type}")
    rows, columns = _core.shape_i(input, 2), _core.shape_i(input, 3)
    x = _with_edges(reshape(input, (-1, 1, rows, columns)))
    x = _spread(x, 2, ratios[0], rows * ratios[0])
    return _spread(x, 3, ratios[1], columns * ratios[1])


def _like(x: Any, input: Any) -> Any:
    return reshape(
        x, (_core.shape_i(input, 0), _core.shape_i(input, 1), *map(x.shape.__getitem__, (2, 3)))
    )


def frac_bilinear_upsampling(input: Any, frac_ratio: Any) -> Any:
    """Enlarges images (batch, channels, rows, columns) by a fraction ``(p, q)``: p points for q.

    `frac_ratio` is one fraction, or a pair of them for rows and columns. The interpolation to p
    times the points is thinned out by q.
    """
    if not isinstance(frac_ratio, tuple):
        raise PhintysValueError("frac_ratio should be a tuple")
    pair = frac_ratio if isinstance(frac_ratio[0], tuple) else (frac_ratio, frac_ratio)
    (p0, q0), (p1, q1) = ((p // gcd(p, q), q // gcd(p, q)) for p, q in pair)
    input = as_tensor_variable(input)
    return _like(_upsample(input, (p0, p1))[:, :, ::q0, ::q1], input)


def bilinear_upsampling(
    input: Any,
    ratio: int | None = None,
    frac_ratio: Any = None,
    batch_size: int | None = None,
    num_input_channels: int | None = None,
    use_1D_kernel: bool = True,
) -> Any:
    """Enlarges images (batch, channels, rows, columns) by bilinear interpolation.

    Parameters
    ----------
    ratio
        A whole number.
    frac_ratio
        Instead of it, a fraction: see :func:`frac_bilinear_upsampling`; needs
        ``use_1D_kernel=False``.
    batch_size, num_input_channels
        What the caller knows of the shape; not needed.
    use_1D_kernel
        The interpolation is always done dimension by dimension.
    """
    if ratio and frac_ratio:
        raise PhintysValueError("can't use both ratio and frac_ratio")
    if not (ratio or frac_ratio):
        raise PhintysValueError("No ratio (or frac_ratio) provided")
    if frac_ratio:
        if use_1D_kernel:
            raise PhintysValueError(
                "For fractional ratios 1D kernel method not implemented. You may want to pass "
                "use_1D_kernel as False"
            )
        return frac_bilinear_upsampling(input, frac_ratio)
    assert ratio is not None
    input = as_tensor_variable(input)
    return _like(_upsample(input, (int(ratio), int(ratio))), input)

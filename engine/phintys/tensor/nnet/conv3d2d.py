"""Convolution over time, rows and columns in the layout of ``theano.tensor.nnet.conv3d2d``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysNotImplementedError, PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import zeros
from phintys.tensor.join import concatenate
from phintys.tensor.nnet.abstract_conv import AbstractConv3d
from phintys.tensor.nnet.conv_shape import border_mode_to_pad
from phintys.tensor.shape import shape_list

__all__ = ["conv3d"]


def _padded(x: Any, axis: int, border_mode: str, length: Any) -> Any:
    """`x` with zeros on both ends of an axis, as many as the border mode means."""
    if border_mode == "valid":
        return x
    low = border_mode_to_pad(border_mode, 1, (length,))[0][0]
    shape = shape_list(x)
    shape[axis] = low
    edge = zeros(shape, dtype=x.dtype)
    return concatenate((edge, x, edge), axis=axis)


def conv3d(
    signals: Any,
    filters: Any,
    signals_shape: Any = None,
    filters_shape: Any = None,
    border_mode: Any = "valid",
) -> Any:
    """Convolves (batch, time, channels, rows, columns) with filters of the same layout.

    The result is (batch, time, outputs, rows, columns). `border_mode` is "valid", "full" or
    "half", or a triple of these for time, rows and columns, of which the last two are the same.
    Shapes are what the caller knows; they are not needed.
    """
    signals, filters = as_tensor_variable(signals), as_tensor_variable(filters)
    if signals.ndim != 5 or filters.ndim != 5:
        raise PhintysTypeError(
            f"conv3d takes operands of rank 5, got {signals.type} and {filters.type}"
        )
    modes = (border_mode,) * 3 if isinstance(border_mode, str) else tuple(border_mode)
    if len(modes) != 3 or any(m not in ("valid", "full", "half") for m in modes):
        raise PhintysValueError(f"invalid border mode {border_mode!r}: valid, full or half")
    if modes[1] != modes[2]:
        raise PhintysNotImplementedError("height and width bordermodes must match")
    common = modes[0] if modes[0] == modes[1] else "valid"
    if common != modes[0]:
        signals = _padded(signals, 1, modes[0], _core.shape_i(filters, 1))
    if common != modes[1]:
        for axis in (3, 4):
            signals = _padded(signals, axis, modes[1], _core.shape_i(filters, axis))
    order = [0, 2, 1, 3, 4]
    out = AbstractConv3d(border_mode=common)(
        _core.dimshuffle(signals, order), _core.dimshuffle(filters, order)
    )
    return _core.dimshuffle(out, order)

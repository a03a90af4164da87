"""Convolution of single images: ``theano.tensor.signal.conv``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.nnet.abstract_conv import AbstractConv2d

__all__ = ["conv2d"]


def conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    **kargs: Any,
) -> Any:
    """Convolves each image with each filter, where both have one channel.

    `input` and `filters` are (rows, columns) or stacks of those; the result has a dimension for
    the stack of images and one for the stack of filters, if they are stacks. Shapes are what the
    caller knows; they are not needed. TypeError for other ranks.

    >>> import phintys.tensor as T
    >>> conv2d(T.dmatrix(), T.dtensor3()).ndim
    3
    """
    input, filters = as_tensor_variable(input), as_tensor_variable(filters)
    if input.ndim not in (2, 3) or filters.ndim not in (2, 3):
        raise PhintysTypeError(
            f"signal.conv2d takes matrices and 3D tensors, got {input.type} and {filters.type}"
        )
    stacks = []
    for x in (input, filters):
        order = [0, -1, 1, 2] if x.ndim == 3 else [-1, -1, 0, 1]
        stacks.append(_core.dimshuffle(x, order))
    out = AbstractConv2d(border_mode=border_mode, subsample=subsample)(*stacks)
    kept = [axis for axis, x in enumerate((input, filters)) if x.ndim == 3]
    return _core.dimshuffle(out, [*kept, 2, 3])

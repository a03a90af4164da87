"""The convolutions that ``theano.tensor.nnet`` itself exports."""

from __future__ import annotations

import warnings
from typing import Any

from phintys.errors import PhintysValueError
from phintys.tensor.nnet import abstract_conv
from phintys.tensor.nnet.abstract_conv import (
    causal_conv1d,
    conv1d,
    conv2d_grad_wrt_inputs,
    conv2d_grad_wrt_weights,
    conv3d,
    conv3d_grad_wrt_inputs,
    conv3d_grad_wrt_weights,
    separable_conv2d,
    separable_conv3d,
)

__all__ = [
    "abstract_conv2d",
    "causal_conv1d",
    "conv1d",
    "conv2d",
    "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights",
    "conv2d_transpose",
    "conv3d",
    "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights",
    "separable_conv2d",
    "separable_conv3d",
]

abstract_conv2d = abstract_conv.conv2d


def conv2d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    image_shape: Any = None,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
    **kwargs: Any,
) -> Any:
    """Convolves (batch, channels, rows, columns) with (outputs, channels / groups, rows, columns).

    Parameters are described in :mod:`phintys.tensor.nnet.abstract_conv`; `image_shape` is the old
    name of `input_shape`. Further keyword arguments are ignored with a warning.

    >>> import numpy as np, phintys.tensor as T
    >>> image, filters = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
    >>> conv2d(image, filters).eval().shape
    (1, 1, 2, 2)
    """
    if "imshp_logical" in kwargs or "kshp_logical" in kwargs:
        raise PhintysValueError(
            "Keyword arguments 'imshp_logical' and 'kshp_logical' for conv2d are not supported"
        )
    if kwargs:
        warnings.warn(
            f"Keyword arguments {', '.join(sorted(kwargs))} of conv2d are not supported: ignored",
            stacklevel=2,
        )
    if image_shape is not None:
        warnings.warn(
            "The `image_shape` keyword argument to `tensor.nnet.conv2d` is deprecated, it has "
            "been renamed to `input_shape`.",
            stacklevel=2,
        )
        if input_shape is not None:
            raise PhintysValueError(
                "input_shape and image_shape should not be provided at the same time."
            )
        input_shape = image_shape
    return abstract_conv.conv2d(
        input, filters, input_shape, filter_shape, border_mode, subsample, filter_flip,
        filter_dilation, num_groups, unshared,
    )  # fmt: skip


def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    input_dilation: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """The transposed convolution: the gradient of the :func:`conv2d` that `filters` define.

    `output_shape` is the shape of the result, of which the last two entries are used;
    `input_dilation` is the subsample of that :func:`conv2d`. `filters` are (channels of `input`,
    channels of the result / groups, rows, columns).
    """
    return abstract_conv.conv2d_grad_wrt_inputs(
        input, filters, output_shape, filter_shape, border_mode, input_dilation, filter_flip,
        filter_dilation, num_groups, unshared,
    )  # fmt: skip

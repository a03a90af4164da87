"""Correlations of images under the names of ``theano.tensor.nnet.corr``: filters as they are."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.nnet.abstract_conv import (
    AbstractConv2d,
    AbstractConv2d_gradInputs,
    AbstractConv2d_gradWeights,
)
from phintys.tensor.nnet.conv_shape import (
    get_conv_gradinputs_shape,
    get_conv_gradweights_shape,
)
from phintys.tensor.shape import shape_list

__all__ = ["BaseCorrMM", "CorrMM", "CorrMM_gradInputs", "CorrMM_gradWeights"]


def known_spatial(shape: tuple[Any, ...], convdim: int, what: str) -> list[Any]:
    """The last lengths of a computed shape; ValueError if some are not determined."""
    lengths = list(shape[-convdim:])
    if any(length is None for length in lengths):
        raise PhintysValueError(f"{what}: the shape is needed with this subsample or border_mode")
    return lengths


def filter_lengths(op: Any, img: Any, topgrad: Any) -> list[Any]:
    """The taps of filters that turn `img` into something of the shape of `topgrad`."""
    images, top = shape_list(as_tensor_variable(img)), shape_list(as_tensor_variable(topgrad))
    shape = get_conv_gradweights_shape(
        images, top, op.border_mode, op.subsample, op.filter_dilation
    )
    return known_spatial(shape, op.convdim, type(op).__name__)


def input_lengths(op: Any, kern: Any, topgrad: Any) -> list[Any]:
    """The spatial lengths of what filters `kern` turn into the shape of `topgrad`."""
    kern = as_tensor_variable(kern)
    shape = get_conv_gradinputs_shape(
        [_core.shape_i(kern, i) for i in range(kern.ndim)],
        shape_list(as_tensor_variable(topgrad)),
        op.border_mode,
        op.subsample,
        op.filter_dilation,
    )
    return known_spatial(shape, op.convdim, type(op).__name__)


class BaseCorrMM:
    """What the three correlations of images have in common: their options."""

    def __init__(
        self,
        border_mode: Any = "valid",
        subsample: Any = (1, 1),
        filter_dilation: Any = (1, 1),
        num_groups: int = 1,
        unshared: bool = False,
        openmp: Any = None,
    ) -> None:
        super().__init__(  # type: ignore[call-arg]
            border_mode=border_mode,
            subsample=subsample,
            filter_flip=False,
            filter_dilation=filter_dilation,
            num_groups=num_groups,
            unshared=unshared,
        )


class CorrMM(BaseCorrMM, AbstractConv2d):
    """``op(img, kern)``: the correlation of images with filters."""


class CorrMM_gradWeights(BaseCorrMM, AbstractConv2d_gradWeights):
    """``op(img, topgrad, shape=None)``: the gradient of the filters, whose taps have `shape`."""

    def __call__(  # type: ignore[override]
        self, img: Any, topgrad: Any, shape: Any = None
    ) -> Any:
        shape = filter_lengths(self, img, topgrad) if shape is None else shape
        return super().__call__(img, topgrad, shape)


class CorrMM_gradInputs(BaseCorrMM, AbstractConv2d_gradInputs):
    """``op(kern, topgrad, shape=None)``: the gradient of the images, whose planes have `shape`."""

    def __call__(  # type: ignore[override]
        self, kern: Any, topgrad: Any, shape: Any = None
    ) -> Any:
        shape = input_lengths(self, kern, topgrad) if shape is None else shape
        return super().__call__(kern, topgrad, shape)

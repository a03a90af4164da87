"""Correlations with depth under the names of ``theano.tensor.nnet.corr3d``."""

from __future__ import annotations

from typing import Any

from phintys.tensor.nnet.abstract_conv import (
    AbstractConv3d,
    AbstractConv3d_gradInputs,
    AbstractConv3d_gradWeights,
)
from phintys.tensor.nnet.corr import filter_lengths, input_lengths

__all__ = ["BaseCorr3dMM", "Corr3dMM", "Corr3dMMGradInputs", "Corr3dMMGradWeights"]
__all__ += ["Corr3dMM_gradInputs", "Corr3dMM_gradWeights"]


class BaseCorr3dMM:
    """What the three correlations have in common: their options."""

    def __init__(
        self,
        border_mode: Any = "valid",
        subsample: Any = (1, 1, 1),
        filter_dilation: Any = (1, 1, 1),
        num_groups: int = 1,
        openmp: Any = None,
    ) -> None:
        super().__init__(  # type: ignore[call-arg]
            border_mode=border_mode,
            subsample=subsample,
            filter_flip=False,
            filter_dilation=filter_dilation,
            num_groups=num_groups,
        )


class Corr3dMM(BaseCorr3dMM, AbstractConv3d):
    """``op(img, kern)``: the correlation of volumes with filters."""


class Corr3dMMGradWeights(BaseCorr3dMM, AbstractConv3d_gradWeights):
    """``op(img, topgrad, shape=None)``: the gradient of the filters, whose taps have `shape`."""

    def __call__(  # type: ignore[override]
        self, img: Any, topgrad: Any, shape: Any = None
    ) -> Any:
        shape = filter_lengths(self, img, topgrad) if shape is None else shape
        return super().__call__(img, topgrad, shape)


class Corr3dMMGradInputs(BaseCorr3dMM, AbstractConv3d_gradInputs):
    """``op(kern, topgrad, shape=None)``: the gradient of the volumes, which have `shape`."""

    def __call__(  # type: ignore[override]
        self, kern: Any, topgrad: Any, shape: Any = None
    ) -> Any:
        shape = input_lengths(self, kern, topgrad) if shape is None else shape
        return super().__call__(kern, topgrad, shape)


Corr3dMM_gradWeights = Corr3dMMGradWeights
Corr3dMM_gradInputs = Corr3dMMGradInputs

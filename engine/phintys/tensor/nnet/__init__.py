"""Functions for neural networks, under the names of ``theano.tensor.nnet``."""

from phintys.tensor.nnet import (
    abstract_conv,
    activations,
    blocksparse,
    bn,
    conv,
    conv3d2d,
    corr,
    corr3d,
    ctc,
    layers,
    neighbours,
    nnet,
    sigm,
)
from phintys.tensor.nnet.activations import *  # noqa: F403
from phintys.tensor.nnet.activations import __all__ as _activations
from phintys.tensor.nnet.bn import *  # noqa: F403
from phintys.tensor.nnet.bn import __all__ as _bn
from phintys.tensor.nnet.convolution import *  # noqa: F403
from phintys.tensor.nnet.convolution import __all__ as _convolution
from phintys.tensor.nnet.layers import *  # noqa: F403
from phintys.tensor.nnet.layers import __all__ as _layers
from phintys.tensor.nnet.nnet import *  # noqa: F403
from phintys.tensor.nnet.nnet import __all__ as _names

__all__ = [
    "abstract_conv",
    "activations",
    "blocksparse",
    "bn",
    "conv",
    "conv3d2d",
    "corr",
    "corr3d",
    "ctc",
    "layers",
    "neighbours",
    "nnet",
    "sigm",
    *sorted({*_activations, *_bn, *_convolution, *_layers, *_names}),
]

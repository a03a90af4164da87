"""Functions for neural networks, under the names of ``theano.tensor.nnet``."""

from phintys.tensor.nnet import abstract_conv, conv, conv3d2d, corr, corr3d, nnet
from phintys.tensor.nnet.convolution import *  # noqa: F403
from phintys.tensor.nnet.convolution import __all__ as _conv_names
from phintys.tensor.nnet.nnet import *  # noqa: F403
from phintys.tensor.nnet.nnet import __all__ as _names

__all__ = [
    "abstract_conv",
    "conv",
    "conv3d2d",
    "corr",
    "corr3d",
    "nnet",
    *_conv_names,
    *_names,
]

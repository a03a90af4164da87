"""Functions for neural networks, under the names of ``theano.tensor.nnet``."""

from phintys.tensor.nnet import nnet
from phintys.tensor.nnet.nnet import *  # noqa: F403
from phintys.tensor.nnet.nnet import __all__ as _names

__all__ = ["nnet", *_names]

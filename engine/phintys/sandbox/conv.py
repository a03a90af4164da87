"""``theano.sandbox.conv``."""

from phintys.tensor.nnet.conv import ConvOp, conv2d

__all__ = ["ConvOp", "conv2d"]

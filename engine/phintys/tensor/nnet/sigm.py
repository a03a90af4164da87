"""Sigmoids, under the names of ``theano.tensor.nnet.sigm``."""

from phintys.tensor.nnet.nnet import hard_sigmoid, sigmoid, softplus, ultra_fast_sigmoid

__all__ = ["hard_sigmoid", "sigmoid", "softplus", "ultra_fast_sigmoid"]

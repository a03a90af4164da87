"""Pooling and convolution of signals, under the names of ``theano.tensor.signal``."""

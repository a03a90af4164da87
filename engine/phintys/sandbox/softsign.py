"""``theano.sandbox.softsign``."""

from phintys.tensor.nnet.nnet import softsign

__all__ = ["softsign"]

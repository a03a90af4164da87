"""``theano.gof.type``."""

from phintys.tensor.type import Type

__all__ = ["Type"]

"""``theano.gof.type``."""

from phintys.tensor.type import Generic, Type, generic

__all__ = ["Generic", "Type", "generic"]

"""``theano.compile.ops``."""

from phintys.tensor.shape import shape, specify_shape

__all__ = ["shape", "specify_shape"]

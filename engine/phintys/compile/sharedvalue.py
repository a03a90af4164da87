"""``theano.compile.sharedvalue``."""

from phintys.tensor.sharedvar import SharedVariable, shared, shared_constructor

__all__ = ["SharedVariable", "shared", "shared_constructor"]

"""``theano.compile.sharedvalue``."""

from phintys.compile.objects import GenericSharedVariable, generic_constructor
from phintys.tensor.sharedvar import SharedVariable, shared, shared_constructor
from phintys.tensor.type import generic

__all__ = [
    "GenericSharedVariable",
    "SharedVariable",
    "generic",
    "generic_constructor",
    "shared",
    "shared_constructor",
]

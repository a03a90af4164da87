"""The type of undefined gradients."""

from phintys.tensor.type import NullType

null_type = NullType()

__all__ = ["NullType", "null_type"]

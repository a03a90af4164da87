"""``pytensor.tensor.random.utils``."""

from phintys.tensor.random.stream import RandomStream

__all__ = ["RandomStream"]

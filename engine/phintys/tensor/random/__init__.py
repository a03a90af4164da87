"""Random numbers of counter-based streams (Philox4x32-10).

>>> import numpy as np, phintys
>>> from phintys.tensor.random import RandomStream
>>> stream = RandomStream(seed=42)
>>> f = phintys.function([], stream.normal(0, 1, size=(2, 3)))
>>> bool(np.all(f() != f()))
True

The functions of this package take a state and can return the next one::

    rng = shared_rng(42)
    next_rng, x = normal(0, 1, size=3, rng=rng, return_next_rng=True)

A number is a function of the state and of the number's index alone: it does not depend on the
number of threads, the instruction set or the numbers before it.
"""

from phintys.tensor.random.distributions import *  # noqa: F403
from phintys.tensor.random.distributions import __all__ as _distributions
from phintys.tensor.random.state import shared_rng
from phintys.tensor.random.stream import RandomStream

__all__ = ["RandomStream", "shared_rng", *_distributions]

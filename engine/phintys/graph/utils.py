"""``theano.graph.utils``."""

from phintys.errors import InconsistencyError, MethodNotDefined, MissingInputError
from phintys.gof.utils import Scratchpad, difference, flatten, memoize, toposort, uniq

__all__ = [
    "InconsistencyError",
    "MethodNotDefined",
    "MissingInputError",
    "Scratchpad",
    "difference",
    "flatten",
    "memoize",
    "toposort",
    "uniq",
]

"""``theano.graph.fg``."""

from phintys.gof.fg import FunctionGraph, InconsistencyError, MissingInputError

__all__ = ["FunctionGraph", "InconsistencyError", "MissingInputError"]

"""``theano.graph.fg``."""

from phintys.gof.fg import AlreadyThere, FunctionGraph, InconsistencyError, MissingInputError

__all__ = ["AlreadyThere", "FunctionGraph", "InconsistencyError", "MissingInputError"]

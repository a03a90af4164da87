"""``theano.gof.toolbox``: what a FunctionGraph's features are made of."""

from phintys.gof.fg import AlreadyThere

__all__ = ["AlreadyThere", "Feature"]


class Feature:
    """A base for objects that :meth:`FunctionGraph.attach_feature` takes; all methods may go."""

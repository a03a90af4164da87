"""The layout of Theano-PyMC: ``theano.graph``."""

from phintys.gof.fg import FunctionGraph
from phintys.gof.graph import Apply, Constant, Variable, ancestors, clone, graph_inputs
from phintys.graph.replace import clone_replace, graph_replace, vectorize_graph

__all__ = [
    "Apply",
    "Constant",
    "FunctionGraph",
    "Variable",
    "ancestors",
    "clone",
    "clone_replace",
    "graph_inputs",
    "graph_replace",
    "vectorize_graph",
]

"""``theano.graph.basic``."""

from phintys import clone as clone_replace
from phintys.gof.graph import (
    Apply,
    Constant,
    Variable,
    ancestors,
    clone,
    graph_inputs,
    io_toposort,
    is_same_graph,
)

__all__ = [
    "Apply",
    "Constant",
    "Variable",
    "ancestors",
    "clone",
    "clone_replace",
    "graph_inputs",
    "io_toposort",
    "is_same_graph",
]

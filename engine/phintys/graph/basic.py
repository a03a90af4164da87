"""``theano.graph.basic``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from phintys import clone as clone_replace
from phintys.gof.graph import (
    Apply,
    Constant,
    Variable,
    ancestors,
    as_string,
    clone,
    clone_get_equiv,
    default_leaf_formatter,
    default_node_formatter,
    general_toposort,
    graph_inputs,
    io_connection_pattern,
    io_toposort,
    is_in_ancestors,
    is_same_graph,
    list_of_nodes,
    op_as_string,
    ops,
    orphans,
    stack_search,
    variables,
    view_roots,
)
from phintys.scan_module.scan_utils import equal_computations

__all__ = [
    "Apply",
    "Constant",
    "Variable",
    "ancestors",
    "applys_between",
    "as_string",
    "clone",
    "clone_get_equiv",
    "clone_replace",
    "default_leaf_formatter",
    "default_node_formatter",
    "equal_computations",
    "explicit_graph_inputs",
    "general_toposort",
    "get_var_by_name",
    "graph_inputs",
    "io_connection_pattern",
    "io_toposort",
    "is_in_ancestors",
    "is_same_graph",
    "list_of_nodes",
    "op_as_string",
    "orphans_between",
    "stack_search",
    "variable_depends_on",
    "vars_between",
    "view_roots",
    "walk",
]

applys_between = ops
orphans_between = orphans
vars_between = variables


def walk(nodes: Iterable[Any], expand: Callable[[Any], Any], bfs: bool = True) -> list[Any]:
    """Everything that `expand` reaches from `nodes`, each once."""
    found: list[Any] = stack_search(list(nodes), expand, "bfs" if bfs else "dfs")
    return found


def explicit_graph_inputs(graph: Any) -> list[Any]:
    """The leaves that a function of the graph needs values for: no constants, nothing shared."""
    return [v for v in graph_inputs(graph) if not v.is_constant and not v.is_shared]


def get_var_by_name(graphs: Iterable[Any], target_var_id: str) -> tuple[Any, ...]:
    """The variables of the graphs that have a name."""
    return tuple(v for v in ancestors(list(graphs)) if v.name == target_var_id)


def variable_depends_on(variable: Any, depends_on: Any) -> bool:
    """True iff `variable` is computed from one of `depends_on`, or is one."""
    wanted: Sequence[Any] = depends_on if isinstance(depends_on, (list, tuple)) else [depends_on]
    found = set(ancestors([variable]))
    return any(v in found for v in wanted)

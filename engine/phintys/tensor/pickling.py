"""Pickles and deep copies of variables: their graph as a flat list, so that depth is no limit.

Inputs, constants and shared variables are pickled as objects of their own: variables that are
pickled together keep them in common.
"""

from __future__ import annotations

from typing import Any

from phintys import _core

__all__ = ["reduce_variable"]


def _state(variable: Any) -> dict[str, Any]:
    return {k: v for k, v in variable.__dict__.items() if k not in ("_eval_cache", "_indexed")}


def reduce_variable(variable: Any) -> Any:
    """What ``__reduce__`` of a variable returns."""
    if variable.is_constant:
        return _core.constant, (variable.constant_data, variable.name), _state(variable)
    if variable.owner is None:
        return _make_leaf, (variable.type, variable.name), _state(variable)
    leaves = list(_core.graph_inputs([variable]))
    number = {id(leaf): k for k, leaf in enumerate(leaves)}
    nodes = []
    for node in _core.toposort([variable]):
        for output in node.outputs:
            number[id(output)] = len(number)
        op: Any = node.op
        details: Any = None
        if not isinstance(op, _core.Op):  # written in Python
            details = [v.type for v in node.outputs]
        elif _core.rules_of(op) is None:  # its attributes are all that there is
            op, details = op.name, dict(op.attrs)
        inputs = [number[id(v)] for v in node.inputs]
        nodes.append((op, details, inputs, [v.name for v in node.outputs]))
    return _make_graph, (leaves, nodes, number[id(variable)]), _state(variable)


def _make_leaf(type: Any, name: str | None) -> Any:
    return type.make_variable(name)


def _make_graph(leaves: list[Any], nodes: list[Any], wanted: int) -> Any:
    variables = list(leaves)
    for op, details, inputs, names in nodes:
        operands = [variables[k] for k in inputs]
        if isinstance(op, str):
            result = _core.apply(op, operands, **details)
            outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        else:
            outputs = _core._apply_node(op, operands, details).outputs
        for output, name in zip(outputs, names, strict=True):
            output.name = name
        variables += outputs
    return variables[wanted]

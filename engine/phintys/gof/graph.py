"""Walking and cloning graphs. Nothing here recurses, so depth is no limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from phintys import _core
from phintys.gof.walk import (
    as_string,
    clone,
    clone_get_equiv,
    default_leaf_formatter,
    default_node_formatter,
    general_toposort,
    io_connection_pattern,
    io_toposort,
    is_in_ancestors,
    list_of_nodes,
    op_as_string,
    ops,
    orphans,
    stack_search,
    variables,
    variables_and_orphans,
    view_roots,
)
from phintys.tensor.var import Constant, Scratchpad, Variable

__all__ = [
    "Apply",
    "Constant",
    "Variable",
    "ancestors",
    "as_string",
    "clone",
    "clone_get_equiv",
    "default_leaf_formatter",
    "default_node_formatter",
    "general_toposort",
    "graph_inputs",
    "inputs",
    "io_connection_pattern",
    "io_toposort",
    "is_in_ancestors",
    "is_same_graph",
    "list_of_nodes",
    "op_as_string",
    "ops",
    "orphans",
    "register_op_class",
    "stack_search",
    "variables",
    "variables_and_orphans",
    "view_roots",
]


class Apply(_core.Apply):
    """One application of an op: ``Apply(op, inputs, outputs)``."""

    @property
    def tag(self) -> Scratchpad:
        """A bag of attributes of the user's own."""
        d = self.__dict__
        if "_tag" not in d:
            d["_tag"] = Scratchpad()
        return d["_tag"]

    @property
    def default_output(self) -> Any:
        """The output that stands for the node; AttributeError if there are several."""
        outputs = self.outputs
        if len(outputs) != 1:
            raise AttributeError(f"{self.op}: no default output, as there are {len(outputs)}")
        return lambda: outputs[0]

    def clone(self) -> Any:
        """A node of the same op on the same inputs."""
        return self.clone_with_new_inputs(self.inputs)

    def clone_with_new_inputs(self, inputs: Sequence[Any], strict: bool = True) -> Any:
        """A node of the same op on other inputs."""
        if not isinstance(self.op, _core.Op):
            return self.op.make_node(*inputs)
        result = _core.apply_op(self.op, list(inputs))
        first = result[0] if isinstance(result, (list, tuple)) else result
        return first.owner

    def __str__(self) -> str:
        return f"{self.op}({', '.join(str(v) for v in self.inputs)})"

    __repr__ = __str__


_core.set_classes(apply=Apply)

_op_classes: dict[str, type[Any]] = {}


def register_op_class(name: str) -> Callable[[type[Any]], type[Any]]:
    """Decorator of a subclass of Op: the class of ``node.op`` for ops of that name."""

    def register(cls: type[Any]) -> type[Any]:
        _op_classes[name] = cls
        return cls

    return register


def _op_object(op: Any) -> Any:
    cls = _op_classes.get(op.name)
    return op if cls is None else cls(op)


_core.set_op_factory(_op_object)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def ancestors(variable_list: Any, blockers: Iterable[Any] | None = None) -> list[Any]:
    """All variables that the given ones depend on, themselves included."""
    return list(_core.ancestors(_list(variable_list), list(blockers or [])))


def graph_inputs(variable_list: Any, blockers: Iterable[Any] | None = None) -> list[Any]:
    """The ancestors that nothing computes: inputs, shared variables and constants."""
    return list(_core.graph_inputs(_list(variable_list), list(blockers or [])))


inputs = graph_inputs


def is_same_graph(var1: Any, var2: Any, givens: Any = None, debug: bool = False) -> bool:
    """True iff the two variables are computed in the same way from the same inputs.

    `givens` maps variables of the one to those of the other that count as the same.
    """
    same = {}
    for a, b in dict(givens or {}).items():
        same[id(a)] = same[id(b)] = id(b)
    pairs, seen = [(var1, var2)], set()
    while pairs:
        a, b = pairs.pop()
        if a is b or same.get(id(a), a) == same.get(id(b), b) or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        if isinstance(a, Constant) and isinstance(b, Constant):
            if a.equals(b):
                continue
            return False
        if a.owner is None or b.owner is None or a.index != b.index:
            return False
        if a.owner.op != b.owner.op or len(a.owner.inputs) != len(b.owner.inputs):
            return False
        pairs += zip(a.owner.inputs, b.owner.inputs, strict=True)
    return True

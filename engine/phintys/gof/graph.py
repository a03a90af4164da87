"""Walking and cloning graphs. Nothing here recurses, so depth is no limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from phintys import _core
from phintys.tensor.var import Constant, Scratchpad, Variable

__all__ = [
    "Apply",
    "Constant",
    "Variable",
    "ancestors",
    "clone",
    "graph_inputs",
    "inputs",
    "io_toposort",
    "is_same_graph",
    "list_of_nodes",
    "ops",
    "orphans",
    "register_op_class",
    "variables",
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


def io_toposort(inputs: Sequence[Any], outputs: Any, orderings: Any = None) -> list[Any]:
    """The apply nodes between inputs and outputs, each after those that it depends on."""
    return list(_core.toposort(_list(outputs), list(inputs)))


def list_of_nodes(inputs: Sequence[Any], outputs: Any) -> list[Any]:
    """The apply nodes between inputs and outputs."""
    return io_toposort(inputs, outputs)


def ops(i: Sequence[Any], o: Any) -> set[Any]:
    """The apply nodes between inputs `i` and outputs `o`."""
    return set(io_toposort(i, o))


def variables(i: Sequence[Any], o: Any) -> set[Any]:
    """The variables between inputs `i` and outputs `o`, both included."""
    return set(ancestors(o, i)) | set(i)


def orphans(i: Sequence[Any], o: Any) -> list[Any]:
    """The variables that `o` depends on, that nothing computes and that are not in `i`."""
    given = {id(v) for v in i}
    return [v for v in graph_inputs(o, i) if id(v) not in given]


def clone(
    inputs: Sequence[Any], outputs: Any, copy_inputs: bool = True, copy_orphans: Any = None
) -> tuple[list[Any], list[Any]]:
    """Copies of inputs and outputs, with copies of all nodes between them."""
    fresh = [v.clone() if copy_inputs and not isinstance(v, Constant) else v for v in inputs]
    pairs = [(a, b) for a, b in zip(inputs, fresh, strict=True) if a is not b]
    return fresh, list(_core.clone(_list(outputs), pairs))


def is_same_graph(var1: Any, var2: Any, givens: Any = None) -> bool:
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

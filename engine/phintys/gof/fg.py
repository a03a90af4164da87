"""A graph with its inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import InconsistencyError, MissingInputError

__all__ = ["FunctionGraph", "InconsistencyError", "MissingInputError"]


class FunctionGraph:
    """The graph between inputs and outputs: ``FunctionGraph(inputs, outputs)``.

    It works on copies of the variables unless `clone` is False.
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        features: Any = None,
        clone: bool = True,
        update_mapping: Any = None,
    ) -> None:
        if clone:
            from phintys.gof.graph import clone as clone_graph

            inputs, outputs = clone_graph(inputs, list(outputs))
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.update_mapping = update_mapping

    def toposort(self) -> list[Any]:
        """The apply nodes, each after those that it depends on."""
        return list(_core.toposort(self.outputs, self.inputs))

    @property
    def apply_nodes(self) -> set[Any]:
        """The apply nodes."""
        return set(self.toposort())

    @property
    def variables(self) -> set[Any]:
        """The variables."""
        return set(_core.ancestors(self.outputs, self.inputs)) | set(self.inputs)

    @property
    def clients(self) -> dict[Any, list[tuple[Any, int]]]:
        """For each variable the (node, index of input) pairs that use it; node 'output' too."""
        users: dict[Any, list[tuple[Any, int]]] = {}
        for node in self.toposort():
            for i, v in enumerate(node.inputs):
                users.setdefault(v, []).append((node, i))
        for i, v in enumerate(self.outputs):
            users.setdefault(v, []).append(("output", i))
        return users

    def replace(self, var: Any, new_var: Any, reason: Any = None, verbose: Any = None) -> None:
        """Makes all users of `var` use `new_var`."""
        self.replace_all([(var, new_var)], reason)

    def replace_all(self, pairs: Any, reason: Any = None) -> None:
        """Makes several replacements."""
        pairs = list(pairs)
        for old, new in pairs:
            if old.type != new.type:
                raise InconsistencyError(
                    f"The type of the replacement must be the same: {old} {new}"
                )
        self.outputs = list(_core.clone(self.outputs, pairs))

    def clone(self) -> FunctionGraph:
        """A copy."""
        return FunctionGraph(self.inputs, self.outputs)

    def __str__(self) -> str:
        return str(_core.debugprint(self.outputs))

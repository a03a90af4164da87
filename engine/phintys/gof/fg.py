"""A graph with its inputs and outputs, whose parts can be replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from phintys import _core
from phintys.errors import InconsistencyError, MissingInputError, PhintysTypeError
from phintys.gof.walk import clone_get_equiv, io_toposort

__all__ = ["AlreadyThere", "FunctionGraph", "InconsistencyError", "MissingInputError"]


class AlreadyThere(Exception):
    """Raised by a feature's ``on_attach`` when one like it is attached already."""


class FunctionGraph:
    """The graph between inputs and outputs: ``FunctionGraph(inputs, outputs)``.

    Nodes never change. Replacing a variable puts copies in place of the nodes that depend on it;
    the graph remembers what became of them, so variables and nodes that a program got before a
    replacement may still be named.

    Parameters
    ----------
    inputs, outputs
        Lists of variables. MissingInputError if the outputs need something that is neither an
        input nor a constant nor a shared variable.
    features
        Objects that are told of changes; see :meth:`attach_feature`.
    clone
        Work on copies of all variables. False: on the variables themselves.
    update_mapping
        Kept as an attribute: which input each output is the new value of.
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        features: Iterable[Any] | None = None,
        clone: bool = True,
        update_mapping: Any = None,
    ) -> None:
        inputs, outputs = list(inputs), list(outputs)
        for leaf in _core.graph_inputs(outputs, inputs):
            known = leaf.is_constant or leaf.is_shared or any(leaf is v for v in inputs)
            if not known:
                raise MissingInputError(
                    f"An input of the graph is missing: {leaf} was not provided and not given a "
                    f"value."
                )
        if clone:
            equiv = clone_get_equiv(inputs, outputs)
            inputs, outputs = [equiv[v] for v in inputs], [equiv[v] for v in outputs]
        self.inputs: list[Any] = inputs
        self.outputs: list[Any] = outputs
        self.update_mapping = update_mapping
        self._features: list[Any] = []
        self._successor: dict[Any, Any] = {}
        for feature in features or ():
            self.attach_feature(feature)

    # --- what there is ------------------------------------------------------------------------

    def toposort(self) -> list[Any]:
        """The apply nodes, each after those that it depends on and that features order before."""
        return io_toposort(self.inputs, self.outputs, self.orderings())

    def orderings(self) -> dict[Any, list[Any]]:
        """For nodes, what has to come before them besides what they depend on."""
        found: dict[Any, list[Any]] = {}
        for feature in self._features:
            for node, before in getattr(feature, "orderings", lambda fgraph: {})(self).items():
                found.setdefault(node, []).extend(before)
        return found

    @property
    def apply_nodes(self) -> set[Any]:
        """The apply nodes."""
        return set(_core.toposort(self.outputs, self.inputs))

    @property
    def variables(self) -> set[Any]:
        """The variables."""
        nodes = _core.toposort(self.outputs, self.inputs)
        found = set(_core.ancestors(self.outputs, self.inputs)) | set(self.inputs)
        return found.union(*(n.outputs for n in nodes))

    @property
    def clients(self) -> dict[Any, list[tuple[Any, int]]]:
        """For each variable the (node, index of input) pairs that use it; node 'output' too."""
        users: dict[Any, list[tuple[Any, int]]] = {v: [] for v in self.variables}
        for node in _core.toposort(self.outputs, self.inputs):
            for i, v in enumerate(node.inputs):
                users[v].append((node, i))
        for i, v in enumerate(self.outputs):
            users[v].append(("output", i))
        return users

    def current(self, var: Any) -> Any:
        """What a variable of the graph has become by replacements: itself, or a copy."""
        while var in self._successor:
            var = self._successor[var]
        return var

    def __contains__(self, item: Any) -> bool:
        if isinstance(item, _core.Apply):
            return item in self.apply_nodes
        return item in self.variables

    # --- changes ------------------------------------------------------------------------------

    def replace(
        self,
        var: Any,
        new_var: Any,
        reason: Any = None,
        verbose: Any = None,
        import_missing: bool = False,
    ) -> None:
        """Makes all users of `var` use `new_var`, an expression of variables of the graph.

        A variable that is not in the graph is left alone. TypeError if the types differ.
        MissingInputError if `new_var` needs an input that the graph has not, unless
        `import_missing`, which makes it one.
        """
        self._replace([(var, new_var)], reason, import_missing)

    def replace_all(self, pairs: Iterable[tuple[Any, Any]], reason: Any = None) -> None:
        """Makes several replacements, one after the other."""
        for var, new_var in list(pairs):
            self._replace([(var, new_var)], reason, False)

    def replace_validate(self, var: Any, new_var: Any, reason: Any = None, **kwargs: Any) -> None:
        """As :meth:`replace`; features that object undo the replacement by raising."""
        self.replace_all_validate([(var, new_var)], reason)

    def replace_all_validate(
        self, pairs: Iterable[tuple[Any, Any]], reason: Any = None, **kwargs: Any
    ) -> None:
        """As :meth:`replace_all`, all or nothing: whatever the features' ``validate`` raises."""
        before = list(self.inputs), list(self.outputs), dict(self._successor)
        try:
            self.replace_all(pairs, reason)
            self.execute_callbacks("validate")
        except Exception:
            self.inputs, self.outputs, self._successor = before
            raise

    def change_input(
        self, node: Any, i: int, new_var: Any, reason: Any = None, **kwargs: Any
    ) -> None:
        """Makes input `i` of `node` another variable; of output `i` if `node` is 'output'."""
        if isinstance(node, str):
            old = self.outputs[i]
            new_var = self._fitting(old, self._now(new_var))
            self._check_inputs([new_var], False)
            if new_var is old:
                return
            self.outputs[i] = new_var
            self.execute_callbacks("on_change_input", node, i, old, new_var, reason=reason)
            return
        node = self.current(node.outputs[0]).owner
        old, operands = node.inputs[i], list(node.inputs)
        operands[i] = self._fitting(old, self._now(new_var))
        if operands[i] is old:
            return
        self._check_inputs([operands[i]], False)
        fresh = node.clone_with_new_inputs(operands)
        self._substitute(list(zip(node.outputs, fresh.outputs, strict=True)), reason)
        self.execute_callbacks("on_change_input", fresh, i, old, operands[i], reason=reason)

    def _now(self, expression: Any) -> Any:
        """An expression of variables that the graph has had, as one of those that it has."""
        pairs = [(v, self.current(v)) for v in _core.ancestors([expression])]
        pairs = [(old, new) for old, new in pairs if old is not new]
        return _core.substitute([expression], pairs)[0][0] if pairs else expression

    @staticmethod
    def _fitting(old: Any, new: Any) -> Any:
        if old.type == new.type:
            return new
        converted = (
            old.type.convert_variable(new) if hasattr(old.type, "convert_variable") else None
        )
        if converted is None:
            raise PhintysTypeError(
                f"The type of the replacement must be the same as the type of the original "
                f"variable: {old} is {old.type}, {new} is {new.type}"
            )
        return converted

    def _check_inputs(self, variables: list[Any], import_missing: bool) -> None:
        for leaf in _core.graph_inputs(variables, self.inputs):
            if leaf.is_constant or leaf.is_shared or any(leaf is v for v in self.inputs):
                continue
            if not import_missing:
                raise MissingInputError(f"Undeclared input: {leaf}")
            self.inputs.append(leaf)

    def _replace(self, pairs: list[tuple[Any, Any]], reason: Any, import_missing: bool) -> None:
        present = self.variables
        real = []
        for old, new in pairs:
            old, new = self.current(old), self._now(new)
            if old not in present or old is new:
                continue
            new = self._fitting(old, new)
            self._check_inputs([new], import_missing)
            real.append((old, new))
        users = [(old, new, self._users(old)) for old, new in real] if self._features else []
        self._substitute(real, reason)
        for old, new, clients in users:
            for node, i in clients:
                if node != "output":
                    node = self.current(node.outputs[0]).owner
                self.execute_callbacks("on_change_input", node, i, old, new, reason=reason)

    def _users(self, variable: Any) -> list[tuple[Any, int]]:
        return self.clients.get(variable, [])

    def _substitute(self, pairs: list[tuple[Any, Any]], reason: Any) -> None:
        if not pairs:
            return
        before = _core.toposort(self.outputs, self.inputs) if self._features else []
        # The replacement may be an expression of what it replaces, which is then kept in it.
        outputs, moved = _core.substitute(self.outputs, pairs)
        self.outputs = list(outputs)
        self._successor.update((old, new) for old, new in moved)
        within = {old for old, new in pairs if old in set(_core.ancestors([new]))}
        self._successor.update((old, new) for old, new in pairs if old not in within)
        if not self._features:
            return
        after = _core.toposort(self.outputs, self.inputs)
        old_nodes, new_nodes = set(before), set(after)
        for node in after:
            if node not in old_nodes:
                self.execute_callbacks("on_import", node, reason=reason)
        for node in before:
            if node not in new_nodes:
                self.execute_callbacks("on_prune", node, reason=reason)

    # --- features -----------------------------------------------------------------------------

    def attach_feature(self, feature: Any) -> None:
        """Attaches an object whose methods are called when the graph changes.

        Those that it has of ``on_attach(fgraph)``, ``on_detach(fgraph)``,
        ``on_import(fgraph, node, reason)``, ``on_prune(fgraph, node, reason)`` and
        ``on_change_input(fgraph, node, i, old, new, reason)``; ``orderings(fgraph)`` and
        ``validate(fgraph)`` are asked too. ``on_attach`` may raise AlreadyThere.
        """
        if any(feature is f for f in self._features):
            return
        attach = getattr(feature, "on_attach", None)
        if attach is not None:
            try:
                attach(self)
            except AlreadyThere:
                return
        self._features.append(feature)

    def remove_feature(self, feature: Any) -> None:
        """Detaches a feature; nothing happens if it is not attached."""
        for i, f in enumerate(self._features):
            if f is feature:
                del self._features[i]
                detach = getattr(feature, "on_detach", None)
                if detach is not None:
                    detach(self)
                return

    def execute_callbacks(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Calls method `name` of all features that have it."""
        for feature in list(self._features):
            method = getattr(feature, name, None)
            if method is not None:
                method(self, *args, **kwargs)

    def collect_callbacks(self, name: str, *args: Any) -> dict[Any, Any]:
        """What method `name` of the features returns, by feature."""
        return {
            f: getattr(f, name)(*args) for f in self._features if getattr(f, name, None) is not None
        }

    # --- copies -------------------------------------------------------------------------------

    def clone(self, check_integrity: bool = True, attach_feature: bool = True) -> FunctionGraph:
        """A copy, with the same features."""
        return self.clone_get_equiv(check_integrity, attach_feature)[0]

    def clone_get_equiv(
        self, check_integrity: bool = True, attach_feature: bool = True
    ) -> tuple[FunctionGraph, dict[Any, Any]]:
        """A copy, and a dict from the variables and nodes of this graph to those of the copy."""
        equiv = clone_get_equiv(self.inputs, self.outputs)
        copy = FunctionGraph(
            [equiv[v] for v in self.inputs],
            [equiv[v] for v in self.outputs],
            self._features if attach_feature else None,
            clone=False,
            update_mapping=self.update_mapping,
        )
        return copy, equiv

    def check_integrity(self) -> None:
        """MissingInputError if the outputs need something that is not an input."""
        self._check_inputs(self.outputs, False)

    def __str__(self) -> str:
        from phintys.gof.walk import as_string

        return f"[{', '.join(as_string(self.inputs, self.outputs))}]"

    __repr__ = __str__

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_successor"} | {"_successor": {}}

"""Functions with sparse inputs, outputs, shared variables and givens.

``phintys.function`` hands over to this module when one of its arguments is sparse: the function is
compiled for the parts of the sparse variables, and a :class:`SparseFunction` around it takes
SciPy's matrices apart and puts results together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from phintys import _core
from phintys.compile.io import In, SymbolicInput, SymbolicOutput
from phintys.compile.pfunc import _as_input, _check_used, pfunc
from phintys.errors import PhintysTypeError, UnusedInputError
from phintys.sparse.type import PART_NAMES, SparseType
from phintys.sparse.variable import SparseVariable

__all__ = ["SparseFunction", "compile_function", "is_involved"]


def _variable_of(item: Any) -> Any:
    if isinstance(item, (SymbolicInput, SymbolicOutput)):
        return item.variable
    if isinstance(item, (list, tuple)):
        for part in item:
            if isinstance(part, SparseVariable):
                return part
    return item


def _items(mapping: Any) -> list[Any]:
    if mapping is None:
        return []
    return list(mapping.items()) if hasattr(mapping, "items") else list(mapping)


def _listed(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def is_involved(inputs: Any, outputs: Any, updates: Any, givens: Any) -> bool:
    """True iff one of the arguments of ``phintys.function`` is sparse."""
    variables: list[Any] = [_variable_of(item) for item in [*inputs, *_listed(outputs)]]
    for pairs in (updates, givens):
        variables += [_variable_of(pair) for pair in _items(pairs)]
    return any(isinstance(v, SparseVariable) for v in variables)


class Slot:
    """An argument or a result: dense, or a sparse matrix of this type."""

    def __init__(self, name: str | None, type: SparseType | None, first: int, source: Any) -> None:
        self.name = name
        self.type = type
        self.first = first  # the position of its first part among those of the inner function
        self.strict = bool(getattr(source, "strict", False))
        self.allow_downcast = getattr(source, "allow_downcast", None)

    @property
    def width(self) -> int:
        """The number of arguments, or results, of the inner function."""
        return 1 if self.type is None else len(PART_NAMES)


class SparseFunction:
    """A compiled function some of whose inputs or outputs are sparse matrices.

    Called as any other, with SciPy's matrices for sparse inputs. ``inner`` is the function of
    their parts, which ``save`` writes. Other attributes are those of ``inner``.
    """

    def __init__(
        self, inner: Any, inputs: list[Slot], outputs: list[Slot], mode: str, keys: list[str]
    ) -> None:
        self.inner = inner
        self._inputs = inputs
        self._outputs = outputs
        self._mode = mode
        self._keys = keys
        self._positions = {s.name: k for k, s in enumerate(inputs) if s.name is not None}

    def __call__(self, *args: Any, output_subset: Any = None, **kwargs: Any) -> Any:
        values: list[Any] = []
        for k, slot in enumerate(self._inputs):
            if k < len(args):
                values += self._argument(k, slot, args[k])
            elif slot.name is not None and slot.name in kwargs:
                values += self._argument(k, slot, kwargs.pop(slot.name))
            else:
                values += self._defaults(slot)
        if kwargs or len(args) > len(self._inputs):
            self._refuse(args, kwargs)
        return self._packed(self.inner(*values), output_subset)

    def _argument(self, k: int, slot: Slot, value: Any) -> Any:
        if slot.type is None:
            return (value,)
        try:
            return slot.type.split(value, slot.strict, slot.allow_downcast)
        except (TypeError, ValueError) as error:
            name = f'argument "{slot.name}"' if slot.name else "argument"
            raise type(error)(
                f"Bad input {name} to function {self.inner.name} at index {k} (0-based). {error}"
            ) from error

    def _defaults(self, slot: Slot) -> list[Any]:
        stored = getattr(self.inner, "_values", None)
        if stored is None:
            stored = [spec.value for spec in self.inner.specs]
        values = list(stored[slot.first : slot.first + slot.width])
        if any(v is None for v in values):
            raise PhintysTypeError(f"Missing required input: {slot.name or slot.first}")
        return values

    def _refuse(self, args: Any, kwargs: dict[str, Any]) -> None:
        for name in kwargs:
            if name not in self._positions:
                raise PhintysTypeError(
                    f"Unknown input or state: {name}. The function has "
                    f"{[s.name for s in self._inputs]}"
                )
        raise PhintysTypeError("Too many parameter passed to phintys function")

    def _packed(self, parts: Any, subset: Any) -> Any:
        results = []
        for slot in self._outputs:
            piece = parts[slot.first : slot.first + slot.width]
            results.append(piece[0] if slot.type is None else slot.type.join(piece))
        if self._mode == "dict":
            chosen = self._keys if subset is None else subset
            return {key: results[self._keys.index(key)] for key in chosen}
        if subset is not None:
            return [results[k] for k in subset]
        return results[0] if self._mode == "single" else results

    # --- the other uses of a function -------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name == "inner" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, SparseVariable) and key.is_shared:
            return key.type.join([self.inner[part] for part in key.parts])
        return self.inner[key]

    def __contains__(self, key: Any) -> bool:
        return (key.parts.data if isinstance(key, SparseVariable) else key) in self.inner

    def copy(self, **options: Any) -> Any:
        """A function of its own; see ``Function.copy``."""
        swap = options.get("swap")
        if swap:
            options["swap"] = dict(_expanded_pairs(swap, "copy"))
        return self._with(self.inner.copy(**options))

    def _with(self, inner: Any) -> SparseFunction:
        return SparseFunction(inner, self._inputs, self._outputs, self._mode, self._keys)

    def __copy__(self) -> SparseFunction:
        return self._with(self.inner.copy())

    def __deepcopy__(self, memo: dict[int, Any]) -> SparseFunction:
        result = self._with(self.inner.__deepcopy__(memo))
        memo[id(self)] = result
        return result

    def __reduce__(self) -> Any:
        return SparseFunction, (self.inner, self._inputs, self._outputs, self._mode, self._keys)

    def __repr__(self) -> str:
        return f"<SparseFunction {self.inner.name}>"


# --- from sparse variables to their parts ---------------------------------------------------------


def _input_parts(item: Any) -> tuple[Any, list[Any]]:
    """The variable of an input, and inputs for its parts (itself if it is dense)."""
    variable = _variable_of(item)
    if not isinstance(variable, SparseVariable):
        return variable, [item]
    if variable.is_shared or variable.is_constant:
        raise PhintysTypeError(
            f"A constant or shared variable ({variable}) cannot be an explicit input"
        )
    name, value, update = variable.name, None, None
    if isinstance(item, In):
        name, value, update = item.name, item.value, item.update
    elif isinstance(item, (list, tuple)):
        rest = [part for part in item if part is not variable]
        name = next((part for part in rest if isinstance(part, str)), name)
        value = next((part for part in rest if not isinstance(part, str)), None)
    count = len(PART_NAMES)
    values = [None] * count if value is None else list(variable.type.split(value))
    updates: list[Any] = [None] * count
    if update is not None:
        updates = list(_like(variable, variable.type.filter_variable(update)))
    return variable, [
        In(part, name=None if name is None else f"{name}.{part_name}", value=v, update=u)
        for part, part_name, v, u in zip(variable.parts, PART_NAMES, values, updates, strict=True)
    ]


def _like(target: SparseVariable, expression: SparseVariable) -> list[Any]:
    """The parts of an expression in the dtypes of those of `target`."""
    return [
        _core.cast(part, wanted.dtype)
        for part, wanted in zip(expression.parts, target.parts, strict=True)
    ]


def _expanded_pairs(pairs: Any, what: str) -> list[tuple[Any, Any]]:
    result: list[tuple[Any, Any]] = []
    for pair in _items(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise PhintysTypeError(f"{what} must be a dict or a list of pairs, got {pair!r} in it")
        old, new = pair
        if not isinstance(old, SparseVariable):
            result.append((old, new))
            continue
        if what == "updates" and not old.is_shared:
            raise PhintysTypeError("update target must be a SharedVariable", old)
        new = old.type.filter_variable(new)
        parts = new.parts if what == "copy" else _like(old, new)
        result += zip(old.parts, parts, strict=True)
    return result


def _check_all_used(
    groups: list[tuple[Any, list[Any]]], roots: list[Any], givens: Any, action: Any
) -> None:
    """Theano's check that each input is needed: a sparse one is if one of its parts is."""
    everything = roots + [new for _, new in givens if isinstance(new, _core.Variable)]
    seen: set[int] = set()
    chosen = []
    for variable, items in groups:
        if id(variable) in seen:
            raise UnusedInputError(f"Variable {variable} is used twice in inputs to the function")
        seen.add(id(variable))
        inputs = [_as_input(item, None) for item in items]
        needed = {id(v) for v in _core.ancestors(everything, [i.variable for i in inputs])}
        used = [i for i in inputs if id(i.variable) in needed]
        chosen.append(used[0] if used else inputs[0])
    _check_used(chosen, roots, givens, action)


def _outer(inputs: Iterable[Any], variables: list[Any]) -> list[Slot]:
    slots, first = [], 0
    for item, variable in zip(inputs, variables, strict=True):
        sparse = isinstance(variable, SparseVariable)
        name = variable.name
        if isinstance(item, SymbolicInput):
            name = item.name
        elif isinstance(item, (list, tuple)) and isinstance(item[0], str):
            name = item[0]
        slot = Slot(name, variable.type if sparse else None, first, item)
        slots.append(slot)
        first += slot.width
    return slots


def compile_function(
    inputs: Any, outputs: Any, updates: Any, givens: Any, on_unused_input: Any, **options: Any
) -> SparseFunction:
    """The work of ``phintys.function`` where something is sparse."""
    expanded = [_input_parts(item) for item in inputs]
    groups = [(variable, parts) for variable, parts in expanded]
    flat_inputs = [part for _, parts in expanded for part in parts]
    variables = [
        next((p for p in item if isinstance(p, _core.Variable)), v)
        if isinstance(item, (list, tuple)) and not isinstance(v, SparseVariable)
        else v
        for item, (v, _) in zip(inputs, expanded, strict=True)
    ]
    keys = sorted(outputs) if isinstance(outputs, dict) else []
    listed = [outputs[k] for k in keys] if keys else _listed([] if outputs is None else outputs)
    targets = [_variable_of(v) for v in listed]
    flat_outputs: list[Any] = []
    for variable in targets:
        flat_outputs += variable.parts if isinstance(variable, SparseVariable) else [variable]
    pairs = _expanded_pairs(updates, "updates")
    replaced = _expanded_pairs(givens, "givens")
    roots = [v for v in flat_outputs if isinstance(v, _core.Variable)]
    roots += [new for _, new in pairs if isinstance(new, _core.Variable)]
    roots += [i.update for i in flat_inputs if isinstance(i, In) and i.update is not None]
    _check_all_used(groups, roots, replaced, on_unused_input)
    inner = pfunc(
        params=flat_inputs,
        outputs=flat_outputs,
        updates=pairs,
        givens=replaced,
        on_unused_input="ignore",
        **options,
    )
    slots = _outer(inputs, variables)
    for slot in slots:
        if slot.allow_downcast is None:
            slot.allow_downcast = options.get("allow_input_downcast")
    mode = "list"
    if isinstance(outputs, dict):
        mode = "dict"
    elif outputs is not None and not isinstance(outputs, (list, tuple)):
        mode = "single"
    return SparseFunction(inner, slots, _outer(targets, targets), mode, keys)

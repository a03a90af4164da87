"""Copies of what a function is made of, with its shared variables and updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.compile.io import SymbolicInput, SymbolicOutput
from phintys.errors import PhintysAssertionError, PhintysTypeError
from phintys.gof.walk import clone_get_equiv

__all__ = ["rebuild_collect_shared"]


def _variable_of(item: Any) -> Any:
    return item.variable if isinstance(item, (SymbolicInput, SymbolicOutput)) else item


def _pairs(mapping: Any) -> list[tuple[Any, Any]]:
    return list(mapping.items() if hasattr(mapping, "items") else (mapping or []))


def _replacements(replace: Any, keep: bool, strict: bool, equiv: dict[Any, Any]) -> None:
    for old, new in _pairs(replace):
        if not isinstance(old, _core.Variable):
            raise PhintysTypeError(f"given keys must be Variable, got {old!r}")
        if old in equiv:
            raise PhintysAssertionError(
                "When using 'givens' or 'replace' with several (old_v, new_v) replacement pairs, "
                f"you can not have a new_v variable depend on an old_v one: {old}"
            )
        new = old.type.filter_variable(new)
        if strict and not old.type.same_pattern(new.type):
            raise PhintysTypeError(f"{new} of {new.type} cannot replace {old} of {old.type}")
        clone_get_equiv([], [new], copy_orphans=not keep, memo=equiv)
        equiv[old] = equiv[new]


def rebuild_collect_shared(
    outputs: Any,
    inputs: Sequence[Any] | None = None,
    replace: Any = None,
    updates: Any = None,
    rebuild_strict: bool = True,
    copy_inputs_over: bool = True,
    no_default_updates: Any = False,
) -> tuple[list[Any], Any, list[Any]]:
    """Copies of `outputs` with replacements, and the shared variables and updates they need.

    Parameters
    ----------
    outputs
        A variable, an Out, a list of these, or None.
    inputs
        Variables or In objects.
    replace, updates
        Dicts or lists of pairs, as ``givens`` and ``updates`` of a function.
    copy_inputs_over
        Keep inputs, instead of copying them. Shared variables are kept in any case.
    no_default_updates
        True, or a list of the shared variables whose default update is left out.

    Returns
    -------
    The inputs, the outputs in the form they came in, and a list of: the dict from variables to
    copies; the dict of updates; the list of updates; the list of shared variables.
    """
    from phintys.compile.pfunc import add_default_updates

    given = [_variable_of(i) for i in inputs or []]
    several = isinstance(outputs, (list, tuple))
    items = list(outputs) if several else [] if outputs is None else [outputs]
    roots = [_variable_of(o) for o in items]
    for v in given + roots:
        if not isinstance(v, _core.Variable):
            raise PhintysTypeError(f"inputs and outputs must be variables, got {v!r}")
    equiv: dict[Any, Any] = {}
    _replacements(replace, copy_inputs_over, rebuild_strict, equiv)
    for v in given:
        equiv.setdefault(v, v if copy_inputs_over or v.is_shared else v.clone())
    new_values = {s: s.type.filter_variable(e) for s, e in _pairs(updates)}
    add_default_updates(list(roots), new_values, list(given), no_default_updates)
    everything = roots + list(new_values.values())
    clone_get_equiv([], everything, copy_orphans=not copy_inputs_over, memo=equiv)
    copied: list[Any] = []
    for item, root in zip(items, roots, strict=True):
        if isinstance(item, SymbolicOutput):
            copied.append(type(item)(equiv[root], borrow=item.borrow))
        else:
            copied.append(equiv[root])
    shared = [v for v in _core.graph_inputs(everything + list(new_values)) if v.is_shared]
    update_d = {s: equiv[e] for s, e in new_values.items()}
    result = copied if several else [] if outputs is None else copied[0]
    return (
        [equiv[v] for v in given],
        result,
        [equiv, update_d, list(update_d.items()), shared],
    )

"""Helpers for graphs."""

from __future__ import annotations

from typing import Any

from phintys.errors import MethodNotDefined
from phintys.tensor.var import Scratchpad

__all__ = [
    "MethodNotDefined",
    "Scratchpad",
    "flatten",
    "give_variables_names",
    "scratchpad",
    "uniq",
]

scratchpad = Scratchpad


def flatten(a: Any) -> list[Any]:
    """A flat list of everything in nested lists, tuples and sets."""
    if isinstance(a, (tuple, list, set)):
        return [x for item in a for x in flatten(item)]
    return [a]


def uniq(seq: Any) -> list[Any]:
    """The elements without repetitions, in order of first appearance."""
    return list(dict.fromkeys(seq))


def give_variables_names(variables: Any) -> None:
    """Gives variables without a name, or of equal names, names of their own."""
    seen: set[str] = set()
    for i, v in enumerate(variables):
        base = v.name or "variable"
        name, n = base, i
        while name in seen or (not v.name and name == "variable"):
            name, n = f"{base}_{n}", n + 1
            if name not in seen:
                break
        v.name = name
        seen.add(name)

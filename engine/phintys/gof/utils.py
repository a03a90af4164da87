"""Helpers for graphs."""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from phintys.errors import MethodNotDefined, PhintysValueError
from phintys.tensor.var import Scratchpad

__all__ = [
    "MethodNotDefined",
    "Scratchpad",
    "deprecated",
    "difference",
    "flatten",
    "from_return_values",
    "give_variables_names",
    "hash_from_code",
    "hash_from_file",
    "memoize",
    "remove",
    "scratchpad",
    "to_return_values",
    "toposort",
    "undef",
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


def difference(seq1: Iterable[Any], seq2: Iterable[Any]) -> list[Any]:
    """The elements of `seq1` that are not in `seq2`, in order."""
    excluded = list(seq2)
    try:
        hashed = set(excluded)
    except TypeError:
        return [x for x in seq1 if x not in excluded]
    return [x for x in seq1 if x not in hashed]


def to_return_values(values: Sequence[Any]) -> Any:
    """The only element of a sequence of one, else the sequence."""
    return values[0] if len(values) == 1 else values


def from_return_values(values: Any) -> list[Any]:
    """A list of `values`, which may be one value."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def memoize(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes each result once and returns it again for equal arguments."""
    results: dict[Any, Any] = {}

    @functools.wraps(f)
    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = (args, tuple(sorted(kwargs.items())))
        if key not in results:
            results[key] = f(*args, **kwargs)
        return results[key]

    return remembered


def deprecated(filename: str, msg: str = "") -> Callable[[Any], Any]:
    """A decorator for functions that warn when they are first called."""

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        warned: list[bool] = []

        @functools.wraps(f)
        def warning(*args: Any, **kwargs: Any) -> Any:
            if not warned:
                warned.append(True)
                text = f"{filename}.{f.__name__} is deprecated. {msg}"
                warnings.warn(text, DeprecationWarning, stacklevel=2)
            return f(*args, **kwargs)

        return warning

    return decorate


class undef:
    """A value that stands for "none was given"."""


def toposort(prereqs_d: dict[Any, Iterable[Any]]) -> list[Any]:
    """The keys, each after the keys in its collection; ValueError if there is a cycle.

    >>> toposort({"c": ["a", "b"], "b": ["a"], "a": []})
    ['a', 'b', 'c']
    """
    waiting = {k: {p for p in before if p in prereqs_d} for k, before in prereqs_d.items()}
    users: dict[Any, list[Any]] = {}
    for k, before in waiting.items():
        for p in before:
            users.setdefault(p, []).append(k)
    ready = [k for k, before in waiting.items() if not before]
    for k in ready:  # grows
        for user in users.get(k, ()):
            waiting[user].discard(k)
            if not waiting[user]:
                ready.append(user)
    if len(ready) != len(waiting):
        raise PhintysValueError("toposort: there is a cycle")
    return ready


def remove(predicate: Callable[[Any], bool], coll: Iterable[Any]) -> list[Any]:
    """The elements for which `predicate` is false."""
    return [x for x in coll if not predicate(x)]


def hash_from_code(msg: str | bytes) -> str:
    """A text that differs for different texts."""
    data = msg.encode() if isinstance(msg, str) else msg
    return f"m{hashlib.sha256(data).hexdigest()}"


def hash_from_file(file_path: str) -> str:
    """A text that differs for files of different contents."""
    with open(file_path, "rb") as file:
        return hash_from_code(file.read())

"""Einstein summation, as ``numpy.einsum``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import upcast
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.diagonal import diagonal
from phintys.tensor.linalg_basic import contract

__all__ = ["einsum"]

# What an unknown length counts as when an order of contraction is chosen.
_UNKNOWN_LENGTH = 64
# Of so many operands, all orders are tried.
_FEW_OPERANDS = 6


def einsum(subscripts: Any, *operands: Any, optimize: Any = True) -> Any:
    """Sums of products of `operands` over labelled dimensions, as ``numpy.einsum``.

    All of NumPy's forms are taken: implicit and explicit results, ``...``, labels repeated within
    an operand (its diagonal), and lists of integers as labels. A dimension that is known to be 1
    is stretched. Contractions are matrix products; of more than two operands, the order is that of
    the least work (of more than six, the best pair comes first), unless `optimize` is False (from
    left to right) or a path as
    ``numpy.einsum_path`` gives it.
    """
    if isinstance(subscripts, str):
        terms, result = _parse(subscripts, len(operands))
        variables = [as_tensor_variable(x) for x in operands]
    else:
        variables, terms, result = _parse_lists((subscripts, *operands))
    labels, result = _resolve(variables, terms, result)
    dtype = upcast(*[x.dtype for x in variables])
    variables = [_core.cast(x, dtype) for x in variables]
    parts = [_simplify(x, term) for x, term in zip(variables, labels, strict=True)]
    parts = _stretch(parts)
    for pair in _path(parts, result, optimize):
        chosen = [parts[i] for i in pair]
        rest = [p for i, p in enumerate(parts) if i not in pair]
        needed = set(result).union(*(set(t) for _, t in rest))
        joined = chosen[0]
        for k, other in enumerate(chosen[1:], 1):
            later = needed.union(*(set(t) for _, t in chosen[k + 1 :]))
            joined = _contract(joined, other, later)
        parts = [*rest, joined]
    return _finish(parts[0], result)


_Term = list[Any]
_Part = tuple[Any, list[Any]]


def _parse(subscripts: str, count: int) -> tuple[list[_Term], _Term | None]:
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    if "-" in left or ">" in left or (arrow and ("-" in right or ">" in right)):
        raise PhintysValueError(f"einsum: '->' is malformed in {subscripts!r}")
    terms = [_letters(term, subscripts) for term in left.split(",")]
    if len(terms) != count:
        raise PhintysValueError(
            f"einsum: {subscripts!r} has {len(terms)} terms for {count} operands"
        )
    return terms, _letters(right, subscripts) if arrow else None


def _letters(term: str, subscripts: str) -> _Term:
    before, dots, after = term.partition("...")
    letters: _Term = [*before, *([Ellipsis] if dots else []), *after]
    for letter in letters:
        if letter is not Ellipsis and not letter.isalpha():
            raise PhintysValueError(f"einsum: invalid character {letter!r} in {subscripts!r}")
    return letters


def _parse_lists(given: Sequence[Any]) -> tuple[list[Any], list[_Term], _Term | None]:
    pairs = len(given) // 2
    if pairs == 0:
        raise PhintysValueError("einsum: subscripts and operands are needed")
    variables = [as_tensor_variable(x) for x in given[0 : 2 * pairs : 2]]
    lists = [list(x) for x in given[1 : 2 * pairs : 2]]
    result = list(given[-1]) if len(given) % 2 else None
    for entry in [e for x in [*lists, result or []] for e in x]:
        if entry is not Ellipsis and not isinstance(entry, int):
            raise PhintysTypeError(f"einsum: labels must be integers or Ellipsis, got {entry!r}")
    return variables, lists, result


def _resolve(
    variables: list[Any], terms: list[_Term], result: _Term | None
) -> tuple[list[_Term], _Term]:
    """Labels for every dimension: those of an ellipsis are ("...", position from the right)."""
    resolved, widest = [], 0
    for x, term in zip(variables, terms, strict=True):
        named = len([t for t in term if t is not Ellipsis])
        extra = x.ndim - named
        if extra < 0 or (extra and Ellipsis not in term):
            raise PhintysValueError(
                f"einsum: {named} labels do not fit an operand of {x.ndim} dimensions"
            )
        widest = max(widest, extra)
        resolved.append(_expand(term, extra))
    seen = [label for term in resolved for label in term]
    if result is None:
        once = sorted(
            label for label in set(seen) if not isinstance(label, tuple) and seen.count(label) == 1
        )
        result = [*_expand([Ellipsis], widest), *once]
    else:
        # NumPy sums over an ellipsis that the result does not have.
        result = _expand(result, widest)
    if len(set(result)) != len(result):
        raise PhintysValueError("einsum: a label appears twice in the result")
    for label in result:
        if label not in seen:
            raise PhintysValueError(f"einsum: the label {label!r} of the result is in no operand")
    return resolved, result


def _expand(term: _Term, count: int) -> _Term:
    if Ellipsis not in term:
        return list(term)
    at = term.index(Ellipsis)
    return [*term[:at], *(("...", k) for k in range(count, 0, -1)), *term[at + 1 :]]


def _simplify(x: Any, term: _Term) -> _Part:
    """Takes the diagonal over labels that are repeated."""
    term = list(term)
    for label in list(dict.fromkeys(term)):
        while term.count(label) > 1:
            first = term.index(label)
            second = term.index(label, first + 1)
            x = diagonal(x, 0, first, second)
            term = [t for i, t in enumerate(term) if i not in (first, second)] + [label]
    return x, term


def _stretch(parts: list[_Part]) -> list[_Part]:
    """Drops dimensions known to be 1 where another operand has the length."""
    long = {t for x, term in parts for t, one in zip(term, x.broadcastable, strict=True) if not one}
    kept: set[Any] = set()
    result = []
    for x, term in parts:
        axes = [i for i, t in enumerate(term) if not x.broadcastable[i] or t not in long]
        # Of several ones, the first stands for all.
        axes = [i for i in axes if term[i] in long or term[i] not in kept]
        kept.update(term[i] for i in axes if term[i] not in long)
        result.append((_core.dimshuffle(x, axes), [term[i] for i in axes]))
    return result


def _path(parts: list[_Part], result: _Term, optimize: Any) -> list[tuple[int, ...]]:
    if isinstance(optimize, (list, tuple)) and len(optimize) and not isinstance(optimize[0], str):
        return [tuple(sorted(step)) for step in optimize]
    if isinstance(optimize, (list, tuple)) and len(optimize) > 1:
        return [tuple(sorted(step)) for step in optimize[1:]]
    if not optimize or len(parts) <= 2:
        # Left to right: what was joined stands last.
        steps: list[tuple[int, ...]] = [(0, k) for k in range(len(parts) - 2, 0, -1)]
        return [(0, 1), *steps] if len(parts) > 1 else []
    sizes: dict[Any, int] = {}
    for x, term in parts:
        for label, n in zip(term, x.type.static_shape, strict=True):
            sizes[label] = max(sizes.get(label, 0), _UNKNOWN_LENGTH if n is None else n)

    def size(labels: Any) -> int:
        return math.prod(sizes[label] for label in labels)

    few = len(parts) <= _FEW_OPERANDS
    return _best_path(parts, result, size) if few else _greedy_path(parts, result, size)


def _best_path(
    parts: list[_Part], result: _Term, size: Callable[[Any], int]
) -> list[tuple[int, ...]]:
    """The pairs of least work in all; of equals, those of the smallest intermediate results."""
    count = len(parts)
    every = (1 << count) - 1
    labels = [
        set().union(*(parts[i][1] for i in range(count) if chosen >> i & 1))
        for chosen in range(every + 1)
    ]
    # Of each set of operands: what stays of its labels, its cost, the two sets that it is made of.
    kept = [labels[s] & (labels[every ^ s] | set(result)) for s in range(every + 1)]
    cost: list[tuple[int, int]] = [(0, 0)] * (every + 1)
    halves: list[tuple[int, int]] = [(0, 0)] * (every + 1)
    for chosen in range(3, every + 1):
        part = chosen & (chosen - 1)  # Without the first operand: every pair of halves once.
        options = []
        while part:
            other = chosen ^ part
            work = cost[part][0] + cost[other][0] + size(kept[part] | kept[other])
            memory = cost[part][1] + cost[other][1] + size(kept[chosen])
            options.append(((work, memory), (other, part)))
            part = (part - 1) & chosen & (chosen - 1)
        if options:
            cost[chosen], halves[chosen] = min(options)
    steps, left = [], [every]
    while left:
        chosen = left.pop()
        if chosen & (chosen - 1):
            steps.append(chosen)
            left += halves[chosen]
    path: list[tuple[int, ...]] = []
    present = [1 << i for i in range(count)]
    for chosen in reversed(steps):
        i, j = sorted(present.index(half) for half in halves[chosen])
        path.append((i, j))
        present = [s for k, s in enumerate(present) if k not in (i, j)] + [chosen]
    return path


def _greedy_path(
    parts: list[_Part], result: _Term, size: Callable[[Any], int]
) -> list[tuple[int, ...]]:
    """The pairs that leave the smallest intermediate results, those of least work first."""
    terms = [set(term) for _, term in parts]
    path: list[tuple[int, ...]] = []
    while len(terms) > 1:
        best: tuple[Any, ...] | None = None
        for i, j in combinations(range(len(terms)), 2):
            needed = set(result).union(*(t for k, t in enumerate(terms) if k not in (i, j)))
            union = terms[i] | terms[j]
            kept = union & needed
            # A pair that shares no label comes last.
            apart = not (terms[i] & terms[j])
            key = (apart, size(kept) - size(terms[i]) - size(terms[j]), size(union), i, j)
            if best is None or key < best[0]:
                best = (key, kept)
        assert best is not None
        i, j = best[0][-2:]
        path.append((i, j))
        terms = [t for k, t in enumerate(terms) if k not in (i, j)] + [best[1]]
    return path


def _sum_out(part: _Part, needed: set[Any]) -> _Part:
    x, term = part
    axes = [i for i, t in enumerate(term) if t not in needed]
    if not axes:
        return part
    return x.sum(axis=axes, dtype=x.dtype), [t for t in term if t in needed]


def _contract(a: _Part, b: _Part, needed: set[Any]) -> _Part:
    """The product of two operands, summed over the labels that nothing else needs."""
    x, s = _sum_out(a, needed | set(b[1]))
    y, t = _sum_out(b, needed | set(a[1]))
    shared = [label for label in s if label in t]
    batch = [label for label in shared if label in needed]
    summed = [label for label in shared if label not in needed]
    left = [label for label in s if label not in shared]
    right = [label for label in t if label not in shared]
    if not summed:
        order = batch + left + right
        spread = [
            _core.dimshuffle(v, [term.index(k) if k in term else -1 for k in order])
            for v, term in ((x, s), (y, t))
        ]
        return spread[0] * spread[1], order
    product = contract(
        x,
        y,
        [s.index(k) for k in batch],
        [t.index(k) for k in batch],
        [s.index(k) for k in left],
        [t.index(k) for k in right],
        [s.index(k) for k in summed],
        [t.index(k) for k in summed],
    )
    return product, batch + left + right


def _finish(part: _Part, result: _Term) -> Any:
    x, term = _sum_out(part, set(result))
    return _core.dimshuffle(x, [term.index(k) for k in result])

"""Elementwise comparisons of sparse matrices with sparse and dense ones: uint8, 1 where true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import phintys.tensor as T
from phintys import _core
from phintys.errors import PhintysNotImplementedError, PhintysTypeError
from phintys.sparse import patterns
from phintys.sparse.variable import SparseVariable

__all__ = [
    "eq",
    "equal_s_d",
    "equal_s_s",
    "ge",
    "greater_equal_s_d",
    "greater_equal_s_s",
    "greater_than_s_d",
    "greater_than_s_s",
    "gt",
    "le",
    "less_equal_s_d",
    "less_equal_s_s",
    "less_than_s_d",
    "less_than_s_s",
    "lt",
    "neq",
    "not_equal_s_d",
    "not_equal_s_s",
]

# Comparisons that are false for two zeros: their result has entries where an operand has one.
_FALSE_OF_ZEROS = ("neq", "lt", "gt")
_MIRRORED = {"eq": "eq", "neq": "neq", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def _basic() -> Any:
    from phintys.sparse import basic

    return basic


def _compare_sparse(name: str, x: Any, y: Any) -> Any:
    x, y = _basic().as_sparse_variable(x), _basic().as_sparse_variable(y)
    if x.format != y.format:
        raise PhintysNotImplementedError(
            f"sparse.{name}: the formats {x.format} and {y.format} differ"
        )
    compare = getattr(T, name)
    x, y = patterns.same_shape(x, y, name)
    if name in _FALSE_OF_ZEROS:
        both = patterns.Merged(x, y)
        true = compare(both.spread(x.parts.data, both.of_x), both.spread(y.parts.data, both.of_y))
        return _basic().remove0(both.result(_core.cast(true, "uint8")))
    true = compare(patterns.to_dense(x), patterns.to_dense(y))
    return patterns.from_dense(_core.cast(true, "uint8"), x.format)


def _compare_dense(name: str, x: Any, y: Any) -> Any:
    x, y = _basic().as_sparse_variable(x), T.as_tensor_variable(y)
    if y.ndim != 2:
        raise PhintysTypeError(f"sparse.{name}: a dense matrix is needed, got {y} of {y.type}")
    return _core.cast(getattr(T, name)(patterns.to_dense(x), y), "uint8")


_WORDS = {
    "eq": ("equal", "=="),
    "neq": ("not_equal", "!="),
    "lt": ("less_than", "<"),
    "gt": ("greater_than", ">"),
    "le": ("less_equal", "<="),
    "ge": ("greater_equal", ">="),
}


def _named(f: Any, name: str, text: str) -> Callable[..., Any]:
    f.__name__ = f.__qualname__ = name
    f.__doc__ = text
    return f


def _of_sparse(name: str) -> Callable[..., Any]:
    word, sign = _WORDS[name]
    return _named(
        lambda x, y: _compare_sparse(name, x, y),
        f"{word}_s_s",
        f"``x {sign} y`` for two sparse matrices of one format: sparse, uint8.",
    )


def _of_dense(name: str) -> Callable[..., Any]:
    word, sign = _WORDS[name]
    return _named(
        lambda x, y: _compare_dense(name, x, y),
        f"{word}_s_d",
        f"``x {sign} y`` for a sparse and a dense matrix: dense, uint8.",
    )


def _switch(name: str) -> Callable[..., Any]:
    def compare(x: Any, y: Any) -> Any:
        x = _basic().as_sparse_or_tensor_variable(x)
        y = _basic().as_sparse_or_tensor_variable(y)
        sparse = [isinstance(v, SparseVariable) for v in (x, y)]
        if not any(sparse):
            raise PhintysTypeError(f"sparse.{name} requires at least one sparse argument")
        if all(sparse):
            return _compare_sparse(name, x, y)
        return _compare_dense(name, x, y) if sparse[0] else _compare_dense(_MIRRORED[name], y, x)

    sign = _WORDS[name][1]
    return _named(
        compare,
        name,
        f"``x {sign} y`` for matrices, one or both sparse: uint8, sparse if both are, else dense.",
    )


equal_s_s, equal_s_d, eq = _of_sparse("eq"), _of_dense("eq"), _switch("eq")
not_equal_s_s, not_equal_s_d, neq = _of_sparse("neq"), _of_dense("neq"), _switch("neq")
less_than_s_s, less_than_s_d, lt = _of_sparse("lt"), _of_dense("lt"), _switch("lt")
greater_than_s_s, greater_than_s_d, gt = _of_sparse("gt"), _of_dense("gt"), _switch("gt")
less_equal_s_s, less_equal_s_d, le = _of_sparse("le"), _of_dense("le"), _switch("le")
greater_equal_s_s, greater_equal_s_d, ge = _of_sparse("ge"), _of_dense("ge"), _switch("ge")

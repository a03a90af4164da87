"""``pytensor.graph.replace``: copies of graphs with parts replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys import clone as _clone
from phintys.errors import PhintysTypeError, PhintysValueError

__all__ = ["clone_replace", "graph_replace", "vectorize_graph"]


def _pairs(replace: Any) -> list[tuple[Any, Any]]:
    return list(replace.items() if hasattr(replace, "items") else (replace or []))


def clone_replace(output: Any, replace: Any = None, **rebuild_kwds: Any) -> Any:
    """A copy of an expression, or of a list of them, with some variables replaced.

    `replace` maps variables to what takes their place, or is a list of such pairs. Of further
    keywords, `rebuild_strict` says whether types must stay what they are, `copy_inputs_over`
    whether inputs are kept instead of copied; both are True by default.
    """
    strict = rebuild_kwds.pop("rebuild_strict", True)
    keep = rebuild_kwds.pop("copy_inputs_over", True)
    if rebuild_kwds:
        raise PhintysTypeError(f"clone_replace: unknown keywords {sorted(rebuild_kwds)}")
    return _clone(output, replace, strict=strict, share_inputs=keep)


def graph_replace(outputs: Any, replace: Any, *, strict: bool = True) -> Any:
    """The outputs with variables replaced; whatever does not depend on those is not copied.

    ValueError if `strict` and a variable to be replaced is not in the graph.

    >>> import phintys.tensor as T
    >>> x, y = T.dscalars('x', 'y')
    >>> z = x + y
    >>> float(graph_replace([z * 2], {x: y})[0].eval({y: 1.5}))
    6.0
    """
    several = isinstance(outputs, (list, tuple))
    roots = list(outputs) if several else [outputs]
    pairs = _pairs(replace)
    present = set(_core.ancestors(roots))
    for old, _ in pairs:
        if strict and old not in present:
            raise PhintysValueError(f"Some replacements were not used: {old}")
    fitting = [(old, old.type.filter_variable(new)) for old, new in pairs]
    results = list(_core.substitute(roots, fitting)[0])
    return results if several else results[0]


def vectorize_graph(outputs: Any, replace: Any) -> Any:
    """The outputs for variables replaced by arrays of them: with leading axes that the others lack.

    All leading axes have the same lengths. The results have them too.

    >>> import phintys.tensor as T
    >>> x, xs = T.dvector('x'), T.dmatrix('xs')
    >>> vectorize_graph(x.sum(), {x: xs}).eval({xs: [[1.0, 2.0], [3.0, 4.0]]}).tolist()
    [3.0, 7.0]
    """
    from phintys.tensor.join import stack

    several = isinstance(outputs, Sequence)
    roots = list(outputs) if several else [outputs]
    pairs = _pairs(replace)
    batch = [(old, new, new.ndim - old.ndim) for old, new in pairs]
    if any(extra < 0 for _, _, extra in batch):
        raise PhintysValueError(
            "vectorize_graph: a replacement has fewer axes than what it replaces"
        )
    depth = max((extra for _, _, extra in batch), default=0)
    if depth == 0:
        results = list(_core.clone(roots, pairs, True))
        return results if several else results[0]
    results = _mapped(roots, batch, depth, stack)
    return results if several else results[0]


def _mapped(roots: list[Any], batch: list[tuple[Any, Any, int]], depth: int, stack: Any) -> Any:
    """One loop over all leading axes, which are made one."""
    from phintys.scan_module import scan
    from phintys.tensor.conversion import as_tensor_variable
    from phintys.tensor.creation import alloc
    from phintys.tensor.rearrange import broadcast_shape

    common = broadcast_shape(
        *[tuple(new.shape[k] for k in range(extra)) for _, new, extra in batch if extra],
        arrays_are_shapes=True,
    )
    leading = [as_tensor_variable(n) for n in common]
    count = leading[0]
    for n in leading[1:]:
        count = count * n
    sequences = []
    for old, new, extra in batch:
        if extra == 0:
            continue
        own = [new.shape[extra + k] for k in range(old.ndim)]
        whole = alloc(new, *leading, *own)
        sequences.append(whole.reshape([count, *own], ndim=old.ndim + 1))
    fixed = [(old, new) for old, new, extra in batch if extra == 0]
    moving = [old for old, _, extra in batch if extra]

    def one(*rows: Any) -> list[Any]:
        pairs = [(old, old.type.filter_variable(r)) for old, r in zip(moving, rows, strict=True)]
        return list(_core.clone(roots, pairs + fixed))

    values, _ = scan(one, sequences=sequences)
    values = values if isinstance(values, (list, tuple)) else [values]
    return [
        v.reshape([*leading, *[v.shape[1 + k] for k in range(v.ndim - 1)]], ndim=v.ndim - 1 + depth)
        for v in values
    ]

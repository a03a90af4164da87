"""Common forms of loops: ``map``, ``reduce``, ``foldl``, ``foldr``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phintys.scan_module.scan import scan
from phintys.updates import OrderedUpdates

__all__ = ["foldl", "foldr", "map", "reduce"]


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """`fn` of each element of the sequences, stacked.

    Parameters are those of :func:`phintys.scan`.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> squares, _ = map(lambda e: e ** 2, x)
    >>> squares.eval({x: [1.0, 2.0, 3.0]}).tolist()
    [1.0, 4.0, 9.0]
    """
    return scan(
        fn=fn,
        sequences=sequences,
        outputs_info=[],
        non_sequences=non_sequences,
        truncate_gradient=truncate_gradient,
        go_backwards=go_backwards,
        mode=mode,
        name=name,
    )


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """The last value of each output of a loop over the sequences.

    ``fn(*elements, *values so far, *non_sequences)`` returns the next values; `outputs_info` are
    the first ones. Without elements there is no last value, and it is an IndexError. Parameters are
    those of :func:`phintys.scan`.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> total, _ = reduce(lambda e, so_far: e + so_far, x, T.constant(0.0, dtype='float64'))
    >>> float(total.eval({x: [1.0, 2.0, 3.0]}))
    6.0
    """
    outputs, updates = scan(
        fn=fn,
        sequences=sequences,
        outputs_info=outputs_info,
        non_sequences=non_sequences,
        go_backwards=go_backwards,
        truncate_gradient=-1,
        mode=mode,
        name=name,
    )
    if isinstance(outputs, (list, tuple)):
        return [x[-1] for x in outputs], updates
    return outputs[-1], updates


def foldl(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """:func:`reduce` from the first element on."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name)


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """:func:`reduce` from the last element on."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name)

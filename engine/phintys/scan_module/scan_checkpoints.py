"""Loops whose gradient needs little memory: ``scan_checkpoints``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phintys import _core
from phintys.errors import PhintysRuntimeError, PhintysValueError
from phintys.scan_module.arguments import as_list, number_of_steps, sequence_rows
from phintys.scan_module.loop import int64
from phintys.scan_module.scan import scan, scan_loop
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange
from phintys.updates import OrderedUpdates

__all__ = ["scan_checkpoints"]


def scan_checkpoints(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    name: str = "checkpointscan_fn",
    n_steps: Any = None,
    save_every_N: int = 10,
    padding: bool = True,
) -> tuple[Any, OrderedUpdates]:
    """A loop of which only every `save_every_N`-th step is kept.

    :func:`phintys.scan` keeps what all steps computed for its gradient. This function runs
    `save_every_N` steps at a time, as a loop in a loop, and keeps what the last of them computed;
    the gradient computes the steps between again. For n steps, memory for
    ``n / save_every_N + save_every_N`` of them is enough.

    Parameters
    ----------
    fn, outputs_info, non_sequences
        As for :func:`phintys.scan`; outputs may feed back from the step before only.
    sequences
        Variables or arrays, all of the same length, without taps.
    n_steps
        The number of steps, at most the length of the sequences; by default that length.
    save_every_N
        How many steps to run between those that are kept.
    padding
        If the number of steps is no multiple of `save_every_N`, the sequences must be made longer,
        which takes a copy. False says that it is one.

    Returns
    -------
    outputs, updates
        As those of :func:`phintys.scan`, but the outputs have only every `save_every_N`-th row, and
        the last one.

    Raises RuntimeError if an output has taps.

    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> total, _ = scan_checkpoints(lambda e, so_far: so_far + e, x,
    ...                             T.constant(0.0, dtype='float64'), save_every_N=2)
    >>> total.eval({x: [1.0, 2.0, 3.0, 4.0, 5.0]}).tolist()
    [3.0, 10.0, 15.0]
    """
    if save_every_N < 1:
        raise PhintysValueError(f"scan_checkpoints: save_every_N must be positive: {save_every_N}")
    arrays = [as_tensor_variable(s) for s in as_list(sequences)]
    initial = _initial_values(outputs_info)
    given = as_list(non_sequences)
    n = number_of_steps(n_steps, sequence_rows(arrays, False))
    every = int64(save_every_N)
    known = int(n.data) if n.is_constant else None
    whole = known is not None and known % save_every_N == 0
    chunks = (n + (every - int64(1))) // every
    if known is not None:
        chunks = int64(-(-known // save_every_N))
    blocks = [_in_blocks(s, n, chunks, save_every_N, padding and not whole) for s in arrays]
    if not whole:
        blocks.append(_core.elemwise("minimum", every, n - every * arange(chunks)))
    n_states = sum(v is not None for v in initial)

    def block(*args: Any) -> Any:
        rows, before = list(args[: len(blocks)]), list(args[len(blocks) :][:n_states])
        steps = every if whole else rows.pop()
        infos = [None if v is None else before.pop(0) for v in initial]
        others = args[len(blocks) + n_states :]
        results, updates = scan(
            fn, rows, infos, others, n_steps=steps, name=f"{name}_inner", return_list=True
        )
        return [r[-1] for r in results or []], updates

    values, updates = scan_loop(
        block, blocks, initial, given, chunks, name=f"{name}_outer", recompute=True
    )
    return (values[0] if len(values) == 1 else values or None), updates


def _initial_values(outputs_info: Any) -> list[Any]:
    values = []
    for info in as_list(outputs_info):
        if isinstance(info, dict):
            if "taps" in info:
                raise PhintysRuntimeError("scan_checkpoints doesn't work with taps.")
            info = info.get("initial")
        values.append(info)
    return values


def _in_blocks(s: Any, n: Any, chunks: Any, size: int, pad: bool) -> Any:
    """The first `n` rows of `s` as rows of `size` rows, zeros after them."""
    from phintys.tensor.creation import zeros
    from phintys.tensor.join import concatenate
    from phintys.tensor.shape import reshape

    row = [_core.shape_i(s, i) for i in range(1, s.ndim)]
    s = s[:n]
    if pad:
        s = concatenate([s, zeros([chunks * int64(size) - n, *row], s.dtype)])
    return reshape(s, [chunks, int64(size), *row], ndim=s.ndim + 1)

"""From the expressions of one step to a node of the op of loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from phintys import _core
from phintys.scan_module.settings import loop_op

__all__ = ["Body", "Rows", "State", "int64", "loop"]


def int64(n: Any) -> Any:
    """An integer scalar, or a number, as an int64 variable."""
    if not isinstance(n, _core.Variable):
        return _core.constant(np.asarray(n, "int64"))
    return n if n.dtype == "int64" else _core.cast(n, "int64")


@dataclass
class State:
    """An array of which each step reads earlier rows and writes the next one.

    `initial` has as many rows as the oldest tap reaches back; `rows` are the variables that stand
    for the row at each of `taps` in the expressions of a step, of which `new` is the next row. If
    not `keep`, only the last rows are results.
    """

    initial: Any
    taps: list[int]
    rows: list[Any]
    new: Any = None
    keep: bool = True

    @property
    def reach(self) -> int:
        """How many rows back the oldest tap is."""
        return -min(self.taps)


@dataclass
class Rows:
    """A sequence, and the variable that stands for its current row."""

    array: Any
    row: Any


@dataclass
class Body:
    """The expressions of one step.

    `outside` are variables that belong to the outside even if they depend on the variables of
    the states (a state may be a shared variable).
    """

    states: Sequence[State] = ()
    sequences: Sequence[Rows] = ()
    emitted: Sequence[Any] = ()
    condition: Any = None
    outside: Sequence[Any] = field(default_factory=list)

    @property
    def inputs(self) -> list[Any]:
        """The variables that differ from step to step."""
        taps = [row for state in self.states for row in state.rows]
        return taps + [rows.row for rows in self.sequences]

    @property
    def outputs(self) -> list[Any]:
        """What a step computes."""
        results = [state.new for state in self.states] + list(self.emitted)
        return results if self.condition is None else [*results, self.condition]


def loop(
    n_steps: Any,
    body: Body,
    truncate: int = -1,
    label: str = "",
    recompute: bool = False,
    mode: Any = None,
    profile: Any = False,
) -> tuple[list[Any], list[Any], Any]:
    """Runs a body `n_steps` times.

    What it uses besides its own variables is computed before, once, and taken as it is. The
    gradient goes back at most `truncate` steps (-1: all). If `recompute`, it stores the states
    only, and computes what else it needs again. `mode` and `profile` are as for ``scan``.

    Returns
    -------
    For each state its rows, the initial ones first; for each emitted value its rows; and the number
    of steps that ran if the body has a condition, else None. Rows after that number mean nothing.
    """
    outside = list(_core.frontier(body.outputs, body.inputs, list(body.outside)))
    graph = _core.InnerGraph([*body.inputs, *outside], body.outputs)
    node_inputs = [
        int64(n_steps),
        *[state.initial for state in body.states],
        *[rows.array for rows in body.sequences],
        *outside,
    ]
    attributes = {
        "graph": graph,
        "taps": [code for state in body.states for code in (len(state.taps), *state.taps)],
        "keep": [int(state.keep) for state in body.states],
        "n_sequences": len(body.sequences),
        "n_emitted": len(body.emitted),
        "until": body.condition is not None,
        "truncate": truncate,
        "recompute": recompute,
        "label": label,
    }
    results = _core.apply_op(loop_op(attributes, mode, profile), node_inputs)
    results = list(results) if isinstance(results, (list, tuple)) else [results]
    n = len(body.states)
    steps = None if body.condition is None else results.pop()
    return results[:n], results[n:], steps

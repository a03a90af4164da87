"""The op of loops: ``theano.scan_module.scan_op``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.gof.graph import register_op_class

__all__ = ["Scan", "is_loop", "with_body"]


@register_op_class("scan")
class Scan(_core.Op):
    """What ``node.op`` is for the node of a loop; made by :func:`phintys.scan`.

    The node's inputs are the number of steps, the first rows of each state, the sequences, and what
    is the same in all steps; its outputs are the rows of each state, the rows of each output that
    does not feed back, and, if the loop can end early, the number of steps that ran.
    """

    @property
    def _body(self) -> Any:
        return self.attrs["graph"]

    @property
    def inputs(self) -> list[Any]:
        """Inputs of the graph inside: taps of the states, rows of the sequences, the others."""
        return list(self._body.inputs)

    @property
    def outputs(self) -> list[Any]:
        """Outputs of the graph inside: new rows of the states, other outputs, the condition."""
        return list(self._body.outputs)

    @property
    def state_taps(self) -> list[list[int]]:
        """The taps of each state."""
        code, result = list(self.attrs["taps"]), []
        while code:
            n = code[0]
            result.append(code[1 : n + 1])
            code = code[n + 1 :]
        return result

    tap_array = state_taps

    @property
    def info(self) -> dict[str, Any]:
        """The attributes."""
        return dict(self.attrs)

    @property
    def n_seqs(self) -> int:
        """The number of sequences, each tap counted."""
        return int(self.attrs["n_sequences"])

    @property
    def as_while(self) -> bool:
        """True iff a condition can end the loop."""
        return bool(self.attrs["until"])

    @property
    def truncate_gradient(self) -> int:
        """How many steps gradients go back, or -1."""
        return int(self.attrs["truncate"])


def is_loop(op: Any) -> bool:
    """True iff `op` is the op of a loop."""
    return isinstance(op, Scan)


def with_body(op: Scan, inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The loop with another graph inside, and the inputs that its nodes need in addition.

    Those are what `outputs` use besides `inputs`, which stand for the inputs of the present graph.
    """
    extra = list(_core.frontier(outputs, inputs))
    graph = _core.InnerGraph([*inputs, *extra], list(outputs))
    attributes = {**op.attrs, "graph": graph}
    settings = _core.loop_settings(op)
    if settings is None:
        return _core.make_op("scan", **attributes), extra
    return _core.loop_op(*settings, **attributes), extra

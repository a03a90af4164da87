"""MonitorMode: functions of the user's that are called around every node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from phintys.compile.mode import Mode

__all__ = ["MonitorMode", "detect_nan"]


class _Thunk:
    """What a hook sees of a node's computation: its operands and results, a cell each."""

    __slots__ = ("inputs", "outputs")

    def __init__(self, inputs: list[Any], outputs: list[Any]) -> None:
        self.inputs = [[value] for value in inputs]
        self.outputs = [[value] for value in outputs]


Hook = Callable[[int, Any, Any], object]


class MonitorMode(Mode):
    """Calls functions of the user's before and after every node is computed.

    Both are called as ``func(i, node, fn)``: `i` is the node's place in its program, `node` a copy
    of the apply node, whose inputs are plain variables named after what computes them, and `fn` has
    ``fn.inputs`` and ``fn.outputs``, lists with a cell ``[value]`` for each operand and result.
    Values are copies; results are None before. Nothing is fused, so that every node is seen, and
    the bodies of loops and branches are monitored too. An exception stops the function.

    Parameters
    ----------
    pre_func, post_func
        What to call, or None.
    optimizer, linker
        As of :class:`Mode`.

    >>> import phintys, phintys.tensor as T
    >>> def show(i, node, fn):
    ...     print(i, [v[0].tolist() for v in fn.inputs], [v[0].tolist() for v in fn.outputs])
    >>> x = T.dscalar('x')
    >>> f = phintys.function([x], T.exp(x) * 2, mode=MonitorMode(post_func=show))
    >>> float(f(0.0))
    0 [0.0] [1.0]
    1 [1.0, 2.0] [2.0]
    2.0
    """

    def __init__(
        self,
        pre_func: Hook | None = None,
        post_func: Hook | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        super().__init__(linker, optimizer)
        self.pre_func = pre_func
        self.post_func = post_func

    def _before(self, i: int, node: Any, inputs: list[Any]) -> None:
        if self.pre_func is not None:
            self.pre_func(i, node, _Thunk(inputs, [None] * len(node.outputs)))

    def _after(self, i: int, node: Any, inputs: list[Any], outputs: list[Any]) -> None:
        if self.post_func is not None:
            self.post_func(i, node, _Thunk(inputs, outputs))

    def compile_options(self) -> dict[str, Any]:
        """Keyword arguments of ``_core.compile``: every node is monitored."""
        return {
            **super().compile_options(),
            "fuse": False,
            "reuse_memory": False,
            "watch": (self._before, self._after),
        }


def detect_nan(i: int, node: Any, fn: Any) -> None:
    """A hook for :class:`MonitorMode`: prints every node that has a NaN among its results.

    >>> import phintys, phintys.tensor as T
    >>> x = T.dscalar('x')
    >>> f = phintys.function([x], T.log(x) * x, mode=MonitorMode(post_func=detect_nan))
    """
    for (output,) in fn.outputs:
        if output is not None and output.dtype.kind in "fc" and np.isnan(output).any():
            from phintys.printing import debugprint

            print("*** NaN detected ***")
            debugprint(node)
            print(f"Inputs : {[value for (value,) in fn.inputs]}")
            print(f"Outputs: {[value for (value,) in fn.outputs]}")
            break

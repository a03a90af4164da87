"""Scalar ops that are expressions of others: ``Composite`` and tests of ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.scalar.ops import LogicalComparison, ScalarOp, as_scalar

__all__ = ["Composite", "InRange", "MulWithoutZeros", "inclosedrange", "inopenrange"]


class _Expression(ScalarOp):
    """A scalar op that builds an expression: its subclasses define ``build``."""

    arity = 2

    def __init__(self, output_types_preference: Any = None, name: str | None = None) -> None:
        self.output_types_preference = output_types_preference
        self.name = name or type(self).__name__

    @property
    def nin(self) -> int:
        """The number of operands."""
        return self.arity

    def build(self, *inputs: Any) -> Any:
        """The expression for these operands, of any rank."""
        raise NotImplementedError

    def __call__(self, *inputs: Any) -> Any:
        return self.build(*[as_scalar(x) for x in inputs])


class Composite(_Expression):
    """The function of scalars that a graph computes: ``Composite([x, y], [x * y + 1])``.

    Called with as many scalars as there are inputs, it gives the output, or a list of several.
    ``T.Elemwise(op)`` is the same function of tensors; dtypes follow from the operands.
    """

    def __init__(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        super().__init__()
        self.inputs, self.outputs = list(inputs), list(outputs)
        for v in self.inputs + self.outputs:
            if not isinstance(v, _core.Variable) or v.ndim:
                raise PhintysTypeError(f"Composite: inputs and outputs are scalars, got {v!r}")

    @property
    def nin(self) -> int:
        """The number of operands."""
        return len(self.inputs)

    @property
    def nout(self) -> int:  # type: ignore[override]
        """The number of results."""
        return len(self.outputs)

    def build(self, *inputs: Any) -> Any:
        """The outputs computed from other operands."""
        if len(inputs) != self.nin:
            raise PhintysTypeError(f"Composite: {self.nin} operands are needed, got {len(inputs)}")
        ndim = max([x.ndim for x in inputs], default=0)
        found = {id(v): x for v, x in zip(self.inputs, inputs, strict=True)}

        def padded(v: Any) -> Any:
            # A node's operands all have the same rank; those of the graph are scalars.
            x = found.get(id(v), v)
            if x.ndim == ndim:
                return x
            return _core.dimshuffle(x, [-1] * (ndim - x.ndim) + list(range(x.ndim)))

        for node in _core.toposort(self.outputs, self.inputs):
            made = _core.apply_op(node.op, [padded(v) for v in node.inputs])
            made = made if isinstance(made, (list, tuple)) else [made]
            found.update((id(old), new) for old, new in zip(node.outputs, made, strict=True))
        results = [padded(v) for v in self.outputs]
        return results[0] if len(results) == 1 else results

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class InRange(_Expression, LogicalComparison):
    """``InRange(openlow, openhi)(x, low, high)``: whether `x` lies between two numbers.

    The bounds themselves belong to the range unless it is open there. The result is bool.
    """

    arity = 3

    def __init__(self, openlow: bool, openhi: bool) -> None:
        super().__init__()
        self.openlow, self.openhi = bool(openlow), bool(openhi)

    def build(self, *inputs: Any) -> Any:
        """The test for these operands."""
        x, low, high = inputs
        above = _core.elemwise("gt" if self.openlow else "ge", x, low)
        below = _core.elemwise("lt" if self.openhi else "le", x, high)
        return _core.elemwise("and_", above, below)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, InRange)
            and (self.openlow, self.openhi) == (other.openlow, other.openhi)
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((InRange, self.openlow, self.openhi))


class MulWithoutZeros(_Expression):
    """``x * y`` where neither is 0, else the other one."""

    def build(self, *inputs: Any) -> Any:
        """The product of these operands."""
        x, y = inputs
        product = _core.elemwise("mul", x, y)
        one_left = _core.elemwise("switch", _core.elemwise("eq", y, 0), x, product)
        return _core.elemwise("switch", _core.elemwise("eq", x, 0), y, one_left)


inopenrange = InRange(True, True)
inclosedrange = InRange(False, False)

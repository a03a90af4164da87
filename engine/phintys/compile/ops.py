"""``theano.compile.ops``: copies, shapes, and checks of shapes, as ops."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.tensor.op_classes import OpClass, Rebroadcast, Shape, SpecifyShape
from phintys.tensor.shape import shape, specify_shape
from phintys.tensor.type import TensorType

__all__ = [
    "DeepCopyOp",
    "Rebroadcast",
    "Shape",
    "Shape_i",
    "SpecifyShape",
    "ViewOp",
    "deep_copy_op",
    "shape",
    "shape_i",
    "specify_shape",
    "view_op",
]

_scalar = TensorType("float64", ())()
# Ops of the graph: usable in ``Apply(view_op, inputs=[x], outputs=[y])``, and callable.
view_op: Any = _core.elemwise("identity", _scalar).owner.op
deep_copy_op: Any = _core.apply("deep_copy", [_scalar]).owner.op


class ViewOp(metaclass=OpClass):
    """``ViewOp()(x)``: a variable of the value of `x`."""

    op_names = ("identity",)

    def __call__(self, x: Any) -> Any:
        return view_op(x)


class DeepCopyOp(metaclass=OpClass):
    """``DeepCopyOp()(x)``: a copy of `x` in memory of its own."""

    op_names = ("deep_copy",)

    def __call__(self, x: Any) -> Any:
        return deep_copy_op(x)


class Shape_i:
    """``Shape_i(i)(x)``: the length of dimension `i` of `x`, an int64 scalar."""

    def __init__(self, i: int) -> None:
        self.i = int(i)

    def __call__(self, x: Any) -> Any:
        return shape(x)[self.i]


def shape_i(var: Any, i: int, fgraph: Any = None) -> Any:
    """The length of dimension `i` of `var`, an int64 scalar. `fgraph` has no effect."""
    return shape(var)[i]

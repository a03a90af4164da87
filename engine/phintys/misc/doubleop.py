"""``theano.misc.doubleop``: an op written in Python, as an example."""

from __future__ import annotations

from typing import Any

from phintys.gof.graph import Apply
from phintys.gof.op import Op
from phintys.tensor.conversion import as_tensor_variable

__all__ = ["DoubleOp"]


class DoubleOp(Op):
    """Twice its operand, a tensor of any rank.

    >>> import phintys
    >>> import phintys.tensor as T
    >>> x = T.dvector('x')
    >>> phintys.function([x], DoubleOp()(x))([1, 2])
    array([2., 4.])
    """

    __props__ = ()

    def make_node(self, x: Any) -> Any:
        """The application to `x`, whose type the result has."""
        x = as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] * 2

    def infer_shape(self, node: Any, input_shapes: Any) -> Any:
        """That of the operand."""
        return input_shapes

    def grad(self, inputs: Any, output_grads: Any) -> Any:
        """Twice the slope."""
        return [output_grads[0] * 2]

    def R_op(self, inputs: Any, eval_points: Any) -> Any:
        if eval_points[0] is None:
            return eval_points
        return self.grad(inputs, eval_points)

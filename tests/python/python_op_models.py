"""Ops written in Python that several tests apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import phintys.tensor as T
from phintys import Apply, Op
from phintys.gradient import DisconnectedType

rng = np.random.RandomState(0)


class Scaled(Op):
    """x times a number, for arrays of any rank."""

    __props__ = ("factor",)
    runs = 0  # of perform, of all of them

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def make_node(self, x: Any) -> Any:
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        Scaled.runs += 1
        output_storage[0][0] = inputs[0] * np.asarray(self.factor, inputs[0].dtype)

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return shapes

    def grad(self, inputs: Any, output_grads: Any) -> Any:
        return [Scaled(self.factor)(output_grads[0])]


class Cube(Op):
    """x**3, with the second derivative left to the graph."""

    __props__ = ()
    itypes = (T.dvector,)
    otypes = (T.dvector,)

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] ** 3

    def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> Any:
        (x,), (y,), (g,) = inputs, outputs, output_grads
        return [T.switch(T.neq(x, 0), 3 * y / x, 0.0) * g]


class SumAndDifference(Op):
    """Two inputs, two outputs."""

    __props__ = ()

    def make_node(self, a: Any, b: Any) -> Any:
        a, b = T.as_tensor_variable(a), T.as_tensor_variable(b)
        return Apply(self, [a, b], [a.type("s"), a.type("d")])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        a, b = inputs
        output_storage[0][0], output_storage[1][0] = a + b, a - b

    def grad(self, inputs: Any, output_grads: Any) -> Any:
        gs, gd = output_grads
        terms = [g for g in (gs, gd) if not isinstance(g.type, DisconnectedType)]
        plus = sum(terms[1:], terms[0])
        minus = [
            sign * g for sign, g in ((1, gs), (-1, gd)) if not isinstance(g.type, DisconnectedType)
        ]
        return [plus, sum(minus[1:], minus[0])]


def vector(n: int = 5) -> Any:
    return rng.normal(size=n)

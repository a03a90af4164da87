"""Cycles through compiled functions that hold ops written in Python are collected."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import Apply, Op, function

X = np.array([1.0, 2.0])


class Double(Op):
    """Twice its operand; may refer to anything."""

    def make_node(self, x):
        return Apply(self, [T.as_tensor_variable(x)], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * 2

    def grad(self, inputs, gradients):
        return [self(gradients[0])]


class Pair(Double):
    """The same, twice."""

    def make_node(self, x):
        return Apply(self, [x], [x.type(), x.type()])

    def perform(self, node, inputs, output_storage):
        for cell in output_storage:
            cell[0] = inputs[0] * 2


def made(build, mode="FAST_RUN"):
    """A function whose op refers to the function, and a weak reference on the op."""
    op, x = Double(), T.dvector("x")
    f = function([x], build(op, x), mode=mode)
    f(X)
    op.function = f
    return f, weakref.ref(op)


BUILDS = {
    "one": lambda op, x: op(x),
    "several": lambda op, x: [op(x * 2) + op(x + 1), op(op(x))],
    "gradient": lambda op, x: T.grad(op(x).sum(), x),
}


@pytest.mark.parametrize(
    "mode", ["FAST_RUN", "FAST_COMPILE", phintys.Mode(optimizer=None)], ids=str
)
@pytest.mark.parametrize("build", list(BUILDS))
def test_an_op_that_knows_its_function(build, mode):
    gc.collect()
    f, watch = made(BUILDS[build], mode)
    gc.collect()
    assert watch() is not None and watch().function is f
    f(X)
    del f
    gc.collect()
    assert watch() is None


def test_nothing_is_collected_while_it_is_in_use():
    f, watch = made(BUILDS["several"])
    op = watch()
    del f
    for _ in range(3):
        gc.collect()
    assert op.function(X)[1].tolist() == [4.0, 8.0]
    core = op.function.fn
    op = None
    gc.collect()  # only the bare function is left
    assert watch() is not None and "Double" in core.graph_text()
    del core
    gc.collect()
    assert watch() is None


def test_a_variable_keeps_the_op():
    op, x = Double(), T.dvector("x")
    y = op(x)
    op.function = function([x], y)
    watch = weakref.ref(op)
    del op
    gc.collect()
    assert watch() is not None
    assert y.owner.op.function(X).tolist() == [2.0, 4.0]
    del y
    gc.collect()
    assert watch() is None


def test_two_functions_of_one_op():
    op, x = Double(), T.dvector("x")
    y = op(x)
    op.functions = [function([x], y), function([x], y + 1), function([x], y).copy()]
    watch, kept = weakref.ref(op), op.functions[1]
    del op, y
    gc.collect()
    assert watch() is not None and kept(X).tolist() == [3.0, 5.0]
    del kept
    gc.collect()
    assert watch() is None


def test_ops_of_several_outputs():
    op, x = Pair(), T.dvector("x")
    op.function = function([x], [v + 1 for v in op(x)])
    watch = weakref.ref(op)
    op.function(X)
    del op
    gc.collect()
    assert watch() is None


def test_copies_of_the_graph_count():
    f, watch = made(BUILDS["one"])
    graph = f.maker.fgraph
    del f
    gc.collect()
    assert watch() is not None
    assert watch().function(X).tolist() == [2.0, 4.0]
    del graph
    gc.collect()
    assert watch() is None


def closure():
    """A weak reference on a function that the code of its op refers to."""
    holder = []

    @phintys.as_op(itypes=[T.dvector], otypes=[T.dvector])
    def twice(x):
        assert holder
        return x * 2

    x = T.dvector("x")
    holder.append(function([x], twice(x)))
    assert holder[0](X).tolist() == [2.0, 4.0]
    return weakref.ref(holder[0])


def test_a_closure_that_holds_the_function():
    watch = closure()
    gc.collect()
    assert watch() is None


def test_many_rounds_while_functions_run():
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(20):
            f, watch = made(BUILDS["several"])
            assert f(X)[0].tolist() == [8.0, 14.0]
            del f
        gc.collect()
        assert watch() is None
    finally:
        gc.set_threshold(*before)


def test_a_dead_function_leaves_the_op_to_others():
    op, x = Double(), T.dvector("x")
    y = op(x)
    op.self = op
    watch = weakref.ref(op)
    f = function([x], y)
    del f
    gc.collect()
    assert y.eval({x: X}).tolist() == [2.0, 4.0]
    del op, y
    gc.collect()
    assert watch() is None

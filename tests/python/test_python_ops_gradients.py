"""Gradients and shapes of ops written in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import Apply, Op
from phintys.gradient import DisconnectedType, grad_not_implemented, verify_grad
from python_op_models import Cube, Scaled, SumAndDifference, vector

rng = np.random.RandomState(0)

# --- gradients -----------------------------------------------------------------------------------


def test_first_and_second_order() -> None:
    v = np.array([0.5, -1.5, 2.0])
    verify_grad(lambda x: T.exp(Scaled(0.5)(T.sin(x))), [v], rng=rng)
    verify_grad(lambda x: Cube()(x * 2), [v], rng=rng)
    x = T.dvector("x")
    first = phintys.grad(Cube()(x).sum(), x)
    second = phintys.grad(first.sum(), x)
    np.testing.assert_allclose(phintys.function([x], first)(v), 3 * v**2)
    np.testing.assert_allclose(phintys.function([x], second)(v), 6 * v)
    d = T.dvector("d")
    pushed = phintys.Rop(Cube()(x), x, d)
    np.testing.assert_allclose(phintys.function([x, d], pushed)(v, v), 3 * v**2 * v)


def test_gradient_of_several_outputs() -> None:
    u, v = vector(), vector()

    def both(a: Any, b: Any) -> Any:
        s, d = SumAndDifference()(a, b)
        return s * d

    verify_grad(both, [u, v], rng=rng)
    verify_grad(lambda a, b: SumAndDifference()(a, b)[1] * a, [u, v], rng=rng)


def test_gradients_that_do_not_exist() -> None:
    class Half(Op):
        __props__ = ()

        def make_node(self, x: Any, n: Any) -> Any:
            return Apply(self, [x, n], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0] * inputs[1]

        def connection_pattern(self, node: Any) -> Any:
            return [[True], [False]]

        def grad(self, inputs: Any, output_grads: Any) -> Any:
            return [output_grads[0] * inputs[1], DisconnectedType()()]

    x, n = T.dvector("x"), T.dscalar("n")
    y = Half()(x, n).sum()
    np.testing.assert_allclose(phintys.function([x, n], phintys.grad(y, x))([1.0, 2.0], 3.0), 3.0)
    with pytest.raises(phintys.gradient.DisconnectedInputError):
        phintys.grad(y, n)

    class Unknown(Half):
        def connection_pattern(self, node: Any) -> Any:
            return [[True], [True]]

        def grad(self, inputs: Any, output_grads: Any) -> Any:
            return [output_grads[0], grad_not_implemented(self, 1, inputs[1], "for a reason")]

    y = Unknown()(x, n).sum()
    phintys.grad(y, x)
    with pytest.raises(phintys.gradient.NullTypeGradError, match="for a reason"):
        phintys.grad(y, n)

    class Without(Half):
        grad: Any = None

    del Without.grad

    class Bare(Op):
        itypes = (T.dvector,)
        otypes = (T.dvector,)

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0]

    with pytest.raises(phintys.gradient.NullTypeGradError, match="neither grad nor L_op"):
        phintys.grad(Bare()(x).sum(), x)


@pytest.mark.parametrize(
    ("terms", "error", "text"),
    [
        (lambda x, g: None, TypeError, "must return a list"),
        (lambda x, g: [None], TypeError, "returned None for a gradient term"),
        (lambda x, g: [], ValueError, "wrong number of gradient terms"),
        (lambda x, g: [T.ones_like(x, dtype="int64")], TypeError, "integer-valued"),
        (lambda x, g: [g.sum()], ValueError, "dimensions"),
    ],
)
def test_wrong_gradients_are_refused(terms: Any, error: type, text: str) -> None:
    class Wrong(Cube):
        def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> Any:
            return terms(inputs[0], output_grads[0])

    x = T.dvector("x")
    with pytest.raises(error, match=text):
        phintys.grad(Wrong()(x).sum(), x)


def test_rop_uses_a_rule_of_the_ops_own() -> None:
    class Sine(Op):
        __props__ = ()
        itypes = (T.dvector,)
        otypes = (T.dvector,)

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = np.sin(inputs[0])

        def R_op(self, inputs: Any, eval_points: Any) -> Any:
            if eval_points[0] is None:
                return eval_points
            return [T.cos(inputs[0]) * eval_points[0]]

    x, d = T.dvector("x"), T.dvector("d")
    y = T.exp(x) * Sine()(x * x) + x.sum()
    f = phintys.function([x, d], phintys.Rop(y, x, d))
    v, w = vector(), vector()
    e = 1e-6

    def value(p: Any) -> Any:
        return np.exp(p) * np.sin(p * p) + p.sum()

    expected = (value(v + e * w) - value(v - e * w)) / (2 * e)
    np.testing.assert_allclose(f(v, w), expected, rtol=1e-5, atol=1e-7)
    # Several results, one of which does not depend on x.
    z = T.dvector("z")
    r = phintys.Rop([y, Cube()(z)], x, d, disconnected_outputs="ignore")
    np.testing.assert_allclose(phintys.function([x, d, z], r)(v, w, v)[1], np.zeros(5))
    # Against the gradient of the gradient of library ops, through a node with shared operands.
    y2 = T.sin(x * x) * T.exp(x)
    plain = phintys.function([x, d], phintys.Rop(y2, x, d))
    own = phintys.function([x, d], phintys.Rop(Sine()(x * x) * T.exp(x), x, d))
    np.testing.assert_allclose(own(v, w), plain(v, w))


def test_double_op() -> None:
    from phintys.misc.doubleop import DoubleOp

    v, w = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    verify_grad(lambda a: T.exp(DoubleOp()(a)), [v], rng=rng)
    x, d = T.dmatrix("x"), T.dmatrix("d")
    f = phintys.function([x, d], phintys.Rop(T.sqr(DoubleOp()(x)), x, d))
    np.testing.assert_allclose(f(v, w), 8 * v * w)
    # A gradient of an R-op, and an R-op of a gradient.
    y = T.sin(DoubleOp()(x)).sum()
    hessian_product = phintys.Rop(phintys.grad(y, x), x, d)
    np.testing.assert_allclose(
        phintys.function([x, d], hessian_product)(v, w), -4 * np.sin(2 * v) * w
    )
    slope = phintys.grad(phintys.Rop(y, x, d), x)
    np.testing.assert_allclose(phintys.function([x, d], slope)(v, w), -4 * np.sin(2 * v) * w)


# --- shapes --------------------------------------------------------------------------------------


def test_shapes_do_not_run_the_op() -> None:
    x = T.dmatrix("x")
    f = phintys.function([x], Scaled()(T.exp(x)).shape)
    Scaled.runs = 0
    np.testing.assert_array_equal(f(np.ones((3, 4))), [3, 4])
    assert Scaled.runs == 0


@pytest.mark.parametrize("with_fgraph", [False, True])
def test_shape_from_values_and_other_inputs(with_fgraph: bool) -> None:
    class Tiled(Op):
        __props__ = ()

        def make_node(self, x: Any, n: Any) -> Any:
            n = T.as_tensor_variable(n)
            return Apply(self, [x, n], [T.dmatrix()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            raise AssertionError("run")

        if with_fgraph:

            def infer_shape(self, fgraph: Any, node: Any, shapes: Any) -> Any:
                return [(node.inputs[1], shapes[0][0] + 1)]

        else:

            def infer_shape(self, node: Any, shapes: Any) -> Any:
                return [(node.inputs[1], shapes[0][0] + 1)]

    x, n = T.dvector("x"), T.iscalar("n")
    f = phintys.function([x, n], Tiled()(x, n * 2).shape)
    np.testing.assert_array_equal(f(vector(3), 5), [10, 4])
    np.testing.assert_array_equal(phintys.function([x], Tiled()(x, 7).shape)(vector(3)), [7, 4])


def test_shapes_that_cannot_be_told() -> None:
    class Unknown(Scaled):
        def infer_shape(self, node: Any, shapes: Any) -> Any:
            raise phintys.tensor.basic.ShapeError("no idea")

    x = T.dmatrix("x")
    np.testing.assert_array_equal(
        phintys.function([x], Unknown()(x).shape)(np.ones((2, 5))), [2, 5]
    )

    class Wrong(Scaled):
        def infer_shape(self, node: Any, shapes: Any) -> Any:
            return [(shapes[0][0],)]

    with pytest.raises(ValueError, match="1 lengths for output 0"):
        phintys.function([x], Wrong()(x).shape)

"""grad, Lop, Rop, jacobian, hessian, verify_grad and their errors."""

from collections import OrderedDict

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import errors, gradient
from phintys.gradient import grad


def test_containers_and_values():
    x, y = T.dscalars("x", "y")
    cost = x**2 * y
    assert isinstance(grad(cost, [x, y]), list)
    assert isinstance(grad(cost, (x, y)), tuple)
    values = [g.eval({x: 3.0, y: 2.0}, on_unused_input="ignore") for g in grad(cost, [x, y])]
    assert [float(v) for v in values] == [12, 9]
    with pytest.raises(TypeError, match="set"):
        grad(cost, {x})
    with pytest.raises(TypeError, match="scalar"):
        grad(T.dvector(), x)


def test_disconnected_inputs():
    x, y = T.dscalar("x"), T.dvector("y")
    with pytest.raises(errors.DisconnectedInputError):
        grad(x**2, y)
    assert grad(x**2, y, disconnected_inputs="ignore").eval({y: [1.0, 2]}).tolist() == [0, 0]
    with pytest.warns(UserWarning):
        grad(x**2, y, disconnected_inputs="warn")
    options = {"disconnected_inputs": "ignore"}
    assert grad(x**2, y, return_disconnected="None", **options) is None
    g = grad(x**2, y, return_disconnected="Disconnected", **options)
    assert isinstance(g.type, gradient.DisconnectedType)
    with pytest.raises(ValueError, match="disconnected_inputs"):
        grad(x**2, x, disconnected_inputs="perhaps")


def test_integers():
    i, v = T.iscalar("i"), T.ivector("v")
    g = grad(T.cast(i, "float64") * 2.0, i)
    assert g.dtype == "float64" and g.eval({i: 1}, on_unused_input="ignore") == 2
    assert grad((v * 2.5).sum(), v).eval({v: [1, 2]}).tolist() == [2.5, 2.5]


def test_constants_and_known_grads():
    x, y = T.dscalars("x", "y")
    z = x * y
    assert grad(z, x, consider_constant=[y]).eval({y: 3.0}) == 3
    with pytest.raises(errors.DisconnectedInputError):
        grad(gradient.disconnected_grad(x) * 2, x)
    assert grad(gradient.zero_grad(x) * x, x).eval({x: 3.0}) == 3
    clipped = gradient.grad_clip(x, -1, 1)
    assert grad(clipped * 5, x).eval({x: 1.0}, on_unused_input="ignore") == 1
    known = OrderedDict([(z, T.constant(2.0, dtype="float64"))])
    assert grad(None, x, known_grads=known).eval({y: 4.0}) == 8


def test_Lop_and_Rop():
    x, w = T.dvector("x"), T.dmatrix("w")
    u, v = T.dvector("u"), T.dmatrix("v")
    f = T.dot(x, w)
    rng = np.random.default_rng(0)
    xs, us, vs = rng.normal(size=3), rng.normal(size=2), rng.normal(size=(3, 2))
    np.testing.assert_allclose(phintys.Lop(f, w, u).eval({x: xs, u: us}), np.outer(xs, us))
    np.testing.assert_allclose(phintys.Rop(f, w, v).eval({x: xs, v: vs}), xs @ vs)
    with pytest.raises(ValueError, match="dimensionality"):
        phintys.Rop(f, w, u)


def test_jacobian_and_hessian():
    x = T.vector("x", dtype="float64", shape=(3,))
    point = np.array([1.0, 2, 3])
    np.testing.assert_allclose(gradient.jacobian(x**2, x).eval({x: point}), np.diag(2 * point))
    np.testing.assert_allclose(
        gradient.hessian((x**3).sum(), x).eval({x: point}), np.diag(6 * point)
    )
    # Lengths that are known only when the function runs, also 0; several variables; a scalar.
    y, w = T.dvectors("y", "w")
    by_y, by_w = gradient.jacobian(T.tanh(y * 2) * w.sum(), [y, w])
    f = phintys.function([y, w], [by_y, by_w])
    for n in (0, 1, 5):
        v, u = np.linspace(-1, 1, n), np.ones(3)
        got_y, got_w = f(v, u)
        np.testing.assert_allclose(got_y, np.diag(6 / np.cosh(2 * v) ** 2), rtol=1e-12)
        np.testing.assert_allclose(got_w, np.repeat(np.tanh(2 * v)[:, None], 3, 1), rtol=1e-12)
    got = gradient.hessian((y**2).prod() + (w**3).sum(), (y, w))
    assert isinstance(got, tuple)
    h_y, h_w = phintys.function([y, w], got)([1.0, 2.0], [1.0, 3.0])
    np.testing.assert_allclose(h_y, [[8, 8], [8, 2]])
    np.testing.assert_allclose(h_w, np.diag([6, 18]))
    matrix = T.dmatrix("matrix")
    jac = gradient.jacobian(T.dot(matrix, y), matrix).eval({matrix: np.ones((2, 3)), y: [1, 2, 3]})
    assert jac.shape == (2, 2, 3) and jac[1].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert isinstance(gradient.jacobian(y.sum(), [y]), list)
    with pytest.raises(errors.DisconnectedInputError):
        gradient.jacobian(y, w)
    assert gradient.jacobian(y, w, disconnected_inputs="ignore").eval(
        {y: [1, 2], w: [1]}
    ).shape == (2, 1)
    # Drawing random numbers is no step of the loop.
    srng = phintys.tensor.shared_randomstreams.RandomStreams(1)
    noise = srng.normal((3,))
    outputs = [gradient.jacobian(noise * y, y), noise]
    noisy = phintys.function([y], outputs, on_unused_input="ignore")
    diagonal, drawn = noisy([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(diagonal, np.diag(drawn))
    with pytest.raises(AssertionError, match="1 dimensional"):
        gradient.jacobian(T.dmatrix(), y)


def test_verify_grad():
    gradient.verify_grad(T.tanh, [np.linspace(-1, 1, 5)])
    gradient.verify_grad(lambda a, b: T.dot(a, b), [np.ones((2, 3)), np.ones((3, 2))])
    with pytest.raises(errors.GradientError, match="At position"):
        gradient.verify_grad(lambda a: gradient.zero_grad(a) * 2, [np.ones(3)])
    with pytest.raises(TypeError, match="floating point"):
        gradient.verify_grad(T.exp, [np.ones(3, "int32")])


def test_names_of_gradients():
    x = T.dscalar("x")
    cost = x * x
    cost.name = "cost"
    assert grad(cost, x).name == "(dcost/dx)"


def test_clone():
    x, y = T.dscalars("x", "y")
    assert phintys.clone(x * 2, {x: y + 1}).eval({y: 2.0}) == 6
    with pytest.raises(TypeError):
        phintys.clone(x * 2, {x: T.fscalar()})


@pytest.mark.parametrize(
    "f, point, want",
    [
        (T.maximum, (2.0, 2.0), (1, 0)),
        (T.minimum, (2.0, 2.0), (1, 0)),
        (T.maximum, (np.nan, 2.0), None),
        (abs, (0.0,), (0,)),
        (T.sqrt, (0.0,), (np.inf,)),
        (T.pow, (0.0, 2.0), (0, 0)),
        (T.clip, (1.0, 1.0, 2.0), (1, 0, 0)),
        (lambda a, b: T.switch(np.asarray(True), a, b), (5.0, 6.0), (1, 0)),
        (T.nnet.relu, (0.0,), (0.5,)),
    ],
)
def test_conventions_where_there_is_no_derivative(f, point, want):
    xs = [T.dscalar() for _ in point]
    grads = phintys.function(xs, T.grad(f(*xs), xs), on_unused_input="ignore")(*point)
    if want is None:  # all of it goes to one of the operands
        assert sum(float(g) for g in grads) == 1
    else:
        assert [float(g) for g in grads] == list(want)

"""Arrays of other packages as values, and compiled functions inside other packages."""

import array

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import interop
from scipy import optimize, sparse

RNG = np.random.default_rng(3)


class OnlyDLPack:
    """An array of a package that has nothing but the exchange protocol."""

    def __init__(self, data):
        self.data = data

    def __dlpack__(self, **keywords):
        return self.data.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()


class OnlyArray:
    def __init__(self, data):
        self.data = data

    def __array__(self, dtype=None, copy=None):
        return self.data


FOREIGN = [OnlyDLPack, OnlyArray, memoryview, lambda a: array.array("d", a)]


@pytest.mark.parametrize("make", FOREIGN)
def test_foreign_arrays_are_values(make):
    data = RNG.normal(size=5)
    x = T.dvector()
    np.testing.assert_array_equal(phintys.function([x], x * 2)(make(data)), data * 2)
    s = phintys.shared(make(data))
    assert s.dtype == "float64"
    np.testing.assert_array_equal(s.get_value(), data)
    s.set_value(make(data + 1))
    np.testing.assert_array_equal(s.get_value(), data + 1)
    np.testing.assert_array_equal((x + T.as_tensor_variable(make(data))).eval({x: data}), 2 * data)


@pytest.mark.parametrize("make", FOREIGN[:3])
def test_shared_variables_borrow_foreign_memory(make):
    data = RNG.normal(size=1000)
    s = phintys.shared(make(data), borrow=True)
    assert np.shares_memory(s.get_value(borrow=True), data)
    assert not np.shares_memory(phintys.shared(make(data)).get_value(borrow=True), data)


@pytest.mark.parametrize("make", FOREIGN[:2])
def test_foreign_arrays_lose_no_precision(make):
    x = T.fvector()
    f = phintys.function([x], x)
    with pytest.raises(TypeError, match="float64"):
        f(make(RNG.normal(size=3)))
    same = phintys.function([x], x, allow_input_downcast=True)(make(np.arange(3.0)))
    np.testing.assert_array_equal(same, [0, 1, 2])
    with pytest.raises(TypeError, match="dimensions"):
        f(make(np.zeros((2, 2), "float32")))


def test_results_export_dlpack():
    x = T.dmatrix()
    out = phintys.function([x], x.T + 1)(RNG.normal(size=(3, 4)))
    again = np.from_dlpack(out)
    assert np.shares_memory(again, out)


def test_pandas():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    x = T.dmatrix()
    np.testing.assert_array_equal(phintys.function([x], x * 2)(frame), frame.to_numpy() * 2)


# --- SciPy ---------------------------------------------------------------------------------------


def test_minimize_with_shared_variables():
    a, b = RNG.normal(size=(40, 3)), RNG.normal(size=40)
    w = phintys.shared(np.zeros(3), "w")
    c = phintys.shared(0.0, "c")
    data = T.dmatrix("data")
    cost = T.sqr(T.dot(data, w) + c - b).sum()
    o = interop.objective(cost, [w, c], inputs=[data])
    for method in ("BFGS", "L-BFGS-B", "Newton-CG", "trust-krylov"):
        more = {"hessp": o.hessp} if method in ("Newton-CG", "trust-krylov") else {}
        found = optimize.minimize(o.fun, o.x0, args=(a,), jac=True, method=method, **more)
        want = np.linalg.lstsq(np.column_stack([a, np.ones(40)]), b, rcond=None)[0]
        np.testing.assert_allclose(found.x, want, rtol=1e-4, atol=1e-5)
    o.store(found.x)
    np.testing.assert_allclose(w.get_value(), found.x[:3])
    assert c.get_value() == found.x[3]


def test_objective_of_inputs():
    x, y = T.dmatrix("x"), T.dscalar("y")
    o = interop.objective(T.cosh(x - y).sum() + y**4, [x, y], values=[np.ones((2, 2)), 0.5])
    point = RNG.normal(size=5)
    assert optimize.check_grad(o.value, o.jac, point) < 1e-5
    h = np.array([optimize.approx_fprime(point, lambda q, i=i: o.jac(q)[i]) for i in range(5)])
    v = RNG.normal(size=5)
    np.testing.assert_allclose(o.hessp(point, v), h @ v, rtol=1e-4, atol=1e-4)
    assert [part.shape for part in o.unflatten(point)] == [(2, 2), ()]


def test_objective_errors():
    x = T.dvector("x")
    with pytest.raises(TypeError, match="scalar"):
        interop.objective(x, x, values=[1.0])
    with pytest.raises(ValueError, match="starting values"):
        interop.objective(x.sum(), x)
    o = interop.objective(x.sum(), x, values=[1.0, 2.0])
    with pytest.raises(ValueError, match="2 numbers"):
        o.fun(np.zeros(3))
    with pytest.raises(TypeError, match="not a shared variable"):
        o.store(np.zeros(2))


def test_linear_operator():
    a = RNG.normal(size=(6, 4))
    x = T.dvector()
    op = interop.linear_operator(T.dot(a, x), x, shape=4)
    np.testing.assert_allclose(op @ np.eye(4), a, rtol=1e-12)
    np.testing.assert_allclose(op.T @ np.eye(6), a.T, rtol=1e-12)
    b = RNG.normal(size=6)
    found = sparse.linalg.lsqr(op, b)[0]
    np.testing.assert_allclose(found, np.linalg.lstsq(a, b, rcond=None)[0], rtol=1e-6)
    m = T.dmatrix()
    at = RNG.normal(size=(3, 2))
    jacobian = interop.linear_operator(T.exp(m).sum(axis=1), m, at=at)
    want = np.zeros((3, 6))
    for i in range(3):
        want[i, 2 * i : 2 * i + 2] = np.exp(at[i])
    np.testing.assert_allclose(jacobian @ np.eye(6), want, rtol=1e-12)


# --- PyTorch and JAX -----------------------------------------------------------------------------


def _expression():
    x, n = T.dmatrix("x"), T.lscalar("n")
    w = T.dvector("w")
    return [x, w, n], T.tanh(T.dot(x, w)) * n, (x**3).sum()


def test_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    inputs, y, z = _expression()
    f = interop.torch_function(inputs, [y, z])
    x = torch.tensor(RNG.normal(size=(3, 2)), requires_grad=True)
    w = torch.tensor(RNG.normal(size=2), requires_grad=True)
    got = f(x, w, 2)
    want = [torch.tanh(x @ w) * 2, (x**3).sum()]
    for g, t in zip(got, want, strict=True):
        torch.testing.assert_close(g, t)
    cost = (got[0] ** 2).sum() + got[1]
    reference = (want[0] ** 2).sum() + want[1]
    for g, t in zip(
        torch.autograd.grad(cost, [x, w], create_graph=True),
        torch.autograd.grad(reference, [x, w], create_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(g, t)
    assert torch.autograd.gradcheck(lambda a, b: tuple(f(a, b, 2)), (x, w))
    assert torch.autograd.gradgradcheck(lambda a, b: f(a, b, 2)[0], (x, w))
    single = interop.torch_function(inputs[0], inputs[0].sum())
    assert single(x).item() == pytest.approx(x.sum().item())
    with pytest.raises(TypeError, match="takes 3"):
        f(x)


def test_torch_tensors_share_memory():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.arange(4.0, dtype=torch.float64)
    s = phintys.shared(t, borrow=True)
    t[0] = 7
    assert s.get_value()[0] == 7
    x = T.dvector()
    np.testing.assert_array_equal(phintys.function([x], x + s)(t), 2 * t.numpy())
    out = phintys.function([x], x * 2)(t)
    assert torch.from_dlpack(out).tolist() == [14, 2, 4, 6]


def test_jax():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with jax.enable_x64(True):
        inputs, y, z = _expression()
        f = interop.jax_function(inputs, [y, z])
        x, w = RNG.normal(size=(3, 2)), RNG.normal(size=2)

        def ours(x, w):
            a, b = f(x, w, 2)
            return (a**2).sum() + b

        def theirs(x, w):
            return ((jax.numpy.tanh(x @ w) * 2) ** 2).sum() + (x**3).sum()

        np.testing.assert_allclose(ours(x, w), theirs(x, w), rtol=1e-12)
        np.testing.assert_allclose(jax.jit(ours)(x, w), theirs(x, w), rtol=1e-12)
        for got, want in zip(
            jax.jit(jax.grad(ours, (0, 1)))(x, w), jax.grad(theirs, (0, 1))(x, w), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-10)
        second = jax.grad(lambda w: (jax.grad(ours, 1)(x, w) ** 2).sum())(w)
        want = jax.grad(lambda w: (jax.grad(theirs, 1)(x, w) ** 2).sum())(w)
        np.testing.assert_allclose(second, want, rtol=1e-9)
        mapped = jax.vmap(lambda x: ours(x, w))(np.stack([x, x + 1]))
        np.testing.assert_allclose(mapped, [theirs(x, w), theirs(x + 1, w)], rtol=1e-12)


def test_jax_arrays_are_values():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    a = jax.numpy.arange(4, dtype="float32")
    x = T.fvector()
    np.testing.assert_array_equal(phintys.function([x], x * 2)(a), 2 * np.arange(4))
    np.testing.assert_array_equal(phintys.shared(a).get_value(), np.arange(4))

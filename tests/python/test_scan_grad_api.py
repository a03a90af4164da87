"""Gradients through scan() as users write it, against formulas and finite differences."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from loop_graphs import loops_of
from op_checks import compiled, floats
from phintys.gradient import disconnected_grad
from phintys.tensor.random import RandomStream
from value_cases import finite_difference


def _agrees(xs, cost, *point, wrt=None, rtol=1e-5):
    wrt = range(len(xs)) if wrt is None else wrt
    f = compiled(xs, cost)
    numeric = finite_difference(f, point, np.ones(()))
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        got = compiled(xs, T.grad(cost, [xs[i] for i in wrt]), mode)(*point)
        for g, i in zip(got, wrt, strict=True):
            np.testing.assert_allclose(g, numeric[i], rtol=rtol, atol=1e-6)


def test_power():
    a, k = T.vector("a"), T.iscalar("k")
    powers, _ = phintys.scan(lambda p, a: p * a, [], [T.ones_like(a)], [a], n_steps=k)
    f = compiled([a, k], T.grad(powers[-1].sum(), a))
    x = np.array([0.5, -2.0, 3.0])
    for n in (1, 2, 6):
        np.testing.assert_allclose(f(x, n), n * x ** (n - 1), rtol=1e-12)


def test_polynomial():
    c, x = T.vector("c"), T.scalar("x")
    terms, _ = phintys.scan(lambda c, k, x: c * x**k, [c, T.arange(100)], None, [x])
    f = compiled([c, x], T.grad(terms.sum(), [c, x]))
    point = np.array([1.0, 0, 2, -3])
    dc, dx = f(point, 1.5)
    np.testing.assert_allclose(dc, 1.5 ** np.arange(4), rtol=1e-12)
    np.testing.assert_allclose(dx, np.polyval(np.polyder(point[::-1]), 1.5), rtol=1e-12)


def test_tanh_recurrence_with_taps():
    x, h = T.matrix("x"), T.matrix("h")
    w = phintys.shared(floats(3, 3) * 0.4, name="w")

    def step(before, now, h2, h1):
        return T.tanh(T.dot(h1, w) + before * now + 0.3 * h2)

    out, _ = phintys.scan(step, [{"input": x, "taps": [-2, 0]}], [{"initial": h, "taps": [-2, -1]}])
    cost = T.sqr(out).sum()
    _agrees([x, h], cost, floats(6, 3, seed=1), floats(2, 3, seed=2))
    g = compiled([x, h], T.grad(cost, w))
    point, eps = (floats(6, 3, seed=1), floats(2, 3, seed=2)), 1e-6
    got, start = g(*point), w.get_value()
    f = compiled([x, h], cost)
    for i in range(3):
        for j in range(3):
            values = []
            for sign in (1, -1):
                moved = start.copy()
                moved[i, j] += sign * eps
                w.set_value(moved)
                values.append(f(*point))
            w.set_value(start)
            np.testing.assert_allclose(got[i, j], (values[0] - values[1]) / (2 * eps), rtol=1e-6)


def test_until():
    x = T.scalar("x")

    def step(v, x):
        return v * x, phintys.scan_module.until(v * x > 40)

    out, _ = phintys.scan(step, [], [T.constant(np.float64(1.0))], [x], n_steps=100)
    f = compiled([x], [out[-1], T.grad(out[-1], x), T.grad(out.sum(), x)])
    last, g, total = f(3.0)
    assert last == 81
    np.testing.assert_allclose(g, 4 * 3.0**3)
    np.testing.assert_allclose(total, sum(k * 3.0 ** (k - 1) for k in range(1, 5)))


def test_truncated_gradient():
    h, w = T.scalar("h"), T.scalar("w")
    out, _ = phintys.scan(lambda h1, w: h1 * w, [], [h], [w], n_steps=6, truncate_gradient=2)
    f = compiled([h, w], T.grad(out[-1], [h, w]))
    dh, dw = f(1.0, 1.5)
    assert dh == 0
    np.testing.assert_allclose(dw, 2 * 1.5**5, rtol=1e-12)


@pytest.mark.parametrize("kept", [0, 1, 2, 5])
def test_truncated_gradients_of_higher_order(kept):
    """The loop counts as one in which all but the last steps are constants, at every order."""
    h0, w, x = T.vector("h0"), T.matrix("w"), T.matrix("x")
    n = 4

    def step(x, h, w):
        return T.tanh(T.dot(h, w) + x * h)

    out, _ = phintys.scan(step, x, h0, w, truncate_gradient=kept)
    rows, h = [], h0
    for t in range(n):
        h = step(x[t], h, w)
        if kept < n - t:
            h = disconnected_grad(h)
        rows.append(h)
    point = floats(3), floats(3, 3, seed=1), floats(n, 3, seed=2)
    costs = [T.sqr(out).sum() + out[-1].prod(), T.sqr(T.stack(rows)).sum() + rows[-1].prod()]
    for _ in range(3):
        grads = [T.grad(c, [h0, w, x], disconnected_inputs="ignore") for c in costs]
        for got, want in zip(
            compiled([h0, w, x], grads[0])(*point),
            compiled([h0, w, x], grads[1])(*point),
            strict=True,
        ):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
        costs = [sum(T.sqr(g).sum() for g in gs) for gs in grads]


def test_go_backwards():
    x, h = T.matrix("x"), T.vector("h")
    out, _ = phintys.scan(lambda x, h: T.sin(h * 2 + x), x, [h], go_backwards=True)
    _agrees([x, h], T.sqr(out).sum(), floats(4, 2), floats(2, seed=1))


def test_sequences_of_different_lengths():
    x, y = T.vector("x"), T.vector("y")
    out, _ = phintys.scan(lambda x, y, h: h * x + y, [x, y], [T.constant(np.float64(1.0))])
    f = compiled([x, y], T.grad(out[-1], [x, y]))
    gx, gy = f(np.array([2.0, 3, 4, 5]), np.array([1.0, 1]))
    np.testing.assert_allclose(gx, [3, 3, 0, 0])
    np.testing.assert_allclose(gy, [3, 1])


def test_random_draws_inside():
    x = T.vector("x")
    stream = RandomStream(7)

    def step(h, x):
        return h * x * stream.normal(size=(2,))

    out, updates = phintys.scan(step, [], [T.ones(2)], [x], n_steps=4)
    f = phintys.function([x], [out, T.grad(out[-1].sum(), x)], updates=updates)
    for _ in range(2):
        point = np.array([1.5, -0.7])
        rows, g = f(point)
        np.testing.assert_allclose(g, 4 * rows[-1] / point, rtol=1e-12)


def test_reduce_and_map():
    x = T.vector("x")
    total, _ = phintys.reduce(lambda x, s: s + x**3, x, T.constant(np.float64(0.0)))
    rows, _ = phintys.map(lambda x: T.exp(x), x)
    point = floats(5)
    got = compiled([x], T.grad(total + rows.sum(), x))(point)
    np.testing.assert_allclose(got, 3 * point**2 + np.exp(point), rtol=1e-12)


def test_jacobian_and_hessian_of_a_loop():
    x = T.vector("x")
    out, _ = phintys.scan(lambda h, x: T.sin(h) * x, [], [T.ones_like(x)], [x], n_steps=3)
    point = np.array([0.3, -1.2, 2.0])
    jacobian = compiled([x], phintys.gradient.jacobian(out[-1], x))(point)
    f = compiled([x], out[-1])
    for i in range(3):
        d = np.zeros(3)
        d[i] = 1e-6
        column = (f(point + d) - f(point - d)) / 2e-6
        np.testing.assert_allclose(jacobian[:, i], column, rtol=1e-6, atol=1e-8)
    cost = out[-1].prod()
    hessian = compiled([x], phintys.gradient.hessian(cost, x))(point)
    g = compiled([x], T.grad(cost, x))
    for i in range(3):
        d = np.zeros(3)
        d[i] = 1e-6
        column = (g(point + d) - g(point - d)) / 2e-6
        np.testing.assert_allclose(hessian[:, i], column, rtol=1e-5, atol=1e-7)


def test_nested():
    x, w = T.matrix("x"), T.vector("w")

    def row(x, total, w):
        inner, _ = phintys.scan(lambda x, a, w: T.tanh(a * w[0] + x), x, [total], [w])
        return inner[-1] * w[1]

    out, _ = phintys.scan(row, x, [T.constant(np.float64(0.2))], [w])
    _agrees([x, w], T.sqr(out).sum(), floats(4, 3), floats(2, seed=1))


def test_lstm():
    n, m = 3, 4
    x = T.matrix("x")
    u, w, b = T.matrix("u"), T.matrix("w"), T.vector("b")

    def step(x, h, c, w, u, b):
        z = T.dot(x, w) + T.dot(h, u) + b
        i, f, o = (T.nnet.sigmoid(z[k * m : (k + 1) * m]) for k in range(3))
        c = f * c + i * T.tanh(z[3 * m :])
        return o * T.tanh(c), c

    (h, _), _ = phintys.scan(step, x, [T.zeros(m), T.zeros(m)], [w, u, b])
    cost = T.sqr(h[-1]).sum()
    point = floats(5, n), floats(m, 4 * m, seed=1) * 0.5, floats(n, 4 * m, seed=2) * 0.5
    _agrees([x, u, w, b], cost, *point, floats(4 * m, seed=3))
    backward = loops_of(T.grad(cost, [u, w, b]))[-1]
    names = [node.op.name for node in _nodes(backward)]
    assert "tanh" not in names and "sigmoid" not in names


def _nodes(loop):
    from loop_graphs import ancestors

    return ancestors(loop.op.attrs["graph"].outputs)


@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (0, 0)])
def test_empty(shape):
    x = T.matrix("x")
    out, _ = phintys.scan(lambda x, h: T.tanh(h + x), x, [T.zeros_like(x[0])])
    g = compiled([x], T.grad(out.sum(), x))
    if shape[0] == 0:
        return  # x[0] is out of range
    assert g(np.zeros(shape)).shape == shape


def test_shapes_of_what_is_emitted_are_known_without_running():
    x, w = T.matrix("x"), T.matrix("w")
    out, _ = phintys.scan(lambda x, w: T.concatenate([T.dot(x, w), x]), x, None, [w])
    f = compiled([x, w], out.shape)
    assert "Scan" not in f.fn.program_text()
    np.testing.assert_array_equal(f(floats(5, 2), floats(2, 3)), [5, 5])


@pytest.mark.parametrize("n", [12, 10])
def test_checkpoints_store_less_and_give_the_same_gradient(n):
    x, w = T.matrix("x"), T.matrix("w")

    def step(x, h, w):
        return T.tanh(T.dot(h, w) * T.exp(-x))

    start = T.constant(np.ones(3))
    rows, _ = phintys.scan(step, x, [start], [w])
    few, _ = phintys.scan_checkpoints(step, x, [start], [w], save_every_N=4)
    point = floats(n, 3, seed=1), floats(3, 3, seed=2)
    want = compiled([x, w], T.grad(rows[-1].sum(), [x, w]))(*point)
    grads = T.grad(few[-1].sum(), [x, w])
    for g, e in zip(compiled([x, w], grads)(*point), want, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12)
    # The loop over blocks emits nothing, and its gradient runs the loop inside again.
    outer = [node for node in loops_of(grads) if "outer" in str(node.op)]
    assert all(node.op.attrs["n_emitted"] == 0 for node in outer if "grad" not in str(node.op))
    assert any("scan" in [n.op.name for n in _nodes(node)] for node in outer)


def test_checkpoints_with_random_draws():
    x = T.vector("x")
    stream = RandomStream(3)
    few, updates = phintys.scan_checkpoints(
        lambda h, x: T.tanh(h) * x * stream.normal(size=(2,)),
        [], [T.constant(np.ones(2))], [x], n_steps=6, save_every_N=3,
    )  # fmt: skip
    f = phintys.function([x], [few[-1], T.grad(few[-1].sum(), x)], updates=updates)
    g = phintys.function([x], few[-1], no_default_updates=True)
    point = np.array([1.5, -0.7])
    for _ in range(2):
        before = [g(point + d) for d in (np.array([1e-6, 0]), np.array([-1e-6, 0]))]
        slope = f(point)[1]
        np.testing.assert_allclose(slope[0], (before[0] - before[1])[0] / 2e-6, rtol=1e-5)

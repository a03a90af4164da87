"""Programs that people wrote with scan: samplers, recurrent networks, optimisers in loops."""

from collections import OrderedDict

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys.sandbox.rng_mrg import MRG_RandomStreams
from phintys.tensor.shared_randomstreams import RandomStreams

floatX = phintys.config.floatX


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- a restricted Boltzmann machine, trained by persistent contrastive divergence --------------


def test_rbm():
    rng = np.random.default_rng(0)
    n_visible, n_hidden, batch, k, lr = 5, 4, 3, 2, 0.1
    W = phintys.shared(rng.normal(size=(n_visible, n_hidden)) * 0.1, "W")
    hbias, vbias = phintys.shared(np.zeros(n_hidden), "hbias"), phintys.shared(np.zeros(n_visible))
    chain = phintys.shared(np.zeros((batch, n_hidden)), "chain")
    streams = RandomStreams(7)
    params = [W, hbias, vbias]
    start = [p.get_value() for p in params]

    def free_energy(v):
        return -T.dot(v, vbias) - T.sum(T.log(1 + T.exp(T.dot(v, W) + hbias)), axis=1)

    def gibbs_hvh(h0):
        pre_v = T.dot(h0, W.T) + vbias
        v_mean = T.nnet.sigmoid(pre_v)
        v = streams.binomial(size=v_mean.shape, n=1, p=v_mean, dtype=floatX)
        pre_h = T.dot(v, W) + hbias
        h_mean = T.nnet.sigmoid(pre_h)
        h = streams.binomial(size=h_mean.shape, n=1, p=h_mean, dtype=floatX)
        return [pre_v, v_mean, v, pre_h, h_mean, h]

    x = T.matrix("x")
    outs, updates = phintys.scan(
        gibbs_hvh, outputs_info=[None] * 5 + [chain], n_steps=k, name="gibbs_hvh"
    )
    end = outs[2][-1]
    cost = T.mean(free_energy(x)) - T.mean(free_energy(end))
    gradients = T.grad(cost, params, consider_constant=[end])
    for param, gradient in zip(params, gradients, strict=True):
        updates[param] = param - gradient * T.cast(lr, floatX)
    updates[chain] = outs[5][-1]
    train = phintys.function([x], cost, updates=updates)

    states = [s.get_value() for s, _ in streams.state_updates]
    w, hb, vb = start
    h, data = np.zeros((batch, n_hidden)), rng.integers(0, 2, (batch, n_visible)).astype(floatX)
    for _ in range(3):
        for _ in range(k):
            v = states[0].binomial(1, sigmoid(h @ w.T + vb)).astype(floatX)
            h = states[1].binomial(1, sigmoid(v @ w + hb)).astype(floatX)

        def slopes(rows, w=w, hb=hb):
            p = sigmoid(rows @ w + hb)
            return [-rows.T @ p / batch, -p.mean(0), -rows.mean(0)]

        cost_value = (
            np.mean(-data @ vb - np.log1p(np.exp(data @ w + hb)).sum(1))
            - np.mean(-v @ vb - np.log1p(np.exp(v @ w + hb)).sum(1))
        )  # fmt: skip
        np.testing.assert_allclose(train(data), cost_value, rtol=1e-9, atol=1e-12)
        w, hb, vb = (
            p - lr * (a - b) for p, a, b in zip((w, hb, vb), slopes(data), slopes(v), strict=True)
        )
        for shared, value in zip(params, (w, hb, vb), strict=True):
            np.testing.assert_allclose(shared.get_value(), value, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(chain.get_value(), h)


# --- Hamiltonian Monte Carlo: a gradient in each step -------------------------------------------


def test_hamiltonian_dynamics():
    precision = np.array([[2.0, 0.5], [0.5, 1.0]])

    def energy(position):
        return 0.5 * (T.dot(position, precision) * position).sum(axis=1)

    def leapfrog(position, velocity, step_size):
        slope = T.grad(energy(position).sum(), position)
        velocity = velocity - step_size * slope
        return [position + step_size * velocity, velocity]

    p0, v0, step_size, n = T.matrix("p0"), T.matrix("v0"), T.scalar("step"), T.iscalar("n")
    half = v0 - 0.5 * step_size * T.grad(energy(p0).sum(), p0)
    (positions, velocities), updates = phintys.scan(
        leapfrog,
        outputs_info=[{"initial": p0 + step_size * half}, {"initial": half}],
        non_sequences=[step_size],
        n_steps=n - 1,
    )
    assert not updates
    last = positions[-1]
    final = velocities[-1] - 0.5 * step_size * T.grad(energy(last).sum(), last)
    simulate = phintys.function([p0, v0, step_size, n], [last, final])
    rng = np.random.default_rng(1)
    p, v = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    got_p, got_v = simulate(p, v, 0.1, 25)
    h = lambda p, v: 0.5 * (p @ precision * p).sum(1) + 0.5 * (v * v).sum(1)  # noqa: E731
    np.testing.assert_allclose(h(got_p, got_v), h(p, v), rtol=5e-3)
    v = v - 0.05 * p @ precision
    p = p + 0.1 * v
    for _ in range(24):
        v = v - 0.1 * p @ precision
        p = p + 0.1 * v
    np.testing.assert_allclose(got_p, p, rtol=1e-10)
    np.testing.assert_allclose(got_v, v - 0.05 * p @ precision, rtol=1e-10)


# --- recurrent networks ----------------------------------------------------------------------


def lstm_step(mask, below, h_before, c_before, U, dim):
    def part(x, n):
        return x[:, n * dim : (n + 1) * dim]

    pre = T.dot(h_before, U) + below
    i, f, o = (T.nnet.sigmoid(part(pre, k)) for k in range(3))
    c = f * c_before + i * T.tanh(part(pre, 3))
    c = mask[:, None] * c + (1.0 - mask)[:, None] * c_before
    h = o * T.tanh(c)
    h = mask[:, None] * h + (1.0 - mask)[:, None] * h_before
    return h, c


def test_lstm_with_masks_learns():
    rng = np.random.default_rng(2)
    dim, n_in, batch = 6, 3, 8
    params = [
        phintys.shared(rng.normal(size=shape) * 0.3, name)
        for name, shape in (
            ("W", (n_in, 4 * dim)),
            ("U", (dim, 4 * dim)),
            ("b", (4 * dim,)),
            ("out", (dim, 1)),
        )
    ]
    W, U, b, out = params
    x, mask, y = T.tensor3("x"), T.matrix("mask"), T.vector("y")
    n_steps, n_samples = x.shape[0], x.shape[1]
    (h, _), updates = phintys.scan(
        lambda m, below, h, c, U: lstm_step(m, below, h, c, U, dim),
        sequences=[mask, T.dot(x, W) + b],
        outputs_info=[
            T.alloc(np.asarray(0.0, floatX), n_samples, dim),
            T.alloc(np.asarray(0.0, floatX), n_samples, dim),
        ],
        non_sequences=U,
        name="lstm_layers",
        n_steps=n_steps,
        strict=True,
    )
    assert not updates
    pooled = (h * mask[:, :, None]).sum(axis=0) / mask.sum(axis=0)[:, None]
    p = T.nnet.sigmoid(T.dot(pooled, out)).flatten()
    cost = T.nnet.binary_crossentropy(p, y).mean()
    gradients = T.grad(cost, params)
    train = phintys.function(
        [x, mask, y],
        cost,
        updates=[(v, v - 0.5 * g) for v, g in zip(params, gradients, strict=True)],
    )
    predict = phintys.function([x, mask], p)
    rows = rng.normal(size=(7, batch, n_in))
    lengths = rng.integers(1, 8, batch)
    masks = (np.arange(7)[:, None] < lengths).astype(floatX)
    target = (rows[0, :, 0] > 0).astype(floatX)
    # Padding has no influence.
    changed = rows + (1 - masks)[:, :, None] * 100
    np.testing.assert_allclose(predict(rows, masks), predict(changed, masks), rtol=1e-9)
    costs = [float(train(rows, masks, target)) for _ in range(150)]
    assert costs[-1] < 0.25 * costs[0]
    # Other lengths and batch sizes in the same function.
    assert predict(rows[:3, :2], masks[:3, :2]).shape == (2,)


@pytest.mark.parametrize("streams", [RandomStreams, MRG_RandomStreams])
def test_dropout_in_each_step_draws_anew(streams):
    srng = streams(3)
    x = T.matrix("x")

    def step(row, h):
        mask = srng.binomial(size=row.shape, n=1, p=0.5, dtype=floatX)
        return h + row * mask

    h, updates = phintys.scan(step, x, T.zeros_like(x[0]))
    f = phintys.function([x], h, updates=updates)
    ones = np.ones((50, 20))
    first, second = np.diff(f(ones), axis=0), np.diff(f(ones), axis=0)
    assert set(np.unique(first)) == {0.0, 1.0} and 0.4 < first.mean() < 0.6
    assert not np.array_equal(first, second)
    assert len({tuple(row) for row in first}) > 45


def test_first_value_that_broadcasts_with_updates_of_weights():
    # From an old report: the initial value has a row of length 1, and the result is known to.
    rng = np.random.default_rng(4)
    W = phintys.shared(rng.normal(size=(2, 4)), "W")
    x = T.matrix("x")

    def step(row, h):
        return T.dot(T.reshape(row, (1, 2)), W)

    value, _ = phintys.scan(step, x, [T.alloc(np.asarray(0.0, floatX), 1, 4)])
    cost = T.mean(value)
    train = phintys.function([x], cost, updates=[(W, W - 0.1 * T.grad(cost, W))])
    rows, before = rng.normal(size=(10, 2)), W.get_value()
    np.testing.assert_allclose(train(rows), (rows @ before).mean(), rtol=1e-10)
    expected = before - 0.1 * np.repeat(rows.sum(0)[:, None], 4, 1) / 40
    np.testing.assert_allclose(W.get_value(), expected, rtol=1e-10)


def test_shared_arguments_with_updates_and_taps():
    rng = np.random.default_rng(5)
    W1, W2 = phintys.shared(rng.normal(size=(2, 3)), "W1"), phintys.shared(rng.normal(size=(3, 2)))
    u1, u2 = phintys.shared(rng.normal(size=(3, 2))), phintys.shared(rng.normal(size=(3, 3)))
    y0, y1 = phintys.shared(rng.normal(size=(3, 2))), phintys.shared(rng.normal(size=2))
    y2 = phintys.shared(rng.normal(size=3))

    def step(u1_t, u2_t, y0_tm3, y0_tm2, y0_tm1, y1_tm1, W1):
        y0_t = T.dot(T.dot(u1_t, W1), W2) + 0.1 * y0_tm1 + 0.33 * y0_tm2 + 0.17 * y0_tm3
        y1_t = T.dot(u2_t, W2) + y1_tm1
        y2_t = T.dot(u1_t, W1)
        return [y0_t, y1_t, y2_t], OrderedDict([(W1, W1 + 0.1), (W2, W2 * 1.05)])

    outs, updates = phintys.scan(
        step,
        [u1, u2],
        [{"initial": y0, "taps": [-3, -2, -1]}, y1, None],
        W1,
    )
    f = phintys.function([], [*outs, y2], updates=updates)
    w1, w2 = W1.get_value(), W2.get_value()
    a, b = list(y0.get_value()), [y1.get_value()]
    e = []
    for r1, r2 in zip(u1.get_value(), u2.get_value(), strict=True):
        a.append(r1 @ w1 @ w2 + 0.1 * a[-1] + 0.33 * a[-2] + 0.17 * a[-3])
        b.append(r2 @ w2 + b[-1])
        e.append(r1 @ w1)
        w1, w2 = w1 + 0.1, w2 * 1.05
    got = f()
    for have, want in zip(got, (a[3:], b[1:], e), strict=False):
        np.testing.assert_allclose(have, want, rtol=1e-10)
    np.testing.assert_allclose(W1.get_value(), w1)
    np.testing.assert_allclose(W2.get_value(), w2)


def test_a_tap_that_skips_rows():
    rows = np.arange(10.0).reshape(-1, 1)
    expected = np.zeros((10, 1))
    expected[4:] = rows[:-4]
    x, initial = T.matrix(), phintys.shared(np.zeros((4, 1)))
    outs, _ = phintys.scan(
        lambda row, before: (row, before), x, [{"initial": initial, "taps": [-4]}, None]
    )
    np.testing.assert_array_equal(phintys.function([x], outs[1])(rows), expected)


def test_newtons_method_until_it_converges():
    a = T.scalar("a")

    def newton(x):
        better = 0.5 * (x + a / x)
        return better, phintys.scan_module.until(abs(better - x) < 1e-12)

    values, _ = phintys.scan(newton, outputs_info=T.ones_like(a), n_steps=100)
    f = phintys.function([a], [values[-1], values.shape[0], T.grad(values[-1], a)])
    root, steps, slope = f(2.0)
    np.testing.assert_allclose([root, slope], [2**0.5, 0.5 / 2**0.5], rtol=1e-9)
    assert 4 <= steps <= 7

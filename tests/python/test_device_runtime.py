"""Calls on a device: state, shapes that depend on values, refusals, recordings, loops."""

from __future__ import annotations

import threading

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import OTHERS
from phintys.ifelse import ifelse


@pytest.fixture(params=OTHERS)
def device(request):
    return request.param


def both(device, inputs, outputs, *values, **kwargs):
    """The results on the host and, called three times (the last two recorded), on the device."""
    host = phintys.function(inputs, outputs)(*values)
    f = phintys.function(inputs, outputs, device=device, **kwargs)
    for _ in range(3):
        there = f(*values)
        np.testing.assert_allclose(there, host, rtol=1e-6)
    return f


def test_values_and_types(device):
    x, y = T.matrix("x", dtype="float64"), T.vector("y", dtype="float32")
    f = phintys.function([x, y], [x * y + 1, (x * y).sum(axis=0), x.T], device=device)
    a, b = np.random.default_rng(0).normal(size=(5, 4)), np.arange(4, dtype="float32")
    for _ in range(4):
        product, total, turned = f(a, b)
        np.testing.assert_allclose(product, a * b + 1)
        np.testing.assert_allclose(total, (a * b).sum(axis=0))
        np.testing.assert_array_equal(turned, a.T)
        assert product.dtype == np.float64


def test_inputs_of_any_layout(device):
    x = T.matrix("x", dtype="float64")
    f = phintys.function([x], x * 2, device=device)
    a = np.arange(40.0).reshape(5, 8)
    for view in (a, a.T, a[::-1], a[:, ::2], a[:0], np.broadcast_to(a[0], (3, 8))):
        np.testing.assert_array_equal(f(view), view * 2)


def test_shapes_may_change_between_calls(device):
    x = T.vector("x", dtype="float32")
    f = phintys.function([x], [x.sum(), T.exp(x)], device=device)
    for n in (3, 5, 0, 3, 2000, 5, 3):
        a = np.linspace(-1, 1, n, dtype="float32")
        total, values = f(a)
        np.testing.assert_allclose(total, a.sum(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(values, np.exp(a), rtol=1e-5)


def test_updates_and_reads_on_both_sides(device):
    w = phintys.shared(np.zeros(1000), "w")
    x = T.vector("x", dtype="float64")
    add = phintys.function([x], w.sum(), updates=[(w, w + x)], device=device)
    host = phintys.function([], w * 2)
    a = np.arange(1000.0)
    for n in range(5):
        assert add(a) == pytest.approx(n * a.sum())
    np.testing.assert_array_equal(w.get_value(), 5 * a)
    np.testing.assert_array_equal(host(), 10 * a)
    add(a)
    np.testing.assert_array_equal(w.get_value(), 6 * a)
    w.set_value(np.ones(1000))
    assert add(a) == 1000
    np.testing.assert_array_equal(w.get_value(), a + 1)


def test_updates_are_simultaneous(device):
    a = phintys.shared(np.arange(3.0), "a")
    b = phintys.shared(np.arange(3.0) + 10, "b")
    swap = phintys.function([], [a + 0, b], updates=[(a, b), (b, a)], device=device)
    for _ in range(4):
        before = a.get_value(), b.get_value()
        old = swap()
        np.testing.assert_array_equal(old[0], before[0])
        np.testing.assert_array_equal(old[1], before[1])
        np.testing.assert_array_equal(a.get_value(), before[1])
        np.testing.assert_array_equal(b.get_value(), before[0])


def test_an_update_may_change_the_shape(device):
    w = phintys.shared(np.ones(2), "w")
    grow = phintys.function([], w.shape[0], updates=[(w, T.concatenate([w, w * 2]))], device=device)
    assert [int(grow()) for _ in range(4)] == [2, 4, 8, 16]
    np.testing.assert_array_equal(w.get_value()[:6], [1, 1, 2, 2, 2, 2])


@pytest.mark.parametrize("grows", [False, True])
def test_a_refused_index_is_the_hosts_error_and_changes_nothing(device, grows):
    w = phintys.shared(np.arange(6.0), "w")
    i = T.lvector("i")
    new = T.concatenate([w, w]) if grows else w + w[i].sum()
    f = phintys.function([i], w[i], updates=[(w, new)], device=device)
    host = phintys.function([i], w[i])
    np.testing.assert_array_equal(f([0, -1]), [0, 5])
    before = w.get_value()
    with pytest.raises(IndexError) as there:
        f([1, 77])
    with pytest.raises(IndexError) as here:
        host([1, 77])
    assert str(there.value).splitlines()[0] == str(here.value).splitlines()[0]
    np.testing.assert_array_equal(w.get_value(), before)
    np.testing.assert_array_equal(f([2]), [before[2]])


def test_shapes_from_values(device):
    x, n, i = T.vector("x", dtype="float64"), T.lscalar("n"), T.lscalar("i")
    both(device, [x, n], x[: n + 1] * 2, np.arange(9.0), 3)
    both(device, [x, i], x[i - 1], np.arange(9.0), 3)
    both(device, [n], T.arange(n * 2) ** 2, 4)
    both(device, [x], x[T.nonzero(x > 3)[0]], np.arange(9.0))
    both(device, [x], x[: T.cast(x.sum(), "int64") // 10], np.arange(9.0))
    f = phintys.function([x, n], x[:n].sum(), device=device)
    for k in (1, 5, 3, 5, 5, 5, 1, 0):
        assert f(np.arange(9.0), k) == np.arange(k).sum()


def test_host_operations_in_between(device):
    x = T.vector("x", dtype="float64")

    class Twice(phintys.Op):
        def make_node(self, v):
            return phintys.Apply(self, [v], [v.type()])

        def perform(self, node, inputs, outputs):
            outputs[0][0] = inputs[0] * 2

    f = phintys.function([x], T.exp(Twice()(x + 1)).sum(), device=device)
    for _ in range(3):
        assert f([0.0, 1.0]) == pytest.approx(np.exp([2.0, 4.0]).sum())
    c = T.scalar("c", dtype="float64")
    g = phintys.function([c, x], ifelse(c > 0, x * 2, x * 3), device=device)
    np.testing.assert_array_equal(g(1, [1.0]), [2])
    np.testing.assert_array_equal(g(-1, [1.0]), [3])


def test_many_threads(device):
    w = phintys.shared(np.zeros(100), "w")
    x = T.vector("x", dtype="float64")
    f = phintys.function([x], (x**2).sum(), updates=[(w, w + x)], device=device)
    wrong = []

    def work(k):
        a = np.full(100, float(k))
        for _ in range(20):
            if f(a) != 100 * k**2:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    np.testing.assert_array_equal(w.get_value(), np.full(100, 20.0 * (1 + 2 + 3 + 4)))


# --- loops ----------------------------------------------------------------------------------------


def check_loop(device, inputs, outputs, *values):
    f = both(device, inputs, outputs, *values)
    return f


def test_loop_of_a_state(device):
    x = T.vector("x", dtype="float64")
    h, _ = phintys.scan(lambda v, s: T.tanh(s * 0.5 + v), sequences=x, outputs_info=T.zeros(()))
    check_loop(device, [x], h, np.linspace(-1, 1, 50))
    check_loop(device, [x], h[-1], np.linspace(-1, 1, 7))
    check_loop(device, [x], T.grad(h.sum(), x), np.linspace(-1, 1, 20))


def test_loop_over_rows(device):
    x, u = T.matrix("x", dtype="float32"), T.matrix("u", dtype="float32")

    def step(row, state, weights):
        return T.tanh(T.dot(state, weights) + row)

    h, _ = phintys.scan(step, sequences=x, outputs_info=T.zeros_like(x[0]), non_sequences=u)
    rng = np.random.default_rng(1)
    a = rng.normal(size=(11, 8)).astype("float32")
    b = rng.normal(size=(8, 8)).astype("float32") * 0.1
    check_loop(device, [x, u], h, a, b)
    check_loop(device, [x, u], h[-1], a, b)
    cost = (h**2).sum()
    f = phintys.function([x, u], T.grad(cost, [x, u]), device=device)
    want_all = phintys.function([x, u], T.grad(cost, [x, u]))(a, b)
    for got, want in zip(f(a, b), want_all, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-5)
    # Rows that do not lie together, and backwards.
    g, _ = phintys.scan(
        step,
        sequences=x.T,
        outputs_info=T.zeros((11,), "float32"),
        non_sequences=T.eye(11, dtype="float32") * np.float32(0.1),
        go_backwards=True,
    )
    check_loop(device, [x], g, a)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 10])
def test_loop_with_several_taps(device, steps):
    n = T.lscalar("n")
    first = T.vector("first", dtype="float64")
    values, _ = phintys.scan(
        lambda a, b: a + b,
        outputs_info={"initial": first, "taps": [-3, -1]},
        n_steps=n,
    )
    check_loop(device, [first, n], values, np.arange(3.0), steps)
    last = values[-1] if steps else values.sum()
    check_loop(device, [first, n], last, np.arange(3.0), steps)


@pytest.mark.parametrize("limit", [0.5, 20.0, 1e9])
def test_loop_that_stops(device, limit):
    x = T.scalar("x", dtype="float64")

    def step(s, top):
        return [s * 2, s + 1], phintys.scan_module.until(s * 2 > top)

    (doubled, emitted), _ = phintys.scan(
        step, outputs_info=[T.ones(()), None], non_sequences=x, n_steps=12
    )
    host = phintys.function([x], [doubled, emitted])(limit)
    f = phintys.function([x], [doubled, emitted], device=device)
    for _ in range(3):
        for got, want in zip(f(limit), host, strict=True):
            np.testing.assert_array_equal(got, want)


def test_nested_loops(device):
    x = T.matrix("x", dtype="float64")

    def row(r):
        inner, _ = phintys.scan(lambda v, s: s * 0.5 + v, sequences=r, outputs_info=T.zeros(()))
        return inner[-1]

    out, _ = phintys.scan(row, sequences=x)
    check_loop(device, [x], out, np.arange(12.0).reshape(3, 4))


def test_loop_whose_body_refuses(device):
    i = T.lvector("i")
    table = phintys.shared(np.arange(5.0), "table")
    out, _ = phintys.scan(lambda k, s: s + table[k], sequences=i, outputs_info=T.zeros(()))
    f = phintys.function([i], out, updates=[(table, table + 1)], device=device)
    np.testing.assert_array_equal(f([0, 4, -1]), [0, 4, 8])
    before = table.get_value()
    with pytest.raises(IndexError):
        f([0, 9])
    np.testing.assert_array_equal(table.get_value(), before)

"""What calls allocate, what is planned, limits, and leaks."""

from __future__ import annotations

import gc
import os
import resource
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core

SLOW = bool(os.environ.get("PHINTYS_SANITIZED"))


def stats():
    return _core.memory_stats()


def resident():
    """Resident bytes of this process."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


@pytest.fixture
def limit():
    """Sets the memory limit that many bytes above what is in use."""

    def set_limit(extra):
        gc.collect()
        _core.clear_memory_cache()
        _core.set_config(memory_limit=stats()["live_bytes"] + extra)

    yield set_limit
    _core.set_config(memory_limit=0)


def mlp(n_in=64, hidden=96, classes=10):
    rng = np.random.default_rng(0)
    x, y = T.dmatrix("x"), T.lvector("y")
    params = [
        phintys.shared(rng.normal(size=shape) * 0.1, name)
        for name, shape in [
            ("w1", (n_in, hidden)),
            ("b1", (hidden,)),
            ("w2", (hidden, classes)),
            ("b2", (classes,)),
        ]
    ]
    w1, b1, w2, b2 = params
    h = T.tanh(T.dot(x, w1) + b1)
    p = T.nnet.softmax(T.dot(h, w2) + b2)
    loss = -T.log(p[T.arange(y.shape[0]), y]).mean()
    grads = T.grad(loss, params)
    return x, y, params, h, loss, [(p, p - 0.1 * g) for p, g in zip(params, grads, strict=True)]


# --- allocations -------------------------------------------------------------------------------


def test_steady_calls_allocate_outputs_only():
    x, y, _, h, loss, updates = mlp()
    f = phintys.function([x, y], [loss, h], updates=updates)
    rng = np.random.default_rng(1)
    batches = {n: (rng.normal(size=(n, 64)), rng.integers(0, 10, n)) for n in (64, 100)}
    for a, b in batches.values():
        f(a, b)
        f(a, b)
    before = stats()
    for _ in range(10):
        for a, b in batches.values():
            f(a, b)
    after = stats()
    # One large output each call; the loss is small and lies in memory of NumPy's.
    assert after["allocations"] - before["allocations"] == 20
    assert after["system_allocations"] == before["system_allocations"]
    assert after["live_bytes"] == before["live_bytes"]


def test_steady_calls_without_large_outputs_allocate_nothing():
    x = T.dvector("x")
    s = phintys.shared(np.zeros(5000), "s")
    f = phintys.function([x], [x.sum(), (x * s).max()], updates=[(s, s * 0.5 + T.tanh(x))])
    value = np.ones(5000)
    f(value)
    before = stats()["allocations"]
    for _ in range(100):
        f(value)
    assert stats()["allocations"] == before


def test_planned_bytes_are_what_is_used():
    x = T.dmatrix("x")
    y = T.dot(T.tanh(x), x)
    f = phintys.function([x], (T.dot(y, y) + T.dot(x, y)).sum())
    for n in (1, 50, 300):
        f.free()
        planned = f.planned_bytes([(n, n)])
        before = stats()["live_bytes"]
        f(np.ones((n, n)))
        used = stats()["live_bytes"] - before
        # Blocks are rounded up by at most a quarter.
        assert planned <= used <= planned * 1.25 + 512
    assert f.planned_bytes([(300, 300)]) >= 300 * 300 * 8
    f.free()
    assert stats()["live_bytes"] <= before


def test_planned_bytes_of_bad_shapes():
    x = T.drow("x")
    f = phintys.function([x], x + 1)
    with pytest.raises((TypeError, ValueError)):
        f.planned_bytes([(2, 3)])
    with pytest.raises(ValueError):
        f.planned_bytes([(3,)])
    with pytest.raises(ValueError):
        f.planned_bytes([])
    with pytest.raises(ValueError):
        f.planned_bytes([(-1, 3)])


def test_a_dead_value_makes_room():
    """A chain of products needs two buffers, not one for each."""
    x = T.dmatrix("x")
    y = x
    for _ in range(20):
        y = T.dot(y, x)
    f = phintys.function([x], y.sum())
    assert f.planned_bytes([(100, 100)]) < 3 * 100 * 100 * 8


# --- limits ------------------------------------------------------------------------------------


def test_limit(limit):
    x = T.dvector("x")
    f = phintys.function([x], T.cumsum(x) if hasattr(T, "cumsum") else T.exp(x))
    limit(1 << 20)
    assert f(np.ones(1000)).shape == (1000,)
    with pytest.raises(MemoryError, match=r"memory limit of .* would be exceeded"):
        f(np.ones(1 << 20))
    assert f(np.ones(1000)).shape == (1000,)
    assert stats()["live_bytes"] + stats()["cached_bytes"] < (1 << 20) + stats()["live_bytes"]


def test_limit_and_shared_values(limit):
    s = phintys.shared(np.zeros(10), "s")
    limit(1 << 20)
    with pytest.raises(MemoryError):
        s.set_value(np.zeros(1 << 20))
    with pytest.raises(MemoryError):
        phintys.shared(np.zeros(1 << 20))
    assert s.get_value().shape == (10,)
    grow = phintys.function([], updates=[(s, T.concatenate([s, s]))])
    with pytest.raises(MemoryError):
        for _ in range(40):
            grow()
    n = s.get_value().shape[0]
    assert n & (n - 1) != n and n % 10 == 0


def test_impossible_sizes():
    n = T.lscalar("n")
    f = phintys.function([n], T.zeros((n, n)))
    assert f(3).shape == (3, 3)
    for bad in (1 << 31, 1 << 40, 1 << 62):
        with pytest.raises((MemoryError, ValueError, OverflowError)) as error:
            f(bad)
        assert "shape" in str(error.value) or "allocate" in str(error.value)
    with pytest.raises(ValueError):
        f(-1)
    assert f(2).shape == (2, 2)


# --- shapes that come and go -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_more_shapes_than_bindings_are_kept(mode):
    x, y = T.dmatrix("x"), T.dvector("y")
    s = phintys.shared(np.zeros(3), "s")
    f = phintys.function(
        [x, y],
        [T.tanh(x + y), x.sum(axis=0), T.dot(x, y), x[::2].T],
        updates=[(s, s + 1)],
        mode=mode,
    )
    rng = np.random.default_rng(0)
    for _ in range(3):
        for rows in [*range(40), 700, 0, 1]:
            for columns in (0, 1, 3, 100):
                a, b = rng.normal(size=(rows, columns)), rng.normal(size=columns)
                got = f(a, b)
                np.testing.assert_allclose(got[0], np.tanh(a + b), rtol=1e-13)
                np.testing.assert_allclose(got[1], a.sum(axis=0), rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(got[2], a @ b, rtol=1e-9, atol=1e-12)
                np.testing.assert_array_equal(got[3], a[::2].T)
    assert s.get_value()[0] == 3 * 43 * 4


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_shapes_that_depend_on_values(mode):
    data = np.arange(3000.0).reshape(300, 10)
    s = phintys.shared(data, "s")
    i, b, n = T.lscalars("i", "b", "n")
    x = s[i * b : (i + 1) * b]
    count = (x[:, 0] > 100).sum()
    nested = T.arange(count * n)
    outs = [
        x.sum(axis=0),
        x * 2,
        T.alloc(x.sum(), n, 2),
        nested,
        T.exp(-nested.reshape((n, count)) / 100.0).sum(axis=1),
        x.reshape((x.shape[1], x.shape[0] * 1)),
        T.zeros((count, n)) + T.ones(n),
        x[: count // 2],
    ]
    f = phintys.function([i, b, n], outs, mode=mode)
    rng = np.random.default_rng(0)
    cases = [tuple(int(v) for v in rng.integers(0, 40, 3)) for _ in range(120)]
    cases += [(0, 0, 0), (0, 300, 1), (1, 300, 5), (5, 7, 0), (0, 7, 3), (100, 100, 2)] * 2
    for k, c, m in cases:
        v = data[k * c : (k + 1) * c]
        over = int((v[:, 0] > 100).sum())
        got = f(k, c, m)
        np.testing.assert_allclose(got[0], v.sum(axis=0))
        np.testing.assert_array_equal(got[1], v * 2)
        np.testing.assert_allclose(got[2], np.full((m, 2), v.sum()))
        np.testing.assert_array_equal(got[3], np.arange(over * m))
        want = np.exp(-np.arange(over * m).reshape(m, over) / 100).sum(axis=1)
        np.testing.assert_allclose(got[4], want, rtol=1e-9)
        np.testing.assert_array_equal(got[5], v.reshape(10, len(v)))
        np.testing.assert_array_equal(got[6], np.ones((over, m)))
        np.testing.assert_array_equal(got[7], v[: over // 2])


@pytest.mark.skipif(SLOW, reason="a sanitizer's memory grows by itself")
def test_combinations_of_shapes_are_forgotten():
    n = [T.lscalar(f"n{k}") for k in range(4)]
    x = T.dvector("x")
    y = x
    for k in n:
        y = T.concatenate([y[: k + 1], T.arange(k) * y.sum()])
    f = phintys.function([x, *n], y.sum())
    rng = np.random.default_rng(0)

    def body():
        sizes = [int(v) for v in rng.integers(0, 12, 4)]
        want = np.ones(5)
        for k in sizes:
            want = np.concatenate([want[: k + 1], np.arange(k) * want.sum()])
        np.testing.assert_allclose(f(np.ones(5), *sizes), want.sum(), rtol=1e-9)

    assert grown(body, 6000, 1000) < 4 << 20


def test_segments_with_updates():
    n = T.lscalar("n")
    s = phintys.shared(np.arange(10.0), "s")
    t = phintys.shared(np.zeros(10), "t")
    f = phintys.function([n], [s[:n].sum(), t], updates=[(s, s[::-1]), (t, t + T.arange(10) * n)])
    value, total = np.arange(10.0), np.zeros(10)
    for k in (3, 0, 10, 3, 7, 100, -2):
        got = f(k)
        assert got[0] == value[:k].sum()
        np.testing.assert_array_equal(got[1], total)
        value, total = value[::-1], total + np.arange(10) * k
        np.testing.assert_array_equal(s.get_value(), value)
        np.testing.assert_array_equal(t.get_value(), total)


def test_alternating_layouts():
    x = T.dmatrix("x")
    f = phintys.function(
        [x], [T.exp(x), x.sum(axis=1), T.dot(x, x.T), x + T.addbroadcast(x[:1], 0)]
    )
    base = np.random.default_rng(0).normal(size=(64, 64))
    layouts = [base, base.T, base[::-1], base[:, ::-1], base[::2, ::3], np.asfortranarray(base)]
    layouts += [np.broadcast_to(base[0], (5, 64)), base[3:3], base[:, :1], base.T[::-1, ::-2]]
    for _ in range(3):
        for v in layouts:
            if len(v) == 0:
                continue
            got = f(v)
            np.testing.assert_allclose(got[0], np.exp(v), rtol=1e-13)
            np.testing.assert_allclose(got[1], v.sum(axis=1), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(got[2], v @ v.T, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(got[3], v + v[:1], rtol=1e-13)


# --- leaks -------------------------------------------------------------------------------------


def grown(body, rounds, warm_up):
    for _ in range(warm_up):
        body()
    gc.collect()
    before = resident(), stats()["live_bytes"]
    for _ in range(rounds):
        body()
    gc.collect()
    assert stats()["live_bytes"] <= before[1]
    return resident() - before[0]


@pytest.mark.skipif(SLOW, reason="a sanitizer's memory grows by itself")
def test_calls_leak_nothing():
    x = T.dvector("x")
    s = phintys.shared(np.zeros(10), "s")
    f = phintys.function([x], [x + 1, x.sum()], updates=[(s, s + 1)])
    small, large = np.ones(10), np.ones(1000)

    def body():
        s.set_value(small)
        f(small)
        with pytest.raises(ValueError):
            phintys_bad(large, small)
        f(x=small)

    a, b = T.dvectors("a", "b")
    phintys_bad = phintys.function([a, b], a + b)
    assert grown(body, 20_000, 2_000) < 2 << 20
    assert grown(lambda: f(small), 100_000, 1_000) < 1 << 20


@pytest.mark.skipif(SLOW, reason="a sanitizer's memory grows by itself")
def test_graphs_and_functions_leak_nothing():
    def body():
        x, y, params, _, loss, updates = mlp(8, 6, 3)
        f = phintys.function([x, y], loss, updates=updates)
        f(np.ones((4, 8)), np.zeros(4, "int64"))
        params[0].tag.function = f
        x.tag.cycle = loss

    assert grown(body, 150, 60) < 4 << 20


def test_cycles_are_collected():
    x = T.dvector("x")
    y = x * 2
    x.tag.me = y
    s = phintys.shared(np.zeros(1000), "s")
    f = phintys.function([x], y, updates=[(s, s + 1)])
    s.tag.function = f
    f.keep = f
    f(np.ones(1000))
    watch = [weakref.ref(o) for o in (x, y, s, f)]
    del x, y, s, f
    gc.collect()
    assert [w() for w in watch] == [None] * 4


def test_results_outlive_everything():
    x = T.dvector("x")
    s = phintys.shared(np.arange(1000.0), "s")
    f = phintys.function([x], [x * 2, s])
    a, b = f(np.ones(1000))
    view = s.get_value(borrow=True)
    del f, s, x
    gc.collect()
    _core.clear_memory_cache()
    assert a.sum() == 2000 and b[999] == 999 and view[999] == 999


def test_an_output_that_is_nearly_all_of_a_value_is_not_copied():
    """Of a loop's states the rows after the first: the caller gets the memory of all rows."""
    x = T.dmatrix()

    def states(a):
        rows = phintys.scan(lambda r, h: 0.5 * h + r, [x], [T.zeros_like(x[0])])[0]
        return phintys.function([x], rows if a is None else a(rows))

    value = np.random.default_rng(0).standard_normal((400, 100))
    want = [np.zeros(100)]
    for row in value:
        want.append(0.5 * want[-1] + row)
    want = np.array(want[1:])
    one = states(None)
    # The rows are nowhere but in the output.
    assert one.planned_bytes([(400, 100)]) < want.nbytes / 4
    results = [one(value + k) for k in range(3)]
    np.testing.assert_allclose(results[0], want, rtol=1e-13)
    assert not any(np.shares_memory(results[0], r) for r in results[1:])
    assert results[0].flags.c_contiguous and results[0].flags.writeable
    results[1][:] = 0
    np.testing.assert_allclose(one(value), want, rtol=1e-13)
    np.testing.assert_allclose(results[0], want, rtol=1e-13)
    # Where two outputs have the same memory, and where an output is a small part of it.
    both = states(lambda rows: [rows, rows[::2], rows[-1]])(value)
    np.testing.assert_allclose(both[0], want, rtol=1e-13)
    np.testing.assert_allclose(both[1], want[::2], rtol=1e-13)
    both[0][:] = 0
    np.testing.assert_allclose(both[2], want[-1], rtol=1e-13)


def test_parts_of_values_that_are_updates_as_well():
    x = T.dmatrix()
    s = phintys.shared(np.zeros((300, 10)))
    new = s * 2 + x
    f = phintys.function([x], new[1:], updates=[(s, new)])
    want = np.zeros((300, 10))
    for k in range(3):
        part = f(np.full((300, 10), k))
        want = want * 2 + k
        np.testing.assert_array_equal(part, want[1:])
        part[:] = -1
        np.testing.assert_array_equal(s.get_value(), want)

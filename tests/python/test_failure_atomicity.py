"""Calls that fail change nothing; results share memory with nothing; memory is reused safely."""

from __future__ import annotations

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core
from phintys.compile.nanguardmode import NanGuardMode

MODES = ["FAST_RUN", "FAST_COMPILE"]


def bits(shared):
    value = shared.get_value()
    return value.shape, value.dtype, value.tobytes()


def large(n=1000, seed=0):
    return np.random.default_rng(seed).normal(size=n)


def check_unchanged(function, args, shareds, error):
    before = [bits(s) for s in shareds]
    with pytest.raises(error) as caught:
        function(*args)
    assert [bits(s) for s in shareds] == before
    return str(caught.value)


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [3, 1000])
def test_shape_error_in_a_later_node(mode, n):
    x, y = T.dvectors("x", "y")
    a, b = phintys.shared(large(n), "a"), phintys.shared(large(n, 1), "b")
    f = phintys.function([x, y], a.sum(), updates=[(a, a * 2 + x), (b, b + y)], mode=mode)
    check_unchanged(f, (np.ones(n), np.ones(n + 1)), [a, b], ValueError)
    check_unchanged(f, (np.ones(n + 1), np.ones(n)), [a, b], ValueError)
    old = a.get_value()
    f(np.ones(n), np.ones(n))
    np.testing.assert_allclose(a.get_value(), old * 2 + 1)


@pytest.mark.parametrize("mode", MODES)
def test_index_out_of_range(mode):
    i = T.lscalar("i")
    a, b = phintys.shared(large(), "a"), phintys.shared(large(7), "b")
    f = phintys.function([i], updates=[(a, a + 1), (b, b * b[i])], mode=mode)
    check_unchanged(f, (7,), [a, b], IndexError)
    check_unchanged(f, (-8,), [a, b], IndexError)
    f(6)
    index = T.lvector("index")
    g = phintys.function([index], updates=[(a, T.inc_subtensor(a[index], 1.0))], mode=mode)
    check_unchanged(g, (np.array([0, 1, 2, 1000]),), [a], IndexError)
    g(np.array([0, 999]))


@pytest.mark.parametrize("mode", MODES)
def test_data_dependent_failure_in_a_late_segment(mode):
    n = T.lscalar("n")
    a, b = phintys.shared(large(), "a"), phintys.shared(large(10), "b")
    f = phintys.function(
        [n], T.arange(n).sum(), updates=[(a, a + 1), (b, b[:n] + T.arange(10))], mode=mode
    )
    check_unchanged(f, (5,), [a, b], ValueError)
    assert f(10) == 45


def test_nan_guard():
    x = T.dvector("x")
    a, b = phintys.shared(large(), "a"), phintys.shared(large(), "b")
    f = phintys.function([x], updates=[(a, a + 1), (b, T.log(b * 0 + x))], mode=NanGuardMode())
    text = check_unchanged(f, (np.full(1000, -1.0),), [a, b], AssertionError)
    assert "test_failure_atomicity.py" in text


@pytest.mark.parametrize("mode", MODES)
def test_memory_limit_at_each_allocation(mode):
    """The limit is raised block by block until the call succeeds."""
    x = T.dmatrix("x")
    n = 128
    a = phintys.shared(np.random.default_rng(0).normal(size=(n, n)), "a")
    b = phintys.shared(np.random.default_rng(1).normal(size=(n, n)), "b")
    c = phintys.shared(np.random.default_rng(2).normal(size=(n, n)), "c")
    outs = [T.tanh(T.dot(x, a)), x.T + b, T.nnet.softmax(T.dot(b, c))]
    updates = [
        (c, c + 1),
        (a, a - 0.1 * T.dot(x[::2, ::2].T, b[: n // 2, : n // 2]).sum() * a),
        (b, T.dot(b[::-1, ::-1], a)),
    ]
    value = np.random.default_rng(3).normal(size=(n, n))
    shareds = [a, b, c]
    start = [s.get_value() for s in shareds]
    expected = phintys.function([x], outs + [e for _, e in updates], mode="FAST_COMPILE")(value)
    f = phintys.function([x], outs, updates=updates, mode=mode)
    before = [bits(s) for s in shareds]
    failures = 0
    try:
        for extra in itertools.count(0, 16 * 1024):
            f.free()
            _core.clear_memory_cache()
            _core.set_config(memory_limit=_core.memory_stats()["live_bytes"] + extra + 1)
            try:
                results = f(value)
                break
            except MemoryError as error:
                failures += 1
                assert "memory limit" in str(error)
            finally:
                _core.set_config(memory_limit=0)
            assert [bits(s) for s in shareds] == before
    finally:
        _core.set_config(memory_limit=0)
    assert failures > 5
    results += [s.get_value() for s, _ in updates]
    for got, want in zip(results, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    assert not np.array_equal(start[0], a.get_value())


def test_workspaces_are_had_before_the_first_update_is_written():
    """A product that must pack its operands comes after an update written in place."""
    n = 256
    a = phintys.shared(np.zeros(n), "a")
    b = phintys.shared(np.eye(n), "b")
    x = T.dmatrix("x")
    f = phintys.function([x], updates=[(a, a + 1), (b, b + T.dot(x[::2, ::2], x[1::2, 1::2]))])
    value = np.ones((2 * n, 2 * n))
    before = [bits(a), bits(b)]
    succeeded = 0
    for extra in range(1, 4 * n * n * 8, 64 * 1024):
        f.free()
        _core.clear_memory_cache()
        _core.set_config(memory_limit=_core.memory_stats()["live_bytes"] + extra)
        try:
            f(value)
            succeeded += 1
            before = [bits(a), bits(b)]
        except MemoryError:
            assert [bits(a), bits(b)] == before
        finally:
            _core.set_config(memory_limit=0)
    assert succeeded
    assert a.get_value()[0] == succeeded


# --- what updates mean -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [2, 1000])
def test_swap_and_rotate(mode, n):
    a, b, c = (phintys.shared(large(n, k), name) for k, name in enumerate("abc"))
    va, vb, vc = (s.get_value() for s in (a, b, c))
    phintys.function([], updates=[(a, b), (b, a)], mode=mode)()
    np.testing.assert_array_equal(a.get_value(), vb)
    np.testing.assert_array_equal(b.get_value(), va)
    phintys.function([], updates=[(a, b), (b, c), (c, a)], mode=mode)()
    for s, want in ((a, va), (b, vc), (c, vb)):
        np.testing.assert_array_equal(s.get_value(), want)
    a.set_value(np.zeros(n))
    np.testing.assert_array_equal(b.get_value(), vc)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [2, 40])
def test_updates_to_views_of_themselves(mode, n):
    cases = {
        "reversed": lambda s: s[::-1],
        "transposed": lambda s: s.T,
        "both": lambda s: s.T[::-1, ::-1],
        "shorter": lambda s: s[1:] + s[:-1],
        "row": lambda s: s[:1],
        "empty": lambda s: s[:0],
        "tripled": lambda s: T.concatenate([s, s, s]),
        "added": lambda s: s + s[::-1],
        "added transposed": lambda s: s + s.T,
        "minus first row": lambda s: s - s[0],
        "minus last row": lambda s: s - T.addbroadcast(s[-1:], 0),
        "minus column": lambda s: s - T.addbroadcast(s[:, 1:2], 1),
        "normalised": lambda s: s / s.sum(axis=0),
        "softmax": lambda s: T.nnet.softmax(s),
        "product": lambda s: T.dot(s, s),
        "gemm": lambda s: s + T.dot(s, s.T),
        "gemm of views": lambda s: s - 0.5 * T.dot(s[::-1], s[:, ::-1]),
        "set": lambda s: T.set_subtensor(s[0], s[1]),
        "set overlapping": lambda s: T.set_subtensor(s[1:], s[:-1]),
        "inc overlapping": lambda s: T.inc_subtensor(s[1:], s[:-1]),
        "inc reversed": lambda s: T.inc_subtensor(s[:], s[::-1]),
        "flat": lambda s: s.flatten().reshape(s.shape) * 2,
        "sum": lambda s: s * 0 + s.sum(),
        "cumulated": lambda s: T.switch(s > s.T, s, s.T),
        "power twice": lambda s: (s * s.T) * (s + s.T) - s,
    }
    for name, expression in cases.items():
        s = phintys.shared(np.random.default_rng(0).normal(size=(n, n)), "s")
        old = s.get_value()
        want = phintys.function([], expression(s), mode="FAST_COMPILE")()
        f = phintys.function([], [s, s + 1], updates=[(s, expression(s))], mode=mode)
        got_old, got_plus = f()
        np.testing.assert_array_equal(got_old, old, err_msg=name)
        np.testing.assert_array_equal(got_plus, old + 1, err_msg=name)
        np.testing.assert_allclose(s.get_value(), want, rtol=1e-12, err_msg=name)
        # Without outputs the new value may be computed where the old one is.
        s.set_value(old)
        phintys.function([], updates=[(s, expression(s))], mode=mode)()
        np.testing.assert_allclose(s.get_value(), want, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [3, 1000])
def test_two_updates_reading_each_other(mode, n):
    def formulas(a, b):
        return [
            (a + b, a - b),
            (a * 2, b + a),
            (a + b[::-1], b * a[::-1]),
            (b + 1, a + 1),
            (T.exp(-(a**2)) + b, T.exp(-(a**2)) * b),
            (a + b.sum(), b + a.sum()),
        ]

    for k in range(6):
        a, b = phintys.shared(large(n), "a"), phintys.shared(large(n, 1), "b")
        new_a, new_b = formulas(a, b)[k]
        want = phintys.function([], [new_a, new_b], mode="FAST_COMPILE")()
        phintys.function([], updates=[(a, new_a), (b, new_b)], mode=mode)()
        np.testing.assert_allclose(a.get_value(), want[0], rtol=1e-13, err_msg=str(k))
        np.testing.assert_allclose(b.get_value(), want[1], rtol=1e-13, err_msg=str(k))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [3, 1000])
def test_update_with_an_input_a_constant_another_shared(mode, n):
    x = T.dvector("x")
    a, b, c = (phintys.shared(large(n, k), name) for k, name in enumerate("abc"))
    constant = np.arange(float(n))
    vb = b.get_value()
    given = large(n, 9)
    f = phintys.function([x], [x, b], updates=[(a, x), (b, constant), (c, b)], mode=mode)
    for _ in range(2):
        out_x, out_b = f(given)
        np.testing.assert_array_equal(out_x, given)
        np.testing.assert_array_equal(out_b, vb)
        np.testing.assert_array_equal(a.get_value(), given)
        np.testing.assert_array_equal(b.get_value(), constant)
        np.testing.assert_array_equal(c.get_value(), vb)
        vb = constant
        # The new values are the variables' own.
        given[:] = 0
        a.get_value(borrow=True)[:] = 5
        assert not np.shares_memory(a.get_value(borrow=True), given)
        b.get_value(borrow=True)[0] = 0
        given = large(n, 10)


def test_broadcast_update():
    a = phintys.shared(np.zeros((1, 1)), "a")
    m = phintys.shared(np.arange(6.0).reshape(2, 3), "m")
    phintys.function([], updates=[(a, T.addbroadcast(a, 0, 1) + m), (m, m + 1)])()
    np.testing.assert_array_equal(a.get_value(), np.arange(6.0).reshape(2, 3))
    row = phintys.shared(np.zeros((1, 3)), "row", broadcastable=(True, False))
    phintys.function([], updates=[(m, m * 0 + row)])()
    assert m.get_value().shape == (2, 3)


# --- memory of arguments, results and state ----------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(2, 2), (60, 60)])
def test_outputs_share_memory_with_nothing(mode, shape):
    x = T.dmatrix("x")
    s = phintys.shared(np.random.default_rng(1).normal(size=shape), "s")
    y = x * 2
    outs = [x, x, s, y, y, y.T, y[::-1], x.T, s.T, x.reshape((shape[0] * shape[1],)), y[:1]]
    outs += [T.constant(np.ones(shape)), x[0], s + 0, x * 1]
    f = phintys.function([x], outs, mode=mode)
    value = np.random.default_rng(0).normal(size=shape)
    got = f(value)
    again = f(value)
    borrowed = s.get_value(borrow=True)
    for i, a in enumerate(got):
        assert a.flags.writeable
        assert not np.shares_memory(a, value), i
        assert not np.shares_memory(a, borrowed), i
        for j, b in enumerate(got[:i] + again):
            assert not np.shares_memory(a, b), (i, j)
    copies = [a.copy() for a in got]
    for a in again:
        a[...] = np.nan
    value[...] = np.nan
    borrowed[...] = np.nan
    f(value)
    for a, b in zip(got, copies, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
def test_borrowed_state_as_argument(mode):
    """The memory of a shared variable comes in as an argument while the call writes it."""
    x = T.dvector("x")
    for expression in (lambda s: s + x[::-1], lambda s: s * 2 + x[::-1] * x, lambda s: s + x):
        s = phintys.shared(large(), "s")
        old = s.get_value()
        value = s.get_value(borrow=True)
        f = phintys.function([x], [x, x + s], updates=[(s, expression(s))], mode=mode)
        want = phintys.function([x], expression(s), mode="FAST_COMPILE")(old)
        got_x, got_sum = f(value)
        np.testing.assert_array_equal(got_x, old)
        np.testing.assert_array_equal(got_sum, old + old)
        np.testing.assert_allclose(s.get_value(), want, rtol=1e-14)
        s.set_value(old)
        value = s.get_value(borrow=True)
        phintys.function([x], updates=[(s, expression(s))], mode=mode)(value[:])
        np.testing.assert_allclose(s.get_value(), want, rtol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_lent_arrays(mode):
    """One array lent to two variables: each update reads what was there before the call."""
    array = large()
    a, b = phintys.shared(np.zeros(1000), "a"), phintys.shared(np.zeros(1000), "b")
    a.set_value(array, borrow=True)
    b.set_value(array[::-1], borrow=True)
    old = array.copy()
    f = phintys.function([], b + 0, updates=[(a, a + b[::-1] * 0 + b)], mode=mode)
    np.testing.assert_array_equal(f(), old[::-1])
    np.testing.assert_allclose(a.get_value(), old * 1 + old[::-1])


def test_lent_arrays_that_overlap_themselves_or_cannot_be_written():
    broadcast = np.lib.stride_tricks.as_strided(np.ones(1), (5,), (0,), writeable=True)
    s = phintys.shared(np.zeros(5), "s")
    s.set_value(broadcast, borrow=True)
    f = phintys.function([], updates=[(s, s + T.arange(5))])
    f()
    f()
    np.testing.assert_array_equal(s.get_value(), 1 + 2 * np.arange(5.0))
    assert broadcast[0] == 1
    constant = np.ones(5)
    constant.flags.writeable = False
    t = phintys.shared(constant, borrow=True)
    t.set_value(constant, borrow=True)
    phintys.function([], updates=[(t, t + 1)])()
    assert constant[0] == 1 and t.get_value()[0] == 2


# --- reuse of memory ----------------------------------------------------------------------------


class RandomGraph:
    """A graph of views, elementwise ops, products and reductions over square matrices."""

    def __init__(self, seed, n):
        self.rng = np.random.default_rng(seed)
        self.n = n
        self.inputs = [T.dmatrix(f"x{k}") for k in range(2)]
        self.shared = [phintys.shared(self.rng.normal(size=(n, n)), f"s{k}") for k in range(3)]
        self.pool = [*self.inputs, *self.shared]
        for _ in range(int(self.rng.integers(4, 24))):
            self.pool.append(self.step())

    def pick(self):
        pool = self.pool if self.rng.random() < 0.5 else self.pool[-4:]
        return pool[int(self.rng.integers(len(pool)))]

    def step(self):
        a, b = self.pick(), self.pick()
        k = int(self.rng.integers(self.n))
        return [
            lambda: T.tanh(a + b),
            lambda: a * 0.5 - b,
            lambda: T.sin(a),
            lambda: a.T,
            lambda: a[::-1],
            lambda: a[:, ::-1],
            lambda: T.tanh(T.dot(a, b) * 0.1),
            lambda: T.tanh(a + 0.1 * T.dot(b, a)),
            lambda: a - a.mean(axis=0),
            lambda: a - a.mean(axis=1, keepdims=True),
            lambda: T.nnet.softmax(a),
            lambda: T.set_subtensor(a[k], b[0]),
            lambda: T.inc_subtensor(a[:, k], b[0]) * 0.7,
            lambda: T.concatenate([a[k:], b[:k]]),
            lambda: T.maximum(a, b.T),
            lambda: a.reshape((self.n * self.n,)).reshape((self.n, self.n)),
            lambda: T.tanh(a + b.sum()),
        ][int(self.rng.integers(17))]()

    def roles(self):
        outs = [self.pick() for _ in range(int(self.rng.integers(0, 4)))]
        count = int(self.rng.integers(1, 4))
        return outs, [(s, self.pick()) for s in self.shared[:count]]


def compile_core(graph, outs, updates, **options):
    core = _core.compile(graph.inputs, outs, updates=updates, **options)
    from phintys import _call
    from phintys.compile.function_module import InputSpec

    return _call.FunctionBase(core, [InputSpec(v.name, v.type) for v in graph.inputs], "list")


@pytest.mark.parametrize("seed", range(60))
def test_reusing_memory_changes_nothing(seed):
    n = (3, 17, 33)[seed % 3]
    graph = RandomGraph(seed, n)
    outs, updates = graph.roles()
    start = [s.get_value() for s in graph.shared]
    values = [graph.rng.normal(size=(n, n)) for _ in graph.inputs]
    given = [v.copy() for v in values]
    results = []
    for options in (
        {"reuse_memory": False},
        {},
        {"fuse": False},
        {"pipeline": "none"},
        {"pipeline": "none", "fuse": False, "reuse_memory": False},
    ):
        for s, value in zip(graph.shared, start, strict=True):
            s.set_value(value)
        f = compile_core(graph, outs, updates, **options)
        got = []
        for _ in range(3):
            got += [a.copy() for a in f(*values)] + [s.get_value() for s in graph.shared]
        for a, b in zip(values, given, strict=True):
            np.testing.assert_array_equal(a, b)
        results.append(got)
    for a, b in zip(results[0], results[1], strict=True):
        assert a.tobytes() == b.tobytes()
    for other in results[2:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)

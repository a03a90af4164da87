"""Functions over few elements, whose calls become flat lists of kernel calls once shapes repeat.

A profiled function always runs its instructions one by one: the results must be the same to the
last bit, whatever was called before.
"""

import os
import threading

import numpy as np
import phintys
import phintys.tensor as T
import pytest
import random_graphs as rg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phintys.compile import ProfileStats, function
from phintys.ifelse import ifelse

EXAMPLES = int(os.environ.get("PHINTYS_TEST_EXAMPLES", "100"))
CALLS = 6  # more than are needed until calls are flat


def plain(inputs, outputs):
    """The function that runs instruction by instruction."""
    return function(
        inputs, outputs, profile=ProfileStats(atexit_print=False), on_unused_input="ignore"
    )


def same_bits(values, others):
    for value, other in zip(values, others, strict=True):
        assert value.dtype == other.dtype
        assert value.shape == other.shape
        np.testing.assert_array_equal(value, other)


@settings(
    max_examples=2 * EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(rg.PROGRAM, st.integers(0, 99))
def test_random_graphs(program, seed):
    start, values = rg.build(program, np.random.default_rng(seed))
    chosen = values[-3:] + values[len(start) : -3 : 3]
    xs, outputs = [v.var for v in start], [v.var for v in chosen]
    f, g = function(xs, outputs, on_unused_input="ignore"), plain(xs, outputs)
    arrays = [v.array for v in start]
    for _ in range(CALLS):
        same_bits(f(*arrays), [v.array for v in chosen])
    others = [np.asarray(a[::-1] if a.ndim else a).copy() for a in arrays]
    same_bits(f(*others), g(*others))
    same_bits(f(*arrays), [v.array for v in chosen])


def density(x, y):
    z = (x[2:] - x[0] * T.exp(y)) / (1 + y * y)
    return T.log1p(y * y) - (z * z).sum() + x[1]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [3, 7, 10, 16, 33, 200])
def test_gradients(dtype, n):
    x, y = T.vector(dtype=dtype), T.scalar(dtype=dtype)
    value = density(x, y)
    outputs = [value, *T.grad(value, [x, y])]
    f, g = function([x, y], outputs), plain([x, y], outputs)
    rng = np.random.default_rng(n)
    results = []
    for _ in range(CALLS):
        arguments = rng.standard_normal(n).astype(dtype), rng.standard_normal(()).astype(dtype)
        results.append((f(*arguments), g(*arguments)))
    for mine, others in results:  # later calls have not written to earlier results
        same_bits(mine, others)


def test_shapes_that_alternate():
    x, y = T.dmatrix(), T.dvector()
    outputs = [T.dot(x, y), (x * y).sum(axis=0), x.max(axis=1)]
    f, g = function([x, y], outputs), plain([x, y], outputs)
    rng = np.random.default_rng(0)
    for shape in [(2, 3), (3, 3), (4, 1), (60, 80)] * CALLS:
        a, b = rng.standard_normal(shape), rng.standard_normal(shape[1])
        same_bits(f(a, b), g(a, b))
        wide = rng.standard_normal((shape[0], 2 * shape[1]))[:, ::2]
        same_bits(f(wide, b), g(wide, b))
    f, g = function([x], x * 2), plain([x], x * 2)
    for shape in [(2, 3), (0, 3), (3, 0)] * CALLS:
        same_bits([f(np.ones(shape))], [g(np.ones(shape))])


def test_inputs_constants_and_views_as_outputs():
    x = T.dmatrix()
    fixed = T.constant(np.arange(6.0).reshape(2, 3))
    outputs = [x, x.T, x[::-1, 1], fixed, fixed[1], x + 1, x.sum(), x.T.flatten()]
    f = function([x], outputs)
    results = []
    for k in range(CALLS):
        a = np.arange(6.0).reshape(2, 3) + k
        before = a.copy()
        results.append(f(a))
        np.testing.assert_array_equal(a, before)
        results[-1][0][:] = -1  # the caller's own
        results[-1][3][:] = -1
        np.testing.assert_array_equal(a, before)
    for k, (_, t, r, _, row, plus, total, flat) in enumerate(results):
        a = np.arange(6.0).reshape(2, 3) + k
        same_bits([t, r, row], [a.T, a[::-1, 1], np.arange(3.0, 6.0)])
        same_bits([plus, total, flat], [a + 1, a.sum(), a.T.flatten()])


def test_ops_that_are_no_kernels():
    x, i = T.dvector(), T.lvector()
    outputs = [x[i], T.sort(x), T.cumsum(x), T.inc_subtensor(x[i], 1.0), T.set_subtensor(x[1:3], 7)]
    f, g = function([x, i], outputs), plain([x, i], outputs)
    rng = np.random.default_rng(3)
    for _ in range(CALLS):
        a, k = rng.standard_normal(5), rng.integers(-5, 5, 4)
        same_bits(f(a, k), g(a, k))
    with pytest.raises(IndexError) as error:
        f(a, np.array([0, 1, 2, 5]))
    with pytest.raises(IndexError) as other:
        g(a, np.array([0, 1, 2, 5]))
    assert str(error.value) == str(other.value)
    same_bits(f(a, k), g(a, k))


def test_loops_and_branches_inside():
    x, n = T.dvector(), T.lscalar()
    rows, _ = phintys.scan(lambda h: T.tanh(h) + 0.5, outputs_info=[x], n_steps=3)
    outputs = [rows[-1] + 1, ifelse(n > 0, x.sum(), x.prod()) * 2]
    f, g = function([x, n], outputs), plain([x, n], outputs)
    rng = np.random.default_rng(4)
    for k in range(2 * CALLS):
        a = rng.standard_normal(4)
        same_bits(f(a, k % 2), g(a, k % 2))


def test_limits():
    x = T.dvector()
    f = function([x], T.exp(x).sum())
    for _ in range(CALLS):
        f(np.ones(3))
    token = phintys.CancelToken()
    token.cancel()
    with pytest.raises(phintys.errors.Cancelled), phintys.limits(cancel=token):
        f(np.ones(3))
    assert f(np.zeros(3)) == 3


def test_threads():
    x = T.dvector()
    outputs = [T.exp(x), (x * x).sum()]
    f = function([x], outputs)
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            a = rng.standard_normal(5)
            e, s = f(a)
            if not np.allclose(e, np.exp(a), rtol=1e-13) or not np.isclose(s, (a * a).sum()):
                wrong.append(a)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_saved_functions(tmp_path):
    x, y = T.dvector(), T.dscalar()
    f = function([x, y], density(x, y))
    f.save(tmp_path / "f.phy")
    loaded = phintys.load(tmp_path / "f.phy")
    for k in range(CALLS):
        assert loaded(np.arange(5.0) + k, 0.5) == f(np.arange(5.0) + k, 0.5)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "bool", "complex64"])
def test_parts_that_are_stored(dtype):
    x, m = T.vector(dtype=dtype), T.matrix(dtype=dtype)
    outputs = []
    for change in (T.inc_subtensor, T.set_subtensor):
        outputs += [
            change(x[1], x[0]),
            change(x[-2:], x[:2]),
            change(x[1:4], x[2]),
            change(x[::2], x[:3]),
            change(m[1], x[:3]),
            change(m[:, 1:], m[:, :-1]),
            change(m[::-1, 1], m[:, 0]),
            change(T.zeros((7,), dtype)[2:6], x[1:]),
        ]
    f, g = function([x, m], outputs), plain([x, m], outputs)
    rng = np.random.default_rng(5)
    for _ in range(CALLS):
        a, b = rng.integers(-9, 9, 5).astype(dtype), rng.integers(-9, 9, (4, 3)).astype(dtype)
        same_bits(f(a, b), g(a, b))
    f = function([x], T.inc_subtensor(x[:3], x[3:]))
    for _ in range(CALLS):
        np.testing.assert_array_equal(f(a[[0, 1, 2, 3, 4, 0]])[3:], a[[3, 4, 0]])
        with pytest.raises(ValueError, match="cannot store values of shape"):
            f(a)


def test_shared_variables():
    x = T.dvector()
    s, r, n = phintys.shared(np.arange(3.0)), phintys.shared(np.ones(3)), phintys.shared(0)
    outputs = [s + x, r, s]
    f = function([x], outputs, updates=[(s, r), (r, s + x), (n, n + 1)])
    a, b = s.get_value(), r.get_value()
    results = []
    for k in range(2 * CALLS):
        v = np.full(3, 0.5 + k)
        results.append((f(v), [a + v, b, a]))
        a, b = b, a + v
    for mine, others in results:
        same_bits(mine, others)
    same_bits([s.get_value(), r.get_value(), n.get_value()], [a, b, np.asarray(2 * CALLS)])
    # Of other lengths and layouts, which the flat list was not made for.
    s.set_value(np.arange(8.0)[::2])
    r.set_value(np.ones(4))
    same_bits(f(np.ones(4)), [np.arange(8.0)[::2] + 1, np.ones(4), np.arange(8.0)[::2]])
    same_bits([s.get_value(), r.get_value()], [np.ones(4), np.arange(8.0)[::2] + 1])


def test_a_shared_variable_that_is_only_written():
    x = T.dmatrix()
    s = phintys.shared(np.zeros((2, 2)))
    f = function([x], x.sum(), updates=[(s, x.T)])
    for shape in [(2, 2)] * CALLS + [(3, 2)] * CALLS + [(2, 2)] * CALLS:
        a = np.random.default_rng(0).standard_normal(shape)
        f(a)
        np.testing.assert_array_equal(s.get_value(), a.T)


def test_arguments_that_lie_in_a_shared_variable():
    x = T.dvector()
    value = np.arange(4.0)
    s = phintys.shared(value, borrow=True)
    f = function([x], x + 1, updates=[(s, s * 2 + x[::-1])])
    for _ in range(CALLS):
        inside = s.get_value(borrow=True)
        before = inside.copy()
        np.testing.assert_array_equal(f(inside), before + 1)
        np.testing.assert_array_equal(s.get_value(), before * 2 + before[::-1])


def test_a_call_that_fails_changes_nothing():
    x, i = T.dvector(), T.lvector()
    s = phintys.shared(np.zeros(2))
    f = function([x, i], x[i].sum(), updates=[(s, s + x[:2])])
    for _ in range(CALLS):
        f(np.ones(3), np.array([0, 2]))
    with pytest.raises(IndexError):
        f(np.ones(3), np.array([0, 3]))
    np.testing.assert_array_equal(s.get_value(), [CALLS, CALLS])


def test_threads_that_share():
    n = phintys.shared(0)
    tiny, large = phintys.shared(0.0), phintys.shared(np.zeros((200, 200)))
    count = function([], n, updates=[(n, n + 1)])
    slow = function([], updates=[(large, T.dot(large, large) + tiny), (tiny, tiny + 1)])
    quick = function([], tiny, updates=[(tiny, tiny + 1)])
    seen = [[] for _ in range(4)]

    def work(k):
        for _ in range(300):
            seen[k].append(int(count()))
            quick()
            if k < 2 and len(seen[k]) % 10 == 0:
                slow()  # while it runs, the others wait for `tiny`

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(k for some in seen for k in some) == list(range(1200))
    assert tiny.get_value() == 1200 + 60


def test_random_streams():
    streams = [phintys.tensor.random.RandomStream(7) for _ in range(2)]
    f = function([], streams[0].normal(size=(5,)))
    g = plain([], streams[1].normal(size=(5,)))
    for _ in range(2 * CALLS):
        same_bits([f()], [g()])

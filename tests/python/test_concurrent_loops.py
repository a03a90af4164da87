"""Loops, branches and ops in Python, called from many threads at once."""

import itertools
import pickle
import threading

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core, scan
from phintys.compile import MonitorMode, ProfileStats
from phintys.compile.ops import as_op
from phintys.errors import Cancelled, StepLimitError
from phintys.ifelse import ifelse
from phintys.scan_module import until
from phintys.tensor.random import RandomStream
from threads import in_threads

ROUNDS = 15


@pytest.fixture(autouse=True, params=[1, 2])
def num_threads(request):
    before = _core.num_threads()
    _core.set_config(num_threads=request.param)
    yield
    _core.set_config(num_threads=before)


def all_kinds(**options):
    """Loops of every kind over the rows of a matrix, a branch and a gradient."""
    x = T.dmatrix("x")
    rows, _ = scan(lambda e, s: T.dot(T.outer(s, e), e) * 0.01 + 1, x, T.ones_like(x[0]))
    single, _ = scan(lambda v, s: s * 0.5 + v, x[:, 0], np.float64(1))
    stopped, _ = scan(lambda v, s: (s + v, until(s > 3)), abs(x[:, 0]), np.float64(0))
    parts, _ = scan(
        lambda e, t: t + scan(lambda v, s: s * 0.5 + v, e, np.float64(0))[0].sum(), x, np.float64(0)
    )
    opaque, _ = scan(lambda e: T.arange(T.cast(e[0] * 0, "int64") + 2) + e[0], x)
    chosen = ifelse(x.sum() > 0, T.dot(x, x.T).sum(), T.exp(x).sum())
    slope = phintys.grad(rows.sum(), x)
    outs = [rows[-1], single, stopped[-1], parts, opaque, chosen, slope]
    return phintys.function([x], outs, **options)


def arrays(seed, n=8):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(1, 9), rng.integers(1, 5))) for _ in range(n)]


def same(got, expected):
    assert all(a.tobytes() == b.tobytes() for a, b in zip(got, expected, strict=True))


def caller(f, seed, rounds=ROUNDS):
    """Calls with several shapes; what was computed alone must be computed again."""
    values = arrays(seed)
    expected = [f(v) for v in values]

    def run():
        for _, (v, e) in itertools.product(range(rounds), zip(values, expected, strict=True)):
            same(f(v), e)

    return run


def test_one_function_many_threads():
    f = all_kinds()
    in_threads([caller(f, k) for k in range(5)])


def test_the_same_without_passes():
    f = all_kinds(mode="FAST_COMPILE")
    in_threads([caller(f, k, 5) for k in range(4)])


def test_saving_printing_and_planning_meanwhile():
    f = all_kinds()

    def look():
        for k in range(ROUNDS):
            g = pickle.loads(pickle.dumps(f))
            same(g(np.ones((3, 2))), f(np.ones((3, 2))))
            f.fn.program_text()
            f.fn.planned_bytes([(k + 1, 2)])

    in_threads([caller(f, 0), caller(f, 1), look, look])


def test_profiles_read_while_calls_run(tmp_path):
    stats = ProfileStats(atexit_print=False)
    f = all_kinds(profile=stats)
    done = threading.Event()
    callers = [caller(f, k, 5) for k in range(3)]

    def call(run):
        try:
            run()
        finally:
            done.set()

    def look(number):
        with open("/dev/null", "w") as null:
            while not done.is_set():
                stats.write_trace(tmp_path / f"{number}.json")
                stats.summary(file=null)
                assert sum(loop.nbsteps for loop in stats.loops) >= 0
                if number:
                    stats.reset()

    in_threads([*(lambda r=r: call(r) for r in callers), lambda: look(0), lambda: look(1)])
    stats.reset()
    f(np.ones((3, 2)))
    assert stats.fct_callcount == 1


def test_updates_by_loops_are_not_lost():
    total, count = phintys.shared(np.zeros(3), "total"), phintys.shared(0, "count")
    x = T.dmatrix("x")
    _, updates = scan(lambda e: (e, {total: total + e, count: count + 1}), x)
    f = phintys.function([x], x.sum(), updates=updates)

    def run():
        for n in range(40):
            f(np.ones((n % 4, 3)))

    def read():
        for _ in range(200):
            value = total.get_value()
            assert (value == value[0]).all()

    in_threads([run] * 4 + [read] * 2)
    assert count.get_value() == 4 * 60
    np.testing.assert_array_equal(total.get_value(), np.full(3, 240.0))


def test_draws_in_loops_come_each_once():
    random = RandomStream(1)
    out, updates = scan(lambda: random.uniform(), n_steps=3)
    f = phintys.function([], out, updates=updates)
    lists = [[] for _ in range(4)]
    in_threads([lambda mine=mine: mine.extend(f().tobytes() for _ in range(20)) for mine in lists])
    assert len(set(itertools.chain(*lists))) == 80


def endless():
    s = phintys.shared(np.zeros(3), "s")
    n = T.lscalar("n")
    rows, _ = scan(lambda v: T.dot(T.outer(v, v), v) + 1e-3, None, T.zeros((3,)), n_steps=n)
    value, _ = scan(lambda v: v * 0.5 + 1, None, np.float64(0), n_steps=n)
    f = phintys.function([n], [rows[-1], value[-1]], updates=[(s, s + 1)], name="endless")
    return f, s


def test_cancelled_from_another_thread():
    f, s = endless()
    tokens = [phintys.CancelToken() for _ in range(3)]
    running = threading.Semaphore(0)

    def long(token):
        with phintys.limits(cancel=token):
            running.release()
            with pytest.raises(Cancelled, match="'endless' was cancelled"):
                f(2**40)

    def cancel():
        for _ in tokens:
            running.acquire()
        for token in tokens:
            token.cancel()
        for _ in range(5):
            f(3)

    def limited():
        for _ in range(ROUNDS):
            with phintys.limits(max_steps=1000), pytest.raises(StepLimitError):
                f(1001)
            with phintys.limits(timeout=0.002), pytest.raises(TimeoutError):
                f(2**40)

    workers = [lambda t=t: long(t) for t in tokens]
    in_threads([*workers, cancel])
    in_threads([limited] * 3)
    np.testing.assert_array_equal(s.get_value(), np.full(3, 5.0))


def test_threads_that_take_different_branches():
    x, c = T.dmatrix("x"), T.lscalar("c")
    w = phintys.shared(np.ones((3, 3)), "w")
    y = ifelse(c > 0, T.dot(x, w), T.exp(x * 0.5))
    rows, _ = scan(lambda e, s: ifelse(c > 0, s + e, T.dot(T.outer(s, e), e)), x, T.ones((3,)))
    f = phintys.function([x, c], [y, rows, ifelse(c > 1, x, x.T).sum()])

    def worker(k):
        values = [np.random.default_rng(k).normal(size=(n, 3)) for n in (0, 1, 3, 7)]
        expected = [f(v, k) for v in values]

        def run():
            for _ in range(ROUNDS):
                for v, e in zip(values, expected, strict=True):
                    same(f(v, k), e)
                w.set_value(np.ones((3, 3)))

        return run

    in_threads([worker(k) for k in range(4)])


def test_ops_in_python_inside_loops_and_branches():
    inside = phintys.function([v := T.dvector("v")], scan(lambda e, s: e + s, v, np.float64(0))[0])

    @as_op([T.dvector], [T.dvector], infer_shape=lambda node, shapes: shapes)
    def running_sum(value):
        return inside(value)

    x = T.dmatrix("x")
    rows, _ = scan(lambda e: running_sum(e) * 2, x)
    y = ifelse(x.sum() > 0, running_sum(x[0]), x[0])
    f = phintys.function([x], [rows, y])

    def worker(k):
        def run():
            rng = np.random.default_rng(k)
            for _ in range(ROUNDS):
                a = rng.normal(size=(3, k + 1))
                got = f(a)
                np.testing.assert_allclose(got[0], np.cumsum(a, 1) * 2)
                np.testing.assert_allclose(got[1], np.cumsum(a[0]) if a.sum() > 0 else a[0])

        return run

    in_threads([worker(k) for k in range(4)])


def test_monitored_loops():
    seen = []
    mode = MonitorMode(lambda i, node, fn: seen.append(i), lambda i, node, fn: seen.append(-i))
    f = all_kinds(mode=mode)
    in_threads([caller(f, k, 1) for k in range(3)])
    assert len(seen) > 100


def test_rows_that_the_pool_works_on():
    x, w = T.dmatrix("x"), phintys.shared(np.full((40, 40), 0.01), "w")
    rows, _ = scan(lambda e, s: T.tanh(T.dot(s, w) + e.sum() * 1e-3), x, T.zeros((700, 40)))
    f = phintys.function([x], [rows[-1], phintys.grad(rows[-1].sum(), x)])
    value = np.random.default_rng(0).normal(size=(4, 6000))
    expected = f(value)
    stop = threading.Event()

    def change():
        for n in (1, 2, 3, 2) * 3:
            _core.set_config(num_threads=n)
        stop.set()

    def run():
        while not stop.is_set():
            same(f(value), expected)

    in_threads([run, run, change])


def test_compiling_loops_in_threads():
    def run():
        for _ in range(3):
            f = all_kinds()
            assert np.isfinite(f(np.ones((3, 2)))[3]).all()

    in_threads([run] * 3)

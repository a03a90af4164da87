"""Functions called from many threads, from forked and other processes, and from themselves."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core
from threads import TIMEOUT, in_threads

SLOW = bool(os.environ.get("PHINTYS_SANITIZED"))


def in_child(check, timeout=TIMEOUT):
    """Forks; the child's `check()` must return and be true."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(timeout)
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with status {status}"


@pytest.fixture(autouse=True)
def several_threads():
    before = _core.num_threads()
    _core.set_config(num_threads=4)
    yield
    _core.set_config(num_threads=before)


# --- threads -----------------------------------------------------------------------------------


def test_one_function_many_threads_many_shapes():
    x, y = T.dmatrices("x", "y")
    f = phintys.function([x, y], [T.tanh(x + y), x.sum(axis=0), T.dot(x, y.T)])

    def worker(seed):
        rng = np.random.default_rng(seed)

        def run():
            for _ in range(60):
                shape = tuple(rng.integers(0, 90, 2))
                a, b = rng.normal(size=shape), rng.normal(size=shape)
                got = f(a, b)
                np.testing.assert_allclose(got[0], np.tanh(a + b), rtol=1e-12)
                np.testing.assert_allclose(got[1], a.sum(axis=0), rtol=1e-9, atol=1e-9)
                np.testing.assert_allclose(got[2], a @ b.T, rtol=1e-9, atol=1e-9)

        return run

    in_threads([worker(k) for k in range(8)])


@pytest.mark.parametrize("n", [1, 3000])
def test_updates_are_not_lost(n):
    s = phintys.shared(np.zeros(n), "s")
    total = phintys.shared(0.0, "total")
    x = T.dscalar("x")
    f = phintys.function([x], s, updates=[(s, s + x), (total, total + s[0])])
    rounds = 200

    def run():
        for _ in range(rounds):
            old = f(1.0)
            assert np.all(old == old[0])

    in_threads([run] * 6)
    np.testing.assert_array_equal(s.get_value(), np.full(n, 6.0 * rounds))
    k = 6 * rounds
    assert total.get_value() == k * (k - 1) / 2


def test_a_call_sees_all_updates_of_another_or_none():
    n = 2000
    a, b = phintys.shared(np.zeros(n), "a"), phintys.shared(np.zeros(n), "b")
    step = phintys.function([], updates=[(a, a + 1), (b, b + 1)])
    swap = phintys.function([], updates=[(b, a), (a, b)])
    read = phintys.function([], [a.min(), a.max(), b.min(), b.max()])
    stop = threading.Event()

    def reader():
        while not stop.is_set():
            assert len({float(v) for v in read()}) == 1

    def getter():
        while not stop.is_set():
            value = a.get_value()
            assert value.min() == value.max()

    def writer(f):
        def run():
            for _ in range(300):
                f()
            stop.set()

        return run

    in_threads([reader, reader, getter, writer(step), writer(swap)])


def test_readers_do_not_keep_a_writer_out():
    w = phintys.shared(np.ones((200, 200)), "w")
    x = T.dmatrix("x")
    predict = phintys.function([x], T.tanh(T.dot(x, w)).sum())
    train = phintys.function([], updates=[(w, w * 0.999)])
    stop = threading.Event()
    value = np.ones((200, 200))

    def reader():
        while not stop.is_set():
            predict(value)

    def writer():
        try:
            for _ in range(50):
                train()
        finally:
            stop.set()

    in_threads([reader] * 6 + [writer], timeout=TIMEOUT)


def test_locks_of_several_variables_never_deadlock():
    rng = np.random.default_rng(0)
    shareds = [phintys.shared(np.zeros(50), f"s{k}") for k in range(5)]
    functions = []
    for _ in range(12):
        order = rng.permutation(5)
        updates = [(shareds[i], shareds[j] * 0.5 + 1) for i, j in itertools.pairwise(order[:4])]
        functions.append(phintys.function([], shareds[order[4]], updates=updates))

    def caller(seed):
        def run():
            choose = np.random.default_rng(seed)
            for _ in range(150):
                functions[choose.integers(12)]()
                s = shareds[choose.integers(5)]
                if choose.random() < 0.3:
                    s.set_value(np.zeros(50))
                elif choose.random() < 0.3:
                    s.get_value(borrow=bool(choose.integers(2)))
                elif choose.random() < 0.2:
                    pickle.dumps(functions[choose.integers(12)])
                elif choose.random() < 0.2:
                    functions[choose.integers(12)].planned_bytes([])

        return run

    in_threads([caller(k) for k in range(6)])


def test_set_value_of_another_shape_during_calls():
    s = phintys.shared(np.zeros(10), "s")
    f = phintys.function([], [s.sum(), s.shape[0]], updates=[(s, s + 1)])
    stop = threading.Event()

    def setter():
        for k in range(200):
            s.set_value(np.zeros((k * 37) % 3000 + 1))
        stop.set()

    def caller():
        while not stop.is_set():
            total, n = f()
            assert total % n == 0

    in_threads([setter, caller, caller])


def test_lent_memory_dropped_by_a_call():
    """The last reference to a lent array goes while a call holds the lock and not the GIL."""
    s = phintys.shared(np.zeros(4), "s")
    f = phintys.function([], updates=[(s, T.concatenate([s, s])[: 3 + s.shape[0] % 2])])

    def run():
        for _ in range(100):
            s.set_value(np.zeros(4), borrow=True)
            f()
            s.get_value(borrow=True)

    in_threads([run] * 4)


def test_failing_calls_among_others():
    x, y = T.dvectors("x", "y")
    s = phintys.shared(np.zeros(1000), "s")
    f = phintys.function([x, y], (x + y).sum(), updates=[(s, s + x)])

    def good():
        for _ in range(100):
            assert f(np.ones(1000), np.ones(1000)) == 2000

    def bad():
        for _ in range(100):
            with pytest.raises(ValueError):
                f(np.ones(1000), np.ones(999))

    in_threads([good, bad, good, bad])
    np.testing.assert_array_equal(s.get_value(), np.full(1000, 200.0))


def test_the_gil_is_released():
    x = T.dmatrix("x")
    f = phintys.function([x], T.dot(x, x).sum())
    value = np.ones((1500, 1500))
    f(value)
    assert not f.holds_gil
    done = threading.Event()
    ticks = 0

    def call():
        f(value)
        f(value)
        done.set()

    interval = sys.getswitchinterval()
    # A thread that keeps the GIL is asked to give it up after this time only.
    sys.setswitchinterval(1000)
    try:
        t = threading.Thread(target=call)
        t.start()
        while not done.is_set():
            time.sleep(0)
            ticks += 1
        t.join(TIMEOUT)
    finally:
        sys.setswitchinterval(interval)
    assert ticks > 20


def test_compiling_in_threads():
    def run():
        for k in range(15):
            x = T.dvector("x")
            y = x
            for _ in range(10):
                y = T.tanh(y * (k + 1))
            f = phintys.function([x], [y.sum(), phintys.grad(y.sum(), x)])
            assert np.isfinite(f(np.ones(5))[0])

    in_threads([run] * 4)


def test_changing_the_number_of_threads_during_calls():
    x = T.dvector("x")
    f = phintys.function([x], (T.exp(x) * 2).sum())
    value = np.linspace(0, 1, 300_000)
    expected = f(value)
    stop = threading.Event()

    def change():
        for n in [1, 4, 2, 3] * 10:
            _core.set_config(num_threads=n)
        stop.set()

    def call():
        while not stop.is_set():
            assert f(value) == expected

    in_threads([change, call, call])


# --- callbacks ---------------------------------------------------------------------------------


def monitored(inputs, outputs, monitor, **kwargs):
    from phintys import _call
    from phintys.compile.function_module import InputSpec

    core = _core.compile(inputs, outputs, monitor=monitor, **kwargs)
    return _call.FunctionBase(core, [InputSpec(v.name, v.type) for v in inputs], "list")


def test_a_callback_calls_the_function_itself():
    x = T.dvector("x")
    s = phintys.shared(np.ones(3), "s")
    depth = []

    def monitor(op, location, outputs):
        if len(depth) < 3:
            depth.append(op)
            np.testing.assert_allclose(f(np.full(3, 5.0))[0], np.tanh(np.full(3, 6.0)))
            np.testing.assert_array_equal(s.get_value(), np.ones(3))

    f = monitored([x], [T.tanh(x + s)], monitor)
    np.testing.assert_allclose(f(np.zeros(3))[0], np.tanh(np.ones(3)))
    assert len(depth) == 3


def test_a_callback_and_the_state_of_its_call():
    x = T.dvector("x")
    s = phintys.shared(np.ones(3), "s")
    seen = []

    def monitor(op, location, outputs):
        seen.append(s.get_value()[0])
        assert other()[0] == seen[-1]
        with pytest.raises(RuntimeError, match="inside a call"):
            s.set_value(np.zeros(3))
        with pytest.raises(RuntimeError, match="inside a call"):
            f(np.zeros(3))

    other = phintys.function([], s)
    f = monitored([x], [T.tanh(x)], monitor, updates=[(s, s + x)])
    f(np.ones(3))
    f(np.ones(3))
    assert set(seen) == {1.0, 2.0}
    np.testing.assert_array_equal(s.get_value(), np.full(3, 3.0))
    s.set_value(np.zeros(3))


def test_callbacks_in_threads():
    x = T.dvector("x")
    s = phintys.shared(np.zeros(3), "s")
    count = []

    def monitor(op, location, outputs):
        count.append(op)
        time.sleep(0)

    f = monitored([x], [x * 2], monitor, updates=[(s, s + x)])

    def call():
        for _ in range(40):
            f(np.ones(3))

    def touch():
        for _ in range(40):
            s.get_value()
            f.fn.planned_bytes([(3,)])
            _core.save_function(f.fn)

    in_threads([call, call, touch, touch])
    np.testing.assert_array_equal(s.get_value(), np.full(3, 80.0))


def test_an_error_in_a_callback_keeps_its_class():
    class Stop(Exception):
        pass

    def monitor(op, location, outputs):
        raise Stop(op)

    x = T.dvector("x")
    s = phintys.shared(np.zeros(3), "s")
    f = monitored([x], [x * 2], monitor, updates=[(s, s + x)])
    for _ in range(3):
        with pytest.raises(Stop):
            f(np.ones(3))
    np.testing.assert_array_equal(s.get_value(), np.zeros(3))
    s.set_value(np.ones(3))


# --- processes ---------------------------------------------------------------------------------


@pytest.fixture
def big():
    x = T.dmatrix("x")
    s = phintys.shared(np.ones((300, 300)), "s")
    f = phintys.function([x], [T.dot(x, s).sum(), T.exp(-x * x).sum()], updates=[(s, s + 0.0)])
    value = np.random.default_rng(0).normal(size=(300, 300))
    return f, s, value, f(value)


def test_fork_after_parallel_work(big):
    f, _, value, expected = big

    def check():
        pairs = [pair for _ in range(5) for pair in zip(f(value), expected, strict=True)]
        return all(np.array_equal(a, b) for a, b in pairs)

    in_child(check)
    in_child(lambda: [in_child(check)] and check())
    assert check()


@pytest.mark.skipif(SLOW, reason="a sanitizer's own threads do not survive such forks")
def test_fork_during_parallel_work(big):
    """The child is born while other threads compute, hold locks and allocate."""
    f, s, value, expected = big
    stop = threading.Event()
    busy = T.dmatrix("busy")
    g = phintys.function([busy], T.tanh(busy).sum())

    def work():
        while not stop.is_set():
            f(value)
            g(value)

    def check():
        for _ in range(2):
            got = f(value)
            ok = got[0] == expected[0] and got[1] == expected[1] and g(value) == tanh
            s.set_value(s.get_value())
            if not ok:
                return False
        return pickle.loads(pickle.dumps(f))(value)[1] == expected[1]

    tanh = g(value)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(40):
            in_child(check)
    finally:
        stop.set()
        for t in threads:
            t.join(TIMEOUT)
    assert g(value) == tanh


def test_fork_inside_a_callback():
    x = T.dvector("x")
    s = phintys.shared(np.zeros(3), "s")
    pids = []

    def monitor(op, location, outputs):
        if not pids:
            pids.append(os.fork())

    f = monitored([x], [x * 2], monitor, updates=[(s, s + x)])
    result = f(np.ones(3))[0]
    if pids[0] == 0:
        code = 1
        try:
            f(np.ones(3))
            code = 0 if result[0] == 2 and s.get_value()[0] == 2 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pids[0], 0)
    assert status == 0
    assert s.get_value()[0] == 1


def _call_pickled(data, value):
    return pickle.loads(data)(value)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pickled_functions_in_other_processes(method):
    x = T.dvector("x")
    s = phintys.shared(np.arange(4.0), "s")
    f = phintys.function([x], [x * s, T.exp(x).sum()], updates=[(s, s + 1)])
    context = multiprocessing.get_context(method)
    value = np.ones(4)
    data = pickle.dumps(f)
    with context.Pool(2) as pool:
        results = pool.starmap(_call_pickled, [(data, value)] * 4)
    for got in results:
        np.testing.assert_array_equal(got[0], np.arange(4.0))
    np.testing.assert_array_equal(s.get_value(), np.arange(4.0))
    np.testing.assert_array_equal(f(value)[1], results[0][1])


# --- determinism -------------------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import numpy as np
import phintys, phintys.tensor as T
from phintys import _core
_core.set_config(num_threads=int(sys.argv[1]))
rng = np.random.default_rng(0)
x, m = T.fvector("x"), T.fmatrix("m")
d = T.dmatrix("d")
f = phintys.function([x, m, d], [
    x.sum(), x.prod(), x.max(), (x * x).mean(), T.exp(-x * x).sum(), T.tanh(x) * 2 + x,
    m.sum(axis=0), m.sum(axis=1), m.mean(), T.dot(m, m.T), T.dot(d.T, d[:, 0]), d.sum(axis=0),
    T.nnet.softmax(m), T.dot(d.T, d), d.std(axis=0), T.log(T.exp(m).sum(axis=1)).sum(),
])
h = hashlib.sha256()
value = rng.normal(size=1_000_003).astype("float32")
matrix = rng.normal(size=(501, 703)).astype("float32")
double = rng.normal(size=(607, 401))
for _ in range(3):
    one = hashlib.sha256(b"".join(a.tobytes() for a in f(value, matrix, double)))
    h.update(one.digest())
    print(one.hexdigest())
"""


def test_results_do_not_depend_on_the_number_of_threads():
    digests = set()
    for threads in (1, 2, 3, 7):
        out = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(threads)],
            capture_output=True,
            text=True,
            timeout=10 * TIMEOUT,
        )
        assert out.returncode == 0, out.stderr
        digests.update(out.stdout.split())
    assert len(digests) == 1


LISTED_THREADS = """
import os, numpy
before = len(os.listdir("/proc/self/task"))
import phintys
print(len(os.listdir("/proc/self/task")) - before, os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
@pytest.mark.parametrize("value", [None, "3"])
def test_import_starts_no_threads(value):
    env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    if value is not None:
        env["OPENBLAS_NUM_THREADS"] = value
    out = subprocess.run(
        [sys.executable, "-c", LISTED_THREADS], env=env, check=True, capture_output=True, text=True
    )
    assert out.stdout.split() == ["0", str(value)]

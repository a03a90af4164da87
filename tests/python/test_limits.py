"""Limits of calls: deadlines, cancellation, Ctrl-C."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys.errors import (
    CallStopped,
    Cancelled,
    PhintysError,
    PhintysTimeoutError,
    StepLimitError,
)

# Far above what a call that is stopped takes, far below what it would take to its end.
SOON = 10.0


def long_function(size=300, products=20000):
    """A chain of matrix products that takes a minute or more, and updates a shared variable."""
    w = phintys.shared(np.eye(size) * 0.5, name="w")
    x = T.dmatrix("x")
    y = x
    for _ in range(products):
        y = T.dot(y, w)
    f = phintys.function(
        [x], y.sum(), updates=[(w, w + 1)], name="long", mode=phintys.Mode(optimizer=None)
    )
    return f, w, np.ones((size, size))


@pytest.fixture(scope="module")
def program():
    return long_function()


def check_stopped(program, error, run):
    """`run` stops soon with `error`, and leaves the shared variable alone."""
    f, w, x = program
    before = w.get_value()
    start = time.monotonic()
    with pytest.raises(error) as info:
        run(f, x)
    assert time.monotonic() - start < SOON
    assert isinstance(info.value, CallStopped) and isinstance(info.value, PhintysError)
    assert "'long'" in str(info.value)
    np.testing.assert_array_equal(w.get_value(), before)


def test_timeout(program):
    def block(f, x):
        with phintys.limits(timeout=0.2):
            f(x)

    check_stopped(program, PhintysTimeoutError, block)
    check_stopped(program, TimeoutError, lambda f, x: f.call(x, timeout=0.2))
    check_stopped(program, TimeoutError, lambda f, x: f.call(x=x, deadline=time.monotonic() + 0.2))
    check_stopped(program, TimeoutError, lambda f, x: f.call(x, timeout=0))
    check_stopped(program, TimeoutError, lambda f, x: f.call(x, timeout=-5))


def test_function_is_usable_after_it_was_stopped():
    f, w, x = long_function(100, 3000)
    with pytest.raises(TimeoutError):
        f.call(x, timeout=0.01)
    np.testing.assert_array_equal(w.get_value(), np.eye(100) * 0.5)
    assert f(x) == pytest.approx(0)
    np.testing.assert_array_equal(w.get_value(), np.eye(100) * 0.5 + 1)


def test_cancel_from_another_thread(program):
    token = phintys.CancelToken()
    assert not token.cancelled
    timer = threading.Timer(0.2, token.cancel)
    timer.start()
    check_stopped(program, Cancelled, lambda f, x: f.call(x, cancel=token))
    timer.join()
    assert token.cancelled
    check_stopped(program, Cancelled, lambda f, x: f.call(x, cancel=token))


def test_cancel_a_call_in_another_thread(program):
    f, w, x = program
    before = w.get_value()
    token = phintys.CancelToken()
    caught = []

    def work():
        try:
            f.call(x, cancel=token)
        except Cancelled as e:
            caught.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    # A second call waits for the first one's shared variable; that ends too.
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        f.call(x, timeout=0.1)
    assert time.monotonic() - start < SOON
    assert thread.is_alive()
    token.cancel()
    thread.join(SOON)
    assert len(caught) == 1
    np.testing.assert_array_equal(w.get_value(), before)


def test_asyncio(program):
    f, w, x = program
    before = w.get_value()

    async def main():
        token = phintys.CancelToken()
        with phintys.limits(cancel=token):
            task = asyncio.create_task(asyncio.to_thread(f, x))  # has the limits of this context
        await asyncio.sleep(0.2)
        token.cancel()
        with pytest.raises(Cancelled):
            await asyncio.wait_for(task, SOON)

    asyncio.run(main())
    np.testing.assert_array_equal(w.get_value(), before)


def small_function():
    x = T.dvector("x")
    return phintys.function([x], x * 2, name="small")


def test_limits_belong_to_the_context_and_nest():
    f = small_function()
    outer, inner = phintys.CancelToken(), phintys.CancelToken()
    outer.cancel()
    with phintys.limits(cancel=outer):
        with pytest.raises(Cancelled), phintys.limits(cancel=inner, timeout=100):
            f([1.0])
        results = []
        thread = threading.Thread(target=lambda: results.append(f([1.0])))
        thread.start()
        thread.join()
        assert results[0][0] == 2  # another thread has limits of its own
        inside = contextvars.copy_context()
    assert f([1.0])[0] == 2
    with pytest.raises(Cancelled):
        inside.run(f, [1.0])  # that context still has them
    with phintys.limits(timeout=0):
        with pytest.raises(TimeoutError), phintys.limits(timeout=100):
            f([1.0])
    reused = phintys.limits(cancel=inner)
    with reused, reused:
        f([1.0])
    with reused:
        f([1.0])
        inner.cancel()
        with pytest.raises(Cancelled):
            f([1.0])
    assert f([1.0])[0] == 2


def test_one_limits_object_in_many_threads():
    f = small_function()
    limits = phintys.limits(timeout=100, cancel=phintys.CancelToken())
    errors = []

    def work():
        try:
            for _ in range(200):
                with limits:
                    f([1.0])
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_functions_of_single_numbers_obey_too():
    x = T.dscalar("x")
    f = phintys.function([x], x * 2)
    assert f.holds_gil
    with pytest.raises(TimeoutError):
        f.call(1.0, timeout=0)
    assert f.call(1.0, timeout=100, max_steps=1) == 2
    token = phintys.CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        f.call(1.0, cancel=token)
    assert f(1.0) == 2


def test_state_of_inputs_is_kept():
    s, x = T.dscalar("s"), T.dscalar("x")
    f = phintys.function([x, phintys.In(s, value=1.0, update=s + x)], s * 2)
    with pytest.raises(TimeoutError):
        f.call(5.0, timeout=0)
    assert f[s] == 1
    f.call(5.0, timeout=100)
    assert f[s] == 6


def test_loaded_functions_have_limits():
    f = phintys.load(small_function()._to_bytes())
    with pytest.raises(TimeoutError, match="'small'"):
        f.call([1.0], timeout=0)


def test_bad_arguments():
    for bad in ({"timeout": "soon"}, {"deadline": [1]}, {"cancel": True}, {"max_steps": 1.5}):
        with pytest.raises(TypeError):
            phintys.limits(**bad)
    for bad in ({"timeout": float("nan")}, {"max_steps": 0}, {"max_steps": 2**63}):
        with pytest.raises(ValueError):
            phintys.limits(**bad)
    f = small_function()
    assert f.call([1.0], timeout=float("inf"), deadline=1e300, max_steps=2**63 - 1)[0] == 2
    assert "not cancelled" in repr(phintys.CancelToken())


def test_error_classes():
    assert issubclass(PhintysTimeoutError, TimeoutError)
    assert issubclass(StepLimitError, RuntimeError)
    assert not issubclass(Cancelled, (RuntimeError, ValueError, OSError))


def test_default_timeout(program):
    def call(f, x):
        with phintys.change_flags(call_timeout=0.2):
            f(x)

    check_stopped(program, TimeoutError, call)
    f = small_function()
    with phintys.change_flags(call_timeout=1e-9):
        with pytest.raises(TimeoutError):
            f([1.0])
        assert f.call([1.0], timeout=100)[0] == 2  # the call's own comes first
    with phintys.change_flags(max_loop_steps=5):
        assert f([1.0])[0] == 2
    for name in ("call_timeout", "max_loop_steps"):
        with pytest.raises(ValueError, match=name):
            setattr(phintys.config, name, -1)
    with pytest.raises(ValueError):
        phintys.config.call_timeout = float("nan")
    assert f([1.0])[0] == 2


def test_default_timeout_from_the_environment():
    code = "import phintys; assert phintys.config.call_timeout == 1.5"
    env = dict(os.environ, PHINTYS_FLAGS="call_timeout=1.5,max_loop_steps=7")
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


# --- Ctrl-C --------------------------------------------------------------------------------------

INTERRUPTED = """
import signal, sys, time
import numpy as np
# A shell's background jobs inherit an ignored SIGINT, for which Python installs no handler.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from test_limits import long_function
f, w, x = long_function()
before = w.get_value()
{setup}
print("ready", flush=True)
start = time.monotonic()
try:
    {call}
except KeyboardInterrupt:
    assert time.monotonic() - start < 10, time.monotonic() - start
    {check}
    print("stopped", flush=True)
else:
    print("ended", flush=True)
{after}
"""


UNCHANGED = "np.testing.assert_array_equal(w.get_value(), before)"


def interrupted(call, setup="", check=UNCHANGED, after=""):
    """Runs `call` in a process that gets SIGINT meanwhile; its output."""
    code = INTERRUPTED.format(call=call, setup=setup, check=check, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", code, os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return out


def test_ctrl_c():
    assert interrupted("f(x)") == "stopped\n"


def test_ctrl_c_within_limits():
    assert interrupted("f.call(x, timeout=1000)") == "stopped\n"


def test_ctrl_c_while_waiting_for_another_thread():
    setup = """
import threading, phintys
token = phintys.CancelToken()
def work():
    try:
        f.call(x, cancel=token)
    except phintys.errors.Cancelled:
        print("cancelled", flush=True)
thread = threading.Thread(target=work)
thread.start()
time.sleep(0.2)
"""
    after = "token.cancel(); thread.join(); " + UNCHANGED
    assert interrupted("f(x)", setup, "pass", after) == "stopped\ncancelled\n"


def test_handlers_of_other_signals_run_during_a_call():
    setup = """
import signal
def handler(number, frame):
    raise KeyboardInterrupt("from the handler")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.signal(signal.SIGINT, signal.SIG_IGN)
"""
    assert interrupted("f(x)", setup) == "stopped\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_ctrl_c_in_a_forked_child():
    setup = """
import os, signal
child = os.fork()
if child:
    signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert interrupted("f(x)", setup) == "stopped\n"


# --- loops ---------------------------------------------------------------------------------------


def looping(inner=None):
    """A function of (start, n): a loop of n steps, and a shared variable that counts calls."""
    x, n = T.dscalar("x"), T.lscalar("n")
    count = phintys.shared(0, name="count")

    def step(s):
        s = 3.7 * s * (1 - s)
        if inner is not None:
            rows, _ = phintys.scan(lambda r: r * 0.5, outputs_info=s, n_steps=inner)
            s = s + 1e-300 * rows[-1]
        return s

    rows, _ = phintys.scan(step, outputs_info=x, n_steps=n, name="the logistic map")
    f = phintys.function([x, n], rows[-1], updates=[(count, count + 1)], name="looping")
    return f, count


def test_loops_obey_a_step_limit():
    f, count = looping()
    assert 0 < f.call(0.3, 1000, max_steps=1000) < 1
    with pytest.raises(StepLimitError, match="'looping' may take 1000 steps") as info:
        f.call(0.3, 1001, max_steps=1000)
    assert "the logistic map" in str(info.value) and "test_limits.py" in str(info.value)
    assert count.get_value() == 1
    with phintys.change_flags(max_loop_steps=10):
        f(0.3, 10)
        with pytest.raises(StepLimitError):
            f(0.3, 11)
        f.call(0.3, 11, max_steps=20)
    with phintys.limits(max_steps=5):
        for _ in range(3):  # the limit is that of one call
            f(0.3, 5)
        with phintys.limits(max_steps=100), pytest.raises(StepLimitError):
            f(0.3, 6)
    assert count.get_value() == 6


def test_steps_of_loops_in_loops_count():
    f, count = looping(inner=10)
    f.call(0.3, 10, max_steps=110)
    with pytest.raises(StepLimitError):
        f.call(0.3, 10, max_steps=109)
    assert count.get_value() == 1


def test_loops_obey_deadlines_and_tokens():
    f, count = looping(inner=10**6)
    token = phintys.CancelToken()
    timer = threading.Timer(0.1, token.cancel)
    for error, limits in ((TimeoutError, {"timeout": 0.1}), (Cancelled, {"cancel": token})):
        if error is Cancelled:
            timer.start()
        start = time.monotonic()
        with pytest.raises(error, match="the logistic map"):
            f.call(0.3, 3000, **limits)  # half a minute at least
        assert time.monotonic() - start < SOON
    assert count.get_value() == 0
    expected = 0.3
    for _ in range(7):
        expected = 3.7 * expected * (1 - expected)
    assert f(0.3, 7) == pytest.approx(expected, rel=1e-10)


def test_loops_until_a_condition_obey():
    x = T.dscalar("x")
    rows, _ = phintys.scan(
        lambda s: (s + 1, phintys.scan_module.until(s > 1e300)), outputs_info=x, n_steps=3 * 10**8
    )
    f = phintys.function([x], rows[-1])
    with pytest.raises(StepLimitError):
        f.call(0.0, max_steps=1000)
    with pytest.raises(TimeoutError):
        f.call(0.0, timeout=0.1)


def test_gradients_of_loops_obey():
    w, n = T.dvector("w"), T.lscalar("n")
    rows, _ = phintys.scan(
        lambda s, w: T.tanh(s * w), outputs_info=T.ones_like(w), non_sequences=w, n_steps=n
    )
    f = phintys.function([w, n], phintys.grad(rows[-1].sum(), w))
    value = np.linspace(0.5, 1, 5)
    expected = f(value, 100)
    np.testing.assert_array_equal(f.call(value, 100, max_steps=1000), expected)
    with pytest.raises(StepLimitError):
        f.call(value, 100, max_steps=150)  # there are 100 forward, and 100 back
    with pytest.raises(TimeoutError):
        f.call(value, 10**6, timeout=0.01)


def test_ctrl_c_stops_a_loop():
    setup = "from test_limits import looping; g, count = looping(inner=10**6)"
    check = "assert count.get_value() == 0; g(0.3, 5); assert count.get_value() == 1"
    assert interrupted("g(0.3, 3000)", setup, check) == "stopped\n"

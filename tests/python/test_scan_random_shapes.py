"""Random loops with shapes that depend on values of the step, and of no steps: values and gradients
in all modes against the same loops unrolled."""

import numpy as np
import phintys.tensor as T
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_graphs import loop
from op_checks import floats
from phintys import function
from phintys.compile.mode import Mode
from phintys.ifelse import ifelse
from python_op_models import Scaled

K = 4  # length of all vectors
MODES = ["FAST_RUN", "FAST_COMPILE", Mode(optimizer=None)]


def _inner(a, b, i, how):
    def step(h, i, b):
        part = h[i : i + 2]
        return [T.set_subtensor(part, T.tanh(part) + part.size * b[0])], [h[i : i + 2].sum() * b]

    return loop(step, [(a.dimshuffle("x", 0), [-1])], [], [i, b], **how)


def _trace(truncate, n_steps):
    def op(a, b, w, i):
        return _inner(a, b, i, {"n_steps": n_steps(i), "truncate": truncate}).trace[0][-1]

    return op


def _stacked(truncate, n_steps):
    def op(a, b, w, i):
        return _inner(a, b, i, {"n_steps": n_steps(i), "truncate": truncate}).emitted[0].sum(axis=0)

    return op


def _varying(i):
    return abs(i) % 3


OPS = [
    lambda a, b, w, i: a * b - w[0],
    lambda a, b, w, i: T.tanh(a),
    lambda a, b, w, i: T.dot(a, w),
    lambda a, b, w, i: T.set_subtensor(a[i : i + 3], b[i : i + 3] * 2),
    lambda a, b, w, i: T.inc_subtensor(a[i : i + 2], w[0, 0]),
    lambda a, b, w, i: T.set_subtensor(a[i : i + 2], T.sin(a[i : i + 2])),
    lambda a, b, w, i: a + T.exp(-T.sqr(b[i : i + 3])).sum(),
    lambda a, b, w, i: T.set_subtensor(a[i:], 0.5),
    lambda a, b, w, i: T.set_subtensor(a[:i], T.cos(b[:i])),
    lambda a, b, w, i: a[i % K] * b,
    lambda a, b, w, i: Scaled()(a) + b,
    lambda a, b, w, i: ifelse(T.gt(a.sum(), b.sum()), a * 2, b),
    lambda a, b, w, i: T.concatenate([a[: i % K], b[i % K :]]),
    lambda a, b, w, i: a[T.gt(a, 0)].sum() + b,
    lambda a, b, w, i: T.dot(w[:, i : i + 3], T.tanh(a)[i : i + 3]) + a,
    lambda a, b, w, i: a[::-1],
    _trace(-1, lambda i: 2),
    _trace(0, lambda i: 2),
    _trace(1, lambda i: 3),
    _trace(-1, _varying),
    _stacked(-1, lambda i: 2),
    _stacked(0, lambda i: 2),
    _stacked(-1, _varying),
]

UNTOLD = 11, 12  # nothing says that their lengths are those of an operand


@st.composite
def plans(draw, steps):
    n_states = draw(st.integers(1, 3))
    taps = st.lists(st.integers(-2, -1), min_size=1, max_size=2, unique=True)
    numbers = st.integers(0, 30)
    step = st.tuples(st.integers(0, len(OPS) - 1), numbers, numbers)
    n = draw(st.integers(*steps))
    return {
        "taps": [draw(taps) for _ in range(n_states)],
        "code": draw(st.lists(step, min_size=1, max_size=5)),
        "picks": draw(st.lists(st.integers(0, 40), min_size=5, max_size=5)),
        "n_emitted": draw(st.integers(0, 2)),
        "places": draw(st.lists(st.integers(-K - 2, K + 2), min_size=n, max_size=n)),
        "truncate": draw(st.sampled_from([-1, -1, 0, 1, 2])),
        "recompute": draw(st.booleans()),
        "keep": draw(st.booleans()),
        "x_too": draw(st.booleans()),
    }


def _results(plan, starts, places, x, w, unroll=None):
    """Rows of states (all, or the last ones) and what is emitted."""
    n = len(plan["taps"])

    def step(*args):
        pool, (i, row, w) = list(args[:-3]), args[-3:]
        pool += [row] if plan["x_too"] else []
        for op, a, b in plan["code"]:
            pool.append(OPS[op](pool[a % len(pool)], pool[b % len(pool)], w, i))
        made = [pool[-1 - p % len(pool)] for p in plan["picks"]]
        return made[:n], made[n : n + plan["n_emitted"]]

    how = {"unroll": unroll}
    if unroll is None:
        how = {"recompute": plan["recompute"], "keep": [int(plan["keep"])] * n}
    states = list(zip(starts, plan["taps"], strict=True))
    out = loop(step, states, [places, x], [w], truncate=plan["truncate"], **how)
    traces = [
        trace if plan["keep"] or unroll is None else trace[min(taps) :]
        for trace, taps in zip(out.trace, plan["taps"], strict=True)
    ]
    return traces + out.emitted


def _functions(plan, modes, unroll=None):
    starts = [T.matrix() for _ in plan["taps"]]
    places, x, w = T.lvector(), T.matrix(), T.matrix()
    results = _results(plan, starts, places, x, w, unroll)
    cost = sum((T.sqr(v) * (1.0 + k)).sum() for k, v in enumerate(results))
    wrt = [*starts, x, w]
    first = T.grad(cost, wrt, disconnected_inputs="ignore")
    inputs = [*starts, places, x, w]
    return [
        function(inputs, [*results, *first], mode=mode, on_unused_input="ignore") for mode in modes
    ]


def _point(plan):
    n = len(plan["places"])
    starts = [floats(-min(t), K, seed=i) * 0.7 for i, t in enumerate(plan["taps"])]
    return [*starts, plan["places"], floats(n, K, seed=10) * 0.7, floats(K, K, seed=20) * 0.5]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(plans((1, 4)))
def test_random_loops(plan):
    point = _point(plan)
    (unrolled,) = _functions(plan, ["FAST_COMPILE"], unroll=len(plan["places"]))
    want = unrolled(*point)
    for f in _functions(plan, MODES):
        for _ in range(2):
            for a, b in zip(f(*point), want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(plans((0, 0)))
def test_random_loops_of_no_steps(plan):
    point = _point(plan)
    starts = point[: len(plan["taps"])]
    told = all(op not in UNTOLD for op, _, _ in plan["code"])
    for f in _functions(plan, MODES):
        results = f(*point)
        for trace, start in zip(results, starts, strict=False):
            np.testing.assert_array_equal(trace, start)
        for emitted in results[len(starts) : len(starts) + plan["n_emitted"]]:
            assert emitted.shape == (0, K) or (not told and emitted.shape == (0, 0))
        slopes = results[len(starts) + plan["n_emitted"] :]
        for k, (slope, start) in enumerate(zip(slopes, starts, strict=False)):
            np.testing.assert_allclose(slope, 2 * start * (1.0 + k), rtol=1e-12)
        assert [v.shape for v in slopes[len(starts) :]] == [(0, K), (K, K)]
        assert not np.any(slopes[-1])

"""Gradients of random loops against the same loops unrolled."""

import numpy as np
import phintys.tensor as T
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_graphs import loop
from op_checks import compiled, floats

K = 3  # length of all vectors


def _loop_inside(a, b, w):
    def step(h1, b, w):
        return [T.tanh(h1 * b + T.dot(h1, w))], []

    return loop(step, [(a.dimshuffle("x", 0), [-1])], [], [b, w], n_steps=2).trace[0][-1]


def _emitting_loop_inside(a, b, w):
    def step(row, b):
        return [], [T.sin(row * b).sum()]

    return loop(step, [], [w], [a]).emitted[0] + b


OPS = [
    lambda a, b, w: a + b,
    lambda a, b, w: a * b,
    lambda a, b, w: a - 2 * b,
    lambda a, b, w: T.tanh(a),
    lambda a, b, w: T.sin(a * b),
    lambda a, b, w: T.dot(a, w),
    lambda a, b, w: T.dot(T.tanh(w), b),
    lambda a, b, w: T.switch(a > b, a, b * 0.5),
    lambda a, b, w: a * T.sum(b),
    lambda a, b, w: T.set_subtensor(a[1:], b[:-1]),
    lambda a, b, w: a[::-1] + T.sqr(b),
    lambda a, b, w: T.nnet.softmax(a + b).flatten(),
    lambda a, b, w: T.exp(-T.sqr(a)) / (1 + T.sqr(b)),
    _loop_inside,
    _emitting_loop_inside,
]


@st.composite
def loops(draw):
    n_states = draw(st.integers(0, 3))
    taps = [
        draw(st.lists(st.integers(-3, -1), min_size=1, max_size=2, unique=True))
        for _ in range(n_states)
    ]
    code = draw(
        st.lists(
            st.tuples(st.integers(0, len(OPS) - 1), st.integers(0, 30), st.integers(0, 30)),
            min_size=1,
            max_size=7,
        )
    )
    n_emitted = draw(st.integers(0 if n_states else 1, 2))
    steps = draw(st.integers(1, 4))
    return {
        "taps": taps,
        "n_sequences": draw(st.integers(0, 2)),
        "code": code,
        "picks": draw(st.lists(st.integers(0, 40), min_size=5, max_size=5)),
        "n_emitted": n_emitted,
        "steps": steps,
        "truncate": draw(st.sampled_from([-1, -1, -1, 0, 1, 2])),
        "recompute": draw(st.booleans()),
        "more": draw(st.sampled_from([0, 0, 1, 3])),  # steps that a condition prevents
        "keep": draw(st.booleans()),
        "cost": draw(st.integers(1, 2 ** (2 * n_states + n_emitted) - 1)),
    }


def _build(plan, variables, unroll=None):
    starts, sequences, w = variables
    n, steps, more = len(plan["taps"]), plan["steps"], plan["more"]

    def step(*args):
        flag, w = args[-2:]
        pool = list(args[:-2]) or [w[0]]
        for op, a, b in plan["code"]:
            pool.append(OPS[op](pool[a % len(pool)], pool[b % len(pool)], w))
        made = [pool[-1 - p % len(pool)] for p in plan["picks"]]
        return made[:n], made[n : n + plan["n_emitted"]], flag

    how = {"unroll": unroll}
    if unroll is None:
        keep = [int(plan["keep"])] * n
        how = {"recompute": plan["recompute"], "until": more > 0, "keep": keep}
    flags = T.as_tensor_variable((np.arange(steps + more) == steps - 1) * 1.0)
    # A cut sequence of flags comes last, so that it has no gradient that is asked for.
    out = loop(
        step, list(zip(starts, plan["taps"], strict=True)), [*sequences, flags], [w],
        n_steps=steps + more, truncate=plan["truncate"], **how,
    )  # fmt: skip
    parts = []
    for trace, taps in zip(out.trace, plan["taps"], strict=True):
        rows = -min(taps)
        whole = trace[: rows + steps] if plan["keep"] else trace[-rows:]
        last = out.steps + rows - 1 if plan["keep"] and more else -1
        parts += [whole if plan["keep"] or unroll is None else trace[-rows:], trace[last]]
    parts += [e[:steps] for e in out.emitted]
    chosen = [v for i, v in enumerate(parts) if plan["cost"] >> i & 1]
    return sum((T.sqr(v) * (1.0 + i)).sum() for i, v in enumerate(chosen))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(loops())
def test_random_loops(plan):
    starts = [T.matrix() for _ in plan["taps"]]
    sequences = [T.matrix() for _ in range(plan["n_sequences"])]
    w = T.matrix()
    xs = [*starts, *sequences, w]
    point = [floats(-min(t), K, seed=i) * 0.7 for i, t in enumerate(plan["taps"])]
    length = plan["steps"] + plan["more"]
    point += [floats(length, K, seed=10 + i) * 0.7 for i in range(plan["n_sequences"])]
    point.append(floats(K, K, seed=20) * 0.5)

    def gradients(**how):
        cost = _build(plan, (starts, sequences, w), **how)
        first = T.grad(cost, xs, disconnected_inputs="ignore")
        return first, cost

    got, _ = gradients()
    want, _ = gradients(unroll=plan["steps"])
    fast = compiled(xs, got)(*point)
    for mode in (None, "FAST_COMPILE"):
        for a, b in zip(compiled(xs, got, mode)(*point), compiled(xs, want)(*point), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    assert len(fast) == len(xs)

    def second(grads):
        return T.grad(sum(T.sqr(g).sum() for g in grads), xs, disconnected_inputs="ignore")

    for a, b in zip(
        compiled(xs, second(got))(*point), compiled(xs, second(want))(*point), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)

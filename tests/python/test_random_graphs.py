"""Random graphs against NumPy, in every mode and with every pass left out; their gradients."""

import os

import numpy as np
import phintys
import phintys.tensor as T
import random_graphs as rg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phintys.compile.mode import Mode, get_mode, pass_names

FAST_RUN = get_mode("FAST_RUN")
MODES = {
    "FAST_RUN": FAST_RUN,
    "FAST_COMPILE": get_mode("FAST_COMPILE"),
    "none": Mode(optimizer=None),
}
MODES["unfused"] = FAST_RUN.excluding("fuse")
MODES |= {f"no {name}": FAST_RUN.excluding(name) for name in pass_names()}
EXAMPLES = int(os.environ.get("PHINTYS_TEST_EXAMPLES", "100"))


def bounded(examples):
    # derandomize: the same graphs in every run; PHINTYS_TEST_EXAMPLES asks for more of them.
    return settings(
        max_examples=max(1, EXAMPLES * examples // 100),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def run(inputs, outputs, mode, arrays, **kwargs):
    f = phintys.function(inputs, outputs, mode=mode, on_unused_input="ignore", **kwargs)
    return f(*arrays)


def equal(got, want, what):
    assert got.dtype == want.dtype, (what, got.dtype, want.dtype)
    np.testing.assert_array_equal(got, want, err_msg=what)


@bounded(200)
@given(rg.PROGRAM, st.integers(0, 99))
def test_values_of_exact_graphs(program, seed):
    start, values = rg.build(program, np.random.default_rng(seed))
    # The last values, and some that are inputs of others too.
    chosen = values[-3:] + values[len(start) : -3 : 3]
    xs, arrays = [v.var for v in start], [v.array for v in start]
    for name, mode in MODES.items():
        got = run(xs, [v.var for v in chosen], mode, arrays)
        for k, (g, v) in enumerate(zip(got, chosen, strict=True)):
            equal(g, v.array, f"{name}, output {k}")


@bounded(80)
@given(rg.PROGRAM, rg.PROGRAM, st.integers(0, 99))
def test_updates_of_exact_graphs(first, second, seed):
    """All updates see the old values, and the outputs too."""
    start, values = rg.build(first + second, np.random.default_rng(seed))
    floats = [v for v in values if v.var.dtype == "float64" and v.var.ndim == 2]
    targets = [v for v in start if v in floats and not any(v.var.broadcastable)]
    for name in ("FAST_RUN", "FAST_COMPILE", "unfused"):
        shareds = [phintys.shared(v.array) for v in targets]
        news = []
        for k, target in enumerate(targets):
            fitting = [f for f in floats if f.array.shape == target.array.shape
                       and not any(f.var.broadcastable)]  # fmt: skip
            news.append(fitting[-1 - k % len(fitting)])
        rest = [v for v in start if v not in targets]
        got = run(
            [v.var for v in rest],
            [values[-1].var, *(v.var for v in targets)],
            MODES[name],
            [v.array for v in rest],
            updates=[(s, n.var) for s, n in zip(shareds, news, strict=True)],
            givens={t.var: s for t, s in zip(targets, shareds, strict=True)},
        )
        equal(got[0], values[-1].array, name)
        for g, t in zip(got[1:], targets, strict=True):
            equal(g, t.array, name)
        for s, n in zip(shareds, news, strict=True):
            equal(s.get_value(), n.array, name)


@bounded(60)
@given(rg.PROGRAM, st.integers(0, 99))
def test_other_layouts_of_inputs(program, seed):
    start, values = rg.build(program, np.random.default_rng(seed))
    xs = [v.var for v in start]
    f = phintys.function(xs, [v.var for v in values[-2:]], on_unused_input="ignore")
    for order in ("F", "reversed", "strided"):
        arrays = []
        for v in start:
            a = v.array
            if order == "F":
                a = np.asfortranarray(a) if a.ndim else a
            elif a.ndim and order == "reversed":
                a = np.ascontiguousarray(a[..., ::-1])[..., ::-1]
            elif a.ndim:
                a = np.repeat(a, 2, axis=-1)[..., ::2]
            arrays.append(a)
        for g, v in zip(f(*arrays), values[-2:], strict=True):
            equal(g, v.array, order)


POINTS = [(3, 4), (4,), (), (1, 4), (3, 1)]


def point(seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-1, 1, s) for s in POINTS]
    variables = [rg.variable(a, tuple(n == 1 for n in a.shape)) for a in arrays]
    return rng, variables, arrays


@bounded(60)
@given(rg.PROGRAM, st.integers(0, 99))
def test_gradients_of_smooth_graphs(program, seed):
    rng, xs, arrays = point(seed)
    cost = rg.smooth(program, xs, arrays)
    grads = T.grad(cost, xs, disconnected_inputs="ignore")
    # All modes, but only one of those that leave a pass out.
    left_out = f"no {pass_names()[seed % len(pass_names())]}"
    modes = ["none", "FAST_RUN", "FAST_COMPILE", "unfused", left_out]
    results = {n: run(xs, [cost, *grads], MODES[n], arrays) for n in modes}
    base = results["none"]
    for name, result in results.items():
        for g, b in zip(result, base, strict=True):
            np.testing.assert_allclose(g, b, rtol=1e-9, atol=1e-10, err_msg=name)
    f = phintys.function(xs, cost)
    for k, x in enumerate(arrays):
        way = rng.normal(size=x.shape)
        h = 1e-5
        moved = [
            [a + (s * h * way if i == k else 0) for i, a in enumerate(arrays)] for s in (1, -1)
        ]
        numeric = (f(*moved[0]) - f(*moved[1])) / (2 * h)
        np.testing.assert_allclose(np.sum(base[k + 1] * way), numeric, rtol=2e-5, atol=2e-6)


@bounded(40)
@given(rg.PROGRAM, st.integers(0, 99))
def test_rop_and_second_derivatives_of_smooth_graphs(program, seed):
    rng, xs, arrays = point(seed)
    cost = rg.smooth(program, xs, arrays)
    ways = [rng.normal(size=a.shape) for a in arrays]
    vs = [
        T.as_tensor_variable(w) if w.ndim else T.constant(float(w), dtype="float64") for w in ways
    ]
    slope = T.Rop(cost, xs, vs)
    grads = T.grad(cost, xs)
    along = sum((g * w).sum() for g, w in zip(grads, ways, strict=True))
    seconds = T.grad(along, xs, disconnected_inputs="ignore")
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        got = run(xs, [slope, along, *seconds], mode, arrays)
        np.testing.assert_allclose(got[0], got[1], rtol=1e-8, atol=1e-9)
    f = phintys.function(xs, along)
    h = 1e-5
    up = f(*[a + h * w for a, w in zip(arrays, ways, strict=True)])
    down = f(*[a - h * w for a, w in zip(arrays, ways, strict=True)])
    curvature = sum(float(np.sum(s * w)) for s, w in zip(got[2:], ways, strict=True))
    np.testing.assert_allclose(curvature, (up - down) / (2 * h), rtol=5e-5, atol=1e-5)

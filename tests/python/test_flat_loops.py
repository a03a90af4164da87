"""Loops over few elements, which run as flat lists of calls, against the same loops step by step.

A profiled function runs the instructions of a loop one by one, unless all are on single values: the
results must be the same to the last bit.
"""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_graphs import loop
from op_checks import floats
from phintys.compile import ProfileStats, function

DTYPES = ["float64", "float32", "int64", "int32", "int8", "complex128", "complex64"]
SHAPES = [(3, 3), (9,), (1,), (), (17,), (2, 5), (1, 3), (4, 1), (40,)]


def both_ways(inputs, outputs, *arrays):
    """Values of `outputs`; the same bits by both ways of running loops."""
    values = function(inputs, outputs)(*arrays)
    plain = function(inputs, outputs, profile=ProfileStats(atexit_print=False))(*arrays)
    for value, other in zip(values, plain, strict=True):
        np.testing.assert_array_equal(value, other)
        assert value.dtype == other.dtype
    return values


def array(dtype, shape, seed):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "i":
        return np.asarray(rng.integers(-4, 5, shape)).astype(dtype)
    value = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        value = value + 1j * rng.standard_normal(shape)
    return np.asarray(value).astype(dtype)


def real(x):
    return x.real if x.dtype.startswith("complex") else x


def bounded(x):
    """Keeps values of any dtype from growing, by something that is elementwise."""
    if x.dtype.startswith("int"):
        return x % 7 - 3
    if x.dtype.startswith("complex"):
        return x / (1 + abs(x)).astype(x.dtype)
    return T.tanh(x)


def product(x, y):
    if x.ndim == 0:
        return x * y
    return T.dot(x, y) * y if x.ndim == 1 else T.dot(T.dot(x, y.T), x) + y.astype(x.dtype)


# Results have the shape of both operands.
STEPS = [
    lambda x, y: x + y,
    lambda x, y: x * y - 2,
    lambda x, y: T.switch(real(x) > real(y), x, y),
    lambda x, y: x * y.sum().astype(y.dtype),
    lambda x, y: x + y.sum(axis=0, keepdims=True).astype(y.dtype) if y.ndim else x - y,
    lambda x, y: x + real(y).max(axis=-1, keepdims=True) if y.ndim else x,
    lambda x, y: x[::-1] + y if x.ndim else x,
    lambda x, y: x + y.flatten()[-1],
    lambda x, y: T.exp(-abs(x)) + y,
    lambda x, y: T.sqrt(abs(real(x)) + 1) * y,
    lambda x, y: T.set_subtensor(x[:1], bounded(y[-1:].astype(x.dtype))) if x.ndim else y,
    lambda x, y: T.sort(real(x), axis=-1) + y if x.ndim else x,
    lambda x, y: x.reshape(y.shape) + 1,
    lambda x, y: (x.T * 2).T + T.neq(y, 1),
    product,
]


@st.composite
def plans(draw):
    n_states = draw(st.integers(0, 3))
    operand = st.integers(0, 40)
    one_dtype = draw(st.sampled_from(DTYPES))
    any_dtype = st.sampled_from(DTYPES[:5])
    mixed = draw(st.booleans())
    taps = st.one_of(st.just([-1]), st.lists(st.integers(-3, -1), min_size=1, max_size=3))
    steps = st.tuples(st.integers(0, len(STEPS) - 1), operand, operand)
    return {
        "shape": draw(st.sampled_from(SHAPES)),
        "dtypes": [draw(any_dtype) if mixed else one_dtype for _ in range(6)],
        "taps": [draw(taps) for _ in range(n_states)],
        "keep": [draw(st.integers(0, 1)) for _ in range(n_states)],
        "layouts": draw(st.lists(st.integers(0, 2), min_size=0 if n_states else 1, max_size=2)),
        "constant_layout": draw(st.integers(0, 2)),
        "code": draw(st.lists(steps, min_size=1, max_size=8)),
        "picks": [draw(operand) for _ in range(6)],
        "n_emitted": draw(st.integers(0 if n_states else 1, 3)),
        "until": draw(st.booleans()),
        "steps": draw(st.sampled_from([0, 1, 2, 3, 8])),
    }


def laid_out(values, how):
    """The same values: as they are, transposed in memory, or each apart from the others."""
    if how == 1:
        return np.array(values, order="F")
    if how == 2:
        wide = np.zeros((*values.shape, 2), values.dtype)
        wide[..., 0] = values
        return wide[..., 0]
    return values


def variable_of(values, shape):
    """Rows of `shape`, or one: with the lengths of 1 known."""
    pattern = [k == 1 for k in shape]
    return T.TensorType(values.dtype.name, [False] * (values.ndim - len(shape)) + pattern)()


def body(plan, n_states):
    shape = plan["shape"]

    def state(value, dtype):
        value = bounded(value if dtype.startswith("complex") else real(value)).astype(dtype)
        return T.patternbroadcast(value, [k == 1 for k in shape])

    def step(*args):
        pool = list(args)
        for op, a, b in plan["code"]:
            pool.append(STEPS[op](pool[a % len(pool)], pool[b % len(pool)]))
        made = [pool[-1 - p % len(pool)] for p in plan["picks"]]
        fresh = [state(v, plan["dtypes"][i]) for i, v in enumerate(made[:n_states])]
        emitted = made[3 : 3 + plan["n_emitted"]]
        if not plan["until"]:
            return fresh, emitted
        total = sum(real(v).sum().astype("float64") for v in [*fresh, *emitted])
        return fresh, emitted, total > 4.0

    return step


@settings(deadline=None, max_examples=200, derandomize=True)
@given(plans())
def test_random_loops(plan):
    shape, n, dtypes = plan["shape"], plan["steps"], plan["dtypes"]
    starts = [array(dtypes[i], (-min(t), *shape), i) for i, t in enumerate(plan["taps"])]
    rows = [
        laid_out(array(dtypes[3 + i], (n + i, *shape), 5 + i), how)
        for i, how in enumerate(plan["layouts"])
    ]
    constant = laid_out(array(dtypes[5], shape, 9), plan["constant_layout"])
    arrays = [*starts, *rows, constant]
    variables = [variable_of(a, shape) for a in arrays]
    n_states = len(starts)
    out = loop(
        body(plan, n_states),
        list(zip(variables[:n_states], plan["taps"], strict=True)),
        variables[n_states:-1],
        variables[-1:],
        n_steps=n,
        keep=plan["keep"],
        until=plan["until"],
    )
    results = [*out.trace, *out.emitted]
    if plan["until"]:
        whole = [
            v[: out.steps - min(taps)] if keep else v
            for v, taps, keep in zip(out.trace, plan["taps"], plan["keep"], strict=True)
        ]
        results = [*whole, *[v[: out.steps] for v in out.emitted], out.steps]
    both_ways(variables, results, *arrays)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_slices_by_lengths_from_outside(n):
    """Lengths of arrays that the loop does not read decide what a step takes."""
    x, start, of_length = T.matrix(), T.vector(), T.vector()
    k = of_length.shape[0]

    def step(row, s):
        return T.set_subtensor(s[:k], T.tanh(row[:k]) + s[-k:] * 2)

    out, _ = phintys.scan(step, sequences=x, outputs_info=start)
    f = function([x, start, of_length], out)
    data, s0 = floats(n, 6, seed=1), floats(6, seed=2)
    for length in (2, 3, 6, 1, 2):
        want, s = np.zeros((n, 6)), s0.copy()
        for i, row in enumerate(data):
            s[:length] = np.tanh(row[:length]) + s[-length:] * 2
            want[i] = s
        np.testing.assert_allclose(f(data, s0, np.zeros(length)), want, rtol=1e-12)


def test_lengths_reach_loops_inside():
    x, of_length = T.tensor3(), T.vector()
    k = of_length.shape[0]

    def inner(row, so_far):
        return so_far + row[:k].sum() * k

    def outer(rows):
        return phintys.scan(inner, rows, np.float64(0))[0][-1]

    f = function([x, of_length], phintys.map(outer, x)[0])
    data = floats(3, 4, 5, seed=3)
    for length in (2, 5, 1, 2):
        want = [row[:, :length].sum() * length for row in data]
        np.testing.assert_allclose(f(data, np.zeros(length)), want, rtol=1e-12)


def test_shapes_that_do_not_fit_are_errors_though_lengths_are_known():
    x, of_length = T.matrix(), T.vector()
    out, _ = phintys.scan(lambda row: row[: of_length.shape[0]] + row, sequences=x)
    f = function([x, of_length], out)
    assert f(np.ones((2, 3)), np.ones(3)).shape == (2, 3)
    with pytest.raises(ValueError, match="mis-match"):
        f(np.ones((2, 3)), np.ones(2))


# --- special cases of flat loops -----------------------------------------------------------------


def test_two_states_that_change_places():
    x = T.matrix()
    out = loop(lambda a, b: ([b, a * 2], [a]), [(x, [-1]), (x + 1, [-1])], n_steps=3, keep=[0, 1])
    a, b, kept = both_ways([x], [*out.trace, *out.emitted], np.arange(4.0)[None])
    first, second = np.arange(4.0), np.arange(4.0) + 1
    np.testing.assert_array_equal(kept, [first, second, first * 2])
    np.testing.assert_array_equal(a, [second * 2])
    np.testing.assert_array_equal(b, [second, first * 2, second * 2, first * 4])


def test_large_constants_are_read_where_they_lie():
    """Another array in each call."""
    w, x = T.matrix(), T.matrix()
    out = loop(lambda s, w: ([T.tanh(T.dot(s, w) + w[0])], []), [(x, [-1])], [], [w], n_steps=4)
    f = function([w, x], out.trace[0])
    for seed in range(3):
        weights, s = floats(70, 70, seed=seed) * 0.1, floats(70, seed=9)
        want = [s]
        for _ in range(4):
            want.append(np.tanh(want[-1] @ weights + weights[0]))
        np.testing.assert_allclose(f(weights, s[None]), want, rtol=1e-9)
        np.testing.assert_allclose(f(weights.T.copy().T, s[None]), want, rtol=1e-9)


SIZES = [(1, 3, 1), (3, 3, 3), (1, 5, 7), (6, 4, 1), (2, 16, 4), (4, 1, 5)]


def some_products(dot, a, b, c):
    """Alone, added to something, transposed, reversed, of vectors."""
    return [
        dot(a, b),
        c - 2 * dot(a[:, ::-1], b),
        dot(b.T, a.T),
        dot(a[0], b),
        dot(a, b[:, -1]) + c[:, 0],
        dot(a[0], b[:, 0]),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m, k, n", SIZES)
def test_tiny_products(dtype, m, k, n):
    a, b, c = (T.TensorType(dtype, (False,) * 3)() for _ in range(3))
    start, tenth = T.TensorType(dtype, (False,))(), np.asarray(0.1, dtype)

    def step(state, a, b, c):  # a state, so that the loop stays
        return [T.tanh(state + tenth)], some_products(T.dot, a + state, b, c)

    rng = np.random.default_rng(m)
    values = [rng.standard_normal((5, *s)).astype(dtype) for s in ((m, k), (k, n), (m, n))]
    out = loop(step, [(start, [-1])], [a, b, c])
    got = both_ways([start, a, b, c], out.emitted, np.zeros(1, dtype), *values)
    rtol, s = 1e-5 if dtype == "float32" else 1e-12, np.zeros((), dtype)
    for t in range(5):
        want = some_products(np.dot, values[0][t] + s, values[1][t], values[2][t])
        for g, r in zip(got, want, strict=True):
            np.testing.assert_allclose(g[t], r, rtol=rtol, atol=rtol * 10)
        s = np.tanh(s + tenth)


def test_errors_in_a_step_name_it():
    x = T.matrix()
    start = T.dscalar()

    def step(row, s):
        return T.tanh(s) + T.nlinalg.matrix_inverse(row[0] * T.eye(2))[0, 0]

    out, _ = phintys.scan(step, sequences=x, outputs_info=start)
    f = function([x, start], out)
    assert f(np.ones((3, 2)), 0.0).shape == (3,)
    with pytest.raises(ValueError, match=r"(?s)ingular.*In step 2 of") as error:
        f(np.array([[1.0, 1], [1, 1], [0, 0]]), 0.0)
    assert "Apply node that caused the error" in str(error.value)


# --- single values, some of which stay in a register ---------------------------------------------

SINGLE_STEPS = [
    lambda x, y: x + y,
    lambda x, y: x - y * 0.5,
    lambda x, y: x * y - 1,
    lambda x, y: 1 - x * y,
    lambda x, y: x / (1 + y * y),
    lambda x, y: T.sqrt(abs(x)) - y,
    lambda x, y: T.maximum(x, -y),
    lambda x, y: T.minimum(x, y),
    lambda x, y: T.sin(x) * y,
    lambda x, y: T.switch(x > y, y, -x),
    lambda x, y: T.switch(T.le(x, y), x, y * x),
    lambda x, y: x.astype("float32").astype("float64") + y,
    lambda x, y: T.floor(x).astype("int32") + y,
]


@st.composite
def single_plans(draw):
    operand = st.integers(0, 20)
    steps = st.tuples(st.integers(0, len(SINGLE_STEPS) - 1), operand, operand)
    return {
        "dtype": draw(st.sampled_from(["float64", "float32"])),
        "taps": draw(
            st.lists(
                st.sampled_from([[-1], [-1], [-2, -1], [-3], [-1, -1]]), min_size=1, max_size=3
            )
        ),
        "keep": [draw(st.integers(0, 1)) for _ in range(3)],
        "n_sequences": draw(st.integers(0, 2)),
        "code": draw(st.lists(steps, min_size=1, max_size=6)),
        "picks": [draw(operand) for _ in range(3)],
        "emit": draw(st.one_of(st.none(), operand)),
        "until": draw(st.booleans()),
    }


@settings(deadline=None, max_examples=150, derandomize=True)
@given(single_plans())
def test_random_loops_on_single_values(plan):
    """Against an array of two of them, of which the second is another value."""
    n, dtype, taps = 6, plan["dtype"], plan["taps"]
    starts = [array(dtype, (-min(t), 2), i) for i, t in enumerate(taps)]
    rows = [array(dtype, (n, 2), 5 + i) for i in range(plan["n_sequences"])]
    constant = array(dtype, (2,), 9)

    def step(*args):
        pool = list(args)
        for op, a, b in plan["code"]:
            fresh = SINGLE_STEPS[op](pool[a % len(pool)], pool[b % len(pool)])
            pool.append(fresh.astype(dtype))
        fresh = [bounded(pool[-1 - p % len(pool)]) for p in plan["picks"][: len(taps)]]
        emitted = [] if plan["emit"] is None else [pool[-1 - plan["emit"] % len(pool)]]
        if not plan["until"]:
            return fresh, emitted
        return fresh, emitted, (fresh[0] if fresh[0].ndim == 0 else fresh[0][0]) > 0.6

    def values(pick):
        arrays = [pick(a) for a in (*starts, *rows, constant)]
        variables = [T.TensorType(dtype, (False,) * a.ndim)() for a in arrays]
        out = loop(
            step,
            list(zip(variables[: len(taps)], taps, strict=True)),
            variables[len(taps) : -1],
            variables[-1:],
            n_steps=n,
            keep=plan["keep"][: len(taps)],
            until=plan["until"],
        )
        results = [*out.trace, *out.emitted]
        if plan["until"]:
            whole = [
                v[: out.steps - min(t)] if k else v
                for v, t, k in zip(out.trace, taps, plan["keep"], strict=False)
            ]
            results = [*whole, *[v[: out.steps] for v in out.emitted], out.steps]
        return function(variables, results)(*arrays)

    single = values(lambda a: a[..., 0])
    pairs = values(lambda a: a)
    for one, two in zip(single, pairs, strict=True):
        np.testing.assert_array_equal(one, two[..., 0] if two.ndim > one.ndim else two)

"""Loops over few elements, which run as flat lists of calls, against the same loops step by step.

A profiled function runs the instructions of a loop one by one, unless all are on single values: the
results must be the same to the last bit.
"""

import numpy as np
import phintys.tensor as T
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_graphs import loop
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

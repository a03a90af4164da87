"""Long elementwise expressions, whose steps run as chains, against the same steps one by one.

Chains need 256 elements: a function gives the same bits to fewer, which run without them.
"""

import os

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from phintys import _core
from phintys.compile.mode import get_mode

FAST_RUN = get_mode("FAST_RUN")
FAST_COMPILE = get_mode("FAST_COMPILE")
UNFUSED = FAST_RUN.excluding("fuse")
EXAMPLES = int(os.environ.get("PHINTYS_TEST_EXAMPLES", "100"))
INSTRUCTION = st.tuples(*[st.integers(0, 255)] * 4)
PROGRAM = st.lists(INSTRUCTION, min_size=1, max_size=10) | st.lists(
    INSTRUCTION, min_size=20, max_size=60
)
SEED = st.integers(0, 999)


def bounded(examples):
    return settings(
        max_examples=max(1, EXAMPLES * examples // 100),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def threads():
    """Sets the number of threads; the old one comes back."""
    before = _core.num_threads()
    yield lambda n: _core.set_config(num_threads=n)
    _core.set_config(num_threads=before)


# --- random expressions -------------------------------------------------------------------------

ADDITIVE = [T.add, T.sub, T.maximum, T.minimum, lambda x, y: x / (T.abs_(y) + 0.5), T.add]
# A product and a sum become one step, with one rounding less.
CONTRACTED = [*ADDITIVE, T.mul, lambda x, y: x * y + x, lambda x, y: x - x * y, T.mul]
UNARY = [T.neg, T.abs_, lambda x: T.sqrt(T.abs_(x)), T.sgn, lambda x: 1 / (T.abs_(x) + 1), T.neg]
HEAVY = [lambda x: T.exp(-T.abs_(x)), T.tanh, T.sin]


def sources(dtype):
    """Variables of all shapes that broadcast to two dimensions."""
    other = "float64" if dtype == "float32" else "float32"
    whole = (False, False)
    return [
        T.TensorType(d, pattern)()
        for d, pattern in [
            (dtype, whole), (dtype, whole), (other, whole), (dtype, (True, False)),
            (dtype, (False, True)), (other, (False, True)), (dtype, (False,)), (dtype, ()),
        ]
    ]  # fmt: skip


def arrays_for(variables, rows, columns, seed):
    rng = np.random.default_rng(seed)
    out = []
    for v in variables:
        shape = (rows, columns)[2 - v.ndim :] if v.ndim else ()
        shape = tuple(1 if b else n for n, b in zip(shape, v.broadcastable, strict=True))
        out.append(np.asarray(rng.uniform(-2, 2, shape)).astype(v.dtype))
    return out


def expressions(program, variables, binary):
    """All values that a program computes; the last ones are built on many others."""
    values = list(variables)
    for code, i, j, c in program:
        a = values[-1 - i % len(values)] if i % 4 == 0 else values[-1]
        b = values[j % len(values)]
        kind = code % 12
        if kind < 7:
            z = binary[c % len(binary)](a, b)
        elif kind < 9:
            z = UNARY[c % len(UNARY)](a)
        elif kind == 9:
            z = T.cast(a, ["float32", "float64"][c % 2])
        elif kind == 10:
            z = T.switch(T.lt(a, b), values[c % len(values)], b)
        else:
            z = HEAVY[c % len(HEAVY)](a)
        # Additions alone would let values grow for ever, and rounding errors hide each other.
        values.append(T.clip(z, -8, 8) if len(values) % 5 == 0 else z)
    return [v for v in values[len(variables) :] if v.ndim == 2 and not any(v.broadcastable)]


def chosen(values, seed):
    """The last value, and a few that later ones are made of."""
    rng = np.random.default_rng(seed)
    picks = rng.choice(len(values), min(len(values), 1 + seed % 4), replace=False)
    return list({id(v): v for v in [*(values[k] for k in picks), values[-1]]}.values())


def compiled(variables, outputs, mode=FAST_RUN, **kwargs):
    return phintys.function(variables, outputs, mode=mode, on_unused_input="ignore", **kwargs)


def same_bits(got, want, what=""):
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        assert g.dtype == w.dtype, (what, k)
        np.testing.assert_array_equal(g, w, err_msg=f"{what} output {k}")
        np.testing.assert_array_equal(np.signbit(g), np.signbit(w), err_msg=f"{what} output {k}")


def close(got, want, what=""):
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        assert g.dtype == w.dtype, (what, k)
        np.testing.assert_allclose(g, w, rtol=2e-3, atol=2e-3, err_msg=f"{what} output {k}")


def part_of(variables, arrays, rows, columns):
    """The elements of arrays that make some rows and columns of a result."""
    parts = []
    for v, a in zip(variables, arrays, strict=True):
        if v.ndim == 2 and not v.broadcastable[0]:
            a = a[rows]
        if v.ndim and not v.broadcastable[-1]:
            a = a[..., columns]
        parts.append(a)
    return parts


def shape_of(seed):
    """From 256 elements to 5,000, of all proportions."""
    columns = [1, 2, 3, 7, 16, 61, 64, 100, 127, 256, 300, 513, 1000, 4000][seed % 14]
    fewest = -(-256 // columns)
    return fewest + seed * 7919 % max(1, 5000 // columns - fewest + 1), columns


@bounded(150)
@given(PROGRAM, SEED, st.sampled_from(["float32", "float64"]))
def test_steps_without_contraction(program, seed, dtype):
    variables = sources(dtype)
    values = expressions(program, variables, ADDITIVE)
    if not values:
        return
    outputs = chosen(values, seed)
    arrays = arrays_for(variables, *shape_of(seed), seed)
    want = compiled(variables, outputs, UNFUSED)(*arrays)
    same_bits(compiled(variables, outputs)(*arrays), want)
    same_bits(compiled(variables, outputs, FAST_COMPILE)(*arrays), want, "FAST_COMPILE")


@bounded(150)
@given(PROGRAM, SEED, st.sampled_from(["float32", "float64"]))
def test_any_part_has_the_same_bits(program, seed, dtype):
    """Rows and columns alone, few of them without chains, give the bits that they have in all."""
    variables = sources(dtype)
    values = expressions(program, variables, CONTRACTED)
    if not values:
        return
    outputs = chosen(values, seed)
    rows, columns = shape_of(seed)
    arrays = arrays_for(variables, rows, columns, seed)
    f = compiled(variables, outputs)
    whole = f(*arrays)
    r, c = 1 + seed % rows, 1 + seed * 31 % columns
    few = max(1, 255 // c)  # rows that make too few elements for chains
    for top, bottom, left in [(0, r, 0), (rows - r, rows, columns - c), (0, min(few, rows), 0)]:
        right = left + c
        parts = part_of(variables, arrays, slice(top, bottom), slice(left, right))
        same_bits(f(*parts), [w[top:bottom, left:right] for w in whole], (top, left))


@bounded(60)
@given(PROGRAM, SEED, st.sampled_from(["float32", "float64"]))
def test_steps_with_contraction(program, seed, dtype):
    variables = sources(dtype)
    # Comparisons, and what is like them, turn a last bit into another value.
    smooth = [(c if c % 12 != 10 else c + 1, i, j, k) for c, i, j, k in program]
    kept = [f for f in CONTRACTED if f is not T.sgn]
    values = expressions(
        [(c, i, j, 0 if c % 12 in (7, 8) else k) for c, i, j, k in smooth], variables, kept
    )
    if not values:
        return
    outputs = chosen(values, seed)
    arrays = arrays_for(variables, *shape_of(seed), seed)
    got = compiled(variables, outputs)(*arrays)
    close(got, compiled(variables, outputs, FAST_COMPILE)(*arrays))


@bounded(80)
@given(PROGRAM, SEED, st.sampled_from(["float32", "float64"]))
def test_reductions_of_chains(program, seed, dtype):
    variables = sources(dtype)
    values = expressions(program, variables, ADDITIVE)
    if not values:
        return
    last = values[-1]
    axis = [None, 0, 1][seed % 3]
    outputs = [last.max(axis=axis), last.min(axis=axis), last.sum(axis=axis), values[0].max(axis)]
    arrays = arrays_for(variables, *shape_of(seed), seed)
    got = compiled(variables, outputs)(*arrays)
    want = compiled(variables, outputs, FAST_COMPILE)(*arrays)
    same_bits([*got[:2], got[3]], [*want[:2], want[3]])
    plain = compiled(variables, last, UNFUSED)(*arrays)
    exact = plain.astype("longdouble")
    bound = 32 * np.finfo(plain.dtype).eps * np.abs(exact).sum(axis=axis)
    assert np.all(np.abs(got[2] - exact.sum(axis=axis)) <= bound)
    # Next to the values themselves.
    both = compiled(variables, [last, *outputs])(*arrays)
    same_bits([both[0], both[1]], [plain, got[0]])


# --- products that a sum computes on its way ------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 8, 64, 1000, 1025, 70_001, 1_300_001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_products(n, dtype):
    """Against exact sums of the products as they are rounded, of whole rows and of strides."""
    rng = np.random.default_rng(4)
    a, b = (rng.uniform(-2, 2, n).astype(dtype) for _ in range(2))
    x, y = T.TensorType(dtype, (False,))("x"), T.TensorType(dtype, (False,))("y")
    outputs = [(x * y).sum(), T.sqr(x).sum(), T.sqr(x - y).sum(), ((x - y) * y).sum()]
    products = [a * b, a * a, (a - b) * (a - b), (a - b) * b]
    for z, p in zip(outputs, products, strict=True):
        f = compiled([x, y], z)
        exact = p.astype("longdouble")
        apart = [np.repeat(v, 3)[::3] for v in (a, b)]
        for arrays in ([a, b], apart, [a, apart[1]]):
            got = f(*arrays)
            assert abs(got - exact.sum()) <= 32 * np.finfo(dtype).eps * np.abs(exact).sum()
            same_bits([f(*arrays)], [got], "a second call")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_products_of_edges(dtype):
    x, y = T.TensorType(dtype, (False,))("x"), T.TensorType(dtype, (False,))("y")
    dot = compiled([x, y], (x * y).sum())
    zeros, ones = np.zeros(700, dtype), np.ones(700, dtype)
    assert dot(zeros[:0], zeros[:0]) == 0
    for n in (1, 5, 16, 333, 700):
        assert not np.signbit(dot(zeros[:n], ones[:n]))
        bad = ones[:n].copy()
        bad[n // 2] = np.inf
        assert dot(bad, ones[:n]) == np.inf
        assert np.isnan(dot(bad, zeros[:n]))
    huge = np.full(700, np.finfo(dtype).max, dtype)
    assert dot(huge, 2 * ones) == np.inf
    with pytest.raises(ValueError, match="mis-match"):
        dot(ones[:3], ones[:4])


@pytest.mark.parametrize("workers", [1, 2])
def test_sums_of_products_beside_other_uses(workers, threads):
    """Rows of a matrix, a product that is an output too, factors that are single values."""
    threads(workers)
    rng = np.random.default_rng(5)
    a, b = rng.uniform(-2, 2, (2, 40, 3001))
    x, y, c = T.matrix("x"), T.matrix("y"), T.scalar("c")
    outputs = [(x * y).sum(axis=1), (x * y).sum(), x * y, (x * y).max(), (x * c).sum(axis=1)]
    want = [(a * b).sum(axis=1), (a * b).sum(), a * b, (a * b).max(), (a * 0.5).sum(axis=1)]
    got = compiled([x, y, c], outputs)(a, b, 0.5)
    alone = [compiled([x, y, c], z)(a, b, 0.5) for z in outputs]
    for values in (got, alone):
        for g, w in zip(values, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-11, atol=1e-11)


# --- rows that most steps read, which stay in registers -----------------------------------------


def repeated(program, variables, binary):
    """All values of a chain of which each step takes the one before, and most take one variable."""
    held, z, values = variables[0], variables[1], []
    for code, i, j, c in program:
        other = (
            held if code % 4 else [*variables[1:], *values][j % (len(variables) + len(values) - 1)]
        )
        op = binary[c % len(binary)]
        z = op(z, other) if i % 3 else op(other, z)
        if len(values) % 5 == 4:
            z = T.clip(z, -8, 8)
        values.append(z)
    return values


@bounded(100)
@given(PROGRAM, SEED, st.sampled_from(["float32", "float64"]))
@example([(1, 1, 0, 0)] * 20, 5, "float32")
@example([(1, 1, 0, 0)] * 20, 12, "float64")
def test_held_rows(program, seed, dtype):
    variables = [v for v in sources(dtype) if v.dtype == dtype]
    values = repeated(program, variables, ADDITIVE)
    outputs = chosen(values, seed)
    # Each strip, and each number of elements behind the last one.
    rows, columns = shape_of(seed) if seed % 2 else (1, 256 + seed)
    arrays = arrays_for(variables, rows, columns, seed)
    want = compiled(variables, outputs, UNFUSED)(*arrays)
    same_bits(compiled(variables, outputs)(*arrays), want)
    # Multiply-adds round once: against the same function on parts that are too few for chains.
    outputs = chosen(repeated(program, variables, CONTRACTED), seed)
    f = compiled(variables, outputs)
    whole = f(*arrays)
    c = min(columns, 200)
    few = part_of(variables, arrays, slice(1), slice(c))
    same_bits(f(*few), [w[:1, :c] for w in whole], "few")


@pytest.mark.parametrize("n", [256, 300, 5_000, 1_300_001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_held_rows_that_are_written_over(n, dtype):
    """A state read in each step of the chain that replaces it, and of one that does so midway."""
    rng = np.random.default_rng(3)
    start, other = (rng.uniform(-1, 1, n).astype(dtype) for _ in range(2))
    y = T.TensorType(dtype, (False,))("y")
    results = []
    for mode in (FAST_RUN, UNFUSED):
        w, v = phintys.shared(start), phintys.shared(other)
        z = y
        for _ in range(6):
            z = T.maximum(z - w, w) - y
        last = z
        for _ in range(5):
            last = T.minimum(w - last, v + w)
        f = compiled([y], [last.max()], mode, updates=[(w, z), (v, last)])
        largest = [f(other)[0] for _ in range(3)]
        results.append([w.get_value(), v.get_value(), np.array(largest)])
    same_bits(*results)


# --- large outputs, which go past the caches ------------------------------------------------------

LARGE = st.lists(INSTRUCTION, min_size=4, max_size=16)


def large_shape(seed):
    return [(1100, 1024), (1, 1_200_007), (1_150_000, 1), (1049, 1031)][seed % 4]


@bounded(16)
@given(LARGE, SEED, st.sampled_from(["float32", "float64"]))
def test_large_outputs(program, seed, dtype):
    variables = sources(dtype)
    values = expressions(program, variables, ADDITIVE)
    if not values:
        return
    outputs = chosen(values, seed)[-2:]
    rows, columns = large_shape(seed)
    arrays = arrays_for(variables, rows, columns, seed)
    f = compiled(variables, outputs)
    got = f(*arrays)
    same_bits(got, compiled(variables, outputs, UNFUSED)(*arrays))
    same_bits(f(*arrays), got, "a second call")


@bounded(10)
@given(st.lists(INSTRUCTION, min_size=4, max_size=16), SEED)
@example([(0, 1, 1, 7)] * 8, 2)
def test_threads(program, seed):
    variables = sources("float32")
    values = expressions(program, variables, CONTRACTED)
    if not values:
        return
    outputs = [*chosen(values, seed)[-2:], values[-1].sum(), values[0].sum(axis=seed % 2)]
    arrays = arrays_for(variables, *[(300, 401), *[large_shape(seed)]][seed % 2], seed)
    f = compiled(variables, outputs)
    before = _core.num_threads()
    try:
        results = []
        for n in (1, 2, 4):
            _core.set_config(num_threads=n)
            results.append(f(*arrays))
    finally:
        _core.set_config(num_threads=before)
    same_bits(results[1], results[0], "2 threads")
    same_bits(results[2], results[0], "4 threads")


SIZES = [300, 5_000, 1_300_001]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_a_join(n, dtype):
    """The parts after the first start anywhere."""
    x, y = T.TensorType(dtype, (False,))("x"), T.TensorType(dtype, (False,))("y")
    first, second = T.maximum(x - y, y / (T.abs_(x) + 1)), -T.sqrt(T.abs_(x + y)) - y
    joined = T.concatenate([first[:3], second, first, x[:1], second])
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-2, 2, n).astype(dtype) for _ in range(2))
    want = compiled([x, y], [joined, first, second], UNFUSED)(a, b)
    same_bits(compiled([x, y], [joined, first, second])(a, b), want)
    same_bits(compiled([x, y], [joined])(a, b), want[:1])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", [0, 1, 5])
def test_updates_of_slices(n, dtype, start):
    rng = np.random.default_rng(1)
    a, b = (rng.uniform(-2, 2, n).astype(dtype) for _ in range(2))
    x = T.TensorType(dtype, (False,))("x")
    results = []
    for mode in (FAST_RUN, UNFUSED):
        w = phintys.shared(a)
        part = w[start : n - 2]
        chain = T.maximum(part / (T.abs_(x) + 1) - x, x - part)
        f = compiled([x], part.sum(), mode, updates=[(w, T.set_subtensor(part, chain))])
        g = compiled([x], [], mode, updates=[(w, T.inc_subtensor(part, -chain))])
        for _ in range(3):
            f(b[start : n - 2])
            g(b[start : n - 2])
        results.append(w.get_value())
    same_bits(results[:1], results[1:])
    assert np.array_equal(results[0][:start], a[:start])
    assert np.array_equal(results[0][n - 2 :], a[n - 2 :])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("workers", [1, 2])
def test_updates_in_place(n, dtype, workers, threads):
    """`w -= rate * g`, with momentum: both arrays are read and written in one run."""
    threads(workers)
    rng = np.random.default_rng(2)
    start, gradient = (rng.uniform(-1, 1, n).astype(dtype) for _ in range(2))
    # Products with powers of two are exact: one rounding less changes nothing.
    rate, momentum = np.asarray(0.25, dtype), np.asarray(0.5, dtype)
    g = T.TensorType(dtype, (False,))("g")
    w, v = phintys.shared(start), phintys.shared(np.zeros_like(start))
    speed = momentum * v - rate * g
    step = compiled([g], [abs(w).max()], updates=[(v, speed), (w, w + speed)])
    want, fast = start.copy(), np.zeros_like(start)
    for _ in range(4):
        (most,) = step(gradient)
        assert most == np.abs(want).max()
        fast = momentum * fast - rate * gradient
        want = want + fast
    same_bits([w.get_value(), v.get_value()], [want, fast])
    plain = phintys.shared(start)
    descend = compiled([g], [], updates=[(plain, plain - rate * g)])
    descend(gradient)
    descend(gradient)
    same_bits([plain.get_value()], [start - rate * gradient - rate * gradient])


@pytest.mark.parametrize("n", SIZES)
def test_swapped_updates(n):
    """Each update reads the old value of the other."""
    rng = np.random.default_rng(3)
    a, b = (rng.uniform(-1, 1, n).astype("float32") for _ in range(2))
    x, y = phintys.shared(a), phintys.shared(b)
    f = compiled([], [x - y], updates=[(x, -y - x), (y, abs(x) - y)])
    for _ in range(3):
        (got,) = f()
        np.testing.assert_array_equal(got, a - b)
        a, b = -b - a, np.abs(a) - b
    same_bits([x.get_value(), y.get_value()], [a, b])


# --- shapes of chains -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [255, 256, 4097, 1_100_000])
def test_deep_chains(n):
    """More steps than a region has."""
    x, y = T.fvectors("x", "y")
    z = x
    for k in range(500):
        z = T.maximum(z, y) - z if k % 3 else z / (T.abs_(y) + 1) + x
    rng = np.random.default_rng(4)
    a, b = (rng.uniform(-1, 1, n).astype("float32") for _ in range(2))
    want = compiled([x, y], [z], UNFUSED)(a, b)
    same_bits(compiled([x, y], [z])(a, b), want)


@pytest.mark.parametrize("n", [256, 4097])
def test_wide_fans(n):
    x = T.dvector("x")
    root = T.sqrt(T.abs_(x) + 1)
    leaves = [T.maximum(root - k, x) / (root + k) for k in range(200)]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = T.minimum(total + leaf, leaf + 3)
    a = np.random.default_rng(5).uniform(-9, 9, n)
    outputs = [total, *leaves[::7], root]
    want = compiled([x], outputs, UNFUSED)(a)
    same_bits(compiled([x], outputs)(a), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [300, 1_300_001])
def test_special_values(dtype, n):
    """NaN, infinities, zeros of both signs and subnormal numbers, anywhere in a strip."""
    info = np.finfo(dtype)
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, info.tiny / 4, info.max, -info.max, 1.0, -1.0]
    rng = np.random.default_rng(6)
    a, b, c = (rng.choice(special, n).astype(dtype) for _ in range(3))
    x, y, z = (T.TensorType(dtype, (False,))() for _ in range(3))
    outputs = [
        T.maximum(x + y, z) - T.minimum(y, x),
        -T.abs_(T.sgn(x) - y) / z,
        T.sqrt(T.sqr(x - y)) / (x + z),
        1 / (x + y) - z,
    ]
    want = compiled([x, y, z], outputs, UNFUSED)(a, b, c)
    got = compiled([x, y, z], outputs)(a, b, c)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g, w)
        known = ~np.isnan(w)  # nothing is said about the signs of NaN
        np.testing.assert_array_equal(np.signbit(g[known]), np.signbit(w[known]))


def test_loops_with_chains_in_their_bodies():
    """Rows of 256 and more elements: a step of the loop runs its region as chains."""
    for n in (255, 256, 300, 2000, 5000):
        rng = np.random.default_rng(n)
        a, b = rng.uniform(-1, 1, (2, n))
        x, y = T.dvectors("x", "y")

        def step(s, x):
            return T.minimum(T.maximum(s - x, x / (T.abs_(s) + 1)), 3) + x

        out, _ = phintys.scan(step, outputs_info=y, non_sequences=x, n_steps=20)
        got = compiled([x, y], [out])(a, b)
        s, want = b, []
        for _ in range(20):
            s = np.minimum(np.maximum(s - a, a / (np.abs(s) + 1)), 3) + a
            want.append(s)
        same_bits(got, [np.array(want)])

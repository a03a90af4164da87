"""Every op of the registry that takes or makes complex numbers: values, dtypes, layouts, gradients.

Nothing here lists ops: the cases come from ``_core.elementwise_ops()``.
"""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core, config
from value_cases import COMPLEX, PUBLIC, REAL, draw_operands, layouts, reference, rule_dtypes

NAMES = sorted(n for n in PUBLIC if PUBLIC[n]["complex"])
MAKERS = sorted(n for n in PUBLIC if PUBLIC[n]["rule"] == "make_complex")
MODES = ["FAST_RUN", "FAST_COMPILE", "DEBUG_MODE", phintys.compile.mode.Mode(optimizer=None)]
EPS = {"complex64": 1.2e-7, "float32": 1.2e-7, "complex128": 2.3e-16, "float64": 2.3e-16}
# NumPy's own errors, or those of a sum of large terms, in units of the last place of |f|.
ULPS = {"exp2": 40, "pow": 100, "log1p": 40, "true_div": 8, "tanh": 12, "tan": 12}


def variables(arrays):
    return [T.TensorType(a.dtype.name, (False,) * a.ndim)() for a in arrays]


def expected(name, operands):
    """NumPy's value, computed in complex128 (or float64), in the dtype that the rule gives."""
    rule = PUBLIC[name]["rule"]
    compute, result = rule_dtypes(rule, [a.dtype.name for a in operands])
    wide = {"complex64": "complex128", "float32": "float64"}.get(compute, compute)
    if rule == "select":
        operands = [operands[0].astype(bool), *(a.astype(wide) for a in operands[1:])]
    elif rule != "second":
        operands = [a.astype(compute).astype(wide) for a in operands]
    with np.errstate(all="ignore"):
        return np.asarray(reference(name)(*operands)).astype(result)


def same_special(a, b):
    def parts(x, y):
        return (x == y) | (np.isnan(x) & np.isnan(y))

    return parts(np.real(a), np.real(b)) & parts(np.imag(a), np.imag(b))


def check(name, got, want, what=""):
    got = np.asarray(got)
    assert got.dtype == want.dtype, f"{name} {what}: {got.dtype} instead of {want.dtype}"
    assert got.shape == want.shape, f"{name} {what}: {got.shape} instead of {want.shape}"
    if want.dtype == bool:
        np.testing.assert_array_equal(got, want, err_msg=f"{name} {what}")
        return
    with np.errstate(all="ignore"):
        size = np.abs(want) + np.finfo(want.dtype).tiny
        if name == "log1p":  # NumPy rounds 1 + x
            size = np.maximum(size, 1)
        bad = ~(np.abs(got - want) <= ULPS.get(name, 6) * EPS[want.dtype.name] * size)
        bad &= ~same_special(got, want)
    assert not bad.any(), f"{name} {what}: {got[bad][:4]} instead of {want[bad][:4]}"


def operands_of(name, rng, dtype, shape):
    operands = draw_operands(rng, name, dtype, shape)
    if PUBLIC[name]["rule"] == "select":
        operands[0] = np.asarray(rng.random(shape) < 0.5)
    return operands


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", COMPLEX)
def test_values_in_all_sizes_and_layouts(name, dtype):
    rng = np.random.default_rng(1)
    for shape in [(), (0,), (1,), (3,), (17,), (1025,), (0, 3), (5, 9), (3, 1, 4)]:
        operands = operands_of(name, rng, dtype, shape)
        xs = variables(operands)
        f = phintys.function(xs, _core.elemwise(name, *xs))
        want = expected(name, operands)
        forms = [layouts(a) for a in operands]
        for form in forms[0]:
            check(name, f(*[x[form] for x in forms]), want, f"{shape} {form}")
        if len(operands) > 1 and "transposed" in forms[0]:
            kinds = ["transposed", "strided", "reversed"]
            mixed = [x[k] for x, k in zip(forms, kinds, strict=False)]
            check(name, f(*mixed), want, f"{shape} mixed")


@pytest.mark.parametrize("name", NAMES + MAKERS)
def test_result_dtypes_of_mixed_operands(name):
    rng = np.random.default_rng(2)
    op = PUBLIC[name]
    dtypes = REAL if name in MAKERS else REAL + COMPLEX
    first = ["bool"] if op["rule"] == "select" else dtypes
    axes = [first, *[dtypes] * (op["arity"] - 1)]
    for combination in itertools.product(*axes):
        if name not in MAKERS and not set(combination) & set(COMPLEX):
            continue
        compute = rule_dtypes(op["rule"], combination)[0]
        if name == "second" and compute not in COMPLEX:
            continue
        rng = np.random.default_rng(3)
        operands = [draw_operands(rng, name, d, 5)[0] for d in combination]
        xs = variables(operands)
        with np.errstate(all="ignore"):
            got = phintys.function(xs, _core.elemwise(name, *xs))(*operands)
            check(name, got, expected(name, operands), str(combination))


@pytest.mark.parametrize("name", [n for n in NAMES if PUBLIC[n]["arity"] > 1])
def test_broadcasting(name):
    rng = np.random.default_rng(4)
    shapes = [(6, 70), (1, 70), (6, 1), (), (70,)]
    for dtype, chosen in itertools.product(
        COMPLEX, itertools.product(shapes, repeat=PUBLIC[name]["arity"])
    ):
        operands = [operands_of(name, rng, dtype, s)[i] for i, s in enumerate(chosen)]
        xs = [T.TensorType(a.dtype.name, tuple(n == 1 for n in a.shape))() for a in operands]
        got = phintys.function(xs, _core.elemwise(name, *xs))(*operands)
        want = expected(name, operands)
        want = np.broadcast_to(want, np.broadcast_shapes(*[a.shape for a in operands]))
        check(name, got, want, str(chosen))


@pytest.mark.parametrize("name", NAMES + MAKERS)
def test_modes_threads_and_fusion_agree(name):
    rng = np.random.default_rng(5)
    dtype = "float64" if name in MAKERS else "complex128"
    operands = operands_of(name, rng, dtype, 300_007)
    xs = variables(operands)
    z = _core.elemwise(name, *xs)
    outputs = [z, z.sum(), T.switch(z.real > 0, z, -z) if z.dtype != "bool" else z]
    before = config.num_threads
    results = []
    unfused = phintys.compile.mode.get_mode("FAST_RUN").excluding("fuse")
    try:
        for threads, mode in [(1, None), (2, None), (2, unfused)]:
            config.num_threads = threads
            results.append(phintys.function(xs, outputs, mode=mode)(*operands))
    finally:
        config.num_threads = before
    for other in results[1:]:
        for a, b in zip(results[0][::2], other[::2], strict=True):
            assert a.tobytes() == b.tobytes()
    assert results[0][1].tobytes() == results[1][1].tobytes()
    check(name, results[0][0], expected(name, operands))
    small = [a[:50] for a in operands]
    for mode in MODES:
        check(name, phintys.function(xs, z, mode=mode)(*small), expected(name, small), str(mode))


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_folded(name):
    rng = np.random.default_rng(6)
    for dtype in COMPLEX:
        operands = operands_of(name, rng, dtype, 7)
        z = _core.elemwise(name, *[T.constant(a) for a in operands])
        f = phintys.function([], z)
        check(name, f(), expected(name, operands))
        assert not [n for n in f.fn.program_text().splitlines() if "fused" in n.lower()]


def cost_of(z, w):
    """A real function of all parts of z with random weights."""
    return (z.real * w.real).sum() + (z.imag * w.imag).sum()


def numeric_gradient(f, points, k, w, h=1e-6):
    """dC/d(Re x) + i dC/d(Im x) by central differences."""

    def cost(arrays):
        z = f(*arrays)
        return (np.real(z) * w.real).sum() + (np.imag(z) * w.imag).sum()

    g = np.zeros_like(points[k])
    for index in np.ndindex(g.shape):
        for step in (h, 1j * h) if g.dtype.kind == "c" else (h,):
            up, down = [p.copy() for p in points], [p.copy() for p in points]
            up[k][index] += step
            down[k][index] -= step
            slope = (cost(up) - cost(down)) / (2 * h)
            g[index] += slope * (step / h)
    return g


def differentiable(name):
    return PUBLIC[name]["rule"] not in ("compare", "predicate")


# Where the right side must be real numbers in the first operand: tests of mixed products.
MIXED = [("complex128",) * 3, ("float64", "complex128", "complex128")]


@pytest.mark.parametrize("kinds", MIXED)
@pytest.mark.parametrize("name", NAMES + MAKERS)
def test_gradient(name, kinds):
    if name not in MAKERS and not differentiable(name):
        return
    op = PUBLIC[name]
    if kinds[0] == "float64" and (op["arity"] == 1 or op["rule"] in ("select", "second")):
        return
    rng = np.random.default_rng(7)
    dtypes = ["float64"] * 3 if name in MAKERS else list(kinds)
    points = [np.asarray(draw_operands(rng, name, d, 6)[0]) for d in dtypes[: op["arity"]]]
    if op["rule"] == "select":
        points[0] = rng.random(6) < 0.5
    w = rng.normal(size=6) + 1j * rng.normal(size=6)
    xs = variables(points)
    z = _core.elemwise(name, *xs)
    cost = cost_of(z, w)
    assert cost.dtype == "float64"
    wrt = range(1 if op["rule"] in ("select", "second") else 0, op["arity"])
    grads = T.grad(cost, [xs[i] for i in wrt])
    f = phintys.function(xs, z)
    for mode in ["FAST_RUN", "FAST_COMPILE"]:
        values = phintys.function(xs, grads, mode=mode, on_unused_input="ignore")(*points)
        for i, got in zip(wrt, values, strict=True):
            assert got.dtype == points[i].dtype
            want = numeric_gradient(f, points, i, w)
            np.testing.assert_allclose(got, want, rtol=3e-6, atol=3e-7, err_msg=f"{name} {i}")


@pytest.mark.parametrize("name", NAMES + MAKERS)
def test_rop(name):
    op = PUBLIC[name]
    if (name not in MAKERS and not differentiable(name)) or op["rule"] in ("select", "second"):
        return
    rng = np.random.default_rng(8)
    dtype = "float64" if name in MAKERS else "complex128"
    points = [np.asarray(draw_operands(rng, name, dtype, 5)[0]) for _ in range(op["arity"])]
    ways = [draw_operands(rng, name, dtype, 5)[0] for _ in points]
    xs, vs = variables(points), variables(ways)
    z = _core.elemwise(name, *xs)
    got = phintys.function([*xs, *vs], T.Rop(z, xs, vs), on_unused_input="ignore")(*points, *ways)
    f = phintys.function(xs, z)
    h = 1e-6
    up = f(*[p + h * v for p, v in zip(points, ways, strict=True)])
    down = f(*[p - h * v for p, v in zip(points, ways, strict=True)])
    np.testing.assert_allclose(got, (up - down) / (2 * h), rtol=5e-6, atol=5e-7)


@pytest.mark.parametrize("name", [n for n in NAMES if PUBLIC[n]["rule"] != "select"])
def test_gradients_keep_complex64(name):
    if not differentiable(name):
        return
    xs = [T.cvector() for _ in range(PUBLIC[name]["arity"])]
    z = _core.elemwise(name, *xs)
    assert z.dtype in ("complex64", "float32")
    for g in T.grad(z.real.sum(), xs, disconnected_inputs="ignore"):
        assert g.dtype == "complex64"


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_name_the_reference(name):
    assert getattr(T, name).__doc__

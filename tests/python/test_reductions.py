"""Reductions against NumPy: kinds, axes, dtypes, layouts, empty and special values, gradients."""

import itertools
import math
import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import config
from scipy import special
from value_cases import FLOATS, INTS, REAL, finite_difference, layouts

MODES = ["FAST_RUN", "FAST_COMPILE", phintys.compile.mode.get_mode("FAST_RUN").excluding("fuse")]
ARITHMETIC = {"sum": np.sum, "prod": np.prod}
EXTREMA = {"max": np.max, "min": np.min}
TRUTH = {"any": np.any, "all": np.all}
ARGS = {"argmax": np.argmax, "argmin": np.argmin}
MOMENTS = {"mean": np.mean, "var": np.var, "std": np.std}
KINDS = {**ARITHMETIC, **EXTREMA, **TRUTH, **ARGS, **MOMENTS}


def variable(array, pattern=None):
    return T.TensorType(array.dtype.name, pattern or (False,) * array.ndim)()


def run(expression, *pairs, mode=None):
    return phintys.function([x for x, _ in pairs], expression, mode=mode, on_unused_input="ignore")(
        *[v for _, v in pairs]
    )


def values(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.7)
    if dtype in INTS:
        return np.asarray(rng.integers(0 if dtype[0] == "u" else -3, 4, shape), dtype)
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape), dtype)


def axes_of(rank):
    choices = [None]
    for n in range(1, rank + 1):
        choices += [c if n > 1 else c[0] for c in itertools.combinations(range(rank), n)]
    return [*choices, *([-1] if rank else [])]


def arg_reference(f, x, axis, keepdims):
    """argmax over several axes counts in C order of these axes."""
    if axis is None or not isinstance(axis, tuple):
        return f(x, axis=axis, keepdims=keepdims)
    rest = [i for i in range(x.ndim) if i not in axis]
    moved = x.transpose(*rest, *axis).reshape(*[x.shape[i] for i in rest], -1)
    got = f(moved, axis=-1)
    return np.expand_dims(got, axis) if keepdims else got


def result_dtype(kind, dtype):
    if kind in TRUTH:
        return "bool"
    if kind in ARGS:
        return "int64"
    if kind in EXTREMA or dtype in FLOATS:
        return dtype
    if kind in MOMENTS:
        return "float64"
    return "uint64" if dtype.startswith("uint") else "int64"


def want_of(kind, x, axis, keepdims):
    dtype = result_dtype(kind, x.dtype.name)
    if kind in ARGS:
        return np.asarray(arg_reference(KINDS[kind], x, axis, keepdims), dtype)
    wide = x if kind in EXTREMA or kind in TRUTH or x.dtype.kind != "f" else x.astype("float64")
    with np.errstate(all="ignore"):
        return np.asarray(KINDS[kind](wide, axis=axis, keepdims=keepdims)).astype(dtype)


def close(got, want, what, scale=1.0):
    got = np.asarray(got)
    assert got.dtype == want.dtype, f"{what}: {got.dtype} instead of {want.dtype}"
    assert got.shape == want.shape, f"{what}: {got.shape} instead of {want.shape}"
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    eps = float(np.finfo(want.dtype).eps)
    np.testing.assert_allclose(got, want, rtol=16 * eps, atol=16 * eps * scale, err_msg=what)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("dtype", REAL)
def test_axes_keepdims_and_layouts(kind, dtype):
    for shape in [(), (1,), (7,), (4, 5), (1, 6), (3, 1, 4), (2, 3, 2, 5)]:
        x = values(dtype, shape, seed=len(shape))
        for axis, keepdims in itertools.product(axes_of(len(shape)), [False, True]):
            v = variable(x)
            f = phintys.function([v], getattr(T, kind)(v, axis=axis, keepdims=keepdims))
            want = want_of(kind, x, axis, keepdims)
            for form, view in layouts(x).items():
                close(f(view), want, f"{kind} {dtype} {shape} {axis} {form}", x.size)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_long_axes_and_every_position(kind):
    """Lengths around the tile, rows and columns long enough for several chunks and threads."""
    for shape, axis in [
        ((1023,), 0),
        ((1025,), 0),
        ((200_003,), 0),
        ((3, 70_001), 1),
        ((70_001, 3), 0),
        ((500, 301), 0),
        ((500, 301), 1),
        ((60, 70, 80), 1),
        ((60, 70, 80), (0, 2)),
        ((60, 70, 80), (0, 1)),
        ((60, 70, 80), (1, 2)),
        ((2, 100_000), 0),
    ]:
        x = values("float64", shape, seed=3)
        if kind == "prod":
            x = np.sign(x) * np.abs(x) ** 0.01
        v = variable(x)
        e = getattr(T, kind)(v, axis=axis)
        want = want_of(kind, x, axis, False)
        results = []
        before = config.num_threads
        try:
            for threads in (1, 2):
                config.num_threads = threads
                results.append(phintys.function([v], e)(x))
        finally:
            config.num_threads = before
        assert results[0].tobytes() == results[1].tobytes(), (shape, axis)
        np.testing.assert_allclose(results[0], want, rtol=1e-11, atol=1e-10)
        # A reduction at the end of an elementwise program, in other layouts.
        y = getattr(T, kind)(v * 2.0 - 0.5, axis=axis)
        f, g = phintys.function([v], y), phintys.function([v], y, mode=MODES[2])
        want = want_of(kind, x * 2.0 - 0.5, axis, False)
        for form, view in layouts(x).items():
            np.testing.assert_allclose(f(view), want, rtol=1e-9, atol=1e-9, err_msg=form)
            np.testing.assert_allclose(g(view), want, rtol=1e-9, atol=1e-9, err_msg=form)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_empty(mode):
    for shape, axis in [((0,), 0), ((0,), None), ((0, 3), 0), ((0, 3), 1), ((3, 0), 1)]:
        x = np.zeros(shape)
        for kind in ["sum", "prod", "any", "all", "mean"]:
            v = variable(x)
            got = run(getattr(T, kind)(v, axis=axis), (v, x), mode=mode)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want = np.asarray(KINDS[kind](x, axis=axis))
            np.testing.assert_array_equal(got, want)
        for kind in ["max", "min", "argmax", "argmin"]:
            v = variable(x)
            e = getattr(T, kind)(v, axis=axis)
            try:
                want = KINDS[kind](x, axis=axis)
            except ValueError:
                with pytest.raises(ValueError, match=r"empty|no elements|zero"):
                    run(e, (v, x), mode=mode)
            else:
                np.testing.assert_array_equal(run(e, (v, x), mode=mode), want)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "argmax", "argmin", "any", "all"])
def test_nan_and_infinity(kind, dtype):
    for special_values in [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.nan, np.inf]]:
        for length, at in itertools.product([3, 9, 40, 1100], [0, 1, -1]):
            x = np.ones((2, length), dtype)
            for i, s in enumerate(special_values):
                x[1, at - i if at == -1 else at + i] = s
            for axis in [None, 0, 1]:
                v = variable(x)
                with np.errstate(all="ignore"):
                    want = KINDS[kind](x, axis=axis)
                got = run(getattr(T, kind)(v, axis=axis), (v, x))
                np.testing.assert_array_equal(got, want, err_msg=f"{special_values} {length} {at}")


def test_first_of_equals_and_nan_in_argmax():
    rng = np.random.default_rng(0)
    for dtype in REAL:
        x = values(dtype, (40, 57), 5)
        if dtype in FLOATS:
            x = np.round(x)
            x[rng.random(x.shape) < 0.02] = np.nan
        v = variable(x)
        for axis in (None, 0, 1):
            for kind in ("argmax", "argmin"):
                got = run(getattr(T, kind)(v, axis=axis), (v, x))
                np.testing.assert_array_equal(got, KINDS[kind](x, axis=axis), err_msg=dtype)


@pytest.mark.parametrize("kind", ["max", "min", "argmax", "argmin"])
def test_extremes_of_integers(kind):
    for dtype in INTS:
        info = np.iinfo(dtype)
        for fill in (info.min, info.max):
            x = np.full((3, 41), fill, dtype)
            x[1, 7] = 1
            v = variable(x)
            for axis in (None, 0, 1):
                got = run(getattr(T, kind)(v, axis=axis), (v, x))
                np.testing.assert_array_equal(got, KINDS[kind](x, axis=axis), err_msg=dtype)


def test_integer_sums_wrap_and_accumulate_in_64_bits():
    for dtype in ["bool", *INTS]:
        x = np.full(5000, True if dtype == "bool" else np.iinfo(dtype).max, dtype)
        v = variable(x)
        with np.errstate(all="ignore"):
            want = x.sum(dtype="uint64" if dtype[0] == "u" else "int64")
            product = x.prod(dtype="uint64" if dtype[0] == "u" else "int64")
        assert run(v.sum(), (v, x)) == want
        assert run(v.prod(), (v, x)) == product


def test_float16_and_float32_accumulate_with_care():
    x = np.full(100_000, 0.5, "float16")
    v = variable(x)
    assert run(v.sum(dtype="float32"), (v, x)) == 50_000
    assert run(v.mean(), (v, x)) == np.float16(0.5)
    assert run(v.sum(), (v, x)) == np.float16(50_000)
    ones = np.full(20_000_000, 1, "float32")
    w = variable(ones)
    assert run(w.sum(), (w, ones)) == 20_000_000
    assert run(w.mean(), (w, ones)) == 1
    tenth = np.full(3_000_000, 0.1, "float32")
    np.testing.assert_allclose(run(w.sum(), (w, tenth)), 300_000, rtol=1e-6)
    huge = np.full(100, 3e38, "float32")
    assert run(w.sum(acc_dtype="float64", dtype="float64"), (w, huge)) == pytest.approx(3e40)
    assert np.isinf(run(w.sum(), (w, huge)))


@pytest.mark.parametrize("kind", ["sum", "prod"])
def test_dtype_and_acc_dtype(kind):
    for dtype, out, acc in itertools.product(
        ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"],
        ["int32", "int64", "float32", "float64", "float16"],
        [None, "int64", "float32", "float64"],
    ):
        x = values(dtype, (3, 6), 1)
        v = variable(x)
        if dtype in FLOATS and (out[0] == "i" or (acc or "f")[0] == "i"):
            with pytest.raises(TypeError):
                getattr(T, kind)(v, axis=1, dtype=out, acc_dtype=acc)
            continue
        try:
            e = getattr(T, kind)(v, axis=1, dtype=out, acc_dtype=acc)
        except TypeError:
            assert acc is not None
            continue
        assert e.dtype == out
        got = run(e, (v, x))
        want = KINDS[kind](x.astype("float64"), axis=1)
        tolerance = 1e-2 if "float16" in (dtype, out) else 1e-5
        np.testing.assert_allclose(got.astype("float64"), want, rtol=tolerance, atol=1e-3)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
def test_moments_with_ddof_and_gradients(axis):
    x = values("float64", (4, 5, 3), 2)
    v = variable(x)
    for ddof in (0, 1):
        for kind in ("var", "std"):
            got = run(getattr(T, kind)(v, axis=axis, ddof=ddof), (v, x))
            np.testing.assert_allclose(got, KINDS[kind](x, axis=axis, ddof=ddof), rtol=1e-13)
    for corrected in (False, True):
        got = run(T.var(v + 1e6, axis=axis, corrected=corrected), (v, x))
        np.testing.assert_allclose(got, x.var(axis=axis), rtol=1e-7)


@pytest.mark.parametrize(
    "kind", ["sum", "prod", "max", "min", "mean", "var", "std", "logsumexp", "norm2", "ptp"]
)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_gradients(kind, axis, keepdims):
    x = values("float64", (3, 4, 2), 4)
    v = T.dtensor3()
    if kind == "ptp":
        if keepdims:
            return
        e = T.ptp(v, axis=axis)
    elif kind == "norm2":
        e = v.norm(2, axis=axis)
    else:
        e = getattr(T, kind)(v, axis=axis, keepdims=keepdims)
    weights = np.random.default_rng(1).uniform(0.5, 1, run(e, (v, x)).shape)
    cost = (e * weights).sum()
    f = phintys.function([v], e)
    (want,) = finite_difference(f, [x], weights)
    for mode in MODES:
        got = run(T.grad(cost, v), (v, x), mode=mode)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-8)
    way = np.random.default_rng(2).normal(size=x.shape)
    rop = run(T.Rop(e, v, T.as_tensor_variable(way)), (v, x))
    h = 1e-6
    np.testing.assert_allclose(rop, (f(x + h * way) - f(x - h * way)) / (2 * h), atol=1e-7)


def test_gradient_of_product_with_zeros():
    v = T.dmatrix()
    x = np.array([[1.0, 2, 3], [0, 2, 3], [0, 0, 3], [0, 0, 0]])
    got = run(T.grad(v.prod(axis=1).sum(), v), (v, x))
    np.testing.assert_array_equal(got, [[6, 3, 2], [6, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_gradient_of_max_goes_to_every_tie():
    v = T.dvector()
    x = np.array([1.0, 3, 3, 0])
    np.testing.assert_array_equal(run(T.grad(v.max(), v), (v, x)), [0, 1, 1, 0])
    np.testing.assert_array_equal(run(T.grad(v.min(), v), (v, x)), [0, 0, 0, 1])


def test_logsumexp_at_infinities():
    v = T.dmatrix()
    x = np.array([[-np.inf] * 3, [np.inf, 0, 1], [np.inf, -np.inf, 0], [1000, 1000, 0],
                  [-1000, -1001, -np.inf], [np.nan, 0, np.inf]])  # fmt: skip
    with np.errstate(all="ignore"):
        want = special.logsumexp(x, axis=1)
    for mode in MODES:
        np.testing.assert_allclose(run(T.logsumexp(v, axis=1), (v, x), mode=mode), want)


def test_norms():
    x = values("float64", (5, 6), 7)
    v = T.dmatrix()
    for order in (0, 1, 2, 3, np.inf, -np.inf):
        for axis in (0, 1):
            got = run(v.norm(order, axis=axis), (v, x))
            np.testing.assert_allclose(got, np.linalg.norm(x, order, axis=axis), rtol=1e-13)


def test_reductions_of_broadcast_inputs():
    """Axes of length 1 by type, and sums over what a broadcast repeats."""
    row, column = T.drow(), T.dcol()
    a, b = values("float64", (1, 7), 1), values("float64", (5, 1), 2)
    for axis in (None, 0, 1):
        for kind in ("sum", "max", "mean", "prod"):
            got = run(getattr(T, kind)(row * column, axis=axis), (row, a), (column, b))
            np.testing.assert_allclose(got, KINDS[kind](a * b, axis=axis), rtol=1e-12)
            got = run(getattr(T, kind)(row, axis=axis), (row, a))
            np.testing.assert_allclose(got, KINDS[kind](a, axis=axis), rtol=1e-12)
    total = run((row + T.zeros_like(column)).sum(axis=0), (row, a), (column, b))
    np.testing.assert_allclose(total, 5 * a[0])


def test_bad_axes():
    v = T.dmatrix()
    for kind in KINDS:
        for axis in (2, -3, (0, 0), (0, 5)):
            with pytest.raises(ValueError):
                getattr(T, kind)(v, axis=axis)
        with pytest.raises(TypeError):
            getattr(T, kind)(v, axis="x")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beyond", [0, 1, 511, 513, 1027])
def test_sums_of_what_comes_from_memory(dtype, beyond):
    """Inputs beyond the caches: the exact sum but for rounding, whatever the number of threads."""
    n = (1 << 25) // (2 * np.dtype(dtype).itemsize) + beyond
    rng = np.random.default_rng(beyond)
    x, y = rng.standard_normal((2, n)).astype(dtype)
    u, v = variable(x), variable(y)
    f = phintys.function([u, v], [T.sum(u * v), T.sum(u * T.exp(-v * v)), T.max(u - v)])
    g = phintys.function([u], T.sum(u))
    before = config.num_threads
    results = []
    try:
        for threads in (1, 2):
            config.num_threads = threads
            results.append([*f(x, y), g(x)])
    finally:
        config.num_threads = before
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*results, strict=True))
    wide, other = x.astype("float64"), y.astype("float64")
    terms = [wide * other, wide * np.exp(-other * other), wide]
    dot, bell, largest, total = results[0]
    # Rounding of terms and of short sums is independent: its sum grows with the root of n.
    error = 64 * np.finfo(dtype).eps * n**0.5
    for value, exact in zip([dot, bell, total], terms, strict=True):
        np.testing.assert_allclose(value, math.fsum(exact), rtol=0, atol=error)
    assert largest == np.max(x - y)

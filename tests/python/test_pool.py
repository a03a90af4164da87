"""Pooling against loops over windows of a padded array."""

import itertools
import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable
from phintys.tensor.signal import downsample, pool
from value_cases import FLOATS, INTS

ALL_MODES = ["max", "sum", "average_inc_pad", "average_exc_pad"]


def lengths(n, w, s, p, ignore_border):
    """Theano's rule for the number of windows."""
    n = n + 2 * p
    if ignore_border:
        return max((n - w) // s + 1, 0)
    if n == 0:
        return 0
    return (n - 1) // s + 1 if s >= w else max(0, (n - 1 - w) // s + 1) + 1


def regions(shape, ws, stride, pad, ignore_border, inc_pad=False):
    """For each axis a list of (start, end) in x and the number of counted elements."""
    axes = []
    for n, w, s, p in zip(shape, ws, stride, pad, strict=True):
        axis = []
        for o in range(lengths(n, w, s, p, ignore_border)):
            start, end = o * s, min(o * s + w, n + 2 * p)
            inside = max(start - p, 0), min(end - p, n)
            axis.append((*inside, end - start if inc_pad else inside[1] - inside[0]))
        axes.append(axis)
    return axes


def reference(x, ws, stride, pad, ignore_border, mode):
    nd = len(ws)
    lead = x.shape[: x.ndim - nd]
    axes = regions(
        x.shape[x.ndim - nd :], ws, stride, pad, ignore_border, mode == "average_inc_pad"
    )
    out = np.zeros(lead + tuple(len(a) for a in axes), x.dtype)
    for o in itertools.product(*(range(len(a)) for a in axes)):
        parts = [a[i] for a, i in zip(axes, o, strict=True)]
        window = x[(Ellipsis, *(slice(b, e) for b, e, _ in parts))].reshape(*lead, -1)
        count = np.prod([c for _, _, c in parts])
        if mode == "max":
            value = window.max(axis=-1)
        else:
            value = window.sum(axis=-1, dtype=x.dtype if x.dtype.kind != "f" else "float64")
            if mode != "sum":
                value = np.trunc(value / count) if x.dtype.kind != "f" else value / count
        out[(Ellipsis, *o)] = value
    return out


def max_gradient(x, g, ws, stride, pad, ignore_border):
    nd = len(ws)
    axes = regions(x.shape[x.ndim - nd :], ws, stride, pad, ignore_border)
    gx = np.zeros_like(x)
    for o in itertools.product(*(range(len(a)) for a in axes)):
        where = (Ellipsis, *(slice(a[i][0], a[i][1]) for a, i in zip(axes, o, strict=True)))
        window = x[where]
        top = window.max(axis=tuple(range(-nd, 0)), keepdims=True)
        gx[where] += (window == top) * g[(Ellipsis, *o)][(..., *(None,) * nd)]
    return gx


def op(ws, stride, pad, ignore_border, mode):
    return lambda v: pool.Pool(ignore_border, mode, len(ws))(v, ws, stride, pad)


CASES_2D = [
    # shape, window, stride, padding
    ((2, 3, 6, 8), (2, 2), (2, 2), (0, 0)),
    ((2, 7, 9), (2, 2), (2, 2), (0, 0)),
    ((2, 7, 9), (3, 3), (2, 2), (1, 1)),
    ((2, 7, 9), (3, 2), (1, 1), (1, 0)),
    ((7, 9), (3, 3), (3, 3), (0, 2)),
    ((1, 2, 8, 11), (2, 3), (4, 5), (1, 1)),
    ((2, 5, 5), (5, 5), (1, 1), (0, 0)),
    ((2, 5, 5), (4, 4), (3, 4), (3, 3)),
    ((2, 3, 3), (5, 5), (2, 2), (0, 0)),
    ((2, 6, 1), (3, 1), (1, 2), (0, 0)),
    ((3, 40), (1, 1), (1, 1), (0, 0)),
]


@pytest.mark.parametrize("mode", ALL_MODES)
@pytest.mark.parametrize("case", CASES_2D, ids=str)
def test_two_dimensions(case, mode):
    shape, ws, stride, pad = case
    x = np.random.default_rng(3).permutation(int(np.prod(shape))).reshape(shape) / 7.0
    for ignore_border in (True, False):
        p = pad if ignore_border else (0, 0)
        want = reference(x, ws, stride, p, ignore_border, mode)
        if want.size == 0:
            f = compiled([v := variable(x)], op(ws, stride, p, ignore_border, mode)(v))
            same(f(x), want)
            continue
        check(
            op(ws, stride, p, ignore_border, mode),
            lambda a: reference(a, ws, stride, p, ignore_border, mode),  # noqa: B023
            x,
            exact=mode == "max",
        )


@pytest.mark.parametrize("mode", ALL_MODES)
def test_one_and_three_dimensions(mode):
    x = np.random.default_rng(0).permutation(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6) / 9.0
    for shape in ((2, 2, 2), (3, 2, 3)):
        for stride, pad in (((2, 2, 2), (1, 0, 1)), ((1, 2, 1), (0, 1, 1))):
            check(
                op(shape, stride, pad, True, mode),
                lambda a: reference(a, shape, stride, pad, True, mode),  # noqa: B023
                x[:1, :2],
                exact=mode == "max",
                modes=MODES[:1],
            )
    line = x[0, 0, 0]
    for w, s, p in ((3, 2, 1), (2, 1, 0), (4, 4, 2), (6, 1, 0)):
        check(
            op((w,), (s,), (p,), True, mode),
            lambda a: reference(a, (w,), (s,), (p,), True, mode),  # noqa: B023
            line,
            exact=mode == "max",
        )


@pytest.mark.parametrize("mode", ALL_MODES)
def test_wide_windows_and_long_rows(mode):
    rng = np.random.default_rng(1)
    for shape, ws, stride, pad in (
        ((2, 3, 200), (2, 100), (1, 70), (1, 30)),
        ((2, 3, 300), (3, 65), (2, 3), (0, 64)),
        ((2, 2, 5000), (2, 3), (2, 2), (1, 1)),
        ((2, 4100), (2, 64), (1, 1), (0, 3)),
        ((1, 2, 2, 300), (2, 2, 150), (1, 1, 150), (0, 0, 0)),
        ((2, 3, 500), (2, 2), (2, 90), (0, 0)),
    ):
        x = rng.permutation(int(np.prod(shape))).reshape(shape).astype("float64")
        for ignore_border in (True, False):
            p = pad if ignore_border else (0,) * len(pad)
            want = reference(x, ws, stride, p, ignore_border, mode)
            v, g = variable(x), T.TensorType("float64", (False,) * want.ndim)()
            out = op(ws, stride, p, ignore_border, mode)(v)
            gv = rng.normal(size=want.shape)
            f = compiled([v, g], [out, T.grad(None, v, known_grads={out: g})])
            got, grad = f(x, gv)
            same(got, want, exact=mode == "max")
            if mode == "max":
                expected = max_gradient(x, gv, ws, stride, p, ignore_border)
            else:  # linear: the gradient is the transpose
                e = rng.normal(size=shape)
                lhs = (reference(e, ws, stride, p, ignore_border, mode) * gv).sum()
                np.testing.assert_allclose((grad * e).sum(), lhs, rtol=1e-10)
                continue
            np.testing.assert_allclose(grad, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [*INTS, *FLOATS, "bool"])
def test_dtypes(dtype):
    x = numbers(dtype, 2, 3, 7, 9)
    v = variable(x)
    for mode in ALL_MODES:
        if dtype == "bool" and mode != "max":
            continue
        f = compiled([v], pool.pool_2d(v, (3, 2), True, (2, 1), (1, 1), mode))
        got = f(x)
        wide = x.astype("float32") if dtype == "float16" else x
        want = reference(wide, (3, 2), (2, 1), (1, 1), True, mode).astype(dtype)
        assert got.dtype == want.dtype
        rtol = {"float16": 2e-3, "float32": 1e-5}.get(dtype, 1e-12)
        np.testing.assert_allclose(got.astype("f8"), want.astype("f8"), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_all_tied_maxima_get_the_gradient(dtype):
    x = np.zeros((1, 4, 4), dtype)
    x[0, 1, 1] = 1
    v = variable(x)
    grad = T.grad(pool.pool_2d(v, (2, 2), ignore_border=True).sum(), v)
    want = np.ones((1, 4, 4), dtype)
    want[0, :2, :2] = [[0, 0], [0, 1]]
    same(compiled([v], grad)(x), want)


def test_gradient_of_the_gradient():
    x = np.random.default_rng(0).permutation(2 * 7 * 9).reshape(2, 7, 9) / 10.0
    for mode, ws, stride in itertools.product(
        ALL_MODES, [(2, 2), (3, 3), (2, 70)], [(2, 2), (1, 3)]
    ):
        v = T.dtensor3()
        out = pool.pool_2d(v, ws, ignore_border=False, stride=stride, mode=mode)
        g = T.grad((out**2).sum(), v)
        weights = floats(*x.shape, seed=3)
        second = compiled([v], T.grad((g * weights).sum(), v))(x)
        first = compiled([v], g)
        h = 1e-5
        direction = floats(*x.shape, seed=4)
        numeric = ((first(x + h * direction) - first(x - h * direction)) * weights).sum() / (2 * h)
        np.testing.assert_allclose((second * direction).sum(), numeric, rtol=1e-5)


def test_nan_and_infinity():
    x = np.array([[1, np.nan, 2, 3], [0, 0, -np.inf, -np.inf]])
    got = compiled([v := T.dmatrix()], pool.pool_2d(v, (1, 2), ignore_border=True))(x)
    np.testing.assert_array_equal(got, [[np.nan, 3], [0, -np.inf]])
    x = np.full((3, 3), -np.inf)
    got = compiled([v], pool.pool_2d(v, (2, 2), True, (1, 1), (1, 1)))(x)
    assert np.isneginf(got).all()


def test_integers_at_the_ends_of_their_range():
    for dtype in INTS:
        info = np.iinfo(dtype)
        x = np.full((3, 3), info.min, dtype)
        v = variable(x)
        same(
            compiled([v], pool.pool_2d(v, (2, 2), True, (1, 1), (1, 1)))(x),
            np.full((4, 4), info.min, dtype),
        )


def test_symbolic_windows():
    x = floats(2, 9, 11)
    v, ws, stride, pad = T.dtensor3(), T.lvector(), T.lvector(), T.lvector()
    for mode, ignore_border in itertools.product(ALL_MODES, (True, False)):
        out = pool.Pool(ignore_border, mode)(v, ws, stride, pad)
        f = compiled([v, ws, stride, pad], [out, out.shape, T.grad(out.sum(), v)])
        shape = compiled([v, ws, stride, pad], out.shape)
        for w, s, p in (
            ((2, 2), (2, 2), (0, 0)),
            ((3, 4), (1, 5), (2, 1)),
            ((20, 2), (3, 3), (0, 0)),
        ):
            p = p if ignore_border else (0, 0)
            got, got_shape, _ = f(x, w, s, p)
            want = reference(x, w, s, p, ignore_border, mode)
            np.testing.assert_allclose(got, want, rtol=1e-12)
            same(got_shape, np.array(want.shape))
            same(shape(x, w, s, p), np.array(want.shape))
    two = pool.pool_2d(v, ws, ignore_border=True)
    same(compiled([v, ws], two)(x, (3, 2)), reference(x, (3, 2), (3, 2), (0, 0), True, "max"))
    one = T.lscalar()
    two = pool.pool_2d(v, (one, 2), ignore_border=True)
    same(compiled([v, one], two)(x, 3), reference(x, (3, 2), (3, 2), (0, 0), True, "max"))


def test_output_shape_rules():
    for n, w, s, p, ignore in itertools.product(
        range(7), range(1, 5), range(1, 5), range(2), (True, False)
    ):
        if p and (not ignore or p >= w):
            continue
        got = pool.Pool.out_shape((3, n, n), (w, w), ignore, (s, s), (p, p))
        want = lengths(n, w, s, p, ignore)
        if n == 0 and not ignore:
            continue
        assert got == [3, want, want]
        x = np.zeros((1, n, 4))
        if n + 2 * p == 0 or want == 0 or n > 0:
            f = compiled([v := T.dtensor3()], pool.Pool(ignore, "sum")(v, (w, 1), (s, 1), (p, 0)))
            assert f(x).shape == (1, want, 4)


def test_empty():
    v = T.dtensor3()
    for mode in ALL_MODES:
        out = pool.pool_2d(v, (2, 2), ignore_border=True, mode=mode)
        f = compiled([v], [out, T.grad(out.sum(), v)])
        for shape in ((0, 4, 4), (2, 0, 4), (2, 4, 0), (2, 1, 4)):
            got, grad = f(np.ones(shape))
            assert got.shape == (shape[0], shape[1] // 2, shape[2] // 2)
            same(grad, np.zeros(shape))
    f = compiled([v], pool.pool_2d(v, (2, 2), True, (1, 1), (1, 1)))
    with pytest.raises(ValueError, match="empty"):
        f(np.ones((2, 0, 4)))


def test_types_of_results():
    x = T.TensorType("float32", (True, False, True, True))()
    assert pool.pool_2d(x, (1, 1), True).broadcastable == (True, False, False, False)
    v = T.TensorType("float64", (False, True))()
    out = pool.pool_2d(v, (2, 1), ignore_border=True, mode="sum")
    assert T.grad(out.sum(), v).broadcastable == (False, True)
    out = pool.pool_2d(v, (2, 1), ignore_border=True)
    assert T.grad(out.sum(), v).broadcastable == (False, True)


def test_same_bits_for_any_number_of_threads():
    x = floats(40, 33, 65).astype("float32")
    v = variable(x)
    outs = []
    for mode in ALL_MODES:
        out = pool.pool_2d(v, (3, 3), True, (2, 2), (1, 1), mode)
        outs += [out, T.grad((out**2).sum(), v)]
    f = compiled([v], outs)
    results = []
    before = phintys.config.num_threads
    try:
        for threads in (1, 3):
            phintys.config.num_threads = threads
            results.append([r.tobytes() for r in f(x)])
    finally:
        phintys.config.num_threads = before
    assert results[0] == results[1]


def test_max_pool_2d_same_size():
    x = np.random.default_rng(0).permutation(63).reshape(1, 1, 7, 9).astype("float64")
    got = compiled([v := T.dtensor4()], pool.max_pool_2d_same_size(v, (2, 3)))(x)
    want = np.zeros_like(x)
    for i, j in itertools.product(range(3), range(3)):
        w = x[0, 0, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3]
        want[0, 0, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3] = np.where(w == w.max(), w, 0)
    same(got, want)


def test_old_names():
    x = floats(2, 6, 6)
    v = T.dtensor3()
    want = reference(x, (2, 2), (1, 1), (1, 1), True, "max")
    same(compiled([v], downsample.max_pool_2d(v, (2, 2), True, (1, 1), (1, 1)))(x), want)
    same(compiled([v], downsample.DownsampleFactorMax((2, 2), True, (1, 1), (1, 1))(v))(x), want)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        out = pool.pool_2d(v, ds=(2, 2), ignore_border=True, st=(1, 1), padding=(1, 1))
    assert len(seen) == 3 and "DEPRECATION: the 'ds' parameter" in str(seen[0].message)
    same(compiled([v], out)(x), want)
    for arguments in (
        {},
        {"ws": (2, 2), "ds": (2, 2)},
        {"ws": (2, 2), "st": (1, 1), "stride": (1, 1)},
    ):
        with pytest.raises(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pool.pool_2d(v, ignore_border=True, **arguments)
    with pytest.warns(UserWarning, match="ignore_border"):
        out = pool.pool_2d(v, (4, 4))
    same(compiled([v], out)(x), reference(x, (4, 4), (4, 4), (0, 0), False, "max"))


def test_mistakes():
    v = T.dtensor3()
    with pytest.raises(ValueError, match="Pool mode parameter only support"):
        pool.pool_2d(v, (2, 2), True, mode="median")
    with pytest.raises(NotImplementedError, match="requires a dimension >= 2"):
        pool.pool_2d(T.dvector(), (2, 2), True)
    with pytest.raises(NotImplementedError, match="padding works only with ignore_border=True"):
        pool.pool_2d(v, (2, 2), False, pad=(1, 1))
    with pytest.raises(NotImplementedError, match="padding must be smaller"):
        pool.pool_2d(v, (2, 2), True, pad=(2, 0))
    with pytest.raises(TypeError, match="Window shape parameters must be ints"):
        pool.pool_2d(v, T.dvector(), True)
    with pytest.raises(TypeError, match="Window shape parameters must be ints"):
        pool.pool_2d(v, (2.5, 2), True)
    with pytest.raises(TypeError):
        pool.pool_2d(T.ztensor3(), (2, 2), True)
    with pytest.raises(ValueError):
        pool.pool_2d(v, (2, 2, 2), True)
    ws = T.lvector()
    f = compiled([v, ws], pool.Pool(True)(v, ws, (1, 1), (0, 1)))
    x = floats(2, 5, 5)
    for bad, text in (
        ((0, 2), "at least 1"),
        ((2, 1), "smaller than the window"),
        ((2,), "2 entries"),
    ):
        with pytest.raises(ValueError, match=text):
            f(x, bad)
    w = T.dtensor3()
    f = compiled([v, w], T.grad(None, v, known_grads={pool.pool_2d(v, (2, 2), True): w}))
    with pytest.raises(ValueError):
        f(x, floats(2, 3, 2))


def test_save_and_load(tmp_path):
    x = floats(2, 3, 9, 9)
    v = T.dtensor4()
    outs = []
    for mode in ALL_MODES:
        out = pool.pool_2d(v, (3, 3), True, (2, 2), (1, 1), mode)
        outs += [out, T.grad((out**2).sum(), v)]
    f = compiled([v], outs)
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    for a, b in zip(f(x), g(x), strict=True):
        same(a, b)

"""searchsorted, bincount, histogram, unique and index arithmetic against NumPy."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable
from phintys import config
from phintys.tensor import extra_ops
from value_cases import INTS, REAL, layouts


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(dtype, side):
    for n in (0, 1, 2, 3, 17, 100, 1000):
        a = np.sort(numbers(dtype, n))
        for shape in [(), (1,), (40,), (5, 7), (0,), (3, 5000)]:
            v = numbers(dtype, *shape, seed=1)
            x, y = variable(a), variable(np.asarray(v))
            f = compiled([x, y], T.searchsorted(x, y, side))
            for form, view in layouts(v).items() if v.ndim else {"scalar": v}.items():
                same(f(a, view), np.asarray(np.searchsorted(a, view, side)), f"{n} {shape} {form}")
                same(f(a[::-1].copy()[::-1], view), np.asarray(np.searchsorted(a, view, side)))


def test_searchsorted_special_values_dtypes_and_sorter():
    a = np.array([-np.inf, -1, 0, 0, 2, np.inf, np.nan, np.nan])
    v = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 3, 2])
    x, y = T.dvector(), T.dvector()
    for side in ("left", "right"):
        same(compiled([x, y], x.searchsorted(y, side))(a, v), np.searchsorted(a, v, side))
    i, f = T.ivector(), T.fvector()
    ints, some = np.array([1, 3, 5], "int32"), np.array([2.5, 3.0], "float32")
    same(compiled([i, f], T.searchsorted(i, f))(ints, some), np.searchsorted(ints, some))
    shuffled, sorter = np.array([3.0, 1.0, 2.0]), np.array([1, 2, 0])
    s = T.lvector()
    g = compiled([x, y, s], extra_ops.searchsorted(x, y, sorter=s))
    same(g(shuffled, v, sorter), np.searchsorted(shuffled, v, sorter=sorter))
    with pytest.raises(IndexError):
        g(shuffled, v, [0, 1, 3])
    same(compiled([x], T.searchsorted(x, 2))([1.0, 2.0]), np.asarray(1))
    same(
        compiled([x, y], np.searchsorted(x, y, side="right"))(a, v), np.searchsorted(a, v, "right")
    )
    grads = compiled([x, y], T.grad((T.searchsorted(x, y) * 1.0).sum(), [x, y]))(a, v)
    assert not grads[0].any() and not grads[1].any()
    with pytest.raises(ValueError, match="side"):
        T.searchsorted(x, y, "middle")
    with pytest.raises(TypeError, match="vector"):
        T.searchsorted(T.dmatrix(), y)
    with pytest.raises(TypeError, match="sorter"):
        T.searchsorted(x, y, sorter=x)
    with pytest.raises(TypeError, match="complex"):
        T.searchsorted(T.zvector(), y)


@pytest.mark.parametrize("dtype", ["bool", *INTS])
def test_bincount(dtype):
    for n, top in [(0, 5), (1, 5), (100, 20), (100, 2), (5000, 100)]:
        x = np.random.default_rng(n).integers(0, top, n).astype(dtype)
        v = variable(x)
        for mode in MODES[:2]:
            f = compiled(
                [v], [T.bincount(v), T.bincount(v, minlength=30), T.bincount(v).sum()], mode
            )
            for form, view in layouts(x).items():
                got = f(view)
                want = x.astype("int64")
                same(got[0], np.bincount(want), f"{n} {form}")
                same(got[1], np.bincount(want, minlength=30), f"{n} {form}")
                same(got[2], np.asarray(n))


def test_bincount_with_weights_and_threads():
    before = config.num_threads
    rng = np.random.default_rng(0)
    try:
        for n, top in [(50, 7), (400_000, 9), (400_000, 100_000)]:
            x = rng.integers(0, top, n)
            for dtype in ("float32", "float64", "float16", "int32", "uint8"):
                w = (
                    rng.normal(size=n).astype(dtype)
                    if dtype[0] == "f"
                    else rng.integers(0, 3, n).astype(dtype)
                )
                v, u = T.lvector(), variable(w)
                f = compiled([v, u], [T.bincount(v, u), T.bincount(v)])
                results = []
                for threads in (1, 2, 3):
                    config.num_threads = threads
                    results.append(f(x, w))
                for r in results[1:]:
                    assert r[0].tobytes() == results[0][0].tobytes()
                    assert r[1].tobytes() == results[0][1].tobytes()
                want = np.bincount(x, w)
                assert results[0][0].dtype == dtype
                if dtype[0] == "f":
                    rtol = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-12}[dtype]
                    np.testing.assert_allclose(results[0][0], want, rtol=rtol, atol=rtol * 100)
                else:
                    same(results[0][0], want.astype(dtype))
                same(results[0][1], np.bincount(x))
    finally:
        config.num_threads = before


def test_bincount_gradient_and_errors():
    x = np.array([0, 3, 1, 1, 3])
    check(
        lambda w, k: T.bincount(k, w, minlength=6), lambda w, k: np.bincount(k, w, 6), floats(5),
        fixed=[x], exact=False,
    )  # fmt: skip
    v, w = T.lvector(), T.dvector()
    f = compiled([v, w], T.bincount(v, w))
    with pytest.raises(ValueError, match="4 numbers, but 3 weights"):
        f([1, 2, 3, 0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="negative"):
        f([1, -2], [1.0, 2.0])
    with pytest.raises(ValueError, match="negative"):
        compiled([v], T.bincount(v, assert_nonneg=True))([-1])
    u = T.TensorType("uint64", (False,))()
    with pytest.raises(ValueError, match="too great"):
        compiled([u], T.bincount(u))(np.array([2**63 + 5], "uint64"))
    with pytest.raises(TypeError, match="dimension 1"):
        T.bincount(T.lmatrix())
    with pytest.raises(TypeError, match="integers"):
        T.bincount(w)
    with pytest.raises(TypeError, match="minlength"):
        T.bincount(v, minlength=1.5)
    n = T.lscalar()
    with pytest.raises(ValueError, match="minlength"):
        compiled([v, n], T.bincount(v, minlength=n))([1], -1)
    same(compiled([v, n], T.bincount(v, minlength=n))([1], 4), np.array([0, 1, 0, 0]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "float16"])
def test_digitize(dtype):
    x = numbers(dtype, 5, 40)
    for bins in (
        np.array([0, 1, 3, 3, 7]),
        np.array([9, 4, 1, -2]),
        np.array([2]),
        np.array([], "int64"),
    ):
        for right in (False, True):
            v, b = variable(x), variable(bins)
            same(compiled([v, b], T.digitize(v, b, right))(x, bins), np.digitize(x, bins, right))
    v, b = T.dvector(), T.dvector()
    with pytest.raises(ValueError, match="monotonically"):
        compiled([v, b], T.digitize(v, b))([1.0], [1.0, 3.0, 2.0])
    with pytest.raises(ValueError, match="vector"):
        T.digitize(v, T.dmatrix())


def test_histogram():
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=1000), rng.integers(0, 9, (20, 30)), np.array([]), np.full(5, 3.0),
              rng.normal(size=300).astype("float32")):  # fmt: skip
        v = variable(x)
        w = rng.random(x.shape)
        u = variable(w)
        for bins in (1, 10, 37, np.array([-1.0, 0.0, 0.5, 2.0])):
            for span in (None, (-1, 1), (2, 2)):
                f = compiled(
                    [v, u], [*T.histogram(v, bins, span), *T.histogram(v, bins, span, weights=u)]
                )
                got = f(x, w)
                counts, edges = np.histogram(x, bins, span)
                np.testing.assert_allclose(got[1], edges, rtol=1e-6, atol=1e-6)
                # An element may be on an edge that differs in its last bit.
                assert np.abs(got[0] - counts).sum() <= (4 if x.dtype == np.float32 else 0)
                weighed = np.histogram(x, bins, span, weights=w)[0]
                if x.dtype != np.float32:
                    np.testing.assert_allclose(got[2], weighed, rtol=1e-12, atol=1e-12)
    x = rng.normal(size=100)
    v, n = T.dvector(), T.lscalar()
    got = compiled([v, n], T.histogram(v, n, density=True))(x, 12)
    want = np.histogram(x, 12, density=True)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-12)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-12)
    for bad in ([1.0, np.nan], [np.inf]):
        with pytest.raises(ValueError, match="finite"):
            compiled([v], T.histogram(v)[0])(bad)
    with pytest.raises(ValueError, match="increase"):
        compiled([v], T.histogram(v, np.array([2.0, 1.0]))[0])(x)
    with pytest.raises(ValueError, match="positive"):
        T.histogram(v, 0)
    with pytest.raises(TypeError, match="complex"):
        T.histogram(T.zvector())


@pytest.mark.parametrize("dtype", [*REAL, "complex64", "complex128"])
def test_unique(dtype):
    for shape in [(0,), (1,), (40,), (500,), (4, 5), ()]:
        x = numbers(dtype, *shape)
        if x.dtype.kind in "fc" and x.size > 4:
            x = np.round(x * 2) / 2
            x.flat[::4] = np.nan
            x.flat[1] = -0.0
            x = x.astype(dtype)
        v = variable(x)
        f = compiled([v], T.unique(v, True, True, True))
        want = np.unique(x, True, True, True)
        for form, view in layouts(x).items():
            for got, w in zip(f(view), want, strict=True):
                same(
                    got,
                    w.reshape(got.shape) if w.shape != got.shape and w.size == got.size else w,
                    form,
                )
        same(compiled([v], T.unique(v))(x), want[0])


def test_unique_along_an_axis_and_gradient():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (30, 2, 3)) * 1.5
    v = T.dtensor3()
    for axis in (0, 1, 2, -1):
        got = compiled([v], T.unique(v, True, True, True, axis=axis))(x)
        want = np.unique(x, True, True, True, axis=axis)
        for a, b in zip(got, want, strict=True):
            same(a, b.reshape(a.shape))
    w = T.dvector()
    data = np.array([3.0, 1.0, 3.0, 2.0])
    cost = (T.unique(w) * np.array([1.0, 10.0, 100.0])).sum()
    same(compiled([w], T.grad(cost, w))(data), np.array([100.0, 1.0, 0.0, 10.0]))
    got = compiled([w], extra_ops.Unique(True, True, True)(w))(data)
    for a, b in zip(got, np.unique(data, True, True, True), strict=True):
        same(a, b)
    same(compiled([w], extra_ops.Unique()(w))(data), np.unique(data))
    m = T.dmatrix()
    same(
        compiled([m], extra_ops.Unique(False, True)(m)[1])(data.reshape(2, 2)),
        np.array([2, 0, 2, 1]),
    )
    e = np.zeros((0, 3))
    same(compiled([m], T.unique(m, axis=0))(e), e)
    with pytest.raises(ValueError, match="axis"):
        T.unique(m, axis=2)


@pytest.mark.parametrize("order", ["C", "F"])
def test_unravel_and_ravel(order):
    dims = (3, 4, 5)
    flat = np.arange(60).reshape(4, 15)
    i, d = T.lmatrix(), T.lvector()
    got = compiled([i], T.unravel_index(i, dims, order=order))(flat)
    want = np.unravel_index(flat, dims, order=order)
    for a, b in zip(got, want, strict=True):
        same(a, b)
    got = compiled([i, d], T.unravel_index(i, d, order=order, ndim=3))(flat, dims)
    for a, b in zip(got, want, strict=True):
        same(a, b)
    parts = [T.lmatrix() for _ in dims]
    f = compiled(parts, T.ravel_multi_index(parts, dims, order=order))
    same(f(*want), flat)
    off = [w - 7 + 2 * k for k, w in enumerate(want)]
    for mode in ("wrap", "clip"):
        f = compiled(parts, T.ravel_multi_index(parts, dims, mode=mode, order=order))
        same(f(*off), np.ravel_multi_index(off, dims, mode=mode, order=order))
    with pytest.raises(ValueError, match="invalid entry"):
        compiled(parts, T.ravel_multi_index(parts, dims))(*off)
    for bad in ([[60]], [[-1]]):
        with pytest.raises(ValueError, match="out of bounds"):
            compiled([i], T.unravel_index(i, dims))(bad)
    with pytest.raises(ValueError, match="order"):
        T.unravel_index(i, dims, order="A")
    with pytest.raises(ValueError, match="mode"):
        T.ravel_multi_index(parts, dims, mode="bounce")
    with pytest.raises(ValueError, match="dimensions"):
        T.ravel_multi_index(parts, (3, 4))
    with pytest.raises(TypeError, match="index"):
        T.unravel_index(T.dvector(), dims)


def test_bartlett_diff_and_op_classes():
    m = T.lscalar()
    f = compiled([m], T.bartlett(m))
    for n in (0, 1, 2, 3, 8, 9, -3):
        np.testing.assert_allclose(f(n), np.bartlett(n), atol=1e-15)
    with pytest.raises(TypeError, match="integer"):
        T.bartlett(1.5)
    with pytest.raises(TypeError, match="scalar"):
        T.bartlett(T.lvector())
    v, b = T.dmatrix(), T.TensorType("bool", (False,))()
    x = floats(4, 5)
    same(compiled([v], extra_ops.DiffOp(2, 0)(v))(x), np.diff(x, 2, 0))
    same(compiled([v], extra_ops.RepeatOp(1)(v, 2))(x), np.repeat(x, 2, 1))
    same(compiled([v], extra_ops.cpu_contiguous(v.T))(x), x.T)
    bits = np.array([True, True, False])
    same(compiled([b], T.diff(b))(bits), np.diff(bits))


def test_saved(tmp_path):
    v, x = T.lvector(), T.dvector()
    outputs = [
        T.bincount(v, x),
        *T.unique(v, True, True, True),
        T.searchsorted(x, x),
        *T.histogram(x, 4),
    ]
    f = compiled([v, x], outputs)
    f.save(str(tmp_path / "f.phy"))
    g = phintys.load(str(tmp_path / "f.phy"))
    data = np.array([3, 1, 3, 0]), np.array([0.5, 1.0, 2.0, 4.0])
    for a, b in zip(f(*data), g(*data), strict=True):
        same(a, b)

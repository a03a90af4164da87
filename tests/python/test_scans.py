"""Running sums, products and extrema against NumPy: dtypes, axes, layouts, threads, gradients."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable
from phintys import config
from value_cases import INTS, REAL, layouts

KINDS = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
}
SHAPES = [
    ((1,), 0), ((7,), 0), ((16,), 0), ((33,), 0), ((1000,), 0), ((20, 33), 0), ((20, 33), 1),
    ((5, 40, 9), 1), ((5, 40, 9), 0), ((0, 3), 0), ((0, 3), 1), ((3, 0), 1), ((0,), 0),
]  # fmt: skip


def reference(kind, x, axis):
    if kind in ("cummax", "cummin"):
        return KINDS[kind](x, axis=axis) if x.size else x
    if x.dtype == np.float16:
        return KINDS[kind](x.astype("float32"), axis=axis).astype("float16")
    return KINDS[kind](x, axis=axis)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("dtype", [*REAL, "complex64", "complex128"])
def test_scans(kind, dtype):
    if kind in ("cummax", "cummin") and dtype.startswith("complex"):
        with pytest.raises(TypeError, match="not supported"):
            getattr(T, kind)(T.TensorType(dtype, (False,))())
        return
    for shape, axis in SHAPES:
        x = numbers(dtype, *shape)
        if kind == "cumprod" and x.dtype.kind in "fc":
            x = (1 + 0.1 * x).astype(dtype)
        v = variable(x)
        f = compiled([v], getattr(T, kind)(v, axis))
        want = reference(kind, x, axis)
        for form, view in layouts(x).items():
            got = f(view)
            what = f"{kind} {dtype} {shape} {axis} {form}"
            assert got.dtype == want.dtype, what
            rtol = (
                0
                if dtype in INTS
                else {"float16": 2e-3, "float32": 1e-5, "complex64": 1e-5}.get(dtype, 1e-12)
            )
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * 10, err_msg=what)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_long_rows_have_the_same_bits_on_any_number_of_threads(kind):
    before = config.num_threads
    try:
        for dtype in ("float32", "float64", "int64", "int32", "uint8", "complex128"):
            if kind in ("cummax", "cummin") and dtype == "complex128":
                continue
            for shape in [(200_003,), (3, 70_001), (9, 140_000)]:
                x = numbers(dtype, *shape)
                if kind == "cumprod" and x.dtype.kind in "fc":
                    x = (1 + x * 1e-3).astype(dtype)
                v = variable(x)
                f = compiled([v], getattr(T, kind)(v, -1))
                results = []
                for threads in (1, 2, 3):
                    config.num_threads = threads
                    results.append(f(x))
                assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
                rtol = {"float32": 2e-4, "float64": 1e-10, "complex128": 1e-10}.get(dtype, 0)
                want = reference(kind, x.astype("float64") if dtype == "float32" else x, -1)
                np.testing.assert_allclose(results[0], want, rtol=rtol, atol=rtol * 100)
    finally:
        config.num_threads = before


def test_float32_sums_are_more_accurate_than_one_after_the_other():
    x = np.random.default_rng(0).random(3_000_000).astype("float32")
    v = T.fvector()
    got = compiled([v], T.cumsum(v))(x)
    exact = np.cumsum(x.astype("float64"))
    ours = np.abs(got - exact).max()
    assert ours <= np.abs(np.cumsum(x) - exact).max()
    assert ours / exact[-1] < 1e-5


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_special_values(kind):
    x = np.array([-0.0, 0.0, 1.0, np.inf, -np.inf, np.nan, 2.0, -np.inf])
    for start in range(x.size):
        for dtype in ("float32", "float64"):
            y = x[start:].astype(dtype)
            v = variable(y)
            with np.errstate(all="ignore"):
                want = KINDS[kind](y)
            same(compiled([v], getattr(T, kind)(v))(y), want, f"{kind} {start}")
    one = np.array([-0.0])
    v = T.dvector()
    assert np.signbit(compiled([v], getattr(T, kind)(v))(one)[0])


def test_without_axis_dtype_and_methods():
    x = floats(3, 4)
    v, i = T.dmatrix(), T.bmatrix()
    y = numbers("int8", 3, 4)
    for mode in MODES:
        outputs = [v.cumsum(), v.cumprod(axis=1), T.cumsum(i), T.cumsum(i, 0, dtype="int8"),
                   T.cumprod(i, dtype="float64"), np.cumsum(v, axis=0)]  # fmt: skip
        got = compiled([v, i], outputs, mode)(x, y)
        wants = [x.cumsum(), x.cumprod(axis=1), y.cumsum(), y.cumsum(0, dtype="int8"),
                 y.cumprod(dtype="float64"), x.cumsum(0)]  # fmt: skip
        for a, b in zip(got, wants, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-12)
    from phintys.tensor.extra_ops import CumOp

    np.testing.assert_allclose(compiled([v], CumOp(1, "mul")(v))(x), x.cumprod(1), rtol=1e-12)
    np.testing.assert_allclose(compiled([v], CumOp()(v))(x), x.cumsum(), rtol=1e-12)
    with pytest.raises(TypeError, match="Unknown mode"):
        CumOp(0, "div")
    same(compiled([T.dscalar()], T.cumsum(T.constant(2.0)))(1.0), np.array([2.0]), exact=False)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_gradients(kind):
    x = np.random.default_rng(2).permutation(24).reshape(2, 3, 4) * 0.13 - 1.1
    for axis in (0, 1, 2, None):
        check(
            lambda v: getattr(T, kind)(v, axis),  # noqa: B023
            lambda a: KINDS[kind](a.ravel() if axis is None else a, axis=axis or 0),  # noqa: B023
            x,
            exact=False,
        )


@pytest.mark.parametrize(
    "zeros", [(), (0,), (2,), (5,), (1, 3), (0, 5), (2, 3, 4), (0, 1, 2, 3, 4, 5)]
)
def test_cumprod_gradient_is_exact_at_zeros(zeros):
    x = np.array([0.5, -1.5, 2.0, 3.0, -0.25, 1.25])
    x[list(zeros)] = 0
    w = np.array([1.0, 2.0, -1.0, 0.5, 3.0, 1.5])
    want = np.array(
        [
            sum(w[k] * np.prod(np.delete(x[: k + 1], i)) for k in range(i, x.size))
            for i in range(x.size)
        ]
    )
    v = T.dvector()
    for mode in MODES[:3]:
        got = compiled([v], T.grad((T.cumprod(v) * w).sum(), v), mode)(x)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_gradients_of_float16_and_integers():
    h = T.TensorType("float16", (False,))()
    got = compiled([h], T.grad(T.cumsum(h).sum(), h))(np.ones(4, "float16"))
    same(got, np.array([4, 3, 2, 1], "float16"))
    i = T.lvector()
    same(compiled([i], T.grad((T.cumsum(i) * 1.5).sum(), i))([1, 2]), np.zeros(2), exact=False)


def test_errors_and_shapes():
    v = T.dmatrix()
    with pytest.raises(ValueError, match="axis 2"):
        T.cumsum(v, axis=2)
    with pytest.raises(TypeError, match="without loss"):
        T.cumsum(v, dtype="int64")
    with pytest.raises(TypeError, match="complex"):
        T.cumprod(T.zvector(), dtype="float64")
    same(compiled([v], T.cumsum(v, 0).shape)(np.ones((2, 3))), np.array([2, 3]))


def test_saved(tmp_path):
    v = T.dmatrix()
    f = compiled(
        [v], [T.cumsum(v, 0), T.cumprod(v, 1), T.cummax(v, 0), T.grad(T.cumprod(v).sum(), v)]
    )
    f.save(str(tmp_path / "f.phy"))
    g = phintys.load(str(tmp_path / "f.phy"))
    x = floats(4, 5)
    for a, b in zip(f(x), g(x), strict=True):
        same(a, b)

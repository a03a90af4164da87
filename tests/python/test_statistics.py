"""Medians, quantiles, averages, covariances, NaN-skipping reductions and dtypes of sums."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable
from scipy import special
from value_cases import INTS, REAL, layouts

METHODS = [
    "linear", "hazen", "weibull", "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf",
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "lower", "higher", "midpoint",
    "nearest",
]  # fmt: skip
QUANTILES = [0, 0.1, 0.25, 0.5, 1 / 3, 0.99, 1, [0.1, 0.5, 0.9], [0.25]]


@pytest.mark.parametrize("method", METHODS)
def test_quantile_methods(method):
    v = T.dvector()
    for q in QUANTILES:
        f = compiled([v], T.quantile(v, q, method=method))
        for n in (1, 2, 5, 49, 50):
            x = floats(n)
            want = np.asarray(np.quantile(x, q, method=method))
            same(f(x), want, f"{n} {q}", exact=False, rtol=1e-13)


@pytest.mark.parametrize("dtype", REAL[1:])
def test_median_and_percentile(dtype):
    for shape in [(7,), (8,), (4, 5), (3, 4, 6)]:
        x = numbers(dtype, *shape)
        v = variable(x)
        axes = [None, 0, -1] + ([(0, 1)] if x.ndim > 1 else []) + ([(0, 2)] if x.ndim > 2 else [])
        for axis in axes:
            for keepdims in (False, True):
                f = compiled([v], [
                    T.median(v, axis, keepdims), T.percentile(v, 30, axis, keepdims=keepdims),
                    T.percentile(v, [10, 70], axis, keepdims=keepdims),
                ])  # fmt: skip
                wants = [
                    np.median(x, axis, keepdims=keepdims),
                    np.percentile(x, 30, axis, keepdims=keepdims),
                    np.percentile(x, [10, 70], axis, keepdims=keepdims),
                ]
                for form, view in layouts(x).items():
                    for got, want in zip(f(view), wants, strict=True):
                        assert got.dtype == (dtype if dtype.startswith("f") else "float64")
                        rtol = {"float16": 4e-3, "float32": 1e-5}.get(dtype, 1e-13)
                        same(got, want, f"{shape} {axis} {form}", exact=False, rtol=rtol)


def test_quantiles_with_special_values_symbolic_q_and_errors():
    v, q, p = T.dmatrix(), T.dscalar(), T.dvector()
    x = floats(4, 5)
    x[1, 2], x[2, 0], x[3, :] = np.nan, np.inf, -np.inf
    f = compiled([v, q, p], [T.median(v, 1), T.quantile(v, q, 1), T.quantile(v, p, axis=0)])
    got = f(x, 0.5, [0.0, 1.0])
    with np.errstate(invalid="ignore"):
        same(got[0], np.median(x, 1))
        assert np.isnan(got[1][1]) and got[1][3] == -np.inf
        # Exact at both ends; NumPy interpolates between infinities there.
        same(got[2], np.stack([np.min(x, 0), np.max(x, 0)]))
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"range \[0, 1\]"):
            f(x, bad, [0.0])
    with pytest.raises(ValueError, match=r"range \[0, 100\]"):
        compiled([v], T.percentile(v, [5, 101]))(x)
    with pytest.raises(ValueError, match="unknown method"):
        T.quantile(v, 0.5, method="guess")
    with pytest.raises(ValueError, match="scalar or a vector"):
        T.quantile(v, v)
    with pytest.raises(TypeError, match="complex"):
        T.median(T.zvector())


def test_gradients_of_order_statistics():
    x = np.random.default_rng(3).permutation(20).reshape(4, 5) * 0.71
    for axis in (None, 0, 1):
        check(lambda v: T.median(v, axis), lambda a: np.median(a, axis), x, exact=False)  # noqa: B023
        check(
            lambda v: T.quantile(v, [0.2, 0.77], axis),  # noqa: B023
            lambda a: np.quantile(a, [0.2, 0.77], axis), x, exact=False,  # noqa: B023
        )  # fmt: skip


SKIPPING = {
    "nansum": np.nansum, "nanprod": np.nanprod, "nanmean": np.nanmean, "nanvar": np.nanvar,
    "nanstd": np.nanstd, "nanmax": np.nanmax, "nanmin": np.nanmin, "nanmedian": np.nanmedian,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SKIPPING))
@pytest.mark.filterwarnings("ignore")
def test_nan_is_skipped(name):
    x = floats(4, 7)
    x[0, 1], x[2, ::2], x[3, :] = np.nan, np.nan, np.nan
    for dtype in ("float64", "float32"):
        y = x.astype(dtype)
        v = variable(y)
        for axis in (None, 0, 1):
            for keepdims in (False, True):
                got = compiled([v], getattr(T, name)(v, axis=axis, keepdims=keepdims))(y)
                want = SKIPPING[name](y, axis=axis, keepdims=keepdims)
                assert got.dtype == dtype
                same(got, want, f"{axis}", exact=False, rtol=1e-5 if dtype == "float32" else 1e-12)
    i = variable(np.arange(6))
    same(
        compiled([i], getattr(T, name)(i))(np.arange(6)), SKIPPING[name](np.arange(6)), exact=False
    )


@pytest.mark.filterwarnings("ignore")
def test_nan_quantiles_and_arguments():
    x = floats(5, 8)
    x[0, 1], x[2, ::2], x[3, 1:] = np.nan, np.nan, np.nan
    v = T.dmatrix()
    for q in (0.3, [0.0, 0.5, 0.9]):
        for axis in (None, 0, 1):
            got = compiled([v], T.nanquantile(v, q, axis))(x)
            same(got, np.nanquantile(x, q, axis), f"{q} {axis}", exact=False, rtol=1e-12)
    want = np.nanpercentile(x, 40, 1, keepdims=True)
    same(compiled([v], T.nanpercentile(v, 40, 1, True))(x), want, exact=False)
    same(compiled([v], T.nanargmax(v, 1))(x), np.nanargmax(x, 1))
    same(compiled([v], T.nanargmin(v))(x), np.asarray(np.nanargmin(x)))


def test_count_nonzero_and_average():
    for dtype in REAL:
        x = numbers(dtype, 4, 6)
        x[:, ::2] = 0
        v = variable(x)
        for axis in (None, 0, (0, 1)):
            same(compiled([v], T.count_nonzero(v, axis))(x), np.asarray(np.count_nonzero(x, axis)))
    x, w = floats(3, 4), np.abs(floats(3, 4, seed=1))
    check(lambda a, b: T.average(a, 1, b), lambda a, b: np.average(a, 1, b), x, w, exact=False)
    check(
        lambda a, b: T.average(a, None, b), lambda a, b: np.average(a, None, b), x, w, exact=False
    )
    check(
        lambda a, b: T.average(a, 1, b[0]), lambda a, b: np.average(a, 1, b[0]), x, w, exact=False
    )
    v, u = T.dmatrix(), T.dmatrix()
    got = compiled([v, u], [*T.average(v, 0, u, returned=True), *T.average(v, returned=True)])(x, w)
    wants = [*np.average(x, 0, w, returned=True), *np.average(x, returned=True)]
    for a, b in zip(got, wants, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(TypeError, match="weights"):
        T.average(v, None, T.dvector())


def test_cov_and_corrcoef():
    x, y = floats(3, 20), floats(3, 20, seed=1)
    v, u = T.dmatrix(), T.dmatrix()
    f, a = np.arange(1, 21), np.random.default_rng(0).random(20)
    cases = [
        {}, {"bias": True}, {"ddof": 0}, {"ddof": 2}, {"rowvar": False}, {"fweights": f},
        {"aweights": a}, {"fweights": f, "aweights": a},
    ]  # fmt: skip
    for options in cases:
        got = compiled([v], T.cov(v, **options))(x)
        np.testing.assert_allclose(got, np.cov(x, **options), rtol=1e-10, atol=1e-12)
    got = compiled([v, u], T.cov(v, u))(x, y)
    np.testing.assert_allclose(got, np.cov(x, y), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        compiled([v, u], T.corrcoef(v, u))(x, y), np.corrcoef(x, y), rtol=1e-9
    )
    w = T.dvector()
    np.testing.assert_allclose(compiled([w], T.cov(w))(x[0]), np.cov(x[0]), rtol=1e-10)
    i = T.lmatrix()
    n = np.arange(12).reshape(3, 4) ** 2
    np.testing.assert_allclose(compiled([i], T.cov(i))(n), np.cov(n), rtol=1e-10)
    with pytest.raises(ValueError, match="2 dimensions"):
        T.cov(T.dtensor3())
    with pytest.raises(ValueError, match="integer"):
        T.cov(v, ddof=0.5)
    check(lambda m: T.cov(m), np.cov, floats(2, 5), exact=False)


def test_logsumexp():
    for axis in (None, 0, 1):
        for keepdims in (False, True):
            check(
                lambda v: T.logsumexp(v, axis, keepdims),  # noqa: B023
                lambda a: special.logsumexp(a, axis=axis, keepdims=keepdims),  # noqa: B023
                floats(3, 4) * 5, exact=False,
            )  # fmt: skip
    v = T.dmatrix()
    f = compiled([v], T.logsumexp(v, 1))
    x = np.array(
        [[1e4, 1e4], [-1e4, -1e4], [-np.inf, -np.inf], [np.inf, 0], [-np.inf, 1], [np.nan, 1]]
    )
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f(x), special.logsumexp(x, axis=1), rtol=1e-14)


# --- dtypes and accuracy of sums ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", REAL)
def test_dtypes_of_sums(dtype):
    """Theano's rules: small integers accumulate in 64 bits, means of integers are float64."""
    v = variable(numbers(dtype, 3, 4))
    if dtype == "bool" or (dtype in INTS and dtype[0] == "i"):
        total = "int64"
    else:
        total = "uint64" if dtype in INTS else dtype
    for mode in MODES[:2]:
        x = numbers(dtype, 3, 4)
        got = compiled([v], [T.sum(v), T.prod(v, 0), T.mean(v), T.max(v), T.sum(v, dtype="float64"),
                             T.sum(v, acc_dtype="float64")], mode)(x)  # fmt: skip
        mean = dtype if dtype[0] == "f" else "float64"
        assert [str(g.dtype) for g in got] == [total, total, mean, dtype, "float64", total]
        np.testing.assert_allclose(got[4], x.astype("float64").sum(), rtol=1e-12)
    if dtype[0] == "f":
        with pytest.raises(TypeError, match="without loss"):
            T.sum(v, dtype="int64")


def test_accuracy_of_long_float32_sums():
    x = np.random.default_rng(0).random(20_000_000, dtype="float32")
    v = T.fvector()
    before = phintys.config.num_threads
    try:
        results = []
        for threads in (1, 2):
            phintys.config.num_threads = threads
            results.append(compiled([v], [T.sum(v), T.mean(v), T.var(v)])(x))
    finally:
        phintys.config.num_threads = before
    for a, b in zip(*results, strict=True):
        assert a.tobytes() == b.tobytes()
    exact = x.sum(dtype="float64")
    assert abs(float(results[0][0]) - exact) / exact < 3e-7
    assert abs(float(results[0][1]) - exact / x.size) / (exact / x.size) < 3e-7
    wide = x.var(dtype="float64")
    assert abs(float(results[0][2]) - wide) / wide < 1e-6


def test_op_classes_of_reductions():
    v = T.dmatrix()
    x = floats(3, 4)
    from phintys.tensor.elemwise import CAReduce, CAReduceDtype, Prod, ProdWithoutZeros, Sum

    pairs = [
        (T.Sum(0)(v), x.sum(0)), (Prod(1)(v), x.prod(1)), (T.All()(v), np.asarray(x.all())),
        (T.CAReduce(T.maximum, 1)(v), x.max(1)), (CAReduce(T.add)(v), np.asarray(x.sum())),
        (T.Mean(1)(v), x.mean(1)), (T.Argmax(1)(v), x.argmax(1)),
        (T.MaxAndArgmax([1])(v)[0], x.max(1)), (CAReduceDtype(T.mul, 0, "float64")(v), x.prod(0)),
        (ProdWithoutZeros(0)(v * [1.0, 0.0, 1.0, 1.0]), np.where([1, 0, 1, 1], x.prod(0), 1.0)),
    ]  # fmt: skip
    for expression, want in pairs:
        np.testing.assert_allclose(compiled([v], expression)(x), want, rtol=1e-12)
    assert isinstance(T.sum(v).owner.op, Sum) and isinstance(T.sum(v).owner.op, CAReduce)
    assert not isinstance(T.max(v).owner.op, Sum) and isinstance(T.argmax(v).owner.op, T.Argmax)
    assert not isinstance(T.argmin(v).owner.op, T.Argmax)
    with pytest.raises(TypeError, match="none of the functions"):
        CAReduce(T.exp)

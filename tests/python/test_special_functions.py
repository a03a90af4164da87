"""Special functions in graphs: expressions, gradients across regimes, dtypes, saving, old names."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import check, compiled
from phintys.errors import NullTypeGradError
from phintys.tensor import inplace
from scipy import special

R = np.random.default_rng(3)
X = R.uniform(0.2, 6, (3, 4))
K = R.uniform(0.5, 5, (3, 4))


@pytest.mark.parametrize(
    ("symbolic", "concrete", "arrays"),
    [
        (T.chi2sf, lambda x, k: special.gammaincc(k / 2, x / 2), (X, K)),
        (T.gammau, lambda k, x: special.gammaincc(k, x) * special.gamma(k), (K, X)),
        (T.gammal, lambda k, x: special.gammainc(k, x) * special.gamma(k), (K, X)),
        (T.factorial, special.factorial, (X,)),
        (T.poch, special.poch, (X, K)),
        (T.k0, special.k0, (X,)),
        (T.k1, special.k1, (X,)),
        (T.special.softmax, special.softmax, (X,)),
        (
            lambda x: T.special.log_softmax(x, axis=1),
            lambda x: special.log_softmax(x, axis=1),
            (X,),
        ),
        (T.digamma, special.digamma, (X,)),
        (lambda x: T.jn(2, x), lambda x: special.jv(2, x), (X,)),
        (lambda x: T.kn(2, x), lambda x: special.kn(2, x), (X,)),
    ],
)
def test_expressions(symbolic, concrete, arrays):
    check(symbolic, concrete, *arrays, exact=False, rtol=1e-10)


def derivative(f, x, h=1e-4):
    """The fourth-order central difference."""
    d = h * np.maximum(np.abs(x), 1e-2)
    return (8 * (f(x + d) - f(x - d)) - (f(x + 2 * d) - f(x - 2 * d))) / (12 * d)


@pytest.mark.parametrize("name", ["gammainc", "gammaincc"])
def test_incomplete_gamma_gradient_in_every_regime(name):
    reference = getattr(special, name)
    k = np.array([0.01, 0.3, 0.8, 1.0, 2.5, 8.0, 13.0, 50.0, 200.0, 40.0, 40.0, 3.0])
    x = np.array([0.02, 0.1, 3.0, 1.0, 9.0, 2.0, 14.0, 45.0, 210.0, 8.0, 110.0, 0.01])
    ks, xs = T.dvectors("k", "x")
    z = getattr(T, name)(ks, xs)
    f = phintys.function([ks, xs], T.grad(z.sum(), [ks, xs]))
    by_k, by_x = f(k, x)
    np.testing.assert_allclose(
        by_k, derivative(lambda v: reference(v, x), k), rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(
        by_x, derivative(lambda v: reference(k, v), x), rtol=1e-6, atol=1e-12
    )


def test_incomplete_beta_gradient_in_every_regime():
    a = np.array([0.05, 0.5, 2.0, 30.0, 30.0, 0.5, 400.0, 2.0])
    b = np.array([0.5, 0.05, 3.0, 2.0, 60.0, 30.0, 300.0, 2.0])
    x = np.array([0.1, 0.9, 0.4, 0.97, 0.3, 0.001, 0.57, 0.02])
    variables = T.dvectors("a", "b", "x")
    z = T.betainc(*variables)
    grads = phintys.function(variables, T.grad(z.sum(), variables))(a, b, x)
    want = [
        derivative(lambda v: special.betainc(v, b, x), a),
        derivative(lambda v: special.betainc(a, v, x), b),
        derivative(lambda v: special.betainc(a, b, v), x, 1e-5),
    ]
    for got, numeric in zip(grads, want, strict=True):
        np.testing.assert_allclose(got, numeric, rtol=2e-6, atol=1e-11)


def test_second_derivatives():
    x = T.dvector("x")
    points = R.uniform(0.3, 5, 7)
    for name in ["gammaln", "psi", "i0", "j1", "ndtr", "log_ndtr", "erfinv", "i1e", "logit"]:
        at = points / 6 if name in ("erfinv", "logit") else points
        first = T.grad(getattr(T, name)(x).sum(), x)
        f = phintys.function([x], first)
        got = phintys.function([x], T.grad(first.sum(), x))(at)
        np.testing.assert_allclose(got, derivative(f, at), rtol=1e-6, atol=1e-9, err_msg=name)
    # By the argument of the incomplete functions; by their parameters there is no second one.
    k = T.dvector("k")
    first = T.grad(T.gammainc(k, x).sum(), x)
    got = phintys.function([k, x], T.grad(first.sum(), [k, x]))(points, points + 0.5)
    f = phintys.function([k, x], first)
    np.testing.assert_allclose(got[0], derivative(lambda v: f(v, points + 0.5), points), rtol=1e-6)
    np.testing.assert_allclose(got[1], derivative(lambda v: f(points, v), points + 0.5), rtol=1e-6)
    with pytest.raises(NullTypeGradError):
        T.grad(T.grad(T.gammainc(k, x).sum(), k).sum(), k)


@pytest.mark.parametrize("name", ["polygamma", "jv", "iv", "ive", "kv", "kve"])
def test_no_derivative_by_the_order(name):
    n, x = T.dscalars("n", "x")
    with pytest.raises(NullTypeGradError, match="undefined or not implemented"):
        T.grad(getattr(T, name)(n, x), n)


def test_sinc_gradient_near_zero():
    x = T.dvector("x")
    f = phintys.function([x], T.grad(T.sinc(x).sum(), x))
    points = np.array([0.0, 1e-9, 1e-4, 0.0099, 0.0101, 0.5, -0.3, -1e-5])
    with np.errstate(all="ignore"):
        far = (np.cos(np.pi * points) - np.sinc(points)) / points
    near = -(np.pi**2) * points / 3 * (1 - np.pi**2 * points**2 / 10)
    np.testing.assert_allclose(f(points), np.where(np.abs(points) < 2e-3, near, far), rtol=1e-8)


def test_bessel_gradients_at_zero():
    x = T.dvector("x")
    at = np.zeros(1)
    for name, slope in [("i0", 0), ("i1", 0.5), ("j0", 0), ("j1", 0.5), ("i1e", 0.5)]:
        grad = phintys.function([x], T.grad(getattr(T, name)(x).sum(), x))(at)
        np.testing.assert_array_equal(grad, [slope], err_msg=name)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "int64", "bool"])
def test_dtypes(dtype):
    x = np.array([1, 2, 3]).astype(dtype) if dtype != "bool" else np.array([True, True])
    v = T.TensorType(dtype, (False,))("x")
    result = compiled([v], [T.gammaln(v), T.gammainc(v, v), T.betainc(v, v, v * 0)])(x)
    want = {"float16": "float16", "float32": "float32", "int8": "float32", "int64": "float64"}.get(
        dtype
    )
    for r in result[:2]:
        assert want is None or r.dtype == want
    single = x.astype("float64")
    np.testing.assert_allclose(result[1], special.gammainc(single, single), rtol=2e-3)


def test_predicates_and_nan_to_num():
    x = T.dvector("x")
    values = np.array([1.0, np.nan, np.inf, -np.inf, -2.0])
    f = phintys.function([x], [T.isposinf(x), T.isneginf(x), T.isfinite(x), T.nan_to_num(x)])
    positive, negative, finite, numbers = f(values)
    np.testing.assert_array_equal(positive, np.isposinf(values))
    np.testing.assert_array_equal(negative, np.isneginf(values))
    np.testing.assert_array_equal(finite, np.isfinite(values))
    np.testing.assert_array_equal(numbers, np.nan_to_num(values))
    g = phintys.function([x], T.nan_to_num(x, nan=7.0, posinf=1.0, neginf=-1.0))
    np.testing.assert_array_equal(g(values), [1, 7, 1, -1, -2])
    single = T.fvector()
    got = phintys.function([single], T.nan_to_num(single))(values.astype("float32"))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.nan_to_num(values.astype("float32")))
    n = T.ivector()
    assert not phintys.function([n], T.isposinf(n))(np.array([1, 2], "int32")).any()
    with pytest.raises(TypeError, match="complex"):
        T.isposinf(T.zvector())


def test_saved_functions(tmp_path):
    k, x = T.dvectors("k", "x")
    outputs = [T.gammainc(k, x), T.betaln(k, x), T.jv(k, x), T.grad(T.gammaincc(k, x).sum(), k)]
    f = phintys.function([k, x], outputs)
    path = tmp_path / "special.phy"
    f.save(path)
    g = phintys.load(path)
    a, b = R.uniform(0.5, 5, 6), R.uniform(0.5, 5, 6)
    for one, other in zip(f(a, b), g(a, b), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fused_with_its_neighbours():
    """A log-density of the gamma distribution is one region."""
    a, x = T.dvectors("a", "x")
    density = (a - 1) * T.log(x) - x - T.gammaln(a)
    f = phintys.function([a, x], density.sum())
    p, q = R.uniform(0.5, 5, 1001), R.uniform(0.5, 5, 1001)
    np.testing.assert_allclose(
        f(p, q), ((p - 1) * np.log(q) - q - special.gammaln(p)).sum(), rtol=1e-12
    )
    assert "gammaln" in f.fn.program_text()


def test_inplace_names():
    x, y = T.dvectors("x", "y")
    f = phintys.function(
        [x, y],
        [
            inplace.exp_inplace(x),
            inplace.add_inplace(x, y),
            inplace.chi2sf_inplace(x, y),
            inplace.gammaln_inplace(x),
        ],
    )
    a, b = R.uniform(1, 3, 4), R.uniform(1, 3, 4)
    want = [np.exp(a), a + b, special.gammaincc(b / 2, a / 2), special.gammaln(a)]
    for got, value in zip(f(a, b), want, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-13)
    np.testing.assert_array_equal(a, a.copy())
    m = T.dmatrix()
    assert inplace.transpose_inplace(m).ndim == 2
    for name in inplace.__all__:
        assert callable(getattr(inplace, name))


def test_scalar_ops():
    """As PyMC3 builds its own special functions."""
    from phintys import scalar
    from phintys.scalar.basic_scipy import GammaLn, Psi

    gammaln = T.Elemwise(GammaLn(scalar.upgrade_to_float, name="scalar_gammaln"), name="gammaln")
    psi = T.Elemwise(Psi(scalar.upgrade_to_float, name="scalar_psi"))
    x = T.dmatrix("x")
    got = phintys.function([x], [gammaln(x), psi(x)])(X)
    np.testing.assert_allclose(got[0], special.gammaln(X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(got[1], special.psi(X), rtol=1e-12, atol=1e-14)
    assert GammaLn(name="a") == GammaLn(name="b") != Psi()
    assert isinstance(scalar.basic_scipy.gammaln, scalar.UnaryScalarOp)
    s = scalar.float64("s")
    assert s.ndim == 0 and s.dtype == "float64"
    assert scalar.exp(s).dtype == "float64"
    assert scalar.as_scalar(2.0).ndim == 0
    with pytest.raises(TypeError, match="dimensions"):
        scalar.as_scalar(T.vector())
    with pytest.raises(TypeError, match="needs a method impl"):
        scalar.UnaryScalarOp()
    assert scalar.upcast("int8", "float32") == "float32"
    assert [t.dtype for t in scalar.upgrade_to_float(scalar.int8)] == ["float32"]
    assert scalar.upgrade_to_float("int64") == "float64"
    assert scalar.int32 in scalar.integer_types
    with pytest.raises(AttributeError):
        scalar.no_such_name  # noqa: B018

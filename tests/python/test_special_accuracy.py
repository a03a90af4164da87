"""Holds the special functions to the bounds they state, against mpmath, on every ISA at hand."""

import ctypes
import functools

import mpmath as mp
import numpy as np
import pytest
from probes import ISAS, library

F32, F64 = np.float32, np.float64


class Probe:
    def __init__(self, path, isa):
        self.path = path
        lib = ctypes.CDLL(str(path))
        self._vector = getattr(lib, f"probe_{isa}")
        self._scalar = getattr(lib, f"probe_scalar_{isa}")
        self._bound = getattr(lib, f"probe_bound_{isa}")
        for f in (self._vector, self._scalar):
            f.argtypes = [ctypes.c_char_p, ctypes.c_int] + [ctypes.c_void_p] * 2 + [ctypes.c_int64]

    def __call__(self, name, *args, scalar=False):
        args = [np.ascontiguousarray(a) for a in args]
        out = np.empty_like(args[0])
        pointers = [a.ctypes.data for a in (*args, args[0], args[0])][:3]
        f = self._scalar if scalar else self._vector
        table = (ctypes.c_void_p * 3)(*pointers)
        assert f(name.encode(), int(out.dtype == F64), table, out.ctypes.data, out.size) == 0, name
        return out

    def bounds(self):
        name, arity = ctypes.c_char_p(), ctypes.c_int()
        f32, f64 = ctypes.c_double(), ctypes.c_double()
        refs = [ctypes.byref(v) for v in (name, arity, f32, f64)]
        table = {}
        for i in range(self._bound(-1, *refs)):
            self._bound(i, *refs)
            table[name.value.decode()] = (arity.value, {F32: f32.value, F64: f64.value})
        return table


@pytest.fixture(params=ISAS)
def probe(request):
    return Probe(library("special", request.param), request.param)


# ---- Cases: arguments, the reference, and what the error is relative to --------------------------


def rng():
    return np.random.default_rng(11)


def log_uniform(low, high, n):
    return np.exp(rng().uniform(np.log(low), np.log(high), n))


def positive(high=1e6):
    r = rng()
    near = [
        0.5 + 1e-3 * r.normal(size=20),
        1 + 0.1 * r.normal(size=30),
        2 + 0.1 * r.normal(size=30),
    ]
    return np.concatenate(
        [log_uniform(1e-300, high, 60), r.uniform(0.01, 20, 120), r.uniform(2.3, 2.7, 20), *near]
    )


def negative(low=-100.0):
    x = np.concatenate([rng().uniform(low, 0, 100), -log_uniform(1e-30, 1, 30)])
    return x[np.rint(x) != x]


def real_line(size, count=200):
    r = rng()
    return np.concatenate(
        [r.uniform(-size, size, count), r.normal(size=count), -log_uniform(1e-9, 1, 40)]
    )


def gamma_arguments():
    r = rng()
    a = np.concatenate([log_uniform(1e-4, 5e3, 100), r.uniform(0.1, 40, 100)])
    x = np.concatenate(
        [
            a[:50] * np.exp(r.uniform(-1.5, 1.5, 50)),
            log_uniform(1e-4, 5e3, 50),
            r.uniform(0.01, 60, 100),
        ]
    )
    return a, x


def beta_arguments():
    r = rng()
    a, b = log_uniform(1e-2, 60, 80), r.permutation(log_uniform(1e-2, 60, 80))
    x = 1 / (1 + b / a * np.exp(r.normal(size=80) * 2 / np.sqrt(np.minimum(a, b) + 0.1)))
    return a, b, np.clip(x, 1e-8, 0.999)


def orders(negative_too=False):
    r = rng()
    nu = np.concatenate([r.uniform(0, 5, 60), r.uniform(0, 40, 60), np.arange(10.0)])
    x = np.concatenate([log_uniform(1e-3, 90, 120), r.uniform(0.5, 30, 10)])
    if negative_too:
        nu[::3] *= -1
    return nu, x


def tails():
    r = rng()
    p = np.concatenate([r.uniform(0.01, 0.99, 40), np.exp(-r.uniform(1, 80, 20))])
    return log_uniform(0.2, 200, 60), p


def gamma_quantile(upper):
    def f(a, p, guess):
        def error(x):
            low, high = (x, mp.inf) if upper else (0, x)
            return mp.gammainc(a, low, high, regularized=True) - p

        x = guess
        for _ in range(3):
            density = mp.exp((a - 1) * mp.log(x) - x - mp.loggamma(a))
            x -= error(x) / (-density if upper else density)
        return x

    return f


def beta_quantile(a, b, p, guess):
    x = guess
    for _ in range(3):
        density = x ** (a - 1) * (1 - x) ** (b - 1) / mp.beta(a, b)
        x -= (mp.betainc(a, b, 0, x, regularized=True) - p) / density
    return x


def gamma_derivative(a, x):
    h = a * mp.mpf(10) ** -15
    if x > a:
        return -(_upper(a + h, x) - _upper(a - h, x)) / (2 * h)
    return (_lower(a + h, x) - _lower(a - h, x)) / (2 * h)


def _upper(a, x):
    return mp.gammainc(a, x, mp.inf, regularized=True)


def _lower(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def _betainc(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def beta_derivative(a, b, x):
    h = a * mp.mpf(10) ** -15
    return (_betainc(a + h, b, x) - _betainc(a - h, b, x)) / (2 * h)


def owens(h, a):
    scale = mp.exp(-h * h / 2)
    f = mp.quad(lambda t: mp.exp(-h * h * t * t / 2) / (1 + t * t), [a * k / 8 for k in range(9)])
    return scale * f / (2 * mp.pi)


def log_ndtr(x):
    return mp.log(mp.ncdf(x)) if x < 5 else mp.log1p(-mp.ncdf(-x))


def ndtri(p, guess):
    x = guess
    for _ in range(3):
        x -= (mp.log(mp.ncdf(x)) - mp.log(p)) * mp.ncdf(x) / mp.npdf(x)
    return x


def ndtri_exp(y, guess):
    x = guess
    for _ in range(4):
        x -= (log_ndtr(x) - y) * mp.ncdf(x) / mp.npdf(x)
    return x


def amplitude(nu, x):
    """Of J: near its roots only absolute errors count."""
    return mp.sqrt(2 / (mp.pi * max(x, 1))) if abs(x) > abs(nu) and abs(x) > 1 else 0


def reflected(f):
    """The larger of 1 and the reflection's terms, for functions of negative arguments."""

    def scale(*args):
        x = args[-1]
        return max(1, abs(f(*args[:-1], -x))) if x < 0 else 0

    return scale


def both_signs():
    return (np.concatenate([positive(1e9), negative()]),)


# name: (arguments, reference, scale below which errors count as absolute or None)
CASES = {
    "gammaln": (
        both_signs,
        lambda x: mp.log(abs(mp.gamma(x))) if x < 0 else mp.loggamma(x),
        reflected(mp.loggamma),
    ),
    "gamma": (lambda: (np.concatenate([positive(171), negative()]),), mp.gamma, None),
    "psi": (
        both_signs,
        mp.digamma,
        lambda x: max(1, abs(mp.digamma(-x)), abs(mp.pi * mp.cot(mp.pi * x))) if x < 0 else 0,
    ),
    "tri_gamma": (both_signs, lambda x: mp.psi(1, x), None),
    "polygamma": (
        lambda: (np.repeat([1.0, 2, 3, 8, 20], 40), np.tile(log_uniform(0.05, 1e3, 40), 5)),
        lambda n, x: mp.psi(int(n), x),
        None,
    ),
    "betaln": (
        lambda: (positive(1e5), rng().permutation(positive(1e5))),
        lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b),
        lambda a, b: 1,
    ),
    "beta": (
        lambda: (log_uniform(1e-9, 200, 150), rng().permutation(log_uniform(1e-9, 200, 150))),
        mp.beta,
        None,
    ),
    "sinc": (lambda: (real_line(60),), mp.sincpi, None),
    "i0": (lambda: (real_line(700),), lambda x: mp.besseli(0, x), None),
    "i1": (lambda: (real_line(700),), lambda x: mp.besseli(1, x), None),
    "i0e": (lambda: (real_line(700),), lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), None),
    "i1e": (lambda: (real_line(700),), lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), None),
    "j0": (lambda: (real_line(100),), lambda x: mp.besselj(0, x), lambda x: amplitude(0, abs(x))),
    "j1": (lambda: (real_line(100),), lambda x: mp.besselj(1, x), lambda x: amplitude(0, abs(x))),
    "jv": (lambda: orders(True), mp.besselj, amplitude),
    "iv": (lambda: orders(True), mp.besseli, None),
    "ive": (lambda: orders(), lambda v, x: mp.besseli(v, x) * mp.exp(-x), None),
    "kv": (lambda: orders(True), mp.besselk, None),
    "kve": (lambda: orders(), lambda v, x: mp.besselk(v, x) * mp.exp(x), None),
    "gammainc": (gamma_arguments, _lower, lambda a, x: mp.mpf(10) ** -10),
    "gammaincc": (gamma_arguments, _upper, lambda a, x: mp.mpf(10) ** -10),
    "betainc": (beta_arguments, _betainc, lambda a, b, x: mp.mpf(10) ** -10),
    "gammaincinv": (tails, gamma_quantile(False), None),
    "gammainccinv": (tails, gamma_quantile(True), None),
    "betaincinv": (
        lambda: (
            log_uniform(0.3, 30, 30),
            rng().permutation(log_uniform(0.3, 30, 30)),
            rng().uniform(0.02, 0.98, 30),
        ),
        beta_quantile,
        None,
    ),
    "log1mexp": (
        lambda: (-np.concatenate([log_uniform(1e-300, 700, 150), rng().uniform(0, 2, 60)]),),
        lambda x: mp.log(-mp.expm1(x)) if x > -1 else mp.log1p(-mp.exp(x)),
        None,
    ),
    "logit": (
        lambda: (
            np.concatenate(
                [
                    log_uniform(1e-300, 1, 80),
                    1 - log_uniform(1e-15, 0.9, 60),
                    0.5 + rng().normal(size=60) * 1e-5,
                ]
            ),
        ),
        lambda p: mp.log(p / (1 - p)),
        None,
    ),
    "xlogy": (
        lambda: (rng().normal(size=200), log_uniform(1e-300, 1e300, 200)),
        lambda x, y: x * mp.log(y),
        None,
    ),
    "xlog1py": (
        lambda: (rng().normal(size=200), rng().uniform(-0.99, 5, 200)),
        lambda x, y: x * mp.log1p(y),
        None,
    ),
    "ndtr": (lambda: (np.concatenate([real_line(8), rng().uniform(-37, 0, 100)]),), mp.ncdf, None),
    "log_ndtr": (
        lambda: (np.concatenate([real_line(8), rng().uniform(-60, 0, 100)]),),
        log_ndtr,
        None,
    ),
    "ndtri": (
        lambda: (np.concatenate([log_uniform(1e-250, 1, 60), rng().uniform(0, 1, 100)]),),
        ndtri,
        lambda p: 0.01,
    ),
    "ndtri_exp": (
        lambda: (-np.concatenate([log_uniform(1e-9, 600, 60), rng().uniform(0, 3, 30)]),),
        ndtri_exp,
        lambda y: 0.01,
    ),
    "owens_t": (
        lambda: (rng().normal(size=60) * 2, rng().uniform(-3, 3, 60)),
        owens,
        lambda h, a: mp.ncdf(-abs(h)) / 2 if abs(a) > 1 else 0,
    ),
}
# The ops that gradients are made of: no stated bound in the page of ops.
INTERNAL = {
    "gammainc_grad": (gamma_arguments, gamma_derivative, lambda a, x: mp.mpf(10) ** -14, 1e4),
    "gammainc_density": (
        gamma_arguments,
        lambda a, x: mp.exp((a - 1) * mp.log(x) - x - mp.loggamma(a)),
        lambda a, x: mp.mpf(10) ** -10,
        100,
    ),
    "betainc_grad": (beta_arguments, beta_derivative, lambda a, b, x: mp.mpf(10) ** -14, 1e4),
    "betainc_density": (
        beta_arguments,
        lambda a, b, x: x ** (a - 1) * (1 - x) ** (b - 1) / mp.beta(a, b),
        None,
        100,
    ),
}
INVERSES = {"gammaincinv", "gammainccinv", "betaincinv", "ndtri", "ndtri_exp"}


@functools.cache
def arguments(name, dtype):
    make = (CASES.get(name) or INTERNAL[name])[0]
    return tuple(np.asarray(a, dtype) for a in make())


@functools.cache
def wanted(name, dtype, guesses=None):
    """The exact values, and what one unit of their last place is taken to be."""
    _, reference, scale, *_ = CASES.get(name) or INTERNAL[name]
    args = arguments(name, dtype)
    values, units = [], []
    info = np.finfo(dtype)
    with mp.workdps(50):
        for i, row in enumerate(zip(*args, strict=True)):
            row = [mp.mpf(float(v)) for v in row]
            extra = () if guesses is None else (mp.mpf(guesses[i]),)
            w = reference(*row, *extra)
            size = abs(w) if scale is None else max(abs(w), scale(*row))
            exponent = int(mp.floor(mp.log(size, 2))) if size else info.minexp
            values.append(w)
            units.append(mp.mpf(2) ** (max(exponent, info.minexp) - info.nmant))
    return values, units


def errors(name, got, dtype):
    guesses = None
    if name in INVERSES:  # Newton's method in high precision starts from what is tested
        guesses = tuple(float(g) for g in got)
    values, units = wanted(name, dtype, guesses)
    limit = mp.mpf(float(np.finfo(dtype).max))
    out = []
    for g, w, unit in zip(got, values, units, strict=True):
        if not np.isfinite(g):
            out.append(0.0 if np.isinf(g) and abs(w) > limit else np.inf)
        else:
            out.append(float(abs(mp.mpf(float(g)) - w) / unit))
    return np.array(out)


def test_every_bound_is_tested(probe):
    assert sorted(probe.bounds()) == sorted(CASES)


@pytest.mark.parametrize("name", [*CASES, *INTERNAL])
def test_accuracy(probe, name):
    bound = INTERNAL[name][3] if name in INTERNAL else probe.bounds()[name][1][F64]
    args = arguments(name, F64)
    found = errors(name, probe(name, *args), F64)
    worst = int(np.argmax(found))
    assert found[worst] <= bound, (found[worst], [float(a[worst]) for a in args])


@pytest.mark.parametrize("name", [*CASES, *INTERNAL])
def test_float32_is_the_rounded_float64(probe, name):
    args = [a.astype(F32) for a in arguments(name, F64)]
    single = probe(name, *args)
    with np.errstate(all="ignore"):
        double = probe(name, *(a.astype(F64) for a in args)).astype(F32)
    native = {"log1mexp", "logit", "xlogy", "xlog1py"}
    if name in native:
        slack = 2 * np.spacing(np.abs(double)) * probe.bounds()[name][1][F32]
        same = (np.abs(single - double) <= slack) | (single == double)
    else:
        same = single == double
    same |= np.isnan(single) & np.isnan(double)
    assert np.all(same), [a[~same][:4] for a in args]


@pytest.mark.parametrize("name", [*CASES, *INTERNAL])
def test_scalar_equals_vector(probe, name):
    """No lane depends on its neighbours."""
    args = arguments(name, F64)
    vector, scalar = probe(name, *args), probe(name, *args, scalar=True)
    shifted = probe(name, *(a[3:] for a in args))
    same = (vector.view(np.int64) == scalar.view(np.int64)) | (np.isnan(vector) & np.isnan(scalar))
    assert np.all(same), [a[~same][:4] for a in args]
    np.testing.assert_array_equal(vector[3:], shifted)


NAN, INF = np.nan, np.inf
# (name, arguments, value)
EDGES = [
    ("gammaln", (0.0,), INF),
    ("gammaln", (-3.0,), INF),
    ("gammaln", (INF,), INF),
    ("gammaln", (-INF,), -INF),
    ("gammaln", (NAN,), NAN),
    ("gammaln", (1.0,), 0.0),
    ("gammaln", (2.0,), 0.0),
    ("gammaln", (5e-324,), 744.4400719213812),
    ("gammaln", (1e308,), INF),
    ("gammaln", (1e305,), 7.012884533631839e307),
    ("gamma", (0.0,), INF),
    ("gamma", (-0.0,), -INF),
    ("gamma", (-1.0,), NAN),
    ("gamma", (5.0,), 24.0),
    ("gamma", (171.7,), INF),
    ("gamma", (-184.5,), 0.0),
    ("gamma", (INF,), INF),
    ("gamma", (-INF,), NAN),
    ("gamma", (NAN,), NAN),
    ("gamma", (1e-310,), INF),
    ("gamma", (1.0,), 1.0),
    ("psi", (0.0,), -INF),
    ("psi", (-0.0,), INF),
    ("psi", (-2.0,), NAN),
    ("psi", (INF,), INF),
    ("psi", (1e308,), 709.1962086421661),
    ("psi", (-INF,), NAN),
    ("tri_gamma", (0.0,), INF),
    ("tri_gamma", (-4.0,), INF),
    ("tri_gamma", (INF,), 0.0),
    ("tri_gamma", (NAN,), NAN),
    ("tri_gamma", (1e308,), 1e-308),
    ("polygamma", (0.0, 1.0), -0.5772156649015329),
    ("polygamma", (0.5, 1.0), NAN),
    ("polygamma", (-1.0, 1.0), NAN),
    ("polygamma", (1.0, INF), 0.0),
    ("polygamma", (2.0, NAN), NAN),
    ("polygamma", (1.0, 0.0), INF),
    ("polygamma", (2.0, -1.0), -INF),
    ("betaln", (1.0, 1.0), 0.0),
    ("betaln", (0.0, 1.0), INF),
    ("betaln", (INF, 1.0), -INF),
    ("betaln", (NAN, 1.0), NAN),
    ("beta", (1.0, 2.0), 0.5),
    ("beta", (-1.5, 2.0), 4 / 3),
    ("beta", (-2.0, 1.0), -0.5),
    ("beta", (-2.0, 3.0), INF),
    ("beta", (0.5, -0.5), 0.0),
    ("i0", (0.0,), 1.0),
    ("i0", (INF,), INF),
    ("i0", (-INF,), INF),
    ("i0", (NAN,), NAN),
    ("i1", (-INF,), -INF),
    ("i1", (-0.0,), -0.0),
    ("i0e", (INF,), 0.0),
    ("i1e", (NAN,), NAN),
    ("i0e", (1e308,), 3.989422804014327e-155),
    ("i0", (714.0,), INF),
    ("j0", (0.0,), 1.0),
    ("j0", (INF,), 0.0),
    ("j0", (NAN,), NAN),
    ("j1", (-0.0,), -0.0),
    ("j0", (1e22,), -1.856105106510822e-12),
    ("j1", (1e15,), 2.446866512377133e-08),
    ("jv", (0.0, 0.0), 1.0),
    ("jv", (1.0, 0.0), 0.0),
    ("jv", (-0.5, 0.0), INF),
    ("jv", (0.5, -1.0), NAN),
    ("jv", (3.0, -2.0), -0.12894324947440208),
    ("jv", (-3.0, 2.0), -0.12894324947440208),
    ("jv", (2.0, INF), 0.0),
    ("jv", (NAN, 1.0), NAN),
    ("jv", (-0.5, 1e-300), 7.978845608028654e149),
    ("iv", (0.0, 0.0), 1.0),
    ("iv", (2.0, 0.0), 0.0),
    ("iv", (-0.5, 0.0), INF),
    ("iv", (0.5, -1.0), NAN),
    ("iv", (3.0, -2.0), -0.21273995923985267),
    ("iv", (1.0, INF), INF),
    ("ive", (1.0, INF), 0.0),
    ("ive", (0.0, 1e308), 3.989422804014327e-155),
    ("iv", (1e9, 2.0), 0.0),
    ("kv", (0.0, 0.0), INF),
    ("kv", (1.0, INF), 0.0),
    ("kv", (1.0, -1.0), NAN),
    ("kve", (1.0, INF), 0.0),
    ("kv", (NAN, 1.0), NAN),
    ("kv", (-2.0, 3.0), 0.061510458471742),
    ("kve", (0.0, 1e308), 1.2533141373155003e-154),
    ("gammainc", (1.0, 0.0), 0.0),
    ("gammainc", (0.0, 1.0), 1.0),
    ("gammainc", (1.0, INF), 1.0),
    ("gammainc", (INF, 1.0), 0.0),
    ("gammainc", (-1.0, 1.0), NAN),
    ("gammainc", (1.0, -1.0), NAN),
    ("gammainc", (0.0, 0.0), NAN),
    ("gammainc", (NAN, 1.0), NAN),
    ("gammaincc", (1.0, 0.0), 1.0),
    ("gammaincc", (0.0, 1.0), 0.0),
    ("gammaincc", (1e308, 1.0), 1.0),
    ("gammainc", (1e10, 1e10), 0.5000013298076),
    ("betainc", (1.0, 2.0, 0.0), 0.0),
    ("betainc", (1.0, 2.0, 1.0), 1.0),
    ("betainc", (1.0, 2.0, 1.5), NAN),
    ("betainc", (-1.0, 2.0, 0.5), NAN),
    ("betainc", (1.0, 2.0, NAN), NAN),
    ("betainc", (1e8, 1e8, 0.5), 0.5),
    ("gammaincinv", (2.0, 0.0), 0.0),
    ("gammaincinv", (2.0, 1.0), INF),
    ("gammaincinv", (2.0, -0.1), NAN),
    ("gammainccinv", (2.0, 0.0), INF),
    ("gammainccinv", (2.0, 1.0), 0.0),
    ("betaincinv", (2.0, 3.0, 0.0), 0.0),
    ("betaincinv", (2.0, 3.0, 1.0), 1.0),
    ("betaincinv", (2.0, 3.0, 2.0), NAN),
    ("log1mexp", (0.0,), -INF),
    ("log1mexp", (1.0,), NAN),
    ("log1mexp", (-INF,), 0.0),
    ("log1mexp", (NAN,), NAN),
    ("logit", (0.0,), -INF),
    ("logit", (1.0,), INF),
    ("logit", (0.5,), 0.0),
    ("logit", (-0.1,), NAN),
    ("logit", (5e-324,), -744.4400719213812),
    ("xlogy", (0.0, 0.0), 0.0),
    ("xlogy", (0.0, NAN), NAN),
    ("xlogy", (0.0, INF), 0.0),
    ("xlog1py", (0.0, -1.0), 0.0),
    ("xlog1py", (1.0, -1.0), -INF),
    ("ndtr", (INF,), 1.0),
    ("ndtr", (-INF,), 0.0),
    ("ndtr", (0.0,), 0.5),
    ("ndtr", (NAN,), NAN),
    ("log_ndtr", (-INF,), -INF),
    ("log_ndtr", (-1e20,), -5e39),
    ("log_ndtr", (NAN,), NAN),
    ("ndtri", (0.0,), -INF),
    ("ndtri", (1.0,), INF),
    ("ndtri", (0.5,), 0.0),
    ("ndtri", (1.5,), NAN),
    ("ndtri_exp", (-INF,), -INF),
    ("ndtri_exp", (0.0,), INF),
    ("ndtri_exp", (0.1,), NAN),
    ("ndtri_exp", (-1e300,), -1.4142135623730951e150),
    ("owens_t", (0.0, 1.0), 0.125),
    ("owens_t", (1.0, INF), 0.07932762696572854),
    ("owens_t", (NAN, 1.0), NAN),
    ("owens_t", (INF, 1.0), 0.0),
    ("sinc", (0.0,), 1.0),
    ("sinc", (3.0,), 0.0),
    ("sinc", (INF,), 0.0),
    ("sinc", (NAN,), NAN),
]


def test_edges(probe):
    for name, args, value in EDGES:
        got = probe(name, *(np.array([a]) for a in args))[0]
        np.testing.assert_allclose(got, value, rtol=1e-11, atol=1e-300, err_msg=f"{name}{args}")

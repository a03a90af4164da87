"""Holds the math functions of csrc/ops/math to the bounds they state, on every ISA at hand."""

import ctypes
import functools
import shutil
import subprocess

import mpmath as mp
import numpy as np
import pytest
from probes import ISAS, library
from scipy import special

F32, F64 = np.float32, np.float64
MP_POINTS = 400
DENSE_POINTS = 40000


class Probe:
    def __init__(self, path, isa):
        self.path = path
        lib = ctypes.CDLL(str(path))
        self._vector = getattr(lib, f"probe_{isa}")
        self._scalar = getattr(lib, f"probe_scalar_{isa}")
        self._bound = getattr(lib, f"probe_bound_{isa}")
        for f in (self._vector, self._scalar):
            f.argtypes = [ctypes.c_char_p, ctypes.c_int] + [ctypes.c_void_p] * 3 + [ctypes.c_int64]

    def __call__(self, name, a, b=None, scalar=False):
        a = np.ascontiguousarray(a)
        b = a if b is None else np.ascontiguousarray(b, dtype=a.dtype)
        out = np.empty_like(a)
        f = self._scalar if scalar else self._vector
        pointers = [x.ctypes.data for x in (a, b, out)]
        assert f(name.encode(), int(a.dtype == F64), *pointers, a.size) == 0, name
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
    return Probe(library("math", request.param), request.param)


# ---- References ---------------------------------------------------------------------------------


def _erfcx_mp(x):
    if x > 1e6:
        return (1 - 1 / (2 * x * x)) / (x * mp.sqrt(mp.pi))
    return mp.exp(x * x) * mp.erfc(x)


def _erfc_mp(x):
    if x > 200:
        return mp.mpf(0)
    return mp.erfc(x)


def _refine(guess, f, df):
    """Newton steps in high precision from a double-precision root."""
    y = mp.mpf(guess)
    for _ in range(3):
        y -= f(y) / df(y)
    return y


def _erfinv_mp(x):
    if abs(x) < mp.mpf(10) ** -20:
        return x * mp.sqrt(mp.pi) / 2
    return mp.sign(x) * _erfcinv_mp(1 - abs(x))


def _erfcinv_mp(p):
    if p > 1:
        return -_erfcinv_mp(2 - p)
    guess = float(special.erfcinv(float(p))) if p > mp.mpf(10) ** -300 else mp.sqrt(-mp.log(p * 46))
    slope = 2 / mp.sqrt(mp.pi)
    # The logarithm makes Newton's steps converge in the far tail too.
    if p < 0.1:
        target = mp.log(p)
        return _refine(
            guess,
            lambda y: mp.log(mp.erfc(y)) - target,
            lambda y: -slope * mp.exp(-y * y) / mp.erfc(y),
        )
    return _refine(guess, lambda y: mp.erf(y) - (1 - p), lambda y: slope * mp.exp(-y * y))


MP = {
    "exp": mp.exp,
    "exp2": lambda x: mp.mpf(2) ** x,
    "expm1": mp.expm1,
    "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": lambda x: mp.log(x) / mp.log(10),
    "log1p": mp.log1p,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "atan2": mp.atan2,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "pow": lambda x, y: x**y,
    "erf": mp.erf,
    "erfc": _erfc_mp,
    "erfcx": _erfcx_mp,
    "erfinv": _erfinv_mp,
    "erfcinv": _erfcinv_mp,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)) if x < 300 else x + mp.exp(-x),
}


def _sigmoid_np(x):
    z = np.exp(-np.abs(x))
    return np.where(np.isnan(x), x, np.where(x > 0, np.ones_like(z), z) / (1 + z))


def _erfcinv_np(x):
    # SciPy has -0 at 1 and inf at the smallest denormal: both are taken as slips. So is its
    # erfinv(-0) = +0, below.
    y = special.erfcinv(x) + 0.0
    return np.where(x == 5e-324, 27.213293210812949, y)


# What NumPy and SciPy say: the reference of special values, and of f32 when evaluated in f64.
NUMPY = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "pow": np.power,
    "erf": special.erf,
    "erfc": special.erfc,
    "erfcx": special.erfcx,
    "erfinv": lambda x: np.copysign(special.erfinv(x), x),
    "erfcinv": _erfcinv_np,
    "sigmoid": _sigmoid_np,
    "softplus": lambda x: np.logaddexp(np.zeros_like(x), x),
}

# The x87 long double gives a dense reference for f64 where NumPy has the function in it.
LONG = {n: f for n, f in NUMPY.items() if isinstance(f, np.ufunc) and hasattr(np, f.__name__)}
HAS_LONG = np.finfo(np.longdouble).nmant >= 63

# (lowest, highest) beyond which the function is constant, infinite or not defined.
RANGE = {
    "exp": {F32: (-104.5, 89), F64: (-746, 710)},
    "exp2": {F32: (-151, 128.5), F64: (-1076, 1024.5)},
    "expm1": {F32: (-20, 89), F64: (-40, 710)},
    "sinh": {F32: (-89.5, 89.5), F64: (-711, 711)},
    "cosh": {F32: (-89.5, 89.5), F64: (-711, 711)},
    "tanh": {F32: (-10, 10), F64: (-20, 20)},
    "erf": {F32: (-4.5, 4.5), F64: (-6.5, 6.5)},
    "erfc": {F32: (-4, 10.2), F64: (-6, 27)},
    "erfcx": {F32: (-9.4, 100), F64: (-26.7, 1000)},
    "sigmoid": {F32: (-104, 20), F64: (-745, 40)},
    "softplus": {F32: (-104, 100), F64: (-745, 1000)},
    "asin": {F32: (-1, 1), F64: (-1, 1)},
    "acos": {F32: (-1, 1), F64: (-1, 1)},
    "atanh": {F32: (-1, 1), F64: (-1, 1)},
    "erfinv": {F32: (-1, 1), F64: (-1, 1)},
    "erfcinv": {F32: (0, 2), F64: (0, 2)},
    "log1p": {F32: (-1, 1e30), F64: (-1, 1e300)},
}
POSITIVE = {"log", "log2", "log10", "acosh"}


def points(name, dtype, n, seed=0):
    """Random arguments over all magnitudes, dense in the interesting range and near its ends."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    k = n // 4
    low, high = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max))
    any_size = np.exp2(rng.uniform(low, high, k)) * rng.choice([-1, 1], k)
    middle = np.exp2(rng.uniform(-30, 12, k)) * rng.choice([-1, 1], k)
    lo, hi = RANGE.get(name, {}).get(dtype, (-20, 20))
    inside = rng.uniform(lo, max(lo, min(hi, 1e4)), k)
    ends = rng.choice([lo, hi, 1.0, -1.0, 0.5], k) * (
        1 + rng.normal(size=k) * np.exp2(rng.uniform(-50, -3, k))
    )
    x = np.concatenate([any_size, middle, inside, ends])
    if name in ("sin", "cos", "tan"):
        # The nearest numbers to multiples of pi/2 are the hardest ones.
        x = np.concatenate([x, np.rint(np.exp2(rng.uniform(0, 40, k))) * (np.pi / 2)])
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    if name in POSITIVE:
        x = np.abs(x)
        if name == "acosh":
            x = np.where(x < 1, 1 / np.maximum(x, dtype(info.tiny)), x)
    elif name in RANGE:
        x = x[(x >= lo) & (x <= hi)]
    if name in ("erfinv", "erfcinv", "log1p", "atanh"):  # infinite there: special values
        x = x[(x != lo) & (x != hi)]
    if name in ("log", "log2", "log10"):
        x = x[x > 0]
    return x[np.isfinite(x)].astype(dtype)


def arguments(name, arity, dtype, n):
    if arity == 1:
        return (points(name, dtype, n),)
    rng = np.random.default_rng(1)
    if name == "pow":
        x = np.abs(points(name, dtype, n))
        x = x[x > 0]
        limit = 87 if dtype == F32 else 708
        with np.errstate(all="ignore"):
            y = rng.uniform(-limit, limit, x.size) / np.log(x.astype(F64))
            y = np.where(np.isfinite(y) & (np.abs(y) < 1e30), y, 3.0)
        return x, y.astype(dtype)
    x = points(name, dtype, n)
    y = points(name, dtype, n, seed=2)[: x.size]
    near = rng.random(x.size) < 0.5
    with np.errstate(over="ignore", under="ignore"):
        y = np.where(near, x * np.exp2(rng.uniform(-3, 3, x.size)), y).astype(dtype)
    y = np.where(np.isfinite(y), y, dtype(1))
    return y, x


def ulp_mp(got, want, dtype):
    """The distance in units of the last place of the exact value, overflow to inf allowed for."""
    info = np.finfo(dtype)
    biggest = mp.mpf(float(info.max))
    if np.isnan(got):
        return np.inf
    if np.isinf(got):
        half = mp.mpf(2) ** (info.maxexp - info.nmant - 2)
        return 0.0 if abs(want) >= biggest - half and (want > 0) == (got > 0) else np.inf
    if want == 0:
        return 0.0 if got == 0 else np.inf
    exponent = max(int(mp.floor(mp.log(abs(want), 2))), info.minexp)
    return float(abs(mp.mpf(float(got)) - want) / mp.mpf(2) ** (exponent - info.nmant))


def ulp_array(got, want, dtype):
    """The same against references of a wider type."""
    info = np.finfo(dtype)
    wide = want.dtype.type
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.abs(want))[1] - 1
        unit = np.ldexp(wide(1), np.maximum(exponent, info.minexp) - info.nmant)
        error = np.abs(got.astype(wide) - want) / unit
        over = np.isinf(got) & (np.abs(want) > wide(info.max) * (1 - wide(info.eps)))
    error[over & (np.sign(got) == np.sign(want))] = 0
    error[got == want] = 0
    error[np.isnan(error)] = np.inf
    return error.astype(F64)


@functools.cache
def mp_cases(name, arity, dtype):
    args = arguments(name, arity, dtype, MP_POINTS)
    with mp.workdps(60):
        want = []
        for values in zip(*args, strict=False):
            want.append(MP[name](*(mp.mpf(float(v)) for v in values)))
    return args, want


@functools.cache
def dense_cases(name, arity, dtype):
    wide = F64 if dtype == F32 else np.longdouble
    args = arguments(name, arity, dtype, DENSE_POINTS)
    with np.errstate(all="ignore"):
        want = NUMPY[name](*(a.astype(wide) for a in args))
    return args, want


NAMES = sorted(MP)


def test_every_bound_is_tested(probe):
    assert sorted(probe.bounds()) == NAMES


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("name", NAMES)
def test_accuracy(probe, name, dtype):
    arity, ulp = probe.bounds()[name]
    args, want = mp_cases(name, arity, dtype)
    got = probe(name, *args)
    with mp.workdps(60):
        errors = np.array([ulp_mp(g, w, dtype) for g, w in zip(got, want, strict=False)])
    worst = int(np.argmax(errors))
    assert errors[worst] <= ulp[dtype], [a[worst] for a in args]
    if dtype == F64 and (name not in LONG or not HAS_LONG):
        return
    args, want = dense_cases(name, arity, dtype)
    errors = ulp_array(probe(name, *args), want, dtype)
    worst = int(np.argmax(errors))
    # The reference of f32 is itself off by a few units of f64, of no weight here.
    assert errors[worst] <= ulp[dtype], [a[worst] for a in args]


SPECIALS = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1e-40, -1e-40,
    5e-324, -5e-324, 1e30, -1e30, 1e300, -1e300, 1024.0, -1074.0, 100.0, 1000.0,
]  # fmt: skip


def assert_like_numpy(got, want, dtype, slack):
    both_nan = np.isnan(got) & np.isnan(want)
    assert np.array_equal(np.isnan(got), np.isnan(want)), (got, want)
    sign_matters = (want == 0) | np.isinf(want)
    assert np.array_equal(np.signbit(got[sign_matters]), np.signbit(want[sign_matters]))
    exact = sign_matters & ~both_nan
    assert np.array_equal(got[exact], want[exact])
    rest = ~exact & ~both_nan
    unit = np.spacing(np.abs(want[rest])).astype(F64)
    assert np.all(np.abs(got[rest].astype(F64) - want[rest].astype(F64)) <= slack * unit)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("name", NAMES)
def test_specials(probe, name, dtype):
    arity, ulp = probe.bounds()[name]
    with np.errstate(all="ignore"):
        x = np.array(SPECIALS).astype(dtype)
        if dtype == F32:
            x = np.concatenate([x, np.array([1e-45, -1e-45], F32)])
        args = (x,) if arity == 1 else tuple(v.ravel() for v in np.meshgrid(x, x))
        # f32 through f64, as NumPy's own f32 functions are the less exact ones.
        want = NUMPY[name](*(a.astype(F64) for a in args)).astype(dtype)
    got = probe(name, *args)
    assert_like_numpy(got, want, dtype, ulp[dtype] + 4)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("name", NAMES)
def test_scalar_equals_vector(probe, name, dtype):
    arity, _ = probe.bounds()[name]
    args = arguments(name, arity, dtype, 4001)
    if arity == 1:
        with np.errstate(over="ignore"):
            args = (np.concatenate([args[0], np.array(SPECIALS).astype(dtype)]),)
    vector, scalar = probe(name, *args), probe(name, *args, scalar=True)
    bits = np.uint32 if dtype == F32 else np.uint64
    same = (vector.view(bits) == scalar.view(bits)) | (np.isnan(vector) & np.isnan(scalar))
    assert np.all(same), [a[~same][:4] for a in args]


@pytest.mark.parametrize("dtype", [F32, F64])
def test_exact_values(probe, dtype):
    def values(name, *args):
        return probe(name, *(np.array(a, dtype) for a in args)).tolist()

    assert values("exp", [0.0, -0.0]) == [1, 1]
    assert values("cos", [0.0, 1e-30]) == [1, 1]
    assert values("cosh", [0.0]) == [1]
    assert values("erfc", [0.0]) == [1]
    assert values("exp2", [10.0, -3.0]) == [1024, 0.125]
    assert values("log2", [8.0, 0.25, 1.0]) == [3, -2, 0]
    assert values("log10", [1000.0, 10.0, 1e10]) == [3, 1, 10]
    assert values("pow", [2.0, 3.0, 10.0, -2.0], [10.0, 4.0, 3.0, 3.0]) == [1024, 81, 1000, -8]
    assert values("sigmoid", [0.0]) == [0.5]


@pytest.mark.parametrize("dtype", [F32, F64])
def test_rounding(probe, dtype):
    x = points("floor", dtype, 4000)
    x = np.concatenate(
        [x, np.arange(-4, 4, 0.25, dtype), np.array([0.0, -0.0, np.nan, np.inf, -np.inf], dtype)]
    )
    bits = np.uint32 if dtype == F32 else np.uint64
    pairs = {
        "floor": np.floor,
        "ceil": np.ceil,
        "trunc": np.trunc,
        "round_even": np.rint,
        "abs": np.abs,
    }
    for name, reference in pairs.items():
        for scalar in (False, True):
            got, want = probe(name, x, scalar=scalar), reference(x)
            assert np.all((got.view(bits) == want.view(bits)) | np.isnan(want)), name
    with np.errstate(invalid="ignore"):
        got, want = probe("sqrt", np.abs(x)), np.sqrt(np.abs(x))
    assert np.array_equal(got, want, equal_nan=True)


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_no_symbol_leaks(probe):
    """A weak symbol could reach another object compiled for a lesser processor."""
    text = subprocess.run(
        ["nm", str(probe.path)], check=True, capture_output=True, text=True
    ).stdout
    leaks = [line for line in text.splitlines() if line.split()[-2] in "WuV"]
    assert not leaks

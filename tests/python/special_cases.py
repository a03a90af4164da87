"""What the generated tests must know of special functions: references, tolerances, domains.

SciPy is the reference where it is right. Where it overflows early, takes infinities for NaN or
loses digits, the formulas here say what is right; test_special_accuracy.py holds the functions to
their bounds against mpmath.
"""

import numpy as np
from scipy import special


def at_infinity(function, value):
    """SciPy's `function`, but `value(x)` at infinite x."""

    def fixed(x):
        y = np.asarray(function(x))
        return np.where(np.isinf(x), value(x), y).astype(y.dtype)

    return fixed


def _bessel_j(order):
    function = special.j0 if order == 0 else special.j1

    def fixed(x):
        import mpmath as mp

        x = np.asarray(x, "float64")
        y = np.asarray(function(x))
        flat, out = x.ravel(), y.ravel().copy()
        for i in np.flatnonzero((np.abs(flat) > 1e6) & np.isfinite(flat)):  # Hankel, by hand
            with mp.workdps(340):
                v = abs(mp.mpf(float(flat[i])))
                chi = v - (2 * order + 1) * mp.pi / 4
                m = 4 * order * order
                wave = mp.cos(chi) - (m - 1) / (8 * v) * mp.sin(chi)
                out[i] = float(mp.sqrt(2 / (mp.pi * v)) * wave)
                out[i] *= -1 if order and flat[i] < 0 else 1
        out[np.isinf(flat)] = 0
        if order:
            out = np.where(np.isinf(flat), np.copysign(0.0, flat), out)
        return out.reshape(x.shape)

    return fixed


def _sinc(x):
    return np.where(
        np.rint(x) == x, np.where(x == 0, 1.0, 0.0), np.sinc(np.where(np.isinf(x), 0, x))
    )


def _polygamma(n, x):
    n, x = np.broadcast_arrays(np.asarray(n, "float64"), np.asarray(x, "float64"))
    valid = (n >= 0) & (np.trunc(n) == n)
    y = special.polygamma(np.where(valid, n, 1).astype("int64"), x)
    return np.where(valid, y, np.nan)


def _gammaln(x):
    x = np.asarray(x, "float64")
    tiny = (x != 0) & (np.abs(x) < 1e-300)
    return np.where(tiny, -np.log(np.where(tiny, np.abs(x), 1)), special.gammaln(x))


def _log1mexp(x):
    x = np.asarray(x)
    with np.errstate(all="ignore"):
        return np.where(x > -0.7, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


def nan_with_nan(function):
    """SciPy's `function`, but NaN where an operand is."""

    def fixed(a, b):
        y = np.asarray(function(a, b))
        return np.where(np.isnan(a) | np.isnan(b), np.nan, y).astype(y.dtype)

    return fixed


def _positive_infinities(y):
    return np.where(np.isinf(y), np.abs(y), y)


def _ive(nu, x):
    # SciPy has inf for iv and NaN for ive where a negative order has a pole.
    pole = (x == 0) & (nu < 0) & (np.trunc(nu) != nu)
    return np.where(pole, np.inf, special.ive(nu, x))


def _gamma_quantile(function, at_zero):
    def fixed(a, p):
        inside = (p >= 0) & (p <= 1)
        y = np.where(inside, 0.0, np.nan)
        y = np.where(inside & (p == at_zero), np.inf, y)
        return np.where(a == 0, np.where(np.isnan(p), np.nan, y), function(a, p))

    return fixed


REFERENCES = {
    "gammaln": _gammaln,
    "tri_gamma": lambda x: special.polygamma(1, x),
    "polygamma": _polygamma,
    "sinc": _sinc,
    "i0": at_infinity(special.i0, lambda x: np.inf),
    "i1": at_infinity(special.i1, lambda x: x),
    "j0": _bessel_j(0),
    "j1": _bessel_j(1),
    "log1mexp": _log1mexp,
    "betaln": nan_with_nan(special.betaln),
    # The sign of an infinity at a pole is open.
    "beta": lambda a, b: _positive_infinities(nan_with_nan(special.beta)(a, b)),
    "jv": lambda nu, x: _positive_infinities(special.jv(nu, x)),
    "kv": nan_with_nan(special.kv),
    "kve": nan_with_nan(special.kve),
    "ive": _ive,
    "gammaincinv": _gamma_quantile(special.gammaincinv, 1),
    "gammainccinv": _gamma_quantile(special.gammainccinv, 0),
}

# Operands of these (beyond the first parameter of one-parameter functions) come from moderate
# values only: SciPy's own are not right at the extremes.
MODERATE = {
    "polygamma",
    "betaln",
    "beta",
    "jv",
    "iv",
    "ive",
    "kv",
    "kve",
    "gammainc",
    "gammaincc",
    "betainc",
    "gammaincinv",
    "gammainccinv",
    "betaincinv",
    "owens_t",
}

# Relative tolerance in float64 where SciPy is the less exact one.
RELATIVE = {
    **dict.fromkeys(MODERATE, 1e-9),
    "gammaln": 1e-12,
    "gamma": 1e-12,
    "psi": 1e-12,
    "tri_gamma": 1e-11,
    "sinc": 1e-12,
    "i0": 1e-13,
    "i1": 1e-13,
    "i0e": 1e-13,
    "i1e": 1e-13,
    "j0": 1e-12,
    "j1": 1e-12,
    "log1mexp": 1e-13,
    "ndtr": 1e-12,
    "log_ndtr": 1e-12,
    "ndtri": 1e-13,
    "ndtri_exp": 1e-11,
}

# Absolute tolerance of functions with roots, and of reflections of large terms.
ABSOLUTE = {
    "i1": 5e-324,
    "i1e": 5e-324,
    "gammaln": 1e-13,
    "psi": 1e-11,
    "polygamma": 1e-5,
    "betaln": 1e-12,
    "j0": 1e-13,
    "j1": 1e-13,
    "jv": 1e-12,
    "sinc": 1e-15,
    "ndtri": 1e-15,
    "ndtri_exp": 1e-14,
    "gamma": 0.0,
}

# Operands by which no derivative exists or is offered.
NO_GRADIENT = {name: {0} for name in ("polygamma", "jv", "iv", "ive", "kv", "kve")}

# Zeros whose sign SciPy and the function see differently.
ANY_ZERO = {
    "sinc",
    "gammaln",
    "betaln",
    "beta",
    "polygamma",
    "log_ndtr",
    "jv",
    "iv",
    "ive",
    "owens_t",
    "gamma",
    "i1",
    "i1e",
    "ndtri",
    "logit",
    "tri_gamma",
    "ndtri_exp",
    "gammaincinv",
    "xlogy",
    "gammainccinv",
    "betaincinv",
    "betainc",
    "log1mexp",
    "j1",
    "xlog1py",
}


def moderate(values):
    """Those of an array of edge values at which SciPy can be trusted."""
    wide = values.astype("float64")
    size = np.abs(wide)
    # SciPy's iv is wrong next to integer orders.
    near_one = (size != 1) & (np.abs(size - 1) < 1e-6)
    return values[~near_one & (size <= 100) & ((size >= 0.4) | (size == 0)) | np.isnan(wide)]


def allowed(name, operands):
    """Where the operands of op `name` are such that the reference can be trusted."""
    if name == "polygamma":  # left of 0 its terms cancel the more, the higher the derivative
        n, x = (a.astype("float64") for a in operands)
        return ~(n > 20) | ~(x < 0)
    return np.ones(operands[0].shape, bool)

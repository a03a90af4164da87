"""Fits the polynomials of csrc/ops/math and prints them as C++ initialisers.

Each is the Chebyshev interpolant in the stated variable, computed with 60 digits: within a small
factor of the minimax polynomial, which one more coefficient always covers here.

    python tools/fit_polynomials.py > csrc/ops/math/polynomials.h
"""

import sys

import mpmath as mp

mp.mp.dps = 60


def fit(g, a, b, degree):
    """Monomial coefficients, lowest first, of the Chebyshev interpolant of g on [a, b]."""
    a, b = mp.mpf(a), mp.mpf(b)
    n = degree + 1
    xs = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    ys = [g(x) for x in xs]
    # Newton's divided differences, expanded to monomials.
    d = list(ys)
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            d[i] = (d[i] - d[i - 1]) / (xs[i] - xs[i - j])
    coefs = [mp.mpf(0)] * n
    coefs[0] = d[n - 1]
    size = 1
    for i in range(n - 2, -1, -1):
        for k in range(size, 0, -1):
            coefs[k] = coefs[k - 1] - xs[i] * coefs[k]
        coefs[0] = d[i] - xs[i] * coefs[0]
        size += 1
    return coefs


def horner(c, x):
    r = mp.mpf(0)
    for k in reversed(c):
        r = r * x + k
    return r


def error(g, c, a, b, weight):
    a, b = mp.mpf(a), mp.mpf(b)
    pts = [a + (b - a) * i / mp.mpf(400) for i in range(401)]
    return max(abs((horner(c, x) - g(x)) * weight(x)) for x in pts if x != 0)


def odd(f):
    """(f(sqrt u) - sqrt u) / u^(3/2): the tail of an odd function with slope 1."""
    return lambda u: (f(mp.sqrt(u)) - mp.sqrt(u)) / mp.sqrt(u) ** 3


LN2H = mp.log(2) / 2
PI = mp.pi
SQRT2 = mp.sqrt(2)


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


def g_erfcx(c):
    def g(t):
        x = c * (1 + t) / (1 - t)
        return (1 + 2 * x) * erfcx(x)

    return g


TINY = mp.mpf(10) ** -12  # keeps the nodes off 0, where most targets read 0/0


def one(_):
    return mp.mpf(1)


# name: (what it approximates, target, lowest, highest, weight that makes the error relative to the
# whole function, degree f32, degree f64); a degree of None leaves that type out.
FITS = {
    "exp": (
        "(e^r - 1 - r) / r^2 on |r| <= ln(2)/2",
        lambda r: (mp.exp(r) - 1 - r) / r**2,
        -LN2H,
        LN2H * 1.001,
        lambda r: r * r,
        4,
        9,
    ),
    "exp2": (
        "(2^r - 1) / r on |r| <= 1/2",
        lambda r: (mp.mpf(2) ** r - 1) / r,
        -0.5,
        0.5005,
        lambda r: r,
        5,
        10,
    ),
    "sinh": (
        "(sinh r - r) / r^3 in r^2, |r| <= ln(2)/2",
        odd(mp.sinh),
        TINY,
        LN2H**2,
        lambda u: u,
        2,
        4,
    ),
    "cosh": (
        "(cosh r - 1 - r^2/2) / r^4 in r^2, |r| <= ln(2)/2",
        lambda u: (mp.cosh(mp.sqrt(u)) - 1 - u / 2) / u**2,
        TINY,
        LN2H**2,
        lambda u: u * u,
        1,
        4,
    ),
    "log_s": (
        "(2 atanh s - 2 s) / s^3 in s^2, |s| <= (sqrt 2 - 1) / (sqrt 2 + 1)",
        lambda z: (2 * mp.atanh(mp.sqrt(z)) - 2 * mp.sqrt(z)) / mp.sqrt(z) ** 3,
        TINY,
        ((SQRT2 - 1) / (SQRT2 + 1)) ** 2,
        lambda z: z / 2,
        3,
        6,
    ),
    "log_s_tail": (
        "(2 atanh s - 2 s - 2/3 s^3) / s^5 in s^2, same range",
        lambda z: (
            (2 * mp.atanh(mp.sqrt(z)) - 2 * mp.sqrt(z) - 2 * z * mp.sqrt(z) / 3) / mp.sqrt(z) ** 5
        ),
        TINY,
        ((SQRT2 - 1) / (SQRT2 + 1)) ** 2,
        lambda z: z * z / 2,
        None,
        8,
    ),
    "log_f": (
        "(log(1 + f) - f + f^2/2) / f^3 on sqrt(1/2) <= 1 + f <= sqrt 2",
        lambda f: (mp.log1p(f) - f + f * f / 2) / f**3,
        1 / SQRT2 - 1,
        SQRT2 - 1 + 0.001,
        lambda f: f * f,
        8,
        None,
    ),
    "sin": (
        "(sin r - r) / r^3 in r^2, |r| <= pi/4",
        odd(mp.sin),
        TINY,
        (PI / 4) ** 2,
        lambda u: u,
        3,
        5,
    ),
    "cos": (
        "(cos r - 1 + r^2/2) / r^4 in r^2, |r| <= pi/4",
        lambda u: (mp.cos(mp.sqrt(u)) - 1 + u / 2) / u**2,
        TINY,
        (PI / 4) ** 2,
        lambda u: u * u,
        2,
        5,
    ),
    "log1p_unit": (
        "(2 atanh s - 2 s) / s^3 in s^2, 0 <= s <= 1/3",
        lambda u: (2 * mp.atanh(mp.sqrt(u)) - 2 * mp.sqrt(u)) / mp.sqrt(u) ** 3,
        TINY,
        mp.mpf(1) / 9,
        lambda u: u / 2,
        4,
        9,
    ),
    "tanh": (
        "(tanh x - x) / x^3 in x^2, |x| <= ln(3)/2",
        odd(mp.tanh),
        TINY,
        (mp.log(3) / 2) ** 2,
        lambda u: u,
        4,
        9,
    ),
    "asin": ("(asin x - x) / x^3 in x^2, |x| <= 1/2", odd(mp.asin), TINY, 0.25, lambda u: u, 5, 12),
    "atan": (
        "(atan t - t) / t^3 in t^2, |t| <= sqrt 2 - 1",
        odd(mp.atan),
        TINY,
        (SQRT2 - 1) ** 2,
        lambda u: u,
        4,
        11,
    ),
    "erf": (
        "erf(x) / x - 1 in x^2, |x| <= 1",
        lambda u: mp.erf(mp.sqrt(u)) / mp.sqrt(u) - 1,
        TINY,
        1,
        one,
        6,
        12,
    ),
    "log_erfc": (
        "log erfc(x) on 1 <= x <= 4",
        lambda x: mp.log(mp.erfc(x)),
        1,
        4,
        mp.erfc,
        8,
        None,
    ),
    "erf_tail": (
        "e^(x^2) erfc(x) in 1/(x + 2), 1 <= x <= 6",
        lambda t: erfcx(1 / t - 2),
        mp.mpf(1) / 8,
        mp.mpf(1) / 3,
        lambda t: mp.exp(-((1 / t - 2) ** 2)),
        None,
        14,
    ),
    "erfcx": (
        "(1 + 2 x) e^(x^2) erfc(x) in (x - 3.5) / (x + 3.5), x >= 0",
        g_erfcx(mp.mpf(3.5)),
        -1 + TINY,
        1 - mp.mpf(10) ** -6,
        one,
        12,
        23,
    ),
}

HEADER = """// Written by tools/fit_polynomials.py: do not edit.
//
// Polynomials of the math functions, lowest coefficient first. The stated error is relative to the
// whole function, in half units of the last place of f32 and f64.
#pragma once

#include "common.h"

namespace phintys::math {
"""


def main():
    only = sys.argv[1:]
    print(HEADER)
    for name, (what, g, a, b, weight, d32, d64) in FITS.items():
        if only and name not in only:
            continue
        bodies, errors = [], []
        for degree, eps, digits in ((d32, 2**-24, 10), (d64, 2**-53, 19)):
            if degree is None:
                bodies.append(None)
                errors.append("-")
                continue
            c = fit(g, a, b, degree)
            errors.append(mp.nstr(error(g, c, a, b, weight) / mp.mpf(eps), 2))
            bodies.append(", ".join(mp.nstr(k, digits, strip_zeros=False, min_fixed=-2) for k in c))
        print(f"/// {what}. Error {errors[0]} and {errors[1]}.")
        print(f"template <class V>\nPHINTYS_INLINE V poly_{name}(V x) {{")
        if bodies[0] is None or bodies[1] is None:
            print(f"  return horner(x, {bodies[0] or bodies[1]});\n}}\n")
        else:
            print(
                f"  if constexpr (is_f32<V>) {{\n    return horner(x, {bodies[0]});\n  }} else {{"
            )
            print(f"    return horner(x, {bodies[1]});\n  }}\n}}\n")
    print("}  // namespace phintys::math")


if __name__ == "__main__":
    main()

"""Fits the polynomials of the special functions in csrc/ops/math and prints them as C++.

As tools/fit_polynomials.py, but in double precision only: float32 is computed in it.

    python tools/fit_special_functions.py > csrc/ops/math/special_polynomials.h
"""

import sys

import mpmath as mp
from fit_polynomials import error, fit

mp.mp.dps = 60
TINY = mp.mpf(10) ** -12


def one(_):
    return mp.mpf(1)


def stirling(w):
    """x (log gamma(x) - ((x - 1/2) log x - x + log(2 pi)/2)) in w = 1/x^2."""
    x = 1 / mp.sqrt(w)
    return x * (mp.loggamma(x) - ((x - mp.mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2))


def digamma_tail(w):
    x = 1 / mp.sqrt(w)
    return (mp.log(x) - mp.psi(0, x) - 1 / (2 * x)) / w


def trigamma_tail(w):
    x = 1 / mp.sqrt(w)
    return (mp.psi(1, x) - 1 / x - w / 2) * x / w


DIGAMMA_ROOT = mp.findroot(lambda x: mp.psi(0, x), 1.4616)


def bessel_i_far(nu):
    """sqrt(x) e^-x I_nu(x) in 1/x; its asymptotic series where mpmath would overflow."""

    def g(v):
        x = 1 / v
        if x < 400:
            return mp.besseli(nu, x) * mp.exp(-x) * mp.sqrt(x)
        term = total = mp.mpf(1)
        for k in range(1, 30):
            term *= -(4 * nu * nu - (2 * k - 1) ** 2) / (k * 8 * x)
            total += term
        return total / mp.sqrt(2 * mp.pi)

    return g


def modulus(nu):
    def g(w):
        x = 1 / mp.sqrt(w)
        return mp.sqrt((mp.besselj(nu, x) ** 2 + mp.bessely(nu, x) ** 2) * mp.pi * x / 2)

    return g


def phase(nu):
    def g(w):
        x = 1 / mp.sqrt(w)
        a = mp.atan2(mp.bessely(nu, x), mp.besselj(nu, x)) - (x - nu * mp.pi / 2 - mp.pi / 4)
        return (a - 2 * mp.pi * mp.nint(a / (2 * mp.pi))) * x

    return g


Z0 = [mp.besseljzero(0, k) for k in (1, 2)]
Z1 = [mp.besseljzero(1, k) for k in (1, 2)]


def j0_near(t):
    u = 32 * (1 + t)
    return mp.besselj(0, mp.sqrt(u)) / (u - Z0[0] ** 2) / (u - Z0[1] ** 2)


def j1_near(t):
    u = 32 * (1 + t)
    if u < TINY:
        return mp.mpf(1) / 2 / (Z1[0] * Z1[1]) ** 2
    return mp.besselj(1, mp.sqrt(u)) / mp.sqrt(u) / (u - Z1[0] ** 2) / (u - Z1[1] ** 2)


def atanh_tail(u):
    s = mp.sqrt(u)
    return (2 * mp.atanh(s) - 2 * s) / s**3


# name: (what it approximates, target, lowest, highest, weight for the stated error, degree)
FITS = {
    "lgamma2": (
        "log gamma(2 + t) / t on |t| <= 1/2",
        lambda t: mp.loggamma(2 + t) / t if t else 1 - mp.euler,
        -0.5,
        0.50001,
        lambda t: 2,
        18,
    ),
    "gamma2": (
        "(gamma(2 + t) - 1) / t on |t| <= 1/2",
        lambda t: (mp.gamma(2 + t) - 1) / t if t else 1 - mp.euler,
        -0.5,
        0.50001,
        lambda t: t,
        18,
    ),
    "stirling": (
        "x times the rest of Stirling's formula for log gamma(x) in 1/x^2, x >= 2.5",
        stirling,
        TINY,
        mp.mpf(4) / 25,
        lambda w: 1,
        12,
    ),
    "digamma": (
        "digamma(3/2 + t) / (t - its root) on |t| <= 1/2",
        lambda t: mp.psi(0, 1.5 + t) / (1.5 + t - DIGAMMA_ROOT),
        -0.5,
        0.50001,
        one,
        22,
    ),
    "digamma_tail": (
        "x^2 (log x - digamma(x) - 1/(2 x)) in 1/x^2, x >= 2",
        digamma_tail,
        TINY,
        0.25,
        lambda w: w,
        16,
    ),
    "trigamma": (
        "trigamma(3/2 + t) on |t| <= 1/2",
        lambda t: mp.psi(1, 1.5 + t),
        -0.5,
        0.50001,
        one,
        24,
    ),
    "trigamma_tail": (
        "x^3 (trigamma(x) - 1/x - 1/(2 x^2)) in 1/x^2, x >= 2",
        trigamma_tail,
        TINY,
        0.25,
        lambda w: w,
        18,
    ),
    "sinpi": (
        "(sin(pi r) / r - pi) / r^2 in r^2, |r| <= 1/2",
        lambda u: (mp.sin(mp.pi * mp.sqrt(u)) / mp.sqrt(u) - mp.pi) / u,
        TINY,
        0.2501,
        lambda u: u / 2,
        7,
    ),
    "i0_near": (
        "(I0(x) - 1) / (x/2)^2 in (x/2)^2, x <= 12",
        lambda z: (mp.besseli(0, 2 * mp.sqrt(z)) - 1) / z,
        TINY,
        36.01,
        lambda z: z / mp.besseli(0, 2 * mp.sqrt(z)),
        20,
    ),
    "i1_near": (
        "(2 I1(x) / x - 1) / (x/2)^2 in (x/2)^2, x <= 12",
        lambda z: (mp.besseli(1, 2 * mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        TINY,
        36.01,
        lambda z: z / mp.besseli(0, 2 * mp.sqrt(z)),
        20,
    ),
    "i0_far": (
        "sqrt(x) e^-x I0(x) in 1/x, x >= 12",
        bessel_i_far(0),
        TINY,
        mp.mpf(1) / 12,
        lambda v: 2.5,
        18,
    ),
    "i1_far": (
        "sqrt(x) e^-x I1(x) in 1/x, x >= 12",
        bessel_i_far(1),
        TINY,
        mp.mpf(1) / 12,
        lambda v: 2.5,
        18,
    ),
    "j0_near": (
        "J0(x) / ((x^2 - z1^2) (x^2 - z2^2)) in x^2/32 - 1, x <= 8",
        j0_near,
        -1 + TINY,
        1.0001,
        lambda t: 1000,
        15,
    ),
    "j1_near": (
        "J1(x) / (x (x^2 - z1^2) (x^2 - z2^2)) in x^2/32 - 1, x <= 8",
        j1_near,
        -1 + TINY,
        1.0001,
        lambda t: 1000,
        15,
    ),
    "j0_modulus": (
        "sqrt(pi x / 2) |H0(x)| in 1/x^2, x >= 8",
        modulus(0),
        mp.mpf(10) ** -7,
        mp.mpf(1) / 64,
        one,
        12,
    ),
    "j0_phase": (
        "x (arg H0(x) - x + pi/4) in 1/x^2, x >= 8",
        phase(0),
        mp.mpf(10) ** -7,
        mp.mpf(1) / 64,
        one,
        12,
    ),
    "j1_modulus": (
        "sqrt(pi x / 2) |H1(x)| in 1/x^2, x >= 8",
        modulus(1),
        mp.mpf(10) ** -7,
        mp.mpf(1) / 64,
        one,
        12,
    ),
    "j1_phase": (
        "x (arg H1(x) - x + 3 pi/4) in 1/x^2, x >= 8",
        phase(1),
        mp.mpf(10) ** -7,
        mp.mpf(1) / 64,
        one,
        12,
    ),
    "temme_gamma1": (
        "(1/gamma(1 - m) - 1/gamma(1 + m)) / (2 m) in m^2, |m| <= 1/2",
        lambda u: (mp.rgamma(1 - mp.sqrt(u)) - mp.rgamma(1 + mp.sqrt(u))) / (2 * mp.sqrt(u)),
        TINY,
        0.2501,
        one,
        7,
    ),
    "temme_gamma2": (
        "(1/gamma(1 - m) + 1/gamma(1 + m)) / 2 in m^2, |m| <= 1/2",
        lambda u: (mp.rgamma(1 - mp.sqrt(u)) + mp.rgamma(1 + mp.sqrt(u))) / 2,
        TINY,
        0.2501,
        one,
        7,
    ),
    "atanh_wide": (
        "(2 atanh s - 2 s) / s^3 in s^2, |s| <= 0.53",
        atanh_tail,
        TINY,
        0.281,
        lambda u: u,
        16,
    ),
}


def temme_coefficients(n):
    """eta / (lambda - 1) in powers of eta, where eta^2 / 2 = lambda - 1 - log lambda."""
    # With mu = lambda - 1 = sum a_k eta^k, a_1 = 1: mu' mu = eta (1 + mu).
    a = [mp.mpf(0), mp.mpf(1)]
    for k in range(2, n + 2):
        rest = sum(a[i] * a[k + 1 - i] * (k + 1 - i) for i in range(2, k))
        a.append((a[k - 1] - rest) / (k + 1))
    # The reciprocal series of mu / eta.
    c = a[1:]
    d = [mp.mpf(1)]
    for k in range(1, n + 1):
        d.append(-sum(c[i] * d[k - i] for i in range(1, k + 1)))
    return d


def debye_coefficients(n):
    """DLMF 10.41.9: u_k(t) = t^k (c_k0 + c_k1 t^2 + ... + c_kk t^2k), all in one list."""
    u = [mp.mpf(1)]
    out = [mp.mpf(1)]
    for k in range(n):
        q = [mp.mpf(0)] * (len(u) + 3)
        for i, c in enumerate(u):
            q[i + 1] += i * c / 2 + c / (8 * (i + 1))
            q[i + 3] -= i * c / 2 + 5 * c / (8 * (i + 3))
        u = q[: 3 * (k + 1) + 1]
        out += u[k + 1 :: 2]
    return out


def legendre_nodes(n):
    """Nodes and weights of Gauss and Legendre's rule on [0, 1]; n even."""
    nodes = []
    for k in range(1, n + 1):
        x = mp.cos(mp.pi * (k - mp.mpf(1) / 4) / (n + mp.mpf(1) / 2))
        for _ in range(8):
            p0, p1 = mp.mpf(1), x
            for i in range(2, n + 1):
                p0, p1 = p1, ((2 * i - 1) * x * p1 - (i - 1) * p0) / i
            dp = n * (x * p1 - p0) / (x * x - 1)
            x -= p1 / dp
        nodes.append(((1 - x) / 2, 1 / ((1 - x * x) * dp * dp)))
    return nodes


def number(x):
    return mp.nstr(x, 19, strip_zeros=False, min_fixed=-2)


def table(name, what, values):
    print(f"/// {what}.")
    print(
        f"static constexpr double {name}[{len(values)}] = {{{', '.join(map(number, values))}}};\n"
    )


HEADER = """// Written by tools/fit_special_functions.py: do not edit.
//
// Polynomials and tables of the special functions, lowest coefficient first. The stated error is
// relative to the whole function, in half units of the last place of f64.
#pragma once

#include "wide.h"

namespace phintys::math {
"""


def main():
    only = sys.argv[1:]
    print(HEADER)
    for name, (what, g, a, b, weight, degree) in FITS.items():
        if only and name not in only:
            continue
        c = fit(g, a, b, degree)
        e = mp.nstr(error(g, c, a, b, weight) / mp.mpf(2) ** -53, 2)
        print(f"/// {what}. Error {e}.")
        print(f"template <class V>\nPHINTYS_INLINE V poly_{name}(V x) {{")
        print(f"  return in_chains(x, {', '.join(map(number, c))});\n}}\n")
    table("kTemme", "eta / (lambda - 1) in powers of eta", temme_coefficients(27))
    table("kDebye", "Debye's polynomials u_0 to u_12 over t^k, in t^2", debye_coefficients(12))
    nodes = legendre_nodes(40)
    table("kLegendreNodes", "Gauss and Legendre's rule on [0, 1]: nodes", [x for x, _ in nodes])
    table("kLegendreWeights", "and weights", [w for _, w in nodes])
    print("}  // namespace phintys::math")


if __name__ == "__main__":
    main()

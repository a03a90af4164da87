"""Holds the functions of csrc/ops/math/complex.h to their stated bounds, and to C99's edge values.

Every ISA at hand.
"""

import ctypes

import mpmath as mp
import numpy as np
import pytest
from probes import ISAS, ROOT, library

NUMPY = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "inverse": np.reciprocal,
}  # fmt: skip
# Their domains are all complex numbers, of every size.
ANY_SIZE = {
    "log", "log2", "log10", "log1p", "sqrt", "asin", "acos", "atan", "asinh", "acosh", "atanh",
    "sign", "inverse",
}  # fmt: skip
POINTS = 40


class Probe:
    def __init__(self, path):
        self.path = path
        self._lib = ctypes.CDLL(str(path))

    def __call__(self, name, z):
        z = np.ascontiguousarray(z, "complex128")
        out = np.empty_like(z)
        f = self._lib.complex_probe
        f.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        assert f(name.encode(), z.ctypes.data, out.ctypes.data, z.size) == 0, name
        return out

    def bounds(self):
        name, part, size = ctypes.c_char_p(), ctypes.c_double(), ctypes.c_double()
        refs = [ctypes.byref(v) for v in (name, part, size)]
        table = {}
        for i in range(self._lib.complex_probe_bound(-1, *refs)):
            self._lib.complex_probe_bound(i, *refs)
            table[name.value.decode()] = (part.value, size.value)
        return table


@pytest.fixture(params=ISAS)
def probe(request):
    return Probe(library("complex", request.param))


def exact(name, z):
    z = mp.mpc(complex(z))
    own = {
        "log2": lambda: mp.log(z) / mp.log(2),
        "log10": lambda: mp.log(z) / mp.log(10),
        "log1p": lambda: mp.log(1 + z),
        "expm1": lambda: mp.exp(z) - 1,
        "inverse": lambda: 1 / z,
        "sign": lambda: z / abs(z),
    }
    return mp.mpc(own[name]() if name in own else getattr(mp, name)(z))


def points(name):
    """Ordinary numbers, small and large ones, the unit circle, branch points, near and far."""
    rng = np.random.default_rng(3)
    n = POINTS
    sign = rng.choice([-1, 1], (8, n))

    def square(size):
        return rng.uniform(-size, size, n) + 1j * rng.uniform(-size, size, n)

    turn = np.exp(1j * rng.uniform(-np.pi, np.pi, n))
    parts = [square(1), square(4), square(30)]
    parts += [
        sign[0] * 10.0 ** rng.uniform(-12, 2, n) + 1j * sign[1] * 10 ** rng.uniform(-12, 2, n)
    ]
    parts += [turn, (1 + sign[2] * 10.0 ** rng.uniform(-15, -1, n)) * turn]
    parts += [rng.choice([1, -1, 1j, -1j], n) * (1 + 10.0 ** rng.uniform(-15, -1, n) * turn)]
    if name in ANY_SIZE:
        far = sign[3] * 10.0 ** rng.uniform(-300, 300, n)
        parts += [far + 1j * sign[4] * 10.0 ** rng.uniform(-300, 300, n)]
    else:
        parts += [square(690)]
    return np.concatenate(parts)


def last_place(x):
    return mp.mpf(float(np.spacing(max(abs(float(x)), 2.0**-1022))))


def names():
    text = (ROOT / "csrc" / "ops" / "math" / "bounds.h").read_text()
    table = text[text.index("kComplexBounds[]") :]
    return [line.split('"')[0] for line in table.split('{"')[1:]]


@pytest.mark.parametrize("name", names())
def test_errors_are_within_the_bounds(probe, name):
    part, size = probe.bounds()[name]
    z = points(name)
    with mp.workprec(2600 if name in ANY_SIZE else 400):
        for at, got in zip(z, probe(name, z), strict=True):
            want = exact(name, at)
            error = abs(mp.mpc(complex(got)) - want) / last_place(abs(want))
            assert error <= size, f"{name}({at}): {got} is {float(error)} off"
            for g, w in ((got.real, want.real), (got.imag, want.imag)) if part else ():
                error = abs(mp.mpf(float(g)) - w) / last_place(w)
                assert error <= part, f"a part of {name}({at}): {g} is {float(error)} off"


EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1e-300, -1e-300, 1e300, -1e300]
EDGES += [5e-324, 750.0, -750.0, np.pi / 2, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("name", names())
def test_edge_values_are_those_of_c99(probe, name):
    """NumPy has them from the C library: infinities, NaN and signed zeros in both parts."""
    z = np.empty((len(EDGES), len(EDGES)), "complex128")
    z.real, z.imag = np.array(EDGES)[:, None], np.array(EDGES)
    if name == "expm1":  # NumPy's imaginary part is inf * 0
        z = z[np.abs(z.real) < 700]
    if name == "log1p":  # NumPy adds the 1 first
        z = z[np.abs(z) > 1e-200]
    if name == "sign":  # NumPy divides by a subnormal
        z = z[(np.abs(z) > 1e-300) | (z == 0)]
    z = z.ravel()
    got = probe(name, z)
    with np.errstate(all="ignore"):
        want = NUMPY.get(name, getattr(np, name, None))(z)
    for g, w in ((got.real, want.real), (got.imag, want.imag)):
        with np.errstate(all="ignore"):
            close = (
                (g == w)
                | (np.isnan(g) & np.isnan(w))
                | (np.abs(g - w) <= 1e-13 * np.abs(w) + 1e-322)
            )
        bad = list(zip(z[~close], got[~close], want[~close], strict=True))[:5]
        assert not bad
        zero = (g == 0) & (w == 0) & (np.signbit(g) != np.signbit(w))
        assert not zero.any(), list(zip(z[zero], got[zero], want[zero], strict=True))[:5]


@pytest.mark.parametrize("name", names())
def test_a_lane_does_not_depend_on_its_neighbours(probe, name):
    rng = np.random.default_rng(4)
    z = points(name)
    z[rng.integers(0, z.size, 60)] = rng.choice([np.inf, np.nan, 1e-310, 1e305, -800], 60)
    whole = probe(name, z)
    for i in rng.permutation(z.size)[:80]:
        alone = probe(name, z[i : i + 1])[0]
        assert alone.tobytes() == whole[i].tobytes() or alone != alone, z[i]

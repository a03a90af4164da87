"""NumPy's functions over variables compute what they compute over arrays."""

import numpy as np
import numpy_protocol_cases as cases
import phintys
import phintys.tensor as T
import pytest
from numpy_protocol_cases import V
from phintys.tensor import numpy_protocol, numpy_ufuncs


def _mapped(value, leaf):
    """`value` with ``V`` objects in it replaced."""
    if isinstance(value, V):
        return leaf(value)
    if isinstance(value, (list, tuple)):
        return type(value)([_mapped(v, leaf) for v in value])
    return value


def _flat(result):
    if isinstance(result, (list, tuple)):
        return [x for part in result for x in _flat(part)]
    return [result]


def compare(function, args, kwargs):
    """Calls `function` with arrays and with variables and compares values, shapes and dtypes."""
    variables = {}

    def symbol(v):
        if id(v) not in variables:
            variables[id(v)] = (T.TensorType(v.array.dtype, (False,) * v.array.ndim)(), v.array)
        return variables[id(v)][0]

    kwargs_s = {k: _mapped(v, symbol) for k, v in kwargs.items()}
    got = _flat(function(*_mapped(args, symbol), **kwargs_s))
    assert all(isinstance(g, phintys.Variable) for g in got)
    kwargs_n = {k: _mapped(v, lambda v: v.array) for k, v in kwargs.items()}
    with np.errstate(all="ignore"):
        want = _flat(function(*_mapped(args, lambda v: v.array), **kwargs_n))
    inputs = [pair[0] for pair in variables.values()]
    f = phintys.function(inputs, got, on_unused_input="ignore", mode="FAST_COMPILE")
    values = f(*[pair[1] for pair in variables.values()])
    assert len(values) == len(want)
    for value, expected in zip(values, want, strict=True):
        expected = np.asarray(expected)
        assert value.shape == expected.shape
        assert value.dtype == expected.dtype
        rtol = 1e-6 if value.dtype == "float32" else 1e-12
        np.testing.assert_allclose(value, expected, rtol=rtol, atol=1e-12)


def _listed(table):
    return [pytest.param(n, c, id=f"{n}-{i}") for n in table for i, c in enumerate(table[n])]


UFUNCS = sorted(name for name in numpy_protocol.ufunc_names() if getattr(np, name).__name__ == name)


@pytest.mark.parametrize("name", UFUNCS)
def test_ufuncs(name):
    ufunc = getattr(np, name)
    compare(ufunc, cases.ufunc_operands(ufunc), {})


_SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 1e300, -1e300, 1e-320, 27.0])


@pytest.mark.parametrize("name", sorted(set(numpy_ufuncs.__all__) - {"left_shift", "right_shift"}))
def test_expressions_for_ufuncs_at_special_values(name):
    ufunc = getattr(np, name)
    if ufunc.nin == 1:
        compare(ufunc, [V(_SPECIAL)], {})
        compare(ufunc, [V(np.array([-3, 0, 5], "int16"))], {})
        compare(ufunc, [V(np.array([-3, 0, 5.5], "float32"))], {})
        return
    x, y = (a.ravel() for a in np.meshgrid(_SPECIAL, _SPECIAL))
    if name == "ldexp":
        y = np.resize([0, 1, -1, 1030, -1080, 7], x.shape)
    skip = name == "copysign"  # the sign of NaN
    x, y = (x[~np.isnan(y)], y[~np.isnan(y)]) if skip else (x, y)
    if name in ("fmod", "remainder"):
        # NumPy's remainder of huge numbers is exact.
        keep = ~((np.abs(x) > 1e299) | (np.abs(y) < 1e-300) & (y != 0))
        x, y = x[keep], y[keep]
    compare(ufunc, [V(x), V(y)], {})
    a, b = np.array([-7, 7, -8, 3], "int32"), np.array([2, -2, 3, 5], "int32")
    if name not in ("heaviside", "float_power"):
        compare(ufunc, [V(a), V(b)], {})


def test_methods_of_ufuncs():
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum):
        compare(lambda x, f=ufunc: f.reduce(x), [cases.M], {})
        compare(lambda x, f=ufunc: f.reduce(x, axis=None), [cases.M], {})
        compare(lambda x, f=ufunc: f.reduce(x, axis=1, keepdims=True), [cases.M], {})
        compare(lambda x, y, f=ufunc: f.outer(x, y), [cases.M, cases.X], {})
    for ufunc in (np.add, np.multiply):
        compare(lambda x, f=ufunc: f.accumulate(x), [cases.M], {})
        compare(lambda x, f=ufunc: f.accumulate(x, axis=1), [cases.M], {})
    compare(lambda x, y: np.subtract.outer(x, y), [cases.X, cases.F32], {})


_A, _B = np.array([0.7, -1.3, 2.4]), np.array([1.9, 0.6, -0.8])
DIFFERENTIABLE = {
    "cbrt": T.cbrt, "copysign": T.copysign, "fmax": T.fmax, "fmin": T.fmin,
    "fmod": lambda x, y: T.fmod(x, y * 1.1),
    "hypot": T.hypot, "logaddexp2": T.logaddexp2, "ldexp": lambda x: T.ldexp(x, np.array(3)),
    "modf": lambda x: T.modf(x)[0] ** 2, "float_power": lambda x: T.float_power(abs(x), 1.7),
    "heaviside": T.heaviside, "convolve": T.convolve, "trapezoid": T.trapezoid,
    "interp": lambda x, y: T.interp(x, np.array([-2.0, 0.0, 3.0]), y),
    "unwrap": lambda x: T.unwrap(x * 3) ** 2, "ediff1d": T.ediff1d, "nancumsum": T.nancumsum,
    "polyval": lambda x: T.polyval(np.array([1.0, -2.0, 0.5]), x), "vander": T.vander,
    "append": T.append, "insert": lambda x, y: T.insert(x, 1, y[0]), "diagflat": T.diagflat,
    "delete": lambda x: T.delete(x, 1) ** 2, "block": lambda x, y: T.block([[x, y], [y, x]]),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    import inspect

    function = DIFFERENTIABLE[name]
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    points = [_A, _B][: len(needed)]
    T.verify_grad(function, points, rng=np.random.RandomState(3))


def test_shifts_at_the_edges():
    counts = np.array([0, 1, 7, 30, 31, 32, 100])
    for dtype in ("int32", "uint8", "int64"):
        x, n = V(np.full(7, 5, dtype)), V(counts.astype(dtype))
        compare(np.left_shift, [x, n], {})
        compare(np.right_shift, [x, n], {})
    compare(np.right_shift, [V(np.array([-5, -5, -1, -128], "int8")), V(np.int8([1, 9, 7, 7]))], {})


def test_functions_that_tell_about_a_variable():
    x, z = T.fmatrix(), T.zvector()
    assert np.ndim(x) == 2 and np.iscomplexobj(z) and np.isrealobj(x)
    assert np.result_type(x, np.float64) == np.float64
    a = np.arange(6, dtype="float32").reshape(2, 3)
    assert np.shape(x).eval({x: a}).tolist() == [2, 3] and np.size(x).eval({x: a}) == 6
    assert np.empty_like(x).eval({x: a}).shape == (2, 3)
    assert np.squeeze(T.dcol()).ndim == 1
    assert [r.ndim for r in np.broadcast_arrays(T.drow(), x)] == [2, 2]
    rows = np.unstack(T.dmatrix().reshape((2, 3)))
    assert len(rows) == 2 and rows[0].ndim == 1


def test_partitions():
    x = T.dvector()
    a = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    parted = np.partition(x, 2).eval({x: a})
    assert parted[2] == 3 and sorted(parted) == [1, 2, 3, 4, 5] and parted[:2].max() < 3
    assert a[np.argpartition(x, 2).eval({x: a})[2]] == 3


def test_decompositions():
    x = T.dmatrix()
    a = cases.SPD.array
    w, v = (r.eval({x: a}) for r in np.linalg.eigh(x))
    np.testing.assert_allclose(v * w @ v.T, a, atol=1e-12)
    q, r = (r.eval({x: a}) for r in np.linalg.qr(x))
    np.testing.assert_allclose(q @ r, a, atol=1e-12)
    u, s, vt = (r.eval({x: a}) for r in np.linalg.svd(x))
    np.testing.assert_allclose(u * s @ vt, a, atol=1e-12)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(x).eval({x: a}).real), w)
    solution = np.linalg.lstsq(x, T.constant(np.ones(3)))[0].eval({x: a})
    np.testing.assert_allclose(a @ solution, np.ones(3))


def test_what_is_not_supported_is_refused():
    x = T.dvector()
    for call in (
        lambda: np.gcd(T.lvector(), 2), lambda: np.save("x", x), lambda: np.add(x, x, where=[True]),
        lambda: np.add.at(x, 0, 1), lambda: np.maximum.accumulate(x),
        lambda: np.add.reduce(x, initial=5), lambda: np.sum(x, initial=5),
        lambda: np.fft.fft(x), lambda: np.add(x, 1, out=np.ones(2)),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("name, call", _listed(cases.FUNCTIONS))
def test_functions(name, call):
    compare(getattr(np, name), *call)


@pytest.mark.parametrize("name, call", _listed(cases.LINALG))
def test_functions_of_linalg(name, call):
    compare(getattr(np.linalg, name), *call)


def test_all_supported_functions_have_a_case():
    assert numpy_protocol.function_names() == set(cases.FUNCTIONS)
    assert numpy_protocol.linalg_names() == set(cases.LINALG)

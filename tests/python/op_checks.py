"""What tests of ops share: values in every mode and memory layout, gradients, R-operators."""

import numpy as np
import phintys
import phintys.tensor as T
from value_cases import INTS, finite_difference, layouts

MODES = [
    "FAST_RUN",
    "FAST_COMPILE",
    phintys.compile.mode.Mode(optimizer=None),
    phintys.compile.mode.get_mode("FAST_RUN").excluding("fuse"),
]


def variable(array, pattern=None):
    return T.TensorType(array.dtype.name, pattern or (False,) * array.ndim)()


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def numbers(dtype, *shape, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in INTS:
        return rng.integers(0, 20, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def like(w, part):
    """`w` with the length 1 that the type of `part` promises in some dimensions."""
    return T.patternbroadcast(w, part.broadcastable) if w.ndim else w


def compiled(xs, out, mode=None):
    return phintys.function(xs, out, mode=mode, on_unused_input="ignore")


def same(got, want, what="", exact=True, rtol=1e-12):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    if exact:
        assert got.dtype == want.dtype, f"{what}: {got.dtype} instead of {want.dtype}"
        np.testing.assert_array_equal(got, want, err_msg=what)
    else:
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol, err_msg=what)


def check(symbolic, concrete, *arrays, exact=True, grad=True, modes=MODES, rtol=1e-12, fixed=()):
    """Values in every mode and layout, and gradients and Rop against finite differences.

    `fixed` are further operands (indices) that no gradient is taken of.
    """
    xs, ks = [variable(a) for a in arrays], [variable(a) for a in fixed]
    out = symbolic(*xs, *ks)
    want = np.asarray(concrete(*arrays, *fixed))
    for mode in modes:
        f = compiled([*xs, *ks], out, mode)
        assert np.asarray(want).ndim == out.ndim
        same(f(*arrays, *fixed), want, str(mode), exact, rtol)
    f = compiled([*xs, *ks], [out, (out + out) if out.dtype != "bool" else out])
    forms = [layouts(a) for a in arrays]
    for form in forms[0] if forms else ():
        views = [x.get(form, x["contiguous"]) for x in forms]
        same(f(*views, *fixed)[0], want, form, exact, rtol)
        same(f(*views, *fixed)[1], want + want if want.dtype != bool else want, form, exact, rtol)
    if not grad or not arrays:
        return
    assert all(a.dtype == np.float64 for a in arrays)
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.5, 1.5, want.shape)
    f = compiled([*xs, *ks], out)
    numeric = finite_difference(lambda *a: f(*a, *fixed), arrays, weights)
    cost = (out * weights).sum()
    for mode in modes[:3]:
        grads = compiled([*xs, *ks], T.grad(cost, xs, disconnected_inputs="ignore"), mode)
        for got, n in zip(grads(*arrays, *fixed), numeric, strict=True):
            np.testing.assert_allclose(got, n, rtol=1e-6, atol=1e-7, err_msg=str(mode))
    ways = [rng.normal(size=a.shape) for a in arrays]
    rop = compiled([*xs, *ks], T.Rop(out, xs, [T.as_tensor_variable(w) for w in ways]))
    h = 1e-6
    up = f(*[a + h * w for a, w in zip(arrays, ways, strict=True)], *fixed)
    down = f(*[a - h * w for a, w in zip(arrays, ways, strict=True)], *fixed)
    got = rop(*arrays, *fixed)
    np.testing.assert_allclose(got, (up - down) / (2 * h), rtol=1e-6, atol=1e-7)

"""Patches of images against loops, and back."""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable
from phintys.tensor.nnet import neighbours
from value_cases import FLOATS, INTS


def count(n, c, s, mode):
    if mode == "wrap_centered":
        return -(-n // s)
    span = {"valid": n - c, "ignore_borders": n - c, "half": n - c % 2, "full": n + c - 2}[mode]
    return max(span // s + 1, 0)


def reference(x, shape, step, mode):
    (c, d), (s, t) = shape, step
    rows, cols = count(x.shape[2], c, s, mode), count(x.shape[3], d, t, mode)
    out = []
    before = {"half": (c // 2, d // 2), "full": (c - 1, d - 1), "wrap_centered": (c // 2, d // 2)}
    p, q = before.get(mode, (0, 0))
    for n, k, a, b in itertools.product(
        range(x.shape[0]), range(x.shape[1]), range(rows), range(cols)
    ):
        patch = []
        for i, j in itertools.product(range(c), range(d)):
            y, z = a * s + i - p, b * t + j - q
            if mode == "wrap_centered":
                y, z = y % x.shape[2], z % x.shape[3]
            inside = 0 <= y < x.shape[2] and 0 <= z < x.shape[3]
            patch.append(x[n, k, y, z] if inside else 0)
        out.append(patch)
    return np.array(out, x.dtype).reshape(-1, c * d)


CASES = [
    ((2, 3, 4, 6), (2, 3), (2, 3), "valid"),
    ((2, 1, 5, 7), (3, 3), (2, 2), "valid"),
    ((1, 2, 5, 7), (2, 3), (2, 3), "ignore_borders"),
    ((1, 2, 3, 4), (5, 2), (1, 1), "ignore_borders"),
    ((2, 2, 5, 6), (3, 5), (1, 2), "wrap_centered"),
    ((2, 2, 5, 7), (3, 3), (2, 3), "half"),
    ((2, 2, 4, 6), (2, 4), (2, 2), "half"),
    ((2, 2, 5, 7), (3, 2), (3, 7), "full"),
    ((1, 1, 4, 4), (1, 1), (1, 1), "valid"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_images2neibs(case):
    shape, patch, step, mode = case
    x = floats(*shape)
    want = reference(x, patch, step, mode)
    if want.size == 0:
        f = compiled([v := T.dtensor4()], neighbours.images2neibs(v, patch, step, mode))
        return same(f(x), want)
    check(
        lambda v: neighbours.images2neibs(v, patch, step, mode),
        lambda a: reference(a, patch, step, mode),
        x,
    )


def test_symbolic_patches():
    v, shape, step = T.dtensor4(), T.lvector(), T.ivector()
    for mode in ("valid", "ignore_borders", "wrap_centered", "half", "full"):
        out = neighbours.images2neibs(v, shape, step, mode)
        f = compiled([v, shape, step], [out, out.shape, T.grad((out**2).sum(), v)])
        asked = compiled([v, shape, step], out.shape)
        x = floats(2, 2, 9, 9)
        got, got_shape, grad = f(x, (3, 3), (2, 2))
        want = reference(x, (3, 3), (2, 2), mode)
        same(got, want)
        same(got_shape, np.array(want.shape))
        same(asked(x, (3, 3), (2, 2)), np.array(want.shape))
        e = floats(2, 2, 9, 9, seed=3)
        lhs = (2 * want * reference(e, (3, 3), (2, 2), mode)).sum()
        np.testing.assert_allclose((grad * e).sum(), lhs, rtol=1e-10)


@pytest.mark.parametrize("dtype", [*INTS, *FLOATS, "bool", "complex128"])
def test_dtypes_and_back(dtype):
    x = numbers(dtype, 2, 3, 4, 6) if dtype != "complex128" else floats(2, 3, 4, 6) * (1 + 2j)
    v, n = variable(x), T.TensorType(dtype, (False, False))()
    neibs = reference(x, (2, 3), (2, 3), "valid")
    same(compiled([v], neighbours.images2neibs(v, (2, 3)))(x), neibs)
    back = neighbours.neibs2images(n, (2, 3), x.shape)
    same(compiled([n], back)(neibs), x)


def test_neibs2images_ignoring_borders():
    x = floats(2, 1, 5, 7)
    neibs = reference(x, (2, 3), (2, 3), "ignore_borders")
    want = x.copy()
    want[:, :, 4:] = 0
    want[:, :, :, 6:] = 0
    n, s = T.dmatrix(), T.lvector()
    f = compiled([n, s], neighbours.neibs2images(n, (2, 3), s, "ignore_borders"))
    same(f(neibs, x.shape), want)
    check(
        lambda m: neighbours.neibs2images(m, (2, 3), (1, 1, 4, 3)),
        lambda a: a.reshape(2, 2, 3).reshape(1, 1, 4, 3),
        floats(2, 6),
        modes=MODES[:1],
    )


def test_mistakes():
    v = T.dtensor4()
    with pytest.raises(NotImplementedError, match="mode"):
        neighbours.images2neibs(v, (2, 2), mode="same")
    with pytest.raises(NotImplementedError, match="do not support mode"):
        neighbours.neibs2images(T.dmatrix(), (2, 2), (1, 1, 2, 2), "half")
    with pytest.raises(TypeError, match="4 dimensions"):
        neighbours.images2neibs(T.dmatrix(), (2, 2))
    with pytest.raises(TypeError, match="neib_shape"):
        neighbours.images2neibs(v, (2.5, 2))
    shape = T.lvector()
    for mode, bad in (
        ("valid", (2, 2)),
        ("wrap_centered", (2, 3)),
        ("wrap_centered", (7, 7)),
        ("full", (4, 4)),
        ("half", (3, 3)),
    ):
        f = compiled([v, shape], neighbours.images2neibs(v, shape, (3, 3), mode))
        with pytest.raises(TypeError, match=r"(not consistent|odd|smaller)"):
            f(floats(1, 1, 6, 6), bad)
    f = compiled([v, shape], neighbours.images2neibs(v, shape, mode="valid"))
    with pytest.raises(ValueError, match="at least 1"):
        f(floats(1, 1, 4, 4), (0, 2))
    n = T.dmatrix()
    f = compiled([n], neighbours.neibs2images(n, (2, 2), (1, 1, 4, 4)))
    with pytest.raises(ValueError, match="do not fit"):
        f(floats(3, 4))


def test_save_and_load(tmp_path):
    v = T.dtensor4()
    out = neighbours.images2neibs(v, (3, 3), (1, 1), "wrap_centered")
    f = compiled([v], [out, T.grad((out**2).sum(), v)])
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    x = floats(1, 2, 5, 5)
    for a, b in zip(f(x), g(x), strict=True):
        same(a, b)

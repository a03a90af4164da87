"""Products of tensors: dot, matmul, tensordot, einsum and the like, against NumPy."""

import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import check, compiled, floats, numbers, same, variable
from value_cases import INTS

MATMUL_SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((2, 5, 2, 3), (5, 3, 4)),
    ((2, 5, 2, 3), (2, 5, 3, 4)), ((4, 1, 1), (4, 1, 1)), ((2, 30, 33), (2, 33, 35)),
    ((3, 1, 7), (3, 7, 1)), ((3, 30, 31), (3, 31, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), MATMUL_SHAPES, ids=str)
def test_matmul(a, b):
    x, y = floats(*a), floats(*b, seed=1)
    check(lambda u, v: u @ v, np.matmul, x, y, exact=False, rtol=1e-10)


def test_matmul_broadcasts_known_ones():
    x, y = floats(4, 1, 2, 3), floats(1, 5, 3, 2, seed=1)
    for dtype, rtol in (("float64", 1e-12), ("float32", 1e-5)):
        u = T.TensorType(dtype, (False, True, False, False))()
        v = T.TensorType(dtype, (True, False, False, False))()
        out = u @ v
        assert out.ndim == 4
        cost = (out**2).sum()
        f = compiled([u, v], [out, *T.grad(cost, [u, v])])
        a, b = x.astype(dtype), y.astype(dtype)
        want = a @ b
        got, ga, gb = f(a, b)
        same(got, want, exact=False, rtol=rtol)
        full = 2 * want @ np.swapaxes(b, 2, 3)
        np.testing.assert_allclose(ga, full.sum(1, keepdims=True), rtol=1e-4)
        full = 2 * np.swapaxes(a, 2, 3) @ want
        np.testing.assert_allclose(gb, full.sum(0, keepdims=True), rtol=1e-4)


def test_matmul_refuses_what_does_not_fit():
    u, v = T.dtensor3(), T.dtensor3()
    f = compiled([u, v], u @ v)
    for a, b in (((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (3, 4, 5)), ((1, 3, 4), (2, 4, 5))):
        with pytest.raises(ValueError, match="do not fit"):
            f(np.zeros(a), np.zeros(b))
    with pytest.raises(ValueError, match="scalars"):
        T.matmul(T.dscalar(), u)


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_matmul_of_nothing(shape):
    x, y = np.zeros(shape), np.ones((shape[0], shape[2], 4))
    u, v = T.dtensor3(), T.dtensor3()
    f = compiled([u, v], [u @ v, *T.grad((u @ v).sum(), [u, v])])
    got, ga, gb = f(x, y)
    same(got, x @ y)
    assert ga.shape == x.shape and gb.shape == y.shape


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 24, 25, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_matrices_of_every_size(n, dtype):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(11, n, n + 1)).astype(dtype)
    y = rng.normal(size=(11, n + 1, n + 2)).astype(dtype)
    u, v = variable(x), variable(y)
    rtol = 1e-12 if dtype == "float64" else 2e-5
    f = compiled([u, v], [u @ v, v.dimshuffle(0, 2, 1) @ u.dimshuffle(0, 2, 1)])
    for a, b in ((x, y), (x[::-1], y[::2][[0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1]])):
        got, turned = f(a, b)
        same(got, a @ b, exact=False, rtol=rtol)
        same(turned, np.swapaxes(a @ b, 1, 2), exact=False, rtol=rtol)
    one = T.TensorType(dtype, (True, False, False))()
    same(compiled([u, one], u @ one)(x, y[:1]), x @ y[:1], exact=False, rtol=rtol)


@pytest.mark.parametrize("dtype", ["bool", *INTS, "float16"])
def test_dtypes_without_blas(dtype):
    for a, b in (((7, 9), (9, 300)), ((3, 7, 9), (3, 9, 5)), ((9,), (9, 4)), ((6, 9), (9,))):
        x, y = numbers(dtype, *a), numbers(dtype, *b, seed=1)
        u, v = variable(x), variable(y)
        f = compiled([u, v], [u @ v, v.T @ u.T if len(a) == len(b) == 2 else u @ v])
        got, turned = f(x, y)
        want = x @ y
        if dtype == "float16":
            want = (x.astype("float32") @ y.astype("float32")).astype("float16")
        same(got, want, exact=dtype != "float16", rtol=2e-3)
        same(turned, want.T if len(a) == len(b) == 2 else want, exact=dtype != "float16", rtol=2e-3)
    big = np.array([[2**62, 3]]) if dtype == "int64" else None
    if big is not None:
        u = T.lmatrix()
        same(compiled([u], u @ u.T)(big), big @ big.T)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_products(dtype):
    rng = np.random.default_rng(0)
    rtol = 1e-5 if dtype == "complex64" else 1e-12
    for a, b in (((4, 5), (5, 6)), ((3, 4, 5), (3, 5, 6)), ((5,), (5,)), ((4, 5), (5,))):
        x = (rng.normal(size=a) + 1j * rng.normal(size=a)).astype(dtype)
        y = (rng.normal(size=b) + 1j * rng.normal(size=b)).astype(dtype)
        u, v = variable(x), variable(y)
        same(compiled([u, v], u @ v)(x, y), x @ y, exact=False, rtol=rtol)
        same(compiled([u, v], u @ v)(x[..., ::-1], y), x[..., ::-1] @ y, exact=False, rtol=rtol)


def test_mixed_dtypes_are_promoted():
    x, y = numbers("int32", 2, 3, 4), numbers("float32", 2, 4, 5)
    got = compiled([u := variable(x), v := variable(y)], u @ v)(x, y)
    same(got, (x @ y.astype("float64")), exact=False)
    assert got.dtype == np.float64


def test_dot_outer_inner_vdot_kron_cross():
    check(T.dot, np.dot, floats(2, 3, 4), floats(5, 4, 3, seed=1), exact=False)
    check(T.dot, np.dot, floats(2, 3, 4), floats(4, seed=1), exact=False)
    check(T.outer, np.outer, floats(2, 3), floats(4, seed=1))
    check(T.inner, np.inner, floats(2, 3), floats(4, 5, 3, seed=1), exact=False)
    check(T.vdot, np.vdot, floats(2, 3), floats(2, 3, seed=1), exact=False)
    for a, b in (((2, 3), (4, 2)), ((3,), (2, 2)), ((2, 1, 2), (3, 2)), ((2,), (3,))):
        check(T.kron, np.kron, floats(*a), floats(*b, seed=1))
    check(T.cross, np.cross, floats(4, 3), floats(4, 3, seed=1), exact=False)
    check(lambda a, b: T.cross(a, b, 0), lambda a, b: np.cross(a, b, axis=0),
          floats(3, 4), floats(3, 4, seed=1), exact=False)  # fmt: skip
    check(T.vecdot, np.vecdot, floats(4, 3), floats(4, 3, seed=1), exact=False)
    check(T.matvec, np.matvec, floats(5, 4, 3), floats(5, 3, seed=1), exact=False)
    check(T.vecmat, np.vecmat, floats(5, 4), floats(5, 4, 3, seed=1), exact=False)


@pytest.mark.parametrize(
    ("a", "b", "axes"),
    [
        ((2, 3, 4), (3, 4, 5), 2), ((2, 3), (4, 5), 0), ((2, 3, 4), (4, 2, 3), [[0, 1], [1, 2]]),
        ((2, 3, 4), (2, 3, 4), 3), ((2, 3, 4), (5, 4), [[2], [1]]), ((2, 3, 4), (3, 5), [1, 0]),
        ((2, 3, 4), (4, 3), [[-1, -2], [0, 1]]),
    ],
    ids=str,
)  # fmt: skip
def test_tensordot(a, b, axes):
    check(lambda x, y: T.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes),
          floats(*a), floats(*b, seed=1), exact=False)  # fmt: skip


def test_tensordot_refuses_bad_axes():
    x = T.dtensor3()
    for axes in (4, -1, [[0], [0, 1]], [[3], [0]], [[0, 0], [0, 1]], [[0]]):
        with pytest.raises(ValueError):
            T.tensordot(x, x, axes)


def test_batched_products():
    x, y = floats(5, 2, 3), floats(5, 3, 4, seed=1)
    check(T.batched_dot, np.matmul, x, y, exact=False)
    check(T.batched_dot, lambda a, b: np.einsum("bi,bij->bj", a, b), x[:, 0], y, exact=False)
    check(T.batched_dot, lambda a, b: np.einsum("bij,bj->bi", a, b), x, y[:, :, 0], exact=False)
    check(T.batched_dot, lambda a, b: np.einsum("bi,bi->b", a, b), x[:, 0], y[:, :, 0], exact=False)
    check(T.batched_dot, lambda a, b: a[:, None, None] * b, x[:, 0, 0], y)
    z = floats(5, 3, 2, seed=1)
    check(
        lambda a, b: T.batched_tensordot(a, b, [[1, 2], [2, 1]]),
        lambda a, b: np.einsum("bij,bji->b", a, b), x, z, exact=False,
    )  # fmt: skip
    z = floats(5, 2, 4, 3)
    check(
        lambda a, b: T.batched_tensordot(a, b, 1),
        lambda a, b: np.einsum("bijk,bkl->bijl", a, b), z, y, exact=False,
    )  # fmt: skip
    f = compiled([u := T.dtensor3(), v := T.dtensor3()], T.batched_dot(u, v))
    assert "BatchedDot" in phintys.printing.debugprint(f, file="str")


EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,jk->ki", (2, 3), (3, 4)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)), ("bij,bkj->bik", (5, 2, 3), (5, 4, 3)),
    ("ii", (3, 3)), ("ii->i", (3, 3)), ("iij->j", (3, 3, 2)), ("ij->", (3, 2)), ("ij->ji", (3, 2)),
    ("ij", (3, 2)), ("ba", (3, 2)), ("i,i", (3,), (3,)), ("i,j->ij", (3,), (2,)),
    ("i,j->ji", (3,), (2,)), ("ij,ij->ij", (3, 2), (3, 2)), ("ij,ij->", (3, 2), (3, 2)),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)), ("...ij,jk->...ik", (5, 6, 2, 3), (3, 4)),
    ("...i,...i", (5, 3), (5, 3)), ("i...,i...->...", (3, 5), (3, 5)), ("...->...", (3, 2)),
    ("...i->...", (3, 2)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 2)), ("a,b,c->abc", (2,), (3,), (4,)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("abcd,acef->bdef", (2, 3, 4, 5), (2, 4, 3, 2)),
    ("ij,kj,lj->ikl", (2, 3), (4, 3), (5, 3)), ("ijk,ilm,njm,nlk,abc->", (2, 3, 4), (2, 5, 6),
    (7, 3, 6), (7, 5, 4), (2, 2, 2)), ("iji,j->i", (3, 2, 3), (2,)), ("i,,j->ij", (2,), (), (3,)),
    ("ij,j->i", (2, 3), (3,)), ("i,ij->j", (2,), (2, 3)), (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("ij,k->ik", (2, 3), (4,)), ("bi,bj->bij", (5, 2), (5, 3)), ("bi,bi->b", (5, 2), (5, 2)),
]  # fmt: skip


@pytest.mark.parametrize("case", EINSUM, ids=lambda c: c[0])
def test_einsum(case):
    text, *shapes = case
    xs = [floats(*s, seed=k) for k, s in enumerate(shapes)]
    check(
        lambda *v: T.einsum(text, *v), lambda *a: np.einsum(text, *a), *xs, exact=False, rtol=1e-10
    )
    vs = [variable(x) for x in xs]
    plain = compiled(vs, T.einsum(text, *vs, optimize=False))
    same(plain(*xs), np.einsum(text, *xs), exact=False, rtol=1e-10)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("ij,jk,kl->il", (500, 400, 300, 10)),
        ("ij,jk,kl,lm->im", (3, 90, 2, 80, 5)),
        ("ij,kj,kl,ml,mi->ki", (7, 2, 9, 4, 3)),
        ("a,b,ab,bc,cd,d->", (20, 30, 4, 5)),
    ],
)
def test_einsum_takes_the_order_of_least_work(text, lengths):
    terms = text.split("->")[0].split(",")
    known = dict(zip(sorted(set("".join(terms))), lengths, strict=True))
    arrays = [floats(*(known[c] for c in term)) for term in terms]
    result = list(text.split("->")[1])

    def work(path):
        left, total = [set(term) for term in terms], 0
        for i, j in path:
            a, b = left[i], left[j]
            left = [t for k, t in enumerate(left) if k not in (i, j)]
            total += np.prod([float(known[c]) for c in a | b])
            left.append((a | b) & set(result).union(*left))
        return total

    parts = [(T.constant(a), list(t)) for a, t in zip(arrays, terms, strict=True)]
    best = np.einsum_path(text, *arrays, optimize=("optimal", 10**9))[0][1:]
    path = sys.modules["phintys.tensor.einsum"]._path(parts, result, True)
    assert work(path) <= work([p for p in best if len(p) == 2])
    got = T.einsum(text, *(T.constant(a) for a in arrays)).eval()
    np.testing.assert_allclose(got, np.einsum(text, *arrays, optimize=True), rtol=1e-9, atol=1e-9)


def test_einsum_forms():
    x, y = floats(2, 3), floats(3, 4, seed=1)
    u, v = T.dmatrices(2)
    same(compiled([u, v], T.einsum(u, [0, 1], v, [1, 2], [2, 0]))(x, y), (x @ y).T, exact=False)
    same(compiled([u, v], T.einsum(u, [0, 1], v, [1, 2]))(x, y), x @ y, exact=False)
    got = compiled([u], T.einsum(u, [Ellipsis, 1], [Ellipsis]))(x)
    same(got, x.sum(1), exact=False)
    path = np.einsum_path("ij,jk,kl->il", x, y, floats(4, 2), optimize="optimal")[0]
    w = T.dmatrix()
    got = compiled([u, v, w], T.einsum("ij,jk,kl->il", u, v, w, optimize=path))
    same(got(x, y, floats(4, 2)), x @ y @ floats(4, 2), exact=False)
    one = T.TensorType("float64", (True, False))()
    same(compiled([u, one], T.einsum("ij,ij->ij", u, one))(x, x[:1]), x * x[:1], exact=False)
    same(compiled([u, one], T.einsum("ij,ij->i", u, one))(x, x[:1]), x @ x[0], exact=False)
    i = T.imatrix()
    ints = numbers("int32", 2, 3)
    got = compiled([i], T.einsum("ij->i", i))(ints)
    same(got, np.einsum("ij->i", ints))


@pytest.mark.parametrize(
    ("text", "ranks"),
    [("ij,jk", (2,)), ("ij->k", (2,)), ("ijk", (2,)), ("i1", (2,)), ("ij->ii", (2,)),
     ("ij-i", (2,)), ("i...j...", (2,))],
)  # fmt: skip
def test_einsum_refuses(text, ranks):
    with pytest.raises(ValueError):
        T.einsum(text, *[T.TensorType("float64", (False,) * n)() for n in ranks])


def test_saved_products(tmp_path):
    u, v = T.dtensor3(), T.dtensor3()
    f = compiled([u, v], [u @ v, T.einsum("bij,bkj->ki", u, v.dimshuffle(0, 2, 1))])
    x, y = floats(4, 2, 3), floats(4, 3, 5, seed=1)
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    for a, b in zip(f(x, y), g(x, y), strict=True):
        same(a, b)


def test_methods():
    x = floats(3, 4)
    u = T.dmatrix()
    same(compiled([u], u.mT @ u)(x), x.T @ x, exact=False)
    same(compiled([u], u.dot(u.T))(x), x @ x.T, exact=False)
    same(compiled([u], u.trace())(x), np.trace(x), exact=False)
    same(compiled([u], u.norm(2))(x), np.linalg.norm(x), exact=False)
    assert (np.ones((2, 3)) @ u).ndim == 2

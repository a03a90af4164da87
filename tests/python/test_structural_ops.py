"""Ops that move, choose, join and multiply elements, against NumPy, with gradients."""

import itertools

import numpy as np
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, like, numbers, same, variable
from scipy import special
from value_cases import FLOATS, REAL, layouts

# --- dimshuffle, reshape and the like ------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_transpose(order):
    x = floats(3, 4, 5)
    check(lambda v: v.transpose(*order), lambda a: a.transpose(order), x)
    check(lambda v: v.dimshuffle(*order) * 2.0, lambda a: a.transpose(order) * 2.0, x)
    check(
        lambda v: T.exp(v.dimshuffle("x", order[0], order[1], "x", order[2])),
        lambda a: np.exp(a.transpose(order)[None, :, :, None, :]),
        x,
        exact=False,
    )


@pytest.mark.parametrize("shape", [(60,), (12, 5), (3, -1), (-1,), (2, 1, 30), (1, 60, 1, 1)])
def test_reshape(shape):
    x = floats(3, 4, 5)
    check(lambda v: v.reshape(shape), lambda a: a.reshape(shape), x)
    check(
        lambda v: v.dimshuffle(2, 0, 1).reshape(shape),
        lambda a: a.transpose(2, 0, 1).reshape(shape),
        x,
    )
    check(lambda v: v[:, ::-2, 1:3].reshape((3, 4)), lambda a: a[:, ::-2, 1:3].reshape(3, 4), x)
    check(
        lambda v: v.reshape(shape).sum() + v[0, 0, 0],
        lambda a: a.sum() + a[0, 0, 0],
        x,
        exact=False,
    )


def test_reshape_with_symbolic_shapes():
    x = floats(3, 4)
    n, s = T.lscalar(), T.lvector()
    v = T.dmatrix()
    same(compiled([v, n], v.reshape((n, -1)))(x, 6), x.reshape(6, 2))
    same(compiled([v, s], v.reshape(s, ndim=3))(x, [2, 1, 6]), x.reshape(2, 1, 6))
    same(compiled([v], v.reshape((v.shape[1], v.shape[0])))(x), x.reshape(4, 3))
    same(compiled([v], v.reshape((v.size,)))(x), x.ravel())
    for bad in ([5, -1], [-1, -1], [0, 5], [7, 2]):
        with pytest.raises(ValueError):
            compiled([v, s], v.reshape(s, ndim=2))(x, bad)
    same(compiled([v, n], v.reshape((n, -1)))(np.zeros((2, 0)), 4), np.zeros((4, 0)))
    with pytest.raises(ValueError):
        compiled([v, s], v.reshape(s, ndim=2))(np.zeros((0, 3)), [0, -1])


def test_flatten_squeeze_tile_repeat_roll():
    x = floats(2, 3, 4)
    for n in (1, 2, 3):
        check(lambda v: v.flatten(n), lambda a: a.reshape(*a.shape[: n - 1], -1), x)  # noqa: B023
    check(lambda v: T.shape_padright(v, 2), lambda a: a[..., None, None], x)
    check(lambda v: T.shape_padleft(v[:, 0]), lambda a: a[:, 0][None], x)
    check(lambda v: v.swapaxes(0, 2), lambda a: a.swapaxes(0, 2), x)
    check(lambda v: T.tile(v, (2, 1, 3)), lambda a: np.tile(a, (2, 1, 3)), x)
    check(lambda v: T.repeat(v, 3, axis=1), lambda a: np.repeat(a, 3, axis=1), x)
    check(lambda v: T.repeat(v, 2), lambda a: np.repeat(a, 2), x)
    check(lambda v: T.roll(v, 2, axis=1), lambda a: np.roll(a, 2, axis=1), x)
    check(lambda v: T.roll(v, -5, axis=2), lambda a: np.roll(a, -5, axis=2), x)
    check(lambda v: T.squeeze(v.dimshuffle(0, "x", 1, 2)), lambda a: a, x)
    check(lambda v: T.diagonal(v[0]), lambda a: np.diagonal(a[0]).copy(), x)
    check(lambda v: T.diff(v, axis=1), lambda a: np.diff(a, axis=1), x)
    check(lambda v: T.tril(v[0]) + T.triu(v[0], 1), lambda a: a[0] + 0, x)


# --- basic indexing ------------------------------------------------------------------------------

SLICES = [
    slice(*s)
    for s in itertools.product([None, 0, 2, -2, 9, -9], [None, 1, 4, -1, 9, -9], [None, 2, -1, -3])
]


def test_every_form_of_slice():
    x = floats(5, 3)
    v = T.dmatrix()
    start, stop, step = T.lscalar(), T.lscalar(), T.lscalar()
    symbolic = compiled([v, start, stop, step], v[start:stop:step])
    total = compiled([v, start, stop, step], (v[start:stop:step, ::-1] * 2).sum())
    for s in SLICES:
        want = x[s]
        same(compiled([v], v[s])(x), want, str(s))
        same(compiled([v], v[s] * 2.0, "FAST_COMPILE")(x), want * 2, str(s))
        if None not in (s.start, s.stop):
            same(symbolic(x, s.start, s.stop, s.step or 1), want, str(s))
            got = total(x, s.start, s.stop, s.step or 1)
            np.testing.assert_allclose(got, want.sum() * 2, atol=1e-14)
    extreme = np.iinfo("int64")
    for a, b, c in itertools.product(
        [extreme.min, -1, 0, extreme.max],
        [extreme.min, 0, 3, extreme.max],
        [extreme.min, -1, 1, extreme.max],
    ):
        same(symbolic(x, a, b, c), x[a:b:c], f"{a}:{b}:{c}")
    with pytest.raises(ValueError):
        symbolic(x, 0, 3, 0)
    with pytest.raises(ValueError):
        compiled([v], v[::0])(x)


@pytest.mark.parametrize(
    "index",
    [
        (1,), (-1,), (slice(1, 3),), (slice(None), 2),
        (slice(None, None, -1), slice(None, None, 2)),
        (0, 1, 2), (Ellipsis, 1), (1, Ellipsis, -1), (None, 1), (slice(1, None), None, 0),
        (Ellipsis, None), (None, None, Ellipsis, slice(None, None, -2)), (slice(3, 1),),
        (slice(None), slice(4, 0, -2), 1), (-3, slice(-2, None), slice(None, -1)), (),
    ],
    ids=str,
)  # fmt: skip
def test_basic_index_set_and_inc(index):
    x = floats(3, 4, 5)
    check(lambda v: v[index], lambda a: a[index].copy(), x)
    part = x[index]

    def stored(a, y):
        b = a.copy()
        b[index] = y
        return b

    def added(a, y):
        b = a.copy()
        b[index] += y
        return b

    y = floats(*part.shape, seed=1)
    if part.size and index:
        check(lambda v, w: T.set_subtensor(v[index], like(w, v[index])), stored, x, y)
        check(lambda v, w: T.inc_subtensor(v[index], like(w, v[index])), added, x, y)
        z = np.asarray(0.25)
        check(lambda v, w: T.set_subtensor(v[index], w), stored, x, z)
        check(lambda v, w: T.inc_subtensor(v[index], w), added, x, z)


def test_symbolic_integers_and_bounds():
    x = floats(4, 6)
    v, i, j = T.dmatrix(), T.lscalar(), T.bscalar()
    f = compiled([v, i, j], [v[i], v[i, j], v[:, j], v[i:], v[:i, j:]])
    for a, b in itertools.product(range(-4, 4), range(-6, 6)):
        for got, want in zip(f(x, a, b), [x[a], x[a, b], x[:, b], x[a:], x[:a, b:]], strict=True):
            same(got, want)
    for a, b in [(4, 0), (-5, 0), (0, 6), (0, -7), (2**62, 0), (-(2**63), 0)]:
        with pytest.raises(IndexError):
            f(x, a, b)
    for mode in MODES:
        with pytest.raises(IndexError):
            compiled([v], v[7].sum(), mode)(x)
        with pytest.raises(IndexError):
            compiled([v, i], T.set_subtensor(v[i], 1.0), mode)(x, 9)
    with pytest.raises(IndexError):
        v[0, 0, 0]
    with pytest.raises(TypeError):
        v[1.5]


def test_chained_views():
    x = floats(6, 8)
    check(
        lambda v: v[1:][::-2][:, 3:][:, ::-1].T, lambda a: a[1:][::-2][:, 3:][:, ::-1].T.copy(), x
    )
    check(lambda v: v.T[2:5].T[::-1] + v[:, 2:5], lambda a: a.T[2:5].T[::-1] + a[:, 2:5], x)
    check(
        lambda v: T.set_subtensor(T.set_subtensor(v[0], 1.0)[:, 1], v[:, 2]),
        lambda a: np.concatenate([np.concatenate([np.ones((1, 8)), a[1:]])[:, :1], a[:, 2:3],
                                  np.concatenate([np.ones((1, 8)), a[1:]])[:, 2:]], axis=1),
        x,
    )  # fmt: skip
    # The replaced part reads what is replaced.
    check(lambda v: T.set_subtensor(v[1:], v[:-1]), lambda a: np.concatenate([a[:1], a[:-1]]), x)
    check(lambda v: T.set_subtensor(v[::-1], v), lambda a: a[::-1].copy(), x)
    check(
        lambda v: T.inc_subtensor(v[1:], v[:-1] * 2),
        lambda a: np.concatenate([a[:1], a[1:] + 2 * a[:-1]]),
        x,
    )


def test_set_subtensor_of_stacked_scalars_and_shapes():
    a, b, c = T.dscalars("a", "b", "c")
    v = T.stack([a, b, c])
    f = compiled([a, b, c], [T.set_subtensor(v[1], 9.0), T.inc_subtensor(v[1:], [1.0, 2.0])])
    for got, want in zip(f(1.0, 2.0, 3.0), [[1.0, 9, 3], [1.0, 3, 5]], strict=True):
        same(got, np.array(want))
    with pytest.raises(TypeError):
        T.set_subtensor(a, 1.0)
    m = T.dmatrix()
    s = m.shape
    g = compiled([m], [T.set_subtensor(s[0], 7), T.inc_subtensor(s[1:], 1), T.zeros(s[::-1])])
    got = g(np.zeros((2, 3)))
    same(got[0], np.array([7, 3]))
    same(got[1], np.array([2, 4]))
    same(got[2], np.zeros((3, 2)))


def test_set_subtensor_of_all_dtypes():
    for dtype in REAL:
        x, y = numbers(dtype, 5, 4), numbers(dtype, 2, 4, seed=1)
        want, more = x.copy(), x.copy()
        want[1:3] = y
        check(lambda v, w: T.set_subtensor(v[1:3], w), lambda a, b: want, x, y, grad=False)  # noqa: B023
        if dtype != "bool":
            more[::4] += y
            check(lambda v, w: T.inc_subtensor(v[::4], w), lambda a, b: more, x, y, grad=False)  # noqa: B023


# --- advanced indexing ---------------------------------------------------------------------------

I2 = np.array([[0, 2], [-1, 1], [2, 2]])
ADVANCED = {
    "vector": ((np.array([2, 0, -1, 2]),), 1),
    "matrix": ((I2,), 1),
    "empty": ((np.zeros(0, "int64"),), 1),
    "second": ((slice(None), np.array([3, 3, 0])), 1),
    "last": ((Ellipsis, np.array([4, -5])), 1),
    "pair": ((np.array([0, 1, 2]), np.array([3, -1, 0])), 2),
    "broadcast": ((np.array([[0], [2]]), np.array([1, 3, 3])), 2),
    "separated": ((np.array([0, 2]), slice(None), np.array([4, 1])), 2),
    "with_int": ((1, slice(None), np.array([4, 1])), 1),
    "next_to_int": ((slice(None), 1, np.array([4, 1])), 1),
    "int_after": ((np.array([1, 1]), 2), 1),
    "with_slices": ((slice(1, None), np.array([3, 0, 0]), slice(None, None, -2)), 1),
    "new_axis": ((None, np.array([1, 2]), None, slice(None, 2)), 1),
    "all": ((np.array([0, 0]), np.array([1, 1]), np.array([2, 2])), 3),
}


@pytest.mark.parametrize("name", sorted(ADVANCED))
@pytest.mark.parametrize("dtype", ["int64", "int8", "int32"])
def test_advanced_index(name, dtype):
    index, _ = ADVANCED[name]
    index = tuple(i.astype(dtype) if isinstance(i, np.ndarray) else i for i in index)
    arrays = [i for i in index if isinstance(i, np.ndarray)]
    x = floats(3, 4, 5)

    def with_variables(ks):
        ks = iter(ks)
        return tuple(next(ks) if isinstance(i, np.ndarray) else i for i in index)

    check(lambda v, *ks: v[with_variables(ks)], lambda a, *ks: a[index], x, fixed=arrays)
    check(lambda v: v[index] * 2.0, lambda a: a[index] * 2.0, x)
    if dtype != "int64":
        return
    part = x[index]

    def stored(a, y, *ks):
        b = a.copy()
        b[index] = y
        return b

    def added(a, y, *ks):
        b = a.copy()
        np.add.at(b, index, y)
        return b

    y = floats(*part.shape, seed=1)
    distinct = name in ("pair", "separated", "with_int", "next_to_int", "last", "new_axis")

    def set_symbolic(v, w, *ks):
        part = v[with_variables(ks)]
        return T.set_subtensor(part, like(w, part))

    def inc_symbolic(v, w, *ks):
        part = v[with_variables(ks)]
        return T.inc_subtensor(part, like(w, part))

    check(set_symbolic, stored, x, y, fixed=arrays, grad=distinct)
    check(inc_symbolic, added, x, y, fixed=arrays, exact=False)
    z = np.asarray(0.5)
    check(inc_symbolic, added, x, z, fixed=arrays, exact=False, grad=name != "empty")


def test_advanced_index_errors_and_masks():
    x = floats(3, 4)
    v, k, m = T.dmatrix(), T.lvector(), T.lvector()
    for mode in MODES:
        for bad in ([3], [0, -4], [2**62], [-(2**63)]):
            with pytest.raises(IndexError):
                compiled([v, k], v[k], mode)(x, bad)
            with pytest.raises(IndexError):
                compiled([v, k], T.inc_subtensor(v[k], 1.0), mode)(x, bad)
            with pytest.raises(IndexError):
                compiled([v, k], v[:, k][:, 0], mode)(
                    x, [-5 if b == -4 else b + (b == 3) for b in bad]
                )
        with pytest.raises((ValueError, IndexError)):
            compiled([v, k, m], v[k, m], mode)(x, [0, 1], [0, 1, 2])
    mask = x > 0
    same(compiled([v], v[mask])(x), x[mask])
    same(compiled([v], v[mask[:, 0]])(x), x[mask[:, 0]])
    same(compiled([v], v.take([1, 5, -1]))(x), x.take([1, 5, -1]))
    for how in ("clip", "wrap"):
        index = np.array([-9, -1, 0, 3, 4, 17])
        same(compiled([v, k], v.take(k, axis=1, mode=how))(x, index), x.take(index, 1, mode=how))


def test_advanced_index_of_all_dtypes_and_layouts():
    for dtype in REAL:
        x = numbers(dtype, 6, 7)
        k = np.array([5, 0, 0, -1])
        check(lambda v, i: v[i], lambda a, i: a[i], x, fixed=[k], grad=False)
        check(lambda v, i: v[:, i].T, lambda a, i: a[:, i].T, x, fixed=[k], grad=False)
    many = np.random.default_rng(0).integers(0, 1000, 50_000)
    x = floats(1000, 3)
    check(lambda v, i: v[i], lambda a, i: a[i], x, fixed=[many], grad=False)
    want = np.zeros_like(x)
    np.add.at(want, many, 1.5)
    got = compiled([], T.inc_subtensor(T.zeros((1000, 3))[many], 1.5))()
    np.testing.assert_allclose(got, want)


# --- join, stack, split --------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_join_stack_split(axis):
    shapes = [[3, 4, 5] for _ in range(3)]
    for i, s in enumerate(shapes):
        s[axis] = (2, 0, 4)[i]
    parts = [floats(*s, seed=i) for i, s in enumerate(shapes)]
    check(lambda *v: T.concatenate(v, axis=axis), lambda *a: np.concatenate(a, axis=axis), *parts)
    check(
        lambda *v: T.exp(T.join(axis, *v) * 2.0),
        lambda *a: np.exp(np.concatenate(a, axis=axis) * 2.0),
        *parts,
        exact=False,
    )
    a, b = floats(3, 4), floats(3, 4, seed=1)
    check(
        lambda v, w: T.stack([v, w, v], axis=axis),
        lambda x, y: np.stack([x, y, x], axis=axis),
        a,
        b,
    )
    x = floats(*[6 if i == axis % 3 else 2 for i in range(3)])
    check(
        lambda v: T.join(axis, *T.split(v, [1, 3, 2], 3, axis)[::-1]) * 2,
        lambda a: np.concatenate(np.split(a, [1, 4], axis=axis)[::-1], axis=axis) * 2,
        x,
    )
    v = T.dtensor3()
    sizes = T.lvector()
    for mode in MODES:
        for bad in ([1, 1], [5, 4], [-1, 7], [7, -1]):
            with pytest.raises(ValueError):
                compiled([v, sizes], T.split(v, sizes, 2, axis), mode)(x, bad)
        with pytest.raises(ValueError):
            w = T.dtensor3()
            wrong = floats(*[n + 1 for n in x.shape])
            compiled([v, w], T.join(axis, v, w), mode)(x, wrong)


def test_join_promotes_and_stacks_scalars():
    a, b, c = T.bvector(), T.fvector(), T.lvector()
    out = T.concatenate([a, b, c])
    assert out.dtype == "float64"
    got = compiled([a, b, c], out)(np.int8([1]), np.float32([2.5]), np.int64([3, 4]))
    same(got, np.array([1, 2.5, 3, 4]))
    x, y = T.dscalars("x", "y")
    same(compiled([x, y], T.stack([x, y, x * y]))(2.0, 3.0), np.array([2.0, 3, 6]))
    got = compiled([x, y], T.stacklists([[x, y], [y, x]]))(2.0, 3.0)
    same(got, np.array([[2.0, 3], [3, 2]]))
    for dtype in REAL:
        p, q = numbers(dtype, 3, 2), numbers(dtype, 3, 5, seed=2)
        check(
            lambda v, w: T.join(1, v, w), lambda s, t: np.concatenate([s, t], 1), p, q, grad=False
        )


# --- making tensors ------------------------------------------------------------------------------


def test_alloc_arange_eye():
    n, m = T.lscalars("n", "m")
    v = T.dvector()
    same(compiled([n, m], T.zeros((n, m), "int16"))(2, 3), np.zeros((2, 3), "int16"))
    same(compiled([n, m], T.ones((n, m)) * 3)(0, 3), np.ones((0, 3)))
    same(compiled([v, n], T.alloc(v, n, 3))(np.arange(3.0), 4), np.tile(np.arange(3.0), (4, 1)))
    with pytest.raises(ValueError):
        compiled([n], T.zeros((n,)))(-1)
    with pytest.raises(ValueError):
        compiled([v, n], T.alloc(v, 2, n))(np.arange(3.0), 4)
    g = T.grad((T.alloc(v, 4, 3) * np.arange(12.0).reshape(4, 3)).sum(), v)
    same(compiled([v], g)(np.zeros(3)), np.arange(12.0).reshape(4, 3).sum(0))
    for a, b, s in [(0, 5, 1), (5, 0, -2), (3, 3, 1), (0, -4, 1), (-7, 8, 3)]:
        x, y, z = T.lscalars("x", "y", "z")
        same(compiled([x, y, z], T.arange(x, y, z))(a, b, s), np.arange(a, b, s))
        same(compiled([], T.arange(a, b, s))(), np.arange(a, b, s))
    for a, b, s in [(0.0, 1.0, 0.1), (1.0, -1.0, -0.3), (0.5, 0.5, 1.0)]:
        x, y, z = T.dscalars("x", "y", "z")
        same(compiled([x, y, z], T.arange(x, y, z))(a, b, s), np.arange(a, b, s), exact=False)
    with pytest.raises((ValueError, ZeroDivisionError)):
        compiled([n], T.arange(0, 5, n))(0)
    for dtype in ["int8", "uint8", "int32", "float16", "float32"]:
        same(compiled([n], T.arange(n, dtype=dtype))(100), np.arange(100).astype(dtype))
    for k in (-2, 0, 1, 9):
        same(compiled([n, m], T.eye(n, m, k))(3, 5), np.eye(3, 5, k))
    same(compiled([v], T.diag(v))(np.arange(3.0)), np.diag(np.arange(3.0)))


# --- dot -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [((5,), (5,)), ((4, 5), (5,)), ((5,), (5, 3)), ((4, 5), (5, 3)), ((), (3, 2)), ((4,), ()),
     ((2, 3, 4), (4,)), ((2, 3, 4), (4, 5)), ((4,), (2, 4, 3)), ((2, 3), (4, 3, 2)),
     ((1, 5), (5, 1)), ((5, 1), (1, 3)), ((2, 3, 4), (5, 4, 2))],
)  # fmt: skip
def test_dot_of_every_rank(left, right):
    a, b = floats(*left), floats(*right, seed=1)
    check(T.dot, np.dot, a, b, exact=False)
    check(
        lambda v, w: -2.0 * T.dot(v, w) + 1.0,
        lambda x, y: 1 - 2 * np.dot(x, y),
        a,
        b,
        exact=False,
        grad=False,
    )


def test_dot_of_every_layout_dtype_and_size():
    for m, k, n in [
        (1, 1, 1),
        (3, 0, 2),
        (0, 3, 2),
        (3, 4, 0),
        (17, 33, 9),
        (130, 70, 257),
        (1, 300, 200),
    ]:
        a, b = floats(m, k), floats(k, n, seed=1)
        for dtype in FLOATS:
            x, y = a.astype(dtype), b.astype(dtype)
            v, w = variable(x), variable(y)
            want = np.dot(x.astype("float64"), y.astype("float64"))
            tolerance = {"float16": 4e-3, "float32": 1e-5, "float64": 1e-13}[dtype]
            f = compiled([v, w], [T.dot(v, w), T.dot(w.T, v.T), T.dot(v, w[:, 0]) if n else v])
            for p, q in itertools.product(layouts(x).values(), layouts(y).values()):
                got = f(p, q)
                np.testing.assert_allclose(got[0], want, rtol=tolerance, atol=tolerance * 40)
                np.testing.assert_allclose(got[1], want.T, rtol=tolerance, atol=tolerance * 40)
                if n:
                    np.testing.assert_allclose(
                        got[2], want[:, 0], rtol=tolerance, atol=tolerance * 40
                    )
    for first, second in itertools.product(["int8", "int64", "uint8", "bool", "float32"], repeat=2):
        x, y = numbers(first, 3, 4), numbers(second, 4, 2, seed=3)
        v, w = variable(x), variable(y)
        got = compiled([v, w], T.dot(v, w))(x, y)
        want = np.dot(x, y)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-5)
    v, w = T.dmatrix(), T.dmatrix()
    for mode in MODES:
        with pytest.raises(ValueError):
            compiled([v, w], T.dot(v, w), mode)(floats(2, 3), floats(2, 3))


def test_gemm_and_gemv_forms():
    a, b, c = floats(4, 5), floats(5, 3, seed=1), floats(4, 3, seed=2)
    u, y = floats(5, seed=3), floats(4, seed=4)
    check(
        lambda p, q, r: 2 * T.dot(p, q) - 3 * r,
        lambda x, z, w: 2 * x @ z - 3 * w,
        a,
        b,
        c,
        exact=False,
    )
    check(lambda p, q, r: r - T.dot(p, q), lambda x, z, w: w - x @ z, a, b, c, exact=False)
    check(
        lambda p, q, r: T.dot(q.T, p.T) + r.T * 0.5,
        lambda x, z, w: (x @ z).T + w.T * 0.5,
        a,
        b,
        c,
        exact=False,
    )
    check(
        lambda p, q, r: r + 0.1 * T.dot(p, q), lambda x, z, w: w + 0.1 * x @ z, a, u, y, exact=False
    )
    check(lambda p, q, r: T.dot(q, p.T) - r, lambda x, z, w: z @ x.T - w, a, u, y, exact=False)
    check(lambda p, q: T.dot(p, q) + T.dot(p, q), lambda x, z: 2 * x @ z, a, b, exact=False)
    check(lambda p, q: T.outer(p, q) * 2, lambda x, z: 2 * np.outer(x, z), u, y, exact=False)
    bias = floats(3, seed=5)
    check(lambda p, q, r: T.dot(p, q) + r, lambda x, z, w: x @ z + w, a, b, bias, exact=False)
    nan = np.full((4, 3), np.nan)
    v, w, r = T.dmatrices("v", "w", "r")
    with np.errstate(all="ignore"):
        assert np.isnan(compiled([v, w, r], T.dot(v, w) + r)(a, b, nan)).all()
    big = compiled([v, w], T.dot(v, w).sum(axis=0) + T.dot(v, w)[0])(
        floats(300, 200), floats(200, 100, seed=1)
    )
    product = floats(300, 200) @ floats(200, 100, seed=1)
    np.testing.assert_allclose(big, product.sum(0) + product[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("axes", [0, 1, 2, ([0], [1]), ([1, 0], [0, 1]), ([2, 0], [1, 2])])
def test_tensordot(axes):
    a = floats(3, 4, 5)
    shape = {0: (2,), 1: (5, 2), 2: (4, 5, 2)}.get(axes if isinstance(axes, int) else -1)
    if shape is None:
        dims = [2] * 3
        for i, j in zip(*axes, strict=True):
            dims[j] = a.shape[i]
        shape = tuple(dims)
    check(
        lambda v, w: T.tensordot(v, w, axes),
        lambda x, y: np.tensordot(x, y, axes),
        a,
        floats(*shape, seed=1),
        exact=False,
    )


def test_batched_dot():
    a, b = floats(3, 4, 5), floats(3, 5, 2, seed=1)
    check(T.batched_dot, np.matmul, a, b, exact=False)
    check(T.batched_dot, lambda x, y: np.einsum("bij,bj->bi", x, y), a, floats(3, 5), exact=False)


# --- softmax and cross-entropy -------------------------------------------------------------------


def softmax_np(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 1030), (200, 7), (0, 4)])
def test_softmax_and_log_softmax(shape):
    x = floats(*shape) * 3
    small = shape[1] < 100 and shape[0] < 100
    log_want = special.log_softmax(x, axis=1) if x.size else x
    want = softmax_np(x) if x.size else x
    check(T.nnet.softmax, lambda a: want, x, exact=False, grad=False)
    check(T.nnet.logsoftmax, lambda a: log_want, x, exact=False, grad=False)
    if small and x.size:
        check(T.nnet.softmax, softmax_np, x, exact=False)
        check(T.nnet.logsoftmax, lambda a: special.log_softmax(a, axis=1), x, exact=False)
        check(T.nnet.softmax_graph, softmax_np, x, exact=False)
    for dtype in ("float16", "float32"):
        v = T.TensorType(dtype, (False, False))()
        got = compiled([v], T.nnet.softmax(v))(x.astype(dtype))
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=2e-2 if dtype == "float16" else 2e-5, atol=1e-3)


def test_softmax_of_extreme_rows():
    x = np.array([[1000.0, 0, -1000], [-1e300, 0, 1e300], [np.nan, 0, 1], [-np.inf, 0, 1]])
    v = T.dmatrix()
    for mode in MODES:
        np.testing.assert_allclose(compiled([v], T.nnet.softmax(v), mode)(x), softmax_np(x))
        got = compiled([v], T.nnet.logsoftmax(v), mode)(x)
        np.testing.assert_allclose(got, special.log_softmax(x, axis=1))


def test_crossentropies():
    x, t = floats(6, 4), np.array([0, 3, 1, 1, 2, 0])
    p = softmax_np(x)
    one_hot = np.eye(4)[t]
    check(
        lambda v, k: T.nnet.categorical_crossentropy(T.nnet.softmax(v), k),
        lambda a, k: -np.log(softmax_np(a))[np.arange(6), k],
        x,
        fixed=[t],
        exact=False,
    )
    check(
        lambda v, k: T.nnet.categorical_crossentropy(v, k),
        lambda a, k: -np.log(a)[np.arange(6), k],
        p,
        fixed=[t],
        exact=False,
    )
    check(
        lambda v, w: T.nnet.categorical_crossentropy(v, w),
        lambda a, b: -(b * np.log(a)).sum(1),
        p,
        one_hot,
        exact=False,
    )
    q = special.expit(x)
    check(
        lambda v, w: T.nnet.binary_crossentropy(v, w),
        lambda a, b: -(b * np.log(a) + (1 - b) * np.log(1 - a)),
        q,
        one_hot,
        exact=False,
    )
    check(
        lambda v: T.nnet.binary_crossentropy(T.nnet.sigmoid(v), one_hot),
        lambda a: np.logaddexp(0, a) - one_hot * a,
        x,
        exact=False,
    )
    check(T.nnet.relu, lambda a: np.maximum(a, 0), x, exact=False)
    check(lambda v: T.nnet.relu(v, 0.1), lambda a: np.where(a > 0, a, 0.1 * a), x, exact=False)
    check(T.nnet.elu, lambda a: np.where(a > 0, a, np.expm1(a)), x, exact=False)


def test_a_dimension_that_no_array_can_have_is_refused():
    with pytest.raises(ValueError, match="too long"):
        T.TensorType("float64", shape=(2**62,))

"""nonzero, take, choose, compress, permutations, masks: values, gradients, edge cases, errors."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import check, compiled, floats, numbers, same, variable
from value_cases import FLOATS, INTS

ALL = ["bool", *INTS, *FLOATS, "complex64", "complex128"]


def mask_of(*shape, seed=0, p=0.5):
    return np.random.default_rng(seed).random(shape) < p


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(7,), (3, 5), (0,), (3, 0), (0, 3), (2, 3, 4), (100, 7), (70000,)]
)
@pytest.mark.parametrize("p", [0, 0.3, 1])
def test_nonzero(shape, p):
    mask = mask_of(*shape, p=p)
    m = variable(mask)
    parts = T.nonzero(m)
    f = compiled([m], [*parts, T.flatnonzero(m), T.nonzero(m, return_matrix=True), T.argwhere(m)])
    for form in (mask, np.asfortranarray(mask), mask.repeat(2, axis=-1)[..., ::2]):
        *got, flat, matrix, where = f(form)
        for g, want in zip(got, np.nonzero(mask), strict=True):
            same(g, want)
        same(flat, np.flatnonzero(mask))
        same(matrix, np.stack(np.nonzero(mask)))
        same(where, np.argwhere(mask))


def test_nonzero_of_numbers_and_scalars():
    x = np.array([[0.0, -1.5, np.nan], [0.0, -0.0, np.inf]])
    v = T.dmatrix()
    for got, want in zip(compiled([v], list(v.nonzero()))(x), np.nonzero(x), strict=True):
        same(got, want)
    same(v.nonzero_values().eval({v: x}), x[np.nonzero(x)])
    same(T.where(v)[0].eval({v: x}), np.where(x)[0])
    i = numbers("int32", 4, 5) % 3
    w = T.imatrix()
    same(T.flatnonzero(w).eval({w: i}), np.flatnonzero(i))
    for f in (T.nonzero, T.flatnonzero, T.nonzero_values):
        with pytest.raises(ValueError, match="non-scalar"):
            f(T.dscalar())


@pytest.mark.parametrize("dtype", ALL)
def test_masks_of_every_dtype(dtype):
    x = (np.arange(6 * 37) % 127).reshape(6, 37).astype(dtype)
    mask, rows, columns = mask_of(6, 37), mask_of(6, seed=1), mask_of(37, seed=2)
    v, m, r, c = variable(x), T.TensorType("bool", (False,) * 2)(), *[
        T.TensorType("bool", (False,))() for _ in range(2)
    ]  # fmt: skip
    f = compiled([v, m, r, c], [v[m], v[r], v[:, c], v.T[m.T], v[::-1, ::2][r[::-1]]])
    got = f(x, mask, rows, columns)
    wants = [x[mask], x[rows], x[:, columns], x.T[mask.T], x[::-1, ::2][rows[::-1]]]
    for g, want in zip(got, wants, strict=True):
        same(g, want)
    y = np.arange(mask.sum()).astype(dtype)
    w = variable(y)
    f = compiled([v, m, w], [T.set_subtensor(v[m], w), T.inc_subtensor(v[m], w)])
    stored, added = x.copy(), x.copy()
    stored[mask] = y
    np.add.at(added, mask.nonzero(), y)
    for g, want in zip(f(x, mask, y), (stored, added), strict=True):
        same(g, want)


@pytest.mark.parametrize("p", [0.0, 0.01, 0.5, 1.0])
def test_large_masks_on_threads(p):
    n = 300_001
    x, mask = np.arange(float(n)), mask_of(n, p=p)
    v, m = T.dvector(), T.TensorType("bool", (False,))()
    w = T.dvector()
    f = compiled([v, m, w], [v[m], T.set_subtensor(v[m], w), T.inc_subtensor(v[m], w)])
    y = -np.arange(float(mask.sum()))
    chosen, stored, added = f(x, mask, y)
    same(chosen, x[mask])
    want = x.copy()
    want[mask] = y
    same(stored, want)
    want = x.copy()
    want[mask] += y
    same(added, want)


def test_storing_one_value_is_elementwise():
    v, m = T.dmatrix(), T.TensorType("bool", (False,) * 2)()
    f = compiled([v, m], T.exp(T.set_subtensor(v[m], 0.0)))
    assert "mask" not in f.fn.program_text().lower()
    x, mask = floats(3, 4), mask_of(3, 4)
    np.testing.assert_allclose(f(x, mask), np.exp(np.where(mask, 0, x)))
    row = T.TensorType("bool", (False,))()
    got = compiled([v, row], T.inc_subtensor(v[:, row], 2.5))(x, mask[0])
    same(got, x + 2.5 * mask[0])


def test_mask_gradients():
    x, mask = floats(3, 4), mask_of(3, 4)
    n = int(mask.sum())
    check(lambda v, m: v[m], lambda a, m: a[m], x, fixed=(mask,))
    check(lambda v, m: v[m] ** 2, lambda a, m: a[m] ** 2, x, fixed=(mask,), exact=False)
    check(
        lambda v, w, m: T.set_subtensor(v[m], w) ** 2,
        lambda a, b, m: _stored(a, b, m) ** 2,
        x, floats(n, seed=3), fixed=(mask,), exact=False,
    )  # fmt: skip
    check(
        lambda v, w, m: T.inc_subtensor(v[:, m], w) ** 2,
        lambda a, b, m: _added(a, b, m) ** 2,
        x, floats(3, 2, seed=3), fixed=(np.array([True, False, False, True]),), exact=False,
    )  # fmt: skip
    # A length of 1 that only running tells is summed over.
    check(
        lambda v, w, m: T.inc_subtensor(v[m], w) ** 2,
        lambda a, b, m: _stored(a, a[m] + b, m) ** 2,
        x, floats(1, seed=3), fixed=(mask,), exact=False,
    )  # fmt: skip


def _stored(a, b, m):
    a = a.copy()
    a[m] = b
    return a


def _added(a, b, m):
    a = a.copy()
    a[:, m] += b
    return a


def test_lengths_of_one_when_running():
    x, y, i = floats(4, 3), floats(1, 3), np.array([2, 0, 2])

    def added(a, b, index):
        a = a.copy()
        np.add.at(a, index, b)
        return a

    check(
        lambda v, w, k: T.inc_subtensor(v[k], w) ** 2,
        lambda a, b, k: added(a, b, k) ** 2,
        x, y, fixed=(i,), exact=False,
    )  # fmt: skip
    check(
        lambda v, w: T.inc_subtensor(v[1:], w) ** 2,
        lambda a, b: added(a, b, slice(1, None)) ** 2,
        x, y, exact=False,
    )  # fmt: skip


def test_masks_without_dimensions():
    x = floats(2, 3)
    v, m = T.dmatrix(), T.TensorType("bool", ())()
    f = compiled([v, m], [v[m], v[:, m], T.set_subtensor(v[m], 5.0)])
    for value in (True, False):
        flag = np.bool_(value)
        got = f(x, flag)
        same(got[0], x[flag])
        same(got[1], x[:, flag])
        want = x.copy()
        want[flag] = 5.0
        same(got[2], want)
    for flag in (True, False, np.bool_(True)):
        with pytest.raises(TypeError, match="mask"):
            v[flag]


def test_masks_of_the_wrong_shape():
    v, m = T.dmatrix(), T.TensorType("bool", (False,))()
    x = floats(3, 4)
    w = T.dmatrix()
    for out in (v[m], T.set_subtensor(v[m], w), T.inc_subtensor(v[m], w)):
        with pytest.raises(
            IndexError, match="boolean index did not match indexed array along axis"
        ):
            compiled([v, m, w], out)(x, np.ones(2, bool), floats(2, 4))
    with pytest.raises(IndexError, match="boolean index did not match"):
        T.as_tensor_variable(x)[T.as_tensor_variable(np.ones(2, bool))]
    with pytest.raises(IndexError, match="too many"):
        m[T.TensorType("bool", (False,) * 2)()]
    with pytest.raises(ValueError, match="cannot be broadcast"):
        w = T.dvector()
        compiled([m, w], T.set_subtensor(T.zeros((3,))[m], w))(np.array([True, True, False]),
                                                                np.ones(3))  # fmt: skip


def test_a_mask_and_integers():
    x = floats(3, 4, 5)
    v, m, k = T.dtensor3(), T.TensorType("bool", (False,))(), T.lscalar()
    mask = np.array([True, False, True, True])
    f = compiled(
        [v, m, k], [v[0, m], v[k, m, :], v[:, m, k], v[k, :, T.arange(5) > 2], v[:, m, -1]]
    )
    got = f(x, mask, 1)
    wants = [x[0, mask], x[1, mask, :], x[:, mask, 1], x[1, :, np.arange(5) > 2], x[:, mask, -1]]
    for g, want in zip(got, wants, strict=True):
        same(g, want)
    with pytest.raises(IndexError, match="out of bounds"):
        f(x, mask, 9)


def test_shapes_of_masked_tensors_need_no_elements():
    v, m = T.dmatrix(), T.TensorType("bool", (False,))()
    f = compiled([v, m], v[m].shape)
    assert "mask_subtensor" not in f.fn.program_text()
    assert list(f(floats(3, 4), np.array([True, False, True]))) == [2, 4]
    assert int(compiled([v, m], v[m].sum(0).shape[0])(floats(3, 4), np.zeros(3, bool))) == 4


def test_saved_functions_with_masks(tmp_path):
    v, m = T.dmatrix(), T.TensorType("bool", (False,))()
    f = compiled(
        [v, m],
        [
            v[m] * 2,
            T.choose(T.cast(m, "int64"), [v[:, 0], v[:, 1]]),
            T.take_along_axis(v, T.nonzero(v)[0].reshape(v.shape), 0),
            T.repeat(v, T.cast(m, "int64"), 0),
            T.diagonal(v, 1),
            T.eye(v.shape[0]),
        ],
    )
    path = str(tmp_path / "f.phy")
    f.save(path)
    g = phintys.load(path)
    args = floats(3, 4), np.array([True, False, True])
    for a, b in zip(f(*args), g(*args), strict=True):
        same(b, a)


# --- functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("mode", ["raise", "clip", "wrap"])
def test_take(axis, mode):
    x = floats(3, 4)
    index = np.array([[0, 2], [-1, 1]]) if mode == "raise" else np.array([[0, 9], [-7, 1]])
    check(lambda v, k: T.take(v, k, axis, mode), lambda a, k: np.take(a, k, axis, mode=mode), x,
          fixed=(index,))  # fmt: skip
    v, k = T.dmatrix(), T.lscalar()
    same(compiled([v, k], v.take(k, axis, mode))(x, 2), np.take(x, 2, axis))
    if mode == "raise":
        with pytest.raises(IndexError, match=r"index 12 is out of bounds for axis \d with size"):
            compiled([v, k], v.take(k, axis))(x, 12)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_along_axis(axis):
    x = floats(3, 4, 5)
    index = np.random.default_rng(1).integers(-3, 3, (3, 4, 5))
    check(lambda v, k: T.take_along_axis(v, k, axis),
          lambda a, k: np.take_along_axis(a, k, axis), x, fixed=(index,))  # fmt: skip
    thin = np.moveaxis(np.moveaxis(index, axis, 0)[:2], 0, axis)
    check(lambda v, k: T.take_along_axis(v, k, axis),
          lambda a, k: np.take_along_axis(a, k, axis), x, fixed=(thin,))  # fmt: skip
    order = np.argsort(x, axis)
    check(lambda v, k: T.take_along_axis(v, k, axis) ** 2, lambda a, k: np.sort(a, axis) ** 2, x,
          fixed=(order,), exact=False)  # fmt: skip

    def put(a, b, k):
        a = a.copy()
        np.put_along_axis(a, k, b, axis)
        return a

    check(lambda v, w, k: T.put_along_axis(v, k, w, axis) ** 2, lambda *z: put(*z) ** 2, x,
          floats(3, 4, 5, seed=2), fixed=(order,), exact=False)  # fmt: skip
    v, w, k = T.dtensor3(), T.dtensor3(), T.ltensor3()
    got = compiled([v, w, k], T.put_along_axis(v, k, w, axis, accumulate=True))
    want = x.copy()
    grid = list(np.indices(index.shape))
    grid[axis] = index
    y = floats(3, 4, 5, seed=2)
    np.add.at(want, tuple(grid), y)
    np.testing.assert_allclose(got(x, y, index), want)


def test_along_axis_broadcasts_and_fails():
    x, index = floats(1, 5), np.array([[1], [4], [1]])
    check(lambda v, k: T.take_along_axis(v, k, 1), lambda a, k: np.take_along_axis(a, k, 1), x,
          fixed=(index,))  # fmt: skip
    v, k = T.dmatrix(), T.lmatrix()
    f = compiled([v, k], T.take_along_axis(v, k, 1))
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 1 with size 5"):
        f(x, np.array([[5]]))
    with pytest.raises(IndexError, match="broadcast"):
        f(floats(2, 5), np.zeros((3, 1), int))
    same(f(floats(0, 5), np.zeros((0, 2), int)), np.zeros((0, 2)))
    i = T.lvector()
    same(compiled([v, i], T.take_along_axis(v, i, None))(x, [4, 0]), x.ravel()[[4, 0]])
    same(compiled([v, i], T.put_along_axis(v, i, 1.5, None))(x, [4, 0]),
         np.array([[1.5, *x[0, 1:4], 1.5]]))  # fmt: skip
    with pytest.raises(ValueError):
        T.take_along_axis(v, i, 0)
    with pytest.raises(TypeError):
        T.take_along_axis(v, v, 0)


@pytest.mark.parametrize("mode", ["raise", "clip", "wrap"])
def test_choose(mode):
    choices = [floats(2, 3, seed=s) for s in range(3)]
    which = np.array([[0, 1, 2], [2, 2, 1]])
    if mode != "raise":
        which = np.array([[0, 7, -5], [3, 2, -1]])
    check(
        lambda a, b, c, k: T.choose(k, [a, b, c], mode=mode),
        lambda a, b, c, k: np.choose(k, [a, b, c], mode=mode),
        *choices, fixed=(which,),
    )  # fmt: skip
    check(
        lambda a, b, k: k[0].choose([a, b.sum(), 1.5], mode=mode) ** 2,
        lambda a, b, k: np.choose(k[0], [a, b.sum(), 1.5], mode=mode) ** 2,
        choices[0], choices[1], fixed=(which,), exact=False,
    )  # fmt: skip
    stacked = np.stack(choices)
    check(
        lambda a, k: T.choose(k, a, mode=mode),
        lambda a, k: np.choose(k, a, mode=mode),
        stacked, fixed=(which,),
    )  # fmt: skip


def test_choose_edges():
    a, b = T.dvector(), T.dvector()
    k = T.ivector()
    f = compiled([k, a, b], T.choose(k, [a, b]))
    i32 = np.array([1, 0, 1], "int32")
    same(f(i32, floats(3), floats(3, seed=1)), np.choose(i32, [floats(3), floats(3, seed=1)]))
    with pytest.raises(ValueError, match="invalid entry in choice array"):
        f(np.array([0, 2, 0], "int32"), floats(3), floats(3))
    with pytest.raises(ValueError, match="broadcast"):
        f(i32, floats(2), floats(3))
    same(f(np.zeros(0, "int32"), floats(0), floats(0)), np.zeros(0))
    with pytest.raises(TypeError):
        T.choose(a, [a, b])
    with pytest.raises(ValueError):
        T.choose(k, [a, b], mode="no")
    x = T.dmatrix()
    with pytest.raises(ValueError, match="invalid entry"):
        compiled([k, x], T.choose(k, x))(i32, floats(1, 3))
    # Gradient of a choice whose length is 1 only when running.
    ga, gb = compiled([k, a, b], T.grad(T.choose(k, [a, b]).sum(), [a, b]))(i32, [1.0], [1, 2, 3.0])
    same(ga, np.array([1.0]))
    same(gb, np.array([1.0, 0, 1]))


def test_compress_extract_select():
    x = floats(3, 4)
    for axis, condition in [(None, [0, 1, 1]), (0, [1, 0]), (1, [True, False, True, True])]:
        check(
            lambda v, c, axis=axis: T.compress(c, v, axis),
            lambda a, c, axis=axis: np.compress(c, a, axis),
            x, fixed=(np.array(condition),),
        )  # fmt: skip
    check(lambda v: v.compress([1, 0, 1], axis=0), lambda a: a.compress([1, 0, 1], axis=0), x)
    check(lambda v: T.extract(v > 0, v), lambda a: np.extract(a > 0, a), x)
    check(
        lambda v: T.select([v > 1, v > 0], [v * 2, v * 3], 7.0),
        lambda a: np.select([a > 1, a > 0], [a * 2, a * 3], 7.0),
        x, exact=False,
    )  # fmt: skip
    check(lambda v: T.where(v > 0, v, -v), lambda a: np.where(a > 0, a, -a), x)
    v, c = T.dvector(), T.ivector()
    with pytest.raises(IndexError):
        compiled([v, c], T.compress(c, v))(floats(2), [1, 0, 1])


def test_permutations():
    x = floats(4, 6)
    rng = np.random.default_rng(0)
    p = rng.permutation(6)
    rows = np.array([rng.permutation(6) for _ in range(4)])
    inverse = np.argsort(p)
    check(lambda v, k: T.permute_row_elements(v, k), lambda a, k: a[:, k], x, fixed=(p,))
    check(lambda v, k: T.permute_row_elements(v, k, True), lambda a, k: a[:, np.argsort(k)], x,
          fixed=(p,))  # fmt: skip
    check(lambda v, k: T.permute_row_elements(v, k), lambda a, k: np.take_along_axis(a, k, 1), x,
          fixed=(rows,))  # fmt: skip
    check(
        lambda v, k: T.permute_row_elements(v, k), lambda a, k: a[k], x[0], fixed=(p,),
    )  # fmt: skip
    k = T.lvector()
    same(T.inverse_permutation(k).eval({k: p}), inverse)
    m = T.lmatrix()
    same(T.inverse_permutation(m).eval({m: rows}), np.argsort(rows, axis=1))


def test_methods_set_and_inc():
    v = T.dvector()
    x = floats(4)
    got = compiled([v], [v[1:3].set(0.0), v[[0, 0]].inc(1.0), v[v > 0].set(0.0)])(x)
    same(got[0], np.array([x[0], 0, 0, x[3]]))
    same(got[1], np.array([x[0] + 2, *x[1:]]))
    same(got[2], np.minimum(x, 0))


def test_nonzero_as_an_index():
    x, mask = floats(3, 4), mask_of(3, 4)
    v, m = T.dmatrix(), T.TensorType("bool", (False,) * 2)()
    f = compiled(
        [v, m],
        [
            v[m.nonzero()],
            T.set_subtensor(v[m.nonzero()], 0.0),
            T.inc_subtensor(v[(v > 0).nonzero()], 10.0),
        ],
    )
    got = f(x, mask)
    same(got[0], x[mask])
    same(got[1], np.where(mask, 0, x))
    same(got[2], np.where(x > 0, x + 10, x))


def test_theano_names():
    x = floats(3, 4)
    v = T.dmatrix()
    index = T.lvector()
    ops = [
        (v[0], T.Subtensor), (v[index], T.AdvancedSubtensor1), (v[:, index], T.AdvancedSubtensor),
        (T.set_subtensor(v[1:], 0.0), T.IncSubtensor), (v[v > 0], T.AdvancedBooleanSubtensor),
        (T.inc_subtensor(v[index], 1.0), T.AdvancedIncSubtensor1), (v.T, T.DimShuffle),
        (T.inc_subtensor(v[:, index], 1.0), T.AdvancedIncSubtensor), (T.join(0, v, v), T.Join),
        (v.reshape((12,)), T.Reshape), (T.eye(index.shape[0]), T.Eye),
    ]  # fmt: skip
    classes = {c for _, c in ops}
    for out, cls in ops:
        assert [c for c in classes if isinstance(out.owner.op, c)] == [cls]
    assert isinstance(v[index].owner.op, T.BaseAdvancedSubtensor)
    i = T.lscalar()
    op = T.Subtensor([T.lscalar, slice(None, T.lscalar, 2)])
    assert isinstance(op, T.Subtensor)
    same(compiled([v, i], op(v, i, 3))(x, 1), x[1, :3:2])
    same(T.IncSubtensor([1], set_instead_of_inc=True)(v, 2.0).eval({v: x})[1], np.full(4, 2.0))
    same(T.AdvancedSubtensor1()(v, [2, 0]).eval({v: x}), x[[2, 0]])
    assert T.get_idx_list([v, i], [slice(T.lscalar)]) == (slice(None, i, None),)
    same(T.DimShuffle((False, False), (1, "x", 0))(v).eval({v: x}), x.T[:, None])
    assert len(T.Split(2)(v, 0, [1, 2])) == 2
    same(v[T.NoneConst, T.make_slice(0, i)].eval({v: x, i: 2}), x[None, 0:2])
    assert T.int_vector_types[2] is T.ivector and T.float_types == (T.fscalar, T.dscalar)
    assert float(T.numpy_scalar(np.array(1.5))) == 1.5
    for bad in (np.zeros(0), np.zeros(2)):
        with pytest.raises(T.NotScalarConstantError):
            T.numpy_scalar(bad)
    same(T.advanced_boolean_set_subtensor(v, 0.0, v > 0).eval({v: x}), np.minimum(x, 0))


@pytest.mark.parametrize("length", [0, 1, 5])
def test_canonical_slices(length):
    a, b, c, n = T.lscalars(4)
    s, direction = T.get_canonical_form_slice(slice(a, b, c), n)
    f = compiled([a, b, c, n], [s.start, s.stop, s.step, T.as_tensor_variable(direction)])
    items = np.arange(length)
    for start in range(-7, 8, 2):
        for stop in range(-7, 8):
            for step in (-3, -1, 1, 2):
                first, last, by, way = (int(z) for z in f(start, stop, step, length))
                assert 0 <= first <= last <= length and by > 0
                same(items[first:last:by][::way], items[start:stop:step])
    i, one = T.get_canonical_form_slice(a, n)
    assert int(i.eval({a: -2, n: 5})) == 3 and one == 1


@pytest.mark.parametrize("name", ["concatenate", "stack", "vstack", "hstack"])
def test_numpy_functions_that_join(name):
    x = floats(2, 3)
    v = T.dmatrix()
    same(getattr(np, name)([v, v * 2]).eval({v: x}), getattr(np, name)([x, x * 2]))


NUMPY_CALLS = [
    lambda x: np.where(x > 0, x, 0.0),
    lambda x: np.take(x, [2, 0], axis=1),
    lambda x: np.take(x, 3),
    lambda x: np.tile(x, (2, 2)),
    lambda x: np.repeat(x, 2, axis=0),
    lambda x: np.flip(x, 1),
    lambda x: np.fliplr(x),
    lambda x: np.flipud(x),
    lambda x: np.rot90(x, k=1),
    lambda x: np.roll(x, 1, axis=1),
    lambda x: np.pad(x, 1, mode="edge"),
    lambda x: np.pad(x, ((1, 0), (0, 2))),
    lambda x: np.broadcast_to(x, (2, 3, 4)),
    lambda x: np.diag(x),
    lambda x: np.diagonal(x, offset=1),
    lambda x: np.tril(x, -1),
    lambda x: np.triu(x),
    lambda x: np.nonzero(x)[1],
    lambda x: np.flatnonzero(x),
    lambda x: np.argwhere(x),
    lambda x: np.compress([True, False, True], x, axis=0),
    lambda x: np.extract(x > 0, x),
    lambda x: np.select([x > 1, x > 0], [x, -x], 3.0),
    lambda x: np.choose(np.array([0, 1, 1, 0]), [x[0], x[1]]),
    lambda x: np.take_along_axis(x, np.argsort(np.arange(12).reshape(3, 4)), axis=1),
    lambda x: np.column_stack([x[0], x[1]]),
    lambda x: np.dstack([x, x]),
    lambda x: np.array_split(x, 2)[0],
    lambda x: np.split(x, [1, 2], axis=1)[1],
    lambda x: np.atleast_3d(x),
    lambda x: np.atleast_2d(x[0]),
    lambda x: np.expand_dims(x, 1),
    lambda x: np.squeeze(x[:1, None], axis=1),
    lambda x: np.moveaxis(x, 0, 1),
    lambda x: np.rollaxis(x, 1),
    lambda x: np.swapaxes(x, 0, 1),
    lambda x: np.transpose(x, (1, 0)),
    lambda x: np.reshape(x, (2, 6)),
    lambda x: np.ravel(x),
    lambda x: np.full_like(x, 3.0),
    lambda x: np.meshgrid(x[0], x[1])[1],
    lambda x: np.broadcast_arrays(x, x[0])[1],
    lambda x: np.linspace(x[0], x[1], 5),
    lambda x: np.count_nonzero(x),
    lambda x: np.append(x, x, axis=0),
]


@pytest.mark.parametrize("call", NUMPY_CALLS)
def test_numpy_functions_over_variables(call):
    x = floats(3, 4)
    v = T.dmatrix()
    got = call(v)
    assert isinstance(got, T.Variable)
    value = phintys.function([v], got, on_unused_input="ignore")(x)
    want = call(x)
    assert value.shape == np.shape(want)
    np.testing.assert_allclose(value, want, rtol=1e-13)


def test_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 300)).astype("float32")
    rows, values = rng.integers(0, 7, 4000), rng.normal(size=(4000, 300)).astype("float32")
    flat, many = rng.integers(0, 50, 100_000), rng.normal(size=100_000).astype("float32")
    columns, wide = rng.integers(0, 300, 900), rng.normal(size=(500, 900)).astype("float32")
    mask = rng.random(x.shape) < 0.5
    v, k, w, c, u = T.fmatrix(), T.lvector(), T.fmatrix(), T.lvector(), T.fmatrix()
    m, j, t = T.TensorType("bool", (False,) * 2)(), T.lvector(), T.fvector()
    outs = [
        T.inc_subtensor(v[k], w), T.inc_subtensor(v[:, c], u), T.set_subtensor(v[k], w),
        v[m], T.inc_subtensor(v[m], v[m] * 2), T.nonzero(m)[1], T.inc_subtensor(v[0][j], t),
    ]  # fmt: skip
    f = compiled([v, k, w, c, u, m, j, t], outs)
    before = phintys.config.num_threads
    results = []
    try:
        for threads in (1, 2, 5):
            phintys.config.num_threads = threads
            results.append(f(x, rows, values, columns, wide, mask, flat, many))
    finally:
        phintys.config.num_threads = before
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.tobytes() == b.tobytes()
    want = x.copy()
    np.add.at(want, rows, values)
    assert results[0][0].tobytes() == want.tobytes()

"""Flips, diagonals, grids, padding and other functions of shapes, against NumPy."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_checks import check, compiled, floats, numbers, same, variable

VECTORS = [T.lvector, T.ivector]


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), ()])
def test_flip(axis):
    check(lambda v: T.flip(v, axis), lambda a: np.flip(a, axis), floats(2, 3, 4))


@pytest.mark.parametrize("k", range(-1, 6))
@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (2, 0), (-1, -2)])
def test_rot90(k, axes):
    same(
        T.rot90(T.as_tensor_variable(floats(2, 3, 4)), k, axes).eval(),
        np.rot90(floats(2, 3, 4), k, axes),
    )


def test_flips_and_axes():
    x = floats(2, 3, 4)
    check(T.flipud, np.flipud, x)
    check(T.fliplr, np.fliplr, x)
    check(lambda v: T.rot90(v, 3), lambda a: np.rot90(a, 3), x, modes=["FAST_RUN"])
    for axis in range(3):
        for start in range(-3, 4):
            same(
                T.rollaxis(T.as_tensor_variable(x), axis, start).eval(), np.rollaxis(x, axis, start)
            )
    with pytest.raises(ValueError):
        T.rollaxis(T.as_tensor_variable(x), 0, 5)
    with pytest.raises(ValueError):
        T.flip(T.dmatrix(), (0, 0))
    check(lambda v: T.roll(v, (1, -2), (0, 2)), lambda a: np.roll(a, (1, -2), (0, 2)), x)
    check(lambda v: T.roll(v, 5), lambda a: np.roll(a, 5), x)


def test_broadcasting():
    x, y = floats(3, 1), floats(4)
    check(lambda v: T.broadcast_to(v, (2, 5, 4)), lambda a: np.broadcast_to(a, (2, 5, 4)), y)
    n = T.lscalar()
    v, w = T.dcol(), T.dvector()
    a, b = T.broadcast_arrays(v, w)
    got = phintys.function([v, w], [a, b])(x, y)
    for g, wanted in zip(got, np.broadcast_arrays(x, y), strict=True):
        same(g, wanted)
    rows, columns = T.broadcast_shape(v, w)
    assert int(rows.eval({v: x})) == 3 and int(columns.eval({w: y})) == 4
    f = phintys.function([w, n], T.broadcast_to(w, (n, w.shape[0])))
    same(f(y, 3), np.broadcast_to(y, (3, 4)))
    with pytest.raises(ValueError):
        phintys.function([w, n], T.broadcast_to(w, (2, n)))(y, 3)
    with pytest.raises(ValueError):
        T.broadcast_to(v, (2,))


def test_joined_and_split_dimensions():
    x = floats(2, 3, 4, 5)
    check(lambda v: T.join_dims(v, 1, 2), lambda a: a.reshape(2, 12, 5), x)
    check(T.join_dims, np.ravel, x)
    check(lambda v: T.join_dims(v, 2, 0), lambda a: a.reshape(2, 3, 1, 4, 5), x)
    check(lambda v: T.split_dims(v, (2, -1), 2), lambda a: a.reshape(2, 3, 2, 2, 5), x)
    a, b, c = T.dmatrix(), T.dvector(), T.dtensor3()
    packed, shapes = T.pack(a, b, c)
    f = phintys.function([a, b, c], [packed, *T.unpack(packed, packed_shapes=shapes)])
    values = floats(2, 3), floats(4), floats(1, 2, 2)
    got = f(*values)
    same(got[0], np.concatenate([v.ravel() for v in values]))
    for g, v in zip(got[1:], values, strict=True):
        same(g, v)
    packed, shapes = T.pack(a, c, axes=[-1])
    got = phintys.function([a, c], T.unpack(packed, [-1], shapes))(floats(2, 3), floats(2, 2, 3))
    same(got[0], floats(2, 3))
    same(got[1], floats(2, 2, 3))


@pytest.mark.parametrize("offset", range(-4, 6))
def test_diagonals(offset):
    x = floats(3, 4)
    check(lambda v: T.diagonal(v, offset), lambda a: np.diagonal(a, offset), x)
    check(lambda v: T.diagonal(v, offset) * 2.0, lambda a: np.diagonal(a, offset) * 2.0, x)
    check(lambda v: T.diag(v, offset), lambda a: np.diag(a, offset), floats(3))
    y = floats(2, 3, 4, seed=1)
    for axes in [(0, 1), (1, 2), (2, 0), (-1, -2)]:
        check(
            lambda v, axes=axes: T.diagonal(v, offset, *axes),
            lambda a, axes=axes: np.diagonal(a, offset, *axes),
            y,
            modes=["FAST_RUN"],
        )


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "complex64", "float64"])
def test_diagonal_of_dtypes(dtype):
    x = numbers("float64", 3, 3).astype(dtype)
    v = variable(x)
    same(T.diagonal(v, 1).eval({v: x}), np.diagonal(x, 1))
    same(T.diag(v[0]).eval({v: x}), np.diag(x[0]))
    same(T.eye(3, 4, -1, dtype).eval(), np.eye(3, 4, -1, dtype))


def test_fill_diagonal():
    for shape in [(3, 3), (5, 3), (3, 5), (0, 2)]:
        x = floats(*shape)
        want = x.copy()
        for i in range(min(shape)):
            want[i, i] = 7.0
        v, k = T.dmatrix(), T.dscalar()
        out = T.fill_diagonal(v, k)
        same(compiled([v, k], out)(x, 7.0), want)
        for offset in (-4, -1, 0, 2, 5):
            by_index = x.copy()
            for i in range(shape[0]):
                if 0 <= i + offset < shape[1]:
                    by_index[i, i + offset] = 7.0
            same(compiled([v, k], T.fill_diagonal_offset(v, k, offset))(x, 7.0), by_index)
            o = T.iscalar()
            same(compiled([v, k, o], T.fill_diagonal_offset(v, k, o))(x, 7.0, offset), by_index)
    check(lambda v, k: T.fill_diagonal(v, k.sum()), _filled, floats(4, 3), floats(1, seed=2))
    cube = floats(3, 3, 3)
    want = cube.copy()
    np.fill_diagonal(want, 2.5)
    v = T.dtensor3()
    same(T.fill_diagonal(v, 2.5).eval({v: cube}), want)
    with pytest.raises(ValueError, match="equal length"):
        T.fill_diagonal(v, 2.5).eval({v: floats(2, 3, 3)})
    with pytest.raises(TypeError):
        T.fill_diagonal(T.imatrix(), 2.5)
    with pytest.raises(TypeError):
        T.fill_diagonal(T.dvector(), 2.5)


def _filled(a, k):
    a = a.copy()
    a[np.arange(3), np.arange(3)] = k.sum()
    return a


def test_eye_and_triangles():
    n, m, k = T.iscalar("n"), T.lscalar("m"), T.iscalar("k")
    f = phintys.function([n, m, k], [T.eye(n, m, k), T.tri(n, m, k), T.eye(n, m, k).shape])
    for a, b, c in [(3, 4, 0), (3, 4, 2), (4, 2, -3), (2, 2, 9), (0, 3, 0), (3, 0, 1), (1, 1, -1)]:
        got = f(a, b, c)
        same(got[0], np.eye(a, b, c))
        same(got[1], np.tri(a, b, c))
        assert list(got[2]) == [a, b]
    with pytest.raises(ValueError, match="negative"):
        f(-1, 2, 0)
    with pytest.raises(phintys.gradient.NullTypeGradError, match=r"input 0 \(n\) of the Eye"):
        T.grad(T.eye(n).sum(), n)
    x = floats(2, 3, 4)
    for by in (-2, 0, 1):
        check(lambda v, by=by: T.tril(v, by), lambda a, by=by: np.tril(a, by), x)
        check(lambda v, by=by: T.triu(v, by), lambda a, by=by: np.triu(a, by), x)
        for got, want in zip(T.tril_indices(3, by, 4), np.tril_indices(3, by, 4), strict=True):
            same(got.eval(), want)
        for got, want in zip(T.triu_indices(n, by), np.triu_indices(4, by), strict=True):
            same(got.eval({n: 4}), want)
    v = T.dmatrix()
    got = phintys.function([v], v[T.triu_indices_from(v, 1)])(x[0])
    same(got, x[0][np.triu_indices_from(x[0], 1)])


def test_ranges():
    for args in [(0, 1), (2.0, -3.0, 7), (1, 5, 1), (1, 5, 0), (-2, 2, 30)]:
        for endpoint in (True, False):
            want = np.linspace(*args, endpoint=endpoint)
            got = T.linspace(*args, endpoint=endpoint).eval()
            np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15)
            assert got.shape == want.shape
            if endpoint and got.size > 1:
                assert got[-1] == args[1]
            got = T.logspace(*args, endpoint=endpoint).eval()
            np.testing.assert_allclose(got, np.logspace(*args, endpoint=endpoint), rtol=1e-13)
    n = T.lscalar()
    a, b = floats(3), floats(2, 3, seed=4)
    v, w = T.dvector(), T.dmatrix()
    for axis in (0, 1, -1):
        got = T.linspace(v, w, n, axis=axis).eval({v: a, w: b, n: 5})
        np.testing.assert_allclose(got, np.linspace(a, b, 5, axis=axis), rtol=1e-13)
    same(T.linspace(0, 10, 4, dtype="int64").eval(), np.linspace(0, 10, 4, dtype="int64"))
    got, step = T.linspace(0.0, 1.0, 5, retstep=True)
    assert float(step.eval()) == 0.25
    for pair in [(1.0, 1000.0), (-1.0, -8.0), (100.0, 0.01)]:
        for endpoint in (True, False):
            got = T.geomspace(*pair, 4, endpoint=endpoint).eval()
            np.testing.assert_allclose(got, np.geomspace(*pair, 4, endpoint=endpoint), rtol=1e-13)
    check(lambda a, b: T.linspace(a, b, 6), lambda a, b: np.linspace(a, b, 6), floats(2, 3),
          floats(2, 3, seed=3), exact=False)  # fmt: skip
    assert T.linspace(T.fscalar(), T.fscalar(), 3, dtype="float32").dtype == "float32"
    with pytest.raises(ValueError):
        T.linspace(0, 1, -1)


def test_grids():
    a, b, c = np.arange(3.0), np.arange(4) * 2.0, np.array([5.0, 7.0])
    for indexing in ("xy", "ij"):
        for sparse in (False, True):
            for given_ in [(a,), (a, b), (a, b, c)]:
                got = T.meshgrid(*given_, indexing=indexing, sparse=sparse)
                want = np.meshgrid(*given_, indexing=indexing, sparse=sparse)
                for g, w in zip(got, want, strict=True):
                    same(g.eval(), w)
    same(T.indices((2, 3)).eval(), np.indices((2, 3)))
    same(T.mgrid[0:3, 1:7:2].eval(), np.mgrid[0:3, 1:7:2])
    np.testing.assert_allclose(T.mgrid[0:1:5j].eval(), np.mgrid[0:1:5j])
    for g, w in zip(T.ogrid[0:3, 1:7:2], np.ogrid[0:3, 1:7:2], strict=True):
        same(g.eval(), w)


def test_repeat_with_counts():
    x = floats(4, 3)
    counts = np.array([2, 0, 3, 1])
    check(lambda v, k: T.repeat(v, k, axis=0), lambda a, k: np.repeat(a, k, axis=0), x,
          fixed=(counts,))  # fmt: skip
    check(lambda v: T.repeat(v, counts, axis=0), lambda a: np.repeat(a, counts, axis=0), x)
    v, k = T.dmatrix(), T.ivector()
    f = phintys.function([v, k], [v.repeat(k, axis=1), v.repeat(k, axis=1).shape])
    for by in ([0, 0, 0], [1, 2, 3], [5, 0, 0]):
        got, shape = f(x, np.array(by, "int32"))
        same(got, np.repeat(x, by, axis=1))
        assert tuple(shape) == got.shape
    with pytest.raises(ValueError, match="negative"):
        f(x, np.array([1, -1, 2], "int32"))
    with pytest.raises(ValueError):
        f(x, np.array([1, 2], "int32"))
    flat = phintys.function([v, k], v.repeat(k))
    same(flat(x, np.arange(12, dtype="int32")), np.repeat(x, np.arange(12)))
    same(flat(np.zeros((0, 3)), np.zeros(0, "int32")), np.zeros(0))


def test_splits_and_stacks():
    x = floats(7, 3)
    v = T.dmatrix()
    for how in (1, 2, 3, 8, [2, 5], [3], []):
        got = phintys.function([v], T.array_split(v, how))(x)
        for g, w in zip(got, np.array_split(x, how), strict=True):
            same(g, w)
    a, b = floats(2, 3), floats(2, 3, seed=1)
    for name in ("vstack", "hstack", "dstack", "column_stack"):
        check(
            lambda p, q, name=name: getattr(T, name)([p, q]),
            lambda p, q, name=name: getattr(np, name)([p, q]),
            a, b,
        )  # fmt: skip
        check(
            lambda p, q, name=name: getattr(T, name)([p, q]),
            lambda p, q, name=name: getattr(np, name)([p, q]),
            a[0], b[0],
        )  # fmt: skip


PAD_MODES = [
    ("constant", {}),
    ("constant", {"constant_values": 2.5}),
    ("constant", {"constant_values": ((1.0, 2.0), (3.0, 4.0))}),
    ("edge", {}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "odd"}),
    ("wrap", {}),
    ("linear_ramp", {}),
    ("linear_ramp", {"end_values": ((1.0, -2.0), (0.5, 3.0))}),
    ("maximum", {}),
    ("minimum", {"stat_length": 2}),
    ("mean", {}),
    ("mean", {"stat_length": ((1, 2), (3, 9))}),
]


@pytest.mark.parametrize(("mode", "options"), PAD_MODES)
@pytest.mark.parametrize(
    "width", [2, (1, 3), ((0, 2), (3, 1)), ((0, 0), (1, 0)), ((9, 8), (7, 11))]
)
def test_pad(mode, options, width):
    x = floats(3, 4)
    if mode == "constant" and "constant_values" in options and np.ndim(width) == 0:
        width = ((1, 2), (0, 3))
    check(
        lambda v: T.pad(v, width, mode, **options),
        lambda a: np.pad(a, width, mode, **options),
        x,
        exact=False,
        modes=["FAST_RUN", "FAST_COMPILE"] * 2,
    )
    i = numbers("int64", 3, 4)
    v = T.lmatrix()
    same(T.pad(v, width, mode, **options).eval({v: i}), np.pad(i, width, mode, **options))


def test_pad_with_symbolic_widths_and_errors():
    x = floats(5)
    v, n, m = T.dvector(), T.lscalar(), T.lscalar()
    for mode in ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean"):
        f = phintys.function([v, n, m], T.pad(v, (n, m), mode))
        for a, b in [(2, 3), (0, 0), (11, 0)]:
            np.testing.assert_allclose(f(x, a, b), np.pad(x, (a, b), mode), rtol=1e-13)
    with pytest.raises(ValueError):
        T.pad(v, -1)
    with pytest.raises(ValueError):
        T.pad(v, 1, "nonsense")
    with pytest.raises(ValueError):
        T.pad(v, 1, "edge", constant_values=3)
    with pytest.raises(TypeError):
        T.pad(v, 1.5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_reshape_family(data):
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    x = np.arange(np.prod(shape)).reshape(shape).astype("float64")
    v = variable(x)
    order = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    other = data.draw(st.integers(-len(shape), len(shape) - 1))
    times = data.draw(st.integers(0, 3))
    outs = [
        (T.transpose(v, order), x.transpose(order)),
        (T.moveaxis(v, axis, other), np.moveaxis(x, axis, other)),
        (T.swapaxes(v, axis, other), x.swapaxes(axis, other)),
        (T.expand_dims(v, axis), np.expand_dims(x, axis)),
        (T.repeat(v, times, axis % len(shape)), np.repeat(x, times, axis)),
        (T.tile(v, (times, 2)), np.tile(x, (times, 2))),
        (T.roll(v, times - 1, axis), np.roll(x, times - 1, axis)),
        (T.flip(v, axis), np.flip(x, axis)),
        (v.flatten(), x.ravel()),
        (T.stack([v, v * 2], axis), np.stack([x, x * 2], axis)),
        (T.concatenate([v, v * 2], axis), np.concatenate([x, x * 2], axis)),
    ]
    got = phintys.function([v], [out for out, _ in outs])(x)
    for g, (_, want) in zip(got, outs, strict=True):
        same(g, want)


def test_specify_shape_with_variables():
    x, n = T.dmatrix(), T.lscalar()
    f = compiled([x, n], T.specify_shape(x, (n, None)) * 2.0)
    same(f(floats(2, 3), 2), floats(2, 3) * 2)
    with pytest.raises(AssertionError):
        f(floats(2, 3), 3)
    assert T.specify_shape(x, (2, n)).type.shape == (2, None)
    y = T.dmatrix()
    same(compiled([x, y], T.specify_shape(x, y.shape))(floats(2, 3), floats(2, 3)), floats(2, 3))
    g = T.grad((T.specify_shape(x, (n, 3)) ** 2).sum(), x)
    np.testing.assert_allclose(compiled([x, n], g)(floats(2, 3), 2), 2 * floats(2, 3))
    with pytest.raises(ValueError):
        T.specify_shape(x, (2, 3, 4))


def test_gradients_of_lengths_that_are_one_when_running():
    x = floats(1)
    check(lambda v: T.broadcast_to(v, (3, 4)) ** 2, lambda a: np.broadcast_to(a, (3, 4)) ** 2, x,
          exact=False)  # fmt: skip
    check(lambda v: T.alloc(v, 2, 3, 4) ** 2, lambda a: np.broadcast_to(a, (2, 3, 4)) ** 2,
          floats(3, 1), exact=False)  # fmt: skip


def test_constants_are_found():
    x, row = T.dmatrix(), T.drow()
    fixed = T.TensorType("float64", shape=(3, 4))()
    found = [
        (T.as_tensor_variable([1, 2, 3])[1], 2), (row.shape[0], 1), (fixed.shape[1], 4),
        (fixed.size, 12), (T.constant(2) + 3, 5), (T.cast(T.constant(2) * 3.5, "float32"), 7.0),
        (T.stack([T.constant(1), x.shape[0]])[0], 1), (T.alloc(3.0, x.shape[0]), 3.0),
        (T.join(0, x.shape, T.as_tensor_variable([3]))[-1], 3), (T.zeros_like(x), 0.0),
        (T.constant([7]).reshape(()), 7), (T.minimum(T.constant(3), T.constant(2)), 2),
    ]  # fmt: skip
    for v, value in found:
        assert T.get_scalar_constant_value(v) == value
        assert T.extract_constant(v) == value
    for v in (x.shape[0], x, T.as_tensor_variable([1, 2]), x.shape[0] + 1, T.lscalar()):
        assert T.extract_constant(v) is v
        with pytest.raises(T.NotScalarConstantError):
            T.get_scalar_constant_value(v)
    with pytest.raises(T.NotScalarConstantError):
        T.get_scalar_constant_value(T.constant(2) + 3, elemwise=False)
    with pytest.raises(T.EmptyConstantError):
        T.get_scalar_constant_value(T.constant(np.zeros(0)))
    assert T.get_vector_length(T.join(0, x.shape, x.shape)) == 4
    assert T.get_vector_length(T.arange(4)[1:]) == 3
    with pytest.raises(ValueError):
        T.get_vector_length(T.dvector())


@pytest.mark.parametrize("prefix", ["", *"bwilfdcz"])
def test_constructors(prefix):
    dtypes = dict(zip("bwilfdcz", "int8 int16 int32 int64 float32 float64 complex64 "
                      "complex128".split(), strict=True))  # fmt: skip
    kinds = {"scalar": (), "vector": (0,), "row": (1, 0), "col": (0, 1), "matrix": (0, 0)}
    kinds.update({f"tensor{n}": (0,) * n for n in range(3, 8)})
    for kind, pattern in kinds.items():
        v = getattr(T, prefix + kind)("name")
        assert v.name == "name" and v.dtype == dtypes.get(prefix, phintys.config.floatX)
        assert v.broadcastable == tuple(map(bool, pattern))
        several = getattr(T, prefix + ("matrices" if kind == "matrix" else kind + "s"))
        a, b = several("a", "b")
        assert (a.name, b.name, a.type, b.type) == ("a", "b", v.type, v.type)
        assert len(several(3)) == 3

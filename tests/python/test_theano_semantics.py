"""What programs of Theano rely on, rule by rule: types, dtypes, gradients, indexing, networks.

Each test states one rule. Where Theano has a bug, NumPy's meaning is the rule.
"""

from collections import OrderedDict

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import errors, gradient

N, Y = False, True


def value(expression, *givens):
    """The value of an expression; inputs and their values follow in turn."""
    given = dict(zip(givens[::2], givens[1::2], strict=True))
    return expression.eval(given, on_unused_input="ignore")


@pytest.fixture
def float32():
    with phintys.change_flags(floatX="float32"):
        yield


# --- types and broadcasting --------------------------------------------------------------------


def test_broadcasting_is_part_of_the_type():
    row, col, matrix = T.row(), T.col(), T.matrix()
    assert row.broadcastable == (Y, N) and col.broadcastable == (N, Y)
    assert (row + matrix).broadcastable == (N, N)
    assert (col + row).broadcastable == (N, N)
    assert (row + row).broadcastable == (Y, N)
    got = value(col + row, col, [[1.0], [2.0]], row, [[10.0, 20.0]])
    assert got.tolist() == [[11, 21], [12, 22]]


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_length_one_at_run_time_does_not_broadcast(mode):
    x, y = T.dmatrices("x", "y")
    f = phintys.function([x, y], x + y, mode=mode)
    with pytest.raises(ValueError, match=r"(?s)2.*3.*1.*3"):
        f(np.ones((2, 3)), np.ones((1, 3)))


def test_a_row_takes_one_row():
    row = T.drow("r")
    f = phintys.function([row], row * 2)
    with pytest.raises(TypeError, match="Non-unit value on shape on a broadcastable dimension"):
        f(np.ones((2, 3)))


def test_shared_arrays_do_not_broadcast_constants_do():
    ones = np.ones((1, 3))
    assert phintys.shared(ones).broadcastable == (N, N)
    assert phintys.shared(ones, broadcastable=(True, False)).broadcastable == (Y, N)
    assert T.as_tensor_variable(ones).broadcastable == (Y, N)
    assert T.constant(ones).broadcastable == (Y, N)


def test_broadcasting_of_shape_functions():
    x, i = T.dmatrix(), T.iscalar()
    assert x.reshape((1, -1)).broadcastable == (Y, N)
    assert x[0:1].broadcastable == (N, N)
    assert x.sum(axis=0, keepdims=True).broadcastable == (Y, N)
    assert T.zeros((1, 3)).broadcastable == (Y, N)
    assert T.alloc(0.0, i, 1).broadcastable == (N, Y)


def test_broadcasting_of_joins():
    row, matrix = T.row(), T.matrix()
    assert T.concatenate([row, row], axis=0).broadcastable == (N, N)
    assert T.join(1, row, matrix).broadcastable == (Y, N)


def test_a_dimension_that_may_be_long_cannot_be_dropped():
    with pytest.raises(ValueError, match="drop a non-broadcastable dimension"):
        T.matrix().dimshuffle(0)
    assert T.col().dimshuffle(0).ndim == 1


def test_new_axes_with_trailing_dimensions_left_out():
    m = T.dmatrix()
    a = np.arange(6.0).reshape(2, 3)
    for index in [(slice(None), None), None, (slice(None), None, slice(None)), (Ellipsis, None)]:
        np.testing.assert_array_equal(value(m[index], m, a), a[index])


def test_addbroadcast_is_checked_at_run_time():
    x = T.dmatrix("x")
    y = T.addbroadcast(x, 0)
    assert y.broadcastable == (Y, N)
    assert value(y, x, np.ones((1, 3))).shape == (1, 3)
    with pytest.raises(ValueError, match=r"(?s)imension 0.*1.*2"):
        value(y * 2, x, np.ones((2, 3)))
    assert T.unbroadcast(T.row(), 0).broadcastable == (N, N)
    assert T.patternbroadcast(x, (False, True)).broadcastable == (N, Y)


def test_equality_is_identity_and_order_is_elementwise():
    x, y = T.dvectors("x", "y")
    assert (x == x) is True and (x == y) is False and (x != y) is True
    assert {x: 1}[x] == 1
    assert (x < y).dtype == "bool"
    assert bool(x) is True
    for comparison in (x < y, x <= y, x > y, x >= y):
        with pytest.raises(TypeError, match="Variables do not support boolean operations"):
            bool(comparison)
    with pytest.raises(TypeError):
        x < y < x  # noqa: B015
    with pytest.raises(TypeError):
        len(x)


def test_iteration_needs_a_known_length():
    x = T.dmatrix("x")
    with pytest.raises(TypeError, match="TensorType does not support iteration"):
        iter(x)
    rows, columns = x.shape
    assert value(rows * 10 + columns, x, np.ones((2, 3))) == 23


def test_variables_have_no_item_assignment():
    x = T.dvector()
    with pytest.raises((AttributeError, TypeError)):
        x[0] = 1
    assert value(T.set_subtensor(x[0], 1), x, [5.0, 6.0]).tolist() == [1, 6]


def test_names_of_variables_and_types():
    assert str(T.vector("v")) == "v"
    assert str(T.dvector()) == "<TensorType(float64, vector)>"
    names = {
        "scalar": (), "vector": (N,), "row": (Y, N), "col": (N, Y), "matrix": (N, N),
        "3D": (N,) * 3, "(True, False, True)": (Y, N, Y),
    }  # fmt: skip
    for name, pattern in names.items():
        assert str(T.TensorType("float64", pattern)) == f"TensorType(float64, {name})"
    assert str(T.constant(1.0)) == "TensorConstant{1.0}"
    assert str(T.dvector("a") + 1).startswith("Elemwise{add,no_inplace}")


# --- dtypes ------------------------------------------------------------------------------------

PROMOTIONS = [
    ("int8", "float32", "float32"), ("int16", "float32", "float32"), ("bool", "float32", "float32"),
    ("int32", "float32", "float64"), ("int64", "float32", "float64"),
    ("uint64", "float32", "float64"), ("int64", "float16", "float64"), ("uint8", "int8", "int16"),
    ("uint32", "int32", "int64"), ("uint64", "int64", "float64"),
    ("int32", "complex64", "complex128"), ("int8", "int8", "int8"),
]  # fmt: skip


@pytest.mark.parametrize("a, b, expected", PROMOTIONS)
@pytest.mark.parametrize("floatX", ["float64", "float32"])
def test_promotion_of_variables(a, b, expected, floatX):
    with phintys.change_flags(floatX=floatX):
        for ndims in [(0, 0), (0, 1), (1, 0), (2, 2)]:
            x, y = (T.TensorType(d, (False,) * n)() for d, n in zip((a, b), ndims, strict=True))
            assert (x + y).dtype == expected


def test_small_integers_wrap():
    x = T.bvector()
    assert value(x + x, x, np.array([100], "int8")).tolist() == [-56]


def test_policy_numpy_floatX(float32):
    with phintys.change_flags(cast_policy="numpy+floatX"):
        i, x = T.lvector(), T.fvector()
        assert (i + x).dtype == "float32"
        assert T.dot(i, x).dtype == T.switch(i, i, x).dtype == T.add(i, x).dtype == "float32"
        assert value(i + x, i, [1, 2], x, np.array([0.5, 1], "float32")).tolist() == [1.5, 3]
        assert (T.dvector() + x).dtype == (T.dvector() + i).dtype == "float64"
        assert (i + 1).dtype == "int64" and (x * 0.1).dtype == "float32"
        assert T.constant(0.1).dtype == "float32" and T.constant(3).dtype == "int64"


def test_floatX_does_not_prevent_float64(float32):
    i = T.iscalar()
    assert (i * 0.1).dtype == "float64"
    assert T.exp(i).dtype == "float64"
    assert T.ivector().mean().dtype == "float64"
    assert phintys.shared(0.1).dtype == phintys.shared(np.ones(2)).dtype == "float64"
    for narrow in (T.scalar(), T.zeros(3), T.arange(3.0), i / i, T.constant(0.1)):
        assert narrow.dtype == "float32"


def test_numbers_take_the_smallest_type():
    b, u, h, f = T.bvector(), T.vector(dtype="uint8"), T.vector(dtype="float16"), T.fvector()
    assert T.constant(300).dtype == "int16" and T.constant(1.5).dtype == "float32"
    assert T.constant(0.1).dtype == "float64"
    assert (b + 300).dtype == "int16" and (b + 100000).dtype == "int32"
    assert (u - 1).dtype == "int16"
    assert (h + 1.5).dtype == "float32" and (f * 1.5).dtype == "float32"
    assert (f * np.float64(2)).dtype == "float64" and (f + np.float32(1)).dtype == "float32"
    assert T.constant(True).dtype == "int8"
    with pytest.raises(TypeError):
        b + True


def test_numbers_with_narrow_floatX(float32):
    assert T.constant(0.1).dtype == "float32"
    assert (T.fvector() * 0.1).dtype == "float32"


def test_division():
    i, b = T.ivector(), T.bvector()
    assert (i / i).dtype == "float64" and (b / b).dtype == "float64"
    x, y = T.lscalars("x", "y")
    assert value(x // y, x, -7, y, 2) == -4 and value(x % y, x, -7, y, 2) == 1
    assert (i // i).dtype == "int32"
    with phintys.change_flags(floatX="float32"):
        assert (b / b).dtype == "float32"


def test_floating_functions_of_integers():
    assert T.exp(T.bvector()).dtype == T.exp(T.wvector()).dtype == "float32"
    assert T.exp(T.ivector()).dtype == T.exp(T.lvector()).dtype == "float64"
    for function in (T.floor, T.ceil, T.round, T.trunc):
        with pytest.raises(TypeError):
            function(T.ivector())


def test_booleans():
    x = T.dvector()
    flag = x > 0
    for result in (flag, T.isnan(x), T.any(flag), T.all(flag), ~flag, T.and_(flag, flag)):
        assert result.dtype == "bool"
    with pytest.raises(TypeError):
        flag - flag


def test_accumulators_of_reductions():
    def of(dtype):
        return T.TensorType(dtype, (False,))()

    for dtype in ("bool", "int8", "int16", "int32"):
        assert of(dtype).sum().dtype == of(dtype).prod().dtype == "int64"
    assert of("uint8").sum().dtype == "uint64"
    for dtype in ("float16", "float32", "float64"):
        assert of(dtype).sum().dtype == of(dtype).mean().dtype == dtype
    assert of("bool").mean().dtype == of("int8").mean().dtype == "float64"
    h = of("float16")
    # A float16 accumulator would stop growing at 2048.
    assert value(h.sum(), h, np.ones(4096, "float16")) == 4096
    f = of("float32")
    assert f.sum(dtype="float64").dtype == "float64"
    assert f.sum(acc_dtype="float64").dtype == "float32"
    x = T.dvector()
    assert value(x.sum(), x, []) == 0 and value(x.prod(), x, []) == 1
    with np.errstate(all="ignore"):
        assert np.isnan(value(x.mean(), x, []))


def test_argmax_and_max_of_nothing():
    x = T.dmatrix()
    index = x.argmax()
    assert index.dtype == "int64" and index.ndim == 0
    assert value(index, x, [[1.0, 3.0], [3.0, 0.0]]) == 1
    v = T.dvector()
    with pytest.raises(ValueError):
        value(v.max(), v, [])


def test_nan_wins():
    x, y = T.dvectors("x", "y")
    for result in (x.max(), x.min()):
        assert np.isnan(value(result, x, [1.0, np.nan, 2.0]))
    for function in (T.maximum, T.minimum):
        got = value(function(x, y), x, [np.nan, 1.0], y, [1.0, np.nan])
        assert np.isnan(got).all()


def test_dtypes_of_creation():
    assert T.arange(3).dtype == "int64" and T.arange(3.0).dtype == "float64"
    assert T.dmatrix().shape.dtype == "int64"
    for created in (T.zeros(3), T.ones((2, 2)), T.eye(3)):
        assert created.dtype == phintys.config.floatX
    assert T.alloc(0.0, 2, 3).dtype == "float32"


def test_casts():
    z, x = T.zvector(), T.dvector()
    with pytest.raises(TypeError):
        T.cast(z, "float64")
    assert T.cast(x, "floatX").dtype == phintys.config.floatX
    assert value(T.cast(x, "bool"), x, [0.0, 0.5, -3.0]).tolist() == [False, True, True]
    assert value(T.cast(x, "uint8"), x, [3.9, 255.0]).tolist() == [3, 255]


def test_dtypes_of_switch():
    c = T.bscalar()
    assert T.switch(c, 1, 0).dtype == "int8"
    assert T.switch(c, 1.0, 0).dtype == "float32"
    assert T.where(c, T.lvector(), T.fvector()).dtype == "float64"


def test_round_is_half_to_even():
    x = T.dvector()
    assert value(T.round(x), x, [0.5, 1.5, 2.5, -0.5]).tolist() == [0, 2, 2, -0.0]
    away = T.round(x, mode="half_away_from_zero")
    assert value(away, x, [0.5, 1.5, -0.5]).tolist() == [1, 2, -1]


def test_indices_are_integers():
    x = T.dvector()
    with pytest.raises(TypeError, match="index must be integers or a boolean mask"):
        x[T.dvector()]
    mask = T.bvector()
    got = value(x[mask], x, [5.0, 6.0, 7.0], mask, np.array([1, 0, 1], "int8"))
    assert got.tolist() == [6, 5, 6]


def test_integers_to_negative_powers():
    x, y = T.lvectors("x", "y")
    with pytest.raises(ValueError):
        value(x**y, x, [2, 3], y, [1, -1])


# --- gradients ---------------------------------------------------------------------------------


def test_cost_and_containers():
    x, y = T.dscalars("x", "y")
    with pytest.raises(TypeError, match="cost must be a scalar"):
        phintys.grad(T.dvector(), x)
    cost = x * y
    assert isinstance(phintys.grad(cost, [x]), list) and isinstance(phintys.grad(cost, (x,)), tuple)
    assert isinstance(phintys.grad(cost, x), phintys.Variable)
    with pytest.raises(TypeError):
        phintys.grad(cost, {x})
    middle = x * 3
    assert value(phintys.grad(middle**2, middle), x, 2.0) == 12


def test_integers_have_real_gradients():
    i, j, x = T.iscalar(), T.ivector(), T.dvector()
    assert value(phintys.grad(T.cast(i, "float64") * 2.0, i), i, 1) == 2
    g = phintys.grad((j * 2.5).sum(), j)
    assert g.dtype == "float64" and value(g, j, [1, 2]).tolist() == [2.5, 2.5]
    assert value(phintys.grad(j.sum(), j), j, [1, 2]).tolist() == [0, 0]
    assert value(phintys.grad(T.cast(x.sum(), "int64"), x), x, [1.0, 2.0]).tolist() == [0, 0]
    through = phintys.grad((T.cast(x, "int64") * 2.0).sum(), x)
    assert value(through, x, [1.5, 2.5]).tolist() == [0, 0]


def test_disconnected_inputs():
    x, y = T.dscalar(), T.dvector()
    with pytest.raises(errors.DisconnectedInputError):
        phintys.grad(x, y)
    zero = phintys.grad(x, y, disconnected_inputs="ignore")
    assert value(zero, y, [1.0, 2.0]).tolist() == [0, 0]
    with pytest.warns(UserWarning):
        phintys.grad(x, y, disconnected_inputs="warn")
    options = {"disconnected_inputs": "ignore"}
    assert phintys.grad(x, y, return_disconnected="None", **options) is None
    none = phintys.grad(x, y, return_disconnected="Disconnected", **options)
    assert isinstance(none.type, gradient.DisconnectedType)


def test_undefined_gradients():
    i = T.dscalar("i")
    cost = T.eye(T.cast(i, "int64")).sum()
    n = T.iscalar("n")
    with pytest.raises(gradient.NullTypeGradError, match=r"(?i)undefined"):
        phintys.grad(T.eye(n).sum(), n)
    null = phintys.grad(T.eye(n).sum(), n, null_gradients="return")
    assert isinstance(null.type, phintys.gof.NullType)
    assert cost.ndim == 0


def test_gradients_at_kinks():
    x, y = T.dvectors("x", "y")

    def slope(expression, at, wrt=x, *others):
        return value(phintys.grad(expression.sum(), wrt), x, at, *others).tolist()

    assert slope(T.nnet.relu(x), [0.0, -1.0, 1.0]) == [0.5, 0, 1]
    assert slope(abs(x), [0.0, -2.0]) == [0, -1]
    assert slope(T.maximum(x, y), [1.0], x, y, [1.0]) == [1]
    assert slope(T.maximum(x, y), [1.0], y, y, [1.0]) == [0]
    assert slope(x.max(), [2.0, 1.0, 2.0]) == [1, 0, 1]
    assert slope(T.clip(x, 0.0, 1.0), [0.0, 1.0, 2.0, 0.5]) == [1, 1, 0, 1]
    for function in (T.floor, T.ceil, T.round, T.trunc, T.sgn):
        assert slope(function(x), [0.3, 1.0]) == [0, 0]
    assert slope(T.sqrt(x), [0.0]) == [np.inf]
    assert slope(x.prod(), [6.0, 0.0, 2.0]) == [0, 12, 0]
    assert slope(x.prod(), [6.0, 0.0, 0.0]) == [0, 0, 0]
    assert slope(x**y, [0.0], y, y, [2.0]) == [0]


def test_functions_that_change_gradients():
    x, y = T.dscalars("x", "y")
    assert value(phintys.grad(x * y, x, consider_constant=[y]), y, 3.0) == 3
    with pytest.raises(errors.DisconnectedInputError):
        phintys.grad(x * y, y, consider_constant=[y])
    assert value(phintys.grad(gradient.disconnected_grad(x) * x, x), x, 3.0) == 3
    with pytest.raises(errors.DisconnectedInputError):
        phintys.grad(gradient.disconnected_grad(x), x)
    assert value(phintys.grad(gradient.zero_grad(x), x), x, 3.0) == 0
    assert value(phintys.grad(gradient.grad_clip(x, -1, 1) * 5, x), x, 3.0) == 1
    assert value(phintys.grad(gradient.grad_scale(x, -2) * 5, x), x, 3.0) == -10


def test_known_grads():
    x = T.dvector()
    y, z = x * 2, x * 3
    known = OrderedDict([(y, T.constant([1.0, 2.0])), (z, T.constant([10.0, 20.0]))])
    got = phintys.grad(None, x, known_grads=known)
    assert value(got, x, [0.0, 0.0]).tolist() == [32, 64]


def test_jacobian_and_hessian():
    x, m = T.vector(dtype="float64", shape=(2,)), T.dmatrix()
    got = gradient.jacobian(x**2, x)
    assert value(got, x, [1.0, 2.0]).tolist() == [[2, 0], [0, 4]]
    assert value(gradient.jacobian((x**2).sum(), x), x, [1.0, 2.0]).tolist() == [2, 4]
    assert isinstance(gradient.jacobian(x**2, [x]), list)
    assert value(gradient.hessian((x**3).sum(), x), x, [1.0, 2.0]).tolist() == [[6, 0], [0, 12]]
    with pytest.raises(AssertionError):
        gradient.jacobian(m, m)
    with pytest.raises(AssertionError):
        gradient.hessian(m.sum(), m)


def test_Rop():
    x, v = T.dvectors("x", "v")
    assert value(phintys.Rop(x**2, x, v), x, [3.0], v, [5.0]).tolist() == [30]
    with pytest.raises(ValueError):
        phintys.Rop(x**2, x, T.dmatrix())
    other = T.dvector()
    with pytest.raises(ValueError):
        phintys.Rop(other, x, v)
    options = {"disconnected_outputs": "ignore"}
    assert phintys.Rop(other, x, v, return_disconnected="None", **options) is None
    none, squares = phintys.Rop([other, x**2], x, v, return_disconnected="Disconnected", **options)
    assert isinstance(none.type, gradient.DisconnectedType) and squares.ndim == 1
    with pytest.warns(UserWarning):
        zero = phintys.Rop(other, x, v, disconnected_outputs="warn")
    assert value(zero, other, [1.0, 2.0]).tolist() == [0, 0]


def test_names_of_gradients():
    x = T.dscalar("x")
    cost = x**2
    cost.name = "cost"
    assert phintys.grad(cost, x).name == "(dcost/dx)"
    assert phintys.grad(cost, x, add_names=False).name is None


def test_verify_grad():
    rng = np.random.RandomState(1)
    gradient.verify_grad(T.tanh, [np.array([0.1, 0.2])], rng=rng)

    def wrong(x):
        return gradient.grad_scale(x**2, 3)

    with pytest.raises(gradient.GradientError, match=r"(?s)exceed tolerance.*At position 1 of"):
        gradient.verify_grad(wrong, [np.array([1e-9, 2.0])], rng=rng)


# --- indexing ----------------------------------------------------------------------------------


def test_set_and_inc_subtensor():
    x, y, i = T.dvector(), T.dvector(), T.ivector()
    with pytest.raises(TypeError, match="x must be the result of a subtensor operation"):
        T.set_subtensor(x, y)
    with pytest.raises(ValueError):
        T.set_subtensor(x[:2], T.dmatrix())
    stored = T.set_subtensor(i[0], 2.7)
    assert stored.dtype == "int32" and value(stored, i, [5, 6]).tolist() == [2, 6]
    where = [0, 0, 1]
    zeros = T.zeros(3)
    assert value(T.inc_subtensor(zeros[where], 1.0)).tolist() == [2, 1, 0]
    assert value(T.set_subtensor(zeros[where], T.constant([1.0, 2.0, 3.0]))).tolist() == [2, 3, 0]
    m = T.dmatrix()
    nested = T.set_subtensor(m[0][1], 9.0)
    assert value(nested, m, [[1.0, 2.0], [3.0, 4.0]]).tolist() == [1, 9]


def test_advanced_indexing_is_numpys():
    x = T.dtensor3()
    a = np.arange(24.0).reshape(2, 3, 4)
    rows, columns = np.array([1, 0, 1]), np.array([3, 0, 2])
    for index in [
        (rows,), (rows, slice(None), columns), (slice(None), np.array([2, 0])),
        (rows, np.array([0, 1, 2]), columns), (0, slice(None), columns), a[:, :, 0] > 4,
        (rows[:, None], np.array([0, 2])), (Ellipsis, columns),
    ]:  # fmt: skip
        np.testing.assert_array_equal(value(x[index], x, a), a[index])
    np.testing.assert_array_equal(value(x[x > 5], x, a), a[a > 5])
    np.testing.assert_array_equal(value(x[(x > 5).nonzero()], x, a), a[a > 5])
    g = phintys.grad(x[[0, 0, 1]].sum(), x)
    assert value(g, x, a)[:, 0, 0].tolist() == [2, 1]


def test_bounds_of_indices():
    x, i, j = T.dvector(), T.lscalar(), T.lvector()
    for result in (x[i], x[j], T.set_subtensor(x[i], 1.0)):
        with pytest.raises(IndexError):
            value(result, x, [1.0, 2.0], i, 2, j, [0, 5])
    a = np.arange(7.0)
    for start in (-9, -3, 0, 2, 9):
        np.testing.assert_array_equal(value(x[i:], x, a, i, start), a[start:])
        np.testing.assert_array_equal(value(x[i::-2], x, a, i, start), a[start::-2])


def test_take_choose_nonzero():
    x, i = T.dvector(), T.lvector()
    a, where = np.arange(4.0), np.array([-5, 1, 6])
    for mode in ("clip", "wrap"):
        got = value(T.take(x, i, mode=mode), x, a, i, where)
        np.testing.assert_array_equal(got, np.take(a, where, mode=mode))
    with pytest.raises(IndexError):
        value(T.take(x, i), x, a, i, where)
    m = T.dmatrix()
    found = m.nonzero()
    assert isinstance(found, tuple) and [v.dtype for v in found] == ["int64"] * 2
    chosen = T.choose(i, [T.constant([1, 2, 3]), T.constant([4, 5, 6])])
    assert value(chosen, i, [1, 0, 1]).tolist() == [4, 2, 6]


# --- networks, numerics, modes -------------------------------------------------------------------


def test_conv2d_flips_its_filters():
    x, w = T.dtensor4(), T.dtensor4()
    a = np.zeros((1, 1, 3, 3))
    a[0, 0, 1, 1] = 1
    k = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_allclose(value(T.nnet.conv2d(x, w, border_mode="half"), x, a, w, k), k)
    crossed = T.nnet.conv2d(x, w, border_mode="half", filter_flip=False)
    np.testing.assert_allclose(value(crossed, x, a, w, k), k[..., ::-1, ::-1])
    T.nnet.conv2d(x, w, input_shape=(None, 1, 3, 3), filter_shape=(1, None, 3, 3))


def test_pool_2d():
    from phintys.tensor.signal.pool import pool_2d

    x = T.dtensor4()
    a = np.arange(9.0).reshape(1, 1, 3, 3)
    with pytest.warns(UserWarning, match="ignore_border"):
        kept = pool_2d(x, (2, 2))
    assert value(kept, x, a)[0, 0].tolist() == [[4, 5], [7, 8]]
    with pytest.raises((ValueError, NotImplementedError)):
        pool_2d(x, (2, 2), ignore_border=False, pad=(1, 1))
    mean = pool_2d(x, (2, 2), ignore_border=True, pad=(1, 1), mode="average_exc_pad")
    assert value(mean, x, a)[0, 0, 0].tolist() == [0, 1.5]
    with pytest.warns((UserWarning, DeprecationWarning)):
        old = pool_2d(x, ds=(2, 2), st=(1, 1), ignore_border=True, padding=(0, 0))
    assert value(old, x, a)[0, 0].tolist() == [[4, 5], [7, 8]]


def test_softmax_takes_vectors_and_matrices():
    v = T.dvector()
    assert T.nnet.softmax(v).broadcastable == (Y, N)
    assert value(T.nnet.softmax(v), v, [0.0, 0.0]).tolist() == [[0.5, 0.5]]
    with pytest.raises(ValueError, match="x must be 1-d or 2-d tensor of floats"):
        T.nnet.softmax(T.dtensor3())
    p = T.dmatrix()
    assert T.nnet.categorical_crossentropy(p, T.ivector()).ndim == 1
    assert T.nnet.categorical_crossentropy(p, T.dmatrix()).ndim == 1
    with pytest.raises(TypeError):
        T.nnet.categorical_crossentropy(p, T.dvector())


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_unstable_expressions_are_made_stable(mode):
    x, m, t, y = T.dvector("x"), T.dmatrix("m"), T.dvector("t"), T.ivector("y")
    logits, label = np.array([[1000.0, 0.0, -1000.0]]), np.array([1], "int32")

    def run(expression, *pairs):
        f = phintys.function(list(pairs[::2]), expression, mode=mode, on_unused_input="ignore")
        return f(*pairs[1::2])

    p = T.nnet.softmax(m)
    assert run(T.log(p), m, logits).tolist() == [[0, -1000, -2000]]
    losses = [
        T.nnet.categorical_crossentropy(p, y).sum(),
        -T.mean(T.log(p)[T.arange(y.shape[0]), y]),
    ]
    for loss in losses:
        assert run(loss, m, logits, y, label) == 1000
        np.testing.assert_allclose(run(phintys.grad(loss, m), m, logits, y, label), [[1, -1, 0]])
    if mode == "FAST_COMPILE":
        return
    big = np.array([1000.0, -1000.0])
    assert run(T.log(1 + T.exp(x)), x, big).tolist() == [1000, 0]
    assert run(T.log(T.nnet.sigmoid(x)), x, big).tolist() == [0, -1000]
    assert run(T.log(1 - T.nnet.sigmoid(x)), x, big).tolist() == [-1000, 0]
    entropy = T.nnet.binary_crossentropy(T.nnet.sigmoid(x), t)
    assert run(entropy, x, big, t, np.array([0.0, 1.0])).tolist() == [1000, 1000]


def test_functions_of_their_inverse_keep_nan():
    x = T.dvector()
    a = [4.0, -1.0]
    for expression in (T.exp(T.log(x)), T.sqr(T.sqrt(x))):
        got = value(expression, x, a)
        np.testing.assert_allclose(got[0], 4)
        assert np.isnan(got[1])


def test_run_time_checks():
    from phintys.compile.nanguardmode import NanGuardMode
    from phintys.tensor.opt import Assert

    x, n = T.dvector("x"), T.lvector("n")
    guarded = phintys.function([x], T.log(x), mode=NanGuardMode(True, True, True))
    with pytest.raises(AssertionError, match="NaN detected"):
        guarded([-1.0])
    asserted = Assert("too long")(x, x.shape[0] < 3)
    with pytest.raises(AssertionError, match="too long"):
        value(asserted, x, [1.0, 2.0, 3.0])
    with pytest.raises(AssertionError):
        value(T.specify_shape(x, (2,)) * 2, x, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"(?i)cannot reshape"):
        value(x.reshape((2, 2)) * 2, x, [1.0])
    with pytest.raises(ValueError, match="ndim"):
        x.reshape(n)
    assert x.reshape(n, ndim=2).ndim == 2


def test_failures_of_linear_algebra():
    from phintys.tensor import nlinalg, slinalg

    m = T.dmatrix("m")
    bad = [[1.0, 2.0], [2.0, 1.0]]
    with pytest.raises(np.linalg.LinAlgError):
        value(nlinalg.matrix_inverse(m), m, np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError):
        value(slinalg.cholesky(m), m, bad)
    assert np.isnan(value(slinalg.Cholesky(on_error="nan")(m), m, bad)).all()


def test_test_values():
    from phintys.gof.op import get_test_value

    x, y = T.dvector("x"), T.dvector("y")
    x.tag.test_value = np.array([1.0, 2.0])
    z = x * 2
    assert not hasattr(z.tag, "test_value")
    with phintys.change_flags(compute_test_value="raise"):
        assert (z + 1).tag.test_value.tolist() == [3, 5]
        assert get_test_value(z.sum() * phintys.shared(2.0)) == 12
        with pytest.raises(ValueError, match="Cannot compute test value"):
            get_test_value(x + y)
        z.tag.test_value = np.zeros(2)
        assert z.tag.test_value.tolist() == [0, 0]
    with phintys.change_flags(compute_test_value="ignore"):
        assert not hasattr((x + y).tag, "test_value")
    with phintys.change_flags(compute_test_value="warn"), pytest.warns(UserWarning):
        assert not hasattr((x + y).tag, "test_value")


def test_bases_of_errors():
    bases = {
        errors.MissingInputError: Exception, errors.UnusedInputError: Exception,
        errors.DisconnectedInputError: ValueError, errors.NullTypeGradError: TypeError,
        errors.ShapeError: Exception, errors.NotScalarConstantError: Exception,
        errors.AsTensorError: TypeError, errors.AdvancedIndexingError: TypeError,
        errors.InconsistencyError: Exception, errors.MethodNotDefined: Exception,
    }  # fmt: skip
    for error, base in bases.items():
        assert issubclass(error, base)
    for error in (errors.MissingInputError, errors.UnusedInputError):
        assert not issubclass(error, (ValueError, TypeError))

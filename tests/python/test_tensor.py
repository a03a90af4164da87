"""phintys.tensor: types, dtypes, broadcasting, methods; values against NumPy."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import change_flags, errors

RNG = np.random.default_rng(1)


def run(expression, values):
    return expression.eval(values)


# --- types, constructors, constants ------------------------------------------------------------


def test_constructors_have_dtype_and_pattern():
    assert T.row().broadcastable == (True, False)
    assert T.col().broadcastable == (False, True)
    assert T.tensor4().ndim == 4
    assert T.ivector("n").type == T.ivector
    assert T.ivector.dtype == "int32"
    assert T.zmatrix.dtype == "complex128"
    assert T.scalar(dtype="uint8").dtype == "uint8"
    assert T.tensor("float32", (False, True), "x").broadcastable == (False, True)
    assert T.vector("x", shape=(3,)).type.shape == (3,)


def test_plural_constructors():
    a, b = T.vectors("a", "b")
    assert (a.name, b.name) == ("a", "b")
    assert len(T.dmatrices(3)) == 3


def test_floatX_decides_at_the_time_of_the_call():
    with change_flags(floatX="float32"):
        assert T.matrix().dtype == "float32"
        assert T.constant(0.1).dtype == "float32"
        assert T.zeros((2,)).dtype == "float32"
        assert T.arange(3.0).dtype == "float32"
        assert (T.iscalar() / T.iscalar()).dtype == "float32"
        assert phintys.shared(0.1).dtype == "float64"
    assert T.matrix().dtype == "float64"


def test_types_are_equal_by_pattern():
    assert T.TensorType("float64", (False, True)) == T.dcol
    assert hash(T.TensorType("float64", (False, False))) == hash(T.dmatrix)
    assert T.dmatrix != T.fmatrix
    assert T.TensorType("floatX", (False,)).dtype == phintys.config.floatX
    with pytest.raises(TypeError, match="Unsupported dtype"):
        T.TensorType("float80", ())


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1, "int8"), (300, "int16"), (-40000, "int32"), (2**40, "int64"), (2**63, "uint64"),
     (1.5, "float32"), (0.1, "float64"), (np.float32(0.1), "float32"), (np.float64(1), "float64"),
     (True, "int8"), ([1, 2], "int64"), ([], "float64")],
)  # fmt: skip
def test_literals_take_the_smallest_dtype(value, dtype):
    assert T.constant(value).dtype == dtype


def test_cast_policy_of_numpy():
    with change_flags(cast_policy="numpy+floatX"):
        assert T.constant(1).dtype == "int64"
        assert T.constant(1.5).dtype == "float64"


def test_constants_broadcast_where_they_have_length_1():
    assert T.as_tensor_variable(np.ones((1, 3))).broadcastable == (True, False)
    assert phintys.shared(np.ones((1, 3))).broadcastable == (False, False)


def test_as_tensor_variable():
    x = T.dscalar("x")
    assert T.as_tensor_variable(x) is x
    assert T.as_tensor_variable([x, 1.0]).ndim == 1
    assert T.as_tensor_variable(3, ndim=2).ndim == 2
    with pytest.raises(errors.AsTensorError, match="Cannot cast True or False"):
        T.as_tensor_variable(True)
    with pytest.raises(TypeError, match="Cannot convert"):
        T.as_tensor_variable({"a": 1})
    with pytest.raises(ValueError):
        T.as_tensor_variable(T.dmatrix(), ndim=1)


def test_scalar_constant_values():
    assert T.get_scalar_constant_value(T.constant(3)) == 3
    assert T.get_scalar_constant_value(T.constant(np.full((2, 2), 7.0))) == 7
    with pytest.raises(errors.NotScalarConstantError):
        T.get_scalar_constant_value(T.dscalar())
    assert T.extract_constant(T.constant(2.5)) == 2.5


# --- dtype rules ---------------------------------------------------------------------------------

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "float32", "float64"]  # fmt: skip


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_is_numpys_for_arrays(a, b):
    expected = np.result_type(np.dtype(a), np.dtype(b)).name
    assert (T.vector(dtype=a) + T.vector(dtype=b)).dtype == expected
    assert (T.scalar(dtype=a) * T.vector(dtype=b)).dtype == expected


def test_operations_with_literals():
    assert (T.fvector() * 1.5).dtype == "float32"
    assert (T.fvector() * 0.1).dtype == "float64"
    assert (T.fvector() * np.float64(2)).dtype == "float64"
    assert (T.fvector() + np.float32(1)).dtype == "float32"
    assert (T.bvector() + 300).dtype == "int16"
    assert (T.vector(dtype="uint8") - 1).dtype == "int16"
    assert (T.iscalar() * 0.1).dtype == "float64"


def test_unary_functions_of_integers():
    assert T.exp(T.bvector()).dtype == "float32"
    assert T.exp(T.ivector()).dtype == "float64"
    assert T.isnan(T.fvector()).dtype == "bool"
    with pytest.raises(TypeError, match="only float type"):
        T.floor(T.ivector())


def test_division():
    assert (T.iscalar() / T.iscalar()).dtype == "float64"
    assert (T.iscalar() // T.iscalar()).dtype == "int32"
    i, j = T.iscalars("i", "j")
    assert run(i // j, {i: -7, j: 2}) == -4
    assert run(i % j, {i: -7, j: 2}) == 1


def test_bool_is_no_number():
    b = T.vector("b", dtype="bool")
    with pytest.raises(TypeError):
        b - b
    assert (~b).dtype == "bool"
    assert (b & b).dtype == "bool"


def test_sum_dtypes():
    assert T.vector(dtype="int8").sum().dtype == "int64"
    assert T.vector(dtype="uint8").sum().dtype == "uint64"
    assert T.vector(dtype="bool").sum().dtype == "int64"
    assert T.vector(dtype="float16").sum().dtype == "float16"
    assert T.ivector().mean().dtype == "float64"
    assert T.fvector().mean().dtype == "float32"
    assert T.vector(dtype="float16").mean().dtype == "float16"
    assert T.fmatrix().argmax(axis=0).dtype == "int64"
    assert T.switch(T.dvector() > 0, 1, 0).dtype == "int8"
    assert T.switch(T.dvector() > 0, 1.0, 0).dtype == "float32"


# --- variables -----------------------------------------------------------------------------------


def test_identity_truth_and_iteration():
    x, y = T.dvectors("x", "y")
    assert (x == y) is False
    assert x in [x]
    assert bool(x)
    with pytest.raises(TypeError, match="boolean"):
        bool(x < y)
    with pytest.raises(TypeError):
        _ = x < y < x
    with pytest.raises(TypeError, match="iteration"):
        iter(x)
    with pytest.raises(TypeError):
        len(x)
    rows, cols = T.dmatrix().shape
    assert rows.dtype == cols.dtype == "int64"
    with pytest.raises((AttributeError, TypeError)):
        x[0] = 1


def test_names_in_text():
    x = T.dmatrix("x")
    assert str(x) == "x"
    assert str(T.dvector()) == "<TensorType(float64, vector)>"
    assert str(x + 1) == "Elemwise{add,no_inplace}.0"
    assert str(T.constant(1.0)) == "TensorConstant{1.0}"
    assert "x" in (x + 1)._repr_html_()


def test_free_attributes():
    x = T.dmatrix("x")
    x.tag.role = "weight"
    x.shape_hint = (2, 3)
    y = x.T
    assert y.owner.inputs[0] is x
    assert y.owner.inputs[0].tag.role == "weight"
    assert x.shape_hint == (2, 3)


def test_broadcasting_needs_known_length_1():
    x, y = T.dmatrices("x", "y")
    assert (T.drow() + x).broadcastable == (False, False)
    assert (T.dcol() + T.drow()).broadcastable == (False, False)
    with pytest.raises(ValueError):
        run(x + y, {x: np.ones((2, 3)), y: np.ones((1, 3))})
    assert x.sum(axis=0, keepdims=True).broadcastable == (True, False)
    assert T.zeros((1, 3)).broadcastable == (True, False)
    assert x[0:1].ndim == 2


def test_dimshuffle_cannot_drop_long_dimensions():
    with pytest.raises(ValueError, match="drop"):
        T.dmatrix().dimshuffle(0)
    assert T.dcol().dimshuffle(0).ndim == 1
    with pytest.raises(ValueError):
        T.dmatrix().dimshuffle(0, 1, 2)
    with pytest.raises(ValueError):
        T.dmatrix().dimshuffle("y", 0, 1)


# --- values --------------------------------------------------------------------------------------

UNARY = [
    "T", "shape", "size", "sum()", "sum(axis=0)", "sum(axis=(0, -1))", "sum(axis=1, keepdims=True)",
    "prod(axis=1)", "mean()", "mean(axis=0)", "var(axis=1)", "var(axis=0, ddof=1)", "std()",
    "max()", "max(axis=0)", "min(axis=1)", "argmax()", "argmax(axis=1)", "argmin(axis=0)",
    "any(axis=0)", "all()", "ptp", "flatten()", "ravel()", "transpose()", "transpose(1, 0)",
    "swapaxes(0, 1)", "reshape((2, 6))", "reshape((-1,))", "reshape((2, -1))", "clip(-1, 1)",
    "copy()", "astype('float32')", "round()", "trace()", "diagonal()", "repeat(2, axis=1)",
    "repeat(3)", "take([2, 0], axis=1)",
]  # fmt: skip


@pytest.mark.parametrize("method", UNARY)
def test_methods_agree_with_numpy(method):
    x = T.dmatrix("x")
    value = RNG.normal(size=(3, 4))
    if method == "ptp":
        actual, expected = run(x.ptp(axis=0), {x: value}), np.ptp(value, axis=0)
    else:
        actual = run(eval(f"x.{method}", {"x": x}), {x: value})
        expected = np.asarray(eval(f"x.{method}", {"x": value}))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    assert actual.shape == np.shape(expected)


INDICES = [
    "0", "-1", "1:3", "::2", "::-1", "3:0:-1", "None", "...", "..., 0", "None, ..., None",
    ":, 1", ":, None", "1, :, 2", "0, 1, 2", ":, ::-1, 1:", "[0, 2]", "[[0, 1], [1, 0]]",
    ":, [0, 2]", "[0, 1], [1, 2]", "[0, 1], :, [1, 2]", "1, [0, 1]", ":, [0, 1], [1, 0]",
    "[0, 1], None, 1:3", "-1:, 0", "5:, 0", "np.arange(2), :, :2", "np.zeros(0, 'int64')",
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES)
def test_indexing_agrees_with_numpy(index):
    x = T.dtensor3("x")
    value = RNG.normal(size=(3, 4, 5))
    expected = eval(f"v[{index}]", {"v": value, "np": np})
    actual = run(eval(f"x[{index}]", {"x": x, "np": np}), {x: value})
    np.testing.assert_array_equal(actual, expected)
    # The same part replaced and increased.
    part = RNG.normal(size=expected.shape)
    for function, expected_value in ((T.set_subtensor, 0), (T.inc_subtensor, 1)):
        changed = value.copy()
        where = eval(f"np.s_[{index}]", {"np": np})
        if expected_value:
            np.add.at(changed, where, part)
        else:
            changed[where] = part
        result = function(eval(f"x[{index}]", {"x": x, "np": np}), part)
        np.testing.assert_allclose(run(result, {x: value}), changed)


def test_symbolic_indices():
    x, i, j = T.dvector("x"), T.lscalar("i"), T.iscalar("j")
    value = np.arange(10.0)
    assert run(x[i], {x: value, i: -2}) == 8
    np.testing.assert_array_equal(run(x[i:j], {x: value, i: -5, j: 8}), value[-5:8])
    np.testing.assert_array_equal(run(x[::i], {x: value, i: -3}), value[::-3])
    with pytest.raises(IndexError):
        run(x[i], {x: value, i: 10})
    k = T.lvector("k")
    np.testing.assert_array_equal(run(x[k], {x: value, k: [3, 3, -1]}), value[[3, 3, -1]])


def test_bad_indices():
    x = T.dmatrix("x")
    with pytest.raises(TypeError, match="index must be integers or a boolean mask"):
        x[0.5]
    with pytest.raises(IndexError, match="too many"):
        x[0, 0, 0]
    with pytest.raises(TypeError, match="mask"):
        x[True]
    mask = np.array([True, False, True])
    np.testing.assert_array_equal(run(x[mask], {x: np.eye(3)}), np.eye(3)[mask])
    with pytest.raises(TypeError, match="subtensor operation"):
        T.set_subtensor(x + 1, 0)
    with pytest.raises(ValueError):
        T.set_subtensor(x[0], np.ones((2, 2)))


def test_duplicates_accumulate_in_inc_only():
    x = T.dvector("x")
    index = [0, 0, 1]
    assert run(T.inc_subtensor(x[index], 1), {x: np.zeros(3)}).tolist() == [2, 1, 0]
    last = run(T.set_subtensor(x[index], np.array([5.0, 6, 7])), {x: np.zeros(3)})
    assert last.tolist() == [6, 7, 0]


def test_nested_set_subtensor_changes_the_inner_one():
    x = T.dmatrix("x")
    result = run(T.set_subtensor(x[0][1], 9), {x: np.zeros((2, 3))})
    assert result.tolist() == [0, 9, 0]


def test_set_subtensor_keeps_the_dtype():
    x = T.ivector("x")
    result = run(T.set_subtensor(x[0], 2.7), {x: np.zeros(2, "int32")})
    assert result.dtype == "int32" and result.tolist() == [2, 0]


def test_joining():
    x, y = T.dmatrices("x", "y")
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
    for axis in (0, 1, -1):
        actual = run(T.concatenate([x, y], axis=axis), {x: a, y: b})
        np.testing.assert_array_equal(actual, np.concatenate([a, b], axis))
        actual = run(T.stack([x, y], axis=axis), {x: a, y: b})
        np.testing.assert_array_equal(actual, np.stack([a, b], axis))
    _, right = T.split(x, [1, 2], axis=1)
    np.testing.assert_array_equal(run(right, {x: a}), a[:, 1:])
    with pytest.raises(TypeError):
        T.join(0, x, T.dvector())


def test_creation():
    n = T.lscalar("n")
    np.testing.assert_array_equal(run(T.eye(n, n, 1), {n: 3}), np.eye(3, 3, 1))
    np.testing.assert_array_equal(run(T.zeros((n, 2)), {n: 3}), np.zeros((3, 2)))
    np.testing.assert_array_equal(run(T.arange(1, n, 2), {n: 6}), np.arange(1, 6, 2))
    assert T.arange(3).dtype == "int64"
    assert T.arange(3.0).dtype == "float64"
    assert T.alloc(0.0, n, 1).dtype == "float32"
    assert T.alloc(0.0, n, 1).broadcastable == (False, True)
    x = T.dmatrix("x")
    value = RNG.normal(size=(3, 3))
    np.testing.assert_array_equal(run(T.tril(x), {x: value}), np.tril(value))
    np.testing.assert_array_equal(run(T.triu(x, 1), {x: value}), np.triu(value, 1))
    v = T.dvector("v")
    np.testing.assert_array_equal(run(T.diag(v, -1), {v: [1.0, 2]}), np.diag([1.0, 2], -1))
    np.testing.assert_array_equal(run(T.tile(x, (2, 3)), {x: value}), np.tile(value, (2, 3)))
    np.testing.assert_array_equal(run(T.roll(x, 1, 0), {x: value}), np.roll(value, 1, 0))


def test_products():
    a, b, v = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=3)
    x, y, w = T.dmatrix("x"), T.dmatrix("y"), T.dvector("w")
    np.testing.assert_allclose(run(T.dot(x, y), {x: a, y: b}), a @ b)
    np.testing.assert_allclose(run(x @ w, {x: a, w: v}), a @ v)
    np.testing.assert_allclose(run(T.outer(w, w), {w: v}), np.outer(v, v))
    np.testing.assert_allclose(run(T.tensordot(x, y, [[1], [0]]), {x: a, y: b}), a @ b)
    z = T.dtensor3("z")
    c = RNG.normal(size=(5, 2, 3))
    np.testing.assert_allclose(run(T.dot(z, y), {z: c, y: b}), c @ b)
    np.testing.assert_allclose(run(T.tensordot(z, z, 3), {z: c}), np.tensordot(c, c, 3))


def test_numpy_functions_on_variables():
    x, y = T.dmatrix("x"), T.fvector("y")
    value = RNG.uniform(0.5, 2, size=(2, 3))
    np.testing.assert_allclose(run(np.exp(x), {x: value}), np.exp(value))
    np.testing.assert_allclose(run(value + x, {x: value}), 2 * value)
    np.testing.assert_allclose(run(np.sum(x, axis=0), {x: value}), value.sum(0))
    np.testing.assert_allclose(
        run(np.concatenate([x, x], axis=1), {x: value}), np.hstack([value] * 2)
    )
    np.testing.assert_allclose(
        run(np.where(x > 1, x, 0), {x: value}), np.where(value > 1, value, 0)
    )
    # As in NumPy 2, a Python number does not raise the dtype.
    assert np.add(y, 0.1).dtype == "float32"
    assert (y + 0.1).dtype == "float64"
    with pytest.raises(TypeError):
        np.asarray(x, dtype="float64")


def test_eval_keeps_its_function():
    x = T.dscalar("x")
    y = x + 1
    assert y.eval({x: 1.0}) == 2
    assert y.eval({x: 2.0}) == 3
    assert len(y.__dict__["_eval_cache"]) == 1
    with pytest.raises(TypeError, match="keys"):
        y.eval({"x": 1.0})


def test_rebroadcast():
    x = T.dmatrix("x")
    y = T.addbroadcast(x, 0)
    assert y.broadcastable == (True, False)
    with pytest.raises((ValueError, AssertionError)):
        run(y * 1, {x: np.ones((2, 3))})
    assert T.unbroadcast(T.drow(), 0).broadcastable == (False, False)
    assert T.patternbroadcast(x, (False, True)).broadcastable == (False, True)


def test_reshape_needs_a_rank():
    x, shape = T.dvector("x"), T.lvector("shape")
    with pytest.raises(ValueError, match="ndim"):
        x.reshape(shape)
    assert run(x.reshape(shape, ndim=2), {x: np.ones(6), shape: [2, 3]}).shape == (2, 3)
    with pytest.raises(ValueError):
        run(x.reshape((4, 2)), {x: np.ones(6)})


def test_nnet():
    from scipy.special import log_softmax, softmax

    x, t = T.dmatrix("x"), T.lvector("t")
    value, target = RNG.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    p = T.nnet.softmax(x)
    np.testing.assert_allclose(run(p, {x: value}), softmax(value, axis=1))
    np.testing.assert_allclose(run(T.nnet.logsoftmax(x), {x: value}), log_softmax(value, axis=1))
    loss = T.nnet.categorical_crossentropy(p, t)
    expected = -log_softmax(value, axis=1)[np.arange(4), target]
    np.testing.assert_allclose(run(loss, {x: value, t: target}), expected)
    big = run(loss, {x: value * 1000, t: target})
    assert np.isfinite(big).all()
    np.testing.assert_allclose(run(T.nnet.relu(x), {x: value}), np.maximum(value, 0))
    np.testing.assert_allclose(
        run(T.nnet.elu(x), {x: value}), np.where(value > 0, value, np.expm1(value))
    )
    assert T.nnet.softmax(T.dvector()).ndim == 2
    with pytest.raises(ValueError, match="1-d or 2-d"):
        T.nnet.softmax(T.dtensor3())


def test_isclose():
    x, y = T.dvectors("x", "y")
    a = np.array([1.0, np.inf, np.inf, np.nan, 1.0])
    b = np.array([1.0 + 1e-9, np.inf, -np.inf, np.nan, 2.0])
    for nan in (False, True):
        actual = run(T.isclose(x, y, equal_nan=nan), {x: a, y: b})
        np.testing.assert_array_equal(actual, np.isclose(a, b, equal_nan=nan))

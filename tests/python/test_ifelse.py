"""ifelse: values, laziness, gradients, types, rewrites."""

import numpy as np
import op_checks
import phintys
import phintys.sparse
import phintys.tensor as T
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phintys.compile.debugmode import DebugMode
from phintys.ifelse import IfElse, ifelse
from phintys.raise_op import Assert

MODES = ["FAST_RUN", "FAST_COMPILE", phintys.Mode(optimizer=None)]
modes = pytest.mark.parametrize("mode", MODES, ids=["fast_run", "fast_compile", "none"])


def never(x):
    """`x`, which fails when it is computed: the condition is not known before."""
    return Assert("this branch was not taken")(x, T.neq(x, x).sum() > 0)


# --- values ---------------------------------------------------------------------------------


@modes
def test_values(mode):
    c, x, y = T.iscalar("c"), T.dvector("x"), T.dvector("y")
    f = phintys.function([c, x, y], ifelse(c, x * 2, T.exp(y)), mode=mode)
    for _ in range(2):
        np.testing.assert_array_equal(f(1, [1, 2], [0]), [2, 4])
        np.testing.assert_array_equal(f(0, [1, 2], [0, 0, 0]), [1, 1, 1])
        np.testing.assert_array_equal(f(-3, [1], [0, 0, 0]), [2])


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint64", "float32", "float64"]
)
def test_conditions_of_all_dtypes(dtype):
    c = T.scalar("c", dtype=dtype)
    f = phintys.function([c], ifelse(c, T.constant(1.0), T.constant(2.0)))
    assert f(np.array(0, dtype)) == 2
    assert f(np.array(1, dtype)) == 1
    if dtype not in ("bool", "uint8", "uint64"):
        assert f(np.array(-1, dtype)) == 1
    if dtype.startswith("float"):
        assert f(np.array(0.25, dtype)) == 1
        assert f(np.array(-0.0, dtype)) == 2
        assert f(np.array(np.nan, dtype)) == 1


def test_a_python_condition():
    x = T.dscalar("x")
    assert phintys.function([x], ifelse(True, x, never(x)))(3) == 3
    assert phintys.function([x], ifelse(0, never(x), x + 1))(3) == 4


@modes
def test_several_outputs(mode):
    c, x = T.bscalar("c"), T.dmatrix("x")
    outputs = ifelse(c, [x, x.sum(), x.T], [x + 1, x.prod(), never(x)])
    assert isinstance(outputs, list) and len(outputs) == 3
    f = phintys.function([c, x], outputs, mode=mode)
    value = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    a, b, t = f(1, value)
    np.testing.assert_array_equal(a, value)
    assert b == 21
    np.testing.assert_array_equal(t, value.T)
    with pytest.raises(AssertionError, match="not taken"):
        f(0, value)
    # One output that is not asked for is not computed.
    a, b = phintys.function([c, x], outputs[:2], mode=mode)(0, value)
    np.testing.assert_array_equal(a, value + 1)
    assert b == 720


def test_lists_stay_lists_and_tuples_tuples():
    c, x = T.bscalar("c"), T.dscalar("x")
    assert isinstance(ifelse(c, x, x), phintys.Variable)
    (one,) = ifelse(c, [x], [x])
    assert isinstance(ifelse(c, [x], [x]), list)
    assert isinstance(ifelse(c, (x,), [x]), tuple)
    assert isinstance(ifelse(c, [x], (x,)), list)
    assert isinstance(one.owner.op, IfElse)
    assert not isinstance((x + 1).owner.op, IfElse)


def test_the_class_applies():
    c, x, y = T.bscalar("c"), T.dscalar("x"), T.dscalar("y")
    a, b = IfElse(2, name="two")(c, x, y, y, x)
    f = phintys.function([c, x, y], [a, b])
    assert f(1, 2, 3) == [2, 3]
    assert f(0, 2, 3) == [3, 2]
    assert isinstance(IfElse(1)(c, x, y, return_list=True), list)
    assert "two" in str(IfElse(2, name="two"))
    assert "two" in phintys.printing.debugprint(a, file="str")


def test_empty_and_scalar_values():
    c, x = T.bscalar("c"), T.dmatrix("x")
    f = phintys.function([c, x], ifelse(c, x[:0], x * 2))
    assert f(1, np.ones((2, 3))).shape == (0, 3)
    np.testing.assert_array_equal(f(0, np.ones((2, 3))), np.full((2, 3), 2.0))
    assert f(0, np.ones((0, 3))).shape == (0, 3)


def test_values_keep_their_layout_to_themselves():
    """Results are copies: writing to one changes neither arguments nor later results."""
    c, x = T.bscalar("c"), T.dmatrix("x")
    f = phintys.function([c, x], [ifelse(c, x, x + 1), ifelse(c, x.T, x.T * 2)])
    value = np.arange(6.0).reshape(2, 3)
    a, b = f(1, value)
    a[:] = -1
    b[:] = -1
    np.testing.assert_array_equal(value, np.arange(6.0).reshape(2, 3))
    a, b = f(1, value[:, ::-1])
    np.testing.assert_array_equal(a, value[:, ::-1])
    np.testing.assert_array_equal(b, value[:, ::-1].T)


# --- laziness -------------------------------------------------------------------------------


@modes
def test_only_the_taken_branch_runs(mode):
    c, x = T.bscalar("c"), T.dvector("x")
    f = phintys.function([c, x], ifelse(c, T.exp(x), never(T.log(x)) * 2), mode=mode)
    np.testing.assert_array_equal(f(1, [0.0]), [1.0])
    with pytest.raises(AssertionError, match="not taken"):
        f(0, [1.0])
    f = phintys.function([c, x], ifelse(c, never(x), x.sum() + x), mode=mode)
    np.testing.assert_array_equal(f(0, [2.0]), [4.0])
    with pytest.raises(AssertionError, match="not taken"):
        f(1, [1.0])


@modes
def test_work_of_both_branches_is_done_once(mode, capsys):
    c, x = T.bscalar("c"), T.dvector("x")
    shared = phintys.printing.Print("both")(x * 2)
    f = phintys.function([c, x], ifelse(c, shared + 1, shared * 3), mode=mode)
    for value in (0, 1):
        f(value, [1.0])
        assert capsys.readouterr().out == "both __str__ = [2.]\n"


@modes
def test_what_others_need_runs_in_any_case(mode):
    c, x = T.bscalar("c"), T.dvector("x")
    y = never(x)
    f = phintys.function([c, x], [ifelse(c, y, x), y.sum()], mode=mode)
    with pytest.raises(AssertionError, match="not taken"):
        f(0, [1.0])


@modes
def test_two_choices_of_one_condition_share_lazily(mode):
    c, x = T.bscalar("c"), T.dvector("x")
    y = never(x)
    f = phintys.function(
        [c, x], [ifelse(c, y + 1, x), ifelse(c, y.sum(), x.sum()), ifelse(c, x, y)], mode=mode
    )
    with pytest.raises(AssertionError):
        f(0, [1.0])  # the third choice needs y
    g = phintys.function([c, x], [ifelse(c, y + 1, x), ifelse(c, y.sum(), x.sum())], mode=mode)
    a, b = g(0, [1.0, 2.0])
    np.testing.assert_array_equal(a, [1, 2])
    assert b == 3
    with pytest.raises(AssertionError, match="not taken"):
        g(1, [1.0])


@modes
def test_choices_that_depend_on_each_other(mode):
    c, x = T.bscalar("c"), T.dvector("x")
    first = ifelse(c, x + 1, never(x))
    second = ifelse(c, first * 2, x)
    f = phintys.function([c, x], second, mode=mode)
    np.testing.assert_array_equal(f(1, [1.0]), [4.0])
    np.testing.assert_array_equal(f(0, [1.0]), [1.0])
    g = phintys.function([c, x], [second, first.sum()], mode=mode)
    assert g(1, [1.0])[1] == 2
    with pytest.raises(AssertionError):
        g(0, [1.0])


@modes
def test_nested(mode):
    a, b, x = T.bscalar("a"), T.bscalar("b"), T.dscalar("x")
    z = ifelse(a, ifelse(b, x + 1, never(x + 2)), ifelse(b, never(x + 3), x + 4))
    f = phintys.function([a, b, x], z, mode=mode)
    assert f(1, 1, 0) == 1
    assert f(0, 0, 0) == 4
    for taken in ((1, 0), (0, 1)):
        with pytest.raises(AssertionError):
            f(*taken, 0)


def test_a_chain_of_conditions():
    n, x = T.lscalar("n"), T.dvector("x")
    z = x * -1
    for k in reversed(range(12)):
        z = ifelse(T.eq(n, k), x + k if k != 5 else never(x), z)
    f = phintys.function([n, x], z)
    for k in range(12):
        if k == 5:
            with pytest.raises(AssertionError):
                f(k, [1.0])
        else:
            np.testing.assert_array_equal(f(k, [1.0, 2.0]), [1.0 + k, 2.0 + k])
    np.testing.assert_array_equal(f(12, [1.0, 2.0]), [-1, -2])


def test_thousands_of_choices_inside_one_another():
    n, x = T.lscalar("n"), T.dscalar("x")
    z = x
    for k in range(3000):
        z = ifelse(n > k, z + 1, z - 1)
    f = phintys.function([n, x], z)
    assert f(3000, 0.0) == 3000
    assert f(0, 0.0) == -3000
    assert f(1000, 0.0) == -1000


@modes
def test_the_condition_may_need_a_branch_of_another_choice(mode):
    x = T.dscalar("x")
    a = ifelse(x > 0, x * 2, never(x))
    f = phintys.function([x], ifelse(a > 10, a + 1, never(a)), mode=mode)
    assert f(6) == 13
    with pytest.raises(AssertionError):
        f(1)
    with pytest.raises(AssertionError):
        f(-1)


def test_conditions_from_shapes():
    x = T.dvector("x")
    f = phintys.function([x], ifelse(x.shape[0] > 2, x.sum(), never(x).prod()))
    assert f([1, 2, 3]) == 6
    with pytest.raises(AssertionError):
        f([1, 2])


def test_values_decide_shapes():
    c, n = T.bscalar("c"), T.lscalar("n")
    f = phintys.function(
        [c, n], T.zeros((ifelse(c, n, n + 1),)) + ifelse(c, T.arange(n), T.arange(n + 1))
    )
    np.testing.assert_array_equal(f(1, 3), [0, 1, 2])
    np.testing.assert_array_equal(f(0, 3), [0, 1, 2, 3])
    np.testing.assert_array_equal(f(1, 2), [0, 1])


def test_a_shape_does_not_run_a_branch():
    c, x = T.bscalar("c"), T.dmatrix("x")
    z = ifelse(c, never(T.exp(x)), ifelse(c > 3, never(x), never(x * 2)))
    f = phintys.function([c, x], [z.shape[0], z.shape[1]])
    assert f(1, np.ones((2, 3))) == [2, 3]
    assert f(0, np.ones((4, 5))) == [4, 5]
    # Of shapes that differ, the taken one.
    z = ifelse(c, x, T.concatenate([x, x]))
    f = phintys.function([c, x], z.shape[0])
    assert f(1, np.ones((2, 3))) == 2
    assert f(0, np.ones((2, 3))) == 4


# --- state ----------------------------------------------------------------------------------


@modes
def test_shared_variables_and_updates(mode):
    c = T.bscalar("c")
    s = phintys.shared(np.zeros(3), name="s")
    f = phintys.function([c], ifelse(c, s * 10, s), updates=[(s, ifelse(c, s + 1, s))], mode=mode)
    np.testing.assert_array_equal(f(1), [0, 0, 0])
    np.testing.assert_array_equal(f(0), [1, 1, 1])
    np.testing.assert_array_equal(f(1), [10, 10, 10])
    np.testing.assert_array_equal(s.get_value(), [2, 2, 2])


def test_a_failing_branch_leaves_shared_variables_as_they_were():
    c = T.bscalar("c")
    s = phintys.shared(np.zeros(3), name="s")
    f = phintys.function([c], [], updates=[(s, ifelse(c, s + 1, never(s)))])
    f(1)
    with pytest.raises(AssertionError):
        f(0)
    np.testing.assert_array_equal(s.get_value(), [1, 1, 1])


def test_swap_and_shapes_of_updates():
    c = T.bscalar("c")
    a, b = phintys.shared(np.zeros(2)), phintys.shared(np.ones(3))
    f = phintys.function([c], [], updates=[(a, ifelse(c, b, a)), (b, ifelse(c, a, b))])
    f(1)
    np.testing.assert_array_equal(a.get_value(), [1, 1, 1])
    np.testing.assert_array_equal(b.get_value(), [0, 0])
    f(0)
    np.testing.assert_array_equal(a.get_value(), [1, 1, 1])


def test_values_are_not_overwritten_while_they_are_needed():
    """The memory of a value that a choice may be is not reused before the choice has been read."""
    c, x = T.bscalar("c"), T.dvector("x")
    y = T.tanh(x)
    z = ifelse(c, y, T.exp(x))
    w = T.sort(y) * 2
    f = phintys.function([c, x], [z + w, T.sort(z) + 1, w])
    value = np.linspace(-1, 1, 500)
    for taken, expected in ((1, np.tanh(value)), (0, np.exp(value))):
        a, b, w_value = f(taken, value)
        np.testing.assert_allclose(a, expected + 2 * np.tanh(value), rtol=1e-12)
        np.testing.assert_allclose(b, expected + 1, rtol=1e-12)
        np.testing.assert_allclose(w_value, 2 * np.tanh(value), rtol=1e-12)


def test_random_numbers_in_a_branch():
    from phintys.tensor.shared_randomstreams import RandomStreams

    c = T.bscalar("c")
    stream = RandomStreams(3)
    draw = stream.uniform((4,))
    f = phintys.function([c], ifelse(c, draw, T.zeros(4)))
    assert (f(1) > 0).all()
    assert (f(0) == 0).all()
    reference = phintys.function([], RandomStreams(3).uniform((4,)))
    first, _, third = reference(), reference(), reference()
    # The state goes on whether the numbers are wanted or not, as in Theano.
    stream.seed(3)
    np.testing.assert_array_equal(f(1), first)
    f(0)
    np.testing.assert_array_equal(f(1), third)


# --- gradients ------------------------------------------------------------------------------


@modes
def test_gradient(mode):
    c, x = T.bscalar("c"), T.dvector("x")
    cost = ifelse(c, T.sqr(x).sum(), T.exp(x).sum())
    f = phintys.function([c, x], phintys.grad(cost, x), mode=mode)
    value = np.array([0.5, -1.0])
    np.testing.assert_allclose(f(1, value), 2 * value)
    np.testing.assert_allclose(f(0, value), np.exp(value))


def test_gradient_against_finite_differences():
    rng = np.random.default_rng(0)
    for taken in (0, 1):
        op_checks.check(
            lambda x, y, taken=taken: ifelse(
                x.sum() * 0 + taken > 0.5, T.tanh(x) * y, x - T.sin(y)
            ),
            lambda x, y, taken=taken: np.tanh(x) * y if taken else x - np.sin(y),
            rng.normal(size=(2, 3)),
            rng.normal(size=(2, 3)),
            exact=False,
        )


def test_gradient_of_several_outputs():
    c, x = T.bscalar("c"), T.dvector("x")
    a, b = ifelse(c, [x**2, x.sum()], [x**3, x[0]])
    g = phintys.function([c, x], phintys.grad(a.sum() * b, x))
    x0 = np.array([2.0, 3.0])
    np.testing.assert_allclose(g(1, x0), 2 * x0 * x0.sum() + (x0**2).sum())
    np.testing.assert_allclose(g(0, x0), 3 * x0**2 * x0[0] + np.array([(x0**3).sum(), 0]))
    # Of one output alone, and of a branch on which the other does not depend.
    g = phintys.function([c, x], phintys.grad(b, x))
    np.testing.assert_allclose(g(1, x0), [1, 1])
    np.testing.assert_allclose(g(0, x0), [1, 0])


def test_second_order_and_rop():
    c, x, v = T.bscalar("c"), T.dvector("x"), T.dvector("v")
    z = ifelse(c, T.sin(x), x**3)
    h = phintys.function([c, x], phintys.gradient.hessian(z.sum(), x))
    x0 = np.array([0.3, 0.7])
    np.testing.assert_allclose(h(1, x0), np.diag(-np.sin(x0)))
    np.testing.assert_allclose(h(0, x0), np.diag(6 * x0))
    r = phintys.function([c, x, v], phintys.Rop(z, x, v))
    np.testing.assert_allclose(r(1, x0, [1, 2]), np.cos(x0) * [1, 2])
    np.testing.assert_allclose(r(0, x0, [1, 2]), 3 * x0**2 * [1, 2])


@pytest.mark.parametrize("mode", MODES[:2], ids=["fast_run", "fast_compile"])
def test_gradients_are_lazy(mode):
    """What only the other branch's gradient needs does not run, and cannot spoil the result."""
    c, x = T.bscalar("c"), T.dvector("x")
    cost = ifelse(c, T.log(never(x)).sum(), (x * 2).sum())
    f = phintys.function([c, x], phintys.grad(cost, x), mode=mode)
    np.testing.assert_array_equal(f(0, [1.0, -1.0]), [2, 2])
    with pytest.raises(AssertionError):
        f(1, [1.0])
    cost = ifelse(c, T.sqrt(x).sum(), x.sum())
    f = phintys.function([c, x], phintys.grad(cost, x), mode=mode)
    np.testing.assert_array_equal(f(0, [0.0, -1.0]), [1, 1])  # sqrt has no slope at 0
    np.testing.assert_array_equal(f(1, [4.0]), [0.25])


def test_gradient_through_a_layer_is_lazy():
    c, x = T.bscalar("c"), T.dmatrix("x")
    w, u = phintys.shared(np.full((3, 2), 0.5)), phintys.shared(np.full((3, 2), 0.25))
    cost = ifelse(c, T.tanh(T.dot(never(x), w)).sum(), T.tanh(T.dot(x, u)).sum())
    f = phintys.function([c, x], phintys.grad(cost, [w, u]))
    x0 = np.linspace(0, 1, 12).reshape(4, 3)
    gw, gu = f(0, x0)
    np.testing.assert_array_equal(gw, np.zeros((3, 2)))
    np.testing.assert_allclose(gu, x0.T @ (1 - np.tanh(x0 @ u.get_value()) ** 2))
    with pytest.raises(AssertionError):
        f(1, x0)


def test_gradient_through_a_convolution_is_lazy():
    c, x = T.bscalar("c"), T.dtensor4("x")
    w, u = phintys.shared(np.full((1, 1, 2, 2), 0.5)), phintys.shared(np.full((1, 1, 2, 2), 0.25))
    cost = ifelse(
        c,
        T.tanh(T.nnet.conv2d(never(x), w)).sum(),
        T.nnet.relu(T.nnet.conv2d(x, u)).sum(),
    )
    f = phintys.function([c, x], phintys.grad(cost, [w, u]))
    x0 = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    gw, gu = f(0, x0)
    np.testing.assert_array_equal(gw, np.zeros((1, 1, 2, 2)))
    sums = [[x0[0, 0, i : i + 2, j : j + 2].sum() for j in (1, 0)] for i in (1, 0)]
    np.testing.assert_allclose(gu[0, 0], sums)
    with pytest.raises(AssertionError):
        f(1, x0)


def test_the_condition_has_a_gradient_of_zero():
    c, x = T.dscalar("c"), T.dscalar("x")
    z = ifelse(c, x * 2, x)
    f = phintys.function([c, x], phintys.grad(z, [c, x]), on_unused_input="ignore")
    assert f(1, 3) == [0, 2]
    assert f(0, 3) == [0, 1]


def test_gradient_with_a_known_length_in_one_branch():
    c, x = T.bscalar("c"), T.dvector("x")
    row = T.shape_padleft(x)
    z = ifelse(c, row, row * 2)
    f = phintys.function([c, x], phintys.grad(z.sum(), x))
    np.testing.assert_array_equal(f(0, [1, 2]), [2, 2])


def test_integers_have_no_gradient_but_zeros():
    c, x = T.bscalar("c"), T.lvector("x")
    g = phintys.grad(T.cast(ifelse(c, x, x + 1), "float64").sum(), x, disconnected_inputs="ignore")
    np.testing.assert_array_equal(
        phintys.function([c, x], g, on_unused_input="ignore")(1, [1, 2]), [0, 0]
    )


# --- loops ----------------------------------------------------------------------------------


@modes
def test_inside_a_loop(mode):
    xs, c = T.dvector("xs"), T.bscalar("c")
    rows, _ = phintys.scan(
        lambda x, total: ifelse(x > 0, total + x, ifelse(c, total * 2, never(total))),
        sequences=xs,
        outputs_info=np.float64(1),
    )
    f = phintys.function([xs, c], rows, mode=mode)
    np.testing.assert_array_equal(f([1, -1, 2, -1], 1), [2, 4, 6, 12])
    np.testing.assert_array_equal(f([1, 2], 0), [2, 4])
    with pytest.raises(AssertionError):
        f([1, -1], 0)


def test_rows_of_a_loop_and_its_gradient():
    xs, w = T.dmatrix("xs"), T.dvector("w")
    rows, _ = phintys.scan(
        lambda x, h, w: ifelse(x.sum() > 0, T.tanh(h * w + x), h - x * w),
        sequences=xs,
        outputs_info=T.zeros((3,)),
        non_sequences=w,
    )
    f = phintys.function([xs, w], [rows, phintys.grad(T.sqr(rows).sum(), w)])
    rng = np.random.default_rng(0)
    x0, w0 = rng.normal(size=(6, 3)), rng.normal(size=3)

    def reference(w):
        h, out = np.zeros(3), []
        for x in x0:
            h = np.tanh(h * w + x) if x.sum() > 0 else h - x * w
            out.append(h)
        return np.array(out)

    got, slope = f(x0, w0)
    np.testing.assert_allclose(got, reference(w0), rtol=1e-12)
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        numeric = (
            np.square(reference(w0 + step)).sum() - np.square(reference(w0 - step)).sum()
        ) / 2e-6
        np.testing.assert_allclose(slope[k], numeric, rtol=1e-6)


def test_a_loop_inside_a_branch(capsys):
    c, n, x = T.bscalar("c"), T.lscalar("n"), T.dvector("x")
    powers, _ = phintys.scan(
        lambda p, x: phintys.printing.Print("step")(p * x),
        outputs_info=T.ones_like(x),
        non_sequences=x,
        n_steps=n,
    )
    f = phintys.function([c, n, x], ifelse(c, powers[-1], x))
    np.testing.assert_array_equal(f(0, 3, [2.0]), [2.0])
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(f(1, 3, [2.0]), [8.0])
    assert capsys.readouterr().out.count("step") == 3
    g = phintys.function([c, n, x], phintys.grad(ifelse(c, powers[-1], x).sum(), x))
    np.testing.assert_allclose(g(1, 3, [2.0]), [12.0])
    np.testing.assert_allclose(g(0, 3, [2.0]), [1.0])


# --- errors ---------------------------------------------------------------------------------


def test_types_must_match():
    c = T.bscalar("c")
    with pytest.raises(
        TypeError, match="The two branches should have identical types, but they are"
    ):
        ifelse(c, T.dvector(), T.fvector())
    with pytest.raises(TypeError, match="identical types"):
        ifelse(c, T.dvector(), T.dmatrix())
    with pytest.raises(TypeError, match="identical types"):
        ifelse(c, T.drow(), T.dmatrix())
    with pytest.raises(TypeError, match="same types for true and false"):
        IfElse(1)(c, T.dvector(), T.fvector())
    with pytest.raises(ValueError, match="variables on `then` 2, variables on `else` 1"):
        ifelse(c, [T.dscalar(), T.dscalar()], [T.dscalar()])
    with pytest.raises(ValueError, match="nothing to choose"):
        ifelse(c, [], [])
    with pytest.raises(ValueError, match="expected 4, got 3"):
        IfElse(2)(c, T.dscalar(), T.dscalar(), T.dscalar())


def test_the_condition_must_be_a_scalar():
    x = T.dvector()
    with pytest.raises(TypeError, match="has to be a scalar with 0 standing for False"):
        ifelse(T.bvector(), x, x)
    with pytest.raises(TypeError, match="has to be a scalar"):
        ifelse(T.zscalar(), x, x)


def test_errors_name_the_users_line():
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    z = ifelse(c, x + y, x)  # the line that is named
    f = phintys.function([c, x, y], z)
    f(0, [1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"test_ifelse\.py") as error:
        f(1, [1.0, 2.0, 3.0], [1.0, 2.0])
    assert "(3,)" in str(error.value) and "(2,)" in str(error.value)


# --- other modes, saving, sparse --------------------------------------------------------------


def test_debug_mode_and_nan_guard():
    c, x = T.bscalar("c"), T.dvector("x")
    z = ifelse(c, T.log(x), x * 2)
    f = phintys.function([c, x], z, mode=DebugMode())
    np.testing.assert_array_equal(f(0, [1.0]), [2.0])
    np.testing.assert_array_equal(f(1, [1.0]), [0.0])
    g = phintys.function([c, x], z, mode="NanGuardMode")
    np.testing.assert_array_equal(g(0, [-1.0]), [-2.0])
    with pytest.raises(AssertionError, match="NaN"):
        g(1, [-1.0])


def test_save_and_load(tmp_path):
    c, x = T.bscalar("c"), T.dvector("x")
    f = phintys.function(
        [c, x], ifelse(c, [x.sum(), T.exp(x)], [x.prod(), never(x)], name="choice")
    )
    path = tmp_path / "choice.phy"
    f.save(path)
    g = phintys.load(path)
    total, power = g(1, [0.0, 0.0])
    assert total == 0
    np.testing.assert_array_equal(power, [1, 1])
    with pytest.raises(AssertionError):
        g(0, [1.0])


def test_profile_and_copy():
    c, x = T.bscalar("c"), T.dvector("x")
    f = phintys.function([c, x], ifelse(c, T.exp(x), x * 2), profile=True)
    f(1, [1.0])
    f(0, [1.0])
    g = f.copy()
    np.testing.assert_array_equal(g(0, [1.0]), [2.0])


def test_threads():
    from concurrent.futures import ThreadPoolExecutor

    c, x = T.lscalar("c"), T.dvector("x")
    f = phintys.function([c, x], ifelse(c, T.exp(x).sum(), (x * 3).sum()))
    value = np.linspace(0, 1, 1000)
    expected = {1: np.exp(value).sum(), 0: (value * 3).sum()}
    with ThreadPoolExecutor(4) as pool:
        for k, result in enumerate(pool.map(lambda k: f(k % 2, value), range(200))):
            np.testing.assert_allclose(result, expected[k % 2], rtol=1e-12)


def test_sparse_matrices():
    import scipy.sparse as sp

    c = T.bscalar("c")
    a, b = phintys.sparse.csr_matrix("a"), phintys.sparse.csr_matrix("b")
    f = phintys.function([c, a, b], ifelse(c, a, b))
    p, q = sp.csr_matrix(np.eye(3)), sp.csr_matrix(np.ones((2, 4)))
    np.testing.assert_array_equal(f(1, p, q).toarray(), np.eye(3))
    np.testing.assert_array_equal(f(0, p, q).toarray(), np.ones((2, 4)))
    with pytest.raises(TypeError, match="identical types"):
        ifelse(c, a, phintys.sparse.csc_matrix("d"))
    with pytest.raises(TypeError, match="identical types"):
        ifelse(c, a, T.dmatrix())


# --- rewrites -------------------------------------------------------------------------------


def graph_text(f):
    return phintys.printing.debugprint(f, file="str")


def test_known_conditions_and_equal_branches():
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    f = phintys.function([x, y], ifelse(T.constant(1), [x + 1, y], [never(y), x]))
    assert "if{" not in graph_text(f)
    np.testing.assert_array_equal(f([1.0], [2.0])[0], [2.0])
    f = phintys.function([c, x], ifelse(c, x * 2, x * 2), on_unused_input="ignore")
    assert "if{" not in graph_text(f)
    np.testing.assert_array_equal(f(0, [2.0]), [4.0])


def test_negated_conditions():
    c, x, y = T.scalar("c", dtype="bool"), T.dvector("x"), T.dvector("y")
    f = phintys.function([c, x, y], ifelse(~c, x, y))
    assert "invert" not in graph_text(f)
    np.testing.assert_array_equal(f(True, [1.0], [2.0]), [2.0])
    np.testing.assert_array_equal(f(False, [1.0], [2.0]), [1.0])
    n = T.lscalar("n")
    f = phintys.function([n, x, y], ifelse(T.eq(n, 0), x, y))
    assert "eq" not in graph_text(f)
    np.testing.assert_array_equal(f(2, [1.0], [2.0]), [2.0])
    np.testing.assert_array_equal(f(0, [1.0], [2.0]), [1.0])
    f = phintys.function([n, x, y], ifelse(T.neq(0, n), x, y))
    np.testing.assert_array_equal(f(2, [1.0], [2.0]), [1.0])


# --- against NumPy --------------------------------------------------------------------------

UNARY = {"exp": (T.exp, np.exp), "tanh": (T.tanh, np.tanh), "neg": (T.neg, np.negative)}
BINARY = {"add": (T.add, np.add), "mul": (T.mul, np.multiply), "max": (T.maximum, np.maximum)}


@st.composite
def programs(draw):
    """A list of steps, each of which uses values of earlier ones."""
    steps = []
    for k in range(draw(st.integers(2, 14))):
        operand = st.integers(0, k + 1)
        kind = draw(st.sampled_from(["unary", "binary", "choice", "choice"]))
        if kind == "unary":
            steps.append((kind, draw(st.sampled_from(sorted(UNARY))), draw(operand)))
        elif kind == "binary":
            steps.append(
                (kind, draw(st.sampled_from(sorted(BINARY))), draw(operand), draw(operand))
            )
        else:
            steps.append((kind, draw(st.integers(0, 3)), draw(operand), draw(operand)))
    outputs = draw(st.lists(st.integers(0, len(steps) + 1), min_size=1, max_size=3))
    return steps, outputs


def run(steps, values, conditions, choose, unary, binary):
    values = list(values)
    for step in steps:
        if step[0] == "unary":
            values.append(unary(step[1], values[step[2]]))
        elif step[0] == "binary":
            values.append(binary(step[1], values[step[2]], values[step[3]]))
        else:
            values.append(choose(conditions[step[1]], values[step[2]], values[step[3]]))
    return values


@settings(max_examples=60, deadline=None)
@given(programs(), st.lists(st.booleans(), min_size=8, max_size=8))
def test_random_graphs(program, truths):
    steps, outputs = program
    x, y = T.dvector("x"), T.dvector("y")
    conditions = [T.bscalar(f"c{k}") for k in range(4)]
    values = run(
        steps,
        [x, y],
        conditions,
        lambda c, a, b: ifelse(c, a, b),
        lambda name, a: UNARY[name][0](a),
        lambda name, a, b: BINARY[name][0](a, b),
    )
    results = [values[k] for k in outputs]
    gradient = phintys.grad(sum(r.sum() for r in results), [x, y], disconnected_inputs="ignore")
    functions = [
        phintys.function(
            [*conditions, x, y], results + gradient, mode=mode, on_unused_input="ignore"
        )
        for mode in MODES
    ]
    x0, y0 = np.array([0.3, -0.6]), np.array([0.1, 0.2])
    for k in range(0, 8, 4):
        taken = truths[k : k + 4]
        with np.errstate(all="ignore"):
            expected = run(
                steps,
                [x0, y0],
                taken,
                lambda c, a, b: a if c else b,
                lambda name, a: UNARY[name][1](a),
                lambda name, a, b: BINARY[name][1](a, b),
            )
        answers = [f(*map(int, taken), x0, y0) for f in functions]
        for answer in answers:
            for position, number in enumerate(outputs):
                np.testing.assert_allclose(answer[position], expected[number], rtol=1e-9)
        finite = all(np.isfinite(a).all() for answer in answers for a in answer)
        if finite:
            for answer in answers[1:]:
                for a, b in zip(answers[0], answer, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)

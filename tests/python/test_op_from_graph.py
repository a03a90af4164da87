"""OpFromGraph: one node for users, an expression for the compiler."""

import copy
import gc
import pickle
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import OpFromGraph
from phintys.gradient import DisconnectedType, NullType, NullTypeGradError

MODES = ["FAST_RUN", "FAST_COMPILE", phintys.Mode("vm", None)]


def op_names(f):
    return [str(node.op) for node in f.maker.fgraph.toposort()]


def simple(**kwargs):
    x, y, z = T.dmatrices("x", "y", "z")
    return OpFromGraph([x, y, z], [x + y * z], **kwargs)


def values(n=3):
    rng = np.random.default_rng(0)
    return list(rng.standard_normal((n, 2, 2)))


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_values(inline, mode):
    op = simple(inline=inline)
    x, y, z = T.dmatrices("x", "y", "z")
    f = phintys.function([x, y, z], op(x, y, z) - op(z, y, x), mode=mode)
    a, b, c = values()
    np.testing.assert_allclose(f(a, b, c), a + b * c - (c + b * a), rtol=1e-13)


def test_it_is_one_node_for_users_and_none_for_the_compiler():
    op = simple(name="madd")
    x, y, z = T.dmatrices("x", "y", "z")
    out = op(x, y, z)
    assert isinstance(out.owner.op, OpFromGraph)
    assert not isinstance((x + y).owner.op, OpFromGraph)
    assert str(out.owner.op) == "madd{inline=False}"
    assert str(simple(inline=True)) == "OpFromGraph{inline=True}"
    assert "madd" in phintys.printing.debugprint(out, file="str")
    assert list(out.owner.inputs) == [x, y, z]
    f = phintys.function([x, y, z], T.exp(out) + out)
    assert not any("madd" in name for name in op_names(f))


def test_it_fuses_with_what_lies_around_it():
    op = simple()
    x, y, z = T.dmatrices("x", "y", "z")
    f = phintys.function([x, y, z], T.tanh(op(T.exp(x), y, z)))
    plain = phintys.function([x, y, z], T.tanh(T.exp(x) + y * z))
    assert len(op_names(f)) == len(op_names(plain))
    assert f(*values()).tobytes() == plain(*values()).tobytes()


def test_equal_ops_on_equal_operands_are_one():
    x, y, z = T.dmatrices("x", "y", "z")
    assert simple()(x, y, z).owner.op == simple()(x, y, z).owner.op
    a, b, c = T.dmatrices("a", "b", "c")
    other = OpFromGraph([a, b, c], [a + b * c + 1])
    assert simple()(x, y, z).owner.op != other(x, y, z).owner.op
    assert simple(name="n")(x, y, z).owner.op != simple()(x, y, z).owner.op


def test_several_outputs_and_sizes():
    x, y = T.dvectors("x", "y")
    op = OpFromGraph([x, y], [x * 2, T.exp(y).sum()])
    outs = op(x + 1, y)
    assert isinstance(outs, list)
    assert [o.ndim for o in outs] == [1, 0]
    f = phintys.function([x, y], outs)
    twice, total = f([1.0, 2.0], [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(twice, [4, 6])
    assert total == 3
    g = phintys.function([x, y], outs[1], on_unused_input="ignore")
    assert g([1.0], [0.0]) == 1


@pytest.mark.parametrize("inline", [False, True])
def test_shared_variables_inside_become_inputs(inline):
    x = T.dvector("x")
    s = phintys.shared(np.array([1.0, 2.0]), name="s")
    op = OpFromGraph([x], [x * s], inline=inline)
    out = op(x)
    assert list(op.shared_inputs) == [s]
    assert s in out.owner.inputs
    f = phintys.function([x], [out, phintys.grad(out.sum(), s)], updates=[(s, s + 1)])
    np.testing.assert_array_equal(f([1.0, 1.0])[0], [1, 2])
    out, grad = f([1.0, 3.0])
    np.testing.assert_array_equal(out, [2, 9])
    np.testing.assert_array_equal(grad, [1, 3])


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_gradient_is_that_of_the_graph(mode):
    op = simple()
    x, y, z = T.dmatrices("x", "y", "z")
    cost = T.sum(T.tanh(op(x, y, z)) * x)
    plain = T.sum(T.tanh(x + y * z) * x)
    grads = phintys.grad(cost, [x, y, z])
    assert any(
        "OpFromGraph_grad" in str(v.owner.op) for v in phintys.gof.graph.ancestors(grads) if v.owner
    )
    got = phintys.function([x, y, z], grads, mode=mode)(*values())
    expected = phintys.function([x, y, z], phintys.grad(plain, [x, y, z]), mode=mode)(*values())
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_derivatives_of_higher_order():
    x = T.dscalar("x")
    op = OpFromGraph([x], [T.exp(x) * x**3])
    y = op(x)
    for _ in range(3):
        y = phintys.grad(y, x)
    # (e^x x^3)''' = e^x (x^3 + 9 x^2 + 18 x + 6)
    t = 0.7
    expected = np.exp(t) * (t**3 + 9 * t**2 + 18 * t + 6)
    np.testing.assert_allclose(phintys.function([x], y)(t), expected, rtol=1e-12)


def test_verify_grad_and_rop():
    x, y = T.dmatrices("x", "y")
    op = OpFromGraph([x, y], [T.tanh(T.dot(x, y)), x.sum(axis=0)])
    phintys.gradient.verify_grad(
        lambda a, b: op(a, b)[0].sum() + (op(b, a)[1] ** 2).sum(), values(2), rng=np.random
    )
    u, v = T.dmatrices("u", "v")
    through = phintys.Rop(op(x, y)[0], [x, y], [u, v])
    plain = phintys.Rop(T.tanh(T.dot(x, y)), [x, y], [u, v])
    f = phintys.function([x, y, u, v], [through, plain])
    a, b = f(*values(4))
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_nested_ops_and_ops_in_loops():
    x = T.dvector("x")
    inner = OpFromGraph([x], [T.tanh(x) + 1])
    outer = OpFromGraph([x], [inner(inner(x)) * x])
    a = np.array([0.3, -0.2])
    twice = np.tanh(np.tanh(a) + 1) + 1
    for mode in MODES:
        np.testing.assert_allclose(
            phintys.function([x], outer(x), mode=mode)(a), twice * a, rtol=1e-13
        )
    s = T.dvector("s")
    body = phintys._core.InnerGraph([s], [outer(s)])
    rows = phintys._core.apply(
        "scan", [T.constant(np.array(3)), T.shape_padleft(x)], graph=body, taps=[1, -1], keep=[1],
        n_sequences=0, n_emitted=0, until=False, truncate=-1, recompute=0, label="",
    )  # fmt: skip
    expected = a
    for _ in range(3):
        expected = (np.tanh(np.tanh(expected) + 1) + 1) * expected
    for mode in MODES:
        f = phintys.function([x], rows[-1], mode=mode)
        np.testing.assert_allclose(f(a), expected, rtol=1e-13)


def test_static_types_are_kept():
    row = T.drow("row")
    m = T.dmatrix("m")
    op = OpFromGraph([row, m], [row + m])
    f = phintys.function([m], op(T.addbroadcast(m[:1], 0), m))
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(f(a), a[:1] + a)
    with pytest.raises(TypeError):
        op(m, m)
    v, w = T.TensorType("float64", shape=(3,))("v"), T.dvector("w")
    f = phintys.function([w], OpFromGraph([v], [v * 2])(w))
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0]), [2, 4, 6])
    with pytest.raises(AssertionError):
        f([1.0, 2.0])


# --- overrides --------------------------------------------------------------------------------


def test_grad_overrides_by_one_callable():
    x, y = T.dvectors("x", "y")
    seen = []

    def rule(inputs, grads):
        seen.append((len(inputs), len(grads)))
        return [grads[0] * 10, inputs[0] * grads[0] * 20]

    op = OpFromGraph([x, y], [x * y], grad_overrides=rule)
    gx, gy = phintys.grad(op(x, y).sum(), [x, y])
    f = phintys.function([x, y], [gx, gy, op(x, y)], on_unused_input="ignore")
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    da, db, value = f(a, b)
    np.testing.assert_array_equal(da, [10, 10])
    np.testing.assert_array_equal(db, a * 20)
    np.testing.assert_array_equal(value, a * b)
    assert seen == [(2, 1)]


def test_lop_overrides_get_the_outputs():
    x = T.dvector("x")
    op = OpFromGraph([x], [T.exp(x)], lop_overrides=lambda i, o, g: [o[0] * g[0] + i[0]])
    f = phintys.function([x], phintys.grad(op(x).sum(), x))
    a = np.array([0.5, 1.0])
    np.testing.assert_allclose(f(a), np.exp(a) + a, rtol=1e-14)


def test_overrides_in_a_list():
    x, y, z = T.dvectors("x", "y", "z")
    op = OpFromGraph(
        [x, y, z],
        [x * y * z],
        grad_overrides=["default", lambda inputs, grads: grads[0] * 7, None],
    )
    grads = phintys.grad(op(x, y, z).sum(), [x, y, z])
    a, b, c = np.array([2.0]), np.array([3.0]), np.array([5.0])
    da, db, dc = phintys.function([x, y, z], grads)(a, b, c)
    assert (da, db, dc) == (b * c, 7, 0)


def test_another_op_as_override():
    x, y, dz = T.dvectors("x", "y", "dz")
    rule = OpFromGraph([x, y, dz], [dz * x * 2, dz * y * 3])
    op = OpFromGraph([x, y], [x + y], grad_overrides=rule)
    f = phintys.function([x, y], phintys.grad(op(x, y).sum(), [x, y]))
    da, db = f([1.0, 2.0], [3.0, 4.0])
    np.testing.assert_array_equal(da, [2, 4])
    np.testing.assert_array_equal(db, [9, 12])
    with pytest.raises(ValueError, match="needs 3 inputs"):
        OpFromGraph([x, y], [x + y], grad_overrides=simple.__call__ and OpFromGraph([x], [x]))


def test_disconnected_and_undefined_gradients():
    x, y = T.dvectors("x", "y")
    op = OpFromGraph([x, y], [x * y], grad_overrides=["default", DisconnectedType()()])
    out = op(x, y).sum()
    with pytest.raises(ValueError):
        phintys.grad(out, y)
    zeros = phintys.grad(out, y, disconnected_inputs="ignore")
    np.testing.assert_array_equal(zeros.eval({y: [1.0, 2.0]}), [0, 0])
    assert op.connection_pattern() == [[True], [False]]
    op = OpFromGraph([x, y], [x * y], grad_overrides=NullType("because")())
    with pytest.raises(NullTypeGradError, match="because"):
        phintys.grad(op(x, y).sum(), x)


def test_connection_pattern():
    x, y = T.dvectors("x", "y")
    op = OpFromGraph([x, y], [x * 2, x + y, y.shape[0] * 1.0])
    assert op.connection_pattern() == [[True, True, False], [False, True, False]]
    given = OpFromGraph([x, y], [x * y], connection_pattern=[[True], [False]])
    assert given.connection_pattern() == [[True], [False]]
    with pytest.raises(ValueError):
        phintys.grad(given(x, y).sum(), y)
    with pytest.raises(ValueError, match="connection_pattern"):
        OpFromGraph([x, y], [x * y], connection_pattern=[[True, True], [False]])


def test_rop_overrides():
    x = T.dvector("x")
    op = OpFromGraph([x], [x**2], rop_overrides=lambda inputs, points: [points[0] * 5])
    v = T.dvector("v")
    f = phintys.function([x, v], phintys.Rop(T.exp(op(x)), x, v))
    a, d = np.array([0.5, 1.0]), np.array([1.0, -2.0])
    np.testing.assert_allclose(f(a, d), np.exp(a**2) * 5 * d, rtol=1e-13)
    # The gradient is still that of the graph.
    g = phintys.function([x], phintys.grad(op(x).sum(), x))
    np.testing.assert_array_equal(g(a), 2 * a)


def test_rop_overrides_in_a_list():
    x, y = T.dvectors("x", "y")
    rule = [lambda inputs, points: points[0] * 3, "default"]
    op = OpFromGraph([x, y], [x * y, x + 2 * y], rop_overrides=rule)
    u, v = T.dvectors("u", "v")
    first, second = phintys.Rop(op(x, y), [x, y], [u, v])
    f = phintys.function([x, y, u, v], [first, second], on_unused_input="ignore")
    r = np.random.default_rng(0).standard_normal((4, 3))
    got = f(*r)
    np.testing.assert_allclose(got[0], 3 * r[2], rtol=1e-14)
    np.testing.assert_allclose(got[1], r[2] + 2 * r[3], rtol=1e-14)


def test_rop_overrides_beside_others():
    x, v = T.dvectors("x", "v")
    a, d = np.array([0.5, 1.0]), np.array([1.0, -2.0])
    # The override of the gradient plays no part in the R-operator's own.
    both = OpFromGraph(
        [x],
        [x**2],
        grad_overrides=lambda inputs, grads: [grads[0] * 100],
        rop_overrides=lambda inputs, points: [points[0] * inputs[0]],
    )
    f = phintys.function([x, v], phintys.Rop(both(x) * 2, x, v))
    np.testing.assert_allclose(f(a, d), 2 * a * d, rtol=1e-14)
    # Inside of another op it counts as well.
    inner = OpFromGraph([x], [x**2], rop_overrides=lambda inputs, points: [points[0] * 5])
    outer = OpFromGraph([x], [T.exp(inner(x))])
    f = phintys.function([x, v], phintys.Rop(outer(2 * x), x, v))
    np.testing.assert_allclose(f(a, d), np.exp(4 * a**2) * 5 * 2 * d, rtol=1e-13)


def test_outputs_that_depend_on_one_another():
    x = T.dscalar("x")
    y = T.exp(x)
    for rule in ("default", ["default"]):
        op = OpFromGraph([x], [y, y**2, y], grad_overrides=rule)
        a, b, c = op(x)
        f = phintys.function([x], phintys.grad(a + b * 3 + c * 5, x))
        e = np.exp(0.3)
        np.testing.assert_allclose(f(0.3), e + 6 * e**2 + 5 * e, rtol=1e-13)


def test_ops_with_overrides_are_freed():
    x = T.dvector("x")
    op = OpFromGraph([x], [x**2], grad_overrides=lambda inputs, grads: [grads[0] * 4])
    out = op(x)
    phintys.grad(out.sum(), x)
    gone = weakref.ref(op._gradient)
    del op, out
    gc.collect()
    assert gone() is None


def test_later_names_of_overrides():
    x, v = T.dvectors("x", "v")
    op = OpFromGraph(
        [x],
        [x**2],
        pullback=lambda inputs, outputs, grads: [outputs[0] * grads[0]],
        pushforward=lambda inputs, points: [points[0] * 9],
    )
    f = phintys.function([x, v], [phintys.grad(op(x).sum(), x), phintys.Rop(op(x), x, v)])
    gradient, change = f([3.0], [2.0])
    assert (gradient, change) == (9, 18)
    with pytest.raises(ValueError, match="exclusive"):
        OpFromGraph([x], [x], pullback=len, lop_overrides=len)


def test_setting_overrides_later():
    x = T.dvector("x")
    op = OpFromGraph([x], [x**2])
    before = op(x)
    op.set_grad_overrides(lambda inputs, grads: [grads[0] * 4])
    f = phintys.function([x], [phintys.grad(v.sum(), x) for v in (before, op(x))])
    first, second = f([3.0])
    assert (first, second) == (6, 4)


# --- misuse -----------------------------------------------------------------------------------


def test_misuse():
    x, y = T.dvectors("x", "y")
    with pytest.raises(TypeError, match="list"):
        OpFromGraph([x], x + 1)
    with pytest.raises(TypeError, match="Variable"):
        OpFromGraph([3], [x + 1])
    with pytest.raises(TypeError, match="givens"):
        OpFromGraph([x], [x + 1], givens={x: y})
    with pytest.raises(phintys.gof.MissingInputError):
        OpFromGraph([x], [x + y])
    with pytest.raises(ValueError, match="exclusive"):
        OpFromGraph([x], [x], grad_overrides=len, lop_overrides=len)
    with pytest.raises(ValueError, match="override"):
        OpFromGraph([x], [x], grad_overrides=["default", "default"])
    with pytest.raises(TypeError, match="callable"):
        OpFromGraph([x], [x], grad_overrides=3)
    op = OpFromGraph([x, y], [x + y])
    with pytest.raises(ValueError, match="Expected 2 inputs"):
        op(x)
    with pytest.raises(TypeError):
        op(x, T.fmatrix())
    bad = OpFromGraph([x], [x * 2], grad_overrides=lambda i, g: g + g)
    with pytest.raises(ValueError, match="1 outputs, got 2"):
        phintys.grad(bad(x).sum(), x)
    bad = OpFromGraph([x], [x * 2], grad_overrides=lambda i, g: g[0])
    with pytest.raises(TypeError, match="list"):
        phintys.grad(bad(x).sum(), x)
    boom = OpFromGraph([x], [x * 2], grad_overrides=lambda i, g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        phintys.grad(boom(x).sum(), x)


# --- copies and files -------------------------------------------------------------------------


def tripled(inputs, grads):
    return [g * 3 for g in grads]


@pytest.mark.parametrize("duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_copies_keep_overrides(duplicate):
    x = T.dvector("x")
    op = OpFromGraph([x], [x**2], grad_overrides=tripled, name="square")
    x2, out2 = duplicate((x, op(x)))
    assert str(out2.owner.op) == "square{inline=False}"
    f = phintys.function([x2], [out2, phintys.grad(out2.sum(), x2)])
    value, grad = f([2.0])
    assert (value, grad) == (4, 3)
    op2 = duplicate(op)
    f = phintys.function([x], phintys.grad(op2(x).sum(), x))
    assert f([2.0]) == 3


def test_saved_functions_hold_the_expression(tmp_path):
    op = simple(grad_overrides=lambda i, g: [g[0]] * 3)
    x, y, z = T.dmatrices("x", "y", "z")
    for mode in MODES:
        f = phintys.function(
            [x, y, z], [op(x, y, z), *phintys.grad(op(x, y, z).sum(), [x])], mode=mode
        )
        f.save(tmp_path / "f.phy")
        assert (tmp_path / "f.phy").read_bytes()[8] == 1
        loaded = phintys.load(tmp_path / "f.phy")
        for a, b in zip(f(*values()), loaded(*values()), strict=True):
            assert a.tobytes() == b.tobytes()


def test_clone_and_substitution_go_through_the_node():
    op = simple()
    x, y, z = T.dmatrices("x", "y", "z")
    out = phintys.clone(op(x, y, z), {x: y})
    assert isinstance(out.owner.op, OpFromGraph)
    a, b, _ = values()
    np.testing.assert_allclose(phintys.function([y, z], out)(a, b), a + a * b, rtol=1e-14)

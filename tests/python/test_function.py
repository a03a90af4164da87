"""phintys.function: inputs, outputs, updates, givens, copies, pickles, modes."""

import copy
import inspect
import pickle

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import In, Out, change_flags, errors, function, shared


def test_signature_is_theanos():
    names = list(inspect.signature(function).parameters)
    assert names[:12] == [
        "inputs", "outputs", "mode", "updates", "givens", "no_default_updates", "accept_inplace",
        "name", "rebuild_strict", "allow_input_downcast", "profile", "on_unused_input",
    ]  # fmt: skip


def test_forms_of_outputs():
    x = T.dscalar("x")
    assert isinstance(function([x], x + 1)(1), np.ndarray)
    assert function([x], [x + 1])(1) == [2]
    assert function([x], {"b": x, "a": x + 1})(1) == {"a": 2, "b": 1}
    assert function([x], Out(x + 1, borrow=True))(1) == 2
    assert function([x], on_unused_input="ignore")(1) == []
    assert function([x], [], on_unused_input="ignore")(1) == []
    a, b = function([x], [x, x])(1)
    assert a is not b and not np.may_share_memory(a, b)


def test_keywords_and_defaults():
    x, y = T.dscalars("x", "y")
    f = function([x, In(y, value=10)], x + y)
    assert f(1) == 11
    assert f(1, y=2) == f(y=2, x=1) == 3
    assert function([x, (y, 5)], x * y)(2) == 10
    assert function([In(x, name="other")], x)(other=3) == 3
    with pytest.raises(TypeError, match="Missing required input: x"):
        f()
    with pytest.raises(TypeError, match="Too many"):
        f(1, 2, 3)
    with pytest.raises(TypeError, match="Unknown input or state: z"):
        f(1, z=3)


def test_conversion_of_arguments():
    x, m, i = T.fscalar("x"), T.fmatrix("m"), T.bscalar("i")
    f, g, h = function([x], x), function([m], m), function([i], i)
    assert f(1) == 1
    with pytest.raises(TypeError, match="accurately"):
        f(1.1)
    with change_flags(floatX="float32"):
        f(1.1)
    with pytest.raises(TypeError, match="risking loss of precision"):
        g(np.ones((2, 2)))
    g(np.ones((2, 2), "int16"))
    with pytest.raises(TypeError, match="Wrong number of dimensions"):
        g(np.ones(2, "float32"))
    with pytest.raises(TypeError):
        h(300)
    assert h(1.0) == 1
    assert function([x], x, allow_input_downcast=True)(1.1).dtype == "float32"
    with pytest.raises(TypeError):
        function([In(x, strict=True)], x)(1.0)
    with pytest.raises(TypeError, match="Variable"):
        f(x)
    r = T.drow("r")
    with pytest.raises(TypeError, match="broadcastable"):
        function([r], r)(np.ones((2, 3)))


def test_bad_requests():
    x, s = T.dscalar("x"), shared(1.0, "s")
    with pytest.raises(Exception, match="contained in a list"):
        function(x, x)
    with pytest.raises(TypeError, match="Unknown parameter type"):
        function([3], x)
    with pytest.raises(TypeError, match="Constants not allowed"):
        function([T.constant(1)], x)
    with pytest.raises(TypeError, match="Cannot use a shared variable"):
        function([s], s)
    with pytest.raises(TypeError, match="Outputs"):
        function([x], 3)
    with pytest.raises(errors.UnusedInputError, match="index 0"):
        function([x], s)
    with pytest.raises(errors.UnusedInputError, match="twice"):
        function([x, x], x)
    with pytest.warns(UserWarning, match="not part of"):
        function([x], s, on_unused_input="warn")
    function([x], s, on_unused_input="ignore")
    with pytest.raises(errors.MissingInputError, match="x"):
        function([], x + 1)
    with pytest.raises(Exception, match="No predefined mode"):
        function([x], x, mode="NO_SUCH_MODE")


def test_updates_happen_together():
    s, t = shared(1.0, "s"), shared(2.0, "t")
    f = function([], [s, t], updates=[(s, t), (t, s)])
    assert f() == [1, 2]
    assert (s.get_value(), t.get_value()) == (2, 1)
    with pytest.raises(ValueError, match="already has an update"):
        function([], s, updates=[(s, t), (s, t + 1)])
    with pytest.raises(TypeError, match="SharedVariable"):
        function([], s, updates=[(T.dscalar(), s)])
    i = shared(1, "i")
    with pytest.raises(TypeError, match="same type"):
        function([], i, updates=[(i, i + 0.5)])


def test_default_updates():
    s = shared(0, "s")
    s.default_update = s + 1
    f = function([], s)
    assert (f(), f()) == (0, 1)
    g = function([], s, no_default_updates=True)
    assert (g(), g()) == (2, 2)
    h = function([], s, no_default_updates=[s])
    assert (h(), h()) == (2, 2)
    k = function([], s, updates={s: s + 10})
    k()
    assert s.get_value() == 12


def test_givens():
    x, y = T.dscalars("x", "y")
    assert function([y], x * 2, givens={x: y + 1})(3) == 8
    assert function([], x * 2, givens=[(x, 4.0)])() == 8
    with pytest.raises(TypeError, match="Cannot convert"):
        function([], x * 2, givens={x: T.fscalar()})
    with pytest.raises(RuntimeError, match="givens"):
        function([x], x * 2, givens={x: y})
    z = x * 2
    assert function([z], z + 1)(5) == 6


def test_state_of_inputs():
    state, inc = T.iscalar("state"), T.iscalar("inc")
    f = function([inc, In(state, value=0, update=state + inc)], state)
    assert (f(1), f(10), f(0)) == (0, 1, 11)
    assert f[state] == f["state"] == 11
    f[state] = 100
    assert f(5) == 100 and f["state"] == 105
    g = pickle.loads(pickle.dumps(f))
    assert g(1) == 105 and g(0) == 106


def test_copy_and_swap():
    x, s, t = T.dscalar("x"), shared(1.0, "s"), shared(10.0, "t")
    f = function([x], s + x, updates=[(s, s + x)], name="f")
    g = f.copy(swap={s: t}, delete_updates=True)
    assert g(1) == 11 and t.get_value() == 10
    assert f.copy()(1) == 2 and s.get_value() == 2
    assert copy.copy(f)(1) == 3
    with pytest.raises(AssertionError):
        f.copy(swap={s: shared(np.ones(2))})
    assert set(f.get_shared()) == {s}
    assert f[s] == f["s"] == 3 and s in f and "u" not in f
    f.free()
    assert f(1) == 4


def test_pickle_save_and_load(tmp_path):
    x, s = T.dvector("x"), shared(np.arange(3.0), "s")
    f = function([x], {"out": x * s}, updates=[(s, s + x)], name="step")
    g = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(g(np.ones(3))["out"], [0, 1, 2])
    np.testing.assert_array_equal(g(x=np.ones(3))["out"], [1, 2, 3])
    np.testing.assert_array_equal(s.get_value(), [0, 1, 2])
    path = tmp_path / "model.phy"
    g.save(path)
    h = phintys.load(path)
    np.testing.assert_array_equal(h(np.ones(3))["out"], [2, 3, 4])
    np.testing.assert_array_equal(copy.deepcopy(h)(np.ones(3))["out"], [3, 4, 5])
    path.write_bytes(b"nonsense")
    with pytest.raises(errors.BadFileError):
        phintys.load(path)


def test_introspection():
    x = T.dscalar("x")
    f = function([x], T.exp(x) + 1)
    assert f.name.endswith(".py:" + f.name.rpartition(":")[2]) and "test_function" in f.name
    assert (
        any(node.op.name == "exp" for node in f.maker.fgraph.toposort())
        or f.maker.fgraph.apply_nodes
    )
    assert len(f.maker.fgraph.inputs) == 1 and len(f.maker.fgraph.outputs) == 1
    f.note = "free attribute"
    g = function([x], x + 1, profile=True)
    g.profile.atexit_print = False
    g(1)
    assert g.profile.fct_callcount >= 1
    g.profile.summary(file=open("/dev/null", "w"))


MODES = ["FAST_RUN", "FAST_COMPILE", "FastCompileMode", "Mode", "DebugMode", "NanGuardMode", None]


@pytest.mark.parametrize("mode", MODES)
def test_modes_agree(mode):
    x, w = T.dmatrix("x"), shared(np.ones((3, 2)), "w")
    cost = T.nnet.sigmoid(T.dot(x, w)).sum()
    f = function([x], cost, updates=[(w, w - 0.1 * phintys.grad(cost, w))], mode=mode)
    value = np.arange(6.0).reshape(2, 3)
    first = float(f(value))
    np.testing.assert_allclose(first, 2 * (1 / (1 + np.exp(-value.sum(1)))).sum())
    assert float(f(value)) < first


def test_excluding_passes():
    from phintys.compile.mode import FAST_RUN, pass_names

    assert not FAST_RUN.excluding("fusion").fuse
    for name in pass_names():
        mode = FAST_RUN.excluding(name)
        assert mode.excluded_passes() == [name]
        assert mode.including(name).excluded_passes() == []


def test_nan_guard_mode_names_the_node():
    x = T.dvector("x")
    f = function([x], T.log(x) * 2, mode="NanGuardMode")
    f([1.0])
    with pytest.raises(AssertionError, match="NaN detected") as info:
        f([-1.0])
    assert "test_function.py" in str(info.value)
    with pytest.raises(AssertionError, match="Inf detected"):
        f([0.0])
    with pytest.raises(AssertionError, match="input"):
        f([np.nan])


def test_debug_mode_finds_a_wrong_pass():
    x = T.dvector("x")
    f = function([x], x * 2 + 1, mode="DebugMode")
    f([1.0, 2.0])
    f._variants.append(("wrong", function([x], [x * 2 + 2])))
    with pytest.raises(errors.BadOptimization, match="wrong") as info:
        f([1.0, 2.0])
    assert info.value.pass_name == "wrong"


def test_failed_call_changes_nothing():
    x, s = T.dvector("x"), shared(np.ones(3), "s")
    f = function([x], updates=[(s, s + x)])
    with pytest.raises(ValueError):
        f(np.ones(2))
    np.testing.assert_array_equal(s.get_value(), np.ones(3))


def test_wrong_calls_are_phintys_errors():
    x, y = T.dscalars("x", "y")
    f = function([x, y], x + y)
    for arguments, names in [((1,), {}), ((1, 2, 3), {}), ((1, 2), {"x": 1}), ((1,), {"z": 1})]:
        with pytest.raises(phintys.PhintysError):
            f(*arguments, **names)

"""Handles: Python objects that stand for nodes of a graph."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core

HERE = __file__


def live_variables() -> int:
    gc.collect()
    return sum(isinstance(o, _core.Variable) for o in gc.get_objects())


# --- identity and attributes ------------------------------------------------------------------


def test_attributes_of_a_plain_variable():
    x = T.dmatrix("x")
    assert isinstance(x, _core.Variable)
    assert (x.dtype, x.ndim, x.broadcastable, x.static_shape) == (
        "float64",
        2,
        (False, False),
        (None, None),
    )
    assert x.name == "x"
    assert x.owner is None and x.index is None
    assert not x.is_constant and not x.is_shared
    x.name = None
    assert x.name is None
    with pytest.raises(TypeError):
        x.name = 3


def test_one_handle_per_node():
    x, y = T.dvectors("x", "y")
    z = x + y
    assert z.owner is z.owner
    assert z.owner.inputs[0] is x and z.owner.inputs[1] is y
    assert z.owner.outputs[0] is z and z.owner.out is z
    assert z.index == 0
    assert (z.owner.nin, z.owner.nout) == (2, 1)


def test_type_is_the_object_given_and_shared_between_results():
    t = T.TensorType("float32", (True, False))
    x = _core.Variable(t)
    assert x.type is t
    a, b = T.dvectors("a", "b")
    assert (a + b).type is (a * b).type
    assert (a + b).type == a.type


def test_hash_and_equality_are_identity():
    x, y = T.dscalars("x", "y")
    assert x == x and not (x == y) and x != y and not (x != x)
    assert len({x, y, x}) == 2
    assert x in [y, x]
    assert x != 1 and not (x == None)  # noqa: E711


def test_attributes_survive_as_long_as_the_node_is_reachable():
    x = T.dscalar("x")
    middle = x * 2
    middle.note = "kept"
    middle.owner.note = "kept too"
    result = T.exp(middle)
    del middle
    gc.collect()
    assert result.owner.inputs[0].note == "kept"
    assert result.owner.inputs[0].owner.note == "kept too"


def test_attributes_of_inputs_survive():
    def build():
        x = T.dscalar("x")
        x.role = "input"
        return T.exp(x + 1)

    z = build()
    gc.collect()
    (x,) = [v for v in _core.graph_inputs([z]) if not v.is_constant]
    assert x.role == "input"


def test_every_ancestor_of_a_gradient_has_its_handle():
    x = T.dvector("x")
    x.mark = 1
    cost = T.sum(T.exp(x) * x)
    (g,), disconnected = _core.grad(cost, [x])
    assert disconnected == []
    inputs = _core.graph_inputs([g])
    assert [v for v in inputs if not v.is_constant] == [x]
    for node in _core.toposort([g]):
        assert all(out.owner is node for out in node.outputs)


def test_setting_unknown_attributes_and_dict():
    x = T.dscalar()
    x._keras_shape = (1, 2)
    assert x.__dict__["_keras_shape"] == (1, 2)
    with pytest.raises(AttributeError):
        x.does_not_exist  # noqa: B018


def test_constants():
    c = _core.constant(np.arange(6.0).reshape(1, 6))
    assert c.is_constant and c.broadcastable == (True, False) and c.static_shape == (1, 6)
    assert not c.constant_data.flags.writeable
    np.testing.assert_array_equal(c.constant_data, np.arange(6.0).reshape(1, 6))
    with pytest.raises(AttributeError):
        T.dscalar().constant_data  # noqa: B018


def test_constant_copies_odd_arrays():
    data = np.arange(12, dtype=">i4").reshape(3, 4)[::-1, ::2]
    c = _core.constant(data)
    assert c.dtype == "int32"
    np.testing.assert_array_equal(c.constant_data, data)


def test_source_line():
    x = T.dscalar("x")
    z = x + 1
    line = inspect.currentframe().f_lineno - 1
    assert z.loc == f"{HERE}:{line}"
    assert z.owner.loc == z.loc
    assert T.exp(z).loc.startswith(HERE)


# --- life ---------------------------------------------------------------------------------------


def test_weak_references():
    x = T.dscalar("x")
    z = x + 1
    ref = weakref.ref(z)
    calls = []
    weakref.finalize(z, calls.append, 1)
    assert ref() is z
    del z
    gc.collect()
    assert ref() is None and calls == [1]


def test_expressions_go_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = T.dscalar("x")
        z = T.exp(x * 2 + 1)
        refs = [weakref.ref(v) for v in _core.ancestors([z])]
        del z
        assert sum(r() is not None for r in refs) == 1  # x itself
    finally:
        gc.enable()


def test_cycles_are_collected():
    class Holder:
        pass

    x = T.dscalar("x")
    z = x + 1
    holder = Holder()
    holder.result = z
    x.holder = holder  # x -> holder -> z -> x
    ref = weakref.ref(z)
    owner_ref = weakref.ref(z.owner)
    del x, z, holder
    gc.collect()
    assert ref() is None and owner_ref() is None


def test_no_handles_leak():
    before = live_variables()
    for _ in range(50):
        x = T.dmatrix("x")
        cost = T.sum(T.tanh(T.dot(x, x)))
        _core.grad(cost, [x])
        cost.owner.inputs[0].owner.tagged = cost
    del x, cost
    assert live_variables() <= before + 5  # cached constants


@pytest.mark.parametrize("walk_owners", [False, True])
def test_long_chains(walk_owners):
    x = T.dscalar("x")
    z = x
    for _ in range(100_000):
        z = -z
    if walk_owners:
        v = z
        while v.owner is not None:
            v = v.owner.inputs[0]
        assert v is x
    ref = weakref.ref(z)
    del z
    if walk_owners:
        del v
    gc.collect()
    assert ref() is None


def test_long_chain_made_by_the_library():
    x = T.dscalar("x")
    z = x
    for _ in range(100_000):
        z = -z
    (copy,) = _core.clone([z], [])
    assert copy is not z
    assert _core.graph_inputs([copy]) == [x]


def test_chain_through_attributes():
    first = v = T.dscalar()
    for _ in range(100_000):
        v.next = T.dscalar()
        v = v.next
    del first, v
    gc.collect()


# --- open classes -------------------------------------------------------------------------------


def test_subclass_and_hand_built_apply():
    class Mine(type(T.dscalar())):
        def __init__(self, type, owner=None, index=None, name=None, extra=None):
            super().__init__(type, owner, index, name)
            self.extra = extra

    x = T.dvector("x")
    out = Mine(x.type, name="out", extra=5)
    op = _core.make_op("disconnected_grad")
    node = phintys.Apply(op, inputs=[x], outputs=[out])
    assert out.owner is node and out.index == 0 and out.extra == 5
    assert node.inputs == [x] and node.outputs == [out] and node.op is op
    z = out * 2
    assert z.owner.inputs[0] is out
    ref = weakref.ref(out)
    del out, node, z
    gc.collect()
    assert ref() is None


def test_apply_refuses_wrong_outputs():
    x = T.dvector("x")
    op = _core.make_op("disconnected_grad")
    z = x + 1
    with pytest.raises(ValueError, match="already belongs"):
        phintys.Apply(op, [x], [z])
    fresh = _core.Variable(x.type)
    with pytest.raises(ValueError, match="used to compute"):
        phintys.Apply(op, [fresh + 1], [fresh])
    with pytest.raises(ValueError, match="used to compute"):
        phintys.Apply(op, [fresh], [fresh])
    with pytest.raises(ValueError, match="constant"):
        phintys.Apply(op, [x], [_core.constant(np.ones(2))])
    with pytest.raises(ValueError, match="at least one"):
        phintys.Apply(op, [x], [])
    with pytest.raises(TypeError):
        phintys.Apply("op", [x], [fresh])


def test_handles_without_init_are_refused():
    class Broken(_core.Variable):
        def __init__(self):
            pass

    v = Broken()
    with pytest.raises(RuntimeError, match="__init__"):
        v.ndim  # noqa: B018
    with pytest.raises(RuntimeError, match="__init__"):
        v + 1
    with pytest.raises(RuntimeError):
        _core.Variable.__init__(T.dscalar(), T.dscalar().type)


# --- operators ----------------------------------------------------------------------------------


def test_operators_build_nodes():
    x, y = T.dvectors("x", "y")
    made = [
        x + y,
        x - y,
        x * y,
        x / y,
        x // y,
        x % y,
        x**y,
        -x,
        abs(x),
        x < y,
        x <= y,
        x > y,
        x >= y,
    ]
    names = [v.owner.op.name for v in made]
    assert names == ("add sub mul true_div int_div mod pow neg abs_ lt le gt ge".split())
    i, j = T.lvectors("i", "j")
    assert [v.owner.op.name for v in (i & j, i | j, i ^ j, ~i)] == ["and_", "or_", "xor", "invert"]


def test_reflected_operators():
    x = T.dvector("x")
    z = 2.0 - x
    assert z.owner.inputs[1] is x
    z = np.ones(3) * x
    assert isinstance(z, _core.Variable) and z.ndim == 1
    assert (x @ x).ndim == 0


def test_foreign_operands():
    class Foreign:
        def __radd__(self, other):
            return "reflected"

    x = T.dscalar("x")
    assert x + Foreign() == "reflected"
    with pytest.raises(TypeError):
        x + Foreign
    with pytest.raises(TypeError):
        x < object()  # noqa: B015


def test_truth():
    x, y = T.dscalars("x", "y")
    assert bool(x) and bool(x + y)
    for comparison in (x < y, x <= y, x > y, x >= y):
        with pytest.raises(TypeError, match=r"Variables do not support boolean operations\."):
            bool(comparison)
    with pytest.raises(TypeError):
        x < y < x  # noqa: B015


# --- ops ----------------------------------------------------------------------------------------


def test_ops_compare_by_value():
    a = _core.make_op("specify_shape", dims=[2, -1], rebroadcast=False)
    b = _core.make_op("specify_shape", dims=[2, -1], rebroadcast=False)
    c = _core.make_op("specify_shape", dims=[3, -1], rebroadcast=False)
    assert a == b and hash(a) == hash(b) and a != c
    assert a.attrs == {"dims": [2, -1], "rebroadcast": False}
    assert a.name == "specify_shape"


def test_op_attributes_are_checked():
    with pytest.raises(TypeError, match="needs the attribute 'dims'"):
        _core.make_op("specify_shape", rebroadcast=False)
    with pytest.raises(TypeError, match="no attribute 'colour'"):
        _core.make_op("specify_shape", dims=[1], rebroadcast=False, colour=1)
    with pytest.raises(TypeError, match="must be an integer"):
        _core.make_op("specify_shape", dims=["a"], rebroadcast=False)
    with pytest.raises(KeyError):
        _core.make_op("no_such_op")


def test_registry_is_described():
    ops = {d["name"]: d for d in _core.elementwise_ops()}
    assert ops["add"]["arity"] == 2 and ops["add"]["commutative"]
    assert ops["exp"]["numpy"] == "numpy.exp" and ops["exp"]["summary"]
    assert "reshape" in _core.structural_ops()


def test_pickle_and_copy_of_graphs():
    x = T.dvector("x")
    x.role = "input"
    z = T.exp(x) + x
    z.name = "z"
    x2, z2 = pickle.loads(pickle.dumps([x, z]))
    assert x2 is not x and x2.name == "x" and x2.role == "input" and z2.name == "z"
    assert _core.graph_inputs([z2]) == [x2]
    assert z2.owner.op == z.owner.op and z2.type == z.type
    c = copy.deepcopy(_core.constant(np.arange(3.0), "c"))
    assert c.is_constant and c.name == "c"
    np.testing.assert_array_equal(c.constant_data, np.arange(3.0))
    op = _core.make_op("specify_shape", dims=[2], rebroadcast=False)
    assert pickle.loads(pickle.dumps(op)) == op


# --- shared variables ---------------------------------------------------------------------------


def test_shared_values_copy_unless_borrowed():
    data = np.zeros(3)
    s = phintys.shared(data)
    data[0] = 1
    np.testing.assert_array_equal(s.get_value(), [0, 0, 0])
    s.get_value()[1] = 7
    np.testing.assert_array_equal(s.get_value(), [0, 0, 0])
    s.get_value(borrow=True)[1] = 7
    np.testing.assert_array_equal(s.get_value(), [0, 7, 0])
    s = phintys.shared(data, borrow=True)
    data[2] = 5
    np.testing.assert_array_equal(s.get_value(), [1, 0, 5])


def test_borrowed_memory_outlives_the_variable():
    s = phintys.shared(np.arange(4.0))
    view = s.get_value(borrow=True)
    s.set_value(np.zeros(4))
    del s
    gc.collect()
    np.testing.assert_array_equal(view, np.arange(4.0))


def test_shared_set_refuses_other_types():
    s = _core.shared(np.zeros(3), T.dvector().type, "s")
    with pytest.raises(TypeError):
        _core.shared_set(s, np.zeros((3, 1)))
    with pytest.raises(TypeError):
        _core.shared_set(s, np.zeros(3, "float32"))
    with pytest.raises(TypeError):
        _core.shared_set(s, [1.0])
    with pytest.raises(TypeError):
        _core.shared_get(T.dscalar())
    np.testing.assert_array_equal(_core.shared_get(s), np.zeros(3))

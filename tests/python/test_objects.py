"""Variables of type ``generic``: any Python object as shared value, argument and result."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import Apply, Op, function, generic, gof, shared
from phintys.compile.objects import GenericSharedVariable, ObjectFunction
from phintys.gof.type import generic as generic_of_gof
from phintys.ifelse import ifelse

X = np.array([1.0, 2.0])


class Scale(Op):
    """x times the number that the table has under 'scale'."""

    __props__ = ()

    def make_node(self, table, x):
        return Apply(self, [generic.filter_variable(table), T.as_tensor_variable(x)], [x.type()])

    def perform(self, node, inputs, output_storage):
        table, x = inputs
        output_storage[0][0] = x * table["scale"]

    def grad(self, inputs, gradients):
        table, _ = inputs
        return [phintys.gradient.DisconnectedType()(), Scale()(table, gradients[0])]

    def connection_pattern(self, node):
        return [[False], [True]]

    def infer_shape(self, node, shapes):
        return [shapes[1]]


class Put(Op):
    """A copy of the table with another scale."""

    itypes = (generic, T.dscalar)
    otypes = (generic,)
    __props__ = ()

    def perform(self, node, inputs, output_storage):
        table, value = inputs
        output_storage[0][0] = {**table, "scale": float(value)}


class Same(Op):
    """Its operand."""

    itypes = (generic,)
    otypes = (generic,)
    __props__ = ()

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0]


class Thing:
    """An object that can be referred to weakly."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def __getitem__(self, key):
        return self.scale


MODES = ["FAST_RUN", "FAST_COMPILE", phintys.Mode(optimizer=None), "DebugMode", "NanGuardMode"]
modes = pytest.mark.parametrize("mode", MODES, ids=str)


# --- shared variables --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, "text", None, (1, [2]), Thing, b"x", ...])
def test_shared_objects(value):
    v = shared(value, name="v")
    assert isinstance(v, GenericSharedVariable) and v.type == generic and v.is_shared
    assert v.name == "v"
    assert v.get_value(borrow=True) is value
    assert v.get_value() == value


def test_borrowing():
    value = [1, [2]]
    v = shared(value)
    assert v.get_value(borrow=True) is value  # as in Theano: the constructor makes no copy
    got = v.get_value()
    assert got == value and got is not value and got[1] is not value[1]
    other = [3, [4]]
    v.set_value(other, borrow=True)
    assert v.get_value(borrow=True) is other
    v.set_value(other)
    assert v.get_value() == other and v.get_value(borrow=True)[1] is not other[1]
    v.container.data = [5]
    assert v.container.value == [5]


def test_numbers_and_arrays_are_tensors_as_before():
    assert shared(1).dtype == "int64" and shared(np.ones(2)).ndim == 1
    assert isinstance(shared(np.array(["a"])), GenericSharedVariable)
    assert isinstance(shared(np.array([None])), GenericSharedVariable)


def test_errors_of_shared():
    with pytest.raises(TypeError, match="No suitable SharedVariable"):
        shared([1, 2], borrow=True)
    with pytest.raises(TypeError, match="not symbolic variables"):
        shared(T.dscalar())
    with pytest.raises(TypeError, match="found a Variable"):
        shared([1]).set_value(T.dscalar())


def test_copies_of_shared():
    v = shared({"scale": 2}, name="v")
    for other in (v.clone(), copy.copy(v), copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert other is not v and other.name == "v" and other.get_value() == {"scale": 2}
        assert other.get_value(borrow=True) is not v.get_value(borrow=True)


# --- in functions ------------------------------------------------------------------------------


@modes
def test_an_op_reads_a_shared_object(mode):
    table = shared({"scale": 3.0}, name="table")
    x = T.dvector("x")
    f = function([x], Scale()(table, x * 2) + 1, mode=mode)
    np.testing.assert_array_equal(f(X), X * 6 + 1)
    table.set_value({"scale": -1.0})
    np.testing.assert_array_equal(f(X), X * -2 + 1)
    table.get_value(borrow=True)["scale"] = 10.0
    np.testing.assert_array_equal(f(x=X), X * 20 + 1)
    assert f.get_shared() == [table] and table in f and f["table"] == {"scale": 10.0}


@modes
def test_objects_are_arguments_and_results(mode):
    table, x = generic("table"), T.dvector("x")
    f = function([table, x], [Scale()(table, x), table, Put()(table, x[0])], mode=mode)
    value = {"scale": 2.0}
    scaled, same, other = f(value, X)
    np.testing.assert_array_equal(scaled, X * 2)
    assert same is value and other == {"scale": 1.0} and value == {"scale": 2.0}
    scaled, _, _ = f(table=value, x=X)
    np.testing.assert_array_equal(scaled, X * 2)


def test_any_object_is_an_argument():
    v = generic("v")
    f = function([v], Same()(v))
    for value in (None, 1, "x", [1], np.ones(3), f, T.dscalar, object()):
        assert f(value) is value
    g = function([v], v)
    thing = Thing()
    assert g(thing) is thing and g(v=None) is None


@modes
def test_updates(mode):
    table = shared({"scale": 1.0, "rest": "kept"}, name="table")
    count = shared(0)
    x = T.dscalar("x")
    f = function(
        [x], Scale()(table, x), updates={table: Put()(table, x), count: count + 1}, mode=mode
    )
    assert f(5.0) == 5.0
    assert table.get_value() == {"scale": 5.0, "rest": "kept"} and count.get_value() == 1
    assert f(2.0) == 10.0  # the value from before the call
    assert table.get_value()["scale"] == 2.0


def test_updates_alone_and_default_updates():
    table = shared({"scale": 1.0})
    x = T.dscalar("x")
    assert function([x], [], updates=[(table, Put()(table, x))])(4.0) == []
    assert table.get_value() == {"scale": 4.0}
    function([x], None, updates={table: Put()({"new": 1}, x)})(5.0)
    assert table.get_value() == {"new": 1, "scale": 5.0}
    table.default_update = Put()(table, T.constant(np.float64(7)))
    f = function([x], Scale()(table, x))
    assert f(1.0) == 5.0 and f(1.0) == 7.0
    g = function([x], Scale()(table, x), no_default_updates=True)
    table.set_value({"scale": 2.0})
    assert g(1.0) == 2.0 and g(1.0) == 2.0


def test_a_failed_call_changes_nothing():
    table = shared({"scale": 1.0})
    x = T.dvector("x")
    f = function([x], x[5], updates={table: Put()(table, x[0])})
    with pytest.raises(IndexError):
        f(X)
    assert table.get_value() == {"scale": 1.0}


def test_givens():
    placeholder, x = generic("placeholder"), T.dvector("x")
    expression = Scale()(placeholder, x)
    table = shared({"scale": 4.0})
    f = function([x], expression, givens={placeholder: table})
    np.testing.assert_array_equal(f(X), X * 4)
    g = function([x], expression, givens={placeholder: {"scale": 5.0}})
    np.testing.assert_array_equal(g(X), X * 5)
    other = generic("other")
    h = function([other, x], Scale()(table, x), givens={table: other})
    np.testing.assert_array_equal(h({"scale": 6.0}, X), X * 6)
    with pytest.raises(TypeError, match="Cannot convert"):
        function([x], expression, givens={placeholder: x})


def test_defaults_and_forms_of_results():
    table, x = generic("table"), T.dvector("x")
    f = function([x, phintys.In(table, value={"scale": 2.0})], Scale()(table, x))
    np.testing.assert_array_equal(f(X), X * 2)
    np.testing.assert_array_equal(f(X, {"scale": 3.0}), X * 3)
    stored = shared({"scale": 2.0})
    f = function([x], {"a": Scale()(stored, x), "b": x}, updates={stored: Put()(stored, x[0])})
    assert sorted(f(X)) == ["a", "b"]
    assert list(f(X, output_subset=["b"])) == ["b"]
    assert len(function([x], [Scale()(stored, x)])(X)) == 1


def test_mistakes_in_calls():
    table, x = shared({"scale": 2.0}), T.dvector("x")
    f = function([x], Scale()(table, x))
    with pytest.raises(TypeError, match="Missing required input"):
        f()
    with pytest.raises(TypeError, match="Too many parameter"):
        f(X, X)
    with pytest.raises(TypeError, match="Unknown input"):
        f(X, y=1)
    with pytest.raises(KeyError, match="scale"):
        table.set_value({})
        f(X)


def test_limits():
    table, x = shared({"scale": 2.0}), T.dvector("x")
    f = function([x], Scale()(table, x) + 1)
    np.testing.assert_array_equal(f.call(X, timeout=60), X * 2 + 1)
    with pytest.raises(TimeoutError):
        f.call(X, timeout=0)


# --- expressions -------------------------------------------------------------------------------


def test_gradients_and_shapes():
    table, x = shared({"scale": 3.0}), T.dvector("x")
    y = Scale()(table, x)
    f = function([x], [T.grad((y**2).sum(), x), y.shape])
    slope, shape = f(X)
    np.testing.assert_array_equal(slope, 2 * 9 * X)
    assert shape.tolist() == [2]


def test_what_is_no_operand():
    v, x = shared([1.0]), T.dvector("x")
    for build in (
        lambda: T.exp(v),
        lambda: x + v,
        lambda: T.dot(x, v),
        lambda: T.stack([x, v]),
        lambda: T.switch(x, v, v),
        lambda: T.grad(x.sum(), v),
        lambda: ifelse(x[0], v, v),
        lambda: phintys.OpFromGraph([x, generic()], [x]),
        lambda: phintys.scan(lambda e: Scale()(v, e), x),
        lambda: Put()(x, x[0]),
    ):
        with pytest.raises((TypeError, ValueError)):
            function([x], build())


def test_names_and_texts():
    assert gof.Generic is phintys.Generic and generic_of_gof is gof.generic is generic
    assert T.Generic is phintys.Generic
    from phintys.compile.sharedvalue import generic as again

    assert again is generic and generic == phintys.Generic() and hash(generic) == hash(again)
    assert str(generic) == "Generic" and generic != T.dscalar
    v = Same()(generic("thing"))
    assert v.type == generic and "Generic" in phintys.printing.debugprint(
        v, print_type=True, file="str"
    )
    assert pickle.loads(pickle.dumps(generic)) == generic
    assert generic.values_eq([1], [1]) and not generic.values_eq([1], [2])
    assert generic.make_constant({1}).get_value() == {1}


# --- copies and files --------------------------------------------------------------------------


def test_copies_of_functions():
    table, x = shared({"scale": 2.0}), T.dvector("x")
    f = function([x], Scale()(table, x), updates={table: Put()(table, x[0])})
    assert isinstance(f, ObjectFunction)
    other = shared({"scale": 7.0})
    g = f.copy(swap={table: other})
    np.testing.assert_array_equal(g(X), X * 7)
    assert other.get_value() == {"scale": 1.0} and table.get_value() == {"scale": 2.0}
    np.testing.assert_array_equal(f.copy(delete_updates=True)(X), X * 2)
    assert table.get_value() == {"scale": 2.0}
    np.testing.assert_array_equal(copy.copy(f)(X), X * 2)
    assert table.get_value() == {"scale": 1.0}


def test_a_function_is_pickled_with_its_objects():
    table, x = shared({"scale": 2.0}, name="t"), T.dvector("x")
    f = function([x], Scale()(table, x), updates={table: Put()(table, x[0])})
    for g in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        np.testing.assert_array_equal(g(X), X * 2)
        assert g["t"] == {"scale": 1.0}
    assert table.get_value() == {"scale": 2.0}


def test_no_file_holds_objects(tmp_path):
    table, x = shared({"scale": 2.0}, name="table"), T.dvector("x")
    with pytest.raises(TypeError, match=r"Python objects \(table\): no file can hold those"):
        function([x], Scale()(table, x)).save(tmp_path / "f.phy")
    v = generic("v")
    with pytest.raises(TypeError):
        function([v], v).save(tmp_path / "g.phy")
    assert not list(tmp_path.iterdir())


# --- lives -------------------------------------------------------------------------------------


def test_objects_live_no_longer_than_needed():
    v = generic("v")
    inside = Same()(Same()(v))
    f = function([v], [inside, Same()(inside)])
    thing = Thing()
    watch = weakref.ref(thing)
    results = f(thing)
    assert all(r is thing for r in results)
    del thing, results
    f(None)
    gc.collect()
    assert watch() is None


def test_a_shared_object_goes_with_its_variable():
    thing = Thing(2.0)
    watch = weakref.ref(thing)
    v, x = shared(thing), T.dvector("x")
    f = function([x], Scale()(v, x))
    f(X)
    del thing, v
    assert watch() is not None
    np.testing.assert_array_equal(f(X), X * 2)
    del f
    gc.collect()
    assert watch() is None


def test_a_variable_that_only_the_graph_knows():
    x = T.dvector("x")
    y = Scale()(shared({"scale": 2.0}), x)
    gc.collect()
    np.testing.assert_array_equal(function([x], y)(X), X * 2)


def test_references_are_counted():
    import sys

    v, thing = generic("v"), object()
    f = function([v], [Same()(v), v])
    f(thing)
    before = sys.getrefcount(thing)
    for _ in range(100):
        f(thing)
    assert sys.getrefcount(thing) == before


def test_threads():
    from concurrent.futures import ThreadPoolExecutor

    v, x = generic("v"), T.dvector("x")
    f = function([v, x], [Scale()(v, x), Same()(v)])

    def run(k):
        thing = Thing(float(k))
        y, same = f(thing, X)
        return same is thing and np.array_equal(y, X * k)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(400)))


def test_test_values():
    table = shared({"scale": 2.0})
    x = T.dvector("x")
    x.tag.test_value = X
    with phintys.config.change_flags(compute_test_value="raise"):
        y = Scale()(table, x)
        np.testing.assert_array_equal(y.tag.test_value, X * 2)


def test_errors_name_objects():
    table, x = shared({}, name="table"), T.dvector("x")
    f = function([x], Scale()(table, x))
    with phintys.config.change_flags(exception_verbosity="high"), pytest.raises(KeyError) as caught:
        f(X)
    assert "Generic" in str(caught.value) and "an object" in str(caught.value)

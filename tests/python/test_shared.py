"""Shared variables and OrderedUpdates."""

import copy
import pickle

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import OrderedUpdates, shared


def test_dtypes_of_values():
    assert shared(1).dtype == "int64"
    assert shared(1.0).dtype == "float64"
    assert shared(np.float32(1)).dtype == "float32"
    assert shared(np.ones((1, 2)), broadcastable=(True, False)).broadcastable == (True, False)
    with pytest.raises(TypeError, match="symbolic"):
        shared(T.dscalar())
    assert shared("text").type == phintys.generic  # as in Theano; see test_objects.py
    with pytest.raises(TypeError, match="No suitable SharedVariable"):
        shared("text", borrow=True)


def test_borrowing():
    value = np.zeros(3)
    s, b = shared(value), shared(value, borrow=True)
    value[0] = 5
    assert s.get_value()[0] == 0
    assert b.get_value()[0] == 5
    s.get_value()[1] = 7
    assert s.get_value()[1] == 0
    s.get_value(borrow=True)[1] = 7
    assert s.get_value()[1] == 7


def test_set_value():
    s = shared(np.zeros(3), "s")
    s.set_value([1.0, 2.0])
    assert s.get_value().tolist() == [1, 2]
    with pytest.raises(TypeError, match="Container name"):
        s.set_value(np.zeros((2, 2)))
    with pytest.raises(TypeError):
        shared(np.zeros(2, "float32")).set_value(np.zeros(2))
    s.zero()
    assert s.get_value().tolist() == [0, 0]
    with pytest.raises(Exception, match="does not exist anymore"):
        _ = s.value


def test_copies():
    s = shared(np.ones(2), "s")
    for other in (s.clone(), copy.deepcopy(s), pickle.loads(pickle.dumps(s))):
        other.set_value([3.0, 4.0])
        assert s.get_value().tolist() == [1, 1]
        assert other.name == "s" and other.type == s.type


def test_ordered_updates():
    s, t = shared(1, "s"), shared(2, "t")
    updates = OrderedUpdates([(s, s + 1)]) + OrderedUpdates({t: s})
    assert list(updates) == [s, t]
    with pytest.raises(TypeError, match="SharedVariable"):
        updates[T.lscalar()] = s
    with pytest.raises(KeyError, match="Collision"):
        updates.update({s: t})
    phintys.function([], updates=updates)()
    assert (s.get_value(), t.get_value()) == (2, 1)

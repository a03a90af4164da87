"""Python numbers in expressions, whose conversion is remembered by value."""

import numpy as np
import phintys.tensor as T
import pytest
from phintys import change_flags


def operand(number):
    return (T.dvector("x") * number).owner.inputs[1].owner.inputs[0]


def test_equal_numbers_of_other_classes_differ():
    assert operand(2).dtype == operand(2).dtype == "int8"
    assert operand(2.0).dtype == operand(2.0).dtype == "float32"
    assert operand(0.1).dtype == "float64"
    assert operand(300).dtype == "int16"
    assert np.signbit(operand(-0.0).data) and not np.signbit(operand(0.0).data)
    assert np.isnan(operand(float("nan")).data) and np.isnan(operand(float("nan")).data)
    assert operand(2**64 - 1).dtype == "uint64"


def test_every_use_is_a_constant_of_its_own():
    first, second = operand(7), operand(7)
    assert first is not second
    first.name = "seven"
    assert second.name is None and operand(7).name is None


def test_settings_decide_the_dtype():
    expected = operand(0.1).dtype
    with change_flags(floatX="float32"):
        assert operand(0.1).dtype == "float32"
    assert operand(0.1).dtype == expected
    small = operand(3).dtype
    with change_flags(cast_policy="numpy+floatX"):
        assert operand(3).dtype == "int64"
    assert operand(3).dtype == small


def test_bool_is_no_number():
    x = T.dvector("x")
    with pytest.raises(TypeError):
        x + True
    with pytest.raises(TypeError):
        T.maximum(x, True)


def test_functions_take_numbers_lists_and_nodes():
    x = T.dvector("x")
    assert T.maximum(x, 1).eval({x: [0.0, 3.0]}).tolist() == [1, 3]
    assert T.add(x, [1, 2]).eval({x: [0.0, 3.0]}).tolist() == [1, 5]
    assert T.exp((x * 0.0).owner).eval({x: [5.0]}).tolist() == [1]
    assert float(T.sqrt(4.0).eval()) == 2

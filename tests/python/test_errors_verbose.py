"""``config.exception_verbosity``: what errors of calls show of values and arrays."""

from __future__ import annotations

import ctypes
import os

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import function


def said(error, f, *args, verbosity="high"):
    with phintys.config.change_flags(exception_verbosity=verbosity), pytest.raises(error) as caught:
        f(*args)
    return str(caught.value)


def matrix_times_vector():
    x, y = T.dmatrix("x"), T.dvector("y")
    w = phintys.shared(np.ones((30, 30)), name="w")
    return function([x, y], T.dot(T.tanh(x), y) + w.sum())


DETAILS = ("Inputs values", "Outputs clients", "Debugprint", "Storage map", "TotalSize")


def test_the_levels_differ_in_details_only():
    f = matrix_times_vector()
    args = [[1.0, 2.0]], [1.0, 2.0, 3.0]
    low, high = (said(ValueError, f, *args, verbosity=v) for v in ("low", "high"))
    assert not any(part in low for part in DETAILS)
    assert all(part in high for part in DETAILS)
    head, _, rest = low.partition("\nBuilt at")
    assert high.startswith(head) and "\nBuilt at" + rest in high
    assert phintys.config.exception_verbosity == "low"
    assert said(ValueError, f, *args, verbosity="low") == low


def test_expression_and_arrays_of_shapes_that_do_not_fit():
    text = said(ValueError, matrix_times_vector(), [[1.0, 2.0]], [1.0, 2.0, 3.0])
    # What is not computed yet has no value.
    assert "Inputs values: [not shown, [1. 2. 3.]]" in text
    lines = text.split("Storage map footprint")[1].splitlines()
    assert lines[1] == (
        " - w, Shared Input, Shape: (30, 30), ElemSize: 8 Byte(s), TotalSize: 7200 Byte(s)"
    )
    sizes = [int(line.split("TotalSize: ")[1].split()[0]) for line in lines[1:5]]
    assert sizes == sorted(sizes, reverse=True) == [7200, 24, 16, 16]
    assert " TotalSize: 7256 Byte(s)" in lines[5]
    assert " TotalSize inputs: 7240 Byte(s)" in lines[6]
    tree = text.split("Debugprint of the apply node:\n")[1]
    assert tree.startswith("dot [id A] <TensorType(float64, vector)>")
    assert " | |x [id C]" in tree


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.array([[1.0, 2.0], [2.0, 4.0]]), "[[[2. 4.] [4. 8.]]]"),
        (np.zeros((3, 3)), "[not shown]"),
    ],
)
def test_values_of_operands(value, shown):
    x = T.dmatrix("x")
    text = said(ValueError, function([x], T.nlinalg.matrix_inverse(x * 2)), value)
    assert f"Inputs values: {shown}\n" in text
    assert "Outputs clients: [[output 0]]" in text


def test_values_of_a_step():
    i, v = T.lvector("i"), T.dvector("v")
    out, _ = phintys.scan(
        lambda k, s, v: s + v[T.cast(s, "int64") + k],
        sequences=i,
        outputs_info=T.zeros(()),
        non_sequences=v,
        name="walk",
    )
    text = said(IndexError, function([i, v], out), [0, 1, 9], [1.0, 2.0, 3.0])
    assert "Inputs values: [[1. 2. 3.], 13]" in text
    assert text.count("Storage map footprint") == 1
    assert text.endswith("In step 2 of Scan{walk}")


def test_no_values_of_rows_before_the_first_step():
    rows, v = T.dmatrix("rows"), T.dvector("v")
    out, _ = phintys.scan(lambda r, s, v: s + T.dot(r, v), rows, np.float64(0), v)
    text = said(ValueError, function([rows, v], T.tanh(out), mode="FAST_COMPILE"),
                np.full((4, 3), 7.0), np.ones(2))  # fmt: skip
    assert "In every step of" in text
    assert "7." not in text.split("Inputs values: ")[1].split("\n")[0]


def test_shapes_that_values_decide():
    x, n = T.dmatrix("x"), T.lvector("n")
    f = function([x, n], x.reshape((n[0], n[1])))
    text = said(ValueError, f, np.zeros((2, 2)), [3, 3])
    assert "Inputs values: [[[0. 0.] [0. 0.]], [3 3]]" in text


def test_ops_in_python():
    class Bad(phintys.Op):
        __props__ = ()

        def make_node(self, x):
            return phintys.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, outputs):
            raise KeyError("bad")

    x = T.dvector("x")
    f = function([x], Bad()(x * 2) + 1)
    text = said(KeyError, f, [1.0, 2.0])
    assert "Inputs values: [[2. 4.]]" in text and "Storage map footprint" in text
    assert "Storage map" not in said(KeyError, f, [1.0, 2.0], verbosity="low")


def test_saved_functions(tmp_path):
    matrix_times_vector().save(tmp_path / "f.phy")
    text = said(ValueError, phintys.load(tmp_path / "f.phy"), [[1.0, 2.0]], [1.0, 2.0, 3.0])
    assert all(part in text for part in DETAILS)


def test_large_expressions_are_cut():
    x, y = T.dvectors("x", "y")
    deep = x
    for _ in range(50):
        deep = T.cumsum(deep)
    f = function([x, y], T.dot(deep, y))
    tree = said(ValueError, f, [1.0], [1.0, 2.0]).split("Debugprint")[1].split("Storage map")[0]
    assert 5 < tree.count("\n") < 20
    wide = T.join(0, *[T.cumsum(x + k) for k in range(300)])
    tree = said(ValueError, function([x, y], T.dot(wide, y)), [1.0], [1.0, 2.0])
    tree, storage = tree.split("Debugprint")[1].split("Storage map")
    assert tree.count("\n") <= 104 and "...\n" in tree
    assert "that are not larger" in storage and storage.count("\n") < 40


def test_the_setting_in_c():
    folder = os.path.join(os.path.dirname(phintys.__file__), "lib")
    lib = ctypes.CDLL(os.path.join(folder, "libphintys.so.0"))
    f = matrix_times_vector()
    try:
        assert lib.phintys_set_verbose_errors(1) == 0
        with pytest.raises(ValueError, match="Storage map footprint"):
            f([[1.0, 2.0]], [1.0, 2.0, 3.0])
    finally:
        assert lib.phintys_set_verbose_errors(0) == 0
    with pytest.raises(ValueError, match="not aligned") as caught:
        f([[1.0, 2.0]], [1.0, 2.0, 3.0])
    assert "Storage map" not in str(caught.value)


def test_wrong_settings():
    with pytest.raises(ValueError, match="exception_verbosity"):
        phintys.config.exception_verbosity = "loud"
    assert phintys.config.exception_verbosity == "low"

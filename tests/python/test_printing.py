"""debugprint, pp, and the text of graphs."""

import io

import phintys
import phintys.tensor as T
import pytest
from phintys.printing import debugprint, pp


def test_debugprint():
    x = T.dvector("x")
    y = T.exp(x) + x
    text = debugprint(y, file="str")
    assert text.splitlines()[0].startswith("Elemwise{add,no_inplace} [id A] ''")
    assert " |x [id " in text
    stream = io.StringIO()
    debugprint([y, x], file=stream)
    assert "exp" in stream.getvalue()
    f = phintys.function([x], y)
    assert "x" in debugprint(f, file="str")
    with pytest.raises(TypeError, match="cannot print"):
        debugprint(object())


def test_pp():
    x, y = T.dscalars("x", "y")
    assert pp(x + y * 2) == "(x + (y * TensorConstant{2}))"
    assert pp(T.exp(-x)) == "exp((-x))"
    assert pp(T.dmatrix("m").T) == "m.T"
    assert pp(x) == "x"


def test_deep_graphs_print():
    x = T.dscalar("x")
    y = x
    for _ in range(2000):
        y = y + 1
    assert pp(y).count("+") == 2000
    assert "add" in debugprint(y, depth=3, file="str")

"""Rows from the end of what a loop computes, where only these are kept and where all are."""

import numpy as np
import phintys.tensor as T
import pytest
from loop_graphs import loops_of
from phintys import _core, function, load, scan
from phintys.compile.mode import Mode
from phintys.scan_module import until

MODES = ["FAST_RUN", "FAST_COMPILE", Mode(optimizer=None)]


def answer(f, *values):
    """What a function returns; of an IndexError, what it says of the index."""
    try:
        return f(*values)
    except IndexError as error:
        return str(error).split("\n")[0].split(": Scan")[0]


def agree(inputs, row, cases):
    functions = [function(inputs, row, mode=mode, on_unused_input="ignore") for mode in MODES]
    met = set()
    for values, want in cases:
        for f in functions:
            got = answer(f, *values)
            met.add(type(got))
            if isinstance(want, str):
                assert got == want
            else:
                np.testing.assert_array_equal(got, want)
    assert met == {str, np.ndarray}, "a case of each kind"


def missing(index, size):
    return f"index {index} is out of bounds for axis 0 with size {size}"


def test_one_tap():
    n, x = T.lscalar(), T.dvector()
    rows, _ = scan(lambda s: s * 2, outputs_info=x, n_steps=n)
    one = np.ones(3)
    agree([x, n], rows[-1], [((one, 0), missing(-1, 0)), ((one, 1), 2 * one), ((one, 4), 16 * one)])
    agree([x, n], rows[-2], [((one, 1), missing(-2, 1)), ((one, 2), 2 * one)])
    agree([x, n], T.tanh(rows[-1]).sum(), [((one, 0), missing(-1, 0)), ((0 * one, 2), 0.0)])


def test_the_initial_row_is_there_where_it_is_asked_for():
    n, x = T.lscalar(), T.dvector()
    rows, _ = scan(lambda s: s * 2, outputs_info=x, n_steps=n)
    trace = rows.owner.inputs[0]
    for mode in MODES:
        np.testing.assert_array_equal(function([x, n], trace[-1], mode=mode)([1.0, 2], 0), [1, 2])


@pytest.mark.parametrize("index", [-1, -2, -3])
def test_two_taps(index):
    n, x = T.lscalar(), T.dvector()
    rows, _ = scan(lambda a, b: a + b, outputs_info={"initial": x, "taps": [-2, -1]}, n_steps=n)
    all_rows = [1.0, 2.0, 3.0, 5.0]
    cases = []
    for k in range(5):
        there = k >= -index
        cases.append((([0.0, 1.0], k), all_rows[:k][index] if there else missing(index, k)))
    agree([x, n], rows[index], cases)


@pytest.mark.parametrize("index", [-1, -2])
def test_with_a_condition_to_stop(index):
    n, x, limit = T.lscalar(), T.dscalar(), T.dscalar()
    rows, _ = scan(lambda s: (s * 2, until(s * 2 >= limit)), outputs_info=x, n_steps=n)
    cases = []
    for k in (0, 1, 2, 9):
        for most in (1.0, 4.0):
            ran = min(k, 1 if most == 1 else 2)
            want = 2.0 ** (ran + 1 + index) if ran >= -index else missing(index, ran)
            cases.append(((1.0, k, most), want))
    agree([x, n, limit], rows[index], cases)


@pytest.mark.parametrize("mode", MODES)
def test_sequences_of_no_rows(mode):
    x, h0, w = T.dmatrix(), T.dvector(), T.dmatrix()
    states, _ = scan(lambda u, h, w: T.tanh(u + T.dot(h, w)), x, h0, w)
    f = function([x, h0, w], [states[-1], T.grad(states[-1].sum(), w)], mode=mode)
    assert f(np.ones((2, 3)), np.ones(3), np.eye(3))[0].shape == (3,)
    with pytest.raises(IndexError, match="index -1 is out of bounds for axis 0 with size 0"):
        f(np.ones((0, 3)), np.ones(3), np.eye(3))
    # A sum, which passes take out of the loop.
    sums, _ = scan(lambda u, v, s: s + T.outer(u, v), [x, x], T.zeros((3, 3)))
    f = function([x], sums[-1], mode=mode)
    np.testing.assert_array_equal(f(np.ones((2, 3))), 2 * np.ones((3, 3)))
    with pytest.raises(IndexError, match="index -1 is out of bounds for axis 0 with size 0"):
        f(np.ones((0, 3)))


@pytest.mark.parametrize("mode", MODES)
def test_in_a_loop(mode):
    counts, x = T.lvector(), T.dvector()

    def outer(n):
        rows, _ = scan(lambda s: s * 2, outputs_info=x, n_steps=n)
        return rows[-1]

    rows, _ = scan(outer, counts)
    f = function([counts, x], rows, mode=mode)
    np.testing.assert_array_equal(f([1, 3], [1.0, 2]), [[2, 4], [8, 16]])
    with pytest.raises(IndexError, match=r"size 0(.|\n)*In step 1 of Scan"):
        f([1, 0], [1.0, 2])
    assert f([], [1.0, 2]).shape == (0, 2)


def test_the_error_names_the_loop(tmp_path):
    n, x = T.lscalar(), T.dvector()
    rows, _ = scan(lambda s: s * 2, outputs_info=x, n_steps=n, name="doubling")
    f = function([x, n], rows[-1])
    assert [node.op.attrs["keep"] for node in loops_of(f.maker.fgraph.outputs)] == [[0]]
    f.save(tmp_path / "f.phy")
    for g in (f, load(tmp_path / "f.phy")):
        with pytest.raises(IndexError, match=r"size 0: Scan\{doubling\} ran for 0 steps"):
            g([1.0], 0)
        assert g([1.0], 3) == [8]


def test_no_check_where_the_steps_are_enough():
    x = T.dvector()
    rows, _ = scan(lambda s: s * 2, outputs_info=x, n_steps=3)
    text = function([x], rows[-1]).maker.fgraph.outputs[0].owner.op.name
    assert text != "enough_steps"
    n = T.lscalar()
    rows, _ = scan(lambda s: s * 2, outputs_info=x, n_steps=n)
    assert function([x, n], rows[-1]).maker.fgraph.outputs[0].owner.op.name == "enough_steps"


def test_attributes_that_say_nothing():
    for attributes in ({"index": 0, "rows": 0}, {"index": -1, "rows": 1 << 40}):
        with pytest.raises(ValueError, match="enough_steps"):
            _core.make_op("enough_steps", loop="", **attributes)

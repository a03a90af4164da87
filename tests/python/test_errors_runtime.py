"""Errors of calls name the op, shapes, dtypes and the user's line, in each mode."""

from __future__ import annotations

import inspect
import re

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core
from phintys.compile.debugmode import BadOptimization, DebugMode
from phintys.compile.mode import pass_names
from phintys.compile.nanguardmode import NanGuardMode

MODES = {
    "FAST_RUN": lambda: "FAST_RUN",
    "FAST_COMPILE": lambda: "FAST_COMPILE",
    "None": lambda: phintys.Mode(optimizer=None),
    "DebugMode": DebugMode,
    "NanGuardMode": NanGuardMode,
}
modes = pytest.mark.parametrize("mode", list(MODES))


def here(offset=0):
    """This file and the caller's line."""
    return f"test_errors_runtime.py:{inspect.currentframe().f_back.f_lineno + offset}"


def message(error, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    return str(caught.value)


def check(text, *parts):
    for part in parts:
        assert re.search(part, text), f"{part!r} is not in:\n{text}"


@modes
def test_elementwise_shapes(mode):
    x, y = T.dvectors("x", "y")
    z = x + y
    line = here(-1)
    f = phintys.function([x, y], T.exp(z * 2).sum(), mode=MODES[mode]())
    text = message(ValueError, f, np.ones(3), np.ones(4))
    check(text, "(?i)mis-?match", r"\b3\b", r"\b4\b", "(?i)add", "float64", line)


@modes
def test_the_line_of_the_right_node_in_a_fused_region(mode):
    x, y, z = T.dvectors("x", "y", "z")
    a = T.tanh(x * 2)
    b = a - y
    c = T.exp(b)
    d = c * z
    line = here(-1)
    f = phintys.function([x, y, z], T.sqrt(d + 1), mode=MODES[mode]())
    text = message(ValueError, f, np.ones(3), np.ones(3), np.ones(2))
    check(text, "(?i)mul", line)
    text = message(ValueError, f, np.ones(3), np.ones(5), np.ones(3))
    check(text, "(?i)sub", here(-8))


@modes
def test_products(mode):
    a, b = T.dmatrices("a", "b")
    c = T.dot(a, b)
    line = here(-1)
    f = phintys.function([a, b], c, mode=MODES[mode]())
    text = message(ValueError, f, np.ones((2, 3)), np.ones((4, 5)))
    check(text, r"\(2, 3\)", r"\(4, 5\)", "(?i)dot|gemm", "float64", line)


@modes
def test_gemm_that_was_made_of_several_nodes(mode):
    a, b, c = T.fmatrices("a", "b", "c")
    out = c + 0.5 * T.dot(a, b.T)
    line = here(-1)
    f = phintys.function([a, b, c], out, mode=MODES[mode]())
    one = np.ones((2, 2), "float32")
    text = message(ValueError, f, one, np.ones((2, 3), "float32"), one)
    check(text, r"\(2, 2\)", "float32", line)
    text = message(ValueError, f, one, one, np.ones((3, 2), "float32"))
    check(text, "float32", line)


@modes
def test_indices(mode):
    x = T.dmatrix("x")
    i = T.lscalar("i")
    y = x[i]
    line = here(-1)
    f = phintys.function([x, i], T.exp(y), mode=MODES[mode]())
    check(message(IndexError, f, np.ones((3, 2)), 3), r"\b3\b", "(?i)subtensor", "float64", line)
    k = T.lvector("k")
    z = x[k]
    line = here(-1)
    g = phintys.function([x, k], z * 2, mode=MODES[mode]())
    check(message(IndexError, g, np.ones((3, 2)), [0, 5]), r"\b5\b", "(?i)subtensor", line)
    w = T.set_subtensor(x[:2], x[1:])
    line = here(-1)
    h = phintys.function([x], w, mode=MODES[mode]())
    check(message(ValueError, h, np.ones((5, 2))), r"\(4, 2\)", "(?i)subtensor", line)


@modes
def test_reshape_join_and_empty_reductions(mode):
    x = T.dvector("x")
    y = x.reshape((2, 3))
    line = here(-1)
    f = phintys.function([x], y.sum(axis=0), mode=MODES[mode]())
    check(message(ValueError, f, np.ones(7)), r"\b7\b", r"2,? 3", "(?i)reshape", line)
    a, b = T.dmatrices("a", "b")
    z = T.concatenate([a, b], axis=1)
    line = here(-1)
    g = phintys.function([a, b], z * 2, mode=MODES[mode]())
    check(
        message(ValueError, g, np.ones((2, 1)), np.ones((3, 1))),
        r"\(2, 1\)",
        r"\(3, 1\)",
        "(?i)join",
        line,
    )
    m = T.exp(x).max()
    line = here(-1)
    h = phintys.function([x], m, mode=MODES[mode]())
    check(message(ValueError, h, np.ones(0)), "(?i)empty|zero-size", "(?i)max", line)


@modes
def test_in_a_segment_after_the_first(mode):
    n = T.lscalar("n")
    x = T.dvector("x")
    y = T.arange(n) + x
    line = here(-1)
    f = phintys.function([n, x], y.sum(), mode=MODES[mode]())
    check(message(ValueError, f, 4, np.ones(5)), r"\b4\b", r"\b5\b", line)
    assert f(4, np.ones(4)) == 10


@modes
def test_broadcastable_dimensions(mode):
    row, x = T.drow("row"), T.dmatrix("x")
    f = phintys.function([row, x], row + x, mode=MODES[mode]())
    text = message(TypeError, f, np.ones((2, 3)), np.ones((2, 3)))
    check(text, "row", r"broadcast|\(True, False\)|\(1, \?\)")
    y = x.dimshuffle(0, "x", 1)
    g = phintys.function([x], y + T.patternbroadcast(y, (False, True, False)), mode=MODES[mode]())
    assert g(np.ones((2, 2))).shape == (2, 1, 2)


@modes
def test_arguments(mode):
    x, i = T.fvector("x"), T.lscalar("i")
    f = phintys.function([x, i], x * i, mode=MODES[mode]())
    check(message(TypeError, f, np.ones(2), 1), "float32", "float64", '"x"', "index 0")
    check(message(TypeError, f, np.ones((2, 2), "float32"), 1), "(?i)dimension", '"x"')
    check(message(TypeError, f, np.ones(2, "float32"), 1.5), '"i"', "int64")
    check(message(TypeError, f, np.ones(2, "float32")), "(?i)missing", "i")
    check(message(TypeError, f, 1, 2, 3), "(?i)too many")
    with pytest.raises(TypeError, match="Unknown input or state: z"):
        f(np.ones(2, "float32"), z=1)
    check(message((TypeError, ValueError), f, "text", 1), '"x"')
    check(message((TypeError, ValueError), f, None, 1), '"x"')


@modes
def test_building(mode):
    x, y = T.dvectors("x", "y")
    chosen = MODES[mode]()
    with pytest.raises(phintys.compile.UnusedInputError, match="y"):
        phintys.function([x, y], x, mode=chosen)
    with pytest.raises(phintys.gof.MissingInputError) as caught:
        phintys.function([x], x + y, mode=chosen)
    check(str(caught.value), "y")
    with pytest.raises(phintys.gradient.DisconnectedInputError):
        phintys.grad(x.sum(), y)
    with pytest.raises(TypeError, match=r"(?i)cost must be a scalar"):
        phintys.grad(x, x)


@modes
def test_the_function_works_after_an_error(mode):
    x, y = T.dvectors("x", "y")
    s = phintys.shared(np.zeros(3), "s")
    f = phintys.function([x, y], x + y, updates=[(s, s + x)], mode=MODES[mode]())
    for _ in range(3):
        message(ValueError, f, np.ones(3), np.ones(4))
        np.testing.assert_array_equal(f(np.ones(3), np.ones(3)), np.full(3, 2.0))
    np.testing.assert_array_equal(s.get_value(), np.full(3, 3.0))


# --- modes that look for errors -----------------------------------------------------------------


def test_nan_guard_names_the_node():
    x = T.dvector("x")
    y = T.log(x)
    line = here(-1)
    f = phintys.function([x], (y * 2).sum(), mode=NanGuardMode())
    check(message(AssertionError, f, np.array([-1.0])), "NaN", "(?i)log", line)
    check(message(AssertionError, f, np.array([0.0])), "Inf", "(?i)log", line)
    check(message(AssertionError, f, np.array([np.nan])), "NaN", "input 0")
    big = phintys.function([x], x * 1e11, mode=NanGuardMode())
    check(message(AssertionError, big, np.array([1.0])), "Big")
    assert f(np.array([1.0])) == 0
    relaxed = NanGuardMode(nan_is_error=False, inf_is_error=False, big_is_error=False)
    assert np.isnan(phintys.function([x], y, mode=relaxed)(np.array([-1.0])))[0]


def test_debug_mode_names_the_pass():
    """A variant that computes something else stands for a broken pass."""
    x = T.dvector("x")
    f = phintys.function([x], T.log(1 + x) * 1 + 0, mode=DebugMode())
    np.testing.assert_allclose(f(np.ones(2)), np.log(2))
    name = f._variants[0][0]
    assert name in pass_names()
    wrong = phintys.function([x], [x + 1])
    f._variants[0] = (name, wrong)
    with pytest.raises(BadOptimization) as caught:
        f(np.ones(2))
    check(str(caught.value), name, "output 0")
    assert caught.value.pass_name == name


def test_debug_mode_and_updates():
    s = phintys.shared(np.ones(3), "s")
    x = T.dvector("x")
    f = phintys.function([x], s.sum(), updates=[(s, s * 2 + x - x)], mode=DebugMode())
    assert f(np.ones(3)) == 3
    assert f(np.ones(3)) == 6
    np.testing.assert_array_equal(s.get_value(), np.full(3, 4.0))


def test_every_kind_of_error_has_a_class():
    assert issubclass(phintys.errors.PhintysValueError, ValueError)
    with pytest.raises(ValueError, match="num_threads"):
        _core.set_config(num_threads=-1)
    with pytest.raises(ValueError, match="memory_limit"):
        _core.set_config(memory_limit=-1)


def test_an_integer_to_a_negative_integer_power_is_a_value_error():
    x, y = T.lvector("x"), T.lvector("y")
    power = phintys.function([x, y], x**y)
    np.testing.assert_array_equal(power([2, 3], [3, 0]), [8, 1])
    with pytest.raises(ValueError, match="negative integer powers"):
        power([2, 3], [-1, 2])
    with pytest.raises(ValueError, match="negative integer powers"):
        x ** np.int64(-2)
    np.testing.assert_array_equal(phintys.function([x], x**3)([2, -2]), [8, -8])
    np.testing.assert_allclose(
        phintys.function([x], T.cast(x, "float64") ** -2)([2, 4]), [0.25, 0.0625]
    )

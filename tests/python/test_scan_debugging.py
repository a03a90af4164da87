"""What goes wrong inside loops is said with the node, its line and the step, in every mode."""

import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import function, scan, shared
from phintys.compile.debugmode import BadOptimization, DebugMode, InvalidValueError
from phintys.compile.nanguardmode import NanGuardMode
from phintys.raise_op import Assert


def line_of(text):
    """The line of this file that ends with the comment `text`, as messages name it."""
    with open(__file__, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.rstrip().endswith("# " + text):
                return f"{__file__}:{number}"
    raise AssertionError(text)


def said(error, f, *args):
    """The text of the exception that a call raises; its class is `error` or derived from it."""
    with pytest.raises(error) as caught:
        f(*args)
    return str(caught.value)


# --- errors ------------------------------------------------------------


@pytest.mark.parametrize("verbosity", ["low", "high"])
def test_index_errors(verbosity):
    i, x = T.lvector("i"), T.dvector("x")

    def step(k, total, values):
        picked = values[k]  # pick
        return total + picked

    out, _ = scan(step, sequences=i, outputs_info=T.zeros(()), non_sequences=x, name="picks")
    f = function([i, x], out)
    with phintys.change_flags(exception_verbosity=verbosity):
        text = said(IndexError, f, [0, 1, 9, 0], [1.0, 2.0, 3.0])
    for part in ("index 9 is out of bounds", "Subtensor", line_of("pick")):
        assert part in text
    if "In step" in text:  # the reads may have been done for all steps at once, before the loop
        assert "In step 2 of Scan{picks}" in text
    np.testing.assert_array_equal(f([0, 2], [1.0, 2.0, 3.0]), [1, 4])


def test_step_and_loop_of_an_error():
    x = T.dvector("x")

    def step(total):
        k = T.cast(total, "int64")
        return total + x[k]  # read

    out, _ = scan(step, outputs_info=T.zeros(()), n_steps=6, name="jumps")
    f = function([x], out)
    text = said(IndexError, f, [2.0, 0.0, 1.0, 7.0])
    assert "index 10 is out of bounds" in text and line_of("read") in text
    assert "In step 3 of Scan{jumps}" in text
    assert text.count("Apply node that caused the error") == 1
    assert "Inputs shapes" in text and "Inputs types" in text


def test_nested_loops_name_both():
    x = T.dmatrix("x")

    def outer(row):
        def inner(total):
            return total + row[T.cast(total, "int64")]  # deep

        parts, _ = scan(inner, outputs_info=T.zeros(()), n_steps=4, name="inner")
        return parts[-1]

    out, _ = scan(outer, sequences=x, name="outer")
    f = function([x], out)
    text = said(IndexError, f, [[0.0, 0.0], [1.0, 5.0]])
    assert line_of("deep") in text
    assert text.index("In step 2 of Scan{inner}") < text.index("In step 1 of Scan{outer}")


def test_shapes_that_do_not_fit():
    x, w = T.dmatrix("x"), T.dmatrix("w")

    def step(row, before):
        return T.tanh(row + T.dot(before, w))  # product

    out, _ = scan(step, sequences=x, outputs_info=T.ones((3,)), name="rnn")
    f = function([x, w], out)
    text = said(ValueError, f, np.ones((4, 3)), np.ones((2, 3)))
    assert line_of("product") in text and "Scan{rnn}" in text and "(2, 3)" in text
    assert f(np.ones((4, 3)), np.eye(3)).shape == (4, 3)


def test_assertions_and_ops_in_python_keep_their_class():
    class Odd(Exception):
        pass

    @phintys.as_op([T.dscalar], [T.dscalar])
    def even(v):
        if v % 2:
            raise Odd("an odd number")
        return np.asarray(v)

    x = T.dvector("x")
    out, _ = scan(lambda v, s: s + even(v), sequences=x, outputs_info=T.zeros(()), name="evens")
    f = function([x], out)
    text = said(Odd, f, [2.0, 4.0, 5.0])
    assert "an odd number" in text and "In step 2 of Scan{evens}" in text
    assert f([2.0, 4.0]).tolist() == [2, 6]

    small = Assert("too big")
    out, _ = scan(lambda v, s: s + small(v, v < 3), x, outputs_info=T.zeros(()), name="smalls")
    assert "too big" in said(AssertionError, function([x], out), [1.0, 2.0, 3.0])


def test_numbers_of_steps():
    n, x = T.lscalar("n"), T.dvector("x")
    out, _ = scan(lambda s: s * 2, outputs_info=T.ones((2,)), n_steps=n, name="doubles")
    assert "negative number of step" in said(IndexError, function([n], out), -1)
    out, _ = scan(lambda v: T.outer(T.ones((2,)), T.ones((2,))) * v, x, n_steps=n, name="short")
    text = said(ValueError, function([x, n], out), [1.0], 3)
    assert "Sequence is shorter" in text or "out of bounds" in text or "shape" in text


def test_updates_are_not_made_by_a_failed_loop():
    s, x = shared(1.0, "s"), T.dvector("x")
    out, _ = scan(
        lambda t: t + x[T.cast(t, "int64")], outputs_info=T.zeros(()), n_steps=5, name="walk"
    )
    f = function([x], out, updates=[(s, s + out[-1])])
    said(IndexError, f, [1.0, 5.0])
    assert s.get_value() == 1


# --- NanGuardMode ------------------------------------------------------------


def logs():
    x = T.dvector("x")

    def step(v, total):
        part = T.log(v - 3)  # logarithm
        return total + part

    out, _ = scan(step, sequences=x, outputs_info=T.zeros(()), name="logs")
    return x, out


@pytest.mark.parametrize("optimizer", ["None", "fast_compile", "fast_run"])
def test_nan_guard_names_node_and_step(optimizer):
    x, out = logs()
    mode = NanGuardMode(optimizer=optimizer)
    f = function([x], out, mode=mode)
    text = said(AssertionError, f, [5.0, 6.0, 1.0, 7.0])
    assert "NaN detected" in text and "log" in text and line_of("logarithm") in text
    if optimizer != "fast_run":  # which may take the logarithms of all steps at once
        assert "In step 2 of Scan{logs}" in text
    assert "Inf detected" in said(AssertionError, f, [3.0])
    np.testing.assert_allclose(f([4.0, 5.0]), [0, np.log(2)])


def test_nan_guard_in_recurrences():
    x = T.dscalar("x")
    out, _ = scan(lambda s: T.sqrt(s - 1), outputs_info=x, n_steps=9, name="roots")
    f = function([x], out[-1], mode=NanGuardMode())
    text = said(AssertionError, f, 5.0)
    assert "NaN detected" in text and "In step 3 of Scan{roots}" in text
    grows, _ = scan(lambda s: s * 1e3, outputs_info=x, n_steps=9, name="grows")
    f = function([x], grows[-1], mode=NanGuardMode())
    text = said(AssertionError, f, 1.0)
    assert "Big value" in text and "In step 3 of Scan{grows}" in text
    f = function([x], grows[-1], mode=NanGuardMode(big_is_error=False))
    assert f(1.0) == pytest.approx(1e27)


def test_nan_guard_in_nested_loops_and_gradients():
    x = T.dmatrix("x")

    def outer(row):
        parts, _ = scan(
            lambda s: T.sqrt(s - row.sum()), outputs_info=T.ones(()), n_steps=3, name="inner"
        )
        return parts[-1]

    out, _ = scan(outer, sequences=x, name="outer")
    f = function([x], out, mode=NanGuardMode())
    text = said(AssertionError, f, [[0.0, 0.0], [1.0, 5.0]])
    assert text.index("In step 0 of Scan{inner}") < text.index("In step 1 of Scan{outer}")

    y = T.dvector("y")
    out, _ = scan(lambda v, s: s * T.sqrt(v), sequences=y, outputs_info=T.ones(()), name="forward")
    f = function([y], phintys.grad(out[-1], y), mode=NanGuardMode())
    assert f([4.0, 9.0]).tolist() == [0.75, 2 / 6]
    assert "Inf detected" in said(AssertionError, f, [4.0, 0.0])


def test_nan_guard_may_warn():
    x, out = logs()
    f = function([x], out, mode=NanGuardMode())
    with phintys.change_flags(**{"NanGuardMode.action": "warn"}), warnings.catch_warnings():
        warnings.simplefilter("error")
        said(UserWarning, f, [1.0])
    with phintys.change_flags(**{"NanGuardMode.action": "warn"}), pytest.warns(UserWarning):
        assert np.isnan(f([5.0, 1.0])[1])


# --- DebugMode ------------------------------------------------------------


def rnn():
    x, w = T.dmatrix("x"), T.dmatrix("w")

    def step(row, before):
        return T.tanh(T.dot(before, w) * 1 + row + 0)

    out, _ = scan(step, sequences=x, outputs_info=T.zeros((2,)), name="rnn")
    return [x, w], out


def test_debug_mode_checks_loops():
    inputs, out = rnn()
    outputs = [out, phintys.grad(out.sum(), inputs[1])]
    rng = np.random.default_rng(5)
    values = rng.normal(size=(6, 2)), rng.normal(size=(2, 2))
    plain = function(inputs, outputs)(*values)
    checked = function(inputs, outputs, mode=DebugMode())
    for a, b in zip(plain, checked(*values), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    assert checked._variants


def test_debug_mode_tells_passes_inside_loops_apart():
    """Each pass that changes only the loop's body has a variant of its own."""
    x = T.dvector("x")
    out, _ = scan(lambda s: T.tanh(s * 1 + 0) * x, outputs_info=T.ones((3,)), n_steps=4)
    f = function([x], out, mode=DebugMode())
    names = [name for name, _ in f._variants]
    assert len(set(names)) == len(names) > 1
    np.testing.assert_allclose(f(np.ones(3))[0], np.tanh(np.ones(3)))
    f._variants[0] = (names[0], function([x], [out * 2]))
    with pytest.raises(BadOptimization) as caught:
        f(np.ones(3))
    assert caught.value.pass_name == names[0] != "fusion"


def test_debug_mode_refuses_values_that_are_not_finite():
    x, out = logs()
    f = function([x], out, mode=DebugMode())
    f._variants.append(("broken", function([x], [out / 0])))
    with pytest.raises(InvalidValueError, match="broken"):
        f([5.0])


def test_debug_mode_with_until_updates_and_shared_variables():
    s = shared(np.ones(2), "s")
    out, updates = scan(
        lambda v: (v * s, {s: s + 1}, phintys.scan_module.until(v.sum() > 50)),
        outputs_info=T.ones((2,)), n_steps=30,
    )  # fmt: skip
    f = function([], out[-1], updates=updates, mode=DebugMode())
    g_s = shared(np.ones(2), "s")
    expected, value = np.ones(2), np.ones(2)
    for _ in range(30):
        before, expected, value = expected, expected * value, value + 1
        if before.sum() > 50:
            break
    np.testing.assert_allclose(f(), expected)
    np.testing.assert_allclose(s.get_value(), value)
    assert g_s.get_value().sum() == 2


# --- MonitorMode ------------------------------------------------------------


def test_monitor_mode_sees_nodes_inside_loops():
    from phintys.compile import monitormode

    seen = []

    def after(i, node, fn):
        seen.append((str(node.op), [np.array(cell[0]) for cell in fn.outputs]))

    x = T.dscalar("x")
    out, _ = scan(lambda s: T.sin(s), outputs_info=x, n_steps=3)
    f = function([x], out[-1], mode=monitormode.MonitorMode(post_func=after))
    f(1.0)
    sines = [float(values[0]) for op, values in seen if "sin" in op]
    np.testing.assert_allclose(sines, [np.sin(1), np.sin(np.sin(1)), np.sin(np.sin(np.sin(1)))])

"""Print, checks and MonitorMode: what happens while a function runs."""

import subprocess
import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from phintys import _core
from phintys.ifelse import ifelse
from phintys.printing import Print
from phintys.raise_op import Assert, CheckAndRaise, Raise, assert_op

MODES = ["FAST_RUN", "FAST_COMPILE", phintys.Mode(optimizer=None)]
modes = pytest.mark.parametrize("mode", MODES, ids=["fast_run", "fast_compile", "none"])


# --- Print ----------------------------------------------------------------------------------


@modes
def test_print_writes_theanos_lines(mode, capsys):
    x = T.dvector("x")
    y = Print("value", attrs=("__str__", "shape", "min", "mean", "dtype"))(x * 2) + 1
    f = phintys.function([x], y, mode=mode)
    np.testing.assert_array_equal(f([1, 2]), [3, 5])
    assert capsys.readouterr().out == (
        "value __str__ = [2. 4.]\n"
        "value shape = (2,)\n"
        "value min = 2.0\n"
        "value mean = 3.0\n"
        "value dtype = float64\n"
    )
    f([0])
    assert capsys.readouterr().out.startswith("value __str__ = [0.]\n")


@modes
def test_every_call_prints_once(mode, capsys):
    x = T.dmatrix("x")
    n = Print("rows")(x.shape[0])
    constant = Print("constant")(T.constant(3.0))
    f = phintys.function([x], [T.zeros((n,)) + constant, n], mode=mode)
    for _ in range(3):
        f(np.ones((2, 1)))
        lines = sorted(capsys.readouterr().out.splitlines())
        assert lines == ["constant __str__ = 3.0", "rows __str__ = 2"]


@modes
def test_prints_are_not_merged(mode, capsys):
    x = T.dscalar("x")
    p = Print("p")
    f = phintys.function([x], p(x) + p(x), mode=mode)
    assert f(1) == 2
    assert capsys.readouterr().out == "p __str__ = 1.0\n" * 2


@modes
def test_prints_come_in_the_order_of_computation(mode, capsys):
    x = T.dvector("x")
    a = Print("first")(x)
    b = Print("second")(T.exp(a))
    c = Print("third")(b.sum())
    phintys.function([x], c, mode=mode)([0.0])
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["first", "second", "third"]


@modes
def test_print_survives_and_gradients_pass(mode, capsys):
    x = T.dvector("x")
    y = Print("here")(x)
    f = phintys.function([x], phintys.grad(T.sqr(y).sum(), x), mode=mode)
    np.testing.assert_array_equal(f([3.0]), [6.0])
    assert capsys.readouterr().out == "here __str__ = [3.]\n"
    f = phintys.function([x], [T.neg(T.neg(y)), y * 1, T.exp(T.log(y))], mode=mode)
    f([2.0])
    assert capsys.readouterr().out == "here __str__ = [2.]\n"
    r = phintys.function([x], phintys.Rop(y * 3, x, x), mode=mode)
    np.testing.assert_array_equal(r([2.0]), [6.0])


def test_print_of_what_is_not_needed_does_not_run(capsys):
    x = T.dvector("x")
    phintys.function([x], Print("p")(x).shape[0])([1.0])
    assert capsys.readouterr().out == ""


def test_print_in_a_branch(capsys):
    c, x = T.bscalar("c"), T.dscalar("x")
    f = phintys.function([c, x], ifelse(c, Print("then")(x), Print("else")(x * 2)))
    f(1, 2)
    f(0, 2)
    assert capsys.readouterr().out == "then __str__ = 2.0\nelse __str__ = 4.0\n"


def test_print_of_an_updated_variable(capsys):
    s = phintys.shared(np.zeros(2), name="s")
    f = phintys.function([], [], updates=[(s, Print("new")(s + 1))])
    f()
    f()
    assert capsys.readouterr().out == "new __str__ = [1. 1.]\nnew __str__ = [2. 2.]\n"
    np.testing.assert_array_equal(s.get_value(), [2, 2])


def test_attributes_that_are_methods_and_unknown_ones(capsys):
    x = T.dmatrix("x")
    phintys.function([x], Print("m", attrs=["T", "any", "tolist"])(x))([[1, 2]])
    assert capsys.readouterr().out == "m T = [[1.]\n [2.]]\nm any = True\nm tolist = [[1.0, 2.0]]\n"
    with pytest.raises(AttributeError, match="nonsense"):
        phintys.function([x], Print("m", attrs=["nonsense"])(x))([[1, 2]])


def test_global_fn():
    seen = []
    x = T.dvector("x")
    p = Print(
        "mine",
        attrs=("shape",),
        global_fn=lambda op, value: seen.append((op.message, op.attrs, value)),
    )
    f = phintys.function([x], phintys.grad(T.sqr(p(x)).sum(), x))
    np.testing.assert_array_equal(f([1, 2]), [2, 4])
    ((message, attrs, value),) = seen
    assert (message, attrs) == ("mine", ("shape",))
    np.testing.assert_array_equal(value, [1, 2])

    def fail(op, value):
        raise KeyError("from the function")

    f = phintys.function([x], Print("p", global_fn=fail)(x))
    with pytest.raises(KeyError, match="from the function"):
        f([1.0])


def test_a_print_with_a_function_of_python_is_not_saved(tmp_path):
    x = T.dvector("x")
    f = phintys.function([x], Print("p", global_fn=print)(x))
    with pytest.raises(Exception, match="Print"):
        f.save(tmp_path / "f.phy")


def test_save_and_load(tmp_path, capsys):
    x = T.dvector("x")
    f = phintys.function([x], Print("loaded", attrs=("__str__", "shape"))(x) * 2)
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    np.testing.assert_array_equal(g([1.0]), [2.0])
    assert capsys.readouterr().out == "loaded __str__ = [1.]\nloaded shape = (1,)\n"


def test_attributes_that_fail():
    x = T.dvector("x")
    f = phintys.function([x], Print("m", attrs=["min"])(x))
    f([1.0])
    with pytest.raises(ValueError, match=r"min\(\) of 'm'"):
        f([])
    with pytest.raises(ValueError, match="tofile"):
        phintys.function([x], Print("m", attrs=["tofile"])(x))([1.0])


def test_print_reaches_a_replaced_stdout():
    code = (
        "import sys, io, phintys, phintys.tensor as T\n"
        "from phintys.printing import Print\n"
        "x = T.dscalar('x')\n"
        "f = phintys.function([x], Print('p')(x))\n"
        "real, sys.stdout = sys.stdout, io.StringIO()\n"
        "f(1)\n"
        "text, sys.stdout = sys.stdout.getvalue(), real\n"
        "assert text == 'p __str__ = 1.0\\n', text\n"
        "f(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "p __str__ = 2.0\n"


@modes
def test_print_in_a_loop(mode, capsys):
    x = T.dvector("x")
    total, _ = phintys.scan(
        lambda v, t: Print("step")(t + v), sequences=x, outputs_info=np.float64(0)
    )
    f = phintys.function([x], total, mode=mode)
    for _ in range(2):
        np.testing.assert_array_equal(f([1, 2, 3]), [1, 3, 6])
        assert capsys.readouterr().out == "".join(f"step __str__ = {v}.0\n" for v in (1, 3, 6))


@modes
def test_check_in_a_loop(mode):
    x = T.dvector("x")
    total, _ = phintys.scan(
        lambda v, t: CheckAndRaise(Custom, "negative")(t + v, v >= 0),
        sequences=x,
        outputs_info=np.float64(0),
    )
    f = phintys.function([x], total, mode=mode)
    np.testing.assert_array_equal(f([1, 2]), [1, 3])
    with pytest.raises(Custom, match="negative"):
        f([1, -2])
    np.testing.assert_array_equal(f([1, 2]), [1, 3])


# --- arrays as text, without Python -----------------------------------------------------------

FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=32)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        hnp.arrays("float64", SHAPES, elements=st.floats(-1e3, 1e3).map(lambda x: round(x, 3))),
        hnp.arrays("float64", SHAPES, elements=st.floats()),
        hnp.arrays("float32", SHAPES, elements=st.floats(width=32)),
        hnp.arrays("int64", SHAPES),
        hnp.arrays("uint64", SHAPES),
        hnp.arrays("int8", SHAPES),
        hnp.arrays("bool", SHAPES),
        hnp.arrays("complex128", SHAPES, elements=st.complex_numbers(max_magnitude=1e5)),
    )
)
def test_array_text_is_numpys(array):
    assert _core.array_text(array) == str(array)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(2000.0),
        np.arange(2000).reshape(40, 50),
        np.ones((12, 11, 10)) / 3,
        np.zeros((3, 0)),
        np.zeros((2, 1, 2, 2), "float32"),
        np.array([1e-300, 1]),
        np.array([np.nan, 1, -np.inf]),
        np.array([0.1, 1e10]),
        np.linspace(0, 1, 30),
        np.array([1.5, 2.25], "float16"),
        np.array([1 + 2j, -3.5j]),
        np.array(3.0),
        np.array(1e16),
        np.array(1e-5),
        np.array(7, "uint64"),
        np.array(True),
        np.array(np.nan),
        np.array(1 + 2j),
        np.array(2j),
        np.array(0.1, "float32"),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_array_text_of_special_arrays(array):
    assert _core.array_text(array) == str(array)


# --- checks -----------------------------------------------------------------------------------


@modes
@pytest.mark.parametrize(
    "exception",
    [
        AssertionError,
        IndexError,
        KeyError,
        MemoryError,
        NotImplementedError,
        OSError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
        ZeroDivisionError,
        np.linalg.LinAlgError,
    ],
)
def test_check_and_raise(mode, exception):
    x, n = T.dvector("x"), T.lscalar("n")
    check = CheckAndRaise(exception, "n must be small")
    f = phintys.function([x, n], check(x, n < 10, n > -10) * 2, mode=mode)
    np.testing.assert_array_equal(f([1.0], 3), [2.0])
    for bad in (10, -10):
        with pytest.raises(exception, match="n must be small") as error:
            f([1.0], bad)
        assert isinstance(error.value, phintys.PhintysError)
        assert "test_print.py" in str(error.value)


class Custom(Exception):
    """An exception of a user."""


def test_exceptions_of_the_users_own():
    class Local(ValueError):
        pass

    class Other(KeyError):
        pass

    Other.__qualname__ = Local.__qualname__
    x = T.dscalar("x")
    for exception in (Custom, Local, Other, StopIteration, ArithmeticError):
        f = phintys.function([x], CheckAndRaise(exception, "wrong")(x, x > 0))
        assert f(1) == 1
        with pytest.raises(exception, match="wrong") as error:
            f(0)
        assert type(error.value) is exception
    with pytest.raises(ValueError, match="must be an Exception subclass"):
        CheckAndRaise(3, "x")
    with pytest.raises(ValueError, match="must be an Exception subclass"):
        CheckAndRaise(int, "x")


def test_custom_exceptions_are_saved(tmp_path):
    x = T.dscalar("x")
    path = tmp_path / "f.phy"
    phintys.function([x], CheckAndRaise(Custom, "wrong")(x, x > 0)).save(path)
    with pytest.raises(Custom, match="wrong"):
        phintys.load(path)(0)
    # Where the class's module has not been imported, it is not: the nearest error comes instead.
    code = f"import phintys; f = phintys.load({str(path)!r}); print(f(1)); f(0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "1.0\n"
    assert "PhintysRuntimeError: wrong" in done.stderr


def test_raise():
    c, x = T.bscalar("c"), T.dvector("x")
    f = phintys.function([c, x], ifelse(c, x, Raise("not made yet")(x)))
    np.testing.assert_array_equal(f(1, [1.0]), [1.0])
    with pytest.raises(NotImplementedError, match="not made yet"):
        f(0, [1.0])
    with pytest.raises(KeyError, match="gone"):
        phintys.function([x], Raise("gone", KeyError)(x))([1.0])
    with pytest.raises(NotImplementedError):
        phintys.function([], Raise()(T.constant(1.0)))()


@modes
def test_checks_survive_passes(mode):
    x = T.dvector("x")
    for check in (Assert("bad"), CheckAndRaise(RuntimeError, "bad")):
        y = check(x, x.sum() > 0)
        for z in (y.sum(), T.exp(T.log(y)), T.neg(T.neg(y)), phintys.grad(T.sqr(y).sum(), x)):
            f = phintys.function([x], z, mode=mode)
            f([1.0])
            with pytest.raises((AssertionError, RuntimeError), match="bad"):
                f([-1.0])
        # Two checks of one value, and one that must fail.
        f = phintys.function([x], check(check(x, x[0] > 0), x[1] > 0), mode=mode)
        for bad in ([-1.0, 1.0], [1.0, -1.0]):
            with pytest.raises((AssertionError, RuntimeError)):
                f(bad)
        with pytest.raises((AssertionError, RuntimeError), match="bad"):
            phintys.function([], check(T.constant(1.0), T.constant(0)), mode=mode)()


def test_known_conditions_are_dropped():
    x = T.dvector("x")
    c = x.sum() > 0
    y = CheckAndRaise(TypeError, "m")(x, c, c, True)
    f = phintys.function([x], y)
    text = phintys.printing.debugprint(f, file="str")
    assert text.count("CheckAndRaise") == 1
    f = phintys.function([x], CheckAndRaise(TypeError, "m")(x, True, 1))
    assert "CheckAndRaise" not in phintys.printing.debugprint(f, file="str")


def test_checks_protect_shared_variables():
    s = phintys.shared(0.0)
    x = T.dscalar("x")
    f = phintys.function([x], [], updates=[(s, CheckAndRaise(Custom, "no")(s + x, x > 0))])
    f(1)
    with pytest.raises(Custom):
        f(-1)
    assert s.get_value() == 1


def test_conditions_must_be_scalars():
    x = T.dvector("x")
    with pytest.raises(TypeError, match="scalars"):
        assert_op(x, x > 0)
    with pytest.raises(TypeError, match="scalars"):
        CheckAndRaise(ValueError, "m")(x, x > 0)


def test_op_classes():
    x = T.dscalar("x")
    assert isinstance(Assert()(x, x > 0).owner.op, Assert)
    assert isinstance(Assert()(x, x > 0).owner.op, CheckAndRaise)
    assert isinstance(CheckAndRaise(KeyError, "m")(x, x > 0).owner.op, CheckAndRaise)
    assert T.opt.Assert is Assert
    assert Assert("a") == Assert("a") != Assert("b")


# --- MonitorMode --------------------------------------------------------------------------------


def test_monitor_mode_sees_every_node():
    before, after = [], []

    def pre(i, node, fn):
        before.append((i, str(node.op), [v for (v,) in fn.inputs], [v for (v,) in fn.outputs]))

    def post(i, node, fn):
        after.append((i, str(node.op), [v for (v,) in fn.inputs], [v for (v,) in fn.outputs]))

    x = T.dvector("x")
    f = phintys.function([x], T.sort(T.exp(x)).sum(), mode=phintys.compile.MonitorMode(pre, post))
    np.testing.assert_allclose(f([1.0, 0.0]), 1 + np.e)
    assert [k[0] for k in before] == [k[0] for k in after] == sorted({k[0] for k in after})
    assert len(before) >= 3 and any("exp" in k[1] for k in before)
    assert all(value is None for k in before for value in k[3])
    np.testing.assert_array_equal(before[0][2][0], [1.0, 0.0])
    np.testing.assert_array_equal(after[0][2][0], [1.0, 0.0])
    np.testing.assert_allclose(after[0][3][0], np.exp([1.0, 0.0]))
    np.testing.assert_allclose(after[-1][3][0], 1 + np.e)


def test_monitor_mode_nodes_can_be_printed():
    texts = []

    def post(i, node, fn):
        texts.append(phintys.printing.debugprint(node, file="str"))
        assert len(node.inputs) == len(fn.inputs) and len(node.outputs) == len(fn.outputs)

    x = T.dvector("x")
    f = phintys.function([x], T.dot(x, x) + 1, mode=phintys.compile.MonitorMode(post_func=post))
    assert f([1.0, 2.0]) == 6
    assert any("x" in text and "dot" in text for text in texts)


def test_monitor_mode_in_loops_and_branches():
    seen = []
    x, c = T.dvector("x"), T.bscalar("c")
    total, _ = phintys.scan(lambda v, t: T.sin(t) + v, sequences=x, outputs_info=np.float64(0))
    y = ifelse(c, T.exp(total), T.cos(total))
    mode = phintys.compile.MonitorMode(post_func=lambda i, node, fn: seen.append(str(node.op)))
    f = phintys.function([x, c], y, mode=mode)
    f([1.0, 2.0, 3.0], 1)
    text = " ".join(seen)
    assert text.count("sin") == 3 and "exp" in text and "cos" not in text
    seen.clear()
    f([1.0], 0)
    assert "cos" in " ".join(seen)


def test_monitor_mode_stops_on_an_exception():
    def post(i, node, fn):
        raise Custom("enough")

    s = phintys.shared(1.0)
    f = phintys.function([], [], updates=[(s, s * 2)], mode=phintys.compile.MonitorMode(None, post))
    with pytest.raises(Custom, match="enough"):
        f()
    assert s.get_value() == 1


def test_detect_nan(capsys):
    from phintys.compile.monitormode import MonitorMode, detect_nan

    x = T.dvector("x")
    f = phintys.function([x], T.log(x) * 2, mode=MonitorMode(post_func=detect_nan))
    f([1.0])
    assert capsys.readouterr().out == ""
    f([-1.0])
    out = capsys.readouterr().out
    assert out.count("*** NaN detected ***") == 2
    assert "log" in out and "Inputs : [array([-1.])]" in out and "Outputs: [array([nan])]" in out


def test_monitor_mode_with_updates_and_several_calls():
    count = []
    s = phintys.shared(np.zeros(2))
    mode = phintys.compile.MonitorMode(lambda i, node, fn: count.append(i))
    f = phintys.function([], s.sum(), updates=[(s, s + 1)], mode=mode)
    assert [float(f()) for _ in range(3)] == [0, 2, 4]
    assert len(count) % 3 == 0 and count

"""The call path: arguments, results, errors."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _call, _core


class Spec:
    """What `FunctionBase` needs to know of an input."""

    def __init__(self, variable, value=None, strict=False, allow_downcast=None):
        self.name = variable.name
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.borrow = True
        self.value = value
        self.label = str(variable)
        self._dtype = variable.dtype
        self._ndim = variable.ndim
        self.calls = 0

    def filter(self, value, strict=False, allow_downcast=None, borrow=False):
        self.calls += 1
        array = np.asarray(value)
        if array.ndim != self._ndim:
            raise TypeError(f"Wrong number of dimensions: expected {self._ndim}")
        if not np.can_cast(array.dtype, self._dtype) and not allow_downcast:
            raise TypeError(f"cannot store {array.dtype} as {self._dtype}")
        return array.astype(self._dtype, copy=False)


def make(inputs, outputs, mode="list", keys=None, cls=_call.FunctionBase, **kwargs):
    core = _core.compile(
        inputs=list(inputs),
        outputs=list(outputs),
        name="test.py:1",
        updates=kwargs.pop("updates", []),
    )
    specs = [Spec(v, **kwargs) for v in inputs]
    return cls(core, specs, mode, keys)


@pytest.fixture
def add():
    x, y = T.dscalars("x", "y")
    return make([x, y], [x + y], "single")


def test_scalars(add):
    for a, b in [(np.array(1.0), np.array(2.0)), (1.0, 2), (np.float64(1), 2.0)]:
        out = add(a, b)
        assert type(out) is np.ndarray and out.shape == () and out.dtype == np.float64
        assert out == 3.0
    assert [s.calls for s in add.specs] == [0, 0]


def test_slow_path_is_taken_for_the_rest(add):
    class Number(int):
        pass

    assert add(Number(1), 2) == 3
    assert add.specs[0].calls == 1 and add.specs[1].calls == 0
    assert add(2**60 + 1, 0.0) == 2.0**60
    assert add.specs[0].calls == 2
    assert add(np.array(2**53 + 1), 0.0) == 2.0**53
    assert add.specs[0].calls == 3


def test_exact_numbers_of_any_kind_take_the_fast_path(add):
    assert add(np.float32(1), True) == 2
    assert add(2**60, np.bool_(True)) == 2.0**60 + 1
    assert add(np.int64(-3), np.uint8(255)) == 252
    assert add(np.longlong(4), np.float16(0.5)) == 4.5
    assert add(np.array(7), np.array(True)) == 8
    assert add(np.array(1.5, np.float32), np.array(2, np.int8)) == 3.5
    assert [s.calls for s in add.specs] == [0, 0]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint64", "float16", "float32"])
def test_arrays_of_every_dtype(dtype):
    x = T.TensorType(dtype, (False, False))("x")
    f = make([x], [T.switch(x, x, x)], "single")
    data = np.arange(6).reshape(2, 3).astype(dtype)
    for view in (data, data.T, data[::-1], data[:, ::2], data[:0], data[:, :0]):
        out = f(view)
        assert out.dtype == data.dtype
        np.testing.assert_array_equal(out, view)
    assert f.specs[0].calls == 0


def test_long_long_is_int64():
    x = T.lvector("x")
    f = make([x], [x + x], "single")
    np.testing.assert_array_equal(f(np.arange(3, dtype=np.longlong)), [0, 2, 4])


def test_odd_memory_is_copied():
    x = T.dvector("x")
    f = make([x], [x * 2.0], "single")
    swapped = np.arange(4, dtype=">f8")
    np.testing.assert_array_equal(f(swapped), [0, 2, 4, 6])
    raw = np.zeros(33, "uint8")
    unaligned = raw[1:].view("f8")
    unaligned[:] = [1, 2, 3, 4]
    np.testing.assert_array_equal(f(unaligned), [2, 4, 6, 8])


def test_large_results_are_not_copied_and_live_on():
    x = T.dvector("x")
    f = make([x], [x + 1.0], "single")
    data = np.zeros(100_000)
    a, b = f(data), f(data)
    a[:] = 7
    np.testing.assert_array_equal(b, 1)
    assert a.base is not None and a.flags.c_contiguous and a.flags.writeable
    del f
    gc.collect()
    np.testing.assert_array_equal(a, 7)


def test_results_do_not_alias_inputs_or_each_other():
    x = T.dvector("x")
    f = make([x], [x, x])
    for n in (3, 10_000):
        data = np.zeros(n)
        a, b = f(data)
        a[:] = 1
        assert not data.any() and not b.any()


def test_output_modes():
    x = T.dscalar("x")
    assert make([x], [x + 1])(1.0) == [2.0]
    assert make([x], [x + 1, x * 3])(1.0) == [2.0, 3.0]
    assert make([x], [], "none")(1.0) == []
    f = make([x], [x + 1, x * 3], "dict", ("a", "b"))
    assert f(1.0) == {"a": 2.0, "b": 3.0}
    assert f(1.0, output_subset=["b"]) == {"b": 3.0}
    f = make([x], [x + 1, x * 3])
    assert f(1.0, output_subset=[1]) == [3.0]
    with pytest.raises(IndexError):
        f(1.0, output_subset=[5])


def test_keywords_and_defaults():
    x, y = T.dscalars("x", "y")
    f = make([x, y], [x - y], "single")
    assert f(x=5.0, y=2.0) == f(5.0, y=2.0) == f(y=2.0, x=5.0) == 3.0
    core = f.fn
    g = _call.FunctionBase(core, [Spec(x), Spec(y, value=np.array(1.0))], "single")
    assert g(5.0) == 4.0 and g(x=5.0) == 4.0 and g(5.0, 2.0) == 3.0


def test_wrong_calls(add):
    with pytest.raises(TypeError, match=r"^Missing required input: y$"):
        add(1.0)
    with pytest.raises(TypeError, match=r"^Too many parameter passed to theano function$"):
        add(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match=r"^Too many parameter passed to theano function$"):
        add(1.0, 2.0, x=1.0)
    with pytest.raises(
        TypeError, match=r"Unknown input or state: z. The function has 2 named inputs \(x, y\)\."
    ):
        add(1.0, z=2.0)
    with pytest.raises(TypeError, match=r'Bad input argument .*name "test.py:1" at index 1'):
        add(1.0, [1.0, 2.0])
    with pytest.raises(TypeError, match="cannot store complex128"):
        add(1.0, 2j)
    assert add(1.0, 2.0) == 3.0


def test_unnamed_and_ambiguous_inputs():
    x, y = T.dscalar(), T.dscalar()
    f = make([x, y], [x + y], "single")
    with pytest.raises(TypeError, match="none of them is named"):
        f(1.0, z=1.0)
    a, b = T.dscalar("a"), T.dscalar("a")
    f = make([a, b], [a + b], "single")
    with pytest.raises(TypeError, match="Ambiguous name: a"):
        f(1.0, a=1.0)
    assert f(1.0, 2.0) == 3.0


def test_strict_inputs():
    x = T.dscalar("x")
    f = make([x], [x + 1], "single", strict=True)
    f(np.array(1.0))
    assert f.specs[0].calls == 0
    f(1.0)
    assert f.specs[0].calls == 1


def test_broadcastable_dimensions_are_checked():
    x = T.drow("x")
    f = make([x], [x + 1.0], "single")
    np.testing.assert_array_equal(f(np.zeros((1, 3))), np.ones((1, 3)))
    with pytest.raises(TypeError):
        f(np.zeros((2, 3)))


def test_run_time_errors_name_shapes():
    x, y = T.dvectors("x", "y")
    f = make([x, y], [x + y], "single")
    with pytest.raises(ValueError, match=r"3.*4|4.*3"):
        f(np.zeros(3), np.zeros(4))
    np.testing.assert_array_equal(f(np.zeros(3), np.ones(3)), np.ones(3))


def test_many_inputs_and_outputs():
    variables = [T.dscalar(f"v{i}") for i in range(40)]
    f = make(variables, [v * 2.0 for v in variables])
    assert [float(v) for v in f(*range(40))] == [2.0 * i for i in range(40)]
    with pytest.raises(TypeError):
        f(*range(39), "a")


def test_subclasses():
    x = T.dscalar("x")

    class Plain(_call.FunctionBase):
        pass

    class Counting(Plain):
        calls = 0

        def __call__(self, *args, **kwargs):
            self.calls += 1
            return super().__call__(*args, **kwargs)

    assert make([x], [x + 1], "single", cls=Plain)(1.0) == 2.0
    f = make([x], [x + 1], "single", cls=Counting)
    assert f(1.0) == 2.0 and f(x=1.0) == 2.0 and f.calls == 2
    assert make([x], [x + 1], "single", cls=Plain)(x=3.0) == 4.0


def test_a_function_without_init_is_refused():
    f = _call.FunctionBase.__new__(_call.FunctionBase)
    with pytest.raises(RuntimeError):
        f(1.0)
    with pytest.raises(TypeError):
        _call.FunctionBase(object(), [])


def test_no_references_leak(add):
    a, b = np.array(1.5), np.array(2.5)
    x = T.dvector("x")
    big = make([x], [x + 1.0], "single")
    data = np.zeros(1000)
    counts = [sys.getrefcount(o) for o in (a, b, data, add, big)]
    for _ in range(100):
        add(a, b)
        add(a, y=b)
        big(data)
        with pytest.raises(TypeError):
            add(a, "text")
        with pytest.raises(TypeError):
            add(a)
    assert [sys.getrefcount(o) for o in (a, b, data, add, big)] == counts
    ref = weakref.ref(add(a, b))
    assert ref() is None


def test_updates_and_failed_calls():
    s = phintys.shared(np.zeros(3), name="s")
    x = T.dvector("x")
    f = make([x], [s], "single", updates=[(s, s + x)])
    np.testing.assert_array_equal(f(np.ones(3)), np.zeros(3))
    np.testing.assert_array_equal(s.get_value(), np.ones(3))
    with pytest.raises(ValueError):
        f(np.ones(4))
    np.testing.assert_array_equal(s.get_value(), np.ones(3))


def test_calls_from_many_threads():
    x = T.dmatrix("x")
    f = make([x], [T.sum(T.exp(x) * 2.0)], "single")
    data = [np.full((50, 50 + i), float(i)) for i in range(4)]
    want = [np.exp(d).sum() * 2 for d in data]
    errors = []

    def work(i):
        for _ in range(50):
            if not np.allclose(f(data[i]), want[i]):
                errors.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []


def test_shared_state_from_many_threads():
    s = phintys.shared(np.zeros(5), name="s")
    f = make([], [], "none", updates=[(s, s + 1.0)])

    def work():
        for _ in range(200):
            f()
            s.get_value()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(s.get_value(), np.full(5, 800.0))


def test_monitor_sees_every_node_and_may_raise():
    x = T.dvector("x")
    seen = []
    core = _core.compile(
        [x],
        [T.exp(x) + 1.0],
        name="m",
        monitor=lambda op, loc, values: seen.append((op, loc, values)),
    )
    f = _call.FunctionBase(core, [Spec(x)], "single")
    f(np.zeros(2))
    assert any("exp" in op for op, _, _ in seen)
    assert all(isinstance(v, np.ndarray) for _, _, values in seen for v in values)

    class Stop(Exception):
        pass

    def stop(op, loc, values):
        raise Stop("here")

    core = _core.compile([x], [T.exp(x) + 1.0], name="m", monitor=stop)
    f = _call.FunctionBase(core, [Spec(x)], "single")
    for _ in range(2):
        with pytest.raises(Stop, match="here"):
            f(np.zeros(2))


def test_function_attributes():
    x = T.dmatrix("x")
    s = phintys.shared(np.zeros(3), name="s")
    core = _core.compile([x], [T.exp(x)], updates=[(s, s + 1.0)], name="f")
    assert core.name == "f"
    assert core.inputs == [("x", "float64", 2, (False, False))]
    assert core.outputs[0][1:] == ("float64", 2, (False, False))
    assert core.shared == [s] and core.updated == [s] and core.shared_names == ["s"]
    assert core.compile_seconds > 0
    assert all(len(r) == 4 for r in core.pass_reports)
    assert "exp" in core.graph_text() and core.program_text()
    assert core.planned_bytes([(10, 10)]) >= 0
    with pytest.raises(ValueError):
        core.planned_bytes([(10,)])
    with pytest.raises(ValueError):
        core.planned_bytes([])
    inputs, outputs = core.graph_copy()
    assert len(inputs) == 1 and len(outputs) == 2
    assert outputs[0].owner.inputs[0] is inputs[0]
    core.release()
    with pytest.raises(ValueError):
        _core.compile([x], [x + 1.0], excluded=["no such pass"])
    with pytest.raises(ValueError):
        _core.compile([x], [x + 1.0], pipeline="no such pipeline")


def test_on_change_reports_passes():
    x = T.dvector("x")
    seen = []
    _core.compile([x], [(x * 1.0) + 0.0], on_change=lambda name, text: seen.append((name, text)))
    assert seen and all(name in _core.passes() for name, _ in seen)

    def fail(name, text):
        raise LookupError(name)

    with pytest.raises(LookupError):
        _core.compile([x], [(x * 1.0) + 0.0], on_change=fail)


def test_small_programs_keep_the_gil():
    x, y = T.dscalars("x", "y")
    assert make([x, y], [x + y]).holds_gil
    v = T.dvector("v")
    assert not make([v], [v + 1.0]).holds_gil
    s = phintys.shared(0.0)
    assert not make([], [], "none", updates=[(s, s + 1)]).holds_gil

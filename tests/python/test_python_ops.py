"""Ops written in Python: values, gradients, shapes, memory, threads, failures, cycles, copies."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from typing import Any, ClassVar

import numpy as np
import phintys
import phintys.tensor as T
import pytest
import scipy.special
from phintys import Apply, Op
from phintys.compile.ops import as_op, wrap_py
from phintys.gradient import verify_grad
from phintys.tensor.type import TensorType
from python_op_models import Cube, Scaled, SumAndDifference, vector

rng = np.random.RandomState(0)

# --- applying and running ------------------------------------------------------------------------


def test_node_knows_the_very_op() -> None:
    op, x = Scaled(3.0), T.dmatrix("x")
    y = op(x, name="y")
    assert y.owner.op is op
    assert y.name == "y"
    assert isinstance(y.owner.op, Op) and isinstance(y.owner.op, phintys.gof.Op)
    assert isinstance((x + 1).owner.op, Op)
    assert not isinstance((x + 1).owner.op, Scaled)
    assert str(op) == "Scaled{factor=3.0}"
    assert y.owner.inputs == [x]
    assert "test_python_ops.py" in y.owner.loc


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_values_among_fused_ops(mode: str) -> None:
    x = T.dmatrix("x")
    y = Scaled(3.0)(T.exp(x) + 1)
    f = phintys.function([x], [T.tanh(y) * 2, y, y.sum(axis=0)], mode=mode)
    for shape in [(3, 4), (1, 1), (0, 3), (60, 70)]:
        v = rng.normal(size=shape)
        e = 3 * (np.exp(v) + 1)
        for got, expected in zip(f(v), [np.tanh(e) * 2, e, e.sum(axis=0)], strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8", "complex128", "bool"])
def test_dtypes_and_layouts(dtype: str) -> None:
    class Reversed(Op):
        __props__ = ()

        def make_node(self, x: Any) -> Any:
            return Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            assert inputs[0].dtype == dtype
            output_storage[0][0] = inputs[0][::-1]  # a view

    x = TensorType(dtype, (False, False))("x")
    f = phintys.function([x], [Reversed()(x), Reversed()(x.T)])
    v = rng.normal(size=(40, 50)).astype(dtype)[::2, ::-1]
    for got, expected in zip(f(v), [v[::-1], v.T[::-1]], strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, expected)
        assert got.flags.writeable
        assert not np.shares_memory(got, v)


def test_default_make_node() -> None:
    x = T.dvector("x")
    assert Cube()(x).type == x.type
    with pytest.raises(ValueError, match="We expected 1 inputs but got 2"):
        Cube()(x, x)
    with pytest.raises(TypeError, match="We expected inputs of types"):
        Cube()(T.fvector())

    class Nothing(Op):
        pass

    with pytest.raises(NotImplementedError, match="itypes and otypes"):
        Nothing()(x)


def test_several_outputs_and_default_output() -> None:
    a, b = T.dvectors("a", "b")
    s, d = SumAndDifference()(a, b)
    assert s.owner is d.owner and (s.index, d.index) == (0, 1)
    f = phintys.function([a, b], [s * d, d])
    u, v = vector(), vector()
    np.testing.assert_allclose(f(u, v)[0], (u + v) * (u - v))

    class Second(SumAndDifference):
        default_output = 1

    r = Second()(a, b)
    np.testing.assert_allclose(phintys.function([a, b], r)(u, v), u - v)
    assert len(Second()(a, b, return_list=True)) == 1
    assert len(SumAndDifference()(a, b, return_list=True)) == 2


def test_keyword_arguments_reach_make_node() -> None:
    class Power(Op):
        __props__ = ()

        def make_node(self, x: Any, n: int = 2) -> Any:
            return Apply(self, [x, T.constant(n)], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0] ** inputs[1]

    x = T.dscalar("x")
    assert float(phintys.function([x], Power()(x, n=3))(2.0)) == 8.0


def test_scalars_and_numbers_as_results() -> None:
    @as_op([T.dscalar, T.lscalar], [T.dscalar])
    def product(x: Any, n: Any) -> float:
        return float(x) * int(n)  # a Python number

    x, n = T.dscalar("x"), T.lscalar("n")
    assert float(phintys.function([x, n], product(x, n) + 1)(2.5, 4)) == 11.0


def test_perform_may_look_at_constant_operands() -> None:
    class Along(Op):
        __props__ = ()

        def make_node(self, x: Any, axis: int) -> Any:
            return Apply(self, [x, T.constant(axis)], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            assert inputs[1] == node.inputs[1].data
            assert node.outputs[0].type.dtype == "float64"
            output_storage[0][0] = np.cumsum(inputs[0], axis=int(node.inputs[1].data))

    x = T.dmatrix("x")
    a, b = phintys.function([x], [Along()(x, 0), Along()(x, 1)])(np.ones((2, 3)))
    assert a[-1, 0] == 2 and b[0, -1] == 3


def test_parameters() -> None:
    from phintys.gof import EnumList, ParamsType
    from phintys.scalar import float64

    sides = EnumList("LEFT", "RIGHT")

    class Shifted(Op):
        __props__ = ("by", "side")
        params_type = ParamsType(by=float64, side=sides)
        itypes = (T.dvector,)
        otypes = (T.dvector,)

        def __init__(self, by: float, side: str) -> None:
            self.by, self.side = by, side

        def perform(self, node: Any, inputs: Any, output_storage: Any, params: Any) -> None:
            sign = 1 if params.side == sides.RIGHT else -1
            output_storage[0][0] = inputs[0] + sign * params.by

    x = T.dvector("x")
    f = phintys.function([x], [Shifted(0.5, "RIGHT")(x), Shifted(0.5, "LEFT")(x)])
    right, left = f([1.0])
    assert (right[0], left[0]) == (1.5, 0.5)
    with pytest.raises(TypeError, match="UP"):
        phintys.function([x], Shifted(0.5, "UP")(x))([1.0])


def test_shape_that_depends_on_values() -> None:
    @as_op([T.dvector], [T.dvector])
    def positive(x: Any) -> Any:
        return x[x > 0]

    x = T.dvector("x")
    p = positive(x)
    f = phintys.function([x], [p.sum(), p * 2, p.shape[0]])
    for v in ([1.0, -1.0, 2.0], [-1.0], [], [3.0]):
        v = np.array(v)
        total, double, n = f(v)
        assert total == v[v > 0].sum() and n == (v > 0).sum()
        np.testing.assert_array_equal(double, 2 * v[v > 0])


def test_never_run_while_compiling() -> None:
    Scaled.runs = 0
    y = Scaled(2.0)(T.constant([1.0, 2.0])) + 1
    f = phintys.function([], y)
    assert Scaled.runs == 0
    np.testing.assert_array_equal(f(), [3.0, 5.0])
    assert Scaled.runs == 1
    f.planned_bytes([])
    assert Scaled.runs == 1


def test_results_are_indexed_and_are_lengths() -> None:
    @as_op([T.lvector], [T.TensorType("int64", shape=(2,))])
    def reversed_(n: Any) -> Any:
        return n[::-1].copy()

    @as_op([T.lscalar], [T.lscalar])
    def doubled(n: Any) -> Any:
        return np.asarray(n * 2)

    n, s, x = T.lvector("n"), T.lscalar("s"), T.dvector("x")
    r, d = reversed_(n), doubled(s)
    outs = [r[0], r[-1:], T.stack([d, s])[0], T.zeros(r), T.zeros((d,)), x.reshape(r), sum(r)]
    f = phintys.function([n, s, x], [*outs, T.set_subtensor(r[1], 9)])
    got = f([2, 3], 4, np.arange(6.0))
    expected = [3, [2], 8, np.zeros((3, 2)), np.zeros(8), np.arange(6.0).reshape(3, 2), 5, [3, 9]]
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_array_equal(g, e)
    with pytest.raises(T.NotScalarConstantError):
        T.get_scalar_constant_value(d)
    with pytest.raises(TypeError, match="result of a subtensor operation"):
        T.set_subtensor(r, 1)
    assert phintys.pp(d + s).endswith("(s) + s)")


def test_inside_scan() -> None:
    x = T.dvector("x")
    ys, _ = phintys.scan(
        lambda x_t, s: Scaled(3.0)(x_t) + s, sequences=[x], outputs_info=[np.zeros(())]
    )
    f = phintys.function([x], ys)
    np.testing.assert_allclose(f([1.0, 2.0, 3.0]), np.cumsum([3.0, 6.0, 9.0]))


def test_gradient_inside_scan() -> None:
    x = T.dvector("x")
    ys, _ = phintys.scan(
        lambda x_t, s: Scaled(3.0)(x_t) * x_t + s, sequences=[x], outputs_info=[np.zeros(())]
    )
    g = phintys.function([x], phintys.grad(T.sqr(ys).sum(), x))
    v = vector()
    sums = np.cumsum(3 * v * v)
    np.testing.assert_allclose(g(v), 6 * v * np.cumsum((2 * sums)[::-1])[::-1])


def test_jacobian() -> None:
    x = T.dvector("x")
    v = vector()
    j = phintys.gradient.jacobian(Cube()(x), x)
    np.testing.assert_allclose(phintys.function([x], j)(v), np.diag(3 * v**2), atol=1e-14)


def test_profile_counts_it() -> None:
    x = T.dvector("x")
    f = phintys.function([x], Scaled()(x) + 1, profile=True)
    f(vector())
    f(vector())
    (entry,) = [e for e in f.fn.profile()["instructions"] if e["op"].startswith("Scaled")]
    assert entry["calls"] == 2 and entry["seconds"] > 0


def test_nan_guard_sees_results() -> None:
    @as_op([T.dvector], [T.dvector])
    def bad(x: Any) -> Any:
        return x * np.nan

    x = T.dvector("x")
    f = phintys.function([x], bad(x), mode=phintys.compile.NanGuardMode())
    with pytest.raises(AssertionError, match="NaN"):
        f(vector())


# --- memory --------------------------------------------------------------------------------------


def test_inputs_may_be_kept() -> None:
    seen: list[Any] = []

    @as_op([T.dvector], [T.dvector])
    def spy(x: Any) -> Any:
        seen.append(x)
        return x

    x = T.dvector("x")
    f = phintys.function([x], T.exp(spy(x * 2)))
    for i in range(4):
        f(np.full(1000, float(i)))
    assert [a[0] for a in seen] == [0.0, 2.0, 4.0, 6.0]
    assert all((a == a[0]).all() for a in seen)


def test_inputs_outlive_the_function() -> None:
    kept: list[Any] = []

    @as_op([T.dmatrix, T.dvector], [T.dvector])
    def keeps(x: Any, y: Any) -> Any:
        kept.extend([x[1:, ::2], y])
        return y[::-1]

    x, y = T.dmatrix("x"), T.dvector("y")
    f = phintys.function([x, y], keeps(x + 1, y))
    a, b = rng.normal(size=(50, 60)), vector(3000)
    out = f(a, b)
    np.testing.assert_array_equal(out, b[::-1])
    out[:] = 0
    expected = (a + 1)[1:, ::2], b.copy()
    b[:] = 5
    del f
    gc.collect()
    phintys.function([x], T.exp(x) * 2)(a)
    for got, e in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(got, e)


def test_a_result_that_the_op_keeps_is_not_shared() -> None:
    class Buffered(Op):
        __props__ = ()
        itypes = (T.dvector,)
        otypes = (T.dvector,)
        buffer: Any = None

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            if self.buffer is None:
                self.buffer = np.empty(inputs[0].shape)
            self.buffer[...] = inputs[0] + 1
            output_storage[0][0] = self.buffer

    x = T.dvector("x")
    f = phintys.function([x], Buffered()(x))
    first = f(np.zeros(1000))
    second = f(np.ones(1000))
    assert (first == 1).all() and (second == 2).all()
    first[:] = 7
    assert (f(np.zeros(1000)) == 1).all()


def test_views_and_destroyed_inputs() -> None:
    class Tail(Op):
        __props__ = ()
        view_map: ClassVar[Any] = {0: [0]}
        itypes = (T.dvector,)
        otypes = (T.dvector,)

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0][1:]

    class Negated(Op):
        __props__ = ()
        destroy_map: ClassVar[Any] = {0: [0]}
        itypes = (T.dvector,)
        otypes = (T.dvector,)

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            np.negative(inputs[0], out=inputs[0])
            output_storage[0][0] = inputs[0]

    x = T.dvector("x")
    s = phintys.shared(np.arange(2000.0), "s")
    y = x + 1
    f = phintys.function([x], [Tail()(y), Negated()(y), y, Negated()(x), Negated()(s), x + s])
    v = np.ones(2000)
    out = f(v)
    np.testing.assert_array_equal(out[0], np.full(1999, 2.0))
    np.testing.assert_array_equal(out[1], np.full(2000, -2.0))
    np.testing.assert_array_equal(out[2], np.full(2000, 2.0))
    np.testing.assert_array_equal(out[3], -v)
    np.testing.assert_array_equal(v, np.ones(2000))
    np.testing.assert_array_equal(s.get_value(), np.arange(2000.0))
    np.testing.assert_array_equal(out[5], 1 + np.arange(2000.0))


def test_read_only_and_repeated_results() -> None:
    @as_op([T.dscalar], [T.dvector, T.dvector])
    def spread(x: Any) -> Any:
        a = np.broadcast_to(x, (1000,))
        return [a, a]

    x = T.dscalar("x")
    a, b = phintys.function([x], spread(x))(3.0)
    a[0] = 1
    assert a[1] == 3 and b[0] == 3


# --- state and failures --------------------------------------------------------------------------


def test_updates() -> None:
    s = phintys.shared(np.arange(3.0), "s")
    t = phintys.shared(np.zeros(3), "t")
    f = phintys.function([], Scaled(2.0)(s), updates=[(s, Scaled(3.0)(s)), (t, s)])
    np.testing.assert_array_equal(f(), [0, 2, 4])
    np.testing.assert_array_equal(s.get_value(), [0, 3, 6])
    np.testing.assert_array_equal(t.get_value(), [0, 1, 2])


def test_a_failure_leaves_shared_variables_alone() -> None:
    class Moody(Exception):
        pass

    @as_op([T.dvector], [T.dvector])
    def moody(x: Any) -> Any:
        if x[0] > 2:
            raise Moody("not today")
        return x

    s = phintys.shared(np.array([1.0, 5.0]), "s")
    t = phintys.shared(np.array(0.0), "t")
    f = phintys.function([], moody(s).sum(), updates=[(s, s + 1), (t, t + 1)])
    f()
    f()
    with pytest.raises(Moody, match="not today"):
        f()
    np.testing.assert_array_equal(s.get_value(), [3.0, 7.0])
    assert t.get_value() == 2.0


def test_exceptions_keep_their_class_and_name_the_node() -> None:
    class Own(Exception):
        def __init__(self, text: str, code: int = 7) -> None:
            super().__init__(text)
            self.code = code

    @as_op([T.dvector], [T.dvector])
    def fails(x: Any) -> Any:
        raise Own("reason")

    x = T.dvector("x")
    f = phintys.function([x], fails(x + 1) * 2)
    with pytest.raises(Own) as info:
        f(vector(3))
    text = str(info.value)
    assert text.startswith("reason\nApply node that caused the error: FromFunctionOp{fails}")
    assert "Inputs shapes: [(3,)]" in text and "test_python_ops.py" in text
    assert info.value.code == 7
    assert "in fails" in "".join(__import__("traceback").format_exception(info.value))

    class BadGrad(Cube):
        def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> Any:
            raise ZeroDivisionError("no slope")

    with pytest.raises(ZeroDivisionError, match="no slope\nApply node that caused the error"):
        phintys.grad(BadGrad()(x).sum(), x)

    # What one call's code has got over does not come back in another.
    @as_op([T.dvector], [T.dvector])
    def catches(x: Any) -> Any:
        with pytest.raises(Own):
            f(x)
        raise IndexError("mine")

    with pytest.raises(IndexError, match="mine"):
        phintys.function([x], catches(x))(vector())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "left output 0 empty"),
        (np.zeros((2, 2)), "output 0 of perform must be"),
        (np.zeros(2, complex), "output 0 of perform must be"),
        ("text", "output 0 of perform must be"),
    ],
)
def test_results_of_another_type_are_refused(value: Any, text: str) -> None:
    class Wrong(Cube):
        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = value

    x = T.dvector("x")
    with pytest.raises((TypeError, ValueError), match=text) as info:
        phintys.function([x], Wrong()(x))(vector())
    assert "Wrong" in str(info.value)


def test_results_are_converted_where_nothing_is_lost() -> None:
    class Ints(Cube):
        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = [1, 2, 3]

    x = T.dvector("x")
    out = phintys.function([x], Ints()(x))(vector())
    assert out.dtype == "float64" and out.tolist() == [1.0, 2.0, 3.0]


def test_perform_is_missing() -> None:
    class Nothing(Op):
        itypes = (T.dvector,)
        otypes = (T.dvector,)

    x = T.dvector("x")
    with pytest.raises(phintys.gof.MethodNotDefined, match="perform"):
        phintys.function([x], Nothing()(x))(vector())


def test_op_that_calls_compiled_functions_and_shared_variables() -> None:
    s = phintys.shared(np.array(2.0), "s")
    x = T.dvector("x")
    inner = phintys.function([x], T.exp(x) * s)

    @as_op([T.dvector], [T.dvector])
    def outer(v: Any) -> Any:
        return inner(v) + s.get_value()

    f = phintys.function([x], outer(x) * s, updates=[(s, s + 1)])
    v = vector(2000)
    np.testing.assert_allclose(f(v), (np.exp(v) * 2 + 2) * 2)
    np.testing.assert_allclose(f(v), (np.exp(v) * 3 + 3) * 3)

    @as_op([T.dvector], [T.dvector])
    def writes(v: Any) -> Any:
        s.set_value(np.array(9.0))
        return v

    g = phintys.function([x], writes(x) * s)
    with pytest.raises(phintys.errors.PhintysError):
        g(v)


def test_threads_call_one_function() -> None:
    x = T.dvector("x")
    f = phintys.function([x], [T.exp(Scaled(2.0)(x * x)), Cube()(x).sum()])
    s = phintys.shared(np.zeros(3), "s")
    count = phintys.function([], updates=[(s, Scaled(1.0)(s) + 1)])
    wrong = []

    def work(seed: int) -> None:
        local = np.random.RandomState(seed)
        for _ in range(60):
            v = local.normal(size=local.randint(1, 2000)) / 4
            a, b = f(v)
            if not (np.allclose(a, np.exp(2 * v * v)) and np.allclose(b, (v**3).sum())):
                wrong.append(v)
            count()
            s.get_value()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
        assert not t.is_alive()
    assert not wrong
    np.testing.assert_array_equal(s.get_value(), np.full(3, 240.0))


# --- identity, merging, copies -------------------------------------------------------------------


def test_equal_ops_are_run_once() -> None:
    x = T.dvector("x")
    Scaled.runs = 0
    phintys.function([x], [Scaled(2.0)(x) + 1, Scaled(2.0)(x) + 2])(vector())
    assert Scaled.runs == 1
    Scaled.runs = 0
    phintys.function([x], [Scaled(2.0)(x) + 1, Scaled(3.0)(x) + 2])(vector())
    assert Scaled.runs == 2

    calls = []

    class Plain(Op):
        itypes = (T.dvector,)
        otypes = (T.dvector,)

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            calls.append(self)
            output_storage[0][0] = inputs[0]

    a, b = Plain(), Plain()
    assert a != b
    phintys.function([x], [a(x), b(x), a(x)])(vector())
    assert sorted(map(id, calls)) == sorted(map(id, [a, b]))

    class ByNumber(Plain):
        def __init__(self, n: int) -> None:
            self.n = n

        def __eq__(self, other: object) -> bool:
            return type(self) is type(other) and self.n == other.n

        def __hash__(self) -> int:
            return hash(self.n)

    calls.clear()
    phintys.function([x], [ByNumber(1)(x), ByNumber(1)(x), ByNumber(2)(x)])(vector())
    assert len(calls) == 2


def test_props_are_checked() -> None:
    with pytest.raises(TypeError, match="tuple"):

        class Bad(Op):
            __props__ = "x"

    a, b = Scaled(1.0), Scaled(1.0)
    assert a == b and hash(a) == hash(b) and a != Scaled(2.0) and a._props() == (1.0,)
    assert a._props_dict() == {"factor": 1.0}


def test_cycles_are_collected() -> None:
    x = T.dvector("x")

    def make(how: int) -> Any:
        op = Cube()
        y = op(x)
        op.output = y  # type: ignore[attr-defined]
        if how >= 1:
            op.more = T.exp(y)  # type: ignore[attr-defined]
        if how >= 2:
            y.owner.tag.back = y
        f = phintys.function([x], op.more if how else y)  # type: ignore[attr-defined]
        f(vector())
        if how >= 3:
            op.slope = phintys.grad(y.sum(), x)  # type: ignore[attr-defined]
            op.copied = phintys.clone(y, {x: x + 1})  # type: ignore[attr-defined]
            f = None
        return weakref.ref(op), f

    for how in range(4):
        op, f = make(how)
        gc.collect()
        if f is not None:
            assert op() is not None
            f(vector())
        del f
        gc.collect()
        assert op() is None, how
    pair = SumAndDifference()
    pair.out = pair(x, x * 2)  # type: ignore[attr-defined]
    ref = weakref.ref(pair)
    del pair
    gc.collect()
    assert ref() is None


def test_a_graph_in_a_cycle_works_after_collection() -> None:
    x = T.dvector("x")
    op = Cube()
    y = op(x)
    op.output = y  # type: ignore[attr-defined]
    del op
    gc.collect()
    v = vector()
    np.testing.assert_allclose(phintys.function([x], y)(v), v**3)
    assert y.owner.op.output is y


@as_op([T.dvector], [T.dvector])
def importable(x: Any) -> Any:
    return np.sort(x)


def test_copies_and_pickles_of_graphs() -> None:
    x = T.dvector("x")
    y = T.exp(Scaled(3.0)(x)) + importable(x)
    s, d = SumAndDifference()(x, y)
    v = vector()
    expected = phintys.function([x], [s, d])(v)
    for how in (copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))):
        x2, outs = how((x, [s, d]))
        assert x2 is not x
        for got, e in zip(phintys.function([x2], outs)(v), expected, strict=True):
            np.testing.assert_array_equal(got, e)
    z = T.dvector("z")
    cloned = phintys.clone(s, {x: z * 2})
    np.testing.assert_array_equal(phintys.function([z], cloned)(v / 2), phintys.function([x], s)(v))
    node = s.owner.clone_with_new_inputs([z, z])
    assert node.op == s.owner.op and node.inputs == [z, z]


def test_saving_is_refused(tmp_path: Any) -> None:
    x = T.dvector("x")
    f = phintys.function([x], Scaled(3.0)(x) + 1)
    path = tmp_path / "f.phy"
    with pytest.raises(TypeError) as info:
        f.save(path)
    text = str(info.value)
    assert "python_op_models.Scaled, written in Python" in text
    assert "test_python_ops.py:" in text
    assert not path.exists()


def test_pickled_functions() -> None:
    x = T.dvector("x")
    s = phintys.shared(np.array(1.0), "s")
    f = phintys.function([x], Scaled(3.0)(x) + s, updates=[(s, s + 1)], name="f")
    v = vector()
    f(v)
    for g in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        assert g.name == "f"
        np.testing.assert_allclose(g(v), 3 * v + 2)
        np.testing.assert_allclose(g(v), 3 * v + 3)
        assert s.get_value() == 2.0
    h = f.copy()
    np.testing.assert_allclose(h(v), 3 * v + 2)
    assert s.get_value() == 3.0


# --- from functions ------------------------------------------------------------------------------


def test_as_op() -> None:
    assert as_op is phintys.as_op and wrap_py is phintys.wrap_py

    def rule(node: Any, shapes: Any) -> Any:
        return [(shapes[0][0], shapes[1][1])]

    @wrap_py([T.dmatrix, T.dmatrix], [T.dmatrix], infer_shape=rule)
    def product(a: Any, b: Any) -> Any:
        """Documented."""
        return a @ b

    assert str(product) == "FromFunctionOp{product}"
    a, b = T.dmatrices("a", "b")
    u, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    f = phintys.function([a, b], [product(a, b), product(a, b).shape])
    np.testing.assert_allclose(f(u, v)[0], u @ v)
    np.testing.assert_array_equal(f(u, v)[1], [3, 5])
    with pytest.raises(TypeError, match="itypes has to be a list"):
        as_op([3], [T.dvector])
    with pytest.raises(TypeError, match="callable"):
        as_op([T.dvector], [T.dvector], infer_shape=3)

    @as_op(T.dvector, [T.dvector, T.dvector])
    def one(x: Any) -> Any:
        return x

    x = T.dvector("x")
    with pytest.raises(ValueError, match="returned 1 values, not 2"):
        phintys.function([x], one(x))(vector())


# --- scalar ops ----------------------------------------------------------------------------------


def test_scalar_op_of_ones_own() -> None:
    from phintys import scalar

    class I0e(scalar.UnaryScalarOp):
        nfunc_spec = ("scipy.special.i0e", 1, 1)

        def impl(self, x: Any) -> Any:
            return scipy.special.i0e(x)

        def grad(self, inputs: Any, grads: Any) -> Any:
            (x,), (gz,) = inputs, grads
            return (gz * (i1e_scalar(x) - scalar.sgn(x) * i0e_scalar(x)),)

    class I1e(scalar.UnaryScalarOp):
        def impl(self, x: Any) -> Any:
            return scipy.special.i1e(x)

    i0e_scalar = I0e(scalar.upgrade_to_float, name="i0e")
    i1e_scalar = I1e(scalar.upgrade_to_float, name="i1e")
    i0e = T.Elemwise(i0e_scalar, name="Elemwise{i0e,no_inplace}")
    for x in (T.dmatrix("x"), T.fmatrix("x"), T.imatrix("x")):
        v = (rng.normal(size=(3, 4)) * 3).astype(x.dtype)
        y = i0e(x)
        assert y.dtype == ("float32" if x.dtype == "float32" else "float64")
        np.testing.assert_allclose(
            phintys.function([x], y + 1)(v), scipy.special.i0e(v) + 1, rtol=1e-5
        )
    verify_grad(lambda a: i0e(a) * 2, [rng.normal(size=(3, 4))], rng=rng)
    assert float(phintys.function([], i0e_scalar(1.0))()) == pytest.approx(scipy.special.i0e(1.0))


def test_binary_scalar_op_broadcasts() -> None:
    from phintys import scalar

    class Hypot(scalar.BinaryScalarOp):
        def impl(self, x: Any, y: Any) -> Any:
            return (x * x + y * y) ** 0.5

        def grad(self, inputs: Any, grads: Any) -> Any:
            (x, y), (gz,) = inputs, grads
            h = self(x, y)
            return gz * x / h, gz * y / h

    hypot = T.Elemwise(Hypot(scalar.upgrade_to_float, name="hypot"))
    x, y = T.dmatrix("x"), T.dvector("y")
    u, v = rng.normal(size=(3, 4)), rng.normal(size=4)
    np.testing.assert_allclose(phintys.function([x, y], hypot(x, y))(u, v), np.hypot(u, v))
    verify_grad(lambda a, b: hypot(a, b), [u, v], rng=rng)
    verify_grad(
        lambda a, b: hypot(a, b), [rng.normal(size=(3, 1)), rng.normal(size=(1, 4))], rng=rng
    )

"""Test values: computed as expressions are built, wherever that is."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import change_flags, scan, shared
from phintys.gof.op import get_test_value


def with_value(variable, value):
    variable.tag.test_value = np.asarray(value, dtype=variable.dtype)
    return variable


def test_mistakes_are_found_where_they_are_made():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dmatrix("x"), np.ones((2, 3)))
        y = with_value(T.dmatrix("y"), np.ones((2, 3)))
        assert (x + y).tag.test_value.tolist() == [[2, 2, 2], [2, 2, 2]]
        with pytest.raises(ValueError) as caught:
            T.dot(x, y)
        assert "test_test_values.py" in str(caught.value)
        with pytest.raises(ValueError):
            x + y.T
        with pytest.raises(IndexError):
            x[5]


@pytest.mark.parametrize("policy", ["raise", "ignore", "warn", "pdb"])
def test_errors_of_values_are_raised_whatever_the_policy(policy):
    with change_flags(compute_test_value=policy):
        x = with_value(T.dvector("x"), np.ones(3))
        with pytest.raises(ValueError):
            x + T.arange(4)


def test_missing_values(monkeypatch):
    x, y = T.dvector("x"), T.dvector("y")
    with_value(x, [1.0, 2.0])
    text = r"input \(y\) of .* missing default value"
    with change_flags(compute_test_value="raise"), pytest.raises(ValueError, match=text):
        x + y
    with change_flags(compute_test_value="warn"), pytest.warns(UserWarning, match=text) as seen:
        z = x + y
    assert seen[0].filename == __file__
    with change_flags(compute_test_value="ignore"):
        z = T.exp(x + y) * 2
        assert not hasattr(z.tag, "test_value")
        assert (x + 1).tag.test_value.tolist() == [2, 3]
    assert not hasattr((x + 1).tag, "test_value")
    stopped = []
    import pdb

    monkeypatch.setattr(pdb, "set_trace", lambda: stopped.append(True))
    with change_flags(compute_test_value="pdb"):
        x * y
    assert stopped == [True]


def test_values_are_kept():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [1.0, 2.0])
        y = x * 2
        x.tag.test_value = np.zeros(2)
        assert y.tag.test_value.tolist() == [2, 4]
        y.tag.test_value = np.array([5.0, 5.0])
        assert (y + 1).tag.test_value.tolist() == [6, 6]
    assert (y.tag.test_value == 5).all()


def test_random_numbers_and_updates_are_left_alone():
    from phintys.tensor.shared_randomstreams import RandomStreams

    stream = RandomStreams(3)
    s = shared(2.0, "s")
    with change_flags(compute_test_value="raise"):
        draw = stream.uniform((3,))
        assert draw.tag.test_value.shape == (3,)
        assert get_test_value(s * 2) == 4
    first = phintys.function([], draw)()
    again = RandomStreams(3).uniform((3,))
    np.testing.assert_array_equal(first, phintys.function([], again)())


def test_gradients_and_multiple_outputs():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [3.0, 1.0, 2.0])
        slope = phintys.grad((x**2).sum(), x)
        assert slope.tag.test_value.tolist() == [6, 2, 4]
        assert T.sort(x).tag.test_value.tolist() == [1, 2, 3]
        _u, d, _v = T.nlinalg.svd(T.outer(x, x))
        assert d.tag.test_value[0] == pytest.approx(14)
        assert phintys.gradient.hessian((x**3).sum(), x).tag.test_value.shape == (3, 3)


def test_long_chains():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [1.0])
        y = x
        for _ in range(2000):
            y = y + 1
        assert y.tag.test_value.tolist() == [2001]


def test_inside_scan():
    seen = []
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dmatrix("x"), np.arange(6.0).reshape(3, 2))
        w = with_value(T.dvector("w"), [1.0, 10.0])

        def step(row, before):
            new = before + row * w
            seen.append([row.tag.test_value, before.tag.test_value, new.tag.test_value])
            return new

        out, _ = scan(step, sequences=x, outputs_info=T.zeros((2,)))
        assert [v.tolist() for v in seen[0]] == [[0, 1], [0, 0], [0, 10]]
        assert out.tag.test_value.tolist() == [[0, 10], [2, 40], [6, 90]]
        assert out[-1].tag.test_value.tolist() == [6, 90]
        assert phintys.grad(out[-1].sum(), w).tag.test_value.tolist() == [6, 9]


def test_mistakes_inside_scan():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dmatrix("x"), np.ones((3, 2)))
        w = with_value(T.dmatrix("w"), np.ones((3, 3)))

        def step(row, before):
            return before + T.dot(row, w)  # the wrong line

        with pytest.raises(ValueError) as caught:
            scan(step, sequences=x, outputs_info=T.zeros((3,)))
        frames = [entry for entry in caught.traceback if str(entry.path) == __file__]
        assert "the wrong line" in str(frames[-1].statement)


def test_taps_until_and_nested_scans():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [1.0, 2.0, 3.0, 4.0])
        fib, _ = scan(
            lambda v, a, b: (a + b + v, phintys.scan_module.until(a > 5)),
            sequences=x, outputs_info=[{"initial": T.ones((2,)), "taps": [-2, -1]}],
        )  # fmt: skip
        assert fib.tag.test_value.tolist() == [3, 6, 12, 22]

        def outer(e, total):
            parts, _ = scan(lambda s: s * e, outputs_info=total, n_steps=2)
            return parts[-1]

        out, _ = scan(outer, sequences=x, outputs_info=T.ones(()))
        assert out.tag.test_value.tolist() == [1, 4, 36, 576]


def test_missing_values_in_scan():
    y = T.dvector("y")
    with change_flags(compute_test_value="raise"), pytest.raises(ValueError, match="missing"):
        scan(lambda e: e + 1, sequences=y)
    with change_flags(compute_test_value="ignore"):
        out, _ = scan(lambda e: e + 1, sequences=y)
        assert not hasattr(out.tag, "test_value")
    assert phintys.function([y], out)([1.0]).tolist() == [2]


def test_ops_in_python():
    @phintys.as_op([T.dvector], [T.dvector])
    def twice(a):
        return a * 2

    @phintys.as_op([T.dvector], [T.dvector])
    def refuse(a):
        raise RuntimeError("refused")

    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [1.0, 2.0])
        assert twice(x).tag.test_value.tolist() == [2, 4]
        with pytest.raises(RuntimeError, match="refused"):
            refuse(x)


def test_gradients_of_ops_in_python_inside_loops():
    class Cube(phintys.Op):
        __props__ = ()

        def make_node(self, v):
            v = T.as_tensor_variable(v)
            return phintys.Apply(self, [v], [v.type()])

        def perform(self, node, inputs, outputs):
            outputs[0][0] = inputs[0] ** 3

        def grad(self, inputs, slopes):
            return [slopes[0] * 3 * inputs[0] ** 2]

    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [1.0, 2.0])
        out, _ = scan(lambda v, s: s + Cube()(v * x), sequences=x, outputs_info=T.zeros((2,)))
        slope = phintys.grad(out[-1].sum(), x)
        assert out[-1].tag.test_value.tolist() == [9, 72]
        assert slope.tag.test_value.tolist() == [54, 216]


def test_monitored_calls_need_no_values():
    x = T.dvector("x")
    with change_flags(compute_test_value="raise"):
        with_value(x, [1.0])
        mode = phintys.compile.MonitorMode(post_func=lambda i, node, fn: None)
        assert phintys.function([x], T.exp(x), mode=mode)([0.0]) == 1


def test_eval():
    x, n = T.dvector("x"), T.lscalar("n")

    @phintys.as_op([T.dvector], [T.dvector])
    def twice(a):
        return a * 2

    out, _ = scan(lambda e, s: s + twice(x * e).sum(), sequences=x, outputs_info=T.zeros(()))
    value = {x: [1.0, 2.0]}
    assert out.eval(value).tolist() == [6, 18]
    assert out.eval(value).tolist() == [6, 18]
    assert phintys.grad((x**2).sum(), x).eval(value).tolist() == [2, 4]
    powers, _ = scan(lambda s: s * 2, outputs_info=T.ones(()), n_steps=n)
    assert powers[-1].eval({n: 5}) == 32
    with pytest.raises(phintys.errors.MissingInputError):
        powers.eval()
    with pytest.raises(TypeError, match="keys must be variables"):
        powers.eval({"n": 5})


def test_functions_are_made_and_called_as_ever():
    with change_flags(compute_test_value="raise"):
        x = with_value(T.dvector("x"), [1.0, 2.0])
        out, _ = scan(lambda e, s: s + e, sequences=x, outputs_info=T.zeros(()))
        for mode in ("FAST_RUN", "FAST_COMPILE", "DebugMode", "NanGuardMode"):
            f = phintys.function([x], [out, phintys.grad(out[-1], x)], mode=mode)
            values, slope = f([1.0, 2.0, 3.0])
            assert values.tolist() == [1, 3, 6] and slope.tolist() == [1, 1, 1]
        assert len(f.maker.fgraph.outputs) == 2
        copy = phintys.clone(out, {x: x * 2})
        assert copy.tag.test_value.tolist() == [2, 6]
        import pickle

        assert pickle.loads(pickle.dumps(f))([1.0])[0].tolist() == [1]

"""scan_checkpoints, the helpers of scan_utils, and how loops print."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys.errors import PhintysTypeError
from phintys.scan_module import scan_op, scan_utils
from phintys.scan_module.scan_utils import (
    equal_computations,
    get_updates_and_outputs,
    hash_listsDictsTuples,
    infer_shape,
    isNaN_or_Inf_or_None,
    map_variables,
    reconstruct_graph,
    safe_new,
    scan_args,
    traverse,
    until,
)

rng = np.random.default_rng(8)


def loop_of(v):
    order = phintys.gof.graph.io_toposort([], [v])
    return next(n for n in order if isinstance(n.op, scan_op.Scan))


# --- scan_checkpoints ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 4, 5, 11, 12])
@pytest.mark.parametrize("every", [1, 4, 20])
@pytest.mark.parametrize("known", [False, True])
def test_checkpoints_keep_every_nth_step_and_the_last(n, every, known):
    x = T.TensorType("float64", shape=(n if known else None, 2))()
    w, h0 = T.scalar("w"), T.vector("h0")

    def step(row, total, h, w):
        return [total + row.sum(), T.tanh(h * w + row), row * 2]

    outs, updates = phintys.scan_checkpoints(
        step, x, [np.float64(0), h0, None], w, save_every_N=every
    )
    assert not updates and len(outs) == 3
    rows, first = rng.normal(size=(n, 2)), np.ones(2)
    totals, hs, h = np.cumsum(rows.sum(1)), [], first
    for row in rows:
        h = np.tanh(h * 0.5 + row)
        hs.append(h)
    kept = [min(k + every, n) - 1 for k in range(0, n, every)]
    got = phintys.function([x, w, h0], outs)(rows, 0.5, first)
    np.testing.assert_allclose(got[0], totals[kept], rtol=1e-10)
    np.testing.assert_allclose(got[1], np.array(hs).reshape(n, 2)[kept], rtol=1e-10)
    np.testing.assert_allclose(got[2], 2 * rows[kept], rtol=1e-10)


def test_checkpoints_with_a_number_of_steps_and_updates():
    n = T.iscalar("n")
    count = phintys.shared(0)
    powers, updates = phintys.scan_checkpoints(
        lambda p: (p * 2, {count: count + 1}),
        outputs_info=[{"initial": T.constant(1.0, dtype="float64")}],
        n_steps=n,
        save_every_N=3,
    )
    f = phintys.function([n], powers, updates=updates)
    assert f(7).tolist() == [8, 64, 128] and int(count.get_value()) == 7
    x = T.vector()
    several, _ = phintys.scan_checkpoints(
        lambda e, s: s + e, x, np.float64(0), n_steps=3, save_every_N=2
    )
    assert several.eval({x: [1, 2, 3, 4]}).tolist() == [3, 6]


def test_checkpoints_without_padding():
    x = T.vector()
    sums, _ = phintys.scan_checkpoints(
        lambda e, s: s + e, [x], [np.float64(0)], save_every_N=2, padding=False
    )
    assert sums.eval({x: [1, 2, 3, 4]}).tolist() == [3, 10]
    with pytest.raises(ValueError):
        sums.eval({x: [1, 2, 3]})


@pytest.mark.parametrize("n", [1, 4, 6, 7])
@pytest.mark.parametrize("known", [False, True])
def test_gradients_of_checkpoints_run_the_steps_again(n, known):
    x = T.TensorType("float64", shape=(n if known else None, 2))()
    w, h0 = T.scalar("w"), T.vector("h0")

    def step(row, h, w):
        return T.tanh(h * w + row * h.sum())

    kept, _ = phintys.scan_checkpoints(step, x, h0, w, save_every_N=3, name="loop")
    every, _ = phintys.scan(step, x, h0, w)
    gradients = T.grad(kept[-1].sum(), [x, w, h0])
    rows, first = rng.normal(size=(n, 2)), np.array([0.3, -0.2])
    got = phintys.function([x, w, h0], gradients)(rows, 0.7, first)
    expected = phintys.function([x, w, h0], T.grad(every[-1].sum(), [x, w, h0]))(rows, 0.7, first)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    # What the blocks compute inside is not stored.
    nodes = phintys.gof.graph.io_toposort([], gradients)
    labels = [
        (n.op.attrs["label"], n.op.attrs["n_emitted"]) for n in nodes if scan_op.is_loop(n.op)
    ]
    assert ("loop_outer", 0) in labels
    assert {count for label, count in labels if label == "loop_outer"} == {0}


def test_gradients_of_loops_in_loops_whose_lengths_differ():
    lengths, x = T.lvector("lengths"), T.scalar("x")

    def outer(n, total):
        inner, _ = phintys.scan(lambda s: T.sin(s) * x, None, total, n_steps=n)
        return inner[-1] + (inner**2).sum()

    totals, _ = phintys.scan(outer, lengths, T.constant(0.5, dtype="float64"))
    f = phintys.function([lengths, x], [totals[-1], T.grad(totals[-1], x)])
    steps = [2, 3, 1, 4]
    value, slope = f(steps, 0.9)

    def loop(x):
        total = 0.5
        for n in steps:
            s, inner = total, []
            for _ in range(n):
                s = np.sin(s) * x
                inner.append(s)
            total = inner[-1] + sum(v * v for v in inner)
        return total

    np.testing.assert_allclose(value, loop(0.9), rtol=1e-12)
    np.testing.assert_allclose(slope, (loop(0.9 + 1e-6) - loop(0.9 - 1e-6)) / 2e-6, rtol=1e-6)


def test_errors_of_checkpoints():
    x = T.vector()
    with pytest.raises(RuntimeError, match="doesn't work with taps"):
        phintys.scan_checkpoints(lambda e, s: s, x, {"initial": x, "taps": [-2]})
    with pytest.raises(ValueError, match="save_every_N must be positive"):
        phintys.scan_checkpoints(lambda e: e, x, save_every_N=0)


# --- scan_utils ------------------------------------------------------------------------------


def test_equal_computations():
    x, y, m = T.vector("x"), T.vector("y"), T.matrix("m")
    assert equal_computations([x + 1, x * 2], [x + 1, x * 2])
    assert not equal_computations([x + 1], [x + 2])
    assert not equal_computations([x + 1], [y + 1])
    assert equal_computations([x + 1], [y + 1], [x], [y])
    assert not equal_computations([x + y], [x + y], [x], [y])
    assert equal_computations([x + y], [y + x], [x, y], [y, x])
    assert not equal_computations([x.sum()], [m.sum()], [x], [m])
    assert not equal_computations([x], [x + 1])
    assert equal_computations([T.constant(2.0)], [T.constant(2.0)])
    assert not equal_computations([T.constant(2.0)], [T.constant(2)])
    assert equal_computations([x[1]], [x[1]]) and not equal_computations([x[1]], [x[2]])
    with pytest.raises(AssertionError):
        equal_computations([x], [x, y])
    for build in (lambda v: phintys.scan(lambda e, s: s + e, v, np.float64(0))[0],):
        assert equal_computations([build(x)], [build(y)], [x], [y])
    other = phintys.scan(lambda e, s: s - e, x, np.float64(0))[0]
    assert not equal_computations([build(x)], [other])
    # As deep as memory allows.
    a, b = x, x
    for _ in range(5000):
        a, b = a + 1, b + 1
    assert equal_computations([a], [b])


def test_clone_of_scan_utils_is_the_one_at_the_top():
    assert scan_utils.clone is phintys.clone


def test_safe_new_and_reconstruct_graph():
    x = T.fmatrix("x")
    fresh = safe_new(x, "_copy")
    assert fresh is not x and fresh.type == x.type and fresh.name == "x_copy"
    assert safe_new(x, dtype="float64").dtype == "float64"
    one = T.constant(1)
    assert safe_new(one) is one and safe_new(one, dtype="float64").dtype == "float64"
    with phintys.change_flags(compute_test_value="ignore"):
        x.tag.test_value = np.ones((2, 2), "float32")
        assert safe_new(x).tag.test_value.tolist() == [[1, 1], [1, 1]]
    (a,), (out,) = reconstruct_graph([x], [x * 2], "_r")
    assert a.name == "x_r" and a is not x
    assert out.eval({a: np.ones((1, 1), "float32")}).tolist() == [[2]]


def test_traverse():
    x, y, copy = T.vector("x"), T.vector("y"), T.vector("copy")
    visited = set()
    assert traverse(x * 2 + y, x, copy, {}, visited) == {x: copy}
    assert x in visited and traverse(y + 1, x, copy, {}) == {}


def test_small_helpers():
    for nothing in (None, np.nan, np.inf, -np.inf, T.constant(np.nan)):
        assert isNaN_or_Inf_or_None(nothing)
    for number in (0, 3, T.constant(3), T.lscalar()):
        assert not isNaN_or_Inf_or_None(number)
    assert hash_listsDictsTuples([1, {"a": (2,)}]) == hash_listsDictsTuples(({"a": [2]}, 1))
    x = T.scalar()
    stop = until(x)
    assert get_updates_and_outputs(stop)[0] is x
    assert get_updates_and_outputs([]) == (None, [], {})
    assert get_updates_and_outputs(((x, x), stop))[1] == [x, x]


def test_map_variables():
    x, y, z = T.vectors("x", "y", "z")

    def replace_x(v):
        return z if v is x else v

    (out,) = map_variables(replace_x, [x * y + x])
    f = phintys.function([y, z], out)
    assert f([2, 3], [10, 10]).tolist() == [30, 40]

    # Every tanh becomes an exp, also inside loops, bottom up; and something from outside comes in.
    scale = phintys.shared(2.0)

    def replace_tanh(v):
        if v.owner is not None and str(v.owner.op).startswith("Elemwise{tanh"):
            return T.exp(v.owner.inputs[0]) * scale
        return v

    values, _ = phintys.scan(lambda e, s: T.tanh(s) + T.tanh(e), x, np.float64(0))
    (changed,) = map_variables(replace_tanh, [T.tanh(values)])
    rows, s, expected = [0.1, 0.2], 0.0, []
    for e in rows:
        s = 2 * np.exp(s) + 2 * np.exp(e)
        expected.append(2 * np.exp(s))
    np.testing.assert_allclose(changed.eval({x: rows}), expected, rtol=1e-12)
    untouched = T.sin(x)
    assert map_variables(lambda v: v, [untouched]) == [untouched]
    with pytest.raises(TypeError):
        map_variables(lambda v: 3, [x])


def test_infer_shape():
    x, y = T.matrix("x"), T.vector("y")
    a, b = T.lscalars("a", "b")
    ((rows, columns), nothing) = infer_shape([T.dot(x, x.T), y.sum()], [x, y], [(a, b), None])
    assert nothing == ()
    f = phintys.function([a, b], [rows, columns], on_unused_input="ignore")
    assert [int(v) for v in f(3, 7)] == [3, 3]
    values, _ = phintys.scan(lambda e, s: s + e, x, y)
    ((steps, length),) = infer_shape([values], [x, y], [(a, b), (b,)])
    f = phintys.function([a, b], [steps, length])
    assert [int(v) for v in f(3, 7)] == [3, 7]


def test_scan_args():
    x, w, s0, t0 = T.vector("x"), T.scalar("w"), T.scalar("s0"), T.vector("t0")

    def step(e, s, t2, t1, w):
        return [s + e, t2 + t1, e * w], until(s > 3)

    outs, _ = phintys.scan(step, x, [s0, {"initial": t0, "taps": [-2, -1]}, None], w)
    args = scan_args.from_node(loop_of(outs[0]))
    assert [len(v) for v in (args.outer_in_seqs, args.inner_in_seqs)] == [1, 1]
    assert len(args.outer_in_sit_sot) == len(args.outer_out_sit_sot) == 1
    assert args.inner_in_sit_sot[0].name == "s0[t-1]"
    assert [v.name for v in args.inner_in_mit_sot[0]] == ["t0[t-2]", "t0[t-1]"]
    assert args.mit_sot_in_slices == [[-2, -1]]
    assert len(args.inner_out_nit_sot) == len(args.outer_out_nit_sot) == 1
    assert len(args.inner_out_mit_sot) == len(args.inner_out_sit_sot) == 1
    assert len(args.cond) == 1 and args.outer_in_non_seqs[0] is w
    with pytest.raises(PhintysTypeError, match="is no loop"):
        scan_args.from_node((x + 1).owner)


# --- printing ----------------------------------------------------------------------------------


def printed(x, **options):
    text = phintys.printing.debugprint(x, file="str", **options)
    return [line.rstrip() for line in text.splitlines()]


def test_debugprint_shows_graphs_inside():
    A, start, k = T.vector("A"), T.vector("start"), T.lscalar("k")
    result, _ = phintys.scan(lambda p, A: p * A, outputs_info=start, non_sequences=A, n_steps=k)
    assert printed(result) == [
        "Subtensor{int64::, ::} [id A] ''",
        " |Scan{} [id B] ''",
        "   |k [id C]",
        "   |InplaceDimShuffle{x,0} [id D] ''",
        "   | |start [id E]",
        "   |A [id F]",
        "",
        "Inner graphs:",
        "",
        "Scan{} [id B]",
        " >Elemwise{mul,no_inplace} [id G] ''",
        " > |start[t-1] [id H] -> [id D]",
        " > |A [id I] -> [id F]",
    ]
    assert "Inner graphs:" not in printed(A * 2)


def test_debugprint_of_nested_loops_and_compiled_functions():
    m = T.matrix("m")

    def total(row):
        return phintys.scan(lambda e, s: T.tanh(s) + e, row, np.float64(0), name="inside")[0][-1]

    values, _ = phintys.scan(total, m, name="around")
    lines = printed(values)
    start = lines.index("Inner graphs:")
    heads = [line.split(" [")[0] for line in lines[start:] if line.startswith("Scan{")]
    assert heads == ["Scan{around}", "Scan{inside}"]
    assert any("m[t] [id " in line and "->" in line for line in lines[start:])
    # Several outputs, without ids.
    outs, _ = phintys.scan(lambda r: [r * 2, r + 1], m)
    lines = printed(outs, ids="")
    assert lines[0].startswith("Scan{}.0")
    assert sum(line.startswith(" >Elemwise{") for line in lines) == 2
    assert not any("->" in line for line in lines)
    assert any("Scan{" in line for line in printed(phintys.function([m], values)))

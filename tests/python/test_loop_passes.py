"""Passes over loops: what is left inside, and that values stay what they are without the pass."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_graphs import loop, loops_of, names_inside
from phintys import _core
from phintys.raise_op import Assert

PASSES = [
    "hoist_from_loops",
    "push_out_accumulations",
    "push_out_results",
    "batch_out_of_loops",
    "take_in_loops",
]
rng = np.random.default_rng(11)


def compiled(inputs, outputs, *without):
    mode = phintys.compile.get_default_mode().excluding(*without)
    return phintys.function(inputs, outputs, mode=mode, on_unused_input="ignore")


def both(inputs, outputs, values, *without, rtol=1e-9):
    """The function with the passes and without; their values agree."""
    fast = compiled(inputs, outputs)
    slow = compiled(inputs, outputs, *(without or PASSES))
    got, want = fast(*values), slow(*values)
    if not isinstance(got, list):
        got, want = [got], [want]
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    return fast, slow


def inside(f):
    """Names of the ops in the bodies of a function's loops."""
    return [name for node in graph_loops(f) for name in names_inside(node)]


def graph_loops(f):
    return loops_of(f.maker.fgraph.outputs)


def products(f):
    return [name for name in inside(f) if name in ("dot", "gemm", "gemv", "matmul")]


def values(*shapes):
    return [rng.standard_normal(s) for s in shapes]


# --- hoist_from_loops ------------------------------------------------------------------------


def test_what_is_the_same_in_each_step_is_computed_once():
    x, w, s = T.dmatrix(), T.dmatrix(), T.dscalar()
    hs = loop(
        lambda h, row, w, s: ([T.tanh(row + h * T.exp(w).sum(axis=0) * s)], []),
        [(T.zeros((1, 3)), [-1])],
        [x],
        [w, s],
    ).trace[0]
    for n in (4, 0):
        fast, slow = both(
            [x, w, s], hs, [*values((n, 3), (5, 3)), np.array(0.5)], "hoist_from_loops"
        )
    assert "exp" in inside(slow) and "exp" not in inside(fast)
    assert "reduce" in inside(slow) and "reduce" not in inside(fast)


def test_what_may_fail_or_has_effects_stays():
    x, w = T.dvector(), T.dscalar()
    total = loop(
        lambda a, v, w: ([a + v * Assert("w")(w, w > 0)], []),
        [(T.zeros((1,)), [-1])],
        [x],
        [w],
    ).trace[0]
    f = compiled([x, w], total)
    np.testing.assert_array_equal(f(np.zeros(0), -1.0), [0.0])
    np.testing.assert_allclose(f(np.ones(3), 2.0), [0.0, 2.0, 4.0, 6.0])
    with pytest.raises(AssertionError):
        f(np.ones(3), -1.0)


def test_invariant_value_that_is_emitted_or_a_state():
    w = T.dvector()
    out = loop(
        lambda h, w: ([T.exp(w)], [T.exp(w), h + 1]), [(T.zeros((1, 3)), [-1])], [], [w], n_steps=4
    )
    fast, _ = both([w], [out.trace[0], *out.emitted], values(3))
    assert "exp" not in inside(fast)


# --- batch_out_of_loops ----------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True])
def test_products_of_sequences_are_one_product(batch):
    x = T.dtensor3() if batch else T.dmatrix()
    w, u, b = T.dmatrix(), T.dmatrix(), T.dvector()
    h0 = T.dmatrix() if batch else T.dvector()
    hs, _ = phintys.scan(
        lambda r, h, w, u, b: T.tanh(T.dot(r, w) + T.dot(h, u) + b),
        sequences=x,
        outputs_info=h0,
        non_sequences=[w, u, b],
    )
    rows = (2,) if batch else ()
    for n in (5, 1, 0):
        given = values((n, *rows, 3), (*rows, 4), (3, 4), (4, 4), (4,))
        fast, slow = both([x, h0, w, u, b], hs, given, "batch_out_of_loops")
    assert len(products(fast)) == 1 and len(products(slow)) == 2


def test_more_rows_than_steps():
    x, w = T.dmatrix(), T.dmatrix()
    hs, _ = phintys.scan(
        lambda r, h, w: h + T.dot(r, w),
        sequences=x,
        outputs_info=T.zeros(3),
        non_sequences=w,
        n_steps=4,
    )
    both([x, w], [hs, hs[-1]], values((7, 2), (2, 3)))
    f = compiled([x, w], hs)
    with pytest.raises(Exception, match=r"rows|horter|shape"):
        f(*values((3, 2), (2, 3)))


def test_too_short_sequences_are_still_errors_where_no_loop_is_left():
    x, n = T.dmatrix(), T.lscalar()
    ys, _ = phintys.scan(lambda r: T.exp(r), sequences=x, n_steps=n)
    f = compiled([x, n], ys)
    np.testing.assert_allclose(f(np.ones((3, 2)), 2), np.exp(np.ones((2, 2))))
    for bad in (4, -1):
        with pytest.raises(Exception, match=r"Scan|horter|negative"):
            f(np.ones((3, 2)), bad)


def test_costly_functions_of_rows():
    x, y = T.dmatrix(), T.dvector()
    hs, _ = phintys.scan(
        lambda r, h, y: T.exp(r) * h + T.exp(r.dimshuffle(0, "x") * y).sum(),
        sequences=x,
        outputs_info=T.ones(3),
        non_sequences=y,
    )
    fast, slow = both([x, y], hs, [*values((4, 3), (5,))], "batch_out_of_loops")
    # The outer product would take more memory than the sequence.
    assert inside(fast).count("exp") == 1 and inside(slow).count("exp") == 2


BODIES = {
    "elementwise": lambda r, s, w, v: T.exp(r) * v + s,
    "product": lambda r, s, w, v: T.dot(r, w) + s,
    "product from the left": lambda r, s, w, v: T.dot(w, r),
    "with a vector": lambda r, s, w, v: T.dot(r, v),
    "of two rows": lambda r, s, w, v: T.dot(r, r * s),
    "outer": lambda r, s, w, v: T.outer(r, v).sum(axis=0),
    "reductions": lambda r, s, w, v: (r.max() - r.min()) * r.sum(),
    "softmax": lambda r, s, w, v: T.nnet.softmax(T.dot(r, w)),
    "indexing": lambda r, s, w, v: r[::-1] + r[1],
    "indexing a part": lambda r, s, w, v: T.concatenate([r[1:], v[:1], r[:2]]),
    "reshape": lambda r, s, w, v: (T.dot(r, w).reshape((1, 3)) * 2).reshape((3,)),
    "fill": lambda r, s, w, v: T.alloc(r, 2, 3) * T.alloc(s, 3),
    "length": lambda r, s, w, v: r * r.shape[0] + T.ones_like(r),
    "constant": lambda r, s, w, v: v * 2 + 0 * s,
    "nothing": lambda r, s, w, v: r,
    "comparison": lambda r, s, w, v: T.switch(r > s, r, v),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("n", [0, 1, 4])
def test_loops_without_states_vanish(name, n):
    x, y, w, v = T.dmatrix(), T.dvector(), T.dmatrix(), T.dvector()
    ys, _ = phintys.scan(BODIES[name], sequences=[x, y], non_sequences=[w, v])
    fast, slow = both([x, y, w, v], ys, values((n, 3), (n,), (3, 3), (3,)))
    assert not graph_loops(fast) and graph_loops(slow)


@pytest.mark.parametrize("n", [0, 3])
def test_matrices_in_loops_without_states(n):
    x, y, w, v = T.dtensor3(), T.dmatrix(), T.dmatrix(), T.dvector()
    bodies = [
        lambda a, b, w, v: T.dot(a, w),
        lambda a, b, w, v: T.dot(w, a),
        lambda a, b, w, v: T.dot(a, v),
        lambda a, b, w, v: T.dot(v, a),
        lambda a, b, w, v: T.dot(a, a.T),
        lambda a, b, w, v: T.dot(a, b),
        lambda a, b, w, v: T.dot(b, a),
        lambda a, b, w, v: T.nnet.softmax(T.dot(a, w)).T[1:, ::-1],
        lambda a, b, w, v: (a - a.mean(axis=0)) / a.std(axis=0),
    ]
    for body in bodies:
        ys, _ = phintys.scan(body, sequences=[x, y], non_sequences=[w, v])
        fast, _ = both([x, y, w, v], ys, values((n, 3, 3), (n, 3), (3, 3), (3,)))
        assert not graph_loops(fast)


def test_loops_that_stop_early_compute_no_more_steps():
    x, w = T.dmatrix(), T.dmatrix()
    hs, _ = phintys.scan(
        lambda r, h, w: (h + T.dot(r, w), phintys.scan_module.until(h.sum() > 2)),
        sequences=x,
        outputs_info=T.zeros(3),
        non_sequences=w,
    )
    fast, _ = both([x, w], hs, [np.ones((6, 2)), np.ones((2, 3))])
    assert products(fast)


# --- push_out_accumulations ------------------------------------------------------------------


def accumulate(term, rows, **kwargs):
    """The last of the sums of `term` over the steps."""
    first = T.zeros(rows) if isinstance(rows, tuple) else rows
    out = loop(
        lambda acc, *rest: ([acc + term(*rest)], []),
        [(first.dimshuffle("x", *range(first.ndim)), [-1])],
        keep=[0],
        **kwargs,
    )
    return out.trace[0][-1]


TERMS = {
    "outer": lambda x, y, a, b: T.outer(x, y),
    "scaled outer": lambda x, y, a, b: -2.0 * T.outer(x, T.tanh(y)),
    "matrices": lambda x, y, a, b: T.dot(a.T, b),
    "matrix, not transposed": lambda x, y, a, b: T.dot(a[:, :3].T, b) + T.dot(a[:4].T, b[:4]),
    "transposed": lambda x, y, a, b: T.dot(b.T, a).T,
    "two": lambda x, y, a, b: T.outer(x, y) - T.dot(a.T, b),
    "elementwise": lambda x, y, a, b: T.outer(x, y) + y,
    "sum": lambda x, y, a, b: a.sum(axis=0).dimshuffle(0, "x") + b.sum(axis=0),
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_sums_over_all_steps(name, n):
    x, y, a, b, first = T.dmatrix(), T.dmatrix(), T.dtensor3(), T.dtensor3(), T.dmatrix()
    last = accumulate(TERMS[name], first, sequences=[x, y, a, b])
    given = values((n, 3), (n, 4), (n, 6, 3), (n, 6, 4), (3, 4))
    fast, slow = both([x, y, a, b, first], last, given, "push_out_accumulations")
    assert graph_loops(slow) and not products(fast)


def test_partly_pushed_sums():
    x, h0 = T.dmatrix(), T.dvector()
    # The matrix of each step would take more memory than the sum.
    out = loop(
        lambda acc, h, r: (
            [acc + T.outer(r, h) + T.exp(h.dimshuffle(0, "x") * r), T.tanh(h + r)],
            [],
        ),
        [(T.ones((1, 3, 3)), [-1]), (h0.dimshuffle("x", 0), [-1])],
        [x],
        keep=[0, 0],
    )
    outputs = [out.trace[0][-1], out.trace[1][-1]]
    fast, _ = both([x, h0], outputs, values((6, 3), (3,)), "push_out_accumulations")
    assert "exp" in inside(fast)


def test_sums_that_are_read_in_the_loop_stay():
    x = T.dmatrix()
    out = loop(
        lambda acc, r: ([acc + T.outer(r, r)], [acc.sum()]),
        [(T.zeros((1, 3, 3)), [-1])],
        [x],
        keep=[0],
    )
    fast, _ = both([x], [out.trace[0][-1], out.emitted[0]], values((5, 3)))
    assert graph_loops(fast)


def gradient(batch, until=None):
    x = T.dtensor3("x") if batch else T.dmatrix("x")
    w, u, b = T.dmatrix("w"), T.dmatrix("u"), T.dvector("b")
    h0 = T.dmatrix("h0") if batch else T.dvector("h0")
    hs, _ = phintys.scan(
        lambda r, h, w, u, b: T.tanh(T.dot(r, w) + T.dot(h, u) + b),
        sequences=x,
        outputs_info=h0,
        non_sequences=[w, u, b],
    )
    inputs = [x, h0, w, u, b]
    return inputs, T.grad((hs**2).sum(), inputs)


@pytest.mark.parametrize("batch", [False, True])
def test_gradient_of_a_recurrent_network(batch):
    inputs, slopes = gradient(batch)
    rows = (2,) if batch else ()
    for n in (6, 1, 0):
        given = values((n, *rows, 3), (*rows, 4), (3, 4), (4, 4), (4,))
        fast, slow = both(inputs, slopes, given)
    # One product a step forwards, one backwards.
    assert len(products(fast)) == 2 and len(products(slow)) >= 4
    bodies = [names_inside(node) for node in graph_loops(fast)]
    assert len(bodies) == 2 and sum("tanh" in body for body in bodies) == 1


# --- push_out_results ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 5])
def test_output_layers_are_one_product(n):
    x, u, v, c = T.dmatrix(), T.dmatrix(), T.dmatrix(), T.dvector()

    def step(r, h, u, v, c):
        h = T.tanh(r + T.dot(h, u))
        return h, T.nnet.softmax(T.dot(h, v) + c)

    (hs, ys), _ = phintys.scan(
        step, sequences=x, outputs_info=[T.zeros(3), None], non_sequences=[u, v, c]
    )
    given = values((n, 3), (3, 3), (3, 7), (7,))
    fast, slow = both([x, u, v, c], [hs, ys], given, "push_out_results")
    assert len(products(fast)) == 1 and len(products(slow)) == 2
    assert "softmax" not in inside(fast)
    # Of the states only the last one is asked for: they are stored in place of the results.
    fast, _ = both([x, u, v, c], ys, given)
    assert len(products(fast)) == 1


def test_results_that_later_steps_need_stay():
    x, u = T.dmatrix(), T.dmatrix()

    def step(r, y, u):
        y = T.dot(y + r, u)
        return y

    ys, _ = phintys.scan(step, sequences=x, outputs_info=T.zeros(3), non_sequences=u)
    fast, _ = both([x, u], ys, values((4, 3), (3, 3)))
    assert products(fast)


# --- take_in_loops ---------------------------------------------------------------------------


def test_elements_at_computed_places():
    x, k = T.dmatrix(), T.lvector()
    bodies = [
        lambda i, s, x: T.set_subtensor(s[i], s[i - 1] + x[i, 1]),
        lambda i, s, x: s + x[i, i - 1] * x[1:, i].sum(),
        lambda i, s, x: s * x[0, i] + x[i, ::-1],
        lambda i, s, x: s * x[i, 1:, None][0, 0],
    ]
    for body in bodies:
        s, _ = phintys.scan(body, sequences=k, outputs_info=T.ones(4), non_sequences=x)
        given = [*values((4, 4)), np.array([1, 2, -1, 0, 3])]
        fast, slow = both([x, k], [s, s[-1]], given, "take_in_loops")
        assert "advanced_subtensor" in inside(fast) and "advanced_subtensor" not in inside(slow)
        for f in (fast, slow):
            with pytest.raises(IndexError, match="index 4 is out of bounds"):
                f(given[0], np.array([0, 4]))


# --- all of them -----------------------------------------------------------------------------

ROWS = [
    lambda s, r, q, w: T.tanh(s + T.dot(r, w)),
    lambda s, r, q, w: s * T.nnet.sigmoid(q) + r,
    lambda s, r, q, w: s + r * q,
    lambda s, r, q, w: s + T.dot(T.exp(-r), w) * w.sum(),
    lambda s, r, q, w: T.dot(T.tanh(s), w) - q,
    lambda s, r, q, w: T.tanh(w).mean() * s + r,
    lambda s, r, q, w: T.maximum(s, r) - T.dot(w, q),
]
RESULTS = [
    lambda s, r, q, w: T.dot(s, w),
    lambda s, r, q, w: T.dot(r, w) + q,
    lambda s, r, q, w: (s * r).sum(),
    lambda s, r, q, w: T.exp(r),
    lambda s, r, q, w: T.dot(T.tanh(T.dot(s, w)), w.T) + r,
    lambda s, r, q, w: T.tanh(w).sum(axis=0),
]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(range(len(ROWS))), min_size=1, max_size=2),
    st.lists(st.sampled_from(range(len(RESULTS))), max_size=3),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
)
def test_loops_of_parts(rows, results, n, last, slopes):
    x, y, w = T.dmatrix(), T.dmatrix(), T.dmatrix()

    def step(r, q, *rest):
        states, w = rest[:-1], rest[-1]
        news = [ROWS[k](s, r, q, w) for k, s in zip(rows, states, strict=True)]
        return [*news, *[RESULTS[k](news[0], r, q, w) for k in results]]

    outs, _ = phintys.scan(
        step,
        sequences=[x, y[::-1]],
        outputs_info=[T.ones(3) * 0.1] * len(rows) + [None] * len(results),
        non_sequences=w,
    )
    outs = outs if isinstance(outs, list) else [outs]
    outputs = [o[-1] for o in outs] if last and n else outs
    if slopes:
        outputs = [
            *outputs,
            *T.grad(sum((o**2).mean() for o in outputs), [x, y, w], disconnected_inputs="ignore"),
        ]
    data = np.random.default_rng(n)
    given = [0.5 * data.standard_normal(s) for s in [(n, 3), (n, 3), (3, 3)]]
    with np.errstate(all="ignore"):
        both([x, y, w], outputs, given, rtol=1e-8)


@pytest.mark.parametrize("name", PASSES)
def test_passes_have_names(name):
    compiled([], [T.constant(1)], name)
    assert name in _core.passes()

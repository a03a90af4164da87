"""Loops whose bodies have shapes that depend on values of the step."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import config, function, scan
from phintys.compile.mode import Mode
from phintys.ifelse import ifelse
from phintys.scan_module import until
from python_op_models import Scaled

MODES = ["FAST_RUN", "FAST_COMPILE", Mode(optimizer=None)]
PLACES = [0, 3, 4, 5, 6, 9, -1, -2, -3, -4, -6, -9]  # of 6 elements: inside, at both ends, outside


def written(x, i, k=3):
    """x with x[i:i+k] replaced by twice that and one, times how many elements that is."""
    x = x.copy()
    part = x[i : i + k]
    x[i : i + k] = 2 * part + part.size
    return x


def graph_written(x, i, k=3):
    part = x[i : i + k]
    return T.set_subtensor(part, 2 * part + part.size)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kept", [True, False])
def test_a_part_is_read_and_written(mode, kept):
    places, x = T.lvector(), T.dvector()
    rows, _ = scan(lambda i, x: graph_written(x, i), places, x)
    f = function([places, x], rows if kept else rows[-1], mode=mode)
    start, want = np.arange(6.0) + 0.5, []
    for i in PLACES:
        want.append(written(want[-1] if want else start, i))
    np.testing.assert_array_equal(f(PLACES, start), want if kept else want[-1])
    np.testing.assert_array_equal(start, np.arange(6.0) + 0.5)


@pytest.mark.parametrize("mode", MODES)
def test_the_length_is_a_constant_of_the_loop(mode):
    places, x, k = T.lvector(), T.dvector(), T.lscalar()
    rows, _ = scan(lambda i, x, k: graph_written(x, i, k), places, x, k)
    f = function([places, x, k], rows[-1], mode=mode)
    for length in (0, 1, 2, 6, 8, -1):
        want = np.arange(6.0)
        for i in PLACES:
            want = written(want, i, length)
        np.testing.assert_array_equal(f(PLACES, np.arange(6.0), length), want)


@pytest.mark.parametrize("mode", MODES)
def test_states_that_take_each_others_rows(mode):
    """A row that another output still needs is not written over."""
    places, x0, y0, z0 = T.lvector(), T.dvector(), T.dvector(), T.dmatrix()

    def step(i, x, y, z_before, z):
        return [
            graph_written(y, i),
            x,
            graph_written(z_before, i) + z[i : i + 1].sum(),
            x[::-1],
            T.set_subtensor(x[i : i + 2], 0.0),
        ]

    outputs, _ = scan(step, places, [x0, y0, {"initial": z0, "taps": [-2, -1]}, None, None])
    part = [outputs[0][-1], outputs[1][-1], outputs[2][-1], outputs[2][-2], *outputs[3:]]
    f = function([places, x0, y0, z0], part, mode=mode)
    x, y, z = np.arange(6.0), -np.arange(6.0), np.arange(12.0).reshape(2, 6)
    for n in (2, 3, 12):
        a, b, c, d = x, y, list(z), [[], []]
        for i in PLACES[:n]:
            fresh = a.copy()
            fresh[i : i + 2] = 0
            d[0].append(a[::-1])
            d[1].append(fresh)
            c.append(written(c[-2], i) + c[-1][i : i + 1].sum())
            a, b = written(b, i), a
        for got, want in zip(f(PLACES[:n], x, y, z), [a, b, c[-1], c[-2], *d], strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("mode", MODES)
def test_a_state_that_is_written_where_it_lies_and_read_afterwards(mode):
    places, x0 = T.lvector(), T.dvector()

    def step(i, x):
        fresh = T.set_subtensor(x[i : i + 3], -1.0)
        later = x[: T.cast(fresh[0], "int64") % 4]  # bound after `fresh` is there
        return fresh + 0 * later.sum(), later.sum()

    (rows, sums), _ = scan(step, places, [x0, None])
    got = function([places, x0], [rows[-1], sums], mode=mode)(PLACES, np.arange(6.0))
    x, want = np.arange(6.0), []
    for i in PLACES:
        fresh = x.copy()
        fresh[i : i + 3] = -1
        want.append(x[: int(fresh[0]) % 4].sum())
        x = fresh
    np.testing.assert_array_equal(got[0], x)
    np.testing.assert_array_equal(got[1], want)


@pytest.mark.parametrize("mode", MODES)
def test_with_a_condition_to_stop(mode):
    x0, limit = T.dvector(), T.dscalar()

    def step(i, x):
        fresh = T.inc_subtensor(x[i : i + 2], x[i : i + 2].sum() + 1)
        return fresh, until(fresh.sum() > limit)

    rows, _ = scan(step, T.arange(100), x0)
    f = function([x0, limit], [rows, rows[-1], rows.shape[0]], mode=mode)
    x, want = np.zeros(20), []
    for i in range(100):
        x = x.copy()
        x[i : i + 2] += x[i : i + 2].sum() + 1
        want.append(x)
        if x.sum() > 50:
            break
    got = f(np.zeros(20), 50.0)
    np.testing.assert_array_equal(got[0], want)
    np.testing.assert_array_equal(got[1], want[-1])
    assert got[2] == len(want)


@pytest.mark.parametrize("mode", MODES)
def test_gradient_of_parts(mode):
    places, x = T.lvector(), T.dvector()
    rows, _ = scan(lambda i, x: T.set_subtensor(x[i : i + 3], T.sin(x[i : i + 3])), places, x)
    slope = T.grad(T.sqr(rows[-1]).sum() + rows[:, 0].sum(), x)
    got = function([places, x], slope, mode=mode)(PLACES, np.arange(6.0) + 0.5)
    y = x
    firsts = 0
    for i in PLACES:
        y = T.set_subtensor(y[i : i + 3], T.sin(y[i : i + 3]))
        firsts = firsts + y[0]
    want = T.grad(T.sqr(y).sum() + firsts, x).eval({x: np.arange(6.0) + 0.5})
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_more_operands_inside_than_outside(mode):
    """Lengths of what is emitted are told by operands of the loop, not by those of its body."""
    x0, y0, m, k = T.dmatrix(), T.dmatrix(), T.dmatrix(), T.lscalar()

    def step(i, x2, x1, y2, y1, k):
        part = x2[i : i + k].sum()
        return x1 + part, T.set_subtensor(y1[i : i + k], y2[:1].sum()), x1[:k] * part, y1[k:] + part

    states = [{"initial": x0, "taps": [-2, -1]}, {"initial": y0, "taps": [-2, -1]}, None, None]
    for length in (k, m.shape[0]):
        outputs, _ = scan(step, T.arange(3), states, length)
        f = function([x0, y0, m, k], outputs, mode=mode, on_unused_input="ignore")
        got = f(np.ones((2, 5)), np.ones((2, 6)), np.ones((2, 2)), 2)
        assert [v.shape for v in got] == [(3, 5), (3, 6), (3, 2), (3, 4)]
        x, y = [np.ones(5)] * 2, [np.ones(6)] * 2
        for i in range(3):
            part = x[-2][i : i + 2].sum()
            np.testing.assert_array_equal(got[2][i], x[-1][:2] * part)
            np.testing.assert_array_equal(got[3][i], y[-1][2:] + part)
            x.append(x[-1] + part)
            y.append(y[-1].copy())
            y[-1][i : i + 2] = y[-3][:1].sum()
            np.testing.assert_array_equal(got[0][i], x[-1])
            np.testing.assert_array_equal(got[1][i], y[-1])


def test_rows_that_are_not_kept_take_no_memory():
    x = T.dvector()
    rows, _ = scan(lambda i, x: graph_written(x, i), T.arange(20000), x)
    f = function([x], rows[-1])
    before = config.memory_limit
    config.memory_limit = 64 << 20
    try:
        got = f(np.zeros(100_000))  # all rows would be 16 GB
    finally:
        config.memory_limit = before
    assert got[:3].tolist() == [3.0, 9.0, 21.0]


def test_a_loop_whose_rows_are_told_is_no_segment_of_its_own():
    """The loop around it lays everything out once, and knows lengths without a step."""
    x = T.dmatrix()

    def inner(i, s):
        return graph_written(s, i), s[i : i + 2].sum() + s

    def outer(row):
        (state, emitted), _ = scan(inner, T.arange(4), [row, None])
        return state[-1], emitted

    (last, emitted), _ = scan(outer, x)
    f = function([x], [last, emitted, emitted.sum(axis=0)])
    got = f(np.arange(12.0).reshape(2, 6))
    for row in range(2):
        state = np.arange(12.0).reshape(2, 6)[row]
        for i in range(4):
            np.testing.assert_array_equal(got[1][row, i], state[i : i + 2].sum() + state)
            state = written(state, i)
        np.testing.assert_array_equal(got[0][row], state)
    assert [v.shape for v in f(np.zeros((0, 6)))] == [(0, 6), (0, 4, 6), (4, 6)]


# --- shapes that are wrong, or that nothing tells -------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_rows_of_changing_shapes_are_errors(mode):
    places, x = T.lvector(), T.dvector()
    grown, _ = scan(lambda i, x: x[: T.maximum(i, 1)], places, x)
    f = function([places, x], grown, mode=mode)
    np.testing.assert_array_equal(f([3, 7], np.arange(3.0)), [np.arange(3.0)] * 2)
    with pytest.raises(ValueError, match=r"state 0 starts with rows of shape \(3,\)(.|\n)*step 1"):
        f([3, 2], np.arange(3.0))
    cut, _ = scan(lambda i, x: x[i : i + 2], places, non_sequences=x)
    f = function([places, x], cut, mode=mode)
    np.testing.assert_array_equal(f([0, 1], np.arange(3.0)), [[0, 1], [1, 2]])
    with pytest.raises(ValueError, match=r"had rows of shape \(2,\)(.|\n)*step 1"):
        f([0, 2], np.arange(3.0))
    # The same again after an error, with rows of another length.
    np.testing.assert_array_equal(f([2, 2], np.arange(3.0)), [[2], [2]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("steps", [0, 3])
def test_lengths_that_the_ops_of_an_opaque_body_tell(mode, steps):
    x, s, n = T.dmatrix(), T.dvector(), T.lscalar()

    def step(row, s):
        choice = ifelse(T.gt(row.sum(), 0), row * 2, row)
        last, _ = scan(lambda h: T.tanh(h) * Scaled()(row), outputs_info=s, n_steps=n)
        return choice, T.concatenate([Scaled()(row), s]), T.outer(last[-1], row), T.zeros((n, 2))

    outputs, _ = scan(step, x, non_sequences=s)
    f = function([x, s, n], outputs, mode=mode)
    shapes = [v.shape[1:] for v in f(np.ones((steps, 3)), np.ones(3), 2)]
    if mode == "FAST_RUN" or steps:
        assert shapes[1:] == [(6,), (3, 3), (2, 2)]
    joined = function([x, s, n], [T.concatenate([outputs[1], T.ones((2, 6))]).sum(axis=0)])
    assert joined(np.ones((steps, 3)), np.ones(3), 2)[0].shape == (6,)


class Square(phintys.Op):
    """x**2, which does not tell its shape."""

    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return phintys.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] ** 2

    def grad(self, inputs, output_grads):
        return [Times()(inputs[0], output_grads[0]) * 2]


class Times(phintys.Op):
    __props__ = ()

    def make_node(self, x, y):
        return phintys.Apply(self, [x, y], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * inputs[1]

    def grad(self, inputs, output_grads):
        x, y = inputs
        return [Times()(y, output_grads[0]), Times()(x, output_grads[0])]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("truncate", [-1, 0, 2])
@pytest.mark.parametrize("steps", [0, 4])
def test_gradients_where_nothing_tells_the_lengths(mode, truncate, steps):
    x, w, h0 = T.dmatrix(), T.dvector(), T.dvector()

    def step(row, h, w):
        return T.tanh(Square()(row) * h), T.dot(Square()(row * w), Square()(row))

    (h, e), _ = scan(step, x, [h0, None], w, truncate_gradient=truncate)
    cost = h.sum() + T.sqr(e).sum() + T.sqr(T.concatenate([h, x])).sum()
    got = function([x, w, h0], T.grad(cost, [x, w, h0]), mode=mode)
    values = np.arange(3.0 * steps).reshape(steps, 3) / 10, np.arange(3.0), np.ones(3)
    slopes = got(*values)
    assert [v.shape for v in slopes] == [(steps, 3), (3,), (3,)]
    if truncate < 0:
        plain, _ = scan(
            lambda row, h, w: (T.tanh(row**2 * h), T.dot((row * w) ** 2, row**2)), x, [h0, None], w
        )
        h, e = plain
        cost = h.sum() + T.sqr(e).sum() + T.sqr(T.concatenate([h, x])).sum()
        want = function([x, w, h0], T.grad(cost, [x, w, h0]))(*values)
        for a, b in zip(slopes, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outer", [-1, 0, 1])
@pytest.mark.parametrize("inner", [-1, 0, 1])
def test_truncated_loops_in_truncated_loops(mode, outer, inner):
    x, h0, n = T.dmatrix(), T.dvector(), T.lscalar()

    def step(row, h, n):
        rows, _ = scan(
            lambda h, row: T.tanh(h * row), outputs_info=h, non_sequences=row, n_steps=n,
            truncate_gradient=inner,
        )  # fmt: skip
        return rows[-1], rows.sum(axis=0)

    (h, e), _ = scan(step, x, [h0, None], n, truncate_gradient=outer)
    cost = h[-1].sum() + T.sqr(e).sum()
    f = function([x, h0, n], T.grad(cost, [x, h0]), mode=mode)
    got = f(np.ones((4, 3)), np.ones(3), 2)
    assert [v.shape for v in got] == [(4, 3), (3,)]
    if outer == 0:
        assert not np.any(got[0]) and not np.any(got[1])
    if outer == 1:
        assert not np.any(got[0][:-1]) and np.any(got[0][-1]) == (inner != 0)

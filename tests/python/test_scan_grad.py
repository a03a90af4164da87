"""Gradients of loops: against finite differences and against the loop unrolled."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from loop_graphs import loop, loops_of, names_inside
from op_checks import MODES, compiled, floats
from value_cases import finite_difference

N = 5
W, X, H = floats(3, 3, seed=1) * 0.5, floats(N, 3, seed=2), floats(2, 3, seed=3)


def _rnn(x, h, w, **how):
    return loop(
        lambda h1, x, w: ([T.tanh(T.dot(h1, w) + x)], []), [(h[:1], [-1])], [x], [w], **how
    ).trace[0]


def _several_taps(x, h, w, **how):
    def step(h2, h1, x, w):
        return [T.tanh(T.dot(h2, w) + h1 * x)], []

    return loop(step, [(h, [-2, -1])], [x], [w], **how).trace[0]


def _taps_in_another_order(x, h, w, **how):
    def step(h1, h3, x, w):
        return [T.sin(h1 * h3) + T.dot(x, w)], []

    first = T.concatenate([h, h[:1] * 2])
    return loop(step, [(first, [-1, -3])], [x], [w], **how).trace[0]


def _one_old_tap(x, h, w, **how):
    return loop(lambda h2, x: ([T.cos(h2) * x], []), [(h, [-2])], [x], **how).trace[0]


def _two_states(x, h, w, **how):
    def step(a2, b1, x, w):
        b = T.tanh(T.dot(a2, w) + b1)
        return [b * x, b + a2], []

    out = loop(step, [(h, [-2]), (h[1:], [-1])], [x], [w], **how)
    return T.concatenate(out.trace)


def _emits(x, h, w, **how):
    def step(h1, x, w):
        new = T.nnet.sigmoid(T.dot(h1, w) + x)
        return [new], [T.exp(new).sum(), new[:2] * x[1]]

    out = loop(step, [(h[:1], [-1])], [x], [w], **how)
    return T.concatenate([out.emitted[0], out.emitted[1].flatten(), out.trace[0][-1]])


def _map(x, h, w, **how):
    return loop(lambda x, w: ([], [T.dot(T.sqr(x), w)]), [], [x], [w], **how).emitted[0]


def _taps_of_a_sequence(x, h, w, **how):
    def step(h1, before, now, after):
        return [h1 * before + now * after], []

    n = how.get("unroll") and N - 2
    return loop(step, [(h[:1], [-1])], [x[:-2], x[1:-1], x[2:]], unroll=n).trace[0]


def _backwards(x, h, w, **how):
    return loop(lambda h1, x: ([T.tanh(h1 * 2) * x], []), [(h[:1], [-1])], [x[::-1]], **how).trace[
        0
    ]


def _last_row(x, h, w, **how):
    return _rnn(x, h, w, **how)[-1]


def _a_row_in_the_middle(x, h, w, **how):
    return _rnn(x, h, w, **how)[2]


def _unused_state(x, h, w, **how):
    def step(a1, b1, x, w):
        return [T.tanh(T.dot(a1, w) + x), b1 * a1], []

    return loop(step, [(h[:1], [-1]), (h[:1], [-1])], [x], [w], **how).trace[0]


def _integer_state(x, h, w, **how):
    def step(k1, h1, x):
        return [k1 + 1, h1 * x + k1], []

    start = T.as_tensor_variable(np.array([3]))
    return loop(step, [(start, [-1]), (h[:1], [-1])], [x], **how).trace[1]


def _shift_register(x, h, w, **how):
    def step(a1, b1, x):
        return [T.sin(b1 + x), a1], []

    out = loop(step, [(h[:1], [-1]), (h[1:], [-1])], [x], **how)
    return out.trace[1]


def _constants_of_constants(x, h, w, **how):
    def step(h1, x, w):
        return [T.dot(h1, T.tanh(w).T) + x * w.sum()], []

    return loop(step, [(h[:1] * 0.1, [-1])], [x], [w], **how).trace[0]


def _matrix_power(x, h, w, **how):
    return loop(lambda a, w: ([T.dot(a, w)], []), [(w.dimshuffle("x", 0, 1), [-1])], [], [w],
                n_steps=N, **how).trace[0]  # fmt: skip


def _scalars(x, h, w, **how):
    def step(y1, x):
        return [3.7 * y1 * (1 - y1) + x], []

    return loop(step, [(h[:1, 0] * 0.3, [-1])], [x[:, 0] * 0.01], **how).trace[0]


def _broadcast_row(x, h, w, **how):
    def step(a1, x, w):
        return [T.tanh(a1) * T.mean(x) + w[:1]], []

    first = T.addbroadcast(h[:1].dimshuffle(0, "x", 1), 1)
    return loop(step, [(first, [-1])], [x], [w], **how).trace[0]


def _reductions(x, h, w, **how):
    def step(h1, x):
        return [h1 + T.max(x * h1)], [T.nnet.softmax(h1 * x), T.sort(h1 * x)]

    out = loop(step, [(h[:1], [-1])], [x], **how)
    return T.concatenate([out.emitted[0].flatten(), out.emitted[1].flatten()])


def _indexing(x, h, w, **how):
    def step(h1, k, w):
        return [T.set_subtensor(h1[k % 3], T.sum(w[k % 3] * h1))], [w[k % 3, 1]]

    out = loop(step, [(h[:1], [-1])], [T.arange(N)], [w], **how)
    return T.concatenate([out.trace[0].flatten(), out.emitted[0]])


def _switches(x, h, w, **how):
    def step(h1, x):
        return [T.switch(h1 > x, h1 * x, T.maximum(h1, x) + 1)], []

    return loop(step, [(h[:1], [-1])], [x], **how).trace[0]


def _nested(x, h, w, **how):
    def outer(h1, x, w):
        def inner(a1, y, w):
            return [T.tanh(a1 * y + w[0])], [a1 * y]

        inner_how = {"unroll": 3} if "unroll" in how else {}
        out = loop(inner, [(h1.dimshuffle("x", 0), [-1])], [x], [w], **inner_how)
        return [out.trace[0][-1]], [out.emitted[0].sum()]

    out = loop(outer, [(h[:1], [-1])], [x], [w], **how)
    return T.concatenate([out.trace[0].flatten(), out.emitted[0]])


CASES = [
    _rnn, _several_taps, _taps_in_another_order, _one_old_tap, _two_states, _emits, _map,
    _taps_of_a_sequence, _backwards, _last_row, _a_row_in_the_middle, _unused_state,
    _integer_state, _shift_register, _constants_of_constants, _matrix_power, _scalars,
    _broadcast_row, _reductions, _indexing, _switches, _nested,
]  # fmt: skip
POINT = (X, H, W)


def _weighted(out, seed=7):
    """A cost that depends on all of `out`, and not linearly."""
    weights = T.as_tensor_variable(np.random.default_rng(seed).normal(size=1000))
    return (T.sqr(out).flatten() * weights[: out.size]).sum()


def _variables():
    return T.matrix("x"), T.matrix("h"), T.matrix("w")


def _all_close(got, want, rtol=1e-11, atol=1e-11):
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape and g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol)


def _gradient(case, xs, **how):
    return T.grad(_weighted(case(*xs, **how)), xs, disconnected_inputs="ignore")


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_unrolled_loop_and_finite_differences(case):
    xs = _variables()
    want = compiled(xs, _gradient(case, xs, unroll=N))(*POINT)
    for mode in MODES:
        _all_close(compiled(xs, _gradient(case, xs), mode)(*POINT), want)
    f = compiled(xs, _weighted(case(*xs)))
    numeric = finite_difference(f, POINT, np.ones(()))
    _all_close(want, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_second_order(case):
    xs = _variables()

    def second(**how):
        inner = sum((g * g).sum() for g in _gradient(case, xs, **how))
        return T.grad(inner, xs, disconnected_inputs="ignore")

    want = compiled(xs, second(unroll=N))(*POINT)
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        _all_close(compiled(xs, second(), mode)(*POINT), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_rop(case):
    xs = _variables()
    options = {"disconnected_inputs": "ignore", "return_disconnected": "None"}
    grads = T.grad(_weighted(case(*xs)), xs, **options)
    used = [i for i, g in enumerate(grads) if g is not None]
    ways = [T.as_tensor_variable(floats(*POINT[i].shape, seed=11 + i)) for i in used]

    def forward(**how):
        return T.Rop(case(*xs, **how), [xs[i] for i in used], ways)

    _all_close([compiled(xs, forward())(*POINT)], [compiled(xs, forward(unroll=N))(*POINT)])


@pytest.mark.parametrize("steps", [0, 1, 2, 9])
@pytest.mark.parametrize("case", [_rnn, _several_taps, _two_states, _taps_in_another_order])
def test_numbers_of_steps(case, steps):
    xs = _variables()
    point = (floats(steps, 3, seed=4), H, W)
    want = compiled(xs, _gradient(case, xs, unroll=steps))(*point)
    _all_close(compiled(xs, _gradient(case, xs))(*point), want)


@pytest.mark.parametrize("case", [_rnn, _several_taps, _emits])
def test_single_precision(case):
    xs = T.fmatrix("x"), T.fmatrix("h"), T.fmatrix("w")
    point = [p.astype("float32") for p in POINT]

    def cost(xs, **how):
        return T.sqr(case(*xs, **how)).sum()

    got = compiled(xs, T.grad(cost(xs), xs))(*point)
    want = compiled(xs, T.grad(cost(xs, unroll=N), xs))(*point)
    _all_close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kept", [0, 1, 2, 4, 5, 9])
@pytest.mark.parametrize("case", [_rnn, _several_taps, _two_states, _emits, _map, _one_old_tap])
def test_truncated(case, kept):
    """Steps before the last ones are constants, but the initial rows are not."""
    xs = _variables()
    want = compiled(xs, _gradient(case, xs, unroll=N, truncate=kept))(*POINT)
    _all_close(compiled(xs, _gradient(case, xs, truncate=kept))(*POINT), want)


def _until(x, h, w, unroll=None):
    def step(a2, b1, x, w):
        new = T.tanh(T.dot(a2, w) + b1 * x)
        return [new, b1 + new], [new.sum() * x], T.gt(x.sum(), 0.5)

    how = {"unroll": unroll} if unroll is not None else {"until": True}
    out = loop(step, [(h, [-2]), (h[1:], [-1])], [x], [w], **how)
    n = out.steps
    return T.concatenate([out.trace[0][2 : 2 + n], out.trace[1][1 : 1 + n], out.emitted[0][:n]])


@pytest.mark.parametrize("stop", [0, 1, 3, 4])
def test_until(stop):
    xs = _variables()
    x = -np.abs(X)
    x[stop:] += 4
    steps = stop + 1
    got = compiled(xs, _gradient(_until, xs))(x, H, W)
    want = compiled(xs, _gradient(_until, xs, unroll=steps))(x, H, W)
    assert not got[0][steps:].any()
    _all_close(got, want)


def test_until_second_order():
    xs = _variables()
    x = -np.abs(X)
    x[2:] += 4

    def second(**how):
        return T.grad(sum((g * g).sum() for g in _gradient(_until, xs, **how)), xs)

    want = compiled(xs, second(unroll=3))(x, H, W)
    _all_close(compiled(xs, second())(x, H, W), want, rtol=1e-9)


@pytest.mark.parametrize("kept_rows", [1, 0])
def test_a_loop_that_keeps_last_rows_only(kept_rows):
    xs = _variables()

    def cost(keep, **how):
        out = loop(
            lambda h2, h1, x, w: ([T.tanh(T.dot(h1, w) * h2 + x)], []),
            [(xs[1], [-2, -1])], [xs[0]], [xs[2]], **how, **({} if how else {"keep": [keep]}),
        )  # fmt: skip
        return (out.trace[0][-2:] * np.array([[1.0, 2, 3], [4, 5, 6]])).sum()

    for steps in (0, 1, 2, 5):
        point = (X[:steps], H, W)
        got = compiled(xs, T.grad(cost(kept_rows), xs, disconnected_inputs="ignore"))(*point)
        want = T.grad(cost(1, unroll=steps), xs, disconnected_inputs="ignore")
        _all_close(got, compiled(xs, want)(*point))
        if kept_rows == 0:
            g = T.grad(cost(0), xs)
            again = compiled(xs, T.grad(sum(T.sqr(d).sum() for d in g), xs))(*point)
            want = T.grad(cost(1, unroll=steps), xs, disconnected_inputs="ignore")
            want = T.grad(sum(T.sqr(d).sum() for d in want), xs, disconnected_inputs="ignore")
            _all_close(again, compiled(xs, want)(*point))


def test_rows_that_the_loop_does_not_use_have_gradient_zero():
    x, h = T.matrix("x"), T.matrix("h")
    out = loop(lambda h1, x: ([h1 * x], []), [(h[:1], [-1])], [x], n_steps=3).trace[0][-1].sum()
    got = compiled([x, h], T.grad(out, x))(X, H)
    want = np.zeros_like(X)
    for t in range(3):
        others = [i for i in range(3) if i != t]
        want[t] = H[0] * X[others].prod(axis=0)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_symbolic_number_of_steps():
    a, n = T.vector("a"), T.iscalar("n")
    power = loop(lambda p1, a: ([p1 * a], []), [(T.ones((1, 2)), [-1])], [], [a], n_steps=n)
    f = compiled([a, n], T.grad(power.trace[0][-1].sum(), a))
    for k in (0, 1, 7):
        np.testing.assert_allclose(f(np.array([2.0, 3.0]), k), k * np.array([2.0, 3.0]) ** (k - 1))
    steps = T.lscalar("steps")
    power = loop(lambda p1, a: ([p1 * a], []), [(T.ones((1, 2)), [-1])], [], [a], n_steps=steps)
    with pytest.raises(phintys.gradient.DisconnectedInputError):
        T.grad(power.trace[0].sum(), steps)


def test_shared_parameters():
    w = phintys.shared(W, name="w")
    x, h = T.matrix(), T.matrix()
    got = compiled([x, h], T.grad(_weighted(_rnn(x, h, w)), w))(X, H)
    want = compiled([x, h], T.grad(_weighted(_rnn(x, h, w, unroll=N)), w))(X, H)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_hessian_of_a_loop():
    a = T.vector("a")
    out = loop(
        lambda p1, a: ([p1 * T.sin(a) + a], []), [(T.ones((1, 2)), [-1])], [], [a], n_steps=4
    )
    flat = loop(
        lambda p1, a: ([p1 * T.sin(a) + a], []),
        [(T.ones((1, 2)), [-1])],
        [],
        [a],
        n_steps=4,
        unroll=4,
    )
    point = np.array([0.4, -1.3])

    def rows(cost):
        g = T.grad(cost, a)
        return T.stack([T.grad(g[i], a) for i in range(2)])

    got = compiled([a], rows(T.prod(out.trace[0][-1])))(point)
    want = compiled([a], rows(T.prod(flat.trace[0][-1])))(point)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(got, got.T, rtol=1e-12)


def test_complex_states():
    a, z = T.zmatrix("a"), T.zmatrix("z")
    rng = np.random.default_rng(3)
    point = [rng.normal(size=(2, 2)) * 0.4 + 0.3j * rng.normal(size=(2, 2)) for _ in range(2)]

    def step(z1, z2, a):
        return [T.sqr(z1) + T.dot(a, z2) * z1], []

    def gradient(**how):
        out = loop(step, [(z, [-1, -2])], [], [a], n_steps=3, **how)
        return T.grad(T.sqr(abs(out.trace[0])).sum(), [a, z])

    _all_close(compiled([a, z], gradient())(*point), compiled([a, z], gradient(unroll=3))(*point))


def test_large_logits_have_finite_gradients():
    """The body is brought into its stable form before it is differentiated."""
    x, w = T.matrix("x"), T.matrix("w")

    def step(h1, x, w):
        logits = T.dot(x, w) + h1
        p = T.nnet.softmax(logits.dimshuffle("x", 0))[0]
        return [logits], [-T.log(p)[0], T.log(1 - T.nnet.sigmoid(logits[1]))]

    out = loop(step, [(T.zeros((1, 3)), [-1])], [x], [w])
    cost = sum(e.sum() for e in out.emitted)
    for mode in MODES:
        value, g = compiled([x, w], [cost, T.grad(cost, w)], mode)(X * 1000, W)
        assert np.isfinite(g).all()
        assert np.isfinite(value) or mode is MODES[2]  # which runs the loop as it was written


def test_undefined_inside_is_undefined_outside():
    x, h = T.matrix("x"), T.matrix("h")

    def step(h1, x):
        return [phintys.gradient.undefined_grad(h1) + x], []

    out = loop(step, [(h[:1], [-1])], [x]).trace[0].sum()
    with pytest.raises(phintys.gradient.NullTypeGradError, match="In the loop: "):
        T.grad(out, x)


def test_disconnected_inside_is_disconnected_outside():
    x, h, w = _variables()

    def step(h1, x, w):
        return [h1 + phintys.gradient.disconnected_grad(x) + T.zeros_like(w[0])], []

    out = loop(step, [(h[:1], [-1])], [x], [w]).trace[0].sum()
    with pytest.raises(phintys.gradient.DisconnectedInputError):
        T.grad(out, x)
    g = T.grad(out, [x, h], return_disconnected="None", disconnected_inputs="ignore")
    assert g[0] is None and g[1] is not None


def test_integers_get_no_gradient_but_zeros():
    k = T.lvector("k")
    out = loop(lambda a1, k: ([a1 + k], []), [(T.zeros((1,)), [-1])], [k.astype("float64")])
    g = T.grad(out.trace[0][-1], k)
    assert g.dtype == "float64"
    start = T.lvector("start")
    out = loop(lambda a1: ([a1 + 1], [a1 * 0.5]), [(start, [-1])], [], n_steps=3)
    g = T.grad(out.emitted[0].sum(), start, disconnected_inputs="ignore")
    np.testing.assert_array_equal(compiled([start], g)(np.array([3])), [0.0])


# --- what is computed twice, and what is stored ---------------------------------------------------


def _backward_loop(grads):
    """The last loop of a gradient."""
    return loops_of(grads)[-1]


def test_products_are_not_computed_again():
    xs = _variables()
    grads = T.grad(_rnn(*xs).sum(), xs)
    names = names_inside(_backward_loop(grads))
    assert "tanh" not in names
    assert names.count("dot") == 1  # of the state's slope; that of the weights is an outer product


def test_only_what_is_asked_for_is_computed():
    xs = _variables()
    names = names_inside(_backward_loop([T.grad(_rnn(*xs).sum(), xs[0])]))
    assert names.count("dot") == 1
    w = _backward_loop([T.grad(_map(*xs).sum(), xs[2])])
    assert w.op.attrs["n_emitted"] == 0


def test_a_loop_that_stores_takes_the_place_of_the_first():
    xs = _variables()

    def case(x, h, w, **how):
        def step(h1, x, w):
            return [h1 * T.exp(T.dot(h1, w)) + x], []

        return loop(step, [(h[:1], [-1])], [x], [w], **how).trace[0]

    cost = case(*xs).sum()
    grads = T.grad(cost, xs)
    assert len(loops_of([cost, *grads])) == 3
    for mode, n in (("FAST_RUN", 2), ("FAST_COMPILE", 2), (MODES[2], 3)):
        f = compiled(xs, [cost, *grads], mode)
        assert sum("= Scan" in line for line in f.fn.program_text().splitlines()) == n
    second = T.grad(sum(T.sqr(g).sum() for g in grads), xs)
    want_cost = case(*xs, unroll=N).sum()
    want = T.grad(sum(T.sqr(g).sum() for g in T.grad(want_cost, xs)), xs)
    for mode in MODES:
        got = compiled(xs, [cost, *grads, *second], mode)(*POINT)
        _all_close(got[4:], compiled(xs, want)(*POINT), rtol=1e-10)


def test_cheap_values_are_not_stored():
    xs = _variables()

    def step(h1, x):
        return [h1 * (2 * x + 1) - T.sqr(h1 * x)], []

    out = loop(step, [(xs[1][:1], [-1])], [xs[0]]).trace[0]
    assert len(loops_of(T.grad(out.sum(), xs[:2]))) == 2  # the loop itself is all that is needed


def test_a_loop_that_computes_again():
    """Only states are stored; random numbers are the same ones."""
    xs = _variables()

    def case(x, h, w, **how):
        def step(h1, x, w):
            return [h1 * T.exp(T.dot(h1, w)) + T.tanh(x)], []

        return loop(step, [(h[:1], [-1])], [x], [w], **how).trace[0]

    want = compiled(xs, _gradient(case, xs))(*POINT)
    grads = _gradient(case, xs, recompute=True)
    assert len(loops_of(grads)) == 2  # no loop that stores more
    assert "exp" in names_inside(_backward_loop(grads))
    _all_close(compiled(xs, grads)(*POINT), want)
    second = T.grad(sum(T.sqr(g).sum() for g in grads), xs)
    plain = T.grad(sum(T.sqr(g).sum() for g in _gradient(case, xs)), xs)
    _all_close(compiled(xs, second)(*POINT), compiled(xs, plain)(*POINT), rtol=1e-9)

"""Loops against the same loops in Python: the tutorial's programs, and what each argument does."""

import inspect
import pickle

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys.errors import MissingInputError
from phintys.scan_module import until
from phintys.scan_module.scan_op import Scan
from phintys.tensor.shared_randomstreams import RandomStreams

rng = np.random.default_rng(3)


def run(inputs, outputs, *values, updates=None):
    return phintys.function(inputs, outputs, updates=updates, on_unused_input="ignore")(*values)


# --- the tutorial ---------------------------------------------------------------------------


def test_power_of_a_vector():
    k, A = T.iscalar("k"), T.vector("A")
    result, updates = phintys.scan(
        fn=lambda prior_result, A: prior_result * A,
        outputs_info=T.ones_like(A),
        non_sequences=A,
        n_steps=k,
    )
    power = phintys.function(inputs=[A, k], outputs=result[-1], updates=updates)
    np.testing.assert_array_equal(power(range(10), 2), np.arange(10.0) ** 2)
    np.testing.assert_array_equal(power(range(10), 4), np.arange(10.0) ** 4)


def test_polynomial():
    coefficients, x = T.vector("coefficients"), T.scalar("x")
    components, updates = phintys.scan(
        fn=lambda coefficient, power, free_variable: coefficient * (free_variable**power),
        outputs_info=None,
        sequences=[coefficients, T.arange(10000)],
        non_sequences=x,
    )
    assert not updates
    f = phintys.function(inputs=[coefficients, x], outputs=components.sum())
    assert f(np.asarray([1, 0, 2], "float64"), 3) == 19.0


def test_sums_of_a_range_with_the_types_of_the_tutorial():
    up_to = T.iscalar("up_to")
    seq = T.arange(up_to)
    wrong = T.as_tensor_variable(0)  # int8, while the sum is int64
    with pytest.raises(ValueError, match=r"has dtype int8, while .* \(`fn`\) has dtype int64"):
        phintys.scan(lambda i, s: i + s, sequences=seq, outputs_info=wrong)
    right = T.as_tensor_variable(np.asarray(0, seq.dtype))
    result, _ = phintys.scan(lambda i, s: i + s, sequences=seq, outputs_info=right)
    values = run([up_to], result, 15)
    np.testing.assert_array_equal(values, np.cumsum(np.arange(15)))
    assert values.dtype == "int64"


def test_set_values_at_locations():
    location, values = T.imatrix("location"), T.vector("values")
    output_model = T.matrix("output_model")

    def set_value_at_position(a_location, a_value, output_model):
        zeros = T.zeros_like(output_model)
        return T.set_subtensor(zeros[a_location[0], a_location[1]], a_value)

    result, _ = phintys.scan(
        set_value_at_position,
        outputs_info=None,
        sequences=[location, values],
        non_sequences=output_model,
    )
    model = np.zeros((5, 5))
    where = np.asarray([[1, 1], [2, 3]], "int32")
    got = run([location, values, output_model], result, where, [42.0, 50.0], model)
    expected = np.zeros((2, 5, 5))
    expected[0, 1, 1], expected[1, 2, 3] = 42, 50
    np.testing.assert_array_equal(got, expected)


def test_random_step_of_the_tutorial():
    # Gibbs sampling: 10 steps of a chain, with random numbers inside.
    W_values = rng.normal(size=(4, 3))
    W, bvis, bhid = (
        phintys.shared(W_values),
        phintys.shared(np.zeros(4)),
        phintys.shared(np.ones(3)),
    )
    trng = RandomStreams(1234)

    def one_step(vsample):
        hmean = T.nnet.sigmoid(T.dot(vsample, W) + bhid)
        hsample = trng.binomial(size=hmean.shape, n=1, p=hmean)
        vmean = T.nnet.sigmoid(T.dot(hsample, W.T) + bvis)
        return trng.binomial(size=vsample.shape, n=1, p=vmean, dtype="float64")

    sample = T.vector()
    values, updates = phintys.scan(one_step, outputs_info=sample, n_steps=10)
    assert len(updates) == 2 and {v for v, _ in trng.state_updates} == set(updates)
    gibbs10 = phintys.function([sample], values, updates=updates)

    states = [v.get_value() for v, _ in trng.state_updates]
    v = np.array([1.0, 0.0, 1.0, 0.0])
    for _ in range(2):  # two calls go on in the same streams
        expected, row = [], v
        for _ in range(10):
            p = 1 / (1 + np.exp(-(row @ W_values + 1)))
            h = states[0].binomial(1, p)
            p = 1 / (1 + np.exp(-(h @ W_values.T)))
            row = states[1].binomial(1, p).astype("float64")
            expected.append(row)
        np.testing.assert_array_equal(gibbs10(v), expected)


def test_the_same_step_strictly():
    W, b = phintys.shared(np.eye(2), "W"), phintys.shared(np.ones(2), "b")
    x = T.vector("x")

    def step(row, *_):
        return T.tanh(T.dot(row, W) + b)

    with pytest.raises(MissingInputError, match="ScanOp is missing an input: b"):
        phintys.scan(step, outputs_info=x, non_sequences=W, n_steps=2, strict=True)
    result, _ = phintys.scan(step, outputs_info=x, non_sequences=[W, b], n_steps=2, strict=True)
    a = np.array([0.5, -1.0])
    np.testing.assert_allclose(
        run([x], result, a), [np.tanh(a + 1), np.tanh(np.tanh(a + 1) + 1)], rtol=1e-12
    )


def test_multiple_outputs_with_taps():
    # The network of the documentation: an input with taps, a hidden state, an output with a tap -3.
    n = 3
    W, W_in_1, W_in_2, W_feedback, W_out = (
        T.matrix(name) for name in ("W", "W_in_1", "W_in_2", "W_feedback", "W_out")
    )
    u, x0, y0 = T.matrix("u"), T.vector("x0"), T.matrix("y0")

    def oneStep(u_tm4, u_t, x_tm3, x_tm1, y_tm1, W, W_in_1, W_in_2, W_feedback, W_out):
        x_t = T.tanh(
            T.dot(x_tm1, W) + T.dot(u_t, W_in_1) + T.dot(u_tm4, W_in_2) + T.dot(y_tm1, W_feedback)
        )
        y_t = T.dot(x_tm3, W_out)
        return [x_t, y_t]

    x_init = T.matrix("x_init")
    (x_vals, y_vals), updates = phintys.scan(
        fn=oneStep,
        sequences={"input": u, "taps": [-4, -0]},
        outputs_info=[{"initial": x_init, "taps": [-3, -1]}, y0[0]],
        non_sequences=[W, W_in_1, W_in_2, W_feedback, W_out],
        strict=True,
    )
    assert not updates
    weights = [rng.normal(size=(n, n)) * 0.5 for _ in range(5)]
    inputs, first, y = rng.normal(size=(9, n)), rng.normal(size=(3, n)), rng.normal(size=(1, n))
    got_x, got_y = run(
        [u, x_init, y0, W, W_in_1, W_in_2, W_feedback, W_out],
        [x_vals, y_vals],
        inputs,
        first,
        y,
        *weights,
    )
    xs, ys = list(first), [y[0]]
    w, in1, in2, feedback, out = weights
    for t in range(4, 9):
        new = np.tanh(xs[-1] @ w + inputs[t] @ in1 + inputs[t - 4] @ in2 + ys[-1] @ feedback)
        ys.append(xs[-3] @ out)
        xs.append(new)
    np.testing.assert_allclose(got_x, xs[3:], rtol=1e-12)
    np.testing.assert_allclose(got_y, ys[1:], rtol=1e-12)
    assert x0 is not None


def test_conditional_ending():
    def power_of_2(previous_power, max_value):
        return previous_power * 2, until(previous_power * 2 > max_value)

    max_value = T.scalar()
    values, _ = phintys.scan(
        power_of_2, outputs_info=T.constant(1.0), non_sequences=max_value, n_steps=1024
    )
    f = phintys.function([max_value], values)
    np.testing.assert_array_equal(f(45), [2, 4, 8, 16, 32, 64])
    np.testing.assert_array_equal(f(0.5), [2])
    np.testing.assert_array_equal(f(1e38)[-1], np.float32(2.0**127))


def test_optimising_loops_of_the_documentation():
    # A shared variable that each step updates.
    a = phintys.shared(1)
    values, updates = phintys.scan(lambda: {a: a + 1}, n_steps=10)
    assert values is None and list(updates) == [a]
    b = a + 1
    c = updates[a] + 1
    f = phintys.function([], [b, c], updates=updates)
    assert [int(v) for v in f()] == [2, 12]
    assert int(a.get_value()) == 11
    assert [int(v) for v in f()] == [12, 22]


def test_counting_all_columns_with_reduce_and_map():
    A = T.matrix("A")
    total, _ = phintys.reduce(lambda row, s: s + row.sum(), A, np.float64(0))
    rows, _ = phintys.map(lambda row: row.max() - row.min(), A)
    value = rng.normal(size=(4, 3))
    got = run([A], [total, rows], value)
    np.testing.assert_allclose(got[0], value.sum(), rtol=1e-12)
    np.testing.assert_allclose(got[1], value.max(1) - value.min(1), rtol=1e-12)


def test_folds():
    x = T.vector("x")
    left, _ = phintys.foldl(lambda e, s: s * 10 + e, x, T.constant(0.0, dtype="float64"))
    right, _ = phintys.foldr(lambda e, s: s * 10 + e, x, T.constant(0.0, dtype="float64"))
    assert [float(v) for v in run([x], [left, right], [1, 2, 3])] == [123, 321]
    both, _ = phintys.foldl(lambda e, a, b: [a + e, b * e], x, [np.float64(0), np.float64(1)])
    assert isinstance(both, list)
    assert [float(v) for v in run([x], both, [2, 3, 4])] == [9, 24]


def test_tanh_recurrence_of_the_exercises():
    # h_t = tanh(W h_{t-1} + b + x_t), the sum of all, and its value after each step.
    W, b, x, h0 = T.matrix("W"), T.vector("b"), T.matrix("x"), T.vector("h0")
    h, _ = phintys.scan(lambda row, h: T.tanh(T.dot(h, W) + b + row), x, h0)
    w, c, rows, first = (
        rng.normal(size=(3, 3)),
        rng.normal(size=3),
        rng.normal(size=(6, 3)),
        np.ones(3),
    )
    expected, state = [], first
    for row in rows:
        state = np.tanh(state @ w + c + row)
        expected.append(state)
    np.testing.assert_allclose(run([W, b, x, h0], h, w, c, rows, first), expected, rtol=1e-12)


def test_fibonacci():
    n = T.lscalar("n")
    f, _ = phintys.scan(
        lambda a, b: a + b,
        outputs_info={"initial": np.array([0, 1], "int64"), "taps": [-2, -1]},
        n_steps=n,
    )
    assert run([n], f, 10).tolist() == [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]


# --- sequences ------------------------------------------------------------------------------


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("taps", [[0], [-1], [-2, 0], [0, 1], [-3, -1], [1, 3], [2], [1, -2, 0]])
def test_taps_of_a_sequence(taps, backwards):
    x = T.vector("x")
    value = np.arange(8.0)
    rows, _ = phintys.scan(
        lambda *a: T.stack(a), {"input": x, "taps": taps}, go_backwards=backwards
    )
    low, high = min([*taps, 0]), max([*taps, 0])
    times = list(range(-low, 8 - high))
    if backwards:
        times.reverse()
    np.testing.assert_array_equal(
        run([x], rows, value), [[value[t + k] for k in taps] for t in times]
    )


def test_sequences_of_different_lengths_stop_with_the_shortest():
    x, y = T.vector("x"), T.vector("y")
    s, _ = phintys.scan(lambda a, b: a + b, [x, y])
    f = phintys.function([x, y], s)
    np.testing.assert_array_equal(f([1, 2, 3], [10, 20]), [11, 22])
    np.testing.assert_array_equal(f([1], [10, 20]), [11])
    assert f([], [10, 20]).shape == (0,)


def test_too_few_elements_for_the_number_of_steps():
    x, n = T.vector("x"), T.iscalar("n")
    f = phintys.function([x, n], phintys.scan(lambda a: a * 2, x, n_steps=n)[0])
    np.testing.assert_array_equal(f([1, 2, 3], 2), [2, 4])
    with pytest.raises(ValueError, match="Sequence is shorter then the required number of steps"):
        f([1, 2, 3], 4)


def test_backwards_with_a_number_of_steps_starts_at_the_end():
    x = T.vector("x")
    s, _ = phintys.scan(lambda a: a, x, n_steps=2, go_backwards=True)
    np.testing.assert_array_equal(run([x], s, [1, 2, 3]), [3, 2])


def test_arrays_and_lists_as_sequences_and_constants():
    s, _ = phintys.scan(
        lambda a, b, c: a * b + c, [np.arange(3.0), [4.0, 5.0, 6.0]], non_sequences=[2]
    )
    np.testing.assert_array_equal(s.eval(), [2, 7, 14])


# --- the number of steps --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64"])
def test_dtypes_of_the_number_of_steps(dtype):
    n = T.scalar("n", dtype=dtype)
    f = phintys.function([n], phintys.scan(lambda s: s + 1, None, np.float64(0), n_steps=n)[0])
    assert f(3).tolist() == [1, 2, 3]
    assert f(0).shape == (0,)


@pytest.mark.parametrize("steps", [1, 2, 0])
def test_constant_number_of_steps(steps):
    s, _ = phintys.scan(lambda s: s + 1, None, T.zeros((2, 3)), n_steps=steps)
    assert s.ndim == 3 and s.broadcastable == (False, False, False)
    np.testing.assert_array_equal(
        s.eval(), np.ones((steps, 2, 3)) * np.arange(1, steps + 1)[:, None, None]
    )


def test_bad_numbers_of_steps():
    step = lambda s: s + 1  # noqa: E731
    with pytest.raises(ValueError, match="No information about the number of steps"):
        phintys.scan(step, outputs_info=np.float64(0))
    with pytest.raises(ValueError, match="No information about the number of steps"):
        phintys.scan(step, outputs_info=np.float64(0), n_steps=np.nan)
    for wrong in (2.0, np.float32(2), T.dscalar(), T.bscalar() > 0):
        with pytest.raises(ValueError, match="n_steps must be an int"):
            phintys.scan(step, outputs_info=np.float64(0), n_steps=wrong)
    with pytest.raises(ValueError, match="n_steps must be a scalar"):
        phintys.scan(step, outputs_info=np.float64(0), n_steps=T.lvector())
    n = T.lscalar("n")
    for negative in (n, -2):
        f = phintys.function(
            [n],
            phintys.scan(step, None, np.float64(0), n_steps=negative)[0],
            on_unused_input="ignore",
        )
        with pytest.raises(
            IndexError, match="Scan was asked to run for negative number of step -2"
        ):
            f(-2)


def test_more_steps_than_can_be_counted():
    n, most = T.lscalar("n"), 2**63 - 1
    for start in (np.ones(3), np.ones(0)):
        rows, _ = phintys.scan(lambda s: T.dot(T.outer(s, s), s), None, start, n_steps=n)
        for mode in ("FAST_RUN", "FAST_COMPILE"):
            with pytest.raises(MemoryError, match="do not fit in memory: 9223372036854775807"):
                phintys.function([n], rows, mode=mode)(most)
    # Only running a step tells the shape of what it computes.
    grown, _ = phintys.scan(
        lambda s: (s, T.arange(T.cast(s.sum(), "int64"))), None, [np.zeros(2), None], n_steps=n
    )
    with pytest.raises(MemoryError, match="do not fit in memory: 9223372036854775807"):
        phintys.function([n], grown)(most)
    rows, _ = phintys.scan(lambda s: s * 2, None, np.float64(1), n_steps=most)
    with pytest.raises(MemoryError, match="do not fit in memory"):
        phintys.function([], rows)()
    # A state of which the last row alone is kept needs no room for others.
    last = phintys.scan(lambda s: (s * 2, until(s > 100)), None, np.float64(1), n_steps=most)[0][-1]
    assert phintys.function([], last)() == 256


# --- states ---------------------------------------------------------------------------------


@pytest.mark.parametrize("taps", [[-1], [-2], [-1, -2], [-3, -1], [-4, -2, -3]])
def test_taps_of_a_state_come_in_the_order_given(taps):
    reach = -min(taps)
    first = T.matrix("first")
    weights = [float(i + 1) for i in range(len(taps))]

    def step(*rows):
        return sum(w * r for w, r in zip(weights, rows, strict=True)) / 7 + 1

    initial = first[0] if taps == [-1] else first
    s, _ = phintys.scan(step, None, {"initial": initial, "taps": taps}, n_steps=5)
    # More rows than needed: the first ones count.
    value = rng.normal(size=(reach + 2, 2))
    rows = list(value[:reach])
    for _ in range(5):
        rows.append(step(*[rows[k] for k in taps]))
    np.testing.assert_allclose(run([first], s, value), rows[reach:], rtol=1e-12)


def test_too_few_initial_rows():
    first = T.vector("first")
    s, _ = phintys.scan(lambda a: a, None, {"initial": first, "taps": [-3]}, n_steps=2)
    f = phintys.function([first], s)
    assert f([1, 2, 3]).tolist() == [1, 2]
    with pytest.raises((ValueError, IndexError)):
        f([1, 2])
    with pytest.raises(ValueError, match="has 2 rows, the taps"):
        phintys.scan(lambda a: a, None, {"initial": np.zeros(2), "taps": [-3]}, n_steps=2)


def test_outputs_that_feed_back_and_others_in_any_order():
    x, a0, b0 = T.vector("x"), T.scalar("a0"), T.vector("b0")

    def step(e, a, b2, b1, c):
        return [a + e, e * c, b1 + b2, a]

    infos = [a0, None, {"initial": b0, "taps": [-2, -1]}, None]
    outs, _ = phintys.scan(step, x, infos, 10.0)
    assert isinstance(outs, list) and len(outs) == 4
    got = run([x, a0, b0], outs, [1, 2, 3], 5, [1, 1])
    assert [g.tolist() for g in got] == [[6, 8, 11], [10, 20, 30], [2, 3, 5], [5, 6, 8]]


def test_errors_of_outputs_info():
    x = T.vector("x")
    with pytest.raises(ValueError, match="Please provide None as outputs_info for any output"):
        phintys.scan(lambda e, s: [s + e, e], x, [T.scalar()])
    with pytest.raises(ValueError, match="you need to provide a initial state"):
        phintys.scan(lambda e: e, x, [{"taps": [-1]}])
    with pytest.raises(ValueError, match="Can not use future taps of outputs"):
        phintys.scan(lambda e, s: e, x, [{"initial": x, "taps": [1]}])
    with pytest.raises(ValueError, match="Using `return_steps` has been deprecated"):
        phintys.scan(lambda e, s: e, x, [{"initial": x, "return_steps": 1}])
    with pytest.raises(IndexError, match="is a scalar"):
        phintys.scan(lambda e: e, T.scalar())


def test_errors_of_types_of_states():
    x = T.fvector("x")
    with pytest.raises(
        ValueError,
        match=r"When compiling the inner function of scan the .* of variable s0 "
        r"\(argument number 1\) has dtype float32, while the result of the inner function "
        r"\(`fn`\) has dtype float64",
    ):
        phintys.scan(lambda e, s: s + T.cast(e, "float64"), x, T.fscalar("s0"))
    with pytest.raises(
        ValueError,
        match=r"of variable s0 \(argument number 1\) has 1 dimension\(s\), while .* has 1",
    ):
        phintys.scan(lambda e, s: s + T.fvector(), x, T.fscalar("s0"))
    with pytest.raises(TypeError, match=r"The broadcast pattern of the output of scan .* axis 0"):
        phintys.scan(
            lambda s: s + x.dimshuffle(0, "x"), None, T.zeros((1, 3), "float32"), n_steps=2
        )
    # The remedy that the documentation names.
    m = T.fmatrix("m")
    initial = T.unbroadcast(T.zeros((1, 3), "float32"), 0)
    s, _ = phintys.scan(lambda s: s + m, None, initial, n_steps=2)
    np.testing.assert_array_equal(run([m], s, np.ones((1, 3), "float32"))[1], [[2, 2, 2]])
    with pytest.raises((ValueError, RuntimeError)):
        run([m], s, np.ones((2, 3), "float32"))


def test_numbers_as_first_values_take_the_dtype_of_the_steps():
    coefficients, x = T.vector("coefficients"), T.scalar("x")
    for initial in (0, 0.0, {"initial": 0}):
        values, _ = phintys.scan(
            lambda c, power, so_far, x: so_far + c * x**power,
            [coefficients, T.arange(10000)],
            initial,
            x,
        )
        assert values.dtype == phintys.config.floatX
        assert run([coefficients, x], values[-1], [1, 0, 2], 3) == 19
    # One learns from the other, and a condition and an update use it.
    total = phintys.shared(0.0)
    (a, b), updates = phintys.scan(
        lambda e, a, b: ([a + e, b + a], {total: total + a}, until(a > 2)), coefficients, [0, 0]
    )
    got = run([coefficients], [a, b, updates[total]], [1.5, 1, 1, 1])
    assert [g.tolist() for g in got] == [[1.5, 2.5, 3.5], [0, 1.5, 4], 4]
    with pytest.raises(ValueError, match=r"has dtype float32, while .* dtype int64"):
        phintys.scan(lambda s: T.cast(s, "int64"), None, 0.5, n_steps=2)
    with pytest.raises(ValueError, match=r"has 1 dimension\(s\)"):
        phintys.scan(lambda s: s + coefficients, None, 0, n_steps=2)
    count, _ = phintys.scan(lambda s: s + 1, None, 5, n_steps=3)
    assert count.dtype == "int8" and count.eval().tolist() == [6, 7, 8]


# --- what fn returns --------------------------------------------------------------------------


def test_forms_of_what_a_step_returns():
    x, a = T.vector("x"), phintys.shared(0.0)
    update, stop = {a: a + 1}, until(T.constant(0))
    e2 = lambda e: e * 2  # noqa: E731
    forms = [
        lambda e: e2(e),
        lambda e: [e2(e)],
        lambda e: (e2(e),),
        lambda e: (e2(e), update),
        lambda e: ([e2(e)], list(update.items())),
        lambda e: (update, [e2(e)]),
        lambda e: (e2(e), stop),
        lambda e: ([e2(e)], update, stop),
        lambda e: (stop, update, e2(e)),
    ]
    for number, form in enumerate(forms):
        values, updates = phintys.scan(form, x)
        assert isinstance(updates, phintys.OrderedUpdates)
        assert run([x], values, [1, 2]).tolist() == [2, 4], number
        assert list(updates) == ([a] if number in (3, 4, 5, 7, 8) else [])
    values, _ = phintys.scan(forms[0], x, return_list=True)
    assert isinstance(values, list) and len(values) == 1
    values, _ = phintys.scan(lambda e: [e, e + 1], x)
    assert isinstance(values, list) and len(values) == 2
    values, updates = phintys.scan(lambda e: update, x)
    assert values is None and float(run([x], updates[a], [1, 2, 3])) == 3
    assert phintys.scan(lambda e: [], x) == (None, phintys.OrderedUpdates())
    assert run([x], phintys.scan(e2, x, return_updates=False), [3]).tolist() == [6]
    with pytest.raises(ValueError, match="return_updates=False"):
        phintys.scan(forms[3], x, return_updates=False)


def test_errors_of_what_a_step_returns():
    x = T.vector("x")
    for wrong in (lambda e: 1.0, lambda e: None, lambda e: [e, 2], lambda e: np.zeros(2)):
        with pytest.raises(ValueError, match="may only be made of lists, tuples, or dictionaries"):
            phintys.scan(wrong, x)
    for wrong in (lambda e: (e, [[e]]), lambda e: (e, e, {}, {}), lambda e: ([e], [e], [e])):
        with pytest.raises(ValueError, match="Scan cannot parse the return value"):
            phintys.scan(wrong, x)
    with pytest.raises(TypeError, match="update target must be a SharedVariable"):
        phintys.scan(lambda e: (e, {T.scalar(): e}), x)
    with pytest.raises(AssertionError, match="the condition must be a scalar"):
        until(x)


def test_outputs_that_are_arguments_constants_or_the_same_twice():
    x, w = T.vector("x"), T.vector("w")
    outs, _ = phintys.scan(
        lambda e, s: [s, e, e, T.constant(3.0), w, s], x, [T.scalar("s"), *[None] * 5]
    )
    got = run(
        [x, w, outs[0].owner.inputs[0].owner.inputs[1].owner.inputs[0]], outs, [1, 2], [5, 6], 7
    )
    assert [g.tolist() for g in got] == [
        [7, 7], [1, 2], [1, 2], [3, 3], [[5, 6], [5, 6]], [7, 7],
    ]  # fmt: skip


# --- until ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "float32", "bool"])
def test_until_counts_its_step_and_applies_to_all_outputs(dtype):
    x, limit = T.vector("x"), T.scalar("limit")

    def step(e, a, b2, b1):
        return [a + e, e * 2, b1 + b2], until(T.cast(a + e >= limit, dtype))

    outs, _ = phintys.scan(
        step, x, [np.float64(0), None, {"initial": np.array([1.0, 1.0]), "taps": [-2, -1]}]
    )
    f = phintys.function([x, limit], outs)
    for limit_value, steps in ((4, 3), (100, 5), (-1, 1)):
        a, e, b = f([1, 2, 3, 4, 5], limit_value)
        assert a.tolist() == [1, 3, 6, 10, 15][:steps]
        assert e.tolist() == [2, 4, 6, 8, 10][:steps]
        assert b.tolist() == [2, 3, 5, 8, 13][:steps]
    assert [v.shape for v in f([], 3)] == [(0,), (0,), (0,)]


def test_until_and_updates():
    count = phintys.shared(0)
    x = T.vector("x")
    values, updates = phintys.scan(lambda e: (e, {count: count + 1}, until(e > 2)), x)
    f = phintys.function([x], values, updates=updates)
    assert f([1, 2, 3, 4]).tolist() == [1, 2, 3] and int(count.get_value()) == 3


# --- shared variables and other variables from outside ------------------------------------------


def test_default_updates_inside():
    a = phintys.shared(1.0)
    a.default_update = a * 2
    x = T.vector("x")
    values, updates = phintys.scan(lambda e: e + a, x)
    assert list(updates) == [a]
    assert run([x], values, [0, 0, 0], updates=updates).tolist() == [1, 2, 4]
    assert float(a.get_value()) == 8


def test_a_variable_that_is_only_read_is_constant():
    w = phintys.shared(2.0)
    x = T.vector("x")
    values, updates = phintys.scan(lambda e, s: s * w + e, x, np.float64(0))
    assert not updates
    f = phintys.function([x], values)
    assert f([1, 1, 1]).tolist() == [1, 3, 7]
    w.set_value(3.0)
    assert f([1, 1, 1]).tolist() == [1, 4, 13]


def test_expressions_of_the_outside_enter_whole():
    x, W = T.vector("x"), T.matrix("W")
    inverse = T.nlinalg.matrix_inverse(W)
    values, _ = phintys.scan(lambda e: (e * inverse).sum(), x)
    node = _loop_of(values)
    assert any(v is inverse for v in node.inputs)
    assert not any(
        "nverse" in str(n.op) for n in phintys.gof.graph.io_toposort([], node.op.outputs)
    )
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(
        run([x, W], values, [1, 2], a), np.linalg.inv(a).sum() * np.array([1, 2])
    )


def test_small_constants_stay_inside_and_large_ones_do_not():
    x = T.vector("x")
    values, _ = phintys.scan(
        lambda e: e * 2.0 + np.arange(1000.0).sum() + T.constant([1.0, 2.0]), x
    )
    assert len(_loop_of(values).inputs) == 2
    large = np.arange(1000.0)
    values, _ = phintys.scan(lambda e: T.dot(T.constant(large), e * T.ones(1000)), x)
    assert run([x], values, [1, 2]).tolist() == [large.sum(), 2 * large.sum()]


def _loop_of(v):
    return next(n for n in phintys.gof.graph.io_toposort([], [v]) if isinstance(n.op, Scan))


def test_non_sequences_are_constant_even_if_their_variables_change_inside():
    a = phintys.shared(1.0)
    double = a * 2
    listed, updates = phintys.scan(lambda d: (d, {a: a + 1}), non_sequences=double, n_steps=3)
    assert run([], listed, updates=None).tolist() == [2, 2, 2]
    found, updates = phintys.scan(lambda: (double, {a: a + 1}), n_steps=3)
    assert run([], found, updates=updates).tolist() == [2, 4, 6]
    assert float(a.get_value()) == 4


def test_sparse_matrices_in_a_loop():
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    from phintys import sparse

    s, x = sparse.csr_matrix("s", dtype="float64"), T.vector("x")
    value = scipy_sparse.random(4, 4, 0.5, "csr", random_state=1)
    first = np.arange(4.0)
    expected = [value @ first, value @ (value @ first)]
    for non_sequences in (None, s):
        rows, _ = phintys.scan(lambda r, *_: sparse.dot(s, r), None, x, non_sequences, n_steps=2)
        np.testing.assert_allclose(run([s, x], rows, value, first), expected, rtol=1e-12)
    rows, _ = phintys.scan(lambda r, m: sparse.dot(m, r), None, x, value, n_steps=2)
    np.testing.assert_allclose(run([x], rows, first), expected, rtol=1e-12)
    # Gradients have entries where the matrix has them.
    rows, _ = phintys.scan(lambda r: T.tanh(sparse.dot(s, r)), None, x, n_steps=3)
    slopes, slope = run([s, x], T.grad(rows[-1].sum(), [s, x]), value, first)
    dense = T.matrix("dense")
    rows, _ = phintys.scan(lambda r: T.tanh(T.dot(dense, r)), None, x, n_steps=3)
    want, want_x = run([dense, x], T.grad(rows[-1].sum(), [dense, x]), value.toarray(), first)
    np.testing.assert_allclose(slopes.toarray(), want * (value.toarray() != 0), rtol=1e-10)
    np.testing.assert_allclose(slope, want_x, rtol=1e-10)
    with pytest.raises(TypeError, match="cannot be sparse"):
        phintys.scan(lambda r: r, s)


def test_nested_loops():
    A, x = T.matrix("A"), T.vector("x")

    def outer(row, total):
        inner, _ = phintys.scan(lambda e, s: s * e + total, row, T.constant(1.0, dtype="float64"))
        return total + inner[-1] * x.sum()

    totals, _ = phintys.scan(outer, A, np.float64(0))
    value, w = rng.normal(size=(4, 3)), rng.normal(size=2)
    expected, total = [], 0.0
    for row in value:
        s = 1.0
        for e in row:
            s = s * e + total
        total += s * w.sum()
        expected.append(total)
    np.testing.assert_allclose(run([A, x], totals, value, w), expected, rtol=1e-10)


def test_nested_loops_with_random_numbers():
    srng = RandomStreams(5)

    def outer():
        rows, updates = phintys.scan(lambda: srng.uniform(()), n_steps=3)
        return rows, updates

    values, updates = phintys.scan(outer, n_steps=2)
    state = srng.state_updates[0][0].get_value()
    assert len(updates) == 1
    f = phintys.function([], values, updates=updates)
    for _ in range(2):
        np.testing.assert_array_equal(f(), state.uniform(size=(2, 3)))


# --- the node, the function -------------------------------------------------------------------


def test_the_op_and_its_names():
    x = T.vector("x")
    values, _ = phintys.scan(lambda e, s: e + s, x, T.scalar("s0"), name="adder")
    op = _loop_of(values).op
    assert isinstance(op, Scan) and str(op) == "Scan{adder}"
    assert [v.name for v in op.inputs] == ["s0[t-1]", "x[t]"]
    assert len(op.outputs) == 1 and op.n_seqs == 1 and op.state_taps == [[-1]]
    assert not op.as_while and op.truncate_gradient == -1
    again = phintys.scan(lambda e, s: e + s, x, T.scalar("s0"), name="adder")[0]
    assert _loop_of(again).op == op and hash(_loop_of(again).op) == hash(op)
    taps, _ = phintys.scan(lambda a, b, c: a, {"input": x, "taps": [-2, 0, 1]})
    assert [v.name for v in _loop_of(taps).op.inputs] == ["x[t-2]", "x[t]", "x[t+1]"]


def test_the_signature_is_theanos():
    names = list(inspect.signature(phintys.scan).parameters)
    assert (
        names[:13]
        == (
            "fn sequences outputs_info non_sequences n_steps truncate_gradient go_backwards mode "
            "name profile allow_gc strict return_list"
        ).split()
    )
    assert phintys.scan_module.scan is phintys.scan
    assert phintys.scan.until is until and phintys.scan_module.scan_utils.until is until


def test_module_paths_of_theano_pymc():
    import phintys.scan.utils
    from phintys.scan import until as from_package
    from phintys.scan.op import Scan as op_class

    assert callable(phintys.scan) and from_package is until and op_class is Scan
    assert phintys.scan.utils.until is until


def test_modules_that_functions_hide_do_not_take_their_place():
    from phintys.compat import install_theano_alias, uninstall_theano_alias

    install_theano_alias()
    try:
        import theano
        import theano.compile.function
        import theano.scan.utils
        import theano.scan_module.scan
        from theano.scan_module.scan_utils import until as theanos

        assert theanos is until and theano.scan is phintys.scan_module.scan
    finally:
        uninstall_theano_alias()
    for function in (phintys.scan, phintys.scan_module.scan, phintys.compile.function):
        assert inspect.isfunction(function)


def test_loops_pickle():
    x = T.vector("x")
    values, _ = phintys.scan(lambda e, s: (e + s, until(s > 3)), x, np.float64(0))
    x, values = pickle.loads(pickle.dumps([x, values]))
    assert isinstance(_loop_of(values).op, Scan)
    assert run([x], values, [1, 2, 3, 4, 5]).tolist() == [1, 3, 6, 10]


def test_all_modes():
    x = T.vector("x")
    values, _ = phintys.scan(
        lambda e, a, b: T.tanh(a * e) + b, x, {"initial": x[:2], "taps": [-1, -2]}
    )
    results = [
        phintys.function([x], values, mode=mode)([0.5, 0.25, 2.0])
        for mode in (None, "FAST_RUN", "FAST_COMPILE", phintys.Mode(optimizer=None))
    ]
    for r in results[1:]:
        np.testing.assert_allclose(r, results[0], rtol=1e-12)


def test_clone_and_givens_replace_what_a_loop_uses():
    x, w, v = T.vector("x"), T.scalar("w"), T.scalar("v")
    values, _ = phintys.scan(lambda e: e * w, x)
    assert run([x, v], phintys.clone(values, {w: v + 1}), [1, 2], 2).tolist() == [3, 6]
    f = phintys.function([x], values, givens={w: np.float64(5)})
    assert f([1, 2]).tolist() == [5, 10]


def test_test_values():
    with phintys.change_flags(compute_test_value="raise"):
        x, w = T.matrix("x"), T.scalar("w")
        x.tag.test_value = np.arange(6.0).reshape(3, 2)
        w.tag.test_value = 2.0
        seen = []

        def step(prev, row, state, w):
            seen.extend([prev.tag.test_value, row.tag.test_value, (state * w).tag.test_value])
            return state + row * w

        values, _ = phintys.scan(step, {"input": x, "taps": [-1, 0]}, T.ones_like(x[0]), w)
        assert [s.tolist() for s in seen] == [[0, 1], [2, 3], [2, 2]]
        assert values.tag.test_value.tolist() == [[5, 7], [13, 17]]
        y = T.vector("y")
        with pytest.raises(ValueError, match="missing default value"):
            phintys.scan(lambda e: (e + 1).tag.test_value, y)

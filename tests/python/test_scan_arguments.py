"""Random combinations of the arguments of scan against a loop in Python."""

from dataclasses import dataclass

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from phintys.scan_module import until

SHAPES = [(), (2,), (2, 3)]
MODES = ["FAST_RUN", "FAST_RUN", "FAST_COMPILE", phintys.Mode(optimizer=None)]


@dataclass
class Case:
    """One set of arguments; values are made from `seed`."""

    sequences: list  # (length, row shape, taps or None, stride)
    outputs: list  # (row shape, taps or None: does not feed back)
    constants: list  # shapes
    captured: list  # shapes
    limit: float | None  # of the sum of the first output, for until
    counts: bool  # whether a shared variable counts the steps
    backwards: bool
    n_steps: int | None
    symbolic_steps: bool
    seed: int
    mode: object
    truncate: int

    def reach(self, taps):
        return -min(taps)

    def length(self):
        """How many steps the sequences are long enough for; None without sequences."""
        lengths = []
        for n, _, taps, _ in self.sequences:
            taps = taps or [0]
            lengths.append(max(0, n - max([*taps, 0]) + min([*taps, 0])))
        return min(lengths) if lengths else None


@st.composite
def cases(draw):
    shapes = st.sampled_from(SHAPES)
    seq_taps = st.none() | st.lists(st.integers(-2, 2), min_size=1, max_size=3)
    state_taps = st.none() | st.lists(st.integers(-3, -1), min_size=1, max_size=3)
    sequences = draw(
        st.lists(
            st.tuples(st.integers(0, 9), shapes, seq_taps, st.sampled_from([1, 2, -1])), max_size=3
        )
    )
    outputs = draw(st.lists(st.tuples(shapes, state_taps), min_size=1, max_size=4))
    n_steps = draw(st.integers(0, 6) if not sequences else st.none() | st.integers(0, 6))
    return Case(
        sequences=sequences,
        outputs=outputs,
        constants=draw(st.lists(shapes, max_size=2)),
        captured=draw(st.lists(shapes, max_size=2)),
        limit=draw(st.none() | st.floats(-1.0, 1.5)),
        counts=draw(st.booleans()),
        backwards=draw(st.booleans()),
        n_steps=n_steps,
        symbolic_steps=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
        mode=draw(st.sampled_from(MODES)),
        truncate=draw(st.sampled_from([-1, 2])),
    )


def mixed(tanh, arguments, shape, weights):
    """An expression of one shape of all arguments, the same for NumPy and for variables."""
    total = 0.1
    for w, (own, a) in zip(weights, arguments, strict=False):
        total = total + w * (a if own == shape else a.sum())
    if shape and not any(own == shape for own, _ in arguments):
        total = total + np.zeros(shape)
    return tanh(total)


def values_of(case):
    rng = np.random.default_rng(case.seed)
    sequences = []
    for n, shape, _, stride in case.sequences:
        wide = rng.normal(size=(n * abs(stride), *shape))
        sequences.append(wide[::stride])
    initial = []
    for shape, taps in case.outputs:
        if taps is not None:
            rows = 1 if taps == [-1] else case.reach(taps) + int(rng.integers(0, 2))
            initial.append(rng.normal(size=shape if taps == [-1] else (rows, *shape)))
    fixed = [rng.normal(size=s) for s in case.constants + case.captured]
    weights = rng.normal(size=(len(case.outputs), 64)) * 0.5
    return sequences, initial, fixed, weights


def in_python(case):
    """Rows of each output that the loop computes, and how many steps it ran."""
    sequences, initial, fixed, weights = values_of(case)
    n = case.n_steps if case.n_steps is not None else case.length()
    traces, first = [], iter(initial)
    for _, taps in case.outputs:
        if taps is None:
            traces.append([])
        else:
            rows = next(first)
            traces.append([rows] if taps == [-1] else list(rows[: case.reach(taps)]))
    starts = [len(t) for t in traces]
    ran = 0
    for t in range(n):
        arguments = []
        for (_, shape, taps, _), x in zip(case.sequences, sequences, strict=True):
            taps = taps or [0]
            first_time = -min([*taps, 0])
            time = len(x) - 1 - max([*taps, 0]) - t if case.backwards else first_time + t
            arguments += [(shape, x[time + k]) for k in taps]
        for (shape, taps), trace in zip(case.outputs, traces, strict=True):
            arguments += [(shape, trace[k]) for k in taps or []]
        arguments += zip(case.constants + case.captured, fixed, strict=True)
        if case.counts:
            arguments.append(((), np.float64(t)))
        new = [
            mixed(np.tanh, arguments, shape, w)
            for (shape, _), w in zip(case.outputs, weights, strict=True)
        ]
        for trace, row in zip(traces, new, strict=True):
            trace.append(row)
        ran += 1
        if case.limit is not None and new[0].sum() > case.limit:
            break
    return [
        np.array(trace[start:]).reshape(ran, *shape)
        for trace, start, (shape, _) in zip(traces, starts, case.outputs, strict=True)
    ], ran


def variable(shape, rows=False):
    return T.TensorType("float64", (False,) * (len(shape) + rows))()


def by_scan(case):
    """The function of the loop, its arguments, and the shared variable that counts steps."""
    sequences, initial, fixed, weights = values_of(case)
    xs = [variable(shape, True) for _, shape, _, _ in case.sequences]
    fs = [variable(shape) for shape in case.constants + case.captured]
    outside = fs[len(case.constants) :]
    counter = phintys.shared(0.0)
    infos, states = [], []
    for shape, taps in case.outputs:
        if taps is None:
            infos.append(None)
            continue
        states.append(variable(shape, taps != [-1]))
        infos.append(states[-1] if taps == [-1] else {"initial": states[-1], "taps": taps})

    def step(*args):
        shapes = [shape for _, shape, taps, _ in case.sequences for _ in taps or [0]]
        shapes += [shape for shape, taps in case.outputs for _ in taps or []]
        arguments = list(zip([*shapes, *case.constants], args, strict=True))
        arguments += zip(case.captured, outside, strict=True)
        if case.counts:
            arguments.append(((), counter))
        new = [
            mixed(T.tanh, arguments, shape, w)
            for (shape, _), w in zip(case.outputs, weights, strict=True)
        ]
        result = (new, {counter: counter + 1} if case.counts else {})
        return result if case.limit is None else (*result, until(new[0].sum() > case.limit))

    n = T.lscalar()
    outputs, updates = phintys.scan(
        step,
        [
            {"input": x, "taps": taps} if taps is not None else x
            for x, (_, _, taps, _) in zip(xs, case.sequences, strict=True)
        ],
        infos,
        fs[: len(case.constants)],
        n_steps=n if case.symbolic_steps and case.n_steps is not None else case.n_steps,
        go_backwards=case.backwards,
        truncate_gradient=case.truncate,
        return_list=True,
    )
    f = phintys.function(
        [*xs, *states, *fs, n], outputs, updates=updates, mode=case.mode, on_unused_input="ignore"
    )
    return f, [*sequences, *initial, *fixed, case.n_steps or 0], counter


@settings(max_examples=250, deadline=None)
@given(cases())
def test_values(case):
    f, arguments, counter = by_scan(case)
    length = case.length()
    if case.n_steps is not None and length is not None and case.n_steps > length:
        event("too short")
        with pytest.raises(ValueError, match="Sequence is shorter"):
            f(*arguments)
        assert counter.get_value() == 0
        return
    expected, ran = in_python(case)
    for call in range(2):
        counter.set_value(0)
        got = f(*arguments)
        for a, b in zip(got, expected, strict=True):
            assert a.shape == b.shape, call
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        assert counter.get_value() == (ran if case.counts else 0)

"""Random index expressions against NumPy: reading, storing, adding, and their gradients."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from op_checks import variable

SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


class Symbolic:
    """Part of an index that is an input of the function."""

    def __init__(self, value):
        self.value = np.asarray(value)


@st.composite
def slices(draw, length):
    def part(low, high):
        n = draw(st.none() | st.integers(low, high))
        return Symbolic(n) if n is not None and draw(st.booleans()) else n

    step = draw(st.sampled_from([None, 1, 2, -1, -2, 3]))
    if step is not None and draw(st.booleans()):
        step = Symbolic(step)
    return slice(part(-length - 2, length + 2), part(-length - 2, length + 2), step)


@st.composite
def indices(draw, shape):
    """An index of an array of that shape, its arrays mutually broadcastable."""
    common = draw(st.lists(st.integers(0, 3), min_size=1, max_size=2))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    entries = []
    axis = 0
    # A mask among arrays broadcasts as a vector: it gets as many true elements as that needs.
    while axis < len(shape):
        kind = draw(
            st.sampled_from(["int", "slice", "slice", "array", "array", "mask", "none", "stop"])
        )
        length = shape[axis]
        if kind == "stop":
            break
        if kind == "none":
            if len(entries) < 6:
                entries.append(None)
            continue
        if kind == "int":
            if length == 0:
                break
            value = draw(st.integers(-length, length - 1))
            entries.append(draw(st.sampled_from([value, Symbolic(value)])))
        elif kind == "slice":
            entries.append(draw(slices(length)))
        elif kind == "array":
            form = [1 if draw(st.integers(0, 3)) == 0 else n for n in common]
            form = form[draw(st.integers(0, len(form) - 1)) :]
            if length == 0:
                form = [0 if n == common[-1] else n for n in form] if common[-1] == 0 else form
                if 0 not in form:
                    break
            value = rng.integers(-length, max(length, 1), form)
            value = value.astype(draw(st.sampled_from(["int64", "int32", "int8"])))
            entries.append(draw(st.sampled_from([value, Symbolic(value)])))
        else:
            span = draw(st.integers(1, min(2, len(shape) - axis)))
            mask = np.zeros(shape[axis : axis + span], bool)
            others = any(isinstance(getattr(e, "value", e), np.ndarray) for e in entries)
            if others or draw(st.booleans()):
                n = common[-1]
                if mask.size < n:
                    break
                mask.ravel()[rng.permutation(mask.size)[:n]] = True
                common = [*common[:-1], n]
            else:
                mask = rng.random(mask.shape) < 0.5
                common = [int(mask.sum())]
            entries.append(draw(st.sampled_from([mask, Symbolic(mask)])))
            axis += span - 1
        axis += 1
    if draw(st.booleans()) and len(entries) <= len(shape):
        entries.insert(draw(st.integers(0, len(entries))), Ellipsis)
    return tuple(entries)


shapes = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)
cases = shapes.flatmap(lambda shape: st.tuples(st.just(shape), indices(shape)))


def resolved(index):
    """(concrete index, symbolic index, input variables, their values)"""
    variables, values = [], []

    def symbol(part):
        if not isinstance(part, Symbolic):
            return part
        v = variable(part.value)
        variables.append(v)
        values.append(part.value)
        return v

    def concrete(part):
        if not isinstance(part, Symbolic):
            return part
        return part.value if part.value.ndim else int(part.value)

    def each(entry, f):
        if isinstance(entry, slice):
            return slice(f(entry.start), f(entry.stop), f(entry.step))
        return f(entry)

    return (
        tuple(each(e, concrete) for e in index),
        tuple(each(e, symbol) for e in index),
        variables,
        values,
    )


def function(inputs, outputs, mode=None):
    return phintys.function(inputs, outputs, mode=mode, on_unused_input="ignore")


def numpy_refuses(x, concrete, symbolic, ks, values):
    """True if NumPy has no such element; Phintys must then fail with the same kind of error."""
    try:
        x[concrete]
    except IndexError:
        v = variable(x)
        with pytest.raises(IndexError):
            function([v, *ks], v[symbolic])(x, *values)
        return True
    return False


def same(got, want):
    assert got.shape == want.shape and got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@SETTINGS
@given(cases, st.sampled_from(["float64", "float32", "int64", "int8", "bool", "float16"]))
def test_reading(case, dtype):
    shape, index = case
    concrete, symbolic, ks, values = resolved(index)
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    if numpy_refuses(x, concrete, symbolic, ks, values):
        return
    want = x[concrete]
    v = variable(x)
    out = v[symbolic]
    assert out.ndim == want.ndim
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        f = function([v, *ks], [out, out.shape], mode)
        for form in (x, np.asfortranarray(x), x.repeat(2, axis=-1)[..., ::2]):
            got, got_shape = f(form, *values)
            same(got, want)
            assert tuple(got_shape) == want.shape


@SETTINGS
@given(cases, st.integers(0, 3), st.sampled_from(["float64", "float32", "int32", "int8"]))
def test_storing_and_adding(case, form, dtype):
    shape, index = case
    concrete, symbolic, ks, values = resolved(index)
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    if numpy_refuses(x, concrete, symbolic, ks, values):
        return
    region = x[concrete].shape
    rng = np.random.default_rng(form)
    y_shape = [region, region[1:], (), tuple(1 if i % 2 else n for i, n in enumerate(region))][form]
    y = rng.integers(-20, 20, y_shape).astype(dtype)
    v = variable(x)
    pattern = [n == 1 for n in y_shape]
    w = variable(y, pattern)
    part = v[symbolic]
    if any(
        b and not p for b, p in zip(part.broadcastable[part.ndim - w.ndim :], pattern, strict=True)
    ):
        return
    f = function([v, w, *ks], [T.set_subtensor(part, w), T.inc_subtensor(part, w)])
    stored, added = f(x, y, *values)
    want = x.copy()
    want[concrete] = y
    same(stored, want)
    want = x.copy()
    np.add.at(want, concrete, y)
    same(added, want)


@SETTINGS
@given(cases)
def test_gradients(case):
    shape, index = case
    concrete, symbolic, ks, values = resolved(index)
    rng = np.random.default_rng(1)
    x = rng.normal(size=shape)
    if numpy_refuses(x, concrete, symbolic, ks, values):
        return
    w = rng.normal(size=x[concrete].shape)
    y = rng.normal(size=w.shape)
    v, u = variable(x), variable(w)
    t = variable(y, [n == 1 for n in y.shape])
    part = v[symbolic]
    # Of reading: each element gets what its copies get.
    cost = (part * u).sum()
    g = function([v, u, *ks], T.grad(cost, v))(x, w, *values)
    want = np.zeros(shape)
    np.add.at(want, concrete, w)
    np.testing.assert_allclose(g, want, rtol=1e-12, atol=1e-13)
    # Of the gradient of a square: twice the elements, a gradient of a gradient.
    inner = T.grad((part**2 * u).sum(), v)
    again = T.grad((inner * inner).sum(), v)
    got = function([v, u, *ks], again)(x, w, *values)
    np.testing.assert_allclose(got, 8 * want**2 * x, rtol=1e-10, atol=1e-11)
    # Of adding: the whole gradient to x, the part to y.
    if any(b and not p for b, p in zip(part.broadcastable, t.broadcastable, strict=True)):
        return
    weights = rng.normal(size=shape)
    cost = (T.inc_subtensor(part, t) * weights).sum()
    gx, gy = function([v, t, *ks], T.grad(cost, [v, t]))(x, y, *values)
    np.testing.assert_allclose(gx, weights)
    np.testing.assert_allclose(gy, weights[concrete])
    # Of storing: nothing to what was overwritten.
    cost = (T.set_subtensor(part, t) * weights).sum()
    gx, gy = function([v, t, *ks], T.grad(cost, [v, t]))(x, y, *values)
    kept = weights.copy()
    kept[concrete] = 0
    np.testing.assert_allclose(gx, kept)
    np.testing.assert_allclose(gy, weights[concrete])


@SETTINGS
@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.data())
def test_out_of_range_is_an_index_error(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    length = shape[axis]
    bad = data.draw(st.sampled_from([length, -length - 1, 2**40, -(2**62)]))
    as_array = data.draw(st.booleans())
    x = np.zeros(shape)
    v, k = variable(x), (T.lvector() if as_array else T.lscalar())
    value = np.array([0] * (length > 0) + [bad]) if as_array else bad
    index = (slice(None),) * axis + (k,)
    part = v[index]
    for out in (part, T.set_subtensor(part, 1.0), T.inc_subtensor(part, 1.0)):
        with pytest.raises(
            IndexError,
            match=rf"index {bad} is out of bounds for axis {axis} with "
            rf"size {length}",
        ):
            phintys.function([v, k], out)(x, value)

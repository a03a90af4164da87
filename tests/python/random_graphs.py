"""Random graphs: a list of small instructions builds variables and their NumPy values together.

An instruction is a tuple of integers, so that hypothesis can shrink a graph that fails. Operands
are chosen among the values there are; an instruction that does not fit does something near it.
"""

import numpy as np
import phintys.tensor as T
from hypothesis import strategies as st

INSTRUCTION = st.tuples(*[st.integers(0, 255)] * 4)
PROGRAM = st.lists(INSTRUCTION, min_size=1, max_size=14)

# Integers and their float copies: every op below is exact on them, so that values must be equal.
LIMIT = 300


class Value:
    def __init__(self, var, array):
        self.var, self.array = var, np.asarray(array)
        assert var.ndim == self.array.ndim, (var.type, self.array.shape)
        assert var.dtype == self.array.dtype.name, (var.type, self.array.dtype)
        for fixed, n in zip(var.broadcastable, self.array.shape, strict=True):
            assert not fixed or n == 1


def variable(array, pattern=None):
    return T.TensorType(array.dtype.name, pattern or (False,) * array.ndim)()


def compatible(a, b):
    """Whether the two broadcast: length 1 must be known from the type."""
    for i in range(1, min(a.var.ndim, b.var.ndim) + 1):
        m, n = a.array.shape[-i], b.array.shape[-i]
        fixed = (a.var.broadcastable[-i], b.var.broadcastable[-i])
        if m != n and not (m == 1 and fixed[0]) and not (n == 1 and fixed[1]):
            return False
    return True


def fit(a, b):
    """`b`, or the first of its elements, so that it broadcasts against `a`."""
    if compatible(a, b):
        return b
    index = (0,) * b.array.ndim
    if 0 in b.array.shape:
        return Value(b.var.sum(), b.array.sum())
    return Value(b.var[index], b.array[index])


def number(v):
    """`v`, but not bool: bool has no difference and no negative."""
    return v if v.var.dtype != "bool" else Value(T.cast(v.var, "int8"), v.array.astype("int8"))


def promoted(*values):
    return np.result_type(*[np.empty(1, v.array.dtype) for v in values])


def numpy_of(f, *values):
    dtype = promoted(*values)
    with np.errstate(all="ignore"):
        return np.asarray(f(*[v.array.astype(dtype) for v in values]))


BINARY = [
    (T.add, np.add), (T.sub, np.subtract), (T.mul, np.multiply), (T.maximum, np.maximum),
    (T.minimum, np.minimum), (T.lt, np.less), (T.eq, np.equal), (T.ge, np.greater_equal),
]  # fmt: skip
UNARY = [
    (T.neg, np.negative), (T.abs_, np.absolute), (T.sqr, np.square), (T.sgn, np.sign),
    (T.identity, np.array),
]  # fmt: skip
CASTS = ["float32", "float64", "int32", "int64", "int8", "bool"]


def binary(a, b, c, values):
    f, g = BINARY[c % len(BINARY)]
    a, b = number(a), number(fit(a, b))
    return Value(f(a.var, b.var), numpy_of(g, a, b))


def unary(a, b, c, values):
    f, g = UNARY[c % len(UNARY)]
    a = number(a)
    return Value(f(a.var), np.asarray(g(a.array)))


def cast(a, b, c, values):
    dtype = CASTS[c % len(CASTS)]
    return Value(T.cast(a.var, dtype), a.array.astype(dtype))


def constant(a, b, c, values):
    a, k = number(a), c % 7 - 3
    f, g = BINARY[b.array.size % 5]
    if c % 2:
        return Value(
            f(a.var, np.asarray(k, a.array.dtype)), g(a.array, np.asarray(k, a.array.dtype))
        )
    return Value(f(np.asarray(k, a.array.dtype), a.var), g(np.asarray(k, a.array.dtype), a.array))


def choose(a, b, c, values):
    b = fit(a, b)
    other = fit(b, fit(a, values[c % len(values)]))
    shape = np.broadcast_shapes(a.array.shape, b.array.shape)
    if np.broadcast_shapes(shape, other.array.shape) != shape:
        other = b
    dtype = promoted(b, other)
    got = np.where(a.array.astype(bool), b.array.astype(dtype), other.array.astype(dtype))
    return Value(T.switch(a.var, b.var, other.var), got)


def reduction(a, b, c, values):
    kinds = [("sum", np.sum), ("max", np.max), ("min", np.min), ("any", np.any), ("all", np.all),
             ("argmax", np.argmax), ("sum", np.sum)]  # fmt: skip
    kind, f = kinds[c % len(kinds)]
    if a.array.size == 0 and kind in ("max", "min", "argmax"):
        kind, f = "sum", np.sum
    axes = [None, *range(a.array.ndim)]
    axis = axes[b.array.size % len(axes)]
    keep = bool(c % 3 == 0)
    a = number(a) if kind != "any" else a
    return Value(
        getattr(T, kind)(a.var, axis=axis, keepdims=keep),
        np.asarray(f(a.array, axis=axis, keepdims=keep)),
    )


def view(a, b, c, values):
    rank = a.array.ndim
    if not rank:
        return Value(a.var.dimshuffle("x"), a.array[None])
    kind = c % 7
    if kind == 0:
        return Value(a.var.T, a.array.T)
    if kind == 1:
        return Value(a.var[::-1], a.array[::-1])
    if kind == 2 and rank < 4:
        return Value(a.var.dimshuffle(*range(rank), "x"), a.array[..., None])
    if kind == 3 and rank < 4:
        return Value(a.var.dimshuffle("x", *range(rank)), a.array[None])
    if kind == 4 and a.array.shape[-1] > 1:
        return Value(a.var[..., 1::2], a.array[..., 1::2])
    if kind == 5 and a.array.shape[0] > 0:
        return Value(a.var[-1], a.array[-1])
    return Value(a.var.flatten(), a.array.ravel())


def gather(a, b, c, values):
    if not a.array.ndim or not a.array.shape[0]:
        return unary(a, b, c, values)
    k = np.array([c, c // 3, -1, 0]) % a.array.shape[0]
    k = k - a.array.shape[0] * (c % 2)
    return Value(a.var[k], a.array[k])


def store(a, b, c, values):
    if not a.array.ndim or a.array.shape[0] < 2:
        return unary(a, b, c, values)
    part, want = a.var[1:], a.array.copy()
    value = fit(Value(part, a.array[1:]), b)
    if np.broadcast_shapes(value.array.shape, want[1:].shape) != want[1:].shape:
        value = Value(*[x.sum() for x in (value.var, value.array)])
    if value.array.ndim and any(
        fixed and not other
        for fixed, other in zip(
            part.broadcastable[::-1], value.var.broadcastable[::-1], strict=False
        )
    ):
        return unary(a, b, c, values)
    with np.errstate(all="ignore"):
        stored = value.array.astype(a.array.dtype)
        if c % 2 and a.var.dtype != "bool":
            want[1:] += stored
            return Value(T.inc_subtensor(part, value.var), want)
    want[1:] = stored
    return Value(T.set_subtensor(part, value.var), want)


def joined(a, b, c, values):
    if not a.array.ndim:
        b = fit(a, b)
        if b.array.ndim:
            b = a
        return Value(T.stack([a.var, b.var]), np.stack([a.array, b.array]).astype(promoted(a, b)))
    if b.array.shape[1:] != a.array.shape[1:] or not b.array.ndim:
        b = a
    want = np.concatenate([a.array, b.array]).astype(promoted(a, b))
    return Value(T.concatenate([a.var, b.var]), want)


def product(a, b, c, values):
    a, b = number(a), number(b)
    if 0 in (a.array.ndim, b.array.ndim) or max(a.array.ndim, b.array.ndim) > 2:
        return binary(a, b, 2, values)
    if a.array.shape[-1] != b.array.shape[0]:
        if a.array.ndim != 2:
            return binary(a, a, 2, values)
        b = Value(a.var.T, a.array.T)
    return Value(T.dot(a.var, b.var), np.dot(a.array, b.array))


STEPS = [binary, binary, binary, unary, cast, constant, choose, reduction, view, gather, store,
         joined, product]  # fmt: skip


def bounded(value):
    """Keeps magnitudes small enough for float32 to be exact and for int8 not to wrap."""
    limit = 100 if value.var.dtype == "int8" else LIMIT
    if value.var.dtype == "bool" or not value.array.size or np.abs(value.array).max() <= 30:
        return value
    low, high = (
        np.asarray(-limit // 10, value.array.dtype),
        np.asarray(limit // 10, value.array.dtype),
    )
    return Value(T.clip(value.var, low, high), np.clip(value.array, low, high))


def inputs(rng):
    """Values of several dtypes, ranks and broadcast patterns."""
    specs = [
        ("float64", (4, 3), None), ("float32", (4, 3), None), ("int32", (1, 3), (True, False)),
        ("float64", (4, 1), (False, True)), ("int8", (3,), None), ("float32", (), None),
        ("bool", (4, 3), None), ("int64", (2, 4, 3), None), ("float64", (3, 4), None),
        ("float64", (0, 3), None),
    ]  # fmt: skip
    out = []
    for dtype, shape, pattern in specs:
        array = np.asarray(rng.integers(0 if dtype == "bool" else -3, 4, shape)).astype(dtype)
        out.append(Value(variable(array, pattern), array))
    return out


def build(program, rng):
    """(inputs, all values) of a program."""
    start = inputs(rng)
    values = list(start)
    for code, i, j, c in program:
        # The latest values most often, so that graphs grow deep.
        a = values[-1 - i % len(values)] if i % 3 else values[-1]
        step = STEPS[code % len(STEPS)]
        values.append(bounded(step(a, values[j % len(values)], c, values)))
        if values[-1].array.size > 3000 or values[-1].array.ndim > 4:
            values[-1] = Value(values[-1].var.any(), values[-1].array.astype(bool).any())
    return start, values


# --- smooth graphs, for gradients ---------------------------------------------------------------

SMOOTH_UNARY = [T.tanh, T.sin, T.exp, T.nnet.sigmoid, T.nnet.softplus, T.sqr, T.arctan, T.erf,
                T.neg, T.cos, lambda x: T.log1p(T.sqr(x)), lambda x: T.sqrt(T.sqr(x) + 0.5),
                lambda x: 1.0 / (1.5 + T.sqr(x)), lambda x: T.log(1.0 + T.exp(x)),
                lambda x: T.exp(-x) * 0.5, lambda x: (T.sqr(x) + 0.3) ** 1.5]  # fmt: skip
SMOOTH_BINARY = [T.add, T.sub, T.mul, lambda x, y: x / (2.0 + T.sqr(y)), T.logaddexp,
                 lambda x, y: (1.1 + T.tanh(x)) ** (0.5 * y), lambda x, y: x * y + x]  # fmt: skip


def _smooth_reduction(x, c):
    axis = [None, *range(x.ndim)][c % (x.ndim + 1)]
    return [x.sum, x.mean, lambda **k: T.logsumexp(x, **k), x.var][c % 4](
        axis=axis, keepdims=c % 2 == 0
    )


def _smooth_rows(x, c):
    if x.ndim != 2:
        return T.tanh(x)
    y = [T.nnet.softmax, T.nnet.logsoftmax, lambda v: v / T.sqrt((v**2).sum(1, keepdims=True) + 1)]
    return y[c % 3](x)


def _smooth_view(x, c, n):
    if not x.ndim:
        return x.dimshuffle("x")
    if c % 6 == 0:
        return x.T
    if c % 6 == 1:
        return x[::-1]
    if c % 6 == 2:
        return x[np.array([0, 0])] * 0.5 if n else x
    if c % 6 == 3:
        return T.concatenate([x, x * 0.25])
    if c % 6 == 4:
        return T.set_subtensor(x[:1], x[:1] * x[:1]) if not x.broadcastable[0] else x
    return x.flatten()


def smooth(program, variables, arrays):
    """A scalar cost over float64 variables, kept small so that differences are exact enough."""
    values = [Value(v, a) for v, a in zip(variables, arrays, strict=True)]
    given = list(variables)
    for code, i, j, c in program:
        a = values[-1 - i % len(values)] if i % 3 else values[-1]
        b = fit(a, values[j % len(values)])
        kind = code % 7
        if kind in (0, 1):
            z = SMOOTH_UNARY[c % len(SMOOTH_UNARY)](a.var)
        elif kind in (2, 3):
            z = SMOOTH_BINARY[c % len(SMOOTH_BINARY)](a.var, b.var)
        elif kind == 4:
            z = _smooth_reduction(a.var, c)
        elif kind == 5:
            z = _smooth_rows(a.var, c)
        else:
            z = _smooth_view(a.var, c, a.array.shape[:1])
        if z.ndim > 3:
            z = z.sum()
        array = z.eval(dict(zip(given, arrays, strict=True)), on_unused_input="ignore")
        if array.size and np.abs(array).max() > 2:
            z, array = T.tanh(z * 0.5), np.tanh(array * 0.5)
        if array.size > 500:
            z, array = T.tanh(z.mean()), np.tanh(array.mean())
        values.append(Value(z, array))
    cost = sum((v.var * v.var).sum() * (0.1 + 0.07 * k) for k, v in enumerate(values[-4:]))
    return cost + sum(T.sin(v).sum() for v in variables) * 0.1

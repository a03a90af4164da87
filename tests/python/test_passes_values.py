"""What each pass does to values: stable forms at extreme arguments, and nothing else anywhere.

Expressions that a pass rewrites are evaluated with the pass and without it.
"""

import mpmath as mp
import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import config
from phintys.compile.mode import Mode, get_mode, pass_names
from scipy import special

FAST_RUN = get_mode("FAST_RUN")
STABLE = {"FAST_RUN": FAST_RUN, "FAST_COMPILE": get_mode("FAST_COMPILE")}
STABLE["unfused"] = FAST_RUN.excluding("fuse")

X = np.array([-1000.0, -750, -100, -37, -20, -1, -1e-8, -1e-20, 0, 1e-20, 1e-8, 0.5, 1, 20, 36,
              100, 700, 750, 1000, np.inf, -np.inf])  # fmt: skip
FINITE = X[np.isfinite(X)]


def run(x, expression, value, mode=None):
    xs = [v for v, _ in zip(x, value, strict=True)] if isinstance(x, list) else [x]
    values = value if isinstance(x, list) else [value]
    return phintys.function(xs, expression, mode=mode, on_unused_input="ignore")(*values)


def precise(f):
    """f computed with 700 digits, as a float64 array."""

    def g(x):
        with mp.workdps(700):
            return np.array([float(f(mp.mpf(float(v)))) for v in np.ravel(x)]).reshape(np.shape(x))

    return g


def sigmoid_mp(x):
    return 1 / (1 + mp.exp(-x))


# name: (expression, reference, what to evaluate it at)
STABLE_FORMS = {
    "log(1+exp(x))": (lambda x: T.log(1 + T.exp(x)), lambda x: mp.log(1 + mp.exp(x)), FINITE),
    "log(exp(x)+1)": (lambda x: T.log(T.exp(x) + 1), lambda x: mp.log(1 + mp.exp(x)), FINITE),
    "log1p(exp(x))": (lambda x: T.log1p(T.exp(x)), lambda x: mp.log(1 + mp.exp(x)), FINITE),
    "log1p(exp(-x))": (lambda x: T.log1p(T.exp(-x)), lambda x: mp.log(1 + mp.exp(-x)), FINITE),
    "log(1+x)": (lambda x: T.log(1 + x), lambda x: mp.log(1 + x), FINITE[(FINITE > -1)]),
    "log(1.0+x)": (lambda x: T.log(1.0 + x), lambda x: mp.log(1 + x), FINITE[(FINITE > -1)]),
    "log(1-x)": (lambda x: T.log(1 - x), lambda x: mp.log(1 - x), FINITE[(FINITE < 1)]),
    "exp(x)-1": (lambda x: T.exp(x) - 1, lambda x: mp.exp(x) - 1, FINITE[FINITE < 709]),
    "1/(1+exp(-x))": (lambda x: 1 / (1 + T.exp(-x)), sigmoid_mp, FINITE),
    "1/(1+exp(x))": (lambda x: 1 / (1 + T.exp(x)), lambda x: sigmoid_mp(-x), FINITE),
    "exp(x)/(1+exp(x))": (lambda x: T.exp(x) / (1 + T.exp(x)), sigmoid_mp, FINITE),
    "log(sigmoid)": (lambda x: T.log(T.nnet.sigmoid(x)), lambda x: mp.log(sigmoid_mp(x)), FINITE),
    "log(1-sigmoid)": (
        lambda x: T.log(1 - T.nnet.sigmoid(x)), lambda x: mp.log(sigmoid_mp(-x)), FINITE),
    "log1p(-sigmoid)": (
        lambda x: T.log1p(-T.nnet.sigmoid(x)), lambda x: mp.log(sigmoid_mp(-x)), FINITE),
    "1-sigmoid": (lambda x: 1 - T.nnet.sigmoid(x), lambda x: sigmoid_mp(-x), FINITE),
    "log of written sigmoid": (
        lambda x: T.log(1 / (1 + T.exp(-x))), lambda x: mp.log(sigmoid_mp(x)), FINITE),
    "log of sigmoid of 1.0": (
        lambda x: T.log(1.0 / (1.0 + T.exp(-x))), lambda x: mp.log(sigmoid_mp(x)), FINITE),
    "log(1-written sigmoid)": (
        lambda x: T.log(1 - 1 / (1 + T.exp(-x))), lambda x: mp.log(sigmoid_mp(-x)), FINITE),
    "softplus": (T.nnet.softplus, lambda x: mp.log(1 + mp.exp(x)), FINITE),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STABLE_FORMS))
@pytest.mark.parametrize("mode", sorted(STABLE))
def test_stable_forms(name, mode):
    expression, reference, points = STABLE_FORMS[name]
    for dtype, bound in (("float64", 2e-15), ("float32", 2e-6)):
        x = T.TensorType(dtype, (False,))()
        values = points.astype(dtype)
        if dtype == "float32":
            keep = np.abs(values) < 80 if name == "exp(x)-1" else np.ones(values.shape, bool)
            values = values[keep]
        got = run(x, expression(x), values, STABLE[mode])
        assert got.dtype == dtype
        want = precise(reference)(values)
        tiny = 1e-30 if dtype == "float32" else 1e-300
        np.testing.assert_allclose(got, want, rtol=bound, atol=tiny)
        # The same on scalars, and inside a larger expression.
        s = T.TensorType(dtype, ())()
        f = phintys.function([s], expression(s), mode=STABLE[mode])
        for v, w in zip(values, want, strict=True):
            np.testing.assert_allclose(f(v), w, rtol=bound, atol=tiny)


@pytest.mark.parametrize("name", sorted(STABLE_FORMS))
def test_gradients_of_stable_forms_are_finite_and_right(name):
    expression, reference, points = STABLE_FORMS[name]
    x = T.dvector()
    points = points[np.abs(points) < 701]
    want = precise(lambda v: mp.diff(reference, v, h=mp.mpf(10) ** -60))(points)
    for mode in STABLE.values():
        got = run(x, T.grad(expression(x).sum(), x), points, mode)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15, err_msg=str(mode))


def logits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 5))
    x[0, :] = [1000, 0, -1000, 1000, 0]
    x[1, :] = [1000, 0, 0, 0, 0]
    x[2, :] = [-1000, -1000, -2000, -1001, -1000]
    x[3, :] = 1e4
    return x, np.array([1, 0, 2, 4, 4, 3, 0, 1])


def test_logsumexp_written_out():
    x = T.dmatrix()
    values = logits()[0]
    values = np.concatenate([values, [[np.inf, 0, 0, 0, 0], [-np.inf] * 5, [0, -np.inf, 1, 2, 3]]])
    with np.errstate(all="ignore"):
        want = special.logsumexp(values, axis=1)
        finite = special.logsumexp(values[:8])
    for mode in STABLE.values():
        got = run(x, T.log(T.sum(T.exp(x), axis=1)), values, mode)
        np.testing.assert_allclose(got, want, rtol=1e-14, err_msg=str(mode))
        got = run(x, T.log(T.exp(x).sum(axis=1, keepdims=True)), values, mode)
        np.testing.assert_allclose(got, want[:, None], rtol=1e-14)
        got = run(x, T.log(T.sum(T.exp(x))), values[:8], mode)
        np.testing.assert_allclose(got, finite, rtol=1e-14)
        got = run(x, T.grad(T.log(T.exp(x).sum(axis=1)).sum(), x), values[:8], mode)
        np.testing.assert_allclose(got, special.softmax(values[:8], axis=1), atol=1e-14)


def test_log_softmax_in_every_spelling():
    x = T.dmatrix()
    values, _ = logits()
    want = special.log_softmax(values, axis=1)
    spellings = [
        T.log(T.nnet.softmax(x)),
        T.nnet.logsoftmax(x),
        T.log(T.nnet.softmax_graph(x)),
        x - T.log(T.sum(T.exp(x), axis=1, keepdims=True)),
        T.log(T.exp(x) / T.exp(x).sum(axis=1, keepdims=True)),
        T.log(T.exp(x) / T.exp(x).sum(axis=1).dimshuffle(0, "x")),
    ]
    for k, e in enumerate(spellings):
        for mode in STABLE.values():
            # A difference of large numbers, where it stays one, keeps their rounding.
            atol = 1e-11 if k == 3 else 1e-13
            np.testing.assert_allclose(
                run(x, e, values, mode), want, rtol=1e-13, atol=atol, err_msg=f"{k} {mode}"
            )
    ways = np.random.default_rng(1).normal(size=values.shape)
    for k, e in enumerate(spellings[:2]):
        got = run(x, T.grad((e * ways).sum(), x), values)
        right = ways - special.softmax(values, axis=1) * ways.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(got, right, rtol=1e-11, atol=1e-12, err_msg=str(k))


LOSSES = {
    "indexed log": lambda p, y: -T.mean(T.log(p)[T.arange(y.shape[0]), y]),
    "log of indexed": lambda p, y: -T.mean(T.log(p[T.arange(y.shape[0]), y])),
    "categorical": lambda p, y: T.nnet.categorical_crossentropy(p, y).mean(),
    "one hot": lambda p, y: -T.mean((T.log(p) * T.extra_ops.to_one_hot(y, 5)).sum(axis=1)),
    "sum": lambda p, y: -T.sum(T.log(p)[T.arange(y.shape[0]), y]) / y.shape[0],
}


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("mode", sorted(STABLE))
def test_crossentropy_idioms_at_extreme_logits(name, mode):
    values, targets = logits()
    rows = np.arange(8)
    want = -special.log_softmax(values, axis=1)[rows, targets].mean()
    one_hot = np.eye(5)[targets]
    gradient = (special.softmax(values, axis=1) - one_hot) / 8
    for dtype, target_dtype in (("float64", "int64"), ("float32", "int32"), ("float64", "int8")):
        x, y = T.TensorType(dtype, (False, False))(), T.TensorType(target_dtype, (False,))()
        b = phintys.shared(np.zeros(5, dtype))
        p = T.nnet.softmax(x + b)
        loss = LOSSES[name](p, y)
        outputs = [loss, T.grad(loss, x), T.grad(loss, b)]
        got = run(
            [x, y], outputs, [values.astype(dtype), targets.astype(target_dtype)], STABLE[mode]
        )
        bound = 1e-6 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(got[0], want, rtol=bound)
        np.testing.assert_allclose(got[1], gradient, rtol=bound, atol=bound)
        np.testing.assert_allclose(got[2], gradient.sum(axis=0), rtol=bound, atol=bound)


@pytest.mark.parametrize("mode", sorted(STABLE))
def test_binary_crossentropy_at_extreme_logits(mode):
    x, t = T.dvector(), T.dvector()
    points = np.concatenate([FINITE, FINITE])
    targets = np.repeat([0.0, 1.0], FINITE.size)
    want = np.logaddexp(0, np.where(targets == 1, -points, points))
    for p in (T.nnet.sigmoid(x), 1 / (1 + T.exp(-x))):
        spelled = -t * T.log(p) - (1 - t) * T.log(1 - p)
        for loss in (T.nnet.binary_crossentropy(p, t), spelled):
            got = run([x, t], [loss, T.grad(loss.sum(), x)], [points, targets], STABLE[mode])
            np.testing.assert_allclose(got[0], want, rtol=1e-14, atol=1e-300)
            np.testing.assert_allclose(got[1], special.expit(points) - targets, atol=1e-14)


@pytest.mark.parametrize("mode", sorted(STABLE))
def test_logistic_regression_as_tutorials_write_it(mode):
    """Separable data and huge weights: the probabilities are 0 and 1, the gradient is finite."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(20, 4)) * 1000
    start = rng.normal(size=4)
    score = data @ start + 0.5
    targets = (rng.random(20) < 0.5).astype("float64")
    x, y = T.dmatrix(), T.dvector()
    w, b = phintys.shared(start), phintys.shared(0.5)
    p = 1 / (1 + T.exp(-T.dot(x, w) - b))
    loss = -y * T.log(p) - (1 - y) * T.log(1 - p)
    cost = loss.mean() + 0.01 * (w**2).sum()
    outputs = [cost, *T.grad(cost, [w, b]), p > 0.5]
    got = run([x, y], outputs, [data, targets], STABLE[mode])
    want = np.logaddexp(0, np.where(targets == 1, -score, score)).mean() + 0.01 * (start**2).sum()
    slope = (special.expit(score) - targets) / 20
    np.testing.assert_allclose(got[0], want, rtol=1e-12)
    np.testing.assert_allclose(got[1], data.T @ slope + 0.02 * start, rtol=1e-11)
    np.testing.assert_allclose(got[2], slope.sum(), rtol=1e-11)
    np.testing.assert_array_equal(got[3], score > 0)


# Expressions that the rules of the passes are about, over well-behaved arguments.
RULES = [
    lambda x, y, m: x * 1 + 0 * y, lambda x, y, m: (x + y) - y, lambda x, y, m: x * y / y,
    lambda x, y, m: T.neg(-x) + (-y), lambda x, y, m: x + (-y), lambda x, y, m: x - (-y),
    lambda x, y, m: (-x) * (-y), lambda x, y, m: (-x) / y, lambda x, y, m: x / (1 / y),
    lambda x, y, m: T.exp(T.log(T.abs_(x))), lambda x, y, m: T.log(T.exp(x)),
    lambda x, y, m: T.sqr(T.sqrt(T.abs_(x))), lambda x, y, m: T.sqrt(T.sqr(x)),
    lambda x, y, m: x**2 + y**3, lambda x, y, m: T.abs_(x) ** 0.5, lambda x, y, m: x**-1 + y**-2,
    lambda x, y, m: x**0 + y**1, lambda x, y, m: T.abs_(x) ** y, lambda x, y, m: 2 * x * 3 * y / 2,
    lambda x, y, m: 2 + x + 3 + y - 1, lambda x, y, m: T.exp(x) * T.exp(y),
    lambda x, y, m: x * T.ones_like(y), lambda x, y, m: x + T.zeros_like(y),
    lambda x, y, m: T.second(y, x).sum(), lambda x, y, m: T.switch(T.ones_like(x) > 0, x, y),
    lambda x, y, m: T.switch(x > 0, y, y), lambda x, y, m: T.maximum(x, x) + T.minimum(y, y),
    lambda x, y, m: T.cast(T.cast(x, "float64"), "float32"), lambda x, y, m: T.eq(x, x) + x,
    lambda x, y, m: (x - x) + y, lambda x, y, m: T.sgn(x) * T.abs_(x),
    lambda x, y, m: (2 * m).sum(axis=0), lambda x, y, m: (-m).sum(), lambda x, y, m: (m * x).sum(0),
    lambda x, y, m: (m / 3.0).mean(axis=1), lambda x, y, m: m.sum(axis=0).sum(),
    lambda x, y, m: m.sum(axis=1, keepdims=True).sum(axis=0), lambda x, y, m: (m.T).sum(axis=0),
    lambda x, y, m: m.T.T, lambda x, y, m: m.dimshuffle(1, "x", 0).dimshuffle(2, 0),
    lambda x, y, m: m.reshape((12,)).reshape((4, 3)), lambda x, y, m: m.flatten().sum(),
    lambda x, y, m: m[::-1][::-1], lambda x, y, m: m[1:][0], lambda x, y, m: (m * 2 + 1)[1],
    lambda x, y, m: T.exp(m)[:, 1:], lambda x, y, m: T.set_subtensor(m[1], m[1]),
    lambda x, y, m: T.set_subtensor(m[0], x)[0],
    lambda x, y, m: T.inc_subtensor(T.zeros_like(m)[1], y),
    lambda x, y, m: T.concatenate([x, y])[4:6], lambda x, y, m: T.join(0, m, m)[:2].sum(),
    lambda x, y, m: T.zeros((m.shape[1], 2)) + m.shape[0], lambda x, y, m: T.alloc(x, 3, 4) * m,
    lambda x, y, m: T.alloc(2.0, *m.shape) * m + x.shape[0],
    lambda x, y, m: T.dot(m, x) * 2 + 1, lambda x, y, m: T.dot(m.T, m) * 0.5 - T.dot(m.T, m),
    lambda x, y, m: T.dot(m, m.T) + T.dot(m, m.T).T, lambda x, y, m: T.dot(x, y) * x,
    lambda x, y, m: 3 * T.dot(m, x) - m.sum(1) * 2, lambda x, y, m: -T.dot(x, m.T) + m[:, 0],
    lambda x, y, m: T.outer(x, y) + T.dot(m.T, m), lambda x, y, m: (m - m.mean(0)) / m.std(0),
    lambda x, y, m: T.nnet.softmax(m) * 2, lambda x, y, m: m / T.sqrt((m**2).sum(1, keepdims=True)),
    lambda x, y, m: T.clip(x, -0.5, 0.5) + T.clip(y, -9, 9),
    lambda x, y, m: T.invert(x > y) | (x < 0),
    lambda x, y, m: (m > 0).sum(), lambda x, y, m: T.prod(m * 2, axis=1), lambda x, y, m: T.max(-m),
    lambda x, y, m: T.min(m, axis=0) - T.max(-m, axis=0), lambda x, y, m: T.argmax(m, axis=1) * 2,
    lambda x, y, m: T.any(m > x, axis=0), lambda x, y, m: (x % 2.0) * (y // 0.7),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(RULES)))
def test_values_with_and_without_each_pass(number):
    rng = np.random.default_rng(number)
    x, y, m = T.dvector(), T.dvector(), T.dmatrix()
    values = [rng.uniform(0.2, 2, s) * rng.choice([-1, 1], s) for s in [(4,), (4,), (3, 4)]]
    e = RULES[number](x, y, m)
    base = run([x, y, m], e, values, Mode(optimizer=None))
    modes = [FAST_RUN, *STABLE.values(), *[FAST_RUN.excluding(n) for n in pass_names()]]
    modes += [Mode(optimizer="fast_compile").excluding(n) for n in pass_names()]
    for mode in modes:
        got = run([x, y, m], e, values, mode)
        assert got.dtype == base.dtype
        assert got.shape == base.shape
        np.testing.assert_allclose(got, base, rtol=1e-12, atol=1e-13, err_msg=str(mode))
    if base.dtype.kind != "f" or base.dtype != np.float64:
        return
    g = T.grad(e.sum(), [x, y, m], disconnected_inputs="ignore")
    base = run([x, y, m], g, values, Mode(optimizer=None))
    for mode in modes:
        for got, b in zip(run([x, y, m], g, values, mode), base, strict=True):
            np.testing.assert_allclose(got, b, rtol=1e-11, atol=1e-12, err_msg=str(mode))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
def test_algebra_keeps_the_arithmetic_of_integers(dtype):
    """Wrapping and truncation: no rule may treat integers as real numbers."""
    x, y = T.TensorType(dtype, (False,))(), T.TensorType(dtype, (False,))()
    rng = np.random.default_rng(0)
    high = 2 if dtype == "bool" else 256
    a, b = (rng.integers(0, high, 300).astype(dtype) for _ in range(2))
    one = np.asarray(1, dtype)
    expressions = [x * y, x + y, T.switch(x > y, x, y), x * one, T.sqr(x), x > y, T.eq(x, y)]
    if dtype != "bool":
        expressions += [x * 2 * 3, x * x * x, (x + y) - y, (x * y) // T.maximum(y, 1), x - y - x,
                        (x // 2) * 2, (x * 2) // 2, T.neg(-x), T.abs_(x), x % 3 * 3, x**2, x**3,
                        T.cast(T.cast(x, "int8"), "int64"), T.cast(T.cast(x, "float32"), dtype),
                        (x * 100).sum(), x.sum() * 2, (x / 2) * 2, x / y - x]  # fmt: skip
    for k, e in enumerate(expressions):
        base = run([x, y], e, [a, b], Mode(optimizer=None))
        for mode in STABLE.values():
            np.testing.assert_array_equal(run([x, y], e, [a, b], mode), base, err_msg=f"{k} {mode}")


def test_nan_and_infinity_survive_where_no_rule_says_otherwise():
    x = T.dvector()
    special_values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    expressions = [x + 0, x * 1, x - 0, x / 1, T.neg(-x), x + x, 2 * x, x * 0.5 * 2,
                   T.maximum(x, 0),
                   T.minimum(x, 1), T.abs_(x), T.switch(x > 0, x, 0), x**2, T.isnan(x),
                   T.sqrt(x), T.log(x), T.exp(x), 1 / x, T.eq(x, x * 1.0), T.clip(x, -1, 1),
                   x.sum(), x.max(),
                   T.nnet.sigmoid(x), T.nnet.softplus(x), T.log1p(T.exp(x)),
                   T.neq(x, x)]  # fmt: skip
    for k, e in enumerate(expressions):
        with np.errstate(all="ignore"):
            base = run(x, e, special_values, Mode(optimizer=None))
        for mode in STABLE.values():
            got = run(x, e, special_values, mode)
            assert got.dtype == base.dtype
            np.testing.assert_allclose(got, base, rtol=1e-15, err_msg=str(k))


def test_folding_of_constants_equals_running():
    """The evaluator of constants and the kernels are one."""
    c = np.linspace(0.1, 0.9, 5)
    k = T.constant(c)
    x = T.dvector()
    for f in (T.exp, T.log, T.tanh, T.erf, T.sqr, T.arctanh, lambda v: T.dot(v, v),
              lambda v: v[::-1],
              lambda v: v.sum(), lambda v: v.argmax(), lambda v: T.concatenate([v, v]) * 2,
              lambda v: v.reshape((5, 1)) + v, lambda v: T.nnet.softmax(v)):  # fmt: skip
        folded = phintys.function([], f(k))()
        assert folded.tobytes() == run(x, f(x), c).tobytes()


def test_many_threads_and_passes_together():
    before = config.num_threads
    m = T.dmatrix()
    values = np.random.default_rng(0).normal(size=(700, 800))
    e = T.log(T.nnet.softmax(m)).mean(axis=0) + T.exp(m - m.max(axis=1, keepdims=True)).sum()
    g = T.grad(e.sum(), m)
    try:
        config.num_threads = 1
        one = run(m, [e, g], values)
        config.num_threads = 2
        two = run(m, [e, g], values)
    finally:
        config.num_threads = before
    for a, b in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()

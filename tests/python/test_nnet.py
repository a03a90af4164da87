"""Activations, softmax and losses, and what stays finite at extreme arguments."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable
from phintys import _core
from phintys.tensor.nnet import blocksparse
from scipy import special

nnet = T.nnet


def soft(x, axis=-1):
    return special.softmax(x, axis=axis)


# --- activations ----------------------------------------------------------------------------------

ACTIVATIONS = {
    "sigmoid": special.expit,
    "ultra_fast_sigmoid": special.expit,
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "swish": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = floats(3, 7) * 3
    check(getattr(nnet, name), ACTIVATIONS[name], x, exact=False, rtol=1e-10)
    extreme = np.array([[-1e300, -1000.0, -40.0, -0.0, 40.0, 1000.0, 1e300]])
    v = T.dmatrix()
    out = getattr(nnet, name)(v)
    got, grad = compiled([v], [out, T.grad(out.sum(), v)])(extreme)
    with np.errstate(over="ignore", invalid="ignore"):
        want = np.nan_to_num(ACTIVATIONS[name](extreme), nan=0.0, posinf=1e300)
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)
    assert np.isfinite(grad).all()
    for dtype in ("float32", "float16"):
        v = variable(numbers(dtype, 5))
        out = getattr(nnet, name)(v)
        # Literals are float32 and make more of a float16.
        if dtype == "float32" and name not in ("selu", "hard_sigmoid"):
            assert out.dtype == dtype, name
        f = compiled([v], out)
        a = numbers(dtype, 5)
        tolerance = 2e-3 if dtype == "float16" else 1e-5
        np.testing.assert_allclose(f(a), ACTIVATIONS[name](a), rtol=tolerance, atol=tolerance)


def test_parameters_of_activations():
    x = floats(3, 7) * 3
    check(
        lambda v: nnet.gelu(v, approximate=True),
        lambda a: 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3))),
        x,
        exact=False,
        rtol=1e-10,
    )
    check(lambda v: nnet.relu(v, 0.25), lambda a: np.where(a > 0, a, 0.25 * a), x, exact=False)
    check(
        lambda v, s: nnet.relu(v, s),
        lambda a, s: np.where(a > 0, a, s * a),
        x,
        floats(7, seed=1),
        exact=False,
    )
    check(
        lambda v: nnet.elu(v, 0.5), lambda a: np.where(a > 0, a, 0.5 * np.expm1(a)), x, exact=False
    )
    check(lambda v: nnet.swish(v, 2.0), lambda a: a * special.expit(2 * a), x, exact=False)


def test_derivatives_where_pieces_meet():
    v = T.dvector()
    for f, want in ((nnet.relu, 0.5), (nnet.elu, 1.0), (nnet.softsign, 1.0)):
        assert compiled([v], T.grad(f(v).sum(), v))([0.0])[0] == want


# --- softmax --------------------------------------------------------------------------------------


def test_softmax_over_any_axis():
    x = floats(3, 4, 5)
    for axis in (-3, -1, 0, 1, 2):
        check(lambda v: nnet.softmax(v, axis), lambda a: soft(a, axis), x, exact=False)  # noqa: B023
        check(
            lambda v: nnet.logsoftmax(v, axis=axis),  # noqa: B023
            lambda a: special.log_softmax(a, axis=axis),  # noqa: B023
            x,
            exact=False,
        )
    check(lambda v: nnet.softmax(v, axis=0), soft, x[0, 0], exact=False)
    with pytest.raises(ValueError, match="axis 3 is out of range"):
        nnet.softmax(T.dtensor3(), axis=3)
    with pytest.raises(ValueError, match="tensor of floats"):
        nnet.softmax(T.lmatrix(), axis=0)


def test_softmax_of_rows():
    x = floats(3, 4)
    for f in (nnet.softmax, nnet.softmax_graph, nnet.softmax_op):
        check(f, soft, x, exact=False)
    check(nnet.softmax, lambda a: soft(a)[None], x[0], exact=False)
    check(
        lambda v, b: nnet.softmax_with_bias(v, b),
        lambda a, b: soft(a + b),
        x,
        floats(4, seed=1),
        exact=False,
    )
    with pytest.raises(ValueError, match="1-d or 2-d tensor of floats"):
        nnet.softmax(T.dtensor3())
    with pytest.raises(ValueError, match="1-d or 2-d tensor of floats"):
        nnet.softmax(T.lmatrix())
    dy = floats(3, 4, seed=2)
    got = compiled([v := T.dmatrix(), g := T.dmatrix()], nnet.softmax_grad(g, nnet.softmax(v)))
    p = soft(x)
    np.testing.assert_allclose(got(x, dy), (dy - (dy * p).sum(1, keepdims=True)) * p, rtol=1e-12)


@pytest.mark.parametrize("log", [False, True])
def test_gradient_of_softmax_as_one_op(log):
    def formula(g, z):
        if log:
            return g - np.exp(z) * g.sum(-1, keepdims=True)
        return (g - (g * z).sum(-1, keepdims=True)) * z

    for shape in ((5,), (3, 4), (2, 3, 70)):
        check(
            lambda g, z: _core.apply("softmax_grad", [g, z], log=log),
            formula,
            floats(*shape),
            floats(*shape, seed=1),
            exact=False,
            rtol=1e-10,
        )
    x, g = T.fmatrix(), T.fmatrix()
    z = (nnet.logsoftmax if log else nnet.softmax)(x)
    f = compiled([x, g], [z, T.Lop(z, x, g)])
    assert "softmax_grad" in f.fn.program_text()
    a, b = numbers("float32", 7, 1000), numbers("float32", 7, 1000, seed=1)
    got, grad = f(a, b)
    want = (special.log_softmax if log else special.softmax)(a.astype("f8"), axis=1)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grad, formula(b.astype("f8"), want), rtol=1e-4, atol=1e-5)
    got, grad = f(np.asfortranarray(a[:, ::2]), b[:, 1::2])
    want = (special.log_softmax if log else special.softmax)(a[:, ::2].astype("f8"), axis=1)
    np.testing.assert_allclose(grad, formula(b[:, 1::2].astype("f8"), want), rtol=1e-4, atol=1e-5)
    assert f(np.zeros((0, 3), "float32"), np.zeros((0, 3), "float32"))[1].shape == (0, 3)
    with pytest.raises(ValueError):
        f(a, b[:, :5])


# --- losses ---------------------------------------------------------------------------------------

Y = np.array([2, 0, 3], "int32")


def nll(p):
    return -np.log(p[np.arange(len(p)), Y[: len(p)]])


def test_categorical_losses():
    p = soft(floats(3, 4))
    check(
        lambda v, y: nnet.crossentropy_categorical_1hot(v, y),
        lambda a, y: nll(a),
        p,
        fixed=(Y,),
        exact=False,
    )
    for integer in ("int64", "uint8", "int32"):
        y = Y.astype(integer)
        check(
            lambda v, y: nnet.categorical_crossentropy(v, y),
            lambda a, y: nll(a),
            p,
            fixed=(y,),
            exact=False,
        )
    q = soft(floats(3, 4, seed=1))
    check(
        lambda v, t: nnet.categorical_crossentropy(v, t),
        lambda a, t: -(t * np.log(a)).sum(1),
        p,
        q,
        exact=False,
    )
    with pytest.raises(TypeError, match="rank mismatch"):
        nnet.categorical_crossentropy(T.dmatrix(), T.dvector())
    with pytest.raises(TypeError, match="integer vector required"):
        nnet.crossentropy_categorical_1hot(T.dmatrix(), T.dvector())
    with pytest.raises(TypeError, match="matrix required"):
        nnet.crossentropy_categorical_1hot(T.dtensor3(), T.lvector())
    f = compiled([v := T.dmatrix(), y := T.lvector()], nnet.categorical_crossentropy(v, y))
    with pytest.raises(IndexError):
        f(p, [0, 1, 4])


def test_losses_with_softmax():
    x, b = floats(3, 4), floats(4, seed=1)
    v, c, y = T.dmatrix(), T.dvector(), T.ivector()
    p = soft(x + b)
    outs = [
        *nnet.crossentropy_softmax_1hot_with_bias(v, c, y),
        *nnet.crossentropy_softmax_argmax_1hot_with_bias(v, c, y),
        *nnet.crossentropy_softmax_max_and_argmax_1hot_with_bias(v, c, y),
        *nnet.crossentropy_softmax_1hot(v + c, y),
        *nnet.crossentropy_softmax_max_and_argmax_1hot(v + c, y),
    ]
    top, at = p.max(1), p.argmax(1)
    want = [nll(p), p, nll(p), p, at, nll(p), p, top, at, nll(p), p, nll(p), p, top, at]
    for mode in MODES[:3]:
        for got, w in zip(compiled([v, c, y], outs, mode)(x, b, Y), want, strict=True):
            np.testing.assert_allclose(got, w, rtol=1e-12)
    g = T.dvector()
    loss, probabilities = nnet.crossentropy_softmax_1hot(v, y)
    dx = nnet.crossentropy_softmax_1hot_with_bias_dx(g, probabilities, y)
    exact = T.grad((loss * g).sum(), v)
    gv = floats(3, seed=5)
    a, e = compiled([v, y, g], [dx, exact])(x, Y, gv)
    np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-15)
    d = T.dmatrix()
    grad = nnet.crossentropy_categorical_1hot_grad(g, d, y)
    exact = T.grad((nnet.crossentropy_categorical_1hot(d, y) * g).sum(), d)
    a, e = compiled([d, y, g], [grad, exact])(p, Y, gv)
    np.testing.assert_allclose(a, e, rtol=1e-12)


@pytest.mark.parametrize("log", [False, True])
def test_gradient_of_the_cross_entropy_as_one_op(log):
    def formula(v, z, y):
        out = np.zeros_like(z)
        n = len(y)
        full = np.broadcast_to(v, n)
        out[:n] = -full[:, None] * (np.exp(z[:n]) if log else z[:n])
        out[np.arange(n), y] += full
        return out

    def symbolic(v, z, y):
        return _core.apply("crossentropy_softmax_grad", [v, z, y], log=log)

    z = np.log(soft(floats(5, 4))) if log else soft(floats(5, 4))
    for y in (np.array([1, 0, -1, 3, 1]), np.array([2, 2, 0])):
        check(symbolic, formula, floats(len(y)), z, fixed=(y,), exact=False)
    v, m, y = T.dvector(), T.dmatrix(), T.lvector()
    f = compiled([v, m, y], symbolic(v, m, y))
    np.testing.assert_allclose(f([2.0], z, [0, 1, 2]), formula(np.array([2.0]), z, [0, 1, 2]))
    for bad in ([4], [-5], [0] * 6):
        with pytest.raises(IndexError, match="out of bounds"):
            f([1.0], z, bad)
    with pytest.raises(ValueError, match="2 values for 3 rows"):
        f([1.0, 2.0], z, [0, 1, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_and_its_gradient_take_two_passes(dtype):
    x, y, w = T.matrix(dtype=dtype), T.ivector(), T.vector(dtype=dtype)
    for weighted in (False, True):
        with phintys.config.change_flags(floatX=dtype):
            loss = nnet.categorical_crossentropy(nnet.softmax(x), y)
            cost = (loss * w).sum() if weighted else loss.mean()
            g = T.grad(cost, x)
        f = compiled([x, y, w], [cost, g])
        assert "crossentropy_softmax_grad" in f.fn.program_text()
        assert " = Softmax" not in f.fn.program_text()
        plain = compiled([x, y, w], [cost, g], MODES[2])
        a, b, c = numbers(dtype, 6, 300), np.arange(6, dtype="int32"), numbers(dtype, 6, seed=1)
        for got, want in zip(f(a, b, c), plain(a, b, c), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        with pytest.raises(IndexError):
            f(a, b + 295, c)
        with pytest.raises((IndexError, ValueError)):
            f(a[:5], b, c)


def test_binary_losses():
    t = special.expit(floats(3, 4, seed=1))
    x = floats(3, 4) * 2
    p = special.expit(x)
    want = lambda a, t: -(t * np.log(a) + (1 - t) * np.log(1 - a))  # noqa: E731
    check(nnet.binary_crossentropy, want, p, t, exact=False, rtol=1e-10)
    check(
        nnet.sigmoid_binary_crossentropy,
        lambda a, t: want(special.expit(a), t),
        x,
        t,
        exact=False,
        rtol=1e-10,
    )


def test_confusion_matrix():
    v, w = T.lvector(), T.ivector()
    f = compiled([v, w], nnet.confusion_matrix(v, w))
    actual, predicted = [3, 1, 1, 7, 3], [1, 1, 3, 3, 3]
    counts, classes = f(actual, predicted)
    same(classes, np.array([1, 3, 7]))
    same(counts, np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0]]))
    rng = np.random.default_rng(0)
    a, b = rng.integers(-5, 9, (2, 200))
    counts, classes = f(a, b.astype("int32"))
    order = np.unique(np.concatenate([a, b]))
    same(classes, order)
    same(counts, np.array([[((a == i) & (b == j)).sum() for j in order] for i in order]))
    counts, classes = f([], [])
    assert counts.shape == (0, 0) and classes.shape == (0,)
    with pytest.raises(ValueError, match="actual must be 1-d"):
        nnet.confusion_matrix(T.lmatrix(), w)
    with pytest.raises(ValueError, match="pred must be 1-d"):
        nnet.confusion_matrix(v, T.lmatrix())


def test_prepending_to_rows():
    x = floats(3, 4)
    for f, value in (
        (nnet.prepend_0_to_each_row, 0),
        (nnet.prepend_1_to_each_row, 1),
        (lambda m: nnet.prepend_scalar_to_each_row(2.5, m), 2.5),
        (nnet.Prepend_scalar_constant_to_each_row(3), 3),
    ):
        check(f, lambda a, v=value: np.column_stack([np.full(len(a), float(v)), a]), x)
    check(
        lambda s, m: nnet.prepend_scalar_to_each_row(s, m),
        lambda s, a: np.column_stack([np.full(len(a), s), a]),
        np.array(1.5),
        x,
    )
    with pytest.raises(TypeError):
        nnet.prepend_0_to_each_row(T.dvector())
    with pytest.raises(TypeError):
        nnet.prepend_scalar_to_each_row(T.dvector(), T.dmatrix())


def test_h_softmax():
    rng = np.random.default_rng(0)
    batch, features, outputs, classes, each = 4, 3, 10, 4, 3
    w1, b1 = rng.normal(size=(features, classes)), rng.normal(size=classes)
    w2, b2 = rng.normal(size=(classes, features, each)), rng.normal(size=(classes, each))
    x = rng.normal(size=(batch, features))
    inner = soft(np.einsum("bf,cfe->bce", x, w2) + b2)
    full = (soft(x @ w1 + b1)[:, :, None] * inner).reshape(batch, -1)[:, :outputs]
    v, y = T.dmatrix(), T.lvector()
    out = nnet.h_softmax(v, batch, outputs, classes, each, w1, b1, w2, b2)
    np.testing.assert_allclose(compiled([v], out)(x), full, rtol=1e-12)
    target = np.array([9, 0, 4, 4])
    w2s, b2s = T.dtensor3(), T.dmatrix()
    out = nnet.h_softmax(v, batch, outputs, classes, each, w1, b1, w2s, b2s, y)
    f = compiled([v, w2s, b2s, y], out)
    np.testing.assert_allclose(f(x, w2, b2, target), full[np.arange(batch), target], rtol=1e-12)
    g = compiled([v, w2s, b2s, y], T.grad(-T.log(out).sum(), w2s))(x, w2, b2, target)
    d = rng.normal(size=w2.shape)
    cost = lambda w: -np.log(f(x, w, b2, target)).sum()  # noqa: E731
    numeric = (cost(w2 + 1e-6 * d) - cost(w2 - 1e-6 * d)) / 2e-6
    np.testing.assert_allclose((g * d).sum(), numeric, rtol=1e-6)


def test_block_sparse_products():
    rng = np.random.default_rng(0)
    w, h = rng.normal(size=(4, 5, 2, 3)), rng.normal(size=(2, 3, 2))
    i, o = rng.integers(0, 4, (2, 3)), rng.integers(0, 5, (2, 2))
    b = rng.normal(size=(5, 3))

    def dot(w, h, b, i, o):
        return b[o] + np.einsum("bik,bijkl->bjl", h, w[i[:, :, None], o[:, None, :]])

    check(
        lambda w, h, b, i, o: blocksparse.sparse_block_dot(w, h, i, b, o),
        dot,
        w,
        h,
        b,
        fixed=(i, o),
        exact=False,
    )
    got = compiled([], blocksparse.sparse_block_dot(w, h[0], i[0], b, o[0]))()
    np.testing.assert_allclose(got, dot(w, h[:1], b, i[:1], o[:1]), rtol=1e-12)

    x, y = rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 2, 3))

    def outer(w, x, y, i, o):
        w = w.copy()
        np.add.at(w, (i[:, :, None], o[:, None, :]), 0.5 * np.einsum("bik,bjl->bijkl", x, y))
        return w

    check(
        lambda w, x, y, i, o: blocksparse.sparse_block_outer(w, x, y, i, o, alpha=0.5),
        outer,
        w,
        x,
        y,
        fixed=(i, o),
        exact=False,
    )
    with pytest.raises(ValueError, match="one dimension less"):
        blocksparse.sparse_block_dot(w, h, i[0], b, o)


# --- layers ---------------------------------------------------------------------------------------


def test_local_response_norm():
    for shape in ((2, 7, 3, 4), (2, 7, 5), (3, 6)):
        x = floats(*shape) * 3

        def reference(a, n=5):
            squares = np.zeros_like(a)
            for c in range(a.shape[1]):
                squares[:, c] = (a[:, max(0, c - n // 2) : c + n // 2 + 1] ** 2).sum(axis=1)
            return a / (2 + 0.1 * squares) ** 0.75

        check(
            lambda v: nnet.local_response_norm(v, alpha=0.1),
            reference,
            x,
            exact=False,
            modes=MODES[:1],
            rtol=1e-10,
        )
    with pytest.raises(ValueError, match="odd"):
        nnet.local_response_norm(T.dtensor4(), n=4)


def test_one_hot_and_embedding():
    y = np.array([[0, 2], [1, 5]])
    v = T.lmatrix()
    got = compiled([v], nnet.one_hot(v, 3))(y)
    same(got, (y[..., None] == np.arange(3)).astype(got.dtype))
    assert got.dtype == phintys.config.floatX
    same(
        compiled([v], nnet.one_hot(v, 3, "int8"))(y), (y[..., None] == np.arange(3)).astype("int8")
    )
    w = floats(6, 3)
    check(lambda m, i: nnet.embedding(i, m), lambda a, i: a[i], w, fixed=(y,))
    with pytest.raises(TypeError, match="integers"):
        nnet.embedding(T.dvector(), T.dmatrix())
    with pytest.raises(TypeError, match="integers"):
        nnet.one_hot(T.dvector(), 3)


class Coins:
    def __init__(self, values):
        self.values = values

    def binomial(self, size, n, p, dtype):
        assert n == 1 and p == 0.75
        return T.cast(self.values, dtype)


class Bernoulli(Coins):
    binomial = property()

    def bernoulli(self, p, size):
        return T.cast(self.values, "int64")


def test_dropout():
    x = floats(3, 4)
    keep = np.random.default_rng(0).random((3, 4)) < 0.75
    check(lambda v: nnet.dropout(v, 0.25, Coins(keep)), lambda a: a * keep / 0.75, x, exact=False)
    v = T.dmatrix()
    got = compiled([v], nnet.dropout(v, 0.25, Bernoulli(keep)))(x)
    np.testing.assert_allclose(got, x * keep / 0.75)
    assert nnet.dropout(v, 0.25, None, deterministic=True) is v
    assert nnet.dropout(v, 0, None) is v
    with pytest.raises(ValueError, match="rate"):
        nnet.dropout(v, 1.0, Coins(keep))
    with pytest.raises(TypeError, match="binomial"):
        nnet.dropout(v, 0.5, object())


# --- extreme arguments ----------------------------------------------------------------------------

X = np.array([[1000.0, 0, -1000], [-1000, 1000, 500], [1, 2, 3]])
P, LOGP = soft(X), special.log_softmax(X, axis=1)
WEIGHTS = np.array([[1.0, 2, 3]] * 3)
INDEX = np.array([2, 0, 1], "int32")
HOT = np.eye(3)[INDEX]
SOFT = np.array([[0.2, 0.3, 0.5]] * 3)
NLL = -LOGP[np.arange(3), INDEX]
TARGET = np.array([[0, 1, 0.3]] * 3)
UP, DOWN = np.logaddexp(0, X), np.logaddexp(0, -X)
BCE = TARGET * DOWN + (1 - TARGET) * UP


def own_softmax(x, shift=False):
    e = T.exp(x - x.max(axis=1, keepdims=True)) if shift else T.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def own_dimshuffled(x):
    e = T.exp(x)
    return e / e.sum(axis=1).dimshuffle(0, "x")


def arange_nll(log_p, y):
    return -T.mean(log_p[T.arange(y.shape[0]), y])


LOG_GRADIENT = WEIGHTS - P * WEIGHTS.sum(1, keepdims=True)
WEIGHT = np.array([1.0, 2, 3])

# name: (cost of x and target, target, value, gradient)
STABLE = {
    "log softmax": (lambda x, t: T.log(nnet.softmax(x)) * t, WEIGHTS, LOGP * WEIGHTS, LOG_GRADIENT),
    "logsoftmax": (lambda x, t: nnet.logsoftmax(x) * t, WEIGHTS, LOGP * WEIGHTS, LOG_GRADIENT),
    "softmax_graph": (
        lambda x, t: T.log(nnet.softmax_graph(x)) * t,
        WEIGHTS,
        LOGP * WEIGHTS,
        LOG_GRADIENT,
    ),
    "written out": (lambda x, t: T.log(own_softmax(x)) * t, WEIGHTS, LOGP * WEIGHTS, LOG_GRADIENT),
    "written out, shifted": (
        lambda x, t: T.log(own_softmax(x, True)) * t,
        WEIGHTS,
        LOGP * WEIGHTS,
        LOG_GRADIENT,
    ),
    "written out, dimshuffled": (
        lambda x, t: T.log(own_dimshuffled(x)) * t,
        WEIGHTS,
        LOGP * WEIGHTS,
        LOG_GRADIENT,
    ),
    "written out, indexed": (
        lambda x, t: arange_nll(T.log(own_softmax(x)), t),
        INDEX,
        NLL.mean(),
        (P - HOT) / 3,
    ),
    "written out, categorical": (
        lambda x, t: nnet.categorical_crossentropy(own_softmax(x), t),
        INDEX,
        NLL,
        P - HOT,
    ),
    "written out, one hot": (
        lambda x, t: nnet.categorical_crossentropy(own_softmax(x), t).mean(),
        HOT,
        NLL.mean(),
        (P - HOT) / 3,
    ),
    "categorical": (
        lambda x, t: nnet.categorical_crossentropy(nnet.softmax(x), t),
        INDEX,
        NLL,
        P - HOT,
    ),
    "categorical, mean": (
        lambda x, t: nnet.categorical_crossentropy(nnet.softmax(x), t).mean(),
        INDEX,
        NLL.mean(),
        (P - HOT) / 3,
    ),
    "categorical, weighted": (
        lambda x, t: (nnet.categorical_crossentropy(nnet.softmax(x), t) * WEIGHT).sum(),
        INDEX,
        (NLL * WEIGHT).sum(),
        (P - HOT) * WEIGHT[:, None],
    ),
    "one hot": (
        lambda x, t: nnet.categorical_crossentropy(nnet.softmax(x), t),
        HOT,
        NLL,
        P - HOT,
    ),
    "soft targets": (
        lambda x, t: nnet.categorical_crossentropy(nnet.softmax(x), t),
        SOFT,
        -(LOGP * SOFT).sum(1),
        P - SOFT,
    ),
    "log then index": (
        lambda x, t: arange_nll(T.log(nnet.softmax(x)), t),
        INDEX,
        NLL.mean(),
        (P - HOT) / 3,
    ),
    "index then log": (
        lambda x, t: -T.log(nnet.softmax(x)[T.arange(t.shape[0]), t]).mean(),
        INDEX,
        NLL.mean(),
        (P - HOT) / 3,
    ),
    "with bias": (
        lambda x, t: nnet.crossentropy_softmax_1hot_with_bias(x, np.zeros(3), t)[0],
        INDEX,
        NLL,
        P - HOT,
    ),
    "log sigmoid": (lambda x, t: T.log(nnet.sigmoid(x)), TARGET, -DOWN, special.expit(-X)),
    "log 1 - sigmoid": (lambda x, t: T.log(1 - nnet.sigmoid(x)), TARGET, -UP, -special.expit(X)),
    "log1p -sigmoid": (lambda x, t: T.log1p(-nnet.sigmoid(x)), TARGET, -UP, -special.expit(X)),
    "log 1 + exp": (lambda x, t: T.log(1 + T.exp(x)), TARGET, UP, special.expit(X)),
    "log1p exp": (lambda x, t: T.log1p(T.exp(x)), TARGET, UP, special.expit(X)),
    "binary": (
        lambda x, t: nnet.binary_crossentropy(nnet.sigmoid(x), t),
        TARGET,
        BCE,
        special.expit(X) - TARGET,
    ),
    "binary, mean": (
        lambda x, t: nnet.binary_crossentropy(nnet.sigmoid(x), t).mean(),
        TARGET,
        BCE.mean(),
        (special.expit(X) - TARGET) / 9,
    ),
    "binary, written out": (
        lambda x, t: -T.mean(t * T.log(nnet.sigmoid(x)) + (1 - t) * T.log(1 - nnet.sigmoid(x))),
        TARGET,
        BCE.mean(),
        (special.expit(X) - TARGET) / 9,
    ),
    "logistic regression": (
        lambda x, t: (lambda p: -t * T.log(p) - (1 - t) * T.log(1 - p))(1 / (1 + T.exp(-x))),
        TARGET,
        BCE,
        special.expit(X) - TARGET,
    ),
    "sigmoid_binary_crossentropy": (
        nnet.sigmoid_binary_crossentropy,
        TARGET,
        BCE,
        special.expit(X) - TARGET,
    ),
    "logsumexp": (
        lambda x, t: T.log(T.exp(x).sum(axis=1)),
        TARGET,
        special.logsumexp(X, axis=1),
        P,
    ),
}


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STABLE)
def test_finite_at_extreme_arguments(name, dtype, mode):
    cost, target, value, gradient = STABLE[name]
    target = target if target.dtype == "int32" else target.astype(dtype)
    with phintys.config.change_flags(floatX=dtype):
        x, t = T.matrix("x", dtype=dtype), variable(target)
        c = cost(x, t)
        g = T.grad(c.sum() if c.ndim else c, x)
        got = compiled([x, t], [c, g], mode)(X.astype(dtype), target)
    np.testing.assert_allclose(got[0], value, rtol=2e-6, atol=1e-40)
    np.testing.assert_allclose(
        got[1], gradient, rtol=2e-6, atol=1e-6 if dtype == "float32" else 1e-12
    )


def test_save_and_load(tmp_path):
    v, y = T.dmatrix(), T.ivector()
    p = nnet.softmax(nnet.elu(v) + nnet.gelu(v))
    cost = nnet.categorical_crossentropy(p, y).mean()
    f = compiled([v, y], [cost, T.grad(cost, v)])
    f.save(tmp_path / "f.phy")
    x = floats(3, 4)
    for a, b in zip(f(x, Y), phintys.load(tmp_path / "f.phy")(x, Y), strict=True):
        same(a, b)

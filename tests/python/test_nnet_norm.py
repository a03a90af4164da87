"""Layer and batch normalisation against their formulas."""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, numbers, same, variable

nnet = T.nnet


def normal(x, axes, eps):
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps), mean, var


def second_derivative(f, x, weights, direction, symbols, g):
    """d/dh of <weights, g(x + h direction)> by differences, and the symbolic one."""
    first = compiled(symbols, g)
    h = 1e-6
    up = first(*[a + h * d for a, d in zip(x, direction, strict=True)])
    down = first(*[a - h * d for a, d in zip(x, direction, strict=True)])
    numeric = sum(((u - v) * w).sum() for u, v, w in zip(up, down, weights, strict=True)) / (2 * h)
    cost = sum((v * w).sum() for v, w in zip(g, weights, strict=True))
    second = compiled(symbols, T.grad(cost, symbols))(*x)
    exact = sum((s * d).sum() for s, d in zip(second, direction, strict=True))
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-7)


def check_second(symbolic, *arrays):
    symbols = [variable(a) for a in arrays]
    out = symbolic(*symbols)
    weights = floats(*out.eval(dict(zip(symbols, arrays, strict=True))).shape, seed=9)
    g = T.grad((T.tanh(out) * weights).sum(), symbols)
    rng = np.random.default_rng(4)
    ws = [rng.normal(size=a.shape) for a in arrays]
    ds = [rng.normal(size=a.shape) for a in arrays]
    second_derivative(None, arrays, ws, ds, symbols, g)


# --- layer norm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 17), (4, 64), (3, 131), (2, 1)])
def test_layer_norm(shape):
    x = floats(*shape)
    gamma, beta = floats(shape[-1], seed=1), floats(shape[-1], seed=2)
    check(
        lambda v: nnet.layer_norm(v, epsilon=1e-3), lambda a: normal(a, -1, 1e-3)[0], x, exact=False
    )
    check(
        lambda v, g, b: nnet.layer_norm(v, g, b),
        lambda a, g, b: normal(a, -1, 1e-5)[0] * g + b,
        x,
        gamma,
        beta,
        exact=False,
        rtol=1e-9 if shape[-1] > 1 else 1e-6,
    )
    if shape[-1] > 1:
        check_second(lambda v, g, b: nnet.layer_norm(v, g, b), x, gamma, beta)
        check_second(lambda v: nnet.layer_norm(v), x)


def test_layer_norm_over_several_axes():
    x = floats(2, 3, 4, 5)
    gamma, beta = floats(4, 5, seed=1), floats(4, 5, seed=2)
    check(
        lambda v, g, b: nnet.layer_norm(v, g, b, axis=(-2, -1)),
        lambda a, g, b: normal(a, (2, 3), 1e-5)[0] * g + b,
        x,
        gamma,
        beta,
        exact=False,
        modes=MODES[:1],
        rtol=1e-10,
    )
    v = T.dtensor4()
    got = compiled([v], nnet.layer_norm(v, gamma=2.0, axis=(2, 3)))(x)
    np.testing.assert_allclose(got, 2 * normal(x, (2, 3), 1e-5)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_layer_norm_dtypes(dtype):
    x = numbers(dtype, 33, 70)
    gamma, beta = numbers(dtype, 70, seed=1), numbers(dtype, 70, seed=2)
    v, g, b = (variable(a) for a in (x, gamma, beta))
    got = compiled([v, g, b], nnet.layer_norm(v, g, b))(x, gamma, beta)
    assert got.dtype == dtype
    want = normal(x.astype("f8"), -1, 1e-5)[0] * gamma.astype("f8") + beta
    tolerance = 1e-2 if dtype == "float16" else 2e-5
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_layer_norm_of_large_offsets_and_long_rows():
    x = (floats(2, 20000) + 1000).astype("float32")
    got = compiled([v := T.fmatrix()], nnet.layer_norm(v))(x)
    want = normal(x.astype("f8"), -1, 1e-5)[0]
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1024, 1001, 16])
def test_layer_norm_of_results_that_caches_do_not_hold(dtype, length):
    rows = (1 << 24) // (length * np.dtype(dtype).itemsize) + 3
    rng = np.random.default_rng(length)
    x = rng.standard_normal((rows, length)).astype(dtype)
    gamma, beta = rng.uniform(0.5, 1.5, (2, length)).astype(dtype)
    v, g, b = variable(x), variable(gamma), variable(beta)
    f = phintys.function([v, g, b], [nnet.layer_norm(v, g, b), nnet.layer_norm(v)])
    scaled, plain = f(x, gamma, beta)
    wide = x.astype("float64")
    wide -= wide.mean(axis=1, keepdims=True)
    wide /= np.sqrt((wide * wide).mean(axis=1, keepdims=True) + 1e-5)
    error = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(plain, wide, rtol=error, atol=error)
    np.testing.assert_allclose(scaled, wide * gamma + beta, rtol=error, atol=error)


def test_layer_norm_mistakes_and_empty():
    v = T.dmatrix()
    with pytest.raises(ValueError, match="last ones"):
        nnet.layer_norm(v, axis=0)
    with pytest.raises(ValueError, match="1 dimensions"):
        nnet.layer_norm(v, T.dmatrix(), T.dvector())
    with pytest.raises(TypeError, match="floating"):
        nnet.layer_norm(T.lmatrix())
    f = compiled([v, g := T.dvector()], nnet.layer_norm(v, g, g))
    with pytest.raises(ValueError, match="layer_norm"):
        f(floats(2, 3), floats(4))
    assert f(np.zeros((0, 3)), floats(3)).shape == (0, 3)
    grads = compiled([v, g], T.grad(nnet.layer_norm(v, g, g).sum(), [v, g]))
    gx, gg = grads(np.zeros((0, 3)), floats(3))
    assert gx.shape == (0, 3)
    same(gg, np.zeros(3))
    assert f(np.zeros((2, 0)), floats(0)).shape == (2, 0)


# --- batch norm ----------------------------------------------------------------------------------

CASES = [
    ((6, 5), "per-activation"),
    ((7, 200), "per-activation"),
    ((5, 3, 4), "per-activation"),
    ((4, 3, 5, 6), "spatial"),
    ((3, 4, 9), "spatial"),
    ((3, 2, 1, 1), "spatial"),
    ((3, 4, 5), (0, 1)),
    ((3, 4, 5), (1, 2)),
    ((3, 4, 5), (1,)),
    ((2, 3, 4, 5), (1, 3)),
    ((3, 4), (0, 1)),
    ((200, 3), (0,)),
]


def axes_of(axes, ndim):
    if axes == "per-activation":
        return (0,)
    return (0, *range(2, ndim)) if axes == "spatial" else axes


def parameters(shape, axes, seed=0):
    kept = [n for i, n in enumerate(shape) if i not in axes]
    return np.asarray(floats(*kept, seed=seed))


def widened(p, shape, axes):
    return p.reshape([1 if i in axes else n for i, n in enumerate(shape)])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_batch_normalization_train(case):
    shape, axes = case
    x = floats(*shape)
    reduced = axes_of(axes, len(shape))
    gamma, beta = parameters(shape, reduced, 1), parameters(shape, reduced, 2)

    def reference(a, g, b):
        z = normal(a, reduced, 1e-2)[0]
        return z * widened(g, shape, reduced) + widened(b, shape, reduced)

    def symbolic(v, g, b):
        return nnet.batch_normalization_train(v, g, b, axes, epsilon=1e-2)[0]

    check(symbolic, reference, x, gamma, beta, exact=False, rtol=1e-9)
    check_second(symbolic, x, gamma, beta)
    for i in (1, 2):  # the statistics have gradients too
        check(
            lambda v, i=i: nnet.batch_normalization_train(v, gamma, beta, axes, 1e-2)[i],
            lambda a, i=i: (
                normal(a, reduced, 0)[1] if i == 1 else (normal(a, reduced, 0)[2] + 1e-2) ** -0.5
            ).reshape(gamma.shape),
            x,
            exact=False,
            modes=MODES[:1],
            rtol=1e-9,
        )


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_running_averages(case, wide):
    shape, axes = case
    reduced = axes_of(axes, len(shape))
    x = floats(*shape)
    values = [parameters(shape, reduced, i) for i in range(4)]
    if wide:
        values = [widened(p, shape, reduced) for p in values]
    v = variable(x)
    pattern = [i in reduced for i in range(len(shape))]
    ps = [variable(p, pattern if wide else None) for p in values]
    outs = nnet.batch_normalization_train(v, ps[0], ps[1], axes, 1e-3, 0.3, ps[2], ps[3])
    assert len(outs) == 5
    assert all(o.broadcastable == ps[0].broadcastable for o in outs[1:])
    got = compiled([v, *ps], list(outs))(x, *values)
    z, mean, var = normal(x, reduced, 1e-3)
    m = x.size / mean.size
    g, b, old_mean, old_var = (widened(p, shape, reduced) for p in values)
    want = [
        z * g + b,
        mean,
        1 / np.sqrt(var + 1e-3),
        old_mean * 0.7 + 0.3 * mean,
        old_var * 0.7 + 0.3 * m / (m - 1) * var,
    ]
    for a, w in zip(got, want, strict=True):
        w = w if a.shape == x.shape and w.shape == x.shape else w.reshape(values[0].shape)
        np.testing.assert_allclose(a, w, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_batch_normalization_test(case):
    shape, axes = case
    reduced = axes_of(axes, len(shape))
    x = floats(*shape)
    values = [parameters(shape, reduced, i) for i in range(3)]
    var = np.asarray(np.abs(parameters(shape, reduced, 3)) + 0.1)

    def reference(a, *ps):
        g, b, m, s = (widened(p, shape, reduced) for p in ps)
        return (a - m) * g / np.sqrt(s + 1e-4) + b

    check(
        lambda v, *ps: nnet.batch_normalization_test(v, *ps, axes=axes),
        reference,
        x,
        *values,
        var,
        exact=False,
        rtol=1e-10,
    )
    pattern = [i in reduced for i in range(len(shape))]
    wide = [widened(p, shape, reduced) for p in (*values, var)]
    ps = [variable(p, pattern) for p in wide]
    f = compiled([v := variable(x), *ps], nnet.batch_normalization_test(v, *ps, axes=axes))
    np.testing.assert_allclose(f(x, *wide), reference(x, *wide), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_batch_norm_dtypes(dtype):
    x = numbers(dtype, 8, 3, 5, 7)
    gamma, beta = numbers(dtype, 3, seed=1), numbers(dtype, 3, seed=2)
    v, g, b = (variable(a) for a in (x, gamma, beta))
    with phintys.config.change_flags(floatX="float32"):
        outs = nnet.batch_normalization_train(v, g, b, "spatial")
        test = nnet.batch_normalization_test(v, g, b, b, abs(g), "spatial")
    got = compiled([v, g, b], [*outs, test])(x, gamma, beta)
    assert [o.dtype for o in got] == [dtype] * 4
    shape = (1, 3, 1, 1)
    want = normal(x.astype("f8"), (0, 2, 3), 1e-4)[0] * gamma.reshape(shape) + beta.reshape(shape)
    tolerance = 2e-2 if dtype == "float16" else 2e-5
    np.testing.assert_allclose(got[0], want, rtol=tolerance, atol=tolerance)


def test_broadcast_parameters_are_stretched():
    v = T.dtensor4()
    gamma = T.TensorType("float64", (True,))()
    beta = T.dvector()
    x = floats(2, 3, 4, 5)
    out = nnet.batch_normalization_train(v, gamma, beta, "spatial")[0]
    f = compiled([v, gamma, beta], [out, T.grad((out**2).sum(), gamma)])
    got, grad = f(x, np.array([2.0]), np.zeros(3))
    np.testing.assert_allclose(got, 2 * normal(x, (0, 2, 3), 1e-4)[0], rtol=1e-10)
    assert grad.shape == (1,)


def test_same_bits_for_any_number_of_threads():
    x = floats(64, 40, 9, 9).astype("float32")
    v = T.ftensor4()
    w = T.fvector()
    out = nnet.batch_normalization_train(v, w, w, "spatial")[0]
    ln = nnet.layer_norm(v.flatten(2).T, 1.0, 0.0)
    f = compiled([v, w], [out, ln, *T.grad((out**3).sum() + (ln**3).sum(), [v, w])])
    results = []
    before = phintys.config.num_threads
    try:
        for threads in (1, 3):
            phintys.config.num_threads = threads
            results.append([r.tobytes() for r in f(x, np.ones(40, "float32"))])
    finally:
        phintys.config.num_threads = before
    assert results[0] == results[1]


def test_mistakes():
    v = T.dtensor4()
    p, q = T.dvector(), T.dmatrix()
    train, test = nnet.batch_normalization_train, nnet.batch_normalization_test
    with pytest.raises(ValueError, match="invalid axes"):
        train(v, p, p, axes="channels")
    with pytest.raises(ValueError, match="at least one normalization axis"):
        train(v, p, p, axes=())
    with pytest.raises(ValueError, match="axes should be less than ndim"):
        train(v, p, p, axes=(0, 4))
    with pytest.raises(ValueError, match="gamma and beta dimensionality must match"):
        train(v, p, q, axes="spatial")
    with pytest.raises(ValueError, match="epsilon must be at least 1e-5"):
        train(v, p, p, axes="spatial", epsilon=1e-6)
    with pytest.raises(ValueError, match="running_mean and running_var must either both"):
        train(v, p, p, axes="spatial", running_mean=p)
    with pytest.raises(ValueError, match="running_var must be of the same dimensionality"):
        train(v, p, p, axes="spatial", running_mean=p, running_var=q)
    with pytest.raises(ValueError, match="mean and var must be of the same dimensionality"):
        test(v, p, p, q, q, axes="spatial")
    with pytest.raises(ValueError, match="mode must be either"):
        nnet.batch_normalization(v, p, p, p, p, mode="medium")
    f = compiled([v, p], train(v, p, p, "spatial")[0])
    with pytest.raises(ValueError, match="does not fit x of shape"):
        f(floats(2, 3, 4, 4), floats(4))


def test_old_batch_normalization():
    x, ps = floats(4, 3), [floats(3, seed=i) for i in range(4)]
    for mode in ("low_mem", "high_mem"):
        check(
            lambda v, *p: nnet.batch_normalization(v, *p, mode=mode),  # noqa: B023
            lambda a, g, b, m, s: (a - m) * (g / s) + b,
            x,
            *ps,
            exact=False,
        )


def test_save_and_load(tmp_path):
    v, w = T.dtensor4(), T.dvector()
    outs = []
    for out in (
        nnet.batch_normalization_train(v, w, w, "spatial")[0],
        nnet.batch_normalization_test(v, w, w, w, abs(w), "spatial"),
        nnet.layer_norm(v, epsilon=0.01),
    ):
        outs += [out, T.grad((out**2).sum(), v)]
    f = compiled([v, w], outs)
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    x = floats(3, 4, 5, 6)
    for a, b in itertools.zip_longest(f(x, np.ones(4)), g(x, np.ones(4))):
        same(a, b)

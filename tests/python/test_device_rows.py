"""Softmax, normalisation and positions of extrema on every device, against NumPy and the CPU."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
import scipy.special
from device_cases import floats, run_everywhere
from phintys.tensor.nnet.bn import batch_normalization_train, layer_norm

TOLERANCE = {"float16": 2e-3, "float32": 5e-6, "float64": 1e-13}
FLOATS = ["float32", "float64"]


def softmax(x):
    return scipy.special.softmax(x.astype("float64"), axis=-1)


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
@pytest.mark.parametrize("shape", [(3, 10), (6, 130), (2, 2100), (0, 4), (5, 1)])
def test_softmax(dtype, shape):
    x = (4 * floats(*shape, seed=1)).astype(dtype)
    within = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype], "on_device": True}
    run_everywhere(T.nnet.softmax, x, expected=softmax, **within)
    run_everywhere(
        T.nnet.logsoftmax,
        x,
        expected=lambda x: scipy.special.log_softmax(x.astype("float64"), axis=-1),
        **within,
    )


def test_softmax_of_views_and_odd_numbers():
    x = floats(6, 5, seed=2)
    x[1, 2], x[2, :], x[3, 0] = np.nan, -np.inf, np.inf
    with np.errstate(invalid="ignore"):
        run_everywhere(T.nnet.softmax, x, expected=softmax, rtol=1e-13)
        run_everywhere(lambda x: T.nnet.softmax(x[::-1, ::2].T), x, rtol=1e-13)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("cols", [7, 140, 1100])
def test_gradients_of_softmax(dtype, cols):
    x, w = floats(3, cols, seed=3, dtype=dtype), floats(3, cols, seed=4, dtype=dtype)
    within = {"rtol": 20 * TOLERANCE[dtype], "atol": 20 * TOLERANCE[dtype]}
    run_everywhere(lambda x, w: T.grad(T.sum(w * T.nnet.softmax(x)), x), x, w, **within)
    run_everywhere(lambda x, w: T.grad(T.sum(w * T.nnet.logsoftmax(x)), x), x, w, **within)


@pytest.mark.parametrize("dtype", FLOATS)
def test_cross_entropy(dtype):
    x = floats(6, 5, seed=5, dtype=dtype)
    y = np.array([0, 4, 2, 2, 1, 3])

    def cost(x, y):
        return T.mean(T.nnet.categorical_crossentropy(T.nnet.softmax(x), y))

    within = {"rtol": 20 * TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    run_everywhere(cost, x, y, **within)
    run_everywhere(lambda x, y: T.grad(cost(x, y), x), x, y, **within)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(4, 9), (2, 3, 200), (2, 1100), (70, 3)])
def test_layer_norm(dtype, shape):
    x = floats(*shape, seed=6, dtype=dtype) + 3
    gamma, beta = floats(shape[-1], seed=7, dtype=dtype), floats(shape[-1], seed=8, dtype=dtype)
    within = {"rtol": 100 * TOLERANCE[dtype], "atol": 100 * TOLERANCE[dtype]}

    def expected(x, gamma, beta):
        x = x.astype("float64")
        z = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return z * gamma + beta

    run_everywhere(
        lambda x, g, b: layer_norm(x, g, b, epsilon=1e-5),
        x,
        gamma,
        beta,
        expected=expected,
        on_device=True,
        **within,
    )
    run_everywhere(
        lambda x, g, b: T.grad(T.sum(T.sin(x) * layer_norm(x, g, b)), [x, g, b]),
        x,
        gamma,
        beta,
        **within,
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape, axes", [((6, 3, 4, 5), "spatial"), ((200, 7), "per-activation")])
def test_batch_norm(dtype, shape, axes):
    x = floats(*shape, seed=9, dtype=dtype) + 2
    inner = (1, shape[1], *([1] * (len(shape) - 2)))
    gamma, beta = (floats(*inner, seed=s, dtype=dtype) for s in (10, 11))
    within = {"rtol": 200 * TOLERANCE[dtype], "atol": 200 * TOLERANCE[dtype]}

    def normalised(x, g, b):
        g, b = (T.patternbroadcast(v, [n == 1 for n in inner]) for v in (g, b))
        return batch_normalization_train(x, g, b, axes=axes)

    run_everywhere(lambda x, g, b: normalised(x, g, b)[:3], x, gamma, beta, **within)
    run_everywhere(
        lambda x, g, b: T.grad(T.sum(T.sin(x) * normalised(x, g, b)[0]), [x, g, b]),
        x,
        gamma,
        beta,
        **within,
    )


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1, 2, None])
def test_positions_of_extrema(dtype, axis):
    x = (floats(4, 33, 6, seed=12) * 3).round().astype(dtype)
    run_everywhere(
        lambda x: [T.argmax(x, axis=axis), T.argmin(x[::-1], axis=axis)],
        x,
        expected=lambda x: [np.argmax(x, axis), np.argmin(x[::-1], axis)],
        exact=True,
        may_run_on_host=("Subtensor",),
        on_device=True,
    )


def test_nan_is_the_extremum():
    x = floats(50, seed=13)
    x[[20, 30]] = np.nan
    run_everywhere(lambda x: [T.argmax(x), T.argmin(x)], x, expected=[20, 20], exact=True)


def test_a_class_out_of_range():
    x, y = T.matrix("x"), T.lvector("y")
    cost = T.mean(T.nnet.categorical_crossentropy(T.nnet.softmax(x), y))
    value = floats(3, 4, dtype=phintys.config.floatX)
    for device in [d for d in ("cpu", "emulated", "cuda") if d in device_names()]:
        f = phintys.function([x, y], T.grad(cost, x), device=device)
        with pytest.raises(IndexError, match="out of bounds"):
            f(value, np.array([0, 4, 1]))


def device_names():
    from device_cases import available

    return available()

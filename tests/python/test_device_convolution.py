"""Convolution, pooling and their gradients on every device."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import floats, run_everywhere
from phintys.tensor.nnet import conv2d, conv3d
from phintys.tensor.signal.pool import pool_2d, pool_3d

# What stands around the ops of this file is no matter of theirs.
ON_DEVICE = {"on_device": True, "may_run_on_host": ("Fused", "Elemwise", "Reduce")}


def both_gradients(f):
    """A function of two tensors, with the gradients of a sum over its result."""

    def build(x, w):
        z = f(x, w)
        return [z, *phintys.grad(T.sum(z * T.cos(z)), [x, w])]

    return build


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"border_mode": "half", "filter_flip": False},
        {"border_mode": "full", "subsample": (2, 3)},
        {"border_mode": (1, 2), "filter_dilation": (2, 1)},
        {"border_mode": ((1, 0), (2, 1))},
        {"num_groups": 2},
    ],
    ids=str,
)
def test_conv2d(options, dtype):
    groups = options.get("num_groups", 1)
    x, w = floats(2, 6, 9, 8, dtype=dtype), floats(4, 6 // groups, 3, 2, seed=1, dtype=dtype)
    run_everywhere(
        both_gradients(lambda x, w: conv2d(x, w, **options)),
        x,
        w,
        rtol=1e-4 if dtype == "float32" else 1e-11,
        atol=1e-4 if dtype == "float32" else 1e-11,
        **ON_DEVICE,
    )


def test_conv2d_against_a_loop():
    x, w = floats(2, 3, 6, 7), floats(4, 3, 3, 2, seed=1)

    def expected(x, w):
        out = np.zeros((2, 4, 4, 6))
        for i in range(4):
            for j in range(6):
                out[:, :, i, j] = np.einsum("bckl,ockl->bo", x[:, :, i : i + 3, j : j + 2], w)
        return out

    run_everywhere(
        lambda x, w: conv2d(x, w, filter_flip=False),
        x,
        w,
        expected=expected,
        rtol=1e-12,
        atol=1e-12,
        **ON_DEVICE,
    )


def test_conv3d():
    x, w = floats(2, 3, 5, 6, 4), floats(2, 3, 2, 3, 2, seed=1)
    run_everywhere(
        both_gradients(lambda x, w: conv3d(x, w, border_mode=(1, 0, 1), subsample=(2, 1, 1))),
        x,
        w,
        rtol=1e-11,
        atol=1e-11,
        **ON_DEVICE,
    )


def test_one_by_one():
    x, w = floats(2, 17, 12, 11), floats(18, 17, 1, 1, seed=1)
    run_everywhere(
        both_gradients(lambda x, w: conv2d(x, w)), x, w, rtol=1e-11, atol=1e-11, **ON_DEVICE
    )


def test_views_and_no_elements():
    x, w = floats(9, 8, 3, 2), floats(4, 3, 3, 2, seed=1)
    run_everywhere(
        lambda x, w: conv2d(x.dimshuffle(3, 2, 0, 1)[:, ::-1], w[:, ::-1]),
        x,
        w,
        rtol=1e-11,
        atol=1e-11,
    )
    for shape in ((0, 3, 9, 8), (2, 3, 2, 8)):
        run_everywhere(both_gradients(lambda x, w: conv2d(x, w)), floats(*shape), w)


# Few different values: more than one maximum in a window.
def ties(*shape, dtype="float64"):
    return np.round(2 * floats(*shape)).astype(dtype)


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize(
    ("window", "options"),
    [
        ((2, 2), {"ignore_border": True}),
        ((3, 2), {"ignore_border": True, "stride": (2, 1), "pad": (1, 0)}),
        ((3, 2), {"ignore_border": False}),
        ((8, 9), {"ignore_border": True}),
    ],
    ids=str,
)
def test_pool_2d(window, options, mode):
    def build(x):
        z = pool_2d(x, window, mode=mode, **options)
        g = phintys.grad(T.sum(z * T.cos(z)), x)
        return [z, g, phintys.grad(T.sum(g * T.sin(x)), x)]

    run_everywhere(build, ties(2, 3, 8, 9), rtol=1e-11, atol=1e-11, **ON_DEVICE)
    run_everywhere(build, ties(2, 3, 8, 9, dtype="float32"), rtol=1e-4, atol=1e-4, **ON_DEVICE)


def test_pool_3d_and_integers():
    run_everywhere(
        lambda x: pool_3d(x, (2, 3, 2), ignore_border=True, mode="max"),
        floats(2, 4, 6, 5),
        **ON_DEVICE,
    )
    run_everywhere(
        lambda x: pool_2d(x, (2, 2), ignore_border=True, mode="max"),
        np.arange(-30, 30).reshape(3, 4, 5).astype("int16"),
        **ON_DEVICE,
    )


def test_windows_that_change_from_call_to_call():
    """Windows are operands: what was recorded for some must not serve others."""

    def build(x, ws):
        return pool_2d(x, ws, ignore_border=True, mode="sum", stride=(2, 2))

    x = floats(2, 7, 7)
    for ws in ((2, 2), (3, 3), (3, 2)):
        run_everywhere(build, x, np.array(ws), rtol=1e-12, atol=1e-12)


def test_a_convolution_network_learns():
    """Loss and parameters after some steps: convolution, pooling, bias, dense layer."""
    shapes = ((3, 1, 3, 3), (3,), (3 * 5 * 5, 3), (3,))

    def build(x, y):
        w1, b1, w2, b2 = params = [phintys.shared(floats(*s) / 3) for s in shapes]
        z = pool_2d(conv2d(x, w1), (2, 2), ignore_border=True)
        h = T.tanh(z + b1.dimshuffle("x", 0, "x", "x")).flatten(2)
        p = T.nnet.softmax(T.dot(h, w2) + b2)
        loss = T.mean(T.nnet.categorical_crossentropy(p, y))
        grads = phintys.grad(loss, params)
        return [loss], {q: q - 0.1 * g for q, g in zip(params, grads, strict=True)}

    run_everywhere(build, floats(4, 1, 12, 12), np.array([0, 2, 1, 2]), rtol=1e-9, atol=1e-11)

"""Convolution of images, forward and both gradients, with shapes from well-known networks."""

from __future__ import annotations

import itertools

import numpy as np

from harness.job import NotSupported, Target, call

TITLE = "conv2d, float32, NCHW: forward, gradient of the input, gradient of the filters"
NOTE = "Correlation, as deep learning calls convolution. Arrays are NCHW and OIHW for every peer."

# batch, channels, filters, size, taps, stride, padding
SHAPES = {
    "first layer, 7x7": (16, 3, 64, 224, 7, 2, 3),
    "64 channels, 3x3": (16, 64, 64, 56, 3, 1, 1),
    "256 channels, 3x3": (16, 256, 256, 14, 3, 1, 1),
    "LeNet 1": (128, 1, 20, 28, 5, 1, 0),
    "LeNet 2": (500, 20, 50, 12, 5, 1, 0),
}


def variants():
    passes = ("forward", "input", "filters")
    return [{"shape": s, "pass": p} for s, p in itertools.product(SHAPES, passes)]


def targets(variant, metric):
    return [Target("at least as fast as the best peer")]


def tolerance(variant):
    terms = {"forward": 2304, "input": 2304, "filters": 200_000}[variant["pass"]]
    return {"rtol": 1e-3, "atol": 1e-4 * terms**0.5}


def out_size(size, taps, stride, padding):
    return (size + 2 * padding - taps) // stride + 1


def inputs(variant):
    batch, channels, filters, size, taps, stride, padding = SHAPES[variant["shape"]]
    out = out_size(size, taps, stride, padding)
    rng = np.random.default_rng(1)
    arrays = {
        "x": rng.standard_normal((batch, channels, size, size), "float32"),
        "w": rng.standard_normal((filters, channels, taps, taps), "float32") * 0.1,
        "g": rng.standard_normal((batch, filters, out, out), "float32"),
    }
    unused = {"forward": "g", "input": "x", "filters": "w"}[variant["pass"]]
    return {name: value for name, value in arrays.items() if name != unused}


def windows(variant, out):
    """The slices of the padded input that each tap sees."""
    _, _, _, _, taps, stride, _ = SHAPES[variant["shape"]]
    for i, j in itertools.product(range(taps), repeat=2):
        last = (out - 1) * stride + 1
        yield i, j, (..., slice(i, i + last, stride), slice(j, j + last, stride))


def reference(variant, a):
    batch, channels, filters, size, taps, stride, padding = SHAPES[variant["shape"]]
    out = out_size(size, taps, stride, padding)
    edge = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    wide = {name: value.astype("float64") for name, value in a.items()}
    if variant["pass"] == "forward":
        x, y = np.pad(wide["x"], edge), np.zeros((batch, out, out, filters))
        for i, j, window in windows(variant, out):
            y += np.tensordot(x[window], wide["w"][:, :, i, j], ([1], [1]))
        return [y.transpose(0, 3, 1, 2).astype("float32")]
    if variant["pass"] == "filters":
        x, gw = np.pad(wide["x"], edge), np.zeros((filters, channels, taps, taps))
        for i, j, window in windows(variant, out):
            gw[:, :, i, j] = np.tensordot(wide["g"], x[window], ([0, 2, 3], [0, 2, 3]))
        return [gw.astype("float32")]
    gx = np.zeros((batch, channels, size + 2 * padding, size + 2 * padding))
    for i, j, window in windows(variant, out):
        share = np.tensordot(wide["g"], wide["w"][:, :, i, j], ([1], [0]))
        gx[window] += share.transpose(0, 3, 1, 2)
    inner = slice(padding, padding + size)
    return [gx[:, :, inner, inner].astype("float32")]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T
    from phintys.tensor.nnet import abstract_conv as conv

    _, channels, filters, size, taps, stride, padding = SHAPES[variant["shape"]]
    v = [T.ftensor4(name) for name in a]
    options = {"border_mode": padding, "subsample": (stride, stride), "filter_flip": False}
    if variant["pass"] == "forward":
        result = conv.conv2d(*v, **options)
    elif variant["pass"] == "input":
        w, g = v
        result = conv.conv2d_grad_wrt_inputs(g, w, (None, channels, size, size), **options)
    else:
        shape = (filters, channels, taps, taps)
        result = conv.conv2d_grad_wrt_weights(*v, shape, **options)
    return call(phintys.function(v, result), *a.values())


def with_numpy(variant, a):
    raise NotSupported("no convolution of stacks of images")


with_numexpr = with_numpy


def with_pytensor(variant, a):
    raise NotSupported("no convolution of stacks of images")


def with_jax(variant, a):
    import jax

    _, channels, filters, size, taps, stride, padding = SHAPES[variant["shape"]]
    batch = next(iter(a.values())).shape[0] if "x" in a else a["g"].shape[0]

    def forward(x, w):
        return jax.lax.conv_general_dilated(
            x, w, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=("NCHW", "OIHW", "NCHW"),
        )  # fmt: skip

    if variant["pass"] == "forward":
        f = jax.jit(forward)
    elif variant["pass"] == "input":
        x = jax.ShapeDtypeStruct((batch, channels, size, size), "float32")
        f = jax.jit(lambda w, g: jax.linear_transpose(lambda v: forward(v, w), x)(g)[0])
    else:
        w = jax.ShapeDtypeStruct((filters, channels, taps, taps), "float32")
        f = jax.jit(lambda x, g: jax.linear_transpose(lambda v: forward(x, v), w)(g)[0])
    return call(f, *map(jax.numpy.asarray, a.values()), wait=".block_until_ready()")


def torch_function(variant, a):
    import torch

    batch, channels, filters, size, taps, stride, padding = SHAPES[variant["shape"]]
    options = ([stride] * 2, [padding] * 2, [1, 1])
    if variant["pass"] == "forward":
        return lambda x, w: torch.nn.functional.conv2d(x, w, None, *options)
    backward = torch.ops.aten.convolution_backward
    if variant["pass"] == "input":
        like = torch.zeros((batch, channels, size, size))
        return lambda w, g: backward(
            g, like, w, None, *options, False, [0, 0], 1, [True, False, False]
        )[0]
    like = torch.zeros((filters, channels, taps, taps))
    return lambda x, g: backward(
        g, x, like, None, *options, False, [0, 0], 1, [False, True, False]
    )[1]


def with_torch(variant, a):
    import torch

    return call(torch_function(variant, a), *map(torch.from_numpy, a.values()))


def with_torch_compile(variant, a):
    import torch

    return call(torch.compile(torch_function(variant, a)), *map(torch.from_numpy, a.values()))

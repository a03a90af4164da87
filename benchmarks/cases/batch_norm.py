"""Batch normalisation: training, with and without gradients, and with given statistics."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Batch normalisation: of a batch, with all gradients, with given statistics"
EPS = 1e-4


def variants():
    return [
        {"what": what, "shape": shape, "dtype": dtype}
        for what in ("train", "gradients", "test")
        for shape in ((256, 100), (1024, 1000), (32, 64, 14, 14), (32, 16, 64, 64))
        for dtype in ("float32", "float64")
    ]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 1e4 * eps, "atol": 1e4 * eps}


def inputs(variant):
    rng = np.random.default_rng(1)
    shape, dtype = variant["shape"], variant["dtype"]
    a = {"x": rng.standard_normal(shape), "gamma": rng.uniform(0.5, 1.5, shape[1])}
    a["beta"] = rng.standard_normal(shape[1])
    if variant["what"] == "gradients":
        a["g"] = rng.standard_normal(shape)
    if variant["what"] == "test":
        a["mean"], a["var"] = rng.standard_normal(shape[1]), rng.uniform(0.5, 1.5, shape[1])
    return {name: v.astype(dtype) for name, v in a.items()}


def numpy_norm(variant):
    axes = (0, *range(2, len(variant["shape"])))
    wide = lambda v: v.reshape((1, -1) + (1,) * (len(axes) - 1))  # noqa: E731

    def train(x, gamma, beta, g=None):
        eps = x.dtype.type(EPS)
        centred = x - x.mean(axis=axes, keepdims=True)
        inv_std = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
        z = centred * inv_std
        y = z * wide(gamma) + wide(beta)
        if g is None:
            return y
        plain, scaled = g.mean(axis=axes, keepdims=True), (g * z).mean(axis=axes, keepdims=True)
        gx = wide(gamma) * inv_std * (g - plain - z * scaled)
        return y, gx, (g * z).sum(axis=axes), g.sum(axis=axes)

    def test(x, gamma, beta, mean, var):
        scale = gamma / np.sqrt(var + x.dtype.type(EPS))
        return (x - wide(mean)) * wide(scale) + wide(beta)

    return test if variant["what"] == "test" else train


def reference(variant, a):
    values = numpy_norm(variant)(*(v.astype("float64") for v in a.values()))
    values = values if isinstance(values, tuple) else (values,)
    return [v.astype(variant["dtype"]) for v in values]


def with_numpy(variant, a):
    return call(numpy_norm(variant), *a.values())


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    dtype, rank = variant["dtype"], len(variant["shape"])
    x, g = (T.TensorType(dtype, (False,) * rank)() for _ in range(2))
    gamma, beta, mean, var = (T.vector(dtype=dtype) for _ in range(4))
    axes = "spatial" if rank > 2 else "per-activation"
    with phintys.config.change_flags(floatX=dtype):
        if variant["what"] == "test":
            y = T.nnet.batch_normalization_test(x, gamma, beta, mean, var, axes, EPS)
            return call(phintys.function([x, gamma, beta, mean, var], y), *a.values())
        y = T.nnet.batch_normalization_train(x, gamma, beta, axes, EPS)[0]
        if variant["what"] == "train":
            return call(phintys.function([x, gamma, beta], y), *a.values())
        grads = T.Lop(y, [x, gamma, beta], g)
        return call(phintys.function([x, gamma, beta, g], [y, *grads]), *a.values())


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    axes = (0, *range(2, len(variant["shape"])))
    wide = lambda v: v.reshape((1, -1) + (1,) * (len(axes) - 1))  # noqa: E731
    arrays = [jnp.asarray(v) for v in a.values()]

    def train(x, gamma, beta):
        centred = x - x.mean(axis=axes, keepdims=True)
        var = (centred * centred).mean(axis=axes, keepdims=True)
        return centred * jax.lax.rsqrt(var + EPS) * wide(gamma) + wide(beta)

    def test(x, gamma, beta, mean, var):
        return (x - wide(mean)) * wide(gamma * jax.lax.rsqrt(var + EPS)) + wide(beta)

    def both(x, gamma, beta, g):
        y, back = jax.vjp(train, x, gamma, beta)
        return y, *back(g)

    if variant["what"] == "gradients":
        return Job("wait(f(*a))", {"wait": jax.block_until_ready, "f": jax.jit(both), "a": arrays})
    f = test if variant["what"] == "test" else train
    return call(jax.jit(f), *arrays, wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    arrays = [torch.from_numpy(v) for v in a.values()]
    norm = torch.nn.functional.batch_norm
    if variant["what"] == "test":
        return call(lambda x, g, b, m, v: norm(x, m, v, g, b, False, 0.1, EPS), *arrays)
    if variant["what"] == "train":
        return call(lambda x, g, b: norm(x, None, None, g, b, True, 0.1, EPS), *arrays)
    for v in arrays[:3]:
        v.requires_grad_()

    def both(x, gamma, beta, g):
        y = norm(x, None, None, gamma, beta, True, 0.1, EPS)
        return y.detach(), *torch.autograd.grad(y, [x, gamma, beta], g)

    return call(both, *arrays)

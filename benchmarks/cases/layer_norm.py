"""Layer normalisation with scale and shift, alone and with its gradients."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Layer normalisation of rows with scale and shift; value, or all gradients too"
EPS = 1e-5


def variants():
    return [
        {"what": what, "shape": shape, "dtype": dtype}
        for what in ("value", "gradients")
        for shape in ((1024, 64), (256, 1000), (4096, 1024), (64, 50000))
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
    return {name: v.astype(dtype) for name, v in a.items()}


def numpy_norm(x, gamma, beta, g=None):
    centred = x - x.mean(axis=1, keepdims=True)
    inv_std = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + x.dtype.type(EPS))
    z = centred * inv_std
    y = z * gamma + beta
    if g is None:
        return y
    h = g * gamma
    gx = inv_std * (h - h.mean(axis=1, keepdims=True) - z * (h * z).mean(axis=1, keepdims=True))
    return y, gx, (g * z).sum(axis=0), g.sum(axis=0)


def reference(variant, a):
    values = numpy_norm(*(v.astype("float64") for v in a.values()))
    values = values if isinstance(values, tuple) else (values,)
    return [v.astype(variant["dtype"]) for v in values]


def with_numpy(variant, a):
    return call(numpy_norm, *a.values())


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, g = (T.matrix(dtype=variant["dtype"]) for _ in range(2))
    gamma, beta = (T.vector(dtype=variant["dtype"]) for _ in range(2))
    y = T.nnet.layer_norm(x, gamma, beta, epsilon=EPS)
    if variant["what"] == "value":
        return call(phintys.function([x, gamma, beta], y), *a.values())
    grads = T.Lop(y, [x, gamma, beta], g)
    return call(phintys.function([x, gamma, beta, g], [y, *grads]), *a.values())


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    def norm(x, gamma, beta):
        centred = x - x.mean(axis=1, keepdims=True)
        var = (centred * centred).mean(axis=1, keepdims=True)
        return centred * jax.lax.rsqrt(var + EPS) * gamma + beta

    arrays = [jnp.asarray(v) for v in a.values()]
    if variant["what"] == "value":
        return call(jax.jit(norm), *arrays, wait=".block_until_ready()")

    def both(x, gamma, beta, g):
        y, back = jax.vjp(norm, x, gamma, beta)
        return y, *back(g)

    return Job("wait(f(*a))", {"wait": jax.block_until_ready, "f": jax.jit(both), "a": arrays})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x, g = (T.matrix(dtype=variant["dtype"]) for _ in range(2))
    gamma, beta = (T.vector(dtype=variant["dtype"]) for _ in range(2))
    centred = x - x.mean(axis=1, keepdims=True)
    var = (centred * centred).mean(axis=1, keepdims=True)
    y = centred / T.sqrt(var + np.asarray(EPS, variant["dtype"])) * gamma + beta
    if variant["what"] == "value":
        return call(pytensor.function([x, gamma, beta], y), *a.values())
    grads = pytensor.grad(None, [x, gamma, beta], known_grads={y: g})
    return call(pytensor.function([x, gamma, beta, g], [y, *grads]), *a.values())


def with_torch(variant, a):
    import torch

    return torch_job(variant, a, torch.nn.functional.layer_norm)


def with_torch_compile(variant, a):
    import torch

    return torch_job(variant, a, torch.compile(torch.nn.functional.layer_norm))


def torch_job(variant, a, norm):
    import torch

    arrays = [torch.from_numpy(v) for v in a.values()]
    if variant["what"] == "value":
        return call(lambda x, gamma, beta: norm(x, x.shape[1:], gamma, beta, EPS), *arrays)
    for v in arrays[:3]:
        v.requires_grad_()

    def both(x, gamma, beta, g):
        y = norm(x, x.shape[1:], gamma, beta, EPS)
        return y.detach(), *torch.autograd.grad(y, [x, gamma, beta], g)

    return call(both, *arrays)

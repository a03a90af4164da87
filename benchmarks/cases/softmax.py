"""Softmax and its logarithm over rows, alone and with their gradients."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Softmax and log-softmax over rows; value, or value and gradient"

SHAPES = [(64, 10), (1024, 10), (256, 1000), (4096, 1024), (64, 50000)]


def variants():
    return [
        {"what": what, "shape": shape, "dtype": dtype}
        for what in ("softmax", "log_softmax", "softmax grad", "log_softmax grad")
        for shape in SHAPES
        for dtype in ("float32", "float64")
    ]


def targets(variant, metric):
    if variant["shape"] == (64, 10) and variant["what"] == "softmax":
        return [Target("3 x faster than the best peer", ratio=1 / 3)]
    return [Target("faster than the best peer")]


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 64 * eps, "atol": 64 * eps}


def inputs(variant):
    rng = np.random.default_rng(1)
    a = {"x": rng.standard_normal(variant["shape"]).astype(variant["dtype"])}
    if "grad" in variant["what"]:
        a["g"] = rng.standard_normal(variant["shape"]).astype(variant["dtype"])
    return a


def with_numpy_of(variant):
    log = variant["what"].startswith("log")

    def value(x):
        shifted = x - x.max(axis=1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=1, keepdims=True)
        return shifted - np.log(total) if log else e / total

    def both(x, g):
        z = value(x)
        if log:
            return z, g - np.exp(z) * g.sum(axis=1, keepdims=True)
        return z, (g - (g * z).sum(axis=1, keepdims=True)) * z

    return both if "grad" in variant["what"] else value


def reference(variant, a):
    values = with_numpy_of(variant)(*(v.astype("float64") for v in a.values()))
    values = values if isinstance(values, tuple) else (values,)
    return [v.astype(variant["dtype"]) for v in values]


def with_numpy(variant, a):
    return call(with_numpy_of(variant), *a.values())


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, g = (T.matrix(dtype=variant["dtype"]) for _ in range(2))
    z = (T.nnet.logsoftmax if variant["what"].startswith("log") else T.nnet.softmax)(x)
    if "grad" in variant["what"]:
        return call(phintys.function([x, g], [z, T.Lop(z, x, g)]), *a.values())
    return call(phintys.function([x], z), a["x"])


def with_jax(variant, a):
    import jax

    f = jax.nn.log_softmax if variant["what"].startswith("log") else jax.nn.softmax
    arrays = [jax.numpy.asarray(v) for v in a.values()]
    if "grad" not in variant["what"]:
        return call(jax.jit(f), *arrays, wait=".block_until_ready()")

    def both(x, g):
        z, back = jax.vjp(f, x)
        return z, back(g)[0]

    return Job("wait(f(*a))", {"wait": jax.block_until_ready, "f": jax.jit(both), "a": arrays})


def with_torch(variant, a):
    import torch

    f = torch.log_softmax if variant["what"].startswith("log") else torch.softmax
    arrays = [torch.from_numpy(v) for v in a.values()]
    if "grad" not in variant["what"]:
        return call(lambda x: f(x, 1), *arrays)
    arrays[0].requires_grad_()

    def both(x, g):
        z = f(x, 1)
        return z.detach(), torch.autograd.grad(z, x, g)[0]

    return call(both, *arrays)


def with_torch_compile(variant, a):
    import torch

    eager = torch.log_softmax if variant["what"].startswith("log") else torch.softmax
    f = torch.compile(lambda x: eager(x, 1))
    arrays = [torch.from_numpy(v) for v in a.values()]
    if "grad" not in variant["what"]:
        return call(f, *arrays)
    arrays[0].requires_grad_()

    def both(x, g):
        z = f(x)
        return z.detach(), torch.autograd.grad(z, x, g)[0]

    return call(both, *arrays)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T
    from pytensor.tensor.special import log_softmax, softmax

    x, g = (T.matrix(dtype=variant["dtype"]) for _ in range(2))
    z = (log_softmax if variant["what"].startswith("log") else softmax)(x, axis=1)
    if "grad" in variant["what"]:
        back = pytensor.grad(None, x, known_grads={z: g})
        return call(pytensor.function([x, g], [z, back]), *a.values())
    return call(pytensor.function([x], z), a["x"])

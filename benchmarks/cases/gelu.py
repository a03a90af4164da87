"""tanh-GELU: one transcendental function and some arithmetic."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "tanh-GELU: `0.5*x*(1 + tanh(0.7978845608028654*(x + 0.044715*x*x*x)))`"
EXPRESSION = "0.5*x*(1 + tanh(0.7978845608028654*(x + 0.044715*x*x*x)))"


def variants():
    return [{"n": n, "dtype": t} for n in (1000, 10**5, 10**7) for t in ("float32", "float64")]


def targets(variant, metric):
    if variant["dtype"] == "float64":
        return [Target("level with the best peer")]
    share = {1000: 1 / 5, 10**5: 1 / 1.5, 10**7: 1 / 1.5}[variant["n"]]
    return [Target(f"{1 / share:.2g} x faster than the best peer", ratio=share)]


def rates(variant):
    return {"ns/value": variant["n"]}


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 32 * eps, "atol": 8 * eps}  # 1 + tanh cancels for negative x.


def inputs(variant):
    return {"x": np.random.default_rng(1).standard_normal(variant["n"]).astype(variant["dtype"])}


def gelu(x, tanh):
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def reference(variant, a):
    return [gelu(a["x"].astype("float64"), np.tanh).astype(variant["dtype"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x = T.vector("x", dtype=variant["dtype"])
    with phintys.config.change_flags(floatX=variant["dtype"]):
        return call(phintys.function([x], gelu(x, T.tanh)), a["x"])


def with_numpy(variant, a):
    return call(lambda x: gelu(x, np.tanh), a["x"])


def with_numexpr(variant, a):
    import numexpr

    # Python floats are doubles to numexpr: the constants must have the dtype of x.
    dtype = np.dtype(variant["dtype"]).type
    text = "h*x*(1 + tanh(p*(x + q*x*x*x)))"
    names = {"x": a["x"], "h": dtype(0.5), "p": dtype(0.7978845608028654), "q": dtype(0.044715)}
    numexpr.validate(text, local_dict=names)
    return Job("run(local_dict=names)", {"run": numexpr.re_evaluate, "names": names})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x = T.vector("x", dtype=variant["dtype"])
    with pytensor.config.change_flags(floatX=variant["dtype"]):
        return call(pytensor.function([x], gelu(x, T.tanh)), a["x"])


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda x: gelu(x, jax.numpy.tanh))
    return call(f, jax.numpy.asarray(a["x"]), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    # Eager PyTorch has one kernel for it.
    gelu_kernel = torch.nn.functional.gelu
    return Job("f(x, approximate='tanh')", {"f": gelu_kernel, "x": torch.from_numpy(a["x"])})


def with_torch_compile(variant, a):
    import torch

    return call(torch.compile(lambda x: gelu(x, torch.tanh)), torch.from_numpy(a["x"]))

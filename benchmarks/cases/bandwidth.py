"""Passes over memory with next to no arithmetic, beside plain loops on the same buffers."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call
from harness.native import loop_job

TITLE = "Bandwidth: one pass over 10^7 values"
NOTE = (
    "The hand-written loop runs in Phintys's process on the same input buffers, with the same "
    "threads; it writes into one output that it keeps. GB/s counts what is read and written once."
)
SAME_PROCESS = ("loop",)
N = 10**7
# The hand-written loop, and how many arrays are read and written.
WHAT = {
    "x + y": ("add", 3),
    "3 * x": ("scale", 2),
    "sum(x)": ("sum", 1),
    "sum(x * y)": ("dot", 2),
}


def variants():
    return [{"what": what, "dtype": t} for what in WHAT for t in ("float32", "float64")]


def targets(variant, metric):
    return [
        Target("90 % of the loop's speed", against="loop", ratio=1 / 0.9),
        Target("faster than the best peer"),
    ]


def rates(variant):
    return {"GB/s": WHAT[variant["what"]][1] * N * np.dtype(variant["dtype"]).itemsize}


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    reduction = variant["what"].startswith("sum")
    return {"rtol": 1e4 * eps, "atol": 1e6 * eps} if reduction else {"rtol": eps, "atol": 0.0}


def inputs(variant):
    rng = np.random.default_rng(1)
    return {k: rng.uniform(0, 1, N).astype(variant["dtype"]) for k in ("x", "y")}


def used(variant, a):
    return {name: v for name, v in a.items() if name in variant["what"]}


def expression(variant, total):
    """The case as a function of one or two arrays, given the sum of a package."""
    return {
        "x + y": lambda x, y: x + y,
        "3 * x": lambda x: 3 * x,
        "sum(x)": lambda x: total(x),
        "sum(x * y)": lambda x, y: total(x * y),
    }[variant["what"]]


def reference(variant, a):
    wide = (v.astype("float64") for v in used(variant, a).values())
    return [np.asarray(expression(variant, np.sum)(*wide), dtype=variant["dtype"])]


def symbolic(package, variant, a):
    T = package.tensor
    v = [T.vector(name, dtype=variant["dtype"]) for name in used(variant, a)]
    return call(package.function(v, expression(variant, T.sum)(*v)), *used(variant, a).values())


def with_phintys(variant, a):
    import phintys
    import phintys.tensor

    return symbolic(phintys, variant, a)


def with_loop(variant, a):
    shape = () if variant["what"].startswith("sum") else (N,)
    out = np.empty(shape, dtype=variant["dtype"])
    return loop_job(WHAT[variant["what"]][0], a["x"], a["y"], out)


def with_numpy(variant, a):
    if variant["what"] == "sum(x * y)":
        return Job("np.dot(x, y)", {"np": np, **a})
    return call(expression(variant, np.sum), *used(variant, a).values())


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor

    return symbolic(pytensor, variant, a)


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    f = jax.jit(expression(variant, jnp.sum))
    return call(f, *map(jnp.asarray, used(variant, a).values()), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    arrays = [torch.from_numpy(v) for v in used(variant, a).values()]
    if variant["what"] == "sum(x * y)":
        return call(torch.dot, *arrays)
    return call(expression(variant, torch.sum), *arrays)


def with_torch_compile(variant, a):
    import torch

    f = torch.compile(expression(variant, torch.sum))
    return call(f, *map(torch.from_numpy, used(variant, a).values()))

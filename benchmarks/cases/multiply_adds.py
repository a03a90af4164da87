"""Twenty multiply-adds in a chain: arithmetic without transcendental functions."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call
from harness.native import loop_job

TITLE = "20 chained multiply-adds, `h = h*x + y`, float32"
NOTE = (
    "The hand-written loop is the compiler's: -O3 -march=native, multiply-add as one instruction. "
    "NumPy and PyTorch do what they can in place."
)
OPS = 20


def variants():
    return [{"n": n, "dtype": "float32"} for n in (1000, 10**5, 10**7)]


def targets(variant, metric):
    share = {1000: 1 / 5, 10**5: 1 / 1.5, 10**7: 1 / 2}[variant["n"]]
    return [Target(f"{1 / share:.2g} x faster than the best peer", ratio=share)]


def rates(variant):
    return {"GFLOP/s": 2 * OPS * variant["n"]}


def tolerance(variant):
    return {"rtol": 2e-5, "atol": 2e-5}


def inputs(variant):
    rng = np.random.default_rng(1)
    n = variant["n"]
    x, y = rng.uniform(-0.9, 0.9, n), rng.standard_normal(n)
    return {"x": x.astype(variant["dtype"]), "y": y.astype(variant["dtype"])}


def chained(x, y):
    h = x
    for _ in range(OPS):
        h = h * x + y
    return h


def reference(variant, a):
    return [chained(*(v.astype("float64") for v in a.values())).astype(variant["dtype"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, y = (T.vector(name, dtype=variant["dtype"]) for name in "xy")
    return call(phintys.function([x, y], chained(x, y)), *a.values())


def with_loop(variant, a):
    return loop_job("multiply_adds", a["x"], a["y"], np.empty_like(a["x"]))


SAME_PROCESS = ("loop",)


def with_numpy(variant, a):
    def in_place(x, y):
        h = x * x
        h += y
        for _ in range(OPS - 1):
            h *= x
            h += y
        return h

    return call(in_place, *a.values())


def with_numexpr(variant, a):
    import numexpr

    text = "x"
    for _ in range(OPS):
        text = f"({text})*x + y"
    numexpr.validate(text, local_dict=a)
    return Job("run(local_dict=a)", {"run": numexpr.re_evaluate, "a": a})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x, y = (T.vector(name, dtype=variant["dtype"]) for name in "xy")
    return call(pytensor.function([x, y], chained(x, y)), *a.values())


def with_jax(variant, a):
    import jax

    return call(jax.jit(chained), *map(jax.numpy.asarray, a.values()), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    def in_place(x, y):
        h = torch.addcmul(y, x, x)
        for _ in range(OPS - 1):
            h = h.mul_(x).add_(y)
        return h

    return call(in_place, *map(torch.from_numpy, a.values()))


def with_torch_compile(variant, a):
    import torch

    return call(torch.compile(chained), *map(torch.from_numpy, a.values()))

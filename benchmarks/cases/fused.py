"""A cheap fused expression: at 10^7 values only the bandwidth counts."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call
from harness.native import loop_job

TITLE = "Fused `2*x + 3*y - x*y`"
NOTE = (
    "The hand-written loop (C++, OpenMP, -O3 -march=native, called so that Python costs it "
    "nothing) runs in Phintys's process on the same "
    "input buffers and writes into one output buffer that it keeps. Phintys returns a fresh array "
    "from each call, whose memory it recycles once the caller has dropped the previous one; so do "
    "JAX and, through the allocator, the others as far as they can."
)
SAME_PROCESS = ("loop",)
EXPRESSION = "2*x + 3*y - x*y"


def variants():
    return [{"n": n, "dtype": t} for n in (1000, 10**5, 10**7) for t in ("float32", "float64")]


def targets(variant, metric):
    share = {1000: 1 / 5, 10**5: 1 / 1.5, 10**7: 1 / 2}[variant["n"]]
    goals = [Target(f"{1 / share:.2g} x faster than the best peer", ratio=share)]
    if variant["n"] == 10**7:
        goals.append(Target("90 % of the loop's speed", against="loop", ratio=1 / 0.9))
    return goals


def rates(variant):
    bytes_moved = 3 * np.dtype(variant["dtype"]).itemsize * variant["n"]
    return {"GB/s": bytes_moved} if variant["n"] == 10**7 else {"ns/value": variant["n"]}


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 4 * eps, "atol": 16 * eps}  # The terms cancel.


def inputs(variant):
    rng = np.random.default_rng(1)
    return {k: rng.standard_normal(variant["n"]).astype(variant["dtype"]) for k in ("x", "y")}


def reference(variant, a):
    x, y = (v.astype("float64") for v in a.values())
    return [(2 * x + 3 * y - x * y).astype(variant["dtype"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, y = (T.vector(name, dtype=variant["dtype"]) for name in "xy")
    return call(phintys.function([x, y], 2 * x + 3 * y - x * y), a["x"], a["y"])


def with_loop(variant, a):
    return loop_job("fused", a["x"], a["y"], np.empty_like(a["x"]))


def with_numpy(variant, a):
    return Job(EXPRESSION, a)


def with_numexpr(variant, a):
    import numexpr

    numexpr.validate(EXPRESSION, local_dict=a)
    return Job("run(local_dict=a)", {"run": numexpr.re_evaluate, "a": a})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x, y = (T.vector(name, dtype=variant["dtype"]) for name in "xy")
    return call(pytensor.function([x, y], 2 * x + 3 * y - x * y), a["x"], a["y"])


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda x, y: 2 * x + 3 * y - x * y)
    return call(f, *map(jax.numpy.asarray, a.values()), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    return Job(EXPRESSION, {name: torch.from_numpy(value) for name, value in a.items()})


def with_torch_compile(variant, a):
    import torch

    f = torch.compile(lambda x, y: 2 * x + 3 * y - x * y)
    return call(f, *map(torch.from_numpy, a.values()))

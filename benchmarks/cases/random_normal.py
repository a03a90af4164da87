"""Normal random numbers."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target

TITLE = "Normal random numbers"
NOTE = (
    "Each peer's own generator: Philox4x32-10 (Phintys), PCG64 with a ziggurat (NumPy), the "
    "Mersenne Twister (PyTorch), Threefry (JAX). What is checked are shares of the numbers below "
    "bounds, not the numbers."
)

# Shares of numbers below these bounds are compared with those of the distribution.
BOUNDS = np.array([-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
SHARES = np.array(
    [0.0013498980316301, 0.0227501319481792, 0.1586552539314571, 0.3085375387259869, 0.5]
)


def variants():
    return [{"n": n, "dtype": t} for n in (10**5, 10**6, 10**7) for t in ("float32", "float64")]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    # Five standard errors of a share of one half.
    return {"rtol": 0.0, "atol": 2.5 / variant["n"] ** 0.5}


def inputs(variant):
    return {}


def reference(variant, a):
    return [np.concatenate([SHARES, 1 - SHARES[-2::-1]])]


def shares(x):
    x = np.asarray(x)
    return [np.array([np.mean(x < b) for b in BOUNDS])]


def with_phintys(variant, a):
    import phintys
    from phintys.tensor.random import RandomStream

    x = RandomStream(1).normal(size=variant["n"], dtype=variant["dtype"])
    f = phintys.function([], x)
    return Job("f()", {"f": f}, check=lambda: shares(f()))


def with_numpy(variant, a):
    generator = np.random.default_rng(1)
    names = {"f": generator.standard_normal, "n": variant["n"], "t": np.dtype(variant["dtype"])}
    return Job("f(n, t)", names, check=lambda: shares(names["f"](names["n"], names["t"])))


def with_pytensor(variant, a):
    import pytensor
    from pytensor.tensor.random.utils import RandomStream

    with pytensor.config.change_flags(floatX=variant["dtype"]):
        x = RandomStream(1).normal(size=variant["n"], dtype=variant["dtype"])
        f = pytensor.function([], x)
    return Job("f()", {"f": f}, check=lambda: shares(f()))


def with_jax(variant, a):
    import jax

    @jax.jit
    def step(key):
        key, used = jax.random.split(key)
        return key, jax.random.normal(used, (variant["n"],), dtype=variant["dtype"])

    # The key of the next call is part of the work, as the state is elsewhere.
    keys = [jax.random.key(1)]

    def draw():
        keys[0], x = step(keys[0])
        return x.block_until_ready()

    return Job("f()", {"f": draw}, check=lambda: shares(draw()))


def with_torch(variant, a):
    import torch

    torch.manual_seed(1)
    names = {"f": torch.randn, "n": variant["n"], "t": getattr(torch, variant["dtype"])}
    return Job(
        "f(n, dtype=t)", names, check=lambda: shares(torch.randn(names["n"], dtype=names["t"]))
    )

"""A map and a full reduction: the loss of a logistic regression."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Logistic loss: `sum(log1p(exp(-x*y)))`"


def variants():
    sizes = (10**5, 4 * 10**6, 10**7)
    return [{"n": n, "dtype": t} for n in sizes for t in ("float32", "float64")]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    # numexpr adds up 10^7 float32 values one after the other; the others use trees.
    return {"rtol": 1e-3 if variant["dtype"] == "float32" else 1e-11, "atol": 0.0}


def inputs(variant):
    rng = np.random.default_rng(1)
    return {k: rng.standard_normal(variant["n"]).astype(variant["dtype"]) for k in ("x", "y")}


def reference(variant, a):
    x, y = (value.astype("float64") for value in a.values())
    return [np.asarray(np.sum(np.log1p(np.exp(-x * y))), dtype=variant["dtype"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, y = (T.vector(name, dtype=variant["dtype"]) for name in "xy")
    return call(phintys.function([x, y], T.sum(T.log1p(T.exp(-x * y)))), *a.values())


def with_numpy(variant, a):
    return call(lambda x, y: np.sum(np.log1p(np.exp(-x * y))), *a.values())


def with_numexpr(variant, a):
    import numexpr

    # Its sum of float32 is a double.
    numexpr.validate("sum(log1p(exp(-x*y)))", local_dict=a)
    dtype = np.dtype(variant["dtype"]).type
    names = {"run": numexpr.re_evaluate, "a": a, "dtype": dtype}
    return Job("dtype(run(local_dict=a))", names)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x, y = (T.vector(name, dtype=variant["dtype"]) for name in "xy")
    return call(pytensor.function([x, y], T.sum(T.log1p(T.exp(-x * y)))), *a.values())


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    f = jax.jit(lambda x, y: jnp.sum(jnp.log1p(jnp.exp(-x * y))))
    return call(f, *map(jnp.asarray, a.values()), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    f = lambda x, y: torch.log1p(torch.exp(-x * y)).sum()  # noqa: E731
    return call(f, *map(torch.from_numpy, a.values()))


def with_torch_compile(variant, a):
    import torch

    f = torch.compile(lambda x, y: torch.log1p(torch.exp(-x * y)).sum())
    return call(f, *map(torch.from_numpy, a.values()))

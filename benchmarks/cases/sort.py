"""Sorting by value and by index."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "`sort(x)` and `argsort(x)` along the last axis"
NOTE = "Phintys' order of indices is always the stable one; that of NumPy's default is not."


def variants():
    return [
        {"what": what, "shape": shape, "dtype": dtype}
        for what in ("sort", "argsort")
        for shape in ((1000,), (10**6,), (1000, 1000))
        for dtype in ("float32", "float64", "int64")
    ]


def targets(variant, metric):
    return [Target("level with the best peer")]


def tolerance(variant):
    return {"rtol": 0.0, "atol": 0.0}


def inputs(variant):
    # All different, so that there is one right order of indices.
    n = int(np.prod(variant["shape"]))
    x = np.random.default_rng(1).permutation(n) - n // 3
    return {"x": x.reshape(variant["shape"]).astype(variant["dtype"])}


def reference(variant, a):
    return [getattr(np, variant["what"])(a["x"], kind="stable")]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x = T.TensorType(variant["dtype"], (False,) * len(variant["shape"]))("x")
    return call(phintys.function([x], getattr(T, variant["what"])(x)), a["x"])


def with_numpy(variant, a):
    return call(getattr(np, variant["what"]), a["x"])


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x = T.tensor("x", dtype=variant["dtype"], shape=(None,) * len(variant["shape"]))
    return call(pytensor.function([x], getattr(T, variant["what"])(x)), a["x"])


def with_jax(variant, a):
    import jax

    f = jax.jit(getattr(jax.numpy, variant["what"]))
    # JAX's indices are int32 unless 64 bits are asked for.
    job = call(f, jax.numpy.asarray(a["x"]), wait=".block_until_ready()")
    if variant["what"] == "argsort":
        value = np.asarray(f(jax.numpy.asarray(a["x"]))).astype("int64")
        return Job(job.statement, job.names, lambda: [value])
    return job


def with_torch(variant, a):
    import torch

    x = torch.from_numpy(a["x"])
    if variant["what"] == "argsort":
        return call(torch.argsort, x)
    return Job("f(x)", {"f": torch.sort, "x": x}, lambda: [torch.sort(x).values])

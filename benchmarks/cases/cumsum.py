"""Running sums of one long row, of many rows and down columns."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "`cumsum(x, axis)`"


def variants():
    shapes = [((10**6,), 0), ((10**7,), 0), ((1000, 1000), 1), ((1000, 1000), 0)]
    return [{"shape": s, "axis": a, "dtype": t} for s, a in shapes for t in ("float32", "float64")]


def targets(variant, metric):
    return [Target("level with the best peer")]


def tolerance(variant):
    # A running sum near zero has the error of the greatest one.
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 4096 * eps, "atol": 4096 * 1000 * eps}


def inputs(variant):
    x = np.random.default_rng(1).random(variant["shape"]) + 0.5
    return {"x": x.astype(variant["dtype"])}


def reference(variant, a):
    return [np.cumsum(a["x"].astype("float64"), variant["axis"]).astype(variant["dtype"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x = T.TensorType(variant["dtype"], (False,) * len(variant["shape"]))("x")
    return call(phintys.function([x], T.cumsum(x, variant["axis"])), a["x"])


def with_numpy(variant, a):
    return Job("f(x, axis)", {"f": np.cumsum, "x": a["x"], "axis": variant["axis"]})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x = T.tensor("x", dtype=variant["dtype"], shape=(None,) * len(variant["shape"]))
    return call(pytensor.function([x], T.cumsum(x, variant["axis"])), a["x"])


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda x: jax.numpy.cumsum(x, variant["axis"]))
    return call(f, jax.numpy.asarray(a["x"]), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    names = {"f": torch.cumsum, "x": torch.from_numpy(a["x"]), "axis": variant["axis"]}
    return Job("f(x, axis)", names)

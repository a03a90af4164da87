"""The greatest elements of rows and their indices."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "`topk(x, k)`: values, best first, and indices along the last axis"
NOTE = "NumPy has no such function: argpartition, and a sort of what it finds."


def variants():
    cases = [((10**6,), 10), ((10**6,), 10_000), ((1000, 1000), 5), ((100, 50_000), 40)]
    return [
        {"shape": shape, "k": k, "dtype": dtype}
        for shape, k in cases
        for dtype in ("float32", "float64")
    ]


def targets(variant, metric):
    return [Target("level with the best peer")]


def tolerance(variant):
    return {"rtol": 0.0, "atol": 0.0}


def inputs(variant):
    n = int(np.prod(variant["shape"]))
    x = np.random.default_rng(1).permutation(n) - n // 3
    return {"x": x.reshape(variant["shape"]).astype(variant["dtype"])}


def numpy_topk(x, k):
    index = np.argpartition(x, -k)[..., -k:]
    values = np.take_along_axis(x, index, -1)
    order = np.argsort(-values)
    return np.take_along_axis(values, order, -1), np.take_along_axis(index, order, -1)


def reference(variant, a):
    index = np.argsort(-a["x"].astype("float64"), kind="stable")[..., : variant["k"]]
    return [np.take_along_axis(a["x"], index, -1), index]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x = T.TensorType(variant["dtype"], (False,) * len(variant["shape"]))("x")
    return call(phintys.function([x], T.topk_and_argtopk(x, variant["k"])), a["x"])


def with_numpy(variant, a):
    return Job("f(x, k)", {"f": numpy_topk, "x": a["x"], "k": variant["k"]})


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda x: jax.lax.top_k(x, variant["k"]))
    x = jax.numpy.asarray(a["x"])
    values, index = f(x)
    checked = [np.asarray(values), np.asarray(index).astype("int64")]
    return Job("f(x)[1].block_until_ready()", {"f": f, "x": x}, lambda: checked)


def with_torch(variant, a):
    import torch

    names = {"f": torch.topk, "x": torch.from_numpy(a["x"]), "k": variant["k"]}
    return Job("f(x, k)", names)

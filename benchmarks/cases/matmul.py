"""Products of square matrices, beside the BLAS without anything around it."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call
from harness.native import gemm_job

TITLE = "Matrix product, n x n"
NOTE = (
    "Raw OpenBLAS: the library of NumPy's wheel, called from C++ into one output that it keeps. "
    "PyTorch brings MKL. Every peer returns a fresh matrix."
)


def variants():
    return [{"n": n, "dtype": t} for n in (64, 1024) for t in ("float32", "float64")]


def targets(variant, metric):
    return [
        Target("level with the best peer"),
        Target("95 % of raw OpenBLAS", against="blas", ratio=1 / 0.95),
    ]


def rates(variant):
    return {"GFLOP/s": 2 * variant["n"] ** 3}


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 0.0, "atol": 10 * eps * variant["n"]}


def inputs(variant):
    rng = np.random.default_rng(1)
    shape = (variant["n"], variant["n"])
    return {k: rng.standard_normal(shape).astype(variant["dtype"]) for k in ("a", "b")}


def reference(variant, a):
    product = a["a"].astype("float64") @ a["b"].astype("float64")
    return [product.astype(variant["dtype"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, y = (T.matrix(name, dtype=variant["dtype"]) for name in "ab")
    return call(phintys.function([x, y], T.dot(x, y)), *a.values())


def with_blas(variant, a):
    return gemm_job(a["a"], a["b"], np.empty_like(a["a"]))


def with_numpy(variant, a):
    return Job("a @ b", a)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x, y = (T.matrix(name, dtype=variant["dtype"]) for name in "ab")
    return call(pytensor.function([x, y], T.dot(x, y)), *a.values())


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda a, b: a @ b)
    return call(f, *map(jax.numpy.asarray, a.values()), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    return Job("a @ b", {name: torch.from_numpy(v) for name, v in a.items()})


def with_torch_compile(variant, a):
    import torch

    return call(torch.compile(lambda a, b: a @ b), *map(torch.from_numpy, a.values()))

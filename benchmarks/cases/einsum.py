"""Einstein sums: attention scores with heads inside or outside, and a chain of three matrices."""

from __future__ import annotations

import numpy as np

from harness.job import NotSupported, Target, call

TITLE = "Einstein sums"
NOTE = "Products of stacks of matrices; the chain is best done from the right."
SHAPES = {
    "bhqd,bhkd->bhqk": [(8, 8, 128, 64), (8, 8, 128, 64)],
    "bqhd,bkhd->bhqk": [(8, 128, 8, 64), (8, 128, 8, 64)],
    "bij,bjk->bik": [(10000, 4, 4), (10000, 4, 4)],
    "ij,jk,kl->il": [(500, 400), (400, 300), (300, 10)],
}


def variants():
    return [{"sum": text, "dtype": "float32"} for text in SHAPES]


def targets(variant, metric):
    return [Target("level with the best peer")]


def tolerance(variant):
    return {"rtol": 1e-3, "atol": 1e-3}


def inputs(variant):
    rng = np.random.default_rng(1)
    shapes = SHAPES[variant["sum"]]
    return {f"x{k}": rng.normal(size=s).astype(variant["dtype"]) for k, s in enumerate(shapes)}


def reference(variant, arrays):
    wide = (a.astype("float64") for a in arrays.values())
    return [np.einsum(variant["sum"], *wide, optimize=True).astype(variant["dtype"])]


def with_phintys(variant, arrays):
    import phintys
    import phintys.tensor as T

    xs = [T.TensorType(a.dtype.name, (False,) * a.ndim)() for a in arrays.values()]
    # Known lengths choose the order of contraction.
    known = [T.specify_shape(x, a.shape) for x, a in zip(xs, arrays.values(), strict=True)]
    return call(phintys.function(xs, T.einsum(variant["sum"], *known)), *arrays.values())


def with_numpy(variant, arrays):
    return call(lambda *v: np.einsum(variant["sum"], *v, optimize=True), *arrays.values())


def with_numexpr(variant, arrays):
    raise NotSupported("no products of matrices")


def with_pytensor(variant, arrays):
    import pytensor
    import pytensor.tensor as T

    xs = [T.tensor(dtype=a.dtype.name, shape=a.shape) for a in arrays.values()]
    return call(pytensor.function(xs, T.einsum(variant["sum"], *xs)), *arrays.values())


def with_jax(variant, arrays):
    import jax

    f = jax.jit(lambda *v: jax.numpy.einsum(variant["sum"], *v))
    job = call(f, *map(jax.numpy.asarray, arrays.values()))
    job.statement = f"wait({job.statement})"
    job.names["wait"] = jax.block_until_ready
    return job


def with_torch(variant, arrays):
    import torch

    f = lambda *v: torch.einsum(variant["sum"], *v)  # noqa: E731
    return call(f, *map(torch.from_numpy, arrays.values()))

"""Cholesky factor and solution of a positive definite system: one large, or many small ones."""

from __future__ import annotations

import numpy as np

from harness.job import NotSupported, Target, call

TITLE = "Cholesky factor and solve"
NOTE = "Factor, its log-determinant, and the solution of one system each."


def variants():
    sizes = [(1, 10), (1, 100), (1, 1000), (10000, 4), (2000, 16)]
    return [{"count": c, "n": n, "dtype": "float64"} for c, n in sizes]


def targets(variant, metric):
    return [Target("level with the best peer")]


def tolerance(variant):
    return {"rtol": 1e-9, "atol": 1e-9}


def inputs(variant):
    rng = np.random.default_rng(1)
    count, n = variant["count"], variant["n"]
    x = rng.normal(size=(count, n, n)).astype(variant["dtype"])
    a = x @ x.swapaxes(1, 2) + n * np.eye(n, dtype=variant["dtype"])
    return {"a": a, "b": rng.normal(size=(count, n, 1)).astype(variant["dtype"])}


def reference(variant, arrays):
    factor = np.linalg.cholesky(arrays["a"])
    log = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    return [factor, log, np.linalg.solve(arrays["a"], arrays["b"])]


def with_phintys(variant, arrays):
    import phintys
    import phintys.tensor as T

    a, b = (T.tensor3(name, dtype=variant["dtype"]) for name in "ab")
    factor = T.slinalg.cholesky(a)
    log = 2 * T.log(T.diagonal(factor, 0, 1, 2)).sum(axis=1)
    x = T.slinalg.cho_solve((factor, True), b, b_ndim=2)
    return call(phintys.function([a, b], [factor, log, x]), *arrays.values())


def with_numpy(variant, arrays):
    def run(a, b):
        factor = np.linalg.cholesky(a)
        log = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
        return factor, log, np.linalg.solve(a, b)

    return call(run, *arrays.values())


def with_numexpr(variant, arrays):
    raise NotSupported("no linear algebra")


def with_pytensor(variant, arrays):
    import pytensor
    import pytensor.tensor as T

    a, b = (T.tensor3(name, dtype=variant["dtype"]) for name in "ab")
    factor = T.linalg.cholesky(a)
    log = 2 * T.log(T.diagonal(factor, 0, 1, 2)).sum(axis=1)
    x = T.linalg.cho_solve((factor, True), b, b_ndim=2)
    return call(pytensor.function([a, b], [factor, log, x]), *arrays.values())


def with_jax(variant, arrays):
    import jax
    import jax.numpy as jnp

    def run(a, b):
        factor = jnp.linalg.cholesky(a)
        log = 2 * jnp.log(jnp.diagonal(factor, axis1=1, axis2=2)).sum(1)
        first = jax.scipy.linalg.solve_triangular(factor, b, lower=True)
        return factor, log, jax.scipy.linalg.solve_triangular(factor, first, lower=True, trans=1)

    job = call(jax.jit(run), *map(jax.numpy.asarray, arrays.values()))
    job.statement = f"wait({job.statement})"
    job.names["wait"] = jax.block_until_ready
    return job


def with_torch(variant, arrays):
    import torch

    def run(a, b):
        factor = torch.linalg.cholesky(a)
        log = 2 * torch.log(torch.diagonal(factor, 0, 1, 2)).sum(1)
        return factor, log, torch.cholesky_solve(b, factor)

    return call(run, *map(torch.from_numpy, arrays.values()))

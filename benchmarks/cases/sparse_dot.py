"""A sparse matrix times a dense one, and the gradient: SciPy stands for NumPy."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "`sparse.dot(x, y)`, x csr with 20 entries a row"


def variants():
    return [
        {"rows": 20000, "columns": c, "dtype": t, "gradient": g}
        for c, g in ((1, False), (64, False), (64, True))
        for t in ("float32", "float64")
    ]


def targets(variant, metric):
    return [Target("level with the best peer")]


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 1024 * eps, "atol": 1024 * eps}


def inputs(variant):
    rng = np.random.default_rng(1)
    n = variant["rows"]
    indices = np.sort(rng.integers(0, n, (n, 20)), axis=1).astype("int32")
    return {
        "data": rng.random(20 * n).astype(variant["dtype"]),
        "indices": indices.ravel(),
        "indptr": np.arange(0, 20 * n + 1, 20, dtype="int32"),
        "y": rng.random((n, variant["columns"])).astype(variant["dtype"]),
    }


def matrix(variant, a):
    import scipy.sparse

    n = variant["rows"]
    return scipy.sparse.csr_matrix((a["data"], a["indices"], a["indptr"]), shape=(n, n))


def product_and_gradient(variant, x, y):
    product = x @ y
    if not variant["gradient"]:
        return [product]
    # Of half the sum of squares, with respect to y.
    return [product, x.T @ product]


def reference(variant, a):
    x = matrix(variant, a).astype("float64")
    values = product_and_gradient(variant, x, a["y"].astype("float64"))
    return [v.astype(variant["dtype"]) for v in values]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T
    from phintys import sparse

    x, y = sparse.csr_matrix("x", variant["dtype"]), T.matrix("y", dtype=variant["dtype"])
    outputs = [sparse.dot(x, y)]
    if variant["gradient"]:
        outputs.append(T.grad(0.5 * T.sqr(outputs[0]).sum(), y))
    return call(phintys.function([x, y], outputs), matrix(variant, a), a["y"])


def with_numpy(variant, a):
    names = {"f": product_and_gradient, "v": variant, "x": matrix(variant, a), "y": a["y"]}
    return Job("f(v, x, y)", names)


def with_torch(variant, a):
    import torch

    n = variant["rows"]
    parts = [torch.from_numpy(a[name]) for name in ("indptr", "indices", "data")]
    x = torch.sparse_csr_tensor(*parts, size=(n, n))
    turned = x.to_sparse_coo().t().to_sparse_csr() if variant["gradient"] else None

    def run(y):
        product = x @ y
        return [product] if turned is None else [product, turned @ product]

    return Job("f(y)", {"f": run, "y": torch.from_numpy(a["y"])})


def with_jax(variant, a):
    import jax
    from jax.experimental import sparse

    n = variant["rows"]
    parts = [jax.numpy.asarray(a[name]) for name in ("data", "indices", "indptr")]
    x = sparse.BCSR(tuple(parts), shape=(n, n))

    def run(y):
        if not variant["gradient"]:
            return [x @ y]
        product, back = jax.vjp(lambda y: x @ y, y)
        return [product, back(product)[0]]

    names = {"f": jax.jit(run), "y": jax.numpy.asarray(a["y"]), "ready": jax.block_until_ready}
    return Job("ready(f(y))", names)

"""Special functions of vectors: gamma, Bessel and incomplete functions."""

from __future__ import annotations

import numpy as np

from harness.job import NotSupported, Target, call

TITLE = "Special functions of 10^5 numbers"
NOTE = "JAX computes betainc and gammainc in float64 by loops over the whole array."
NAMES = ("gammaln", "psi", "erfinv", "i0", "j0", "gammainc", "betainc", "iv", "kv")


def variants():
    return [{"function": name, "n": 10**5} for name in NAMES]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    # SciPy's own errors; j0 has roots.
    return {"rtol": 1e-9, "atol": 1e-12}


def inputs(variant):
    rng = np.random.default_rng(1)
    n = variant["n"]
    x, unit = rng.uniform(0.1, 30, n), rng.uniform(0.01, 0.99, n)
    a, b = rng.uniform(0.5, 30, (2, n))
    rows = {
        "erfinv": [unit],
        "gammainc": [a, x],
        "betainc": [a, b, unit],
        "iv": [a, x],
        "kv": [a, x],
    }
    return {f"x{i}": row for i, row in enumerate(rows.get(variant["function"], [x]))}


def reference(variant, a):
    from scipy import special

    return [getattr(special, variant["function"])(*a.values())]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    xs = [T.dvector() for _ in a]
    return call(phintys.function(xs, getattr(T, variant["function"])(*xs)), *a.values())


def with_numpy(variant, a):
    from scipy import special

    return call(getattr(special, variant["function"]), *a.values())


def with_jax(variant, a):
    import jax

    name = {"psi": "digamma"}.get(variant["function"], variant["function"])
    function = getattr(jax.scipy.special, name, None)
    if function is None:
        raise NotSupported(f"no {name}")
    arrays = [jax.numpy.asarray(v) for v in a.values()]
    return call(jax.jit(function), *arrays, wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    name = {"j0": "bessel_j0"}.get(variant["function"], variant["function"])
    function = getattr(torch.special, name, None)
    if function is None:
        raise NotSupported(f"no {name}")
    return call(function, *[torch.from_numpy(v) for v in a.values()])

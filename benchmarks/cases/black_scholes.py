"""Black-Scholes call and put prices: log, exp, sqrt, erf and two outputs."""

from __future__ import annotations

import numpy as np

from harness.job import NotSupported, Target, call

TITLE = "Black-Scholes, call and put"
NOTE = "erf of the NumPy version is SciPy's; numexpr has none."
RATE, SIGMA = 0.02, 0.3


def variants():
    return [{"n": n, "dtype": t} for n in (10**5, 4 * 10**6) for t in ("float32", "float64")]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 64 * eps, "atol": 4000 * eps}  # Differences of prices of up to 200.


def inputs(variant):
    rng = np.random.default_rng(1)
    ranges = {"s": (10, 200), "k": (10, 200), "t": (0.1, 2)}
    return {
        name: rng.uniform(low, high, variant["n"]).astype(variant["dtype"])
        for name, (low, high) in ranges.items()
    }


def prices(s, k, t, lib, erf):
    """Call and put; `lib` has exp, log and sqrt."""
    root = SIGMA * lib.sqrt(t)
    d1 = (lib.log(s / k) + (RATE + 0.5 * SIGMA * SIGMA) * t) / root
    d2 = d1 - root
    n1 = 0.5 + 0.5 * erf(0.7071067811865476 * d1)
    n2 = 0.5 + 0.5 * erf(0.7071067811865476 * d2)
    discounted = k * lib.exp(-RATE * t)
    return s * n1 - discounted * n2, discounted * (1 - n2) - s * (1 - n1)


def reference(variant, a):
    from scipy.special import erf

    wide = (value.astype("float64") for value in a.values())
    return [price.astype(variant["dtype"]) for price in prices(*wide, np, erf)]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    s, k, t = (T.vector(name, dtype=variant["dtype"]) for name in "skt")
    with phintys.config.change_flags(floatX=variant["dtype"]):
        return call(phintys.function([s, k, t], list(prices(s, k, t, T, T.erf))), *a.values())


def with_numpy(variant, a):
    from scipy.special import erf

    return call(lambda s, k, t: prices(s, k, t, np, erf), *a.values())


def with_numexpr(variant, a):
    raise NotSupported("no erf")


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    s, k, t = (T.vector(name, dtype=variant["dtype"]) for name in "skt")
    with pytensor.config.change_flags(floatX=variant["dtype"]):
        return call(pytensor.function([s, k, t], list(prices(s, k, t, T, T.erf))), *a.values())


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda s, k, t: prices(s, k, t, jax.numpy, jax.scipy.special.erf))
    job = call(f, *map(jax.numpy.asarray, a.values()))
    job.statement = f"wait({job.statement})"
    job.names["wait"] = jax.block_until_ready
    return job


def with_torch(variant, a):
    import torch

    f = lambda s, k, t: prices(s, k, t, torch, torch.erf)  # noqa: E731
    return call(f, *map(torch.from_numpy, a.values()))


def with_torch_compile(variant, a):
    import torch

    f = torch.compile(lambda s, k, t: prices(s, k, t, torch, torch.erf))
    return call(f, *map(torch.from_numpy, a.values()))

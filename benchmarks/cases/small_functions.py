"""What one more operation costs in functions of few values."""

from __future__ import annotations

import numpy as np

from harness.job import Target, call

TITLE = "Small functions: chains of `h*x + y` on few float64 values"
NOTE = (
    "Two operations a link; n 0 is a 0-d array. The time of a call, and that time for each "
    "operation: that of two is mostly the cost of a call, of two hundred little is left of it."
)


def variants():
    return [{"ops": ops, "n": n} for ops in (2, 20, 200) for n in (0, 10, 100)]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def rates(variant):
    return {"ns/op": variant["ops"]}


def tolerance(variant):
    return {"rtol": 1e-12, "atol": 1e-12}


def inputs(variant):
    rng = np.random.default_rng(1)
    shape = (variant["n"],) if variant["n"] else ()
    return {k: np.asarray(rng.uniform(-0.9, 0.9, shape)) for k in ("x", "y")}


def chained(variant):
    def f(x, y):
        h = x
        for _ in range(variant["ops"] // 2):
            h = h * x + y
        return h

    return f


def reference(variant, a):
    return [np.asarray(chained(variant)(*a.values()))]


def symbolic(package, variant, a):
    T = package.tensor
    v = [(T.dvector if variant["n"] else T.dscalar)(name) for name in a]
    return call(package.function(v, chained(variant)(*v)), *a.values())


def with_phintys(variant, a):
    import phintys
    import phintys.tensor

    return symbolic(phintys, variant, a)


def with_numpy(variant, a):
    return call(chained(variant), *a.values())


def with_pytensor(variant, a):
    import sys

    import pytensor
    import pytensor.tensor

    sys.setrecursionlimit(50_000)
    return symbolic(pytensor, variant, a)


def with_jax(variant, a):
    import jax

    f = jax.jit(chained(variant))
    return call(f, *map(jax.numpy.asarray, a.values()), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    return call(chained(variant), *map(torch.from_numpy, a.values()))


def with_torch_compile(variant, a):
    import torch

    return call(torch.compile(chained(variant)), *map(torch.from_numpy, a.values()))

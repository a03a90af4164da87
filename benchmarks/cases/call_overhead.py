"""The cost of a call that computes next to nothing."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target

TITLE = "Call overhead: `x + y` on 0-d float64 arrays"
NOTE = (
    "The operands are what a user of each peer has: 0-d arrays or tensors. All checks of "
    "arguments are on. NumPy runs in Phintys's process."
)
SAME_PROCESS = ("numpy",)


def variants():
    return [{"dtype": "float64"}]


def targets(variant, metric):
    return [
        Target("at most 2 x NumPy's `a + b`", against="numpy", ratio=2.0),
        Target("4 x faster than PyTorch", against="torch", ratio=1 / 4),
    ]


def tolerance(variant):
    return {"rtol": 0.0, "atol": 1e-300}


def inputs(variant):
    return {"x": np.array(1.25), "y": np.array(-0.5)}


def reference(variant, a):
    return [np.asarray(a["x"] + a["y"])]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    x, y = T.dscalars("x", "y")
    return Job("f(x, y)", {"f": phintys.function([x, y], x + y), **a})


def with_numpy(variant, a):
    return Job("x + y", a)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    x, y = T.dscalars("x", "y")
    return Job("f(x, y)", {"f": pytensor.function([x, y], x + y), **a})


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda x, y: x + y)
    names = {name: jax.numpy.asarray(value) for name, value in a.items()}
    return Job("f(x, y).block_until_ready()", {"f": f, **names})


def with_torch(variant, a):
    import torch

    return Job("x + y", {name: torch.from_numpy(value) for name, value in a.items()})

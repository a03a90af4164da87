"""A shared counter: the smallest function with state."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target

TITLE = "Shared counter: `updates=[(w, w + 1)]`, 0-d float64"
NOTE = (
    "NumPy: `a + b` on 0-d arrays, which keeps no state: a yardstick, in Phintys's process. "
    "PyTorch: `w.add_(1.0)`. JAX: a jitted step that donates its state."
)
SAME_PROCESS = ("numpy",)
CALLS = 10


def variants():
    return [{"dtype": "float64"}]


def targets(variant, metric):
    return [
        Target("5 x faster than PyTorch", against="torch", ratio=1 / 5),
        Target("5 x faster than PyTensor (C)", against="pytensor_c", ratio=1 / 5),
        Target("5 x faster than PyTensor (Numba)", against="pytensor_numba", ratio=1 / 5),
        Target("at most 2 x NumPy's `a + b`", against="numpy", ratio=2.0),
    ]


def tolerance(variant):
    return {"rtol": 0.0, "atol": 1e-300}


def inputs(variant):
    return {"w": np.array(0.5)}


def reference(variant, a):
    return [np.asarray(a["w"] + CALLS)]


def after_calls(step, state):
    """Runs the step a few times and reads the counter."""

    def check():
        for _ in range(CALLS):
            step()
        return [state()]

    return check


def with_phintys(variant, a):
    import phintys

    w = phintys.shared(a["w"], name="w")
    f = phintys.function([], updates=[(w, w + 1)])
    return Job("f()", {"f": f}, after_calls(f, w.get_value))


def with_numpy(variant, a):
    return Job("w + b", {"w": a["w"], "b": np.array(1.0)}, lambda: [a["w"] + CALLS])


def with_pytensor(variant, a):
    import pytensor

    w = pytensor.shared(a["w"].copy(), name="w")
    f = pytensor.function([], updates=[(w, w + 1)])
    return Job("f()", {"f": f}, after_calls(f, w.get_value))


def with_jax(variant, a):
    import jax

    step = jax.jit(lambda w: w + 1, donate_argnums=0)
    start = jax.numpy.asarray(a["w"])

    def check():
        w = start + 0
        for _ in range(CALLS):
            w = step(w)
        return [w]

    # The state lives in a list, because a statement cannot rebind a name of its own.
    return Job("w[0] = f(w[0]).block_until_ready()", {"f": step, "w": [start + 0]}, check)


def with_torch(variant, a):
    import torch

    w = torch.from_numpy(a["w"].copy())
    return Job("w.add_(1.0)", {"w": w}, after_calls(lambda: w.add_(1.0), lambda: w))

"""A loop of many steps that do next to nothing."""

from __future__ import annotations

import numpy as np

from gpu.work import Target, Work, asarray, jax_gpu

TITLE = "Loop of trivial steps"
NOTE = "s = 0.999 s + 0.001 for a number; the last s. PyTorch has no loop of its own."


def variants(small):
    return [{"steps": 300 if small else 100_000}]


def targets(variant):
    return [Target("100 times faster than jax.lax.scan", "jax", 0.01)]


def tolerance(variant):
    return {"rtol": 1e-3, "atol": 1e-4}


def inputs(variant):
    return {"s": np.float32(0.125)}


def reference(variant, a):
    s = np.float64(a["s"])
    for _ in range(variant["steps"]):
        s = 0.999 * s + 0.001
    return [np.asarray(s, "float32")]


def with_phintys(variant, a, device):
    import phintys
    import phintys.cuda
    import phintys.tensor as T

    s = T.fscalar()
    scale, shift = np.float32(0.999), np.float32(0.001)
    states, updates = phintys.scan(
        lambda s: s * scale + shift, outputs_info=s, n_steps=variant["steps"]
    )
    f = phintys.function([s], states[-1].transfer(device), updates=updates, device=device)
    given = asarray(a["s"], device)
    return Work(
        lambda: f(given),
        lambda: phintys.cuda.synchronize(device),
        lambda: [np.asarray(f(given))],
    )


def with_jax(variant, a, device):
    jax = jax_gpu()
    s, last = jax.numpy.asarray(a["s"]), [None]
    f = jax.jit(
        lambda s: jax.lax.scan(
            lambda s, _: (s * 0.999 + 0.001, None), s, None, length=variant["steps"]
        )[0]
    )

    def call():
        last[0] = f(s)

    return Work(call, lambda: last[0].block_until_ready(), lambda: [np.asarray(f(s))])

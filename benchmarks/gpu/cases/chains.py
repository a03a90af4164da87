"""Elementwise operations one after another, which should cost one pass over memory."""

from __future__ import annotations

import numpy as np

from gpu.limits import copy_work
from gpu.work import Target, Work, asarray, jax_gpu, torch_gpu

TITLE = "Chains of elementwise operations"
NOTE = "The copy beside it moves as many bytes: the operand once, the result once."
HEAD = 100_000


def variants(small):
    return [
        {"operations": n, "size": 20_000 if small else 100_000_000, "dtype": "float32"}
        for n in (1, 2, 4, 8)
    ]


def moved(variant):
    return 8 * variant["size"]


def targets(variant):
    return [Target("85 % of the bandwidth of a copy", "copy", 1 / 0.85)]


def tolerance(variant):
    return {"rtol": 2e-6, "atol": 2e-6}


def inputs(variant):
    return {"x": np.random.default_rng(1).random(variant["size"], "float32")}


def chain(x, n, m):
    """n operations on x; `m` is a module with tanh, exp, sqrt and abs."""
    steps = (
        lambda v: v * 1.25,
        lambda v: v + 0.5,
        m.sqrt,
        m.tanh,
        lambda v: v - 0.75,
        m.abs,
        m.exp,
        lambda v: v * v,
    )
    for step in steps[:n]:
        x = step(x)
    return x


def reference(variant, a):
    x = a["x"][:HEAD].astype("float64")
    return [chain(x, variant["operations"], np).astype("float32")]


def with_copy(variant, a, device):
    return copy_work(moved(variant), device)


def with_phintys(variant, a, device):
    import phintys
    import phintys.cuda
    import phintys.tensor as T

    x = T.vector(dtype="float32")
    z = chain(x, variant["operations"], T)
    f = phintys.function([x], z.transfer(device), device=device)
    given = asarray(a["x"], device)
    return Work(
        lambda: f(given),
        lambda: phintys.cuda.synchronize(device),
        lambda: [np.asarray(f(given))[:HEAD]],
    )


def torch_work(variant, a, compiled):
    torch = torch_gpu()
    n, x = variant["operations"], torch.from_numpy(a["x"]).cuda()
    f = (torch.compile if compiled else lambda g: g)(lambda x: chain(x, n, torch))
    return Work(lambda: f(x), torch.cuda.synchronize, lambda: [f(x)[:HEAD].cpu().numpy()])


def with_torch(variant, a, device):
    return torch_work(variant, a, False)


def with_torch_compile(variant, a, device):
    return torch_work(variant, a, True)


def with_jax(variant, a, device):
    jax = jax_gpu()
    n, x, last = variant["operations"], jax.numpy.asarray(a["x"]), [None]
    f = jax.jit(lambda x: chain(x, n, jax.numpy))

    def call():
        last[0] = f(x)

    return Work(call, lambda: last[0].block_until_ready(), lambda: [np.asarray(f(x)[:HEAD])])

"""Functions so small that calling them is what costs."""

from __future__ import annotations

import numpy as np

from gpu.limits import graph_work
from gpu.work import Target, Work, asarray, jax_gpu, torch_gpu

TITLE = "Ten operations on 10,000 values"
NOTE = (
    "Calls in a row, and calls that are waited for one by one. The CUDA graph has one node, a copy "
    "of the same bytes, and is replayed through ctypes."
)
SIZE = 10_000


def variants(small):
    return [{"calls": calls} for calls in ("in a row", "one by one")]


def targets(variant):
    return [Target("1.2 times a replay of an equal CUDA graph", "graph", 1.2)]


def tolerance(variant):
    return {"rtol": 1e-5, "atol": 1e-5}


def inputs(variant):
    return {"x": np.random.default_rng(1).random(SIZE, "float32")}


def ten(x, m):
    y = m.tanh(x * 1.5 + 0.25)
    return m.exp(-y * y) * x + m.sqrt(y + 2.0) - 0.5


def reference(variant, a):
    return [ten(a["x"].astype("float64"), np).astype("float32")]


def calls(variant, call, wait, values=tuple):
    if variant["calls"] == "in a row":
        return Work(call, wait, values)

    def both():
        call()
        wait()

    return Work(both, wait, values)


def with_graph(variant, a, device):
    work = graph_work(4 * SIZE, device)
    found = calls(variant, work.call, work.wait)
    found.keep = work
    return found


def with_phintys(variant, a, device):
    import phintys
    import phintys.cuda
    import phintys.tensor as T

    x = T.fvector()
    f = phintys.function([x], ten(x, T).transfer(device), device=device)
    given = asarray(a["x"], device)
    return calls(
        variant,
        lambda: f(given),
        lambda: phintys.cuda.synchronize(device),
        lambda: [np.asarray(f(given))],
    )


def torch_work(variant, a, compiled):
    torch = torch_gpu()
    x = torch.from_numpy(a["x"]).cuda()
    f = (lambda x: ten(x, torch)) if not compiled else torch.compile(lambda x: ten(x, torch))
    return calls(variant, lambda: f(x), torch.cuda.synchronize, lambda: [f(x).cpu().numpy()])


def with_torch(variant, a, device):
    return torch_work(variant, a, False)


def with_torch_compile(variant, a, device):
    return torch_work(variant, a, True)


def with_jax(variant, a, device):
    jax = jax_gpu()
    x, last = jax.numpy.asarray(a["x"]), [None]
    f = jax.jit(lambda x: ten(x, jax.numpy))

    def call():
        last[0] = f(x)

    return calls(variant, call, lambda: last[0].block_until_ready(), lambda: [np.asarray(f(x))])

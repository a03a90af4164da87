"""Softmax and layer normalisation over the rows of a matrix."""

from __future__ import annotations

import numpy as np

from gpu.limits import copy_work
from gpu.work import Target, Work, asarray, jax_gpu, torch_gpu

TITLE = "Softmax and layer normalisation over rows"
NOTE = "The copy beside it moves as many bytes: the matrix once, the result once."
HEAD, EPS = 64, 1e-5


def variants(small):
    n = 64 if small else 8192
    return [{"what": what, "shape": [n, n]} for what in ("softmax", "layer norm")]


def moved(variant):
    return 8 * variant["shape"][0] * variant["shape"][1]


def targets(variant):
    return [Target("80 % of the bandwidth of a copy", "copy", 1 / 0.80)]


def tolerance(variant):
    return {"rtol": 1e-4, "atol": 2e-5 if variant["what"] == "layer norm" else 1e-7}


def inputs(variant):
    rng = np.random.default_rng(1)
    columns = variant["shape"][1]
    return {
        "x": rng.standard_normal(variant["shape"], "float32"),
        "scale": rng.random(columns, "float32"),
        "shift": rng.random(columns, "float32"),
    }


def reference(variant, a):
    x = a["x"][:HEAD].astype("float64")
    if variant["what"] == "softmax":
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return [(e / e.sum(axis=1, keepdims=True)).astype("float32")]
    z = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + EPS)
    return [(z * a["scale"] + a["shift"]).astype("float32")]


def with_copy(variant, a, device):
    return copy_work(moved(variant), device)


def with_phintys(variant, a, device):
    import phintys
    import phintys.cuda
    import phintys.tensor as T

    x, scale, shift = T.fmatrix(), T.fvector(), T.fvector()
    if variant["what"] == "softmax":
        z = T.nnet.softmax(x)
    else:
        centred = x - x.mean(axis=1, keepdims=True)
        deviation = T.sqrt(T.sqr(centred).mean(axis=1, keepdims=True) + np.float32(EPS))
        z = centred / deviation * scale + shift
    f = phintys.function(
        [x, scale, shift], z.transfer(device), device=device, on_unused_input="ignore"
    )
    given = [asarray(a[name], device) for name in ("x", "scale", "shift")]
    return Work(
        lambda: f(*given),
        lambda: phintys.cuda.synchronize(device),
        lambda: [np.asarray(f(*given))[:HEAD]],
    )


def torch_work(variant, a, compiled):
    torch = torch_gpu()
    given = [torch.from_numpy(a[name]).cuda() for name in ("x", "scale", "shift")]

    def f(x, scale, shift):
        if variant["what"] == "softmax":
            return torch.softmax(x, 1)
        return torch.nn.functional.layer_norm(x, x.shape[1:], scale, shift, EPS)

    if compiled:
        f = torch.compile(f)
    return Work(lambda: f(*given), torch.cuda.synchronize, lambda: [f(*given)[:HEAD].cpu().numpy()])


def with_torch(variant, a, device):
    return torch_work(variant, a, False)


def with_torch_compile(variant, a, device):
    return torch_work(variant, a, True)


def with_jax(variant, a, device):
    jax = jax_gpu()
    given, last = [jax.numpy.asarray(a[n]) for n in ("x", "scale", "shift")], [None]

    @jax.jit
    def f(x, scale, shift):
        if variant["what"] == "softmax":
            return jax.nn.softmax(x, axis=1)
        centred = x - x.mean(axis=1, keepdims=True)
        variance = (centred * centred).mean(axis=1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + EPS) * scale + shift

    def call():
        last[0] = f(*given)

    return Work(call, lambda: last[0].block_until_ready(), lambda: [np.asarray(f(*given)[:HEAD])])

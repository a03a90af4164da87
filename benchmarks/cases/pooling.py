"""Maxima and averages over windows of images, alone and with their gradients."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Pooling of images: windows/strides 2/2, 3/2 with padding, 3/1 with padding, whole planes"

FORMS = [
    # shape, window, stride, padding
    ((32, 64, 32, 32), 2, 2, 0),
    ((32, 64, 32, 32), 3, 2, 1),
    ((16, 64, 28, 28), 3, 1, 1),
    ((32, 128, 7, 7), 7, 7, 0),
    ((4, 3, 224, 224), 2, 2, 0),
]


def variants():
    return [
        {"mode": mode, "what": what, "shape": s, "window": w, "stride": t, "pad": p}
        for mode in ("max", "average")
        for what in ("value", "gradient")
        for s, w, t, p in FORMS
    ]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    return {"rtol": 1e-5, "atol": 1e-6}


def lengths(variant):
    w, t, p = variant["window"], variant["stride"], variant["pad"]
    return [(n + 2 * p - w) // t + 1 for n in variant["shape"][2:]]


def inputs(variant):
    rng = np.random.default_rng(1)
    # Distinct numbers: libraries differ in where the gradient of equal maxima goes.
    size = int(np.prod(variant["shape"]))
    a = {"x": (rng.permutation(size).reshape(variant["shape"]) / size).astype("float32")}
    if variant["what"] == "gradient":
        out = (*variant["shape"][:2], *lengths(variant))
        a["g"] = rng.standard_normal(out).astype("float32")
    return a


def numpy_pool(variant):
    w, t, p = variant["window"], variant["stride"], variant["pad"]
    rows, columns = lengths(variant)
    average = variant["mode"] == "average"

    def slices():
        for i in range(w):
            for j in range(w):
                yield (
                    ...,
                    slice(i, i + t * (rows - 1) + 1, t),
                    slice(j, j + t * (columns - 1) + 1, t),
                )

    def pool(x, g=None):
        fill = 0 if average else -np.inf
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=fill)
        z = None
        for at in slices():
            z = (
                padded[at].copy()
                if z is None
                else (np.add if average else np.maximum)(z, padded[at], z)
            )
        if average:
            z /= w * w
        if g is None:
            return z
        gx = np.zeros_like(padded)
        for at in slices():
            gx[at] += g / (w * w) if average else np.where(padded[at] == z, g, 0)
        return z, gx[..., p : p + x.shape[2], p : p + x.shape[3]]

    return pool


def reference(variant, a):
    values = numpy_pool(variant)(*(v.astype("float64") for v in a.values()))
    values = values if isinstance(values, tuple) else (values,)
    return [v.astype("float32") for v in values]


def with_numpy(variant, a):
    return call(numpy_pool(variant), *a.values())


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T
    from phintys.tensor.signal.pool import pool_2d

    w, t, p = variant["window"], variant["stride"], variant["pad"]
    x, g = T.ftensor4(), T.ftensor4()
    mode = "max" if variant["mode"] == "max" else "average_inc_pad"
    z = pool_2d(x, (w, w), ignore_border=True, stride=(t, t), pad=(p, p), mode=mode)
    if variant["what"] == "value":
        return call(phintys.function([x], z), a["x"])
    return call(phintys.function([x, g], [z, T.Lop(z, x, g)]), *a.values())


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    w, t, p = variant["window"], variant["stride"], variant["pad"]
    window, strides, pads = (1, 1, w, w), (1, 1, t, t), ((0, 0), (0, 0), (p, p), (p, p))

    def pool(x):
        if variant["mode"] == "max":
            return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, pads)
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, strides, pads) / (w * w)

    def both(x, g):
        z, back = jax.vjp(pool, x)
        return z, back(g)[0]

    arrays = [jnp.asarray(v) for v in a.values()]
    if variant["what"] == "value":
        return call(jax.jit(pool), *arrays, wait=".block_until_ready()")
    return Job("wait(f(*a))", {"wait": jax.block_until_ready, "f": jax.jit(both), "a": arrays})


def with_torch(variant, a):
    import torch

    form = (variant["window"], variant["stride"], variant["pad"])
    functions = {"max": torch.nn.functional.max_pool2d, "average": torch.nn.functional.avg_pool2d}
    pool = functions[variant["mode"]]
    arrays = [torch.from_numpy(v) for v in a.values()]
    if variant["what"] == "value":
        return call(lambda x: pool(x, *form), *arrays)
    arrays[0].requires_grad_()

    def both(x, g):
        z = pool(x, *form)
        return z.detach(), torch.autograd.grad(z, x, g)[0]

    return call(both, *arrays)

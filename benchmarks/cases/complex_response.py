"""Complex arithmetic with an exponential: the size of a response, seen through a delay."""

from __future__ import annotations

import numpy as np

from harness.job import Job, NotSupported, Target, call

TITLE = "Complex numbers: `|exp(0.3j*z) * (z*z + 2) / (0.4j*z + 6)|`"
NOTE = "numexpr has complex128 only."


def variants():
    return [{"n": n, "dtype": t} for n in (10**5, 10**6) for t in ("complex64", "complex128")]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def real_dtype(variant):
    return {"complex64": "float32", "complex128": "float64"}[variant["dtype"]]


def tolerance(variant):
    eps = float(np.finfo(variant["dtype"]).eps)
    return {"rtol": 64 * eps, "atol": 8 * eps}


def inputs(variant):
    parts = np.random.default_rng(1).standard_normal((2, variant["n"]))
    return {"z": (parts[0] + 1j * parts[1]).astype(variant["dtype"])}


def response(z, exp, number=complex):
    return abs(exp(number(0.3j) * z) * (z * z + number(2)) / (number(0.4j) * z + number(6)))


def reference(variant, a):
    return [response(a["z"].astype("complex128"), np.exp).astype(real_dtype(variant))]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    z = T.TensorType(variant["dtype"], (False,))("z")
    number = np.dtype(variant["dtype"]).type
    return call(phintys.function([z], response(z, T.exp, number)), a["z"])


def with_numpy(variant, a):
    return call(lambda z: response(z, np.exp), a["z"])


def with_numexpr(variant, a):
    import numexpr

    if variant["dtype"] != "complex128":
        raise NotSupported("complex128 only")
    names = {"z": a["z"], "p": 0.3j, "q": 0.4j, "c": 2 + 0j, "d": 6 + 0j}
    numexpr.validate("real(abs(exp(p*z) * (z*z + c) / (q*z + d)))", local_dict=names)
    return Job("run(local_dict=names)", {"run": numexpr.re_evaluate, "names": names})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    z = T.TensorType(variant["dtype"], (None,))("z")
    number = np.dtype(variant["dtype"]).type
    return call(pytensor.function([z], response(z, T.exp, number)), a["z"])


def with_jax(variant, a):
    import jax

    f = jax.jit(lambda z: response(z, jax.numpy.exp))
    return call(f, jax.numpy.asarray(a["z"]), wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    return call(lambda z: response(z, torch.exp), torch.from_numpy(a["z"]))

"""A long chain of cheap operations on few values, with its gradient: what an op costs."""

from __future__ import annotations

import numpy as np

from cases.compile_chain import chain, start_values
from harness.job import Job, NotSupported, Target, call

TITLE = "Chain of 500 alternating operations on 100 float64 values, with its gradient"
NOTE = (
    "The chain of `compile_chain` (sin(h), h*x, h+x): its sum and the gradient by x. NumPy carries "
    "the derivative along, by hand. torch.compile would take minutes to compile it."
)
NODES = 500


def variants():
    return [{"nodes": NODES}]


def targets(variant, metric):
    return [Target("10 x faster than the best peer", ratio=1 / 10)]


def rates(variant):
    return {"ns/node": variant["nodes"]}


def tolerance(variant):
    return {"rtol": 1e-9 * NODES, "atol": 1e-9 * NODES}


def inputs(variant):
    return {"x": start_values()}


def with_derivative(x):
    h, d = x, np.ones_like(x)
    for i in range(NODES):
        if i % 3 == 0:
            h, d = np.sin(h), d * np.cos(h)
        elif i % 3 == 1:
            h, d = h * x, d * x + h
        else:
            h, d = h + x, d + 1.0
    return np.sum(h), d


def reference(variant, a):
    return [np.asarray(v) for v in with_derivative(a["x"])]


def with_numpy(variant, a):
    return call(with_derivative, a["x"])


def symbolic(package, a):
    x = package.tensor.dvector("x")
    cost = chain(x, NODES, package.tensor.sin).sum()
    return call(package.function([x], [cost, package.grad(cost, x)]), a["x"])


def with_phintys(variant, a):
    import phintys
    import phintys.tensor

    return symbolic(phintys, a)


def with_pytensor(variant, a):
    import sys

    import pytensor
    import pytensor.tensor

    sys.setrecursionlimit(50_000)
    return symbolic(pytensor, a)


def with_jax(variant, a):
    import jax

    f = jax.jit(jax.value_and_grad(lambda x: chain(x, NODES, jax.numpy.sin).sum()))
    x = jax.numpy.asarray(a["x"])
    return Job("wait(f(x))", {"wait": jax.block_until_ready, "f": f, "x": x})


def with_torch(variant, a):
    import torch

    x = torch.from_numpy(a["x"]).requires_grad_()

    def both(x):
        cost = chain(x, NODES, torch.sin).sum()
        return cost.detach(), torch.autograd.grad(cost, x)[0]

    return call(both, x)


def with_torch_compile(variant, a):
    raise NotSupported("would take minutes to compile")

"""Compile time of long chains: microseconds for each node of the expression."""

from __future__ import annotations

import math
import sys

from harness.job import NotSupported, Target, clock

TITLE = "Compile time of a chain of elementwise nodes with its gradient, for each node"
NOTE = (
    "The chain repeats sin(h), h*x, h+x on 100 float64 values; its cost is sum(h), differentiated "
    "by x. Times are divided by the nodes of the chain alone; with the gradient there are about "
    "three times as many. Each sample is a fresh process. JAX: the first call of the jitted "
    "gradient. PyTensor is asked for chains of up to 10,000 (with a limit of recursion of 50,000), "
    "JAX up to 1,000, torch.compile for 50."
)
FRESH = True
UNIT = "us/node"
ROUNDS = 3
METRICS = ["function() to first result", "building the chain", "grad()"]
VALUES = 100


def variants():
    return [{"nodes": n} for n in (50, 500, 1000, 10_000, 100_000)]


def targets(variant, metric):
    if metric != METRICS[0]:
        return []
    goals = [Target("at most 20 us a node", seconds=20.0)]
    if variant["nodes"] <= 500:
        goals[0] = Target("at most 10 ms in all", seconds=10e3 / variant["nodes"])
        goals.append(Target("500 x faster than the best peer", ratio=1 / 500))
    return goals


def tolerance(variant):
    # Rounding in the chain grows with its length.
    return {"rtol": 1e-9 * variant["nodes"], "atol": 1e-6 * variant["nodes"]}


def chain(x, nodes, sin):
    h = x
    for i in range(nodes):
        h = sin(h) if i % 3 == 0 else h * x if i % 3 == 1 else h + x
    return h


def start_values():
    import numpy as np

    return np.linspace(0.1, 0.6, VALUES)


def expected(variant):
    """Value and gradient by forward differentiation of one number at a time."""
    total = slope = 0.0
    for x in map(float, start_values()):
        h, d = x, 1.0
        for i in range(variant["nodes"]):
            if i % 3 == 0:
                h, d = math.sin(h), d * math.cos(h)
            elif i % 3 == 1:
                h, d = h * x, d * x + h
            else:
                h, d = h + x, d + 1.0
        total += h
        slope += d
    return [total, slope]


def symbolic(package, tensor, nodes):
    x = tensor.dvector("x")
    start = clock()
    cost = chain(x, nodes, tensor.sin).sum()
    built = clock()
    gradient = package.grad(cost, x)
    differentiated = clock()
    value, slope = package.function([x], [cost, gradient])(start_values())
    done = clock()
    seconds = (done - differentiated, built - start, differentiated - built)
    metrics = dict(zip(METRICS, (1e6 * s / nodes for s in seconds), strict=True))
    return metrics, [float(value), float(slope.sum())]


def with_phintys(variant):
    import phintys
    import phintys.tensor as T

    return symbolic(phintys, T, variant["nodes"])


def with_pytensor(variant):
    import pytensor
    import pytensor.tensor as T

    if variant["nodes"] > 10_000:
        raise NotSupported("fails at a tenth of this")
    sys.setrecursionlimit(50_000)
    return symbolic(pytensor, T, variant["nodes"])


def with_jax(variant):
    import jax

    if variant["nodes"] > 1000:
        raise NotSupported("would take minutes")
    x = jax.numpy.asarray(start_values())
    f = jax.jit(jax.value_and_grad(lambda x: chain(x, variant["nodes"], jax.numpy.sin).sum()))
    start = clock()
    value, slope = f(x)
    slope.block_until_ready()
    seconds = clock() - start
    return {METRICS[0]: 1e6 * seconds / variant["nodes"]}, [float(value), float(slope.sum())]


def with_torch_compile(variant):
    import torch

    if variant["nodes"] > 50:
        raise NotSupported("would take minutes")
    x = torch.from_numpy(start_values()).requires_grad_()
    f = torch.compile(lambda x: chain(x, variant["nodes"], torch.sin).sum())
    start = clock()
    value = f(x)
    slope = torch.autograd.grad(value, x)[0]
    seconds = clock() - start
    return {METRICS[0]: 1e6 * seconds / variant["nodes"]}, [float(value), float(slope.sum())]

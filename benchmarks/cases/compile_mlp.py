"""How long until the first result: a training step with gradients, in a fresh process."""

from __future__ import annotations

from cases import mlp_step
from harness.job import Target, clock

TITLE = "Compile time of the MLP training step, 784-500-10"
NOTE = (
    "Each sample is a fresh process. Cold: with empty disk caches; warm: with the caches of an "
    "earlier process (that of JAX, off by default, is on then). `function()` to first result is "
    "the compiler's share (for JAX and torch.compile: the first call, which traces and "
    "differentiates too); second function: the same model compiled again in the process, which "
    "only Phintys and PyTensor are asked for."
)
FRESH = True
ROUNDS = 5
METRICS = ["function() to first result", "building the graph and grad()", "second function"]
VARIANT = {"sizes": mlp_step.LARGE, "batch": 20, "dtype": "float32"}


def variants():
    return [{"caches": "cold"}, {"caches": "warm"}]


def targets(variant, metric):
    if metric != METRICS[0]:
        return []
    return [Target("under 10 ms", seconds=0.010)]


def tolerance(variant):
    return {"rtol": 1e-5, "atol": 0.0}


def expected(variant):
    a = mlp_step.inputs(VARIANT)
    params = [a[name].astype("float64") for name in ("w1", "b1", "w2", "b2")]
    return [float(mlp_step.numpy_step(a["x"].astype("float64"), a["y"], params, 0.1))]


def symbolic(package, graph):
    """Times of a package in Theano's manner."""
    a = mlp_step.inputs(VARIANT)
    metrics = {}
    for compiled, built in ((METRICS[0], METRICS[1]), (METRICS[2], "")):
        start = clock()
        arguments, loss, updates, _ = graph(VARIANT, a)
        middle = clock()
        first = package.function(arguments, loss, updates=updates)(a["x"], a["y"])
        metrics[compiled] = clock() - middle
        if built:
            metrics[built] = middle - start
    return metrics, [float(first)]


def with_phintys(variant):
    import phintys

    return symbolic(phintys, mlp_step.phintys_graph)


def with_pytensor(variant):
    import pytensor

    with pytensor.config.change_flags(floatX="float32"):
        return symbolic(pytensor, mlp_step.pytensor_graph)


def with_jax(variant):
    import jax.numpy as jnp

    a = mlp_step.inputs(VARIANT)
    x, y, params = jnp.asarray(a["x"]), jnp.asarray(a["y"]), mlp_step.jax_parameters(a)
    start = clock()
    loss, _ = mlp_step.jax_step()(params, x, y)
    loss.block_until_ready()
    return {METRICS[0]: clock() - start}, [float(loss)]


def with_torch_compile(variant):
    import torch

    a = mlp_step.inputs(VARIANT)
    x, y = torch.from_numpy(a["x"]), torch.from_numpy(a["y"])
    start = clock()
    loss = mlp_step.torch_step(a, compiled=True)[0](x, y)
    return {METRICS[0]: clock() - start}, [float(loss)]

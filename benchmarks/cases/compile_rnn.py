"""How long until the first result of a recurrent network with its gradient, in a fresh process."""

from __future__ import annotations

import numpy as np

from cases import rnn
from harness.job import Target, clock

TITLE = "Compile time of an RNN's gradient"
NOTE = (
    "The RNN of the case `rnn`, batch 1, 64 units. Each sample is a fresh process with empty disk "
    'caches. "function() to first result" is the compiler\'s share (for JAX: the first call, which '
    'traces and differentiates too); "second function" is the same model compiled again.'
)
FRESH = True
ROUNDS = 5
METRICS = ["function() to first result", "building the graph and grad()", "second function"]
VARIANT = {"what": "RNN gradient", "batch": 1, "units": 64}


def variants():
    return [{"caches": "cold"}]


def targets(variant, metric):
    if metric != METRICS[0]:
        return []
    return [Target("under 10 ms", seconds=0.010)]


def tolerance(variant):
    return {"rtol": 1e-4, "atol": 1e-3}


def numbers(outputs):
    return [float(np.sum(np.asarray(v))) for v in outputs]


def expected(variant):
    return numbers(rnn.reference(VARIANT, rnn.inputs(VARIANT)))


def symbolic(package, scan):
    a = rnn.inputs(VARIANT)
    metrics = {}
    for compiled, built in ((METRICS[0], METRICS[1]), (METRICS[2], "")):
        start = clock()
        arguments, outputs = rnn.symbolic_graph(VARIANT, package, scan)
        middle = clock()
        first = package.function(arguments, outputs)(*a.values())
        metrics[compiled] = clock() - middle
        if built:
            metrics[built] = middle - start
    return metrics, numbers(first)


def with_phintys(variant):
    import phintys
    import phintys.tensor

    return symbolic(phintys, rnn.phintys_scan)


def with_pytensor(variant):
    import pytensor
    import pytensor.tensor

    with pytensor.config.change_flags(floatX="float32"):
        return symbolic(pytensor, rnn.pytensor_scan)


def with_jax(variant):
    import jax.numpy as jnp

    arrays = [jnp.asarray(v) for v in rnn.inputs(VARIANT).values()]
    start = clock()
    outputs = [np.asarray(v) for v in rnn.jax_function(VARIANT)(*arrays)]
    return {METRICS[0]: clock() - start}, numbers(outputs)

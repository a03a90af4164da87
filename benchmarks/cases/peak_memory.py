"""How much memory a training step and the gradient of a long loop need, in a fresh process."""

from __future__ import annotations

import numpy as np

from cases import mlp_step, rnn
from harness.job import NotSupported, Target
from harness.memory import peak_growth

TITLE = "Peak memory: MLP training step, gradient of a loop of 1,000 steps"
NOTE = (
    "Each sample is a fresh process. Growth of the resident memory from before the package is "
    "imported (whole) or after (beyond import), with the data loaded, to its greatest value: "
    "compiling and five calls whose results are dropped. MLP: 784-500-10, batch 256, float32. "
    "Loop: the RNN of `rnn`, batch 32, 64 units, value and gradients; its inputs, states and their "
    "gradients take 8 MB each. NumPy has been imported in every process."
)
FRESH = True
UNIT = "MiB"
ROUNDS = 3
METRICS = ["whole", "beyond import"]
CALLS = 5
MLP = {"sizes": mlp_step.LARGE, "batch": 256, "dtype": "float32"}
RNN = {"what": "RNN gradient", "batch": 32, "units": 64, "steps": 1000}


def variants():
    return [{"what": "MLP step"}, {"what": "loop gradient"}]


def targets(variant, metric):
    return [Target("least of all peers")] if metric == METRICS[1] else []


def tolerance(variant):
    return {"rtol": 1e-3, "atol": 1e-2}


def data(variant):
    return mlp_step.inputs(MLP) if variant["what"] == "MLP step" else rnn.inputs(RNN)


def expected(variant):
    a = data(variant)
    if variant["what"] == "MLP step":
        params = [a[name].astype("float64") for name in ("w1", "b1", "w2", "b2")]
        x = a["x"].astype("float64")
        losses = [mlp_step.numpy_step(x, a["y"], params, mlp_step.RATE) for _ in range(CALLS)]
        return [float(losses[-1])]
    return numbers(rnn.reference(RNN, a))


def numbers(outputs):
    return [float(np.mean(np.asarray(v, "float64"))) for v in outputs]


def measured(variant, load, calls):
    """Metrics and values: `load` imports the package, `calls` makes a function that is called."""
    a = data(variant)
    whole = peak_growth()
    load()
    beyond = peak_growth()
    f = calls(variant["what"], a)
    for _ in range(CALLS - 1):
        f()
    values = f()
    metrics = {METRICS[0]: whole(), METRICS[1]: beyond()}
    return metrics, [float(values)] if variant["what"] == "MLP step" else numbers(values)


def with_numpy(variant):
    def calls(what, a):
        if what == "MLP step":
            params = [a[name].copy() for name in ("w1", "b1", "w2", "b2")]
            return lambda: mlp_step.numpy_step(a["x"], a["y"], params, np.float32(mlp_step.RATE))
        return lambda: rnn.numpy_rnn(*a.values())

    return measured(variant, lambda: None, calls)


def symbolic(package, mlp_graph, scan):
    def calls(what, a):
        if what == "MLP step":
            arguments, loss, updates, _ = mlp_graph(MLP, a)
            f = package.function(arguments, loss, updates=updates)
            return lambda: f(a["x"], a["y"])
        f = package.function(*rnn.symbolic_graph(RNN, package, scan))
        return lambda: f(*a.values())

    return calls


def with_phintys(variant):
    def load():
        import phintys
        import phintys.tensor  # noqa: F401

    def calls(what, a):
        import phintys

        return symbolic(phintys, mlp_step.phintys_graph, rnn.phintys_scan)(what, a)

    return measured(variant, load, calls)


def with_pytensor(variant):
    def load():
        import pytensor
        import pytensor.tensor  # noqa: F401

    def calls(what, a):
        import pytensor

        with pytensor.config.change_flags(floatX="float32"):
            return symbolic(pytensor, mlp_step.pytensor_graph, rnn.pytensor_scan)(what, a)

    return measured(variant, load, calls)


def with_jax(variant):
    def load():
        import jax
        import jax.numpy  # noqa: F401

    def calls(what, a):
        import jax
        from jax import numpy as jnp

        if what == "MLP step":
            f, state = mlp_step.jax_step(), [None, mlp_step.jax_parameters(a)]
            x, y = jnp.asarray(a["x"]), jnp.asarray(a["y"])

            def step():
                state[:] = f(state[1], x, y)
                return state[0].block_until_ready()

            return step
        arrays = [jnp.asarray(v) for v in a.values()]
        f = rnn.jax_function(RNN)
        return lambda: jax.block_until_ready(f(*arrays))

    return measured(variant, load, calls)


def with_torch(variant):
    return torch_measured(variant, compiled=False)


def with_torch_compile(variant):
    if variant["what"] != "MLP step":
        raise NotSupported("unrolls the steps: compiling takes minutes")
    return torch_measured(variant, compiled=True)


def torch_measured(variant, compiled):
    def load():
        import torch  # noqa: F401

    def calls(what, a):
        import torch

        if what == "MLP step":
            f, _ = mlp_step.torch_step(a, compiled)
            x, y = torch.from_numpy(a["x"]), torch.from_numpy(a["y"])
            return lambda: f(x, y)
        job = rnn.with_torch(RNN, a)
        f, x, g = job.names["f"], job.names["x"], job.names["g"]

        def turned():
            h, gw, gu, gb = f(x, g)
            return h, gw.T, gu.T, gb

        return turned

    return measured(variant, load, calls)

"""Training steps of an MLP and of LeNet: the cases of ../../cases, with their data on the GPU."""

from __future__ import annotations

import numpy as np

from cases import lenet_step, mlp_step
from gpu.work import Target, Work, asarray, jax_gpu, torch_gpu

TITLE = "Training steps"
NOTE = (
    "MLP 784-500-10 and LeNet as in benchmarks/cases; float32 throughout (no TF32) for everyone. "
    "Data and parameters stay on the GPU, losses are not waited for."
)
STEPS = 3


def variants(small):
    if small:
        return [{"what": "MLP", "batch": 8}, {"what": "LeNet", "batch": 2}]
    return [
        {"what": "MLP", "batch": 256},
        {"what": "LeNet", "batch": 64},
        {"what": "LeNet", "batch": 512},
    ]


def targets(variant):
    return [Target("faster than torch.compile", "torch_compile")]


def tolerance(variant):
    return {"rtol": 2e-3, "atol": 5e-5}


def names(variant):
    return ("w1", "b1", "w2", "b2") if variant["what"] == "MLP" else lenet_step.NAMES


def inputs(variant):
    if variant["what"] == "MLP":
        shape = {"dtype": "float32", "batch": variant["batch"], "sizes": mlp_step.LARGE}
        return mlp_step.inputs(shape)
    a = lenet_step.inputs({})
    copies = -(-variant["batch"] // len(a["x"]))
    return {
        **a,
        "x": np.concatenate([a["x"]] * copies)[: variant["batch"]],
        "y": np.concatenate([a["y"]] * copies)[: variant["batch"]],
    }


def reference(variant, a):
    params = [a[name].astype("float64") for name in names(variant)]
    x = a["x"].astype("float64")
    for _ in range(STEPS):
        if variant["what"] == "MLP":
            loss = mlp_step.numpy_step(x, a["y"], params, mlp_step.RATE)
        else:
            loss = lenet_step.numpy_step(x, a["y"], params)
    return [np.asarray(v, "float32") for v in (loss, *params)]


def with_phintys(variant, a, device):
    import phintys
    import phintys.cuda

    if variant["what"] == "MLP":
        graph = mlp_step.phintys_graph({"dtype": "float32"}, a)
    else:
        graph = lenet_step.phintys_graph(a)
    arguments, loss, updates, params = graph
    f = phintys.function(arguments, loss.transfer(device), updates=updates, device=device)
    x, y = asarray(a["x"], device), asarray(a["y"], device)

    def values():
        for _ in range(STEPS):
            loss = f(x, y)
        return [np.asarray(loss), *(np.asarray(p.get_value()) for p in params)]

    return Work(lambda: f(x, y), lambda: phintys.cuda.synchronize(device), values)


def torch_work(variant, a, compiled):
    torch = torch_gpu()
    if variant["what"] == "MLP":
        step, params = mlp_step.torch_step(a, compiled, "cuda")
    else:
        step, params = lenet_step.torch_step(a, compiled, "cuda")
    x, y = torch.from_numpy(a["x"]).cuda(), torch.from_numpy(a["y"]).cuda()

    def values():
        for _ in range(STEPS):
            loss = step(x, y)
        return [v.detach().cpu().numpy() for v in (loss, *params)]

    return Work(lambda: step(x, y), torch.cuda.synchronize, values)


def with_torch(variant, a, device):
    return torch_work(variant, a, False)


def with_torch_compile(variant, a, device):
    return torch_work(variant, a, True)


def with_jax(variant, a, device):
    jax = jax_gpu()
    lenet = variant["what"] == "LeNet"

    def turned(v, axes):
        return v.transpose(axes) if lenet and v.ndim == 4 else v

    f = lenet_step.jax_step(channels_last=True) if lenet else mlp_step.jax_step()
    x, y = jax.numpy.array(turned(a["x"], (0, 2, 3, 1))), jax.numpy.asarray(a["y"])
    state = [
        None,
        [jax.numpy.array(turned(a[n], (2, 3, 1, 0)), copy=True) for n in names(variant)],
    ]

    def call():
        state[:] = f(state[1], x, y)

    def values():
        for _ in range(STEPS):
            call()
        return [np.asarray(state[0]), *(np.asarray(turned(v, (3, 2, 0, 1))) for v in state[1])]

    return Work(call, lambda: state[0].block_until_ready(), values)

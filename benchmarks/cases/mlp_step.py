"""Training steps of an MLP: 784-500-10 as for MNIST, 64-128-10 as for scikit-learn's digits."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target

TITLE = "MLP training step"
NOTE = (
    "tanh hidden layer, softmax cross-entropy, gradient descent; each step returns the loss and "
    "updates the parameters. The NumPy version has its gradient derived by hand. PyTensor from a "
    "wheel calls NumPy's BLAS."
)
RATE, STEPS = 0.1, 5
SMALL, LARGE = (64, 128, 10), (784, 500, 10)


def variants():
    return [
        {"sizes": sizes, "batch": batch, "dtype": dtype}
        for sizes, batch, dtype in (
            (SMALL, 32, "float32"),
            (SMALL, 32, "float64"),
            (LARGE, 20, "float32"),
            (LARGE, 256, "float32"),
        )
    ]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    if variant["dtype"] == "float32":
        return {"rtol": 1e-3, "atol": 1e-5}
    return {"rtol": 1e-9, "atol": 1e-12}


def inputs(variant):
    rng = np.random.default_rng(1)
    dtype, batch, (first, hidden, last) = variant["dtype"], variant["batch"], variant["sizes"]
    return {
        "x": rng.uniform(0, 1, (batch, first)).astype(dtype),
        "y": rng.integers(0, last, batch),
        "w1": (rng.standard_normal((first, hidden)) / np.sqrt(first)).astype(dtype),
        "b1": np.zeros(hidden, dtype),
        "w2": (rng.standard_normal((hidden, last)) / np.sqrt(hidden)).astype(dtype),
        "b2": np.zeros(last, dtype),
    }


def numpy_step(x, y, params, rate):
    """One step in place; returns the loss."""
    w1, b1, w2, b2 = params
    h = np.tanh(x @ w1 + b1)
    z = h @ w2 + b2
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = (np.log(total[:, 0]) - z[rows, y]).mean()
    e /= total
    e[rows, y] -= 1
    e /= len(y)
    back = (e @ w2.T) * (1 - h * h)
    w2 -= rate * (h.T @ e)
    b2 -= rate * e.sum(axis=0)
    w1 -= rate * (x.T @ back)
    b1 -= rate * back.sum(axis=0)
    return loss


def reference(variant, a):
    """The loss of the last of some steps and the parameters after them."""
    x, *params = (a[name].astype("float64") for name in ("x", "w1", "b1", "w2", "b2"))
    for _ in range(STEPS):
        loss = numpy_step(x, a["y"], params, RATE)
    return [np.asarray(value, dtype=variant["dtype"]) for value in (loss, *params)]


def after_steps(step, parameters):
    def check():
        for _ in range(STEPS):
            loss = step()
        return [loss, *parameters()]

    return check


def phintys_graph(variant, a):
    """Inputs, loss, updates and parameters of the symbolic step."""
    import phintys
    import phintys.tensor as T

    x, y = T.matrix("x", dtype=variant["dtype"]), T.lvector("y")
    params = [phintys.shared(a[name], name=name) for name in ("w1", "b1", "w2", "b2")]
    w1, b1, w2, b2 = params
    p = T.nnet.softmax(T.dot(T.tanh(T.dot(x, w1) + b1), w2) + b2)
    loss = T.mean(T.nnet.categorical_crossentropy(p, y))
    rate = np.asarray(RATE, dtype=variant["dtype"])
    updates = [(q, q - rate * g) for q, g in zip(params, phintys.grad(loss, params), strict=True)]
    return [x, y], loss, updates, params


def with_phintys(variant, a):
    import phintys

    arguments, loss, updates, params = phintys_graph(variant, a)
    f = phintys.function(arguments, loss, updates=updates)
    names = {"f": f, "x": a["x"], "y": a["y"]}
    state = lambda: [q.get_value() for q in params]  # noqa: E731
    return Job("f(x, y)", names, after_steps(lambda: f(a["x"], a["y"]), state))


def with_numpy(variant, a):
    params = [a[name].copy() for name in ("w1", "b1", "w2", "b2")]
    rate = np.asarray(RATE, dtype=variant["dtype"])
    names = {"f": numpy_step, "x": a["x"], "y": a["y"], "params": params, "rate": rate}
    step = lambda: numpy_step(a["x"], a["y"], params, rate)  # noqa: E731
    return Job("f(x, y, params, rate)", names, after_steps(step, lambda: params))


def pytensor_graph(variant, a):
    import pytensor
    import pytensor.tensor as T
    from pytensor.tensor.special import log_softmax

    x, y = T.matrix("x", dtype=variant["dtype"]), T.lvector("y")
    params = [pytensor.shared(a[name].copy(), name=name) for name in ("w1", "b1", "w2", "b2")]
    w1, b1, w2, b2 = params
    z = log_softmax(T.dot(T.tanh(T.dot(x, w1) + b1), w2) + b2, axis=1)
    loss = -T.mean(z[T.arange(y.shape[0]), y])
    rate = np.asarray(RATE, dtype=variant["dtype"])
    updates = [(q, q - rate * g) for q, g in zip(params, pytensor.grad(loss, params), strict=True)]
    return [x, y], loss, updates, params


def with_pytensor(variant, a):
    import pytensor

    with pytensor.config.change_flags(floatX=variant["dtype"]):
        arguments, loss, updates, params = pytensor_graph(variant, a)
        f = pytensor.function(arguments, loss, updates=updates)
    names = {"f": f, "x": a["x"], "y": a["y"]}
    state = lambda: [q.get_value() for q in params]  # noqa: E731
    return Job("f(x, y)", names, after_steps(lambda: f(a["x"], a["y"]), state))


def jax_step():
    import jax
    from jax import numpy as jnp

    def loss(params, x, y):
        w1, b1, w2, b2 = params
        z = jax.nn.log_softmax(jnp.tanh(x @ w1 + b1) @ w2 + b2)
        return -jnp.mean(z[jnp.arange(y.shape[0]), y])

    def step(params, x, y):
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return value, [p - RATE * g for p, g in zip(params, grads, strict=True)]

    return jax.jit(step, donate_argnums=0)


def jax_parameters(a):
    from jax import numpy as jnp

    # Without the copy, donated memory would be the array's own.
    return [jnp.array(a[name], copy=True) for name in ("w1", "b1", "w2", "b2")]


def with_jax(variant, a):
    from jax import numpy as jnp

    f = jax_step()
    x, y, state = jnp.asarray(a["x"]), jnp.asarray(a["y"]), [None, jax_parameters(a)]

    def step():
        state[:] = f(state[1], x, y)
        return state[0].block_until_ready()

    names = {"f": f, "x": x, "y": y, "state": state}
    statement = "state[:] = f(state[1], x, y); state[0].block_until_ready()"
    return Job(statement, names, after_steps(step, lambda: state[1]))


def torch_step(a, compiled=False, device="cpu"):
    """A step and the parameters; the update is one call for all of them."""
    import torch

    names = ("w1", "b1", "w2", "b2")
    params = [torch.from_numpy(a[n].copy()).to(device).requires_grad_() for n in names]

    def cost(x, y, w1, b1, w2, b2):
        z = torch.addmm(b2, torch.tanh(torch.addmm(b1, x, w1)), w2)
        return torch.nn.functional.cross_entropy(z, y)

    if compiled:
        cost = torch.compile(cost)

    def step(x, y):
        loss = cost(x, y, *params)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            torch._foreach_add_(params, grads, alpha=-RATE)
        return loss.detach()

    return step, params


def with_torch(variant, a, compiled=False):
    import torch

    f, params = torch_step(a, compiled)
    names = {"f": f, "x": torch.from_numpy(a["x"]), "y": torch.from_numpy(a["y"])}
    step = lambda: f(names["x"], names["y"])  # noqa: E731
    return Job("f(x, y)", names, after_steps(step, lambda: params))


def with_torch_compile(variant, a):
    return with_torch(variant, a, compiled=True)

"""A training step of a logistic regression, 400 x 784: bound by two passes over a matrix."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target

TITLE = "Logistic regression, training step, 400 x 784, float64"
NOTE = (
    "Cross-entropy and a penalty on the weights, gradient descent; each step returns the cost and "
    "updates weights and bias. NumPy's gradient is derived by hand, its updates are in place."
)
ROWS, COLUMNS, RATE, PENALTY, STEPS = 400, 784, 0.1, 0.01, 5


def variants():
    return [{}]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    return {"rtol": 1e-9, "atol": 1e-10}


def inputs(variant):
    rng = np.random.default_rng(1)
    return {
        "x": rng.standard_normal((ROWS, COLUMNS)),
        "y": rng.integers(0, 2, ROWS).astype("float64"),
        "w": 0.02 * rng.standard_normal(COLUMNS),
        "b": np.array(0.0),
    }


def cost_of(x, y, w, b, softplus):
    z = x @ w + b
    return (softplus(z) - y * z).mean() + PENALTY * (w * w).sum()


def numpy_step(x, y, w, b):
    """One step in place; returns the cost."""
    z = x @ w
    z += b
    small = np.exp(-np.abs(z))
    losses = np.maximum(z, 0.0) + np.log1p(small) - y * z
    cost = losses.mean() + PENALTY * w.dot(w)
    back = np.where(z >= 0, 1.0, small) / (1.0 + small)
    back -= y
    back /= len(y)
    w *= 1.0 - 2.0 * RATE * PENALTY
    w -= RATE * (back @ x)
    b -= RATE * back.sum()
    return cost


def reference(variant, a):
    w, b = a["w"].copy(), a["b"].copy()
    for _ in range(STEPS):
        cost = numpy_step(a["x"], a["y"], w, b)
    return [np.asarray(v) for v in (cost, w, b)]


def after_steps(step, parameters):
    def check():
        for _ in range(STEPS):
            cost = step()
        return [cost, *parameters()]

    return check


def symbolic(package, softplus, a):
    T = package.tensor
    x, y = T.dmatrix("x"), T.dvector("y")
    params = [package.shared(a[name].copy(), name=name) for name in "wb"]
    cost = cost_of(x, y, *params, softplus)
    grads = package.grad(cost, params)
    updates = [(p, p - RATE * g) for p, g in zip(params, grads, strict=True)]
    f = package.function([x, y], cost, updates=updates)
    state = lambda: [p.get_value() for p in params]  # noqa: E731
    names = {"f": f, "x": a["x"], "y": a["y"]}
    return Job("f(x, y)", names, after_steps(lambda: f(a["x"], a["y"]), state))


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    return symbolic(phintys, T.nnet.softplus, a)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    return symbolic(pytensor, T.softplus, a)


def with_numpy(variant, a):
    names = {"f": numpy_step, **{name: v.copy() for name, v in a.items()}}
    step = lambda: numpy_step(*(names[name] for name in a))  # noqa: E731
    return Job("f(x, y, w, b)", names, after_steps(step, lambda: [names["w"], names["b"]]))


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    def step(params, x, y):
        cost = lambda p: cost_of(x, y, *p, jax.nn.softplus)  # noqa: E731
        value, grads = jax.value_and_grad(cost)(params)
        return value, [p - RATE * g for p, g in zip(params, grads, strict=True)]

    f = jax.jit(step, donate_argnums=0)
    x, y = jnp.asarray(a["x"]), jnp.asarray(a["y"])
    # Without the copy, donated memory would be the array's own.
    state = [None, [jnp.array(a[name], copy=True) for name in "wb"]]

    def once():
        state[:] = f(state[1], x, y)
        return state[0].block_until_ready()

    statement = "state[:] = f(state[1], x, y); state[0].block_until_ready()"
    names = {"f": f, "x": x, "y": y, "state": state}
    return Job(statement, names, after_steps(once, lambda: state[1]))


def torch_job(a, compiled):
    import torch

    params = [torch.from_numpy(a[name].copy()).requires_grad_() for name in "wb"]
    x, y = torch.from_numpy(a["x"]), torch.from_numpy(a["y"])

    def cost_with_logits(x, y, w, b):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y)
        return loss + PENALTY * w.dot(w)

    cost = torch.compile(cost_with_logits) if compiled else cost_with_logits

    def step(x, y):
        value = cost(x, y, *params)
        grads = torch.autograd.grad(value, params)
        with torch.no_grad():
            torch._foreach_add_(params, grads, alpha=-RATE)
        return value.detach()

    names = {"f": step, "x": x, "y": y}
    return Job("f(x, y)", names, after_steps(lambda: step(x, y), lambda: params))


def with_torch(variant, a):
    return torch_job(a, compiled=False)


def with_torch_compile(variant, a):
    return torch_job(a, compiled=True)

"""A hierarchical logistic regression: the log density of its posterior with the gradient."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Hierarchical logistic regression, 1000 x 20, 50 groups: log density and gradient, float64"
NOTE = (
    "A function of one vector: mean and log deviation of the intercepts, 50 standardised "
    "intercepts, 20 weights. The data are constants (shared variables, closed-over arrays). "
    "NumPy's gradient is derived by hand."
)
ROWS, COLUMNS, GROUPS = 1000, 20, 50


def variants():
    return [{}]


def targets(variant, metric):
    return [Target("1.5 x faster than the best peer", ratio=1 / 1.5)]


def tolerance(variant):
    return {"rtol": 1e-9, "atol": 1e-9}


def inputs(variant):
    rng = np.random.default_rng(1)
    return {
        "q": 0.3 * rng.standard_normal(2 + GROUPS + COLUMNS),
        "x": rng.standard_normal((ROWS, COLUMNS)),
        "y": rng.integers(0, 2, ROWS).astype("float64"),
        "group": rng.integers(0, GROUPS, ROWS),
    }


def density(q, x, y, group, exp, softplus):
    mu, log_sigma = q[0], q[1]
    z, weights = q[2 : 2 + GROUPS], q[2 + GROUPS :]
    sigma = exp(log_sigma)
    eta = x @ weights + (mu + sigma * z)[group]
    likelihood = (y * eta - softplus(eta)).sum()
    # mu ~ normal(0, 2), sigma ~ half-normal(1) with its Jacobian, z ~ normal, weights ~ normal.
    prior = log_sigma - 0.5 * sigma * sigma - mu * mu / 8.0 - 0.5 * (z * z).sum()
    return likelihood + prior - 0.5 * (weights * weights).sum()


def by_hand(q, x, y, group):
    mu, sigma = q[0], np.exp(q[1])
    z, weights = q[2 : 2 + GROUPS], q[2 + GROUPS :]
    eta = x @ weights + (mu + sigma * z)[group]
    small = np.exp(-np.abs(eta))
    value = y @ eta - (np.maximum(eta, 0.0) + np.log1p(small)).sum()
    value += (
        q[1] - 0.5 * sigma * sigma - mu * mu / 8.0 - 0.5 * z.dot(z) - 0.5 * weights.dot(weights)
    )
    back = y - np.where(eta >= 0, 1.0, small) / (1.0 + small)
    groups = np.bincount(group, back, GROUPS)
    gradient = np.empty_like(q)
    gradient[0] = back.sum() - mu / 4.0
    gradient[1] = sigma * groups.dot(z) + 1.0 - sigma * sigma
    gradient[2 : 2 + GROUPS] = sigma * groups - z
    gradient[2 + GROUPS :] = back @ x - weights
    return value, gradient


def reference(variant, a):
    return [np.asarray(v) for v in by_hand(**a)]


def with_numpy(variant, a):
    return call(by_hand, *a.values())


def symbolic(package, softplus, a):
    T = package.tensor
    q = T.dvector("q")
    data = [package.shared(a[name], name=name) for name in ("x", "y", "group")]
    value = density(q, *data, T.exp, softplus)
    return call(package.function([q], [value, package.grad(value, q)]), a["q"])


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    return symbolic(phintys, T.nnet.softplus, a)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor as T

    return symbolic(pytensor, T.softplus, a)


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    data = [jnp.asarray(a[name]) for name in ("x", "y", "group")]
    f = jax.jit(jax.value_and_grad(lambda q: density(q, *data, jnp.exp, jax.nn.softplus)))
    return Job("wait(f(q))", {"wait": jax.block_until_ready, "f": f, "q": jnp.asarray(a["q"])})


def torch_job(a, compiled):
    import torch

    data = [torch.from_numpy(a[name]) for name in ("x", "y", "group")]
    f = lambda q: density(q, *data, torch.exp, torch.nn.functional.softplus)  # noqa: E731
    if compiled:
        f = torch.compile(f)

    def both(q):
        value = f(q)
        return value.detach(), torch.autograd.grad(value, q)[0]

    return call(both, torch.from_numpy(a["q"]).requires_grad_())


def with_torch(variant, a):
    return torch_job(a, compiled=False)


def with_torch_compile(variant, a):
    return torch_job(a, compiled=True)

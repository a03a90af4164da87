"""A posterior density of ten values with its gradient, as a sampler calls it thousands of times."""

from __future__ import annotations

import numpy as np

from harness.job import Job, Target, call

TITLE = "Eight schools: log density and its gradient, 10 float64 values"
NOTE = (
    "The non-centred model, as a function of one vector: mu, log tau and eight standardised "
    "effects, without constant terms. NumPy's gradient is derived by hand."
)
EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def variants():
    return [{}]


def targets(variant, metric):
    return [Target("5 x faster than the best peer", ratio=1 / 5)]


def tolerance(variant):
    return {"rtol": 1e-11, "atol": 1e-11}


def inputs(variant):
    return {"q": np.random.default_rng(1).standard_normal(10)}


def density(q, effects, errors, m):
    """log p(mu, log tau, z | effects): `m` has exp and log1p."""
    mu, log_tau, z = q[0], q[1], q[2:]
    tau = m.exp(log_tau)
    residual = (effects - mu - tau * z) / errors
    # mu ~ normal(0, 5), tau ~ half-Cauchy(5) with the Jacobian of the logarithm, z ~ normal.
    prior = log_tau - m.log1p(tau * tau / 25.0) - mu * mu / 50.0 - 0.5 * (z * z).sum()
    return prior - 0.5 * (residual * residual).sum()


def by_hand(q):
    mu, tau, z = q[0], np.exp(q[1]), q[2:]
    residual = (EFFECTS - mu - tau * z) / ERRORS
    scaled = residual / ERRORS
    square = tau * tau / 25.0
    value = q[1] - np.log1p(square) - mu * mu / 50.0 - 0.5 * z.dot(z)
    gradient = np.empty_like(q)
    gradient[0] = scaled.sum() - mu / 25.0
    gradient[1] = 1.0 - 2.0 * square / (1.0 + square) + tau * scaled.dot(z)
    gradient[2:] = tau * scaled - z
    return value - 0.5 * residual.dot(residual), gradient


def reference(variant, a):
    return [np.asarray(v) for v in by_hand(a["q"])]


def with_numpy(variant, a):
    return call(by_hand, a["q"])


def symbolic(package, a):
    T = package.tensor
    q = T.dvector("q")
    value = density(q, T.constant(EFFECTS), T.constant(ERRORS), T)
    return call(package.function([q], [value, package.grad(value, q)]), a["q"])


def with_phintys(variant, a):
    import phintys
    import phintys.tensor

    return symbolic(phintys, a)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor

    return symbolic(pytensor, a)


def with_jax(variant, a):
    import jax
    from jax import numpy as jnp

    f = jax.jit(jax.value_and_grad(lambda q: density(q, EFFECTS, ERRORS, jnp)))
    names = {"wait": jax.block_until_ready, "f": f, "q": jnp.asarray(a["q"])}
    return Job("wait(f(q))", names)


def torch_job(a, compiled):
    import torch

    effects, errors = torch.from_numpy(EFFECTS), torch.from_numpy(ERRORS)
    f = lambda q: density(q, effects, errors, torch)  # noqa: E731
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

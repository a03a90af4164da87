"""Loops with small bodies: what a step costs beyond its arithmetic."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from harness.job import Job, Target

TITLE = "Loops with small bodies, float64"
NOTE = (
    "Each package's own loop: `scan` (Phintys, PyTensor), `lax.scan` and `lax.while_loop` under "
    "`jit` (JAX), a Python loop (NumPy, PyTorch). 3 x 3: `M * W + tanh(M) / 2`, or with a matrix "
    "product `tanh(M @ W) + M / 2`; gradients are those of the sum of the last value with respect "
    "to the first and W, and come with the value. Factor: the Cholesky factor of a quasiseparable "
    "matrix, with a 3 x 3 matrix carried and sequences read, and the gradient of the sum of all "
    "its rows. Taps: `tanh(a x[t-1] + b x[t-2])`, 100 values, all steps kept. Map: rows divided by "
    "their norm; JAX's `vmap`, PyTorch's and NumPy's whole arrays. Nested: for each of 100 rows 20 "
    "steps. The scalar recurrence is chaotic: its values are compared after 20 steps. "
    "torch.compile unrolls loops, which takes minutes: left out."
)

STEPS = {
    "scalar recurrence": 10_000,
    "3 x 3": 600,
    "3 x 3, gradient": 600,
    "3 x 3 product": 600,
    "3 x 3 product, gradient": 600,
    "3 x 3 factor": 600,
    "3 x 3 factor, gradient": 600,
    "switch": 100,
    "two taps": 1000,
    "until": 100_000,
    "map": 1000,
    "nested": 100,
}
CHAOTIC, CHECKED_STEPS = "scalar recurrence", 20


def variants():
    return [{"what": what, "steps": steps} for what, steps in STEPS.items()]


def targets(variant, metric):
    what, steps = variant["what"], variant["steps"]
    if what == "scalar recurrence":
        return [Target("at most 10 ns a step", seconds=10e-9 * steps)]
    if not what.startswith("3 x 3"):
        return []
    goals = [Target("a tenth of JAX's time", against="jax", ratio=0.1)]
    if what == "3 x 3":
        goals.append(Target("at most 0.3 us a step", seconds=0.3e-6 * steps))
    if what == "3 x 3, gradient":
        goals.append(Target("at most 1.3 us a step, both ways", seconds=1.3e-6 * steps))
    return goals


def tolerance(variant):
    return {"rtol": 1e-9, "atol": 1e-12}


def inputs(variant):
    rng = np.random.default_rng(1)
    what, steps = variant["what"], variant["steps"]
    if what == "scalar recurrence":
        return {"x": np.array(0.3)}
    if what.startswith("3 x 3 factor"):
        turn = 0.8 * np.linalg.qr(rng.standard_normal((3, 3)))[0]
        return {
            "d": rng.uniform(4, 5, steps),
            "p": 0.3 * rng.standard_normal((steps, 3)),
            "q": 0.3 * rng.standard_normal((steps, 3)),
            "a": turn + 0.02 * rng.standard_normal((steps, 3, 3)),
        }
    if what.startswith("3 x 3"):
        return {"x": rng.standard_normal((3, 3)), "w": rng.uniform(0.6, 0.9, (3, 3))}
    if what == "switch":
        return {"x": rng.standard_normal(8)}
    if what == "two taps":
        return {"x": rng.standard_normal((2, 100)), "a": np.array(0.7), "b": np.array(-0.9)}
    if what == "until":
        return {"x": np.array(1.0), "limit": np.array(1000.0)}
    if what == "map":
        return {"x": rng.standard_normal((steps, 64))}
    return {"x": rng.standard_normal((steps, 4))}


# ----- the bodies: `m` is the namespace of a package -----


def body(what, m):
    """The step of a loop that carries one array: of the array and the constants."""
    if what.startswith("3 x 3 factor"):
        outer = getattr(m, "outer", None)
        return lambda f, d, p, q, a: factor_step(m.sqrt, outer, f, d, p, q, a)
    if what == "scalar recurrence":
        return lambda x: 3.7 * x * (1.0 - x)
    if what.startswith("3 x 3 product"):
        return lambda x, w: m.tanh(x @ w) + 0.5 * x
    if what.startswith("3 x 3"):
        return lambda x, w: x * w + 0.5 * m.tanh(x)
    if what == "switch":
        where = getattr(m, "switch", None) or m.where
        return lambda x: where(x > 0, 0.99 * x - 0.1, 1.01 * x + 0.2)
    if what == "two taps":
        return lambda older, x, a, b: m.tanh(a * x + b * older)
    if what == "until":
        return lambda x: x * 1.001 + 0.001
    return lambda x: m.tanh(x) * 1.1 + 0.01  # nested


INNER_STEPS = 20


def factor_step(sqrt, outer, f, d, p, q, a):
    """The next carry, and a row of the factor: its diagonal and its generator."""
    c = sqrt(d - p @ (f @ p))
    t = f @ a.T
    w = (q - p @ t) / c
    return a @ t + outer(w, w), c, w


# ----- Phintys and PyTensor -----


def symbolic(variant, a, package, scan, until):
    """Phintys's or PyTensor's function for the case."""
    T, what, steps = package.tensor, variant["what"], variant["steps"]
    step = body(what, T)
    v = {name: T.TensorType("float64", (None,) * x.ndim)(name) for name, x in a.items()}
    if what.startswith("3 x 3 factor"):
        return symbolic_factor(what, package, scan, step, v)
    x, constants = v["x"], list(v.values())[1:]
    if what == "map":
        out = scan(lambda row: row / T.sqrt(T.sum(row * row)), sequences=[x], outputs_info=[None])
    elif what == "nested":

        def inner(row):
            return scan(step, outputs_info=[row], n_steps=INNER_STEPS)[-1]

        out = scan(inner, sequences=[x], outputs_info=[None])
    elif what == "two taps":
        info = [{"initial": x, "taps": [-2, -1]}]
        out = scan(step, outputs_info=info, non_sequences=constants, n_steps=steps)
    elif what == "until":

        def growing(x, limit):
            fresh = step(x)
            return fresh, until(fresh > limit)

        out = scan(growing, outputs_info=[x], non_sequences=constants, n_steps=steps)[-1]
    else:
        out = scan(step, outputs_info=[x], non_sequences=constants, n_steps=steps)[-1]
    outputs = [out]
    if "gradient" in what:
        outputs += package.grad(T.sum(out), [x, *constants])
    return package.function(list(v.values()), outputs)


def symbolic_factor(what, package, scan, step, v):
    T = package.tensor
    info = [T.zeros((3, 3), dtype="float64"), None, None]
    _, c, w = scan(lambda d, p, q, a, f: step(f, d, p, q, a), list(v.values()), info)
    outputs = [c, w]
    if "gradient" in what:
        outputs += package.grad(T.sum(c) + T.sum(w), list(v.values()))
    return package.function(list(v.values()), outputs)


def symbolic_job(variant, a, build):
    f = build(variant)
    check = build({**variant, "steps": CHECKED_STEPS}) if variant["what"] == CHAOTIC else f
    names = {f"a{i}": x for i, x in enumerate(a.values())}
    return Job(f"f({', '.join(names)})", {"f": f, **names}, lambda: check(*a.values()))


def with_phintys(variant, a):
    import phintys
    import phintys.tensor

    def scan(*args, **kwargs):
        return phintys.scan(*args, **kwargs)[0]

    def build(variant):
        return symbolic(variant, a, phintys, scan, phintys.scan_module.until)

    return symbolic_job(variant, a, build)


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor
    from pytensor.scan.utils import until

    def scan(*args, **kwargs):
        return pytensor.scan(*args, return_updates=False, **kwargs)

    def build(variant):
        return symbolic(variant, a, pytensor, scan, until)

    sys.setrecursionlimit(10_000)
    return symbolic_job(variant, a, build)


# ----- JAX -----


def jax_function(variant):
    import jax
    from jax import lax
    from jax import numpy as jnp

    what, steps = variant["what"], variant["steps"]
    step = body(what, jnp)

    def last(x, *constants, length=steps):
        return lax.scan(lambda c, _: (step(c, *constants), None), x, length=length)[0]

    def taps(x, a, b):
        def one(pair, _):
            fresh = step(pair[0], pair[1], a, b)
            return (pair[1], fresh), fresh

        return lax.scan(one, (x[0], x[1]), length=steps)[1]

    def until(x, limit):
        def more(c):
            return (c[0] < steps) & ((c[0] == 0) | (c[1] <= limit))

        return lax.while_loop(more, lambda c: (c[0] + 1, step(c[1])), (0, x))[1]

    def both(x, w):
        value, pull = jax.vjp(last, x, w)
        return value, *pull(jnp.ones_like(value))

    def factor(*sequences):
        def one(f, rows):
            f, c, w = step(f, *rows)
            return f, (c, w)

        return lax.scan(one, jnp.zeros((3, 3)), sequences)[1]

    def factor_both(*sequences):
        value, pull = jax.vjp(factor, *sequences)
        return *value, *pull(tuple(jnp.ones_like(v) for v in value))

    special = {"two taps": taps, "until": until, "3 x 3 factor": factor}
    if what == "3 x 3 factor, gradient":
        return jax.jit(factor_both)
    special["map"] = jax.vmap(lambda row: row / jnp.sqrt(jnp.sum(row * row)))
    special["nested"] = lambda x: lax.map(lambda row: last(row, length=INNER_STEPS), x)
    return jax.jit(both if "gradient" in what else special.get(what, last))


def with_jax(variant, a):
    import jax

    arrays = [jax.numpy.asarray(x) for x in a.values()]
    f = jax_function(variant)
    check = jax_function({**variant, "steps": CHECKED_STEPS}) if variant["what"] == CHAOTIC else f

    def values():
        out = check(*arrays)
        return out if isinstance(out, (tuple, list)) else [out]

    return Job("wait(f(*a))", {"wait": jax.block_until_ready, "f": f, "a": arrays}, values)


# ----- Python loops -----


def eager(variant, m):
    """The case as a function of arrays of `m`, NumPy or PyTorch."""
    what, steps = variant["what"], variant["steps"]
    step = body(what, m)

    def last(x, *constants):
        for _ in range(steps):
            x = step(x, *constants)
        return x

    def taps(x, a, b):
        rows = [x[0], x[1]]
        for _ in range(steps):
            rows.append(step(rows[-2], rows[-1], a, b))
        return m.stack(rows[2:])

    def until(x, limit):
        for _ in range(steps):
            x = step(x)
            if x > limit:
                break
        return x

    def rows(x):
        return x / m.sqrt((x * x).sum(1))[:, None]

    def nested(x):
        out = []
        for row in x:
            for _ in range(INNER_STEPS):
                row = step(row)
            out.append(row)
        return m.stack(out)

    def factor(*sequences):
        f, cs, ws = m.zeros((3, 3), dtype=m.float64), [], []
        for rows in zip(*sequences, strict=True):
            f, c, w = step(f, *rows)
            cs.append(c)
            ws.append(w)
        return m.stack(cs), m.stack(ws)

    if what.startswith("3 x 3 factor"):
        return factor
    special = {"two taps": taps, "until": until, "map": rows, "nested": nested}
    return special.get(what, last)


def numpy_gradient(variant):
    """Value and gradients of the 3 x 3 cases, backwards by hand."""
    product, steps = "product" in variant["what"], variant["steps"]

    def both(x, w):
        xs, ts = [], []
        for _ in range(steps):
            t = np.tanh(x @ w if product else x)
            xs.append(x)
            ts.append(t)
            x = t + 0.5 * x if product else x * w + 0.5 * t
        g, gw = np.ones_like(x), np.zeros_like(w)
        for x_t, t in zip(reversed(xs), reversed(ts), strict=True):
            if product:
                back = g * (1.0 - t * t)
                gw += x_t.T @ back
                g = back @ w.T + 0.5 * g
            else:
                gw += g * x_t
                g = g * (w + 0.5 * (1.0 - t * t))
        return x, g, gw

    return both


def numpy_factor_gradient(d, p, q, a):
    """Rows of the factor, and gradients of the sum of all of them, by hand."""
    f, kept = np.zeros((3, 3)), []
    for rows in zip(d, p, q, a, strict=True):
        fresh, c, w = factor_step(np.sqrt, np.outer, f, *rows)
        kept.append((f, c, w))
        f = fresh
    grads = [np.zeros_like(v) for v in (d, p, q, a)]
    gf = np.zeros((3, 3))
    for i in reversed(range(len(d))):
        f, c, w = kept[i]
        t = f @ a[i].T
        gw = 1 + (gf + gf.T) @ w
        gu = gw / c
        gs = (1 - gu @ w) / (2 * c)
        gt = a[i].T @ gf - np.outer(p[i], gu)
        grads[0][i] = gs
        grads[1][i] = -t @ gu - gs * (f @ p[i] + f.T @ p[i])
        grads[2][i] = gu
        grads[3][i] = gf @ t.T + gt.T @ f
        gf = gt @ a[i] - gs * np.outer(p[i], p[i])
    return np.array([c for _, c, _ in kept]), np.array([w for _, _, w in kept]), *grads


def numpy_function(variant):
    if variant["what"] == "3 x 3 factor, gradient":
        return numpy_factor_gradient
    return numpy_gradient(variant) if "gradient" in variant["what"] else eager(variant, np)


def checked(variant):
    return {**variant, "steps": CHECKED_STEPS} if variant["what"] == CHAOTIC else variant


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def reference(variant, a):
    return [np.asarray(v) for v in as_list(numpy_function(checked(variant))(*a.values()))]


def with_numpy(variant, a):
    f, check = numpy_function(variant), numpy_function(checked(variant))
    return Job("f(*a)", {"f": f, "a": list(a.values())}, lambda: as_list(check(*a.values())))


def with_torch(variant, a):
    import torch

    forward = eager(variant, torch)
    gradient = "gradient" in variant["what"]
    arrays = [torch.from_numpy(x).requires_grad_(gradient) for x in a.values()]

    def both(*arrays):
        value = as_list(forward(*arrays))
        return *value, *torch.autograd.grad(sum(v.sum() for v in value), arrays)

    f = both if gradient else forward
    check = eager(checked(variant), torch) if variant["what"] == CHAOTIC else f
    return Job("f(*a)", {"f": f, "a": arrays}, lambda: as_list(check(*arrays)))

"""Integer arrays and boolean masks as indices: reading, storing, adding."""

from __future__ import annotations

import numpy as np

from harness.job import NotSupported, Target, call

TITLE = "Advanced indexing, masks, `inc_subtensor`"
NOTE = (
    "NumPy's and PyTorch's stores and adds copy the array first, as all of these return a new one. "
    "JAX cannot trace a boolean mask, whose result has a length that depends on values: its masks "
    "run outside `jit`. Indices are int64 and random."
)

SIDE = 1000
LONG = 10**6


def _masked(x, m):
    return x[m]


def _numpy_set(x, index, y):
    x = x.copy()
    x[index] = y
    return x


def _numpy_add(x, index, y):
    x = x.copy()
    np.add.at(x, index, y)
    return x


def _torch_set(x, index, y):
    x = x.clone()
    x[index] = y
    return x


# For each operation: its operands, and the expressions of NumPy, Phintys, PyTorch and JAX.
OPERATIONS = {
    "x[i]": ("v i", lambda x, i: x[i], None, None, None),
    "x[i, j]": ("x i j", lambda x, i, j: x[i, j], None, None, None),
    "x[k] (rows)": ("x k", lambda x, k: x[k], None, None, None),
    "x[:, k]": ("x k", lambda x, k: x[:, k], None, None, None),
    "x[k[:, None], l]": ("x k l", lambda x, k, l: x[k[:, None], l], None, None, None),
    "x[mask]": ("x m", _masked, None, None, _masked),
    "x[mask] = y": (
        "x m p",
        lambda x, m, p: _numpy_set(x, m, p),
        lambda T, x, m, p: T.set_subtensor(x[m], p),
        lambda x, m, p: _torch_set(x, m, p),
        lambda x, m, p: x.at[m].set(p),
    ),
    "x[mask] = 0": (
        "x m",
        lambda x, m: _numpy_set(x, m, 0),
        lambda T, x, m: T.set_subtensor(x[m], 0),
        lambda x, m: _torch_set(x, m, 0),
        None,
    ),
    "x[i] += y": (
        "v i w",
        _numpy_add,
        lambda T, x, i, y: T.inc_subtensor(x[i], y),
        lambda x, i, y: x.index_add(0, i, y),
        lambda x, i, y: x.at[i].add(y),
    ),
    "x[k] += y (rows)": (
        "x k y",
        _numpy_add,
        lambda T, x, k, y: T.inc_subtensor(x[k], y),
        lambda x, k, y: x.index_add(0, k, y),
        lambda x, k, y: x.at[k].add(y),
    ),
    "nonzero": (
        "m",
        lambda m: np.nonzero(m)[1],
        lambda T, m: T.nonzero(m)[1],
        lambda m: m.nonzero(as_tuple=True)[1],
        lambda m: m.nonzero()[1],
    ),
    "take_along_axis": (
        "x q",
        lambda x, q: np.take_along_axis(x, q, 1),
        lambda T, x, q: T.take_along_axis(x, q, 1),
        lambda x, q: x.gather(1, q),
        None,
    ),
}
# Their results have a shape that depends on values.
UNTRACEABLE = ("x[mask]", "x[mask] = y", "nonzero")


def variants():
    return [{"operation": op, "dtype": t} for op in OPERATIONS for t in ("float32", "float64")]


def targets(variant, metric):
    return [Target("at least level with the best peer")]


def tolerance(variant):
    # Sums in another order.
    eps = float(np.finfo(variant["dtype"]).eps)
    slack = 64 * eps if "+=" in variant["operation"] else 1e-300
    return {"rtol": slack, "atol": slack}


def inputs(variant):
    rng = np.random.default_rng(1)
    dtype = variant["dtype"]
    mask = rng.random((SIDE, SIDE)) < 0.5
    made = {
        "x": lambda: rng.standard_normal((SIDE, SIDE)).astype(dtype),
        "y": lambda: rng.standard_normal((SIDE, SIDE)).astype(dtype),
        "v": lambda: rng.standard_normal(LONG).astype(dtype),
        "w": lambda: rng.standard_normal(LONG // 10).astype(dtype),
        "m": lambda: mask,
        "p": lambda: rng.standard_normal(int(mask.sum())).astype(dtype),
        "j": lambda: rng.integers(0, SIDE, LONG // 10),
        "k": lambda: rng.integers(0, SIDE, SIDE),
        "l": lambda: rng.integers(0, SIDE, SIDE),
        "q": lambda: rng.integers(0, SIDE, (SIDE, SIDE)),
    }
    names = OPERATIONS[variant["operation"]][0].split()
    made["i"] = lambda: rng.integers(0, LONG if "v" in names else SIDE, LONG // 10)
    return {name: made[name]() for name in names}


def reference(variant, a):
    result = OPERATIONS[variant["operation"]][1](*a.values())
    return [np.asarray(result)]


def with_phintys(variant, a):
    import phintys
    import phintys.tensor as T

    _, plain, expression, _, _ = OPERATIONS[variant["operation"]]
    xs = [T.TensorType(v.dtype.name, (False,) * v.ndim)(name) for name, v in a.items()]
    out = expression(T, *xs) if expression else plain(*xs)
    return call(phintys.function(xs, out), *a.values())


def with_numpy(variant, a):
    return call(OPERATIONS[variant["operation"]][1], *a.values())


def with_jax(variant, a):
    import jax

    if variant["operation"] == "x[mask] = y":
        raise NotSupported("stores a vector where a mask is true only with its length known")
    _, plain, _, _, expression = OPERATIONS[variant["operation"]]
    function = expression or plain
    # What JAX has functions for, or can trace only so.
    function = {
        "take_along_axis": lambda x, q: jax.numpy.take_along_axis(x, q, 1),
        "x[mask] = 0": lambda x, m: jax.numpy.where(m, 0, x),
    }.get(variant["operation"], function)
    if variant["operation"] not in UNTRACEABLE:
        function = jax.jit(function)
    arrays = [jax.numpy.asarray(v) for v in a.values()]
    return call(function, *arrays, wait=".block_until_ready()")


def with_torch(variant, a):
    import torch

    _, plain, _, expression, _ = OPERATIONS[variant["operation"]]
    return call(expression or plain, *[torch.from_numpy(v) for v in a.values()])

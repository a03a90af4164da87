"""How long `import` takes beyond NumPy's own."""

from __future__ import annotations

from harness.job import Target, clock

TITLE = "Import time beyond NumPy"
NOTE = "Each sample is a fresh process that has imported NumPy already; files are in the cache."
FRESH = True
ROUNDS = 9
METRICS = ["import"]


def variants():
    return [{}]


def targets(variant, metric):
    return [Target("at most 60 ms", seconds=0.060)]


def tolerance(variant):
    return {"rtol": 0.0, "atol": 0.0}


def expected(variant):
    return []


def importing(*names):
    import importlib

    import numpy  # noqa: F401

    start = clock()
    for name in names:
        importlib.import_module(name)
    return {METRICS[0]: clock() - start}, []


def with_phintys(variant):
    return importing("phintys", "phintys.tensor")


def with_numexpr(variant):
    return importing("numexpr")


def with_pytensor_c(variant):
    return importing("pytensor", "pytensor.tensor")


def with_jax(variant):
    return importing("jax", "jax.numpy")


def with_torch(variant):
    return importing("torch")

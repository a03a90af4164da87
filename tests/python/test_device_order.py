"""Sorting, running sums, counting and searching on every device, against NumPy and the CPU."""

import numpy as np
import phintys.tensor as T
import pytest
from device_cases import floats, run_everywhere

NUMBERS = ["int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]


def numbers(dtype, *shape, seed=0):
    """Few values, so that many are equal; of floats also NaN, infinities and both zeros."""
    x = np.round(floats(*shape, seed=seed) * 4)
    if np.dtype(dtype).kind == "f":
        x[x == 3], x[x == 5], x[x == -5] = np.nan, np.inf, -np.inf
        return x.astype(dtype)
    return (x + (100 if np.dtype(dtype).kind == "u" else 0)).astype(dtype)


@pytest.mark.parametrize("dtype", ["bool", *NUMBERS, "complex64", "complex128"])
@pytest.mark.parametrize("shape, axis", [((40,), 0), ((5, 30), 1), ((30, 5), 0), ((2500,), 0)])
def test_sort(dtype, shape, axis):
    if dtype.startswith("complex"):
        x = np.empty(shape, dtype)
        x.real, x.imag = numbers("float32", *shape), numbers("float32", *shape, seed=1)
    else:
        x = numbers("float32" if dtype == "bool" else dtype, *shape).astype(dtype)
    run_everywhere(
        lambda x: [T.sort(x, axis=axis), T.argsort(x, axis=axis)],
        x,
        expected=lambda x: [np.sort(x, axis), np.argsort(x, axis, kind="stable")],
        exact=True,
        on_device=True,
    )


@pytest.mark.parametrize("shape", [(3, 40), (2, 2300)])
@pytest.mark.parametrize("k", [1, -7, 30])
def test_topk(shape, k):
    x = floats(*shape, seed=2, dtype="float32")

    def expected(x):
        order = np.argsort(-x if k > 0 else x, axis=1, kind="stable")[:, : abs(k)]
        return [np.take_along_axis(x, order, 1), order]

    run_everywhere(
        lambda x: T.topk_and_argtopk(x, k, axis=1), x, expected=expected, exact=True, on_device=True
    )
    run_everywhere(
        lambda x: T.topk_and_argtopk(x, k, axis=1, sorted=False),
        x,
        expected=lambda x: [
            np.take_along_axis(x, np.sort(expected(x)[1], axis=1), 1),
            np.sort(expected(x)[1], axis=1),
        ],
        exact=True,
    )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape, axis", [((50,), 0), ((3, 400), 1), ((700, 3), 0), ((5000,), 0)])
def test_running_sums(dtype, shape, axis):
    x = floats(*shape, seed=3)
    x = (x + 1j if dtype == "complex64" else x if dtype.startswith("f") else 3 * x).astype(dtype)
    atol = {"float32": 1e-3, "complex64": 1e-2, "float64": 1e-11}.get(dtype, 0)
    run_everywhere(
        lambda x: T.cumsum(x, axis=axis), x, expected=lambda x: np.cumsum(x, axis), atol=atol
    )


def test_running_products_and_gradients():
    x = floats(4, 30, seed=4)
    run_everywhere(lambda x: T.cumprod(x, axis=1), x, expected=lambda x: np.cumprod(x, 1))
    run_everywhere(lambda x: T.grad(T.sum(T.sqr(T.cumsum(x, axis=0))), x), x)
    run_everywhere(lambda x: T.grad(T.sum(T.cumprod(x, axis=1)), x), x, atol=1e-12)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_unique(dtype):
    x = numbers(dtype, 300)
    run_everywhere(T.unique, x, expected=np.unique, exact=True)
    run_everywhere(
        lambda x: T.unique(x, return_index=True, return_inverse=True, return_counts=True),
        x,
        expected=lambda x: np.unique(x, True, True, True),
        exact=True,
    )


def test_unique_rows():
    x = np.random.default_rng(5).integers(0, 3, (60, 3))
    run_everywhere(
        lambda x: T.unique(x, axis=0), x, expected=lambda x: np.unique(x, axis=0), exact=True
    )
    run_everywhere(T.unique, np.zeros(0), expected=np.zeros(0), exact=True)


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    a = np.sort(numbers("float64", 60))
    run_everywhere(
        lambda a, v: T.searchsorted(a, v, side=side),
        a,
        numbers("float64", 4, 9, seed=6),
        expected=lambda a, v: np.searchsorted(a, v, side),
        exact=True,
        on_device=True,
    )


@pytest.mark.parametrize("weights", [None, "int32", "float32", "float64"])
def test_bincount(weights):
    x = np.random.default_rng(7).integers(0, 20, 900)
    if weights is None:
        run_everywhere(T.bincount, x, expected=np.bincount, exact=True)
        return
    w = (10 * floats(900, seed=8)).astype(weights)
    run_everywhere(
        lambda x, w: T.bincount(x, w, minlength=30),
        x,
        w,
        expected=lambda x, w: np.bincount(x, w, 30).astype(weights),
        rtol=1e-6,
    )

"""Decompositions and linear systems on devices."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import floats, host_instructions, on_devices, run_everywhere, variable_like
from phintys.errors import LinAlgError
from phintys.tensor import nlinalg, slinalg

DTYPES = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 2e-4, "float64": 1e-10, "complex64": 2e-4, "complex128": 1e-10}


def matrices(dtype, *shape, seed=0):
    x = floats(*shape, seed=seed)
    if dtype.startswith("complex"):
        x = x + 1j * floats(*shape, seed=seed + 50)
    return x.astype(dtype)


def well(dtype, *shape, seed=0):
    return matrices(dtype, *shape, seed=seed) + np.asarray(
        3 * np.sqrt(shape[-1]) * np.eye(shape[-1]), dtype
    )


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def positive(dtype, *shape, seed=0):
    x = matrices(dtype, *shape, seed=seed)
    return (x @ adjoint(x) + shape[-1] * np.eye(shape[-1])).astype(dtype)


def near(build, *values, **keywords):
    tolerance = TOLERANCE[values[0].dtype.name]
    # Whether elementwise operations are on the device is not looked at here.
    return run_everywhere(
        build,
        *values,
        rtol=tolerance,
        atol=tolerance,
        on_device=True,
        may_run_on_host=["Fused"],
        **keywords,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (3, 4, 4), (40, 40)])
def test_systems(dtype, shape):
    a, p = well(dtype, *shape), positive(dtype, *shape)
    b = matrices(dtype, *shape[:-1], 3, seed=9)
    near(slinalg.solve, a, b, expected=np.linalg.solve)
    near(lambda a, b: slinalg.solve(a, b, assume_a="pos"), p, b, expected=np.linalg.solve)
    near(slinalg.cholesky, p, expected=np.linalg.cholesky)
    near(lambda x: slinalg.cholesky(x, lower=False), p)
    near(nlinalg.matrix_inverse, a, expected=np.linalg.inv)
    near(lambda x: list(nlinalg.slogdet(x)), a, expected=lambda x: list(np.linalg.slogdet(x)))
    for lower in (True, False):
        for trans in (0, 1):
            near(
                lambda a, b, lo=lower, tr=trans: slinalg.solve_triangular(a, b, lower=lo, trans=tr),
                a,
                b,
            )
    if len(shape) == 2:
        near(lambda a, b: slinalg.lu_solve(slinalg.lu_factor(a), b), a, b)


@pytest.mark.parametrize("n", [4, 20])
def test_gradients(n):
    a, p, b = well("float64", n, n), positive("float64", n, n), floats(n, 2, seed=3)

    def of(f, *xs):
        return T.grad(T.sum(T.sqr(f(*xs))), list(xs))

    near(lambda a, b: of(slinalg.solve, a, b), a, b)
    near(lambda a, b: of(lambda x, y: slinalg.solve(x, y, assume_a="pos"), a, b), p, b)
    near(lambda a: of(slinalg.cholesky, a), p)
    near(lambda a: of(lambda x: nlinalg.slogdet(x)[1], a), a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (2, 7, 3)])
def test_orthogonal_factors(dtype, shape):
    a = matrices(dtype, *shape)
    for mode in ("reduced", "complete", "raw"):
        near(lambda x, m=mode: list(nlinalg.qr(x, mode=m)), a)
    near(lambda x: nlinalg.qr(x, mode="r"), a)
    tolerance = TOLERANCE[dtype]
    k = min(shape[-2:])
    near(
        lambda x: nlinalg.svd(x, compute_uv=False),
        a,
        expected=lambda x: np.linalg.svd(x, compute_uv=False),
    )
    near(nlinalg.pinv, a, expected=np.linalg.pinv)
    for full in (True, False):

        def product(x, full=full):
            # Vectors have signs (phases) of their own; the product and its factors' norms do not.
            u, s, vh = nlinalg.svd(x, full_matrices=full)
            return [u, s, vh]

        for device in ("cpu", "emulated"):
            if device == "emulated" and device not in phintys.cuda.kinds():
                continue
            x = variable_like(a)
            f = phintys.function([x], product(x), device=device)
            u, s, vh = (np.asarray(v) for v in f(a))
            np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a,
                                       atol=tolerance)  # fmt: skip
            for q in (adjoint(u) @ u, vh @ adjoint(vh)):
                np.testing.assert_allclose(q, np.broadcast_to(np.eye(q.shape[-1]), q.shape),
                                           atol=tolerance)  # fmt: skip
            if device != "cpu":
                assert not [t for t in host_instructions(f) if not t.startswith("Fused")]


@on_devices
@pytest.mark.parametrize("dtype", DTYPES)
def test_eigenvectors(dtype, device):
    for n in (1, 2, 7, 12):
        a = positive(dtype, 2, n, n, seed=n)
        for uplo in "LU":
            x = variable_like(a)
            f = phintys.function([x], list(nlinalg.eigh(x, uplo)), device=device)
            w, v = (np.asarray(r) for r in f(np.tril(a) if uplo == "L" else np.triu(a)))
            tolerance = TOLERANCE[dtype] * n * n
            np.testing.assert_allclose(w, np.linalg.eigvalsh(a), atol=tolerance)
            np.testing.assert_allclose(a @ v, v * w[:, None, :], atol=tolerance)
            np.testing.assert_allclose(adjoint(v) @ v, np.array([np.eye(n)] * 2), atol=tolerance)
            assert not [t for t in host_instructions(f) if not t.startswith("Fused")]


@on_devices
def test_errors(device):
    x = T.dmatrix("x")
    bad = np.array([[1.0, 2.0], [2.0, 4.0]])
    inverse = phintys.function([x], nlinalg.matrix_inverse(x), device=device)
    with pytest.raises(LinAlgError, match="singular matrix"):
        inverse(bad)
    np.testing.assert_allclose(inverse(np.eye(2)), np.eye(2))
    root = phintys.function([x], slinalg.cholesky(x), device=device)
    with pytest.raises(LinAlgError, match="not positive definite"):
        root(-np.eye(2))
    unlucky = phintys.function([x], slinalg.cholesky(x, on_error="nan"), device=device)
    assert np.isnan(unlucky(-np.eye(2))).all()
    values = phintys.function([x], nlinalg.svd(x, compute_uv=False), device=device)
    with pytest.raises(LinAlgError, match="infinities or NaNs"):
        values(np.full((2, 2), np.nan))


@pytest.mark.parametrize("n", [0, 3])
def test_empty(n):
    a = np.zeros((0, n, n))
    near(nlinalg.matrix_inverse, a)
    near(slinalg.cholesky, a)
    near(nlinalg.det, np.zeros((2, 0, 0)), expected=np.linalg.det)

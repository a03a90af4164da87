"""Rewrites of linear algebra, its complex gradients, and NumPy's functions over variables."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import compiled, floats, same, variable
from phintys.tensor import nlinalg, slinalg
from test_linalg import positive, well

# --- rewriting ------------------------------------------------------------------------------------


def ops_of(f):
    return phintys.printing.debugprint(f, file="str")


def test_products_with_inverses_are_solutions():
    a, b, v = well(4, 4), floats(4, 3), floats(4)
    x, y, w = T.dmatrix(), T.dmatrix(), T.dvector()
    inverse = nlinalg.matrix_inverse(x)
    for out, want in (
        (T.dot(inverse, y), np.linalg.solve(a, b)),
        (T.dot(y.T, inverse), b.T @ np.linalg.inv(a)),
        (T.dot(inverse, w), np.linalg.solve(a, v)),
        (T.dot(w, inverse), v @ np.linalg.inv(a)),
    ):
        f = compiled([x, y, w], out)
        assert "MatrixInverse" not in ops_of(f) and "Solve" in ops_of(f)
        same(f(a, b, v), want, exact=False, rtol=1e-10)
    both = compiled([x, y], [T.dot(inverse, y), inverse])
    assert "Solve" not in ops_of(both)
    s, t = T.dtensor3(), T.dtensor3()
    f = compiled([s, t], nlinalg.matrix_inverse(s) @ t)
    assert "MatrixInverse" not in ops_of(f)
    stack, right = well(3, 4, 4), floats(3, 4, 2)
    same(f(stack, right), np.linalg.solve(stack, right), exact=False, rtol=1e-10)


def test_logarithms_of_determinants():
    x = T.dmatrix()
    big = np.eye(200) * 1e3
    f = compiled([x], T.log(nlinalg.det(x)))
    same(f(big), np.linalg.slogdet(big)[1], exact=False)
    negative = np.diag([-1.0, 2, 3])
    assert np.isnan(f(negative))
    f = compiled([x], T.log(abs(nlinalg.det(x))))
    same(f(negative), np.log(6), exact=False)
    factor = slinalg.cholesky(x)
    f = compiled([x], [factor, T.log(nlinalg.det(x)), nlinalg.det(x)])
    assert "Det" not in ops_of(f)
    p = positive(4, 4)
    _, log, det = f(p)
    same(log, np.linalg.slogdet(p)[1], exact=False)
    same(det, np.linalg.det(p), exact=False)


def test_diagonals_of_diagonals():
    v = T.dvector()
    f = compiled([v], T.diagonal(nlinalg.alloc_diag(v)) + 1)
    assert "iagonal" not in ops_of(f)
    same(f(np.arange(3.0)), np.arange(3.0) + 1)


# --- complex gradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [(), (3,)])
def test_complex_gradients(stack):
    """Re(sum(conj(g) dx)) of the gradient g against a difference in a random direction."""
    rng = np.random.default_rng(4)

    def draw(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    n = 3
    a, b = draw(*stack, n, n) + 3 * np.eye(n), draw(*stack, n, 2)
    h = a @ np.conj(np.swapaxes(a, -1, -2))
    cases = [
        (lambda x, y: x @ y, a), (lambda x, y: nlinalg.matrix_inverse(x) @ y, a),
        (lambda x, y: slinalg.solve(x, y), a), (lambda x, y: nlinalg.det(x) + y.sum(), a),
        (lambda x, y: nlinalg.slogdet(x)[1] + T.real(y.sum()), a),
        (lambda x, y: slinalg.solve_triangular(x, y, lower=True, b_ndim=2), a),
        (lambda x, y: slinalg.solve_triangular(x, y, trans=1, b_ndim=2), a),
        (lambda x, y: slinalg.solve_triangular(x, y, trans=2, b_ndim=2), a),
        (lambda x, y: nlinalg.pinv(x) @ y, a), (lambda x, y: nlinalg.qr(x)[1] @ y, a),
        (lambda x, y: nlinalg.svd(x, compute_uv=False).sum() + T.real(y.sum()), a),
        (lambda x, y: slinalg.expm(x * 0.1) @ y, a),
        (lambda x, y: nlinalg.eigvals(x).sum() + y.sum(), a),
        (lambda x, y: slinalg.eigvalsh(x)[..., 0].sum() + T.real(y.sum()), h),
        (lambda x, y: slinalg.cholesky(x) @ y, h),
    ]  # fmt: skip
    for k, (make, at) in enumerate(cases):
        x, y = variable(at), variable(b)
        out = make(x, y)
        w = rng.normal(size=compiled([x, y], out)(at, b).shape)
        cost = (T.real(out) * w).sum() + (
            (T.imag(out) * w * 0.5).sum() if "complex" in out.dtype else 0
        )
        f, g = compiled([x, y], cost), compiled([x, y], T.grad(cost, [x, y]))
        for i, grad in enumerate(g(at, b)):
            step = draw(*grad.shape)
            if at is h and i == 0:
                # Only the lower triangle is read, the diagonal as real.
                step = np.tril(step)
                step = step - 1j * np.imag(step) * np.eye(n)
            e = 1e-6
            up = [at + e * step, b] if i == 0 else [at, b + e * step]
            down = [at - e * step, b] if i == 0 else [at, b - e * step]
            numeric = (f(*up) - f(*down)) / (2 * e)
            exact = np.real(np.conj(grad) * step).sum()
            np.testing.assert_allclose(exact, numeric, rtol=1e-5, atol=1e-6, err_msg=f"{k}, {i}")


def test_gradient_of_eig():
    a = floats(4, 4)
    x = T.dmatrix()
    w, v = nlinalg.eig(x)
    cost = (T.abs_(w) ** 2).sum() + (T.abs_(v) ** 4).sum()
    f, g = compiled([x], cost), compiled([x], T.grad(cost, x))
    step = floats(4, 4, seed=1)
    numeric = (f(a + 1e-6 * step) - f(a - 1e-6 * step)) / 2e-6
    np.testing.assert_allclose((g(a) * step).sum(), numeric, rtol=1e-6)


def test_functions_of_numpy():
    a, b = positive(4, 4), floats(4, 2)
    x, y = T.dmatrix(), T.dmatrix()
    la = np.linalg
    for make in (
        lambda u, v: la.solve(u, v), lambda u, v: la.inv(u), lambda u, v: la.cholesky(u),
        lambda u, v: la.cholesky(u, upper=True), lambda u, v: la.norm(v),
        lambda u, v: la.norm(v, 1),
        lambda u, v: la.eigvalsh(u, "U"), lambda u, v: la.slogdet(u)[1], lambda u, v: la.qr(v)[1],
        lambda u, v: la.svd(v, full_matrices=False)[1], lambda u, v: la.matrix_power(u, 2),
        lambda u, v: np.einsum("ij,jk->ki", u, v), lambda u, v: np.kron(u, v),
        lambda u, v: np.inner(v, v), lambda u, v: np.vdot(v, v), lambda u, v: np.vecdot(u, u),
        lambda u, v: np.matvec(u, u), lambda u, v: np.trace(u), lambda u, v: la.pinv(v),
    ):  # fmt: skip
        same(compiled([x, y], make(x, y))(a, b), make(a, b), exact=False, rtol=1e-9)

"""Decompositions and solvers against NumPy and SciPy, with gradients by finite differences."""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import check, compiled, floats, same, variable
from phintys import _core
from phintys.errors import LinAlgError
from phintys.tensor import linalg, nlinalg, slinalg
from scipy import linalg as sp

ORDERS = [1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 70]
STACKS = [(), (1,), (3,), (9,), (2, 3)]


def well(*shape, seed=0):
    """Matrices that are far from singular."""
    n = shape[-1]
    return floats(*shape, seed=seed) + 2 * np.sqrt(n) * np.eye(n)


def positive(*shape, seed=0):
    x = floats(*shape, seed=seed)
    return x @ np.swapaxes(x, -1, -2) + shape[-1] * np.eye(shape[-1])


def symmetric(*shape, seed=0):
    x = floats(*shape, seed=seed)
    return x + np.swapaxes(x, -1, -2) + np.diag(np.arange(shape[-1]) * 3.0)


def values(symbolic, concrete, *arrays, rtol=1e-9, dtypes=("float64", "float32")):
    """Values for float64 and float32, plain and strided memory."""
    for dtype in dtypes:
        xs = [a.astype(dtype) for a in arrays]
        vs = [variable(x) for x in xs]
        out = symbolic(*vs)
        outs = list(out) if isinstance(out, (list, tuple)) else [out]
        f = compiled(vs, outs)
        tol = rtol if dtype == "float64" else 2e-3
        turned = [np.ascontiguousarray(np.swapaxes(x, -1, -2)).swapaxes(-1, -2) if x.ndim > 1 else x
                  for x in xs]  # fmt: skip
        spaced = [np.repeat(x, 2, -1)[..., ::2] if x.ndim else x for x in xs]
        for given in (xs, turned, spaced):
            wants = concrete(*[x.astype("float64") for x in given])
            wants = list(wants) if isinstance(wants, (list, tuple)) else [wants]
            for got, want in zip(f(*given), wants, strict=True):
                got = np.asarray(got)
                assert got.dtype == dtype or got.dtype.kind in "ic"
                assert got.shape == np.shape(want)
                np.testing.assert_allclose(got, want, rtol=tol, atol=tol)


def stacked(f):
    """SciPy's function of one matrix for stacks."""

    def run(a, *rest):
        if a.ndim == 2:
            return f(a, *rest)
        parts = [run(x, *(r[i] for r in rest)) for i, x in enumerate(a)]
        if isinstance(parts[0], tuple):
            return tuple(np.array(p) for p in zip(*parts, strict=True))
        return np.array(parts)

    return run


# --- what LU gives ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", ORDERS)
def test_values_of_every_order(n):
    for stack in STACKS:
        a, b = well(*stack, n, n), floats(*stack, n, 3, seed=1)
        values(nlinalg.matrix_inverse, np.linalg.inv, a)
        values(lambda x: nlinalg.det(x / 3), lambda x: np.linalg.det(x / 3), a, dtypes=["float64"])
        values(nlinalg.slogdet, lambda x: tuple(np.linalg.slogdet(x)), a)
        values(slinalg.solve, np.linalg.solve, a, b)
        p = positive(*stack, n, n)
        values(slinalg.cholesky, np.linalg.cholesky, p)
        values(lambda x: slinalg.cholesky(x, lower=False),
               lambda x: np.swapaxes(np.linalg.cholesky(x), -1, -2), p)  # fmt: skip
        values(lambda x, y: slinalg.solve(x, y, assume_a="pos"), np.linalg.solve, p, b)
        values(lambda x, y: slinalg.solve(x, y, assume_a="pos", lower=True), np.linalg.solve, p, b)


@pytest.mark.parametrize("n", [320, 500])
def test_large_matrices_are_cut_into_panels(n):
    a, p, b = well(n, n), positive(n, n), floats(n, 70, seed=1)
    values(nlinalg.matrix_inverse, np.linalg.inv, a)
    values(slinalg.solve, np.linalg.solve, a, b)
    values(slinalg.cholesky, np.linalg.cholesky, p)
    values(nlinalg.slogdet, lambda x: tuple(np.linalg.slogdet(x)), a)
    packed, pivots = compiled([x := T.dmatrix()], slinalg.lu_factor(x))(a)
    want, want_pivots = sp.lu_factor(a)
    np.testing.assert_array_equal(pivots, want_pivots)
    np.testing.assert_allclose(packed, want, atol=1e-11)
    bad = p.copy()
    bad[n - 5, n - 5] = -1
    with pytest.raises(LinAlgError):
        compiled([x], slinalg.cholesky(x))(bad)
    with pytest.raises(LinAlgError):
        compiled([x], nlinalg.matrix_inverse(x))(np.zeros((n, n)))


def test_results_do_not_depend_on_threads():
    n, old = 400, phintys.config.num_threads
    x, y = T.dmatrix(), T.dtensor3()
    outs = [
        slinalg.cholesky(x),
        nlinalg.matrix_inverse(x),
        nlinalg.det(x / 30),
        slinalg.expm(x / 99),
    ]
    f = compiled([x, y], [*outs, nlinalg.matrix_inverse(y), y @ y, *nlinalg.svd(y)])
    a, b = positive(n, n), well(300, 12, 12)
    try:
        results = []
        for threads in (1, 2, 3):
            phintys.config.num_threads = threads
            results.append(f(a, b))
    finally:
        phintys.config.num_threads = old
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_gradients_of_lu():
    for stack, n in itertools.product([(), (5,)], [1, 3, 17]):
        a, b = well(*stack, n, n), floats(*stack, n, 2, seed=1)
        check(nlinalg.matrix_inverse, np.linalg.inv, a, exact=False, rtol=1e-9)
        check(slinalg.solve, np.linalg.solve, a, b, exact=False, rtol=1e-9)
        check(lambda x: nlinalg.slogdet(x)[1], lambda x: np.linalg.slogdet(x)[1], a,
              exact=False, rtol=1e-9)  # fmt: skip
        if n == 3:
            check(nlinalg.det, np.linalg.det, a, exact=False, rtol=1e-9)
        check(lambda x, y: slinalg.solve(x, y, transposed=True),
              lambda x, y: np.linalg.solve(np.swapaxes(x, -1, -2), y), a, b,
              exact=False, rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("kind", ["sym", "pos"])
def test_structures_read_one_triangle(kind, lower):
    n = 4
    p, b = positive(n, n), floats(n, 2, seed=1)
    junk = np.triu(floats(n, n, seed=3), 1) if lower else np.tril(floats(n, n, seed=3), -1)
    for a in (p, np.stack([p] * 5)):
        check(
            lambda x, y: slinalg.solve(x, y, assume_a=kind, lower=lower),
            lambda x, y: np.linalg.solve(
                (np.tril(x) + np.swapaxes(np.tril(x, -1), -1, -2)) if lower
                else (np.triu(x) + np.swapaxes(np.triu(x, 1), -1, -2)),
                np.broadcast_to(y, (*x.shape[:-2], n, 2)),
            ),
            a + junk, np.stack([b] * 5) if a.ndim == 3 else b, exact=False, rtol=1e-9,
        )  # fmt: skip


def test_solve_forms():
    a, b = well(4, 4), floats(4, seed=1)
    check(slinalg.solve, np.linalg.solve, a, b, exact=False, rtol=1e-10)
    stack = well(3, 4, 4)
    check(lambda x, y: slinalg.solve(x, y, b_ndim=1),
          lambda x, y: np.linalg.solve(x, y[..., None])[..., 0], stack, floats(3, 4),
          exact=False, rtol=1e-10)  # fmt: skip
    check(slinalg.solve, lambda x, y: np.linalg.solve(x, np.stack([y] * 3)), stack, floats(4, 2),
          exact=False, rtol=1e-10)  # fmt: skip
    d = np.diag([1.0, 2, 3, 4])
    x, y = T.dmatrix(), T.dvector()
    f = compiled([x, y], slinalg.solve(x, y, assume_a="diagonal"))
    same(f(d, b), b / [1, 2, 3, 4], exact=False)
    same(compiled([x, y], slinalg.Solve()(x, y))(a, b), np.linalg.solve(a, b), exact=False)
    same(
        compiled([x, y], slinalg.Solve("symmetric")(x, y))(a, b), np.linalg.solve(a, b), exact=False
    )
    same(compiled([x, y], slinalg.Solve("lower_triangular")(x, y))(a, b),
         sp.solve_triangular(a, b, lower=True), exact=False)  # fmt: skip
    ints = compiled([i := T.imatrix(), j := T.ivector()], slinalg.solve(i, j))
    same(
        ints(np.array([[2, 0], [0, 4]], "int32"), np.array([1, 2], "int32")),
        [0.5, 0.5],
        exact=False,
    )
    with pytest.raises(ValueError):
        slinalg.solve(x, y, assume_a="round")


@pytest.mark.parametrize(
    ("lower", "trans", "unit"), list(itertools.product([False, True], [0, 1, "C"], [False, True]))
)
def test_solve_triangular(lower, trans, unit):
    options = {"lower": lower, "trans": trans, "unit_diagonal": unit}
    reference = stacked(lambda x, y: sp.solve_triangular(x, y, **options))
    for n, stack in itertools.product((1, 2, 7, 32, 33), STACKS):
        a = well(*stack, n, n) / n
        if unit:
            a = a / (10 * n)
        b = floats(*stack, n, 3, seed=1)
        values(lambda x, y: slinalg.solve_triangular(x, y, b_ndim=2, **options), reference, a, b)
    for stack in ((), (5,)):
        a, b = well(*stack, 3, 3), floats(*stack, 3, 2, seed=1)
        check(lambda x, y: slinalg.solve_triangular(x, y, **options), reference, a, b,
              exact=False, rtol=1e-9)  # fmt: skip
    a = well(3, 3)
    check(lambda x, y: slinalg.solve_triangular(x, y, **options), reference, a, floats(3),
          exact=False, rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("lower", [False, True])
def test_cholesky_gradients(lower):
    for stack, n in itertools.product([(), (3,)], [1, 2, 5, 18]):
        a = positive(*stack, n, n) + floats(*stack, n, n, seed=2) * 0

        def reference(x):
            part = np.tril(x) if lower else np.swapaxes(np.triu(x), -1, -2)
            l = np.linalg.cholesky(part + np.swapaxes(np.tril(part, -1), -1, -2))
            return l if lower else np.swapaxes(l, -1, -2)

        check(lambda x: slinalg.cholesky(x, lower=lower), reference, a, exact=False, rtol=1e-9)
        x, l, g = variable(a), variable(a), variable(a)
        cost = (slinalg.cholesky(x, lower=lower) * g).sum()
        want = compiled([x, g], T.grad(cost, x))(a, np.ones_like(a))
        ops = compiled([x, l, g], slinalg.CholeskyGrad(lower)(x, l, g))
        same(ops(a, reference(a), np.ones_like(a)), want, exact=False)


def test_cholesky_of_what_is_not_positive():
    x, y = T.dmatrix(), T.dtensor3()
    bad = np.array([[1.0, 2], [2, 1]])
    stack = np.stack([np.eye(2), bad, np.eye(2)] * 3)
    for n in (2, 40):
        big = np.eye(n)
        big[:2, :2] = bad
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            compiled([x], slinalg.cholesky(x))(big)
        assert np.isnan(compiled([x], slinalg.cholesky(x, on_error="nan"))(big)).all()
        assert np.isnan(compiled([x], slinalg.Cholesky(False, "nan")(x))(big)).all()
    with pytest.raises(LinAlgError, match="matrix 1 of 9"):
        compiled([y], slinalg.cholesky(y))(stack)
    got = compiled([y], slinalg.cholesky(y, on_error="nan"))(stack)
    same(got[::3], np.stack([np.eye(2)] * 3))
    assert np.isnan(got[1::3]).all()
    nan = np.full((3, 3), np.nan)
    assert np.isnan(compiled([x], slinalg.cholesky(x, on_error="nan"))(nan)).all()
    with pytest.raises(LinAlgError):
        compiled([x], slinalg.cholesky(x))(nan)
    with pytest.raises(ValueError):
        slinalg.cholesky(x, on_error="maybe")


@pytest.mark.parametrize("n", [1, 4, 20, 40])
def test_singular_matrices(n):
    x, b = T.dmatrix(), T.dvector()
    zero, right = np.zeros((n, n)), np.ones(n)
    for out in (nlinalg.matrix_inverse(x), slinalg.solve(x, b), slinalg.solve_triangular(x, b)):
        with pytest.raises(LinAlgError, match="singular") as caught:
            compiled([x, b], out)(zero, right)
        assert isinstance(caught.value, np.linalg.LinAlgError)
        assert f"({n}, {n})" in str(caught.value)
    f = compiled([x], [nlinalg.det(x), *nlinalg.slogdet(x)])
    assert [float(v) for v in f(zero)] == [0.0, 0.0, -np.inf]
    y = T.dtensor3()
    stack = np.stack([np.eye(n)] * 6)
    stack[4] = 0
    with pytest.raises(LinAlgError, match="matrix 4 of 6"):
        compiled([y], nlinalg.matrix_inverse(y))(stack)


def test_shapes_that_are_not_square():
    x = T.dmatrix()
    for out in (nlinalg.det(x), nlinalg.matrix_inverse(x), slinalg.cholesky(x), slinalg.expm(x)):
        with pytest.raises(ValueError, match="square"):
            compiled([x], out)(np.ones((2, 3)))
    with pytest.raises(ValueError, match="do not fit"):
        compiled([x, y := T.dmatrix()], slinalg.solve(x, y))(np.eye(3), np.ones((2, 3)))
    for function in (nlinalg.det, slinalg.cholesky, nlinalg.svd, nlinalg.matrix_inverse):
        with pytest.raises(TypeError):
            function(T.dvector())


def test_lu():
    for m, n in ((1, 1), (4, 4), (5, 3), (3, 5), (20, 20), (40, 33)):
        for stack in STACKS:
            a = floats(*stack, m, n)
            values(slinalg.lu_factor, stacked(sp.lu_factor), a, dtypes=["float64"])
            values(slinalg.lu, lambda x: tuple(sp.lu(x)), a)
            values(
                lambda x: slinalg.lu(x, permute_l=True),
                lambda x: tuple(sp.lu(x, permute_l=True)),
                a,
            )
    a = floats(6, 6)
    values(lambda x: slinalg.lu(x, p_indices=True), lambda x: tuple(sp.lu(x, p_indices=True)), a)
    for trans in (0, 1):
        for stack in ((), (5,)):
            a, b = well(*stack, 4, 4), floats(*stack, 4, 2, seed=1)
            check(
                lambda x, y: slinalg.lu_solve(slinalg.lu_factor(x), y, trans=trans),  # noqa: B023
                lambda x, y: np.linalg.solve(np.swapaxes(x, -1, -2) if trans else x, y),  # noqa: B023
                a, b, exact=False, rtol=1e-9,
            )  # fmt: skip
    a = floats(4, 4)
    check(lambda x: slinalg.lu(x)[1], lambda x: sp.lu(x)[1], a, exact=False)
    check(lambda x: slinalg.lu(x)[2], lambda x: sp.lu(x)[2], a, exact=False)
    x = T.dmatrix()
    pivots = slinalg.lu_factor(x)[1]
    perm = compiled(
        [x], [slinalg.pivot_to_permutation(pivots), slinalg.pivot_to_permutation(pivots, True)]
    )
    forward, back = perm(a)
    _, l, u = sp.lu(a)
    np.testing.assert_allclose(a[forward], l @ u)
    np.testing.assert_allclose((l @ u)[back], a)
    with pytest.raises(IndexError):
        compiled([x, i := T.ivector()], slinalg.lu_solve((x, i), T.ones(4)))(
            a, np.array([9] * 4, "int32")
        )


# --- orthogonal decompositions ------------------------------------------------------------------

SIDES = [(1, 1), (3, 3), (5, 3), (3, 5), (17, 17), (40, 7)]


@pytest.mark.parametrize("shape", SIDES, ids=str)
def test_qr(shape):
    for stack in STACKS:
        a = floats(*stack, *shape)
        for mode in ("reduced", "complete", "r", "raw"):
            values(lambda x: nlinalg.qr(x, mode), lambda x: np.linalg.qr(x, mode), a)  # noqa: B023
    a = floats(*shape)
    if max(shape) > 5:
        return
    for stack in ((), (2,)):
        a = floats(*stack, *shape)
        check(lambda x: nlinalg.qr(x)[0], lambda x: np.linalg.qr(x)[0], a, exact=False)
        check(lambda x: nlinalg.qr(x)[1], lambda x: np.linalg.qr(x)[1], a, exact=False)
        check(lambda x: nlinalg.qr(x, "r"), lambda x: np.linalg.qr(x, "r"), a, exact=False)
        if shape[0] <= shape[1]:
            check(lambda x: nlinalg.qr(x, "complete")[0],
                  lambda x: np.linalg.qr(x, "complete")[0], a, exact=False)  # fmt: skip
        check(lambda x: nlinalg.qr(x, "complete")[1],
              lambda x: np.linalg.qr(x, "complete")[1], a, exact=False)  # fmt: skip


@pytest.mark.parametrize("shape", SIDES, ids=str)
def test_svd(shape):
    for stack, full in itertools.product(STACKS, (False, True)):
        a = floats(*stack, *shape)
        x = variable(a)
        u, s, v = compiled([x], nlinalg.svd(x, full))(a)
        wu, ws, wv = np.linalg.svd(a, full)
        assert (u.shape, s.shape, v.shape) == (wu.shape, ws.shape, wv.shape)
        np.testing.assert_allclose(s, ws, rtol=1e-10)
        k = s.shape[-1]
        np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ v[..., :k, :], a, atol=1e-11)
        values(
            lambda x: nlinalg.svd(x, compute_uv=False),
            lambda x: np.linalg.svd(x, compute_uv=False),
            a,
        )
    if max(shape) > 5:
        return
    for stack in ((), (2,)):
        a = floats(*stack, *shape)
        for k in range(3):
            check(lambda x: nlinalg.svd(x, False)[k], lambda x: np.linalg.svd(x, False)[k], a,  # noqa: B023
                  exact=False, rtol=1e-9)  # fmt: skip
        check(lambda x: nlinalg.svd(x, compute_uv=False),
              lambda x: np.linalg.svd(x, compute_uv=False), a, exact=False, rtol=1e-9)  # fmt: skip
        check(lambda x: nlinalg.svd(x)[1], lambda x: np.linalg.svd(x)[1], a, exact=False, rtol=1e-9)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh(uplo):
    for n, stack in itertools.product((1, 2, 6, 33), STACKS):
        a = symmetric(*stack, n, n)
        x = variable(a)
        w, v = compiled([x], nlinalg.eigh(x, uplo))(a)
        np.testing.assert_allclose(w, np.linalg.eigvalsh(a), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(a @ v, v * w[..., None, :], atol=1e-9)
        values(lambda x: slinalg.eigvalsh(x, None, uplo == "L"), np.linalg.eigvalsh, a)
    junk = np.triu(floats(4, 4, seed=3), 1) if uplo == "L" else np.tril(floats(4, 4, seed=3), -1)
    for stack in ((), (2,)):
        a = symmetric(*stack, 4, 4) + junk
        for k in range(2):
            check(lambda x: nlinalg.eigh(x, uplo)[k], lambda x: np.linalg.eigh(x, uplo)[k], a,  # noqa: B023
                  exact=False, rtol=1e-9)  # fmt: skip
        check(lambda x: slinalg.eigvalsh(x, None, uplo == "L"),
              lambda x: np.linalg.eigvalsh(x, uplo), a, exact=False, rtol=1e-9)  # fmt: skip
    b = positive(4, 4, seed=1)
    check(lambda x, y: slinalg.eigvalsh(x, y, uplo == "L"),
          lambda x, y: sp.eigh(x, y, eigvals_only=True, lower=uplo == "L"),
          symmetric(4, 4), b, exact=False, rtol=1e-9)  # fmt: skip


def test_eig_is_complex():
    for n, stack in itertools.product((1, 2, 5, 20), STACKS):
        a = floats(*stack, n, n)
        x = variable(a)
        w, v = compiled([x], nlinalg.eig(x))(a)
        assert w.dtype == v.dtype == np.complex128
        np.testing.assert_allclose(a @ v, v * w[..., None, :], atol=1e-9)
        got = np.sort_complex(compiled([x], nlinalg.eigvals(x))(a))
        np.testing.assert_allclose(got, np.sort_complex(np.linalg.eigvals(a) + 0j), atol=1e-9)
    c = floats(4, 4) + 1j * floats(4, 4, seed=1)
    z = variable(c)
    w, v = compiled([z], nlinalg.eig(z))(c)
    np.testing.assert_allclose(c @ v, v * w, atol=1e-10)


def test_pinv_lstsq_and_rank():
    for m, n in SIDES:
        for stack in STACKS:
            a = floats(*stack, m, n)
            values(lambda x: nlinalg.pinv(x, 1e-6), lambda x: np.linalg.pinv(x, 1e-6), a)
    for m, n in ((4, 4), (5, 3), (3, 5)):
        check(nlinalg.pinv, np.linalg.pinv, floats(m, n), exact=False, rtol=1e-9)
        low = floats(m, 2) @ floats(2, n, seed=1)
        same(compiled([x := T.dmatrix()], nlinalg.pinv(x, 1e-10))(low), np.linalg.pinv(low, 1e-10),
             exact=False, rtol=1e-8)  # fmt: skip
        assert compiled([x], nlinalg.matrix_rank(x))(low) == 2
        for b in (floats(m), floats(m, 2)):
            y = variable(b)
            f = compiled([x, y], nlinalg.lstsq(x, y))
            for a in (floats(m, n), low):
                for got, want in zip(f(a, b), np.linalg.lstsq(a, b, rcond=None), strict=True):
                    same(got, want, exact=False, rtol=1e-8)
            check(lambda x, y: nlinalg.lstsq(x, y)[0], lambda x, y: np.linalg.lstsq(x, y)[0],
                  floats(m, n), b, exact=False, rtol=1e-8)  # fmt: skip


def test_expm():
    for n, stack in itertools.product((1, 3, 12, 30), STACKS):
        for scale in (1e-3, 0.1, 0.5, 1.0, 3.0):
            a = floats(*stack, n, n) * scale / n
            values(slinalg.expm, sp.expm, a)
    values(slinalg.expm, sp.expm, floats(5, 5) * 10, rtol=1e-8, dtypes=["float64"])
    for stack in ((), (3,)):
        check(slinalg.expm, sp.expm, floats(*stack, 3, 3), exact=False, rtol=1e-9)
    assert np.isnan(compiled([x := T.dmatrix()], slinalg.expm(x))(np.full((2, 2), np.inf))).all()


# --- made of others -----------------------------------------------------------------------------


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, -1, 0.5, np.inf, -np.inf, "inf"])
def test_vector_norms(ord):
    number = float(ord) if isinstance(ord, str) else ord
    x = floats(3, 4, 5)
    smooth = ord not in (0,)
    check(lambda v: nlinalg.norm(v, ord), lambda a: np.linalg.norm(a, number), floats(5),
          exact=False, grad=smooth)  # fmt: skip
    for axis, keepdims in itertools.product((0, 1, -1), (False, True)):
        check(lambda v: nlinalg.norm(v, ord, axis, keepdims),  # noqa: B023
              lambda a: np.linalg.norm(a, number, axis, keepdims), x,  # noqa: B023
              exact=False, grad=False)  # fmt: skip


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norms(ord):
    check(
        lambda v: nlinalg.norm(v, ord), lambda a: np.linalg.norm(a, ord), floats(3, 4), exact=False
    )
    x = floats(3, 4, 5)
    for axis, keepdims in itertools.product(((0, 1), (2, 0), (-1, 1)), (False, True)):
        check(lambda v: nlinalg.norm(v, ord, axis, keepdims),  # noqa: B023
              lambda a: np.linalg.norm(a, ord, axis, keepdims), x, exact=False, grad=False)  # noqa: B023  # fmt: skip
    with pytest.raises(ValueError):
        nlinalg.norm(T.dmatrix(), 3)
    with pytest.raises(ValueError):
        nlinalg.norm(T.dtensor3(), 1)


def test_expressions():
    a = well(4, 4)
    check(lambda x: nlinalg.norm(x), np.linalg.norm, floats(2, 3, 4), exact=False)
    for n in (-2, 0, 1, 3, 5):
        check(lambda x: nlinalg.matrix_power(x, n), lambda x: np.linalg.matrix_power(x, n), a,  # noqa: B023
              exact=False, rtol=1e-9, grad=n != 0)  # fmt: skip
        check(lambda x: nlinalg.matrix_power(x, n), lambda x: np.linalg.matrix_power(x, n),  # noqa: B023
              well(2, 3, 3), exact=False, rtol=1e-9, grad=n != 0)  # fmt: skip
    for p in (None, 1, 2, -2, np.inf, "fro"):
        same(compiled([x := T.dmatrix()], nlinalg.cond(x, p))(a), np.linalg.cond(a, p), exact=False)
    for axes in ((0, 1), (1, 2)):
        for k in (-1, 0, 1):
            check(lambda x: nlinalg.trace(x, k, *axes), lambda x: np.trace(x, k, *axes),  # noqa: B023
                  floats(3, 4, 3), exact=False)  # fmt: skip
    t = floats(4, 6, 8, 3)
    check(nlinalg.tensorinv, np.linalg.tensorinv, t, exact=False, rtol=1e-7, grad=False)
    check(lambda x: nlinalg.tensorinv(x, 1), lambda x: np.linalg.tensorinv(x, 1), floats(6, 2, 3),
          exact=False, rtol=1e-9)  # fmt: skip
    check(nlinalg.tensorsolve, np.linalg.tensorsolve, floats(2, 3, 6), floats(2, 3, seed=1),
          exact=False, rtol=1e-8)  # fmt: skip
    check(lambda x, y: nlinalg.tensorsolve(x, y, (0,)),
          lambda x, y: np.linalg.tensorsolve(x, y, (0,)), floats(6, 2, 3),
          floats(2, 3, seed=1), exact=False, rtol=1e-8)  # fmt: skip
    check(
        slinalg.block_diag, sp.block_diag, floats(2, 3), floats(1, 2, seed=1), floats(2, 2, seed=2)
    )
    check(lambda x, y, z: nlinalg.multi_dot([x, y, z]), lambda *m: np.linalg.multi_dot(m),
          floats(2, 5), floats(5, 3, seed=1), floats(3, seed=2), exact=False)  # fmt: skip
    b, q = floats(3, 3, seed=1), floats(4, 3, seed=2)
    check(slinalg.solve_sylvester, sp.solve_sylvester, a, b, q, exact=False, rtol=1e-8)
    check(slinalg.solve_continuous_lyapunov, sp.solve_continuous_lyapunov, a, well(4, 4, seed=4),
          exact=False, rtol=1e-8)  # fmt: skip
    check(slinalg.solve_discrete_lyapunov, sp.solve_discrete_lyapunov, a / 20, well(4, 4, seed=4),
          exact=False, rtol=1e-8)  # fmt: skip
    p, r = positive(4, 4), floats(4, 2)
    for lower in (False, True):
        f = compiled([x, y := T.dmatrix()], slinalg.cho_solve(slinalg.cho_factor(x, lower), y))
        same(f(p, r), np.linalg.solve(p, r), exact=False)
    for offset in (-1, 0, 2):
        same(
            compiled([v := T.dvector()], nlinalg.AllocDiag(offset)(v))(r[:, 0]),
            np.diag(r[:, 0], offset),
        )
        got = compiled([y], nlinalg.AllocDiag(offset, 1, 2)(y))(r)
        same(got, np.stack([np.diag(row, offset) for row in r]))
        same(compiled([y], nlinalg.ExtractDiag(offset)(y))(r), np.diag(r, offset))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_values(dtype):
    rtol = 2e-4 if dtype == "complex64" else 1e-10
    for stack in ((), (5,)):
        a = (well(*stack, 4, 4) + 1j * floats(*stack, 4, 4, seed=1)).astype(dtype)
        b = (floats(*stack, 4, 2) + 1j * floats(*stack, 4, 2, seed=1)).astype(dtype)
        h = (a @ np.conj(np.swapaxes(a, -1, -2))).astype(dtype)
        x, y = variable(a), variable(b)

        def near(out, want, given=a):
            same(compiled([x, y], out)(given, b), want, exact=False, rtol=rtol)  # noqa: B023

        near(nlinalg.matrix_inverse(x), np.linalg.inv(a))
        near(nlinalg.det(x), np.linalg.det(a))
        near(nlinalg.slogdet(x)[0], np.linalg.slogdet(a)[0])
        near(nlinalg.slogdet(x)[1], np.linalg.slogdet(a)[1])
        near(slinalg.solve(x, y), np.linalg.solve(a, b))
        near(slinalg.cholesky(x), np.linalg.cholesky(h), h)
        near(
            slinalg.cholesky(x, lower=False), np.conj(np.swapaxes(np.linalg.cholesky(h), -1, -2)), h
        )
        near(slinalg.solve(x, y, assume_a="pos"), np.linalg.solve(h, b), h)
        near(slinalg.solve(x, y, assume_a="pos", lower=True), np.linalg.solve(h, b), h)
        near(nlinalg.pinv(x), np.linalg.pinv(a))
        near(nlinalg.qr(x)[1], np.linalg.qr(a)[1])
        near(slinalg.eigvalsh(x), np.linalg.eigvalsh(h), h)
        near(nlinalg.svd(x, compute_uv=False), np.linalg.svd(a, compute_uv=False))
        near(slinalg.expm(x), sp.expm(a / 9), (a / 9).astype(dtype))
        u, s, v = compiled([x], nlinalg.svd(x, False))(a)
        np.testing.assert_allclose((u * s[..., None, :]) @ v, a, rtol=rtol, atol=rtol)


def test_empty_matrices():
    x, y = T.dmatrix(), T.dtensor3()
    nothing, none = np.zeros((0, 0)), np.zeros((0, 3, 3))
    f = compiled([x], [nlinalg.matrix_inverse(x), slinalg.cholesky(x), slinalg.expm(x)])
    assert all(r.shape == (0, 0) for r in f(nothing))
    assert compiled([x], nlinalg.det(x))(nothing) == 1.0
    assert [float(v) for v in compiled([x], nlinalg.slogdet(x))(nothing)] == [1.0, 0.0]
    outs = [nlinalg.matrix_inverse(y), slinalg.cholesky(y), nlinalg.det(y), slinalg.expm(y)]
    outs += [*nlinalg.svd(y), *nlinalg.eigh(y), *nlinalg.qr(y), nlinalg.eig(y)[0]]
    g = compiled([y], outs)
    assert all(r.shape[0] == 0 for r in g(none))
    for shape in ((0, 3), (3, 0)):
        for got, want in zip(compiled([x], nlinalg.svd(x))(np.zeros(shape)),
                             np.linalg.svd(np.zeros(shape)), strict=True):  # fmt: skip
            same(got, want)
        for mode in ("reduced", "complete"):
            for got, want in zip(compiled([x], nlinalg.qr(x, mode))(np.zeros(shape)),
                                 np.linalg.qr(np.zeros(shape), mode), strict=True):  # fmt: skip
                same(got, want)
        same(compiled([x], nlinalg.pinv(x))(np.zeros(shape)), np.zeros(shape[::-1]))
    same(
        compiled([x, b := T.dmatrix()], slinalg.solve(x, b))(np.eye(2), np.zeros((2, 0))),
        np.zeros((2, 0)),
    )
    same(
        compiled([x, b], slinalg.solve_triangular(x, b))(nothing, np.zeros((0, 2))),
        np.zeros((0, 2)),
    )


def test_ill_conditioned():
    n = 10
    a = 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1)
    x = T.dmatrix()
    f = compiled([x], [nlinalg.matrix_inverse(x), nlinalg.det(x), slinalg.solve(x, x.sum(1))])
    inverse, det, ones = f(a)
    assert np.abs(inverse @ a - np.eye(n)).max() < 1e-2
    np.testing.assert_allclose(det, np.linalg.det(a), rtol=1e-3)
    assert np.abs(a @ ones - a.sum(1)).max() < 1e-14


def test_nan_in_nan_out_or_error():
    bad = np.full((4, 4), np.nan)
    x = T.dmatrix()
    assert np.isnan(compiled([x], nlinalg.det(x))(bad))
    assert np.isnan(compiled([x], nlinalg.matrix_inverse(x))(bad)).all()
    for out in (nlinalg.svd(x, compute_uv=False), slinalg.eigvalsh(x)):
        try:
            assert np.isnan(compiled([x], out)(bad)).any()
        except LinAlgError:
            pass


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_decompositions_of_infinite_matrices_end(dtype, value, capfd):
    a = np.stack([positive(3, 3), positive(3, 3)]).astype(dtype)
    a[1, 2, 0] = value
    x = variable(a)
    b = T.as_tensor_variable(np.ones((2, 3, 1), dtype))
    lstsq = _core.apply("lstsq", [x, b, T.constant(-1.0, dtype="float64")])[0]
    for out in (
        nlinalg.svd(x, compute_uv=False),
        nlinalg.svd(x)[0],
        nlinalg.pinv(x),
        nlinalg.eig(x)[0],
        lstsq,
    ):
        with pytest.raises(LinAlgError, match=r"infinities or NaNs \(matrix 1 of 2\)"):
            compiled([x], out)(a)
    assert capfd.readouterr().err == ""  # LAPACK had nothing to complain of


def test_least_squares_without_right_hand_sides(capfd):
    x, y = T.dmatrices("x", "y")
    f = compiled([x, y], nlinalg.lstsq(x, y, -1))
    a, b = positive(4, 4)[:, :3], np.empty((4, 0))
    solution, residuals, rank, s = f(a, b)
    assert (solution.shape, residuals.shape, rank) == ((3, 0), (0,), 3)
    np.testing.assert_allclose(s, np.linalg.svd(a, compute_uv=False), rtol=1e-12)
    assert capfd.readouterr().err == ""


def test_saved_decompositions(tmp_path):
    x = T.dmatrix()
    outs = [nlinalg.matrix_inverse(x), slinalg.cholesky(x), *nlinalg.svd(x, False), *nlinalg.qr(x),
            *nlinalg.eigh(x), nlinalg.det(x), *slinalg.lu(x), slinalg.expm(x / 9), nlinalg.pinv(x),
            T.grad(nlinalg.slogdet(x)[1] + slinalg.solve(x, x[0]).sum(), x)]  # fmt: skip
    f = compiled([x], outs)
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    a = positive(5, 5)
    for one, two in zip(f(a), g(a), strict=True):
        same(one, two)


def test_names_and_classes():
    x = T.dmatrix()
    a = positive(3, 3)
    for make, want in [
        (nlinalg.MatrixInverse(), np.linalg.inv), (nlinalg.MatrixPinv(), np.linalg.pinv),
        (nlinalg.Det(), np.linalg.det), (slinalg.Cholesky(), np.linalg.cholesky),
        (slinalg.Expm(), sp.expm), (nlinalg.TensorInv(1), np.linalg.inv),
    ]:  # fmt: skip
        same(compiled([x], make(x))(a), want(a), exact=False, rtol=1e-9)
    assert nlinalg.Eigh("U") == nlinalg.Eigh("U") != nlinalg.Eigh("L")
    same(compiled([x], nlinalg.Eigh("U")(x)[0])(a), np.linalg.eigvalsh(a), exact=False)
    same(compiled([x], slinalg.Eigvalsh()(x))(a), np.linalg.eigvalsh(a), exact=False)
    assert set(linalg.__all__) >= {"solve", "cholesky", "svd", "norm", "kron", "slogdet", "lu"}
    with pytest.raises(ValueError):
        nlinalg.qr(x, "thin")
    with pytest.raises(ValueError):
        nlinalg.eigh(x, "X")


def test_hints():
    from phintys.sandbox.linalg import ops

    x = T.dmatrix()
    assert not ops.is_psd(x)
    y = ops.psd(x)
    assert y is x and ops.is_psd(x) and ops.is_symmetric(x)
    assert ops.hints(x) == {"psd": True, "symmetric": True}
    assert ops.is_positive(ops.positive(T.dvector()))
    a = positive(4, 4)
    bound = compiled([x], ops.spectral_radius_bound(x, 5))(a)
    top = np.abs(np.linalg.eigvalsh(a)).max()
    assert top <= bound <= 1.05 * top
    with pytest.raises(ValueError):
        ops.spectral_radius_bound(x, 0)

"""Solvers and factorisations, with the names of ``theano.tensor.slinalg`` and ``scipy.linalg``.

All functions take stacks of matrices in the last two dimensions. Integers and bool are computed in
float64, float16 in float32. A matrix that is singular or not positive definite is a
``LinAlgError`` (a NumPy one too) when the function runs.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.linalg_basic import kron, matmul
from phintys.tensor.nlinalg import _Callable, as_matrices, det, inv
from phintys.tensor.shape import shape_list

__all__ = [
    "Cholesky",
    "CholeskyGrad",
    "Eigvalsh",
    "Expm",
    "Kron",
    "Solve",
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "det",
    "eigvalsh",
    "expm",
    "inv",
    "kron",
    "lu",
    "lu_factor",
    "lu_solve",
    "pivot_to_permutation",
    "solve",
    "solve_continuous_lyapunov",
    "solve_discrete_lyapunov",
    "solve_lower_triangular",
    "solve_sylvester",
    "solve_symmetric",
    "solve_triangular",
    "solve_upper_triangular",
]


def _conj_if_complex(x: Any) -> Any:
    return _core.elemwise("conj", x) if x.dtype.startswith("complex") else x


def _transposed(x: Any) -> Any:
    return _core.dimshuffle(x, [*range(x.ndim - 2), x.ndim - 1, x.ndim - 2])


def _adjoint(x: Any) -> Any:
    return _transposed(_conj_if_complex(x))


def cholesky(a: Any, lower: bool = True, on_error: str = "raise") -> Any:
    """The triangular L with ``a = L @ L^H``; if not `lower`, the U with ``a = U^H @ U``.

    Only that triangle of `a` is read. If `a` is not positive definite: LinAlgError, or a factor of
    NaN with ``on_error="nan"``.
    """
    if on_error not in ("raise", "nan"):
        raise PhintysValueError(f"cholesky: on_error must be 'raise' or 'nan', not {on_error!r}")
    return _core.apply(
        "cholesky", [as_matrices(a, "cholesky")], lower=bool(lower), nan=on_error == "nan"
    )


def _system(a: Any, b: Any, what: str, b_ndim: int | None) -> tuple[Any, Any, bool]:
    """Both operands with one dtype and stack, b as matrices, and whether it holds vectors."""
    a, b = as_matrices(a, what), as_matrices(b, what, 1)
    dtype = _core.promote(a.dtype, b.dtype)
    a, b = _core.cast(a, dtype), _core.cast(b, dtype)
    if b_ndim is None:
        vector = b.ndim == 1
    elif b_ndim in (1, 2):
        vector = b_ndim == 1
    else:
        raise PhintysValueError(f"{what}: b_ndim must be 1 or 2, got {b_ndim}")
    if not vector and b.ndim < 2:
        raise PhintysTypeError(f"{what}: a matrix is needed, got {b} of {b.type}")
    if vector:
        b = _core.dimshuffle(b, [*range(b.ndim), -1])
    a, b = _same_stack(a, b)
    return a, b, vector


def _same_stack(a: Any, b: Any) -> tuple[Any, Any]:
    """Both with the same dimensions before the last two."""
    n = max(a.ndim, b.ndim)
    padded = [_core.dimshuffle(v, [-1] * (n - v.ndim) + list(range(v.ndim))) for v in (a, b)]
    lengths = [shape_list(v) for v in padded]
    ones = [v.broadcastable[: n - 2] for v in padded]
    result = []
    for k, v in enumerate(padded):
        other = 1 - k
        if not any(mine and not yours for mine, yours in zip(ones[k], ones[other], strict=True)):
            result.append(v)
            continue
        from phintys.tensor.creation import alloc

        shape = [lengths[other][i] if ones[k][i] else lengths[k][i] for i in range(n - 2)]
        result.append(alloc(v, *shape, *lengths[k][n - 2 :]))
    return result[0], result[1]


def _unpacked(x: Any, vector: bool) -> Any:
    if not vector:
        return x
    from phintys.tensor.linalg_basic import _known_one

    return _core.dimshuffle(_known_one(x, x.ndim - 1), list(range(x.ndim - 1)))


_STRUCTURES = {
    "gen": "gen", "general": "gen",
    "sym": "sym", "symmetric": "sym", "her": "her", "hermitian": "her",
    "pos": "pos", "positive": "pos", "positive definite": "pos",
    "tri": "tri", "lower": "lower", "lower triangular": "lower", "lower_triangular": "lower",
    "upper": "upper", "upper triangular": "upper", "upper_triangular": "upper",
    "diagonal": "diagonal",
}  # fmt: skip


def solve(
    a: Any,
    b: Any,
    *,
    assume_a: str = "gen",
    lower: bool = False,
    transposed: bool = False,
    check_finite: bool = True,
    b_ndim: int | None = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
) -> Any:
    """The x with ``a @ x = b``.

    `b` is a vector, or (stacks of) matrices of columns; with ``b_ndim=1`` stacks of vectors.
    `assume_a`: "gen", "sym", "her", "pos" (positive definite), "lower triangular",
    "upper triangular", "diagonal"; of "sym", "her" and "pos" only the triangle that `lower` says
    is read, and a gradient is that of this triangle. `check_finite` and `overwrite_*` change
    nothing.
    """
    if assume_a not in _STRUCTURES:
        raise PhintysValueError(f"solve: unknown assume_a {assume_a!r}")
    kind = _STRUCTURES[assume_a]
    if kind in ("tri", "lower", "upper"):
        low = lower if kind == "tri" else kind == "lower"
        return solve_triangular(a, b, trans=int(transposed), lower=low, b_ndim=b_ndim)
    a, b, vector = _system(a, b, "solve", b_ndim)
    if transposed:
        a = _transposed(a)
        lower = not lower
    if kind == "diagonal":
        from phintys.tensor.diagonal import diagonal

        d = diagonal(a, 0, a.ndim - 2, a.ndim - 1)
        return _unpacked(b / _core.dimshuffle(d, [*range(d.ndim), -1]), vector)
    if kind in ("sym", "her"):
        flip = _adjoint if kind == "her" else _transposed
        part = _core.lower_part if lower else _core.upper_part
        a = part(a, 0) + flip(part(a, -1 if lower else 1))
    x = _core.apply("solve", [a, b], positive=kind == "pos", lower=bool(lower))[0]
    return _unpacked(x, vector)


def solve_triangular(
    a: Any,
    b: Any,
    *,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    check_finite: bool = True,
    b_ndim: int | None = None,
    overwrite_b: bool = False,
) -> Any:
    """The x with ``op(a) @ x = b`` for triangular `a`; the other triangle is not read.

    `trans`: 0 or "N", 1 or "T" (transpose), 2 or "C" (adjoint). With `unit_diagonal` the diagonal
    counts as ones.
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise PhintysValueError(
            f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C', not {trans!r}"
        )
    a, b, vector = _system(a, b, "solve_triangular", b_ndim)
    if trans in (1, "T"):
        a = _conj_if_complex(a)
    x = _core.apply(
        "solve_triangular", [a, b],
        lower=bool(lower), trans=trans not in (0, "N"), unit_diagonal=bool(unit_diagonal),
    )  # fmt: skip
    return _unpacked(x, vector)


def solve_lower_triangular(a: Any, b: Any) -> Any:
    """The x with ``a @ x = b`` for lower triangular `a`."""
    return solve_triangular(a, b, lower=True)


def solve_upper_triangular(a: Any, b: Any) -> Any:
    """The x with ``a @ x = b`` for upper triangular `a`."""
    return solve_triangular(a, b, lower=False)


def solve_symmetric(a: Any, b: Any) -> Any:
    """The x with ``a @ x = b`` for symmetric `a`, which is read as a whole."""
    return solve(a, b)


def cho_factor(a: Any, lower: bool = False, **options: Any) -> tuple[Any, bool]:
    """A Cholesky factor for :func:`cho_solve`, and `lower`."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: Any, b: Any, *, b_ndim: int | None = None, **options: Any) -> Any:
    """The x with ``a @ x = b`` from ``(factor, lower)``, the Cholesky factor of `a`."""
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 2, lower=lower, b_ndim=b_ndim)
    return solve_triangular(c, first, trans=2 if lower else 0, lower=lower, b_ndim=b_ndim)


def lu_factor(a: Any, **options: Any) -> list[Any]:
    """LU factors in one matrix, and int32 pivots: row i was exchanged with row ``pivots[i]``."""
    return _core.apply("lu_factor", [as_matrices(a, "lu_factor")])


def lu_solve(
    lu_and_piv: Any, b: Any, trans: int | bool = 0, b_ndim: int | None = None, **options: Any
) -> Any:
    """The x with ``op(a) @ x = b`` from what :func:`lu_factor` made of `a`.

    `trans`: 0, 1 (transpose) or 2 (adjoint).
    """
    packed, pivots = lu_and_piv
    packed, b, vector = _system(packed, b, "lu_solve", b_ndim)
    pivots = _core.cast(as_tensor_variable(pivots), "int32")
    if pivots.ndim < packed.ndim - 1:
        from phintys.tensor.creation import alloc

        pivots = alloc(pivots, *shape_list(packed)[:-1])
    code = int(trans)

    def triangle(x: Any, low: bool) -> Any:
        return solve_triangular(packed, x, lower=low, trans=code, unit_diagonal=low, b_ndim=2)

    if not code:
        x = _core.apply("permute_rows", [b, pivots], inverse=False)
        x = triangle(triangle(x, True), False)
    else:
        x = triangle(triangle(b, False), True)
        x = _core.apply("permute_rows", [x, pivots], inverse=True)
    return _unpacked(x, vector)


def pivot_to_permutation(p: Any, inverse: bool = False) -> Any:
    """The permutation (int64) that the pivots of a square matrix stand for: ``a[perm] = L @ U``.

    With `inverse` its inverse.
    """
    from phintys.tensor.creation import arange
    from phintys.tensor.linalg_basic import _known_one

    p = _core.cast(as_tensor_variable(p), "int32")
    if p.ndim != 1:
        raise PhintysTypeError(f"pivot_to_permutation: a vector is needed, got {p} of {p.type}")
    rows = _core.dimshuffle(arange(_core.shape_i(p, 0)), [0, -1])
    moved = _core.apply("permute_rows", [rows, p], inverse=bool(inverse))
    return _core.dimshuffle(_known_one(moved, 1), [0])


def lu(a: Any, permute_l: bool = False, p_indices: bool = False, **options: Any) -> tuple[Any, ...]:
    """P, L and U with ``a = P @ L @ U``, as ``scipy.linalg.lu``.

    With `permute_l`: ``P @ L`` and U. With `p_indices`: ``a = L[p] @ U``.
    """
    from phintys.tensor.creation import alloc, arange, eye

    a = as_matrices(a, "lu")
    packed, pivots = lu_factor(a)
    m, n = shape_list(a)[-2:]
    k = _core.elemwise("minimum", m, n)
    lower = _core.lower_part(packed, -1)[..., :k] + eye(m, k, dtype=a.dtype)
    upper = _core.upper_part(packed, 0)[..., :k, :]
    stack = shape_list(a)[:-2]
    if permute_l:
        return _core.apply("permute_rows", [lower, pivots], inverse=True), upper
    if p_indices:
        rows = alloc(_core.dimshuffle(arange(m), [0, -1]), *stack, m, 1)
        ordered = _core.apply("permute_rows", [rows, pivots], inverse=False)[..., 0]
        from phintys.tensor.linalg_basic import _column

        # The inverse of a permutation is where each row went.
        hits = _core.elemwise(
            "eq",
            _column(arange(m)),
            _core.dimshuffle(ordered, [*range(ordered.ndim - 1), -1, ordered.ndim - 1]),
        )
        columns = _core.cast(hits, "int64") * arange(m)
        return columns.sum(axis=-1), lower, upper
    unit = alloc(eye(m, dtype=a.dtype), *stack, m, m)
    return _core.apply("permute_rows", [unit, pivots], inverse=True), lower, upper


def eigvalsh(a: Any, b: Any = None, lower: bool = True) -> Any:
    """The eigenvalues w of Hermitian `a`, ascending, or with ``a v = w b v`` for positive `b`."""
    if b is None or (hasattr(b, "type") and not hasattr(b.type, "dtype")):
        return _core.apply("eigh", [as_matrices(a, "eigvalsh")], lower=bool(lower), vectors=False)
    a, b, _ = _system(a, b, "eigvalsh", 2)
    part = _core.lower_part if lower else _core.upper_part
    full = part(a, 0) + _adjoint(part(a, -1 if lower else 1))
    # inverse(L) @ a @ inverse(L)^H with b = L @ L^H has the same eigenvalues.
    factor = cholesky(b, lower)
    options: dict[str, Any] = {"lower": lower, "trans": 0 if lower else 2, "b_ndim": 2}
    left = solve_triangular(factor, full, **options)
    both = solve_triangular(factor, _adjoint(left), **options)
    return _core.apply("eigh", [both], lower=True, vectors=False)


def expm(a: Any) -> Any:
    """The exponential of square matrices, by Padé approximation with scaling and squaring."""
    return _core.apply("expm", [as_matrices(a, "expm")])


def block_diag(*matrices: Any) -> Any:
    """The given matrices along the diagonal, zeros elsewhere."""
    from phintys.tensor.creation import zeros
    from phintys.tensor.join import join

    if not matrices:
        raise PhintysValueError("block_diag: no matrices given")
    blocks = [as_tensor_variable(m) for m in matrices]
    blocks = [_core.dimshuffle(m, [-1] * (2 - m.ndim) + list(range(m.ndim))) for m in blocks]
    for m in blocks:
        if m.ndim != 2:
            raise PhintysTypeError(f"block_diag: a matrix is needed, got {m} of {m.type}")
    dtype = blocks[0].dtype
    for m in blocks[1:]:
        dtype = _core.promote(dtype, m.dtype)
    widths = [_core.shape_i(m, 1) for m in blocks]
    rows = []
    for i, m in enumerate(blocks):
        height = _core.shape_i(m, 0)
        parts = [m if i == k else zeros([height, width], dtype) for k, width in enumerate(widths)]
        rows.append(join(1, *parts))
    return join(0, *rows)


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The x with ``a @ x + x @ b = q``.

    As one linear system of order m * n: for matrices of moderate size.
    """
    from phintys.tensor.creation import eye

    a, b, q = (as_matrices(v, "solve_sylvester") for v in (a, b, q))
    m, n = _core.shape_i(a, 0), _core.shape_i(b, 0)
    system = kron(a, eye(n, dtype=a.dtype)) + kron(eye(m, dtype=b.dtype), _transposed(b))
    return solve(system, q.flatten()).reshape((m, n))


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """The x with ``a @ x + x @ a^H = q``."""
    a = as_matrices(a, "solve_continuous_lyapunov")
    return solve_sylvester(a, _adjoint(a), q)


def solve_discrete_lyapunov(a: Any, q: Any) -> Any:
    """The x with ``a @ x @ a^H - x + q = 0``.

    As one linear system of order n * n: for matrices of moderate size.
    """
    from phintys.tensor.creation import eye

    a, q = as_matrices(a, "solve_discrete_lyapunov"), as_matrices(q, "solve_discrete_lyapunov")
    n = _core.shape_i(a, 0)
    system = eye(n * n, dtype=a.dtype) - kron(a, _conj_if_complex(a))
    return solve(system, q.flatten()).reshape((n, n))


# --- Theano's classes ---------------------------------------------------------------------------


class Cholesky(_Callable):
    """``Cholesky(lower, on_error)(a)`` is :func:`cholesky`."""

    def __init__(
        self, lower: bool = True, on_error: str = "raise", destructive: bool = False
    ) -> None:
        if on_error not in ("raise", "nan"):
            raise PhintysValueError(
                f"Cholesky: on_error must be 'raise' or 'nan', not {on_error!r}"
            )
        self.lower, self.on_error = lower, on_error

    def __call__(self, x: Any) -> Any:
        return cholesky(x, self.lower, self.on_error)


class CholeskyGrad(_Callable):
    """``CholeskyGrad(lower)(x, l, dz)``: the gradient through ``l = cholesky(x)`` of `dz`."""

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower

    def __call__(self, x: Any, l: Any, dz: Any) -> Any:
        # Iain Murray, "Differentiation of the Cholesky decomposition" (2016), eq. 10.
        l, dz = as_matrices(l, "CholeskyGrad"), as_matrices(dz, "CholeskyGrad")
        if not self.lower:
            l, dz = _adjoint(l), _adjoint(dz)
        p = matmul(_adjoint(l), dz)
        phi = (_core.lower_part(p, 0) + _core.lower_part(p, -1)) * 0.5
        left = solve_triangular(l, phi, trans=2, lower=True, b_ndim=2)
        s = _adjoint(solve_triangular(l, _adjoint(left), trans=2, lower=True, b_ndim=2))
        both = s + _adjoint(s)
        result = (_core.lower_part(both, 0) + _core.lower_part(both, -1)) * 0.5
        return result if self.lower else _adjoint(result)


class Solve(_Callable):
    """``Solve(A_structure, lower)(a, b)``: the x with ``a @ x = b``.

    `A_structure`: "general", "symmetric" (read as a whole, as Theano does), "lower_triangular",
    "upper_triangular".
    """

    def __init__(
        self,
        A_structure: str = "general",
        lower: bool = False,
        overwrite_A: bool = False,
        overwrite_b: bool = False,
    ) -> None:
        structures = (
            "general", "symmetric", "lower_triangular", "upper_triangular", "hermitian",
            "banded", "diagonal", "toeplitz",
        )  # fmt: skip
        if A_structure not in structures:
            raise PhintysValueError("Invalid matrix structure argument", A_structure)
        self.A_structure, self.lower = A_structure, lower

    def __call__(self, A: Any, b: Any) -> Any:
        if self.A_structure in ("lower_triangular", "upper_triangular"):
            return solve_triangular(A, b, lower=self.A_structure == "lower_triangular")
        return solve(A, b)


class Eigvalsh(_Callable):
    """``Eigvalsh(lower)(a, b)`` is :func:`eigvalsh`."""

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower

    def __call__(self, a: Any, b: Any = None) -> Any:
        return eigvalsh(a, b, self.lower)


class Expm(_Callable):
    """``Expm()(a)`` is :func:`expm`."""

    def __call__(self, A: Any) -> Any:
        return expm(A)


class Kron(_Callable):
    """``Kron()(a, b)`` is :func:`kron`."""

    def __call__(self, a: Any, b: Any) -> Any:
        return kron(a, b)

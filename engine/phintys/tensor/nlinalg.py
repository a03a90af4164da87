"""Linear algebra, with the names of ``theano.tensor.nlinalg`` and the meaning of ``numpy.linalg``.

All functions take stacks of matrices in the last two dimensions. Integers and bool are computed in
float64, float16 in float32. A matrix that is singular, or an iteration that does not converge, is a
``LinAlgError`` (a NumPy one too) when the function runs.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.diagonal import (
    AllocDiag,
    ExtractDiag,
    alloc_diag,
    diag,
    diagonal,
    extract_diag,
)
from phintys.tensor.linalg_basic import dot, kron, matmul
from phintys.tensor.shape import normalize_axis, shape_list

__all__ = [
    "SVD",
    "AllocDiag",
    "Det",
    "Eig",
    "Eigh",
    "ExtractDiag",
    "MatrixInverse",
    "MatrixPinv",
    "QRFull",
    "QRIncomplete",
    "SLogDet",
    "TensorInv",
    "TensorSolve",
    "alloc_diag",
    "cond",
    "det",
    "diag",
    "eig",
    "eigh",
    "eigvals",
    "extract_diag",
    "inv",
    "kron",
    "lstsq",
    "matrix_dot",
    "matrix_inverse",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "svd",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vector_norm",
]


def as_matrices(x: Any, what: str, ndim: int = 2) -> Any:
    """`x` as a tensor of at least `ndim` dimensions, of a dtype that LAPACK has."""
    x = as_tensor_variable(x)
    if x.ndim < ndim:
        kind = "a matrix" if ndim == 2 else "a vector"
        raise PhintysTypeError(f"{what}: {kind} is needed, got {x} of {x.type}")
    if x.dtype in ("float32", "float64", "complex64", "complex128"):
        return x
    return _core.cast(x, "float32" if x.dtype == "float16" else "float64")


def matrix_inverse(a: Any) -> Any:
    """The inverses of the square matrices `a`."""
    return _core.apply("matrix_inverse", [as_matrices(a, "matrix_inverse")])


inv = matrix_inverse


def _rcond(rcond: Any) -> Any:
    return _core.cast(as_tensor_variable(-1.0 if rcond is None else rcond), "float64")


def pinv(a: Any, rcond: Any = 1e-15, hermitian: bool = False) -> Any:
    """The Moore-Penrose inverse: singular values up to `rcond` times the largest count as 0.

    `rcond` None is the precision of the dtype times the longer side. `hermitian` changes nothing
    but what NumPy computes with.
    """
    return _core.apply("pinv", [as_matrices(a, "pinv"), _rcond(rcond)])


def det(a: Any) -> Any:
    """The determinants of the square matrices `a`."""
    return _core.apply("det", [as_matrices(a, "det")])


def slogdet(a: Any) -> list[Any]:
    """The signs of the determinants of `a`, and the logarithms of their absolute values."""
    return _core.apply("slogdet", [as_matrices(a, "slogdet")])


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal, as ``numpy.trace``."""
    x = as_tensor_variable(x)
    if x.ndim < 2:
        raise PhintysTypeError(f"trace: a matrix is needed, got {x} of {x.type}")
    return diagonal(x, offset, axis1, axis2).sum(axis=-1)


def matrix_dot(*args: Any) -> Any:
    """The product of several matrices, from left to right."""
    if not args:
        raise PhintysValueError("matrix_dot: no matrices given")
    result = as_tensor_variable(args[0])
    for other in args[1:]:
        result = dot(result, other)
    return result


def multi_dot(arrays: Any) -> Any:
    """The product of several matrices, in the order that is least work for the known lengths."""
    from phintys.tensor.einsum import einsum

    xs = [as_tensor_variable(x) for x in arrays]
    if len(xs) < 2:
        raise PhintysValueError("multi_dot: at least two matrices are needed")
    labels = [[k, k + 1] for k in range(len(xs))]
    labels[0] = labels[0][2 - xs[0].ndim :]
    labels[-1] = labels[-1][: xs[-1].ndim]
    result = [labels[0][0]] if xs[0].ndim == 2 else []
    result += [labels[-1][1]] if xs[-1].ndim == 2 else []
    return einsum(*[v for pair in zip(xs, labels, strict=True) for v in pair], result)


def matrix_power(m: Any, n: int) -> Any:
    """The product of `n` copies of the square matrices `m`; of their inverses for negative `n`."""
    m = as_tensor_variable(m)
    if m.ndim < 2:
        raise PhintysTypeError(f"matrix_power: a matrix is needed, got {m} of {m.type}")
    if n == 0:
        return _stacked_identity(m)
    if n < 0:
        m, n = matrix_inverse(m), -n
    result = None
    while n:
        if n & 1:
            result = m if result is None else matmul(result, m)
        n >>= 1
        m = matmul(m, m) if n else m
    return result


def _stacked_identity(m: Any) -> Any:
    from phintys.tensor.creation import alloc, eye

    lengths = shape_list(m)
    return alloc(eye(lengths[-1], dtype=m.dtype), *lengths)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Q and R with ``a = Q @ R``.

    `mode`: "reduced", "complete", "r" (R alone), "raw" (LAPACK's reflectors and their factors), or
    Theano's "full" (reduced).
    """
    mode = {"full": "reduced", "economic": "reduced", "f": "reduced"}.get(mode, mode)
    if mode not in ("reduced", "complete", "r", "raw"):
        raise PhintysValueError(
            f"qr: mode must be 'reduced', 'complete', 'r' or 'raw', not {mode!r}"
        )
    result = _core.apply("qr", [as_matrices(a, "qr")], mode=mode)
    return result if mode == "r" else tuple(result)


def svd(
    a: Any, full_matrices: bool | int = True, compute_uv: bool | int = True, hermitian: bool = False
) -> Any:
    """U, s and V^H with ``a = (U * s) @ V^H``, s descending; s alone without `compute_uv`."""
    return _core.apply(
        "svd", [as_matrices(a, "svd")], full=bool(full_matrices), vectors=bool(compute_uv)
    )


def eig(a: Any) -> list[Any]:
    """Eigenvalues and right eigenvectors (columns) of square matrices.

    Always complex, for real matrices too: which of NumPy's two dtypes a result gets depends on
    values, and types of expressions cannot.
    """
    return _core.apply("eig", [as_matrices(a, "eig")], vectors=True)


def eigvals(a: Any) -> Any:
    """The eigenvalues of square matrices, always complex."""
    return _core.apply("eig", [as_matrices(a, "eigvals")], vectors=False)


def _lower(uplo: str, what: str) -> bool:
    if uplo not in ("L", "U", "l", "u"):
        raise PhintysValueError(f"{what}: UPLO must be 'L' or 'U', got {uplo!r}")
    return uplo in "Ll"


def eigh(a: Any, UPLO: str = "L") -> list[Any]:
    """Eigenvalues (ascending) and eigenvectors (columns) of Hermitian matrices.

    Only the lower triangle of `a` is read, or the upper one with ``UPLO="U"``.
    """
    lower = _lower(UPLO, "eigh")
    return _core.apply("eigh", [as_matrices(a, "eigh")], lower=lower, vectors=True)


def lstsq(a: Any, b: Any, rcond: Any = None) -> list[Any]:
    """The x of least ``|a @ x - b|``, as ``numpy.linalg.lstsq``.

    Returns x, the sums of squares of the residuals (empty if the rank of `a` is below its number of
    columns, or `a` is not higher than wide), the rank, and the singular values.
    """
    a, b = as_matrices(a, "lstsq"), as_matrices(b, "lstsq", 1)
    dtype = _core.promote(a.dtype, b.dtype)
    a, b = _core.cast(a, dtype), _core.cast(b, dtype)
    vector = b.ndim == a.ndim - 1
    columns = _core.dimshuffle(b, [*range(b.ndim), -1]) if vector else b
    x, sums, rank, s = _core.apply("lstsq", [a, columns, _rcond(rcond)])
    if vector:
        x = x[..., 0]
    if a.ndim == 2:
        m, n = shape_list(a)
        complete = _core.elemwise("eq", rank, n) * _core.elemwise("gt", m, n)
        sums = sums[: _core.cast(complete, "int64") * sums.shape[0]]
    return [x, sums, rank, s]


def matrix_rank(a: Any, tol: Any = None) -> Any:
    """How many singular values of `a` are above `tol` (int64)."""
    a = as_matrices(a, "matrix_rank")
    s = svd(a, compute_uv=False)
    if tol is None:
        import numpy as np

        lengths = shape_list(a)
        longer = _core.elemwise("maximum", lengths[-1], lengths[-2])
        eps = float(np.finfo(s.dtype).eps)
        tol = s.max(axis=-1, keepdims=True) * _core.cast(longer, s.dtype) * eps
    else:
        tol = as_tensor_variable(tol)
        tol = _core.dimshuffle(tol, [*range(tol.ndim), -1])
    return _core.elemwise("gt", s, tol).sum(axis=-1)


def cond(x: Any, p: Any = None) -> Any:
    """The condition number in the norm `p`; None is the quotient of singular values."""
    x = as_matrices(x, "cond")
    if p is None or p in (2, -2):
        s = svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, p) * matrix_norm(matrix_inverse(x), p)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of ``x -> tensordot(a, x, ind)``, as ``numpy.linalg.tensorinv``."""
    a = as_tensor_variable(a)
    if not 0 < ind < a.ndim:
        raise PhintysValueError(f"tensorinv: ind must be in [1, {a.ndim - 1}], got {ind}")
    lengths = shape_list(a)
    rows = _length(lengths[:ind])
    inverse = matrix_inverse(a.reshape((rows, _length(lengths[ind:]))))
    shape = [*lengths[ind:], *lengths[:ind]]
    return _core.reshape(inverse, _core.make_vector(shape), len(shape))


def _length(lengths: list[Any]) -> Any:
    n = lengths[0]
    for other in lengths[1:]:
        n = n * other
    return n


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x with ``tensordot(a, x, x.ndim) == b``, as ``numpy.linalg.tensorsolve``."""
    from phintys.tensor.slinalg import solve

    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if axes is not None:
        moved = [normalize_axis(k, a.ndim, "tensorsolve") for k in axes]
        a = _core.dimshuffle(a, [*(k for k in range(a.ndim) if k not in moved), *moved])
    shape = shape_list(a)[b.ndim :]
    n = _length(shape) if shape else as_tensor_variable(1)
    x = solve(a.reshape((n, n)), b.flatten())
    return _core.reshape(x, _core.make_vector(shape), len(shape))


# --- norms --------------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors or matrices, with all orders of ``numpy.linalg.norm``.

    `ord` may be "inf" and "-inf", as in Theano. `axis` is a dimension, two of them (matrices), or
    None: all of `x` as one vector if `ord` is None too, else of a vector or matrix.
    """
    x = as_matrices(x, "norm", 0)
    if isinstance(ord, str) and ord in ("inf", "-inf"):
        ord = float(ord)
    if axis is None:
        if ord is None:
            total = _root_of_squares(x, None, False)
            return _core.dimshuffle(total, [-1] * x.ndim) if keepdims else total
        if x.ndim not in (1, 2):
            raise PhintysValueError(
                f"norm: axis is needed for order {ord!r} of a tensor of {x.ndim} dimensions"
            )
        axis = tuple(range(x.ndim))
    axes = [normalize_axis(k, x.ndim, "norm") for k in _several(axis)]
    if len(axes) == 1:
        return vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise PhintysValueError(f"norm: axis must be one or two dimensions, got {axis!r}")
    if ord is None:
        return _root_of_squares(x, axes, keepdims)
    rest = [k for k in range(x.ndim) if k not in axes]
    result = matrix_norm(_core.dimshuffle(x, [*rest, *axes]), ord)
    if not keepdims:
        return result
    return _core.dimshuffle(result, [rest.index(k) if k in rest else -1 for k in range(x.ndim)])


def _several(axis: Any) -> tuple[Any, ...]:
    return tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)


def _squares(x: Any) -> Any:
    if x.dtype.startswith("complex"):
        return _core.elemwise("sqr", _core.elemwise("abs_", x))
    return _core.elemwise("sqr", x)


def _root_of_squares(x: Any, axis: Any, keepdims: bool) -> Any:
    return _core.elemwise("sqrt", _squares(x).sum(axis=axis, keepdims=keepdims))


def vector_norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of order `ord` over `axis`, one dimension or several (None: all) as a vector."""
    x = as_matrices(x, "vector_norm", 0)
    magnitude = _core.elemwise("abs_", x)
    if ord == float("inf"):
        return magnitude.max(axis=axis, keepdims=keepdims)
    if ord == float("-inf"):
        return magnitude.min(axis=axis, keepdims=keepdims)
    if ord == 0:
        hits = _core.cast(_core.elemwise("neq", x, as_tensor_variable(0)), magnitude.dtype)
        return hits.sum(axis=axis, keepdims=keepdims)
    if ord == 1:
        return magnitude.sum(axis=axis, keepdims=keepdims)
    if ord is None or ord == 2:
        return _root_of_squares(x, axis, keepdims)
    if isinstance(ord, str):
        raise PhintysValueError(f"norm: invalid order {ord!r} for vectors")
    return (magnitude**ord).sum(axis=axis, keepdims=keepdims) ** (1.0 / ord)


def matrix_norm(x: Any, ord: Any = "fro", keepdims: bool = False) -> Any:
    """The norm of the matrices in the last two dimensions: "fro", "nuc", 1, 2, inf or negative."""
    x = as_matrices(x, "matrix_norm")
    if ord in ("fro", None):
        result = _root_of_squares(x, [x.ndim - 2, x.ndim - 1], False)
    elif ord == "nuc":
        result = svd(x, compute_uv=False).sum(axis=-1)
    elif ord in (2, -2):
        s = svd(x, compute_uv=False)
        result = s.max(axis=-1) if ord == 2 else s.min(axis=-1)
    elif ord in (1, -1, float("inf"), float("-inf")):
        axis = x.ndim - 2 if abs(ord) == 1 else x.ndim - 1
        sums = _core.elemwise("abs_", x).sum(axis=axis)
        result = sums.max(axis=-1) if ord > 0 else sums.min(axis=-1)
    else:
        raise PhintysValueError(f"norm: invalid order {ord!r} for matrices")
    return _core.dimshuffle(result, [*range(result.ndim), -1, -1]) if keepdims else result


# --- Theano's classes ---------------------------------------------------------------------------


class _Callable:
    """An operation whose options are given first: ``Eigh(UPLO="U")(a)``.

    Two of the same class and options are equal.
    """

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(vars(self).items()))))

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"{type(self).__name__}({options})"


class MatrixInverse(_Callable):
    """``MatrixInverse()(a)`` is :func:`matrix_inverse`."""

    def __call__(self, x: Any) -> Any:
        return matrix_inverse(x)


class MatrixPinv(_Callable):
    """``MatrixPinv(hermitian)(a)`` is :func:`pinv`."""

    def __init__(self, hermitian: bool = False) -> None:
        self.hermitian = hermitian

    def __call__(self, x: Any) -> Any:
        return pinv(x)


class Det(_Callable):
    """``Det()(a)`` is :func:`det`."""

    def __call__(self, x: Any) -> Any:
        return det(x)


class SLogDet(_Callable):
    """``SLogDet()(a)`` is :func:`slogdet`."""

    def __call__(self, x: Any) -> list[Any]:
        return slogdet(x)


class Eig(_Callable):
    """``Eig()(a)`` is :func:`eig`."""

    def __call__(self, x: Any) -> list[Any]:
        return eig(x)


class Eigh(_Callable):
    """``Eigh(UPLO)(a)`` is :func:`eigh`."""

    def __init__(self, UPLO: str = "L") -> None:
        _lower(UPLO, "Eigh")
        self.UPLO = UPLO

    def __call__(self, x: Any) -> list[Any]:
        return eigh(x, self.UPLO)


class QRFull(_Callable):
    """``QRFull(mode)(a)`` is :func:`qr` with Q and R."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def __call__(self, x: Any) -> Any:
        return qr(x, self.mode)


class QRIncomplete(QRFull):
    """``QRIncomplete(mode)(a)`` is :func:`qr` with one result."""


class SVD(_Callable):
    """``SVD(full_matrices, compute_uv)(a)`` is :func:`svd`."""

    def __init__(self, full_matrices: bool = True, compute_uv: bool = True) -> None:
        self.full_matrices = bool(full_matrices)
        self.compute_uv = bool(compute_uv)

    def __call__(self, x: Any) -> Any:
        return svd(x, self.full_matrices, self.compute_uv)


class TensorInv(_Callable):
    """``TensorInv(ind)(a)`` is :func:`tensorinv`."""

    def __init__(self, ind: int = 2) -> None:
        self.ind = ind

    def __call__(self, a: Any) -> Any:
        return tensorinv(a, self.ind)


class TensorSolve(_Callable):
    """``TensorSolve(axes)(a, b)`` is :func:`tensorsolve`."""

    def __init__(self, axes: Any = None) -> None:
        self.axes = None if axes is None else tuple(axes)

    def __call__(self, a: Any, b: Any) -> Any:
        return tensorsolve(a, b, self.axes)

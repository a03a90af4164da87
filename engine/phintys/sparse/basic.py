"""Functions of sparse matrices, under Theano's names.

Gradients with respect to a sparse variable are those with respect to its stored elements: a sparse
variable with entries in the same places. Theano calls such gradients structured; the arguments that
choose between them and others are accepted and change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

import phintys.tensor as T
from phintys import _core
from phintys.config import config
from phintys.errors import (
    PhintysNotImplementedError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.raise_op import check
from phintys.scalar.dtypes import upcast
from phintys.sparse import patterns
from phintys.sparse.type import DTYPES, Parts, SparseType
from phintys.sparse.variable import SparseConstant, SparseVariable
from phintys.tensor.conversion import as_tensor_variable

__all__ = [
    "CSC",
    "CSM",
    "CSR",
    "SparseFromDense",
    "add",
    "add_s_d",
    "add_s_s",
    "add_s_s_data",
    "as_format",
    "as_sparse",
    "as_sparse_or_tensor_variable",
    "as_sparse_variable",
    "bcast",
    "bsr_dmatrix",
    "bsr_fmatrix",
    "bsr_matrix",
    "cast",
    "ccast",
    "clean",
    "col_scale",
    "constant",
    "construct_sparse_from_list",
    "csc_dmatrix",
    "csc_fmatrix",
    "csc_from_dense",
    "csc_matrix",
    "csm_data",
    "csm_grad",
    "csm_indices",
    "csm_indptr",
    "csm_properties",
    "csm_shape",
    "csr_dmatrix",
    "csr_fmatrix",
    "csr_from_dense",
    "csr_matrix",
    "dcast",
    "dense_from_sparse",
    "diag",
    "dot",
    "ensure_sorted_indices",
    "fcast",
    "hstack",
    "icast",
    "lcast",
    "matrix",
    "mul",
    "mul_s_d",
    "mul_s_s",
    "mul_s_v",
    "neg",
    "remove0",
    "row_scale",
    "sampling_dot",
    "sdg_csc",
    "sdg_csr",
    "sp_ones_like",
    "sp_sum",
    "sp_zeros_like",
    "square_diagonal",
    "structured_add_s_v",
    "structured_dot",
    "structured_dot_grad",
    "sub",
    "sum_duplicates",
    "transpose",
    "true_dot",
    "usmm",
    "vstack",
    "wcast",
    "zcast",
]

all_dtypes = list(DTYPES)
complex_dtypes = [t for t in all_dtypes if t.startswith("complex")]
float_dtypes = [t for t in all_dtypes if t.startswith("float")]
int_dtypes = [t for t in all_dtypes if t.startswith("int")]
uint_dtypes = [t for t in all_dtypes if t.startswith("uint")]
integer_dtypes = int_dtypes + uint_dtypes
continuous_dtypes = complex_dtypes + float_dtypes
discrete_dtypes = integer_dtypes


# --- making variables -----------------------------------------------------------------------------


def _is_sparse_variable(x: Any) -> bool:
    return isinstance(x, SparseVariable)


def _is_dense_variable(x: Any) -> bool:
    return isinstance(x, _core.Variable)


def constant(x: Any, name: str | None = None) -> Any:
    """A constant with the value of a SciPy matrix; its format and dtype are kept."""
    if not scipy.sparse.issparse(x):
        raise PhintysTypeError("sparse.constant must be called on a scipy.sparse.spmatrix")
    if x.format not in SparseType.format_cls:
        x = x.tocsr()
    return SparseConstant(SparseType(x.format, x.dtype), x, name)


def as_sparse_variable(x: Any, name: str | None = None, ndim: int | None = None) -> Any:
    """`x` as a sparse variable: itself if it is one, or a constant of a SciPy matrix.

    TypeError for anything else; see :func:`csr_from_dense` for dense variables.
    """
    if isinstance(x, SparseVariable):
        return x
    if isinstance(x, _core.Variable):
        raise PhintysTypeError("Variable type field must be a SparseType.", x, x.type)
    try:
        return constant(x, name)
    except TypeError:
        raise PhintysTypeError(f"Cannot convert {x} to SparseType", type(x)) from None


as_sparse = as_sparse_variable


def as_sparse_or_tensor_variable(x: Any, name: str | None = None) -> Any:
    """`x` as a sparse variable if it is a sparse matrix, else as a tensor variable."""
    if isinstance(x, SparseVariable) or scipy.sparse.issparse(x):
        return as_sparse_variable(x, name)
    return as_tensor_variable(x, name)


def matrix(format: str, name: str | None = None, dtype: Any = None) -> Any:
    """A variable for sparse matrices of this format; the dtype is floatX by default."""
    return SparseType(format, config.floatX if dtype is None else dtype)(name)


def csr_matrix(name: str | None = None, dtype: Any = None) -> Any:
    """A variable for matrices of compressed rows."""
    return matrix("csr", name, dtype)


def csc_matrix(name: str | None = None, dtype: Any = None) -> Any:
    """A variable for matrices of compressed columns."""
    return matrix("csc", name, dtype)


def bsr_matrix(name: str | None = None, dtype: Any = None) -> Any:
    """A variable for SciPy's matrices of blocks; computed with as csr."""
    return matrix("bsr", name, dtype)


csr_dmatrix = SparseType("csr", "float64")
csc_dmatrix = SparseType("csc", "float64")
bsr_dmatrix = SparseType("bsr", "float64")
csr_fmatrix = SparseType("csr", "float32")
csc_fmatrix = SparseType("csc", "float32")
bsr_fmatrix = SparseType("bsr", "float32")


def _vector(x: Any, what: str, integer: bool = False) -> Any:
    x = as_tensor_variable(x)
    if x.ndim != 1 or (integer and x.dtype not in integer_dtypes):
        kind = "vector of integers" if integer else "vector"
        raise PhintysTypeError(f"{what} must be a {kind}", x, x.type)
    return x


def _index_vectors(indices: Any, indptr: Any) -> tuple[Any, Any]:
    indices, indptr = _vector(indices, "indices", True), _vector(indptr, "indptr", True)
    dtype = "int32" if _fits_int32(indices) and _fits_int32(indptr) else "int64"
    return _core.cast(indices, dtype), _core.cast(indptr, dtype)


def _fits_int32(v: Any) -> bool:
    if v.dtype not in ("int64", "uint64", "uint32"):
        return True
    return bool(v.is_constant and (abs(v.constant_data) <= np.iinfo("int32").max).all())


class CSM:
    """``CSM(format)(data, indices, indptr, shape)``: a sparse matrix of its parts.

    `data`, `indices` and `indptr` are vectors, `shape` one of two elements or a pair of scalars.
    """

    def __init__(self, format: str, kmap: Any = None) -> None:
        if format not in ("csr", "csc"):
            raise PhintysValueError("format must be one of: (csc, csr)", format)
        if kmap is not None:
            raise PhintysNotImplementedError("CSM(kmap=...): index the data instead")
        self.format = format

    def __call__(self, data: Any, indices: Any, indptr: Any, shape: Any) -> Any:
        data = _vector(data, "data")
        indices, indptr = _index_vectors(indices, indptr)
        shape = _core.cast(as_tensor_variable(shape), "int64")
        if shape.ndim != 1:
            raise PhintysTypeError("shape must be a vector of two integers", shape)
        of_major, of_minor = (1, 0) if self.format == "csc" else (0, 1)
        length = _core.shape_i(indptr, 0) - np.int64(1)
        minor = check(
            shape[of_minor],
            [T.eq(shape[of_major], length)],
            f"{self.format}: indptr must have one element more than the matrix has "
            f"{'columns' if self.format == 'csc' else 'rows'}",
            True,
        )
        return patterns.build(self.format, Parts(data, indices, indptr, minor))


CSC = CSM("csc")
CSR = CSM("csr")


def csm_properties(x: Any) -> tuple[Any, Any, Any, Any]:
    """Data, indices, indptr and shape of a sparse matrix, as dense variables."""
    x = as_sparse_variable(x)
    return x.parts.data, x.parts.indices, x.parts.indptr, csm_shape(x)


def csm_data(x: Any) -> Any:
    """The stored elements."""
    return as_sparse_variable(x).parts.data


def csm_indices(x: Any) -> Any:
    """For each entry its column (csr) or row (csc)."""
    return as_sparse_variable(x).parts.indices


def csm_indptr(x: Any) -> Any:
    """Where the entries of each row (csr) or column (csc) begin, and where the last ones end."""
    return as_sparse_variable(x).parts.indptr


def csm_shape(x: Any) -> Any:
    """The shape, an int32 vector."""
    return _core.cast(as_sparse_variable(x).shape, "int32")


def csm_grad(kmap: Any = None) -> Any:
    """A function of (data, indices, indptr, shape of x; the same of its gradient g).

    It gives the elements of g where x has entries: the gradient with respect to data.
    """
    if kmap is not None:
        raise PhintysNotImplementedError("csm_grad(kmap=...): index the data instead")

    def apply(*parts: Any) -> Any:
        x, g = CSR(*parts[:4]), CSR(*parts[4:])
        return patterns.gather(x, patterns.to_dense(g))

    return apply


# --- other formats, dtypes and orders -------------------------------------------------------------


def as_format(x: Any, format: str) -> Any:
    """The matrix in format ``'csr'``, ``'csc'`` or ``'bsr'``."""
    return patterns.as_format(as_sparse_variable(x), format)


def cast(variable: Any, dtype: Any) -> Any:
    """The elements as `dtype`."""
    x = as_sparse_variable(variable)
    return patterns.of_dtype(x, SparseType(x.format, dtype).dtype)


def _cast_to(name: str, dtype: str) -> Any:
    def convert(x: Any) -> Any:
        return cast(x, dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"The elements as {dtype}."
    return convert


bcast, wcast, icast, lcast = (
    _cast_to(f"{name}cast", dtype)
    for name, dtype in zip("bwil", ("int8", "int16", "int32", "int64"), strict=True)
)
fcast, dcast, ccast, zcast = (
    _cast_to(f"{name}cast", dtype)
    for name, dtype in zip("fdcz", ("float32", "float64", "complex64", "complex128"), strict=True)
)


def transpose(x: Any) -> Any:
    """The transposed matrix: the same parts in the other format."""
    return patterns.transpose(as_sparse_variable(x))


def dense_from_sparse(x: Any, structured: bool = True) -> Any:
    """The dense matrix; entries for the same place are added."""
    return patterns.to_dense(as_sparse_variable(x))


class SparseFromDense:
    """``SparseFromDense(format)(x)``: the elements of a dense matrix that are not zero.

    A vector counts as a matrix of one row, a scalar as one of one element.
    """

    def __init__(self, format: str) -> None:
        self.format = SparseType(format, "float64").format

    def __call__(self, x: Any) -> Any:
        if isinstance(x, SparseVariable):
            return x
        x = as_tensor_variable(x)
        if x.ndim > 2:
            raise PhintysTypeError(
                f"there are no sparse matrices with more than 2 dimensions, but {x}.ndim = {x.ndim}"
            )
        if x.ndim < 2:
            x = _core.dimshuffle(x, [-1] * (2 - x.ndim) + list(range(x.ndim)))
        if x.dtype == "bool":
            x = _core.cast(x, "int8")
        return patterns.from_dense(x, self.format)


csr_from_dense = SparseFromDense("csr")
csc_from_dense = SparseFromDense("csc")


def ensure_sorted_indices(x: Any) -> Any:
    """The same matrix, its indices sorted within each row (csr) or column (csc)."""
    return patterns.sort_indices(as_sparse_variable(x))


def sum_duplicates(x: Any) -> Any:
    """The same matrix with one entry for each place, and sorted indices."""
    return patterns.sum_duplicates(as_sparse_variable(x))


def remove0(x: Any) -> Any:
    """The matrix without entries that are zero."""
    x = as_sparse_variable(x)
    return patterns.keep(x, T.neq(x.parts.data, _core.cast(as_tensor_variable(0), x.dtype)))


def clean(x: Any) -> Any:
    """The matrix without entries that are zero, with sorted indices."""
    return ensure_sorted_indices(remove0(x))


def sp_ones_like(x: Any) -> Any:
    """Ones where `x` has entries."""
    x = as_sparse_variable(x)
    return x.with_data(T.ones_like(x.parts.data))


def sp_zeros_like(x: Any) -> Any:
    """A matrix of the shape of `x` without entries."""
    x = as_sparse_variable(x)
    none = Parts(
        T.zeros((0,), x.dtype),
        T.zeros((0,), x.parts.indices.dtype),
        T.zeros_like(x.parts.indptr),
        x.parts.minor,
    )
    return patterns.build(x.format, none)


# --- sums and scales ------------------------------------------------------------------------------


def sp_sum(x: Any, axis: int | None = None, sparse_grad: bool = False) -> Any:
    """The sum of all elements, or of each column (`axis` 0) or each row (`axis` 1): dense."""
    x = as_sparse_variable(x)
    if axis is None:
        return T.sum(x.parts.data, dtype=x.dtype)
    if axis not in (0, 1):
        raise PhintysValueError("Illegal value for self.axis.", axis)
    rows, columns = x.lengths
    if axis == 1:
        return patterns.times_dense(x, T.ones((columns,), x.dtype))
    return patterns.times_dense(transpose(x), T.ones((rows,), x.dtype))


def _scale(x: Any, s: Any, by_column: bool) -> Any:
    x, s = as_sparse_variable(x), as_tensor_variable(s)
    if s.ndim != 1:
        raise PhintysTypeError(f"a vector of scales is needed, got {s} with {s.ndim} dimensions")
    return x.with_data(x.parts.data * _along(x, s, by_column))


def _along(x: Any, s: Any, by_column: bool) -> Any:
    """For each entry the element of the vector `s` for its column or row."""
    s = check(
        s,
        [T.eq(_core.shape_i(s, 0), x.lengths[int(by_column)])],
        f"the vector must have an element for each {'column' if by_column else 'row'}",
        True,
    )
    return T.take(s, patterns.coordinates(x)[int(by_column)])


def col_scale(x: Any, s: Any) -> Any:
    """Each column of a sparse matrix times an element of the vector `s`."""
    return _scale(x, s, True)


def row_scale(x: Any, s: Any) -> Any:
    """Each row of a sparse matrix times an element of the vector `s`."""
    return _scale(x, s, False)


def diag(x: Any) -> Any:
    """The diagonal of a square sparse matrix, a dense vector."""
    x = as_sparse_variable(x)
    rows, columns = x.lengths
    length = check(rows, [T.eq(rows, columns)], "Diag only apply on square matrix", True)
    first = patterns.majors(x)
    on = T.eq(first, x.parts.indices)
    data = T.switch(on, x.parts.data, _core.cast(as_tensor_variable(0), x.dtype))
    return T.inc_subtensor(T.zeros((length,), x.dtype)[first], data)


def square_diagonal(diagonal: Any) -> Any:
    """The square csc matrix with this diagonal."""
    diagonal = _vector(diagonal, "the diagonal")
    n = _core.shape_i(diagonal, 0)
    indices = _core.cast(T.arange(n), "int32")
    indptr = _core.cast(T.arange(n + np.int64(1)), "int32")
    return patterns.build("csc", Parts(diagonal, indices, indptr, n))


# --- arithmetic -----------------------------------------------------------------------------------


def neg(x: Any) -> Any:
    """``-x``."""
    x = as_sparse_variable(x)
    return x.with_data(-x.parts.data)


def add_s_s(x: Any, y: Any) -> Any:
    """The sum of two sparse matrices, in the format of the first."""
    x, y = as_sparse_variable(x), as_sparse_variable(y)
    dtype, format = upcast(x.dtype, y.dtype), x.format
    x, y = patterns.same_shape(patterns.of_dtype(x, dtype), patterns.of_dtype(y, dtype), "add")
    both = patterns.Merged(x, y)
    total = both.spread(x.parts.data, both.of_x)
    # The second operand is added to the spread first one.
    total = T.inc_subtensor(total[both.of_y], y.parts.data)
    return patterns.relabelled(both.result(total), format)


def add_s_s_data(x: Any, y: Any) -> Any:
    """The sum of two sparse matrices that have entries in the same places, in the same order."""
    x, y = as_sparse_variable(x), as_sparse_variable(y)
    if x.type != y.type:
        raise PhintysNotImplementedError(f"add_s_s_data: {x.type} and {y.type} differ")
    return x.with_data(x.parts.data + y.parts.data)


def add_s_d(x: Any, y: Any) -> Any:
    """The sum of a sparse and a dense matrix: dense."""
    if not isinstance(x, SparseVariable) and isinstance(y, SparseVariable):
        x, y = y, x
    y = as_tensor_variable(y)
    if y.ndim != 2:
        raise PhintysTypeError(f"a dense matrix is needed, got {y} with {y.ndim} dimensions")
    return patterns.to_dense(as_sparse_variable(x)) + y


def structured_add_s_v(x: Any, y: Any) -> Any:
    """The entries of a sparse matrix plus the element of the vector `y` for their column."""
    x, y = as_sparse_variable(x), _vector(y, "y")
    return x.with_data(x.parts.data + _along(x, y, True))


def _operands(x: Any, y: Any, what: str) -> tuple[Any, Any]:
    x, y = as_sparse_or_tensor_variable(x), as_sparse_or_tensor_variable(y)
    if not isinstance(x, SparseVariable) and not isinstance(y, SparseVariable):
        raise PhintysTypeError(f"{what} requires at least one sparse argument")
    return x, y


def add(x: Any, y: Any) -> Any:
    """The sum of two matrices, one or both sparse: sparse if both are, else dense."""
    x, y = _operands(x, y, "add")
    if isinstance(x, SparseVariable) and isinstance(y, SparseVariable):
        return add_s_s(x, y)
    return add_s_d(x, y)


def sub(x: Any, y: Any) -> Any:
    """The difference of two matrices, one or both sparse: sparse if both are, else dense."""
    x, y = _operands(x, y, "sub")
    return add(x, -y)


def mul_s_s(x: Any, y: Any) -> Any:
    """The elementwise product of two sparse matrices, in the format of the first."""
    x, y = as_sparse_variable(x), as_sparse_variable(y)
    dtype, format = upcast(x.dtype, y.dtype), x.format
    x, y = patterns.same_shape(patterns.of_dtype(x, dtype), patterns.of_dtype(y, dtype), "mul")
    both = patterns.Merged(x, y, intersection=True)
    data = both.spread(x.parts.data, both.of_x) * both.spread(y.parts.data, both.of_y)
    return patterns.relabelled(both.result(data), format)


def mul_s_d(x: Any, y: Any) -> Any:
    """The elementwise product of a sparse matrix and a dense one, or a scalar: sparse."""
    if not isinstance(x, SparseVariable) and isinstance(y, SparseVariable):
        x, y = y, x
    x, y = as_sparse_variable(x), as_tensor_variable(y)
    if y.dtype == "bool":
        y = _core.cast(y, "int8")
    if y.ndim == 0:
        dtype = upcast(x.dtype, y.dtype)
        return patterns.of_dtype(x, dtype).with_data(x.parts.data * y)
    if y.ndim != 2:
        raise PhintysValueError(f"y {y} must have 0 or 2 dimensions. Got {y.ndim}")
    return x.with_data(x.parts.data * patterns.gather(x, y))


def mul_s_v(x: Any, y: Any) -> Any:
    """Each column of a sparse matrix times an element of the vector `y`."""
    y = as_tensor_variable(y)
    if y.ndim != 1:
        raise PhintysValueError(f"y {y} must have 1 dimension. Got {y.ndim}")
    return col_scale(x, y)


def mul(x: Any, y: Any) -> Any:
    """The elementwise product of two operands, one or both sparse: sparse.

    The other operand is a sparse or dense matrix, a vector with an element for each column, or a
    scalar.
    """
    x, y = _operands(x, y, "mul")
    if isinstance(x, SparseVariable) and isinstance(y, SparseVariable):
        return mul_s_s(x, y)
    if isinstance(y, SparseVariable):
        x, y = y, x
    return mul_s_v(x, y) if y.ndim == 1 else mul_s_d(x, y)


# --- products -------------------------------------------------------------------------------------


def structured_dot(x: Any, y: Any) -> Any:
    """The product of two matrices, one or both sparse: sparse if both are, else dense.

    A dense operand may also be a vector.
    """
    x, y = _operands(x, y, "structured_dot")
    if not isinstance(x, SparseVariable):
        product = patterns.times_dense(transpose(y), x if x.ndim == 1 else x.T)
        return product if x.ndim == 1 else product.T
    if not isinstance(y, SparseVariable):
        return patterns.times_dense(x, y)
    return patterns.relabelled(patterns.times_sparse(x, y), x.format)


def dot(x: Any, y: Any) -> Any:
    """The product of two matrices, one or both sparse: always dense.

    >>> import scipy.sparse, phintys.tensor as T
    >>> x, y = csr_matrix('x', 'float64'), T.dmatrix('y')
    >>> dot(x, y).eval({x: scipy.sparse.csr_matrix([[0., 2.]]), y: [[1.], [3.]]}).tolist()
    [[6.0]]
    """
    product = structured_dot(x, y)
    return dense_from_sparse(product) if isinstance(product, SparseVariable) else product


def true_dot(x: Any, y: Any, grad_preserves_dense: bool = True) -> Any:
    """The product of two matrices, one or both sparse: always sparse."""
    x, y = _operands(x, y, "true_dot")
    product = structured_dot(x, y)
    if isinstance(product, SparseVariable):
        return product
    return SparseFromDense((x if isinstance(x, SparseVariable) else y).format)(product)


def sampling_dot(x: Any, y: Any, p: Any) -> Any:
    """``p * dot(x, y.T)`` for dense x and y, computed only where the sparse `p` has entries."""
    x, y, p = as_tensor_variable(x), as_tensor_variable(y), as_sparse_variable(p)
    if x.ndim != 2 or y.ndim != 2:
        raise PhintysTypeError(f"sampling_dot: x and y must be matrices, got {x.type}, {y.type}")
    return p.with_data(p.parts.data * patterns.sampled_dot(p, x, y))


def usmm(alpha: Any, x: Any, y: Any, z: Any) -> Any:
    """``alpha * dot(x, y) + z`` for a scalar, two matrices of which one is sparse, a dense one."""
    alpha, z = as_tensor_variable(alpha), as_tensor_variable(z)
    if not isinstance(x, SparseVariable) and not isinstance(y, SparseVariable):
        raise PhintysTypeError("usmm requires at least one sparse argument", x)
    if z.ndim != 2 or not all(alpha.broadcastable):
        raise PhintysTypeError(f"usmm: a scalar and a matrix are needed, got {alpha}, {z}")
    return (
        _core.dimshuffle(alpha, [-1] * (2 - alpha.ndim) + list(range(alpha.ndim))) * dot(x, y) + z
    )


def structured_dot_grad(sparse_A: Any, dense_B: Any, ga: Any) -> Any:
    """The gradient of ``structured_dot(A, B)`` with respect to A, given that of the product."""
    x = as_sparse_variable(sparse_A)
    return x.with_data(patterns.sampled_dot(x, as_tensor_variable(ga), as_tensor_variable(dense_B)))


def _sampled(a_indices: Any, a_indptr: Any, b: Any, g_ab: Any, format: str) -> Any:
    b, g = as_tensor_variable(b), as_tensor_variable(g_ab)
    indices, indptr = _index_vectors(a_indices, a_indptr)
    minor = _core.shape_i(g if format == "csc" else b, 0)
    x = patterns.build(format, Parts(T.zeros_like(indices), indices, indptr, minor))
    return patterns.sampled_dot(x, g, b)


def sdg_csr(a_indices: Any, a_indptr: Any, b: Any, g_ab: Any) -> Any:
    """The gradient of ``dot(a, b)`` with respect to the data of a csr matrix a."""
    return _sampled(a_indices, a_indptr, b, g_ab, "csr")


def sdg_csc(a_indices: Any, a_indptr: Any, b: Any, g_ab: Any) -> Any:
    """The gradient of ``dot(a, b)`` with respect to the data of a csc matrix a."""
    return _sampled(a_indices, a_indptr, b, g_ab, "csc")


# --- putting together -----------------------------------------------------------------------------


def _stack(blocks: Sequence[Any], kind: str, format: str | None, dtype: Any, what: str) -> Any:
    matrices = [as_sparse_variable(b) for b in blocks]
    if not matrices:
        raise PhintysValueError("Cannot join an empty list of sparses.")
    if dtype is None:
        dtype = upcast(*[m.dtype for m in matrices])
    parts = [patterns.of_dtype(patterns.as_format(m, kind), dtype).parts for m in matrices]
    first = parts[0]
    index = upcast(*[p.indices.dtype for p in parts])
    same = [T.eq(p.minor, first.minor) for p in parts[1:]]
    minor = check(first.minor, same, f"{what}: the matrices do not fit together", True)
    pieces, before = [_core.cast(first.indptr, index)], _core.shape_i(first.indices, 0)
    for p in parts[1:]:
        pieces.append(_core.cast(p.indptr[1:] + before, index))
        before = before + _core.shape_i(p.indices, 0)
    stacked = Parts(
        T.concatenate([p.data for p in parts]),
        T.concatenate([_core.cast(p.indices, index) for p in parts]),
        T.concatenate(pieces),
        minor,
    )
    return patterns.as_format(patterns.build(kind, stacked), format or "csc")


def hstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> Any:
    """Sparse matrices side by side; csc unless `format` says otherwise."""
    return _stack(blocks, "csc", format, dtype, "hstack")


def vstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> Any:
    """Sparse matrices one below the other; csc unless `format` says otherwise."""
    return _stack(blocks, "csr", format, dtype, "vstack")


def construct_sparse_from_list(x: Any, values: Any, ilist: Any) -> Any:
    """A csc matrix of the shape of `x` whose rows `ilist` are the rows of the matrix `values`."""
    x, values = as_tensor_variable(x), as_tensor_variable(values)
    rows = _vector(ilist, "ilist", True)
    if x.ndim != 2 or values.ndim != 2:
        raise PhintysTypeError(f"x and values must be matrices, got {x.type}, {values.type}")
    count, columns = _core.shape_i(values, 0), _core.shape_i(values, 1)
    columns = check(
        columns,
        [T.eq(columns, _core.shape_i(x, 1)), T.eq(count, _core.shape_i(rows, 0))],
        "construct_sparse_from_list: a row of values for each index, as long as those of x, is "
        "needed",
        True,
    )
    indptr = _core.cast(T.arange(columns + np.int64(1)) * count, "int32")
    indices = T.alloc(_core.cast(rows, "int32"), columns, count).flatten()
    return patterns.build("csc", Parts(values.T.flatten(), indices, indptr, _core.shape_i(x, 0)))


from phintys.sparse.comparison import *  # noqa: E402, F403
from phintys.sparse.comparison import __all__ as _comparisons  # noqa: E402
from phintys.sparse.elementwise import *  # noqa: E402, F403
from phintys.sparse.elementwise import __all__ as _elementwise  # noqa: E402
from phintys.sparse.indexing import *  # noqa: E402, F403
from phintys.sparse.indexing import __all__ as _indexing  # noqa: E402

__all__ += [*_comparisons, *_elementwise, *_indexing]

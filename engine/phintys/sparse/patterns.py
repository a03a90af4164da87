"""Graphs over the parts of sparse matrices: what the functions of the package are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

import phintys.tensor as T
from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.raise_op import check
from phintys.scalar.dtypes import upcast
from phintys.sparse.type import Parts, SparseType
from phintys.sparse.variable import SparseVariable

_OTHER = {"csr": "csc", "csc": "csr"}


def base_format(format: str) -> str:
    """The format that a matrix is computed with: bsr as csr."""
    return "csc" if format == "csc" else "csr"


def build(format: str, parts: Parts) -> Any:
    """The variable that consists of these parts."""
    return SparseVariable(SparseType(format, parts.data.dtype), parts)


def major(x: Any) -> Any:
    """The number of rows (csr) or columns (csc)."""
    return _core.shape_i(x.parts.indptr, 0) - np.int64(1)


def of_dtype(x: Any, dtype: str) -> Any:
    """The matrix with elements of `dtype`."""
    return x if x.dtype == dtype else x.with_data(_core.cast(x.parts.data, dtype))


def relabelled(x: Any, format: str) -> Any:
    """The same parts under another format: csr as bsr."""
    return x if x.format == format else SparseVariable(SparseType(format, x.dtype), x.parts)


def pattern(x: Any) -> list[Any]:
    """Indices, indptr and minor length, as ops take them."""
    return [x.parts.indices, x.parts.indptr, x.parts.minor]


def common_index(x: Any, y: Any) -> tuple[Any, Any]:
    """Both matrices with index vectors of one dtype."""
    dtype = upcast(x.parts.indices.dtype, y.parts.indices.dtype)

    def cast(z: Any) -> Any:
        if z.parts.indices.dtype == dtype:
            return z
        indices, indptr = (_core.cast(v, dtype) for v in (z.parts.indices, z.parts.indptr))
        return SparseVariable(z.type, z.parts._replace(indices=indices, indptr=indptr))

    return cast(x), cast(y)


# --- other orders of the entries --------------------------------------------------------------


def convert(x: Any) -> Any:
    """Csr as csc or the reverse, with sorted indices."""
    indices, indptr, order = _core.apply("sparse_convert", pattern(x))
    parts = Parts(T.take(x.parts.data, order), indices, indptr, major(x))
    return build(_OTHER[base_format(x.format)], parts)


def sort_indices(x: Any) -> Any:
    """The same matrix with sorted indices."""
    indices, indptr, first = _core.apply("sparse_convert", pattern(x))
    indices, indptr, second = _core.apply("sparse_convert", [indices, indptr, major(x)])
    order = T.take(first, second)
    return build(x.format, Parts(T.take(x.parts.data, order), indices, indptr, x.parts.minor))


def as_format(x: Any, format: str) -> Any:
    """The matrix in another format."""
    if base_format(x.format) != base_format(format):
        x = convert(x)
    return relabelled(x, format)


def transpose(x: Any) -> Any:
    """The transposed matrix: the same parts."""
    return SparseVariable(SparseType(_OTHER[base_format(x.format)], x.dtype), x.parts)


# --- entries as coordinates -------------------------------------------------------------------


def majors(x: Any) -> Any:
    """The row (csr) or column (csc) of each entry; the pattern is checked."""
    return _core.apply("sparse_major", pattern(x))


def checked_indices(x: Any) -> Any:
    """The indices, of which none is negative: for use as indices of something else."""
    indices = x.parts.indices
    good = T.all(T.ge(indices, _core.cast(T.as_tensor_variable(0), indices.dtype)))
    return check(indices, [good], "a sparse matrix has a negative index", True)


def coordinates(x: Any) -> tuple[Any, Any]:
    """Rows and columns of the entries."""
    first, second = majors(x), checked_indices(x)
    return (second, first) if x.format == "csc" else (first, second)


def running_count(counts: Any, dtype: str) -> Any:
    """An indptr for rows of these lengths."""
    total = T.concatenate([T.zeros((1,), "int64"), T.cumsum(_core.cast(counts, "int64"))])
    return _core.cast(total, dtype)


def keep(x: Any, mask: Any, indices: Any = None, minor: Any = None) -> Any:
    """Only the entries where `mask` is true, perhaps with new indices."""
    (positions,) = T.nonzero(mask)
    before = running_count(mask, x.parts.indptr.dtype)
    indices = x.parts.indices if indices is None else indices
    parts = Parts(
        T.take(x.parts.data, positions),
        _core.cast(T.take(indices, positions), x.parts.indices.dtype),
        T.take(before, x.parts.indptr),
        x.parts.minor if minor is None else minor,
    )
    return build(x.format, parts)


def take_major(x: Any, starts: Any, stops: Any) -> Any:
    """A matrix of rows (csr) with the entries in these ranges."""
    starts, stops = _core.cast(starts, "int64"), _core.cast(stops, "int64")
    lengths = stops - starts
    indptr = running_count(lengths, "int64")
    positions = T.arange(indptr[-1]) + T.repeat(starts - indptr[:-1], lengths)
    parts = Parts(
        T.take(x.parts.data, positions),
        T.take(x.parts.indices, positions),
        _core.cast(indptr, x.parts.indptr.dtype),
        x.parts.minor,
    )
    return build(x.format, parts)


# --- two patterns -------------------------------------------------------------------------------


def same_shape(x: Any, y: Any, what: str) -> tuple[Any, Any]:
    """`y` in the format of `x`, after a check that the shapes agree."""
    y = as_format(y, base_format(x.format))
    x, y = common_index(x, y)
    same = T.eq(x.parts.minor, y.parts.minor)
    minor = check(x.parts.minor, [same], f"sparse.{what}: the shapes of the matrices differ", True)
    return SparseVariable(x.type, x.parts._replace(minor=minor)), y


class Merged:
    """The union, or intersection, of the patterns of two matrices of one format and shape."""

    def __init__(self, x: Any, y: Any, intersection: bool = False) -> None:
        both = [x.parts.indices, x.parts.indptr, y.parts.indices, y.parts.indptr, x.parts.minor]
        self.format, self.minor = x.format, x.parts.minor
        self.indptr = _core.apply("sparse_merge_indptr", both, intersection=intersection)
        self.count = _core.cast(self.indptr[-1], "int64")
        self.indices, self.of_x, self.of_y = _core.apply(
            "sparse_merge", [*both, self.indptr, self.count], intersection=intersection
        )

    def spread(self, data: Any, positions: Any) -> Any:
        """Elements of one matrix for all entries of the merged one: 0 where it has none."""
        # Entries that are not in the merged pattern go to one more element.
        zeros = T.zeros((self.count + np.int64(1),), data.dtype)
        return T.inc_subtensor(zeros[positions], data)[: self.count]

    def result(self, data: Any) -> Any:
        """The merged matrix with these elements."""
        return build(self.format, Parts(data, self.indices, self.indptr, self.minor))


def sum_duplicates(x: Any) -> Any:
    """The same matrix with one entry for each place, sorted."""
    empty = Parts(
        T.zeros((0,), x.dtype),
        T.zeros((0,), x.parts.indices.dtype),
        T.zeros_like(x.parts.indptr),
        x.parts.minor,
    )
    merged = Merged(x, build(x.format, empty))
    return merged.result(merged.spread(x.parts.data, merged.of_x))


# --- products -----------------------------------------------------------------------------------


def times_dense(x: Any, dense: Any) -> Any:
    """``x @ dense`` for a dense matrix or vector."""
    if dense.ndim not in (1, 2):
        raise PhintysTypeError(
            f"a sparse matrix can be multiplied by a vector or a matrix, not by {dense} with "
            f"{dense.ndim} dimensions"
        )
    dtype = upcast(x.dtype, "int8" if dense.dtype == "bool" else dense.dtype)
    x, dense = of_dtype(x, dtype), _core.cast(dense, dtype)
    return _core.apply(
        "sparse_dot", [x.parts.data, *pattern(x), dense], transposed=x.format == "csc"
    )


def times_sparse(x: Any, y: Any) -> Any:
    """``x @ y`` as a sparse matrix in the format of `x`, with sorted indices."""
    format = x.format
    x, y = common_index(x, as_format(y, base_format(format)))
    dtype = upcast(x.dtype, y.dtype)
    x, y = of_dtype(x, dtype), of_dtype(y, dtype)
    # The transposed product of csc matrices is one of csr matrices, in reverse.
    a, b = (y, x) if format == "csc" else (x, y)
    fits = T.eq(a.parts.minor, major(b))
    minor = check(
        b.parts.minor,
        [fits],
        "sparse matrices are not aligned: as many columns as rows are needed",
        True,
    )
    both = [a.parts.indices, a.parts.indptr, b.parts.indices, b.parts.indptr, minor]
    indptr = _core.apply("sparse_matmul_indptr", both)
    count = _core.cast(indptr[-1], "int64")
    indices = _core.apply("sparse_matmul_indices", [*both, indptr, count])
    left, right = [list(z.parts[:3]) for z in (a, b)]
    data = _core.apply("sparse_matmul_values", [*left, *right, indices, indptr, minor])
    return build(format, Parts(data, indices, indptr, minor))


def sampled_dot(x: Any, left: Any, right: Any) -> Any:
    """Elements of ``left @ right.T`` where `x` has entries."""
    dtype = upcast(left.dtype, right.dtype)
    left, right = _core.cast(left, dtype), _core.cast(right, dtype)
    if x.format == "csc":
        left, right = right, left
    return _core.apply("sparse_sampled_dot", [*pattern(x), left, right])


def gather(x: Any, dense: Any) -> Any:
    """Elements of a dense matrix where `x` has entries."""
    if x.format == "csc":
        dense = dense.T
    dense = check(
        dense,
        [T.eq(_core.shape_i(dense, 1), x.parts.minor)],
        "the shapes of the sparse and the dense matrix differ",
        True,
    )
    return _core.apply("sparse_gather", [dense, x.parts.indices, x.parts.indptr])


def to_dense(x: Any) -> Any:
    """The dense matrix."""
    dense = _core.apply("sparse_to_dense", [x.parts.data, *pattern(x)])
    return dense.T if x.format == "csc" else dense


def from_dense(dense: Any, format: str) -> Any:
    """The elements of a dense matrix that are not zero."""
    rows = dense.T if format == "csc" else dense
    mask = T.neq(rows, _core.cast(T.as_tensor_variable(0), rows.dtype))
    first, second = T.nonzero(mask)
    parts = Parts(
        rows[first, second],
        _core.cast(second, "int32"),
        running_count(mask.sum(axis=1, dtype="int64"), "int32"),
        _core.shape_i(rows, 1),
    )
    return build(format, parts)

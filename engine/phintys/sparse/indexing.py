"""Parts of sparse matrices: slices, lists of rows, single elements."""

from __future__ import annotations

from typing import Any

import numpy as np

import phintys.tensor as T
from phintys import _core
from phintys.errors import (
    PhintysNotImplementedError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.raise_op import check
from phintys.sparse import patterns
from phintys.sparse.type import Parts
from phintys.sparse.variable import SparseVariable

__all__ = [
    "get_item_2d",
    "get_item_2lists",
    "get_item_2lists_grad",
    "get_item_list",
    "get_item_list_grad",
    "get_item_scalar",
    "getitem",
]


def _sparse(x: Any) -> SparseVariable:
    from phintys.sparse.basic import as_sparse_variable

    return as_sparse_variable(x)


def _integers(index: Any, what: str) -> Any:
    if isinstance(index, list) and not index:
        index = np.zeros(0, "int64")
    index = T.as_tensor_variable(index)
    if index.ndim != 1 or not index.dtype.startswith(("int", "uint")):
        raise PhintysTypeError(f"{what} must be a vector of integers", index)
    return index


def _is_list(index: Any) -> bool:
    return isinstance(index, (list, np.ndarray)) or getattr(index, "ndim", 0) == 1


def _is_scalar(index: Any) -> bool:
    return np.isscalar(index) or getattr(index, "ndim", -1) == 0


def getitem(x: Any, index: Any) -> Any:
    """``x[index]``: a slice, two slices, a list of rows, two lists, or two scalars."""
    index = index if isinstance(index, tuple) else (index,)
    if len(index) == 2 and all(_is_scalar(i) for i in index):
        return get_item_scalar(x, index)
    if _is_list(index[0]):
        return get_item_list(x, *index) if len(index) == 1 else get_item_2lists(x, *index)
    return get_item_2d(x, index)


# --- slices ---------------------------------------------------------------------------------------


def _check_slice(index: Any) -> slice:
    if isinstance(index, slice):
        for part in (index.start, index.stop, index.step):
            if part is None:
                continue
            part = T.as_tensor_variable(part)
            if part.ndim or not part.dtype.startswith(("int", "uint")):
                raise PhintysValueError(
                    f"Impossible to index into a sparse matrix with slice where a part is {part}",
                    part.ndim,
                    part.dtype,
                )
        return index
    if _is_scalar(index):
        raise PhintysNotImplementedError(
            "There is no sparse vector. Use X[a:b, c:d], X[a:b, c:c+1] or X[a:b] instead."
        )
    raise PhintysValueError(
        f"Advanced indexing is not implemented for sparse matrices. Argument not supported: {index}"
    )


def _major_slice(x: Any, where: slice) -> Any:
    indptr = x.parts.indptr
    # A stop of 2**31 - 1, as list slices without an end have, is cut to the length.
    return patterns.take_major(x, indptr[:-1][where], indptr[1:][where])


def _minor_slice(x: Any, where: slice) -> Any:
    positions = T.arange(x.parts.minor)[where]
    length = _core.shape_i(positions, 0)
    # Where each old index goes; -1 for those that are not wanted.
    table = T.alloc(T.as_tensor_variable(np.int64(-1)), x.parts.minor)
    table = T.set_subtensor(table[positions], T.arange(length))
    target = T.take(table, patterns.checked_indices(x))
    return patterns.keep(x, T.ge(target, np.int64(0)), target, length)


def get_item_2d(x: Any, index: Any) -> Any:
    """``x[a:b:c]`` or ``x[a:b:c, d:e:f]``: a sparse matrix.

    NotImplementedError for a scalar: there are no sparse vectors.
    """
    x = _sparse(x)
    index = index if isinstance(index, (tuple, list)) else (index,)
    if len(index) > 2:
        raise PhintysValueError(f"too many indices for a sparse matrix: {len(index)}")
    rows = _check_slice(index[0])
    columns = _check_slice(index[1]) if len(index) == 2 else slice(None)
    of_major, of_minor = (columns, rows) if x.format == "csc" else (rows, columns)
    if of_major != slice(None):
        x = _major_slice(x, of_major)
    if of_minor != slice(None):
        x = _minor_slice(x, of_minor)
    return x


# --- lists ----------------------------------------------------------------------------------------


def get_item_list(x: Any, index: Any) -> Any:
    """The rows of a sparse matrix that `index` lists, which may repeat: a sparse matrix."""
    x, index = _sparse(x), _integers(index, "the list of rows")
    format = x.format
    x = patterns.as_format(x, "csr")
    indptr = x.parts.indptr
    rows = patterns.take_major(x, T.take(indptr[:-1], index), T.take(indptr[1:], index))
    return patterns.as_format(rows, format)


def _rows_and_mine(x: Any, ind1: Any, ind2: Any) -> tuple[Any, Any]:
    """A csr matrix of the rows ind1, and which of its entries are in the columns ind2."""
    rows = get_item_list(patterns.as_format(x, "csr"), ind1)
    minor = rows.parts.minor
    count = _core.shape_i(ind1, 0)
    ind2 = check(
        ind2,
        [T.eq(_core.shape_i(ind2, 0), count)],
        "sparse indexing: as many columns as rows are needed",
        True,
    )
    # Counts negative ones from the end, and fails where one is out of range.
    column = T.take(T.arange(minor), ind2)
    wanted = T.take(column, patterns.majors(rows))
    return rows, T.eq(_core.cast(rows.parts.indices, "int64"), wanted)


def get_item_2lists(x: Any, ind1: Any, ind2: Any) -> Any:
    """The elements of a sparse matrix in rows `ind1` and columns `ind2`: a dense vector."""
    x = _sparse(x)
    ind1, ind2 = _integers(ind1, "the list of rows"), _integers(ind2, "the list of columns")
    rows, mine = _rows_and_mine(x, ind1, ind2)
    data = T.switch(mine, rows.parts.data, _core.cast(T.as_tensor_variable(0), x.dtype))
    return T.inc_subtensor(T.zeros((_core.shape_i(ind1, 0),), x.dtype)[patterns.majors(rows)], data)


def get_item_scalar(x: Any, index: Any) -> Any:
    """The element ``x[i, j]``: a dense scalar."""
    for part in index:
        if isinstance(part, slice) or not _is_scalar(part):
            raise PhintysTypeError(f"get_item_scalar: two scalars are needed, got {index}")
    lists = [_core.dimshuffle(T.as_tensor_variable(part), [-1]) for part in index]
    return get_item_2lists(x, *lists)[0]


# --- gradients, as functions of their own ---------------------------------------------------------


def _in_rows(x: Any, index: Any, gz: Any) -> Any:
    """A csr matrix of the shape of `x` with the rows of the csr matrix `gz` at `index`."""
    index = _core.cast(index, "int64")
    count = _core.shape_i(x.parts.indptr, 0) - np.int64(1)
    index = T.switch(T.lt(index, np.int64(0)), index + count, index)
    # As columns, rows are indices: they are replaced, and the matrix is compressed anew.
    turned = patterns.convert(gz)
    indices = _core.cast(T.take(index, turned.parts.indices), turned.parts.indices.dtype)
    parts = Parts(turned.parts.data, indices, turned.parts.indptr, count)
    return patterns.convert(patterns.build("csc", parts))


def get_item_list_grad(x: Any, index: Any, gz: Any) -> Any:
    """A matrix of the shape of `x` with the rows of the sparse `gz` where `index` says.

    Rows that `index` names twice are added.
    """
    x, gz = _sparse(x), _sparse(gz)
    rows = _in_rows(
        patterns.as_format(x, "csr"),
        _integers(index, "the list of rows"),
        patterns.as_format(gz, "csr"),
    )
    return patterns.as_format(rows, x.format)


def get_item_2lists_grad(x: Any, ind1: Any, ind2: Any, gz: Any) -> Any:
    """A matrix of the shape of `x` with the elements of the vector `gz` at ``[ind1, ind2]``.

    Elements for one place are added.
    """
    x, gz = _sparse(x), T.as_tensor_variable(gz)
    ind1, ind2 = _integers(ind1, "the list of rows"), _integers(ind2, "the list of columns")
    count = _core.shape_i(gz, 0)
    indptr = _core.cast(T.arange(count + np.int64(1)), "int32")
    _, columns = x.lengths
    ind2 = _core.cast(ind2, "int64")
    column = _core.cast(T.switch(T.lt(ind2, np.int64(0)), ind2 + columns, ind2), "int32")
    single = patterns.build("csr", Parts(gz, column, indptr, columns))
    return patterns.as_format(_in_rows(patterns.as_format(x, "csr"), ind1, single), x.format)

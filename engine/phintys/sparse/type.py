"""Types of sparse matrices, and the way from SciPy's matrices to their parts and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from phintys import _core
from phintys.errors import PhintysIndexError, PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import upcast
from phintys.tensor.type import TensorType

__all__ = ["Parts", "SparseType"]

FORMATS = {
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "bsr": scipy.sparse.bsr_matrix,
}
DTYPES = tuple(
    "float32 float64 uint8 int8 uint16 int16 uint32 int32 uint64 int64 complex128 complex64".split()
)
INDEX = "int32"


class Parts(NamedTuple):
    """What a sparse matrix consists of, as variables or as arrays.

    `data` and `indices` have an element for each stored entry. Those of row i (csr) or column i
    (csc) are at ``indptr[i]:indptr[i + 1]``; `indices` are their columns (csr) or rows (csc), of
    which there are `minor`.
    """

    data: Any
    indices: Any
    indptr: Any
    minor: Any


PART_NAMES = Parts._fields


class SparseType:
    """The type of sparse matrices of one format and dtype: ``SparseType(format, dtype)``.

    `format` is ``'csr'``, ``'csc'`` or ``'bsr'``. A bsr matrix is one by its format only: it is
    computed with as csr, without blocks. Calling the type makes a variable.

    Raises TypeError for other formats and for dtypes without sparse matrices (bool, float16).
    """

    dtype_specs_map = dict.fromkeys(DTYPES)
    format_cls = FORMATS
    ndim = 2
    broadcastable = (False, False)
    shape = (None, None)

    def __init__(self, format: str, dtype: Any, name: str | None = None) -> None:
        dtype = upcast(dtype)
        if dtype not in DTYPES:
            raise PhintysTypeError(
                f"there are no sparse matrices of {dtype}, only of {', '.join(DTYPES)}"
            )
        if format not in FORMATS:
            raise PhintysTypeError(f'unsupported format "{format}" not in list', list(FORMATS))
        self.format = format
        self.dtype = dtype
        self.name = name

    # --- identity -----------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, SparseType)
            and (self.format, self.dtype) == (other.format, other.dtype)
        )

    def __hash__(self) -> int:
        return hash((SparseType, self.format, self.dtype))

    def __repr__(self) -> str:
        return f"Sparse[{self.dtype}, {self.format}]"

    __str__ = __repr__

    def same_pattern(self, other: Any) -> bool:
        """True iff `other` is the same type."""
        return self == other

    def clone(self, format: str | None = None, dtype: Any = None) -> SparseType:
        """The type with another format or dtype."""
        return SparseType(format or self.format, dtype or self.dtype)

    # --- variables ----------------------------------------------------------------------------

    def __call__(self, name: str | None = None) -> Any:
        """A variable of this type."""
        from phintys.sparse.variable import SparseVariable

        return SparseVariable(self, self._fresh(name), name)

    make_variable = __call__

    def part_types(self) -> Parts:
        """The types of the parts of input and shared variables."""
        index = TensorType(INDEX, (False,))
        return Parts(TensorType(self.dtype, (False,)), index, index, TensorType("int64", ()))

    def _fresh(self, name: str | None) -> Parts:
        types = self.part_types()
        names = [None if name is None else f"{name}.{part}" for part in PART_NAMES]
        return Parts(*[t(n) for t, n in zip(types, names, strict=True)])

    def make_constant(self, value: Any, name: str | None = None) -> Any:
        """A constant of this type."""
        from phintys.sparse.variable import SparseConstant

        return SparseConstant(self, self.filter(value), name)

    def filter_variable(self, other: Any, allow_convert: bool = True) -> Any:
        """`other` as a variable of this type; TypeError if its type differs."""
        from phintys.sparse.basic import as_sparse_variable

        other = as_sparse_variable(other)
        if other.type != self:
            raise PhintysTypeError(
                f"Cannot convert Type {other.type} (of Variable {other}) into Type {self}. "
                f"You can try to manually convert {other} into a {self}."
            )
        return other

    # --- values -------------------------------------------------------------------------------

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """`value` as a SciPy matrix of this format and dtype.

        Other formats and dense matrices are converted, and dtypes that this one holds; with
        `allow_downcast` any dtype. TypeError for everything else.
        """
        if isinstance(value, _core.Variable) or hasattr(value, "parts"):
            raise PhintysTypeError(
                "Expected an array-like object, but found a Variable: maybe you are trying to "
                "call a function on a (possibly shared) variable instead of a numeric array?"
            )
        if (
            scipy.sparse.issparse(value)
            and value.format == self.format
            and value.dtype == self.dtype
        ):
            return value
        if strict:
            raise PhintysTypeError(
                f"{value!r} is not sparse, or not the right dtype (is "
                f"{getattr(value, 'dtype', None)}, expected {self.dtype})"
            )
        return self._converted(value, allow_downcast)

    def _converted(self, value: Any, allow_downcast: bool | None) -> Any:
        if not scipy.sparse.issparse(value):
            value = np.asarray(value)
            if value.ndim != 2 or value.dtype.kind not in "biufc":
                raise PhintysTypeError(
                    f"{self}: expected a sparse matrix, got {type(value).__name__} with "
                    f"{value.ndim} dimensions of {value.dtype}"
                )
        if not allow_downcast and upcast(self.dtype, value.dtype) != self.dtype:
            raise PhintysTypeError(f"Expected {self.dtype} dtype but got {value.dtype}")
        return FORMATS[self.format](value, dtype=self.dtype)

    def split(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Parts:
        """The parts of a matrix, as arrays; of the matrix itself where it fits."""
        value = self.filter(value, strict, allow_downcast)
        if self.format == "bsr":
            value = value.tocsr()
        data, indices, indptr = value.data, value.indices, value.indptr
        count = int(indptr[-1]) if len(indptr) else 0
        if len(data) > count >= 0 and len(indices) > count:
            # SciPy allows room after the entries.
            data, indices = data[:count], indices[:count]
        if max(value.shape) > np.iinfo(INDEX).max or count > np.iinfo(INDEX).max:
            raise PhintysValueError(
                f"a sparse matrix of shape {value.shape} with {count} entries: only int32 indices "
                "are supported"
            )
        minor = value.shape[0 if self.format == "csc" else 1]
        return Parts(
            data,
            _as_index(indices, minor),
            _as_index(indptr, count + 1),
            np.asarray(minor, "int64"),
        )

    def join(self, parts: Any) -> Any:
        """The SciPy matrix that consists of these arrays."""
        data, indices, indptr, minor = parts
        major, minor = len(indptr) - 1, int(minor)
        kind = "csc" if self.format == "csc" else "csr"
        shape = (minor, major) if kind == "csc" else (major, minor)
        matrix = FORMATS[kind]((data, indices, indptr), shape=shape, copy=False)
        return matrix.tobsr() if self.format == "bsr" else matrix

    def is_valid_value(self, value: Any) -> bool:
        """True iff `value` is a SciPy matrix of this format and dtype."""
        return bool(
            scipy.sparse.issparse(value)
            and value.format == self.format
            and value.dtype == self.dtype
        )

    @staticmethod
    def values_eq(a: Any, b: Any) -> bool:
        """True iff the matrices have one shape and equal elements."""
        if not (scipy.sparse.issparse(a) and scipy.sparse.issparse(b)) or a.shape != b.shape:
            return False
        return bool((a != b).nnz == 0)

    @staticmethod
    def values_eq_approx(a: Any, b: Any, eps: float = 1e-6) -> bool:
        """True iff no element differs by more than `eps`."""
        if not (scipy.sparse.issparse(a) and scipy.sparse.issparse(b)) or a.shape != b.shape:
            return False
        difference = abs(a - b)
        return bool(difference.nnz == 0 or difference.data.max() < eps)

    def get_shape_info(self, value: Any) -> Any:
        """What :meth:`get_size` needs to know of a matrix."""
        value = self.filter(value)
        return value.shape, value.data.size, value.indices.size, value.indptr.size, value.nnz

    def get_size(self, shape_info: Any) -> int:
        """Bytes of a matrix."""
        _, data, indices, indptr, _ = shape_info
        return int(data * np.dtype(self.dtype).itemsize + (indices + indptr) * 4)


def _as_index(values: Any, limit: int) -> Any:
    """Indices below `limit` as int32; what is out of range is an error, never wrapped around."""
    if values.dtype == INDEX:
        return values
    if len(values) and (values.min() < 0 or values.max() > limit):
        raise PhintysIndexError(f"a sparse matrix has an index that is out of range for {limit}")
    return values.astype(INDEX)

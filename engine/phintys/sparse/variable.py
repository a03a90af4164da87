"""Variables that stand for sparse matrices.

A sparse variable is a bundle of tensor variables: the parts of a compressed matrix. Expressions of
it are expressions of its parts, so functions, gradients and saved files know tensors only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.sparse.type import Parts, SparseType
from phintys.tensor.conversion import constant as tensor_constant
from phintys.tensor.var import Scratchpad

__all__ = ["SparseConstant", "SparseConstantSignature", "SparseVariable"]


def _basic() -> Any:
    from phintys.sparse import basic

    return basic


class SparseVariable:
    """A sparse matrix in an expression.

    Made by ``csr_matrix('x')`` and the like, by ``as_sparse_variable`` of a SciPy matrix, and by
    the functions of :mod:`phintys.sparse`.

    Attributes
    ----------
    type
        The :class:`SparseType`; also ``format``, ``dtype``.
    parts
        The tensor variables it consists of.
    name
        For messages and keyword arguments, or None.
    """

    # NumPy's and the tensors' own operators give way to those below.
    __array_priority__ = 2000
    __array_ufunc__ = None

    ndim = 2
    broadcastable = (False, False)
    owner = None
    index = None
    is_shared = False
    is_constant = False

    def __init__(self, type: SparseType, parts: Parts, name: str | None = None) -> None:
        self.type = type
        self.parts = parts
        self.name = name

    # --- attributes -----------------------------------------------------------------------------

    @property
    def format(self) -> str:
        """``'csr'``, ``'csc'`` or ``'bsr'``."""
        return self.type.format

    @property
    def dtype(self) -> str:
        """The dtype of the elements."""
        return self.type.dtype

    @property
    def tag(self) -> Scratchpad:
        """A bag of attributes of the user's own."""
        if "_tag" not in self.__dict__:
            self._tag = Scratchpad()
        return self._tag

    @property
    def lengths(self) -> tuple[Any, Any]:
        """The numbers of rows and columns: int64 scalar variables."""
        major = _core.shape_i(self.parts.indptr, 0) - np.int64(1)
        minor = self.parts.minor
        return (minor, major) if self.format == "csc" else (major, minor)

    @property
    def shape(self) -> Any:
        """The shape: an int64 vector variable of two elements."""
        return _core.make_vector(list(self.lengths))

    @property
    def size(self) -> Any:
        """The number of stored entries."""
        return _core.shape_i(self.parts.data, 0)

    nnz = size

    @property
    def T(self) -> Any:
        """The transposed matrix; that of a csr matrix is a csc one of the same parts."""
        return _basic().transpose(self)

    def transpose(self) -> Any:
        """The transposed matrix."""
        return _basic().transpose(self)

    # --- other forms ----------------------------------------------------------------------------

    def toarray(self) -> Any:
        """The dense matrix."""
        return _basic().dense_from_sparse(self)

    todense = toarray

    def astype(self, dtype: Any) -> Any:
        """The elements as `dtype`."""
        return _basic().cast(self, dtype)

    def tocsr(self) -> Any:
        """The matrix in format csr."""
        return _basic().as_format(self, "csr")

    def tocsc(self) -> Any:
        """The matrix in format csc."""
        return _basic().as_format(self, "csc")

    def copy(self, name: str | None = None) -> Any:
        """A new variable of the same value."""
        from phintys.tensor import tensor_copy

        parts = Parts(*[tensor_copy(part) for part in self.parts])
        return SparseVariable(self.type, parts, name)

    def clone(self, name: str | None = None) -> Any:
        """A new variable of the same type."""
        return self.type(self.name if name is None else name)

    def zeros_like(self) -> Any:
        """A matrix of this shape without entries."""
        return _basic().sp_zeros_like(self)

    def ones_like(self) -> Any:
        """Ones where this matrix has entries."""
        return _basic().sp_ones_like(self)

    # --- operators ------------------------------------------------------------------------------

    def __neg__(self) -> Any:
        return _basic().neg(self)

    def __add__(self, other: Any) -> Any:
        return _basic().add(self, other)

    def __radd__(self, other: Any) -> Any:
        return _basic().add(other, self)

    def __sub__(self, other: Any) -> Any:
        return _basic().sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return _basic().sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return _basic().mul(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _basic().mul(other, self)

    def __matmul__(self, other: Any) -> Any:
        return _basic().structured_dot(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _basic().structured_dot(other, self)

    def __lt__(self, other: Any) -> Any:
        return _basic().lt(self, other)

    def __le__(self, other: Any) -> Any:
        return _basic().le(self, other)

    def __gt__(self, other: Any) -> Any:
        return _basic().gt(self, other)

    def __ge__(self, other: Any) -> Any:
        return _basic().ge(self, other)

    def dot(self, other: Any) -> Any:
        """The product with a matrix, as :func:`structured_dot`."""
        return _basic().structured_dot(self, other)

    __dot__ = dot

    def __rdot__(self, other: Any) -> Any:
        return _basic().structured_dot(other, self)

    def sum(self, axis: int | None = None, sparse_grad: bool = False) -> Any:
        """The sum of all elements, or of each column (`axis` 0) or row (1)."""
        return _basic().sp_sum(self, axis, sparse_grad)

    def conj(self) -> Any:
        """The complex conjugates."""
        return _basic().conj(self)

    def diagonal(self) -> Any:
        """The diagonal of a square matrix."""
        return _basic().diag(self)

    def __getitem__(self, index: Any) -> Any:
        return _basic().getitem(self, index)

    def __iter__(self) -> Any:
        raise PhintysTypeError("a sparse variable cannot be iterated over")

    def __bool__(self) -> bool:
        raise PhintysTypeError("a sparse variable has no truth value")

    # --- values, gradients ------------------------------------------------------------------------

    def eval(self, inputs_to_values: dict[Any, Any] | None = None, **options: Any) -> Any:
        """The value of this variable, a SciPy matrix, given values of its inputs."""
        import phintys

        values = {} if inputs_to_values is None else inputs_to_values
        return phintys.function(list(values), self, **options)(*values.values())

    @property
    def differentiable(self) -> Any:
        """The part that gradients are taken with respect to: the stored elements."""
        return self.parts.data

    def with_data(self, data: Any) -> Any:
        """A matrix with entries in the same places."""
        return SparseVariable(SparseType(self.format, data.dtype), self.parts._replace(data=data))

    # --- display ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        return self.name or f"SparseVariable{{{self.format},{self.dtype}}}"

    __repr__ = __str__


class SparseConstantSignature(tuple):
    """What two constants are compared by: format, dtype, shape and bytes."""

    __slots__ = ()


class SparseConstant(SparseVariable):
    """A sparse matrix whose value is known: ``SparseConstant(type, data, name=None)``."""

    is_constant = True

    def __init__(self, type: SparseType, data: Any, name: str | None = None) -> None:
        # A copy: the caller's matrix may change.
        value = type.filter(data).copy()
        parts = Parts(*[tensor_constant(part) for part in type.split(value)])
        super().__init__(type, parts, name)
        self.data = value

    @property
    def value(self) -> Any:
        """The SciPy matrix."""
        return self.data

    def signature(self) -> SparseConstantSignature:
        """Equal for constants of equal type and value."""
        arrays = [np.asarray(part) for part in self.type.split(self.data)]
        return SparseConstantSignature(
            (self.format, self.dtype, self.data.shape, *[a.tobytes() for a in arrays])
        )

    def clone(self, name: str | None = None) -> Any:
        """The constant itself: constants are immutable."""
        return self

    def __str__(self) -> str:
        return self.name or f"SparseConstant{{{self.format},{self.dtype},{self.data.shape}}}"

    __repr__ = __str__

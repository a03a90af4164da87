"""Classes by which programs name the ops of ``theano.sparse``.

Making one gives a callable that builds the expression of the function of the same meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phintys.sparse import basic
from phintys.sparse.basic import CSM, SparseFromDense

__all__ = ["CSM", "SparseFromDense"]


class _NamedOp:
    """A callable that builds an expression."""

    _apply: Callable[..., Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Theano's options choose gradients and memory, which are not chosen here.
        pass

    def __call__(self, *inputs: Any) -> Any:
        return type(self)._apply(*inputs)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return type(self).__name__


def _op(name: str, function: Callable[..., Any]) -> type:
    __all__.append(name)
    doc = f"``sparse.{getattr(function, '__name__', name)}`` as the class of Theano."
    return type(name, (_NamedOp,), {"_apply": staticmethod(function), "__doc__": doc})


class SpSum:
    """``SpSum(axis, sparse_grad)(x)``: see :func:`sp_sum`."""

    def __init__(self, axis: int | None = None, sparse_grad: bool = True) -> None:
        self.axis = axis
        self.structured = sparse_grad

    def __call__(self, x: Any) -> Any:
        return basic.sp_sum(x, self.axis, self.structured)


class Cast:
    """``Cast(out_type)(x)``: see :func:`cast`."""

    def __init__(self, out_type: str) -> None:
        self.out_type = out_type

    def __call__(self, x: Any) -> Any:
        return basic.cast(x, self.out_type)


class CSMGrad:
    """``CSMGrad()(...)``: see :func:`csm_grad`."""

    def __init__(self, kmap: Any = None) -> None:
        self._apply = basic.csm_grad(kmap)

    def __call__(self, *parts: Any) -> Any:
        return self._apply(*parts)


class HStack:
    """``HStack(format, dtype)(*blocks)``: see :func:`hstack`."""

    _stack = staticmethod(basic.hstack)

    def __init__(self, format: str | None = None, dtype: Any = None) -> None:
        self.format = "csc" if format is None else format
        self.dtype = dtype

    def __call__(self, *blocks: Any) -> Any:
        return type(self)._stack(blocks, self.format, self.dtype)


class VStack(HStack):
    """``VStack(format, dtype)(*blocks)``: see :func:`vstack`."""

    _stack = staticmethod(basic.vstack)


__all__ += ["CSMGrad", "Cast", "HStack", "SpSum", "VStack"]

AddSD = _op("AddSD", basic.add_s_d)
AddSS = _op("AddSS", basic.add_s_s)
AddSSData = _op("AddSSData", basic.add_s_s_data)
CSMProperties = _op("CSMProperties", basic.csm_properties)
ColScaleCSC = _op("ColScaleCSC", basic.col_scale)
ConstructSparseFromList = _op("ConstructSparseFromList", basic.construct_sparse_from_list)
DenseFromSparse = _op("DenseFromSparse", basic.dense_from_sparse)
Diag = _op("Diag", basic.diag)
Dot = _op("Dot", basic.dot)
EnsureSortedIndices = _op("EnsureSortedIndices", basic.ensure_sorted_indices)
EqualSD = _op("EqualSD", basic.equal_s_d)
EqualSS = _op("EqualSS", basic.equal_s_s)
GetItem2Lists = _op("GetItem2Lists", basic.get_item_2lists)
GetItem2ListsGrad = _op("GetItem2ListsGrad", basic.get_item_2lists_grad)
GetItem2d = _op("GetItem2d", basic.get_item_2d)
GetItemList = _op("GetItemList", basic.get_item_list)
GetItemListGrad = _op("GetItemListGrad", basic.get_item_list_grad)
GetItemScalar = _op("GetItemScalar", basic.get_item_scalar)
GreaterEqualSD = _op("GreaterEqualSD", basic.greater_equal_s_d)
GreaterEqualSS = _op("GreaterEqualSS", basic.greater_equal_s_s)
GreaterThanSD = _op("GreaterThanSD", basic.greater_than_s_d)
GreaterThanSS = _op("GreaterThanSS", basic.greater_than_s_s)
LessEqualSD = _op("LessEqualSD", basic.less_equal_s_d)
LessEqualSS = _op("LessEqualSS", basic.less_equal_s_s)
LessThanSD = _op("LessThanSD", basic.less_than_s_d)
LessThanSS = _op("LessThanSS", basic.less_than_s_s)
MulSD = _op("MulSD", basic.mul_s_d)
MulSS = _op("MulSS", basic.mul_s_s)
MulSV = _op("MulSV", basic.mul_s_v)
Neg = _op("Neg", basic.neg)
NotEqualSD = _op("NotEqualSD", basic.not_equal_s_d)
NotEqualSS = _op("NotEqualSS", basic.not_equal_s_s)
Remove0 = _op("Remove0", basic.remove0)
RowScaleCSC = _op("RowScaleCSC", basic.row_scale)
SamplingDot = _op("SamplingDot", basic.sampling_dot)
SquareDiagonal = _op("SquareDiagonal", basic.square_diagonal)
StructuredAddSV = _op("StructuredAddSV", basic.structured_add_s_v)
StructuredDot = _op("StructuredDot", basic.structured_dot)
StructuredDotGradCSC = _op("StructuredDotGradCSC", basic.sdg_csc)
StructuredDotGradCSR = _op("StructuredDotGradCSR", basic.sdg_csr)
Transpose = _op("Transpose", basic.transpose)
TrueDot = _op("TrueDot", basic.true_dot)
Usmm = _op("Usmm", basic.usmm)

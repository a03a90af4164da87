"""Classes by which programs name the ops of shapes and indexing.

``isinstance(x.owner.op, Subtensor)`` asks for the op of a node; calling ``Subtensor(...)`` makes an
object that applies such an op, as Theano's constructors do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import AdvancedIndexingError, PhintysIndexError, PhintysTypeError
from phintys.tensor import join as _join
from phintys.tensor import shape as _shape
from phintys.tensor import subtensor as _subtensor
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import alloc, arange, empty, eye, tri
from phintys.tensor.indexing import choose, permute_row_elements

__all__ = [
    "ARange",
    "AdvancedBooleanIncSubtensor",
    "AdvancedBooleanIndexingError",
    "AdvancedBooleanSubtensor",
    "AdvancedIncSubtensor",
    "AdvancedIncSubtensor1",
    "AdvancedSubtensor",
    "AdvancedSubtensor1",
    "Alloc",
    "AllocEmpty",
    "BaseAdvancedIncSubtensor",
    "BaseAdvancedSubtensor",
    "Choose",
    "DimShuffle",
    "Eye",
    "Flatten",
    "IncSubtensor",
    "Join",
    "Nonzero",
    "PermuteRowElements",
    "Rebroadcast",
    "Reshape",
    "ScalarFromTensor",
    "Shape",
    "SpecifyShape",
    "Split",
    "Subtensor",
    "TensorFromScalar",
    "Tile",
    "Tri",
    "get_canonical_form_slice",
    "get_idx_list",
    "scalar_from_tensor",
    "tensor_from_scalar",
]

AdvancedBooleanIndexingError = AdvancedIndexingError


class OpClass(type):
    """isinstance() of an op of the graph is true for the classes that list its name."""

    op_names: tuple[str, ...] = ()

    def __instancecheck__(cls, instance: Any) -> bool:
        if isinstance(instance, _core.Op):
            return instance.name in cls.op_names
        return super().__instancecheck__(instance)


# --- indexing ---------------------------------------------------------------------------------


def _fill_in(entry: Any, given: list[Any]) -> Any:
    """An entry of an idx_list with types replaced by the operands that stand for them."""
    if isinstance(entry, slice):
        parts = (entry.start, entry.stop, entry.step)
        return slice(*[_fill_in(p, given) for p in parts])
    if entry is None or isinstance(entry, (int, np.integer, _core.Variable)):
        return entry
    if not given:
        raise PhintysIndexError("the index needs more scalar operands than were given")
    return given.pop(0)


def get_idx_list(inputs: Sequence[Any], idx_list: Sequence[Any]) -> tuple[Any, ...]:
    """The index of a Subtensor: `idx_list`, whose types stand for ``inputs[1:]`` in order."""
    given = list(inputs)[1:]
    return tuple(_fill_in(entry, given) for entry in idx_list)


def _number(value: Any) -> Any:
    if isinstance(value, (int, np.integer)) or value is None:
        return value
    return _core.cast(as_tensor_variable(value), "int64")


def get_canonical_form_slice(theslice: Any, length: Any) -> tuple[Any, Any]:
    """A slice of a dimension of `length` as one of positive step, and the direction, 1 or -1.

    For start, stop and step of the result hold ``0 <= start <= stop <= length`` and ``step > 0``;
    the elements are those of `theslice`, in opposite order if the direction is -1. An integer is
    brought into ``[0, length)``.
    """
    e = _core.elemwise
    length = _number(length)

    def choice(condition: Any, a: Any, b: Any) -> Any:
        if isinstance(condition, bool):
            return a if condition else b
        return e("switch", condition, as_tensor_variable(a), as_tensor_variable(b))

    def less(a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a < b
        return e("lt", as_tensor_variable(a), as_tensor_variable(b))

    def clip(value: Any, low: Any, high: Any) -> Any:
        return choice(less(value, low), low, choice(less(high, value), high, value))

    if not isinstance(theslice, slice):
        index = _number(theslice)
        return choice(less(index, 0), index + length, index), 1
    step = 1 if theslice.step is None else _number(theslice.step)
    backward = less(step, 0)
    stride = choice(backward, -step, step)
    lowest, highest = choice(backward, -1, 0), choice(backward, length - 1, length)

    def bound(value: Any, default: Any) -> Any:
        if value is None:
            return default
        value = _number(value)
        return clip(choice(less(value, 0), value + length, value), lowest, highest)

    start = bound(theslice.start, choice(backward, length - 1, 0))
    stop = bound(theslice.stop, choice(backward, -1, length))
    distance = choice(backward, start - stop, stop - start)
    count = choice(less(distance, 1), 0, (distance - 1) // stride + 1)
    first = choice(backward, start - (count - 1) * stride, start)
    end = choice(backward, start + 1, stop)
    first = choice(less(count, 1), end, first)
    return slice(first, choice(less(end, first), first, end), stride), choice(backward, -1, 1)


class _IndexClass:
    """An op that indexes its first operand."""

    def __init__(self, idx_list: Sequence[Any] = ()) -> None:
        self.idx_list = tuple(idx_list)

    def _part(self, x: Any, inputs: Sequence[Any]) -> Any:
        return _subtensor.getitem(as_tensor_variable(x), get_idx_list((x, *inputs), self.idx_list))


class Subtensor(_IndexClass, metaclass=OpClass):
    """``Subtensor(idx_list)(x, *scalars)``: x indexed with integers and slices.

    Types in `idx_list` (``theano.scalar.int64``, ``T.lscalar``) stand for the scalars in order.
    """

    op_names = ("subtensor",)

    def __call__(self, x: Any, *inputs: Any) -> Any:
        return self._part(x, inputs)


class IncSubtensor(_IndexClass, metaclass=OpClass):
    """``IncSubtensor(idx_list)(x, y, *scalars)``: x with y added to, or stored in, a part."""

    op_names = ("inc_subtensor",)

    def __init__(
        self,
        idx_list: Sequence[Any] = (),
        inplace: bool = False,
        set_instead_of_inc: bool = False,
        destroyhandler_tolerate_aliased: Any = None,
    ) -> None:
        super().__init__(idx_list)
        self.inplace, self.set_instead_of_inc = inplace, set_instead_of_inc

    def __call__(self, x: Any, y: Any, *inputs: Any) -> Any:
        part = self._part(x, inputs)
        return _subtensor.inc_subtensor(part, y, set_instead_of_inc=self.set_instead_of_inc)


class BaseAdvancedSubtensor(metaclass=OpClass):
    """Ops that index with arrays."""

    op_names: tuple[str, ...] = ("advanced_subtensor", "advanced_subtensor1", "mask_subtensor")

    def __call__(self, x: Any, *index: Any) -> Any:
        return _subtensor.getitem(as_tensor_variable(x), tuple(index))


class AdvancedSubtensor(BaseAdvancedSubtensor):
    """``AdvancedSubtensor()(x, *index)``: x indexed with integer arrays."""

    op_names = ("advanced_subtensor",)


class AdvancedSubtensor1(BaseAdvancedSubtensor):
    """``AdvancedSubtensor1()(x, vector)``: rows of x."""

    op_names = ("advanced_subtensor1",)

    def __init__(self, sparse_grad: bool = False) -> None:
        self.sparse_grad = sparse_grad


class AdvancedBooleanSubtensor(BaseAdvancedSubtensor):
    """``AdvancedBooleanSubtensor()(x, *index)``: x indexed with boolean masks."""

    op_names = ("mask_subtensor",)


class BaseAdvancedIncSubtensor(metaclass=OpClass):
    """Ops that add or store where arrays index."""

    op_names: tuple[str, ...] = (
        "advanced_inc_subtensor",
        "advanced_inc_subtensor1",
        "mask_inc_subtensor",
    )

    def __init__(self, inplace: bool = False, set_instead_of_inc: bool = False) -> None:
        self.inplace, self.set_instead_of_inc = inplace, set_instead_of_inc

    def __call__(self, x: Any, y: Any, *index: Any) -> Any:
        part = _subtensor.getitem(as_tensor_variable(x), tuple(index))
        return _subtensor.inc_subtensor(part, y, set_instead_of_inc=self.set_instead_of_inc)


class AdvancedIncSubtensor(BaseAdvancedIncSubtensor):
    """``AdvancedIncSubtensor()(x, y, *index)``: x with y added where integer arrays index."""

    op_names = ("advanced_inc_subtensor",)


class AdvancedIncSubtensor1(BaseAdvancedIncSubtensor):
    """``AdvancedIncSubtensor1()(x, y, vector)``: x with y added to rows."""

    op_names = ("advanced_inc_subtensor1",)


class AdvancedBooleanIncSubtensor(BaseAdvancedIncSubtensor):
    """``AdvancedBooleanIncSubtensor()(x, y, *index)``: x with y added where masks are true."""

    op_names = ("mask_inc_subtensor",)


class Nonzero(metaclass=OpClass):
    """``Nonzero()(a)``: a list of index vectors."""

    op_names = ("nonzero",)

    def __call__(self, a: Any) -> list[Any]:
        return list(_subtensor.nonzero(a))


class Choose(metaclass=OpClass):
    """``Choose(mode)(a, choices)``."""

    op_names = ("choose",)

    def __init__(self, mode: str = "raise") -> None:
        self.mode = mode

    def __call__(self, a: Any, choices: Any) -> Any:
        return choose(a, choices, mode=self.mode)


class PermuteRowElements:
    """``PermuteRowElements()(x, y, inverse)``."""

    def __call__(self, x: Any, y: Any, inverse: Any = 0) -> Any:
        return permute_row_elements(x, y, int(inverse))


# --- shapes -----------------------------------------------------------------------------------


class DimShuffle(metaclass=OpClass):
    """``DimShuffle(input_broadcastable, new_order)(x)``."""

    op_names = ("dimshuffle",)

    def __init__(
        self, input_broadcastable: Sequence[Any], new_order: Sequence[Any], inplace: bool = True
    ) -> None:
        self.input_broadcastable = tuple(input_broadcastable)
        self.new_order = tuple(new_order)
        self.inplace = inplace
        used = [i for i in self.new_order if i != "x"]
        self.shuffle = used
        self.augment = [i for i, entry in enumerate(self.new_order) if entry == "x"]
        self.drop = [i for i in range(len(self.input_broadcastable)) if i not in used]

    def __call__(self, x: Any) -> Any:
        x = as_tensor_variable(x)
        if x.ndim != len(self.input_broadcastable):
            raise PhintysTypeError(
                f"The number of dimensions of the input is incorrect for this op. Expected "
                f"{len(self.input_broadcastable)}, got {x.ndim}."
            )
        return _shape.dimshuffle(x, self.new_order)


class Reshape(metaclass=OpClass):
    """``Reshape(ndim)(x, shape)``."""

    op_names = ("reshape",)

    def __init__(self, ndim: int, name: str | None = None) -> None:
        self.ndim, self.name = ndim, name

    def __call__(self, x: Any, shp: Any) -> Any:
        return _shape.reshape(x, shp, ndim=self.ndim)


class Flatten(metaclass=OpClass):
    """``Flatten(outdim)(x)``."""

    def __init__(self, outdim: int = 1) -> None:
        self.outdim = int(outdim)

    def __call__(self, x: Any) -> Any:
        return _shape.flatten(x, self.outdim)


class Shape(metaclass=OpClass):
    """``Shape()(x)``."""

    def __call__(self, x: Any) -> Any:
        return _shape.shape(x)


class SpecifyShape(metaclass=OpClass):
    """``SpecifyShape()(x, shape)``."""

    op_names = ("specify_shape",)

    def __call__(self, x: Any, shape: Any) -> Any:
        return _shape.specify_shape(x, shape)


class Rebroadcast(metaclass=OpClass):
    """``Rebroadcast((axis, flag), ...)(x)``: dimensions that broadcast, or no longer do."""

    op_names = ("specify_shape",)

    def __init__(self, *axis: tuple[int, Any]) -> None:
        self.axis = {int(a): bool(flag) for a, flag in axis}

    def __call__(self, x: Any) -> Any:
        x = as_tensor_variable(x)
        pattern = [self.axis.get(i, flag) for i, flag in enumerate(x.broadcastable)]
        return _shape.patternbroadcast(x, pattern)


class Tile(metaclass=OpClass):
    """``Tile(ndim)(x, reps)``."""

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim

    def __call__(self, x: Any, reps: Any) -> Any:
        return _shape.tile(x, reps, self.ndim)


class Join(metaclass=OpClass):
    """``Join()(axis, *tensors)``."""

    op_names = ("join",)

    def __init__(self, view: int = -1) -> None:
        self.view = view

    def __call__(self, axis: Any, *tensors: Any) -> Any:
        return _join.join(axis, *tensors)


class Split:
    """``Split(len_splits)(x, axis, splits)``."""

    def __init__(self, len_splits: int) -> None:
        self.len_splits = int(len_splits)

    def __call__(self, x: Any, axis: Any, splits: Any) -> list[Any]:
        return _join.split(x, splits, self.len_splits, axis)


# --- creation ---------------------------------------------------------------------------------


class Alloc(metaclass=OpClass):
    """``Alloc()(value, *shape)``."""

    op_names = ("alloc",)

    def __call__(self, value: Any, *shape: Any) -> Any:
        return alloc(value, *shape)


class AllocEmpty(metaclass=OpClass):
    """``AllocEmpty(dtype)(*shape)``: zeros."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = str(dtype)

    def __call__(self, *shape: Any) -> Any:
        return empty(list(shape), self.dtype)


class ARange(metaclass=OpClass):
    """``ARange(dtype)(start, stop, step)``."""

    op_names = ("arange",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = str(dtype)

    def __call__(self, start: Any, stop: Any, step: Any) -> Any:
        return arange(start, stop, step, self.dtype)


class Eye(metaclass=OpClass):
    """``Eye(dtype)(n, m, k)``."""

    op_names = ("eye",)

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = dtype

    def __call__(self, n: Any, m: Any = None, k: Any = 0) -> Any:
        return eye(n, m, k, self.dtype)


class Tri(metaclass=OpClass):
    """``Tri(dtype)(n, m, k)``."""

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = dtype

    def __call__(self, n: Any, m: Any = None, k: Any = 0) -> Any:
        return tri(n, m, k, self.dtype)


class TensorFromScalar:
    """``TensorFromScalar()(s)``: scalars are tensors of rank 0."""

    def __call__(self, s: Any) -> Any:
        return as_tensor_variable(s, ndim=0)


class ScalarFromTensor:
    """``ScalarFromTensor()(t)``: scalars are tensors of rank 0."""

    def __call__(self, t: Any) -> Any:
        t = as_tensor_variable(t)
        if t.ndim:
            raise PhintysTypeError(f"ScalarFromTensor: a tensor of rank 0 is needed, got {t.type}")
        return t


tensor_from_scalar = TensorFromScalar()
scalar_from_tensor = ScalarFromTensor()

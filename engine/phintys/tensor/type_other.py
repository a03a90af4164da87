"""Things that an index may hold besides tensors: None and slices, as Theano's programs name them.

A graph has tensors only, so these are plain Python objects: a slice keeps the variables of its
bounds, and the Subtensor node that it ends up in takes them as inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys.errors import PhintysTypeError
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable

__all__ = [
    "MakeSlice",
    "NoneConst",
    "NoneTypeT",
    "SliceConstant",
    "SliceType",
    "as_int_none_variable",
    "make_slice",
    "none_type_t",
    "slicetype",
]


class NoneTypeT:
    """The type of None."""

    def filter(self, x: Any, strict: bool = False, allow_downcast: Any = None) -> None:
        """None; TypeError for anything else."""
        if x is not None:
            raise PhintysTypeError("Expected None!")

    def is_valid_value(self, x: Any) -> bool:
        """True iff `x` is None."""
        return x is None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "NoneTypeT"


none_type_t = NoneTypeT()


class _NoneConstant:
    """A constant of value None: an index or an axis that is not given."""

    type = none_type_t
    data = None
    name = "NoneConst"
    owner = None

    def __repr__(self) -> str:
        return "NoneConst"


NoneConst = _NoneConstant()


class SliceType:
    """The type of slices."""

    def filter(self, x: Any, strict: bool = False, allow_downcast: Any = None) -> slice:
        """`x`, which must be a slice: TypeError for anything else."""
        if not isinstance(x, slice):
            raise PhintysTypeError("Expected a slice!")
        return x

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "slice"


slicetype = SliceType()


class SliceConstant:
    """A slice of numbers: ``SliceConstant(slicetype, slice(0, 3))``; usable as an index."""

    def __init__(self, type: Any, data: slice, name: str | None = None) -> None:
        self.type, self.name = type, name
        self.data = slicetype.filter(data)

    def __repr__(self) -> str:
        return f"SliceConstant{{{self.data.start}, {self.data.stop}, {self.data.step}}}"


def as_int_none_variable(x: Any) -> Any:
    """`x` as an integer scalar variable, or NoneConst for None."""
    if x is None or x is NoneConst:
        return NoneConst
    var = as_tensor_variable(x, ndim=0)
    if var.dtype not in integer_dtypes:
        raise PhintysTypeError(f"index must be integers, got {var.type}")
    return var


class MakeSlice:
    """``make_slice(start, stop, step)`` or ``make_slice(slice(...))``: a slice for an index."""

    def __call__(self, slc: Any, stop: Any = None, step: Any = None) -> slice:
        parts = (slc.start, slc.stop, slc.step) if isinstance(slc, slice) else (slc, stop, step)
        checked = [as_int_none_variable(p) for p in parts]
        return slice(*[None if p is NoneConst else p for p in checked])


make_slice = MakeSlice()


def plain(entry: Any) -> Any:
    """An entry of an index as Python has it: None for NoneConst, a slice for a SliceConstant."""
    if entry is NoneConst:
        return None
    if isinstance(entry, SliceConstant):
        return entry.data
    if isinstance(entry, slice):
        parts = (entry.start, entry.stop, entry.step)
        if any(p is NoneConst for p in parts):
            return slice(*[None if p is NoneConst else p for p in parts])
    if isinstance(entry, np.ndarray) and entry.ndim == 0 and entry.dtype.kind in "iu":
        return int(entry)
    return entry

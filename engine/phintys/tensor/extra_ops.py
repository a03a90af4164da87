"""Further functions of tensors."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange
from phintys.tensor.elemwise import cast
from phintys.tensor.shape import normalize_axis, repeat, squeeze
from phintys.tensor.subtensor import slice_at_axis

__all__ = ["diff", "repeat", "squeeze", "to_one_hot"]


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """The `n`-th differences of neighbours along `axis`."""
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.ndim, "diff")
    if n < 0:
        raise PhintysValueError(f"diff: the order must not be negative, got {n}")
    for _ in range(n):
        x = slice_at_axis(x, slice(1, None), axis) - slice_at_axis(x, slice(None, -1), axis)
    return x


def to_one_hot(y: Any, nb_class: Any, dtype: Any = None) -> Any:
    """A matrix with, for each class index in the vector `y`, a row with a one there; floatX."""
    y = as_tensor_variable(y)
    if y.ndim != 1:
        raise PhintysValueError(f"to_one_hot: a vector is needed, got {y} of {y.type}")
    classes = _core.dimshuffle(arange(nb_class), [-1, 0])
    hits = _core.elemwise("eq", _core.dimshuffle(y, [0, -1]), classes)
    return cast(hits, "floatX" if dtype is None else dtype)

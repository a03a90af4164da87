"""Further functions of tensors."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor import counting, scans
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.counting import *  # noqa: F403
from phintys.tensor.creation import arange
from phintys.tensor.diagonal import fill_diagonal, fill_diagonal_offset  # noqa: F401
from phintys.tensor.elemwise import cast
from phintys.tensor.indexing import compress  # noqa: F401
from phintys.tensor.scans import *  # noqa: F403
from phintys.tensor.shape import normalize_axis, repeat, squeeze
from phintys.tensor.subtensor import slice_at_axis

__all__ = [
    *counting.__all__,
    *scans.__all__,
    "CpuContiguous",
    "DiffOp",
    "RepeatOp",
    "cpu_contiguous",
    "diff",
    "repeat",
    "squeeze",
    "to_one_hot",
]


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """The `n`-th differences of neighbours along `axis`."""
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.ndim, "diff")
    if n < 0:
        raise PhintysValueError(f"diff: the order must not be negative, got {n}")
    # Of truth values: whether they change.
    name = "neq" if x.dtype == "bool" else "sub"
    for _ in range(n):
        after = slice_at_axis(x, slice(1, None), axis)
        x = _core.elemwise(name, after, slice_at_axis(x, slice(None, -1), axis))
    return x


class DiffOp:
    """``DiffOp(n, axis)(x)``: :func:`diff`."""

    def __init__(self, n: int = 1, axis: int = -1) -> None:
        self.n, self.axis = n, axis

    def __call__(self, x: Any) -> Any:
        return diff(x, self.n, self.axis)


class RepeatOp:
    """``RepeatOp(axis)(x, repeats)``: :func:`repeat`."""

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def __call__(self, x: Any, repeats: Any) -> Any:
        return repeat(x, repeats, self.axis)


class CpuContiguous:
    """``CpuContiguous()(x)``: `x` in C order, as results of computations always are."""

    def __call__(self, x: Any) -> Any:
        return _core.elemwise("identity", as_tensor_variable(x))


cpu_contiguous = CpuContiguous()


def to_one_hot(y: Any, nb_class: Any, dtype: Any = None) -> Any:
    """A matrix with, for each class index in the vector `y`, a row with a one there; floatX."""
    y = as_tensor_variable(y)
    if y.ndim != 1:
        raise PhintysValueError(f"to_one_hot: a vector is needed, got {y} of {y.type}")
    classes = _core.dimshuffle(arange(nb_class), [-1, 0])
    hits = _core.elemwise("eq", _core.dimshuffle(y, [0, -1]), classes)
    return cast(hits, "floatX" if dtype is None else dtype)

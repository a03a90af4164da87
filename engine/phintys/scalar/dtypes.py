"""Dtypes: their names, their promotion, and the dtype of Python numbers."""

from __future__ import annotations

import array
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config

__all__ = [
    "DTYPES",
    "asarray",
    "autocast_float",
    "autocast_float_as",
    "autocast_int",
    "complex_dtypes",
    "continuous_dtypes",
    "convert",
    "discrete_dtypes",
    "exchanged",
    "float_dtypes",
    "int_dtypes",
    "integer_dtypes",
    "uint_dtypes",
    "upcast",
    "upgrade_to_float",
]

int_dtypes = ("int8", "int16", "int32", "int64")
uint_dtypes = ("uint8", "uint16", "uint32", "uint64")
float_dtypes = ("float16", "float32", "float64")
complex_dtypes = ("complex64", "complex128")
integer_dtypes = int_dtypes + uint_dtypes
discrete_dtypes = ("bool", *integer_dtypes)
continuous_dtypes = float_dtypes + complex_dtypes
DTYPES = discrete_dtypes + continuous_dtypes


def asarray(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """``numpy.asarray`` that knows the dtype ``'floatX'``."""
    if isinstance(dtype, str) and dtype == "floatX":
        dtype = config.floatX
    return np.asarray(a, dtype=dtype, order=order)


def exchanged(x: Any) -> Any:
    """`x` as an ndarray if it is another library's array, else `x` itself.

    Known by ``__dlpack__``, ``__array__`` (PyTorch, JAX, TensorFlow, pandas) or the buffer protocol
    (``array.array``, ``memoryview``). The memory is shared where the other side allows it.
    """
    if isinstance(x, (np.ndarray, np.generic, bool, int, float, complex, str, bytes, list, tuple)):
        return x
    kind = type(x)
    if hasattr(kind, "__array__") or isinstance(x, (memoryview, array.array)):
        return np.asarray(x)
    if hasattr(kind, "__dlpack__"):
        return np.from_dlpack(x)
    return x


def upcast(dtype: Any, *dtypes: Any) -> str:
    """The dtype that all given dtypes are promoted to.

    >>> upcast("int32", "float32")
    'float64'
    """
    names = [config.floatX if d == "floatX" else d for d in (dtype, *dtypes)]
    result = np.result_type(*[np.dtype(d) for d in names]).name
    if (
        config.cast_policy == "numpy+floatX"
        and result == "float64"
        and config.floatX == "float32"
        and "float64" not in names
    ):
        result = "float32"
    return str(result)


def upgrade_to_float(dtype: str) -> str:
    """The floating dtype that functions such as exp compute in for operands of `dtype`."""
    if dtype in continuous_dtypes:
        return dtype
    if dtype == "bool":
        return str(config.floatX)
    return "float32" if dtype in ("int8", "int16", "uint8", "uint16") else "float64"


def _autocast(x: Any, dtypes: tuple[str, ...]) -> Any:
    if config.cast_policy == "numpy+floatX":
        plain = np.asarray(x)
        if not hasattr(x, "dtype") and plain.dtype.kind == "f":
            plain = plain.astype(config.floatX)
        return plain
    if hasattr(x, "dtype"):
        # NumPy scalars are typed on purpose.
        return np.asarray(x)
    if isinstance(x, float):
        if config.floatX != "float64" and config.floatX in dtypes:
            return np.asarray(x, dtype=config.floatX)
        # Not to float16, unless nothing else is left.
        dtypes = tuple(d for d in dtypes if d != "float16") or dtypes
    value: Any = None
    for dtype in dtypes:
        try:
            with np.errstate(over="ignore"):
                value = np.asarray(x, dtype=dtype)
        except OverflowError:
            if dtype == dtypes[-1]:
                raise
            continue
        if value.item() == x:
            break
    return value


def autocast_int(x: Any) -> Any:
    """`x` as an array of the smallest signed integer dtype that holds it."""
    return _autocast(x, int_dtypes)


def autocast_float(x: Any) -> Any:
    """`x` as an array of float32 if that is exact, else float64; see ``config.cast_policy``."""
    return _autocast(x, _float_candidates)


# The dtypes that Python floats may take, in the order in which they are tried.
_float_candidates: tuple[str, ...] = float_dtypes


class autocast_float_as:
    """A ``with`` block in which Python floats take one of the given dtypes, exact or not.

    ``with autocast_float_as('float32'): x + 1.1`` keeps a float32 `x` float32. The last dtype is
    taken if none is exact. ValueError for dtypes that are not floating.
    """

    def __init__(self, *dtypes: str) -> None:
        if not dtypes or any(d not in float_dtypes for d in dtypes):
            raise ValueError(f"autocast_float_as takes floating dtypes, got {dtypes}")
        self.dtypes = dtypes

    def __enter__(self) -> None:
        self._set(self.dtypes)

    def __exit__(self, *args: object) -> None:
        self._set(self._old)

    def _set(self, dtypes: tuple[str, ...]) -> None:
        global _float_candidates
        self._old, _float_candidates = _float_candidates, dtypes
        _core.forget_numbers()


def convert(x: Any, dtype: Any = None) -> Any:
    """`x`, a number, list or array, as the ndarray that it means in an expression."""
    x = exchanged(x)
    if dtype is not None:
        return asarray(x, dtype)
    if isinstance(x, np.ndarray):
        return np.asarray(x) if isinstance(x, np.matrix) else x
    if isinstance(x, (int, np.integer)):
        try:
            return autocast_int(x)
        except OverflowError:
            return np.asarray(x, dtype="uint64")
    if isinstance(x, float):
        return autocast_float(x)
    value = np.asarray(x)
    if value.size == 0 and not hasattr(x, "dtype"):
        value = value.astype(config.floatX)
    return value

"""Dtypes and their rules, under the names of ``theano.scalar``."""

from __future__ import annotations

import importlib
from typing import Any

from phintys.scalar.dtypes import (
    autocast_float,
    autocast_float_as,
    autocast_int,
    complex_dtypes,
    continuous_dtypes,
    convert,
    discrete_dtypes,
    float_dtypes,
    int_dtypes,
    integer_dtypes,
    uint_dtypes,
    upcast,
)
from phintys.scalar.ops import upgrade_to_float


def __getattr__(name: str) -> Any:
    # Scalar ops and types know of tensors, which know of this package: found when asked for.
    if name in ("basic", "basic_scipy", "sharedvar"):
        return importlib.import_module(f"phintys.scalar.{name}")
    if not name.startswith("__"):
        basic = importlib.import_module("phintys.scalar.basic")
        if hasattr(basic, name):
            return getattr(basic, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "autocast_float",
    "autocast_float_as",
    "autocast_int",
    "complex_dtypes",
    "continuous_dtypes",
    "convert",
    "discrete_dtypes",
    "float_dtypes",
    "int_dtypes",
    "integer_dtypes",
    "uint_dtypes",
    "upcast",
    "upgrade_to_float",
]

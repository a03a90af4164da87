"""Dtypes and their rules, under the names of ``theano.scalar``."""

from __future__ import annotations

from phintys.scalar.dtypes import (
    autocast_float,
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
    upgrade_to_float,
)

__all__ = [
    "autocast_float",
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

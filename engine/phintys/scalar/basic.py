"""``theano.scalar.basic``: dtype rules, types of rank 0, and scalar ops.

Names of elementwise functions (``exp``, ``add``) are scalar ops here, not functions of tensors;
their classes (``Exp``, ``Add``) are there too.
"""

from __future__ import annotations

from typing import Any

from phintys.scalar import dtypes as _dtypes
from phintys.scalar import ops as _ops
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
from phintys.scalar.expressions import Composite, InRange, inclosedrange, inopenrange
from phintys.scalar.ops import (
    BinaryScalarOp,
    FixedLogicalComparison,
    LogicalComparison,
    ScalarOp,
    UnaryScalarOp,
    as_scalar,
    constant,
    float_out,
    int_out,
    real_out,
    same_out,
    same_out_nocomplex,
    upcast_out,
    upgrade_to_float,
    upgrade_to_float64,
    upgrade_to_float_no_complex,
)

_by_dtype = _ops.scalar_types()


def get_scalar_type(dtype: str) -> Any:
    """The type of rank 0 of `dtype`."""
    return _by_dtype[dtype]


Scalar = get_scalar_type
int_types = tuple(_by_dtype[d] for d in _dtypes.int_dtypes)
uint_types = tuple(_by_dtype[d] for d in _dtypes.uint_dtypes)
float_types = tuple(_by_dtype[d] for d in _dtypes.float_dtypes)
complex_types = tuple(_by_dtype[d] for d in _dtypes.complex_dtypes)
integer_types = int_types + uint_types
discrete_types = (_by_dtype["bool"], *integer_types)
continuous_types = float_types + complex_types
all_types = discrete_types + continuous_types

_ops_by_name = {**{c.__name__: c for c in _ops.CLASSES.values()}, **_ops.INSTANCES}
globals().update(_ops_by_name)
globals().update(_by_dtype)

__all__ = [
    *_by_dtype,
    *_ops_by_name,
    "BinaryScalarOp",
    "FixedLogicalComparison",
    "LogicalComparison",
    "Scalar",
    "ScalarOp",
    "UnaryScalarOp",
    "all_types",
    "as_scalar",
    "Composite",
    "InRange",
    "autocast_float",
    "autocast_float_as",
    "autocast_int",
    "complex_dtypes",
    "complex_types",
    "constant",
    "continuous_dtypes",
    "continuous_types",
    "convert",
    "discrete_dtypes",
    "discrete_types",
    "float_dtypes",
    "float_out",
    "float_types",
    "get_scalar_type",
    "int_dtypes",
    "int_out",
    "inclosedrange",
    "inopenrange",
    "int_types",
    "real_out",
    "integer_dtypes",
    "integer_types",
    "same_out",
    "same_out_nocomplex",
    "uint_dtypes",
    "uint_types",
    "upcast",
    "upcast_out",
    "upgrade_to_float",
    "upgrade_to_float64",
    "upgrade_to_float_no_complex",
]
__all__ = list(dict.fromkeys(__all__))

"""Theano's op classes of reductions: callables that build the expression.

``isinstance(node.op, Sum)`` is true for a node that computes a sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.tensor import reduction
from phintys.tensor.conversion import as_tensor_variable

__all__ = [
    "All",
    "Argmax",
    "CAReduce",
    "CAReduceDtype",
    "MaxAndArgmax",
    "Mean",
    "Prod",
    "ProdWithoutZeros",
    "Sum",
]

_OF_SCALAR_OPS = {
    "add": "sum", "mul": "prod", "maximum": "max", "minimum": "min", "and_": "all", "or_": "any",
}  # fmt: skip


class _Kind(type):
    """Classes whose instances include the library's own ops of the same kind."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        kinds = getattr(cls, "kinds", ())
        name = getattr(instance, "name", None)
        if name == "reduce":
            return instance.attrs["kind"] in kinds
        return name == "argreduce" and instance.attrs["is_max"] and "argmax" in kinds


class CAReduce(metaclass=_Kind):
    """``CAReduce(scalar_op, axis)(x)``: `x` reduced by an associative elementwise function."""

    kinds: tuple[str, ...] = ("sum", "prod", "max", "min", "all", "any")

    def __init__(self, scalar_op: Any, axis: Any = None) -> None:
        name = str(getattr(scalar_op, "name", None) or getattr(scalar_op, "__name__", scalar_op))
        if name not in _OF_SCALAR_OPS:
            raise PhintysTypeError(
                f"CAReduce: {name} is none of the functions {sorted(_OF_SCALAR_OPS)}"
            )
        self.scalar_op, self.axis = scalar_op, axis
        self._function = getattr(reduction, _OF_SCALAR_OPS[name])

    def __call__(self, x: Any) -> Any:
        return self._function(x, axis=self.axis)


class CAReduceDtype(CAReduce):
    """A :class:`CAReduce` with the dtypes of the result and of the accumulation."""

    kinds: tuple[str, ...] = ("sum", "prod")

    def __init__(
        self, scalar_op: Any, axis: Any = None, dtype: Any = None, acc_dtype: Any = None
    ) -> None:
        super().__init__(scalar_op, axis)
        self.dtype, self.acc_dtype = dtype, acc_dtype

    def __call__(self, x: Any) -> Any:
        return self._function(x, axis=self.axis, dtype=self.dtype, acc_dtype=self.acc_dtype)


class Sum(CAReduceDtype):
    """``Sum(axis, dtype, acc_dtype)(x)``."""

    kinds = ("sum",)

    def __init__(self, axis: Any = None, dtype: Any = None, acc_dtype: Any = None) -> None:
        super().__init__("add", axis, dtype, acc_dtype)


class Prod(CAReduceDtype):
    """``Prod(axis, dtype, acc_dtype)(x)``."""

    kinds = ("prod",)

    def __init__(
        self,
        axis: Any = None,
        dtype: Any = None,
        acc_dtype: Any = None,
        no_zeros_in_input: bool = False,
    ) -> None:
        super().__init__("mul", axis, dtype, acc_dtype)
        self.no_zeros_in_input = no_zeros_in_input


class ProdWithoutZeros(CAReduceDtype):
    """The product of the elements that are not 0."""

    kinds = ()

    def __init__(self, axis: Any = None, dtype: Any = None, acc_dtype: Any = None) -> None:
        super().__init__("mul", axis, dtype, acc_dtype)

    def __call__(self, x: Any) -> Any:
        x = as_tensor_variable(x)
        one = _core.constant(np.ones((), x.dtype), None)
        zero = _core.elemwise("eq", x, _core.constant(np.zeros((), x.dtype), None))
        return super().__call__(_core.elemwise("switch", zero, one, x))


class All(CAReduce):
    """``All(axis)(x)``."""

    kinds = ("all",)

    def __init__(self, axis: Any = None) -> None:
        super().__init__("and_", axis)


class Mean(metaclass=_Kind):
    """``Mean(axis)(x)``."""

    def __init__(self, axis: Any = None) -> None:
        self.axis = axis

    def __call__(self, x: Any) -> Any:
        return reduction.mean(x, axis=self.axis)


class MaxAndArgmax(metaclass=_Kind):
    """``MaxAndArgmax(axis)(x)``: the pair of both; `axis` is a list of axes."""

    def __init__(self, axis: Any) -> None:
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis

    def __call__(self, x: Any) -> list[Any]:
        return list(reduction.max_and_argmax(x, self.axis))


class Argmax(metaclass=_Kind):
    """``Argmax(axis)(x)``."""

    kinds = ("argmax",)

    def __init__(self, axis: Any) -> None:
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis

    def __call__(self, x: Any) -> Any:
        return reduction.argmax(x, self.axis)

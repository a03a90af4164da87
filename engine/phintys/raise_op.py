"""Assertions in graphs."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.tensor.conversion import as_tensor_variable

__all__ = ["Assert", "assert_op"]


class Assert:
    """``Assert(msg)(value, *conditions)``: `value`, after checking that all conditions are true.

    A condition is a scalar variable; AssertionError with `msg` when the function runs and one is 0.

    >>> import phintys.tensor as T
    >>> x = T.dscalar('x')
    >>> float(Assert('x must be positive')(x, x > 0).eval({x: 2.0}))
    2.0
    """

    def __init__(self, msg: str = "Phintys Assert failed!") -> None:
        self.msg = msg

    def __call__(self, value: Any, *conditions: Any) -> Any:
        return check(value, conditions, self.msg)


def check(value: Any, conditions: Any, message: str, value_error: bool = False) -> Any:
    """`value` after a check of scalar conditions: AssertionError, or ValueError, if one is 0."""
    scalars = []
    for condition in conditions:
        condition = as_tensor_variable(condition)
        if condition.ndim:
            raise PhintysTypeError(
                f"Assert: conditions must be scalars, got {condition} of {condition.type}"
            )
        scalars.append(_core.cast(condition, "bool"))
    inputs = [as_tensor_variable(value), *scalars]
    return _core.apply("assert", inputs, msg=message, value_error=value_error)


assert_op = Assert()

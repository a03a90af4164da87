"""Variables whose gradient is changed, and gradients that do not exist.

Each function here returns its operand; only what :func:`phintys.grad` makes of it differs. The
classes are Theano's: ``GradClip(-1, 1)(x)``, ``isinstance(node.op, ZeroGrad)``.
"""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.op_classes import OpClass
from phintys.tensor.type import NullType

__all__ = [
    "ConsiderConstant",
    "DisconnectedGrad",
    "GradClip",
    "GradScale",
    "UndefinedGrad",
    "ZeroGrad",
    "consider_constant",
    "consider_constant_",
    "disconnected_grad",
    "disconnected_grad_",
    "grad_clip",
    "grad_not_implemented",
    "grad_scale",
    "grad_undefined",
    "undefined_grad",
    "zero_grad",
    "zero_grad_",
]


def consider_constant(x: Any) -> Any:
    """`x`, whose gradient is zero: an expression through it counts as constant."""
    return _core.apply("consider_constant", [as_tensor_variable(x)])


def zero_grad(x: Any) -> Any:
    """`x`, whose gradient is zero but connected."""
    return _core.apply("zero_grad", [as_tensor_variable(x)])


def undefined_grad(x: Any) -> Any:
    """`x`, whose gradient is undefined: a gradient that passes through it is NullTypeGradError."""
    return _core.apply("undefined_grad", [as_tensor_variable(x)])


def disconnected_grad(x: Any) -> Any:
    """`x`, through which no gradient is propagated: what lies behind it is disconnected."""
    return _core.apply("disconnected_grad", [as_tensor_variable(x)])


def grad_clip(x: Any, lower_bound: float, upper_bound: float) -> Any:
    """`x`, whose gradient is clipped to ``[lower_bound, upper_bound]``.

    ValueError if the bounds are in wrong order.
    """
    lower, upper = float(lower_bound), float(upper_bound)
    if lower > upper:
        raise PhintysValueError(f"grad_clip: the bounds {lower} and {upper} are in wrong order")
    return _core.apply("grad_clip", [as_tensor_variable(x)], low=lower, high=upper)


def grad_scale(x: Any, multiplier: float) -> Any:
    """`x`, whose gradient is multiplied by a number."""
    return _core.apply("grad_scale", [as_tensor_variable(x)], factor=float(multiplier))


class ConsiderConstant(metaclass=OpClass):
    """``ConsiderConstant()(x)``: see :func:`consider_constant`."""

    op_names = ("consider_constant",)

    def __call__(self, x: Any) -> Any:
        return consider_constant(x)


class ZeroGrad(metaclass=OpClass):
    """``ZeroGrad()(x)``: see :func:`zero_grad`."""

    op_names = ("zero_grad",)

    def __call__(self, x: Any) -> Any:
        return zero_grad(x)


class UndefinedGrad(metaclass=OpClass):
    """``UndefinedGrad()(x)``: see :func:`undefined_grad`."""

    op_names = ("undefined_grad",)

    def __call__(self, x: Any) -> Any:
        return undefined_grad(x)


class DisconnectedGrad(metaclass=OpClass):
    """``DisconnectedGrad()(x)``: see :func:`disconnected_grad`."""

    op_names = ("disconnected_grad",)

    def __call__(self, x: Any) -> Any:
        return disconnected_grad(x)


class GradClip(metaclass=OpClass):
    """``GradClip(lower, upper)(x)``: see :func:`grad_clip`."""

    op_names = ("grad_clip",)

    def __init__(self, clip_lower_bound: float, clip_upper_bound: float) -> None:
        self.clip_lower_bound, self.clip_upper_bound = clip_lower_bound, clip_upper_bound

    def __call__(self, x: Any) -> Any:
        return grad_clip(x, self.clip_lower_bound, self.clip_upper_bound)


class GradScale(metaclass=OpClass):
    """``GradScale(multiplier)(x)``: see :func:`grad_scale`."""

    op_names = ("grad_scale",)

    def __init__(self, multiplier: float) -> None:
        self.multiplier = multiplier

    def __call__(self, x: Any) -> Any:
        return grad_scale(x, self.multiplier)


consider_constant_ = ConsiderConstant()
zero_grad_ = ZeroGrad()
disconnected_grad_ = DisconnectedGrad()


def _no_gradient(op: Any, x_pos: int, x: Any, why: str, comment: str) -> Any:
    text = (
        "This variable is Null because the grad method for "
        f"input {x_pos} ({x}) of the {op} op is {why}."
    )
    return NullType(f"{text} {comment}" if comment else text)()


def grad_not_implemented(op: Any, x_pos: int, x: Any, comment: str = "") -> Any:
    """What the gradient method of an op returns for an input it has no formula for.

    A variable of null type; a gradient that needs it raises NullTypeGradError with the text.
    """
    return _no_gradient(op, x_pos, x, "not implemented", comment)


def grad_undefined(op: Any, x_pos: int, x: Any, comment: str = "") -> Any:
    """What the gradient method of an op returns for an input that has no derivative.

    A variable of null type; a gradient that needs it raises NullTypeGradError with the text.
    """
    return _no_gradient(op, x_pos, x, "mathematically undefined", comment)

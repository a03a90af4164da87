"""Activation functions."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.scalar.dtypes import discrete_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import function_named

__all__ = [
    "elu",
    "gelu",
    "hard_sigmoid",
    "leaky_relu",
    "mish",
    "relu",
    "relu6",
    "scalar_sigmoid",
    "scalar_softplus",
    "selu",
    "sigmoid",
    "sigmoid_inplace",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "ultra_fast_sigmoid",
]

clip, erfc, expm1 = function_named("clip"), function_named("erfc"), function_named("expm1")
minimum, switch, tanh = function_named("minimum"), function_named("switch"), function_named("tanh")
sigmoid, softplus = function_named("sigmoid"), function_named("softplus")
# Computing in place is the runtime's business.
sigmoid_inplace = scalar_sigmoid = sigmoid
scalar_softplus = softplus


def _floating(x: Any) -> Any:
    x = as_tensor_variable(x)
    return _core.cast(x, "float64") if x.dtype in discrete_dtypes else x


def _number(value: float, x: Any) -> Any:
    """`value` in the dtype of `x`: a literal of more digits would make float32 a float64."""
    return _core.cast(as_tensor_variable(value), x.dtype)


def relu(x: Any, alpha: Any = 0) -> Any:
    """``max(x, 0)``, or with `alpha` ``alpha * x`` for negative x; the derivative at 0 is the mean.

    `alpha` is a number or a tensor that broadcasts against `x`.
    """
    x = as_tensor_variable(x)
    magnitude = _core.elemwise("abs_", x)
    if isinstance(alpha, (int, float)) and alpha == 0:
        return 0.5 * (x + magnitude)
    alpha = as_tensor_variable(alpha)
    f1 = 0.5 * (1 + alpha)
    f2 = 0.5 * (1 - alpha)
    return f1 * x + f2 * magnitude


def leaky_relu(x: Any, alpha: float = 0.01) -> Any:
    """``x`` where positive, else ``alpha * x``: :func:`relu` with a slope."""
    x = _floating(x)
    return relu(x, _number(alpha, x))


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``."""
    return clip(as_tensor_variable(x), 0, 6)


def elu(x: Any, alpha: Any = 1) -> Any:
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""
    x = as_tensor_variable(x)
    # The branch that is not taken must be finite, or its derivative times 0 is NaN.
    return switch(x > 0, x, alpha * expm1(minimum(x, 0)))


def selu(x: Any) -> Any:
    """The scaled :func:`elu` of self-normalising networks (Klambauer et al., 2017)."""
    alpha = 1.6732632423543772848170429916717
    scale = 1.0507009873554804934193349852946
    return scale * elu(x, alpha)


def gelu(x: Any, approximate: bool = False) -> Any:
    """``x * Phi(x)`` with the distribution function of the normal (Hendrycks and Gimpel, 2016).

    `approximate` takes ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`` instead.
    """
    x = _floating(x)
    half = _number(0.5, x)
    if approximate:
        inner = _number(0.7978845608028654, x) * (x + _number(0.044715, x) * x * x * x)
        return half * x * (1 + tanh(inner))
    return half * x * erfc(-x * _number(0.7071067811865476, x))


def silu(x: Any) -> Any:
    """``x * sigmoid(x)``."""
    x = as_tensor_variable(x)
    return x * sigmoid(x)


def swish(x: Any, beta: Any = 1) -> Any:
    """``x * sigmoid(beta * x)``."""
    x = as_tensor_variable(x)
    return silu(x) if isinstance(beta, (int, float)) and beta == 1 else x * sigmoid(beta * x)


def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))``."""
    x = as_tensor_variable(x)
    return x * tanh(softplus(x))


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    x = as_tensor_variable(x)
    return x / (1.0 + _core.elemwise("abs_", x))


def hard_sigmoid(x: Any) -> Any:
    """The piecewise linear approximation ``clip(0.2 * x + 0.5, 0, 1)`` of the sigmoid."""
    x = as_tensor_variable(x)
    kind = "float32" if x.dtype in ("float16", "float32") else "float64"
    slope = _core.cast(as_tensor_variable(0.2), kind)
    shift = _core.cast(as_tensor_variable(0.5), kind)
    return clip(x * slope + shift, 0, 1)


def ultra_fast_sigmoid(x: Any) -> Any:
    """The sigmoid: the exact one is fast enough."""
    return sigmoid(x)

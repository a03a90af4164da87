"""Functions of the stored elements of sparse matrices.

``sin(x)`` and the other functions with f(0) = 0 are the functions of the whole matrix;
``structured_exp(x)`` and the like are functions of the stored elements only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import phintys.tensor as T
from phintys.sparse.variable import SparseVariable

__all__ = [
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "ceil",
    "conj",
    "deg2rad",
    "expm1",
    "floor",
    "log1p",
    "rad2deg",
    "rint",
    "sgn",
    "sin",
    "sinh",
    "sqr",
    "sqrt",
    "structured_add",
    "structured_exp",
    "structured_log",
    "structured_maximum",
    "structured_minimum",
    "structured_monoid",
    "structured_pow",
    "structured_sigmoid",
    "tan",
    "tanh",
    "trunc",
]


def _sparse(x: Any) -> SparseVariable:
    from phintys.sparse.basic import as_sparse_variable

    return as_sparse_variable(x)


def structured_monoid(tensor_op: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the function applies `tensor_op` to the stored elements of its first argument.

    Further arguments are passed on. The body of the decorated function is not used.
    """

    def decorate(f: Any) -> Any:
        def apply(x: Any, *args: Any) -> Any:
            x = _sparse(x)
            return x.with_data(tensor_op(x.parts.data, *args))

        apply.__name__ = apply.__qualname__ = f.__name__
        apply.__doc__ = f.__doc__
        return apply

    return decorate


def _function(name: str, tensor_op: Callable[..., Any], text: str) -> Callable[..., Any]:
    def apply(x: Any, *args: Any) -> Any:
        x = _sparse(x)
        return x.with_data(tensor_op(x.parts.data, *args))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = text
    return apply


def _of_all(name: str, tensor_name: str = "") -> Callable[..., Any]:
    tensor_op = getattr(T, tensor_name or name)
    return _function(
        name,
        tensor_op,
        f"``tensor.{tensor_name or name}`` of a sparse matrix: sparse, as f(0) = 0.",
    )


def _of_stored(name: str, tensor_op: Callable[..., Any], formula: str) -> Callable[..., Any]:
    return _function(name, tensor_op, f"``{formula}`` of the stored elements of a sparse matrix.")


arcsin = _of_all("arcsin")
arcsinh = _of_all("arcsinh")
arctan = _of_all("arctan")
arctanh = _of_all("arctanh")
ceil = _of_all("ceil")
conj = _of_all("conj")
deg2rad = _of_all("deg2rad")
expm1 = _of_all("expm1")
floor = _of_all("floor")
log1p = _of_all("log1p")
rad2deg = _of_all("rad2deg")
rint = _of_all("rint", "round_half_to_even")
sgn = _of_all("sgn")
sin = _of_all("sin")
sinh = _of_all("sinh")
sqr = _of_all("sqr")
sqrt = _of_all("sqrt")
tan = _of_all("tan")
tanh = _of_all("tanh")
trunc = _of_all("trunc")

structured_exp = _of_stored("structured_exp", T.exp, "exp(x)")
structured_log = _of_stored("structured_log", T.log, "log(x)")
structured_sigmoid = _of_stored("structured_sigmoid", T.nnet.sigmoid, "1 / (1 + exp(-x))")
structured_pow = _of_stored("structured_pow", T.pow, "x ** y")
structured_add = _of_stored("structured_add", T.add, "x + y")
structured_minimum = _of_stored("structured_minimum", T.minimum, "minimum(x, y)")
structured_maximum = _of_stored("structured_maximum", T.maximum, "maximum(x, y)")

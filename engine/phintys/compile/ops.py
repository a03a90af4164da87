"""``theano.compile.ops``: Python functions, copies, shapes, and checks of shapes, as ops."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.gof.op import Op
from phintys.tensor.op_classes import OpClass, Rebroadcast, Shape, SpecifyShape
from phintys.tensor.shape import shape, specify_shape
from phintys.tensor.type import TensorType

__all__ = [
    "DeepCopyOp",
    "FromFunctionOp",
    "Rebroadcast",
    "Shape",
    "Shape_i",
    "SpecifyShape",
    "ViewOp",
    "as_op",
    "deep_copy_op",
    "shape",
    "shape_i",
    "specify_shape",
    "view_op",
    "wrap_py",
]

_scalar = TensorType("float64", ())()
# Ops of the graph: usable in ``Apply(view_op, inputs=[x], outputs=[y])``, and callable.
view_op: Any = _core.elemwise("identity", _scalar).owner.op
deep_copy_op: Any = _core.apply("deep_copy", [_scalar]).owner.op


class ViewOp(metaclass=OpClass):
    """``ViewOp()(x)``: a variable of the value of `x`."""

    op_names = ("identity",)

    def __call__(self, x: Any) -> Any:
        return view_op(x)


class DeepCopyOp(metaclass=OpClass):
    """``DeepCopyOp()(x)``: a copy of `x` in memory of its own."""

    op_names = ("deep_copy",)

    def __call__(self, x: Any) -> Any:
        return deep_copy_op(x)


class Shape_i:
    """``Shape_i(i)(x)``: the length of dimension `i` of `x`, an int64 scalar."""

    def __init__(self, i: int) -> None:
        self.i = int(i)

    def __call__(self, x: Any) -> Any:
        return shape(x)[self.i]


def shape_i(var: Any, i: int, fgraph: Any = None) -> Any:
    """The length of dimension `i` of `var`, an int64 scalar. `fgraph` has no effect."""
    return shape(var)[i]


class FromFunctionOp(Op):
    """The op that runs a Python function of NumPy arrays; :func:`as_op` makes it.

    Two are equal if their functions are.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        itypes: Sequence[Any],
        otypes: Sequence[Any],
        infer_shape: Callable[..., Any] | None = None,
    ) -> None:
        self._fn = fn
        self.itypes = list(itypes)
        self.otypes = list(otypes)
        if infer_shape is not None:
            self.infer_shape = infer_shape

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and bool(self._fn == other._fn)

    def __hash__(self) -> int:
        return hash((type(self), self._fn))

    def __str__(self) -> str:
        return f"FromFunctionOp{{{getattr(self._fn, '__name__', self._fn)}}}"

    __repr__ = __str__

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        results = self._fn(*inputs)
        if not isinstance(results, (list, tuple)):
            results = (results,)
        if len(results) != len(output_storage):
            raise PhintysValueError(
                f"{self}: the function returned {len(results)} values, not {len(output_storage)}"
            )
        for cell, result in zip(output_storage, results, strict=True):
            cell[0] = result

    def __reduce__(self) -> Any:
        # A decorated function stands for its op under its own name.
        module, name = self._fn.__module__, getattr(self._fn, "__qualname__", "")
        try:
            if _by_name(module, name) is self:
                return _by_name, (module, name)
        except (KeyError, AttributeError):
            pass
        infer_shape = self.__dict__.get("infer_shape")
        return type(self), (self._fn, self.itypes, self.otypes, infer_shape)


def _by_name(module: str, name: str) -> Any:
    """What a qualified name stands for in a module."""
    __import__(module)
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _types(types: Any, what: str) -> list[Any]:
    types = list(types) if isinstance(types, (list, tuple)) else [types]
    if any(not isinstance(t, _core.Type) for t in types):
        raise PhintysTypeError(f"{what} has to be a list of Theano types")
    return types


def as_op(
    itypes: Any, otypes: Any, infer_shape: Callable[..., Any] | None = None
) -> Callable[[Callable[..., Any]], FromFunctionOp]:
    """A decorator that makes an op of a Python function of NumPy arrays.

    Parameters
    ----------
    itypes, otypes
        The type of each argument and of each result: a list, or one type.
    infer_shape
        ``infer_shape(node, input_shapes)`` returns a tuple of lengths for each result.

    >>> import numpy as np
    >>> import phintys
    >>> import phintys.tensor as T
    >>> @as_op(itypes=[T.dvector], otypes=[T.dvector])
    ... def running_sum(x):
    ...     return np.cumsum(x)
    >>> x = T.dvector('x')
    >>> phintys.function([x], running_sum(2 * x))([1, 2, 3])
    array([ 2.,  6., 12.])
    """
    inputs, outputs = _types(itypes, "itypes"), _types(otypes, "otypes")
    if infer_shape is not None and not callable(infer_shape):
        raise PhintysTypeError("infer_shape needs to be a callable")

    def make_op(fn: Callable[..., Any]) -> FromFunctionOp:
        return FromFunctionOp(fn, inputs, outputs, infer_shape)

    return make_op


wrap_py = as_op

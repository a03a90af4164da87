"""Ops written in Python, and test values.

An op is a subclass of :class:`Op` with ``make_node``, or ``itypes`` and ``otypes``, and with
``perform``; docs/own_ops.md has a template.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import (
    MethodNotDefined,
    PhintysNotImplementedError,
    PhintysTypeError,
    PhintysValueError,
    ShapeError,
)
from phintys.gof.graph import Apply, Constant

__all__ = [
    "COp",
    "MethodNotDefined",
    "Op",
    "OpenMPOp",
    "PureOp",
    "get_test_value",
]


def _own_methods(cls: type, props: tuple[str, ...]) -> None:
    """Equality, hash and text by the values of `props`, where the class has none of its own."""

    def values(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in props)

    def equal(self: Any, other: Any) -> bool:
        return type(self) is type(other) and bool(values(self) == values(other))

    def hashed(self: Any) -> int:
        return hash((type(self), values(self)))

    def text(self: Any) -> str:
        if not props:
            return type(self).__name__
        return f"{type(self).__name__}{{{', '.join(f'{n}={getattr(self, n)!r}' for n in props)}}}"

    methods: dict[str, Any] = {"_props": values, "__eq__": equal, "__hash__": hashed}
    methods["_props_dict"] = lambda self: dict(zip(props, values(self), strict=True))
    methods["__str__"] = methods["__repr__"] = text
    # A class that says what is equal says what a hash is too: Python has made that None.
    own = dict(cls.__dict__)
    if own.get("__hash__") is None:
        own.pop("__hash__", None)
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)


class MetaOp(type):
    """Gives classes with ``__props__`` equality, hash and text by those attributes."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        props = getattr(cls, "__props__", None)
        if props is None:
            return
        if not isinstance(props, tuple):
            raise PhintysTypeError("__props__ has to be a tuple")
        if not all(isinstance(p, str) for p in props):
            raise PhintysTypeError("elements of __props__ have to be strings")
        _own_methods(cls, props)

    def __instancecheck__(cls, instance: Any) -> bool:
        # The library's own ops are ops as well, of no class written in Python.
        if cls is Op and isinstance(instance, _core.Op):
            return True
        return super().__instancecheck__(instance)


class Op(metaclass=MetaOp):
    """Base of ops written in Python.

    A subclass defines

    - ``make_node(self, *inputs)``, which returns ``Apply(self, inputs, outputs)``; or the class
      attributes ``itypes`` and ``otypes``, lists of types;
    - ``perform(self, node, inputs, output_storage)``, which computes NumPy arrays from NumPy arrays
      and stores them in ``output_storage[i][0]``;

    and may define

    - ``grad(self, inputs, output_grads)`` or ``L_op(self, inputs, outputs, output_grads)``: one
      gradient per input;
    - ``R_op(self, inputs, eval_points)``: the product of the Jacobian with `eval_points`;
    - ``infer_shape(self, node, input_shapes)``: shapes of the outputs; a graph that needs no
      more than these does not run the op;
    - ``connection_pattern(self, node)``: for each input, whether each output depends on it;
    - ``__props__``: names of the attributes that make two instances equal. Without it, and without
      an ``__eq__`` of its own, an instance is equal to itself alone;
    - ``view_map``, ``destroy_map``: which inputs outputs may lie in, or overwrite. Arrays given to
      ``perform`` are its own in any case, so that neither is a matter of correctness here;
    - ``default_output``: the index of the output that a call returns, if there are several.
    """

    __props__: ClassVar[Any]
    default_output: int | None = None
    view_map: ClassVar[Any] = {}
    destroy_map: ClassVar[Any] = {}
    itypes: Any = None
    otypes: Any = None
    params_type: Any = None

    def make_node(self, *inputs: Any) -> Any:
        """The application to `inputs`, whose types must be ``itypes``."""
        if self.itypes is None or self.otypes is None:
            raise PhintysNotImplementedError(
                "You can either define itypes and otypes, or implement make_node"
            )
        if len(inputs) != len(self.itypes):
            raise PhintysValueError(f"We expected {len(self.itypes)} inputs but got {len(inputs)}.")
        operands = [
            x if isinstance(x, _core.Variable) else t.filter_variable(x)
            for x, t in zip(inputs, self.itypes, strict=True)
        ]
        if any(x.type != t for x, t in zip(operands, self.itypes, strict=True)):
            raise PhintysTypeError(
                f"We expected inputs of types '{list(self.itypes)}' but got types "
                f"'{[x.type for x in operands]}'"
            )
        return Apply(self, operands, [t() for t in self.otypes])

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """Applies the op: its output, or a list of several.

        `return_list` asks for a list in any case; `name` names the output. Other arguments go to
        ``make_node``.
        """
        return_list = kwargs.pop("return_list", False)
        name = None
        if "name" in kwargs and "name" not in inspect.signature(self.make_node).parameters:
            name = kwargs.pop("name")
        node = self.make_node(*inputs, **kwargs)
        if not isinstance(node, _core.Apply):
            raise PhintysTypeError(f"{self}.make_node must return an Apply, not {node!r}")
        node._locate()
        outputs = list(node.outputs)
        if config.compute_test_value != "off":
            for output in outputs:
                _core.built(output)
        if self.default_output is not None:
            outputs = [outputs[self.default_output]]
        if name is not None:
            if len(outputs) != 1:
                raise PhintysValueError(f"{self}: name= is for ops of one output")
            outputs[0].name = name
        return outputs if return_list or len(outputs) != 1 else outputs[0]

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: Sequence[Any]) -> None:
        """Computes the outputs; see the class."""
        raise MethodNotDefined(f"perform of {type(self).__name__}")

    def L_op(
        self, inputs: Sequence[Any], outputs: Sequence[Any], output_grads: Sequence[Any]
    ) -> Any:
        """Gradients with respect to `inputs`; by default those of ``grad``."""
        return self.grad(inputs, output_grads)  # type: ignore[attr-defined]

    def R_op(self, inputs: Sequence[Any], eval_points: Sequence[Any]) -> Any:
        """The product of the Jacobian with `eval_points`, of which those that are zero are None."""
        raise PhintysNotImplementedError(
            f"{self} of class {type(self).__name__} does not implement R_op."
        )

    def do_constant_folding(self, *args: Any) -> bool:
        """Theano's. Ops written in Python are run by calls only."""
        return True

    def get_params(self, node: Any) -> Any:
        """What ``perform`` gets as fourth argument, if there is a ``params_type``."""
        if hasattr(self.params_type, "get_params"):
            return self.params_type.get_params(self)
        raise MethodNotDefined("get_params")

    def __str__(self) -> str:
        return type(self).__name__

    # --- what the library calls ---------------------------------------------------------------

    def _op_has_shapes(self) -> bool:
        return hasattr(self, "infer_shape")

    def _op_has_tangents(self) -> bool:
        return type(self).R_op is not Op.R_op or "R_op" in getattr(self, "__dict__", ())

    def _op_has_params(self) -> bool:
        return self.params_type is not None

    def _op_params(self, node: Any) -> Any:
        params = self.get_params(node)
        filtered = getattr(self.params_type, "filter", None)
        return params if filtered is None else filtered(params)

    def _op_gradients(self, inputs: list[Any], outputs: list[Any], grads: list[Any]) -> list[Any]:
        """Gradients, checked; None where the op says that an input is disconnected."""
        if type(self).L_op is Op.L_op and not hasattr(self, "grad"):
            from phintys.gradient_ops import grad_not_implemented

            why = "It has neither grad nor L_op."
            return [grad_not_implemented(self, i, x, why) for i, x in enumerate(inputs)]
        terms = self.L_op(inputs, outputs, grads)
        if not isinstance(terms, (list, tuple)):
            raise PhintysTypeError(f"{self}.grad must return a list or tuple, not {terms!r}")
        if len(terms) != len(inputs):
            raise PhintysValueError(
                f"{self} returned the wrong number of gradient terms: {len(terms)} for "
                f"{len(inputs)} inputs."
            )
        return [_gradient_term(self, i, term) for i, term in enumerate(terms)]

    def _op_tangents(self, inputs: list[Any], points: list[Any], n_outputs: int) -> list[Any]:
        """What ``R_op`` returns, checked; None for outputs that do not change."""
        points = [p if p is None else x.type.filter_variable(p) for x, p in _fit(inputs, points)]
        results = self.R_op(inputs, points)
        if not isinstance(results, (list, tuple)):
            results = [results]
        if len(results) != n_outputs:
            raise PhintysValueError(
                f"{self}.R_op returned {len(results)} values for {n_outputs} outputs"
            )
        return [None if _is_disconnected(r) else _variable(r) for r in results]

    def _op_shapes(self, node: Any, shapes: Sequence[Any]) -> list[list[Any]]:
        """What ``infer_shape`` returns as int64 scalars; an empty list where it cannot tell."""
        infer: Any = self.infer_shape  # type: ignore[attr-defined]
        try:
            names = list(inspect.signature(infer).parameters)
            given = (None, node, list(shapes)) if names[:1] == ["fgraph"] else (node, list(shapes))
            found = infer(*given)
        except (NotImplementedError, ShapeError):
            return [[] for _ in node.outputs]
        found = list(found)
        if len(found) != len(node.outputs):
            raise PhintysValueError(
                f"{self}.infer_shape returned {len(found)} shapes for {len(node.outputs)} outputs"
            )
        return [_lengths(self, i, s, node.outputs[i].ndim) for i, s in enumerate(found)]

    def _op_output(self, value: Any, index: int, kind: Any) -> np.ndarray[Any, Any]:
        """A result as an array of the output's type."""
        try:
            return np.asarray(kind.filter(value))
        except (TypeError, ValueError) as e:
            raise PhintysTypeError(
                f"{self}: output {index} of perform must be {kind}, got {_describe(value)}: {e}"
            ) from e


_core.set_python_op_class(Op)


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"an object of class {type(value).__name__}"


def _variable(x: Any) -> Any:
    if isinstance(x, _core.Variable):
        return x
    from phintys.tensor.conversion import as_tensor_variable

    return as_tensor_variable(x)


def _is_disconnected(x: Any) -> bool:
    from phintys.tensor.type import DisconnectedType

    return x is None or (isinstance(x, _core.Variable) and isinstance(x.type, DisconnectedType))


def _fit(inputs: list[Any], points: list[Any]) -> list[tuple[Any, Any]]:
    """Pairs of input and point, whose dtypes are equal."""
    fitted = []
    for x, p in zip(inputs, points, strict=True):
        if p is not None and p.dtype != x.dtype:
            p = _core.cast(p, x.dtype)
        fitted.append((x, p))
    return fitted


def _gradient_term(op: Op, index: int, term: Any) -> Any:
    from phintys.tensor.type import DisconnectedType, NullType

    if term is None:
        raise PhintysTypeError(
            f"{op}.grad returned None for a gradient term, this is prohibited. Instead of None, "
            f"return zeros_like(input), disconnected_type(), or a NullType variable such as those "
            f"made with the grad_undefined or grad_not_implemented helper functions."
        )
    term = _variable(term)
    if isinstance(term.type, DisconnectedType):
        return None
    if isinstance(term.type, NullType):
        return term
    if np.dtype(term.dtype).kind not in "fc":
        raise PhintysTypeError(
            f"{op}.grad illegally returned an integer-valued variable. (Input index {index}, "
            f"dtype {term.dtype})"
        )
    return term


def _lengths(op: Op, index: int, shape: Any, ndim: int) -> list[Any]:
    if shape is None:
        return []
    items = list(shape)
    if len(items) != ndim:
        raise PhintysValueError(
            f"{op}.infer_shape returned {len(items)} lengths for output {index}, which has {ndim} "
            f"dimensions"
        )
    lengths = []
    for item in items:
        length = _variable(item)
        if length.ndim != 0 or np.dtype(length.dtype).kind not in "iub":
            raise PhintysTypeError(
                f"{op}.infer_shape: a length must be an integer scalar, not {length.type}"
            )
        lengths.append(length if length.dtype == "int64" else _core.cast(length, "int64"))
    return lengths


PureOp = Op


class OpenMPOp(Op):
    """Theano's base of ops whose C code uses OpenMP. Here an :class:`Op` like any other."""

    def __init__(self, openmp: Any = None) -> None:
        self.openmp = openmp


class COp(Op):
    """Theano's base of ops written in C. Only ``perform`` is run here."""

    def __init__(self, func_files: Any = (), func_name: str | None = None) -> None:
        self.func_files = [func_files] if isinstance(func_files, str) else list(func_files)
        self.func_name = func_name


def get_test_value(v: Any) -> Any:
    """The value of a constant or shared variable, else ``v.tag.test_value``.

    That of an expression is computed when it is asked for, unless ``config.compute_test_value`` is
    ``'off'``. AttributeError if there is none; ValueError if that is ``'raise'`` and an input of
    the expression has none.
    """
    if not hasattr(v, "owner"):
        return np.asarray(v)
    if isinstance(v, Constant):
        return v.data
    if v.is_shared:
        return v.get_value(borrow=True)
    return v.tag.test_value

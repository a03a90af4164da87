"""Graphs as text: ``debugprint`` and ``pp``; and values of running functions: ``Print``."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysAttributeError, PhintysTypeError, PhintysValueError

__all__ = [
    "Print",
    "debugprint",
    "dprint",
    "min_informative_str",
    "pp",
    "pprint",
    "var_descriptor",
]


def _graph_outputs(obj: Any) -> list[Any]:
    """The variables that an object stands for: a variable, node, function, graph, or a list."""
    if isinstance(obj, _core.Variable):
        return [obj]
    if isinstance(obj, _core.Apply):
        return list(obj.outputs)
    if isinstance(obj, (list, tuple, set)):
        return [v for item in obj for v in _graph_outputs(item)]
    if hasattr(obj, "fn") and hasattr(obj.fn, "graph_outputs"):
        return list(obj.fn.graph_outputs())
    if hasattr(obj, "outputs"):
        return list(obj.outputs)
    raise PhintysTypeError(
        f"debugprint cannot print an object of type {type(obj).__name__}: it needs a variable, an "
        "apply node, a function or a list of them"
    )


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: Any = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
    done: Any = None,
    print_storage: bool = False,
    print_clients: bool = False,
    used_ids: Any = None,
) -> Any:
    """Prints a graph as a tree, each node in full once and then by its id.

    Parameters
    ----------
    obj
        A variable, an apply node, a compiled function (the graph after all passes), or a list.
    depth
        How many levels to print; -1: all.
    print_type
        Print the types too.
    file
        Where to: None for standard output, ``'str'`` to return the text.
    ids
        ``'CHAR'``, ``'int'``, ``'id'`` or ``''``: how nodes are numbered.
    stop_on_name
        Do not go on behind variables that have a name.
    """
    text = _core.debugprint(_graph_outputs(obj), depth, print_type, stop_on_name, ids)
    device = getattr(getattr(obj, "fn", None), "device", "cpu")
    if device != "cpu":
        text = f"on {device}:\n{text}"
    if file == "str":
        return text
    out = sys.stdout if file is None else file
    out.write(text if text.endswith("\n") else text + "\n")
    # None for standard output, or every interactive prompt would show the stream.
    return file


dprint = debugprint

_INFIX = {
    "add": " + ",
    "sub": " - ",
    "mul": " * ",
    "true_div": " / ",
    "int_div": " // ",
    "mod": " % ",
    "pow": " ** ",
    "lt": " < ",
    "le": " <= ",
    "gt": " > ",
    "ge": " >= ",
    "and_": " & ",
    "or_": " | ",
    "xor": " ^ ",
    "dot": " \\dot ",
}


def _leaf(v: Any) -> str:
    return str(v.name or v)


def _node_text(node: Any, parts: list[str]) -> str:
    if not isinstance(node.op, _core.Op):  # written in Python
        return f"{node.op}({', '.join(parts)})"
    name, attrs = node.op.name, node.op.attrs
    if name in _INFIX and len(parts) == 2:
        # As in Theano, every infix expression is in parentheses.
        return f"({_INFIX[name].join(parts)})"
    if name == "neg":
        return f"(-{parts[0]})"
    if name == "dimshuffle":
        order = list(attrs["order"])
        if order == list(range(len(order)))[::-1] and len(order) == 2:
            return f"{parts[0]}.T"
        pattern = ",".join("x" if i < 0 else str(i) for i in order)
        return f"DimShuffle{{{pattern}}}({parts[0]})"
    if name == "second":
        return f"fill({', '.join(parts)})"
    if name == "reduce":
        return f"{str(node.op).replace('acc_dtype=', '')}({parts[0]})"
    text = name if name in _elementwise_names() else str(node.op)
    return f"{text}({', '.join(parts)})"


def _elementwise_names() -> Any:
    from phintys.tensor.elemwise import OPS

    return OPS


def pp(v: Any) -> str:
    """The expression of a variable on one line, with infix operators.

    Subexpressions that are used more than once are written out each time, up to a length of 100,000
    characters, after which they are shortened to their op.

    >>> import phintys.tensor as T
    >>> x, y = T.dscalars('x', 'y')
    >>> pp(x + y * 2)
    '(x + (y * TensorConstant{2}))'
    """
    if hasattr(v, "fn"):
        outputs = _graph_outputs(v)
        return pp(outputs[0]) if len(outputs) == 1 else ", ".join(pp(o) for o in outputs)
    texts: dict[int, str] = {}
    for node in _core.toposort([v]):
        parts = [texts[id(i)] if id(i) in texts else _leaf(i) for i in node.inputs]
        if sum(len(t) for t in parts) > 100000:
            parts = [t if len(t) < 1000 else "..." for t in parts]
        text = _node_text(node, parts)
        for k, out in enumerate(node.outputs):
            if out is not v and out.name:
                texts[id(out)] = out.name
            else:
                texts[id(out)] = text if len(node.outputs) == 1 else f"{text}.{k}"
    return texts[id(v)] if id(v) in texts else _leaf(v)


pprint = pp


def min_informative_str(
    obj: Any, indent_level: int = 0, _prev_obs: Any = None, _tag_generator: Any = None
) -> str:
    """A short text of the graph of a variable."""
    return str(_core.debugprint(_graph_outputs(obj), 4))


def var_descriptor(obj: Any, _prev_obs: Any = None, _tag_generator: Any = None) -> str:
    """A text that tells variables, arrays and other objects apart."""
    if isinstance(obj, _core.Variable):
        return pp(obj)
    if isinstance(obj, np.ndarray):
        from phintys.tensor.utils import hash_from_ndarray

        return f"<ndarray:{hash_from_ndarray(obj)}>"
    return str(obj)


# --- values of running functions ----------------------------------------------------------------


# Two prints are never one, however alike.
_print_numbers = itertools.count(1)


def _print_fn(op: Any, xin: Any) -> None:
    """What a Print does with a value: a line for each attribute."""
    for attr in op.attrs:
        if not hasattr(xin, attr):
            raise PhintysAttributeError(f"Print: {type(xin).__name__} has no attribute '{attr}'")
        value = getattr(xin, attr)
        if callable(value):
            try:
                value = value()
            except Exception as error:  # min() of no elements, methods that need arguments
                raise PhintysValueError(f"Print: {attr}() of {op.message!r}: {error}") from error
        print(op.message, attr, "=", value)


class Print:
    """``Print(message)(x)``: `x`, printed whenever the function computes it.

    Writes a line ``message attribute = value`` for each of `attrs`, names of attributes or of
    methods without arguments of a NumPy array: ``"__str__"`` (the elements), ``"shape"``,
    ``"min"``, ``"mean"``, ``"dtype"``, ... Passes neither merge nor remove a Print of what is
    computed; gradients go through it, and do not print. In a saved function that a program
    without Python runs, the library prints the same to standard output, for the attributes
    ``__str__``, ``shape``, ``ndim``, ``size``, ``dtype``, ``min``, ``max``, ``sum``, ``mean``,
    ``any`` and ``all``.

    Parameters
    ----------
    message
        Starts each line.
    attrs
        What to print of the value.
    global_fn
        Called as ``global_fn(op, value)`` instead, where `op` has the attributes `message` and
        `attrs`. A function of Python cannot be saved.

    >>> import phintys, phintys.tensor as T
    >>> x = T.dvector('x')
    >>> f = phintys.function([x], Print('x is', attrs=('__str__', 'shape'))(x).sum())
    >>> float(f([1, 2]))
    x is __str__ = [1. 2.]
    x is shape = (2,)
    3.0
    """

    def __init__(
        self, message: str = "", attrs: Any = ("__str__",), global_fn: Any = _print_fn
    ) -> None:
        self.message = message
        self.attrs = tuple(attrs)
        self.global_fn = global_fn

    def __call__(self, xin: Any) -> Any:
        from phintys.tensor.conversion import as_tensor_variable

        xin = as_tensor_variable(xin)
        if self.global_fn is not _print_fn:
            return _python_print(self)(xin)
        return _core.apply(
            "print",
            [xin],
            message=self.message,
            attrs=",".join(self.attrs),
            number=next(_print_numbers),
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.message, self.attrs))

    def __str__(self) -> str:
        return f"Print{{message='{self.message}', attrs={self.attrs}}}"


def _python_print(printer: Print) -> Any:
    """An op that calls the printer's function. Equal to no other, so that none is merged away."""
    from phintys.gof.graph import Apply
    from phintys.gof.op import Op

    class PrintWithFunction(Op):
        def make_node(self, xin: Any) -> Any:
            return Apply(self, [xin], [xin.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0]
            printer.global_fn(printer, inputs[0])

        def grad(self, inputs: Any, output_grads: Any) -> Any:
            return output_grads

        def infer_shape(self, node: Any, input_shapes: Any) -> Any:
            return input_shapes

        def __str__(self) -> str:
            return str(printer)

    made: Any = PrintWithFunction
    return made()


def _print_value(message: str, attrs: str, value: Any) -> None:
    _print_fn(Print(message, attrs.split(",")), value)


_core.set_printer(_print_value)

"""From Python objects to variables and back to constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import (
    AsTensorError,
    EmptyConstantError,
    NotScalarConstantError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.scalar import dtypes
from phintys.tensor.type import TensorType
from phintys.tensor.var import TensorConstant, TensorVariable

__all__ = [
    "as_tensor",
    "as_tensor_variable",
    "constant",
    "extract_constant",
    "get_scalar_constant_value",
    "get_scalar_constant_value_elemwises",
    "get_vector_length",
    "numpy_scalar",
]

Variable = _core.Variable

TensorType.Variable = TensorVariable
TensorType.Constant = TensorConstant


def _has_variable(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_has_variable(item) for item in x)
    return isinstance(x, Variable)


def constant(x: Any, name: str | None = None, ndim: int | None = None, dtype: Any = None) -> Any:
    """A constant with the value of `x`: a number, a list or an array.

    A Python number takes the smallest dtype that holds it (see ``config.cast_policy``); an array
    keeps its own. Dimensions of length 1 broadcast. With `ndim`, leading dimensions are added, or
    dropped if their length is 1.

    Raises
    ------
    TypeError
        `x` is not numeric.
    ValueError
        `ndim` is less than the rank of `x`.

    >>> constant(300).dtype, constant(0.5).dtype, constant(0.1).dtype
    ('int16', 'float32', 'float64')
    """
    if isinstance(x, Variable):
        raise PhintysTypeError(f"constant() needs a value, not the variable {x}")
    try:
        value = dtypes.convert(x, dtype)
    except (TypeError, ValueError) as error:
        raise PhintysTypeError(f"Could not convert {x!r} to TensorType: {error}") from error
    if value.dtype.name not in dtypes.DTYPES:
        raise PhintysTypeError(f"Could not convert {x!r} to TensorType", type(x))
    if ndim is not None:
        if value.ndim < ndim:
            value = value.reshape((1,) * (ndim - value.ndim) + value.shape)
        elif value.ndim > ndim:
            raise PhintysValueError(
                f"ndarray could not be cast to constant with {ndim} dimensions: "
                f"its shape is {value.shape}"
            )
    return _core.constant(value, name)


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None) -> Any:
    """`x` as a variable: itself if it is one, a constant, or a stack of a list of variables.

    Parameters
    ----------
    x
        A variable, an apply node with one output, a number, an array, or a (nested) list of those.
    name
        Name of the constant that is made.
    ndim
        Rank of the result: leading dimensions are added, or dropped if known to have length 1.

    Raises
    ------
    AsTensorError
        `x` has no meaning as a tensor (it is a TypeError).
    ValueError
        `x` has more than `ndim` dimensions.
    """
    if isinstance(x, _core.Apply):
        if len(x.outputs) != 1:
            raise PhintysValueError(
                "It is ambiguous which output of a multi-output node has to be fetched.", x
            )
        x = x.outputs[0]
    if isinstance(x, Variable):
        if not isinstance(x.type, _core.TensorType):
            raise AsTensorError(f"Variable type field must be a TensorType: {x} is {x.type}")
        return x if ndim is None or x.ndim == ndim else _with_ndim(x, ndim)
    if hasattr(x, "_as_TensorVariable"):
        return x._as_TensorVariable()
    if isinstance(x, bool):
        raise AsTensorError(
            "Cannot cast True or False as a tensor variable. Please use numpy.array(True) or "
            "numpy.array(False) if you need these constants. This error might be caused by using "
            "the == operator on Variables. v == w does not do what you think it does, use "
            "phintys.tensor.eq(v, w) instead."
        )
    if isinstance(x, (list, tuple)) and _has_variable(x):
        from phintys.tensor.join import stack

        try:
            return as_tensor_variable(stack([as_tensor_variable(item) for item in x]), ndim=ndim)
        except (TypeError, ValueError) as error:
            raise AsTensorError(f"Cannot convert {x} to a tensor: {error}") from error
    try:
        return constant(x, name=name, ndim=ndim)
    except TypeError as error:
        text = repr(x)
        raise AsTensorError(
            f"Cannot convert {text[:200]} to TensorType (it is a {type(x).__name__})"
        ) from error


as_tensor = as_tensor_variable


def _with_ndim(x: Any, ndim: int) -> Any:
    if x.ndim < ndim:
        extra = ndim - x.ndim
        return _core.dimshuffle(x, [-1] * extra + list(range(x.ndim)))
    drop = x.ndim - ndim
    if not all(x.broadcastable[:drop]):
        raise PhintysValueError(
            f"TensorType could not be cast to have {ndim} dimensions: {x} is {x.type}"
        )
    return _core.dimshuffle(x, list(range(drop, x.ndim)))


_core.set_converter(as_tensor_variable)


def get_scalar_constant_value(
    v: Any, elemwise: bool = True, only_process_constants: bool = False, max_recur: int = 10
) -> Any:
    """The value of a constant whose elements are all equal, as a 0-d array.

    Looks through broadcasts, casts and dimension shuffles. Raises NotScalarConstantError (or its
    subclass EmptyConstantError) if `v` is no such constant.
    """
    if v is None:
        raise NotScalarConstantError()
    if isinstance(v, (int, float, np.generic)):
        return np.asarray(v)
    if isinstance(v, np.ndarray):
        v = constant(v)
    if isinstance(v, TensorConstant):
        data = v.data
        if data.size == 0:
            raise EmptyConstantError()
        first = data.flat[0]
        if data.size == 1 or bool((data == first).all()):
            return np.asarray(first)
        raise NotScalarConstantError(f"{v}: the elements differ")
    if isinstance(v, Variable) and not only_process_constants:
        v = _selected(v)
        if isinstance(v, TensorConstant):
            return get_scalar_constant_value(v)
        value = _core.uniform_constant(v)
        if value is not None:
            return np.asarray(value, dtype=v.dtype)
        if elemwise and _is_known(v):
            data = v.eval()
            if data.size and bool((data == data.flat[0]).all()):
                return np.asarray(data.flat[0])
    raise NotScalarConstantError(f"{v} is not a constant")


# More nodes than this are not looked at in search of a constant.
_MOST_NODES = 64


def _is_known(v: Any) -> bool:
    """True iff `v` is computed from a few constants alone."""
    if v.ndim > 1 or v.owner is None:
        return False
    waiting, seen = [v], 0
    while waiting:
        node = waiting.pop().owner
        if node is None:
            return False
        seen += 1
        for x in node.inputs:
            if not (x.is_constant and x.constant_data.size <= 1024):
                waiting.append(x)
        if seen + len(waiting) > _MOST_NODES:
            return False
    return True


def op_name(v: Any) -> str:
    """The library's name of the op that computes `v`; "" for a leaf and for an op in Python."""
    op = v.owner.op if v.owner is not None else None
    return op.name if isinstance(op, _core.Op) else ""


def _selected(v: Any) -> Any:
    """What a constant index takes out of a vector that was put together; `v` itself otherwise."""
    while op_name(v) == "subtensor" and len(v.owner.inputs) == 1:
        x, code = v.owner.inputs[0], list(v.owner.op.attrs["index"])
        # An integer that is a constant: see ops/subtensor.h.
        if x.ndim != 1 or x.owner is None or code[:2] != [0, 1]:
            break
        index, length = code[2], x.static_shape[0]
        if index < 0 and length is not None:
            index += length
        if op_name(x) == "make_vector":
            v = x.owner.inputs[index]
            continue
        part = _joined_part(x.owner, index) if op_name(x) == "join" and index >= 0 else None
        if part is None:
            break
        v = part
    return v


def _joined_part(node: Any, index: int) -> Any:
    """Element `index` of joined vectors, as an element of one of them; None if not known."""
    for part in node.inputs:
        length = part.static_shape[0]
        if length is None:
            return None
        if index < length:
            return constant(part.constant_data[index]) if part.is_constant else part[index]
        index -= length
    return None


# Names of the ops that get_scalar_constant_value looks through.
get_scalar_constant_value_elemwises = ("cast", "second", "dimshuffle", "alloc")


def numpy_scalar(data: Any) -> Any:
    """The value of an array of one element, as a NumPy scalar; EmptyConstantError if it is empty.

    NotScalarConstantError for anything else.
    """
    array = np.asarray(data)
    if array.size == 0:
        raise EmptyConstantError()
    if array.ndim > 0 or array.dtype.kind not in "biufc":
        raise NotScalarConstantError(
            "v.data is non-numeric, non-scalar, or has more than one value"
        )
    return array[()]


def extract_constant(x: Any, elemwise: bool = True, only_process_constants: bool = False) -> Any:
    """The constant value of `x` where it has one, else `x`."""
    try:
        return get_scalar_constant_value(x, elemwise, only_process_constants)
    except NotScalarConstantError:
        return x


def get_vector_length(v: Any) -> int:
    """The length of a vector if it is known; ValueError if not."""
    v = as_tensor_variable(v)
    if v.ndim != 1:
        raise PhintysTypeError(f"argument must be symbolic vector, got '{v}' ({v.type})")
    length = v.static_shape[0]
    if length is None:
        raise PhintysValueError(f"length not known: {v}")
    return int(length)

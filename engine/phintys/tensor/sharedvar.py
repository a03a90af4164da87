"""Shared variables: values that live between calls of functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import _core, plugins
from phintys.errors import PhintysError, PhintysTypeError
from phintys.scalar.dtypes import DTYPES, exchanged
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.type import TensorType
from phintys.tensor.var import TensorConstant, TensorVariable, _tensor_py_operators

__all__ = [
    "ScalarSharedVariable",
    "SharedVariable",
    "TensorSharedVariable",
    "shared",
    "shared_constructor",
    "tensor_constructor",
]


# What surely is no array on a device.
_HOST_VALUES = (np.ndarray, np.generic, bool, int, float, complex, list, tuple)


class _ContainerView:
    """``shared.container``: the value as Theano's container shows it."""

    def __init__(self, variable: Any) -> None:
        self._variable = variable
        self.name = variable.name
        self.type = variable.type
        self.strict = False
        self.allow_downcast = None

    @property
    def data(self) -> Any:
        """The value itself."""
        return self._variable.get_value(borrow=True)

    @data.setter
    def data(self, value: Any) -> None:
        self._variable.set_value(value)

    value = data

    @property
    def storage(self) -> list[Any]:
        """A list with the value."""
        return [self.data]


class TensorSharedVariable(_tensor_py_operators, _core.Variable):
    """A tensor with a value that functions read, and write through ``updates``.

    Made by :func:`phintys.shared`. ``default_update``, if set, is the expression of the value
    after each call of a function that uses the variable.
    """

    default_update: Any

    def __new__(cls, name: Any = None, type: Any = None, value: Any = None, *args: Any) -> Any:
        return _core.shared(type.filter(value), type, name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The object was made complete by __new__.
        pass

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value: a copy, or (`borrow`) the live array, which functions change in place.

        A value on a device (see :attr:`device`) is copied to the host; with `return_internal_type`
        it is a :class:`phintys.cuda.Array`, without a copy if `borrow`.
        """
        return _core.shared_get(self, borrow, return_internal_type)

    @property
    def device(self) -> str:
        """Where the value is: ``"cpu"``, or the device of the function that used it last."""
        return str(_core.shared_device(self))

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replaces the value; with `borrow` the array itself may be used instead of a copy.

        The shape may change, unless the type knows it. TypeError if rank or dtype do not fit. An
        array on a device (phintys.cuda.Array, or another library's) stays there; one of the host is
        copied to the device if the value was on one.
        """
        if not isinstance(new_value, _HOST_VALUES):
            there, new_value = self._device_value(new_value)
            if there is not None:
                _core.shared_set(self, there, borrow)
                return
        strict, downcast = self.__dict__.get("_filter", (False, None))
        try:
            value = self.type.filter(new_value, strict=strict, allow_downcast=downcast)
        except (TypeError, ValueError) as error:
            name = self.name
            raise type(error)(*error.args, f'Container name "{name}"') from error
        if borrow and not (isinstance(value, np.ndarray) and value.flags.writeable):
            borrow = False
        _core.shared_set(self, value, borrow)

    def _device_value(self, value: Any) -> tuple[Any, Any]:
        """(`value` as an array on a device if it is one that fits, what to convert otherwise)."""
        from phintys.device_array import on_device

        found = on_device(value, "")
        if found is None:
            return None, value
        fits = (
            isinstance(self.type, TensorType)
            and found.dtype.name == self.dtype
            and found.ndim == self.ndim
            and all(
                known is None or n == known
                for n, known in zip(found.shape, self.type.shape, strict=True)
            )
        )
        return (found, None) if fits else (None, found.numpy())

    def zero(self, borrow: bool = False) -> None:
        """Sets all elements to 0."""
        value = self.get_value(borrow=True)
        _core.shared_set(self, np.zeros_like(value), True)

    @property
    def value(self) -> Any:
        """Gone since Theano 0.6: always raises."""
        raise PhintysError(
            "sharedvar.value does not exist anymore. Use sharedvar.get_value() or "
            "sharedvar.set_value() instead."
        )

    @value.setter
    def value(self, new_value: Any) -> None:
        raise PhintysError(
            "sharedvar.value does not exist anymore. Use sharedvar.get_value() or "
            "sharedvar.set_value() instead."
        )

    @property
    def container(self) -> _ContainerView:
        """Theano's view of the value."""
        return _ContainerView(self)

    def clone(self, name: str | None = None) -> Any:
        """A shared variable of its own with a copy of the value."""
        result = _core.shared(self.get_value(), self.type, self.name if name is None else name)
        return result

    def filter_update(self, update: Any) -> Any:
        """`update` as a variable that may become the new value."""
        return self.type.filter_variable(update)

    def __copy__(self) -> Any:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        result = self.clone()
        memo[id(self)] = result
        return result

    def __reduce__(self) -> Any:
        state = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        # The attributes come after the variable itself: an update refers to it.
        return _rebuild_shared, (self.get_value(), self.type, self.name), state


def _rebuild_shared(
    value: Any, type: Any, name: str | None, state: dict[str, Any] | None = None
) -> Any:
    variable = _core.shared(value, type, name)
    variable.__dict__.update(state or {})
    return variable


SharedVariable = TensorSharedVariable
ScalarSharedVariable = TensorSharedVariable
TensorType.SharedVariable = TensorSharedVariable

_core.set_classes(
    plain=TensorVariable,
    constant=TensorConstant,
    shared=TensorSharedVariable,
)


def _as_device_value(value: Any) -> tuple[Any, Any]:
    """(`value` if it is an array on a device, of any library; else None, what stands for it)."""
    from phintys.device_array import on_device

    found = on_device(value, "")
    return found, value if found is None else found


def tensor_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[Any] | None = None,
    shape: Sequence[int | None] | None = None,
    target: str = "cpu",
) -> Any:
    """A shared variable for an ndarray, a number, or an array on a device."""
    there = None
    if not isinstance(value, _HOST_VALUES):
        there, value = _as_device_value(value)
    if there is not None:
        pass
    elif isinstance(value, (bool, int, float, complex)):
        value = np.asarray(value)
    elif isinstance(value, np.generic):
        value = np.asarray(value)
    else:
        value = exchanged(value)
    if there is None and (not isinstance(value, np.ndarray) or value.dtype.name not in DTYPES):
        raise TypeError()
    if isinstance(value, np.matrix):
        value = np.asarray(value)
    if shape is None:
        flags = (False,) * value.ndim if broadcastable is None else tuple(broadcastable)
        variable_type = TensorType(value.dtype, flags)
    else:
        variable_type = TensorType(value.dtype, shape=shape)
    if there is not None:
        variable = _core.shared(there, variable_type, name, borrow)
    else:
        if borrow and not value.flags.writeable:
            borrow = False
        variable = _core.shared(variable_type.filter(value), variable_type, name, borrow)
    if not plugins.is_host(target):
        _core.shared_move(variable, plugins.device_of(target))
    if strict or allow_downcast is not None:
        variable.__dict__["_filter"] = (strict, allow_downcast)
    return variable


def scalar_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    target: str = "cpu",
) -> Any:
    """A shared variable for a Python or NumPy number; TypeError for anything else."""
    if not isinstance(value, (np.number, float, int, complex)):
        raise TypeError()
    return tensor_constructor(value, name, strict, allow_downcast, borrow, target=target)


def load_shared_variable(val: Any) -> Any:
    """A shared variable for an array: what older pickles refer to."""
    return tensor_constructor(val)


_constructors: list[Callable[..., Any]] = [tensor_constructor]


def shared_constructor(constructor: Callable[..., Any], remove: bool = False) -> Callable[..., Any]:
    """Registers a constructor that :func:`shared` tries; the last one registered comes first.

    It raises TypeError for values that are none of its business.
    """
    if remove:
        _constructors.remove(constructor)
    else:
        _constructors.append(constructor)
    return constructor


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    **kwargs: Any,
) -> Any:
    """A variable with a value that stays between calls of functions.

    Parameters
    ----------
    value
        An ndarray or number. Its dtype is kept: ``shared(1)`` is int64, ``shared(1.)`` float64.
        Any other object (a list, a dict) gives a variable of type ``generic``, for ops written in
        Python.
    name
        Name of the variable.
    strict, allow_downcast
        How :meth:`set_value` converts, as in :meth:`TensorType.filter`.
    borrow
        Use the array itself instead of a copy; functions then change it in place.
    broadcastable
        Flags of dimensions that have length 1 for good; by default none.
    shape
        Known lengths, None for unknown ones, instead of `broadcastable`.
    target
        The device on which the value is kept at first: ``'cuda'``, ``'cuda:1'``. Functions move it
        to where they run, in any case.

    Raises
    ------
    TypeError
        `value` is symbolic, or is no array and has arguments that are for arrays.

    >>> import phintys
    >>> state = phintys.shared(0, name='state')
    >>> int(state.get_value())
    0
    """
    if isinstance(value, _core.Variable):
        raise PhintysTypeError(
            "Shared variable constructor needs numeric values and not symbolic variables."
        )
    if name is not None and not isinstance(name, str):
        raise PhintysTypeError(f"The name of a shared variable is a string, not {name!r}")
    if hasattr(value, "tocsr"):
        # Registers the constructor for SciPy's sparse matrices.
        import phintys.sparse  # noqa: F401
    for constructor in reversed(_constructors):
        try:
            return constructor(
                value, name=name, strict=strict, allow_downcast=allow_downcast, **kwargs
            )
        except TypeError as error:
            if error.args:
                raise
    raise PhintysTypeError(
        "No suitable SharedVariable constructor could be found. Are you sure all kwargs are "
        f"supported? We do not support the parameter dtype or type. value={value!r}. "
        f"parameters={kwargs}"
    )


def update_expression(variable: Any, expression: Any) -> Any:
    """`expression` converted for an update of `variable`, else TypeError with an explanation."""
    if isinstance(variable.type, _core.GenericType):
        return variable.type.filter_variable(expression)
    expression = as_tensor_variable(expression)
    try:
        return variable.type.filter_variable(expression, allow_convert=False)
    except TypeError:
        hint = (
            "If the difference is related to the broadcast pattern, you can call the "
            "tensor.unbroadcast(var, axis1[, axis2, ...]) function to remove broadcastable "
            "dimensions."
            if expression.dtype == variable.dtype and expression.ndim == variable.ndim
            else f"You can cast the update: cast(update, '{variable.dtype}')."
        )
        raise PhintysTypeError(
            "An update must have the same type as the original shared variable "
            f"(shared_var={variable}, shared_var.type={variable.type}, update_val={expression}, "
            f"update_val.type={expression.type}). {hint}"
        ) from None

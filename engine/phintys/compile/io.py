"""Inputs and outputs of functions: ``In`` and ``Out``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError

__all__ = ["In", "Out", "Param", "SymbolicInput", "SymbolicOutput"]


class SymbolicInput:
    """An input of a function, with its name, default and conversion rules; see :class:`In`."""

    def __init__(
        self,
        variable: Any,
        name: str | None = None,
        update: Any = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        autoname: bool = True,
        implicit: bool = False,
    ) -> None:
        if not isinstance(variable, _core.Variable) and not hasattr(variable, "parts"):
            raise PhintysTypeError(f"An input must be a variable, got {type(variable).__name__}")
        if implicit:
            raise PhintysValueError("In(implicit=True): implicit inputs are shared variables here")
        self.variable = variable
        self.name = variable.name if autoname and name is None else name
        if self.name is not None and not isinstance(self.name, str):
            raise PhintysTypeError(f"name must be a string! (got: {self.name})")
        self.update = update
        if update is not None:
            if not isinstance(update, _core.Variable) and not hasattr(update, "parts"):
                update = variable.type.make_constant(update)
            if not variable.type.same_pattern(update.type):
                raise PhintysTypeError(
                    f"Variable '{variable}' has type {variable.type} but an update of type "
                    f"{update.type}; they must be the same"
                )
            self.update = update
        self.mutable = (update is not None) if mutable is None else mutable
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.implicit = implicit

    def __repr__(self) -> str:
        if self.update is not None:
            return f"In({self.variable} -> {self.update})"
        return f"In({self.variable})"


class In(SymbolicInput):
    """An input of a function.

    Parameters
    ----------
    variable
        The variable that gets the value.
    name
        Name for keyword arguments; by default that of the variable.
    value
        Default value: the input may then be left out of calls.
    update
        Expression of the same type: the default value of the next call. ``f[name]`` reads it.
    mutable, borrow, shared, implicit
        Accepted for Theano's signature. Functions never change their arguments.
    strict
        Accept ndarrays of the very dtype only.
    allow_downcast
        True: convert whatever the loss; False: never lose; None: Python floats may become floatX.
    autoname
        Use the variable's name if `name` is None.
    """

    def __init__(
        self,
        variable: Any,
        name: str | None = None,
        value: Any = None,
        update: Any = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        autoname: bool = True,
        implicit: bool | None = None,
        borrow: bool | None = None,
        shared: bool = False,
    ) -> None:
        super().__init__(
            variable, name, update, mutable, strict, allow_downcast, autoname, bool(implicit)
        )
        if borrow is False and mutable:
            borrow = True
        self.borrow = bool(borrow)
        self.shared = shared
        self.value = value
        if update is not None and value is None:
            raise PhintysValueError(f"In({variable}, update=...): a value to start from is needed")


class SymbolicOutput:
    """An output of a function: ``Out(variable, borrow=False)``.

    Outputs are always fresh arrays, so `borrow` changes nothing.
    """

    def __init__(self, variable: Any, borrow: bool = False) -> None:
        if not isinstance(variable, _core.Variable) and not hasattr(variable, "parts"):
            raise PhintysTypeError(f"An output must be a variable, got {type(variable).__name__}")
        self.variable = variable
        self.borrow = borrow

    def __repr__(self) -> str:
        return f"Out({self.variable},{self.borrow})"


class Out(SymbolicOutput):
    """An output of a function; see :class:`SymbolicOutput`."""


def Param(
    variable: Any,
    default: Any = None,
    name: str | None = None,
    mutable: bool = False,
    strict: bool = False,
    allow_downcast: bool | None = None,
    implicit: bool | None = None,
    borrow: bool | None = None,
) -> In:
    """Theano's older name of :class:`In`."""
    return In(
        variable,
        name=name,
        value=default,
        mutable=mutable,
        strict=strict,
        allow_downcast=allow_downcast,
        implicit=implicit,
        borrow=borrow,
    )

"""Checks in graphs: what must hold while a function runs."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.op_classes import OpClass

__all__ = ["Assert", "CheckAndRaise", "Raise", "assert_op"]

# The library's kinds of errors that a check can raise.
_KINDS: dict[type[BaseException], str] = {
    AssertionError: "assertion",
    IndexError: "index",
    KeyError: "key",
    MemoryError: "memory",
    NotImplementedError: "not_implemented",
    OSError: "io",
    OverflowError: "overflow",
    RuntimeError: "runtime",
    TypeError: "type",
    ValueError: "value",
    ZeroDivisionError: "zero_division",
    np.linalg.LinAlgError: "linalg",
}
# Other classes, by the names that ops have for them.
_classes: dict[str, type[BaseException]] = {}


def _kind_of(cls: type[BaseException]) -> str:
    """The kind that programs without Python see: that of the nearest base class that has one."""
    return next((_KINDS[base] for base in cls.__mro__ if base in _KINDS), "runtime")


def _name_of(cls: type[BaseException]) -> str:
    """A name for the class that finds it again, also in a process that has imported its module."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    base, count = name, 1
    while _classes.setdefault(name, cls) is not cls:  # another class of that name
        count += 1
        name = f"{base}#{count}"
    return name


def _find_class(name: str) -> Any:
    if name in _classes:
        return _classes[name]
    # The name may be from a file, which must not make modules run: only those that are loaded.
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


_core.set_exception_finder(_find_class)


def _scalar(condition: Any) -> Any:
    # Python's True and False are no tensors by themselves.
    condition = as_tensor_variable(
        np.array(condition) if isinstance(condition, bool) else condition
    )
    if condition.ndim:
        raise PhintysTypeError(
            f"Assert: conditions must be scalars, got {condition} of {condition.type}"
        )
    return _core.cast(condition, "bool")


class CheckAndRaise(metaclass=OpClass):
    """``CheckAndRaise(exc_type, msg)(value, *conditions)``: `value`, if all conditions hold.

    Where a condition is 0, calling the function raises `exc_type` with the message. Conditions are
    scalar variables or numbers. The check is part of `value`: it runs when that is computed, and
    passes leave it in place unless the conditions are known to hold. Gradients pass through.

    Exceptions of Python's own and of NumPy's linear algebra are raised as the classes of
    :mod:`phintys.errors` derived from them; other classes are raised as they are. A program without
    Python, or a process that has not imported the class, gets the error that comes nearest.

    >>> import phintys.tensor as T
    >>> x = T.dscalar('x')
    >>> positive = CheckAndRaise(ValueError, 'x must be positive')
    >>> float(positive(x, x > 0).eval({x: 2.0}))
    2.0
    """

    op_names: tuple[str, ...] = ("check_and_raise", "assert")

    def __init__(self, exc_type: type[BaseException], msg: str = "") -> None:
        if not (isinstance(exc_type, type) and issubclass(exc_type, Exception)):
            raise PhintysValueError("`exc_type` must be an Exception subclass")
        self.exc_type = exc_type
        self.msg = msg

    def __call__(self, value: Any, *conditions: Any) -> Any:
        if self.exc_type in (AssertionError, ValueError):
            return check(value, conditions, self.msg, self.exc_type is ValueError)
        inputs = [as_tensor_variable(value), *map(_scalar, conditions)]
        own = self.exc_type not in _KINDS
        return _core.apply(
            "check_and_raise",
            inputs,
            msg=self.msg,
            kind=_kind_of(self.exc_type),
            exception=_name_of(self.exc_type) if own else "",
        )

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.exc_type, self.msg))

    def __str__(self) -> str:
        return f"{type(self).__name__}{{{self.exc_type}({self.msg})}}"


class Assert(CheckAndRaise):
    """``Assert(msg)(value, *conditions)``: `value`, after checking that all conditions are true.

    A condition is a scalar variable; AssertionError with `msg` when the function runs and one is 0.

    >>> import phintys.tensor as T
    >>> x = T.dscalar('x')
    >>> float(Assert('x must be positive')(x, x > 0).eval({x: 2.0}))
    2.0
    """

    op_names = ("assert",)

    def __init__(self, msg: str = "Phintys Assert failed!") -> None:
        super().__init__(AssertionError, msg)

    def __str__(self) -> str:
        return f"Assert{{msg='{self.msg}'}}"


class Raise(metaclass=OpClass):
    """``Raise(msg, exc)(x)``: raises ``exc(msg)`` when the function computes it; has `x`'s type."""

    op_names = ("check_and_raise",)

    def __init__(self, msg: str = "", exc: type[BaseException] = NotImplementedError) -> None:
        self.msg = msg
        self.exc = exc

    def __call__(self, x: Any) -> Any:
        return CheckAndRaise(self.exc, self.msg)(x, False)

    def __str__(self) -> str:
        return f"Raise{{{self.exc}({self.msg})}}"


def check(value: Any, conditions: Any, message: str, value_error: bool = False) -> Any:
    """`value` after a check of scalar conditions: AssertionError, or ValueError, if one is 0."""
    inputs = [as_tensor_variable(value), *map(_scalar, conditions)]
    return _core.apply("assert", inputs, msg=message, value_error=value_error)


assert_op = Assert()

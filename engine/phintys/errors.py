"""The exceptions that Phintys raises.

Every class derives from :class:`PhintysError` and from the built-in exception that Theano's users
catch (``ValueError``, ``TypeError``, ...), so that both ``except PhintysError`` and
``except ValueError`` work. Errors of the C++ library arrive as these classes too.
"""

from __future__ import annotations

import numpy as np

from phintys import _core

__all__ = [
    "AdvancedIndexingError",
    "AliasedMemoryError",
    "AsTensorError",
    "BadFileError",
    "BadOptimization",
    "CallStopped",
    "Cancelled",
    "DebugModeError",
    "DisconnectedInputError",
    "EmptyConstantError",
    "GradientError",
    "InconsistencyError",
    "InternalError",
    "InvalidValueError",
    "LinAlgError",
    "MethodNotDefined",
    "MissingInputError",
    "NotScalarConstantError",
    "NullTypeGradError",
    "PhintysAssertionError",
    "PhintysAttributeError",
    "PhintysError",
    "PhintysIOError",
    "PhintysIndexError",
    "PhintysKeyError",
    "PhintysMemoryError",
    "PhintysNotImplementedError",
    "PhintysOverflowError",
    "PhintysRuntimeError",
    "PhintysTimeoutError",
    "PhintysTypeError",
    "PhintysValueError",
    "PhintysZeroDivisionError",
    "ShapeError",
    "StepLimitError",
    "UnusedInputError",
]


class PhintysError(Exception):
    """Base of all errors that Phintys raises."""


class PhintysValueError(PhintysError, ValueError):
    """A value, shape or option does not fit."""


class PhintysTypeError(PhintysError, TypeError):
    """A dtype, rank or kind of object does not fit."""


class PhintysIndexError(PhintysError, IndexError):
    """An index lies outside its dimension."""


class PhintysKeyError(PhintysError, KeyError):
    """A name is not known."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class PhintysAttributeError(PhintysError, AttributeError):
    """An object has no such attribute."""


class PhintysRuntimeError(PhintysError, RuntimeError):
    """Something went wrong while a function ran."""


class PhintysMemoryError(PhintysError, MemoryError):
    """Memory, or the limit set for it, is exhausted."""


class PhintysAssertionError(PhintysError, AssertionError):
    """An assertion in the graph does not hold."""


class PhintysIOError(PhintysError, OSError):
    """A file cannot be read or written."""


class PhintysNotImplementedError(PhintysError, NotImplementedError):
    """The op does not offer this for these operands."""


class PhintysOverflowError(PhintysError, OverflowError):
    """A number is too large for its dtype."""


class PhintysZeroDivisionError(PhintysError, ZeroDivisionError):
    """Integer division by zero."""


class LinAlgError(PhintysError, np.linalg.LinAlgError):
    """A matrix is singular or not positive definite, or a decomposition did not converge."""


class InternalError(PhintysError, RuntimeError):
    """A bug in Phintys, not in the user's program. Please report it."""


class BadFileError(PhintysError, ValueError):
    """A saved function is damaged, truncated or not a saved function."""


class MissingInputError(PhintysError):
    """The graph needs a variable that is neither an input nor has a value."""


class UnusedInputError(PhintysError):
    """An input of a function is not used by its outputs and updates."""


class DisconnectedInputError(PhintysError, ValueError):
    """The gradient is asked for a variable that the cost does not depend on."""


class NullTypeGradError(PhintysError, TypeError):
    """The gradient is mathematically undefined or not implemented."""


class CallStopped(PhintysError):
    """Base of what ends a call before it is done; shared variables are as they were before it."""


class PhintysTimeoutError(CallStopped, TimeoutError):
    """A call did not end by its deadline."""


class Cancelled(CallStopped):
    """A call was stopped by its ``CancelToken``."""


class StepLimitError(CallStopped, RuntimeError):
    """The loops of a call would take more steps than it was allowed."""


class GradientError(PhintysError):
    """A gradient differs from the numeric one, see ``verify_grad``."""


class AliasedMemoryError(PhintysError):
    """Two variables that must not share memory do."""


class InconsistencyError(PhintysError):
    """A graph would become inconsistent."""


class MethodNotDefined(PhintysError):
    """An op does not define the method asked for."""


class AsTensorError(PhintysTypeError):
    """The object has no meaning as a tensor variable."""


class AdvancedIndexingError(PhintysTypeError):
    """The index is not supported."""


class NotScalarConstantError(PhintysError):
    """The variable is not a constant whose elements are all equal."""


class EmptyConstantError(NotScalarConstantError):
    """The variable is a constant without elements."""


class ShapeError(PhintysError):
    """A shape cannot be computed."""


class DebugModeError(PhintysError):
    """Base of what DebugMode finds."""


class BadOptimization(DebugModeError):
    """A pass changed a result.

    Attributes: ``pass_name``, ``position`` (of the output), ``expected``, ``actual``.
    """

    def __init__(
        self,
        message: str,
        pass_name: str = "",
        position: int = -1,
        expected: object = None,
        actual: object = None,
    ) -> None:
        super().__init__(message)
        self.pass_name = pass_name
        self.position = position
        self.expected = expected
        self.actual = actual


class InvalidValueError(DebugModeError):
    """A computed value has the wrong dtype or rank, or is not finite."""


_BY_KIND: dict[str, type[BaseException]] = {
    "value": PhintysValueError,
    "type": PhintysTypeError,
    "index": PhintysIndexError,
    "key": PhintysKeyError,
    "runtime": PhintysRuntimeError,
    "memory": PhintysMemoryError,
    "assertion": PhintysAssertionError,
    "io": PhintysIOError,
    "not_implemented": PhintysNotImplementedError,
    "internal": InternalError,
    "missing_input": MissingInputError,
    "unused_input": UnusedInputError,
    "disconnected_input": DisconnectedInputError,
    "null_type_grad": NullTypeGradError,
    "bad_file": BadFileError,
    "overflow": PhintysOverflowError,
    "zero_division": PhintysZeroDivisionError,
    "linalg": LinAlgError,
    "timeout": PhintysTimeoutError,
    "cancelled": Cancelled,
    "step_limit": StepLimitError,
}

_core.set_exceptions(_BY_KIND)

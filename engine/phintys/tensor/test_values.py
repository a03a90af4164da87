"""Test values: examples of what inputs will be, so that mistakes show where they are made.

With ``config.compute_test_value`` at ``'raise'``, ``'warn'``, ``'ignore'`` or ``'pdb'``, the value
of every expression is computed from the ``tag.test_value`` of its inputs as soon as it is built,
and kept as its own ``tag.test_value``. Shapes that do not fit then stop the program at the line
that is wrong, not when the function is called. The settings differ in what happens where an input
has no test value: an error, a warning, nothing, or the debugger.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import phintys as _phintys
from phintys import _core
from phintys.errors import PhintysValueError

__all__ = ["compute_when_built", "computed_test_value", "without_test_values"]


class _MissingValue(AttributeError):
    """An input has no test value."""


class _State(threading.local):
    computing = False  # what computing a test value builds needs none


_state = _State()


@contextmanager
def without_test_values() -> Iterator[None]:
    """What is built inside gets no test value, and needs none."""
    before, _state.computing = _state.computing, True
    try:
        yield
    finally:
        _state.computing = before


def _known(variable: Any) -> Any:
    """The cell of what the variable is known to be, or None."""
    if variable.is_constant or variable.is_shared:
        return ()
    tag = variable.tag.__dict__
    return (tag["test_value"],) if "test_value" in tag else None


def _values_of_inputs(variable: Any) -> dict[Any, Any]:
    """Values to compute the variable from: the last ones that are known before it."""
    values: dict[Any, Any] = {}
    waiting, seen = list(variable.owner.inputs), set()
    while waiting:
        operand = waiting.pop()
        if operand in seen:
            continue
        seen.add(operand)
        cell = _known(operand)
        if cell is None and operand.owner is not None:
            waiting += operand.owner.inputs
        elif cell is None:
            raise _MissingValue(
                f"Cannot compute test value: input ({operand}) of {variable} missing default value."
            )
        elif cell:
            values[operand] = cell[0]
    return values


def _compute(variable: Any) -> Any:
    values = _values_of_inputs(variable)
    with without_test_values():
        # No updates: computing an example must not change anything.
        function = _phintys.function(
            list(values), variable, mode="FAST_COMPILE", no_default_updates=True, profile=False
        )
        return function(*values.values())


def _warn(text: str) -> None:
    """A warning at the user's line."""
    path, _, line = _core.user_location().rpartition(":")
    warnings.warn_explicit(text, UserWarning, path or "?", int(line or 0))


def computed_test_value(variable: Any) -> Any:
    """The value of an expression for the test values of its inputs.

    AttributeError if ``config.compute_test_value`` is ``'off'``, or an input has none and it is
    ``'ignore'`` or ``'warn'`` (with a warning then); ValueError if it is ``'raise'`` or ``'pdb'``.
    """
    policy = str(_phintys.config.compute_test_value)
    if policy == "off":
        raise AttributeError("test_value: config.compute_test_value is 'off'")
    try:
        return _compute(variable)
    except _MissingValue as missing:
        if policy in ("raise", "pdb"):
            raise PhintysValueError(str(missing)) from None
        if policy == "warn":
            _warn(str(missing))
        raise


def compute_when_built(variable: Any) -> None:
    """Gives an expression that was just built its test value.

    What fails, other than for want of values, is raised whatever the setting.
    """
    policy = str(_phintys.config.compute_test_value)
    if policy == "off" or _state.computing or not hasattr(_phintys, "function"):
        return
    tag = variable.tag.__dict__
    if "test_value" in tag:
        return
    try:
        tag["test_value"] = _compute(variable)
    except _MissingValue as missing:
        if policy == "raise":
            raise PhintysValueError(str(missing)) from None
        if policy == "warn":
            _warn(str(missing))
        if policy == "pdb":
            import pdb

            pdb.set_trace()

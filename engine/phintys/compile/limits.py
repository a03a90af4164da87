"""Limits of calls: a deadline, cancellation, a number of loop steps."""

from __future__ import annotations

import math
import time
from typing import Any

from phintys._call import CancelToken, enter_limits, leave_limits
from phintys.errors import PhintysTypeError, PhintysValueError

__all__ = ["CancelToken", "limits"]


class limits:
    """Limits the calls of compiled functions inside a ``with`` block.

    A call looks at its limits between operations and between the steps of its loops, and while it
    waits for shared variables that other calls use. A call that is stopped leaves every shared
    variable as it was, and the function can be called again. An operation that has begun runs to
    its end.

    Parameters
    ----------
    timeout
        Seconds from the beginning of the block until its calls must have ended.
    deadline
        The same as a time of ``time.monotonic()`` (or of an asyncio loop's ``time()``).
    cancel
        A :class:`phintys.CancelToken`: once any thread has cancelled it, calls stop.
    max_steps
        The most steps that all loops of one call may take together.

    Blocks may be nested: all their limits hold. They belong to the context (``contextvars``) of the
    block: to its thread or asyncio task, and to what ``asyncio.to_thread`` starts from it. Without
    them ``config.call_timeout`` and ``config.max_loop_steps`` hold for each call.

    Raises
    ------
    PhintysTimeoutError
        A call did not end by the deadline (a ``TimeoutError``).
    Cancelled
        A call was cancelled.
    StepLimitError
        The loops of a call would take more steps.

    >>> import phintys
    >>> x = phintys.tensor.dscalar('x')
    >>> f = phintys.function([x], x * 2)
    >>> token = phintys.CancelToken()
    >>> with phintys.limits(timeout=10, cancel=token):
    ...     float(f(3.0))
    6.0
    >>> token.cancel()
    >>> with phintys.limits(cancel=token):
    ...     f(3.0)
    Traceback (most recent call last):
        ...
    phintys.errors.Cancelled: the call ... was cancelled
    """

    def __init__(
        self,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        cancel: CancelToken | None = None,
        max_steps: int | None = None,
    ) -> None:
        self._timeout = _seconds("timeout", timeout)
        self._deadline = _seconds("deadline", deadline)
        if cancel is not None and not isinstance(cancel, CancelToken):
            raise PhintysTypeError(f"cancel: a CancelToken is needed, not {type(cancel).__name__}")
        self._cancel = cancel
        if max_steps is not None:
            if isinstance(max_steps, bool) or not hasattr(max_steps, "__index__"):
                raise PhintysTypeError(f"max_steps: {max_steps!r} is no integer")
            max_steps = max_steps.__index__()
            if not 1 <= max_steps < 2**63:
                raise PhintysValueError(f"max_steps: {max_steps} is not a positive number of steps")
        self._max_steps = max_steps

    def __enter__(self) -> limits:
        deadline = self._deadline
        if self._timeout is not None:
            end = time.monotonic() + self._timeout
            deadline = end if deadline is None else min(deadline, end)
        enter_limits(deadline, self._cancel, self._max_steps)
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave_limits()


def _seconds(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise PhintysTypeError(f"{name}: a number of seconds is needed, not {value!r}") from None
    if math.isnan(seconds):
        raise PhintysValueError(f"{name}: NaN is no number of seconds")
    return seconds

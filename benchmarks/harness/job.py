"""What a case file says about one peer: a statement to time, and how to check its values."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

__all__ = ["CPU_TIME", "Job", "NotSupported", "Target", "call", "clock"]

# Set in the environment: time of the processor is measured.
CPU_TIME = "PHINTYS_BENCHMARK_CPU_TIME"
clock = time.process_time if os.environ.get(CPU_TIME) else time.perf_counter


class NotSupported(Exception):
    """The peer cannot express the case; the message says what it lacks."""


@dataclass(frozen=True)
class Target:
    """A goal: Phintys's time is at most `ratio` times that of `against`, or `seconds`.

    `against` is the name of a peer, or "best" for the fastest peer that gave the right values.
    Targets are reported; a benchmark never fails because of a time.
    """

    text: str
    against: str = "best"
    ratio: float = 1.0
    seconds: float | None = None


@dataclass
class Job:
    """A Python statement over `names`, timed as it stands; its value is checked by default.

    A statement rather than a callable, because the frame of one more Python function costs as
    much as the smallest calls that are measured here.
    """

    statement: str
    names: dict[str, Any]
    check: Callable[[], Sequence[Any]] | None = None
    # How often the statement does what the case asks for: loops in C++ repeat themselves, so that
    # the cost of calling them from Python does not count.
    calls: int = 1

    def values(self) -> list[Any]:
        """The arrays that are compared with those of the reference."""
        if self.check is not None:
            return list(self.check())
        value = eval(self.statement, dict(self.names))
        return list(value) if isinstance(value, (list, tuple)) else [value]

    def timer(self) -> Callable[[int], float]:
        """A function that runs the statement so many times and returns the seconds it took."""
        names = ", ".join(self.names)
        source = (
            f"def timed(_repeat, _clock, {names}):\n"
            "    _start = _clock()\n"
            "    for _ in _repeat:\n"
            f"        {self.statement}\n"
            "    return _clock() - _start\n"
        )
        scope: dict[str, Any] = {}
        exec(source, scope)
        timed = scope["timed"]
        arguments = tuple(self.names.values())

        def run(count: int) -> float:
            collecting = gc.isenabled()
            gc.disable()
            try:
                return timed(repeat(None, count), clock, *arguments)
            finally:
                if collecting:
                    gc.enable()

        return run


def call(function: Callable[..., Any], *arguments: Any, wait: str = "") -> Job:
    """The job `function(*arguments)`; `wait` is what makes an asynchronous result ready."""
    names = {f"a{i}": argument for i, argument in enumerate(arguments)}
    return Job(f"f({', '.join(names)}){wait}", {"f": function, **names})

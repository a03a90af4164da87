"""The greatest resident memory of this process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

from harness.job import NotSupported

__all__ = ["peak_growth"]


def status(name: str) -> float:
    """A line of /proc/self/status in MiB. (getrusage would give the parent's peak as well.)"""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    raise NotSupported("the system does not say how much memory is resident")


def peak_growth() -> Callable[[], float]:
    """A function that returns, in MiB, how far the peak since now is above what is resident now."""
    if sys.platform != "linux":
        raise NotSupported("needs Linux's /proc")
    try:
        # Memory that was freed but is still resident would be used again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # Forgets the peak.
        start = status("VmRSS")
    except (OSError, AttributeError):
        raise NotSupported("the system does not say how much memory is resident") from None
    return lambda: status("VmHWM") - start

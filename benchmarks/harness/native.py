"""Compiles the hand-written loops for this very machine."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
from pathlib import Path

from harness.job import NotSupported

__all__ = ["library"]


@functools.cache
def library(name: str) -> ctypes.CDLL:
    """native/NAME.cpp as a loaded library, built with -O3 -march=native."""
    source = Path(__file__).resolve().parents[1] / "native" / f"{name}.cpp"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{name}.so"
        command = [os.environ.get("CXX", "g++"), "-O3", "-march=native", "-fopenmp", "-shared"]
        try:
            subprocess.run([*command, "-fPIC", source, "-o", target], check=True)
        except FileNotFoundError:
            raise NotSupported("no C++ compiler") from None
        return ctypes.CDLL(str(target))

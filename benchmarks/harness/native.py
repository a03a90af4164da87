"""Limits of the machine: hand-written loops compiled for it, and the BLAS that NumPy brings."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from harness.job import Job, NotSupported

__all__ = ["gemm_job", "loop_job"]

# Loops that take less are repeated this often by themselves.
REPEATS = 100
# Those of the libraries, which live as long as the process.
FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def library(name: str) -> ctypes.CDLL:
    """native/NAME.cpp as a loaded library, built with -O3 -march=native."""
    source = Path(__file__).resolve().parents[1] / "native" / f"{name}.cpp"
    folder = tempfile.TemporaryDirectory(prefix="phintys-benchmarks-")
    target = Path(folder.name) / f"{name}.so"
    command = [os.environ.get("CXX", "g++"), "-O3", "-march=native", "-fopenmp", "-shared"]
    try:
        subprocess.run([*command, "-fPIC", source, "-o", target], check=True)
    except FileNotFoundError:
        raise NotSupported("no C++ compiler") from None
    FOLDERS.append(folder)
    return ctypes.CDLL(str(target))


def address(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def job(function: Any, arguments: list[Any], out: Any, repeats: int) -> Job:
    function.restype = None
    names = {"f": function, **{f"a{i}": a for i, a in enumerate(arguments)}}

    def check() -> list[Any]:
        function(*arguments)
        return [out]

    return Job(f"f({', '.join(list(names)[1:])})", names, check, repeats)


def loop_job(name: str, x: Any, y: Any, out: Any) -> Job:
    """The loop `name` of native/loops.cpp over `x` and `y` into `out`, with the peers' threads."""
    loop = getattr(library("loops"), f"{name}_{x.dtype}")
    threads = int(os.environ["OMP_NUM_THREADS"]) if x.size >= 10**5 else 1
    repeats = REPEATS if x.size < 10**5 else 1
    numbers = [ctypes.c_int64(x.size), ctypes.c_int(threads), ctypes.c_int(repeats)]
    return job(loop, [address(x), address(y), address(out), *numbers], out, repeats)


@functools.cache
def openblas() -> ctypes.CDLL:
    """The OpenBLAS of NumPy's wheel, as NumPy loads it."""
    import numpy

    folder = Path(numpy.__file__).parents[1]
    found = [*folder.glob("numpy.libs/*openblas*"), *folder.glob("numpy/.dylibs/*openblas*")]
    if not found:
        raise NotSupported("NumPy brings no OpenBLAS")
    return ctypes.CDLL(str(found[0]))


def gemm_job(a: Any, b: Any, out: Any) -> Job:
    """`a @ b` of square matrices by OpenBLAS itself, called from C++."""
    letter = "s" if a.dtype == "float32" else "d"
    blas = openblas()
    gemm = next(
        (
            getattr(blas, name)
            for name in (f"scipy_cblas_{letter}gemm64_", f"cblas_{letter}gemm64_")
            if hasattr(blas, name)
        ),
        None,
    )
    if gemm is None:
        raise NotSupported("an OpenBLAS without the names that are looked for")
    repeats = REPEATS if len(a) <= 128 else 1
    pointer = ctypes.cast(gemm, ctypes.c_void_p)
    numbers = [ctypes.c_int64(len(a)), ctypes.c_int(repeats)]
    function = getattr(library("gemm"), f"gemm_{a.dtype}")
    return job(function, [pointer, address(a), address(b), address(out), *numbers], out, repeats)

"""Math functions behind a C interface, one shared library for each instruction set.

PHINTYS_MATH_PROBE names a folder with lib<kind>_probe_<isa>.so as CMake builds them with the C++
tests; without it they are built here with g++, each once in a process.
"""

import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
X86 = platform.machine() in ("x86_64", "AMD64")
ISA_FLAGS = {
    "baseline": [],
    "avx2": ["-march=haswell"],
    "avx512": ["-march=skylake-avx512", "-mprefer-vector-width=512"],
    # The portable path of the vector types, without any x86 instruction asked for by name.
    "neon": ["-DPHINTYS_SIMD_PORTABLE", "-DPHINTYS_SIMD_BYTES=16"],
}


def cpu_has(isa):
    if isa in ("baseline", "neon"):
        return True
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    needs = {
        "avx2": ("avx2", "fma", "bmi2"),
        "avx512": ("avx512f", "avx512dq", "avx512vl", "avx512bw"),
    }
    return all(f" {flag}" in flags for flag in needs[isa])


ISAS = [isa for isa in ISA_FLAGS if (X86 or isa in ("baseline", "neon")) and cpu_has(isa)]
_built = {}
_folder = tempfile.TemporaryDirectory(prefix="phintys-probes-")


def library(kind, isa):
    """The path of the library of tests/cpp/math/<kind>_probe.cpp for an instruction set."""
    if (kind, isa) in _built:
        return _built[kind, isa]
    given = os.environ.get("PHINTYS_MATH_PROBE")
    path = pathlib.Path(given or _folder.name) / f"lib{kind}_probe_{isa}.so"
    if not path.exists():
        if given:
            pytest.skip(f"no {kind} probe for {isa} in {given}")
        compiler = shutil.which("g++")
        if compiler is None:
            pytest.skip("no g++ to build the probe with")
        cache = [shutil.which("ccache")] if shutil.which("ccache") else []
        source, obj = ROOT / "tests" / "cpp" / "math" / f"{kind}_probe.cpp", path.with_suffix(".o")
        args = [*FLAGS, *ISA_FLAGS[isa], f"-DPHINTYS_ISA={isa}", "-fPIC", f"-I{ROOT / 'csrc'}"]
        subprocess.run([*cache, compiler, *args, "-c", str(source), "-o", str(obj)], check=True)
        subprocess.run([compiler, "-shared", str(obj), "-o", str(path)], check=True)
    _built[kind, isa] = path
    return path

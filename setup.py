"""Builds everything with one CMake run; the metadata is in pyproject.toml."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


def find_tool(name: str, minimum: tuple[int, ...] = ()) -> str:
    """Return the first `name` that is new enough, in PATH or beside the interpreter.

    An isolated build has its tools in PATH, a virtual environment that is not activated has them
    beside its Python, and an old one of the system may come first.
    """
    folders = [*os.environ.get("PATH", "").split(os.pathsep), str(Path(sys.executable).parent)]
    too_old = []
    for folder in folders:
        path = shutil.which(name, path=folder) if folder else None
        if path is None:
            continue
        if not minimum:
            return path
        text = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        match = re.search(r"\d+(?:\.\d+)+", text)
        if match and tuple(int(part) for part in match[0].split(".")) >= minimum:
            return path
        too_old.append(path)
    wanted = f"{name} >= {'.'.join(map(str, minimum))}" if minimum else name
    hint = f" (too old: {', '.join(too_old)})" if too_old else ""
    raise SystemExit(f"building phintys needs {wanted}{hint}: pip install {name}")


class CleanBuild(build):
    """Build from an empty folder: what is left of deleted sources must not get into a wheel."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class CMakeBuild(build_ext):
    """Configure, build and install the CMake project into the package's folder."""

    def run(self) -> None:
        in_place = self.inplace or getattr(self, "editable_mode", False)
        target = (
            ROOT / "engine" / "phintys" if in_place else Path(self.build_lib).resolve() / "phintys"
        )
        # Interpreters and platforms must not share a cache. The folder outlives the temporary
        # environment of an isolated build, so every path into that is passed anew each time.
        folder = ROOT / "build" / f"{self.plat_name}-{sys.implementation.cache_tag}"
        folder.mkdir(parents=True, exist_ok=True)
        import pybind11

        cmake = find_tool("cmake", (3, 28))
        options = {
            "CMAKE_BUILD_TYPE": "Debug" if self.debug else "Release",
            "CMAKE_MAKE_PROGRAM": find_tool("ninja"),
            "CMAKE_INSTALL_PREFIX": target,
            "Python_EXECUTABLE": sys.executable,
            "Python_ROOT_DIR": sys.prefix,
            "pybind11_DIR": pybind11.get_cmake_dir(),
            "PHINTYS_PYTHON": "ON",
        }
        try:
            import numpy
        except ImportError:
            pass
        else:
            options["Python_NumPy_INCLUDE_DIR"] = numpy.get_include()
        if in_place:
            # Headers that are gone from the source must not stay in the package.
            shutil.rmtree(target / "include", ignore_errors=True)
        extra = shlex.split(os.environ.get("PHINTYS_CMAKE_ARGS", ""))
        if "-DPHINTYS_BLAS=system" not in extra:
            import importlib.util

            spec = importlib.util.find_spec("scipy_openblas64")
            if spec is None or not spec.submodule_search_locations:
                raise SystemExit("building phintys needs scipy-openblas64: pip install it")
            options["PHINTYS_OPENBLAS_DIR"] = spec.submodule_search_locations[0]
            options["PHINTYS_PATCHELF"] = find_tool("patchelf", (0, 18))
        configure = [cmake, "-S", str(ROOT), "-B", str(folder), "-G", "Ninja"]
        configure += [f"-D{name}={value}" for name, value in options.items()]
        jobs = os.environ.get("PHINTYS_BUILD_JOBS", "2")
        for command in (
            [*configure, *extra],
            [cmake, "--build", str(folder), "--parallel", jobs],
            [cmake, "--install", str(folder), "--strip"],
        ):
            subprocess.run(command, check=True)

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


setup(
    # The extension has no sources: it tells setuptools that the wheel belongs to one platform.
    ext_modules=[Extension("phintys._core", sources=[])],
    cmdclass={"build": CleanBuild, "build_ext": CMakeBuild},
)

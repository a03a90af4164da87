"""``python -m phintys``: where the C++ package lies, and what was built."""

from __future__ import annotations

import argparse
import os
import sys


def _first(folder: str, *candidates: str) -> str | None:
    for candidate in candidates:
        path = os.path.join(folder, *candidate.split("/"))
        if os.path.isdir(path):
            return path
    return None


def cmake_dir() -> str | None:
    """The folder of ``phintysConfig.cmake``, for ``find_package(phintys)``."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return _first(folder, "lib/cmake/phintys", "share/cmake/phintys", "cmake")


def include_dir() -> str | None:
    """The folder to add to the include path for ``#include <phintys/...>``."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return _first(folder, "include")


def _info() -> str:
    import numpy

    import phintys
    from phintys import _core, cuda, plugins

    gpu = cuda.status()
    lines = [
        f"phintys {phintys.__version__}",
        f"package: {os.path.dirname(os.path.abspath(phintys.__file__))}",
        f"python {sys.version.split()[0]}, numpy {numpy.__version__}",
        f"instruction set: {_core.isa()}",
        f"threads: {_core.num_threads()}",
        f"floatX: {phintys.config.floatX}, mode: {phintys.config.mode}",
        f"device: {phintys.config.device}",
        f"GPU: {'available' if gpu['available'] else gpu['reason']}",
        *[
            f"plug-in {s['kind']}: {s['path']}: {s['text'] or str(s['devices']) + ' devices'}"
            for s in plugins.statuses()
        ],
        *[f"{d['name']}: {d['description']}, products: {d['products']}" for d in gpu["devices"]],
        f"passes: {', '.join(_core.passes())}",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Prints what the options ask for; the exit status is 1 if it is not there."""
    parser = argparse.ArgumentParser(prog="python -m phintys", description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--cmake-dir", action="store_true", help="folder of the CMake package")
    group.add_argument("--include-dir", action="store_true", help="folder of the C++ headers")
    group.add_argument("--info", action="store_true", help="version, instruction set, passes")
    options = parser.parse_args(argv)
    if options.info:
        print(_info())
        return 0
    path = cmake_dir() if options.cmake_dir else include_dir()
    if path is None:
        print("phintys was installed without its C++ files", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

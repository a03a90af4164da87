#!/usr/bin/env python3
"""Checks that data flows one way through csrc/: a file includes only its own or an earlier folder.

The public headers in csrc/include/phintys may be included by all and include nothing of csrc.
The GPU plug-in in cuda/ links nothing of libphintys: it includes only what is named in PLUGIN.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORDER = [
    "base",
    "kernels",
    "array",
    "device",
    "graph",
    "ops",
    "autodiff",
    "passes",
    "vm",
    "runtime",
    "serial",
    "bindings",
]
RANK = {name: rank for rank, name in enumerate(ORDER)}
# What cuda/ may include of csrc: headers that need nothing else of the library.
PLUGIN = (
    "array/dtype_enum.h",
    "device/",
    "kernels/simd/",
    "ops/elementwise/",
    "ops/math/",
    "ops/random/",
    "vm/tiles_convert.h",
)
PLUGIN_NOT = ("device/device.h", "device/queue.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(phintys/[^>]+)>)')
SUFFIXES = {".h", ".hpp", ".inc", ".cpp", ".cu", ".cuh"}


def check_file(path: Path, csrc: Path) -> list[str]:
    """Return one message for each include that breaks the order."""
    layer = path.relative_to(csrc).parts[0]
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match[1] or match[2]
        # A file's neighbour may be named without its folder.
        if match[1] and (path.parent / target).exists():
            target = (path.parent / target).resolve().relative_to(csrc).as_posix()
        first = target.split("/")[0]
        where = f"{path.relative_to(csrc.parent)}:{number}"
        if first in ("include", "phintys"):
            continue
        if layer == "include":
            problems.append(f"{where}: a public header includes {target}")
        elif first not in RANK:
            continue  # a system or generated header
        elif layer not in RANK:
            problems.append(f"{where}: the folder {layer} is in no layer")
        elif RANK[first] > RANK[layer]:
            # Tiles instantiate the bodies of ops, wherever vm stands in the order.
            if layer == "vm" and path.name.startswith("tiles") and first == "ops":
                continue
            problems.append(f"{where}: {layer} must not include {target} ({first} comes later)")
        elif not (csrc / target).exists():
            problems.append(f"{where}: {target} does not exist")
    return problems


def check_plugin_file(path: Path, cuda: Path, csrc: Path) -> list[str]:
    """Return one message for each include of what the plug-in cannot link."""
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        target = match and (match[1] or match[2])
        if not target or (path.parent / target).exists() or (cuda / target).exists():
            continue
        where = f"{path.relative_to(cuda.parent)}:{number}"
        if not (csrc / target).exists():
            if not match[2]:
                problems.append(f"{where}: {target} does not exist")
        elif not target.startswith(PLUGIN) or target in PLUGIN_NOT:
            problems.append(f"{where}: the plug-in must not include {target}")
    return problems


def sources(folder: Path) -> list[Path]:
    """Return the C++ and CUDA files below a folder."""
    return sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES)


def main() -> int:
    """Check all of csrc/ and cuda/."""
    csrc, cuda = ROOT / "csrc", ROOT / "cuda"
    files = sources(csrc) + sources(cuda)
    problems = [problem for path in sources(csrc) for problem in check_file(path, csrc)]
    for path in sources(cuda):
        problems += check_plugin_file(path, cuda, csrc)
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

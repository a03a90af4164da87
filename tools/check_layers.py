#!/usr/bin/env python3
"""Checks that data flows one way through csrc/: a file includes only its own or an earlier folder.

The public headers in csrc/include/phintys may be included by all and include nothing of csrc.
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


def main() -> int:
    """Check all of csrc/."""
    csrc = ROOT / "csrc"
    files = sorted(p for p in csrc.rglob("*") if p.suffix in SUFFIXES)
    problems = [problem for path in files for problem in check_file(path, csrc)]
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

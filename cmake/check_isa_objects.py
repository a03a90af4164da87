"""Fails if an object compiled for one instruction set defines a symbol shared with the others.

Weak symbols (inline functions, template instances, vtables) are merged by name across objects: one
compiled for AVX-512 could serve a processor that lacks it. Allowed are names that contain the
instruction set as a component of their own, such as `phintys::avx2::row_sum<float>()`.
"""

import argparse
import re
import subprocess
import sys


def belongs_to(name: str, isa: str) -> bool:
    """Return whether a component of a mangled name is `isa` or ends in `_isa`."""
    for match in re.finditer(r"(?<!\d)\d+", name):
        # Each component is preceded by its length.
        component = name[match.end() : match.end() + int(match[0])]
        if component == isa or component.endswith(f"_{isa}"):
            return True
    return name.endswith(f"_{isa}")


def main() -> int:
    """Print each offending symbol; the exit status says whether there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--isa", required=True)
    parser.add_argument("objects", nargs="+")
    args = parser.parse_args()

    bad = 0
    for path in args.objects:
        listing = subprocess.run(
            [args.nm, "--format=posix", path], check=True, capture_output=True, text=True
        ).stdout
        for line in listing.splitlines():
            name, kind = line.split()[:2]
            # Lower-case w and v are undefined weak references, which define nothing. The references
            # to personality routines and type information are the same in every object.
            if name.startswith("DW.ref."):
                continue
            if kind in "WVu" and not belongs_to(name, args.isa):
                print(f"{path}: {kind} {name}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""Copies the OpenBLAS of the scipy-openblas64 package under a SONAME and symbol names of our own.

`scipy_X` becomes `phintys_X`, any other defined symbol gets the prefix `phintys_`.
csrc/kernels/blas_names.h spells the resulting names.
"""

import argparse
import os
import shutil
import subprocess
import tempfile


def main() -> None:
    """Make the copy; it appears under its final name only when complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--patchelf", default="patchelf")
    parser.add_argument("source")
    parser.add_argument("target")
    args = parser.parse_args()

    listing = subprocess.run(
        [args.nm, "-D", "--defined-only", "--format=posix", args.source],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = sorted({line.split()[0].split("@")[0] for line in listing.splitlines() if line})
    os.makedirs(os.path.dirname(args.target), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(args.target)) as folder:
        symbol_map = os.path.join(folder, "map")
        with open(symbol_map, "w", encoding="ascii") as out:
            for name in names:
                # _init and _fini are found by the dynamic section, and are not exported by name.
                if name not in ("_init", "_fini"):
                    out.write(f"{name} phintys_{name.removeprefix('scipy_')}\n")
        copy = os.path.join(folder, "lib.so")
        shutil.copyfile(args.source, copy)
        os.chmod(copy, 0o755)
        subprocess.run(
            [
                args.patchelf,
                "--set-soname",
                os.path.basename(args.target),
                "--rename-dynamic-symbols",
                symbol_map,
                copy,
            ],
            check=True,
        )
        os.replace(copy, args.target)


if __name__ == "__main__":
    main()

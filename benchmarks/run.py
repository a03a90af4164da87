#!/usr/bin/env python
"""Compare Phintys with NumPy, numexpr, PyTensor, JAX and PyTorch, side by side in one session.

    python benchmarks/run.py
    python benchmarks/run.py --cases call_overhead gelu --threads 1

Makes an environment of its own (kept in a cache folder), installs the peers and this checkout's
Phintys into it, checks that all peers give the same values, times them in turns with two threads
and then with one, and writes results/threads-N.json, .md and .png. Times are reported and never
asserted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "phintys-benchmarks"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = sorted(path.stem for path in (HERE / "cases").glob("[a-z]*.py"))
    parser.add_argument("--cases", nargs="+", choices=known, default=known, metavar="CASE")
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="default: all of them")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[2, 1], help="threads of every peer (2 1)"
    )
    parser.add_argument(
        "--cpu-time", action="store_true", help="time of the processor, for busy machines"
    )
    parser.add_argument("--rounds", type=int, default=9, help="turns of each peer (9)")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds for one step (120)")
    parser.add_argument("--output", type=Path, help="results without suffix (results/threads)")
    parser.add_argument("--environment", type=Path, help="an environment to use and keep")
    parser.add_argument(
        "--phintys-path",
        type=Path,
        help="use the package in this folder (engine/ of an editable build) and install nothing",
    )
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    options = parser.parse_args()
    if options.list:
        print("\n".join(known))
        raise SystemExit
    if options.cpu_time and options.threads != [1]:
        parser.error("--cpu-time goes with --threads 1")
    if min(options.threads) < 1 or options.rounds < 1:
        parser.error("--threads and --rounds must be at least 1")
    return options


def prepare_environment(options: argparse.Namespace) -> Path:
    """The Python of an environment that has the peers and the Phintys under test."""
    requirements = HERE / "requirements.txt"
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = options.environment or cache_folder() / f"environment-{key}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        print(f"making {folder}", flush=True)
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    mark = folder / "phintys-benchmarks.txt"
    if not mark.exists() or mark.read_text() != key:
        print("installing the peers", flush=True)
        subprocess.run([*pip, "--requirement", requirements], check=True)
        mark.write_text(key)
    if options.phintys_path is None:
        print("building and installing Phintys", flush=True)
        subprocess.run([*pip, "--force-reinstall", "--no-deps", ROOT], check=True)
    return python


def run_session(options: argparse.Namespace, python: Path, threads: int) -> int:
    """All cases with so many threads."""
    paths = [HERE]
    if options.phintys_path is not None:
        paths.append(options.phintys_path.resolve())
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    if options.cpu_time:
        env["PHINTYS_BENCHMARK_CPU_TIME"] = "1"
    output = options.output or HERE / "results" / "threads"
    if options.output is None or len(options.threads) > 1:
        output = output.with_name(f"{output.name}-{threads}")
    command = [python, "-m", "harness.session", "--threads", threads]
    command += ["--rounds", options.rounds, "--time-limit", options.time_limit]
    command += ["--output", output.resolve(), "--cache", cache_folder(), "--cases", *options.cases]
    if options.peers:
        command += ["--peers", *options.peers]
    return subprocess.run([str(part) for part in command], env=env).returncode


def main() -> None:
    options = arguments()
    python = prepare_environment(options)
    failures = [run_session(options, python, threads) for threads in options.threads]
    raise SystemExit(max(failures))


if __name__ == "__main__":
    main()

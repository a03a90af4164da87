#!/usr/bin/env python
"""See that no function falls off a cliff when other programs use the processor.

    python benchmarks/under_load.py
    python benchmarks/under_load.py --cases fused mlp_step

Calls Phintys with as many threads as there are cores, and with one, on the machine as it is and
beside a busy process on each core, in turns, and writes results/under-load.md. A single thread
takes twice its time then; functions of several threads should take at most three times theirs.
Nothing is asserted. The machine must be quiet: other work is load too. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from run import HERE, cache_folder, prepare_environment

CASES = [
    "call_overhead", "eight_schools", "fused", "multiply_adds", "gelu", "logistic_loss", "matmul",
    "mlp_step", "lenet_step", "softmax", "rnn",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = sorted(path.stem for path in (HERE / "cases").glob("[a-z]*.py"))
    parser.add_argument("--cases", nargs="+", choices=known, default=CASES, metavar="CASE")
    parser.add_argument("--rounds", type=int, default=3, help="turns of quiet and load (3)")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds for one step (120)")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "under-load.md")
    parser.add_argument("--environment", type=Path, help="an environment to use and keep")
    parser.add_argument("--phintys-path", type=Path, help="use the package in this folder")
    options = parser.parse_args()
    python = prepare_environment(options)
    paths = [HERE, *([options.phintys_path.resolve()] if options.phintys_path else [])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [python, "-m", "harness.load", "--cases", *options.cases]
    command += ["--rounds", options.rounds, "--time-limit", options.time_limit]
    command += ["--output", options.output.resolve(), "--cache", cache_folder()]
    raise SystemExit(subprocess.run([str(part) for part in command], env=env).returncode)


if __name__ == "__main__":
    main()

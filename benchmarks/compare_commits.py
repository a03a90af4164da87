#!/usr/bin/env python
"""Compare two commits of Phintys, case by case, and name what became slower.

    python benchmarks/compare_commits.py main HEAD
    python benchmarks/compare_commits.py main HEAD --cases fused gelu compile_chain
    python benchmarks/compare_commits.py old/engine engine --counter callgrind

A and B are commits, which are built and kept in a cache folder, or folders that have the package
`phintys`. Every case runs with one thread, in turns for A and B, and its instructions are counted
where perf or valgrind can: a count is the same in every run, on a busy machine too. B is slower
where its time (the least and the median of paired rounds) or its count exceeds A's by more than
the threshold; then the exit status is 1. Instructions are not time: a count that grew beside a
time that fell is a reason to look, not an error.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from run import HERE, ROOT, cache_folder, prepare_environment

# Without cases that say little about this: random ones and those of minutes.
QUICK = [
    "call_overhead", "counter", "small_functions", "chain_gradient", "eight_schools",
    "hierarchical_logistic", "fused", "multiply_adds", "gelu", "black_scholes", "logistic_loss",
    "matmul", "logistic_step", "mlp_step", "lenet_step", "loops", "rnn", "compile_mlp",
    "compile_chain", "import_time",
]  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = sorted(path.stem for path in (HERE / "cases").glob("[a-z]*.py"))
    parser.add_argument("A", help="a commit, or a folder with the package")
    parser.add_argument("B")
    parser.add_argument("--cases", nargs="+", choices=known, default=QUICK, metavar="CASE")
    parser.add_argument("--all", action="store_true", help="all cases")
    parser.add_argument(
        "--counter", choices=("auto", "perf", "callgrind", "none"), default="auto",
        help="of instructions (auto: the first that works)",
    )  # fmt: skip
    parser.add_argument("--threshold", type=float, default=0.10, help="of times (0.10)")
    parser.add_argument("--count-threshold", type=float, default=0.03, help="of counts (0.03)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (7)")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds for one step (120)")
    parser.add_argument("--environment", type=Path, help="an environment to use and keep")
    options = parser.parse_args()
    if options.all:
        options.cases = known
    options.phintys_path = ROOT  # What is compared is installed elsewhere.
    return options


GIT = ["git", "-C", str(ROOT)]


def is_package(text: str) -> bool:
    return (Path(text) / "phintys" / "__init__.py").exists()


def commit_of(text: str) -> str:
    """The commit that `text` names."""
    done = subprocess.run(
        [*GIT, "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{text} is neither a commit nor a folder that has phintys")
    return done.stdout.strip()


def package_of(text: str, python: Path) -> tuple[str, str]:
    """The folder to import from, and a name for it."""
    if is_package(text):
        return str(Path(text).resolve()), text
    commit = commit_of(text)
    target = cache_folder() / f"commit-{commit[:16]}"
    if not (target / "phintys").exists():
        print(f"building {text} ({commit[:10]})", flush=True)
        source = cache_folder() / f"source-{commit[:16]}"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        archive = subprocess.run([*GIT, "archive", commit], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
        subprocess.run([*map(str, pip), str(source)], check=True)
        shutil.rmtree(source)
    subject = subprocess.run(
        [*GIT, "show", "--no-patch", "--format=%h %s", commit], capture_output=True, text=True
    )
    return str(target), f"{text}: {subject.stdout.strip()}"


def main() -> None:
    options = arguments()
    for text in (options.A, options.B):  # before minutes of installing
        if not is_package(text):
            commit_of(text)
    python = prepare_environment(options)
    found = [package_of(text, python) for text in (options.A, options.B)]
    command = [python, "-m", "harness.compare", "--packages", *(package for package, _ in found)]
    command += ["--names", *(name for _, name in found)]
    command += ["--cases", *options.cases, "--counter", options.counter]
    command += ["--rounds", options.rounds, "--time-limit", options.time_limit]
    command += ["--threshold", options.threshold, "--count-threshold", options.count_threshold]
    command += ["--cache", cache_folder()]
    env = {**os.environ, "PYTHONPATH": str(HERE), "PHINTYS_BENCHMARK_CPU_TIME": "1"}
    raise SystemExit(subprocess.run([str(part) for part in command], env=env).returncode)


if __name__ == "__main__":
    main()

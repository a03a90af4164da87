"""Compares two builds of Phintys: times in turns in one session, and instructions of a call.

Started by compare_commits.py, which says what it does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import peers, report
from harness.job import NotSupported
from harness.native import library
from harness.session import Process
from harness.worker import load_case

SIDES = ("A", "B")
# The share of a sample that is counted: a counter slows the program down by up to a hundred.
COUNTED_SECONDS = 0.002
# Variants whose calls take longer are timed only.
LONGEST_COUNTED = 0.05


def environment(package: str, cache: str) -> dict[str, str]:
    env = peers.environment("phintys", 1, cache)
    env["PYTHONPATH"] = os.pathsep.join([package, env.get("PYTHONPATH", "")])
    return env


# ----- times -----


class Times:
    """Two worker processes, one for each build, that take samples in turns."""

    def __init__(self, options: argparse.Namespace, log: Any) -> None:
        self.options = options
        self.workers = {}
        for side, package in zip(SIDES, options.packages, strict=True):
            self.workers[side] = Process(environment(package, str(options.cache)), 1, log)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def ask(self, side: str, **request: Any) -> dict[str, Any]:
        answer = self.workers[side].ask(self.options.time_limit, **request)
        if "failed" in answer:
            raise RuntimeError(f"{side}: {answer['failed']}")
        return answer

    def measure(self, case: str, variant: dict[str, Any]) -> dict[str, list[float]]:
        """Least time of a call in each round, by side."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "reference.npz")
            self.ask("A", do="reference", case=case, variant=variant, path=path)
            names = {"peer": "phintys", "case": case, "variant": variant, "reference": path}
            for side in SIDES:
                answer = self.ask(side, do="prepare", **names)
                if not answer.get("agrees"):
                    raise RuntimeError(f"{side}: {answer.get('why') or answer.get('skipped')}")
        samples: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(self.options.rounds):
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                answer = self.ask(side, do="sample", peer="phintys", samples=3)
                samples[side].append(min(answer["seconds"]))
        for side in SIDES:
            self.ask(side, do="drop")
        return samples


def time_ratio(samples: dict[str, list[float]]) -> tuple[float, float]:
    """B's time as a share of A's: of the least samples, and the median over pairs of rounds."""
    pairs = [b / a for a, b in zip(samples["A"], samples["B"], strict=True)]
    return min(samples["B"]) / min(samples["A"]), statistics.median(pairs)


# ----- instructions -----


def find_counter(wanted: str) -> str:
    """ "perf", "callgrind" or "none": what works on this machine and may be used."""
    if wanted in ("auto", "perf") and shutil.which("perf"):
        command = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0 and done.stderr.split(",")[0].isdigit():
            return "perf"
    if wanted in ("auto", "callgrind") and shutil.which("valgrind"):
        try:
            if hasattr(library("measured"), "toggle_counting"):
                return "callgrind"
        except NotSupported:
            pass
    if wanted not in ("auto", "none"):
        raise SystemExit(f"{wanted} does not count instructions on this machine")
    return "none"


def instructions(
    counter: str, package: str, case: str, variant: dict[str, Any], calls: int, cache: str
) -> float:
    """Instructions of one call."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "harness.count", case, json.dumps(variant), str(calls)]
        if counter == "perf":
            fifos = [os.path.join(folder, name) for name in ("control", "acknowledgement")]
            for fifo in fifos:
                os.mkfifo(fifo)
            figures = os.path.join(folder, "figures")
            tool = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", figures, "--delay=-1"]
            tool += [f"--control=fifo:{','.join(fifos)}"]
            program += fifos
        else:
            figures = os.path.join(folder, "callgrind")
            tool = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "-q"]
            tool += [f"--callgrind-out-file={figures}"]
            program += [library("measured")._name]
        done = subprocess.run(
            [*tool, *program], env=environment(package, cache), capture_output=True, text=True
        )
        text = Path(figures).read_text(errors="replace") if os.path.exists(figures) else ""
    for line in text.splitlines():
        if counter == "perf" and "instructions" in line:
            return int(line.split(",")[0]) / calls
        if counter == "callgrind" and line.startswith("summary:"):
            return int(line.split()[1]) / calls
    raise RuntimeError((done.stderr.strip().splitlines() or ["no figures"])[-1])


# ----- cases that time what happens once in a process -----


def measure_fresh(
    options: argparse.Namespace, case: str, variant: dict[str, Any], log: Any
) -> dict[str, dict[str, list[float]]]:
    """Samples by metric and side, each of a process of its own."""
    samples: dict[str, dict[str, list[float]]] = {}
    for turn in range(options.rounds):
        for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "answer.json")
                command = [sys.executable, "-m", "harness.fresh", case, "phintys"]
                command += [json.dumps(variant), "1", path]
                env = environment(options.packages[SIDES.index(side)], folder)
                subprocess.run(command, env=env, stdout=log, stderr=log, check=True)
                answer = json.loads(Path(path).read_text())
            if "metrics" not in answer:
                raise RuntimeError(f"{side}: {answer}")
            for metric, value in answer["metrics"].items():
                samples.setdefault(metric, {s: [] for s in SIDES})[side].append(value)
    return samples


# ----- all -----


class Comparison:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.counter = find_counter(options.counter)
        self.regressions: list[str] = []
        self.failures: list[str] = []
        self.log = tempfile.TemporaryFile()
        self.times = Times(options, self.log)

    def run(self) -> None:
        print(f"A: {self.options.names[0]}\nB: {self.options.names[1]}")
        print(f"B / A of one thread's time; instructions: {self.counter}\n")
        for name in self.options.cases:
            case = load_case(name)
            if not hasattr(case, "with_phintys"):
                continue
            for variant in case.variants():
                row = {"variant": variant, "metric": "", "case": name}
                title = f"{name} [{report.describe(row)}]"
                try:
                    if getattr(case, "FRESH", False):
                        self.fresh(name, variant, title)
                    else:
                        self.timed(name, variant, title)
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    self.failures.append(f"{title}: {error}")
                    print(f"{title}: failed: {error}", flush=True)
        self.times.close()

    def timed(self, name: str, variant: dict[str, Any], title: str) -> None:
        samples = self.times.measure(name, variant)
        least, middle = time_ratio(samples)
        seconds = min(samples["A"])
        text = f"time {least:.3f} (median of pairs {middle:.3f}), {report.quantity(seconds, 's')}"
        # Noise moves one of the two figures more often than both.
        slower = min(least, middle) > 1 + self.options.threshold
        if self.counter != "none" and seconds <= LONGEST_COUNTED:
            calls = max(1, int(COUNTED_SECONDS / seconds))
            counts = [
                instructions(self.counter, p, name, variant, calls, str(self.options.cache))
                for p in self.options.packages
            ]
            ratio = counts[1] / counts[0]
            text += f"; instructions {ratio:.3f}, {counts[0]:,.0f} -> {counts[1]:,.0f}"
            slower = slower or ratio > 1 + self.options.count_threshold
        self.report(f"{title}: {text}", slower)

    def fresh(self, name: str, variant: dict[str, Any], title: str) -> None:
        unit = getattr(load_case(name), "UNIT", "s")
        for metric, samples in measure_fresh(self.options, name, variant, self.log).items():
            least, middle = time_ratio(samples)
            value = report.quantity(min(samples["A"]), unit)
            text = f"{title}, {metric}: {least:.3f} (median of pairs {middle:.3f}), {value}"
            self.report(text, min(least, middle) > 1 + self.options.threshold)

    def report(self, text: str, slower: bool) -> None:
        if slower:
            self.regressions.append(text)
        print(text + ("  SLOWER" if slower else ""), flush=True)

    def conclusion(self) -> int:
        print(f"\n{len(self.regressions)} slower, {len(self.failures)} failed")
        for text in self.regressions + self.failures:
            print(f"  {text}")
        return 1 if self.regressions or self.failures else 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", nargs=2)
    parser.add_argument("--names", nargs=2)
    parser.add_argument("--cases", nargs="+")
    parser.add_argument("--counter")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--count-threshold", type=float)
    parser.add_argument("--time-limit", type=float)
    parser.add_argument("--cache", type=Path)
    comparison = Comparison(parser.parse_args())
    comparison.run()
    raise SystemExit(comparison.conclusion())


if __name__ == "__main__":
    main()

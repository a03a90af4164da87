"""Times Phintys on a quiet machine and beside a busy process on each core: see under_load.py."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import peers, report
from harness.session import Process
from harness.worker import load_case

SPIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
# Of 4 ms and more: together longer than the slices in which systems share out a core.
SAMPLES = 25
# What a fair scheduler costs a single thread beside one other on its core, and what may be lost
# on top of it when the threads of a call wait for each other.
FAIR, ALLOWED = 2.0, 3.0


class Spinners:
    """A busy process on each core, stopped until it is wanted."""

    def __init__(self, cores: list[int]) -> None:
        self.processes = [subprocess.Popen([sys.executable, "-c", SPIN, str(c)]) for c in cores]
        time.sleep(0.5)  # They must have reached their loops.
        self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)
        time.sleep(0.05)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


class Test:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        cores = sorted(os.sched_getaffinity(0))
        self.threads = len(cores)
        self.log = tempfile.TemporaryFile()
        self.workers = {
            n: Process(peers.environment("phintys", n, str(options.cache)), n, self.log)
            for n in sorted({1, self.threads})
        }
        self.spinners = Spinners(cores)

    def close(self) -> None:
        self.spinners.close()
        for worker in self.workers.values():
            worker.close()

    def ask(self, threads: int, **request: Any) -> dict[str, Any]:
        answer = self.workers[threads].ask(self.options.time_limit, **request)
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer

    def measure(self, case: str, variant: dict[str, Any]) -> dict[tuple[int, str], float]:
        """Mean times by number of threads and kind of machine, taken in turns."""
        with tempfile.TemporaryDirectory() as folder:
            names = {"case": case, "variant": variant}
            path = os.path.join(folder, "reference.npz")
            self.ask(1, do="reference", **names, path=path)
            for n in self.workers:
                answer = self.ask(n, do="prepare", peer="phintys", **names, reference=path)
                if not answer.get("agrees"):
                    raise RuntimeError(str(answer))
        samples: dict[tuple[int, str], list[float]] = {}
        for _ in range(self.options.rounds):
            for kind, number in (("quiet", signal.SIGSTOP), ("loaded", signal.SIGCONT)):
                self.spinners.signal(number)
                for n in self.workers:
                    answer = self.ask(n, do="sample", peer="phintys", samples=SAMPLES)
                    samples.setdefault((n, kind), []).extend(answer["seconds"])
        self.spinners.signal(signal.SIGSTOP)
        for n in self.workers:
            self.ask(n, do="drop")
        return {key: statistics.fmean(values) for key, values in samples.items()}

    def run(self) -> list[str]:
        lines = [
            f"# Phintys beside a busy process on each of {self.threads} cores",
            "",
            f"Means by the clock on the wall. Wanted: at most {ALLOWED:g} times the quiet time; "
            f"a single thread that shares its core takes {FAIR:g}. Load before: "
            f"{os.getloadavg()[0]:.1f}.",
            "",
            f"| case | {self.threads} threads: quiet | loaded | ratio |  "
            "| 1 thread: quiet | loaded | ratio |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name in self.options.cases:
            case = load_case(name)
            if getattr(case, "FRESH", False):
                continue
            for variant in case.variants():
                title = report.describe({"variant": variant, "metric": ""})
                try:
                    times = self.measure(name, variant)
                except RuntimeError as error:
                    print(f"{name} [{title}]: failed: {error}", flush=True)
                    continue
                cells = [f"`{name}` {title}"]
                for n in (self.threads, 1):
                    quiet, loaded = times[n, "quiet"], times[n, "loaded"]
                    cells += [report.quantity(t, "s") for t in (quiet, loaded)]
                    cells.append(f"{loaded / quiet:.2f}")
                    if len(cells) == 4:
                        cells.append("met" if loaded <= ALLOWED * quiet else "MISSED")
                lines.append("| " + " | ".join(cells) + " |")
                print(lines[-1], flush=True)
        return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", nargs="+")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--time-limit", type=float)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    test = Test(options)
    try:
        lines = test.run()
    finally:
        test.close()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(lines) + "\n")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()

"""One session: every case, every peer in turns, one table at the end."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import peers, report
from harness.job import CPU_TIME
from harness.worker import implementation, load_case

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A worker process; asking it costs nothing but the time of the answer."""

    def __init__(self, env: dict[str, str], threads: int, log: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.worker", str(threads)],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )

    def ask(self, limit: float, **request: Any) -> dict[str, Any]:
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], limit)[0]:
                self.close()
                return {"failed": f"took more than {limit:g} s", "dead": True}
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self.close()
            return {"failed": f"the process ended with {process.returncode}", "dead": True}
        return json.loads(line)

    def ticks(self) -> int:
        """Processor time of all its threads, in ticks of the clock (hundredths of a second)."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has ended
            return 0
        return int(fields[11]) + int(fields[12])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Session:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = tempfile.TemporaryDirectory(prefix="phintys-benchmarks-")
        self.log = open(Path(self.folder.name) / "log", "w+b")
        self.workers: dict[str, Process] = {}
        self.rows: list[dict[str, Any]] = []

    def worker(self, name: str) -> Process:
        if name not in self.workers or self.workers[name].process.poll() is not None:
            threads = self.options.threads
            env = peers.environment(name, threads, str(self.options.cache))
            self.workers[name] = Process(env, threads, self.log)
        return self.workers[name]

    def settle(self, limit: float = 0.5) -> None:
        """Waits until all workers rest: threads of some libraries spin for 0.2 s after a call."""
        until = time.monotonic() + limit
        before, now = -1, 0
        while before != now and time.monotonic() < until:
            before = sum(worker.ticks() for worker in self.workers.values())
            time.sleep(0.025)
            now = sum(worker.ticks() for worker in self.workers.values())

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()
        self.log.close()
        self.folder.cleanup()

    # ----- cases that time calls -----

    def run_timed(self, name: str, case: Any, variant: dict[str, Any]) -> None:
        limit = self.options.time_limit
        reference = str(Path(self.folder.name) / "reference.npz")
        answer = self.worker("numpy").ask(
            limit, do="reference", case=name, variant=variant, path=reference
        )
        if "failed" in answer:
            raise SystemExit(f"{name}: no reference: {answer['failed']}")
        self.worker("numpy").ask(limit, do="drop")
        shared = getattr(case, "SAME_PROCESS", ())
        hosts: dict[str, Process] = {}
        results: dict[str, dict[str, Any]] = {}
        for peer in self.options.peers:
            if implementation(case, peer) is None:
                continue
            host = self.worker("phintys" if peer in shared else peer)
            results[peer] = host.ask(
                limit, do="prepare", peer=peer, case=name, variant=variant, reference=reference
            )
            if results[peer].keys() & {"failed", "skipped"}:
                continue
            hosts[peer] = host
        samples: dict[str, list[float]] = {peer: [] for peer in hosts}
        for turn in range(self.options.rounds):
            # Whoever runs after a heavy user of memory should not always be the same.
            order = (
                list(hosts)[turn % max(1, len(hosts)) :] + list(hosts)[: turn % max(1, len(hosts))]
            )
            for peer in order:
                self.settle()
                answer = hosts[peer].ask(limit, do="sample", peer=peer, samples=3)
                if "failed" in answer:
                    results[peer] = answer
                    del hosts[peer]
                else:
                    samples[peer] += answer["seconds"]
        for worker in list(self.workers.values()):
            if worker.process.poll() is None:
                worker.ask(limit, do="drop")
        for peer, seconds in samples.items():
            if seconds:
                results[peer].update(summary(seconds))
        self.add_row(name, case, variant, "", results)

    # ----- cases that time what happens once in a process -----

    def run_fresh(self, name: str, case: Any, variant: dict[str, Any]) -> None:
        results: dict[str, dict[str, dict[str, Any]]] = {}
        known = [p for p in self.options.peers if implementation(case, p) is not None]
        samples: dict[str, dict[str, list[float]]] = {peer: {} for peer in known}
        outcome: dict[str, dict[str, Any]] = {peer: {} for peer in known}
        spent = dict.fromkeys(known, 0.0)
        warm_caches = tempfile.TemporaryDirectory(dir=self.folder.name)
        warm = variant.get("caches") == "warm"
        rounds = getattr(case, "ROUNDS", 5)
        for turn in range(-1 if warm else 0, rounds):
            for peer in known:
                slow = spent[peer] > self.options.time_limit / 2
                if outcome[peer].keys() & {"failed", "skipped"} or (turn > 0 and slow):
                    continue
                start = time.perf_counter()
                answer = self.fresh(name, peer, variant, warm_caches.name if warm else None)
                spent[peer] += time.perf_counter() - start
                if "metrics" not in answer:
                    outcome[peer] = answer
                    continue
                outcome[peer] = agreement(case, variant, answer["values"])
                if turn >= 0:
                    for metric, value in answer["metrics"].items():
                        samples[peer].setdefault(metric, []).append(value)
        warm_caches.cleanup()
        metrics = [m for m in case.METRICS if any(m in samples[p] for p in known)]
        for metric in metrics or case.METRICS[:1]:
            results = {}
            for peer in known:
                results[peer] = dict(outcome[peer])
                if metric in samples[peer] and "failed" not in outcome[peer]:
                    results[peer].update(summary(samples[peer][metric]))
                elif not outcome[peer].keys() & {"failed", "skipped"}:
                    results[peer]["skipped"] = "has no such step"
            self.add_row(name, case, variant, metric, results)

    def fresh(
        self, name: str, peer: str, variant: dict[str, Any], caches: str | None
    ) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self.folder.name) as folder:
            path = os.path.join(folder, "answer.json")
            threads = str(self.options.threads)
            command = [sys.executable, "-m", "harness.fresh", name, peer, json.dumps(variant)]
            limit = self.options.time_limit
            env = peers.environment(peer, self.options.threads, caches or folder)
            if caches:
                env |= peers.persistent_caches(caches)
            try:
                done = subprocess.run(
                    [*command, threads, path],
                    env=env,
                    stdout=self.log,
                    stderr=self.log,
                    timeout=limit,
                )
            except subprocess.TimeoutExpired:
                return {"failed": f"took more than {limit:g} s"}
            if done.returncode != 0 or not os.path.exists(path):
                return {"failed": f"the process ended with {done.returncode}"}
            with open(path) as file:
                return json.load(file)

    # ----- results -----

    def add_row(
        self, name: str, case: Any, variant: dict[str, Any], metric: str, results: dict[str, Any]
    ) -> None:
        valid = {
            peer: result["value"]
            for peer, result in results.items()
            if result.get("agrees") and "value" in result
        }
        targets = []
        for target in getattr(case, "targets", lambda *_: [])(variant, metric):
            wanted = {"against": target.against, "ratio": target.ratio}
            if target.seconds is not None:
                wanted = {"at most": target.seconds}
            targets.append({"text": target.text, "wanted": wanted, **judge(target, valid)})
        row = {
            "case": name,
            "title": case.TITLE,
            "variant": variant,
            "metric": metric,
            "unit": getattr(case, "UNIT", "s"),
            "note": getattr(case, "NOTE", ""),
            "rates": getattr(case, "rates", lambda *_: {})(variant),
            "results": results,
            "targets": targets,
        }
        self.rows.append(row)
        print(report.line(row), flush=True)


def judge(target: Any, valid: dict[str, float]) -> dict[str, Any]:
    """Whether the goal is met, and the figure that decides it."""
    own = valid.get("phintys")
    if own is None:
        return {"met": None}
    if target.seconds is not None:
        return {"met": own <= target.seconds, "figure": own / target.seconds}
    others = {p: t for p, t in valid.items() if p != "phintys" and p not in peers.LIMITS}
    other = (
        min(others.values(), default=None)
        if target.against == "best"
        else valid.get(target.against)
    )
    if other is None:
        return {"met": None}
    return {"met": own <= target.ratio * other, "figure": own / other}


def summary(samples: list[float]) -> dict[str, Any]:
    """`value` is what counts: the median, or the least where time of the processor is measured."""
    return {
        "value": min(samples) if CPU_TIME in os.environ else statistics.median(samples),
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "samples": len(samples),
    }


def agreement(case: Any, variant: dict[str, Any], values: list[float]) -> dict[str, Any]:
    """Whether the few numbers that a fresh process returned are the right ones."""
    for i, (value, right) in enumerate(zip(values, case.expected(variant), strict=True)):
        rtol, atol = case.tolerance(variant).values()
        if not abs(value - right) <= atol + rtol * abs(right):
            return {"agrees": False, "why": f"value {i} is {value!r}, not {right!r}"}
    return {"agrees": True}


def versions() -> dict[str, str]:
    found = {}
    for package in sorted({peer.package for peer in peers.PEERS.values()} | {"numba", "scipy"}):
        try:
            found[package] = importlib.metadata.version(package) if package else ""
        except importlib.metadata.PackageNotFoundError:
            found[package] = "source tree"
    return {name: version for name, version in found.items() if name}


def machine() -> dict[str, Any]:
    model = platform.processor()
    flags: list[str] = []
    try:
        with open("/proc/cpuinfo") as file:
            for text in file:
                if text.startswith("model name"):
                    model = text.partition(":")[2].strip()
                elif text.startswith("flags") and not flags:
                    flags = text.split()
    except OSError:
        pass
    widest = next((f for f in ("avx512f", "avx2", "sse2") if f in flags), platform.machine())
    return {
        "cpu": model,
        "isa": widest,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--time-limit", type=float)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--cases", nargs="+")
    parser.add_argument("--peers", nargs="+", choices=list(peers.PEERS), default=list(peers.PEERS))
    options = parser.parse_args()
    session = Session(options)
    result: dict[str, Any] = {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "threads": options.threads,
        "cpu_time": CPU_TIME in os.environ,
        "machine": machine(),
        "versions": versions(),
        "rows": session.rows,
    }
    start = time.perf_counter()
    # What was measured until an interruption is kept.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("interrupted"))
    try:
        for name in options.cases:
            case = load_case(name)
            run = session.run_fresh if getattr(case, "FRESH", False) else session.run_timed
            for variant in case.variants():
                run(name, case, variant)
    finally:
        session.log.flush()
        session.log.seek(0)
        log = session.log.read()
        session.close()
        result["machine"]["load at the end"] = os.getloadavg()[0]
        result["seconds"] = time.perf_counter() - start
        options.output.parent.mkdir(parents=True, exist_ok=True)
        report.write(result, options.output)
        if any("failed" in r for row in session.rows for r in row["results"].values()):
            path = options.cache / "last-errors.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(log[-200_000:])
            print(f"what the peers printed is in {path}")
        print(f"wrote {options.output}.json, .md and .png", flush=True)


if __name__ == "__main__":
    main()

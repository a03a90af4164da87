"""Benchmarks on a GPU, in one session: `python benchmarks/gpu/run.py`.

Phintys and the peers that are installed and see a GPU (PyTorch eager, torch.compile, JAX) run the
same cases in turns, each in a process of its own, beside what the card itself can do. Results:
results/gpu-CARD.json and .md, with the targets. `--device emulated --small` runs everything without
a GPU, in sizes for the emulation: its times say nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import re
import select
import statistics
import subprocess
import sys
import tempfile
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402

from gpu.work import LIMITS, TITLES  # noqa: E402
from gpu.worker import load_case  # noqa: E402
from harness.report import quantity  # noqa: E402
from harness.session import commit, machine  # noqa: E402

CASES = ("chains", "rows", "products", "small", "training", "loops")
VERDICTS = {True: "met", False: "MISSED", None: "not measured"}


class Process:
    def __init__(self, peer: str, options: argparse.Namespace, log: Any) -> None:
        env = dict(os.environ)
        env["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *options.path])
        env["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        command = [sys.executable, "-m", "gpu.worker", peer, options.device, options.plugin]
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )

    def ask(self, limit: float, **request: Any) -> dict[str, Any]:
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], limit)[0]:
                self.close()
                return {"failed": f"took more than {limit:g} s"}
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self.close()
            return {"failed": f"the process ended with {process.returncode}"}
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Session:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = tempfile.TemporaryDirectory(prefix="phintys-gpu-")
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+b")
        self.workers: dict[str, Process] = {}
        self.rows: list[dict[str, Any]] = []

    def worker(self, peer: str) -> Process:
        if peer not in self.workers or self.workers[peer].process.poll() is not None:
            self.workers[peer] = Process(peer, self.options, self.log)
        return self.workers[peer]

    def end_workers(self) -> None:
        """Settings and memory of one case are none of the next one's."""
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()

    def close(self) -> None:
        self.end_workers()
        self.log.seek(0)
        errors = self.log.read().decode(errors="replace")
        if errors and self.options.verbose:
            print(errors, file=sys.stderr)
        self.log.close()
        self.folder.cleanup()

    def run(self, name: str, variant: dict[str, Any]) -> None:
        case = load_case(name)
        limit = self.options.time_limit
        reference = str(pathlib.Path(self.folder.name) / "reference.npz")
        with open(reference, "wb") as file:
            np.savez(file, *case.reference(variant, case.inputs(variant)))
        results: dict[str, dict[str, Any]] = {}
        samples: dict[str, list[float]] = {}
        for peer in self.options.peers:
            if not hasattr(case, f"with_{peer}"):
                continue
            results[peer] = self.worker(peer).ask(
                limit, do="prepare", case=name, variant=variant, reference=reference
            )
            if not results[peer].keys() & {"failed", "skipped"}:
                samples[peer] = []
        for turn in range(self.options.rounds):
            order = list(samples)
            shift = turn % max(1, len(order))
            for peer in order[shift:] + order[:shift]:
                answer = self.workers[peer].ask(limit, do="sample", samples=3)
                if "failed" in answer:
                    results[peer] = answer
                    del samples[peer]
                else:
                    samples[peer] += answer["seconds"]
        for peer, seconds in samples.items():
            results[peer].update(
                value=statistics.median(seconds), min=min(seconds), max=max(seconds)
            )
        for worker in self.workers.values():
            if worker.process.poll() is None:
                worker.ask(limit, do="drop")
        row = {
            "case": name,
            "variant": variant,
            "results": results,
            "targets": [judge(target, results) for target in case.targets(variant)],
        }
        self.rows.append(row)
        print(line(row), flush=True)


def judge(target: Any, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    valid = {
        peer: result["value"]
        for peer, result in results.items()
        if result.get("agrees") and "value" in result
    }
    wanted = {"of": target.of, "against": target.against, "ratio": target.ratio}
    own, other = valid.get(target.of), valid.get(target.against)
    if own is None or other is None:
        return {"text": target.text, "wanted": wanted, "met": None}
    ratio = own / other
    return {"text": target.text, "wanted": wanted, "met": ratio <= target.ratio, "ratio": ratio}


# ----- what is written --------------------------------------------------------------------------


def describe(variant: dict[str, Any]) -> str:
    parts = []
    for name, value in variant.items():
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, list):
            parts.append(" x ".join(f"{n:,}" for n in value))
        else:
            parts.append(f"{name} {value:,}")
    return ", ".join(parts)


def amount(case: Any, variant: dict[str, Any], seconds: float) -> str:
    if hasattr(case, "moved"):
        return f", {case.moved(variant) / seconds / 1e9:.4g} GB/s"
    if hasattr(case, "rates"):
        return "".join(f", {n / seconds:.3g} {unit}" for unit, n in case.rates(variant).items())
    return ""


def cell(row: dict[str, Any], peer: str) -> str:
    result = row["results"].get(peer)
    if result is None:
        return ""
    if "value" not in result:
        return result.get("skipped") or f"failed: {result.get('failed', '')[:100]}"
    text = quantity(result["value"], "s") + amount(
        load_case(row["case"]), row["variant"], result["value"]
    )
    return text if result["agrees"] else f"wrong ({result['why']}), {text}"


def verdict(target: dict[str, Any]) -> str:
    text = f"{target['text']}: {VERDICTS[target['met']]}"
    if "ratio" not in target:
        return text
    return f"{text} ({target['ratio']:.2f}, wanted {target['wanted']['ratio']:.2f})"


def line(row: dict[str, Any]) -> str:
    cells = [
        f"{TITLES[peer]}: {cell(row, peer)}"
        for peer, result in row["results"].items()
        if "skipped" not in result
    ]
    text = f"{row['case']} [{describe(row['variant'])}] " + "; ".join(cells)
    return text + " | " + "; ".join(verdict(t) for t in row["targets"])


def markdown(result: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    targets = [t for row in result["rows"] for t in row["targets"]]
    counts = {v: sum(t["met"] is v for t in targets) for v in VERDICTS}
    lines = [
        f"# Phintys on {result['card']}",
        "",
        f"{result['date']}, commit {result['commit']}; {result['machine']['cpu']}; {versions}.",
        "",
        "Medians of samples taken in turns; a sample is many calls in a row, until the device is "
        "done with them. A peer whose values are off is marked and decides no target.",
        "",
        f"{counts[True]} of {len(targets)} targets met, {counts[False]} missed, {counts[None]} not "
        "measured.",
    ]
    for name in dict.fromkeys(row["case"] for row in result["rows"]):
        case = load_case(name)
        rows = [row for row in result["rows"] if row["case"] == name]
        used = [p for p in TITLES if any(p in row["results"] for row in rows)]
        head = ["", *(TITLES[p] for p in used), "targets"]
        lines += ["", f"## {case.TITLE}", "", "| " + " | ".join(head) + " |"]
        lines.append("|" + "---|" * len(head))
        for row in rows:
            cells = [describe(row["variant"]), *(cell(row, p) for p in used)]
            cells.append("; ".join(verdict(t) for t in row["targets"]))
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", case.NOTE]
    return "\n".join(lines) + "\n"


def card(options: argparse.Namespace) -> tuple[str, str]:
    """What the device is called, and Phintys's version; asked in a process of its own."""
    code = (
        "import sys, phintys, phintys.cuda\n"
        "from phintys import _core\n"
        "if sys.argv[2]: phintys.cuda.add_plugin(sys.argv[2])\n"
        "print(_core.describe_device(sys.argv[1])); print(phintys.__version__)\n"
    )
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(options.path)
    device = options.device if ":" in options.device else options.device + ":0"
    done = subprocess.run(
        [sys.executable, "-c", code, device, options.plugin],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"no device {options.device}: {done.stderr.strip().splitlines()[-1]}")
    name, version = done.stdout.strip().splitlines()[-2:]
    return name, version


def versions(own: str) -> dict[str, str]:
    import importlib.metadata

    found = {"phintys": own}
    for package in ("numpy", "torch", "jax"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--plugin", default="", help="a plug-in to open first (the emulated one)")
    parser.add_argument("--small", action="store_true", help="sizes for the emulation")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--peers", nargs="+", default=list(TITLES), choices=list(TITLES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--time-limit", type=float, default=180.0, help="seconds of one step")
    parser.add_argument("--phintys-path", help="the folder that holds the package")
    parser.add_argument("--output", type=pathlib.Path, help="results without suffix")
    parser.add_argument("--verbose", action="store_true", help="what the peers printed")
    options = parser.parse_args(arguments)
    options.path = [options.phintys_path] if options.phintys_path else []
    options.path += [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    options.peers = sorted(options.peers, key=lambda p: (p not in LIMITS, list(TITLES).index(p)))
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    name, version = card(options)
    short = re.sub(r"[^a-z0-9]+", "-", name.partition("(")[0].lower()).strip("-")
    output = options.output or HERE.parent / "results" / f"gpu-{short}"
    session = Session(options)
    try:
        for case in options.cases:
            for variant in load_case(case).variants(options.small):
                session.run(case, variant)
            session.end_workers()
    finally:
        session.close()
    result = {
        "card": name,
        "device": options.device,
        "small": options.small,
        "date": datetime.datetime.now().isoformat(timespec="minutes"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(version),
        "rows": session.rows,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_name(output.name + ".json").write_text(json.dumps(result, indent=1) + "\n")
    output.with_name(output.name + ".md").write_text(markdown(result))
    print(f"written: {output}.json, {output}.md")
    own = [row["results"].get("phintys", {}) for row in session.rows]
    return 0 if all(r.get("agrees", "skipped" in r) for r in own if r) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

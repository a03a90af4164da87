"""A process that runs one peer (and those that must share its buffers) on request.

Requests and answers are lines of JSON over stdin and stdout; only one worker is asked at a time,
so the peers alternate and never compete. Whatever the peers print goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any

from harness import peers
from harness.job import Job, NotSupported

# A sample lasts at least this long, so that the clock and the loop do not count.
SAMPLE_SECONDS = 0.004


def load_case(name: str) -> Any:
    return importlib.import_module(f"cases.{name}")


def implementation(case: Any, peer: str) -> Any:
    """The function of the case that serves `peer`, or None."""
    return getattr(case, f"with_{peer}", None) or getattr(
        case, f"with_{peers.PEERS[peer].family}", None
    )


def compare(values: list[Any], expected: list[Any], rtol: float, atol: float) -> dict[str, Any]:
    """How far `values` are from `expected`; the dtype must be that of the case as well."""
    import numpy as np

    if len(values) != len(expected):
        return {"agrees": False, "why": f"{len(values)} values, not {len(expected)}"}
    worst = 0.0
    for i, (value, right) in enumerate(zip(values, expected, strict=True)):
        value = peers.to_numpy(value)
        if value.shape != right.shape:
            return {"agrees": False, "why": f"value {i}: shape {value.shape}, not {right.shape}"}
        if value.dtype != right.dtype:
            return {"agrees": False, "why": f"value {i}: {value.dtype}, not {right.dtype}"}
        difference = np.abs(value.astype("float64") - right.astype("float64"))
        allowed = atol + rtol * np.abs(right.astype("float64"))
        exact = (value == right) & (allowed == 0)  # 0 / 0 otherwise
        share = difference / np.where(exact, 1.0, allowed)
        share = float(np.max(share)) if share.size else 0.0
        if not share <= 1:
            return {"agrees": False, "why": f"value {i} is {share:.3g} times the tolerance off"}
        worst = max(worst, share)
    return {"agrees": True, "share_of_tolerance": worst}


class Worker:
    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.jobs: dict[str, tuple[Job, Any, int]] = {}
        self.inputs: tuple[Any, Any] | None = None

    def case_inputs(self, name: str, variant: dict[str, Any]) -> Any:
        """The arrays of a variant, made once: peers in one worker get the same buffers."""
        key = (name, json.dumps(variant, sort_keys=True))
        if self.inputs is None or self.inputs[0] != key:
            self.inputs = None
            self.inputs = (key, load_case(name).inputs(variant))
        return self.inputs[1]

    def reference(self, case: str, variant: dict[str, Any], path: str) -> dict[str, Any]:
        import numpy as np

        values = load_case(case).reference(variant, self.case_inputs(case, variant))
        with open(path, "wb") as file:
            np.savez(file, *values)
        return {}

    def prepare(
        self, peer: str, case: str, variant: dict[str, Any], reference: str
    ) -> dict[str, Any]:
        import numpy as np

        module = load_case(case)
        build = implementation(module, peer)
        if build is None:
            return {"skipped": "not written for this peer"}
        peers.configure(peer, self.threads)
        inputs = self.case_inputs(case, variant)
        start = time.perf_counter()
        try:
            made = build(variant, inputs)
        except NotSupported as why:
            return {"skipped": str(why)}
        job = made if isinstance(made, Job) else Job("f()", {"f": made})
        values = job.values()
        first = time.perf_counter() - start
        with np.load(reference) as file:
            expected = [file[name] for name in file.files]
        answer = compare(values, expected, **module.tolerance(variant))
        del values, expected
        run = job.timer()
        run(1)
        count, seconds = 1, run(1)
        while seconds < SAMPLE_SECONDS:
            count = max(2 * count, int(count * SAMPLE_SECONDS / max(seconds, 1e-9)))
            seconds = run(count)
        # The job goes with it: what it only points at must live.
        self.jobs[peer] = (job, run, count)
        return {**answer, "first_call": first, "calls_per_sample": count}

    def sample(self, peer: str, samples: int) -> dict[str, Any]:
        job, run, count = self.jobs[peer]
        run(max(1, count // 10))
        return {"seconds": [run(count) / count / job.calls for _ in range(samples)]}

    def drop(self) -> dict[str, Any]:
        self.jobs.clear()
        self.inputs = None
        return {}


def main() -> None:
    threads = int(sys.argv[1])
    peers.limit_threads(threads)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(threads)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            text = str(error).strip().splitlines()
            answer = {"failed": f"{type(error).__name__}: {text[0] if text else ''}"[:300]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

"""A process that runs one peer on request: lines of JSON over stdin and stdout."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any

import numpy as np

from gpu.work import NotSupported, Work
from harness.worker import compare

# A sample lasts at least this long, the waiting at its end included.
SAMPLE_SECONDS = 0.02


def load_case(name: str) -> Any:
    return importlib.import_module(f"gpu.cases.{name}")


class Worker:
    def __init__(self, peer: str, device: str, plugin: str) -> None:
        self.peer = peer
        self.device = device
        self.work: Work | None = None
        self.count = 1
        if plugin and peer in ("phintys", "phintys_own", "copy", "graph"):
            import phintys.cuda

            phintys.cuda.add_plugin(plugin)

    def prepare(self, case: str, variant: dict[str, Any], reference: str) -> dict[str, Any]:
        module = load_case(case)
        build = getattr(module, f"with_{self.peer}")
        start = time.perf_counter()
        try:
            work = build(variant, module.inputs(variant), self.device)
        except NotSupported as why:
            return {"skipped": str(why)}
        answer: dict[str, Any] = {"agrees": True}
        values = list(work.values())
        if values:
            with np.load(reference) as file:
                expected = [file[name] for name in file.files]
            answer = compare(values, expected, **module.tolerance(variant))
        first = time.perf_counter() - start
        self.work = work
        for _ in range(3):
            seconds = self.run(1)
        self.count = 1
        while seconds < SAMPLE_SECONDS:
            share = SAMPLE_SECONDS / max(seconds, 1e-9)
            self.count = max(2 * self.count, int(self.count * share))
            seconds = self.run(self.count)
        return {**answer, "first_call": first, "calls_per_sample": self.count}

    def run(self, count: int) -> float:
        """Seconds of so many calls, until the device is done with them."""
        assert self.work is not None
        call = self.work.call
        self.work.wait()
        start = time.perf_counter()
        for _ in range(count):
            call()
        self.work.wait()
        return time.perf_counter() - start

    def sample(self, samples: int) -> dict[str, Any]:
        assert self.work is not None
        self.run(max(1, self.count // 10))
        repeats = self.count * self.work.repeats
        return {"seconds": [self.run(self.count) / repeats for _ in range(samples)]}

    def drop(self) -> dict[str, Any]:
        self.work = None
        return {}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(*sys.argv[1:4])
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

"""Runs one variant of a case so often in this process, while a counter of instructions looks on.

Started by harness.compare below `valgrind --tool=callgrind --collect-atstart=no`, with the path of
the library that turns its counting on and off, or below `perf stat --delay=-1 --control=fifo:...`,
with the paths of the two fifos.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from typing import Any

from harness import peers
from harness.job import Job
from harness.worker import load_case

WARM_UP = 3


def below_callgrind(work: Callable[[], object], library: str) -> None:
    toggle = ctypes.CDLL(library).toggle_counting
    toggle.restype = None
    toggle()
    work()
    toggle()


def below_perf(work: Callable[[], object], control: str, acknowledgement: str) -> None:
    with open(control, "w", buffering=1) as orders, open(acknowledgement) as answers:
        orders.write("enable\n")
        answers.readline()
        work()
        orders.write("disable\n")
        answers.readline()


def main() -> None:
    case, variant_text, count, *paths = sys.argv[1:]
    variant: dict[str, Any] = json.loads(variant_text)
    peers.limit_threads(1)
    module = load_case(case)
    made = module.with_phintys(variant, module.inputs(variant))
    run = (made if isinstance(made, Job) else Job("f()", {"f": made})).timer()
    run(WARM_UP)
    below = below_perf if len(paths) == 2 else below_callgrind
    below(lambda: run(int(count)), *paths)


if __name__ == "__main__":
    main()

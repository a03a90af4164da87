"""Running tests' code in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

TIMEOUT = 60


def in_threads(workers: Sequence[Callable[[], Any]], timeout: float = TIMEOUT) -> None:
    """Runs callables at once; raises what one of them raised, or if they do not end."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(workers))

    def body(worker: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            worker()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(w,), daemon=True) for w in workers]
    for t in threads:
        t.start()
    end = time.monotonic() + timeout
    for t in threads:
        t.join(max(0.0, end - time.monotonic()))
    assert not any(t.is_alive() for t in threads), "the threads wait for each other"
    if errors:
        raise errors[0]

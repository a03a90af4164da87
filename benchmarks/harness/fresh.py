"""Runs one peer of a case once, in this fresh process, and writes what it measured.

For cases that time what only happens once in a process: importing, and compiling with cold caches.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback

from harness import peers
from harness.job import NotSupported
from harness.worker import implementation, load_case


def main() -> None:
    case, peer, variant_text, threads, path = sys.argv[1:]
    variant = json.loads(variant_text)
    # The chains of some peers are as deep as they are long.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    peers.limit_threads(int(threads))
    module = load_case(case)
    build = implementation(module, peer)
    try:
        if build is None:
            answer = {"skipped": "not written for this peer"}
        else:
            metrics, values = build(variant)
            answer = {"metrics": metrics, "values": values}
    except NotSupported as why:
        answer = {"skipped": str(why)}
    except (Exception, RecursionError) as error:
        traceback.print_exc()
        text = str(error).strip().splitlines()
        answer = {"failed": f"{type(error).__name__}: {text[0] if text else ''}"[:300]}
    with open(path, "w") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main()

"""Traces of profiled functions in the JSON format that chrome://tracing and ui.perfetto.dev read.

The format is "Trace Event Format" (Duffy, Sinclair; Google, 2016): complete events, ``"ph": "X"``,
with a start ``ts`` and a duration ``dur`` in microseconds; events of one thread nest by time.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from typing import Any

from phintys.compile.profile_data import ProfiledNode, profiled_nodes

__all__ = ["trace_of", "write_trace"]

_MICRO = 1000.0


def _arguments(node: ProfiledNode) -> dict[str, Any]:
    arguments: dict[str, Any] = {"op": node.op, "outputs": node.outputs()}
    arguments["bytes"] = node.max_bytes
    if node.line:
        arguments["line"] = node.line
    if len(set(node.lines)) > 1:
        arguments["lines"] = list(dict.fromkeys(node.lines))
    if node.owner is not None:
        arguments["inside"] = node.owner.op
    return arguments


def _event(name: str, category: str, start: int, duration: int, thread: int) -> dict[str, Any]:
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "ts": start / _MICRO,
        "dur": duration / _MICRO,
        "pid": os.getpid(),
        "tid": thread,
    }


def _call_events(
    call: tuple[int, int, list[tuple[int, int, int, int]]],
    function: str,
    nodes: list[ProfiledNode],
    arguments: list[dict[str, Any]],
    base: int,
) -> Iterable[dict[str, Any]]:
    thread, dropped, events = call
    for index, step, start, duration in events:
        if index < 0:
            event = _event(function or "function", "call", start - base, duration, thread)
            event["args"] = {"function": function, "events left out": dropped}
        elif step >= 0:
            event = _event(f"step {step}", "step", start - base, duration, thread)
            event["args"] = {"step": step, "loop": nodes[index].op}
        else:
            node = nodes[index]
            event = _event(node.op, node.op_class, start - base, duration, thread)
            event["args"] = arguments[index]
        yield event


def trace_of(functions: list[tuple[Any, str]]) -> dict[str, Any]:
    """The last calls of profiled functions, given as ``_core.Function`` and name, as one trace."""
    calls = [(core, name, core.profile_events()) for core, name in functions]
    starts = [c[2][0][2] for _, _, recorded in calls for c in recorded if c[2]]
    base = min(starts, default=0)
    events: list[dict[str, Any]] = []
    dropped = 0
    for core, name, recorded in calls:
        nodes = profiled_nodes(core, name)
        arguments = [_arguments(node) for node in nodes]
        for call in recorded:
            dropped += call[1]
            events += _call_events(call, name, nodes, arguments, base)
    events.sort(key=lambda e: (e["tid"], e["ts"], -e["dur"]))  # stable: outer events come first
    pid = os.getpid()
    names: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "pid": pid, "tid": 0, "args": {"name": "phintys"}}
    ]
    for thread in sorted({e["tid"] for e in events}):
        text = f"calls of thread {thread}"
        names.append(
            {"name": "thread_name", "ph": "M", "pid": pid, "tid": thread, "args": {"name": text}}
        )
    return {
        "traceEvents": names + events,
        "displayTimeUnit": "ns",
        "otherData": {"events left out": dropped},
    }


def write_trace(path: str | os.PathLike[str], functions: list[tuple[Any, str]]) -> None:
    """Writes the trace to a file; compressed, if its name ends with ``.gz``."""
    text = json.dumps(trace_of(functions))
    name = os.fspath(path)
    if name.endswith(".gz"):
        with gzip.open(name, "wt", encoding="utf-8") as packed:
            packed.write(text)
    else:
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)

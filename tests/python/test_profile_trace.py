"""Traces: the format of the viewers, nesting, order, and that durations add up."""

import gzip
import json
import math
import os
import subprocess
import sys
import threading

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import function, scan
from phintys.compile import ProfileStats
from phintys.ifelse import ifelse

CLOCK = 0.002  # microseconds that rounding to double may cost


def loops():
    x = T.dmatrix("x")

    def outer(row, total):
        parts, _ = scan(
            lambda e, s: T.dot(T.outer(s, s), s) * e, sequences=row,
            outputs_info=T.ones((2,)), name="inner",
        )  # fmt: skip
        return total + parts[-1]

    out, _ = scan(outer, sequences=x, outputs_info=T.zeros((2,)), name="outer")
    return function([x], out[-1], profile=ProfileStats(atexit_print=False), name="loops")


def load(stats, path):
    stats.write_trace(path)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def check_format(trace):
    """What the viewers need of complete events and metadata, and that events nest."""
    assert set(trace) >= {"traceEvents", "displayTimeUnit"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    complete, named = [], set()
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str) and event["name"]
        assert type(event["pid"]) is int and type(event["tid"]) is int
        assert event["ph"] in ("X", "M")
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            assert isinstance(event["args"]["name"], str)
            named.add((event["name"], event["pid"], event["tid"]))
            continue
        assert isinstance(event["cat"], str) and isinstance(event["args"], dict)
        for key in ("ts", "dur"):
            assert type(event[key]) in (int, float) and math.isfinite(event[key])
            assert event[key] >= 0
        complete.append(event)
    assert {("thread_name", e["pid"], e["tid"]) for e in complete} <= named
    assert {e["pid"] for e in complete} <= {pid for what, pid, _ in named if "process" in what}
    check_tracks(complete)
    return complete


def check_tracks(events):
    """On one track two events lie apart or one inside the other; a viewer draws them by that."""
    tracks = {}
    for event in events:
        tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    for track in tracks.values():
        ends = []
        for event in sorted(track, key=lambda e: (e["ts"], -e["dur"])):
            start, end = event["ts"], event["ts"] + event["dur"]
            while ends and ends[-1] <= start + CLOCK:
                ends.pop()
            assert not ends or end <= ends[-1] + CLOCK, f"{event['name']} ends after what is around"
            ends.append(end)


def nest(events):
    """[event, [children]] for each outermost event; fails where two overlap in part."""
    roots, open_events = [], []
    last = {}
    for event in events:
        assert event["ts"] >= last.get(event["tid"], 0.0) - CLOCK
        last[event["tid"]] = event["ts"]
        while open_events and (
            open_events[-1][0]["tid"] != event["tid"]
            or event["ts"] >= open_events[-1][0]["ts"] + open_events[-1][0]["dur"]
        ):
            open_events.pop()
        item = [event, []]
        if open_events:
            parent = open_events[-1][0]
            assert event["ts"] + event["dur"] <= parent["ts"] + parent["dur"] + CLOCK
            open_events[-1][1].append(item)
        else:
            roots.append(item)
        open_events.append(item)
    return roots


def made_up(*spans, **changes):
    """A trace of events with given starts and durations, on one track."""
    who = {"pid": 1, "tid": 7}
    events = [
        {"name": name, "ph": "M", **who, "args": {"name": "f"}}
        for name in ("process_name", "thread_name")
    ]
    for ts, dur in spans:
        event = {"name": "op", "cat": "c", "ph": "X", "ts": ts, "dur": dur, **who, "args": {}}
        events.append(event | changes)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


@pytest.mark.parametrize(
    "trace",
    [
        made_up((0, 10), (5, 10)),  # overlap in part
        made_up((0, 10), (1, 3), (2, 4)),
        made_up((5, 10), (0, 10)),  # the same out of order
        made_up((0, 10), tid=8),  # a track without a name
        made_up((0, 10), pid=2),
        made_up((0, -1)),
        made_up((-1, 1)),
        made_up((0, math.inf)),
        made_up((0, 1), ph="B"),  # begins, never ends
        made_up((0, 1), ts="0"),
        made_up((0, 1), name=""),
    ],
)
def test_malformed_traces_are_found(trace):
    check_format(made_up((0, 10), (0, 4), (4, 4), (5, 2), (10, 1)))
    with pytest.raises(AssertionError):
        check_format(trace)


def test_loops_nest(tmp_path):
    f = loops()
    f(np.full((3, 4), 0.1))
    events = check_format(load(f.profile, tmp_path / "trace.json"))
    ((call, instructions),) = nest(events)
    assert call["name"] == "loops" and call["cat"] == "call"
    (outer,) = [item for item in instructions if item[0]["name"] == "Scan{outer}"]
    assert outer[0]["cat"] == "scan"
    assert [step[0]["name"] for step in outer[1]] == ["step 0", "step 1", "step 2"]
    for step, inside in outer[1]:
        assert step["cat"] == "step" and step["args"]["loop"] == "Scan{outer}"
        (inner,) = [item for item in inside if item[0]["name"] == "Scan{inner}"]
        assert [s[0]["args"]["step"] for s in inner[1]] == [0, 1, 2, 3]
        assert all(ops for _, ops in inner[1])
        assert inner[0]["args"]["inside"] == "Scan{outer}"


def test_durations_are_those_of_the_profile(tmp_path):
    f = loops()
    f(np.full((3, 4), 0.1))
    f(np.full((2, 4), 0.1))
    events = check_format(load(f.profile, tmp_path / "trace.json"))
    assert [e["name"] for e in events].count("loops") == 2
    for loop in f.profile.loops:
        mine = [e for e in events if e["name"] == loop.name]
        assert len(mine) == loop.callcount
        assert sum(e["dur"] for e in mine) == pytest.approx(loop.call_time * 1e6, abs=0.1)
        steps = [e for e in events if e["cat"] == "step" and e["args"]["loop"] == loop.name]
        assert len(steps) == loop.nbsteps
        assert sum(e["dur"] for e in steps) <= loop.call_time * 1e6 + 0.1
    total = sum(e["dur"] for e in events if e["cat"] == "call")
    assert total == pytest.approx(f.profile.fct_call_time * 1e6, abs=0.1)


def test_arguments(tmp_path):
    x = T.dmatrix("x")
    f = function([x], T.dot(x, x), profile=ProfileStats(atexit_print=False))
    f(np.ones((3, 3)))
    events = check_format(load(f.profile, tmp_path / "trace.json"))
    (dot,) = [e for e in events if e["cat"] == "dot"]
    assert dot["args"]["outputs"] == ["float64 (3, 3)"] and dot["args"]["bytes"] == 72
    assert dot["args"]["line"].startswith(__file__)


def test_long_calls_keep_their_first_events(tmp_path):
    x = T.dvector("x")
    with phintys.change_flags(**{"profiling.trace_events": 100}):
        out, _ = scan(lambda e, s: T.dot(T.outer(s, s), s) * e, x, T.ones((3,)), name="long")
        f = function([x], T.exp(out[-1]).sum(), profile=ProfileStats(atexit_print=False))
    for n in (1000, 500):
        f(np.full(n, 0.1))
    trace = load(f.profile, tmp_path / "trace.json")
    events = check_format(trace)
    assert 90 <= len(events) < 120
    ((call, instructions),) = nest(events)  # of the last call alone
    assert call["args"]["events left out"] == trace["otherData"]["events left out"] > 400
    (long,) = [item for item in instructions if item[0]["name"] == "Scan{long}"]
    assert [s[0]["args"]["step"] for s in long[1]] == list(range(len(long[1])))
    assert instructions[-1] is not long  # what comes after it is there
    (loop,) = f.profile.loops
    assert loop.nbsteps == 1500


def test_no_events(tmp_path):
    x = T.dvector("x")
    with phintys.change_flags(**{"profiling.trace_events": 0}):
        f = function([x], x + 1, profile=ProfileStats(atexit_print=False))
    f([1.0])
    assert f.profile.fct_callcount == 1
    assert check_format(load(f.profile, tmp_path / "trace.json")) == []
    assert check_format(load(ProfileStats(atexit_print=False), tmp_path / "empty.json")) == []


def test_threads(tmp_path):
    f = loops()
    start = threading.Barrier(3)

    def work():
        start.wait()
        for _ in range(5):
            f(np.full((3, 4), 0.1))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = check_format(load(f.profile, tmp_path / "trace.json"))
    assert f.profile.fct_callcount == 15
    assert len({e["tid"] for e in events}) == 3
    roots = nest(events)
    assert len(roots) == 15 and {root["name"] for root, _ in roots} == {"loops"}


def test_failed_steps_end(tmp_path):
    i, x = T.lvector("i"), T.dvector("x")
    out, _ = scan(lambda k, v: v[k] * T.ones((2,)), sequences=i, non_sequences=x, name="pick")
    f = function([i, x], out, profile=ProfileStats(atexit_print=False))
    with pytest.raises(IndexError):
        f([0, 1, 9], [1.0, 2.0])
    events = check_format(load(f.profile, tmp_path / "trace.json"))
    nest(events)
    steps = [e["name"] for e in events if e["cat"] == "step"]
    assert steps in ([], ["step 0", "step 1", "step 2"])  # none where the loop is batched


class Halve(phintys.Op):
    """In Python; calls a profiled function itself."""

    __props__ = ()

    def __init__(self, inside):
        self.inside = inside

    def make_node(self, x):
        return phintys.gof.Apply(self, [T.as_tensor_variable(x)], [T.dvector()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = self.inside(inputs[0])


def test_branches_opaque_loops_and_python_ops_nest(tmp_path):
    stats = ProfileStats(atexit_print=False)
    v, x, c = T.dvector("v"), T.dmatrix("x"), T.lscalar("c")
    halve = Halve(function([v], v / 2, profile=stats, name="halve"))
    # Only a step that has run tells how long its row is.
    rows, _ = scan(lambda r: halve(r)[: T.cast(abs(r).sum(), "int64") % 1 + 2], x, name="rows")
    taken = ifelse(c > 0, T.dot(rows, rows.T).sum(), T.exp(x).sum())
    f = function([x, c], [rows, taken], profile=stats, name="all")
    for choice in (1, 0):
        f(np.full((3, 4), 0.1), choice)
    events = check_format(load(stats, tmp_path / "trace.json"))
    roots = [root["name"] for root, _ in nest(sorted(events, key=lambda e: (e["ts"], -e["dur"])))]
    assert roots == ["all", "all"]
    names = [e["name"] for e in events]
    assert names.count("halve") == 6 and names.count("all") == 2
    assert names.count("step 2") == 2


def test_compressed(tmp_path):
    f = loops()
    f(np.full((3, 4), 0.1))
    f.profile.write_trace(tmp_path / "trace.json.gz")
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        assert check_format(json.load(file))


def test_written_at_exit(tmp_path):
    one, all_others = tmp_path / "one.json", tmp_path / "all.json"
    code = (
        "import phintys, phintys.tensor as T\nx = T.dvector('x')\n"
        f"p = phintys.ProfileStats(atexit_print=False, trace={str(one)!r})\n"
        "phintys.function([x], x + 1, profile=p, name='first')([1.0])\n"
        "phintys.function([x], x + 2, profile=True, name='second')([1.0])\n"
        "phintys.function([x], x + 2, profile=True, name='third')([1.0])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        env={
            **os.environ,
            "PHINTYS_FLAGS": f"profiling.trace={all_others}",
            "PYTHONPATH": ":".join(sys.path),
        },
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    for path, names in ((one, ["first"]), (all_others, ["second", "third"])):
        events = check_format(json.loads(path.read_text()))
        assert [e["name"] for e in events if e["cat"] == "call"] == names

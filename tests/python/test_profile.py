"""Profiles: what is counted, that times add up, and what summaries print."""

import io
import os
import subprocess
import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import function, scan, shared
from phintys.compile import ProfileStats, ScanProfileStats
from phintys.compile.profiling import print_global_stats, register_profiler_printer


def quiet(**options):
    return ProfileStats(atexit_print=False, **options)


def line_of(text):
    """The line of this file that ends with the comment `text`, as profiles name it."""
    with open(__file__, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.rstrip().endswith("# " + text):
                return f"{__file__}:{number}"
    raise AssertionError(text)


def walk():
    """A loop over vectors: its body has a product and an elementwise part."""
    x, w = T.dmatrix("x"), T.dmatrix("w")

    def step(row, before):
        mixed = T.dot(before, w)  # mix
        return T.tanh(mixed + row)  # squash

    out, _ = scan(step, sequences=x, outputs_info=T.zeros((5,)), name="walk")
    return [x, w], out[-1].sum()


def nested():
    x = T.dmatrix("x")

    def outer(row, total):
        def inner(e, so_far):
            return T.outer(so_far, so_far).sum(axis=0) * e + 1

        parts, _ = scan(inner, sequences=row, outputs_info=T.ones((2,)), name="inner")
        return total + parts[-1]

    out, _ = scan(outer, sequences=x, outputs_info=T.zeros((2,)), name="outer")
    return [x], out[-1]


def text_of(stats, method="summary", *args):
    file = io.StringIO()
    getattr(stats, method)(file, *args)
    return file.getvalue()


def test_calls_and_times():
    x = T.dmatrix("x")
    stats = quiet(message="two ops")
    f = function([x], T.dot(x, x).sum(), profile=stats)
    assert f.profile is stats and stats.fct_callcount == 0 and stats.fct_call_time == 0
    value = np.ones((60, 60))
    for _ in range(3):
        f(value)
    assert stats.fct_callcount == 3
    assert 0 < stats.vm_call_time <= stats.fct_call_time < 60
    assert sum(stats.class_time().values()) == pytest.approx(stats.vm_call_time)
    assert sum(stats.op_time().values()) == pytest.approx(stats.vm_call_time)
    assert sum(stats.line_time().values()) == pytest.approx(stats.vm_call_time)
    assert all(calls == 3 for calls in stats.apply_callcount.values())
    assert set(stats.apply_time) == set(stats.apply_callcount)
    assert stats.class_callcount().keys() == stats.class_nodes().keys() == stats.class_impl().keys()
    assert stats.op_callcount().keys() == stats.op_nodes().keys() == stats.op_impl().keys()
    assert 0 < stats.optimizer_time < stats.compile_time
    assert stats.linker_time == pytest.approx(stats.compile_time - stats.optimizer_time)
    stats.reset()
    assert stats.fct_callcount == 0 and not stats.apply_time
    f(value)
    assert stats.fct_callcount == 1


def test_memory():
    x = T.dmatrix("x")
    f = function([x], T.dot(T.exp(x), x).T.sum(axis=0), profile=quiet())
    f(np.ones((30, 30)))
    f(np.ones((40, 50))[:, :40])
    nodes = f.profile.apply_time
    largest = max(node.max_bytes for node in nodes)
    assert largest == 40 * 40 * 8
    assert any(node.bytes == (30 * 30 + 40 * 40) * 8 for node in nodes)
    assert any((40, 40) in node.shapes for node in nodes)
    assert all(node.max_bytes == 0 for node in nodes if node.op_class == "dimshuffle")
    assert f.profile.work_bytes >= f.planned_bytes([(40, 40)]) > 0
    assert f.profile.op_bytes().keys() == f.profile.op_time().keys()
    assert "12.5 KiB" in text_of(f.profile, "summary_memory")


def test_lines_of_fused_ops():
    x = T.dvector("x")
    a = T.exp(x)  # first
    b = T.log1p(a)  # second
    f = function([x], b * 2 + a, profile=quiet())  # third
    f(np.ones(20000))
    times = f.profile.line_time()
    assert {line_of("first"), line_of("second"), line_of("third")} <= set(times)
    assert sum(times.values()) == pytest.approx(f.profile.vm_call_time)
    text = text_of(f.profile, "summary_lines")
    assert "b = T.log1p(a)" in text and "test_profile.py" in text


def test_loops():
    inputs, out = walk()
    f = function(inputs, out, profile=quiet())
    f(np.ones((7, 5)), np.eye(5))
    f(np.ones((20, 5)), np.eye(5))
    (loop,) = f.profile.loops
    assert isinstance(loop, ScanProfileStats)
    assert loop.callcount == 2 and loop.nbsteps == 27
    assert loop.step_time == pytest.approx(loop.call_time / 27)
    assert loop.nodes and all(node.owner is loop.node for node in loop.nodes)
    ran = [node for node in loop.nodes if node.measured]
    assert ran and all(node.calls == 27 for node in ran)
    assert sum(n.total_seconds for n in ran) + loop.overhead == pytest.approx(loop.call_time)
    assert 0 <= loop.node.slowest_step < 20 and not loop.node.whole
    assert loop.step_time <= loop.node.slowest_seconds <= loop.call_time
    times = f.profile.line_time()
    assert line_of("mix") in times and line_of("squash") in times
    assert sum(times.values()) == pytest.approx(f.profile.vm_call_time)
    assert f.profile.vm_call_time <= f.profile.fct_call_time
    text = text_of(f.profile)
    assert (
        "Loop Scan{walk}" in text
        and "2 runs, 27 steps" in text
        and "(the loop itself; measuring" in text
    )
    assert 0 < loop.measuring <= loop.overhead


def test_nested_loops():
    inputs, out = nested()
    f = function(inputs, out, profile=quiet())
    f(np.full((4, 6), 0.01))
    loops = {loop.name: loop for loop in f.profile.loops}
    assert set(loops) == {"Scan{outer}", "Scan{inner}"}
    outer, inner = loops["Scan{outer}"], loops["Scan{inner}"]
    assert (outer.callcount, outer.nbsteps) == (1, 4)
    assert (inner.callcount, inner.nbsteps) == (4, 24)
    assert inner.node.owner is not None and inner.node.owner.op == "Scan{outer}"
    assert {n.index for n in inner.nodes} < {n.index for n in outer.nodes}
    assert inner.call_time < outer.call_time < f.profile.fct_call_time
    assert sum(f.profile.apply_time.values()) < f.profile.fct_call_time


def test_loops_over_single_values_are_measured_whole():
    n = T.lscalar("n")
    out, _ = scan(lambda v: 3.7 * v * (1 - v), outputs_info=T.as_tensor(0.3), n_steps=n)
    f = function([n], out[-1], profile=quiet())
    assert f(50) == function([n], out[-1])(50)
    (loop,) = f.profile.loops
    assert loop.node.whole and loop.nbsteps == 50 and loop.overhead == loop.call_time
    assert "in one piece" in text_of(f.profile)


def test_until_counts_steps_that_ran():
    n = T.lscalar("n")
    out, _ = scan(
        lambda v: (v * 2, phintys.scan_module.until((v > 40).all())),
        outputs_info=T.ones((3,)), n_steps=n, name="grow",
    )  # fmt: skip
    f = function([n], out[-1], profile=quiet())
    f(1000)
    assert [loop.nbsteps for loop in f.profile.loops] == [7]


def test_gradients_have_lines():
    inputs, out = walk()
    f = function(inputs, phintys.grad(out, inputs[1]), profile=quiet())
    f(np.ones((9, 5)), np.eye(5))
    assert len(f.profile.loops) == 2 and all(loop.nbsteps == 9 for loop in f.profile.loops)
    assert line_of("mix") in f.profile.line_time()


def test_opaque_ops_are_counted_once():
    @phintys.as_op([T.dvector], [T.dvector])
    def twice(a):
        return a * 2

    x = T.dvector("x")
    f = function([x], twice(x) + 1, profile=quiet())
    f(np.ones(4))
    (node,) = [node for node in f.profile.apply_time if "twice" in node.op]
    assert node.calls == 1 and node.seconds > 0


def test_failed_calls_are_measured():
    x = T.dvector("x")
    f = function([x], T.dot(x, T.arange(3.0)), profile=quiet())
    with pytest.raises(ValueError):
        f(np.ones(4))
    f(np.ones(3))
    inputs, out = walk()
    g = function(inputs, T.dot(out * T.ones((5,)), inputs[0][0]), profile=quiet())
    with pytest.raises(ValueError):
        g(np.ones((3, 4)), np.eye(5))
    g(np.ones((3, 5)), np.eye(5))
    assert sum(g.profile.apply_time.values()) < g.profile.fct_call_time


def test_one_object_for_several_functions():
    x = T.dvector("x")
    stats = quiet(message="both")
    f = function([x], x + 1, profile=stats, name="f")
    g = function([x], x * 2, profile=stats, name="g")
    f([1.0])
    g([1.0])
    g([1.0])
    assert stats.fct_callcount == 3
    assert {node.function for node in stats.apply_time} == {"f", "g"}
    assert "both" in text_of(stats)
    assert f.copy(name="h", profile=stats)([1.0]) == 2 and stats.fct_callcount == 4


def test_summary_sections_and_limits():
    inputs, out = walk()
    f = function(inputs, out, profile=quiet(message="title"))
    assert "0 calls" in text_of(f.profile)
    f(np.ones((7, 5)), np.eye(5))
    text = text_of(f.profile)
    for part in ("title", "Class\n", "Ops\n", "Apply\n", "Source lines\n", "Memory\n", "Tips\n"):
        assert part in text
    assert "more (" in text_of(f.profile, "summary_nodes", 1)
    assert len(text_of(f.profile, "summary_ops").splitlines()) > 3
    with phintys.change_flags(**{"profiling.output_line_width": 30}):
        assert max(map(len, text_of(f.profile).splitlines())) == 30
    with phintys.change_flags(**{"profiling.debugprint": True}):
        assert f.fn.graph_text() in text_of(f.profile)


def test_printers():
    seen = []
    register_profiler_printer(lambda stats, file: seen.append(stats))
    from phintys.compile import profiling

    try:
        stats = quiet()
        stats.summary(io.StringIO())
        assert seen == [stats]
    finally:
        profiling._printers.pop()
    file = io.StringIO()
    print_global_stats(file)
    assert "Time elapsed since Phintys import" in file.getvalue()


def test_without_profile_nothing_is_measured():
    x = T.dvector("x")
    f = function([x], x + 1)
    f([1.0])
    assert f.profile is None and f.fn.profile()["calls"] == 0 and f.fn.profile_events() == []
    with phintys.change_flags(profile=True):
        g = function([x], x + 1)
    g.profile.atexit_print = False
    g([1.0])
    assert g.profile.fct_callcount == 1
    assert function([x], x + 1, profile=False).profile is None


def test_profiled_values_are_the_same():
    s = shared(1.0, "s")
    inputs, out = nested()
    value = np.random.default_rng(1).normal(size=(5, 4)) * 0.1
    plain = function(inputs, out * s, updates=[(s, s * 2)])
    profiled = function(inputs, out * s, updates=[(s, s * 2)], profile=quiet())
    first = plain(value)
    s.set_value(1.0)
    np.testing.assert_array_equal(first, profiled(value))
    assert s.get_value() == 2


@pytest.mark.parametrize("where", ["stderr", "stdout", "file"])
def test_printed_at_exit(tmp_path, where):
    path = tmp_path / "profile.txt"
    flags = f"profiling.destination={path if where == 'file' else where},print_global_stats=True"
    code = (
        "import phintys, phintys.tensor as T\nx = T.dvector('x')\n"
        "f = phintys.function([x], x + 1, profile=True, name='first')\nf([1.0])\n"
        "g = phintys.function([x], x + 2, profile='second')\ng([1.0])\n"
        "phintys.function([x], x + 3, profile='never called')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PHINTYS_FLAGS": flags, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    printed = path.read_text() if where == "file" else getattr(run, where)
    for part in ("first", "second", "Sum of all printed profiles at exit"):
        assert part in printed
    assert "never called" not in printed
    assert "Global stats" in run.stderr

"""Profiles: time and memory of each op, source line and step of a loop, and traces of calls.

``f = function(..., profile=True)`` measures every call; ``f.profile`` is a :class:`ProfileStats`.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from phintys.compile import profile_tables, profile_trace
from phintys.compile.profile_data import ProfiledNode, profiled_nodes
from phintys.config import config

__all__ = [
    "LoopProfile",
    "ProfileStats",
    "ProfiledNode",
    "ScanProfileStats",
    "print_global_stats",
    "register_profiler_printer",
]

_import_time = time.time()
_at_exit: list[ProfileStats] = []  # to print, and all others that have a trace to write
_loops_at_exit: list[LoopProfile] = []
_printers: list[Callable[[ProfileStats, Any], object]] = []


def register_profiler_printer(fct: Callable[..., object]) -> Callable[..., object]:
    """Has ``fct(stats, file)`` called at the end of every summary; returns it, for decorators."""
    _printers.append(fct)
    return fct


class _Tables:
    """Sums over nodes and the tables that show them: what functions and loops have in common."""

    message: str | None

    @property
    def nodes(self) -> list[ProfiledNode]:
        """All instructions, those inside loops and branches included."""
        raise NotImplementedError

    @property
    def fct_call_time(self) -> float:
        """Seconds spent in calls."""
        raise NotImplementedError

    @property
    def fct_callcount(self) -> int:
        """Number of calls."""
        raise NotImplementedError

    @property
    def apply_time(self) -> dict[ProfiledNode, float]:
        """Seconds of each instruction by itself: a loop's are what is not in its body's."""
        return {node: node.seconds for node in self.nodes if node.measured}

    @property
    def apply_callcount(self) -> dict[ProfiledNode, int]:
        """How often each instruction ran."""
        return {node: node.calls for node in self.nodes if node.measured}

    @property
    def variable_shape(self) -> dict[ProfiledNode, list[tuple[int, ...]]]:
        """The shapes of each instruction's outputs, as they were last."""
        return {node: node.shapes for node in self.nodes if node.measured}

    def _sum(self, key: str, value: str) -> dict[str, Any]:
        sums: dict[str, Any] = {}
        for node in self.nodes:
            if node.measured:
                name = getattr(node, key)
                sums[name] = sums.get(name, 0) + getattr(node, value)
        return sums

    def _count(self, key: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for node in self.nodes:
            if node.measured:
                counts[getattr(node, key)] = counts.get(getattr(node, key), 0) + 1
        return counts

    def class_time(self) -> dict[str, float]:
        """Seconds by kind of op, such as ``'dot'``; elementwise ops that run as one are 'fused'."""
        return self._sum("op_class", "seconds")

    def class_callcount(self) -> dict[str, int]:
        """Calls by kind of op."""
        return self._sum("op_class", "calls")

    def class_nodes(self) -> dict[str, int]:
        """Instructions by kind of op."""
        return self._count("op_class")

    def class_impl(self) -> dict[str, str]:
        """Theano's, how each kind is implemented: always ``'C '``, compiled code."""
        return dict.fromkeys(self.class_nodes(), "C ")

    def op_time(self) -> dict[str, float]:
        """Seconds by op with its attributes, such as ``'Sum{axis=0}'``."""
        return self._sum("op", "seconds")

    def op_callcount(self) -> dict[str, int]:
        """Calls by op."""
        return self._sum("op", "calls")

    def op_nodes(self) -> dict[str, int]:
        """Instructions by op."""
        return self._count("op")

    def op_impl(self) -> dict[str, str]:
        """Theano's, as :meth:`class_impl`."""
        return dict.fromkeys(self.op_nodes(), "C ")

    def op_bytes(self) -> dict[str, int]:
        """Bytes that each op's outputs took in all calls, views not counted."""
        return self._sum("op", "bytes")

    def line_time(self) -> dict[str, float]:
        """Seconds by ``file:line`` of the user's; of fused ops each line has its share."""
        return {line: seconds for line, (seconds, _) in self.lines().items()}

    def lines(self) -> dict[str, tuple[float, int]]:
        """(seconds, calls) by ``file:line``: where instructions were built, '' if unknown.

        The time of an instruction that many operations were fused into is divided evenly among
        them, as they run interleaved.
        """
        sums: dict[str, tuple[float, int]] = {}
        for node in self.nodes:
            if not node.measured:
                continue
            lines = node.lines or [""]
            for line in dict.fromkeys(lines):
                seconds, calls = sums.get(line, (0.0, 0))
                share = node.seconds * lines.count(line) / len(lines)
                sums[line] = (seconds + share, calls + node.calls)
        return sums

    def compute_total_times(self) -> dict[ProfiledNode, float]:
        """Seconds of each instruction with what is inside it."""
        return {node: node.total_seconds for node in self.nodes if node.measured}

    def summary_class(self, file: Any = None, N: int | None = None) -> None:
        """Prints time by kind of op; of the `N` slowest kinds."""
        profile_tables.classes(self, _file(file), _limit(N, config.profiling.n_ops))

    def summary_ops(self, file: Any = None, N: int | None = None) -> None:
        """Prints time by op; of the `N` slowest."""
        profile_tables.ops(self, _file(file), _limit(N, config.profiling.n_ops))

    def summary_nodes(self, file: Any = None, N: int | None = None) -> None:
        """Prints time by instruction, with shapes and source line; of the `N` slowest."""
        profile_tables.nodes(self, _file(file), _limit(N, config.profiling.n_apply))

    def summary_lines(self, file: Any = None, N: int | None = None) -> None:
        """Prints time by source line; of the `N` slowest lines."""
        profile_tables.lines(self, _file(file), _limit(N, config.profiling.n_apply))

    def summary_memory(self, file: Any = None, N: int | None = None) -> None:
        """Prints the memory that instructions' outputs take; of the `N` largest."""
        profile_tables.memory(self, _file(file), _limit(N, config.profiling.n_apply))


class ScanProfileStats(_Tables):
    """One loop of a profiled function: steps, and the instructions of its body.

    ``f.profile.loops`` has one for each loop that ran, nested loops included.
    """

    def __init__(self, node: ProfiledNode) -> None:
        self.node = node
        self.message = node.op
        self.name = node.op

    @property
    def nodes(self) -> list[ProfiledNode]:
        """The instructions of the body, those of loops in it included."""
        return self.node.all_inside()

    @property
    def callcount(self) -> int:
        """How often the loop ran."""
        return self.node.calls

    @property
    def nbsteps(self) -> int:
        """Steps of all runs."""
        return self.node.steps

    @property
    def call_time(self) -> float:
        """Seconds that the loop took, with its body."""
        return self.node.total_seconds

    @property
    def step_time(self) -> float:
        """Seconds for a step, on the average; 0.0 if there was none."""
        return self.call_time / self.nbsteps if self.nbsteps else 0.0

    @property
    def fct_call_time(self) -> float:
        """The same as :attr:`call_time`."""
        return self.node.total_seconds

    @property
    def fct_callcount(self) -> int:
        """The same as :attr:`callcount`."""
        return self.node.calls

    @property
    def overhead(self) -> float:
        """Seconds that are in none of the body's instructions."""
        return self.node.seconds

    @property
    def measuring(self) -> float:
        """About how many seconds of :attr:`overhead` looking at the clock took."""
        if self.node.whole:
            return 0.0
        looks = 2 * (self.nbsteps + sum(node.calls for node in self.node.inside))
        return min(looks * float(self.node.core.profile()["clock_seconds"]), self.overhead)

    def summary(self, file: Any = None, n_ops_to_print: int | None = None) -> None:
        """Prints the loop and its body."""
        profile_tables.loop(self, _file(file), _limit(n_ops_to_print, config.profiling.n_ops))


class LoopProfile:
    """What ``scan(..., profile=True)`` measures: the loop, and the loops that are its gradients.

    ``f.loop_profiles[name]`` of a function that runs it; `name` is the one given as `profile`, or
    that of the loop. Printed when the process ends, if the loop ran.

    >>> import phintys, phintys.tensor as T
    >>> powers, _ = phintys.scan(lambda p: p * 2, outputs_info=1.0, n_steps=5, profile='powers')
    >>> f = phintys.function([], powers)
    >>> f.loop_profiles['powers'].atexit_print = False
    >>> f().tolist()
    [2.0, 4.0, 8.0, 16.0, 32.0]
    >>> f.loop_profiles['powers'].nbsteps
    5
    """

    def __init__(self, name: str, core: Any, function: str) -> None:
        self.name = name
        self.atexit_print = True
        self._core = core
        self._function = function
        _loops_at_exit.append(self)

    @property
    def loops(self) -> list[ScanProfileStats]:
        """The loops of this name that ran."""
        nodes = profiled_nodes(self._core, self._function)
        mine = [n for n in nodes if n.loop_profile == self.name and n.is_loop and n.measured]
        return [ScanProfileStats(n) for n in mine]

    @property
    def callcount(self) -> int:
        """How often they ran."""
        return sum(loop.callcount for loop in self.loops)

    @property
    def nbsteps(self) -> int:
        """Steps of all runs."""
        return sum(loop.nbsteps for loop in self.loops)

    @property
    def call_time(self) -> float:
        """Seconds that they took, with their bodies."""
        return float(sum(loop.call_time for loop in self.loops))

    def reset(self) -> None:
        """Forgets all calls of the function so far."""
        self._core.reset_profile()

    def summary(self, file: Any = None, n_ops_to_print: int | None = None) -> None:
        """Prints a table for each loop."""
        print(f"Profile of loops: {self.name}, in {self._function}", file=_file(file))
        for loop in sorted(self.loops, key=lambda stats: -stats.call_time):
            loop.summary(_file(file), n_ops_to_print)


class ProfileStats(_Tables):
    """What a profiled function, or several, measure: ``function(profile=True)`` makes one.

    Measurements include the bodies of loops and branches. Sums over instructions count each moment
    once: a loop has what is not in its body's instructions.

    Parameters
    ----------
    atexit_print
        Print the summary when the process ends, if the function was called.
    flag_time_thunks, gpu_checks
        Theano's, without effect.
    message
        Title of the summary; by default the functions' names.
    trace
        File to write the trace to when the process ends, see :meth:`write_trace`; by default
        ``config.profiling.trace``.

    >>> import io, phintys, phintys.tensor as T
    >>> x = T.dvector('x')
    >>> f = phintys.function([x], T.exp(x).sum(), profile=ProfileStats(atexit_print=False))
    >>> float(f([0.0, 0.0]))
    2.0
    >>> f.profile.fct_callcount
    1
    """

    def __init__(
        self,
        atexit_print: bool = True,
        flag_time_thunks: bool | None = None,
        gpu_checks: bool = True,
        message: str | None = None,
        trace: str | os.PathLike[str] | None = None,
    ) -> None:
        self.message = message
        self.atexit_print = atexit_print
        self.trace = trace
        self._cores: list[tuple[Any, str]] = []
        if atexit_print or trace is not None or config.profiling.trace:
            _at_exit.append(self)

    def _attach(self, core: Any, name: str) -> None:
        self._cores.append((core, name))

    def reset(self) -> None:
        """Forgets all calls so far."""
        for core, _ in self._cores:
            core.reset_profile()

    @property
    def nodes(self) -> list[ProfiledNode]:
        """All instructions of the functions, those inside loops and branches included."""
        return [node for core, name in self._cores for node in profiled_nodes(core, name)]

    @property
    def loops(self) -> list[ScanProfileStats]:
        """The loops that ran."""
        return [ScanProfileStats(n) for n in self.nodes if n.is_loop and n.measured]

    @property
    def fct_callcount(self) -> int:
        """Number of calls."""
        return sum(int(core.profile()["calls"]) for core, _ in self._cores)

    @property
    def fct_call_time(self) -> float:
        """Seconds spent in calls, without the conversion of arguments and results."""
        return float(sum(core.profile()["seconds"] for core, _ in self._cores))

    @property
    def vm_call_time(self) -> float:
        """Seconds spent in instructions."""
        return float(sum(self.apply_time.values()))

    @property
    def work_bytes(self) -> int:
        """Most work memory that a call had planned, without that of loops and branches."""
        return max((int(core.profile()["work_bytes"]) for core, _ in self._cores), default=0)

    @property
    def compile_time(self) -> float:
        """Seconds that compiling took."""
        return float(sum(core.compile_seconds for core, _ in self._cores))

    @property
    def optimizer_time(self) -> float:
        """Seconds spent in passes."""
        return float(sum(report[1] for report in self.pass_reports))

    @property
    def linker_time(self) -> float:
        """Seconds of compiling that are not spent in passes."""
        return max(self.compile_time - self.optimizer_time, 0.0)

    @property
    def pass_reports(self) -> list[tuple[str, float, bool, int]]:
        """Of each pass that ran: name, seconds, whether it changed anything, nodes after it."""
        return [report for core, _ in self._cores for report in core.pass_reports]

    @property
    def nb_nodes(self) -> int:
        """Number of instructions, those inside loops included."""
        return len(self.nodes)

    def write_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the last calls as a trace that chrome://tracing and ui.perfetto.dev open.

        Instructions, loops, their steps and what runs in them nest. About as many events are kept
        as ``config.profiling.trace_events`` said when the function was made; of a longer call, the
        first ones. A name that ends with ``.gz`` makes a compressed file, which Perfetto reads too.
        """
        profile_trace.write_trace(path, self._cores)

    def summary_function(self, file: Any = None) -> None:
        """Prints number of calls, their time, and what compiling took."""
        profile_tables.function(self, _file(file))

    def summary_globals(self, file: Any = None) -> None:
        """Prints the time since the package was imported and all profiled functions' part of it."""
        print_global_stats(file)

    def summary_loops(self, file: Any = None, N: int | None = None) -> None:
        """Prints a table for each loop."""
        for loop in sorted(self.loops, key=lambda stats: -stats.call_time):
            loop.summary(_file(file), N)

    def summary(
        self,
        file: Any = None,
        n_ops_to_print: int | None = None,
        n_apply_to_print: int | None = None,
    ) -> None:
        """Prints all tables; by default to the standard error stream."""
        file = _file(file)
        self.summary_function(file)
        if self.fct_callcount:
            self.summary_class(file, n_ops_to_print)
            self.summary_ops(file, n_ops_to_print)
            self.summary_nodes(file, n_apply_to_print)
            self.summary_lines(file, n_apply_to_print)
            self.summary_loops(file, n_ops_to_print)
            self.summary_memory(file, n_apply_to_print)
            self.print_tips(file, n_apply_to_print)
        if config.profiling.debugprint:
            for core, _ in self._cores:
                print(core.graph_text(), file=file)
        for printer in _printers:
            printer(self, file)

    def print_tips(self, file: Any = None, n_apply_to_print: int | None = None) -> None:
        """Prints what could make the functions faster, as far as the profile shows it."""
        profile_tables.tips(self, _file(file))


def print_global_stats(file: Any = None) -> None:
    """Prints the time since the package was imported and what of it profiled functions took."""
    file = _file(file)
    calls = sum(stats.fct_call_time for stats in _at_exit)
    passes = sum(stats.optimizer_time for stats in _at_exit)
    linking = sum(stats.linker_time for stats in _at_exit)
    print("=" * 50, file=file)
    print(
        f"Global stats: Time elapsed since Phintys import = {time.time() - _import_time:.3f}s, "
        f"Time spent in Phintys functions = {calls:.3f}s, Time spent compiling Phintys functions: "
        f"optimization = {passes:.3f}s, linker = {linking:.3f}s",
        file=file,
    )


def stats_for(profile: Any) -> ProfileStats | None:
    """What ``function(profile=...)`` means: None, or the object to measure with."""
    if isinstance(profile, ProfileStats):
        return profile
    if not profile:
        return None
    return ProfileStats(message=profile if isinstance(profile, str) else None)


def _file(file: Any) -> Any:
    return sys.stderr if file is None else file


def _limit(n: int | None, default: int) -> int:
    return int(default) if n is None else n


@atexit.register
def _print_at_exit() -> None:
    destination = config.profiling.destination
    everything = list(_at_exit)
    printed: list[Any] = [s for s in everything if s.atexit_print and s.fct_callcount]
    printed += [p for p in _loops_at_exit if p.atexit_print and p.callcount]
    if printed:
        if destination in ("stderr", "stdout"):
            _print_all(printed, getattr(sys, destination))
        else:
            with open(destination, "w", encoding="utf-8") as file:
                _print_all(printed, file)
    if config.print_global_stats:
        print_global_stats()
    common = []
    for stats in everything:
        if stats.trace is not None:
            stats.write_trace(stats.trace)
        else:
            common += stats._cores
    if config.profiling.trace and common:
        profile_trace.write_trace(config.profiling.trace, common)


def _print_all(printed: list[Any], file: Any) -> None:
    for stats in printed:
        stats.summary(file)
    printed = [stats for stats in printed if isinstance(stats, ProfileStats)]
    if len(printed) > 1:
        total = ProfileStats(atexit_print=False, message="Sum of all printed profiles at exit")
        for stats in printed:
            total._cores += [c for c in stats._cores if c not in total._cores]
        total.summary(file)

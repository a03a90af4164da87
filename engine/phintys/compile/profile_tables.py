"""The tables of a profile's summary."""

from __future__ import annotations

import linecache
import os
from typing import TYPE_CHECKING, Any

from phintys.config import config

if TYPE_CHECKING:
    from phintys.compile.profile_data import ProfiledNode
    from phintys.compile.profiling import ProfileStats, ScanProfileStats, _Tables

_WHOLE = (
    "its steps ran in one piece: a loop over single values takes less time for a step than a clock "
    "for a look, so its parts have no times"
)


def _print(file: Any, text: str = "") -> None:
    print(text[: config.profiling.output_line_width], file=file)


def _title(file: Any, text: str) -> None:
    _print(file, text)
    _print(file, "-" * len(text))


def _share(part: float, whole: float) -> float:
    return 100 * part / whole if whole > 0 else 0.0


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} B" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"


def _remainder(file: Any, rows: list[tuple[float, Any]], limit: int, total: float) -> None:
    rest = rows[limit:]
    if rest:
        seconds = sum(row[0] for row in rest)
        _print(file, f"   ... {len(rest)} more ({_share(seconds, total):.2f}%, {seconds:.2e}s)")


def function(stats: ProfileStats, file: Any) -> None:
    """Calls, and compiling pass by pass."""
    names = ", ".join(name for _, name in stats._cores if name)
    calls, seconds = stats.fct_callcount, stats.fct_call_time
    _title(file, "Function profile")
    _print(file, f"  Message: {stats.message or names or 'a function without name'}")
    devices = sorted({core.device for core, _ in stats._cores} - {"cpu"})
    if devices:
        _print(file, f"  Device: {', '.join(devices)} (times are those of queueing)")
    each = f" ({seconds / calls:.3e}s per call)" if calls else ""
    _print(file, f"  Time in {calls} calls: {seconds:.6e}s{each}")
    inside = stats.vm_call_time
    _print(file, f"  Time in instructions: {inside:.6e}s ({_share(inside, seconds):.3f}%)")
    _print(file, f"  Time compiling: {stats.compile_time:.6e}s")
    _print(file, f"    Number of instructions: {stats.nb_nodes}")
    _print(file, f"    Passes: {stats.optimizer_time:.6e}s")
    reports = sorted(stats.pass_reports, key=lambda report: -report[1])
    for name, spent, changed, count in reports:
        if changed:
            _print(file, f"      {spent:.2e}s  {name:<28} {count:>6} nodes after it")
    _print(file, f"    Other: {stats.linker_time:.6e}s")
    _print(file)


def _sums(
    file: Any, times: dict[str, float], calls: dict[str, int], nodes: dict[str, int], limit: int
) -> None:
    total = sum(times.values())
    _print(file, "  <% time> <sum %> <seconds> <per call>  <#call> <#nodes>  <name>")
    so_far = 0.0
    rows = sorted(((seconds, name) for name, seconds in times.items()), reverse=True)
    for seconds, name in rows[:limit]:
        so_far += seconds
        _print(
            file,
            f"   {_share(seconds, total):5.1f}%  {_share(so_far, total):5.1f}%  {seconds:9.3e} "
            f"{seconds / calls[name]:9.2e}s {calls[name]:>8} {nodes[name]:>7}    {name}",
        )
    _remainder(file, rows, limit, total)
    _print(file)


def classes(stats: _Tables, file: Any, limit: int) -> None:
    """Time by kind of op."""
    _title(file, "Class")
    _sums(file, stats.class_time(), stats.class_callcount(), stats.class_nodes(), limit)


def ops(stats: _Tables, file: Any, limit: int) -> None:
    """Time by op."""
    _title(file, "Ops")
    _sums(file, stats.op_time(), stats.op_callcount(), stats.op_nodes(), limit)


def _where(node: ProfiledNode) -> str:
    lines = list(dict.fromkeys(node.lines)) or [node.line]
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    inside = f"  inside {node.owner.op}" if node.owner is not None else ""
    return f"{_short(lines[0])}{more}{inside}"


def _short(line: str) -> str:
    """The line with its path relative to the working directory, where it lies below that."""
    path, _, number = line.rpartition(":")
    if not path:
        return line
    relative = os.path.relpath(path) if os.path.isabs(path) else path
    return f"{path if relative.startswith('..') else relative}:{number}"


def nodes(stats: _Tables, file: Any, limit: int) -> None:
    """Time by instruction."""
    _title(file, "Apply")
    _print(file, "  <% time> <sum %> <seconds> <per call>  <#call> <id>  <instruction>  <outputs>")
    times = stats.apply_time
    total = sum(times.values())
    rows = sorted(((seconds, node) for node, seconds in times.items()), key=lambda row: -row[0])
    so_far = 0.0
    for seconds, node in rows[:limit]:
        so_far += seconds
        _print(
            file,
            f"   {_share(seconds, total):5.1f}%  {_share(so_far, total):5.1f}%  {seconds:9.3e} "
            f"{seconds / node.calls:9.2e}s {node.calls:>8} {node.index:>4}    {node.op}  "
            f"{', '.join(node.outputs())}",
        )
        _print(file, f"{'':60}{_where(node)}")
    _remainder(file, rows, limit, total)
    _print(file)


def _source(line: str) -> str:
    path, _, number = line.rpartition(":")
    return linecache.getline(path, int(number)).strip() if number.isdigit() else ""


def lines(stats: _Tables, file: Any, limit: int) -> None:
    """Time by source line."""
    _title(file, "Source lines")
    found = stats.lines()
    rows = sorted(
        ((seconds, (line, calls)) for line, (seconds, calls) in found.items()), reverse=True
    )
    total = sum(seconds for seconds, _ in rows)
    _print(file, "  <% time> <seconds>  <#call>  <file:line>  <source>")
    for seconds, (line, calls) in rows[:limit]:
        where = f"{_short(line)}  {_source(line)}" if line else "(unknown)"
        _print(file, f"   {_share(seconds, total):5.1f}%  {seconds:9.3e} {calls:>8}  {where}")
    _remainder(file, rows, limit, total)
    _print(file)


def loop(stats: ScanProfileStats, file: Any, limit: int) -> None:
    """One loop: its steps, and shares of its time."""
    node = stats.node
    _title(file, f"Loop {node.op}")
    _print(file, f"  Built at {_where(node)}")
    _print(
        file,
        f"  {stats.callcount} runs, {stats.nbsteps} steps, {stats.call_time:.6e}s, "
        f"{stats.step_time:.3e}s per step",
    )
    if node.slowest_step >= 0:
        _print(file, f"  Slowest step: {node.slowest_step}, {node.slowest_seconds:.3e}s")
    _print(file, f"  Work memory of a step: {_bytes(node.work_bytes)}")
    if node.whole:
        _print(file, f"  Here {_WHOLE}.")
    total = stats.call_time
    _print(file, "  <% time> <seconds> <per step>  <per call>  <#call> <id>  <instruction>")
    if not node.whole:
        _print(
            file,
            f"   {_share(stats.overhead, total):5.1f}%  {stats.overhead:9.3e} "
            f"{stats.overhead / max(stats.nbsteps, 1):9.2e}s {'':28} "
            f"(the loop itself; measuring about {stats.measuring:.1e}s of it)",
        )
    rows = sorted(((n.total_seconds, n) for n in node.inside), key=lambda row: -row[0])
    for seconds, inner in rows[:limit]:
        if not inner.measured:
            _print(file, f"{'':45}{inner.index:>4}    {inner.op}  {_where_inside(inner)}")
            continue
        _print(
            file,
            f"   {_share(seconds, total):5.1f}%  {seconds:9.3e} "
            f"{seconds / max(stats.nbsteps, 1):9.2e}s {seconds / inner.calls:9.2e}s "
            f"{inner.calls:>8} {inner.index:>4}    {inner.op}  {_where_inside(inner)}",
        )
    _remainder(file, rows, limit, total)
    _print(file)


def _where_inside(node: ProfiledNode) -> str:
    return " ".join(_short(line) for line in dict.fromkeys(node.lines)) or _short(node.line)


def memory(stats: _Tables, file: Any, limit: int) -> None:
    """Bytes of outputs, by instruction."""
    _title(file, "Memory")
    measured = [node for node in stats.nodes if node.measured]
    kept = sum(node.max_bytes for node in measured if node.owner is None)
    inside = max((node.work_bytes for node in measured), default=0)
    _print(
        file,
        f"  Work memory, shared by values that are not needed at the same time: "
        f"{_bytes(getattr(stats, 'work_bytes', 0))}; inside a loop or branch at most "
        f"{_bytes(inside)}",
    )
    _print(file, f"  All outputs of a call's instructions, were each kept: {_bytes(kept)}")
    _print(file, "  <bytes>      <all calls>  <id>  <instruction>  <outputs>")
    smallest = config.profiling.min_memory_size
    rows = sorted((n for n in measured if n.max_bytes >= smallest), key=lambda n: -n.max_bytes)
    for node in rows[:limit]:
        _print(
            file,
            f"   {_bytes(node.max_bytes):>10}  {_bytes(node.bytes):>10}  {node.index:>4}    "
            f"{node.op}  {', '.join(node.outputs())}  {_where(node)}",
        )
    left_out = len(measured) - min(len(rows), limit)
    if left_out:
        _print(file, f"   ... {left_out} more, the smallest below {_bytes(smallest)}")
    _print(file)


def tips(stats: ProfileStats, file: Any) -> None:
    """What the profile shows that could be faster."""
    found = []
    total = stats.fct_call_time
    times = stats.class_time()
    python = sum(times.get(name, 0.0) for name in ("python", "python_op"))
    if _share(python, total) > 20:
        found.append("Ops in Python take much of the time: write them with ops of the library.")
    overhead = total - stats.vm_call_time
    if _share(overhead, total) > 50 and stats.fct_callcount:
        found.append(
            "Most of the time is not in instructions: the arrays are small. Do more in one call, "
            "for example with scan."
        )
    for loop_stats in stats.loops:
        if _share(loop_stats.overhead - loop_stats.measuring, total) > 30 and (
            not loop_stats.node.whole
        ):
            found.append(
                f"Steps of {loop_stats.node.op} are short: their arrays are small. Work on several "
                "sequences at once, along another axis."
            )
    doubles = sum(s for n, s in stats.apply_time.items() if any("float64" in t for t in n.types))
    if _share(doubles, total) > 50:
        found.append("Most of the time goes into float64; float32 needs about half of it.")
    _title(file, "Tips")
    for tip in found or ["None: nothing stands out."]:
        _print(file, f"  - {tip}")
    _print(file)

"""Profiles of functions: calls and time of each instruction."""

from __future__ import annotations

import sys
from typing import Any

from phintys.config import config

__all__ = ["ProfileStats"]


class ProfileStats:
    """What ``function(profile=True)`` measures; ``summary()`` prints it.

    Parameters are Theano's; only `message` has an effect: the title of the summary.
    """

    def __init__(
        self,
        atexit_print: bool = True,
        flag_time_thunks: bool | None = None,
        gpu_checks: bool = True,
        message: str | None = None,
    ) -> None:
        self.message = message
        self._cores: list[tuple[Any, str]] = []

    def _attach(self, core: Any, name: str) -> None:
        self._cores.append((core, name))

    def _entries(self) -> list[dict[str, Any]]:
        return [entry for core, _ in self._cores for entry in core.profile()]

    @property
    def fct_callcount(self) -> int:
        """Number of calls."""
        return sum(
            max((int(e["calls"]) for e in core.profile()), default=0) for core, _ in self._cores
        )

    @property
    def fct_call_time(self) -> float:
        """Seconds spent in instructions."""
        return float(sum(e["seconds"] for e in self._entries()))

    @property
    def compile_time(self) -> float:
        """Seconds that compiling took."""
        return float(sum(core.compile_seconds for core, _ in self._cores))

    @property
    def optimizer_time(self) -> float:
        """Seconds spent in passes."""
        return float(sum(r[1] for core, _ in self._cores for r in core.pass_reports))

    def op_time(self) -> dict[str, float]:
        """Seconds by op."""
        times: dict[str, float] = {}
        for entry in self._entries():
            times[entry["op"]] = times.get(entry["op"], 0.0) + entry["seconds"]
        return times

    def op_callcount(self) -> dict[str, int]:
        """Calls by op."""
        calls: dict[str, int] = {}
        for entry in self._entries():
            calls[entry["op"]] = calls.get(entry["op"], 0) + entry["calls"]
        return calls

    def summary(
        self,
        file: Any = None,
        n_ops_to_print: int | None = None,
        n_apply_to_print: int | None = None,
    ) -> None:
        """Prints the passes and the most expensive instructions."""
        file = sys.stderr if file is None else file
        limit = config.profiling.n_apply if n_apply_to_print is None else n_apply_to_print
        names = ", ".join(name for _, name in self._cores)
        print(f"Function profile: {self.message or names}", file=file)
        print(f"  Calls: {self.fct_callcount}, {self.fct_call_time:.6e} s", file=file)
        print(
            f"  Compiling: {self.compile_time:.6e} s, passes {self.optimizer_time:.6e} s", file=file
        )
        for core, _ in self._cores:
            for name, seconds, changed, nodes in core.pass_reports:
                mark = "changed" if changed else ""
                print(f"    {seconds:.2e} s  {name:<28} {nodes:>6} nodes {mark}", file=file)
        print("  % time  seconds     calls  instruction", file=file)
        total = self.fct_call_time or 1.0
        entries = sorted(self._entries(), key=lambda e: -e["seconds"])
        for e in entries[:limit]:
            where = f"  {e['loc']}" if e["loc"] else ""
            share = 100 * e["seconds"] / total
            print(
                f"  {share:5.1f}%  {e['seconds']:.3e} {e['calls']:>7}  {e['op']}{where}", file=file
            )
        if len(entries) > limit:
            print(f"  ... {len(entries) - limit} more", file=file)

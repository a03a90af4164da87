"""Tables and the plot of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.peers import LIMITS, PEERS

__all__ = ["line", "write"]

VERDICTS = {True: "met", False: "MISSED", None: "not measured"}


def quantity(value: float, unit: str) -> str:
    """`value` with three digits and a unit that suits it."""
    if unit != "s":
        return f"{value:.3g} {unit}"
    for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= factor:
            return f"{value / factor:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def describe(row: dict[str, Any]) -> str:
    parts = []
    for name, value in row["variant"].items():
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, (tuple, list)):
            parts.append(" x ".join(f"{n:,}" for n in value))
        else:
            parts.append(f"{name} {value:,}")
    if row["metric"]:
        parts.append(row["metric"])
    return ", ".join(parts)


def rate(seconds: float, unit: str, amount: float) -> str:
    """`amount` things a call as a rate: "GFLOP/s", "GB/s" or "ns/op"."""
    if unit.endswith("/s"):
        return f"{amount / seconds / 1e9:.3g} {unit}"
    return f"{1e9 * seconds / amount:.3g} {unit}"


def cell(
    result: dict[str, Any] | None, unit: str, spread: bool, rates: dict[str, float] | None = None
) -> str:
    if result is None:
        return ""
    if "failed" in result:
        return f"failed: {result['failed'][:80]}" if spread else "failed"
    if "skipped" in result:
        return "-"
    if not result.get("agrees"):
        return f"wrong: {result['why']}"
    text = quantity(result["value"], unit)
    for name, amount in (rates or {}).items():
        text += f", {rate(result['value'], name, amount)}"
    if spread:
        low, high = quantity(result["min"], unit), quantity(result["max"], unit)
        text += f" [{low} to {high}]"
    return text


def best_peer(row: dict[str, Any]) -> tuple[str, float] | None:
    times = {
        peer: result["value"]
        for peer, result in row["results"].items()
        if peer != "phintys" and peer not in LIMITS and result.get("agrees") and "value" in result
    }
    return min(times.items(), key=lambda item: item[1]) if times else None


def own_time(row: dict[str, Any]) -> float | None:
    own = row["results"].get("phintys", {})
    return own["value"] if own.get("agrees") and "value" in own else None


def against_best(row: dict[str, Any]) -> str:
    best, own = best_peer(row), own_time(row)
    if best is None or own is None:
        return ""
    return f"{own / best[1]:.2f} of {PEERS[best[0]].title}"


def target_text(row: dict[str, Any]) -> str:
    texts = []
    for target in row["targets"]:
        verdict = VERDICTS[target["met"]]
        figure = f" ({target['figure']:.2f})" if "figure" in target else ""
        texts.append(f"{target['text']}: {verdict}{figure}")
    return "; ".join(texts)


def wanted(target: dict[str, Any], unit: str) -> str:
    """What the target asks for, as a figure."""
    goal = target["wanted"]
    if "at most" in goal:
        return f"at most {quantity(goal['at most'], unit)}"
    against = "the best peer" if goal["against"] == "best" else PEERS[goal["against"]].title
    return f"{goal['ratio']:.2f} of {against}"


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """All targets beside what was measured."""
    goals = [(row, target) for row in rows for target in row["targets"]]
    if not goals:
        return []
    met = sum(target["met"] is True for _, target in goals)
    open_ = sum(target["met"] is None for _, target in goals)
    lines = [
        "",
        "## Targets",
        "",
        f"{met} of {len(goals)} met, {len(goals) - met - open_} missed, {open_} not measured.",
        "",
        "| case |  | Phintys | measured | wanted at most |  |",
        "|---|---|---|---|---|---|",
    ]
    for row, target in goals:
        own = own_time(row)
        best = best_peer(row)
        measured = ""
        if "figure" in target and "at most" not in target["wanted"]:
            against = target["wanted"]["against"]
            peer = best[0] if against == "best" and best else against
            measured = f"{target['figure']:.2f} of {PEERS[peer].title}"
        lines.append(
            f"| `{row['case']}` | {describe(row)} | {quantity(own, row['unit']) if own else ''} | "
            f"{measured} | {wanted(target, row['unit']).removeprefix('at most ')} | "
            f"{VERDICTS[target['met']]} |"
        )
    return lines


def line(row: dict[str, Any]) -> str:
    """One row for the terminal."""
    cells = [
        f"{PEERS[peer].title} {cell(result, row['unit'], False)}"
        for peer, result in row["results"].items()
        if "skipped" not in result
    ]
    text = f"{row['case']} [{describe(row)}]: " + ", ".join(cells)
    ratio, targets = against_best(row), target_text(row)
    return text + (f" | {ratio}" if ratio else "") + (f" | {targets}" if targets else "")


def tables(result: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    by_case: dict[str, list[dict[str, Any]]] = {}
    for row in result["rows"]:
        by_case.setdefault(row["case"], []).append(row)
    for rows in by_case.values():
        used = [
            p
            for p in PEERS
            if any(
                "value" in row["results"].get(p, {}) or "failed" in row["results"].get(p, {})
                for row in rows
            )
        ]
        targets = any(row["targets"] for row in rows)
        head = ["", *(PEERS[p].title for p in used), "Phintys / best peer"]
        head += ["target"] if targets else []
        lines += ["", f"## {rows[0]['title']}", "", "| " + " | ".join(head) + " |"]
        lines.append("|" + "---|" * len(head))
        for row in rows:
            cells = [describe(row)]
            cells += [cell(row["results"].get(p), row["unit"], True, row["rates"]) for p in used]
            cells.append(against_best(row))
            cells += [target_text(row)] if targets else []
            lines.append("| " + " | ".join(cells) + " |")
        note = rows[0].get("note")
        lines += ["", note] if note else []
    return lines


def markdown(result: dict[str, Any]) -> str:
    about = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    kind = "Least values of the time of the processor" if result["cpu_time"] else "Medians"
    lines = [
        f"# Phintys beside its peers, {result['threads']} thread(s)",
        "",
        f"{result['date']}, commit {result['commit']}; {about['cpu']} ({about['isa']}), "
        f"{about['cores']} cores, {about['system']}, Python {about['python']}; load "
        f"{about['load']:.1f} before, {about['load at the end']:.1f} after. {versions}.",
        "",
        f"{kind} [least to greatest] of samples taken in turns; one peer runs at a time, each with "
        "arrays of its own kind and the same number of threads. A peer whose values are off is "
        "marked and does not count. Ratios below 1: Phintys takes less time.",
    ]
    return "\n".join(lines + summary(result["rows"]) + tables(result)) + "\n"


def plot(result: dict[str, Any], path: Path) -> None:
    """Each peer's time as a multiple of Phintys's; without Phintys, of the best peer's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in result["rows"] if best_peer(row) is not None]
    if not rows:
        return
    height = 1.2 + 0.32 * len(rows)
    figure, axes = pyplot.subplots(figsize=(10, height), layout="constrained")
    colors = dict(zip(PEERS, pyplot.get_cmap("tab10").colors, strict=False))
    named = set()
    for y, row in enumerate(reversed(rows)):
        best = best_peer(row)
        base = own_time(row) or (best[1] if best else 1.0)
        for peer, outcome in row["results"].items():
            if outcome.get("agrees") and "value" in outcome:
                label = None if peer in named else PEERS[peer].title
                named.add(peer)
                marker = "|" if peer in LIMITS else "D" if peer == "phintys" else "o"
                axes.plot(outcome["value"] / base, y, marker, color=colors[peer], label=label)
    axes.set_yticks(range(len(rows)), [f"{r['case']}: {describe(r)}" for r in reversed(rows)])
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xscale("log")
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("time relative to Phintys (log scale; right of the line is slower)")
    axes.set_title(f"{result['threads']} thread(s), {result['machine']['cpu']}", fontsize=9)
    figure.legend(fontsize=7, loc="outside right upper")
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write(result: dict[str, Any], output: Path) -> None:
    def path(suffix: str) -> Path:
        return output.with_name(output.name + suffix)

    path(".json").write_text(json.dumps(result, indent=1) + "\n")
    path(".md").write_text(markdown(result))
    plot(result, path(".png"))

"""What profiled functions have measured, one object for each instruction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ProfiledNode", "profiled_nodes"]


@dataclass(eq=False)
class ProfiledNode:
    """One instruction of a profiled function, or of the body of one of its loops or branches.

    Equal nodes are the same instruction of the same function, perhaps measured at different times.
    Times are in seconds and sums over all calls. `seconds` is the node's own; `total_seconds` has
    what is inside it as well.
    """

    core: Any = field(repr=False)
    function: str
    index: int
    op: str
    op_class: str
    line: str
    lines: list[str]
    types: list[str]
    shapes: list[tuple[int, ...]]
    owner: ProfiledNode | None
    has_body: bool
    calls: int
    seconds: float
    total_seconds: float
    bytes: int
    max_bytes: int
    steps: int
    slowest_seconds: float
    slowest_step: int
    whole: bool
    work_bytes: int
    loop_profile: str
    inside: list[ProfiledNode] = field(default_factory=list, repr=False)

    @property
    def measured(self) -> bool:
        """False for what never ran, or ran within a loop that was measured whole."""
        return self.calls > 0

    @property
    def is_loop(self) -> bool:
        """True iff it ran a body step by step."""
        return self.has_body and self.op_class == "scan"

    def all_inside(self) -> list[ProfiledNode]:
        """The nodes of its body, and of the bodies in that."""
        found, open_nodes = [], list(reversed(self.inside))
        while open_nodes:
            node = open_nodes.pop()
            found.append(node)
            open_nodes.extend(reversed(node.inside))
        return found

    def outputs(self) -> list[str]:
        """For each output its dtype and, if it ran, its shape."""
        dtypes = [_dtype(text) for text in self.types]
        if len(self.shapes) != len(dtypes):
            return dtypes
        return [f"{t} {_shape(s)}" for t, s in zip(dtypes, self.shapes, strict=True)]

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, ProfiledNode) and self.core is other.core
        return same and self.index == other.index  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((id(self.core), self.index))

    def __str__(self) -> str:
        return self.op


def _dtype(type_text: str) -> str:
    """``TensorType(float64, (3,))`` -> ``float64``."""
    return type_text.split("(", 1)[-1].split(",", 1)[0].rstrip(")")


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def profiled_nodes(core: Any, function: str) -> list[ProfiledNode]:
    """The nodes of a ``_core.Function``, which is called `function`, as they are now."""
    nodes: list[ProfiledNode] = []
    for index, entry in enumerate(core.profile()["instructions"]):
        owner = None if entry["owner"] is None else nodes[entry["owner"]]
        node = ProfiledNode(
            core=core,
            function=function,
            index=index,
            op=entry["op"],
            op_class=entry["op_class"],
            line=entry["loc"] or "",
            lines=entry["lines"],
            types=entry["types"],
            shapes=entry["shapes"],
            owner=owner,
            has_body=entry["has_body"],
            calls=entry["calls"],
            seconds=max(entry["seconds"] - entry["inner_seconds"], 0.0),
            total_seconds=entry["seconds"],
            bytes=entry["bytes"],
            max_bytes=entry["max_bytes"],
            steps=entry["steps"],
            slowest_seconds=entry["slowest_seconds"],
            slowest_step=entry["slowest_step"],
            whole=entry["whole"],
            work_bytes=entry["work_bytes"],
            loop_profile=entry["loop_profile"],
        )
        if owner is not None:
            owner.inside.append(node)
        nodes.append(node)
    return nodes

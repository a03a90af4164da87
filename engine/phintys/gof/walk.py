"""Searches, orders, copies and texts of graphs. Nothing here recurses, so depth is no limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError

__all__ = [
    "as_string",
    "clone",
    "clone_get_equiv",
    "default_leaf_formatter",
    "default_node_formatter",
    "general_toposort",
    "io_connection_pattern",
    "io_toposort",
    "is_in_ancestors",
    "list_of_nodes",
    "op_as_string",
    "ops",
    "orphans",
    "stack_search",
    "variables",
    "variables_and_orphans",
    "view_roots",
]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set, deque)) else [value]


# --- searches and orders --------------------------------------------------------------------------


def stack_search(
    start: Any, expand: Callable[[Any], Any], mode: str = "bfs", build_inv: bool = False
) -> Any:
    """Everything that ``expand`` reaches from `start`, each once, in the order of the search.

    Parameters
    ----------
    start
        A deque of nodes, which is emptied; or any other collection.
    expand
        Gives the neighbours of a node, or None.
    mode
        'bfs' or 'dfs'.
    build_inv
        Return also a dict: for each node the list of those that it was reached from.
    """
    if mode not in ("bfs", "dfs"):
        raise PhintysValueError(f"mode should be bfs or dfs, not {mode!r}")
    waiting = start if isinstance(start, deque) else deque(start)
    take = waiting.popleft if mode == "bfs" else waiting.pop
    found: list[Any] = []
    seen: set[int] = set()
    came_from: dict[Any, list[Any]] = {}
    while waiting:
        node = take()
        if id(node) in seen:
            continue
        seen.add(id(node))
        found.append(node)  # which also keeps ids from being used again
        for other in expand(node) or ():
            if build_inv:
                came_from.setdefault(other, []).append(node)
            waiting.append(other)
    return (found, came_from) if build_inv else found


def general_toposort(
    outputs: Any,
    deps: Callable[[Any], Any] | None = None,
    debug_print: bool = False,
    compute_deps_cache: Any = None,
    deps_cache: Any = None,
    clients: dict[Any, Any] | None = None,
) -> list[Any]:
    """Everything that `outputs` depend on, each after those that it depends on itself.

    ``deps(x)`` is the list of what `x` depends on, or None. ValueError if there is a cycle.
    `clients`, if given, is filled with the list of dependents of each.
    """
    depends = compute_deps_cache or deps
    if depends is None:
        raise PhintysTypeError("general_toposort: deps is needed")
    if not isinstance(outputs, (tuple, list, deque)):
        raise PhintysTypeError("general_toposort: outputs must be a tuple, a list or a deque")
    missing: dict[Any, list[Any]] = {}

    def needs(x: Any) -> list[Any]:
        if x not in missing:
            found = depends(x)
            if isinstance(found, (set, frozenset, dict)):
                raise PhintysTypeError(
                    "Non-deterministic collections here make toposort non-deterministic."
                )
            missing[x] = list(found or ())
        return missing[x]

    reachable, dependents = stack_search(deque(outputs), needs, "dfs", True)
    if clients is not None:
        clients.update(dependents)
    ready = deque(x for x in reachable if not missing[x])
    order: dict[Any, None] = {}
    while ready:
        x = ready.popleft()
        if x in order:
            continue
        order[x] = None
        for user in dependents.get(x, ()):
            missing[user] = [d for d in missing[user] if d is not x]
            if not missing[user]:
                ready.append(user)
    if len(order) != len(reachable):
        raise PhintysValueError("graph contains cycles")
    return list(order)


def io_toposort(
    inputs: Sequence[Any], outputs: Any, orderings: Any = None, clients: Any = None
) -> list[Any]:
    """The apply nodes between inputs and outputs, each after those that it depends on.

    `orderings` maps nodes to lists of further nodes that come before them.
    """
    nodes = list(_core.toposort(_list(outputs), list(inputs)))
    if clients is not None:
        for node in nodes:
            for v in node.inputs:
                clients.setdefault(v, []).append(node)
    if not orderings:
        return nodes
    position = {node: i for i, node in enumerate(nodes)}
    before: dict[Any, list[Any]] = {}
    for node in nodes:
        owners = [v.owner for v in node.inputs if v.owner is not None and v.owner in position]
        extra = [d for d in orderings.get(node, ()) if d in position]
        before[node] = list(dict.fromkeys(owners + extra))
    return general_toposort(nodes, lambda node: before[node])


def list_of_nodes(inputs: Sequence[Any], outputs: Any) -> list[Any]:
    """The apply nodes between inputs and outputs, those of the outputs first."""
    given = set(inputs)

    def behind(node: Any) -> list[Any]:
        owners = [v.owner for v in node.inputs if v.owner is not None]
        return [n for n in owners if not given.intersection(n.outputs)]

    return list(stack_search(deque(o.owner for o in _list(outputs) if o.owner), behind))


def variables_and_orphans(i: Sequence[Any], o: Any) -> tuple[list[Any], list[Any]]:
    """The variables between `i` and `o`, and those of them that nothing computes, not in `i`.

    All outputs of a node between them are among the variables.
    """
    given = set(i)

    def expand(v: Any) -> list[Any] | None:
        if v.owner is None or v in given:
            return None
        return (list(v.owner.inputs) + list(v.owner.outputs))[::-1]

    found = stack_search(deque(_list(o)), expand, "dfs")
    return found, [v for v in found if v.owner is None and v not in given]


def variables(i: Sequence[Any], o: Any) -> list[Any]:
    """The variables between inputs `i` and outputs `o`, both included."""
    return variables_and_orphans(i, o)[0]


def orphans(i: Sequence[Any], o: Any) -> list[Any]:
    """The variables that `o` depends on, that nothing computes and that are not in `i`."""
    return variables_and_orphans(i, o)[1]


def ops(i: Sequence[Any], o: Any) -> set[Any]:
    """The apply nodes between inputs `i` and outputs `o`."""
    return set(_core.toposort(_list(o), list(i)))


def is_in_ancestors(l_node: Any, f_node: Any) -> bool:
    """True iff the apply node `f_node` is `l_node` or computes something that it depends on."""
    return any(n is f_node for n in _core.toposort(list(l_node.outputs)))


def view_roots(r: Any) -> list[Any]:
    """The variables whose memory `r` lies in, as the ``view_map`` of ops tells."""
    roots, waiting = [], [r]
    while waiting:
        v = waiting.pop()
        views = {} if v.owner is None else getattr(v.owner.op, "view_map", None) or {}
        if v.owner is not None and v.index in views:
            waiting += [v.owner.inputs[k] for k in reversed(views[v.index])]
        else:
            roots.append(v)
    return roots


def io_connection_pattern(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[list[bool]]:
    """For each input a list that says for each output whether gradients pass from it."""
    return [list(row) for row in _core.connection_pattern(list(inputs), list(outputs))]


# --- copies ---------------------------------------------------------------------------------------


def _copied_leaf(v: Any) -> Any:
    # A copy of a shared variable would have a value of its own.
    return v if v.is_shared else v.clone()


def clone_get_equiv(
    inputs: Sequence[Any],
    outputs: Any,
    copy_inputs: bool = True,
    copy_orphans: bool = True,
    memo: dict[Any, Any] | None = None,
) -> dict[Any, Any]:
    """A dict from the variables and apply nodes between inputs and outputs to copies of them.

    Parameters
    ----------
    copy_inputs
        Copy the inputs, except shared variables; else they stand for themselves.
    copy_orphans
        Copy leaves that are not among the inputs, except shared variables and constants, which
        stand for themselves in any case.
    memo
        Start with these; it is filled and returned.
    """
    memo = {} if memo is None else memo
    for v in inputs:
        if v not in memo:
            memo[v] = _copied_leaf(v) if copy_inputs else v
    for node in _core.toposort(_list(outputs), list(inputs)):
        if node in memo:
            continue
        for v in node.inputs:
            if v not in memo:
                memo[v] = _copied_leaf(v) if copy_orphans else v
        pairs = [(v, memo[v]) for v in dict.fromkeys(node.inputs) if memo[v] is not v]
        fresh = _core.clone(
            list(node.outputs), pairs + [(v, v) for v in node.inputs if memo[v] is v]
        )
        memo[node] = fresh[0].owner
        for old, new in zip(node.outputs, fresh, strict=True):
            memo.setdefault(old, new)
    for v in _list(outputs):
        if v not in memo:
            memo[v] = _copied_leaf(v) if copy_orphans else v
    return memo


def clone(
    inputs: Sequence[Any],
    outputs: Any,
    copy_inputs: bool = True,
    copy_orphans: bool | None = None,
) -> tuple[list[Any], list[Any]]:
    """Copies of inputs and outputs, with copies of all nodes between them.

    `copy_orphans` says whether leaves that are not among the inputs are copied too; by default as
    `copy_inputs` says.
    """
    orphans_too = copy_inputs if copy_orphans is None else copy_orphans
    outputs = _list(outputs)
    fresh = [_copied_leaf(v) if copy_inputs else v for v in inputs]
    pairs = list(zip(inputs, fresh, strict=True))
    if orphans_too:
        pairs += [(v, _copied_leaf(v)) for v in orphans(inputs, outputs)]
    return fresh, list(_core.clone(outputs, pairs))


# --- texts ----------------------------------------------------------------------------------------


def default_leaf_formatter(leaf: Any) -> str:
    """The text of an input or constant."""
    return str(leaf)


def default_node_formatter(op: Any, argstrings: Iterable[str]) -> str:
    """The text of an apply node whose inputs have the given texts."""
    return f"{op.op}({', '.join(argstrings)})"


def op_as_string(
    i: Sequence[Any],
    op: Any,
    leaf_formatter: Callable[[Any], str] = default_leaf_formatter,
    node_formatter: Callable[[Any, Any], str] = default_node_formatter,
) -> str:
    """The text of one apply node."""
    return node_formatter(op, as_string(i, op.inputs, leaf_formatter, node_formatter))


def as_string(
    i: Sequence[Any],
    o: Sequence[Any],
    leaf_formatter: Callable[[Any], str] = default_leaf_formatter,
    node_formatter: Callable[[Any, Any], str] = default_node_formatter,
) -> list[str]:
    """The texts of the expressions `o` of the inputs `i`.

    A node that occurs more than once is written out where it comes first, as ``*1 -> ...``, and is
    ``*1`` from then on; output k of a node with several is ``*1::k``.
    """
    outputs, given = list(o), set(i)
    inner = [v for v in outputs if v.owner is not None and v not in given]
    nodes = _core.toposort(outputs, list(i))
    uses: dict[Any, int] = {}
    for v in inner + [v for n in nodes for v in n.inputs if v.owner is not None and v not in given]:
        uses[v.owner] = uses.get(v.owner, 0) + 1
    numbers: dict[Any, int] = {}
    done: set[Any] = set()
    texts: list[str] = []  # finished operands of the nodes that are being described
    waiting: list[tuple[Any, bool]] = [(v, False) for v in reversed(outputs)]
    while waiting:
        v, operands_done = waiting.pop()
        node = v.owner
        if node is None or v in given:
            texts.append(leaf_formatter(v))
            continue
        several = uses[node] > 1
        if several and node not in numbers:
            numbers[node] = len(numbers) + 1
        if operands_done:
            n = len(node.inputs)
            text = node_formatter(node, texts[len(texts) - n :])
            del texts[len(texts) - n :]
            texts.append(f"*{numbers[node]} -> {text}" if several else text)
        elif node in done:
            suffix = "" if len(node.outputs) == 1 else f"::{v.index}"
            texts.append(f"*{numbers[node]}{suffix}")
        else:
            done.add(node)
            waiting.append((v, True))
            waiting += [(x, False) for x in reversed(node.inputs)]
    return texts

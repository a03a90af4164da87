"""Loops of the graph for tests: as the op `scan`, and unrolled into one copy of the body a step."""

from types import SimpleNamespace

import phintys.tensor as T
from phintys import _core
from phintys.compile import function
from phintys.gradient import disconnected_grad


def _row(x):
    return T.TensorType(x.dtype, x.broadcastable[1:])()


def loop(step, states=(), sequences=(), constants=(), n_steps=None, **options):
    """A loop of `step(taps of states..., rows of sequences..., constants...)`.

    `step` returns (new rows of states, emitted values) or those and a condition to stop after the
    step (with until=True). `states` are pairs (initial rows, taps). The result has `trace`, the
    rows of each state with the initial ones; `emitted`; `steps`, how many ran.
    """
    until = options.pop("until", False)
    unroll = options.pop("unroll", None)
    if n_steps is None:
        n_steps = sequences[0].shape[0]
    n_steps = T.as_tensor_variable(n_steps).astype("int64")
    if unroll is not None:
        kept = options.pop("truncate", -1)
        return _unrolled(step, states, sequences, constants, unroll, kept)
    inner = [_row(init) for init, taps in states for _ in taps]
    inner += [_row(s) for s in sequences] + [c.type() for c in constants]
    result = step(*inner)
    news, emitted = list(result[0]), list(result[1])
    outputs = news + emitted + ([T.neq(result[2], 0)] if until else [])
    out = _core.apply(
        "scan",
        [n_steps, *[init for init, _ in states], *sequences, *constants],
        graph=_core.InnerGraph(inner, outputs),
        taps=[k for _, taps in states for k in [len(taps), *taps]],
        keep=options.pop("keep", [1] * len(states)),
        n_sequences=len(sequences),
        n_emitted=len(emitted),
        until=until,
        truncate=options.pop("truncate", -1),
        recompute=options.pop("recompute", False),
        label=options.pop("label", ""),
    )
    assert not options
    out = out if isinstance(out, list) else [out]
    n = len(states)
    return SimpleNamespace(
        trace=out[:n],
        emitted=out[n : n + len(emitted)],
        steps=out[-1] if until else n_steps,
        node=out[0].owner,
    )


def _unrolled(step, states, sequences, constants, n, truncate):
    rows = [[init[i] for i in range(-min(taps))] for init, taps in states]
    emitted = []
    for t in range(n):
        tapped = [r[len(r) + k] for r, (_, taps) in zip(rows, states, strict=True) for k in taps]
        result = step(*tapped, *[s[t] for s in sequences], *constants)
        if 0 <= truncate < n - t:
            result = [[disconnected_grad(v) for v in values] for values in result[:2]]
        for r, new in zip(rows, result[0], strict=True):
            r.append(new)
        emitted.append(result[1])
    stacks = [T.stack(list(e)) for e in zip(*emitted, strict=True)]
    return SimpleNamespace(trace=[T.stack(r) for r in rows], emitted=stacks, steps=n, node=None)


def ancestors(outputs):
    """The nodes that `outputs` depend on, inputs before users."""
    order, seen = [], set()
    stack = [(v.owner, False) for v in outputs if v.owner is not None]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(v.owner, False) for v in node.inputs if v.owner is not None]
    return order


def loops_of(outputs):
    """The loops that `outputs` depend on."""
    return [node for node in ancestors(outputs) if node.op.name == "scan"]


def names_inside(node):
    """Names of the ops in a loop's body."""
    graph = node.op.attrs["graph"]
    return [n.op.name for n in ancestors(graph.outputs)]


def without_loops(outputs):
    """`outputs` with every loop (of a number of steps that is known) unrolled."""
    image = {}

    def of(v):
        return image.get(v, v)

    for node in ancestors(outputs):
        inputs = [of(v) for v in node.inputs]
        if node.op.name == "scan":
            results = _unroll_node(node, inputs)
        else:
            results = _core.apply_op(node.op, inputs)
        results = results if isinstance(results, list) else [results]
        for old, new in zip(node.outputs, results, strict=True):
            image[old] = new
    return [of(v) for v in outputs]


def _unroll_node(node, inputs):
    attrs = node.op.attrs
    assert not attrs["until"]
    n = int(function([], inputs[0], mode="FAST_COMPILE")())
    graph, code, taps = attrs["graph"], list(attrs["taps"]), []
    while code:
        taps.append(code[1 : 1 + code[0]])
        code = code[1 + code[0] :]
    n_states, n_seq = len(taps), attrs["n_sequences"]
    states, sequences = inputs[1 : 1 + n_states], inputs[1 + n_states : 1 + n_states + n_seq]
    constants = inputs[1 + n_states + n_seq :]
    rows = [[s[i] for i in range(-min(t))] for s, t in zip(states, taps, strict=True)]
    emitted = []
    for step in range(n):
        tapped = [r[len(r) + k] for r, t in zip(rows, taps, strict=True) for k in t]
        arguments = [*tapped, *[s[step] for s in sequences], *constants]
        result = without_loops(graph.inlined(arguments))
        for r, new in zip(rows, result, strict=False):
            r.append(new)
        emitted.append(result[n_states:])
    results = [
        T.stack(r if keep else r[min(t) :])
        for r, t, keep in zip(rows, taps, attrs["keep"], strict=True)
    ]
    for e, out in enumerate(node.outputs[n_states:]):
        stack = [r[e] for r in emitted]
        empty = T.zeros((0,) + (1,) * (out.ndim - 1), dtype=out.dtype)
        results.append(T.stack(stack) if stack else empty)
    return results

"""The function ``scan``: loops in expressions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from phintys import _core
from phintys.compile.pfunc import add_default_updates
from phintys.errors import MissingInputError, PhintysTypeError, PhintysValueError
from phintys.scan_module.arguments import (
    OutputInfo,
    check_new_values,
    first_row,
    number_of_steps,
    output_infos,
    outside_variables,
    sequence_rows,
    state_of,
    with_types_of_steps,
)
from phintys.scan_module.loop import Body, Rows, State, loop
from phintys.scan_module.scan_utils import get_updates_and_outputs
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.sharedvar import update_expression
from phintys.updates import OrderedUpdates

__all__ = ["scan"]


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: Any = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
    return_updates: bool = True,
) -> Any:
    """A loop: `fn` says what one step computes from the steps before.

    Parameters
    ----------
    fn
        Called once, with variables: the current elements of the sequences (for each sequence all
        its taps in the order given), then earlier values of the outputs that feed back (for each
        output all its taps), then `non_sequences`. Returns what a step computes: outputs (a
        variable or a list of them), updates of shared variables (a dict or a list of pairs),
        ``until(condition)``, or a tuple of several of these.
    sequences
        What to loop over along the first axis: a variable or array, or a list of them. An entry
        may be ``dict(input=x, taps=[-1, 0, 2])``: then `fn` gets ``x[t-1]``, ``x[t]`` and
        ``x[t+2]``, and the loop runs where all of these exist.
    outputs_info
        For each output None if no step uses earlier values of it; else its value before the first
        step, or ``dict(initial=x, taps=[-3, -1])``. For taps other than ``[-1]`` `x` has a leading
        axis: its first rows are the values from the oldest on, as many as the oldest tap goes back.
        A Python number takes the dtype that the steps compute. Else dtype, rank, and which
        dimensions have length 1 for sure, must be those that `fn` computes.
        None or nothing at all: no output feeds back.
    non_sequences
        Further arguments of `fn`, the same in all steps. Other variables that `fn` uses are found
        without being listed, unless `strict`.
    n_steps
        The number of steps, an integer or an integer scalar variable; by default the length of the
        shortest sequence.
    truncate_gradient
        Gradients go back at most this many steps; -1: through all.
    go_backwards
        Loop over the sequences from their last elements to the first ones.
    mode
        The mode, or its name, that the body is compiled with: its passes and fusion. By default the
        body is compiled as the function that the loop is in; passes that look at a loop from the
        outside are that function's in any case. Modes that check, such as ``'DebugMode'``, belong
        to functions: their checks include loops. Here they give a warning and their passes. In a
        function with ``DebugMode`` loops' own modes are left aside.
    profile
        True, or a name: the loop is measured whenever a function runs it, and its table is printed
        at the end of the process. See ``f.loop_profiles``; ``function(profile=True)`` measures
        everything.
    allow_gc
        Theano's, without effect: a loop's work memory is planned before its first step, and freed
        with the function's.
    name
        Shown when the graph is printed and in messages.
    strict
        Shared variables that `fn` uses must be listed in `non_sequences`.
    return_list
        Return a list of outputs also if there is only one.
    return_updates
        False: return the outputs alone; ValueError if there are updates.

    Returns
    -------
    outputs, updates
        The values that all steps computed, stacked along a new first axis: one variable, or a list
        if `fn` returned several; None if it returned none. The updates are an
        :class:`~phintys.updates.OrderedUpdates` of the shared variables that steps update,
        explicitly or because they have a default update (random streams): pass them to
        ``function(updates=...)``.

    Raises
    ------
    ValueError
        There is no number of steps, `fn` returned something else, or the dtype or rank of a state
        changes from one step to the next.
    TypeError
        A state has dimensions of length 1 that it need not have after a step.
    MissingInputError
        `strict`, and a shared variable is not listed.

    When the function runs: ValueError if a sequence is shorter than `n_steps`, IndexError for a
    negative number of steps.

    >>> import phintys, phintys.tensor as T
    >>> A, k = T.dvector('A'), T.iscalar('k')
    >>> powers, updates = phintys.scan(lambda so_far, a: so_far * a, outputs_info=T.ones_like(A),
    ...                                non_sequences=A, n_steps=k)
    >>> f = phintys.function([A, k], powers[-1], updates=updates)
    >>> f([0.0, 1.0, 2.0], 3).tolist()
    [0.0, 1.0, 8.0]
    """
    values, result = scan_loop(
        fn,
        sequences,
        outputs_info,
        non_sequences,
        n_steps,
        truncate_gradient=truncate_gradient,
        go_backwards=go_backwards,
        name=name,
        strict=strict,
        mode=mode,
        profile=profile,
    )
    return _returned(values, result, return_list, return_updates)


def scan_loop(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any,
    n_steps: Any,
    *,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    name: str | None = None,
    strict: bool = False,
    recompute: bool = False,
    mode: Any = None,
    profile: Any = False,
) -> tuple[list[Any], OrderedUpdates]:
    """What :func:`scan` does, all results in a list; `recompute` as for `loop`."""
    by_sequence = sequence_rows(sequences, go_backwards)
    infos = output_infos(outputs_info)
    given = outside_variables(non_sequences)
    steps = number_of_steps(n_steps, by_sequence)
    rows = [part for parts in by_sequence for part in parts]
    states = [state_of(info) for info in infos if info.taps]

    returned = fn(*_placeholders(rows, states), *given)
    condition, outputs, updates = get_updates_and_outputs(returned)
    outputs = [as_tensor_variable(v) for v in outputs]
    if any(info.untyped for info in infos):
        condition, outputs, updates = _retyped(infos, states, condition, outputs, updates)
    if infos and len(outputs) != len(infos):
        raise PhintysValueError(
            "Please provide None as outputs_info for any output that does not feed back into scan "
            "(i.e. it behaves like a map) "
        )
    infos = infos or [OutputInfo() for _ in outputs]
    check_new_values(infos, outputs, len(rows))
    feeding_back = [v for v, info in zip(outputs, infos, strict=True) if info.taps]
    for state, new in zip(states, feeding_back, strict=True):
        state.new = new
    emitted = [v for v, info in zip(outputs, infos, strict=True) if not info.taps]

    roots = outputs if condition is None else [*outputs, condition]
    own = _plain_parts(given)
    known = _placeholders(rows, states) + own
    shared = _shared_states(roots, updates, known)
    if strict:
        _check_listed([*roots, *[s.new for s in shared]], known, shared, given)
    body = Body(
        states=[*states, *shared],
        sequences=rows,
        emitted=emitted,
        condition=None if condition is None else _core.cast(condition, "bool"),
        outside=own,
    )
    traces: list[Any] = []
    stacks: list[Any] = []
    ran = None
    if body.states or emitted:
        traces, stacks, ran = loop(
            steps, body, int(truncate_gradient), name or "", recompute, mode, profile
        )
    result = OrderedUpdates()
    for state, trace in zip(shared, traces[len(states) :], strict=True):
        result[state.rows[0]] = trace[0]
    return _results(infos, states, traces, stacks, ran), result


def _placeholders(rows: Sequence[Rows], states: Sequence[State]) -> list[Any]:
    """The variables that stand for what each step reads, in the order of the step's arguments."""
    return [part.row for part in rows] + [row for state in states for row in state.rows]


def _retyped(
    infos: Sequence[OutputInfo],
    states: Sequence[State],
    condition: Any,
    outputs: list[Any],
    updates: Any,
) -> tuple[Any, list[Any], OrderedDict[Any, Any]]:
    """What a step returns, after initial values that are numbers have found their dtypes."""
    others = [as_tensor_variable(v) for v in updates.values()]
    roots = [*outputs, *others] if condition is None else [*outputs, *others, condition]
    roots = with_types_of_steps(infos, states, roots, len(outputs))
    n = len(outputs)
    changed = OrderedDict(zip(updates, roots[n : n + len(others)], strict=True))
    return (None if condition is None else roots[-1]), roots[:n], changed


def _plain_parts(given: Sequence[Any]) -> list[Any]:
    """The variables among `non_sequences` that are neither shared nor constants."""
    variables = [v for item in given for v in getattr(item, "parts", (item,))]
    return [v for v in variables if not v.is_shared and not v.is_constant]


def _shared_states(roots: Sequence[Any], updates: Any, blockers: Sequence[Any]) -> list[State]:
    """States for the shared variables that `updates` are of, or that have default updates."""
    new: dict[Any, Any] = {}
    for variable, expression in updates.items():
        if not isinstance(variable, _core.Variable) or not variable.is_shared:
            raise PhintysTypeError("update target must be a SharedVariable", variable)
        new[variable] = update_expression(variable, expression)
    add_default_updates(list(roots), new, list(blockers), False)
    return [
        State(first_row(variable), [-1], [variable], expression, keep=False)
        for variable, expression in new.items()
    ]


def _check_listed(
    roots: Sequence[Any], blockers: Sequence[Any], shared: Sequence[State], given: Sequence[Any]
) -> None:
    listed = {id(v) for item in given for v in getattr(item, "parts", (item,))}
    listed.update(id(state.rows[0]) for state in shared)
    for leaf in _core.graph_inputs(roots, blockers):
        if leaf.is_shared and id(leaf) not in listed:
            raise MissingInputError(f"ScanOp is missing an input: {leaf}")


def _results(
    infos: Sequence[OutputInfo],
    states: Sequence[State],
    traces: Sequence[Any],
    stacks: Sequence[Any],
    ran: Any,
) -> list[Any]:
    """The outputs in the user's order: only rows that steps computed."""
    from phintys.tensor.shape import unbroadcast

    recurrent, others = iter(zip(states, traces, strict=False)), iter(stacks)
    values = []
    for info in infos:
        if info.taps:
            state, rows = next(recurrent)
            value = rows[state.reach : None if ran is None else ran + state.reach]
        else:
            rows = next(others)
            value = rows if ran is None else rows[:ran]
        # One step is no reason to broadcast along the steps.
        values.append(unbroadcast(value, 0) if value.static_shape[0] == 1 else value)
    return values


def _returned(
    values: list[Any], updates: OrderedUpdates, return_list: bool, return_updates: bool
) -> Any:
    outputs: Any = values if values else None
    if len(values) == 1 and return_list is not True:
        outputs = values[0]
    if return_updates:
        return outputs, updates
    if updates:
        raise PhintysValueError(
            f"return_updates=False, but the loop updates {', '.join(map(str, updates))}"
        )
    return outputs

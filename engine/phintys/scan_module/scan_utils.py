"""Helpers of loops, under Theano's names: ``theano.scan_module.scan_utils``."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys import clone as clone
from phintys.config import config
from phintys.errors import (
    NotScalarConstantError,
    PhintysAssertionError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.gof.op import get_test_value
from phintys.tensor.conversion import as_tensor_variable, get_scalar_constant_value

__all__ = [
    "clone",
    "equal_computations",
    "get_updates_and_outputs",
    "hash_listsDictsTuples",
    "infer_shape",
    "isNaN_or_Inf_or_None",
    "map_variables",
    "reconstruct_graph",
    "safe_new",
    "scan_args",
    "traverse",
    "until",
]

Variable = _core.Variable


class until:
    """What the function of a loop returns to end it: ``until(condition)``.

    The loop ends after the first step for which `condition`, a scalar, is not 0; that step still
    counts. AssertionError if `condition` is no scalar.

    >>> import phintys
    >>> double = lambda x: (2 * x, phintys.scan_module.until(x > 10))
    >>> values, _ = phintys.scan(double, outputs_info=phintys.tensor.constant(1.0), n_steps=100)
    >>> values.eval().tolist()
    [2.0, 4.0, 8.0, 16.0, 32.0]
    """

    def __init__(self, condition: Any) -> None:
        self.condition = as_tensor_variable(condition)
        if self.condition.ndim != 0:
            raise PhintysAssertionError(
                f"until: the condition must be a scalar, not {self.condition} of "
                f"{self.condition.type}"
            )


# --- what the function of a loop returns ------------------------------------------------------


def _is_outputs(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return all(isinstance(item, Variable) for item in x)
    return isinstance(x, Variable)


def _is_updates(x: Any) -> bool:
    if isinstance(x, dict):
        return True
    return isinstance(x, (list, tuple)) and all(
        isinstance(item, (list, tuple)) and len(item) == 2 for item in x
    )


def _is_allowed(x: Any) -> bool:
    """True iff `x` is made of containers, variables and conditions only."""
    waiting = [x]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [part for pair in item.items() for part in pair]
        elif isinstance(item, (list, tuple)):
            waiting += item
        elif not isinstance(item, (Variable, until)):
            return False
    return True


def get_updates_and_outputs(ls: Any) -> tuple[Any, list[Any], OrderedDict[Any, Any]]:
    """Sorts what the function of a loop returned: (condition or None, outputs, updates).

    That is outputs (a variable, or a list or tuple of them), updates (a dict or a list of pairs)
    and ``until(condition)``, or several of these in any order. ValueError for anything else.
    """
    if isinstance(ls, until):
        ls = (ls,)
    if not _is_allowed(ls):
        raise PhintysValueError(
            "The return value of your scan lambda expression may only be made of lists, tuples, or "
            "dictionaries containing variables (or `phintys.scan_module.until` objects for "
            "conditions). In particular if you need to use constant values, you can use "
            "`tensor.constant` to turn them into variables."
        )
    if _is_outputs(ls):
        return None, list(ls) if isinstance(ls, (list, tuple)) else [ls], OrderedDict()
    if _is_updates(ls):
        return None, [], OrderedDict(ls)
    error = PhintysValueError(
        f"Scan cannot parse the return value of your lambda expression, which is: {ls}"
    )
    condition: Any = None
    outputs: list[Any] | None = None
    updates: OrderedDict[Any, Any] | None = None
    if len(ls) > 3:
        raise error
    for part in ls:
        if isinstance(part, until) and condition is None:
            condition = part.condition
        elif _is_outputs(part) and outputs is None:
            outputs = list(part) if isinstance(part, (list, tuple)) else [part]
        elif _is_updates(part) and updates is None:
            updates = OrderedDict(part)
        else:
            raise error
    return condition, outputs or [], OrderedDict() if updates is None else updates


def isNaN_or_Inf_or_None(x: Any) -> bool:
    """True iff `x` is None, or a number or constant that is NaN or infinite."""
    if x is None:
        return True
    try:
        return not bool(np.isfinite(get_scalar_constant_value(x)))
    except (NotScalarConstantError, TypeError, ValueError):
        return False


# --- variables and graphs ---------------------------------------------------------------------


def safe_new(x: Any, tag: str = "", dtype: Any = None) -> Any:
    """A new variable of the type of `x`, named after it with `tag` appended.

    A constant is returned as it is, unless `dtype` differs from its own: then it is converted. Test
    values are taken over.
    """
    x = as_tensor_variable(x)
    if x.is_constant:
        return x if dtype is None or x.dtype == dtype else as_tensor_variable(x.data.astype(dtype))
    kind = x.type if dtype is None else x.type.clone(dtype=dtype)
    fresh = kind(None if x.name is None else x.name + tag)
    copy_test_value(fresh, lambda: x)
    return fresh


def copy_test_value(placeholder: Any, source: Callable[[], Any]) -> None:
    """Gives `placeholder` the test value of what `source` returns, if it has one.

    `source` is called only if test values are asked for. Where the value is missing, whatever is
    computed from the placeholder reports that.
    """
    if config.compute_test_value == "off":
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = get_test_value(source())
    except (AttributeError, ValueError):
        return
    placeholder.tag.test_value = np.array(value)


def traverse(
    out: Any, x: Any, x_copy: Any, d: dict[Any, Any], visited: set[Any] | None = None
) -> dict[Any, Any]:
    """Adds ``d[x] = x_copy`` if `out` depends on `x`; returns `d`.

    `visited`, if given, is a set to which everything that `out` depends on is added.
    """
    seen = _core.ancestors([out], [x])
    if visited is not None:
        visited.update(seen)
    if any(v is x for v in seen):
        d[x] = x_copy
    return d


def hash_listsDictsTuples(x: Any) -> int:
    """A hash of nested lists, tuples and dicts: that of the elements, whatever their order."""
    result, waiting = 0, [x]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [part for pair in item.items() for part in pair]
        elif isinstance(item, (list, tuple)):
            waiting += item
        else:
            result ^= hash(item)
    return result


def equal_computations(
    xs: Sequence[Any], ys: Sequence[Any], in_xs: Any = None, in_ys: Any = None, strict: bool = True
) -> bool:
    """True iff the lists of variables `xs` and `ys` are computed in the same way.

    `in_xs` and `in_ys` are variables that count as the same, pair by pair; if `strict`, only pairs
    of equal type do. AssertionError if `xs` and `ys` differ in length.

    >>> import phintys.tensor as T
    >>> x, y = T.dvectors('x', 'y')
    >>> equal_computations([x + 1], [y + 1]), equal_computations([x + 1], [y + 1], [x], [y])
    (False, True)
    """
    if len(xs) != len(ys):
        raise PhintysAssertionError(f"equal_computations: {len(xs)} variables and {len(ys)}")
    left, right = list(in_xs or []), list(in_ys or [])
    if len(left) != len(right):
        return False
    if strict and any(a.type != b.type for a, b in zip(left, right, strict=True)):
        return False
    same = set(zip(map(id, left), map(id, right), strict=True))
    stops = {id(v) for v in left + right}
    waiting = list(zip(xs, ys, strict=True))
    while waiting:
        a, b = waiting.pop()
        if (id(a), id(b)) in same:
            continue
        if not (isinstance(a, Variable) and isinstance(b, Variable)):
            if not np.array_equal(a, b):
                return False
            continue
        if a.is_constant and b.is_constant:
            if not a.equals(b):
                return False
            continue
        if a is b and id(a) not in stops:
            continue
        if a.owner is None or b.owner is None or id(a) in stops or id(b) in stops:
            return False
        if a.index != b.index or a.owner.op != b.owner.op:
            return False
        if len(a.owner.inputs) != len(b.owner.inputs):
            return False
        same.add((id(a), id(b)))
        waiting += zip(a.owner.inputs, b.owner.inputs, strict=True)
    return True


def reconstruct_graph(
    inputs: Sequence[Any], outputs: Sequence[Any], tag: str = ""
) -> tuple[list[Any], list[Any]]:
    """Copies of inputs, named after them with `tag` appended, and of outputs that use them."""
    fresh = [safe_new(v, tag) for v in inputs]
    pairs = [(a, b) for a, b in zip(inputs, fresh, strict=True) if a is not b]
    return fresh, list(_core.clone(list(outputs), pairs))


def map_variables(
    replacer: Callable[[Any], Any],
    graphs: Sequence[Any],
    additional_inputs: Sequence[Any] | None = None,
) -> list[Any]:
    """Copies of graphs in which ``replacer(v)`` stands for each variable `v`.

    `replacer` may return the variable itself. It is asked about variables that compute others
    before those, so it sees expressions in which replacements have been made already; also in the
    graphs inside loops. There it may bring in other variables from outside: `additional_inputs`
    are not needed for that. A replacement keeps the type.
    """
    from phintys.scan_module.scan_op import is_loop, with_body

    done: dict[Any, Any] = {}

    def image(v: Any) -> Any:
        if v not in done:
            done[v] = _replaced(replacer, v)
        return done[v]

    for node in _core.toposort(list(graphs)):
        inputs = [image(v) for v in node.inputs]
        op: Any = node.op
        extra: list[Any] = []
        if is_loop(op):
            body = op.attrs["graph"]
            changed = map_variables(replacer, body.outputs, additional_inputs)
            op, extra = with_body(op, body.inputs, changed)
        if op is node.op and all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            outputs = node.outputs
        else:
            result = _core.apply_op(op, inputs + extra)
            outputs = result if isinstance(result, list) else [result]
        for old, new in zip(node.outputs, outputs, strict=True):
            if new.name is None:
                new.name = old.name
            done[old] = _replaced(replacer, new)
    return [image(v) for v in graphs]


def _replaced(replacer: Callable[[Any], Any], v: Any) -> Any:
    new = replacer(v)
    if new is v:
        return v
    if not isinstance(new, Variable):
        raise PhintysTypeError(f"map_variables: the replacement of {v} is {new!r}, no variable")
    return v.type.filter_variable(new)


def infer_shape(outs: Any, inputs: Sequence[Any], input_shapes: Sequence[Any]) -> list[Any]:
    """Shapes of `outs`, tuples of scalars, as expressions of the shapes of `inputs`.

    `input_shapes` has for each input a sequence of its lengths, or None to keep the input itself.
    Values of inputs on which a shape depends remain in the result.
    """
    pairs = []
    for v, lengths in zip(inputs, input_shapes, strict=True):
        if lengths is None:
            continue
        from phintys.tensor.creation import empty

        # Only its shape is used: functions do not compute such an array.
        stand_in = empty([as_tensor_variable(n) for n in lengths], v.dtype)
        pairs.append((v, v.type.filter_variable(_like(stand_in, v))))
    shapes = []
    for out in outs:
        lengths = [_core.shape_i(out, i) for i in range(out.ndim)]
        shapes.append(tuple(_core.clone(lengths, pairs)) if lengths else ())
    return shapes


def _like(x: Any, v: Any) -> Any:
    from phintys.tensor.shape import patternbroadcast

    return patternbroadcast(x, v.broadcastable)


class scan_args:
    """What the inputs and outputs of a loop are, in Theano's words.

    ``scan_args(outer_inputs, outer_outputs, inner_inputs, inner_outputs, op)``: inputs and outputs
    of the node and of the graph inside, and the op, a :class:`~phintys.scan_module.scan_op.Scan`;
    ``scan_args.from_node(node)`` takes them from the node.

    Attributes
    ----------
    n_steps
        The number of steps.
    outer_in_seqs, inner_in_seqs
        Sequences, and their rows inside.
    outer_in_sit_sot, inner_in_sit_sot, inner_out_sit_sot, outer_out_sit_sot
        States of which the step before is used.
    outer_in_mit_sot, inner_in_mit_sot, inner_out_mit_sot, outer_out_mit_sot, mit_sot_in_slices
        States with other taps: `inner_in_mit_sot` has a list for each, `mit_sot_in_slices` its
        taps.
    inner_out_nit_sot, outer_out_nit_sot
        Outputs that do not feed back.
    outer_in_non_seqs, inner_in_non_seqs
        What is the same in all steps.
    cond
        A list with the condition to stop, or an empty one.
    """

    def __init__(
        self,
        outer_inputs: Sequence[Any],
        outer_outputs: Sequence[Any],
        _inner_inputs: Sequence[Any],
        _inner_outputs: Sequence[Any],
        info: Any,
    ) -> None:
        inner, new = list(_inner_inputs), list(_inner_outputs)
        self.n_steps = outer_inputs[0]
        self.op = info
        self.outer_in_sit_sot: list[Any] = []
        self.inner_in_sit_sot: list[Any] = []
        self.inner_out_sit_sot: list[Any] = []
        self.outer_out_sit_sot: list[Any] = []
        self.outer_in_mit_sot: list[Any] = []
        self.inner_in_mit_sot: list[list[Any]] = []
        self.inner_out_mit_sot: list[Any] = []
        self.outer_out_mit_sot: list[Any] = []
        self.mit_sot_in_slices: list[list[int]] = []
        taps = info.state_taps
        at = 0
        for k, own in enumerate(taps):
            rows = inner[at : at + len(own)]
            at += len(own)
            if own == [-1]:
                self.inner_in_sit_sot += rows
            else:
                self.inner_in_mit_sot.append(rows)
                self.mit_sot_in_slices.append(own)
            name = "sit" if own == [-1] else "mit"
            getattr(self, f"outer_in_{name}_sot").append(outer_inputs[1 + k])
            getattr(self, f"inner_out_{name}_sot").append(new[k])
            getattr(self, f"outer_out_{name}_sot").append(outer_outputs[k])
        n, emitted = len(taps), len(taps) + info.attrs["n_emitted"]
        n_seqs = info.attrs["n_sequences"]
        self.outer_in_seqs = list(outer_inputs[1 + n : 1 + n + n_seqs])
        self.inner_in_seqs = inner[at : at + n_seqs]
        self.outer_in_non_seqs = list(outer_inputs[1 + n + n_seqs :])
        self.inner_in_non_seqs = inner[at + n_seqs :]
        self.inner_out_nit_sot = new[n:emitted]
        self.outer_out_nit_sot = list(outer_outputs[n:emitted])
        self.cond = new[emitted:]

    @staticmethod
    def from_node(node: Any) -> scan_args:
        """Those of an apply node of a loop; TypeError for another one."""
        from phintys.scan_module.scan_op import is_loop

        if not is_loop(node.op):
            raise PhintysTypeError(f"{node} is no loop")
        return scan_args(node.inputs, node.outputs, node.op.inputs, node.op.outputs, node.op)

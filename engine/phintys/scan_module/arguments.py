"""What ``scan`` is given, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysIndexError, PhintysTypeError, PhintysValueError
from phintys.scan_module.loop import Rows, State, int64
from phintys.scan_module.scan_utils import copy_test_value, isNaN_or_Inf_or_None
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.type import TensorType

__all__ = [
    "OutputInfo",
    "as_list",
    "check_new_values",
    "number_of_steps",
    "output_infos",
    "outside_variables",
    "sequence_rows",
    "state_of",
    "with_types_of_steps",
]


def as_list(x: Any) -> list[Any]:
    """A list for None, one thing, or a list or tuple of them."""
    if x is None:
        return []
    return list(x) if isinstance(x, (list, tuple)) else [x]


def outside_variables(non_sequences: Any) -> list[Any]:
    """The `non_sequences` as variables; sparse ones stay what they are."""
    result = []
    for item in as_list(non_sequences):
        if hasattr(item, "tocsr") and not hasattr(item, "parts"):
            from phintys.sparse import as_sparse_variable

            item = as_sparse_variable(item)
        elif not isinstance(item, _core.Variable) and not hasattr(item, "parts"):
            item = as_tensor_variable(item)
        result.append(item)
    return result


def _tensor(x: Any, what: str) -> Any:
    if hasattr(x, "parts") or hasattr(x, "tocsr"):
        raise PhintysTypeError(
            f"scan: {what} cannot be sparse; give a sparse matrix as one of non_sequences"
        )
    return as_tensor_variable(x)


def _row_variable(array: Any, row: int, tap: int) -> Any:
    """A variable of the type of a row of `array`, named after it and `tap`."""
    name = None if array.name is None else f"{array.name}[t{tap:+d}]" if tap else f"{array.name}[t]"
    fresh = TensorType(array.dtype, shape=array.static_shape[1:])(name)
    copy_test_value(fresh, lambda: array[row])
    return fresh


# --- sequences and steps ----------------------------------------------------------------------


def sequence_rows(sequences: Any, go_backwards: bool) -> list[list[Rows]]:
    """For each sequence the arrays to loop over, one for each tap, and variables for their rows.

    A tap k needs the elements k before or after the current one: the arrays of all taps have the
    same length, that of the sequence less the distance from the lowest to the highest tap (or 0).
    """
    result = []
    for item in as_list(sequences):
        taps: Any = [0]
        array = item
        if isinstance(item, dict):
            if "input" not in item:
                raise PhintysValueError("scan: a sequence given as a dict has a key 'input'", item)
            array = item["input"]
            if item.get("taps") is not None:
                taps = [int(k) for k in as_list(item["taps"])]
        array = _tensor(array, "a sequence")
        if array.ndim == 0:
            raise PhintysIndexError(f"scan: the sequence {array} is a scalar, it has no elements")
        lowest, highest = min([*taps, 0]), max([*taps, 0])
        parts = []
        for k in taps:
            start, end = k - lowest, k - highest
            view = array
            if start or end:
                view = array[start : end if end else None]
            if go_backwards:
                view = view[::-1]
            parts.append(Rows(view, _row_variable(array, start, k)))
        result.append(parts)
    return result


def number_of_steps(n_steps: Any, sequences: Sequence[Sequence[Rows]]) -> Any:
    """`n_steps`, else the length of the shortest sequence, as an int64 scalar.

    ValueError if there is neither, or `n_steps` is no integer scalar.
    """
    if not isNaN_or_Inf_or_None(n_steps):
        if isinstance(n_steps, (int, np.integer)) and not isinstance(n_steps, bool):
            return int64(n_steps)
        n = as_tensor_variable(n_steps)
        if not n.dtype.startswith(("int", "uint")):
            raise PhintysValueError(f" n_steps must be an int. dtype provided is {n.dtype}")
        if n.ndim:
            raise PhintysValueError(f"n_steps must be a scalar, got {n} of {n.type}")
        return int64(n)
    known: int | None = None
    lengths = []
    for parts in sequences:
        if not parts:
            continue
        length = parts[0].array.static_shape[0]
        if length is None:
            lengths.append(_core.shape_i(parts[0].array, 0))
        else:
            known = length if known is None else min(known, length)
    if known is not None:
        lengths.append(int64(known))
    if not lengths:
        raise PhintysValueError(
            "No information about the number of steps provided. Either provide a value for n_steps "
            "argument of scan or provide an input sequence"
        )
    shortest = lengths[0]
    for length in lengths[1:]:
        shortest = _core.elemwise("minimum", shortest, length)
    return shortest


# --- outputs ----------------------------------------------------------------------------------


@dataclass
class OutputInfo:
    """What `outputs_info` says of one output: its first value or rows (or None), its taps.

    A Python number is `untyped`: it takes the dtype of what the steps compute.
    """

    initial: Any = None
    taps: list[int] = field(default_factory=list)
    untyped: bool = False


def output_infos(outputs_info: Any) -> list[OutputInfo]:
    """An OutputInfo for each entry of `outputs_info`."""
    return [_output_info(item) for item in as_list(outputs_info)]


def _output_info(item: Any) -> OutputInfo:
    if item is None:
        return OutputInfo()
    if not isinstance(item, dict):
        return OutputInfo(_tensor(item, "a state"), [-1], _is_number(item))
    if item.get("return_steps") is not None:
        raise PhintysValueError(
            "Using `return_steps` has been deprecated. Simply select the entries you need using a "
            "subtensor. Scan will optimize memory consumption, so do not worry about that."
        )
    initial, taps = item.get("initial"), item.get("taps")
    if initial is None:
        if taps is not None:
            raise PhintysValueError(
                "If you are using slices of an output you need to provide a initial state for it",
                item,
            )
        return OutputInfo()
    taps = [-1] if taps is None else [int(k) for k in as_list(taps)]
    if any(k >= 0 for k in taps):
        raise PhintysValueError("Can not use future taps of outputs", item)
    if not taps:
        return OutputInfo()
    return OutputInfo(_tensor(initial, "a state"), taps, _is_number(initial))


def _is_number(x: Any) -> bool:
    return type(x) in (int, float, complex)


def state_of(info: OutputInfo) -> State:
    """The state of an output that feeds back, with variables for what each step reads of it."""
    initial, taps = info.initial, info.taps
    if taps == [-1]:
        # One row, without a leading axis.
        row = initial.type(None if initial.name is None else f"{initial.name}[t-1]")
        copy_test_value(row, lambda: initial)
        return State(first_row(initial), taps, [row])
    if initial.ndim == 0:
        raise PhintysValueError(
            f"scan: the initial state {initial} is a scalar; for the taps {taps} it must have a "
            f"leading dimension with at least {-min(taps)} rows"
        )
    reach = -min(taps)
    known = initial.static_shape[0]
    if known is not None and known < reach:
        raise PhintysValueError(
            f"scan: the initial state {initial} ({initial.type}) has {known} rows, the taps {taps} "
            f"need {reach}"
        )
    first = initial if known == reach else initial[:reach]
    return State(first, taps, [_row_variable(initial, k + reach, k) for k in taps])


def first_row(x: Any) -> Any:
    """`x` with a leading axis of length 1."""
    return _core.dimshuffle(x, [-1, *range(x.ndim)])


_KINDS = "biufc"


def with_types_of_steps(
    infos: Sequence[OutputInfo], states: Sequence[State], roots: list[Any], outputs: int
) -> list[Any]:
    """`roots`, of which the first `outputs` are a step's, after numbers have found their dtypes.

    The state of an untyped number gets the dtype of what the steps compute from it, if that can
    hold the number.
    """
    recurrent = [k for k, info in enumerate(infos) if info.taps]
    untyped = [(k, s) for k, s in zip(recurrent, states, strict=True) if infos[k].untyped]
    if not untyped or outputs != len(infos):
        return roots
    # One pass for each state that may learn its dtype from another one.
    for _ in range(len(untyped) + 1):
        pairs = []
        for k, state in untyped:
            initial, dtype = infos[k].initial, roots[k].dtype
            if dtype == initial.dtype:
                continue
            if _KINDS.index(np.dtype(dtype).kind) < _KINDS.index(np.dtype(initial.dtype).kind):
                continue
            infos[k].initial = initial = as_tensor_variable(initial.data.astype(dtype))
            fresh = initial.type(None)
            if state.rows[0].tag.__dict__:
                fresh.tag.test_value = initial.data
            pairs.append((state.rows[0], fresh))
            state.initial, state.rows = first_row(initial), [fresh]
        if not pairs:
            break
        roots = list(_core.clone(roots, pairs, True))
    return roots


_DTYPES_DIFFER = (
    "When compiling the inner function of scan the following error has been encountered: The "
    "initial state (`outputs_info` in scan nomenclature) of variable {} (argument number {}) has "
    "dtype {}, while the result of the inner function (`fn`) has dtype {}. This can happen if the "
    "inner function of scan results in an upcast or downcast."
)
_RANKS_DIFFER = (
    "When compiling the inner function of scan (the function called by scan in each of its "
    "iterations) the following error has been encountered: The initial state (`outputs_info` in "
    "scan nomenclature) of variable {} (argument number {}) has {} dimension(s), while the "
    "corresponding variable in the result of the inner function of scan (`fn`) has {} "
    "dimension(s) (it should be one less than the initial state). For example, if the inner "
    "function of scan returns a vector of size d and scan uses the values of the previous "
    "time-step, then the initial state in scan should be a matrix of shape (1, d). The first "
    "dimension of this matrix corresponds to the number of previous time-steps that scan uses in "
    "each of its iterations. In order to solve this issue if the two variable currently have the "
    "same dimensionality, you can increase the dimensionality of the variable in the initial state "
    "of scan by using dimshuffle or shape_padleft."
)


def check_new_values(infos: Sequence[OutputInfo], outputs: Sequence[Any], n_sequences: int) -> None:
    """Checks that each state's next row is of the type of its first ones.

    ValueError if dtype or rank differ; TypeError if a dimension of length 1 of the first ones is
    not known to be one afterwards.
    """
    recurrent = [(a, b) for a, b in zip(infos, outputs, strict=True) if a.taps]
    # Theano counts states with several taps first.
    ordered = [p for p in recurrent if p[0].taps != [-1]] + [
        p for p in recurrent if p[0].taps == [-1]
    ]
    for number, (info, new) in enumerate(ordered, n_sequences):
        initial = info.initial
        ndim = initial.ndim + (info.taps == [-1])
        if new.dtype != initial.dtype:
            raise PhintysValueError(
                _DTYPES_DIFFER.format(initial, number, initial.dtype, new.dtype)
            )
        if new.ndim != ndim - 1:
            raise PhintysValueError(_RANKS_DIFFER.format(initial, number, ndim, new.ndim))
        _check_lengths(initial, new, initial.static_shape[-new.ndim :] if new.ndim else ())


def _check_lengths(initial: Any, new: Any, first: Sequence[int | None]) -> None:
    for axis, (a, b) in enumerate(zip(first, new.static_shape, strict=True)):
        if a == b or (a is None) or (b is None and a != 1):
            continue
        if a != 1 and b != 1:
            raise PhintysValueError(
                f"scan: dimension {axis} of the result of the inner function has length {b}, that "
                f"of the initial state {initial} has length {a}"
            )
        raise PhintysTypeError(
            f"The broadcast pattern of the output of scan ({new.type}) is inconsistent with the "
            f"one provided in `output_info` ({initial.type}). The output on axis {axis} is "
            f"`{b == 1}`, but it is `{a == 1}` on axis {axis} in `output_info`. This can happen if "
            "one of the dimension is fixed to 1 in the input, while it is still variable in the "
            "output, or vice-verca. You have to make them consistent, e.g. using phintys.tensor."
            "{patternbroadcast,unbroadcast,addbroadcast}."
        )

"""Indexing, and tensors with a part replaced.

An index is taken apart into three steps: basic slices and integers (one Subtensor node, a view), a
reordering of dimensions, and integer arrays (one AdvancedSubtensor node) or a boolean mask (one
MaskSubtensor node; among integer arrays, a mask becomes the indices of its true elements).
``set_subtensor`` and ``inc_subtensor`` run the same steps backwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import (
    AdvancedIndexingError,
    PhintysIndexError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable, op_name

__all__ = [
    "advanced_boolean_inc_subtensor",
    "advanced_boolean_set_subtensor",
    "advanced_boolean_subtensor",
    "advanced_inc_subtensor",
    "advanced_inc_subtensor1",
    "advanced_set_subtensor",
    "advanced_set_subtensor1",
    "advanced_subtensor",
    "advanced_subtensor1",
    "as_index_variable",
    "flatnonzero",
    "inc_subtensor",
    "nonzero",
    "set_subtensor",
    "slice_at_axis",
]

# Kinds of a slot of an index, as ops/subtensor.h numbers them.
_ABSENT, _CONSTANT, _INPUT = 0, 1, 2
_FULL = slice(None)

Variable = _core.Variable


def as_index_variable(index: Any) -> Any:
    """`index` as a variable of an integer dtype; TypeError for any other dtype."""
    var = as_tensor_variable(index)
    if var.dtype not in integer_dtypes:
        raise PhintysTypeError("index must be integers or a boolean mask", str(var), str(var.type))
    return var


class _Plan:
    """How ``x[index]`` is computed.

    basic: code of the Subtensor node (None if it would do nothing) and its scalars.
    order: DimShuffle after it, or None.
    arrays: integer arrays that index dimensions from `axis` on, after the reordering.
    mask: instead of arrays, a boolean mask of those dimensions.
    """

    __slots__ = ("arrays", "axis", "code", "mask", "order", "rank", "scalars")

    def __init__(self) -> None:
        self.code: list[int] | None = None
        self.scalars: list[Any] = []
        self.order: list[int] | None = None
        self.arrays: list[Any] = []
        self.mask: Any = None
        self.axis = 0
        self.rank = 0  # after the basic step


def _slot(value: Any, scalars: list[Any]) -> list[int]:
    if value is None:
        return [_ABSENT, 0]
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return [_CONSTANT, int(value)]
    var = as_tensor_variable(value)
    if var.ndim or var.dtype not in integer_dtypes:
        raise AdvancedIndexingError(
            f"the parts of a slice must be integer scalars, got {value} ({var.type})"
        )
    if var.is_constant:
        return [_CONSTANT, int(var.constant_data)]
    scalars.append(var)
    return [_INPUT, 0]


def _entry(entry: Any, scalars: list[Any]) -> list[int]:
    if isinstance(entry, slice):
        code = [1]
        for part in (entry.start, entry.stop, entry.step):
            code += _slot(part, scalars)
        return code
    return [0, *_slot(entry, scalars), _ABSENT, 0, _ABSENT, 0]


def _as_array(entry: Any) -> Any:
    """An index that is neither slice, None nor Ellipsis, as a variable or Python int."""
    if isinstance(entry, (bool, np.bool_)):
        raise PhintysTypeError("index must be integers or a boolean mask, not True or False")
    if isinstance(entry, (int, np.integer)):
        return int(entry)
    if isinstance(entry, list) and not entry:
        entry = np.zeros(0, "int64")
    if isinstance(entry, Variable) and not isinstance(entry.type, _core.TensorType):
        raise PhintysTypeError(f"{entry} of {entry.type} cannot be an index")
    try:
        var = as_tensor_variable(entry)
    except TypeError as error:
        raise AdvancedIndexingError(
            f"index must be integers, slices, None, Ellipsis or a boolean mask, got {entry!r}"
        ) from error
    return var if var.dtype == "bool" else as_index_variable(var)


def _is_mask(entry: Any) -> bool:
    return isinstance(entry, Variable) and entry.dtype == "bool"


def _expand(x: Any, index: Any) -> list[Any]:
    """The entries of an index, with those that an Ellipsis stands for or that are omitted."""
    from phintys.tensor.type_other import plain

    given = [plain(e) for e in (index if isinstance(index, tuple) else (index,))]
    basic = (type(None), type(Ellipsis), slice)
    entries: list[Any] = [e if isinstance(e, basic) else _as_array(e) for e in given]
    used = 0
    for e in entries:
        if e is not None and e is not Ellipsis:
            used += e.ndim if _is_mask(e) else 1
    if used > x.ndim:
        raise PhintysIndexError(f"too many indices for {x}: {used} for {x.ndim} dimensions")
    fill = [_FULL] * (x.ndim - used)
    places = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(places) > 1:
        raise PhintysIndexError("an index can only have a single Ellipsis")
    if places:
        # It stays: though empty, it separates the indices on its sides.
        return entries[: places[0] + 1] + fill + entries[places[0] + 1 :]
    return entries + fill


def _is_array(entry: Any) -> bool:
    return isinstance(entry, Variable) and (entry.ndim > 0 or entry.dtype == "bool")


class _Axis:
    """A dimension before the array step: of `x`, or new (source None); and what indexes it."""

    __slots__ = ("array", "source")

    def __init__(self, source: int | None, array: Any = None) -> None:
        self.source = source
        self.array = array


def _plan(x: Any, index: Any) -> _Plan:
    entries = _expand(x, index)
    plan = _Plan()
    arrays = [e for e in entries if _is_array(e)]
    # A single mask stays one, unless it has no dimensions.
    alone = len(arrays) == 1 and _is_mask(arrays[0]) and arrays[0].ndim > 0
    code: list[int] = []
    axes: list[_Axis] = []
    advanced: list[int] = []  # positions among `entries` of integers and arrays, if there are any
    rank = 0
    first = 0  # dimensions of the result before the place of the first of them
    for place, entry in enumerate(entries):
        if entry is Ellipsis:
            continue
        is_index = entry is not None and not isinstance(entry, slice)
        if is_index and arrays:
            if not advanced:
                first = len(axes)
            advanced.append(place)
        if entry is None:
            axes.append(_Axis(None))
        elif isinstance(entry, slice):
            code += _entry(entry, plan.scalars)
            axes.append(_Axis(rank))
            rank += 1
        elif _is_mask(entry):
            code += _entry(_FULL, plan.scalars) * entry.ndim
            if alone:
                plan.mask = entry
                axes += [_Axis(rank + i, entry) for i in range(entry.ndim)]
            elif entry.ndim == 0:
                # A mask without dimensions indexes a new one.
                axes.append(_Axis(None, nonzero(_core.dimshuffle(entry, [-1]))[0]))
            else:
                axes += [_Axis(rank + i, v) for i, v in enumerate(nonzero(entry))]
            rank += entry.ndim
        elif arrays and not alone:
            # Integers among arrays are arrays of rank 0, as in NumPy.
            code += _entry(_FULL, plan.scalars)
            axes.append(_Axis(rank, as_tensor_variable(entry)))
            rank += 1
        else:
            code += _entry(entry, plan.scalars)
    full = _entry(_FULL, [])
    plan.code = None if code == full * (len(code) // len(full)) else code
    plan.rank = rank
    if advanced:
        # Separated indices: the dimensions they give come first.
        joined = advanced == list(range(advanced[0], advanced[0] + len(advanced)))
        plan.axis = first if joined else 0
        indexed = [a for a in axes if a.array is not None]
        kept = [a for a in axes if a.array is None]
        axes = kept[: plan.axis] + indexed + kept[plan.axis :]
        plan.arrays = [] if alone else _of_one_rank([a.array for a in indexed])
    order = [-1 if a.source is None else a.source for a in axes]
    plan.order = None if order == list(range(rank)) else order
    return plan


def _of_one_rank(arrays: list[Any]) -> list[Any]:
    ndim = max(a.ndim for a in arrays)
    return [
        a if a.ndim == ndim else _core.dimshuffle(a, [-1] * (ndim - a.ndim) + [*range(a.ndim)])
        for a in arrays
    ]


def _vector_item(x: Any, index: Any) -> Any:
    """``x[index]`` of a vector of known scalars (a shape): the scalars themselves, or None.

    A scalar that may also be known for something else is not given: set_subtensor must be able to
    tell what it was an element of.
    """
    if x.ndim != 1 or not isinstance(index, (int, np.integer, slice)) or isinstance(index, bool):
        return None
    if op_name(x) != "make_vector":
        return None
    inputs = x.owner.inputs
    if isinstance(index, slice):
        parts = (index.start, index.stop, index.step)
        if any(p is not None and not isinstance(p, (int, np.integer)) for p in parts):
            return None
        chosen = inputs[index]
        return _core.apply("make_vector", chosen, dtype=x.dtype) if chosen else None
    if not -len(inputs) <= index < len(inputs):
        raise PhintysIndexError(f"index {index} is out of range for {x}, of length {len(inputs)}")
    item = _core.cast(inputs[index], x.dtype)
    return item if op_name(item) == "shape_i" or item.is_constant else None


def getitem(x: Any, index: Any) -> Any:
    """``x[index]``; see :class:`phintys.tensor.TensorVariable`."""
    item = _vector_item(x, index)
    if item is not None:
        if item.owner is not None:
            item.__dict__["_indexed"] = (x, _plan(x, index))
        return item
    plan = _plan(x, index)
    result = _apply_plan(x, plan)
    if result is not x:
        result.__dict__["_indexed"] = (x, plan)
    return result


def _apply_basic(x: Any, plan: _Plan) -> Any:
    result = x
    if plan.code is not None:
        result = _core.apply("subtensor", [x, *plan.scalars], index=plan.code)
    if plan.order is not None:
        result = _core.dimshuffle(result, plan.order)
    return result


def _apply_plan(x: Any, plan: _Plan) -> Any:
    result = _apply_basic(x, plan)
    if plan.mask is not None:
        count = _core.apply("count_nonzero", [plan.mask])
        result = _core.apply("mask_subtensor", [result, plan.mask, count], axis=plan.axis)
    elif plan.arrays:
        result = _gather(result, plan.arrays, plan.axis)
    elif result is x:
        result = _core.elemwise("identity", x) if x.ndim == 0 else _full_view(x)
    return result


def _full_view(x: Any) -> Any:
    # A node of its own, so that set_subtensor(x[:], y) knows x.
    return _core.apply("subtensor", [x], index=_entry(_FULL, []) * x.ndim)


def _gather(x: Any, arrays: list[Any], axis: int) -> Any:
    if len(arrays) == 1 and axis == 0 and arrays[0].ndim == 1:
        return _core.apply("advanced_subtensor1", [x, arrays[0]])
    return _core.apply("advanced_subtensor", [x, *arrays], axis=axis)


def _scatter(x: Any, y: Any, arrays: list[Any], axis: int, assign: bool) -> Any:
    if len(arrays) == 1 and axis == 0 and arrays[0].ndim == 1:
        return _core.apply("advanced_inc_subtensor1", [x, y, arrays[0]], set_instead_of_inc=assign)
    return _core.apply(
        "advanced_inc_subtensor", [x, y, *arrays], axis=axis, set_instead_of_inc=assign
    )


def _scatter_mask(x: Any, y: Any, mask: Any, axis: int, assign: bool) -> Any:
    """`x` with `y` stored or added where `mask`, on the dimensions from `axis` on, is true."""
    spans = all(x.broadcastable[axis + i] or not mask.broadcastable[i] for i in range(mask.ndim))
    if spans and all(y.broadcastable):
        # One value for all: a choice, which is fused with its neighbours.
        value = _core.dimshuffle(y, [])
        order = [-1] * axis + [*range(mask.ndim)] + [-1] * (x.ndim - axis - mask.ndim)
        new = value if assign else _core.elemwise("add", x, value)
        return _core.elemwise("switch", _core.dimshuffle(mask, order), new, x)
    count = _core.apply("count_nonzero", [mask])
    return _core.apply(
        "mask_inc_subtensor", [x, y, mask, count], axis=axis, set_instead_of_inc=assign
    )


def _scatter_basic(x: Any, y: Any, plan: _Plan, assign: bool) -> Any:
    code = _entry(_FULL, []) * x.ndim if plan.code is None else plan.code
    return _core.apply(
        "inc_subtensor", [x, y, *plan.scalars], index=code, set_instead_of_inc=assign
    )


def _undo_order(y: Any, order: list[int], rank: int) -> Any:
    return _core.dimshuffle(y, [order.index(i) for i in range(rank)])


def _update(z: Any, y: Any, assign: bool, what: str) -> Any:
    if not isinstance(z, Variable):
        raise PhintysTypeError("x must be the result of a subtensor operation", type(z))
    found = z.__dict__.get("_indexed")
    if found is None:
        found = _from_owner(z)
    x, plan = found
    y = as_tensor_variable(y)
    if y.ndim > z.ndim:
        raise PhintysValueError(
            f"{what}: trying to store a {y.ndim}-dimensional value in a {z.ndim}-dimensional part "
            f"of {x}"
        )
    for i in range(y.ndim):
        target = z.ndim - y.ndim + i
        if z.broadcastable[target] and not y.broadcastable[i]:
            raise PhintysValueError(
                f"{what}: trying to store y of {y.type} in a part of {z.type}: dimension {target} "
                "of the part has length 1, that of y may be longer"
            )
    y = _core.cast(y, x.dtype)
    if not plan.arrays and plan.mask is None:
        if plan.order is not None:
            missing = len(plan.order) - y.ndim
            y = _core.dimshuffle(y, [-1] * missing + [*range(y.ndim)]) if missing else y
            y = _undo_order(y, plan.order, plan.rank)
        return _scatter_basic(x, y, plan, assign)
    part = _apply_basic(x, plan)
    if plan.mask is not None:
        part = _scatter_mask(part, y, plan.mask, plan.axis, assign)
    else:
        part = _scatter(part, y, plan.arrays, plan.axis, assign)
    if plan.order is not None:
        part = _undo_order(part, plan.order, plan.rank)
    return part if plan.code is None else _scatter_basic(x, part, plan, True)


def _from_owner(z: Any) -> tuple[Any, _Plan]:
    """The indexed variable and the plan of a Subtensor node that was not made by ``x[index]``."""
    owner = z.owner
    name = op_name(z)
    plan = _Plan()
    if name == "subtensor":
        x, *plan.scalars = owner.inputs
        plan.code = list(owner.op.attrs["index"])
    elif name == "advanced_subtensor1":
        x, *plan.arrays = owner.inputs
    elif name == "advanced_subtensor":
        x, *plan.arrays = owner.inputs
        plan.axis = owner.op.attrs["axis"]
    elif name == "mask_subtensor":
        x, plan.mask, _ = owner.inputs
        plan.axis = owner.op.attrs["axis"]
    else:
        raise PhintysTypeError("x must be the result of a subtensor operation", str(z))
    return x, plan


def set_subtensor(
    x: Any, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False
) -> Any:
    """For ``x = a[index]``: `a` with `y` stored at `index`.

    `y` must broadcast to ``a[index]`` and is cast to the dtype of `a`. Where an index array names
    an element twice, the last value stays. `a` itself does not change; `inplace` and
    `tolerate_inplace_aliasing` are Theano's and have no effect, as memory is planned.

    Raises TypeError if `x` is no indexing expression, ValueError if `y` cannot broadcast.

    >>> import numpy as np, phintys.tensor as T
    >>> a = T.dvector('a')
    >>> T.set_subtensor(a[1:], 0).eval({a: np.array([1., 2., 3.])}).tolist()
    [1.0, 0.0, 0.0]
    """
    return _update(x, y, True, "set_subtensor")


def inc_subtensor(
    x: Any,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> Any:
    """For ``x = a[index]``: `a` with `y` added at `index`.

    As :func:`set_subtensor`; elements that an index array names twice are increased twice.
    """
    what = "set_subtensor" if set_instead_of_inc else "inc_subtensor"
    return _update(x, y, set_instead_of_inc, what)


def slice_at_axis(x: Any, where: slice, axis: int) -> Any:
    """``x[..., where, ...]`` with the slice at `axis`."""
    return getitem(x, (_FULL,) * axis + (where,))


def as_mask(a: Any) -> Any:
    """True where `a` is not zero."""
    a = as_tensor_variable(a)
    if a.dtype == "bool":
        return a
    return _core.elemwise("neq", a, _core.cast(as_tensor_variable(0), a.dtype))


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """The indices of the elements of `a` that are not zero.

    A tuple with an int64 vector for each dimension, so that ``x[nonzero(a)]`` are the elements; or
    with `return_matrix` the vectors as rows of a matrix. ValueError for a scalar.

    >>> import phintys.tensor as T
    >>> rows, columns = T.nonzero(T.eye(3, k=1))
    >>> rows.eval().tolist(), columns.eval().tolist()
    ([0, 1], [1, 2])
    """
    mask = as_mask(a)
    if not mask.ndim:
        raise PhintysValueError("Nonzero only supports non-scalar arrays.")
    found = _core.apply("nonzero", [mask, _core.apply("count_nonzero", [mask])])
    vectors = tuple(found) if isinstance(found, (list, tuple)) else (found,)
    if not return_matrix:
        return vectors
    return _core.join(0, [_core.dimshuffle(v, [-1, 0]) for v in vectors])


def flatnonzero(a: Any) -> Any:
    """The indices, an int64 vector, of the elements of the flattened `a` that are not zero."""
    mask = as_mask(a)
    if not mask.ndim:
        raise PhintysValueError("Nonzero only supports non-scalar arrays.")
    return nonzero(mask.flatten())[0]


# --- Theano's names of single ops ------------------------------------------------------------


def advanced_subtensor(x: Any, *index: Any) -> Any:
    """``x[index]``."""
    return getitem(as_tensor_variable(x), tuple(index))


def advanced_subtensor1(x: Any, index: Any) -> Any:
    """``x[index]`` for an integer vector."""
    return getitem(as_tensor_variable(x), (index,))


def advanced_inc_subtensor(x: Any, y: Any, *index: Any) -> Any:
    """`x` with `y` added at `index`."""
    return inc_subtensor(advanced_subtensor(x, *index), y)


def advanced_set_subtensor(x: Any, y: Any, *index: Any) -> Any:
    """`x` with `y` stored at `index`."""
    return set_subtensor(advanced_subtensor(x, *index), y)


def advanced_inc_subtensor1(x: Any, y: Any, index: Any) -> Any:
    """`x` with `y` added to the rows `index`."""
    return inc_subtensor(advanced_subtensor1(x, index), y)


def advanced_set_subtensor1(x: Any, y: Any, index: Any) -> Any:
    """`x` with `y` stored in the rows `index`."""
    return set_subtensor(advanced_subtensor1(x, index), y)


def advanced_boolean_subtensor(x: Any, *index: Any) -> Any:
    """``x[index]`` where the index has boolean masks."""
    return getitem(as_tensor_variable(x), tuple(index))


def advanced_boolean_inc_subtensor(x: Any, y: Any, *index: Any) -> Any:
    """`x` with `y` added where masks are true."""
    return inc_subtensor(advanced_boolean_subtensor(x, *index), y)


def advanced_boolean_set_subtensor(x: Any, y: Any, *index: Any) -> Any:
    """`x` with `y` stored where masks are true."""
    return set_subtensor(advanced_boolean_subtensor(x, *index), y)


def __getattr__(name: str) -> Any:
    # Classes of ops that Theano has in this module; they are made of its functions.
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from phintys.tensor import op_classes

    if name in op_classes.__all__:
        return getattr(op_classes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""States of counter-based streams, and drawing from them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.raise_op import check
from phintys.scalar.dtypes import float_dtypes, integer_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import cast, function_named
from phintys.tensor.reduction import all as all_of
from phintys.tensor.shape import as_lengths
from phintys.tensor.sharedvar import shared


def new_state(seed: Any, index: int) -> Any:
    """The value of a state: key and number of the next draw.

    Keys of the same seed and different indices are independent (NumPy's ``SeedSequence``).
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(index,))
    return np.array([sequence.generate_state(1, np.uint64)[0], 0], np.uint64)


def shared_rng(seed: Any = None, name: str | None = None) -> Any:
    """A shared variable with a state: what the functions of this package take as ``rng``.

    `seed` is an integer, a sequence of integers, or None for one of the operating system's.
    """
    return shared(new_state(seed, 0), name=name)


class Draws:
    """Draws from a state, one after the other; `state` is always the next one."""

    def __init__(self, state: Any) -> None:
        state = as_tensor_variable(state)
        if state.dtype != "uint64" or state.ndim != 1:
            raise PhintysTypeError(
                f"rng must be a state of shared_rng() (a uint64 vector), got {state} {state.type}"
            )
        self.state = state

    def draw(self, kind: str, lengths: Sequence[Any], dtype: str, *parameters: Any) -> Any:
        """Numbers of `lengths`; `kind` and parameters are those of the op ``philox_draw``."""
        wanted = "int64" if kind == "integers" else "float64"
        inputs = [self.state, *(cast(p, wanted) for p in parameters), *lengths]
        self.state, sample = _core.apply("philox_draw", inputs, kind=kind, dtype=dtype)
        return sample

    def real(self, kind: str, lengths: Sequence[Any], dtype: str, *parameters: Any) -> Any:
        """The same for a floating `dtype`; float16 numbers are rounded float32 ones."""
        drawn = "float64" if dtype == "float64" else "float32"
        return cast(self.draw(kind, lengths, drawn, *parameters), dtype)

    def rows(self, kind: str, lengths: Sequence[Any], *parameters: Any) -> Any:
        """int64 numbers; `kind` and parameters are those of the op ``philox_rows``."""
        inputs = [self.state, *parameters, *lengths]
        self.state, sample = _core.apply("philox_rows", inputs, kind=kind)
        return sample


def lengths_of(name: str, size: Any, *parameters: Any, core: int = 0) -> list[Any]:
    """The shape of a result as scalars: `size`, or the shape to which the parameters broadcast.

    The last `core` dimensions of a parameter do not count.
    """
    ranks = [p.ndim - core for p in parameters]
    if size is not None:
        lengths = as_lengths(size, name)
        if ranks and max(ranks) > len(lengths):
            raise PhintysValueError(
                f"{name}: size has {len(lengths)} dimensions, a parameter has {max(ranks)}"
            )
        return lengths
    rank = max(ranks, default=0)
    lengths = []
    for axis in range(rank):
        length: Any = None
        for p, r in zip(parameters, ranks, strict=True):
            own = axis - (rank - r)
            if own >= 0 and not p.broadcastable[own]:
                length = _core.shape_i(p, own)
                break
        lengths.append(as_tensor_variable(np.int64(1)) if length is None else length)
    return lengths


def real_dtype(name: str, dtype: Any, *parameters: Any) -> str:
    """The dtype of a real result: at least as precise as floatX if none is given."""
    if dtype is None:
        dtype = upcast(config.floatX, *(p.dtype for p in parameters))
    dtype = config.floatX if dtype == "floatX" else str(np.dtype(dtype))
    if dtype not in float_dtypes:
        raise PhintysTypeError(f"{name}: the dtype of the result must be floating, got {dtype}")
    return dtype


def whole_dtype(name: str, dtype: Any) -> str:
    """The dtype of a whole number: int64 if none is given."""
    dtype = "int64" if dtype is None else str(np.dtype(dtype))
    if dtype != "bool" and dtype not in integer_dtypes and dtype not in float_dtypes:
        raise PhintysTypeError(f"{name}: numbers of dtype {dtype} cannot be drawn")
    return dtype


def checked(
    name: str, what: str, value: Any, low: float, high: float | None = None, above: bool = False
) -> Any:
    """`value` after a check that all its elements are in [low, high]; NaN is not.

    With `above` they must not be `low` itself. A constant is checked at once, others when the
    function runs: ValueError.
    """
    if above:
        bounds = f"be above {low:g}" + ("" if high is None else f" and at most {high:g}")
    else:
        bounds = f"not be below {low:g}" if high is None else f"be between {low:g} and {high:g}"
    message = f"{name}: {what} must {bounds}"
    good = function_named("gt" if above else "ge")(value, low)
    if isinstance(value, _core.Variable) and hasattr(value, "data"):
        data = np.asarray(value.data)
        fits = (data > low if above else data >= low) & (True if high is None else data <= high)
        if not fits.all():
            raise PhintysValueError(f"{message}, got {value.data}")
        return value
    if high is not None:
        good = function_named("and_")(good, function_named("le")(value, high))
    return check(value, [all_of(good) if good.ndim else good], message, value_error=True)


Body = Callable[..., Any]
BODIES: dict[str, Body] = {}


def body_of(name: str) -> Body:
    """The body of another distribution."""
    return BODIES[name]


def distribution(body: Body) -> Body:
    """Makes a function with ``rng`` and ``return_next_rng`` of a body that takes `Draws` first."""

    @functools.wraps(body)
    def function(*args: Any, rng: Any = None, return_next_rng: bool = False, **kwargs: Any) -> Any:
        fresh = rng is None
        state = shared_rng() if fresh else rng
        draws = Draws(state)
        sample = body(draws, *args, **kwargs)
        if fresh:
            # Nobody else has this state: it must move on by itself.
            state.default_update = draws.state
        return (draws.state, sample) if return_next_rng else sample

    BODIES[body.__name__] = body
    function.__doc__ = (body.__doc__ or "") + (
        "\n\n    `rng` is a state (:func:`shared_rng`); with `return_next_rng` the result is the "
        "pair\n    of the next state and the numbers."
    )
    return function

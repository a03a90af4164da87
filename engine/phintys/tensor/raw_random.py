"""``theano.tensor.raw_random``: draws from NumPy's legacy ``RandomState``, number for number.

A state is a uint32 vector (:func:`pack_state`), so that it can be saved with a function and drawn
from in C++. The functions take a state and return the next one and the numbers; ``size`` is None,
a tuple (-1 for the length of a parameter), or an integer vector, whose length ``ndim`` gives where
the graph does not know it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import integer_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import cast
from phintys.tensor.shape import as_length, as_lengths
from phintys.tensor.type import TensorType

__all__ = [
    "RandomFunction",
    "RandomStateType",
    "RandomStreamsBase",
    "binomial",
    "choice",
    "multinomial",
    "normal",
    "pack_state",
    "permutation",
    "poisson",
    "random_integers",
    "random_state_type",
    "uniform",
    "unpack_state",
]

STATE_LENGTH = 628


def pack_state(state: np.random.RandomState) -> np.ndarray:
    """The state of a ``RandomState`` as a vector of 628 uint32.

    Those are the 624 words of the generator, the position in them, whether a second normal number
    is waiting, and the two halves of that number.
    """
    _, words, position, waiting, second = state.get_state(legacy=True)
    result = np.zeros(STATE_LENGTH, np.uint32)
    result[:624] = words
    result[624] = position
    if waiting:
        result[625] = 1
        result[626:] = np.array([second], "<f8").view("<u4")
    return result


def unpack_state(vector: Any) -> np.random.RandomState:
    """A ``RandomState`` from such a vector."""
    vector = np.asarray(vector)
    second = vector[626:].astype("<u4").view("<f8")[0]
    state = np.random.RandomState()
    state.set_state(("MT19937", vector[:624], int(vector[624]), int(vector[625]), float(second)))
    return state


def RandomStateType() -> Any:
    """The type of states."""
    return TensorType("uint32", (False,))


random_state_type = RandomStateType()


def _state(random_state: Any) -> Any:
    if isinstance(random_state, np.random.RandomState):
        return as_tensor_variable(pack_state(random_state))
    state = as_tensor_variable(random_state)
    if state.dtype != "uint32" or state.ndim != 1:
        raise PhintysTypeError(
            "random_state must be a RandomState or a variable of random_state_type (a uint32 "
            f"vector), got {random_state} {state.type}"
        )
    return state


# The dtypes of the parameters of each kind of the op.
_PARAMETERS = {
    "uniform": ("float64", "float64"),
    "normal": ("float64", "float64"),
    "poisson": ("float64",),
    "binomial": ("int64", "float64"),
    "random_integers": ("int64", "int64"),
    "choice": ("int64", "int64", "float64"),
    "permutation": ("int64",),
    "multinomial": ("int64", "float64"),
}


class RandomFunction:
    """``RandomFunction(name, type)(state, size, *parameters)``: the next state and numbers.

    `name` is that of a method of ``RandomState`` of which this module has a function; the numbers
    get the dtype of `type`.
    """

    def __init__(self, fn: str, outtype: Any) -> None:
        if fn not in _PARAMETERS:
            raise PhintysValueError(f"RandomFunction: {fn!r} is none of {sorted(_PARAMETERS)}")
        self.fn = fn
        self.dtype = outtype if isinstance(outtype, str) else outtype.dtype

    def __call__(self, state: Any, size: Any, *parameters: Any) -> list[Any]:
        wanted = _PARAMETERS[self.fn]
        if len(parameters) != len(wanted):
            raise PhintysTypeError(
                f"random {self.fn} takes {len(wanted)} parameters, got {len(parameters)}"
            )
        inputs = [_state(state)]
        for value, dtype in zip(parameters, wanted, strict=True):
            value = as_tensor_variable(value)
            # Rows of float32 probabilities are scaled in their own dtype.
            own = self.fn == "multinomial" and value.dtype == "float32"
            inputs.append(value if own else cast(value, dtype))
        inputs += as_lengths(size, self.fn)
        new_state, sample = _core.apply("mt19937_draw", inputs, kind=self.fn)
        return [new_state, cast(sample, self.dtype)]


def _auto_length(axis: int, ndim: int, args: Sequence[Any]) -> Any:
    """The length of `axis` among `ndim`, taken from the arguments."""
    covered = False
    for a in args:
        own = axis - (ndim - a.ndim)
        if own >= 0:
            covered = True
            if not a.broadcastable[own]:
                return _core.shape_i(a, own)
    if not covered:
        raise PhintysValueError(
            "Auto-shape of -1 must overlap with the shape of one of the broadcastable inputs"
        )
    return as_length(1, "size")


def _infer_lengths(ndim: int | None, size: Any, *args: Any) -> list[Any]:
    """The lengths of the result, from `size`, `ndim` and the parameters."""
    if isinstance(size, (tuple, list)):
        if ndim is not None and ndim != len(size):
            raise PhintysValueError(
                "ndim should be equal to len(shape), but\n",
                f"ndim = {ndim}, len(shape) = {len(size)}, shape = {size}",
            )
        ndim = len(size)
        lengths = []
        for axis, s in enumerate(size):
            auto = not isinstance(s, _core.Variable) and s == -1
            lengths.append(_auto_length(axis, ndim, args) if auto else as_length(s, "size"))
    elif size is None:
        if not args:
            raise PhintysTypeError(
                "_infer_ndim_bcast cannot infer shape without either shape or args"
            )
        ndim = max(a.ndim for a in args)
        lengths = [_auto_length(axis, ndim, args) for axis in range(ndim)]
    else:
        vector = as_tensor_variable(size)
        if vector.ndim != 1 or vector.dtype not in integer_dtypes:
            raise PhintysTypeError(f"shape must be an integer vector or list, got {vector.type}")
        if ndim is None:
            ndim = vector.static_shape[0]
        if ndim is None:
            raise PhintysValueError(f"the length of the size {size} must be known: give ndim")
        lengths = [as_length(vector[i], "size") for i in range(ndim)]
    widest = max((a.ndim for a in args), default=0)
    if widest > len(lengths):
        raise PhintysValueError(
            "ndim should be at least as big as required by args value", (len(lengths), widest), args
        )
    return lengths


def uniform(
    random_state: Any,
    size: Any = None,
    low: Any = 0.0,
    high: Any = 1.0,
    ndim: int | None = None,
    dtype: Any = None,
) -> list[Any]:
    """Uniform numbers in [low, high), at least of floatX's precision."""
    low, high = as_tensor_variable(low), as_tensor_variable(high)
    if dtype is None:
        dtype = upcast(config.floatX, low.dtype, high.dtype)
    lengths = _infer_lengths(ndim, size, low, high)
    draw = RandomFunction("uniform", str(dtype))
    return draw(random_state, lengths, low, high)


def normal(
    random_state: Any,
    size: Any = None,
    avg: Any = 0.0,
    std: Any = 1.0,
    ndim: int | None = None,
    dtype: Any = None,
) -> list[Any]:
    """Normal numbers, at least of floatX's precision."""
    avg, std = as_tensor_variable(avg), as_tensor_variable(std)
    if dtype is None:
        dtype = upcast(config.floatX, avg.dtype, std.dtype)
    lengths = _infer_lengths(ndim, size, avg, std)
    draw = RandomFunction("normal", str(dtype))
    return draw(random_state, lengths, avg, std)


def _old_name(prob: Any) -> Any:
    print(
        "DEPRECATION WARNING: the parameter prob to the binomal fct have been renamed to p to have "
        "the same name as numpy.",
        file=sys.stderr,
    )
    return prob


def binomial(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    p: Any = 0.5,
    ndim: int | None = None,
    dtype: Any = "int64",
    prob: Any = None,
) -> list[Any]:
    """How many of `n` trials succeed, each with probability `p`."""
    if prob is not None:
        p = _old_name(prob)
    n, p = as_tensor_variable(n), as_tensor_variable(p)
    lengths = _infer_lengths(ndim, size, n, p)
    draw = RandomFunction("binomial", str(dtype))
    return draw(random_state, lengths, n, p)


def random_integers(
    random_state: Any,
    size: Any = None,
    low: Any = 0,
    high: Any = 1,
    ndim: int | None = None,
    dtype: Any = "int64",
) -> list[Any]:
    """Whole numbers in [low, high], both ends included."""
    low, high = as_tensor_variable(low), as_tensor_variable(high)
    lengths = _infer_lengths(ndim, size, low, high)
    draw = RandomFunction("random_integers", str(dtype))
    return draw(random_state, lengths, low, high)


def choice(
    random_state: Any,
    size: Any = None,
    a: Any = 2,
    replace: Any = True,
    p: Any = None,
    ndim: int | None = None,
    dtype: Any = "int64",
) -> list[Any]:
    """Elements of the vector `a`, or numbers below the scalar `a`, with probabilities `p`."""
    a = as_tensor_variable(a)
    if a.ndim > 1:
        raise PhintysValueError(f"a.ndim ({a.ndim}) must be 0 or 1")
    weights = as_tensor_variable(np.zeros(0) if p is None else p)
    if weights.ndim != 1:
        raise PhintysValueError(f"p.ndim ({weights.ndim}) must be 1")
    lengths = _infer_lengths(ndim, size)
    n = _core.shape_i(a, 0) if a.ndim else cast(a, "int64")
    if isinstance(replace, (bool, np.bool_)):
        replace = int(replace)
    index_dtype = "int64" if a.ndim else str(dtype)
    new_state, index = RandomFunction("choice", index_dtype)(
        random_state, lengths, n, replace, weights
    )
    return [new_state, cast(a[index], dtype) if a.ndim else index]


def poisson(
    random_state: Any,
    size: Any = None,
    lam: Any = 1.0,
    ndim: int | None = None,
    dtype: Any = "int64",
) -> list[Any]:
    """Poisson numbers of mean `lam`; without `size`, of the shape of `lam`."""
    lam = as_tensor_variable(lam)
    lengths = _infer_lengths(ndim, size, lam)
    return RandomFunction("poisson", str(dtype))(random_state, lengths, lam)


def permutation(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    ndim: int | None = None,
    dtype: Any = "int64",
) -> list[Any]:
    """Random orders of the numbers below `n`, as many as `size` says: shape ``size + (n,)``."""
    if size is None or (isinstance(size, (tuple, list)) and len(size) == 0):
        if not (ndim is None or ndim == 1):
            raise PhintysTypeError(
                "You asked for just one permutation but asked for more then 1 dimensions."
            )
        lengths = []
    else:
        lengths = _infer_lengths(ndim, size)
    draw = RandomFunction("permutation", str(dtype))
    return draw(random_state, lengths, as_length(n, "permutation"))


def multinomial(
    random_state: Any,
    size: Any = None,
    n: Any = 1,
    pvals: Any = (0.5, 0.5),
    ndim: int | None = None,
    dtype: Any = "int64",
) -> list[Any]:
    """How often each outcome comes in `n` trials; rows of `pvals` (..., K) are probabilities.

    The result has the shape ``size + (K,)``. As in Theano, a row whose sum is a little above 1, or
    whose last element is nearly 0, is scaled by 1 - 5e-5.
    """
    n, pvals = as_tensor_variable(n), as_tensor_variable(pvals)
    if pvals.ndim < 1:
        raise PhintysTypeError(f"multinomial: pvals must have a dimension, got {pvals.type}")
    lengths = _infer_lengths(ndim, size, n, pvals[..., 0])
    draw = RandomFunction("multinomial", str(dtype))
    return draw(random_state, lengths, n, pvals)


def permute_row_elements(x: Any, order: Any) -> Any:
    """The elements of each row (last dimension) of `x` in the order that `order` gives."""
    n = _core.shape_i(x, x.ndim - 1)
    if x.ndim == 1:
        return x[order]
    rows = x.reshape((-1, n), ndim=2)
    index = order.reshape((-1, n), ndim=2)
    from phintys.tensor.creation import arange

    picked = rows[arange(_core.shape_i(rows, 0)).dimshuffle(0, "x"), index]
    return picked.reshape([_core.shape_i(x, i) for i in range(x.ndim)], ndim=x.ndim)


class RandomStreamsBase:
    """Methods of streams; a subclass has ``gen``, which gives each draw a state."""

    def gen(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        """A draw ``op(state, *args, **kwargs)`` with a state of its own."""
        raise PhintysTypeError(f"{type(self).__name__} makes no streams: it has no gen")

    def binomial(
        self,
        size: Any = None,
        n: Any = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: Any = "int64",
        prob: Any = None,
    ) -> Any:
        """How many of `n` trials succeed, each with probability `p`."""
        if prob is not None:
            p = _old_name(prob)
        return self.gen(binomial, size, n, p, ndim=ndim, dtype=dtype)

    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
    ) -> Any:
        """Uniform numbers in [low, high)."""
        return self.gen(uniform, size, low, high, ndim=ndim, dtype=dtype)

    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
    ) -> Any:
        """Normal numbers of mean `avg` and standard deviation `std`."""
        return self.gen(normal, size, avg, std, ndim=ndim, dtype=dtype)

    def random_integers(
        self,
        size: Any = None,
        low: Any = 0,
        high: Any = 1,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Any:
        """Whole numbers in [low, high], both ends included."""
        return self.gen(random_integers, size, low, high, ndim=ndim, dtype=dtype)

    def choice(
        self,
        size: Any = None,
        a: Any = 2,
        replace: Any = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Any:
        """Elements of `a`, or numbers below the scalar `a`, with probabilities `p`."""
        return self.gen(choice, size, a, replace, p, ndim=ndim, dtype=dtype)

    def poisson(
        self,
        size: Any = None,
        lam: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Any:
        """Poisson numbers of mean `lam`."""
        return self.gen(poisson, size, lam, ndim=ndim, dtype=dtype)

    def permutation(
        self, size: Any = None, n: Any = 1, ndim: int | None = None, dtype: Any = "int64"
    ) -> Any:
        """Random orders of the numbers below `n`, of shape ``size + (n,)``."""
        return self.gen(permutation, size, n, ndim=ndim, dtype=dtype)

    def multinomial(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = (0.5, 0.5),
        ndim: int | None = None,
        dtype: Any = "int64",
    ) -> Any:
        """How often each outcome comes in `n` trials, of shape ``size + (K,)``."""
        return self.gen(multinomial, size, n, pvals, ndim=ndim, dtype=dtype)

    def shuffle_row_elements(self, input: Any) -> Any:
        """`input` with the elements of every row (last dimension) in random order.

        The orders are the attribute ``permutation`` of the result.
        """
        input = as_tensor_variable(input)
        if input.ndim < 1:
            raise PhintysTypeError(f"shuffle_row_elements: {input.type} has no rows")
        lengths = tuple(_core.shape_i(input, i) for i in range(input.ndim - 1))
        order = self.permutation(size=lengths, n=_core.shape_i(input, input.ndim - 1))
        shuffled = permute_row_elements(input, order)
        shuffled.permutation = order
        return shuffled

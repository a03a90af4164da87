"""``theano.sandbox.rng_mrg``: streams of MRG31k3p, number for number.

The generator is L'Ecuyer and Touzin's ("Fast combined multiple recursive generators with
multipliers of the form a = +-2^q +- 2^r", WSC 2000). A draw has many streams, 2^72 steps apart, and
its element i comes from stream i modulo their number; draws are 2^134 steps apart.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysNotImplementedError, PhintysTypeError, PhintysValueError
from phintys.gradient import undefined_grad
from phintys.scalar.dtypes import upcast
from phintys.tensor.conversion import as_tensor_variable, constant
from phintys.tensor.elemwise import cast, function_named
from phintys.tensor.indexing import flatnonzero
from phintys.tensor.join import join
from phintys.tensor.shape import as_length, as_lengths, reshape
from phintys.tensor.sharedvar import shared

__all__ = [
    "M1",
    "M2",
    "MRG_RandomStream",
    "MRG_RandomStreams",
    "guess_n_streams",
    "mrg_uniform",
]

M1 = 2147483647  # 2^31 - 1
M2 = 2147462579  # 2^31 - 21069

Matrix = list[list[int]]

# One step: the new first word is 2^22 x12 + (2^7 + 1) x13, or 2^15 x21 + (2^15 + 1) x23.
_STEP1: Matrix = [[0, 2**22, 2**7 + 1], [1, 0, 0], [0, 1, 0]]
_STEP2: Matrix = [[2**15, 0, 2**15 + 1], [1, 0, 0], [0, 1, 0]]


def _product(a: Matrix, b: Matrix, m: int) -> Matrix:
    index = range(3)
    return [[sum(a[i][k] * b[k][j] for k in index) % m for j in index] for i in index]


def _squared(a: Matrix, times: int, m: int) -> Matrix:
    for _ in range(times):
        a = _product(a, a, m)
    return a


# 2^72 and 2^134 steps.
_A1P72, _A2P72 = _squared(_STEP1, 72, M1), _squared(_STEP2, 72, M2)
_A1P134, _A2P134 = _squared(_STEP1, 134, M1), _squared(_STEP2, 134, M2)


def _jumped(states: Any, a1: Matrix, a2: Matrix) -> Any:
    """States (..., 6) multiplied by the matrices of the two components."""
    states = np.asarray(states, np.int64)
    parts = []
    for part, a, m in ((states[..., :3], a1, M1), (states[..., 3:], a2, M2)):
        # Products are below 2^62; three remainders add up to less than 2^33.
        products = part[..., None, :] * np.array(a, np.int64) % m
        parts.append(products.sum(axis=-1) % m)
    return np.concatenate(parts, axis=-1).astype(np.int32)


def guess_n_streams(size: Any, warn: bool = False) -> int:
    """Theano's number of streams for a draw: a sixth of its elements, at most 60 * 256.

    For a size that is not known when the graph is built it is 60 * 256; `warn` says so.
    """
    if isinstance(size, (tuple, list)) and all(isinstance(i, int) for i in size):
        r = math.prod(size)
        if r > 6:
            r = r // 6
        return min(r, 60 * 256)
    if warn:
        warnings.warn(
            f"MRG_RandomStreams Can't determine #streams from size ({size}), guessing 60*256",
            stacklevel=3,
        )
    return 60 * 256


class mrg_uniform:
    """``mrg_uniform.new(states, ndim, dtype, size)``: next states and uniform numbers in (0, 1)."""

    @classmethod
    def new(cls, rstate: Any, ndim: int | None, dtype: str, size: Any) -> list[Any]:
        """Draws from `rstate`, an int32 matrix of six columns."""
        lengths = _lengths(size, ndim)
        return _core.apply("mrg_uniform", [as_tensor_variable(rstate), *lengths], dtype=dtype)


def _lengths(size: Any, ndim: int | None) -> list[Any]:
    if isinstance(size, _core.Variable) and size.ndim == 1 and size.static_shape[0] is None:
        if ndim is None:
            raise PhintysValueError(f"the length of the size {size} must be known: give ndim")
        return [as_length(size[i], "size") for i in range(ndim)]
    lengths = as_lengths(size, "size")
    if ndim is not None and ndim != len(lengths):
        raise PhintysValueError(f"ndim is {ndim}, but size has {len(lengths)} elements: {size}")
    return lengths


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer))


def _check_size(size: Any) -> Any:
    """`size` as an integer vector; ValueError if it is none."""
    if isinstance(size, _core.Variable):
        if size.ndim == 1:
            return size
        if size.ndim == 0:
            return _core.make_vector([as_length(size, "size")])
        raise PhintysValueError("Theano variable must have 1 dimension to be a valid size.", size)
    if _is_int(size):
        size = (size,)
    if not isinstance(size, (tuple, list)):
        raise PhintysValueError("Size must be a int, tuple, list or Theano variable.", size)
    for i in size:
        if isinstance(i, _core.Variable):
            if i.ndim != 0:
                raise PhintysValueError("Non-scalar Theano variable in size", size, i)
        elif not _is_int(i):
            raise PhintysValueError(
                "Only Theano variables and integers are allowed in a size-tuple.", size, i
            )
        elif i <= 0:
            raise PhintysValueError("Non-positive dimensions not allowed in size.", size, i)
    return as_tensor_variable(list(size)) if size else constant(np.zeros(0, "int64"))


class MRG_RandomStreams:
    """Draws of random numbers from streams of MRG31k3p.

    Parameters
    ----------
    seed
        An integer, taken six times, or six integers: the first three below ``2147483647``, the
        others below ``2147462579``, and in neither group all zero.

    >>> import phintys
    >>> f = phintys.function([], MRG_RandomStreams(42).uniform((4,)))
    >>> f().round(4).tolist()
    [0.0808, 0.9268, 0.8597, 0.2507]
    """

    def __init__(self, seed: Any = 12345) -> None:
        self.state_updates: list[Any] = []
        self.default_instance_seed = seed
        self.set_rstate(seed)

    def updates(self) -> list[Any]:
        """State, next state, size and number of streams of all draws."""
        return list(self.state_updates)

    def set_rstate(self, seed: Any) -> None:
        """Sets the state from which the streams of the next draw come."""
        if _is_int(seed):
            if seed == 0:
                raise PhintysValueError("seed should not be 0", seed)
            if seed >= M2:
                raise PhintysValueError(f"seed should be less than {M2}", seed)
            self.rstate = np.asarray([seed] * 6, dtype="int32")
            return
        if len(seed) != 6:
            raise PhintysTypeError("seed should be 1 integer or 6 integers")
        for name, part, m in (("first", seed[:3], M1), ("last", seed[3:], M2)):
            if all(s == 0 for s in part):
                raise PhintysValueError(f"The {name} 3 values of seed should not be all 0", seed)
            if any(s >= m for s in part):
                raise PhintysValueError(
                    f"The {name} 3 values of seed should be less than {m}", seed
                )
        self.rstate = np.asarray(seed, dtype="int32")

    def seed(self, seed: Any = None) -> None:
        """Seeds the streams of all draws again, by `seed` or by the seed of the object."""
        self.set_rstate(self.default_instance_seed if seed is None else seed)
        for state, new_state, size, nstreams in self.state_updates:
            count = self.n_streams(size) if nstreams is None else nstreams
            dtype = new_state.owner.outputs[1].dtype
            state.set_value(self.get_substream_rstates(count, dtype), borrow=True)

    def inc_rstate(self) -> None:
        """Moves :attr:`rstate` on by 2^134 steps, to the streams of the next draw."""
        self.rstate = _jumped(self.rstate, _A1P134, _A2P134)

    def get_substream_rstates(
        self, n_streams: int, dtype: str = "float64", inc_rstate: bool = True
    ) -> Any:
        """States of `n_streams` streams, 2^72 steps apart: an int32 matrix of six columns."""
        if n_streams <= 0:
            raise PhintysValueError("the number of streams must be positive", n_streams)
        states = np.asarray(self.rstate, np.int32)[None]
        a1, a2 = _A1P72, _A2P72
        # Twice as many with each jump, whose length doubles.
        while len(states) < n_streams:
            states = np.concatenate([states, _jumped(states, a1, a2)])
            a1, a2 = _product(a1, a1, M1), _product(a2, a2, M2)
        if inc_rstate:
            self.inc_rstate()
        return np.ascontiguousarray(states[:n_streams])

    def n_streams(self, size: Any) -> int:
        """The number of streams for a draw of that size."""
        return guess_n_streams(size)

    def pretty_return(
        self, node_rstate: Any, new_rstate: Any, sample: Any, size: Any, nstreams: Any
    ) -> Any:
        """Notes a draw and its states, and returns it."""
        sample.rstate = node_rstate
        sample.update = (node_rstate, new_rstate)
        self.state_updates.append((node_rstate, new_rstate, size, nstreams))
        node_rstate.default_update = new_rstate
        return sample

    def uniform(
        self,
        size: Any,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Uniform numbers between `low` and `high`, without the bounds.

        `size` is a tuple of integers and scalar variables, or an integer vector, whose length
        `ndim` gives where the graph does not know it.
        """
        low, high = as_tensor_variable(low), as_tensor_variable(high)
        if dtype is None:
            dtype = upcast(config.floatX, low.dtype, high.dtype)
        dtype = config.floatX if dtype == "floatX" else str(np.dtype(dtype))
        low, high = undefined_grad(cast(low, dtype)), undefined_grad(cast(high, dtype))
        if isinstance(size, tuple):
            if not all(_is_int(i) or isinstance(i, _core.Variable) for i in size):
                raise AssertionError("size must be a tuple of int or a Theano variable")
            if any(_is_int(i) and i <= 0 for i in size):
                raise PhintysValueError(
                    "The specified size contains a dimension with value <= 0", size
                )
        elif not (isinstance(size, _core.Variable) and size.ndim == 1):
            raise PhintysTypeError(
                "size must be a tuple of int or a Theano Variable with 1 dimension, got "
                f"{size} of type {type(size)}"
            )
        count = self.n_streams(size) if nstreams is None else nstreams
        kwargs.pop("target", None)
        if kwargs:
            raise PhintysTypeError(f"uniform() got unexpected keyword arguments {kwargs.keys()}")
        state = shared(self.get_substream_rstates(count, dtype))
        new_state, sample = mrg_uniform.new(state, ndim, dtype, size)
        u = self.pretty_return(state, new_state, sample, size=size, nstreams=nstreams)
        state.tag.is_rng = True
        r = u * (high - low) + low
        if u.broadcastable != r.broadcastable:
            raise PhintysNotImplementedError(
                "Increase the size to match the broadcasting pattern of `low` and `high` arguments"
            )
        return r

    def binomial(
        self,
        size: Any = None,
        n: Any = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """1 with probability `p`, else 0; `n` must be 1."""
        if n != 1:
            raise PhintysNotImplementedError("MRG_RandomStreams.binomial with n > 1")
        p = undefined_grad(as_tensor_variable(p))
        x = self.uniform(size=size, ndim=ndim, nstreams=nstreams, **kwargs)
        return cast(function_named("lt")(x, p), dtype)

    def multinomial(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """How often each outcome comes in `n` trials: a row for each row of the matrix `pvals`.

        The probabilities are not checked. `size` and `ndim` must not be given.
        """
        if pvals is None:
            raise PhintysTypeError("You have to specify pvals")
        pvals = undefined_grad(as_tensor_variable(pvals))
        for name, value in (("a size", size), ("an ndim", ndim)):
            if value is not None:
                raise PhintysValueError(
                    f"Provided {name} argument to MRG_RandomStreams.multinomial, which does not "
                    f"use the {name.split()[1]} argument."
                )
        if pvals.ndim != 2:
            raise PhintysNotImplementedError(
                "MRG_RandomStreams.multinomial only implemented for pvals.ndim = 2"
            )
        return self._choose(pvals, n, dtype, nstreams, True, kwargs)

    def _choose(
        self, p: Any, n: Any, dtype: Any, nstreams: Any, replace: bool, kwargs: dict[str, Any]
    ) -> Any:
        n = as_length(n, "n")
        size = _core.make_vector([_core.shape_i(p, 0) * n])
        u = self.uniform(size=size, ndim=1, nstreams=nstreams, **kwargs)
        if p.dtype not in ("float32", "float64"):
            p = cast(p, "float64")
        if u.dtype == "float16":
            u = cast(u, "float32")
        return cast(_core.apply("choose_from_uniform", [p, u, n], replace=replace), dtype)

    def choice(
        self,
        size: Any = 1,
        a: Any = None,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """`size` different columns for each row of the matrix `p` of probabilities.

        Only ``replace=False`` exists, and `a` must be None, as in Theano. The probabilities are not
        checked.
        """
        if replace:
            raise PhintysNotImplementedError(
                "MRG_RandomStreams.choice only works without replacement for now."
            )
        if a is not None:
            raise PhintysTypeError(
                "For now, a has to be None in MRG_RandomStreams.choice. Sampled values are "
                "between 0 and p.shape[1]-1"
            )
        if p is None:
            raise PhintysTypeError("For now, p has to be specified in MRG_RandomStreams.choice.")
        p = undefined_grad(as_tensor_variable(p))
        if ndim is not None:
            raise PhintysValueError("ndim argument to MRG_RandomStreams.choice is not used.")
        if p.ndim != 2:
            raise PhintysNotImplementedError(
                "MRG_RandomStreams.choice is only implemented for p.ndim = 2"
            )
        return self._choose(p, size, dtype, nstreams, False, kwargs)

    def multinomial_wo_replacement(
        self,
        size: Any = None,
        n: Any = 1,
        pvals: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """The old name of ``choice(size=n, replace=False, p=pvals)``."""
        warnings.warn(
            "MRG_RandomStreams.multinomial_wo_replacement() is deprecated and will be removed in "
            "the next release of Theano. Please use MRG_RandomStreams.choice() instead.",
            stacklevel=2,
        )
        if size is not None:
            raise AssertionError("multinomial_wo_replacement: size must be None")
        return self.choice(
            size=n,
            a=None,
            replace=False,
            p=pvals,
            dtype=dtype,
            nstreams=nstreams,
            ndim=ndim,
            **kwargs,
        )

    def normal(
        self,
        size: Any,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
        nstreams: int | None = None,
        truncate: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Normal numbers of mean `avg` and standard deviation `std` (Box and Muller).

        With `truncate` none is further than two standard deviations from the mean.
        """
        size = _check_size(size)
        avg = undefined_grad(as_tensor_variable(avg))
        std = undefined_grad(as_tensor_variable(std))
        if dtype is None:
            dtype = upcast(config.floatX, avg.dtype, std.dtype)
        dtype = config.floatX if dtype == "floatX" else str(np.dtype(dtype))
        avg, std = cast(avg, dtype), cast(std, dtype)
        wanted = _count(size)
        even = wanted + wanted % 2
        options = {"ndim": 1, "dtype": dtype, "nstreams": nstreams, **kwargs}
        uniform = self.uniform((even,), low=0.0, high=1.0, **options)
        half = even // 2
        u1, u2 = uniform[:half], uniform[half:]
        r = function_named("sqrt")(-2.0 * function_named("log")(u1))
        theta = np.array(2.0 * np.pi, dtype=dtype) * u2
        cosine, sine = function_named("cos")(theta), function_named("sin")(theta)
        z0, z1 = r * cosine, r * sine
        if truncate:
            normals = self._truncated(z0, z1, cosine, sine, options)
        else:
            normals = join(0, z0, z1)
        lengths = _lengths(size, ndim)
        samples = reshape(normals[:wanted], lengths, ndim=len(lengths))
        return samples * std + avg

    def _truncated(self, z0: Any, z1: Any, cosine: Any, sine: Any, options: Any) -> Any:
        """The numbers within [-2, 2]; for the others the radius is drawn again, below 2."""
        out0 = (z0 < -2.0) | (z0 > 2.0)
        out1 = (z1 < -2.0) | (z1 > 2.0)
        valid0, valid1 = z0[flatnonzero(~out0)], z1[flatnonzero(~out1)]
        fix0, fix1 = flatnonzero(out0), flatnonzero(out1)
        lower = constant(np.asarray(1.0 / np.e**2, options["dtype"]))
        u = self.uniform((fix0.size + fix1.size,), low=lower, high=1.0, **options)
        r = function_named("sqrt")(-2.0 * function_named("log")(u))
        fixed0 = r[: fix0.size] * cosine[fix0]
        fixed1 = r[fix0.size :] * sine[fix1]
        return join(0, valid0, fixed0, valid1, fixed1)

    def truncated_normal(
        self,
        size: Any,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: Any = None,
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Truncated normal numbers that have the standard deviation `std` after truncation."""
        # The standard deviation of a standard normal number between -2 and 2.
        std = std / constant(np.asarray(0.87962566103423978))
        return self.normal(
            size=size,
            avg=avg,
            std=std,
            truncate=True,
            ndim=ndim,
            dtype=dtype,
            nstreams=nstreams,
            **kwargs,
        )


MRG_RandomStream = MRG_RandomStreams


def _count(size: Any) -> Any:
    """The number of elements of a size vector: an integer variable."""
    return function_named("identity")(size).prod(dtype="int64")

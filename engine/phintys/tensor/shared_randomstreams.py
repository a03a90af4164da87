"""``theano.tensor.shared_randomstreams``: streams of NumPy's legacy ``RandomState``.

Each draw has a ``RandomState`` of its own in a shared variable, and gives number for number what
NumPy gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.tensor import raw_random
from phintys.tensor.raw_random import pack_state, unpack_state
from phintys.tensor.sharedvar import TensorSharedVariable, shared, shared_constructor

__all__ = ["RandomStateSharedVariable", "RandomStreams", "randomstate_constructor"]


class RandomStateSharedVariable(TensorSharedVariable):
    """A shared variable whose value is a ``numpy.random.RandomState``; inside, a uint32 vector."""

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """A ``RandomState`` in the present state.

        It is a copy also with `borrow`: give it to :meth:`set_value` after changes.
        """
        value = super().get_value(borrow=borrow)
        return value if return_internal_type else unpack_state(value)

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Takes the state of a ``RandomState`` (or a uint32 vector of such a state)."""
        if isinstance(new_value, np.random.RandomState):
            new_value = pack_state(new_value)
        super().set_value(new_value, borrow=False)

    def clone(self, name: str | None = None) -> Any:
        """A shared variable of its own in the same state."""
        return randomstate_constructor(self.get_value(), name=self.name if name is None else name)

    def __reduce__(self) -> Any:
        _, arguments, *rest = super().__reduce__()
        value = self.get_value(return_internal_type=True)
        return (_rebuild, (value, *arguments[1:]), *rest)


def _rebuild(value: Any, type: Any, name: str | None) -> Any:
    variable = _core.shared(value, type, name)
    variable.__class__ = RandomStateSharedVariable
    return variable


@shared_constructor
def randomstate_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    **options: Any,
) -> Any:
    """A shared variable for a ``numpy.random.RandomState``; other options do not apply to it."""
    if not isinstance(value, np.random.RandomState):
        raise TypeError()
    return _rebuild(pack_state(value), raw_random.random_state_type, name)


class RandomStreams(raw_random.RandomStreamsBase):
    """Draws of random numbers as NumPy's ``RandomState`` makes them.

    Parameters
    ----------
    seed
        None or an integer: seed of the generator that seeds each draw's own ``RandomState``.

    Attributes
    ----------
    state_updates
        Pairs of states and their next values, of all draws.
    gen_seedgen
        The ``RandomState`` that seeds new draws.

    >>> import phintys
    >>> from phintys.tensor.shared_randomstreams import RandomStreams
    >>> f = phintys.function([], RandomStreams(seed=234).uniform((2,)))
    >>> f().round(4).tolist()
    [0.1267, 0.9709]
    """

    state_updates: list[Any]
    default_instance_seed: Any
    gen_seedgen: Any

    def __init__(self, seed: Any = None) -> None:
        super().__init__()
        self.state_updates = []
        self.default_instance_seed = seed
        self.gen_seedgen = np.random.RandomState(seed)

    def updates(self) -> list[Any]:
        """The pairs of states and their next values, of all draws."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Seeds the states of all draws again, by `seed` or by the seed of the object."""
        if seed is None:
            seed = self.default_instance_seed
        seedgen = np.random.RandomState(seed)
        for state, _ in self.state_updates:
            state.set_value(np.random.RandomState(int(seedgen.randint(2**30))), borrow=True)

    def __getitem__(self, item: Any) -> Any:
        """The ``RandomState`` of a draw, or of its state (``x.rng`` of a draw ``x``)."""
        return getattr(item, "rng", item).get_value(borrow=True)

    def __setitem__(self, item: Any, val: Any) -> None:
        """Sets the ``RandomState`` of a draw, or of its state."""
        getattr(item, "rng", item).set_value(val, borrow=True)

    def gen(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        """A draw ``op(state, *args, **kwargs)`` whose state is seeded by ``gen_seedgen``.

        `op` returns the next state and the numbers, like the functions of
        :mod:`phintys.tensor.raw_random`.
        """
        state = shared(np.random.RandomState(int(self.gen_seedgen.randint(2**30))))
        new_state, out = op(state, *args, **kwargs)
        out.rng = state
        out.update = (state, new_state)
        self.state_updates.append(out.update)
        state.default_update = new_state
        return out

"""Streams: distributions whose states move on by themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from phintys.errors import PhintysKeyError
from phintys.tensor.random.distributions import __all__ as _names
from phintys.tensor.random.state import BODIES, Draws, new_state
from phintys.tensor.sharedvar import shared

__all__ = ["RandomStream"]


class RandomStream:
    """Draws of random numbers: ``stream.normal(0, 1, size=(2, 3))`` and the like.

    Each draw has a state of its own in a shared variable, and every function that uses the draw
    moves it on. ``x.rng`` is the state's variable of a draw ``x``, ``x.update`` the pair of it and
    its next value. The same seed and the same sequence of draws give the same numbers.

    Parameters
    ----------
    seed
        An integer, a sequence of integers, or None for a seed of the operating system's.

    Methods are the functions of :mod:`phintys.tensor.random` without ``rng``.
    """

    def __init__(self, seed: Any = None) -> None:
        self.state_updates: list[tuple[Any, Any]] = []
        self.default_instance_seed = seed
        self._entropy = np.random.SeedSequence(seed).entropy

    def updates(self) -> list[tuple[Any, Any]]:
        """The pairs of states and their next values, of all draws."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Sets the states of all draws back, by `seed` or by that of the stream."""
        if seed is None:
            seed = self.default_instance_seed
        if seed is not None or self.default_instance_seed is not None:
            self._entropy = np.random.SeedSequence(seed).entropy
        for index, (state, _) in enumerate(self.state_updates):
            state.set_value(new_state(self._entropy, index))

    def gen(self, distribution: Any, *args: Any, **kwargs: Any) -> Any:
        """A draw from a distribution: a function of :mod:`phintys.tensor.random`, or its name."""
        name = distribution if isinstance(distribution, str) else distribution.__name__
        if name not in BODIES:
            raise PhintysKeyError(f"RandomStream.gen: there is no distribution {name!r}")
        state = shared(new_state(self._entropy, len(self.state_updates)))
        draws = Draws(state)
        sample = BODIES[name](draws, *args, **kwargs)
        state.default_update = draws.state
        sample.rng = state
        sample.update = (state, draws.state)
        self.state_updates.append(sample.update)
        return sample


def _method(name: str) -> Callable[..., Any]:
    body = BODIES[name]

    @functools.wraps(body)
    def method(self: RandomStream, *args: Any, **kwargs: Any) -> Any:
        return self.gen(name, *args, **kwargs)

    return method


BODIES["nbinom"] = BODIES["negative_binomial"]
for _name in _names:
    setattr(RandomStream, _name, _method(_name))

"""NanGuardMode: stops at the first NaN, infinity or huge value."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from phintys.compile.mode import Mode
from phintys.config import config
from phintys.errors import PhintysAssertionError

__all__ = ["NanGuardMode", "contains_inf", "contains_nan", "flatten"]

_BIG = 1e10


def flatten(items: Any) -> list[Any]:
    """A flat list of all values in nested lists, tuples, sets and dicts."""
    if isinstance(items, dict):
        items = list(items.values())
    if isinstance(items, (tuple, list, set)):
        return [value for item in items for value in flatten(item)]
    return [items]


def _floats(value: Any) -> Any:
    array = np.asarray(value)
    return array if array.dtype.kind in "fc" else None


def contains_nan(arr: Any, node: Any = None, var: Any = None) -> bool:
    """True iff the array has a NaN."""
    array = _floats(arr)
    return array is not None and bool(np.isnan(array).any())


def contains_inf(arr: Any, node: Any = None, var: Any = None) -> bool:
    """True iff the array has an infinity."""
    array = _floats(arr)
    return array is not None and bool(np.isinf(array).any())


def _is_big(arr: Any) -> bool:
    array = _floats(arr)
    return array is not None and bool((np.abs(array) > _BIG).any())


class NanGuardMode(Mode):
    """Raises AssertionError where a NaN, an infinity or a value above 1e10 appears.

    Inputs and the result of every node are checked, so nothing is fused. Parameters left at None
    are taken from ``config.NanGuardMode``.
    """

    def __init__(
        self,
        nan_is_error: bool | None = None,
        inf_is_error: bool | None = None,
        big_is_error: bool | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        super().__init__(None, optimizer)
        flags = config.NanGuardMode
        self.nan_is_error = flags.nan_is_error if nan_is_error is None else nan_is_error
        self.inf_is_error = flags.inf_is_error if inf_is_error is None else inf_is_error
        self.big_is_error = flags.big_is_error if big_is_error is None else big_is_error

    def _problems(self, value: Any) -> list[str]:
        problems = []
        if self.nan_is_error and contains_nan(value):
            problems.append("NaN detected")
        if self.inf_is_error and contains_inf(value):
            problems.append("Inf detected")
        if self.big_is_error and not problems and _is_big(value):
            problems.append("Big value detected")
        return problems

    def check(self, values: Iterable[Any], where: str) -> None:
        """Reports what is wrong with the values."""
        for position, value in enumerate(values):
            problems = self._problems(value) if _is_numeric(value) else []
            if not problems:
                continue
            shape = np.shape(value)
            text = (
                f"{', '.join(problems)} in output {position} (shape {shape}, dtype "
                f"{np.asarray(value).dtype}) {where}"
            )
            if config.NanGuardMode.action == "raise":
                raise PhintysAssertionError(text)
            if config.NanGuardMode.action == "pdb":
                import pdb

                print(text)
                pdb.set_trace()
            else:
                warnings.warn(text, stacklevel=2)

    def _monitor(self, op: str, location: str, outputs: list[Any]) -> None:
        built = f", built at {location}" if location else ""
        self.check(outputs, f"of the node {op}{built}")

    def compile_options(self) -> dict[str, Any]:
        """Keyword arguments of ``_core.compile``: every node is monitored."""
        return {**super().compile_options(), "fuse": False, "monitor": self._monitor}

    def make_function(self, build: Any) -> Any:
        """The function, with its arguments checked before each call."""
        return GuardedCall.wrap(build.compile(self.compile_options()), self)


def _is_numeric(value: Any) -> bool:
    """False for the values of generic variables, which are any objects."""
    return isinstance(value, (np.ndarray, np.generic, bool, int, float, complex, list, tuple))


class GuardedCall:
    """Checks of arguments, mixed into the class of a function."""

    _guard: NanGuardMode
    _input_names: list[str]

    @staticmethod
    def wrap(function: Any, mode: NanGuardMode) -> Any:
        """The function, checking its arguments."""
        base = type(function)
        function.__class__ = _guarded_class(base)
        function._guard = mode
        return function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for k, value in [*enumerate(args), *kwargs.items()]:
            self._guard.check([value], f"of the input {k}")
        return super().__call__(*args, **kwargs)  # type: ignore[misc]


_classes: dict[type, type] = {}


def _guarded_class(base: type) -> type:
    if base not in _classes:
        _classes[base] = type(f"Guarded{base.__name__}", (GuardedCall, base), {})
    return _classes[base]

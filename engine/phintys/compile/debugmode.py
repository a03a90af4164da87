"""DebugMode: every pass is checked against the graph as it was built.

A function made in this mode is compiled once without passes, and once for each pass that changes
the graph, with the passes after it switched off. Each call runs all of them and compares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys.compile.function_module import Build, Function, StatefulFunction
from phintys.compile.mode import Mode, pass_names
from phintys.config import config
from phintys.errors import BadOptimization, DebugModeError, InvalidValueError
from phintys.tensor.type import TensorType

__all__ = ["BadOptimization", "DebugFunction", "DebugMode", "DebugModeError", "InvalidValueError"]


class DebugMode(Mode):
    """Compares the result after each pass with the unoptimised one, on every call.

    Raises BadOptimization, naming the pass, where they differ by more than rounding, and
    InvalidValueError for results that are not finite if `check_isfinite` and the unoptimised graph
    gives finite ones. Other parameters are Theano's and have no effect.
    """

    def __init__(
        self,
        optimizer: Any = "default",
        stability_patience: int | None = None,
        check_c_code: bool | None = None,
        check_py_code: bool | None = None,
        check_isfinite: bool | None = None,
        check_preallocated_output: Any = None,
        require_matching_strides: Any = None,
        linker: Any = None,
    ) -> None:
        super().__init__(None, optimizer)
        flag = config.DebugMode.check_finite
        self.check_isfinite = flag if check_isfinite is None else check_isfinite

    def make_function(self, build: Build) -> Any:
        """A function with all its variants, on the host."""
        build = build.changed(device="cpu")
        changed: list[str] = []
        options = self.compile_options()
        options.update(
            verify=True, own_passes=False, on_change=lambda name, text: changed.append(name)
        )
        function: Any = build.compile(options)
        pure = build.changed(
            outputs=build.outputs + list(build.updates.values()),
            output_mode="list",
            keys=[],
            updates={},
            targets=None,
            inputs=[_without_update(i) for i in build.inputs],
            profile=False,
        )
        # Loops with modes of their own would not be as they were built.
        reference = pure.compile(
            {"pipeline": "none", "fuse": False, "reuse_memory": False, "own_passes": False}
        )
        checked = {"pipeline": self.pipeline, "verify": True, "own_passes": False}
        variants = []
        names = pass_names()
        excluded = set(options["excluded"])
        # What passes do inside loops and branches is only known for all of them together.
        anything = "optimize_inner" in changed
        seen = {reference.fn.graph_text()}
        for position, name in enumerate(names):
            if name not in changed and not anything:
                continue
            later = sorted(excluded | set(names[position + 1 :]))
            variant = pure.compile({**checked, "fuse": False, "excluded": later})
            text = variant.fn.graph_text()
            if name not in changed and text in seen:
                continue
            seen.add(text)
            variants.append((name, variant))
        if self.fuse:
            variants.append(
                (
                    "fusion",
                    pure.compile({**checked, "fuse": True, "excluded": sorted(excluded)}),
                )
            )
        stateful = isinstance(function, StatefulFunction)
        function.__class__ = DebugStatefulFunction if stateful else DebugFunction
        function._reference = reference
        function._variants = variants
        function._check_finite = self.check_isfinite
        return function


def _without_update(item: Any) -> Any:
    if item.update is None:
        return item
    other = object.__new__(type(item))
    other.__dict__.update(item.__dict__)
    other.update = None
    return other


class _Checked:
    """The checks of a call, mixed into the classes of functions."""

    _reference: Any
    _variants: list[tuple[str, Any]]
    _check_finite: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        expected = self._reference(*args, **kwargs)
        for name, variant in self._variants:
            self._compare(name, expected, variant(*args, **kwargs))
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def _compare(self, name: str, expected: list[Any], actual: list[Any]) -> None:
        for position, (a, b) in enumerate(zip(expected, actual, strict=True)):
            if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
                continue  # objects: passes do not look at them
            if self._check_finite and a.dtype.kind in "fc":
                if bool(np.isfinite(a).all()) and not bool(np.isfinite(b).all()):
                    raise InvalidValueError(
                        f"The pass {name} makes output {position} infinite or NaN:\n{b}"
                    )
            # A stabilised graph is finite where the graph as built is not.
            if TensorType.values_eq_approx(a, b, allow_remove_inf=True, allow_remove_nan=True):
                continue
            if a.shape == b.shape and a.dtype == b.dtype:
                with np.errstate(all="ignore"):
                    difference = float(np.nanmax(np.abs(a.astype("float64") - b)))
                how = f"the greatest difference is {difference:g}"
            else:
                how = f"shape and dtype are {b.shape} {b.dtype} instead of {a.shape} {a.dtype}"
            raise BadOptimization(
                f"BadOptimization: the pass {name} changed the value of output {position}: {how}\n"
                f"  without passes: {_short(a)}\n  after {name}: {_short(b)}",
                pass_name=name,
                position=position,
                expected=a,
                actual=b,
            )


def _short(value: Any) -> str:
    return np.array2string(value, threshold=20, edgeitems=3).replace("\n", " ")


class DebugFunction(_Checked, Function):
    """A function that checks its passes on each call."""


class DebugStatefulFunction(_Checked, StatefulFunction):
    """The same for functions that keep state."""

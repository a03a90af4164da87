"""Compiled functions as Python objects."""

from __future__ import annotations

import copy
import json
import os
import warnings
from typing import Any

import numpy as np

from phintys import _call, _core, plugins
from phintys.compile.io import In
from phintys.compile.limits import limits
from phintys.compile.profiling import LoopProfile, stats_for
from phintys.config import config
from phintys.errors import (
    PhintysAssertionError,
    PhintysKeyError,
    PhintysRuntimeError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.gof.fg import FunctionGraph

__all__ = ["Build", "Function", "FunctionMaker", "load"]


class Build:
    """A request for a function, checked, in the user's variables."""

    def __init__(
        self,
        inputs: list[In],
        outputs: list[Any],
        output_mode: str,
        keys: list[str],
        updates: dict[Any, Any],
        givens: list[tuple[Any, Any]],
        name: str,
        mode: Any,
        profile: Any = False,
        trust_input: bool = False,
        device: str = "cpu",
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.output_mode = output_mode
        self.keys = keys
        self.updates = updates
        self.givens = givens
        self.name = name
        self.mode = mode
        self.profile = profile
        self.trust_input = trust_input
        self.device = device
        # For each output where `transfer` wants it; None if none is wanted anywhere.
        self.targets: list[str] | None = _core.transfer_targets(outputs)
        if self.targets is not None:
            self.targets = [plugins.device_of(t) if t else "" for t in self.targets]

    def changed(self, **changes: Any) -> Build:
        """A copy with some fields changed."""
        other = object.__new__(Build)
        other.__dict__.update(self.__dict__)
        other.__dict__.update(changes)
        return other

    def compile_core(self, options: dict[str, Any]) -> Any:
        """The ``_core.Function``; new values of ``In(update=)`` follow the outputs."""
        inputs, givens = [], list(self.givens)
        for item in self.inputs:
            variable = item.variable
            if variable.owner is not None:
                # An intermediate variable as input: a fresh one takes its place in the graph.
                fresh = variable.type(variable.name)
                givens.append((variable, fresh))
                variable = fresh
            inputs.append(variable)
        outputs = self.outputs + [i.update for i in self.inputs if i.update is not None]
        device = self.device
        if device != "cpu" and (_looks_inside(options) or _has_objects(inputs + outputs)):
            device = "cpu"
        return _core.compile(
            inputs=inputs,
            outputs=outputs,
            updates=list(self.updates.items()),
            givens=givens,
            name=self.name,
            profile=bool(self.profile),
            trace_events=config.profiling.trace_events if self.profile else 0,
            device=device,
            forbid_host=config.assert_no_cpu_op == "raise",
            **options,
        )

    def compile(self, options: dict[str, Any]) -> Any:
        """The function, compiled with the given options of ``_core.compile``."""
        core = self.compile_core(options)
        stateful = any(i.update is not None for i in self.inputs)
        cls = StatefulFunction if stateful else Function
        return cls._make(core, self)


def _looks_inside(options: dict[str, Any]) -> bool:
    """Whether code of the user's sees every value: such functions run on the host."""
    return options.get("monitor") is not None or options.get("watch") is not None


def _has_objects(variables: list[Any]) -> bool:
    return any(isinstance(v.type, _core.GenericType) for v in variables)


class InputSpec:
    """What the call path needs to know of an input, see ``_call.FunctionBase``."""

    __slots__ = ("allow_downcast", "borrow", "label", "name", "strict", "type", "value")

    def __init__(
        self,
        name: str | None,
        type: Any,
        strict: bool = False,
        allow_downcast: bool | None = None,
        value: Any = None,
    ) -> None:
        if isinstance(value, _core.Variable):
            raise PhintysTypeError(f"the default value of input {name} must not be a variable")
        self.name = name
        self.type = type
        self.strict = bool(strict)
        self.allow_downcast = allow_downcast
        self.borrow = True
        self.label = str(type)
        if isinstance(type, _core.GenericType):
            value = copy.deepcopy(value)
        elif value is not None:
            # A copy: nobody else may change the default.
            value = np.array(type.filter(value, self.strict, allow_downcast))
        self.value = value

    def filter(
        self,
        value: Any,
        strict: bool = False,
        allow_downcast: bool | None = None,
        borrow: bool = False,
    ) -> Any:
        """`value` as an ndarray of the input's type."""
        return self.type.filter(value, strict, allow_downcast)


def _specs(inputs: list[In]) -> list[InputSpec]:
    return [InputSpec(i.name, i.variable.type, i.strict, i.allow_downcast, i.value) for i in inputs]


class FunctionMaker:
    """``f.maker``: what the function was made from."""

    def __init__(self, function: Function) -> None:
        self._function = function

    @property
    def inputs(self) -> list[In]:
        """The inputs as ``In`` objects."""
        build = self._function._build
        return [] if build is None else build.inputs

    @property
    def outputs(self) -> list[Any]:
        """The output variables."""
        build = self._function._build
        return [] if build is None else build.outputs

    @property
    def mode(self) -> Any:
        """The mode that the function was compiled with."""
        build = self._function._build
        return None if build is None else build.mode

    @property
    def fgraph(self) -> FunctionGraph:
        """A copy of the graph after all passes."""
        inputs, outputs = self._function.fn.graph_copy()
        return FunctionGraph(inputs, outputs, clone=False)


class _Values:
    """``f.value``: values of inputs and shared variables by variable or name."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __getitem__(self, key: Any) -> Any:
        return self._function[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._function[key] = value

    def __contains__(self, key: Any) -> bool:
        return key in self._function


class Function(_call.FunctionBase):
    """A compiled function; call it with values of its inputs, by position or by name.

    Attributes: ``name``, ``maker.fgraph`` (the graph after all passes), ``profile``,
    ``loop_profiles`` (by name, those of loops with ``scan(..., profile=...)``),
    ``trust_input`` (skip conversion of arguments). The object can be pickled and copied.
    """

    _build: Build | None
    _loaded_meta: dict[str, Any]

    @classmethod
    def _make(cls, core: Any, build: Build) -> Any:
        function = cls(core, _specs(build.inputs), build.output_mode, build.keys, build.targets)
        function._setup(build, build.name)
        function.trust_input = build.trust_input
        return function

    def _setup(self, build: Build | None, name: str) -> None:
        self._build = build
        self.name = name
        self.profile: Any = None
        if build is not None and build.profile:
            self.profile = stats_for(build.profile)
            self.profile._attach(self.fn, name)
        self.loop_profiles = {p: LoopProfile(p, self.fn, name) for p in self.fn.loop_profiles}

    def call(
        self,
        *args: Any,
        timeout: float | None = None,
        deadline: float | None = None,
        cancel: Any = None,
        max_steps: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """A call that may be stopped: ``f(*args, **kwargs)`` within :class:`phintys.limits`.

        Inputs with the name of a limit are given by position.

        >>> import phintys
        >>> x = phintys.tensor.dscalar('x')
        >>> f = phintys.function([x], x * 2)
        >>> float(f.call(3.0, timeout=1.0))
        6.0
        """
        with limits(timeout=timeout, deadline=deadline, cancel=cancel, max_steps=max_steps):
            return self(*args, **kwargs)

    # --- introspection ---------------------------------------------------------------------

    @property
    def maker(self) -> FunctionMaker:
        """What the function was made from."""
        return FunctionMaker(self)

    @property
    def value(self) -> _Values:
        """Values of inputs and shared variables by variable or name."""
        return _Values(self)

    container = value

    @property
    def unpack_single(self) -> bool:
        """True iff a call returns an array instead of a list."""
        return bool(self._build is not None and self._build.output_mode == "single")

    @property
    def return_none(self) -> bool:
        """True iff the function was made without outputs."""
        return bool(self._build is not None and self._build.output_mode == "none")

    @property
    def defaults(self) -> list[tuple[bool, bool, Any]]:
        """For each input: whether a call must give it, whether its default is put back, that.

        An input that a call updates (``In(update=)``) keeps its new value instead.
        """
        inputs = self._build.inputs if self._build is not None else []
        return [
            (i.value is None, i.value is not None and i.update is None, i.value) for i in inputs
        ]

    @property
    def device(self) -> str:
        """Where the function runs: ``"cpu"``, ``"cuda:0"``."""
        return str(self.fn.device)

    @property
    def host_instructions(self) -> list[str]:
        """Of a function for a device, what its calls so far had to compute on the host."""
        return list(self.fn.host_instructions)

    def get_shared(self) -> list[Any]:
        """The shared variables that the function reads or updates."""
        return list(self.fn.shared)

    @property
    def planned_bytes(self) -> Any:
        """``planned_bytes(shapes)``: bytes of work memory of a call with these input shapes."""
        return self.fn.planned_bytes

    def _find(self, key: Any) -> Any:
        """The shared variable or ``In`` that a variable or name stands for."""
        shared = self.get_shared()
        inputs = self._build.inputs if self._build is not None else []
        if isinstance(key, str):
            found = [v for v in shared if v.name == key]
            found += [i for i in inputs if i.name == key]
            if len(found) > 1:
                raise PhintysTypeError(f"Ambiguous name: {key}", found)
        else:
            found = [v for v in shared if v is key] + [i for i in inputs if i.variable is key]
        if not found:
            raise PhintysKeyError(
                f"Unknown input or state: {key}. The function knows "
                f"{[v.name for v in shared] + [i.name for i in inputs]}"
            )
        return found[0]

    def __contains__(self, key: Any) -> bool:
        try:
            self._find(key)
        except (KeyError, TypeError):
            return False
        return True

    def __getitem__(self, key: Any) -> Any:
        """The value of a shared variable, or the default value of an input."""
        found = self._find(key)
        return found.value if isinstance(found, In) else found.get_value()

    def __setitem__(self, key: Any, value: Any) -> None:
        found = self._find(key)
        if isinstance(found, In):
            raise PhintysTypeError(f"The default value of {found} cannot be changed")
        found.set_value(value)

    def __str__(self) -> str:
        return f"<Function {self.name}>"

    __repr__ = __str__

    # --- copies ------------------------------------------------------------------------------

    def copy(
        self,
        share_memory: bool = False,
        swap: dict[Any, Any] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
        profile: Any = None,
    ) -> Any:
        """A function of its own on the same shared variables.

        Parameters
        ----------
        share_memory
            Theano's; work memory belongs to calls, so it has no effect.
        swap
            Pairs of shared variables: the copy uses the second instead of the first.
        delete_updates
            The copy updates nothing.
        name, profile
            Of the copy.
        """
        if self._build is None:
            if swap or delete_updates:
                raise PhintysRuntimeError(
                    "copy(swap=, delete_updates=) needs the graph as it was built, which a loaded "
                    "function does not have"
                )
            return _from_bytes(self._to_bytes(), self.device)
        build = self._build
        updates = {} if delete_updates else dict(build.updates)
        givens = list(build.givens)
        for old, new in (swap or {}).items():
            if isinstance(old, str):
                old = self._find(old)
            if old not in self.get_shared():
                raise PhintysTypeError(f"{old} is not a shared variable of the function")
            if not getattr(new, "is_shared", False):
                raise PhintysTypeError(f"swap: {new} is not a shared variable")
            if not old.type.same_pattern(new.type):
                raise PhintysAssertionError(
                    f"Type of given SharedVariable conflicts with original one: {new} is "
                    f"{new.type}, {old} is {old.type}"
                )
            givens.append((old, new))
            if old in updates:
                updates[new] = updates.pop(old)
        changes = build.changed(updates=updates, givens=givens, name=name or build.name + " copy")
        if profile is not None:
            changes.profile = profile
        return changes.mode.make_function(changes)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        make, args = self.__reduce__()
        result = make(*copy.deepcopy(args, memo))
        memo[id(self)] = result
        return result

    def _meta(self) -> dict[str, Any]:
        build = self._build
        if build is None:
            return dict(self._loaded_meta)
        return {
            "extra": {
                # A default name is the caller's "path:line"; a file holds no paths.
                "name": os.path.basename(self.name or ""),
                "keys": json.dumps(build.keys),
                "state": json.dumps(
                    [k for k, i in enumerate(build.inputs) if i.update is not None]
                ),
                **({} if build.targets is None else {"targets": json.dumps(build.targets)}),
            },
            "inputs": [(i.value, i.strict, i.allow_downcast) for i in self.specs],
            "output_mode": build.output_mode,
        }

    def _to_bytes(self) -> bytes:
        return bytes(_core.save_function(self.fn, None, **self._meta()))

    def __reduce__(self) -> Any:
        try:
            return _from_bytes, (self._to_bytes(), self.device)
        except PhintysTypeError:
            # No file holds ops written in Python. The graph as it was built can be compiled anew.
            if self._build is None:
                raise
            return _from_build, (self._build, self._state_values())

    def _state_values(self) -> Any:
        return None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the function to a file: program, constants, shared state, names.

        The file holds data only; ``phintys.load`` and the C++ library read it.
        """
        _core.save_function(self.fn, os.fspath(path), **self._meta())

    def free(self) -> None:
        """Frees the memory kept between calls; the next call takes it again."""
        self.fn.release()

    @property
    def compile_seconds(self) -> float:
        """Seconds that compiling took."""
        return float(self.fn.compile_seconds)

    def sync_shared(self) -> None:
        """Waits until the function's device has done all that was queued."""
        if self.device != "cpu":
            _core.synchronize_device(self.device)


class StatefulFunction(Function):
    """A function with inputs that keep their new value, ``In(update=)``, for the next call."""

    @classmethod
    def _make(cls, core: Any, build: Build) -> Any:
        state = [k for k, i in enumerate(build.inputs) if i.update is not None]
        targets = None if build.targets is None else build.targets + [""] * len(state)
        function = cls(core, _specs(build.inputs), "list", [], targets)
        function._setup(build, build.name)
        function.trust_input = build.trust_input
        function._start(state, build.output_mode, build.keys)
        return function

    def _start(self, state: list[int], output_mode: str, keys: list[str]) -> None:
        self._state = state
        self._names = [spec.name for spec in self.specs]
        self._values = [spec.value for spec in self.specs]
        self._form = (output_mode, keys)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) > len(self._names):
            raise PhintysTypeError("Too many parameter passed to phintys function")
        values = list(args)
        for k in range(len(args), len(self._names)):
            name = self._names[k]
            if name is not None and name in kwargs:
                values.append(kwargs.pop(name))
            elif self._values[k] is not None:
                values.append(self._values[k])
            else:
                raise PhintysTypeError(f"Missing required input: {name or k}")
        results = list(super().__call__(*values, **kwargs))
        fresh = results[len(results) - len(self._state) :]
        results = results[: len(results) - len(self._state)]
        for k, value in zip(self._state, fresh, strict=True):
            self._values[k] = value
        mode, keys = self._form
        if mode == "single":
            return results[0]
        return dict(zip(keys, results, strict=True)) if mode == "dict" else results

    def _state_values(self) -> Any:
        return self._values

    def __getitem__(self, key: Any) -> Any:
        k = self._position(key)
        return super().__getitem__(key) if k is None else np.array(self._values[k])

    def __setitem__(self, key: Any, value: Any) -> None:
        k = self._position(key)
        if k is None:
            super().__setitem__(key, value)
        else:
            self._values[k] = np.array(self.specs[k].type.filter(value))

    def _position(self, key: Any) -> int | None:
        inputs = self._build.inputs if self._build is not None else []
        for k in self._state:
            if self._names[k] == key or (k < len(inputs) and inputs[k].variable is key):
                return k
        return None

    def _meta(self) -> dict[str, Any]:
        meta = super()._meta()
        meta["inputs"] = [
            (self._values[k], strict, downcast)
            for k, (_, strict, downcast) in enumerate(meta["inputs"])
        ]
        return meta


def _from_bytes(data: bytes, device: str = "cpu") -> Any:
    try:
        return load(data, device=device)
    except (PhintysValueError, ValueError, RuntimeError) as error:
        if device == "cpu" or _is_here(device):
            raise
        if config.experimental.unpickle_gpu_on_cpu:
            return load(data, device="cpu")
        raise PhintysRuntimeError(
            f"the pickled function ran on {device}: {error}. With "
            "config.experimental.unpickle_gpu_on_cpu = True it runs on the CPU"
        ) from error


def _is_here(device: str) -> bool:
    try:
        plugins.device_of(device)
    except (ValueError, RuntimeError):
        return False
    return True


def _targets(extra: dict[str, str]) -> list[str] | None:
    """Where outputs of a saved function are wanted, as far as these devices are here."""
    if "targets" not in extra:
        return None
    targets = [str(t) for t in json.loads(extra["targets"])]
    missing = sorted({t for t in targets if not _is_here(t)})
    if missing:
        warnings.warn(
            f"outputs of the function were to be on {', '.join(missing)}, which is not here: they "
            "will be on the host",
            stacklevel=3,
        )
    return ["" if t in missing else t for t in targets]


def _from_build(build: Build, values: Any) -> Any:
    function = build.mode.make_function(build)
    if values is not None:
        function._values = values
    return function


def load(source: Any, limit: int = 0, device: str | None = None) -> Any:
    """The function that :meth:`Function.save` wrote to a file, or its bytes.

    Parameters
    ----------
    source
        A path, or the bytes of a file.
    limit
        Bytes of memory that reading may take; 0: no limit beyond what the file's size implies.
    device
        Where the function is to run: ``'cpu'``, ``'cuda'``, ``'cuda:1'``; by default
        ``config.device``. It does not matter where it ran when it was saved.

    Raises
    ------
    BadFileError
        The data are damaged or no saved function. Nothing in them is ever executed as code.
    OSError
        The file cannot be read.
    """
    from phintys.tensor.type import TensorType

    where = plugins.device_of(config.device if device is None else device)
    core, meta = _core.load_function(source, limit, device=where)
    extra = meta["extra"]
    targets = _targets(extra)
    keys = [str(k) for k in json.loads(extra.get("keys", "[]"))]
    state = [int(k) for k in json.loads(extra.get("state", "[]"))]
    described = meta["inputs"] or [(None, False, None)] * len(core.inputs)
    specs = [
        InputSpec(name, TensorType(dtype, shape=shape), strict, downcast, default)
        for (name, dtype, _, _), shape, (default, strict, downcast) in zip(
            core.inputs, core.input_shapes, described, strict=True
        )
    ]
    name = extra.get("name") or core.name
    mode = meta["output_mode"]
    if state:
        if targets is not None:
            targets += [""] * len(state)
        function: Any = StatefulFunction(core, specs, "list", [], targets)
        function._setup(None, name)
        function._start(state, mode, keys)
    else:
        function = Function(core, specs, mode, keys, targets)
        function._setup(None, name)
    function._loaded_meta = {
        "extra": dict(extra),
        "inputs": list(described),
        "output_mode": mode,
    }
    return function

"""Modes: which passes a function is compiled with, and how it runs."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.config import config
from phintys.errors import PhintysError, PhintysValueError

__all__ = [
    "FAST_COMPILE",
    "FAST_RUN",
    "FastCompileMode",
    "Mode",
    "get_default_mode",
    "get_mode",
    "predefined_linkers",
    "predefined_modes",
    "predefined_optimizers",
    "register_linker",
    "register_mode",
]

# Names of Theano's optimizers, and the pipeline that each means.
_PIPELINES = {
    "None": "none",
    "merge": "none",
    "o1": "fast_compile",
    "fast_compile": "fast_compile",
    "o2": "fast_run",
    "o3": "fast_run",
    "o4": "fast_run",
    "unsafe": "fast_run",
    "fast_run": "fast_run",
    "fast_run_stable": "fast_run",
    "stabilize": "fast_run",
}
predefined_optimizers = dict(_PIPELINES)
_LINKERS = ("py", "c", "c|py", "c|py_nogc", "vm", "cvm", "vm_nogc", "cvm_nogc", "jax", "numba")
predefined_linkers = {name: name for name in _LINKERS}
# Tags of Theano that mean "fuse elementwise operations".
_FUSION_TAGS = {"fuse", "fusion", "local_elemwise_fusion", "elemwise_fusion", "add_mul_fusion"}


# Passes that lowering needs: they cannot be switched off. Fusion can, see Mode.fuse.
_REQUIRED_PASSES = frozenset({"lazy_branches", "lower_casts", "fuse", "fuse_nothing"})


class Mode:
    """How functions are compiled: ``Mode(linker=None, optimizer='default')``.

    `optimizer` names a pipeline of passes: ``'fast_run'``, ``'fast_compile'``, ``None`` (only what
    running needs), or one of Theano's names. `linker` is Theano's and has no effect: there is one
    executor. ``including`` and ``excluding`` give modes with passes switched on and off by name;
    ``phintys.compile.mode.pass_names()`` lists them. Other tags are ignored, as in Theano.
    """

    name = "Mode"

    def __init__(self, linker: Any = None, optimizer: Any = "default", db: Any = None) -> None:
        linker = config.linker if linker is None else linker
        if isinstance(linker, str) and linker not in predefined_linkers:
            raise PhintysError(
                f"No predefined linker exists for string: {linker}. Known are {list(_LINKERS)}"
            )
        if optimizer == "default":
            optimizer = config.optimizer
        text = "None" if optimizer is None else str(optimizer)
        if text not in _PIPELINES:
            raise PhintysError(
                f"No predefined optimizer exists for string: {text}. Known are {sorted(_PIPELINES)}"
            )
        self._linker = linker
        self.provided_linker = linker
        self.provided_optimizer = optimizer
        self.pipeline = _PIPELINES[text]
        self.excluded: frozenset[str] = frozenset()
        self._tags(excluding=config.optimizer_excluding.split(":"))
        self._tags(including=config.optimizer_including.split(":"))

    # --- tags ------------------------------------------------------------------------------

    def _tags(self, including: Any = (), excluding: Any = ()) -> Mode:
        self.excluded = (self.excluded | {t for t in excluding if t}) - set(including)
        return self

    def _copy(self) -> Mode:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def including(self, *tags: str) -> Mode:
        """This mode with the named passes switched on."""
        return self._copy()._tags(including=tags)

    def excluding(self, *tags: str) -> Mode:
        """This mode with the named passes switched off."""
        return self._copy()._tags(excluding=tags)

    def requiring(self, *tags: str) -> Mode:
        """This mode with the named passes switched on."""
        return self.including(*tags)

    def register(self, *optimizations: Any) -> Mode:
        """Theano's way to add rewrites: not available, as passes belong to the library."""
        raise PhintysValueError("Mode.register: rewrites cannot be added to a mode")

    def clone(self, link_kwargs: Any = None, optimizer: Any = "", **kwargs: Any) -> Mode:
        """This mode, perhaps with another optimizer."""
        if optimizer in ("", None):
            return self._copy()
        other = Mode(self.provided_linker, optimizer)
        other.excluded = self.excluded
        return other

    @property
    def linker(self) -> Any:
        """The linker that was asked for; without effect."""
        return self._linker

    @property
    def optimizer(self) -> str:
        """Name of the pipeline."""
        return self.pipeline

    @property
    def fuse(self) -> bool:
        """Whether elementwise operations are fused."""
        return bool(config.tensor.local_elemwise_fusion) and not (self.excluded & _FUSION_TAGS)

    def excluded_passes(self) -> list[str]:
        """The passes that are switched off, in the order of the pipeline."""
        return [name for name in pass_names() if name in self.excluded]

    # --- hooks for modes that run functions differently ------------------------------------

    def compile_options(self) -> dict[str, Any]:
        """Keyword arguments of ``_core.compile``."""
        options: dict[str, Any] = {
            "pipeline": self.pipeline,
            "fuse": self.fuse,
            "excluded": self.excluded_passes(),
        }
        if config.optimizer_verbose:
            options["on_change"] = _print_pass
        return options

    def make_function(self, build: Any) -> Any:
        """The function for a build; see ``function_module.Build``."""
        return build.compile(self.compile_options())

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}(linker={self.provided_linker}, "
            f"optimizer={self.provided_optimizer})"
        )

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.pipeline, self.excluded))


def _print_pass(name: str, text: str) -> None:
    print(f"pass {name} changed the graph:\n{text}")


def pass_names() -> list[str]:
    """Names of the passes that can be switched off, in the order in which they first run."""
    return [name for name in _core.passes() if name not in _REQUIRED_PASSES]


FAST_RUN = Mode("cvm", "fast_run")
FAST_COMPILE = Mode("vm", "fast_compile")
FastCompileMode = FAST_COMPILE

predefined_modes: dict[str, Any] = {
    "FAST_RUN": FAST_RUN,
    "FAST_COMPILE": FAST_COMPILE,
    "FastCompileMode": FAST_COMPILE,
}


def register_linker(name: str, linker: Any) -> None:
    """Adds a linker that ``Mode(linker=name)`` accepts; as all linkers it has no effect.

    ValueError if the name is taken.
    """
    if name in predefined_linkers:
        raise PhintysValueError(f"Linker name already taken: {name}")
    predefined_linkers[name] = linker


def register_mode(name: str, mode: Any) -> None:
    """Adds a mode that can be asked for by name."""
    if name in predefined_modes:
        raise PhintysValueError(f"Mode name already taken: {name}")
    predefined_modes[name] = mode


def get_mode(orig_string: Any) -> Any:
    """The mode of that name, the default one for None; a mode is returned as it is."""
    name = config.mode if orig_string is None else orig_string
    if not isinstance(name, str):
        return name
    if name == "Mode":
        return Mode(config.linker, config.optimizer)
    if name in ("DebugMode", "DEBUG_MODE"):
        from phintys.compile.debugmode import DebugMode

        return DebugMode()
    if name == "NanGuardMode":
        from phintys.compile.nanguardmode import NanGuardMode

        return NanGuardMode()
    if name not in predefined_modes:
        raise PhintysError(f"No predefined mode exist for string: {name}")
    return predefined_modes[name]


def get_default_mode() -> Any:
    """The mode that ``config.mode`` names."""
    return get_mode(None)

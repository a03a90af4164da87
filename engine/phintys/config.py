"""Settings: ``phintys.config.NAME``.

A setting is looked up in this order: a value assigned at run time; the environment variable
``PHINTYS_FLAGS="num_threads=2,floatX=float32"``; a settings file (``~/.phintysrc``, or the files
named by the environment variable ``PHINTYSRC``), an ini file whose section ``[global]`` holds plain
names and whose other sections hold dotted ones; the default. Names are Theano's where they have a
meaning, plus ``num_threads``, ``memory_limit`` and ``isa``. A dotted name can also be written with
two underscores: ``config.warn__round``.

Settings of Theano that have no meaning here (compilers, old GPU back-ends) exist, can be set, and
do nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from phintys import _call, _core, plugins
from phintys import config_flags as _flags


class Flag:
    """One setting: its name, documentation, default and validation."""

    def __init__(
        self,
        name: str,
        kind: str,
        default: Any,
        doc: str = "",
        options: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.doc = doc
        self.options = options

    def parse(self, value: Any) -> Any:
        """The value of this flag that `value` (possibly text) means; ValueError if none."""
        if self.kind == "enum":
            if value is None and "None" in self.options:
                return "None"
            if isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and value in self.options:
                return value
            shown = self.options
            raise ValueError(
                f'Invalid value ("{value}") for configuration variable "{self.name}". '
                f"Valid options are {shown}"
            )
        if self.kind == "bool":
            text = str(value).strip()
            if text in ("True", "1", "true", "yes"):
                return True
            if text in ("False", "0", "false", "no"):
                return False
            raise ValueError(
                f'Invalid value ("{value}") for configuration variable "{self.name}". '
                "Valid options are (True, False)"
            )
        if self.kind in ("int", "float"):
            convert: Callable[[Any], Any] = int if self.kind == "int" else float
            try:
                return convert(value)
            except (TypeError, ValueError):
                raise ValueError(
                    f'Invalid value ("{value}") for configuration variable "{self.name}". '
                    f"A number of type {self.kind} is needed"
                ) from None
        if self.kind == "any":
            return value
        return str(value)


class Section:
    """The settings whose names begin with a common dotted prefix: ``config.warn``."""

    def __init__(self, config: Config, prefix: str) -> None:
        object.__setattr__(self, "_config", config)
        object.__setattr__(self, "_prefix", prefix)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._config._get(f"{self._prefix}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        self._config._set(f"{self._prefix}.{name}", value)


class change_flags:
    """Changes settings for the length of a ``with`` block or of calls of the decorated function.

    >>> from phintys import config, change_flags
    >>> with change_flags(floatX="float32"):
    ...     config.floatX
    'float32'
    >>> config.floatX
    'float64'
    """

    def __init__(self, args: Any = (), **kwargs: Any) -> None:
        changes = dict(args)
        changes.update(kwargs)
        self._changes = {config._canonical(name): value for name, value in changes.items()}
        self._saved: list[dict[str, Any]] = []

    def __enter__(self) -> None:
        saved = {name: config._get(name) for name in self._changes}
        self._saved.append(saved)
        try:
            for name, value in self._changes.items():
                config._set(name, value)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc_info: object) -> None:
        for name, value in self._saved.pop().items():
            config._set(name, value)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with change_flags(self._changes):
                return function(*args, **kwargs)

        return wrapper


class Config:
    """All settings as attributes. Unknown names raise AttributeError, bad values ValueError."""

    def __init__(self) -> None:
        d = self.__dict__
        d["_flags"] = {}
        d["_values"] = {}
        d["_prefixes"] = set()
        d["_hooks"] = {}

    change_flags = change_flags

    def _add(self, flag: Flag) -> None:
        if flag.name in self._flags:
            raise AttributeError(f"This name is already taken: {flag.name}")
        self._flags[flag.name] = flag
        self._values[flag.name] = flag.default
        parts = flag.name.split(".")
        for i in range(1, len(parts)):
            self._prefixes.add(".".join(parts[:i]))

    def _canonical(self, name: str) -> str:
        name = name.replace("__", ".")
        if name not in self._flags:
            raise AttributeError(f"phintys.config has no setting named {name!r}")
        return name

    def _get(self, name: str) -> Any:
        values = self._values
        if name in values:
            return values[name]
        if name in self._prefixes:
            return Section(self, name)
        return values[self._canonical(name)]

    def _set(self, name: str, value: Any) -> None:
        name = self._canonical(name)
        value = self._flags[name].parse(value)
        hook = self._hooks.get(name)
        if hook is not None:
            hook(value)
        self._values[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._set(name, value)

    def __dir__(self) -> list[str]:
        return [*sorted({name.split(".")[0] for name in self._flags}), "change_flags"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._flags)

    def __str__(self) -> str:
        lines = []
        for name, flag in self._flags.items():
            lines.append(
                f"{name} ({flag.kind})\n    Doc:  {flag.doc}\n    Value:  {self._get(name)}"
            )
        return "\n\n".join(lines)


config = Config()


def _split_flags(text: str) -> list[tuple[str, str]]:
    """Pairs of "a=1,b.c=x"; a value in double quotes may hold commas."""
    parts: list[str] = []
    piece, quoted = "", False
    for char in text:
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            parts.append(piece)
            piece = ""
        else:
            piece += char
    parts.append(piece)
    pairs = []
    for part in parts:
        part = part.strip()
        if not part:
            continue
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"PHINTYS_FLAGS: {part!r} is not of the form name=value, in {text!r}")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _file_settings() -> list[tuple[str, str]]:
    text = os.environ.get("PHINTYSRC")
    paths = text.split(os.pathsep) if text else [os.path.join("~", ".phintysrc")]
    paths = [os.path.expanduser(p) for p in paths if p]
    paths = [p for p in paths if os.path.isfile(p)]
    if not paths:
        return []
    import configparser

    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(paths, encoding="utf-8")
    pairs = []
    for section in parser.sections():
        prefix = "" if section == "global" else section + "."
        pairs += [(prefix + name, value) for name, value in parser.items(section)]
    return pairs


def _on_floatX(value: str) -> None:
    _core.set_config(floatX=value)


def _on_cast_policy(value: str) -> None:
    _core.set_narrow_policy(value == "numpy+floatX")
    _core.forget_numbers()


def _on_num_threads(value: int) -> None:
    if value < 0:
        raise ValueError(
            f'Invalid value ("{value}") for configuration variable "num_threads". '
            "It is a number of threads, or 0 for all cores"
        )
    _core.set_config(num_threads=value)


def _on_isa(value: str) -> None:
    _core.set_config(isa=value)


def _on_memory_limit(value: int) -> None:
    if value < 0:
        raise ValueError(
            f'Invalid value ("{value}") for configuration variable "memory_limit". '
            "It is a number of bytes, or 0 for no limit"
        )
    _core.set_config(memory_limit=value)


def _on_call_timeout(value: float) -> None:
    if not value >= 0:
        raise ValueError(
            f'Invalid value ("{value}") for configuration variable "call_timeout". '
            "It is a number of seconds, or 0 for no limit"
        )
    _call.set_default_limits(value, config.max_loop_steps)


def _on_max_loop_steps(value: int) -> None:
    if not 0 <= value < 2**63:
        raise ValueError(
            f'Invalid value ("{value}") for configuration variable "max_loop_steps". '
            "It is a number of steps, or 0 for no limit"
        )
    _call.set_default_limits(config.call_timeout, value)


def _on_compute_test_value(value: str) -> None:
    _core.set_built_hook(None if value == "off" else _built)


def _built(variable: Any) -> None:
    from phintys.tensor.test_values import compute_when_built

    compute_when_built(variable)


def _on_device(value: str) -> None:
    try:
        plugins.device_of(value)
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f'Invalid value ("{value}") for configuration variable "device". {error}'
        ) from None


def _setup() -> None:
    for entry in _flags.FLAGS:
        config._add(Flag(*entry))
    config._hooks.update(
        device=_on_device,
        floatX=_on_floatX,
        cast_policy=_on_cast_policy,
        num_threads=_on_num_threads,
        isa=_on_isa,
        memory_limit=_on_memory_limit,
        call_timeout=_on_call_timeout,
        max_loop_steps=_on_max_loop_steps,
        compute_test_value=_on_compute_test_value,
        **{
            "cuda.f32_products": lambda value: _core.set_device_settings(f32_products=value),
            "cuda.own_products": lambda value: _core.set_device_settings(own_products=value),
        },
        exception_verbosity=lambda value: _core.set_verbose_errors(value == "high"),
    )
    for source, pairs in (
        ("the settings file", _file_settings()),
        ("PHINTYS_FLAGS", _split_flags(os.environ.get("PHINTYS_FLAGS", ""))),
    ):
        for name, value in pairs:
            try:
                config._set(name, value)
            except AttributeError:
                raise ValueError(f"{source}: there is no setting named {name!r}") from None


_setup()

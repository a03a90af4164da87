"""Plug-ins for devices: where they are, which are open.

A plug-in is a shared library ``libphintys_KIND.so`` in the package, or a file that
:func:`add_plugin` was given. It is opened when a device of its kind is first asked for.
"""

from __future__ import annotations

import glob
import importlib.util
import os
from typing import Any

from phintys import _core

__all__ = ["add_plugin", "device_of", "is_host", "kinds", "plugin_path", "statuses"]

_PREFIX, _SUFFIX = "libphintys_", ".so"
_NOT_PLUGINS = ("openblas",)
_FOLDERS = ("", "lib", "lib64")


def is_host(name: Any) -> bool:
    """Whether `name` names the host: None, ``""``, ``"cpu"``, or Theano's ``"cpu0"``."""
    return not name or str(name).startswith("cpu")


def _found() -> dict[str, str]:
    """Paths of the plug-ins in the package, by kind."""
    package = os.path.dirname(os.path.abspath(__file__))
    found: dict[str, str] = {}
    for folder in [os.path.join(package, sub) for sub in _FOLDERS]:
        if not os.path.isdir(folder):
            continue
        for name in sorted(os.listdir(folder)):
            if not (name.startswith(_PREFIX) and name.endswith(_SUFFIX)):
                continue
            kind = name[len(_PREFIX) : -len(_SUFFIX)]
            if kind not in _NOT_PLUGINS:
                found.setdefault(kind, os.path.join(folder, name))
    return found


def plugin_path(kind: str) -> str | None:
    """The plug-in of a kind of devices, or None if there is none."""
    for status in _core.plugins():
        if status["kind"] == kind:
            return str(status["path"])
    return _found().get(kind)


def library_folders() -> list[str]:
    """Where pip's packages of cuBLAS, cuSOLVER and the like keep their libraries."""
    spec = importlib.util.find_spec("nvidia")
    roots = spec.submodule_search_locations if spec is not None else None
    found = [os.path.join(root, "*", "lib") for root in roots or ()]
    return sorted(folder for pattern in found for folder in glob.glob(pattern))


def add_plugin(path: str | os.PathLike[str]) -> str:
    """Opens a plug-in and returns the kind of its devices.

    OSError, with the reason, if the file is no plug-in or was built for another version.
    """
    _core.set_library_folders(os.pathsep.join(library_folders()))
    return str(_core.add_plugin(os.fspath(path)))


def _open(kind: str) -> None:
    if any(status["kind"] == kind for status in _core.plugins()):
        return
    path = _found().get(kind)
    if path is not None:
        add_plugin(path)


def kinds() -> list[str]:
    """The kinds of devices that there are plug-ins for."""
    return sorted({s["kind"] for s in _core.plugins()} | set(_found()))


def statuses() -> list[dict[str, Any]]:
    """Of every plug-in: ``kind``, ``path``, ``devices`` (their number), ``text`` (or why none)."""
    broken = []
    for kind, path in _found().items():
        try:
            _open(kind)
        except OSError as error:
            broken.append({"kind": kind, "path": path, "devices": 0, "text": str(error)})
    return [*_core.plugins(), *broken]


def device_of(name: Any) -> str:
    """The full name (``"cuda:0"``) of the device that a name means, opened; ``"cpu"`` for the host.

    ValueError if no plug-in has devices of that kind, RuntimeError, with the reason, if there is no
    such device.
    """
    if is_host(name):
        return "cpu"
    text = str(name)
    kind, colon, index = text.partition(":")
    if not kind.isidentifier() or (colon and not index.isdigit()):
        raise ValueError(
            f"{text!r} names no device: a name is 'cpu', or a kind and perhaps a number, such as "
            "'cuda' or 'cuda:1'"
        )
    try:
        _open(kind)
    except OSError as error:
        raise RuntimeError(f"the plug-in for {kind!r} cannot be opened: {error}") from error
    if kind not in {status["kind"] for status in _core.plugins()}:
        known = ", ".join(["cpu", *kinds()])
        built = "; the package was built without the CUDA plug-in" if kind == "cuda" else ""
        raise ValueError(f"there is no plug-in for devices of the kind {kind!r}{built} ({known})")
    return str(_core.find_device(text))

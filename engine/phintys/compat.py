"""Running programs that say ``import theano``."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["install_theano_alias", "uninstall_theano_alias"]


class _AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``theano.x.y`` as the module ``phintys.x.y`` itself, so that there is one copy."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._attributes: dict[str, tuple[Any, Any, Any]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for names at and below the alias."""
        if fullname != self.alias and not fullname.startswith(self.alias + "."):
            return None
        real = "phintys" + fullname[len(self.alias) :]
        try:
            importlib.import_module(real)
        except ModuleNotFoundError as error:
            if error.name is not None and (real == error.name or real.startswith(error.name + ".")):
                return None
            raise
        self.register_hidden()
        return importlib.machinery.ModuleSpec(fullname, self)

    def register_hidden(self) -> None:
        """Registers modules that functions of their name hide, such as ``theano.scan``.

        An import of one that is not registered would put it in the place of the function.
        """
        for name, module in list(sys.modules.items()):
            parent, _, child = name.rpartition(".")
            if not parent.startswith("phintys") or parent not in sys.modules:
                continue
            if getattr(sys.modules[parent], child, module) is not module:
                sys.modules.setdefault(self.alias + name[len("phintys") :], module)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module of the real name."""
        module = sys.modules["phintys" + spec.name[len(self.alias) :]]
        self._attributes[spec.name] = (module.__spec__, module.__loader__, module.__package__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module back what the import system has changed."""
        name = module.__spec__.name if module.__spec__ is not None else ""
        if name in self._attributes:
            module.__spec__, module.__loader__, module.__package__ = self._attributes.pop(name)


def install_theano_alias(alias: str = "theano") -> None:
    """Makes ``import theano`` (and its sub-modules) import Phintys.

    Has no effect if it was called before; RuntimeError if another ``theano`` is imported already.
    """
    import phintys

    if any(isinstance(f, _AliasFinder) and f.alias == alias for f in sys.meta_path):
        return
    if alias in sys.modules and sys.modules[alias] is not phintys:
        raise phintys.errors.PhintysRuntimeError(
            f"install_theano_alias: another package named {alias} is imported already"
        )
    finder = _AliasFinder(alias)
    finder.register_hidden()
    sys.meta_path.insert(0, finder)


def uninstall_theano_alias(alias: str = "theano") -> None:
    """Undoes :func:`install_theano_alias`."""
    sys.meta_path[:] = [
        f for f in sys.meta_path if not (isinstance(f, _AliasFinder) and f.alias == alias)
    ]
    for name in [n for n in sys.modules if n == alias or n.startswith(alias + ".")]:
        del sys.modules[name]

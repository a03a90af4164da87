"""Pickles with their arrays beside them: one zip file that NumPy can open too.

``dump`` writes an object into a zip file in which every ndarray is a ``.npy`` entry, named after
the shared variable that holds it; ``numpy.load`` reads them without this package.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor.var import Scratchpad

__all__ = [
    "CompatUnpickler",
    "PersistentNdarrayID",
    "PersistentNdarrayLoad",
    "PersistentSharedVariableID",
    "StripPickler",
    "dump",
    "load",
]

DEFAULT_PROTOCOL = pickle.DEFAULT_PROTOCOL
_PREFIX = "ndarray."


class StripPickler(pickle.Pickler):
    """A pickler that leaves out what variables carry for debugging.

    ``StripPickler(file, protocol=0, extra_tag_to_remove=None)``: of the tags of variables,
    ``trace`` and ``test_value`` are dropped, and those that `extra_tag_to_remove` names.
    """

    def __init__(
        self, file: Any, protocol: int = 0, extra_tag_to_remove: Sequence[str] | None = None
    ) -> None:
        super().__init__(file, protocol)
        self.tag_to_remove = ["trace", "test_value", *(extra_tag_to_remove or ())]

    def reducer_override(self, obj: Any) -> Any:
        """How an object is pickled."""
        if not isinstance(obj, Scratchpad):
            return NotImplemented
        left_out = {*self.tag_to_remove, "_variable"}
        kept = {k: v for k, v in obj.__dict__.items() if k not in left_out}
        return Scratchpad, (), kept


class CompatUnpickler(pickle.Unpickler):
    """An unpickler that reads what Python 2 wrote: ``CompatUnpickler(file)``."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin1")


class PersistentNdarrayID:
    """Writes each ndarray of a pickle into a zip file; to be a pickler's ``persistent_id``."""

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self.zip_file = zip_file
        self.count = 0
        # The arrays are kept: an id must not be reused by another one.
        self.seen: dict[int, tuple[str, Any]] = {}

    def _resolve_name(self, obj: Any) -> str:
        name = f"array_{self.count}"
        self.count += 1
        return name

    def __call__(self, obj: Any) -> str | None:
        """The identifier of an ndarray, written on its first appearance; None for the rest."""
        if type(obj) is not np.ndarray or obj.dtype.hasobject:
            return None
        if id(obj) not in self.seen:
            name = self._resolve_name(obj)
            with self.zip_file.open(name + ".npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, obj, allow_pickle=False)
            self.seen[id(obj)] = (_PREFIX + name + ".npy", obj)
        return self.seen[id(obj)][0]


class PersistentSharedVariableID(PersistentNdarrayID):
    """As its base class; the values of shared variables are named after them.

    With `allow_unnamed` False, ValueError for a shared variable without a name; with
    `allow_duplicates` False for two of one name, which else get numbers.
    """

    def __init__(
        self, zip_file: zipfile.ZipFile, allow_unnamed: bool = True, allow_duplicates: bool = True
    ) -> None:
        super().__init__(zip_file)
        self.allow_unnamed, self.allow_duplicates = allow_unnamed, allow_duplicates
        self.name_counter: Counter[str] = Counter()
        self._seen_variables: dict[int, Any] = {}
        self._next_name: str | None = None

    def _resolve_name(self, obj: Any) -> str:
        name, self._next_name = self._next_name, None
        return super()._resolve_name(obj) if name is None else name

    def _name_of(self, variable: Any) -> str | None:
        name = variable.name
        if not name:
            if not self.allow_unnamed:
                raise PhintysValueError(f"the shared variable {variable!r} has no name")
            return None
        if name == "pkl":
            raise PhintysValueError("can't pickle shared variable with name `pkl`")
        self.name_counter[name] += 1
        count = self.name_counter[name]
        if count > 1 and not self.allow_duplicates:
            raise PhintysValueError(f"multiple shared variables with the name `{name}` found")
        return str(name) if count == 1 else f"{name}_{count}"

    def __call__(self, obj: Any) -> str | None:
        """The identifier of an ndarray, written on its first appearance; None for the rest."""
        if isinstance(obj, _core.Variable) and obj.is_shared:
            if id(obj) not in self._seen_variables:
                self._seen_variables[id(obj)] = obj
                # The variable's value is the next array that comes.
                self._next_name = self._name_of(obj)
            return None
        return super().__call__(obj)


class PersistentNdarrayLoad:
    """Reads the arrays that :class:`PersistentNdarrayID` wrote; an unpickler's counterpart."""

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self.zip_file = zip_file
        self.cache: dict[str, Any] = {}

    def __call__(self, persid: str) -> Any:
        """The array of that identifier."""
        if not persid.startswith(_PREFIX):
            raise pickle.UnpicklingError(f"unknown object {persid!r} in a pickle")
        name = persid[len(_PREFIX) :]
        if name not in self.cache:
            with self.zip_file.open(name) as entry:
                self.cache[name] = np.lib.format.read_array(entry, allow_pickle=False)
        return self.cache[name]


def dump(
    obj: Any,
    file_handler: Any,
    protocol: int = DEFAULT_PROTOCOL,
    persistent_id: Callable[[zipfile.ZipFile], Any] = PersistentSharedVariableID,
) -> None:
    """Pickles `obj` into a zip file: the entry ``pkl``, and one for each ndarray.

    Parameters
    ----------
    obj
        Anything that can be pickled: variables, functions, models.
    file_handler
        A file opened for writing in binary mode, or a path.
    protocol
        Of the pickle.
    persistent_id
        Called with the zip file, gives the pickler's ``persistent_id``.
    """
    with zipfile.ZipFile(file_handler, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as zip_file:
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, protocol)
        pickler.persistent_id = persistent_id(zip_file)  # type: ignore[method-assign]
        pickler.dump(obj)
        zip_file.writestr("pkl", buffer.getvalue())


def load(f: Any, persistent_load: Callable[[zipfile.ZipFile], Any] = PersistentNdarrayLoad) -> Any:
    """What :func:`dump` wrote into the file `f`, open for reading in binary mode, or a path.

    As with every pickle: only from sources that you trust.
    """
    with zipfile.ZipFile(f) as zip_file:
        unpickler = pickle.Unpickler(io.BytesIO(zip_file.read("pkl")))
        unpickler.persistent_load = persistent_load(zip_file)  # type: ignore[method-assign]
        return unpickler.load()

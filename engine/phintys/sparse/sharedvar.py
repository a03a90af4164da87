"""Shared sparse matrices."""

from __future__ import annotations

from typing import Any

import scipy.sparse

from phintys import _core
from phintys.errors import PhintysTypeError
from phintys.sparse.type import FORMATS, PART_NAMES, Parts, SparseType
from phintys.sparse.variable import SparseVariable
from phintys.tensor.sharedvar import shared_constructor

__all__ = ["SparseSharedVariable", "shared", "sparse_constructor"]


class SparseSharedVariable(SparseVariable):
    """A sparse matrix that functions read, and write through ``updates``.

    Made by :func:`phintys.shared` of a SciPy matrix. ``default_update``, if set, is the expression
    of the value after each call of a function that uses the variable.
    """

    is_shared = True

    def __init__(
        self,
        name: str | None,
        type: SparseType,
        value: Any,
        strict: bool = False,
        allow_downcast: bool | None = None,
    ) -> None:
        arrays = type.split(value, strict, allow_downcast)
        names = [None if name is None else f"{name}.{part}" for part in PART_NAMES]
        parts = [
            _core.shared(t.filter(a), t, n)
            for t, a, n in zip(type.part_types(), arrays, names, strict=True)
        ]
        super().__init__(type, Parts(*parts), name)
        self._filter = (strict, allow_downcast)

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value, a SciPy matrix; with `borrow` its arrays are the live ones."""
        return self.type.join([part.get_value(borrow=borrow) for part in self.parts])

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replaces the value; the shape and the number of entries may change."""
        arrays = self.type.split(new_value, *self._filter)
        for part, array in zip(self.parts, arrays, strict=True):
            part.set_value(array)

    @property
    def default_update(self) -> Any:
        """The expression of the value after a call, or None."""
        return self.__dict__.get("_default_update")

    @default_update.setter
    def default_update(self, expression: Any) -> None:
        expression = self.type.filter_variable(expression)
        self.__dict__["_default_update"] = expression
        for part, new in zip(self.parts, expression.parts, strict=True):
            part.default_update = new

    def clone(self, name: str | None = None) -> Any:
        """A shared variable of its own with a copy of the value."""
        return type(self)(
            self.name if name is None else name, self.type, self.get_value(), *self._filter
        )

    def __copy__(self) -> Any:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        result = self.clone()
        memo[id(self)] = result
        return result


def sparse_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    format: str | None = None,
    target: str = "cpu",
    **others: Any,
) -> Any:
    """A shared variable for a SciPy matrix; TypeError for anything else."""
    if not scipy.sparse.issparse(value) or value.ndim != 2:
        raise TypeError()  # another constructor's, with keywords of its own
    if others:
        raise PhintysTypeError(f"shared: a sparse matrix takes no {', '.join(sorted(others))}")
    if format is None:
        format = value.format if value.format in FORMATS else "csr"
    kind = SparseType(format, value.dtype)
    return SparseSharedVariable(name, kind, value, strict, allow_downcast)


shared_constructor(sparse_constructor)

from phintys.tensor.sharedvar import shared  # noqa: E402

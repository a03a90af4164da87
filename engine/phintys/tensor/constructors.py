"""Symbolic inputs: ``T.matrix('x')`` and its kin.

For each prefix of a dtype (b, w, i, l: integers; f, d: floats; c, z: complex) and each rank there
is a type that makes variables when called: ``T.ivector('n')``. Without prefix the dtype is floatX
at the time of the call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from phintys.config import config
from phintys.errors import PhintysTypeError
from phintys.tensor.type import TensorType

PREFIXES = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
}
PATTERNS: dict[str, tuple[bool, ...]] = {
    "scalar": (),
    "vector": (False,),
    "row": (True, False),
    "col": (False, True),
    "matrix": (False, False),
    "tensor3": (False,) * 3,
    "tensor4": (False,) * 4,
    "tensor5": (False,) * 5,
    "tensor6": (False,) * 6,
    "tensor7": (False,) * 7,
}
_PLURALS = {"matrix": "matrices"}


def _floatX_constructor(kind: str, pattern: tuple[bool, ...]) -> Callable[..., Any]:
    def constructor(
        name: str | None = None, dtype: Any = None, *, shape: Sequence[int | None] | None = None
    ) -> Any:
        dtype = config.floatX if dtype is None else dtype
        if shape is None:
            return TensorType(dtype, pattern)(name)
        if len(shape) != len(pattern):
            raise PhintysTypeError(f"{kind}: shape {tuple(shape)} needs {len(pattern)} lengths")
        return TensorType(dtype, shape=shape)(name)

    constructor.__name__ = constructor.__qualname__ = kind
    constructor.__doc__ = (
        f"A new symbolic {kind}: rank {len(pattern)}, dtype `dtype` (floatX by default).\n\n"
        f"`shape` gives known lengths, None for unknown ones."
    )
    return constructor


def _several(make: Callable[..., Any], *names: Any, **kwargs: Any) -> Any:
    """Variables of the given names, or as many as a single integer says."""
    if len(names) == 1:
        if isinstance(names[0], int):
            return [make(**kwargs) for _ in range(names[0])]
        if names[0] is None or isinstance(names[0], str):
            return make(names[0], **kwargs)
        names = tuple(names[0])
    return [make(name, **kwargs) for name in names]


def tensor(
    dtype: Any = None,
    broadcastable: Sequence[Any] | None = None,
    name: str | None = None,
    *,
    shape: Sequence[int | None] | None = None,
    **kwargs: Any,
) -> Any:
    """A new symbolic tensor: ``tensor('float32', (False, True), 'x')``, or with ``shape=``."""
    if kwargs:
        raise PhintysTypeError(f"tensor() got unexpected keyword arguments {sorted(kwargs)}")
    dtype = config.floatX if dtype is None else dtype
    return TensorType(dtype, broadcastable, shape=shape)(name)


def _make_all() -> dict[str, Any]:
    made: dict[str, Any] = {"tensor": tensor}
    for kind, pattern in PATTERNS.items():
        plural = _PLURALS.get(kind, kind + "s")
        made[kind] = _floatX_constructor(kind, pattern)
        made[plural] = functools.partial(_several, made[kind])
        for prefix, dtype in PREFIXES.items():
            made[prefix + kind] = TensorType(dtype, pattern)
            made[prefix + plural] = functools.partial(_several, made[prefix + kind])
    made.update(_groups(made))
    return made


def _groups(made: dict[str, Any]) -> dict[str, Any]:
    """Tuples of types by kind and rank: ``int_vector_types`` and the like."""
    kinds = {"int": "bwil", "float": "fd", "complex": "cz"}
    groups: dict[str, Any] = {"integer_types": (int,)}
    for kind, prefixes in kinds.items():
        for rank in ("scalar", "vector", "matrix"):
            groups[f"{kind}_{rank}_types"] = tuple(made[p + rank] for p in prefixes)
        groups[f"{kind}_types"] = groups[f"{kind}_scalar_types"]
    return groups


_made = _make_all()
globals().update(_made)
__all__ = list(_made)


if TYPE_CHECKING:
    from typing import Protocol

    class _Generated(Protocol):
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __getattr__(name: str) -> _Generated: ...  # the generated constructors

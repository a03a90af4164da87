"""Where the outputs of functions are wanted: on the host, or on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor.conversion import as_tensor_variable

__all__ = ["register_transfer", "transfer"]

_registered: list[Callable[[Any, str], Any]] = []


def transfer(var: Any, target: str) -> Any:
    """`var`, which a function that has it as an output delivers on `target`.

    Targets are ``'cpu'``, the names of devices (``'cuda'``, ``'cuda:1'``), and those of
    :func:`register_transfer`. An output for a device is a :class:`phintys.cuda.Array`, wherever the
    function runs. Inside a graph a transfer changes nothing: a function runs in one place, see
    ``function(device=...)``. The gradient is that of the identity, transferred to the host.

    ValueError if `target` names nothing. Whether there is such a device is looked at when a
    function is compiled.
    """
    for convert in reversed(_registered):
        result = convert(var, target)
        if result is not None:
            return result
    var = as_tensor_variable(var)
    kind, colon, index = str(target).partition(":")
    if not kind.isidentifier() or (colon and not index.isdigit()):
        raise PhintysValueError(f"Can't transfer to target {target}")
    if target == "cpu" and not _is_transfer(var):
        return var
    return _core.apply("transfer", [var], target=target)


def _is_transfer(var: Any) -> bool:
    owner = var.owner
    return owner is not None and isinstance(owner.op, _core.Op) and owner.op.name == "transfer"


def register_transfer(fn: Callable[[Any, str], Any]) -> None:
    """Adds a function that :func:`transfer` asks before all others.

    It is called with the variable and the target, and returns a variable, or None if the target is
    none of its business.
    """
    _registered.append(fn)

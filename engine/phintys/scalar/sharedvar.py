"""``theano.scalar.sharedvar``: shared variables of one number."""

from __future__ import annotations

from typing import Any

from phintys.tensor.sharedvar import ScalarSharedVariable, scalar_constructor

__all__ = ["ScalarSharedVariable", "shared"]


def shared(
    value: Any, name: str | None = None, strict: bool = False, allow_downcast: bool | None = None
) -> Any:
    """A shared variable of rank 0 for a number; TypeError for anything else."""
    return scalar_constructor(value, name, strict, allow_downcast)

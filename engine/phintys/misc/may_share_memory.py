"""``theano.misc.may_share_memory``."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["may_share_memory"]


def may_share_memory(a: Any, b: Any, raise_other_type: bool = True) -> bool:
    """True iff the arrays may share memory; TypeError for other objects, if asked for."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.may_share_memory(a, b))
    if raise_other_type:
        raise TypeError("may_share_memory supports only ndarrays")
    return False

"""Ops and test values."""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys.errors import MethodNotDefined
from phintys.gof.graph import Constant, Op

__all__ = ["MethodNotDefined", "Op", "get_test_value"]


def get_test_value(v: Any) -> Any:
    """The value of a constant or shared variable, else ``v.tag.test_value``.

    That of an expression is computed when it is asked for, unless ``config.compute_test_value`` is
    ``'off'``. AttributeError if there is none; ValueError if that is ``'raise'`` and an input of
    the expression has none.
    """
    if not hasattr(v, "owner"):
        return np.asarray(v)
    if isinstance(v, Constant):
        return v.data
    if v.is_shared:
        return v.get_value(borrow=True)
    return v.tag.test_value

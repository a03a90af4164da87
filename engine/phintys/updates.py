"""``OrderedUpdates``: a dict from shared variables to the expressions of their new values."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from phintys import _core
from phintys.errors import PhintysKeyError, PhintysTypeError

__all__ = ["OrderedUpdates"]


class OrderedUpdates(OrderedDict[Any, Any]):
    """Updates whose keys must be shared variables and must not collide.

    ``a + b`` joins two of them; ``update`` raises KeyError if a variable has different expressions
    in both.
    """

    def __init__(self, *key: Any, **kwargs: Any) -> None:
        if kwargs:
            raise PhintysTypeError("the keys of updates are shared variables, not names")
        super().__init__()
        for source in key:
            for k, v in source.items() if hasattr(source, "items") else source:
                self[k] = v

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, _core.Variable) or not key.is_shared:
            raise PhintysTypeError("OrderedUpdates keys must inherit from SharedVariable", key)
        super().__setitem__(key, value)

    def update(self, other: Any = None, /, **kwargs: Any) -> None:
        """Adds all of `other`; KeyError if it has another expression for a variable."""
        if other is None:
            return
        pairs = list(other.items() if hasattr(other, "items") else other)
        for key, value in pairs:
            if key in self and self[key] is not value:
                raise PhintysKeyError("Collision", key)
        for key, value in pairs:
            self[key] = value

    def __add__(self, other: Any) -> OrderedUpdates:
        result = OrderedUpdates(self)
        result.update(other)
        return result

    def __radd__(self, other: Any) -> OrderedUpdates:
        result = OrderedUpdates(other)
        result.update(self)
        return result

"""``x log x`` and ``x log y`` with the value 0 at x = 0."""

from phintys.tensor.elemwise import xlogx, xlogy0  # type: ignore[attr-defined]

__all__ = ["xlogx", "xlogy0"]

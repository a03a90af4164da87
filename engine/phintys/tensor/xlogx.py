"""``x log x`` and ``x log y`` with the value 0 at x = 0."""

from phintys.tensor.elemwise import function_named

xlogx = function_named("xlogx")
xlogy0 = function_named("xlogy0")

__all__ = ["xlogx", "xlogy0"]

"""``x log x`` and ``x log y`` with the value 0 at x = 0.

``T.xlogx`` is this module in Theano and a function for everybody else: the module can be called.
"""

import sys
import types
from typing import Any

from phintys.tensor.elemwise import function_named

xlogx = function_named("xlogx")
xlogy0 = function_named("xlogy0")

__all__ = ["xlogx", "xlogy0"]


class _CallableModule(types.ModuleType):
    def __call__(self, x: Any) -> Any:
        return xlogx(x)


_CallableModule.__call__.__doc__ = xlogx.__doc__
sys.modules[__name__].__class__ = _CallableModule

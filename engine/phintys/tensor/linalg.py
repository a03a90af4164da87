"""All of linear algebra under one name: ``phintys.tensor.linalg.solve`` and so on."""

from phintys.tensor import nlinalg as _nlinalg
from phintys.tensor import slinalg as _slinalg
from phintys.tensor.linalg_basic import matmul, outer, tensordot, vecdot  # noqa: F401
from phintys.tensor.nlinalg import *  # noqa: F403
from phintys.tensor.slinalg import *  # noqa: F403

__all__ = sorted({*_nlinalg.__all__, *_slinalg.__all__, "matmul", "outer", "tensordot", "vecdot"})

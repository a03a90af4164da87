"""The functions of ``theano.tensor.basic``: all of ``phintys.tensor`` but its sub-modules."""

import functools

from phintys.errors import *  # noqa: F403
from phintys.scalar.dtypes import *  # noqa: F403
from phintys.scalar.dtypes import DTYPES
from phintys.tensor.constructors import *  # noqa: F403
from phintys.tensor.conversion import *  # noqa: F403
from phintys.tensor.counting import *  # noqa: F403
from phintys.tensor.creation import *  # noqa: F403
from phintys.tensor.creation import e, euler_gamma, inf, nan, pi  # noqa: F401
from phintys.tensor.diagonal import *  # noqa: F403
from phintys.tensor.einsum import *  # noqa: F403
from phintys.tensor.elemwise import *  # noqa: F403
from phintys.tensor.elemwise import cast
from phintys.tensor.indexing import *  # noqa: F403
from phintys.tensor.join import *  # noqa: F403
from phintys.tensor.linalg_basic import *  # noqa: F403
from phintys.tensor.numpy_functions import *  # noqa: F403
from phintys.tensor.numpy_ufuncs import *  # noqa: F403
from phintys.tensor.op_classes import *  # noqa: F403
from phintys.tensor.pad import *  # noqa: F403
from phintys.tensor.rearrange import *  # noqa: F403
from phintys.tensor.reduction import *  # noqa: F403
from phintys.tensor.reduction_classes import *  # noqa: F403
from phintys.tensor.scans import *  # noqa: F403
from phintys.tensor.shape import *  # noqa: F403
from phintys.tensor.sort import *  # noqa: F403
from phintys.tensor.special import *  # noqa: F403
from phintys.tensor.statistics import *  # noqa: F403
from phintys.tensor.subtensor import *  # noqa: F403
from phintys.tensor.transfer import *  # noqa: F403
from phintys.tensor.type import TensorType
from phintys.tensor.type_other import *  # noqa: F403
from phintys.tensor.var import *  # noqa: F403
from phintys.tensor.var import _tensor_py_operators  # noqa: F401

# Theano's casts by name: _convert_to_int8(x), ...
_conversion_map = {dtype: functools.partial(cast, dtype=dtype) for dtype in DTYPES}
globals().update({f"_convert_to_{dtype}": f for dtype, f in _conversion_map.items()})

all_dtypes = DTYPES
Tensor = TensorType
newaxis = None

__all__ = [name for name in dir() if not name.startswith("_") and name != "functools"]

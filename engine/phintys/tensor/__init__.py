"""Symbolic tensors: ``import phintys.tensor as T``.

Names and meaning are those of ``theano.tensor``, and NumPy's where Theano is silent.
"""

from __future__ import annotations

from typing import Any

from phintys.tensor import (
    basic,
    blas,
    creation,
    elemwise,
    extra_ops,
    linalg,
    nlinalg,
    slinalg,
    subtensor,
    type,
    utils,
)
from phintys.tensor import sharedvar as _sharedvar  # noqa: F401  registers the classes
from phintys.tensor.basic import *  # noqa: F403
from phintys.tensor.basic import _tensor_py_operators  # noqa: F401

# Functions of Python's own names, and modules hidden by functions of their name, as in Theano.
from phintys.tensor.elemwise import abs, cast, divmod, pow, round  # noqa: F401
from phintys.tensor.extra_ops import diff, to_one_hot
from phintys.tensor.nlinalg import matrix_dot, trace
from phintys.tensor.reduction import all, any, max, min, sum, var  # noqa: F401
from phintys.tensor.shape import shape  # noqa: F401
from phintys.tensor.sharedvar import (
    ScalarSharedVariable,
    SharedVariable,
    TensorSharedVariable,
)
from phintys.tensor.sort import sort  # noqa: F401

from phintys.tensor import nnet  # isort: skip
from phintys.tensor import raw_random, shared_randomstreams  # isort: skip

_LATE = {
    "grad": "phintys.gradient",
    "Rop": "phintys.gradient",
    "Lop": "phintys.gradient",
    "jacobian": "phintys.gradient",
    "hessian": "phintys.gradient",
    "hessian_vector_product": "phintys.gradient",
    "pullback": "phintys.gradient",
    "pushforward": "phintys.gradient",
    "verify_grad": "phintys.gradient",
    "numeric_grad": "phintys.gradient",
    "consider_constant": "phintys.gradient",
    "DisconnectedType": "phintys.gradient",
    "Generic": "phintys.gof",
    "Op": "phintys.gof",
    "Apply": "phintys.gof",
}


_LATE_MODULES = {"opt", "random"}


def __getattr__(name: str) -> Any:
    if name in _LATE_MODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    module = _LATE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(module), name)


__all__ = [
    *basic.__all__,
    "ScalarSharedVariable",
    "SharedVariable",
    "TensorSharedVariable",
    "abs",
    "basic",
    "blas",
    "creation",
    "diff",
    "elemwise",
    "extra_ops",
    "linalg",
    "matrix_dot",
    "nlinalg",
    "nnet",
    "raw_random",
    "shared_randomstreams",
    "slinalg",
    "subtensor",
    "to_one_hot",
    "trace",
    "type",
    "utils",
]

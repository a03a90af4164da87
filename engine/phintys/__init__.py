"""Phintys: symbolic array expressions, compiled in milliseconds.

Build expressions with :mod:`phintys.tensor`, compile them with :func:`function`, keep state in
:func:`shared` variables, differentiate with :func:`grad`. Names and meaning are Theano's.

Adding two matrices:

>>> import numpy as np
>>> import phintys
>>> import phintys.tensor as T
>>> x = T.dmatrix('x')
>>> y = T.dmatrix('y')
>>> f = phintys.function([x, y], x + y)
>>> f([[1, 2], [3, 4]], [[10, 20], [30, 40]])
array([[11., 22.],
       [33., 44.]])

The logistic function, in the default mode and in the one that compiles fastest:

>>> s = 1 / (1 + T.exp(-x))
>>> logistic = phintys.function([x], s)
>>> logistic([[0, 1], [-1, -2]]).round(4)
array([[0.5   , 0.7311],
       [0.2689, 0.1192]])
>>> quick = phintys.function([x], s, mode='FAST_COMPILE')
>>> bool(np.allclose(quick([[0, 1]]), logistic([[0, 1]])))
True

A shared counter that each call updates:

>>> state = phintys.shared(0, name='state')
>>> inc = T.iscalar('inc')
>>> accumulate = phintys.function([inc], state, updates=[(state, state + inc)])
>>> int(accumulate(1)), int(accumulate(300))
(0, 1)
>>> int(state.get_value())
301
"""

from __future__ import annotations

import os as _os
from typing import Any

import numpy as _np  # noqa: F401  NumPy's BLAS must not see the variable that is set below

# The BLAS in libphintys is called on one thread at a time by the threads of libphintys's own pool.
# Left alone, it starts threads of its own when it is loaded, which then idle.
_blas_threads = _os.environ.get("OPENBLAS_NUM_THREADS")
_os.environ["OPENBLAS_NUM_THREADS"] = "1"
try:
    from phintys import _core
finally:
    if _blas_threads is None:
        del _os.environ["OPENBLAS_NUM_THREADS"]
    else:
        _os.environ["OPENBLAS_NUM_THREADS"] = _blas_threads

_core.set_internal_prefix(_os.path.dirname(_os.path.abspath(__file__)) + _os.sep)

from phintys import (  # noqa: E402
    compile,
    errors,
    gof,
    gradient,
    printing,
    scalar,
    tensor,
    updates,
)
from phintys.compile import (  # noqa: E402
    FunctionMaker,
    In,
    Mode,
    OpFromGraph,
    Out,
    Param,
    ProfileStats,
    SymbolicInput,
    SymbolicOutput,
    as_op,
    function,
    function_dump,
    load,
    predefined_linkers,
    predefined_modes,
    predefined_optimizers,
    shared,
    wrap_py,
)
from phintys.compile.limits import CancelToken, limits  # noqa: E402
from phintys.config import change_flags, config  # noqa: E402
from phintys.errors import InconsistencyError, PhintysError  # noqa: E402
from phintys.gof import Apply, Constant, FunctionGraph, Op, Type, Variable  # noqa: E402
from phintys.gradient import Lop, Rop, grad, subgraph_grad  # noqa: E402
from phintys.printing import dprint, pp, pprint  # noqa: E402
from phintys.scalar.dtypes import asarray as _asarray  # noqa: E402
from phintys.tensor import dot, get_scalar_constant_value  # noqa: E402
from phintys.tensor.type import Generic, generic  # noqa: E402
from phintys.updates import OrderedUpdates  # noqa: E402

# Theano's programs compare this with the version of Theano they need.
__version__ = _core.version


def clone(
    output: Any,
    replace: Any = None,
    strict: bool = True,
    share_inputs: bool = True,
    copy_inputs: Any = None,
) -> Any:
    """A copy of an expression, with some variables replaced.

    Parameters
    ----------
    output
        A variable or a list of them.
    replace
        Pairs (variable, replacement), or a dict of them.
    strict
        Replacements must have the type of what they replace; else types are inferred anew.
    share_inputs
        Keep inputs instead of copying them. Shared variables are kept in any case.

    >>> x, y = tensor.dscalars('x', 'y')
    >>> float(clone(x + 1, {x: y * 2}).eval({y: 3.0}))
    7.0
    """
    if copy_inputs is not None:
        share_inputs = copy_inputs
    outputs = list(output) if isinstance(output, (list, tuple)) else [output]
    items = replace.items() if hasattr(replace, "items") else (replace or [])
    pairs = []
    for old, new in items:
        if not isinstance(old, Variable):
            raise errors.PhintysTypeError(f"clone: {old!r} is not a variable")
        new = tensor.as_tensor_variable(new)
        pairs.append((old, old.type.filter_variable(new) if strict else new))
    if not share_inputs:
        replaced = {id(old) for old, _ in pairs}
        for leaf in _core.graph_inputs(outputs):
            if id(leaf) not in replaced and not (leaf.is_constant or leaf.is_shared):
                pairs.append((leaf, leaf.clone()))
    result = list(_core.clone(outputs, pairs, not strict))
    if isinstance(output, (list, tuple)):
        return result
    return result[0]


# The function hides the package of its name.
import phintys.scan as _scan_package  # noqa: E402, F401
from phintys import scan_module  # noqa: E402
from phintys.scan_module import (  # noqa: E402
    foldl,
    foldr,
    map,
    reduce,
    scan,
    scan_checkpoints,
)

# Sub-modules that are loaded when they are first asked for.
_LAZY = {
    "cuda",
    "compat",
    "configdefaults",
    "configparser",
    "graph",
    "misc",
    "raise_op",
    "sparse",
    "tests",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"phintys.{name}")
    if name in ("clone_replace", "graph_replace", "vectorize_graph"):
        from phintys import graph

        return getattr(graph, name)
    if name in ("sparse_grad", "theano"):
        if name == "theano":
            import sys

            return sys.modules[__name__]
        return lambda var: var
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Apply",
    "CancelToken",
    "Constant",
    "FunctionGraph",
    "FunctionMaker",
    "Generic",
    "In",
    "InconsistencyError",
    "Lop",
    "Mode",
    "Op",
    "OpFromGraph",
    "OrderedUpdates",
    "Out",
    "Param",
    "PhintysError",
    "ProfileStats",
    "Rop",
    "SymbolicInput",
    "SymbolicOutput",
    "Type",
    "Variable",
    "_asarray",
    "as_op",
    "change_flags",
    "clone",
    "compile",
    "config",
    "dot",
    "dprint",
    "errors",
    "foldl",
    "foldr",
    "function",
    "function_dump",
    "generic",
    "get_scalar_constant_value",
    "gof",
    "grad",
    "gradient",
    "limits",
    "load",
    "map",
    "pp",
    "pprint",
    "predefined_linkers",
    "predefined_modes",
    "predefined_optimizers",
    "printing",
    "reduce",
    "scalar",
    "scan",
    "scan_checkpoints",
    "scan_module",
    "shared",
    "subgraph_grad",
    "tensor",
    "updates",
    "wrap_py",
]

"""Graphs: variables, apply nodes, ops, walking; under the names of ``theano.gof``."""

from __future__ import annotations

from phintys.errors import InconsistencyError, MethodNotDefined, MissingInputError
from phintys.gof.fg import FunctionGraph
from phintys.gof.graph import Apply, Constant, Variable
from phintys.gof.null_type import NullType
from phintys.gof.op import COp, Op, OpenMPOp, PureOp
from phintys.gof.params_type import EnumList, EnumType, Params, ParamsType
from phintys.tensor.type import Generic, Type, generic

__all__ = [
    "Apply",
    "COp",
    "Constant",
    "EnumList",
    "EnumType",
    "FunctionGraph",
    "Generic",
    "InconsistencyError",
    "MethodNotDefined",
    "MissingInputError",
    "NullType",
    "Op",
    "OpenMPOp",
    "Params",
    "ParamsType",
    "PureOp",
    "Type",
    "Variable",
    "generic",
]

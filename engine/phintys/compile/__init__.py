"""Compilation: functions, modes, inputs and outputs, shared variables."""

from __future__ import annotations

from phintys.compile.builders import OpFromGraph
from phintys.compile.debugmode import DebugMode
from phintys.compile.dump import function_dump

# Last: the function hides the module of its name, as in Theano.
from phintys.compile.function import function
from phintys.compile.function_module import Function, FunctionMaker, load
from phintys.compile.io import In, Out, Param, SymbolicInput, SymbolicOutput
from phintys.compile.mode import (
    FAST_COMPILE,
    FAST_RUN,
    FastCompileMode,
    Mode,
    get_default_mode,
    get_mode,
    predefined_linkers,
    predefined_modes,
    predefined_optimizers,
    register_linker,
    register_mode,
)
from phintys.compile.monitormode import MonitorMode
from phintys.compile.nanguardmode import NanGuardMode
from phintys.compile.ops import (
    DeepCopyOp,
    FromFunctionOp,
    Rebroadcast,
    Shape,
    Shape_i,
    SpecifyShape,
    ViewOp,
    as_op,
    deep_copy_op,
    shape_i,
    view_op,
    wrap_py,
)
from phintys.compile.pfunc import pfunc, rebuild_collect_shared
from phintys.compile.profiling import ProfileStats, ScanProfileStats
from phintys.errors import (
    AliasedMemoryError,
    BadOptimization,
    DebugModeError,
    InvalidValueError,
    UnusedInputError,
)
from phintys.tensor.shape import specify_shape
from phintys.tensor.sharedvar import SharedVariable, shared, shared_constructor

__all__ = [
    "FAST_COMPILE",
    "FAST_RUN",
    "AliasedMemoryError",
    "BadOptimization",
    "DebugMode",
    "DebugModeError",
    "DeepCopyOp",
    "FastCompileMode",
    "FromFunctionOp",
    "Function",
    "FunctionMaker",
    "In",
    "InvalidValueError",
    "Mode",
    "MonitorMode",
    "NanGuardMode",
    "OpFromGraph",
    "Out",
    "Param",
    "ProfileStats",
    "Rebroadcast",
    "ScanProfileStats",
    "Shape",
    "Shape_i",
    "SharedVariable",
    "SpecifyShape",
    "SymbolicInput",
    "SymbolicOutput",
    "UnusedInputError",
    "ViewOp",
    "as_op",
    "deep_copy_op",
    "function",
    "function_dump",
    "get_default_mode",
    "get_mode",
    "load",
    "pfunc",
    "predefined_linkers",
    "predefined_modes",
    "predefined_optimizers",
    "rebuild_collect_shared",
    "register_linker",
    "register_mode",
    "shape_i",
    "shared",
    "shared_constructor",
    "specify_shape",
    "view_op",
    "wrap_py",
]

"""``theano.scan.utils``."""

from phintys.scan_module.scan_utils import (
    clone,
    equal_computations,
    get_updates_and_outputs,
    infer_shape,
    map_variables,
    reconstruct_graph,
    safe_new,
    traverse,
    until,
)

__all__ = [
    "clone",
    "equal_computations",
    "get_updates_and_outputs",
    "infer_shape",
    "map_variables",
    "reconstruct_graph",
    "safe_new",
    "traverse",
    "until",
]

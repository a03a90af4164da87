"""Small helpers of ``theano.tensor.utils``."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["hash_from_ndarray", "shape_of_variables"]


def hash_from_ndarray(data: Any) -> str:
    """A text that differs for arrays of different bytes, shape or dtype."""
    import hashlib

    data = np.ascontiguousarray(data)
    digest = hashlib.sha256(data.tobytes())
    digest.update(f"{data.shape}{data.dtype}".encode())
    return digest.hexdigest()


def shape_of_variables(fgraph: Any, input_shapes: dict[Any, tuple[int, ...]]) -> dict[Any, Any]:
    """The shapes of all variables of a graph for the given shapes of its inputs."""
    import phintys

    inputs = list(input_shapes)
    variables = [v for v in fgraph.variables if not isinstance(v, phintys.Constant)]
    function = phintys.function(
        inputs, [phintys.tensor.shape(v) for v in variables], on_unused_input="ignore"
    )
    values = [np.zeros(input_shapes[v], v.dtype) for v in inputs]
    return {
        v: tuple(int(n) for n in result)
        for v, result in zip(variables, function(*values), strict=True)
    }

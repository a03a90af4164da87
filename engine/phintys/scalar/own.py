"""Scalar ops whose function is written in Python, as ops of tensors."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysNotImplementedError, PhintysTypeError
from phintys.gof.graph import Apply
from phintys.gof.op import Op
from phintys.scalar.expressions import Composite

__all__ = ["OwnElemwise"]


class OwnElemwise(Op):
    """The op that applies a scalar op's ``impl`` to each element.

    Operands broadcast. The scalar op says the dtypes of its results (``output_types``), and its
    ``grad`` or ``L_op``, which it writes of scalars, becomes that of tensors.
    """

    def __init__(self, scalar_op: Any, name: str | None = None) -> None:
        self.scalar_op = scalar_op
        self.name = name or scalar_op.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnElemwise) and bool(self.scalar_op == other.scalar_op)

    def __hash__(self) -> int:
        return hash((OwnElemwise, self.scalar_op))

    def __str__(self) -> str:
        return f"Elemwise{{{self.name},no_inplace}}"

    def make_node(self, *inputs: Any) -> Any:
        """The application; operands get the same rank."""
        from phintys.tensor.conversion import as_tensor_variable
        from phintys.tensor.type import TensorType

        operands = [as_tensor_variable(x) for x in inputs]
        wanted = getattr(self.scalar_op, "nin", -1)
        if wanted not in (-1, len(operands)):
            raise PhintysTypeError(f"{self}: {wanted} operands are needed, got {len(operands)}")
        ndim = max((x.ndim for x in operands), default=0)
        operands = [_padded(x, ndim) for x in operands]
        scalars = [TensorType(x.dtype, ()) for x in operands]
        shape = [_common(x.static_shape[d] for x in operands) for d in range(ndim)]
        kinds = self.scalar_op.output_types(scalars)
        return Apply(self, operands, [TensorType(t.dtype, shape=shape)() for t in kinds])

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        """Of each dimension, that of an operand which does not broadcast."""
        found = []
        for d in range(node.outputs[0].ndim):
            longer = [i for i, x in enumerate(node.inputs) if not x.broadcastable[d]]
            found.append(shapes[longer[0] if longer else 0][d])
        return [tuple(found) for _ in node.outputs]

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        results = _vectorised(self.scalar_op, len(inputs), len(output_storage))(*inputs)
        if len(output_storage) == 1:
            results = (results,)
        for cell, out, result in zip(output_storage, node.outputs, results, strict=True):
            cell[0] = np.asarray(result).astype(out.dtype, copy=False)

    def L_op(
        self, inputs: Sequence[Any], outputs: Sequence[Any], output_grads: Sequence[Any]
    ) -> Any:
        """The scalar op's rule for scalars in place of the operands, with tensors in their place.

        What was broadcast is summed.
        """
        from phintys.tensor.type import DisconnectedType, NullType, TensorType

        def stand_in(v: Any) -> Any:
            return v if isinstance(v.type, DisconnectedType) else TensorType(v.dtype, ())()

        given = [*inputs, *outputs, *output_grads]
        scalars = [stand_in(v) for v in given]
        n, m = len(inputs), len(inputs) + len(outputs)
        terms = self.scalar_op.L_op(scalars[:n], scalars[n:m], scalars[m:])
        pairs = [(s, v) for s, v in zip(scalars, given, strict=True) if s is not v]

        def of_tensors(x: Any, term: Any) -> Any:
            if term is None or isinstance(getattr(term, "type", None), DisconnectedType | NullType):
                return term
            scalar = Composite([s for s, _ in pairs], [term])
            value = scalar.build(*[v for _, v in pairs])
            return _summed_like(x, _core.elemwise("second", outputs[0], value))

        return [of_tensors(x, term) for x, term in zip(inputs, terms, strict=True)]


def _padded(x: Any, ndim: int) -> Any:
    if x.ndim == ndim:
        return x
    return _core.dimshuffle(x, [-1] * (ndim - x.ndim) + list(range(x.ndim)))


def _common(lengths: Any) -> int | None:
    """The length of a result's dimension, if the operands' types tell."""
    longer = [n for n in lengths if n != 1]
    return next((n for n in longer if n is not None), None) if longer else 1


def _summed_like(x: Any, value: Any) -> Any:
    axes = [
        d
        for d in range(x.ndim)
        if x.broadcastable[d] and not (value.broadcastable[d] and value.static_shape[d] == 1)
    ]
    return value.sum(axis=axes, keepdims=True) if axes else value


def _named(path: str) -> Any:
    """What ``"scipy.special.i0e"`` names, or None."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module or "numpy"), name, None)
    except ImportError:
        return None


@functools.lru_cache(maxsize=256)
def _vectorised(scalar_op: Any, nin: int, nout: int) -> Callable[..., Any]:
    """The scalar op's ``impl`` for arrays; the NumPy or SciPy function that it names, if any."""
    spec = getattr(scalar_op, "nfunc_spec", None)
    if spec is not None:
        function = _named(spec[0] if "." in spec[0] else f"numpy.{spec[0]}")
        if function is not None:
            return function
    if not hasattr(scalar_op, "impl"):
        raise PhintysNotImplementedError(f"{scalar_op} has no impl")
    return np.frompyfunc(scalar_op.impl, nin, nout)

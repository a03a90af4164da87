"""The ops of ``theano.tensor.opt`` that programs use: ``Assert``, ``MakeVector``, ``Shape_i``."""

from __future__ import annotations

from typing import Any

from phintys.compile.ops import Shape_i
from phintys.raise_op import Assert, assert_op
from phintys.tensor.elemwise import cast
from phintys.tensor.join import stack
from phintys.tensor.op_classes import OpClass

__all__ = ["Assert", "MakeVector", "Shape_i", "assert_op", "make_vector"]


class MakeVector(metaclass=OpClass):
    """``MakeVector(dtype)(*scalars)``: a vector of scalars."""

    op_names = ("make_vector",)

    def __init__(self, dtype: str = "int64") -> None:
        self.dtype = dtype

    def __call__(self, *scalars: Any) -> Any:
        return stack([cast(s, self.dtype) for s in scalars])


make_vector = MakeVector()

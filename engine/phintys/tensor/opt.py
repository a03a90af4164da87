"""The op of ``theano.tensor.opt`` that programs use: ``Assert``."""

from phintys.raise_op import Assert, assert_op

__all__ = ["Assert", "assert_op"]

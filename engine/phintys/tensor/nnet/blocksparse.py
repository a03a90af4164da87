"""Products with chosen blocks of a matrix: ``theano.tensor.nnet.blocksparse``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.reduction import sum
from phintys.tensor.subtensor import getitem, inc_subtensor

__all__ = [
    "SparseBlockGemv",
    "SparseBlockOuter",
    "sparse_block_dot",
    "sparse_block_gemv",
    "sparse_block_outer",
]


def _pairs(first: Any, second: Any) -> tuple[Any, Any]:
    """Indices of all pairs: [batch, n] and [batch, m] against each other."""
    return _core.dimshuffle(first, [0, 1, -1]), _core.dimshuffle(second, [0, -1, 1])


def _check(tensors: dict[str, tuple[Any, int]]) -> None:
    for name, (v, ndim) in tensors.items():
        if v.ndim != ndim:
            raise PhintysValueError(f"{name} must have {ndim} dimensions, got {v.type}")


def sparse_block_gemv(o: Any, W: Any, h: Any, inputIdx: Any, outputIdx: Any) -> Any:
    """``o[b, j] + sum_i h[b, i] . W[inputIdx[b, i], outputIdx[b, j]]``.

    Parameters
    ----------
    o
        [batch, outputs, output size].
    W
        [input blocks, output blocks, input size, output size].
    h
        [batch, inputs, input size].
    inputIdx, outputIdx
        Integer matrices [batch, inputs] and [batch, outputs]: which blocks of `W`.
    """
    o, W, h, inputIdx, outputIdx = (as_tensor_variable(v) for v in (o, W, h, inputIdx, outputIdx))
    _check({"o": (o, 3), "W": (W, 4), "h": (h, 3), "inputIdx": (inputIdx, 2)})
    _check({"outputIdx": (outputIdx, 2)})
    blocks = getitem(W, _pairs(inputIdx, outputIdx))
    return o + sum(blocks * _core.dimshuffle(h, [0, 1, -1, 2, -1]), axis=(1, 3))


def sparse_block_outer(o: Any, x: Any, y: Any, xIdx: Any, yIdx: Any, alpha: Any = None) -> Any:
    """`o` with ``alpha * outer(x[b, i], y[b, j])`` added to ``o[xIdx[b, i], yIdx[b, j]]``.

    Parameters
    ----------
    o
        [x blocks, y blocks, x size, y size].
    x, y
        [batch, number of x, x size] and [batch, number of y, y size].
    xIdx, yIdx
        Integer matrices [batch, number of x] and [batch, number of y].
    alpha
        A factor, 1 by default.
    """
    o, x, y, xIdx, yIdx = (as_tensor_variable(v) for v in (o, x, y, xIdx, yIdx))
    _check({"o": (o, 4), "x": (x, 3), "y": (y, 3), "xIdx": (xIdx, 2), "yIdx": (yIdx, 2)})
    products = _core.dimshuffle(x, [0, 1, -1, 2, -1]) * _core.dimshuffle(y, [0, -1, 1, -1, 2])
    if alpha is not None:
        products = _core.cast(as_tensor_variable(alpha), products.dtype) * products
    return inc_subtensor(getitem(o, _pairs(xIdx, yIdx)), products)


def sparse_block_dot(W: Any, h: Any, inputIdx: Any, b: Any, outputIdx: Any) -> Any:
    """``b[outputIdx[b, j]] + sum_i h[b, i] . W[inputIdx[b, i], outputIdx[b, j]]``.

    As :func:`sparse_block_gemv` with a bias `b` [output blocks, output size]. `h`, `inputIdx` and
    `outputIdx` may be without their batch dimension; the result has one of length 1 then.
    """
    W, h, inputIdx, b, outputIdx = (as_tensor_variable(v) for v in (W, h, inputIdx, b, outputIdx))
    if inputIdx.ndim != h.ndim - 1 or outputIdx.ndim != inputIdx.ndim:
        raise PhintysValueError(
            "sparse_block_dot: inputIdx and outputIdx must have one dimension less than h: "
            f"{h.type}, {inputIdx.type}, {outputIdx.type}"
        )
    if h.ndim == 2:
        h = _core.dimshuffle(h, [-1, 0, 1])
        inputIdx = _core.dimshuffle(inputIdx, [-1, 0])
        outputIdx = _core.dimshuffle(outputIdx, [-1, 0])
    return sparse_block_gemv(getitem(b, outputIdx), W, h, inputIdx, outputIdx)


class SparseBlockGemv:
    """:func:`sparse_block_gemv` as the class of Theano."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(self, o: Any, W: Any, h: Any, inputIdx: Any, outputIdx: Any) -> Any:
        """The product."""
        return sparse_block_gemv(o, W, h, inputIdx, outputIdx)


class SparseBlockOuter:
    """:func:`sparse_block_outer` as the class of Theano."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(self, o: Any, x: Any, y: Any, xIdx: Any, yIdx: Any, alpha: Any = None) -> Any:
        """The blocks with the products added."""
        return sparse_block_outer(o, x, y, xIdx, yIdx, alpha)

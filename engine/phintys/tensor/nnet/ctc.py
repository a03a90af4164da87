"""Connectionist temporal classification, under the names of ``theano.tensor.nnet.ctc``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.scalar.dtypes import discrete_dtypes
from phintys.tensor.conversion import as_tensor_variable

__all__ = ["ConnectionistTemporalClassification", "ctc", "ctc_available"]


def ctc_available() -> bool:
    """True: nothing has to be installed for :func:`ctc`."""
    return True


def ctc(activations: Any, labels: Any, input_lengths: Any) -> Any:
    """The costs of connectionist temporal classification (Graves et al., 2006).

    Parameters
    ----------
    activations
        A tensor [time, batch, alphabet]; its softmax over the alphabet has the probabilities.
        Symbol 0 is the blank.
    labels
        An integer matrix [batch, length] with symbols from 1 on; negative numbers are padding.
    input_lengths
        An integer vector: for each example, how many time steps it has.

    Returns
    -------
    vector
        For each example, minus the logarithm of the probability of its labels. An example whose
        labels need more time than it has costs 0 and has no gradient.

    Raises
    ------
    TypeError
        Ranks or dtypes do not fit.
    ValueError, IndexError
        When called: sizes do not fit, a length or a label is out of range.
    """
    x = as_tensor_variable(activations)
    operands = [as_tensor_variable(labels), as_tensor_variable(input_lengths)]
    dtype = "float64" if x.dtype in discrete_dtypes else x.dtype
    compute = "float32" if dtype == "float16" else dtype
    return _core.cast(_core.apply("ctc", [_core.cast(x, compute), *operands]), dtype)


class ConnectionistTemporalClassification:
    """:func:`ctc` as the class of Theano; gradients are always available."""

    def __init__(self, compute_grad: bool = True, openmp: Any = None) -> None:
        self.compute_grad = compute_grad

    def __call__(self, activations: Any, labels: Any, input_lengths: Any) -> Any:
        """The costs."""
        return ctc(activations, labels, input_lengths)

"""Patches of images as rows of a matrix, under the names of ``theano.tensor.nnet.neighbours``."""

from __future__ import annotations

from typing import Any

from phintys import _core
from phintys.errors import PhintysNotImplementedError, PhintysTypeError
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable

__all__ = ["Images2Neibs", "images2neibs", "neibs2images"]

MODES = ("valid", "ignore_borders", "wrap_centered", "half", "full")


def _integers(value: Any, what: str) -> Any:
    value = as_tensor_variable(value)
    if value.ndim != 1 or value.dtype not in integer_dtypes:
        raise PhintysTypeError(f"{what} must be a vector of integers, got {value.type}")
    return _core.cast(value, "int64")


class Images2Neibs:
    """The op behind :func:`images2neibs`."""

    def __init__(self, mode: str = "valid") -> None:
        if mode not in MODES:
            raise PhintysNotImplementedError(
                f"Only the mode valid, ignore_borders, wrap_centered, half and full have been "
                f"implemented for Images2Neibs, got {mode}"
            )
        self.mode = mode

    def __call__(self, ten4: Any, neib_shape: Any, neib_step: Any = None) -> Any:
        """The patches of `ten4`."""
        ten4 = as_tensor_variable(ten4)
        shape = _integers(neib_shape, "neib_shape")
        step = shape if neib_step is None else _integers(neib_step, "neib_step")
        return _core.apply("images2neibs", [ten4, shape, step], mode=self.mode)


def images2neibs(ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid") -> Any:
    """A matrix with a row for each patch of the images of a 4-d tensor.

    Parameters
    ----------
    ten4
        A tensor [batch, channels, height, width].
    neib_shape
        Height and width of the patches.
    neib_step
        How far they are apart; `neib_shape` by default.
    mode
        ``"valid"``: the patches must cover the images. ``"ignore_borders"``: what is left over at
        the end is not used. ``"half"``, ``"full"``: the images are surrounded by zeros, half a
        patch or all but one element of it. ``"wrap_centered"``: the images repeat, and patches, of
        odd lengths, are centred on every `neib_step`-th element.

    Rows are in the order of batch, channel, and position. TypeError when called where patches do
    not cover the images.
    """
    return Images2Neibs(mode)(ten4, neib_shape, neib_step)


def neibs2images(neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid") -> Any:
    """The images that :func:`images2neibs` without `neib_step` took apart.

    `original_shape` is the shape of the images: four lengths, an integer vector or a list. With
    ``mode="ignore_borders"`` what was left over is 0.
    """
    if mode not in ("valid", "ignore_borders"):
        raise PhintysNotImplementedError(f"neibs2images do not support mode={mode}")
    neibs, shape = as_tensor_variable(neibs), _integers(neib_shape, "neib_shape")
    lengths = _integers(original_shape, "original_shape")
    dtype = neibs.dtype
    compute = {"float16": "float32", "bool": "uint8"}.get(dtype, dtype)
    operands = [lengths, _core.cast(neibs, compute), shape, shape]
    return _core.cast(_core.apply("neibs2images", operands, mode=mode), dtype)

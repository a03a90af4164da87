"""The convolution of earlier versions: ``theano.tensor.nnet.conv``."""

from __future__ import annotations

import warnings
from typing import Any

from phintys.errors import PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.nnet.abstract_conv import AbstractConv2d, _hints

__all__ = ["ConvOp", "conv2d"]

_LOGICAL = ("imshp_logical", "kshp_logical", "kshp_logical_top_aligned")


class ConvOp:
    """``op(images, filters)``: convolution as :func:`conv2d`, with what is known of the shapes.

    `imshp` is (channels, rows, columns) or (rows, columns), `kshp` (rows, columns); `dx` and `dy`
    are the subsample. Options that chose an implementation are accepted and have no effect.
    """

    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        nkern: int | None = None,
        bsize: int | None = None,
        dx: int = 1,
        dy: int = 1,
        output_mode: str = "valid",
        **options: Any,
    ) -> None:
        if any(options.get(name) is not None for name in _LOGICAL):
            raise PhintysValueError("logical shapes of images and filters are not supported")
        if output_mode not in ("valid", "full"):
            raise PhintysValueError(f"invalid output mode {output_mode!r}: valid or full")
        self.imshp = None if imshp is None else (1,) * (3 - len(imshp)) + tuple(imshp)
        self.kshp = None if kshp is None else tuple(kshp)
        self.nkern, self.bsize = nkern, bsize
        self.dx, self.dy, self.out_mode = dx or 1, dy or 1, output_mode
        image = None if self.imshp is None else (bsize, *self.imshp)
        channels = None if self.imshp is None else self.imshp[0]
        filters = None if self.kshp is None else (nkern, channels, *self.kshp)
        self._op = AbstractConv2d(image, filters, output_mode, (self.dx, self.dy))

    def __call__(self, inputs: Any, kerns: Any) -> Any:
        return self._op(inputs, kerns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConvOp) and self._op == other._op

    def __hash__(self) -> int:
        return hash((ConvOp, self._op))

    def __repr__(self) -> str:
        return f"ConvOp{{{self._op!r}}}"


def conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    **kargs: Any,
) -> Any:
    """Convolves (batch, channels, rows, columns) with (outputs, channels, rows, columns).

    `image_shape` and `filter_shape` are the lengths that are known, None where not: ValueError if
    they contradict each other. Other keyword arguments chose an implementation; they are ignored.
    :func:`phintys.tensor.nnet.conv2d` has more options.
    """
    if any(kargs.pop(name, None) is not None for name in _LOGICAL):
        raise PhintysValueError("logical shapes of images and filters are not supported")
    known = {"version", "verbose", "openmp", "direction_hint"}
    for name in kargs:
        if name not in known and not name.startswith("unroll"):
            warnings.warn(f"conv2d ignores the argument {name}", stacklevel=2)
    input, filters = as_tensor_variable(input), as_tensor_variable(filters)
    image, kernel = _hints(image_shape, 4, "image_shape"), _hints(filter_shape, 4, "filter_shape")
    if image and kernel and None not in (image[1], kernel[1]) and image[1] != kernel[1]:
        raise PhintysValueError(
            f"the image has {image[1]} channels, the filters {kernel[1]}: {image_shape}, "
            f"{filter_shape}"
        )
    return AbstractConv2d(image, kernel, border_mode, subsample)(input, filters)

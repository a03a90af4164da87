"""Convolutions and their gradients, under the names of ``theano.tensor.nnet.abstract_conv``.

Inputs are (batch, channels, spatial...), filters (output channels, channels / groups, taps...),
results (batch, output channels, spatial...). With ``filter_flip`` (the default) filters are
mirrored: convolution as mathematics defines it; without, what other packages call convolution.

Common parameters of the functions:

border_mode
    Zeros around the input. ``"valid"``: none; ``"full"``: all but one of the filter's extent;
    ``"half"``: half of it, so that odd filters keep the lengths; a number; or a tuple with, for
    each dimension, a number or a pair (in front, behind).
subsample
    Distance of neighbouring outputs in the input ("stride").
filter_dilation
    Distance of neighbouring taps of a filter in the input.
num_groups
    Channels and outputs are split into so many groups that do not see each other.
unshared
    Each output point has filters of its own: (output channels, output rows, output columns,
    channels / groups, rows, columns).
input_shape, filter_shape
    Lengths that the caller knows, None where not. They are used only to check operands, and only
    if ``config.conv.assert_shape`` is set.

TypeError for other ranks and dtypes, ValueError for options that make no sense and shapes that do
not fit. Operands are brought to one dtype, float32 or float64 (float16 is computed in float32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import (
    PhintysNotImplementedError,
    PhintysTypeError,
    PhintysValueError,
)
from phintys.scalar.dtypes import float_dtypes, integer_dtypes, upcast
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.nnet.conv_shape import *  # noqa: F403
from phintys.tensor.nnet.conv_shape import __all__ as _shape_names
from phintys.tensor.nnet.conv_shape import assert_shape, check_border, get_conv_output_shape
from phintys.tensor.nnet.upsampling import *  # noqa: F403
from phintys.tensor.nnet.upsampling import __all__ as _upsampling_names
from phintys.tensor.shape import as_lengths
from phintys.tensor.var import TensorConstant

__all__ = [
    "AbstractConv",
    "AbstractConv2d",
    "AbstractConv2d_gradInputs",
    "AbstractConv2d_gradWeights",
    "AbstractConv3d",
    "AbstractConv3d_gradInputs",
    "AbstractConv3d_gradWeights",
    "AbstractConv_gradInputs",
    "AbstractConv_gradWeights",
    "BaseAbstractConv",
    "causal_conv1d",
    "conv1d",
    "conv2d",
    "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights",
    "conv3d",
    "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights",
    "separable_conv2d",
    "separable_conv3d",
    *_shape_names,
    *_upsampling_names,
]


def _per_dimension(value: Any, convdim: int, what: str) -> tuple[int, ...]:
    values = (value,) * convdim if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != convdim:
        raise PhintysValueError(f"{what} must have {convdim} elements, got {value}")
    for v in values:
        if not isinstance(v, (int, np.integer)) or v < 1:
            raise PhintysValueError(f"{what} must be positive integers, got {value}")
    return tuple(int(v) for v in values)


def _hints(shape: Any, rank: int, what: str) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    if len(shape) != rank:
        raise PhintysValueError(f"{what} should have {rank} entries, got {shape}")
    known: list[int | None] = []
    for length in shape:
        if isinstance(length, _core.Variable):
            length = int(length.data) if isinstance(length, TensorConstant) else None
        if length is not None and not isinstance(length, (int, np.integer)):
            raise PhintysValueError(
                f"{what} should be None or a tuple of constant int values, got {shape}"
            )
        known.append(None if length is None else int(length))
    return tuple(known)


class BaseAbstractConv:
    """The options of a convolution in `convdim` dimensions; callable as the op they describe.

    Objects with the same options are equal. Parameters are those of the module's functions;
    `imshp` and `kshp` are `input_shape` and `filter_shape`.
    """

    def __init__(
        self,
        convdim: int,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = None,
        filter_flip: bool = True,
        filter_dilation: Any = None,
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        if convdim not in (1, 2, 3):
            raise PhintysValueError(f"convolution dimension {convdim} is not supported")
        if unshared and convdim != 2:
            raise PhintysNotImplementedError(f"Unshared convolution not implemented for {convdim}D")
        if num_groups < 1:
            raise PhintysValueError("num_groups must have value greater than zero")
        self.convdim = convdim
        self.border_mode = check_border(border_mode, convdim)
        self.subsample = _per_dimension(subsample or 1, convdim, "subsample")
        self.filter_dilation = _per_dimension(filter_dilation or 1, convdim, "filter_dilation")
        self.filter_flip = bool(filter_flip)
        self.num_groups = int(num_groups)
        self.unshared = bool(unshared)
        self.imshp = _hints(imshp, 2 + convdim, "imshp")
        self.kshp = _hints(kshp, self._kern_ndim(), "kshp")

    def _kern_ndim(self) -> int:
        return 2 + (2 if self.unshared else 1) * self.convdim

    def _key(self) -> tuple[Any, ...]:
        return (type(self), *sorted(vars(self).items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseAbstractConv) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"{type(self).__name__}{{{options}}}"

    def _attributes(self) -> dict[str, Any]:
        named = self.border_mode in ("full", "half")
        pads = [] if named else self.border_mode
        if self.border_mode == "valid":
            pads = [(0, 0)] * self.convdim
        return {
            "stride": list(self.subsample),
            "dilation": list(self.filter_dilation),
            "pad": [p for pair in pads for p in pair],
            "border": self.border_mode if named else "pad",
            "groups": self.num_groups,
            "flip": self.filter_flip,
            "unshared": self.unshared,
        }

    def _operand(self, x: Any, ndim: int, what: str) -> Any:
        x = as_tensor_variable(x)
        if x.ndim != ndim:
            raise PhintysTypeError(f"{what} must be {ndim}D tensor, got {x} of {x.type}")
        return x

    def _apply(self, name: str, a: Any, b: Any, shape: Any = None) -> Any:
        dtype = upcast(a.dtype, b.dtype)
        if dtype not in float_dtypes:
            raise PhintysTypeError(
                f"a convolution takes real floating operands, got {a.type} and {b.type}"
            )
        wide = "float32" if dtype == "float16" else dtype
        inputs = [_core.cast(a, wide), _core.cast(b, wide)]
        if shape is not None:
            inputs.append(self._shape_vector(shape))
        return _core.cast(_core.apply(name, inputs, **self._attributes()), dtype)

    def _shape_vector(self, shape: Any) -> Any:
        if isinstance(shape, _core.Variable) and shape.ndim == 1 and shape.static_shape[0] is None:
            if shape.dtype not in integer_dtypes:
                raise PhintysTypeError(f"shape must be a vector of integers, got {shape.type}")
            return _core.cast(shape, "int64")
        lengths = as_lengths(shape, type(self).__name__)
        if len(lengths) != self.convdim:
            raise PhintysValueError(
                f"shape must have {self.convdim} entries, got {len(lengths)}: {shape}"
            )
        return _core.make_vector(lengths)


class AbstractConv(BaseAbstractConv):
    """``op(img, kern)``: the convolution of inputs with filters."""

    def __call__(self, img: Any, kern: Any) -> Any:
        img = self._operand(img, 2 + self.convdim, "img")
        kern = self._operand(kern, self._kern_ndim(), "kern")
        name = type(self).__name__
        img = assert_shape(img, self.imshp, f"{name}: shape of image does not match imshp")
        kern = assert_shape(kern, self.kshp, f"{name}: shape of filters does not match kshp")
        return self._apply("conv", img, kern)

    make = __call__


class AbstractConv_gradWeights(BaseAbstractConv):
    """``op(img, topgrad, shape)``: the gradient of filters whose taps have the shape `shape`."""

    def __call__(self, img: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True) -> Any:
        img = self._operand(img, 2 + self.convdim, "img")
        topgrad = self._operand(topgrad, 2 + self.convdim, "topgrad")
        if add_assert_shape:
            text = f"{type(self).__name__}: shape of image does not match imshp"
            img = assert_shape(img, self.imshp, text)
        return self._apply("conv_grad_weights", img, topgrad, shape)


class AbstractConv_gradInputs(BaseAbstractConv):
    """``op(kern, topgrad, shape)``: the gradient of inputs whose spatial shape is `shape`."""

    def __call__(self, kern: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True) -> Any:
        kern = self._operand(kern, self._kern_ndim(), "kern")
        topgrad = self._operand(topgrad, 2 + self.convdim, "topgrad")
        if add_assert_shape:
            text = f"{type(self).__name__}: shape of filters does not match kshp"
            kern = assert_shape(kern, self.kshp, text)
        return self._apply("conv_grad_inputs", kern, topgrad, shape)


class _In2d(BaseAbstractConv):
    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = (1, 1),
        filter_flip: bool = True,
        filter_dilation: Any = (1, 1),
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        super().__init__(
            2, imshp, kshp, border_mode, subsample, filter_flip, filter_dilation, num_groups,
            unshared,
        )  # fmt: skip


class _In3d(BaseAbstractConv):
    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = (1, 1, 1),
        filter_flip: bool = True,
        filter_dilation: Any = (1, 1, 1),
        num_groups: int = 1,
    ) -> None:
        super().__init__(
            3, imshp, kshp, border_mode, subsample, filter_flip, filter_dilation, num_groups
        )


class AbstractConv2d(_In2d, AbstractConv):
    """``op(img, kern)`` for rows and columns."""


class AbstractConv2d_gradWeights(_In2d, AbstractConv_gradWeights):
    """``op(img, topgrad, shape)`` for rows and columns."""


class AbstractConv2d_gradInputs(_In2d, AbstractConv_gradInputs):
    """``op(kern, topgrad, shape)`` for rows and columns."""


class AbstractConv3d(_In3d, AbstractConv):
    """``op(img, kern)`` for depth, rows and columns."""


class AbstractConv3d_gradWeights(_In3d, AbstractConv_gradWeights):
    """``op(img, topgrad, shape)`` for depth, rows and columns."""


class AbstractConv3d_gradInputs(_In3d, AbstractConv_gradInputs):
    """``op(kern, topgrad, shape)`` for depth, rows and columns."""


def conv1d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = 1,
    filter_flip: bool = True,
    filter_dilation: Any = 1,
    num_groups: int = 1,
) -> Any:
    """Convolves (batch, channels, length) with (outputs, channels / groups, taps).

    >>> import phintys.tensor as T
    >>> conv1d(T.dtensor3(), T.dtensor3()).ndim
    3
    """
    op = AbstractConv(
        1, input_shape, filter_shape, border_mode, subsample, filter_flip, filter_dilation,
        num_groups,
    )  # fmt: skip
    return op(input, filters)


def conv2d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Convolves (batch, channels, rows, columns) with (outputs, channels / groups, rows, columns).

    The module's text describes the parameters.
    """
    op = AbstractConv2d(
        input_shape, filter_shape, border_mode, subsample, filter_flip, filter_dilation,
        num_groups, unshared,
    )  # fmt: skip
    return op(input, filters)


def conv3d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Any:
    """Convolves (batch, channels, depth, rows, columns) with filters of the same layout."""
    op = AbstractConv3d(
        input_shape, filter_shape, border_mode, subsample, filter_flip, filter_dilation, num_groups
    )
    return op(input, filters)


def _numbers(shape: Any) -> tuple[Any, ...] | None:
    """The entries of a shape that are numbers; None for the others."""
    if shape is None or isinstance(shape, _core.Variable):
        return None
    return tuple(s if isinstance(s, (int, np.integer, TensorConstant)) else None for s in shape)


def conv2d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """The gradient of :func:`conv2d` with respect to its input ("transposed convolution").

    `input_shape` is the shape of that input: the last two entries, numbers or integer scalars, are
    needed where the subsample leaves them open; the first two may be None.
    """
    op = AbstractConv2d_gradInputs(
        _numbers(input_shape), _numbers(filter_shape), border_mode, subsample, filter_flip,
        filter_dilation, num_groups, unshared,
    )  # fmt: skip
    return op(filters, output_grad, input_shape[-2:])


def conv3d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Any:
    """The gradient of :func:`conv3d` with respect to its input, which has shape `input_shape`."""
    op = AbstractConv3d_gradInputs(
        _numbers(input_shape), _numbers(filter_shape), border_mode, subsample, filter_flip,
        filter_dilation, num_groups,
    )  # fmt: skip
    return op(filters, output_grad, input_shape[-3:])


def conv2d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """The gradient of :func:`conv2d` with respect to its filters, which have `filter_shape`.

    Only its last two entries, numbers or integer scalars, are used.
    """
    op = AbstractConv2d_gradWeights(
        _numbers(input_shape), _numbers(filter_shape), border_mode, subsample, filter_flip,
        filter_dilation, num_groups, unshared,
    )  # fmt: skip
    return op(input, output_grad, filter_shape[-2:])


def conv3d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Any:
    """The gradient of :func:`conv3d` with respect to its filters, which have `filter_shape`."""
    op = AbstractConv3d_gradWeights(
        _numbers(input_shape), _numbers(filter_shape), border_mode, subsample, filter_flip,
        filter_dilation, num_groups,
    )  # fmt: skip
    return op(input, output_grad, filter_shape[-3:])


def _separable(
    convdim: int,
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    shapes: Sequence[Any],
    options: dict[str, Any],
) -> Any:
    input_shape, depthwise_shape, pointwise_shape = shapes
    depthwise = AbstractConv(
        convdim, input_shape, depthwise_shape, num_groups=num_channels, **options
    )
    between = None
    if input_shape is not None and depthwise_shape is not None:
        between = get_conv_output_shape(
            input_shape,
            depthwise_shape,
            depthwise.border_mode,
            depthwise.subsample,
            depthwise.filter_dilation,
        )
    pointwise = AbstractConv(convdim, between, pointwise_shape, filter_flip=options["filter_flip"])
    return pointwise(depthwise(input, depthwise_filters), pointwise_filters)


def separable_conv2d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Any = None,
    depthwise_filter_shape: Any = None,
    pointwise_filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
) -> Any:
    """Filters each of `num_channels` channels by itself, then mixes them point by point.

    `depthwise_filters` are (channels * multiplier, 1, rows, columns), `pointwise_filters`
    (outputs, channels * multiplier, 1, 1). Border, subsample and dilation are those of the first
    step.
    """
    return _separable(
        2,
        input,
        depthwise_filters,
        pointwise_filters,
        num_channels,
        (input_shape, depthwise_filter_shape, pointwise_filter_shape),
        {
            "border_mode": border_mode,
            "subsample": subsample,
            "filter_flip": filter_flip,
            "filter_dilation": filter_dilation,
        },
    )


def separable_conv3d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Any = None,
    depthwise_filter_shape: Any = None,
    pointwise_filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
) -> Any:
    """:func:`separable_conv2d` with depth."""
    return _separable(
        3,
        input,
        depthwise_filters,
        pointwise_filters,
        num_channels,
        (input_shape, depthwise_filter_shape, pointwise_filter_shape),
        {
            "border_mode": border_mode,
            "subsample": subsample,
            "filter_flip": filter_flip,
            "filter_dilation": filter_dilation,
        },
    )


def causal_conv1d(
    input: Any,
    filters: Any,
    filter_shape: Sequence[int],
    input_shape: Any = None,
    subsample: int = 1,
    filter_flip: bool = True,
    filter_dilation: int = 1,
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """:func:`conv1d` in which no output depends on later inputs: zeros are put in front only.

    `filter_shape` is (outputs, channels / groups, taps). With `unshared`, filters are (outputs,
    output length, channels / groups, taps).
    """
    left = int(filter_dilation) * (int(filter_shape[-1]) - 1)
    if not unshared:
        return conv1d(
            input, filters, input_shape, filter_shape, ((left, 0),), subsample, filter_flip,
            filter_dilation, num_groups,
        )  # fmt: skip
    input, filters = as_tensor_variable(input), as_tensor_variable(filters)
    op = AbstractConv2d(
        None if input_shape is None else (*input_shape, 1), None, ((left, 0), (0, 0)),
        (subsample, 1), filter_flip, (filter_dilation, 1), num_groups, unshared,
    )  # fmt: skip
    if input.ndim != 3 or filters.ndim != 4:
        raise PhintysTypeError(
            f"causal_conv1d takes ranks 3 and 4, got {input.type} and {filters.type}"
        )
    image = _core.dimshuffle(input, [0, 1, 2, -1])
    return op(image, _core.dimshuffle(filters, [0, 1, -1, 2, 3, -1]))[:, :, :, 0]

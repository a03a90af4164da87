"""Shapes and borders of convolutions, for numbers, None (unknown) and symbolic lengths alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from phintys import _core
from phintys.config import config
from phintys.errors import NotScalarConstantError, PhintysAssertionError, PhintysValueError
from phintys.raise_op import Assert
from phintys.tensor.conversion import as_tensor_variable, get_scalar_constant_value
from phintys.tensor.shape import as_lengths

__all__ = [
    "assert_conv_shape",
    "assert_shape",
    "border_mode_to_pad",
    "check_conv_gradinputs_shape",
    "get_conv_gradinputs_shape",
    "get_conv_gradinputs_shape_1axis",
    "get_conv_gradweights_shape",
    "get_conv_gradweights_shape_1axis",
    "get_conv_output_shape",
    "get_conv_shape_1axis",
]

_integers = (int, np.integer)


def _is_length(value: Any) -> bool:
    return isinstance(value, _integers) and not isinstance(value, bool) and bool(value >= 0)


def check_border(mode: Any, convdim: int) -> Any:
    """`mode` as a name or a tuple with a pair (zeros in front, zeros behind) for each dimension.

    ValueError if it is neither "valid", "full", "half", a length, nor `convdim` lengths or pairs.
    """
    if isinstance(mode, str) and mode in ("valid", "full", "half"):
        return mode
    if _is_length(mode):
        mode = (mode,) * convdim
    if not isinstance(mode, (tuple, list)):
        raise PhintysValueError(
            f'invalid border_mode {mode!r}, which must be either "valid", "full", "half", '
            "an integer or a tuple of integers or pairs of integers, none of them negative"
        )
    if len(mode) != convdim:
        raise PhintysValueError(
            f"invalid border_mode {mode!r} which must be a tuple of length {convdim}"
        )
    pads = []
    for m in mode:
        if _is_length(m):
            pads.append((int(m), int(m)))
        elif isinstance(m, (tuple, list)) and len(m) == 2 and all(map(_is_length, m)):
            pads.append((int(m[0]), int(m[1])))
        else:
            raise PhintysValueError(
                f"invalid border_mode {mode!r}. The tuple can only contain integers or tuples of "
                "length 2, none of them negative"
            )
    return tuple(pads)


def border_mode_to_pad(mode: Any, convdim: int, kshp: Sequence[Any]) -> tuple[Any, ...]:
    """The zeros in front of and behind each dimension that a `border_mode` means.

    `kshp` is the (dilated) shape of a filter: numbers or scalars.

    >>> border_mode_to_pad("half", 2, (5, 3)), border_mode_to_pad((1, (0, 2)), 2, (5, 3))
    (((2, 2), (1, 1)), ((1, 1), (0, 2)))
    """
    mode = check_border(mode, convdim)
    if mode == "full":
        return tuple((kshp[i] - 1,) * 2 for i in range(convdim))
    if mode == "half":
        return tuple((kshp[i] // 2,) * 2 for i in range(convdim))
    if mode == "valid":
        return ((0, 0),) * convdim
    return mode


def _axis_pad(border_mode: Any, dilated: Any) -> tuple[Any, Any]:
    """Zeros in front and behind for the border mode of one axis."""
    if isinstance(border_mode, tuple):
        low, high = border_mode
    elif isinstance(border_mode, str):
        low, high = border_mode_to_pad(border_mode, 1, (dilated,))[0]
    else:
        low = high = border_mode
    for pad in (low, high):
        if isinstance(pad, _integers) and pad < 0:
            raise PhintysValueError("border_mode must be >= 0")
    return low, high


def _add(*terms: Any) -> Any:
    """A sum without the terms that are the number 0."""
    kept = [t for t in terms if not (isinstance(t, _integers) and t == 0)]
    total = kept[0] if kept else 0
    for t in kept[1:]:
        total = total + t
    return total


def get_conv_shape_1axis(
    image_shape: Any, kernel_shape: Any, border_mode: Any, subsample: Any, dilation: Any = 1
) -> Any:
    """The length of a convolution's output on one axis; None if an operand is None.

    >>> get_conv_shape_1axis(10, 3, "half", 2)
    5
    """
    if None in (image_shape, kernel_shape, border_mode, subsample, dilation):
        return None
    dilated = (kernel_shape - 1) * dilation + 1
    low, high = _axis_pad(border_mode, dilated)
    out = _add(image_shape, low, high) - dilated
    if not (isinstance(subsample, _integers) and subsample == 1):
        out = out // subsample
    return out + 1


def _entries(shape: Any) -> Sequence[Any]:
    """A shape that may be a vector variable, such as ``x.shape``, as a list of scalars."""
    return as_lengths(shape, "shape") if isinstance(shape, _core.Variable) else shape


def _per_axis(border_mode: Any, n: int) -> list[Any]:
    if isinstance(border_mode, (tuple, list)):
        return list(border_mode)
    return [border_mode] * n


def get_conv_output_shape(
    image_shape: Sequence[Any],
    kernel_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[Any],
    filter_dilation: Sequence[Any] | None = None,
) -> tuple[Any, ...]:
    """The shape of the output of a convolution in any number of dimensions.

    >>> get_conv_output_shape((2, 3, 28, None), (8, 3, 5, 5), "valid", (1, 1))
    (2, 8, 24, None)
    """
    image_shape, kernel_shape = _entries(image_shape), _entries(kernel_shape)
    n = len(image_shape) - 2
    dilation = [1] * n if filter_dilation is None else filter_dilation
    borders = _per_axis(border_mode, n)
    spatial = tuple(
        get_conv_shape_1axis(image, kernel, border, step, d)
        for image, kernel, border, step, d in zip(
            image_shape[2:], kernel_shape[len(kernel_shape) - n :], borders, subsample, dilation,
            strict=True,
        )
    )  # fmt: skip
    return (image_shape[0], kernel_shape[0], *spatial)


def get_conv_gradweights_shape_1axis(
    image_shape: Any, top_shape: Any, border_mode: Any, subsample: Any, dilation: Any = 1
) -> Any:
    """The length of a filter on one axis, or None where that is not determined."""
    if None in (image_shape, top_shape, border_mode, subsample, dilation):
        return None
    if subsample != 1 or border_mode == "half":
        return None
    if border_mode == "full":
        extent = top_shape - image_shape
    else:
        low, high = _axis_pad(border_mode, 1) if border_mode != "valid" else (0, 0)
        extent = _add(image_shape, low, high) - top_shape
    if dilation != 1:
        extent = extent // dilation
    return extent + 1


def get_conv_gradweights_shape(
    image_shape: Sequence[Any],
    top_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[Any],
    filter_dilation: Sequence[Any] | None = None,
    num_groups: int = 1,
    unshared: bool = False,
) -> tuple[Any, ...]:
    """The shape of the filters, with None where input and output do not determine it."""
    image_shape, top_shape = _entries(image_shape), _entries(top_shape)
    n = len(image_shape) - 2
    dilation = [1] * n if filter_dilation is None else filter_dilation
    channels = None if image_shape[1] is None else image_shape[1] // num_groups
    taps = tuple(
        map(
            get_conv_gradweights_shape_1axis,
            image_shape[2:],
            top_shape[2:],
            _per_axis(border_mode, n),
            subsample,
            dilation,
        )
    )
    points = tuple(top_shape[2:]) if unshared else ()
    return (top_shape[1], *points, channels, *taps)


def get_conv_gradinputs_shape_1axis(
    kernel_shape: Any, top_shape: Any, border_mode: Any, subsample: Any, dilation: Any
) -> Any:
    """The length of the input on one axis, or None where that is not determined."""
    if None in (kernel_shape, top_shape, border_mode, subsample, dilation):
        return None
    if subsample != 1:
        return None
    dilated = (kernel_shape - 1) * dilation + 1
    low, high = _axis_pad(border_mode, dilated)
    return top_shape + dilated - 1 - low - high


def get_conv_gradinputs_shape(
    kernel_shape: Sequence[Any],
    top_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[Any],
    filter_dilation: Sequence[Any] | None = None,
    num_groups: int = 1,
) -> tuple[Any, ...]:
    """The shape of the input, with None where filters and output do not determine it."""
    kernel_shape, top_shape = _entries(kernel_shape), _entries(top_shape)
    n = len(top_shape) - 2
    dilation = [1] * n if filter_dilation is None else filter_dilation
    channels = kernel_shape[len(kernel_shape) - n - 1]
    spatial = tuple(
        map(
            get_conv_gradinputs_shape_1axis,
            kernel_shape[len(kernel_shape) - n :],
            top_shape[2:],
            _per_axis(border_mode, n),
            subsample,
            dilation,
        )
    )
    return (top_shape[0], None if channels is None else channels * num_groups, *spatial)


def check_conv_gradinputs_shape(
    image_shape: Sequence[Any],
    kernel_shape: Sequence[Any],
    output_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[Any],
    filter_dilation: Sequence[Any] | None = None,
) -> bool:
    """Whether the three shapes can belong to one convolution, as far as they are numbers."""
    if len(image_shape) != len(output_shape):
        return False
    computed = get_conv_output_shape(
        image_shape, kernel_shape, border_mode, subsample, filter_dilation
    )
    return all(
        int(given) == int(found)
        for given, found in zip(output_shape, computed, strict=True)
        if isinstance(given, _integers) and isinstance(found, _integers)
    )


def assert_conv_shape(shape: Sequence[Any]) -> tuple[Any, ...]:
    """`shape`, after checks that no length is negative and no spatial one 0.

    Numbers are checked at once (AssertionError), variables when the function runs.
    """
    checked = []
    for i, length in enumerate(shape):
        relation = "< 0" if i < 2 else "<= 0"
        least = 0 if i < 2 else 1
        try:
            value = get_scalar_constant_value(as_tensor_variable(length))
        except NotScalarConstantError:
            text = f"The convolution would produce an invalid shape (dim[{i}] {relation})."
            checked.append(Assert(text)(length, _core.elemwise("ge", length, least)))
            continue
        if value < least:
            raise PhintysAssertionError(
                f"The convolution would produce an invalid shape (dim[{i}]: {value} {relation})."
            )
        checked.append(length)
    return tuple(checked)


def assert_shape(
    x: Any, expected_shape: Sequence[Any] | None, msg: str = "Unexpected shape."
) -> Any:
    """`x`, checked at run time to have the lengths in `expected_shape` that are not None.

    Nothing is checked unless ``config.conv.assert_shape`` is set.
    """
    if expected_shape is None or not config.conv.assert_shape:
        return x
    tests = [
        _core.elemwise("eq", _core.shape_i(x, i), as_tensor_variable(expected))
        for i, expected in enumerate(expected_shape)
        if expected is not None
    ]
    return Assert(msg)(x, *tests) if tests else x

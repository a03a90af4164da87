"""Maxima, sums and averages over windows, under the names of ``theano.tensor.signal.pool``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysNotImplementedError, PhintysTypeError, PhintysValueError
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import function_named

__all__ = [
    "AveragePoolGrad",
    "DownsampleFactorMaxGradGrad",
    "MaxPoolGrad",
    "Pool",
    "max_pool_2d_same_size",
    "pool_1d",
    "pool_2d",
    "pool_3d",
]

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def _parameter(value: Any, ndim: int, what: str) -> Any:
    """An integer vector with an entry for each pooled axis; one integer stands for all axes."""
    if isinstance(value, int):
        value = (value,) * ndim
    if isinstance(value, (tuple, list)):
        if len(value) != ndim:
            raise PhintysValueError(f"{what} must have {ndim} entries, got {value}")
        if not any(isinstance(v, _core.Variable) for v in value):
            for v in value:
                if int(v) != v:
                    raise PhintysTypeError(f"{what} parameters must be ints.")
            value = [int(v) for v in value]
    value = as_tensor_variable(value)
    if value.dtype not in integer_dtypes:
        raise PhintysTypeError(f"{what} parameters must be ints.")
    return _core.cast(value, "int64")


class _Windows:
    """What the op classes have in common: the form of the windows."""

    name = ""

    def __init__(self, ignore_border: bool, mode: str, ndim: int) -> None:
        if mode not in MODES:
            raise PhintysValueError(
                "Pool mode parameter only support 'max', 'sum', 'average_inc_pad' and "
                f"'average_exc_pad'. Got {mode}"
            )
        self.ignore_border = bool(ignore_border)
        self.mode = mode
        self.ndim = ndim

    def _parameters(self, ws: Any, stride: Any, pad: Any) -> list[Any]:
        n = self.ndim
        stride = ws if stride is None else stride
        pad = (0,) * n if pad is None else pad
        plain = isinstance(pad, (tuple, list)) and all(isinstance(p, int) for p in pad)
        if plain and max(pad, default=0) != 0:
            if not self.ignore_border:
                raise PhintysNotImplementedError("padding works only with ignore_border=True")
            if isinstance(ws, (tuple, list)) and all(isinstance(w, int) for w in ws):
                if any(p >= w for p, w in zip(pad, ws, strict=False)):
                    raise PhintysNotImplementedError("padding must be smaller than strides")
        return [
            _parameter(ws, n, "Window shape"),
            _parameter(stride, n, "Stride"),
            _parameter(pad, n, "Padding"),
        ]

    def _apply(self, tensors: Sequence[Any], ws: Any, stride: Any, pad: Any) -> Any:
        inputs = [*tensors, *self._parameters(ws, stride, pad)]
        return _core.apply(
            self.name, inputs, ignore_border=self.ignore_border, mode=self.mode, ndim=self.ndim
        )

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}{{ignore_border={self.ignore_border}, "
            f"mode={self.mode!r}, ndim={self.ndim}}}"
        )


class Pool(_Windows):
    """The op behind :func:`pool_2d`: ``Pool(ignore_border, mode, ndim)(x, ws, stride, pad)``.

    The last `ndim` dimensions of `x` are pooled. `ws`, `stride` and `pad` are tuples of integers or
    integer vectors, which may be symbolic.
    """

    name = "pool"

    def __init__(
        self, ignore_border: bool = False, mode: str = "max", ndim: int = 2, openmp: Any = None
    ) -> None:
        super().__init__(ignore_border, mode, ndim)

    def __call__(self, x: Any, ws: Any, stride: Any = None, pad: Any = None) -> Any:
        x = as_tensor_variable(x)
        if x.ndim < self.ndim:
            raise PhintysTypeError(f"{self}: at least {self.ndim} dimensions are needed: {x.type}")
        wanted = x.dtype
        # Halves are pooled as singles; averages of integers are cut towards zero.
        if wanted == "float16":
            x = _core.cast(x, "float32")
        elif wanted == "bool":
            x = _core.cast(x, "uint8")
        elif wanted in integer_dtypes and self.mode.startswith("average"):
            x = _core.cast(x, "float64")
        z = self._apply([x], ws, stride, pad)
        if z.dtype == "float64" and wanted in integer_dtypes:
            z = function_named("trunc")(z)
        return _core.cast(z, wanted)

    @staticmethod
    def out_shape(
        imgshape: Any,
        ws: Any = None,
        ignore_border: bool = False,
        stride: Any = None,
        pad: Any = None,
        ndim: int = 2,
        ds: Any = None,
        st: Any = None,
        padding: Any = None,
    ) -> list[Any]:
        """The shape of the result for an input of shape `imgshape` (numbers or variables)."""
        ws, stride, pad = _new_names(ws, stride, pad, ds, st, padding)
        if len(imgshape) < ndim:
            raise PhintysTypeError(f"imgshape must have at least {ndim} dimensions")
        stride = ws if stride is None else stride
        pad = (0,) * ndim if pad is None else pad
        lead, lengths = list(imgshape[: len(imgshape) - ndim]), imgshape[len(imgshape) - ndim :]
        sizes = zip(lengths, ws, stride, pad, strict=True)
        return lead + [_out_length(n + 2 * p, w, s, ignore_border) for n, w, s, p in sizes]


def _out_length(n: Any, window: Any, stride: Any, ignore_border: bool) -> Any:
    symbolic = any(isinstance(v, _core.Variable) for v in (n, window, stride))
    maximum = function_named("maximum") if symbolic else max
    if ignore_border:
        return maximum((n - window) // stride + 1, 0)
    apart = (n - 1) // stride + 1
    close = maximum((n - 1 - window) // stride + 1, 0) + 1
    if symbolic:
        return function_named("switch")(as_tensor_variable(stride) >= window, apart, close)
    return apart if stride >= window else close


class MaxPoolGrad(_Windows):
    """The gradient of maxima: ``MaxPoolGrad(ignore_border, ndim)(x, maxima, gz, ws, ...)``.

    Every element that equals the maximum of its window gets that window's gradient.
    """

    name = "max_pool_grad"

    def __init__(self, ignore_border: bool, ndim: int = 2, openmp: Any = None) -> None:
        super().__init__(ignore_border, "max", ndim)

    def __call__(
        self, x: Any, maxout: Any, gz: Any, ws: Any, stride: Any = None, pad: Any = None
    ) -> Any:
        x = as_tensor_variable(x)
        tensors = [x, *(_core.cast(as_tensor_variable(v), x.dtype) for v in (maxout, gz))]
        return self._apply(tensors, ws, stride, pad)


class DownsampleFactorMaxGradGrad(_Windows):
    """The values of `ggx` where `x` has the maxima of windows, summed over each window."""

    name = "max_pool_grad_grad"

    def __init__(
        self, ignore_border: bool, mode: str = "max", ndim: int = 2, openmp: Any = None
    ) -> None:
        super().__init__(ignore_border, mode, ndim)

    def __call__(
        self, x: Any, maxout: Any, ggx: Any, ws: Any, stride: Any = None, pad: Any = None
    ) -> Any:
        x = as_tensor_variable(x)
        tensors = [x, *(_core.cast(as_tensor_variable(v), x.dtype) for v in (maxout, ggx))]
        return self._apply(tensors, ws, stride, pad)


class AveragePoolGrad(_Windows):
    """The gradient of averages and sums: ``AveragePoolGrad(ignore_border, mode)(x, gz, ws, ...)``.

    Of `x` the shape alone is used.
    """

    name = "average_pool_grad"

    def __init__(
        self, ignore_border: bool, mode: str = "average_inc_pad", ndim: int = 2, openmp: Any = None
    ) -> None:
        super().__init__(ignore_border, mode, ndim)

    def __call__(self, x: Any, gz: Any, ws: Any, stride: Any = None, pad: Any = None) -> Any:
        x = as_tensor_variable(x)
        lengths = [_core.shape_i(x, x.ndim - self.ndim + i) for i in range(self.ndim)]
        return self._apply([as_tensor_variable(lengths), as_tensor_variable(gz)], ws, stride, pad)


def _new_names(ws: Any, stride: Any, pad: Any, ds: Any, st: Any, padding: Any) -> tuple[Any, ...]:
    """Window, stride and padding from their names since Theano 0.9 and the older ones."""

    def old(name: str, new: str) -> None:
        warnings.warn(
            f"DEPRECATION: the '{name}' parameter is not going to exist anymore as it is going to "
            f"be replaced by the parameter '{new}'.",
            stacklevel=4,
        )

    if ds is not None:
        if ws is not None:
            raise PhintysValueError(
                "You can't provide a tuple value to both 'ws' and 'ds'. "
                "Please provide a value only to 'ws'."
            )
        old("ds", "ws")
        ws = ds
    elif ws is None:
        raise PhintysValueError("You must provide a tuple value for the window size.")
    if st is not None:
        if stride is not None:
            raise PhintysValueError(
                "You can't provide a tuple value to both 'st and 'stride'. "
                "Please provide a value only to 'stride'."
            )
        old("st", "stride")
        stride = st
    if padding is not None:
        if not (pad is None or (isinstance(pad, (tuple, list)) and not any(pad))):
            raise PhintysValueError(
                "You can't provide a tuple value to both 'padding' and pad. "
                "Please provide a value only to pad."
            )
        old("padding", "pad")
        pad = padding
    return ws, stride, pad


def _pool(x: Any, ws: Any, ignore_border: Any, stride: Any, pad: Any, mode: str, ndim: int) -> Any:
    x = as_tensor_variable(x)
    if x.ndim < ndim:
        raise PhintysNotImplementedError(f"pool_{ndim}d requires a dimension >= {ndim}")
    if ignore_border is None:
        warnings.warn(
            f"pool_{ndim}d() will have the parameter ignore_border default value changed to True "
            "(currently False). To have consistent behavior with all Theano version, explicitly "
            "add the parameter ignore_border=True.",
            stacklevel=3,
        )
        ignore_border = False
    return Pool(ignore_border, mode=mode, ndim=ndim)(x, ws, stride, pad)


def pool_2d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Any:
    """Pools windows of the last two dimensions of `input`.

    Parameters
    ----------
    input
        A tensor of two dimensions or more.
    ws
        Heights and widths of the windows: two integers, or an integer vector.
    ignore_border
        True: windows that reach past the end are left out. False: they are cut off at the end. The
        default is False, with a warning.
    stride
        How far the windows are apart; `ws` by default.
    pad
        How many elements are added on each side; smaller than `ws`, and only with
        ``ignore_border=True``. They never are a maximum.
    mode
        ``"max"``, ``"sum"``, ``"average_inc_pad"`` (padding counts) or ``"average_exc_pad"``.
    ds, st, padding
        Old names of `ws`, `stride` and `pad`.

    The gradient of a maximum goes to all elements that equal it. ValueError for unknown modes,
    NotImplementedError for fewer than two dimensions or padding that does not work.

    >>> import numpy as np
    >>> pool_2d(np.arange(16.0).reshape(4, 4), (2, 2), ignore_border=True).eval()
    array([[ 5.,  7.],
           [13., 15.]])
    """
    ws, stride, pad = _new_names(ws, stride, pad, ds, st, padding)
    return _pool(input, ws, ignore_border, stride, pad, mode, 2)


def pool_3d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
) -> Any:
    """:func:`pool_2d` over the last three dimensions."""
    ws, stride, pad = _new_names(ws, stride, pad, ds, st, padding)
    return _pool(input, ws, ignore_border, stride, pad, mode, 3)


def pool_1d(
    input: Any,
    ws: Any,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0,),
    mode: str = "max",
) -> Any:
    """:func:`pool_2d` over the last dimension; `ws`, `stride`, `pad` are integers or 1-tuples."""
    return _pool(input, ws, ignore_border, stride, pad, mode, 1)


def max_pool_2d_same_size(input: Any, patch_size: Any) -> Any:
    """`input` with all but the maxima of patches of its last two dimensions set to zero.

    Elements behind the last whole patch are zero too.
    """
    x = as_tensor_variable(input)
    maxima = Pool(True)(x, patch_size)
    return MaxPoolGrad(True)(x, maxima, maxima, patch_size)

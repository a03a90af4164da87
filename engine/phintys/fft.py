"""Fourier transforms with the names and meaning of ``numpy.fft``.

Every function takes variables or arrays of any rank and transforms along `axis` (or `axes`);
results are complex128, or complex64 for float32 and complex64 operands. The transform of n elements
is ``y[k] = sum_j x[j] exp(-2 pi i j k / n)``. `norm` says where it is scaled: ``"backward"`` (the
default) scales inverse transforms by 1/n, ``"forward"`` forward ones, ``"ortho"`` both by
1/sqrt(n), ``"no_norm"`` none. Any length is transformed in O(n log n). All have gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.creation import arange, zeros
from phintys.tensor.elemwise import cast
from phintys.tensor.shape import normalize_axis, roll
from phintys.tensor.subtensor import set_subtensor, slice_at_axis

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

_NONE, _BY_N, _BY_SQRT_N = 0, 1, 2
_SCALES = {
    None: (_NONE, _BY_N),
    "backward": (_NONE, _BY_N),
    "ortho": (_BY_SQRT_N, _BY_SQRT_N),
    "forward": (_BY_N, _NONE),
    "no_norm": (_NONE, _NONE),
}


def _scale(norm: Any, inverse: bool, what: str) -> int:
    try:
        return _SCALES[norm][inverse]
    except (KeyError, TypeError):
        names = ", ".join(repr(n) for n in _SCALES)
        raise PhintysValueError(f"{what}: norm must be one of {names}, got {norm!r}") from None


def _complex(a: Any, what: str) -> Any:
    a = as_tensor_variable(a)
    if a.ndim == 0:
        raise PhintysValueError(
            f"{what}: a tensor of at least one dimension is needed, got a scalar"
        )
    if a.dtype.startswith("complex"):
        return a
    return cast(a, "complex64" if a.dtype in ("float16", "float32") else "complex128")


def _real(a: Any, what: str) -> Any:
    a = as_tensor_variable(a)
    if a.ndim == 0:
        raise PhintysValueError(
            f"{what}: a tensor of at least one dimension is needed, got a scalar"
        )
    if a.dtype.startswith("complex"):
        raise PhintysTypeError(f"{what}: real numbers are needed, got {a.type}")
    if a.dtype == "float16":
        return cast(a, "float32")
    return a if a.dtype.startswith("float") else cast(a, "float64")


def _resized(a: Any, n: Any, axis: int) -> Any:
    """`a` cut, or filled up with zeros at its end, to length `n` along `axis`."""
    if n is None:
        return a
    known = a.type.shape[axis]
    if isinstance(n, int) and known == n:
        return a
    if isinstance(n, int) and n < 1:
        raise PhintysValueError(f"a Fourier transform needs at least one element, got n={n}")
    part = slice_at_axis(a, slice(None, n), axis)
    if isinstance(n, int) and known is not None and known > n:
        return part
    lengths = [n if i == axis else a.shape[i] for i in range(a.ndim)]
    blank = zeros(lengths, a.dtype)
    return set_subtensor(slice_at_axis(blank, slice(None, part.shape[axis]), axis), part)


def _transform(a: Any, n: Any, axis: int, norm: Any, inverse: bool, what: str) -> Any:
    a = _complex(a, what)
    axis = normalize_axis(axis, a.ndim, what)
    a = _resized(a, n, axis)
    return _core.apply("fft", [a], axis=axis, inverse=inverse, scale=_scale(norm, inverse, what))


def fft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform of `a` along `axis`, cut or padded with zeros to length `n`."""
    return _transform(a, n, axis, norm, False, "fft")


def ifft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of :func:`fft`."""
    return _transform(a, n, axis, norm, True, "ifft")


def rfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Any:
    """Elements 0 to n/2 of the transform of real `a`; the others are their conjugates."""
    a = _real(a, "rfft")
    axis = normalize_axis(axis, a.ndim, "rfft")
    a = _resized(a, n, axis)
    scale = _scale(norm, False, "rfft")
    return _core.apply("rfft", [a], axis=axis, doubled=False, scale=scale)


def irfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of :func:`rfft`: a real sequence of length `n`.

    The default of `n` is 2 (m - 1) for m elements. `a` is cut or padded with zeros to n/2 + 1
    elements along `axis`.
    """
    a = _complex(a, "irfft")
    axis = normalize_axis(axis, a.ndim, "irfft")
    if n is None:
        known = a.type.shape[axis]
        n = (a.shape[axis] if known is None else known) * 2 - 2
    else:
        a = _resized(a, n // 2 + 1, axis)
    length = cast(as_tensor_variable(n), "int64")
    scale = _scale(norm, True, "irfft")
    return _core.apply("irfft", [a, length], axis=axis, doubled=True, scale=scale)


def _swapped(norm: Any) -> Any:
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


def hfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Any:
    """The real transform, of length `n`, of a Hermitian sequence of which `a` is the half."""
    return irfft(_core.elemwise("conj", _complex(a, "hfft")), n, axis, _swapped(norm))


def ihfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of :func:`hfft`."""
    return _core.elemwise("conj", rfft(a, n, axis, _swapped(norm)))


def _axes_lengths(a: Any, s: Any, axes: Any, what: str) -> list[tuple[int, Any]]:
    if axes is None:
        count = a.ndim if s is None else len(s)
        axes = range(a.ndim - count, a.ndim)
    axes = [normalize_axis(axis, a.ndim, what) for axis in axes]
    lengths = [None] * len(axes) if s is None else list(s)
    if len(lengths) != len(axes):
        raise PhintysValueError(f"{what}: {len(lengths)} lengths for {len(axes)} axes")
    return list(zip(axes, lengths, strict=True))


def fftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The transform along several axes (all, or the last ``len(s)``), with lengths `s`."""
    a = _complex(a, "fftn")
    for axis, n in reversed(_axes_lengths(a, s, axes, "fftn")):
        a = _transform(a, n, axis, norm, False, "fftn")
    return a


def ifftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of :func:`fftn`."""
    a = _complex(a, "ifftn")
    for axis, n in reversed(_axes_lengths(a, s, axes, "ifftn")):
        a = _transform(a, n, axis, norm, True, "ifftn")
    return a


def rfftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The transform of real `a` along several axes; half of it along the last of them."""
    a = _real(a, "rfftn")
    pairs = _axes_lengths(a, s, axes, "rfftn")
    if not pairs:
        raise PhintysValueError("rfftn: at least one axis is needed")
    a = rfft(a, pairs[-1][1], pairs[-1][0], norm)
    for axis, n in reversed(pairs[:-1]):
        a = _transform(a, n, axis, norm, False, "rfftn")
    return a


def irfftn(
    a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Any:
    """The inverse of :func:`rfftn`; the last of `s` is the length of the real sequence."""
    a = _complex(a, "irfftn")
    pairs = _axes_lengths(a, s, axes, "irfftn")
    if not pairs:
        raise PhintysValueError("irfftn: at least one axis is needed")
    for axis, n in pairs[:-1]:
        a = _transform(a, n, axis, norm, True, "irfftn")
    return irfft(a, pairs[-1][1], pairs[-1][0], norm)


def fft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """:func:`fftn` along two axes."""
    return fftn(a, s, axes, norm)


def ifft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """:func:`ifftn` along two axes."""
    return ifftn(a, s, axes, norm)


def rfft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """:func:`rfftn` along two axes."""
    return rfftn(a, s, axes, norm)


def irfft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """:func:`irfftn` along two axes."""
    return irfftn(a, s, axes, norm)


def _shifted(x: Any, axes: Any, forward: bool) -> Any:
    x = as_tensor_variable(x)
    if axes is None:
        axes = range(x.ndim)
    elif isinstance(axes, int):
        axes = [axes]
    for axis in axes:
        axis = normalize_axis(axis, x.ndim, "fftshift")
        half = x.shape[axis] // 2
        x = roll(x, half if forward else x.shape[axis] - half, axis)
    return x


def fftshift(x: Any, axes: Any = None) -> Any:
    """`x` with the element of frequency zero in the middle of the axes (all by default)."""
    return _shifted(x, axes, True)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of :func:`fftshift`."""
    return _shifted(x, axes, False)


def fftfreq(n: Any, d: Any = 1.0) -> Any:
    """The frequencies of the elements of a transform of length `n` at sample spacing `d`."""
    n = as_tensor_variable(n)
    k = arange(n)
    positive = (n - 1) // 2
    k = _core.elemwise("switch", k <= positive, k, k - n)
    return cast(k, "float64") / (cast(n, "float64") * d)


def rfftfreq(n: Any, d: Any = 1.0) -> Any:
    """The frequencies of the elements of :func:`rfft` of length `n` at sample spacing `d`."""
    n = as_tensor_variable(n)
    return cast(arange(n // 2 + 1), "float64") / (cast(n, "float64") * d)

"""``theano.tensor.fourier``: the transform along one axis as an op with complex results."""

from __future__ import annotations

from typing import Any

from phintys.fft import fft as _transform

__all__ = ["Fourier", "fft"]


class Fourier:
    """``Fourier()(a, n, axis)``: see :func:`fft`."""

    def __call__(self, a: Any, n: Any = None, axis: int | None = None) -> Any:
        """The transform of `a` along `axis` (the last by default)."""
        return _transform(a, n, -1 if axis is None else int(axis))


fft = Fourier()

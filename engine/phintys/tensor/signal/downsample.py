"""The names that pooling had before Theano 0.9: ``theano.tensor.signal.downsample``."""

from __future__ import annotations

from typing import Any

from phintys.tensor.signal.pool import Pool, max_pool_2d_same_size, pool_2d

__all__ = ["DownsampleFactorMax", "max_pool_2d", "max_pool_2d_same_size"]


def max_pool_2d(
    input: Any,
    ds: Any,
    ignore_border: bool | None = None,
    st: Any = None,
    padding: Any = (0, 0),
    mode: str = "max",
) -> Any:
    """:func:`phintys.tensor.signal.pool.pool_2d` with windows `ds`, strides `st`."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)


class DownsampleFactorMax(Pool):
    """:class:`Pool` with the form of its windows given at once: ``DownsampleFactorMax(ds)(x)``."""

    def __init__(
        self,
        ds: Any,
        ignore_border: bool = False,
        st: Any = None,
        padding: Any = (0, 0),
        mode: str = "max",
        openmp: Any = None,
    ) -> None:
        super().__init__(ignore_border, mode)
        self.ds, self.st, self.padding = ds, st, padding

    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """The pooled `x`."""
        return super().__call__(x, self.ds, self.st, self.padding)

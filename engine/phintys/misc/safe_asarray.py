"""``theano.misc.safe_asarray``."""

from phintys.scalar.dtypes import asarray as _asarray

__all__ = ["_asarray"]

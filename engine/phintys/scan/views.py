"""``theano.scan.views``."""

from phintys.scan_module.scan_views import foldl, foldr, map, reduce

__all__ = ["foldl", "foldr", "map", "reduce"]

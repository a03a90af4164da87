"""Loops: ``theano.scan_module``."""

from __future__ import annotations

from phintys.scan_module import scan_op, scan_utils
from phintys.scan_module.scan import scan
from phintys.scan_module.scan_checkpoints import scan_checkpoints
from phintys.scan_module.scan_utils import until
from phintys.scan_module.scan_views import foldl, foldr, map, reduce

# PyTensor's programs write ``scan.until``.
for _function in (foldl, foldr, map, reduce, scan_checkpoints, until):
    setattr(scan, _function.__name__, _function)
for _name, _module in (("op", scan_op), ("utils", scan_utils)):
    setattr(scan, _name, _module)

__all__ = [
    "foldl",
    "foldr",
    "map",
    "reduce",
    "scan",
    "scan_checkpoints",
    "scan_op",
    "scan_utils",
    "until",
]

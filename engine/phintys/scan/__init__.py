"""Loops, where Theano-PyMC and PyTensor have them: ``theano.scan``.

The name ``phintys.scan`` is the function of that name, which this package hides behind.
"""

from __future__ import annotations

from phintys.scan_module import foldl, foldr, map, reduce, scan, scan_checkpoints, until

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until"]

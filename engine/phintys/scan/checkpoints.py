"""``theano.scan.checkpoints``."""

from phintys.scan_module.scan_checkpoints import scan_checkpoints

__all__ = ["scan_checkpoints"]

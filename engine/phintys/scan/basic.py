"""``theano.scan.basic``."""

from phintys.scan_module.scan import scan

__all__ = ["scan"]

"""``theano.scan.op``."""

from phintys.scan_module.scan_op import Scan

__all__ = ["Scan"]

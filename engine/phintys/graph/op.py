"""``theano.graph.op``."""

from phintys.gof.op import Op, get_test_value

__all__ = ["Op", "get_test_value"]

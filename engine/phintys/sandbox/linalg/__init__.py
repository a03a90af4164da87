"""The names of ``theano.sandbox.linalg``."""

from phintys.sandbox.linalg.ops import *  # noqa: F403
from phintys.sandbox.linalg.ops import __all__  # noqa: F401

"""``theano.scalar.basic``: the dtype rules."""

from phintys.scalar import *  # noqa: F403

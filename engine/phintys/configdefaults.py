"""``theano.configdefaults``: the settings."""

from phintys.config import config

__all__ = ["config"]

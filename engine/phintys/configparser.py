"""``theano.configparser``: settings and their temporary change."""

from __future__ import annotations

import hashlib

from phintys.config import Config as TheanoConfigParser
from phintys.config import change_flags, config

__all__ = ["TheanoConfigParser", "change_flags", "config", "get_config_hash"]


def get_config_hash() -> str:
    """A text that differs for different settings."""
    values = "\n".join(f"{name}={config._get(name)}" for name in config)
    return hashlib.sha256(values.encode()).hexdigest()

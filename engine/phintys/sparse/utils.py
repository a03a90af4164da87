"""Helpers for values of sparse variables."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

__all__ = ["hash_from_sparse"]


def hash_from_sparse(data: Any) -> str:
    """A hash of a SciPy matrix: of its format, dtype, shape and stored entries."""
    digest = hashlib.sha256(repr((data.format, str(data.dtype), data.shape)).encode())
    for part in (data.data, data.indices, data.indptr):
        digest.update(repr(part.dtype).encode())
        digest.update(np.ascontiguousarray(part).tobytes())
        digest.update(b"|")
    return digest.hexdigest()

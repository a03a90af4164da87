"""The GPU: whether functions can run on one."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["status"]

_PLUGIN = "libphintys_cuda.so"


def status() -> dict[str, Any]:
    """What is known of the GPU plug-in.

    Returns a dict: ``plugin`` (path of the plug-in, or None if the package was built without it),
    ``available`` (whether functions can run on a GPU) and ``reason`` (why not, or "").
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    candidates = [os.path.join(folder, sub, _PLUGIN) for sub in ("", "lib", "lib64")]
    plugin = next((path for path in candidates if os.path.isfile(path)), None)
    if plugin is None:
        reason = "the package was built without the CUDA plug-in"
    else:
        reason = "the plug-in holds no kernels yet: functions run on the CPU"
    return {"plugin": plugin, "available": False, "reason": reason}

"""GPUs: what there is, arrays on them, and their streams.

``phintys.config.device = "cuda"``, or ``phintys.function(..., device="cuda")``, runs functions on a
GPU. Devices are named ``"cuda"`` (the first), ``"cuda:1"`` and so on; wherever a device is asked
for, its number or a device of ``cuda.core`` (the package ``cuda-python``) will do too.

What is said of GPUs here holds for devices of any other plug-in, under their own names.
"""

from __future__ import annotations

from typing import Any

from phintys import _core, plugins
from phintys.device_array import Array, asarray, on_device, stream_handle
from phintys.device_array import _device_name as _name_of
from phintys.plugins import add_plugin, kinds

__all__ = [
    "Array",
    "Stream",
    "add_plugin",
    "asarray",
    "devices",
    "kinds",
    "memory_info",
    "on_device",
    "status",
    "stream",
    "synchronize",
    "trim",
    "wait_for",
]

_KIND = "cuda"


def _device(device: Any) -> str:
    name = plugins.device_of(_name_of(device))
    if name == "cpu":
        raise ValueError("the host is no device in this sense")
    return name


def status() -> dict[str, Any]:
    """What is known of the GPUs.

    Returns a dict: ``plugin`` (path of the plug-in, or None if the package was built without it),
    ``available`` (whether functions can run on a GPU), ``reason`` (why not, or "") and ``devices``
    (see :func:`devices`). Never raises.
    """
    path = plugins.plugin_path(_KIND)
    if path is None:
        reason = "the package was built without the CUDA plug-in"
        return {"plugin": None, "available": False, "reason": reason, "devices": []}
    found = [s for s in plugins.statuses() if s["kind"] == _KIND]
    count, text = (found[0]["devices"], found[0]["text"]) if found else (0, "it cannot be opened")
    if count <= 0:
        return {"plugin": path, "available": False, "reason": text, "devices": []}
    try:
        return {"plugin": path, "available": True, "reason": "", "devices": devices()}
    except Exception as error:
        return {"plugin": path, "available": False, "reason": str(error), "devices": []}


def devices() -> list[dict[str, Any]]:
    """The GPUs: of each a dict of ``name`` ("cuda:0") and what is known. An empty list if none.

    ``description`` is a line of text, ``free`` and ``total`` are bytes of memory, and ``products``
    says whether products of matrices go to cuBLAS or to kernels of our own.
    """
    result = []
    count = sum(s["devices"] for s in plugins.statuses() if s["kind"] == _KIND)
    for index in range(count):
        name = _device(index)
        memory = _core.device_memory(name)
        result.append(
            {
                "name": name,
                "description": _core.describe_device(name),
                "free": memory["free"],
                "total": memory["total"],
                "products": _core.product_library(name),
            }
        )
    return result


def synchronize(device: Any = 0) -> None:
    """Waits until all that was queued on a device is done; raises the error of what failed."""
    _core.synchronize_device(_device(device))


def memory_info(device: Any = 0) -> dict[str, int]:
    """Bytes of a device: ``live`` and ``kept`` for reuse here, ``free`` and ``total`` in all."""
    return {name: int(n) for name, n in _core.device_memory(_device(device)).items()}


def trim(device: Any = 0) -> None:
    """Gives memory that is kept for reuse back to the driver."""
    _core.trim_device(_device(device))


class Stream(int):
    """The stream on which a device's work is queued: an int, its native handle.

    ``cuda.core`` takes it as it is: ``Device(0).create_stream(s)``.
    """

    device: str

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, int(self)

    def __repr__(self) -> str:
        return f"<Stream {int(self):#x} of {self.device}>"

    def synchronize(self) -> None:
        """Waits until all that was queued is done."""
        _core.synchronize_device(self.device)

    def wait_for(self, stream: Any) -> None:
        """What is queued here from now on waits for what `stream` has queued so far."""
        wait_for(stream, self.device)


def stream(device: Any = 0) -> Stream:
    """The stream on which all work of a device is queued, for other libraries to wait on."""
    name = _device(device)
    result = Stream(_core.device_stream(name))
    result.device = name
    return result


def wait_for(stream: Any, device: Any = 0) -> None:
    """Functions called from now on wait for what `stream` has queued so far.

    `stream` is a native handle or a stream of ``cuda.core``, ``cuda.bindings``, PyTorch or CuPy.
    :func:`asarray`, and calls with arrays of other libraries, see to it themselves.
    """
    _core.order_after(_device(device), stream_handle(stream))

"""What a card can do, measured through its driver: copies of memory, and replays of a graph."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from gpu.work import NotSupported, Work


def _pointer(array: Any) -> int:
    return int(array.__cuda_array_interface__["data"][0])


class _Driver:
    """The few functions of libcuda that are used, on the context and stream of Phintys."""

    def __init__(self, device: str) -> None:
        import phintys.cuda

        self.library = ctypes.CDLL("libcuda.so.1")
        # The runtime's context is that of the device; Phintys has made it.
        phintys.cuda.synchronize(device)
        self.stream = ctypes.c_void_p(int(phintys.cuda.stream(device)))
        index = int(device.partition(":")[2] or 0)
        handle, context = ctypes.c_int(), ctypes.c_void_p()
        self("cuInit", 0)
        self("cuDeviceGet", ctypes.byref(handle), index)
        self("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self("cuCtxSetCurrent", context)

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: status {status}")

    def copy(self, to: int, source: int, size: int) -> None:
        self(
            "cuMemcpyDtoDAsync_v2",
            ctypes.c_uint64(to),
            ctypes.c_uint64(source),
            ctypes.c_size_t(size),
            self.stream,
        )


def copy_work(size: int, device: str) -> Work:
    """A copy within the device's memory that reads and writes `size` bytes in all."""
    import phintys.cuda

    half = max(size // 2 // 4, 1)
    source = phintys.cuda.asarray(np.random.default_rng(0).random(half, "float32"), device)
    to = phintys.cuda.asarray(np.zeros(half, "float32"), device)
    wait = lambda: phintys.cuda.synchronize(device)  # noqa: E731
    if device.startswith("emulated"):
        destination, origin = ctypes.c_void_p(_address(to)), ctypes.c_void_p(_address(source))
        call = lambda: ctypes.memmove(destination, origin, 4 * half)  # noqa: E731
        return Work(call, wait, keep=(source, to))
    driver = _Driver(device)
    a, b = _pointer(to), _pointer(source)
    return Work(lambda: driver.copy(a, b, 4 * half), wait, keep=(source, to))


def graph_work(size: int, device: str) -> Work:
    """A replay of a graph of one node that copies `size` bytes."""
    import phintys.cuda

    if not device.startswith("cuda"):
        raise NotSupported("graphs are the driver's")
    driver = _Driver(device)
    arrays = [phintys.cuda.asarray(np.ones(max(size // 4, 1), "float32"), device) for _ in "ab"]
    phintys.cuda.synchronize(device)
    graph, ready = ctypes.c_void_p(), ctypes.c_void_p()
    driver("cuStreamBeginCapture_v2", driver.stream, 2)  # of this stream alone
    driver.copy(_pointer(arrays[0]), _pointer(arrays[1]), size)
    driver("cuStreamEndCapture", driver.stream, ctypes.byref(graph))
    driver("cuGraphInstantiateWithFlags", ctypes.byref(ready), graph, ctypes.c_uint64(0))
    launch, stream = driver.library.cuGraphLaunch, driver.stream
    wait = lambda: phintys.cuda.synchronize(device)  # noqa: E731
    return Work(lambda: launch(ready, stream), wait, keep=arrays)


def _address(array: Any) -> int:
    """Of an array of the emulated device, whose memory is the host's."""
    capsule = array.__dlpack__()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    managed = get(capsule, name(capsule))
    return ctypes.cast(managed, ctypes.POINTER(ctypes.c_void_p))[0] or 0

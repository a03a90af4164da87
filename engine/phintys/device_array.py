"""Arrays that lie on a device, as functions give and take them.

What users need of it is in :mod:`phintys.cuda`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.plugins import device_of

__all__ = ["Array", "asarray", "on_device", "stream_handle"]

# Types of devices in DLPack; devices that are emulated have the host's memory.
_DLPACK_CPU, _DLPACK_CUDA, _DLPACK_CUDA_MANAGED = 1, 2, 13
_DLPACK_TYPES = {"cuda": _DLPACK_CUDA}
# The legacy default stream, as CUDA and the array protocols number it.
_LEGACY_STREAM = 1


def _split(device: str) -> tuple[str, int]:
    kind, _, index = device.partition(":")
    return kind, int(index or 0)


def stream_handle(stream: Any) -> int:
    """The native handle of a stream: an int, or an object of ``cuda.core`` or ``cuda.bindings``.

    Objects with ``__cuda_stream__`` (``cuda.core.Stream``, :class:`phintys.cuda.Stream`), with
    ``cuda_stream`` (PyTorch), with ``ptr`` (CuPy), or that ``int`` takes (``cuda.bindings``).
    """
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        pair = protocol() if callable(protocol) else protocol
        return int(pair[1])
    for name in ("cuda_stream", "ptr"):
        handle = getattr(stream, name, None)
        if isinstance(handle, int):
            return handle
    return int(stream)


class Array:
    """An array on a device, in C order. Its elements are not changed by functions that take it.

    Made by functions for outputs with ``.transfer(device)``, by :func:`asarray`, and by
    ``get_value(return_internal_type=True)`` of shared variables. Other libraries take it without a
    copy through DLPack and ``__cuda_array_interface__``; ``numpy.asarray(a)`` copies it to the
    host.
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(self, core: Any) -> None:
        if not isinstance(core, _core.DeviceArray):
            raise TypeError("use phintys.cuda.asarray to make an array on a device")
        self._core = core

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each dimension."""
        return self._core.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, as NumPy's."""
        return np.dtype(self._core.dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._core.size)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return int(self.dtype.itemsize)

    @property
    def device(self) -> str:
        """The name of the device: ``"cuda:0"``."""
        return str(self._core.device)

    # --- on the host -----------------------------------------------------------------------------

    def numpy(self) -> Any:
        """A copy of the elements as an ndarray; waits until they are computed."""
        return self._core.download()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ValueError("an array on a device cannot be an ndarray without a copy")
        host = self.numpy()
        return host if dtype is None else host.astype(dtype, copy=False)

    def item(self) -> Any:
        """The only element as a Python number; ValueError if there are others or none."""
        if self.size != 1:
            raise ValueError(f"an array of shape {self.shape} is no single number")
        return self.numpy().item()

    def tolist(self) -> Any:
        """The elements as (lists of) Python numbers."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.ndim:
            raise TypeError("only an integer array without dimensions can be an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without dimensions")
        return self.shape[0]

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="Array(")
        return f"Array({values}, dtype={self.dtype}, device='{self.device}')"

    # --- on a device -----------------------------------------------------------------------------

    def to(self, device: Any) -> Any:
        """The array on another device, or on the host as an ndarray; itself if it is there."""
        name = device_of(_device_name(device))
        if name == "cpu":
            return self.numpy()
        return self if name == self.device else self._core.moved(name)

    def copy(self) -> Array:
        """A copy on the same device."""
        return self._core.moved(self.device, True)

    def reshape(self, *shape: Any) -> Array:
        """The same elements in another shape, on the same memory; one length may be -1."""
        dims = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        lengths = [int(n) for n in dims]
        if lengths.count(-1) == 1:
            rest = int(np.prod([n for n in lengths if n != -1], dtype=np.int64))
            if rest and self.size % rest == 0:
                lengths[lengths.index(-1)] = self.size // rest
        return self._core.reshaped(lengths)

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        result = self.copy()
        memo[id(self)] = result
        return result

    def __reduce__(self) -> Any:
        # As an array on the host: whoever reads it may have no such device.
        return _unpickled, (self.numpy(), self.device)

    # --- for other libraries ---------------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3 of the protocol; AttributeError unless the device is a GPU."""
        if _split(self.device)[0] != "cuda":
            raise AttributeError("__cuda_array_interface__")
        # CUDA has no handle 0 here: the legacy default stream is 1.
        stream = _core.device_stream(self.device) or _LEGACY_STREAM
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._core.pointer if self.size else 0, False),
            "strides": None,
            "version": 3,
            "stream": stream,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, index = _split(self.device)
        type_ = _DLPACK_TYPES.get(kind, _DLPACK_CPU)
        return type_, index if type_ != _DLPACK_CPU else 0

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        type_, index = self.__dlpack_device__()
        if dl_device is not None and tuple(dl_device) != (type_, index):
            raise BufferError(f"the array is on {self.device}; use .to() to move it")
        core = self._core.moved(self.device, True)._core if copy else self._core
        handle = 0
        if type_ == _DLPACK_CPU:
            if stream is not None:
                raise ValueError("memory of the host takes no stream")
            _core.synchronize_device(self.device)
        elif stream != -1:
            # What is queued here is done before the consumer begins, and what the consumer has
            # queued is done before the memory is used for anything else.
            _core.synchronize_device(self.device)
            handle = _LEGACY_STREAM if stream is None else stream_handle(stream) or _LEGACY_STREAM
        versioned = max_version is not None and max_version[0] >= 1
        return core.to_dlpack(type_, index, versioned, bool(copy), handle)


def _unpickled(host: Any, device: str) -> Any:
    try:
        return _core.upload(host, device_of(device))
    except (ValueError, RuntimeError):
        return host


def _device_name(device: Any) -> str:
    """The name of a device given as a name, a number or an object of ``cuda.core``."""
    if isinstance(device, str):
        return device
    if isinstance(device, int):
        return f"cuda:{device}"
    if device is None:
        return "cuda"
    index = getattr(device, "device_id", None)
    if index is None:
        index = getattr(device, "index", None)
    if index is None or callable(index):
        try:
            index = int(device)
        except (TypeError, ValueError):
            raise TypeError(f"{device!r} is no device") from None
    return f"cuda:{int(index)}"


def _dlpack_device(value: Any) -> tuple[int, int] | None:
    ask = getattr(value, "__dlpack_device__", None)
    if ask is None or not hasattr(value, "__dlpack__"):
        return None
    type_, index = ask()
    return int(type_), int(index)


def _from_dlpack(value: Any, kind: int, index: int) -> Any:
    """An array of another library on a GPU, behind what that library has queued."""
    name = device_of(f"cuda:{index}")
    stream = _core.device_stream(name) or _LEGACY_STREAM
    try:
        capsule = value.__dlpack__(stream=stream, max_version=(1, 1))
    except TypeError:
        capsule = value.__dlpack__(stream=stream)
    return _core.from_dlpack(capsule, name)


def _from_interface(value: Any, described: dict[str, Any], device: str | None) -> Any:
    if described.get("mask") is not None:
        raise ValueError("an array with a mask has no counterpart here")
    dtype = np.dtype(described["typestr"])
    if not dtype.isnative:
        raise TypeError(f"an array of {dtype} has bytes in an order that no device has")
    pointer, _ = described["data"]
    stream = described.get("stream")
    if described.get("version", 0) < 3:
        stream = _LEGACY_STREAM
    name = device_of(device if device is not None else "cuda")
    return _core.adopt(
        int(pointer),
        dtype.name,
        [int(n) for n in described["shape"]],
        described.get("strides"),
        name,
        value,
        0 if stream is None else int(stream),
    )


def _interface_device(value: Any) -> str | None:
    """The device of an object with the CUDA array interface, which does not say it."""
    found = getattr(value, "device", None)
    index = getattr(found, "id", None)
    if index is None:
        index = getattr(found, "index", None)
    return f"cuda:{index}" if isinstance(index, int) else None


def on_device(value: Any, device: str) -> Any:
    """`value` as an :class:`Array` if it is an array on a device, of any library; else None."""
    if isinstance(value, Array):
        return value
    kind = type(value)
    if hasattr(kind, "__dlpack_device__"):
        where = _dlpack_device(value)
        if where is None or where[0] not in (_DLPACK_CUDA, _DLPACK_CUDA_MANAGED):
            return None
        return _from_dlpack(value, *where)
    if not hasattr(kind, "__cuda_array_interface__"):
        return None
    # Some classes have the attribute, but not their objects on the host.
    described = getattr(value, "__cuda_array_interface__", None)
    return described and _from_interface(value, described, _interface_device(value))


def asarray(obj: Any, device: Any = None, dtype: Any = None) -> Array:
    """`obj` as an array on a device.

    Parameters
    ----------
    obj
        An array on a device, of this or another library (anything with DLPack or
        ``__cuda_array_interface__``: PyTorch, JAX, CuPy, Numba): its memory is used without a copy
        if it lies in C order on that device; it is kept alive, and what the other library has
        queued on its stream comes first. Or anything that ``numpy.asarray`` takes, which is copied.
    device
        ``"cuda:1"``, a number, or a device of ``cuda.core``; by default where `obj` is, or else
        ``config.device`` if that is a device, or ``"cuda"``.
    dtype
        Of the result; by default that of `obj`. A conversion goes by way of the host.
    """
    from phintys.config import config

    found = on_device(obj, "")
    if device is not None:
        name = device_of(_device_name(device))
    elif found is not None:
        name = found.device
    else:
        name = device_of("cuda" if config.device.startswith("cpu") else config.device)
    if name == "cpu":
        raise ValueError("phintys.cuda.asarray makes arrays on devices; use NumPy's on the host")
    if found is not None:
        if dtype is None or np.dtype(dtype) == found.dtype:
            return found if found.device == name else found._core.moved(name)
        obj = found.numpy()
    elif _shares_memory(obj, name) and (dtype is None or np.dtype(dtype) == _dtype_of(obj)):
        return _core.from_dlpack(_capsule(obj), name)
    host = np.asarray(obj, dtype)
    return _core.upload(host, name)


def _shares_memory(obj: Any, device: str) -> bool:
    """Whether `obj` is another library's array on the host, and the device is emulated there."""
    if _split(device)[0] in _DLPACK_TYPES or isinstance(obj, (np.ndarray, np.generic)):
        return False
    where = _dlpack_device(obj)
    return where is not None and where[0] == _DLPACK_CPU


def _dtype_of(obj: Any) -> Any:
    return np.asarray(obj).dtype


def _capsule(obj: Any) -> Any:
    try:
        return obj.__dlpack__(max_version=(1, 1))
    except TypeError:
        return obj.__dlpack__()


_core.set_device_array_class(Array)

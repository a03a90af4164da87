"""Arrays of devices and other libraries': DLPack, the CUDA array interface, streams.

The memory of the emulated device is the host's, so NumPy and PyTorch on the CPU stand in for
libraries on a GPU there.
"""

import gc
import weakref

import numpy as np
import phintys
import phintys.cuda
import phintys.tensor as T
import pytest
from device_cases import floats, needs_emulation, needs_gpu
from phintys import _core

x = T.dmatrix("x")
X = floats(3, 4)


def emulated(array):
    return phintys.cuda.asarray(array, device="emulated")


class Lent:
    """An array of the host as another library would lend it."""

    def __init__(self, array):
        self.array = array
        self.asked = []

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **keywords):
        self.asked.append(keywords)
        return self.array.__dlpack__(**keywords)


# --- out ----------------------------------------------------------------------------------------


@needs_emulation
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float16", "float32", "complex64"])
def test_numpy_shares_the_memory(dtype):
    a = emulated((np.arange(12).reshape(3, 4) % 3).astype(dtype))
    assert a.__dlpack_device__() == (1, 0)
    b = np.from_dlpack(a)
    assert b.dtype == a.dtype and b.shape == a.shape
    assert b.ctypes.data == a._core.pointer
    np.testing.assert_array_equal(b, a.numpy())
    c = np.from_dlpack(a, copy=True)
    assert c.ctypes.data != a._core.pointer


@needs_emulation
def test_the_memory_lives_as_long_as_a_consumer():
    before = phintys.cuda.memory_info("emulated")["live"]
    a = emulated(np.arange(100_000.0))
    b = np.from_dlpack(a)
    del a
    gc.collect()
    others = [emulated(np.zeros(100_000)) for _ in range(3)]
    assert b[99_999] == 99_999.0 and b.sum() == 99_999 * 50_000
    del b, others
    gc.collect()
    assert phintys.cuda.memory_info("emulated")["live"] <= before


@needs_emulation
def test_a_capsule_that_nobody_takes():
    before = phintys.cuda.memory_info("emulated")["live"]
    for version in (None, (1, 0)):
        capsule = emulated(np.zeros(100_000)).__dlpack__(max_version=version)
        assert ("versioned" in repr(capsule)) == (version is not None)
        del capsule
    gc.collect()
    assert phintys.cuda.memory_info("emulated")["live"] <= before


@needs_emulation
def test_what_a_producer_refuses():
    a = emulated(X)
    with pytest.raises(ValueError):
        a.__dlpack__(stream=1)
    with pytest.raises(BufferError):
        a.__dlpack__(dl_device=(2, 0))
    assert not hasattr(a, "__cuda_array_interface__")


@needs_emulation
def test_torch_takes_results():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    f = phintys.function([x], T.tanh(x).transfer("emulated"), device="emulated")
    t = torch.from_dlpack(f(X))
    np.testing.assert_allclose(t.numpy(), np.tanh(X), rtol=1e-12)
    gc.collect()
    f(X * 2)
    np.testing.assert_allclose(t.numpy(), np.tanh(X), rtol=1e-12)


@needs_emulation
def test_torch_differentiates_through_a_device():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from phintys import interop

    v = T.dmatrix("v")
    outputs = [T.tanh(x).sum(axis=1) * v[0, 0], x.sum()]
    f = interop.torch_function([x, v], outputs, device="emulated")
    g = interop.torch_function([x, v], outputs)
    grads = []
    for h in (f, g):
        a = torch.tensor(X, requires_grad=True)
        b = torch.tensor(X[:1] + 2, requires_grad=True)
        r, s = h(a, b)
        assert r.device.type == "cpu"
        np.testing.assert_allclose(r.detach().numpy(), np.tanh(X).sum(1) * (X[0, 0] + 2))
        (r.sum() + s).backward()
        grads.append((a.grad.numpy(), b.grad.numpy()))
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    assert torch.autograd.gradcheck(
        lambda a: f(a, torch.tensor(X))[0], torch.tensor(X, requires_grad=True)
    )


# --- in -----------------------------------------------------------------------------------------


@needs_emulation
def test_memory_is_borrowed_and_its_owner_kept():
    array = floats(5, 6)
    lent = Lent(array)
    a = phintys.cuda.asarray(lent, device="emulated")
    assert a._core.pointer == array.ctypes.data
    alive = weakref.ref(lent)
    del lent
    gc.collect()
    owner = weakref.ref(array)
    kept = array.copy()
    del array
    gc.collect()
    assert owner() is not None
    np.testing.assert_array_equal(a.numpy(), kept)
    part = a.reshape(30)
    del a
    gc.collect()
    assert owner() is not None
    del part
    gc.collect()
    assert owner() is None and alive() is None


@needs_emulation
def test_what_is_not_contiguous_is_copied():
    base = floats(6, 8)
    for array in (base.T, base[::2], base[:, ::-1], base[1:4, 2:5], base[::-2, ::3]):
        a = phintys.cuda.asarray(Lent(array), device="emulated")
        np.testing.assert_array_equal(a.numpy(), array)
        inside = base.ctypes.data <= a._core.pointer < base.ctypes.data + base.nbytes
        assert not inside
    a = phintys.cuda.asarray(Lent(base[2:4]), device="emulated")
    assert a._core.pointer == base[2:4].ctypes.data
    f = phintys.function([x], x.sum(axis=0), device="emulated")
    np.testing.assert_allclose(f(a), base[2:4].sum(axis=0))


@needs_emulation
def test_a_shared_variable_does_not_write_to_borrowed_memory():
    array = np.ones(4)
    a = phintys.cuda.asarray(Lent(array), device="emulated")
    w = phintys.shared(a)
    phintys.function([], updates=[(w, w + 1)], device="emulated")()
    np.testing.assert_array_equal(array, np.ones(4))
    np.testing.assert_array_equal(w.get_value(), np.full(4, 2.0))


@needs_emulation
def test_torch_tensors_go_in_without_a_copy():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = torch.arange(12.0, dtype=torch.float64).reshape(3, 4)
    a = phintys.cuda.asarray(t, device="emulated")
    assert a._core.pointer == t.data_ptr()
    f = phintys.function([x], x * 2, device="emulated")
    np.testing.assert_array_equal(f(a), t.numpy() * 2)
    np.testing.assert_array_equal(f(t), t.numpy() * 2)
    np.testing.assert_array_equal(f(t.T.contiguous().T[:2]), t.numpy()[:2] * 2)


@needs_emulation
@pytest.mark.parametrize("ready", [True, False])
def test_the_cuda_array_interface(ready):
    """Of an object whose memory, for want of a GPU, is the emulated device's."""
    from phintys.device_array import _from_interface

    class Owner:
        pass

    base = floats(4, 6)
    for array in (base, base[1:3], base.T, base[:, ::2], base[::-1]):
        owner = Owner()
        described = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "strides": None if array.flags.c_contiguous else array.strides,
            "version": 3,
            "stream": None if ready else int(phintys.cuda.stream("emulated:1")),
        }
        a = _from_interface(owner, described, "emulated")
        np.testing.assert_array_equal(a.numpy(), array)
        alive = weakref.ref(owner)
        del owner
        gc.collect()
        shared = array.flags.c_contiguous
        assert (a._core.pointer == array.ctypes.data) == shared == (alive() is not None)
        del a
        gc.collect()
        assert alive() is None
    for change in ({"mask": 1}, {"typestr": ">f8"}, {"typestr": "<M8[s]"}):
        with pytest.raises((TypeError, ValueError)):
            _from_interface(Owner(), {**described, **change}, "emulated")


@needs_emulation
def test_bad_capsules():
    lent = Lent(floats(3))
    capsule = lent.__dlpack__()
    _core.from_dlpack(capsule, "emulated")
    with pytest.raises(TypeError, match="used before"):
        _core.from_dlpack(capsule, "emulated")
    with pytest.raises(TypeError):
        _core.from_dlpack(3, "emulated")
    with pytest.raises(ValueError, match="strides"):
        _core.adopt(64, "float64", [2, 2], [8], "emulated", object(), 0)
    with pytest.raises(ValueError):
        _core.adopt(0, "float64", [2], None, "emulated", object(), 0)
    with pytest.raises(ValueError):
        _core.adopt(64, "float64", [-2], None, "emulated", object(), 0)


@needs_emulation
def test_owners_are_released_when_something_fails():
    class Owner:
        pass

    owner = Owner()
    alive = weakref.ref(owner)
    with pytest.raises(ValueError):
        _core.adopt(0, "float64", [2], None, "emulated", owner, 0)
    del owner
    gc.collect()
    assert alive() is None


# --- streams and devices of other libraries -----------------------------------------------------


def test_stream_handles():
    from phintys.device_array import stream_handle

    class Core:
        def __cuda_stream__(self):
            return 0, 77

    class Torch:
        cuda_stream = 78

    class CuPy:
        ptr = 79

    class Binding:
        def __int__(self):
            return 80

    handles = [stream_handle(s) for s in (Core(), Torch(), CuPy(), Binding(), 81)]
    assert handles == [77, 78, 79, 80, 81]
    with pytest.raises(TypeError):
        stream_handle(None)


def test_names_of_devices():
    from phintys.device_array import _device_name

    class Core:
        device_id = 2

    class Torch:
        index = 3

    class Binding:
        def __int__(self):
            return 4

    names = [_device_name(d) for d in ("cuda:1", 1, None, Core(), Torch(), Binding())]
    assert names == ["cuda:1", "cuda:1", "cuda", "cuda:2", "cuda:3", "cuda:4"]
    with pytest.raises(TypeError):
        _device_name(object())


def test_arrays_of_the_host_are_no_device_arrays():
    from phintys.device_array import on_device

    assert on_device(np.zeros(3), "") is None
    assert on_device(3.0, "") is None
    assert on_device({}, "") is None
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    assert on_device(torch.zeros(3), "") is None


@needs_gpu
def test_torch_on_a_gpu():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    f = phintys.function([x], (x * 2).transfer("cuda"), device="cuda")
    t = torch.arange(1e6, dtype=torch.float64, device="cuda").reshape(1000, 1000)
    for _ in range(10):
        t = t * 1.0001  # queued on PyTorch's stream
        got = torch.from_dlpack(f(t))
        assert torch.equal(got, t * 2)
    a = phintys.cuda.asarray(t)
    assert a._core.pointer == t.data_ptr()
    again = torch.as_tensor(a, device="cuda")
    assert again.data_ptr() == t.data_ptr()
    assert torch.equal(torch.from_dlpack(f(t.T)), t.T * 2)
    w = phintys.shared(t)
    assert w.device == "cuda:0"


@needs_gpu
def test_cupy_and_jax_on_a_gpu():
    f = phintys.function([x], (x * 2).transfer("cuda"), device="cuda")
    for name in ("cupy", "jax.numpy"):
        library = pytest.importorskip(name, reason=f"{name} is not installed")
        a = library.asarray(X)
        got = f(a)
        np.testing.assert_allclose(got.numpy(), np.asarray(X, got.dtype) * 2, rtol=1e-6)


@needs_gpu
def test_cuda_python_streams():
    driver = pytest.importorskip("cuda.core", reason="cuda-python is not installed")
    device = driver.Device(0)
    device.set_current()
    stream = device.create_stream()
    phintys.cuda.wait_for(stream)
    assert phintys.cuda.asarray(X, device=device).device == "cuda:0"
    device.create_stream(phintys.cuda.stream(0)).sync()

"""Devices as users meet them: settings, arrays, calls, shared variables, copies, errors."""

import copy
import gc
import json
import pickle
import subprocess
import sys
import threading

import numpy as np
import phintys
import phintys.cuda
import phintys.tensor as T
import pytest
from device_cases import NO_GPU, floats, needs_emulation, needs_gpu, on_devices, run_everywhere
from phintys import config, plugins

x, y = T.dmatrix("x"), T.dmatrix("y")
X, Y = floats(3, 4), floats(3, 4, seed=1)


def on(device, array, **keywords):
    return phintys.cuda.asarray(array, device=device, **keywords)


# --- what there is ------------------------------------------------------------------------------


def test_status_never_raises_and_says_why():
    status = phintys.cuda.status()
    assert sorted(status) == ["available", "devices", "plugin", "reason"]
    assert status["available"] == (not status["reason"]) == bool(status["devices"])
    assert phintys.cuda.devices() == status["devices"]


@needs_gpu
def test_status_of_a_gpu():
    device = phintys.cuda.status()["devices"][0]
    assert device["name"] == "cuda:0" and 0 < device["free"] <= device["total"]
    assert "compute capability" in device["description"]


@pytest.mark.skipif(not NO_GPU, reason="there is a GPU")
def test_asking_for_a_gpu_that_is_not_there_is_an_error_with_the_reason():
    reason = "CUDA"
    with pytest.raises(ValueError, match=f'Invalid value \\("cuda"\\).*device.*{reason}'):
        config.device = "cuda"
    assert config.device == "cpu"
    for ask in (
        lambda: phintys.function([x], x, device="cuda"),
        lambda: phintys.function([x], x.transfer("cuda")),
        lambda: phintys.shared(X, target="cuda"),
        lambda: phintys.cuda.asarray(X),
        lambda: phintys.cuda.synchronize(),
    ):
        with pytest.raises((ValueError, RuntimeError), match="cuda"):
            ask()


def test_unknown_devices_are_named():
    for name in ("nonsense", "no such", "cuda:x", ":1"):
        with pytest.raises(ValueError, match=name):
            plugins.device_of(name)
    assert plugins.device_of(None) == plugins.device_of("") == plugins.device_of("cpu0") == "cpu"


@needs_emulation
def test_names_and_numbers():
    with pytest.raises((ValueError, RuntimeError), match="emulated:99"):
        phintys.function([x], x, device="emulated:99")
    assert plugins.device_of("emulated") == "emulated:0"
    with phintys.change_flags(device="emulated"):
        assert phintys.function([x], x).device == "emulated:0"
        assert phintys.function([x], x, device="cpu").device == "cpu"
    assert phintys.function([x], x).device == "cpu"


def test_a_file_that_is_no_plugin(tmp_path):
    bad = tmp_path / "libphintys_bad.so"
    bad.write_bytes(b"nothing")
    with pytest.raises(OSError, match="libphintys_bad"):
        phintys.cuda.add_plugin(bad)
    with pytest.raises(OSError, match="nowhere"):
        phintys.cuda.add_plugin(tmp_path / "nowhere.so")


def test_info_lists_plugins():
    text = subprocess.run(
        [sys.executable, "-m", "phintys", "--info"], capture_output=True, text=True, check=True
    ).stdout
    assert "\nGPU: " in text and "\ndevice: " in text


def test_a_setting_from_the_environment_says_why_it_cannot_be():
    out = subprocess.run(
        [sys.executable, "-c", "import phintys"],
        env={**__import__("os").environ, "PHINTYS_FLAGS": "device=nonsense"},
        capture_output=True,
        text=True,
    )
    assert out.returncode and "no plug-in for devices of the kind 'nonsense'" in out.stderr


# --- calls --------------------------------------------------------------------------------------


def test_a_case_everywhere():
    run_everywhere(lambda a, b: [T.tanh(a) + b, (a * b).sum(axis=0)], X, Y)
    run_everywhere(
        lambda a: (a.sum(), {(s := phintys.shared(np.zeros(4), name="s")): s + a.sum(axis=0)}), X
    )


@on_devices
def test_arguments_of_all_kinds(device):
    f = phintys.function(
        [x, y, T.dscalar("k")],
        T.exp(x) * y + 2.0,
        device=device,
        name="f",
        on_unused_input="ignore",
    )
    want = np.exp(X) * Y + 2.0
    for a in (X, on(device, X), np.asfortranarray(X), X.tolist(), X[::-1][::-1]):
        for b in (Y, on(device, Y)):
            for k in (1, 2.0, np.float64(3), np.array(4.0), on(device, 5.0)):
                np.testing.assert_allclose(f(a, b, k), want, rtol=1e-12)
    np.testing.assert_allclose(f(x=X, y=on(device, Y), k=1.0), want, rtol=1e-12)
    got = f(X, Y, 0)
    assert type(got) is np.ndarray and got.flags.writeable and got.flags.c_contiguous


@on_devices
def test_what_does_not_fit_is_refused_as_on_the_host(device):
    f = phintys.function([x], x * 2, device=device, name="f")
    g = phintys.function([x], x * 2, name="f")
    for bad in (np.zeros(3), np.zeros((2, 2), "complex128"), object(), 1.0):
        with pytest.raises(TypeError) as want:
            g(bad)
        with pytest.raises(TypeError) as got:
            f(bad)
        assert str(got.value).split(" at 0x")[0] == str(want.value).split(" at 0x")[0]
    for bad in (np.zeros(3), np.zeros((2, 2), "complex128")):
        with pytest.raises(TypeError, match="Bad input argument"):
            f(on(device, bad))
    # Another dtype that fits is converted.
    assert f(on(device, X.astype("float32"))).dtype == np.float64
    with pytest.raises(TypeError, match="Missing required input"):
        f()
    with pytest.raises(TypeError):
        f(X, X)


@on_devices
def test_outputs_where_they_are_wanted(device):
    outputs = [(x * 2).transfer(device), x + 1, (x - 1).transfer("cpu"), x.transfer(device)]
    for where in (device, "cpu"):
        f = phintys.function([x], outputs, device=where)
        for argument in (X, on(device, X)):
            a, b, c, d = f(argument)
            assert type(a) is type(d) is phintys.cuda.Array
            assert type(b) is type(c) is np.ndarray
            assert a.device == d.device == plugins.device_of(device)
            for got, want in ((a, X * 2), (b, X + 1), (c, X - 1), (d, X)):
                np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)
    named = phintys.function([x], {"there": x.transfer(device), "here": x * 1}, device=device)
    result = named(X)
    assert isinstance(result["there"], phintys.cuda.Array)
    assert isinstance(result["here"], np.ndarray)
    assert isinstance(
        phintys.function([x], x.transfer(device), device=device)(X), phintys.cuda.Array
    )


@on_devices
def test_results_do_not_change_with_the_next_call(device):
    f = phintys.function([x], (x * 2).transfer(device), device=device)
    first = f(X)
    second = f(Y)
    np.testing.assert_allclose(first.numpy(), X * 2)
    np.testing.assert_allclose(second.numpy(), Y * 2)
    # Nor with what becomes of the argument.
    given = X.copy()
    third = f(given)
    given.fill(0)
    np.testing.assert_allclose(third.numpy(), X * 2)
    through = phintys.function([x], x.transfer(device), device=device)
    there = on(device, X)
    again = through(there)
    del there
    gc.collect()
    f(Y)
    np.testing.assert_allclose(again.numpy(), X)


@on_devices
def test_state_in_inputs_defaults_and_subsets(device):
    k = T.dscalar("k")
    total = phintys.In(T.dscalar("total"), value=1.0, update=None)
    f = phintys.function(
        [x, phintys.In(k, value=2.0)], [x * k, (x + k).transfer(device)], device=device
    )
    np.testing.assert_allclose(f(X)[0], X * 2)
    only = f(X, output_subset=[1])
    assert len(only) == 1 and isinstance(only[0], phintys.cuda.Array)
    s = T.dscalar("s")
    count = phintys.function(
        [phintys.In(s, value=0.0, update=s + 1)], (s * 10).transfer(device), device=device
    )
    assert [float(count()) for _ in range(3)] == [0.0, 10.0, 20.0]
    assert isinstance(count(), phintys.cuda.Array)
    assert total.value == 1.0


@on_devices
def test_many_threads(device):
    w = phintys.shared(np.zeros(4))
    f = phintys.function([x], (x + w).transfer(device), updates=[(w, w + 1)], device=device)
    problems = []

    def work():
        try:
            for _ in range(10):
                a = f(X)
                assert a.shape == (3, 4)
                float(on(device, 1.0))
                w.get_value()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems
    np.testing.assert_array_equal(w.get_value(), np.full(4, 40.0))


@on_devices
def test_modes_that_look_inside_run_on_the_host(device):
    for mode in ("NanGuardMode", "DebugMode"):
        f = phintys.function([x], T.exp(x), mode=mode, device=device)
        assert f.device == "cpu"
        np.testing.assert_allclose(f(X), np.exp(X))
    with pytest.raises(AssertionError, match="NaN"):
        phintys.function([x], T.log(x), mode="NanGuardMode", device=device)(-np.ones((1, 1)))


@on_devices
def test_objects_run_on_the_host(device):
    class Twice(phintys.Op):
        def make_node(self, a):
            a = T.as_tensor_variable(a)
            return phintys.Apply(self, [a], [a.type()])

        def perform(self, node, inputs, storage):
            storage[0][0] = inputs[0] * 2

    f = phintys.function([x], Twice()(x) + 1, device=device)
    np.testing.assert_allclose(f(X), X * 2 + 1)
    box = phintys.shared({"a": 1})
    assert phintys.function([], box, device=device)() == {"a": 1}


# --- errors -------------------------------------------------------------------------------------


@on_devices
def test_an_error_leaves_state_as_it_was(device):
    v, i = T.dvector("v"), T.lscalar("i")
    w = phintys.shared(np.zeros(3), name="w")
    f = phintys.function([v, i], v[i], updates=[(w, w + v)], device=device)
    assert float(f([1.0, 2.0, 3.0], 1)) == 2.0
    for _ in range(3):
        with pytest.raises(IndexError, match="5"):
            f([1.0, 2.0, 3.0], 5)
    np.testing.assert_array_equal(w.get_value(), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"shape|dimension"):
        f([1.0, 2.0], 0)
    assert float(f([1.0, 2.0, 3.0], -1)) == 3.0
    np.testing.assert_array_equal(w.get_value(), [2.0, 4.0, 6.0])


@on_devices
def test_too_large_an_array_is_a_memory_error(device):
    n = T.lscalar("n")
    w = phintys.shared(np.zeros(2))
    f = phintys.function([n], T.zeros((n,)).transfer(device), updates=[(w, w + 1)], device=device)
    assert f(3).shape == (3,)
    with pytest.raises((MemoryError, ValueError)):
        f(1 << 45)
    np.testing.assert_array_equal(w.get_value(), [1.0, 1.0])
    assert f(2).shape == (2,)


@on_devices
def test_limits_are_looked_at_before_a_call(device):
    f = phintys.function([x], x * 2, device=device)
    np.testing.assert_allclose(f.call(X, timeout=100.0), X * 2)
    token = phintys.CancelToken()
    token.cancel()
    with pytest.raises(Exception, match="cancel"):
        f.call(X, cancel=token)


# --- arrays -------------------------------------------------------------------------------------

DTYPES = ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex128"]


@on_devices
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_and_its_copies(device, dtype):
    host = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    a = on(device, host)
    assert (a.shape, a.dtype, a.ndim, a.size, a.nbytes) == (
        (3, 4), host.dtype, 2, 12, host.nbytes)  # fmt: skip
    assert a.device == plugins.device_of(device) and len(a) == 3
    for got in (
        a.numpy(),
        np.asarray(a),
        np.array(a),
        a.copy().numpy(),
        copy.copy(a).numpy(),
        copy.deepcopy(a).numpy(),
        pickle.loads(pickle.dumps(a)).numpy(),
        a.reshape(4, 3).reshape((-1, 4)).numpy(),
        a.to("cpu"),
        a.to(device).numpy(),
    ):
        assert got.dtype == host.dtype
        np.testing.assert_array_equal(got, host)
    assert np.asarray(a, "complex128").dtype == np.complex128
    assert a.tolist() == host.tolist()
    assert repr(a).startswith("Array([[") and f"device='{a.device}'" in repr(a)


@on_devices
def test_numbers_and_empty_arrays(device):
    assert float(on(device, 2.5)) == 2.5 and int(on(device, 3)) == 3 and bool(on(device, True))
    assert complex(on(device, 1j)) == 1j and [10, 20][on(device, 1)] == 20
    assert on(device, [7]).item() == 7
    for bad in (np.zeros((2,)), np.zeros((0,))):
        with pytest.raises(ValueError):
            float(on(device, bad))
    with pytest.raises(TypeError):
        len(on(device, 1.0))
    with pytest.raises(TypeError):
        on(device, 1.5).__index__()
    for shape in ((0,), (0, 3), (2, 0, 4)):
        a = on(device, np.zeros(shape))
        assert a.shape == a.numpy().shape == shape
    with pytest.raises(ValueError):
        on(device, X).reshape(5, 5)
    with pytest.raises(ValueError):
        np.asarray(on(device, X), copy=False)
    with pytest.raises(TypeError):
        phintys.cuda.Array(3)


@on_devices
def test_asarray(device):
    a = on(device, X)
    assert on(device, a) is a and phintys.cuda.asarray(a) is a
    assert on(device, X, dtype="float32").dtype == np.float32
    assert on(device, a, dtype="float32").dtype == np.float32
    assert on(device, [[1, 2], [3, 4]]).shape == (2, 2)
    strided = floats(6, 8)[::-2, 1::3].T
    np.testing.assert_array_equal(on(device, strided).numpy(), strided)
    swapped = X.astype(">f8")
    np.testing.assert_array_equal(on(device, swapped).numpy(), X)
    with pytest.raises(ValueError):
        phintys.cuda.asarray(X, device="cpu")
    with pytest.raises(TypeError):
        on(device, np.array(["text"]))
    with phintys.change_flags(device=device):
        assert phintys.cuda.asarray(X).device == a.device


@on_devices
def test_devices_and_streams(device):
    info = phintys.cuda.memory_info(device)
    assert sorted(info) == ["free", "kept", "live", "total"]
    before = info["live"]
    a = on(device, np.zeros(100_000))
    assert phintys.cuda.memory_info(device)["live"] >= before + a.nbytes
    del a
    gc.collect()
    assert phintys.cuda.memory_info(device)["live"] <= before
    phintys.cuda.trim(device)
    phintys.cuda.synchronize(device)
    stream = phintys.cuda.stream(device)
    assert isinstance(stream, int) and stream.device == plugins.device_of(device)
    assert stream.__cuda_stream__() == (0, int(stream))
    stream.synchronize()
    stream.wait_for(stream)
    phintys.cuda.wait_for(int(stream), device)
    with pytest.raises(ValueError):
        phintys.cuda.stream("cpu")


# --- shared variables ---------------------------------------------------------------------------


@on_devices
def test_shared_variables_move(device):
    name = plugins.device_of(device)
    w = phintys.shared(np.arange(4.0), name="w")
    assert w.device == "cpu"
    step = phintys.function([x], (x * w).sum(), updates=[(w, w + 1)], device=device)
    np.testing.assert_allclose(step(X), (X * np.arange(4.0)).sum())
    assert w.device == name
    there = w.get_value(return_internal_type=True)
    live = w.get_value(borrow=True, return_internal_type=True)
    assert isinstance(there, phintys.cuda.Array) and isinstance(live, phintys.cuda.Array)
    assert type(w.get_value()) is type(w.get_value(borrow=True)) is np.ndarray
    step(X)
    np.testing.assert_array_equal(there.numpy(), np.arange(4.0) + 1)
    np.testing.assert_array_equal(w.get_value(), np.arange(4.0) + 2)
    # A function of the host takes it back.
    host = phintys.function([], w * 2, updates=[(w, w + 1)])
    np.testing.assert_array_equal(host(), (np.arange(4.0) + 2) * 2)
    assert w.device == "cpu"
    assert type(w.get_value(return_internal_type=True)) is np.ndarray
    step(X)
    np.testing.assert_array_equal(w.get_value(), np.arange(4.0) + 4)


@on_devices
def test_shared_variables_made_and_set_there(device):
    name = plugins.device_of(device)
    w = phintys.shared(np.arange(3.0), target=device)
    assert w.device == name and w.type == T.dvector
    w.set_value([5.0, 6.0])
    assert w.device == name
    np.testing.assert_array_equal(w.get_value(), [5.0, 6.0])
    a = on(device, [1.0, 2.0, 3.0])
    w.set_value(a)
    w.set_value(a, borrow=True)
    assert w.device == name
    np.testing.assert_array_equal(w.get_value(), [1.0, 2.0, 3.0])
    v = phintys.shared(a)
    phintys.function([], updates=[(v, v * 2)], device=device)()
    np.testing.assert_array_equal(a.numpy(), [1.0, 2.0, 3.0])  # a copy was taken
    np.testing.assert_array_equal(v.get_value(), [2.0, 4.0, 6.0])
    with pytest.raises(TypeError):
        w.set_value(on(device, X))
    w.set_value(on(device, np.array([1, 2], "int8")))
    np.testing.assert_array_equal(w.get_value(), [1.0, 2.0])
    w.zero()
    np.testing.assert_array_equal(w.get_value(), [0.0, 0.0])
    for other in (copy.copy(w), copy.deepcopy(w), pickle.loads(pickle.dumps(w)), w.clone()):
        np.testing.assert_array_equal(other.get_value(), [0.0, 0.0])
    assert phintys.shared(3.0, target=device).get_value() == 3.0


# --- transfers in graphs ------------------------------------------------------------------------


def test_transfer_is_the_identity():
    z = x.transfer("cuda")
    assert z.owner.op.name == "transfer" and z.type == x.type
    assert x.transfer("cpu") is x and T.transfer(x, "cpu") is x
    assert z.transfer("cpu").owner.op.name == "transfer"
    assert "Transfer{cuda}" in phintys.printing.debugprint(z, file="str")
    cost = (T.tanh(x.transfer("cuda:1")) ** 2).sum()
    f = phintys.function([x], [cost, T.grad(cost, x)])
    np.testing.assert_allclose(f(X)[1], 2 * np.tanh(X) * (1 - np.tanh(X) ** 2), rtol=1e-10)
    assert "ransfer" not in f.fn.graph_text()
    with pytest.raises(ValueError, match="Can't transfer to target"):
        x.transfer("no such target")
    np.testing.assert_allclose(phintys.function([y], T.Rop(x.transfer("cuda") * 2, x, y))(Y), Y * 2)


def test_registered_transfers():
    from phintys.tensor import transfer as _  # noqa: F401

    def double(var, target):
        return var * 2 if target == "twice" else None

    T.basic.register_transfer(double)
    assert x.transfer("twice").owner.op.name == "mul"


# --- copies of functions ------------------------------------------------------------------------


@on_devices
def test_copies_of_a_function(device, tmp_path):
    w = phintys.shared(np.ones(4), name="w")
    f = phintys.function([x], [(x * w).transfer(device), x.sum()], updates=[(w, w + 1)],
                         device=device, name="f")  # fmt: skip
    f(X)
    expected = X * 2
    f.save(tmp_path / "f.phy")
    data = pickle.dumps(f)
    for g in (
        pickle.loads(data),
        copy.deepcopy(f),
        phintys.load(tmp_path / "f.phy", device=device),
        pickle.loads(data).copy(),
    ):
        assert g.device == f.device
        out = g(X)
        assert isinstance(out[0], phintys.cuda.Array) and isinstance(out[1], np.ndarray)
        np.testing.assert_allclose(out[0].numpy(), expected)
    host = phintys.load(tmp_path / "f.phy", device="cpu")
    assert host.device == "cpu"
    np.testing.assert_allclose(host(X)[0].numpy(), expected)
    with phintys.change_flags(device=device):
        assert phintys.load(tmp_path / "f.phy").device == f.device
    assert f.device in phintys.printing.debugprint(f, file="str")
    v = phintys.shared(np.full(4, 10.0), name="v")
    swapped = f.copy(swap={w: v}, delete_updates=True)
    assert swapped.device == f.device
    np.testing.assert_allclose(swapped(X)[0].numpy(), X * 10)
    np.testing.assert_array_equal(w.get_value(), np.full(4, 2.0))


@needs_emulation
def test_a_pickled_function_where_there_is_no_such_device(tmp_path):
    f = phintys.function([x], [x * 2, x.transfer("emulated")], device="emulated")
    path = tmp_path / "f.pickle"
    path.write_bytes(pickle.dumps(f))
    program = f"""
import pickle, sys, warnings
import numpy as np
import phintys
data = open({str(path)!r}, "rb").read()
from phintys import plugins
plugins._found = lambda: {{}}
try:
    pickle.loads(data)
except RuntimeError as error:
    assert "emulated" in str(error) and "unpickle_gpu_on_cpu" in str(error), error
else:
    sys.exit("no error")
phintys.config.experimental.unpickle_gpu_on_cpu = True
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    f = pickle.loads(data)
assert any("emulated" in str(w.message) for w in caught), caught
a, b = f(np.ones((1, 1)))
assert f.device == "cpu" and type(a) is type(b) is np.ndarray
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@on_devices
def test_profiles_say_where(device):
    f = phintys.function([x], T.exp(x).sum(), profile=True, device=device)
    f(X)
    out = __import__("io").StringIO()
    f.profile.summary(file=out)
    assert f"Device: {f.device}" in out.getvalue()


@on_devices
def test_an_op_without_kernel_runs_on_the_host_or_is_refused(device):
    class Twice(phintys.Op):
        def make_node(self, a):
            return phintys.Apply(self, [a], [a.type()])

        def perform(self, node, inputs, storage):
            storage[0][0] = inputs[0] * 2

    f = phintys.function([x], Twice()(x), device=device)
    np.testing.assert_allclose(f(X), X * 2)
    assert f.host_instructions
    with phintys.change_flags(assert_no_cpu_op="raise"):
        g = phintys.function([x], Twice()(x), device=device)
    with pytest.raises(Exception, match=r"host|kernel|device"):
        g(X)


def test_files_without_targets_are_as_before(tmp_path):
    f = phintys.function([x], x * 2)
    f.save(tmp_path / "f.phy")
    _, meta = phintys._core.load_function(str(tmp_path / "f.phy"))
    assert "targets" not in meta["extra"]
    assert json.loads(meta["extra"]["keys"]) == []


def test_library_folders_are_those_of_installed_packages(tmp_path, monkeypatch):
    (tmp_path / "nvidia" / "cublas" / "lib").mkdir(parents=True)
    (tmp_path / "nvidia" / "cu13" / "lib").mkdir(parents=True)
    (tmp_path / "nvidia" / "other").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    assert plugins.library_folders() == [
        str(tmp_path / "nvidia" / name / "lib") for name in ("cu13", "cublas")
    ]

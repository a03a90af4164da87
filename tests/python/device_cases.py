"""One declared case on every device of this machine.

Devices are "cpu", "emulated" (the kernels compiled for the host) where that plug-in was built, and
"cuda" where there is a GPU. Tests for each device take the fixture-like parameters of `DEVICES` or
`OTHERS`; those that only a real card can answer are marked `gpu`::

    @pytest.mark.parametrize("device", OTHERS)   # or on_devices
    @needs_gpu                                   # skipped, with the reason, where there is no GPU

    def test_tanh():
        run_everywhere(T.tanh, floats(3, 5), expected=np.tanh, on_device=True)
"""

import ctypes
import os
import pathlib

import numpy as np
import phintys
import phintys.cuda
import phintys.tensor as T
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _emulated():
    """Why there is no emulated device, or ""."""
    if "emulated" in phintys.cuda.kinds():
        return ""
    found = [os.environ.get("PHINTYS_EMULATED_PLUGIN", "")]
    found += sorted(str(p) for p in ROOT.glob("build/*/**/libphintys_emulated.so"))
    found = [p for p in found if p and os.path.isfile(p)]
    if not found:
        return "libphintys_emulated.so was not built (-DPHINTYS_EMULATED=ON)"
    try:
        phintys.cuda.add_plugin(found[0])
    except Exception as error:
        return f"{found[0]}: {error}"
    return ""


NO_EMULATION = _emulated()
_status = phintys.cuda.status()
NO_GPU = "" if _status["available"] else _status["reason"]

OTHERS = [
    pytest.param(
        "emulated",
        id="emulated",
        marks=pytest.mark.skipif(bool(NO_EMULATION), reason=NO_EMULATION or "-"),
    ),
    pytest.param(
        "cuda",
        id="cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(bool(NO_GPU), reason=NO_GPU or "-")],
    ),
]
DEVICES = [pytest.param("cpu", id="cpu"), *OTHERS]

# Decorators: the test has a parameter `device`; it runs for every device, or all but the CPU.
on_devices = pytest.mark.parametrize("device", OTHERS)
on_all_devices = pytest.mark.parametrize("device", DEVICES)


def needs_gpu(test):
    """Marks a test that only a real card can answer."""
    return pytest.mark.gpu(pytest.mark.skipif(bool(NO_GPU), reason=NO_GPU or "-")(test))


needs_emulation = pytest.mark.skipif(bool(NO_EMULATION), reason=NO_EMULATION or "-")

# Relative tolerance of a value on a device against the same on the CPU.
RTOL = {
    "float16": 4e-3,
    "float32": 2e-5,
    "float64": 1e-12,
    "complex64": 2e-5,
    "complex128": 1e-12,
}


def emulated_launches():
    """Kernels that the emulated devices have launched so far."""
    with open("/proc/self/maps") as maps:
        path = next(line.split()[-1] for line in maps if "/libphintys_emulated.so" in line)
    launches = ctypes.CDLL(path).phintys_emulated_launches
    launches.restype = ctypes.c_uint64
    return launches()


def available():
    """Names of the devices of this machine, the CPU first."""
    return ["cpu"] + ([] if NO_EMULATION else ["emulated"]) + ([] if NO_GPU else ["cuda"])


def floats(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def variable_like(value, name=None):
    value = np.asarray(value)
    return T.TensorType(value.dtype.name, (False,) * value.ndim)(name)


def same_bits(a, b, what=""):
    """Same dtype, shape and bits, those of NaN included."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape, (
        f"{what}: {a.dtype}{a.shape} {b.dtype}{b.shape}"
    )
    assert a.tobytes() == b.tobytes(), f"{what}: other bits from one run to the next"


def close(got, want, rtol, atol, exact, what):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    if exact or got.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    rtol = RTOL[got.dtype.name] if rtol is None else rtol
    wide = "complex128" if got.dtype.kind == "c" else "float64"
    np.testing.assert_allclose(
        got.astype(wide), want.astype(wide), rtol=rtol, atol=atol, err_msg=what
    )


def host_instructions(f):
    """What a function for a device computes on the host, as text."""
    return list(f.fn.host_instructions)


class _Runs:
    """A case on one device: results of its calls, and the values of its shared variables."""

    def __init__(self, build, values, device, calls, **keywords):
        xs = [variable_like(v, f"x{i}") for i, v in enumerate(values)]
        built = build(*xs)
        updates = {}
        if isinstance(built, tuple) and len(built) == 2 and isinstance(built[1], dict):
            built, updates = built
        self.single = not isinstance(built, (list, tuple))
        self.function = phintys.function(
            xs,
            [built] if self.single else list(built),
            updates=updates,
            device=device,
            on_unused_input="ignore",
            **keywords,
        )
        self.stateful = bool(updates)
        self.results = []
        for _ in range(calls):
            # A copy: a function may not write to its arguments, and must not keep them.
            given = [np.array(v) for v in values]
            self.results += [np.array(r) for r in self.function(*given)]
            for before, after in zip(values, given, strict=True):
                same_bits(np.asarray(before), after, "an argument was written to")
                after.fill(0)
        self.state = [np.array(v.get_value()) for v in self.function.get_shared()]


def run_everywhere(
    build,
    *values,
    expected=None,
    rtol=None,
    atol=0.0,
    exact=False,
    on_device=False,
    may_run_on_host=(),
    devices=None,
    **keywords,
):
    """Compiles `build` for every device, calls it twice, and compares.

    `build` makes the output, or a list of outputs, or a pair (outputs, dict of updates), of one
    variable for each of `values`; it is called once for each device, so shared variables that it
    makes are fresh. `expected` is the right value, a list of them, or what computes it from
    `values` (of the first call). Results must have the same bits from run to run on every device;
    they are compared with `expected` and with the CPU's within `rtol` (by dtype where it is None)
    and `atol`, or (`exact`, and for integers) element by element. With `on_device` no instruction
    may have run on the host, but for those whose text holds one of `may_run_on_host`. `keywords` go
    to `phintys.function`. Returns the results of the CPU.
    """
    names = [d for d in available() if devices is None or d in devices or d == "cpu"]
    reference = None
    for device in names:
        first = _Runs(build, values, device, 2, **keywords)
        n = len(first.results) // 2
        if first.stateful:
            again = _Runs(build, values, device, 2, **keywords)
            pairs = [*zip(first.results + first.state, again.results + again.state, strict=True)]
        else:
            pairs = [*zip(first.results[:n], first.results[n:], strict=True)]
        for i, (a, b) in enumerate(pairs):
            same_bits(a, b, f"{device}, result {i}")
        if expected is not None:
            wanted = expected(*values) if callable(expected) else expected
            wanted = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
            assert len(wanted) == n, f"{len(wanted)} expected values for {n} outputs"
            for i, (got, want) in enumerate(zip(first.results[:n], wanted, strict=True)):
                close(got, want, rtol, atol, exact, f"{device}, output {i}, expected value")
        if device == "cpu":
            reference = first
            continue
        assert reference is not None
        ours, theirs = first.results + first.state, reference.results + reference.state
        for i, (got, want) in enumerate(zip(ours, theirs, strict=True)):
            assert got.dtype == want.dtype, f"{device}, value {i}: {got.dtype}, not {want.dtype}"
            close(got, want, rtol, atol, exact, f"{device}, value {i}, the CPU's")
        if on_device:
            left = [
                text
                for text in host_instructions(first.function)
                if not any(name in text for name in may_run_on_host)
            ]
            assert not left, f"{device}: computed on the host: {left}"
    results = reference.results[: len(reference.results) // 2]
    return results[0] if reference.single else results

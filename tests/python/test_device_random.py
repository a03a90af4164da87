"""Random streams on devices: the CPU's numbers, and the CPU's next states."""

import os
import tempfile

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import RTOL, host_instructions, on_devices
from phintys.sandbox.rng_mrg import MRG_RandomStreams
from phintys.tensor.random import RandomStream
from phintys.tensor.shared_randomstreams import RandomStreams

WEIGHTS = np.array([0.5, 1.0, 0.001, 3.0, 0.0, 2.0])


def outcome(draw, device, calls=3, stream=RandomStream, seed=1234):
    """Numbers of some calls, the state after them, and the function."""
    made = stream(seed)
    f = phintys.function([], draw(made), device=device)
    numbers = [np.array(f()) for _ in range(calls)]
    states = [np.array(v.get_value()) for v in f.get_shared()]
    return numbers, states, f


def same_as_cpu(draw, device, exact=True, on_device=True, **keywords):
    ours, states, f = outcome(draw, device, **keywords)
    theirs, cpu_states, _ = outcome(draw, "cpu", **keywords)
    assert states and len(states) == len(cpu_states)
    for got, want in zip(states, cpu_states, strict=True):
        if got.dtype != object:  # a RandomState says nothing by ==
            np.testing.assert_array_equal(got, want)
    for got, want in zip(ours, theirs, strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        if exact:
            np.testing.assert_array_equal(got, want)
        else:
            np.testing.assert_allclose(got, want, rtol=RTOL[got.dtype.name], atol=1e-6)
    if on_device:
        # Whether what is made of the numbers is on the device is not looked at here.
        assert not [text for text in host_instructions(f) if not text.startswith("Fused")]
    return ours


@on_devices
@pytest.mark.parametrize("size", [(), (1,), (0, 3), (17,), (5, 7, 3), (1000,)])
def test_uniform(device, size):
    for dtype in ("float32", "float64"):
        same_as_cpu(lambda s, d=dtype: s.random(size=size, dtype=d), device)


@on_devices
def test_continuous_distributions(device):
    # Bit for bit as drawn; what other operations make of the numbers may round otherwise.
    for dtype in ("float32", "float64"):
        for name in ("standard_normal", "standard_exponential"):
            same_as_cpu(lambda s, n=name, d=dtype: getattr(s, n)(size=(40, 5), dtype=d), device)
    shapes = np.array([[0.1], [0.5], [1.0], [2.5], [100.0]])
    same_as_cpu(lambda s: s.standard_gamma(shapes, size=(5, 60), dtype="float64"), device)
    near = [
        lambda s: s.normal(np.arange(5.0), 2.0, size=(20, 5)),
        lambda s: s.truncated_normal(0.0, 1.0, -1.0, 2.0, size=50),
        lambda s: s.beta(2.0, 0.3, size=50),
        lambda s: s.dirichlet(np.array([0.5, 1.0, 3.0]), size=20),
        lambda s: s.t(3.0, size=50),
    ]
    for draw in near:
        same_as_cpu(draw, device, exact=False)


@on_devices
def test_counts(device):
    means = np.array([0.0, 0.3, 5.0, 12.0, 1e5])
    same_as_cpu(lambda s: s.poisson(means, size=(30, 5)), device)
    same_as_cpu(lambda s: s.binomial(np.array([1, 10, 1000]), 0.3, size=(30, 3)), device)
    same_as_cpu(lambda s: s.integers(-5, 1000003, size=100), device)
    same_as_cpu(lambda s: s.bernoulli(0.3, size=100), device)


@on_devices
def test_choices(device):
    p = WEIGHTS / WEIGHTS.sum()
    rows = np.random.default_rng(0).dirichlet(np.ones(70), size=9)
    same_as_cpu(lambda s: s.categorical(p, size=60), device)
    same_as_cpu(lambda s: s.categorical(rows, size=9), device)
    same_as_cpu(lambda s: s.multinomial(50, p, size=20), device)
    same_as_cpu(lambda s: s.permutation(100), device)
    same_as_cpu(lambda s: s.permutation(np.arange(30.0)), device)
    same_as_cpu(lambda s: s.choice(100, size=20, replace=False), device)
    same_as_cpu(lambda s: s.choice(6, size=4, replace=False, p=p), device)


@on_devices
def test_mrg_streams(device):
    for dtype in ("float16", "float32", "float64"):
        same_as_cpu(
            lambda s, d=dtype: s.uniform(size=(7, 11), dtype=d),
            device,
            exact=dtype != "float16",
            stream=MRG_RandomStreams,
        )
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=8)
    same_as_cpu(lambda s: s.multinomial(pvals=rows, n=3), device, stream=MRG_RandomStreams)
    same_as_cpu(lambda s: s.choice(size=2, replace=False, p=rows), device, stream=MRG_RandomStreams)


@on_devices
def test_sequential_generators_run_on_the_host(device):
    # Each number of a Mersenne Twister needs the one before.
    same_as_cpu(
        lambda s: s.normal(size=(5, 3)), device, on_device=False, exact=False, stream=RandomStreams
    )


@on_devices
def test_several_streams(device):
    def draw(s):
        a, b = s.random(size=50), s.standard_normal(size=50)
        return T.stack([a, b, s.random(size=50)])

    numbers = same_as_cpu(draw, device)
    assert len({x.tobytes() for call in numbers for x in call}) == 9


@on_devices
def test_bad_parameters(device):
    mean = T.dvector("mean")
    stream = RandomStream(3)
    f = phintys.function([mean], stream.poisson(mean, size=3), device=device)
    g = phintys.function([mean], RandomStream(3).poisson(mean, size=3), device="cpu")
    good, bad = np.array([1.0, 20.0, 3.0]), np.array([1.0, -20.0, 3.0])
    np.testing.assert_array_equal(f(good), g(good))
    with pytest.raises(ValueError, match="must not be negative"):
        f(bad)
    # The failed call has drawn nothing.
    np.testing.assert_array_equal(f(good), g(good))


@on_devices
def test_saved_streams_go_on(device):
    x = T.dscalar("x")
    f = phintys.function([x], x + RandomStream(5).random(size=20), device=device)
    g = phintys.function([x], x + RandomStream(5).random(size=20), device="cpu")
    np.testing.assert_array_equal(f(0.0), g(0.0))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stream.phy")
        f.save(path)
        loaded = phintys.load(path)
    np.testing.assert_array_equal(loaded(0.0), g(0.0))

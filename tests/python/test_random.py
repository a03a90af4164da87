"""Counter-based streams: the generator, reproducibility, errors, gradients."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core
from phintys.gradient import NullTypeGradError
from phintys.tensor import random as prandom
from phintys.tensor.random import RandomStream, shared_rng

# --- the generator --------------------------------------------------------------------------------


def philox(counter, key):
    """Philox4x32-10 of the paper, in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def drawn(kind, n, dtype, key=0, draw=0, *parameters):
    """`n` numbers of the op from the state (key, draw)."""
    state = T.TensorType("uint64", (False,))()
    inputs = [
        state,
        *(T.as_tensor_variable(p) for p in parameters),
        T.as_tensor_variable(np.int64(n)),
    ]
    after, out = _core.apply("philox_draw", inputs, kind=kind, dtype=dtype)
    values, numbers = phintys.function([state], [after, out])(np.array([key, draw], "uint64"))
    np.testing.assert_array_equal(values, np.array([key, draw + 1], "uint64"))
    return numbers


def test_philox_of_the_reference():
    # Vectors published with Random123.
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 0xFFFFFFFF
    assert philox([ones] * 4, [ones] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def words(key, draw, n):
    """The first `n` 64-bit words of a draw: groups of 8 low halves of blocks, then 8 high ones."""
    out = []
    for k in range(n):
        block = k // 16 * 8 + k % 8
        c = philox(
            [block & 0xFFFFFFFF, block >> 32, draw & 0xFFFFFFFF, draw >> 32],
            [key & 0xFFFFFFFF, key >> 32],
        )
        low, high = c[0] | c[1] << 32, c[2] | c[3] << 32
        out.append(high if k % 16 >= 8 else low)
    return np.array(out, "uint64")


@pytest.mark.parametrize("key, draw", [(0, 0), (0x123456789ABCDEF0, 7), (2**64 - 1, 2**64 - 2)])
def test_bits(key, draw):
    want = words(key, draw, 100)
    np.testing.assert_array_equal(drawn("bits", 100, "uint64", key, draw), want)
    np.testing.assert_array_equal(
        drawn("bits", 100, "uint32", key, draw), want.view("uint32")[:100]
    )
    assert drawn("bits", 1, "uint64")[0] == 0xE169C58D6627E8D5


def test_uniform_from_bits():
    w = words(99, 5, 64)
    np.testing.assert_array_equal(drawn("uniform", 64, "float64", 99, 5), (w >> 11) * 2.0**-53)
    want = (w.view("uint32")[:64] >> 8).astype("float32") * np.float32(2.0**-24)
    np.testing.assert_array_equal(drawn("uniform", 64, "float32", 99, 5), want)


def test_normal_from_bits():
    # Box and Muller, from the two words of a block.
    w = words(99, 5, 64).reshape(4, 2, 8)
    z = drawn("normal", 64, "float64", 99, 5).reshape(4, 2, 8)
    u = ((w[:, 0] >> 11) + 0.5) * 2.0**-53
    np.testing.assert_allclose(np.hypot(z[:, 0], z[:, 1]), np.sqrt(-2 * np.log(u)), rtol=1e-14)
    octant = ((w[:, 1] & (2**52 - 1)) + 0.5) * 2.0**-52 * np.pi / 4
    small = np.minimum(abs(z[:, 0]), abs(z[:, 1])) / np.maximum(abs(z[:, 0]), abs(z[:, 1]))
    np.testing.assert_allclose(np.arctan(small), octant, rtol=1e-12)
    z32 = drawn("normal", 128, "float32", 99, 5).reshape(4, 2, 16)
    low = w[:, 0].copy().view("uint32")
    u32 = (low >> 1) * 2.0**-31 + 2.0**-32
    radius = np.hypot(z32[:, 0].astype("float64"), z32[:, 1])
    np.testing.assert_allclose(radius, np.sqrt(-2 * np.log(u32)), rtol=3e-6, atol=3e-4)


def test_a_number_does_not_depend_on_the_size():
    for kind, parameters in KINDS:
        dtype = "int64" if kind in ("poisson", "binomial", "integers") else "float32"
        long = drawn(kind, 3000, dtype, 3, 4, *parameters)
        for n in (1, 2, 7, 31, 33, 1000):
            np.testing.assert_array_equal(drawn(kind, n, dtype, 3, 4, *parameters), long[:n])


KINDS = [
    ("uniform", ()),
    ("normal", ()),
    ("exponential", ()),
    ("gamma", (0.3,)),
    ("gamma", (4.5,)),
    ("log_gamma", (0.01,)),
    ("truncated_normal", (0.5, 3.0)),
    ("poisson", (3.5,)),
    ("poisson", (400.0,)),
    ("binomial", (20.0, 0.3)),
    ("binomial", (1000.0, 0.7)),
    ("integers", (np.int64(-5), np.int64(10**12))),
]
KINDS = [(k, tuple(np.float64(p) if isinstance(p, float) else p for p in ps)) for k, ps in KINDS]

DIGEST = """
import sys, hashlib, numpy as np, phintys
sys.path.insert(0, sys.argv[1])
import test_random as t
digest = hashlib.sha256()
for kind, parameters in t.KINDS:
    whole = kind in ("poisson", "binomial", "integers")
    for dtype in ("int64",) if whole else ("float32", "float64"):
        digest.update(t.drawn(kind, 50001, dtype, 1234567890123, 2, *parameters).tobytes())
stream = t.RandomStream(3)
p = np.random.default_rng(0).dirichlet(np.ones(5), 1000)
draws = [stream.categorical(p), stream.multinomial(40, p), stream.permutation(5000),
         stream.choice(400, (30,), False, p=np.arange(400.0)), stream.categorical(p[0], 30000)]
for value in phintys.function([], draws)():
    digest.update(value.tobytes())
print(phintys._core.isa(), digest.hexdigest())
"""


def test_same_bits_for_any_instruction_set_and_number_of_threads():
    results = {}
    for isa in ("auto", "baseline", "avx2", "avx512"):
        for threads in (1, 2) if isa == "auto" else (1,):
            flags = f"isa={isa},num_threads={threads}"
            done = subprocess.run(
                [sys.executable, "-c", DIGEST, os.path.dirname(__file__)],
                env={**os.environ, "PHINTYS_FLAGS": flags},
                capture_output=True,
                text=True,
                check=True,
            )
            used, digest = done.stdout.split()
            results[used, threads] = digest
    assert len(results) >= 2
    assert len(set(results.values())) == 1, results


# --- streams --------------------------------------------------------------------------------------


def test_draws_are_independent_and_reproducible():
    def numbers(seed):
        stream = RandomStream(seed)
        a, b = stream.normal(size=5), stream.normal(size=5)
        return phintys.function([], [a, b])()

    a, b = numbers(1)
    assert not np.array_equal(a, b)
    again = numbers(1)
    np.testing.assert_array_equal(a, again[0])
    np.testing.assert_array_equal(b, again[1])
    assert not np.array_equal(a, numbers(2)[0])
    assert not np.array_equal(numbers(None)[0], numbers(None)[0])
    np.testing.assert_array_equal(numbers([1, 2])[0], numbers([1, 2])[0])


def test_updates():
    stream = RandomStream(12)
    x = stream.uniform(size=3)
    f = phintys.function([], [x, x + 0])
    first, same = f()
    np.testing.assert_array_equal(first, same)
    second = f()[0]
    assert not np.array_equal(first, second)
    stream.seed()
    np.testing.assert_array_equal(f()[0], first)
    # Another function goes on with the same stream.
    np.testing.assert_array_equal(phintys.function([], 2 * x)(), 2 * second)
    fixed = phintys.function([], x, no_default_updates=True)
    np.testing.assert_array_equal(fixed(), fixed())
    stream.seed()
    manual = phintys.function([], x, no_default_updates=True, updates=stream.updates())
    np.testing.assert_array_equal(manual(), first)
    np.testing.assert_array_equal(manual(), second)
    assert x.update == stream.updates()[0] and x.rng is x.update[0]
    assert x.rng.get_value().tolist()[1] == 2
    stream.seed(13)
    assert not np.array_equal(manual(), first)


def test_functions_with_a_state():
    rng = shared_rng(5)
    next_rng, x = prandom.normal(0, 1, size=4, rng=rng, return_next_rng=True)
    last_rng, y = prandom.t(3.0, size=4, rng=next_rng, return_next_rng=True)
    f = phintys.function([], [x, y], updates=[(rng, last_rng)])
    one, two = f(), f()
    assert not np.array_equal(one[0], two[0]) and not np.array_equal(one[1], two[1])
    # Three draws a call: one of normal, two of t.
    assert rng.get_value()[1] == 6
    pure = phintys.function([], prandom.normal(0, 1, size=4, rng=rng))
    np.testing.assert_array_equal(pure(), pure())
    own = phintys.function([], prandom.normal(0, 1, size=4))
    assert not np.array_equal(own(), own())
    with pytest.raises(TypeError, match="rng must be a state"):
        prandom.normal(rng=T.dvector())


def every_draw(stream):
    p = np.array([0.2, 0.5, 0.3])
    return [
        stream.normal(0, 1, size=(2, 3)),
        stream.gamma(0.4, 2.0, size=7),
        stream.poisson(30.0, size=7),
        stream.binomial(100, 0.4, size=7),
        stream.truncated_normal(size=7),
        stream.integers(0, 1000, size=7),
        stream.multinomial(10, p, size=2),
        stream.categorical(p, size=7),
        stream.permutation(9),
        stream.choice(10, 4, replace=False, p=np.arange(10.0)),
        stream.dirichlet(p),
    ]


def test_saved_functions_go_on(tmp_path):
    f = phintys.function([], every_draw(RandomStream(4)))
    f()
    path = tmp_path / "draws.phy"
    f.save(path)
    g = phintys.load(path)
    h = pickle.loads(pickle.dumps(f))
    wanted = f()
    for other in (g, h):
        for got, want in zip(other(), wanted, strict=True):
            np.testing.assert_array_equal(got, want)
    # A copy has the shared variables in common with f: it goes on where f stands.
    for got, want in zip(copy.copy(f)(), g(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_streams_are_picklable():
    stream = RandomStream(4)
    x = stream.normal(size=3)
    f = phintys.function([], x)
    f()
    other, y = pickle.loads(pickle.dumps((stream, x)))
    g = phintys.function([], y)
    np.testing.assert_array_equal(f(), g())
    np.testing.assert_array_equal(f(), g())
    assert other.updates()[0][0] is y.rng
    np.testing.assert_array_equal(
        phintys.function([], stream.normal(size=3))(), phintys.function([], other.normal(size=3))()
    )


@pytest.mark.parametrize("module", ["theano", "mrg"])
def test_theano_streams_go_on(module, tmp_path):
    from phintys.sandbox.rng_mrg import MRG_RandomStreams
    from phintys.tensor.shared_randomstreams import RandomStreams

    stream = (RandomStreams if module == "theano" else MRG_RandomStreams)(4)
    x = stream.normal((5,))
    f = phintys.function([], x)
    f()
    f.save(tmp_path / "f.phy")
    wanted = f()
    np.testing.assert_array_equal(phintys.load(tmp_path / "f.phy")(), wanted)
    stream.seed(4)
    other, y = pickle.loads(pickle.dumps((stream, x)))
    np.testing.assert_array_equal(phintys.function([], y)(), f())
    other.seed(9)
    stream.seed(9)
    np.testing.assert_array_equal(phintys.function([], y)(), f())


def test_two_draws_of_one_kind_are_not_merged():
    stream = RandomStream(0)
    x, y = stream.uniform(size=4), stream.uniform(size=4)
    assert not np.array_equal(*phintys.function([], [x, y])())


def test_modes():
    for mode in ("FAST_RUN", "FAST_COMPILE", "DebugMode"):
        draws = every_draw(RandomStream(4))
        got = phintys.function([], draws, mode=mode)()
        want = phintys.function([], every_draw(RandomStream(4)))()
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-14)


# --- sizes and dtypes -----------------------------------------------------------------------------


def test_sizes():
    stream = RandomStream(1)
    n, v = T.lscalar(), T.lvector()
    x = T.dmatrix()
    f = phintys.function(
        [n, x],
        [
            stream.normal(size=(n, 2)),
            stream.normal(x, 1.0),
            stream.uniform(np.zeros((3, 1)), np.ones(4)),
            stream.gamma(x, 2.0, size=x.shape),
            stream.normal(size=[]),
            stream.normal(),
            stream.dirichlet(np.ones((2, 3)), size=(n, 2)),
            stream.permutation(n, size=2),
        ],
    )
    shapes = [a.shape for a in f(5, np.ones((2, 3)))]
    assert shapes == [(5, 2), (2, 3), (3, 4), (2, 3), (), (), (5, 2, 3), (2, 5)]
    shapes = [a.shape for a in f(0, np.ones((0, 3)))]
    assert shapes == [(0, 2), (0, 3), (3, 4), (0, 3), (), (), (0, 2, 3), (2, 0)]
    with pytest.raises(ValueError, match="must be known"):
        stream.normal(size=v)
    assert stream.normal(size=(3, 1)).broadcastable == (False, True)
    # Only the shape is asked for: nothing is drawn.
    shape = phintys.function([n], stream.normal(size=(n, 7)).shape, no_default_updates=True)
    assert shape(6).tolist() == [6, 7]
    assert "philox" not in shape.fn.program_text()


def test_dtypes():
    stream = RandomStream(1)
    for dtype in ("float16", "float32", "float64"):
        for x in (stream.normal(size=9, dtype=dtype), stream.uniform(size=9, dtype=dtype)):
            assert x.dtype == dtype and phintys.function([], x)().dtype == dtype
    assert phintys.function([], stream.uniform(size=10**5, dtype="float16"))().max() < 1
    assert stream.normal(T.fscalar(), size=3).dtype == "float64"
    assert stream.poisson(2.0).dtype == "int64"
    assert stream.bernoulli(0.5, size=3, dtype="bool").dtype == "bool"
    assert stream.binomial(5, 0.5, size=3, dtype="float32").dtype == "float32"
    with phintys.change_flags(floatX="float32"):
        assert stream.normal(size=3).dtype == "float32"
        assert stream.normal(T.fscalar(), 0.1, size=3).dtype == "float32"
        assert stream.gamma(2.0, size=3).dtype == "float32"
    with pytest.raises(TypeError, match="must be floating"):
        stream.normal(size=3, dtype="int32")


# --- gradients ------------------------------------------------------------------------------------


def test_gradients_of_location_and_scale():
    mu, sigma = T.dscalar(), T.dscalar()
    for name in ("normal", "laplace", "gumbel", "logistic", "cauchy", "halfnormal"):
        x = getattr(RandomStream(1), name)(mu, sigma, size=6)
        z = (x - mu) / sigma
        grads = phintys.function([mu, sigma], [*T.grad(x.sum(), [mu, sigma]), z.sum()])(0.3, 2.0)
        np.testing.assert_allclose(grads[0], 6)
        np.testing.assert_allclose(grads[1], grads[2], rtol=1e-10)
    scale = T.dscalar()
    for name in ("exponential", "rayleigh"):
        x = getattr(RandomStream(1), name)(scale, size=6)
        d, total = phintys.function([scale], [T.grad(x.sum(), scale), x.sum()])(3.0)
        np.testing.assert_allclose(d, total / 3)
    x = RandomStream(1).gamma(2.0, scale, size=6)
    d, total = phintys.function([scale], [T.grad(x.sum(), scale), x.sum()])(3.0)
    np.testing.assert_allclose(d, total / 3)


def test_other_gradients():
    a = T.dscalar()
    stream = RandomStream(1)
    with pytest.raises(NullTypeGradError, match="gamma"):
        T.grad(stream.gamma(a, 2.0, size=3).sum(), a)
    # Whole numbers do not depend differentiably on anything.
    x = T.cast(stream.bernoulli(a, size=3), "float64") * a
    f = phintys.function([a], [T.grad(x.sum(), a), x.sum()])
    d, total = f(0.5)
    assert d == total / 0.5
    y = T.cast(stream.poisson(a, size=3), "float64").sum() + 2 * a
    assert phintys.function([a], T.grad(y, a), on_unused_input="ignore")(0.5) == 2


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda s, v: s.normal(0.0, v, size=3), "normal: scale must not be below 0"),
        (lambda s, v: s.gamma(v, size=3), "random gamma: shape must not be negative, got -1"),
        (lambda s, v: s.poisson(v, size=3), "random poisson: mean must not be negative"),
        (lambda s, v: s.binomial(3, v, size=3), "p must be between 0 and 1, got n = 3 and p = -1"),
        (lambda s, v: s.binomial(v, 0.5, size=3), "n must not be negative"),
        (lambda s, v: s.bernoulli(v, size=3), "bernoulli: p must be between 0 and 1"),
        (lambda s, v: s.geometric(v, size=3), "geometric: p must be above 0 and at most 1"),
        (lambda s, v: s.truncated_normal(lower=0.0, upper=v), "lower bound must not exceed"),
        (lambda s, v: s.categorical(T.stack([v, 2.0])), "finite and not negative, got -1"),
        (lambda s, v: s.multinomial(3, T.stack([v, 2.0])), "finite and not negative, got -1"),
        (lambda s, v: s.integers(0, T.cast(v, "int64")), "low must be below high"),
        (lambda s, v: s.choice(3, 4, False), "cannot take 4 different ones of 3"),
        (lambda s, v: s.choice(3, 2, False, p=[0.0, 1.0, 0.0]), "only 1 have a probability"),
        (lambda s, v: s.choice(3, 2, p=np.zeros(3)), "the probabilities add up to 0"),
        (lambda s, v: s.choice(3, 2, p=np.ones(4)), "must have the same length"),
        (lambda s, v: s.permutation(T.cast(v, "int64")), "cannot take -1"),
        (lambda s, v: s.normal(size=(T.cast(v, "int64"),)), "is negative"),
    ],
)
def test_bad_parameters_when_running(draw, message):
    v = T.dscalar()
    f = phintys.function([v], draw(RandomStream(1), v), on_unused_input="ignore")
    with pytest.raises(ValueError, match=message):
        f(-1.0)


def test_bad_parameters_when_building():
    stream = RandomStream(1)
    with pytest.raises(ValueError, match="scale must not be below 0, got -1"):
        stream.normal(0.0, -1.0)
    with pytest.raises(ValueError, match="p must be between 0 and 1, got"):
        stream.bernoulli(np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match="size has 1 dimensions, a parameter has 2"):
        stream.gamma(np.ones((2, 3)), size=3)
    with pytest.raises(ValueError, match="does not fit into size"):
        stream.normal(np.zeros(3), 1.0, size=(2, 1))
    with pytest.raises(ValueError, match="negative"):
        stream.normal(size=(-1,))
    with pytest.raises(TypeError, match="bounds must be integers"):
        stream.integers(0.0, 2.0)
    with pytest.raises(KeyError, match="no distribution"):
        stream.gen("abnormal")
    with pytest.raises(ValueError, match="no kind"):
        _core.make_op("philox_draw", kind="abnormal", dtype="float64")
    with pytest.raises(TypeError, match="cannot be drawn"):
        _core.make_op("philox_draw", kind="normal", dtype="int32")


def test_a_parameter_that_does_not_fit():
    v = T.dvector()
    f = phintys.function([v], RandomStream(1).gamma(v, size=3))
    with pytest.raises(ValueError, match="cannot be broadcast to shape"):
        f(np.ones(4))


def test_a_failed_draw_leaves_the_state():
    v = T.dscalar()
    x = RandomStream(1).gamma(v, size=3)
    f = phintys.function([v], x)
    before = x.rng.get_value()
    with pytest.raises(ValueError):
        f(-1.0)
    np.testing.assert_array_equal(x.rng.get_value(), before)


def test_what_fails_after_a_draw_leaves_the_state():
    v = T.dscalar()
    x = RandomStream(1).normal(size=1000)
    f = phintys.function([v], phintys.raise_op.Assert("v must be positive")(x.sum(), v > 0))
    before = x.rng.get_value()
    with pytest.raises(AssertionError):
        f(-1.0)
    np.testing.assert_array_equal(x.rng.get_value(), before)
    f(1.0)
    assert x.rng.get_value()[1] == 1

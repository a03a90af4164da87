"""Theano's two kinds of random streams, number for number."""

import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys.gradient import NullTypeGradError
from phintys.sandbox.rng_mrg import M1, M2, MRG_RandomStreams, guess_n_streams
from phintys.tensor import raw_random
from phintys.tensor.shared_randomstreams import RandomStateSharedVariable, RandomStreams

SEED = 8723


def numpy_states(seed, n):
    """The states of the first `n` draws of RandomStreams(seed)."""
    seedgen = np.random.RandomState(seed)
    return [np.random.RandomState(int(seedgen.randint(2**30))) for _ in range(n)]


def same_numbers(draw, expected, calls=4):
    """`draw(stream)` against `expected(state)`, in several calls."""
    out = draw(RandomStreams(SEED))
    f = phintys.function([], out)
    (state,) = numpy_states(SEED, 1)
    for _ in range(calls):
        want = np.asarray(expected(state))
        got = f()
        assert got.shape == want.shape
        np.testing.assert_array_equal(got, want.astype(got.dtype))
    return out


# --- RandomStreams --------------------------------------------------------------------------------


def test_golden_values():
    srng = RandomStreams(seed=234)
    f = phintys.function([], srng.uniform((2, 2)))
    g = phintys.function([], RandomStreams(seed=234).normal((2, 2)), no_default_updates=True)
    np.testing.assert_allclose(f(), [[0.12672381, 0.97091597], [0.13989098, 0.88754825]], atol=5e-9)
    np.testing.assert_allclose(
        g(), [[-0.26708242, -1.99332322], [-0.46045026, -1.49765596]], atol=5e-9
    )
    np.testing.assert_array_equal(g(), g())


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-3.5, 12.25), (0.0, 1e300)])
def test_uniform(low, high):
    same_numbers(lambda s: s.uniform((50, 7), low, high), lambda r: r.uniform(low, high, (50, 7)))


def test_uniform_broadcasts():
    low, high = np.arange(3.0), np.arange(4.0, 6.0)[:, None]
    same_numbers(lambda s: s.uniform(None, low, high), lambda r: r.uniform(low, high))
    same_numbers(
        lambda s: s.uniform((5, 2, 3), low, high), lambda r: r.uniform(low, high, (5, 2, 3))
    )


def test_many_words():
    # The generator is refilled every 624 words.
    same_numbers(lambda s: s.uniform((3001,)), lambda r: r.uniform(size=3001), calls=5)


@pytest.mark.parametrize("size", [(), (1,), (3,), (100, 3)])
def test_normal(size):
    # Odd sizes leave a second number waiting.
    same_numbers(lambda s: s.normal(size, 2.0, 3.0), lambda r: r.normal(2.0, 3.0, size), calls=7)


def test_normal_float32():
    out = same_numbers(
        lambda s: s.normal((41,), dtype="float32"), lambda r: r.normal(size=41).astype("float32")
    )
    assert out.dtype == "float32"


@pytest.mark.parametrize("lam", [0.0, 0.1, 3.0, 9.99, 10.0, 11.5, 100.0, 12345.6, 1e9, 1e15])
def test_poisson(lam):
    same_numbers(lambda s: s.poisson((800,), lam), lambda r: r.poisson(lam, 800))


@pytest.mark.parametrize("n", [1, 2, 10, 30, 100, 1000, 10**6])
@pytest.mark.parametrize("p", [0.0, 1e-4, 0.02, 0.3, 0.5, 0.51, 0.9, 1.0])
def test_binomial(n, p):
    same_numbers(lambda s: s.binomial((400,), n, p), lambda r: r.binomial(n, p, 400))


def test_binomial_broadcasts():
    n, p = np.array([[1], [50], [10**7]]), np.array([0.1, 0.7])
    same_numbers(lambda s: s.binomial((20, 3, 2), n, p), lambda r: r.binomial(n, p, (20, 3, 2)))


@pytest.mark.parametrize(
    "low, high", [(0, 1), (5, 5), (-7, 90), (0, 2**31), (0, 2**32 - 1), (-(2**40), 2**60)]
)
def test_random_integers(low, high):
    same_numbers(
        lambda s: s.random_integers((300,), low, high),
        lambda r: r.randint(low, high + 1, 300, dtype="int64"),
    )


def test_random_integers_broadcasts():
    low, high = np.array([0, 10, -5]), np.array([1, 2000, -5])
    same_numbers(
        lambda s: s.random_integers((9, 3), low, high),
        lambda r: np.array(
            [[r.randint(lo, hi + 1) for lo, hi in zip(low, high, strict=True)] for _ in range(9)]
        ),
    )


@pytest.mark.parametrize("n", [0, 1, 2, 17, 1000])
def test_permutation(n):
    same_numbers(lambda s: s.permutation(n=n), lambda r: r.permutation(n))
    same_numbers(
        lambda s: s.permutation((2, 3), n),
        lambda r: np.array([r.permutation(n) for _ in range(6)], "int64").reshape(2, 3, n),
    )


WEIGHTS = np.array([0.1, 0.0, 0.4, 0.15, 0.3, 0.05])


@pytest.mark.parametrize("p", [None, WEIGHTS])
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("size", [(), (3,), (2, 2)])
def test_choice(size, replace, p):
    given = None if p is None else p.copy()
    shape = None if size == () else size
    same_numbers(
        lambda s: s.choice(size, 6, replace, p), lambda r: r.choice(6, shape, replace, given)
    )
    a = np.array([3, 1, 4, 1, 5, 9])
    same_numbers(
        lambda s: s.choice(size, a, replace, p), lambda r: r.choice(a, shape, replace, given)
    )


def test_choice_large():
    p = np.random.default_rng(3).dirichlet(np.full(500, 0.2))
    same_numbers(lambda s: s.choice((60,), 500, False, p), lambda r: r.choice(500, 60, False, p))


def test_multinomial():
    pvals = np.array([[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]])
    same_numbers(
        lambda s: s.multinomial(None, 30, pvals),
        lambda r: np.array([r.multinomial(30, row) for row in pvals]),
    )
    same_numbers(
        lambda s: s.multinomial((4, 2), 7, pvals),
        lambda r: np.array([[r.multinomial(7, row) for row in pvals] for _ in range(4)]),
    )
    same_numbers(
        lambda s: s.multinomial((4, -1), 7, pvals),
        lambda r: np.array([[r.multinomial(7, row) for row in pvals] for _ in range(4)]),
    )


def test_multinomial_of_rounded_rows():
    # Theano scales rows whose sum is a little above 1, in their own dtype.
    rows = np.random.default_rng(1).random((40, 300)).astype("float32")
    rows /= rows.sum(axis=1, keepdims=True)

    def expected(r):
        out = []
        for row in rows:
            if 1.0 < np.sum(row) < 1.0 + 1e-5 or row[-1] < 5e-5:
                row = row * (1.0 - 5e-5)
            out.append(r.multinomial(1, row.astype("float64")))
        return np.array(out)

    same_numbers(lambda s: s.multinomial(None, 1, rows), expected)


def test_shuffle_row_elements():
    x = T.dmatrix()
    out = RandomStreams(SEED).shuffle_row_elements(x)
    f = phintys.function([x], [out, out.permutation])
    value = np.arange(12.0).reshape(3, 4)
    (state,) = numpy_states(SEED, 1)
    for _ in range(2):
        order = np.array([state.permutation(4) for _ in range(3)])
        got, permutation = f(value)
        np.testing.assert_array_equal(permutation, order)
        np.testing.assert_array_equal(got, np.take_along_axis(value, order, axis=1))
    v = T.dvector()
    g = phintys.function([v], RandomStreams(SEED).shuffle_row_elements(v))
    (state,) = numpy_states(SEED, 1)
    np.testing.assert_array_equal(g(np.arange(9.0)), state.permutation(9))


def test_symbolic_size():
    n = T.lscalar()
    v = T.lvector()
    srng = RandomStreams(SEED)
    f = phintys.function([n], srng.normal((n, 2)))
    g = phintys.function([v], srng.uniform(v, ndim=2))
    first, second = numpy_states(SEED, 2)
    for size in (3, 0, 5):
        np.testing.assert_array_equal(f(size), first.normal(size=(size, 2)))
        np.testing.assert_array_equal(g([2, size]), second.uniform(size=(2, size)))
    x = T.dmatrix()
    h = phintys.function([x], RandomStreams(SEED).binomial(x.shape, 1, x))
    (state,) = numpy_states(SEED, 1)
    p = np.linspace(0, 1, 12).reshape(3, 4)
    np.testing.assert_array_equal(h(p), state.binomial(1, p))


def test_seed_and_states():
    srng = RandomStreams(seed=1)
    a, b = srng.uniform((3,)), srng.normal((3,))
    f = phintys.function([], [a, b])
    f()
    srng.seed(77)
    one, two = numpy_states(77, 2)
    got = f()
    np.testing.assert_array_equal(got[0], one.uniform(size=3))
    np.testing.assert_array_equal(got[1], two.normal(size=3))
    srng.seed()
    one, two = numpy_states(1, 2)
    np.testing.assert_array_equal(f()[1], two.normal(size=3))
    assert srng.updates() == srng.state_updates == [a.update, b.update]
    assert isinstance(srng.gen_seedgen, np.random.RandomState)
    assert srng.default_instance_seed == 1


def test_rng_is_a_random_state():
    srng = RandomStreams(seed=5)
    rv = srng.uniform((4,))
    f = phintys.function([], rv)
    assert isinstance(rv.rng, RandomStateSharedVariable)
    f()
    state = rv.rng.get_value(borrow=True)
    assert isinstance(state, np.random.RandomState)
    state.seed(89234)
    rv.rng.set_value(state, borrow=True)
    np.testing.assert_array_equal(f(), np.random.RandomState(89234).uniform(size=4))
    srng[rv.rng] = np.random.RandomState(6)
    np.testing.assert_array_equal(f(), np.random.RandomState(6).uniform(size=4))
    srng[rv] = np.random.RandomState(7)
    np.testing.assert_array_equal(srng[rv].uniform(size=4), f())
    # Copying states between streams, as in Theano's tutorial.
    other = RandomStreams(seed=9)
    rv2 = other.uniform((4,))
    g = phintys.function([], rv2)
    for (mine, _), (theirs, _) in zip(srng.state_updates, other.state_updates, strict=True):
        theirs.set_value(mine.get_value())
    np.testing.assert_array_equal(f(), g())


def test_waiting_normal_survives_the_state():
    rv = RandomStreams(seed=5).normal((3,))
    f = phintys.function([], rv)
    f()
    state = rv.rng.get_value()
    assert state.get_state()[3] == 1
    np.testing.assert_array_equal(f(), state.normal(size=3))


def test_shared_makes_a_random_state_variable():
    rng = phintys.shared(np.random.RandomState(3), name="rng")
    assert isinstance(rng, RandomStateSharedVariable) and rng.name == "rng"
    new_state, x = raw_random.normal(rng, (5,))
    f = phintys.function([], x, updates=[(rng, new_state)])
    state = np.random.RandomState(3)
    for _ in range(2):
        np.testing.assert_array_equal(f(), state.normal(size=5))


def test_random_function():
    draw = raw_random.RandomFunction("normal", T.fvector)
    new_state, x = draw(np.random.RandomState(3), (5,), 1.5, 2)
    assert x.dtype == "float32" and new_state.dtype == "uint32"
    want = np.random.RandomState(3).normal(1.5, 2, 5).astype("float32")
    np.testing.assert_array_equal(phintys.function([], x)(), want)
    with pytest.raises(ValueError, match="is none of"):
        raw_random.RandomFunction("wald", T.fvector)
    with pytest.raises(TypeError, match="takes 2 parameters, got 1"):
        draw(np.random.RandomState(3), (5,), 1.5)


def test_raw_random_state_as_input():
    state = raw_random.random_state_type()
    new_state, x = raw_random.uniform(state, (3,))
    f = phintys.function([state], [new_state, x])
    start = raw_random.pack_state(np.random.RandomState(4))
    after, numbers = f(start)
    reference = np.random.RandomState(4)
    np.testing.assert_array_equal(numbers, reference.uniform(size=3))
    np.testing.assert_array_equal(after, raw_random.pack_state(reference))
    np.testing.assert_array_equal(
        raw_random.unpack_state(after).uniform(size=2), reference.uniform(size=2)
    )


def test_random_streams_errors():
    srng = RandomStreams(seed=5)
    with pytest.raises(ValueError, match="std must not be negative"):
        phintys.function([], srng.normal((3,), 0.0, -1.0))()
    with pytest.raises(ValueError, match="p must be between 0 and 1"):
        phintys.function([], srng.binomial((3,), 2, 1.5))()
    with pytest.raises(ValueError, match="lam must not be negative"):
        phintys.function([], srng.poisson((3,), -1.0))()
    with pytest.raises(ValueError, match="low must not exceed high"):
        phintys.function([], srng.random_integers((3,), 4, 3))()
    with pytest.raises(ValueError, match="cannot take 5 different ones of 4"):
        phintys.function([], srng.choice((5,), 4, False))()
    with pytest.raises(ValueError, match="add up to"):
        phintys.function([], srng.choice((2,), 2, True, [0.5, 0.6]))()
    with pytest.raises(ValueError, match="more than 1"):
        phintys.function([], srng.multinomial((2,), 2, [0.5, 0.6]))()
    with pytest.raises(ValueError, match="ndim should be at least as big"):
        srng.uniform((3,), np.zeros((2, 3)), 1.0)
    with pytest.raises(ValueError, match="Auto-shape of -1"):
        srng.uniform((-1, 2), 0.0, np.ones(2))
    with pytest.raises(TypeError, match="without either shape or args"):
        srng.choice()
    with pytest.raises(ValueError, match="cannot be broadcast"):
        v = T.dvector()
        phintys.function([v], srng.uniform((3,), v))(np.zeros(4))
    with pytest.raises(ValueError, match="628 elements"):
        state = raw_random.random_state_type()
        phintys.function([state], raw_random.uniform(state, (3,)))(np.zeros(5, "uint32"))


def test_states_that_no_generator_can_be_in():
    state = raw_random.random_state_type()
    f = phintys.function([state], raw_random.normal(state, (3,))[1])
    good = raw_random.pack_state(np.random.RandomState(1))
    np.testing.assert_array_equal(f(good), np.random.RandomState(1).normal(size=3))
    with pytest.raises(ValueError, match="must not be zero"):
        f(np.zeros(628, "uint32"))
    for index, value in ((624, 625), (625, 2)):
        bad = good.copy()
        bad[index] = value
        with pytest.raises(ValueError, match="a position of"):
            f(bad)


def test_a_failed_draw_leaves_the_state():
    std = T.dscalar()
    rv = RandomStreams(seed=5).normal((3,), 0.0, std)
    f = phintys.function([std], rv)
    before = rv.rng.get_value(return_internal_type=True).copy()
    with pytest.raises(ValueError):
        f(-1.0)
    np.testing.assert_array_equal(rv.rng.get_value(return_internal_type=True), before)


def test_no_gradient_through_random_streams():
    mu = T.dscalar()
    with pytest.raises(NullTypeGradError):
        T.grad(RandomStreams(1).normal((3,), mu).sum(), mu)
    with pytest.raises(NullTypeGradError):
        T.grad(MRG_RandomStreams(1).normal((3,), mu).sum(), mu)


# --- MRG_RandomStreams ----------------------------------------------------------------------------


def mrg_step(s):
    """One step of a stream, by the recurrences of the paper, and its number below 2^31."""
    x11, x12, x13, x21, x22, x23 = s
    a = (2**22 * x12 + (2**7 + 1) * x13) % M1
    b = (2**15 * x21 + (2**15 + 1) * x23) % M2
    return (a, x11, x12, b, x21, x22), (a - b if a > b else a - b + M1)


def mrg_numbers(states, n):
    """`n` numbers, element i from stream i modulo their number."""
    states = [tuple(int(w) for w in s) for s in states]
    out = []
    for i in range(n):
        k = i % len(states)
        states[k], z = mrg_step(states[k])
        out.append(z)
    return np.array(out), np.array(states)


def test_mrg_golden_values():
    f = phintys.function([], MRG_RandomStreams(42).uniform((4,)))
    np.testing.assert_allclose(f(), [0.08075202, 0.92676401, 0.85971985, 0.2507445], atol=5e-9)
    g = phintys.function([], MRG_RandomStreams(42).normal((4,)))
    np.testing.assert_allclose(g(), [1.42693803, -0.00182443, -1.73106689, 0.39001194], atol=5e-9)


def test_mrg_jump_matrices():
    # From L'Ecuyer's package SSJ: steps of 2^72 and 2^134.
    from phintys.sandbox import rng_mrg

    assert rng_mrg._A1P72[0] == [1516919229, 758510237, 499121365]
    assert rng_mrg._A2P72[0] == [1228857673, 1496414766, 954677935]
    assert rng_mrg._A1P134[2] == [1143731069, 828554832, 102237247]
    assert rng_mrg._A2P134[2] == [1401213391, 1178684362, 1431130166]


@pytest.mark.parametrize(
    "streams, n", [(1, 10), (7, 5), (7, 50), (64, 640), (100, 1234), (300, 77)]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_mrg_uniform(streams, n, dtype):
    srng = MRG_RandomStreams(1234)
    states = srng.get_substream_rstates(streams, dtype, inc_rstate=False)
    x = srng.uniform((n,), dtype=dtype, nstreams=streams)
    assert x.dtype == dtype
    f = phintys.function([], x)
    for _ in range(2):
        z, states = mrg_numbers(states, n)
        got = f()
        if dtype == "float64":
            want = z * 4.656612873077392578125e-10
        elif dtype == "float32":
            want = z.astype("float32") * np.float32(4.6566126e-10)
        else:
            want = (((z & 0x7FFF) + 1) * np.float64(np.float16(3.0458e-05))).astype("float16")
        np.testing.assert_array_equal(got, want)
        assert got.min() > 0 and got.max() < 1
    ((rstate, _, _, _),) = srng.state_updates
    np.testing.assert_array_equal(rstate.get_value(), states)


def test_mrg_streams():
    srng = MRG_RandomStreams([1, 2, 3, 4, 5, 6])
    states = srng.get_substream_rstates(130, "float64")
    assert states.shape == (130, 6) and states.dtype == np.int32
    np.testing.assert_array_equal(states[0], [1, 2, 3, 4, 5, 6])
    one = MRG_RandomStreams(list(states[1]))
    np.testing.assert_array_equal(one.get_substream_rstates(129, "float64"), states[1:])
    assert guess_n_streams((2, 3)) == 6
    assert guess_n_streams((100, 100)) == 1666
    assert guess_n_streams((1000, 1000)) == 60 * 256
    assert guess_n_streams(T.lvector()) == 60 * 256
    with pytest.warns(UserWarning, match="guessing 60"):
        guess_n_streams((T.lscalar(),), warn=True)
    assert srng.n_streams((30,)) == 5


def test_mrg_seed():
    srng = MRG_RandomStreams(7)
    a, b = srng.uniform((5,)), srng.normal((6,))
    f = phintys.function([], [a, b])
    first = f()
    assert not np.array_equal(first[0], f()[0])
    srng.seed()
    for got, want in zip(f(), first, strict=True):
        np.testing.assert_array_equal(got, want)
    srng.seed(8)
    assert not np.array_equal(f()[0], first[0])
    assert len(srng.updates()) == len(srng.state_updates) == 2
    again = MRG_RandomStreams(8)
    np.testing.assert_array_equal(again.rstate, [8] * 6)
    before = again.rstate
    again.inc_rstate()
    assert not np.array_equal(again.rstate, before)


def test_mrg_unknown_size():
    n = T.lscalar()
    v = T.lvector()
    srng = MRG_RandomStreams(7)
    f = phintys.function([n], srng.uniform((n, 2)))
    g = phintys.function([v], srng.normal(v, ndim=2))
    assert srng.state_updates[0][0].get_value().shape == (60 * 256, 6)
    assert f(3).shape == (3, 2) and f(0).shape == (0, 2)
    assert g([5, 3]).shape == (5, 3)


def test_mrg_binomial_and_uniform_with_bounds():
    srng = MRG_RandomStreams(7)
    p = T.dscalar()
    f = phintys.function([p], srng.binomial((20000,), 1, p, dtype="int32"))
    assert f(0.5).dtype == np.int32
    assert abs(f(0.3).mean() - 0.3) < 0.02
    g = phintys.function([], srng.uniform((10000,), -2.0, 3.0))
    x = g()
    assert x.min() > -2 and x.max() < 3 and abs(x.mean() - 0.5) < 0.05


def multinomial_reference(p, u, n):
    out = np.zeros(p.shape, "int64")
    for c in range(n):
        for r in range(len(p)):
            sums = np.cumsum(p[r], dtype="float64")
            out[r, np.argmax(sums > u[c * len(p) + r])] += 1
    return out


@pytest.mark.parametrize("n", [1, 5])
def test_mrg_multinomial(n):
    p = np.random.default_rng(0).dirichlet(np.ones(6), 7)
    x = T.dmatrix()
    f = phintys.function([x], MRG_RandomStreams(11).multinomial(pvals=x, n=n))
    u = phintys.function([], MRG_RandomStreams(11).uniform((7 * n,), nstreams=60 * 256))()
    got = f(p)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, multinomial_reference(p, u, n))


def test_mrg_choice():
    p = np.random.default_rng(0).dirichlet(np.ones(6), 7)
    x = T.dmatrix()
    srng = MRG_RandomStreams(11)
    f = phintys.function([x], srng.choice(size=4, replace=False, p=x))
    u = phintys.function([], MRG_RandomStreams(11).uniform((28,), nstreams=60 * 256))()
    got = f(p)
    for r in range(7):
        left = p[r].copy()
        for c in range(4):
            m = np.argmax(np.cumsum(left) > u[c * 7 + r])
            assert got[r, c] == m
            left[m] = 0
            left /= left.sum()
    with pytest.warns(UserWarning, match="deprecated"):
        g = phintys.function([x], srng.multinomial_wo_replacement(pvals=x, n=2))
    assert g(p).shape == (7, 2)
    with pytest.raises(ValueError, match="Cannot sample without replacement"):
        phintys.function([x], srng.choice(size=7, replace=False, p=x))(p)


def test_mrg_truncated_normal():
    srng = MRG_RandomStreams(3)
    x = phintys.function([], srng.truncated_normal((200, 301), avg=1.0, std=2.0))()
    assert x.shape == (200, 301)
    assert np.abs(x - 1).max() <= 2 * 2 / 0.8796 + 1e-6
    # The radius of what was cut is drawn again between 0 and 2: not quite the distribution.
    assert abs(x.std() - 2) < 0.04 and abs(x.mean() - 1) < 0.02
    y = phintys.function([], MRG_RandomStreams(3).normal((10001,), truncate=True))()
    assert np.abs(y).max() <= 2 and len(y) == 10001
    again = MRG_RandomStreams(3)
    draws = [again.uniform((n,), nstreams=60 * 256) for n in (10002, 10002)]
    u, v = phintys.function([], draws)()
    u1, u2 = u[:5001], u[5001:]
    parts, used = [], 0
    for trigonometric in (np.cos, np.sin):
        z = np.sqrt(-2 * np.log(u1)) * trigonometric(2 * np.pi * u2)
        bad = np.abs(z) > 2
        lower = np.exp(-2.0)
        r = np.sqrt(-2 * np.log(v[used : used + bad.sum()] * (1 - lower) + lower))
        used += bad.sum()
        parts += [z[~bad], r * trigonometric(2 * np.pi * u2[bad])]
    np.testing.assert_allclose(y, np.concatenate(parts)[:10001], rtol=1e-9, atol=1e-12)


def test_mrg_errors():
    for seed in (0, M2):
        with pytest.raises(ValueError, match="seed should"):
            MRG_RandomStreams(seed)
    with pytest.raises(ValueError, match="should not be all 0"):
        MRG_RandomStreams([0, 0, 0, 1, 1, 1])
    with pytest.raises(ValueError, match="last 3 values of seed should be less than"):
        MRG_RandomStreams([1, 1, 1, 1, M2, 1])
    with pytest.raises(TypeError, match="1 integer or 6"):
        MRG_RandomStreams([1, 2])
    srng = MRG_RandomStreams(1)
    with pytest.raises(NotImplementedError):
        srng.binomial((3,), n=2)
    with pytest.raises(NotImplementedError):
        srng.choice(p=np.ones((2, 2)))
    with pytest.raises(ValueError, match="dimension with value <= 0"):
        srng.uniform((0,))
    with pytest.raises(TypeError, match="size must be a tuple"):
        srng.uniform([3])
    with pytest.raises(ValueError, match="Non-positive"):
        srng.normal((3, 0))
    with pytest.raises(NotImplementedError, match="Increase the size"):
        srng.uniform((1,), np.zeros(3), 1.0)
    with pytest.raises(TypeError, match="pvals"):
        srng.multinomial()


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [RandomStreams, MRG_RandomStreams])
def test_updates(make):
    def functions():
        srng = make(12)
        x = srng.uniform((3,))
        return srng, x

    _, x = functions()
    f = phintys.function([], [x, x + 0])
    one, two = f()
    np.testing.assert_array_equal(one, two)  # the same variable, the same numbers
    assert not np.array_equal(one, f()[0])
    _, x = functions()
    g = phintys.function([], x)
    h = phintys.function([], 2 * x)  # shares the stream with g
    fixed = phintys.function([], x, no_default_updates=True)
    np.testing.assert_array_equal(g(), one)
    second = f_second = h() / 2
    assert not np.array_equal(second, one)
    np.testing.assert_array_equal(fixed(), fixed())
    srng, x = functions()
    ups = [(u[0], u[1]) for u in srng.updates()]
    manual = phintys.function([], x, no_default_updates=True, updates=ups)
    np.testing.assert_array_equal(manual(), one)
    np.testing.assert_array_equal(manual(), f_second)


def test_theano_module_names():
    import phintys.compat

    phintys.compat.install_theano_alias()
    try:
        from theano.sandbox.rng_mrg import MRG_RandomStream
        from theano.sandbox.rng_mrg import MRG_RandomStreams as Mrg
        from theano.tensor.raw_random import RandomStreamsBase  # noqa: F401
        from theano.tensor.shared_randomstreams import RandomStreams as Streams

        assert Mrg is MRG_RandomStreams is MRG_RandomStream and Streams is RandomStreams
    finally:
        phintys.compat.uninstall_theano_alias()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert T.shared_randomstreams.RandomStreams is RandomStreams
        assert T.raw_random.uniform is raw_random.uniform

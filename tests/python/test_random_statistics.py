"""Every distribution against SciPy's: Kolmogorov-Smirnov, chi-square, moments; fixed seeds."""

import numpy as np
import phintys
import pytest
from phintys.tensor.random import RandomStream
from scipy import stats

N = 40000
# A right distribution fails about once in 10^4 seeds; the seeds here are fixed.
LEVEL = 1e-4

CONTINUOUS = {
    "uniform": (lambda s, **k: s.uniform(-2.0, 3.0, **k), stats.uniform(-2, 5)),
    "random": (lambda s, **k: s.random(**k), stats.uniform()),
    "normal": (lambda s, **k: s.normal(1.0, 2.0, **k), stats.norm(1, 2)),
    "standard_normal": (lambda s, **k: s.standard_normal(**k), stats.norm()),
    "lognormal": (lambda s, **k: s.lognormal(0.5, 0.7, **k), stats.lognorm(0.7, scale=np.exp(0.5))),
    "halfnormal": (lambda s, **k: s.halfnormal(1.0, 2.0, **k), stats.halfnorm(1, 2)),
    "truncated": (lambda s, **k: s.truncated_normal(**k), stats.truncnorm(-2, 2)),
    "truncated_wide": (
        lambda s, **k: s.truncated_normal(1.0, 2.0, -1.0, np.inf, **k),
        stats.truncnorm(-1, np.inf, 1, 2),
    ),
    "truncated_tail": (
        lambda s, **k: s.truncated_normal(0.0, 1.0, 3.0, np.inf, **k),
        stats.truncnorm(3, np.inf),
    ),
    "truncated_far": (
        lambda s, **k: s.truncated_normal(0.0, 1.0, -np.inf, -12.0, **k),
        stats.truncnorm(-np.inf, -12),
    ),
    "truncated_narrow": (
        lambda s, **k: s.truncated_normal(0.0, 1.0, 1.0, 1.5, **k),
        stats.truncnorm(1, 1.5),
    ),
    "truncated_around": (
        lambda s, **k: s.truncated_normal(0.0, 1.0, -0.5, 1.0, **k),
        stats.truncnorm(-0.5, 1),
    ),
    "exponential": (lambda s, **k: s.exponential(3.0, **k), stats.expon(scale=3)),
    "standard_exponential": (lambda s, **k: s.standard_exponential(**k), stats.expon()),
    "laplace": (lambda s, **k: s.laplace(1.0, 2.0, **k), stats.laplace(1, 2)),
    "gumbel": (lambda s, **k: s.gumbel(1.0, 2.0, **k), stats.gumbel_r(1, 2)),
    "logistic": (lambda s, **k: s.logistic(1.0, 2.0, **k), stats.logistic(1, 2)),
    "cauchy": (lambda s, **k: s.cauchy(1.0, 2.0, **k), stats.cauchy(1, 2)),
    "standard_cauchy": (lambda s, **k: s.standard_cauchy(**k), stats.cauchy()),
    "halfcauchy": (lambda s, **k: s.halfcauchy(1.0, 2.0, **k), stats.halfcauchy(1, 2)),
    "rayleigh": (lambda s, **k: s.rayleigh(2.0, **k), stats.rayleigh(scale=2)),
    "weibull": (lambda s, **k: s.weibull(1.7, 2.0, **k), stats.weibull_min(1.7, scale=2)),
    "pareto": (lambda s, **k: s.pareto(2.5, 3.0, **k), stats.pareto(2.5, scale=3)),
    "lomax": (lambda s, **k: s.pareto(2.5, **k), stats.lomax(2.5)),
    "triangular": (lambda s, **k: s.triangular(-1.0, 0.5, 3.0, **k), stats.triang(0.375, -1, 4)),
    "gamma_small": (lambda s, **k: s.gamma(0.3, 2.0, **k), stats.gamma(0.3, scale=2)),
    "gamma_one": (lambda s, **k: s.standard_gamma(1.0, **k), stats.gamma(1)),
    "gamma_large": (lambda s, **k: s.gamma(30.0, 0.5, **k), stats.gamma(30, scale=0.5)),
    "invgamma": (lambda s, **k: s.invgamma(3.0, 2.0, **k), stats.invgamma(3, scale=2)),
    "chisquare": (lambda s, **k: s.chisquare(5, **k), stats.chi2(5)),
    "f": (lambda s, **k: s.f(5, 9, **k), stats.f(5, 9)),
    "t": (lambda s, **k: s.t(4.0, 1.0, 2.0, **k), stats.t(4, 1, 2)),
    "standard_t": (lambda s, **k: s.standard_t(2.5, **k), stats.t(2.5)),
    "beta": (lambda s, **k: s.beta(0.5, 2.0, **k), stats.beta(0.5, 2)),
    "wald": (lambda s, **k: s.wald(2.0, 3.0, **k), stats.invgauss(2 / 3, scale=3)),
}


def numbers(draw, size=N, seed=2024, **kwargs):
    return phintys.function([], draw(RandomStream(seed), size=size, **kwargs))()


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_continuous(name, dtype):
    draw, law = CONTINUOUS[name]
    x = numbers(draw, dtype=dtype)
    assert x.dtype == dtype and np.isfinite(x).all()
    assert stats.kstest(x.astype("float64"), law.cdf).pvalue > LEVEL
    low, high = law.support()
    assert x.min() >= low - 1e-6 * abs(low) and x.max() <= high + 1e-6 * abs(high)
    if np.isfinite(law.var()) and law.var() > 0 and np.isfinite(law.stats("k")):
        # Means within five standard errors.
        assert abs(x.mean(dtype="float64") - law.mean()) < 5 * law.std() / np.sqrt(N)
        fourth = (law.stats("k") + 2) * law.var() ** 2
        if name not in ("pareto", "lomax", "lognormal", "f", "invgamma", "weibull"):
            assert abs(x.var(dtype="float64") - law.var()) < 5 * np.sqrt(fourth / N)


def test_the_check_can_fail():
    x = numbers(lambda s, **k: s.normal(0.0, 1.03, **k))
    assert stats.kstest(x, stats.norm(0, 1.1).cdf).pvalue < LEVEL
    k = numbers(lambda s, **k: s.poisson(4.2, **k))
    assert chi_square(k, stats.poisson(4.0)) < LEVEL


DISCRETE = {
    "poisson_small": (lambda s, **k: s.poisson(0.4, **k), stats.poisson(0.4)),
    "poisson_nine": (lambda s, **k: s.poisson(9.5, **k), stats.poisson(9.5)),
    "poisson_ten": (lambda s, **k: s.poisson(10.0, **k), stats.poisson(10)),
    "poisson_large": (lambda s, **k: s.poisson(300.0, **k), stats.poisson(300)),
    "binomial_few": (lambda s, **k: s.binomial(7, 0.3, **k), stats.binom(7, 0.3)),
    "binomial_flipped": (lambda s, **k: s.binomial(12, 0.9, **k), stats.binom(12, 0.9)),
    "binomial_half": (lambda s, **k: s.binomial(40, 0.5, **k), stats.binom(40, 0.5)),
    "binomial_many": (lambda s, **k: s.binomial(1000, 0.3, **k), stats.binom(1000, 0.3)),
    "binomial_most": (lambda s, **k: s.binomial(500, 0.97, **k), stats.binom(500, 0.97)),
    "bernoulli": (lambda s, **k: s.bernoulli(0.3, **k), stats.bernoulli(0.3)),
    "geometric": (lambda s, **k: s.geometric(0.15, **k), stats.geom(0.15)),
    "negative_binomial": (lambda s, **k: s.nbinom(3.5, 0.4, **k), stats.nbinom(3.5, 0.4)),
    "betabinom": (lambda s, **k: s.betabinom(10, 2.0, 3.0, **k), stats.betabinom(10, 2, 3)),
    "integers": (lambda s, **k: s.integers(-3, 8, **k), stats.randint(-3, 8)),
    "random_integers": (lambda s, **k: s.random_integers(1, 6, **k), stats.randint(1, 7)),
    "choice": (lambda s, **k: s.choice(9, **k), stats.randint(0, 9)),
}


def chi_square(x, law):
    """The p-value of counts; cells of few expected ones are joined."""
    low, high = int(law.ppf(1e-4)), int(law.ppf(1 - 1e-4))
    edges = np.arange(low, high + 1)
    expected = law.pmf(edges) * len(x)
    expected[0] = law.cdf(edges[0]) * len(x)
    expected[-1] = law.sf(edges[-1] - 1) * len(x)
    observed = np.bincount(np.clip(x, low, high) - low, minlength=len(edges))
    cells = [[0.0, 0.0]]
    for o, e in zip(observed, expected, strict=True):
        cells[-1][0] += o
        cells[-1][1] += e
        if cells[-1][1] >= 20:
            cells.append([0.0, 0.0])
    if len(cells) > 1:
        last = cells.pop()
        cells[-1][0] += last[0]
        cells[-1][1] += last[1]
    o, e = np.array(cells).T
    return stats.chisquare(o, e * (o.sum() / e.sum())).pvalue if len(o) > 1 else 1.0


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    draw, law = DISCRETE[name]
    x = numbers(draw)
    assert x.dtype == np.int64
    assert chi_square(x, law) > LEVEL
    assert abs(x.mean() - law.mean()) < 5 * law.std() / np.sqrt(N)


def test_large_means():
    for lam in (1e6, 1e12, 1e17):
        x = numbers(lambda s, lam=lam, **k: s.poisson(lam, **k))
        z = (x.astype("float64") - lam) / np.sqrt(lam)
        assert stats.kstest(z, stats.norm.cdf).pvalue > LEVEL
    for n, p in ((10**9, 0.2), (10**12, 0.999)):
        x = numbers(lambda s, n=n, p=p, **k: s.binomial(n, p, **k))
        z = (x - n * p) / np.sqrt(n * p * (1 - p))
        assert stats.kstest(z, stats.norm.cdf).pvalue > LEVEL


def test_parameters_vary_with_the_element():
    shape = np.array([[0.05, 0.5, 1.0, 3.0, 100.0, 1e6]])
    x = numbers(lambda s, **k: s.gamma(shape, **k), size=(4000, 6))
    lam = np.array([0.0, 0.1, 5.0, 9.99, 10.0, 1e4])
    y = numbers(lambda s, **k: s.poisson(lam, **k), size=(4000, 6))
    for j in range(6):
        assert stats.kstest(x[:, j], stats.gamma(shape[0, j]).cdf).pvalue > LEVEL
        assert chi_square(y[:, j], stats.poisson(lam[j])) > LEVEL if j else (y[:, 0] == 0).all()


def test_extreme_parameters():
    def draw(name, *parameters):
        return numbers(lambda s, **k: getattr(s, name)(*parameters, **k), size=100)

    assert (draw("gamma", 0.0) == 0).all()
    assert np.isnan(draw("gamma", np.nan)).all()
    assert np.isinf(draw("gamma", np.inf)).all()
    assert (draw("binomial", 0, 0.5) == 0).all()
    assert (draw("binomial", 7, 0.0) == 0).all() and (draw("binomial", 7, 1.0) == 7).all()
    assert (draw("geometric", 1.0) == 1).all()
    assert (draw("truncated_normal", 0.0, 1.0, 2.0, 2.0) == 2).all()
    # Tiny shapes: each beta number is next to 0 or to 1, none is NaN.
    b = draw("beta", 1e-3, 1e-3)
    assert np.isfinite(b).all() and b.min() < 1e-6 and b.max() > 1 - 1e-6
    assert (draw("normal", 3.0, 0.0) == 3).all()


def test_tails_of_the_normal():
    for dtype in ("float32", "float64"):
        x = numbers(lambda s, **k: s.normal(**k), size=4 * 10**6, dtype=dtype)
        for z in (3.0, 4.0, 4.5):
            expected = 2 * stats.norm.sf(z) * x.size
            assert abs((np.abs(x) > z).sum() - expected) < 5 * np.sqrt(expected)
        assert np.abs(x).max() > 4.8
        # The two coordinates of a pair, and neighbours, are not correlated.
        a = x.astype("float64")
        for lag in (1, 8, 16):
            assert abs(np.mean(a[lag:] * a[:-lag])) < 5 / np.sqrt(x.size)


# --- vectors --------------------------------------------------------------------------------------


P = np.array([0.1, 0.25, 0.0, 0.4, 0.25])


def frequencies(counts, p, n):
    keep = p > 0
    assert (np.asarray(counts)[~keep] == 0).all()
    return stats.chisquare(np.asarray(counts)[keep], p[keep] / p.sum() * n).pvalue


def test_categorical():
    shared = numbers(lambda s, **k: s.categorical(3 * P, **k))
    assert frequencies(np.bincount(shared, minlength=5), P, N) > LEVEL
    rows = np.tile(P, (N, 1))
    own = numbers(lambda s, **k: s.categorical(rows, **k), size=None)
    assert frequencies(np.bincount(own, minlength=5), P, N) > LEVEL
    chosen = numbers(lambda s, **k: s.choice(np.array([5, 6, 7, 8, 9]), p=P, **k))
    assert frequencies(np.bincount(chosen - 5, minlength=5), P, N) > LEVEL


def test_multinomial():
    x = numbers(lambda s, **k: s.multinomial(50, P, **k), size=4000)
    assert x.shape == (4000, 5) and (x.sum(axis=1) == 50).all() and (x >= 0).all()
    assert frequencies(x.sum(axis=0), P, 200000) > LEVEL
    covariance = np.cov(x.T)
    expected = 50 * (np.diag(P) - np.outer(P, P))
    np.testing.assert_allclose(covariance, expected, atol=0.8)
    assert chi_square(x[:, 3], stats.binom(50, 0.4)) > LEVEL
    n = np.array([0, 1, 100000])
    y = numbers(lambda s, **k: s.multinomial(n, P, **k), size=(20, 3))
    assert (y.sum(axis=-1) == n).all()


def test_dirichlet():
    alpha = np.array([0.3, 2.0, 5.0])
    x = numbers(lambda s, **k: s.dirichlet(alpha, **k))
    np.testing.assert_allclose(x.sum(axis=-1), 1, rtol=1e-12)
    for j in range(3):
        assert (
            stats.kstest(x[:, j], stats.beta(alpha[j], alpha.sum() - alpha[j]).cdf).pvalue > LEVEL
        )
    tiny = numbers(lambda s, **k: s.dirichlet(np.full(4, 1e-4), **k), size=1000)
    assert np.isfinite(tiny).all() and (tiny.max(axis=-1) > 0.99).mean() > 0.95


def test_permutation():
    x = numbers(lambda s, **k: s.permutation(4, **k), size=24000)
    assert (np.sort(x, axis=1) == np.arange(4)).all()
    code = x @ np.array([64, 16, 4, 1])
    _, counts = np.unique(code, return_counts=True)
    assert len(counts) == 24 and stats.chisquare(counts).pvalue > LEVEL
    long = numbers(lambda s, size: s.permutation(100000))
    assert (np.sort(long) == np.arange(100000)).all()
    assert abs(np.corrcoef(long, np.arange(100000))[0, 1]) < 5 / np.sqrt(100000)


def test_shuffle():
    value = np.arange(30.0).reshape(5, 6)
    for axis in (0, 1, -1):
        x = numbers(lambda s, size, axis=axis: s.shuffle(value, axis=axis))
        np.testing.assert_array_equal(np.sort(x, axis=axis), value)
        assert not np.array_equal(x, value)
    y = numbers(lambda s, size: s.permutation(value))
    np.testing.assert_array_equal(np.sort(y, axis=0), value)


def test_choice_without_replacement():
    stream = RandomStream(6)
    f = phintys.function(
        [], [stream.choice(6, 3, replace=False), stream.choice(5, 2, replace=False, p=P)]
    )
    plain, weighted = np.zeros((6, 6)), np.zeros((5, 5))
    for _ in range(6000):
        a, b = f()
        assert len(set(a.tolist())) == 3 and len(set(b.tolist())) == 2
        plain[a[0], a[1]] += 1
        weighted[b[0], b[1]] += 1
    off = ~np.eye(6, dtype=bool)
    assert stats.chisquare(plain[off]).pvalue > LEVEL
    # First by p, then by p among the others.
    expected = P[:, None] * P[None] / (1 - P[:, None]) * ~np.eye(5, dtype=bool)
    keep = expected > 0
    assert (weighted[~keep] == 0).all()
    assert stats.chisquare(weighted[keep], expected[keep] * 6000).pvalue > LEVEL


def test_integers_of_large_ranges():
    x = numbers(lambda s, **k: s.integers(-(2**62), 2**62, **k))
    assert stats.kstest(x / 2.0**62, stats.uniform(-1, 2).cdf).pvalue > LEVEL
    # A range of 3/4 of 2^64 refuses a quarter of the words at once: the bias would be gross.
    low, high = -(2**63), 2**62
    y = numbers(lambda s, **k: s.integers(np.int64(low), np.int64(high), **k))
    assert stats.kstest(y.astype("float64"), stats.uniform(low, high - low).cdf).pvalue > LEVEL


def test_multivariate_normal():
    mean = np.array([1.0, -2.0, 0.5])
    root = np.array([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.2, 0.7]])
    cov = root @ root.T
    x = numbers(lambda s, **k: s.multivariate_normal(mean, cov, **k))
    assert x.shape == (N, 3)
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=5 * 2.1 / np.sqrt(N))
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.15)
    z = np.linalg.solve(root, (x - mean).T)
    assert stats.kstest(z.ravel(), stats.norm.cdf).pvalue > LEVEL
    y = numbers(lambda s, **k: s.multivariate_normal(np.zeros((4, 3)), cov, **k), size=(5, 4))
    assert y.shape == (5, 4, 3)
    with pytest.raises(ValueError, match=r"positive definite|not positive"):
        numbers(lambda s, **k: s.multivariate_normal(mean, -cov, **k), size=3)

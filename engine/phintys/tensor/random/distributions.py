"""Distributions: expressions of a few basic draws.

Parameters are numbers or tensors and broadcast with each other; they come before ``size``. ``size``
is None (the shape of the parameters), an integer, a list of integers and scalars, or an integer
vector of known length. Location and scale are parts of the expression, so that gradients with
respect to them exist; gradients with respect to other parameters are errors, or, where the numbers
are whole, zero.

Results are of floatX, or of a wider dtype of a parameter, unless ``dtype`` says otherwise; whole
numbers are int64. Parameters out of range are a ValueError: at once where they are constants, else
when the function runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from phintys import _core
from phintys.errors import PhintysTypeError, PhintysValueError
from phintys.raise_op import check
from phintys.scalar.dtypes import integer_dtypes
from phintys.tensor.conversion import as_tensor_variable
from phintys.tensor.elemwise import cast, function_named
from phintys.tensor.linalg_basic import dot
from phintys.tensor.random.state import (
    Draws,
    body_of,
    checked,
    distribution,
    lengths_of,
    real_dtype,
    whole_dtype,
)
from phintys.tensor.reduction import max as max_of
from phintys.tensor.reduction import sum as sum_of
from phintys.tensor.shape import reshape
from phintys.tensor.slinalg import cholesky

__all__ = [
    "bernoulli",
    "beta",
    "betabinom",
    "binomial",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "geometric",
    "gumbel",
    "halfcauchy",
    "halfnormal",
    "integers",
    "invgamma",
    "laplace",
    "logistic",
    "lognormal",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "negative_binomial",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "random",
    "random_integers",
    "rayleigh",
    "shuffle",
    "standard_cauchy",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "t",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull",
]

exp, expm1 = function_named("exp"), function_named("expm1")
log, log1p = function_named("log"), function_named("log1p")
sqrt, tan = function_named("sqrt"), function_named("tan")
switch, ceil = function_named("switch"), function_named("ceil")
sigmoid, abs_ = function_named("sigmoid"), function_named("abs")
maximum = function_named("maximum")


def _variables(*values: Any) -> tuple[Any, ...]:
    return tuple(as_tensor_variable(v) for v in values)


def _located(
    draws: Draws, name: str, kind: str, loc: Any, scale: Any, size: Any, dtype: Any
) -> tuple[Any, Any, Any]:
    """Standard numbers of `kind`, and location and scale in their dtype."""
    loc, scale = _variables(loc, scale)
    dtype = real_dtype(name, dtype, loc, scale)
    lengths = lengths_of(name, size, loc, scale)
    scale = cast(checked(name, "scale", scale, 0), dtype)
    z = _wide(name, draws.real(kind, lengths, dtype), loc, scale)
    return z, cast(loc, dtype), scale


def _wide(name: str, z: Any, *parameters: Any) -> Any:
    """`z`, if no parameter is longer than it where it has length 1."""
    for p in parameters:
        for axis in range(p.ndim):
            own = axis + z.ndim - p.ndim
            if z.broadcastable[own] and not p.broadcastable[axis]:
                raise PhintysValueError(
                    f"{name}: a parameter {p.type} does not fit into size, whose dimension {own} "
                    "is 1"
                )
    return z


# --- location and scale ---------------------------------------------------------------------------


@distribution
def uniform(
    draws: Draws, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Uniform numbers in [low, high)."""
    low, high = _variables(low, high)
    dtype = real_dtype("uniform", dtype, low, high)
    drawn = "float32" if dtype == "float16" else dtype
    u = draws.real("uniform", lengths_of("uniform", size, low, high), drawn)
    if dtype == "float16":
        # Eleven bits: rounding a float32 could give 1.
        u = cast(function_named("floor")(u * 2048) / 2048, dtype)
    low, high = cast(low, dtype), cast(high, dtype)
    return low + (high - low) * _wide("uniform", u, low, high)


@distribution
def random(draws: Draws, size: Any = None, dtype: Any = None) -> Any:
    """Uniform numbers in [0, 1)."""
    return body_of("uniform")(draws, 0.0, 1.0, size, dtype)


@distribution
def normal(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Normal numbers of mean `loc` and standard deviation `scale`."""
    z, loc, scale = _located(draws, "normal", "normal", loc, scale, size, dtype)
    return loc + scale * z


@distribution
def standard_normal(draws: Draws, size: Any = None, dtype: Any = None) -> Any:
    """Normal numbers of mean 0 and variance 1."""
    return draws.real(
        "normal", lengths_of("standard_normal", size), real_dtype("standard_normal", dtype)
    )


@distribution
def multivariate_normal(
    draws: Draws, mean: Any, cov: Any, size: Any = None, dtype: Any = None
) -> Any:
    """Normal vectors of the means `mean` (..., K) and covariances `cov` (K, K).

    The result has the shape ``size + (K,)``. `cov` must be positive definite: LinAlgError.
    """
    name = "multivariate_normal"
    mean, cov = _variables(mean, cov)
    if mean.ndim < 1 or cov.ndim != 2:
        raise PhintysTypeError(
            f"{name}: mean must have a dimension and cov two, got {mean.type} and {cov.type}"
        )
    dtype = real_dtype(name, dtype, mean, cov)
    k = _core.shape_i(mean, mean.ndim - 1)
    lengths = [*lengths_of(name, size, mean, core=1), k]
    rows = as_tensor_variable(np.int64(1))
    for length in lengths[:-1]:
        rows = rows * length
    z = draws.real("normal", [rows, k], dtype)
    spread = dot(z, cholesky(cast(cov, dtype)).T)
    return cast(mean, dtype) + reshape(spread, lengths, ndim=len(lengths))


@distribution
def lognormal(
    draws: Draws, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Numbers whose logarithm is normal with mean `mean` and standard deviation `sigma`."""
    z, mean, sigma = _located(draws, "lognormal", "normal", mean, sigma, size, dtype)
    return exp(mean + sigma * z)


@distribution
def halfnormal(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """`loc` plus the size of a normal number of standard deviation `scale`."""
    z, loc, scale = _located(draws, "halfnormal", "normal", loc, scale, size, dtype)
    return loc + scale * abs_(z)


@distribution
def truncated_normal(
    draws: Draws,
    loc: Any = 0.0,
    scale: Any = 1.0,
    lower: Any = -2.0,
    upper: Any = 2.0,
    size: Any = None,
    dtype: Any = None,
) -> Any:
    """``loc + scale * z``, z a standard normal number between `lower` and `upper`.

    The bounds count standard deviations from `loc`, as in ``scipy.stats.truncnorm``; they may be
    infinite. There is no gradient with respect to them.
    """
    name = "truncated_normal"
    loc, scale, lower, upper = _variables(loc, scale, lower, upper)
    dtype = real_dtype(name, dtype, loc, scale)
    lengths = lengths_of(name, size, loc, scale, lower, upper)
    scale = cast(checked(name, "scale", scale, 0), dtype)
    z = _wide(name, draws.real(name, lengths, dtype, lower, upper), loc, scale)
    return cast(loc, dtype) + scale * z


@distribution
def exponential(draws: Draws, scale: Any = 1.0, size: Any = None, dtype: Any = None) -> Any:
    """Exponential numbers of mean `scale`."""
    z, _, scale = _located(draws, "exponential", "exponential", 0, scale, size, dtype)
    return scale * z


@distribution
def standard_exponential(draws: Draws, size: Any = None, dtype: Any = None) -> Any:
    """Exponential numbers of mean 1."""
    return body_of("exponential")(draws, 1.0, size, dtype)


@distribution
def laplace(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Laplace's double exponential numbers: the difference of two exponential ones."""
    first, loc, scale = _located(draws, "laplace", "exponential", loc, scale, size, dtype)
    second = draws.real("exponential", lengths_of("laplace", size, loc, scale), first.dtype)
    return loc + scale * (first - second)


@distribution
def gumbel(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Gumbel numbers (of maxima): ``loc - scale * log(e)``, e exponential."""
    e, loc, scale = _located(draws, "gumbel", "exponential", loc, scale, size, dtype)
    return loc - scale * log(e)


@distribution
def logistic(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Logistic numbers: ``loc - scale * log(exp(e) - 1)``, e exponential."""
    e, loc, scale = _located(draws, "logistic", "exponential", loc, scale, size, dtype)
    return loc - scale * log(expm1(e))


@distribution
def cauchy(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """Cauchy numbers: tangents of uniform angles."""
    u, loc, scale = _located(draws, "cauchy", "uniform", loc, scale, size, dtype)
    return loc + scale * tan((u - 0.5) * np.asarray(np.pi, u.dtype))


@distribution
def standard_cauchy(draws: Draws, size: Any = None, dtype: Any = None) -> Any:
    """Cauchy numbers around 0 of scale 1."""
    return body_of("cauchy")(draws, 0.0, 1.0, size, dtype)


@distribution
def halfcauchy(
    draws: Draws, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """`loc` plus the size of a Cauchy number of scale `scale`."""
    u, loc, scale = _located(draws, "halfcauchy", "uniform", loc, scale, size, dtype)
    return loc + scale * tan(u * np.asarray(np.pi / 2, u.dtype))


@distribution
def rayleigh(draws: Draws, scale: Any = 1.0, size: Any = None, dtype: Any = None) -> Any:
    """Lengths of vectors of two normal numbers of standard deviation `scale`."""
    e, _, scale = _located(draws, "rayleigh", "exponential", 0, scale, size, dtype)
    return scale * sqrt(e + e)


@distribution
def weibull(draws: Draws, a: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None) -> Any:
    """Weibull numbers of shape `a`: ``scale * e ** (1 / a)``, e exponential."""
    (a,) = _variables(a)
    a = checked("weibull", "a", a, 0)
    e, a, scale = _located(draws, "weibull", "exponential", a, scale, size, dtype)
    return scale * e ** (1 / a)


@distribution
def pareto(draws: Draws, a: Any, scale: Any = 0.0, size: Any = None, dtype: Any = None) -> Any:
    """Pareto numbers of shape `a` above `scale`; with scale 0 NumPy's (Lomax): those minus 1."""
    (a,) = _variables(a)
    a = checked("pareto", "a", a, 0)
    lomax = not isinstance(scale, _core.Variable) and np.ndim(scale) == 0 and scale == 0
    e, a, scale = _located(draws, "pareto", "exponential", a, 1.0 if lomax else scale, size, dtype)
    return expm1(e / a) if lomax else scale * exp(e / a)


@distribution
def triangular(
    draws: Draws, left: Any, mode: Any, right: Any, size: Any = None, dtype: Any = None
) -> Any:
    """Numbers in [left, right] whose density is a triangle with its top at `mode`."""
    left, mode, right = _variables(left, mode, right)
    dtype = real_dtype("triangular", dtype, left, mode, right)
    lengths = lengths_of("triangular", size, left, mode, right)
    left, mode, right = cast(left, dtype), cast(mode, dtype), cast(right, dtype)
    checked_mode = left + checked("triangular", "mode - left", mode - left, 0)
    width = checked("triangular", "right - left", right - left, 0)
    checked("triangular", "right - mode", right - mode, 0)
    u = _wide("triangular", draws.real("uniform", lengths, dtype), left, mode, right)
    rise = checked_mode - left
    below = left + sqrt(u * width * rise)
    above = right - sqrt((1 - u) * width * (right - checked_mode))
    return switch(u * width <= rise, below, above)


# --- gamma and its relatives ----------------------------------------------------------------------


@distribution
def standard_gamma(draws: Draws, shape: Any, size: Any = None, dtype: Any = None) -> Any:
    """Gamma numbers of scale 1."""
    (shape,) = _variables(shape)
    dtype = real_dtype("gamma", dtype, shape)
    return draws.real("gamma", lengths_of("gamma", size, shape), dtype, shape)


@distribution
def gamma(draws: Draws, shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None) -> Any:
    """Gamma numbers of the given shape and scale: their mean is the product."""
    shape, scale = _variables(shape, scale)
    dtype = real_dtype("gamma", dtype, shape, scale)
    lengths = lengths_of("gamma", size, shape, scale)
    scale = cast(checked("gamma", "scale", scale, 0), dtype)
    return scale * _wide("gamma", draws.real("gamma", lengths, dtype, shape), scale)


@distribution
def invgamma(
    draws: Draws, shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None
) -> Any:
    """`scale` divided by a gamma number of scale 1."""
    shape, scale = _variables(shape, scale)
    dtype = real_dtype("invgamma", dtype, shape, scale)
    lengths = lengths_of("invgamma", size, shape, scale)
    scale = cast(checked("invgamma", "scale", scale, 0), dtype)
    return scale / _wide("invgamma", draws.real("gamma", lengths, dtype, shape), scale)


@distribution
def chisquare(draws: Draws, df: Any, size: Any = None, dtype: Any = None) -> Any:
    """Sums of squares of `df` normal numbers."""
    (df,) = _variables(df)
    dtype = real_dtype("chisquare", dtype, df)
    return 2 * draws.real("gamma", lengths_of("chisquare", size, df), dtype, df / 2)


def _squares_per_degree(draws: Draws, df: Any, lengths: Any, dtype: str) -> Any:
    return draws.real("gamma", lengths, dtype, df / 2) / cast(df / 2, dtype)


@distribution
def f(draws: Draws, dfnum: Any, dfden: Any, size: Any = None, dtype: Any = None) -> Any:
    """Quotients of chi-square numbers, each divided by its degrees of freedom."""
    dfnum, dfden = _variables(dfnum, dfden)
    dtype = real_dtype("f", dtype, dfnum, dfden)
    lengths = lengths_of("f", size, dfnum, dfden)
    above = _squares_per_degree(draws, dfnum, lengths, dtype)
    return above / _squares_per_degree(draws, dfden, lengths, dtype)


@distribution
def t(
    draws: Draws,
    df: Any,
    loc: Any = 0.0,
    scale: Any = 1.0,
    size: Any = None,
    dtype: Any = None,
) -> Any:
    """Student's t numbers of `df` degrees of freedom, times `scale`, plus `loc`."""
    df, loc, scale = _variables(df, loc, scale)
    dtype = real_dtype("t", dtype, df, loc, scale)
    lengths = lengths_of("t", size, df, loc, scale)
    scale = cast(checked("t", "scale", scale, 0), dtype)
    z = _wide("t", draws.real("normal", lengths, dtype), loc, scale)
    return cast(loc, dtype) + scale * (z / sqrt(_squares_per_degree(draws, df, lengths, dtype)))


@distribution
def standard_t(draws: Draws, df: Any, size: Any = None, dtype: Any = None) -> Any:
    """Student's t numbers of `df` degrees of freedom."""
    return body_of("t")(draws, df, 0.0, 1.0, size, dtype)


@distribution
def beta(draws: Draws, a: Any, b: Any, size: Any = None, dtype: Any = None) -> Any:
    """Beta numbers; from logarithms of gamma ones, so that tiny parameters give no 0 / 0."""
    a, b = _variables(a, b)
    dtype = real_dtype("beta", dtype, a, b)
    lengths = lengths_of("beta", size, a, b)
    first = draws.real("log_gamma", lengths, dtype, a)
    return sigmoid(first - draws.real("log_gamma", lengths, dtype, b))


@distribution
def dirichlet(draws: Draws, alpha: Any, size: Any = None, dtype: Any = None) -> Any:
    """Rows of positive numbers that add up to 1, of shape ``size + (K,)``.

    `alpha` (..., K): its dimensions before the last broadcast to `size`.
    """
    (alpha,) = _variables(alpha)
    if alpha.ndim < 1:
        raise PhintysTypeError(f"dirichlet: alpha must have a dimension, got {alpha.type}")
    dtype = real_dtype("dirichlet", dtype, alpha)
    lengths = lengths_of("dirichlet", size, alpha, core=1)
    lengths = [*lengths, _core.shape_i(alpha, alpha.ndim - 1)]
    logs = draws.real("log_gamma", lengths, dtype, alpha)
    e = exp(logs - max_of(logs, axis=-1, keepdims=True))
    return e / sum_of(e, axis=-1, keepdims=True)


@distribution
def wald(draws: Draws, mean: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None) -> Any:
    """Inverse Gaussian numbers (Michael, Schucany, Haas, The American Statistician 30, 1976)."""
    mean = checked("wald", "mean", as_tensor_variable(mean), 0)
    z, mean, scale = _located(draws, "wald", "normal", mean, scale, size, dtype)
    u = draws.real("uniform", lengths_of("wald", size, mean, scale), z.dtype)
    y = mean * z * z
    # The smaller root of the quadratic equation, without cancellation.
    x = mean * (2 * scale) / (2 * scale + y + sqrt(y * (4 * scale + y)))
    return switch(u * (mean + x) <= mean, x, mean * mean / x)


# --- whole numbers --------------------------------------------------------------------------------


@distribution
def integers(draws: Draws, low: Any, high: Any = None, size: Any = None, dtype: Any = None) -> Any:
    """Whole numbers in [low, high), or in [0, low) if `high` is None; all equally likely."""
    if high is None:
        low, high = 0, low
    low, high = _variables(low, high)
    for v in (low, high):
        if v.dtype not in integer_dtypes:
            raise PhintysTypeError(f"integers: the bounds must be integers, got {v} {v.type}")
    dtype = whole_dtype("integers", dtype)
    lengths = lengths_of("integers", size, low, high)
    return cast(draws.draw("integers", lengths, "int64", low, high), dtype)


@distribution
def random_integers(
    draws: Draws, low: Any = 0, high: Any = 1, size: Any = None, dtype: Any = None
) -> Any:
    """Whole numbers in [low, high]: both ends are included."""
    return body_of("integers")(draws, low, as_tensor_variable(high) + 1, size, dtype)


@distribution
def bernoulli(draws: Draws, p: Any = 0.5, size: Any = None, dtype: Any = None) -> Any:
    """1 with probability `p`, else 0."""
    (p,) = _variables(p)
    dtype = whole_dtype("bernoulli", dtype)
    lengths = lengths_of("bernoulli", size, p)
    p = checked("bernoulli", "p", p, 0, 1)
    u = draws.real(
        "uniform", lengths, "float32" if p.dtype in ("float16", "float32") else "float64"
    )
    return cast(_wide("bernoulli", u, p) < p, dtype)


@distribution
def binomial(draws: Draws, n: Any = 1, p: Any = 0.5, size: Any = None, dtype: Any = None) -> Any:
    """How many of `n` trials succeed, each with probability `p`."""
    if isinstance(n, (int, np.integer)) and n == 1:
        return body_of("bernoulli")(draws, p, size, dtype)
    n, p = _variables(n, p)
    dtype = whole_dtype("binomial", dtype)
    lengths = lengths_of("binomial", size, n, p)
    return cast(draws.draw("binomial", lengths, "int64", n, p), dtype)


@distribution
def poisson(draws: Draws, lam: Any = 1.0, size: Any = None, dtype: Any = None) -> Any:
    """Poisson numbers of mean `lam`."""
    (lam,) = _variables(lam)
    dtype = whole_dtype("poisson", dtype)
    return cast(draws.draw("poisson", lengths_of("poisson", size, lam), "int64", lam), dtype)


@distribution
def geometric(draws: Draws, p: Any, size: Any = None, dtype: Any = None) -> Any:
    """The number of trials up to the first success, each with probability `p`."""
    (p,) = _variables(p)
    dtype = whole_dtype("geometric", dtype)
    lengths = lengths_of("geometric", size, p)
    p = cast(checked("geometric", "p", p, 0, 1, above=True), "float64")
    e = _wide("geometric", draws.real("exponential", lengths, "float64"), p)
    return cast(maximum(ceil(e / -log1p(-p)), 1), dtype)


@distribution
def negative_binomial(draws: Draws, n: Any, p: Any, size: Any = None, dtype: Any = None) -> Any:
    """Failures before the `n`-th success (n real, > 0), each trial succeeding with `p`."""
    n, p = _variables(n, p)
    dtype = whole_dtype("negative_binomial", dtype)
    lengths = lengths_of("negative_binomial", size, n, p)
    p = cast(checked("negative_binomial", "p", p, 0, 1, above=True), "float64")
    g = _wide("negative_binomial", draws.real("gamma", lengths, "float64", n), p)
    return cast(draws.draw("poisson", lengths, "int64", g * ((1 - p) / p)), dtype)


nbinom = negative_binomial


@distribution
def betabinom(draws: Draws, n: Any, a: Any, b: Any, size: Any = None, dtype: Any = None) -> Any:
    """Binomial numbers whose probability is a beta number."""
    n, a, b = _variables(n, a, b)
    lengths = lengths_of("betabinom", size, n, a, b)
    p = body_of("beta")(draws, a, b, lengths, "float64")
    return body_of("binomial")(draws, n, p, lengths, dtype)


@distribution
def categorical(draws: Draws, p: Any, size: Any = None, dtype: Any = None) -> Any:
    """Indices below K with the probabilities of rows of `p` (..., K), scaled to add up to 1."""
    (p,) = _variables(p)
    dtype = whole_dtype("categorical", dtype)
    if p.ndim < 1:
        raise PhintysTypeError(f"categorical: p must have a dimension, got {p.type}")
    lengths = lengths_of("categorical", size, p, core=1)
    return cast(draws.rows("categorical", lengths, cast(p, "float64")), dtype)


@distribution
def multinomial(draws: Draws, n: Any, p: Any, size: Any = None, dtype: Any = None) -> Any:
    """How often each of K outcomes comes in `n` trials, of shape ``size + (K,)``.

    `p` (..., K) has their probabilities, scaled to add up to 1.
    """
    n, p = _variables(n, p)
    dtype = whole_dtype("multinomial", dtype)
    if p.ndim < 1:
        raise PhintysTypeError(f"multinomial: p must have a dimension, got {p.type}")
    if size is None:
        size = lengths_of("multinomial", None, n, function_named("identity")(p).sum(axis=-1))
    lengths = lengths_of("multinomial", size, p, core=1)
    counts = draws.rows("multinomial", lengths, cast(n, "int64"), cast(p, "float64"))
    return cast(counts, dtype)


# --- choices and orders ---------------------------------------------------------------------------


def _rows_of(a: Any) -> tuple[Any, Any]:
    """What is chosen from: its number, and a tensor (or None for the numbers themselves)."""
    (a,) = _variables(a)
    if a.ndim:
        return _core.shape_i(a, 0), a
    if a.dtype not in integer_dtypes:
        raise PhintysTypeError(f"choice: a must be an integer or a tensor, got {a} {a.type}")
    return cast(a, "int64"), None


@distribution
def choice(
    draws: Draws, a: Any, size: Any = None, replace: bool = True, p: Any = None, dtype: Any = None
) -> Any:
    """Elements of `a` along its first dimension, or of the numbers below `a`.

    `p`, a vector, has their probabilities. Without `replace` no element comes twice.
    """
    n, values = _rows_of(a)
    lengths = lengths_of("choice", size)
    if p is not None:
        p = cast(as_tensor_variable(p), "float64")
        if p.ndim != 1:
            raise PhintysTypeError(f"choice: p must be a vector, got {p.type}")
        same = function_named("eq")(_core.shape_i(p, 0), n)
        p = check(p, [same], "choice: a and p must have the same length", value_error=True)
    if replace:
        if p is None:
            zero = as_tensor_variable(np.int64(0))
            index = draws.draw("integers", lengths, "int64", zero, n)
        else:
            index = draws.rows("categorical", lengths, p)
    else:
        count = as_tensor_variable(np.int64(1))
        for length in lengths:
            count = count * length
        chosen = (
            draws.rows("permutation", [], n, count)
            if p is None
            else draws.rows("sample", [], p, count)
        )
        index = reshape(chosen, lengths, ndim=len(lengths))
    result = index if values is None else values[index]
    return result if dtype is None else cast(result, dtype)


@distribution
def permutation(draws: Draws, x: Any, size: Any = None, dtype: Any = None) -> Any:
    """The numbers below `x` in random order, or the elements of `x` along its first dimension.

    With `size` (for a number `x` only) as many independent orders, of shape ``size + (x,)``.
    """
    n, values = _rows_of(x)
    if values is not None and size is not None:
        raise PhintysValueError("permutation: size needs a number, not a tensor")
    index = draws.rows("permutation", lengths_of("permutation", size), n, n)
    result = index if values is None else values[index]
    return result if dtype is None else cast(result, dtype)


@distribution
def shuffle(draws: Draws, x: Any, axis: int = 0) -> Any:
    """The elements of the tensor `x` along `axis` in random order."""
    (x,) = _variables(x)
    if not -x.ndim <= axis < x.ndim:
        raise PhintysValueError(f"shuffle: axis {axis} is out of range for {x.type}")
    axis %= x.ndim
    n = _core.shape_i(x, axis)
    index = draws.rows("permutation", [], n, n)
    return x[(slice(None),) * axis + (index,)]

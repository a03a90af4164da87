"""Loops, from powers to Gibbs sampling: the examples of Theano's tutorial on `scan`, and some more.

Every result is compared with a loop in plain Python and NumPy; the program fails if one differs.

    python examples/loops.py
"""

from __future__ import annotations

import numpy as np
import phintys
import phintys.tensor as T
from phintys.scan_module import until
from phintys.tensor.shared_randomstreams import RandomStreams


def report(name: str, value, expected, rtol: float = 1e-10) -> None:
    """Print a result; stop the program if it is not the expected one."""
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=1e-12, err_msg=name)
    text = np.array2string(np.asarray(value), precision=4, threshold=8, edgeitems=2)
    print(f"{name}: {' '.join(text.split())}")


def powers() -> None:
    """A ** k: each step multiplies what the step before returned."""
    k, a = T.iscalar("k"), T.dvector("A")
    rows, updates = phintys.scan(
        lambda so_far, a: so_far * a, outputs_info=T.ones_like(a), non_sequences=a, n_steps=k
    )
    power = phintys.function([a, k], rows[-1], updates=updates)
    report("powers", power(np.arange(5.0), 3), np.arange(5.0) ** 3)


def polynomial() -> None:
    """Two sequences walked together; nothing feeds back."""
    coefficients, x = T.dvector("coefficients"), T.dscalar("x")
    terms, _ = phintys.scan(
        lambda c, exponent, x: c * x**exponent,
        sequences=[coefficients, T.arange(1000)],
        non_sequences=x,
    )
    value = phintys.function([coefficients, x], terms.sum())
    c = np.array([1.0, 0.0, 2.0, -1.0])
    report("polynomial", value(c, 3.0), np.polynomial.polynomial.polyval(3.0, c))


def tanh_recurrence(rng: np.random.Generator) -> None:
    """x(t) = tanh(x(t-1) W + y(t) U + p(T-t) V): a sequence, and one walked backwards."""
    x, y, p = T.dvector("X"), T.dmatrix("Y"), T.dmatrix("P")
    w, u, v = T.dmatrices("W", "U", "V")
    rows, _ = phintys.scan(
        lambda y, p, x: T.tanh(T.dot(x, w) + T.dot(y, u) + T.dot(p, v)),
        sequences=[y, p[::-1]],
        outputs_info=[x],
    )
    f = phintys.function([x, y, p, w, u, v], rows)
    a = [rng.standard_normal(shape) for shape in ((2,), (5, 2), (5, 2), (2, 2), (2, 2), (2, 2))]
    x0, ys, ps, wv, uv, vv = a
    expected, last = [], x0
    for t in range(5):
        last = np.tanh(last @ wv + ys[t] @ uv + ps[4 - t] @ vv)
        expected.append(last)
    report("tanh recurrence", f(*a), np.array(expected))


def taps(rng: np.random.Generator) -> None:
    """x(t) = x(t-2) U + x(t-1) V + tanh(x(t-1) W + b), and the Fibonacci numbers."""
    x, u, v, w = T.dmatrices("X", "U", "V", "W")
    b, n = T.dvector("b"), T.iscalar("n")
    rows, _ = phintys.scan(
        lambda older, last: T.dot(older, u) + T.dot(last, v) + T.tanh(T.dot(last, w) + b),
        outputs_info=[{"initial": x, "taps": [-2, -1]}],
        n_steps=n,
    )
    f = phintys.function([x, u, v, w, b, n], rows)
    a = [0.4 * rng.standard_normal((2, 2)) for _ in range(4)] + [rng.standard_normal(2)]
    trace = list(a[0])
    for _ in range(10):
        step = trace[-2] @ a[1] + trace[-1] @ a[2] + np.tanh(trace[-1] @ a[3] + a[4])
        trace.append(step)
    report("two taps", f(*a, 10), np.array(trace[2:]))

    start = {"initial": np.array([0, 1]), "taps": [-2, -1]}
    fibonacci, _ = phintys.scan(lambda a, b: a + b, outputs_info=start, n_steps=n)
    numbers = [0, 1]
    for _ in range(12):
        numbers.append(numbers[-2] + numbers[-1])
    report("Fibonacci", phintys.function([n], fibonacci)(12), numbers[2:])


def norms_and_traces(rng: np.random.Generator) -> None:
    """Rows one after the other (`map`), and a sum along a diagonal (`reduce`)."""
    x = T.dmatrix("X")
    value = rng.standard_normal((5, 5))
    rows, _ = phintys.map(lambda row: T.sqrt((row**2).sum()), sequences=x)
    report("norms of rows", phintys.function([x], rows)(value), np.linalg.norm(value, axis=1))
    trace, _ = phintys.reduce(
        lambda i, so_far: so_far + x[i, i],
        sequences=T.arange(x.shape[0]),
        outputs_info=np.float64(0),
    )
    report("trace", phintys.function([x], trace)(value), np.trace(value))


def jacobians(rng: np.random.Generator) -> None:
    """Derivatives of tanh(v A) row by row, the R-operator without the matrix, and a gradient."""
    v, a, direction = T.dvector("v"), T.dmatrix("A"), T.dvector("direction")
    y = T.tanh(T.dot(v, a))
    rows, _ = phintys.scan(lambda i: T.grad(y[i], v), sequences=T.arange(y.shape[0]))
    values = rng.standard_normal(4), rng.standard_normal((4, 3))
    expected = ((1 - np.tanh(values[0] @ values[1]) ** 2) * values[1]).T
    report("Jacobian", phintys.function([v, a], rows)(*values), expected)
    report("the same", phintys.function([v, a], T.jacobian(y, v))(*values), expected)
    along = phintys.function([v, a, direction], T.Rop(y, v, direction))
    way = rng.standard_normal(4)
    report("Jacobian times a vector", along(*values, way), expected @ way)

    x, n = T.dscalar("x"), T.iscalar("n")
    logistic, _ = phintys.scan(lambda x: 3.7 * x * (1 - x), outputs_info=x, n_steps=n)
    slope = phintys.function([x, n], T.grad(logistic[-1], x))
    at, product = 0.3, 1.0
    for _ in range(10):
        product *= 3.7 * (1 - 2 * at)
        at = 3.7 * at * (1 - at)
    report("slope through 10 steps", slope(0.3, 10), product)


def stopping() -> None:
    """Powers of 2 up to the first that exceeds a limit."""
    limit = T.dscalar("limit")
    rows, _ = phintys.scan(
        lambda last: (last * 2, until(last * 2 > limit)),
        outputs_info=T.constant(np.float64(1)),
        n_steps=1024,
    )
    report("until", phintys.function([limit], rows)(45.0), [2, 4, 8, 16, 32, 64])


def counting() -> None:
    """A shared variable that the steps update."""
    counter = phintys.shared(np.int64(3), name="counter")
    n = T.iscalar("n")
    _, updates = phintys.scan(lambda: {counter: counter + 1}, n_steps=n)
    f = phintys.function([n], counter, updates=updates)
    report("before counting", f(7), 3)
    report("after counting", counter.get_value(), 10)


def gibbs(rng: np.random.Generator) -> None:
    """Ten steps of Gibbs sampling in a restricted Boltzmann machine, random numbers drawn inside.

    The streams give the numbers of NumPy's RandomState, so even this has values to compare.
    """
    n_visible, n_hidden, n_steps = 8, 5, 10
    w = phintys.shared(0.5 * rng.standard_normal((n_visible, n_hidden)), name="W")
    b_visible = phintys.shared(0.1 * rng.standard_normal(n_visible), name="bv")
    b_hidden = phintys.shared(0.1 * rng.standard_normal(n_hidden), name="bh")
    streams = RandomStreams(1234)

    def step(visible):
        mean = T.nnet.sigmoid(T.dot(visible, w) + b_hidden)
        hidden = streams.binomial(size=mean.shape, n=1, p=mean)
        back = T.nnet.sigmoid(T.dot(hidden, w.T) + b_visible)
        fresh = streams.binomial(size=back.shape, n=1, p=back, dtype="float64")
        return fresh, back

    sample = T.dmatrix("sample")
    (chain, means), updates = phintys.scan(step, outputs_info=[sample, None], n_steps=n_steps)
    f = phintys.function([sample], [chain[-1], means[-1]], updates=updates)
    start = rng.integers(0, 2, (4, n_visible)).astype("float64")

    seeds = np.random.RandomState(1234)
    first, second = (np.random.RandomState(seeds.randint(2**30)) for _ in range(2))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    visible = start
    for _ in range(n_steps):
        hidden = first.binomial(1, sigmoid(visible @ w.get_value() + b_hidden.get_value()))
        mean = sigmoid(hidden @ w.get_value().T + b_visible.get_value())
        visible = second.binomial(1, mean)
    value, value_mean = f(start)
    report("Gibbs sample", value, visible)
    report("its means", value_mean, mean)


def main() -> None:
    rng = np.random.default_rng(0)
    powers()
    polynomial()
    tanh_recurrence(rng)
    taps(rng)
    norms_and_traces(rng)
    jacobians(rng)
    stopping()
    counting()
    gibbs(rng)
    print("all results are as in plain Python")


if __name__ == "__main__":
    main()

"""CTC against the sum over all alignments."""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import check, compiled, floats, same
from phintys.tensor.nnet.ctc import ConnectionistTemporalClassification, ctc, ctc_available


def collapse(path):
    return tuple(k for k, _ in itertools.groupby(path) if k != 0)


def reference(x, labels, lengths):
    costs = []
    for b in range(x.shape[1]):
        n = lengths[b]
        e = np.exp(x[:n, b] - x[:n, b].max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        want = tuple(itertools.takewhile(lambda k: k >= 0, labels[b]))
        total = sum(
            np.prod([p[t, k] for t, k in enumerate(path)])
            for path in itertools.product(range(x.shape[2]), repeat=n)
            if collapse(path) == want
        )
        costs.append(-np.log(total) if total > 0 else 0.0)
    return np.array(costs)


LABELS = np.array([[1, 2, -1], [2, 2, -1], [1, 2, 1], [-1, -1, -1], [2, 2, 2]], "int32")
LENGTHS = np.array([5, 4, 5, 3, 4], "int32")


def test_values_and_gradients():
    x = floats(5, 5, 3) * 2
    check(
        lambda v, y, n: ctc(v, y, n),
        lambda a, y, n: reference(a, y, n),
        x,
        exact=False,
        fixed=(LABELS, LENGTHS),
        rtol=1e-9,
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_and_layouts(dtype):
    x = np.asfortranarray(floats(5, 5, 3).astype(dtype))
    v = T.TensorType(dtype, (False,) * 3)()
    for integer in ("int8", "int64", "int32"):
        y, n = T.matrix(dtype=integer), T.vector(dtype=integer)
        f = compiled([v, y, n], [out := ctc(v, y, n), T.grad(out.sum(), v)])
        got, grad = f(x, LABELS.astype(integer), LENGTHS.astype(integer))
        assert got.dtype == grad.dtype == dtype
        tolerance = 5e-3 if dtype == "float16" else 1e-5
        np.testing.assert_allclose(got, reference(x.astype("f8"), LABELS, LENGTHS), rtol=tolerance)
        np.testing.assert_allclose(grad.sum(axis=2, dtype="f8"), 0, atol=tolerance)


def test_what_does_not_fit_costs_nothing():
    v, y, n = T.dtensor3(), T.imatrix(), T.ivector()
    f = compiled([v, y, n], [out := ctc(v, y, n), T.grad(out.sum(), v)])
    cost, grad = f(floats(4, 1, 3), [[2, 2, 2]], [4])
    same(cost, np.zeros(1))
    same(grad, np.zeros((4, 1, 3)))
    cost, grad = f(floats(4, 2, 3), [[1], [1]], [2, 0])
    assert cost[1] == 0
    same(grad[2:, 0], np.zeros((2, 3)))


def test_extreme_activations():
    v, y, n = T.ftensor3(), T.imatrix(), T.ivector()
    f = compiled([v, y, n], [out := ctc(v, y, n), T.grad(out.sum(), v)])
    x = np.zeros((40, 1, 3), "float32")
    x[:, :, 1] = 1000
    cost, grad = f(x, [[1]], [40])
    np.testing.assert_allclose(cost, 0, atol=1e-6)
    cost, grad = f(x, [[2]], [40])
    np.testing.assert_allclose(cost, 40000 - np.log(820), rtol=1e-6)
    assert np.isfinite(grad).all()


def test_long_sequences():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3, 30))
    labels = rng.integers(1, 30, (3, 60)).astype("int32")
    v, y, n = T.dtensor3(), T.imatrix(), T.ivector()
    out = ctc(v, y, n)
    f = compiled([v, y, n], out)
    grad = compiled([v, y, n], T.grad(out.sum(), v))(x, labels, [300, 250, 200])
    d = rng.normal(size=x.shape)
    h = 1e-5
    numeric = (f(x + h * d, labels, [300, 250, 200]) - f(x - h * d, labels, [300, 250, 200])).sum()
    np.testing.assert_allclose((grad * d).sum(), numeric / (2 * h), rtol=1e-6)


def test_mistakes():
    v, y, n = T.dtensor3(), T.imatrix(), T.ivector()
    f = compiled([v, y, n], ctc(v, y, n))
    x = floats(4, 1, 3)
    with pytest.raises(ValueError, match="time steps"):
        f(x, [[1]], [5])
    for label in (0, 3):
        with pytest.raises(IndexError, match="labels"):
            f(x, [[label]], [4])
    with pytest.raises(ValueError, match="not of one batch"):
        f(x, [[1], [2]], [4])
    with pytest.raises(TypeError, match="labels"):
        ctc(v, T.dmatrix(), n)
    with pytest.raises(TypeError, match="activations"):
        ctc(T.dmatrix(), y, n)
    assert ctc_available() is True
    same(
        compiled([v, y, n], ConnectionistTemporalClassification()(v, y, n))(x, [[1]], [4]),
        f(x, [[1]], [4]),
    )


def test_save_and_load(tmp_path):
    v, y, n = T.dtensor3(), T.imatrix(), T.ivector()
    f = compiled([v, y, n], [out := ctc(v, y, n), T.grad(out.sum(), v)])
    f.save(tmp_path / "f.phy")
    x = floats(5, 5, 3)
    for a, b in zip(
        f(x, LABELS, LENGTHS), phintys.load(tmp_path / "f.phy")(x, LABELS, LENGTHS), strict=True
    ):
        same(a, b)

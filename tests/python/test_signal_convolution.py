"""phintys.tensor.signal.convolve1d and convolve2d against SciPy."""

import numpy as np
import phintys.tensor as T
import pytest
from phintys.tensor import signal
from scipy import signal as scipy_signal


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("kernel_shape", [(1, 1), (2, 3), (3, 2), (4, 4)])
def test_convolve2d(mode, boundary, kernel_shape):
    rng = np.random.default_rng(0)
    a, k = rng.normal(size=(6, 5)), rng.normal(size=kernel_shape)
    x, w = T.dmatrix(), T.dmatrix()
    for fill in (0, 1.5):
        got = signal.convolve2d(x, w, mode, boundary, fill).eval({x: a, w: k})
        want = scipy_signal.convolve2d(a, k, mode, boundary, fill)
        np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve1d(mode):
    x, w = T.dvector(), T.dvector()
    a, k = np.arange(5.0) ** 2, np.array([1.0, -2.0, 0.5])
    got = signal.convolve1d(x, w, mode).eval({x: a, w: k})
    np.testing.assert_allclose(got, np.convolve(a, k, mode))


def test_gradient():
    rng = np.random.RandomState(0)
    points = [rng.normal(size=(4, 4)), rng.normal(size=(2, 3))]
    T.verify_grad(lambda a, k: signal.convolve2d(a, k, "same", "wrap"), points, rng=rng)


def test_errors():
    x = T.dmatrix()
    with pytest.raises(ValueError, match="mode"):
        signal.convolve2d(x, x, "most")
    with pytest.raises(ValueError, match="boundary"):
        signal.convolve2d(x, x, boundary="torn")
    with pytest.raises(TypeError, match="matrices"):
        signal.convolve2d(T.dvector(), x)
    with pytest.raises(ValueError, match="vectors"):
        signal.convolve1d(x, x)

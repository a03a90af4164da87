"""Fourier transforms against numpy.fft: values, lengths, axes, scales, gradients, errors."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import compiled, same, variable
from phintys import _core
from phintys import fft as F

# Powers, products of small primes, primes up to and above the largest radix, split lengths.
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16, 17, 23, 29, 31, 37, 60, 64, 97, 100, 121, 127, 128]
LENGTHS += [210, 243, 256, 257, 360, 512, 600, 961, 1000, 1024, 1155, 2048, 2310, 4099, 8192]
TOLERANCE = {"complex128": 4e-15, "complex64": 1e-6}


def signal(*shape, seed=0, dtype="complex128"):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def close(got, want, dtype="complex128", what=""):
    assert got.shape == want.shape, what
    scale = max(1.0, float(np.abs(want).max(initial=0)))
    tolerance = TOLERANCE[dtype] * max(4, np.log2(max(want.shape, default=1) + 1))
    assert np.abs(got - want).max(initial=0) <= tolerance * scale, what


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_length(dtype, axis):
    real = "float64" if dtype == "complex128" else "float32"
    x, r, n = T.TensorType(dtype, (False,) * 3)(), T.TensorType(real, (False,) * 3)(), T.lscalar()
    f = compiled([x], [F.fft(x, axis=axis), F.ifft(x, axis=axis)])
    g = compiled([r], F.rfft(r, axis=axis))
    h = compiled([x, n], F.irfft(x, n, axis=axis))
    for length in LENGTHS:
        shape = [2, 3, 5]
        shape[axis] = length
        a = signal(*shape, seed=length, dtype=dtype)
        wide = a.astype("complex128")
        forward, back = f(a)
        assert forward.dtype == back.dtype == dtype
        close(forward, np.fft.fft(wide, axis=axis), dtype, f"fft of {length}")
        close(back, np.fft.ifft(wide, axis=axis), dtype, f"ifft of {length}")
        half = g(a.real.copy())
        assert half.dtype == dtype
        close(half, np.fft.rfft(wide.real, axis=axis), dtype, f"rfft of {length}")
        want = np.fft.irfft(wide, length, axis=axis)
        got = h(a, length)
        assert got.dtype == real
        close(got, want, dtype, f"irfft of {length}")


@pytest.mark.parametrize("n", [2**17, 3 * 5 * 7 * 11 * 13 * 8, 65537])
def test_long_sequences(n):
    a = signal(n)
    x, r = T.zvector(), T.dvector()
    close(compiled([x], F.fft(x))(a), np.fft.fft(a))
    close(compiled([r], F.rfft(r))(a.real.copy()), np.fft.rfft(a.real))
    close(compiled([x], F.ifft(F.fft(x)))(a), a)


def test_many_threads_give_the_same_bits():
    a = signal(3, 2**15)
    x = T.zmatrix()
    f = compiled([x], [F.fft(x), F.fft(x, axis=0)])
    before = phintys.config.num_threads
    try:
        results = []
        for threads in (1, 2, 3):
            phintys.config.num_threads = threads
            results.append(f(a))
    finally:
        phintys.config.num_threads = before
    for other in results[1:]:
        for p, q in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 5, 8, 12])
def test_one_dimension(name, norm, n):
    ours, theirs = getattr(F, name), getattr(np.fft, name)
    a = signal(4, 9)
    if name in ("rfft", "ihfft"):
        a = a.real.copy()
    for axis in (0, 1, -1):
        x = variable(a)
        got = compiled([x], ours(x, n, axis, norm))(a)
        close(got, theirs(a, n, axis, norm), what=f"{name} {n} {axis} {norm}")
    x, length = variable(a), T.lscalar()
    if n is not None:
        got = compiled([x, length], ours(x, length, -1, norm))(a, n)
        close(got, theirs(a, n, -1, norm))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize(
    "s, axes", [(None, None), (None, (0, 2)), ((4, 7), (1, 2)), ((3, 4, 5), (2, 0, 1))]
)
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_several_dimensions(name, s, axes, norm):
    a = signal(4, 5, 6)
    if name == "rfftn":
        a = a.real.copy()
    x = variable(a)
    got = compiled([x], getattr(F, name)(x, s, axes, norm))(a)
    close(got, getattr(np.fft, name)(a, s, axes, norm))


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2"])
def test_two_dimensions(name):
    a = signal(2, 5, 6)
    a = a.real.copy() if name == "rfft2" else a
    x = variable(a)
    close(compiled([x], getattr(F, name)(x))(a), getattr(np.fft, name)(a))


@pytest.mark.parametrize("n", [1, 4, 5])
def test_helpers(n):
    same(compiled([], F.fftfreq(n, 0.1))(), np.fft.fftfreq(n, 0.1), exact=False)
    same(compiled([], F.rfftfreq(n, 0.1))(), np.fft.rfftfreq(n, 0.1), exact=False)
    a = np.arange(3.0 * n).reshape(3, n)
    x = T.dmatrix()
    for axes in (None, 0, (1,)):
        same(compiled([x], F.fftshift(x, axes))(a), np.fft.fftshift(a, axes))
        same(compiled([x], F.ifftshift(x, axes))(a), np.fft.ifftshift(a, axes))


def test_layouts():
    a = signal(6, 8)
    x = T.zmatrix()
    f = compiled([x], F.fft(x, axis=0))
    for view in (a[::-1], a[:, ::2], a.T, np.broadcast_to(a[:1], (6, 8)), a[1::2, ::-3]):
        close(f(view), np.fft.fft(view, axis=0))
    y = T.zmatrix()
    g = compiled([y], F.fft(y.T[::2], axis=1))
    close(g(a), np.fft.fft(a.T[::2], axis=1))


def test_dtypes():
    for dtype in ("int8", "bool", "uint16", "float16", "float32", "float64"):
        a = (np.arange(12) % 5).astype(dtype).reshape(3, 4)
        x = variable(a)
        want = "complex64" if dtype in ("float16", "float32") else "complex128"
        for name in ("fft", "rfft"):
            out = getattr(F, name)(x)
            assert out.dtype == want
            close(compiled([x], out)(a), getattr(np.fft, name)(a.astype("float64")), want)


def test_empty():
    x = T.zmatrix()
    f = compiled([x], F.fft(x))
    assert f(np.zeros((0, 4), complex)).shape == (0, 4)
    r = T.dmatrix()
    assert compiled([r], F.rfft(r))(np.zeros((0, 4))).shape == (0, 3)
    with pytest.raises(ValueError, match=r"0\s+elements.*\(4, 0\)"):
        f(np.zeros((4, 0), complex))


def test_not_finite_values_stay_in_their_row():
    a = signal(4, 64)
    a[1, 3] = np.nan
    x = T.zmatrix()
    out = compiled([x], F.fft(x))(a)
    assert np.isnan(out[1]).all()
    assert np.isfinite(np.delete(out, 1, 0)).all()


def test_errors():
    x, r = T.zmatrix(), T.dmatrix()
    with pytest.raises(ValueError, match="norm must be one of"):
        F.fft(x, norm="both")
    with pytest.raises(ValueError, match="axis"):
        F.fft(x, axis=2)
    with pytest.raises(ValueError, match="n=0"):
        F.fft(x, n=0)
    with pytest.raises(TypeError, match="real numbers are needed"):
        F.rfft(x)
    with pytest.raises(ValueError, match="scalar"):
        F.fft(T.zscalar())
    with pytest.raises(ValueError, match="2 lengths for 1 axes"):
        F.fftn(x, s=(2, 3), axes=(0,))
    with pytest.raises(TypeError, match="complex numbers"):
        _core.apply("fft", [r], axis=0, inverse=False, scale=0)
    with pytest.raises(ValueError, match="scale"):
        _core.apply("fft", [x], axis=0, inverse=False, scale=3)
    n = T.lscalar()
    f = compiled([x, n], _core.apply("irfft", [x, n], axis=1, doubled=True, scale=0))
    with pytest.raises(ValueError, match=r"6 elements come of 4 frequencies.*\(2, 3\)"):
        f(signal(2, 3), 6)


# --- gradients -----------------------------------------------------------------------------------


def real_gradient(cost, a, h=1e-6):
    """d cost / d Re a + i d cost / d Im a by central differences."""
    grad = np.zeros_like(a)
    for i in np.ndindex(a.shape):
        for unit in (1, 1j) if np.iscomplexobj(a) else (1,):
            up, down = a.copy(), a.copy()
            up[i] += h * unit
            down[i] -= h * unit
            grad[i] += unit * (cost(up) - cost(down)) / (2 * h)
    return grad


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
@pytest.mark.parametrize("n", [6, 7])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_gradients(name, n, norm):
    a = signal(2, n)
    if name == "rfft":
        a = a.real.copy()
    ours, theirs = getattr(F, name), getattr(np.fft, name)
    for length in (None, 5):
        want_shape = theirs(a, length).shape
        w, v = np.random.default_rng(1).normal(size=(2, *want_shape))
        x = variable(a)
        z = ours(x, length, norm=norm)
        if z.dtype.startswith("complex"):
            cost = (T.real(z) * w + T.imag(z) * v).sum()
        else:
            cost = (z * w).sum()
        f = compiled([x], cost)
        got = compiled([x], T.grad(cost, x))(a)
        np.testing.assert_allclose(got, real_gradient(f, a), rtol=1e-6, atol=1e-7)


def test_second_derivative():
    x = T.dvector()
    cost = (abs(F.rfft(x)) ** 4).sum()
    g = T.grad(cost, x)
    a = np.random.default_rng(2).normal(size=7)
    point = T.dvector()
    hv = compiled([x, point], T.Rop(g, x, point))
    v = np.random.default_rng(3).normal(size=7)
    f = compiled([x], g)
    want = (f(a + 1e-6 * v) - f(a - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(hv(a, v), want, rtol=1e-5, atol=1e-4)


# --- Theano's conventions ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 8), (2, 5), (2, 4, 6), (1, 3, 5)])
@pytest.mark.parametrize("norm", [None, "ortho", "no_norm"])
def test_real_pairs(shape, norm):
    from phintys.tensor import fft as pairs

    a = np.random.default_rng(0).normal(size=shape)
    x = variable(a)
    axes = tuple(range(1, a.ndim))
    numpy_norm = {"no_norm": None}.get(norm, norm)
    z = np.fft.rfftn(a, axes=axes, norm=numpy_norm)
    forward = pairs.rfft(x, norm)
    got = compiled([x], forward)(a)
    np.testing.assert_allclose(got, np.stack([z.real, z.imag], -1), rtol=1e-12, atol=1e-12)
    back = pairs.irfft(forward, norm, is_odd=bool(shape[-1] % 2))
    scale = np.prod(shape[1:]) if norm == "no_norm" else 1
    np.testing.assert_allclose(compiled([x], back)(a), a * scale, rtol=1e-12, atol=1e-12)
    T.verify_grad(lambda v: pairs.rfft(v, norm), [a], rng=np.random.RandomState(0))
    T.verify_grad(
        lambda v: pairs.irfft(v, norm, bool(shape[-1] % 2)), [got], rng=np.random.RandomState(0)
    )


def test_theano_errors():
    from phintys.tensor import fft as pairs

    with pytest.raises(ValueError, match="Invalid value both for norm"):
        pairs.rfft(T.dmatrix(), norm="both")
    with pytest.raises(TypeError, match="shape"):
        pairs.rfft(T.dvector())
    with pytest.raises(ValueError, match="is_odd"):
        pairs.irfft(T.dtensor3(), is_odd=2)


def test_old_op():
    from phintys.tensor import fourier

    a = signal(3, 4)
    x = T.zmatrix()
    close(compiled([x], fourier.fft(x, 6, 0))(a), np.fft.fft(a, 6, 0))


def test_saved(tmp_path):
    x = T.dvector()
    f = phintys.function([x], [F.rfft(x), F.irfft(F.rfft(x), x.shape[0])])
    path = tmp_path / "f.phy"
    f.save(path)
    a = np.random.default_rng(0).normal(size=11)
    got = phintys.load(path)(a)
    close(got[0], np.fft.rfft(a))
    np.testing.assert_allclose(got[1], a, rtol=1e-12)

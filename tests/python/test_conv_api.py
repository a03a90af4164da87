"""The names and options of theano.tensor.nnet's convolutions."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from conv_reference import convolve
from op_checks import check, compiled, floats, same, variable
from phintys.tensor.nnet import abstract_conv as ac
from phintys.tensor.nnet import conv, conv3d2d, corr, corr3d
from phintys.tensor.signal import conv as signal_conv
from scipy import ndimage, signal

X, W = floats(2, 3, 8, 7), floats(4, 3, 3, 2, seed=1)


def value(v):
    return np.asarray(v.eval())


def gradient_of_input(w, gy, shape, **options):
    """The adjoint of the forward pass, by unit vectors."""
    result = np.zeros(shape)
    for index in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[index] = 1
        result[index] = (convolve(unit, w, **options) * gy).sum()
    return result


def gradient_of_filters(x, gy, shape, **options):
    result = np.zeros(shape)
    for index in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[index] = 1
        result[index] = (convolve(x, unit, **options) * gy).sum()
    return result


def test_conv2d_as_in_theano():
    same(value(T.nnet.conv2d(X, W)), convolve(X, W), exact=False)
    got = T.nnet.conv2d(
        X, W, input_shape=(2, 3, None, 7), filter_shape=(4, 3, 3, 2), border_mode="half",
        subsample=(2, 1), filter_flip=False, filter_dilation=(1, 2), num_groups=1,
    )  # fmt: skip
    same(value(got), convolve(X, W, "half", (2, 1), False, (1, 2)), exact=False)
    with pytest.warns(UserWarning, match="renamed to `input_shape`"):
        same(value(T.nnet.conv2d(X, W, image_shape=(2, 3, 8, 7))), convolve(X, W), exact=False)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="same time"):
        T.nnet.conv2d(X, W, (2, 3, 8, 7), image_shape=(2, 3, 8, 7))
    with pytest.raises(ValueError, match="imshp_logical"):
        T.nnet.conv2d(X, W, imshp_logical=(1, 2, 3))
    with pytest.warns(UserWarning, match="unroll_batch"):
        T.nnet.conv2d(X, W, unroll_batch=2)


def test_dtypes():
    x32, w32 = X.astype("float32"), W.astype("float32")
    assert T.nnet.conv2d(x32, w32).dtype == "float32"
    assert T.nnet.conv2d(x32, W).dtype == "float64"
    half = T.nnet.conv2d(X.astype("float16"), W.astype("float16"))
    assert half.dtype == "float16"
    np.testing.assert_allclose(value(half), convolve(X, W), rtol=0.02, atol=0.02)
    same(value(T.nnet.conv2d(np.ones((1, 3, 4, 4), "int8"), W)),
         convolve(np.ones((1, 3, 4, 4)), W), exact=False)  # fmt: skip
    for a, b in (("int32", "int32"), ("complex128", "float64")):
        with pytest.raises(TypeError, match="floating"):
            T.nnet.conv2d(X.astype(a), W.astype(b))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"border_mode": "same"}, "invalid border_mode"),
        ({"border_mode": (1, 2, 3)}, "tuple of length 2"),
        ({"border_mode": -1}, "invalid border_mode"),
        ({"border_mode": (1, (2, -1))}, "invalid border_mode"),
        ({"border_mode": (1, (2, 1, 1))}, "invalid border_mode"),
        ({"subsample": (1, 1, 1)}, "subsample must have 2"),
        ({"subsample": (0, 1)}, "subsample must be positive"),
        ({"filter_dilation": (1,)}, "filter_dilation must have 2"),
        ({"num_groups": 0}, "num_groups must have value greater than zero"),
        ({"input_shape": (1, 2)}, "imshp should have 4"),
        ({"filter_shape": (1, 2, "x", 3)}, "constant int"),
    ],
)
def test_options_are_checked(options, text):
    with pytest.raises(ValueError, match=text):
        T.nnet.conv2d(X, W, **options)


def test_ranks_are_checked():
    with pytest.raises(TypeError, match="img must be 4D"):
        T.nnet.conv2d(X[0], W)
    with pytest.raises(TypeError, match="kern must be 6D"):
        T.nnet.conv2d(X, W, unshared=True)
    with pytest.raises(TypeError, match="topgrad must be 5D"):
        ac.conv3d_grad_wrt_inputs(X, floats(2, 2, 1, 1, 1), (1, 1, 2, 2, 2))
    with pytest.raises(NotImplementedError, match="3D"):
        ac.AbstractConv(3, unshared=True)
    with pytest.raises(ValueError, match="2 entries"):
        ac.AbstractConv2d_gradInputs()(W, X, (1, 2, 3))


def test_shape_hints_are_checked_on_demand():
    x, w = T.dtensor4(), T.dtensor4()
    f = compiled([x, w], T.nnet.conv2d(x, w, (2, 3, 5, 5), (4, 3, 3, 3)))
    same(f(X, W), convolve(X, W), exact=False)
    with phintys.config.change_flags(conv__assert_shape=True):
        g = compiled([x, w], T.nnet.conv2d(x, w, (2, 3, 5, 5), (4, 3, None, None)))
    with pytest.raises(AssertionError, match="imshp"):
        g(X, W)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("groups", [1, 3])
def test_gradients_as_functions(flip, groups):
    x, w = floats(2, 3, 6, 5), floats(6, 3 // groups, 3, 2, seed=1)
    options = {"border": (1, 0), "stride": (2, 1), "flip": flip, "groups": groups}
    gy = floats(*convolve(x, w, **options).shape, seed=2)
    keywords = {"border_mode": (1, 0), "subsample": (2, 1), "filter_flip": flip,
                "num_groups": groups}  # fmt: skip
    want = gradient_of_input(w, gy, x.shape, **options)
    for shape in (x.shape, (None, None, 6, 5), (2, 3, T.constant(6), T.constant(5)),
                  T.as_tensor_variable(np.array(x.shape))):  # fmt: skip
        same(value(ac.conv2d_grad_wrt_inputs(gy, w, shape, **keywords)), want, exact=False)
    same(value(T.nnet.conv2d_transpose(gy, w, x.shape, border_mode=(1, 0), input_dilation=(2, 1),
                                       filter_flip=flip, num_groups=groups)),
         want, exact=False)  # fmt: skip
    want = gradient_of_filters(x, gy, w.shape, **options)
    same(value(ac.conv2d_grad_wrt_weights(x, gy, w.shape, **keywords)), want, exact=False)
    symbolic = [T.dtensor4(), T.dtensor4()]
    weights = ac.AbstractConv2d_gradWeights(None, None, (1, 0), (2, 1), flip, (1, 1), groups)
    f = compiled([*symbolic, (s := T.lvector())], weights(*symbolic, s))
    same(f(x, gy, [3, 2]), want, exact=False)


def test_abstract_classes_as_libraries_call_them():
    gy = floats(*convolve(X, W).shape, seed=2)
    op = ac.AbstractConv2d_gradInputs(
        imshp=(None, 3, None, None), kshp=(4, 3, 3, 2), border_mode="valid", subsample=(1, 1),
        filter_flip=False, filter_dilation=(1, 1),
    )  # fmt: skip
    x, w, g = T.dtensor4(), T.dtensor4(), T.dtensor4()
    same(
        compiled([x, w, g], op(w, g, x.shape[2:]))(X, W, gy),
        gradient_of_input(W, gy, X.shape, flip=False),
        exact=False,
    )
    x3, w3 = floats(2, 2, 3, 4, 3), floats(3, 2, 2, 2, 1, seed=1)
    gy3 = floats(*convolve(x3, w3).shape, seed=2)
    op3 = ac.AbstractConv3d_gradInputs(None, None, "valid", (1, 1, 1), True, (1, 1, 1))
    same(value(op3(w3, gy3, x3.shape[2:])), gradient_of_input(w3, gy3, x3.shape), exact=False)
    got = ac.conv3d_grad_wrt_weights(x3, gy3, w3.shape)
    same(value(got), gradient_of_filters(x3, gy3, w3.shape), exact=False)
    got = ac.conv3d_grad_wrt_inputs(gy3, w3, x3.shape)
    same(value(got), gradient_of_input(w3, gy3, x3.shape), exact=False)
    same(value(T.nnet.conv3d(x3, w3)), convolve(x3, w3), exact=False)
    assert ac.AbstractConv2d() == ac.AbstractConv2d() != ac.AbstractConv2d(border_mode=1)
    assert hash(ac.AbstractConv2d()) == hash(ac.AbstractConv2d())
    assert "border_mode='valid'" in repr(ac.AbstractConv2d())


def test_separable():
    depth, point = floats(6, 1, 3, 2, seed=1), floats(5, 6, 1, 1, seed=2)
    want = convolve(convolve(X, depth, "half", (2, 1), groups=3), point)
    got = T.nnet.separable_conv2d(X, depth, point, 3, border_mode="half", subsample=(2, 1))
    same(value(got), want, exact=False)
    shapes = {"input_shape": X.shape, "depthwise_filter_shape": depth.shape,
              "pointwise_filter_shape": point.shape}  # fmt: skip
    got = T.nnet.separable_conv2d(X, depth, point, 3, **shapes)
    same(value(got), convolve(convolve(X, depth, groups=3), point), exact=False)
    x3 = floats(1, 2, 3, 4, 4)
    d3, p3 = floats(2, 1, 2, 2, 2, seed=1), floats(3, 2, 1, 1, 1, seed=2)
    got = T.nnet.separable_conv3d(x3, d3, p3, 2)
    same(value(got), convolve(convolve(x3, d3, groups=2), p3), exact=False)


@pytest.mark.parametrize(("step", "dilation", "groups"), [(1, 1, 1), (2, 1, 1), (1, 3, 2)])
def test_causal(step, dilation, groups):
    x, w = floats(2, 4, 11), floats(6, 4 // groups, 3, seed=1)
    got = T.nnet.causal_conv1d(
        x, w, w.shape, subsample=step, filter_dilation=dilation, num_groups=groups
    )
    border = ((2 * dilation, 0),)
    want = convolve(x, w, border, (step,), True, (dilation,), groups)
    same(value(got), want, exact=False)
    many = np.repeat(w[:, None], want.shape[2], 1)
    got = T.nnet.causal_conv1d(
        x, many, w.shape, subsample=step, filter_dilation=dilation, num_groups=groups, unshared=True
    )
    same(value(got), want, exact=False)


def interpolated(x, ratio):
    """Linear interpolation along the last axis, edges repeated, as numpy.interp does it."""
    n = x.shape[-1]
    at = (np.arange(n * ratio) - (ratio - 1) // 2) / ratio
    lines = x.reshape(-1, n)
    return np.stack([np.interp(at, np.arange(n), v) for v in lines]).reshape(*x.shape[:-1], -1)


@pytest.mark.parametrize("ratio", [1, 2, 3, 4, 5])
def test_bilinear_upsampling(ratio):
    x = floats(2, 3, 4, 5)
    want = interpolated(interpolated(x, ratio).swapaxes(2, 3), ratio).swapaxes(2, 3)
    for one in (True, False):
        got = ac.bilinear_upsampling(x, ratio, use_1D_kernel=one)
        same(value(got), want, exact=False)
    got = ac.bilinear_upsampling(x, ratio, batch_size=2, num_input_channels=3)
    assert got.ndim == 4
    check(lambda v: ac.bilinear_upsampling(v, ratio), lambda a: interpolated(
        interpolated(a, ratio).swapaxes(2, 3), ratio).swapaxes(2, 3),
        floats(1, 1, 2, 3), exact=False)  # fmt: skip


def test_fractional_upsampling():
    x = floats(2, 1, 4, 6)
    whole = interpolated(interpolated(x, 5).swapaxes(2, 3), 3).swapaxes(2, 3)
    got = ac.frac_bilinear_upsampling(x, ((6, 4), (10, 4)))
    same(value(got), whole[:, :, ::2, ::2], exact=False)
    got = ac.bilinear_upsampling(x, frac_ratio=(3, 2), use_1D_kernel=False)
    even = interpolated(interpolated(x, 3).swapaxes(2, 3), 3).swapaxes(2, 3)
    same(value(got), even[:, :, ::2, ::2], exact=False)
    for keywords in ({"ratio": 2, "frac_ratio": (3, 2)}, {}, {"frac_ratio": (3, 2)}):
        with pytest.raises(ValueError):
            ac.bilinear_upsampling(x, **keywords)
    with pytest.raises(ValueError, match="tuple"):
        ac.frac_bilinear_upsampling(x, [3, 2])


def test_bilinear_kernels():
    same(value(ac.bilinear_kernel_1D(3, normalize=False)), [1.0, 2, 3, 2, 1])
    n = T.lscalar()
    same(compiled([n], ac.bilinear_kernel_1D(n))(2), [0.5, 1, 0.5])
    line = np.array([1.0, 2, 3, 2, 1]) / 3
    same(value(ac.bilinear_kernel_2D(3)), np.outer(line, line), exact=False)


def test_shape_functions():
    for border in ("valid", "full", "half", 2, (1, (2, 0))):
        for stride in ((1, 1), (2, 3)):
            for dilation in ((1, 1), (2, 1)):
                y = convolve(X, W, border, stride, dilation=dilation).shape
                pairs = border
                shape = ac.get_conv_output_shape(X.shape, W.shape, pairs, stride, dilation)
                assert shape == y
                assert ac.check_conv_gradinputs_shape(X.shape, W.shape, y, pairs, stride, dilation)
                wrong = (*y[:3], y[3] + 1)
                assert not ac.check_conv_gradinputs_shape(
                    X.shape, W.shape, wrong, pairs, stride, dilation
                )
                if stride == (1, 1):
                    back = ac.get_conv_gradinputs_shape(W.shape, y, pairs, stride, dilation)
                    assert back == X.shape
                    taps = ac.get_conv_gradweights_shape(X.shape, y, pairs, stride, dilation)
                    assert taps == (W.shape if border != "half" else (4, 3, None, None))
    assert ac.get_conv_output_shape((None, 3, None, 9), (4, 3, 3, 3), "half", (1, 2)) == (
        None, 4, None, 5,
    )  # fmt: skip
    assert ac.get_conv_gradinputs_shape((4, 3, 3, 3), (2, 4, 5, 5), "valid", (2, 1)) == (
        2, 3, None, 7,
    )  # fmt: skip
    assert ac.get_conv_gradweights_shape(
        (2, 4, 8, 8), (2, 6, 6, 7), "valid", (1, 1), num_groups=2, unshared=True
    ) == (6, 6, 7, 2, 3, 2)
    x, w = T.dtensor4(), T.dtensor4()
    shape = ac.get_conv_output_shape(x.shape, w.shape, "full", (2, 1))
    f = compiled([x, w], list(shape))
    assert tuple(map(int, f(X, W))) == convolve(X, W, "full", (2, 1)).shape
    with pytest.raises(ValueError, match="border_mode"):
        ac.get_conv_shape_1axis(5, 3, -1, 1)
    assert ac.border_mode_to_pad((1, (0, 2)), 2, (3, 3)) == ((1, 1), (0, 2))
    assert ac.border_mode_to_pad("full", 1, (3,)) == ((2, 2),)


def test_assertions_about_shapes():
    n = T.lscalar()
    assert ac.assert_conv_shape((0, 2, 3)) == (0, 2, 3)
    for bad in ((-1, 2, 3), (1, 2, 0)):
        with pytest.raises(AssertionError, match="invalid shape"):
            ac.assert_conv_shape(bad)
    f = compiled([n], ac.assert_conv_shape((n, 1, n))[2])
    assert f(2) == 2
    with pytest.raises(AssertionError, match=r"dim\[2\] <= 0"):
        f(0)
    x = T.dmatrix()
    assert ac.assert_shape(x, (2, None)) is x


def test_legacy_conv2d():
    want = convolve(X, W, "full", (2, 1))
    got = conv.conv2d(X, W, (2, 3, 8, 7), (4, 3, 3, 2), "full", (2, 1), unroll_batch=None)
    same(value(got), want, exact=False)
    same(value(conv.conv2d(input=X, filters=W, image_shape=(None, 3, 8, 7),
                           filter_shape=W.shape)), convolve(X, W), exact=False)  # fmt: skip
    with pytest.raises(ValueError, match="channels"):
        conv.conv2d(X, W, (2, 4, 8, 7), (4, 3, 3, 2))
    with pytest.raises(ValueError, match="logical"):
        conv.conv2d(X, W, kshp_logical=(3, 3))
    op = conv.ConvOp((3, 8, 7), (3, 2), 4, 2, 1, 1, output_mode="valid")
    same(value(op(X, W)), convolve(X, W), exact=False)
    assert op == conv.ConvOp((3, 8, 7), (3, 2), 4, 2) and op != conv.ConvOp()


def test_corr_classes():
    x, w = floats(1, 2, 5, 6), floats(3, 2, 2, 3, seed=1)
    options = {"border": (1, 0), "flip": False}
    y = convolve(x, w, **options)
    same(value(corr.CorrMM((1, 0))(x, w)), y, exact=False)
    gx, gw = (
        gradient_of_input(w, y, x.shape, **options),
        gradient_of_filters(x, y, w.shape, **options),
    )
    same(value(corr.CorrMM_gradInputs((1, 0))(w, y)), gx, exact=False)
    same(value(corr.CorrMM_gradWeights((1, 0))(x, y)), gw, exact=False)
    same(value(corr.CorrMM_gradInputs((1, 0))(w, y, (5, 6))), gx, exact=False)
    with pytest.raises(ValueError, match="shape is needed"):
        corr.CorrMM_gradInputs(subsample=(2, 2))(w, y)
    x3, w3 = floats(1, 2, 3, 4, 3), floats(2, 2, 2, 1, 2, seed=1)
    y3 = convolve(x3, w3, flip=False)
    same(value(corr3d.Corr3dMM()(x3, w3)), y3, exact=False)
    want = gradient_of_input(w3, y3, x3.shape, flip=False)
    same(value(corr3d.Corr3dMMGradInputs()(w3, y3)), want, exact=False)
    want = gradient_of_filters(x3, y3, w3.shape, flip=False)
    same(value(corr3d.Corr3dMMGradWeights()(x3, y3)), want, exact=False)


@pytest.mark.parametrize(
    "mode",
    ["valid", "full", "half", ("valid", "half", "half"), ("full", "valid", "valid")],
    ids=str,
)
def test_conv3d2d(mode):
    x, w = floats(2, 5, 2, 6, 7), floats(3, 3, 2, 3, 3, seed=1)
    modes = (mode,) * 3 if isinstance(mode, str) else mode
    pad = tuple({"valid": 0, "full": 2, "half": 1}[m] for m in modes)
    want = convolve(x.swapaxes(1, 2), w.swapaxes(1, 2), pad).swapaxes(1, 2)
    a, b = variable(x), variable(w)
    same(compiled([a, b], conv3d2d.conv3d(a, b, border_mode=mode))(x, w), want, exact=False)
    if mode == "half":
        plain = sum(ndimage.convolve(x[0, :, c], w[0, :, c], mode="constant") for c in (0, 1))
        same(want[0, :, 0], plain, exact=False)


def test_conv3d2d_refuses():
    x, w = floats(2, 5, 2, 6, 7), floats(3, 3, 2, 3, 3, seed=1)
    with pytest.raises(NotImplementedError, match="must match"):
        conv3d2d.conv3d(x, w, border_mode=("valid", "valid", "full"))
    with pytest.raises(ValueError):
        conv3d2d.conv3d(x, w, border_mode="same")
    with pytest.raises(TypeError):
        conv3d2d.conv3d(x[0], w)


def test_signal_conv2d():
    image, many = floats(6, 7), floats(3, 6, 7)
    filt, filters = floats(3, 2, seed=1), floats(4, 3, 2, seed=1)
    for border in ("valid", "full"):

        def pair(x, w):
            return signal.convolve2d(x, w, border)  # noqa: B023

        options = {"border_mode": border}
        same(value(signal_conv.conv2d(image, filt, **options)), pair(image, filt), exact=False)
        same(value(signal_conv.conv2d(many, filt, **options)),
             np.stack([pair(x, filt) for x in many]), exact=False)  # fmt: skip
        same(value(signal_conv.conv2d(image, filters, **options)),
             np.stack([pair(image, w) for w in filters]), exact=False)  # fmt: skip
        same(value(signal_conv.conv2d(many, filters, **options)),
             np.stack([[pair(x, w) for w in filters] for x in many]), exact=False)  # fmt: skip
    x, w = T.dmatrix(), T.dmatrix()
    same(compiled([x, w], signal_conv.conv2d(x, w, (6, 7), (3, 2), subsample=(2, 1)))(image, filt),
         signal.convolve2d(image, filt, "valid")[::2], exact=False)  # fmt: skip
    with pytest.raises(TypeError):
        signal_conv.conv2d(floats(1, 1, 3, 3), filt)

"""Convolutions and their gradients against the definition, in all options."""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from conv_reference import convolve
from op_checks import MODES, check, compiled, floats, same, variable
from phintys.tensor.nnet.abstract_conv import (
    AbstractConv,
    AbstractConv_gradInputs,
    AbstractConv_gradWeights,
    conv1d,
    conv2d,
    conv3d,
)
from scipy import signal

BORDERS = ["valid", "full", "half", 1, (2, 0), ((1, 2), (0, 3))]
CONVS = {1: conv1d, 2: conv2d, 3: conv3d}


def run(x, w, **options):
    a, b = variable(x), variable(w)
    names = {"border": "border_mode", "stride": "subsample", "flip": "filter_flip",
             "dilation": "filter_dilation", "groups": "num_groups"}  # fmt: skip
    options = {names.get(k, k): v for k, v in options.items()}
    return compiled([a, b], AbstractConv(x.ndim - 2, **options)(a, b))(x, w)


def check_case(x, w, **options):
    """Values, gradients and the R-operator."""
    names = {"border": "border_mode", "stride": "subsample", "flip": "filter_flip",
             "dilation": "filter_dilation", "groups": "num_groups"}  # fmt: skip
    keywords = {names.get(k, k): v for k, v in options.items()}
    op = AbstractConv(x.ndim - 2, **keywords)
    check(op, lambda a, b: convolve(a, b, **options), x, w, exact=False, rtol=1e-11)


@pytest.mark.parametrize("border", BORDERS, ids=str)
@pytest.mark.parametrize("flip", [True, False])
def test_borders(border, flip):
    check_case(floats(2, 3, 7, 6), floats(4, 3, 3, 2, seed=1), border=border, flip=flip)


@pytest.mark.parametrize("stride", [(1, 2), (2, 2), (3, 1), (4, 5)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_strides_and_dilations(stride, dilation):
    x, w = floats(2, 2, 11, 12), floats(3, 2, 3, 3, seed=1)
    check_case(x, w, stride=stride, dilation=dilation, border=((1, 0), (2, 1)))


@pytest.mark.parametrize("groups", [2, 3, 6])
def test_groups(groups):
    check_case(floats(2, 6, 6, 5), floats(6, 6 // groups, 3, 2, seed=1), groups=groups, border=1)
    check_case(floats(2, 6, 4, 5), floats(12, 6 // groups, 2, 2, seed=1), groups=groups, stride=2)


def test_one_and_three_dimensions():
    check_case(floats(2, 3, 9), floats(4, 3, 3, seed=1), border="half", stride=2)
    check_case(floats(2, 3, 9), floats(4, 3, 2, seed=1), border=((3, 0),), dilation=2)
    check_case(floats(2, 2, 4, 5, 6), floats(3, 2, 2, 3, 2, seed=1), border="half")
    check_case(
        floats(1, 4, 5, 4, 6), floats(2, 2, 2, 1, 3, seed=1),
        border=(1, 0, 2), stride=(2, 1, 2), dilation=(1, 2, 1), groups=2,
    )  # fmt: skip


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
@pytest.mark.parametrize("flip", [True, False])
def test_unshared(stride, flip):
    x = floats(3, 4, 6, 5)
    for groups, border, dilation in (
        (1, "valid", (1, 1)),
        (2, (1, 2), (2, 1)),
        (1, "half", (1, 1)),
    ):
        plain = convolve(x, floats(6, 4 // groups, 3, 2), border, stride, flip, dilation, groups)
        w = floats(6, *plain.shape[2:], 4 // groups, 3, 2, seed=1)
        options = {"stride": stride, "flip": flip, "groups": groups, "border": border}
        check_case(x, w, unshared=True, dilation=dilation, **options)


def test_unshared_with_equal_filters_is_shared():
    x, w = floats(2, 3, 7, 8).astype("float32"), floats(5, 3, 3, 3, seed=1).astype("float32")
    many = np.broadcast_to(w[:, None, None], (5, 5, 6, 3, 3, 3))
    same(run(x, many, unshared=True), run(x, w), exact=False, rtol=1e-5)


def test_every_combination_of_options():
    rng = np.random.default_rng(0)
    for ndim, groups, flip, dtype in itertools.product(
        (1, 2, 3), (1, 2, 3), (True, False), ("float32", "float64")
    ):
        for _ in range(6):
            taps, stride, dilation = (rng.integers(1, [5, 4, 4], (ndim, 3)).T).tolist()
            border = [tuple(p) for p in rng.integers(0, 4, (ndim, 2)).tolist()]
            size = [
                max(1, (k - 1) * d + 1 - sum(p)) + int(rng.integers(0, [70, 30, 8][ndim - 1]))
                for k, d, p in zip(taps, dilation, border, strict=True)
            ]
            channels, rows = groups * int(rng.integers(1, 6)), groups * int(rng.integers(1, 20))
            x = rng.normal(size=(int(rng.integers(1, 6)), channels, *size)).astype(dtype)
            w = rng.normal(size=(rows, channels // groups, *taps)).astype(dtype)
            check_adjoints(x, w, tuple(border), tuple(stride), flip, tuple(dilation), groups)


def check_adjoints(x, w, border="valid", stride=None, flip=True, dilation=None, groups=1):
    """Values, and that the gradients are the adjoints of the two linear maps; no tolerance of h."""
    n = x.ndim - 2
    stride, dilation = stride or (1,) * n, dilation or (1,) * n
    options = (border, stride, flip, dilation, groups)
    a, b = variable(x), variable(w)
    op = AbstractConv(n, None, None, *options)
    want = convolve(x.astype("float64"), w.astype("float64"), *options)
    rng = np.random.default_rng(1)
    g = rng.normal(size=want.shape).astype(x.dtype)
    y = op(a, b)
    got, gx, gw = compiled([a, b], [y, *T.grad((y * g).sum(), [a, b])])(x, w)
    rtol = 1e-11 if x.dtype == np.float64 else 1e-4
    text = f"{x.shape} {w.shape} {options}"
    assert got.dtype == x.dtype and gx.dtype == x.dtype and gw.dtype == x.dtype
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * abs(want).max(), err_msg=text)
    for part, found, moved in ((x, gx, 0), (w, gw, 1)):
        way = rng.normal(size=part.shape)
        operands = [x.astype("float64"), w.astype("float64")]
        operands[moved] = way
        expected = (convolve(*operands, *options) * g).sum()
        scale = np.linalg.norm(way) * np.linalg.norm(found) + 1e-30
        assert abs((way * found).sum() - expected) / scale < rtol, text


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "w", "border", "stride", "groups"),
    [
        ((2, 64, 40, 44), (70, 64, 3, 3), "half", (1, 1), 1),  # several blocks of rows
        ((5, 130, 14, 14), (64, 130, 3, 3), "half", (1, 1), 1),  # several images at a time
        ((2, 3, 100, 104), (64, 3, 7, 7), 3, (2, 2), 1),
        ((20, 20, 12, 12), (50, 20, 5, 5), "valid", (1, 1), 1),  # short rows: packed
        ((3, 16, 20, 20), (16, 1, 3, 3), "half", (1, 1), 16),  # each channel by itself
        ((3, 16, 20, 20), (33, 16, 1, 1), "valid", (1, 1), 1),
        ((3, 16, 20, 20), (33, 16, 1, 1), "valid", (2, 2), 1),
        ((3, 16, 20, 20), (34, 8, 1, 1), "valid", (1, 1), 2),  # gradient of filters: a product
        ((6, 40, 7, 7), (264, 40, 3, 3), 1, (1, 1), 1),  # small planes, rows in parts
        ((4, 20, 45, 70), (18, 20, 3, 3), 1, (2, 2), 1),  # gaps of one between long rows
        ((1, 700, 5, 5), (3, 700, 3, 3), 1, (1, 1), 1),
        ((2, 4, 300), (5, 4, 31), "half", (1,), 1),
        ((1, 2, 9, 10, 11), (40, 2, 3, 3, 3), 1, (1, 2, 1), 1),
    ],
)
def test_shapes_that_take_different_paths(dtype, x, w, border, stride, groups):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=x).astype(dtype), rng.normal(size=w).astype(dtype)
    check_adjoints(a, b, border, stride, True, None, groups)


def test_like_scipy():
    x, w = floats(20, 17), floats(5, 4, seed=1)
    for mode in ("valid", "full"):
        want = signal.convolve2d(x, w, mode)
        same(run(x[None, None], w[None, None], border=mode)[0, 0], want, exact=False)
        want = signal.correlate2d(x, w, mode)
        same(run(x[None, None], w[None, None], border=mode, flip=False)[0, 0], want, exact=False)


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 8, 30, 31)).astype("float32")
    w = rng.normal(size=(12, 8, 3, 3)).astype("float32")
    a, b = variable(x), variable(w)
    y = conv2d(a, b, border_mode="half", subsample=(2, 1))
    f = compiled([a, b], [y, *T.grad((y**2).sum(), [a, b])])
    results = []
    before = phintys.config.num_threads
    try:
        for threads in (1, 2, 5):
            phintys.config.num_threads = threads
            results.append(f(x, w))
    finally:
        phintys.config.num_threads = before
    for other in results[1:]:
        for p, q in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(p, q)


def test_second_derivative_and_mixed_ones():
    x, w = variable(floats(2, 2, 5, 5)), variable(floats(3, 2, 3, 3))
    y = conv2d(x, w, border_mode=(1, 0), subsample=(2, 1))
    gx, gw = T.grad((y**3).sum(), [x, w])
    check(
        lambda a, b: phintys.clone([gx], replace={x: a, w: b})[0],
        lambda a, b: _numeric_gradient(a, b, 0),
        floats(2, 2, 5, 5), floats(3, 2, 3, 3, seed=1), exact=False, rtol=1e-6,
    )  # fmt: skip
    check(
        lambda a, b: phintys.clone([gw], replace={x: a, w: b})[0],
        lambda a, b: _numeric_gradient(a, b, 1),
        floats(2, 2, 5, 5), floats(3, 2, 3, 3, seed=1), exact=False, rtol=1e-6,
    )  # fmt: skip


def _numeric_gradient(a, b, which):
    """The gradient of the sum of cubes, by the product of Jacobian and outer derivative."""
    y = convolve(a, b, (1, 0), (2, 1))
    part = (a, b)[which]
    result = np.zeros(part.shape)
    for index in np.ndindex(*part.shape):
        unit = np.zeros(part.shape)
        unit[index] = 1
        operands = [a, b]
        operands[which] = unit
        result[index] = (convolve(*operands, (1, 0), (2, 1)) * 3 * y**2).sum()
    return result


def test_gradient_ops_have_gradients():
    x, w = floats(2, 3, 6, 5), floats(4, 3, 3, 2, seed=1)
    y = convolve(x, w, 1, (2, 1))
    gy = floats(*y.shape, seed=2)
    options = {"border_mode": 1, "subsample": (2, 1)}

    def adjoint(which):
        def apply(first, second):
            part = x if which == 0 else w
            result = np.zeros(part.shape)
            for index in np.ndindex(*part.shape):
                unit = np.zeros(part.shape)
                unit[index] = 1
                operands = (unit, first) if which == 0 else (first, unit)
                result[index] = (convolve(*operands, 1, (2, 1)) * second).sum()
            return result

        return apply

    inputs = AbstractConv_gradInputs(2, **options)
    check(lambda f, g: inputs(f, g, (6, 5)), adjoint(0), w, gy, exact=False, rtol=1e-10)
    weights = AbstractConv_gradWeights(2, **options)
    check(lambda a, g: weights(a, g, (3, 2)), adjoint(1), x, gy, exact=False, rtol=1e-10)


@pytest.mark.parametrize(
    ("x", "w"),
    [
        ((0, 3, 5, 5), (4, 3, 3, 3)),
        ((2, 0, 5, 5), (4, 0, 3, 3)),
        ((2, 3, 5, 5), (0, 3, 3, 3)),
        ((2, 3, 2, 5), (4, 3, 3, 3)),  # no output row
        ((1, 1, 1, 1), (1, 1, 1, 1)),
        ((1, 1, 5, 1), (2, 1, 3, 1)),
    ],
)
def test_empty_and_small(x, w):
    for unshared in (False, True):
        a, f = floats(*x), floats(*w, seed=1)
        want = convolve(a, f)
        if unshared:
            f = floats(w[0], *want.shape[2:], *w[1:], seed=1)
            want = convolve(a, f, unshared=True)
        p, q = variable(a), variable(f)
        y = conv2d(p, q, unshared=unshared)
        got, gx, gw = compiled([p, q], [y, *T.grad(y.sum(), [p, q])])(a, f)
        same(got, want, exact=False)
        assert gx.shape == a.shape and gw.shape == f.shape
        if want.size == 0 or a.size == 0:
            assert not gx.any() and not gw.any()


def test_infinities_stay_where_they_belong():
    x = floats(1, 1, 6, 40).astype("float32")
    x[0, 0, 0, 39] = np.inf  # seen by no output of the strided convolution
    x[0, 0, 3, 7] = np.nan
    w = np.ones((1, 1, 2, 2), "float32")
    a, b, g = variable(x), variable(w), T.ftensor4()
    y = conv2d(a, b, subsample=(2, 2), filter_flip=False)
    finite = np.ones((1, 1, 3, 20), "float32")
    gw = compiled([a, b, g], T.grad((y * g).sum(), b))(x, w, finite)
    assert np.isinf(gw[0, 0, 0, 1]) and np.isnan(gw[0, 0, 1, 1])
    assert np.isfinite(gw[0, 0, :, 0]).all()
    same(np.isnan(run(x, w, stride=(2, 2))).sum(), 1, exact=False)


def test_operands_of_any_layout():
    x, w = floats(2, 3, 8, 9), floats(4, 3, 3, 3, seed=1)
    want = convolve(x, w)
    wide = np.zeros((2, 3, 8, 9, 2))
    wide[..., 0] = x
    for form in (np.asfortranarray(x), wide[..., 0], x[:, ::-1][:, ::-1], x.copy("K")):
        same(run(form, w), want, exact=False)
    same(run(np.broadcast_to(x[:1], x.shape), w), convolve(np.repeat(x[:1], 2, 0), w), exact=False)


def test_shapes_are_known_without_computing():
    x, w = T.dtensor4(), T.dtensor4()
    for options in (
        {"border_mode": "half"},
        {"border_mode": "full", "subsample": (2, 3), "filter_dilation": (1, 2)},
        {"border_mode": ((1, 2), (0, 1))},
    ):
        y = conv2d(x, w, **options)
        f = compiled([x, w], [*(y.shape[i] for i in range(4))])
        assert "= conv" not in f.fn.program_text()
        a, b = floats(2, 3, 9, 8), floats(4, 3, 3, 2)
        border, stride = options["border_mode"], options.get("subsample")
        want = convolve(a, b, border, stride, dilation=options.get("filter_dilation"))
        assert tuple(int(n) for n in f(a, b)) == want.shape
    known = T.specify_shape(x, (2, 3, 9, 8))
    assert conv2d(known, np.zeros((4, 3, 3, 2))).static_shape == (2, 4, 7, 7)


def test_errors_name_the_shapes():
    x, w = T.dtensor4(), T.dtensor4()
    f = compiled([x, w], conv2d(x, w))
    with pytest.raises(ValueError, match=r"input has 3 channels.*take 2.*\(1, 3, 5, 5\)"):
        f(floats(1, 3, 5, 5), floats(4, 2, 3, 3))
    with pytest.raises(ValueError, match="larger than the padded input"):
        f(floats(1, 3, 5, 5), floats(4, 3, 7, 7))
    with pytest.raises(ValueError, match="no taps"):
        f(floats(1, 3, 5, 5), floats(4, 3, 0, 3))
    g = compiled([x, w], conv2d(x, w, num_groups=2))
    with pytest.raises(ValueError, match="split into groups"):
        g(floats(1, 4, 5, 5), floats(3, 2, 3, 3))
    with pytest.raises(ValueError, match="3 channels"):
        conv2d(floats(1, 3, 5, 5), floats(4, 2, 3, 3))
    s = T.lvector()
    h = compiled([x, w, s], AbstractConv_gradInputs(2, subsample=2)(w, x, s))
    same(h(floats(1, 2, 3, 3), floats(2, 1, 2, 2), [7, 6]).shape, (1, 1, 7, 6), exact=False)
    for bad in ([9, 6], [7], [-1, 6], [7, 2**62]):
        with pytest.raises(ValueError):
            h(floats(1, 2, 3, 3), floats(2, 1, 2, 2), bad)
    f6 = T.TensorType("float64", (False,) * 6)()
    with pytest.raises(ValueError, match="filters for 4 points"):
        compiled([x, f6], conv2d(x, f6, unshared=True))(
            floats(1, 1, 6, 6), floats(2, 3, 4, 1, 3, 3)
        )


@pytest.mark.parametrize(
    "attributes",
    [
        {"stride": [0, 1]}, {"dilation": [1, -1]}, {"stride": [1]}, {"pad": [0, 0]},
        {"pad": [0, 0, -1, 0]}, {"border": "wrap"}, {"groups": 0}, {"stride": [2**40, 1]},
    ],
)  # fmt: skip
def test_attributes_are_checked(attributes):
    good = {"stride": [1, 1], "dilation": [1, 1], "pad": [0] * 4, "border": "pad", "groups": 1,
            "flip": True, "unshared": False}  # fmt: skip
    with pytest.raises(ValueError):
        phintys._core.apply("conv", [T.dtensor4(), T.dtensor4()], **{**good, **attributes})


def test_saved_function(tmp_path):
    x, w = T.ftensor4(), T.ftensor4()
    y = conv2d(x, w, border_mode="half", subsample=(2, 1), filter_dilation=(1, 2))
    f = compiled([x, w], [y, *T.grad(y.sum(), [x, w])])
    f.save(tmp_path / "f.phy")
    again = phintys.load(tmp_path / "f.phy")
    a, b = floats(2, 3, 8, 9).astype("float32"), floats(4, 3, 3, 3).astype("float32")
    for p, q in zip(f(a, b), again(a, b), strict=True):
        np.testing.assert_array_equal(p, q)


def test_a_network_learns():
    rng = np.random.default_rng(0)
    x, t = T.tensor4(), T.vector()
    w = phintys.shared(rng.normal(size=(4, 1, 3, 3)) * 0.3)
    y = T.nnet.sigmoid(T.tanh(conv2d(x, w)).mean(axis=(1, 2, 3)) * 4)
    cost = T.nnet.binary_crossentropy(y, t).mean()
    step = phintys.function([x, t], cost, updates=[(w, w - 2 * T.grad(cost, w))], mode=MODES[0])
    images = rng.normal(size=(40, 1, 8, 8))
    labels = (rng.random(40) < 0.5).astype("float64")
    images[labels > 0, :, ::2] += 1
    costs = [step(images, labels) for _ in range(60)]
    assert costs[-1] < 0.6 * costs[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "w", "border", "stride", "groups"),
    [
        ((3, 20, 12, 12), (50, 20, 5, 5), "valid", (1, 1), 1),
        ((2, 1, 40, 90), (8, 1, 5, 3), "half", (1, 1), 1),  # in chunks of rows
        ((1, 6, 30, 31), (24, 3, 9, 9), "valid", (2, 3), 2),
        ((2, 3, 40), (5, 3, 30), "valid", (1,), 1),
        ((1, 2, 7, 9, 8), (12, 2, 4, 3, 5), "valid", (1, 1, 1), 1),
    ],
)
def test_gradients_that_hand_out_shares(dtype, x, w, border, stride, groups):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=x).astype(dtype), rng.normal(size=w).astype(dtype)
    for flip in (True, False):
        check_adjoints(a, b, border, stride, flip, None, groups)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "w", "border", "stride", "dilation", "groups"),
    [
        ((5, 130, 7, 7), (96, 130, 3, 3), "half", (1, 1), None, 1),  # blocks of channels
        ((40, 64, 7, 7), (80, 64, 3, 3), 1, (1, 1), None, 1),  # groups of images, a narrow panel
        ((2, 64, 60, 44), (70, 64, 3, 3), "half", (1, 1), None, 1),  # chunks of rows
        ((3, 70, 9, 11), (128, 70, 3, 3), 1, (2, 2), None, 1),  # classes, several blocks
        ((3, 70, 40, 41), (66, 70, 4, 3), 1, (3, 2), (2, 1), 1),
        ((2, 48, 8, 9), (64, 24, 5, 3), "full", (1, 1), (1, 3), 2),
        ((2, 32, 5, 6), (32, 32, 7, 7), "half", (1, 1), None, 1),  # more taps than points
        ((2, 40, 6, 7), (32, 40, 1, 1), 2, (1, 1), None, 1),  # points that have no taps
        ((2, 24, 3, 9, 8), (32, 24, 3, 3, 3), (0, 1, 1), (1, 1, 1), None, 1),
        ((2, 600, 30), (32, 600, 5), "half", (2,), None, 1),
    ],
)
def test_filters_in_vectors(dtype, x, w, border, stride, dilation, groups):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=x).astype(dtype), rng.normal(size=w).astype(dtype)
    for flip in (True, False):
        check_adjoints(a, b, border, stride, flip, dilation, groups)


def test_filters_in_vectors_of_any_layout():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 40, 7, 9)), rng.normal(size=(48, 40, 3, 3))
    want = convolve(x, w, "half")
    wide = np.zeros((3, 40, 7, 9, 2))
    wide[..., 0] = x
    forms = (
        np.asfortranarray(x),
        wide[..., 0],
        x[:, ::-1].copy()[:, ::-1],
        x[..., ::-1].copy()[..., ::-1],
    )
    for form in forms:
        same(run(form, w, border="half"), want, exact=False, rtol=1e-11)
    more = np.zeros((48, 41, 4, 3))
    more[:, 1:, :3] = w
    last_axis = np.ascontiguousarray(w.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    for form in (np.asfortranarray(w), more[:, 1:, :3], w[::-1].copy()[::-1], last_axis):
        same(run(x, form, border="half"), want, exact=False, rtol=1e-11)


def test_filters_in_vectors_give_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 96, 14, 14)).astype("float32")
    w = rng.normal(size=(130, 96, 3, 3)).astype("float32")
    a, b = variable(x), variable(w)
    f = compiled([a, b], [conv2d(a, b, border_mode=1), T.grad((conv2d(a, b) ** 2).sum(), a)])
    results = []
    before = phintys.config.num_threads
    try:
        for threads in (1, 2, 5):
            phintys.config.num_threads = threads
            results.append(f(x, w))
    finally:
        phintys.config.num_threads = before
    for other in results[1:]:
        for p, q in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(p, q)

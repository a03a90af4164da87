"""Complex variables: dtypes, parts, reductions, gradients, rewriting, NumPy's protocol, files."""

import pickle
import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core
from value_cases import PUBLIC

PLAIN = phintys.compile.mode.Mode(optimizer=None)
MODES = ["FAST_RUN", "FAST_COMPILE", PLAIN]


def numbers(*shape, dtype="complex128", seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype)


def compiled(xs, out, mode=None):
    return phintys.function(xs, out, mode=mode, on_unused_input="ignore")


# --- dtypes ---------------------------------------------------------------------------------------


def test_constructors_constants_and_promotion():
    assert T.cscalar().dtype == "complex64"
    assert T.ztensor4().dtype == "complex128"
    assert T.constant(1j).dtype == "complex128"
    assert T.constant(np.complex64(1j)).dtype == "complex64"
    f32, f64, c64, i8, i32 = T.fvector(), T.dvector(), T.cvector(), T.bvector(), T.ivector()
    assert (f32 * c64).dtype == "complex64"
    assert (f64 * c64).dtype == "complex128"
    assert (i8 + c64).dtype == "complex64"
    assert (i32 + c64).dtype == "complex128"
    assert (f32 * 1j).dtype == "complex128"
    assert (c64 * 2).dtype == "complex64"
    assert (c64 * 0.5).dtype == "complex64"
    assert (c64 / i8).dtype == "complex64"
    assert T.exp(c64).dtype == "complex64"
    assert abs(c64).dtype == "float32"
    assert T.sqr(abs(T.zvector())).dtype == "float64"


def test_python_complex_numbers_as_operands():
    x, z = T.dvector(), T.zvector()
    a, b = np.arange(3.0), numbers(3)
    outputs = [x * 1j, 1j + x, 2j - z, z / (1 + 1j), (1 - 2j) / z, z**2j, z**2, -z]
    for mode in MODES:
        got = compiled([x, z], outputs, mode)(a, b)
        want = [a * 1j, 1j + a, 2j - b, b / (1 + 1j), (1 - 2j) / b, b**2j, b**2, -b]
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-14)


def test_casts():
    x, z = T.fvector(), T.zvector()
    f = compiled([x, z], [T.cast(x, "complex64"), T.cast(z, "complex64"), x.astype("complex128")])
    a, b = np.float32([1, 2]), numbers(2)
    c, d, e = f(a, b)
    assert [v.dtype for v in (c, d, e)] == ["complex64", "complex64", "complex128"]
    np.testing.assert_array_equal(c, a)
    np.testing.assert_array_equal(d, b.astype("complex64"))
    for dtype in ["float64", "int32", "bool"]:
        with pytest.raises(TypeError, match="Casting from complex to real"):
            T.cast(z, dtype)
    with pytest.raises(TypeError, match="casting from complex"):
        _core.cast(z, "float64")


def test_arguments_of_functions():
    z, c = T.zvector(), T.cscalar()
    f = compiled([z, c], z + c)
    np.testing.assert_array_equal(f(np.arange(3.0), np.float32(1)), np.arange(3) + 1)
    np.testing.assert_array_equal(f([1, 2j], 1j), [1 + 1j, 3j])
    np.testing.assert_array_equal(f(np.array([1, 2], "int8"), 0), [1, 2])
    with pytest.raises(TypeError, match="cannot store accurately value"):
        f(np.arange(3.0), np.complex128(0.1))
    d = T.dvector()
    with pytest.raises(TypeError, match="without risking loss of precision"):
        compiled([d], d)(numbers(3))
    wide = phintys.function([c], c * 1, allow_input_downcast=True)
    assert wide(np.complex128(0.1 + 0.2j)).dtype == "complex64"


def test_shared_variables():
    s = phintys.shared(numbers(3), name="s")
    assert s.dtype == "complex128"
    assert phintys.shared(2j).dtype == "complex128"
    before = s.get_value()
    z = T.zvector()
    step = phintys.function([z], s * z, updates=[(s, s + z)])
    a = numbers(3, seed=1)
    np.testing.assert_allclose(step(a), before * a, rtol=1e-15)
    np.testing.assert_array_equal(s.get_value(), before + a)
    s.set_value(np.arange(3.0))
    assert s.get_value().dtype == "complex128"


# --- parts ----------------------------------------------------------------------------------------


def test_parts_of_complex_and_real_variables():
    z, x, i = T.zmatrix(), T.dmatrix(), T.imatrix()
    a, b = numbers(2, 3), np.random.default_rng(0).normal(size=(2, 3))
    f = compiled([z], [z.real, z.imag, z.conj(), z.conjugate(), T.angle(z), T.conj(z.T)])
    want = [a.real, a.imag, a.conj(), a.conj(), np.angle(a), a.T.conj()]
    for g, w in zip(f(a), want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-15)
    assert x.real is x
    assert T.conj(x) is x
    f = compiled([x], [x.imag, T.angle(x)])
    np.testing.assert_array_equal(f(b)[0], np.zeros((2, 3)))
    np.testing.assert_array_equal(f(b)[1], np.angle(b))
    assert T.angle(i).dtype == "float64"
    assert i.imag.dtype == "int32"


def test_complex_from_parts():
    x, y, h = T.dvector(), T.fvector(), T.TensorType("float16", (False,))()
    assert T.complex(y, y).dtype == "complex64"
    assert T.complex(x, y).dtype == "complex128"
    assert T.complex(h, h).dtype == "complex64"
    assert T.complex(T.ivector(), y).dtype == "complex128"
    assert T.complex_from_polar(y, y).dtype == "complex64"
    a, b = np.array([1.0, -2.0, 0.0]), np.float32([0.5, 3, -1])
    f = compiled([x, y], [T.complex(x, y), T.complex_from_polar(x, y)])
    got = f(a, b)
    np.testing.assert_array_equal(got[0], a + 1j * b)
    np.testing.assert_allclose(got[1], a * np.exp(1j * b.astype("float64")), rtol=1e-15)
    f = compiled([h], T.complex(h, 1))
    np.testing.assert_array_equal(f(np.float16([1, 2])), np.complex64([1 + 1j, 2 + 1j]))
    with pytest.raises(TypeError, match="the parts must be real"):
        T.complex(x, T.zvector())
    # Infinities stay where they are, as they would not in a + 1j * b.
    np.testing.assert_array_equal(
        compiled([x], T.complex(x, x))([np.inf, -0.0]).view("float64"), [np.inf, np.inf, -0.0, -0.0]
    )


def test_predicates_and_closeness():
    z, w = T.zvector(), T.zvector()
    inf, nan = np.inf, np.nan
    a = np.array([1, complex(inf, nan), complex(0, nan), complex(1, -inf), 0])
    f = compiled([z], [T.isnan(z), T.isinf(z), T.isfinite(z), T.neq(z, 0), T.eq(z, z)])
    want = [np.isnan(a), np.isinf(a), np.isfinite(a), a != 0, a == a]
    for g, v in zip(f(a), want, strict=True):
        np.testing.assert_array_equal(g, v)
    b = np.array([1 + 1e-9j, complex(inf, nan), complex(0, nan), complex(1, -inf), 1e-3])
    for equal_nan in (False, True):
        f = compiled([z, w], T.isclose(z, w, equal_nan=equal_nan))
        np.testing.assert_array_equal(f(a, b), np.isclose(a, b, equal_nan=equal_nan))
    assert compiled([z, w], T.allclose(z, w))(a[:1], b[:1])
    assert T.logical_and(z, w).dtype == "bool"
    np.testing.assert_array_equal(
        compiled([z], T.logical_or(z, np.array(False)))([0, 1j]), [False, True]
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda z: z < 1, lambda z: T.ge(z, z), lambda z: T.clip(z, 0, 1), T.floor, T.ceil, T.erf,
        lambda z: z // 2, lambda z: z % 2, lambda z: T.maximum(z, z), T.max, T.min, T.argmax,
        T.deg2rad, lambda z: T.arctan2(z, z), T.iround, lambda z: z & z, lambda z: ~z,
        lambda z: T.switch(z, 1, 2), T.nnet.sigmoid, lambda z: T.sum(z, dtype="float64"),
    ],
)  # fmt: skip
def test_what_complex_numbers_cannot_do_is_a_type_error(make):
    with pytest.raises(TypeError):
        make(T.zvector())


def test_order_is_refused_by_name():
    with pytest.raises(TypeError, match=r"lt\(complex64.*complex numbers have no order"):
        T.cvector() < 1  # noqa: B015


# --- reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 2), (1, 2)])
def test_reductions(dtype, axis):
    z = T.TensorType(dtype, (False,) * 3)()
    rtol = 2e-5 if dtype == "complex64" else 1e-12
    for shape in [(3, 4, 5), (1, 1, 1), (2, 70, 3), (5, 2, 300), (300, 3, 2), (2, 0, 3)]:
        a = numbers(*shape, dtype=dtype)
        a /= np.abs(a)  # products neither vanish nor overflow
        outputs = [z.sum(axis), z.prod(axis), z.mean(axis), z.var(axis), z.std(axis)]
        outputs += [T.any(z, axis), T.all(z, axis), z.sum(axis, keepdims=True)]
        with np.errstate(all="ignore"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want = [a.sum(axis), a.prod(axis), a.mean(axis), a.var(axis), a.std(axis)]
            want += [a.any(axis), a.all(axis), a.sum(axis, keepdims=True)]
        for mode in MODES[:2]:
            for g, w in zip(compiled([z], outputs, mode)(a), want, strict=True):
                assert g.dtype == w.dtype
                assert g.shape == w.shape
                np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol)


def test_sums_of_expressions_layouts_and_threads():
    z = T.zmatrix()
    a = numbers(700, 900)
    out = [(z * z.conj()).sum(), T.exp(z).sum(0), (z * 2j).sum(1), abs(z).sum()]
    want = [(a * a.conj()).sum(), np.exp(a).sum(0), (a * 2j).sum(1), np.abs(a).sum()]
    f = compiled([z], out)
    first = f(a)
    for view in (a, np.asfortranarray(a), a[::-1, ::-1][::-1, ::-1]):
        for g, w in zip(f(view), want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-11)
    before = phintys.config.num_threads
    try:
        phintys.config.num_threads = 2
        for g, w in zip(f(a), first, strict=True):
            assert g.tobytes() == w.tobytes()
    finally:
        phintys.config.num_threads = before


def test_sums_of_single_precision_are_exact_enough():
    z = T.cvector()
    a = np.full(3_000_001, 0.1 + 0.3j, "complex64")
    got = compiled([z], z.sum())(a)
    want = a.astype("complex128").sum()
    assert abs(got - want) / abs(want) < 2e-7


def test_sum_keeps_zeros_and_infinities():
    z = T.zvector()
    f = compiled([z], [z.sum(), z.prod()])
    total, product = f(np.array([complex(-0.0, -0.0)]))
    assert np.signbit(total.real)
    assert np.signbit(total.imag)
    total, product = f(np.array([complex(np.inf, 1)]))
    assert total == product == complex(np.inf, 1)
    total, _ = f(np.array([complex(np.inf, 1), complex(1, -np.inf)]))
    assert (total.real, total.imag) == (np.inf, -np.inf)
    assert f(np.zeros(0, "complex128")) == [0, 1]


def test_dtype_arguments_of_reductions():
    x, c = T.dvector(), T.cvector()
    assert x.sum(dtype="complex64").dtype == "complex64"
    assert c.sum(dtype="complex128").dtype == "complex128"
    assert c.mean().dtype == "complex64"
    assert c.var().dtype == "float32"
    f = compiled([x], x.sum(dtype="complex128"))
    assert f([1.0, 2.0]) == 3
    np.testing.assert_allclose(
        compiled([c], T.nlinalg.norm(c, 2))(np.complex64([3j, 4])), 5, rtol=1e-6
    )


# --- gradients ------------------------------------------------------------------------------------


def test_gradient_is_by_both_parts():
    """Of |z|^2 it is 2 z, of Re(c z) it is conj(c), of the conjugate's real part 1."""
    z = T.zvector()
    a = numbers(4)
    c = numbers(4, seed=1)
    cost = T.sqr(abs(z)).sum()
    np.testing.assert_allclose(compiled([z], T.grad(cost, z))(a), 2 * a, rtol=1e-14)
    cost = (z * c).real.sum()
    np.testing.assert_allclose(compiled([z], T.grad(cost, z))(a), c.conj(), rtol=1e-14)
    cost = z.conj().imag.sum()
    np.testing.assert_allclose(compiled([z], T.grad(cost, z))(a), np.full(4, -1j), rtol=1e-14)


def test_costs_must_be_real():
    z = T.zvector()
    with pytest.raises(TypeError, match="cost must be real"):
        T.grad(z.sum(), z)


def test_gradient_with_respect_to_real_parts_is_real():
    x, y = T.dvector(), T.dvector()
    z = T.complex(x, y)
    cost = abs(T.exp(z * (1 + 2j)) + x * z).sum()
    gx, gy = T.grad(cost, [x, y])
    assert gx.dtype == gy.dtype == "float64"
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 5))
    f = compiled([x, y], cost)
    got = compiled([x, y], [gx, gy])(a, b)
    h = 1e-6
    for i in range(5):
        e = np.zeros(5)
        e[i] = h
        assert abs((f(a + e, b) - f(a - e, b)) / (2 * h) - got[0][i]) < 1e-6
        assert abs((f(a, b + e) - f(a, b - e)) / (2 * h) - got[1][i]) < 1e-6


def _both_parts(f, a, h=1e-6):
    g = np.zeros_like(a)
    for index in np.ndindex(a.shape):
        for step in (h, 1j * h):
            up, down = a.copy(), a.copy()
            up[index] += step
            down[index] -= step
            g[index] += (f(up) - f(down)) / (2 * h) * (step / h)
    return g


@pytest.mark.parametrize(
    "make",
    [
        lambda z: abs(z.prod()),
        lambda z: abs(z.prod(0)).sum(),
        lambda z: z.var(),
        lambda z: z.std(1).sum(),
        lambda z: abs(z.mean(0)).sum(),
        lambda z: T.sqr(abs(z - z.mean())).sum().real,
        lambda z: abs(T.set_subtensor(z[1], z[0].real)).sum(),
        lambda z: abs(T.inc_subtensor(z[:, 1], abs(z[:, 0]))).sum(),
        lambda z: abs(T.concatenate([z, z.real, z.conj()])).sum(),
        lambda z: abs(z.T.reshape((6,))[::-1] * z.ravel()).sum(),
        lambda z: T.switch(z.real > 0, z * z, z.conj()).imag.sum(),
        lambda z: (T.exp(1j * z.real) * z).real.sum(),
        lambda z: abs(T.complex_from_polar(abs(z), T.angle(z)) ** 2).sum(),
        lambda z: abs(T.sgn(z) + 1).sum(),
        lambda z: abs(1 / z + z / 3j - 2j / z**3).sum(),
        lambda z: abs(z ** z.real).sum(),
        lambda z: T.log(abs(T.exp(z)) + 1).sum(),
    ],
)  # fmt: skip
def test_gradients_of_compositions(make):
    z = T.zmatrix()
    a = numbers(2, 3, seed=5)
    cost = make(z)
    assert cost.dtype == "float64"
    g = T.grad(cost, z)
    assert g.dtype == "complex128"
    want = _both_parts(compiled([z], cost, PLAIN), a)
    for mode in MODES:
        np.testing.assert_allclose(compiled([z], g, mode)(a), want, rtol=3e-6, atol=3e-6)


def test_verify_grad_takes_complex_points_and_results():
    phintys.gradient.verify_grad(lambda z: T.exp(z) * z.conj(), [numbers(2, 3)])
    phintys.gradient.verify_grad(lambda z, x: abs(z) * x, [numbers(3), np.ones(3)])
    phintys.gradient.verify_grad(lambda x: T.complex(x, x * x), [np.arange(1.0, 4.0)])
    phintys.gradient.verify_grad(lambda z: T.sqr(z), [numbers(2, dtype="complex64")])

    def half(z):
        return z * phintys.gradient.disconnected_grad(z)

    with pytest.raises(phintys.gradient.GradientError, match="exceed tolerance"):
        phintys.gradient.verify_grad(half, [numbers(3)])


def test_gradient_of_a_product_with_zeros():
    z = T.zvector()
    g = compiled([z], T.grad((z.prod() * (2 - 1j)).real, z))
    for a in ([1 + 1j, 0, 2j], [0, 0, 1j], [1j, 2, 3 - 1j]):
        a = np.array(a, "complex128")
        others = np.array([np.prod(np.delete(a, i)) for i in range(3)])
        np.testing.assert_allclose(g(a), (others * (2 - 1j)).conj(), atol=1e-14)


def test_gradients_at_zero_are_finite():
    z = T.zvector()
    a = np.array([0, 1j])
    for cost in (abs(z).sum(), abs(T.sgn(z) * 2 + z).sum()):
        assert np.isfinite(compiled([z], T.grad(cost, z))(a)).all()
    np.testing.assert_array_equal(compiled([z], T.grad(abs(z).sum(), z))(a), [0, 1j])


def test_second_derivatives():
    z, v = T.zvector(), T.zvector()
    a, b = numbers(3), numbers(3, seed=1)
    g = T.grad((abs(z) * T.sqr(z.real)).sum(), z)
    hv = compiled([z, v], T.Rop(g, z, v))
    f = compiled([z], g)
    h = 1e-6
    want = (f(a + h * b) - f(a - h * b)) / (2 * h)
    np.testing.assert_allclose(hv(a, b), want, rtol=1e-5, atol=1e-7)


def test_descent_finds_a_complex_solution():
    m, wanted = numbers(20, 4), numbers(4, seed=1)
    w = phintys.shared(np.zeros(4, "complex128"))
    rows, target = T.zmatrix(), T.zvector()
    error = (rows * w.dimshuffle("x", 0)).sum(1) - target
    cost = T.sqr(abs(error)).mean()
    step = phintys.function([rows, target], cost, updates=[(w, w - 0.2 * T.grad(cost, w))])
    losses = [step(m, m @ wanted) for _ in range(300)]
    assert losses[-1] < 1e-10 < losses[0]
    np.testing.assert_allclose(w.get_value(), wanted, atol=1e-4)


# --- rewriting ------------------------------------------------------------------------------------

Z = numbers(50, seed=9) * 4
REWRITES = {
    "log_exp": lambda z: T.log(T.exp(z)),
    "exp_log": lambda z: T.exp(T.log(z)),
    "exp_log1p": lambda z: T.exp(T.log1p(z)),
    "sqr_sqrt": lambda z: T.sqr(T.sqrt(z)),
    "sqrt_sqr": lambda z: T.sqrt(T.sqr(z)),
    "sqr_abs": lambda z: T.sqr(abs(z)),
    "sqr_abs_used_twice": lambda z: T.sqr(abs(z)) + abs(z),
    "abs_abs": lambda z: abs(abs(z)),
    "abs_sqr": lambda z: abs(T.sqr(z)),
    "abs_exp": lambda z: abs(T.exp(z)),
    "abs_neg": lambda z: abs(-z),
    "abs_conj": lambda z: abs(z.conj()),
    "sqr_neg": lambda z: T.sqr(-z),
    "conj_conj": lambda z: z.conj().conj(),
    "real_conj": lambda z: z.conj().real,
    "imag_conj": lambda z: z.conj().imag,
    "complex_of_parts": lambda z: T.complex(z.real, z.imag),
    "swapped_parts": lambda z: T.complex(z.imag, z.real),
    "real_of_complex": lambda z: T.complex(abs(z), z.imag).real,
    "imag_of_complex": lambda z: T.complex(z.real, T.constant(2)).imag,
    "conj_of_complex": lambda z: T.complex(z.imag, T.gt(z.real, 0)).conj(),
    "real_of_cast": lambda z: T.cast(abs(z), "complex128").real,
    "imag_of_cast": lambda z: T.cast(abs(z), "complex128").imag,
    "conj_of_cast": lambda z: T.cast(abs(z), "complex128").conj(),
    "log_1_plus": lambda z: T.log(1 + z),
    "log_1_minus": lambda z: T.log(1 - z),
    "log1p_exp": lambda z: T.log1p(T.exp(z)),
    "exp_minus_1": lambda z: T.exp(z) - 1,
    "over_1_plus_exp": lambda z: 1 / (1 + T.exp(z)),
    "inv_inv": lambda z: T.inv(T.inv(z)),
    "div_self": lambda z: z / z,
    "sub_self": lambda z: z - z,
    "add_zero": lambda z: z + 0j,
    "mul_one": lambda z: z * (1 + 0j),
    "mul_i": lambda z: z * 1j * 1j,
    "mul_zero": lambda z: z * 0,
    "mul_div": lambda z: (z * 2j) / 2j,
    "mul_inv": lambda z: z * T.inv(z + 5),
    "x_times_x": lambda z: z * z,
    "pow_0": lambda z: z**0,
    "pow_half": lambda z: z**0.5,
    "pow_minus_half": lambda z: z**-0.5,
    "pow_3": lambda z: z**3,
    "pow_minus_5": lambda z: z**-5,
    "pow_complex": lambda z: z ** (2 + 0j),
    "one_pow": lambda z: T.constant(1.0) ** z,
    "sum_neg": lambda z: (-z).sum(),
    "sum_scaled": lambda z: (z * (2 + 1j)).sum(),
    "sum_fill": lambda z: T.second(z, 1j).sum(),
    "switch_same": lambda z: T.switch(z.real > 0, z, z),
    "add_constants": lambda z: (z + 1j) + 2,
    "neg_scaled": lambda z: -(z * 2j),
    "div_power_of_two": lambda z: z / 2,
    "sum_of_squares": lambda z: T.sqr(z.real) + T.sqr(z.imag),
    "neg_sub": lambda z: -(z - 1j),
}


@pytest.mark.parametrize("name", REWRITES)
def test_rewriting_keeps_complex_values(name):
    z = T.zvector("z")
    out = REWRITES[name](z)
    want = compiled([z], out, PLAIN)(Z)
    for mode in ["FAST_RUN", "FAST_COMPILE", "DEBUG_MODE"]:
        got = compiled([z], out, mode)(Z)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    c = T.cvector("c")
    out = REWRITES[name](c)
    got, want = compiled([c], out)(Z.astype("complex64")), REWRITES[name](T.constant(Z)).eval()
    assert got.dtype == compiled([c], out, PLAIN)(Z.astype("complex64")).dtype
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    "name, gone",
    [
        ("exp_log", "exp"), ("sqr_sqrt", "sqrt"), ("sqr_abs", "abs_"), ("conj_conj", "conj"),
        ("real_conj", "conj"), ("imag_conj", "conj"), ("complex_of_parts", "real"),
        ("real_of_complex", "complex,"), ("imag_of_complex", "complex,"), ("abs_conj", "conj"),
        ("real_of_cast", "real"), ("imag_of_cast", "Cast"),
        ("pow_half", "pow"), ("pow_3", "pow"), ("pow_complex", "pow"),
        ("mul_one", "mul"), ("sum_fill", "Sum"),
    ],
)  # fmt: skip
def test_rewriting_simplifies(name, gone):
    z = T.zvector("z")
    text = phintys.printing.debugprint(compiled([z], REWRITES[name](z)), file="str")
    assert gone not in text, text


@pytest.mark.parametrize(
    "name, kept",
    [
        ("log_exp", "{exp,"),
        ("sqrt_sqr", "sqrt"),
        ("abs_sqr", "abs_"),
        ("abs_exp", "abs_"),
        ("log_1_plus", "{log,"),
    ],
)
def test_rules_for_real_numbers_leave_complex_ones_alone(name, kept):
    z = T.zvector("z")
    text = phintys.printing.debugprint(compiled([z], REWRITES[name](z)), file="str")
    assert kept in text, text


@pytest.mark.parametrize("name", REWRITES)
def test_rewriting_keeps_the_side_of_a_branch_cut(name):
    """Zeros with signs, and exact cancellation: log(-1 - 0i) is not log(-1 + 0i)."""
    if name in ("mul_one", "mul_zero", "mul_i", "mul_div", "swapped_parts", "sqrt_sqr"):
        return  # a product with 1 keeps more zeros than NumPy's; the others lie on a cut themselves
    z = T.zvector("z")
    out = REWRITES[name](z)
    if out.dtype != "complex128" or not out.ndim:
        return
    out = T.angle(out)
    parts = [0.0, -0.0, 1.0, -1.0, 2.5]
    a = np.array([complex(x, y) for x in parts for y in parts if x or y])
    with np.errstate(all="ignore"):
        want, got = compiled([z], out, PLAIN)(a), compiled([z], out)(a)
    usable = np.isfinite(want) & np.isfinite(got)
    np.testing.assert_allclose(got[usable], want[usable], atol=1e-14)


def test_random_expressions_are_the_same_in_every_mode():
    rng = np.random.default_rng(11)
    unary = [T.exp, T.sqr, T.sin, T.tanh, T.conj, T.neg, T.inv, T.sqrt, T.log, T.sgn, T.arctan]
    unary += [lambda z: T.complex(z.imag, z.real), lambda z: abs(z) + 0j, lambda z: z * 2j]
    unary += [lambda z: z - z.mean(), lambda z: z / 2, lambda z: z**2, lambda z: 1 - z]
    binary = [T.add, T.sub, T.mul, T.true_div, lambda a, b: T.switch(a.real > 0, a, b)]
    for _ in range(60):
        x, y, r = T.zvector(), T.zvector(), T.dvector()
        pool = [x, y, r, T.constant(1j)]
        for _ in range(8):
            if rng.random() < 0.5:
                pool.append(unary[rng.integers(len(unary))](pool[rng.integers(len(pool))] + 0j))
            else:
                pick = binary[rng.integers(len(binary))]
                pool.append(pick(*(pool[rng.integers(len(pool))] for _ in range(2))))
        out = [v for v in pool[-3:] if v.ndim]
        if not out:
            continue
        args = [numbers(7, seed=1), numbers(7, seed=2), rng.normal(size=7)]
        with np.errstate(all="ignore"):
            want = compiled([x, y, r], out, PLAIN)(*args)
            for mode in ["FAST_RUN", "FAST_COMPILE"]:
                for g, w in zip(compiled([x, y, r], out, mode)(*args), want, strict=True):
                    usable = np.isfinite(w) & (abs(w) < 1e8) & (abs(w) > 1e-8)
                    np.testing.assert_allclose(g[usable], w[usable], rtol=1e-6, atol=1e-7)


# --- NumPy's protocol, files ----------------------------------------------------------------------


def test_numpy_functions_on_variables():
    z = T.zvector()
    a = numbers(4)
    functions = [np.conj, np.conjugate, np.exp, np.abs, np.real, np.imag, np.angle, np.sqrt]
    functions += [np.square, np.sum, np.mean, np.var, np.isnan, np.sign, np.arcsinh]
    for f in functions:
        np.testing.assert_allclose(compiled([z], f(z))(a), f(a), rtol=1e-14)
    assert np.multiply(T.cvector(), 1j).dtype == "complex64"  # NumPy 2's rule
    np.testing.assert_array_equal(compiled([z], a + z)(a), a + a)


def all_ops(z, w):
    outputs = []
    for name, op in sorted(PUBLIC.items()):
        if op["complex"]:
            first = [z.real > 0] if op["rule"] == "select" else []
            operands = [*first, z, w][: op["arity"]]
            outputs.append(_core.elemwise(name, *operands))
    return [*outputs, T.complex(z.real, w.imag), T.complex_from_polar(abs(z), w.real)]


def test_saved_functions(tmp_path):
    z, w = T.zvector("z"), T.cvector("w")
    c = T.constant(numbers(3, dtype="complex64"))
    s = phintys.shared(numbers(3, seed=4), name="s")
    outputs = [*all_ops(z, T.cast(w, "complex128")), z * c + 2j, s * z, z.sum(), z.prod()]
    f = phintys.function([z, w], outputs, updates=[(s, s * 1j)])
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    h = pickle.loads(pickle.dumps(f))
    a, b = numbers(3), numbers(3, dtype="complex64", seed=1)
    wanted = f(a, b)
    for other in (g, h):
        for x, y in zip(other(a, b), wanted, strict=True):
            assert x.dtype == y.dtype
            assert x.tobytes() == y.tobytes()


def test_printing_complex_constants():
    text = phintys.printing.debugprint(T.zvector("z") * 2j, file="str")
    assert "TensorConstant" in text
    assert str(T.zvector().type) == "TensorType(complex128, vector)"


def test_fused_regions_mix_real_and_complex_steps():
    x, z = T.fmatrix(), T.cmatrix()
    rng = np.random.default_rng(6)
    for shape in [(1, 1), (3, 5), (64, 33), (500, 41)]:
        a = rng.normal(size=shape).astype("float32")
        b = numbers(*shape, dtype="complex64")
        out = abs(T.exp(1j * T.cast(x, "complex64")) * z + x) > T.sin(x) * z.imag
        parts = T.complex(x * 2, z.real) * z.conj()
        f = compiled([x, z], [out, parts, (parts.real * x).sum(0), abs(z).sum()])
        got = f(a, b)
        wide, y = a.astype("float64"), b.astype("complex128")
        near = abs(np.exp(1j * wide) * y + wide) - np.sin(wide) * y.imag
        clear = abs(near) > 1e-4
        np.testing.assert_array_equal(got[0][clear], (near > 0)[clear])
        want = (2 * wide + 1j * y.real) * y.conj()
        np.testing.assert_allclose(got[1], want, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(got[2], (want.real * wide).sum(0), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(got[3], abs(y).sum(), rtol=1e-5)

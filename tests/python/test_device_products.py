"""Products of matrices, vectors and stacks on every device, against NumPy and the CPU."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import (
    emulated_launches,
    floats,
    needs_emulation,
    on_devices,
    run_everywhere,
    variable_like,
)

DTYPES = ["float16", "float32", "float64", "complex64", "complex128", "int8", "int64", "uint16"]


def whole(*shape, dtype, seed=0):
    """Small whole numbers, of which products are exact in every dtype."""
    rng = np.random.default_rng(seed)
    low = 0 if dtype.startswith("u") else -3
    x = rng.integers(low, 4, size=shape).astype(dtype)
    if dtype.startswith("complex"):
        x = (x + 1j * rng.integers(-3, 4, size=shape)).astype(dtype)
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shapes",
    [
        ((5, 7), (7, 6)),
        ((40, 70), (70, 50)),
        ((1, 9), (9, 30)),
        ((30, 9), (9,)),
        ((9,), (9, 30)),
        ((500,), (500,)),
        ((6, 1), (1, 40)),
        ((4, 0), (0, 5)),
        ((0, 4), (4, 5)),
    ],
    ids=str,
)
def test_dot(dtype, shapes):
    a, b = (whole(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes))
    run_everywhere(T.dot, a, b, expected=np.dot, exact=True, on_device=True)


def test_dot_of_bool():
    a, b = floats(5, 40) > 1, floats(40, 6, seed=1) > 1
    run_everywhere(T.dot, a, b, expected=np.dot, on_device=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_dot_of_views(dtype):
    a, b = whole(36, 20, dtype=dtype), whole(20, 40, dtype=dtype, seed=1)
    for f in (
        lambda dot, a, b: dot(b.T, a.T),
        lambda dot, a, b: dot(a[::-1, ::2], b[::2]),
        lambda dot, a, b: dot(a[1:, 1:], b[1:, ::-1]),
        lambda dot, a, b: dot(a[:, ::-1], b[:, 3]),
        lambda dot, a, b: dot(a[2, ::-1], b),
    ):
        run_everywhere(
            lambda a, b, f=f: f(T.dot, a, b),
            a,
            b,
            expected=lambda a, b, f=f: f(np.dot, a, b),
            exact=True,
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (33, 34, 70), (130, 20, 9)], ids=str)
def test_scaled_sums(dtype, shape):
    """What becomes gemm and gemv: factors, transposed operands, an addend that is taken over."""
    m, n, k = shape
    a, b = whole(m, k, dtype=dtype), whole(k, n, dtype=dtype, seed=1)
    c, x, y = (whole(*s, dtype=dtype, seed=2 + i) for i, s in enumerate([(m, n), (k,), (m,)]))
    exact = {"exact": True, "on_device": True}
    run_everywhere(
        lambda a, b, c: 2 * c - 3 * T.dot(a, b),
        a,
        b,
        c,
        expected=lambda a, b, c: 2 * c - 3 * np.dot(a, b),
        **exact,
    )
    run_everywhere(
        lambda a, b, c: T.dot(a.T, b.T) + c,
        a.T.copy(),
        b.T.copy(),
        c,
        expected=lambda a, b, c: np.dot(a.T, b.T) + c,
        **exact,
    )
    run_everywhere(
        lambda a, x, y: y * 2 + T.dot(a, x),
        a,
        x,
        y,
        expected=lambda a, x, y: y * 2 + np.dot(a, x),
        **exact,
    )


def test_a_shared_matrix_is_updated_in_place():
    w = whole(40, 50, dtype="float32")
    a, b = whole(40, 9, dtype="float32", seed=1), whole(9, 50, dtype="float32", seed=2)

    def step(a, b):
        shared = phintys.shared(w.copy(), "w")
        return shared.sum(), {shared: shared - 0.5 * T.dot(a, b)}

    run_everywhere(step, a, b, exact=True, on_device=True, may_run_on_host=("Fused",))


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex128", "int16"])
def test_stacks(dtype):
    shapes = [
        ((3, 5, 6), (3, 6, 7)),
        ((4, 6, 9), (9, 5)),
        ((0, 3, 4), (0, 4, 5)),
    ]
    for left, right in shapes:
        a, b = whole(*left, dtype=dtype), whole(*right, dtype=dtype, seed=1)
        run_everywhere(T.matmul, a, b, expected=np.matmul, exact=True, on_device=True)
    a, b = whole(2, 1, 34, 9, dtype=dtype), whole(1, 3, 9, 35, dtype=dtype, seed=1)
    run_everywhere(
        lambda a, b: T.matmul(T.addbroadcast(a, 1), T.addbroadcast(b, 0)),
        a,
        b,
        expected=np.matmul,
        exact=True,
        on_device=True,
    )
    a, b = whole(3, 8, 6, dtype=dtype), whole(3, 8, 7, dtype=dtype, seed=1)
    run_everywhere(
        lambda a, b: T.matmul(a.dimshuffle(0, 2, 1), b),
        a,
        b,
        expected=lambda a, b: np.matmul(a.transpose(0, 2, 1), b),
        exact=True,
        on_device=True,
    )


def test_long_sums():
    for dtype in ("float32", "float64"):
        a, b = floats(5, 6000, dtype=dtype), floats(6000, 3, seed=1, dtype=dtype)
        run_everywhere(T.dot, a, b, rtol=1e-4, atol=1e-3, on_device=True)
        run_everywhere(T.dot, a[0], b[:, 0], rtol=1e-4, atol=1e-3, on_device=True)


def test_odd_numbers_come_through():
    a, b = floats(40, 30, dtype="float32"), floats(30, 50, seed=1, dtype="float32")
    a[3, 4], b[5, 6] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        run_everywhere(T.dot, a, b, expected=np.dot, rtol=1e-4, atol=1e-4)


@on_devices
@pytest.mark.parametrize("mode,least,most", [("tf32", 1e-6, 2e-3), ("bf16", 1e-4, 2e-2)])
def test_rounded_operands(device, mode, least, most):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(300, 40)), rng.uniform(size=(40, 600))
    a, b = a.astype("float32"), b.astype("float32")
    x, y = T.fmatrices("x", "y")
    exact = np.dot(a.astype("float64"), b)
    kept = phintys.config.cuda.f32_products
    try:
        for name, low, high in ((mode, least, most), ("full", 0, 2e-6)):
            phintys.config.cuda.f32_products = name
            f = phintys.function([x, y], T.dot(x, y), device=device)
            results = [np.asarray(f(a, b)) for _ in range(2)]
            assert results[0].tobytes() == results[1].tobytes()
            worst = np.max(np.abs(results[0] - exact) / exact)
            assert low <= worst < high
    finally:
        phintys.config.cuda.f32_products = kept


# --- what follows a product: bias and activation --------------------------------------------------


ACTIVATIONS = {
    "none": lambda z: z,
    "tanh": T.tanh,
    "sigmoid": T.nnet.sigmoid,
    "maximum": lambda z: T.maximum(z, 0),
    "relu": T.nnet.relu,
    "exp": T.exp,  # no activation of products
}
BIASES = {
    "row": (lambda z, b: z + b, (50,)),
    "column": (lambda z, b: b + z, (40, 1)),
    "matrix": (lambda z, b: z + b, (40, 50)),
    "number": (lambda z, b: b + z, ()),
    "other stride": (lambda z, b: z + b[::-2], (100,)),
    "transposed": (lambda z, b: z + b.T, (50, 40)),
    "no": (lambda z, b: z, ()),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", BIASES)
def test_bias_and_activation(activation, bias, dtype):
    add, shape = BIASES[bias]
    a, b = floats(40, 9, dtype=dtype), floats(9, 50, seed=1, dtype=dtype) * np.asarray(0.3, dtype)
    c = floats(*shape, seed=2, dtype=dtype)
    if bias == "column":
        c = c[:, 0]
        add = lambda z, b: b[:, None] + z  # noqa: E731
    act = ACTIVATIONS[activation]
    rtol, atol = {"float16": (1e-2, 1e-2)}.get(dtype, (2e-5, 1e-6))
    run_everywhere(
        lambda a, b, c: act(add(T.dot(a, b), c)), a, b, c, rtol=rtol, atol=atol, on_device=True
    )


def test_bias_and_activation_of_other_products():
    a, b, c = (floats(12, 12, seed=k, dtype="float32") for k in range(3))
    row = floats(12, seed=4, dtype="float32")
    for build in (
        lambda a, b, c, row: T.tanh(c + 2 * T.dot(a, b) + row),
        lambda a, b, c, row: T.tanh(T.dot(a, b.T) + c),
        lambda a, b, c, row: T.tanh(T.dot(a[:, :0], b[:0]) + row),
        lambda a, b, c, row: T.tanh(T.dot(a[:1], b) + row),
        lambda a, b, c, row: T.tanh(T.dot(a, row) + row),
        lambda a, b, c, row: T.tanh(T.dot(a, b)[::-1] + row),
        lambda a, b, c, row: T.tanh(T.dot(a, b) + T.dot(a, c)),
        lambda a, b, c, row: T.tanh(T.dot(a, b).sum(axis=0) + row),
        lambda a, b, c, row: T.tanh(T.dot(T.tanh(T.dot(a, b) + row), c) + row),
        # Read by more than one.
        lambda a, b, c, row: [T.dot(a, b), T.tanh(T.dot(a, b) + row)],
        lambda a, b, c, row: [T.tanh(T.dot(a, b) + row), (T.dot(a, b) + row).sum()],
        lambda a, b, c, row: T.tanh(T.dot(a, b) + T.dot(a, b)),
        lambda a, b, c, row: T.matmul(a, b) + row,
        lambda a, b, c, row: T.nnet.relu(T.batched_dot(a[None], b[None]) + row),
    ):
        run_everywhere(build, a, b, c, row, rtol=2e-5, atol=1e-6, on_device=True)


def test_a_product_that_replaces_what_it_reads():
    """The new value has the memory of an operand, which the product still reads."""
    a, row = floats(12, 12, dtype="float32"), floats(12, seed=4, dtype="float32")

    def step(a, row):
        w = phintys.shared(floats(12, 12, seed=5, dtype="float32"), "w")
        v = phintys.shared(floats(12, 12, seed=6, dtype="float32"), "v")
        return w.sum(), {w: T.tanh(T.dot(w, a) + row), v: T.nnet.sigmoid(T.dot(a, w) + v)}

    run_everywhere(step, a, row, rtol=2e-5, atol=1e-6, on_device=True)


def test_recurrent_steps():
    w, row = floats(12, 12, dtype="float32"), floats(12, seed=4, dtype="float32")
    xs = floats(9, 5, 12, seed=5, dtype="float32")

    def build(xs, w, row):
        states, _ = phintys.scan(
            lambda x, h: T.tanh(T.dot(h, w) + x),
            sequences=xs,
            outputs_info=T.zeros_like(xs[0]) + row,
        )
        return states

    run_everywhere(build, xs, w, row, rtol=2e-5, atol=1e-6, on_device=True)


@needs_emulation
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", BIASES)
def test_what_follows_needs_no_kernel_of_its_own(activation, bias, dtype):
    add, shape = BIASES[bias]
    if bias == "column":
        shape = shape[:1]
        add = lambda z, b: b[:, None] + z  # noqa: E731
    a, b, c = floats(40, 9, dtype=dtype), floats(9, 50, dtype=dtype), floats(*shape, dtype=dtype)
    x, y, z = (variable_like(v) for v in (a, b, c))

    def launches(build):
        output = build(T.dot(x, y), z).transfer("emulated")
        f = phintys.function([x, y, z], output, device="emulated", on_unused_input="ignore")
        f(a, b, c)
        phintys.cuda.synchronize("emulated")
        before = emulated_launches()
        f(a, b, c)
        phintys.cuda.synchronize("emulated")
        return emulated_launches() - before

    alone = launches(lambda product, z: product)
    together = launches(lambda product, z: ACTIVATIONS[activation](add(product, z)))
    assert together == alone + (activation == "exp")


@on_devices
def test_products_go_on_with_what_follows(device):
    """Seen at (z + |z|) / 2, which is infinite beyond half of the greatest number."""
    a = np.full((3, 4), 8.6e18, "float32")
    x, b = T.fmatrix("x"), T.fvector("b")
    f = phintys.function([x, b], T.nnet.relu(T.dot(x, x.T) + b), device=device)
    zeros = np.zeros(3, "float32")
    for _ in range(4):
        np.testing.assert_allclose(f(a, zeros), np.full((3, 3), 4 * 8.6e18**2), rtol=1e-6)

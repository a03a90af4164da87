"""Fused regions on devices: every elementwise op, casts, reductions, layouts.

Kernels and the host share the bodies of the ops, so results have the same bits, but for what libm
leaves open and for sums, whose order differs.
"""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import floats, run_everywhere
from hypothesis import given, settings
from hypothesis import strategies as st

UNARY = [
    "neg", "abs", "sgn", "sqr", "sqrt", "inv", "exp", "exp2", "expm1", "log", "log2", "log10",
    "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh",
    "arctanh", "floor", "ceil", "trunc", "erf", "erfc", "erfinv", "gamma", "gammaln", "psi", "i0",
    "j0", "j1", "isnan", "isinf",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_unary(dtype):
    x = np.random.default_rng(0).uniform(0.05, 0.95, (5, 67)).astype(dtype)
    run_everywhere(
        lambda v: [getattr(T, name)(v) for name in UNARY if hasattr(T, name)],
        x,
        rtol={"float16": 2e-3, "float32": 1e-6, "float64": 1e-13}[dtype],
        on_device=True,
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_integers(dtype):
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype)
    x, y = (rng.integers(info.min, info.max, 131, dtype=dtype, endpoint=True) for _ in "xy")
    run_everywhere(
        lambda a, b: [
            a + b, a - b, a * b, a // b, a % b, a & b, a | b, a ^ b, ~a, -a, T.maximum(a, b),
            T.eq(a, b), T.lt(a, b), T.abs(a), T.sgn(a),
        ],
        x,
        y,
        exact=True,
        on_device=True,
    )  # fmt: skip


def test_complex_numbers():
    rng = np.random.default_rng(2)
    z, w = (rng.normal(size=(7, 19)) + 1j * rng.normal(size=(7, 19)) for _ in "zw")
    run_everywhere(
        lambda a, b: [
            a + b, a * b, a / b, T.exp(a), T.sin(a), T.sqrt(a), abs(a), T.real(a), T.conj(b),
        ],
        z,
        w,
        rtol=1e-13,
        on_device=True,
    )  # fmt: skip


def test_broadcasting_and_strides():
    x, y = floats(6, 5, 9), floats(9, seed=1)

    def build(a, b):
        turned = a.dimshuffle(2, 1, 0)
        return [
            a * b + 1,
            turned.dimshuffle(1, 0, 2) - turned[:, ::-1].dimshuffle(1, 0, 2),
            a[::2, 1:] / (1 + b[::-1] ** 2),
            a - a.mean(axis=2, keepdims=True),
            b.dimshuffle(0, "x") * b,
        ]

    run_everywhere(build, x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(0, 3), (), (1,), (1, 1, 5), (3, 0, 2)])
def test_odd_shapes(shape):
    x = floats(*shape, dtype="float32")
    run_everywhere(lambda a: [T.exp(a) * 2, (a + 1).sum(), (a * a).sum(axis=None)], x, rtol=1e-6)


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "mean", "all", "any"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "float16"])
def test_reductions(kind, dtype):
    x = (np.random.default_rng(3).uniform(0.9, 1.1, (4, 33, 6)) * 3).astype(dtype) / 3
    x = x.astype(dtype)
    axes = [None, 0, 1, 2, (0, 1), (1, 2), (0, 2)]

    def build(a):
        if kind in ("all", "any"):
            a = a > 1
        return [getattr(T, kind)(a, axis=axis) for axis in axes]

    run_everywhere(build, x, rtol=5e-3 if dtype == "float16" else 1e-5, on_device=True)


def test_long_sums_are_exact_enough():
    x = np.random.default_rng(4).normal(size=300001).astype("float32")
    run_everywhere(
        lambda a: [T.sum(a), T.sum(T.exp(a)), T.max(a)],
        x,
        expected=[x.astype("f8").sum(), np.exp(x.astype("f8")).sum(), x.max()],
        rtol=2e-6,
        atol=2e-3,
        on_device=True,
    )


def test_outputs_take_the_place_of_inputs():
    value = floats(1000, dtype="float32")

    def build(x):
        s = phintys.shared(value.copy())
        return s.sum(), {s: s * np.float32(0.9) + x}

    run_everywhere(build, floats(1000, seed=1, dtype="float32"), rtol=1e-5, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_expressions(data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 40))
    kinds = st.sampled_from(["float32", "float64", "int32", "bool"])
    given = [data.draw(kinds) for _ in range(3)]
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    values = [(rng.normal(size=(rows, columns)) * 3).astype(k) for k in given]
    choices = data.draw(
        st.lists(st.tuples(st.integers(0, 7), *[st.integers(0, 99)] * 2), min_size=1)
    )

    def build(*variables):
        nodes = list(variables)
        for op, i, j in choices:
            a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
            nodes.append(
                [
                    lambda a, b: a + b,
                    lambda a, b: a * b,
                    lambda a, b: T.maximum(a, b),
                    lambda a, b: T.switch(a > 0, a, b),
                    lambda a, b: T.tanh(a) + b,
                    lambda a, b: T.cast(a, "float32") - b,
                    lambda a, b: T.sqr(T.tanh(a)),
                    lambda a, b: T.cast(a, "float64") - b.max(axis=1, keepdims=True),
                ][op](a, b)
            )
        return [nodes[-1], nodes[len(nodes) // 2]]

    run_everywhere(build, *values, rtol=1e-5, atol=1e-5)

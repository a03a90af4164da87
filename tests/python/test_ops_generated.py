"""Every elementwise op of the registry: values, dtypes, layouts, gradients, threads, fusion, ISA.

Nothing here lists ops: the cases come from ``_core.elementwise_ops()``.
"""

import itertools
import os
import subprocess
import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
import special_cases
from phintys import _core, config
from value_cases import (
    FLOATS,
    OPS,
    PUBLIC,
    REAL,
    check,
    draw_operands,
    edge_values,
    expected,
    finite_difference,
    layouts,
    promotion,
    rule_dtypes,
)

# What takes or makes complex numbers is in test_complex_generated.py.
NAMES = sorted(
    n for n in PUBLIC if PUBLIC[n]["domain"] != "none" and PUBLIC[n]["rule"] != "make_complex"
)
FLOAT_OPS = [n for n in NAMES if PUBLIC[n]["domain"] != "discrete"]
UNFUSED = phintys.compile.mode.get_mode("FAST_RUN").excluding("fuse")
# Heavy bodies are approximations (test_math_accuracy holds them to their bounds); the others are
# what the hardware computes and must agree to the bit.
HEAVY_ULPS = 8
SCIPY = {n for n in NAMES if str(PUBLIC[n]["numpy"]).startswith("scipy.")}
# Which zero a maximum of zeros is, is open; SciPy's erfinv(-0) is +0, its erfcinv(1) -0.
ANY_ZERO = {"maximum", "minimum", "clip", "erfinv", "erfcinv"} | special_cases.ANY_ZERO


def differentiated(name, values):
    """Those of an op's operands by which there is a derivative."""
    without = special_cases.NO_GRADIENT.get(name, ())
    return [v for i, v in enumerate(values) if i not in without]


def variable(array, name=None):
    return T.TensorType(array.dtype.name, (False,) * array.ndim)(name)


def compiled(name, operands, mode=None):
    xs = [variable(a) for a in operands]
    return phintys.function(xs, _core.elemwise(name, *xs), mode=mode)


def ulps_of(name, dtype):
    exact = not OPS[name]["heavy"] or name in ("int_div", "mod")
    if exact and dtype == "float16" and OPS[name]["domain"] != "floating":
        return 0
    if name in ("deg2rad", "rad2deg"):  # the factor is rounded to the dtype first
        return 2
    if dtype == "float64" and name in special_cases.RELATIVE:
        return special_cases.RELATIVE[name] / np.finfo(dtype).eps
    if dtype == "float64" and name in SCIPY:
        return 4 * HEAVY_ULPS  # SciPy is less exact than its float64
    return 0 if exact else (1 if dtype == "float16" else HEAVY_ULPS)


def slack(name, dtype, operands):
    """Absolute tolerance where a result near zero is what large terms leave of each other."""
    if name in special_cases.ABSOLUTE:
        return special_cases.ABSOLUTE[name]
    if name != "logaddexp" or dtype not in FLOATS:
        return 0
    sizes = [np.abs(np.where(np.isfinite(a), a, 0)).astype("float64") for a in operands]
    return 8 * float(np.finfo(dtype).eps) * (1 + np.maximum(*sizes))


def combinations(name):
    arity = PUBLIC[name]["arity"]
    if arity == 3:
        pairs = [*zip(REAL, REAL, strict=True), *itertools.pairwise(REAL), ("int64", "float32")]
        first = "bool" if PUBLIC[name]["rule"] == "select" else None
        return [(first or a, a, b) for a, b in pairs]
    return list(itertools.product(REAL, repeat=arity))


def grid(name, dtypes):
    """All combinations of edge values, as vectors of one length."""
    axes = [edge_values(d) for d in dtypes]
    if name in special_cases.MODERATE:
        axes = [special_cases.moderate(a) for a in axes]
    if len(axes) == 3:
        axes = [a[:: 1 if a.size < 20 else 3] for a in axes]
    operands = [a.ravel() for a in np.meshgrid(*axes, indexing="ij")]
    operands = [a[special_cases.allowed(name, operands)] for a in operands]
    if name == "pow" and promotion(dtypes) not in FLOATS and operands[1].dtype.kind == "i":
        operands = [a[operands[1] >= 0] for a in operands]
    return operands


@pytest.mark.parametrize("name", NAMES)
def test_edge_values_and_result_dtypes(name):
    for dtypes in combinations(name):
        rule = rule_dtypes(PUBLIC[name]["rule"], dtypes)
        xs = [T.TensorType(d, (False,))() for d in dtypes]
        if rule is None:
            with pytest.raises(TypeError):
                _core.elemwise(name, *xs)
            continue
        operands = grid(name, dtypes)
        want = expected(name, operands)
        if name == "iround":  # beyond int64 the conversion is undefined
            keep = np.abs(operands[0].astype("float64")) < 2.0**62
            operands, want = [operands[0][keep]], want[keep]
        with np.errstate(all="ignore"):
            got = phintys.function(xs, _core.elemwise(name, *xs))(*operands)
        if name == "erfcinv":  # SciPy overflows at the smallest subnormal
            want = np.where(np.isinf(want) & (operands[0] > 0), got, want)
        tolerance = slack(name, rule[1], operands)
        check(
            got,
            want,
            ulps_of(name, rule[0]),
            name not in ANY_ZERO,
            f"{name} of {dtypes}",
            tolerance,
        )


@pytest.mark.parametrize("name", NAMES)
def test_layouts_and_sizes(name):
    op = PUBLIC[name]
    rng = np.random.default_rng(7)
    dtypes = {"floating": FLOATS, "discrete": ["bool", "int8", "int64"]}.get(
        op["domain"], ["int8", "int32", "float16", "float32", "float64"]
    )
    for dtype in dtypes:
        ulps, zeros = ulps_of(name, dtype), name not in ANY_ZERO
        f = {}
        for shape in [(), (0,), (1,), (7,), (1023,), (1024,), (1025,), (0, 3), (5, 9), (3, 1, 4)]:
            operands = draw_operands(rng, name, dtype, shape)
            want, atol = expected(name, operands), slack(name, dtype, operands)
            if len(shape) not in f:
                f[len(shape)] = compiled(name, operands)
            forms = [layouts(a) for a in operands]
            for form in forms[0]:
                got = f[len(shape)](*[x[form] for x in forms])
                check(got, want, ulps, zeros, what=f"{name} {dtype} {shape} {form}", atol=atol)
            if op["arity"] > 1 and "transposed" in forms[0]:
                mixed = [x[k] for x, k in zip(forms, ["transposed", "strided", "reversed"])]  # noqa: B905
                check(
                    f[len(shape)](*mixed),
                    want,
                    ulps,
                    what=f"{name} {dtype} {shape} mixed",
                    atol=atol,
                )


@pytest.mark.parametrize("name", [n for n in NAMES if PUBLIC[n]["arity"] > 1])
def test_broadcast_rows_and_columns(name):
    op = PUBLIC[name]
    rng = np.random.default_rng(8)
    dtype = "int32" if op["domain"] == "discrete" else "float64"
    shapes = [(6, 70), (1, 70), (6, 1), (1, 1), (), (70,)]
    for chosen in itertools.product(shapes, repeat=op["arity"]):
        operands = [draw_operands(rng, name, dtype, s)[i] for i, s in enumerate(chosen)]
        xs = [T.TensorType(dtype, tuple(n == 1 for n in s))() for s in chosen]
        got = phintys.function(xs, _core.elemwise(name, *xs))(*operands)
        want, atol = expected(name, operands), slack(name, dtype, operands)
        check(got, want, ulps_of(name, dtype), what=f"{name} {chosen}", atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_threads_and_fusion_do_not_change_bits(name):
    op = PUBLIC[name]
    rng = np.random.default_rng(9)
    dtype = "int32" if op["domain"] == "discrete" else "float32"
    operands = draw_operands(rng, name, dtype, 300_007)
    xs = [variable(a) for a in operands]
    z = _core.elemwise(name, *xs)
    # Around the op: neighbours that fusion puts into the same program. No product meets a sum:
    # those two may become one rounding.
    inner = [T.minimum(x, np.asarray(3, dtype)) for x in xs]
    outer = _core.elemwise(name, *inner)
    outer = T.switch(T.cast(z, "bool"), T.cast(outer, "float64"), 0.5)
    before = config.num_threads
    results = []
    try:
        for threads, mode in [(1, None), (2, None), (2, UNFUSED)]:
            config.num_threads = threads
            results.append(phintys.function(xs, [z, outer, outer.sum()], mode=mode)(*operands))
    finally:
        config.num_threads = before
    for other in results[1:]:
        for a, b in zip(results[0][:2], other[:2], strict=True):
            assert a.tobytes() == b.tobytes()
    assert results[0][2].tobytes() == results[1][2].tobytes()
    want, atol = expected(name, operands), slack(name, dtype, operands)
    check(results[0][0], want, ulps_of(name, dtype), what=name, atol=atol)


@pytest.mark.parametrize("name", FLOAT_OPS)
def test_gradient(name):
    op = PUBLIC[name]
    rng = np.random.default_rng(10)
    points = draw_operands(rng, name, "float64", (3, 4))
    xs = [T.dmatrix() for _ in points]
    z = _core.elemwise(name, *xs)
    differentiable = z.dtype == "float64"
    weights = rng.uniform(0.5, 1.5, (3, 4))
    cost = (T.cast(z, "float64") * weights).sum()
    grads = T.grad(cost, differentiated(name, xs), disconnected_inputs="ignore")
    values = phintys.function(xs, grads, on_unused_input="ignore")(*points)
    plain = phintys.function(xs, grads, on_unused_input="ignore", mode="FAST_COMPILE")(*points)
    for got, same in zip(values, plain, strict=True):
        np.testing.assert_allclose(got, same, rtol=1e-13)
    if op["zero_grad"] or not differentiable:
        assert all(not np.any(v) for v in values)
        return
    want = finite_difference(phintys.function(xs, z, on_unused_input="ignore"), points, weights)
    if op["rule"] == "select":
        want[0][...] = 0
    for got, numeric in zip(values, differentiated(name, want), strict=True):
        np.testing.assert_allclose(got, numeric, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("name", [n for n in FLOAT_OPS if not PUBLIC[n]["zero_grad"]])
def test_rop(name):
    op = PUBLIC[name]
    rng = np.random.default_rng(11)
    points = draw_operands(rng, name, "float64", 5)
    ways = [rng.normal(size=5) for _ in points]
    if op["rule"] == "select":
        points[0], ways[0] = np.round(points[0]), np.zeros(5)
    for i in special_cases.NO_GRADIENT.get(name, ()):
        ways[i] = np.zeros(5)
    xs, vs = [T.dvector() for _ in points], [T.dvector() for _ in points]
    z = _core.elemwise(name, *xs)
    change = T.Rop(z, differentiated(name, xs), differentiated(name, vs))
    got = phintys.function([*xs, *vs], change, on_unused_input="ignore")(*points, *ways)
    f = phintys.function(xs, z, on_unused_input="ignore")
    h = 1e-6
    up = f(*[p + h * v for p, v in zip(points, ways, strict=True)])
    down = f(*[p - h * v for p, v in zip(points, ways, strict=True)])
    np.testing.assert_allclose(got, (up - down) / (2 * h), rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("name", [n for n in FLOAT_OPS if PUBLIC[n]["domain"] == "floating"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_gradient_keeps_small_dtypes(name, dtype):
    xs = [T.TensorType(dtype, (False,))() for _ in range(PUBLIC[name]["arity"])]
    z = _core.elemwise(name, *xs)
    if z.dtype != dtype:
        return
    for g in T.grad(z.sum(), differentiated(name, xs), disconnected_inputs="ignore"):
        assert g.dtype == dtype


@pytest.mark.parametrize("name", [n for n in NAMES if not PUBLIC[n]["complex"]])
def test_complex_operands_are_refused(name):
    xs = [T.zvector() for _ in range(PUBLIC[name]["arity"])]
    with pytest.raises(TypeError, match="complex"):
        _core.elemwise(name, *xs)


def test_every_op_has_a_reference_and_a_python_function():
    from value_cases import reference

    for name in PUBLIC:
        assert callable(reference(name))
        assert callable(getattr(T, name))


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np, phintys, phintys.tensor as T
from phintys import _core
from value_cases import PUBLIC, draw_operands
out = {"isa": np.array(_core.isa())}
for name, op in PUBLIC.items():
    if op["domain"] == "none" or op["rule"] == "make_complex":
        continue
    rng = np.random.default_rng(12)
    for dtype in ["float32", "float64", "int16"]:
        if op["domain"] == "floating" and dtype == "int16":
            continue
        if op["domain"] == "discrete" and dtype != "int16":
            continue
        operands = draw_operands(rng, name, dtype, 2_003)
        xs = [T.TensorType(dtype, (False,))() for _ in operands]
        z = _core.elemwise(name, *xs)
        values = phintys.function(xs, [z, T.cast(z, "float64").sum()])(*operands)
        out[name + " " + dtype] = values[0]
        out[name + " " + dtype + " sum"] = values[1]
np.savez(sys.argv[1], **out)
"""


def _isas():
    flags = ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as f:
            flags = f.read()
    return [
        "baseline",
        *(i for i, flag in [("avx2", " avx2"), ("avx512", " avx512f")] if flag in flags),
    ]


def test_every_isa_gives_the_same_values(tmp_path):
    """Exact ops to the bit, others within their bounds: an ISA without FMA rounds once more."""
    results = {}
    for isa in _isas():
        path = tmp_path / f"{isa}.npz"
        environment = {**os.environ, "PHINTYS_FLAGS": f"isa={isa},num_threads=1"}
        package = os.path.dirname(os.path.dirname(os.path.abspath(phintys.__file__)))
        environment["PYTHONPATH"] = package + os.pathsep + environment.get("PYTHONPATH", "")
        here = os.path.dirname(os.path.abspath(__file__))
        subprocess.run([sys.executable, "-c", SCRIPT, path, here], env=environment, check=True)
        results[isa] = dict(np.load(path))
        assert str(results[isa].pop("isa")) == isa
    base = results["baseline"]
    for isa, values in results.items():
        assert values.keys() == base.keys()
        for key, value in values.items():
            name, dtype = key.split()[:2]
            if key.endswith("sum"):
                np.testing.assert_allclose(value, base[key], rtol=1e-5 if "32" in dtype else 1e-12)
            else:
                atol = slack(name, dtype, [np.full(1, 8.0)] * 2)
                check(value, base[key], ulps_of(name, dtype), what=f"{key} on {isa}", atol=atol)

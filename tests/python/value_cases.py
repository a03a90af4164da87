"""What the tests of values share: reference dtypes and functions, edge values, layouts, bounds."""

import importlib

import numpy as np
import special_cases
from phintys import _core
from scipy import special

BOOL = ["bool"]
INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
REAL = BOOL + INTS + FLOATS
COMPLEX = ["complex64", "complex128"]

OPS = {op["name"]: op for op in _core.elementwise_ops()}
PUBLIC = {name: op for name, op in OPS.items() if not op["internal"]}


def round_half_away(x):
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(1, x), np.copysign(whole, x))


# Of ops that have no counterpart in NumPy or SciPy.
OWN_REFERENCES = {
    "softplus": lambda x: np.logaddexp(np.zeros_like(x), x),
    "xlogx": lambda x: special.xlogy(x, x),
    "xlogy0": lambda x, y: np.where(x == 0, 0, special.xlogy(x, y)),
    "complex": lambda re, im: re + 1j * im,
    "complex_from_polar": lambda r, angle: r * np.exp(1j * angle),
    "second": lambda x, y: np.broadcast_arrays(x, y)[1],
    "identity": lambda x: x,
    "round_half_away_from_zero": round_half_away,
    "iround": round_half_away,
    **special_cases.REFERENCES,
}


def reference(name):
    """The NumPy or SciPy function that op `name` must agree with."""
    dotted = OPS[name]["numpy"]
    if dotted is None or name in OWN_REFERENCES:
        return OWN_REFERENCES[name]
    module, function = dotted.rsplit(".", 1)
    return getattr(importlib.import_module(module), function)


def promotion(dtypes):
    """NumPy's promotion of arrays, whatever their rank."""
    return np.result_type(*[np.empty(1, d) for d in dtypes]).name


def real_of(dtype):
    """The dtype of the real part."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def to_float(dtype):
    """Theano's upgrade_to_float."""
    if dtype in FLOATS + COMPLEX:
        return dtype
    return "float32" if dtype in ("bool", "int8", "uint8", "int16", "uint16") else "float64"


def rule_dtypes(rule, dtypes):
    """(compute dtype, result dtype) by a rule, or None where the operands are a TypeError."""
    if rule == "second":
        return dtypes[1], dtypes[1]
    if rule == "select":
        dtypes = dtypes[1:]
        return promotion(dtypes), promotion(dtypes)
    common = promotion(dtypes)
    discrete = common not in FLOATS + COMPLEX
    if rule == "upcast":
        return common, common
    if rule == "upcast_real":
        return common, real_of(common)
    if rule == "make_complex":
        part = "float64" if to_float(common) == "float64" else "float32"
        return part, {"float32": "complex64", "float64": "complex128"}[part]
    if rule == "upcast_nobool":
        return None if common == "bool" else (common, common)
    if rule == "to_float":
        return to_float(common), to_float(common)
    if rule == "float_only":
        return None if discrete else (common, common)
    if rule == "discrete_only":
        return None if not discrete else (common, common)
    if rule == "true_div":
        return ("float64", "float64") if discrete else (common, common)
    if rule == "compare":
        return common, "bool"
    if rule == "predicate":
        return to_float(common), "bool"
    assert rule == "to_int64", rule
    return to_float(common), "int64"


def expected(name, operands):
    """The reference's result for arrays, in the dtype that the rule gives."""
    compute, result = rule_dtypes(OPS[name]["rule"], [a.dtype.name for a in operands])
    if OPS[name]["rule"] == "select":
        operands = [operands[0].astype(bool), *(a.astype(compute) for a in operands[1:])]
    elif OPS[name]["rule"] != "second":
        operands = [a.astype(compute) for a in operands]
    if compute in ("float16", "float32"):  # rounded once, from a result of more precision
        heavy = OPS[name]["heavy"] and name not in ("int_div", "mod")
        wide = "float64" if heavy else "float32"
        operands = [a.astype(wide) if a.dtype.name == compute else a for a in operands]
    if compute == "bool" and name == "sqr":
        return operands[0]
    with np.errstate(all="ignore"):
        return np.asarray(reference(name)(*operands)).astype(result)


def edge_values(dtype):
    """Values of a dtype at which kernels go wrong."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        near = [0, 1, 2, 3, 7, 100, info.max, info.max - 1, info.max // 2, info.min, info.min + 1]
        return np.array(near + ([-1, -2, -3, -7, -100] if dtype.kind == "i" else []), dtype)
    info = np.finfo(dtype)
    values = [0, 0.5, 1, 1.5, 2, 2.5, 3, 0.75, 10, 89, 700, 6e4, info.max, info.tiny]
    values += [float(info.smallest_subnormal), float(info.eps), 1 + float(info.eps), np.inf]
    if dtype != np.float16:
        values += [1e10, 1e-10, 2147483648.0, 16777217.0]
    values = np.array(values, dtype)
    return np.concatenate([values, -values, np.array([np.nan], dtype)])


def draw(rng, op, dtype, shape):
    """Values of the range from which op's tests draw."""
    low, high = op["test_low"], op["test_high"]
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "c":
        return np.asarray(rng.uniform(-3, 3, shape) + 1j * rng.uniform(-3, 3, shape), dtype)
    if dtype.kind in "iu":
        return np.asarray(rng.integers(0 if dtype.kind == "u" else -5, 6, shape), dtype)
    return np.asarray(rng.uniform(low, high, shape), dtype)


def draw_operands(rng, name, dtype, shape):
    """Operands for op `name` that its definition allows: ordered limits, powers that exist."""
    op = OPS[name]
    operands = [draw(rng, op, dtype, shape) for _ in range(op["arity"])]
    if name == "clip":
        operands[1:] = np.minimum(*operands[1:]), np.maximum(*operands[1:])
    if name == "pow" and dtype in INTS:
        operands[1] = np.abs(operands[1])
    if name == "polygamma":
        operands[0] = np.abs(np.floor(operands[0])).astype(operands[0].dtype)
    return [np.asarray(a) for a in operands]


def ulp_distance(a, b):
    """Units in the last place between floats of one dtype; 0 for equal ones and for two NaN."""
    bits = {2: np.int16, 4: np.int32, 8: np.int64}[a.dtype.itemsize]

    def ordered(x):
        i = np.ascontiguousarray(x).view(bits).astype(object if a.dtype.itemsize == 8 else np.int64)
        return np.where(i < 0, -(i & int(np.iinfo(bits).max)), i)

    same = (a == b) | (np.isnan(a) & np.isnan(b))
    distance = np.abs(ordered(np.where(same, 0, a)) - ordered(np.where(same, 0, b)))
    distance = np.where(np.isnan(a) != np.isnan(b), 2**62, distance)
    return distance.astype(np.float64)


def check(got, want, ulps=0, signed_zero=True, what="", atol=0):
    """Same dtype and shape, and values within `ulps` units in the last place, or `atol`."""
    got = np.asarray(got)
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype} instead of {want.dtype}"
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    if want.dtype.kind != "f":
        bad = got != want
    else:
        bad = ulp_distance(got, want) > ulps
        if np.any(atol):
            with np.errstate(all="ignore"):
                bad &= ~(np.abs(got - want) <= atol)
        if signed_zero:
            bad |= (want == 0) & (got == 0) & (np.signbit(want) != np.signbit(got))
    if np.any(bad):
        where = np.argwhere(bad)[:6]
        rows = [f"{tuple(i)}: {got[tuple(i)]!r} instead of {want[tuple(i)]!r}" for i in where]
        raise AssertionError(f"{what}: {int(bad.sum())} of {bad.size} differ: {'; '.join(rows)}")


def layouts(array):
    """The same values in other layouts of memory, by name."""
    out = {"contiguous": np.ascontiguousarray(array)}
    if array.ndim == 0:
        return {"contiguous": array}
    every = tuple(slice(None, None, -1) for _ in array.shape)
    out["reversed"] = np.ascontiguousarray(array[every])[every]
    wide = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
    view = wide[tuple(slice(0, 2 * n, 2) for n in array.shape)]
    view[...] = array
    out["strided"] = view
    if array.ndim > 1:
        out["transposed"] = np.asfortranarray(array)
        out["last_strided"] = np.repeat(array, 3, axis=-1)[..., ::3]
    shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    out["unaligned"] = shifted
    return out


def finite_difference(f, points, weights, eps=1e-6):
    """Gradients of ``sum(weights * f(*points))`` by central differences."""
    grads = []
    for k, point in enumerate(points):
        g = np.zeros_like(point)
        for index in np.ndindex(point.shape):
            moved = [p.copy() for p in points]
            step = eps * max(1.0, abs(point[index]))
            moved[k][index] = point[index] + step
            up = f(*moved)
            moved[k][index] = point[index] - step
            g[index] = np.sum(weights * (up - f(*moved))) / (2 * step)
        grads.append(g)
    return grads

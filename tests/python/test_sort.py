"""sort, argsort, topk and argmax against NumPy: dtypes, axes, layouts, NaN, ties, gradients."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from op_checks import MODES, check, compiled, floats, same, variable
from phintys import config
from value_cases import INTS, REAL, layouts

COMPLEX = ["complex64", "complex128"]
SHAPES = [
    ((7,), 0),
    ((300,), 0),
    ((1000,), 0),
    ((40000,), 0),
    ((20, 33), 0),
    ((20, 33), 1),
    ((5, 40, 9), 1),
    ((300, 3), 0),
    ((0, 3), 0),
    ((0, 3), 1),
    ((3, 0), 1),
    ((1,), 0),
]


def values(dtype, shape, kind, seed=0):
    """Spread over the whole range, few different ones, or with NaN, infinities and zeros."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in INTS:
        info = np.iinfo(dtype)
        if kind == "wide":
            return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        return rng.integers(0, 5, shape).astype(dtype)
    if kind == "wide":
        x = rng.normal(size=shape) * 10 ** (
            rng.normal(size=shape) * (1 if dtype == "float16" else 3)
        )
    else:
        x = rng.integers(-3, 3, shape) * 1.0
    if dtype in COMPLEX:
        x = x + 1j * rng.integers(-3, 3, shape)
    x = x.astype(dtype)
    if kind == "special" and x.size:
        flat = x.reshape(-1)
        flat[::3], flat[1::5], flat[2::7], flat[3::11] = np.nan, np.inf, -np.inf, -0.0
        if dtype in COMPLEX:
            flat[2::9], flat[4::9] = complex(1, np.nan), complex(np.nan, 1)
    return x


def numpy_sort(x, axis):
    # NumPy 2.4 loses elements when it sorts float16 with NaN on some processors.
    wide = x.astype("float32") if x.dtype == "float16" else x
    return np.sort(wide, axis=axis).astype(x.dtype)


@pytest.mark.parametrize("dtype", REAL + COMPLEX)
def test_sort_and_argsort(dtype):
    for shape, axis in SHAPES:
        for kind in ("wide", "few", "special"):
            x = values(dtype, shape, kind)
            v = variable(x)
            f = compiled([v], [T.sort(v, axis), T.argsort(v, axis - x.ndim)])
            for form, view in layouts(x).items():
                got, order = f(view)
                what = f"{dtype} {shape} {axis} {kind} {form}"
                same(got, numpy_sort(x, axis), what)
                same(order, np.argsort(x, axis=axis, kind="stable"), what)


def test_sort_without_axis_and_methods():
    x = floats(3, 4)
    for mode in MODES:
        v = T.dmatrix()
        f = compiled(
            [v], [v.sort(None), v.argsort(axis=None), v.sort(), v.argsort(0, "stable")], mode
        )
        got = f(x)
        same(got[0], np.sort(x, None))
        same(got[1], np.argsort(x, None))
        same(got[2], np.sort(x))
        same(got[3], np.argsort(x, 0))
    same(compiled([v], T.sort.__call__(v, T.constant(0)))(x), np.sort(x, 0))
    same(compiled([v], T.partition(v, 1))(x), np.sort(x))
    same(compiled([v], T.argpartition(v, 1))(x), np.argsort(x))
    same(compiled([v], np.sort(v, axis=0))(x), np.sort(x, axis=0))
    same(compiled([v], T.basic.sort(v))(x), np.sort(x))
    from phintys.tensor.sort import ArgSortOp, SortOp

    same(compiled([v], SortOp("mergesort")(v, 0))(x), np.sort(x, 0))
    same(compiled([v], ArgSortOp("stable")(v))(x), np.argsort(x))


PATTERNS = {
    "random": lambda n, r: r.normal(size=n),
    "sorted": lambda n, r: np.arange(n) * 1.0,
    "reversed": lambda n, r: np.arange(n)[::-1] * 1.0,
    "equal": lambda n, r: np.full(n, 2.5),
    "two": lambda n, r: r.integers(0, 2, n) * 1.0,
    "organ pipe": lambda n, r: np.minimum(np.arange(n), np.arange(n)[::-1]) * 1.0,
    "saw": lambda n, r: np.arange(n) % 1000 * 1.0,
    "close": lambda n, r: 1 + r.integers(0, 50, n) * 2.0**-52,
    "greatest": lambda n, r: np.where(r.random(n) < 0.4, np.nan, r.normal(size=n)),
    "tiny steps": lambda n, r: (
        np.where(r.random(n) < 0.5, -1e30, 1) + r.integers(0, 9, n) * 2.0**-50
    ),
}


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_patterns_lengths_and_threads(pattern):
    before = config.num_threads
    v = T.dvector()
    w = T.fvector()
    f = compiled([v, w], [T.sort(v), T.argsort(v), T.sort(w), T.argsort(w)])
    try:
        for n in [
            2,
            5,
            6,
            7,
            8,
            9,
            16,
            17,
            33,
            64,
            65,
            127,
            129,
            255,
            257,
            700,
            5000,
            140_000,
            300_000,
        ]:
            x = PATTERNS[pattern](n, np.random.default_rng(n))
            y = x.astype("float32")
            results = []
            for threads in (1, 2, 3):
                config.num_threads = threads
                results.append(f(x, y))
            for got in results[1:]:
                for a, b in zip(got, results[0], strict=True):
                    assert a.tobytes() == b.tobytes()
            same(results[0][0], np.sort(x), f"{n}")
            same(results[0][1], np.argsort(x, kind="stable"), f"{n}")
            same(results[0][2], np.sort(y), f"{n}")
            same(results[0][3], np.argsort(y, kind="stable"), f"{n}")
    finally:
        config.num_threads = before


def killer(n):
    """A permutation made against quicksorts that sample at fixed places."""
    x = np.zeros(n)
    free = np.ones(n, bool)
    low = 0
    for length in range(n, 300, -40):
        at = np.linspace(0, length - 1, 40).astype(int)
        at = at[free[at]]
        x[at] = low + np.arange(at.size)
        free[at] = False
        low += at.size
    x[free] = low + np.random.default_rng(0).permutation(int(free.sum()))
    return x


def test_bad_inputs_for_quicksort():
    x = killer(20000)
    v = T.dvector()
    same(compiled([v], T.sort(v))(x), np.sort(x))


def test_gradients_go_through_the_permutation():
    for shape, axis in [((6,), 0), ((4, 5), 0), ((4, 5), 1), ((2, 3, 4), 1)]:
        x = np.random.default_rng(1).permutation(np.prod(shape)).reshape(shape) * 0.37
        check(lambda v: T.sort(v, axis), lambda a: np.sort(a, axis), x)  # noqa: B023
        check(lambda v: T.sort(v, axis) ** 2, lambda a: np.sort(a, axis) ** 2, x, exact=False)  # noqa: B023
    x = floats(3, 4)
    check(lambda v: T.sort(v, None), lambda a: np.sort(a, None), x)
    v = T.dvector()
    assert compiled([v], T.grad((T.argsort(v) * v).sum(), v))([3.0, 1.0, 2.0]).tolist() == [1, 2, 0]
    i = T.lvector()
    same(compiled([i], T.grad((T.sort(i) * 2.0).sum(), i))([3, 1]), np.zeros(2), exact=False)


def test_sort_errors():
    v = T.dvector()
    with pytest.raises(ValueError, match="kind"):
        T.sort(v, kind="bogo")
    with pytest.raises(ValueError, match="order"):
        T.argsort(v, order="a")
    with pytest.raises(ValueError, match="axis 1"):
        T.sort(v, axis=1)
    with pytest.raises(TypeError, match="constant"):
        T.sort(v, axis=T.lscalar())
    with pytest.raises(ValueError):
        T.sort(T.dscalar())


# --- topk ----------------------------------------------------------------------------------------


def reference_topk(x, k, axis):
    """Best first, the first of equals first."""
    order = np.argsort(x, axis=axis, kind="stable")
    if k > 0:
        flipped = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        order = x.shape[axis] - 1 - flipped
    order = np.take(order, np.arange(abs(k)), axis)
    return np.take_along_axis(x, order, axis), order


@pytest.mark.parametrize("dtype", REAL)
def test_topk(dtype):
    for shape, axis in [
        ((9,), 0),
        ((200,), 0),
        ((5000,), 0),
        ((6, 40), 1),
        ((40, 6), 0),
        ((3, 50, 4), 1),
    ]:
        for kind in ("wide", "few", "special"):
            x = values(dtype, shape, kind)
            n = shape[axis]
            v, k = variable(x), T.lscalar()
            f = compiled([v, k], T.topk_and_argtopk(v, k, axis))
            for count in {1, 3, n // 2, n - 1, n}:
                for signed in (count, -count):
                    value, index = reference_topk(x, signed, axis)
                    for form, view in layouts(x).items():
                        got, at = f(view, signed)
                        what = f"{dtype} {shape} {axis} {kind} {signed} {form}"
                        same(got, value, what)
                        same(at, index, what)


def test_topk_unsorted_and_index_dtypes():
    x = floats(50)
    v = T.dvector()
    value, index = T.topk_and_argtopk(v, 5, sorted=False, idx_dtype="int16")
    got, at = compiled([v], [value, index])(x)
    assert at.dtype == np.int16
    same(at, np.sort(np.argsort(-x)[:5]).astype("int16"))
    same(got, x[at])
    assert T.topk(v, 5).static_shape == (5,)
    same(compiled([v], T.argtopk(v, -2, idx_dtype="uint8"))(x), np.argsort(x)[:2].astype("uint8"))
    m = T.dmatrix()
    y = floats(4, 5)
    same(compiled([m], T.topk(m, 3, axis=None))(y), np.sort(y, None)[::-1][:3].copy())
    from phintys.tensor.sort import TopKOp

    same(compiled([m], TopKOp(0, return_indices=False)(m, 2))(y), np.sort(y, 0)[::-1][:2].copy())
    with pytest.raises(ValueError, match="Neither"):
        TopKOp(return_values=False, return_indices=False)
    same(compiled([m], T.topk(m, 2, axis=1).shape)(y), np.array([4, 2]))


def test_topk_gradient():
    x = np.random.default_rng(1).permutation(24).reshape(4, 6) * 0.37
    for axis in (0, 1):
        for k in (2, -3):
            want = lambda a: reference_topk(a, k, axis)[0]  # noqa: B023, E731
            check(lambda v: T.topk(v, k, axis=axis), want, x)  # noqa: B023
            check(lambda v: T.topk_and_argtopk(v, k, axis=axis)[0], want, x)  # noqa: B023


def test_topk_errors():
    v, k = T.dvector(), T.lscalar()
    f = compiled([v, k], T.topk(v, k))
    for bad in (0, 4, -4, 2**62, -(2**63)):
        with pytest.raises(ValueError, match="topk: kth cannot be"):
            f([1.0, 2.0, 3.0], bad)
    with pytest.raises(ValueError, match="zero"):
        T.topk(v, 0)
    with pytest.raises(TypeError, match="complex"):
        T.topk(T.zvector(), 1)
    with pytest.raises(TypeError, match="integer"):
        T.topk(v, 1.5)
    with pytest.raises(TypeError, match="idx_dtype"):
        T.topk(v, 1, idx_dtype="float32")
    with pytest.raises(ValueError, match="axis"):
        T.topk(v, 1, axis=2)


# --- argmax --------------------------------------------------------------------------------------


def flat_argument(f, x, axes):
    rest = [i for i in range(x.ndim) if i not in axes]
    moved = x.transpose(*rest, *axes).reshape(*[x.shape[i] for i in rest], -1)
    return f(moved, axis=-1)


@pytest.mark.parametrize("dtype", REAL)
def test_argmax_in_any_layout(dtype):
    shapes = [((9000,), [(0,)]), ((300, 70), [(0,), (1,), (0, 1)]),
              ((7, 65, 33), [(1,), (0, 2), (1, 2), (0, 1)]), ((5000, 2), [(0,), (1,)])]  # fmt: skip
    for shape, axes_list in shapes:
        for kind in ("wide", "few", "special"):
            x = values(dtype, shape, kind)
            for axes in axes_list:
                v = variable(x)
                f = compiled([v], [T.argmax(v, axes), T.argmin(v, axes)])
                for form, view in layouts(x).items():
                    got = f(view)
                    what = f"{dtype} {shape} {axes} {kind} {form}"
                    same(got[0], np.asarray(flat_argument(np.argmax, x, axes)), what)
                    same(got[1], np.asarray(flat_argument(np.argmin, x, axes)), what)


def test_argmax_of_long_rows_with_threads():
    before = config.num_threads
    v = T.dmatrix()
    f = compiled([v], [T.argmax(v, 1), T.argmin(v, 1), T.argmax(v), T.argmax(v, 0)])
    try:
        for threads in (1, 2):
            config.num_threads = threads
            for nan in (None, 5, 65_536, 299_999):
                x = floats(2, 300_000)
                x[0, 70_000] = x[0, 250_000] = 9.0
                if nan is not None:
                    x[1, nan] = np.nan
                got = f(x)
                wants = (x.argmax(1), x.argmin(1), np.asarray(x.argmax()), x.argmax(0))
                for a, b in zip(got, wants, strict=True):
                    same(a, b)
    finally:
        config.num_threads = before


# --- saving --------------------------------------------------------------------------------------


def test_saved_functions(tmp_path):
    v, k = T.dmatrix(), T.lscalar()
    outputs = [
        T.sort(v, 0),
        T.argsort(v, 1),
        *T.topk_and_argtopk(v, k, axis=1, sorted=False),
        T.argmax(v),
    ]
    f = compiled([v, k], outputs)
    path = tmp_path / "f.phy"
    f.save(str(path))
    g = phintys.load(str(path))
    x = floats(5, 6)
    for a, b in zip(f(x, 2), g(x, 2), strict=True):
        same(a, b)

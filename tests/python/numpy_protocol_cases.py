"""Calls of NumPy's functions, for arrays and for variables: ``V(array)`` marks what is symbolic."""

import numpy as np


class V:
    """An array that the test replaces by a variable."""

    def __init__(self, array):
        self.array = np.asarray(array)


def case(*args, **kwargs):
    return args, kwargs


_rng = np.random.default_rng(7)
M = V(np.round(_rng.normal(size=(3, 4)), 3))
N = V(np.round(_rng.normal(size=(3, 4)), 3))
SQUARE = V(_rng.normal(size=(3, 3)) + 3 * np.eye(3))
SPD = V(np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 5]]))
X = V(np.array([0.5, -1.25, 2.0, 0.0, 3.5]))
Y = V(np.array([1.5, 2.0, -0.5, 1.0, 2.5]))
UP = V(np.array([-1.0, 0.0, 0.5, 2.0, 4.0]))
HOLES = V(np.array([[1.0, np.nan, 3.0], [4.0, 2.0, np.nan]]))
I = V(np.array([3, 1, 2, 1, 0]))
J = V(np.array([1, 2, 2, 5, 3]))
IM = V(np.arange(12).reshape(3, 4) % 5)
B = V(np.array([True, False, True, False, True]))
C = V(np.array([1 + 2j, -0.5j, 3.0]))
CUBE = V(_rng.normal(size=(2, 3, 4)))
CUBE4 = V(_rng.normal(size=(2, 4, 3)))
F32 = V(np.array([0.5, 1.5, 2.5], "float32"))
HALF = V(np.array([0.5, -0.5, 0.25]))
ABOVE = V(np.array([1.0, 1.5, 4.0]))

FUNCTIONS = {
    "all": [case(B), case(IM, axis=1), case(IM, axis=0, keepdims=True)],
    "allclose": [case(X, X), case(X, Y, atol=1.0)],
    "amax": [case(M), case(M, axis=0), case(M, axis=1, keepdims=True), case(a=M, axis=1)],
    "amin": [case(M), case(M, axis=(0, 1))],
    "angle": [case(C), case(X)],
    "any": [case(B), case(IM, axis=1)],
    "append": [case(X, Y), case(M, N, axis=1)],
    "argmax": [case(M), case(M, axis=1)],
    "argmin": [case(M), case(M, axis=0)],
    "argpartition": [],
    "argsort": [case(X), case(M, axis=0)],
    "argwhere": [case(IM)],
    "around": [case(X), case(M, 1), case(M, -1), case(IM, 1), case(V(np.array([15, 25, 7])), -1)],
    "array_split": [case(X, 2), case(M, 3, axis=1)],
    "atleast_1d": [case(X)],
    "atleast_2d": [case(X)],
    "atleast_3d": [case(X), case(M)],
    "average": [case(M), case(M, axis=1, weights=np.array([1.0, 2, 3, 4]))],
    "bincount": [case(I), case(I, minlength=7)],
    "broadcast_arrays": [],
    "broadcast_to": [case(X, (2, 5))],
    "choose": [case(V(np.array([0, 1, 1])), [F32, F32])],
    "clip": [
        case(X, -1.0, 1.0),
        case(X, V(np.array(0.0)), 2.0),
        case(X, None, 1),
        case(X, a_min=0, a_max=None),
        case(X, min=0.0, max=1.0),
        case(I, 1, 2),
        case(F32, 0.7, None),
    ],
    "column_stack": [case([X, Y])],
    "compress": [case(np.array([True, False, True]), M, axis=0)],
    "concatenate": [case([X, Y]), case((M, N), axis=1), case([M, N], axis=None)],
    "corrcoef": [case(M)],
    "count_nonzero": [case(IM), case(IM, axis=1)],
    "cov": [case(M)],
    "cross": [case(HALF, ABOVE)],
    "cumprod": [case(M), case(M, axis=1)],
    "cumsum": [case(M), case(M, axis=0), case(M, axis=0, dtype="float32")],
    "diag": [case(X), case(SQUARE), case(SQUARE, 1)],
    "diagonal": [case(SQUARE), case(CUBE, 1, 1, 2)],
    "diff": [case(X), case(M, n=2, axis=0)],
    "digitize": [case(X, np.array([0.0, 1.0, 2.0]))],
    "dot": [case(M, V(np.ones((4, 2)))), case(X, Y)],
    "dsplit": [case(CUBE, 2)],
    "dstack": [case([M, N]), case([X, Y])],
    "einsum": [case("ij,kj->ik", M, N), case("ii", SQUARE)],
    "empty_like": [],
    "expand_dims": [case(X, 0), case(M, axis=(0, 2))],
    "extract": [case(B, X)],
    "flatnonzero": [case(IM)],
    "flip": [case(M), case(M, axis=0)],
    "fliplr": [case(M)],
    "flipud": [case(M)],
    "full_like": [case(M, 2.5), case(IM, 7)],
    "geomspace": [case(V(np.array(1.0)), 8.0, 4)],
    "histogram": [case(X, np.array([-2.0, 0.0, 1.0, 4.0]))],
    "hsplit": [case(M, 2), case(X, [2, 3])],
    "hstack": [case([X, Y]), case([M, N])],
    "imag": [case(C), case(X)],
    "inner": [case(X, Y), case(M, N)],
    "isclose": [case(X, Y)],
    "kron": [case(SQUARE, M)],
    "linspace": [case(V(np.array(0.0)), 3.0, 7), case(V(np.array(0.0)), 3.0, 7, endpoint=False)],
    "logspace": [case(V(np.array(0.0)), 3.0, 4)],
    "matrix_transpose": [case(CUBE)],
    "max": [case(M), case(M, axis=1)],
    "mean": [case(M), case(M, axis=0), case(IM), case(F32), case(M, axis=1, keepdims=True)],
    "median": [case(M), case(M, axis=1)],
    "meshgrid": [case(X, I), case(X, I, indexing="ij")],
    "min": [case(M), case(M, axis=1)],
    "moveaxis": [case(CUBE, 0, -1)],
    "nanargmax": [case(HOLES), case(HOLES, axis=1)],
    "nanargmin": [case(HOLES), case(HOLES, axis=1)],
    "nanmax": [case(HOLES), case(HOLES, axis=0)],
    "nanmean": [case(HOLES), case(HOLES, axis=1)],
    "nanmedian": [case(HOLES), case(HOLES, axis=1)],
    "nanmin": [case(HOLES), case(HOLES, axis=1)],
    "nanpercentile": [case(HOLES, 30), case(HOLES, 30, axis=1)],
    "nanprod": [case(HOLES), case(HOLES, axis=1)],
    "nanquantile": [case(HOLES, 0.3)],
    "nanstd": [case(HOLES), case(HOLES, axis=1)],
    "nansum": [case(HOLES), case(HOLES, axis=1)],
    "nanvar": [case(HOLES), case(HOLES, axis=1)],
    "nonzero": [case(IM)],
    "ones_like": [case(M), case(IM), case(M, dtype="int32")],
    "outer": [case(X, Y)],
    "pad": [case(M, 1), case(M, ((1, 0), (0, 2)), mode="edge"), case(X, 2, constant_values=3)],
    "partition": [],
    "percentile": [case(M, 25), case(M, [10, 60], axis=1)],
    "prod": [case(M), case(IM, axis=1), case(M, axis=1, keepdims=True)],
    "ptp": [case(M), case(M, axis=1)],
    "quantile": [case(M, 0.25), case(M, 0.25, axis=0)],
    "ravel": [case(M)],
    "ravel_multi_index": [case((np.array([0, 2]), V(np.array([1, 3]))), (3, 4))],
    "real": [case(C), case(X)],
    "repeat": [case(X, 2), case(M, 2, axis=1)],
    "reshape": [case(M, (4, 3)), case(M, (2, -1)), case(M, -1)],
    "roll": [case(X, 2), case(M, 1, axis=1), case(M, 1)],
    "rollaxis": [case(CUBE, 2)],
    "rot90": [case(M), case(M, 2)],
    "round": [case(X), case(M, 2), case(M, decimals=1), case(F32, 1)],
    "searchsorted": [case(UP, X), case(UP, X, side="right")],
    "select": [case([B], [X], 9.0)],
    "shape": [],
    "size": [],
    "sort": [case(X), case(M, axis=0), case(M, axis=None)],
    "split": [case(V(np.arange(6.0)), 3), case(X, [1, 3])],
    "squeeze": [],
    "stack": [case([X, Y]), case([X, Y], axis=1)],
    "std": [case(M), case(M, axis=0, ddof=1), case(M, keepdims=True)],
    "sum": [case(M), case(M, axis=0), case(IM), case(B), case(M, axis=(0, 1)), case(F32)],
    "swapaxes": [case(CUBE, 0, 2)],
    "take": [case(X, np.array([0, 2])), case(M, np.array([1, 0]), axis=1)],
    "take_along_axis": [case(M, np.array([[1], [0], [2]]), 1)],
    "tensordot": [case(CUBE, CUBE4, ([1, 2], [2, 1])), case(SQUARE, M, 1)],
    "tile": [case(X, 2), case(M, (2, 1))],
    "trace": [case(SQUARE), case(SQUARE, 1)],
    "transpose": [case(M), case(CUBE, (2, 0, 1)), case(CUBE, axes=(1, 0, 2))],
    "tril": [case(M), case(M, 1)],
    "tril_indices_from": [case(SQUARE)],
    "triu": [case(M), case(M, -1)],
    "triu_indices_from": [case(SQUARE, 1)],
    "unique": [case(I), case(I, return_counts=True), case(I, return_inverse=True)],
    "unravel_index": [case(I, (3, 4))],
    "var": [case(M), case(M, axis=1, ddof=1)],
    "vdot": [case(X, Y), case(C, C), case(M, N)],
    "vsplit": [case(V(np.arange(12.0).reshape(4, 3)), 2)],
    "vstack": [case([X, Y]), case([M, N])],
    "array_equal": [case(X, X), case(X, Y), case(X, M), case(HOLES, HOLES, equal_nan=True)],
    "astype": [case(X, "int32")],
    "block": [case([[M, N], [N, M]]), case([X, Y])],
    "concat": [case([X, Y])],
    "convolve": [case(X, F32), case(X, Y, "same"), case(F32, X, "valid"), case(I, J)],
    "copy": [case(M)],
    "correlate": [case(X, Y), case(X, HALF, "full"), case(X, HALF, "same")],
    "cumulative_prod": [case(X), case(M, axis=1, include_initial=True)],
    "cumulative_sum": [case(X), case(M, axis=0, include_initial=True), case(I)],
    "delete": [case(X, 1), case(M, [0, -1], axis=1), case(X, slice(1, 3)), case(M, 2)],
    "diag_indices_from": [case(SQUARE)],
    "diagflat": [case(X), case(M, 1)],
    "ediff1d": [case(X), case(M), case(X, to_begin=7.0, to_end=[8.0, 9.0])],
    "fix": [case(X)],
    "gradient": [case(X), case(M), case(X, 0.5), case(M, axis=1), case(M, 2.0, 0.25)],
    "i0": [case(X)],
    "insert": [case(X, 2, 9.0), case(M, 1, 5.0, axis=1), case(M, 1, V(np.ones(4)), axis=0)],
    "interp": [case(X, UP, Y), case(M, UP, Y, left=-1.0, right=-2.0), case(I, UP, X)],
    "iscomplex": [case(C), case(X)],
    "isin": [case(I, J), case(IM, [1, 4]), case(X, Y, invert=True), case(X, V(np.zeros(0)))],
    "isneginf": [case(UP)],
    "isposinf": [case(UP)],
    "isreal": [case(C), case(X)],
    "nan_to_num": [case(HOLES), case(HOLES, nan=7.0)],
    "nancumprod": [case(HOLES), case(HOLES, axis=1)],
    "nancumsum": [case(HOLES), case(HOLES, axis=0)],
    "permute_dims": [case(CUBE, (1, 2, 0)), case(M)],
    "polyval": [case(np.array([2.0, -1.0, 0.5]), X)],
    "sinc": [case(X)],
    "trapezoid": [case(X), case(M, axis=0), case(Y, UP), case(M, dx=0.5)],
    "unstack": [],
    "unwrap": [case(V(np.array([0.0, 3.0, 6.5, 1.0, -4.0]))), case(X, period=2.0)],
    "vander": [case(X), case(X, 3), case(I, 3, increasing=True)],
    "where": [case(B, X, Y), case(B, X, 0.0), case(IM)],
    "zeros_like": [case(M), case(IM), case(B)],
}

LINALG = {
    "cholesky": [case(SPD), case(SPD, upper=True)],
    "cond": [case(SQUARE), case(SQUARE, 1)],
    "cross": [case(HALF, ABOVE)],
    "det": [case(SQUARE)],
    "diagonal": [case(CUBE), case(CUBE, offset=1)],
    "eig": [],
    "eigh": [],
    "eigvals": [],
    "eigvalsh": [case(SPD), case(SPD, "U")],
    "inv": [case(SQUARE)],
    "lstsq": [],
    "matmul": [case(SQUARE, M)],
    "matrix_norm": [case(M)],
    "matrix_power": [case(SQUARE, 3)],
    "matrix_rank": [case(SQUARE), case(V(np.ones((3, 3))))],
    "matrix_transpose": [case(CUBE)],
    "multi_dot": [case([M, V(np.ones((4, 2))), V(np.ones((2, 3)))])],
    "norm": [case(X), case(M), case(M, axis=1), case(M, "fro"), case(X, 1)],
    "outer": [case(X, Y)],
    "pinv": [case(M)],
    "qr": [],
    "slogdet": [case(SQUARE)],
    "solve": [case(SQUARE, V(np.arange(3.0))), case(SQUARE, M)],
    "svd": [],
    "svdvals": [case(M)],
    "tensordot": [case(SQUARE, M, axes=1)],
    "tensorinv": [case(V(np.eye(6).reshape(2, 3, 6) * 2), 2)],
    "tensorsolve": [case(V(np.eye(6).reshape(2, 3, 2, 3) + 0.1), V(np.arange(6.0).reshape(2, 3)))],
    "trace": [case(CUBE)],
    "vecdot": [case(M, N)],
    "vector_norm": [case(X), case(M, axis=1)],
}

# Ufuncs get operands by the kind of numbers that they take.
_SPECIAL_OPERANDS = {
    "arccos": [HALF], "arcsin": [HALF], "arctanh": [HALF], "arccosh": [ABOVE], "log": [ABOVE],
    "log10": [ABOVE], "log2": [ABOVE], "log1p": [ABOVE], "sqrt": [ABOVE], "reciprocal": [ABOVE],
    "power": [ABOVE, HALF], "float_power": [ABOVE, HALF], "matmul": [SQUARE, M],
    "vecdot": [M, N], "matvec": [SQUARE, HALF], "vecmat": [HALF, SQUARE], "ldexp": [X, I],
    "fmod": [X, Y], "bitwise_and": [I, J], "bitwise_or": [I, J], "bitwise_xor": [I, J],
    "invert": [I],
    "left_shift": [I, J], "right_shift": [J, I], "gcd": [I, J], "lcm": [I, J],
}  # fmt: skip


def ufunc_operands(ufunc):
    """Operands for a call of a ufunc."""
    return _SPECIAL_OPERANDS.get(ufunc.__name__, [X, Y, X][: ufunc.nin])

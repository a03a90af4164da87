"""Random graphs over the whole library: steps that know an op both here and in NumPy or SciPy.

A graph is a chain of *exact* steps on float64 values that are small integers, so that results are
equal to the bit and sorting, searching and indexing have no near ties; *smooth* steps (linear
algebra, transforms, special functions) branch off it and are compared within a tolerance.
"""

import numpy as np
import phintys.tensor as T
from hypothesis import strategies as st
from phintys import fft as F
from scipy import linalg, signal, special
from value_cases import PUBLIC, draw, expected

PROGRAM = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=7)


def variable(array):
    return T.TensorType(array.dtype.name, (False,) * array.ndim)()


class Value:
    def __init__(self, var, array):
        self.var, self.array = var, np.asarray(array)
        assert var.ndim == self.array.ndim, (var.type, self.array.shape)
        assert var.dtype == self.array.dtype.name, (var.type, self.array.dtype)

    def __iter__(self):
        return iter((self.var, self.array))


def step(*ndims, exact=True, nonempty=True):
    """Registers a step: f(variable, array, c) -> (variable, array) or None if it does not fit."""

    def register(f):
        def run(value, c):
            v, a = value
            if (ndims and a.ndim not in ndims) or (nonempty and a.size == 0):
                return None
            made = f(v, a, c)
            return made and Value(*made)

        run.__name__ = f.__name__
        (EXACT if exact else SMOOTH).append(run)
        return run

    return register


EXACT, SMOOTH = [], []


def as_float(v, a):
    return T.cast(v, "float64"), np.asarray(a, "float64")


# --- moving elements -----------------------------------------------------------------------------


@step(1, 2, 3)
def rearrange(v, a, c):
    axis = c % a.ndim
    return [
        lambda: (T.roll(v, c, axis), np.roll(a, c, axis)),
        lambda: (T.flip(v, axis), np.flip(a, axis)),
        lambda: (T.tile(v, 2), np.tile(a, 2)),
        lambda: (T.repeat(v, 2, axis), np.repeat(a, 2, axis)),
        lambda: (T.swapaxes(v, 0, -1), np.swapaxes(a, 0, -1)),
        lambda: (T.moveaxis(v, 0, -1), np.moveaxis(a, 0, -1)),
        lambda: (v.flatten(), a.ravel()),
        lambda: (v.reshape((-1, a.shape[axis])), a.reshape(-1, a.shape[axis])),
    ][c // 4 % 8]()


@step(1, 2, 3)
def padded(v, a, c):
    mode = ["constant", "edge", "wrap", "symmetric"][c % 4]
    return T.pad(v, [(1, 2)] + [(0, 1)] * (a.ndim - 1), mode=mode), np.pad(
        a, [(1, 2)] + [(0, 1)] * (a.ndim - 1), mode=mode
    )


@step(2)
def triangle(v, a, c):
    k = c % 5 - 2
    f, g = [(T.tril, np.tril), (T.triu, np.triu)][c // 5 % 2]
    return f(v, k), g(a, k)


@step(1, 2)
def diagonals(v, a, c):
    k = c % 3 - 1
    if a.ndim == 1:
        return (T.diag(v), np.diag(a)) if a.size < 9 else None
    return T.diag(v, k), np.diag(a, k)


@step(2)
def filled_diagonal(v, a, c):
    want = a.copy()
    np.fill_diagonal(want[: min(a.shape), : min(a.shape)], c % 7)
    if a.shape[0] > a.shape[1]:
        return None  # NumPy goes on in the rows below
    return T.fill_diagonal(v, float(c % 7)), want


@step(1, 2, 3)
def joined(v, a, c):
    axis = c % a.ndim
    return [
        lambda: (T.concatenate([v, v * 2], axis), np.concatenate([a, a * 2], axis)),
        lambda: (T.stack([v, -v]), np.stack([a, -a])) if a.ndim < 3 else None,
    ][c // 3 % 2]()


# --- indexing ------------------------------------------------------------------------------------


@step(1, 2, 3)
def sliced(v, a, c):
    index = [np.s_[::-1], np.s_[1:], np.s_[::2], np.s_[..., -1:], np.s_[None, 0]][c % 5]
    return v[index], a[index]


@step(1, 2, 3)
def taken(v, a, c):
    k = np.array([c, c // 2, c // 3]) % a.shape[0]
    return [
        lambda: (v[k], a[k]),
        lambda: (T.take(v, k - a.shape[0], 0), np.take(a, k - a.shape[0], 0)),
        lambda: (
            (v[k[:, None], k[None] % a.shape[1]], a[k[:, None], k[None] % a.shape[1]])
            if a.ndim > 1
            else None
        ),
        lambda: (v[k, ..., 0], a[k, ..., 0]) if a.ndim > 1 else None,
    ][c % 4]()


@step(1, 2, 3)
def masked(v, a, c):
    mask, want = v > c % 3, a > c % 3
    kept = np.where(want, a, 0)
    return [
        lambda: (v[mask], a[want]),
        lambda: (T.set_subtensor(v[mask], 7.0), np.where(want, 7.0, a)),
        lambda: (T.inc_subtensor(v[mask], v[mask]), a + kept),
        lambda: as_float(v.nonzero()[-1], a.nonzero()[-1]),
        lambda: (v[v.nonzero()], a[a.nonzero()]),
    ][c // 3 % 5]()


@step(1, 2, 3)
def stored(v, a, c):
    k, want = np.array([0, c % a.shape[0], 0]), a.copy()
    if c % 2:
        np.add.at(want, k, 1.0)
        return T.inc_subtensor(v[k], 1.0), want
    want[1:] = 2.0
    return T.set_subtensor(v[1:], 2.0), want


@step(2, 3)
def scattered(v, a, c):
    k, l, want = np.array([0, c % a.shape[0], 0]), np.array([0, c % a.shape[1], 0]), a.copy()
    np.add.at(want, (k, l), 2.0)
    return T.inc_subtensor(v[k, l], 2.0), want


@step(1, 2, 3)
def declared(v, a, c):
    return T.specify_shape(v, a.shape) * 2, a * 2


@step(1, 2, 3)
def complex_parts(v, a, c):
    z, y = T.complex(v, v + 1), a + 1j * (a + 1)
    return [
        lambda: (T.imag(T.conj(z) * 2), (np.conj(y) * 2).imag),
        lambda: (T.real(z * z), (y * y).real),
        lambda: (T.sgn(T.angle(z)), np.sign(np.angle(y))),
    ][c % 3]()


@step(1, 2, 3)
def along(v, a, c):
    axis = c % a.ndim
    order, want = T.argsort(v, axis), np.argsort(a, axis, kind="stable")
    if c // 3 % 2:
        return T.take_along_axis(v, order, axis), np.take_along_axis(a, want, axis)
    changed = a.copy()
    np.put_along_axis(changed, want[:1] if axis else want, -1.0, axis)
    index = order[:1] if axis else order
    if axis:
        changed = a.copy()
        np.put_along_axis(changed[:1], want[:1], -1.0, axis)
        put = T.set_subtensor(v[:1], T.put_along_axis(v[:1], index, -1.0, axis))
        return put, changed
    return T.put_along_axis(v, index, -1.0, axis), changed


@step(1, 2)
def chosen(v, a, c):
    which, want = T.cast(v > 0, "int64"), (a > 0).astype("int64")
    return T.choose(which, [v * 2, -v]), np.choose(want, [a * 2, -a])


@step(1)
def repeated(v, a, c):
    counts = np.abs(a).astype("int64") % 3
    return T.repeat(v, T.cast(abs(v), "int64") % 3), np.repeat(a, counts)


# --- sorting, scans, counting --------------------------------------------------------------------


@step(1, 2, 3)
def in_order(v, a, c):
    axis = c % a.ndim
    k = 1 + c % a.shape[axis]
    return [
        lambda: (T.sort(v, axis), np.sort(a, axis)),
        lambda: as_float(T.argsort(v, axis), np.argsort(a, axis, kind="stable")),
        lambda: (
            T.sort(T.topk(v, k, axis), axis),
            np.sort(a, axis).take(range(a.shape[axis] - k, a.shape[axis]), axis),
        ),
        lambda: as_float(T.argmax(v, axis), np.argmax(a, axis)),
        lambda: (T.cumsum(v, axis), np.cumsum(a, axis)),
        lambda: (T.cumprod(T.sgn(v), axis), np.cumprod(np.sign(a), axis)),
        lambda: (T.extra_ops.diff(v, axis=axis), np.diff(a, axis=axis)),
    ][c // 3 % 7]()


@step(1, 2)
def counted(v, a, c):
    whole, numbers = T.cast(abs(v), "int64").flatten(), np.abs(a).astype("int64").ravel()
    edges = np.array([-2.0, 0.0, 0.5, 3.0])
    return [
        lambda: as_float(T.bincount(whole), np.bincount(numbers)),
        lambda: (T.unique(v), np.unique(a)),
        lambda: as_float(T.unique(v, return_counts=True)[1], np.unique(a, return_counts=True)[1]),
        lambda: as_float(T.searchsorted(edges, v), np.searchsorted(edges, a)),
        lambda: as_float(T.count_nonzero(v, axis=0), np.count_nonzero(a, axis=0)),
    ][c % 5]()


@step(2)
def unique_rows(v, a, c):
    return T.unique(v, axis=0), np.unique(a, axis=0)


@step(1, 2, 3)
def reduced(v, a, c):
    axis, keep = c % a.ndim, bool(c // 3 % 2)
    if a.ndim == 1 and not keep:
        keep = True
    kind = ["sum", "max", "min"][c // 6 % 3]
    return (
        getattr(T, kind)(v, axis=axis, keepdims=keep),
        getattr(np, kind)(a, axis=axis, keepdims=keep),
    )


# --- products and windows: exact on small integers -----------------------------------------------


@step(2)
def products(v, a, c):
    return [
        lambda: (T.dot(v, v.T), a @ a.T),
        lambda: (T.matmul(T.stack([v, v]), v.T), np.stack([a, a]) @ a.T),
        lambda: (T.einsum("ij,kj->ik", v, v), np.einsum("ij,kj->ik", a, a)),
        lambda: (T.outer(v[0], v[:, 0]), np.outer(a[0], a[:, 0])),
        lambda: (T.kron(v[:2, :2], v), np.kron(a[:2, :2], a)),
        lambda: (T.tensordot(v, v, [[0], [0]]), np.tensordot(a, a, [[0], [0]])),
        lambda: (
            T.batched_dot(T.stack([v, -v]), T.stack([v.T, v.T])),
            np.stack([a @ a.T, -a @ a.T]),
        ),
    ][c % 7]()


@step(2, 3)
def pooled(v, a, c):
    from phintys.tensor.signal.pool import pool_2d

    mode = ["max", "sum"][c % 2]
    out = pool_2d(v, (2, 2), ignore_border=False, stride=(2, 2), mode=mode)
    rows, columns = ((n + 1) // 2 * 2 for n in a.shape[-2:])
    fill = -np.inf if mode == "max" else 0.0
    wide = np.full((*a.shape[:-2], rows, columns), fill)
    wide[..., : a.shape[-2], : a.shape[-1]] = a
    blocks = wide.reshape(*a.shape[:-2], rows // 2, 2, columns // 2, 2)
    return out, (blocks.max if mode == "max" else blocks.sum)((-3, -1))


@step(2)
def convolved(v, a, c):
    kernel = (np.arange(4.0) - 1).reshape(2, 2)
    mode = ["valid", "full"][c % 2]
    if min(a.shape) < 2:
        return None
    out = T.nnet.conv2d(v.dimshuffle("x", "x", 0, 1), kernel[None, None], border_mode=mode)
    return out[0, 0], np.round(signal.convolve2d(a, kernel, mode))


@step(2)
def neighbourhoods(v, a, c):
    from phintys.tensor.nnet.neighbours import images2neibs

    if a.shape[0] % 2 or a.shape[1] % 2:
        return None
    out = images2neibs(v.dimshuffle("x", "x", 0, 1), (2, 2))
    blocks = a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2)
    return out, blocks.transpose(0, 2, 1, 3).reshape(-1, 4)


@step(2)
def sparse_matrices(v, a, c):
    from phintys import sparse

    s, t = sparse.csr_from_dense(v), sparse.csr_from_dense(v * T.cast(v > 0, "float64"))
    b = a * (a > 0)
    return [
        lambda: (sparse.dense_from_sparse(s), a),
        lambda: (sparse.structured_dot(s, v.T), a @ a.T),
        lambda: (sparse.dense_from_sparse(s + t), a + b),
        lambda: (sparse.dense_from_sparse(s * t), a * b),
        lambda: (sparse.dense_from_sparse(sparse.true_dot(s, t.T)), a @ b.T),
        lambda: (sparse.sp_sum(s, axis=c % 2), a.sum(axis=c % 2)),
    ][c % 6]()


# --- smooth steps --------------------------------------------------------------------------------


@step(1, 2, 3, exact=False)
def transforms(v, a, c):
    axis = c % a.ndim
    return [
        lambda: (T.real(F.fft(v, axis=axis)), np.fft.fft(a, axis=axis).real),
        lambda: (T.imag(F.ifft(v, axis=axis)), np.fft.ifft(a, axis=axis).imag),
        lambda: (abs(F.rfft(v, axis=axis)), np.abs(np.fft.rfft(a, axis=axis))),
        lambda: (
            (F.irfft(v + 0j, axis=axis), np.fft.irfft(a + 0j, axis=axis))
            if a.shape[axis] > 1
            else None
        ),
    ][c // 3 % 4]()


def square(v, a):
    """A well-conditioned square matrix of a matrix, and its value."""
    n = a.shape[0]
    scale = 1.0 + float(np.abs(a).max()) ** 2 * a.shape[1]
    return T.dot(v, v.T) / scale + T.eye(n), a @ a.T / scale + np.eye(n)


@step(2, exact=False)
def algebra(v, a, c):
    if a.shape[0] > 12:
        return None
    (m, x) = square(v, a)
    s, y = T.triu(m, 0) + 0.1, np.triu(x) + 0.1
    return [
        lambda: (T.nlinalg.matrix_inverse(s), np.linalg.inv(y)),
        lambda: (T.slinalg.cholesky(m), np.linalg.cholesky(x)),
        lambda: (T.slinalg.solve(s, v), np.linalg.solve(y, a)),
        lambda: (T.nlinalg.det(s).dimshuffle("x"), np.linalg.det(y)[None]),
        lambda: (T.nlinalg.slogdet(s)[1].dimshuffle("x"), np.linalg.slogdet(y)[1][None]),
        lambda: (
            T.slinalg.solve_upper_triangular(T.triu(m), v),
            linalg.solve_triangular(np.triu(x), a),
        ),
        lambda: (T.nlinalg.eigh(m)[0], np.linalg.eigh(x)[0]),
        lambda: (T.nlinalg.svd(s, compute_uv=False), np.linalg.svd(y, compute_uv=False)),
        lambda: (T.dot(*T.nlinalg.qr(s)), y),
        lambda: (T.slinalg.expm(m), linalg.expm(x)),
        lambda: (T.linalg.lu(s, permute_l=True)[0], linalg.lu(y, permute_l=True)[0]),
        lambda: (T.nlinalg.pinv(s), np.linalg.pinv(y)),
        lambda: (T.nlinalg.lstsq(s, v, -1)[0], np.linalg.lstsq(y, a, rcond=None)[0]),
        lambda: (
            T.sort(T.real(T.nlinalg.eig(T.triu(m))[0])),
            np.sort(np.linalg.eigvals(np.triu(x)).real),
        ),
    ][c % 14]()


@step(2, exact=False)
def rows(v, a, c):
    z = a - a.mean(1, keepdims=True)
    return [
        lambda: (T.nnet.softmax(v), special.softmax(a, 1)),
        lambda: (T.nnet.logsoftmax(v), special.log_softmax(a, 1)),
        lambda: (T.logsumexp(v, axis=1), special.logsumexp(a, 1)),
        lambda: (v.var(axis=1), a.var(1)),
        lambda: (
            T.nnet.layer_norm(v, epsilon=0.5),
            z / np.sqrt((z**2).mean(1, keepdims=True) + 0.5),
        ),
    ][c % 5]()


@step(1, 2, 3, exact=False)
def averages(v, a, c):
    axis = c % a.ndim
    return [
        lambda: (T.median(v, axis), np.median(a, axis)),
        lambda: (T.percentile(v, 30, axis), np.percentile(a, 30, axis)),
        lambda: (v.mean(axis), a.mean(axis)),
        lambda: (v.std(axis), a.std(axis)),
    ][c // 3 % 4]()


NAMES = sorted(n for n in PUBLIC if PUBLIC[n]["domain"] != "discrete")


@step(1, 2, 3, exact=False)
def any_elementwise(v, a, c):
    """An op of the registry on operands of its range, made of the value by a bounded function."""
    name = NAMES[(c + int(np.abs(a).sum()) * 17) % len(NAMES)]
    op = PUBLIC[name]
    low, high = op["test_low"], op["test_high"]
    rng = np.random.default_rng(c)
    operands, arrays = [], []
    for _ in range(op["arity"]):
        shift = draw(rng, op, "float64", ())
        width = min(high - shift, shift - low)
        arrays.append(shift + width * np.sin(a + shift))
        operands.append(shift + width * T.sin(v + shift))
    if op["rule"] == "discrete_only":
        return None
    if name == "polygamma":  # the order is a whole number
        operands[0], arrays[0] = T.ones_like(v) * 2, np.full_like(a, 2)
    want = expected(name, arrays)
    out = T.elemwise.function_named(name)(*operands)
    if not np.isfinite(want).all() or op["zero_grad"]:
        return None  # steps and poles: a rounding apart is a value apart
    return out, want


def bounded(value):
    """Keeps magnitudes small, and shapes too."""
    v, a = value
    if a.size > 240:
        return Value(v.flatten()[:40], a.ravel()[:40])
    if a.ndim == 0:
        return Value(v.dimshuffle("x"), a[None])
    if a.ndim > 3:
        return Value(v.flatten(), a.ravel())
    if a.size and np.abs(a).max() > 30:
        return Value(T.clip(v, -9.0, 9.0), np.clip(a, -9, 9))
    return value


def build(program, seed):
    """(input variables, their arrays, exact values, smooth values) of a program."""
    rng = np.random.default_rng(seed)
    shape = [(4, 6), (5,), (2, 3, 4), (3, 3), (1, 7)][seed % 5]
    array = rng.integers(-4, 5, shape).astype("float64")
    start = value = Value(variable(array), array)
    exact, smooth = [], []
    for code, c in program:
        made = EXACT[code % len(EXACT)](value, c)
        if made is not None:
            value = bounded(made)
            exact.append(value)
        made = SMOOTH[code // 7 % len(SMOOTH)](value, c)
        if made is not None:
            smooth.append(made)
    return start, exact, smooth


def op_names(outputs):
    """The registry names of all ops of a graph."""
    names, todo, seen = set(), list(outputs), set()
    while todo:
        v = todo.pop()
        if v in seen:
            continue
        seen.add(v)
        if v.owner is not None:
            names.add(v.owner.op.name)
            todo += v.owner.inputs
    return names

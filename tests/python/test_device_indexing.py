"""Moving elements on every device: views, joins, indexing, masks, sparse products."""

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from device_cases import floats, on_devices, run_everywhere

DTYPES = ["bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64", "complex64"]
DTYPES += ["complex128"]


def numbers(dtype, *shape, seed=0):
    x = np.round(floats(*shape, seed=seed) * 20)
    return (np.abs(x) if np.dtype(dtype).kind in "bu" else x).astype(dtype)


def indices(n, *shape, seed=5):
    return np.random.default_rng(seed).integers(-n, n, size=shape)


def everywhere(build, *values, **keywords):
    """On every device, no op of this file on the host; fused regions are test_device_fused.py's."""
    settings = {"exact": True, "on_device": True, "may_run_on_host": ("Fused",)}
    run_everywhere(build, *values, **(settings | keywords))


# --- copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_views_become_arrays(dtype):
    x = numbers(dtype, 4, 35, 33)
    everywhere(
        lambda x: [x.T, x[::-1, ::2], x.dimshuffle(1, 0, 2), x.transpose(0, 2, 1), x[2, :, 5]],
        x,
        expected=lambda x: [
            x.T,
            x[::-1, ::2],
            x.swapaxes(0, 1),
            x.swapaxes(1, 2),
            x[2, :, 5],
        ],
    )
    everywhere(
        lambda x: [
            x.T.reshape((35, 132)),
            T.concatenate([x, x[:, ::-1]], axis=1),
            T.tile(x, (2, 1, 3)),
        ],
        x,
        expected=lambda x: [
            x.T.reshape(35, 132),
            np.concatenate([x, x[:, ::-1]], axis=1),
            np.tile(x, (2, 1, 3)),
        ],
    )


def test_no_elements():
    x = np.zeros((0, 3), "float32")
    everywhere(
        lambda x: [x.T, T.concatenate([x, x]), x[:, [0, 1]], T.zeros_like(x), x.reshape((3, 0))],
        x,
        expected=[x.T, x, x[:, :2], x, x.reshape(3, 0)],
    )


def test_filled_arrays():
    n = np.asarray(7)
    everywhere(
        lambda n: [
            T.arange(n),
            T.arange(0.5, n, 0.25),
            T.eye(n, n + 2, 1),
            T.alloc(np.float32(3), n, 5),
            T.tri(5, 4, -1),
            T.stack([n, n + 1, 2 * n]),
        ],
        n,
        expected=[
            np.arange(7),
            np.arange(0.5, 7, 0.25),
            np.eye(7, 9, 1),
            np.full((7, 5), 3, "float32"),
            np.tri(5, 4, -1),
            np.array([7, 8, 14]),
        ],
    )


# --- indices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_gather(dtype):
    x, i, j = numbers(dtype, 6, 5, 8), indices(6, 20), indices(5, 3, 20)
    everywhere(
        lambda x, i, j: [x[i], x[:, j], x[i, j], x[:, :, i % 3], T.take(x, i, axis=0), x[i, 2]],
        x,
        i,
        j,
        expected=lambda x, i, j: [x[i], x[:, j], x[i, j], x[:, :, i % 3], x[i], x[i, 2]],
    )


@pytest.mark.parametrize("n", [3, 100, 9000])
def test_scatter_keeps_the_order_of_a_loop(n):
    x, y, i = floats(70, dtype="float32"), floats(n, seed=1, dtype="float32"), indices(70, n)

    def loop(x, y, i):
        put, added = x.copy(), x.copy()
        put[i] = y
        np.add.at(added, i, y)
        return [put, added]

    everywhere(
        lambda x, y, i: [T.set_subtensor(x[i], y), T.inc_subtensor(x[i], y)],
        x,
        y,
        i,
        expected=loop,
        rtol=0,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_scatter(dtype):
    x, y = numbers(dtype, 4, 9, 3), numbers(dtype, 4, 50, 3, seed=1)
    i, j = indices(9, 50), indices(4, 50, seed=6)
    everywhere(
        lambda x, y, i, j: [
            T.set_subtensor(x[:, i], y),
            T.inc_subtensor(x[:, i], y),
            T.inc_subtensor(x[j, i], y[0]),
            T.set_subtensor(x[j, i, 1], y[0, :, 0]),
            T.inc_subtensor(x[i % 4], y[0, 0]),
        ],
        x,
        y,
        i,
        j,
    )


def test_gradient_of_an_embedding():
    table, words = floats(30, 16), indices(30, 4, 25)
    everywhere(
        lambda table, words: [T.grad((table[words] ** 2).sum(), table), table[words]],
        table,
        words,
        expected=lambda t, w: [
            2 * t * np.bincount(w.ravel() % 30, minlength=30)[:, None],
            t[w],
        ],
        exact=False,
    )


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "complex64"])
def test_slices_are_replaced_and_increased(dtype):
    x, y, k = numbers(dtype, 6, 40), numbers(dtype, 3, 40, seed=1), np.asarray(4)

    def reference(x, y, k):
        out = [x.copy() for _ in range(4)]
        out[0][::2] = y
        out[1][-3:, ::-1] += y
        out[2][k - 1 : k + 2] += y
        out[3][k, : 2 * k] = y[0, 0]
        return out

    everywhere(
        lambda x, y, k: [
            T.set_subtensor(x[::2], y),
            T.inc_subtensor(x[-3:, ::-1], y),
            T.inc_subtensor(x[k - 1 : k + 2], y),
            T.set_subtensor(x[k, : 2 * k], y[0, 0]),
        ],
        x,
        y,
        k,
        expected=lambda x, y, k: reference(x, y, int(k)),
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_along_an_axis(axis):
    x, i = floats(9, 12, dtype="float32"), indices(9, 9, 12)

    def reference(x, i):
        put = x.copy()
        np.put_along_axis(put, np.sort(i, axis) % 9, 2, axis)
        return [np.take_along_axis(x, i, axis), put]

    everywhere(
        lambda x, i: [
            T.take_along_axis(x, i, axis),
            T.put_along_axis(x, T.sort(i, axis) % 9, 2, axis),
        ],
        x,
        i,
        expected=reference,
    )


# --- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [-9, 0.3, 9])
@pytest.mark.parametrize("dtype", ["int8", "float32", "complex128"])
def test_masks(dtype, share):
    x, m = numbers(dtype, 40, 130, 2), floats(40, 130, seed=3) < share

    def reference(x, m):
        replaced, added = x.copy(), x.copy()
        replaced[m] = 3
        added[m] += x[m] * 2
        return [x[m], replaced, added, *np.nonzero(m)]

    everywhere(
        lambda x, m: [
            x[m],
            T.set_subtensor(x[m], 3),
            T.inc_subtensor(x[m], x[m] * 2),
            *T.nonzero(m),
        ],
        x,
        m,
        expected=reference,
    )


def test_repeats_and_choices():
    x, counts, which = floats(5, 3), np.array([2, 0, 3, 1, 4]), indices(3, 5, 3) % 3
    everywhere(
        lambda x, counts, which: [
            T.repeat(x, counts, axis=0),
            T.repeat(x, 3, axis=1),
            T.choose(which, [x, x + 1, x * 2]),
        ],
        x,
        counts,
        which,
        expected=lambda x, c, w: [
            np.repeat(x, c, axis=0),
            np.repeat(x, 3, axis=1),
            np.choose(w, [x, x + 1, x * 2]),
        ],
    )


def test_diagonals():
    x, v = floats(4, 6, 5), floats(5)
    everywhere(
        lambda x, v: [T.diagonal(x, 1, 0, 2), T.diag(v), T.grad(T.diagonal(x).sum(), x)],
        x,
        v,
        expected=lambda x, v: [
            x.diagonal(1, 0, 2),
            np.diag(v),
            np.eye(4, 6)[:, :, None] * np.ones(5),
        ],
    )


@pytest.mark.parametrize("mode", ["valid", "ignore_borders", "wrap_centered", "half", "full"])
def test_patches(mode):
    x = floats(2, 3, 9, 9, dtype="float32")
    everywhere(
        lambda x: T.grad((T.nnet.neighbours.images2neibs(x, (3, 3), (1, 1), mode) ** 2).sum(), x),
        x,
        exact=False,
    )


# --- errors -------------------------------------------------------------------------------------

x, y, i = T.fmatrix("x"), T.fmatrix("y"), T.lvector("i")
m = T.matrix("m", dtype="bool")
X = floats(6, 4, dtype="float32")
REFUSED = {
    "gather": (x[i], [X, np.array([0, 6, 1])]),
    "gather, second axis": (x[:, i], [X, np.array([0, -5, 1])]),
    "gather of nothing": (x[i], [X[:, :0], np.array([0, 6, 1])]),
    "set": (T.set_subtensor(x[i], 0), [X, np.array([0, 6, 1])]),
    "add": (T.inc_subtensor(x[i], y), [X, np.ones((70, 4), "float32"), np.arange(70)]),
    "number": (T.set_subtensor(x[i[0]], 0), [X, np.array([6])]),
    "slice": (T.inc_subtensor(x[i[0] :], y), [X, X[:3], np.array([2])]),
    "along": (T.take_along_axis(x, i[:, None], 1), [X, np.array([0, 1, 2, 3, 4, 0])]),
    "choice": (T.choose(i[:, None], [x, x]), [X, np.array([0, 1, 2, 0, 1, 0])]),
    "repeats": (T.repeat(x, i, axis=0), [X, np.array([1, 1, -1, 0, 0, 1])]),
    "condition": (T.opt.Assert("not so")(x, T.all(x > 9)), [X]) if hasattr(T, "opt") else None,
}
REFUSED = {name: case for name, case in REFUSED.items() if case}


@on_devices
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_has_the_error_of_the_cpu_and_changes_nothing(name, device):
    output, values = REFUSED[name]
    variables = [v for v in (x, y, i) if v in phintys.gof.graph.inputs([output])]
    errors = []
    for where in ("cpu", device):
        state = phintys.shared(np.zeros(3), "state")
        f = phintys.function(variables, output, updates=[(state, state + 1)], device=where)
        with pytest.raises(Exception) as caught:
            f(*values)
        errors.append((type(caught.value), str(caught.value).splitlines()[0]))
        assert not state.get_value().any()
    assert errors[0] == errors[1]


@on_devices
def test_a_function_works_again_after_a_refusal(device):
    f = phintys.function([x, i], x[i] * 2, device=device)
    for _ in range(2):
        np.testing.assert_array_equal(f(X, np.array([1, -1])), X[[1, -1]] * 2)
        with pytest.raises(IndexError):
            f(X, np.array([1, 6]))

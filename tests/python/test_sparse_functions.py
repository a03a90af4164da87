"""Functions with sparse inputs, outputs and state; gradients; saving; what is refused."""

import copy
import pickle
import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest
import scipy.sparse
from op_checks import floats
from phintys import sparse
from test_sparse import CLASSES, FORMATS, compute, dense_of, messy_matrix, random_matrix, same

# --- gradients ------------------------------------------------------------------------------------

X, Y = random_matrix(5, 6, 0.5, seed=7), random_matrix(6, 5, 0.5, seed=8)
S = random_matrix(5, 6, 0.5, seed=9)
D, E, V, W = floats(6, 3), floats(5, 6), floats(6), floats(5)

# Expressions of two sparse and dense operands: the operands, and the sum of the result counts.
EXPRESSIONS = {
    "dot": (sparse.dot, X, D),
    "dot wide": (sparse.dot, X, floats(6, 40)),
    "dot vector": (sparse.dot, X, V),
    "dot left": (sparse.dot, floats(3, 5), X),
    "dot left vector": (sparse.dot, W, X),
    "dot sparse": (sparse.dot, X, Y),
    "true_dot": (sparse.true_dot, X, Y),
    "true_dot dense": (sparse.true_dot, X, D),
    "messy dot": (sparse.dot, messy_matrix(5, 6, 20), D),
    "messy product": (sparse.true_dot, messy_matrix(5, 6, 20), messy_matrix(6, 5, 20, seed=3)),
    "add": (lambda x, y: x + y, X, S),
    "add messy": (lambda x, y: x + y, messy_matrix(5, 6, 20), S),
    "add dense": (lambda x, y: x + y, X, E),
    "sub": (lambda x, y: x - y, X, S),
    "mul": (lambda x, y: x * y, X, S),
    "mul messy": (lambda x, y: x * y, messy_matrix(5, 6, 20), messy_matrix(5, 6, 30, seed=4)),
    "mul dense": (lambda x, y: x * y, X, E),
    "mul vector": (lambda x, y: x * y, X, V),
    "mul scalar": (lambda x, y: x * y, X, np.array(1.5)),
    "row_scale": (sparse.row_scale, X, W),
    "col_scale": (sparse.col_scale, X, V),
    "structured_add_s_v": (sparse.structured_add_s_v, X, V),
    "sampling_dot": (lambda p, x: sparse.sampling_dot(x, T.exp(E).T[:, :3].T.T[:6], p), X,
                     floats(5, 3)),
    "usmm": (lambda x, z: sparse.usmm(0.5, x, D, z), X, floats(5, 3)),
    "sp_sum": (lambda x, v: sparse.sp_sum(x, 0) * v, X, V),
    "sp_sum rows": (lambda x, v: sparse.sp_sum(x, 1) * v, X, W),
    "sp_sum all": (lambda x, v: T.sqr(sparse.sp_sum(x)) * v, X, W),
    "diag": (lambda x, v: sparse.diag(x) * v, random_matrix(5, 5, 0.7), W),
    "square_diagonal": (lambda x, v: sparse.dot(x, sparse.square_diagonal(v)), X, V),
    "from dense": (lambda x, y: x * sparse.csr_from_dense(T.sqr(y)), X, E),
    "slices": (lambda x, v: x[3:0:-1, ::2] * v, X, floats(3)),
    "list": (lambda x, v: x[[1, 1, 4]] * v, X, V),
    "items": (lambda x, v: x[[1, 1, 4, 0], [2, 2, 3, 0]] * v, X, floats(4)),
    "item": (lambda x, v: x[1, 2] * v, X, floats(4)),
    "hstack": (lambda x, y: sparse.hstack([x, sparse.sqr(y), x]), X, S),
    "vstack": (lambda x, y: sparse.vstack([x, sparse.sqr(y), x], "csr"), X, S),
    "functions": (lambda x, y: sparse.tanh(x) + sparse.structured_exp(0.1 * y), X, S),
    "formats": (lambda x, y: sparse.clean(x.tocsc()).T.tocsr() * y.T, X, S),
    "duplicates": (lambda x, y: sparse.sqr(sparse.sum_duplicates(x)) * y, messy_matrix(5, 6, 20),
                   S),
    "csm": (lambda x, v: sparse.CSM(x.format)(
        sparse.csm_data(x) * v.sum(), *sparse.csm_properties(x)[1:]), X, V),
    "list grad": (lambda x, y: sparse.get_item_list_grad(y, [1, 4], x[:2]), X, S),
    "construct": (lambda x, y: sparse.dot(x.T, sparse.construct_sparse_from_list(
        T.zeros((5, 3)), y, [4, 0])), X, floats(2, 3)),
}  # fmt: skip


def stored(value):
    return value.data if scipy.sparse.issparse(value) else value


def with_stored(value, numbers):
    if not scipy.sparse.issparse(value):
        return numbers
    result = value.copy()
    result.data = numbers.copy()
    return result


def as_dense(out):
    return out.toarray() if isinstance(out, sparse.SparseVariable) else out


def symbol(value):
    if scipy.sparse.issparse(value):
        return sparse.SparseType(value.format, value.dtype)()
    return T.TensorType(value.dtype, (False,) * value.ndim)()


@pytest.mark.parametrize("formats", [("csr", "csr"), ("csc", "csr"), ("csr", "csc")])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradients(name, formats):
    build, *values = EXPRESSIONS[name]
    values = [
        v.asformat(f) if scipy.sparse.issparse(v) else v
        for v, f in zip(values, formats, strict=True)
    ]
    variables = [symbol(v) for v in values]
    out = as_dense(build(*variables))
    f = phintys.function(variables, out, on_unused_input="ignore")
    weights = np.random.default_rng(2).uniform(0.5, 1.5, f(*values).shape)
    cost = (out * weights).sum()
    # Second derivatives too: of the sum of the squared first ones.
    first = T.grad(cost, variables, disconnected_inputs="ignore")
    for g, v in zip(first, variables, strict=True):
        assert type(g).__name__ == type(v).__name__ and g.type == v.type
    second_cost = sum(T.sqr(getattr(g, "differentiable", g)).sum() for g in first)
    second = T.grad(second_cost, variables, disconnected_inputs="ignore")
    for target, gradients in ((cost, first), (second_cost, second)):
        value = phintys.function(variables, target, on_unused_input="ignore")
        got = phintys.function(variables, gradients, on_unused_input="ignore")(*values)
        for k, v in enumerate(values):
            numbers = stored(v).astype("float64")
            numeric = np.zeros_like(numbers)
            for at in np.ndindex(*numbers.shape):
                step = np.zeros_like(numbers)
                step[at] = 1e-6 * max(1.0, abs(numbers[at]))
                up, down = (
                    value(*values[:k], with_stored(v, numbers + s), *values[k + 1 :])
                    for s in (step, -step)
                )
                numeric[at] = (up - down) / (2 * step[at])
            if scipy.sparse.issparse(v):
                assert got[k].format == v.format
                np.testing.assert_array_equal(got[k].indices, v.indices)
                np.testing.assert_array_equal(got[k].indptr, v.indptr)
            scale = max(1.0, abs(numeric).max(initial=0))
            np.testing.assert_allclose(stored(got[k]) / scale, numeric / scale, atol=2e-7)


def test_complex_gradients_match_dense_ones():
    a = random_matrix(4, 5, 0.6, dtype="complex128")
    b = floats(5, 2) + 1j * floats(5, 2, seed=3)
    x, y, z = sparse.csr_matrix(dtype="complex128"), T.zmatrix(), T.zmatrix()

    def cost(product):
        return T.sqr(T.real(product)).sum() + (T.imag(product) * T.real(product)).sum()

    got = phintys.function([x, y], T.grad(cost(sparse.dot(x, y)), [x, y]))(a, b)
    want = phintys.function([z, y], T.grad(cost(T.dot(z, y)), [z, y]))(a.toarray(), b)
    same(got[0], np.where(a.toarray() != 0, want[0], 0))
    same(got[1], want[1])
    got = phintys.function([x], T.grad(cost(sparse.dot(x, x.T)), x))(a)
    want = phintys.function([z], T.grad(cost(T.dot(z, z.T)), z))(a.toarray())
    same(got, np.where(a.toarray() != 0, want, 0))


def test_arguments_of_grad():
    x, y = sparse.csr_matrix("x", "float64"), T.dvector("y")
    cost = T.sqr(sparse.dot(x, y)).sum()
    assert isinstance(T.grad(cost, x), sparse.SparseVariable)
    assert isinstance(T.grad(cost, [x]), list)
    assert isinstance(T.grad(cost, (x, y)), tuple)
    z = sparse.csr_matrix("z", "float64")
    with pytest.raises(phintys.gradient.DisconnectedInputError):
        T.grad(cost, z)
    assert T.grad(cost, z, disconnected_inputs="ignore", return_disconnected="None") is None
    with pytest.raises(phintys.gradient.DisconnectedInputError):
        T.grad(cost, x, consider_constant=[x])
    product = x * 2.0
    known = phintys.function([x], T.grad(None, x, known_grads={product: x}))
    same(known(X), 2 * X)
    same(phintys.function([x], T.Lop(product.parts.data, x, x.parts.data * 3))(X), 6 * X)
    rop = T.Rop(sparse.dot(x, y), x, x)
    same(phintys.function([x, y], rop)(X, V), X @ V)
    i = sparse.csr_matrix(dtype="int64")
    g = T.grad(T.sqr(sparse.dot(i, y)).sum(), y)
    whole = (X * 3).astype("int64")
    same(phintys.function([i, y], g)(whole, V), 2 * whole.T @ (whole @ V))


def test_a_broadcastable_operand():
    x, row, column = sparse.csr_matrix("x", "float64"), T.drow("r"), T.dcol("c")
    f = phintys.function([x, column], T.grad(sparse.dot(x, column).sum(), column))
    same(f(X, np.ones((6, 1))), X.sum(0).T)
    f = phintys.function([x, row], T.grad(sparse.dot(row, x).sum(), row))
    same(f(X, np.ones((1, 5))), X.sum(1).T)


# --- functions ------------------------------------------------------------------------------------


def test_forms_of_inputs_and_outputs():
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    same(phintys.function([x], x * 2)(X), 2 * X)
    got = phintys.function([y, x], [x, y, x.T])(D, X)
    assert isinstance(got, list)
    assert [type(g).__name__ for g in got] == ["csr_matrix", "ndarray", "csc_matrix"]
    f = phintys.function([x, y], {"b": x, "a": sparse.dot(x, y)})
    assert sorted(f(X, D)) == ["a", "b"]
    same(f(y=D, x=X)["a"], X @ D)
    assert list(f(X, D, output_subset=["a"])) == ["a"]
    assert phintys.function([], [])() == []
    f = phintys.function([phintys.In(x, name="m"), phintys.In(y, value=D)], sparse.dot(x, y))
    same(f(X), X @ D)
    same(f(m=X, y=2 * D), X @ D * 2)
    f = phintys.function([phintys.In(x, value=X), y], phintys.Out(sparse.dot(x, y)))
    same(f(y=D), X @ D)
    same(f(2 * X, D), X @ D * 2)
    f = phintys.function([("m", x), (y, D)], sparse.dot(x, y))
    same(f(m=X), X @ D)
    f = phintys.function([phintys.In(x, value=X, update=x * 2.0)], sparse.sp_sum(x))
    assert np.isclose(f(), X.sum()) and np.isclose(f(), 2 * X.sum())
    same(x.eval({x: X}), X)
    same(sparse.dot(x, y).eval({x: X, y: D}), X @ D)


def test_what_values_are_accepted():
    x = sparse.csr_matrix("x", "float64")
    f = phintys.function([x], x * 1.0)
    for value in (X, X.tocsc(), X.tocoo(), X.tolil(), X.toarray(), X.toarray().tolist(),
                  scipy.sparse.csr_array(X), X[:, ::-1][:, ::-1], X.tobsr()):  # fmt: skip
        same(f(value), X)
    for dtype in ("float32", "int8", "int32"):
        same(f(X.astype(dtype)), X.astype(dtype))
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype("int64"), wide.indptr.astype("int64")
    same(f(wide), X)
    room = X.copy()
    room.data = np.concatenate([room.data, [9.0]])
    room.indices = np.concatenate([room.indices, [0]]).astype("int32")
    same(f(room), X)
    with pytest.raises(TypeError, match="Expected float64 dtype but got complex128"):
        f(X.astype("complex128"))
    z = sparse.csr_matrix("z", "float32")
    g = phintys.function([phintys.In(z, strict=True)], z)
    with pytest.raises(TypeError, match=r'(?s)Bad input argument "z".*not the right dtype'):
        g(X)
    assert phintys.function([z], z, allow_input_downcast=True)(X).dtype == np.float32
    for bad in (None, "text", np.zeros(3), x, T.dmatrix()):
        with pytest.raises(TypeError, match="Bad input"):
            f(bad)
    with pytest.raises(TypeError, match="Missing required input: x"):
        f()
    with pytest.raises(TypeError, match="Too many"):
        f(X, X)
    with pytest.raises(TypeError, match="Unknown input or state: q"):
        f(X, q=X)


def test_results_do_not_alias_arguments():
    x = sparse.csr_matrix("x", "float64")
    before = X.copy()
    for result in phintys.function([x], [x, x.T, x * 1.0])(X):
        result.data[:] = 99
        result.indices[:] = 0
        result.indptr[1:] = 0
    assert (X != before).nnz == 0


def test_unused_and_repeated_inputs():
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    for inputs, out in (([x, y], x), ([x, y], y), ([x], T.constant(1.0))):
        with pytest.raises(phintys.compile.UnusedInputError):
            phintys.function(inputs, out)
        phintys.function(inputs, out, on_unused_input="ignore")
        with pytest.warns(UserWarning, match="not part of the computational graph"):
            phintys.function(inputs, out, on_unused_input="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        phintys.function([x], x.shape)
    with pytest.raises(phintys.compile.UnusedInputError, match="twice"):
        phintys.function([x, x], x)
    with pytest.raises(TypeError, match="cannot be an explicit input"):
        phintys.function([phintys.shared(X)], y)


def test_givens():
    x, y, z = (sparse.csr_matrix(n, "float64") for n in "xyz")
    f = phintys.function([y], x * 2.0, givens={x: y * 3.0})
    same(f(X), 6 * X)
    same(phintys.function([], x * 2.0, givens=[(x, X)])(), 2 * X)
    d, w = T.dvector("d"), T.dvector("w")
    same(phintys.function([x, w], sparse.dot(x, d), givens={d: w * 2})(X, V), X @ V * 2)
    with pytest.raises(TypeError, match="Cannot convert Type"):
        phintys.function([], x, givens={x: z.T})


# --- shared variables and constants ---------------------------------------------------------------


@pytest.mark.parametrize("format", [*FORMATS, "bsr"])
def test_shared(format):
    start = X.asformat(format)
    state = phintys.shared(start, name="state")
    assert isinstance(state, sparse.SparseSharedVariable)
    assert (state.name, state.format, state.dtype) == ("state", format, "float64")
    got = state.get_value()
    assert got.format == format
    same(got, start)
    got.data[:] = 0
    same(state.get_value(), start)
    f = phintys.function([], sparse.sp_sum(state), updates=[(state, state * 2.0)])
    assert np.isclose(f(), X.sum()) and np.isclose(f(), 2 * X.sum())
    same(state.get_value(), 4 * X)
    # The shape and the number of entries may change.
    state.set_value(CLASSES[format](np.eye(3)))
    assert f() == 3
    phintys.function([], [], updates={state: sparse.vstack([state, state], format)})()
    same(state.get_value(), np.vstack([2 * np.eye(3)] * 2))
    other = state.clone()
    other.set_value(start)
    assert state.get_value().shape == (6, 3)
    same(copy.deepcopy(state).get_value(), state.get_value())
    with pytest.raises(TypeError, match="Cannot convert Type"):
        phintys.function([], [], updates=[(state, state.astype("float32"))])
    with pytest.raises(TypeError, match="SharedVariable"):
        phintys.function([], [], updates=[(sparse.csr_matrix(), state)])
    with pytest.raises(TypeError, match="Expected float64"):
        state.set_value(start.astype("complex128"))


def test_default_update_and_formats_of_shared():
    state = phintys.shared(X.tocoo())
    assert state.format == "csr"
    state.default_update = state + state
    f = phintys.function([], [sparse.sp_sum(state), state])
    f()
    same(state.get_value(), 2 * X)
    g = phintys.function([], state, no_default_updates=True)
    g()
    same(state.get_value(), 2 * X)
    assert f[state].format == "csr"
    same(f[state], 2 * X)
    twin = phintys.shared(X)
    h = g.copy(swap={state: twin})
    same(h(), X)


def test_a_trained_sparse_model():
    rng = np.random.default_rng(0)
    a = random_matrix(40, 20, 0.3)
    target = a @ rng.normal(size=20)
    x, t = sparse.csr_matrix("x", "float64"), T.dvector("t")
    w = phintys.shared(np.zeros(20))
    cost = T.sqr(sparse.dot(x, w) - t).mean()
    step = phintys.function([x, t], cost, updates=[(w, w - 0.01 * T.grad(cost, w))])
    losses = [float(step(a, target)) for _ in range(200)]
    assert losses[-1] < 0.05 * losses[0]
    # And a sparse parameter.
    p = phintys.shared(a)
    cost = T.sqr(sparse.dot(p, t)).sum()
    step = phintys.function([t], cost, updates=[(p, p - 0.01 * T.grad(cost, p))])
    first = step(np.ones(20))
    assert step(np.ones(20)) < first
    assert p.get_value().nnz == a.nnz


def test_constants():
    c = sparse.as_sparse_variable(X, name="c")
    assert isinstance(c, sparse.SparseConstant) and c.name == "c"
    same(c.data, X)
    assert c.data is not X
    y = T.dmatrix("y")
    same(phintys.function([y], sparse.dot(c, y))(D), X @ D)
    same(phintys.function([y], sparse.dot(X, y))(D), X @ D)
    same(phintys.function([y], y + c)(E), X + E)
    x = sparse.csr_matrix("x", "float64")
    same(phintys.function([x], x + X)(X), 2 * X)
    same(phintys.function([x], X + x)(X), 2 * X)
    same(phintys.function([], c)(), X)
    assert c.signature() == sparse.constant(X).signature()
    assert c.signature() != sparse.constant(2 * X).signature()
    for bad in (E, 3, T.dmatrix()):
        with pytest.raises(TypeError):
            sparse.as_sparse_variable(bad)
    assert sparse.as_sparse is sparse.as_sparse_variable
    assert sparse.as_sparse_or_tensor_variable(E).ndim == 2
    assert sparse.hash_from_sparse(X) == sparse.hash_from_sparse(X.copy())
    assert sparse.hash_from_sparse(X) != sparse.hash_from_sparse(X.tocsc())


# --- saving ---------------------------------------------------------------------------------------


def test_save_and_pickle(tmp_path):
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    state = phintys.shared(X)
    f = phintys.function(
        [x, y],
        {"p": sparse.dot(x, y), "s": sparse.true_dot(x, x.T), "u": x + x[::-1],
         "g": T.grad(T.sqr(sparse.dot(x, y)).sum(), x)},
        updates=[(state, state + x)],
    )  # fmt: skip
    want = f(X, D)
    for other in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f), copy.copy(f), f.copy()):
        got = other(X, D)
        assert sorted(got) == sorted(want)
        for key, value in want.items():
            assert dense_of(got[key]).tobytes() == dense_of(value).tobytes()
    # A file holds the function of the parts.
    path = tmp_path / "f.phy"
    f.save(path)
    parts = phintys.load(path)(X.data, X.indices, X.indptr, X.shape[1], D)
    assert isinstance(parts, list) and len(parts) == 1 + 3 * 4
    np.testing.assert_array_equal(parts[4], want["p"])


def test_pickled_variables():
    x = sparse.csr_matrix("x", "float64")
    kind, again, value = pickle.loads(pickle.dumps((x.type, x, sparse.dot(x, x.T))))
    assert kind == x.type and hash(kind) == hash(x.type)
    assert again.name == "x" and again.type == x.type
    same(phintys.function([again], value)(X), (X @ X.T).toarray())


# --- errors ---------------------------------------------------------------------------------------


def broken(**changes):
    matrix = X.copy()
    for name, value in changes.items():
        array = getattr(matrix, name).copy()
        array[3] = value
        setattr(matrix, name, array)
    return matrix


@pytest.mark.parametrize("index", [6, -1, -6, 2**31 - 1, -(2**31)])
def test_indices_out_of_range_are_errors(index):
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    bad = broken(indices=index)
    for out in (sparse.dot(x, y), x.toarray(), x.tocsc(), x + x, sparse.true_dot(x, x.T),
                x * x, sparse.sampling_dot(E @ E.T, y.dot(np.ones((3, 5))), x),
                x * V, sparse.row_scale(x, W), x * E, x[:, ::2], sparse.sp_sum(x, 0)):  # fmt: skip
        f = phintys.function([x, y], out, on_unused_input="ignore")
        with pytest.raises((IndexError, ValueError), match=r"range|bounds|negative"):
            f(bad, D)


def test_a_bad_indptr_is_an_error():
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    f = phintys.function([x, y], sparse.dot(x, y))
    for indptr in ([0, 3, 2, 5, 7, 15], [1, 2, 3, 4, 5, 15], [0, -2, 3, 4, 5, 15]):
        matrix = X.copy()
        matrix.indptr = np.array(indptr, "int32")
        matrix.indptr[-1] = X.nnz
        with pytest.raises(ValueError, match="indptr"):
            f(matrix, D)
    data, indices, indptr = T.dvector(), T.ivector(), T.ivector()
    product = sparse.dot(sparse.CSR(data, indices, indptr, (T.shape(indptr)[0] - 1, 6)), y)
    f = phintys.function([data, indices, indptr, y], product)
    same(f(X.data, X.indices, X.indptr, D), X @ D)
    same(f(X.data[::-1][::-1], np.repeat(X.indices, 2)[::2], X.indptr, D), X @ D)
    with pytest.raises(ValueError, match="values for"):
        f(X.data[:-1], X.indices, X.indptr, D)
    with pytest.raises(ValueError, match="number of entries"):
        f(X.data, X.indices, X.indptr[:-1], D)
    with pytest.raises(ValueError, match="empty"):
        f(X.data, X.indices, X.indptr[:0], D)


def test_shapes_that_do_not_fit():
    for build, *values in (
        (sparse.dot, X, E),
        (sparse.dot, X, W),
        (sparse.dot, X.tocsc(), E),
        (sparse.dot, E, X),
        (sparse.dot, X, X),
        (sparse.true_dot, X, S),
        (sparse.dot, X.tocsc(), S),
        (lambda x, y: x + y, X, Y),
        (lambda x, y: x * y, X, Y),
        (lambda x, y: x + y, X, Y.tocsc()),
        (lambda x, y: x + y, X, random_matrix(5, 7)),
        (lambda x, y: x * y, X, E.T.copy()),
        (lambda x, y: x * y, X, floats(5, 7)),
        (lambda x, y: x + y, X, E.T.copy()),
        (lambda x, y: x * y, X, W),
        (sparse.col_scale, X, W),
        (sparse.row_scale, X, V),
        (sparse.eq, X, Y),
        (sparse.lt, X, random_matrix(5, 7)),
    ):
        with pytest.raises(ValueError, match=r"shape|align|fit|differ|element|rows|broadcast"):
            compute(build, *values)


def test_operands_that_are_refused():
    x, y = sparse.csr_matrix("x"), T.matrix("y")
    for f in (sparse.dot, sparse.add, sparse.mul, sparse.true_dot, sparse.structured_dot):
        with pytest.raises(TypeError, match="sparse"):
            f(y, y)
    for bad in (T.tensor3(), T.scalar()):
        with pytest.raises(TypeError, match="vector or a matrix"):
            sparse.dot(x, bad)
    with pytest.raises(ValueError, match="0 or 2 dimensions"):
        sparse.mul(x, T.tensor3())
    with pytest.raises(TypeError, match="iterated"):
        list(x)
    with pytest.raises(TypeError, match="truth"):
        bool(x)
    with pytest.raises(TypeError):
        T.exp(x)
    assert str(x) == "x" and "csc" in str(x.T)
    assert "csr" in repr(x.type)

"""Sparse matrices against SciPy's: values in all formats, dtypes and orders of entries."""

import itertools

import numpy as np
import phintys
import phintys.tensor as T
import pytest
import scipy.sparse
from op_checks import MODES, floats
from phintys import sparse

FORMATS = ["csr", "csc"]
DTYPES = "int8 int16 int32 int64 uint8 uint64 float32 float64 complex64 complex128".split()
CLASSES = {
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "bsr": scipy.sparse.bsr_matrix,
}


def random_matrix(rows, columns, density=0.3, format="csr", dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(rows, columns)) * 5
    if np.dtype(dtype).kind == "c":
        dense = dense + 1j * rng.normal(size=(rows, columns))
    dense = np.where(rng.random((rows, columns)) < density, dense, 0)
    if np.dtype(dtype).kind == "u":
        dense = abs(dense)
    return CLASSES[format](dense.astype(dtype))


def messy_matrix(rows, columns, count, format="csr", dtype="float64", seed=0):
    """Entries in no order, several for one place, some of them zero."""
    rng = np.random.default_rng(seed)
    minor = columns if format == "csr" else rows
    major = rows if format == "csr" else columns
    indptr = np.sort(np.concatenate([[0, count], rng.integers(0, count + 1, major - 1)]))
    data = rng.integers(-3, 4, count).astype(dtype)
    indices = rng.integers(0, minor, count)
    return CLASSES[format](
        (data, indices.astype("int32"), indptr.astype("int32")), shape=(rows, columns)
    )


def variable(matrix, name=None):
    return sparse.SparseType(matrix.format, matrix.dtype)(name)


def dense_of(value):
    return value.toarray() if scipy.sparse.issparse(value) else np.asarray(value)


def compute(build, *values, modes=MODES[:1]):
    """The value of an expression of sparse and dense operands, in all these modes."""
    variables = [
        variable(v) if scipy.sparse.issparse(v) else T.TensorType(v.dtype, (False,) * v.ndim)()
        for v in values
    ]
    out = build(*variables)
    results = [
        phintys.function(variables, out, mode=mode, on_unused_input="ignore")(*values)
        for mode in modes
    ]
    for other in results[1:]:
        np.testing.assert_allclose(dense_of(other), dense_of(results[0]), rtol=1e-12)
    if scipy.sparse.issparse(results[0]):
        assert out.format == results[0].format
        results[0].check_format(full_check=True)
    assert results[0].dtype == out.dtype
    return results[0]


def same(got, want, rtol=1e-12):
    got, want = dense_of(got), dense_of(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)


def matrices(rows, columns, format):
    """Matrices with ordinary, no, empty, full, unsorted and repeated entries."""
    yield random_matrix(rows, columns, 0.3, format)
    yield random_matrix(rows, columns, 0.0, format)
    yield random_matrix(rows, columns, 1.0, format)
    yield messy_matrix(rows, columns, 2 * rows * columns, format)
    yield messy_matrix(rows, columns, rows, format, seed=3)


# --- products -------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [*FORMATS, "bsr"])
def test_products_with_dense_operands(format):
    for columns in (0, 1, 2, 3, 5, 8, 16, 17, 31, 64, 100, 300):
        for a in matrices(6, 9, "csr"):
            a = a.asformat(format)
            b, c = floats(9, columns), floats(columns, 6)
            same(compute(sparse.dot, a, b), a @ b)
            same(compute(sparse.dot, c, a), c @ a)
            same(compute(lambda x, y: x.T.dot(y), a, c.T.copy()), a.T @ c.T)
    for a in matrices(6, 9, "csr"):
        a = a.asformat(format)
        same(compute(sparse.dot, a, floats(9)), a @ floats(9))
        same(compute(sparse.dot, floats(6), a), floats(6) @ a)
        same(compute(lambda x, y: T.dot(x, y), a, floats(9, 2), modes=MODES), a @ floats(9, 2))
        same(compute(lambda x, y: T.dot(y, x), a, floats(2, 6), modes=MODES), floats(2, 6) @ a)
        same(compute(lambda x, y: x @ y, a, floats(9, 2)), a @ floats(9, 2))
        same(compute(lambda x, y: y @ x, a, floats(2, 6)), floats(2, 6) @ a)


@pytest.mark.parametrize("formats", list(itertools.product(FORMATS, FORMATS)))
def test_products_of_sparse_matrices(formats):
    for a in matrices(6, 9, formats[0]):
        for b in matrices(9, 7, formats[1]):
            got = compute(sparse.structured_dot, a, b)
            same(got, a @ b)
            assert got.has_sorted_indices
            same(compute(sparse.dot, a, b), (a @ b).toarray())
            same(compute(sparse.true_dot, a, b), a @ b)


def test_true_dot_with_a_dense_operand_is_sparse():
    a, b = random_matrix(4, 5), floats(5, 3)
    got = compute(sparse.true_dot, a, b)
    assert scipy.sparse.issparse(got)
    same(got, a @ b)
    same(compute(sparse.true_dot, b.T.copy(), a.T.tocsr()), b.T @ a.T)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("format", FORMATS)
def test_dtypes(dtype, format):
    rtol = 1e-5 if dtype in ("float32", "complex64") else 1e-12
    a, b = (random_matrix(5, 5, 0.6, format, dtype, seed) for seed in (1, 2))
    d = random_matrix(5, 5, 1.0, format, dtype, 3).toarray()
    same(compute(sparse.dot, a, d), a @ d, rtol)
    same(compute(lambda x: sparse.dot(x.T, x), a), (a.T @ a).toarray(), rtol)
    for build, want in (
        (sparse.dense_from_sparse, a.toarray()),
        (lambda x: x + x, a + a),
        (lambda x: x * x, a.multiply(a)),
        (lambda x: sparse.sp_sum(x, 0), np.asarray(a.sum(0, dtype=dtype)).ravel()),
        (lambda x: sparse.sp_sum(x, 1), np.asarray(a.sum(1, dtype=dtype)).ravel()),
        (sparse.sp_sum, a.sum(dtype=dtype)),
        (lambda x: -x, -a),
    ):
        same(compute(build, a), want, rtol)
    same(compute(sparse.true_dot, a, b), a @ b, rtol)
    same(compute(lambda x, y: x + y, a, b), a + b, rtol)


def test_mixed_dtypes_are_promoted():
    a, b = random_matrix(4, 5, dtype="float32"), random_matrix(4, 5, seed=2)
    for build, want in (
        (lambda x, y: x + y, a + b),
        (lambda x, y: x * y, a.multiply(b)),
        (lambda x, y: sparse.dot(x, y.T), (a @ b.T).toarray()),
    ):
        got = compute(build, a, b)
        assert got.dtype == np.float64
        same(got, want, 1e-6)
    assert compute(sparse.dot, a, np.ones((5, 2), bool)).dtype == np.float32
    with pytest.raises(TypeError, match="float16"):
        sparse.SparseType("csr", "float16")
    with pytest.raises(TypeError, match="unsupported format"):
        sparse.SparseType("coo", "float64")


def test_dense_operands_that_are_views():
    a = random_matrix(6, 8)
    big = floats(20, 30)
    for b in (big[:16:2, 3:9], big[:8, ::-3], big.T[:8, :5], np.broadcast_to(big[0, :5], (8, 5))):
        same(compute(sparse.dot, a, b), a @ b)
    x = sparse.csr_matrix("x", "float64")
    y = T.dmatrix("y")
    f = phintys.function([x, y], [sparse.dot(x, y[::-1]), sparse.dot(x, T.exp(y).T)])
    same(f(a, floats(8, 8))[0], a @ floats(8, 8)[::-1])
    same(f(a, floats(8, 8))[1], a @ np.exp(floats(8, 8)).T)


def test_many_threads_give_the_same_bits():
    rng = np.random.default_rng(0)
    a = scipy.sparse.random(3000, 2000, 0.01, format="csr", random_state=1)
    b = rng.normal(size=(2000, 70))
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    product = sparse.dot(x, y)
    f = phintys.function(
        [x, y],
        [product, sparse.dot(x.T, product), sparse.true_dot(x, x.T), x + sparse.sqr(x),
         T.grad(T.sqr(product).sum(), x)],
    )  # fmt: skip
    before = phintys.config.num_threads
    results = []
    try:
        for n in (1, 2, 5):
            phintys.config.num_threads = n
            results.append([dense_of(r) for r in f(a, b)])
    finally:
        phintys.config.num_threads = before
    same(results[0][0], a @ b)
    same(results[0][1], a.T @ (a @ b))
    same(results[0][2], a @ a.T)
    for other in results[1:]:
        for p, q in zip(results[0], other, strict=True):
            assert p.tobytes() == q.tobytes()


def test_sampling_dot_and_usmm():
    p = random_matrix(5, 6)
    for format in FORMATS:
        p = p.asformat(format)
        for k in (0, 1, 3, 16, 40):
            x, y = floats(5, k), floats(6, k)
            same(compute(sparse.sampling_dot, x, y, p), p.multiply(x @ y.T))
        y, z = floats(6, 3), floats(5, 3)
        same(compute(sparse.usmm, np.float64(0.5)[...], p, y, z), 0.5 * (p @ y) + z)
        same(compute(lambda g, b, x: sparse.structured_dot_grad(x, b, g), z, y, p),
             (p != 0).multiply(z @ y.T))  # fmt: skip


# --- elementwise ----------------------------------------------------------------------------------


@pytest.mark.parametrize("formats", list(itertools.product(FORMATS, FORMATS)))
def test_sums_and_products_of_two(formats):
    for a in matrices(6, 9, formats[0]):
        for b in matrices(6, 9, formats[1]):
            same(compute(lambda x, y: x + y, a, b, modes=MODES), a + b)
            same(compute(lambda x, y: x - y, a, b), a - b)
            same(compute(lambda x, y: x * y, a, b), a.toarray() * b.toarray())


@pytest.mark.parametrize("format", FORMATS)
def test_with_dense_operands(format):
    for a in matrices(5, 7, format):
        d, v = floats(5, 7), floats(7)
        dense = a.toarray()
        same(compute(lambda x, y: x + y, a, d), dense + d)
        same(compute(lambda x, y: y + x, a, d), dense + d)
        same(compute(lambda x, y: x - y, a, d), dense - d)
        same(compute(lambda x, y: y - x, a, d), d - dense)
        for build in (lambda x, y: x * y, lambda x, y: y * x):
            got = compute(build, a, d)
            assert scipy.sparse.issparse(got)
            same(got, dense * d)
        same(compute(lambda x, y: x * y, a, v), dense * v)
        same(compute(lambda x: x * 2.5, a), dense * 2.5)
        same(compute(lambda x: 3 * x, a), dense * 3)
        same(compute(sparse.col_scale, a, v), dense * v)
        same(compute(sparse.row_scale, a, floats(5)), dense * floats(5)[:, None])
    a = random_matrix(5, 7, 0.3, format)
    same(compute(sparse.structured_add_s_v, a, v), dense_of(a) + (dense_of(a) != 0) * v)
    same(compute(lambda x, y: x + y, a, d, modes=MODES), a + d)


@pytest.mark.parametrize("name", "eq neq lt gt le ge".split())
def test_comparisons(name):
    want = {"neq": "not_equal", "eq": "equal", "lt": "less", "gt": "greater",
            "le": "less_equal", "ge": "greater_equal"}[name]  # fmt: skip
    want = getattr(np, want)
    compare = getattr(sparse, name)
    for format in FORMATS:
        for a in matrices(5, 7, format):
            b, d = messy_matrix(5, 7, 20, format, seed=4), np.round(floats(5, 7))
            got = compute(compare, a, b)
            assert scipy.sparse.issparse(got) and got.dtype == np.uint8
            same(got, want(a.toarray(), b.toarray()))
            same(compute(compare, a, d), want(a.toarray(), d))
            same(compute(compare, d, a), want(d, a.toarray()))
    x, y = sparse.csr_matrix(), sparse.csc_matrix()
    with pytest.raises(NotImplementedError, match="formats csr and csc differ"):
        compare(x, y)
    if name in ("lt", "gt", "le", "ge"):
        op = {"lt": "__lt__", "gt": "__gt__", "le": "__le__", "ge": "__ge__"}[name]
        same(compute(lambda x: getattr(x, op)(x), a), want(a.toarray(), a.toarray()))


FUNCTIONS = {
    "sin": np.sin, "tan": np.tan, "arcsin": np.arcsin, "arctan": np.arctan, "sinh": np.sinh,
    "tanh": np.tanh, "arcsinh": np.arcsinh, "arctanh": np.arctanh, "rint": np.rint,
    "sgn": np.sign, "ceil": np.ceil, "floor": np.floor, "trunc": np.trunc, "log1p": np.log1p,
    "expm1": np.expm1, "sqr": np.square, "sqrt": np.sqrt, "deg2rad": np.deg2rad,
    "rad2deg": np.rad2deg, "conj": np.conj, "neg": np.negative,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_keep_zero(name):
    a = abs(random_matrix(5, 7)) / 50
    same(compute(getattr(sparse, name), a, modes=MODES), FUNCTIONS[name](a.toarray()))


def test_structured_functions():
    a = abs(random_matrix(5, 7))
    for build, want in (
        (sparse.structured_exp, np.exp),
        (sparse.structured_log, np.log),
        (sparse.structured_sigmoid, lambda v: 1 / (1 + np.exp(-v))),
        (lambda x: sparse.structured_pow(x, 2), np.square),
        (lambda x: sparse.structured_add(x, 2), lambda v: v + 2),
        (lambda x: sparse.structured_minimum(x, 2), lambda v: np.minimum(v, 2)),
        (lambda x: sparse.structured_maximum(x, 2), lambda v: np.maximum(v, 2)),
    ):
        expected = a.copy()
        expected.data = want(a.data)
        same(compute(build, a), expected)

    @sparse.structured_monoid(T.cos)
    def structured_cos(x):
        """cos"""

    expected.data = np.cos(a.data)
    same(compute(structured_cos, a), expected)
    assert structured_cos.__name__ == "structured_cos"


def test_casts():
    a = random_matrix(4, 5, dtype="float64")
    for name, dtype in zip(
        "bcast wcast icast lcast fcast dcast ccast zcast".split(),
        "int8 int16 int32 int64 float32 float64 complex64 complex128".split(),
        strict=True,
    ):
        got = compute(getattr(sparse, name), a)
        assert got.dtype == dtype
        same(got, a.astype(dtype))
    assert compute(lambda x: x.astype("float32"), a).dtype == np.float32
    with pytest.raises(TypeError, match="no sparse matrices of bool"):
        sparse.cast(sparse.csr_matrix(), "bool")


# --- other forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_formats_transposes_and_orders(format):
    for a in matrices(6, 9, format):
        same(compute(lambda x: x.T, a), a.T)
        same(compute(lambda x: x.T.T, a), a)
        same(compute(lambda x: x.tocsr(), a), a)
        same(compute(lambda x: x.tocsc(), a), a)
        same(compute(lambda x: x.toarray(), a, modes=MODES), a)
        got = compute(sparse.ensure_sorted_indices, a)
        same(got, a)
        assert got.has_sorted_indices
        got = compute(sparse.clean, a)
        same(got, a)
        assert got.has_sorted_indices and (got.data != 0).all()
        got = compute(sparse.remove0, a)
        same(got, a)
        assert (got.data != 0).all()
        got = compute(sparse.sum_duplicates, a)
        same(got, a)
        assert len(set(zip(*got.tocoo().coords, strict=True))) == got.nnz
        ones = a.copy()
        ones.data[:] = 1
        same(compute(sparse.sp_ones_like, a), ones)
        assert compute(sparse.sp_zeros_like, a).nnz == 0
        same(compute(sparse.sp_zeros_like, a), 0 * a)
        assert compute(lambda x: x.shape, a).tolist() == [6, 9]
        assert compute(lambda x: x.size, a) == a.data.size


@pytest.mark.parametrize("format", FORMATS)
def test_from_dense(format):
    convert = getattr(sparse, f"{format}_from_dense")
    for d in (random_matrix(5, 7).toarray(), np.zeros((3, 4)), np.zeros((0, 4)), np.zeros((3, 0)),
              floats(4, 3), np.array([[np.nan, 0, -0.0, np.inf]])):  # fmt: skip
        got = compute(convert, d, modes=MODES)
        assert got.format == format and got.nnz == np.count_nonzero(d)
        np.testing.assert_array_equal(got.toarray(), d)
    same(compute(convert, np.array([0.0, 2.0])), [[0, 2]])
    same(compute(convert, np.array([[True, False]])), [[1, 0]])
    x = sparse.csr_matrix()
    assert convert(x) is x
    with pytest.raises(TypeError, match="more than 2 dimensions"):
        convert(T.tensor3())


@pytest.mark.parametrize("format", FORMATS)
def test_sums_and_diagonals(format):
    for a in matrices(6, 9, format):
        same(compute(sparse.sp_sum, a), a.sum())
        same(compute(lambda x: sparse.sp_sum(x, axis=0), a), np.asarray(a.sum(0)).ravel())
        same(compute(lambda x: x.sum(axis=1), a), np.asarray(a.sum(1)).ravel())
    for a in matrices(6, 6, format):
        same(compute(sparse.diag, a), a.diagonal())
    same(compute(sparse.square_diagonal, floats(4)), np.diag(floats(4)))
    same(compute(sparse.square_diagonal, np.zeros(0)), np.zeros((0, 0)))
    with pytest.raises(ValueError, match="axis"):
        sparse.sp_sum(sparse.csr_matrix(), axis=2)
    with pytest.raises(ValueError, match="square"):
        compute(sparse.diag, random_matrix(3, 4, 0.5, format))


def test_stacks():
    blocks = [random_matrix(4, n, 0.5, f, seed=n) for n, f in ((3, "csr"), (0, "csc"), (5, "csc"))]
    for format in (None, "csr", "csc"):
        got = compute(lambda *x, format=format: sparse.hstack(x, format), *blocks)
        assert got.format == (format or "csc")
        same(got, np.hstack([b.toarray() for b in blocks]))
        tall = [b.T for b in blocks]
        got = compute(lambda *x, format=format: sparse.vstack(x, format), *tall)
        same(got, np.vstack([b.toarray() for b in tall]))
    got = compute(lambda x: sparse.vstack([x, x], dtype="float32"), blocks[0])
    assert got.dtype == np.float32
    with pytest.raises(ValueError, match="do not fit together"):
        compute(lambda x, y: sparse.vstack([x, y]), blocks[0], blocks[2])
    with pytest.raises(ValueError, match="empty list"):
        sparse.hstack([])


def test_csm_and_its_parts():
    for format, make in (("csr", sparse.CSR), ("csc", sparse.CSC)):
        a = random_matrix(4, 5, 0.5, format)
        x = variable(a)
        data, indices, indptr, shape = sparse.csm_properties(x)
        f = phintys.function([x], [data, indices, indptr, shape, make(data * 2, indices, indptr,
                                                                      shape)])  # fmt: skip
        got = f(a)
        for value, want in zip(got, (a.data, a.indices, a.indptr, a.shape), strict=False):
            np.testing.assert_array_equal(value, want)
        same(got[4], a * 2)
        same(make(a.data, a.indices, a.indptr, a.shape).eval(), a)
        wide = make(a.data, a.indices.astype("int64"), T.as_tensor_variable(a.indptr), a.shape)
        same(wide.eval(), a)
        i, p = T.lvectors("i", "p")
        y = make(a.data, i, p, a.shape)
        values = {i: a.indices.astype("int64"), p: a.indptr.astype("int64")}
        same((y + y).eval(values), a * 2)
        same(sparse.dot(y, x.T).eval({x: a, **values}), (a @ a.T).toarray())
        same((x + y).eval({x: a, **values}), a * 2)
    with pytest.raises(ValueError, match="one element more"):
        sparse.CSR(a.data, a.indices, a.indptr, (9, 9)).eval()
    for bad in ((np.ones((2, 2)), a.indices), (a.data, a.data)):
        with pytest.raises(TypeError, match="vector"):
            sparse.CSR(*bad, a.indptr, a.shape)


def test_construct_sparse_from_list():
    values, rows = floats(3, 4), np.array([5, 0, 2])
    want = np.zeros((6, 4))
    want[rows] = values
    got = compute(sparse.construct_sparse_from_list, np.zeros((6, 4)), values, rows)
    assert got.format == "csc"
    same(got, want)


# --- indexing -------------------------------------------------------------------------------------

SLICES = [slice(None), slice(1, 4), slice(None, None, -1), slice(4, 1, -2), slice(-3, None),
          slice(2, 2), slice(100, 200), slice(None, None, 3)]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_slices(format):
    for a in matrices(6, 9, format):
        dense = a.toarray()
        for rows, columns in itertools.product(SLICES, SLICES[::2]):
            same(compute(lambda x, r=rows, c=columns: x[r, c], a), dense[rows, columns])
            same(compute(lambda x, r=rows: x[r], a), dense[rows])
    x, start, stop = sparse.csr_matrix("x", "float64"), T.iscalar("a"), T.lscalar("b")
    f = phintys.function([x, start, stop], x[start:stop, stop::-1])
    same(f(a.tocsr(), 1, 4), dense[1:4, 4::-1])
    with pytest.raises(NotImplementedError, match="no sparse vector"):
        x[1]
    with pytest.raises(NotImplementedError, match="no sparse vector"):
        x[1:2, 3]
    with pytest.raises(ValueError, match="Impossible"):
        x[1.5:]


@pytest.mark.parametrize("format", FORMATS)
def test_lists_and_scalars(format):
    for a in matrices(6, 9, format):
        dense = a.toarray()
        for rows in ([0, 3], [5, 5, -1, 0], []):
            same(compute(lambda x, r=rows: x[r], a), dense[rows])
            columns = [(3 * r + 1) % 9 - 9 for r in rows]
            got = compute(lambda x, r=rows, c=columns: x[r, c], a)
            same(got, dense[rows, columns])
        for i, j in ((0, 0), (5, 8), (-1, -9), (2, 3)):
            got = compute(lambda x, i=i, j=j: x[i, j], a)
            assert got.shape == ()
            same(got, dense[i, j])
        g = np.array([1.0, 2.0, 3.0])
        want = np.zeros((6, 9))
        np.add.at(want, ([1, 1, -2], [4, 4, -1]), g)
        got = compute(lambda x, v: sparse.get_item_2lists_grad(x, [1, 1, -2], [4, 4, -1], v), a, g)
        same(got, want)
        rows = random_matrix(3, 9, 0.5)
        want = np.zeros((6, 9))
        np.add.at(want, [1, 1, -2], rows.toarray())
        same(compute(lambda x, r: sparse.get_item_list_grad(x, [1, 1, -2], r), a, rows), want)
    for bad in ([6], [-7]):
        with pytest.raises(IndexError, match="out of bounds"):
            compute(lambda x, r=bad: x[r], a)
    for i, j in ((6, 0), (0, 9), (-7, 0), (0, -10)):
        with pytest.raises(IndexError, match="out of bounds"):
            compute(lambda x, i=i, j=j: x[i, j], a)


# --- empty matrices -------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_empty_matrices(format, shape):
    a = CLASSES[format](shape)
    rows, columns = shape
    same(compute(sparse.dot, a, np.ones((columns, 2))), np.zeros((rows, 2)))
    same(compute(sparse.dot, a, np.ones(columns)), np.zeros(rows))
    same(compute(lambda x: x + x, a), a)
    same(compute(lambda x: x * x, a), a)
    same(compute(lambda x: x.T, a), a.T)
    same(compute(lambda x: x.tocsc(), a), a)
    same(compute(lambda x: sparse.true_dot(x, x.T), a), np.zeros((rows, rows)))
    same(compute(lambda x: sparse.clean(x), a), a)
    same(compute(sparse.sp_sum, a), 0)
    same(compute(lambda x: x[::-1, ::2], a), a[::-1, ::2])
    same(compute(lambda x: sparse.vstack([x, x]), a), np.zeros((2 * rows, columns)))


def test_dense_shared_variables_keep_their_keywords():
    row = phintys.shared(np.ones((1, 3)), broadcastable=(True, False))
    assert row.broadcastable == (True, False)
    with pytest.raises(TypeError, match="broadcastable"):
        phintys.shared(scipy.sparse.eye(3, format="csr"), broadcastable=(True, False))

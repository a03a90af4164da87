"""Names that programs of Theano look for: they are there, do what they say, and are documented."""

import importlib
import inspect
import pickle
import pkgutil

import numpy as np
import phintys
import phintys.compile as compile
import phintys.scalar as scalar
import phintys.tensor as T
import pytest
from phintys import gradient
from phintys.misc import pkl_utils


def _modules():
    yield phintys
    for info in pkgutil.walk_packages(phintys.__path__, "phintys."):
        if not info.name.rpartition(".")[2].startswith("_"):
            yield importlib.import_module(info.name)


def _public(module):
    names = getattr(module, "__all__", None)
    for name in names if names is not None else [n for n in vars(module) if n[0] != "_"]:
        yield name, getattr(module, name)


def test_all_lists_exist_and_everything_is_documented():
    bare = set()
    for module in _modules():
        if not (module.__doc__ or "").strip():
            bare.add(module.__name__)
        for name, thing in _public(module):
            if not getattr(thing, "__module__", "").startswith("phintys"):
                continue
            if not (inspect.isroutine(thing) or inspect.isclass(thing)):
                continue
            where = f"{thing.__module__}.{name}"
            if not (inspect.getdoc(thing) or "").strip():
                bare.add(where)
            if not inspect.isclass(thing) or issubclass(thing, BaseException):
                continue
            for member, value in vars(thing).items():
                value = getattr(value, "__func__", value)
                documented = isinstance(value, property) or inspect.isfunction(value)
                if member[0] != "_" and documented and not inspect.getdoc(getattr(thing, member)):
                    bare.add(f"{where}.{member}")
    assert not bare, sorted(bare)


@pytest.mark.parametrize(
    "names, module",
    [
        ("defaults maker value container get_shared free sync_shared name", "function"),
        (
            "filter filter_variable convert_variable is_valid_value values_eq values_eq_approx "
            "make_variable make_constant clone may_share_memory value_zeros get_shape_info "
            "get_size to_scalar_type dtype_specs ndim numpy_dtype Variable Constant",
            "type",
        ),
        ("op inputs outputs nin nout out default_output clone clone_with_new_inputs tag", "apply"),
        ("data value equals signature", "constant"),
        ("get_value set_value zero container clone default_update", "shared"),
    ],
)
def test_attributes_of_objects(names, module):
    x = T.dvector()
    shared = phintys.shared(1.0)
    shared.default_update = shared + 1
    objects = {
        "function": phintys.function([x], x), "type": x.type, "apply": (x + 1).owner,
        "constant": T.constant(1), "shared": shared,
    }  # fmt: skip
    assert [n for n in names.split() if not hasattr(objects[module], n)] == []


def test_all_operators():
    x, y = T.lvectors("x", "y")
    a, b = np.array([7, -7, 5]), np.array([2, 3, -4])
    import operator as op

    for f in (op.add, op.sub, op.mul, op.truediv, op.floordiv, op.mod, op.and_, op.or_, op.xor,
              op.lt, op.le, op.gt, op.ge, divmod):  # fmt: skip
        calls = [(x, y, f(a, b)), (x, 3, f(a, 3)), (3, y, f(3, b)), (a, y, f(a, b))]
        for left, right, want in calls:
            got, want = f(left, right), want if isinstance(want, tuple) else (want,)
            for g, w in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
                value = g.eval({x: a, y: b}, on_unused_input="ignore")
                np.testing.assert_array_equal(value, w)
    z = T.dvector()
    c = np.array([1.5, -2.5, 0.5])
    assert (z**2).eval({z: c}).tolist() == (c**2).tolist()
    np.testing.assert_allclose((2**z).eval({z: c}), 2**c, rtol=1e-15)
    for f in (op.neg, op.pos, abs, np.floor, np.ceil, np.trunc):
        np.testing.assert_array_equal(f(z).eval({z: c}), f(c))
    assert (~x).eval({x: a}).tolist() == (~a).tolist()


def test_casts_by_name():
    for dtype in T.all_dtypes:
        assert getattr(T.basic, f"_convert_to_{dtype}")(T.bvector()).dtype == dtype


def test_round_takes_decimals():
    x = T.dvector()
    assert x.round(1).eval({x: [0.25, 1.36]}).tolist() == [0.2, 1.4]
    assert T.round(x, "half_away_from_zero").eval({x: [0.5]}).tolist() == [1]


def test_classes_of_gradient_ops():
    x = T.dscalar("x")
    for made, cls in [
        (gradient.GradClip(-1, 1)(x), gradient.GradClip),
        (gradient.GradScale(2.0)(x), gradient.GradScale),
        (gradient.ZeroGrad()(x), gradient.ZeroGrad),
        (gradient.ConsiderConstant()(x), gradient.ConsiderConstant),
        (gradient.DisconnectedGrad()(x), gradient.DisconnectedGrad),
        (gradient.UndefinedGrad()(x), gradient.UndefinedGrad),
    ]:
        assert isinstance(made.owner.op, cls) and made.eval({x: 3.0}) == 3
    assert not isinstance(gradient.zero_grad(x).owner.op, gradient.GradClip)
    assert phintys.grad(gradient.GradScale(2.0)(x), x).eval({x: 1.0}, on_unused_input="ignore") == 2
    null = gradient.grad_not_implemented("Foo", 1, x, "of no use")
    assert "not implemented" in null.type.why_null and "of no use" in null.type.why_null
    assert "undefined" in gradient.grad_undefined("Foo", 0, x).type.why_null


def test_hessian_vector_product():
    x, p = T.dvectors("x", "p")
    cost = (x**3).sum() * x[0]
    at, along = np.array([1.0, 2.0, -0.5]), np.array([0.5, 1.0, 2.0])
    got = gradient.hessian_vector_product(cost, x, p).eval({x: at, p: along})
    fixed = T.vector(dtype="float64", shape=(3,))
    full = gradient.hessian((fixed**3).sum() * fixed[0], fixed).eval({fixed: at})
    np.testing.assert_allclose(got, full @ along)
    assert isinstance(gradient.hessian_vector_product(cost, [x], [p]), list)


def test_composite_scalar_ops():
    a, b = scalar.float64("a"), scalar.float64("b")
    op = scalar.Composite([a, b], [a * b + 1])
    assert op(2.0, 3.0).eval() == 7 and (op.nin, op.nout) == (2, 1)
    x, y = T.dvector(), T.dmatrix()
    got = T.Elemwise(op)(x, y).eval({x: [1.0, 2.0], y: [[3.0], [4.0]]} | {y: [[3.0, 4.0]]})
    assert got.tolist() == [[4, 9]]
    two = scalar.Composite([a], [a + 1, a * 2])
    assert [float(r.eval()) for r in two(5.0)] == [6, 10]
    with pytest.raises(TypeError):
        scalar.Composite([x], [x + 1])
    with pytest.raises(TypeError):
        op(1.0)
    v = np.array([1.0, 2.0, 3.0])
    z = T.dvector()
    assert T.Elemwise(scalar.inopenrange)(z, 1.0, 3.0).eval({z: v}).tolist() == [False, True, False]
    assert scalar.inclosedrange(1.0, 1.0, 2.0).eval()
    product = T.Elemwise(T.elemwise.MulWithoutZeros())(z, np.array([0.0, 0.5, 2.0]))
    assert product.eval({z: [3.0, 0.0, 4.0]}).tolist() == [3, 0.5, 8]


def test_numbers_in_a_block_with_another_dtype():
    x = T.fvector()
    assert (x + 1.1).dtype == "float64"
    with scalar.autocast_float_as("float32"):
        assert (x + 1.1).dtype == "float32"
        with scalar.autocast_float_as("float64"):
            assert (x + 1.5).dtype == "float64"
    assert (x + 1.1).dtype == "float64" and (x + 1.5).dtype == "float32"
    with pytest.raises(ValueError):
        scalar.autocast_float_as("int8")


def test_division_by_policy():
    i, x = T.lscalar("i"), T.dscalar("x")
    assert T.div_proxy(i, 2).eval({i: 7}) == 3 and T.div_proxy(x, 2).eval({x: 7.0}) == 3.5
    with phintys.change_flags(int_division="floatX"):
        assert T.div_proxy(i, 2).eval({i: 7}) == 3.5
    with phintys.change_flags(int_division="raise"), pytest.raises(TypeError, match="int_division"):
        T.div_proxy(i, 2)
    assert T.mod_check(i, 4).eval({i: 7}) == 3
    with pytest.raises(TypeError):
        T.mod_check(T.zscalar(), 2)


def test_ops_of_compile():
    x = T.dmatrix()
    a = np.arange(6.0).reshape(2, 3)
    assert isinstance(compile.view_op(x).owner.op, compile.ViewOp)
    assert isinstance(compile.deep_copy_op(x).owner.op, compile.DeepCopyOp)
    for made in (compile.ViewOp()(x), compile.DeepCopyOp()(x)):
        np.testing.assert_array_equal(made.eval({x: a}), a)
    assert compile.shape_i(x, 1).eval({x: a}) == compile.Shape_i(1)(x).eval({x: a}) == 3

    class Observed(phintys.tensor.TensorVariable):
        pass

    observed = Observed(x.type)
    node = phintys.gof.Apply(compile.view_op, [x], [observed])
    assert node.outputs[0] is observed and type(observed) is Observed
    np.testing.assert_array_equal((observed * 2).eval({x: a}), a * 2)
    from phintys.tensor.opt import MakeVector

    vector = MakeVector("float64")(x.sum(), 1)
    assert isinstance(vector.owner.op, MakeVector) and vector.eval({x: a}).tolist() == [15, 1]


def test_defaults_of_functions():
    x, k = T.dvector("x"), T.dscalar("k")
    f = phintys.function([x, phintys.In(k, value=2.0)], x * k)
    assert f.defaults == [(True, False, None), (False, True, 2.0)]


def test_arrays_of_pickles_are_files_of_their_own(tmp_path):
    w, unnamed, x = phintys.shared(np.arange(3.0), "w"), phintys.shared(np.ones(2)), T.dvector("x")
    y = (w * x).sum() + unnamed.sum()
    path = tmp_path / "model.zip"
    with open(path, "wb") as f:
        pkl_utils.dump((w, unnamed, x, y, np.arange(4)), f)
    with np.load(path) as arrays:
        assert arrays["w"].tolist() == [0, 1, 2] and "pkl" in list(arrays)
    with open(path, "rb") as f:
        w2, unnamed2, x2, y2, plain = pkl_utils.load(f)
    assert y2.eval({x2: [1.0, 1.0, 1.0]}) == 5 and plain.tolist() == [0, 1, 2, 3]
    w2.set_value(np.ones(3))
    assert y2.eval({x2: [1.0, 1.0, 1.0]}) == 5 and w.get_value().tolist() == [0, 1, 2]
    assert unnamed2.get_value().tolist() == [1, 1]
    f = phintys.function([x], y)
    pkl_utils.dump(f, path)
    assert pkl_utils.load(path)([1.0, 2.0, 3.0]) == 10


def test_names_of_pickled_shared_variables(tmp_path):
    path = tmp_path / "m.zip"
    a, b = phintys.shared(np.zeros(1), "same"), phintys.shared(np.ones(1), "same")
    pkl_utils.dump([a, b], path)
    with np.load(path) as arrays:
        assert arrays["same"].tolist() == [0] and arrays["same_2"].tolist() == [1]
    assert [v.get_value().tolist() for v in pkl_utils.load(path)] == [[0], [1]]

    def strict(zip_file):
        return pkl_utils.PersistentSharedVariableID(zip_file, False, False)

    for model in ([a, b], [phintys.shared(np.zeros(1))]):
        with pytest.raises(ValueError):
            pkl_utils.dump(model, path, persistent_id=strict)
    with pytest.raises(ValueError, match="pkl"):
        pkl_utils.dump(phintys.shared(np.zeros(1), "pkl"), path)


def test_function_dump(tmp_path):
    x = T.dvector("x")
    x.tag.test_value, x.tag.note, x.tag.kept = np.ones(9), "a", "b"
    path = tmp_path / "f.pkl"
    phintys.function_dump(path, [x], x * 2, name="double", extra_tag_to_remove=["note"])
    with open(path, "rb") as f:
        arguments = pickle.load(f)
    assert vars(arguments["inputs"][0].tag) == {"kept": "b"}
    f = phintys.function(**arguments)
    assert f.name == "double" and f([1.0, 2.0]).tolist() == [2, 4]


def test_python2_pickles_can_be_read(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(b"U\x03\xe9ab.")
    with open(path, "rb") as f:
        assert pkl_utils.CompatUnpickler(f).load() == "\xe9ab"


def test_linkers_have_names():
    compile.register_linker("of_this_test", object())
    try:
        assert compile.Mode(linker="of_this_test").provided_linker == "of_this_test"
        with pytest.raises(ValueError, match="taken"):
            compile.register_linker("of_this_test", object())
    finally:
        del compile.predefined_linkers["of_this_test"]


def test_shared_numbers():
    from phintys.scalar.sharedvar import shared

    assert shared(1.5).ndim == 0
    with pytest.raises(TypeError):
        shared(np.ones(3))


def test_modules_that_only_hold_names():
    for path, names in {
        "sandbox.softsign": "softsign", "sandbox.neighbours": "images2neibs neibs2images",
        "sandbox.conv": "conv2d ConvOp", "sandbox.fourier": "fft Fourier",
        "gof.null_type": "NullType null_type", "misc.pkl_utils": "dump load StripPickler",
    }.items():  # fmt: skip
        module = importlib.import_module("phintys." + path)
        assert all(hasattr(module, n) for n in names.split())

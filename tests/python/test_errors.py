"""Classes of errors, the alias of Theano, and the command line."""

import copy
import os
import pickle
import subprocess
import sys
import weakref

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import errors


def test_one_hierarchy():
    for builtin in (ValueError, TypeError, IndexError, KeyError, AssertionError):
        own = [
            c for c in vars(errors).values()
            if isinstance(c, type) and issubclass(c, errors.PhintysError) and issubclass(c, builtin)
        ]  # fmt: skip
        assert own
    with pytest.raises(errors.PhintysError):
        T.dmatrix().dimshuffle(0)
    assert issubclass(errors.DisconnectedInputError, ValueError)
    assert issubclass(errors.NullTypeGradError, TypeError)
    assert issubclass(errors.AsTensorError, TypeError)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_run_time_errors_name_op_shapes_and_line(mode):
    x, y = T.dvectors("x", "y")
    f = phintys.function([x, y], T.exp(x) + y, mode=mode)
    with pytest.raises(ValueError) as info:
        f(np.ones(3), np.ones(4))
    text = str(info.value)
    assert "3" in text and "4" in text and "test_errors.py" in text


def test_theano_alias():
    from phintys.compat import install_theano_alias, uninstall_theano_alias

    install_theano_alias()
    try:
        import theano
        import theano.tensor as tt
        from theano.gof.graph import Variable

        assert theano is phintys and tt is T and Variable is phintys.Variable
        with pytest.raises(ModuleNotFoundError):
            import theano.no_such_module
        assert phintys.tensor.__spec__.name == "phintys.tensor"
    finally:
        uninstall_theano_alias()


def test_variables_live_like_objects():
    x = T.dvector("x")
    reference = weakref.ref(x)
    del x
    assert reference() is None
    kind = pickle.loads(pickle.dumps(T.TensorType("float32", (True, False))))
    assert kind == T.frow


def test_variables_can_be_pickled_and_copied():
    x = T.dvector("x")
    x.tag.role = "input"
    y = T.exp(x).sum() * 2
    a, b = pickle.loads(pickle.dumps((x, y)))
    assert a.tag.role == "input"
    assert b.eval({a: [0.0, 0.0]}) == 4
    assert copy.deepcopy(T.constant(3.0)).data == 3
    deep = x.sum()
    for _ in range(5000):
        deep = deep + 1
    assert copy.deepcopy(deep) is not deep


def test_command_line():
    for option in ("--info", "--include-dir", "--cmake-dir"):
        result = subprocess.run(
            [sys.executable, "-m", "phintys", option],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0 or "without its C++ files" in result.stderr, result.stderr
    assert phintys.cuda.status()["available"] in (True, False)

"""Graphs inside ops are data: saved with functions, pickled and copied with graphs."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import _core


def loop(body, n_sequences, **attributes):
    defaults = {"taps": [1, -1], "keep": [1], "n_emitted": 0, "until": False, "truncate": -1}
    defaults["recompute"] = False
    return _core.make_op(
        "scan", graph=body, n_sequences=n_sequences, label="", **(defaults | attributes)
    )


def recurrence(scale=0.5):
    """s <- tanh(s * constants) + q."""
    s, q = T.dvectors("s", "q")
    weights = T.constant(np.linspace(-1, 1, 3) * scale)
    return loop(_core.InnerGraph([s, q], [T.tanh(s * weights) + q]), 1)


def steps_of(scale, s0, qs):
    s, rows = s0[0], [s0[0]]
    for q in qs:
        s = np.tanh(s * (np.linspace(-1, 1, 3) * scale)) + q
        rows.append(s)
    return np.array(rows)


def operands():
    return T.lscalar("n"), T.dmatrix("s0"), T.dmatrix("qs")


def data():
    rng = np.random.default_rng(0)
    return 4, rng.standard_normal((1, 3)), rng.standard_normal((4, 3))


def looped(op, n, s0, qs):
    return _core.apply_op(op, [n, s0, qs])


def version(path):
    return int.from_bytes(path.read_bytes()[8:12], "little")


def nested():
    """A loop whose body runs the same other loop twice, and one of another constant."""
    inner, other = recurrence(), recurrence(0.25)
    t, block = T.dvector("t"), T.dmatrix("block")
    n, start = block.shape[0], T.shape_padleft(t)
    one = looped(inner, n, start, block)[-1]
    two = looped(recurrence(), n, T.shape_padleft(one), block)[-1]
    three = looped(other, n, start, block)[-1]
    body = _core.InnerGraph([t, block], [two - three])
    outer = loop(body, 1)
    blocks, t0 = T.dtensor3("blocks"), T.dmatrix("t0")
    return [t0, blocks], looped(outer, blocks.shape[0], t0, blocks)


def test_a_loop_runs_on_after_loading(tmp_path):
    v = operands()
    f = phintys.function(v, looped(recurrence(), *v))
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    assert g(*data()).tobytes() == f(*data()).tobytes()
    np.testing.assert_allclose(g(*data()), steps_of(0.5, *data()[1:]), rtol=1e-13)
    assert version(tmp_path / "f.phy") == 2
    g.save(tmp_path / "g.phy")
    assert phintys.load(tmp_path / "g.phy")(*data()).tobytes() == f(*data()).tobytes()


def test_loops_in_loops(tmp_path):
    inputs, out = nested()
    f = phintys.function(inputs, out)
    f.save(tmp_path / "f.phy")
    g = phintys.load(tmp_path / "f.phy")
    rng = np.random.default_rng(1)
    values = rng.standard_normal((1, 3)), rng.standard_normal((5, 2, 3))
    assert g(*values).tobytes() == f(*values).tobytes()
    t = values[0][0]
    for block in values[1]:
        one = steps_of(0.5, t[None], block)[-1]
        t = steps_of(0.5, one[None], block)[-1] - steps_of(0.25, t[None], block)[-1]
    np.testing.assert_allclose(g(*values)[-1], t, rtol=1e-13)


def test_loops_that_differ_in_a_constant_stay_apart(tmp_path):
    v = operands()
    outs = [looped(recurrence(scale), *v) for scale in (0.5, 0.25, 0.5)]
    phintys.function(v, outs).save(tmp_path / "f.phy")
    results = phintys.load(tmp_path / "f.phy")(*data())
    for scale, rows in zip((0.5, 0.25, 0.5), results, strict=True):
        np.testing.assert_allclose(rows, steps_of(scale, *data()[1:]), rtol=1e-13)


def test_a_function_without_loops_is_written_for_older_readers(tmp_path):
    x = T.dvector("x")
    phintys.function([x], T.exp(x)).save(tmp_path / "f.phy")
    assert version(tmp_path / "f.phy") == 1


def test_every_truncation_is_refused(tmp_path):
    v = operands()
    path = tmp_path / "f.phy"
    phintys.function(v, looped(recurrence(), *v)).save(path)
    whole = path.read_bytes()
    for n in range(0, len(whole), 7):
        with pytest.raises(ValueError, match="not a valid saved function"):
            phintys.load(whole[:n])


def test_a_loaded_file_runs_in_a_fresh_process(tmp_path):
    v = operands()
    f = phintys.function(v, looped(recurrence(), *v))
    f.save(tmp_path / "f.phy")
    np.savez(tmp_path / "data.npz", *data())
    program = (
        "import sys, numpy as np, phintys\n"
        "d = np.load(sys.argv[2])\n"
        "r = phintys.load(sys.argv[1])(*(d[k] for k in d.files))\n"
        "print(r.tobytes().hex())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "f.phy", tmp_path / "data.npz"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f(*data()).tobytes().hex()


@pytest.mark.parametrize(
    "duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy]
)
def test_ops_and_graphs_inside_them_are_pickled_and_copied(duplicate):
    op = recurrence()
    assert duplicate(op) == op
    assert duplicate(op) != recurrence(0.25)
    body = op.attrs["graph"]
    assert duplicate(body) == body
    assert hash(duplicate(body)) == hash(body)
    out = nested()[1]
    op = out.owner.op
    assert duplicate(op) == op


def test_expressions_with_loops_are_pickled():
    inputs, out = nested()
    inputs2, out2 = pickle.loads(pickle.dumps((inputs, out)))
    rng = np.random.default_rng(1)
    values = rng.standard_normal((1, 3)), rng.standard_normal((5, 2, 3))
    expected = phintys.function(inputs, out)(*values)
    assert phintys.function(inputs2, out2)(*values).tobytes() == expected.tobytes()


def test_pickled_functions_hold_their_loops():
    v = operands()
    f = phintys.function(v, looped(recurrence(), *v))
    g = pickle.loads(pickle.dumps(f))
    assert g(*data()).tobytes() == f(*data()).tobytes()


def test_a_body_that_needs_more_than_its_inputs_is_refused():
    s, q = T.dvectors("s", "q")
    w = phintys.shared(np.ones(3), name="w")
    with pytest.raises(phintys.gof.MissingInputError, match="q"):
        _core.InnerGraph([s], [s + q])
    with pytest.raises(phintys.gof.MissingInputError, match="w"):
        _core.InnerGraph([s], [s + w])
    with pytest.raises(ValueError, match="twice"):
        _core.InnerGraph([s, s], [s])


@pytest.mark.parametrize("count", [2**63 - 1, 2**63 - 2, -(2**63), -1, 3])
def test_wild_counts_are_refused(count):
    body = recurrence().attrs["graph"]
    with pytest.raises(ValueError, match="number of the body's outputs is wrong"):
        loop(body, 1, n_emitted=count)
    with pytest.raises(ValueError, match="the body has too few inputs"):
        loop(body, count)

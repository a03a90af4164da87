"""Loops with passes and profiles of their own: ``scan(mode=, profile=)``."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys import Mode, function, scan
from phintys.gof.graph import io_toposort

X = np.array([0.25, 0.5, -1.0])
PLAIN = Mode(optimizer=None)


def loops_of(f):
    return [n.op for n in f.maker.fgraph.toposort() if str(n.op).startswith("Scan")]


def body_of(op):
    """The ops of a loop's body, in order."""
    return [str(node.op) for node in io_toposort(op.inputs, op.outputs)]


def step(s):
    return T.log(T.exp(s) * 2) * 1.0


def walk(x, **settings):
    return scan(step, outputs_info=x, n_steps=4, **settings)[0]


def text(mode, function_mode="FAST_RUN"):
    x = T.dvector("x")
    f = function([x], walk(x, mode=mode), mode=function_mode)
    np.testing.assert_allclose(f(X)[-1], X + 4 * np.log(2), rtol=1e-14)
    (loop,) = loops_of(f)
    return body_of(loop)


MODES = ["FAST_RUN", "FAST_COMPILE", PLAIN, Mode().excluding("canonicalize"), "FastCompileMode"]


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("outer", MODES, ids=str)
def test_the_body_is_that_of_its_mode_in_every_function(mode, outer):
    assert text(mode, outer) == text(None, mode)


def test_the_modes_of_these_tests_differ():
    bodies = [text(mode) for mode in MODES[:4]]
    assert all(a != b for k, a in enumerate(bodies) for b in bodies[:k])


def test_fusion_of_the_body_alone():
    x = T.dvector("x")

    def loop_ops(mode):
        f = function([x], T.tanh(walk(x, mode=mode)) + 1.0, profile=quiet())
        f(X)
        (loop,) = f.profile.loops
        assert [n.op for n in f.profile.nodes if n.owner is None and "tanh" in n.op]
        return [n.op for n in loop.nodes]

    assert loop_ops(None) == loop_ops("FAST_RUN") == ["Fused{exp,mul,log}"]
    assert len(loop_ops(Mode().excluding("fusion"))) == 3


def quiet():
    return phintys.ProfileStats(atexit_print=False)


def test_gradients_have_the_mode_of_their_loop():
    x = T.dvector("x")
    counts = {}
    for mode in ("FAST_RUN", PLAIN):
        slope = phintys.grad((walk(x, mode=mode, name="walk")[-1] ** 2).sum(), x)
        f = function([x], slope)
        np.testing.assert_allclose(f(X), 2 * (X + 4 * np.log(2)), rtol=1e-12)
        loops = loops_of(f)
        assert len(loops) == 2
        counts[mode] = sum(len(body_of(op)) for op in loops)
    assert counts[PLAIN] > counts["FAST_RUN"]


def test_a_loop_in_a_loop_has_its_own_mode():
    x = T.dvector("x")

    def make(inner, outer):
        out, _ = scan(
            lambda s: walk(s, mode=inner)[-1] * 0.5, outputs_info=x, n_steps=2, mode=outer
        )
        f = function([x], out, mode="FAST_RUN")
        once = (X + 4 * np.log(2)) / 2
        np.testing.assert_allclose(f(X), [once, (once + 4 * np.log(2)) / 2], rtol=1e-14)
        (loop,) = loops_of(f)
        nodes = io_toposort(loop.inputs, loop.outputs)
        (inside,) = [n.op for n in nodes if str(n.op).startswith("Scan")]
        return body_of(inside)

    assert make("FAST_RUN", PLAIN) == make(None, None) == make("FAST_RUN", "FAST_RUN")
    assert make(PLAIN, "FAST_RUN") == make(None, PLAIN) == make(PLAIN, PLAIN)
    assert make(None, None) != make(None, PLAIN)


def test_loops_of_different_modes_stay_apart():
    x = T.dvector("x")

    def count(*modes):
        outs = [scan(lambda s, k=k: s * k, outputs_info=x, n_steps=4, mode=m)[0]
                for k, m in enumerate(modes, 2)]  # fmt: skip
        f = function([x], outs)
        for k, rows in enumerate(f(X), 2):
            np.testing.assert_allclose(rows[-1], X * k**4)
        return len(loops_of(f))

    assert count(None, None) == count("FAST_COMPILE", "FAST_COMPILE") == 1
    assert count(None, "FAST_COMPILE") == 2


def test_equal_loops_of_different_modes_are_not_one():
    x = T.dvector("x")
    f = function([x], [walk(x, mode="FAST_RUN"), walk(x, mode=PLAIN)])
    assert len(loops_of(f)) == 2
    a, b = f(X)
    np.testing.assert_allclose(a, b, rtol=1e-14)


def test_saved_functions_need_no_modes():
    x = T.dvector("x")
    f = function([x], walk(x, mode=PLAIN, profile=True))
    f.loop_profiles["scan"].atexit_print = False
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again(X), f(X))
    assert again.loop_profiles == {}


@pytest.mark.parametrize("name", ["DebugMode", "NanGuardMode"])
def test_modes_that_check_are_for_functions(name):
    x = T.dvector("x")
    with pytest.warns(UserWarning, match=f"{name} are for whole functions"):
        out = walk(x, mode=name)
    np.testing.assert_allclose(function([x], out)(X)[-1], X + 4 * np.log(2))


def test_debug_mode_checks_loops_of_every_mode():
    x = T.dvector("x")
    f = function([x], walk(x, mode="FAST_RUN"), mode="DebugMode")
    np.testing.assert_allclose(f(X)[-1], X + 4 * np.log(2))
    (plain,) = loops_of(f._reference)
    assert body_of(plain) == text(PLAIN)
    assert len(f._variants) > 2


def test_errors_of_mode_and_profile():
    x = T.dvector("x")
    with pytest.raises(phintys.errors.PhintysError, match="No predefined mode exist"):
        walk(x, mode="FAST_WALK")
    with pytest.raises(TypeError, match="mode must be a mode or its name, not int"):
        walk(x, mode=3)
    with pytest.raises(TypeError, match=r"profile=. is True, False, or the name"):
        walk(x, profile=3)


@pytest.mark.parametrize("helper", ["map", "reduce", "foldl", "foldr"])
def test_helpers_pass_the_mode_on(helper):
    x = T.dvector("x")
    bodies = []
    for mode in ("FAST_RUN", PLAIN):
        if helper == "map":
            out, _ = phintys.map(step, x, mode=mode)
        else:
            out, _ = getattr(phintys, helper)(lambda e, s: step(e + s), x, np.float64(0), mode=mode)
        f = function([x], out, mode="FAST_COMPILE")  # in which maps stay loops
        f(X)
        bodies += [body_of(op) for op in loops_of(f)]
    fast, plain = bodies
    assert len(fast) < len(plain)


# --- profiles ----------------------------------------------------------------------------------


def profiled(**settings):
    x = T.dvector("x")
    f = function([x], walk(x, **settings), name="f")
    f(X)
    f(X)
    for profile in f.loop_profiles.values():
        profile.atexit_print = False
    return f


def test_a_loop_alone_is_profiled():
    f = profiled(profile=True, name="walk")
    assert f.profile is None
    assert list(f.loop_profiles) == ["walk"]
    profile = f.loop_profiles["walk"]
    assert (profile.callcount, profile.nbsteps) == (2, 8)
    assert profile.call_time > 0
    (loop,) = profile.loops
    assert "Scan{walk}" in loop.name
    out = io.StringIO()
    profile.summary(out)
    assert "Profile of loops: walk, in f" in out.getvalue()
    assert "2 runs, 8 steps" in out.getvalue()
    profile.reset()
    assert profile.callcount == 0


def test_names_of_profiles():
    assert list(profiled(profile="title", name="walk").loop_profiles) == ["title"]
    assert list(profiled(profile=True).loop_profiles) == ["scan"]
    assert profiled(profile=False).loop_profiles == {}
    assert profiled(profile="").loop_profiles == {}
    assert profiled().loop_profiles == {}


def test_gradients_are_in_the_profile():
    x = T.dvector("x")
    f = function([x], phintys.grad(walk(x, profile=True, name="w")[-1].sum(), x))
    f.loop_profiles["w"].atexit_print = False
    f(X)
    assert sorted(loop.name for loop in f.loop_profiles["w"].loops) == [
        "Scan{grad_of_w}",
        "Scan{w}",
    ]


def test_a_profile_of_the_loop_and_one_of_the_function():
    x = T.dvector("x")
    f = function([x], walk(x, profile=True, name="w") + 1, profile=quiet())
    f.loop_profiles["w"].atexit_print = False
    f(X)
    assert f.profile.fct_callcount == 1
    assert f.loop_profiles["w"].callcount == 1


def test_profiles_of_loops_are_printed_at_the_end():
    program = """
import phintys, phintys.tensor as T
x = T.dvector('x')
def make(name, **kw):
    out, _ = phintys.scan(lambda s: s * 2, outputs_info=x, n_steps=3, name=name, **kw)
    return phintys.function([x], out)
make('ran', profile=True)([1.0])
make('idle', profile=True)
make('plain')([1.0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "Loop Scan{ran}" in done.stderr and "1 runs, 3 steps" in done.stderr
    assert "idle" not in done.stderr and "plain" not in done.stderr

"""Whatever attributes and operands an op is given, it works or says what is wrong."""

import hostile_ops
import numpy as np
import phintys
import phintys.tensor as T
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phintys import _core

NAMES = sorted(_core.structural_ops())


@pytest.fixture(autouse=True)
def limited():
    """No case may take much memory: beyond this it is told so."""
    _core.set_config(memory_limit=_core.memory_stats()["live_bytes"] + (256 << 20))
    yield
    _core.set_config(memory_limit=0)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_operands_and_attributes(name):
    done = []

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 2**32))
    def run(seed):
        done.append(hostile_ops.attempt(seed, name))

    run()
    TAKEN[name] = sum(done)


TAKEN = {}


def test_most_ops_were_run():
    """Random attributes are not refused by all ops alike: else nothing would be tested.

    Where processes share the tests, each judges those that it ran; which they are is chance, so
    that fewer of them may be taken.
    """
    if len(TAKEN) < 20:
        pytest.skip("this process ran too few of the tests above to judge")
    share = 0.8 if len(TAKEN) == len(NAMES) else 0.6
    assert sum(n > 0 for n in TAKEN.values()) > len(TAKEN) * share, TAKEN


@pytest.mark.parametrize("axis", [-1, 3, 2**31, 2**63 - 2, 2**63 - 1])
@pytest.mark.parametrize("name", ["subtensor", "inc_subtensor"])
def test_axes_beyond_the_array(name, axis):
    x, y, index = T.dmatrix(), T.dmatrix(), T.lvector()
    mask, count = T.vector(dtype="bool"), T.lscalar()
    values, set_it = ([], {}) if name == "subtensor" else ([y], {"set_instead_of_inc": True})
    with pytest.raises(IndexError, match="too many indices"):
        _core.apply(f"advanced_{name}", [x, *values, index, index], axis=axis, **set_it)
    with pytest.raises(IndexError, match="too many indices"):
        _core.apply(f"mask_{name}", [x, *values, mask, count], axis=axis, **set_it)


def test_many_empty_rows_take_no_time():
    empty = np.broadcast_to(np.zeros((1, 0)), (2**40, 0))
    x, g, y = T.dmatrix(), T.dvector(), T.lvector()
    none = np.empty(0)
    for log in (False, True):
        out = _core.apply("crossentropy_softmax_grad", [g, x, y], log=log)
        f = phintys.function([g, x, y], out)
        assert f(none, empty, none.astype("int64")).shape == (2**40, 0)
    for out in (*T.nlinalg.qr(x), T.nlinalg.svd(x, compute_uv=False)):
        assert 0 in phintys.function([x], out)(empty).shape


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_lengths_of_a_pooling_gradient(entries):
    lengths, g, two = T.lvector(), T.dmatrix(), T.constant([2, 2])
    attrs = {"ignore_border": True, "mode": "sum", "ndim": 2}
    out = _core.apply("average_pool_grad", [lengths, g, two, two, T.constant([0, 0])], **attrs)
    f = phintys.function([lengths, g], out)
    with pytest.raises(ValueError, match=f"there must be 2 lengths, got {entries}"):
        f(np.full(entries, 4), np.ones((2, 2)))
    assert f(np.array([4, 4]), np.ones((2, 2))).shape == (4, 4)


@pytest.mark.parametrize("n", [2**61, 2**61 + 1, 2**62, 2**63 - 1])
def test_choices_without_replacement_out_of_very_many(n):
    length, key = T.lscalar(), np.arange(628, dtype="uint32") % 624
    state = T.constant(key)
    choice = [length, *map(T.constant, [np.int64(0), np.empty(0), np.int64(2)])]
    f = phintys.function([length], _core.apply("mt19937_draw", [state, *choice], kind="choice"))
    assert sorted(f(2)[1]) == [0, 1]
    with pytest.raises(MemoryError, match="too large"):
        f(n)

"""Random graphs over the whole registry: FAST_RUN, FAST_COMPILE and no passes, against NumPy."""

import library_graphs as lg
import numpy as np
import phintys
from hypothesis import given
from hypothesis import strategies as st
from phintys import _core
from phintys.compile.mode import Mode
from test_random_graphs import bounded
from value_cases import PUBLIC

MODES = {"FAST_RUN": "FAST_RUN", "FAST_COMPILE": "FAST_COMPILE", "none": Mode(optimizer=None)}
# Rounding is repaid by SciPy's own: some of its functions are good to ten digits only.
RTOL, ATOL = 2e-8, 1e-9

# Ops that no step makes, and where they are tested.
ELSEWHERE = {
    # made by gradients and passes only: the tests of their areas and of gradients
    *"average_pool_grad batch_norm_grad ctc_grad gemm gemv layer_norm_grad max_pool_grad".split(),
    *"max_pool_grad_grad softmax_grad crossentropy_softmax_grad conv_grad_inputs".split(),
    *"conv_grad_weights neibs2images solve_factored sum_to_like permute_rows".split(),
    *"deep_copy set_diagonal sparse_gather sparse_major sparse_sampled_dot".split(),
    # pass their operand on and change its gradient
    *"consider_constant disconnected_grad grad_clip grad_scale undefined_grad zero_grad".split(),
    # draws: statistical tests and known numbers
    *"choose_from_uniform mrg_uniform mt19937_draw philox_draw philox_rows".split(),
    # need operands of their own kinds: test_nnet_ctc, test_nnet_norm, test_errors_runtime
    *"ctc batch_norm scale_channels assert".split(),
    # loops, branches, graphs as ops, and what acts on the outside
    *"scan ifelse op_from_graph print check_and_raise enough_steps".split(),
    # where outputs are wanted: test_device_surface
    "transfer",
}


@bounded(300)
@given(lg.PROGRAM, st.integers(0, 99))
def test_values(program, seed):
    start, exact, smooth = lg.build(program, seed)
    values = exact[-2:] + smooth
    for name, mode in MODES.items():
        f = phintys.function(
            [start.var], [v.var for v in values], mode=mode, on_unused_input="ignore"
        )
        for k, (got, v) in enumerate(zip(f(start.array), values, strict=True)):
            what = f"{name}, output {k}: {v.var.owner and v.var.owner.op}"
            assert got.dtype == v.array.dtype, what
            if k < len(exact[-2:]):
                np.testing.assert_array_equal(got, v.array, err_msg=what)
            else:
                np.testing.assert_allclose(got, v.array, rtol=RTOL, atol=ATOL, err_msg=what)


def occurring():
    """The names of ops in the graphs that single steps make, a few at a time."""
    for c in range(256):
        for seed in range(5):
            start, *_ = lg.build([], seed)
            met = set()
            for run in lg.EXACT + lg.SMOOTH:
                made = run(start, c)
                met |= lg.op_names([made.var]) if made else set()
            yield met


def test_the_steps_cover_the_registry():
    """Every op of the registry occurs in the graphs, or is named with the place of its tests."""
    missing = set(_core.structural_ops()) - ELSEWHERE
    for name in lg.NAMES:
        if not PUBLIC[name]["zero_grad"] and PUBLIC[name]["rule"] != "discrete_only":
            missing.add(name)
    for met in occurring():
        missing -= met
        if not missing:
            break
    assert not missing, f"no random graph has {sorted(missing)}"
    assert not ELSEWHERE - set(_core.structural_ops()), "ops that are no more"

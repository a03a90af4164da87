"""The test tools for users' ops."""

from __future__ import annotations

import unittest
import warnings
from typing import Any

import numpy as np
import phintys
import phintys.tensor as T
import pytest
from phintys.tests import unittest_tools as utt


class Doubled(phintys.Op):
    """2 * x; with `wrong`, its shape or gradient is false."""

    __props__ = ("wrong",)

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong

    def make_node(self, x: Any) -> Any:
        return phintys.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] * 2

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        if self.wrong == "unknown":
            raise NotImplementedError
        return [tuple(reversed(shapes[0]))] if self.wrong == "shape" else shapes

    def grad(self, inputs: Any, output_grads: Any) -> Any:
        return [output_grads[0] * (3 if self.wrong == "gradient" else 2)]


class Tester(utt.InferShapeTester):
    """What a user writes."""

    def runTest(self) -> None:
        x = T.dmatrix("x")
        self._compile_and_check([x], [Doubled()(x)], [np.ones((2, 3))], Doubled)


def check(op: Any, shape: Any = (2, 3), **kwargs: Any) -> None:
    tester = Tester()
    tester.setUp()
    x = T.dmatrix("x")
    tester._compile_and_check([x], [op(x)], [np.ones(shape)], type(op), **kwargs)


def test_infer_shape_tester() -> None:
    assert unittest.TextTestRunner(verbosity=0).run(Tester()).wasSuccessful()
    with pytest.raises(AssertionError):
        check(Doubled("shape"))
    with pytest.raises(AssertionError):
        check(Doubled("unknown"))
    check(Doubled("unknown"), check_topo=False)
    with pytest.warns(UserWarning, match="square matrix"):
        check(Doubled(), shape=(3, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(Doubled(), shape=(3, 3), warn=False)


def test_verify_grad() -> None:
    utt.verify_grad(Doubled(), [np.ones((2, 3))])
    with pytest.raises(phintys.gradient.GradientError):
        utt.verify_grad(Doubled("gradient"), [np.ones((2, 3))])


def test_assert_allclose() -> None:
    utt.assert_allclose([1.0, np.nan], [1.0 + 1e-9, np.nan])
    utt.assert_allclose(np.float32(1), 1 + 5e-6)
    with pytest.raises(utt.WrongValue, match="Max Abs Diff"):
        utt.assert_allclose([1.0], [1.1])
    with pytest.raises(utt.WrongValue):
        utt.assert_allclose([1.0], [[1.0], [1.0]])
    utt.assert_allclose([1.0], [1.1], rtol=0.2)


def test_functions_contain() -> None:
    x = T.dmatrix("x")
    f = phintys.function([x], Doubled()(Doubled("unknown")(x)))
    tools = utt.TestOptimizationMixin()
    tools.assertFunctionContains1(f, Doubled())
    tools.assertFunctionContains0(f, Doubled("shape"))
    tools.assertFunctionContainsClassN(f, Doubled, 2)
    with pytest.raises(AssertionError):
        tools.assertFunctionContainsN(f, Doubled(), 2)


class TestContract(utt.T_OpContractMixin):
    ops = (Doubled(), Doubled("shape"))
    other_op = Doubled("gradient")


def test_seeds_and_attempts() -> None:
    assert utt.seed_rng(5) == 5
    first = np.random.rand()
    utt.seed_rng(5)
    assert np.random.rand() == first
    tries = []

    @utt.AttemptManyTimes(n_attempts=5, n_req_successes=2)
    def sometimes() -> None:
        tries.append(np.random.rand())
        assert len(tries) > 2

    sometimes()
    assert len(tries) == 4 and len(set(tries)) == 4

    @utt.AttemptManyTimes(n_attempts=3)
    def never() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        never()

"""``theano.tests.unittest_tools``: comparisons and checks of ops for a program's own tests."""

from __future__ import annotations

import functools
import sys
import unittest
import warnings
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np

from phintys import function
from phintys.compile.mode import get_default_mode
from phintys.config import config
from phintys.gradient import verify_grad as _verify_grad

__all__ = [
    "AttemptManyTimes",
    "InferShapeTester",
    "OptimizationTestMixin",
    "T_OpContractMixin",
    "TestOptimizationMixin",
    "WrongValue",
    "assertFailure_fast",
    "assert_allclose",
    "fetch_seed",
    "seed_rng",
    "str_diagnostic",
    "verify_grad",
]

# Relative and absolute tolerance by the dtype of least precision.
_TOLERANCES = {"float16": 5e-3, "float32": 1e-5, "float64": 1e-8}


def fetch_seed(pseed: Any = None) -> int | None:
    """The seed for tests: `pseed`, or ``config.unittests.rseed``; None for a random one."""
    seed = config.unittests.rseed if pseed is None else pseed
    return None if seed in ("random", None) else int(seed)


def seed_rng(pseed: Any = None) -> int | None:
    """Seeds NumPy's global generator with :func:`fetch_seed` and returns the seed."""
    seed = fetch_seed(pseed)
    np.random.seed(seed)
    return seed


def verify_grad(
    op: Callable[..., Any], pt: Sequence[Any], n_tests: int = 2, rng: Any = None, **kwargs: Any
) -> None:
    """:func:`phintys.gradient.verify_grad` with NumPy's global generator, seeded for tests."""
    if rng is None:
        seed_rng()
        rng = np.random
    _verify_grad(op, pt, n_tests=n_tests, rng=rng, **kwargs)


class WrongValue(Exception):
    """Two values differ by more than the tolerances allow."""

    def __init__(
        self,
        expected_val: Any,
        val: Any,
        rtol: float | None = None,
        atol: float | None = None,
    ) -> None:
        super().__init__(expected_val, val, rtol, atol)
        self.expected_val, self.val, self.rtol, self.atol = expected_val, val, rtol, atol

    def __str__(self) -> str:
        return "WrongValue\n" + str_diagnostic(self.expected_val, self.val, self.rtol, self.atol)


def str_diagnostic(expected: Any, value: Any, rtol: float | None, atol: float | None) -> str:
    """How two values differ, as text."""
    a, b = np.asarray(expected), np.asarray(value)
    lines = [
        f"  : shape, dtype, min, max, n_inf, n_nan of the {what}: {x.shape}, {x.dtype}, "
        f"{x.min() if x.size else None}, {x.max() if x.size else None}, "
        f"{np.isinf(x).sum()}, {np.isnan(x).sum()}"
        for what, x in (("expected value", a), ("value", b))
    ]
    if a.shape == b.shape and a.size:
        absolute = np.abs(a - b)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.nan_to_num(absolute / np.abs(a))
        lines.append(f"  Max Abs Diff: {absolute.max()}")
        lines.append(f"  Max Rel Diff: {relative.max()}")
    lines.append(f"  rtol, atol: {rtol}, {atol}")
    return "\n".join(lines)


def assert_allclose(
    expected: Any, value: Any, rtol: float | None = None, atol: float | None = None
) -> None:
    """Raises :class:`WrongValue` unless the values agree within tolerances of their dtypes."""
    a, b = np.asarray(expected), np.asarray(value)
    narrow = [x.dtype.name for x in (a, b) if x.dtype.name in ("float16", "float32", "complex64")]
    least = min(
        ("float32" if name == "complex64" else name for name in narrow),
        key=list(_TOLERANCES).index,
        default="float64",
    )
    rtol = (_TOLERANCES[least] if least != "float64" else 1e-5) if rtol is None else rtol
    atol = _TOLERANCES[least] if atol is None else atol
    if a.shape != b.shape or not np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        raise WrongValue(expected, value, rtol, atol)


def assertFailure_fast(f: Callable[..., Any]) -> Callable[..., Any]:
    """A test that must fail in mode FAST_COMPILE; left as it is in others."""
    if str(config.mode) != "FAST_COMPILE":
        return f

    def test_with_assert(*args: Any, **kwargs: Any) -> None:
        try:
            f(*args, **kwargs)
        except Exception:
            return
        raise AssertionError("the test did not fail")

    return test_with_assert


def _nodes(f: Any) -> list[Any]:
    return list(f.maker.fgraph.toposort())


class TestOptimizationMixin:
    """Assertions about the ops in a compiled function's graph."""

    __test__ = False

    def assertFunctionContains(self, f: Any, op: Any, min: int = 1, max: int = sys.maxsize) -> None:
        """`op` is applied at least `min` and at most `max` times."""
        found = sum(node.op == op for node in _nodes(f))
        assert min <= found <= max, f"{found} applications of {op}, not {min} to {max}"

    def assertFunctionContains0(self, f: Any, op: Any) -> None:
        """`op` is not applied."""
        self.assertFunctionContains(f, op, min=0, max=0)

    def assertFunctionContains1(self, f: Any, op: Any) -> None:
        """`op` is applied once."""
        self.assertFunctionContains(f, op, min=1, max=1)

    def assertFunctionContainsN(self, f: Any, op: Any, N: int) -> None:
        """`op` is applied `N` times."""
        self.assertFunctionContains(f, op, min=N, max=N)

    def assertFunctionContainsClass(
        self, f: Any, op: Any, min: int = 1, max: int = sys.maxsize
    ) -> None:
        """Ops of class `op` are applied at least `min` and at most `max` times."""
        found = sum(isinstance(node.op, op) for node in _nodes(f))
        assert min <= found <= max, f"{found} applications of {op}, not {min} to {max}"

    def assertFunctionContainsClassN(self, f: Any, op: Any, N: int) -> None:
        """Ops of class `op` are applied `N` times."""
        self.assertFunctionContainsClass(f, op, min=N, max=N)


OptimizationTestMixin = TestOptimizationMixin


class T_OpContractMixin:
    """Checks of equality, hash and name for the ops in ``self.ops``.

    ``other_op`` differs from all of them; ``clone(op)`` makes an equal op, by default a copy.
    """

    ops: Sequence[Any] = ()
    other_op: Any = None

    def clone(self, op: Any) -> Any:
        """An op equal to `op` that is another object."""
        return copy(op)

    def test_eq(self) -> None:
        """An op equals itself and its clone, and no other."""
        for i, op_i in enumerate(self.ops):
            assert op_i == op_i
            assert op_i == self.clone(op_i)
            assert op_i != self.other_op
            for j, op_j in enumerate(self.ops):
                assert (op_i == op_j) == (i == j)

    def test_hash(self) -> None:
        """Equal ops have equal hashes, which do not change."""
        for i, op_i in enumerate(self.ops):
            h = hash(op_i)
            assert h == hash(self.clone(op_i)) == hash(op_i)
            assert h != hash(self.other_op)
            for j, op_j in enumerate(self.ops):
                assert i == j or h != hash(op_j)

    def test_name(self) -> None:
        """An op has a text."""
        for op in self.ops:
            assert str(op)


class InferShapeTester(unittest.TestCase):
    """Base of tests of ``infer_shape``."""

    def setUp(self) -> None:
        """Seeds the generators and takes the default mode."""
        seed_rng()
        self.mode = get_default_mode()

    def _compile_and_check(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        numeric_inputs: Sequence[Any],
        cls: Any,
        excluding: Sequence[str] | None = None,
        warn: bool = True,
        check_topo: bool = True,
    ) -> None:
        """Checks that shapes of `outputs` are right and known without the op of class `cls`.

        Warns of arrays that are square, which hide errors. With `check_topo` false the graphs are
        not looked at.
        """
        mode = self.mode.excluding(*excluding) if excluding else self.mode
        if warn:
            for variable, value in zip(inputs, numeric_inputs, strict=True):
                shape = np.shape(value)
                long = [n for n in shape if n != 1]
                if len(set(long)) < len(long):
                    warnings.warn(
                        f"While testing shape inference for {cls}, we received an input with a "
                        f"shape that has some repeated values: {shape} of {variable}, like a "
                        f"square matrix. This makes it impossible to check if the values for "
                        f"these dimensions have been correctly used, or if they have been mixed "
                        f"up.",
                        stacklevel=2,
                    )
        values = function(inputs, outputs, mode=mode)
        shapes = function(inputs, [o.shape for o in outputs], mode=mode)
        if check_topo:
            assert not any(isinstance(node.op, cls) for node in _nodes(shapes))
        assert any(isinstance(node.op, cls) for node in _nodes(values))
        for value, shape in zip(values(*numeric_inputs), shapes(*numeric_inputs), strict=True):
            assert np.all(value.shape == shape), (value.shape, shape)


class AttemptManyTimes:
    """A decorator for tests that depend on chance.

    The test is run up to `n_attempts` times, each time with another seed of NumPy's generator, and
    passes if it succeeds `n_req_successes` times.
    """

    def __init__(self, n_attempts: int, n_req_successes: int = 1) -> None:
        assert n_attempts >= n_req_successes
        self.n_attempts = n_attempts
        self.n_req_successes = n_req_successes

    def __call__(self, fct: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fct)
        def attempt_multiple_times(*args: Any, **kwargs: Any) -> None:
            seed = fetch_seed()
            failures = successes = 0
            while successes < self.n_req_successes:
                np.random.seed(None if seed is None else seed + failures + successes)
                try:
                    fct(*args, **kwargs)
                    successes += 1
                except Exception:
                    failures += 1
                    if self.n_attempts - failures < self.n_req_successes:
                        raise

        return attempt_multiple_times

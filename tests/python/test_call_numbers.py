"""Numbers as arguments: a call takes what `TensorType.filter` does, with the same value."""

from __future__ import annotations

import gc
import itertools
import sys
import warnings

import numpy as np
import phintys
import phintys.tensor as T
import pytest

DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "float16 float32 float64 complex64 complex128"
).split()

INTEGERS = [0, 1, -1, 2, 127, 128, -128, -129, 255, 256, 2**15, 2**16, 2**24 + 1, 2**31, -(2**31)]
INTEGERS += [2**32, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64]
FLOATS = [0.0, -0.0, 1.0, 0.5, 0.1, -7.0, 255.0, 65504.0, 65520.0, 1e-8, 2.0**24, 2.0**31, 2.0**63]
FLOATS += [-(2.0**63), 2.0**64, 3.4e38, 3.5e38, 1e300, 5e-324, np.inf, -np.inf, np.nan]
COMPLEX = [0j, 1 + 0j, 1 + 2j, 0.1 + 1j, complex(np.nan, 1), complex(np.inf, -0.0), 1e300j]


def numbers():
    """Python's numbers, and NumPy's scalars and 0-d arrays of every dtype that has the value."""
    yield from (True, False)
    for value in INTEGERS + FLOATS + COMPLEX:
        yield value
        for dtype in [*DTYPES, "longlong", "ulonglong", "longdouble"]:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    scalar = np.dtype(dtype).type(value)
                except (OverflowError, TypeError, ValueError):
                    continue
            yield scalar
            yield np.array(scalar)
            yield np.array(scalar).astype(np.dtype(dtype).newbyteorder("S"))


NUMBERS = list(numbers())


def outcome(f):
    """The result of f(), or the class of what it raises."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.asarray(f())
        except (TypeError, OverflowError, ValueError) as e:
            return next(
                k.__name__ for k in (TypeError, OverflowError, ValueError) if isinstance(e, k)
            )


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize("downcast", [None, True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_means_what_the_filter_says(dtype, downcast, floatX):
    x = T.TensorType(dtype, ())("x")
    with phintys.config.change_flags(floatX=floatX):
        f = phintys.function([x], x, allow_input_downcast=downcast)
        for value in NUMBERS:
            wanted = outcome(lambda value=value: x.type.filter(value, allow_downcast=downcast))
            got = outcome(lambda value=value: f(value))
            what = (value, type(value))
            if isinstance(wanted, str) or isinstance(got, str):
                assert isinstance(wanted, str) and isinstance(got, str) and wanted == got, what
                continue
            assert got.dtype == dtype and got.shape == (), what
            np.testing.assert_array_equal(got, wanted, err_msg=str(what))
            if got.dtype.kind in "fc":  # zeros of either sign are equal
                for part in ("real", "imag"):
                    signs = [np.signbit(getattr(a, part)) for a in (got, wanted)]
                    assert np.isnan(got) or signs[0] == signs[1], what


@pytest.mark.parametrize("value", [1.0, 1, True, 1j, np.float64(1), np.int8(1)])
def test_a_strict_input_takes_no_number(value):
    x = T.dscalar("x")
    f = phintys.function([phintys.In(x, strict=True)], x)
    with pytest.raises(TypeError, match="expected a ndarray object"):
        f(value)
    with pytest.raises(TypeError, match="float64"):
        f(np.array(1))
    assert f(np.array(1.0)) == 1


@pytest.mark.parametrize("value", [1.0, np.float64(1), np.array(1)])
def test_a_number_is_no_vector(value):
    x = T.dvector("x")
    with pytest.raises(TypeError, match="Wrong number of dimensions"):
        phintys.function([x], x)(value)


def test_subclasses_of_scalars_and_floats():
    class Wide(np.float32):
        pass

    class Metres(float):
        pass

    x, y = T.dscalars("x", "y")
    f = phintys.function([x, y], x + y)
    assert f(Wide(1.5), Metres(2.0)) == 3.5


def test_converted_arguments_are_released():
    x, y = T.dscalar("x"), T.iscalar("y")
    f = phintys.function([x, y], x * y)
    for value, other in itertools.product(
        [np.int64(300), np.array(5)], [np.float64(2), np.int8(3)]
    ):
        f(value, other)
    values = np.int64(70000), np.float64(12345)
    gc.collect()
    before = [sys.getrefcount(v) for v in values]
    for _ in range(50):
        f(*values)
    assert [sys.getrefcount(v) for v in values] == before

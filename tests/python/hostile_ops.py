"""Structural ops with attributes and operands that nobody would write: what a file may hold.

A case starts from an example that works (data/op_examples.json: attributes and types of operands)
and changes some of it. Every step of it, from making the op to calling the function, either works
or raises one of the library's exceptions.
"""

import json
import pathlib
import random
import re

import numpy as np
import phintys
import phintys.tensor as T
from phintys import _core

DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 "
    "complex64 complex128"
).split()
SMALL = [-3, -2, -1, 0, 1, 2, 3, 4, 5]
EDGES = [0, 1, 2, 31, 32, 40, 62]
INTEGERS = [*SMALL, 64, 65, 1000, 2**63 - 1, -(2**63), *(s * 2**e for e in EDGES for s in (1, -1))]
FLOATS = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 0.5, 1e308, 5e-324]
LENGTHS = [None, None, None, 0, 1, 2, 3, 2**31, 2**40, 2**62, 2**63 - 1]

with open(pathlib.Path(__file__).parents[1] / "data" / "op_examples.json") as file:
    EXAMPLES = json.load(file)
USED = (v for cases in EXAMPLES.values() for attrs, _ in cases for v in attrs.values())
WORDS = [*sorted({v for v in USED if isinstance(v, str)}), "", "\0", "x" * 1000, "nonsense"]


def attribute_types():
    """The types of the attributes of every structural op, by name."""
    found = {}
    for line in _core.ops_reference().split("## Structural ops")[1].splitlines():
        cells = re.split(r"(?<!\\) ?\| ?", line)
        if len(cells) > 3 and cells[1].startswith("`"):
            pairs = (a.split(": ") for a in cells[3].split(", ") if a)
            found[cells[1].strip("`")] = dict(pairs)
    return found


TYPES = attribute_types()


def any_attribute(rng, kind):
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "int":
        return rng.choice(rng.choice([SMALL, INTEGERS]))
    if kind == "float":
        return rng.choice(FLOATS)
    if kind == "str":
        return rng.choice(WORDS)
    if kind == "dtype":
        return rng.choice(DTYPES)
    length = rng.choice([0, 1, 1, 2, 2, 3, 4, 6, 7, 14, 33, 64, 5000])
    return [rng.choice(rng.choice([SMALL, INTEGERS])) for _ in range(length)]


def changed_attribute(rng, value, kind):
    if kind != "ints" or not value or rng.random() < 0.3:
        return any_attribute(rng, kind)
    value, i = list(value), rng.randrange(len(value))
    way = rng.randrange(6)
    if way < 3:
        value[i] = rng.choice(rng.choice([SMALL, INTEGERS]))
    elif way == 3:
        del value[i]
    elif way == 4:
        value.insert(i, value[i])
    else:
        value = value + value
    return value


def any_operand(rng):
    rank = rng.choice([0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 33])
    return [rng.choice(DTYPES), [rng.choice(LENGTHS) for _ in range(rank)], None]


def clipped(value, dtype):
    """An integer as near as `dtype` has one."""
    if dtype == "bool":
        return bool(value)
    info = np.iinfo(dtype)
    return min(int(info.max), max(int(info.min), int(value)))


def changed_operand(rng, operand):
    dtype, shape, value = operand[0], list(operand[1]), operand[2]
    way = rng.randrange(5)
    if way == 0:
        return [rng.choice(DTYPES), shape, None]
    if way == 1 and shape:
        del shape[rng.randrange(len(shape))]
        return [dtype, shape, None]
    if way == 2:
        shape.insert(rng.randint(0, len(shape)), rng.choice([None, 0, 1, 2]))
        return [dtype, shape, None]
    if way == 3 and shape:
        shape[rng.randrange(len(shape))] = rng.choice(LENGTHS)
        return [dtype, shape, None]
    if dtype == "bool" or dtype[0] not in "iu" or len(shape) > 2:
        return operand
    # A constant: many ops look at those while the graph is built.
    shape = [n if n is not None and n < 9 else rng.choice([0, 1, 2, 3]) for n in shape]
    numbers = rng.choice([SMALL, INTEGERS])
    value = np.empty(shape, dtype)
    for at in np.ndindex(*shape):
        value[at] = clipped(rng.choice(numbers), dtype)
    return [dtype, shape, value.tolist()]


def any_case(rng, name):
    """Attributes and operands, not far from an example."""
    if rng.random() < 0.95 and EXAMPLES.get(name):
        attrs, operands = rng.choice(EXAMPLES[name])
        attrs, operands = dict(attrs), [list(o) for o in operands]
    else:
        attrs = {key: any_attribute(rng, kind) for key, kind in TYPES[name].items()}
        operands = [any_operand(rng) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))]
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        way = rng.random()
        if way < 0.5 and attrs:
            key = rng.choice(sorted(attrs))
            attrs[key] = changed_attribute(rng, attrs[key], TYPES[name][key])
        elif way < 0.92 and operands:
            i = rng.randrange(len(operands))
            operands[i] = changed_operand(rng, operands[i])
        elif way < 0.96 or not operands:
            operands.insert(rng.randint(0, len(operands)), any_operand(rng))
        else:
            del operands[rng.randrange(len(operands))]
    return attrs, operands


def variable_of(operand):
    dtype, shape, value = operand
    if value is None:
        return T.TensorType(dtype, shape=tuple(shape))()
    return T.constant(np.array(value, dtype=dtype))


def any_array(rng, dtype, shape, hostile):
    """An array, or None if there cannot be one; of any memory layout."""
    size = 1
    for n in shape:
        size *= n
    if size > 4096 or max(shape, default=0) > 2**60:
        return None
    a = np.zeros(shape, dtype)
    if dtype[0] in "iu":
        numbers = INTEGERS if hostile else [0, 1, 2, 3]
        flat = [clipped(rng.choice(numbers), dtype) for _ in range(size)]
    elif dtype == "bool":
        flat = [rng.random() < 0.5 for _ in range(size)]
    else:
        flat = [rng.gauss(0, 2) for _ in range(size)]
        if hostile and size:
            flat[rng.randrange(size)] = rng.choice(FLOATS)
    with np.errstate(all="ignore"):
        a[...] = np.array(flat, dtype).reshape(shape)
    form = rng.randrange(8) if shape and size else 7
    if form == 0:
        return np.asfortranarray(a)
    if form == 1:
        return a[::-1].copy()[::-1]
    if form == 2:
        return np.repeat(a, 2, axis=0)[::2]
    return a


def arrays_for(rng, variables):
    length, hostile, alike = rng.choice([0, 1, 2, 3, 3, 4]), rng.random() < 0.4, rng.random() < 0.6
    arrays = []
    for v in variables:
        free = [length if alike else rng.choice([0, 1, 1, 2, 3, 4]) for _ in v.type.shape]
        shape = [f if n is None else n for n, f in zip(v.type.shape, free, strict=True)]
        if 0 in shape and rng.random() < 0.2:
            at = rng.randrange(len(shape))
            if v.type.shape[at] is None and shape[at]:
                shape[at] = 2**40
        try:
            array = any_array(rng, v.dtype, shape, hostile)
        except ValueError:  # NumPy has no array of that shape
            return None
        if array is None:
            return None
        arrays.append(array)
    return arrays


class Refused(Exception):
    """The library said no, as it should."""


EXPECTED = (
    TypeError,
    ValueError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    MemoryError,
    NotImplementedError,
)


def allowed(step, *args, **kwargs):
    """Takes a step: Refused if it raises as it may; any other exception passes."""
    try:
        return step(*args, **kwargs)
    except EXPECTED as error:
        text = str(error)
        assert text.strip(), "an exception without a message"
        assert not re.search(r"internal error|std::|bad_alloc|length_error|vector::", text), text
        raise Refused(text) from None


def compiled(rng, name):
    """A function that computes an op, its gradient or a shape, and its inputs."""
    attrs, operands = any_case(rng, name)
    op = allowed(_core.make_op, name, **attrs)
    variables = allowed(lambda: [variable_of(o) for o in operands])
    outputs = allowed(_core.apply_op, op, variables)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    inputs = [v for v in variables if not isinstance(v, T.TensorConstant)]
    smooth = [v for v in inputs if v.dtype.startswith("float")]
    costs = [T.sum(o * 1.5) for o in outputs if getattr(o, "dtype", "").startswith("float")]
    what = rng.randrange(6)
    if what < 2 and smooth and costs:
        outputs = outputs[:what] + allowed(
            phintys.grad, sum(costs), smooth, disconnected_inputs="ignore"
        )
    outputs = [o for o in outputs if hasattr(o.type, "dtype")]
    if what == 2:
        outputs = [o.shape for o in outputs]
    mode = rng.choice(["FAST_RUN", "FAST_RUN", "FAST_COMPILE"])
    f = allowed(phintys.function, inputs, outputs, mode=mode, on_unused_input="ignore")
    return f, inputs


def attempt(seed, name, calls=4):
    """How many calls of a case gave values."""
    rng = random.Random(f"{name} {seed}")
    done = 0
    try:
        f, inputs = compiled(rng, name)
    except Refused:
        return 0
    for _ in range(calls):
        arrays = arrays_for(rng, inputs)
        if arrays is None:
            continue
        try:
            allowed(f, *arrays)
            done += 1
        except Refused:
            pass
        if done > 1:
            break
    return done

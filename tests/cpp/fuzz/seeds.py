"""Saved functions for the fuzzer to damage: loops and branches of all kinds, and a few others.

python tests/cpp/fuzz/seeds.py FOLDER
"""

import pathlib
import sys

import numpy as np
import phintys
import phintys.tensor as T
from phintys import scan
from phintys.ifelse import ifelse
from phintys.scan_module import until
from phintys.tensor.random import RandomStream


def recurrence(x):
    out, _ = scan(lambda e, s: T.tanh(s * 0.5 + e), x, T.zeros((3,)), name="recurrence")
    return [out, out[-1]]


def taps(x):
    init = T.zeros((3, 3))
    out, _ = scan(
        lambda a, b, p, q: (p * 0.5 - q + a * b.sum(), p.sum()),
        sequences=[{"input": x, "taps": [-1, 0]}],
        outputs_info=[{"initial": init, "taps": [-1, -3]}, None],
    )
    return [out[0][-2:], out[1]]


def single_values(x):
    """A body on single values, with a condition to stop and a state that is not kept."""
    (s, e), _ = scan(
        lambda v, s: ((s * 0.9 + v, s - v), until(s > 1e6)),
        sequences=x[:, 0], outputs_info=[T.ones(()) / 2, None],
    )  # fmt: skip
    return [s[-1], e]


def nested(x):
    def outer(row, total):
        parts, _ = scan(lambda e, s: T.dot(T.outer(s, s), s) * e, row, T.ones((2,)), name="inner")
        return total + parts[-1]

    out, _ = scan(outer, x, T.zeros((2,)), name="outer")
    return [out]


def shapes_of_values(x):
    """Only running a step tells the shape of its result."""
    out, _ = scan(lambda r: T.arange(T.cast(abs(r).sum(), "int64") % 5 * 0 + 2) * r[0], x)
    return [out]


def counted(x):
    n = T.iround(abs(x).sum()).astype("int64") % 7
    out, _ = scan(lambda s: s * 2, outputs_info=T.ones((2, 2)), n_steps=n)
    back, _ = scan(lambda r: r[::-1], x, go_backwards=True)
    return [out[-1], back]


def slopes(x):
    w = T.ones((3, 3)) * 0.1
    out, _ = scan(lambda e, s: T.tanh(T.dot(s, w) + e), x, T.zeros((3,)), truncate_gradient=2)
    return [phintys.grad((out**2).sum(), x)]


def branches(x):
    c = x.sum() > 0
    y = ifelse(c, T.dot(x, x.T).sum(), T.exp(x[0]).sum())
    z = ifelse(T.eq(x.shape[0], 2), x[:1], T.concatenate([x, x]), name="rows")
    return [y, z, ifelse(c, ifelse(y > 1, x, -x), x * 2)]


def branch_in_loop(x):
    out, _ = scan(
        lambda e, s: ifelse(e.sum() > 0, T.dot(T.outer(s, e), e), s - 1), x, T.zeros((3,))
    )
    return [out, phintys.grad(out.sum(), x)]


def many_ops(x):
    s = T.sort(x, axis=0)
    return [
        T.nnet.softmax(x), s[::-1], T.set_subtensor(x[0], 1.0), x.T.reshape((-1,)), T.argmax(x, 1),
        T.concatenate([x, s]), T.cumsum(x, axis=1), T.nlinalg.svd(x, compute_uv=False),
    ]  # fmt: skip


def functions():
    for make in (recurrence, taps, single_values, nested, shapes_of_values, counted, slopes,
                 branches, branch_in_loop, many_ops):  # fmt: skip
        for mode in ("FAST_RUN", "FAST_COMPILE"):
            x = T.dmatrix("x") if make is not nested else T.dmatrix("y")
            yield f"{make.__name__}_{mode.lower()}", phintys.function([x], make(x), mode=mode)
    x, w = T.fmatrix("x"), phintys.shared(np.eye(3, dtype="float32") * 0.5, name="w")
    out, _ = scan(lambda e, s: T.tanh(T.dot(s, w) + e), x, T.zeros((3,), "float32"))
    cost = (out[-1] ** 2).sum()
    step = [(w, w - np.float32(0.1) * phintys.grad(cost, w))]
    yield "trained", phintys.function([x], cost, updates=step)
    draws, updates = scan(
        lambda s: s + RANDOM.normal(size=(2,)), outputs_info=T.zeros((2,)), n_steps=3
    )
    yield "drawn", phintys.function([], draws, updates=updates)


RANDOM = RandomStream(1)

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, f in functions():
        f.save(folder / f"{name}.phy")

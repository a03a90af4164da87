"""Convolution as the definition says, in NumPy: what tests compare with."""

import itertools

import numpy as np


def pads(border, taps, dilation):
    n = len(taps)
    extent = [(k - 1) * d for k, d in zip(taps, dilation, strict=True)]
    if border == "full":
        return [(e, e) for e in extent]
    if border == "half":
        return [((e + 1) // 2,) * 2 for e in extent]
    if border == "valid":
        return [(0, 0)] * n
    border = (border,) * n if isinstance(border, int) else border
    return [(b, b) if isinstance(b, int) else b for b in border]


def convolve(x, w, border="valid", stride=None, flip=True, dilation=None, groups=1, unshared=False):
    n = x.ndim - 2
    stride, dilation = (
        (v,) * n if isinstance(v, int) else v or (1,) * n for v in (stride, dilation)
    )
    taps = w.shape[-n:]
    if flip:
        w = w[(..., *(slice(None, None, -1),) * n)]
    x = np.pad(x, [(0, 0), (0, 0), *pads(border, taps, dilation)])
    out = [
        (i - (k - 1) * d - 1) // s + 1
        for i, k, d, s in zip(x.shape[2:], taps, dilation, stride, strict=True)
    ]
    channels, rows = w.shape[-n - 1], w.shape[0] // groups
    y = np.zeros((x.shape[0], w.shape[0], *out), x.dtype)
    for g in range(groups):
        mine = slice(g * rows, (g + 1) * rows)
        part = x[:, g * channels : (g + 1) * channels]
        for index in itertools.product(*map(range, taps)):
            window = tuple(
                slice(i * d, i * d + (o - 1) * s + 1, s) if o else slice(0, 0)
                for i, d, o, s in zip(index, dilation, out, stride, strict=True)
            )
            seen = part[(slice(None), slice(None), *window)]
            if unshared:
                f = w[(mine, *(slice(None),) * (n + 1), *index)]
                y[:, mine] += np.einsum("bchw,ohwc->bohw", seen, f)
            else:
                f = w[(mine, slice(None), *index)]
                y[:, mine] += np.einsum("bc...,oc->bo...", seen, f)
    return y

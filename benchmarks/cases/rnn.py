"""Recurrent networks over 100 steps, forward and with the gradients of all weights."""

from __future__ import annotations

import numpy as np

from harness.job import Job, NotSupported, Target

TITLE = "RNN and LSTM, 100 steps, float32"
NOTE = (
    "RNN: `h = tanh(x W + h U + b)`; LSTM: gates i, f, g, o. As many inputs as units. Forward: "
    "all hidden states. Gradient: of the sum of `h * g` with respect to W, U and b, with the "
    "value. Phintys and PyTensor are given the whole step, as a user writes it; JAX has `x W` "
    "taken out of its `lax.scan` by hand, PyTorch is `torch.nn.RNN` and `torch.nn.LSTM`. NumPy's "
    "gradient is derived by hand."
)
STEPS = 100
SIZES = ((1, 64), (32, 256))  # batch, units


def variants():
    return [
        {"what": cell + what, "batch": batch, "units": units}
        for cell in ("RNN", "LSTM")
        for batch, units in SIZES
        for what in ("", " gradient")
    ]


def targets(variant, metric):
    if variant["what"].startswith("LSTM"):
        return []
    if variant["batch"] == 1:
        return [Target("at most half of the best peer's time", ratio=0.5)]
    return [Target("level with the best peer")]


def steps_of(variant):
    return variant.get("steps", STEPS)


def tolerance(variant):
    return {
        "rtol": 2e-4,
        "atol": 2e-4 * (steps_of(variant) if "gradient" in variant["what"] else 1),
    }


def inputs(variant):
    rng = np.random.default_rng(1)
    batch, units = variant["batch"], variant["units"]
    gates = 4 if variant["what"].startswith("LSTM") else 1

    def normal(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype("float32")

    a = {
        "x": normal(steps_of(variant), batch, units),
        "w": normal(units, gates * units, scale=units**-0.5),
        "u": normal(units, gates * units, scale=0.5 * units**-0.5),
        "b": normal(gates * units, scale=0.1),
    }
    if "gradient" in variant["what"]:
        a["g"] = normal(steps_of(variant), batch, units)
    return a


# ----- NumPy -----


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_rnn(x, w, u, b, g=None):
    z = x @ w + b
    hs = np.zeros((len(x) + 1, x.shape[1], u.shape[0]), x.dtype)
    for t in range(len(x)):
        hs[t + 1] = np.tanh(z[t] + hs[t] @ u)
    if g is None:
        return (hs[1:],)
    back = np.empty_like(z)
    gh = np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        back[t] = (g[t] + gh) * (1 - hs[t + 1] * hs[t + 1])
        gh = back[t] @ u.T
    return hs[1:], *weight_gradients(x, hs, back)


def weight_gradients(x, hs, back):
    flat = back.reshape(-1, back.shape[-1])
    gw = x.reshape(-1, x.shape[-1]).T @ flat
    gu = hs[:-1].reshape(-1, hs.shape[-1]).T @ flat
    return gw, gu, flat.sum(axis=0)


def numpy_lstm(x, w, u, b, g=None):
    z = x @ w + b
    n = u.shape[0]
    hs = np.zeros((len(x) + 1, x.shape[1], n), x.dtype)
    cs = np.zeros_like(hs)
    gates = np.empty((len(x), 4, x.shape[1], n), x.dtype)
    for t in range(len(x)):
        i, f, k, o = np.split(z[t] + hs[t] @ u, 4, axis=1)
        gates[t] = i, f, k, o = sigmoid(i), sigmoid(f), np.tanh(k), sigmoid(o)
        cs[t + 1] = f * cs[t] + i * k
        hs[t + 1] = o * np.tanh(cs[t + 1])
    if g is None:
        return (hs[1:],)
    back = np.empty_like(z)
    gh, gc = np.zeros_like(hs[0]), np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        i, f, k, o = gates[t]
        gh = gh + g[t]
        th = np.tanh(cs[t + 1])
        gc = gc + gh * o * (1 - th * th)
        parts = (gc * k * i * (1 - i), gc * cs[t] * f * (1 - f), gc * i * (1 - k * k))
        back[t] = np.concatenate([*parts, gh * th * o * (1 - o)], axis=1)
        gc = gc * f
        gh = back[t] @ u.T
    return hs[1:], *weight_gradients(x, hs, back)


def with_numpy(variant, a):
    f = numpy_lstm if variant["what"].startswith("LSTM") else numpy_rnn
    return Job("f(*a)", {"f": f, "a": list(a.values())})


def reference(variant, a):
    f = numpy_lstm if variant["what"].startswith("LSTM") else numpy_rnn
    return [v.astype("float32") for v in f(*(v.astype("float64") for v in a.values()))]


# ----- Phintys and PyTensor -----


def symbolic_graph(variant, package, scan):
    """Inputs and outputs of the symbolic network."""
    T = package.tensor
    lstm = variant["what"].startswith("LSTM")
    x, g = (T.tensor3(name, dtype="float32") for name in "xg")
    w, u = (T.matrix(name, dtype="float32") for name in "wu")
    b = T.vector("b", dtype="float32")
    n = u.shape[0]
    zero = T.zeros((x.shape[1], n), dtype="float32")
    logistic = T.nnet.sigmoid if hasattr(T, "nnet") else T.sigmoid

    def rnn(x_t, h, w, u, b):
        return T.tanh(T.dot(x_t, w) + T.dot(h, u) + b)

    def cell(x_t, h, c, w, u, b):
        z = T.dot(x_t, w) + T.dot(h, u) + b
        i, f = logistic(z[:, :n]), logistic(z[:, n : 2 * n])
        k, o = T.tanh(z[:, 2 * n : 3 * n]), logistic(z[:, 3 * n :])
        fresh = f * c + i * k
        return o * T.tanh(fresh), fresh

    if lstm:
        h, _ = scan(cell, sequences=[x], outputs_info=[zero, zero], non_sequences=[w, u, b])
    else:
        h = scan(rnn, sequences=[x], outputs_info=[zero], non_sequences=[w, u, b])
    if "gradient" not in variant["what"]:
        return [x, w, u, b], [h]
    return [x, w, u, b, g], [h, *package.grad(T.sum(h * g), [w, u, b])]


def phintys_scan(*args, **kwargs):
    import phintys

    return phintys.scan(*args, **kwargs)[0]


def pytensor_scan(*args, **kwargs):
    import pytensor

    return pytensor.scan(*args, return_updates=False, **kwargs)


def with_phintys(variant, a):
    import phintys
    import phintys.tensor

    f = phintys.function(*symbolic_graph(variant, phintys, phintys_scan))
    return Job("f(*a)", {"f": f, "a": list(a.values())})


def with_pytensor(variant, a):
    import pytensor
    import pytensor.tensor

    with pytensor.config.change_flags(floatX="float32"):
        f = pytensor.function(*symbolic_graph(variant, pytensor, pytensor_scan))
    return Job("f(*a)", {"f": f, "a": list(a.values())})


# ----- JAX and PyTorch -----


def jax_function(variant):
    import jax
    from jax import numpy as jnp

    lstm = variant["what"].startswith("LSTM")

    def step(carry, z, u):
        h, c = carry
        z = z + h @ u
        if not lstm:
            h = jnp.tanh(z)
            return (h, c), h
        i, f, k, o = jnp.split(z, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(k)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def forward(x, w, u, b):
        zero = jnp.zeros((x.shape[1], u.shape[0]), x.dtype)
        first = (zero, zero if lstm else None)
        return jax.lax.scan(lambda s, z: step(s, z, u), first, x @ w + b)[1]

    def both(x, w, u, b, g):
        h, pull = jax.vjp(lambda *p: forward(x, *p), w, u, b)
        return h, *pull(g)

    if "gradient" in variant["what"]:
        return jax.jit(both)
    return jax.jit(lambda *args: (forward(*args),))


def with_jax(variant, a):
    import jax

    arrays = [jax.numpy.asarray(x) for x in a.values()]
    return Job("w(f(*a))", {"w": jax.block_until_ready, "f": jax_function(variant), "a": arrays})


def with_torch(variant, a):
    import torch

    units, lstm = variant["units"], variant["what"].startswith("LSTM")
    gradient = "gradient" in variant["what"]
    net = (torch.nn.LSTM if lstm else torch.nn.RNN)(units, units)
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.from_numpy(a["w"].T))
        net.weight_hh_l0.copy_(torch.from_numpy(a["u"].T))
        net.bias_ih_l0.copy_(torch.from_numpy(a["b"]))
        net.bias_hh_l0.zero_()
    net.bias_hh_l0.requires_grad_(False)
    params = [net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0]
    x = torch.from_numpy(a["x"])
    if not gradient:
        for p in params:
            p.requires_grad_(False)
        return Job("f(x)[0]", {"f": net, "x": x})
    g = torch.from_numpy(a["g"])

    def both(x, g):
        h = net(x)[0]
        return h.detach(), *torch.autograd.grad(h, params, g)

    def check():
        h, gw, gu, gb = both(x, g)
        return [h, gw.T, gu.T, gb]

    return Job("f(x, g)", {"f": both, "x": x, "g": g}, check)


def with_torch_compile(variant, a):
    import torch

    if variant["what"] != "RNN" or variant["batch"] != 1:
        raise NotSupported("unrolls the steps: compiling takes minutes")
    u, b = torch.from_numpy(a["u"]), torch.from_numpy(a["b"])

    def forward(x, w):
        h, hs = x.new_zeros(x.shape[1], u.shape[0]), []
        for z in x @ w + b:
            h = torch.tanh(z + h @ u)
            hs.append(h)
        return torch.stack(hs)

    arrays = [torch.from_numpy(a["x"]), torch.from_numpy(a["w"])]
    return Job("f(*a)", {"f": torch.compile(forward), "a": arrays})

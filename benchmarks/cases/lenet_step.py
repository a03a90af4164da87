"""A training step of LeNet: convolution, pooling and dense layers with their gradients."""

from __future__ import annotations

import numpy as np

from harness.job import Job, NotSupported, Target

TITLE = "LeNet training step, batch 64, 28 x 28, float32"
NOTE = (
    "Convolution 5 x 5 to 20 channels, maxima of 2 x 2, tanh, the same to 50 channels, dense "
    "layer of 500 with tanh, softmax cross-entropy, gradient descent. NumPy by hand, with its "
    "convolutions as products of matrices. JAX in the layout that is fastest for it (channels "
    "last); its filters are turned before the parameters are compared."
)
BATCH, SIDE, TAPS, CHANNELS, HIDDEN, CLASSES = 64, 28, 5, (1, 20, 50), 500, 10
FLAT = CHANNELS[2] * 4 * 4
RATE, STEPS = 0.05, 3
NAMES = ("w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4")


def variants():
    return [{}]


def targets(variant, metric):
    return [Target("faster than the best peer")]


def tolerance(variant):
    return {"rtol": 2e-3, "atol": 2e-5}


def inputs(variant):
    rng = np.random.default_rng(1)

    def weights(*shape):
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        return (rng.standard_normal(shape) / np.sqrt(fan_in)).astype("float32")

    def biases(n):
        return (0.1 * rng.standard_normal(n)).astype("float32")

    one, first, second = CHANNELS
    return {
        "x": rng.uniform(0, 1, (BATCH, one, SIDE, SIDE)).astype("float32"),
        "y": rng.integers(0, CLASSES, BATCH),
        "w1": weights(first, one, TAPS, TAPS),
        "b1": biases(first),
        "w2": weights(second, first, TAPS, TAPS),
        "b2": biases(second),
        "w3": weights(FLAT, HIDDEN),
        "b3": biases(HIDDEN),
        "w4": weights(HIDDEN, CLASSES),
        "b4": biases(CLASSES),
    }


# ----- NumPy -----


def patches(x):
    """The windows of x as rows of a matrix, channels and taps along it."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (TAPS, TAPS), axis=(2, 3))
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(
        -1, x.shape[1] * TAPS * TAPS
    )


def numpy_layer(x, w, b):
    """tanh of maxima of a convolution with bias, and what its gradient needs."""
    side = x.shape[2] - TAPS + 1
    rows = patches(x)
    z = (rows @ w.reshape(len(w), -1).T + b).reshape(len(x), side // 2, 2, side // 2, 2, -1)
    z = np.ascontiguousarray(z.transpose(0, 1, 3, 2, 4, 5)).reshape(
        len(x), side // 2, side // 2, 4, -1
    )
    at = z.argmax(axis=3)[:, :, :, None]
    out = np.tanh(np.take_along_axis(z, at, 3)[:, :, :, 0])
    return out.transpose(0, 3, 1, 2), (rows, at, out)


def numpy_layer_back(g, w, kept, with_input):
    """Gradients of input, filters and bias from that of a layer's output (channels last)."""
    rows, at, out = kept
    n, half, _, channels = out.shape
    back = np.zeros((n, half, half, 4, channels), g.dtype)
    np.put_along_axis(back, at, (g * (1 - out * out))[:, :, :, None], 3)
    back = back.reshape(n, half, half, 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    back = np.ascontiguousarray(back).reshape(-1, channels)
    gw, gb = (back.T @ rows).reshape(w.shape), back.sum(axis=0)
    if not with_input:
        return None, gw, gb
    side = 2 * half
    share = (back @ w.reshape(channels, -1)).reshape(n, side, side, w.shape[1], TAPS, TAPS)
    gx = np.zeros((n, side + TAPS - 1, side + TAPS - 1, w.shape[1]), g.dtype)
    for i in range(TAPS):
        for j in range(TAPS):
            gx[:, i : i + side, j : j + side] += share[..., i, j]
    return gx, gw, gb


def numpy_step(x, y, params):
    """One step in place; returns the loss."""
    w1, b1, w2, b2, w3, b3, w4, b4 = params
    first, kept1 = numpy_layer(x, w1, b1)
    second, kept2 = numpy_layer(first, w2, b2)
    flat = second.reshape(len(x), -1)
    h = np.tanh(flat @ w3 + b3)
    z = h @ w4 + b4
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    at = np.arange(len(y))
    loss = (np.log(total[:, 0]) - z[at, y]).mean()
    e /= total
    e[at, y] -= 1
    e /= len(y)
    gh = (e @ w4.T) * (1 - h * h)
    g2 = (gh @ w3.T).reshape(second.shape).transpose(0, 2, 3, 1)
    g1, gw2, gb2 = numpy_layer_back(g2, w2, kept2, with_input=True)
    _, gw1, gb1 = numpy_layer_back(g1, w1, kept1, with_input=False)
    grads = (gw1, gb1, gw2, gb2, flat.T @ gh, gh.sum(axis=0), h.T @ e, e.sum(axis=0))
    for p, g in zip(params, grads, strict=True):
        p -= RATE * g
    return loss


def reference(variant, a):
    x, params = a["x"].astype("float64"), [a[name].astype("float64") for name in NAMES]
    for _ in range(STEPS):
        loss = numpy_step(x, a["y"], params)
    return [np.asarray(v, dtype="float32") for v in (loss, *params)]


def after_steps(step, parameters):
    def check():
        for _ in range(STEPS):
            loss = step()
        return [loss, *parameters()]

    return check


def with_numpy(variant, a):
    params = [a[name].copy() for name in NAMES]
    names = {"f": numpy_step, "x": a["x"], "y": a["y"], "params": params}
    step = lambda: numpy_step(a["x"], a["y"], params)  # noqa: E731
    return Job("f(x, y, params)", names, after_steps(step, lambda: params))


# ----- Phintys -----


def phintys_graph(a):
    """Inputs, loss, updates and parameters of the symbolic step."""
    import phintys
    import phintys.tensor as T
    from phintys.tensor.signal.pool import pool_2d

    x, y = T.ftensor4("x"), T.lvector("y")
    params = [phintys.shared(a[name], name=name) for name in NAMES]
    w1, b1, w2, b2, w3, b3, w4, b4 = params

    def layer(x, w, b):
        z = T.nnet.conv2d(x, w, filter_flip=False)
        z = pool_2d(z, (2, 2), ignore_border=True)
        return T.tanh(z + b.dimshuffle("x", 0, "x", "x"))

    flat = layer(layer(x, w1, b1), w2, b2).flatten(2)
    p = T.nnet.softmax(T.dot(T.tanh(T.dot(flat, w3) + b3), w4) + b4)
    loss = T.mean(T.nnet.categorical_crossentropy(p, y))
    rate = np.asarray(RATE, "float32")
    updates = [(q, q - rate * g) for q, g in zip(params, phintys.grad(loss, params), strict=True)]
    return [x, y], loss, updates, params


def with_phintys(variant, a):
    import phintys

    arguments, loss, updates, params = phintys_graph(a)
    f = phintys.function(arguments, loss, updates=updates)
    state = lambda: [q.get_value() for q in params]  # noqa: E731
    names = {"f": f, "x": a["x"], "y": a["y"]}
    return Job("f(x, y)", names, after_steps(lambda: f(a["x"], a["y"]), state))


def with_pytensor(variant, a):
    raise NotSupported("no convolution of stacks of images")


# ----- JAX -----


def jax_step(channels_last):
    import jax
    from jax import numpy as jnp

    layout = ("NHWC", "HWIO", "NHWC") if channels_last else ("NCHW", "OIHW", "NCHW")

    def layer(x, w, b):
        z = jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=layout)
        if channels_last:
            n, side, _, channels = z.shape
            z = z.reshape(n, side // 2, 2, side // 2, 2, channels).max((2, 4))
            return jnp.tanh(z + b)
        n, channels, side, _ = z.shape
        z = z.reshape(n, channels, side // 2, 2, side // 2, 2).max((3, 5))
        return jnp.tanh(z + b[:, None, None])

    def cost(params, x, y):
        w1, b1, w2, b2, w3, b3, w4, b4 = params
        z = layer(layer(x, w1, b1), w2, b2)
        flat = (z.transpose(0, 3, 1, 2) if channels_last else z).reshape(len(x), -1)
        z = jax.nn.log_softmax(jnp.tanh(flat @ w3 + b3) @ w4 + b4)
        return -jnp.mean(z[jnp.arange(len(y)), y])

    def step(params, x, y):
        value, grads = jax.value_and_grad(cost)(params, x, y)
        return value, [p - RATE * g for p, g in zip(params, grads, strict=True)]

    return jax.jit(step, donate_argnums=0)


def with_jax(variant, a, channels_last=True):
    from jax import numpy as jnp

    def turned(v, axes):
        return v.transpose(axes) if channels_last and v.ndim == 4 else v

    f = jax_step(channels_last)
    x, y = jnp.array(turned(a["x"], (0, 2, 3, 1))), jnp.asarray(a["y"])
    # Without the copy, donated memory would be the array's own.
    state = [None, [jnp.array(turned(a[name], (2, 3, 1, 0)), copy=True) for name in NAMES]]

    def step():
        state[:] = f(state[1], x, y)
        return state[0].block_until_ready()

    statement = "state[:] = f(state[1], x, y); state[0].block_until_ready()"
    names = {"f": f, "x": x, "y": y, "state": state}
    return Job(
        statement, names, after_steps(step, lambda: [turned(v, (3, 2, 0, 1)) for v in state[1]])
    )


# ----- PyTorch -----


def torch_step(a, compiled, device="cpu"):
    """A step and the parameters."""
    import torch
    from torch.nn import functional as F

    params = [torch.from_numpy(a[name].copy()).to(device).requires_grad_() for name in NAMES]

    def cost(x, y, w1, b1, w2, b2, w3, b3, w4, b4):
        z = torch.tanh(F.max_pool2d(F.conv2d(x, w1, b1), 2))
        z = torch.tanh(F.max_pool2d(F.conv2d(z, w2, b2), 2))
        z = torch.tanh(torch.addmm(b3, z.flatten(1), w3))
        return F.cross_entropy(torch.addmm(b4, z, w4), y)

    if compiled:
        cost = torch.compile(cost)

    def step(x, y):
        loss = cost(x, y, *params)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            torch._foreach_add_(params, grads, alpha=-RATE)
        return loss.detach()

    return step, params


def torch_job(a, compiled):
    import torch

    step, params = torch_step(a, compiled)
    x, y = torch.from_numpy(a["x"]), torch.from_numpy(a["y"])
    names = {"f": step, "x": x, "y": y}
    return Job("f(x, y)", names, after_steps(lambda: step(x, y), lambda: params))


def with_torch(variant, a):
    return torch_job(a, compiled=False)


def with_torch_compile(variant, a):
    return torch_job(a, compiled=True)

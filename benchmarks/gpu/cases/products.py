"""Products of square matrices: through the vendor's library and with Phintys's own kernels."""

from __future__ import annotations

import numpy as np

from gpu.work import Target, Work, asarray, jax_gpu, torch_gpu

TITLE = "Products of matrices"
NOTE = "PyTorch's products are those of cuBLAS. bf16: of float32 matrices, rounded on the way."
HEAD = 64


def variants(small):
    n = 96 if small else 4096
    return [{"precision": p, "shape": [n, n]} for p in ("float32", "tf32", "bf16")]


def rates(variant):
    return {"TFLOP/s": 2 * variant["shape"][0] ** 3 / 1e12}


def targets(variant):
    return [
        Target("level with cuBLAS", "torch", 1.05),
        Target("own kernels: 70 % of cuBLAS", "torch", 1 / 0.7, of="phintys_own"),
    ]


def tolerance(variant):
    share = {"float32": 2e-6, "tf32": 2e-3, "bf16": 2e-2}[variant["precision"]]
    return {"rtol": share, "atol": share * 8 * np.sqrt(variant["shape"][0])}


def inputs(variant):
    rng = np.random.default_rng(1)
    return {name: rng.standard_normal(variant["shape"], "float32") for name in "ab"}


def reference(variant, a):
    return [(a["a"][:HEAD].astype("float64") @ a["b"].astype("float64")).astype("float32")]


def phintys_work(variant, a, device, own):
    import phintys
    import phintys.cuda
    import phintys.tensor as T

    precision = variant["precision"]
    phintys.config.cuda.f32_products = "full" if precision == "float32" else precision
    phintys.config.cuda.own_products = own
    x, y = T.fmatrix(), T.fmatrix()
    f = phintys.function([x, y], T.dot(x, y).transfer(device), device=device)
    given = [asarray(a[name], device) for name in "ab"]
    return Work(
        lambda: f(*given),
        lambda: phintys.cuda.synchronize(device),
        lambda: [np.asarray(f(*given))[:HEAD]],
    )


def with_phintys(variant, a, device):
    return phintys_work(variant, a, device, False)


def with_phintys_own(variant, a, device):
    return phintys_work(variant, a, device, True)


def with_torch(variant, a, device):
    torch = torch_gpu()
    torch.backends.cuda.matmul.allow_tf32 = variant["precision"] == "tf32"
    kind = torch.bfloat16 if variant["precision"] == "bf16" else torch.float32
    x, y = (torch.from_numpy(a[name]).cuda().to(kind) for name in "ab")
    return Work(
        lambda: x @ y,
        torch.cuda.synchronize,
        lambda: [(x @ y)[:HEAD].float().cpu().numpy()],
    )


def with_jax(variant, a, device):
    jax = jax_gpu()
    precision = {"float32": "float32", "tf32": "tensorfloat32", "bf16": "bfloat16"}
    jax.config.update("jax_default_matmul_precision", precision[variant["precision"]])
    x, y = (jax.numpy.asarray(a[name]) for name in "ab")
    f, last = jax.jit(lambda x, y: x @ y), [None]

    def call():
        last[0] = f(x, y)

    return Work(call, lambda: last[0].block_until_ready(), lambda: [np.asarray(f(x, y)[:HEAD])])

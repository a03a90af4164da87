"""What a case says about one peer: how work is queued, when it is done, and how to check it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.job import NotSupported

__all__ = ["LIMITS", "TITLES", "NotSupported", "Target", "Work", "asarray", "jax_gpu", "torch_gpu"]

TITLES = {
    "phintys": "Phintys",
    "phintys_own": "Phintys, own products",
    "torch": "PyTorch eager",
    "torch_compile": "torch.compile",
    "jax": "JAX",
    "copy": "copy",
    "graph": "CUDA graph",
}
# What the card can do: no peers to choose instead.
LIMITS = ("copy", "graph")


@dataclass(frozen=True)
class Target:
    """The time of `of` is at most `ratio` times that of `against` ("best": the fastest peer)."""

    text: str
    against: str
    ratio: float = 1.0
    of: str = "phintys"


@dataclass
class Work:
    """`call` queues (or does) what is timed, `wait` returns when all that was queued is done.

    `values` returns the arrays that are compared with the reference; `repeats` says how often
    one call does what the case asks for.
    """

    call: Callable[[], Any]
    wait: Callable[[], Any]
    values: Callable[[], Sequence[Any]] = tuple
    repeats: int = 1
    keep: Any = None  # what must live as long


def asarray(value: Any, device: str) -> Any:
    """An array of the host on a device of Phintys."""
    import phintys.cuda

    return phintys.cuda.asarray(value, device)


def torch_gpu() -> Any:
    """PyTorch, if it has a GPU; float32 is computed in float32 unless a case says otherwise."""
    try:
        import torch
    except ImportError as error:
        raise NotSupported("PyTorch is not installed") from error
    if not torch.cuda.is_available():
        raise NotSupported("PyTorch sees no GPU")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch


def jax_gpu() -> Any:
    try:
        import jax
    except ImportError as error:
        raise NotSupported("JAX is not installed") from error
    if jax.default_backend() not in ("gpu", "cuda"):
        raise NotSupported("JAX sees no GPU")
    jax.config.update("jax_default_matmul_precision", "float32")
    return jax

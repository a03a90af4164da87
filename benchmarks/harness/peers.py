"""The peers: their names, packages, and the settings that give each the same threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

__all__ = ["LIMITS", "PEERS", "Peer", "environment", "limit_threads", "to_numpy"]


@dataclass(frozen=True)
class Peer:
    title: str
    package: str  # The distribution whose version is reported.
    family: str  # Cases define one function, with_FAMILY, for peers that differ in settings only.


PEERS = {
    "phintys": Peer("Phintys", "phintys", "phintys"),
    "numpy": Peer("NumPy", "numpy", "numpy"),
    "numexpr": Peer("numexpr", "numexpr", "numexpr"),
    "pytensor_numba": Peer("PyTensor (Numba)", "pytensor", "pytensor"),
    "pytensor_c": Peer("PyTensor (C)", "pytensor", "pytensor"),
    "jax": Peer("JAX", "jax", "jax"),
    "torch": Peer("PyTorch eager", "torch", "torch"),
    "torch_compile": Peer("torch.compile", "torch", "torch_compile"),
    "loop": Peer("hand-written loop", "", "loop"),
    "blas": Peer("raw OpenBLAS", "", "blas"),
}

# They show what the machine can do, and are no peers to choose instead.
LIMITS = ("loop", "blas")


def environment(peer: str, threads: int, cache: str) -> dict[str, str]:
    """Environment variables of a process that runs `peer`, with its disk caches below `cache`."""
    env = dict(os.environ)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMEXPR_MAX", "NUMBA", "VECLIB_MAXIMUM"):
        env[f"{name}_NUM_THREADS"] = str(threads)
    env["NUMEXPR_MAX_THREADS"] = str(threads)
    env["PHINTYS_FLAGS"] = f"num_threads={threads}"
    env["JAX_ENABLE_X64"] = "1"
    env["JAX_PLATFORMS"] = "cpu"
    env["NUMBA_CACHE_DIR"] = os.path.join(cache, "numba")
    env["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(cache, "inductor")
    flags = [f"base_compiledir={os.path.join(cache, 'pytensor')}"]
    if peer == "pytensor_c":
        flags += ["linker=cvm", f"openmp={threads > 1}"]
    elif peer == "pytensor_numba":
        flags += ["linker=numba"]
    env["PYTENSOR_FLAGS"] = ",".join(flags)
    env["PYTHONHASHSEED"] = "0"
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # It would show up in the times of imports.
    return env


def persistent_caches(cache: str) -> dict[str, str]:
    """Variables that switch on the disk caches that are off unless one asks for them."""
    return {
        "JAX_COMPILATION_CACHE_DIR": os.path.join(cache, "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def limit_threads(threads: int) -> None:
    """Keep this process on the first `threads` cores that it may use.

    XLA sizes its pool by the cores it sees and has no setting for it; for the others it makes
    sure that nobody quietly takes more.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:threads])


def configure(peer: str, threads: int) -> None:
    """Settings that need the package itself."""
    if peer.startswith("torch"):
        import torch

        torch.set_num_threads(threads)


def to_numpy(value: Any) -> Any:
    """`value` as a NumPy array, whichever peer made it."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().numpy()
    return np.asarray(value)

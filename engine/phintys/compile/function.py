"""``phintys.function``: from an expression to something that can be called."""

from __future__ import annotations

import sys
from typing import Any

from phintys.compile.pfunc import pfunc
from phintys.errors import PhintysError

__all__ = ["function"]

_PACKAGE = __file__.rpartition("compile")[0]


def _caller() -> str:
    """ "file.py:line" of the code that called into the package."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def function(
    inputs: Any,
    outputs: Any = None,
    mode: Any = None,
    updates: Any = None,
    givens: Any = None,
    no_default_updates: Any = False,
    accept_inplace: bool = False,
    name: str | None = None,
    rebuild_strict: bool = True,
    allow_input_downcast: bool | None = None,
    profile: Any = None,
    on_unused_input: str | None = None,
    trust_input: bool = False,
    device: Any = None,
) -> Any:
    """Compiles a callable that computes `outputs` from `inputs`.

    Parameters
    ----------
    inputs
        A list of variables, ``In`` objects, or pairs (variable, default value).
    outputs
        A variable (the function returns an ndarray), a list (a list of them), a dict with string
        keys (a dict), or None (an empty list, for functions that only update).
    mode
        A mode or its name: ``'FAST_RUN'``, ``'FAST_COMPILE'``, ``'DebugMode'``,
        ``'NanGuardMode'``; by default ``config.mode``.
    updates
        Pairs (shared variable, expression of its new value), or a dict of them. All expressions
        are computed from the old values, and stored together after the call succeeded.
    givens
        Pairs (variable, replacement), or a dict: substitutions in the graph.
    no_default_updates
        True, or a list of shared variables, whose ``default_update`` is not applied.
    accept_inplace
        Theano's; memory is planned, so it has no effect.
    name
        Name of the function in messages; by default "file:line" of the caller.
    rebuild_strict
        Require replacements of `givens` to have the type of what they replace.
    allow_input_downcast
        Default of ``In.allow_downcast``.
    profile
        True, or a ``ProfileStats``: measure each instruction; see ``f.profile``.
    on_unused_input
        ``'raise'``, ``'warn'`` or ``'ignore'``; by default ``config.on_unused_input``.
    trust_input
        Skip the conversion of arguments, which must then be ndarrays of the right types.
    device
        Where the function runs: ``'cpu'``, ``'cuda'``, ``'cuda:1'``; by default ``config.device``.
        It takes arrays of the host and of devices alike, and returns ndarrays, but for outputs with
        ``.transfer(device)``. What a device has no kernel for is computed on the host.

    Raises
    ------
    TypeError
        Something is of the wrong kind, or an update does not have its variable's type.
    UnusedInputError
        An input is not needed, or is given twice.
    ValueError, RuntimeError
        There is no such device.
    MissingInputError
        The graph needs a variable that is not an input.

    >>> import phintys, phintys.tensor as T
    >>> x, y = T.dscalars('x', 'y')
    >>> f = phintys.function([x, y], x + y)
    >>> float(f(2, 3))
    5.0
    """
    if name is None:
        name = _caller()
    if not isinstance(inputs, (list, tuple)):
        raise PhintysError(
            "Input variables of a Phintys function should be contained in a list, even when there "
            "is a single input."
        )
    # Nothing is sparse as long as nobody has imported phintys.sparse.
    sparse = sys.modules.get("phintys.sparse.compilation")
    if sparse is not None and sparse.is_involved(inputs, outputs, updates, givens):
        return sparse.compile_function(
            inputs,
            outputs,
            updates,
            givens,
            on_unused_input,
            mode=mode,
            no_default_updates=no_default_updates,
            name=name,
            rebuild_strict=rebuild_strict,
            allow_input_downcast=allow_input_downcast,
            profile=profile,
            trust_input=trust_input,
            device=device,
        )
    return pfunc(
        params=inputs,
        outputs=outputs,
        mode=mode,
        updates=updates,
        givens=givens,
        no_default_updates=no_default_updates,
        accept_inplace=accept_inplace,
        name=name,
        rebuild_strict=rebuild_strict,
        allow_input_downcast=allow_input_downcast,
        profile=profile,
        on_unused_input=on_unused_input,
        trust_input=trust_input,
        device=device,
    )

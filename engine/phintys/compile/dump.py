"""``function_dump``: the arguments of ``function`` in a file, to look into a problem elsewhere."""

from __future__ import annotations

from typing import Any

__all__ = ["function_dump"]


def function_dump(
    filename: str,
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
    extra_tag_to_remove: Any = None,
) -> None:
    """Pickles the arguments of :func:`phintys.function` into a file, as a dict.

    ``phintys.function(**pickle.load(open(filename, 'rb')))`` compiles what was meant. Tags that
    variables carry for debugging are left out, and those named in `extra_tag_to_remove`. OSError if
    the file cannot be written.
    """
    from phintys.misc.pkl_utils import StripPickler

    arguments = {
        "inputs": inputs, "outputs": outputs, "mode": mode, "updates": updates, "givens": givens,
        "no_default_updates": no_default_updates, "accept_inplace": accept_inplace, "name": name,
        "rebuild_strict": rebuild_strict, "allow_input_downcast": allow_input_downcast,
        "profile": profile, "on_unused_input": on_unused_input,
    }  # fmt: skip
    with open(filename, "wb") as f:
        StripPickler(f, -1, extra_tag_to_remove).dump(arguments)

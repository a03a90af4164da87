"""What ``scan(mode=, profile=)`` mean for a loop."""

from __future__ import annotations

import warnings
from typing import Any

from phintys import _core
from phintys.compile.mode import Mode, get_mode
from phintys.errors import PhintysTypeError

__all__ = ["loop_op"]


def _passes(mode: Any) -> tuple[str, list[str], bool]:
    """Pipeline, excluded passes, and whether to fuse; '' for the pipeline of the function."""
    if mode is None:
        return "", [], True
    mode = get_mode(mode)
    if not isinstance(mode, Mode):
        raise PhintysTypeError(f"mode must be a mode or its name, not {type(mode).__name__}")
    cls = type(mode)
    if (cls.make_function, cls.compile_options) != (Mode.make_function, Mode.compile_options):
        warnings.warn(
            f"The checks of {cls.__name__} are for whole functions: give it to function(). A loop "
            f"with this mode has its passes, and no checks of its own.",
            stacklevel=6,
        )
    return mode.pipeline, mode.excluded_passes(), mode.fuse


def loop_op(attributes: dict[str, Any], mode: Any, profile: Any) -> Any:
    """The op of a loop that is compiled and measured as the user says."""
    pipeline, excluded, fuse = _passes(mode)
    if not isinstance(profile, (bool, str, type(None))):
        raise PhintysTypeError(
            f"scan(profile=) is True, False, or the name of the profile, not {profile!r}"
        )
    title = profile if isinstance(profile, str) else attributes["label"] or "scan"
    if not pipeline and not profile:
        return _core.make_op("scan", **attributes)
    return _core.loop_op(pipeline, excluded, fuse, title if profile else "", **attributes)

"""Types of the call path."""

from collections.abc import Sequence
from typing import Any

class CancelToken:
    """Stops calls of functions that run under it, see ``phintys.limits``; from any thread."""

    def cancel(self) -> None: ...
    @property
    def cancelled(self) -> bool: ...

def enter_limits(
    deadline: float | None, token: CancelToken | None, max_steps: int | None
) -> None: ...
def leave_limits() -> None: ...
def set_default_limits(timeout: float, max_steps: int) -> None: ...

class FunctionBase:
    fn: Any
    trust_input: Any
    specs: tuple[Any, ...]
    output_mode: str
    output_keys: tuple[str, ...]
    name: str
    def __init__(
        self,
        fn: Any,
        specs: Sequence[Any],
        output_mode: str = ...,
        output_keys: Sequence[str] | None = ...,
        output_targets: Sequence[str] | None = ...,
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

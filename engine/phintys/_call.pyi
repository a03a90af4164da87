"""Types of the call path."""

from collections.abc import Sequence
from typing import Any

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
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

#!/usr/bin/env python3
"""Writes docs/ops.md from the registry of the installed (or in-place built) phintys.

``--check`` only says whether the page is what the registry would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ops.md"
HEADER = """# Reference of all ops

Written by `python tools/write_ops_reference.py` from the registry: do not edit. Functions of
`phintys.tensor` that are expressions of these ops (`mean`, `var`, `outer`, ...) are documented by
their docstrings.

"""


def main() -> int:
    """Write or check the page; the exit status says whether it was right."""
    from phintys import _core

    text = HEADER + _core.ops_reference()
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        print("docs/ops.md is not what the registry writes: run tools/write_ops_reference.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

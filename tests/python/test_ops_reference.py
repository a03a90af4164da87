"""The reference page of ops is what the registry writes, and every op in it is tested somewhere."""

from pathlib import Path

import pytest
from phintys import _core

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not part of this copy")
def test_page_is_current():
    assert PAGE.read_text(encoding="utf-8").endswith(_core.ops_reference()), (
        "run tools/write_ops_reference.py"
    )


def test_every_op_has_a_row():
    page = _core.ops_reference()
    for name in _core.structural_ops():
        assert f"| `{name}` |" in page
    for op in _core.elementwise_ops():
        assert op["internal"] or f"| `{op['name']}` |" in page

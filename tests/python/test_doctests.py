"""Every example in the documentation and in docstrings, run as it is written."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import phintys
import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
TEXTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def module_names():
    names = ["phintys"]
    for module in pkgutil.walk_packages(phintys.__path__, "phintys."):
        if not module.name.endswith(("__main__", "_core", "_call")):
            names.append(module.name)
    return names


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    """Examples change settings and write files; what follows must not see that."""
    monkeypatch.chdir(tmp_path)
    with phintys.change_flags(num_threads=phintys.config.num_threads):
        yield


class MarkdownParser(doctest.DocTestParser):
    """Ends an example at the closing fence of its code block, which is no part of its output."""

    def parse(self, string, name="<string>"):
        lines = ["" if line.startswith("```") else line for line in string.split("\n")]
        return super().parse("\n".join(lines), name)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_text(path):
    result = doctest.testfile(
        str(path),
        module_relative=False,
        optionflags=OPTIONS,
        parser=MarkdownParser(),
        encoding="utf-8",
    )
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples failed, see above"


@pytest.mark.parametrize("name", module_names())
def test_docstrings(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=OPTIONS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples failed, see above"


@pytest.mark.parametrize("path", [*TEXTS, ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in target or (path.parent / target).exists(), target


def test_the_tutorial_has_examples():
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert len(doctest.DocTestParser().get_examples(text)) > 60


def test_every_setting_with_an_effect_is_documented():
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    for name in phintys.config:
        inert = phintys.config._flags[name].doc.startswith("Inert")
        assert inert or name == "device" or f"| `{name}` |" in text, name

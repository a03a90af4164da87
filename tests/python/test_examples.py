"""The programs of examples/ run, in a short form, and keep what they promise."""

import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_loops():
    out = run("loops.py")
    assert "until: [ 2. 4. 8. 16. 32. 64.]" in out
    assert "all results are as in plain Python" in out


def test_text(tmp_path):
    pytest.importorskip("tqdm", reason="the examples need tqdm")
    pytest.importorskip("matplotlib", reason="the examples need matplotlib")
    sizes = ["--epochs", "5", "--characters", "60000", "--units", "48"]
    out = run("text.py", *sizes, "--no-cpp", "--output", str(tmp_path))
    single = float(re.search(r"counts after 0 characters: ([\d.]+)", out)[1])
    for model in ("lstm", "gru"):
        # Better than knowing how frequent each character is.
        assert float(re.search(rf"{model}: ([\d.]+) bits", out)[1]) < single - 0.5
    for name in ("text_train.phy", "text_write.phy", "text_learning_curve.png"):
        assert (tmp_path / name).stat().st_size > 0


def test_what_the_text_example_saved_writes_the_same(tmp_path):
    pytest.importorskip("tqdm", reason="the examples need tqdm")
    pytest.importorskip("matplotlib", reason="the examples need matplotlib")
    import numpy as np
    import phintys

    sizes = ["--epochs", "1", "--characters", "20000", "--units", "16"]
    run("text.py", *sizes, "--no-cpp", "--output", str(tmp_path))
    write = phintys.load(tmp_path / "text_write.phy")
    prompt, written = (np.load(tmp_path / f"text_{n}.npy") for n in ("prompt", "written"))
    np.testing.assert_array_equal(write(prompt, len(written), 0.5), written)

"""The benchmarks for GPUs run, small, on the emulated device: values, not times."""

import json
import os
import subprocess
import sys

import phintys.plugins
import pytest
from device_cases import ROOT, needs_emulation

SCRIPT = ROOT / "benchmarks" / "gpu" / "run.py"


@needs_emulation
@pytest.mark.skipif(not SCRIPT.exists(), reason="the benchmarks are not here")
def test_the_script_on_the_emulated_device(tmp_path):
    package = os.path.dirname(os.path.dirname(phintys.__file__))
    command = [sys.executable, str(SCRIPT), "--device", "emulated", "--small", "--rounds", "1"]
    command += ["--plugin", str(phintys.plugins.plugin_path("emulated"))]
    command += ["--peers", "phintys", "copy", "--cases", "chains", "rows", "small", "loops"]
    command += ["--phintys-path", package, "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert len(result["rows"]) == 9
    for row in result["rows"]:
        assert row["results"]["phintys"]["agrees"], row
        assert row["targets"], row
    text = (tmp_path / "out.md").read_text()
    assert "## Chains of elementwise operations" in text

"""Settings: names, validation, environment, files."""

import os
import subprocess
import sys

import phintys
import pytest
from phintys import change_flags, config


def test_defaults_and_dotted_names():
    assert config.on_unused_input == "raise"
    assert config.warn.round is False
    assert config.warn__round is False
    assert config.device.startswith("cpu")
    with pytest.raises(AttributeError, match="no setting"):
        _ = config.no_such_setting
    with pytest.raises(AttributeError):
        config.no_such_setting = 1


def test_values_are_checked():
    with pytest.raises(ValueError, match=r'Invalid value \("float80"\) .* "floatX"'):
        config.floatX = "float80"
    assert config.floatX == "float64"
    with pytest.raises(ValueError, match="num_threads"):
        config.num_threads = -1
    with pytest.raises(ValueError, match="num_threads"):
        config.num_threads = "many"


def test_change_flags():
    with change_flags(floatX="float32", **{"warn.round": True}):
        assert config.floatX == "float32" and config.warn.round
    assert config.floatX == "float64" and not config.warn.round

    @change_flags(floatX="float32")
    def dtype():
        return phintys.tensor.scalar().dtype

    assert dtype() == "float32"
    with config.change_flags(floatX="float32"):
        assert config.floatX == "float32"
    with pytest.raises(ValueError), change_flags(warn__round=True, floatX="x"):
        pass
    assert not config.warn.round


def child(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", f"import phintys; c = phintys.config; {code}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_environment_and_file(tmp_path):
    rc = tmp_path / "rc"
    rc.write_text("[global]\nfloatX = float32\nnum_threads = 1\n[warn]\nround = True\n")
    code = "print(c.floatX, c.num_threads, c.warn.round)"
    result = child(code, PHINTYSRC=str(rc), PHINTYS_FLAGS="num_threads=2")
    assert result.stdout.split() == ["float32", "2", "True"], result.stderr
    result = child("pass", PHINTYS_FLAGS="no_such_flag=1")
    assert result.returncode and "no_such_flag" in result.stderr


def test_every_flag_has_a_valid_default():
    for name in config:
        config._set(name, config._get(name))


def test_a_device_that_functions_cannot_run_on_is_refused():
    before = config.device
    with pytest.raises(ValueError, match="no plug-in for devices of the kind"):
        config.device = "nonsense"
    assert config.device == before

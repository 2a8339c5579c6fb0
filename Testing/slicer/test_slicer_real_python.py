"""The panel's tests once more on Slicer's real ScriptedLoadableModule and parameterNodeWrapper, if at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import slicer  # noqa: F401  (without it there is nothing to run)
from slicerharness.application import REAL_PYTHON

HERE = Path(__file__).resolve().parent
TESTS = ("panel", "background", "inputs", "results", "features_cohort_setup")
ARCHIVES = HERE.parents[2] / "shared" / "reference" / "slicer"


@pytest.mark.skipif(REAL_PYTHON in os.environ, reason="these tests already run on Slicer's own Python files")
@pytest.mark.parametrize("version", ["v5.10.0", "v5.12.3"])
def test_the_panel_on_slicers_own_python(version, tmp_path):
    archive = ARCHIVES / f"{version}.tar.gz"
    if not archive.is_file():
        pytest.skip(f"Slicer's Python files are not at {archive}")
    with tarfile.open(archive) as files:
        wanted = [member for member in files.getmembers() if member.name.removeprefix("./").startswith("Base/Python")]
        files.extractall(tmp_path, members=wanted)
    environment = os.environ | {REAL_PYTHON: str(tmp_path / "Base" / "Python" / "slicer")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(HERE / f"test_slicer_{name}.py") for name in TESTS),
    ]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert "skipped" not in run.stdout

"""The console examples of docs/slicer.md, executed as they stand on the library's real work."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
import slicer
from BraTSOSModule import sampledata
from BraTSOSModule.runner import ChildRunner

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "slicer.md"

for package in ("torch", "pandas", "scipy"):
    pytest.importorskip(package, reason="the examples do real work")


def examples():
    return re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_documentation_has_an_example_of_every_verb():
    code = "\n".join(examples())
    for verb in ("segment", "extractFeatures", "predict", "runCase", "runCohort"):
        assert f"logic.{verb}(" in code


def test_the_examples_run_as_they_stand(host, monkeypatch, capsys):
    host.widget.logic.runner = ChildRunner()
    samples = types.SimpleNamespace(downloadSamples=lambda name: {sampledata.NAME: sampledata.makePhantom}[name]())
    monkeypatch.setitem(sys.modules, "SampleData", samples)
    scope = {"slicer": slicer}
    for code in examples():
        exec(compile(code, str(DOCUMENT), "exec"), scope)
    said = capsys.readouterr().out
    assert "Synthetic_0000 segmentation" in said
    assert scope["prediction"].category in said
    assert scope["outputs"].files["report.html"].is_file()
    assert scope["tables"]["t1ce"].GetNumberOfRows() > 30
    assert "1 of 1 cases done, 0 failed" in said

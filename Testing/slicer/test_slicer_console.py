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

from BraTSOSLib.case import MODALITIES

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT, README = REPOSITORY / "docs" / "slicer.md", REPOSITORY / "README.md"


def examples(document=DOCUMENT):
    """The Python examples of a document that are for Slicer's console."""
    found = re.findall(r"^```python\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [code for code in found if document == DOCUMENT or "getModuleLogic" in code]


@pytest.fixture
def scope(host, monkeypatch):
    """What the console knows, with Slicer's module *Sample Data*."""
    samples = types.SimpleNamespace(downloadSamples=lambda name: {sampledata.NAME: sampledata.makePhantom}[name]())
    monkeypatch.setitem(sys.modules, "SampleData", samples)
    return {"slicer": slicer}


def test_the_documentation_has_an_example_of_every_verb():
    code = "\n".join(examples())
    for verb in ("segment", "extractFeatures", "predict", "runCase", "runCohort"):
        assert f"logic.{verb}(" in code


def test_the_examples_of_the_readme_run(host, scope, monkeypatch, tmp_path):
    """With the fake runner: the real work is done below. Four volumes and two folders may be taken for granted."""
    monkeypatch.chdir(tmp_path)
    scope |= dict(zip(MODALITIES, sampledata.makePhantom(), strict=True))
    scope |= {"folder": tmp_path / "cases", "output": tmp_path / "out"}
    (code,) = examples(README)
    exec(compile(code, str(README), "exec"), scope)
    assert scope["prediction"].category == "long"
    assert scope["segmentation"].GetName().startswith("Synthetic_0000 segmentation")


def test_the_examples_run_as_they_stand(host, scope, capsys):
    for package in ("torch", "pandas", "scipy"):
        pytest.importorskip(package, reason="the examples do real work")
    host.widget.logic.runner = ChildRunner()
    for code in examples():
        exec(compile(code, str(DOCUMENT), "exec"), scope)
    said = capsys.readouterr().out
    assert "Synthetic_0000 segmentation" in said
    assert scope["prediction"].category in said
    assert scope["outputs"].files["report.html"].is_file()
    assert scope["tables"]["t1ce"].GetNumberOfRows() > 30
    assert "1 of 1 cases done, 0 failed" in said

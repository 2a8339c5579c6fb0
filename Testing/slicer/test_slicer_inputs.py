"""*Inputs*: names, folders, the sample case, and the line that says whether the scans fit."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import slicer
from BraTSOSModule import naming, sampledata
from BraTSOSModule.sections.inputs import checkText
from slicerharness.gestures import click, select_volumes

from BraTSOSLib.case import MODALITIES


@pytest.fixture
def ui(host):
    return host.widget.ui


def selected(ui):
    nodes = [getattr(ui, f"{modality}Selector").currentNode() for modality in MODALITIES]
    return [node and node.GetName() for node in nodes]


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("Brats18_TCIA01_201_1_t1", "t1"),
        ("Brats18_TCIA01_201_1_t1ce", "t1ce"),
        ("BraTS-GLI-00001-000-t1n", "t1"),
        ("BraTS-GLI-00001-000-t1c", "t1ce"),
        ("BraTS-GLI-00001-000-t2w", "t2"),
        ("BraTS-GLI-00001-000-t2f", "flair"),
        ("UPENN-GBM-00001_11_T1GD", "t1ce"),
        ("UPENN-GBM-00001_11_FLAIR", "flair"),
        ("5: AX T1 POST", "t1ce"),
        ("T1 +C MPRAGE", "t1ce"),
        ("3D T1 MPRAGE pre", "t1"),
        ("Sag T2 FLAIR", "flair"),
        ("Ax T2 TSE", "t2"),
        ("DWI b1000", None),
        ("T10 spine", None),
        ("", None),
    ],
)
def test_names_say_the_modality(name, modality):
    assert naming.modalityOf(name) == modality


def test_fill_by_name_takes_one_case_and_never_mixes_two():
    names = ["B_t1", "A_flair", "A_t1", "A_t2", "A_t1ce", "B_t2", "A_seg"]
    assert naming.fillByName(names) == {"t1": 2, "t1ce": 4, "t2": 3, "flair": 1}
    assert naming.fillByName(["t1 pre", "Ax T1", "FLAIR"]) == {"flair": 2}
    assert naming.missing({"t1": 0, "t2": 1}) == ["T1ce", "FLAIR"]


def test_fill_by_name_selects_the_volumes(ui, make_volumes):
    make_volumes()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Case_1_t1")
    click(ui.fillButton)
    assert selected(ui) == ["Case_1_t1", "Case_1_t1ce", "Case_1_t2", "Case_1_flair"]


def test_fill_by_name_says_what_it_does_not_find(ui, make_volumes):
    make_volumes()[3].SetName("unclear")
    click(ui.fillButton)
    assert selected(ui)[3] is None
    assert ui.statusLabel.text == "No volume's name clearly says FLAIR: select it."


def folder_of_scans(folder, names):
    sitk = pytest.importorskip("SimpleITK")
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in names:
        sitk.WriteImage(sitk.GetImageFromArray(random.random((4, 5, 6)).astype(np.float32)), str(folder / name))
    return folder


def test_a_folder_is_loaded_and_selected(ui, messages, monkeypatch, tmp_path):
    names = [f"Fall-1-{ending}.nrrd" for ending in ("t1n", "t1c", "t2w", "t2f")]
    folder = folder_of_scans(tmp_path / "Fall Ü 1", names)
    monkeypatch.setattr("qt.QFileDialog.getExistingDirectory", lambda *_: str(folder))
    click(ui.loadFolderButton)
    assert messages == []
    assert selected(ui) == ["Fall-1-t1n", "Fall-1-t1c", "Fall-1-t2w", "Fall-1-t2f"]


def test_a_folder_that_is_no_case_is_one_sentence(ui, messages, monkeypatch, tmp_path):
    folder = folder_of_scans(tmp_path / "case", ["a_t1.nrrd", "a_t2.nrrd"])
    monkeypatch.setattr("qt.QFileDialog.getExistingDirectory", lambda *_: str(folder))
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(ui.loadFolderButton)
    assert len(messages) == 1 and "no file for T1ce, FLAIR" in messages[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    monkeypatch.setattr("qt.QFileDialog.getExistingDirectory", lambda *_: "")
    click(ui.loadFolderButton)
    assert len(messages) == 1


def test_a_damaged_file_is_one_sentence_and_leaves_no_volume(ui, messages, monkeypatch, tmp_path):
    names = [f"a_{ending}.nrrd" for ending in MODALITIES]
    folder = folder_of_scans(tmp_path / "case", names)
    (folder / names[3]).write_bytes(b"NRRD")
    monkeypatch.setattr("qt.QFileDialog.getExistingDirectory", lambda *_: str(folder))
    click(ui.loadFolderButton)
    assert messages == ["The file a_flair.nrrd cannot be read: is it whole, and the scan it is meant to be?"]
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_the_sample_is_loaded_and_selected(ui, messages):
    click(ui.sampleButton)
    assert messages == []
    assert selected(ui) == [f"Synthetic_0000_{modality}" for modality in MODALITIES]


def test_the_sample_is_registered_in_sample_data(host, runner, monkeypatch):
    registered = {}
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: registered.update(source))
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    slicer.app.completeStartup()
    assert registered["sampleName"] == sampledata.NAME
    assert len({len(registered[key]) for key in ("uris", "fileNames", "nodeNames")}) == 1
    nodes = registered["customDownloader"](None)
    assert [node.GetName() for node in nodes] == registered["nodeNames"]


def brain(volumes):
    """Put zeros around the brain."""
    for volume in volumes:
        array = slicer.util.arrayFromVolume(volume)
        array[:2] = array[-2:] = 0
        slicer.util.arrayFromVolumeModified(volume)
    return volumes


def test_the_check_line_says_ready_or_what_is_wrong(ui, make_volumes):
    assert ui.checkLabel.text == "0 of 4 volumes are selected."
    volumes = make_volumes()
    select_volumes(ui, volumes)
    assert "not skull-stripped" in ui.checkLabel.text
    brain(volumes)
    select_volumes(ui, [None] * 4)
    select_volumes(ui, volumes)
    assert ui.checkLabel.text == "4 volumes, one grid, 1 × 1 × 1.5 mm, skull-stripped: ready."
    ui.t2Selector.setCurrentNode(volumes[0])
    assert ui.checkLabel.text == "Case_1_t1 is selected twice: select four different volumes."
    assert not ui.resampleButton.visible


def test_a_volume_without_voxels_is_said(make_volumes):
    volumes = make_volumes()
    volumes[2].SetAndObserveImageData(None)
    text, other = checkText(dict(zip(MODALITIES, volumes, strict=True)))
    assert text == "Case_1_t2 has no voxels: select a 3-D scan of the brain." and not other


def test_other_grids_are_said_and_resampled_on_request(ui, make_volumes, runner, messages):
    volumes = brain(make_volumes())
    volumes[3].SetOrigin(volumes[3].GetOrigin()[0] + 0.5, *volumes[3].GetOrigin()[1:])
    select_volumes(ui, volumes)
    assert ui.checkLabel.text == "Case_1_flair not on the grid of T1ce: resample onto it."
    click(ui.resampleButton)
    assert messages == []
    assert selected(ui)[3] == "Case_1_flair on T1ce"
    assert ui.checkLabel.text.endswith("ready.") and not ui.resampleButton.visible
    moved = slicer.util.arrayFromVolume(ui.flairSelector.currentNode())
    original = slicer.util.arrayFromVolume(volumes[3])
    assert moved.shape == original.shape and not np.array_equal(moved, original)
    click(ui.segmentButton)
    assert messages == []


def test_scans_that_do_not_overlap_are_one_sentence(ui, make_volumes, messages):
    volumes = brain(make_volumes())
    volumes[0].SetOrigin(5000, 0, 0)
    select_volumes(ui, volumes)
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(ui.resampleButton)
    assert len(messages) == 1 and "register the four scans first" in messages[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == before

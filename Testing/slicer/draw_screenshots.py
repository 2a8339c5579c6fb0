"""Draws ``screenshots/`` anew: the panel in three states, and the segmentation in slice and 3D views.

It does what a user does on the sample case, with the bundled model, and takes some minutes::

    QT_QPA_PLATFORM=offscreen python Testing/slicer/draw_screenshots.py

Look at the pictures before committing them.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "BraTSOS" / "BraTSOS.py"
FOLDER = HERE / "screenshots"
WIDTH = 460

sys.path[:0] = [str(HERE), str(HERE.parents[1])]


def main() -> None:
    """Draw all pictures."""
    import slicerharness

    slicer = slicerharness.start()
    from slicerharness.gestures import click, finish_work

    host = slicerharness.ModuleHost(MODULE)
    importlib.import_module("BraTSOSModule.messages").show = lambda text, *more: sys.exit(text)
    panel, ui = host.widget, host.widget.ui
    ui.setupCollapsibleButton.collapsed = True
    click(ui.sampleButton)
    finish_work(panel)
    grab(host, "panel-ready.png")
    click(ui.segmentButton)
    until = time.monotonic() + 600
    while panel.busy and panel.progress.task.work.fraction < 0.4:
        slicer.app.processEvents()
        assert time.monotonic() < until
    grab(host, "panel-running.png")
    finish_work(panel, 1200)
    ui.ageSpinBox.value = 60.7
    ui.resectionComboBox.setCurrentIndex(ui.resectionComboBox.findText("GTR"))
    ui.mgmtComboBox.setCurrentIndex(ui.mgmtComboBox.findText("methylated"))
    click(ui.predictButton)
    finish_work(panel)
    click(ui.show3dButton)
    ui.resultTextBrowser.setMinimumHeight(430)
    grab(host, "panel.png")
    draw_views(ui.segmentationSelector.currentNode(), ui.t1ceSelector.currentNode())


def grab(host, name: str) -> None:
    """Draw the panel as high as it wants to be."""
    import slicer

    host.parent.resize(WIDTH, host.parent.sizeHint.height())
    for _repetition in range(3):
        slicer.app.processEvents()
    assert host.parent.grab().save(str(FOLDER / name))


def draw_views(segmentation, t1ce) -> None:
    """Draw the segmentation in three slices beside each other, and its surfaces."""
    from PIL import Image
    from slicerharness.views import save_3d, save_slice

    segmentation.GetDisplayNode().SetOpacity2DFill(0.45)
    t1ce.CreateDefaultDisplayNodes()
    centre = segmentation.GetSegmentCenterRAS("ET")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{orientation}.png") for orientation in ("Axial", "Coronal", "Sagittal")]
        for path in paths:
            save_slice(path, t1ce, path.stem, centre, zoom=0.72)
        pictures = [Image.open(path).convert("RGB") for path in paths]
        strip = Image.new("RGB", (sum(picture.width for picture in pictures), pictures[0].height))
        for place, picture in enumerate(pictures):
            strip.paste(picture, (place * picture.width, 0))
        strip.save(FOLDER / "slices.png", optimize=True)
        pictures[0].crop((40, 40, 360, 360)).resize((260, 260)).save(
            HERE.parents[1] / "Resources" / "Icons" / "BraTSOSPhantom.png", optimize=True
        )
    save_3d(FOLDER / "3d.png")


if __name__ == "__main__":
    main()

"""The synthetic case in Slicer's module *Sample Data*: made on this computer, so that nothing is downloaded."""

from __future__ import annotations

import logging

import slicer

from BraTSOSLib.case import MODALITIES

from .paths import resourcePath

CATEGORY, NAME = "BraTSOS", "BraTSOSPhantom"


def register() -> None:
    """Add the case to the module *Sample Data*, where that is there."""
    try:
        import SampleData
    except ImportError:  # Slicer can be built without it
        logging.debug("BraTSOS: no module Sample Data")
        return
    names = [f"Synthetic_0000_{modality}" for modality in MODALITIES]
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        thumbnailFileName=resourcePath("Icons", "BraTSOSPhantom.png"),
        uris=["bratsos:phantom"] * len(names),  # never asked for: the downloader makes the scans
        fileNames=[f"{name}.nii.gz" for name in names],
        nodeNames=names,
        customDownloader=makePhantom,
    )


def makePhantom(source=None) -> list:
    """Make the synthetic case and load it; return its volume nodes in the order T1, T1ce, T2, FLAIR."""
    volumes = slicer.util.getModuleLogic("BraTSOS").startSample().wait()
    slicer.util.setSliceViewerLayers(background=volumes["t1ce"], fit=True)
    return [volumes[modality] for modality in MODALITIES]

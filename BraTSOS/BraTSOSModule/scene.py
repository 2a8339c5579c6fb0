"""The scene: left as it was when something fails, and a place beside the scans for everything that is added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer


@contextmanager
def sceneRestoredOnError() -> Iterator[None]:
    """Remove every node that was added in the block if the block fails, so that nothing half-made stays behind."""
    before = _nodeIDs()
    try:
        yield
    except BaseException:
        _removeAllBut(before)
        raise


@contextmanager
def temporaryNodes() -> Iterator[None]:
    """Remove every node that was added in the block: exporting a segment leaves display and colour nodes behind."""
    before = _nodeIDs()
    try:
        yield
    finally:
        _removeAllBut(before)


def _removeAllBut(kept: set[str]) -> None:
    for nodeID in _nodeIDs() - kept:
        node = slicer.mrmlScene.GetNodeByID(nodeID)
        if node is not None:  # it may have gone together with another one
            slicer.mrmlScene.RemoveNode(node)


def _nodeIDs() -> set[str]:
    scene = slicer.mrmlScene
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def putBeside(node, reference) -> None:
    """Put a node into the subject-hierarchy folder of ``reference``: DICOM export needs it under the same study."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, beside = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(reference)
    if item and beside:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(beside))


def inScene(node) -> bool:
    """Tell whether a node is (still) in the scene."""
    return node is not None and slicer.mrmlScene.IsNodePresent(node) != 0

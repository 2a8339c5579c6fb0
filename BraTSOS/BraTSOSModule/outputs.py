"""What ``runCase`` gives, and how its files reach the folder that the user chose."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from BraTSOSLib.atomic import staged_folder
from BraTSOSLib.errors import InputError

if TYPE_CHECKING:
    from slicer import vtkMRMLSegmentationNode

    from BraTSOSLib.survival import Prediction


@dataclass(frozen=True)
class CaseOutputs:
    """Everything that one case gave.

    Attributes
    ----------
    segmentation : the node in the scene
    prediction : BraTSOSLib.survival.Prediction
    features : feature name to value
    volumes : region to ``ml`` and ``brain_percent``
    files : file name to path, in the folder that was asked for
    """

    segmentation: vtkMRMLSegmentationNode
    prediction: Prediction
    features: dict[str, float]
    volumes: dict[str, dict[str, float]]
    files: dict[str, Path]


def saveFiles(files: Mapping[str, str], folder: str | Path, names: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Move a job's files into a folder, all of them or none.

    Parameters
    ----------
    files : mapping
        File name to where the job left it.
    folder : path
        Made if it is not there.
    names : mapping, optional
        Which files, and under which names; all under their own where None.

    Raises
    ------
    InputError
        If the folder cannot be written to or the disk is full.
    """
    wanted = dict(names) if names is not None else {name: name for name in files}
    try:
        with staged_folder(folder, list(wanted.values())) as staging:
            for name, new in wanted.items():
                shutil.copyfile(files[name], staging / new)
    except OSError as error:
        raise InputError(
            _("The results cannot be written to the folder ({reason}): choose another one.").format(
                reason=error.strerror or error
            )
        ) from error
    return {new: Path(folder, new) for new in wanted.values()}

"""Lesion-wise Dice and HD95 of BraTS 2023: every tumour of a patient counts alike, however small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import check_masks, dice
from .surface import bounding_box, checked_spacing, hausdorff_95

DILATION = 3
SMALLEST_MM3 = 50.0
MISSED_MM = 374.0


@dataclass(frozen=True)
class Lesion:
    """One lesion of the truth: its volume in mm³, whether a predicted component reaches it, its Dice and HD95 in mm."""

    volume: float
    found: bool
    dice: float
    hd95: float


@dataclass(frozen=True)
class LesionScores:
    """Lesion-wise scores of one region of one case.

    Attributes
    ----------
    dice : float
        Mean over the judged lesions and the false ones, which count 0; 1 where there are neither.
    hd95 : float
        Likewise in mm: missed and false lesions count the penalty; 0 where there are neither.
    found, missed : int
        Judged lesions of the truth that a predicted component reaches, and that none does.
    false : int
        Predicted components that reach no lesion of the truth.
    ignored : int
        Lesions of the truth that are too small to be judged.
    lesions : tuple of Lesion
        The judged ones.
    """

    dice: float
    hd95: float
    found: int
    missed: int
    false: int
    ignored: int
    lesions: tuple[Lesion, ...]


def lesion_scores(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    *,
    dilation: int = DILATION,
    smallest: float = SMALLEST_MM3,
    penalty: float = MISSED_MM,
) -> LesionScores:
    """Judge a mask lesion by lesion.

    Parameters
    ----------
    prediction, truth : ndarray, (z, y, x)
        Masks of one region, of one shape.
    spacing : three numbers
        Voxel spacing in mm along z, y and x.
    dilation : int
        Steps by which the truth is dilated before it is cut into lesions. BraTS 2023: 3 for gliomas (GLI, SSA, PED),
        1 for meningiomas and metastases. One step is one voxel: BraTS images have 1 mm voxels.
    smallest : float
        Lesions of the truth of at most this volume in mm³ are not judged. BraTS 2023: 50, for metastases 2.
    penalty : float
        HD95 in mm of a missed or false lesion. BraTS 2023: 374.

    Returns
    -------
    LesionScores

    Raises
    ------
    InputError
        If the shapes differ or the spacing is not three numbers above 0.

    Notes
    -----
    1. The truth is dilated ``dilation`` times by the 3 x 3 x 3 neighbourhood without its corners (18-connected). The
       26-connected components of the dilated truth are the lesions: parts that lie close together are one. The voxels
       of a lesion are those of the undilated truth.
    2. The 26-connected components of the prediction that touch a dilated lesion are matched with it and judged
       together against its undilated voxels by Dice and HD95 (see ``surface.hausdorff_95``). A component that touches
       two lesions is matched with both. A lesion with no match is missed: Dice 0, HD95 ``penalty``.
    3. Lesions of at most ``smallest`` mm³ leave the score; components that touch them are not false.
    4. Every component that touches no lesion, of whatever size, is false: Dice 0, HD95 ``penalty``.
    5. The scores are the means over the judged lesions and the false components together.

    The constants and rules are those of the code of the challenge [1]_; its HD95 differs in that surface voxels are
    weighed by their area.

    References
    ----------
    .. [1] Saluja R et al., BraTS-2023-Metrics, https://github.com/rachitsaluja/BraTS-2023-Metrics, and the announcement
       of the organisers, https://www.synapse.org/Synapse:syn51156910/discussion/threadId=10357.
    """
    from scipy import ndimage

    check_masks(prediction, truth)
    checked_spacing(spacing)
    prediction, truth = prediction.astype(bool), truth.astype(bool)
    box = bounding_box(prediction | truth)
    if box is None:
        return LesionScores(1.0, 0.0, 0, 0, 0, 0, ())
    # Beyond this margin neither the dilated truth nor the prediction has a voxel.
    margin = dilation + 1
    prediction, truth = np.pad(prediction[box], margin), np.pad(truth[box], margin)
    touching = ndimage.generate_binary_structure(3, 3)
    extents = truth
    if dilation:
        step = ndimage.generate_binary_structure(3, 2)
        extents = ndimage.binary_dilation(truth, structure=step, iterations=dilation)
    extents, count = ndimage.label(extents, structure=touching)
    components, predicted = ndimage.label(prediction, structure=touching)
    matches = _matches(extents, components)
    extent_boxes, component_boxes = ndimage.find_objects(extents), ndimage.find_objects(components)
    voxel = float(np.prod(spacing))
    judged = []
    ignored = 0
    for number in range(1, count + 1):
        volume = float(np.count_nonzero(truth & (extents == number) if count > 1 else truth)) * voxel
        if volume <= smallest:
            ignored += 1
            continue
        matched = matches.get(number, [])
        part = _union([extent_boxes[number - 1], *(component_boxes[other - 1] for other in matched)])
        lesion = truth[part] & (extents[part] == number)
        candidate = np.isin(components[part], matched)
        judged.append(
            Lesion(
                volume,
                bool(matched),
                dice(candidate, lesion),
                hausdorff_95(candidate, lesion, spacing, one_empty=penalty),
            )
        )
    false = predicted - len({other for matched in matches.values() for other in matched})
    total = len(judged) + false
    return LesionScores(
        dice=sum(lesion.dice for lesion in judged) / total if total else 1.0,
        hd95=(sum(lesion.hd95 for lesion in judged) + false * penalty) / total if total else 0.0,
        found=sum(lesion.found for lesion in judged),
        missed=sum(not lesion.found for lesion in judged),
        false=false,
        ignored=ignored,
        lesions=tuple(judged),
    )


def _matches(extents: np.ndarray, components: np.ndarray) -> dict[int, list[int]]:
    """Return for each dilated lesion the predicted components that touch it."""
    both = (extents > 0) & (components > 0)
    pairs = np.unique(np.stack([extents[both], components[both]]), axis=1)
    found: dict[int, list[int]] = {}
    for lesion, component in pairs.T.tolist():
        found.setdefault(lesion, []).append(component)
    return found


def _union(boxes: list[tuple[slice, ...]]) -> tuple[slice, ...]:
    return tuple(
        slice(min(part.start for part in axis), max(part.stop for part in axis)) for axis in zip(*boxes, strict=True)
    )

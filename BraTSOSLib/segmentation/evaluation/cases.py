"""Judging one case or two folders of cases: one row for each case and region."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import Cancelled, InputError
from ...geometry import Geometry, grid_differences
from ...labels import canonical_labels, region_mask
from .folders import Pair, match_cases
from .lesionwise import DILATION, SMALLEST_MM3, lesion_scores
from .metrics import REGIONS, Overlap, overlap
from .surface import bounding_box, checked_spacing, hausdorff_95

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RegionScores:
    """Scores of one region of one case; the fields are the columns of the table that ``evaluate_folders`` returns.

    Attributes
    ----------
    region : str
    dice, sensitivity, specificity : float, 0 to 1
    hd95_mm : float
        See ``surface.hausdorff_95``; 0 where both maps lack the region, 373.13 where one does.
    truth_ml, predicted_ml : float
        Volumes in mL.
    volume_error_ml : float
        Predicted less true volume.
    lesion_dice, lesion_hd95_mm : float
        Of BraTS 2023, see ``lesionwise.lesion_scores``.
    lesions_found, lesions_missed, lesions_false : int
    """

    region: str
    dice: float
    hd95_mm: float
    sensitivity: float
    specificity: float
    truth_ml: float
    predicted_ml: float
    volume_error_ml: float
    lesion_dice: float
    lesion_hd95_mm: float
    lesions_found: int
    lesions_missed: int
    lesions_false: int


def evaluate_case(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    *,
    regions: Sequence[str] = REGIONS,
    dilation: int = DILATION,
    smallest: float = SMALLEST_MM3,
) -> list[RegionScores]:
    """Judge a label map against a reference.

    Parameters
    ----------
    prediction, truth : ndarray, (z, y, x)
        Label maps on one grid, values 0, 1, 2 and 4 (or 3, as BraTS 2023 writes enhancing tumour).
    spacing : three numbers
        Voxel spacing in mm along z, y and x, the order of the arrays' axes.
    regions : sequence of str
        Keys of ``labels.REGIONS``.
    dilation, smallest
        See ``lesionwise.lesion_scores``.

    Returns
    -------
    list of RegionScores, in the order of ``regions``

    Raises
    ------
    InputError
        If the shapes differ, a label is unknown, or the spacing is not three numbers above 0.

    Examples
    --------
    >>> truth = np.zeros((10, 10, 10), np.uint8)
    >>> truth[2:8, 2:8, 2:8] = 4
    >>> [scores.dice for scores in evaluate_case(truth, truth, (1.0, 1.0, 1.0))]
    [1.0, 1.0, 1.0]
    """
    if prediction.shape != truth.shape:
        raise InputError(
            f"The prediction has {prediction.shape} voxels (z, y, x) and the reference {truth.shape}: bring them onto "
            "one grid."
        )
    return _judge(
        canonical_labels(prediction, "the prediction"),
        canonical_labels(truth, "the reference"),
        [float(value) for value in checked_spacing(spacing)],
        regions=regions,
        dilation=dilation,
        smallest=smallest,
    )


def _judge(
    prediction: np.ndarray,
    truth: np.ndarray,
    step: list[float],
    *,
    regions: Sequence[str],
    dilation: int = DILATION,
    smallest: float = SMALLEST_MM3,
) -> list[RegionScores]:
    """Judge label maps that are known to hold 0, 1, 2 and 4 only: to look that up costs as much as to judge them."""
    everything = truth.size
    millilitres = float(np.prod(step)) / 1000.0
    # Outside the box of both tumours the two maps agree on background.
    box = bounding_box((prediction > 0) | (truth > 0)) or (slice(0, 1),) * 3
    prediction, truth = prediction[box], truth[box]
    rows = []
    for region in regions:
        predicted, true = region_mask(prediction, region), region_mask(truth, region)
        inside = overlap(predicted, true)
        counts = Overlap(
            inside.true_positive,
            inside.false_positive,
            inside.false_negative,
            inside.true_negative + everything - truth.size,
        )
        lesions = lesion_scores(predicted, true, step, dilation=dilation, smallest=smallest)
        true_volume = (counts.true_positive + counts.false_negative) * millilitres
        predicted_volume = (counts.true_positive + counts.false_positive) * millilitres
        rows.append(
            RegionScores(
                region=region,
                dice=counts.dice,
                hd95_mm=hausdorff_95(predicted, true, step),
                sensitivity=counts.sensitivity,
                specificity=counts.specificity,
                truth_ml=true_volume,
                predicted_ml=predicted_volume,
                volume_error_ml=predicted_volume - true_volume,
                lesion_dice=lesions.dice,
                lesion_hd95_mm=lesions.hd95,
                lesions_found=lesions.found,
                lesions_missed=lesions.missed,
                lesions_false=lesions.false,
            )
        )
    return rows


def read_pair(pair: Pair) -> tuple[np.ndarray, np.ndarray, Geometry]:
    """Read a predicted label map and its reference.

    Returns
    -------
    prediction, truth : ndarray uint8, (z, y, x)
        Values 0, 1, 2, 4.
    geometry : Geometry
        The one grid of both.

    Raises
    ------
    InputError
        If a file cannot be used, holds other labels, or the grids differ.
    """
    from ...images import read_labels

    truth, prediction = read_labels(pair.truth), read_labels(pair.prediction)
    differences = grid_differences(prediction.geometry, truth.geometry)
    if differences:
        raise InputError(
            f"{pair.prediction} is not on the grid of {pair.truth}: {'; '.join(differences)}. Write the prediction on "
            "the reference's grid (nearest neighbour) first."
        )
    return (
        canonical_labels(prediction.array, str(pair.prediction)),
        canonical_labels(truth.array, str(pair.truth)),
        truth.geometry,
    )


def evaluate_pairs(
    pairs: Mapping[str, Pair],
    *,
    regions: Sequence[str] = REGIONS,
    progress: Callable[[str, float], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> pd.DataFrame:
    """Judge each pair of files; the table of ``evaluate_folders``. No more than one case is held in memory.

    Raises
    ------
    InputError
        See ``read_pair``.
    Cancelled
    """
    import pandas as pd

    rows = []
    for number, (name, pair) in enumerate(pairs.items()):
        if cancel is not None and cancel():
            raise Cancelled("The evaluation was stopped.")
        if progress is not None:
            progress(f"Case {number + 1} of {len(pairs)}", number / len(pairs))
        prediction, truth, geometry = read_pair(pair)
        scores = _judge(prediction, truth, list(geometry.spacing[::-1]), regions=regions)
        rows += [{"case": name, **asdict(row)} for row in scores]
    return pd.DataFrame(rows)


def evaluate_folders(
    prediction: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    *,
    regions: Sequence[str] = REGIONS,
    progress: Callable[[str, float], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> pd.DataFrame:
    """Judge the label maps of one folder against those of another; cases are matched by name.

    Parameters
    ----------
    prediction, truth : folder
        See ``folders.label_maps`` for the names that are understood.
    regions : sequence of str
        Keys of ``labels.REGIONS``.
    progress, cancel : callable, optional

    Returns
    -------
    DataFrame
        One row for each case and region: ``case`` and the fields of ``RegionScores``. Cases that only one folder has
        are in ``attrs["only_prediction"]`` and ``attrs["only_truth"]``, lists of names.

    Raises
    ------
    InputError
        If the folders have no case in common, or a case cannot be judged (see ``read_pair``).
    Cancelled
    """
    matched = match_cases(Path(prediction), Path(truth))
    table = evaluate_pairs(matched.pairs, regions=regions, progress=progress, cancel=cancel)
    table.attrs["only_prediction"] = list(matched.only_prediction)
    table.attrs["only_truth"] = list(matched.only_truth)
    return table

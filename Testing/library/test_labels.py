"""Label conventions."""

from __future__ import annotations

import numpy as np
import pytest

from BraTSOSLib.errors import InputError
from BraTSOSLib.labels import COLOURS, REGION_TITLES, REGIONS, canonical_labels, region_mask
from BraTSOSLib.segmentation.evaluation import dice, region_dice


@pytest.mark.parametrize("enhancing", [3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_both_conventions_become_one(enhancing, kind):
    labels = canonical_labels(np.array([0, 1, 2, enhancing], kind))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [0, 1, 2, 4]


def test_input_is_not_changed():
    given = np.array([0, 3], np.uint8)
    canonical_labels(given)
    assert given.tolist() == [0, 3]


@pytest.mark.parametrize("values", [[0], [2], [0, 2], [0, 1]])
def test_any_label_may_be_absent(values):
    assert canonical_labels(np.array(values)).tolist() == values


def test_three_and_four_together_are_a_question():
    with pytest.raises(InputError, match=r"the map\.nii holds both 3 and 4: which one is enhancing tumour"):
        canonical_labels(np.array([0, 3, 4]), "the map.nii")


@pytest.mark.parametrize("value", [5, -1, 0.5, 255, np.nan])
def test_other_values_are_refused_by_name(value):
    with pytest.raises(InputError, match=f"{value:g}"):
        canonical_labels(np.array([0, 1, value]))


def test_regions_are_nested():
    labels = np.array([0, 1, 2, 4])
    whole, core, enhancing = (region_mask(labels, region) for region in ("WT", "TC", "ET"))
    assert whole.tolist() == [False, True, True, True]
    assert core.tolist() == [False, True, False, True]
    assert enhancing.tolist() == [False, False, False, True]
    assert set(REGION_TITLES) == set(REGIONS)
    assert set(COLOURS) == {"NCR", "ED", "ET"}


def test_dice_of_known_overlaps():
    a, b = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 1])
    assert dice(a, b) == pytest.approx(2 * 1 / 5)
    assert dice(a, a) == 1.0
    assert dice(a, 1 - a) == 0.0
    assert dice(a * 0, b * 0) == 1.0
    assert dice(a, b * 0) == 0.0
    with pytest.raises(InputError):
        dice(a, b[:3])


def test_dice_of_regions():
    truth, predicted = np.array([1, 2, 4, 0, 0]), np.array([4, 2, 4, 2, 0])
    assert region_dice(predicted, truth) == pytest.approx({"WT": 6 / 7, "TC": 1.0, "ET": 2 / 3})

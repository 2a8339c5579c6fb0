"""Dice, HD95 and lesion-wise scores: hand-made masks, and other people's implementations."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from scipy import ndimage

from BraTSOSLib.errors import InputError
from BraTSOSLib.segmentation.evaluation import evaluate_case, hausdorff_95, lesion_scores
from BraTSOSLib.segmentation.evaluation.metrics import overlap
from BraTSOSLib.segmentation.evaluation.surface import surface

UNIT = (1.0, 1.0, 1.0)


def block(shape, *places) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for place in places:
        mask[tuple(slice(*part) for part in place)] = True
    return mask


def blobs(seed: int, shape=(22, 30, 26), threshold=0.18) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0) > threshold * 0.5


def test_counts_of_a_known_overlap():
    prediction, truth = block((4, 4, 4), ((0, 2), (0, 4), (0, 4))), block((4, 4, 4), ((1, 4), (0, 4), (0, 4)))
    counts = overlap(prediction, truth)
    assert asdict(counts) == {"true_positive": 16, "false_positive": 16, "false_negative": 32, "true_negative": 0}
    assert counts.dice == pytest.approx(2 * 16 / 80)
    assert counts.sensitivity == pytest.approx(1 / 3)
    assert counts.specificity == 0.0


@pytest.mark.parametrize(
    ("predicted", "true", "dice", "sensitivity", "specificity", "distance"),
    [(0, 0, 1, 1, 1, 0), (1, 0, 0, 0, 56 / 64, 373.13), (0, 1, 0, 0, 1, 373.13), (1, 1, 1, 1, 1, 0)],
)
def test_empty_masks_count_as_in_brats(predicted, true, dice, sensitivity, specificity, distance):
    full = block((4, 4, 4), ((1, 3), (1, 3), (1, 3)))
    prediction, truth = full & bool(predicted), full & bool(true)
    counts = overlap(prediction, truth)
    assert (counts.dice, counts.sensitivity, counts.specificity) == (dice, sensitivity, specificity)
    assert hausdorff_95(prediction, truth, UNIT) == distance


def test_sklearn_agrees_on_dice_and_sensitivity():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    prediction, truth = blobs(1), blobs(2)
    counts = overlap(prediction, truth)
    assert counts.dice == pytest.approx(metrics.f1_score(truth.ravel(), prediction.ravel()))
    assert counts.sensitivity == pytest.approx(metrics.recall_score(truth.ravel(), prediction.ravel()))
    assert counts.specificity == pytest.approx(metrics.recall_score(~truth.ravel(), ~prediction.ravel()))


def test_the_surface_is_what_has_a_face_outside():
    mask = block((5, 5, 5), ((0, 4), (1, 4), (1, 4)))
    expected = mask.copy()
    expected[1:3, 2, 2] = False  # the first slice is cut off by the image: it is surface
    assert np.array_equal(surface(mask), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_hd95_is_in_mm_along_each_axis(axis):
    spacing = (3.0, 0.5, 2.0)
    truth = block((12, 12, 12), ((4, 6), (4, 6), (4, 6)))
    prediction = np.roll(truth, 4, axis)
    # Blocks two voxels thick, four apart: the surface voxels of each lie 3 or 4 voxels from the nearest of the other,
    # half of them at 4, so that the 95th percentile is 4 voxels.
    assert hausdorff_95(prediction, truth, spacing) == pytest.approx(4 * spacing[axis])


def test_hd95_ignores_one_voxel_in_twenty_and_takes_the_larger_direction():
    truth = block((3, 3, 60), ((1, 2), (1, 2), (0, 40)))
    prediction = truth.copy()
    prediction[1, 1, 59] = True  # 1 of 41 voxels, 20 mm away: under 5 %
    assert hausdorff_95(prediction, truth, UNIT) == 0.0
    prediction[1, 1, 50:60] = True  # 10 of 50 voxels, 11 to 20 mm away
    ranked = np.sort([*np.zeros(40), *range(11, 21)])
    assert hausdorff_95(prediction, truth, UNIT) == pytest.approx(np.percentile(ranked, 95))
    assert hausdorff_95(truth, prediction, UNIT) == pytest.approx(np.percentile(ranked, 95))


def test_hd95_equals_distance_maps_of_the_whole_image():
    spacing = (2.5, 0.8, 1.1)
    prediction, truth = blobs(3), blobs(4)
    first, second = (mask & ~ndimage.binary_erosion(mask) for mask in (prediction, truth))
    ways = [
        np.percentile(ndimage.distance_transform_edt(~target, sampling=spacing)[source], 95)
        for source, target in ((first, second), (second, first))
    ]
    assert hausdorff_95(prediction, truth, spacing) == pytest.approx(max(ways))


def test_monai_agrees_on_hd95():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    monai = pytest.importorskip("monai.metrics", reason="MONAI is not installed")
    for seed, spacing in enumerate([UNIT, (3.0, 0.7, 1.2), (1.0, 1.0, 5.0)]):
        prediction, truth = blobs(10 + seed), blobs(20 + seed)
        batches = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (prediction, truth)]
        theirs = monai.compute_hausdorff_distance(*batches, include_background=True, percentile=95, spacing=spacing)
        assert hausdorff_95(prediction, truth, spacing) == pytest.approx(float(theirs), rel=1e-5)


def slow_lesion_scores(prediction, truth, spacing, dilation=3, smallest=50.0):
    """The steps of the challenge's definition one after the other on the whole image, with no shortcut."""
    everything = np.ones((3, 3, 3))

    def grow(mask):
        for _ in range(dilation):
            mask = ndimage.binary_dilation(mask, ndimage.generate_binary_structure(3, 2))
        return mask

    extents, count = ndimage.label(grow(truth), everything)
    components, predicted = ndimage.label(prediction, everything)
    dices, distances, hit = [], [], set()
    for number in range(1, count + 1):
        lesion = truth & (extents == number)
        touching = set(np.unique(components[grow(lesion)])) - {0}
        hit |= touching
        if lesion.sum() * np.prod(spacing) <= smallest:
            continue
        candidate = np.isin(components, sorted(touching))
        dices.append(2 * (candidate & lesion).sum() / (candidate.sum() + lesion.sum()))
        distances.append(hausdorff_95(candidate, lesion, spacing) if touching else 374.0)
    false = predicted - len(hit)
    total = len(dices) + false
    return sum(dices) / total, (sum(distances) + 374.0 * false) / total, false


@pytest.mark.parametrize("seed", range(4))
def test_lesion_scores_follow_the_definition_on_scattered_blobs(seed):
    shape = (30, 34, 40)
    noise = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(noise.normal(size=shape), 1.5) > 0.22
    prediction = (truth & (noise.random(shape) > 0.1)) ^ (ndimage.gaussian_filter(noise.normal(size=shape), 1.2) > 0.3)
    dilation, smallest, spacing = (0, 4.0, UNIT) if seed % 2 else (1, 8.0, (1.0, 2.0, 0.5))
    scores = lesion_scores(prediction, truth, spacing, dilation=dilation, smallest=smallest)
    dice, distance, false = slow_lesion_scores(prediction, truth, spacing, dilation, smallest)
    assert len(scores.lesions) > 2
    assert (scores.dice, scores.hd95, scores.false) == (pytest.approx(dice), pytest.approx(distance), false)


def test_each_lesion_counts_alike_and_missed_and_false_ones_count_nothing():
    shape = (20, 20, 80)
    large, small = ((2, 12), (2, 12), (2, 22)), ((5, 9), (5, 9), (40, 44))
    stray = ((15, 16), (15, 16), (70, 71))
    truth = block(shape, large, small)
    assert lesion_scores(truth, truth, UNIT).dice == 1.0

    missing = lesion_scores(block(shape, large), truth, UNIT)
    assert (missing.dice, missing.hd95) == (0.5, 374.0 / 2)
    assert (missing.found, missing.missed, missing.false) == (1, 1, 0)

    extra = lesion_scores(block(shape, large, small, stray), truth, UNIT)  # one voxel: false, however small
    assert (extra.dice, extra.hd95) == (pytest.approx(2 / 3), pytest.approx(374.0 / 3))
    assert (extra.found, extra.missed, extra.false) == (2, 0, 1)


def test_parts_within_reach_of_the_dilation_are_one_lesion():
    shape = (12, 12, 60)
    first = ((4, 8), (4, 8), (4, 14))
    near, far = ((4, 8), (4, 8), (20, 30)), ((4, 8), (4, 8), (21, 31))  # gaps of 6 and 7 voxels: 3 + 3 just touch
    assert len(lesion_scores(block(shape, first), block(shape, first, near), UNIT).lesions) == 1
    assert len(lesion_scores(block(shape, first), block(shape, first, far), UNIT).lesions) == 2


def test_lesions_of_fifty_cubic_mm_are_not_judged_and_what_meets_them_is_not_false():
    shape = (12, 12, 40)
    truth = block(shape, ((4, 9), (4, 9), (4, 6)))  # 50 voxels
    scores = lesion_scores(truth, truth, UNIT)
    assert (scores.dice, scores.hd95, scores.ignored, scores.false) == (1.0, 0.0, 1, 0)
    assert len(lesion_scores(truth, truth, (1.0, 1.0, 1.1)).lesions) == 1
    assert lesion_scores(~truth & False, truth, UNIT).dice == 1.0
    only_false = lesion_scores(truth, truth & False, UNIT)
    assert (only_false.dice, only_false.hd95, only_false.false) == (0.0, 374.0, 1)


def test_a_case_gives_a_row_for_each_region():
    truth = np.zeros((12, 12, 12), np.uint8)
    truth[2:10, 2:10, 2:10] = 2
    truth[4:8, 4:8, 4:8] = 1
    truth[5:7, 5:7, 5:7] = 4
    prediction = np.where(truth == 4, 1, truth)
    whole, core, enhancing = evaluate_case(prediction, truth, (2.0, 1.0, 1.0))
    assert [row.region for row in (whole, core, enhancing)] == ["WT", "TC", "ET"]
    assert (whole.dice, whole.hd95_mm, core.dice, core.specificity) == (1.0, 0.0, 1.0, 1.0)
    assert (enhancing.dice, enhancing.hd95_mm, enhancing.sensitivity) == (0.0, 373.13, 0.0)
    assert (whole.truth_ml, whole.volume_error_ml) == (pytest.approx(1.024), 0.0)
    assert enhancing.volume_error_ml == pytest.approx(-0.016)
    grown = truth.copy()
    grown[0, 0, 0] = 2
    assert evaluate_case(grown, truth, UNIT)[0].specificity == pytest.approx(1 - 1 / (1728 - 512))


def test_both_spellings_of_enhancing_tumour_are_one():
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:6, 2:6, 2:6] = 4
    assert [row.dice for row in evaluate_case(np.where(truth == 4, 3, 0), truth, UNIT)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("prediction", "spacing", "words"),
    [
        (np.zeros((3, 3, 4)), UNIT, "bring them onto one grid"),
        (np.full((3, 3, 3), 7), UNIT, "the prediction holds the values 7"),
        (np.zeros((3, 3, 3)), (1.0, 0.0, 1.0), "not three lengths"),
        (np.zeros((3, 3, 3)), (1.0, 1.0), "not three lengths"),
    ],
)
def test_bad_arrays_are_refused(prediction, spacing, words):
    with pytest.raises(InputError, match=words):
        evaluate_case(prediction, np.zeros((3, 3, 3)), spacing)

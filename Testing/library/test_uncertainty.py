"""Entropy over passes, and the Dice that an expert's outline would be expected to give."""

from __future__ import annotations

import numpy as np
import pytest

from BraTSOSLib.errors import InputError, ModelError
from BraTSOSLib.segmentation.entropy import entropy, mutual_information
from BraTSOSLib.segmentation.quality import estimate_quality, fit_line, from_card, soft_dice, to_card


def passes_of(*values: float) -> np.ndarray:
    """One voxel, one region, one pass for each value."""
    return np.array(values, dtype=np.float32).reshape(-1, 1, 1, 1, 1)


def test_entropy_of_one_half_is_one_bit_and_of_certainty_none():
    assert entropy(passes_of(0.5)) == pytest.approx(1.0)
    assert entropy(passes_of(0.0)) == 0
    assert entropy(passes_of(1.0)) == 0
    assert entropy(passes_of(0.25)) == pytest.approx(0.811278, abs=1e-5)


def test_entropy_is_that_of_the_mean_over_passes():
    assert entropy(passes_of(0.0, 1.0)) == pytest.approx(1.0)
    assert entropy(passes_of(0.1, 0.4)) == pytest.approx(float(entropy(passes_of(0.25)).item()), abs=1e-6)


def test_entropy_shows_the_least_decided_region():
    probability = np.zeros((1, 3, 2, 2, 2), dtype=np.float32)
    probability[0, 0] = 1.0  # surely tumour,
    probability[0, 2, 0, 0, 0] = 0.5  # but does it enhance?
    found = entropy(probability)
    assert found.dtype == np.float32
    assert found.shape == (2, 2, 2)
    assert found[0, 0, 0] == pytest.approx(1.0)
    assert found.sum() == pytest.approx(1.0)


def test_mutual_information_is_disagreement_only():
    assert mutual_information(passes_of(0.0, 1.0)) == pytest.approx(1.0)
    assert mutual_information(passes_of(0.5, 0.5)) == pytest.approx(0.0, abs=1e-6)
    assert mutual_information(passes_of(0.3)) == 0
    disagreement = mutual_information(passes_of(0.2, 0.6))
    assert 0 < disagreement < entropy(passes_of(0.2, 0.6))


def test_passes_may_come_as_a_list_and_are_left_as_they_were():
    one, other = (np.full((3, 2, 2, 2), value, dtype=np.float32) for value in (0.2, 0.8))
    assert entropy([one, other]) == pytest.approx(np.ones((2, 2, 2)))
    assert (one == np.float32(0.2)).all()


@pytest.mark.parametrize("function", [entropy, mutual_information])
def test_what_are_no_probabilities_is_refused(function):
    with pytest.raises(InputError, match="No pass"):
        function([])
    with pytest.raises(InputError, match="shapes"):
        function([np.zeros((3, 2, 2, 2)), np.zeros((3, 2, 2, 3))])
    for wrong in (-0.2, 4.0, np.nan):
        with pytest.raises(InputError, match="0 to 1"):
            function(passes_of(0.5, wrong))
    function(passes_of(1.0 + 1e-6))  # a rounding error of blended windows


def test_soft_dice_is_dice_where_the_probabilities_are_certain():
    outline = np.zeros((4, 4, 4), dtype=bool)
    outline[:2] = True
    truth = np.zeros((4, 4, 4), dtype=np.float32)
    truth[1:3] = 1.0
    assert soft_dice(truth, outline) == pytest.approx(0.5)
    assert soft_dice(outline.astype(np.float32), outline) == pytest.approx(1.0)
    assert soft_dice(truth, np.zeros_like(outline)) is None


def test_soft_dice_is_the_mean_dice_of_truths_drawn_from_the_probabilities():
    rng = np.random.default_rng(3)
    probability = rng.uniform(0, 1, (12, 12, 12)) ** 2
    outline = probability > 0.4
    drawn = []
    for _ in range(200):
        truth = rng.uniform(size=probability.shape) < probability
        drawn.append(2 * (truth & outline).sum() / (truth.sum() + outline.sum()))
    assert soft_dice(probability, outline) == pytest.approx(np.mean(drawn), abs=0.003)


def unseen(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Soft Dice, and Dice 0.1 lower with an error of 0.05."""
    rng = np.random.default_rng(seed)
    soft = rng.uniform(0.5, 0.95, count)
    return soft, np.clip(soft - 0.1 + rng.normal(0, 0.05, count), 0, 1), [f"case {n}" for n in range(count)]


def test_the_line_is_found_again_and_its_interval_holds_what_it_promises():
    line = fit_line(*unseen(400))
    assert line.slope == pytest.approx(1.0, abs=0.1)
    assert line.estimate(0.8)["dice"] == pytest.approx(0.7, abs=0.01)
    assert line.error == pytest.approx(0.05 * np.sqrt(2 / np.pi), abs=0.006)
    soft, dice, _ = unseen(2000, seed=1)
    ends = [line.estimate(value) for value in soft]
    held = np.mean([end["low"] <= value <= end["high"] for end, value in zip(ends, dice, strict=True)])
    assert held == pytest.approx(0.8, abs=0.04)


def test_few_cases_give_a_wider_interval_than_many_and_too_few_are_refused():
    few, many = fit_line(*unseen(8)), fit_line(*unseen(400))
    errors = unseen(8)[1] - unseen(8)[0] + 0.1
    assert few.high - few.low > 0.6 * (errors.max() - errors.min())
    assert many.high - many.low == pytest.approx(2 * 1.2816 * 0.05, abs=0.02)
    with pytest.raises(ModelError, match="too few"):
        fit_line(*unseen(4))


def test_a_case_counts_once_however_many_results_it_has():
    soft, dice, cases = unseen(30)
    once = fit_line(soft, dice, cases)
    again = fit_line(np.repeat(soft, 3), np.repeat(dice, 3), np.repeat(cases, 3))
    assert vars(again) == pytest.approx(vars(once))
    skewed = fit_line([*soft, *[soft[0]] * 50], [*dice, *[dice[0]] * 50], [*cases, *[cases[0]] * 50])
    assert skewed.slope == pytest.approx(once.slope)


def test_more_doubt_never_means_a_better_outline():
    soft, dice, cases = unseen(30)
    line = fit_line(soft, 1 - dice, cases)
    assert line.slope == 0
    assert line.intercept == pytest.approx(np.mean(1 - dice))


def test_an_estimate_stays_between_0_and_1_and_around_its_middle():
    line = fit_line(*unseen())
    for soft in (0.0, 0.3, 1.0):
        found = line.estimate(soft)
        assert 0 <= found["low"] <= found["dice"] <= found["high"] <= 1


def test_quality_of_a_label_map_by_region():
    labels = np.zeros((6, 6, 6), dtype=np.uint8)
    labels[1:5, 1:5, 1:5] = 2
    labels[2:4, 2:4, 2:4] = 1
    probabilities = np.zeros((3, 6, 6, 6), dtype=np.float32)
    probabilities[0, labels > 0] = 0.95
    probabilities[1, labels == 1] = 0.6
    card = to_card({region: fit_line(*unseen()) for region in ("WT", "TC", "ET")})
    found = estimate_quality(probabilities, labels, card)
    assert sorted(found) == ["TC", "WT"]  # no ET is outlined
    assert found["WT"]["dice"] > found["TC"]["dice"]
    assert found["WT"].keys() == {"dice", "low", "high"}
    assert estimate_quality(probabilities, labels, None) == {}


def test_a_card_keeps_the_lines_and_a_damaged_one_is_refused():
    lines = {"WT": fit_line(*unseen())}
    card = to_card(lines)
    assert vars(from_card(card)["WT"]) == pytest.approx(vars(lines["WT"]), abs=1e-4)
    for wrong in ({}, {"regions": {"WT": {"slope": 1}}}, {"regions": {"WT": {**card["regions"]["WT"], "low": "x"}}}):
        with pytest.raises(ModelError, match="calibration"):
            from_card(wrong)

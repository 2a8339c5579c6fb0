"""The report's survival part: what is said first, what the charts say in words, and that nothing promises too much."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from explained_student import ExplainedStudent
from test_report import CARDS, little_case, page_of, pixels
from test_report import prediction as plain_prediction

from BraTSOSLib.report.charts import draw_contributions, draw_estimate, draw_reliability, draw_similar, signed
from BraTSOSLib.report.comparison import comparison_with_baseline, coverage_shares
from BraTSOSLib.report.explanation import missing_titles, place_lines, reliability_views, spread_view
from BraTSOSLib.resources import resource
from BraTSOSLib.survival.prediction import Prediction, SegmentationSpread
from BraTSOSLib.survival.predictor import predict_survival

VOLUMES = {
    "NCR_original_shape_VoxelVolume": 9315.0,
    "ED_original_shape_VoxelVolume": 53448.0,
    "ET_original_shape_VoxelVolume": 6659.0,
}
BINS = [
    {"predicted": 0.4, "observed": 0.45, "n": 70, "low": 0.3, "high": 0.6},
    {"predicted": 0.6, "observed": 0.5, "n": 71, "low": 0.4, "high": 0.62},
]
SPREAD = SegmentationSpread(
    segmentations=8,
    source="mirrored scans",
    volumes={"WT": {"low": 65000.0, "high": 72000.0}},
    days={"low": 360.0, "high": 395.0},
    probabilities={"short": {"low": 0.3, "high": 0.4}},
    categories={"short": 2, "long": 6},
)


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch, request):
    """Leave out the slices, which `test_report` looks at, and render charts only where `rendered` is asked for."""
    monkeypatch.setattr("BraTSOSLib.report.page.draw_views", lambda case, labels: [])
    if "rendered" not in request.fixturenames:
        monkeypatch.setattr("BraTSOSLib.report.charts._png", lambda figure: b"not rendered")


@pytest.fixture
def rendered():
    """Ask for charts with pixels."""


@pytest.fixture
def predict(monkeypatch):
    """`predict_survival` with a student that can explain itself."""
    card = json.loads(resource("Models", "survival-student.json").read_text(encoding="utf-8"))
    monkeypatch.setattr("BraTSOSLib.survival.predictor.load_student", lambda model: ExplainedStudent(card))
    return predict_survival


@pytest.fixture
def prediction(predict) -> Prediction:
    return predict(VOLUMES, 71, "biopsy", mgmt="methylated")


def comparing(*differences, baseline="age + resection, logistic"):
    """A card whose metrics compare a student with the baseline: (evaluation, difference, low, high) each."""
    metrics = []
    for evaluation, value, low, high in differences:
        for model, shown, interval in (
            ("student", 0.66 + value, None),
            (baseline, 0.66, None),
            (f"student − {baseline}", value, [low, high]),
            ("student − student alone", 0.3, [0.2, 0.4]),
        ):
            entry = {"name": "c_index", "value": shown, "model": model, "evaluation": evaluation, "cases": 83}
            metrics.append({**entry, "interval": interval} if interval else entry)
    return {**CARDS[1], "metrics": metrics}


def test_the_interval_stands_beside_the_days(tmp_path, prediction):
    page = page_of(tmp_path, predicted=prediction)
    assert f"{prediction.days_low:,.0f} to {prediction.days_high:,.0f} days" in page
    assert "1 of 10 die earlier, 1 of 10 later" in page
    assert "half of such patients live longer, half shorter" in page
    assert "for a single patient the category says little" in page_of(
        tmp_path, predicted=replace(prediction, days_low=120.0, days_high=900.0)
    )
    assert "8 of 10" not in page_of(tmp_path, predicted=plain_prediction())


def test_warnings_come_before_the_category(tmp_path, predict):
    predicted = predict({**VOLUMES, "ET_original_shape_VoxelVolume": 0.0}, 95, "GTR")
    page = page_of(tmp_path, predicted=predicted)
    caution = page.index("Caution: this patient or tumour is unlike")
    assert caution < page.index("No part of the tumour enhances") < page.index("Estimated category")
    assert caution < page.index("Age is 95 years") < page.index("Estimated category")
    assert "may not be reliable: see the caution above" in page
    assert "see the caution above" not in page_of(tmp_path, predicted=predict(VOLUMES, 60, "GTR"))


def test_without_category_the_reason_comes_first_and_no_chart_follows(tmp_path, predict):
    page = page_of(tmp_path, predicted=predict(VOLUMES, 12, idh="mutated"))
    assert page.index("No survival category") < page.index("Also noted") < page.index("tumours of children")
    assert "What the estimate rests on" not in page
    assert page.count('class="chart"') == 0


def test_what_was_not_given_is_named(tmp_path, predict):
    page = page_of(tmp_path, predicted=predict(VOLUMES, 60))
    assert "Not given: <strong>Resection, MGMT promoter</strong>. The model uses them" in page
    assert "without it the estimate is less certain" in page
    assert "the average training patient, were the same not known" in page
    assert "Not given:" not in page_of(tmp_path, predicted=predict(VOLUMES, 60, "GTR", mgmt="methylated"))
    assert missing_titles(["kps", "ET_original_shape_VoxelVolume", "new"]) == ["Karnofsky score", "volume of ET", "new"]


def test_every_chart_is_there_once_and_tells_its_content_in_words(tmp_path, prediction, rendered):
    card = {**CARDS[1], "reliability": {"evaluation": "other hospitals", "cases": 141, "bins": BINS}}
    page = page_of(tmp_path, predicted=prediction, cards=[card])
    assert page.count('class="chart"') == 4
    for words in (
        "Probabilities: short",
        "Kaplan-Meier curves",
        "Effect of each input",
        "Reliability: given 40 per cent",
    ):
        assert page.count(f'alt="{words}') == 1, words
    assert "not causes" in page
    assert "other hospitals, 141 patients" in page
    assert page == page_of(tmp_path, predicted=prediction, cards=[card])


def test_a_model_that_explains_nothing_has_a_shorter_report(tmp_path):
    page = page_of(tmp_path, predicted=plain_prediction())
    assert page.count('class="chart"') == 1
    assert "What the estimate rests on" not in page
    assert "Do the probabilities hold" not in page


def test_a_chart_differs_with_its_content_and_not_with_the_users_settings(prediction, rendered):
    from matplotlib import rc_context

    estimate = draw_estimate({"short": 0.2, "medium": 0.3, "long": 0.5}, "long", 500.0, 200.0, 1000.0)
    assert "20 per cent" in estimate.alt
    assert "in 8 of 10 such patients 200 to 1,000 days" in estimate.alt
    with rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9, "axes.grid": True}):
        assert draw_estimate({"short": 0.2, "medium": 0.3, "long": 0.5}, "long", 500.0, 200.0, 1000.0) == estimate
    assert draw_estimate({"short": 0.2, "medium": 0.3, "long": 0.5}, "long", 500.0, None, None).png != estimate.png
    assert draw_estimate({"short": 0.2, "medium": 0.3, "long": 0.5}, "long", None, None, None).alt.endswith("per cent.")
    for chart in (
        draw_similar(prediction.cohort),
        draw_contributions(prediction.contributions),
        draw_reliability(BINS),
    ):
        assert pixels(chart.png).std() > 0.05
    assert signed(-0.304) == "−0.30"


def test_bars_differ_in_grey(prediction, rendered):
    """Shortening bars are hatched and to the right, lengthening ones plain and to the left."""
    picture = pixels(draw_contributions(prediction.contributions).png)
    warm = (picture[..., 0] > 0.6) & (picture[..., 2] < 0.3)
    blue = (picture[..., 2] > 0.35) & (picture[..., 0] < 0.25)
    assert warm.any()
    assert blue.any()
    assert warm.nonzero()[1].min() > blue.nonzero()[1].max() - 3


def test_where_the_patient_lies_is_said_in_words(prediction):
    lines = place_lines(prediction.cohort, prediction.risk)
    alive = 100 * prediction.cohort.similar.at(300.0)[0]
    assert f"{alive:.0f} of 100 after 300 days" in lines[1]
    assert "250 in all" in lines[0]
    extreme = replace(prediction.cohort, percentile=99.0)
    assert "at the higher end" in place_lines(extreme, prediction.risk)[-1]
    middle = replace(prediction.cohort, percentile=50.0, median=None)
    assert len(place_lines(middle, prediction.risk)) == 2


def test_plausible_outlines_are_compared(tmp_path, prediction):
    page = page_of(tmp_path, predicted=replace(prediction, spread=SPREAD))
    assert "8 plausible outlines were compared (mirrored scans)." in page
    assert "“short” in 2, “long” in 6 of 8" in page
    assert "65.0 to 72.0 mL" in page
    assert "360 to 395 days" in page
    assert spread_view(None) is None
    same = replace(SPREAD, days={"low": 497.0, "high": 497.0}, categories={"long": 7, "none": 1})
    view = spread_view(same)
    assert ("Estimated survival", "497 days for each: the model uses no volumes") in view["rows"]
    assert view["verdict"] == "Category: “long” in 7, none in 1 of 8."
    assert not any("Probability" in title for title, _ in view["rows"])


@pytest.mark.parametrize(
    ("differences", "headline"),
    [
        ([("CV", 0.002, -0.004, 0.008), ("elsewhere", 0.01, -0.02, 0.03)], "Not measurably better"),
        ([("CV", 0.02, 0.01, 0.03), ("elsewhere", 0.01, -0.02, 0.03)], "measurably so in 1 of 2 comparisons"),
        ([("CV", 0.02, 0.01, 0.03)], "in every comparison"),
        ([("CV", -0.02, -0.03, -0.01), ("elsewhere", 0.0, -0.1, 0.1)], "Worse than a plain model"),
        ([("CV", -0.02, -0.03, -0.01), ("elsewhere", 0.02, 0.01, 0.03)], "in 1, worse in 1 of 2"),
    ],
)
def test_the_comparison_with_age_and_resection_is_said_in_words(tmp_path, differences, headline):
    card = comparing(*differences)
    found = comparison_with_baseline(card)
    assert headline in found["headline"]
    assert [row["evaluation"] for row in found["rows"]] == [difference[0] for difference in differences]
    _, value, low, high = differences[0]
    (cell,) = found["rows"][0]["cells"]
    assert cell.shown == f"{0.66 + value:.3f} against 0.660"
    assert cell.interval == f"{value:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")
    page = page_of(tmp_path, cards=[card])
    assert found["headline"] in page
    assert cell.interval in page


def test_a_card_that_compares_with_nothing_says_nothing():
    assert comparison_with_baseline(CARDS[1]) is None
    assert comparison_with_baseline(None) is None


def test_reliability_is_judged_only_where_the_card_does():
    view = {
        "evaluation": "CV",
        "cases": 141,
        "bins": BINS,
        "calibration_error": 0.04,
        "band": {"low": 0.01, "high": 0.08},
    }
    assert "as a well calibrated model" in reliability_views(view)[0]["verdict"]
    assert "more than" in reliability_views([{**view, "calibration_error": 0.1}])[0]["verdict"]
    assert reliability_views({**view, "band": None})[0]["verdict"] == ""
    assert reliability_views({"evaluation": "CV"}) == []
    assert reliability_views(None) == []
    assert reliability_views([{**view, "bins": [{"predicted": 0.3}]}, "CV"]) == []


def test_how_often_the_interval_held_is_said(tmp_path):
    coverage = [
        {"evaluation": "elsewhere", "nominal": 0.8, "value": 0.867, "low": 0.775, "high": 0.932, "cases": 83},
        {"evaluation": "CV", "value": 0.8},
        {"evaluation": "nothing"},
    ]
    assert coverage_shares(coverage) == {"elsewhere": "87 of 100 (78 to 93)", "CV": "80 of 100"}
    assert coverage_shares(None) == {}
    card = {**comparing(("elsewhere", 0.0, -0.1, 0.1)), "coverage": coverage}
    assert "87 of 100 (78 to 93)" in page_of(tmp_path, cards=[card])


def test_the_extent_of_resection_is_never_presented_as_a_choice(tmp_path, prediction):
    case, labels = little_case()
    page = page_of(tmp_path, case, labels, prediction)
    assert "Comparing the estimate for one extent of resection with that for another does <strong>not</strong>" in page
    assert "does <strong>not</strong> show what an operation" in page

"""The report: volumes, orientation of the pictures, what is said, and that the page is safe and whole."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from BraTSOSLib.case import MODALITIES, Case, Geometry
from BraTSOSLib.errors import InputError
from BraTSOSLib.labels import COLOURS
from BraTSOSLib.report import write_report
from BraTSOSLib.report.cards import how_often_wrong, metric_table, metrics_of, typical_error
from BraTSOSLib.report.content import percentages
from BraTSOSLib.report.pictures import draw_views, largest_section
from BraTSOSLib.volumes import volumes

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SPACING = (2.0, 3.0, 4.0)
"""x, y, z in mm of the little case below."""


def little_case(**changes) -> tuple[Case, np.ndarray]:
    """A block of brain of 24 x 30 x 24 mm in LPS order with a small tumour on the patient's left, in front, on top."""
    shape = (8, 14, 16)
    brain = np.zeros(shape, dtype=bool)
    brain[1:7, 2:12, 2:14] = True
    labels = np.zeros(shape, dtype=np.uint8)
    labels[3:6, 3:7, 8:13] = 2
    # The largest sections are z = 4, y = 5, x = 10, where all three regions lie.
    labels[4, 7, 8:13] = labels[2, 5, 8:13] = labels[3, 7, 10] = 2
    labels[4:6, 4:6, 9:12] = 4
    labels[4, 5, 10] = 1
    rng = np.random.default_rng(7)
    scans = {
        modality: np.where(brain, rng.uniform(50, 100, shape) + 60 * (labels == 4), 0).astype(np.float32)
        for modality in MODALITIES
    }
    case = Case("Case_1", scans, Geometry(shape[::-1], SPACING, (-5.0, 7.0, 9.0), IDENTITY))
    return replace(case, **changes), labels


def stored_as(case: Case, labels: np.ndarray, order: tuple[int, ...], signs: tuple[int, ...]):
    """Store the same patient on a grid whose index axis i runs along world axis ``order[i]`` with ``signs[i]``."""
    direction = np.zeros((3, 3))
    for index, (world, sign) in enumerate(zip(order, signs, strict=True)):
        direction[world, index] = sign

    def turn(array):
        # Arrays are (z, y, x): array axis 2 - i belongs to index axis i.
        turned = array.transpose([2 - order[2 - axis] for axis in range(3)])
        return turned[tuple(slice(None, None, signs[2 - axis]) for axis in range(3))].copy()

    geometry = Geometry(
        tuple(case.geometry.size[world] for world in order),
        tuple(case.geometry.spacing[world] for world in order),
        (0.0, 0.0, 0.0),
        tuple(direction.ravel()),
    )
    scans = {modality: turn(scan) for modality, scan in case.volumes.items()}
    return Case(case.name, scans, geometry), turn(labels)


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return imread(BytesIO(png), format="png")[..., :3]


def coloured(picture: np.ndarray, region: str) -> np.ndarray:
    """Rows and columns of the pixels that have exactly the outline's colour."""
    return np.argwhere(np.abs(picture - np.array(COLOURS[region])).max(axis=-1) < 0.01)


CARDS = [
    {
        "name": "little-segmenter",
        "version": "3.1",
        "task": "segmentation",
        "intended_use": "adults before surgery",
        "limits": ["not for children"],
        "training_data": [{"name": "some scans", "cases": 34, "terms": "CC BY 3.0", "citation": "Somebody 2015"}],
        "metrics": [{"name": "Dice WT", "value": 0.86, "evaluation": "validation", "cases": 8}],
        "sha256": "ab" * 32,
    },
    {
        "name": "little-student",
        "version": "2.0",
        "task": "survival",
        "intended_use": "adults with glioblastoma",
        "limits": "one cohort only",
        "training_data": [{"name": "a table", "cases": 369, "terms": "CC BY 4.0", "citation": "Somebody 2022"}],
        "metrics": {
            "cross-validation": {"cases": 369, "accuracy": 0.54, "mse": 160000.0, "baseline accuracy": 0.99},
            "other hospitals": {"cases": 83, "accuracy": 0.48},
            "on the training data": {"cases": 369, "accuracy": 0.9},
        },
        "sha256": "cd" * 32,
    },
]
RUN = {"device": "cpu", "versions": {"bratsos": "0.1.0"}, "timings": {"segmentation": 31.44}}


def prediction(**changes) -> SimpleNamespace:
    fields = {
        "category": "long",
        "reason": None,
        "probabilities": {"short": 0.2, "medium": 0.3, "long": 0.5},
        "days": 500.0,
        "days_low": None,
        "days_high": None,
        "risk": None,
        "warnings": (),
        "missing": (),
        "contributions": (),
        "cohort": None,
        "spread": None,
        "flags": (),
        "inputs": {"age": 60.7, "resection": "GTR", "mgmt": None},
        "model": {"name": "little-student", "version": "2.0", "sha256": "cd" * 32},
    }
    return SimpleNamespace(**{**fields, **changes})


def page_of(folder: Path, case=None, labels=None, predicted=None, run=RUN, cards=CARDS) -> str:
    if case is None:
        case, labels = little_case()
    path = write_report(folder / "report.html", case, labels, predicted or prediction(), run=run, cards=cards)
    return path.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def charts_without_pixels(monkeypatch):
    """The charts are looked at in `test_report_survival`; rendering them takes as long as the slices."""
    monkeypatch.setattr("BraTSOSLib.report.charts._png", lambda figure: b"not rendered")


def test_volumes_count_voxels_in_millilitres_and_share_of_the_brain():
    case, labels = little_case()
    measured = volumes(case, labels)
    voxel = 2.0 * 3.0 * 4.0 / 1000.0
    assert measured["NCR"]["ml"] == pytest.approx(1 * voxel)
    assert measured["ET"]["ml"] == pytest.approx(11 * voxel)
    assert measured["TC"]["ml"] == pytest.approx(12 * voxel)
    assert measured["WT"]["ml"] == pytest.approx(71 * voxel)
    assert measured["WT"]["brain_percent"] == pytest.approx(100 * 71 / (6 * 10 * 12))
    assert volumes(case, np.zeros_like(labels))["WT"] == {"ml": 0.0, "brain_percent": 0.0}


def test_volumes_refuse_another_grid_and_an_empty_brain():
    case, labels = little_case()
    with pytest.raises(InputError, match="own grid"):
        volumes(case, labels[1:])
    empty = replace(case, volumes={name: np.zeros_like(scan) for name, scan in case.volumes.items()})
    with pytest.raises(InputError, match="no brain"):
        volumes(empty, labels)


def test_pictures_are_the_same_whichever_way_the_scans_are_stored():
    case, labels = little_case()
    expected = [view.png for view in draw_views(case, labels)]
    everything = list(product(permutations(range(3)), product((1, -1), repeat=3)))
    for order, signs in everything[1::7]:
        stored, map_ = stored_as(case, labels, order, signs)
        assert [view.png for view in draw_views(stored, map_)] == expected, (order, signs)


@pytest.mark.parametrize(
    ("title", "right_half", "lower_half"),
    [
        ("FLAIR, axial", True, False),  # the patient's left is on the right, the front on top
        ("T1 with contrast, coronal", True, False),  # left on the right, the head on top
        ("T1 with contrast, sagittal", False, False),  # the front on the left, the head on top
    ],
)
def test_radiological_convention(title, right_half, lower_half):
    case, labels = little_case()
    view = next(view for view in draw_views(case, labels) if view.title == title)
    picture = pixels(view.png)
    rows, columns = coloured(picture, "ET").mean(axis=0)
    middle = (picture.shape[0] - 1) / 2
    assert (columns > middle) == right_half
    assert (rows > middle) == lower_half


def test_pictures_have_square_millimetres():
    case, _ = little_case()
    labels = np.zeros(case.brain.shape, dtype=np.uint8)
    labels[2:5, 4:8, 5:11] = 2  # 12 mm in every direction
    for view in draw_views(case, labels):
        found = coloured(pixels(view.png), "ED")
        height, width = found.max(axis=0) - found.min(axis=0) + 1
        assert height == pytest.approx(36, abs=2), view.title  # 3 pixels per mm
        assert width == pytest.approx(36, abs=2), view.title


def test_every_region_is_outlined_and_empty_maps_are_not():
    case, labels = little_case()
    picture = pixels(draw_views(case, labels)[1].png)
    assert all(len(coloured(picture, region)) > 10 for region in COLOURS)
    picture = pixels(draw_views(case, np.zeros_like(labels))[1].png)
    assert not any(len(coloured(picture, region)) for region in COLOURS)


def test_slices_pass_through_the_largest_section_or_the_middle_of_the_brain():
    case, labels = little_case()
    assert largest_section(labels > 0, 0, case.brain) == 4
    assert largest_section(labels > 0, 1, case.brain) == 5
    assert largest_section(labels > 0, 2, case.brain) == 10
    assert largest_section(np.zeros_like(labels), 1, case.brain) == 7
    assert largest_section(np.zeros_like(labels), 1, np.zeros_like(case.brain)) == 7


def test_a_tilted_grid_is_called_oblique():
    case, labels = little_case()
    angle = np.radians(15)
    direction = (np.cos(angle), -np.sin(angle), 0.0, np.sin(angle), np.cos(angle), 0.0, 0.0, 0.0, 1.0)
    tilted = replace(case, geometry=replace(case.geometry, direction=tuple(float(value) for value in direction)))
    assert all("oblique" in view.title for view in draw_views(tilted, labels))
    assert not any("oblique" in view.title for view in draw_views(case, labels))


class _Tags(HTMLParser):
    VOID = ("meta", "br", "img", "rect", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(tmp_path):
    parser = _Tags()
    page = page_of(tmp_path)
    parser.feed(page)
    assert parser.open == []
    names = [tag for tag, _ in parser.seen]
    assert not {"script", "link", "iframe", "object"} & set(names)
    sources = [attributes["src"] for tag, attributes in parser.seen if tag == "img"]
    assert len(sources) == 7  # six slices and the estimate
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(attributes["alt"] for tag, attributes in parser.seen if tag == "img")
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_says_what_a_reader_must_know(tmp_path):
    page = page_of(tmp_path)
    assert "For research only, not for clinical decisions" in page
    assert "SYNTHETIC" not in page
    assert "more than 450 days" in page
    assert "the most probable of three: 50 %" in page
    assert "<strong>500 days</strong> (about 17 months)" in page
    assert "Typical error of the days in tests: 400 days (" in page
    assert "wrong in about half of patients: 46 to 52 of 100" in page
    assert "50 of 100 patients with these inputs would not be" in page
    assert "known only after surgery" in page
    assert "gross total resection (GTR)" in page
    assert "adults with glioblastoma" in page
    assert "cd" * 32 in page
    assert "31.4 s" in page


def test_every_text_is_escaped(tmp_path):
    evil = "<script>alert('x')</script>"
    case, labels = little_case(name=evil)
    flag = SimpleNamespace(name=evil, value=evil, low=evil, high=evil, message=evil)
    card = dict.fromkeys(("name", "version", "task", "intended_use", "limits", "training_data", "sha256"), evil)
    card["metrics"] = {evil: {"cases": evil, evil: evil}}
    for predicted in (
        prediction(flags=(flag,), inputs={evil: evil}, model={"name": evil, "sha256": evil}),
        prediction(category=None, reason=evil),
    ):
        page = page_of(tmp_path, case, labels, predicted, run={evil: evil, "more": {evil: evil}}, cards=[card])
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_a_phantom_is_marked_on_the_page_and_in_every_picture(tmp_path):
    case, labels = little_case(synthetic=True)
    assert "SYNTHETIC phantom, not a patient" in page_of(tmp_path, case, labels)
    plain = draw_views(replace(case, synthetic=False), labels)
    for marked, unmarked in zip(draw_views(case, labels), plain, strict=True):
        changed = np.abs(pixels(marked.png) - pixels(unmarked.png)).max(axis=-1) > 0.1
        assert changed.mean() > 0.01
        assert "not a patient" in marked.alt


def test_no_category_shows_the_reason_and_no_numbers(tmp_path):
    case, labels = little_case()
    predicted = prediction(category=None, reason="No tumour was found.", probabilities=None, days=None)
    page = page_of(tmp_path, case, np.zeros_like(labels), predicted)
    assert "No survival category" in page
    assert "No tumour was found." in page
    assert "No tumour is outlined in these scans." in page
    assert "Probabilities: short" not in page


def test_flags_and_inputs_speak_of_regions_not_of_features(tmp_path):
    feature = "ED_original_shape_VoxelVolume"
    flag = SimpleNamespace(name=feature, value=2e5, low=1.0, high=1e5, message=f"{feature} is too large.")
    card = {**CARDS[1], "inputs": [{"name": feature, "used": False}], "input_meanings": {"age": "years"}}
    predicted = prediction(flags=(flag,), inputs={"age": 61, feature: 2e5, "mgmt": "methylated"})
    page = page_of(tmp_path, predicted=predicted, cards=[card])
    assert "Volume of ED is too large." in page
    assert "as measured (ED)" in page
    assert "compared with the training patients, not used" in page
    assert "200.0 mL" in page_of(tmp_path, predicted=predicted)
    assert 'methylated<br><span class="small quiet">not used</span>' in page
    assert feature not in page


def test_notes_on_the_scans_and_given_outlines_are_shown(tmp_path):
    case, labels = little_case(notes=("T2 was resampled onto T1ce's grid.",))
    page = page_of(tmp_path, case, labels, run={"settings": {"labels": "given"}})
    assert "T2 was resampled" in page
    assert "The outlines were given with the scans." in page
    assert "drawn by the segmentation model" in page_of(tmp_path)


def test_days_that_contradict_the_category_are_pointed_out(tmp_path):
    assert "especially uncertain" in page_of(tmp_path, predicted=prediction(days=400.0))
    assert "especially uncertain" not in page_of(tmp_path, predicted=prediction(days=451.0))


def test_same_arguments_same_bytes(tmp_path):
    first = page_of(tmp_path)
    assert page_of(tmp_path) == first
    assert page_of(tmp_path, run={**RUN, "device": "cuda"}) != first


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    case, labels = little_case()
    (tmp_path / "report.html").write_text("older")
    with pytest.raises(InputError):
        page_of(tmp_path, case, labels[1:])
    assert (tmp_path / "report.html").read_text() == "older"
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError):
        write_report(tmp_path / "taken", case, labels, prediction(), run=RUN, cards=CARDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "taken"]


def test_a_brain_of_impossible_size_is_pointed_out(tmp_path):
    assert "may not be skull-stripped" in page_of(tmp_path)  # the little block measures 17 mL


@pytest.mark.parametrize("shares", [(1 / 3, 1 / 3, 1 / 3), (0.005, 0.005, 0.99), (0.125, 0.375, 0.5), (1.0, 0.0, 0.0)])
def test_percentages_sum_to_a_hundred(shares):
    whole = percentages(dict(zip(("short", "medium", "long"), shares, strict=True)))
    assert sum(whole.values()) == 100
    assert all(abs(value - 100 * share) < 1 for value, share in zip(whole.values(), shares, strict=True))


@pytest.mark.parametrize(
    "metrics",
    [
        [{"name": "accuracy", "value": 0.54, "evaluation": "cross-validation", "cases": 369, "interval": [0.5, 0.6]}],
        [{"evaluation": "cross-validation", "cases": 369, "accuracy": {"value": 0.54, "low": 0.5, "high": 0.6}}],
        {"cross-validation": {"patients": 369, "accuracy": {"value": 0.54, "ci95": [0.5, 0.6]}}},
        {"accuracy": {"value": 0.54, "evaluation": "cross-validation", "n": 369, "interval": [0.5, 0.6]}},
        [{"evaluation": "cross-validation", "cases": 369, "accuracy": 0.54, "accuracy_interval": [0.5, 0.6]}],
    ],
)
def test_metrics_are_found_however_a_card_nests_them(metrics):
    (metric,) = metrics_of(metrics)
    assert (metric.name, metric.value, metric.evaluation, metric.cases) == ("accuracy", 0.54, "cross-validation", "369")
    assert metric.interval == "0.5 to 0.6"


def test_metrics_of_several_models_make_one_table_and_only_the_students_count():
    rows = [
        ("student, distilled", 0.5),
        ("age + resection, ridge", 0.9),
        ("student, distilled − age + resection", 0.01),
    ]
    metrics = [{"model": name, "evaluation": "CV", "cases": 10, "accuracy": v, "mse": 100.0} for name, v in rows]
    table = metric_table(list(metrics_of(metrics)))
    assert table["columns"] == ["Accuracy", "Mean squared error (days²)"]
    (group,) = table["groups"]
    assert (group["evaluation"], group["cases"]) == ("CV", "10")
    assert [row["model"] for row in group["rows"]] == [name for name, _ in rows[:2]]
    assert [cell.value for cell in group["rows"][1]["cells"]] == [0.9, 100.0]
    assert table["left_out"]
    assert "50 of 100" in how_often_wrong({"metrics": metrics})["headline"]


def test_trust_counts_only_the_model_itself_on_unseen_patients():
    wrong = how_often_wrong(CARDS[1])
    assert len(wrong["evidence"]) == 2
    assert "400 days (" in typical_error(CARDS[1])
    assert "not known" in how_often_wrong(CARDS[0])["headline"]
    assert "not known" in how_often_wrong(None)["headline"]
    assert typical_error(None) is None


WARNED = {
    **RUN,
    "segmentation": {
        "warnings": ["T1 and T2 seem to be exchanged <b>."],
        "quality": {
            "WT": {"dice": 0.84, "low": 0.7, "high": 0.93},
            "TC": {"dice": 0.41, "low": 0.1, "high": 0.75},
            "ET": {"dice": None, "low": None, "high": None},
        },
        "engine": "torch on cpu",
    },
}


def test_warnings_about_the_scans_come_before_any_result(tmp_path):
    page = page_of(tmp_path, run=WARNED)
    warning = page.index("T1 and T2 seem to be exchanged &lt;b&gt;.")
    assert page.index("Check this first") < warning < page.index("Estimated overall survival")
    assert page.count("T1 and T2 seem to be exchanged") == 1  # not in the record of the run again
    assert "torch on cpu" in page
    assert "Check this first" not in page_of(tmp_path)


def test_expected_agreement_stands_beside_the_volumes_and_a_poor_one_on_top(tmp_path):
    page = page_of(tmp_path, run=WARNED)
    volumes_table = page[page.index('id="volumes"') :]
    assert "0.84" in volumes_table
    assert "likely 0.70 to 0.93" in volumes_table
    assert "poor: 0.41" in volumes_table
    assert volumes_table.count("not estimated") == 3  # NCR, ED and ET
    first = page[: page.index("Estimated overall survival")]
    assert "Tumour core (NCR/NET + ET): the outline is expected to agree poorly" in first
    assert "Whole tumour (NCR/NET + ED + ET): the outline" not in first
    assert "Dice" not in page_of(tmp_path, cards=[])


@pytest.mark.parametrize(
    "segmentation",
    [None, "none", {}, {"warnings": None, "quality": None}, {"quality": {"XX": {"dice": 0.5}, "WT": 0.9}}],
)
def test_a_run_that_says_nothing_of_warnings_or_quality_is_fine(tmp_path, segmentation):
    page = page_of(tmp_path, run={**RUN, "segmentation": segmentation}, cards=[])
    assert "Check this first" not in page
    assert "Expected agreement" not in page

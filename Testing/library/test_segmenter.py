"""The segmenter: stages, windows, orientation, spacing, fallbacks; with engines that stand in for networks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.case import MODALITIES, Case
from BraTSOSLib.cli import main
from BraTSOSLib.errors import Cancelled, InputError, ModelError
from BraTSOSLib.geometry import Geometry
from BraTSOSLib.segmentation import segmenter as module
from BraTSOSLib.segmentation.cascade import join_stages
from BraTSOSLib.segmentation.engines import DeviceMemoryError
from BraTSOSLib.segmentation.model import load_stages, region_probabilities
from BraTSOSLib.segmentation.resampling import resize_linear
from BraTSOSLib.segmentation.segmenter import Segmenter, tumour_box
from BraTSOSLib.segmentation.windows import slide


def _case(flip: bool = False, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Case:
    """A box of brain (intensity 1 to 2) in air, with a bright FLAIR lesion left of the middle."""
    rng = np.random.default_rng(0)
    volumes = {}
    for name in MODALITIES:
        array = np.zeros((44, 52, 48), dtype=np.float32)
        array[4:40, 6:46, 4:44] = rng.uniform(1, 2, (36, 40, 40))
        if name == "flair":
            array[14:26, 16:30, 24:36] = 8.0
        volumes[name] = array[:, :, ::-1] if flip else array
    direction = (-1.0, 0, 0, 0, 1, 0, 0, 0, 1) if flip else (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
    origin = (47.0 * spacing[0], 0.0, 0.0) if flip else (0.0, 0.0, 0.0)
    geometry = Geometry(size=(48, 52, 44), spacing=spacing, origin=origin, direction=direction)
    return Case(name="case", volumes=volumes, geometry=geometry)


class _BrightFlair:
    """An engine whose logits are high where the channel ``flair`` is, for all regions alike."""

    name, device, notes = "fake", "cpu", ()

    def __init__(self, channel: int = 3, gain: float = 20.0, outputs: int = 3) -> None:
        self.channel, self.gain, self.outputs, self.seen = channel, gain, outputs, []

    def __call__(self, part: np.ndarray) -> np.ndarray:
        self.seen.append(part.shape)
        bright = self.gain * (part[:, self.channel] - 1.5)
        return np.stack([bright] * self.outputs, axis=1).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path):
    """Write a card of stages whose weights are never turned into networks."""

    def write(*stages: dict, **fields) -> Path:
        content = b"weights"
        (tmp_path / "m.safetensors").write_bytes(content)
        common = {"weights": "m.safetensors", "sha256": hashlib.sha256(content).hexdigest(), "window": [32, 32, 32]}
        card = {"name": "m", "stages": [{**common, **stage} for stage in stages], **fields}
        (tmp_path / "m.json").write_text(json.dumps(card))
        return tmp_path / "m.json"

    return write


def _with_engines(monkeypatch, card: Path, *engines) -> Segmenter:
    segmenter = Segmenter(card, device="cpu")
    monkeypatch.setattr(segmenter, "_engines", dict(enumerate(engines)))
    return segmenter


def _lesion(case: Case) -> np.ndarray:
    return case.volumes["flair"] > 4


def test_a_lesion_comes_out_where_it_is_whatever_the_orientation(monkeypatch, model):
    for flip in (False, True):
        case = _case(flip)
        labels = _with_engines(monkeypatch, model({"spacing_mm": 1.0}), _BrightFlair())(case)
        np.testing.assert_array_equal(labels == 4, _lesion(case))


def test_a_network_of_ras_arrays_and_other_channel_order_gives_the_same(monkeypatch, model):
    card = model(
        {
            "spacing_mm": 1.0,
            "orientation": "RAS",
            "inputs": ["flair", "t1ce", "t1", "t2"],
            "outputs": ["TC", "WT", "ET"],
            "window": [48, 32, 32],
        }
    )
    engine = _BrightFlair(channel=0)
    case = _case()
    np.testing.assert_array_equal(_with_engines(monkeypatch, card, engine)(case) == 4, _lesion(case))
    assert engine.seen[0] == (1, 4, 48, 32, 32)


def test_ras_windows_hold_x_first_with_right_and_anterior_growing(monkeypatch, model):
    case = _case()
    card = model({"spacing_mm": 1.0, "orientation": "RAS", "window": [64, 64, 64]})
    engine = _BrightFlair()
    seen = []
    monkeypatch.setattr(engine, "seen", seen)
    original = _BrightFlair.__call__
    monkeypatch.setattr(
        _BrightFlair, "__call__", lambda self, part: (seen.append(part.copy()), original(self, part))[1]
    )
    _with_engines(monkeypatch, card, engine).run(case, fast=True)
    part = next(item for item in seen if isinstance(item, np.ndarray))[0, 3]
    x, y, z = (np.flatnonzero((part > 1.5).any(axis=axes)).mean() for axes in ((1, 2), (0, 2), (0, 1)))
    # in the box (4:40, 6:46, 4:44) the lesion is at z 10:22, y 10:24 (to posterior), x 20:32 (to the left)
    assert (x, y, z) == (39 - 25.5, 39 - 16.5, 15.5)


def test_two_millimetre_stages_and_thick_slices_keep_the_place(monkeypatch, model):
    case = _case(spacing=(1.0, 1.0, 2.0))
    labels = _with_engines(monkeypatch, model({"spacing_mm": 2.0}), _BrightFlair(gain=4.0))(case)
    found, true = labels == 4, _lesion(case)
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.85


def test_the_second_stage_sees_the_tumour_box_alone_and_counts_by_its_share(monkeypatch, model):
    case = _case()
    card = model({"spacing_mm": 2.0}, {"spacing_mm": 1.0, "field": "tumour"}, fine_share=1.0)
    coarse, fine = _BrightFlair(gain=4.0), _BrightFlair()
    segmenter = _with_engines(monkeypatch, card, coarse, fine)
    np.testing.assert_array_equal(segmenter(case) == 4, _lesion(case))
    assert fine.seen and all(shape == (1, 4, 32, 32, 32) for shape in fine.seen)
    fine.seen.clear()
    segmenter(case, fast=True)
    assert not fine.seen  # fast is the first stage alone


def test_without_augmentation_every_stage_looks_once_and_the_plausible_volumes_hold_the_true_one(monkeypatch, model):
    case = _case()
    card = model({"spacing_mm": 2.0}, {"spacing_mm": 1.0, "field": "tumour"}, fine_share=1.0)
    coarse, fine = _BrightFlair(gain=1.0), _BrightFlair(gain=1.0)
    segmenter = _with_engines(monkeypatch, card, coarse, fine)
    both = segmenter.run(case, plausible=True)
    windows = len(coarse.seen), len(fine.seen)
    coarse.seen.clear()
    fine.seen.clear()
    once = segmenter.run(case, mirrored=False, plausible=True)
    assert (2 * len(coarse.seen), 2 * len(fine.seen)) == windows, "both stages look, each once"
    assert (len(both.plausible), len(once.plausible)) == (6, 3)
    sizes = [volumes["WT"] for volumes in once.plausible]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1], "a lower threshold gives a larger tumour"
    assert sizes[1] == (once.labels > 0).sum()


def test_nothing_found_means_no_second_stage_and_no_tumour(monkeypatch, model):
    card = model({"spacing_mm": 2.0}, {"spacing_mm": 1.0, "field": "tumour"})
    fine = _BrightFlair()
    segmenter = _with_engines(monkeypatch, card, _BrightFlair(gain=0.0), fine)
    monkeypatch.setattr(module, "TUMOUR_PROBABILITY", 0.6)
    assert not segmenter(_case()).any() and not fine.seen


def test_maps_are_on_the_cases_grid(monkeypatch, model):
    case = _case(flip=True)
    result = _with_engines(monkeypatch, model({"spacing_mm": 1.0}), _BrightFlair(gain=1.0)).run(case, maps=True)
    assert result.probabilities.shape == (3, 44, 52, 48) and result.entropy.shape == (44, 52, 48)
    lesion = _lesion(case)
    assert result.probabilities[0][lesion].min() > result.probabilities[0][~lesion].max()
    assert result.entropy[~(case.volumes["flair"] > 0)].max() == 0


def test_too_little_memory_leads_to_a_smaller_window_then_to_the_cpu_and_is_said(monkeypatch, model):
    class Small(_BrightFlair):
        device = "cuda"

        def __call__(self, part):
            self.seen.append(part.shape)
            raise DeviceMemoryError("The memory of the device cuda is too small for a window.")

    small, cpu = Small(), _BrightFlair()
    segmenter = _with_engines(monkeypatch, model({"spacing_mm": 1.0, "window": [128, 64, 64]}), small)
    monkeypatch.setattr(module, "make_engine", lambda *args: cpu)
    result = segmenter.run(_case(), fast=True)
    assert (result.labels == 4).any() and segmenter.device == "cpu"
    assert [max(shape[2:]) for shape in small.seen] == [128, 64]
    assert any("CPU was used" in warning for warning in result.warnings)


def test_cancelling_stops_between_windows(monkeypatch, model):
    engine = _BrightFlair()
    segmenter = _with_engines(monkeypatch, model({"spacing_mm": 1.0}), engine)
    with pytest.raises(Cancelled):
        segmenter.run(_case(), cancel=lambda: len(engine.seen) >= 2)
    assert len(engine.seen) == 2


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"inputs": ["t1", "t2", "flair"]}, "needs t1, t1ce, t2 and flair"),
        ({"outputs": ["WT", "core", "ET"]}, "the outputs WT, core, ET"),
        ({"orientation": "LAS"}, "choose LPS or RAS"),
        ({"window": [4, 32, 32]}, "the window"),
        ({"sha256": "0"}, "do not match their model card's hash"),
        ({"weights": "../m.safetensors"}, "must lie beside the card"),
        ({"field": "tumour"}, "needs one for the brain first"),
    ],
)
def test_cards_that_make_no_sense_are_refused_in_one_sentence(model, stage: dict, message: str):
    with pytest.raises(ModelError, match=message) as caught:
        Segmenter(model(stage))
    assert "\n" not in str(caught.value)


def test_a_card_without_stages_is_one_stage(model):
    card = model({})
    fields = json.loads(card.read_text())
    card.write_text(
        json.dumps({"name": "m", **fields["stages"][0], "label_convention": {"outputs": ["ET", "TC", "WT"]}})
    )
    (stage,), _ = load_stages(card)
    assert stage.outputs == ("ET", "TC", "WT") and stage.window == (32, 32, 32) and stage.spacing == 2.0


def test_class_probabilities_become_nested_regions():
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.15, 0.25], dtype=np.float32)).reshape(5, 1, 1, 1)
    whole, core, enhancing = region_probabilities(logits, ("background", "NCR", "ED", "ET", "brain")).ravel()
    np.testing.assert_allclose([whole, core, enhancing], [0.65, 0.35, 0.15], rtol=1e-5)
    assert region_probabilities(np.full((3, 1, 1, 1), -1000.0), ("TC", "WT", "ET")).max() == 0


@pytest.mark.parametrize("shape", [(10, 14, 6), (5, 28, 3), (9, 14, 12), (1, 1, 1)])
def test_resizing_is_that_of_pytorch(shape: tuple[int, int, int]):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    array = np.random.default_rng(0).standard_normal((2, 5, 14, 6)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(array)[None], size=shape, mode="trilinear", align_corners=False
    )
    np.testing.assert_allclose(resize_linear(array, shape), expected[0].numpy(), atol=1e-5)


def test_windows_blend_without_a_seam():
    image = np.random.default_rng(0).standard_normal((4, 40, 30, 20)).astype(np.float32)
    shares: list[float] = []
    result = slide(lambda part: 2 * part[0, :3], image, (16, 16, 24), 0.5, shares.append)
    np.testing.assert_allclose(result, 2 * image[:3], atol=1e-5)
    assert shares[-1] == 1.0 and len(shares) == 4 * 3


def test_the_tumour_box_has_a_margin_and_is_as_large_as_the_window_where_it_fits():
    probability = np.zeros((100, 120, 60), dtype=np.float32)
    assert tumour_box(probability, (48, 48, 48)) is None
    probability[2:80, 60:62, 50:58] = 0.9
    box = tumour_box(probability, (48, 48, 48))
    assert box is not None
    assert box.start[0] == 0 and box.stop[0] == 86  # tumour and margin are longer than the window
    assert box.shape[1] == 48 and box.start[1] <= 54 and box.stop[1] >= 68
    assert (box.start[2], box.stop[2]) == (12, 60)  # moved inwards at the border
    assert tumour_box(probability, (48, 48, 96)).shape[2] == 60


def test_windows_that_show_nothing_new_are_left_out():
    image = np.zeros((1, 40, 40, 16), dtype=np.float32)
    image[:, 6:34, 6:34] = 1.0
    seen: list[tuple[int, ...]] = []

    def forward(part: np.ndarray) -> np.ndarray:
        seen.append(part.shape)
        return 3 * part[0]

    result = slide(forward, image, (36, 36, 16), 0.1)
    assert len(seen) < 4  # each axis has two windows, which lie almost on each other
    np.testing.assert_allclose(result[image > 0], 3.0, atol=1e-5)


def _one_stage(folder: Path, name: str, **fields) -> Path:
    content = name.encode()
    (folder / f"{name}.safetensors").write_bytes(content)
    card = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "window": [32, 32, 32], **fields}
    (folder / f"{name}.json").write_text(json.dumps(card))
    return folder / f"{name}.json"


def test_two_models_are_joined_to_one_of_two_stages(tmp_path: Path, capfd):
    coarse = _one_stage(tmp_path, "coarse", spacing_mm=2.0, limits="few cases", threshold=0.4)
    fine = _one_stage(tmp_path, "fine", spacing_mm=1.0, field="tumour", mirrored=False)
    out = tmp_path / "out"
    assert (
        main(["models", "join", str(coarse), str(fine), "--name", "both", "-o", str(out), "--fine-share", "0.8"]) == 0
    )
    assert str(out / "both.json") in capfd.readouterr().out
    stages, card = load_stages(out / "both.json")
    assert [(stage.spacing, stage.field, stage.mirrored) for stage in stages] == [
        (2.0, "brain", True),
        (1.0, "tumour", False),
    ]
    assert (card["fine_share"], card["limits"], card["threshold"]) == (0.8, "few cases", 0.4)
    assert [path.read_bytes() for path in sorted(out.glob("*.safetensors"))] == [b"coarse", b"fine"]


def test_what_cannot_be_joined_is_refused_and_nothing_written(tmp_path: Path):
    coarse, fine = _one_stage(tmp_path, "coarse"), _one_stage(tmp_path, "fine", field="tumour")
    joined = join_stages([coarse, fine], tmp_path / "once", "both")
    damaged = _one_stage(tmp_path, "damaged", sha256="0")
    for cards, kind, message in (
        ([coarse], InputError, "two or more"),
        ([fine, coarse], InputError, "for the brain first"),
        ([joined, fine], InputError, "several stages already"),
        ([coarse, damaged], ModelError, "do not match"),
    ):
        with pytest.raises(kind, match=message):
            join_stages(cards, tmp_path / "out", "both")
    with pytest.raises(InputError, match="from 0 to 1"):
        join_stages([coarse, fine], tmp_path / "out", "both", fine_share=2)
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_replaced_under_its_name_is_read_again(monkeypatch, tmp_path: Path):
    seen = []

    class Noting(Segmenter):
        def run(self, case, **settings):
            seen.append(self.stages[0].identity)

    monkeypatch.setattr(module, "Segmenter", Noting)
    for name in ("first", "second"):
        card = _one_stage(tmp_path, "model", limits=name)
        fields = json.loads(card.read_text())
        card.write_text(json.dumps({**fields, "arguments": {"version": name}}))
        for _ in range(2):
            module.segment_case(_case(), device="cpu", model=card)
    assert seen[0] == seen[1] != seen[2] == seen[3]

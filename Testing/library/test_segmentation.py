"""Pre- and post-processing, windows, weights and training of the segmentation."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.errors import ModelError
from BraTSOSLib.segmentation.preprocessing import bounding_box, halve, normalise
from BraTSOSLib.segmentation.windows import window_starts

REPOSITORY = Path(__file__).resolve().parents[2]
GLIOMA = REPOSITORY.parent / "shared" / "data" / "glioma"
BUNDLED = REPOSITORY / "Resources" / "Models" / "segmenter-bitrunet.json"


def test_normalise_gives_zero_mean_and_unit_deviation_over_the_brain_and_zero_outside():
    rng = np.random.default_rng(0)
    brain = np.zeros((10, 12, 14), dtype=bool)
    brain[2:8, 3:9, 4:12] = True
    image = np.where(brain, rng.normal(300, 40, (4, *brain.shape)), 0).astype(np.float32)
    result = normalise(image, brain)
    assert np.allclose(result[:, brain].mean(axis=1), 0, atol=1e-5)
    assert np.allclose(result[:, brain].std(axis=1), 1, atol=1e-2)
    assert not result[:, ~brain].any()
    assert np.allclose(normalise(image * 7, brain), result, atol=1e-5), "the scanner's scale must not matter"


def test_normalise_survives_a_constant_modality():
    brain = np.ones((4, 4, 4), dtype=bool)
    assert not normalise(np.full((1, 4, 4, 4), 5, dtype=np.float32), brain).any()


def test_halve_averages_blocks_and_bounding_box_fits():
    image = np.arange(4 * 4 * 6, dtype=np.float32).reshape(1, 4, 4, 6)
    assert halve(image).shape == (1, 2, 2, 3)
    assert halve(image)[0, 0, 0, 0] == image[0, :2, :2, :2].mean()
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[2:5, 3:4, 6:9] = True
    box = bounding_box(mask, margin=1)
    assert (box.start, box.stop, box.shape) == ((1, 2, 5), (6, 5, 9), (5, 3, 4))


@pytest.mark.parametrize(("length", "window"), [(64, 64), (50, 64), (70, 64), (200, 64), (129, 128)])
def test_windows_cover_every_voxel(length: int, window: int):
    starts = window_starts(length, window)
    covered = np.zeros(max(length, window), dtype=bool)
    for start in starts:
        assert 0 <= start <= max(length - window, 0)
        covered[start : start + window] = True
    assert covered.all()
    assert all(b - a <= window // 2 + 1 for a, b in itertools.pairwise(starts))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny untrained model on disk."""
    pytest.importorskip("torch", reason="torch is not installed")
    from BraTSOSLib.segmentation.networks.bitrunet import COMPACT, BiTrUNet, BiTrUNetConfig
    from BraTSOSLib.segmentation.weights import save_network

    small = {"widths": [8, 8, 8, 16, 16], "token_dims": [8, 8], "mlp_dims": [8, 8]}
    config = BiTrUNetConfig.from_dict({**COMPACT.to_dict(), **small})
    card = {"name": "tiny", "architecture": "BiTrUNet", "arguments": config.to_dict()}
    return save_network(BiTrUNet(config).state_dict(), card, tmp_path / "model")


def test_weights_survive_the_round_trip(model: Path):
    from BraTSOSLib.segmentation.model import load_stages

    (stage,), card = load_stages(model)
    network = stage.network
    assert card["name"] == "tiny"
    assert not network.training
    assert sorted(p.name for p in model.parent.iterdir()) == ["tiny.json", "tiny.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "card", "other network"])
def test_damaged_weights_are_refused_in_one_sentence(model: Path, damage: str):
    from BraTSOSLib.segmentation.model import load_stages

    weights = model.with_suffix(".safetensors")
    content = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing":
        weights.unlink()
    elif damage == "card":
        model.write_text("{", encoding="utf-8")
    else:
        card = json.loads(model.read_text())
        card["arguments"]["widths"] = [8, 8, 16, 16, 16]
        model.write_text(json.dumps(card))
    with pytest.raises(ModelError) as caught:
        load_stages(model)[0][0].network  # noqa: B018  (built when asked for)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not GLIOMA.is_dir(), reason="the scans of ../shared/data are not here")
@pytest.mark.skipif(not BUNDLED.exists(), reason="no segmentation weights are bundled")
def test_the_bundled_model_finds_the_tumour_of_an_unseen_case_on_its_own_grid():
    pytest.importorskip("torch", reason="torch is not installed")
    from BraTSOSLib import read_case, segment
    from BraTSOSLib.case import find_label_map, read_label_map

    folder = GLIOMA / "Brats18_CBICA_AQQ_1"  # held out in training
    case = read_case(folder)
    truth = read_label_map(find_label_map(folder), case.geometry) > 0
    labels = segment(case, device="cpu", fast=True)
    assert labels.shape == case.geometry.size[::-1]
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1, 2, 4}
    found = labels > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6

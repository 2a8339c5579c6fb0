"""From region probabilities to a label map: each step alone, the CRF against its definition, averaged weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.errors import InputError, ModelError
from BraTSOSLib.labels import ED, ET, NCR
from BraTSOSLib.segmentation.crf import DenseCRF, refine
from BraTSOSLib.segmentation.permutohedral import PermutohedralFilter
from BraTSOSLib.segmentation.postprocessing import (
    PostProcessing,
    fill_holes,
    keep_large_components,
    labels_from_regions,
    postprocess,
    remove_small_components,
)

ISOTROPIC = (1.0, 1.0, 1.0)


def tumour() -> np.ndarray:
    """Probabilities (3, 24, 24, 24) of a tumour with a core and an enhancing part, and of a small one beside it."""
    probability = np.zeros((3, 24, 24, 24), dtype=np.float32)
    probability[0, 2:14, 2:14, 2:14] = 0.9
    probability[1, 4:12, 4:12, 4:12] = 0.8
    probability[2, 4:8, 4:12, 4:12] = 0.7
    probability[0, 18:21, 18:21, 18:21] = 0.6
    return probability


def test_regions_are_nested_whatever_the_probabilities():
    probability = np.random.default_rng(1).random((3, 8, 8, 8)).astype(np.float32)
    labels = labels_from_regions(probability)
    whole, core, enhancing = (p > 0.5 for p in probability)
    assert set(np.unique(labels)) == {0, ED, NCR, ET}
    assert np.array_equal(labels > 0, whole)
    assert np.array_equal(labels == ET, whole & core & enhancing)
    assert np.array_equal(np.isin(labels, (NCR, ET)), whole & core)


def test_without_nesting_the_innermost_region_wins():
    probability = np.random.default_rng(1).random((3, 8, 8, 8)).astype(np.float32)
    labels = labels_from_regions(probability, nested=False)
    whole, core, enhancing = (p > 0.5 for p in probability)
    assert np.array_equal(labels == ET, enhancing)
    assert np.array_equal(labels == NCR, core & ~enhancing)
    assert np.array_equal(labels == ED, whole & ~core & ~enhancing)


def test_each_region_has_its_own_threshold():
    labels = postprocess(tumour(), spacing=ISOTROPIC, settings=PostProcessing(thresholds=(0.5, 0.5, 0.75)))
    assert set(np.unique(labels)) == {0, ED, NCR}
    labels = postprocess(tumour(), spacing=ISOTROPIC, settings=PostProcessing(thresholds=(0.95, 0.5, 0.5)))
    assert not labels.any()


def test_only_small_components_are_removed():
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[1:5, 1:5, 1:5] = ED
    labels[2, 2, 2] = ET
    labels[10, 10, 10] = ED
    cleaned = remove_small_components(labels, 8)
    assert cleaned[10, 10, 10] == 0
    assert np.array_equal(cleaned[:6], labels[:6])
    assert labels[10, 10, 10] == ED, "the input must stay as it was"


@pytest.mark.parametrize(("spacing", "kept"), [((1.0, 1.0, 1.0), False), ((1.0, 1.0, 3.0), True)])
def test_component_sizes_are_cubic_millimetres(spacing: tuple[float, float, float], kept: bool):
    labels = postprocess(tumour(), spacing=spacing)  # the small tumour has 27 voxels, the limit is 64 mm³
    assert bool(labels[19, 19, 19]) is kept
    assert labels[3, 3, 3] == ED
    everything = postprocess(tumour(), spacing=ISOTROPIC, settings=PostProcessing(smallest_component=0))
    assert everything[19, 19, 19] == ED


def two_of_each() -> np.ndarray:
    """A tumour with two enhancing pieces of 27 and 8 voxels, and a tumour of ED that is half as large."""
    labels = np.zeros((12, 12, 40), dtype=np.uint8)
    labels[1:11, 1:11, 1:21] = ED
    labels[2:6, 2:6, 2:6] = NCR
    labels[2:5, 2:5, 2:5] = ET
    labels[7:9, 7:9, 12:14] = ET
    labels[1:11, 1:11, 25:35] = ED
    return labels


def test_a_dropped_piece_of_a_region_becomes_what_encloses_it():
    labels = keep_large_components(two_of_each(), 0.8, 0)
    assert labels[7, 7, 12] == ED, "dropped as ET it is NCR, and as a small piece of the core it is ED"
    assert labels[3, 3, 3] == ET
    assert not labels[:, :, 25:].any(), "a tumour of half the size is under the share of 0.8"
    assert keep_large_components(two_of_each(), 0.4, 0)[5, 5, 30] == ED
    assert keep_large_components(two_of_each(), 0.0, 8)[7, 7, 12] == ET
    assert keep_large_components(two_of_each(), 0.0, 9)[7, 7, 12] == ED


def test_a_dropped_piece_of_a_class_becomes_background():
    labels = keep_large_components(two_of_each(), 0.8, 0, "classes")
    assert labels[7, 7, 12] == 0
    assert (labels[3, 3, 3], labels[5, 5, 5]) == (ET, NCR)
    assert not labels[:, :, 25:].any()


def test_holes_become_what_surrounds_them_but_necrosis_stays():
    labels = np.zeros((14, 14, 14), dtype=np.uint8)
    labels[1:13, 1:13, 1:13] = ED
    labels[2:9, 2:9, 2:9] = ET
    labels[4:6, 4:6, 4:6] = NCR
    labels[7, 7, 7] = ED
    labels[3, 3, 7] = 0
    labels[11, 11, 11] = 0
    labels[5, 11, 12] = 0
    labels[5, 11, 13] = 0  # open to the outside
    filled = fill_holes(labels)
    assert (filled[7, 7, 7], filled[3, 3, 7]) == (NCR, NCR)
    assert filled[11, 11, 11] == ED
    assert filled[5, 11, 12] == 0
    assert np.all(filled[4:6, 4:6, 4:6] == NCR)
    assert np.count_nonzero(filled == ET) == np.count_nonzero(labels == ET)


def test_a_hole_outside_the_brain_is_not_filled():
    probability, brain = tumour(), np.ones((24, 24, 24), dtype=bool)
    brain[9, 9, 9] = False
    settings = PostProcessing(fill_holes=True)
    assert postprocess(probability, spacing=ISOTROPIC, brain=brain, settings=settings)[9, 9, 9] == 0


def test_little_enhancing_tumour_is_necrosis():
    enhancing = 4 * 8 * 8
    labels = postprocess(tumour(), spacing=ISOTROPIC, settings=PostProcessing(smallest_enhancing=enhancing + 1))
    assert not (labels == ET).any()
    assert np.count_nonzero(labels == NCR) == 8**3
    kept = postprocess(tumour(), spacing=ISOTROPIC, settings=PostProcessing(smallest_enhancing=enhancing))
    assert np.count_nonzero(kept == ET) == enhancing
    larger = postprocess(tumour(), spacing=(2.0, 1.0, 1.0), settings=PostProcessing(smallest_enhancing=enhancing + 1))
    assert (larger == ET).any(), "the volume is counted in mm³"


def test_there_is_no_tumour_outside_the_brain_and_an_empty_map_passes_every_step():
    brain = np.zeros((24, 24, 24), dtype=bool)
    everything = PostProcessing(crf=DenseCRF(), component_share=0.8, fill_holes=True, smallest_enhancing=10)
    labels = postprocess(tumour(), spacing=ISOTROPIC, brain=brain, settings=everything)
    assert labels.dtype == np.uint8
    assert not labels.any()


def test_the_probabilities_are_left_as_they_were():
    probability = tumour()
    settings = PostProcessing(crf=DenseCRF(), fill_holes=True, component_share=0.5)
    postprocess(probability, spacing=ISOTROPIC, settings=settings)
    assert np.array_equal(probability, tumour())


def test_grids_that_differ_are_refused():
    with pytest.raises(InputError, match="brain mask"):
        postprocess(tumour(), spacing=ISOTROPIC, brain=np.ones((4, 4, 4), dtype=bool))


def test_settings_survive_json_and_defaults_need_not_be_written():
    settings = PostProcessing(
        crf=DenseCRF(appearance_weight=2.0), thresholds=(0.3, 0.4, 0.5), component_scope="classes"
    )
    assert PostProcessing.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert PostProcessing.from_dict(json.loads(json.dumps(PostProcessing().to_dict()))) == PostProcessing()
    assert PostProcessing.from_dict({}) == PostProcessing()
    assert PostProcessing.from_dict({"crf": True, "thresholds": 0.4}) == PostProcessing(
        crf=DenseCRF(), thresholds=(0.4, 0.4, 0.4)
    )
    assert PostProcessing.from_dict({"crf": False}).crf is None


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"smalest_component": 3}, "smalest_component"),
        ({"crf": {"sigma": 1}}, "sigma"),
        ({"crf": 3}, "crf"),
        ({"crf": {"iterations": 0}}, "iterations"),
        ({"crf": {"iterations": 2.5}}, "2.5"),
        ({"smallest_component": float("inf")}, "inf"),
        ({"thresholds": 1.2}, "1.2"),
        ({"thresholds": {"WT": 0.4}}, "WT"),
        ({"thresholds": [0.4, 0.4, "x"]}, "x"),
        ({"nested": "yes"}, "yes"),
        ({"smallest_component": True}, "smallest_component"),
        ({"smallest_enhancing": -1}, "-1"),
        ({"smallest_enhancing": float("nan")}, "nan"),
        ({"component_share": 80}, "80"),
        ({"component_scope": "lobes"}, "lobes"),
    ],
)
def test_settings_that_make_no_sense_are_named_in_one_sentence(table: dict, word: str):
    with pytest.raises(InputError) as caught:
        PostProcessing.from_dict(table)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="mine"):
        PostProcessing.from_card({"name": "mine", "postprocessing": table})


def test_a_card_gives_its_threshold_unless_its_postprocessing_names_one():
    assert PostProcessing.from_card({"threshold": 0.4}).thresholds == (0.4,) * 3
    assert PostProcessing.from_card({"threshold": 0.4, "postprocessing": {"thresholds": 0.3}}).thresholds == (0.3,) * 3
    assert PostProcessing.from_card({}) == PostProcessing()


@pytest.mark.parametrize("dimensions", [1, 3, 5])
def test_the_permutohedral_filter_is_nearly_the_gaussian_sum(dimensions: int):
    rng = np.random.default_rng(dimensions)
    features = rng.normal(0, 1.2, (800, dimensions))
    values = rng.random((800, 2)) + (features[:, :1] > 0)
    kernel = np.exp(-0.5 * ((features[:, None] - features[None]) ** 2).sum(axis=-1))
    exact = kernel @ values
    found = PermutohedralFilter(features)(values)
    for channel in range(2):
        assert np.corrcoef(found[:, channel], exact[:, channel])[0, 1] > 0.99
    assert np.allclose(PermutohedralFilter(features)(3 * values), 3 * found, rtol=1e-4)


def test_smoothness_follows_the_mean_field_equations():
    """One update, computed pair by pair from Krähenbühl and Koltun's algorithm 1."""
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.3, 0.7, (3, 9, 9, 9)).astype(np.float32)
    where = np.argwhere(np.ones((9, 9, 9), dtype=bool))
    inner = np.all((where >= 3) & (where <= 5), axis=1)  # voxels whose neighbours are all there
    distance = where[inner][:, None] - where[None]
    kernel = np.exp(-0.5 * (distance**2).sum(axis=-1)) * (np.abs(distance) <= 3).all(axis=-1)
    kernel[(distance == 0).all(axis=-1)] = 0
    found = refine(probability, DenseCRF(iterations=1), spacing=ISOTROPIC)
    for before, after in zip(probability.reshape(3, -1).astype(float), found.reshape(3, -1), strict=True):
        message = 2 * (kernel @ before) / kernel.sum(axis=1) - 1
        evidence = np.log(before[inner] / (1 - before[inner]))
        assert np.allclose(after[inner], 1 / (1 + np.exp(-(evidence + 3 * message))), atol=1e-4)


def test_smoothness_survives_voxels_larger_than_its_reach():
    probability = tumour()
    found = refine(probability, DenseCRF(), spacing=(6.0, 6.0, 6.0))
    assert np.allclose(found, probability, atol=1e-3)


def test_the_crf_removes_a_speck_and_closes_a_gap():
    probability = np.full((3, 20, 20, 20), 0.05, dtype=np.float32)
    probability[:, 4:16, 4:16, 4:16] = 0.8
    probability[:, 9, 9, 9] = 0.3
    probability[:, 18, 18, 18] = 0.6
    found = refine(probability, DenseCRF(), spacing=ISOTROPIC) > 0.5
    assert found[:, 9, 9, 9].all()
    assert not found[:, 18, 18, 18].any()
    assert found[:, 6:14, 6:14, 6:14].all()


def test_appearance_moves_the_border_to_where_the_scan_changes():
    image = np.zeros((4, 20, 20, 20), dtype=np.float32)
    image[:, 4:14, 4:14, 4:14] = 2.0
    image += np.random.default_rng(0).normal(0, 0.05, image.shape).astype(np.float32)
    probability = np.full((3, 20, 20, 20), 0.1, dtype=np.float32)
    probability[:, 4:14, 4:14, 4:14] = 0.75
    probability[:, 4:14, 4:14, 14:16] = 0.55  # the network is two voxels too generous
    settings = DenseCRF(smoothness_weight=1.0, appearance_weight=4.0)
    found = refine(probability, settings, spacing=ISOTROPIC, image=image) > 0.5
    assert not found[:, 5:13, 5:13, 14:16].any()
    assert found[:, 5:13, 5:13, 4:14].all()
    scaled = refine(probability, settings, spacing=ISOTROPIC, image=image * 300)
    assert np.array_equal(scaled > 0.5, found), "the scanner's scale must not matter"
    blind = refine(probability, DenseCRF(), spacing=ISOTROPIC) > 0.5
    assert blind[:, 9, 9, 14].all()


def test_the_crf_decides_at_the_threshold():
    probability = np.full((3, 10, 10, 10), 0.3, dtype=np.float32)
    low = PostProcessing(crf=DenseCRF(), thresholds=(0.2, 0.2, 0.2))
    assert np.all(postprocess(probability, spacing=ISOTROPIC, settings=low) == ET)
    assert not postprocess(probability, spacing=ISOTROPIC, settings=PostProcessing(crf=DenseCRF())).any()


def test_a_crf_that_compares_looks_needs_the_scans():
    with pytest.raises(InputError, match="scans"):
        refine(tumour(), DenseCRF(appearance_weight=1.0), spacing=ISOTROPIC)


def test_averaged_weights_are_the_mean_and_other_networks_are_refused():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from BraTSOSLib.segmentation.averaging import average_states

    first = {"a": torch.tensor([1.0, 3.0]), "steps": torch.tensor(4)}
    second = {"a": torch.tensor([3.0, 4.0]), "steps": torch.tensor(6)}
    mean = average_states([first, second])
    assert torch.equal(mean["a"], torch.tensor([2.0, 3.5]))
    assert torch.equal(mean["steps"], torch.tensor(4))
    with pytest.raises(InputError, match="'a'"):
        average_states([first, {"a": torch.zeros(3), "steps": torch.tensor(4)}])
    with pytest.raises(InputError, match="'b'"):
        average_states([first, {**second, "b": torch.zeros(3)}])
    with pytest.raises(InputError):
        average_states([])


def test_averaged_models_are_a_model(tmp_path: Path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from BraTSOSLib.segmentation.averaging import average_models
    from BraTSOSLib.segmentation.model import load_stages
    from BraTSOSLib.segmentation.networks.bitrunet import COMPACT, BiTrUNet, BiTrUNetConfig
    from BraTSOSLib.segmentation.weights import save_network

    small = {"widths": [8, 8, 8, 16, 16], "token_dims": [8, 8], "mlp_dims": [8, 8]}
    config = BiTrUNetConfig.from_dict({**COMPACT.to_dict(), **small})
    card = {"architecture": "BiTrUNet", "arguments": config.to_dict(), "threshold": 0.4}
    cards = [
        save_network(BiTrUNet(config).state_dict(), {**card, "name": name}, tmp_path / name) for name in ("one", "two")
    ]
    made = average_models(cards, tmp_path / "mean", "mean")
    (stage,), fields = load_stages(made)
    states = [load_stages(path)[0][0].network.state_dict() for path in cards]
    assert fields["threshold"] == 0.4
    assert fields["averaged"] == ["one", "two"]
    for name, value in stage.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, (states[0][name] + states[1][name]) / 2, atol=1e-3)
    other = save_network(
        BiTrUNet(BiTrUNetConfig.from_dict({**config.to_dict(), "heads": 2})).state_dict(),
        {**card, "name": "other", "arguments": {**config.to_dict(), "heads": 2}},
        tmp_path / "other",
    )
    with pytest.raises(InputError, match="other"):
        average_models([cards[0], other], tmp_path / "no", "no")
    assert not (tmp_path / "no").exists()

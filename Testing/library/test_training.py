"""The parts of training: recipe, losses, samples, augmentation, hard mining, checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from training_cases import TINY, blocks, tiny_recipe  # noqa: E402

from BraTSOSLib.errors import InputError, ModelError  # noqa: E402
from BraTSOSLib.segmentation.training import Recipe, losses  # noqa: E402
from BraTSOSLib.segmentation.training.augmentation import random_affine_crop, random_appearance  # noqa: E402
from BraTSOSLib.segmentation.training.loop import Trainer  # noqa: E402
from BraTSOSLib.segmentation.training.mining import HardSet, find_hard, threshold_at  # noqa: E402
from BraTSOSLib.segmentation.training.recipe import OUTPUTS  # noqa: E402
from BraTSOSLib.segmentation.training.sampling import Sampler  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(folder: Path, **changes) -> Trainer:
    cases = blocks()
    return Trainer(tiny_recipe(**changes), cases, cases[:1], folder)


@pytest.mark.parametrize(
    "change",
    [
        {"network": "unknown"},
        {"optimiser": "adagrad"},
        {"loss": "dice+ce"},
        {"loss": "bce", "outputs": "classes"},
        {"spacing": 1.5},
        {"window": (16, 16)},
        {"mining_rate": 1.5},
        {"steps": 0},
        {"sampling": "whole", "batch_size": 2},
        {"learning_rate": -1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_values_that_make_no_sense_are_refused_in_one_sentence(change):
    with pytest.raises(InputError) as caught:
        tiny_recipe(**change).resolved()
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_recipe_survives_json_and_takes_its_defaults_from_preset_and_outputs():
    recipe = Recipe(network="3dfcnn", optimiser="adam").resolved()
    assert (recipe.outputs, recipe.loss, recipe.window, recipe.spacing) == ("tissues", "dice+ce", (64, 64, 64), 1.0)
    assert recipe.learning_rate == 2e-4
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe().resolved().loss == "dice+bce"


def test_the_rate_rises_then_falls_as_the_schedule_says():
    recipe = Recipe(warm_up=0.1).resolved()
    rates = [recipe.rate(done) for done in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1.5e-3, rel=0.03)
    assert int(np.argmax(rates)) == 10
    assert rates[-1] < 1e-5
    assert Recipe(schedule="poly", warm_up=0).resolved().rate(0.5) == pytest.approx(1.5e-3 * 0.5**0.9)


def test_losses_are_least_at_the_truth_and_weighted_cross_entropy_is_pytorchs():
    target = torch.zeros(1, 3, 8, 8, 8)
    target[:, :, 2:6, 2:6, 2:6] = 1
    for names in ("dice", "bce", "dice+bce"):
        loss = losses.make_loss(names, OUTPUTS["regions"])
        assert loss(20 * target - 10, target) < 0.01 < loss(10 - 20 * target, target)
    labels = torch.randint(0, 4, (2, 6, 6, 6), generator=torch.Generator().manual_seed(0))
    exclusive = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).float()
    logits = torch.randn(2, 4, 6, 6, 6, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([0.2, 1.0, 1.5, 3.0])
    expected = torch.nn.functional.cross_entropy(logits, labels, weight=weights)
    assert losses.cross_entropy(logits, exclusive, weights) == pytest.approx(expected)
    assert losses.make_loss("ce", OUTPUTS["classes"], weights)(logits, exclusive) == pytest.approx(expected)


def test_soft_dice_and_generalised_dice_agree_with_monai():
    monai_losses = pytest.importorskip("monai.losses", reason="MONAI is not installed")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, 8, generator=generator)
    target = (torch.rand(2, 3, 8, 8, 8, generator=generator) > 0.7).float()
    smooth = losses.SMOOTHING
    dice = monai_losses.DiceLoss(sigmoid=True, squared_pred=True, batch=True, smooth_nr=smooth, smooth_dr=smooth)
    assert losses.soft_dice(logits, target) == pytest.approx(dice(logits, target))
    for names in ("generalised-dice", "focal"):
        assert torch.isfinite(losses.make_loss(names, OUTPUTS["regions"])(logits, target))


def test_class_targets_share_each_voxel_and_tell_healthy_brain_from_air():
    regions = torch.tensor([1.0, 0.75, 0.25]).reshape(1, 3, 1, 1, 1).repeat(1, 1, 1, 1, 3)
    regions[..., 1:] = 0
    image = torch.ones(1, 4, 1, 1, 3)
    image[..., 2] = 0
    tissues = losses.channel_targets(regions, image, OUTPUTS["tissues"])[0, :, 0, 0]
    assert tissues[:, 0].tolist() == [0, 0.5, 0.25, 0.25, 0]
    assert tissues[:, 1].tolist() == [0, 0, 0, 0, 1]
    assert tissues[:, 2].tolist() == [1, 0, 0, 0, 0]


def test_class_weights_are_median_frequency_over_frequency():
    weights = losses.median_frequency_weights(blocks(1), OUTPUTS["classes"])
    voxels = [18 * 20 * 18 - 512, 32, 512 - 64, 32]
    assert weights.tolist() == pytest.approx([np.median(voxels) / n for n in voxels], rel=1e-4)


def test_samples_depend_on_seed_and_number_alone():
    recipe = tiny_recipe(transplant=0.5, fade=0.5).resolved()
    one, other = (Sampler(recipe, blocks(3), (16, 16, 16)) for _ in range(2))
    one.batch(range(4))
    for a, b in zip(one.batch([5, 6]), other.batch([5, 6]), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.sample(5)[0], one.sample(6)[0])
    assert {one._case_of(number, None)[0] for number in range(3)} == {0, 1, 2}, "an epoch shows each case once"


def test_balanced_samples_are_centred_on_each_tissue_equally_often():
    recipe = tiny_recipe(sampling="balanced", augmentation="none", window=(8, 8, 8), arguments={}).resolved()
    sampler = Sampler(recipe, blocks(1), (8, 8, 8))
    case = blocks(1)[0]
    image, target = np.float32(case.image), np.float32(case.target)
    found = np.zeros(4)
    for seed in range(200):
        z, y, x = sampler._point(image, target, np.random.default_rng(seed))
        whole, core, enhancing = target[:, z, y, x]
        found[3 if not whole else 1 if not core else 2 if enhancing else 0] += 1
    assert found.min() > 30, found
    size = tuple(sampler.sample(0)[0].shape[1:])
    assert size == (8, 8, 8)


def test_whole_samples_hold_the_whole_brain_at_a_size_that_the_network_takes():
    recipe = tiny_recipe(sampling="whole", augmentation="none").resolved()
    image, target = Sampler(recipe, blocks(1), (16, 16, 16)).sample(0)
    assert image.shape == (4, 32, 32, 32)
    assert target.sum() == blocks(1)[0].target.astype(np.float32).sum()


def test_a_cut_without_turning_is_the_same_as_an_affine_crop_without_it():
    cases = blocks(1)
    plain = Sampler(tiny_recipe(augmentation="none").resolved(), cases, (16, 16, 16))
    image, target = np.float32(cases[0].image), np.float32(cases[0].target)
    cut, wanted = plain._cut(image, target, (16, 16, 16), np.array([9.0, 10.0, 9.0]), np.random.default_rng(0))
    assert np.array_equal(cut, image[:, 1:17, 2:18, 1:17])
    assert np.array_equal(wanted, target[:, 1:17, 2:18, 1:17])


def test_appearance_augmentation_keeps_air_at_zero_and_depends_on_the_seed_alone():
    image = torch.zeros(4, 16, 16, 16)
    image[:, 4:12, 4:12, 4:12] = torch.randn(4, 8, 8, 8)
    for seed in range(20):
        changed = random_appearance(image, np.random.default_rng(seed))
        assert torch.isfinite(changed).all()
        assert not changed[:, :4].any()
        assert torch.equal(changed, random_appearance(image, np.random.default_rng(seed)))
    assert not torch.equal(changed, image)


def test_an_affine_crop_moves_image_and_target_alike():
    block = torch.zeros(1, 40, 40, 40)
    block[:, 14:26, 12:24, 16:30] = 1
    moved = set()
    for seed in range(12):
        centre = np.array([20.0, 20.0, 20.0])
        image, target = random_affine_crop(block, block.clone(), (32, 32, 32), centre, np.random.default_rng(seed))
        assert image.shape == (1, 32, 32, 32)
        assert torch.equal(image, target)
        assert 0.5 * block.sum() < image.sum() < 1.7 * block.sum()
        moved.add(round(float(image.sum()), 2))
    assert len(moved) > 2


def test_hard_cases_are_those_under_the_threshold_and_are_drawn_at_the_rate():
    cases = blocks(4)
    recipe = tiny_recipe(mining="cases", mining_rate=0.75).resolved()
    truth = [case.target.astype(np.float32) for case in cases]
    answers = iter([truth[0], np.zeros_like(truth[1]), truth[2], truth[3]])
    found = find_hard(recipe, cases, range(4), lambda image: next(answers), 0.7)
    assert [(index, score) for index, score, _ in found] == [(0, 1.0), (1, 0.0), (2, 1.0), (3, 1.0)]
    hard = HardSet(tuple(item for _, _, items in found for item in items), step=8)
    assert hard.items == ((1, None),)
    assert HardSet.from_dict(hard.to_dict()) == hard
    sampler = Sampler(recipe, cases, (16, 16, 16))
    share = np.mean([sampler._case_of(number, hard)[0] == 1 for number in range(400)])
    assert share == pytest.approx(0.75 + 0.25 / 4, abs=0.08)
    assert threshold_at(replace(recipe, mining_threshold=0.5, mining_threshold_end=0.9), 0.5) == pytest.approx(0.7)


def test_hard_patches_lie_where_the_network_errs():
    case = blocks(1)[0]
    wrong = case.target.astype(np.float32)
    wrong[:, :, 9:] = 0
    recipe = tiny_recipe(mining="patches", window=(16, 16, 16)).resolved()
    ((_, score, items),) = find_hard(recipe, [case], [0], lambda image: wrong, 0.6)
    assert 0.5 < score < 1
    assert items
    assert all(centre is not None and centre[1] >= 8 for _, centre in items)


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": "tissues", "class_weights": "median", "optimiser": "sgd", "schedule": "poly", "accumulate": 2},
        {
            "mining": "patches",
            "mining_every": 2,
            "mining_threshold": 1.0,
            "batch_size": 2,
            "optimiser": "adam",
            "ema": 0.0,
        },
    ],
    ids=["classes", "mining"],
)
def test_a_seed_gives_the_same_weights_twice(tmp_path: Path, changes):
    first, second = (trainer(tmp_path / name, steps=3, **changes) for name in "ab")
    first.run()
    second.run()
    for name, value in first.average.items():
        assert torch.equal(value, second.average[name]), name
    other = trainer(tmp_path / "c", steps=3, **(changes | {"seed": 4}))
    other.run()
    assert any(not torch.equal(value, other.average[name]) for name, value in first.average.items())
    assert bool(first.hard.items) == ("mining" in changes)


def test_a_resumed_training_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path):
    whole = trainer(tmp_path / "whole", steps=6)
    whole.run()
    first = trainer(tmp_path / "parts", steps=6)
    for _ in range(3):
        first.train_step()
    first.save()
    second = trainer(tmp_path / "parts", steps=6)
    second.resume(tmp_path / "parts" / "checkpoint.pt")
    assert second.step == 3
    second.run()
    for name, value in whole.average.items():
        assert torch.equal(value, second.average[name]), name


def test_training_lowers_the_loss_and_the_best_weights_are_kept(tmp_path: Path):
    run = trainer(tmp_path, steps=20, augmentation="none", learning_rate=5e-3, keep="best", validation_minutes=0.0)
    losses_seen = [run.train_step() for _ in range(16)]
    assert np.mean(losses_seen[-4:]) < 0.9 * losses_seen[0]
    metrics = run.run()
    rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    best = max(np.mean([float(value) for value in row[4:7]]) for row in rows)
    assert np.mean(list(metrics.values())) == pytest.approx(best, abs=1e-3)
    assert set(run.kept) == set(run.average)


def test_weights_of_another_network_and_other_runs_are_refused(tmp_path: Path):
    run = trainer(tmp_path)
    run.save()
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(ModelError, match="arguments"):
        trainer(tmp_path, arguments={**TINY, "widths": [8, 8, 16, 16, 16]}).resume(checkpoint)
    with pytest.raises(ModelError, match="learning rate"):
        trainer(tmp_path, learning_rate=1.0).resume(checkpoint)
    with pytest.raises(ModelError, match="other training cases"):
        Trainer(tiny_recipe(), blocks(1), [], tmp_path).resume(checkpoint)
    with pytest.raises(ModelError, match="another network"):
        trainer(tmp_path).start_from({"no.such.weight": torch.zeros(1)}, "x")
    trainer(tmp_path, steps=9).resume(checkpoint)


@pytest.mark.parametrize("content", ["cut", "empty", "other"])
def test_a_checkpoint_cut_short_is_refused(tmp_path: Path, content: str):
    run = trainer(tmp_path, steps=1)
    run.save()
    path = tmp_path / "checkpoint.pt"
    if content == "other":
        torch.save({"network": {}}, path)
    else:
        path.write_bytes(path.read_bytes()[: 1000 if content == "cut" else 0])
    with pytest.raises(ModelError, match="version" if content == "other" else "cut short"):
        run.resume(path)


def test_a_failed_write_leaves_the_older_checkpoint(tmp_path: Path, monkeypatch):
    run = trainer(tmp_path, steps=1)
    run.save()
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(InputError, match="room on the disk"):
        run.save()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_training_without_any_tumour_or_with_a_window_that_does_not_fit_is_refused(tmp_path: Path):
    healthy = [replace(case, target=np.zeros_like(case.target)) for case in blocks()]
    with pytest.raises(InputError, match="empty"):
        Trainer(tiny_recipe(), healthy, [], tmp_path / "out")
    with pytest.raises(InputError, match="multiples of 16"):
        trainer(tmp_path / "out", window=(20, 16, 16))
    assert not (tmp_path / "out").exists()

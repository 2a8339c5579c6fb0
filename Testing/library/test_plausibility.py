"""Scans that look unlike those the model was trained on must be noticed, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.case import MODALITIES, Case, Geometry, read_case
from BraTSOSLib.phantom import make_phantom
from BraTSOSLib.segmentation.appearance import Appearance, Cells, ranked, roughness
from BraTSOSLib.segmentation.plausibility import TITLES, check_scans
from BraTSOSLib.segmentation.preprocessing import halve

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = ("native/Brats18_TCIA01_201_1", "native/UPENN-GBM-00006_11", "glioma/Brats18_TCIA13_623_1")
"""A native scan of each source, and a quantised low-grade tumour; none was used to fit the constants."""


@pytest.fixture(scope="module")
def phantom() -> Case:
    return make_phantom(3)[0]


@pytest.fixture(scope="module")
def small(phantom) -> Case:
    return on_2_mm(phantom)


def on_2_mm(case: Case) -> Case:
    """The case on a 2 mm grid, for speed; only voxels that lie in the brain whole."""
    brain = halve(case.brain[None].astype(np.float32))[0] > 0.99
    volumes = {name: halve(volume[None])[0] * brain for name, volume in case.volumes.items()}
    return Case(case.name, volumes, Geometry(brain.shape[::-1], (2.0,) * 3, (0.0,) * 3, case.geometry.direction))


def changed(case: Case, **volumes: np.ndarray) -> Case:
    return replace(case, volumes={**case.volumes, **volumes})


def everywhere(case: Case, function) -> Case:
    return replace(case, volumes={name: function(volume) for name, volume in case.volumes.items()})


def rescaled(case: Case, seed: int = 0) -> Case:
    """Another gain, gamma (0.7 to 1.4) and bias field (± 20 % along each axis) for each scan."""
    rng = np.random.default_rng(seed)
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in case.brain.shape), indexing="ij", sparse=True)
    volumes = {}
    for name, volume in case.volumes.items():
        bias = np.exp(sum(rng.uniform(-0.2, 0.2) * place for place in places))
        new = (volume / volume.max()) ** rng.uniform(0.7, 1.4) * bias * rng.uniform(1, 5000)
        volumes[name] = np.where(volume != 0, new, 0).astype(np.float32)
    return replace(case, volumes=volumes)


def with_head(case: Case, background: float) -> Case:
    """Bone and bright scalp around the brain, noise behind them."""
    from scipy.ndimage import distance_transform_edt

    rng = np.random.default_rng(5)
    distance = distance_transform_edt(~case.brain) * case.geometry.spacing[0]

    def add(volume):
        bright = np.percentile(volume[case.brain], 95)
        texture = np.abs(1 + 0.25 * rng.standard_normal(volume.shape))
        around = np.select([distance <= 4, distance <= 11], [0.1 * texture, 0.9 * texture], background * texture)
        return np.where(distance > 0, bright * around, volume).astype(np.float32)

    return everywhere(case, add)


def the_warning(case: Case) -> str:
    (warning,) = check_scans(case)
    assert warning.endswith(".")
    assert "\n" not in warning
    return warning


def test_a_phantom_is_as_it_should_be(phantom, small):
    assert check_scans(phantom) == ()
    assert check_scans(small) == ()


@pytest.mark.parametrize("seed", range(3))
def test_the_scale_of_intensities_does_not_matter(small, seed):
    assert check_scans(rescaled(small, seed)) == ()


@pytest.mark.parametrize(("first", "second"), list(combinations(MODALITIES, 2)))
def test_every_exchange_of_two_scans_is_named(small, first, second):
    swapped = changed(small, **{first: small.volumes[second], second: small.volumes[first]})
    for case in (swapped, rescaled(swapped)):
        warning = the_warning(case)
        assert warning.startswith(f"{TITLES[first]} and {TITLES[second]} seem to be exchanged")


def test_a_rotation_of_three_scans_is_named(small):
    v = small.volumes
    warning = the_warning(changed(small, t1=v["t2"], t2=v["flair"], flair=v["t1"]))
    assert "the one given as T2 looks like FLAIR" in warning
    assert "the one given as T1 looks like T2" in warning


@pytest.mark.parametrize("background", [0.0, 0.02])
def test_a_head_that_is_not_stripped_is_noticed(small, background):
    assert "skull-strip" in the_warning(with_head(small, background))


def test_a_head_cut_to_the_size_of_a_brain_is_known_by_its_bone(small):
    head = with_head(small, 0.0)
    cut = everywhere(head, lambda volume: volume * (np.arange(len(volume)) > len(volume) * 0.55)[:, None, None])
    assert any("as dark as bone" in warning for warning in check_scans(cut))


def test_missing_contrast_and_the_same_scan_twice_are_noticed(small):
    t1 = small.volumes["t1"]
    assert "T1 and T1 with contrast are the same image" in the_warning(changed(small, t1ce=t1))
    noise = 0.03 * t1.max() * np.random.default_rng(0).standard_normal(t1.shape).astype(np.float32)
    again = np.where(t1 != 0, np.maximum(1.3 * t1 + noise, 1), 0)
    assert "contrast may not have been given" in the_warning(changed(small, t1ce=again))


@pytest.mark.parametrize("name", MODALITIES)
def test_empty_constant_and_noisy_scans_are_named(small, name):
    volume = small.volumes[name]
    title = TITLES[name]
    assert the_warning(changed(small, **{name: np.zeros_like(volume)})).startswith(f"{title} is zero everywhere")
    assert the_warning(changed(small, **{name: small.brain.astype(np.float32)})).startswith(f"{title} has the same")
    noise = np.random.default_rng(0).uniform(1, 2, volume.shape).astype(np.float32) * small.brain
    assert the_warning(changed(small, **{name: noise})).startswith(f"{title} looks like noise")


@pytest.mark.parametrize("name", MODALITIES)
def test_a_negative_is_named(small, name):
    volume = small.volumes[name]
    negative = np.where(volume != 0, volume.max() + 1 - volume, 0).astype(np.float32)
    assert the_warning(changed(small, **{name: negative})).startswith(f"{TITLES[name]} looks like a negative")


def test_all_four_empty_is_no_crash(small):
    assert len(check_scans(everywhere(small, np.zeros_like))) == 4


def test_a_brain_turned_the_wrong_way_is_noticed(small):
    assert "upside down" in the_warning(everywhere(small, lambda volume: volume[::-1]))
    assert "back to front" in the_warning(everywhere(small, lambda volume: volume[:, ::-1]))
    lying = replace(
        everywhere(small, lambda volume: volume.transpose(1, 0, 2)),
        geometry=replace(small.geometry, size=tuple(np.array(small.geometry.size)[[0, 2, 1]])),
    )
    assert "along other axes" in the_warning(lying)


def test_another_orientation_that_the_file_states_is_fine(small):
    turned = everywhere(small, lambda volume: volume[::-1, ::-1].copy())
    assert check_scans(replace(turned, geometry=replace(small.geometry, direction=(1, 0, 0, 0, -1, 0, 0, 0, -1)))) == ()


def test_slices_in_the_wrong_order_and_thick_slices_are_noticed(small):
    order = np.random.default_rng(0).permutation(len(small.brain))
    assert any("from slice to slice" in warning for warning in check_scans(everywhere(small, lambda v: v[order])))
    thick = everywhere(small, lambda volume: volume[::3])
    thick = replace(thick, geometry=replace(small.geometry, spacing=(2.0, 2.0, 6.0)))
    assert "voxels of up to 6.0 mm" in the_warning(thick)


def test_scans_that_do_not_cover_the_same_brain_are_named(small):
    cut = small.volumes["flair"].copy()
    cut[len(cut) // 2 :] = 0
    assert any(w.startswith("FLAIR has values in only") for w in check_scans(changed(small, flair=cut)))


def test_half_a_brain_and_a_wrong_voxel_size_are_noticed(small):
    tiny = replace(small, geometry=replace(small.geometry, spacing=(1.0, 1.0, 1.0)))
    assert any("measures only" in warning for warning in check_scans(tiny))
    block = np.zeros_like(small.brain)
    block[20:60, 30:80, 30:80] = True
    noise = np.random.default_rng(0).uniform(1, 2, (4, *block.shape)).astype(np.float32)
    assert check_scans(everywhere(small, lambda volume: volume * 0 + noise[0] * block))
    half = everywhere(small, lambda volume: volume * (np.arange(len(volume)) > len(volume) * 0.45)[:, None, None])
    assert check_scans(half)


def test_ranks_and_what_follows_from_them():
    assert ranked(np.array([[3.0, -1.0, 10.0, 4.0]])) == pytest.approx(np.array([[0.375, 0.125, 0.875, 0.625]]))
    rng = np.random.default_rng(1)
    inside = np.ones((20, 20, 20), dtype=bool)
    values = rng.normal(size=(4, inside.size)).astype(np.float32)
    values[1] = np.exp(values[0])  # the same order
    cells = Cells(inside, values, np.full(inside.size, 5), (2.0, 2.0, 2.0))
    appearance = Appearance.of(cells)
    assert appearance.pair[0, 1, 0] == pytest.approx(1.0)
    assert abs(appearance.pair[2, 3, 0]) < 0.05
    assert roughness(cells, appearance.ranks) == pytest.approx(np.ones((4, 3)), abs=0.1)
    swapped = Appearance.of(replace(cells, values=values[[2, 1, 0, 3]]))
    assert swapped.features() == pytest.approx(appearance.features((2, 1, 0, 3)))


@pytest.mark.parametrize("name", REAL)
def test_real_scans_are_fine_and_their_exchange_is_noticed(name):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: the glioma scans are not part of the repository")
    case = read_case(folder)
    assert check_scans(case) == ()
    case = on_2_mm(case)
    assert check_scans(case) == ()
    assert "T1 and T2 seem to be exchanged" in the_warning(changed(case, t1=case.volumes["t2"], t2=case.volumes["t1"]))
    t1, t1ce = case.volumes["t1"], case.volumes["t1ce"]
    assert "T1 and T1 with contrast seem to be exchanged" in the_warning(changed(case, t1=t1ce, t1ce=t1))
    assert "skull-strip" in the_warning(with_head(case, 0.0))

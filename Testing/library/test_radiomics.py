"""The feature table: its rows, its names, regions that are empty or tiny, settings, and input that cannot be used."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from BraTSOSLib.case import MODALITIES, Case, Geometry
from BraTSOSLib.errors import DependencyError, InputError
from BraTSOSLib.labels import REGIONS
from BraTSOSLib.radiomics import FeatureName, Settings, engines, extract_features, feature_names
from BraTSOSLib.radiomics.firstorder import FIRSTORDER
from BraTSOSLib.radiomics.names import FIRSTORDER_FEATURES, SHAPE_FEATURES
from BraTSOSLib.radiomics.shape import SHAPE

SHAPE_3D = (10, 12, 14)


def make_case(seed: int = 0, spacing: tuple[float, float, float] = (1.0, 1.5, 2.0)) -> Case:
    """Return a small case of random intensities; ``spacing`` is (x, y, z)."""
    random = np.random.default_rng(seed)
    volumes = {name: random.normal(300, 80, SHAPE_3D).astype(np.float32) for name in MODALITIES}
    geometry = Geometry(SHAPE_3D[::-1], spacing, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    return Case("Random", volumes, geometry)


def make_labels() -> np.ndarray:
    """Return a label map with a core of NCR, a shell of ET and oedema on one side."""
    labels = np.zeros(SHAPE_3D, dtype=np.uint8)
    labels[2:8, 2:9, 2:12] = 2
    labels[2:7, 3:8, 3:9] = 4
    labels[3:6, 4:7, 4:7] = 1
    return labels


def values_of(case: Case, labels: np.ndarray, **options: object) -> dict[str, float]:
    table = extract_features(case, labels, engine="bratsos", **options)  # type: ignore[arg-type]
    return dict(zip(table["feature"], table["value"], strict=True))


def test_the_table_has_every_feature_once_and_finite() -> None:
    table = extract_features(make_case(), make_labels(), engine="bratsos")
    assert list(table.columns) == ["feature", "value"]
    assert list(table["feature"]) == feature_names()
    assert len(table) == len(set(table["feature"])) == 5 * (14 + 4 * 18)
    assert np.isfinite(table["value"]).all()
    assert table.attrs["engine"] == "bratsos"
    assert table.attrs["notes"] == {}
    assert table.attrs["settings"] == {"bin_width": 25.0, "voxel_array_shift": 0.0, "classes": ["shape", "firstorder"]}


def test_names_are_those_of_the_documentation() -> None:
    names = feature_names()
    assert "t1ce_ET_original_firstorder_Mean" in names
    assert "ET_original_shape_VoxelVolume" in names
    for name in names:
        assert str(FeatureName.parse(name)) == name


@pytest.mark.parametrize(
    "name",
    ["Mean", "t1ce_ET_original_shape_VoxelVolume", "ET_original_firstorder_Mean", "t1_XX_original_firstorder_Mean", ""],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no feature's name"):
        FeatureName.parse(name)


def test_the_registry_defines_every_name() -> None:
    assert tuple(sorted(SHAPE.features)) == SHAPE_FEATURES
    assert tuple(sorted(FIRSTORDER.features)) == FIRSTORDER_FEATURES
    codes = [f.ibsi for registry in (SHAPE, FIRSTORDER) for f in registry.features.values() if f.ibsi]
    assert len(codes) == len(set(codes))
    assert all(len(code) == 4 for code in codes)


def test_regions_are_built_from_their_labels() -> None:
    labels = make_labels()
    values = values_of(make_case(), labels)
    for region, members in REGIONS.items():
        count = np.isin(labels, members).sum()
        assert values[f"{region}_original_shape_VoxelVolume"] == pytest.approx(count * 1.0 * 1.5 * 2.0)


def test_intensities_come_from_their_modality_and_region() -> None:
    case, labels = make_case(), make_labels()
    values = values_of(case, labels)
    for modality in MODALITIES:
        inside = case.volumes[modality][np.isin(labels, REGIONS["TC"])]
        assert values[f"{modality}_TC_original_firstorder_Mean"] == pytest.approx(inside.mean(dtype=float))


def test_an_empty_region_keeps_its_rows() -> None:
    labels = make_labels()
    labels[labels == 4] = 2
    table = extract_features(make_case(), labels, engine="bratsos")
    assert list(table["feature"]) == feature_names()
    enhancing = table[table["feature"].str.contains("ET_original")].set_index("feature")["value"]
    assert enhancing["ET_original_shape_VoxelVolume"] == 0
    assert enhancing["ET_original_shape_MeshVolume"] == 0
    assert enhancing.drop(["ET_original_shape_VoxelVolume", "ET_original_shape_MeshVolume"]).isna().all()
    assert list(table.attrs["notes"]) == ["ET"]
    assert "empty" in table.attrs["notes"]["ET"]
    assert np.isfinite(table[~table["feature"].str.contains("ET_original")]["value"]).all()


def test_no_tumour_at_all_is_no_error() -> None:
    table = extract_features(make_case(), np.zeros(SHAPE_3D, np.uint8), engine="bratsos")
    assert list(table["feature"]) == feature_names()
    assert set(table.attrs["notes"]) == set(REGIONS)
    volumes = table[table["feature"].str.endswith("Volume")]["value"]
    assert len(volumes) == 10 and (volumes == 0).all()
    assert table["value"].isna().sum() == len(table) - 10


def test_a_single_voxel_has_what_is_defined() -> None:
    case, labels = make_case(), np.zeros(SHAPE_3D, np.uint8)
    labels[0, 11, 13] = 4
    table = extract_features(case, labels, engine="bratsos", regions=("ET",))
    values = dict(zip(table["feature"], table["value"], strict=True))
    undefined = {name for name, value in values.items() if math.isnan(value)}
    assert undefined == {"ET_original_shape_Elongation", "ET_original_shape_Flatness"}
    assert values["t1_ET_original_firstorder_Mean"] == case.volumes["t1"][0, 11, 13]
    assert values["t1_ET_original_firstorder_Variance"] == 0
    assert values["ET_original_shape_MajorAxisLength"] == 0
    assert "single voxel" in table.attrs["notes"]["ET"]


def test_values_do_not_depend_on_where_the_tumour_lies() -> None:
    case, labels = make_case(), make_labels()
    shift = (2, 3, 2)
    moved = replace(case, volumes={k: np.roll(v, shift, (0, 1, 2)) for k, v in case.volumes.items()})
    assert values_of(moved, np.roll(labels, shift, (0, 1, 2))) == values_of(case, labels)


def test_label_3_is_read_as_enhancing_tumour() -> None:
    labels = make_labels()
    assert values_of(make_case(), np.where(labels == 4, 3, labels)) == values_of(make_case(), labels)


def test_settings_change_what_they_should() -> None:
    case, labels = make_case(), make_labels()
    default = values_of(case, labels, regions=("WT",))
    coarse = values_of(case, labels, regions=("WT",), settings=Settings(bin_width=50))
    assert {n for n in default if default[n] != coarse[n]} == {
        f"{m}_WT_original_firstorder_{f}" for m in MODALITIES for f in ("Entropy", "Uniformity")
    }
    shifted = values_of(case, labels, regions=("WT",), settings=Settings(voxel_array_shift=100))
    assert {n for n in default if default[n] != shifted[n]} == {
        f"{m}_WT_original_firstorder_{f}" for m in MODALITIES for f in ("Energy", "TotalEnergy", "RootMeanSquared")
    }
    shape_only = values_of(case, labels, regions=("WT",), settings=Settings(classes=("shape",)))
    assert list(shape_only) == feature_names(["WT"], classes=["shape"])


@pytest.mark.parametrize("wrong", [{"bin_width": 0}, {"bin_width": math.nan}, {"voxel_array_shift": math.inf}])
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]


def test_progress_runs_from_0_to_1() -> None:
    seen: list[float] = []
    extract_features(make_case(), make_labels(), engine="bratsos", progress=lambda _, fraction: seen.append(fraction))
    assert seen[0] == 0 and seen[-1] == 1 and seen == sorted(seen)


@pytest.mark.parametrize("shape", [(9, 12, 14), (14, 12, 10), (10, 12), (10, 12, 14, 1)])
def test_labels_on_another_grid_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="own grid"):
        extract_features(make_case(), np.ones(shape, np.uint8))


def test_unknown_words_are_refused() -> None:
    case, labels = make_case(), make_labels()
    with pytest.raises(InputError, match=r"'XX'.*NCR"):
        extract_features(case, labels, regions=("WT", "XX"))
    with pytest.raises(InputError, match=r"'fast'.*bratsos"):
        extract_features(case, labels, engine="fast")
    with pytest.raises(InputError, match=r"'texture'.*shape"):
        Settings(classes=("texture",))
    with pytest.raises(InputError, match="7"):
        extract_features(case, np.where(labels == 4, 7, labels))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_intensities_that_are_not_finite_are_refused_by_name(value: float) -> None:
    case, labels = make_case(), make_labels()
    case.volumes["t2"][4, 5, 5] = value
    with pytest.raises(InputError, match=r"t2.*NCR"):
        extract_features(case, labels, engine="bratsos")


def test_too_many_bins_are_refused_before_memory_goes() -> None:
    case, labels = make_case(), make_labels()
    case.volumes["flair"][4, 5, 5] = 1e30
    with pytest.raises(InputError, match=r"flair.*binWidth"):
        extract_features(case, labels, engine="bratsos")


def test_a_negative_spacing_is_refused() -> None:
    with pytest.raises(InputError, match="spacing"):
        extract_features(make_case(spacing=(1.0, -1.0, 1.0)), make_labels())


def test_without_pyradiomics_auto_uses_the_own_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "radiomics", None)
    assert engines.choose_engine("auto").name == "bratsos"
    with pytest.raises(DependencyError, match=r"pyradiomics.*install"):
        engines.choose_engine("pyradiomics")

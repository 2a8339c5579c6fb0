"""The digital phantom of the Image Biomarker Standardisation Initiative: its reference values and its definitions."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from ibsi_phantom import PHANTOM, REFERENCE, SPACING
from radiomics_reference import Sample, compare, own_features

from BraTSOSLib.radiomics import Settings
from BraTSOSLib.radiomics.names import FEATURES
from BraTSOSLib.radiomics.regions import Region

SAMPLE = Sample(PHANTOM, PHANTOM > 0, SPACING)
SETTINGS = Settings(bin_width=1)
INSIDE = {tuple(int(k) for k in at): int(PHANTOM[tuple(at)]) for at in np.argwhere(PHANTOM > 0)}
AROUND = [step for step in itertools.product((1, 0, -1), repeat=3) if any(step)]
ONE_WAY = AROUND[:13]

Cell = tuple[int, int]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return own_features(SAMPLE, SETTINGS)


@pytest.mark.parametrize(("feature_class", "feature"), [(c, f) for c, values in REFERENCE.items() for f in values])
def test_reference_values(found: dict[str, dict[str, float]], feature_class: str, feature: str) -> None:
    value, expected = found[feature_class][feature], REFERENCE[feature_class][feature]
    # pyradiomics differs from the manual in two places, on purpose, and the library with it:
    if feature == "Kurtosis":
        value -= 3  # the manual's is the excess over that of a normal distribution
    if feature.endswith("AxisLength"):
        value *= math.sqrt(74 / 73)  # the manual divides the covariance of the N voxels by N - 1
    digits = 2 - math.floor(math.log10(abs(expected)))
    assert abs(value - expected) <= 0.5 * 10**-digits * (1 + 1e-9)


def test_nothing_that_the_manual_has_is_left_out() -> None:
    # pyradiomics' own: not in the manual, or there as features of whole images with other definitions.
    own = {
        "shape": {"Maximum2DDiameterColumn", "Maximum2DDiameterRow", "Maximum2DDiameterSlice"},
        "firstorder": {"TotalEnergy"},
        "glcm": {"MCC"},
    }
    for feature_class, values in REFERENCE.items():
        assert set(values) | own.get(feature_class, set()) == set(FEATURES[feature_class])


def test_pyradiomics_says_the_same() -> None:
    pytest.importorskip("radiomics", reason="pyradiomics is not installed (python Testing/install_pyradiomics.py)")
    assert not [difference for difference in compare(SAMPLE, SETTINGS) if difference]


def test_pairs_along_z_are_those_of_the_manual() -> None:
    region = Region(PHANTOM, PHANTOM > 0, SPACING, SETTINGS)
    assert region.pairs is not None
    along_z = region.pairs[region.offsets().tolist().index([1, 0, 0])]
    # Levels 1, 3, 4, 6; the manual's appendix of texture matrices.
    expected = [[66, 0, 5, 1], [0, 0, 0, 1], [5, 0, 16, 0], [1, 1, 0, 8]]
    assert (along_z + along_z.T).tolist() == expected


def neighbour(at: tuple[int, ...], step: tuple[int, ...], times: int = 1) -> tuple[int, ...]:
    return tuple(a + times * b for a, b in zip(at, step, strict=True))


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def test_co_occurrence_by_definition(found: dict[str, dict[str, float]]) -> None:
    features: dict[str, list[float]] = {}
    for step in ONE_WAY:
        counts: Counter[Cell] = Counter()
        for at, level in INSIDE.items():
            if other := INSIDE.get(neighbour(at, step)):
                counts[level, other] += 1
                counts[other, level] += 1
        total = counts.total()
        p = {cell: count / total for cell, count in counts.items()}
        px: Counter[int] = Counter()
        plus: Counter[int] = Counter()
        minus: Counter[int] = Counter()
        for (i, j), share in p.items():
            px[i] += share  # type: ignore[assignment]
            plus[i + j] += share  # type: ignore[assignment]
            minus[abs(i - j)] += share  # type: ignore[assignment]
        mu = math.fsum(i * share for i, share in px.items())
        variance = math.fsum((i - mu) ** 2 * share for i, share in px.items())
        average = math.fsum(k * share for k, share in minus.items())
        entropy = -math.fsum(share * math.log2(share) for share in p.values())
        entropy_x = -math.fsum(share * math.log2(share) for share in px.values())
        independent = 2 * entropy_x
        q = np.zeros((7, 7))
        for (i, k), (j, m) in itertools.product(p, p):
            if k == m:
                q[i, j] += p[i, k] * p[j, k] / (px[i] * px[k])
        one = {
            "Autocorrelation": math.fsum(i * j * s for (i, j), s in p.items()),
            "JointAverage": mu,
            "ClusterProminence": math.fsum((i + j - 2 * mu) ** 4 * s for (i, j), s in p.items()),
            "ClusterShade": math.fsum((i + j - 2 * mu) ** 3 * s for (i, j), s in p.items()),
            "ClusterTendency": math.fsum((i + j - 2 * mu) ** 2 * s for (i, j), s in p.items()),
            "Contrast": math.fsum((i - j) ** 2 * s for (i, j), s in p.items()),
            "Correlation": math.fsum((i - mu) * (j - mu) * s for (i, j), s in p.items()) / variance,
            "DifferenceAverage": average,
            "DifferenceEntropy": -math.fsum(s * math.log2(s) for s in minus.values()),
            "DifferenceVariance": math.fsum((k - average) ** 2 * s for k, s in minus.items()),
            "JointEnergy": math.fsum(s * s for s in p.values()),
            "JointEntropy": entropy,
            "Imc1": (entropy - independent) / entropy_x,
            "Imc2": math.sqrt(1 - math.exp(-2 * (independent - entropy))),
            "Idm": math.fsum(s / (1 + k * k) for k, s in minus.items()),
            "Idmn": math.fsum(s / (1 + k * k / 36) for k, s in minus.items()),
            "Id": math.fsum(s / (1 + k) for k, s in minus.items()),
            "Idn": math.fsum(s / (1 + k / 6) for k, s in minus.items()),
            "InverseVariance": math.fsum(s / k**2 for k, s in minus.items() if k),
            "MaximumProbability": max(p.values()),
            "SumAverage": math.fsum(k * s for k, s in plus.items()),
            "SumEntropy": -math.fsum(s * math.log2(s) for s in plus.values()),
            "SumSquares": variance,
            "MCC": math.sqrt(sorted(np.linalg.eigvals(q[np.ix_(sorted(px), sorted(px))]).real)[-2]),
        }
        for name, value in one.items():
            features.setdefault(name, []).append(value)
    expected = {name: mean(values) for name, values in features.items()}
    assert found["glcm"] == pytest.approx(expected, rel=1e-9)


def level_by_size(counts: Counter[Cell], voxels: int, names: tuple[str, ...]) -> dict[str, float]:
    """Return the sixteen features of a matrix of level by size under ``names``."""
    total = counts.total()
    levels: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for (i, j), count in counts.items():
        levels[i] += count
        sizes[j] += count
    mean_level = math.fsum(i * n for i, n in levels.items()) / total
    mean_size = math.fsum(j * n for j, n in sizes.items()) / total
    values = (
        math.fsum(n / j**2 for j, n in sizes.items()) / total,
        math.fsum(n * j**2 for j, n in sizes.items()) / total,
        math.fsum(n / i**2 for i, n in levels.items()) / total,
        math.fsum(n * i**2 for i, n in levels.items()) / total,
        math.fsum(n / i**2 / j**2 for (i, j), n in counts.items()) / total,
        math.fsum(n * i**2 / j**2 for (i, j), n in counts.items()) / total,
        math.fsum(n * j**2 / i**2 for (i, j), n in counts.items()) / total,
        math.fsum(n * i**2 * j**2 for (i, j), n in counts.items()) / total,
        math.fsum(n**2 for n in levels.values()) / total,
        math.fsum(n**2 for n in sizes.values()) / total,
        math.fsum(n**2 for n in sizes.values()) / total**2,
        math.fsum(n * (i - mean_level) ** 2 for i, n in levels.items()) / total,
        math.fsum(n * (j - mean_size) ** 2 for j, n in sizes.items()) / total,
        -math.fsum(n / total * math.log2(n / total) for n in counts.values()),
        math.fsum(n**2 for n in levels.values()) / total**2,
        total / voxels,
    )
    return dict(zip(names, values, strict=False))


# In the order of level_by_size.
RUNS = (
    "ShortRunEmphasis,LongRunEmphasis,LowGrayLevelRunEmphasis,HighGrayLevelRunEmphasis,ShortRunLowGrayLevelEmphasis,"
    "ShortRunHighGrayLevelEmphasis,LongRunLowGrayLevelEmphasis,LongRunHighGrayLevelEmphasis,GrayLevelNonUniformity,"
    "RunLengthNonUniformity,RunLengthNonUniformityNormalized,GrayLevelVariance,RunVariance,RunEntropy,"
    "GrayLevelNonUniformityNormalized,RunPercentage"
)
ZONES = (
    "SmallAreaEmphasis,LargeAreaEmphasis,LowGrayLevelZoneEmphasis,HighGrayLevelZoneEmphasis,"
    "SmallAreaLowGrayLevelEmphasis,SmallAreaHighGrayLevelEmphasis,LargeAreaLowGrayLevelEmphasis,"
    "LargeAreaHighGrayLevelEmphasis,GrayLevelNonUniformity,SizeZoneNonUniformity,SizeZoneNonUniformityNormalized,"
    "GrayLevelVariance,ZoneVariance,ZoneEntropy,GrayLevelNonUniformityNormalized,ZonePercentage"
)
DEPENDENCES = (
    "SmallDependenceEmphasis,LargeDependenceEmphasis,LowGrayLevelEmphasis,HighGrayLevelEmphasis,"
    "SmallDependenceLowGrayLevelEmphasis,SmallDependenceHighGrayLevelEmphasis,LargeDependenceLowGrayLevelEmphasis,"
    "LargeDependenceHighGrayLevelEmphasis,GrayLevelNonUniformity,DependenceNonUniformity,"
    "DependenceNonUniformityNormalized,GrayLevelVariance,DependenceVariance,DependenceEntropy"
)


def test_run_lengths_by_definition(found: dict[str, dict[str, float]]) -> None:
    features: list[dict[str, float]] = []
    for step in ONE_WAY:
        counts: Counter[Cell] = Counter()
        for at, level in INSIDE.items():
            if INSIDE.get(neighbour(at, step, -1)) != level:
                length = next(n for n in itertools.count(1) if INSIDE.get(neighbour(at, step, n)) != level)
                counts[level, length] += 1
        features.append(level_by_size(counts, len(INSIDE), tuple(RUNS.split(","))))
    expected = {name: mean([one[name] for one in features]) for name in features[0]}
    assert found["glrlm"] == pytest.approx(expected, rel=1e-9)


def test_zones_by_definition(found: dict[str, dict[str, float]]) -> None:
    counts: Counter[Cell] = Counter()
    left = set(INSIDE)
    while left:
        zone = [left.pop()]
        level = INSIDE[zone[0]]
        for at in zone:  # grows while it is walked through
            near = {neighbour(at, step) for step in AROUND} & left
            same = {other for other in near if INSIDE[other] == level}
            left -= same
            zone += same
        counts[level, len(zone)] += 1
    expected = level_by_size(counts, len(INSIDE), tuple(ZONES.split(",")))
    assert found["glszm"] == pytest.approx(expected, rel=1e-9)


def test_dependences_by_definition(found: dict[str, dict[str, float]]) -> None:
    counts: Counter[Cell] = Counter()
    for at, level in INSIDE.items():
        alike = sum(INSIDE.get(neighbour(at, step)) == level for step in AROUND)
        counts[level, alike + 1] += 1
    expected = level_by_size(counts, len(INSIDE), tuple(DEPENDENCES.split(",")))
    assert found["gldm"] == pytest.approx(expected, rel=1e-9)


def test_tone_differences_by_definition(found: dict[str, dict[str, float]]) -> None:
    n: Counter[int] = Counter(INSIDE.values())
    s: dict[int, float] = dict.fromkeys(n, 0.0)
    for at, level in INSIDE.items():
        near = [INSIDE[other] for step in AROUND if (other := neighbour(at, step)) in INSIDE]
        s[level] += abs(level - mean([float(value) for value in near]))
    voxels = len(INSIDE)
    p = {i: count / voxels for i, count in n.items()}
    pairs = list(itertools.product(p, p))
    weighted = math.fsum(p[i] * s[i] for i in p)
    expected = {
        "Busyness": weighted / math.fsum(abs(i * p[i] - j * p[j]) for i, j in pairs),
        "Coarseness": 1 / weighted,
        "Complexity": math.fsum(abs(i - j) * (p[i] * s[i] + p[j] * s[j]) / (p[i] + p[j]) for i, j in pairs) / voxels,
        "Contrast": math.fsum(p[i] * p[j] * (i - j) ** 2 for i, j in pairs)
        / (len(p) * (len(p) - 1))
        * math.fsum(s.values())
        / voxels,
        "Strength": math.fsum((p[i] + p[j]) * (i - j) ** 2 for i, j in pairs) / math.fsum(s.values()),
    }
    assert found["ngtdm"] == pytest.approx(expected, rel=1e-9)

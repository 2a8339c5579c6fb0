"""Fits what the checks of scans compare with (Resources/Appearance/scans.json), and measures what they notice.

    python Testing/benchmarks/fit_plausibility.py fit FOLDER [--leave-out NAME,NAME]
    python Testing/benchmarks/fit_plausibility.py test FOLDER [--cases NAME,NAME]

FOLDER holds BraTS-style case folders; no label maps are needed. ``fit`` leaves out the eight cases that the bundled
weights were validated on; ``test`` takes them, or every case of FOLDER with ``--cases all``, and damages each in every
way that is checked. Unstripped heads are simulated: shells of skull and scalp around the brain.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

from BraTSOSLib import read_case
from BraTSOSLib.case import MODALITIES, Case
from BraTSOSLib.segmentation.appearance import CUBE, ORDERS, Appearance, Cells, shape_cube, strangeness
from BraTSOSLib.segmentation.plausibility import check_scans, orientation_scores
from BraTSOSLib.segmentation.training.train import VALIDATION

OUTPUT = Path(__file__).resolve().parents[2] / "Resources" / "Appearance" / "scans.json"
COPIES = 3
"""Copies of each training case with other gamma, gain and bias field, beside the case itself."""
RIDGE = 1e-3


def fit(cells: list[Cells], seed: int = 0) -> dict:
    """The constants of ``segmentation.plausibility`` from training cases."""
    random = np.random.default_rng(seed)
    appearances, cubes = [], []
    for one in cells:
        appearances.append(Appearance.of(one))
        appearances += [Appearance.of(replace(one, values=altered(one, random))) for _ in range(COPIES)]
        cubes.append(shape_cube(one))
    features = np.array([[one.features(order) for order in ORDERS] for one in appearances])
    weights = conditional_logit(features)
    margins = features[:, 0] @ weights - np.array(features[:, ORDERS.index((1, 0, 2, 3))] @ weights)
    usual = features[:: COPIES + 1, 0]
    low, high = usual.min(axis=0), usual.max(axis=0)
    worst = max(
        strangeness(usual[i], np.delete(usual, i, 0).min(0), np.delete(usual, i, 0).max(0)) for i in range(len(usual))
    )
    mean = np.mean(cubes, axis=0)
    digits = np.rint(9 * (mean + mean[..., ::-1]) / 2).astype(int)
    template = digits / 9.0
    scores = [orientation_scores(cube, template) for cube in cubes]
    upright = [next(iter(one.values())) for one in scores]
    gaps = [first - max(list(one.values())[1:]) for first, one in zip(upright, scores, strict=True)]
    print(f"T1 over T1ce exchanged: log odds {margins.min():.1f} to {margins.max():.1f}")
    print(f"strangest of {len(usual)} left out: {worst:.3f}; shape {min(upright):.3f}, upright by {min(gaps):.3f}")
    return {
        "cases": len(cells),
        "order": {
            "weights": [round(float(weight), 5) for weight in weights],
            "exchanged": 1.0,
            "unclear": round(float(margins.min()) / 4, 3),
        },
        "usual": {
            "low": [round(float(value), 4) for value in low],
            "high": [round(float(value), 4) for value in high],
            "tolerance": round(max(2.5 * worst, 0.5), 3),
        },
        "shape": {
            "template": "".join(str(digit) for digit in digits[..., : CUBE // 2].ravel()),
            "alike": round(1 - 3 * (1 - min(upright)), 3),
            "turned": round(min(gaps) / 3, 4),
        },
    }


def conditional_logit(features: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Weights under which the first choice is the likeliest (McFadden 1974), for features (case, choice, n)."""
    spread = features.reshape(-1, features.shape[-1]).std(axis=0) + 1e-9
    scaled = features / spread

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = scaled @ weights
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        share = odds / odds.sum(axis=1, keepdims=True)
        gradient = ((share[..., None] * scaled).sum(axis=1) - scaled[:, 0]).mean(axis=0)
        return float(ridge * weights @ weights - np.log(share[:, 0] + 1e-300).mean()), gradient + 2 * ridge * weights

    found = minimize(loss, np.zeros(features.shape[-1]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return found.x / spread


def altered(cells: Cells, random: np.random.Generator) -> np.ndarray:
    """Intensities after another gamma (0.67 to 1.5), gain and a bias field of up to ± 25 % along each axis."""
    places = [2 * line / size - 1 for line, size in zip(np.nonzero(cells.inside), cells.inside.shape, strict=True)]
    result = np.empty_like(cells.values)
    for row, target in zip(cells.values, result, strict=True):
        bias = np.exp(sum(random.uniform(-0.25, 0.25) * place for place in places))
        shifted = np.clip(row - min(row.min(), 0), 0, None)
        target[:] = (shifted / shifted.max()) ** np.exp(random.uniform(-0.4, 0.4)) * bias
    return result


def altered_case(case: Case, random: np.random.Generator) -> Case:
    """A case after the same at full resolution, stored on another scale."""
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in case.brain.shape), indexing="ij", sparse=True)
    volumes = {}
    for name, volume in case.volumes.items():
        bias = np.exp(sum(random.uniform(-0.25, 0.25) * place for place in places))
        new = (volume / volume.max()) ** np.exp(random.uniform(-0.4, 0.4)) * bias * random.uniform(1, 5000)
        volumes[name] = np.where(volume != 0, new, 0).astype(np.float32)
    return replace(case, volumes=volumes)


def exchanged(case: Case, first: str, second: str) -> Case:
    volumes = {**case.volumes, first: case.volumes[second], second: case.volumes[first]}
    return replace(case, volumes=volumes)


def with_head(case: Case, random: np.random.Generator, *, noise: bool) -> Case:
    """Skull (3 mm, dark) and scalp (7 mm, bright in T1, less so in T2 and FLAIR) around the brain; background noise."""
    distance = ndimage.distance_transform_edt(
        ~ndimage.binary_closing(np.pad(case.brain, 4), iterations=4)[4:-4, 4:-4, 4:-4]
    )
    skull, scalp, air = (distance > 0) & (distance <= 4), (distance > 4) & (distance <= 11), distance > 11
    brightness = {"t1": 1.0, "t1ce": 1.0, "t2": 0.7, "flair": 0.7}
    volumes = {}
    for name, volume in case.volumes.items():
        bright = np.percentile(volume[case.brain], 95)
        new = volume.copy()
        for part, level, spread in ((skull, 0.12, 0.03), (scalp, brightness[name], 0.25)):
            new[part] = bright * np.maximum(level + spread * random.standard_normal(np.count_nonzero(part)), 0.01)
        new[air] = 0.02 * bright * np.abs(random.standard_normal(np.count_nonzero(air))) if noise else 0
        volumes[name] = new
    return replace(case, volumes=volumes)


def damaged(case: Case, random: np.random.Generator) -> Iterator[tuple[str, Case]]:
    """The case, and every way to spoil it that a check should notice."""
    yield "as it is", case
    yield "other scale, gamma and bias", altered_case(case, random)
    for first, second in combinations(MODALITIES, 2):
        yield f"{first} and {second} exchanged", exchanged(case, first, second)
        yield f"{first} and {second} exchanged, altered", altered_case(exchanged(case, first, second), random)
    t1 = case.volumes["t1"]
    noise = 0.03 * np.percentile(t1[case.brain], 99) * random.standard_normal(t1.shape)
    yield "t1 twice", replace(case, volumes={**case.volumes, "t1ce": t1})
    again = np.where(case.brain, np.maximum(1.3 * t1 + noise, 1), 0).astype(np.float32)
    yield "no contrast", replace(case, volumes={**case.volumes, "t1ce": again})
    for name, volume in case.volumes.items():
        negative = np.where(volume != 0, volume.max() + 1 - volume, 0).astype(np.float32)
        yield f"negative {name}", replace(case, volumes={**case.volumes, name: negative})
    yield "head", with_head(case, random, noise=False)
    yield "head in noise", with_head(case, random, noise=True)
    noise_case = {name: np.abs(random.standard_normal(t1.shape)).astype(np.float32) * case.brain for name in MODALITIES}
    yield "noise in the brain's shape", replace(case, volumes=noise_case)
    for title, axis in (("upside down", 0), ("back to front", 1)):
        turned = {name: np.flip(volume, axis).copy() for name, volume in case.volumes.items()}
        yield title, replace(case, volumes=turned)
    order = random.permutation(len(t1))
    yield "slices in random order", replace(case, volumes={n: v[order] for n, v in case.volumes.items()})
    half = {name: np.where(np.arange(len(v))[:, None, None] < len(v) * 0.45, 0, v) for name, v in case.volumes.items()}
    yield "lower half cut off", replace(case, volumes=half)
    yield "mirrored left for right", replace(case, volumes={n: v[..., ::-1].copy() for n, v in case.volumes.items()})


def test(names: list[Path], seed: int = 0) -> None:
    noticed: dict[str, list[tuple[str, ...]]] = {}
    seconds = []
    for path in names:
        case = read_case(path)
        for title, spoilt in damaged(case, np.random.default_rng(seed)):
            start = time.perf_counter()
            warnings = check_scans(spoilt)
            seconds.append(time.perf_counter() - start)
            noticed.setdefault(title, []).append(warnings)
            if bool(warnings) == (title in ("as it is", "other scale, gamma and bias", "mirrored left for right")):
                print(f"{path.name}, {title}: {warnings or 'not noticed'}", flush=True)
    for title, found in noticed.items():
        print(
            f"{title:40s} warned in {sum(map(bool, found))} of {len(found)}; e.g. {next(filter(None, found), ('',))[0]}"
        )
    print(f"{np.median(seconds):.2f} s a case (median), {max(seconds):.2f} s at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "test"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leave-out", default=",".join(VALIDATION))
    parser.add_argument("--cases", default=",".join(VALIDATION))
    arguments = parser.parse_args()
    found = sorted(path for path in arguments.folder.iterdir() if path.is_dir())
    if arguments.what == "fit":
        left_out = arguments.leave_out.split(",")
        constants = fit([Cells.of(read_case(path)) for path in found if path.name not in left_out])
        OUTPUT.parent.mkdir(exist_ok=True)
        OUTPUT.write_text(json.dumps(constants, indent=1) + "\n")
    else:
        wanted = arguments.cases.split(",")
        test([path for path in found if path.name in wanted or wanted == ["all"]])


if __name__ == "__main__":
    main()

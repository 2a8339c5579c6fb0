"""What each step of the post-processing is worth: every one switched alone against the model's own settings.

    python Testing/benchmarks/bench_postprocessing.py FOLDER [--model CARD] [--cases NAME,NAME] [--write FILE.md]

FOLDER holds BraTS-style case folders with label maps. Without ``--cases`` the eight cases are used that the bundled
weights were validated on; they chose no weights, but they did choose the design. ``--write`` replaces the table in
FILE.md (between two marks). The network runs once a case and view; its probabilities are kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import BraTSOSLib.segmentation
from BraTSOSLib import read_case
from BraTSOSLib.case import find_label_map, read_label_map
from BraTSOSLib.labels import canonical_labels, region_mask
from BraTSOSLib.orientation import to_lps
from BraTSOSLib.segmentation import Segmenter
from BraTSOSLib.segmentation.crf import DenseCRF
from BraTSOSLib.segmentation.postprocessing import REGIONS, PostProcessing, postprocess
from BraTSOSLib.segmentation.preprocessing import bounding_box
from BraTSOSLib.segmentation.training.train import VALIDATION
from BraTSOSLib.segmentation.volume import BrainVolume

try:
    from BraTSOSLib.segmentation.evaluation import dice, hausdorff_95
except ImportError:
    from BraTSOSLib.segmentation.metrics import dice

    hausdorff_95 = None

FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes along which the brain is mirrored: none, left-right, front-back, both."""
START, END = "<!-- table: bench_postprocessing.py -->", "<!-- end of table -->"


def variants(own: PostProcessing) -> dict[str, tuple[int, PostProcessing]]:
    """Row title to the number of views that are averaged and the settings."""
    looks = DenseCRF(appearance_weight=3.0)
    rows = {
        "the model's own settings": (2, own),
        "no mirrored pass": (1, own),
        "4 passes (left-right, front-back, both)": (4, own),
        "threshold 0.4": (2, replace(own, thresholds=(0.4, 0.4, 0.4))),
        "threshold 0.5": (2, replace(own, thresholds=(0.5, 0.5, 0.5))),
        "no nesting (ET over TC over WT)": (2, replace(own, nested=False)),
        "small components kept": (2, replace(own, smallest_component=0.0)),
        "components under 64 mm³ dropped": (2, replace(own, smallest_component=64.0)),
        "components under 1000 mm³ dropped": (2, replace(own, smallest_component=1000.0)),
        "of each region, components ≥ 0.8 of the largest": (2, replace(own, component_share=0.8)),
        "of each class, components ≥ 0.8 of the largest": (
            2,
            replace(own, component_share=0.8, component_scope="classes"),
        ),
        "of each region, components ≥ 64 mm³": (2, replace(own, smallest_region_component=64.0)),
        "holes filled": (2, replace(own, fill_holes=True)),
        "holes left": (2, replace(own, fill_holes=False)),
        "ET under 500 mm³ is NCR": (2, replace(own, smallest_enhancing=500.0)),
        "CRF, smoothness (σ 1 mm, 5 iterations)": (2, replace(own, crf=DenseCRF())),
        "CRF, smoothness and appearance": (2, replace(own, crf=looks)),
        "no CRF": (2, replace(own, crf=None)),
        "CRF, then classes ≥ 0.8 (Anand et al.)": (
            2,
            replace(own, crf=DenseCRF(), component_share=0.8, component_scope="classes"),
        ),
    }
    return {title: row for index, (title, row) in enumerate(rows.items()) if index == 0 or row != (2, own)}


def views(segmenter: Segmenter, volume: BrainVolume, stored: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Probabilities (3, z, y, x) of each of ``FLIPS`` on the volume's grid, and the seconds that each took."""
    if not stored.exists():
        found, seconds = [], []
        for axes in FLIPS:
            mirrored = replace(volume, image=np.flip(volume.image, axes), brain=np.flip(volume.brain, axes))
            start = time.perf_counter()
            found.append(np.flip(segmenter.passes(mirrored, mirrored=False)[0], axes))
            seconds.append(time.perf_counter() - start)
        stored.parent.mkdir(parents=True, exist_ok=True)
        temporary = stored.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez(file, seconds=np.array(seconds), *found)
        temporary.replace(stored)
    with np.load(stored) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(FLIPS))], arrays["seconds"]


def judge(labels: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> list[float]:
    """Dice of WT, TC and ET, then HD95 in mm of the same (not a number where it cannot be computed)."""
    box = bounding_box((labels > 0) | (truth > 0)).slices
    masks = [(region_mask(labels[box], region), region_mask(truth[box], region)) for region in REGIONS]
    distances = [np.nan if hausdorff_95 is None else hausdorff_95(*pair, spacing[::-1]) for pair in masks]
    return [*(dice(*pair) for pair in masks), *distances]


def key(card: Path, segmenter: Segmenter) -> str:
    """Changes with the model and with the code that makes its probabilities."""
    digest = hashlib.sha256(" ".join(stage.identity for stage in segmenter.stages).encode() + card.name.encode())
    digest.update(str(segmenter.card.get("fine_share")).encode())
    folder = Path(BraTSOSLib.segmentation.__file__).parent
    for name in ("segmenter", "volume", "sliding", "model", "preprocessing", "resampling"):
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def measure(arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """For each row, an array (cases, 7) of Dice, HD95 and seconds."""
    segmenter = Segmenter(arguments.model, device="cpu", engine=arguments.engine)
    rows = variants(segmenter.settings)
    cache = arguments.cache / key(arguments.model or Path("bundled"), segmenter)
    results: dict[str, list[list[float]]] = {title: [] for title in rows}
    for name in arguments.cases.split(","):
        case = read_case(arguments.folder / name)
        truth = read_label_map(find_label_map(arguments.folder / name), case.geometry)
        reference = to_lps(canonical_labels(truth, name), case.geometry)[0]
        volume = BrainVolume.of(case)
        found, seconds = views(segmenter, volume, cache / f"{name}.npz")
        for title, (count, settings) in rows.items():
            mean = np.mean(found[:count], axis=0)
            start = time.perf_counter()
            labels = np.zeros(volume.shape, dtype=np.uint8)
            labels[volume.box.slices] = postprocess(
                mean, spacing=volume.spacing, brain=volume.brain, image=volume.image, settings=settings
            )
            taken = time.perf_counter() - start
            scores = judge(labels, reference, volume.spacing)
            results[title].append([*scores, float(seconds[:count].sum()), taken])
        print(name, *(f"{value:.3f}" for value in results["the model's own settings"][-1]), flush=True)
    return {title: np.array(values) for title, values in results.items()}


def table(results: dict[str, np.ndarray]) -> list[str]:
    """Markdown: the first row as it is, the others as differences from it."""
    lines = [
        "| | mean Dice WT / TC / ET | median Dice WT / TC / ET | mean HD95 in mm WT / TC / ET | "
        "network, s a case | post-processing, s a case (largest) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    first = next(iter(results.values()))
    for title, values in results.items():
        sign = "" if values is first else "+"
        base = np.zeros(first.shape[1]) if values is first else first
        means = values.mean(axis=0) - (base if values is first else first.mean(axis=0))
        medians = np.median(values, axis=0) - (base if values is first else np.median(first, axis=0))
        dices = [" / ".join(f"{v:{sign}.4f}" for v in numbers[:3]) for numbers in (means, medians)]
        distance = " / ".join(f"{v:{sign}.1f}" for v in means[3:6]) if np.isfinite(means[3:6]).all() else "not measured"
        network, own = values[:, 6], values[:, 7]
        lines.append(
            f"| {title} | {dices[0]} | {dices[1]} | {distance} | {network.mean():.1f} | "
            f"{own.mean():.2f} ({own.max():.2f}) |"
        )
    return lines


def write(path: Path, lines: list[str]) -> None:
    """Replace what stands between the two marks of ``path``."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{path} has no lines {START} and {END}: add them where the table belongs.")
    path.write_text("\n".join([before + START, *lines, END]) + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, default=None, help="model card; the bundled one where not given")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--cases", default=",".join(VALIDATION))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "bratsos-postprocessing")
    parser.add_argument("--write", type=Path, default=None)
    arguments = parser.parse_args()
    results = measure(arguments)
    name = arguments.model.stem if arguments.model else "the bundled model"
    processor = platform.processor() or platform.machine()
    note = f"{name}, {len(arguments.cases.split(','))} cases, engine {arguments.engine}, {processor}, differences from the first row:"
    lines = [note, "", *table(results)]
    print("\n".join(lines))
    if arguments.write is not None:
        write(arguments.write, lines)


if __name__ == "__main__":
    main()

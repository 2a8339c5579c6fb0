"""What each step of the post-processing is worth: every one switched alone against the model's own settings.

    python Testing/benchmarks/bench_postprocessing.py FOLDER [--model CARD] [--also CARD CARD] [--cases NAME,NAME]
        [--write FILE.md]

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
from BraTSOSLib.segmentation.resampling import resize_linear
from BraTSOSLib.segmentation.training.train import VALIDATION
from BraTSOSLib.segmentation.volume import BrainVolume

try:
    from BraTSOSLib.segmentation.evaluation import dice, hausdorff_95
except ImportError:
    from BraTSOSLib.segmentation.evaluation import dice

    hausdorff_95 = None

FIRST = "the model's own settings"
START, END = "<!-- table: bench_postprocessing.py -->", "<!-- end of table -->"


def variants(own: PostProcessing, others: bool) -> dict[str, tuple[str, PostProcessing]]:
    """Row title to the probabilities that are used (a key of what ``views`` returns) and the settings."""
    looks = DenseCRF(appearance_weight=3.0)
    settings = {
        "threshold 0.4": replace(own, thresholds=(0.4, 0.4, 0.4)),
        "threshold 0.5": replace(own, thresholds=(0.5, 0.5, 0.5)),
        "no nesting (ET over TC over WT)": replace(own, nested=False),
        "small components kept": replace(own, smallest_component=0.0),
        "components under 64 mm³ dropped": replace(own, smallest_component=64.0),
        "components under 1000 mm³ dropped": replace(own, smallest_component=1000.0),
        "of each region, components ≥ 0.8 of the largest": replace(own, component_share=0.8),
        "of each class, components ≥ 0.8 of the largest": replace(own, component_share=0.8, component_scope="classes"),
        "of each region, components ≥ 64 mm³": replace(own, smallest_region_component=64.0),
        "holes filled": replace(own, fill_holes=True),
        "holes left": replace(own, fill_holes=False),
        "ET under 500 mm³ is NCR": replace(own, smallest_enhancing=500.0),
        "no CRF": replace(own, crf=None),
        "CRF, smoothness (σ 1 mm, 5 iterations)": replace(own, crf=DenseCRF()),
        "CRF, smoothness and appearance": replace(own, crf=looks),
        "CRF, then classes ≥ 0.8 (Anand et al.)": replace(
            own, crf=DenseCRF(), component_share=0.8, component_scope="classes"
        ),
    }
    rows = {
        FIRST: ("two", own),
        "no mirrored pass": ("one", own),
        "4 passes (left-right, front-back, both)": ("four", own),
    }
    if others:
        rows["probabilities averaged with the other models'"] = ("all models", own)
    return rows | {title: ("two", value) for title, value in settings.items() if value != own}


def views(segmenter: Segmenter, volume: BrainVolume, stored: Path) -> dict[str, np.ndarray]:
    """Mean probabilities (3, z, y, x) of one, two and four passes on the volume's own grid."""
    if not stored.exists():
        turned = replace(volume, image=np.flip(volume.image, -2), brain=np.flip(volume.brain, -2))
        two = segmenter.passes(volume, mirrored=True)
        four = [*two, *(np.flip(part, -2) for part in segmenter.passes(turned, mirrored=True))]
        # a later stage looks where the first one's passes together found the tumour
        one = two[:1] if len(segmenter.stages) == 1 else segmenter.passes(volume, mirrored=False)
        found = {"one": one, "two": two, "four": four}
        means = {name: resize_linear(np.mean(parts, axis=0), volume.box.shape) for name, parts in found.items()}
        stored.parent.mkdir(parents=True, exist_ok=True)
        temporary = stored.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez(file, **means)
        temporary.replace(stored)
    with np.load(stored) as arrays:
        return {name: arrays[name] for name in arrays.files}


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
    for name in ("segmenter", "volume", "windows", "model", "preprocessing", "resampling"):
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def measure(arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """For each row, an array (cases, 7) of Dice, HD95 and processor seconds."""
    cards = [arguments.model, *arguments.also]
    segmenters = [Segmenter(card, device="cpu", engine=arguments.engine) for card in cards]
    folders = [
        arguments.cache / key(card or Path("bundled"), segmenter)
        for card, segmenter in zip(cards, segmenters, strict=True)
    ]
    rows = variants(segmenters[0].settings, bool(arguments.also))
    results: dict[str, list[list[float]]] = {title: [] for title in rows}
    for name in arguments.cases.split(","):
        case = read_case(arguments.folder / name)
        truth = read_label_map(find_label_map(arguments.folder / name), case.geometry)
        reference = to_lps(canonical_labels(truth, name), case.geometry)[0]
        volume = BrainVolume.of(case)
        found, *others = (
            views(segmenter, volume, folder / f"{name}.npz")
            for segmenter, folder in zip(segmenters, folders, strict=True)
        )
        found["all models"] = np.mean([found["two"], *(other["two"] for other in others)], axis=0)
        for title, (probability, settings) in rows.items():
            start = time.process_time()
            labels = np.zeros(volume.shape, dtype=np.uint8)
            labels[volume.box.slices] = postprocess(
                found[probability], spacing=volume.spacing, brain=volume.brain, image=volume.image, settings=settings
            )
            taken = time.process_time() - start
            results[title].append([*judge(labels, reference, volume.spacing), taken])
        print(name, *(f"{value:.3f}" for value in results[FIRST][-1]), flush=True)
    return {title: np.array(values) for title, values in results.items()}


def table(results: dict[str, np.ndarray]) -> list[str]:
    """Markdown: the first row as it is, the others as differences from it."""
    lines = [
        "| | mean Dice WT / TC / ET | median Dice WT / TC / ET | mean HD95 in mm WT / TC / ET | "
        "processor seconds a case (largest) |",
        "| --- | --- | --- | --- | --- |",
    ]
    first = next(iter(results.values()))
    for title, values in results.items():
        sign = "" if values is first else "+"
        base = np.zeros(first.shape[1]) if values is first else first
        means = values.mean(axis=0) - (base if values is first else first.mean(axis=0))
        medians = np.median(values, axis=0) - (base if values is first else np.median(first, axis=0))
        dices = [" / ".join(f"{v:{sign}.4f}" for v in numbers[:3]) for numbers in (means, medians)]
        distance = " / ".join(f"{v:{sign}.1f}" for v in means[3:6]) if np.isfinite(means[3:6]).all() else "not measured"
        lines.append(
            f"| {title} | {dices[0]} | {dices[1]} | {distance} | {values[:, 6].mean():.2f} ({values[:, 6].max():.2f}) |"
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
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="cards of models to average with")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--cases", default=",".join(VALIDATION))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "bratsos-postprocessing")
    parser.add_argument("--write", type=Path, default=None)
    arguments = parser.parse_args()
    results = measure(arguments)
    name = arguments.model.stem if arguments.model else "the bundled model"
    processor = platform.processor() or platform.machine()
    cases = len(arguments.cases.split(","))
    note = f"{name}, {cases} cases, engine {arguments.engine}, {processor}; below the first row, differences from it:"
    lines = [note, "", *table(results)]
    print("\n".join(lines))
    if arguments.write is not None:
        write(arguments.write, lines)


if __name__ == "__main__":
    main()

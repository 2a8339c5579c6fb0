"""Calibrates the Dice that an expert would be expected to give, on cases that the weights never saw.

    python Testing/benchmarks/fit_quality.py FOLDER --card CARD --cases NAME,NAME \
        [--checkpoint FILE --cases NAME,NAME ...] [--table results.csv] [--write CARD]

FOLDER holds BraTS-style case folders with label maps. Each ``--card`` (a model card; "bundled" for the one that comes
with the library) or ``--checkpoint`` (of a training run with the bundled model's first network, e.g. of a fold) is
followed by the ``--cases`` that it never saw; "validation" stands for the bundled weights' own. ``--table`` keeps soft
and true Dice of every result, and takes those that it holds already instead of computing them again. ``--write`` puts
the calibration into a card as its ``quality``; without it, it is printed.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from BraTSOSLib import read_case
from BraTSOSLib.atomic import atomic_file
from BraTSOSLib.case import find_label_map, read_label_map
from BraTSOSLib.labels import region_mask
from BraTSOSLib.segmentation import Segmenter
from BraTSOSLib.segmentation.quality import QUALITY_REGIONS, Line, fit_line, soft_dice, to_card
from BraTSOSLib.segmentation.training.train import VALIDATION

Row = tuple[str, str, str, float, float]
"""Weights, case, region, soft Dice, true Dice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--card", action="append", default=[], dest="weights")
    parser.add_argument("--checkpoint", action="append", dest="weights")
    parser.add_argument("--cases", action="append", default=[])
    parser.add_argument("--table", type=Path)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if len(arguments.weights) != len(arguments.cases):
        parser.error("give --cases after each --card and --checkpoint")
    rows = read_table(arguments.table)
    for weights, cases in zip(arguments.weights, arguments.cases, strict=True):
        names = VALIDATION if cases == "validation" else cases.split(",")
        missing = [name for name in names if not any(row[:2] == (weights, name) for row in rows)]
        segmenter = load(weights) if missing else None
        for name in missing:
            assert segmenter is not None
            rows += measure(segmenter, weights, arguments.folder / name)
            write_table(arguments.table, rows)
    lines = fit(rows)
    calibration = to_card(lines)
    if arguments.write is None:
        print(json.dumps(calibration, indent=2))
        return
    card = json.loads(arguments.write.read_text(encoding="utf-8"))
    with atomic_file(arguments.write) as unfinished:
        unfinished.write_text(json.dumps({**card, "quality": calibration}, indent=2, ensure_ascii=False) + "\n")


def load(weights: str) -> Segmenter:
    """The model of a card; or the bundled first stage with a checkpoint's averaged weights."""
    if not weights.endswith(".pt"):
        return Segmenter(None if weights == "bundled" else Path(weights), device="cpu")
    import torch

    # The engine must be torch's own: others keep what they derive from the weights of the card.
    segmenter = Segmenter(None, device="cpu", engine="torch")
    del segmenter.stages[1:]
    state = torch.load(weights, weights_only=True, map_location="cpu")["average"]
    segmenter.stages[0].network.load_state_dict(state)
    return segmenter


def measure(segmenter: Segmenter, weights: str, folder: Path) -> list[Row]:
    """Soft and true Dice of each region that the model outlines."""
    case = read_case(folder)
    truth = read_label_map(find_label_map(folder), case.geometry)
    result = segmenter.run(case, maps=True)
    assert result.probabilities is not None
    rows = []
    for region, probability in zip(QUALITY_REGIONS, result.probabilities, strict=True):
        outline, wanted = region_mask(result.labels, region), region_mask(truth, region)
        soft = soft_dice(probability, outline)
        if soft is not None:
            both = np.count_nonzero(outline & wanted)
            dice = 2.0 * both / (np.count_nonzero(outline) + np.count_nonzero(wanted))
            rows.append((weights, folder.name, region, soft, dice))
            print(f"{folder.name} {region}: soft Dice {soft:.3f}, Dice {dice:.3f}", flush=True)
    return rows


def fit(rows: list[Row]) -> dict[str, Line]:
    """A line for each region, with what it is worth beside always giving the mean."""
    lines = {}
    for region in QUALITY_REGIONS:
        chosen = [row for row in rows if row[2] == region]
        soft, dice = np.array([row[3] for row in chosen]), np.array([row[4] for row in chosen])
        cases = [row[1] for row in chosen]
        line = lines[region] = fit_line(soft, dice, cases)
        flat = fit_line(np.zeros_like(soft), dice, cases)
        print(
            f"{region}: {len(chosen)} results of {line.cases} cases, Dice {line.intercept:.2f} + {line.slope:.2f} x "
            f"soft Dice; mean absolute error {line.error:.3f} with each case left out ({flat.error:.3f} for the mean "
            f"Dice alone), 80 % interval {line.low:+.2f} to {line.high:+.2f}, correlation "
            f"{np.corrcoef(soft, dice)[0, 1]:.2f}"
        )
    return lines


def read_table(path: Path | None) -> list[Row]:
    if path is None or not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(w, c, r, float(s), float(d)) for w, c, r, s, d in list(csv.reader(file))[1:]]


def write_table(path: Path | None, rows: list[Row]) -> None:
    if path is not None:
        with atomic_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("weights", "case", "region", "soft", "dice"), *rows])


if __name__ == "__main__":
    main()

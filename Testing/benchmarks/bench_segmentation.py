"""Dice at 1 mm of the bundled model on labelled cases that it never saw, by region, with times.

    python Testing/benchmarks/bench_segmentation.py FOLDER [--cases NAME,NAME] [--output results.json]

FOLDER holds BraTS-style case folders with label maps. Without ``--cases`` the eight cases are used that the bundled
weights were validated on; they chose no weights, but they did choose the design.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from BraTSOSLib import read_case
from BraTSOSLib.case import find_label_map, read_label_map
from BraTSOSLib.segmentation import Segmenter
from BraTSOSLib.segmentation.metrics import region_dice
from BraTSOSLib.segmentation.training.train import VALIDATION


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", default=",".join(VALIDATION))
    parser.add_argument("--card", type=Path, default=None)
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    segmenter = Segmenter(arguments.card, device="cpu")
    results: dict[str, dict[str, dict[str, float]]] = {"fast": {}, "default": {}}
    for name in arguments.cases.split(","):
        case = read_case(arguments.folder / name)
        truth = read_label_map(find_label_map(arguments.folder / name), case.geometry)
        for mode in results:
            start = time.perf_counter()
            labels = segmenter(case, fast=mode == "fast")
            seconds = time.perf_counter() - start
            scores = region_dice(labels, truth)
            results[mode][name] = {**scores, "seconds": seconds}
            print(mode, name, *(f"{key} {value:.3f}" for key, value in results[mode][name].items()), flush=True)
    summary = {}
    for mode, rows in results.items():
        for statistic, function in (("mean", np.mean), ("median", np.median)):
            row = {key: round(float(function([r[key] for r in rows.values()])), 4) for key in ("WT", "TC", "ET")}
            summary[f"{mode} {statistic}"] = row
            print(mode, statistic, *(f"{key} {value:.3f}" for key, value in row.items()))
    if arguments.output is not None:
        arguments.output.write_text(json.dumps({"summary": summary, "cases": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

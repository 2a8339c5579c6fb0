"""Dice, HD95 and lesion-wise Dice at 1 mm of a model on labelled cases that it never saw, by region, with times.

    python Testing/benchmarks/bench_segmentation.py FOLDER [--cases NAME,NAME] [--card CARD] [--output results.json]

FOLDER holds BraTS-style case folders with label maps. Without ``--cases`` the eight cases are used that the bundled
weights were validated on; they chose no weights, but they did choose the design. Without ``--card`` it is the bundled
model that is judged.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from BraTSOSLib import read_case
from BraTSOSLib.case import find_label_map, read_label_map
from BraTSOSLib.segmentation import Segmenter
from BraTSOSLib.segmentation.evaluation import evaluate_case, summarise
from BraTSOSLib.segmentation.training.split import VALIDATION

SHOWN = {"dice": "Dice", "hd95_mm": "HD95 mm", "lesion_dice": "lesion-wise Dice"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", default=",".join(VALIDATION))
    parser.add_argument("--card", type=Path, default=None)
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    segmenter = Segmenter(arguments.card, device="cpu")
    rows: dict[str, list[dict]] = {"fast": [], "default": []}
    seconds: dict[str, dict[str, float]] = {mode: {} for mode in rows}
    for name in arguments.cases.split(","):
        case = read_case(arguments.folder / name)
        truth = read_label_map(find_label_map(arguments.folder / name), case.geometry)
        for mode in rows:
            start = time.perf_counter()
            labels = segmenter(case, fast=mode == "fast")
            seconds[mode][name] = time.perf_counter() - start
            scores = evaluate_case(labels, truth, case.geometry.spacing[::-1])
            rows[mode] += [{"case": name, **asdict(score)} for score in scores]
            shown = (f"{score.region} {score.dice:.3f} {score.hd95_mm:.1f} mm" for score in scores)
            print(mode, name, *shown, f"{seconds[mode][name]:.2f} s", flush=True)
    result = {}
    for mode, found in rows.items():
        summary = summarise(pd.DataFrame(found))
        result[mode] = {
            "summary": {f"{row['metric']} {row['region']}": _plain(row) for row in summary.to_dict("records")},
            "cases": found,
            "seconds": seconds[mode],
        }
        print(f"\n{mode}: n = {summary['n'].iloc[0]}, median {pd.Series(seconds[mode]).median():.2f} s a case")
        for metric, title in SHOWN.items():
            for row in summary[summary["metric"] == metric].to_dict("records"):
                print(
                    f"  {title:<17}{row['region']}  mean {row['mean']:7.3f} ({row['low']:.3f} to {row['high']:.3f})"
                    f"  median {row['median']:7.3f}  worst {row['worst']:7.3f} {row['worst_case']}"
                )
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


def _plain(row: dict) -> dict:
    """Round for reading; what one case leaves undefined becomes null."""
    return {
        key: (None if pd.isna(value) else round(value, 4)) if isinstance(value, float) else value
        for key, value in row.items()
        if key not in ("metric", "region")
    }


if __name__ == "__main__":
    main()

"""Hard mining against none, at equally many steps from the same seeds: Dice of held-out and of training cases.

    python Testing/benchmarks/bench_hard_mining.py DATA [--steps 300] [--seeds 0,1] [--output results.json]

DATA is a folder of labelled cases or a dataset list. Every run of a seed starts from the same weights and differs in
``mining`` alone (off, cases, patches); the rounds' own predictions are not counted as steps, but their time is shown.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from BraTSOSLib.segmentation.training import Recipe, Split
from BraTSOSLib.segmentation.training.cache import load_cases
from BraTSOSLib.segmentation.training.cases import find_cases
from BraTSOSLib.segmentation.training.loop import Trainer
from BraTSOSLib.segmentation.training.split import read_names
from BraTSOSLib.segmentation.training.validation import mean_dice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", default="bitrunet-compact")
    parser.add_argument("--arguments", type=json.loads, default={}, help="JSON, replaces the preset's arguments")
    parser.add_argument("--window", type=lambda text: tuple(map(int, text.split(","))), default=None)
    parser.add_argument("--kinds", default="off,cases,patches")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=0, help="steps in a round, 0 for a fifth of the run")
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--only", default=None, help="the only cases to use: names with commas or a .txt file")
    parser.add_argument("--validation", default=None, help="names with commas or a .txt file; else the usual eight")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, default=None)
    given = parser.parse_args()
    found, listed, _ = find_cases(given.data)
    split = Split(read_names(given.validation), only=read_names(given.only))
    training, held_out = split.divide([case.name for case in found], listed, 0)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        by_name = {case.name: case for case in found}
        wanted = [by_name[name] for name in (*training, *held_out)]
        spacing = Recipe(network=given.network).resolved().spacing or 2.0
        cases = load_cases(wanted, given.cache or Path(temporary) / "cache", spacing=spacing)
        train, validation = cases[: len(training)], cases[len(training) :]
        for seed in map(int, given.seeds.split(",")):
            for kind in given.kinds.split(","):
                recipe = Recipe(
                    network=given.network,
                    arguments=given.arguments,
                    window=given.window,
                    minutes=None,
                    steps=given.steps,
                    mining=kind,
                    mining_every=given.every or max(given.steps // 5, 1),
                    mining_threshold=given.threshold,
                    mining_rate=given.rate,
                    checkpoint_minutes=1e9,
                    validation_minutes=1e9,
                    seed=seed,
                )
                trainer = Trainer(recipe, train, validation, Path(temporary) / f"{kind}{seed}", device=given.device)
                start = time.perf_counter()
                metrics = trainer.run()
                seconds = time.perf_counter() - start
                rows.append(
                    {
                        "mining": kind,
                        "seed": seed,
                        "validation": metrics,
                        "training": mean_dice(train, trainer.judge),
                        "hard in the last round": len(trainer.hard.items),
                        "seconds": round(seconds, 1),
                        "seconds in steps": round(trainer.elapsed, 1),
                    }
                )
                print(json.dumps(rows[-1]), flush=True)
    summary = {
        kind: {
            part: {
                region: round(float(np.mean([row[part][region] for row in rows if row["mining"] == kind])), 4)
                for region in ("WT", "TC", "ET")
            }
            for part in ("validation", "training")
        }
        for kind in given.kinds.split(",")
    }
    print(json.dumps(summary, indent=2))
    if given.output is not None:
        settings = {key: str(value) for key, value in vars(given).items()}
        content = {"settings": settings, "torch": torch.__version__, "summary": summary, "runs": rows}
        given.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Trains every network of the papers, at reduced size, on the same cases for as many steps, and compares them.

    python Testing/benchmarks/compare_networks.py DATA [--steps 100] [--networks NAME,NAME] [--write docs/PAGE.md]

DATA is a folder of labelled cases. All runs share split, samples' seeds, window (64 x 96 x 64 at 2 mm), augmentation,
optimiser and schedule; each network's own published training is far longer, so the table compares how quickly they
learn at equal cost, not how good they can become. ``--state`` keeps finished rows, so that a run can go on later.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from BraTSOSLib.segmentation.evaluation import dice
from BraTSOSLib.segmentation.networks.cost import COSTS
from BraTSOSLib.segmentation.training import Recipe, Split
from BraTSOSLib.segmentation.training.cache import load_cases
from BraTSOSLib.segmentation.training.cases import find_cases
from BraTSOSLib.segmentation.training.loop import Trainer

NETWORKS = (
    "bitrunet-compact",
    "transbts-small",
    "3dfcnn-small",
    "med3d-small",
    "unet3d-small",
    "vnet-small",
    "residual-unet-small",
    "nnunet-small",
    "segresnet-small",
)
REGIONS = ("WT", "TC", "ET")
MARK = "<!-- compare_networks.py -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--state", type=Path, default=None)
    parser.add_argument("--write", type=Path, default=None, help=f"page in which the text after {MARK} is replaced")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    rows = json.loads(given.state.read_text()) if given.state and given.state.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        cache = given.cache or Path(temporary) / "cache"
        for name in given.networks.split(","):
            if name not in rows:
                rows[name] = compare(name, given.data, cache, Path(temporary) / name, given.steps, given.device)
                print(name, json.dumps(rows[name]), flush=True)
                if given.state:
                    given.state.write_text(json.dumps(rows, indent=1))
    text = table(rows, given.steps)
    print(text)
    if given.write is not None:
        before = given.write.read_text(encoding="utf-8").split(MARK)[0]
        given.write.write_text(f"{before}{MARK}\n\n{text}", encoding="utf-8")


def compare(name: str, data: Path, cache: Path, output: Path, steps: int, device: str) -> dict:
    """Train one network and judge it on the held-out cases."""
    found, listed, _ = find_cases(data)
    training, held_out = Split().divide([case.name for case in found], listed, 0)
    by_name = {case.name: case for case in found}
    cases = load_cases([by_name[key] for key in (*training, *held_out)], cache, spacing=2.0)
    recipe = Recipe(network=name, minutes=None, steps=steps, checkpoint_minutes=1e9, validation_minutes=1e9, seed=1)
    trainer = Trainer(recipe, cases[: len(training)], [], output, device=device)
    trainer.run()
    trainer.judge.load(trainer.average)
    scores, seconds = [], []
    for case in cases[len(training) :]:
        start = time.perf_counter()
        probability = trainer.judge(np.asarray(case.image, dtype=np.float32))
        seconds.append(time.perf_counter() - start)
        target = np.asarray(case.target, dtype=np.float32)
        scores.append([dice(p > 0.4, t > 0.5) for p, t in zip(probability, target, strict=True)])
    return {
        "cases": [len(training), len(scores)],
        "mean": [round(float(v), 3) for v in np.mean(scores, axis=0)],
        "median": [round(float(v), 3) for v in np.median(scores, axis=0)],
        "minutes": round(trainer.elapsed / 60, 1),
        "inference": round(float(np.median(seconds)), 2),
        "memory": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1),
        "threads": torch.get_num_threads(),
    }


def table(rows: dict[str, dict], steps: int) -> str:
    """The comparison as Markdown."""
    lines = [
        f"{steps} steps each, batch 1, seed 1, CPU threads: {next(iter(rows.values()))['threads']}; Dice at 2 mm.",
        "",
        "| network | parameters | GMAC | WT / TC / ET mean | median | training, min | inference, s | peak GB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in sorted(rows.items(), key=lambda item: -sum(item[1]["mean"])):
        cost = COSTS[name]
        cells = [" / ".join(f"{value:.3f}" for value in row[key]) for key in ("mean", "median")]
        lines.append(
            f"| {name} | {cost.parameters:,} | {cost.gmac:.1f} | {cells[0]} | {cells[1]} | {row['minutes']} | "
            f"{row['inference']} | {row['memory']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

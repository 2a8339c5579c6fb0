"""Small data and a tiny network for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from small_cases import GRID, small_labels, write_case

from BraTSOSLib.images import write_image
from BraTSOSLib.segmentation.training import Recipe
from BraTSOSLib.segmentation.training.cache import TrainingCase

TINY: dict[str, Any] = {"widths": [8, 8, 8, 16, 16], "token_dims": [8, 8], "mlp_dims": [8, 8], "fold": 1}
"""Arguments of ``bitrunet-compact`` for a network that runs in no time on windows of 16³."""


def tiny_recipe(**changes: Any) -> Recipe:
    usual = {"arguments": TINY, "window": (16, 16, 16), "minutes": None, "steps": 4, "seed": 3}
    return Recipe(**(usual | changes))


def blocks(count: int = 2) -> list[TrainingCase]:
    """Preprocessed cases of nested blocks in noise."""
    rng = np.random.default_rng(0)
    cases = []
    for index in range(count):
        target = np.zeros((3, 18, 20, 18), dtype=np.float16)
        target[0, 4:12, 5:13, 4:12] = 1
        target[1, 6:10, 7:11, 6:10] = 1
        target[2, 6:10, 7:11, 6:8] = 1
        noise = 0.3 * rng.standard_normal((4, 18, 20, 18))
        image = noise + np.concatenate([target, target[:1]]).astype(float)
        cases.append(TrainingCase(f"case{index}", image.astype(np.float16), target))
    return cases


def write_labelled_cases(folder: Path, names: tuple[str, ...] = ("A_1_a", "A_1_b", "B_1_a"), labels=None) -> Path:
    """Case folders with label maps."""
    for name in names:
        case = write_case(folder / name)
        write_image(small_labels() if labels is None else labels, GRID, case / f"{name}_seg.nii.gz")
    return folder

"""Hard mining: after each round what the network still gets wrong is drawn more often.

Anand et al. 2020 oversample whole subjects under a Dice threshold that changes with the epochs; their
published code meant to do so with patches. Both are here. A round scores every training case with the averaged weights
by sliding window; the patches are the windows of half the size of a sample, whose Dice is read off that one prediction.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.metrics import dice
from ..windows import window_starts
from .cache import TrainingCase
from .recipe import Recipe

Item = tuple[int, tuple[int, int, int] | None]
_FEWEST = 8
"""A patch with fewer tumour voxels, true and found, is no hard one: its Dice is noise."""


@dataclass(frozen=True)
class HardSet:
    """What one round found.

    Attributes
    ----------
    items : of the hard ones the index of the case and, for patches, the centre (z, y, x); for cases None
    step : when they were found
    threshold : Dice under which they are hard
    scores : mean Dice of WT, TC and ET of each training case
    """

    items: tuple[Item, ...] = ()
    step: int = -1
    threshold: float = 0.0
    scores: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint."""
        items = [[index, *(centre or ())] for index, centre in self.items]
        return {"items": items, "step": self.step, "threshold": self.threshold, "scores": list(self.scores)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> HardSet:
        """The set that ``to_dict`` gave."""
        items = tuple((item[0], (item[1], item[2], item[3]) if len(item) > 1 else None) for item in values["items"])
        return cls(items, values["step"], values["threshold"], tuple(values["scores"]))


def round_length(recipe: Recipe, cases: int, samples_a_step: int) -> int:
    """Steps between two rounds: 8 epochs, as Anand et al.'s code has it, where the recipe does not say."""
    return recipe.mining_every or max(8 * cases // samples_a_step, 1)


def threshold_at(recipe: Recipe, done: float) -> float:
    """Dice threshold when ``done`` (0..1) of the run is over, on the line between its two ends."""
    end = recipe.mining_threshold if recipe.mining_threshold_end is None else recipe.mining_threshold_end
    return recipe.mining_threshold + (end - recipe.mining_threshold) * min(done, 1.0)


def find_hard(
    recipe: Recipe,
    cases: Sequence[TrainingCase],
    indices: Sequence[int],
    predict: Callable[[np.ndarray], np.ndarray],
    threshold: float,
) -> list[tuple[int, float, list[Item]]]:
    """Score the cases ``indices``; index, mean Dice and hard items of each.

    Parameters
    ----------
    predict : image float32 (4, z, y, x) to region probabilities (3, z, y, x)
    """
    found = []
    for index in indices:
        case = cases[index]
        prediction = predict(np.asarray(case.image, np.float32)) > 0.5
        truth = np.asarray(case.target) > 0.5
        score = float(np.mean([dice(p, t) for p, t in zip(prediction, truth, strict=True)]))
        items: list[Item]
        if recipe.mining == "patches":
            size = tuple(max(n // 2, 8) for n in recipe.size)
            items = [(index, centre) for centre in _hard_patches(prediction, truth, size, threshold)]
        else:
            items = [(index, None)] if score < threshold else []
        found.append((index, score, items))
    return found


def _hard_patches(
    prediction: np.ndarray, truth: np.ndarray, size: tuple[int, ...], threshold: float
) -> list[tuple[int, int, int]]:
    """Centres (z, y, x) of the windows with tumour whose Dice, the mean over the regions there, is low."""
    shape = truth.shape[1:]
    hard = []
    for start in itertools.product(*(window_starts(n, w) for n, w in zip(shape, size, strict=True))):
        part = (slice(None), *(slice(a, a + w) for a, w in zip(start, size, strict=True)))
        here, there = prediction[part], truth[part]
        counts = [int(p.sum()) + int(t.sum()) for p, t in zip(here, there, strict=True)]
        scores = [dice(p, t) for p, t, n in zip(here, there, counts, strict=True) if n >= _FEWEST]
        if scores and np.mean(scores) < threshold:
            z, y, x = (a + min(w, n) // 2 for a, w, n in zip(start, size, shape, strict=True))
            hard.append((z, y, x))
    return hard

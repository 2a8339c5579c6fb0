"""Running a network over whole preprocessed cases during training, and its Dice there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..evaluation.metrics import dice
from ..model import region_probabilities
from ..windows import slide
from .cache import TARGET_REGIONS, TrainingCase
from .recipe import Recipe
from .sampling import Sampler


def predict(
    network: nn.Module,
    image: np.ndarray,
    window: tuple[int, int, int],
    channels: Sequence[str] = TARGET_REGIONS,
    precision: torch.dtype = torch.float32,
) -> np.ndarray:
    """Region probabilities float32 (3, z, y, x) of a normalised image (4, z, y, x), in windows as in training."""
    device = next(network.parameters()).device

    def forward(part: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(np.ascontiguousarray(part)).to(device)
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            logits = network(tensor.contiguous(memory_format=torch.channels_last_3d))
        return region_probabilities(logits[0].float().cpu().numpy(), tuple(channels))

    with torch.inference_mode():
        return slide(forward, image, window)


class Judge:
    """A second network, in evaluation mode, that takes the averaged weights to predict whole cases."""

    def __init__(self, network: nn.Module, recipe: Recipe, sampler: Sampler, precision: torch.dtype) -> None:
        self._network = copy.deepcopy(network).eval()
        self._recipe, self._sampler, self._precision = recipe, sampler, precision

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the weights ``state``."""
        self._network.load_state_dict(state)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Region probabilities float32 (3, z, y, x) of a normalised image (4, z, y, x)."""
        window = self._sampler.size(image.shape[1:])
        return predict(self._network, image, window, self._recipe.channels, self._precision)


def mean_dice(
    cases: Sequence[TrainingCase],
    predict_case: Callable[[np.ndarray], np.ndarray],
    told: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Mean Dice of WT, TC and ET over ``cases`` on the training's own grid; empty without cases."""
    scores = []
    for done, case in enumerate(cases):
        if told is not None:
            told(done)
        probability = predict_case(np.asarray(case.image, np.float32))
        scores.append([dice(p > 0.5, t > 0.5) for p, t in zip(probability, case.target, strict=True)])
    if not scores:
        return {}
    return {name: round(float(v), 4) for name, v in zip(TARGET_REGIONS, np.mean(scores, axis=0), strict=True)}

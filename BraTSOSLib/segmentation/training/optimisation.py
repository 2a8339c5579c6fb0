"""The network, optimiser, averaged weights and number format of a recipe."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import InputError
from ..networks import PRESETS, build_network
from ..networks.network import SegmentationNetwork
from .recipe import Recipe


class Supervised(nn.Module):
    """A network whose ``forward`` gives all outputs by name, which is what DDP can wrap."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Logits by name."""
        outputs: dict[str, Tensor] = self.network.forward_supervised(x)  # type: ignore[operator]
        return outputs


def fresh_network(recipe: Recipe) -> tuple[SegmentationNetwork, str, dict[str, Any]]:
    """The network of a resolved recipe with random weights, and the architecture and arguments for its card.

    Raises
    ------
    InputError
        If the recipe's window does not fit the network.
    """
    preset = PRESETS[recipe.network]
    arguments = {**preset.arguments, **recipe.arguments}
    network = build_network(preset.architecture, arguments)
    if recipe.sampling != "whole" and any(n % m for n, m in zip(recipe.size, network.multiples, strict=True)):
        multiples = " × ".join(map(str, network.multiples))
        raise InputError(f"The window {recipe.size} does not fit {recipe.network}: give multiples of {multiples}.")
    _expect_few_tumour_voxels(network, recipe)
    return network, preset.architecture, arguments


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW with decay on weights but not on norms and biases; Adam (AMSGrad, as Do et al.) or Nesterov's SGD."""
    learned = [p for p in network.parameters() if p.requires_grad]
    rate, decay = recipe.learning_rate or 0.0, recipe.weight_decay or 0.0
    if recipe.optimiser == "adam":
        return torch.optim.Adam(learned, lr=rate, weight_decay=decay, amsgrad=True)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(learned, lr=rate, weight_decay=decay, momentum=0.99, nesterov=True)
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def _expect_few_tumour_voxels(network: nn.Module, recipe: Recipe) -> None:
    """Let a fresh network of regions answer "healthy": most voxels are, and the first steps need not learn it."""
    head = getattr(network, "head", None)
    if recipe.outputs == "regions" and isinstance(head, nn.Conv3d) and head.bias is not None:
        nn.init.constant_(head.bias, -3.0)


def number_format(precision: str, device: torch.device) -> torch.dtype:
    """The type that convolutions compute in."""
    if precision == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def average_into(average: dict[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    """Move ``average`` towards the network's state; counters are copied.

    A young average follows quickly, so that early checkpoints are worth looking at.
    """
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - decay)
            else:
                average[name].copy_(value)

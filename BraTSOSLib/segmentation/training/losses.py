"""Losses over regions: binary cross-entropy plus soft Dice, on the main output and the auxiliary heads."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

AUXILIARY_WEIGHTS = {"main": 1.0, "half": 0.4, "quarter": 0.2}


def region_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy plus (1 - soft Dice), both averaged over regions.

    Parameters
    ----------
    logits, target : (batch, region, z, y, x); the target may be fractional (shares of a coarse voxel)
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target)
    probability = logits.sigmoid()
    axes = (0, 2, 3, 4)
    overlap = 2 * (probability * target).sum(axes)
    # a region that is absent from the crop must not dominate: the constant is about 1 % of a usual tumour
    dice = (overlap + 50.0) / ((probability**2).sum(axes) + (target**2).sum(axes) + 50.0)
    return cross_entropy + (1 - dice).mean()


def supervised_loss(outputs: dict[str, Tensor], target: Tensor) -> Tensor:
    """Weighted sum of ``region_loss`` over named outputs; the target is averaged down to each output's grid."""
    total = target.new_zeros(())
    for name, logits in outputs.items():
        factor = target.shape[2] // logits.shape[2]
        scaled = F.avg_pool3d(target, factor) if factor > 1 else target
        total = total + AUXILIARY_WEIGHTS[name] * region_loss(logits, scaled)
    return total

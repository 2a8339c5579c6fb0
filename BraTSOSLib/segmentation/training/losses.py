"""Losses over regions (sigmoid) or classes (softmax), whose targets may be shares of a coarse voxel.

Logits and targets are (batch, channel, z, y, x). Dice and the cross-entropies are written out here, because they take
fractional targets and training with them shall not need MONAI; generalised Dice and focal loss are MONAI's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ...errors import DependencyError
from .cache import TrainingCase

Loss = Callable[[Tensor, Tensor], Tensor]

AUXILIARY_WEIGHTS = {"main": 1.0, "half": 0.4, "quarter": 0.2, "eighth": 0.1, "sixteenth": 0.05}
SMOOTHING = 50.0
"""In voxels, about 1 % of a usual tumour: a region that is absent from the sample must not dominate."""
_AXES = (0, 2, 3, 4)


def channel_targets(regions: Tensor, image: Tensor, channels: Sequence[str]) -> Tensor:
    """Targets for the output ``channels`` from shares of the nested regions.

    Parameters
    ----------
    regions : (batch, 3, z, y, x), the share of WT, TC and ET
    image : (batch, 4, z, y, x), 0 outside the brain
    """
    if "background" not in channels:
        return regions
    whole, core, enhancing = regions.unbind(1)
    healthy = (1 - whole).clamp_min(0)
    share = {"NCR": (core - enhancing).clamp_min(0), "ED": (whole - core).clamp_min(0), "ET": enhancing}
    if "brain" in channels:
        brain = (image != 0).any(dim=1)
        share |= {"brain": healthy * brain, "background": healthy * ~brain}
    else:
        share["background"] = healthy
    return torch.stack([share[name] for name in channels], dim=1)


def soft_dice(logits: Tensor, target: Tensor, exclusive: bool = False) -> Tensor:
    """1 - soft Dice with squares in the denominator (Milletari et al. 2016, section 3), averaged over channels.

    Parameters
    ----------
    exclusive : softmax over channels of which the first, the background, does not count; else sigmoid
    """
    probability = logits.softmax(1)[:, 1:] if exclusive else logits.sigmoid()
    target = target[:, 1:] if exclusive else target
    overlap = 2 * (probability * target).sum(_AXES)
    dice = (overlap + SMOOTHING) / ((probability**2).sum(_AXES) + (target**2).sum(_AXES) + SMOOTHING)
    return (1 - dice).mean()


def binary_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, averaged over voxels and (weighted) over channels."""
    if weights is None:
        return F.binary_cross_entropy_with_logits(logits, target)
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(_AXES)
    return (each * weights).sum() / weights.sum()


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy over classes, weighted as PyTorch weights it, for targets that are shares."""
    weighted = target if weights is None else target * weights[:, None, None, None]
    return -(weighted * logits.log_softmax(1)).sum() / weighted.sum()


def make_loss(names: str, channels: Sequence[str], weights: Tensor | None = None) -> Loss:
    """The sum of the losses in ``names`` (joined by ``+``) for the output ``channels``; see ``recipe.LOSSES``."""
    exclusive = "background" in channels
    known: dict[str, Callable[[], Loss]] = {
        "dice": lambda: lambda logits, target: soft_dice(logits, target, exclusive),
        "bce": lambda: lambda logits, target: binary_cross_entropy(logits, target, weights),
        "ce": lambda: lambda logits, target: cross_entropy(logits, target, weights),
        "generalised-dice": lambda: _monai(
            "GeneralizedDiceLoss",
            sigmoid=not exclusive,
            softmax=exclusive,
            include_background=not exclusive,
            batch=True,
        ),
        "focal": lambda: _monai("FocalLoss", use_softmax=exclusive),
    }
    parts = [known[name]() for name in names.split("+")]
    return lambda logits, target: torch.stack([part(logits, target) for part in parts]).sum()


def _monai(name: str, **arguments: object) -> Loss:
    try:
        import monai.losses
    except ImportError as error:
        raise DependencyError(
            f"The loss {name} comes from MONAI, which is not installed ({error}): pip install bratsos[train]."
        ) from error
    loss: Loss = getattr(monai.losses, name)(**arguments)
    return loss


def region_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice over regions: what the bundled model was trained with."""
    return binary_cross_entropy(logits, target) + soft_dice(logits, target)


def supervised_loss(outputs: dict[str, Tensor], target: Tensor, loss: Loss = region_loss) -> Tensor:
    """Weighted sum of ``loss`` over named outputs; the target is averaged down to each output's grid."""
    total = target.new_zeros(())
    for name, logits in outputs.items():
        size = (logits.shape[2], logits.shape[3], logits.shape[4])
        scaled = target if size == target.shape[2:] else F.adaptive_avg_pool3d(target, size)
        total = total + AUXILIARY_WEIGHTS[name] * loss(logits, scaled)
    return total


def median_frequency_weights(cases: Sequence[TrainingCase], channels: Sequence[str]) -> Tensor:
    """Weights median class frequency / class frequency over the training set (Anand et al. 2020).

    A channel that no case holds gets the largest weight of the others.
    """
    total = torch.zeros(len(channels), dtype=torch.float64)
    for case in cases:
        regions = torch.from_numpy(case.target.astype("float32"))[None]
        image = torch.from_numpy(case.image.astype("float32"))[None]
        total += channel_targets(regions, image, channels).sum(_AXES, dtype=torch.float64)
    present = total > 0
    # Tensor.median takes the lower of the two middle ones, a quantile their mean
    weights = total[present].quantile(0.5) / total.clamp_min(1e-9)
    weights[~present] = weights[present].max()
    return weights.float()

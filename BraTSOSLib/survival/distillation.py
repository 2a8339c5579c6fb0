"""Fitting ensembles with hard labels, softened teacher targets and log-days (torch).

References
----------
Hinton, Vinyals, Dean 2015, *Distilling the knowledge in a neural network*, arXiv:1503.02531.
Lopez-Paz et al. 2016, *Unifying distillation and privileged information*, ICLR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from .networks import MemberMLP
from .settings import FitSettings

MEDIAN_BETA = 0.25
"""Standard deviations of log-days within which the regression loss is quadratic; beyond, it is the absolute error.

The absolute error makes the prediction a median. The squared error of log-days would make it a geometric mean, which
a few deaths in the first weeks pull far below the typical survival.
"""


@dataclass(frozen=True)
class Targets:
    """What the networks learn; the first axis counts members, and one entry serves all where it has length 1.

    Attributes
    ----------
    classes : ndarray of int, shape (n,)
    log_days : ndarray, shape (n,)
        Standardised.
    weights : ndarray, shape (members, n)
        1 where the member trains on the patient, 0 where it must not see the patient.
    soft : ndarray, shape (members, n, 3), optional
        The teacher's class probabilities, already softened by the temperature.
    """

    classes: np.ndarray
    log_days: np.ndarray
    weights: np.ndarray
    soft: np.ndarray | None = None


def distillation_loss(
    outputs: torch.Tensor,
    classes: torch.Tensor,
    log_days: torch.Tensor,
    soft: torch.Tensor | None,
    settings: FitSettings,
    temperature: float,
) -> torch.Tensor:
    """Return the loss of every member and patient, shape (members, n), from ``outputs``, shape (members, n, 4).

    The softened term is multiplied by the squared temperature, so that its gradient keeps its size when the
    temperature changes (Hinton et al. 2015, section 2).
    """
    logits, predicted = outputs[..., :3], outputs[..., 3]
    hard = -functional.log_softmax(logits, dim=-1).gather(-1, classes.expand(logits.shape[:2])[..., None])[..., 0]
    regression = functional.smooth_l1_loss(predicted, log_days.expand_as(predicted), reduction="none", beta=MEDIAN_BETA)
    loss = settings.hard_weight * hard + settings.days_weight * regression
    if soft is not None and settings.soft_weight > 0:
        softened = functional.log_softmax(logits / temperature, dim=-1)
        divergence = (soft * (torch.log(soft.clamp_min(1e-8)) - softened)).sum(dim=-1)
        loss = loss + settings.soft_weight * temperature**2 * divergence
    return loss


def fit_members(
    inputs: np.ndarray,
    targets: Targets,
    settings: FitSettings,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    drop_columns: Sequence[int] = (),
    drop_values: np.ndarray | None = None,
    drop_probability: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> MemberMLP:
    """Fit one network per member, all at once, on full batches.

    Parameters
    ----------
    inputs : ndarray, shape (members, n, p)
        Standardised inputs without missing values.
    targets : Targets
    drop_columns : sequence of int
        Input columns that are hidden together with ``drop_probability``, anew in every step.
    drop_values : ndarray, shape (members, len(drop_columns))
        What those columns hold for a patient in whom they are unknown.
    """
    generator = torch.Generator().manual_seed(seed)
    members, patients, width = inputs.shape
    network = MemberMLP(members, width, settings.hidden, settings.dropout, generator)
    data = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    classes = torch.from_numpy(np.asarray(targets.classes, dtype=np.int64))[None]
    log_days = torch.from_numpy(np.asarray(targets.log_days, dtype=np.float32))
    weights = torch.from_numpy(np.asarray(targets.weights, dtype=np.float32))
    weights = weights / weights.sum(dim=1, keepdim=True)
    soft = None if targets.soft is None else torch.from_numpy(np.asarray(targets.soft, dtype=np.float32))
    hidden_values = None if drop_values is None else torch.from_numpy(np.asarray(drop_values, dtype=np.float32))
    optimiser = torch.optim.AdamW(
        [
            {"params": [*network.weights, network.direct], "weight_decay": settings.weight_decay},
            {"params": list(network.biases), "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    network.train()
    for step in range(settings.steps):
        batch = data
        if drop_probability > 0 and hidden_values is not None and len(drop_columns):
            hidden = torch.rand(members, patients, generator=generator) < drop_probability
            batch = data.clone()
            for position, column in enumerate(drop_columns):
                batch[..., column] = torch.where(hidden, hidden_values[:, position, None], batch[..., column])
        loss = distillation_loss(network(batch), classes, log_days, soft, settings, temperature)
        # Members share nothing, so the sum over them gives each exactly its own gradient.
        optimiser.zero_grad(set_to_none=True)
        (loss * weights).sum().backward()
        optimiser.step()
        schedule.step()
        if progress is not None and step % 10 == 0:
            progress(step / settings.steps)
    network.eval()
    return network


def member_outputs(network: MemberMLP, inputs: np.ndarray) -> np.ndarray:
    """Return the outputs, shape (members, n, 4), float64, of the fitted networks for ``inputs`` (members, n, p)."""
    with torch.no_grad():
        return network(torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))).double().numpy()

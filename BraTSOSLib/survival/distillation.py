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

from .categories import LONG_ABOVE, SHORT_BELOW, class_indices
from .networks import MemberMLP
from .settings import FitSettings


@dataclass(frozen=True)
class Targets:
    """What the networks learn; the first axis counts members, and one entry serves all where it has length 1.

    Attributes
    ----------
    possible : ndarray, shape (n, 3)
        Probability that the patient's record would look as it does, given each category: 1 for the category of a
        patient who died and 0 for the others; see `possible_classes` for censored patients.
    log_days : ndarray, shape (members, n)
        Standardised logarithm of the days to death or to the last contact.
    events : ndarray of bool, shape (n,)
        True where the patient died.
    weights : ndarray, shape (members, n)
        Above 0 where the member trains on the patient, 0 where it must not see the patient.
    soft : ndarray, shape (members, n, 3), optional
        The teacher's class probabilities, already softened by the temperature.
    """

    possible: np.ndarray
    log_days: np.ndarray
    events: np.ndarray
    weights: np.ndarray
    soft: np.ndarray | None = None


def possible_classes(days: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return how probable each patient's record is in each category, shape (n, 3).

    A patient censored at day c is neither dropped nor taken as dead: within a category, death is taken to be spread
    evenly over its days, so that the part of the category beyond c remains possible. The open last category always is.
    """
    exact = np.eye(3)[class_indices(days)]
    short = np.clip((SHORT_BELOW - days) / SHORT_BELOW, 0.0, 1.0)
    medium = np.clip((LONG_ABOVE - days) / (LONG_ABOVE - SHORT_BELOW), 0.0, 1.0)
    return np.where(np.asarray(events)[:, None], exact, np.column_stack([short, medium, np.ones(len(days))]))


@dataclass(frozen=True)
class _Tensors:
    """The targets as tensors; see `Targets`."""

    log_possible: torch.Tensor
    log_days: torch.Tensor
    events: torch.Tensor
    soft: torch.Tensor | None


def distillation_loss(
    outputs: torch.Tensor, scale: torch.Tensor, targets: _Tensors, settings: FitSettings, temperature: float
) -> torch.Tensor:
    """Return the loss of every member and patient, shape (members, n), from ``outputs``, shape (members, n, 4).

    Days follow a log-logistic accelerated failure time model with median ``outputs[..., 3]`` and ``scale`` (members,
    1): its tails keep deaths in the first weeks from pulling the median down, and a censored patient adds the
    probability of living longer (Kalbfleisch and Prentice 2002, *The statistical analysis of failure time data*,
    section 2.2). The softened term is multiplied by the squared temperature, so that its gradient keeps its size when
    the temperature changes (Hinton et al. 2015, section 2).
    """
    logits, median = outputs[..., :3], outputs[..., 3]
    hard = -torch.logsumexp(functional.log_softmax(logits, dim=-1) + targets.log_possible, dim=-1)
    z = (targets.log_days - median) / scale
    died = z + torch.log(scale) + 2.0 * functional.softplus(-z)
    regression = torch.where(targets.events, died, functional.softplus(z))
    loss = settings.hard_weight * hard + settings.days_weight * regression
    if targets.soft is not None and settings.soft_weight > 0:
        softened = functional.log_softmax(logits / temperature, dim=-1)
        divergence = (targets.soft * (torch.log(targets.soft.clamp_min(1e-8)) - softened)).sum(dim=-1)
        loss = loss + settings.soft_weight * temperature**2 * divergence
    return loss


def fit_members(
    inputs: np.ndarray,
    targets: Targets,
    settings: FitSettings,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    hide: Sequence[Sequence[int]] = (),
    hide_probability: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> MemberMLP:
    """Fit one network per member, all at once, on full batches.

    Parameters
    ----------
    inputs : ndarray, shape (members, n, p)
        Standardised inputs without missing values.
    targets : Targets
    hide : sequence of sequences of int
        Input columns that are hidden together with ``hide_probability``, anew in every step; a hidden input is 0, as a
        missing one is.
    """
    generator = torch.Generator().manual_seed(seed)
    members, patients, width = inputs.shape
    network = MemberMLP(members, width, settings.hidden, settings.dropout, generator)
    data = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    known = _Tensors(
        log_possible=torch.log(torch.from_numpy(targets.possible).float().clamp_min(1e-12))[None],
        log_days=torch.from_numpy(np.asarray(targets.log_days, dtype=np.float32)),
        events=torch.from_numpy(np.asarray(targets.events, dtype=bool))[None],
        soft=None if targets.soft is None else torch.from_numpy(np.asarray(targets.soft, dtype=np.float32)),
    )
    weights = torch.from_numpy(np.asarray(targets.weights, dtype=np.float32))
    weights = weights / weights.sum(dim=1, keepdim=True)
    optimiser = torch.optim.AdamW(
        [
            {"params": [*network.weights, network.direct], "weight_decay": settings.weight_decay},
            {"params": [*network.biases, network.log_scale], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    network.train()
    for step in range(settings.steps):
        batch = data
        if hide_probability > 0 and hide:
            batch = data.clone()
            for columns in hide:
                hidden = torch.rand(members, patients, generator=generator) < hide_probability
                for column in columns:
                    batch[..., column] = batch[..., column].masked_fill(hidden, 0.0)
        loss = distillation_loss(network(batch), network.log_scale.exp(), known, settings, temperature)
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

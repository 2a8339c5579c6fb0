"""Plain perceptrons fitted in small batches, many side by side in one set of tensors (torch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

OUTPUTS = 4
"""Three class logits (short, medium, long) and the standardised logarithm of the days."""


@dataclass(frozen=True)
class Networks:
    """Fitted perceptrons with rectified linear units; nothing is shared between the members.

    Attributes
    ----------
    weights, biases : list of ndarray, one a layer, shapes (members, fan in, fan out) and (members, 1, fan out)
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """Return logits and standardised log-days, shape (members, n, 4), of ``inputs``, shape (members, n, p)."""
        activity = np.asarray(inputs, dtype=np.float64)
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            activity = activity @ weight + bias
            if layer < last:
                activity = np.maximum(activity, 0.0)
        return activity

    def members(self, chosen: np.ndarray) -> Networks:
        """Return the networks ``chosen`` (indices or mask over members)."""
        return Networks([each[chosen] for each in self.weights], [each[chosen] for each in self.biases])


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of a network's loss, and the temperature of the softened one.

    Attributes
    ----------
    hard : float
        Cross-entropy with the true category.
    days : float
        Squared error of the standardised log-days.
    soft : float
        Divergence from the teacher's class probabilities, both softened by ``temperature``, times its square so that
        its gradient keeps its size (Hinton et al. 2015, section 2).
    imitation : float
        Squared difference from the teacher's log-days.
    """

    hard: float = 1.0
    days: float = 1.0
    soft: float = 0.0
    imitation: float = 0.0
    temperature: float = 2.0


@dataclass(frozen=True)
class Budget:
    """How long and how a network is fitted (Adam): 100 epochs in batches of 4, Do et al. 2022, section 5.2."""

    epochs: int = 100
    batch_size: int = 4
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Lessons:
    """What the members learn from; every member has its own patients.

    Attributes
    ----------
    inputs : ndarray, shape (members, n, p)
    classes : ndarray of int, shape (members, n)
    log_days : ndarray, shape (members, n)
        Standardised.
    patient_weights : ndarray, shape (members, n)
    teacher : ndarray, shape (members, n, 4), optional
        The teacher's outputs for the same patients; needed where a member imitates it.
    """

    inputs: np.ndarray
    classes: np.ndarray
    log_days: np.ndarray
    patient_weights: np.ndarray
    teacher: np.ndarray | None = None


def fresh_networks(seeds: Sequence[int], inputs: int, hidden: tuple[int, ...]) -> Networks:
    """Return one network for each seed, with weights by He et al. 2015 and no bias; a seed decides one alone."""
    widths = (inputs, *hidden, OUTPUTS)
    generators = [np.random.default_rng([seed, 0]) for seed in seeds]
    weights, biases = [], []
    for fan_in, fan_out in pairwise(widths):
        scale = np.sqrt(2.0 / fan_in)
        weights.append(np.stack([each.normal(0.0, scale, (fan_in, fan_out)) for each in generators]))
        biases.append(np.zeros((len(generators), 1, fan_out)))
    return Networks(weights, biases)


def fit_networks(
    start: Networks,
    lessons: Lessons,
    losses: Sequence[LossWeights],
    budget: Budget,
    seeds: Sequence[int],
    progress: Callable[[float], None] | None = None,
) -> Networks:
    """Fit every member of ``start`` on its own lesson with its own loss, all at once.

    Parameters
    ----------
    losses, seeds : sequence, length members
        A member's seed decides the order of its patients; who is fitted beside it changes nothing.

    Notes
    -----
    Members share nothing, so the gradient of the sum of their losses gives each exactly its own gradient, and a
    step of Adam acts on each number alone.
    """
    import torch

    members, patients = lessons.classes.shape
    tensors = [torch.tensor(each, dtype=torch.float32, requires_grad=True) for each in (*start.weights, *start.biases)]
    layers = len(start.weights)
    optimiser = torch.optim.Adam(tensors, lr=budget.learning_rate, foreach=True)
    inputs = torch.tensor(lessons.inputs, dtype=torch.float32)
    targets = torch.tensor(_targets(lessons, losses), dtype=torch.float32)
    terms = torch.tensor(
        [[loss.hard, loss.days, loss.soft * loss.temperature**2, loss.imitation] for loss in losses],
        dtype=torch.float32,
    )[:, None, :]
    temperature = torch.tensor([loss.temperature for loss in losses], dtype=torch.float32)[:, None, None]
    imitating = lessons.teacher is not None and any(loss.soft > 0 or loss.imitation > 0 for loss in losses)
    orders = [np.random.default_rng([seed, 1]) for seed in seeds]
    rows = torch.arange(members)[:, None]
    for epoch in range(budget.epochs):
        order = torch.from_numpy(np.stack([each.permutation(patients) for each in orders]))
        shuffled, wanted = inputs[rows, order], targets[rows, order]
        for first in range(0, patients, budget.batch_size):
            batch = slice(first, first + budget.batch_size)
            activity = shuffled[:, batch]
            for layer in range(layers):
                activity = torch.baddbmm(tensors[layers + layer], activity, tensors[layer])
                if layer < layers - 1:
                    activity = torch.relu(activity)
            loss = _loss(activity, wanted[:, batch], terms, temperature, imitating)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if progress is not None:
            progress((epoch + 1) / budget.epochs)
    fitted = [each.detach().numpy().astype(np.float64) for each in tensors]
    return Networks(fitted[:layers], fitted[layers:])


def _targets(lessons: Lessons, losses: Sequence[LossWeights]) -> np.ndarray:
    """Return, shape (members, n, 9): one-hot category, log-days, patient weight, teacher's softened classes, days."""
    from ..scaling import softmax

    members, patients = lessons.classes.shape
    result = np.zeros((members, patients, 9))
    result[..., :3] = np.eye(3)[lessons.classes]
    result[..., 3] = lessons.log_days
    result[..., 4] = lessons.patient_weights
    if lessons.teacher is not None:
        temperature = np.array([loss.temperature for loss in losses])[:, None, None]
        result[..., 5:8] = softmax(lessons.teacher[..., :3] / temperature)
        result[..., 8] = lessons.teacher[..., 3]
    return result


def _loss(
    outputs: torch.Tensor, wanted: torch.Tensor, terms: torch.Tensor, temperature: torch.Tensor, imitating: bool
) -> torch.Tensor:
    """Return the sum over members of the mean over a batch; ``outputs`` (members, batch, 4), ``wanted`` `_targets`."""
    from torch.nn.functional import log_softmax

    logits, days = outputs[..., :3], outputs[..., 3]
    value = -terms[..., 0] * (wanted[..., :3] * log_softmax(logits, dim=-1)).sum(dim=-1)
    value = value + terms[..., 1] * (days - wanted[..., 3]) ** 2
    if imitating:
        # The teacher's own entropy is left out: it moves the divergence, not its gradient.
        softened = log_softmax(logits / temperature, dim=-1)
        value = value - terms[..., 2] * (wanted[..., 5:8] * softened).sum(dim=-1)
        value = value + terms[..., 3] * (days - wanted[..., 8]) ** 2
    return (value * wanted[..., 4]).mean(dim=1).sum()

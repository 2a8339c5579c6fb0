"""The teacher and student networks: many small perceptrons fitted side by side in one set of tensors (torch)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

OUTPUTS = 4
"""Three class logits (short, medium, long) and the median of the standardised logarithm of the days."""


class MemberMLP(nn.Module):
    """An ensemble of independent perceptrons with tanh units and a linear path from input to output.

    The linear path lets a member be as plain as a linear model where the data ask for no more.

    Parameters
    ----------
    members : int
        Networks in the ensemble; nothing is shared between them.
    inputs : int
        Standardised inputs of each.
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Share of hidden units silenced while training.
    generator : torch.Generator
        Where the initial weights come from.
    """

    def __init__(self, members: int, inputs: int, hidden: tuple[int, ...], dropout: float, generator: torch.Generator):
        super().__init__()
        self.dropout = dropout
        self.generator = generator
        widths = (inputs, *hidden, OUTPUTS)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in pairwise(widths):
            start = torch.randn(members, fan_in, fan_out, generator=generator) / math.sqrt(fan_in)
            self.weights.append(nn.Parameter(start))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, fan_out)))
        self.direct = nn.Parameter(torch.zeros(members, inputs, OUTPUTS))
        # Scale of the logistic distribution of log-days round the median; at 0.55 its standard deviation is 1.
        self.log_scale = nn.Parameter(torch.full((members, 1), math.log(0.55)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits and log-days, shape (members, n, 4), of ``inputs``, shape (members, n, inputs)."""
        activity = inputs
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            activity = torch.baddbmm(bias, activity, weight)
            if layer < last:
                activity = torch.tanh(activity)
                if self.training and self.dropout > 0:
                    kept = torch.rand(activity.shape, generator=self.generator) >= self.dropout
                    activity = activity * kept / (1.0 - self.dropout)
        return activity + torch.bmm(inputs, self.direct)

"""Averaging the weights of several trainings of one network, and the model that comes out of it.

Weights average well where the trainings share their beginning (checkpoints of one run, or fine-tunings of one model);
of networks trained from different beginnings, average the probabilities instead.

References
----------
.. [1] Izmailov P et al., Averaging weights leads to wider optima and better generalization, UAI 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..models import read_card
from .weights import load_weights, save_network

if TYPE_CHECKING:
    from torch import Tensor


def average_states(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of state dictionaries of one architecture; whole numbers (counters) are those of the first.

    Raises
    ------
    InputError
        If there is none, or the names or shapes of their tensors differ.
    """
    if not states:
        raise InputError("There are no weights to average: give at least one model.")
    first = states[0]
    for number, state in enumerate(states[1:], start=2):
        for name in sorted(set(first) | set(state)):
            if name not in first or name not in state or first[name].shape != state[name].shape:
                raise InputError(
                    f"Weights 1 and {number} differ in {name!r}: only weights of one architecture can be averaged."
                )
    return {
        name: sum(state[name].double() for state in states).div(len(states)).to(value.dtype)  # type: ignore[union-attr]
        if value.is_floating_point()
        else value.clone()
        for name, value in first.items()
    }


def average_models(cards: Sequence[Path], folder: Path, name: str) -> Path:
    """Write the model ``name`` with the mean weights of the one-stage models ``cards`` to ``folder``.

    Its card is that of the first model, without metrics, and lists in ``averaged`` what was averaged.

    Raises
    ------
    InputError
        If a model has several stages or TorchScript weights, or they are not of one architecture.
    ModelError
        If a card or its weights cannot be read.
    """
    tables = [read_card(path) for path in cards]
    for path, table in zip(cards, tables, strict=True):
        if table.get("stages") or table.get("architecture") == "TorchScript":
            raise InputError(f"The model {path.stem} has several stages or a script: weights cannot be averaged then.")
        if any(table.get(key) != tables[0].get(key) for key in ("architecture", "arguments", "inputs", "outputs")):
            raise InputError(
                f"The model {path.stem} is another network than {cards[0].stem}: average one architecture."
            )
    networks = [load_weights(path, table) for path, table in zip(cards, tables, strict=True)]
    state = average_states([network.state_dict() for network in networks])
    dropped = ("metrics", "sha256", "weights")
    card = {key: value for key, value in tables[0].items() if key not in dropped}
    averaged = [str(table.get("name", path.stem)) for path, table in zip(cards, tables, strict=True)]
    return save_network(state, {**card, "name": name, "averaged": averaged}, folder)
